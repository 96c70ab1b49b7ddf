#include "brain/expr/calendar.h"

#include "brain/expr/expr.h"
#include "runtime/base/text.h"

#define MINUTE_MS INT64_C(60000)
#define DAY_MS (BR_MINUTES_OF_DAY * MINUTE_MS)
#define LOOK_AHEAD_DAYS 31

static int64_t
day_ms(int32_t year, int32_t month, int32_t day)
{
    rt_civil civil = {.year = year, .month = month, .day = day};
    return rt_civil_to_ms(&civil);
}

static int64_t
easter_ms(int32_t year)
{
    int32_t a = year % 19;
    int32_t b = year / 100;
    int32_t c = year % 100;
    int32_t d = b / 4;
    int32_t e = b % 4;
    int32_t f = (b + 8) / 25;
    int32_t g = (b - f + 1) / 3;
    int32_t h = (19 * a + b - d - g + 15) % 30;
    int32_t i = c / 4;
    int32_t k = c % 4;
    int32_t l = (32 + 2 * e + 2 * i - h - k) % 7;
    int32_t m = (a + 11 * h + 22 * l) / 451;
    int32_t month = (h + l - 7 * m + 114) / 31;
    int32_t day = (h + l - 7 * m + 114) % 31 + 1;
    return day_ms(year, month, day);
}

// The Monday on or after a day.
static int64_t
monday_from(int64_t at_ms)
{
    int32_t weekday = rt_civil_from_ms(at_ms).weekday;
    return at_ms + (8 - weekday) % 7 * DAY_MS;
}

bool
br_holiday_co(int32_t year, int32_t month, int32_t day)
{
    static const struct {
        int32_t month;
        int32_t day;
    } fixed[] = {{1, 1}, {5, 1}, {7, 20}, {8, 7}, {12, 8}, {12, 25}},
      moved[] = {{1, 6}, {3, 19}, {6, 29}, {8, 15}, {10, 12}, {11, 1}, {11, 11}};
    // Maundy Thursday, Good Friday, and the Mondays of Ascension, Corpus Christi and Sacred Heart
    static const int32_t from_easter[] = {-3, -2, 43, 64, 71};
    int64_t at_ms = day_ms(year, month, day);
    for (size_t i = 0; i < RT_COUNT(fixed); i++) {
        if (fixed[i].month == month && fixed[i].day == day) {
            return true;
        }
    }
    for (size_t i = 0; i < RT_COUNT(moved); i++) {
        if (monday_from(day_ms(year, moved[i].month, moved[i].day)) == at_ms) {
            return true;
        }
    }
    for (size_t i = 0; i < RT_COUNT(from_easter); i++) {
        if (easter_ms(year) + from_easter[i] * DAY_MS == at_ms) {
            return true;
        }
    }
    return false;
}

static int64_t
offset_ms(const br_hours *hours, int64_t at_ms)
{
    int64_t offset = 0;
    // a zone was looked up when the playbook was loaded; an instant before its rules counts as UTC
    return br_zone_offset(hours->zone, at_ms, &offset) == RT_OK ? offset : 0;
}

// Whether it opens on the day that begins at a local midnight.
static bool
opens_on(const br_hours *hours, int64_t midnight_ms)
{
    rt_civil day = rt_civil_from_ms(midnight_ms);
    return (hours->days >> day.weekday & 1) != 0 &&
           (hours->holidays || !br_holiday_co(day.year, day.month, day.day));
}

int64_t
br_local_ms(rt_str zone, int64_t at_ms)
{
    const br_hours hours = {.zone = zone};
    return at_ms + offset_ms(&hours, at_ms);
}

bool
br_hours_works(const br_hours *hours, int64_t local_ms)
{
    return opens_on(hours, local_ms);
}

int32_t
br_hours_minute(rt_str text)
{
    int64_t hours = -1;
    int64_t minutes = -1;
    if (text.len != 5 || text.ptr[2] != ':' ||
        rt_parse_i64((rt_str){text.ptr, 2}, &hours) != RT_OK ||
        rt_parse_i64((rt_str){text.ptr + 3, 2}, &minutes) != RT_OK || hours < 0 || minutes < 0 ||
        minutes > 59 || hours * 60 + minutes > BR_MINUTES_OF_DAY) {
        return -1;
    }
    return (int32_t)(hours * 60 + minutes);
}

uint8_t
br_hours_day(rt_str name)
{
    static const char *const names[] = {"sun", "mon", "tue", "wed", "thu", "fri", "sat"};
    for (size_t i = 0; i < RT_COUNT(names); i++) {
        if (rt_str_is(name, names[i])) {
            return (uint8_t)(1u << i);
        }
    }
    return 0;
}

static int64_t
midnight_of(int64_t local_ms)
{
    int64_t rest = local_ms % DAY_MS;
    return local_ms - (rest < 0 ? rest + DAY_MS : rest);
}

bool
br_hours_open(const br_hours *hours, int64_t at_ms)
{
    int64_t local_ms = at_ms + offset_ms(hours, at_ms);
    int64_t midnight_ms = midnight_of(local_ms);
    int64_t minute = (local_ms - midnight_ms) / MINUTE_MS;
    if (hours->from_min < hours->until_min) {
        return opens_on(hours, midnight_ms) && minute >= hours->from_min &&
               minute < hours->until_min;
    }
    // over midnight: the hours after it belong to the day before
    return (minute >= hours->from_min && opens_on(hours, midnight_ms)) ||
           (minute < hours->until_min && opens_on(hours, midnight_ms - DAY_MS));
}

int64_t
br_hours_next_ms(const br_hours *hours, int64_t at_ms)
{
    if (br_hours_open(hours, at_ms)) {
        return at_ms;
    }
    int64_t local_ms = at_ms + offset_ms(hours, at_ms);
    int64_t midnight_ms = midnight_of(local_ms);
    for (int day = 0; day < LOOK_AHEAD_DAYS; day++) {
        int64_t opening_ms = midnight_ms + day * DAY_MS + hours->from_min * MINUTE_MS;
        // clocks may have been changed until then
        int64_t opens_ms = opening_ms - offset_ms(hours, opening_ms - offset_ms(hours, at_ms));
        if (opens_ms > at_ms && br_hours_open(hours, opens_ms)) {
            return opens_ms;
        }
    }
    return INT64_MAX;
}
