// brain/playbook/internal.h: shared by the files of brain/playbook only.
#ifndef CEREBRO_BRAIN_PLAYBOOK_INTERNAL_H
#define CEREBRO_BRAIN_PLAYBOOK_INTERNAL_H

#include "brain/expr/template.h"
#include "brain/playbook/playbook.h"
#include "runtime/base/map.h"

typedef struct br_argument {
    rt_str name;
    rt_value constant;     // used when there is no template
    br_template *template; // text with ${...}, or "=" and an expression
} br_argument;

typedef struct br_step {
    const br_action *action;
    br_template *target;
    double value;
    int64_t cost_cop;
    br_argument args[BR_ACTION_ARGS_MAX];
    uint32_t arg_count;
} br_step;

typedef struct br_steps {
    br_step steps[BR_PLAYBOOK_STEPS_MAX];
    uint32_t count;
} br_steps;

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
} br_playbook;

// One playbook compiled for one event type.
typedef struct br_rule {
    const br_playbook *playbook;
    br_expr *when; // NULL = always
    br_expr *throttle_key;
    br_steps steps;
} br_rule;

typedef struct br_rule_list {
    br_rule **rules;
    uint32_t count;
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
};

// br__playbook_load compiles one parsed document into the set.
void br__playbook_load(br_playbooks *set, const char *file, const rt_node *root, rt_diag *diag);
// br__rule_free releases what a rule compiled; the rule itself lives in the set's arena.
void br__rule_free(br_rule *rule);
// br__playbook_find finds a playbook by id, or NULL.
const br_playbook *br__playbook_find(const br_playbooks *set, rt_str id);

#endif
