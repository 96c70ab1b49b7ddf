"""msgpack in plain Python: what the tests send and read. `pack(Raw(b"..."))` inserts bytes as they are."""

import struct


class Raw:
    """Bytes put into a message as they are, well-formed or not."""

    def __init__(self, data):
        self.data = data


def _head(count, fix, fix_max, wide):
    """A container or string header: the fix form, or the first of `wide` [(limit, code, format)]."""
    if fix is not None and count <= fix_max:
        return bytes([fix | count])
    for limit, code, form in wide:
        if count <= limit:
            return bytes([code]) + struct.pack(form, count)
    raise ValueError("too long")


def _pack_int(value):
    if 0 <= value < 128:
        return bytes([value])
    if -32 <= value < 0:
        return struct.pack(">b", value)
    if value >= 0:
        return b"\xcf" + struct.pack(">Q", value)
    return b"\xd3" + struct.pack(">q", value)


def pack(value):
    """One value as msgpack."""
    if isinstance(value, Raw):
        return value.data
    if value is None:
        return b"\xc0"
    if isinstance(value, bool):
        return b"\xc3" if value else b"\xc2"
    if isinstance(value, int):
        return _pack_int(value)
    if isinstance(value, float):
        return b"\xcb" + struct.pack(">d", value)
    if isinstance(value, str):
        data = value.encode()
        wide = [(0xFF, 0xD9, ">B"), (0xFFFF, 0xDA, ">H"), (0xFFFFFFFF, 0xDB, ">I")]
        return _head(len(data), 0xA0, 31, wide) + data
    if isinstance(value, bytes):
        wide = [(0xFF, 0xC4, ">B"), (0xFFFF, 0xC5, ">H"), (0xFFFFFFFF, 0xC6, ">I")]
        return _head(len(value), None, 0, wide) + value
    if isinstance(value, (list, tuple)):
        wide = [(0xFFFF, 0xDC, ">H"), (0xFFFFFFFF, 0xDD, ">I")]
        return _head(len(value), 0x90, 15, wide) + b"".join(pack(v) for v in value)
    if isinstance(value, dict):
        wide = [(0xFFFF, 0xDE, ">H"), (0xFFFFFFFF, 0xDF, ">I")]
        body = b"".join(pack(k) + pack(v) for k, v in value.items())
        return _head(len(value), 0x80, 15, wide) + body
    raise TypeError(type(value))


class _Reader:
    def __init__(self, data):
        self.data = data
        self.at = 0

    def take(self, count):
        if self.at + count > len(self.data):
            raise ValueError("truncated msgpack")
        self.at += count
        return self.data[self.at - count:self.at]

    def number(self, form):
        return struct.unpack(form, self.take(struct.calcsize(form)))[0]


_NUMBERS = {0xCA: ">f", 0xCB: ">d", 0xCC: ">B", 0xCD: ">H", 0xCE: ">I", 0xCF: ">Q",
            0xD0: ">b", 0xD1: ">h", 0xD2: ">i", 0xD3: ">q"}
_STRINGS = {0xD9: ">B", 0xDA: ">H", 0xDB: ">I"}
_BINS = {0xC4: ">B", 0xC5: ">H", 0xC6: ">I"}
_ARRAYS = {0xDC: ">H", 0xDD: ">I"}
_MAPS = {0xDE: ">H", 0xDF: ">I"}
_FIXED = {0xC0: None, 0xC2: False, 0xC3: True}


def _array(reader, count):
    return [_value(reader) for _ in range(count)]


def _map(reader, count):
    return {_value(reader): _value(reader) for _ in range(count)}


def _value(reader):
    code = reader.take(1)[0]
    if code < 0x80:
        return code
    if code < 0x90:
        return _map(reader, code & 0x0F)
    if code < 0xA0:
        return _array(reader, code & 0x0F)
    if code < 0xC0:
        return reader.take(code & 0x1F).decode()
    if code >= 0xE0:
        return code - 0x100
    if code in _FIXED:
        return _FIXED[code]
    if code in _NUMBERS:
        return reader.number(_NUMBERS[code])
    if code in _STRINGS:
        return reader.take(reader.number(_STRINGS[code])).decode()
    if code in _BINS:
        return reader.take(reader.number(_BINS[code]))
    if code in _ARRAYS:
        return _array(reader, reader.number(_ARRAYS[code]))
    if code in _MAPS:
        return _map(reader, reader.number(_MAPS[code]))
    raise ValueError("msgpack code 0x%02x is not read here" % code)


def unpack(data):
    """The one value in `data`."""
    reader = _Reader(data)
    value = _value(reader)
    if reader.at != len(data):
        raise ValueError("%d bytes behind the value" % (len(data) - reader.at))
    return value
