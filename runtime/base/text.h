// base/text.h: bounded text building, strict number parsing, UTF-8 check, edit distance.
//
// Layer: runtime/base.   Threads: any. Locale-free.
#ifndef CEREBRO_RUNTIME_BASE_TEXT_H
#define CEREBRO_RUNTIME_BASE_TEXT_H

#include <stdarg.h>

#include "runtime/base/bytes.h"
#include "runtime/base/err.h"

#define RT_F64_CAP 32

// A growing buffer with a hard maximum (curl's dynbuf idea): past `max` it sets `truncated` and
// drops what does not fit and everything after, so a caller checks once at the end.
typedef struct rt_text {
    char *ptr; // NUL-terminated whenever not NULL
    size_t len;
    size_t cap;
    size_t max;
    bool truncated;
} rt_text;

// rt_text_init prepares an empty builder that never exceeds `max` bytes.
void rt_text_init(rt_text *text, size_t max);
// rt_text_fini frees the buffer.
void rt_text_fini(rt_text *text);
// rt_text_clear empties it and keeps the buffer.
void rt_text_clear(rt_text *text);
// rt_text_put appends bytes.
void rt_text_put(rt_text *text, const void *bytes, size_t len);
// rt_text_str appends a view.
void rt_text_str(rt_text *text, rt_str str);
// rt_text_cstr appends a NUL-terminated string.
void rt_text_cstr(rt_text *text, const char *str);
// rt_text_printf appends formatted text.
void rt_text_printf(rt_text *text, const char *fmt, ...) RT_PRINTF(2, 3);
// rt_text_view views the content.
rt_str rt_text_view(const rt_text *text);

// rt_parse_i64 reads a whole decimal number, nothing before or after it.
//   errors    RT_EINVAL not a number · RT_ERANGE does not fit
rt_err rt_parse_i64(rt_str text, int64_t *ret_value) RT_MUST_USE;

// rt_parse_f64 reads a finite decimal number (C locale), nothing before or after it.
//   errors    RT_EINVAL not a number · RT_ERANGE not finite
rt_err rt_parse_f64(rt_str text, double *ret_value) RT_MUST_USE;

// rt_parse_duration_ms reads "250ms", "10s", "5m", "24h", "7d", or sums such as "1h30m".
//   errors    RT_EINVAL unknown form · RT_ERANGE more than 10 years
rt_err rt_parse_duration_ms(rt_str text, int64_t *ret_ms) RT_MUST_USE;

// rt_parse_size_bytes reads "512", "64KiB", "1MiB", "8GiB".
//   errors    RT_EINVAL unknown form · RT_ERANGE does not fit
rt_err rt_parse_size_bytes(rt_str text, int64_t *ret_bytes) RT_MUST_USE;

// rt_format_duration writes a short human form ("1h 30m", "250 ms") and returns `buf`.
const char *rt_format_duration(int64_t ms, char *buf, size_t cap);

// rt_format_f64 writes the shortest decimal that reads back as the same double (subnormal values
// may get more digits than they need); returns length.
// `cap` is at least RT_F64_CAP; what is not finite becomes "nan", "inf" or "-inf".
size_t rt_format_f64(double value, char *buf, size_t cap);

// rt_utf8_valid checks well-formed UTF-8 (no surrogates, no overlong forms, max U+10FFFF).
bool rt_utf8_valid(rt_str text);

// rt_utf8_whole is `text` without a character that was cut off at its end.
rt_str rt_utf8_whole(rt_str text);

// rt_edit_distance is the Damerau-Levenshtein distance (a swap of neighbours costs 1; optimal
// string alignment), capped at `limit + 1` (names only, at most 64 bytes are compared).
unsigned rt_edit_distance(rt_str a, rt_str b, unsigned limit);

#endif
