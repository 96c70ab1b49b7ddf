// Design notes.
// The numbers of a model mean something only together with its features, its learner and its
// reward: their hash is the shape that every stored number carries. What an action does is not in
// it, and so a wording can be mended without forgetting all; an action that is to be learned anew
// gets another name.
#include "brain/playbook/decide_internal.h"
#include "brain/playbook/keys.h"
#include "runtime/base/hash.h"

static void
report(const br_loading *l, const char *code, rt_mark mark, const char *help, const char *what)
{
    rt_diag_add(l->diag, RT_SEVERITY_ERROR, code, mark, help, "%s", what);
}

// --- what is the same for every rule ---

static void
load_feature_names(const br_loading *l, br_policy *policy, const rt_node *features)
{
    for (const rt_node *node = features->child; node != NULL; node = node->next) {
        if (policy->feature_count == BR_POLICY_FEATURES_MAX) {
            rt_diag_add(l->diag, RT_SEVERITY_ERROR, "B2084", node->key_mark, NULL,
                        "a policy has at most %d features", BR_POLICY_FEATURES_MAX);
            return;
        }
        br__load_value_name(l, node, "a feature");
        if (node->kind != RT_NODE_SCALAR) {
            rt_diag_add(l->diag, RT_SEVERITY_ERROR, "B2024", node->mark, "{risk: data.risk}",
                        "a feature wants one expression");
        }
        policy->features[policy->feature_count++] = node->key;
    }
    if (policy->feature_count == 0) {
        report(l, "B2084", features->key_mark, "features: {risk: data.risk}",
               "a policy has at least one feature");
    }
}

static void
load_baseline(const br_loading *l, br_policy *policy, const rt_node *node)
{
    const rt_node *actions = br_key_list(node, "actions");
    const rt_node *baseline = br_key_node(node, "baseline");
    const rt_node *found = NULL;
    uint32_t index = 0;
    for (const rt_node *a = actions != NULL ? actions->child : NULL; a != NULL;
         a = a->next, index++) {
        const rt_node *name = a->kind == RT_NODE_MAP ? br_key_node(a, "name") : NULL;
        for (const rt_node *b = actions->child; name != NULL && b != a; b = b->next) {
            const rt_node *its = b->kind == RT_NODE_MAP ? br_key_node(b, "name") : NULL;
            if (its != NULL && rt_str_equal(its->text, name->text)) {
                rt_diag_add(l->diag, RT_SEVERITY_ERROR, "B2074", name->mark, NULL,
                            "two actions of the policy are called '%.*s'",
                            RT_STR_ARG(name->text));
            }
        }
        if (name != NULL && baseline != NULL && rt_str_equal(name->text, baseline->text)) {
            found = a;
            policy->baseline = index;
        }
    }
    if (baseline != NULL && found == NULL && actions != NULL) {
        rt_diag_add(l->diag, RT_SEVERITY_ERROR, "B2082", baseline->mark, NULL,
                    "no action of the policy is called '%.*s'", RT_STR_ARG(baseline->text));
    } else if (found != NULL && rt_node_get(found, "when") != NULL) {
        report(l, "B2082", rt_node_get(found, "when")->key_mark, "leave `when` out",
               "the baseline may always be chosen");
    }
}

static void
load_clip(const br_loading *l, br_policy *policy, const rt_node *reward)
{
    const rt_node *clip = br_key_list(reward, "clip");
    const rt_node *otherwise = br_key_node(reward, "default");
    const rt_node *low = clip != NULL ? clip->child : NULL;
    policy->least = -1;
    policy->most = 1;
    if (low != NULL && low->next != NULL) {
        bool known = rt_parse_f64(low->text, &policy->least) == RT_OK &&
                     rt_parse_f64(low->next->text, &policy->most) == RT_OK;
        if (known && policy->least >= policy->most) {
            report(l, "B2083", clip->mark, "clip: [0, 1]",
                   "the least reward is below the greatest");
            return;
        }
    }
    policy->otherwise = br_key_f64(&br_block_reward, reward, "default");
    if (policy->otherwise < policy->least || policy->otherwise > policy->most) {
        rt_diag_add(l->diag, RT_SEVERITY_ERROR, "B2083",
                    otherwise != NULL ? otherwise->mark : reward->key_mark, NULL,
                    "the default %g is not from %g to %g", policy->otherwise, policy->least,
                    policy->most);
    }
}

// The outcome is heard by a rule of its own.
static void
load_outcome(const br_loading *l, const rt_node *reward)
{
    const rt_node *node = br_key_node(reward, "outcome");
    const rt_event_type *type = node != NULL ? br__load_event_type(l, node) : NULL;
    const rt_node *own = br_key_node(reward, "outcome_join");
    br_rule *rule = rt_arena_new_of(l->set->arena, br_rule);
    br_choice *choice = rt_arena_new_of(l->set->arena, br_choice);
    if (type == NULL || rule == NULL || choice == NULL) {
        l->set->full = l->set->full || rule == NULL || choice == NULL;
        return;
    }
    br_env env = {l->set->pack, type, br_pack_plan(l->set->pack, type)};
    br_expr_env names = br__load_env(l, &env, BR_REASONS_ERROR);
    rule->playbook = l->playbook;
    rule->element = BR_RULE_REWARD;
    rule->choice = choice;
    rule->when = br__load_expr(l, br_key_node(reward, "when"), &names, RT_KIND_BOOL);
    rule->key = br__load_expr(l, own != NULL ? own : br_key_node(reward, "join"), &names,
                              RT_KIND_STR);
    const rt_node *value = br_key_node(reward, "value");
    choice->value = br__load_expr(l, value, &names, RT_KIND_NONE);
    rt_kind kind = choice->value != NULL ? br_expr_kind(choice->value) : RT_KIND_NONE;
    if (kind == RT_KIND_STR || kind == RT_KIND_TIME || kind == RT_KIND_DURATION) {
        rt_diag_add(l->diag, RT_SEVERITY_ERROR, "B2104", value->mark, NULL,
                    "a reward is a number or a truth value, this is %s", rt_kind_name(kind));
    }
    br__load_place(l, type, rule);
}

static uint64_t
shape_of(const rt_node *policy, const rt_node *reward)
{
    const rt_node *features = br_key_map(policy, "features");
    uint64_t hash = rt_hash64(rt_bytes_of_str(br_key_str(&br_block_policy, policy, "learner")), 1);
    hash = hash * 31 + (features != NULL ? br__load_hash(features) : 0);
    return hash * 31 + br__load_hash(reward);
}

static br_policy *
new_policy(const br_loading *l, const rt_node *node, const rt_node *reward)
{
    br_policy *policy = rt_arena_new_of(l->set->arena, br_policy);
    const rt_node *features = br_key_map(node, "features");
    l->set->full = l->set->full || policy == NULL;
    if (policy == NULL) {
        return NULL;
    }
    if (features != NULL) {
        load_feature_names(l, policy, features);
    }
    load_baseline(l, policy, node);
    load_clip(l, policy, reward);
    policy->explore = br_key_f64(&br_block_policy, node, "explore");
    policy->alpha = br_key_f64(&br_block_policy, node, "alpha");
    policy->max_open = (uint32_t)br_key_i64(&br_block_policy, node, "max_keys");
    policy->within_ms = br_key_duration_ms(&br_block_reward, reward, "within");
    policy->shape = shape_of(node, reward);
    return policy;
}

void
br__load_policy(const br_loading *l, const rt_node *root)
{
    const rt_node *node = br_key_map(br_key_map(root, "decide"), "policy");
    const rt_node *reward = br_key_map(root, "reward");
    const rt_node *approve = rt_node_get(root, "approve");
    if (node != NULL && rt_node_get(root, "reward") == NULL) {
        report(l, "B2079", node->key_mark,
               "reward: {outcome: order.delivered, join: event.subject, within: 72h, value: 1.0}",
               "a policy learns from `reward`, which is missing");
    } else if (node == NULL && reward != NULL &&
               rt_node_get(br_key_map(root, "decide"), "policy") == NULL) {
        report(l, "B2079", reward->key_mark, "decide: {policy: ...}",
               "nothing here learns from a reward");
    }
    if (node != NULL && approve != NULL) {
        report(l, "B2078", approve->key_mark, "decide.first_match can be approved",
               "what a policy chooses cannot wait for an approval");
    }
    if (node == NULL || reward == NULL) {
        return;
    }
    l->playbook->policy = new_policy(l, node, reward);
    l->set->learns = true;
    load_outcome(l, reward);
}

// --- what is compiled for a rule ---

static void
load_features(const br_loading *l, br_choice *choice, const rt_node *features,
              const br_expr_env *env)
{
    uint32_t i = 0;
    for (const rt_node *node = features->child; node != NULL && i < BR_POLICY_FEATURES_MAX;
         node = node->next, i++) {
        br_expr *expr =
            node->kind == RT_NODE_SCALAR ? br__load_expr(l, node, env, RT_KIND_NONE) : NULL;
        rt_kind kind = expr != NULL ? br_expr_kind(expr) : RT_KIND_NONE;
        choice->features[i] = expr;
        if (kind == RT_KIND_STR || kind == RT_KIND_TIME || kind == RT_KIND_DURATION) {
            rt_diag_add(l->diag, RT_SEVERITY_ERROR, "B2084", node->mark,
                        "compare a text: order.city == \"Cali\"",
                        "a feature is a number or a truth value, this is %s",
                        rt_kind_name(kind));
        }
    }
}

static void
load_option(const br_loading *l, br_choice *choice, const rt_node *node, const br_expr_env *env)
{
    br_way *way = &choice->ways[choice->way_count];
    way->steps = br__load_action_list(l, br_key_list(node, "do"), env);
    if (way->steps == NULL) {
        return;
    }
    way->name = br_key_str(&br_block_option, node, "name");
    way->when = br__load_expr(l, br_key_node(node, "when"), env, RT_KIND_BOOL);
    choice->way_count++;
}

void
br__load_options(const br_loading *l, const rt_node *root, br_choice *choice,
                 const br_expr_env *names, const br_expr_env *env)
{
    const rt_node *node = br_key_map(br_key_map(root, "decide"), "policy");
    const rt_node *features = br_key_map(node, "features");
    const rt_node *actions = br_key_list(node, "actions");
    choice->ways = rt_arena_array(l->set->arena, br_way, BR_POLICY_ACTIONS_MAX);
    l->set->full = l->set->full || choice->ways == NULL;
    choice->join = br__load_expr(l, br_key_node(br_key_map(root, "reward"), "join"), env,
                                 RT_KIND_STR);
    if (features != NULL) {
        load_features(l, choice, features, names);
    }
    for (const rt_node *a = actions != NULL ? actions->child : NULL;
         choice->ways != NULL && a != NULL && a->kind == RT_NODE_MAP &&
         choice->way_count < BR_POLICY_ACTIONS_MAX;
         a = a->next) {
        load_option(l, choice, a, names);
    }
}
