#include "brain/expr/expr_internal.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#include "runtime/base/check.h"
#include "runtime/base/civil.h"

// Design notes.
// Conversions take what CEL's reference takes, whose texts of numbers are Go's.

#define MS_PER_S INT64_C(1000)
#define NUMBER_CAP 80

static br__value
no_overload(void)
{
    return br__fault(BR_FAULT_NO_OVERLOAD);
}

static rt_str
without_plus(rt_str text)
{
    bool has_plus = text.len > 1 && text.ptr[0] == '+' && text.ptr[1] != '-';

    return has_plus ? (rt_str){text.ptr + 1, text.len - 1} : text;
}

// Where the magnitude reaches 2^63 CEL fails on both sides.
static br__value
int_of_double(double value)
{
    if (!(value > -0x1p63 && value < 0x1p63)) {
        return br__fault(BR_FAULT_OVERFLOW);
    }
    return br__of_int((int64_t)value);
}

static br__value
to_int(br__value value)
{
    int64_t parsed = 0;

    switch ((unsigned)value.kind) {
    case BR__INT:
        return value;
    case BR__UINT:
        return value.u <= (uint64_t)INT64_MAX ? br__of_int(value.i) : br__fault(BR_FAULT_OVERFLOW);
    case BR__DOUBLE:
        return int_of_double(value.f);
    case BR__STRING:
        return rt_parse_i64(without_plus(br__text(value)), &parsed) == RT_OK
                   ? br__of_int(parsed)
                   : br__fault(BR_FAULT_CONVERSION);
    case BR__TIME:
        // Whole seconds since the epoch, rounded down.
        return br__of_int(value.i / MS_PER_S - (value.i % MS_PER_S < 0 ? 1 : 0));
    default:
        return no_overload();
    }
}

static br__value
uint_of_text(rt_str text)
{
    uint64_t value = 0;

    if (text.len == 0) {
        return br__fault(BR_FAULT_CONVERSION);
    }
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9' ||
            __builtin_mul_overflow(value, UINT64_C(10), &value) ||
            __builtin_add_overflow(value, (uint64_t)(text.ptr[i] - '0'), &value)) {
            return br__fault(BR_FAULT_CONVERSION);
        }
    }
    return br__of_uint(value);
}

static br__value
to_uint(br__value value)
{
    switch ((unsigned)value.kind) {
    case BR__UINT:
        return value;
    case BR__INT:
        return value.i >= 0 ? br__of_uint(value.u) : br__fault(BR_FAULT_OVERFLOW);
    case BR__DOUBLE:
        return value.f >= 0 && value.f < 0x1p64 ? br__of_uint((uint64_t)value.f)
                                                : br__fault(BR_FAULT_OVERFLOW);
    case BR__STRING:
        return uint_of_text(br__text(value));
    default:
        return no_overload();
    }
}

static bool
is_word(rt_str text, const char *word)
{
    size_t len = strlen(word);

    if (text.len != len) {
        return false;
    }
    for (size_t i = 0; i < len; i++) {
        if ((text.ptr[i] | 0x20) != word[i]) {
            return false;
        }
    }
    return true;
}

// CEL's reference takes Go's number texts: a sign, ".5", "5.", "inf" and "nan" too.
bool
br__parse_double(rt_str text, double *ret_value)
{
    char digits[NUMBER_CAP * 4] = "0";
    bool is_negative = text.len > 0 && text.ptr[0] == '-';
    size_t skip = text.len > 0 && (text.ptr[0] == '-' || text.ptr[0] == '+') ? 1 : 0;
    rt_str rest = {text.ptr + skip, text.len - skip};
    double value = 0;
    size_t len = 0;

    if (is_word(rest, "inf") || is_word(rest, "infinity")) {
        *ret_value = is_negative ? -(double)INFINITY : (double)INFINITY;
        return true;
    }
    if (is_word(rest, "nan")) {
        *ret_value = (double)NAN;
        return true;
    }
    if (rest.len == 0 || rest.len + 3 > sizeof(digits) || rest.ptr[0] == '-' ||
        (rest.ptr[0] == '.' && (rest.len == 1 || rest.ptr[1] < '0' || rest.ptr[1] > '9'))) {
        return false;
    }
    for (size_t i = 0; i < rest.len; i++) {
        bool is_bare_point =
            rest.ptr[i] == '.' && (i + 1 == rest.len || (rest.ptr[i + 1] | 0x20) == 'e');

        if (!is_bare_point) {
            digits[1 + len++] = rest.ptr[i];
        }
    }
    if (rest.ptr[0] == 'e' || rest.ptr[0] == 'E' ||
        rt_parse_f64((rt_str){digits, len + 1}, &value) != RT_OK) {
        return false;
    }
    *ret_value = is_negative ? -value : value;
    return true;
}

static br__value
to_double(br__value value)
{
    double parsed = 0;

    switch ((unsigned)value.kind) {
    case BR__DOUBLE:
        return value;
    case BR__INT:
        return br__of_double((double)value.i);
    case BR__UINT:
        return br__of_double((double)value.u);
    case BR__STRING:
        return br__parse_double(br__text(value), &parsed) ? br__of_double(parsed)
                                                          : br__fault(BR_FAULT_CONVERSION);
    default:
        return no_overload();
    }
}

// Appends the part below a second, up to nanoseconds, without zeros at its end.
static size_t
put_fraction(char *buf, size_t cap, int64_t ns)
{
    size_t len = 0;

    if (ns == 0) {
        return 0;
    }
    len = (size_t)snprintf(buf, cap, ".%09" PRId64, ns);
    while (buf[len - 1] == '0') {
        len--;
    }
    return len;
}

// CEL writes a duration as seconds.
static size_t
format_duration(br__value value, char *buf, size_t cap)
{
    __int128 ns = (__int128)value.i * BR__NS_PER_MS + value.len;
    __int128 size = ns < 0 ? -ns : ns;
    size_t len =
        (size_t)snprintf(buf, cap, "%s%" PRId64, ns < 0 ? "-" : "", (int64_t)(size / 1000000000));

    len += put_fraction(buf + len, cap - len, (int64_t)(size % 1000000000));
    buf[len] = 's';
    return len + 1;
}

static size_t
format_time(br__value value, char *buf, size_t cap)
{
    rt_civil civil = rt_civil_from_ms(value.i);
    size_t len = (size_t)snprintf(buf, cap, "%04d-%02d-%02dT%02d:%02d:%02d", civil.year,
                                  civil.month, civil.day, civil.hour, civil.minute, civil.second);

    len += put_fraction(buf + len, cap - len, (int64_t)civil.ms * BR__NS_PER_MS + value.len);
    buf[len] = 'Z';
    return len + 1;
}

br__value
br__to_text(br__value value, br__limits *limits)
{
    char buf[NUMBER_CAP];
    size_t len = 0;

    switch ((unsigned)value.kind) {
    case BR__STRING:
        return value;
    case BR__BYTES:
        value.kind = BR__STRING;
        return rt_utf8_valid(br__text(value)) ? value : br__fault(BR_FAULT_CONVERSION);
    case BR__BOOL:
        return br__of_text(value.b ? RT_STR("true") : RT_STR("false"));
    case BR__INT:
        len = (size_t)snprintf(buf, sizeof(buf), "%" PRId64, value.i);
        break;
    case BR__UINT:
        len = (size_t)snprintf(buf, sizeof(buf), "%" PRIu64, value.u);
        break;
    case BR__DOUBLE:
        if (!isfinite(value.f)) {
            return br__of_text(isnan(value.f) ? RT_STR("NaN")
                               : value.f > 0  ? RT_STR("+Inf")
                                              : RT_STR("-Inf"));
        }
        len = rt_format_f64(value.f, buf, sizeof(buf));
        break;
    case BR__TIME:
        len = format_time(value, buf, sizeof(buf));
        break;
    case BR__DURATION:
        len = format_duration(value, buf, sizeof(buf));
        break;
    default:
        return no_overload();
    }
    return br__copy_text(limits, (rt_str){buf, len});
}

static br__value
to_bool(br__value value)
{
    static const char *const yes[] = {"1", "t", "T", "true", "TRUE", "True"};
    static const char *const no[] = {"0", "f", "F", "false", "FALSE", "False"};

    if (value.kind == BR__BOOL) {
        return value;
    }
    if (value.kind != BR__STRING) {
        return no_overload();
    }
    for (size_t i = 0; i < RT_COUNT(yes); i++) {
        if (rt_str_is(br__text(value), yes[i])) {
            return br__of_bool(true);
        }
        if (rt_str_is(br__text(value), no[i])) {
            return br__of_bool(false);
        }
    }
    return br__fault(BR_FAULT_CONVERSION);
}

static br__value
to_timestamp(br__value value)
{
    int64_t ms = 0;
    br__value made;
    rt_err err = RT_OK;

    if (value.kind == BR__TIME) {
        return value;
    }
    if (value.kind == BR__INT) {
        return __builtin_mul_overflow(value.i, MS_PER_S, &ms) ? br__fault(BR_FAULT_OVERFLOW)
                                                              : br__time_in_range(BR__TIME, ms, 0);
    }
    if (value.kind != BR__STRING) {
        return no_overload();
    }
    err = br__parse_timestamp(br__text(value), &made);
    return err == RT_OK       ? made
           : err == RT_ERANGE ? br__fault(BR_FAULT_OVERFLOW)
                              : br__fault(BR_FAULT_CONVERSION);
}

static br__value
to_duration(br__value value)
{
    br__value made;

    if (value.kind == BR__DURATION) {
        return value;
    }
    if (value.kind != BR__STRING) {
        return no_overload();
    }
    return br__parse_duration(br__text(value), &made) == RT_OK ? made
                                                               : br__fault(BR_FAULT_CONVERSION);
}

br__value
br__call_convert(br__code code, br__value value, br__limits *limits)
{
    switch ((unsigned)code) {
    case BR__TO_INT:
        return to_int(value);
    case BR__TO_UINT:
        return to_uint(value);
    case BR__TO_DOUBLE:
        return to_double(value);
    case BR__TO_STRING:
        return br__to_text(value, limits);
    case BR__TO_BYTES:
        if (value.kind != BR__STRING && value.kind != BR__BYTES) {
            return no_overload();
        }
        value.kind = BR__BYTES;
        return value;
    case BR__TO_BOOL:
        return to_bool(value);
    case BR__TYPE_OF: {
        br__value type = br__of_text(br__type_of(value));

        type.kind = BR__TYPE_NAME;
        return type;
    }
    case BR__TO_TIMESTAMP:
        return to_timestamp(value);
    case BR__TO_DURATION:
        return to_duration(value);
    default:
        return value;
    }
}
