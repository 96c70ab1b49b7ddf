// Reads what is beyond a plain throttle: collect, until.
#include "brain/playbook/internal.h"
#include "brain/playbook/keys.h"

// Names of what was collected, as conditions and texts read them: collected.count.
static const br_capture collected[] = {
    [BR_COLLECTED_COUNT] = {{"count", 5}, RT_KIND_I64},
    [BR_COLLECTED_FIRST] = {{"first_at", 8}, RT_KIND_TIME},
    [BR_COLLECTED_LAST] = {{"last_at", 7}, RT_KIND_TIME},
    [BR_COLLECTED_SUBJECTS] = {{"subjects", 8}, RT_KIND_STR},
};

_Static_assert(RT_COUNT(collected) <= BR_CAPTURES_MAX, "they are captures of one part");

void
br__load_throttle(const br_loading *l, const rt_node *root)
{
    br_playbook *playbook = l->playbook;
    br_pattern *pattern = &playbook->pattern;
    const rt_node *throttle = br_key_map(root, "throttle");
    const rt_node *collect = br_key_map(throttle, "collect");
    const rt_node *until = br_key_map(throttle, "until");
    if (throttle == NULL) {
        return;
    }
    bool has_per = rt_node_get(throttle, "per") != NULL;
    playbook->info.throttle_ms = br_key_duration_ms(&br_block_throttle, throttle, "per");
    playbook->has_until = until != NULL;
    if (!has_per && rt_node_get(throttle, "collect") == NULL) {
        br__load_missing(l, throttle, "per", "for example per: 24h, or collect: {within: 30m}");
    } else if (!has_per && until != NULL) {
        br__load_missing(l, throttle, "per", "so that it ends where the event never comes");
    }
    if (collect == NULL) {
        return;
    }
    if (rt_node_get(root, "pattern") != NULL) {
        rt_diag_add(l->diag, RT_SEVERITY_ERROR, "B2080", collect->key_mark,
                    "pattern: {count: {...}} counts events of one kind",
                    "`collect` and `pattern` exclude each other");
        return;
    }
    pattern->kind = BR_PATTERN_COLLECT;
    pattern->within_ms = br_key_duration_ms(&br_block_collect, collect, "within");
    pattern->at_least = (uint32_t)br_key_i64(&br_block_collect, collect, "at_least");
    pattern->up_to = (uint32_t)br_key_i64(&br_block_collect, collect, "up_to");
    pattern->max_keys = (uint32_t)br_key_i64(&br_block_collect, collect, "max_keys");
    pattern->shape = br__load_hash(throttle);
    pattern->element_count = 1;
    pattern->elements[0].name = RT_STR("collected");
    pattern->elements[0].capture_count = RT_COUNT(collected);
    memcpy(pattern->elements[0].captures, collected, sizeof(collected));
    if (pattern->up_to > 0 && pattern->at_least > pattern->up_to) {
        rt_diag_add(l->diag, RT_SEVERITY_ERROR, "B2081", rt_node_get(collect, "at_least")->mark,
                    "at_least is not above up_to", "it would never act");
    }
}

void
br__load_collecting(const br_loading *l, const rt_node *root, br_rule *rule,
                    const br_expr_env *plain, const br_expr_env *captured)
{
    const rt_node *throttle = br_key_map(root, "throttle");
    const rt_node *key = br_key_node(throttle, "key");
    rule->element = 0;
    rule->key = br__load_expr(l, key, plain, RT_KIND_STR);
    if (rt_node_get(throttle, "per") != NULL && rule->key != NULL) {
        rule->throttle_key = br__load_expr(l, key, captured, RT_KIND_STR);
    }
}

void
br__load_until(const br_loading *l, const rt_node *root)
{
    const rt_node *throttle = br_key_map(root, "throttle");
    const rt_node *until = br_key_map(throttle, "until");
    const rt_node *event = br_key_node(until, "event");
    const rt_event_type *type = event != NULL ? br__load_event_type(l, event) : NULL;
    br_rule *rule = type != NULL ? rt_arena_new_of(l->set->arena, br_rule) : NULL;
    if (rule == NULL) {
        l->set->full = l->set->full || type != NULL;
        return;
    }
    br_env env = {l->set->pack, type, br_pack_plan(l->set->pack, type)};
    br_expr_env names = br__load_env(l, &env, BR_REASONS_ERROR);
    const rt_node *own_key = br_key_node(until, "key");
    rule->playbook = l->playbook;
    rule->element = BR_ELEMENT_UNTIL;
    rule->when = br__load_expr(l, br_key_node(until, "when"), &names, RT_KIND_BOOL);
    rule->key = br__load_expr(l, own_key != NULL ? own_key : br_key_node(throttle, "key"), &names,
                              RT_KIND_STR);
    br__load_place(l, type, rule);
}
