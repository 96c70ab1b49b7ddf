#include "brain/expr/expr_internal.h"

#include "runtime/base/check.h"
#include "runtime/base/civil.h"

// Design notes.
// A verdict must be the same when a journal is replayed years later, on another machine. The
// system's zone database changes with every update and may be absent, so the zones stand here, with
// the rules that are in force and the year since which they are; an earlier instant has no value,
// instead of a wrong one. A new rule of a government is a change of this table, and of the version
// that replays. Source: IANA time zone database, 2024a.

#define MINUTE_MS INT64_C(60000)
#define HOUR_MS (60 * MINUTE_MS)
#define DAY_MS (24 * HOUR_MS)

typedef enum summer_rule {
    NO_SUMMER,
    SUMMER_US,
    SUMMER_ST_JOHNS,
    SUMMER_EU,
    SUMMER_AU
} summer_rule;

typedef struct zone_row {
    const char *name;
    int16_t offset_min; // in winter
    uint16_t rule;
    int16_t since; // first whole year for which this holds
} zone_row;

static const zone_row zones[] = {
    {"UTC", 0, NO_SUMMER, 1},
    {"GMT", 0, NO_SUMMER, 1},
    {"Etc/UTC", 0, NO_SUMMER, 1},
    {"Z", 0, NO_SUMMER, 1},
    {"America/Bogota", -300, NO_SUMMER, 1994},
    {"America/Panama", -300, NO_SUMMER, 1909},
    {"America/Lima", -300, NO_SUMMER, 1995},
    {"America/Guayaquil", -300, NO_SUMMER, 1994},
    {"America/Caracas", -240, NO_SUMMER, 2017},
    {"America/Sao_Paulo", -180, NO_SUMMER, 2020},
    {"America/Argentina/Buenos_Aires", -180, NO_SUMMER, 2010},
    {"America/New_York", -300, SUMMER_US, 2007},
    {"US/Eastern", -300, SUMMER_US, 2007},
    {"America/Chicago", -360, SUMMER_US, 2007},
    {"US/Central", -360, SUMMER_US, 2007},
    {"America/Denver", -420, SUMMER_US, 2007},
    {"US/Mountain", -420, SUMMER_US, 2007},
    {"America/Phoenix", -420, NO_SUMMER, 1968},
    {"America/Los_Angeles", -480, SUMMER_US, 2007},
    {"US/Pacific", -480, SUMMER_US, 2007},
    {"America/St_Johns", -210, SUMMER_ST_JOHNS, 2007},
    {"Europe/London", 0, SUMMER_EU, 1996},
    {"Europe/Lisbon", 0, SUMMER_EU, 1997},
    {"Europe/Madrid", 60, SUMMER_EU, 1996},
    {"Europe/Paris", 60, SUMMER_EU, 1996},
    {"Europe/Berlin", 60, SUMMER_EU, 1996},
    {"Europe/Amsterdam", 60, SUMMER_EU, 1996},
    {"Europe/Rome", 60, SUMMER_EU, 1996},
    {"Asia/Kolkata", 330, NO_SUMMER, 1946},
    {"Asia/Kathmandu", 345, NO_SUMMER, 1987},
    {"Asia/Shanghai", 480, NO_SUMMER, 1992},
    {"Asia/Tokyo", 540, NO_SUMMER, 1952},
    {"Australia/Sydney", 600, SUMMER_AU, 2008},
};

// Midnight UTC of the nth Sunday of a month (from 1), or of the last one (0).
static int64_t
sunday_of(int32_t year, int32_t month, int32_t nth)
{
    rt_civil first = {.year = year, .month = nth == 0 ? month + 1 : month, .day = 1};
    int64_t begin_ms = rt_civil_to_ms(&first);
    int32_t weekday = rt_civil_from_ms(begin_ms).weekday;

    if (nth == 0) {
        return begin_ms - (weekday == 0 ? 7 : weekday) * DAY_MS;
    }
    return begin_ms + ((7 - weekday) % 7 + 7 * (nth - 1)) * DAY_MS;
}

// Whether it is summer time at an instant, in the year that the zone's winter time says.
static bool
is_summer(const zone_row *zone, int64_t at_ms, int32_t year)
{
    int64_t offset_ms = zone->offset_min * MINUTE_MS;
    int64_t begin_ms = 0;
    int64_t end_ms = 0;

    switch ((summer_rule)zone->rule) {
    case NO_SUMMER:
        return false;
    case SUMMER_US:
    case SUMMER_ST_JOHNS: {
        // Newfoundland changed its clocks at one minute past midnight until the spring of 2011.
        bool is_early = zone->rule == SUMMER_ST_JOHNS;

        begin_ms = sunday_of(year, 3, 2) - offset_ms +
                   (is_early && year <= 2011 ? MINUTE_MS : 2 * HOUR_MS);
        end_ms = sunday_of(year, 11, 1) - offset_ms - HOUR_MS +
                 (is_early && year < 2011 ? MINUTE_MS : 2 * HOUR_MS);
        return at_ms >= begin_ms && at_ms < end_ms;
    }
    case SUMMER_EU:
        return at_ms >= sunday_of(year, 3, 0) + HOUR_MS && at_ms < sunday_of(year, 10, 0) + HOUR_MS;
    case SUMMER_AU:
        begin_ms = sunday_of(year, 10, 1) - offset_ms + 2 * HOUR_MS;
        end_ms = sunday_of(year, 4, 1) - offset_ms + 2 * HOUR_MS;
        return at_ms >= begin_ms || at_ms < end_ms;
    }
    RT_UNREACHABLE("every rule has its case");
}

static rt_err
named_offset(rt_str name, int64_t at_ms, int64_t *ret_offset_ms)
{
    for (size_t i = 0; i < RT_COUNT(zones); i++) {
        int64_t offset_ms = zones[i].offset_min * MINUTE_MS;
        int32_t year = 0;

        if (!rt_str_is(name, zones[i].name)) {
            continue;
        }
        year = rt_civil_from_ms(at_ms + offset_ms).year;
        if (year < zones[i].since) {
            return RT_EUNKNOWN;
        }
        *ret_offset_ms = offset_ms + (is_summer(&zones[i], at_ms, year) ? HOUR_MS : 0);
        return RT_OK;
    }
    return RT_EUNKNOWN;
}

static bool
is_digit(char c)
{
    return c >= '0' && c <= '9';
}

rt_err
br_zone_offset(rt_str zone, int64_t at_ms, int64_t *ret_offset_ms)
{
    bool is_signed = zone.len > 0 && (zone.ptr[0] == '+' || zone.ptr[0] == '-');
    size_t at = is_signed ? 1 : 0;
    int64_t hours = 0;
    int64_t minutes = 0;

    if (zone.len > 0 && (zone.ptr[0] | 0x20) >= 'a' && (zone.ptr[0] | 0x20) <= 'z') {
        return named_offset(zone, at_ms, ret_offset_ms);
    }
    if (zone.len != at + 5 || zone.ptr[at + 2] != ':' || !is_digit(zone.ptr[at]) ||
        !is_digit(zone.ptr[at + 1]) || !is_digit(zone.ptr[at + 3]) || !is_digit(zone.ptr[at + 4])) {
        return RT_EINVAL;
    }
    hours = (zone.ptr[at] - '0') * 10 + (zone.ptr[at + 1] - '0');
    minutes = (zone.ptr[at + 3] - '0') * 10 + (zone.ptr[at + 4] - '0');
    if (hours > 23 || minutes > 59) {
        return RT_EINVAL;
    }
    *ret_offset_ms = (zone.ptr[0] == '-' ? -1 : 1) * (hours * HOUR_MS + minutes * MINUTE_MS);
    return RT_OK;
}
