// brainctl/decision.h: what a decision item says, for lists, tails and explanations.
//
// Layer: tools/brainctl.   Threads: any.
#ifndef CEREBRO_TOOLS_BRAINCTL_DECISION_H
#define CEREBRO_TOOLS_BRAINCTL_DECISION_H

#include "tools/brainctl/cli.h"
#include "tools/brainctl/value.h"

typedef struct ctl_verdicts {
    rt_bytes winner; // candidate with the highest score that won, or empty
    uint32_t won;     // actions, without vetoes
    uint32_t lost;    // to another one, or vetoed
    uint32_t refused; // by a limit
    uint32_t waiting; // asked again later
    uint32_t shadow;
} ctl_verdicts;

// ctl_verdicts_of counts what became of a decision's candidates.
ctl_verdicts ctl_verdicts_of(rt_bytes item);
// ctl_put_factors appends a list of factors as "name value (+0.31)", largest first as recorded.
void ctl_put_factors(rt_text *out, rt_bytes factors);
// ctl_put_candidates appends the table of candidates; `indent` columns.
void ctl_put_candidates(ctl_run *run, rt_bytes candidates, uint32_t indent);

#endif
