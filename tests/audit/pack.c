#include <stdio.h>

#include "tests/audit/internal.h"

// Design notes.
// Of a pack only what the journal is measured against: names of events, and actions with their
// limits. Whether a pack is well formed is not judged here; what cannot be understood is an error,
// because a limit passed over would be a limit not checked.

audit_pack *
audit_pack_new(void)
{
    audit_pack *pack = audit__alloc(sizeof(*pack));

    pack->types = audit__table_of(1);
    return pack;
}

void
audit_pack_free(audit_pack *pack)
{
    if (pack != NULL) {
        audit__table_fini(&pack->types);
        audit__free(pack);
    }
}

const char *
audit_pack_error(const audit_pack *pack)
{
    return pack->error;
}

const audit__action *
audit__pack_action(const audit_pack *pack, audit__str name)
{
    for (size_t i = 0; i < pack->action_count; i++) {
        if (audit__is(name, pack->actions[i].name)) {
            return &pack->actions[i];
        }
    }
    return NULL;
}

static bool
wrong(audit_pack *pack, const char *what, audit__str which)
{
    (void)snprintf(pack->error, sizeof(pack->error), "%s: '%.*s'", what, STR_ARG(which));
    return false;
}

static bool
copy(char *to, audit__str text)
{
    if (text.len >= AUDIT_NAME_CAP) {
        return false;
    }
    memcpy(to, text.ptr, text.len);
    to[text.len] = '\0';
    return true;
}

static bool
copy_field(audit__yaml *yaml, audit__node *map, const char *key, char *to)
{
    return copy(to, audit__yaml_text(audit__yaml_get(yaml, map, key)));
}

// A whole number that may be absent.
static bool
read_count(audit__yaml *yaml, audit__node *map, const char *key, int64_t *ret)
{
    audit__str text = audit__yaml_text(audit__yaml_get(yaml, map, key));
    uint64_t value = 0;

    if (text.len > 0 && !audit__u64_of(text, &value)) {
        return false;
    }
    *ret = (int64_t)value;
    return true;
}

static bool
is_true(audit__str text)
{
    return audit__is(text, "true") || audit__is(text, "yes") || audit__is(text, "on");
}

static bool
read_executor(audit__str name, audit__executor *ret)
{
    static const char *const names[] = {"log", "publish", "emit", "webhook"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (audit__is(name, names[i])) {
            *ret = (audit__executor)i;
            return true;
        }
    }
    return name.len == 0; // log
}

static bool
read_kind(audit__str name, audit__arg_kind *ret)
{
    static const char *const names[] = {"bool", "i64", "f64", "str", "time", "duration"};

    *ret = ARG_STR;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (audit__is(name, names[i])) {
            *ret = (audit__arg_kind)i;
            return true;
        }
    }
    return name.len == 0;
}

static bool
read_args(audit_pack *pack, audit__yaml *yaml, audit__node *args, audit__action *action)
{
    audit__str name = {"", 0};
    audit__node *node = NULL;

    for (size_t i = 0; audit__yaml_pair(yaml, args, i, &name, &node); i++) {
        audit__arg *arg = &action->args[action->arg_count++];

        if (i == AUDIT_ARGS_MAX || !copy(arg->name, name) ||
            !read_kind(audit__yaml_text(audit__yaml_get(yaml, node, "type")), &arg->kind)) {
            return wrong(pack, "an argument cannot be understood", name);
        }
        arg->required = is_true(audit__yaml_text(audit__yaml_get(yaml, node, "required")));
    }
    return true;
}

static bool
read_action(audit_pack *pack, audit__yaml *yaml, audit__str name, audit__node *node)
{
    audit__action *action = &pack->actions[pack->action_count];
    audit__node *budget = audit__yaml_get(yaml, node, "budget");
    audit__str cooldown = audit__yaml_text(audit__yaml_get(yaml, node, "cooldown"));
    bool ok = pack->action_count < AUDIT_ACTIONS_MAX;

    if (!ok) {
        return wrong(pack, "one action too many", name);
    }
    *action = (audit__action){.index = (uint16_t)pack->action_count};
    ok = copy(action->name, name) && copy_field(yaml, node, "resource", action->resource) &&
         copy_field(yaml, node, "group", action->group) &&
         copy_field(yaml, node, "emits", action->emits) &&
         copy_field(yaml, node, "webhook", action->webhook) &&
         read_executor(audit__yaml_text(audit__yaml_get(yaml, node, "executor")),
                       &action->executor) &&
         read_count(yaml, budget, "per_target_day", &action->per_target_day) &&
         read_count(yaml, budget, "per_tenant_hour", &action->per_tenant_hour) &&
         (cooldown.len == 0 || audit__duration_ms(cooldown, &action->cooldown_ms));
    action->contact = is_true(audit__yaml_text(audit__yaml_get(yaml, node, "contact")));
    if (!ok) {
        return wrong(pack, "an action cannot be understood", name);
    }
    pack->action_count++;
    return read_args(pack, yaml, audit__yaml_get(yaml, node, "args"), action);
}

static bool
read_all(audit_pack *pack, audit__yaml *yaml, audit__node *root)
{
    audit__str kind = audit__yaml_text(audit__yaml_get(yaml, root, "kind"));
    audit__str name = {"", 0};
    audit__node *node = NULL;
    bool ok = true;

    if (audit__is(kind, "actions")) {
        audit__node *list = audit__yaml_get(yaml, root, "actions");

        for (size_t i = 0; ok && audit__yaml_pair(yaml, list, i, &name, &node); i++) {
            ok = read_action(pack, yaml, name, node);
        }
    } else if (audit__is(kind, "catalog")) {
        audit__node *list = audit__yaml_get(yaml, root, "events");

        for (size_t i = 0; audit__yaml_pair(yaml, list, i, &name, &node); i++) {
            (void)audit__table_put(&pack->types, audit__hash(name.ptr, name.len), NULL);
        }
    }
    return ok; // entities and features limit nothing
}

bool
audit_pack_add(audit_pack *pack, const char *name, const char *text, size_t len)
{
    char why[256] = "";
    audit__yaml *yaml = audit__yaml_new(text, len, why);
    bool ok = false;

    if (yaml == NULL) {
        (void)snprintf(pack->error, sizeof(pack->error), "%.80s: %.150s", name, why);
        return false;
    }
    ok = read_all(pack, yaml, audit__yaml_root(yaml));
    audit__yaml_free(yaml);
    return ok;
}
