// healing/policy.h: what follows from what came of a remediation step; pure.
//
// Layer: agents/healing (may use runtime/base).   Threads: any.
#ifndef CEREBRO_AGENTS_HEALING_POLICY_H
#define CEREBRO_AGENTS_HEALING_POLICY_H

#include "runtime/base/attr.h"
#include "runtime/base/bytes.h"
#include "runtime/base/text.h"

#define HEALING_TRIED_MAX 900 // bytes of the list of what was tried
#define HEALING_HOPELESS_TRIES 5

// Where the present step of a run stands; stored.
typedef enum healing_status {
    HEALING_PROPOSED, // no decision heard yet
    HEALING_WAITING,  // it won: waiting for its effect
    HEALING_REFUSED,  // the coordinator said no
    HEALING_FAILED,   // it could not be carried out
} healing_status;

typedef enum healing_move {
    HEALING_CURED,    // the anomaly was cleared after a step that was taken
    HEALING_GONE,     // it was cleared although no step was taken
    HEALING_NEXT,     // try the next step
    HEALING_ESCALATE, // nothing is left to try
} healing_move;

// healing_tally is what is remembered of one step of one playbook; stored.
typedef struct healing_tally {
    uint64_t tried; // it won and its effect was looked at
    uint64_t cured;
    uint64_t refused;
} healing_tally;

// healing_starts tells whether an anomaly of this severity is worked on (warning or critical).
bool healing_starts(rt_str severity);
// healing_next says how to go on when the wait for step `step` of `step_count` is over.
healing_move healing_next(healing_status status, bool cleared, uint32_t step, uint32_t step_count);
// healing_result names what came of a step, for people.
const char *healing_result(healing_status status, bool cleared);
// healing_note appends "2 restart_part: no effect" to the list of what was tried; `why` may be
// empty. A list that is full says so once.
void healing_note(rt_text *tried, uint32_t step, rt_str action, const char *result, rt_str why);
// healing_confidence is the share of cures to expect of a step: its record, drawn to two of three.
double healing_confidence(const healing_tally *tally);
// healing_priority raises a playbook's priority for a critical anomaly, within 0..100.
int64_t healing_priority(int64_t priority, rt_str severity);
// healing_is_hopeless tells whether a step was just tried the fifth, tenth ... time without a cure.
bool healing_is_hopeless(const healing_tally *tally);
// healing_hopeless_confidence says how sure it is that a step does not work, below .8: a person
// changes playbooks.
double healing_hopeless_confidence(const healing_tally *tally);

#endif
