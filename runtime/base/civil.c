#include "runtime/base/civil.h"

#include <stdio.h>

#include "runtime/base/check.h"

// Design notes.
// Years begin in March inside, so that the leap day is the last of the year, and run in eras of 400
// years (146,097 days), which all have the same shape. Division is by floor, so instants before
// 1970 come out right.

#define MS_PER_DAY INT64_C(86400000)
#define DAYS_PER_ERA 146097
#define DAYS_TO_1970 719468 // from 0000-03-01

static int64_t
floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0 ? 1 : 0);
}

static int64_t
days_from_date(int64_t year, int64_t month, int64_t day)
{
    int64_t y = month <= 2 ? year - 1 : year;
    int64_t era = floor_div(y, 400);
    int64_t year_of_era = y - era * 400;
    int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;

    return era * DAYS_PER_ERA + day_of_era - DAYS_TO_1970;
}

static void
date_from_days(int64_t days, rt_civil *ret_civil)
{
    int64_t shifted = days + DAYS_TO_1970;
    int64_t era = floor_div(shifted, DAYS_PER_ERA);
    int64_t day_of_era = shifted - era * DAYS_PER_ERA;
    int64_t year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t march_month = (5 * day_of_year + 2) / 153;
    int64_t month = march_month < 10 ? march_month + 3 : march_month - 9;

    ret_civil->day = (int32_t)(day_of_year - (153 * march_month + 2) / 5 + 1);
    ret_civil->month = (int32_t)month;
    ret_civil->year = (int32_t)(year_of_era + era * 400 + (month <= 2 ? 1 : 0));
    // 1970-01-01 was a Thursday.
    ret_civil->weekday = (int32_t)(days + 4 - floor_div(days + 4, 7) * 7);
}

rt_civil
rt_civil_from_ms(int64_t at_ms)
{
    int64_t days = floor_div(at_ms, MS_PER_DAY);
    // Not at_ms - days * MS_PER_DAY: the product overflows for the very first instants.
    int64_t left = at_ms % MS_PER_DAY + (at_ms % MS_PER_DAY < 0 ? MS_PER_DAY : 0);
    rt_civil civil = {0};

    date_from_days(days, &civil);
    civil.hour = (int32_t)(left / 3600000);
    civil.minute = (int32_t)(left / 60000 % 60);
    civil.second = (int32_t)(left / 1000 % 60);
    civil.ms = (int32_t)(left % 1000);
    return civil;
}

int64_t
rt_civil_to_ms(const rt_civil *civil)
{
    RT_ASSERT(civil->month >= 1 && civil->month <= 12);
    return days_from_date(civil->year, civil->month, civil->day) * MS_PER_DAY +
           civil->hour * INT64_C(3600000) + civil->minute * INT64_C(60000) +
           civil->second * INT64_C(1000) + civil->ms;
}

// Reads exactly `count` digits at *at and moves past them; -1 when there are other characters.
static int32_t
read_digits(rt_str text, size_t *at, size_t count)
{
    int32_t value = 0;

    if (text.len - *at < count) {
        return -1;
    }
    for (size_t i = 0; i < count; i++) {
        char c = text.ptr[*at + i];

        if (c < '0' || c > '9') {
            return -1;
        }
        value = value * 10 + (c - '0');
    }
    *at += count;
    return value;
}

// Two digits; what is none makes a number that is none of a date or time.
static int32_t
two_digits(const char *p)
{
    uint32_t tens = (uint32_t)(uint8_t)p[0] - '0';
    uint32_t ones = (uint32_t)(uint8_t)p[1] - '0';

    return tens <= 9 && ones <= 9 ? (int32_t)(tens * 10 + ones) : -100000;
}

// Moves past one character when it is among `wanted`.
static bool
skip_one_of(rt_str text, size_t *at, const char *wanted)
{
    if (*at >= text.len || text.ptr[*at] == '\0' || strchr(wanted, text.ptr[*at]) == NULL) {
        return false;
    }
    (*at)++;
    return true;
}

static bool
is_leap(int32_t year)
{
    return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

static bool
is_possible(const rt_civil *c)
{
    static const int32_t days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int32_t last = 0;

    if (c->year < 0 || c->month < 1 || c->month > 12) {
        return false;
    }
    last = days[c->month - 1] + (c->month == 2 && is_leap(c->year) ? 1 : 0);
    return c->day >= 1 && c->day <= last && c->hour >= 0 && c->hour <= 23 && c->minute >= 0 &&
           c->minute <= 59 && c->second >= 0 && c->second <= 59;
}

// Reads "[.fraction]"; digits past the third are cut off.
static bool
read_fraction(rt_str text, size_t *at, int32_t *ret_ms)
{
    int32_t ms = 0;
    int32_t weight = 100;
    size_t start = 0;

    if (!skip_one_of(text, at, ".")) {
        *ret_ms = 0;
        return true;
    }
    start = *at;
    while (*at < text.len && text.ptr[*at] >= '0' && text.ptr[*at] <= '9') {
        ms += weight * (text.ptr[*at] - '0');
        weight /= 10;
        (*at)++;
    }
    *ret_ms = ms;
    return *at > start;
}

// Reads "Z" or "±hh:mm" as the distance to UTC.
static bool
read_zone(rt_str text, size_t *at, int64_t *ret_offset_ms)
{
    int64_t sign = *at < text.len && text.ptr[*at] == '-' ? -1 : 1;
    int32_t hours = 0;
    int32_t minutes = 0;

    if (skip_one_of(text, at, "Zz")) {
        *ret_offset_ms = 0;
        return true;
    }
    if (!skip_one_of(text, at, "+-")) {
        return false;
    }
    hours = read_digits(text, at, 2);
    if (hours < 0 || hours > 23 || !skip_one_of(text, at, ":")) {
        return false;
    }
    minutes = read_digits(text, at, 2);
    if (minutes < 0 || minutes > 59) {
        return false;
    }
    *ret_offset_ms = sign * (hours * INT64_C(3600000) + minutes * INT64_C(60000));
    return true;
}

rt_err
rt_parse_rfc3339(rt_str text, int64_t *ret_ms)
{
    // what stands before fraction and zone has one form only
    static const char form[] = "0000-00-00T00:00:00";
    const char *p = text.ptr;
    size_t at = sizeof(form) - 1;
    int64_t offset_ms = 0;
    rt_civil c = {0};

    if (text.len <= at || p[4] != '-' || p[7] != '-' ||
        (p[10] != 'T' && p[10] != 't' && p[10] != ' ') || p[13] != ':' || p[16] != ':') {
        return RT_EINVAL;
    }
    c = (rt_civil){.year = two_digits(p) * 100 + two_digits(p + 2),
                   .month = two_digits(p + 5),
                   .day = two_digits(p + 8),
                   .hour = two_digits(p + 11),
                   .minute = two_digits(p + 14),
                   .second = two_digits(p + 17)};
    if (!read_fraction(text, &at, &c.ms) || !read_zone(text, &at, &offset_ms)) {
        return RT_EINVAL;
    }
    if (at != text.len || !is_possible(&c)) {
        return RT_EINVAL;
    }
    *ret_ms = rt_civil_to_ms(&c) - offset_ms;
    return RT_OK;
}

// Writes `digits` digits at `out`; returns what stands behind them.
static char *
put_digits(char *out, int value, int digits)
{
    for (int i = digits - 1; i >= 0; i--) {
        out[i] = (char)('0' + value % 10);
        value /= 10;
    }
    return out + digits;
}

static char *
put_year(char *out, int year)
{
    if (year >= 0 && year <= 9999) {
        return put_digits(out, year, 4);
    }
    int len = snprintf(out, RT_RFC3339_CAP - 20, "%04d", year);
    RT_ASSERT(len > 0 && len < RT_RFC3339_CAP - 20); // the rest takes 20 and a NUL
    return out + len;
}

// By hand: printf would cost more than all else that a decision says about a time.
const char *
rt_format_rfc3339(int64_t at_ms, char buf[RT_RFC3339_CAP])
{
    rt_civil c = rt_civil_from_ms(at_ms);
    char *out = put_year(buf, c.year);

    *out++ = '-';
    out = put_digits(out, c.month, 2);
    *out++ = '-';
    out = put_digits(out, c.day, 2);
    *out++ = 'T';
    out = put_digits(out, c.hour, 2);
    *out++ = ':';
    out = put_digits(out, c.minute, 2);
    *out++ = ':';
    out = put_digits(out, c.second, 2);
    if (c.ms != 0) {
        *out++ = '.';
        out = put_digits(out, c.ms, 3);
    }
    *out++ = 'Z';
    *out = '\0';
    return buf;
}
