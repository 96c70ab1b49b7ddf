// Design notes.
// The file is made from the table of keys too: what a beginner needs stands there, every other key
// as a comment, so that a new key is in it without a word here.
#include <stdio.h>

#include "brain/playbook/keys.h"
#include "brain/playbook/playbook.h"
#include "brain/playbook/schema.h"

#define LINE_BYTES 512

typedef struct starter {
    const br_pack *pack;
    rt_str id;
    const rt_event_type *event;
    const br_action *action;
    rt_text *out;
} starter;

// Whether an action can be asked for with texts only, about this entity.
static bool
suits(const br_action *action, rt_str entity)
{
    for (uint32_t i = 0; i < action->arg_count; i++) {
        if (action->args[i].required && action->args[i].kind != RT_KIND_STR) {
            return false;
        }
    }
    return !action->contact && action->executor != BR_EXECUTE_EMIT &&
           (action->resource.len == 0 || rt_str_equal(action->resource, entity));
}

// The least that can go wrong.
static const br_action *
mildest_action(const br_pack *pack, rt_str entity)
{
    const br_action *found = NULL;
    for (size_t i = 0; i < br_pack_action_count(pack); i++) {
        const br_action *action = br_pack_action_at(pack, i);
        if (suits(action, entity) && (found == NULL || action->risk < found->risk)) {
            found = action;
        }
    }
    return found;
}

// The first event about an entity for which there is an action; later files, the domain's, first.
static bool
choose(starter *s)
{
    const rt_catalog *catalog = br_pack_catalog(s->pack);
    for (uint16_t i = 0; i < rt_catalog_count(catalog); i++) {
        const rt_event_type *type = rt_catalog_at(catalog, i);
        const br_action *action = mildest_action(s->pack, type->entity);
        bool better = s->event == NULL || br_pack_subject_plan(s->pack, s->event->entity) == NULL;
        if (action != NULL && better) {
            s->event = type;
            s->action = action;
        }
    }
    return s->event != NULL;
}

static bool
is_name(rt_str id)
{
    for (size_t i = 0; i < id.len; i++) {
        char c = id.ptr[i];
        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_')) {
            return false;
        }
    }
    return id.len > 0 && id.len <= BR_PLAYBOOK_ID_MAX;
}

static void
put_events(const starter *s)
{
    rt_text_printf(s->out, "events: [%.*s]\n", RT_STR_ARG(s->event->name));
    if (s->event->field_count > 0) {
        rt_text_cstr(s->out, "# What this event says, for conditions and texts:\n");
    }
    for (uint32_t i = 0; i < s->event->field_count; i++) {
        const rt_field *field = &s->event->fields[i];
        rt_text_printf(s->out, "#   data.%.*s (%s%s) %.*s\n", RT_STR_ARG(field->name),
                       rt_kind_name(field->kind), field->required ? "" : ", may be absent",
                       RT_STR_ARG(field->doc));
    }
}

static void
put_do(const starter *s)
{
    bool has_args = false;
    rt_text_printf(s->out, "do:\n  - action: %.*s  # %.*s\n    target: ${event.subject}\n",
                   RT_STR_ARG(s->action->name), RT_STR_ARG(s->action->doc));
    for (uint32_t i = 0; i < s->action->arg_count; i++) {
        const rt_field *arg = &s->action->args[i];
        if (arg->required) {
            rt_text_printf(s->out, "%s      %.*s: ${event.subject} needs a look\n",
                           has_args ? "" : "    args:\n", RT_STR_ARG(arg->name));
            has_args = true;
        }
    }
    for (uint32_t i = 0; i < s->action->arg_count; i++) {
        const rt_field *arg = &s->action->args[i];
        if (!arg->required && has_args) {
            rt_text_printf(s->out, "      # %.*s: ...  # %s\n", RT_STR_ARG(arg->name),
                           rt_kind_name(arg->kind));
        }
    }
}

// The lines of one key: those that every playbook has are written, the others stand as a comment.
static void
put_key(const starter *s, const br_key *row)
{
    rt_text_printf(s->out, "\n# %s\n", row->doc);
    if (strcmp(row->name, "kind") == 0) {
        rt_text_cstr(s->out, "kind: playbook\n");
    } else if (strcmp(row->name, "id") == 0) {
        rt_text_printf(s->out, "id: %.*s\n", RT_STR_ARG(s->id));
    } else if (strcmp(row->name, "doc") == 0) {
        rt_text_cstr(s->out, "doc: Says in one line what this playbook is for.\n");
    } else if (strcmp(row->name, "mode") == 0) {
        rt_text_cstr(s->out, "mode: shadow\n");
    } else if (strcmp(row->name, "events") == 0) {
        put_events(s);
    } else if (strcmp(row->name, "when") == 0) {
        rt_text_cstr(s->out, "when: memory.events_24h <= 10\n");
    } else if (strcmp(row->name, "throttle") == 0) {
        rt_text_cstr(s->out, "throttle: {key: event.subject, per: 24h}\n");
    } else if (strcmp(row->name, "do") == 0) {
        put_do(s);
    } else {
        rt_text_printf(s->out, "#%s: %s\n", row->name, row->example);
    }
}

rt_err
br_starter_write(const br_pack *pack, rt_str id, const char *schema, rt_text *out)
{
    starter s = {.pack = pack, .id = id, .out = out};
    if (!is_name(id)) {
        return rt_fail(RT_EINVAL, "an id is 1 to %d of a-z 0-9 - _, not '%.*s'",
                       BR_PLAYBOOK_ID_MAX, RT_STR_ARG(id));
    }
    if (!choose(&s)) {
        return rt_fail(RT_ENOTFOUND, "the pack has no event with an action to begin with");
    }
    rt_text_printf(out,
                   "# yaml-language-server: $schema=%s\n"
                   "# A playbook to begin with. Keys behind a # may be added; playbooks/README.md "
                   "tells more.\n"
                   "# It is in shadow: what it would have done is recorded, and nothing happens.\n",
                   schema);
    for (const br_key *row = br_block_playbook.keys; row->name != NULL; row++) {
        put_key(&s, row);
    }
    return RT_OK;
}
