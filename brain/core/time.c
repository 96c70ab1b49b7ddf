// The brain's clock and the timers it drives.
#include <stdio.h>

#include "brain/core/internal.h"
#include "runtime/seam/clock.h"

#define SAMPLE_EVERY_US (10 * 1000000LL)

int64_t
br__sample_every_us(const br_brain *brain)
{
    int64_t every_ms = brain->config.sample_every_ms;
    return every_ms > 0 ? every_ms * 1000 : SAMPLE_EVERY_US;
}

bool
br__clock_runs(const br_brain *brain)
{
    return brain->state->meta.clock_ms > 0 || !brain->config.clock_from_events;
}

static bool
is_busy(const br_brain *brain)
{
    return !brain->doors_open || brain->commit_stalled || brain->stopping ||
           brain->next_playbooks != NULL || brain->execute.count > 0 ||
           br_pending_count(brain->pending) > 0 || br__intake_waiting(brain) ||
           rt_journal_pending(brain->journal) > 0 || br__control_waits(brain);
}

// How long nothing has to be looked at.
static int64_t
sleep_us(const br_brain *brain, int64_t now_us)
{
    int64_t us = brain->config.idle_tick_ms * 1000;
    if (is_busy(brain)) {
        return BR_TICK_MS * 1000;
    }
    if (br__clock_runs(brain)) {
        us = RT_MIN(us, brain->last_sample_us + br__sample_every_us(brain) - now_us);
    }
    if (!br__hosts_told(brain)) {
        us = RT_MIN(us, brain->last_told_us + BR_TELL_EVERY_US - now_us);
    }
    if (!brain->cutting && rt_store_dirty(brain->store) > 0) {
        int64_t due_us = brain->last_cut_us + brain->config.cut_every_ms * 1000;
        us = RT_MIN(us, RT_MAX(due_us, brain->cut_rest_us) - now_us);
    }
    if (!brain->config.clock_from_events) {
        int64_t left_ms = br_timers_next_ms(brain->state->timers) - rt_clock_wall_ms();
        us = left_ms < brain->config.idle_tick_ms ? RT_MIN(us, left_ms * 1000) : us;
    }
    return RT_MAX(us, 1000);
}

void
br__tick_arm(br_brain *brain)
{
    if (brain->config.idle_tick_ms == 0) {
        return; // it repeats by itself
    }
    int64_t now_us = rt_clock_mono_us();
    int64_t us = sleep_us(brain, now_us);
    if (now_us + us < brain->tick_due_us) {
        rt_timer_start(brain->tick, (us + 999) / 1000, 0);
        brain->tick_due_us = now_us + us;
    }
}

int64_t
br__now_ms(br_brain *brain, int64_t time_ms)
{
    int64_t now = brain->state->meta.clock_ms;
    if (!brain->config.clock_from_events) {
        return RT_MAX(now, rt_clock_wall_ms());
    }
    return time_ms == RT_TIME_NONE ? now : RT_MAX(now, time_ms);
}

rt_str
br__tenant_name(const br_brain *brain, rt_tenant tenant)
{
    for (size_t i = 0; i < brain->config.tenant_count; i++) {
        if (brain->config.tenants[i].number == tenant.v) {
            return rt_str_of(brain->config.tenants[i].name);
        }
    }
    return RT_STR("system");
}

bool
br__tenant_find(const br_brain *brain, rt_str name, rt_tenant *ret_tenant)
{
    for (size_t i = 0; i < brain->config.tenant_count; i++) {
        if (rt_str_is(name, brain->config.tenants[i].name)) {
            *ret_tenant = (rt_tenant){brain->config.tenants[i].number};
            return true;
        }
    }
    // a deployment with one tenant need not name it
    if (name.len == 0 && brain->config.tenant_count == 1) {
        *ret_tenant = (rt_tenant){brain->config.tenants[0].number};
        return true;
    }
    return false;
}

static void
fire(br_brain *brain, const br_due *due)
{
    rt_mpw data;
    char id[128];
    rt_mpw_init(&data, 1024);
    rt_mpw_map(&data, 2);
    rt_mpw_cstr(&data, "owner");
    rt_mpw_str(&data, due->owner);
    rt_mpw_cstr(&data, "key");
    rt_mpw_str(&data, due->key);
    int len = snprintf(id, sizeof(id), "%llu",
                       (unsigned long long)rt_journal_next_seq(brain->journal));
    br_internal_event event = {.type = "timer.fired",
                               .tenant = due->tenant,
                               .id = {id, (size_t)len},
                               .source = RT_STR("/brain/timers"),
                               .subject = due->subject,
                               .time_ms = due->due_ms,
                               .data = rt_mpw_view(&data)};
    rt_reject reject;
    rt_err err = br__take_internal(brain, &event, &reject);
    if (err != RT_OK) {
        br__fail(brain, err, "a timer could not be recorded");
    }
    brain->metrics.timers_fired++;
    rt_mpw_fini(&data);
}

void
br__fire_timers(br_brain *brain, int64_t now_ms)
{
    br_due due;
    while (brain->failed == RT_OK && br_pending_room(brain->pending, BR_PENDING_RESERVE) &&
           br__turn_room(brain) &&
           br_timers_due(brain->state->timers, now_ms, &due)) {
        fire(brain, &due);
    }
}
