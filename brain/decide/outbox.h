// brain/decide/outbox.h: actions between intent and outcome.
//
// Layer: brain/decide.   Threads: brain loop.
// A winning candidate becomes an intent when its decision is folded; its outcome (action.executed)
// ends it. What a restart finds here without an outcome was perhaps executed: executors that carry
// the idempotency key to a receiver that honours it run again, everything else becomes `unknown`.
#ifndef CEREBRO_BRAIN_DECIDE_OUTBOX_H
#define CEREBRO_BRAIN_DECIDE_OUTBOX_H

#include "brain/core/core_msgs.h"
#include "brain/pack/pack.h"
#include "runtime/store/store.h"

#define BR_ACTION_ID_MAX 64
#define BR_OUTBOX_MAX 100000

typedef struct br_intent {
    rt_tenant tenant;
    uint64_t decision_seq; // seq of the event decided on
    int64_t at_ms;
    uint8_t depth; // causal depth of the event decided on
    rt_str action_id;
    rt_str action;
    rt_str target;
    rt_bytes args;
} br_intent;

typedef struct br_outbox br_outbox;

// br_outbox_new declares the store's table.
rt_err br_outbox_new(rt_store *store, br_outbox **ret) RT_MUST_USE;
// br_outbox_free releases it (not the store).
void br_outbox_free(br_outbox *outbox);
// br_outbox_add folds an intent. `group` names what is exclusive on the target, may be empty.
void br_outbox_add(br_outbox *outbox, const br_intent *intent, rt_str group);
// br_outbox_end folds an outcome; false when no such action is in flight.
bool br_outbox_end(br_outbox *outbox, rt_str action_id);
// br_outbox_get views an intent in flight; the views last until the outbox next changes.
bool br_outbox_get(const br_outbox *outbox, rt_str action_id, br_intent *ret_intent);
// br_outbox_raw views an intent's row, to be kept with a dead letter; br_outbox_restore makes it an
// intent again, with the same idempotency key.
bool br_outbox_raw(const br_outbox *outbox, rt_str action_id, rt_bytes *ret_row);
void br_outbox_restore(br_outbox *outbox, rt_bytes row);
// br_outbox_rival finds the action in flight that an intent restored from `row` would meet on its
// target and group; {NULL,0} without. Such an intent must not be restored.
rt_str br_outbox_rival(const br_outbox *outbox, rt_bytes row);
// br_outbox_in_flight finds the action in flight on a target and group; {NULL,0} without.
rt_str br_outbox_in_flight(const br_outbox *outbox, rt_tenant tenant, rt_str target, rt_str group);
// br_outbox_count is the number of actions in flight.
size_t br_outbox_count(const br_outbox *outbox);
// br_outbox_next walks intents in order of insertion, from *cursor = 0.
bool br_outbox_next(const br_outbox *outbox, size_t *cursor, br_intent *ret_intent);

#endif
