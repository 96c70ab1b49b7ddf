// logistics/policy.h: the pure decisions: which carrier, how risky now, when to try again.
//
// Layer: agents/logistics, pure (no store, no agent).   Threads: any.
#ifndef CEREBRO_AGENTS_LOGISTICS_POLICY_H
#define CEREBRO_AGENTS_LOGISTICS_POLICY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/base/bytes.h"

#define LOGISTICS_OPTIONS_MAX 32
#define LOGISTICS_WINDOW_CAP 40

typedef enum logistics_health {
    LOGISTICS_HEALTH_UP,
    LOGISTICS_HEALTH_DEGRADED,
    LOGISTICS_HEALTH_DOWN,
} logistics_health;

// A carrier as known for one city.
typedef struct logistics_option {
    rt_str carrier;
    double on_time;      // share delivered by the promise, 0..1
    double evidence;     // deliveries that share is made of (recent ones count more)
    double transit_days; // expected
    double failed;       // share of delivery attempts that fail, 0..1
    double load;         // orders given today by capacity; negative when not known
    logistics_health health;
} logistics_option;

typedef struct logistics_choice {
    size_t best;
    size_t second; // equal to best when there is no other usable carrier
    double best_score;
    double second_score;
    double confidence; // 0..1
} logistics_choice;

typedef enum logistics_fail_reason { // in the order of the catalogue
    LOGISTICS_FAIL_ABSENT,
    LOGISTICS_FAIL_WRONG_ADDRESS,
    LOGISTICS_FAIL_REFUSED,
    LOGISTICS_FAIL_UNSAFE,
    LOGISTICS_FAIL_CLOSED,
    LOGISTICS_FAIL_VEHICLE,
    LOGISTICS_FAIL_REASONS,
} logistics_fail_reason;

typedef struct logistics_window {
    bool wanted;           // false: another attempt makes no sense
    int64_t from_local_ms; // the tenant's local time
    int64_t to_local_ms;
    const char *note;
} logistics_window;

// logistics_score rates a carrier for an order with `days_left` to its promise: the chance that it
// is delivered in time, between 0 and 1. A carrier that is down rates 0.
double logistics_score(const logistics_option *option, double days_left);

// logistics_choose picks the best carrier and the runner-up; equal scores go by name, so that the
// order of the options does not matter. False when none is usable.
bool logistics_choose(const logistics_option *options, size_t count, double days_left,
                      logistics_choice *ret_choice);

// logistics_choice_against puts another option in the runner-up's place: the carrier that has the
// order.
void logistics_choice_against(logistics_choice *choice, const logistics_option *options,
                              size_t other, double days_left);

// logistics_progress_risk is the chance to be late for an order whose time from the latest scan to
// the delivery is log-normal (mean, sd of ln days), `elapsed_days` after that scan and with
// `left_days` to the promise (<= 0: late already).
double logistics_progress_risk(double mean, double sd, double elapsed_days, double left_days);

// logistics_reschedule says when to try again after failed attempt number `attempt`.
logistics_window logistics_reschedule(logistics_fail_reason reason, int64_t attempt,
                                      int64_t local_ms);

// logistics_window_format writes "2026-11-21 17:00-20:00" and returns `buf`.
const char *logistics_window_format(const logistics_window *window,
                                    char buf[LOGISTICS_WINDOW_CAP]);

// logistics_fail_reason_parse reads the catalogue's word; false when unknown.
bool logistics_fail_reason_parse(rt_str word, logistics_fail_reason *ret_reason);
// logistics_health_parse reads "up", "degraded" or "down"; false when unknown.
bool logistics_health_parse(rt_str word, logistics_health *ret_health);

#endif
