// Design notes.
// The next time of a cron is looked for day by day, then by hour and minute, never further than
// LOOK_AHEAD_DAYS: 29 February on a given weekday comes within 28 years, save around a century
// without a leap day, and what takes longer is said to be never.
#include "brain/playbook/schedule.h"

#include "brain/expr/calendar.h"
#include "runtime/base/text.h"

#define MINUTE_MS INT64_C(60000)
#define HOUR_MS (60 * MINUTE_MS)
#define DAY_MS (24 * HOUR_MS)
#define LOOK_AHEAD_DAYS (28 * 366)

// --- reading a cron ---

typedef struct field {
    const char *name;
    uint32_t min;
    uint32_t max;
    const char *const *names; // of `min` and those behind it; ends with NULL
} field;

static const char *const months[] = {"jan", "feb", "mar", "apr", "may", "jun", "jul",
                                     "aug", "sep", "oct", "nov", "dec", NULL};
static const char *const weekdays[] = {"sun", "mon", "tue", "wed", "thu", "fri", "sat", NULL};
static const field fields[] = {{"minute", 0, 59, NULL},
                               {"hour", 0, 23, NULL},
                               {"day of the month", 1, 31, NULL},
                               {"month", 1, 12, months},
                               {"day of the week", 0, 7, weekdays}};

static bool
read_number(const field *f, rt_str text, uint32_t *ret)
{
    int64_t value = -1;
    for (uint32_t i = 0; f->names != NULL && f->names[i] != NULL; i++) {
        if (rt_str_is(text, f->names[i])) {
            *ret = f->min + i;
            return true;
        }
    }
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9') {
            return false;
        }
    }
    if (rt_parse_i64(text, &value) != RT_OK || value < f->min || value > f->max) {
        return false;
    }
    *ret = (uint32_t)value;
    return true;
}

// The text in front of a character, which is taken off with it; all of it when there is none.
static rt_str
cut(rt_str *rest, char at, bool *ret_found)
{
    const char *found = rest->len > 0 ? memchr(rest->ptr, at, rest->len) : NULL;
    rt_str head = *rest;
    *ret_found = found != NULL;
    if (found != NULL) {
        head.len = (size_t)(found - rest->ptr);
        rest->ptr = found + 1;
        rest->len -= head.len + 1;
    } else {
        rest->ptr += rest->len;
        rest->len = 0;
    }
    return head;
}

// One of "*", "5", "1-5", each with "/2".
static const char *
read_item(const field *f, rt_str item, uint64_t *bits)
{
    bool has_step;
    bool is_range;
    uint32_t step = 1;
    uint32_t from = f->min;
    uint32_t until = f->max;
    rt_str rest = item;
    rt_str range = cut(&rest, '/', &has_step);
    int64_t given = 0;
    if (has_step && (rt_parse_i64(rest, &given) != RT_OK || given < 1 || given > f->max)) {
        return "this is no step";
    }
    step = has_step ? (uint32_t)given : 1;
    if (!rt_str_is(range, "*")) {
        rt_str high = range;
        rt_str low = cut(&high, '-', &is_range);
        if (!read_number(f, low, &from) || (is_range && !read_number(f, high, &until))) {
            return "this is not in its range";
        }
        until = is_range ? until : has_step ? f->max : from;
        if (from > until) {
            return "it ends before it begins";
        }
    }
    for (uint32_t i = from; i <= until; i += step) {
        *bits |= UINT64_C(1) << i;
    }
    return NULL;
}

static const char *
read_field(const field *f, rt_str text, uint64_t *ret_bits, rt_str *ret_wrong)
{
    bool more = true;
    rt_str rest = text;
    while (more) {
        rt_str item = cut(&rest, ',', &more);
        const char *why = read_item(f, item, ret_bits);
        if (why != NULL) {
            *ret_wrong = item.len > 0 ? item : text;
            return why;
        }
    }
    return NULL;
}

static bool
is_blank(char c)
{
    return c == ' ' || c == '\t';
}

const char *
br_cron_parse(rt_str text, br_schedule *ret, size_t *ret_at, size_t *ret_len)
{
    uint64_t bits[RT_COUNT(fields)] = {0};
    bool is_any[RT_COUNT(fields)] = {false};
    size_t count = 0;
    *ret_at = 0;
    *ret_len = text.len;
    for (size_t at = 0; at < text.len;) {
        size_t end = at;
        while (end < text.len && !is_blank(text.ptr[end])) {
            end++;
        }
        rt_str word = {text.ptr + at, end - at};
        rt_str wrong = word;
        if (word.len > 0 && count < RT_COUNT(fields)) {
            const char *why = read_field(&fields[count], word, &bits[count], &wrong);
            if (why != NULL) {
                *ret_at = (size_t)(wrong.ptr - text.ptr);
                *ret_len = wrong.len;
                return why;
            }
            is_any[count] = word.ptr[0] == '*';
        }
        count += word.len > 0 ? 1 : 0;
        at = end + 1;
    }
    if (count != RT_COUNT(fields)) {
        return "a cron has five fields: minute, hour, day of the month, month, day of the week";
    }
    ret->kind = BR_SCHEDULE_CRON;
    ret->minutes = bits[0];
    ret->hours = (uint32_t)bits[1];
    ret->days = (uint32_t)bits[2];
    ret->months = (uint32_t)bits[3];
    ret->weekdays = (uint32_t)((bits[4] | bits[4] >> 7) & 0x7f); // 7 is Sunday too
    ret->by_day = !is_any[2];
    ret->by_weekday = !is_any[4];
    return NULL;
}

// --- the next time ---

// The instant of a local time; false where clocks jump over it.
static bool
instant_of(rt_str zone, int64_t local_ms, int64_t *ret_ms)
{
    int64_t guess_ms = local_ms - (br_local_ms(zone, local_ms) - local_ms);
    *ret_ms = local_ms - (br_local_ms(zone, guess_ms) - guess_ms);
    return br_local_ms(zone, *ret_ms) == local_ms;
}

static int64_t
floor_to(int64_t value, int64_t unit)
{
    int64_t rest = value % unit;
    return value - (rest < 0 ? rest + unit : rest);
}

static int64_t
next_every(const br_schedule *s, int64_t after_ms)
{
    int64_t local_ms = floor_to(br_local_ms(s->zone, after_ms), s->every_ms);
    for (int i = 0; i < 200; i++) { // an hour left out at most, in steps of a minute
        int64_t at_ms;
        if (instant_of(s->zone, local_ms, &at_ms) && at_ms > after_ms) {
            return at_ms;
        }
        local_ms += s->every_ms;
    }
    return INT64_MAX;
}

static bool
falls_on(const br_schedule *s, const rt_civil *day)
{
    bool in_month = (s->days >> day->day & 1) != 0;
    bool in_week = (s->weekdays >> day->weekday & 1) != 0;
    bool fits = s->by_day && s->by_weekday ? in_month || in_week : in_month && in_week;
    return fits && (s->months >> day->month & 1) != 0;
}

static int64_t
next_of_day(const br_schedule *s, int64_t midnight_ms, int64_t after_ms)
{
    for (int hour = 0; hour < 24; hour++) {
        for (int minute = 0; (s->hours >> hour & 1) != 0 && minute < 60; minute++) {
            int64_t at_ms;
            int64_t local_ms = midnight_ms + hour * HOUR_MS + minute * MINUTE_MS;
            if ((s->minutes >> minute & 1) != 0 && instant_of(s->zone, local_ms, &at_ms) &&
                at_ms > after_ms) {
                return at_ms;
            }
        }
    }
    return INT64_MAX;
}

static int64_t
next_cron(const br_schedule *s, int64_t after_ms)
{
    int64_t midnight_ms = floor_to(br_local_ms(s->zone, after_ms), DAY_MS);
    for (int i = 0; i < LOOK_AHEAD_DAYS; i++) {
        rt_civil day = rt_civil_from_ms(midnight_ms);
        int64_t at_ms = falls_on(s, &day) ? next_of_day(s, midnight_ms, after_ms) : INT64_MAX;
        if (at_ms != INT64_MAX) {
            return at_ms;
        }
        midnight_ms += DAY_MS;
    }
    return INT64_MAX;
}

int64_t
br_schedule_next(const br_schedule *schedule, int64_t after_ms)
{
    switch (schedule->kind) {
    case BR_SCHEDULE_EVERY:
        return next_every(schedule, after_ms);
    case BR_SCHEDULE_CRON:
        return next_cron(schedule, after_ms);
    case BR_SCHEDULE_AT:
        break;
    }
    return schedule->at_ms > after_ms ? schedule->at_ms : INT64_MAX;
}
