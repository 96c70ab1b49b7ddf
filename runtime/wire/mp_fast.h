// wire/mp_fast.h: the inline short cuts of the msgpack cursor and writer, for this folder only.
//
// Layer: runtime/wire (may use runtime/base only).   Threads: any.
// Nearly every byte of an event is a fixstr, a small integer, a double or a short string: these are
// read and written here without a call. Everything else goes to the functions of mp.h.
#ifndef CEREBRO_RUNTIME_WIRE_MP_FAST_H
#define CEREBRO_RUNTIME_WIRE_MP_FAST_H

#include <endian.h>
#include <float.h>
#include <math.h>

#include "runtime/base/text.h"
#include "runtime/wire/mp.h"

// First bytes of the msgpack forms (specification, "Formats").
#define MP_FIXMAP 0x80u
#define MP_FIXARRAY 0x90u
#define MP_FIXSTR 0xa0u
#define MP_NIL 0xc0u
#define MP_FALSE 0xc2u
#define MP_TRUE 0xc3u
#define MP_BIN8 0xc4u
#define MP_BIN16 0xc5u
#define MP_BIN32 0xc6u
#define MP_EXT8 0xc7u
#define MP_EXT16 0xc8u
#define MP_EXT32 0xc9u
#define MP_F32 0xcau
#define MP_F64 0xcbu
#define MP_U8 0xccu
#define MP_U16 0xcdu
#define MP_U32 0xceu
#define MP_U64 0xcfu
#define MP_I8 0xd0u
#define MP_I16 0xd1u
#define MP_I32 0xd2u
#define MP_I64 0xd3u
#define MP_FIXEXT1 0xd4u
#define MP_FIXEXT16 0xd8u
#define MP_STR8 0xd9u
#define MP_STR16 0xdau
#define MP_STR32 0xdbu
#define MP_ARRAY16 0xdcu
#define MP_ARRAY32 0xddu
#define MP_MAP16 0xdeu
#define MP_MAP32 0xdfu
#define MP_NEGATIVE 0xe0u

#define MP_INT_BYTES_MAX 9
#define MP_HEADER_BYTES_MAX 5
#define MP_TIMESTAMP_EXT (-1)

// rt__mp_next_wide reads a token that is none of the one-byte forms; rt__mp_next's slow half.
//   errors    as rt_mp_next
rt_err rt__mp_next_wide(rt_mp *mp, rt_mp_token *ret_token) RT_MUST_USE;

// rt__mp_truncated records that the buffer ends inside a value, and returns RT_EPROTO.
//   errors    RT_EPROTO always
rt_err rt__mp_truncated(const char *what) RT_MUST_USE;

// rt__mp_type_name is a type for people, with its article ("a string").
const char *rt__mp_type_name(rt_mp_type type);

// rt__mp_timestamp reads the body of a timestamp extension (type -1) as ms, rounded down.
//   errors    RT_ETYPE not a timestamp · RT_ERANGE outside years 1 to 9999
rt_err rt__mp_timestamp(const rt_mp_token *token, int64_t *ret_ms) RT_MUST_USE;

// rt__load64 and rt__load32 read bytes in memory order from any address.
static inline uint64_t
rt__load64(const void *at)
{
    uint64_t word = 0;

    memcpy(&word, at, sizeof(word));
    return word;
}

static inline uint32_t
rt__load32(const void *at)
{
    uint32_t word = 0;

    memcpy(&word, at, sizeof(word));
    return word;
}

// rt__load16 is the same for two bytes.
static inline uint16_t
rt__load16(const void *at)
{
    uint16_t word = 0;

    memcpy(&word, at, sizeof(word));
    return word;
}

// rt__same compares `len` bytes; for names of a few bytes cheaper than a call of memcmp.
static inline bool
rt__same(const void *a, const void *b, size_t len)
{
    const uint8_t *x = a;
    const uint8_t *y = b;

    if (len >= 8) {
        size_t last = len - 8;

        for (size_t i = 0; i < last; i += 8) {
            if (rt__load64(x + i) != rt__load64(y + i)) {
                return false;
            }
        }
        return rt__load64(x + last) == rt__load64(y + last);
    }
    if (len >= 4) {
        return rt__load32(x) == rt__load32(y) && rt__load32(x + len - 4) == rt__load32(y + len - 4);
    }
    if (len >= 2) {
        return rt__load16(x) == rt__load16(y) && x[len - 1] == y[len - 1];
    }
    return len == 0 || x[0] == y[0];
}

// rt__ascii tells whether every byte is below 0x80; the last words overlap instead of a tail loop.
static inline bool
rt__ascii(rt_str text)
{
    const char *at = text.ptr;
    uint64_t bits = 0;

    if (text.len >= 8) {
        const char *last = at + text.len - 8;

        for (; at < last; at += 8) {
            bits |= rt__load64(at);
        }
        return ((bits | rt__load64(last)) & UINT64_C(0x8080808080808080)) == 0;
    }
    if (text.len >= 4) {
        return ((rt__load32(at) | rt__load32(at + text.len - 4)) & 0x80808080u) == 0;
    }
    for (size_t i = 0; i < text.len; i++) {
        bits |= (uint8_t)at[i];
    }
    return (bits & 0x80) == 0;
}

// rt__utf8 is rt_utf8_valid, called only when a byte is not ASCII.
static inline bool
rt__utf8(rt_str text)
{
    return RT_LIKELY(rt__ascii(text)) || rt_utf8_valid(text);
}

// rt__mp_next is rt_mp_next with the one-byte forms inline.
//   errors    as rt_mp_next
static inline rt_err
rt__mp_next(rt_mp *mp, rt_mp_token *ret_token)
{
    size_t left = (size_t)(mp->end - mp->at);
    uint8_t first = 0;

    if (RT_UNLIKELY(left == 0)) {
        return rt__mp_truncated("a value");
    }
    first = *mp->at;
    left--;
    if (first < MP_FIXMAP || first >= MP_NEGATIVE) {
        ret_token->type = RT_MP_INT;
        ret_token->i = (int8_t)first;
        mp->at += 1;
        return RT_OK;
    }
    if (first >= MP_NIL) {
        return rt__mp_next_wide(mp, ret_token);
    }
    if (first >= MP_FIXSTR) {
        size_t len = first & 0x1fu;

        if (RT_UNLIKELY(len > left)) {
            return rt__mp_truncated("a string");
        }
        ret_token->type = RT_MP_STR;
        ret_token->str = (rt_str){(const char *)mp->at + 1, len};
        mp->at += 1 + len;
        return RT_OK;
    }
    if (RT_UNLIKELY((first & 0x0fu) * (first >= MP_FIXARRAY ? 1u : 2u) > left)) {
        return rt__mp_truncated("a container");
    }
    ret_token->type = first >= MP_FIXARRAY ? RT_MP_ARRAY : RT_MP_MAP;
    ret_token->count = first & 0x0fu;
    mp->at += 1;
    return RT_OK;
}

// rt__mp_key reads a string of at most 255 bytes in the usual forms; false (nothing moved) when
// something else stands there, so that the caller asks rt_mp_next what it is.
static inline bool
rt__mp_key(rt_mp *mp, rt_str *ret_str)
{
    size_t left = (size_t)(mp->end - mp->at);

    if (RT_LIKELY(left > 0 && (*mp->at & 0xe0u) == MP_FIXSTR)) {
        size_t len = *mp->at & 0x1fu;

        if (len >= left) {
            return false;
        }
        *ret_str = (rt_str){(const char *)mp->at + 1, len};
        mp->at += 1 + len;
        return true;
    }
    if (left > 1 && *mp->at == MP_STR8 && mp->at[1] <= left - 2) {
        *ret_str = (rt_str){(const char *)mp->at + 2, mp->at[1]};
        mp->at += 2 + ret_str->len;
        return true;
    }
    return false;
}

// rt__mp_double reads a 64-bit float; false (nothing moved) when something else stands there.
static inline bool
rt__mp_double(rt_mp *mp, double *ret_value)
{
    uint64_t bits = 0;

    if (mp->end - mp->at < 9 || *mp->at != MP_F64) {
        return false;
    }
    bits = be64toh(rt__load64(mp->at + 1));
    memcpy(ret_value, &bits, sizeof(bits));
    mp->at += 9;
    return true;
}

// rt__put_* write one value at `at`, where there is room, and return the place behind it.
static inline uint8_t *
rt__put_byte(uint8_t *at, unsigned byte)
{
    *at = (uint8_t)byte;
    return at + 1;
}

// rt__put_be16, rt__put_be32 and rt__put_be64 write a first byte and a big-endian number.
static inline uint8_t *
rt__put_be16(uint8_t *at, unsigned first, uint16_t value)
{
    uint16_t big = htobe16(value);

    *at = (uint8_t)first;
    memcpy(at + 1, &big, sizeof(big));
    return at + 3;
}

static inline uint8_t *
rt__put_be32(uint8_t *at, unsigned first, uint32_t value)
{
    uint32_t big = htobe32(value);

    *at = (uint8_t)first;
    memcpy(at + 1, &big, sizeof(big));
    return at + 5;
}

static inline uint8_t *
rt__put_be64(uint8_t *at, unsigned first, uint64_t value)
{
    uint64_t big = htobe64(value);

    *at = (uint8_t)first;
    memcpy(at + 1, &big, sizeof(big));
    return at + 9;
}

// rt__put_u64 writes an unsigned integer in its shortest form, at most MP_INT_BYTES_MAX bytes.
static inline uint8_t *
rt__put_u64(uint8_t *at, uint64_t value)
{
    if (value < MP_FIXMAP) {
        return rt__put_byte(at, (unsigned)value);
    }
    if (value <= UINT8_MAX) {
        at[1] = (uint8_t)value;
        at[0] = MP_U8;
        return at + 2;
    }
    if (value <= UINT16_MAX) {
        return rt__put_be16(at, MP_U16, (uint16_t)value);
    }
    if (value <= UINT32_MAX) {
        return rt__put_be32(at, MP_U32, (uint32_t)value);
    }
    return rt__put_be64(at, MP_U64, value);
}

// rt__put_i64 writes a signed integer in its shortest form.
static inline uint8_t *
rt__put_i64(uint8_t *at, int64_t value)
{
    if (value >= 0) {
        return rt__put_u64(at, (uint64_t)value);
    }
    if (value >= -32) {
        return rt__put_byte(at, (uint8_t)value);
    }
    if (value >= INT8_MIN) {
        at[0] = MP_I8;
        at[1] = (uint8_t)value;
        return at + 2;
    }
    if (value >= INT16_MIN) {
        return rt__put_be16(at, MP_I16, (uint16_t)value);
    }
    if (value >= INT32_MIN) {
        return rt__put_be32(at, MP_I32, (uint32_t)value);
    }
    return rt__put_be64(at, MP_I64, (uint64_t)value);
}

// rt__put_f64 writes a double, as a 32-bit float when that is exact (a NaN never is).
static inline uint8_t *
rt__put_f64(uint8_t *at, double value)
{
    uint64_t bits = 0;

    if ((fabs(value) <= FLT_MAX || isinf(value)) && (double)(float)value == value) {
        float narrow = (float)value;
        uint32_t word = 0;

        memcpy(&word, &narrow, sizeof(word));
        return rt__put_be32(at, MP_F32, word);
    }
    memcpy(&bits, &value, sizeof(bits));
    return rt__put_be64(at, MP_F64, bits);
}

// rt__put_str_header writes the header of a string of `len` bytes.
static inline uint8_t *
rt__put_str_header(uint8_t *at, uint32_t len)
{
    if (len < 32) {
        return rt__put_byte(at, MP_FIXSTR | len);
    }
    if (len <= UINT8_MAX) {
        at[0] = MP_STR8;
        at[1] = (uint8_t)len;
        return at + 2;
    }
    return len <= UINT16_MAX ? rt__put_be16(at, MP_STR16, (uint16_t)len)
                             : rt__put_be32(at, MP_STR32, len);
}

// rt__put_copy appends bytes; short ones without a call.
static inline uint8_t *
rt__put_copy(uint8_t *at, const void *bytes, size_t len)
{
    const uint8_t *from = bytes;

    if (len > 16) {
        memcpy(at, bytes, len);
    } else if (len >= 8) {
        uint64_t head = rt__load64(from);
        uint64_t tail = rt__load64(from + len - 8);

        memcpy(at, &head, sizeof(head));
        memcpy(at + len - 8, &tail, sizeof(tail));
    } else if (len >= 4) {
        uint32_t head = rt__load32(from);
        uint32_t tail = rt__load32(from + len - 4);

        memcpy(at, &head, sizeof(head));
        memcpy(at + len - 4, &tail, sizeof(tail));
    } else if (len > 0) {
        at[0] = from[0];
        at[len / 2] = from[len / 2];
        at[len - 1] = from[len - 1];
    }
    return at + len;
}

// rt__put_str writes a string; at most MP_HEADER_BYTES_MAX + len bytes.
static inline uint8_t *
rt__put_str(uint8_t *at, rt_str value)
{
    return rt__put_copy(rt__put_str_header(at, (uint32_t)value.len), value.ptr, value.len);
}

// rt__put_bin_header writes the header of a binary of `len` bytes.
static inline uint8_t *
rt__put_bin_header(uint8_t *at, uint32_t len)
{
    if (len <= UINT8_MAX) {
        at[0] = MP_BIN8;
        at[1] = (uint8_t)len;
        return at + 2;
    }
    return len <= UINT16_MAX ? rt__put_be16(at, MP_BIN16, (uint16_t)len)
                             : rt__put_be32(at, MP_BIN32, len);
}

// rt__put_bin writes a binary; at most MP_HEADER_BYTES_MAX + len bytes.
static inline uint8_t *
rt__put_bin(uint8_t *at, rt_bytes value)
{
    return rt__put_copy(rt__put_bin_header(at, (uint32_t)value.len), value.ptr, value.len);
}

// rt__put_count writes a container header: `fix`, `wide16` and `wide16 + 1` are its three forms.
static inline uint8_t *
rt__put_count(uint8_t *at, uint32_t count, unsigned fix, unsigned wide16)
{
    if (count < 16) {
        return rt__put_byte(at, fix | count);
    }
    return count <= UINT16_MAX ? rt__put_be16(at, wide16, (uint16_t)count)
                               : rt__put_be32(at, wide16 + 1, count);
}

#endif
