#include "runtime/actor/supervisor.h"

#include <stddef.h>

#include "runtime/base/check.h"

// Design notes.
// Two memories: `tries` belongs to the message in work and ends with it, `failures_run` belongs to
// the actor and ends with its first success. So one poison message costs its tries and a short
// rest, while an actor that fails on everything waits longer each time.
//
//   RUNNING --failed, tries left--> RESTING --ready_at--> RUNNING
//   RUNNING --failed, last try----> RUNNING (the message is given up, the next one follows)
//   RUNNING --more than failures_max failures in window--> QUARANTINED --ready_at--> RUNNING
//
// Invariant: the ring holds the newest failures_max + 1 failures; when it is full and its oldest is
// younger than the window, the intensity is exceeded. After a quarantine the ring begins empty: the
// actor gets the same chance as a new one.

void
rt_supervisor_init(rt_supervisor *sup, rt_supervision policy)
{
    RT_ASSERT(sup != NULL);
    RT_ASSERT(policy.tries_max >= 1);
    RT_ASSERT(policy.failures_max >= 1 && policy.failures_max <= RT_SUPERVISOR_FAILURES_MAX);
    RT_ASSERT(policy.backoff_first_us >= 1);
    RT_ASSERT(policy.backoff_max_us >= policy.backoff_first_us);
    *sup = (rt_supervisor){.policy = policy, .state = RT_SUPERVISOR_RUNNING};
}

bool
rt_supervisor_is_ready(rt_supervisor *sup, int64_t now_us)
{
    if (RT_LIKELY(sup->state == RT_SUPERVISOR_RUNNING)) {
        return true;
    }
    if (now_us < sup->ready_at_us) {
        return false;
    }
    sup->state = RT_SUPERVISOR_RUNNING;
    return true;
}

int64_t
rt_supervisor_ready_at(const rt_supervisor *sup)
{
    return sup->state == RT_SUPERVISOR_RUNNING ? -1 : sup->ready_at_us;
}

void
rt_supervisor_succeeded(rt_supervisor *sup)
{
    sup->tries = 0;
    sup->failures_run = 0;
}

static int64_t
backoff_us(const rt_supervisor *sup)
{
    int64_t rest = sup->policy.backoff_first_us;

    for (uint32_t i = 1; i < sup->failures_run && rest < sup->policy.backoff_max_us; i++) {
        rest *= 2;
    }
    return RT_MIN(rest, sup->policy.backoff_max_us);
}

// Remembers one failure; true when there were too many within the window.
static bool
note_failure(rt_supervisor *sup, int64_t now_us)
{
    uint32_t size = sup->policy.failures_max + 1;

    sup->ring_us[sup->ring_next] = now_us;
    sup->ring_next = (sup->ring_next + 1) % size;
    if (sup->ring_count < size) {
        sup->ring_count++;
    }
    // When full, ring_next is the oldest.
    return sup->ring_count == size && now_us - sup->ring_us[sup->ring_next] < sup->policy.window_us;
}

static void
rest_until(rt_supervisor *sup, rt_supervisor_state state, int64_t until_us)
{
    sup->state = state;
    sup->ready_at_us = until_us;
}

rt_supervisor_verdict
rt_supervisor_failed(rt_supervisor *sup, int64_t now_us)
{
    bool is_last_try = false;

    sup->tries++;
    if (sup->failures_run < UINT32_MAX) {
        sup->failures_run++;
    }
    is_last_try = sup->tries >= sup->policy.tries_max;
    if (note_failure(sup, now_us)) {
        rest_until(sup, RT_SUPERVISOR_QUARANTINED, now_us + sup->policy.quarantine_us);
        sup->ring_count = 0;
        sup->ring_next = 0;
    } else if (!is_last_try) {
        rest_until(sup, RT_SUPERVISOR_RESTING, now_us + backoff_us(sup));
    }
    if (is_last_try) {
        sup->tries = 0;
        return RT_SUPERVISOR_GIVE_UP;
    }
    return RT_SUPERVISOR_RETRY;
}

void
rt_supervisor_drop(rt_supervisor *sup)
{
    sup->tries = 0;
}

uint32_t
rt_supervisor_tries(const rt_supervisor *sup)
{
    return sup->tries;
}

const char *
rt_supervisor_state_name(const rt_supervisor *sup)
{
    switch (sup->state) {
    case RT_SUPERVISOR_RUNNING:
        return "running";
    case RT_SUPERVISOR_RESTING:
        return "restarting";
    case RT_SUPERVISOR_QUARANTINED:
        return "quarantined";
    }
    RT_UNREACHABLE("every state is named above");
}
