#include "brain/expr/expr_value.h"

#include <inttypes.h>
#include <math.h>

#include "runtime/base/check.h"

// Design notes.
// Values are compared and shown without recursion: a walk keeps its own stack of at most
// BR__VALUE_DEPTH_MAX frames, and no value is deeper, because each list, map and optional knows how
// deep it is and a deeper one is not made.
// Maps are looked up one key after the other: conditions have small maps, and the order in which
// they were written is kept for people.

#define FRAMES_MAX (BR__VALUE_DEPTH_MAX + 1)

bool
br__to_rt(br__value value, rt_value *ret_value)
{
    switch ((unsigned)value.kind) {
    case BR__BOOL:
    case BR__INT:
    case BR__DOUBLE:
    case BR__TIME:
    case BR__DURATION:
        *ret_value = (rt_value){.kind = (rt_kind)value.kind, .i = value.i};
        return true;
    case BR__STRING:
        *ret_value = RT_TEXT(br__text(value));
        return true;
    case BR__UINT:
        *ret_value = RT_I64(value.i);
        return value.u <= (uint64_t)INT64_MAX;
    default:
        return false;
    }
}

void *
br__room(br__limits *limits, size_t bytes)
{
    return limits->arena != NULL ? rt_arena_alloc(limits->arena, bytes) : NULL;
}

br__value
br__copy_text(br__limits *limits, rt_str text)
{
    char *to = br__room(limits, text.len);

    if (to == NULL) {
        return br__fault(BR_FAULT_NO_MEMORY);
    }
    if (text.len > 0) {
        memcpy(to, text.ptr, text.len);
    }
    return br__of_text((rt_str){to, text.len});
}

// The depth of something that holds these values; 0 when it would be too deep.
static uint8_t
depth_over(const br__value *items, size_t count)
{
    uint8_t depth = 0;

    for (size_t i = 0; i < count; i++) {
        uint8_t one = items[i].kind == BR__RAW ? BR__RAW_DEPTH : items[i].depth;

        depth = RT_MAX(depth, one);
    }
    return depth < BR__VALUE_DEPTH_MAX ? (uint8_t)(depth + 1) : 0;
}

br__value
br__list(const br__value *items, size_t count)
{
    br__value list = {.kind = BR__LIST,
                      .depth = depth_over(items, count),
                      .len = (uint32_t)count,
                      .items = items};

    return list.depth > 0 ? list : br__fault(BR_FAULT_TOO_DEEP);
}

static bool
is_key(br__value value)
{
    return value.kind == BR__BOOL || value.kind == BR__INT || value.kind == BR__UINT ||
           value.kind == BR__STRING;
}

br__value
br__map(br__limits *limits, const br__value *pairs, size_t count)
{
    br__value map = {.kind = BR__MAP, .depth = depth_over(pairs, 2 * count), .items = pairs};

    if (map.depth == 0) {
        return br__fault(BR_FAULT_TOO_DEEP);
    }
    for (size_t i = 0; i < count; i++) {
        if (!is_key(pairs[2 * i])) {
            return br__fault(BR_FAULT_KEY_TYPE);
        }
        if (!br__spend(limits, i / 8)) {
            return br__fault(BR_FAULT_STEPS);
        }
        if (br__find(map, pairs[2 * i]) != NULL) {
            return br__fault(BR_FAULT_DUPLICATE_KEY);
        }
        map.len++;
    }
    return map;
}

br__value
br__some(br__limits *limits, br__value value)
{
    br__value *item = br__room(limits, sizeof(*item));

    if (item == NULL) {
        return br__fault(BR_FAULT_NO_MEMORY);
    }
    *item = value;
    return (br__value){.kind = BR__OPTIONAL, .depth = depth_over(item, 1), .items = item};
}

static uint64_t
read_big(const uint8_t *at, size_t count)
{
    uint64_t value = 0;

    for (size_t i = 0; i < count; i++) {
        value = value << 8 | at[i];
    }
    return value;
}

static br__value
open_extension(br__limits *limits, const rt_mp_token *token)
{
    rt_bytes body = token->bytes;
    bool is_time = token->ext_type == BR__EXT_TIME;

    if (token->ext_type == BR__EXT_UINT && body.len == 8) {
        return br__of_uint(read_big(body.ptr, 8));
    }
    if ((is_time || token->ext_type == BR__EXT_DURATION) && body.len == 12) {
        return (br__value){.kind = is_time ? BR__TIME : BR__DURATION,
                           .i = (int64_t)read_big(body.ptr, 8),
                           .len = (uint32_t)read_big(body.ptr + 8, 4) % BR__NS_PER_MS};
    }
    if (token->ext_type == BR__EXT_TYPE) {
        return (br__value){
            .kind = BR__TYPE_NAME, .s = (const char *)body.ptr, .len = (uint32_t)body.len};
    }
    if (token->ext_type == BR__EXT_OPTIONAL) {
        br__value raw = {.kind = BR__RAW, .s = (const char *)body.ptr, .len = (uint32_t)body.len};

        return body.len > 0 ? br__some(limits, raw) : (br__value){.kind = BR__OPTIONAL, .depth = 1};
    }
    return br__fault(BR_FAULT_CONVERSION);
}

// A token that is no container; false for one.
static bool
read_scalar(br__limits *limits, const rt_mp_token *token, br__value *ret_value)
{
    switch (token->type) {
    case RT_MP_NIL:
        *ret_value = (br__value){.kind = BR__NULL};
        return true;
    case RT_MP_BOOL:
        *ret_value = br__of_bool(token->b);
        return true;
    case RT_MP_INT:
        *ret_value = br__of_int(token->i);
        return true;
    case RT_MP_UINT:
        *ret_value = br__of_uint(token->u);
        return true;
    case RT_MP_FLOAT:
        *ret_value = br__of_double(token->f);
        return true;
    case RT_MP_STR:
        *ret_value = br__of_text(token->str);
        return true;
    case RT_MP_BIN:
        *ret_value = br__of_text(rt_str_of_bytes(token->bytes));
        ret_value->kind = BR__BYTES;
        return true;
    case RT_MP_EXT:
        *ret_value = open_extension(limits, token);
        return true;
    case RT_MP_ARRAY:
    case RT_MP_MAP:
        return false;
    }
    RT_UNREACHABLE("every token type has its case");
}

// One element of a container: a scalar is read, a container stays as it is.
static br__value
read_element(br__limits *limits, rt_mp *mp)
{
    rt_mp one = *mp;
    rt_mp_token token;
    rt_bytes raw;
    br__value value;

    if (rt_mp_raw(mp, &raw) != RT_OK || rt_mp_next(&one, &token) != RT_OK) {
        return br__fault(BR_FAULT_CONVERSION);
    }
    if (!read_scalar(limits, &token, &value)) {
        value = (br__value){.kind = BR__RAW, .s = (const char *)raw.ptr, .len = (uint32_t)raw.len};
    }
    return value;
}

static br__value
open_container(br__limits *limits, rt_mp *mp, bool is_map, uint32_t count)
{
    size_t parts = (size_t)count * (is_map ? 2 : 1);
    br__value *items = NULL;
    br__value made;

    if (!br__spend(limits, parts / 4)) {
        return br__fault(BR_FAULT_STEPS);
    }
    items = br__room(limits, parts * sizeof(*items));
    if (items == NULL) {
        return br__fault(BR_FAULT_NO_MEMORY);
    }
    for (size_t i = 0; i < parts; i++) {
        items[i] = read_element(limits, mp);
        if (items[i].kind == BR__FAULT) {
            return items[i];
        }
    }
    made = is_map ? br__map(limits, items, count) : br__list(items, count);
    // The reader of msgpack bounds the depth of the whole; the parts do not count again.
    made.depth = made.kind != BR__FAULT ? BR__RAW_DEPTH : 0;
    return made;
}

br__value
br__opened(br__limits *limits, br__value value)
{
    rt_mp mp;
    rt_mp_token token;
    br__value made;

    if (RT_LIKELY(value.kind != BR__RAW)) {
        return value;
    }
    mp = rt_mp_init((rt_bytes){(const uint8_t *)value.s, value.len});
    if (rt_mp_next(&mp, &token) != RT_OK) {
        return br__fault(BR_FAULT_CONVERSION);
    }
    if (read_scalar(limits, &token, &made)) {
        return made;
    }
    return open_container(limits, &mp, token.type == RT_MP_MAP, token.count);
}

static int
sign_of(bool is_less, bool is_greater)
{
    return is_less ? -1 : is_greater ? 1 : 0;
}

static int
compare_text(br__value a, br__value b)
{
    size_t len = RT_MIN(a.len, b.len);
    int order = len > 0 ? memcmp(a.s, b.s, len) : 0;

    return order != 0 ? order : sign_of(a.len<b.len, a.len> b.len);
}

static bool
is_number(br__value value)
{
    return value.kind == BR__INT || value.kind == BR__UINT || value.kind == BR__DOUBLE;
}

// An integer and a double compare as doubles, as in CEL's reference: from 2^53 on neighbours are
// equal. Integers compare exactly.
static bool
order_numbers(br__value a, br__value b, int *ret_order, bool *ret_is_ordered)
{
    if (!is_number(a) || !is_number(b)) {
        return false;
    }
    if (a.kind != BR__DOUBLE && b.kind != BR__DOUBLE) {
        bool is_a_negative = a.kind == BR__INT && a.i < 0;
        bool is_b_negative = b.kind == BR__INT && b.i < 0;

        *ret_order =
            is_a_negative != is_b_negative ? (is_a_negative ? -1 : 1) : sign_of(a.u<b.u, a.u> b.u);
        return true;
    }
    {
        double x = a.kind == BR__DOUBLE ? a.f : a.kind == BR__INT ? (double)a.i : (double)a.u;
        double y = b.kind == BR__DOUBLE ? b.f : b.kind == BR__INT ? (double)b.i : (double)b.u;

        *ret_is_ordered = !isnan(x) && !isnan(y);
        *ret_order = sign_of(x<y, x> y);
    }
    return true;
}

bool
br__order(br__value a, br__value b, int *ret_order, bool *ret_is_ordered)
{
    *ret_is_ordered = true;
    if (a.kind != b.kind) {
        return order_numbers(a, b, ret_order, ret_is_ordered);
    }
    switch ((unsigned)a.kind) {
    case BR__INT:
        *ret_order = sign_of(a.i<b.i, a.i> b.i);
        return true;
    case BR__TIME:
    case BR__DURATION:
        *ret_order = a.i != b.i ? sign_of(a.i<b.i, a.i> b.i) : sign_of(a.len<b.len, a.len> b.len);
        return true;
    case BR__UINT:
        *ret_order = sign_of(a.u<b.u, a.u> b.u);
        return true;
    case BR__DOUBLE:
        *ret_order = sign_of(a.f<b.f, a.f> b.f);
        *ret_is_ordered = !isnan(a.f) && !isnan(b.f);
        return true;
    case BR__STRING:
    case BR__BYTES:
        *ret_order = compare_text(a, b);
        return true;
    case BR__BOOL:
        *ret_order = sign_of(!a.b && b.b, a.b && !b.b);
        return true;
    default:
        return false;
    }
}

static bool
equal_scalars(br__value a, br__value b)
{
    int order = 0;
    bool is_ordered = false;

    if (a.kind == b.kind) {
        if (a.kind == BR__STRING || a.kind == BR__BYTES || a.kind == BR__TYPE_NAME) {
            return a.len == b.len && (a.len == 0 || memcmp(a.s, b.s, a.len) == 0);
        }
        if (a.kind == BR__NULL) {
            return true;
        }
    }
    return br__order(a, b, &order, &is_ordered) && is_ordered && order == 0;
}

const br__value *
br__find(br__value map, br__value key)
{
    for (uint32_t i = 0; i < map.len; i++) {
        if (equal_scalars(map.items[2 * (size_t)i], key)) {
            return &map.items[2 * (size_t)i + 1];
        }
    }
    return NULL;
}

typedef struct pair_frame {
    br__value a;
    br__value b;
    uint32_t at;
    uint32_t count;
} pair_frame;

static bool
is_container(br__value value)
{
    return value.kind == BR__LIST || value.kind == BR__MAP || value.kind == BR__OPTIONAL;
}

// The next pair of values of two containers of one kind and size; false when a key is missing.
static bool
next_pair(pair_frame *f, br__value *ret_a, br__value *ret_b)
{
    size_t at = f->at++;
    const br__value *found = NULL;

    if (f->a.kind != BR__MAP) {
        *ret_a = f->a.items[at];
        *ret_b = f->b.items[at];
        return true;
    }
    found = br__find(f->b, f->a.items[2 * at]);
    if (found == NULL) {
        return false;
    }
    *ret_a = f->a.items[2 * at + 1];
    *ret_b = *found;
    return true;
}

static uint32_t
count_of(br__value container)
{
    return container.kind != BR__OPTIONAL ? container.len : container.items != NULL ? 1 : 0;
}

br__value
br__equal(br__limits *limits, br__value a, br__value b)
{
    pair_frame frames[FRAMES_MAX];
    size_t depth = 0;

    if (a.kind < BR__LIST && b.kind < BR__LIST) {
        return br__of_bool(equal_scalars(a, b));
    }
    for (;;) {
        a = br__opened(limits, a);
        b = br__opened(limits, b);
        if (a.kind == BR__FAULT || b.kind == BR__FAULT) {
            return a.kind == BR__FAULT ? a : b;
        }
        if (a.kind == b.kind && is_container(a)) {
            if (count_of(a) != count_of(b)) {
                return br__of_bool(false);
            }
            if (depth == FRAMES_MAX) {
                return br__fault(BR_FAULT_TOO_DEEP);
            }
            if (!br__spend(limits, count_of(a) / 8)) {
                return br__fault(BR_FAULT_STEPS);
            }
            frames[depth++] = (pair_frame){a, b, 0, count_of(a)};
        } else if (!equal_scalars(a, b)) {
            return br__of_bool(false);
        }
        while (depth > 0 && frames[depth - 1].at == frames[depth - 1].count) {
            depth--;
        }
        if (depth == 0) {
            return br__of_bool(true);
        }
        if (!next_pair(&frames[depth - 1], &a, &b)) {
            return br__of_bool(false);
        }
    }
}

rt_str
br__type_of(br__value value)
{
    switch ((unsigned)value.kind) {
    case BR__BOOL:
        return RT_STR("bool");
    case BR__INT:
        return RT_STR("int");
    case BR__UINT:
        return RT_STR("uint");
    case BR__DOUBLE:
        return RT_STR("double");
    case BR__STRING:
        return RT_STR("string");
    case BR__BYTES:
        return RT_STR("bytes");
    case BR__NULL:
        return RT_STR("null_type");
    case BR__TYPE_NAME:
        return RT_STR("type");
    case BR__LIST:
        return RT_STR("list");
    case BR__MAP:
        return RT_STR("map");
    case BR__OPTIONAL:
        return RT_STR("optional_type");
    case BR__TIME:
        return RT_STR("google.protobuf.Timestamp");
    case BR__DURATION:
        return RT_STR("google.protobuf.Duration");
    default:
        return RT_STR("error");
    }
}

static void
put_scalar(rt_text *out, br__value value)
{
    rt_value outside;

    if (value.kind == BR__STRING) {
        rt_text_cstr(out, "\"");
        rt_text_str(out, br__text(value));
        rt_text_cstr(out, "\"");
    } else if (value.kind == BR__UINT) {
        rt_text_printf(out, "%" PRIu64 "u", value.u);
    } else if (value.kind == BR__BYTES) {
        rt_text_printf(out, "%" PRIu32 " bytes", value.len);
    } else if (value.kind == BR__NULL) {
        rt_text_cstr(out, "null");
    } else if (value.kind == BR__TYPE_NAME) {
        rt_text_str(out, br__text(value));
    } else if (value.kind == BR__FAULT) {
        rt_text_cstr(out, br_expr_fault_text((br_expr_fault)value.i));
    } else if (br__to_rt(value, &outside)) {
        rt_value_format(out, outside);
    }
}

static void
put_close(rt_text *out, br__value container)
{
    rt_text_cstr(out, container.kind == BR__LIST ? "]" : container.kind == BR__MAP ? "}" : ")");
}

void
br__put_value(rt_text *out, br__limits *limits, br__value value)
{
    pair_frame frames[FRAMES_MAX];
    size_t depth = 0;

    for (size_t shown = 0; shown < BR__SHOWN_MAX; shown++) {
        value = br__opened(limits, value);
        if (is_container(value) && depth < FRAMES_MAX) {
            rt_text_cstr(out, value.kind == BR__LIST  ? "["
                              : value.kind == BR__MAP ? "{"
                                                      : "optional(");
            frames[depth++] = (pair_frame){.a = value, .count = count_of(value)};
        } else {
            put_scalar(out, value);
        }
        while (depth > 0 && frames[depth - 1].at == frames[depth - 1].count) {
            put_close(out, frames[--depth].a);
        }
        if (depth == 0) {
            return;
        }
        {
            pair_frame *f = &frames[depth - 1];
            bool is_map = f->a.kind == BR__MAP;

            rt_text_cstr(out, f->at > 0 ? ", " : "");
            if (is_map) {
                put_scalar(out, f->a.items[2 * (size_t)f->at]);
                rt_text_cstr(out, ": ");
            }
            value = f->a.items[(is_map ? 2 : 1) * (size_t)f->at + (is_map ? 1 : 0)];
            f->at++;
        }
    }
    rt_text_cstr(out, "…");
    while (depth > 0) {
        put_close(out, frames[--depth].a);
    }
}
