// brain/core/internal.h: the brain's inside, shared by the files of brain/core only.
#ifndef CEREBRO_BRAIN_CORE_INTERNAL_H
#define CEREBRO_BRAIN_CORE_INTERNAL_H

#include "brain/core/brain.h"
#include "brain/core/decide.h"
#include "brain/core/metrics.h"
#include "brain/core/pending.h"
#include "runtime/base/map.h"

#define BR_TURN_EVENTS_MAX 4096
#define BR_LANES 3
#define BR_LANE_DEPTH 4096
#define BR_REPLY_BYTES_MAX (1024u * 1024)
#define BR_TURN_ARENA_BYTES (64u * 1024 * 1024)
#define BR_ANSWER_PARCELS_MAX 128
#define BR_HOST_BATCH_MAX 8192
#define BR_EXECUTE_MAX 1024 // actions started in one turn
#define BR_REJECT_RECORDS_PER_SECOND 100
#define BR_HOST_PATIENCE_US (5 * 1000000LL) // a host that is away longer is not waited for
#define BR_FEED_RECORDS_MAX 2048            // of one batch read from the journal
#define BR_SETTLING_MAX 1024 // failures of one host; it reports those beyond again
#define BR_TICK_MS 20
#define BR_TELL_EVERY_US 500000

// One message at a door, with as much of it taken as the turn allowed.
typedef struct br_delivery {
    rt_request *request; // acknowledged door, else NULL
    rt_parcel *parcel;   // fire-and-forget door, else NULL
    rt_ctl_call *call;   // brainctl events publish, else NULL
    bool json;
    rt_mpw transcoded; // JSON turned into msgpack
    rt_mp at;          // the next event to take
    uint32_t left;     // events still to take
    uint32_t count;
    uint64_t ok;
    uint64_t duplicates;
    uint64_t errors;
    rt_mpw results; // one entry per event taken
    struct br_delivery *next;
} br_delivery;

typedef struct br_lane {
    br_delivery *first;
    br_delivery *last;
    size_t depth;
} br_lane;

// Answers of a host that are not used up yet.
typedef struct br_answers {
    rt_parcel *parcel;
    rt_arena *arena;
    msg_answers msg;
    uint64_t from_seq; // they cover from_seq..msg.upto_seq
    uint32_t next;     // first answer not used
} br_answers;

// A failure that a host reported: it is told once the journal is durable up to `seq`.
typedef struct br_settling {
    uint64_t number;
    uint64_t seq;
} br_settling;

typedef struct br_host_link {
    br_brain *brain;
    unsigned index;
    const char *name;
    rt_link *link;
    bool up;      // said hello on this connection
    bool known;   // said hello since the brain started
    int64_t down_since_us;
    bool live;    // gets records as they are made; else fed from the journal
    uint64_t fed; // last seq it was sent or that needs no sending
    uint64_t answered;
    uint64_t saved;    // a restart of the host begins behind this record
    uint64_t awaiting; // upto_seq of the last batch sent and not answered; 0 = none
    uint64_t told_committed;
    br_settling *settling; // failures that this host has to be told of
    uint32_t settling_count;
    rt_journal_reader *reader;
    msg_agent_info *agents;
    uint32_t agent_count;
    rt_arena *agents_arena;
    uint64_t hears[RT_CATALOG_TYPES_MAX / 64];
    bool wants_decisions;
    msg_fed *batch;
    uint32_t batch_count;
    uint64_t batch_first;
    br_answers *queue; // ring of BR_ANSWER_PARCELS_MAX
    uint32_t queue_first;
    uint32_t queue_count;
    msg_agent_state *states; // health as last told
    uint32_t state_count;
    rt_arena *states_arena;
    uint64_t state_hash;
    uint64_t state_hash_seq;
} br_host_link;

typedef struct br_to_execute {
    char action_id[BR_ACTION_ID_MAX];
} br_to_execute;

// A ring of BR_OUTBOX_MAX actions.
typedef struct br_execute_queue {
    br_to_execute *items;
    uint32_t first;
    uint32_t count;
} br_execute_queue;

// A publication's share of them.
typedef struct br_part {
    uint32_t count;
    size_t end; // offset in the items
    uint64_t first_seq;
    uint64_t last_seq;
} br_part;

// Decisions of one tenant made in this turn, to be published after its commit.
typedef struct br_outgoing {
    rt_mpw items;
    br_part *parts;
    uint32_t part_count;
    uint32_t part_cap;
} br_outgoing;

typedef struct br_retry br_retry; // a webhook being tried

typedef struct br_control br_control; // the control door: calls under way, tails, rates

// Figures at the last sample of the runtime's own metrics.
typedef struct br_samples {
    uint64_t events;
    uint64_t bad;
    uint64_t decided;
    uint64_t decide_sum;
} br_samples;

struct br_brain {
    rt_loop *loop;
    br_brain_config config;
    rt_journal *journal;
    rt_kv *kv;
    rt_store *store;
    br_state *state;
    br_pending *pending;
    br_metrics metrics;
    // doors
    rt_rep *rep;
    rt_pull *pull;
    rt_pub *pub;
    rt_ctl *ctl;
    rt_http *http;
    br_lane lanes[BR_LANES];
    uint32_t lane_credit[BR_LANES];
    br_delivery *current;
    br_delivery *done_first; // taken whole, waiting for the commit
    br_delivery *done_last;
    br_delivery *spare;
    uint64_t own_types[RT_CATALOG_TYPES_MAX / 64]; // that producers cannot send
    bool doors_open;
    bool doors_paused;
    // hosts
    br_host_link hosts[BR_HOSTS_MAX];
    unsigned host_count;
    int64_t hosts_since_us;
    // turn
    rt_wake *wake;
    rt_timer *tick;
    rt_arena *arena;        // of one consultation
    rt_arena *decide_arena; // of one decision
    rt_mpw scratch;
    rt_mpw message;
    br_situation *situation;
    bool commit_stalled; // the disk is full: the group is kept and tried again
    int64_t last_commit_us;
    int64_t last_cut_us;
    int64_t cut_rest_us; // no cut before
    int64_t last_sample_us;
    int64_t last_told_us;
    int64_t tick_due_us; // with idle_tick_ms: when on_tick comes next
    br_samples samples;
    int64_t started_us;
    bool cutting;
    unsigned fill_step; // of the state's store, as last warned of
    uint64_t decided_seq;     // every event up to here has a decision that is durable
    uint64_t cut_decided_seq; // meta.decided_seq of the cut under way
    // publications
    br_outgoing *outgoing; // per tenant number
    uint64_t publish_number;
    // executors
    br_execute_queue execute;
    br_execute_queue webhooks; // that wait until fewer are under way
    br_to_execute *interrupted; // by a restart, until the doors open
    uint32_t interrupted_count;
    br_retry *retries;
    uint32_t retry_count;
    // sources
    rt_map *rates;
    int64_t rates_since_us;
    uint64_t reject_records;
    int64_t reject_since_us;
    // playbooks waiting to become live
    bool schedules_wait; // a set with schedules is live and nobody has said so
    br_playbooks *next_playbooks;
    char next_by[64]; // who made it live, how and why; empty: nobody is known
    char next_how[64];
    char next_reason[512];
    br_control *control;
    // stop
    rt_err failed;
    uint64_t refused; // rt_alloc_refused when it began
    bool stopping;
    int64_t stop_deadline_us;
    void (*on_stopped)(void *user);
    void *stopped_user;
};

// --- time.c ---
// br__now_ms is the brain's clock for a record about something that happened at `time_ms`
// (RT_TIME_NONE: now): never going backwards.
#define RT_TIME_NONE INT64_MIN
int64_t br__now_ms(br_brain *brain, int64_t time_ms);
// br__fire_timers takes timer.fired events that are due at `now_ms`.
void br__fire_timers(br_brain *brain, int64_t now_ms);
// br__tick_arm sets when on_tick comes next: soon when something is under way, else when the next
// timer, cut or sample is due, at most idle_tick_ms from now.
void br__tick_arm(br_brain *brain);
// br__clock_runs tells whether the clock shows anything yet: one driven by events waits for the
// first.
bool br__clock_runs(const br_brain *brain);
// br__sample_every_us is how often the brain's own metrics are taken.
int64_t br__sample_every_us(const br_brain *brain);
// br__tenant_name is the configured name of a tenant ("system" for 0).
rt_str br__tenant_name(const br_brain *brain, rt_tenant tenant);
// br__tenant_find resolves a tenant's name; false when unknown.
bool br__tenant_find(const br_brain *brain, rt_str name, rt_tenant *ret_tenant);

// --- take.c ---
// br__turn_room tells whether the group of this turn has room for more; else the next turn goes on.
bool br__turn_room(const br_brain *brain);
// br__take journals, folds and routes one event whose tenant, type and data are set.
//   errors    RT_ELIMIT causal depth or record size · RT_EFULL no room: try again next turn
rt_err br__take(br_brain *brain, rt_event *event, uint64_t *ret_seq) RT_MUST_USE;
// br__take_internal makes and takes an event of the brain's own from a msgpack data map.
typedef struct br_internal_event {
    const char *type;
    rt_tenant tenant;
    rt_str id;
    rt_str source;
    rt_str subject;
    rt_str correlation;
    rt_str causation;
    uint8_t depth;
    int64_t time_ms; // RT_TIME_NONE = the clock
    rt_bytes data;
} br_internal_event;
rt_err br__take_internal(br_brain *brain, const br_internal_event *made,
                         rt_reject *ret_reject) RT_MUST_USE;
// br__starved tells whether memory was refused since the start, or something else went wrong for
// good: then nothing made since may leave, and the brain gives up.
bool br__starved(br_brain *brain);
// br__reject_record journals a refused input (rate-limited).
void br__reject_record(br_brain *brain, rt_str door, const rt_reject *reject, rt_bytes input);

// --- intake.c ---
// br__intake_open opens the ingest doors.
rt_err br__intake_open(br_brain *brain) RT_MUST_USE;
// br__intake_take takes events from the lanes, up to the turn's bound; true when any was taken.
bool br__intake_take(br_brain *brain);
// br__intake_waiting tells whether events wait to be taken.
bool br__intake_waiting(const br_brain *brain);
// br__intake_deliver queues a message of a door (or of brainctl) on its lane.
void br__intake_deliver(br_brain *brain, rt_request *request, rt_parcel *parcel, rt_ctl_call *call,
                        rt_bytes body);
// br__intake_acknowledge answers everything that is taken and now durable.
void br__intake_acknowledge(br_brain *brain);
// br__intake_pause stops or resumes the doors.
void br__intake_pause(br_brain *brain, bool paused);
// br__intake_refuse tells brainctl's callers that what they published will not be taken; producers
// at the other doors find out by the end of their connection.
void br__intake_refuse(br_brain *brain);
// br__intake_free releases what waits, producers unanswered.
void br__intake_free(br_brain *brain);

// --- hosts.c ---
// br__hosts_open listens for all configured hosts.
rt_err br__hosts_open(br_brain *brain) RT_MUST_USE;
// br__hosts_note adds a new record to the batches of the live hosts that hear it.
void br__hosts_note(br_brain *brain, const rt_record *record, const rt_event_type *type,
                        bool decision_said);
// br__hosts_flush sends batches and feeds hosts that are behind.
void br__hosts_flush(br_brain *brain);
// br__hosts_tell_committed lets quiet hosts know what is durable.
void br__hosts_tell_committed(br_brain *brain);
// br__hosts_keep lowers `keep` to the last record that no host needs any more: those up, what they
// were not fed yet; with `for_restarts` also what any host would need if it were killed now.
uint64_t br__hosts_keep(const br_brain *brain, uint64_t keep, bool for_restarts);
// br__hosts_told tells whether every host that is up knows what is durable.
bool br__hosts_told(const br_brain *brain);
// br__hosts_caught_up tells whether every host is up and live.
bool br__hosts_caught_up(const br_brain *brain);
// br__hosts_hear is the set of hosts with an agent that hears the type.
uint64_t br__hosts_hear(const br_brain *brain, const rt_event_type *type);
// br__hosts_collect fills the answers to `seq` and the agents that did not answer.
void br__hosts_collect(br_brain *brain, const br_undecided *event, br_hearing *hearing);
// br__hosts_drop forgets answers up to `seq`.
void br__hosts_drop(br_brain *brain, uint64_t seq);
// br__hosts_free releases links' memory.
void br__hosts_free(br_brain *brain);

// --- decisions.c ---
// br__decide_ready decides answered or overdue events in order; true when any was decided.
bool br__decide_ready(br_brain *brain);

// --- execute.c ---
// br__execute_add queues an action for execution after the next commit.
void br__execute_add(br_brain *brain, rt_str action_id);
// br__execute_waiting is how many are queued, webhooks that wait for others to end included.
uint32_t br__execute_waiting(const br_brain *brain);
// br__execute_run starts queued actions; their intents are durable.
void br__execute_run(br_brain *brain);
// br__execute_free cancels webhooks under way.
void br__execute_free(br_brain *brain);
// br__execute_note_interrupted remembers which actions an earlier run left without outcome; call it
// before this run decides anything: what it starts itself is not interrupted.
void br__execute_note_interrupted(br_brain *brain);
// br__execute_recover resolves the actions noted.
void br__execute_recover(br_brain *brain);

// --- publish.c ---
// br__publish_decision adds a durable decision to the next publication.
void br__publish_decision(br_brain *brain, const rt_record *record, uint16_t tenant);
// br__publish_flush sends what was added; call after the commit.
void br__publish_flush(br_brain *brain);
// br__publish_action publishes one action under actions.<tenant>.<type>.
void br__publish_action(br_brain *brain, const br_intent *intent);
// br__publish_alert publishes an event under alerts.<tenant>.
void br__publish_alert(br_brain *brain, const rt_event *event);

// --- storage.c ---
// br__open_storage opens journal and state; a damaged state is set aside, for recovery to rebuild.
//   errors    RT_ECORRUPT the journal is damaged, or the state beyond repair · RT_EIO …
rt_err br__open_storage(br_brain *brain, rt_diag *diag) RT_MUST_USE;
// br__close_state closes the state and its store; fine on one that is not open.
void br__close_state(br_brain *brain);
// br__watch_fill warns when the state's store fills up.
void br__watch_fill(br_brain *brain);

// --- recover.c ---
// br__recover folds the journal's tail and queues undecided events.
rt_err br__recover(br_brain *brain, rt_diag *diag) RT_MUST_USE;
// br__load_playbooks reads and compiles the playbook directory.
rt_err br__load_playbooks(br_brain *brain, rt_diag *diag, br_playbooks **ret_set) RT_MUST_USE;
// br__wait asks the live playbooks and adds the event to those that wait for their decision.
//   payload   of its record, kept when a course of a playbook needs it
br_undecided *br__wait(br_brain *brain, const rt_event *event, const br_situation *situation,
                       rt_bytes payload);

// --- control.c: br__control_open and _close are the operator's door ---
rt_err br__control_open(br_brain *brain) RT_MUST_USE;
// br__control_tails sends new records to those who follow.
void br__control_tails(br_brain *brain);
// br__control_tick goes on with what waits for time to pass; br__control_waits tells whether
// anything does.
void br__control_tick(br_brain *brain);
bool br__control_waits(const br_brain *brain);
void br__control_close(br_brain *brain);
// br__control_hang_up ends all calls and removes the socket, without waiting for reads under way.
void br__control_hang_up(br_brain *brain);
// br__control_published ends an `events.publish` call with the delivery's answer.
void br__control_published(rt_ctl_call *call, rt_bytes reply);

// br__fail stops the brain after an error it cannot go on from.
void br__fail(br_brain *brain, rt_err err, const char *what);

#endif
