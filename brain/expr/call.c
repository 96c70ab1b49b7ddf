#include "brain/expr/expr_internal.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#include "runtime/base/check.h"
#include "runtime/base/civil.h"

// Design notes.
// Functions of CEL's standard library: text, conversions, calendar. Arguments are sound values, of
// any kind when their type was not known; a kind that has no overload is BR_FAULT_NO_OVERLOAD.
// Text comparisons work on bytes, which for UTF-8 gives the order of code points; size counts code
// points.

#define MS_PER_S INT64_C(1000)
#define MS_PER_M (60 * MS_PER_S)
#define MS_PER_H (60 * MS_PER_M)
#define MS_PER_D (24 * MS_PER_H)
#define NUMBER_CAP 64

static rt_value
no_overload(void)
{
    return br__fault(BR_FAULT_NO_OVERLOAD);
}

static int64_t
count_points(rt_str text)
{
    int64_t count = 0;

    for (size_t i = 0; i < text.len; i++) {
        count += ((uint8_t)text.ptr[i] & 0xc0) != 0x80 ? 1 : 0;
    }
    return count;
}

static rt_value
find_text(br__code code, rt_str text, rt_str part)
{
    bool is_found = true;

    if (part.len > text.len) {
        return RT_BOOL(false);
    }
    if (part.len > 0) {
        is_found = code == BR__CONTAINS
                       ? memmem(text.ptr, text.len, part.ptr, part.len) != NULL
                       : memcmp(code == BR__ENDS_WITH ? text.ptr + text.len - part.len : text.ptr,
                                part.ptr, part.len) == 0;
    }
    return RT_BOOL(is_found);
}

static rt_value
text_value(rt_str text, rt_arena *arena)
{
    rt_str copy = arena != NULL ? rt_arena_str(arena, text) : (rt_str){NULL, 0};

    return copy.ptr != NULL ? RT_TEXT(copy) : br__fault(BR_FAULT_NO_MEMORY);
}

static rt_value
change_case(br__code code, rt_str text, rt_arena *arena)
{
    char *to = arena != NULL ? rt_arena_alloc(arena, text.len) : NULL;
    char first = code == BR__LOWER_ASCII ? 'A' : 'a';

    if (to == NULL) {
        return br__fault(BR_FAULT_NO_MEMORY);
    }
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];

        to[i] = c >= first && c < first + 26 ? (char)(c ^ 0x20) : c;
    }
    return RT_TEXT(((rt_str){to, text.len}));
}

static rt_value
call_text(br__code code, const rt_value *args, rt_arena *arena)
{
    if (args[0].kind != RT_KIND_STR) {
        return no_overload();
    }
    if (code == BR__SIZE) {
        return RT_I64(count_points(args[0].s));
    }
    if (code == BR__LOWER_ASCII || code == BR__UPPER_ASCII) {
        return change_case(code, args[0].s, arena);
    }
    return args[1].kind == RT_KIND_STR ? find_text(code, args[0].s, args[1].s) : no_overload();
}

static rt_value
int_of_text(rt_str text)
{
    int64_t value = 0;
    bool has_plus = text.len > 1 && text.ptr[0] == '+' && text.ptr[1] != '-';
    rt_str number = has_plus ? (rt_str){text.ptr + 1, text.len - 1} : text;

    return rt_parse_i64(number, &value) == RT_OK ? RT_I64(value) : br__fault(BR_FAULT_CONVERSION);
}

// Where the magnitude reaches 2^63 CEL fails on both sides.
static rt_value
int_of_real(double value)
{
    if (!(value > -0x1p63 && value < 0x1p63)) {
        return br__fault(BR_FAULT_OVERFLOW);
    }
    return RT_I64((int64_t)value);
}

static rt_value
to_int(rt_value value)
{
    switch (value.kind) {
    case RT_KIND_I64:
        return value;
    case RT_KIND_F64:
        return int_of_real(value.f);
    case RT_KIND_STR:
        return int_of_text(value.s);
    case RT_KIND_TIME:
        // Whole seconds since the epoch, rounded down.
        return RT_I64(value.i / MS_PER_S - (value.i % MS_PER_S < 0 ? 1 : 0));
    case RT_KIND_NONE:
    case RT_KIND_BOOL:
    case RT_KIND_DURATION:
        break;
    }
    return no_overload();
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
static rt_value
real_of_text(rt_str text)
{
    char digits[NUMBER_CAP * 4] = "0";
    bool is_negative = text.len > 0 && text.ptr[0] == '-';
    size_t skip = text.len > 0 && (text.ptr[0] == '-' || text.ptr[0] == '+') ? 1 : 0;
    rt_str rest = {text.ptr + skip, text.len - skip};
    double value = 0;
    size_t len = 0;

    if (is_word(rest, "inf") || is_word(rest, "infinity")) {
        return RT_F64(is_negative ? -(double)INFINITY : (double)INFINITY);
    }
    if (is_word(rest, "nan")) {
        return RT_F64((double)NAN);
    }
    if (rest.len == 0 || rest.len + 3 > sizeof(digits) || rest.ptr[0] == '-' ||
        (rest.ptr[0] == '.' && (rest.len == 1 || rest.ptr[1] < '0' || rest.ptr[1] > '9'))) {
        return br__fault(BR_FAULT_CONVERSION);
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
        return br__fault(BR_FAULT_CONVERSION);
    }
    return RT_F64(is_negative ? -value : value);
}

static rt_value
to_double(rt_value value)
{
    switch (value.kind) {
    case RT_KIND_F64:
        return value;
    case RT_KIND_I64:
        return RT_F64((double)value.i);
    case RT_KIND_STR:
        return real_of_text(value.s);
    case RT_KIND_NONE:
    case RT_KIND_BOOL:
    case RT_KIND_TIME:
    case RT_KIND_DURATION:
        break;
    }
    return no_overload();
}

// CEL writes a duration as seconds.
static size_t
format_seconds(int64_t ms, char *buf, size_t cap)
{
    int64_t part = (ms < 0 ? -ms : ms) % MS_PER_S;
    int len = snprintf(buf, cap, "%s%" PRId64, ms < 0 ? "-" : "", (ms < 0 ? -ms : ms) / MS_PER_S);

    if (part != 0) {
        len += snprintf(buf + len, cap - (size_t)len, ".%03" PRId64, part);
        while (buf[len - 1] == '0') {
            len--;
        }
    }
    return (size_t)(len + snprintf(buf + len, cap - (size_t)len, "s"));
}

static rt_value
to_string(rt_value value, rt_arena *arena)
{
    char buf[NUMBER_CAP];
    size_t len = 0;

    switch (value.kind) {
    case RT_KIND_STR:
        return value;
    case RT_KIND_BOOL:
        return RT_TEXT(value.b ? RT_STR("true") : RT_STR("false"));
    case RT_KIND_I64:
        len = (size_t)snprintf(buf, sizeof(buf), "%" PRId64, value.i);
        break;
    case RT_KIND_F64:
        len = rt_format_f64(value.f, buf, sizeof(buf));
        break;
    case RT_KIND_TIME:
        len = strlen(rt_format_rfc3339(value.i, buf));
        break;
    case RT_KIND_DURATION:
        len = format_seconds(value.i, buf, sizeof(buf));
        break;
    case RT_KIND_NONE:
        return no_overload();
    }
    return text_value((rt_str){buf, len}, arena);
}

static rt_value
to_bool(rt_value value)
{
    static const char *const yes[] = {"1", "t", "T", "true", "TRUE", "True"};
    static const char *const no[] = {"0", "f", "F", "false", "FALSE", "False"};

    if (value.kind == RT_KIND_BOOL) {
        return value;
    }
    if (value.kind != RT_KIND_STR) {
        return no_overload();
    }
    for (size_t i = 0; i < RT_COUNT(yes); i++) {
        if (rt_str_is(value.s, yes[i])) {
            return RT_BOOL(true);
        }
        if (rt_str_is(value.s, no[i])) {
            return RT_BOOL(false);
        }
    }
    return br__fault(BR_FAULT_CONVERSION);
}

static rt_value
in_range(rt_kind kind, rt_err err, int64_t ms)
{
    bool is_time = kind == RT_KIND_TIME;

    if (err != RT_OK) {
        return br__fault(BR_FAULT_CONVERSION);
    }
    if (ms < (is_time ? BR__TIME_MIN_MS : -BR__DURATION_MAX_MS) ||
        ms > (is_time ? BR__TIME_MAX_MS : BR__DURATION_MAX_MS)) {
        return br__fault(BR_FAULT_OVERFLOW);
    }
    return (rt_value){.kind = kind, .i = ms};
}

static rt_value
to_timestamp(rt_value value)
{
    int64_t ms = 0;

    if (value.kind == RT_KIND_TIME) {
        return value;
    }
    if (value.kind == RT_KIND_I64) {
        return __builtin_mul_overflow(value.i, MS_PER_S, &ms) ? br__fault(BR_FAULT_OVERFLOW)
                                                              : in_range(RT_KIND_TIME, RT_OK, ms);
    }
    if (value.kind == RT_KIND_STR) {
        rt_err err = br__parse_timestamp(value.s, &ms);

        return in_range(RT_KIND_TIME, err, ms);
    }
    return no_overload();
}

static rt_value
to_duration(rt_value value)
{
    int64_t ms = 0;

    if (value.kind == RT_KIND_DURATION) {
        return value;
    }
    if (value.kind == RT_KIND_STR) {
        rt_err err = br__parse_duration(value.s, &ms);

        return in_range(RT_KIND_DURATION, err, ms);
    }
    return no_overload();
}

static rt_value
get_of_duration(br__code code, int64_t ms)
{
    switch ((unsigned)code) {
    case BR__GET_HOURS:
        return RT_I64(ms / MS_PER_H);
    case BR__GET_MINUTES:
        return RT_I64(ms / MS_PER_M);
    case BR__GET_SECONDS:
        return RT_I64(ms / MS_PER_S);
    case BR__GET_MILLISECONDS:
        return RT_I64(ms % MS_PER_S);
    default:
        return no_overload();
    }
}

static int64_t
day_of_year(const rt_civil *civil)
{
    const rt_civil first = {.year = civil->year, .month = 1, .day = 1};
    const rt_civil today = {.year = civil->year, .month = civil->month, .day = civil->day};

    return (rt_civil_to_ms(&today) - rt_civil_to_ms(&first)) / MS_PER_D;
}

// NB: CEL counts months, days of the month (but not getDate), week and year from 0.
static rt_value
get_of_time(br__code code, int64_t local_ms)
{
    rt_civil civil = rt_civil_from_ms(local_ms);

    switch ((unsigned)code) {
    case BR__GET_FULL_YEAR:
        return RT_I64(civil.year);
    case BR__GET_MONTH:
        return RT_I64(civil.month - 1);
    case BR__GET_DATE:
        return RT_I64(civil.day);
    case BR__GET_DAY_OF_MONTH:
        return RT_I64(civil.day - 1);
    case BR__GET_DAY_OF_WEEK:
        return RT_I64(civil.weekday);
    case BR__GET_DAY_OF_YEAR:
        return RT_I64(day_of_year(&civil));
    case BR__GET_HOURS:
        return RT_I64(civil.hour);
    case BR__GET_MINUTES:
        return RT_I64(civil.minute);
    case BR__GET_SECONDS:
        return RT_I64(civil.second);
    case BR__GET_MILLISECONDS:
        return RT_I64(civil.ms);
    default:
        return no_overload();
    }
}

static rt_value
call_calendar(br__code code, const rt_value *args, size_t argc)
{
    int64_t offset_ms = 0;

    if (argc == 1 && args[0].kind == RT_KIND_DURATION) {
        return get_of_duration(code, args[0].i);
    }
    if (args[0].kind != RT_KIND_TIME || (argc == 2 && args[1].kind != RT_KIND_STR)) {
        return no_overload();
    }
    if (argc == 2 && br__parse_zone(args[1].s, &offset_ms) != RT_OK) {
        return br__fault(BR_FAULT_CONVERSION);
    }
    return get_of_time(code, args[0].i + offset_ms);
}

rt_value
br__call(br__code code, const rt_value *args, size_t argc, rt_arena *arena)
{
    switch ((unsigned)code) {
    case BR__TO_INT:
        return to_int(args[0]);
    case BR__TO_DOUBLE:
        return to_double(args[0]);
    case BR__TO_STRING:
        return to_string(args[0], arena);
    case BR__TO_BOOL:
        return to_bool(args[0]);
    case BR__TO_DYN:
        return args[0];
    case BR__TO_TIMESTAMP:
        return to_timestamp(args[0]);
    case BR__TO_DURATION:
        return to_duration(args[0]);
    default:
        return code >= BR__GET_FULL_YEAR ? call_calendar(code, args, argc)
                                         : call_text(code, args, arena);
    }
}

static bool
is_digit(char c)
{
    return c >= '0' && c <= '9';
}

typedef struct duration_unit {
    const char *name;
    int64_t ns;
} duration_unit;

// Longer names first, "m" after "ms".
static const duration_unit duration_units[] = {
    {"ns", 1},
    {"us", 1000},
    {"\xc2\xb5s", 1000},
    {"\xce\xbcs", 1000},
    {"ms", 1000000},
    {"h", INT64_C(3600000000000)},
    {"m", INT64_C(60000000000)},
    {"s", INT64_C(1000000000)},
};

// Reads one part such as "1.5h" at *at; *ret_ns is what is left below a millisecond.
static rt_err
read_duration_part(rt_str text, size_t *at, int64_t *ret_ms, int64_t *ret_ns)
{
    __int128 value = 0; // with `scale` digits after the point
    __int128 scale = 1;
    size_t digits = 0;
    bool is_fraction = false;

    for (; *at < text.len && (is_digit(text.ptr[*at]) || (text.ptr[*at] == '.' && !is_fraction));
         (*at)++) {
        if (text.ptr[*at] == '.') {
            is_fraction = true;
            continue;
        }
        if (digits++ >= 24) {
            return RT_ERANGE;
        }
        value = value * 10 + (text.ptr[*at] - '0');
        scale = is_fraction ? scale * 10 : scale;
    }
    if (digits == 0) {
        return RT_EINVAL;
    }
    for (size_t i = 0; i < RT_COUNT(duration_units); i++) {
        rt_str rest = {text.ptr + *at, text.len - *at};

        if (rt_str_starts(rest, rt_str_of(duration_units[i].name))) {
            __int128 ns = value * duration_units[i].ns / scale;

            *at += strlen(duration_units[i].name);
            if (ns / 1000000 > BR__DURATION_MAX_MS) {
                return RT_ERANGE;
            }
            *ret_ms = (int64_t)(ns / 1000000);
            *ret_ns = (int64_t)(ns % 1000000);
            return RT_OK;
        }
    }
    return RT_EINVAL;
}

rt_err
br__parse_duration(rt_str text, int64_t *ret_ms)
{
    bool is_negative = text.len > 0 && text.ptr[0] == '-';
    size_t at = text.len > 0 && (text.ptr[0] == '-' || text.ptr[0] == '+') ? 1 : 0;
    int64_t total_ms = 0;
    int64_t total_ns = 0;

    if (rt_str_is((rt_str){text.ptr + at, text.len - at}, "0")) {
        *ret_ms = 0;
        return RT_OK;
    }
    if (at == text.len) {
        return RT_EINVAL;
    }
    while (at < text.len) {
        int64_t ms = 0;
        int64_t ns = 0;
        rt_err err = read_duration_part(text, &at, &ms, &ns);

        if (err != RT_OK) {
            return err;
        }
        total_ms += ms;
        total_ns += ns;
        if (total_ms > BR__DURATION_MAX_MS) {
            return RT_ERANGE;
        }
    }
    total_ms += total_ns / 1000000;
    if (total_ns % 1000000 != 0) {
        return RT_ETYPE;
    }
    if (total_ms > BR__DURATION_MAX_MS) {
        return RT_ERANGE;
    }
    *ret_ms = is_negative ? -total_ms : total_ms;
    return RT_OK;
}

rt_err
br__parse_timestamp(rt_str text, int64_t *ret_ms)
{
    int64_t ms = 0;
    size_t digits = 0;
    rt_err err = rt_parse_rfc3339(text, &ms);

    // CEL wants the letters of the standard, not the blank and small letters taken elsewhere.
    if (err != RT_OK || text.len < 20 || text.ptr[10] != 'T' || text.ptr[text.len - 1] == 'z') {
        return RT_EINVAL;
    }
    if (text.ptr[19] == '.') {
        while (is_digit(text.ptr[20 + digits])) {
            if (digits >= 3 && text.ptr[20 + digits] != '0') {
                return RT_ETYPE;
            }
            digits++;
        }
    }
    if (ms < BR__TIME_MIN_MS || ms > BR__TIME_MAX_MS) {
        return RT_ERANGE;
    }
    *ret_ms = ms;
    return RT_OK;
}

rt_err
br__parse_zone(rt_str text, int64_t *ret_offset_ms)
{
    bool is_signed = text.len > 0 && (text.ptr[0] == '+' || text.ptr[0] == '-');
    size_t at = is_signed ? 1 : 0;
    int64_t hours = 0;
    int64_t minutes = 0;

    if (rt_str_is(text, "UTC")) {
        *ret_offset_ms = 0;
        return RT_OK;
    }
    if (text.len != at + 5 || text.ptr[at + 2] != ':' || !is_digit(text.ptr[at])) {
        // A letter first: a zone of the IANA database, which this subset has not.
        bool is_name = text.len > 0 && (text.ptr[0] | 0x20) >= 'a' && (text.ptr[0] | 0x20) <= 'z';

        return is_name ? RT_EUNKNOWN : RT_EINVAL;
    }
    if (!is_digit(text.ptr[at + 1]) || !is_digit(text.ptr[at + 3]) || !is_digit(text.ptr[at + 4])) {
        return RT_EINVAL;
    }
    hours = (text.ptr[at] - '0') * 10 + (text.ptr[at + 1] - '0');
    minutes = (text.ptr[at + 3] - '0') * 10 + (text.ptr[at + 4] - '0');
    if (hours > 23 || minutes > 59) {
        return RT_EINVAL;
    }
    *ret_offset_ms = (text.ptr[0] == '-' ? -1 : 1) * (hours * MS_PER_H + minutes * MS_PER_M);
    return RT_OK;
}
