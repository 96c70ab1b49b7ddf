// brain/core/decide.h: makes the decision on one event from everything that was said about it.
//
// Layer: brain/core.   Threads: brain loop.
// A pure function of state, event and answers, so that a replay comes to the same record: proposals
// are taken in order of the proposers' names, conflicts resolved, the gate asked, the record
// filled.
#ifndef CEREBRO_BRAIN_CORE_DECIDE_H
#define CEREBRO_BRAIN_CORE_DECIDE_H

#include "brain/core/pending.h"
#include "brain/core/state.h"

#define BR_ANSWERS_MAX 256 // to one event: one a host, and one more for each agent that was late

typedef struct br_hearing {
    const br_undecided *event;
    int64_t now_ms;
    const msg_answer *answers[BR_ANSWERS_MAX]; // of the hosts that said something
    uint32_t answer_count;
    const rt_str *missing; // agents without an answer at the deadline
    uint32_t missing_count;
} br_hearing;

typedef struct br_outcome {
    msg_decision decision; // ready to be encoded
    const msg_emission *emissions;
    uint32_t emission_count;
    uint32_t winner_count;
} br_outcome;

// br_decide fills the decision. Everything it points to lives in `arena` or in the hearing.
//   errors    RT_ENOMEM the arena's limit · RT_EPROTO a damaged consultation
rt_err br_decide(const br_state *state, const br_hearing *hearing, rt_arena *arena,
                 br_outcome *ret_outcome) RT_MUST_USE;

#endif
