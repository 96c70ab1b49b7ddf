// Design notes.
// A document is walked with a stack of its own: its depth is bounded by the reader
// (RT_YAML_DEPTH_MAX), and no function calls itself on what a file says. A value that does not fit
// is reported once, by the form that its key asks for; what stands below it is not looked at.
#include "brain/playbook/keys.h"

#include <stdio.h>

#include "runtime/base/check.h"

#define CODE_TYPE "B2003" // a scalar of another kind, as everywhere in files
#define KEYS_MAX 64
#define HELP_BYTES 240
#define SCALARS (BR_KEY_BLOCK - 1)

// A map whose keys are being looked at, or a list or map of names whose entries are.
typedef struct level {
    const rt_node *next;
    const br_block *block;
    const br_key *row; // of the entries; NULL = the children are keys of `block`
} level;

typedef struct walk {
    rt_diag *diag;
    level levels[RT_YAML_DEPTH_MAX + 1];
    size_t depth;
} walk;

static const char *
code_of(const char *own, const char *of_block)
{
    return own != NULL ? own : of_block;
}

static const char *
example_of(const br_key *row, char *buf)
{
    (void)snprintf(buf, HELP_BYTES, "for example %s: %s", row->name, row->example);
    return buf;
}

// What one scalar of these forms is called in a finding.
static const char *
scalar_name(unsigned forms)
{
    static const struct {
        unsigned form;
        const char *name;
    } names[] = {
        {BR_KEY_EXPRESSION, "one expression"},
        {BR_KEY_DURATION, "a duration such as 250ms, 10s, 5m, 24h, 7d or 1h30m"},
        {BR_KEY_INT, "a whole number"},
        {BR_KEY_NUMBER, "a number"},
        {BR_KEY_BOOL, "true or false"},
        {BR_KEY_NAME, "a name"},
        {BR_KEY_EVENT, "the name of an event type"},
        {BR_KEY_ACTION, "the name of an action"},
    };
    for (size_t i = 0; i < RT_COUNT(names); i++) {
        if ((forms & names[i].form) != 0) {
            return names[i].name;
        }
    }
    return "a text";
}

static const char *
shape_name(unsigned forms, unsigned items)
{
    if ((forms & SCALARS) != 0) {
        return scalar_name(forms);
    }
    if (items != 0) {
        return (items & BR_KEY_BLOCK) != 0 ? "a list of maps" : "a list";
    }
    return (forms & BR_KEY_FREE) != 0 ? "a map, {name: value}" : "a map";
}

static bool
is_plain(const rt_node *node)
{
    return node->style == RT_SCALAR_PLAIN;
}

static bool
is_name(rt_str text)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
              c == '.')) {
            return false;
        }
    }
    return text.len > 0;
}

static bool
is_choice(const br_key *row, rt_str text)
{
    for (const char *const *c = row->choices; *c != NULL; c++) {
        if (rt_str_is(text, *c)) {
            return true;
        }
    }
    return false;
}

static bool
is_inside(const br_key *row, double value)
{
    bool is_bounded = row->items == 0 && (row->min != 0 || row->max != 0); // of a list: its length
    return !is_bounded || (value >= row->min && value <= row->max);
}

typedef enum fit { FIT_NOT, FIT_RANGE, FIT_YES } fit;

static fit
fit_of(rt_err err, const br_key *row, double value)
{
    if (err == RT_EINVAL) {
        return FIT_NOT;
    }
    return err == RT_OK && is_inside(row, value) ? FIT_YES : FIT_RANGE;
}

// Whether a scalar has one form. Numbers and truth values stand without quotes, as everywhere.
static fit
fits(const br_key *row, unsigned form, const rt_node *node)
{
    rt_str text = node->text;
    int64_t whole = 0;
    double number = 0;
    switch (form) {
    case BR_KEY_DURATION: {
        rt_err err = rt_parse_duration_ms(text, &whole);
        return fit_of(err, row, (double)whole);
    }
    case BR_KEY_INT: {
        rt_err err = rt_parse_i64(text, &whole);
        return is_plain(node) ? fit_of(err, row, (double)whole) : FIT_NOT;
    }
    case BR_KEY_NUMBER: {
        rt_err err = rt_parse_f64(text, &number);
        return is_plain(node) ? fit_of(err, row, number) : FIT_NOT;
    }
    case BR_KEY_BOOL:
        return is_plain(node) && (rt_str_is(text, "true") || rt_str_is(text, "false")) ? FIT_YES
                                                                                       : FIT_NOT;
    case BR_KEY_ONE_OF:
        return is_choice(row, text) ? FIT_YES : FIT_RANGE;
    case BR_KEY_NAME:
        return is_name(text) && text.len <= (size_t)row->max ? FIT_YES : FIT_RANGE;
    case BR_KEY_TEXT:
    case BR_KEY_TEMPLATE:
        return row->max > 0 && row->items == 0 && text.len > (size_t)row->max ? FIT_RANGE : FIT_YES;
    default:
        return FIT_YES;
    }
}

static const char *
range_text(const br_key *row, unsigned form, char *buf)
{
    char low[32];
    char high[32];
    if (form == BR_KEY_DURATION) {
        (void)snprintf(buf, HELP_BYTES, "must be from %s to %s",
                       rt_format_duration((int64_t)row->min, low, sizeof(low)),
                       rt_format_duration((int64_t)row->max, high, sizeof(high)));
    } else if (form == BR_KEY_INT) {
        (void)snprintf(buf, HELP_BYTES, "must be from %.0f to %.0f", row->min, row->max);
    } else if (form == BR_KEY_NUMBER) {
        (void)snprintf(buf, HELP_BYTES, "must be from %g to %g", row->min, row->max);
    } else if (form == BR_KEY_NAME) {
        (void)snprintf(buf, HELP_BYTES, "is no name: at most %.0f of a-z 0-9 - _ .", row->max);
    } else {
        (void)snprintf(buf, HELP_BYTES, "has at most %.0f bytes", row->max);
    }
    return buf;
}

static const char *
choices_text(const br_key *row, rt_str given, char *buf)
{
    rt_str names[KEYS_MAX];
    size_t count = 0;
    size_t len = 0;
    for (; row->choices[count] != NULL; count++) {
        names[count] = rt_str_of(row->choices[count]);
    }
    if (rt_diag_did_you_mean(given, names, count, buf, HELP_BYTES) != NULL) {
        return buf;
    }
    for (size_t i = 0; i < count && len < HELP_BYTES; i++) {
        len += (size_t)snprintf(buf + len, HELP_BYTES - len, "%s%s",
                                i == 0 ? "it is one of " : ", ", row->choices[i]);
    }
    return buf;
}

static void
report_range(const walk *w, const br_block *block, const br_key *row, unsigned form,
             const rt_node *node)
{
    const char *code = code_of(row->range, block->range);
    char help[HELP_BYTES];
    char text[HELP_BYTES];
    if (form == BR_KEY_ONE_OF) {
        rt_diag_add(w->diag, RT_SEVERITY_ERROR, code, node->mark,
                    choices_text(row, node->text, help), "`%s` cannot be '%.*s'", row->name,
                    RT_STR_ARG(node->text));
        return;
    }
    rt_diag_add(w->diag, RT_SEVERITY_ERROR, code, node->mark, example_of(row, help), "`%s` %s",
                row->name, range_text(row, form, text));
}

static void
report_shape(const walk *w, const char *code, const br_key *row, bool is_item, unsigned forms,
             const rt_node *node)
{
    char help[HELP_BYTES];
    rt_diag_add(w->diag, RT_SEVERITY_ERROR, code, node->mark, example_of(row, help),
                "%s`%s` wants %s", is_item ? "an entry of " : "", row->name,
                shape_name(forms, is_item ? 0 : row->items));
}

// YAML 1.1 reads some words as truth values where a text is meant.
static void
warn_of_truth_word(const walk *w, const rt_node *node)
{
    static const char *const words[] = {"yes", "no", "on",  "off",  "Yes",   "No",   "On", "Off",
                                        "YES", "NO", "ON",  "OFF",  "y",     "n",    "Y",  "N",
                                        "True", "TRUE", "False", "FALSE"};
    for (size_t i = 0; i < RT_COUNT(words); i++) {
        if (node->kind == RT_NODE_SCALAR && is_plain(node) && rt_str_is(node->text, words[i])) {
            rt_diag_add(w->diag, RT_SEVERITY_WARNING, "B2065", node->mark, "put it in quotes",
                        "other YAML tools read '%.*s' as a truth value", RT_STR_ARG(node->text));
        }
    }
}

// A scalar that its key does not take: the kind of scalar that was wanted, or another shape.
static void
check_scalar(const walk *w, const br_block *block, const br_key *row, bool is_item,
             const rt_node *node)
{
    unsigned forms = (is_item ? row->items : row->forms) & SCALARS;
    unsigned out_of_range = 0;
    bool may_be_empty = !is_plain(node) && !row->required &&
                        (forms & (BR_KEY_TEXT | BR_KEY_TEMPLATE)) != 0;
    bool is_empty = node->text.len == 0 && !may_be_empty;
    char help[HELP_BYTES];
    if (forms == 0) {
        report_shape(w, code_of(row->shape, block->shape), row, is_item,
                     is_item ? row->items : row->forms, node);
        return;
    }
    if (is_empty) {
        rt_diag_add(w->diag, RT_SEVERITY_ERROR, CODE_TYPE, node->mark,
                    (forms & (BR_KEY_TEXT | BR_KEY_TEMPLATE)) != 0 && !row->required
                        ? "write \"\" for an empty text"
                        : example_of(row, help),
                    "%s`%s` wants %s", is_item ? "an entry of " : "", row->name,
                    scalar_name(forms));
        return;
    }
    for (unsigned form = 1; form < BR_KEY_BLOCK; form <<= 1) {
        if ((forms & form) == 0) {
            continue;
        }
        fit how = fits(row, form, node);
        if (how == FIT_YES) {
            if ((form & (BR_KEY_TEXT | BR_KEY_TEMPLATE | BR_KEY_NAME)) != 0) {
                warn_of_truth_word(w, node);
            }
            return;
        }
        out_of_range = how == FIT_RANGE ? form : out_of_range;
    }
    if (out_of_range != 0) {
        report_range(w, block, row, out_of_range, node);
    } else {
        rt_diag_add(w->diag, RT_SEVERITY_ERROR, CODE_TYPE, node->mark,
                    !is_plain(node) ? "leave the quotes out" : example_of(row, help),
                    "%s`%s` wants %s", is_item ? "an entry of " : "", row->name,
                    scalar_name(forms));
    }
}

static void
report_missing(const walk *w, const br_block *block, const br_key *row, const rt_node *map)
{
    char help[HELP_BYTES];
    rt_diag_add(w->diag, RT_SEVERITY_ERROR, code_of(row->missing, block->missing),
                map->key.len > 0 ? map->key_mark : map->mark, example_of(row, help),
                "`%s` is missing", row->name);
}

// More findings than are kept: the file is refused, and nobody would read them.
static bool
is_enough(const walk *w)
{
    return rt_diag_errors(w->diag) > RT_DIAG_MAX;
}

// A key of the block above, or of the file, most likely stands in a wrong column.
static const br_block *
owner_of(const walk *w, const br_block *block, rt_str key)
{
    for (size_t i = w->depth; i > 0; i--) {
        const br_block *above = w->levels[i - 1].block;
        if (above != block && br_key_find(above, key) != NULL) {
            return above;
        }
    }
    return NULL;
}

static void
report_unknown(const walk *w, const br_block *block, const rt_node *node, const rt_str *names,
               size_t count)
{
    const br_block *owner = owner_of(w, block, node->key);
    char buf[HELP_BYTES];
    const char *help = rt_diag_did_you_mean(node->key, names, count, buf, sizeof(buf));
    if (owner != NULL) {
        (void)snprintf(buf, sizeof(buf), "it is a key of %s: begin it in the column of that block",
                       owner->name);
        help = buf;
    }
    rt_diag_add(w->diag, RT_SEVERITY_ERROR, block->unknown, node->key_mark, help,
                "unknown key '%.*s'", RT_STR_ARG(node->key));
}

static void
check_keys(const walk *w, const br_block *block, const rt_node *map)
{
    rt_str allowed[KEYS_MAX];
    size_t count = 0;
    for (const br_key *row = block->keys; row->name != NULL; row++) {
        const rt_node *node = rt_node_get(map, row->name);
        bool is_empty_list =
            node != NULL && node->kind == RT_NODE_LIST && node->child_count == 0 && row->min >= 1;
        RT_ASSERT(count < KEYS_MAX);
        allowed[count++] = rt_str_of(row->name);
        if (row->required && (node == NULL || is_empty_list)) {
            report_missing(w, block, row, map);
        }
    }
    for (const rt_node *node = map->child; node != NULL; node = node->next) {
        if (br_key_find(block, node->key) == NULL && !is_enough(w)) {
            report_unknown(w, block, node, allowed, count);
        }
    }
}

static void
enter(walk *w, const br_block *block, const br_key *row, const rt_node *node)
{
    RT_ASSERT(w->depth < RT_COUNT(w->levels)); // the reader's bound
    if (row == NULL) {
        check_keys(w, block, node);
    }
    w->levels[w->depth++] = (level){node->child, block, row};
}

static void
check_list(walk *w, const br_block *block, const br_key *row, const rt_node *list)
{
    const rt_node *item = list->child;
    if (list->child_count < (uint32_t)row->min &&
        (list->child_count > 0 || (!row->required && block->either == NULL))) {
        char help[HELP_BYTES];
        rt_diag_add(w->diag, RT_SEVERITY_ERROR, code_of(row->range, block->range), list->mark,
                    example_of(row, help), "`%s` has at least %.0f entr%s", row->name, row->min,
                    row->min == 1 ? "y" : "ies");
    }
    if (row->max > 0 && list->child_count > (uint32_t)row->max) {
        for (size_t i = 0; i < (size_t)row->max; i++) {
            item = item->next;
        }
        rt_diag_add(w->diag, RT_SEVERITY_ERROR, code_of(row->range, block->range), item->mark, NULL,
                    "`%s` has at most %.0f entries", row->name, row->max);
    }
    enter(w, block, row, list);
}

// One value of a key, or one entry of its list.
static void
check_value(walk *w, const br_block *block, const br_key *row, bool is_item, const rt_node *node)
{
    unsigned forms = is_item ? row->items : row->forms;
    const char *shape = code_of(row->shape, block->shape);
    if (node->kind == RT_NODE_SCALAR) {
        check_scalar(w, block, row, is_item, node);
    } else if (node->kind == RT_NODE_LIST && !is_item && row->items != 0) {
        check_list(w, block, row, node);
    } else if (node->kind == RT_NODE_MAP && (forms & BR_KEY_BLOCK) != 0) {
        enter(w, row->block, NULL, node);
    } else if (node->kind == RT_NODE_MAP && (forms & BR_KEY_NAMED) != 0) {
        enter(w, block, row, node);
    } else if (node->kind == RT_NODE_MAP && (forms & BR_KEY_FREE) != 0) {
        for (const rt_node *value = node->child; value != NULL; value = value->next) {
            warn_of_truth_word(w, value);
        }
    } else {
        // A text where a plain scalar is wanted has the code of all files.
        bool is_plain_key =
            (forms & SCALARS & ~(unsigned)(BR_KEY_EXPRESSION | BR_KEY_TEMPLATE)) != 0 &&
            row->shape == NULL;
        report_shape(w, is_plain_key ? CODE_TYPE : shape, row, is_item, forms, node);
    }
}

// One entry of a list, or one value of a map of names.
static void
check_entry(walk *w, const level *at, const rt_node *node)
{
    if ((at->row->forms & BR_KEY_NAMED) == 0 || node->key.len == 0) {
        check_value(w, at->block, at->row, true, node);
    } else if (node->kind == RT_NODE_MAP) {
        enter(w, at->row->block, NULL, node);
    } else {
        report_shape(w, code_of(at->row->shape, at->block->shape), at->row, true, BR_KEY_BLOCK,
                     node);
    }
}

void
br_keys_check(const br_block *block, const rt_node *node, rt_diag *diag)
{
    walk w = {.diag = diag};
    if (node->kind != RT_NODE_MAP) {
        rt_diag_add(diag, RT_SEVERITY_ERROR, block->missing, node->mark, NULL,
                    "a %s file is a map of keys", block->name);
        return;
    }
    enter(&w, block, NULL, node);
    while (w.depth > 0 && !is_enough(&w)) {
        level *at = &w.levels[w.depth - 1];
        const rt_node *child = at->next;
        if (child == NULL) {
            w.depth--;
            continue;
        }
        at->next = child->next;
        if (at->row != NULL) {
            check_entry(&w, at, child);
            continue;
        }
        const br_key *row = br_key_find(at->block, child->key);
        if (row != NULL) { // else complained of already
            check_value(&w, at->block, row, false, child);
        }
    }
}

const br_key *
br_key_find(const br_block *block, rt_str name)
{
    for (const br_key *row = block->keys; row->name != NULL; row++) {
        if (rt_str_is(name, row->name)) {
            return row;
        }
    }
    return NULL;
}

static const rt_node *
get_kind(const rt_node *map, const char *key, rt_node_kind kind)
{
    const rt_node *node = rt_node_get(map, key);
    return node != NULL && node->kind == kind ? node : NULL;
}

const rt_node *
br_key_node(const rt_node *map, const char *key)
{
    const rt_node *node = get_kind(map, key, RT_NODE_SCALAR);
    return node != NULL && (!is_plain(node) || node->text.len > 0) ? node : NULL;
}

const rt_node *
br_key_list(const rt_node *map, const char *key)
{
    return get_kind(map, key, RT_NODE_LIST);
}

const rt_node *
br_key_map(const rt_node *map, const char *key)
{
    return get_kind(map, key, RT_NODE_MAP);
}

// The text of a key when it has that form and fits, else the fallback.
static rt_str
text_of(const br_block *block, const rt_node *map, const char *key, unsigned form)
{
    const br_key *row = br_key_find(block, rt_str_of(key));
    const rt_node *node = br_key_node(map, key);
    RT_ASSERT(row != NULL && (row->forms & form) != 0);
    if (node != NULL && fits(row, row->forms & form, node) == FIT_YES) {
        return node->text;
    }
    return rt_str_of(row->fallback != NULL ? row->fallback : "");
}

rt_str
br_key_str(const br_block *block, const rt_node *map, const char *key)
{
    const br_key *row = br_key_find(block, rt_str_of(key));
    const rt_node *node = br_key_node(map, key);
    RT_ASSERT(row != NULL);
    return node != NULL ? node->text : rt_str_of(row->fallback != NULL ? row->fallback : "");
}

int64_t
br_key_i64(const br_block *block, const rt_node *map, const char *key)
{
    int64_t value = 0;
    RT_IGNORE(rt_parse_i64(text_of(block, map, key, BR_KEY_INT), &value)); // "" is 0
    return value;
}

double
br_key_f64(const br_block *block, const rt_node *map, const char *key)
{
    double value = 0;
    RT_IGNORE(rt_parse_f64(text_of(block, map, key, BR_KEY_NUMBER), &value)); // "" is 0
    return value;
}

bool
br_key_bool(const br_block *block, const rt_node *map, const char *key)
{
    return rt_str_is(text_of(block, map, key, BR_KEY_BOOL), "true");
}

int64_t
br_key_duration_ms(const br_block *block, const rt_node *map, const char *key)
{
    int64_t ms = 0;
    RT_IGNORE(rt_parse_duration_ms(text_of(block, map, key, BR_KEY_DURATION), &ms)); // "" is 0
    return ms;
}

size_t
br_key_choice(const br_block *block, const rt_node *map, const char *key)
{
    const br_key *row = br_key_find(block, rt_str_of(key));
    rt_str text = text_of(block, map, key, BR_KEY_ONE_OF);
    size_t i = 0;
    while (row->choices[i] != NULL && !rt_str_is(text, row->choices[i])) {
        i++;
    }
    return row->choices[i] != NULL ? i : 0;
}
