// brain/playbook/decide_internal.h: what a playbook chooses among; shared by the files of
// brain/playbook only.
#ifndef CEREBRO_BRAIN_PLAYBOOK_DECIDE_INTERNAL_H
#define CEREBRO_BRAIN_PLAYBOOK_DECIDE_INTERNAL_H

#include "brain/playbook/internal.h"

typedef struct br_param {
    rt_str name;
    rt_value value;
} br_param;

// One side of an experiment.
typedef struct br_side {
    rt_str name;
    uint32_t upto; // shares of 10,000 up to and with this one
    br_param params[BR_PARAMS_MAX];
    uint32_t param_count;
} br_side;

struct br_experiment {
    br_side sides[BR_ARMS_OF_EXPERIMENT_MAX];
    uint32_t count;
    bool has_steps; // each side has actions of its own
};

struct br_policy {
    rt_str features[BR_POLICY_FEATURES_MAX];
    uint32_t feature_count;
    uint32_t baseline; // index of its action
    double explore;
    double alpha;
    uint32_t max_open;
    uint64_t shape; // of what the numbers of its model mean
    // the reward
    int64_t within_ms;
    double otherwise;
    double least;
    double most;
};

// One way to act among several, compiled for a rule.
typedef struct br_way {
    rt_str name;    // empty: it goes by its number
    br_expr *when;  // NULL = always
    br_steps *steps; // none: nothing is done
} br_way;

// What a rule chooses among. Sides of an experiment that have actions stand in `sides`, and then
// there are no ways.
struct br_choice {
    br_way *ways;
    uint32_t way_count;
    br_expr *features[BR_POLICY_FEATURES_MAX];
    br_expr *join;  // of a choice with its reward
    br_expr *value; // of a rule that hears the outcome
    br_expr *side_key;
    br_steps *sides[BR_ARMS_OF_EXPERIMENT_MAX]; // NULL = they have none of their own
};

// What was chosen: the actions, and what their expressions read.
typedef struct br_chosen {
    const br_steps *steps;
    br_expr_load load;
    const void *user;
    rt_str how;   // for people; empty: there was nothing to choose
    rt_str model; // of its proposals; empty: the playbook's own
    double propensity;   // with what probability; 1: nothing was drawn
    rt_msg_list factors; // of msg_factor: what it was chosen by
} br_chosen;

// --- decide_load.c ---
// br__load_action_list compiles a list of actions; NULL at the limit of the set.
br_steps *br__load_action_list(const br_loading *l, const rt_node *list, const br_expr_env *env);
// br__load_value_name complains of a name that expressions could not read.
void br__load_value_name(const br_loading *l, const rt_node *node, const char *what);
// br__load_decide reads the blocks decide and experiment as far as they are the same for every
// rule, and complains when nothing says what is done.
void br__load_decide(const br_loading *l, const rt_node *root);
// br__load_choice compiles what a rule does: the actions of `do`, or what it chooses among.
void br__load_choice(const br_loading *l, const rt_node *root, br_rule *rule,
                     const br_expr_env *env);
// br__choice_free releases what it compiled; NULL is fine.
void br__choice_free(br_choice *choice);
// br__rule_steps lists the actions that a rule may ask for: every list of them, NULL at the end.
const br_steps *br__rule_steps(const br_rule *rule, uint32_t index);

// --- policy_load.c ---
// br__load_policy reads the blocks decide.policy and reward as far as they are the same for every
// rule, and makes the rule that hears the outcome.
void br__load_policy(const br_loading *l, const rt_node *root);
// br__load_options compiles what a policy chooses among, and by what; `names` knows the params of
// arms, `env` does not.
void br__load_options(const br_loading *l, const rt_node *root, br_choice *choice,
                      const br_expr_env *names, const br_expr_env *env);

// --- choose.c ---
// br__choose finds what a rule asks for; of a policy only what its expressions read, because it
// is drawn at the decision. What it gives lives in `arena`.
//   ret_verdict  when there is nothing to ask for: "false", or "error" when it cannot be told;
//                ret->how says why
//   returns      false then
bool br__choose(const br_rule *rule, br_expr_load load, const void *user, rt_arena *arena,
                br_chosen *ret, const char **ret_verdict);
// br__choice_mark says in the proposals what was chosen.
void br__choice_mark(const br_chosen *chosen, msg_proposal *proposals, uint32_t count);
// br__params_env wraps an environment so that params.<name> are found first; `names` must outlive
// the compilation.
typedef struct br_params_names {
    br_expr_env inner;
    const br_experiment *experiment;
} br_params_names;
br_expr_env br__params_env(br_params_names *names);

#endif
