// brain/playbook/schema.h: what editors and beginners are given, made from the table of keys.
//
// Layer: brain/playbook (may use runtime/**, brain/pack).   Threads: any.
#ifndef CEREBRO_BRAIN_PLAYBOOK_SCHEMA_H
#define CEREBRO_BRAIN_PLAYBOOK_SCHEMA_H

#include "brain/pack/pack.h"

#define BR_SCHEMA_FILE "playbook.schema.json"

// br_schema_write appends the JSON Schema (draft-07) of a playbook file. With a pack, event types,
// actions and the arguments of each action are closed lists; without one (NULL) any name passes.
// It is a little stricter than the loader: a text that looks like a number wants its quotes.
void br_schema_write(const br_pack *pack, rt_text *out);

// br_starter_write appends a playbook to begin with: a modeline for editors that names `schema`,
// every part explained, in shadow, on an event and with an action that the pack has. It loads.
//   errors    RT_EINVAL `id` is no name · RT_ENOTFOUND the pack has no event or action for it
rt_err br_starter_write(const br_pack *pack, rt_str id, const char *schema,
                        rt_text *out) RT_MUST_USE;

#endif
