// brain/core/brain.h: the decision cycle: doors, journal, state, agents' hosts, executors.
//
// Layer: brain/core (may use runtime/**, brain/**).   Threads: the brain's loop only.
// One turn of the loop: take what arrived (journal it, fold it, send it to the agents), decide what
// is answered, commit everything made in the turn with one sync, then acknowledge, publish and
// execute. Nothing is acknowledged, published or executed before its record is durable.
#ifndef CEREBRO_BRAIN_CORE_BRAIN_H
#define CEREBRO_BRAIN_CORE_BRAIN_H

#include "brain/core/state.h"
#include "runtime/seam/http.h"
#include "runtime/seam/net.h"

#define BR_HOSTS_MAX 16
#define BR_HOST_AGENTS_MAX 15
#define BR_WEBHOOKS_MAX 32

typedef struct br_tenant_config {
    uint16_t number; // 1.., stable for ever: it is part of every key
    const char *name;
    int64_t utc_offset_ms;
} br_tenant_config;

typedef struct br_host_entry {
    const char *name;
    const char *url; // the brain listens here, the host dials
    // its agents by name: who is recorded as missing as long as the host has not said hello
    const char *agents[BR_HOST_AGENTS_MAX];
    size_t agent_count;
} br_host_entry;

#define BR_ROLE_USERS_MAX 64

// Who may use the control door, and approve what playbooks ask for: `viewer` looks, `operator` may
// everything, others answer what asks for them.
typedef struct br_role {
    const char *name;
    uint32_t uids[BR_ROLE_USERS_MAX];
    size_t uid_count;
} br_role;

typedef struct br_webhook {
    const char *name;
    const char *url;
    rt_bytes key; // for signing (Standard Webhooks); empty = unsigned
    int64_t timeout_ms;
    uint32_t attempts;
} br_webhook;

typedef struct br_brain_config {
    const br_pack *pack;
    const char *data_dir; // journal/ and state/ below it
    uint64_t segment_bytes;
    uint64_t journal_max_bytes;
    bool sync; // false only in benchmarks that say so
    uint64_t store_map_bytes;
    int64_t cut_every_ms;
    br_state_config state;
    const br_tenant_config *tenants;
    size_t tenant_count;
    bool clock_from_events;  // the brain's clock is driven by the events' own time
    int64_t future_max_ms;   // wall clock: an event further ahead is refused
    int64_t age_max_ms;      // an event older than this is refused
    int64_t clock_lag_max_ms; // events' clock: how far it may run ahead of undecided events
    int64_t deadline_ms;     // agents answer within this or are recorded as missing
    int64_t rate_per_source; // events a second from one source; 0 = unlimited
    const char *ingest_url;  // NULL = no such door
    const char *pull_url;
    const char *publish_url;
    const char *control_path;
    uint32_t control_gid; // group whose users reach the control door; 0 = the owner alone
    rt_net_limits limits;
    const br_host_entry *hosts;
    size_t host_count;
    const br_role *roles;
    size_t role_count;
    const br_webhook *webhooks;
    size_t webhook_count;
    rt_http_config http;
    const char *halt_file; // its existence halts all actions; NULL = none
    const char *playbook_dir; // NULL = no playbooks
    const char *build;
    int64_t idle_tick_ms;    // how long it sleeps at most with nothing to do; 0: a tick
    int64_t sample_every_ms; // of its own metrics; 0: every 10 s
    // brainctl config show: writes the effective configuration; may be NULL
    void (*describe_config)(void *user, rt_mpw *w);
    void *describe_user;
    // where a tool finds what this brain was started with; may be NULL
    const char *config_file;
    const char *work_dir; // relative paths are meant from here
} br_brain_config;

typedef struct br_brain br_brain;

// br_brain_new opens journal and state, recovers, and opens the agents' links; doors stay closed
// until every host has caught up (or agents_wait passed).
//   errors    RT_ECORRUPT RT_ELOCKED RT_ECONFIG RT_EIO …; findings about playbooks in `diag`
rt_err br_brain_new(rt_loop *loop, const br_brain_config *config, rt_diag *diag,
                    br_brain **ret) RT_MUST_USE;
// What a start comes to, before it makes a record of its own.
typedef struct br_inspection {
    uint64_t state_hash;
    uint64_t applied_seq;
    uint64_t states_rebuilt;
    uint64_t undecided;
    rt_journal_info journal;
} br_inspection;

// br_brain_inspect opens journal and state and recovers just as br_brain_new does, mends what a
// start mends, tells what came out, and closes everything.
//   errors    as br_brain_new
rt_err br_brain_inspect(rt_loop *loop, const br_brain_config *config, rt_diag *diag,
                        br_inspection *ret_inspection) RT_MUST_USE;
// br_brain_stop stops taking input, finishes what is undecided (at most `patience_ms`), commits,
// saves the state and then calls on_stopped.
void br_brain_stop(br_brain *brain, int64_t patience_ms, void (*on_stopped)(void *user),
                   void *user);
// br_brain_hang_up answers whoever still waits at the control door and removes its socket; for a
// process that ends without br_brain_free. Nothing may run on the loop afterwards.
void br_brain_hang_up(br_brain *brain);
// br_brain_free releases it after it stopped.
void br_brain_free(br_brain *brain);
// br_brain_reload_playbooks reads the playbook directory again; the old set stays live when the new
// one has errors. Takes effect once everything taken before is decided.
//   errors    RT_ECONFIG findings in `diag`
rt_err br_brain_reload_playbooks(br_brain *brain, rt_diag *diag) RT_MUST_USE;
// br_brain_note_playbooks says who made the set live that goes live next, how and why; it is kept
// in the set's record. Without such a set it does nothing.
void br_brain_note_playbooks(br_brain *brain, rt_str by, rt_str how, rt_str reason);
// br_check_playbooks compiles a playbook directory without a brain.
//   errors    RT_ECONFIG findings in `diag`
rt_err br_check_playbooks(const br_pack *pack, const char *dir, rt_diag *diag) RT_MUST_USE;
// br_brain_ready tells whether the doors are open.
bool br_brain_ready(const br_brain *brain);
// br_brain_failed is the error that made the brain stop by itself, or RT_OK.
rt_err br_brain_failed(const br_brain *brain);
// br_brain_journal is the journal's figures, as of now.
rt_journal_info br_brain_journal(const br_brain *brain);
// br_brain_state is the state, for tests and the simulator.
br_state *br_brain_state(br_brain *brain);

#endif
