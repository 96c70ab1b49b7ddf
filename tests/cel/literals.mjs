// Values at the edges, and how CEL writes them.
import { NS, scalar } from './values.mjs';

const MAX = (1n << 63n) - 1n;
const INTS = [0n, 1n, -1n, 2n, 3n, 5n, 7n, 10n, -10n, 24n, 59n, 60n, 63n, 64n, 65n, 100n, 255n,
  256n,
  1000n, 3600n, 86400n, (1n << 31n) - 1n, 1n << 31n, -(1n << 31n), 1n << 32n, (1n << 53n) - 1n,
  1n << 53n, (1n << 53n) + 1n, -(1n << 53n) - 1n, 253402300799n, 253402300800n, -62135596800n, MAX,
  MAX - 1n, -MAX, -MAX - 1n];
const DOUBLES = [0, -0, 1, -1, 0.5, -0.5, 1.5, 2.5, -2.5, 0.1, 0.2, 0.3, 2.675, 1e-7, 123456.789,
  1e15,
  1e16, 1e17, 1e21, 1e22, 2 ** 31, 2 ** 53, 2 ** 53 + 2, 2 ** 63, -(2 ** 63), 2 ** 63 - 1024,
    2 ** 64,
  2 ** 64 - 2048, 4.9e-324, 2.2250738585072014e-308, 1.7976931348623157e308,
    -1.7976931348623157e308,
  0.49999999999999994, 4503599627370497.5, NaN, Infinity, -Infinity];
export const TEXTS = ['', 'a', 'b', 'ab', 'abc', 'A', 'aB', 'hello world', ' ', '  x ', '\t\n',
  'aaa',
  'abcabc', 'a,b,c', ',', 'true', 'false', 'True', '1', '0', '-1', '+1', '12', '1.5', '-1.5e3',
    '1e400',
  'inf', 'NaN', '9223372036854775807', '9223372036854775808', '-9223372036854775808',
  '18446744073709551615', '18446744073709551616', '0x10', ' 1', '1 ', '', '\u00e9', 'e\u0301', 'ß',
  'ñandú', 'ÀÉ', '日本語', '😀', 'a😀b', '😀😀', '\ud7ff', '\ue000', '\uffff', '\u{10ffff}', '\u0000',
  'a\u0000b', '\u0007\u0008\f\r\v', '"', "'", '\\', '"\'\\', '\u00a0x\u2003', '\u0085', '%', '%s',
    '$0',
  'YWJj', 'YWI=', 'YWI', 'YQ==', '====', 'k', 'key', 'Ω', 'ω', 'İ', 'ſ', '\u200b', '\ufeff'];
export const TIMES = ['1970-01-01T00:00:00Z', '0001-01-01T00:00:00Z',
  '9999-12-31T23:59:59.999999999Z',
  '2024-02-29T12:34:56.789Z', '2023-12-31T23:59:59.999999999Z', '2000-02-29T00:00:00Z',
  '1900-03-01T00:00:00Z', '1969-12-31T23:59:59.999999999Z', '2024-03-10T02:30:00-05:00',
  '2024-11-03T06:30:00Z', '2024-03-31T01:00:00Z', '2024-10-27T01:00:00+01:00',
    '2020-01-01T00:00:00.5Z',
  '0099-06-15T01:02:03.000000004Z', '2038-01-19T03:14:07Z', '2024-07-04T05:06:07.008009010+23:59'];
const BAD_TIMES = ['2024-02-30T00:00:00Z', '2023-02-29T00:00:00Z', '2024-01-01T24:00:00Z',
  '2024-01-01T00:60:00Z', '2024-01-01', '0000-01-01T00:00:00Z', '10000-01-01T00:00:00Z',
  '2024-01-01T00:00:00', '2024-13-01T00:00:00Z', 'x'];
const DURATIONS = ['0s', '1s', '-1s', '1.5s', '100ms', '1us', '1ns', '-1ns', '1h', '24h', '1h30m',
  '90m',
  '-1.5h', '2562047h47m16.854775807s', '-9223372036.854775808s', '0.000000001s', '3.3333333333s',
    '1m0.5s',
  '0', '999999999ns', '8760h'];
const BAD_DURATIONS = ['', '1', 's', '1d', '1 s', '9223372036854775807s',
  '2562047h47m16.854775808s', '1h-1m',
  '--1s', '1.s.', '.s'];
export const ZONES = ['UTC', 'America/Bogota', 'America/Lima', 'America/New_York',
  'America/Los_Angeles',
  'America/St_Johns', 'Europe/London', 'Europe/Madrid', 'Asia/Kolkata', 'Asia/Kathmandu',
    'Asia/Tokyo',
  'Australia/Sydney', '+00:00', '-05:00', '05:30', '+14:00', '-23:59', '23:59', 'US/Central',
    'Etc/UTC'];
const BAD_ZONES = ['Nowhere/City', '+24:00', '5:00', '', '-5', '+00:60'];
// Since when the rules of the zones that we have hold (brain/expr/zone.c), for the latest of them.
const ZONES_SINCE = 1262304000n;

export const PATTERNS = ['', 'a', '.', '^a', 'a$', '^$', 'a*', 'a+b?', '[abc]+', '[^a]', '(a|b)c',
  '\\d+',
  '\\w+\\s\\w+', '^[a-z]{2,3}$', 'a{2}', '(?i)AB', '(?s).', '(?:ab)+', '\\bab', '\\Ba',
    '[[:alpha:]]',
  '[[:^digit:]]', '\\p{L}', '\\P{Lu}', '\\pN', 'x*?', '(a*)*', '(?P<n>a)', '\\x41', '\\x{1F600}',
    '[\\d\\s]',
  '\\A.*\\z', '\\Qa.b\\E', 'é', '😀', '[😀-😂]', '[^\\n]', '(?m)^b', '(?U)a+', '.{3}', '^.$', '(|a)+',
    '\\C',
  '(', ')', '[', 'a**', '*', 'a{2', 'a{1001}', '\\1', '(?=a)', '\\p{Foo}', '[b-a]', '(?z)', '\\',
  'a{,2}', '[]a]', '[^]a]', '\\pX', '(?i)ω', '(?i)K', '(?-s).', 'a|b|', '\\t', '\\07', '\\8', '\\/',
    '\\-'];

const pad = (x, n) => x.toString(16).padStart(n, '0');

export function intOf(r) {
  if (r.chance(70)) {
    return r.pick(INTS);
  }
  return r.chance(60) ? BigInt(r.below(41)) - 20n
    : BigInt.asIntN(64, r.bits64() >> BigInt(r.below(64)));
}

export const uintOf = (r) => BigInt.asUintN(64, r.chance(15) ? (1n << 64n) - BigInt(r.below(3) + 1)
  : r.chance(15) ? r.bits64() : BigInt.asUintN(63, intOf(r) < 0n ? BigInt(r.below(5)) : intOf(r)));

export function doubleOf(r) {
  if (r.chance(65)) {
    return r.pick(DOUBLES);
  }
  if (r.chance(60)) {
    return (r.below(4001) - 2000) / r.pick([1, 2, 4, 10, 100, 1000]);
  }
  const bits = new DataView(new ArrayBuffer(8));
  bits.setBigUint64(0, r.bits64());
  return bits.getFloat64(0);
}

export function textOf(r) {
  if (r.chance(70)) {
    return r.pick(TEXTS);
  }
  let made = '';
  for (let n = r.below(6); n > 0; n--) {
    made += r.chance(70) ? r.pick('abcABC019 ,._-') : r.pick(TEXTS);
  }
  return made;
}

export function bytesOf(r) {
  return r.chance(50) ? Buffer.from(textOf(r), 'utf8')
    : Buffer.from(Array.from({ length: r.below(5) }, () => r.pick([0, 65, 97, 127, 128, 194, 228,
      255])));
}

// [text, whether it is one]
export const timeOf = (r) => (r.chance(3) ? [r.pick(BAD_TIMES), false] : [r.pick(TIMES), true]);

export function durationOf(r) {
  if (r.chance(4)) {
    return [r.pick(BAD_DURATIONS), false];
  }
  return [r.chance(75) ? r.pick(DURATIONS)
    : `${r.chance(30) ? '-' : ''}${r.below(10000)}${r.chance(40) ? `.${r.below(1000000)}` : ''}${
      r.pick(['ns', 'us', 'ms', 's', 'm', 'h'])}`, true];
}

export const zoneOf = (r) => (r.chance(4) ? [r.pick(BAD_ZONES), false] : [r.pick(ZONES), true]);

// Whether a zone of brain/expr has rules for an instant of the generator.
export const nsOfTime = (r) => r.weighted([[60, () => BigInt(r.below(2000000000)) * NS],
  [20, () => (ZONES_SINCE + BigInt(r.below(900000000))) * NS + BigInt(r.below(1000000000))],
  [10, () => -62135596800n * NS + (r.bits64() % 315537897600n) * NS + BigInt(r.below(1000000000))],
  [5, () => -62135596800n * NS], [5, () => 253402300800n * NS - 1n]])();

export const nsOfDuration = (r) => r.weighted([[50, () => BigInt(r.below(200000)) * NS],
  [20, () => BigInt.asIntN(64, r.bits64())], [20, () => BigInt(r.below(4001) - 2000) * 1000000n],
  [5, () => MAX], [5, () => -MAX - 1n]])();

// --- as CEL writes them ---

export function intText(r, value) {
  if (r.chance(10)) {
    const digits = (value < 0n ? -value : value).toString(16);
    return `${value < 0n ? '-' : ''}0x${r.chance(50) ? digits.toUpperCase() : digits}`;
  }
  return String(value);
}

export function doubleText(r, value) {
  if (Number.isNaN(value)) {
    return '(0.0 / 0.0)';
  }
  if (!Number.isFinite(value)) {
    return value < 0 ? '(-1.0 / 0.0)' : '(1.0 / 0.0)';
  }
  let text = Object.is(value, -0) ? '-0' : String(value);
  if (r.chance(10)) {
    text = value.toExponential();
  }
  text = /[.e]/.test(text) ? text : `${text}.0`;
  return r.chance(5) && text.startsWith('0.') ? text.slice(1) : text;
}

const ESCAPES = new Map([[7, 'a'], [8, 'b'], [9, 't'], [10, 'n'], [11, 'v'], [12, 'f'], [13, 'r'],
  [92, '\\']]);

function escapePoint(r, point, quote) {
  const letter = ESCAPES.get(point);
  if (letter !== undefined) {
    return `\\${letter}`;
  }
  if (point === quote.charCodeAt(0)) {
    return `\\${quote[0]}`;
  }
  if (point < 32 || point === 127 || r.chance(3)) {
    return point < 256 && r.chance(50) ? (r.chance(50) ? `\\x${pad(point, 2)}`
      : `\\${point.toString(8).padStart(3, '0')}`)
      : point < 0x10000 && r.chance(60) ? `\\u${pad(point, 4)}` : `\\U${pad(point, 8)}`;
  }
  return String.fromCodePoint(point);
}

export function stringText(r, value) {
  if (r.chance(5) && !/["\\\n\r]/.test(value)) {
    return `r"${value}"`;
  }
  const quote = r.weighted([[70, '"'], [20, "'"], [5, '"""'], [5, "'''"]]);
  let made = '';
  for (const c of value) {
    made += escapePoint(r, c.codePointAt(0), quote);
  }
  return quote + made + quote;
}

export function bytesText(r, value) {
  let made = '';
  for (const byte of value) {
    made += byte >= 97 && byte < 123 && !r.chance(10) ? String.fromCharCode(byte)
      : r.chance(50) ? `\\x${pad(byte, 2)}` : `\\${byte.toString(8).padStart(3, '0')}`;
  }
  return `b"${made}"`;
}

export { scalar };
