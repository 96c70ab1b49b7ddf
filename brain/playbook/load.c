// Design notes.
// What one key may be stands in keys.c and is checked before anything is read here; the readers
// below leave out, without a word, what did not fit. One document is compiled once per event type
// it names, because paths such as data.value mean a different slot in each. Every finding is
// reported, not only the first: loading goes on after an error and the set as a whole is refused at
// the end.
#include "brain/playbook/decide_internal.h"

#include <stdio.h>

#include "brain/playbook/keys.h"
#include "runtime/base/alloc.h"
#include "runtime/base/hash.h"

#define IRREVERSIBLE 3 // class of an action in the pack

void
br__load_missing(const br_loading *l, const rt_node *node, const char *key, const char *help)
{
    rt_diag_add(l->diag, RT_SEVERITY_ERROR, "B2010",
                node->key.len > 0 ? node->key_mark : node->mark, help, "`%s` is missing", key);
}

// A constant takes the kind its action declares for it.
static bool
constant_of(const rt_node *node, rt_kind kind, rt_value *ret_value)
{
    *ret_value = RT_TEXT(node->text);
    if (kind == RT_KIND_I64) {
        ret_value->kind = kind;
        return rt_parse_i64(node->text, &ret_value->i) == RT_OK;
    }
    if (kind == RT_KIND_F64) {
        ret_value->kind = kind;
        return rt_parse_f64(node->text, &ret_value->f) == RT_OK;
    }
    if (kind == RT_KIND_DURATION) {
        ret_value->kind = kind;
        return rt_parse_duration_ms(node->text, &ret_value->i) == RT_OK;
    }
    if (kind == RT_KIND_BOOL) {
        *ret_value = RT_BOOL(rt_str_is(node->text, "true"));
        return ret_value->b || rt_str_is(node->text, "false");
    }
    return kind == RT_KIND_STR;
}

static const rt_field *
action_arg(const br_action *action, rt_str name)
{
    for (uint32_t i = 0; i < action->arg_count; i++) {
        if (rt_str_equal(action->args[i].name, name)) {
            return &action->args[i];
        }
    }
    return NULL;
}

static void
unknown_arg(const br_action *action, const rt_node *node, rt_diag *diag)
{
    rt_str names[BR_ACTION_ARGS_MAX];
    char help[128];
    for (uint32_t i = 0; i < action->arg_count; i++) {
        names[i] = action->args[i].name;
    }
    rt_diag_add(diag, RT_SEVERITY_ERROR, "B2013", node->key_mark,
                rt_diag_did_you_mean(node->key, names, action->arg_count, help, sizeof(help)),
                "action '%.*s' has no argument '%.*s'", RT_STR_ARG(action->name),
                RT_STR_ARG(node->key));
}

static void
check_kind(const br_loading *l, const br_action *action, const rt_field *field, rt_kind kind,
           const rt_node *node)
{
    bool number = field->kind == RT_KIND_F64 && kind == RT_KIND_I64;
    if (kind != RT_KIND_NONE && kind != field->kind && !number) {
        rt_diag_add(l->diag, RT_SEVERITY_ERROR, "B2015", node->mark, NULL,
                    "argument '%.*s' of '%.*s' must be %s, not %s", RT_STR_ARG(field->name),
                    RT_STR_ARG(action->name), rt_kind_name(field->kind), rt_kind_name(kind));
    }
}

static void
load_arg(const br_loading *l, br_step *step, const rt_node *node, const br_expr_env *env)
{
    const rt_field *field = action_arg(step->action, node->key);
    if (field == NULL) {
        return; // complained of already
    }
    if (step->arg_count == BR_ACTION_ARGS_MAX || node->kind != RT_NODE_SCALAR) {
        rt_diag_add(l->diag, RT_SEVERITY_ERROR, "B2014", node->mark, NULL,
                    "an argument is one plain value");
        return;
    }
    br_argument *arg = &step->args[step->arg_count++];
    arg->name = field->name;
    bool text = field->kind == RT_KIND_STR;
    bool typed = node->text.len > 0 && node->text.ptr[0] == '=';
    if (text || typed) {
        // findings are in diag
        if (br_template_compile(node->text, node, env, l->diag, &arg->template) == RT_OK) {
            check_kind(l, step->action, field, br_template_kind(arg->template), node);
        }
    } else if (!constant_of(node, field->kind, &arg->constant)) {
        rt_diag_add(l->diag, RT_SEVERITY_ERROR, "B2015", node->mark,
                    "write a plain value, or = and an expression",
                    "argument '%.*s' of '%.*s' must be %s", RT_STR_ARG(node->key),
                    RT_STR_ARG(step->action->name), rt_kind_name(field->kind));
    }
}

void
br__check_args(const br_action *action, const rt_node *step, rt_diag *diag)
{
    const rt_node *args = br_key_map(step, "args");
    if (args == NULL && rt_node_get(step, "args") != NULL) {
        return; // complained of already
    }
    for (const rt_node *a = args != NULL ? args->child : NULL; a != NULL; a = a->next) {
        if (action_arg(action, a->key) == NULL) {
            unknown_arg(action, a, diag);
        }
    }
    for (uint32_t i = 0; i < action->arg_count; i++) {
        const rt_field *field = &action->args[i];
        bool given = false;
        for (const rt_node *a = args != NULL ? args->child : NULL; a != NULL; a = a->next) {
            given = given || rt_str_equal(a->key, field->name);
        }
        if (field->required && !given) {
            rt_diag_add(diag, RT_SEVERITY_ERROR, "B2016", step->mark, NULL,
                        "action '%.*s' needs argument '%.*s'", RT_STR_ARG(action->name),
                        RT_STR_ARG(field->name));
        }
    }
}

static void
load_args(const br_loading *l, br_step *step, const rt_node *node, const br_expr_env *env)
{
    const rt_node *args = br_key_map(node, "args");
    for (const rt_node *a = args != NULL ? args->child : NULL; a != NULL; a = a->next) {
        load_arg(l, step, a, env);
    }
    br__check_args(step->action, node, l->diag);
}

// A target that begins with its kind in plain text must begin with the one the action takes: the
// gate would refuse it every time.
void
br__check_target(const br_action *action, const rt_node *target, rt_diag *diag)
{
    rt_str text = target->text;
    rt_str kind = action->resource;
    const char *slash = memchr(text.ptr, '/', text.len);
    const char *hole = memchr(text.ptr, '$', text.len);
    bool computed = (text.len > 0 && text.ptr[0] == '=') ||
                    (hole != NULL && (slash == NULL || hole < slash));
    bool fits = slash != NULL &&
                rt_str_equal((rt_str){text.ptr, (size_t)(slash - text.ptr)}, kind);
    if (kind.len > 0 && !computed && !fits) {
        char help[RT_ERR_DETAIL_MAX];
        (void)snprintf(help, sizeof(help), "it begins with %.*s/", RT_STR_ARG(kind));
        rt_diag_add(diag, RT_SEVERITY_ERROR, "B2025", target->mark, help,
                    "the target of %.*s is of kind '%.*s', not '%.*s'", RT_STR_ARG(action->name),
                    RT_STR_ARG(kind), RT_STR_ARG(text));
    }
}

static void
check_text_target(const br_loading *l, const br_step *step, const rt_node *target)
{
    rt_kind kind = step->target != NULL ? br_template_kind(step->target) : RT_KIND_NONE;
    if (kind != RT_KIND_NONE && kind != RT_KIND_STR) {
        rt_diag_add(l->diag, RT_SEVERITY_ERROR, "B2015", target->mark, NULL,
                    "the target of '%.*s' must be str, not %s", RT_STR_ARG(step->action->name),
                    rt_kind_name(kind));
    }
}

// Action, target and arguments of a step, or of what takes it back.
static bool
load_what(const br_loading *l, br_step *step, const rt_node *node, const br_expr_env *env)
{
    const rt_node *at = br_key_node(node, "action");
    const br_action *action = at != NULL ? br_pack_action(l->set->pack, at->text) : NULL;
    char help[128];
    if (at != NULL && action == NULL) {
        rt_diag_add(l->diag, RT_SEVERITY_ERROR, "B2012", at->mark,
                    br_pack_suggest_action(l->set->pack, at->text, help, sizeof(help)),
                    "unknown action '%.*s'", RT_STR_ARG(at->text));
    }
    if (action == NULL) {
        return false;
    }
    step->action = action;
    step->mark = at->mark;
    const rt_node *target = br_key_node(node, "target");
    if (target != NULL) {
        // findings are in diag
        RT_IGNORE(br_template_compile(target->text, target, env, l->diag, &step->target));
        step->target_text = target->text;
        check_text_target(l, step, target);
        br__check_target(action, target, l->diag);
    }
    load_args(l, step, node, env);
    return true;
}

// What a step says about its place among others.
static void
load_order(const br_loading *l, br_step *step, bool is_first, const rt_node *node,
           const br_expr_env *env)
{
    static const char *const keys[] = {"timeout", "retry", "undo", "after", "on_error"};
    const rt_node *retry = br_key_map(node, "retry");
    const rt_node *undo = br_key_map(node, "undo");
    for (size_t i = 0; i < RT_COUNT(keys); i++) {
        const rt_node *found = rt_node_get(node, keys[i]);
        if (found != NULL && !l->in_order && !(i >= 3 && l->is_ladder)) {
            rt_diag_add(l->diag, RT_SEVERITY_ERROR, "B2045", found->key_mark,
                        l->is_ladder ? "an escalation knows `after`" : "add in_order: true",
                        "`%s` is for actions in order", keys[i]);
        }
    }
    step->after_ms = br_key_duration_ms(&br_block_action, node, "after");
    if (step->after_ms > 0 && l->in_order && is_first) {
        rt_diag_add(l->diag, RT_SEVERITY_ERROR, "B2046", rt_node_get(node, "after")->key_mark,
                    "a pattern with `absent: true` acts later",
                    "the first action waits for nothing");
    }
    step->timeout_ms = br_key_duration_ms(&br_block_action, node, "timeout");
    step->on_error = br_key_choice(&br_block_action, node, "on_error");
    if (l->is_ladder && rt_node_get(node, "on_error") == NULL) {
        step->on_error = BR_ON_ERROR_CONTINUE;
    }
    if (retry != NULL) {
        step->retries = (uint64_t)br_key_i64(&br_block_retry, retry, "times");
        step->wait_ms = br_key_duration_ms(&br_block_retry, retry, "wait");
    }
    if (undo != NULL) {
        step->undo = rt_arena_new_of(l->set->arena, br_step);
        l->set->full = l->set->full || step->undo == NULL;
        if (step->undo != NULL && !load_what(l, step->undo, undo, env)) {
            step->undo = NULL;
        }
    }
}

static void
load_step(const br_loading *l, br_steps *steps, const rt_node *node, const br_expr_env *env)
{
    if (steps->count == BR_PLAYBOOK_STEPS_MAX) {
        return; // complained of already
    }
    br_step *step = &steps->steps[steps->count];
    if (load_what(l, step, node, env)) {
        steps->count++;
        step->value = br_key_f64(&br_block_action, node, "value");
        step->cost_cop = br_key_i64(&br_block_action, node, "cost_cop");
        load_order(l, step, steps->count == 1, node, env);
    }
}

void
br__load_steps(const br_loading *l, br_steps *steps, const rt_node *list, const br_expr_env *env)
{
    for (const rt_node *node = list->child; node != NULL; node = node->next) {
        load_step(l, steps, node, env);
    }
}

br_expr *
br__load_expr(const br_loading *l, const rt_node *node, const br_expr_env *env, rt_kind want)
{
    br_expr *expr = NULL;
    if (node != NULL && node->text.len > 0) { // of an empty one was complained already
        // findings are in diag
        RT_IGNORE(br_expr_compile(node->text, node, env, want, l->diag, &expr));
    }
    return expr;
}

br_expr_env
br__load_env(const br_loading *l, br_env *env, br_expr_reasons reasons)
{
    br_expr_env names = br_env_expr(env);
    names.reasons = l->set->is_restored ? BR_REASONS_WARN : reasons;
    return names;
}

static void
index_rule(br_playbooks *set, const rt_event_type *type, br_rule *rule)
{
    br_rule_list *list = &set->by_type[type->index];
    br_rule **grown = rt_arena_array(set->arena, br_rule *, list->count + 1);
    if (grown == NULL) {
        set->full = true;
        br__rule_free(rule);
        return;
    }
    if (list->count > 0) {
        memcpy(grown, list->rules, sizeof(br_rule *) * list->count);
    }
    grown[list->count] = rule;
    list->rules = grown;
    list->count++;
}

void
br__load_place(const br_loading *l, const rt_event_type *type, br_rule *rule)
{
    if (l->playbook->info.mode == BR_MODE_OFF) {
        br__rule_free(rule); // checked like any other, but never looked at
    } else {
        index_rule(l->set, type, rule);
    }
}

static void
load_rule(const br_loading *l, const rt_node *root, const rt_event_type *type)
{
    br_rule *rule = rt_arena_new_of(l->set->arena, br_rule);
    const rt_node *throttle = br_key_map(root, "throttle");
    if (rule == NULL) {
        l->set->full = true;
        return;
    }
    // What cannot be for one of several event types may be for another.
    bool is_only = br_key_list(root, "events")->child_count == 1;
    br_env env = {l->set->pack, type, br_pack_plan(l->set->pack, type)};
    br_expr_env names = br__load_env(l, &env, is_only ? BR_REASONS_ERROR : BR_REASONS_WARN);
    rule->playbook = l->playbook;
    rule->element = -1;
    rule->when = br__load_expr(l, br_key_node(root, "when"), &names, RT_KIND_BOOL);
    if (l->playbook->pattern.kind == BR_PATTERN_COLLECT) {
        br_captured_names captured = {names, &l->playbook->pattern};
        br_expr_env actions = br__captured_env(&captured);
        br__load_collecting(l, root, rule, &names, &actions);
        br__load_choice(l, root, rule, &actions);
        br__load_rule_limits(l, root, rule, &actions);
    } else {
        rule->throttle_key =
            br__load_expr(l, br_key_node(throttle, "key"), &names, RT_KIND_STR);
        br__load_choice(l, root, rule, &names);
        br__load_rule_limits(l, root, rule, &names);
    }
    br__load_place(l, type, rule);
}

static bool
named_before(const rt_node *events, const rt_node *event)
{
    const rt_node *node = events->child;
    while (node != event && !rt_str_equal(node->text, event->text)) {
        node = node->next;
    }
    return node != event;
}

uint64_t
br__load_hash(const rt_node *node)
{
    const rt_node *above[RT_YAML_DEPTH_MAX + 1]; // of which the rest is still to come
    size_t depth = 0;
    uint64_t hash = 0;
    for (const rt_node *at = node->child; at != NULL || depth > 0;) {
        if (at == NULL) {
            at = above[--depth];
            hash = rt_hash64((rt_bytes){NULL, 0}, hash);
            continue;
        }
        hash = rt_hash64(rt_bytes_of_str(at->key), hash + (uint64_t)at->kind);
        hash = rt_hash64(rt_bytes_of_str(at->text), hash);
        const rt_node *next = at->next;
        if (at->child != NULL && depth < RT_COUNT(above)) {
            above[depth++] = next;
            next = at->child;
        }
        at = next;
    }
    return hash;
}

const rt_event_type *
br__load_event_type(const br_loading *l, const rt_node *node)
{
    const rt_catalog *catalog = br_pack_catalog(l->set->pack);
    const rt_event_type *type = rt_catalog_find(catalog, node->text);
    char help[128];
    if (type == NULL) {
        rt_diag_add(l->diag, RT_SEVERITY_ERROR, "B2017", node->mark,
                    rt_catalog_suggest(catalog, node->text, help, sizeof(help)),
                    "unknown event type '%.*s'", RT_STR_ARG(node->text));
    }
    return type;
}

bool
br__load_same_entity(const br_loading *l, const rt_node *root, const rt_node *node,
                     const rt_event_type *type)
{
    bool same = rt_node_get(root, "verify") == NULL || l->playbook->info.events == 0 ||
                rt_str_equal(type->entity, l->playbook->entity);
    if (!same) {
        rt_diag_add(l->diag, RT_SEVERITY_ERROR, "B2022", node->mark,
                    "make a playbook for each kind of entity",
                    "a playbook with `verify` has events about one kind of entity");
    }
    return same;
}

static void
load_events(const br_loading *l, const rt_node *root)
{
    const rt_node *events = br_key_list(root, "events");
    bool is_said = rt_node_get(root, "events") != NULL || rt_node_get(root, "pattern") != NULL ||
                   rt_node_get(root, "schedule") != NULL;
    if (!is_said || (events != NULL && events->child == NULL)) {
        br__load_missing(l, root, "events", "for example events: [order.created]");
    }
    size_t looked_at = 0;
    for (const rt_node *node = events != NULL ? events->child : NULL;
         node != NULL && looked_at++ <= BR_PLAYBOOK_EVENTS_MAX; node = node->next) {
        if (node->text.len == 0 || l->playbook->info.events == BR_PLAYBOOK_EVENTS_MAX) {
            continue; // complained of already
        }
        const rt_event_type *type = br__load_event_type(l, node);
        if (type == NULL) {
            continue;
        }
        if (named_before(events, node)) {
            rt_diag_add(l->diag, RT_SEVERITY_ERROR, "B2021", node->mark, NULL,
                        "event type '%.*s' is named twice", RT_STR_ARG(node->text));
            continue;
        }
        (void)br__load_same_entity(l, root, node, type); // findings are in diag
        l->playbook->entity = l->playbook->info.events++ == 0 ? type->entity : l->playbook->entity;
        load_rule(l, root, type);
    }
}

// A verification and its escalation run later, on the timer's event: they see what is then known of
// the entity, not the data of the event that set them off.
static void
load_verify(const br_loading *l, const rt_node *root)
{
    const rt_node *verify = br_key_map(root, "verify");
    const rt_node *escalate = br_key_list(root, "escalate");
    const br_pack *pack = l->set->pack;
    const rt_event_type *timer = rt_catalog_find(br_pack_catalog(pack), RT_STR("timer.fired"));
    const br_plan *plan = br_pack_subject_plan(pack, l->playbook->entity);
    if (verify == NULL && !l->playbook->approve.escalate) {
        if (rt_node_get(root, "escalate") != NULL && rt_node_get(root, "verify") == NULL) {
            br__load_missing(l, root, "verify", "`escalate` runs when a verification fails");
        }
        return;
    }
    if (timer == NULL) {
        br__load_missing(l, root, "verify", "the catalogue has no timer.fired");
        return;
    }
    if (escalate == NULL && l->playbook->approve.escalate) {
        br__load_missing(l, root, "escalate", "approve.on_timeout: escalate asks for it");
    }
    if (l->playbook->info.events == 0) {
        return; // whose entity it would look at is not known, and that was said
    }
    br_env env = {pack, timer, plan != NULL ? plan : br_pack_plan(pack, timer)};
    br_expr_env names = br__load_env(l, &env, BR_REASONS_ERROR);
    l->playbook->verify_plan = plan;
    if (verify != NULL) {
        l->playbook->verify_ms = br_key_duration_ms(&br_block_verify, verify, "within");
        l->playbook->expect =
            br__load_expr(l, br_key_node(verify, "expect"), &names, RT_KIND_BOOL);
    }
    if (escalate != NULL) {
        br_loading ladder = *l;
        ladder.in_order = false;
        ladder.is_ladder = true;
        br__load_steps(&ladder, &l->playbook->escalate, escalate, &names);
    }
    for (uint32_t i = 0; i < l->playbook->escalate.count; i++) {
        bool waits = l->playbook->escalate.steps[i].after_ms > 0;
        l->playbook->has_ladder = l->playbook->has_ladder || waits;
        l->set->runs = l->set->runs || waits;
    }
}

static void
load_head(const br_loading *l, const rt_node *root)
{
    br_playbook *playbook = l->playbook;
    rt_arena *arena = l->set->arena;
    playbook->info.id = br_key_str(&br_block_playbook, root, "id");
    playbook->info.doc = br_key_str(&br_block_playbook, root, "doc");
    playbook->info.owner = br_key_str(&br_block_playbook, root, "owner");
    playbook->info.kind = RT_STR("playbook");
    playbook->info.mode = (br_playbook_mode)br_key_choice(&br_block_playbook, root, "mode");
    playbook->priority = br_key_i64(&br_block_playbook, root, "priority");
    playbook->confidence = br_key_f64(&br_block_playbook, root, "confidence");
    playbook->agent = rt_arena_printf(arena, "playbook:%.*s", RT_STR_ARG(playbook->info.id));
    playbook->model = rt_arena_printf(arena, "v%llu", (unsigned long long)l->set->version);
}

// What cannot be taken back is looked at afterwards. The pack's class 3 is "irreversible or seen by
// a customer": what reaches a customer is bounded by quiet hours and budgets too, so there it is a
// warning.
static bool
check_verified_steps(const br_loading *l, const rt_node *steps)
{
    for (const rt_node *s = steps != NULL ? steps->child : NULL; s != NULL; s = s->next) {
        const rt_node *name = br_key_node(s, "action");
        const br_action *action =
            name != NULL ? br_pack_action(l->set->pack, name->text) : NULL;
        if (action == NULL || action->risk < IRREVERSIBLE) {
            continue;
        }
        bool warns = action->contact || l->set->is_restored;
        rt_diag_add(l->diag, warns ? RT_SEVERITY_WARNING : RT_SEVERITY_ERROR,
                    action->contact ? "B2061" : "B2060", name->mark,
                    "for example verify: {within: 24h, expect: order.status == \"delivered\"}",
                    "'%.*s' cannot be taken back and nothing verifies it",
                    RT_STR_ARG(action->name));
        return true;
    }
    return false;
}

// Lists of actions stand in `do`, and in what is chosen among.
static void
check_verified(const br_loading *l, const rt_node *root)
{
    static const char *const lists[] = {"do", "else"};
    const rt_node *choices[] = {
        br_key_list(br_key_map(root, "decide"), "first_match"),
        br_key_list(br_key_map(br_key_map(root, "decide"), "policy"), "actions"),
        br_key_list(br_key_map(root, "experiment"), "arms"),
    };
    if (l->playbook->info.mode != BR_MODE_LIVE || rt_node_get(root, "verify") != NULL) {
        return;
    }
    bool is_said = check_verified_steps(l, br_key_list(root, "do"));
    for (size_t i = 0; i < RT_COUNT(choices); i++) {
        for (const rt_node *n = choices[i] != NULL ? choices[i]->child : NULL;
             n != NULL && !is_said; n = n->next) {
            for (size_t k = 0; n->kind == RT_NODE_MAP && k < RT_COUNT(lists) && !is_said; k++) {
                is_said = check_verified_steps(l, br_key_list(n, lists[k]));
            }
        }
    }
}

void
br__playbook_load(br_playbooks *set, const char *file, const rt_node *root, rt_diag *diag)
{
    br_keys_check(&br_block_playbook, root, diag);
    br_playbook *playbook = &set->playbooks[set->count++];
    br_loading l = {set, playbook, diag, br_key_bool(&br_block_playbook, root, "in_order"),
                    false};
    playbook->text_hash = br__load_hash(root);
    playbook->info.file = rt_str_of(file);
    load_head(&l, root);
    if (playbook->info.id.len == 0) { // complained of already
        return;
    }
    const br_playbook *other = br__playbook_find(set, playbook->info.id);
    if (!rt_map_put(set->by_id, rt_bytes_of_str(playbook->info.id), set->count - 1)) {
        char help[256];
        (void)snprintf(help, sizeof(help), "it stands in %.*s too", RT_STR_ARG(other->info.file));
        rt_diag_add(diag, RT_SEVERITY_ERROR, "B2020", rt_node_get(root, "id")->mark, help,
                    "playbook '%.*s' stands twice in the set", RT_STR_ARG(playbook->info.id));
        return;
    }
    br__load_decide(&l, root);
    br__load_limits(&l, root);
    br__load_throttle(&l, root);
    br__load_policy(&l, root);
    const rt_node *pattern = br_key_map(root, "pattern");
    const rt_node *schedule = br_key_map(root, "schedule");
    if (schedule != NULL) {
        br__load_schedule(&l, root, schedule);
    } else if (pattern != NULL) {
        br__load_pattern(&l, root, pattern);
    } else {
        load_events(&l, root);
    }
    br__load_until(&l, root);
    load_verify(&l, root);
    check_verified(&l, root);
}
