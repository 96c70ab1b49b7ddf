// base/bytes.h: borrowed views of bytes and of text.
//
// Layer: runtime/base.   Threads: any. Views own nothing.
#ifndef CEREBRO_RUNTIME_BASE_BYTES_H
#define CEREBRO_RUNTIME_BASE_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef struct rt_bytes {
    const uint8_t *ptr;
    size_t len;
} rt_bytes;

// Text is UTF-8 and not NUL-terminated.
typedef struct rt_str {
    const char *ptr;
    size_t len;
} rt_str;

// RT_STR makes a view of a string literal.
#define RT_STR(literal) ((rt_str){"" literal, sizeof(literal) - 1})
// RT_STR_ARG expands to the two arguments of a "%.*s" conversion.
#define RT_STR_ARG(s) (int)(s).len, ((s).ptr != NULL ? (s).ptr : "")

// rt_str_of views a NUL-terminated string.
static inline rt_str
rt_str_of(const char *text)
{
    return (rt_str){text, text != NULL ? strlen(text) : 0};
}

// rt_str_equal compares two views byte by byte.
static inline bool
rt_str_equal(rt_str a, rt_str b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

// rt_str_is compares a view with a NUL-terminated string.
static inline bool
rt_str_is(rt_str a, const char *b)
{
    return rt_str_equal(a, rt_str_of(b));
}

// rt_str_starts tells whether `a` begins with `prefix`.
static inline bool
rt_str_starts(rt_str a, rt_str prefix)
{
    return a.len >= prefix.len && (prefix.len == 0 || memcmp(a.ptr, prefix.ptr, prefix.len) == 0);
}

// rt_bytes_of_str views the bytes of a text.
static inline rt_bytes
rt_bytes_of_str(rt_str s)
{
    return (rt_bytes){(const uint8_t *)s.ptr, s.len};
}

// rt_str_of_bytes views bytes as text (no UTF-8 check).
static inline rt_str
rt_str_of_bytes(rt_bytes b)
{
    return (rt_str){(const char *)b.ptr, b.len};
}

// rt_bytes_equal compares two byte views.
static inline bool
rt_bytes_equal(rt_bytes a, rt_bytes b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

#endif
