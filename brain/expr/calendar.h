// brain/expr/calendar.h: opening hours, working days, and the holidays of Colombia.
//
// Layer: brain/expr.   Threads: any; pure.
// Source of the holidays: Ley 51 de 1983 ("Ley Emiliani"), art. 1; date of Easter: anonymous
// Gregorian algorithm (J. Meeus, Astronomical Algorithms, 1991, ch. 8).
#ifndef CEREBRO_BRAIN_EXPR_CALENDAR_H
#define CEREBRO_BRAIN_EXPR_CALENDAR_H

#include "runtime/base/civil.h"

#define BR_MINUTES_OF_DAY 1440

typedef struct br_hours {
    int32_t from_min;  // local minute of the day from which it is open
    int32_t until_min; // until which; at most BR_MINUTES_OF_DAY, before `from_min` = over midnight
    uint8_t days;      // bit per weekday on which it opens, 0 = Sunday
    bool holidays;     // it opens on holidays as well
    rt_str zone;       // of zone.c, such as "America/Bogota"
} br_hours;

// br_holiday_co tells whether a day is a public holiday in Colombia.
bool br_holiday_co(int32_t year, int32_t month, int32_t day);
// br_local_ms is an instant on the clocks of a zone, as ms since their 1970; an instant before the
// zone's present rules counts as UTC.
int64_t br_local_ms(rt_str zone, int64_t at_ms);
// br_hours_works tells whether it opens on the day of a local instant.
bool br_hours_works(const br_hours *hours, int64_t local_ms);
// br_hours_minute reads "08:30" as minutes of the day, at most BR_MINUTES_OF_DAY; -1 for another
// form.
int32_t br_hours_minute(rt_str text);
// br_hours_day finds the bit of a weekday such as "mon"; 0 for another name.
uint8_t br_hours_day(rt_str name);
// br_hours_open tells whether it is open at an instant.
bool br_hours_open(const br_hours *hours, int64_t at_ms);
// br_hours_next_ms is when it opens next, at or after an instant; INT64_MAX when it never does
// within a month.
int64_t br_hours_next_ms(const br_hours *hours, int64_t at_ms);

#endif
