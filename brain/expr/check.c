#include "brain/expr/expr_internal.h"

#include <inttypes.h>
#include <stdio.h>

#include "runtime/base/check.h"

// Design notes.
// One pass in postorder: the types of the operands are known when a node is reached. A value of
// unknown type (dyn, RT_KIND_NONE) fits every overload; the evaluator checks it again. A node that
// was reported is `is_bad`, and nothing that uses it is reported once more, so one run shows every
// independent mistake.
// Stricter than CEL at run time, as CEL's own checker is: == between unrelated types, which would
// always be false, is an error here. Numbers of different types compare, but do not calculate.

// An overload: argument types and result as letters, see letter_of; '*' is dyn.
typedef struct overload {
    br__code code;
    const char *args;
    char result;
} overload;

static const overload overloads[] = {
    {BR__NOT, "b", 'b'},
    {BR__NEG, "i", 'i'},
    {BR__NEG, "f", 'f'},
    {BR__ADD, "ii", 'i'},
    {BR__ADD, "ff", 'f'},
    {BR__ADD, "ss", 's'},
    {BR__ADD, "td", 't'},
    {BR__ADD, "dt", 't'},
    {BR__ADD, "dd", 'd'},
    {BR__SUB, "ii", 'i'},
    {BR__SUB, "ff", 'f'},
    {BR__SUB, "tt", 'd'},
    {BR__SUB, "td", 't'},
    {BR__SUB, "dd", 'd'},
    {BR__MUL, "ii", 'i'},
    {BR__MUL, "ff", 'f'},
    {BR__DIV, "ii", 'i'},
    {BR__DIV, "ff", 'f'},
    {BR__MOD, "ii", 'i'},
    {BR__AND, "bb", 'b'},
    {BR__OR, "bb", 'b'},
    {BR__SIZE, "s", 'i'},
    {BR__CONTAINS, "ss", 'b'},
    {BR__STARTS_WITH, "ss", 'b'},
    {BR__ENDS_WITH, "ss", 'b'},
    {BR__LOWER_ASCII, "s", 's'},
    {BR__UPPER_ASCII, "s", 's'},
    {BR__TO_INT, "i", 'i'},
    {BR__TO_INT, "f", 'i'},
    {BR__TO_INT, "s", 'i'},
    {BR__TO_INT, "t", 'i'},
    {BR__TO_DOUBLE, "i", 'f'},
    {BR__TO_DOUBLE, "f", 'f'},
    {BR__TO_DOUBLE, "s", 'f'},
    {BR__TO_STRING, "b", 's'},
    {BR__TO_STRING, "i", 's'},
    {BR__TO_STRING, "f", 's'},
    {BR__TO_STRING, "s", 's'},
    {BR__TO_STRING, "t", 's'},
    {BR__TO_STRING, "d", 's'},
    {BR__TO_BOOL, "b", 'b'},
    {BR__TO_BOOL, "s", 'b'},
    {BR__TO_TIMESTAMP, "t", 't'},
    {BR__TO_TIMESTAMP, "s", 't'},
    {BR__TO_TIMESTAMP, "i", 't'},
    {BR__TO_DURATION, "d", 'd'},
    {BR__TO_DURATION, "s", 'd'},
    {BR__GET_FULL_YEAR, "t", 'i'},
    {BR__GET_FULL_YEAR, "ts", 'i'},
    {BR__GET_MONTH, "t", 'i'},
    {BR__GET_MONTH, "ts", 'i'},
    {BR__GET_DATE, "t", 'i'},
    {BR__GET_DATE, "ts", 'i'},
    {BR__GET_DAY_OF_MONTH, "t", 'i'},
    {BR__GET_DAY_OF_MONTH, "ts", 'i'},
    {BR__GET_DAY_OF_WEEK, "t", 'i'},
    {BR__GET_DAY_OF_WEEK, "ts", 'i'},
    {BR__GET_DAY_OF_YEAR, "t", 'i'},
    {BR__GET_DAY_OF_YEAR, "ts", 'i'},
    {BR__GET_HOURS, "t", 'i'},
    {BR__GET_HOURS, "ts", 'i'},
    {BR__GET_HOURS, "d", 'i'},
    {BR__GET_MINUTES, "t", 'i'},
    {BR__GET_MINUTES, "ts", 'i'},
    {BR__GET_MINUTES, "d", 'i'},
    {BR__GET_SECONDS, "t", 'i'},
    {BR__GET_SECONDS, "ts", 'i'},
    {BR__GET_SECONDS, "d", 'i'},
    {BR__GET_MILLISECONDS, "t", 'i'},
    {BR__GET_MILLISECONDS, "ts", 'i'},
    {BR__GET_MILLISECONDS, "d", 'i'},
};

static char
letter_of(rt_kind kind)
{
    static const char letters[] = {
        [RT_KIND_NONE] = '*', [RT_KIND_BOOL] = 'b', [RT_KIND_I64] = 'i',      [RT_KIND_F64] = 'f',
        [RT_KIND_STR] = 's',  [RT_KIND_TIME] = 't', [RT_KIND_DURATION] = 'd',
    };

    return letters[kind];
}

static rt_kind
kind_of(char letter)
{
    for (int kind = RT_KIND_NONE; kind <= RT_KIND_DURATION; kind++) {
        if (letter_of((rt_kind)kind) == letter) {
            return (rt_kind)kind;
        }
    }
    RT_UNREACHABLE("overloads use known letters");
}

// CEL's name of a kind.
static const char *
type_name(rt_kind kind)
{
    switch (kind) {
    case RT_KIND_NONE:
        return "dyn";
    case RT_KIND_BOOL:
        return "bool";
    case RT_KIND_I64:
        return "int";
    case RT_KIND_F64:
        return "double";
    case RT_KIND_STR:
        return "string";
    case RT_KIND_TIME:
        return "timestamp";
    case RT_KIND_DURATION:
        return "duration";
    }
    RT_UNREACHABLE("every kind has its case");
}

static br__node *
child(br__compiler *c, const br__node *node, size_t index)
{
    uint16_t at = node->first_child;

    for (size_t i = 0; i < index; i++) {
        at = c->nodes[at].next;
    }
    return at == BR__NO_NODE ? NULL : &c->nodes[at];
}

static bool
is_number(rt_kind kind)
{
    return kind == RT_KIND_I64 || kind == RT_KIND_F64;
}

// How to mend a pair of types that do not go together; `buf` holds a made-up text.
static const char *
help_for_pair(const br__compiler *c, const br__node *a, const br__node *b, char *buf, size_t cap)
{
    const br__node *whole = a->type == RT_KIND_I64 ? a : b;
    const br__node *other = whole == a ? b : a;
    const br__node *text = a->type == RT_KIND_STR ? a : b;
    const br__node *peer = text == a ? b : a;

    if (is_number(a->type) && is_number(b->type)) {
        if (whole->code == BR__CONST) {
            (void)snprintf(buf, cap, "write %" PRId64 ".0", whole->value.i);
        } else {
            (void)snprintf(buf, cap, "write double(%.*s)", RT_MIN((int)whole->span.len, 80),
                           c->source.ptr + whole->span.pos);
        }
        return buf;
    }
    if (text->type == RT_KIND_STR && text->code == BR__CONST && peer->type == RT_KIND_TIME) {
        return "write timestamp(\"...\") around the text";
    }
    if (text->type == RT_KIND_STR && text->code == BR__CONST && peer->type == RT_KIND_DURATION) {
        return "write duration(\"...\") around the text";
    }
    if (text->type == RT_KIND_STR && text->code == BR__CONST && is_number(peer->type)) {
        return "leave the quotes out";
    }
    if (text->type == RT_KIND_STR && is_number(peer->type)) {
        return "convert one side: string(...), int(...) or double(...)";
    }
    if (whole->type == RT_KIND_I64 && other->type == RT_KIND_DURATION) {
        return "write a duration, such as duration(\"30m\")";
    }
    return NULL;
}

static void
refuse_call(br__compiler *c, br__node *node)
{
    char types[160] = "";
    const br__node *arg = child(c, node, 0);
    const char *receiver = node->is_method ? type_name(arg->type) : "";
    size_t skip = node->is_method ? 1 : 0;

    for (size_t i = skip; i < node->argc; i++) {
        size_t len = strlen(types);

        (void)snprintf(types + len, sizeof(types) - len, "%s%s", i > skip ? ", " : "",
                       type_name(child(c, node, i)->type));
    }
    br__report(c, BR__TYPE, node->span, NULL, "no such overload: %s%s%s(%s)", receiver,
               node->is_method ? "." : "", br__code_text(node->code), types);
}

static void
refuse_overload(br__compiler *c, br__node *node)
{
    const br__node *a = child(c, node, 0);
    const br__node *b = child(c, node, 1);
    char help[128];

    node->is_bad = true;
    if (node->code >= BR__SIZE) {
        refuse_call(c, node);
    } else if (b == NULL) {
        br__report(c, BR__TYPE, node->span, NULL, "no such overload: %s%s",
                   br__code_text(node->code), type_name(a->type));
    } else {
        br__report(c, BR__TYPE, node->span, help_for_pair(c, a, b, help, sizeof(help)),
                   "no such overload: %s %s %s", type_name(a->type), br__code_text(node->code),
                   type_name(b->type));
    }
}

static bool
fits(br__compiler *c, const br__node *node, const overload *o)
{
    if (o->code != node->code || strlen(o->args) != node->argc) {
        return false;
    }
    for (size_t i = 0; i < node->argc; i++) {
        rt_kind type = child(c, node, i)->type;

        if (type != RT_KIND_NONE && letter_of(type) != o->args[i]) {
            return false;
        }
    }
    return true;
}

// Finds the overloads that the operands allow; several with different results make a dyn.
static void
check_overloads(br__compiler *c, br__node *node)
{
    size_t found = 0;
    char result = '*';

    for (size_t i = 0; i < RT_COUNT(overloads); i++) {
        if (fits(c, node, &overloads[i])) {
            result = found == 0 || result == overloads[i].result ? overloads[i].result : '*';
            found++;
        }
    }
    if (found == 0) {
        refuse_overload(c, node);
        return;
    }
    node->type = kind_of(result);
}

static bool
are_comparable(rt_kind a, rt_kind b)
{
    return a == b || a == RT_KIND_NONE || b == RT_KIND_NONE || (is_number(a) && is_number(b));
}

static void
check_comparison(br__compiler *c, br__node *node)
{
    node->type = RT_KIND_BOOL;
    if (!are_comparable(child(c, node, 0)->type, child(c, node, 1)->type)) {
        refuse_overload(c, node);
    }
}

static void
check_in(br__compiler *c, br__node *node)
{
    const br__node *value = child(c, node, 0);
    const br__node *list = child(c, node, 1);

    node->type = RT_KIND_BOOL;
    if (list->code != BR__LIST) {
        br__report(c, BR__UNSUPPORTED, list->span, "write the values: x in [a, b]",
                   "not supported yet: 'in' with anything but a list");
        node->is_bad = true;
        return;
    }
    for (uint16_t at = list->first_child; at != BR__NO_NODE; at = c->nodes[at].next) {
        const br__node *element = &c->nodes[at];

        if (!are_comparable(value->type, element->type)) {
            br__report(c, BR__TYPE, element->span, NULL, "no such overload: %s in list(%s)",
                       type_name(value->type), type_name(element->type));
            node->is_bad = true;
        }
    }
}

static void
check_list(br__compiler *c, br__node *node, uint16_t index)
{
    const br__node *parent = node->parent != BR__NO_NODE ? &c->nodes[node->parent] : NULL;
    bool is_right_of_in = parent != NULL && parent->code == BR__IN && parent->first_child != index;

    if (!is_right_of_in) {
        br__report(c, BR__UNSUPPORTED, node->span, NULL,
                   "not supported yet: a list other than at the right of 'in'");
        node->is_bad = true;
    }
}

static void
check_condition(br__compiler *c, br__node *node)
{
    const br__node *test = child(c, node, 0);
    const br__node *a = child(c, node, 1);
    const br__node *b = child(c, node, 2);
    char help[128];

    if (test->type != RT_KIND_NONE && test->type != RT_KIND_BOOL) {
        br__report(c, BR__TYPE, test->span, NULL, "no such overload: %s ? %s : %s",
                   type_name(test->type), type_name(a->type), type_name(b->type));
        node->is_bad = true;
    } else if (a->type != b->type && a->type != RT_KIND_NONE && b->type != RT_KIND_NONE) {
        br__report(c, BR__TYPE, node->span, help_for_pair(c, a, b, help, sizeof(help)),
                   "no such overload: bool ? %s : %s", type_name(a->type), type_name(b->type));
        node->is_bad = true;
    } else {
        node->type = a->type == b->type ? a->type : RT_KIND_NONE;
    }
}

static void
refuse_name(br__compiler *c, br__node *node)
{
    rt_str names[BR_EXPR_SUGGEST_MAX];
    size_t count = 0;
    char help[160];

    node->is_bad = true;
    if (br__is_library(node->path)) {
        br__report(c, BR__UNSUPPORTED, node->span, NULL, "not supported yet: %.*s",
                   RT_STR_ARG(node->path));
        return;
    }
    if (c->env->suggest != NULL) {
        count = c->env->suggest(c->env->user, node->path, names, BR_EXPR_SUGGEST_MAX);
        RT_ASSERT(count <= BR_EXPR_SUGGEST_MAX);
    }
    br__report(c, BR__UNKNOWN, node->span,
               rt_diag_did_you_mean(node->path, names, count, help, sizeof(help)),
               "unknown field '%.*s'", RT_STR_ARG(node->path));
}

static bool
is_guarded(const br__compiler *c, rt_str path)
{
    for (size_t i = 0; i < c->node_count; i++) {
        if (c->nodes[i].code == BR__HAS && rt_str_equal(c->nodes[i].path, path)) {
            return true;
        }
    }
    return false;
}

static void
check_name(br__compiler *c, br__node *node)
{
    br_expr_var var = {0};

    if (!c->env->resolve(c->env->user, node->path, &var)) {
        refuse_name(c, node);
        return;
    }
    node->slot = var.slot;
    node->type = var.kind;
    if (node->code == BR__HAS) {
        node->type = RT_KIND_BOOL;
    } else if (var.maybe_absent && memchr(node->path.ptr, '.', node->path.len) != NULL &&
               !is_guarded(c, node->path)) {
        char help[160];

        (void)snprintf(help, sizeof(help), "write has(%.*s) && ... before it",
                       RT_MIN((int)node->path.len, 100), node->path.ptr);
        br__warn(c, BR__ABSENT, node->span, help, "'%.*s' may be absent", RT_STR_ARG(node->path));
    }
}

// A text that is converted or used as a zone and does not change is checked now.
static void
check_constant_text(br__compiler *c, br__node *node)
{
    const br__node *text = child(c, node, (size_t)node->argc - 1);
    int64_t ignored = 0;
    rt_err err = RT_OK;
    const char *what = "an instant such as 2026-11-20T05:00:00Z";

    if (text->code != BR__CONST || text->type != RT_KIND_STR) {
        return;
    }
    if (node->code == BR__TO_TIMESTAMP) {
        err = br__parse_timestamp(text->value.s, &ignored);
    } else if (node->code == BR__TO_DURATION) {
        err = br__parse_duration(text->value.s, &ignored);
        what = "a duration such as 30s, 1h30m or 168h";
    } else if (node->code >= BR__GET_FULL_YEAR && node->argc == 2) {
        err = br__parse_zone(text->value.s, &ignored);
        what = "a zone";
    }
    if (err == RT_ETYPE) {
        br__report(c, BR__UNSUPPORTED, text->span, NULL,
                   "not supported yet: parts of a millisecond");
    } else if (err == RT_EUNKNOWN) {
        br__report(c, BR__UNSUPPORTED, text->span,
                   "write the difference to UTC, such as \"-05:00\"",
                   "not supported yet: zones by name");
    } else if (err != RT_OK) {
        br__report(c, BR__TYPE, text->span, NULL, "this is not %s", what);
    }
}

static bool
has_bad_child(br__compiler *c, const br__node *node)
{
    for (uint16_t at = node->first_child; at != BR__NO_NODE; at = c->nodes[at].next) {
        if (c->nodes[at].is_bad) {
            return true;
        }
    }
    return false;
}

// NB: a list is the only node whose own type is not a scalar; it stays RT_KIND_NONE.
static void
check_node(br__compiler *c, br__node *node, uint16_t index)
{
    br__code code = node->code;

    if (has_bad_child(c, node)) {
        node->is_bad = true;
    } else if (code == BR__CONST) {
        node->type = node->value.kind;
    } else if (code == BR__LOAD || code == BR__HAS) {
        check_name(c, node);
    } else if (code >= BR__EQ && code <= BR__GE) {
        check_comparison(c, node);
    } else if (code == BR__IN) {
        check_in(c, node);
    } else if (code == BR__LIST) {
        check_list(c, node, index);
    } else if (code == BR__COND) {
        check_condition(c, node);
    } else if (code == BR__TO_DYN) {
        node->type = RT_KIND_NONE;
    } else {
        check_overloads(c, node);
        if (!node->is_bad) {
            check_constant_text(c, node);
        }
    }
}

bool
br__check(br__compiler *c, rt_kind want)
{
    const br__node *root = &c->nodes[c->node_count - 1];

    for (size_t i = 0; i < c->node_count; i++) {
        check_node(c, &c->nodes[i], (uint16_t)i);
    }
    if (!root->is_bad && want != RT_KIND_NONE && root->type != RT_KIND_NONE && root->type != want) {
        br__report(c, BR__TYPE, root->span, NULL, "%s is wanted here, this is %s", type_name(want),
                   type_name(root->type));
    }
    return !c->is_failed;
}
