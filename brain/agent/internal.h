// brain/agent/internal.h: what the files of this folder share; nobody else includes it.
//
// Layer: brain/agent.   Threads: the host's loop thread.
#ifndef CEREBRO_BRAIN_AGENT_INTERNAL_H
#define CEREBRO_BRAIN_AGENT_INTERNAL_H

#include "brain/agent/runner.h"
#include "runtime/actor/mailbox.h"
#include "runtime/actor/supervisor.h"

// Table numbers of a host's store: agents have (id - 1) * 4 + 1 + index = 1..60.
#define BR__TABLE_RUNNER 61
#define BR__TABLE_LETTERS 62
#define BR__TABLE_HOST 63
#define BR__TABLE_IDENTITY 64

// --- said.c: what agents say, collected between two takes ------------------------------------
typedef enum br__saying {
    BR__PROPOSALS,
    BR__PREDICTIONS,
    BR__EMISSIONS,
    BR__TIMERS,
    BR__SAYINGS, // number of kinds
} br__saying;

typedef struct br__mark {
    uint32_t count[BR__SAYINGS];
} br__mark;

typedef struct br__said br__said;

// br__said_new makes an empty collection; br__said_free releases it.
br__said *br__said_new(void) RT_MUST_USE;
void br__said_free(br__said *said);
// br__said_clear forgets everything and keeps the memory.
void br__said_clear(br__said *said);
// br__said_arena holds the texts of what is said.
rt_arena *br__said_arena(br__said *said);
// br__said_add appends one zeroed item of a kind and returns it for filling in.
void *br__said_add(br__said *said, br__saying kind);
// br__said_mark remembers how much was said; br__said_undo forgets what came after.
br__mark br__said_mark(const br__said *said);
void br__said_undo(br__said *said, const br__mark *mark);
// br__said_since is how much of a kind was said after a mark.
uint32_t br__said_since(const br__said *said, const br__mark *mark, br__saying kind);
// br__said_close makes everything since `mark` the answer for record `seq`, if there is anything.
void br__said_close(br__said *said, const br__mark *mark, uint64_t seq);
// br__said_is_full tells that no further answer or failure fits before the next take.
bool br__said_is_full(const br__said *said);
// br__said_fail adds a dead letter; only counted when there are too many.
void br__said_fail(br__said *said, uint64_t seq, rt_str agent, uint64_t attempts,
                   const char *cause);
// br__said_view fills the lists of an answers message; views last until br__said_clear.
void br__said_view(br__said *said, msg_answers *ret_answers);

// --- playset.c: a playbook set as last recorded, shared by the agents that have reached it -----
typedef struct br__playset br__playset;

// br__playset_new copies and reads a PLAYBOOKS payload; the new set has one reference.
//   errors    RT_EPROTO
rt_err br__playset_new(uint64_t seq, rt_bytes payload, br__playset **ret_set) RT_MUST_USE;
// br__playset_ref adds a reference; NULL gives NULL.
br__playset *br__playset_ref(br__playset *set);
// br__playset_unref drops one and frees the set with the last; NULL is fine.
void br__playset_unref(br__playset *set);
// br__playset_seq is the record it came from, br__playset_payload that record's payload.
uint64_t br__playset_seq(const br__playset *set);
rt_bytes br__playset_payload(const br__playset *set);
// br__playset_version, _count and _text read it; a NULL set is empty.
uint64_t br__playset_version(const br__playset *set);
size_t br__playset_count(const br__playset *set);
rt_str br__playset_text(const br__playset *set, size_t index, rt_str *ret_file);

// --- agent.c: one agent ------------------------------------------------------------------------
#define BR__AGENT_MAGIC 0xa9e47001u

struct br_agent {
    uint32_t magic;
    br_runner *runner;
    const br_agent_def *def;
    rt_str name;
    uint64_t name_hash;
    void *state;
    bool is_up;       // init succeeded and fini was not called since
    bool must_restart; // a handler failed: rebuild the state before the next record
    rt_param_value *params;
    rt_table *tables[BR_AGENT_TABLES_MAX];
    br__playset *playset;
    rt_mailbox *mailbox;
    rt_supervisor supervisor;
    uint64_t skip_upto; // records up to here are in its rows already
    // The record in work; `is_working` only inside a handler.
    bool is_working;
    bool has_rng;
    uint64_t seq;
    br__mark mark;
    rt_rng rng;
    // Figures since start.
    uint64_t heard;
    uint64_t proposals;
    uint64_t restarts;
    const char *crash_line;
};

// br__agent_params reads defaults and overrides.   errors    RT_ECONFIG findings in `diag`
rt_err br__agent_params(br_agent *agent, const rt_node *overrides, rt_arena *arena,
                        rt_diag *diag) RT_MUST_USE;

// --- the runner ----------------------------------------------------------------------------------
#define BR__RUNNER_MAGIC 0x44e2d001u

// Who hears an event type: a range of all hearers.
typedef struct br__hearer {
    uint8_t agent; // index
    br_on_event on_event;
} br__hearer;

typedef struct br__hearing {
    uint16_t first; // in hearers
    uint16_t count;
} br__hearing;

struct br_runner {
    uint32_t magic;
    br_runner_config config;
    br_agent *agents;
    size_t agent_count; // those whose init was called
    br__hearing *hearings;  // by event type index
    br__hearer *hearers;
    size_t hearer_count;
    const rt_event_type *timer_type; // NULL when the catalogue has none
    int timer_owner_slot;
    size_t decision_hearers;
    msg_agent_info *infos;
    rt_str late[BR_RUNNER_AGENTS_MAX];
    rt_arena *lasting; // as long as the runner
    rt_arena *scratch; // one handler
    rt_arena *decoded; // one record
    br__said *said[2];
    unsigned filling; // which of them
    bool is_taken;    // the filling one was handed out: turn to the other before the next word
    bool is_any_behind;
    br__playset *newest;
    uint64_t saved_playset; // seq of the set in the table
    rt_table *table;
    uint64_t malformed;
    rt_event event; // the record in work, decoded
};

// runner.c
// br__agent_start runs the agent's init on its zeroed state.   errors    those of init
rt_err br__agent_start(br_agent *agent) RT_MUST_USE;
// br__on_overflow makes a record that its mailbox (user = agent) dropped a dead letter.
void br__on_overflow(void *user, const rt_record *record);

// start.c
// br__runner_start checks the agents, builds the dispatch table and starts them in order.
//   errors    as br_runner_new; what was started is left to br_runner_free
rt_err br__runner_start(br_runner *runner) RT_MUST_USE;

// save.c
// br__runner_load_playset reads the playbook set of the last cut, if there is one.
//   errors    RT_ECORRUPT
rt_err br__runner_load_playset(br_runner *runner) RT_MUST_USE;
// br__runner_load_position reads how far the agent was at the last cut.
void br__runner_load_position(br_runner *runner, br_agent *agent);

#endif
