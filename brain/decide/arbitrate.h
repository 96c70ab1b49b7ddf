// brain/decide/arbitrate.h: resolves conflicts between proposals; pure.
//
// Layer: brain/decide.   Threads: any; no state.
// Order of the rules, for all candidates of one event:
//   1. a veto forbids its action (or all, "*") on its target;
//   2. candidates are looked at from the highest score (priority x confidence) down; ties go to the
//      higher expected value, then the lower cost, then the name of the proposer, then the order of
//      arrival, so that a tie never depends on timing;
//   3. each must pass the gate (a callback); a refused one leaves its place to the next;
//   4. of one exclusive group and target only the first admitted wins, the others lose to it.
#ifndef CEREBRO_BRAIN_DECIDE_ARBITRATE_H
#define CEREBRO_BRAIN_DECIDE_ARBITRATE_H

#include "brain/core/core_msgs.h"
#include "brain/pack/pack.h"

#define BR_CANDIDATES_MAX 64 // of one event
#define BR_WHY_MAX 160

typedef struct br_candidate {
    msg_candidate msg;        // proposal filled in by the caller; score, verdict and why set here
    const br_action *action;  // NULL: unknown, refused
    bool shadow;              // never wins: its playbook is in shadow
    bool waits;               // set while admitting: refused for now, it is asked again
    char why[BR_WHY_MAX];     // backing of msg.why
} br_candidate;

// Asked once per candidate that could win; false refuses it with a reason in `why`.
typedef bool (*br_admit)(void *user, br_candidate *candidate);

// br_arbitrate sets score, verdict and why of every candidate. Order in the array is kept.
//   returns   the number of winners
uint32_t br_arbitrate(br_candidate *candidates, uint32_t count, br_admit admit, void *user);

#endif
