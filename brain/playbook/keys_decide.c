// The keys of what chooses: decide, experiment.
#include "brain/playbook/keys.h"

#include "brain/playbook/playbook.h"

#define PLAYBOOK_CODES \
    .unknown = "B2001", .missing = "B2010", .shape = "B2024", .range = "B2004"

static const char *const deciders[] = {"first_match", "policy", "llm", NULL};

static const br_key branch_keys[] = {
    {.name = "name",
     .forms = BR_KEY_NAME,
     .max = BR_PLAYBOOK_ID_MAX,
     .doc = "how decisions call it; without it its number",
     .example = "expensive"},
    {.name = "when",
     .forms = BR_KEY_EXPRESSION,
     .doc = "the condition of this branch",
     .example = "order.value > 500000.0"},
    {.name = "do",
     .items = BR_KEY_BLOCK,
     .block = &br_block_action,
     .min = 1,
     .max = BR_PLAYBOOK_STEPS_MAX,
     .doc = "its actions; all are asked for, or none",
     .example = "[{action: alert_operator, target: x, args: {text: Hola}}]",
     .range = "B2011"},
    {.name = "else",
     .items = BR_KEY_BLOCK,
     .block = &br_block_action,
     .max = BR_PLAYBOOK_STEPS_MAX,
     .doc = "in place of when and do, in the last branch: what is done when no condition holds; "
            "[] for nothing",
     .example = "[]",
     .range = "B2011"},
    {0},
};

const br_block br_block_branch = {.name = "branch",
                                  .doc = "a condition and its actions",
                                  .keys = branch_keys,
                                  PLAYBOOK_CODES};

static const br_key decide_keys[] = {
    {.name = "first_match",
     .items = BR_KEY_BLOCK,
     .block = &br_block_branch,
     .min = 2,
     .max = BR_BRANCHES_MAX,
     .doc = "the actions of the first branch whose condition holds; the last branch is `else`",
     .example = "[{when: data.risk > 0.9, do: [{action: alert_operator, target: x}]}, {else: []}]",
     .range = "B2072"},
    {.name = "policy",
     .forms = BR_KEY_BLOCK,
     .block = &br_block_policy,
     .doc = "the action that has been best so far in such a situation; needs `reward`",
     .example = "{features: {risk: data.risk}, baseline: wait, actions: [{name: wait, do: []}, "
                "{name: call, do: []}]}"},
    {.name = "llm",
     .forms = BR_KEY_FREE,
     .doc = "not there yet: refused",
     .example = "{}"},
    {0},
};

const br_block br_block_decide = {.name = "decide",
                                  .doc = "which actions, in place of `do`",
                                  .keys = decide_keys,
                                  .either = deciders,
                                  PLAYBOOK_CODES};

static const br_key arm_keys[] = {
    {.name = "name",
     .forms = BR_KEY_NAME,
     .required = true,
     .max = BR_PLAYBOOK_ID_MAX,
     .doc = "how decisions call it",
     .example = "control"},
    {.name = "share",
     .forms = BR_KEY_NUMBER,
     .required = true,
     .min = 0,
     .max = 100,
     .doc = "so many of a hundred keys; those of all arms add up to 100",
     .example = "50"},
    {.name = "params",
     .forms = BR_KEY_FREE,
     .doc = "values that `do` and `decide` read as params.<name>; every arm has the same names",
     .example = "{percent: 5}"},
    {.name = "do",
     .items = BR_KEY_BLOCK,
     .block = &br_block_action,
     .max = BR_PLAYBOOK_STEPS_MAX,
     .doc = "the actions of this arm, where every arm has its own; [] for nothing",
     .example = "[]",
     .range = "B2011"},
    {0},
};

const br_block br_block_arm = {.name = "arm",
                               .doc = "one side of an experiment",
                               .keys = arm_keys,
                               PLAYBOOK_CODES};

static const br_key experiment_keys[] = {
    {.name = "key",
     .forms = BR_KEY_EXPRESSION,
     .required = true,
     .doc = "an expression with a text: what falls to one arm, the same every time",
     .example = "order.customer_id"},
    {.name = "arms",
     .items = BR_KEY_BLOCK,
     .block = &br_block_arm,
     .required = true,
     .min = 2,
     .max = BR_ARMS_OF_EXPERIMENT_MAX,
     .doc = "its sides",
     .example = "[{name: control, share: 50}, {name: early, share: 50}]",
     .range = "B2075"},
    {0},
};

const br_block br_block_experiment = {
    .name = "experiment",
    .doc = "each key falls to one arm, which is recorded with every decision",
    .keys = experiment_keys,
    PLAYBOOK_CODES};
