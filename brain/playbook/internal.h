// brain/playbook/internal.h: shared by the files of brain/playbook only.
#ifndef CEREBRO_BRAIN_PLAYBOOK_INTERNAL_H
#define CEREBRO_BRAIN_PLAYBOOK_INTERNAL_H

#include "brain/expr/template.h"
#include "brain/expr/calendar.h"
#include "brain/playbook/playbook.h"
#include "brain/playbook/schedule.h"
#include "runtime/base/map.h"

typedef struct br_argument {
    rt_str name;
    rt_value constant;     // used when there is no template
    br_template *template; // text with ${...}, or "=" and an expression
} br_argument;

typedef struct br_step br_step;
struct br_step {
    const br_action *action;
    rt_mark mark; // of the action's name in the file
    br_template *target;
    rt_str target_text;
    double value;
    int64_t cost_cop;
    br_argument args[BR_ACTION_ARGS_MAX];
    uint32_t arg_count;
    // of steps in order
    int64_t after_ms;
    int64_t timeout_ms;
    uint64_t retries;
    int64_t wait_ms;
    uint64_t on_error;
    br_step *undo; // in the set's arena; NULL = nothing takes it back
};

typedef struct br_steps {
    br_step steps[BR_PLAYBOOK_STEPS_MAX];
    uint32_t count;
} br_steps;

typedef struct br_capture {
    rt_str name;
    rt_kind kind;
} br_capture;

// One part of a pattern.
typedef struct br_element {
    rt_str name;
    const rt_event_type *type;
    bool absent; // it must not come
    br_capture captures[BR_CAPTURES_MAX];
    uint32_t capture_count;
} br_element;

typedef enum br_pattern_kind {
    BR_PATTERN_NONE,
    BR_PATTERN_SEQUENCE,
    BR_PATTERN_ALL,
    BR_PATTERN_COUNT,
    BR_PATTERN_COLLECT,  // of a throttle: one part, whose captures are made in throttle.c
    BR_PATTERN_SCHEDULE, // `late` alone, with captures made in scheduled.c
} br_pattern_kind;

// Captures of what was collected.
enum { BR_COLLECTED_COUNT, BR_COLLECTED_FIRST, BR_COLLECTED_LAST, BR_COLLECTED_SUBJECTS };

// Captures of a schedule.
enum { BR_SCHEDULED_AT, BR_SCHEDULED_MISSED };

#define BR_ELEMENT_UNTIL BR_ELEMENTS_MAX // of the rule that ends the period of a throttle

// What comes last makes the actions: a rule for each event type that can, `late` for the timer of a
// part that stays away.
typedef struct br_pattern {
    br_pattern_kind kind;
    br_element elements[BR_ELEMENTS_MAX];
    uint32_t element_count;
    int64_t within_ms;
    uint32_t at_least; // of COUNT and COLLECT
    uint32_t up_to;    // of COLLECT; 0 = no bound
    uint32_t max_keys;
    uint64_t shape; // hash of its text
    struct br_rule *late;
} br_pattern;

enum { BR_ON_ERROR_STOP, BR_ON_ERROR_CONTINUE, BR_ON_ERROR_UNDO };

typedef enum br_counted { BR_COUNT_ACTIONS, BR_COUNT_CONTACTS, BR_COUNT_COST } br_counted;
typedef enum br_exceed { BR_EXCEED_DROP, BR_EXCEED_HOLD, BR_EXCEED_ASK } br_exceed;

typedef struct br_budget {
    br_counted what;
    int64_t limit;
    int64_t window_ms;
    br_exceed on_exceed;
} br_budget;

// When it may act. Without hours it is always open.
typedef struct br_calendar {
    bool has_hours;
    br_hours hours;
    bool hold_closed;
    bool hold_quiet; // what the gate refuses in quiet hours
    int64_t at_most_ms;
} br_calendar;

typedef struct br_approve {
    bool on;
    rt_str roles[BR_ROLES_MAX];
    uint32_t role_count;
    uint32_t quorum;
    int64_t ttl_ms;
    bool escalate; // on timeout
} br_approve;

typedef struct br_experiment br_experiment; // decide_internal.h
typedef struct br_policy br_policy;
typedef struct br_choice br_choice;

// What a canary is rolled back for; see guard.h.
typedef struct br_guardrails {
    bool on;
    double most[3]; // by br_guarded; below 0: not looked at
    uint64_t min_sample;
    double z;
    br_playbook_mode to;
} br_guardrails;

typedef struct br_playbook {
    br_playbook_info info;
    rt_str agent; // "playbook:<id>", as proposer
    rt_str model; // "v<version>"
    int64_t priority;
    double confidence;
    int64_t verify_ms; // 0 = no verification
    br_expr *expect;
    br_steps escalate;
    rt_str entity; // of its events' subjects; verifications look at it
    const br_plan *verify_plan; // what `expect` and `escalate` were compiled for; NULL = no entity
    br_pattern pattern;
    double canary_percent; // below 0: no block `canary`
    br_budget budgets[BR_BUDGETS_MAX];
    uint32_t budget_count;
    br_calendar calendar;
    br_approve approve;
    br_guardrails guardrails;
    bool is_bounded; // by one of those: its event is needed when it is decided
    bool in_order;   // its actions are done one after another
    bool has_ladder; // those of `escalate` are
    bool has_until;  // its throttle may end early
    br_schedule *schedule; // in the set's arena; NULL = none
    br_experiment *experiment; // NULL = none
    br_policy *policy; // NULL = it does not learn
    uint64_t text_hash;
} br_playbook;

#define BR_RULE_REWARD (-3)        // hears the outcome that a policy learns from
#define BR_MATCH_REWARD UINT64_MAX // the part that such an event is

// One playbook compiled for one event type, or one part of its pattern.
typedef struct br_rule {
    const br_playbook *playbook;
    br_expr *when; // NULL = always
    br_expr *throttle_key;
    br_steps steps;
    br_choice *choice; // what it chooses among; NULL = it does `steps`
    uint32_t steps_most; // of one choice
    int32_t element; // part of the pattern; -1 without a pattern, BR_RULE_REWARD
    br_expr *key;    // of the pattern's window
    br_expr *captures[BR_CAPTURES_MAX];
    br_expr *where; // asked when the pattern is complete; NULL = always
    br_expr *canary_by;
    br_expr *budget_per[BR_BUDGETS_MAX];
    br_expr *approve_when;
} br_rule;

// What the expressions of a complete pattern read: the last event's situation, and what was
// captured of the others.
typedef struct br_captured_view {
    const br_situation *situation;
    rt_value values[BR_ELEMENTS_MAX][BR_CAPTURES_MAX];
} br_captured_view;


// Positions in the list of an event type's rules, ascending.
typedef struct br_rule_numbers {
    uint16_t *rules;
    uint32_t count;
    uint32_t room;
} br_rule_numbers;

// The rules that compare one variable with texts.
typedef struct br_index_slot {
    uint32_t slot;
    rt_map *texts; // text → place in `lists`
    br_rule_numbers *lists;
    uint32_t list_count;
    uint32_t list_room;
    br_rule_numbers absent; // those whose condition is a fault without the variable, not false
} br_index_slot;

// The rules of an event type, in the order of files, and the index over them (index.c).
typedef struct br_rule_list {
    br_rule **rules;
    uint32_t count;
    br_rule_numbers always; // those that any event of the type may set off
    br_index_slot slots[BR_INDEX_SLOTS_MAX];
    uint32_t slot_count;
} br_rule_list;

struct br_playbooks {
    rt_arena *arena;
    const br_pack *pack;
    uint64_t version;
    br_playbook *playbooks;
    size_t count;
    br_playbook_file *files;
    size_t file_count;
    br_rule_list *by_type; // by event type index
    rt_map *by_id;
    bool full; // the arena's limit was reached
    bool is_bounded; // any of its playbooks is
    bool runs;       // any of them does something in order
    bool is_guarded; // any of them has guardrails
    bool learns;     // any of them has a policy
    uint32_t schedule_count;
    bool is_restored; // was live before, under the checks of then
    bool looks_at_all; // whatever the index says
};

typedef struct br_loading {
    br_playbooks *set;
    br_playbook *playbook;
    rt_diag *diag;
    bool in_order;  // the actions being read are done one after another
    bool is_ladder; // they are those of an escalation
} br_loading;

// br__playbook_load compiles one parsed document into the set.
void br__playbook_load(br_playbooks *set, const char *file, const rt_node *root, rt_diag *diag);
// br__check_args reports arguments of a step that its action does not take, and missing ones.
void br__check_args(const br_action *action, const rt_node *step, rt_diag *diag);
// br__check_target reports a target that in plain text is of another kind than the action's.
void br__check_target(const br_action *action, const rt_node *target, rt_diag *diag);
// br__check_traps warns of texts that YAML reads otherwise than they look.
void br__check_traps(const rt_node *root, rt_diag *diag);
// br__check_sense looks at the set as a whole: playbooks that claim the same thing with the same
// weight, actions that raise an event which leads back to them.
void br__check_sense(const br_playbooks *set, rt_diag *diag);
// br__index_build makes the index of each event type's rules, br__index_free releases that of one.
void br__index_build(br_playbooks *set);
void br__index_free(br_rule_list *list);
// br__index_most is the most rules that one event can lead to.
uint32_t br__index_most(const br_rule_list *list);
// br__index_find lists the rules that an event may set off, in their order.
//   returns   how many there are, which may be more than `max`
uint32_t br__index_find(const br_playbooks *set, const br_situation *situation,
                        const br_rule **ret_rules, uint32_t max);
// br__consult_one is br_playbooks_consult of one playbook alone, whatever the index says.
rt_err br__consult_one(const br_playbooks *set, const br_playbook *playbook,
                       const br_situation *situation, rt_arena *arena, msg_consultation *ret);
// br__rule_free releases what a rule compiled; the rule itself lives in the set's arena.
void br__rule_free(br_rule *rule);
// br__steps_free releases what a list of actions compiled.
void br__steps_free(br_steps *steps);
// br__load_limits reads the blocks canary, budget, calendar and approve; br__load_rule_limits
// compiles their expressions for a rule that makes actions.
void br__load_limits(const br_loading *l, const rt_node *root);
void br__load_rule_limits(const br_loading *l, const rt_node *root, br_rule *rule,
                          const br_expr_env *env);
// br__load_guardrails reads the block `guardrails` of a canary.
void br__load_guardrails(const br_loading *l, const rt_node *node);
// br__check_guardrails looks at what of it needs other blocks.
void br__check_guardrails(const br_loading *l, const rt_node *root);
// br__load_pattern reads the block `pattern` and makes a rule of each part.
void br__load_pattern(const br_loading *l, const rt_node *root, const rt_node *pattern);
// br__load_throttle reads the block throttle, br__load_until makes the rule of what ends its
// period. br__load_collecting makes a rule of an event type one that collects; its actions and
// limits read what `captured` names.
void br__load_throttle(const br_loading *l, const rt_node *root);
void br__load_until(const br_loading *l, const rt_node *root);
void br__load_collecting(const br_loading *l, const rt_node *root, br_rule *rule,
                         const br_expr_env *plain, const br_expr_env *captured);
// br__load_schedule reads the block schedule; br__load_end compiles the actions and limits of a
// rule whose expressions read captures, for an event type and a plan.
void br__load_schedule(const br_loading *l, const rt_node *root, const rt_node *node);
void br__load_end(const br_loading *l, const rt_node *root, br_rule *rule,
                  const rt_event_type *type, const br_plan *plan);
// What loading a pattern shares with the rest of it, in load.c:
// br__load_expr compiles an expression; NULL for no node, or with findings.
br_expr *br__load_expr(const br_loading *l, const rt_node *node, const br_expr_env *env,
                       rt_kind want);
// br__load_env is the environment of expressions; in it what makes no sense is an error, a warning
// where that is asked for or the set was live before.
br_expr_env br__load_env(const br_loading *l, br_env *env, br_expr_reasons reasons);
// br__load_steps compiles a list of actions.
void br__load_steps(const br_loading *l, br_steps *steps, const rt_node *list,
                    const br_expr_env *env);
// br__load_missing complains of a missing key.
void br__load_missing(const br_loading *l, const rt_node *node, const char *key, const char *help);
// br__load_event_type finds an event type by its name; NULL with a finding.
const rt_event_type *br__load_event_type(const br_loading *l, const rt_node *node);
// br__load_same_entity tells whether an event is about the entity of those before, where that
// matters; else with a finding.
bool br__load_same_entity(const br_loading *l, const rt_node *root, const rt_node *node,
                          const rt_event_type *type);
// br__load_hash is a hash of a node and everything below it, whatever its layout.
uint64_t br__load_hash(const rt_node *node);
// br__load_place gives a rule its place in the set, or releases one that is off.
void br__load_place(const br_loading *l, const rt_event_type *type, br_rule *rule);
// br__propose builds the proposals of all steps, into `ret` with room for steps->count, or none.
//   returns   false with the reason in *ret_why
bool br__propose(const br_playbook *playbook, const br_steps *steps, br_expr_load load,
                 const void *user, rt_arena *arena, msg_proposal *ret, rt_str *ret_why);
// br__verification is the timer that looks at what became of an action on the event `seq`.
msg_timer br__verification(const br_playbook *playbook, uint64_t seq, rt_str subject,
                           int64_t now_ms, rt_arena *arena);
// br__captured_load is the br_expr_load of rules of a pattern; user = br_captured_view.
rt_value br__captured_load(const void *user, uint32_t slot);
// br__captured_env wraps an environment so that names of captures are found first; `names` must
// outlive the compilation.
typedef struct br_captured_names {
    br_expr_env inner;
    const br_pattern *pattern;
} br_captured_names;
br_expr_env br__captured_env(br_captured_names *names);
// br__playbook_find finds a playbook by id, or NULL.
const br_playbook *br__playbook_find(const br_playbooks *set, rt_str id);

#endif
