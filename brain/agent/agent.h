// brain/agent/agent.h: how an agent is written: one definition, handlers, and these few calls.
//
// Layer: brain/agent.   Threads: the host's loop thread only.
// An agent is a fold over the journal: it is given records in journal order and changes only its
// own tables; everything else it does goes through these calls. What must survive a restart lives
// in a table row; the state struct holds bindings and scratch that init can rebuild, which it does
// after each failure. A handler is undone as a whole when it returns an error, so a row is never
// half changed. No clocks, randomness, I/O or global state: time is event->at_ms, randomness is
// br_agent_rng.
#ifndef CEREBRO_BRAIN_AGENT_AGENT_H
#define CEREBRO_BRAIN_AGENT_AGENT_H

#include "brain/core/core_msgs.h"
#include "runtime/base/rng.h"
#include "runtime/config/param.h"
#include "runtime/journal/journal.h"
#include "runtime/store/key.h"
#include "runtime/store/store.h"
#include "runtime/wire/event.h"

#define BR_AGENT_TABLES_MAX 4
#define BR_AGENT_ID_MAX 15
#define BR_ANSWER_PROPOSALS_MAX 16   // of one agent for one record
#define BR_ANSWER_PREDICTIONS_MAX 16
#define BR_ANSWER_EMISSIONS_MAX 16
#define BR_ANSWER_TIMERS_MAX 16

typedef struct br_agent br_agent;

typedef rt_err (*br_on_event)(br_agent *self, void *state, const rt_event *event);
typedef rt_err (*br_on_decision)(br_agent *self, void *state, const rt_record *record,
                                 const msg_decision *decision);

typedef struct br_handler {
    const char *event; // event type of the catalogue; "timer.fired" hears only the agent's own
    br_on_event on_event;
} br_handler;

typedef struct br_agent_def {
    uint8_t id;       // 1..15, unique and stable: it numbers the agent's tables on disk
    const char *name; // lower case, one word
    const char *doc;  // one line: what it decides
    size_t state_size;
    rt_err (*init)(br_agent *self, void *state); // declare tables, bind fields
    void (*fini)(br_agent *self, void *state);   // may be NULL
    const br_handler *handlers;
    size_t handler_count;
    // May be NULL. Hears decisions that had candidates or predictions, some time after the event.
    // It only listens: what is proposed, emitted or set there belongs to no event and is dropped.
    br_on_decision on_decision;
    const rt_param *params;     // tunables, see runtime/config/param.h; may be NULL
    size_t param_count;
} br_agent_def;

// br_agent_table declares table number `index` (0..3) in init.
//   errors    RT_ECORRUPT stored rows are damaged · RT_EIO
rt_err br_agent_table(br_agent *self, unsigned index, const char *name,
                      rt_table **ret_table) RT_MUST_USE;
// br_agent_catalog is the event catalogue (bind field slots in init).
const rt_catalog *br_agent_catalog(const br_agent *self);
// br_agent_bind finds the slot of a field of an event type; a missing one stops the start.
//   errors    RT_ECONFIG names the type and field
rt_err br_agent_bind(br_agent *self, const char *event, const char *field,
                     int *ret_slot) RT_MUST_USE;
// br_agent_param_f64, _i64, _bool, _str read a tunable by name (default, agents.yaml, or override).
double br_agent_param_f64(const br_agent *self, const char *name);
int64_t br_agent_param_i64(const br_agent *self, const char *name);
bool br_agent_param_bool(const br_agent *self, const char *name);
rt_str br_agent_param_str(const br_agent *self, const char *name);
// br_agent_arena is scratch memory, cleared after init and after each handler.
rt_arena *br_agent_arena(br_agent *self);
// br_agent_rng is a stream seeded from (agent, record seq): equal in every replay.
rt_rng *br_agent_rng(br_agent *self);
// br_agent_utc_offset_ms is the tenant's local time minus UTC (Colombia: -5 h).
int64_t br_agent_utc_offset_ms(const br_agent *self, rt_tenant tenant);
// br_agent_playbook_count and _text give the live playbook set as last recorded: a list of files.
size_t br_agent_playbook_count(const br_agent *self);
rt_str br_agent_playbook_text(const br_agent *self, size_t index, rt_str *ret_file);
// br_agent_playbooks_version changes when a new set became live.
uint64_t br_agent_playbooks_version(const br_agent *self);

// The following four are for handlers only (asserted).
// br_propose asks for an action. Everything is copied. `agent` is filled in.
//   errors    RT_ELIMIT more than BR_ANSWER_PROPOSALS_MAX for this record · RT_ENOMEM
//             RT_EMISSING no action · RT_ERANGE priority, confidence, value or propensity
//             RT_EPROTO RT_ETYPE `args` is not one msgpack map (empty means none)
rt_err br_propose(br_agent *self, const msg_proposal *proposal) RT_MUST_USE;
// br_predict records a model output with its factors, proposed or not. `agent` is filled in.
//   errors    RT_ELIMIT RT_ENOMEM · RT_ERANGE a value that is not finite
rt_err br_predict(br_agent *self, const msg_prediction *prediction) RT_MUST_USE;
// br_emit raises an event of the catalogue about `subject`; `data` is one msgpack map. It is
// validated like any other event by the brain and carries this record as its cause.
//   errors    RT_EUNKNOWN no such event type · RT_ELIMIT RT_ENOMEM · RT_EPROTO RT_ETYPE `data`
rt_err br_emit(br_agent *self, const char *event, rt_str subject, rt_bytes data) RT_MUST_USE;
// br_timer_set sets or moves the durable timer `key` of this agent; it comes back as timer.fired
// with data.owner = agent name, data.key = key and the given subject, at the tenant of this record.
// due_ms 0 cancels.
//   errors    RT_EMISSING no key · RT_ELIMIT too many, or a text too long · RT_ERANGE RT_ENOMEM
rt_err br_timer_set(br_agent *self, rt_str key, int64_t due_ms, rt_str subject) RT_MUST_USE;

#endif
