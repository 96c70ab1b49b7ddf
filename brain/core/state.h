// brain/core/state.h: the brain's state as a fold of the journal.
//
// Layer: brain/core.   Threads: brain loop.
// The same two functions apply records whether they were just made, are read back after a crash, or
// are replayed into a fresh state, so all three come to the same bytes. Order for an event:
// br_state_situate (what is known before it), then consulting and journaling, then
// br_state_apply_event.
#ifndef CEREBRO_BRAIN_CORE_STATE_H
#define CEREBRO_BRAIN_CORE_STATE_H

#include "brain/decide/dead.h"
#include "brain/decide/dedup.h"
#include "brain/decide/gate.h"
#include "brain/decide/outbox.h"
#include "brain/decide/timers.h"
#include "brain/features/features.h"
#include "brain/memory/longterm.h"
#include "brain/memory/similar.h"
#include "brain/memory/subject.h"
#include "brain/playbook/course.h"
#include "runtime/journal/journal.h"

#define BR_INSTANCE_LEN 8

// Figures that are part of the fold.
typedef struct br_meta {
    int64_t clock_ms;      // the brain's clock
    uint64_t decided_seq;  // every event that needs a decision, up to here, has one
    uint64_t events;
    uint64_t decisions;
    uint64_t actions; // intents
    uint64_t outcomes;
    uint64_t rejects;
    uint64_t conflicts; // candidates that lost or were vetoed
    uint64_t refusals;  // candidates that the gate refused
    uint64_t playbooks_version;
    uint64_t playbooks_hash;
    char instance[BR_INSTANCE_LEN]; // random name of this journal, part of every action id
} br_meta;

typedef struct br_state_config {
    const br_pack *pack;
    br_gate_config gate;
    uint64_t subjects_max;
    uint64_t memories_max;
    uint32_t dedup_events;
    int64_t dedup_window_ms;
} br_state_config;

typedef struct br_state {
    rt_store *store;
    br_state_config config;
    br_subjects *subjects;
    br_longterm *longterm;
    br_similar *similar;
    br_features *features;
    br_dedup *dedup;
    br_outbox *outbox;
    br_gate *gate;
    br_timers *timers;
    br_dead *dead;
    br_progress *progress;
    rt_table *throttles;
    rt_table *meta_table;
    br_meta meta;
    br_playbooks *playbooks; // the live set; never NULL after br_state_new
    uint64_t applied_seq;
    struct br_places *places; // of the event that was situated last
    rt_arena *scratch;        // cleared by each apply
} br_state;

// br_state_new declares all tables in `store` and restores the live playbook set.
//   errors    RT_ECORRUPT, RT_ECONFIG the stored playbooks do not fit the pack (findings in `diag`)
rt_err br_state_new(rt_store *store, const br_state_config *config, rt_diag *diag,
                    br_state **ret) RT_MUST_USE;
// br_state_free releases it (not the store).
void br_state_free(br_state *state);
// br_state_situate builds the situation of an event whose type, tenant and data are set.
void br_state_situate(const br_state *state, const rt_event *event, int64_t now_ms,
                      br_situation *ret_situation);
// br_state_hears tells whether a playbook may have something to say of an event.
bool br_state_hears(const br_state *state, const rt_event *event);
// br_state_consult asks the live playbooks about an event in its situation.
//   ret->consultation   encoded into `w`; empty when none was looked at
//   ret->follow         the payload of its record is needed when it is decided
//   errors    RT_ENOMEM, RT_ELIMIT: it goes on as if none had been looked at
typedef struct br_consulted_event {
    rt_bytes consultation;
    bool follow;
} br_consulted_event;
rt_err br_state_consult(const br_state *state, const br_situation *situation, rt_arena *arena,
                        rt_mpw *w, br_consulted_event *ret) RT_MUST_USE;
// br_state_apply_event folds an event record; `situation` was built before it.
void br_state_apply_event(br_state *state, const rt_event *event, const br_situation *situation);
// br_state_apply_decision folds a decision record: what it used up, set off and intends.
void br_state_apply_decision(br_state *state, const rt_record *record,
                             const msg_decision *decision);
// br_state_apply_playbooks folds a PLAYBOOKS record: its set becomes live. `set` is the compiled
// set (taken).
void br_state_apply_playbooks(br_state *state, const rt_record *record, br_playbooks *set);
// br_state_decode_playbooks compiles the set in a PLAYBOOKS record.
rt_err br_state_decode_playbooks(const br_pack *pack, rt_bytes payload, rt_diag *diag,
                                 br_playbooks **ret_set) RT_MUST_USE;
// br_state_encode_playbooks writes the payload of a PLAYBOOKS record: [version, [[name, text]
// ...]], and with a note [by, how, reason] behind it, which nothing but people looks at.
//   note   NULL: nobody is known
typedef struct br_set_note {
    rt_str by;
    rt_str how; // apply, rollback ...
    rt_str reason;
} br_set_note;
void br_state_encode_playbooks(uint64_t version, const br_playbook_file *files, size_t count,
                               const br_set_note *note, rt_mpw *w);
// br_state_apply_start and br_state_apply_reject fold the records of those kinds.
void br_state_apply_start(br_state *state, const rt_record *record);
void br_state_apply_reject(br_state *state, const rt_record *record);
// br_state_throttled tells whether a playbook acted for that key within its period; *ret_ago_ms.
bool br_state_throttled(const br_state *state, rt_tenant tenant, rt_str playbook, rt_str key,
                        int64_t now_ms, int64_t *ret_ago_ms);
// br_state_settle writes figures kept outside rows into their row, before a cut or a hash.
void br_state_settle(br_state *state);
// br_state_hash is the hash of the whole state.
uint64_t br_state_hash(br_state *state);

#endif
