// Feature groups of a pack and the plan of which event reads and updates which feature.
#include "brain/pack/internal.h"
#include "brain/pack/situation.h"
#include "runtime/base/hash.h"

static bool
parse_stat_kind(rt_str name, br_stat_kind *ret_kind)
{
    static const char *const names[] = {"count", "sum", "mean", "last"};
    for (size_t i = 0; i < RT_COUNT(names); i++) {
        if (rt_str_is(name, names[i])) {
            *ret_kind = (br_stat_kind)i;
            return true;
        }
    }
    return false;
}

static void
load_stat(br_group *group, const rt_node *node, rt_diag *diag)
{
    static const char *const allowed[] = {"on",    "kind",   "value", "half_life",
                                          "prior", "weight", "doc",   NULL};
    if (group->stat_count == BR_STATS_MAX) {
        rt_diag_add(diag, RT_SEVERITY_ERROR, "B1303", node->key_mark, NULL,
                    "a feature group has at most %d features", BR_STATS_MAX);
        return;
    }
    (void)rt_node_only(node, allowed, "B1301", diag); // findings are in diag
    br_stat *stat = &group->stats[group->stat_count++];
    stat->name = node->key;
    stat->word = rt_mp_word_of(node->key);
    stat->tag = (uint32_t)rt_hash64(rt_bytes_of_str(node->key), 0);
    rt_str kind = rt_node_str(node, "kind", RT_STR("count"), diag);
    if (!parse_stat_kind(kind, &stat->kind)) {
        rt_diag_add(diag, RT_SEVERITY_ERROR, "B1304", node->mark,
                    "kinds are count, sum, mean, last", "unknown feature kind '%.*s'",
                    RT_STR_ARG(kind));
    }
    stat->half_life_ms = rt_node_duration_ms(node, "half_life", 0, diag);
    stat->prior = rt_node_f64(node, "prior", 0, -1e12, 1e12, diag);
    stat->weight = rt_node_f64(node, "weight", 0, 0, 1e9, diag);
    if (stat->kind != BR_STAT_LAST && stat->half_life_ms <= 0) {
        rt_diag_add(diag, RT_SEVERITY_ERROR, "B1305", node->key_mark, "add half_life: 30d",
                    "feature '%.*s' needs a half_life", RT_STR_ARG(node->key));
    }
}

void
br__load_features(br_pack *pack, const br_document *document, rt_diag *diag)
{
    static const char *const top[] = {"kind", "features", NULL};
    (void)rt_node_only(document->root, top, "B1301", diag); // findings are in diag
    const rt_node *list = rt_node_get(document->root, "features");
    for (const rt_node *node = list != NULL ? list->child : NULL; node != NULL; node = node->next) {
        if (pack->group_count == BR_GROUPS_MAX) {
            rt_diag_add(diag, RT_SEVERITY_ERROR, "B1302", node->key_mark, NULL,
                        "a pack has at most %d feature groups", BR_GROUPS_MAX);
            return;
        }
        br_group *group = &pack->groups[pack->group_count];
        group->index = (uint8_t)pack->group_count++;
        group->name = node->key;
        group->word = rt_mp_word_of(node->key);
        group->key = rt_node_str(node, "key", RT_STR(""), diag);
        for (const rt_node *stat = node->child; stat != NULL; stat = stat->next) {
            if (!rt_str_is(stat->key, "key")) {
                load_stat(group, stat, diag);
            }
        }
    }
}

// The key comes from the event's field of that name, else from an attribute of a touched entity,
// else from the key of a touched entity itself (an event about carrier/x names the carrier).
static bool
find_key(const br_plan *plan, const rt_event_type *type, rt_str key, br_source *ret_source)
{
    int slot = rt_event_type_slot(type, key);
    if (slot >= 0 && type->fields[slot].kind == RT_KIND_STR) {
        *ret_source = (br_source){(int8_t)slot, -1, -1};
        return true;
    }
    for (uint32_t t = 0; t < plan->touch_count; t++) {
        int attribute = br__entity_attribute(plan->touches[t].entity, key);
        if (attribute >= 0 && plan->touches[t].entity->attributes[attribute].kind == RT_KIND_STR) {
            *ret_source = (br_source){-1, (int8_t)t, (int8_t)attribute};
            return true;
        }
    }
    if (plan->touch_count > 0 && rt_str_equal(plan->touches[0].entity->name, key)) {
        *ret_source = (br_source){-1, 0, -1};
        return true;
    }
    return false;
}

static void
add_groups(br_pack *pack, const rt_event_type *type)
{
    br_plan *plan = &pack->plans[type->index];
    for (uint32_t g = 0; g < pack->group_count; g++) {
        br_source key;
        if (plan->group_count < BR_PLAN_GROUPS_MAX &&
            find_key(plan, type, pack->groups[g].key, &key)) {
            plan->groups[plan->group_count++] =
                (br_plan_group){.group = &pack->groups[g], .key = key};
        }
    }
}

static br_plan_group *
plan_group_of(br_plan *plan, const br_group *group)
{
    for (uint32_t g = 0; g < plan->group_count; g++) {
        if (plan->groups[g].group == group) {
            return &plan->groups[g];
        }
    }
    return NULL;
}

static void
plan_update(br_pack *pack, const br_group *group, uint32_t stat, const rt_node *on,
            const rt_node *value, rt_diag *diag)
{
    const rt_event_type *type = rt_catalog_find(pack->catalog, on->text);
    char help[128];
    if (type == NULL) {
        rt_diag_add(diag, RT_SEVERITY_ERROR, "B1306", on->mark,
                    rt_catalog_suggest(pack->catalog, on->text, help, sizeof(help)),
                    "unknown event type '%.*s'", RT_STR_ARG(on->text));
        return;
    }
    br_plan_group *use = plan_group_of(&pack->plans[type->index], group);
    if (use == NULL) {
        rt_diag_add(diag, RT_SEVERITY_ERROR, "B1307", on->mark,
                    "the key must be a text field of the event or an attribute of its subject",
                    "event '%.*s' has no key '%.*s'", RT_STR_ARG(on->text),
                    RT_STR_ARG(group->key));
        return;
    }
    use->updates |= (uint16_t)(1u << stat);
    if (value != NULL) {
        br_env env = {pack, type, &pack->plans[type->index]};
        br_expr_env names = br_env_expr(&env);
        br_expr *expr = NULL;
        if (br_expr_compile(value->text, value, &names, RT_KIND_NONE, diag, &expr) == RT_OK) {
            br_expr_free((br_expr *)(uintptr_t)use->values[stat]); // an event type named twice
            use->values[stat] = expr;
        }
    }
}

static void
plan_stat(br_pack *pack, const br_group *group, const rt_node *node, rt_diag *diag)
{
    uint32_t stat = 0;
    while (stat < group->stat_count && !rt_str_equal(group->stats[stat].name, node->key)) {
        stat++;
    }
    const rt_node *on = rt_node_get(node, "on");
    const rt_node *value = rt_node_get(node, "value");
    if (stat == group->stat_count) {
        return; // refused before, with its reason
    }
    if (on == NULL || on->kind != RT_NODE_LIST) {
        rt_diag_add(diag, RT_SEVERITY_ERROR, "B1308", node->key_mark, "write on: [event.type]",
                    "feature '%.*s' does not say which events update it", RT_STR_ARG(node->key));
        return;
    }
    if (value == NULL && group->stats[stat].kind != BR_STAT_COUNT) {
        rt_diag_add(diag, RT_SEVERITY_ERROR, "B1309", node->key_mark, "write value: data.<field>",
                    "feature '%.*s' needs a value", RT_STR_ARG(node->key));
        return;
    }
    for (const rt_node *event = on->child; event != NULL; event = event->next) {
        plan_update(pack, group, stat, event, value, diag);
    }
}

void
br__plan_features(br_pack *pack, const br_document *document, rt_diag *diag)
{
    for (uint16_t t = 0; t < rt_catalog_count(pack->catalog); t++) {
        if (pack->plans[t].group_count == 0) {
            add_groups(pack, rt_catalog_at(pack->catalog, t));
        }
    }
    const rt_node *list = rt_node_get(document->root, "features");
    for (const rt_node *node = list != NULL ? list->child : NULL; node != NULL; node = node->next) {
        const br_group *group = NULL;
        for (uint32_t g = 0; g < pack->group_count; g++) {
            group = rt_str_equal(pack->groups[g].name, node->key) ? &pack->groups[g] : group;
        }
        for (const rt_node *stat = node->child; stat != NULL && group != NULL; stat = stat->next) {
            if (!rt_str_is(stat->key, "key")) {
                plan_stat(pack, group, stat, diag);
            }
        }
    }
}
