// brainctl/verdict.h: what became of a playbook in a recorded decision: one word, and why.
//
// Layer: tools/brainctl (may use core_msgs.h).   Threads: any.
#ifndef CEREBRO_TOOLS_BRAINCTL_VERDICT_H
#define CEREBRO_TOOLS_BRAINCTL_VERDICT_H

#include "brain/core/core_msgs.h"
#include "runtime/base/arena.h"
#include "tools/brainctl/render.h"

typedef enum ctl_answer {
    CTL_SAID_NOTHING, // it was not looked at
    CTL_SAID_YES,     // an action of it is done, or its run has begun
    CTL_SAID_NO,
    CTL_SAID_ERROR,
    CTL_SAID_MATCHED,   // a part of its pattern; the others are still to come
    CTL_SAID_THROTTLED,
    CTL_SAID_OFF,       // by an operator, or by its guardrails
    CTL_SAID_SHADOW,    // it fired, and may not act
    CTL_SAID_CANARY,    // it fired, for a key outside of its share
    CTL_SAID_HELD,      // asked again later
    CTL_SAID_ASKED,     // somebody has to agree first
    CTL_SAID_BUDGET,    // refused by a budget of its own
    CTL_SAID_CALENDAR,  // refused by its own hours
    CTL_SAID_REFUSED,   // by the gate: cooldown, quiet hours, limits of the pack
    CTL_SAID_LOST,      // to another proposal
    CTL_SAID_VETOED,
    CTL_SAID_RUNNING, // its actions in order go on, or have ended
    CTL_SAID_VERIFIED,
    CTL_SAID_NOT_VERIFIED,
    CTL_SAID_EXPIRED, // nobody answered in time
    CTL_SAID_DENIED,
} ctl_answer;

typedef struct ctl_verdict {
    ctl_answer answer;
    rt_str why;
    bool fired; // its condition held, whatever became of it
} ctl_verdict;

// ctl_verdict_of reads it out of a decision; `why` lies in `arena` or in the decision.
ctl_verdict ctl_verdict_of(const msg_decision *decision, rt_str playbook, rt_arena *arena);
// ctl_consulted_of is the playbook's own entry, NULL without.
const msg_consulted *ctl_consulted_of(const msg_decision *decision, rt_str playbook);
// ctl_is_of tells whether a proposer is that playbook.
bool ctl_is_of(rt_str agent, rt_str playbook);
// ctl_answer_name is its word: yes, no, ERR, throttled ...; ctl_answer_stage what settled it:
// condition, throttle, mode, canary, budget, calendar, approval, arbitration, gate ...
const char *ctl_answer_name(ctl_answer answer);
const char *ctl_answer_stage(ctl_answer answer);
// ctl_answer_style is how it is shown.
ctl_style ctl_answer_style(ctl_answer answer);

#endif
