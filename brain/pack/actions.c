// The closed list of actions: what is not declared here is never done.
#include "brain/pack/internal.h"

static bool
parse_executor(rt_str name, br_executor *ret_executor)
{
    static const char *const names[] = {"log", "publish", "emit", "webhook"};
    for (size_t i = 0; i < RT_COUNT(names); i++) {
        if (rt_str_is(name, names[i])) {
            *ret_executor = (br_executor)i;
            return true;
        }
    }
    return false;
}

static void
load_arg(br_action *action, const rt_node *node, rt_diag *diag)
{
    static const char *const allowed[] = {"type", "required", "doc", NULL};
    if (action->arg_count == BR_ACTION_ARGS_MAX) {
        rt_diag_add(diag, RT_SEVERITY_ERROR, "B1403", node->key_mark, NULL,
                    "an action has at most %d arguments", BR_ACTION_ARGS_MAX);
        return;
    }
    (void)rt_node_only(node, allowed, "B1401", diag); // findings are in diag
    rt_field *arg = &action->args[action->arg_count++];
    arg->name = node->key;
    arg->required = rt_node_bool(node, "required", false, diag);
    rt_str kind = rt_node_str(node, "type", RT_STR("str"), diag);
    if (!rt_kind_parse(kind, &arg->kind)) {
        rt_diag_add(diag, RT_SEVERITY_ERROR, "B1404", node->mark,
                    "types are bool, i64, f64, str, time, duration", "unknown type '%.*s'",
                    RT_STR_ARG(kind));
    }
}

static void
load_limits(br_action *action, const rt_node *node, rt_diag *diag)
{
    static const char *const allowed[] = {"per_target_day", "per_tenant_hour", NULL};
    const rt_node *budget = rt_node_get(node, "budget");
    action->cooldown_ms = rt_node_duration_ms(node, "cooldown", 0, diag);
    if (budget != NULL) {
        (void)rt_node_only(budget, allowed, "B1401", diag); // findings are in diag
        action->per_target_day = rt_node_i64(budget, "per_target_day", 0, 0, 1000000, diag);
        action->per_tenant_hour = rt_node_i64(budget, "per_tenant_hour", 0, 0, 1000000000, diag);
    }
}

static void
check_names(const br_pack *pack, const br_action *action, const rt_node *node, rt_diag *diag)
{
    char help[128];
    // both are parts of keys beside a target, and the name is a field of action.executed
    if (action->name.len > BR_ACTION_NAME_MAX || action->group.len > BR_ACTION_NAME_MAX) {
        rt_diag_add(diag, RT_SEVERITY_ERROR, "B1410", node->key_mark, NULL,
                    "names of actions and groups have at most %d bytes", BR_ACTION_NAME_MAX);
    }
    if (action->resource.len > 0 && br__pack_entity(pack, action->resource) == NULL) {
        rt_diag_add(diag, RT_SEVERITY_ERROR, "B1405", node->key_mark, NULL,
                    "unknown entity '%.*s' as resource", RT_STR_ARG(action->resource));
    }
    if (action->executor == BR_EXECUTE_EMIT &&
        rt_catalog_find(pack->catalog, action->emits) == NULL) {
        rt_diag_add(diag, RT_SEVERITY_ERROR, "B1406", node->key_mark,
                    rt_catalog_suggest(pack->catalog, action->emits, help, sizeof(help)),
                    "executor emit needs `emits`: a known event type, not '%.*s'",
                    RT_STR_ARG(action->emits));
    }
    if (action->executor == BR_EXECUTE_WEBHOOK && action->webhook.len == 0) {
        rt_diag_add(diag, RT_SEVERITY_ERROR, "B1407", node->key_mark,
                    "name one of `webhooks` in brain.yaml", "executor webhook needs `webhook`");
    }
}

static void
load_action(br_pack *pack, const rt_node *node, rt_diag *diag)
{
    static const char *const allowed[] = {"doc",      "resource", "group",  "class", "contact",
                                          "executor", "emits",    "webhook", "cooldown", "budget",
                                          "args",     NULL};
    if (pack->action_count == BR_ACTIONS_MAX) {
        rt_diag_add(diag, RT_SEVERITY_ERROR, "B1402", node->key_mark, NULL,
                    "a pack has at most %d actions", BR_ACTIONS_MAX);
        return;
    }
    (void)rt_node_only(node, allowed, "B1401", diag); // findings are in diag
    br_action *action = &pack->actions[pack->action_count];
    action->index = (uint16_t)pack->action_count;
    action->name = node->key;
    action->doc = rt_node_str(node, "doc", RT_STR(""), diag);
    action->resource = rt_node_str(node, "resource", RT_STR(""), diag);
    action->group = rt_node_str(node, "group", RT_STR(""), diag);
    action->risk = (int32_t)rt_node_i64(node, "class", 3, 0, 3, diag);
    action->contact = rt_node_bool(node, "contact", false, diag);
    action->emits = rt_node_str(node, "emits", RT_STR(""), diag);
    action->webhook = rt_node_str(node, "webhook", RT_STR(""), diag);
    rt_str executor = rt_node_str(node, "executor", RT_STR("log"), diag);
    if (!parse_executor(executor, &action->executor)) {
        rt_diag_add(diag, RT_SEVERITY_ERROR, "B1408", node->key_mark,
                    "executors are log, publish, emit, webhook", "unknown executor '%.*s'",
                    RT_STR_ARG(executor));
    }
    load_limits(action, node, diag);
    const rt_node *args = rt_node_get(node, "args");
    for (const rt_node *arg = args != NULL ? args->child : NULL; arg != NULL; arg = arg->next) {
        load_arg(action, arg, diag);
    }
    check_names(pack, action, node, diag);
    if (!rt_map_put(pack->action_by_name, rt_bytes_of_str(action->name), pack->action_count)) {
        rt_diag_add(diag, RT_SEVERITY_ERROR, "B1409", node->key_mark, NULL,
                    "action '%.*s' is declared twice", RT_STR_ARG(action->name));
        return;
    }
    pack->action_count++;
}

void
br__load_actions(br_pack *pack, const br_document *document, rt_diag *diag)
{
    static const char *const top[] = {"kind", "actions", NULL};
    (void)rt_node_only(document->root, top, "B1401", diag); // findings are in diag
    const rt_node *list = rt_node_get(document->root, "actions");
    for (const rt_node *node = list != NULL ? list->child : NULL; node != NULL; node = node->next) {
        load_action(pack, node, diag);
    }
}

const br_action *
br_pack_action(const br_pack *pack, rt_str name)
{
    uint64_t index;
    if (!rt_map_get(pack->action_by_name, rt_bytes_of_str(name), &index)) {
        return NULL;
    }
    return &pack->actions[index];
}

const br_action *
br_pack_action_at(const br_pack *pack, size_t index)
{
    return &pack->actions[index];
}

size_t
br_pack_action_count(const br_pack *pack)
{
    return pack->action_count;
}

const char *
br_pack_suggest_action(const br_pack *pack, rt_str name, char *buf, size_t cap)
{
    rt_str names[BR_ACTIONS_MAX];
    for (size_t i = 0; i < pack->action_count; i++) {
        names[i] = pack->actions[i].name;
    }
    return rt_diag_did_you_mean(name, names, pack->action_count, buf, cap);
}

static bool
kind_accepts(rt_kind want, rt_kind given)
{
    if (want == given || given == RT_KIND_NONE) {
        return true;
    }
    bool numeric = want == RT_KIND_F64 || want == RT_KIND_TIME || want == RT_KIND_DURATION;
    return numeric && given == RT_KIND_I64;
}

static rt_err
check_arg(const br_action *action, rt_str name, rt_value value, uint32_t *seen)
{
    for (uint32_t i = 0; i < action->arg_count; i++) {
        if (!rt_str_equal(action->args[i].name, name)) {
            continue;
        }
        if (!kind_accepts(action->args[i].kind, value.kind)) {
            return rt_fail(RT_ETYPE, "argument '%.*s' of %.*s must be %s", RT_STR_ARG(name),
                           RT_STR_ARG(action->name), rt_kind_name(action->args[i].kind));
        }
        if (value.kind != RT_KIND_NONE) {
            *seen |= 1u << i;
        }
        return RT_OK;
    }
    return rt_fail(RT_EUNKNOWN, "action %.*s has no argument '%.*s'", RT_STR_ARG(action->name),
                   RT_STR_ARG(name));
}

rt_err
br_pack_action_check(const br_action *action, rt_bytes args)
{
    uint32_t seen = 0;
    uint32_t pairs = 0;
    rt_mp mp = rt_mp_init(args);
    rt_err err = args.len == 0 ? RT_OK : rt_mp_map(&mp, &pairs);
    for (uint32_t i = 0; i < pairs && err == RT_OK; i++) {
        rt_str name;
        rt_value value;
        err = rt_mp_str(&mp, &name);
        if (err == RT_OK) {
            err = rt_value_read(&mp, &value);
        }
        if (err == RT_OK) {
            err = check_arg(action, name, value, &seen);
        }
    }
    for (uint32_t i = 0; i < action->arg_count && err == RT_OK; i++) {
        if (action->args[i].required && (seen & (1u << i)) == 0) {
            err = rt_fail(RT_EMISSING, "action %.*s needs argument '%.*s'",
                          RT_STR_ARG(action->name), RT_STR_ARG(action->args[i].name));
        }
    }
    return err;
}
