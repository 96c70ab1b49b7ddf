// wire/mp.h: bounded, zero-copy msgpack cursor and writer.
//
// Layer: runtime/wire (may use runtime/base only).   Threads: any.
// The cursor never allocates and never trusts a declared size: msgpack-c builds object trees from
// declared sizes before it has seen the data (155 bytes claim 32 GB), a cursor cannot.
// Source: MessagePack specification, 2013 edition with str/bin/ext.
#ifndef CEREBRO_RUNTIME_WIRE_MP_H
#define CEREBRO_RUNTIME_WIRE_MP_H

#include <string.h>

#include "runtime/base/arena.h"
#include "runtime/base/bytes.h"
#include "runtime/base/err.h"

#define RT_MP_DEPTH_MAX 16
#define RT_MP_ELEMENTS_MAX 1000000

typedef enum rt_mp_type {
    RT_MP_NIL,
    RT_MP_BOOL,
    RT_MP_INT,  // value in `i` (also for unsigned that fit in int64)
    RT_MP_UINT, // only when above INT64_MAX; value in `u`
    RT_MP_FLOAT,
    RT_MP_STR,
    RT_MP_BIN,
    RT_MP_ARRAY, // `count` elements follow
    RT_MP_MAP,   // `count` pairs follow
    RT_MP_EXT,   // `ext_type`, body in `bytes`
} rt_mp_type;

typedef struct rt_mp_token {
    rt_mp_type type;
    int8_t ext_type;
    uint32_t count;
    union {
        bool b;
        int64_t i;
        uint64_t u;
        double f;
        rt_bytes bytes;
        rt_str str;
    };
} rt_mp_token;

// A position in a buffer of exactly the bytes that may be read. Copy it to remember a place. No
// function moves it when it fails, so a value of an unexpected type can still be skipped.
typedef struct rt_mp {
    const uint8_t *at;
    const uint8_t *end;
} rt_mp;

// rt_mp_init starts reading at the first byte.
static inline rt_mp
rt_mp_init(rt_bytes bytes)
{
    // C forbids even NULL + 0.
    return (rt_mp){bytes.ptr, bytes.len > 0 ? bytes.ptr + bytes.len : bytes.ptr};
}

// rt_mp_done tells whether every byte was read.
static inline bool
rt_mp_done(const rt_mp *mp)
{
    return mp->at == mp->end;
}

// rt_mp_next reads one token (of a container: its header only).
//   errors    RT_EPROTO truncated or reserved byte, or a count that cannot fit in the rest
rt_err rt_mp_next(rt_mp *mp, rt_mp_token *ret_token) RT_MUST_USE;

// rt_mp_skip passes over one whole value, nested ones included, without recursion.
//   errors    RT_EPROTO truncated · RT_ELIMIT deeper than RT_MP_DEPTH_MAX
rt_err rt_mp_skip(rt_mp *mp) RT_MUST_USE;

// rt_mp_raw passes over one value and views its bytes.
rt_err rt_mp_raw(rt_mp *mp, rt_bytes *ret_raw) RT_MUST_USE;

// rt_mp_check walks one whole value: exact length, depth, element count, UTF-8 of strings.
//   errors    RT_EPROTO, RT_ELIMIT, RT_EUTF8
rt_err rt_mp_check(rt_bytes bytes) RT_MUST_USE;

// rt_mp_array and rt_mp_map read a container header of that type.
//   errors    RT_ETYPE another type · RT_EPROTO
rt_err rt_mp_array(rt_mp *mp, uint32_t *ret_count) RT_MUST_USE;
rt_err rt_mp_map(rt_mp *mp, uint32_t *ret_pairs) RT_MUST_USE;
// rt_mp_str, rt_mp_bin, rt_mp_i64, rt_mp_u64, rt_mp_f64, rt_mp_bool read one scalar of that type;
// rt_mp_f64 also takes integers; rt_mp_str views the buffer.
//   errors    RT_ETYPE another type · RT_ERANGE does not fit · RT_EPROTO
rt_err rt_mp_str(rt_mp *mp, rt_str *ret_str) RT_MUST_USE;
rt_err rt_mp_bin(rt_mp *mp, rt_bytes *ret_bin) RT_MUST_USE;
rt_err rt_mp_i64(rt_mp *mp, int64_t *ret_value) RT_MUST_USE;
rt_err rt_mp_u64(rt_mp *mp, uint64_t *ret_value) RT_MUST_USE;
rt_err rt_mp_f64(rt_mp *mp, double *ret_value) RT_MUST_USE;
rt_err rt_mp_bool(rt_mp *mp, bool *ret_value) RT_MUST_USE;
// rt_mp_find moves to the value of a string key in the map at `raw`; false when absent or no map.
bool rt_mp_find(rt_bytes raw, rt_str key, rt_mp *ret_value);
// rt_mp_find_path follows a dotted path ("feature.carrier.late_rate") through nested maps.
bool rt_mp_find_path(rt_bytes raw, rt_str dotted, rt_mp *ret_value);

// A growing output buffer with a hard maximum. After an overflow `failed` stays set and nothing
// more is written, so a caller checks once at the end.
typedef struct rt_mpw {
    uint8_t *ptr;
    size_t len;
    size_t cap;
    size_t max;
    bool failed;
} rt_mpw;

// A string as it goes over the wire, made once for one that is written again and again. Short ones
// are copied as a whole, whatever their length, which is cheaper than asking for it.
#define RT_MP_WORD_BYTES 32
typedef struct rt_mp_word {
    rt_str text; // borrowed
    uint8_t len; // of `wire`; 0 = too long for it
    uint8_t wire[RT_MP_WORD_BYTES];
} rt_mp_word;

// rt_mp_word_of makes the word of a text, which has to stay.
rt_mp_word rt_mp_word_of(rt_str text);

// rt_mpw_init prepares an empty writer that never exceeds `max` bytes.
void rt_mpw_init(rt_mpw *w, size_t max);
// rt_mpw_fini frees the buffer.
void rt_mpw_fini(rt_mpw *w);
// rt_mpw_clear empties it, keeping the buffer.
void rt_mpw_clear(rt_mpw *w);
// rt_mpw_view views what was written.
static inline rt_bytes
rt_mpw_view(const rt_mpw *w)
{
    return (rt_bytes){w->ptr, w->len};
}
// rt_mpw_reserve returns room for `len` bytes at the end, or NULL at the maximum; the caller adds
// to w->len what it used.
uint8_t *rt_mpw_reserve(rt_mpw *w, size_t len);
// rt_mpw_nil .. rt_mpw_raw append one value or header in its shortest form.
void rt_mpw_nil(rt_mpw *w);
void rt_mpw_bool(rt_mpw *w, bool value);
void rt_mpw_i64(rt_mpw *w, int64_t value);
void rt_mpw_u64(rt_mpw *w, uint64_t value);
void rt_mpw_f64(rt_mpw *w, double value);
void rt_mpw_str(rt_mpw *w, rt_str value);
void rt_mpw_cstr(rt_mpw *w, const char *value);
void rt_mpw_bin(rt_mpw *w, rt_bytes value);
void rt_mpw_array(rt_mpw *w, uint32_t count);
void rt_mpw_map(rt_mpw *w, uint32_t pairs);
void rt_mpw_raw(rt_mpw *w, rt_bytes value);
// rt_mpw_word writes a string that was prepared.
static inline void
rt_mpw_word(rt_mpw *w, const rt_mp_word *word)
{
    if (RT_LIKELY(word->len > 0 && !w->failed && w->cap - w->len >= RT_MP_WORD_BYTES)) {
        memcpy(w->ptr + w->len, word->wire, RT_MP_WORD_BYTES);
        w->len += word->len;
        return;
    }
    rt_mpw_str(w, word->text);
}
// rt_mpw_array32 writes a header whose count is set later by rt_mpw_patch32; returns its offset.
size_t rt_mpw_array32(rt_mpw *w);
size_t rt_mpw_map32(rt_mpw *w);
// rt_mpw_patch32 sets the count of a header written by rt_mpw_array32 or rt_mpw_map32.
void rt_mpw_patch32(rt_mpw *w, size_t offset, uint32_t count);

#endif
