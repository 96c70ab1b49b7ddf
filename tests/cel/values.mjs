// Values of CEL in the three shapes they have here: the oracle's own, msgpack as cel_eval reads
// and writes it, and a canonical text, by which two answers are compared: doubles by their bits,
// all NaN one, maps in any order.
import { celUint, isCelList, isCelMap, isCelType, isCelUint } from '@bufbuild/cel';
import { create } from '@bufbuild/protobuf';
import { isReflectMessage, reflect } from '@bufbuild/protobuf/reflect';
import { DurationSchema, TimestampSchema } from '@bufbuild/protobuf/wkt';

export const NS = 1000000000n;

// The oracle knows no optionals: they are maps with one of these keys (oracle.mjs).
export const SOME = '\u0000optional';
export const NONE = '\u0000optional none';

const EXT_UINT = 1;
const EXT_DURATION = 2;
const EXT_TIME = 3;
const EXT_TYPE = 4;

// A value that a variable is bound to, as the generator writes it: [kind, content].
export const scalar = (kind, content) => ({ kind, content });

function head(byte, size) {
  const out = Buffer.alloc(5);
  out[0] = byte;
  out.writeUInt32BE(size, 1);
  return out;
}

function extension(type, body) {
  return Buffer.concat([head(0xc9, body.length), Buffer.from([type]), body]);
}

function floorDiv(a, b) {
  const q = a / b;
  return a % b !== 0n && (a < 0n) !== (b < 0n) ? q - 1n : q;
}

function instant(type, ns) {
  const body = Buffer.alloc(12);
  const ms = floorDiv(ns, 1000000n);
  body.writeBigInt64BE(ms, 0);
  body.writeUInt32BE(Number(ns - ms * 1000000n), 8);
  return extension(type, body);
}

// msgpack of a bound value.
export function pack(value) {
  const out = Buffer.alloc(9);
  switch (value.kind) {
    case 'null':
      return Buffer.from([0xc0]);
    case 'bool':
      return Buffer.from([value.content ? 0xc3 : 0xc2]);
    case 'int':
      out[0] = 0xd3;
      out.writeBigInt64BE(value.content, 1);
      return out;
    case 'double':
      out[0] = 0xcb;
      out.writeDoubleBE(value.content, 1);
      return out;
    case 'uint':
      out.writeBigUInt64BE(value.content, 0);
      return extension(EXT_UINT, out.subarray(0, 8));
    case 'string': {
      const raw = Buffer.from(value.content, 'utf8');
      return Buffer.concat([head(0xdb, raw.length), raw]);
    }
    case 'bytes':
      return Buffer.concat([head(0xc6, value.content.length), value.content]);
    case 'time':
      return instant(EXT_TIME, value.content);
    case 'duration':
      return instant(EXT_DURATION, value.content);
    case 'type':
      return extension(EXT_TYPE, Buffer.from(value.content));
    case 'list':
      return Buffer.concat([head(0xdd, value.content.length), ...value.content.map(pack)]);
    case 'map':
      return Buffer.concat([head(0xdf, value.content.length),
        ...value.content.flatMap(([k, v]) => [pack(k), pack(v)])]);
    default:
      throw new Error(`no value: ${value.kind}`);
  }
}

// What the oracle is given for a bound value.
export function toOracle(value) {
  switch (value.kind) {
    case 'uint':
      return celUint(value.content);
    case 'time': {
      const seconds = floorDiv(value.content, NS);
      return reflect(TimestampSchema, create(TimestampSchema, {
        seconds, nanos: Number(value.content - seconds * NS) }));
    }
    case 'duration':
      return reflect(DurationSchema, create(DurationSchema, {
        seconds: value.content / NS, nanos: Number(value.content % NS) }));
    case 'list':
      return value.content.map(toOracle);
    case 'map':
      return new Map(value.content.map(([k, v]) => [toOracle(k), toOracle(v)]));
    default:
      return value.content;
  }
}

// Nanoseconds of the oracle's timestamp or duration.
export const nanosOf = (message) => message.message.seconds * NS + BigInt(message.message.nanos);

const doubleBits = Buffer.alloc(8);

function doubleText(value) {
  if (Number.isNaN(value)) {
    return 'double nan';
  }
  doubleBits.writeDoubleBE(value, 0);
  return `double ${value} ${doubleBits.toString('hex')}`;
}

const mapText = (pairs) => `{${pairs.map(([k, v]) => `${k}: ${v}`).sort().join(', ')}}`;

// The canonical text of what the oracle answered.
export function oracleText(value) {
  switch (typeof value) {
    case 'bigint':
      return `int ${value}`;
    case 'number':
      return doubleText(value);
    case 'boolean':
      return `bool ${value}`;
    case 'string':
      return JSON.stringify(value);
    default:
  }
  if (value === null) {
    return 'null';
  }
  if (isCelUint(value)) {
    return `uint ${value.value}`;
  }
  if (value instanceof Uint8Array) {
    return `bytes ${Buffer.from(value).toString('hex')}`;
  }
  if (isCelType(value)) {
    return `type ${value.name}`;
  }
  if (isCelList(value)) {
    return `[${[...value].map(oracleText).join(', ')}]`;
  }
  if (isCelMap(value)) {
    const pairs = [...value];
    if (pairs.length === 1 && pairs[0][0] === NONE) {
      return 'optional none';
    }
    if (pairs.length === 1 && pairs[0][0] === SOME) {
      return `optional ${oracleText(pairs[0][1])}`;
    }
    return mapText(pairs.map(([k, v]) => [oracleText(k), oracleText(v)]));
  }
  if (isReflectMessage(value, TimestampSchema)) {
    return `time ${nanosOf(value)}`;
  }
  if (isReflectMessage(value, DurationSchema)) {
    return `duration ${nanosOf(value)}`;
  }
  return `something else: ${value}`;
}

// The canonical text of msgpack from cel_eval, read from a cursor {raw, at}.
export function packedText(cursor) {
  const { raw } = cursor;
  const first = raw[cursor.at++];
  const number = (size, read) => {
    cursor.at += size;
    return raw[read](cursor.at - size);
  };
  const take = (size) => {
    cursor.at += size;
    return raw.subarray(cursor.at - size, cursor.at);
  };
  const list = (count) => {
    const items = [];
    for (let i = 0; i < count; i++) {
      items.push(packedText(cursor));
    }
    return `[${items.join(', ')}]`;
  };
  const map = (count) => {
    const pairs = [];
    for (let i = 0; i < count; i++) {
      pairs.push([packedText(cursor), packedText(cursor)]);
    }
    if (count > 0 && pairs[0][0] === '"optional none"') {
      return 'optional none';
    }
    if (count === 1 && pairs[0][0] === '"optional"') {
      return `optional ${pairs[0][1]}`;
    }
    return mapText(pairs);
  };
  if (first < 0x80) {
    return `int ${first}`;
  }
  if (first >= 0xe0) {
    return `int ${first - 256}`;
  }
  if (first < 0x90) {
    return map(first & 15);
  }
  if (first < 0xa0) {
    return list(first & 15);
  }
  if (first < 0xc0) {
    return JSON.stringify(take(first & 31).toString('utf8'));
  }
  switch (first) {
    case 0xc0: return 'null';
    case 0xc2: return 'bool false';
    case 0xc3: return 'bool true';
    case 0xc4: return `bytes ${take(number(1, 'readUInt8')).toString('hex')}`;
    case 0xc5: return `bytes ${take(number(2, 'readUInt16BE')).toString('hex')}`;
    case 0xc6: return `bytes ${take(number(4, 'readUInt32BE')).toString('hex')}`;
    case 0xc9: return extensionText(number(4, 'readUInt32BE'), number(1, 'readUInt8'), take);
    case 0xca: return doubleText(number(4, 'readFloatBE'));
    case 0xcb: return doubleText(number(8, 'readDoubleBE'));
    case 0xcc: return `int ${number(1, 'readUInt8')}`;
    case 0xcd: return `int ${number(2, 'readUInt16BE')}`;
    case 0xce: return `int ${number(4, 'readUInt32BE')}`;
    case 0xcf: return `int ${number(8, 'readBigUInt64BE')}`;
    case 0xd0: return `int ${number(1, 'readInt8')}`;
    case 0xd1: return `int ${number(2, 'readInt16BE')}`;
    case 0xd2: return `int ${number(4, 'readInt32BE')}`;
    case 0xd3: return `int ${number(8, 'readBigInt64BE')}`;
    case 0xd9: return JSON.stringify(take(number(1, 'readUInt8')).toString('utf8'));
    case 0xda: return JSON.stringify(take(number(2, 'readUInt16BE')).toString('utf8'));
    case 0xdb: return JSON.stringify(take(number(4, 'readUInt32BE')).toString('utf8'));
    case 0xdc: return list(number(2, 'readUInt16BE'));
    case 0xdd: return list(number(4, 'readUInt32BE'));
    case 0xde: return map(number(2, 'readUInt16BE'));
    case 0xdf: return map(number(4, 'readUInt32BE'));
    default: throw new Error(`msgpack of an unknown kind: ${first}`);
  }
}

function extensionText(size, type, take) {
  const body = take(size);
  if (type === EXT_UINT) {
    return `uint ${body.readBigUInt64BE(0)}`;
  }
  if (type === EXT_TYPE) {
    return `type ${body.toString('utf8')}`;
  }
  const ns = body.readBigInt64BE(0) * 1000000n + BigInt(body.readUInt32BE(8));
  return `${type === EXT_TIME ? 'time' : 'duration'} ${ns}`;
}

// A bound value for people.
export function valueText(value) {
  switch (value.kind) {
    case 'list':
      return `[${value.content.map(valueText).join(', ')}]`;
    case 'map':
      return `{${value.content.map(([k, v]) => `${valueText(k)}: ${valueText(v)}`).join(', ')}}`;
    case 'bytes':
      return `bytes ${value.content.toString('hex')}`;
    case 'string':
      return JSON.stringify(value.content);
    case 'double':
      return doubleText(value.content);
    default:
      return `${value.kind} ${value.content}`;
  }
}
