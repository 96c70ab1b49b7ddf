#include "agents/logistics/policy.h"

#include <math.h>
#include <stdio.h>

#include "runtime/base/check.h"
#include "runtime/base/civil.h"

#define HOUR_MS INT64_C(3600000)
#define DAY_MS (24 * HOUR_MS)

#define DEGRADED_FACTOR 0.6  // of the chance to be in time
#define FAILED_FACTOR 0.5    // a failed attempt costs about half a promise
#define LOAD_FREE 0.8        // up to this load a carrier has room
#define LOAD_FULL_FACTOR 0.2 // what is left of its chance at full load
#define FIT_SPREAD 0.4       // of ln(transit days)
#define FIT_HOPELESS 0.05    // late anyway: then the other merits decide
#define MARGIN_SURE 0.2      // a lead this large needs no further doubt
#define EVIDENCE_HALF 10.0   // deliveries after which a rate is half trusted
#define DAYS_MIN 0.01

static double
normal_above(double z)
{
    return 0.5 * erfc(z / sqrt(2.0));
}

// The chance that a transit fits in the days left. The rate of being in time already holds for
// usual promises, so this tells apart only the short ones: it is nearly 1 from twice the transit
// on.
static double
fit_of(double transit_days, double days_left)
{
    double beyond = log(fmax(transit_days, DAYS_MIN)) - log(fmax(days_left, DAYS_MIN));

    return FIT_HOPELESS + (1 - FIT_HOPELESS) * normal_above(beyond / FIT_SPREAD);
}

static double
room_of(double load)
{
    double over = (fmin(load, 1.0) - LOAD_FREE) / (1.0 - LOAD_FREE);

    return over > 0 ? 1.0 - over * (1.0 - LOAD_FULL_FACTOR) : 1.0;
}

double
logistics_score(const logistics_option *option, double days_left)
{
    double health = 1.0;

    switch (option->health) {
    case LOGISTICS_HEALTH_UP:
        break;
    case LOGISTICS_HEALTH_DEGRADED:
        health = DEGRADED_FACTOR;
        break;
    case LOGISTICS_HEALTH_DOWN:
        return 0;
    }
    return option->on_time * (1.0 - FAILED_FACTOR * option->failed) * health *
           room_of(option->load) * fit_of(option->transit_days, days_left);
}

static bool
is_name_before(rt_str a, rt_str b)
{
    int order = memcmp(a.ptr, b.ptr, RT_MIN(a.len, b.len));

    return order != 0 ? order < 0 : a.len < b.len;
}

static double
confidence_of(const logistics_option *best, const logistics_choice *choice)
{
    double lead = fmin((choice->best_score - choice->second_score) / MARGIN_SURE, 1.0);
    double trust = best->evidence / (best->evidence + EVIDENCE_HALF);

    return 0.5 + 0.5 * lead * trust;
}

bool
logistics_choose(const logistics_option *options, size_t count, double days_left,
                 logistics_choice *ret_choice)
{
    logistics_choice choice = {.best = count, .second = count};

    for (size_t i = 0; i < count; i++) {
        double score = logistics_score(&options[i], days_left);

        if (score <= 0) {
            continue;
        }
        if (choice.best == count || score > choice.best_score ||
            (score == choice.best_score &&
             is_name_before(options[i].carrier, options[choice.best].carrier))) {
            choice.second = choice.best;
            choice.second_score = choice.best_score;
            choice.best = i;
            choice.best_score = score;
        } else if (choice.second == count || score > choice.second_score ||
                   (score == choice.second_score &&
                    is_name_before(options[i].carrier, options[choice.second].carrier))) {
            choice.second = i;
            choice.second_score = score;
        }
    }
    if (choice.best == count) {
        return false;
    }
    if (choice.second == count) {
        choice.second = choice.best;
        choice.second_score = 0;
    }
    choice.confidence = confidence_of(&options[choice.best], &choice);
    *ret_choice = choice;
    return true;
}

void
logistics_choice_against(logistics_choice *choice, const logistics_option *options, size_t other,
                         double days_left)
{
    choice->second = other;
    choice->second_score = logistics_score(&options[other], days_left);
    choice->confidence = confidence_of(&options[choice->best], choice);
}

double
logistics_progress_risk(double mean, double sd, double elapsed_days, double left_days)
{
    double reach;
    double here;

    RT_ASSERT(sd > 0);
    if (left_days <= 0) {
        return 1;
    }
    elapsed_days = fmax(elapsed_days, 0);
    here = elapsed_days > 0 ? normal_above((log(elapsed_days) - mean) / sd) : 1;
    reach = normal_above((log(elapsed_days + left_days) - mean) / sd);
    if (here < 1e-9) {
        return 1; // so long after the scan that nothing is known any more
    }
    return fmin(reach / here, 1);
}

static int64_t
local_midnight(int64_t local_ms)
{
    int64_t rest = local_ms % DAY_MS;

    return local_ms - (rest < 0 ? rest + DAY_MS : rest);
}

static logistics_window
window_on(int64_t midnight_ms, int from_hour, int to_hour, const char *note)
{
    return (logistics_window){
        .wanted = true,
        .from_local_ms = midnight_ms + from_hour * HOUR_MS,
        .to_local_ms = midnight_ms + to_hour * HOUR_MS,
        .note = note,
    };
}

// The next day at or after `midnight_ms` that is no Sunday (nor, for offices, a Saturday).
static int64_t
working_day(int64_t midnight_ms, bool is_office)
{
    int32_t weekday = rt_civil_from_ms(midnight_ms).weekday;

    while (weekday == 0 || (is_office && weekday == 6)) {
        midnight_ms += DAY_MS;
        weekday = rt_civil_from_ms(midnight_ms).weekday;
    }
    return midnight_ms;
}

static int64_t
next_saturday(int64_t midnight_ms)
{
    while (rt_civil_from_ms(midnight_ms).weekday != 6) {
        midnight_ms += DAY_MS;
    }
    return midnight_ms;
}

logistics_window
logistics_reschedule(logistics_fail_reason reason, int64_t attempt, int64_t local_ms)
{
    int64_t today = local_midnight(local_ms);
    int64_t tomorrow = today + DAY_MS;

    switch (reason) {
    case LOGISTICS_FAIL_ABSENT:
        if (attempt >= 2) {
            return window_on(next_saturday(tomorrow), 9, 12,
                             "absent again: Saturday morning, agree it with the customer");
        }
        return window_on(working_day(tomorrow, false), 17, 20, "absent: in the evening");
    case LOGISTICS_FAIL_WRONG_ADDRESS:
        return window_on(working_day(tomorrow, false), 14, 18,
                         "confirm the address with the customer first");
    case LOGISTICS_FAIL_UNSAFE:
        return window_on(working_day(tomorrow, false), 9, 12, "by daylight, two people");
    case LOGISTICS_FAIL_CLOSED:
        return window_on(working_day(tomorrow, true), 9, 16, "in office hours");
    case LOGISTICS_FAIL_VEHICLE:
        if (local_ms - today < 12 * HOUR_MS) {
            return window_on(today, 15, 19, "another vehicle, today");
        }
        return window_on(working_day(tomorrow, false), 8, 12, "another vehicle, first round");
    case LOGISTICS_FAIL_REFUSED:
    case LOGISTICS_FAIL_REASONS:
        break;
    }
    return (logistics_window){.wanted = false, .note = "refused: no further attempt"};
}

const char *
logistics_window_format(const logistics_window *window, char buf[LOGISTICS_WINDOW_CAP])
{
    rt_civil from = rt_civil_from_ms(window->from_local_ms);
    rt_civil to = rt_civil_from_ms(window->to_local_ms);
    int len = snprintf(buf, LOGISTICS_WINDOW_CAP, "%04d-%02d-%02d %02d:%02d-%02d:%02d", from.year,
                       from.month, from.day, from.hour, from.minute, to.hour, to.minute);

    RT_ASSERT(len > 0 && len < LOGISTICS_WINDOW_CAP);
    return buf;
}

bool
logistics_fail_reason_parse(rt_str word, logistics_fail_reason *ret_reason)
{
    static const char *const words[LOGISTICS_FAIL_REASONS] = {"absent", "wrong_address", "refused",
                                                             "unsafe", "closed",        "vehicle"};

    for (size_t i = 0; i < RT_COUNT(words); i++) {
        if (rt_str_is(word, words[i])) {
            *ret_reason = (logistics_fail_reason)i;
            return true;
        }
    }
    return false;
}

bool
logistics_health_parse(rt_str word, logistics_health *ret_health)
{
    static const char *const words[] = {"up", "degraded", "down"};

    for (size_t i = 0; i < RT_COUNT(words); i++) {
        if (rt_str_is(word, words[i])) {
            *ret_health = (logistics_health)i;
            return true;
        }
    }
    return false;
}
