// brain/core/rehearse.h: the cases that a playbook brings along (`tests:`), played and judged.
//
// Layer: brain/core.   Threads: one. Knows no clock: a case says when it plays.
// Each case plays in an empty brain with this playbook alone: events happen at the times that it
// names, actions are executed at once, verifications fire when their time has come. There are no
// quiet hours and no limit of actions a minute, because those belong to a configuration; what the
// pack says of an action (cooldown, budget) holds. Form:
//
//   tests:
//     - name: the second failed attempt asks the customer
//       at: 2026-01-05T12:00:00-05:00      # when it begins (that, a Monday)
//       given:                             # what is known unless an event says otherwise
//         order/1: {customer_id: c1, status: shipped}
//         memory: {events: 3, idle: 4d}    # of every event's subject
//         feature: {carrier.late_rate: 0.4}
//       events:
//         - {type: delivery.failed, subject: order/1, data: {reason: absent, attempt: 2}}
//         - {after: 72h, expect: [{action: open_case}]}   # time alone; what has come of it
//       expect:                            # of the last of them
//         - {action: notify_customer, target: customer/c1, args: {channel: whatsapp}}
//       verdict: fired                     # or false, error, throttled, refused, lost ...
//       why: data.attempt                  # a part of the reason
//
// `expect` names every action that is taken, in any order; target and args may be left out, and so
// may single args. `expect: []` is none. A playbook in shadow or canary plays as if it were live;
// one that is off is not played.
#ifndef CEREBRO_BRAIN_CORE_REHEARSE_H
#define CEREBRO_BRAIN_CORE_REHEARSE_H

#include "brain/playbook/playbook.h"

#define BR_REHEARSE_GIVEN_MAX 32 // entries of `given`
#define BR_REHEARSE_DECISIONS_MAX 2000 // of one case

typedef struct br_rehearsal {
    rt_str file;
    rt_str playbook;
    rt_str name;   // of the case
    uint32_t line; // where it stands
    bool passed;
    bool skipped; // its playbook is off
    rt_str text;  // what was not as expected, one line each; empty when it passed
} br_rehearsal;

// br_rehearse plays all cases of all files; what fails is an error in `diag` at its place
// (B2501 a case without an expectation, or too long · B2502 an event or fact that does not fit the
// pack · B2503 another decision).
//   on_case   may be NULL
//   errors    RT_ECONFIG findings · RT_ENOMEM
rt_err br_rehearse(const br_pack *pack, const br_playbook_file *files, size_t count, rt_diag *diag,
                   void (*on_case)(void *user, const br_rehearsal *rehearsal),
                   void *user) RT_MUST_USE;

#endif
