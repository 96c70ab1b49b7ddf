#include "brain/expr/expr_internal.h"

#include <inttypes.h>
#include <stdio.h>

#include "runtime/base/check.h"

// Design notes.
// One pass in postorder: the types of the operands are known when a node is reached. A value of
// unknown type (dyn) fits every overload; the evaluator checks it again. A node that was reported
// is `is_bad`, and nothing that uses it is reported once more, so one run shows every independent
// mistake.
// Stricter than CEL at run time, as CEL's own checker is: == between unrelated types, which would
// always be false, is an error here. Numbers of different types compare, but do not calculate.
// A name is looked for among the variables of the macros around it, then in the environment, the
// longest path first (what is left are fields), then among the names of types.

#define TYPE_TEXT_MAX 120

typedef struct type_text {
    char text[TYPE_TEXT_MAX];
} type_text;

// A type in CEL's words, cut where it is too long for a finding.
static type_text
name_of(const br__compiler *c, br__type type)
{
    type_text made = {""};
    rt_text out;

    rt_text_init(&out, 4096);
    br__type_put(c, type, &out);
    (void)snprintf(made.text, sizeof(made.text), "%.*s", RT_STR_ARG(rt_text_view(&out)));
    rt_text_fini(&out);
    return made;
}

static br__node *
child(br__compiler *c, const br__node *node, size_t index)
{
    uint16_t at = node->first_child;

    for (size_t i = 0; i < index; i++) {
        at = c->nodes[at].next;
    }
    RT_ASSERT(at != BR__NO_NODE); // what is asked for, the operator has
    return &c->nodes[at];
}

static bool
is_number(br__type type)
{
    return type == BR__TY_INT || type == BR__TY_UINT || type == BR__TY_DOUBLE;
}

static bool
is_dyn(br__type type)
{
    return type == BR__TY_DYN || type == BR__TY_FREE;
}

// Reports a mistake of types at a node; without static types it becomes a matter of evaluating.
static void
refuse_type(br__compiler *c, br__node *node, br__span span, const char *help, const char *why)
{
    if (c->is_unchecked) {
        node->type = BR__TY_DYN;
        return;
    }
    node->is_bad = true;
    br__report(c, BR__TYPE, span, help, "%s", why);
}

// How to mend a pair of types that do not go together; `buf` holds a made-up text.
static const char *
help_for_pair(const br__compiler *c, const br__node *a, const br__node *b, char *buf, size_t cap)
{
    const br__node *whole = a->type == BR__TY_INT ? a : b;
    const br__node *other = whole == a ? b : a;
    const br__node *text = a->type == BR__TY_STRING ? a : b;
    const br__node *peer = text == a ? b : a;

    if (is_number(a->type) && is_number(b->type)) {
        if (whole->type != BR__TY_INT || other->type != BR__TY_DOUBLE) {
            return "convert one side: int(...), uint(...) or double(...)";
        }
        if (whole->code == BR__CONST) {
            (void)snprintf(buf, cap, "write %" PRId64 ".0", whole->value.i);
        } else {
            (void)snprintf(buf, cap, "write double(%.*s)", RT_MIN((int)whole->span.len, 80),
                           c->source.ptr + whole->span.pos);
        }
        return buf;
    }
    if (text->type == BR__TY_STRING && text->code == BR__CONST && peer->type == BR__TY_TIME) {
        return "write timestamp(\"...\") around the text";
    }
    if (text->type == BR__TY_STRING && text->code == BR__CONST && peer->type == BR__TY_DURATION) {
        return "write duration(\"...\") around the text";
    }
    if (text->type == BR__TY_STRING && text->code == BR__CONST && is_number(peer->type)) {
        return "leave the quotes out";
    }
    if (text->type == BR__TY_STRING && is_number(peer->type)) {
        return "convert one side: string(...), int(...) or double(...)";
    }
    if (whole->type == BR__TY_INT && other->type == BR__TY_DURATION) {
        rt_str path = whole->code == BR__LOAD ? whole->path : RT_STR("");
        if (path.len > 3 && memcmp(path.ptr + path.len - 3, "_ms", 3) == 0) {
            return "it counts milliseconds: write a number, 30m is 1800000";
        }
        return "write a duration, such as duration(\"30m\")";
    }
    return NULL;
}

static void
refuse_call(br__compiler *c, br__node *node)
{
    char why[400] = "";
    size_t skip = node->is_method ? 1 : 0;
    size_t len = (size_t)snprintf(why, sizeof(why), "no such overload: %s%s%s(",
                                  skip > 0 ? name_of(c, child(c, node, 0)->type).text : "",
                                  skip > 0 ? "." : "", br__code_text(node->code));

    for (size_t i = skip; i < node->argc && len < sizeof(why); i++) {
        len += (size_t)snprintf(why + len, sizeof(why) - len, "%s%s", i > skip ? ", " : "",
                                name_of(c, child(c, node, i)->type).text);
    }
    if (len < sizeof(why) - 1) {
        (void)snprintf(why + len, sizeof(why) - len, ")");
    }
    refuse_type(c, node, node->span, NULL, why);
}

static void
refuse_overload(br__compiler *c, br__node *node)
{
    const br__node *a = NULL;
    const br__node *b = NULL;
    char help[128];
    char why[400];

    if (node->code >= BR__SIZE || br__is_macro(node->code)) {
        refuse_call(c, node); // which may have no operands
        return;
    }
    a = child(c, node, 0);
    b = node->argc > 1 ? child(c, node, 1) : NULL;
    if (b == NULL) {
        (void)snprintf(why, sizeof(why), "no such overload: %s%s", br__code_text(node->code),
                       name_of(c, a->type).text);
        refuse_type(c, node, node->span, NULL, why);
    } else {
        bool is_index = node->code == BR__INDEX || node->code == BR__OPT_INDEX;

        (void)snprintf(why, sizeof(why), "no such overload: %s%s%s%s", name_of(c, a->type).text,
                       is_index               ? "["
                       : node->code == BR__IN ? " in "
                                              : "",
                       name_of(c, b->type).text, is_index ? "]" : "");
        if (!is_index && node->code != BR__IN) {
            (void)snprintf(why, sizeof(why), "no such overload: %s %s %s", name_of(c, a->type).text,
                           br__code_text(node->code), name_of(c, b->type).text);
        }
        refuse_type(c, node, node->span, help_for_pair(c, a, b, help, sizeof(help)), why);
    }
}

// Finds the overloads that the operands allow; several with different results make a dyn.
static void
check_overloads(br__compiler *c, br__node *node)
{
    br__type args[BR__NODES_MAX / 8];
    size_t count = 0;

    for (uint16_t at = node->first_child; at != BR__NO_NODE; at = c->nodes[at].next) {
        RT_ASSERT(count < RT_COUNT(args));
        args[count++] = c->nodes[at].type;
    }
    if (!br__result_of(c, node, args, &node->type)) {
        refuse_overload(c, node);
    }
}

static bool
are_comparable(br__compiler *c, br__type a, br__type b)
{
    br__type joined = BR__TY_DYN;

    return br__type_join(c, a, b, &joined) || (is_number(a) && is_number(b));
}

static bool
has_order(br__type type)
{
    return type < BR__TY_LIST && type != BR__TY_NULL && type != BR__TY_TYPE;
}

static void
check_comparison(br__compiler *c, br__node *node)
{
    br__type a = child(c, node, 0)->type;
    br__type b = child(c, node, 1)->type;
    bool needs_order = node->code != BR__EQ && node->code != BR__NE;

    node->type = BR__TY_BOOL;
    if (!are_comparable(c, a, b) || (needs_order && !(has_order(a) && has_order(b)))) {
        refuse_overload(c, node);
    }
}

// Reports the elements of a written list, none of which can be equal to the value.
static void
refuse_elements(br__compiler *c, br__node *node, br__type type, const br__node *list)
{
    for (uint16_t at = list->first_child; at != BR__NO_NODE && !c->is_unchecked;
         at = c->nodes[at].next) {
        const br__node *element = &c->nodes[at];

        if (!are_comparable(c, type, element->type)) {
            br__report(c, BR__TYPE, element->span, NULL, "no such overload: %s in list(%s)",
                       name_of(c, type).text, name_of(c, element->type).text);
            node->is_bad = true;
        }
    }
}

static void
check_in(br__compiler *c, br__node *node)
{
    br__type type = child(c, node, 0)->type;
    const br__node *list = child(c, node, 1);
    br__type kind = br__type_kind(c, list->type);
    br__type wanted =
        kind == BR__TY_MAP ? br__type_key(c, list->type) : br__type_element(c, list->type);

    node->type = BR__TY_BOOL;
    if (is_dyn(list->type)) {
        return;
    }
    if (list->code == BR__MAKE_LIST && !are_comparable(c, type, wanted)) {
        refuse_elements(c, node, type, list);
    } else if ((kind != BR__TY_LIST && kind != BR__TY_MAP) || !are_comparable(c, type, wanted)) {
        refuse_overload(c, node);
    }
}

static void
check_condition(br__compiler *c, br__node *node)
{
    const br__node *test = child(c, node, 0);
    const br__node *a = child(c, node, 1);
    const br__node *b = child(c, node, 2);
    char help[128];
    char why[400];

    if (!is_dyn(test->type) && test->type != BR__TY_BOOL) {
        (void)snprintf(why, sizeof(why), "no such overload: %s ? %s : %s",
                       name_of(c, test->type).text, name_of(c, a->type).text,
                       name_of(c, b->type).text);
        refuse_type(c, node, test->span, NULL, why);
    } else if (!br__type_join(c, a->type, b->type, &node->type)) {
        (void)snprintf(why, sizeof(why), "no such overload: bool ? %s : %s",
                       name_of(c, a->type).text, name_of(c, b->type).text);
        refuse_type(c, node, node->span, help_for_pair(c, a, b, help, sizeof(help)), why);
    }
}

static void
check_list(br__compiler *c, br__node *node)
{
    br__type element = BR__TY_FREE;

    for (uint16_t at = node->first_child; at != BR__NO_NODE; at = c->nodes[at].next) {
        if (!br__type_join(c, element, c->nodes[at].type, &element)) {
            element = BR__TY_DYN;
        }
    }
    node->type = br__list_of(c, element);
}

static void
check_map(br__compiler *c, br__node *node)
{
    br__type types[2] = {BR__TY_FREE, BR__TY_FREE};
    size_t count = 0;

    for (uint16_t at = node->first_child; at != BR__NO_NODE; at = c->nodes[at].next) {
        br__type type = c->nodes[at].type;
        br__type *joined = &types[count++ % 2];
        bool is_key = type == BR__TY_BOOL || type == BR__TY_INT || type == BR__TY_UINT ||
                      type == BR__TY_STRING || is_dyn(type);

        if (joined == &types[0] && !is_key) {
            refuse_type(c, node, c->nodes[at].span, NULL,
                        "a key of a map is an int, uint, bool or string");
        }
        if (!br__type_join(c, *joined, type, joined)) {
            *joined = BR__TY_DYN;
        }
    }
    node->type = br__map_of(c, types[0], types[1]);
}

static void
check_entry(br__compiler *c, br__node *node)
{
    br__type type = child(c, node, 0)->type;

    node->type = br__type_element(c, type);
    if (!is_dyn(type) && br__type_kind(c, type) != BR__TY_OPTIONAL) {
        refuse_type(c, node, node->span, NULL, "an element behind '?' is an optional value");
    }
}

// The type of a field of a value; false when it has none.
static bool
field_type(br__compiler *c, br__type type, bool is_optional, br__type *ret_type)
{
    bool was_optional = br__type_kind(c, type) == BR__TY_OPTIONAL;
    br__type from = was_optional ? br__type_element(c, type) : type;

    if (!is_dyn(from) && br__type_kind(c, from) != BR__TY_MAP) {
        return false;
    }
    *ret_type = br__type_element(c, from);
    if (is_optional || was_optional) {
        *ret_type = br__optional_of(c, *ret_type);
    }
    return true;
}

static void
refuse_field(br__compiler *c, br__node *node, br__type type)
{
    char why[240];

    (void)snprintf(why, sizeof(why), "%s has no fields", name_of(c, type).text);
    refuse_type(c, node, node->span, NULL, why);
}

static void
check_select(br__compiler *c, br__node *node)
{
    br__type type = child(c, node, 0)->type;

    if (!field_type(c, type, node->code == BR__OPT_SELECT, &node->type)) {
        refuse_field(c, node, type);
    }
    if (node->code == BR__TEST) {
        node->type = BR__TY_BOOL;
    }
}

static void
check_index(br__compiler *c, br__node *node)
{
    br__type type = child(c, node, 0)->type;
    br__type index = child(c, node, 1)->type;
    bool was_optional = br__type_kind(c, type) == BR__TY_OPTIONAL;
    br__type from = was_optional ? br__type_element(c, type) : type;
    br__type kind = br__type_kind(c, from);
    br__type joined = BR__TY_DYN;
    bool fits = is_dyn(from) || (kind == BR__TY_LIST && (index == BR__TY_INT || is_dyn(index))) ||
                (kind == BR__TY_MAP && br__type_join(c, br__type_key(c, from), index, &joined));

    if (!fits) {
        refuse_overload(c, node);
        return;
    }
    node->type = br__type_element(c, from);
    if (was_optional || node->code == BR__OPT_INDEX) {
        node->type = br__optional_of(c, node->type);
    }
}

// The type of a macro's variable, from what it runs over.
static br__type
variable_type(br__compiler *c, const br__node *macro, size_t which)
{
    br__type type = c->nodes[macro->first_child].type;
    br__type kind = br__type_kind(c, type);

    if (macro->code == BR__BIND) {
        return type;
    }
    if (kind == BR__TY_MAP && which == 0) {
        return br__type_key(c, type);
    }
    if (kind == BR__TY_LIST && which == 0 && macro->var_count == 2) {
        return BR__TY_INT;
    }
    return kind >= BR__TY_LIST ? br__type_element(c, type) : BR__TY_DYN;
}

static br__type
type_of_macro(br__compiler *c, const br__node *node)
{
    br__type range = child(c, node, 0)->type;
    br__type body = child(c, node, (size_t)node->argc - 1)->type;
    br__type kind = br__type_kind(c, body);

    switch ((unsigned)node->code) {
    case BR__FILTER:
        return is_dyn(range) ? BR__TY_DYN : br__list_of(c, variable_type(c, node, 0));
    case BR__MAP_EACH:
    case BR__TRANSFORM_LIST:
        return br__list_of(c, body);
    case BR__TRANSFORM_MAP:
        return br__map_of(c, variable_type(c, node, 0), body);
    case BR__TRANSFORM_MAP_ENTRY:
        return kind == BR__TY_MAP ? body : BR__TY_DYN;
    case BR__BIND:
        return body;
    case BR__OPT_MAP:
        return br__optional_of(c, body);
    case BR__OPT_FLAT_MAP:
        return kind == BR__TY_OPTIONAL ? body : BR__TY_DYN;
    default:
        return BR__TY_BOOL;
    }
}

static void
check_macro(br__compiler *c, br__node *node)
{
    const br__node *range = child(c, node, 0);
    const br__node *first = child(c, node, 1);
    const br__node *body = child(c, node, (size_t)node->argc - 1);
    br__type kind = br__type_kind(c, range->type);
    bool wants_bool = node->argc == 3 || node->code <= BR__FILTER;
    bool fits = is_dyn(kind) || node->code == BR__BIND ||
                (br__is_loop(node->code) ? kind == BR__TY_LIST || kind == BR__TY_MAP
                                         : kind == BR__TY_OPTIONAL);
    char why[240];

    node->type = type_of_macro(c, node);
    if (!fits) {
        (void)snprintf(why, sizeof(why), "no such overload: %s.%s(...)",
                       name_of(c, range->type).text, br__code_text(node->code));
        refuse_type(c, node, range->span, NULL, why);
    } else if (wants_bool && !is_dyn(first->type) && first->type != BR__TY_BOOL) {
        (void)snprintf(why, sizeof(why), "%s() wants a bool here, this is %s",
                       br__code_text(node->code), name_of(c, first->type).text);
        refuse_type(c, node, first->span, NULL, why);
    } else if (node->code == BR__OPT_FLAT_MAP && !is_dyn(body->type) &&
               br__type_kind(c, body->type) != BR__TY_OPTIONAL) {
        refuse_type(c, node, body->span, "optMap() makes an optional of it",
                    "optFlatMap() wants an optional here");
    }
}

static void
refuse_name(br__compiler *c, br__node *node)
{
    rt_str names[BR_EXPR_SUGGEST_MAX];
    size_t count = 0;
    char help[160];

    if (c->is_unchecked) {
        node->code = BR__CONST;
        node->value = br__fault(BR_FAULT_NO_SUCH_KEY);
        node->type = BR__TY_DYN;
        return;
    }
    node->is_bad = true;
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

static rt_str
head_of(rt_str path)
{
    const char *dot = memchr(path.ptr, '.', path.len);

    return dot != NULL ? (rt_str){path.ptr, (size_t)(dot - path.ptr)} : path;
}

// Cuts a path into what names a variable and the fields behind it.
static void
cut_path(br__node *node, size_t len)
{
    rt_str path = node->path;

    node->path.len = len;
    node->rest = len < path.len ? (rt_str){path.ptr + len + 1, path.len - len - 1} : RT_STR("");
}

// Whether the name is a variable of a macro around it.
static bool
find_local(br__compiler *c, br__node *node, uint16_t index)
{
    rt_str head = head_of(node->path);
    uint16_t from = index;

    for (uint16_t at = node->parent; at != BR__NO_NODE && !node->is_absolute;
         at = c->nodes[at].parent) {
        const br__node *macro = &c->nodes[at];

        for (size_t i = 0; from != macro->first_child && i < macro->var_count; i++) {
            if (rt_str_equal(macro->vars[i], head)) {
                node->is_local = true;
                node->local = (uint8_t)(macro->local + i);
                node->type = variable_type(c, macro, i);
                cut_path(node, head.len);
                return true;
            }
        }
        from = at;
    }
    return false;
}

// Asks the environment for a path in the container and in what is around that.
static bool
resolve_in(br__compiler *c, bool is_absolute, rt_str path, br_expr_var *ret_var)
{
    rt_str container = is_absolute ? RT_STR("") : c->env->container;

    while (container.len > 0) {
        rt_str full =
            rt_arena_printf(c->arena, "%.*s.%.*s", RT_STR_ARG(container), RT_STR_ARG(path));

        if (full.ptr != NULL && c->env->resolve(c->env->user, full, ret_var)) {
            return true;
        }
        while (container.len > 0 && container.ptr[container.len - 1] != '.') {
            container.len--;
        }
        container.len -= container.len > 0 ? 1 : 0;
    }
    return c->env->resolve(c->env->user, path, ret_var);
}

static void
take_variable(br__compiler *c, br__node *node, const br_expr_var *var)
{
    node->slot = var->slot;
    node->field = node->rest.len == 0 ? var->field : NULL;
    node->type = (br__type)var->kind;
    node->is_raw = var->type.len > 0;
    node->is_there = var->is_there;
    if (node->is_raw && !br__type_parse(c, var->type, &node->type)) {
        RT_UNREACHABLE("the environment names known types");
    }
    if (node->code == BR__LOAD && var->maybe_absent && node->rest.len == 0 &&
        memchr(node->path.ptr, '.', node->path.len) != NULL && !is_guarded(c, node->path)) {
        char help[160];

        (void)snprintf(help, sizeof(help), "write has(%.*s) && ... before it",
                       RT_MIN((int)node->path.len, 100), node->path.ptr);
        br__warn(c, BR__ABSENT, node->span, help, "'%.*s' may be absent", RT_STR_ARG(node->path));
    }
}

static bool
find_variable(br__compiler *c, br__node *node)
{
    rt_str path = node->path;

    for (size_t len = path.len; len > 0; len--) {
        br_expr_var var = {0};

        if (len < path.len && path.ptr[len] != '.') {
            continue;
        }
        if (resolve_in(c, node->is_absolute, (rt_str){path.ptr, len}, &var)) {
            cut_path(node, len);
            take_variable(c, node, &var);
            return true;
        }
    }
    return false;
}

// The types of the fields behind a variable.
static void
check_rest(br__compiler *c, br__node *node)
{
    rt_str rest = node->rest;

    while (rest.len > 0) {
        rt_str field = head_of(rest);

        if (!field_type(c, node->type, false, &node->type)) {
            if (!c->is_unchecked && br__type_kind(c, node->type) < BR__TY_LIST && !node->is_local) {
                node->path.len += node->rest.len + 1;
                refuse_name(c, node);
                return;
            }
            refuse_field(c, node, node->type);
            return;
        }
        rest = field.len < rest.len ? (rt_str){rest.ptr + field.len + 1, rest.len - field.len - 1}
                                    : RT_STR("");
    }
}

static void
check_name(br__compiler *c, br__node *node, uint16_t index)
{
    rt_str type = {NULL, 0};

    if (find_local(c, node, index) || find_variable(c, node)) {
        check_rest(c, node);
    } else if (node->code == BR__LOAD && br__type_named(node->path, &type)) {
        node->code = BR__CONST;
        node->value = br__of_text(type);
        node->value.kind = BR__TYPE_NAME;
        node->type = BR__TY_TYPE;
    } else {
        refuse_name(c, node);
    }
    if (node->code == BR__HAS && !node->is_bad) {
        node->type = BR__TY_BOOL;
    }
}

// A text that is converted or used as a zone and does not change is checked now.
static void
check_constant_text(br__compiler *c, br__node *node)
{
    const br__node *text = node->argc > 0 ? child(c, node, (size_t)node->argc - 1) : NULL;
    br__value ignored;
    int64_t offset_ms = 0;
    rt_err err = RT_OK;
    const char *what = "an instant such as 2026-11-20T05:00:00Z";

    if (c->is_unchecked || text == NULL || text->code != BR__CONST || text->type != BR__TY_STRING) {
        return;
    }
    if (node->code == BR__TO_TIMESTAMP) {
        err = br__parse_timestamp(br__text(text->value), &ignored);
    } else if (node->code == BR__TO_DURATION) {
        err = br__parse_duration(br__text(text->value), &ignored);
        what = "a duration such as 30s, 1h30m or 168h";
    } else if (node->code >= BR__GET_FULL_YEAR && node->code <= BR__GET_MILLISECONDS &&
               node->argc == 2) {
        err = br_zone_offset(br__text(text->value), INT64_C(1700000000000), &offset_ms);
        what = "a zone";
    } else if (node->code == BR__MATCHES) {
        const char *why = NULL;
        size_t at = 0;
        br__regex *regex = NULL;

        if (br__regex_compile(br__text(text->value), c->arena, &regex, &why, &at) != RT_OK) {
            br__report(c, strncmp(why, "not supported", 13) == 0 ? BR__UNSUPPORTED : BR__SYNTAX,
                       text->span, NULL, "%s, at character %zu of the pattern", why, at + 1);
        }
        return;
    }
    if (err == RT_EUNKNOWN) {
        br__report(c, BR__UNSUPPORTED, text->span,
                   "write the difference to UTC, such as \"-05:00\"",
                   "not supported yet: this zone is not in the table");
    } else if (err != RT_OK) {
        br__report(c, BR__TYPE, text->span, NULL, "this is not %s", what);
    }
}

// A calendar is named by a constant: which one is known before anything happens.
static void
check_calendar(br__compiler *c, br__node *node)
{
    br__node *name = child(c, node, (size_t)node->argc - 1);
    const br_expr_env *env = c->env;
    rt_str names[BR_EXPR_SUGGEST_MAX];
    const br_hours *hours = NULL;
    size_t count = 0;
    char help[160];

    if (c->is_unchecked) {
        return;
    }
    if (name->code != BR__CONST || name->type != BR__TY_STRING) {
        refuse_type(c, node, name->span, "write its name in quotes",
                    "the calendar has to be named here");
        return;
    }
    hours = env->calendar != NULL ? env->calendar(env->user, br__text(name->value)) : NULL;
    if (hours == NULL) {
        count = env->calendars != NULL ? env->calendars(env->user, names, BR_EXPR_SUGGEST_MAX) : 0;
        RT_ASSERT(count <= BR_EXPR_SUGGEST_MAX);
        node->is_bad = true;
        br__report(c, BR__UNKNOWN, name->span,
                   rt_diag_did_you_mean(br__text(name->value), names, count, help, sizeof(help)),
                   "unknown calendar '%.*s'", RT_STR_ARG(br__text(name->value)));
        return;
    }
    name->value = (br__value){.kind = BR__CALENDAR, .hours = hours};
}

// What a function of our own wants of its arguments beyond their types.
static void
check_own(br__compiler *c, br__node *node)
{
    const br__node *last = child(c, node, (size_t)node->argc - 1);

    if (node->code == BR__IS_BUSINESS_HOURS || node->code == BR__BUSINESS_DAYS) {
        check_calendar(c, node);
    } else if (node->code == BR__IS_HOLIDAY && node->argc == 2 && last->code == BR__CONST &&
               last->type == BR__TY_STRING && !rt_str_is(br__text(last->value), "CO")) {
        refuse_type(c, node, last->span, "write \"CO\"", "the holidays of Colombia are known only");
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

static br__type
type_of_value(br__value value)
{
    return value.kind == BR__TYPE_NAME ? BR__TY_TYPE
           : value.kind == BR__NULL    ? BR__TY_NULL
           : value.kind == BR__BYTES   ? BR__TY_BYTES
           : value.kind == BR__UINT    ? BR__TY_UINT
                                       : (br__type)value.kind;
}

static void
check_node(br__compiler *c, br__node *node, uint16_t index)
{
    br__code code = node->code;

    if (has_bad_child(c, node)) {
        node->is_bad = true;
    } else if (code == BR__CONST) {
        node->type = type_of_value(node->value);
    } else if (code == BR__LOAD || code == BR__HAS) {
        check_name(c, node, index);
    } else if (code >= BR__EQ && code <= BR__GE) {
        check_comparison(c, node);
    } else if (code == BR__IN) {
        check_in(c, node);
    } else if (code == BR__MAKE_LIST) {
        check_list(c, node);
    } else if (code == BR__MAKE_MAP) {
        check_map(c, node);
    } else if (code == BR__ENTRY) {
        check_entry(c, node);
    } else if (code == BR__INDEX || code == BR__OPT_INDEX) {
        check_index(c, node);
    } else if (code == BR__SELECT || code == BR__OPT_SELECT || code == BR__TEST) {
        check_select(c, node);
    } else if (br__is_macro(code)) {
        check_macro(c, node);
    } else if (code == BR__COND) {
        check_condition(c, node);
    } else {
        check_overloads(c, node);
        if (!node->is_bad && code >= BR__DISTANCE && code <= BR__BUSINESS_DAYS) {
            check_own(c, node);
        } else if (!node->is_bad) {
            check_constant_text(c, node);
        }
    }
}

// Gives the variables of macros their numbers, outermost first: a parent stands behind its
// children.
static void
number_variables(br__compiler *c)
{
    for (size_t i = c->node_count; i > 0; i--) {
        br__node *node = &c->nodes[i - 1];
        uint16_t from = (uint16_t)(i - 1);
        size_t scopes = 0;

        if (!br__is_macro(node->code)) {
            continue;
        }
        for (uint16_t at = node->parent; at != BR__NO_NODE; at = c->nodes[at].parent) {
            if (br__is_macro(c->nodes[at].code) && from != c->nodes[at].first_child) {
                scopes++;
                node->loop = (uint8_t)(node->loop + (br__is_loop(c->nodes[at].code) ? 1 : 0));
            }
            from = at;
        }
        node->local = (uint8_t)(2 * scopes);
        if (scopes >= BR__SCOPES_MAX ||
            (br__is_loop(node->code) && node->loop >= BR_EXPR_LOOPS_MAX)) {
            br__report(c, BR__LIMIT, node->span, NULL, "%s() inside of more than %d macros",
                       br__code_text(node->code),
                       br__is_loop(node->code) ? BR_EXPR_LOOPS_MAX - 1 : BR__SCOPES_MAX - 1);
            return;
        }
    }
}

static bool
can_leave(br__type type)
{
    return type <= BR__TY_UINT || type == BR__TY_FREE;
}

bool
br__check(br__compiler *c, rt_kind want, bool keeps_result)
{
    br__node *root = &c->nodes[c->node_count - 1];

    number_variables(c);
    if (c->is_failed) {
        return false;
    }
    for (size_t i = 0; i < c->node_count; i++) {
        check_node(c, &c->nodes[i], (uint16_t)i);
    }
    if (!root->is_bad && want != RT_KIND_NONE && !is_dyn(root->type) && root->type != want &&
        !(root->type == BR__TY_UINT && want == RT_KIND_I64)) {
        br__report(c, BR__TYPE, root->span, NULL, "%s is wanted here, this is %s",
                   name_of(c, (br__type)want).text, name_of(c, root->type).text);
    } else if (!root->is_bad && !keeps_result && !can_leave(root->type)) {
        br__report(c, BR__TYPE, root->span, NULL, "the value is a %s, which has no place here",
                   name_of(c, root->type).text);
    }
    return !c->is_failed;
}
