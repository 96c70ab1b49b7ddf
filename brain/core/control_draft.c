// What the live pack has to offer to those who write playbooks: the schema for their editors, and a
// file to begin with.
#include "brain/core/control.h"
#include "brain/playbook/schema.h"

static void
answer_text(const br_ask *ask, rt_err err, const rt_text *text)
{
    if (err == RT_OK && text->truncated) {
        err = rt_fail(RT_ELIMIT, "more than %zu bytes", text->max);
    }
    if (err != RT_OK) {
        br__refuse(ask->control, ask->call, err, NULL, "%s", rt_err_detail());
        return;
    }
    br_map answer = br__answer_begin(ask);
    br__map_str(&answer, "text", rt_text_view(text));
    br__answer_end(ask, &answer);
}

void
br__ask_schema(const br_ask *ask)
{
    rt_text text;
    rt_text_init(&text, BR_CONTROL_MESSAGE_MAX / 2);
    br_schema_write(ask->brain->config.pack, &text);
    answer_text(ask, RT_OK, &text);
    rt_text_fini(&text);
}

void
br__ask_starter(const br_ask *ask)
{
    rt_text text;
    rt_text_init(&text, BR_CONTROL_MESSAGE_MAX / 2);
    rt_str id = br__arg_str(ask, "id");
    answer_text(ask, br_starter_write(ask->brain->config.pack, id, BR_SCHEMA_FILE, &text), &text);
    rt_text_fini(&text);
}
