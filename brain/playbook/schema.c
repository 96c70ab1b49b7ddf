// Design notes.
// One definition a block, found by walking the rows from the two roots. A condition may also be
// written as true or false, which YAML reads as a truth value, so an expression is text or one of
// those. if/then/else chooses the root by `kind`, because a failed oneOf tells an operator nothing.
#include "brain/playbook/schema.h"

#include <inttypes.h>
#include <stdio.h>

#include "brain/playbook/keys.h"
#include "runtime/base/check.h"
#include "runtime/wire/json.h"

#define BLOCKS_MAX 64

typedef struct writer {
    rt_text *out;
    const br_pack *pack;
    const br_block *blocks[BLOCKS_MAX];
    size_t count;
} writer;

static void
put(const writer *w, const char *text)
{
    rt_text_cstr(w->out, text);
}

static void
put_string(const writer *w, const char *text)
{
    rt_json_string(w->out, rt_str_of(text));
}

static void
add_block(writer *w, const br_block *block)
{
    for (size_t i = 0; i < w->count; i++) {
        if (w->blocks[i] == block) {
            return;
        }
    }
    RT_ASSERT(w->count < BLOCKS_MAX);
    w->blocks[w->count++] = block;
}

static void
put_events(const writer *w)
{
    const rt_catalog *catalog = br_pack_catalog(w->pack);
    put(w, ",\"enum\":[");
    for (uint16_t i = 0; i < rt_catalog_count(catalog); i++) {
        put(w, i > 0 ? "," : "");
        rt_json_string(w->out, rt_catalog_at(catalog, i)->name);
    }
    put(w, "]");
}

static void
put_actions(const writer *w)
{
    put(w, ",\"enum\":[");
    for (size_t i = 0; i < br_pack_action_count(w->pack); i++) {
        put(w, i > 0 ? "," : "");
        rt_json_string(w->out, br_pack_action_at(w->pack, i)->name);
    }
    put(w, "]");
}

static void
put_bounds(const writer *w, const br_key *row)
{
    if (row->items == 0 && (row->min != 0 || row->max != 0)) {
        rt_text_printf(w->out, ",\"minimum\":%.17g,\"maximum\":%.17g", row->min, row->max);
    }
}

// One form of a value as a schema without its braces.
static void
put_form(const writer *w, const br_key *row, unsigned form)
{
    switch (form) {
    case BR_KEY_EXPRESSION:
        put(w, "\"type\":[\"string\",\"number\",\"boolean\"]");
        break;
    case BR_KEY_DURATION:
        put(w, "\"type\":\"string\",\"pattern\":\"^([0-9]+d)?([0-9]+h)?([0-9]+m)?([0-9]+s)?"
               "([0-9]+ms)?$\",\"minLength\":2");
        break;
    case BR_KEY_INT:
        put(w, "\"type\":\"integer\"");
        put_bounds(w, row);
        break;
    case BR_KEY_NUMBER:
        put(w, "\"type\":\"number\"");
        put_bounds(w, row);
        break;
    case BR_KEY_BOOL:
        put(w, "\"type\":\"boolean\"");
        break;
    case BR_KEY_ONE_OF:
        put(w, "\"enum\":[");
        for (size_t i = 0; row->choices[i] != NULL; i++) {
            put(w, i > 0 ? "," : "");
            put_string(w, row->choices[i]);
        }
        put(w, "]");
        break;
    case BR_KEY_NAME:
        rt_text_printf(w->out, "\"type\":\"string\",\"pattern\":\"^[a-z0-9._-]{1,%.0f}$\"",
                       row->max);
        break;
    case BR_KEY_EVENT:
    case BR_KEY_ACTION:
        put(w, "\"type\":\"string\"");
        if (w->pack != NULL && form == BR_KEY_EVENT) {
            put_events(w);
        } else if (w->pack != NULL) {
            put_actions(w);
        }
        break;
    case BR_KEY_BLOCK:
        rt_text_printf(w->out, "\"$ref\":\"#/definitions/%s\"", row->block->name);
        break;
    case BR_KEY_NAMED:
        rt_text_printf(w->out,
                       "\"type\":\"object\",\"additionalProperties\":{\"$ref\":"
                       "\"#/definitions/%s\"}",
                       row->block->name);
        break;
    case BR_KEY_FREE:
        put(w, "\"type\":\"object\"");
        break;
    default: // texts
        put(w, "\"type\":\"string\"");
        if (row->required) {
            put(w, ",\"minLength\":1");
        }
        if (row->max > 0 && row->items == 0) {
            rt_text_printf(w->out, ",\"maxLength\":%.0f", row->max);
        }
    }
}

static void
put_list(const writer *w, const br_key *row);

// All forms of a value: one as it is, several as alternatives.
static void
put_forms(const writer *w, const br_key *row, unsigned forms, bool with_list)
{
    bool several = (forms & (forms - 1)) != 0 || (with_list && forms != 0);
    bool any = false;
    put(w, several ? "\"anyOf\":[{" : "");
    for (unsigned form = 1; form <= BR_KEY_FREE; form <<= 1) {
        if ((forms & form) != 0) {
            put(w, any ? "},{" : "");
            put_form(w, row, form);
            any = true;
        }
    }
    if (with_list) {
        put(w, any ? "},{" : "");
        put_list(w, row);
    }
    put(w, several ? "}]" : "");
}

static void
put_list(const writer *w, const br_key *row)
{
    put(w, "\"type\":\"array\"");
    if (row->min > 0) {
        rt_text_printf(w->out, ",\"minItems\":%.0f", row->min);
    }
    if (row->max > 0) {
        rt_text_printf(w->out, ",\"maxItems\":%.0f", row->max);
    }
    put(w, ",\"items\":{");
    put_forms(w, row, row->items, false); // a list stands in no list
    put(w, "}");
}

static void
put_fallback(const writer *w, const br_key *row)
{
    if (row->fallback == NULL) {
        return;
    }
    put(w, ",\"default\":");
    if ((row->forms & (BR_KEY_INT | BR_KEY_NUMBER | BR_KEY_BOOL)) != 0) {
        put(w, row->fallback); // is JSON as it stands
    } else {
        put_string(w, row->fallback);
    }
}

static void
put_key(const writer *w, const br_key *row)
{
    char doc[512];
    (void)snprintf(doc, sizeof(doc), "%s\n\nfor example %s: %s", row->doc, row->name,
                   row->example);
    put_string(w, row->name);
    put(w, ":{\"description\":");
    put_string(w, doc);
    put(w, ",");
    // A $ref hides what stands beside it in draft-07; allOf keeps the description.
    bool is_ref = row->forms == BR_KEY_BLOCK && row->items == 0;
    put(w, is_ref ? "\"allOf\":[{" : "");
    put_forms(w, row, row->forms, row->items != 0);
    put(w, is_ref ? "}]" : "");
    put_fallback(w, row);
    put(w, "}");
}

static bool
has_key_of(const br_block *block, unsigned form)
{
    for (const br_key *row = block->keys; row->name != NULL; row++) {
        if ((row->forms & form) != 0) {
            return true;
        }
    }
    return false;
}

// The arguments that one action takes.
static void
put_action_args(const writer *w, const br_action *action, bool is_partial)
{
    bool any = false;
    put(w, "{\"if\":{\"properties\":{\"action\":{\"const\":");
    rt_json_string(w->out, action->name);
    put(w, "}},\"required\":[\"action\"]},\"then\":{\"properties\":{\"args\":{\"properties\":{");
    for (uint32_t i = 0; i < action->arg_count; i++) {
        put(w, i > 0 ? "," : "");
        rt_json_string(w->out, action->args[i].name);
        rt_text_printf(w->out,
                       ":{\"type\":[\"string\",\"number\",\"boolean\"],\"description\":\"%s\"}",
                       rt_kind_name(action->args[i].kind));
    }
    put(w, "},\"additionalProperties\":false,\"required\":[");
    for (uint32_t i = 0; i < action->arg_count; i++) {
        if (action->args[i].required && !is_partial) {
            put(w, any ? "," : "");
            rt_json_string(w->out, action->args[i].name);
            any = true;
        }
    }
    put(w, any ? "]}},\"required\":[\"args\"]}}" : "]}}}}");
}

static void
put_block(writer *w, const br_block *block)
{
    bool any = false;
    put_string(w, block->name);
    put(w, ":{\"type\":\"object\",\"description\":");
    put_string(w, block->doc);
    put(w, ",\"additionalProperties\":false,\"properties\":{");
    for (const br_key *row = block->keys; row->name != NULL; row++) {
        put(w, row == block->keys ? "" : ",");
        put_key(w, row);
        if (row->block != NULL) {
            add_block(w, row->block);
        }
    }
    put(w, "},\"required\":[");
    for (const br_key *row = block->keys; row->name != NULL; row++) {
        if (row->required) {
            put(w, any ? "," : "");
            put_string(w, row->name);
            any = true;
        }
    }
    put(w, "]");
    for (size_t i = 0; block->either != NULL && block->either[i] != NULL; i++) {
        put(w, i > 0 ? "]},{\"required\":[" : ",\"oneOf\":[{\"required\":[");
        put_string(w, block->either[i]);
    }
    put(w, block->either != NULL ? "]}]" : "");
    for (size_t i = 0; block->any != NULL && block->any[i] != NULL; i++) {
        put(w, i > 0 ? "]},{\"required\":[" : ",\"anyOf\":[{\"required\":[");
        put_string(w, block->any[i]);
    }
    put(w, block->any != NULL ? "]}]" : "");
    if (w->pack != NULL && has_key_of(block, BR_KEY_ACTION) && has_key_of(block, BR_KEY_FREE)) {
        put(w, ",\"allOf\":[");
        for (size_t i = 0; i < br_pack_action_count(w->pack); i++) {
            put(w, i > 0 ? "," : "");
            put_action_args(w, br_pack_action_at(w->pack, i), block->is_partial);
        }
        put(w, "]");
    }
    put(w, "}");
}

void
br_schema_write(const br_pack *pack, rt_text *out)
{
    writer w = {.out = out, .pack = pack};
    add_block(&w, &br_block_playbook);
    add_block(&w, &br_block_remediation);
    put(&w, "{\"$schema\":\"http://json-schema.org/draft-07/schema#\","
            "\"title\":\"Cerebro playbook\",\"type\":\"object\","
            "\"properties\":{\"kind\":{\"enum\":[\"playbook\",\"remediation\"]}},"
            "\"required\":[\"kind\"],"
            "\"if\":{\"properties\":{\"kind\":{\"const\":\"remediation\"}}},"
            "\"then\":{\"$ref\":\"#/definitions/remediation\"},"
            "\"else\":{\"$ref\":\"#/definitions/playbook\"},"
            "\"definitions\":{");
    for (size_t i = 0; i < w.count; i++) { // grows while blocks name others
        put(&w, i > 0 ? "," : "");
        put_block(&w, w.blocks[i]);
    }
    put(&w, "}}\n");
}
