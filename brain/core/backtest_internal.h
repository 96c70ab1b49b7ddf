// brain/core/backtest_internal.h: shared by the files backtest*.c only.
#ifndef CEREBRO_BRAIN_CORE_BACKTEST_INTERNAL_H
#define CEREBRO_BRAIN_CORE_BACKTEST_INTERNAL_H

#include "brain/core/backtest.h"
#include "brain/core/decide.h"
#include "runtime/base/map.h"

// Events of the fork's own have numbers of their own above every recorded one, so that recorded
// events keep theirs, and with them their actions' names.
#define BR__OWN_SEQ (UINT64_C(1) << 62)

// What is known of an event on its way to its decision.
typedef struct br__fork_item {
    uint64_t seq;
    int64_t at_ms;
    bool is_own;      // decided as soon as it is at the head, not where a record says so
    bool as_recorded; // before the period: its recorded decision is taken
} br__fork_item;

// A winner on its way to its outcome.
typedef struct br__fork_action {
    char id[BR_ACTION_ID_MAX];
    bool is_new;
} br__fork_action;

// Events that the last decision raises, by name of who raises them, until the record goes on.
typedef struct br__fork_raise {
    uint64_t seq; // of the event decided on; 0 = nothing is being raised
    int64_t at_ms;
    rt_tenant tenant;
    uint8_t depth;
    bool as_recorded;
    rt_str correlation; // views the decision
    rt_str event_id;
    const msg_emission *emissions;
    uint32_t count;
    uint32_t next;
    uint32_t number; // of the next one raised
} br__fork_raise;

typedef struct br__fork {
    const br_backtest_config *config;
    br_backtest_result *result;
    rt_store *store;
    br_state *state;
    br_pending *pending;
    br__fork_item *items; // ring parallel to pending
    size_t first;
    br_situation *situation;
    br_situation *known; // from the record, when the journal's beginning is missing
    // What else is taken to be known of an event; NULL: what the fork knows.
    const br_situation *(*know)(void *user, const br_situation *seen);
    void *know_user;
    rt_arena *arena;     // of consulting
    rt_arena *decide_arena;
    rt_arena *decode_arena;
    rt_mpw scratch;
    rt_mpw wire;
    rt_mpw context; // and payload: the record of an event that a course needs again
    rt_mpw payload;
    uint64_t seq;      // of the record read last
    uint64_t own_seq;  // given last
    bool was_decided;  // since the last record: what this raises and leads to comes first
    bool in_batch;     // timers are being fired together, before what they lead to
    int64_t batch_ms;  // wall clock: when that was
    rt_journal_reader *scout; // ahead, to see how far the events' clock went; NULL until needed
    uint64_t scout_seq;       // of the event from outside it stands at
    int64_t scout_ms;
    br__fork_raise raise;
    rt_map *skipped;   // seq of recorded events that do not happen and whose decision is to come
    rt_map *matched;   // recorded action id -> number of the same action among the fork's winners
    rt_map *recorded_timers; // owner and key -> due, of the recorded run
    rt_map *timers;          // the same of the fork
    br__fork_action *queue;  // ring of BR_OUTBOX_MAX
    size_t queue_first;
    size_t queue_count;
} br__fork;

// --- backtest.c ---
// br__fork_take takes an event: consulted, folded, and waiting when it is to be decided.
rt_err br__fork_take(br__fork *f, rt_event *event, bool decided, bool is_own) RT_MUST_USE;
// br__fork_at is the brain's clock for something that happens at `time_ms`, or that was recorded at
// `at_ms`: with the events' own clock it follows from the fork alone.
int64_t br__fork_at(const br__fork *f, int64_t time_ms, int64_t at_ms);
// br__fork_open makes the parts for config and result, which are set; br__fork_renew forgets all
// that happened and makes another set live (taken); br__fork_close frees everything, whatever
// br__fork_open came to.
rt_err br__fork_open(br__fork *f, rt_diag *diag) RT_MUST_USE;
rt_err br__fork_renew(br__fork *f, br_playbooks *set) RT_MUST_USE;
void br__fork_close(br__fork *f);
// br__fork_happen lets an event without a record happen at event->time_ms, after everything that is
// due before, with all that it leads to; br__fork_wait only lets the time pass.
rt_err br__fork_happen(br__fork *f, rt_event *event) RT_MUST_USE;
rt_err br__fork_wait(br__fork *f, int64_t until_ms) RT_MUST_USE;
// br__fork_live tells whether the period has begun.
bool br__fork_live(const br__fork *f, int64_t at_ms);

// --- backtest_own.c: what the brain makes itself ---
// br__fork_note_timers keeps what a decision set: by the recorded run, or by the fork.
void br__fork_note_timers(rt_map *timers, uint64_t tenant, const msg_decision *decision);
// br__fork_match_winners finds the recorded actions among the fork's; the others are new.
void br__fork_match_winners(br__fork *f, const msg_decision *recorded, const msg_decision *again);
// br__fork_run_new ends new actions: all of them, or those before `until` (may be empty) in the
// queue, which leaves it.
rt_err br__fork_run_new(br__fork *f, rt_str until) RT_MUST_USE;
// br__fork_raise_own raises what is left of the last decision's events, or those of proposers whose
// names come before `until`.
rt_err br__fork_raise_own(br__fork *f, rt_str until) RT_MUST_USE;
// br__fork_fire fires timers that only the fork has and are due by `due_ms`, up to the first that
// has a record.
rt_err br__fork_fire(br__fork *f, int64_t due_ms) RT_MUST_USE;
// br__fork_end_batch fires what a live brain fires together with the recorded timers before it.
rt_err br__fork_end_batch(br__fork *f) RT_MUST_USE;
// What becomes of a recorded event that the recorded run made itself.
typedef enum br__fork_fate {
    BR__FORK_KEEP, // it happens as recorded
    BR__FORK_DROP, // it does not happen
    BR__FORK_MADE, // it was made anew in its place
} br__fork_fate;
// br__fork_recorded says so, after what the fork has to do before it.
rt_err br__fork_recorded(br__fork *f, const rt_event *event, br__fork_fate *ret_fate) RT_MUST_USE;
// br__fork_is_raised tells whether the last decision raised an event, br__fork_is_executed whether
// it came of an action.
bool br__fork_is_raised(const br__fork *f, const rt_event *event);
bool br__fork_is_executed(const rt_event *event);

// --- backtest_same.c ---
// br__fork_same compares two decisions on the same event, but for versions of the playbook set.
bool br__fork_same(const msg_decision *a, const msg_decision *b);
// br__fork_says tells whether anybody said anything.
bool br__fork_says(const msg_decision *decision);

#endif
