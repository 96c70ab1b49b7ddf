// Where the oracle is wrong, each with its reason: what it does, and what CEL says.
//
// A fault is mended for the values it concerns and no others (`when`), by what the definition
// says (`is`), so that the case is still compared; the proof prints how often each was. A new
// one needs a sentence of the definition, or the reference implementation (cel-go), behind it:
// where both are silent the reason says so.
import { readFileSync } from 'node:fs';

import { celFunc, celList, celMap, celMethod, isCelList, isCelMap, isCelType, isCelUint,
  objectType } from '@bufbuild/cel';
import { create } from '@bufbuild/protobuf';
import { isReflectMessage } from '@bufbuild/protobuf/reflect';
import { TimestampSchema } from '@bufbuild/protobuf/wkt';

import { hasValue, isOptional, select } from './extensions.mjs';
import { tokensOf } from './mutate.mjs';
import { NS, nanosOf } from './values.mjs';

const MAX_INT = (1n << 63n) - 1n;

const fail = (why) => { throw new Error(why); };

// --- texts ---

const hasPair = (text) => /[\ud800-\udfff]/.test(text);
const points = (text) => [...text];

function pointIndexOf(text, part, from) {
  const all = points(text);
  const wanted = points(part);
  for (let at = from; at + wanted.length <= all.length; at++) {
    if (wanted.every((c, i) => all[at + i] === c)) {
      return BigInt(at);
    }
  }
  return -1n;
}

function pointLastIndexOf(text, part, from) {
  const all = points(text);
  const wanted = points(part);
  for (let at = Math.min(from, all.length - wanted.length); at >= 0; at--) {
    if (wanted.every((c, i) => all[at + i] === c)) {
      return BigInt(at);
    }
  }
  return -1n;
}

function inRange(index, length) {
  return index >= 0n && index <= BigInt(length) ? Number(index) : fail('out of range');
}

// strconv.ParseFloat: decimal texts, infinities and NaN.
function parseDouble(text) {
  const special = /^([+-]?)(inf|infinity|nan)$/i.exec(text);
  if (special) {
    return /nan/i.test(text) ? NaN : special[1] === '-' ? -Infinity : Infinity;
  }
  if (!/^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text)) {
    fail('no number');
  }
  const value = Number(text);
  return Number.isFinite(value) ? value : fail('out of range');
}

// --- equality ---

// Whether one of two values holds an integer beyond 2^53, and one a double.
function isInexact(a, b) {
  const seen = { big: false, double: false };
  const look = (value) => {
    const number = isCelUint(value) ? value.value : value;
    if (typeof number === 'bigint') {
      seen.big ||= BigInt.asIntN(54, number) !== number;
    } else if (typeof number === 'number') {
      seen.double = true;
    } else if (isCelList(number)) {
      [...number].forEach(look);
    } else if (isCelMap(number)) {
      [...number.values()].forEach(look);
    }
  };
  look(a);
  look(b);
  return seen.big && seen.double;
}

function areEqual(a, b) {
  const [x, y] = [a, b].map((v) => (isCelUint(v) ? v.value : v));
  if (isCelList(x) && isCelList(y)) {
    return x.size === y.size && [...x].every((v, i) => areEqual(v, y.get(i)));
  }
  if (isCelMap(x) && isCelMap(y)) {
    return x.size === y.size && [...x].every(([k, v]) => y.get(k) !== undefined &&
      areEqual(v, y.get(k)));
  }
  if (x instanceof Uint8Array && y instanceof Uint8Array) {
    return Buffer.compare(x, y) === 0;
  }
  if (isReflectMessage(x) && isReflectMessage(y)) {
    return x.desc === y.desc && nanosOf(x) === nanosOf(y);
  }
  if (isCelType(x) && isCelType(y)) {
    return x.kind === y.kind && x.name === y.name;
  }
  return typeof x === 'bigint' && typeof y === 'number' ? Number(x) === y
    : typeof x === 'number' && typeof y === 'bigint' ? x === Number(y) : x === y;
}

// --- instants ---

const DAY = 86400n * NS;

function floorDiv(a, b) {
  return a >= 0n ? a / b : -((-a + b - 1n) / b);
}

// The civil date of a day since 1970. Source: Howard Hinnant, chrono-compatible low-level date
// algorithms, civil_from_days.
function civil(days) {
  const z = days + 719468;
  const era = Math.floor(z / 146097);
  const doe = z - era * 146097;
  const yoe = Math.floor((doe - Math.floor(doe / 1460) + Math.floor(doe / 36524) -
    Math.floor(doe / 146096)) / 365);
  const doy = doe - (365 * yoe + Math.floor(yoe / 4) - Math.floor(yoe / 100));
  const mp = Math.floor((5 * doy + 2) / 153);
  const month = mp < 10 ? mp + 3 : mp - 9;
  return { year: yoe + era * 400 + (month <= 2 ? 1 : 0), month,
    day: doy - Math.floor((153 * mp + 2) / 5) + 1 };
}

const isLeap = (year) => (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0;
const BEFORE = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334];

function partOf(name, ns) {
  const days = Number(floorDiv(ns, DAY));
  const rest = ns - BigInt(days) * DAY;
  const date = civil(days);
  switch (name) {
    case 'getFullYear': return date.year;
    case 'getMonth': return date.month - 1;
    case 'getDate': return date.day;
    case 'getDayOfMonth': return date.day - 1;
    case 'getDayOfWeek': return (((days + 4) % 7) + 7) % 7;
    case 'getDayOfYear':
      return BEFORE[date.month - 1] + date.day - 1 + (date.month > 2 && isLeap(date.year) ? 1 : 0);
    case 'getHours': return Number(rest / (3600n * NS));
    case 'getMinutes': return Number(rest / (60n * NS)) % 60;
    case 'getSeconds': return Number(rest / NS) % 60;
    default: return Number((rest % NS) / 1000000n);
  }
}

// The zones that brain/expr has, and the first year for which it has their rules: an earlier
// instant has no value there, by design.
const TABLE = readFileSync(new URL('../../brain/expr/zone.c', import.meta.url), 'utf8');
const ZONES = new Map([...TABLE.matchAll(/\{"([\w/]+)", -?\d+, \w+, (\d+)\}/g)]
  .map(([, name, year]) => [name, Number(year)]));

// Nanoseconds that a zone is ahead: of an offset in digits, or of a name, by the zone's own rules.
const formats = new Map();

function zoneAhead(zone, ns) {
  const fixed = /^([+-]?)(\d\d):(\d\d)$/.exec(zone);
  if (fixed) {
    if (Number(fixed[2]) > 23 || Number(fixed[3]) > 59) {
      fail('no zone');
    }
    const ahead = BigInt(Number(fixed[2]) * 60 + Number(fixed[3])) * 60n * NS;
    return fixed[1] === '-' ? -ahead : ahead;
  }
  const since = ZONES.get(zone) ?? fail('a zone that brain/expr has not');
  let format = formats.get(zone);
  if (format === undefined) {
    format = new Intl.DateTimeFormat('en-US', { timeZone: zone, timeZoneName: 'longOffset' });
    formats.set(zone, format);
  }
  const ms = Number(floorDiv(ns, 1000000n));
  const shown = format.formatToParts(ms).find((part) => part.type === 'timeZoneName').value;
  const parts = /^GMT(?:([+-])(\d\d):(\d\d)(?::(\d\d))?)?$/.exec(shown);
  const size = parts[1] === undefined ? 0n
    : BigInt((Number(parts[2]) * 60 + Number(parts[3])) * 60 +
    Number(parts[4] ?? 0)) * NS;
  const ahead = parts[1] === '-' ? -size : size;
  return partOf('getFullYear', ns + ahead) >= since ? ahead : fail('before the rules of the zone');
}

const RFC3339 =
  /^(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(\.\d{1,9})?(Z|[+-](\d\d):(\d\d))$/;

function isInstant(text) {
  const m = RFC3339.exec(text);
  const n = m?.map(Number);
  return m !== null && n[2] >= 1 && n[2] <= 12 && n[3] >= 1 && n[4] < 24 && n[5] < 60 &&
    n[6] < 60 &&
    n[3] <= (n[2] === 2 && isLeap(n[1]) ? 29 : [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30,
      31][n[2] - 1]) &&
    (m[9] === undefined || (n[9] < 24 && n[10] < 60));
}

function fractionText(ns) {
  return ns === 0n ? '' : `.${ns.toString().padStart(9, '0').replace(/0+$/, '')}`;
}

function timeText(ns) {
  const days = Number(floorDiv(ns, DAY));
  const rest = ns - BigInt(days) * DAY;
  const date = civil(days);
  const two = (x) => String(x).padStart(2, '0');
  return `${String(date.year).padStart(4, '0')}-${two(date.month)}-${two(date.day)}T${
    two(rest / (3600n * NS))}:${two((rest / (60n * NS)) % 60n)}:${two((rest / NS) % 60n)}${
    fractionText(rest % NS)}Z`;
}

function durationText(ns) {
  const size = ns < 0n ? -ns : ns;
  return `${ns < 0n ? '-' : ''}${size / NS}${fractionText(size % NS)}s`;
}

// --- format ---

// x * 10^places to the nearest integer, a half to the even one, exactly.
function scaled(x, places) {
  const bits = new DataView(new ArrayBuffer(8));
  bits.setFloat64(0, Math.abs(x));
  const raw = bits.getBigUint64(0);
  const power = Number(raw >> 52n);
  let over = power === 0 ? raw : (raw & ((1n << 52n) - 1n)) | (1n << 52n);
  let under = 1n;
  const twos = Math.max(power, 1) - 1075;
  [over, under] = twos >= 0 ? [over << BigInt(twos), under] : [over, under << BigInt(-twos)];
  [over, under] = places >= 0 ? [over * 10n ** BigInt(places), under]
    : [over, under * 10n ** BigInt(-places)];
  const whole = over / under;
  const twice = 2n * (over - whole * under);
  return twice > under || (twice === under && whole % 2n === 1n) ? whole + 1n : whole;
}

const minus = (x) => (x < 0 || Object.is(x, -0) ? '-' : '');

function fixedText(x, places) {
  const digits = scaled(x, places).toString().padStart(places + 1, '0');
  const point = digits.length - places;
  return minus(x) + digits.slice(0, point) + (places > 0 ? `.${digits.slice(point)}` : '');
}

function exponentText(x, places) {
  let power = x === 0 ? 0 : Number(x.toExponential(20).split('e')[1]);
  let digits = scaled(x, places - power).toString();
  if (digits.length > places + 1) {
    power++;
    digits = scaled(x, places - power).toString();
  }
  digits = digits.padStart(places + 1, '0');
  const fraction = places > 0 ? `.${digits.slice(1)}` : '';
  const size = String(Math.abs(power)).padStart(2, '0');
  return `${minus(x)}${digits[0]}${fraction}e${power < 0 ? '-' : '+'}${size}`;
}

// C's %.{15,16,17}g, the first that reads back.
function doubleText(x) {
  if (!Number.isFinite(x)) {
    return Number.isNaN(x) ? 'NaN' : x < 0 ? '-Inf' : '+Inf'; // cel-go: strconv
  }
  const bare = (text) => (text.includes('.') ? text.replace(/\.?0+$/, '') : text);
  for (let places = 15; ; places++) {
    const [digits, exponent] = exponentText(x, places - 1).split('e');
    if (Number(`${digits}e${exponent}`) === x || places === 17) {
      const power = Number(exponent);
      return power >= -4 && power < places ? bare(fixedText(x, places - 1 - power))
        : `${bare(digits)}e${exponent}`;
    }
  }
}

const special = (x) => (Number.isNaN(x) ? 'NaN' : x < 0 ? '-Infinity' : 'Infinity');

// The shortest digits that read back, without an exponent.
function plainText(x) {
  if (!Number.isFinite(x)) {
    return special(x);
  }
  const text = doubleText(x);
  if (!text.includes('e')) {
    return text;
  }
  for (let places = 0; ; places++) {
    if (Number(fixedText(x, places)) === x) {
      return fixedText(x, places);
    }
  }
}

const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
const textOfBytes = (bytes) => strict.decode(bytes);

function anyText(value) {
  if (typeof value === 'number') {
    return plainText(value);
  }
  if (value === null || typeof value === 'boolean' || typeof value === 'bigint' ||
      typeof value === 'string') {
    return String(value);
  }
  if (isCelUint(value)) {
    return String(value.value);
  }
  if (isCelType(value)) {
    return value.name;
  }
  if (value instanceof Uint8Array) {
    return textOfBytes(value);
  }
  if (isCelList(value)) {
    return `[${[...value].map(anyText).join(', ')}]`;
  }
  if (isCelMap(value)) {
    if (isOptional(value)) {
      fail('no text of an optional');
    }
    const pairs = [...value].map(([k, v]) => [anyText(k), anyText(v)]);
    pairs.sort((a, b) => Buffer.compare(Buffer.from(a[0]), Buffer.from(b[0])));
    return `{${pairs.map(([k, v]) => `${k}: ${v}`).join(', ')}}`;
  }
  return isReflectMessage(value, TimestampSchema) ? timeText(nanosOf(value))
    : durationText(nanosOf(value));
}

function integerText(value, base) {
  if (typeof value !== 'bigint' && !isCelUint(value)) {
    fail('no integer');
  }
  return (isCelUint(value) ? value.value : value).toString(base);
}

function hexText(value) {
  return typeof value === 'string' || value instanceof Uint8Array
    ? Buffer.from(value).toString('hex') : integerText(value, 16);
}

function clauseText(letter, places, value) {
  const real = typeof value === 'bigint' ? Number(value) : isCelUint(value) ? Number(value.value)
    : value;
  switch (letter) {
    case 's': return anyText(value);
    case 'd': return typeof value === 'number' && !Number.isFinite(value) ? special(value)
      : integerText(value, 10);
    case 'f':
    case 'e':
      if (typeof real !== 'number') {
        fail('no number');
      }
      return !Number.isFinite(real) ? special(real) : letter === 'f' ? fixedText(real, places)
        : exponentText(real, places);
    case 'b': return typeof value === 'boolean' ? String(Number(value)) : integerText(value, 2);
    case 'o': return integerText(value, 8);
    case 'x': return hexText(value);
    case 'X': return hexText(value).toUpperCase();
    default: return fail('no clause');
  }
}

function format(args) {
  let used = 0;
  return this.replace(/%(?:%|(?:\.(\d*))?(.?))/gsu, (all, places, letter) => {
    if (all === '%%') {
      return '%';
    }
    if (used === args.size || Number(places) > 1000) {
      fail('no argument');
    }
    return clauseText(letter, places === undefined ? 6 : Number(places), args.get(used++));
  });
}

const clausesIn = (pattern) => (pattern.match(/%%|%(?:\.\d*)?./gsu) ?? [])
  .filter((clause) => clause !== '%%').length;

// Whether a list holds what its `format` writes otherwise than the definition.
function holdsOdd(list) {
  return [...list].some((v) => typeof v === 'number' || (typeof v === 'object' && v !== null));
}

// --- the faults of its parser have names alone ---

export const astFaults = {
  literal: 'numbers beyond 64 bits are taken', // cel-go refuses them, doubles too
  // langdef: keys are int, uint, bool or string, and none is given twice
  map: 'a double as a key in a map is taken, and the same uint twice',
};

// --- the faults of functions: `of` is the function, `when` and `is` take the receiver as `this`
// ---

const TIME = 'google.protobuf.Timestamp';
const DURATION = 'google.protobuf.Duration';
const PARTS = ['getFullYear', 'getMonth', 'getDate', 'getDayOfMonth', 'getDayOfWeek',
  'getDayOfYear', 'getHours', 'getMinutes', 'getSeconds', 'getMilliseconds'];

const always = () => true;

const functionFaults = [
  {
    name: 'places in texts are counted in UTF-16 units',
    reason: 'strings: "all functions that take or return a position count code points"',
    mends: [
      ['string.charAt(int)', function when() { return hasPair(this); },
        function is(at) { return points(this)[inRange(at, points(this).length)] ?? ''; }],
      ['string.substring(int)', function when() { return hasPair(this); },
        function is(at) {
          return points(this).slice(inRange(at, points(this).length)).join('');
        }],
      ['string.substring(int,int)', function when() { return hasPair(this); },
        function is(from, to) {
          const all = points(this);
          return from > to ? fail('out of range')
            : all.slice(inRange(from, all.length), inRange(to, all.length)).join('');
        }],
      ['string.indexOf(string)', function when() { return hasPair(this); },
        function is(part) { return pointIndexOf(this, part, 0); }],
      ['string.lastIndexOf(string)', function when() { return hasPair(this); },
        function is(part) { return pointLastIndexOf(this, part, Infinity); }],
    ],
  },
  {
    name: 'a search from the place behind a text, or beyond UTF-16 units',
    reason: 'strings: positions up to the length are in range, and count code points',
    mends: [
      ['string.indexOf(string,int)',
        function when(part, from) { return hasPair(this) || from === BigInt(this.length); },
        function is(part, from) {
          return pointIndexOf(this, part, inRange(from, points(this).length));
        }],
      ['string.lastIndexOf(string,int)',
        function when(part, from) { return hasPair(this) || from === BigInt(this.length); },
        function is(part, from) {
          return pointLastIndexOf(this, part, inRange(from, points(this).length));
        }],
    ],
  },
  {
    name: 'split with a limit drops the rest, or splits pairs of units',
    reason: 'strings: the last piece is the rest; below zero there is no limit; code points',
    mends: [
      ['string.split(string)', function when(by) { return by === '' && hasPair(this); },
        function is() { return celList(points(this)); }],
      ['string.split(string,int)', always,
        function is(by, limit) {
          const all = by === '' ? points(this) : this.split(by);
          return celList(limit < 0n || BigInt(all.length) <= limit ? all
            : limit === 0n ? []
              : [...all.slice(0, Number(limit) - 1), all.slice(Number(limit) - 1).join(by)]);
        }],
    ],
  },
  {
    name: 'replace of nothing, or with a limit below zero',
    reason: 'strings: below zero there is no limit; nothing is found before every code point and '
      + 'at the end (cel-go)',
    mends: [
      ['string.replace(string,string)', function when(part) { return part === ''; },
        function is(part, by) { return by + points(this).map((c) => c + by).join(''); }],
      ['string.replace(string,string,int)',
        function when(part, by, limit) { return part === '' || limit < 0n; },
        function is(part, by, limit) {
          if (part !== '') {
            return this.split(part).join(by);
          }
          let left = limit < 0n ? Infinity : Number(limit);
          const put = (c) => (left-- > 0 ? by : '') + c;
          return points(this).map(put).join('') + put('');
        }],
    ],
  },
  {
    name: 'texts of one blank are trimmed wrongly',
    reason: 'strings: trim leaves nothing of a text of blanks, and U+FEFF is none',
    mends: [
      ['string.trim()', function when() { return /^[\s\u0085]+$/.test(this); },
        function is() { return this.replace(/^(?:(?!\ufeff)[\s\u0085])+|(?:(?!\ufeff)[\s\u0085])+$/g,
          ''); }],
    ],
  },
  {
    name: 'quote escapes a NUL',
    reason: 'strings: quote escapes \\a \\b \\f \\n \\r \\t \\v \\\\ and \\"',
    mends: [
      ['strings.quote(string)', (text) => text.includes('\0'),
        (text) => `"${text.replace(/[\x07-\r"\\]/g, (c) => `\\${'abtnvfr'['\x07\b\t\n\v\f\r'
          .indexOf(c)] ?? c}`)}"`],
    ],
  },
  {
    name: 'texts are ordered by UTF-16 units',
    reason: 'langdef, ordering: strings are ordered by code points',
    mends: [['_<_', -1, false], ['_<=_', -1, true], ['_>_', 1, false], ['_>=_', 1, true]].map(
      ([name, sign, orEqual]) => [`${name}(string,string)`, (a, b) => hasPair(a) || hasPair(b),
        (a, b) => {
          const order = Buffer.compare(Buffer.from(a), Buffer.from(b));
          return order === sign || (orEqual && order === 0);
        }]),
  },
  {
    name: 'numbers in texts are read as ECMAScript reads them',
    reason: 'int("0x1"), int(""), int(" 1 ") are errors: cel-go reads with strconv',
    mends: [
      ['int(string)', (text) => !/^[+-]?\d+$/.test(text), () => fail('no number')],
      ['uint(string)', (text) => !/^\d+$/.test(text), () => fail('no number')],
      ['double(string)', (text) => !/^-?\d+(\.\d+)?$/.test(text), parseDouble],
    ],
  },
  {
    name: 'the text of a double',
    reason: 'nothing defines it; compared with C\'s %g at the first precision that reads back',
    mends: [['string(double)', always, doubleText]],
  },
  {
    name: 'the text of an instant or a duration has three, six or nine places',
    reason: 'cel-go writes as many as it needs; nothing defines it',
    mends: [
      [`string(${TIME})`, (x) => x.message.nanos !== 0, (x) => timeText(nanosOf(x))],
      [`string(${DURATION})`, (x) => x.message.nanos !== 0, (x) => durationText(nanosOf(x))],
    ],
  },
  {
    name: 'timestamp(int) counts milliseconds',
    reason: 'cel-go and the conformance tests count seconds',
    mends: [
      ['timestamp(int)', always, (seconds) => (seconds < -62135596800n || seconds > 253402300799n
        ? fail('out of range') : create(TimestampSchema, { seconds, nanos: 0 }))],
    ],
  },
  {
    name: 'conversions that CEL has not',
    reason: 'langdef, standard definitions: no int(duration), no duration(int)',
    mends: [
      [`int(${DURATION})`, always, () => fail('no such overload')],
      ['duration(int)', always, () => fail('no such overload')],
    ],
  },
  {
    name: 'parts of instants by way of Date',
    reason: 'years below 100, rounded milliseconds, hours that summer time skips in the local zone',
    mends: PARTS.flatMap((part) => [
      [`${TIME}.${part}()`, always,
        function is() { return BigInt(partOf(part, nanosOf(this))); }],
      [`${TIME}.${part}(string)`, always,
        function is(zone) {
          return BigInt(partOf(part, nanosOf(this) + zoneAhead(zone, nanosOf(this))));
        }],
    ]),
  },
  {
    name: 'a key with the value null is not in a map',
    reason: 'langdef: `in` asks for keys',
    mends: ['string', 'int', 'uint', 'double', 'bool'].map((type) => [`@in(${type},map)`, always,
      (key, map) => (isOptional(map) ? fail('no map') : map.get(key) !== undefined)]),
  },
  {
    name: 'bytes that are no text are given U+FFFD in texts, or lose a byte order mark',
    reason: 'langdef: string(bytes) is an error unless they are UTF-8; U+FEFF is a character',
    mends: [['string(bytes)', (x) => x[0] === 0xef, textOfBytes]],
  },
  {
    name: 'format of doubles, integers under %f, lists, maps, instants and bytes',
    reason: 'it rounds the shortest digits instead of the number, sorts keys by locale, and writes '
      + 'three, six or nine places of a second; cel-go leaves arguments that are left over alone',
    mends: [
      ['string.format(list)', function when(args) { return holdsOdd(args) ||
        /%\.?\d*[fe]/.test(this) ||
        clausesIn(this) < args.size; },
        format],
    ],
  },
  {
    name: 'a bool or a fraction as an index of a list',
    reason: 'langdef: the index of a list is a whole number; else it is an error, which || absorbs',
    mends: [['zzindex(dyn,dyn)', (x, index) => isCelList(x) && (typeof index === 'boolean' ||
      (typeof index === 'number' && !Number.isInteger(index))),
      () => fail('no such overload')]],
  },
  {
    name: 'equality of integers beyond 2^53 with doubles is exact, while their order is not',
    reason: 'conformance, comparisons: such an integer is compared as a double, in cel-go also by ==',
    mends: [
      ['_==_(dyn,dyn)', isInexact, areEqual],
      ['_!=_(dyn,dyn)', isInexact, (a, b) => !areEqual(a, b)],
      ['@in(dyn,list)', isInexact, (item, list) => [...list].some((v) => areEqual(v, item))],
    ],
  },
  {
    name: 'the least int modulo -1 is 0',
    reason: 'cel-go: an overflow, as with /',
    mends: [['_%_(int,int)', (a, b) => b === -1n && a === -(1n << 63n), () => fail('overflow')]],
  },
  {
    name: 'a quotient of uints above the greatest int is an overflow',
    reason: 'langdef: a uint has 64 bits',
    mends: [['_/_(uint,uint)', (a, b) => b.value === 1n && a.value > MAX_INT, (a) => a]],
  },
  {
    name: 'days that a month has not, and texts that are no instant',
    reason: 'RFC 3339, 5.7',
    mends: [['timestamp(string)', (text) => !isInstant(text), () => fail('no instant')]],
  },
  {
    name: 'T and F are no bool',
    reason: 'cel-go: strconv.ParseBool',
    mends: [['bool(string)', (text) => text === 'T' || text === 'F', (text) => text === 'T']],
  },
  {
    name: 'an empty text is a duration',
    reason: 'cel-go: time.ParseDuration wants a number',
    mends: [['duration(string)', (text) => /^[+-]?$/.test(text), () => fail('no duration')]],
  },
  {
    name: 'has() of a value that has no fields, or of a field that is null, is false',
    reason: 'langdef, field selection: has(e.f) is an error unless e is a map or message, and asks '
      + 'a map for a key',
    mends: [['zzhas(dyn,string)', (x, field) => !isCelMap(x) || isOptional(x) ||
      x.get(field) === null,
      (x, field) => {
        const found = isCelMap(x) ? select(x, field) : fail('no such overload');
        return celMap(new Map(hasValue(found) ? [[field, true]] : []));
      }]],
  },
  {
    name: 'it has no optionals',
    reason: 'an optional is a map with one key here; its type has a name of its own',
    mends: [
      ['zzrange(dyn)', isOptional, () => fail('no range')],
      ['size(map)', isOptional, () => fail('no size')],
      ['map.size()', function when() { return isOptional(this); }, () => fail('no size')],
      ['type(dyn)', (x) => isOptional(x), () => objectType('optional_type')],
    ],
  },
];

// Functions for celEnv that take the place of the faulty ones of `env`.
export function mendFunctions(env, counts) {
  const known = new Map([...env.funcs].map((f) => [f.id, f]));
  const made = [];
  for (const fault of functionFaults) {
    counts[fault.name] ??= 0;
    for (const [id, when, is] of fault.mends) {
      if (!known.has(id)) {
        throw new Error(`the oracle has no ${id}`);
      }
      made.push(mend(known.get(id), counts, fault.name, when, is));
    }
  }
  return made;
}

function mend(old, counts, name, when, is) {
  function impl(...args) {
    if (!when.apply(this, args)) {
      return old._impl.apply(this, args);
    }
    counts[name]++;
    return is.apply(this, args);
  }
  return old.target ? celMethod(old.name, old.target, old.arguments, old.result, impl)
    : celFunc(old.name, old.arguments, old.result, impl);
}

// --- the faults of its parser, seen in the text ---

// What it refuses, and CEL does not.
const refusals = [
  {
    name: 'names that begin like a literal are refused',
    reason: 'langdef, syntax: a name may begin with true, false or null',
    when: (text) => /(?<!\w)(true|false|null)\w/.test(text),
  },
  {
    name: 'a comment at the very end is refused',
    reason: 'cel-go: a comment ends with its line or with the text',
    when: (text) => /\/\/[^\n]*$/.test(text),
  },
  {
    name: 'a sign before a uint, or before another sign, is refused',
    reason: 'langdef, syntax: Unary = "-" { "-" } Member',
    when: (text) => /-\s*(\d\w*[uU]|-)/.test(text),
  },
  {
    name: 'blanks between two "!" are refused',
    reason: 'langdef, syntax: Unary = "!" { "!" } Member, and blanks may stand between any tokens',
    when: (text) => /!\s+!/.test(text),
  },
  {
    name: 'names in backquotes are refused',
    reason: 'langdef, syntax: a field may be written as `a-b`',
    when: (text) => text.includes('`'),
  },
  {
    name: 'blanks between the parentheses of a call are refused',
    reason: 'langdef, syntax: blanks may stand between any tokens',
    when: (text) => /\(\s+\)/.test(text),
  },
];

// A text of a string or bytes with an escape that CEL has not.
const ESCAPE = new RegExp('^(?:[^\\\\]|\\\\(?:[abfnrtv?"\'`\\\\]|[xX][0-9a-fA-F]{2}|[0-3][0-7]{2}'
  + '|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}))*$');

function hasBadEscape(token) {
  const match = /^([rRbB]{0,2})(?:"|')/.exec(token);
  return match !== null && !/r/i.test(match[1]) && (!ESCAPE.test(token) ||
    (/b/i.test(match[1]) && /(?<!\\)(?:\\\\)*\\[uU]/.test(token)));
}

// What it takes, and CEL refuses, or what it makes something else of.
const acceptances = [
  {
    name: 'escapes that CEL has not are taken',
    reason: 'langdef, syntax: ESCAPE; \\u and \\U are for texts alone',
    when: (text) => text.includes('\\') && tokensOf(text).some(hasBadEscape),
  },
  {
    name: 'a variable of a macro with a point before it is taken',
    reason: 'cel-go: the variable must be a simple name',
    when: (text) => /\.\s*(all|exists|exists_one|existsOne|map|filter)\s*\(\s*\./.test(text),
  },
  {
    name: 'a name that begins with "in" is taken for the operator',
    reason: 'langdef, syntax: a name is as long as it can be',
    when: (text) => {
      const tokens = text.includes('in') ? tokensOf(text).filter((token) =>
        !/^(\s|\/\/)/.test(token)) : [];
      return tokens.some((token, i) => i > 0 && /^in\w/.test(token) &&
        /^[rb]?["']|^[\w)\]}]/i.test(tokens[i - 1]) && tokens[i - 1] !== 'in');
    },
  },
];

// Other values, for a reason that shows in the text alone; the case is then not compared.
const differences = [
  {
    name: 'a name that begins with a literal and "in" is taken for three words',
    reason: 'langdef, syntax: a name is as long as it can be',
    when: (text) => tokensOf(text).some((token) => /^(true|false|null)in/.test(token)),
  },
  {
    name: 'characters above U+FFFF in bytes as they stand',
    reason: 'langdef: bytes hold the UTF-8 of their text; it encodes each half of the pair for itself',
    when: (text) => hasPair(text) && tokensOf(text).some((token) => /^r?b/i.test(token) &&
      hasPair(token)),
  },
  {
    name: 'two "!" or "-" in a row are left out, whatever the operand is',
    reason: 'langdef: ! takes a bool, - a number; the least int has no other sign',
    when: (text) => /!\s*\(*\s*!|-\s*\(*\s*-/.test(text),
  },
  {
    name: 'a variable of a macro is taken for a name of the container, or for .name',
    reason: 'langdef, name resolution: a variable of a macro comes first, and never for .name',
    when: (text, { container, names }) => (container !== '' && ABSOLUTE.test(text)) ||
      [...text.matchAll(MACRO_VARIABLE)].some(([, name]) => container !== '' ||
        names.some((bound) => bound.startsWith(`${name}.`)) ||
        new RegExp(`${ABSOLUTE.source}${name}(?!\\w)`).test(text)),
  },
  {
    name: 'it has no optionals: wrong uses of one',
    reason: 'an index or a field of an optional is an optional; here it is looked for in a map',
    when: (text, { isWrong, isMutant }) => (isWrong || isMutant) &&
      /optional|zz(select|list|opt)/.test(text),
  },
];

const ABSOLUTE = /(?<![\w)\]}"'`]\s*)\.\s*(?=[A-Za-z_])/;
const MACRO_VARIABLE = /\.\s*(?:all|exists|exists_one|existsOne|map|filter)\s*\(\s*(\w+)\s*,/g;

function firstFault(faults, counts, ...seen) {
  const fault = faults.find(({ when }) => when(...seen));
  if (fault) {
    counts[fault.name] = (counts[fault.name] ?? 0) + 1;
  }
  return fault?.name;
}

// The name of the fault for which a text was refused; undefined when there is none.
export const faultyRefusal = (text, counts) => firstFault(refusals, counts, text);

// The name of the fault for which it was taken.
export const faultyAcceptance = (text, counts) => firstFault(acceptances, counts, text);

// The name of the fault for which it has another value.
export const faultyValue = (made, counts) =>
  firstFault(differences, counts, made.oracleText, made);

// --- the faults of its parser ---


// Walks what was parsed and mends it in place; throws where CEL refuses it.
export function mendAst(root, text, counts) {
  const takesSign = LEAST.test(text);
  const todo = [root];
  for (const name of Object.values(astFaults)) {
    counts[name] ??= 0;
  }
  while (todo.length > 0) {
    const expr = todo.pop();
    const { case: kind, value } = expr?.exprKind ?? {};
    if (kind === 'constExpr') {
      checkLiteral(value.constantKind, counts);
    } else if (kind === 'callExpr' && takesSign && isLeastInt(value)) {
      expr.exprKind = { case: 'constExpr', value: { $typeName: 'cel.expr.Constant',
        constantKind: { case: 'int64Value', value: -MAX_INT - 1n } } };
    } else if (kind === 'callExpr') {
      todo.push(value.target, ...value.args);
      if (value.function === '_[_]' && !isPlainKey(value.args[1])) {
        value.args[1] = call('zzindex', value.args[0], value.args[1]);
      }
    } else if (kind === 'selectExpr') {
      todo.push(value.operand);
      if (value.testOnly) {
        value.operand = call('zzhas', value.operand, textOf(value.field));
      }
    } else if (kind === 'listExpr') {
      todo.push(...value.elements);
    } else if (kind === 'structExpr') {
      todo.push(...value.entries.flatMap((e) => [e.keyKind.value, e.value])
        .filter((e) => typeof e === 'object'));
      mendMap(expr, counts);
    } else if (kind === 'comprehensionExpr') {
      value.iterRange = call('zzrange', value.iterRange);
      todo.push(value.iterRange, value.accuInit, value.loopCondition, value.loopStep, value.result);
    }
  }
}

const call = (name, ...args) => ({ $typeName: 'cel.expr.Expr', id: args[0].id, exprKind: {
  case: 'callExpr', value: { $typeName: 'cel.expr.Expr.Call', function: name, args } } });

const textOf = (text) => ({ $typeName: 'cel.expr.Expr', id: 0n, exprKind: { case: 'constExpr',
  value: { $typeName: 'cel.expr.Constant', constantKind: { case: 'stringValue',
    value: text } } } });

const listOf = (id, elements) => ({ $typeName: 'cel.expr.Expr', id, exprKind: { case: 'listExpr',
  value: { $typeName: 'cel.expr.Expr.CreateList', elements, optionalIndices: [] } } });

// An integer or text as it stands.
const isPlainKey = ({ exprKind: { case: kind, value } }) => kind === 'constExpr' &&
  ['stringValue', 'int64Value'].includes(value.constantKind.case);

// A map whose keys are not all seen to be texts or integers is made by zzmap (extensions.mjs).
function mendMap(expr, counts) {
  const { entries, messageName } = expr.exprKind.value;
  if (messageName !== '' || entries.every((e) => isPlainKey(e.keyKind.value))) {
    return;
  }
  counts[astFaults.map]++;
  expr.exprKind = call('zzmap', listOf(expr.id, entries.map((e) => listOf(expr.id,
    [e.keyKind.value, e.value])))).exprKind;
}

// A blank between the sign and the digits of the least int: cel-go takes the sign for the
// literal's.
const LEAST = /-\s+(9223372036854775808|0x8000000000000000)(?!\w)/i;

function isLeastInt({ function: name, args }) {
  return name === '-_' && args[0].exprKind.case === 'constExpr' &&
    args[0].exprKind.value.constantKind.value === MAX_INT + 1n;
}

function checkLiteral({ case: kind, value }, counts) {
  const isBeyond = kind === 'int64Value' ? BigInt.asIntN(64, value) !== value
    : kind === 'uint64Value' ? BigInt.asUintN(64, value) !== value
      : kind === 'doubleValue' && !Number.isFinite(value);
  if (isBeyond) {
    counts[astFaults.literal]++;
    fail('a number beyond 64 bits');
  }
}
