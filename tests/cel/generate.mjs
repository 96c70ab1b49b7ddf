// Random expressions: grown from a type, so that most of them mean something, with their variables.
//
// A node is {t, p, k}: its type, its text with $0, $1 … for its kids, and those. Where the
// oracle has no such macro, q writes it for the oracle: q(show, env), where env maps variables
// of macros to the texts that stand for them.
import { RE2JS } from '@bufbuild/re2';

import * as lit from './literals.mjs';
import { scalar } from './values.mjs';

// --- types ---

const simple = (k) => ({ k, name: k });
export const T = Object.fromEntries(['bool', 'int', 'uint', 'double', 'string', 'bytes', 'dyn',
  'type']
  .map((k) => [k, simple(k)]));
T.null = { k: 'null', name: 'null_type' };
T.time = { k: 'time', name: 'timestamp' };
T.duration = { k: 'duration', name: 'duration' };
export const listOf = (of) => ({ k: 'list', of, name: `list(${of.name})` });
export const mapOf = (key, of) => ({ k: 'map', key, of, name: `map(${key.name}, ${of.name})` });
export const optionalOf = (of) => ({ k: 'optional', of, name: `optional_type(${of.name})` });

const PAIR = simple('pair'); // an element that stands nowhere else
const SCALARS = [T.bool, T.int, T.uint, T.double, T.string, T.bytes, T.time, T.duration];
const NUMBERS = [T.int, T.uint, T.double];
const KEYS = [T.string, T.int, T.uint, T.bool];

export const VARIABLES = new Map(Object.entries({
  b: T.bool, i: T.int, j: T.int, u: T.uint, d: T.double, e: T.double, s: T.string, t: T.string,
    y: T.bytes,
  at: T.time, du: T.duration, n: T.null, 'data.k': T.int, 'data.s': T.string, x: T.dyn, x2: T.dyn,
  li: listOf(T.int), ls: listOf(T.string), ld: listOf(T.double), lx: listOf(T.dyn),
  lli: listOf(listOf(T.int)), msi: mapOf(T.string, T.int), mis: mapOf(T.int, T.string),
  mub: mapOf(T.uint, T.bool), m: mapOf(T.string, T.dyn), ly: listOf(T.bytes), lt: listOf(T.time),
}));

const NAMES_OF = new Map();
for (const [name, type] of VARIABLES) {
  NAMES_OF.set(type.name, [...(NAMES_OF.get(type.name) ?? []), name]);
}

// --- values of variables ---

export function valueOf(r, type, depth = 0) {
  switch (type.k) {
    case 'bool': return scalar('bool', r.chance(50));
    case 'int': return scalar('int', lit.intOf(r));
    case 'uint': return scalar('uint', lit.uintOf(r));
    case 'double': return scalar('double', lit.doubleOf(r));
    case 'string': return scalar('string', lit.textOf(r));
    case 'bytes': return scalar('bytes', lit.bytesOf(r));
    case 'null': return scalar('null', null);
    case 'time': return scalar('time', lit.nsOfTime(r));
    case 'duration': return scalar('duration', lit.nsOfDuration(r));
    case 'list':
      return scalar('list', Array.from({ length: r.below(4) }, () => valueOf(r, type.of,
        depth + 1)));
    case 'map': {
      const pairs = new Map();
      for (let n = r.below(4); n > 0; n--) {
        const key = type.key === T.string && r.chance(60) ? scalar('string', r.pick(['a', 'b',
          'k']))
          : valueOf(r, type.key);
        pairs.set(String(key.content), [key, valueOf(r, type.of, depth + 1)]);
      }
      return scalar('map', [...pairs.values()]);
    }
    default:
      return valueOf(r, depth > 1 ? r.pick(SCALARS) : r.pick([...SCALARS, T.null, listOf(T.dyn),
        mapOf(T.string, T.dyn), listOf(T.int)]), depth + 1);
  }
}

// --- writing ---

export function show(node, forOracle, env) {
  if (node.v !== undefined) {
    return (forOracle && env?.get(node.v)) || node.v;
  }
  const kid = (i, inner = env) => show(node.k[i], forOracle, inner);
  if (forOracle && node.q) {
    return node.q(kid, env ?? new Map());
  }
  if (node.open !== undefined) {
    return node.open + node.k.map((_, i) => kid(i)).join(', ') + node.close;
  }
  return node.k.length === 0 ? node.p : node.p.replace(/\$(\d)/g, (_, i) => kid(Number(i)));
}

const leaf = (t, p) => ({ t, p, k: [] });
const made = (t, p, ...k) => ({ t, p, k });
const many = (t, open, k, close) => ({ t, open, close, k });

// --- growing ---

export class Generator {
  constructor(r) {
    this.r = r;
    this.scope = []; // variables of macros: {name, type}
    this.loops = 0;
    this.fresh = 0;
    this.wrong = r.chance(15) ? r.pick([3, 8, 20]) : 0; // percent of operands of another type
    this.isWrong = false; // something was put in on purpose, so that the checker may refuse it
    this.size = 0;
    this.shadows = r.chance(10);
  }

  anyType(depth = 0) {
    const { r } = this;
    return r.weighted([[60, () => r.pick(SCALARS)], [4, () => T.null],
      [depth < 2 ? 12 : 0, () => listOf(this.anyType(depth + 1))],
      [depth < 2 ? 10 : 0, () => mapOf(r.pick(KEYS), this.anyType(depth + 1))],
      [depth < 1 ? 4 : 0, () => optionalOf(this.anyType(depth + 1))]])();
  }

  expression(depth) {
    return this.grow(this.r.chance(40) ? T.bool : this.anyType(), depth);
  }

  grow(type, depth) {
    const { r } = this;
    this.size++;
    if (this.wrong > 0 && r.chance(this.wrong)) {
      this.isWrong = true;
      return this.grow(r.chance(20) ? T.dyn : this.anyType(), depth - 1);
    }
    if (depth <= 0 || this.size > 40 || r.chance(12)) {
      return this.small(type);
    }
    if (r.chance(14)) {
      return this.general(type, depth - 1) ?? this.small(type);
    }
    const grown = this[type.k](type, depth - 1);
    return grown ?? this.small(type);
  }

  // A variable or a literal.
  small(type) {
    const { r } = this;
    const local = this.scope.filter((v, i) => v.type.name === type.name &&
      !this.scope.some((w, k) => k > i && w.name === v.name));
    if (local.length > 0 && r.chance(65)) {
      return { t: type, v: r.pick(local).name, k: [] };
    }
    const names = (NAMES_OF.get(type.name) ?? [])
      .filter((name) => !this.scope.some((v) => v.name === name));
    if (names.length > 0 && r.chance(45)) {
      return { t: type, v: r.pick(names), k: [] };
    }
    return this.literal(type);
  }

  literal(type) {
    const { r } = this;
    switch (type.k) {
      case 'bool': return leaf(type, r.pick(['true', 'false']));
      case 'int': return leaf(type, lit.intText(r, lit.intOf(r)));
      case 'uint': return leaf(type, `${lit.intText(r, lit.uintOf(r))}${r.chance(90) ? 'u' : 'U'}`);
      case 'double': return leaf(type, lit.doubleText(r, lit.doubleOf(r)));
      case 'string': return leaf(type, lit.stringText(r, lit.textOf(r)));
      case 'bytes': return leaf(type, lit.bytesText(r, lit.bytesOf(r)));
      case 'null': return leaf(type, 'null');
      case 'type': return leaf(type, r.pick(['int', 'uint', 'double', 'bool', 'string', 'bytes',
        'list',
        'map', 'null_type', 'type', 'google.protobuf.Timestamp', 'google.protobuf.Duration']));
      case 'time': return this.constant(type, 'timestamp', lit.timeOf(r));
      case 'duration': return this.constant(type, 'duration', lit.durationOf(r));
      case 'list': return many(type, '[', Array.from({ length: r.below(4) }, () =>
        this.small(type.of)), ']');
      case 'map': {
        const k = Array.from({ length: r.below(3) }, () => made(PAIR, '$0: $1',
          this.small(type.key),
          this.small(type.of)));
        return many(type, '{', k, '}');
      }
      case 'optional':
        return r.chance(20) ? leaf(type, 'optional.none()') : made(type, 'optional.of($0)',
          this.small(type.of));
      default:
        return made(T.dyn, 'dyn($0)', this.small(this.anyType(1)));
    }
  }

  // A text that is no instant or duration is refused where it stands.
  constant(type, name, [text, isSound]) {
    this.isWrong ||= !isSound;
    return leaf(type, `${name}("${text}")`);
  }

  // What any type can come from.
  general(type, depth) {
    const { r } = this;
    return r.weighted([
      [30, () => made(type, '($0 ? $1 : $2)', this.grow(T.bool, depth), this.grow(type, depth),
        this.grow(type, depth))],
      [20, () => made(type, '$0[$1]', this.operand(listOf(type), depth),
        r.chance(75) ? leaf(T.int, String(r.below(4))) : this.grow(r.chance(80) ? T.int : T.dyn,
          depth))],
      [16, () => {
        const key = r.pick(KEYS);
        return made(type, '$0[$1]', this.operand(mapOf(key, type), depth), this.grow(key, depth));
      }],
      [10, () => made(type, '$0.$1', this.operand(mapOf(T.string, type), depth),
        leaf(T.dyn, r.pick(['a', 'b', 'k', 'in_x', 'size'])))],
      [8, () => this.bind(type, depth)],
      [6, () => made(type, '$0.value()', this.operand(optionalOf(type), depth))],
      [8, () => this.orValue(type, depth)],
      [3, () => made(type, '[$0][0]', this.grow(type, depth))],
      [3, () => made(type, 'dyn($0)', this.grow(type, depth))],
    ])();
  }

  // In parentheses where it is no primary expression.
  operand(type, depth) {
    const node = this.grow(type, depth);
    return node.p?.startsWith('-') && node.k.length === 0 ? made(type, '($0)', node) : node;
  }

  dyn(_type, depth) {
    const of = this.anyType();
    const node = this.grow(of, depth);
    return this.r.chance(70) ? made(T.dyn, 'dyn($0)', node) : this.small(T.dyn);
  }

  bool(type, depth) {
    const { r } = this;
    const two = (of) => [this.grow(of, depth), this.grow(of, depth)];
    const compare = () => r.pick(['<', '<=', '>', '>=']);
    const text = (f) => made(type, `$0.${f}($1)`, this.operand(T.string, depth), this.grow(T.string,
      depth));
    return r.weighted([
      [14, () => made(type, `($0 ${r.pick(['&&', '||'])} $1)`, ...two(T.bool))],
      [4, () => made(type, `($0 ${r.pick(['&&', '||'])} $1 ${r.pick(['&&', '||'])} $2)`,
        ...two(T.bool),
        this.grow(T.bool, depth))],
      [6, () => made(type, r.chance(90) ? '!$0' : '!(!$0)', this.paren(T.bool, depth))],
      [16, () => made(type, `($0 ${r.pick(['==', '!='])} $1)`, ...two(this.anyType()))],
      [5, () => made(type, `(dyn($0) ${r.pick(['==', '!='])} $1)`, this.grow(this.anyType(), depth),
        this.grow(this.anyType(), depth))],
      [14, () => made(type, `($0 ${compare()} $1)`, ...two(r.pick(SCALARS)))],
      [8, () => made(type, `($0 ${compare()} $1)`, this.grow(r.pick(NUMBERS), depth),
        this.grow(r.pick(NUMBERS), depth))],
      [8, () => {
        const of = r.pick([...SCALARS, T.null, T.type]);
        return made(type, '($0 in $1)', this.grow(of, depth), this.grow(listOf(of), depth));
      }],
      [6, () => {
        const key = r.pick(KEYS);
        return made(type, '($0 in $1)', this.grow(key, depth), this.grow(mapOf(key,
          this.anyType(1)), depth));
      }],
      [10, () => text(r.pick(['contains', 'startsWith', 'endsWith']))],
      [7, () => made(type, r.chance(80) ? '$0.matches($1)' : 'matches($0, $1)',
        this.operand(T.string, depth),
        r.chance(92) ? leaf(T.string, lit.stringText(r, this.soundPattern()))
          : this.anyPattern(depth))],
      [12, () => this.quantifier(type, depth)],
      [5, () => made(type, 'has($0.$1)', this.operand(r.chance(90) ? mapOf(T.string,
        this.anyType(1))
        : T.dyn, depth), leaf(T.dyn, r.pick(['a', 'b', 'k'])))],
      [3, () => made(type, 'bool($0)', this.grow(r.chance(70) ? T.string : T.bool, depth))],
      [3, () => made(type, `math.${r.pick(['isNaN', 'isInf', 'isFinite'])}($0)`, this.grow(T.double,
        depth))],
      [4, () => made(type, '$0.hasValue()', this.operand(optionalOf(this.anyType(1)), depth))],
      [4, () => made(type, '(type($0) == $1)', this.grow(this.anyType(), depth), this.grow(T.type,
        0))],
    ])();
  }

  paren(type, depth) {
    return made(type, '($0)', this.grow(type, depth));
  }

  // A text that may be no pattern, and is refused where it stands.
  anyPattern(depth) {
    this.isWrong = true;
    return this.grow(T.string, depth);
  }

  soundPattern() {
    const pattern = this.pattern();
    try {
      RE2JS.compile(pattern);
    } catch {
      this.isWrong = true;
    }
    return pattern;
  }

  pattern() {
    const { r } = this;
    if (r.chance(60)) {
      return r.pick(lit.PATTERNS);
    }
    let text = '';
    for (let n = 1 + r.below(5); n > 0; n--) {
      text += r.pick(['a', 'b', 'c', '.', '\\d', '\\w', '\\s', '[a-c]', '[^b]', '(a|b)', '(?:a|)',
        'é', '😀',
        '^', '$', '\\b', 'A', '1', ',', ' ']);
      text += r.weighted([[60, ''], [10, '*'], [8, '+'], [8, '?'], [4, '*?'], [3, '{2}'], [3,
        '{1,2}'],
        [2, '{0,}'], [1, '{2,1}'], [1, '|']]);
    }
    return text;
  }

  arithmetic(type, depth, signs) {
    return made(type, `($0 ${this.r.pick(signs)} $1)`, this.grow(type, depth), this.grow(type,
      depth));
  }

  number(type, depth) {
    const { r } = this;
    const mathOf = (f) => made(type, `math.${f}($0)`, this.grow(type, depth));
    const extreme = () => many(type, `math.${r.pick(['greatest', 'least'])}(`,
      Array.from({ length: 1 + r.below(4) }, () => this.grow(type, depth)), ')');
    return r.weighted([[6, () => mathOf('abs')], [4, () => mathOf('sign')], [8, extreme],
      [4, () => made(type, `math.${r.pick(['greatest', 'least'])}($0)`, this.grow(listOf(type),
        depth))]])();
  }

  bits(type, depth) {
    const { r } = this;
    return r.weighted([
      [6, () => made(type, `math.${r.pick(['bitAnd', 'bitOr', 'bitXor'])}($0, $1)`, this.grow(type,
        depth),
        this.grow(type, depth))],
      [3, () => made(type, 'math.bitNot($0)', this.grow(type, depth))],
      [6, () => made(type, `math.${r.pick(['bitShiftLeft', 'bitShiftRight'])}($0, $1)`,
        this.grow(type, depth), this.grow(T.int, depth))]])();
  }

  int(type, depth) {
    const { r } = this;
    const sized = () => r.pick([T.string, T.bytes, listOf(this.anyType(1)), mapOf(r.pick(KEYS),
      this.anyType(1))]);
    return r.weighted([
      [30, () => this.arithmetic(type, depth, ['+', '-', '*', '/', '%'])],
      [6, () => made(type, '-($0)', this.grow(type, depth))],
      [8, () => (r.chance(50) ? made(type, 'size($0)', this.grow(sized(), depth))
        : made(type, '$0.size()', this.operand(sized(), depth)))],
      [14, () => made(type, 'int($0)', this.grow(r.pick([T.int, T.uint, T.double, T.double,
        T.string, T.time]),
        depth))],
      [10, () => made(type,
        `$0.${r.pick(['indexOf', 'lastIndexOf'])}($1${r.chance(40) ? ', $2' : ''})`,
        this.operand(T.string, depth), this.grow(T.string, depth), this.place(depth))],
      [14, () => made(type, `$0.${r.pick(['getFullYear', 'getMonth', 'getDate', 'getDayOfMonth',
        'getDayOfWeek', 'getDayOfYear', 'getHours', 'getMinutes', 'getSeconds',
          'getMilliseconds'])}(${
        r.chance(55) ? this.zone() : ''})`, this.operand(T.time, depth))],
      [6, () => made(type,
        `$0.${r.pick(['getHours', 'getMinutes', 'getSeconds', 'getMilliseconds'])}()`,
        this.operand(T.duration, depth))],
      [10, () => this.number(type, depth)],
      [8, () => this.bits(type, depth)],
    ])();
  }

  zone() {
    const [text, isSound] = lit.zoneOf(this.r);
    this.isWrong ||= !isSound;
    return `"${text}"`;
  }

  // A place in a text: mostly within it.
  place(depth) {
    return this.r.chance(75) ? leaf(T.int, String(this.r.below(6) - (this.r.chance(10) ? 1 : 0)))
      : this.grow(T.int, depth);
  }

  uint(type, depth) {
    const { r } = this;
    return r.weighted([
      [30, () => this.arithmetic(type, depth, ['+', '-', '*', '/', '%'])],
      [14, () => made(type, 'uint($0)', this.grow(r.pick([T.int, T.uint, T.double, T.double,
        T.string]), depth))],
      [10, () => this.number(type, depth)],
      [8, () => this.bits(type, depth)],
    ])();
  }

  double(type, depth) {
    const { r } = this;
    return r.weighted([
      [30, () => this.arithmetic(type, depth, ['+', '-', '*', '/'])],
      [6, () => made(type, '-($0)', this.grow(type, depth))],
      [14, () => made(type, 'double($0)', this.grow(r.pick([T.int, T.uint, T.double, T.string]),
        depth))],
      [12, () => made(type, `math.${r.pick(['ceil', 'floor', 'round', 'trunc'])}($0)`,
        this.grow(type, depth))],
      [5, () => made(type, 'math.sqrt($0)', this.grow(r.pick(NUMBERS), depth))],
      [8, () => this.number(type, depth)],
    ])();
  }

  string(type, depth) {
    const { r } = this;
    const self = () => this.operand(T.string, depth);
    const other = () => this.grow(T.string, depth);
    return r.weighted([
      [16, () => this.arithmetic(type, depth, ['+'])],
      [14, () => made(type, 'string($0)', this.grow(r.pick([T.int, T.uint, T.double, T.string,
        T.bytes, T.bool,
        T.time, T.duration]), depth))],
      [6, () => made(type, '$0.charAt($1)', self(), this.place(depth))],
      [8, () => made(type, '$0.substring($1)', self(), this.place(depth))],
      [8, () => made(type, '$0.substring($1, $2)', self(), this.place(depth), this.place(depth))],
      [9, () => made(type, `$0.replace($1, $2${r.chance(40) ? ', $3' : ''})`, self(), other(),
        other(),
        this.place(depth))],
      [8, () => made(type, `$0.${r.pick(['lowerAscii', 'upperAscii', 'trim', 'reverse'])}()`,
        self())],
      [5, () => made(type, 'strings.quote($0)', other())],
      [5, () => made(type, `$0.join(${r.chance(60) ? '$1' : ''})`, this.operand(listOf(T.string),
        depth), other())],
      [9, () => this.format(depth)],
      [4, () => made(type, 'base64.encode($0)', this.grow(T.bytes, depth))],
    ])();
  }

  format(depth) {
    const { r } = this;
    let pattern = '';
    const args = [];
    for (let n = r.below(3) + (r.chance(90) ? 1 : 0); n > 0; n--) {
      const [letter, types] = r.pick([['s', null], ['s', null], ['d', [T.int, T.uint]], ['f',
        NUMBERS],
        ['e', NUMBERS], ['b', [T.int, T.uint, T.bool]], ['o', [T.int, T.uint]],
        ['x', [T.int, T.uint, T.string, T.bytes]], ['X', [T.int, T.uint, T.string, T.bytes]]]);
      const places = 'fe'.includes(letter) && r.chance(60) ? `.${r.below(20)}` : '';
      const clause = r.chance(98) ? letter : r.pick('qzgD ');
      pattern += `${r.pick(['', ' ', 'é', '%%', 'a'])}%${places}${clause}`;
      args.push(this.grow(types ? r.pick(types) : this.anyType(), depth));
    }
    if (r.chance(4)) {
      args.pop();
    }
    return made(T.string, `${lit.stringText(r, pattern)}.format($0)`, many(listOf(T.dyn), '[', args,
      ']'));
  }

  bytes(type, depth) {
    return this.r.weighted([
      [20, () => this.arithmetic(type, depth, ['+'])],
      [20, () => made(type, 'bytes($0)', this.grow(this.r.pick([T.string, T.bytes]), depth))],
      [10, () => made(type, 'base64.decode($0)', this.grow(T.string, depth))],
    ])();
  }

  time(type, depth) {
    return this.r.weighted([
      [20, () => made(type, '($0 + $1)', this.grow(T.time, depth), this.grow(T.duration, depth))],
      [10, () => made(type, '($0 + $1)', this.grow(T.duration, depth), this.grow(T.time, depth))],
      [15, () => made(type, '($0 - $1)', this.grow(T.time, depth), this.grow(T.duration, depth))],
      [15, () => made(type, 'timestamp($0)', this.grow(this.r.pick([T.int, T.time]), depth))],
      [8, () => made(type, 'timestamp(string($0))', this.grow(T.time, depth))],
    ])();
  }

  duration(type, depth) {
    return this.r.weighted([
      [20, () => this.arithmetic(type, depth, ['+', '-'])],
      [15, () => made(type, '($0 - $1)', this.grow(T.time, depth), this.grow(T.time, depth))],
      [5, () => made(type, 'duration($0)', this.grow(T.duration, depth))],
      [6, () => made(type, 'duration(string($0))', this.grow(T.duration, depth))],
    ])();
  }

  null(type) {
    return this.small(type);
  }

  type(type, depth) {
    return this.r.chance(60) ? made(type, 'type($0)', this.grow(this.anyType(), depth))
      : this.literal(type);
  }

  list(type, depth) {
    const { r } = this;
    return r.weighted([
      [20, () => many(type, '[', Array.from({ length: r.below(4) }, () => this.grow(type.of,
        depth)), ']')],
      [14, () => this.arithmetic(type, depth, ['+'])],
      [type.of === T.string ? 16 : 0, () => made(type, `$0.split($1${r.chance(40) ? ', $2' : ''})`,
        this.operand(T.string, depth), this.grow(T.string, depth), this.place(depth))],
      [16, () => this.filter(type, depth)],
      [16, () => this.mapEach(type, depth)],
      [8, () => this.transformList(type, depth)],
      [6, () => this.optionalList(type, depth)],
    ])();
  }

  map(type, depth) {
    const { r } = this;
    const pair = () => made(PAIR, '$0: $1', this.grow(type.key, depth), this.grow(type.of, depth));
    return r.weighted([
      [20, () => many(type, '{', Array.from({ length: r.below(4) }, pair), '}')],
      [10, () => this.transformMap(type, depth)],
      [6, () => this.transformEntry(type, depth)],
      [6, () => this.optionalMap(type, depth)],
    ])();
  }

  optional(type, depth) {
    const { r } = this;
    const zero = [T.bool, T.int, T.uint, T.double, T.string, T.bytes].includes(type.of);
    return r.weighted([
      [20, () => made(type, 'optional.of($0)', this.grow(type.of, depth))],
      [zero ? 10 : 0, () => made(type, 'optional.ofNonZeroValue($0)', this.grow(type.of, depth))],
      [4, () => leaf(type, 'optional.none()')],
      [12, () => this.optionalOr(type, depth)],
      [14, () => this.optionalSelect(type, depth)],
      [10, () => this.optMap(type, depth)],
    ])();
  }

  // --- macros ---

  // A variable for a macro's body; grows the body with it in scope.
  within(variables, grow) {
    if (this.loops === 3) {
      return null;
    }
    this.loops++;
    this.scope.push(...variables);
    const body = grow();
    this.scope.length -= variables.length;
    this.loops--;
    return body;
  }

  variable(type) {
    const name = this.shadows && this.r.chance(30) ? this.r.pick(['i', 's', 'x', 'li', 'v0'])
      : `v${this.fresh++}`;
    return { name, type };
  }

  // The range of a macro with one variable, and the variable's type.
  range(depth, of) {
    const { r } = this;
    const element = of ?? this.anyType(1);
    return r.chance(80) || of ? [this.operand(listOf(element), depth), element]
      : ((key) => [this.operand(mapOf(key, this.anyType(1)), depth), key])(r.pick(KEYS));
  }

  quantifier(type, depth) {
    const { r } = this;
    const macro = r.pick(['all', 'exists', 'exists_one', 'existsOne', 'all', 'exists']);
    const [range, element] = this.range(depth);
    const v = this.variable(element);
    if (r.chance(25) && !this.shadows && macro !== 'exists_one') {
      return this.quantifierOfTwo(type, macro, range, depth);
    }
    const body = this.within([v], () => this.grow(T.bool, depth));
    return body && made(type, `$0.${macro}(${v.name}, $1)`, range, body);
  }

  // Two variables: the first one's range is zzkeys, the second stands for the element it names.
  two(range) {
    const isMap = range.t.k === 'map';
    const first = { name: `v${this.fresh++}`, type: isMap ? range.t.key : T.int };
    const second = { name: `v${this.fresh++}`, type: range.t.of ?? T.dyn };
    return [first, second];
  }

  static inner(kid, env, first, second) {
    const range = kid(0, env);
    const inner = new Map(env).set(second.name, `${range}[${first.name}]`);
    inner.delete(first.name);
    return [`zzkeys(${range})`, inner];
  }

  quantifierOfTwo(type, macro, range, depth) {
    const [a, c] = this.two(range);
    const body = this.within([a, c], () => this.grow(T.bool, depth));
    return body && { ...made(type, `$0.${macro}(${a.name}, ${c.name}, $1)`, range, body),
      q: (kid, env) => {
        const [keys, inner] = Generator.inner(kid, env, a, c);
        return `${keys}.${macro}(${a.name}, ${kid(1, inner)})`;
      } };
  }

  filter(type, depth) {
    const range = this.operand(listOf(type.of), depth);
    const v = this.variable(type.of);
    const body = this.within([v], () => this.grow(T.bool, depth));
    return body && made(type, `$0.filter(${v.name}, $1)`, range, body);
  }

  mapEach(type, depth) {
    const [range, element] = this.range(depth);
    const v = this.variable(element);
    const test = this.r.chance(25);
    let condition = null;
    const body = this.within([v], () => {
      condition = test ? this.grow(T.bool, depth) : null;
      return this.grow(type.of, depth);
    });
    return body && (test ? made(type, `$0.map(${v.name}, $1, $2)`, range, condition, body)
      : made(type, `$0.map(${v.name}, $1)`, range, body));
  }

  // `name` with two variables, an optional filter and a body, for the oracle a map over zzkeys.
  transform(type, name, depth, grow, write, over) {
    if (this.shadows) {
      return null;
    }
    const range = this.operand(over ?? (this.r.chance(60) ? listOf(this.anyType(1))
      : mapOf(this.r.pick(KEYS), this.anyType(1))), depth);
    const [a, c] = this.two(range);
    let condition = null;
    const body = this.within([a, c], () => {
      condition = this.r.chance(25) ? this.grow(T.bool, depth) : null;
      return grow(a, c);
    });
    const kids = condition ? [range, condition, body] : [range, body];
    return body && { t: type, k: kids,
      p: `$0.${name}(${a.name}, ${c.name}, $1${condition ? ', $2' : ''})`,
      q: (kid, env) => {
        const [keys, inner] = Generator.inner(kid, env, a, c);
        const rest = condition ? `${kid(1, inner)}, ${write(a, kid(2, inner))}` : write(a, kid(1,
          inner));
        return write.around(`${keys}.map(${a.name}, ${rest})`);
      } };
  }

  transformList(type, depth) {
    const write = Object.assign((_, body) => body, { around: (text) => text });
    return this.transform(type, 'transformList', depth, () => this.grow(type.of, depth), write);
  }

  transformMap(type, depth) {
    const write = Object.assign((a, body) => `[${a.name}, ${body}]`, { around: (text) =>
      `zzmap(${text})` });
    // the keys of the result are those of the range
    const over = type.key === T.int && this.r.chance(50) ? listOf(this.anyType(1))
      : mapOf(type.key, this.anyType(1));
    return this.transform(type, 'transformMap', depth, () => this.grow(type.of, depth), write,
      over);
  }

  transformEntry(type, depth) {
    const write = Object.assign((_, body) => body, { around: (text) => `zzmerge(${text})` });
    return this.transform(type, 'transformMapEntry', depth, () => many(type, '{',
      [made(PAIR, '$0: $1', this.grow(type.key, depth), this.grow(type.of, depth))], '}'), write);
  }

  bind(type, depth) {
    if (this.shadows) {
      return null;
    }
    const of = this.anyType(1);
    const value = this.grow(of, depth);
    const v = this.variable(of);
    const body = this.within([v], () => this.grow(type, depth));
    return body && { ...made(type, `cel.bind(${v.name}, $0, $1)`, value, body),
      q: (kid, env) => `(${kid(1, new Map(env).set(v.name, `(${kid(0, env)})`))})` };
  }

  // --- optionals ---

  orValue(type, depth) {
    return { ...made(type, '$0.orValue($1)', this.operand(optionalOf(type), depth), this.grow(type,
      depth)),
      q: (kid) => `(${kid(0)}.hasValue() ? ${kid(0)}.value() : ${kid(1)})` };
  }

  optionalOr(type, depth) {
    return { ...made(type, '$0.or($1)', this.operand(type, depth), this.grow(type, depth)),
      q: (kid) => `(${kid(0)}.hasValue() ? ${kid(0)} : zzoptional(${kid(1)}))` };
  }

  optionalSelect(type, depth) {
    const { r } = this;
    const field = r.pick(['a', 'b', 'k']);
    return r.weighted([
      [40, () => ({ ...made(type, `$0.?${field}`, this.operand(mapOf(T.string, type.of), depth)),
        q: (kid) => `zzselect(${kid(0)}, "${field}")` })],
      [30, () => ({ ...made(type, '$0[?$1]', this.operand(listOf(type.of), depth),
        this.place(depth)),
        q: (kid) => `zzselect(${kid(0)}, ${kid(1)})` })],
      [30, () => {
        const key = r.pick(KEYS);
        return { ...made(type, '$0[?$1]', this.operand(mapOf(key, type.of), depth), this.grow(key,
          depth)),
          q: (kid) => `zzselect(${kid(0)}, ${kid(1)})` };
      }],
      [15, () => ({ ...made(type, `$0.?${field}.k`, this.operand(mapOf(T.string, mapOf(T.string,
        type.of)),
        depth)), q: (kid) => `zzselect(zzselect(${kid(0)}, "${field}"), "k")` })],
      [10, () => ({ ...made(type, '$0[?$1][0]', this.operand(listOf(listOf(type.of)), depth),
        this.place(depth)), q: (kid) => `zzselect(zzselect(${kid(0)}, ${kid(1)}), 0)` })],
      [15, () => ({ ...made(type, `$0.?${field}`, this.operand(optionalOf(mapOf(T.string, type.of)),
        depth)),
        q: (kid) => `zzselect(${kid(0)}, "${field}")` })],
    ])();
  }

  optMap(type, depth) {
    if (this.shadows) {
      return null;
    }
    const of = this.anyType(1);
    const value = this.operand(optionalOf(of), depth);
    const v = this.variable(of);
    const flat = this.r.chance(40);
    const body = this.within([v], () => this.grow(flat ? type : type.of, depth));
    return body && { ...made(type, `$0.${flat ? 'optFlatMap' : 'optMap'}(${v.name}, $1)`, value,
      body),
      q: (kid, env) => {
        const inner = kid(1, new Map(env).set(v.name, `${kid(0, env)}.value()`));
        const answer = flat ? `zzoptional(${inner})` : `optional.of(${inner})`;
        return `(${kid(0, env)}.hasValue() ? ${answer} : optional.none())`;
      } };
  }

  optionalList(type, depth) {
    const items = Array.from({ length: 1 + this.r.below(3) }, () => (this.r.chance(60)
      ? made(PAIR, '?$0', this.grow(optionalOf(type.of), depth)) : this.grow(type.of, depth)));
    return { ...many(type, '[', items, ']'), isOptional: true,
      q(kid) {
        return `(${this.k.map((item, i) => (item.p === '?$0' ? `zzlist(${kid(i).slice(1)})`
          : `[${kid(i)}]`)).join(' + ') || '[]'})`;
      } };
  }

  optionalMap(type, depth) {
    const items = Array.from({ length: 1 + this.r.below(3) }, () => (this.r.chance(60)
      ? { ...made(PAIR, '?$0: $1', this.grow(type.key, depth), this.grow(optionalOf(type.of),
        depth)),
        q: (kid) => `[${kid(0)}, ${kid(1)}]` }
      : { ...made(PAIR, '$0: $1', this.grow(type.key, depth), this.grow(type.of, depth)),
        q: (kid) => `[${kid(0)}, optional.of(${kid(1)})]` }));
    return { ...many(type, '{', items, '}'), isOptional: true,
      q(kid) { return `zzoptmap([${this.k.map((_, i) => kid(i)).join(', ')}])`; } };
  }
}

const BLANKS = [' ', ' ', ' ', '  ', '\n', '\t', ' // x\n', '\r\n'];

// A copy with some parentheses around operators left out, and other blanks: what belongs
// together is then a matter of precedence, so that types may no longer fit.
export function loosen(node, r) {
  const k = node.k.map((kid) => loosen(kid, r));
  const match = /^\((\$0) (\S+) (\$1)(?: (\S+) (\$2))?\)$/.exec(node.p ?? '');
  if (!match || r.chance(40)) {
    return { ...node, k };
  }
  const parts = match.slice(1).filter((part) => part !== undefined);
  let p = parts[0];
  for (const part of parts.slice(1)) {
    p += (parts.includes('in') || r.chance(85) ? r.pick(BLANKS) : '') + part;
  }
  return { ...node, p, k };
}

// The variables that a text may name.
export function namesIn(text) {
  return [...VARIABLES.keys()].filter((name) => text.includes(name) &&
    new RegExp(`(^|[^\\w.])${name.replace('.', '\\.')}(?!\\w)`).test(text));
}
