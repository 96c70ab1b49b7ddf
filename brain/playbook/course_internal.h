// brain/playbook/course_internal.h: shared by the files of brain/playbook that run courses only.
#ifndef CEREBRO_BRAIN_PLAYBOOK_COURSE_INTERNAL_H
#define CEREBRO_BRAIN_PLAYBOOK_COURSE_INTERNAL_H

#include "brain/playbook/course.h"
#include "brain/playbook/decide_internal.h"

// --- course.c ---
// br__course_read decodes a row as this decision sees it, its own writes included; false when there
// is none or it cannot be read.
bool br__course_read(br_course *course, rt_str what, rt_str playbook, rt_str key,
                     const rt_msg_def *def, void *ret_msg);
// br__course_write keeps a message under a key; false when it is too large or there are too many.
bool br__course_write(br_course *course, rt_str what, rt_str playbook, rt_str key,
                      const rt_msg_def *def, const void *msg);
// br__course_forget removes a row.
void br__course_forget(br_course *course, rt_str what, rt_str playbook, rt_str key);
// br__course_timer sets, moves or (due_ms 0) cancels a playbook's timer "<what>:<key>".
void br__course_timer(br_course *course, const br_playbook *playbook, const char *what, rt_str key,
                      int64_t due_ms);
// br__course_key makes a key of any text: a long one is cut and told apart by its hash. br__row_key
// does the same into a buffer, or gives back a text that is short enough.
rt_str br__row_key(rt_str text, char buf[BR_PROGRESS_KEY_MAX + 1]);
rt_str br__course_key(br_course *course, rt_str text);
// br__course_consulted finds the playbook's entry in what was said, or adds one.
msg_consulted *br__course_consulted(br_course *course, const br_playbook *playbook);
// br__course_situation is the event's situation as it was recorded; NULL when there is none.
const br_situation *br__course_situation(br_course *course);
// br__course_ask adds the proposals of what was chosen to what was said, all or none.
bool br__course_ask(br_course *course, const br_playbook *playbook, const br_chosen *chosen,
                    rt_str *ret_why);
// br__course_act chooses what a rule does and asks for it; false with the verdict and its reason
// when there is nothing to ask for.
bool br__course_act(br_course *course, const br_rule *rule, br_expr_load load, const void *user,
                    br_chosen *ret, const char **ret_verdict, rt_str *ret_why);
// br__course_how joins what is said of an action that was taken with what was chosen.
rt_str br__course_how(br_course *course, rt_str how, const br_chosen *chosen);
// br__course_fired notes that a playbook acts: in shadow, or with its verification to come.
void br__course_fired(br_course *course, const br_playbook *playbook);
// br__course_append adds an item to a list of the message, returning its place; NULL at the limit.
void *br__course_append(br_course *course, rt_msg_list *list, size_t size);

// br__course_decode reads an event's record again; NULL with `failed` set at the limit.
rt_event *br__course_decode(br_course *course, uint64_t seq, int64_t at_ms, rt_bytes payload);
// br__course_emit raises an event of the brain's own as a consequence.
void br__course_emit(br_course *course, const br_playbook *playbook, const char *type,
                     rt_bytes data);

// --- limits.c ---
typedef enum br_wait { BR_WAIT_NONE, BR_WAIT_HOLD, BR_WAIT_ASK } br_wait;

// A playbook that acts on an event, now or after it has waited.
struct br_firing {
    const br_playbook *playbook;
    const br_rule *rule;
    const br_steps *steps; // what was chosen
    br_expr_load load;     // what its expressions read
    const void *user;
    uint64_t event_seq; // the event it fired on
    int64_t event_at_ms;
    rt_bytes payload;
    rt_msg_list captured; // of msg_captured
    int64_t since_ms;     // it waits since then; 0 = it did not
    bool granted;         // it was agreed to
    br_wait wait;
    int64_t until_ms;
    rt_str why;
};

// br__firing_add notes one; NULL at the limit.
br_firing *br__firing_add(br_course *course, const br_firing *firing);
// br__firing_of finds that of a proposer "playbook:<id>" which is bounded, or makes the one of the
// event decided on; NULL when it is not.
br_firing *br__firing_of(br_course *course, rt_str agent);
// br__rule_for is the rule of a playbook that makes actions of an event type; NULL without.
const br_rule *br__rule_for(const br_course *course, const br_playbook *playbook,
                            const rt_event_type *type, int64_t element);

// br__budget_timer forgets a budget of which nothing is used any more.
void br__budget_timer(br_course *course, rt_str playbook, rt_str key);

// br__mode_of is the mode that holds for a playbook; in *ret_set how it was set, with a `seq` of 0
// when its file says it.
br_playbook_mode br__mode_of(const br_progress *progress, const br_playbook *playbook,
                             rt_arena *arena, msg_mode *ret_set);

// --- guard.c ---
// br__guard_outcome counts what became of an action that a canary did.
void br__guard_outcome(br_course *course, const rt_event *event);
// br__guard_waits tells whether an action is one of a canary with guardrails.
bool br__guard_waits(const br_progress *progress, rt_tenant tenant, rt_str action_id);

// --- waiting.c ---
// br__waiting_add writes down a firing that waits.
void br__waiting_add(br_course *course, const br_firing *firing);
// br__waiting_timer takes up what was held; br__approval_timer a request that nobody answered;
// br__approval_decided an answer.
void br__waiting_timer(br_course *course, rt_str playbook, rt_str key);
void br__approval_timer(br_course *course, rt_str playbook, rt_str key);
void br__approval_decided(br_course *course, const rt_event *event);

// --- run.c ---
// br__run_begin makes a run of what a playbook has just asked for, and leaves its first step.
//   firing  NULL: nothing can be undone
void br__run_begin(br_course *course, const br_playbook *playbook, const br_steps *steps,
                   const br_firing *firing);
// br__run_outcome goes on with an action's outcome, br__run_timer when time has passed,
// br__run_acknowledged ends it for somebody who takes over.
void br__run_outcome(br_course *course, const rt_event *event);
void br__run_timer(br_course *course, rt_str playbook, rt_str key);
void br__run_acknowledged(br_course *course, const rt_event *event);
// br__run_asks tells what a playbook would do that begins a run in this decision: all steps of it;
// false when it does not.
bool br__run_asks(const br_course *course, const br_playbook *playbook, rt_msg_list *ret_steps);
// br__run_quiet lets a run that has begun wait for the end of the quiet hours; false when it is
// none.
bool br__run_quiet(br_course *course, rt_str agent, int64_t until_ms);

// --- throttle.c ---
// A window of a pattern on its way through one decision.
typedef struct br_advancing {
    br_course *course;
    const br_playbook *playbook;
    const br_pattern *pattern;
    msg_consulted *consulted;
    rt_str key;
    msg_window window;
    bool is_open;
    bool has_row; // perhaps of another pattern
} br_advancing;
// br__collect takes an event of a throttle that collects; br__collect_timer the end of its time.
void br__collect(br_advancing *a, const br_rule *rule);
void br__collect_timer(br_advancing *a);
// br__until_match takes an event that ends the period of a throttle; br__until_timer the end of it.
void br__until_match(br_course *course, const msg_match *match);
void br__until_timer(br_course *course, rt_str playbook, rt_str key);
// --- policy.c ---
// What a policy chose in this decision, until it is known whether it is done.
struct br_draw {
    const br_playbook *playbook;
    rt_str key; // that its reward is found by
    msg_choice choice;
    bool does_nothing;
    uint32_t asked; // candidates of it
    uint32_t won;
};

// br__policy_draw chooses the action of a policy; false with the reason in chosen->how.
bool br__policy_draw(br_course *course, const br_rule *rule, br_chosen *chosen,
                     const char **ret_verdict);
// br__policy_draw_all does so for those that fired when the event was taken.
void br__policy_draw_all(br_course *course);
// br__course_in_shadow tells whether a proposer is in shadow for this decision.
bool br__course_in_shadow(const br_course *course, rt_str agent);

// --- reward.c ---
// br__reward_match takes an outcome; br__reward_timer the end of the time for one.
void br__reward_match(br_course *course, const msg_match *match);
void br__reward_timer(br_course *course, rt_str playbook, rt_str key);

// --- scheduled.c ---
// br__schedules_begin plans every schedule that is not yet; br__schedule_timer fires one.
void br__schedules_begin(br_course *course);
void br__schedule_timer(br_course *course, rt_str playbook);

// --- pattern.c ---
// br__captured_view_of fills what a pattern captured, for br__captured_load.
void br__captured_view_of(const br_pattern *pattern, const rt_msg_list *captured,
                          br_captured_view *view);
// br__pattern_match takes an event that is a part of a pattern; br__pattern_timer the end of a
// window's time.
void br__pattern_match(br_course *course, const msg_match *match);
void br__pattern_timer(br_course *course, rt_str playbook, rt_str key);
// br__pattern_say is what the playbook says of the event, br__pattern_keep writes the window down
// (false: one too many, which was said), br__pattern_close forgets it.
void br__pattern_say(br_advancing *a, const char *verdict, rt_str detail);
bool br__pattern_keep(br_advancing *a);
void br__pattern_close(br_advancing *a);
// br__pattern_complete acts on what has come; its last event is the one that the actions read.
void br__pattern_complete(br_advancing *a, const br_rule *rule, rt_str how,
                          const br_situation *situation);

#endif
