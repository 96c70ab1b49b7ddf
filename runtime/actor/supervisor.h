// actor/supervisor.h: when a failing actor may try again, and when to give up; policy only.
//
// Layer: runtime/actor (may use runtime/base).   Threads: one owner.
// No clock inside: now_us is a parameter, so that tests and replays decide what time it is. After a
// failure the actor rests, each time twice as long, until a message succeeds; the same message is
// tried `tries_max` times and then given up; more than `failures_max` failures within `window_us`
// quarantine the actor. (Erlang/OTP's restart intensity, with the backoff that OTP leaves out.)
#ifndef CEREBRO_RUNTIME_ACTOR_SUPERVISOR_H
#define CEREBRO_RUNTIME_ACTOR_SUPERVISOR_H

#include <stdbool.h>
#include <stdint.h>

#include "runtime/base/attr.h"

#define RT_SUPERVISOR_FAILURES_MAX 15 // largest failures_max

typedef struct rt_supervision {
    int64_t backoff_first_us;
    int64_t backoff_max_us;
    uint32_t tries_max;    // of one message, at least 1
    uint32_t failures_max; // tolerated within window_us
    int64_t window_us;
    int64_t quarantine_us;
} rt_supervision;

// RT_SUPERVISION_DEFAULT is the house policy: 10 ms doubling to 5 s, 3 tries, 5 failures in 10 s.
#define RT_SUPERVISION_DEFAULT                                                                     \
    ((rt_supervision){                                                                             \
        .backoff_first_us = 10000,                                                                 \
        .backoff_max_us = 5000000,                                                                 \
        .tries_max = 3,                                                                            \
        .failures_max = 5,                                                                         \
        .window_us = 10000000,                                                                     \
        .quarantine_us = 60000000,                                                                 \
    })

typedef enum rt_supervisor_state {
    RT_SUPERVISOR_RUNNING,
    RT_SUPERVISOR_RESTING,
    RT_SUPERVISOR_QUARANTINED,
} rt_supervisor_state;

typedef enum rt_supervisor_verdict {
    RT_SUPERVISOR_RETRY,   // the same message again, once the rest is over
    RT_SUPERVISOR_GIVE_UP, // that message is a dead letter; go on with the next
} rt_supervisor_verdict;

typedef struct rt_supervisor {
    rt_supervision policy;
    rt_supervisor_state state;
    int64_t ready_at_us;   // end of the rest or quarantine
    uint32_t tries;        // of the message in work
    uint32_t failures_run; // since the last success; sets the backoff
    uint32_t ring_next;
    uint32_t ring_count;
    int64_t ring_us[RT_SUPERVISOR_FAILURES_MAX + 1]; // the last failures, failures_max + 1 of them
} rt_supervisor;

// rt_supervisor_init begins in the running state.
void rt_supervisor_init(rt_supervisor *sup, rt_supervision policy);
// rt_supervisor_is_ready tells whether the actor may work now; a rest that is over ends here.
bool rt_supervisor_is_ready(rt_supervisor *sup, int64_t now_us);
// rt_supervisor_ready_at is when the rest is over, -1 when it is not resting.
int64_t rt_supervisor_ready_at(const rt_supervisor *sup);
// rt_supervisor_succeeded records that the message in work was done.
void rt_supervisor_succeeded(rt_supervisor *sup);
// rt_supervisor_failed records a failure of the message in work and says what becomes of it. The
// actor rests afterwards unless the message was given up; see rt_supervisor_is_ready.
rt_supervisor_verdict rt_supervisor_failed(rt_supervisor *sup, int64_t now_us) RT_MUST_USE;
// rt_supervisor_drop forgets the message in work, because it was taken away meanwhile.
void rt_supervisor_drop(rt_supervisor *sup);
// rt_supervisor_tries is how often the message in work has failed so far.
uint32_t rt_supervisor_tries(const rt_supervisor *sup);
// rt_supervisor_state_name is "running", "restarting" or "quarantined".
const char *rt_supervisor_state_name(const rt_supervisor *sup);

#endif
