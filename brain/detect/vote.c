// Design notes.
//
// The silence after a raise is worth more than a better detector: one disturbance crosses the
// thresholds many times. It is broken only by a higher severity than the one already told, and a
// raise within the silence starts the silence anew.
//
// Votes are counted, not averaged: a detector blind to this kind of change would drag a mean down
// and could not outweigh two that see it.

#include "brain/detect/vote.h"

#include <math.h>

#include "runtime/base/check.h"

const char *
br_severity_text(br_severity severity)
{
    switch (severity) {
    case BR_SEVERITY_NONE:
        return "none";
    case BR_SEVERITY_INFO:
        return "info";
    case BR_SEVERITY_WARNING:
        return "warning";
    case BR_SEVERITY_CRITICAL:
        return "critical";
    }
    RT_UNREACHABLE("severities are listed above");
}

static rt_err
check_readings(const br_vote_config *config, const br_reading *readings, size_t count)
{
    if (count == 0 || count > BR_VOTE_READINGS_MAX || config->votes_needed == 0 ||
        config->refractory_ms < 0 || !isfinite(config->critical_score)) {
        return rt_fail(RT_EINVAL, "%zu readings, %u votes needed, silence %lld ms", count,
                       config->votes_needed, (long long)config->refractory_ms);
    }
    for (size_t i = 0; i < count; i++) {
        if (!isfinite(readings[i].score) || !isfinite(readings[i].low) ||
            !isfinite(readings[i].high)) {
            return rt_fail(RT_EINVAL, "reading %zu is not finite", i);
        }
    }
    return RT_OK;
}

static double
median_of(double *values, size_t count)
{
    for (size_t i = 1; i < count; i++) {
        for (size_t at = i; at > 0 && values[at - 1] > values[at]; at--) {
            double value = values[at];

            values[at] = values[at - 1];
            values[at - 1] = value;
        }
    }
    return count % 2 == 1 ? values[count / 2] : 0.5 * (values[count / 2 - 1] + values[count / 2]);
}

static br_severity
severity_of(const br_vote_config *config, const br_verdict *verdict)
{
    if (verdict->votes == 0) {
        return BR_SEVERITY_NONE;
    }
    if (verdict->votes < config->votes_needed) {
        return BR_SEVERITY_INFO;
    }
    if (verdict->score >= config->critical_score ||
        (verdict->votes == verdict->voters && verdict->votes > config->votes_needed)) {
        return BR_SEVERITY_CRITICAL;
    }
    return BR_SEVERITY_WARNING;
}

// Fills everything of the verdict that does not depend on earlier ones.
static void
sum_up(const br_vote_config *config, const br_reading *readings, size_t count,
       br_verdict *ret_verdict)
{
    double lows[BR_VOTE_READINGS_MAX];
    double highs[BR_VOTE_READINGS_MAX];
    double alarm_score = 0.0;
    double score = 0.0;
    double lean = 0.0;

    *ret_verdict = (br_verdict){0};
    for (size_t i = 0; i < count; i++) {
        if (!readings[i].ready) {
            continue;
        }
        lows[ret_verdict->voters] = readings[i].low;
        highs[ret_verdict->voters] = readings[i].high;
        ret_verdict->voters++;
        ret_verdict->votes += readings[i].alarm ? 1 : 0;
        score += readings[i].score;
        alarm_score += readings[i].alarm ? readings[i].score : 0.0;
        lean += readings[i].above ? readings[i].score : -readings[i].score;
    }
    if (ret_verdict->voters == 0) {
        return;
    }
    ret_verdict->score = ret_verdict->votes > 0 ? alarm_score / ret_verdict->votes
                                                : score / ret_verdict->voters;
    ret_verdict->above = lean > 0.0;
    ret_verdict->low = median_of(lows, ret_verdict->voters);
    ret_verdict->high = median_of(highs, ret_verdict->voters);
    ret_verdict->severity = severity_of(config, ret_verdict);
}

static bool
is_silenced(const br_vote *state, const br_vote_config *config, br_severity severity, int64_t at_ms)
{
    return state->raised_severity != 0 && (uint32_t)severity <= state->raised_severity &&
           at_ms - state->raised_at_ms < config->refractory_ms;
}

// Source: Lavin and Ahmad 2015 (Numenta Anomaly Benchmark) score one detection a window, which a
// refractory period imitates; m-of-n voting is Lam and Suen 1997.
rt_err
br_vote_count(br_vote *state, const br_vote_config *config, const br_reading *readings,
              size_t count, int64_t at_ms, br_verdict *ret_verdict)
{
    rt_err err;

    RT_ASSERT(state != NULL && config != NULL && ret_verdict != NULL);
    RT_ASSERT(readings != NULL || count == 0);
    err = check_readings(config, readings, count);
    if (err != RT_OK) {
        return err;
    }
    sum_up(config, readings, count, ret_verdict);
    if (ret_verdict->severity >= BR_SEVERITY_WARNING &&
        !is_silenced(state, config, ret_verdict->severity, at_ms)) {
        ret_verdict->raised = true;
        state->raised_at_ms = at_ms;
        state->raised_severity = (uint32_t)ret_verdict->severity;
        state->raised_count++;
    }
    return RT_OK;
}
