// brain/core/control.h: the inside of the control door, shared by control*.c only.
//
// Layer: brain/core.   Threads: brain loop, except what br_job runs on its own thread.
// A request is a msgpack map {cmd, args}; an answer {ok: true, ...} or {ok: false, error: {code,
// text, hint}}, after frames {items: [...]} when there are many things to tell.
#ifndef CEREBRO_BRAIN_CORE_CONTROL_H
#define CEREBRO_BRAIN_CORE_CONTROL_H

#include "brain/core/show.h"

#define BR_RATE_SAMPLES 11 // one a second: rates over the last 10 s
#define BR_JOBS_MAX 4      // reads of the journal under way
#define BR_TAILS_MAX 16
#define BR_CONTROL_MESSAGE_MAX (4u * 1024 * 1024) // request or frame
#define BR_FRAME_BYTES 65536 // of items; a larger item gets a frame of its own
#define BR_SCAN_ITEMS_MAX 1000
#define BR_SCAN_BYTES_MAX (1024u * 1024)

// What a user may do; each may what those before it may.
typedef enum br_access {
    BR_ACCESS_NONE,
    BR_ACCESS_VIEW,
    BR_ACCESS_ANSWER, // requests of playbooks that ask for a role of the user's
    BR_ACCESS_OPERATE,
} br_access;

typedef struct br_ask {
    br_brain *brain;
    br_control *control;
    rt_ctl_call *call;
    uint32_t uid;
    bool is_owner; // root, or the user that the daemon runs as
    br_access access;
    rt_bytes args; // msgpack map, or empty
} br_ask;

typedef struct br_rate_sample {
    int64_t at_us;
    uint64_t events;
    uint64_t decisions;
    uint64_t actions;
} br_rate_sample;

typedef struct br_job br_job;         // a read of the journal on a thread of its own
typedef struct br_tail br_tail;       // a call that gets new records
typedef struct br_promise br_promise; // a call answered when its record is durable
typedef struct br_hashing br_hashing; // a call that waits for the hosts' hashes

struct br_control {
    br_brain *brain;
    rt_mpw out;      // the frame being written
    rt_arena *arena; // of the frame being written
    br_job *jobs;
    uint32_t job_count;
    br_tail *tails;
    uint32_t tail_count;
    bool tails_behind; // a tail stopped at its bound
    br_promise *promises;
    br_hashing *hashings;
    br_rate_sample samples[BR_RATE_SAMPLES]; // ring
    uint32_t sample_count;                   // ever taken
};

// --- control.c ---
// br__answer_begin starts the answer {ok: true, ...}; br__answer_end sends it and ends the call.
br_map br__answer_begin(const br_ask *ask);
void br__answer_end(const br_ask *ask, br_map *answer);
// br__refuse ends the call with an error; `hint` may be NULL.
void br__refuse(br_control *control, rt_ctl_call *call, rt_err err, const char *hint,
                const char *fmt, ...) RT_PRINTF(5, 6);
// br__send_frame sends what stands in control->out, or an error when it is too large.
void br__send_frame(br_control *control, rt_ctl_call *call, bool last);
// br__arg_str, br__arg_u64 and br__arg_bool read an argument with a default.
rt_str br__arg_str(const br_ask *ask, const char *name);
uint64_t br__arg_u64(const br_ask *ask, const char *name, uint64_t fallback);
bool br__arg_bool(const br_ask *ask, const char *name);
// br__arg_tenant reads the tenant; false (refused) when it is unknown. Without the argument, or
// with an unnamed one where several are configured, *ret_given stays false.
bool br__arg_tenant(const br_ask *ask, rt_tenant *ret_tenant, bool *ret_given);
// br__item_frame writes a frame {items: [...]} of `count` encoded items into control->out.
void br__item_frame(br_control *control, rt_bytes items, uint32_t count);

// --- control_access.c: who may do what ---
// br__access_of is what the roles of the configuration allow to a user.
br_access br__access_of(const br_role *roles, size_t count, uint32_t uid);
// br__access_role is the role in which the caller operates, for the record; NULL for the owner.
const char *br__access_role(const br_ask *ask);
// br__access_opens tells whether the caller may ask anything; br__access_allows whether this
// command. False: refused.
bool br__access_opens(const br_ask *ask);
bool br__access_allows(const br_ask *ask, const char *command, br_access needs);

// --- control_read.c: br__ask_* answer one command each, these what is known now ---
void br__ask_agents(const br_ask *ask);
void br__ask_playbooks(const br_ask *ask);
void br__ask_actions(const br_ask *ask);
void br__ask_dlq(const br_ask *ask);
void br__ask_dlq_show(const br_ask *ask);
void br__ask_config(const br_ask *ask);

// --- control_status.c: br__ask_status, the one-page summary ---
void br__ask_status(const br_ask *ask);

// --- control_memory.c: br__ask_memory, what is remembered of an entity ---
void br__ask_memory(const br_ask *ask);

// --- control_scan.c: br__ask_* about the journal's past, in jobs that br__jobs_free ends ---
void br__ask_scan(const br_ask *ask);
void br__ask_explain(const br_ask *ask);
void br__jobs_free(br_control *control);
// br__jobs_refuse ends the calls of jobs still running and leaves their threads alone, for a
// process that ends right after: a long journal must not hold it up.
void br__jobs_refuse(br_control *control);

// --- control_follow.c: br__ask_follow, the journal as it grows ---
void br__ask_follow(const br_ask *ask);
// br__tails_run sends new records, within a bound of time.
void br__tails_run(br_control *control);
void br__tails_free(br_control *control);

// --- control_draft.c: br__ask_* for those who write playbooks ---
void br__ask_schema(const br_ask *ask);
void br__ask_starter(const br_ask *ask);

// --- control_write.c: br__ask_* that change something ---
void br__ask_publish(const br_ask *ask);
void br__ask_check(const br_ask *ask);
void br__ask_reload(const br_ask *ask);
void br__ask_dlq_retry(const br_ask *ask);
void br__ask_dlq_discard(const br_ask *ask);
void br__ask_halt(const br_ask *ask);
void br__ask_resume(const br_ask *ask);
// br__take_asked takes an event of the operator's; false when refused.
bool br__take_asked(const br_ask *ask, const char *type, rt_tenant tenant, rt_str subject,
                    const rt_mpw *data);
// br__promise keeps control->out as the answer to be given after the commit.
void br__promise(const br_ask *ask, br_map *answer);
// br__name_user names who asks: "uid:1000".
void br__name_user(const br_ask *ask, char *buf, size_t cap);
// br__map_by writes who asks, by br__name_user, and in which role.
void br__map_by(br_map *map, const br_ask *ask, const char *by);
// br__promises_keep answers calls whose record is durable now.
void br__promises_keep(br_control *control);
void br__promises_free(br_control *control);

// --- control_approve.c: br__ask_* about what playbooks may do: requests, budgets, modes ---
void br__ask_approvals(const br_ask *ask);
void br__ask_approval_decide(const br_ask *ask);
void br__ask_runs(const br_ask *ask);
void br__ask_run_ack(const br_ask *ask);
void br__ask_budgets(const br_ask *ask);
void br__ask_mode(const br_ask *ask);

// --- control_hash.c: br__ask_hash, whether brain and agents hold the state they should ---
void br__ask_hash(const br_ask *ask);
// br__hashings_poll answers those whose hosts have answered, or were given long enough.
void br__hashings_poll(br_control *control);
void br__hashings_free(br_control *control);

// --- control_job.c: threads that read the journal ---
// One item found: where it stands in job->items.
typedef struct br_found {
    uint64_t seq;
    size_t offset;
    size_t len;
} br_found;

struct br_job {
    br_control *control;
    rt_ctl_call *call;
    rt_thread *thread;
    rt_wake *wake;
    void (*run)(br_job *job);    // on its thread
    void (*finish)(br_job *job); // on the loop, after it; ends the call or keeps it
    br_job *next;
    char dir[1024]; // of the journal
    uint64_t first; // oldest record kept, and
    uint64_t until; // the last durable one, when it was asked
    br_filter filter;
    uint64_t from;
    uint32_t limit;
    bool newest;
    rt_arena *arena; // texts of the filter
    rt_arena *scratch;
    rt_mpw items;
    br_found *found;
    uint32_t found_count;
    uint32_t found_cap;
    uint64_t next_seq; // where to go on
    bool end;          // nothing more beyond
    bool has_decision; // explain: found[1] is the decision
    rt_journal_reader *reader;
    rt_err err;
    char detail[RT_ERR_DETAIL_MAX];
};

// br__job_new makes a job for the call, or refuses it when too many are under way (NULL).
br_job *br__job_new(const br_ask *ask) RT_MUST_USE;
// br__job_start runs it; the job frees itself after `finish`.
void br__job_start(br_job *job, void (*run)(br_job *job), void (*finish)(br_job *job));
// br__job_fail notes an error with this thread's detail.
void br__job_fail(br_job *job, rt_err err);
// br__job_add notes the item that stands at the end of job->items since `offset`.
void br__job_add(br_job *job, uint64_t seq, size_t offset);
// br__job_filter reads kinds, tenant, type, subject and said of the request; false when refused.
bool br__job_filter(const br_ask *ask, br_job *job);

#endif
