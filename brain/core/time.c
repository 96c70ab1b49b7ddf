// The brain's clock and the timers it drives.
#include <stdio.h>

#include "brain/core/internal.h"
#include "runtime/seam/clock.h"

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
