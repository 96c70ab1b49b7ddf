// brainctl/compare.h: what a playbook would have done as if it were live, against what was done.
//
// Layer: tools/brainctl (may use brain/core, brain/math).   Threads: one.
// Fed with the decisions of a backtest in which the playbook is live: those recorded, and those
// made again. An event counts when the playbook was asked about it and did not act itself; it
// agrees when both sides did, or neither. Proportions come with Wilson's interval of 95 %: its
// source stands in brain/math/proportion.h.
#ifndef CEREBRO_TOOLS_BRAINCTL_COMPARE_H
#define CEREBRO_TOOLS_BRAINCTL_COMPARE_H

#include "brain/core/core_msgs.h"
#include "brain/math/proportion.h"
#include "brain/pack/pack.h"

typedef struct ctl_compare ctl_compare;

// What of its guardrails could be seen in the record.
typedef struct ctl_compare_share {
    uint64_t bad;
    uint64_t of;
} ctl_compare_share;

typedef struct ctl_compare_counts {
    // events on which it did not act itself
    uint64_t both;      // it would act, and the same was done on the same target
    uint64_t only_it;   // it would act, and nobody did the same
    uint64_t only_live; // it would not, and an action that it asks for elsewhere was done
    uint64_t neither;
    uint64_t acted; // events on which it did act: a canary, inside of its share
    // as if it were live
    uint64_t would_act; // events on which something of it is done
    uint64_t actions;
    uint64_t contacts; // of them, those that reach a customer
    int64_t cost_cop;
    uint64_t throttled;
    uint64_t held;
    uint64_t asked;  // somebody has to agree
    uint64_t budget; // refused by a budget of its own
    uint64_t calendar;
    uint64_t refused; // by the gate
    uint64_t vetoed;
    uint64_t conflicts_won;  // actions of others that lose to it
    uint64_t conflicts_lost; // its own that lose
    // as it was
    ctl_compare_share errors; // of the times it was to act
    ctl_compare_share verifications;
} ctl_compare_counts;

// ctl_compare_new makes an empty one; `playbook` and `pack` outlive it.
ctl_compare *ctl_compare_new(const br_pack *pack, rt_str playbook) RT_MUST_USE;
// ctl_compare_free releases it; NULL is fine.
void ctl_compare_free(ctl_compare *compare);
// ctl_compare_add counts two decisions on one event; either may be NULL.
void ctl_compare_add(ctl_compare *compare, const msg_decision *recorded,
                     const msg_decision *again);
// ctl_compare_counts_of gives what was counted by now.
ctl_compare_counts ctl_compare_counts_of(const ctl_compare *compare);

#endif
