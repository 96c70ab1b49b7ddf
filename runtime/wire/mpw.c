#include "runtime/base/alloc.h"
#include "runtime/base/check.h"
#include "runtime/wire/mp.h"
#include "runtime/wire/mp_fast.h"

// Design notes.
// The writer keeps `failed` instead of returning errors: a message is written by dozens of calls,
// and a check after each would hide what is written. After a failure nothing more is appended, so
// the content is always a prefix of what was meant.

#define WRITER_CAP_MIN 256

void
rt_mpw_init(rt_mpw *w, size_t max)
{
    *w = (rt_mpw){.max = max};
}

void
rt_mpw_fini(rt_mpw *w)
{
    rt_free(w->ptr);
    *w = (rt_mpw){.max = w->max};
}

void
rt_mpw_clear(rt_mpw *w)
{
    w->len = 0;
    w->failed = false;
}

// Moves the content to a block with room for `len` bytes more.
static uint8_t *
grow(rt_mpw *w, size_t len)
{
    size_t cap = 0;
    uint8_t *ptr = NULL;

    if (w->failed || len > w->max - w->len) {
        w->failed = true;
        return NULL;
    }
    cap = w->cap <= SIZE_MAX / 2 ? w->cap * 2 : SIZE_MAX;
    cap = RT_MIN(RT_MAX(RT_MAX(cap, w->len + len), (size_t)WRITER_CAP_MIN), w->max);
    ptr = rt_try_alloc(cap);
    if (ptr == NULL) {
        w->failed = true;
        return NULL;
    }
    if (w->len > 0) {
        memcpy(ptr, w->ptr, w->len);
    }
    rt_free(w->ptr);
    w->ptr = ptr;
    w->cap = cap;
    return w->ptr + w->len;
}

uint8_t *
rt_mpw_reserve(rt_mpw *w, size_t len)
{
    if (RT_LIKELY(!w->failed && w->ptr != NULL && len <= w->cap - w->len)) {
        return w->ptr + w->len;
    }
    return grow(w, len);
}

// The place to write any number or header without asking again, or NULL near the end.
static inline uint8_t *
room(const rt_mpw *w)
{
    bool is_roomy = !w->failed && w->cap - w->len >= MP_INT_BYTES_MAX;

    return RT_LIKELY(is_roomy) ? w->ptr + w->len : NULL;
}

// Takes over what was written at room(w) up to `end`.
static inline void
advance(rt_mpw *w, const uint8_t *end)
{
    w->len = (size_t)(end - w->ptr);
}

// Appends bytes that are already encoded.
static void
put(rt_mpw *w, const void *bytes, size_t len)
{
    uint8_t *at = rt_mpw_reserve(w, len);

    if (at != NULL) {
        memcpy(at, bytes, len);
        w->len += len;
    }
}

// Appends what was written to `scratch` up to `end`; exact, so that `max` can be filled.
static void
put_scratch(rt_mpw *w, const uint8_t *scratch, const uint8_t *end)
{
    put(w, scratch, (size_t)(end - scratch));
}

// Appends a header and a body, or neither.
static void
put_with_header(rt_mpw *w, const uint8_t *header, const uint8_t *header_end, rt_bytes body)
{
    size_t header_len = (size_t)(header_end - header);
    uint8_t *at = NULL;

    if (body.len > UINT32_MAX) {
        w->failed = true;
        return;
    }
    at = rt_mpw_reserve(w, header_len + body.len);
    if (at != NULL) {
        memcpy(at, header, header_len);
        rt__put_copy(at + header_len, body.ptr, body.len);
        w->len += header_len + body.len;
    }
}

void
rt_mpw_nil(rt_mpw *w)
{
    put(w, &(uint8_t){MP_NIL}, 1);
}

void
rt_mpw_bool(rt_mpw *w, bool value)
{
    put(w, &(uint8_t){value ? MP_TRUE : MP_FALSE}, 1);
}

void
rt_mpw_i64(rt_mpw *w, int64_t value)
{
    uint8_t *at = room(w);
    uint8_t scratch[MP_INT_BYTES_MAX];

    if (at != NULL) {
        advance(w, rt__put_i64(at, value));
        return;
    }
    put_scratch(w, scratch, rt__put_i64(scratch, value));
}

void
rt_mpw_u64(rt_mpw *w, uint64_t value)
{
    uint8_t *at = room(w);
    uint8_t scratch[MP_INT_BYTES_MAX];

    if (at != NULL) {
        advance(w, rt__put_u64(at, value));
        return;
    }
    put_scratch(w, scratch, rt__put_u64(scratch, value));
}

void
rt_mpw_f64(rt_mpw *w, double value)
{
    uint8_t *at = room(w);
    uint8_t scratch[MP_INT_BYTES_MAX];

    if (at != NULL) {
        advance(w, rt__put_f64(at, value));
        return;
    }
    put_scratch(w, scratch, rt__put_f64(scratch, value));
}

void
rt_mpw_str(rt_mpw *w, rt_str value)
{
    uint8_t header[MP_HEADER_BYTES_MAX];

    if (RT_LIKELY(!w->failed && w->cap - w->len >= MP_HEADER_BYTES_MAX &&
                  value.len <= w->cap - w->len - MP_HEADER_BYTES_MAX &&
                  value.len <= UINT32_MAX)) {
        advance(w, rt__put_str(w->ptr + w->len, value));
        return;
    }
    put_with_header(w, header, rt__put_str_header(header, (uint32_t)value.len),
                    rt_bytes_of_str(value));
}

rt_mp_word
rt_mp_word_of(rt_str text)
{
    rt_mp_word word = {.text = text};

    if (text.len <= RT_MP_WORD_BYTES - MP_HEADER_BYTES_MAX) {
        word.len = (uint8_t)(rt__put_str(word.wire, text) - word.wire);
    }
    return word;
}

void
rt_mpw_cstr(rt_mpw *w, const char *value)
{
    rt_mpw_str(w, rt_str_of(value));
}

void
rt_mpw_bin(rt_mpw *w, rt_bytes value)
{
    uint8_t header[MP_HEADER_BYTES_MAX];

    put_with_header(w, header, rt__put_bin_header(header, (uint32_t)value.len), value);
}

void
rt_mpw_array(rt_mpw *w, uint32_t count)
{
    uint8_t scratch[MP_HEADER_BYTES_MAX];
    uint8_t *at = room(w);

    if (RT_LIKELY(at != NULL)) {
        advance(w, rt__put_count(at, count, MP_FIXARRAY, MP_ARRAY16));
        return;
    }
    put_scratch(w, scratch, rt__put_count(scratch, count, MP_FIXARRAY, MP_ARRAY16));
}

void
rt_mpw_map(rt_mpw *w, uint32_t pairs)
{
    uint8_t scratch[MP_HEADER_BYTES_MAX];
    uint8_t *at = room(w);

    if (RT_LIKELY(at != NULL)) {
        advance(w, rt__put_count(at, pairs, MP_FIXMAP, MP_MAP16));
        return;
    }
    put_scratch(w, scratch, rt__put_count(scratch, pairs, MP_FIXMAP, MP_MAP16));
}

void
rt_mpw_raw(rt_mpw *w, rt_bytes value)
{
    if (value.len > 0) {
        put(w, value.ptr, value.len);
    }
}

size_t
rt_mpw_array32(rt_mpw *w)
{
    uint8_t scratch[MP_HEADER_BYTES_MAX];
    size_t offset = w->len;

    put_scratch(w, scratch, rt__put_be32(scratch, MP_ARRAY32, 0));
    return offset;
}

size_t
rt_mpw_map32(rt_mpw *w)
{
    uint8_t scratch[MP_HEADER_BYTES_MAX];
    size_t offset = w->len;

    put_scratch(w, scratch, rt__put_be32(scratch, MP_MAP32, 0));
    return offset;
}

void
rt_mpw_patch32(rt_mpw *w, size_t offset, uint32_t count)
{
    if (w->failed) {
        return;
    }
    RT_ASSERT(offset < w->len && w->len - offset >= MP_HEADER_BYTES_MAX);
    RT_ASSERT(w->ptr[offset] == MP_ARRAY32 || w->ptr[offset] == MP_MAP32);
    rt__put_be32(w->ptr + offset, w->ptr[offset], count);
}
