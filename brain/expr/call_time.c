#include "brain/expr/expr_internal.h"

#include "runtime/base/check.h"
#include "runtime/base/civil.h"

// Design notes.
// Instants and durations are milliseconds rounded down and the nanoseconds that are left, so that
// what came from outside is used as it is. Parts of a duration are cut towards zero, as CEL says.

#define MS_PER_S INT64_C(1000)
#define MS_PER_M (60 * MS_PER_S)
#define MS_PER_H (60 * MS_PER_M)
#define MS_PER_D (24 * MS_PER_H)

static br__value
no_overload(void)
{
    return br__fault(BR_FAULT_NO_OVERLOAD);
}

static br__value
get_of_duration(br__code code, int64_t ms)
{
    switch ((unsigned)code) {
    case BR__GET_HOURS:
        return br__of_int(ms / MS_PER_H);
    case BR__GET_MINUTES:
        return br__of_int(ms / MS_PER_M);
    case BR__GET_SECONDS:
        return br__of_int(ms / MS_PER_S);
    case BR__GET_MILLISECONDS:
        return br__of_int(ms % MS_PER_S);
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
static br__value
get_of_time(br__code code, int64_t local_ms)
{
    rt_civil civil = rt_civil_from_ms(local_ms);

    switch ((unsigned)code) {
    case BR__GET_FULL_YEAR:
        return br__of_int(civil.year);
    case BR__GET_MONTH:
        return br__of_int(civil.month - 1);
    case BR__GET_DATE:
        return br__of_int(civil.day);
    case BR__GET_DAY_OF_MONTH:
        return br__of_int(civil.day - 1);
    case BR__GET_DAY_OF_WEEK:
        return br__of_int(civil.weekday);
    case BR__GET_DAY_OF_YEAR:
        return br__of_int(day_of_year(&civil));
    case BR__GET_HOURS:
        return br__of_int(civil.hour);
    case BR__GET_MINUTES:
        return br__of_int(civil.minute);
    case BR__GET_SECONDS:
        return br__of_int(civil.second);
    case BR__GET_MILLISECONDS:
        return br__of_int(civil.ms);
    default:
        return no_overload();
    }
}

br__value
br__call_time(br__code code, const br__value *args, size_t argc)
{
    int64_t offset_ms = 0;

    if (argc == 1 && args[0].kind == BR__DURATION) {
        // Towards zero: what is below a millisecond was rounded down.
        return get_of_duration(code, args[0].i + (args[0].i < 0 && args[0].len > 0 ? 1 : 0));
    }
    if (args[0].kind != BR__TIME || (argc == 2 && args[1].kind != BR__STRING)) {
        return no_overload();
    }
    if (argc == 2 && br_zone_offset(br__text(args[1]), args[0].i, &offset_ms) != RT_OK) {
        return br__fault(BR_FAULT_CONVERSION);
    }
    return get_of_time(code, args[0].i + offset_ms);
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

// Reads one part such as "1.5h" at *at.
static rt_err
read_duration_part(rt_str text, size_t *at, __int128 *ret_ns)
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
            *at += strlen(duration_units[i].name);
            *ret_ns = value * duration_units[i].ns / scale;
            return *ret_ns <= (__int128)INT64_MAX + 1 ? RT_OK : RT_ERANGE;
        }
    }
    return RT_EINVAL;
}

rt_err
br__parse_duration(rt_str text, br__value *ret_value)
{
    bool is_negative = text.len > 0 && text.ptr[0] == '-';
    size_t at = text.len > 0 && (text.ptr[0] == '-' || text.ptr[0] == '+') ? 1 : 0;
    __int128 total = 0;
    int64_t ns = 0;

    if (rt_str_is((rt_str){text.ptr + at, text.len - at}, "0")) {
        at = text.len;
    } else if (at == text.len) {
        return RT_EINVAL;
    }
    while (at < text.len) {
        __int128 part = 0;
        rt_err err = read_duration_part(text, &at, &part);

        if (err != RT_OK) {
            return err;
        }
        total += part;
        if (total > (__int128)INT64_MAX + is_negative) { // the least one is a nanosecond longer
            return RT_ERANGE;
        }
    }
    ns = (int64_t)(is_negative ? -total : total);
    *ret_value = br__time_in_range(BR__DURATION, ns / BR__NS_PER_MS, ns % BR__NS_PER_MS);
    return ret_value->kind == BR__DURATION ? RT_OK : RT_ERANGE;
}

rt_err
br__parse_timestamp(rt_str text, br__value *ret_value)
{
    int64_t ms = 0;
    int64_t ns = 0;
    int64_t weight = 100000; // of the fourth digit behind the point
    rt_err err = rt_parse_rfc3339(text, &ms);

    // CEL wants the letters of the standard, not the blank and small letters taken elsewhere.
    if (err != RT_OK || text.len < 20 || text.ptr[10] != 'T' || text.ptr[text.len - 1] == 'z') {
        return RT_EINVAL;
    }
    if (text.ptr[19] == '.') {
        for (size_t i = 20; is_digit(text.ptr[i]); i++) {
            if (i >= 23) {
                ns += (text.ptr[i] - '0') * weight;
                weight /= 10;
            }
        }
    }
    *ret_value = br__time_in_range(BR__TIME, ms, ns);
    return ret_value->kind == BR__TIME ? RT_OK : RT_ERANGE;
}
