#include "brain/expr/expr_internal.h"

#include "runtime/base/check.h"

// Design notes.
// Types made of others stand once each in the compiler's table, so that equal types have equal
// numbers. A map's key is never made of other types, so every type is a chain of lists, maps and
// optionals that ends in a simple one, and joining or writing it is a loop along the chain. When
// the table is full the type becomes dyn, which is always right and only says less.

static br__type
make(br__compiler *c, br__made_type made)
{
    for (size_t i = 0; i < c->type_count; i++) {
        if (c->types[i].kind == made.kind && c->types[i].key == made.key &&
            c->types[i].element == made.element) {
            return (br__type)(BR__TY_MADE + i);
        }
    }
    if (c->type_count == BR__TYPES_MAX) {
        return made.kind;
    }
    c->types[c->type_count] = made;
    return (br__type)(BR__TY_MADE + c->type_count++);
}

br__type
br__list_of(br__compiler *c, br__type element)
{
    return make(c, (br__made_type){BR__TY_LIST, BR__TY_DYN, element});
}

br__type
br__map_of(br__compiler *c, br__type key, br__type element)
{
    return make(c, (br__made_type){BR__TY_MAP, key < BR__TY_LIST ? key : BR__TY_DYN, element});
}

br__type
br__optional_of(br__compiler *c, br__type element)
{
    return make(c, (br__made_type){BR__TY_OPTIONAL, BR__TY_DYN, element});
}

br__type
br__type_kind(const br__compiler *c, br__type type)
{
    return type >= BR__TY_MADE ? c->types[type - BR__TY_MADE].kind : type;
}

br__type
br__type_element(const br__compiler *c, br__type type)
{
    return type >= BR__TY_MADE ? c->types[type - BR__TY_MADE].element : BR__TY_DYN;
}

br__type
br__type_key(const br__compiler *c, br__type type)
{
    return type >= BR__TY_MADE ? c->types[type - BR__TY_MADE].key : BR__TY_DYN;
}

// Joins two ends of chains.
static bool
join_simple(br__type a, br__type b, br__type *ret_type)
{
    if (a == b || b == BR__TY_FREE) {
        *ret_type = a;
        return true;
    }
    if (a == BR__TY_FREE) {
        *ret_type = b;
        return true;
    }
    *ret_type = BR__TY_DYN;
    return a == BR__TY_DYN || b == BR__TY_DYN;
}

// CEL lets null stand for an optional, an instant and a duration.
static bool
join_null(const br__compiler *c, br__type a, br__type b, br__type *ret_type)
{
    br__type other = a == BR__TY_NULL ? b : a;
    br__type kind = br__type_kind(c, other);

    *ret_type = other;
    return (a == BR__TY_NULL || b == BR__TY_NULL) &&
           (kind == BR__TY_OPTIONAL || kind == BR__TY_TIME || kind == BR__TY_DURATION);
}

bool
br__type_join(br__compiler *c, br__type a, br__type b, br__type *ret_type)
{
    br__made_type chain[BR__VALUE_DEPTH_MAX];
    size_t depth = 0;
    br__type joined = BR__TY_DYN;

    while (a != b && br__type_kind(c, a) >= BR__TY_LIST &&
           br__type_kind(c, a) == br__type_kind(c, b) && depth < RT_COUNT(chain)) {
        chain[depth].kind = br__type_kind(c, a);
        if (!join_simple(br__type_key(c, a), br__type_key(c, b), &chain[depth].key)) {
            return false;
        }
        depth++;
        a = br__type_element(c, a);
        b = br__type_element(c, b);
    }
    if (!join_null(c, a, b, &joined) && !join_simple(a, b, &joined)) {
        return false;
    }
    while (depth > 0) {
        depth--;
        joined = make(c, (br__made_type){chain[depth].kind, chain[depth].key, joined});
    }
    *ret_type = joined;
    return true;
}

static const struct {
    const char *name;
    br__type type;
} simple_types[] = {
    {"dyn", BR__TY_DYN},           {"bool", BR__TY_BOOL},
    {"int", BR__TY_INT},           {"uint", BR__TY_UINT},
    {"double", BR__TY_DOUBLE},     {"string", BR__TY_STRING},
    {"bytes", BR__TY_BYTES},       {"timestamp", BR__TY_TIME},
    {"duration", BR__TY_DURATION}, {"null_type", BR__TY_NULL},
    {"type", BR__TY_TYPE},         {"list", BR__TY_LIST},
    {"map", BR__TY_MAP},           {"optional_type", BR__TY_OPTIONAL},
    {"dyn", BR__TY_FREE},
};

static bool
find_simple(rt_str name, br__type *ret_type)
{
    for (size_t i = 0; i < RT_COUNT(simple_types); i++) {
        if (rt_str_is(name, simple_types[i].name)) {
            *ret_type = simple_types[i].type;
            return true;
        }
    }
    return false;
}

static rt_str
trimmed(rt_str text)
{
    while (text.len > 0 && text.ptr[0] == ' ') {
        text = (rt_str){text.ptr + 1, text.len - 1};
    }
    while (text.len > 0 && text.ptr[text.len - 1] == ' ') {
        text.len--;
    }
    return text;
}

bool
br__type_parse(br__compiler *c, rt_str text, br__type *ret_type)
{
    br__made_type chain[BR__VALUE_DEPTH_MAX];
    size_t depth = 0;
    br__type type = BR__TY_DYN;
    const char *open = NULL;

    text = trimmed(text);
    while ((open = memchr(text.ptr, '(', text.len)) != NULL) {
        rt_str name = {text.ptr, (size_t)(open - text.ptr)};
        br__made_type *made = &chain[depth];

        if (depth == RT_COUNT(chain) || text.ptr[text.len - 1] != ')' ||
            !find_simple(name, &made->kind) || made->kind < BR__TY_LIST) {
            return false;
        }
        made->key = BR__TY_DYN;
        depth++;
        text = trimmed((rt_str){open + 1, text.len - name.len - 2});
        if (made->kind == BR__TY_MAP) {
            const char *comma = memchr(text.ptr, ',', text.len);
            size_t len = comma != NULL ? (size_t)(comma - text.ptr) : 0;

            if (comma == NULL || !find_simple(trimmed((rt_str){text.ptr, len}), &made->key)) {
                return false;
            }
            text = trimmed((rt_str){comma + 1, text.len - len - 1});
        }
    }
    if (!find_simple(text, &type)) {
        return false;
    }
    while (depth > 0) {
        depth--;
        chain[depth].element = type;
        type = make(c, chain[depth]);
    }
    *ret_type = type;
    return true;
}

static const char *
simple_name(br__type type)
{
    for (size_t i = 0; i < RT_COUNT(simple_types); i++) {
        if (simple_types[i].type == type) {
            return simple_types[i].name;
        }
    }
    RT_UNREACHABLE("every simple type has its name");
}

void
br__type_put(const br__compiler *c, br__type type, rt_text *out)
{
    size_t depth = 0;

    while (br__type_kind(c, type) >= BR__TY_LIST) {
        br__type kind = br__type_kind(c, type);

        rt_text_printf(out, "%s(", simple_name(kind));
        if (kind == BR__TY_MAP) {
            rt_text_printf(out, "%s, ", simple_name(br__type_key(c, type)));
        }
        depth++;
        type = br__type_element(c, type);
    }
    rt_text_cstr(out, simple_name(type));
    for (; depth > 0; depth--) {
        rt_text_cstr(out, ")");
    }
}
