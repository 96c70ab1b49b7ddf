// brain/agent/runner.h: runs a set of agents over journal records, supervised, without any link.
//
// Layer: brain/agent.   Threads: one (the host's loop).
// The runner is what a host, the simulator, a replay and the agents' own tests share. Each agent
// has a bounded mailbox of records; a handler runs inside a savepoint of the host's store and is
// undone when it fails. Supervision: after a failure the agent rests 10 ms, doubled up to 5 s, and
// takes the same record again, with its state struct rebuilt by fini and init; after the third
// failure the record is a dead letter (msg_failure) and the agent goes on with the next; more than
// 5 failures within 10 s quarantine the agent for 60 s, during which its mailbox grows to its
// bound, then the oldest records are given up as dead letters.
// Answers are complete up to `upto_seq` only when no agent is behind.
#ifndef CEREBRO_BRAIN_AGENT_RUNNER_H
#define CEREBRO_BRAIN_AGENT_RUNNER_H

#include "brain/agent/agent.h"

#define BR_RUNNER_AGENTS_MAX 15
#define BR_MAILBOX_COUNT_MAX 65536
#define BR_MAILBOX_BYTES_MAX (32u * 1024 * 1024)
#define BR_POLL_RECORDS_MAX 1024 // waiting records of one agent taken in one poll

typedef struct br_runner br_runner;

typedef struct br_runner_config {
    const br_agent_def *const *agents; // in start order; definitions outlive the runner
    size_t agent_count;
    const rt_catalog *catalog;
    rt_store *store; // the host's own state; borrowed
    const rt_node *overrides; // map agent name -> map parameter -> value (agents.yaml), or NULL
    rt_diag *diag;            // findings about overrides; may be NULL without overrides
    const int64_t *utc_offset_ms; // by tenant number; NULL = all 0
    size_t tenant_count;
} br_runner_config;

// br_check_overrides checks a whole agents.yaml against all agents that there are, as br_runner_new
// does for those it runs; findings go to `diag`.
void br_check_overrides(const br_agent_def *const *agents, size_t count, const rt_node *overrides,
                        rt_arena *arena, rt_diag *diag);
// br_runner_new declares tables, binds fields and starts all agents.
//   errors    RT_ECONFIG an agent's binding or parameter is wrong · RT_ECORRUPT
rt_err br_runner_new(const br_runner_config *config, br_runner **ret_runner) RT_MUST_USE;
// br_runner_free stops agents in reverse order.
void br_runner_free(br_runner *runner);
// br_runner_agents describes agents and what they hear (views live as long as the runner).
size_t br_runner_agents(const br_runner *runner, const msg_agent_info **ret_infos);

// br_runner_feed gives one journal record to every agent that hears it (PLAYBOOKS records to all),
// copying what has to wait. now_us drives supervision only.
//   errors    RT_EPROTO the record cannot be decoded (counted; state unchanged)
rt_err br_runner_feed(br_runner *runner, const rt_record *record, int64_t now_us) RT_MUST_USE;
// br_runner_poll lets agents that rested long enough take their waiting records. Returns the time
// of the next such moment, or -1 when no agent is behind.
int64_t br_runner_poll(br_runner *runner, int64_t now_us);
// br_runner_take moves out everything answered since the last take. Views stay valid until the next
// feed after the next take. `late` names the agents that are behind; `upto_seq` is filled in by the
// caller. Answers stand in order of seq, one for each record that somebody said something about, in
// agent order; what an agent says late may come for a record answered before. Take at least once in
// 65,536 records.
void br_runner_take(br_runner *runner, msg_answers *ret_answers);
// br_runner_late names the agents that are behind; views as of br_runner_take.
rt_msg_list br_runner_late(br_runner *runner);
// br_runner_states fills health figures into `arena`.
void br_runner_states(const br_runner *runner, rt_arena *arena, rt_msg_list *ret_states);
// br_runner_is_behind tells whether any agent has yet to take a record it was given.
bool br_runner_is_behind(const br_runner *runner);
// br_runner_malformed is the number of records that could not be decoded.
uint64_t br_runner_malformed(const br_runner *runner);

// br_runner_save puts what a restart needs besides the agents' rows (the playbook set, and how far
// each agent is when some are behind) into the store, before a cut. `applied_seq` is what has been
// fed; returns the seq to cut at: an agent that is behind is fed its waiting records again, and the
// others pass over those.
uint64_t br_runner_save(br_runner *runner, uint64_t applied_seq) RT_MUST_USE;
// br_runner_hash is a hash of all rows of all agents, the same for a live run and a replay.
uint64_t br_runner_hash(const br_runner *runner);

#endif
