// Design notes.
// Each part of a pattern becomes a rule of its event type. The actions are compiled once for every
// part that can come last, and, when the last part has to stay away, for the timer that finds this
// out. What was captured of a part is read as <part>.<name>.
#include "brain/playbook/decide_internal.h"
#include "brain/playbook/keys.h"

#define FROM_CAPTURED 15u // beside the places that situations number

// --- names of captures ---

static bool
split(rt_str path, rt_str *ret_head, rt_str *ret_tail)
{
    const char *dot = memchr(path.ptr, '.', path.len);
    if (dot == NULL) {
        return false;
    }
    size_t len = (size_t)(dot - path.ptr);
    *ret_head = (rt_str){path.ptr, len};
    *ret_tail = (rt_str){dot + 1, path.len - len - 1};
    return true;
}

static bool
resolve(void *user, rt_str path, br_expr_var *ret_var)
{
    const br_captured_names *names = user;
    rt_str head;
    rt_str tail;
    if (!split(path, &head, &tail)) {
        return names->inner.resolve(names->inner.user, path, ret_var);
    }
    for (uint32_t e = 0; e < names->pattern->element_count; e++) {
        const br_element *element = &names->pattern->elements[e];
        for (uint32_t c = 0; rt_str_equal(element->name, head) && c < element->capture_count;
             c++) {
            if (rt_str_equal(element->captures[c].name, tail)) {
                *ret_var = (br_expr_var){.slot = FROM_CAPTURED << 28 | e << 16 | c,
                                         .kind = element->captures[c].kind};
                return true;
            }
        }
    }
    return names->inner.resolve(names->inner.user, path, ret_var);
}

static size_t
suggest(void *user, rt_str path, rt_str *ret_names, size_t max)
{
    const br_captured_names *names = user;
    return names->inner.suggest(names->inner.user, path, ret_names, max);
}

static const br_hours *
calendar(void *user, rt_str name)
{
    const br_captured_names *names = user;
    return names->inner.calendar(names->inner.user, name);
}

static size_t
calendars(void *user, rt_str *ret_names, size_t max)
{
    const br_captured_names *names = user;
    return names->inner.calendars(names->inner.user, ret_names, max);
}

br_expr_env
br__captured_env(br_captured_names *names)
{
    return (br_expr_env){.resolve = resolve,
                         .suggest = suggest,
                         .calendar = calendar,
                         .calendars = calendars,
                         .user = names,
                         .reasons = names->inner.reasons};
}

rt_value
br__captured_load(const void *user, uint32_t slot)
{
    const br_captured_view *view = user;
    if (slot >> 28 == FROM_CAPTURED) {
        return view->values[slot >> 16 & 0xfff][slot & 0xffff];
    }
    return br_situation_load(view->situation, slot);
}

// --- reading the block ---

static const rt_str reserved[] = {{"data", 4}, {"event", 5}, {"memory", 6}, {"feature", 7},
                                  {"now", 3}};

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

static void
check_name(const br_loading *l, const br_pattern *pattern, const rt_node *at, rt_str name)
{
    bool taken = br_pack_subject_plan(l->set->pack, name) != NULL;
    for (size_t i = 0; i < RT_COUNT(reserved); i++) {
        taken = taken || rt_str_equal(reserved[i], name);
    }
    if (!is_name(name) || taken) {
        rt_diag_add(l->diag, RT_SEVERITY_ERROR, "B2031", at->mark,
                    "lower-case letters, digits and _, not a name that expressions know already",
                    "'%.*s' cannot name a part", RT_STR_ARG(name));
    }
    for (uint32_t i = 0; i + 1 < pattern->element_count; i++) {
        if (rt_str_equal(pattern->elements[i].name, name)) {
            rt_diag_add(l->diag, RT_SEVERITY_ERROR, "B2032", at->mark, NULL,
                        "two parts are called '%.*s'", RT_STR_ARG(name));
        }
    }
}

// The last word of the event's type, when the part has no name.
static rt_str
default_name(rt_str type)
{
    for (size_t i = type.len; i > 0; i--) {
        if (type.ptr[i - 1] == '.') {
            return (rt_str){type.ptr + i, type.len - i};
        }
    }
    return type;
}

static void
load_captures(const br_loading *l, br_element *element, br_rule *rule, const rt_node *captures,
              const br_expr_env *env)
{
    for (const rt_node *node = captures->child; node != NULL; node = node->next) {
        if (element->capture_count == BR_CAPTURES_MAX) {
            rt_diag_add(l->diag, RT_SEVERITY_ERROR, "B2033", node->mark, NULL,
                        "at most %d values of a part", BR_CAPTURES_MAX);
            return;
        }
        if (!is_name(node->key)) {
            rt_diag_add(l->diag, RT_SEVERITY_ERROR, "B2031", node->key_mark,
                        "lower-case letters, digits and _", "'%.*s' cannot name a value",
                        RT_STR_ARG(node->key));
        }
        if (node->kind != RT_NODE_SCALAR) {
            rt_diag_add(l->diag, RT_SEVERITY_ERROR, "B2024", node->mark, NULL,
                        "a captured value wants one expression");
            continue;
        }
        br_expr *expr = br__load_expr(l, node, env, RT_KIND_NONE);
        rule->captures[element->capture_count] = expr;
        element->captures[element->capture_count++] =
            (br_capture){node->key, expr != NULL ? br_expr_kind(expr) : RT_KIND_NONE};
    }
}

// Begins a part: its place, its event, its name.
static br_rule *
new_part(const br_loading *l, br_pattern *pattern, const rt_node *node)
{
    const rt_node *event = br_key_node(node, "event");
    const rt_event_type *type = event != NULL ? br__load_event_type(l, event) : NULL;
    br_rule *rule = rt_arena_new_of(l->set->arena, br_rule);
    l->set->full = l->set->full || rule == NULL;
    if (type == NULL || rule == NULL || pattern->element_count == BR_ELEMENTS_MAX) {
        return NULL; // complained of already
    }
    br_element *element = &pattern->elements[pattern->element_count++];
    rule->playbook = l->playbook;
    rule->element = (int32_t)pattern->element_count - 1;
    element->type = type;
    if (pattern->kind == BR_PATTERN_COUNT) {
        element->name = RT_STR("count");
        return rule;
    }
    const rt_node *name = br_key_node(node, "name");
    element->name = name != NULL ? name->text : default_name(type->name);
    element->absent = br_key_bool(&br_block_part, node, "absent");
    check_name(l, pattern, name != NULL ? name : event, element->name);
    return rule;
}

static br_rule *
load_part(const br_loading *l, const rt_node *node, const rt_node *key)
{
    br_pattern *pattern = &l->playbook->pattern;
    br_rule *rule = new_part(l, pattern, node);
    if (rule == NULL) {
        return NULL;
    }
    br_element *element = &pattern->elements[rule->element];
    br_env env = {l->set->pack, element->type, br_pack_plan(l->set->pack, element->type)};
    br_expr_env names = br__load_env(l, &env, BR_REASONS_ERROR);
    const rt_node *own_key = br_key_node(node, "key");
    const rt_node *captures = br_key_map(node, "capture");
    rule->when = br__load_expr(l, br_key_node(node, "when"), &names, RT_KIND_BOOL);
    rule->key = br__load_expr(l, own_key != NULL ? own_key : key, &names, RT_KIND_STR);
    if (captures != NULL) {
        load_captures(l, element, rule, captures, &names);
    }
    return rule;
}

// The actions, as the part that comes last sees them.
void
br__load_end(const br_loading *l, const rt_node *root, br_rule *rule, const rt_event_type *type,
             const br_plan *plan)
{
    br_env env = {l->set->pack, type, plan};
    br_captured_names captured = {br__load_env(l, &env, BR_REASONS_ERROR), &l->playbook->pattern};
    br_expr_env names = br__captured_env(&captured);
    const rt_node *pattern = br_key_map(root, "pattern");
    const rt_node *throttle = br_key_map(root, "throttle");
    const rt_node *where =
        pattern != NULL ? br_key_node(pattern, "where") : br_key_node(root, "when");
    rule->where = br__load_expr(l, where, &names, RT_KIND_BOOL);
    rule->throttle_key = br__load_expr(l, br_key_node(throttle, "key"), &names, RT_KIND_STR);
    br__load_choice(l, root, rule, &names);
    br__load_rule_limits(l, root, rule, &names);
}

// A last part that has to stay away: the timer makes the actions.
static void
load_late(const br_loading *l, const rt_node *root)
{
    const br_pack *pack = l->set->pack;
    const rt_event_type *timer = rt_catalog_find(br_pack_catalog(pack), RT_STR("timer.fired"));
    const br_plan *plan = br_pack_subject_plan(pack, l->playbook->entity);
    br_rule *rule = rt_arena_new_of(l->set->arena, br_rule);
    if (timer == NULL || rule == NULL) {
        l->set->full = l->set->full || rule == NULL;
        return;
    }
    rule->playbook = l->playbook;
    l->playbook->pattern.late = rule;
    br__load_end(l, root, rule, timer, plan != NULL ? plan : br_pack_plan(pack, timer));
}

static void
check_absent(const br_loading *l, const rt_node *parts)
{
    const br_pattern *pattern = &l->playbook->pattern;
    for (uint32_t i = 0; i < pattern->element_count; i++) {
        bool last = i + 1 == pattern->element_count;
        bool fits = pattern->kind == BR_PATTERN_SEQUENCE && last && i > 0;
        if (pattern->elements[i].absent && !fits) {
            rt_diag_add(l->diag, RT_SEVERITY_ERROR, "B2035", parts->key_mark,
                        "sequence: [{event: order.shipped}, {event: tracking.updated, absent: "
                        "true}]",
                        "only the last part of a sequence can be absent");
        }
    }
}

static void
end_parts(const br_loading *l, const rt_node *root, br_rule *const *rules)
{
    const br_pattern *pattern = &l->playbook->pattern;
    for (uint32_t i = 0; i < pattern->element_count; i++) {
        const br_element *element = &pattern->elements[i];
        bool last = i + 1 == pattern->element_count || pattern->kind == BR_PATTERN_ALL;
        if (last && element->absent) {
            load_late(l, root);
        } else if (last) {
            br__load_end(l, root, rules[i], element->type,
                     br_pack_plan(l->set->pack, element->type));
        }
        br__load_place(l, element->type, rules[i]);
    }
}

static void
load_parts(const br_loading *l, const rt_node *root, const rt_node *parts)
{
    br_playbook *playbook = l->playbook;
    br_rule *rules[BR_ELEMENTS_MAX] = {NULL};
    bool counted = playbook->pattern.kind == BR_PATTERN_COUNT;
    const rt_node *key = br_key_node(br_key_map(root, "pattern"), "key");
    for (const rt_node *node = counted ? parts : parts->child; node != NULL;
         node = counted ? NULL : node->next) {
        br_rule *rule = load_part(l, node, key);
        if (rule == NULL) {
            continue;
        }
        const rt_event_type *type = playbook->pattern.elements[rule->element].type;
        rules[rule->element] = rule;
        (void)br__load_same_entity(l, root, node, type); // findings are in diag
        playbook->entity = playbook->info.events++ == 0 ? type->entity : playbook->entity;
    }
    check_absent(l, parts);
    end_parts(l, root, rules);
}

void
br__load_pattern(const br_loading *l, const rt_node *root, const rt_node *node)
{
    static const char *const elsewhere[] = {"events", "when"};
    static const char *const forms[] = {
        [BR_PATTERN_SEQUENCE] = "sequence", [BR_PATTERN_ALL] = "all", [BR_PATTERN_COUNT] = "count"};
    br_pattern *pattern = &l->playbook->pattern;
    const rt_node *parts = NULL;
    int named = 0;
    for (size_t i = 0; i < RT_COUNT(elsewhere); i++) {
        const rt_node *other = rt_node_get(root, elsewhere[i]);
        if (other != NULL) {
            rt_diag_add(l->diag, RT_SEVERITY_ERROR, "B2030", other->key_mark,
                        "each part of the pattern says `event` and `when`",
                        "`%s` and `pattern` exclude each other", elsewhere[i]);
        }
    }
    for (size_t i = BR_PATTERN_SEQUENCE; i < RT_COUNT(forms); i++) {
        const rt_node *found = rt_node_get(node, forms[i]);
        named += found != NULL;
        if (found != NULL) {
            parts = i == BR_PATTERN_COUNT ? br_key_map(node, forms[i])
                                          : br_key_list(node, forms[i]);
            pattern->kind = (br_pattern_kind)i;
        }
    }
    if (named != 1) {
        rt_diag_add(l->diag, RT_SEVERITY_ERROR, "B2037", node->key_mark, NULL,
                    "a pattern has one of `sequence`, `all` and `count`");
        return;
    }
    pattern->within_ms = br_key_duration_ms(&br_block_pattern, node, "within");
    pattern->max_keys = (uint32_t)br_key_i64(&br_block_pattern, node, "max_keys");
    pattern->shape = br__load_hash(node);
    if (parts != NULL) {
        if (pattern->kind == BR_PATTERN_COUNT) {
            pattern->at_least = (uint32_t)br_key_i64(&br_block_count, parts, "at_least");
        }
        load_parts(l, root, parts);
    }
}
