// Design notes.
// Every list of actions is compiled for each event type, as `do` is; what only says names, shares
// and numbers is read once. A branch is unreachable when one before it always holds, or when its
// own condition cannot hold where that of one before it does not: the second is found by the
// reasons of expressions, asked of both together.
#include <math.h>
#include <stdio.h>

#include "brain/playbook/decide_internal.h"
#include "brain/playbook/keys.h"

#define SHARES_PER_CENT 100
#define TEXT_BYTES_MAX 16384 // of two conditions together; of longer ones nothing is said

static rt_value
no_value(const void *user, uint32_t slot)
{
    (void)user;
    (void)slot;
    return RT_NONE;
}

// --- what is the same for every rule ---

static bool
is_name(rt_str text)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        bool letter = (c >= 'a' && c <= 'z') || c == '_';
        if (!letter && (i == 0 || c < '0' || c > '9')) {
            return false;
        }
    }
    return text.len > 0 && text.len <= BR_PLAYBOOK_ID_MAX;
}

void
br__load_value_name(const br_loading *l, const rt_node *node, const char *what)
{
    if (!is_name(node->key)) {
        rt_diag_add(l->diag, RT_SEVERITY_ERROR, "B2031", node->key_mark,
                    "lower-case letters, digits and _", "'%.*s' cannot name %s",
                    RT_STR_ARG(node->key), what);
    }
}

// A value is the number or truth value that it looks like, or else a text.
static rt_value
value_of(const rt_node *node)
{
    rt_value value = RT_TEXT(node->text);
    if (node->style != RT_SCALAR_PLAIN) {
        return value;
    }
    if (rt_parse_i64(node->text, &value.i) == RT_OK) {
        value.kind = RT_KIND_I64;
    } else if (rt_parse_f64(node->text, &value.f) == RT_OK) {
        value.kind = RT_KIND_F64;
    } else if (rt_str_is(node->text, "true") || rt_str_is(node->text, "false")) {
        value = RT_BOOL(rt_str_is(node->text, "true"));
    } else {
        value = RT_TEXT(node->text); // what was tried may have left something in it
    }
    return value;
}

static void
load_params(const br_loading *l, br_side *side, const rt_node *params)
{
    for (const rt_node *node = params->child; node != NULL; node = node->next) {
        if (side->param_count == BR_PARAMS_MAX) {
            rt_diag_add(l->diag, RT_SEVERITY_ERROR, "B2076", node->mark, NULL,
                        "an arm has at most %d params", BR_PARAMS_MAX);
            return;
        }
        if (node->kind != RT_NODE_SCALAR) {
            rt_diag_add(l->diag, RT_SEVERITY_ERROR, "B2024", node->mark, NULL,
                        "a param wants one plain value");
            continue;
        }
        br__load_value_name(l, node, "a param");
        side->params[side->param_count++] = (br_param){node->key, value_of(node)};
    }
}

static bool
same_params(const br_side *a, const br_side *b)
{
    bool same = a->param_count == b->param_count;
    for (uint32_t i = 0; same && i < a->param_count; i++) {
        same = rt_str_equal(a->params[i].name, b->params[i].name) &&
               a->params[i].value.kind == b->params[i].value.kind;
    }
    return same;
}

static void
check_side_name(const br_loading *l, const br_experiment *experiment, const rt_node *node)
{
    const rt_node *name = br_key_node(node, "name");
    for (uint32_t i = 0; name != NULL && i + 1 < experiment->count; i++) {
        if (rt_str_equal(experiment->sides[i].name, name->text)) {
            rt_diag_add(l->diag, RT_SEVERITY_ERROR, "B2074", name->mark, NULL,
                        "two arms are called '%.*s'", RT_STR_ARG(name->text));
        }
    }
}

static void
load_side(const br_loading *l, br_experiment *experiment, const rt_node *node, double *sum)
{
    br_side *side = &experiment->sides[experiment->count++];
    const rt_node *params = br_key_map(node, "params");
    const rt_node *share = br_key_node(node, "share");
    double number = NAN; // of a share that is none; complained of already
    if (share != NULL) {
        RT_IGNORE(rt_parse_f64(share->text, &number));
    }
    *sum += number;
    side->name = br_key_str(&br_block_arm, node, "name");
    side->upto = isfinite(*sum) && *sum >= 0 && *sum <= 100
                     ? (uint32_t)lround(*sum * SHARES_PER_CENT)
                     : 0;
    check_side_name(l, experiment, node);
    if (params != NULL) {
        load_params(l, side, params);
    }
    if (!same_params(&experiment->sides[0], side)) {
        rt_diag_add(l->diag, RT_SEVERITY_ERROR, "B2076",
                    params != NULL ? params->key_mark : node->mark,
                    "write 5.0 for a number beside 0.5, and keep the order",
                    "the params of '%.*s' are not those of the first arm, of the same kinds",
                    RT_STR_ARG(side->name));
    }
    bool has_steps = rt_node_get(node, "do") != NULL;
    if (experiment->count > 1 && has_steps != experiment->has_steps) {
        rt_diag_add(l->diag, RT_SEVERITY_ERROR, "B2073", node->mark, "do: [] is nothing",
                    "either every arm has `do`, or none has");
    }
    experiment->has_steps = experiment->has_steps || has_steps;
}

static void
load_experiment(const br_loading *l, const rt_node *node)
{
    const rt_node *arms = br_key_list(node, "arms");
    br_experiment *experiment = rt_arena_new_of(l->set->arena, br_experiment);
    double sum = 0;
    l->set->full = l->set->full || experiment == NULL;
    if (experiment == NULL || arms == NULL) {
        return; // complained of already
    }
    for (const rt_node *arm = arms->child; arm != NULL && arm->kind == RT_NODE_MAP &&
                                           experiment->count < BR_ARMS_OF_EXPERIMENT_MAX;
         arm = arm->next) {
        load_side(l, experiment, arm, &sum);
    }
    if (experiment->count >= 2) {
        l->playbook->experiment = experiment;
    }
    if (isfinite(sum) && fabs(sum - 100) > 1e-6) {
        rt_diag_add(l->diag, RT_SEVERITY_ERROR, "B2075", arms->key_mark, NULL,
                    "the shares of the arms add up to %g, not 100", sum);
    }
}

static void
refuse_llm(const br_loading *l, const rt_node *decide)
{
    const rt_node *llm = rt_node_get(decide, "llm");
    if (llm != NULL) {
        rt_diag_add(l->diag, RT_SEVERITY_ERROR, "B2077", llm->key_mark,
                    "write first_match or policy",
                    "a language model decides nothing: this is not there yet");
    }
}

// Exactly one thing says what is done.
static void
check_ways(const br_loading *l, const rt_node *root)
{
    const rt_node *steps = rt_node_get(root, "do");
    const rt_node *decide = rt_node_get(root, "decide");
    const br_experiment *experiment = l->playbook->experiment;
    bool has_arms = experiment != NULL && experiment->has_steps;
    const rt_node *second = decide != NULL && steps != NULL ? decide : NULL;
    if (has_arms && (steps != NULL || decide != NULL)) {
        second = rt_node_get(root, "experiment");
    }
    if (second != NULL) {
        rt_diag_add(l->diag, RT_SEVERITY_ERROR, "B2073", second->key_mark, NULL,
                    "what is done stands in `do`, in `decide` or in every arm: in one of them");
    }
    bool is_empty = steps != NULL && steps->kind == RT_NODE_LIST && steps->child == NULL;
    bool said = steps != NULL || decide != NULL || rt_node_get(root, "experiment") != NULL;
    if (is_empty || !said || (steps == NULL && decide == NULL && experiment != NULL && !has_arms)) {
        br__load_missing(l, root, "do",
                         "for example do: [{action: alert_operator, target: x}]");
    }
}

void
br__load_decide(const br_loading *l, const rt_node *root)
{
    const rt_node *decide = br_key_map(root, "decide");
    const rt_node *experiment = br_key_map(root, "experiment");
    if (experiment != NULL) {
        load_experiment(l, experiment);
    }
    check_ways(l, root);
    if (decide == NULL) {
        return;
    }
    refuse_llm(l, decide);
    int said = (rt_node_get(decide, "first_match") != NULL) +
               (rt_node_get(decide, "policy") != NULL) + (rt_node_get(decide, "llm") != NULL);
    if (said != 1) {
        rt_diag_add(l->diag, RT_SEVERITY_ERROR, "B2073", decide->key_mark,
                    "decide: {first_match: [...]}",
                    said == 0 ? "nothing in `decide` says how"
                              : "one of `first_match`, `policy` and `llm` says how");
    }
}

// --- what is compiled for a rule ---

br_steps *
br__load_action_list(const br_loading *l, const rt_node *list, const br_expr_env *env)
{
    br_steps *steps = rt_arena_new_of(l->set->arena, br_steps);
    l->set->full = l->set->full || steps == NULL;
    if (steps != NULL && list != NULL) {
        br__load_steps(l, steps, list, env);
    }
    return steps;
}

// A condition that reads nothing and is true.
static bool
is_always(const br_expr *when)
{
    const br_expr_use *uses;
    br_expr_result result;
    for (size_t i = 0; i < br_expr_conjunct_count(when); i++) {
        if (br_expr_conjunct_vars(when, i, &uses) > 0) {
            return false;
        }
    }
    br_expr_eval(when, no_value, NULL, NULL, &result);
    return br_expr_is_true(&result);
}

static bool
is_never_true(const rt_diag *diag)
{
    for (size_t i = 0; i < rt_diag_count(diag); i++) {
        const char *code = rt_diag_at(diag, i).code;
        if (strcmp(code, "B2131") == 0 || strcmp(code, "B2133") == 0 ||
            strcmp(code, "B2134") == 0) {
            return true;
        }
    }
    return false;
}

// Whether `later` can hold where `earlier` does not.
static bool
is_left(const rt_node *earlier, const rt_node *later, const br_expr_env *env)
{
    rt_text text;
    br_expr *both = NULL;
    br_expr_env strict = *env;
    rt_diag *diag = rt_diag_new();
    strict.reasons = BR_REASONS_ERROR;
    rt_text_init(&text, TEXT_BYTES_MAX);
    // a line of its own ends a comment
    rt_text_printf(&text, "!(%.*s\n) && (%.*s\n)", RT_STR_ARG(earlier->text),
                   RT_STR_ARG(later->text));
    rt_str source = rt_text_view(&text);
    bool fits = source.len + 1 < TEXT_BYTES_MAX;
    bool left = !fits || br_expr_compile(source, NULL, &strict, RT_KIND_BOOL, diag, &both) ==
                             RT_OK || !is_never_true(diag);
    br_expr_free(both);
    rt_text_fini(&text);
    rt_diag_free(diag);
    return left;
}

static void
report_unreachable(const br_loading *l, const rt_node *node, const rt_node *earlier,
                   const br_expr_env *env)
{
    bool warns = env->reasons != BR_REASONS_ERROR;
    rt_diag_add(l->diag, warns ? RT_SEVERITY_WARNING : RT_SEVERITY_ERROR, "B2071", node->mark,
                "put what is narrower first",
                "this branch is never reached: the one in line %u holds whenever it does",
                earlier->mark.line);
}

// Says whether the branch at `node` can be reached behind those before it, once.
static void
check_reached(const br_loading *l, const br_choice *choice, const rt_node *const *whens,
              const rt_node *branch, bool is_sound, const br_expr_env *env)
{
    uint32_t count = choice->way_count - 1;
    const rt_node *when = whens[count];
    for (uint32_t i = 0; i < count; i++) {
        if (whens[i] == NULL || choice->ways[i].when == NULL) {
            continue; // complained of already
        }
        bool same = when != NULL && rt_str_equal(whens[i]->text, when->text);
        if (same || is_always(choice->ways[i].when) ||
            (is_sound && when != NULL && choice->ways[count].when != NULL &&
             !is_left(whens[i], when, env))) {
            report_unreachable(l, when != NULL ? when : branch, whens[i], env);
            return;
        }
    }
}

static void
report_branch(const br_loading *l, const rt_node *node, const char *what)
{
    rt_diag_add(l->diag, RT_SEVERITY_ERROR, "B2072", node->mark,
                "- {when: data.risk > 0.9, do: [...]}, and last - else: []", "%s", what);
}

// The form of a branch; false when it cannot be read.
static bool
check_branch(const br_loading *l, const rt_node *node)
{
    bool has_when = rt_node_get(node, "when") != NULL;
    bool has_do = rt_node_get(node, "do") != NULL;
    bool has_else = rt_node_get(node, "else") != NULL;
    if (has_else && (has_when || has_do)) {
        report_branch(l, node, "`else` stands in place of `when` and `do`");
    } else if (has_else && node->next != NULL) {
        report_branch(l, node, "`else` is the last branch");
    } else if (!has_else && !has_when) {
        br__load_missing(l, node, "when", "the last branch says `else` in its place");
    } else if (!has_else && !has_do) {
        br__load_missing(l, node, "do", "for example do: [{action: alert_operator, target: x}]");
    } else {
        return true;
    }
    return false;
}

static void
load_branch(const br_loading *l, br_choice *choice, const rt_node **whens, const rt_node *node,
            const br_expr_env *env)
{
    bool is_else = rt_node_get(node, "else") != NULL;
    const rt_node *when = br_key_node(node, "when");
    size_t before = rt_diag_errors(l->diag) + rt_diag_warnings(l->diag);
    if (node->kind != RT_NODE_MAP || !check_branch(l, node)) {
        return; // complained of
    }
    br_way *way = &choice->ways[choice->way_count];
    way->name = br_key_str(&br_block_branch, node, "name");
    way->when = is_else ? NULL : br__load_expr(l, when, env, RT_KIND_BOOL);
    bool is_sound = rt_diag_errors(l->diag) + rt_diag_warnings(l->diag) == before;
    way->steps = br__load_action_list(l, br_key_list(node, is_else ? "else" : "do"), env);
    if (way->steps == NULL) {
        br_expr_free(way->when);
        return;
    }
    whens[choice->way_count++] = is_else ? NULL : when;
    check_reached(l, choice, whens, node, is_sound, env);
}

static void
check_default(const br_loading *l, const rt_node *list)
{
    bool is_said = list->child == NULL; // complained of already
    for (const rt_node *node = list->child; node != NULL; node = node->next) {
        is_said = is_said || node->kind != RT_NODE_MAP || rt_node_get(node, "else") != NULL;
    }
    if (!is_said) {
        rt_diag_add(l->diag, RT_SEVERITY_ERROR, "B2070", list->key_mark,
                    "- else: [] says that nothing is done",
                    "nothing says what is done when no condition holds");
    }
}

static void
load_first_match(const br_loading *l, br_choice *choice, const rt_node *list,
                 const br_expr_env *env)
{
    const rt_node *whens[BR_BRANCHES_MAX] = {NULL};
    choice->ways = rt_arena_array(l->set->arena, br_way, BR_BRANCHES_MAX);
    l->set->full = l->set->full || choice->ways == NULL;
    for (const rt_node *node = list->child;
         choice->ways != NULL && node != NULL && choice->way_count < BR_BRANCHES_MAX;
         node = node->next) {
        load_branch(l, choice, whens, node, env);
    }
    check_default(l, list);
}

static void
load_sides(const br_loading *l, br_choice *choice, const rt_node *experiment,
           const br_expr_env *env)
{
    const rt_node *arms = br_key_list(experiment, "arms");
    uint32_t i = 0;
    for (const rt_node *arm = arms->child; l->playbook->experiment->has_steps && arm != NULL &&
                                           i < l->playbook->experiment->count;
         arm = arm->next) {
        choice->sides[i++] = br__load_action_list(l, br_key_list(arm, "do"), env);
    }
}

// What a rule chooses among; `names` knows the params of arms, `env` does not.
static void
load_choices(const br_loading *l, const rt_node *root, br_rule *rule, const br_expr_env *names,
             const br_expr_env *env)
{
    const rt_node *experiment = br_key_map(root, "experiment");
    const rt_node *list = br_key_list(br_key_map(root, "decide"), "first_match");
    if (list != NULL) {
        load_first_match(l, rule->choice, list, names);
    } else if (l->playbook->policy != NULL) {
        br__load_options(l, root, rule->choice, names, env);
    }
    if (l->playbook->experiment != NULL) {
        rule->choice->side_key =
            br__load_expr(l, br_key_node(experiment, "key"), env, RT_KIND_STR);
        load_sides(l, rule->choice, experiment, names);
    }
}

static uint32_t
steps_most(const br_rule *rule)
{
    uint32_t most = 0;
    const br_steps *steps;
    for (uint32_t i = 0; (steps = br__rule_steps(rule, i)) != NULL; i++) {
        most = RT_MAX(most, steps->count);
    }
    return most;
}

void
br__load_choice(const br_loading *l, const rt_node *root, br_rule *rule, const br_expr_env *env)
{
    const rt_node *steps = br_key_list(root, "do");
    const rt_node *decide = br_key_map(root, "decide");
    br_params_names params = {*env, l->playbook->experiment};
    br_expr_env names = params.experiment != NULL ? br__params_env(&params) : *env;
    if (decide != NULL || params.experiment != NULL) {
        rule->choice = rt_arena_new_of(l->set->arena, br_choice);
        l->set->full = l->set->full || rule->choice == NULL;
    }
    if (steps != NULL) {
        br__load_steps(l, &rule->steps, steps, &names);
    }
    if (rule->choice != NULL) {
        load_choices(l, root, rule, &names, env);
    }
    rule->steps_most = steps_most(rule);
}

// --- what is known of them ---

void
br__choice_free(br_choice *choice)
{
    if (choice == NULL) {
        return;
    }
    for (uint32_t i = 0; i < choice->way_count; i++) {
        br_expr_free(choice->ways[i].when);
        br__steps_free(choice->ways[i].steps);
    }
    for (size_t i = 0; i < RT_COUNT(choice->sides) && choice->sides[i] != NULL; i++) {
        br__steps_free(choice->sides[i]);
    }
    for (size_t i = 0; i < RT_COUNT(choice->features); i++) {
        br_expr_free(choice->features[i]);
    }
    br_expr_free(choice->join);
    br_expr_free(choice->value);
    br_expr_free(choice->side_key);
}

const br_steps *
br__rule_steps(const br_rule *rule, uint32_t index)
{
    if (index == 0) {
        return &rule->steps;
    }
    index--;
    if (rule->choice == NULL) {
        return NULL;
    }
    if (index < rule->choice->way_count) {
        return rule->choice->ways[index].steps;
    }
    index -= rule->choice->way_count;
    return index < RT_COUNT(rule->choice->sides) ? rule->choice->sides[index] : NULL;
}
