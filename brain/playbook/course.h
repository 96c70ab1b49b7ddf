// brain/playbook/course.h: what playbooks do over several events: patterns, holds, approvals.
//
// Layer: brain/memory.   Threads: brain loop.
// A course runs when an event is decided, at its place in the journal, with what earlier decisions
// left behind (progress.h). It changes nothing: it adds to what the playbooks said of the event,
// and the writes and timers that it asks for take effect when the decision is folded.
#ifndef CEREBRO_BRAIN_PLAYBOOK_COURSE_H
#define CEREBRO_BRAIN_PLAYBOOK_COURSE_H

#include "brain/playbook/playbook.h"
#include "brain/memory/progress.h"

#define BR_OPERATORS "/brain/control" // source of what they say; no agent can raise it
#define BR_WRITES_MAX 256 // of one decision
#define BR_HELD_PAYLOAD_MAX 32768 // bytes of an event's record; a larger one cannot wait
#define BR_HOLD_DEFAULT_MS (3LL * 24 * 60 * 60 * 1000) // where no calendar says otherwise

typedef struct br_firing br_firing; // a playbook that acts, or would
typedef struct br_run br_run;       // actions in order
typedef struct br_draw br_draw;     // what a policy chose

typedef struct br_course {
    const br_playbooks *set;
    const br_progress *progress;
    // the event decided on
    const rt_event_type *type;
    rt_tenant tenant;
    uint64_t seq;
    int64_t at_ms; // of the event
    int64_t now_ms; // of the decision
    rt_str subject;
    rt_bytes payload; // its record's payload; empty when no playbook asked for it
    rt_arena *arena;
    // what is known now, of an event that was taken before
    void (*situate)(const void *user, const rt_event *event, int64_t now_ms,
                    br_situation *ret_situation);
    // whether a playbook is suppressed for that key by its throttle, and how long ago it fired
    bool (*silent)(const void *user, rt_tenant tenant, rt_str playbook, rt_str key, int64_t now_ms,
                   int64_t *ret_ago_ms);
    const void *user;
    msg_consultation *said; // its lists grow
    rt_msg_list timers;     // of msg_timer, set whatever becomes of the proposals
    rt_msg_list writes;     // of msg_write
    br_firing *firings[BR_CONSULTED_MAX];
    uint32_t firing_count;
    br_run *runs[BR_CONSULTED_MAX];
    uint32_t run_count;
    br_draw *draws[BR_CONSULTED_MAX];
    uint32_t draw_count;
    bool is_settled; // the candidates were looked at
    // made when they are needed
    rt_event *event;
    br_situation *situation;
    bool failed; // the arena's limit
} br_course;

// br_playbooks_follow tells whether a course has to run for an event, beside what `said` holds of
// it; then the payload of its record is kept until its decision.
bool br_playbooks_follow(const br_playbooks *set, const rt_event *event,
                         const msg_consultation *said);
// br_course_awaits tells whether the event is an outcome that actions in order wait for, whatever
// the live set is: then a course has to run as well.
bool br_course_awaits(const br_progress *progress, const rt_event *event);
// br_course_follow goes on with everything that the event belongs to.
//   errors    RT_ENOMEM the arena's limit · RT_EPROTO a damaged payload
rt_err br_course_follow(br_course *course) RT_MUST_USE;
// br_course_mode is the mode that holds for a playbook; *ret_set says who set it, why and with
// which share of a canary, with a `seq` of 0 when that is its file's.
br_playbook_mode br_course_mode(const br_playbooks *set, const br_progress *progress, rt_str id,
                                rt_arena *arena, msg_mode *ret_set);
// br_course_budget reads a row of kind "budget".
//   returns   false when it is another row, or its playbook has no such budget any more
typedef struct br_budget_state {
    const char *what; // actions, contacts or cost_cop
    rt_str per;       // whose; empty = of all
    int64_t used;
    int64_t limit;
    int64_t window_ms;
} br_budget_state;
bool br_course_budget(const br_playbooks *set, const br_progress_row *row, int64_t now_ms,
                      rt_arena *arena, br_budget_state *ret);
// br_course_modes puts those that fired, but do not act for this event, in shadow or out: by the
// mode of their file, or by what an operator set since.
void br_course_modes(br_course *course);
// br_course_admit says whether an action of a playbook, which the gate admits, is within the
// playbook's own calendar, budgets and approval. Those of others always are.
//   why        reason of a refusal, at most `cap` bytes
//   ret_waits  the playbook waits and is asked again, instead of being refused
bool br_course_admit(br_course *course, const msg_proposal *proposal, const br_action *action,
                     char *why, size_t cap, bool *ret_waits);
// br_course_quiet is asked when the gate refuses an action until the end of the quiet hours; true
// when the playbook rather waits.
bool br_course_quiet(br_course *course, const msg_proposal *proposal, int64_t until_ms);
// br_course_waits tells whether a proposer is a playbook that waits: then nothing of it is done.
bool br_course_waits(const br_course *course, rt_str agent);
// br_course_ran tells what became of a candidate, after the winners have their action ids.
void br_course_ran(br_course *course, const msg_candidate *candidate);
// br_throttle_ended tells whether what a playbook's throttle waits for has come since it fired.
bool br_throttle_ended(const br_playbooks *set, const br_progress *progress, rt_tenant tenant,
                       rt_str playbook, rt_str key, int64_t fired_ms);
// br_course_took notes that a playbook has fired for a key of its throttle.
void br_course_took(br_course *course, rt_str playbook, rt_str throttle_key);
// br_course_acted tells what became of a candidate where policies were drawn; br_course_learn,
// after all of them, lets the choices that were done wait for their rewards.
//   errors    RT_ENOMEM the arena's limit
void br_course_acted(br_course *course, const msg_candidate *candidate);
rt_err br_course_learn(br_course *course) RT_MUST_USE;
// br_course_did_nothing tells whether a policy chose to do nothing, and so it was.
bool br_course_did_nothing(const br_course *course, rt_str id);
// br_course_settle writes down who waits; after all candidates were looked at.
//   errors    RT_ENOMEM the arena's limit
rt_err br_course_settle(br_course *course) RT_MUST_USE;

#endif
