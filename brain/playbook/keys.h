// brain/playbook/keys.h: every key of every block of a playbook file, once.
//
// Layer: brain/playbook (may use runtime/**).   Threads: the table is constant.
// The loader's checks, the JSON Schema for editors and the starter file are made from this table.
// To add a key: a row in keys.c, and its reading in the loader by br_key_*. To add a block: its
// rows, a br_block, a row that names it. What one row cannot say (two keys that exclude each other,
// names that only the pack knows) the loader checks and reports itself.
#ifndef CEREBRO_BRAIN_PLAYBOOK_KEYS_H
#define CEREBRO_BRAIN_PLAYBOOK_KEYS_H

#include "runtime/wire/yaml.h"

// What a value may be; a mask, because some keys take one of several forms.
typedef enum br_key_form {
    BR_KEY_TEXT = 1 << 0,
    BR_KEY_NAME = 1 << 1,       // a-z 0-9 - _ . ; at most `max` bytes
    BR_KEY_EXPRESSION = 1 << 2, // a condition or value in CEL
    BR_KEY_TEMPLATE = 1 << 3,   // text with ${...}
    BR_KEY_DURATION = 1 << 4,   // 250ms, 10s, 5m, 24h, 7d; min and max in milliseconds
    BR_KEY_INT = 1 << 5,
    BR_KEY_NUMBER = 1 << 6,
    BR_KEY_BOOL = 1 << 7,
    BR_KEY_ONE_OF = 1 << 8,  // one of `choices`
    BR_KEY_EVENT = 1 << 9,   // an event type of the catalogue
    BR_KEY_ACTION = 1 << 10, // an action of the pack
    BR_KEY_BLOCK = 1 << 11,  // a map with the keys of `block`
    BR_KEY_NAMED = 1 << 12,  // a map of names chosen by the operator, each a `block`
    BR_KEY_FREE = 1 << 13,   // a map of names to values; the loader looks at them
} br_key_form;

typedef struct br_block br_block;

typedef struct br_key {
    const char *name;
    unsigned forms; // br_key_form; what one value may be
    unsigned items; // br_key_form; what the entries of a list may be, 0 = no list
    bool required;
    double min;                 // of numbers and durations; of a list the fewest entries
    double max;                 // the same; of texts and names the most bytes; 0 and 0 = no bounds
    const char *fallback;       // the value when absent, NULL = none
    const char *const *choices; // of ONE_OF, ends with NULL
    const br_block *block;      // of BLOCK and NAMED, in a list too
    const char *doc;            // one line, for people and editors
    const char *example;        // one value in the form of one line of YAML
    // Codes of findings that differ from those of the block; NULL = the block's.
    const char *missing;
    const char *shape;
    const char *range;
} br_key;

struct br_block {
    const char *name; // as the schema names it
    const char *doc;
    const br_key *keys; // ends with a name of NULL
    const char *const *either; // of these keys exactly one, ends with NULL; NULL = no such thing.
                               // For the schema: the loader says what is wrong in its own words
    const char *const *any; // of these keys at least one, in the same way
    bool is_partial; // its args name some of an action's arguments, required ones or not
    // Codes of findings: an unknown key, a missing one, a value of another shape (a list where one
    // text is wanted), one that does not fit its key.
    const char *unknown;
    const char *missing;
    const char *shape;
    const char *range;
};

extern const br_block br_block_playbook;
extern const br_block br_block_remediation;
// The blocks below those two.
extern const br_block br_block_throttle;
extern const br_block br_block_collect;
extern const br_block br_block_until;
extern const br_block br_block_schedule;
extern const br_block br_block_retry;
extern const br_block br_block_undo;
extern const br_block br_block_canary;
extern const br_block br_block_guardrails;
extern const br_block br_block_budget;
extern const br_block br_block_calendar;
extern const br_block br_block_approve;
extern const br_block br_block_decide;
extern const br_block br_block_branch;
extern const br_block br_block_policy;
extern const br_block br_block_option;
extern const br_block br_block_reward;
extern const br_block br_block_experiment;
extern const br_block br_block_arm;
extern const br_block br_block_pattern;
extern const br_block br_block_part;
extern const br_block br_block_count;
extern const br_block br_block_action;
extern const br_block br_block_verify;
extern const br_block br_block_test;
extern const br_block br_block_test_step;
extern const br_block br_block_test_action;
extern const br_block br_block_remediation_step;
extern const br_block br_block_remediation_end;

// br_keys_check reports everything in `node` and below that the table does not allow: unknown and
// missing keys, values of another shape or kind, values out of range.
void br_keys_check(const br_block *block, const rt_node *node, rt_diag *diag);

// br_key_find finds the row of a key, or NULL.
const br_key *br_key_find(const br_block *block, rt_str name);

// br_key_node, br_key_list and br_key_map give the value of a key when it is one scalar, a list or
// a map and else NULL. Like all readers below they say nothing: br_keys_check has.
const rt_node *br_key_node(const rt_node *map, const char *key);
const rt_node *br_key_list(const rt_node *map, const char *key);
const rt_node *br_key_map(const rt_node *map, const char *key);

// br_key_str, br_key_i64, br_key_f64, br_key_bool and br_key_duration_ms read a key; an absent one,
// or one that does not fit, has the fallback of its row (without one: empty, 0, false).
rt_str br_key_str(const br_block *block, const rt_node *map, const char *key);
int64_t br_key_i64(const br_block *block, const rt_node *map, const char *key);
double br_key_f64(const br_block *block, const rt_node *map, const char *key);
bool br_key_bool(const br_block *block, const rt_node *map, const char *key);
int64_t br_key_duration_ms(const br_block *block, const rt_node *map, const char *key);
// br_key_choice gives the index of a key's value among its choices, as br_key_str does of its text.
size_t br_key_choice(const br_block *block, const rt_node *map, const char *key);

#endif
