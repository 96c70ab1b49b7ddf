// Design notes.
// One document is compiled once per event type it names, because paths such as data.value mean a
// different slot in each. Every finding is reported, not only the first: loading goes on after an
// error and the set as a whole is refused at the end.
#include "brain/playbook/internal.h"

#include <stdio.h>

#include "runtime/base/alloc.h"

#define DURATION_MAX_MS (366LL * 24 * 60 * 60 * 1000)

typedef struct loading {
    br_playbooks *set;
    br_playbook *playbook;
    rt_diag *diag;
} loading;

static bool
parse_mode(rt_str text, br_playbook_mode *ret_mode)
{
    static const char *const names[] = {"off", "shadow", "live"};
    for (size_t i = 0; i < RT_COUNT(names); i++) {
        if (rt_str_is(text, names[i])) {
            *ret_mode = (br_playbook_mode)i;
            return true;
        }
    }
    return false;
}

static void
complain_missing(const loading *l, const rt_node *node, const char *key, const char *help)
{
    rt_diag_add(l->diag, RT_SEVERITY_ERROR, "B2010",
                node->key.len > 0 ? node->key_mark : node->mark, help, "`%s` is missing", key);
}

// Finds a key whose value must be of one kind of node; another kind is reported and not looked at.
static const rt_node *
get_of_kind(const loading *l, const rt_node *node, const char *key, rt_node_kind kind,
            const char *what)
{
    const rt_node *found = rt_node_get(node, key);
    if (found != NULL && found->kind != kind) {
        rt_diag_add(l->diag, RT_SEVERITY_ERROR, "B2024", found->mark, NULL, "`%s` wants %s", key,
                    what);
        return NULL;
    }
    return found;
}

static int64_t
load_duration(const loading *l, const rt_node *node, const char *key, const char *help)
{
    const rt_node *found = rt_node_get(node, key);
    int64_t ms = rt_node_duration_ms(node, key, 1, l->diag); // 1: complained of already
    if (found == NULL) {
        complain_missing(l, node, key, help);
    } else if (ms <= 0 || ms > DURATION_MAX_MS) {
        rt_diag_add(l->diag, RT_SEVERITY_ERROR, "B2004", found->mark, help,
                    "'%s' must be above 0 and at most 366d", key);
    }
    return ms;
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
unknown_arg(const loading *l, const br_action *action, const rt_node *node)
{
    rt_str names[BR_ACTION_ARGS_MAX];
    char help[128];
    for (uint32_t i = 0; i < action->arg_count; i++) {
        names[i] = action->args[i].name;
    }
    rt_diag_add(l->diag, RT_SEVERITY_ERROR, "B2013", node->key_mark,
                rt_diag_did_you_mean(node->key, names, action->arg_count, help, sizeof(help)),
                "action '%.*s' has no argument '%.*s'", RT_STR_ARG(action->name),
                RT_STR_ARG(node->key));
}

static void
check_kind(const loading *l, const br_action *action, const rt_field *field, rt_kind kind,
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
load_arg(const loading *l, br_step *step, const rt_node *node, const br_expr_env *env)
{
    const rt_field *field = action_arg(step->action, node->key);
    if (field == NULL) {
        unknown_arg(l, step->action, node);
        return;
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

static void
load_args(const loading *l, br_step *step, const rt_node *node, const br_expr_env *env)
{
    const rt_node *args = get_of_kind(l, node, "args", RT_NODE_MAP, "{name: value}");
    for (const rt_node *a = args != NULL ? args->child : NULL; a != NULL; a = a->next) {
        load_arg(l, step, a, env);
    }
    for (uint32_t i = 0; i < step->action->arg_count; i++) {
        const rt_field *field = &step->action->args[i];
        bool given = false;
        for (const rt_node *a = args != NULL ? args->child : NULL; a != NULL; a = a->next) {
            given = given || rt_str_equal(a->key, field->name);
        }
        if (field->required && !given) {
            rt_diag_add(l->diag, RT_SEVERITY_ERROR, "B2016", node->mark, NULL,
                        "action '%.*s' needs argument '%.*s'", RT_STR_ARG(step->action->name),
                        RT_STR_ARG(field->name));
        }
    }
}

// A target that begins with its kind in plain text must begin with the one the action takes: the
// gate would refuse it every time.
static void
check_target(const loading *l, const br_action *action, const rt_node *target)
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
        rt_diag_add(l->diag, RT_SEVERITY_ERROR, "B2025", target->mark, help,
                    "the target of %.*s is of kind '%.*s', not '%.*s'", RT_STR_ARG(action->name),
                    RT_STR_ARG(kind), RT_STR_ARG(text));
    }
}

static void
load_step(const loading *l, br_steps *steps, const rt_node *node, const br_expr_env *env)
{
    static const char *const allowed[] = {"action", "target", "value", "cost_cop",
                                          "args",   "note",   NULL};
    if (node->kind != RT_NODE_MAP) {
        rt_diag_add(l->diag, RT_SEVERITY_ERROR, "B2024", node->mark, NULL,
                    "an action wants keys: action, target, args");
        return;
    }
    (void)rt_node_only(node, allowed, "B2001", l->diag); // findings are in diag
    if (steps->count == BR_PLAYBOOK_STEPS_MAX) {
        rt_diag_add(l->diag, RT_SEVERITY_ERROR, "B2011", node->mark, NULL,
                    "at most %d actions", BR_PLAYBOOK_STEPS_MAX);
        return;
    }
    rt_str name = rt_node_str(node, "action", RT_STR(""), l->diag);
    const br_action *action = br_pack_action(l->set->pack, name);
    const rt_node *at = rt_node_get(node, "action");
    char help[128];
    if (action == NULL) {
        rt_diag_add(l->diag, RT_SEVERITY_ERROR, "B2012", at != NULL ? at->mark : node->mark,
                    br_pack_suggest_action(l->set->pack, name, help, sizeof(help)),
                    "unknown action '%.*s'", RT_STR_ARG(name));
        return;
    }
    br_step *step = &steps->steps[steps->count++];
    step->action = action;
    step->value = rt_node_f64(node, "value", 0, -1, 1, l->diag);
    step->cost_cop = rt_node_i64(node, "cost_cop", 0, 0, 1000000000000, l->diag);
    const rt_node *target = get_of_kind(l, node, "target", RT_NODE_SCALAR, "a text");
    if (rt_node_get(node, "target") == NULL) {
        complain_missing(l, node, "target", "for example target: ${event.subject}");
    } else if (target != NULL) {
        // findings are in diag
        RT_IGNORE(br_template_compile(target->text, target, env, l->diag, &step->target));
        check_target(l, action, target);
    }
    load_args(l, step, node, env);
}

static void
load_steps(const loading *l, br_steps *steps, const rt_node *list, const br_expr_env *env)
{
    for (const rt_node *node = list->child; node != NULL; node = node->next) {
        load_step(l, steps, node, env);
    }
}

static br_expr *
compile_condition(const loading *l, const rt_node *node, const br_expr_env *env, rt_kind want)
{
    br_expr *expr = NULL;
    if (node != NULL) {
        // findings are in diag
        RT_IGNORE(br_expr_compile(node->text, node, env, want, l->diag, &expr));
    }
    return expr;
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

static void
load_rule(const loading *l, const rt_node *root, const rt_event_type *type)
{
    br_rule *rule = rt_arena_new_of(l->set->arena, br_rule);
    const rt_node *steps = rt_node_get(root, "do");
    const rt_node *throttle = rt_node_get(root, "throttle");
    const rt_node *when = get_of_kind(l, root, "when", RT_NODE_SCALAR, "one expression");
    if (rule == NULL) {
        l->set->full = true;
        return;
    }
    br_env env = {l->set->pack, type, br_pack_plan(l->set->pack, type)};
    br_expr_env names = br_env_expr(&env);
    rule->playbook = l->playbook;
    rule->when = compile_condition(l, when, &names, RT_KIND_BOOL);
    rule->throttle_key =
        compile_condition(l, rt_node_get(throttle, "key"), &names, RT_KIND_STR);
    if (steps != NULL && steps->kind == RT_NODE_LIST) { // else complained of already
        load_steps(l, &rule->steps, steps, &names);
    }
    if (l->playbook->info.mode == BR_MODE_OFF) {
        br__rule_free(rule); // checked like any other, but never looked at
    } else {
        index_rule(l->set, type, rule);
    }
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

static void
load_events(const loading *l, const rt_node *root)
{
    const rt_node *events = get_of_kind(l, root, "events", RT_NODE_LIST,
                                        "a list, for example [order.created]");
    if (events == NULL || events->child == NULL) {
        if (events != NULL || rt_node_get(root, "events") == NULL) {
            complain_missing(l, root, "events", "for example events: [order.created]");
        }
        return;
    }
    for (const rt_node *node = events->child; node != NULL; node = node->next) {
        const rt_event_type *type = rt_catalog_find(br_pack_catalog(l->set->pack), node->text);
        char help[128];
        if (type == NULL) {
            rt_diag_add(l->diag, RT_SEVERITY_ERROR, "B2017", node->mark,
                        rt_catalog_suggest(br_pack_catalog(l->set->pack), node->text, help,
                                           sizeof(help)),
                        "unknown event type '%.*s'", RT_STR_ARG(node->text));
            continue;
        }
        if (l->playbook->info.events == BR_PLAYBOOK_EVENTS_MAX) {
            rt_diag_add(l->diag, RT_SEVERITY_ERROR, "B2018", node->mark, NULL,
                        "at most %d event types", BR_PLAYBOOK_EVENTS_MAX);
            return;
        }
        if (named_before(events, node)) {
            rt_diag_add(l->diag, RT_SEVERITY_ERROR, "B2021", node->mark, NULL,
                        "event type '%.*s' is named twice", RT_STR_ARG(node->text));
            continue;
        }
        if (l->playbook->info.events++ > 0 && rt_node_get(root, "verify") != NULL &&
            !rt_str_equal(type->entity, l->playbook->entity)) {
            rt_diag_add(l->diag, RT_SEVERITY_ERROR, "B2022", node->mark,
                        "make a playbook for each kind of entity",
                        "a playbook with `verify` has events about one kind of entity");
        }
        l->playbook->entity = type->entity;
        load_rule(l, root, type);
    }
}

// A verification and its escalation run later, on the timer's event: they see what is then known of
// the entity, not the data of the event that set them off.
static void
load_verify(const loading *l, const rt_node *root)
{
    static const char *const allowed[] = {"within", "expect", NULL};
    const rt_node *verify = get_of_kind(l, root, "verify", RT_NODE_MAP,
                                        "{within: ..., expect: ...}");
    const rt_node *escalate =
        get_of_kind(l, root, "escalate", RT_NODE_LIST, "a list of actions");
    const br_pack *pack = l->set->pack;
    const rt_event_type *timer = rt_catalog_find(br_pack_catalog(pack), RT_STR("timer.fired"));
    const br_plan *plan = br_pack_subject_plan(pack, l->playbook->entity);
    if (verify == NULL && escalate == NULL) {
        return;
    }
    if (verify == NULL) {
        complain_missing(l, root, "verify", "`escalate` runs when a verification fails");
        return;
    }
    if (timer == NULL || rt_node_get(verify, "expect") == NULL) {
        complain_missing(l, verify, "expect",
                         "for example expect: order.status == \"delivered\"");
        return;
    }
    br_env env = {pack, timer, plan != NULL ? plan : br_pack_plan(pack, timer)};
    br_expr_env names = br_env_expr(&env);
    l->playbook->verify_plan = plan;
    (void)rt_node_only(verify, allowed, "B2001", l->diag); // findings are in diag
    l->playbook->verify_ms = load_duration(l, verify, "within", "for example within: 24h");
    l->playbook->expect =
        compile_condition(l, rt_node_get(verify, "expect"), &names, RT_KIND_BOOL);
    if (escalate != NULL) {
        load_steps(l, &l->playbook->escalate, escalate, &names);
    }
}

static void
load_head(const loading *l, const rt_node *root)
{
    br_playbook *playbook = l->playbook;
    rt_arena *arena = l->set->arena;
    playbook->info.id = rt_node_str(root, "id", RT_STR(""), l->diag);
    playbook->info.doc = rt_node_str(root, "doc", RT_STR(""), l->diag);
    playbook->info.owner = rt_node_str(root, "owner", RT_STR(""), l->diag);
    playbook->info.kind = RT_STR("playbook");
    playbook->priority = rt_node_i64(root, "priority", 50, 0, 100, l->diag);
    playbook->confidence = rt_node_f64(root, "confidence", 1, 0, 1, l->diag);
    playbook->agent = rt_arena_printf(arena, "playbook:%.*s", RT_STR_ARG(playbook->info.id));
    playbook->model = rt_arena_printf(arena, "v%llu", (unsigned long long)l->set->version);
    const rt_node *mode = rt_node_get(root, "mode");
    rt_str mode_text = rt_node_str(root, "mode", RT_STR("live"), l->diag);
    if (!parse_mode(mode_text, &playbook->info.mode)) {
        rt_diag_add(l->diag, RT_SEVERITY_ERROR, "B2019", mode->mark,
                    "modes are off, shadow, live", "unknown mode '%.*s'", RT_STR_ARG(mode_text));
    }
    const rt_node *throttle =
        get_of_kind(l, root, "throttle", RT_NODE_MAP, "{key: ..., per: ...}");
    if (throttle != NULL) {
        static const char *const allowed[] = {"key", "per", NULL};
        (void)rt_node_only(throttle, allowed, "B2001", l->diag); // findings are in diag
        playbook->info.throttle_ms = load_duration(l, throttle, "per", "for example per: 6h");
        if (rt_node_get(throttle, "key") == NULL) {
            complain_missing(l, throttle, "key", "for example key: event.subject");
        }
    }
}

void
br__playbook_load(br_playbooks *set, const char *file, const rt_node *root, rt_diag *diag)
{
    static const char *const allowed[] = {"kind",     "apiVersion", "id",         "doc",
                                          "owner",    "tags",       "mode",       "events",
                                          "when",     "priority",   "confidence", "throttle",
                                          "do",       "verify",     "escalate",   NULL};
    (void)rt_node_only(root, allowed, "B2001", diag); // findings are in diag
    br_playbook *playbook = &set->playbooks[set->count++];
    loading l = {set, playbook, diag};
    playbook->info.file = rt_str_of(file);
    load_head(&l, root);
    if (playbook->info.id.len == 0) {
        complain_missing(&l, root, "id", "for example id: delayed-order");
        return;
    }
    if (playbook->info.id.len > BR_PLAYBOOK_ID_MAX) {
        rt_diag_add(diag, RT_SEVERITY_ERROR, "B2023", rt_node_get(root, "id")->mark, NULL,
                    "an id has at most %d bytes", BR_PLAYBOOK_ID_MAX);
    }
    if (!rt_map_put(set->by_id, rt_bytes_of_str(playbook->info.id), set->count - 1)) {
        rt_diag_add(diag, RT_SEVERITY_ERROR, "B2020", rt_node_get(root, "id")->mark, NULL,
                    "playbook '%.*s' stands twice in the set", RT_STR_ARG(playbook->info.id));
        return;
    }
    const rt_node *steps = get_of_kind(&l, root, "do", RT_NODE_LIST, "a list of actions");
    if (rt_node_get(root, "do") == NULL || (steps != NULL && steps->child == NULL)) {
        complain_missing(&l, root, "do", "a list of actions");
    }
    load_events(&l, root);
    load_verify(&l, root);
}
