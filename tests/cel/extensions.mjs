// What the oracle lacks, written here from the definitions: the extensions math, encoders and
// optionals, reverse, and what the macros with two variables are rewritten to (generate.mjs).
//
// An optional is a map with one key (values.mjs). The functions zz… exist for rewritten macros
// only.
import { CelScalar, celFunc, celList, celMap, celMethod, celUint, isCelList, isCelMap, isCelUint,
  listType, mapType } from '@bufbuild/cel';
import { RE2JS } from '@bufbuild/re2';

import { NONE, SOME } from './values.mjs';

const { BOOL, BYTES, DOUBLE, DYN, INT, STRING, UINT } = CelScalar;
const LIST = listType(DYN);
const MAP = mapType(DYN, DYN);

const MIN_INT = -(1n << 63n);
const fail = (why) => { throw new Error(why); };

// --- math ---

const numberOf = (v) => (isCelUint(v) ? v.value : v);
const isNumber = (v) => typeof v === 'bigint' || typeof v === 'number' || isCelUint(v);

// Order of numbers of any types, as the comparison operators define it.
function compare(a, b) {
  let x = numberOf(a);
  let y = numberOf(b);
  if (typeof x !== typeof y) {
    x = Number(x);
    y = Number(y);
  }
  return x < y ? -1 : x > y ? 1 : 0;
}

function extreme(sign, items) {
  if (items.length === 0) {
    fail('no numbers');
  }
  let best;
  for (const item of items) {
    if (!isNumber(item)) {
      fail('no number');
    }
    if (best === undefined || compare(item, best) * sign > 0) {
      best = item;
    }
  }
  return best;
}

function extremes(name, sign) {
  const many = (...args) =>
    extreme(sign, args.length === 1 && isCelList(args[0]) ? [...args[0]] : args);
  return [1, 2, 3, 4, 5, 6].map((n) => celFunc(name, Array(n).fill(DYN), DYN, many));
}

function bits(name, join) {
  const ints = (...args) => args.reduce((a, b) => BigInt.asIntN(64, join(a, b)));
  const uints = (...args) => celUint(args.map((a) => a.value).reduce(join));
  return [2, 3].flatMap((n) => [celFunc(name, Array(n).fill(INT), INT, ints),
    celFunc(name, Array(n).fill(UINT), UINT, uints)]);
}

function shift(value, by, isLeft) {
  if (by < 0n) {
    fail('negative offset');
  }
  const size = BigInt.asUintN(64, value);
  return by > 63n ? 0n : BigInt.asUintN(64, isLeft ? size << by : size >> by);
}

const signOf = (x) => (Number.isNaN(x) ? x : x > 0 ? 1 : x < 0 ? -1 : 0);
// Halves go away from zero. Adding a half is inexact just below one, so the fraction is looked at.
function roundHalfAway(x) {
  const whole = Math.trunc(x);
  return Math.abs(x - whole) >= 0.5 ? whole + Math.sign(x) : whole;
}

const doubles = (name, result, f) => celFunc(name, [DOUBLE], result, f);

const math = [
  ...extremes('math.greatest', 1),
  ...extremes('math.least', -1),
  doubles('math.ceil', DOUBLE, Math.ceil),
  doubles('math.floor', DOUBLE, Math.floor),
  doubles('math.trunc', DOUBLE, Math.trunc),
  doubles('math.round', DOUBLE, roundHalfAway),
  doubles('math.isNaN', BOOL, (x) => Number.isNaN(x)),
  doubles('math.isInf', BOOL, (x) => x === Infinity || x === -Infinity),
  doubles('math.isFinite', BOOL, (x) => Number.isFinite(x)),
  doubles('math.abs', DOUBLE, Math.abs),
  doubles('math.sign', DOUBLE, signOf),
  doubles('math.sqrt', DOUBLE, Math.sqrt),
  celFunc('math.abs', [INT], INT, (x) => (x === MIN_INT ? fail('overflow') : x < 0n ? -x : x)),
  celFunc('math.abs', [UINT], UINT, (x) => x),
  celFunc('math.sign', [INT], INT, (x) => (x > 0n ? 1n : x < 0n ? -1n : 0n)),
  celFunc('math.sign', [UINT], UINT, (x) => celUint(x.value > 0n ? 1n : 0n)),
  celFunc('math.sqrt', [INT], DOUBLE, (x) => Math.sqrt(Number(x))),
  celFunc('math.sqrt', [UINT], DOUBLE, (x) => Math.sqrt(Number(x.value))),
  ...bits('math.bitAnd', (a, b) => a & b),
  ...bits('math.bitOr', (a, b) => a | b),
  ...bits('math.bitXor', (a, b) => a ^ b),
  celFunc('math.bitNot', [INT], INT, (x) => ~x),
  celFunc('math.bitNot', [UINT], UINT, (x) => celUint(BigInt.asUintN(64, ~x.value))),
  celFunc('math.bitShiftLeft', [INT, INT], INT, (x, by) => BigInt.asIntN(64, shift(x, by, true))),
  celFunc('math.bitShiftRight', [INT, INT], INT,
    (x, by) => BigInt.asIntN(64, shift(x, by, false))),
  celFunc('math.bitShiftLeft', [UINT, INT], UINT, (x, by) => celUint(shift(x.value, by, true))),
  celFunc('math.bitShiftRight', [UINT, INT], UINT, (x, by) => celUint(shift(x.value, by, false))),
];

// --- encoders, strings ---

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';

function decodeBase64(text) {
  const match = /^([A-Za-z0-9+/]*)(={0,2})$/.exec(text);
  if (!match || (match[2] !== '' && text.length % 4 !== 0) || match[1].length % 4 === 1) {
    fail('no base64');
  }
  const out = [];
  let held = 0;
  let count = 0;
  for (const letter of match[1]) {
    held = (held << 6) | ALPHABET.indexOf(letter);
    count += 6;
    if (count >= 8) {
      count -= 8;
      out.push((held >> count) & 255);
      held &= (1 << count) - 1;
    }
  }
  return Uint8Array.from(out);
}

const encoders = [
  celFunc('matches', [STRING, STRING], BOOL, (text, pattern) => RE2JS.compile(pattern).test(text)),
  celFunc('base64.encode', [BYTES], STRING, (x) => Buffer.from(x).toString('base64')),
  celFunc('base64.decode', [STRING], BYTES, decodeBase64),
  celMethod('reverse', STRING, [], STRING, function reverse() {
    return [...this].reverse().join('');
  }),
];

// --- optionals ---

const some = (value) => celMap(new Map([[SOME, value]]));
const none = () => celMap(new Map([[NONE, null]]));

function isOptional(value) {
  return isCelMap(value) && value.size === 1 && (value.get(SOME) !== undefined ||
    value.get(NONE) !== undefined);
}

const opened = (value) => (isOptional(value) ? value : fail('no optional'));
const hasValue = (value) => opened(value).get(SOME) !== undefined;

function isZero(value) {
  if (isCelUint(value)) {
    return value.value === 0n;
  }
  if (value instanceof Uint8Array) {
    return value.length === 0;
  }
  if (isOptional(value)) {
    return !hasValue(value);
  }
  if (isCelList(value) || isCelMap(value)) {
    return value.size === 0;
  }
  return value === null || value === false || value === '' || value === 0n || value === 0;
}

// container[?key] and container.?key
function select(container, key) {
  if (isOptional(container)) {
    return hasValue(container) ? select(container.get(SOME), key) : none();
  }
  if (isCelMap(container)) {
    if (!['string', 'bigint', 'boolean', 'number'].includes(typeof key) && !isCelUint(key)) {
      fail('no key');
    }
    const found = container.get(key);
    return found === undefined ? none() : some(found);
  }
  if (!isCelList(container)) {
    fail('no container');
  }
  const at = Number(isNumber(key) ? numberOf(key) : fail('no index'));
  if (!Number.isInteger(at)) {
    fail('no index');
  }
  return at < 0 || at >= container.size ? none() : some(container.get(at));
}

const optionals = [
  celFunc('optional.of', [DYN], DYN, some),
  celFunc('optional.none', [], DYN, none),
  celFunc('optional.ofNonZeroValue', [DYN], DYN, (x) => (isZero(x) ? none() : some(x))),
  celMethod('hasValue', MAP, [], BOOL, function has() { return hasValue(this); }),
  celMethod('value', MAP, [], DYN, function value() {
    return hasValue(this) ? this.get(SOME) : fail('an empty optional');
  }),
  celFunc('zzoptional', [DYN], DYN, opened),
  celFunc('zzselect', [DYN, DYN], DYN, select),
];

// --- macros ---

function pairsOf(list) {
  return [...list].map((pair) => [pair.get(0), pair.get(1)]);
}

function sameKey(a, b) {
  return numberOf(a) === numberOf(b);
}

export function mapOf(pairs) {
  const made = new Map();
  for (const [key, value] of pairs) {
    if (!['string', 'bigint', 'boolean'].includes(typeof key) && !isCelUint(key)) {
      fail('no key');
    }
    if ([...made.keys()].some((k) => sameKey(k, key))) {
      fail('a key twice');
    }
    made.set(key, value);
  }
  return celMap(made);
}

const macros = [
  // what stands around parts of every expression, for faults.mjs
  celFunc('zzrange', [DYN], DYN, (x) => x),
  celFunc('zzhas', [DYN, STRING], DYN, (x) => x),
  celFunc('zzindex', [DYN, DYN], DYN, (container, index) => index),
  // the first variable: places of a list, keys of a map
  celFunc('zzkeys', [DYN], LIST, (x) => {
    if (isCelList(x)) {
      return celList(Array.from({ length: x.size }, (_, i) => BigInt(i)));
    }
    return isCelMap(x) && !isOptional(x) ? celList([...x.keys()]) : fail('no range');
  }),
  celFunc('zzmap', [LIST], MAP, (x) => mapOf(pairsOf(x))),
  celFunc('zzmerge', [LIST], MAP, (x) => mapOf([...x].flatMap((m) => (isCelMap(m) ? [...m]
    : fail('no map'))))),
  // elements and entries written with `?`: what an optional holds, or nothing
  celFunc('zzlist', [DYN], LIST, (x) => celList(hasValue(x) ? [x.get(SOME)] : [])),
  celFunc('zzoptmap', [LIST], MAP, (x) => mapOf(pairsOf(x).flatMap(([key, value]) =>
    (hasValue(value) ? [[key, value.get(SOME)]] : [])))),
];

// Tried where nothing else fits: what is no key is in no map, cel-go finds nothing.
export const lastResorts = [
  celFunc('@in', [DYN, MAP], BOOL, (_, x) => (isOptional(x) ? fail('no map') : false)),
];

export const extensions = [...math, ...encoders, ...optionals, ...macros];
export { hasValue, isOptional, select };
