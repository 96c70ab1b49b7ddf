#include "agents/logistics/say.h"

#include <math.h>

#include "runtime/base/check.h"

#define RISK_MODEL "delay-risk"
#define CHOICE_MODEL "carrier-choice/1"
#define PROGRESS_MODEL "delay-progress/1"
#define RULE_MODEL "rules/1"

#define TOP_FACTORS 5
#define CARRIER_FACTORS 5

#define PRIORITY_ASSIGN 40
#define PRIORITY_EXPEDITE 60
#define PRIORITY_REASSIGN 65
#define PRIORITY_RESCHEDULE 70
#define PRIORITY_CAPACITY 30
#define PRIORITY_VETO 100

#define HOUR_MS 3600000.0

// Formats "order/<id>"; an arena that is full gives empty text, which br_propose then refuses.
static rt_str
order_subject(logistics_speaker speaker, rt_str id)
{
    return rt_arena_printf(br_agent_arena(speaker.self), "order/%.*s", RT_STR_ARG(id));
}

static void
put_str(rt_mpw *w, uint32_t *pairs, const char *name, rt_str value)
{
    if (value.len > 0) {
        rt_mpw_cstr(w, name);
        rt_mpw_str(w, value);
        (*pairs)++;
    }
}

static void
put_f64(rt_mpw *w, uint32_t *pairs, const char *name, double value)
{
    rt_mpw_cstr(w, name);
    rt_mpw_f64(w, value);
    (*pairs)++;
}

// --- prediction ---

static size_t
largest(const double *contributions, const bool *taken)
{
    size_t best = LOGISTICS_FEATURES;

    for (size_t i = 0; i < LOGISTICS_FEATURES; i++) {
        if (!taken[i] &&
            (best == LOGISTICS_FEATURES ||
             fabs(contributions[i + 1]) > fabs(contributions[best + 1]))) {
            best = i;
        }
    }
    return best;
}

rt_err
logistics_say_risk(logistics_speaker speaker, const logistics_risk *risk,
                   const double features[LOGISTICS_FEATURES])
{
    msg_factor factors[TOP_FACTORS + 1];
    bool taken[LOGISTICS_FEATURES] = {false};
    msg_prediction prediction = {
        .model = RT_STR(RISK_MODEL),
        .version = risk->version,
        .value = risk->probability,
        .factors = {factors, RT_COUNT(factors)},
    };

    for (size_t i = 0; i < TOP_FACTORS; i++) {
        size_t at = largest(risk->contributions, taken);

        taken[at] = true;
        factors[i] = (msg_factor){
            .name = rt_str_of(logistics_feature_name(at)),
            .value = features[at],
            .contribution = risk->contributions[at + 1],
        };
    }
    factors[TOP_FACTORS] = (msg_factor){
        .name = RT_STR("usual"), .value = 1, .contribution = risk->contributions[0]};
    return br_predict(speaker.self, &prediction);
}

// --- carriers ---

// What the best would lose if it were like the runner-up in this one respect.
static double
lead_by(const logistics_verdict *v, const logistics_option *changed)
{
    return v->choice.best_score - logistics_score(changed, v->days_left);
}

static void
explain_carrier(const logistics_verdict *v, msg_factor factors[CARRIER_FACTORS])
{
    const logistics_option *best = &v->options[v->choice.best];
    const logistics_option *second = &v->options[v->choice.second];
    logistics_option changed = *best;

    changed.on_time = second->on_time;
    factors[0] = (msg_factor){RT_STR("in_time_rate"), best->on_time, lead_by(v, &changed)};
    changed = *best;
    changed.transit_days = second->transit_days;
    factors[1] = (msg_factor){RT_STR("transit_days"), best->transit_days, lead_by(v, &changed)};
    changed = *best;
    changed.failed = second->failed;
    factors[2] = (msg_factor){RT_STR("failed_attempts"), best->failed, lead_by(v, &changed)};
    changed = *best;
    changed.load = second->load;
    factors[3] = (msg_factor){RT_STR("load"), best->load, lead_by(v, &changed)};
    changed = *best;
    changed.health = second->health;
    factors[4] = (msg_factor){RT_STR("degraded"), best->health == LOGISTICS_HEALTH_UP ? 0 : 1,
                              lead_by(v, &changed)};
}

static rt_str
carrier_reason(logistics_speaker speaker, const logistics_verdict *v)
{
    const logistics_option *best = &v->options[v->choice.best];
    const logistics_option *second = &v->options[v->choice.second];
    rt_arena *arena = br_agent_arena(speaker.self);

    if (v->choice.second == v->choice.best) {
        return rt_arena_printf(arena, "%.*s is the only carrier that works there now",
                               RT_STR_ARG(best->carrier));
    }
    return rt_arena_printf(arena,
                           "%.*s: %.0f %% in time%s%.*s, %.1f days; %s %.*s: %.0f %%, %.1f days",
                           RT_STR_ARG(best->carrier), 100 * best->on_time,
                           v->city.len > 0 ? " to " : "", RT_STR_ARG(v->city), best->transit_days,
                           v->from.len > 0 ? "has it now" : "runner-up",
                           RT_STR_ARG(second->carrier), 100 * second->on_time,
                           second->transit_days);
}

rt_err
logistics_say_carrier(logistics_speaker speaker, rt_str id, const logistics_verdict *verdict)
{
    msg_factor factors[CARRIER_FACTORS];
    rt_mpw *w = speaker.scratch;
    uint32_t pairs = 0;
    size_t map = 0;
    bool again = verdict->from.len > 0;
    msg_proposal proposal = {
        .model = RT_STR(CHOICE_MODEL),
        .action = again ? RT_STR("reassign_carrier") : RT_STR("assign_carrier"),
        .target = order_subject(speaker, id),
        .priority = again ? PRIORITY_REASSIGN : PRIORITY_ASSIGN,
        .confidence = verdict->choice.confidence,
        .value = verdict->choice.best_score,
        .propensity = 1,
        .reason = carrier_reason(speaker, verdict),
        .factors = {factors, RT_COUNT(factors)},
    };

    explain_carrier(verdict, factors);
    rt_mpw_clear(w);
    map = rt_mpw_map32(w);
    put_str(w, &pairs, "carrier", verdict->options[verdict->choice.best].carrier);
    put_str(w, &pairs, "from", verdict->from);
    rt_mpw_patch32(w, map, pairs);
    proposal.args = rt_mpw_view(w);
    return br_propose(speaker.self, &proposal);
}

rt_err
logistics_say_expedite(logistics_speaker speaker, rt_str id, rt_str carrier,
                       const logistics_delay *delay)
{
    msg_factor factor = {RT_STR("risk"), delay->risk, delay->risk};
    rt_mpw *w = speaker.scratch;
    uint32_t pairs = 0;
    size_t map = 0;
    msg_proposal proposal = {
        .model = RT_STR(PROGRESS_MODEL),
        .action = RT_STR("expedite_order"),
        .target = order_subject(speaker, id),
        .priority = PRIORITY_EXPEDITE,
        .confidence = delay->risk,
        .value = 0.3,
        .propensity = 1,
        .reason = rt_arena_printf(br_agent_arena(speaker.self), "%s (risk %.2f)", delay->why,
                                  delay->risk),
        .factors = {&factor, 1},
    };

    rt_mpw_clear(w);
    map = rt_mpw_map32(w);
    put_str(w, &pairs, "carrier", carrier);
    put_str(w, &pairs, "reason", rt_str_of(delay->why));
    rt_mpw_patch32(w, map, pairs);
    proposal.args = rt_mpw_view(w);
    return br_propose(speaker.self, &proposal);
}

rt_err
logistics_say_delay(logistics_speaker speaker, rt_str id, const logistics_order *order,
                    const logistics_delay *delay)
{
    rt_mpw *w = speaker.scratch;
    uint32_t pairs = 0;
    size_t map = 0;
    double over_ms = (double)delay->at_ms - (double)order->promised_at_ms;

    rt_mpw_clear(w);
    map = rt_mpw_map32(w);
    put_str(w, &pairs, "customer_id", logistics_order_text(order, LOGISTICS_CUSTOMER));
    put_str(w, &pairs, "carrier", logistics_order_carrier(order));
    put_str(w, &pairs, "city", logistics_order_text(order, LOGISTICS_CITY));
    put_f64(w, &pairs, "risk", delay->risk);
    put_f64(w, &pairs, "delay_hours", fmax(over_ms, 0) / HOUR_MS);
    rt_mpw_cstr(w, "promised_at");
    rt_mpw_i64(w, order->promised_at_ms);
    pairs++;
    if (order->value >= 0) {
        put_f64(w, &pairs, "value", order->value);
    }
    rt_mpw_patch32(w, map, pairs);
    return br_emit(speaker.self, "delay.detected", order_subject(speaker, id), rt_mpw_view(w));
}

rt_err
logistics_say_reschedule(logistics_speaker speaker, rt_str id, const logistics_window *window,
                         int64_t attempt)
{
    char text[LOGISTICS_WINDOW_CAP];
    msg_factor factor = {RT_STR("attempt"), (double)attempt, 0};
    rt_mpw *w = speaker.scratch;
    uint32_t pairs = 0;
    size_t map = 0;
    msg_proposal proposal = {
        .model = RT_STR(RULE_MODEL),
        .action = RT_STR("reschedule_delivery"),
        .target = order_subject(speaker, id),
        .priority = PRIORITY_RESCHEDULE,
        .confidence = 0.9,
        .value = 0.5,
        .propensity = 1,
        .reason = rt_str_of(window->note),
        .factors = {&factor, 1},
    };

    rt_mpw_clear(w);
    map = rt_mpw_map32(w);
    put_str(w, &pairs, "window", rt_str_of(logistics_window_format(window, text)));
    put_str(w, &pairs, "note", rt_str_of(window->note));
    rt_mpw_patch32(w, map, pairs);
    proposal.args = rt_mpw_view(w);
    return br_propose(speaker.self, &proposal);
}

rt_err
logistics_say_capacity(logistics_speaker speaker, rt_str carrier, rt_str city, int64_t capacity,
                       int64_t load)
{
    double ratio = capacity > 0 ? (double)load / (double)capacity : 1;
    msg_factor factor = {RT_STR("load_ratio"), ratio, ratio};
    rt_arena *arena = br_agent_arena(speaker.self);
    rt_mpw *w = speaker.scratch;
    rt_str text = rt_arena_printf(arena, "%.*s in %.*s: %lld of %lld orders taken today",
                                  RT_STR_ARG(carrier), RT_STR_ARG(city), (long long)load,
                                  (long long)capacity);
    msg_proposal proposal = {
        .model = RT_STR(RULE_MODEL),
        .action = RT_STR("capacity_alert"),
        .target = rt_arena_printf(arena, "carrier/%.*s", RT_STR_ARG(carrier)),
        .priority = PRIORITY_CAPACITY,
        .confidence = 1,
        .value = 0.1,
        .propensity = 1,
        .reason = text,
        .factors = {&factor, 1},
    };
    uint32_t pairs = 0;
    size_t map = 0;

    rt_mpw_clear(w);
    map = rt_mpw_map32(w);
    put_str(w, &pairs, "city", city);
    put_str(w, &pairs, "text", text);
    rt_mpw_patch32(w, map, pairs);
    proposal.args = rt_mpw_view(w);
    return br_propose(speaker.self, &proposal);
}

rt_err
logistics_say_veto(logistics_speaker speaker, rt_str id, rt_str reason)
{
    msg_proposal proposal = {
        .model = RT_STR(RULE_MODEL),
        .action = RT_STR("*"),
        .target = order_subject(speaker, id),
        .priority = PRIORITY_VETO,
        .confidence = 1,
        .veto = true,
        .propensity = 1,
        .reason = reason,
    };

    return br_propose(speaker.self, &proposal);
}
