#include "brain/expr/expr_internal.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#include "runtime/base/check.h"

// Design notes.
// text.format(list): %s %d %f %e %b %o %x %X and %%, with a precision for %f and %e. A list or map
// in %s is written by a walk with its own stack; a map's entries are sorted by the text of their
// keys.

#define FRAMES_MAX (BR__VALUE_DEPTH_MAX + 1)
#define PRECISION_MAX 1000
#define NUMBER_CAP 1400 // the greatest double has 309 digits before its point

static br__value
no_overload(void)
{
    return br__fault(BR_FAULT_NO_OVERLOAD);
}

// NaN and infinities have names of their own; false for a finite number.
static bool
put_special(rt_text *out, double value)
{
    if (isnan(value)) {
        rt_text_cstr(out, "NaN");
    } else if (isinf(value)) {
        rt_text_cstr(out, value < 0 ? "-Infinity" : "Infinity");
    } else {
        return false;
    }
    return true;
}

// The shortest decimal that reads back the same, without an exponent.
static void
put_double(rt_text *out, double value)
{
    char digits[RT_F64_CAP];
    char plain[NUMBER_CAP];

    if (put_special(out, value)) {
        return;
    }
    (void)rt_format_f64(value, digits, sizeof(digits));
    if (strchr(digits, 'e') == NULL) {
        rt_text_cstr(out, digits);
        return;
    }
    for (int precision = 0; precision < PRECISION_MAX; precision++) {
        double back = 0;
        int len = snprintf(plain, sizeof(plain), "%.*f", precision, value);

        if (rt_parse_f64((rt_str){plain, (size_t)len}, &back) == RT_OK && back == value) {
            break;
        }
    }
    rt_text_cstr(out, plain);
}

// A scalar of %s; false when it is a list, map or optional.
static bool
put_scalar(rt_text *out, br__value value, br__limits *limits)
{
    switch ((unsigned)value.kind) {
    case BR__DOUBLE:
        put_double(out, value.f);
        return true;
    case BR__NULL:
        rt_text_cstr(out, "null");
        return true;
    case BR__STRING:
    case BR__TYPE_NAME:
        rt_text_str(out, br__text(value));
        return true;
    case BR__LIST:
    case BR__MAP:
    case BR__OPTIONAL:
        return false;
    default: {
        br__value text = br__to_text(value, limits);

        rt_text_str(out, text.kind == BR__STRING ? br__text(text) : RT_STR(""));
        return true;
    }
    }
}

static int
order_keys(br__value a, br__value b)
{
    size_t len = RT_MIN(a.len, b.len);
    int order = len > 0 ? memcmp(a.s, b.s, len) : 0;

    return order != 0 ? order : (a.len > b.len) - (a.len < b.len);
}

// A copy of a map's pairs whose keys are texts, in order; NULL at a limit.
static const br__value *
sorted_pairs(br__value map, br__limits *limits)
{
    br__value *pairs = br__room(limits, 2 * (size_t)map.len * sizeof(*pairs));

    if (pairs == NULL || !br__spend(limits, map.len)) {
        return NULL;
    }
    for (size_t i = 0; i < map.len; i++) {
        br__value key = br__to_text(map.items[2 * i], limits);
        size_t at = i;

        if (key.kind != BR__STRING || !br__spend(limits, i / 8)) {
            return NULL;
        }
        for (; at > 0 && order_keys(pairs[2 * (at - 1)], key) > 0; at--) {
            pairs[2 * at] = pairs[2 * (at - 1)];
            pairs[2 * at + 1] = pairs[2 * (at - 1) + 1];
        }
        pairs[2 * at] = key;
        pairs[2 * at + 1] = map.items[2 * i + 1];
    }
    return pairs;
}

typedef struct text_frame {
    const br__value *items;
    uint32_t at;
    uint32_t count;
    bool is_map;
} text_frame;

// Opens a container for writing; false at a limit, or for an optional.
static bool
open_frame(br__value value, br__limits *limits, rt_text *out, text_frame *ret_frame)
{
    bool is_map = value.kind == BR__MAP;

    *ret_frame = (text_frame){.items = is_map ? sorted_pairs(value, limits) : value.items,
                              .count = value.len,
                              .is_map = is_map};
    rt_text_cstr(out, is_map ? "{" : "[");
    return value.kind != BR__OPTIONAL && (!is_map || ret_frame->items != NULL) &&
           br__spend(limits, value.len / 4);
}

static br__value
put_text(rt_text *out, br__value value, br__limits *limits)
{
    text_frame frames[FRAMES_MAX];
    size_t depth = 0;

    for (;;) {
        value = br__opened(limits, value);
        if (value.kind == BR__BYTES) {
            value = br__to_text(value, limits); // a fault where they are no text
        }
        if (value.kind == BR__FAULT) {
            return value;
        }
        if (!put_scalar(out, value, limits)) {
            if (depth == FRAMES_MAX || !open_frame(value, limits, out, &frames[depth])) {
                return value.kind == BR__OPTIONAL ? no_overload() : br__fault(BR_FAULT_STEPS);
            }
            depth++;
        }
        while (depth > 0 && frames[depth - 1].at == frames[depth - 1].count) {
            rt_text_cstr(out, frames[--depth].is_map ? "}" : "]");
        }
        if (depth == 0) {
            return br__of_bool(true);
        }
        {
            text_frame *f = &frames[depth - 1];
            size_t at = f->at++;

            rt_text_cstr(out, at > 0 ? ", " : "");
            if (f->is_map) {
                rt_text_str(out, br__text(f->items[2 * at]));
                rt_text_cstr(out, ": ");
            }
            value = f->is_map ? f->items[2 * at + 1] : f->items[at];
        }
    }
}

static br__value
put_decimal(rt_text *out, br__value value)
{
    switch ((unsigned)value.kind) {
    case BR__INT:
        rt_text_printf(out, "%" PRId64, value.i);
        return br__of_bool(true);
    case BR__UINT:
        rt_text_printf(out, "%" PRIu64, value.u);
        return br__of_bool(true);
    case BR__DOUBLE:
        return put_special(out, value.f) ? br__of_bool(true) : no_overload();
    default:
        return no_overload();
    }
}

static br__value
put_real(rt_text *out, char letter, int precision, br__value value)
{
    double real = value.kind == BR__DOUBLE ? value.f
                  : value.kind == BR__INT  ? (double)value.i
                                           : (double)value.u;

    if (value.kind != BR__DOUBLE && value.kind != BR__INT && value.kind != BR__UINT) {
        return no_overload();
    }
    if (!put_special(out, real)) {
        rt_text_printf(out, letter == 'f' ? "%.*f" : "%.*e", precision, real);
    }
    return br__of_bool(true);
}

// An integer to the base of a letter b, o, x or X.
static void
put_base(rt_text *out, char letter, uint64_t size, bool is_negative)
{
    unsigned bits = letter == 'b' ? 1 : letter == 'o' ? 3 : 4;
    const char *digits = letter == 'X' ? "0123456789ABCDEF" : "0123456789abcdef";
    char buf[65];
    size_t at = sizeof(buf);

    do {
        buf[--at] = digits[size & ((1U << bits) - 1)];
        size >>= bits;
    } while (size > 0);
    rt_text_cstr(out, is_negative ? "-" : "");
    rt_text_put(out, buf + at, sizeof(buf) - at);
}

static br__value
put_digits(rt_text *out, char letter, br__value value)
{
    bool is_hex = letter == 'x' || letter == 'X';

    if (value.kind == BR__INT) {
        put_base(out, letter, value.i < 0 ? 0 - value.u : value.u, value.i < 0);
    } else if (value.kind == BR__UINT) {
        put_base(out, letter, value.u, false);
    } else if (value.kind == BR__BOOL && letter == 'b') {
        rt_text_cstr(out, value.b ? "1" : "0");
    } else if (is_hex && (value.kind == BR__STRING || value.kind == BR__BYTES)) {
        for (size_t i = 0; i < value.len; i++) {
            rt_text_printf(out, letter == 'x' ? "%02x" : "%02X", (uint8_t)value.s[i]);
        }
    } else {
        return no_overload();
    }
    return br__of_bool(true);
}

static br__value
put_clause(rt_text *out, char letter, int precision, br__value value, br__limits *limits)
{
    switch (letter) {
    case 's':
        return put_text(out, value, limits);
    case 'd':
        return put_decimal(out, value);
    case 'f':
    case 'e':
        return put_real(out, letter, precision, value);
    case 'b':
    case 'o':
    case 'x':
    case 'X':
        return put_digits(out, letter, value);
    default:
        return br__fault(BR_FAULT_ARGUMENT);
    }
}

// Reads ".3" at *at; -1 for one that is too large.
static int
read_precision(rt_str pattern, size_t *at)
{
    int precision = 6;

    if (*at < pattern.len && pattern.ptr[*at] == '.') {
        (*at)++;
        precision = 0;
        while (*at < pattern.len && pattern.ptr[*at] >= '0' && pattern.ptr[*at] <= '9' &&
               precision <= PRECISION_MAX) {
            precision = precision * 10 + (pattern.ptr[(*at)++] - '0');
        }
    }
    return precision <= PRECISION_MAX ? precision : -1;
}

static br__value
put_all(rt_text *out, rt_str pattern, br__value list, br__limits *limits)
{
    uint32_t used = 0;

    for (size_t at = 0; at < pattern.len; at++) {
        br__value done;
        int precision = 0;

        if (pattern.ptr[at] != '%') {
            rt_text_put(out, pattern.ptr + at, 1);
            continue;
        }
        at++;
        if (at < pattern.len && pattern.ptr[at] == '%') {
            rt_text_cstr(out, "%");
            continue;
        }
        precision = read_precision(pattern, &at);
        if (at >= pattern.len || precision < 0 || used == list.len) {
            return br__fault(BR_FAULT_ARGUMENT);
        }
        done = put_clause(out, pattern.ptr[at], precision, br__opened(limits, list.items[used++]),
                          limits);
        if (done.kind == BR__FAULT || !br__spend(limits, 1)) {
            return done.kind == BR__FAULT ? done : br__fault(BR_FAULT_STEPS);
        }
    }
    return br__of_bool(true);
}

br__value
br__format(rt_str pattern, br__value list, br__limits *limits)
{
    rt_text out;
    br__value made;

    if (list.kind != BR__LIST) {
        return no_overload();
    }
    rt_text_init(&out, BR_EXPR_TEXT_MAX);
    made = put_all(&out, pattern, list, limits);
    if (made.kind != BR__FAULT) {
        made = out.truncated ? br__fault(BR_FAULT_NO_MEMORY)
                             : br__copy_text(limits, rt_text_view(&out));
    }
    rt_text_fini(&out);
    return made;
}
