// brain/decide/gate.h: the one gate that every action passes, whoever proposed it.
//
// Layer: brain/decide.   Threads: brain loop.
// In order: the kill switch; the closed list of actions and the schema of their arguments; the
// length of target and arguments and the kind of the target; quiet hours for actions that reach a
// customer; one action per target and group in flight; cooldown per action and target; budgets per
// target and day, per tenant and hour and for all actions of a tenant in a minute; the executor's
// circuit breaker (half of the last 20 outcomes failed: closed for 60 s). Admission only looks;
// what an admitted action uses up is taken by
// br_gate_consume when its decision is folded, so a replay of the journal comes to the same state.
#ifndef CEREBRO_BRAIN_DECIDE_GATE_H
#define CEREBRO_BRAIN_DECIDE_GATE_H

#include "brain/decide/arbitrate.h"
#include "brain/decide/outbox.h"
#include "runtime/store/store.h"

#define BR_GATE_ARGS_MAX 32768 // bytes of an action's arguments, so that its intent fits in a row
#define BR_GATE_QUIET "quiet hours" // reason of a refusal
#define BR_BREAKER_WINDOW 20
#define BR_BREAKER_OPEN_MS (60 * 1000)

typedef struct br_gate_config {
    int64_t actions_per_minute; // of one tenant, all actions together
    int32_t quiet_from_min;     // local minute of the day from which customers are left alone
    int32_t quiet_until_min;    // local minute of the day from which they may be reached again
    const int64_t *utc_offset_ms; // by tenant number
    size_t tenant_count;
} br_gate_config;

typedef struct br_gate br_gate;

// What is being asked for: one candidate of the decision on one event.
typedef struct br_admission {
    rt_tenant tenant;
    int64_t now_ms;
    br_candidate *candidate;
    const br_candidate *const *admitted; // earlier winners of the same decision
    uint32_t admitted_count;
} br_admission;

// br_gate_new declares the store's table; `outbox` answers what is in flight.
rt_err br_gate_new(rt_store *store, const br_outbox *outbox, const br_gate_config *config,
                   br_gate **ret) RT_MUST_USE;
// br_gate_free releases it (not the store).
void br_gate_free(br_gate *gate);
// br_gate_admit says whether the action may be taken; the reason of a refusal goes to
// candidate->why.
bool br_gate_admit(const br_gate *gate, const br_admission *admission);
// br_gate_quiet_until_ms is when the quiet hours end that it is in; `now_ms` outside of them.
int64_t br_gate_quiet_until_ms(const br_gate *gate, rt_tenant tenant, int64_t now_ms);
// br_gate_consume folds a taken action into cooldowns and budgets.
void br_gate_consume(br_gate *gate, rt_tenant tenant, int64_t now_ms, const br_action *action,
                     rt_str target);
// br_gate_outcome folds an outcome into the breaker of the action's executor.
void br_gate_outcome(br_gate *gate, const br_action *action, bool failed, int64_t now_ms);
// br_gate_halt and br_gate_resume fold system.halted and system.resumed.
void br_gate_halt(br_gate *gate, int64_t now_ms);
void br_gate_resume(br_gate *gate);
// br_gate_halted tells whether actions are stopped; checked again right before anything leaves.
bool br_gate_halted(const br_gate *gate);

#endif
