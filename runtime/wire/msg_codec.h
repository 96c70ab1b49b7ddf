// wire/msg_codec.h: what the codecs that tools/msggen writes are made of.
//
// Layer: runtime/wire.   Threads: any.
// Every message has a codec of its own, generated straight from its fields: no table is followed,
// the usual forms of a value are read and written inline. Whatever is unusual (another number of
// fields, no room for the longest form, a value that is not the expected one) goes to the table
// walkers of msg.c, so there is one place that decides about errors and limits.
#ifndef CEREBRO_RUNTIME_WIRE_MSG_CODEC_H
#define CEREBRO_RUNTIME_WIRE_MSG_CODEC_H

#include "runtime/wire/mp_fast.h"
#include "runtime/wire/msg.h"

// Bytes a value takes at most, without the body of strings.
#define MSG_HEAD_BYTES_MAX 8 // array header of at most 65,535 elements, and a version
#define MSG_BOOL_BYTES_MAX 1
#define MSG_NUMBER_BYTES_MAX MP_INT_BYTES_MAX
#define MSG_TEXT_BYTES_MAX MP_HEADER_BYTES_MAX

// rt__msg_write_fields writes fields [from, to) of a message by its table, exact to the last byte.
void rt__msg_write_fields(const rt_msg_def *def, uint32_t from, uint32_t to, const void *msg,
                          rt_mpw *w);
// rt__msg_encode_table and rt__msg_decode_table are the codecs for every message, by its table;
// rt__msg_decode_rest goes on behind a header that announced `count` fields.
//   ret_msg   of the last: zeroed by the caller
//   errors    as rt_msg_decode
void rt__msg_encode_table(const rt_msg_def *def, const void *msg, rt_mpw *w);
rt_err rt__msg_decode_table(const rt_msg_def *def, rt_mp *mp, rt_arena *arena,
                            void *ret_msg) RT_MUST_USE;
rt_err rt__msg_decode_rest(const rt_msg_def *def, uint32_t count, rt_mp *mp, rt_arena *arena,
                           void *ret_msg) RT_MUST_USE;
// rt__msg_header reads [version, and how many fields follow.
//   errors    as rt_msg_decode
rt_err rt__msg_header(const rt_msg_def *def, rt_mp *mp, uint32_t *ret_count) RT_MUST_USE;
// rt__msg_list reads a list's header and makes room for its items, zeroed.
//   errors    as rt_msg_decode
rt_err rt__msg_list(const rt_msg_field *field, rt_mp *mp, rt_arena *arena,
                    rt_msg_list *ret_list) RT_MUST_USE;
// rt__msg_any reads one raw value; nil becomes {NULL, 0}.   errors    as rt_mp_raw
rt_err rt__msg_any(rt_mp *mp, rt_bytes *ret_raw) RT_MUST_USE;

// rt__msg_room is the place for `len` bytes, or NULL: then rt__msg_write_fields tries exactly.
static inline uint8_t *
rt__msg_room(rt_mpw *w, size_t len)
{
    if (RT_LIKELY(!w->failed && len <= w->cap - w->len)) {
        return w->ptr + w->len;
    }
    return !w->failed && len <= w->max - w->len ? rt_mpw_reserve(w, len) : NULL;
}

// rt__msg_written takes over what was written at rt__msg_room.
static inline void
rt__msg_written(rt_mpw *w, const uint8_t *end)
{
    w->len = (size_t)(end - w->ptr);
}

// rt__put_bool and rt__put_any write what the mp_fast.h functions do not.
static inline uint8_t *
rt__put_bool(uint8_t *at, bool value)
{
    return rt__put_byte(at, value ? MP_TRUE : MP_FALSE);
}

static inline uint8_t *
rt__put_any(uint8_t *at, rt_bytes raw)
{
    return raw.len == 0 ? rt__put_byte(at, MP_NIL) : rt__put_copy(at, raw.ptr, raw.len);
}

// rt__get_head passes over [version, of a message with just `count` fields; false (nothing moved)
// when the header is another one.
static inline bool
rt__get_head(rt_mp *mp, uint32_t count, uint32_t version)
{
    uint8_t head[MSG_HEAD_BYTES_MAX];
    const uint8_t *end = rt__put_u64(rt__put_count(head, count + 1, MP_FIXARRAY, MP_ARRAY16),
                                     version);
    size_t len = (size_t)(end - head);

    if (RT_UNLIKELY((size_t)(mp->end - mp->at) < len || memcmp(mp->at, head, len) != 0)) {
        return false;
    }
    mp->at += len;
    return true;
}

// rt__get_empty passes over an empty list; false (nothing moved) when it is not.
static inline bool
rt__get_empty(rt_mp *mp, rt_msg_list *ret_list)
{
    if (mp->at == mp->end || *mp->at != MP_FIXARRAY) {
        return false;
    }
    mp->at++;
    *ret_list = (rt_msg_list){NULL, 0};
    return true;
}

// rt__get_u64 .. rt__get_any read a value, the usual forms without a call.
//   errors    as rt_mp_u64 and so on; rt__get_str also RT_EUTF8
static inline rt_err
rt__get_u64(rt_mp *mp, uint64_t *ret)
{
    if (RT_LIKELY(mp->at < mp->end && *mp->at < MP_FIXMAP)) {
        *ret = *mp->at++;
        return RT_OK;
    }
    return rt_mp_u64(mp, ret);
}

static inline rt_err
rt__get_i64(rt_mp *mp, int64_t *ret)
{
    if (RT_LIKELY(mp->at < mp->end && *mp->at < MP_FIXMAP)) {
        *ret = *mp->at++;
        return RT_OK;
    }
    return rt_mp_i64(mp, ret);
}

static inline rt_err
rt__get_f64(rt_mp *mp, double *ret)
{
    if (mp->end - mp->at >= 5 && *mp->at == MP_F32) {
        uint32_t bits = be32toh(rt__load32(mp->at + 1));
        float narrow = 0;

        memcpy(&narrow, &bits, sizeof(narrow));
        *ret = (double)narrow;
        mp->at += 5;
        return RT_OK;
    }
    return RT_LIKELY(rt__mp_double(mp, ret)) ? RT_OK : rt_mp_f64(mp, ret);
}

static inline rt_err
rt__get_str(rt_mp *mp, rt_str *ret)
{
    if (!rt__mp_key(mp, ret)) {
        rt_err err = rt_mp_str(mp, ret);

        if (err != RT_OK) {
            return err;
        }
    }
    return RT_LIKELY(rt__utf8(*ret)) ? RT_OK : rt_fail(RT_EUTF8, "a string is not UTF-8");
}

static inline rt_err
rt__get_any(rt_mp *mp, rt_bytes *ret)
{
    if (mp->at < mp->end && *mp->at == MP_NIL) {
        mp->at++;
        *ret = (rt_bytes){NULL, 0};
        return RT_OK;
    }
    return rt__msg_any(mp, ret);
}

#endif
