// brain/playbook/schedule.h: when a playbook fires by the clock.
//
// Layer: brain/playbook.   Threads: any; pure.   Units: ms since 1970-01-01T00:00:00Z.
// Times are local ones of a zone (zone.c of brain/expr). Where clocks are put forward a time that
// does not exist that day is left out; where they are put back it comes once.
#ifndef CEREBRO_BRAIN_PLAYBOOK_SCHEDULE_H
#define CEREBRO_BRAIN_PLAYBOOK_SCHEDULE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/base/bytes.h"

#define BR_SCHEDULES_MAX 64        // of a set of playbooks
#define BR_SCHEDULE_EVERY_MIN 60e3 // ms; cron has no seconds either
#define BR_CATCH_UP_MAX 100        // times that catch_up: all goes back
#define BR_SCHEDULE_LOOK_MAX 10000 // times that are looked at to count those that passed
#define BR_SCHEDULE_GRACE_MS INT64_C(60000) // catch_up: skip takes what is later for missed

typedef enum br_schedule_kind {
    BR_SCHEDULE_EVERY,
    BR_SCHEDULE_CRON,
    BR_SCHEDULE_AT,
} br_schedule_kind;
typedef enum br_catch_up { BR_CATCH_UP_ONE, BR_CATCH_UP_ALL, BR_CATCH_UP_SKIP } br_catch_up;

typedef struct br_schedule {
    br_schedule_kind kind;
    br_catch_up catch_up;
    int64_t every_ms; // counted from local midnight of 1 January 1970
    int64_t at_ms;
    uint64_t minutes; // cron: a bit for each
    uint32_t hours;
    uint32_t days; // 1..31
    uint32_t months; // 1..12
    uint32_t weekdays; // 0 = Sunday
    bool by_day;     // the day of the month is restricted,
    bool by_weekday; // that of the week; when both are, either will do
    rt_str zone;
    rt_str subject;
    uint64_t shape; // hash of its text
} br_schedule;

// br_cron_parse reads five fields: minute, hour, day of the month, month, day of the week.
//   ret_at, ret_len  the part of the text that is wrong
//   returns          what is wrong with it, or NULL
const char *br_cron_parse(rt_str text, br_schedule *ret, size_t *ret_at, size_t *ret_len);
// br_schedule_next is the first time after an instant; INT64_MAX when there is none.
int64_t br_schedule_next(const br_schedule *schedule, int64_t after_ms);

#endif
