// cel_eval: evaluates expressions for tests that know what CEL says: JSON lines in, JSON lines out.
//
// usage: cel_eval < LINES
// In:  {"expr": HEX OF TEXT, "check": BOOL, "container": TEXT, "fold": BOOL, "plain": BOOL,
//       "vars": [{"name": TEXT, "type": TYPE IN CEL'S WORDS, "value": HEX OF MSGPACK or absent}],
//       "sets": [[HEX OF MSGPACK of every variable in order, "" where it is absent]]}
// Out: {"type": TYPE, "value": HEX OF MSGPACK}, or {"error": "compile" or a fault, "text": TEXT};
//      with "sets" a line for each of them, without it one line.
// "fold": constants are computed while compiling, as they are unless it says otherwise. "plain":
// bool, int, double and string come in as an event's fields do, not as msgpack.
// An empty line brings what was answered so far. Types that msgpack has not are its extensions
// BR__EXT_*.
#include <stdio.h>

#include "brain/expr/expr_internal.h"
#include "runtime/base/alloc.h"
#include "runtime/base/check.h"
#include "runtime/wire/json.h"

#define LINE_BYTES_MAX (1024 * 1024)
#define VARS_MAX 32
#define VALUES_BYTES (4 * 1024 * 1024)
#define FRAMES_MAX (BR__VALUE_DEPTH_MAX + 1)

typedef struct variable {
    rt_str name;
    rt_str type;
    rt_kind kind; // NONE: `value` is msgpack
    rt_value value;
} variable;

typedef struct question {
    rt_str expr;
    rt_str container;
    bool is_checked;
    bool folds;
    bool is_plain;
    variable vars[VARS_MAX];
    uint32_t var_count;
    rt_mp sets;
    uint32_t set_count;
    bool has_sets;
} question;

static bool
resolve(void *user, rt_str path, br_expr_var *ret_var)
{
    const question *q = user;

    for (uint32_t i = 0; i < q->var_count; i++) {
        if (rt_str_equal(q->vars[i].name, path)) {
            *ret_var = (br_expr_var){.slot = i, .kind = q->vars[i].kind};
            ret_var->type = q->vars[i].kind == RT_KIND_NONE ? q->vars[i].type : RT_STR("");
            return true;
        }
    }
    return false;
}

static rt_value
load(const void *user, uint32_t slot)
{
    const variable *v = &((const question *)user)->vars[slot];
    rt_value value = {.kind = v->kind};
    rt_err err = RT_OK;
    rt_mp mp;

    if (v->kind == RT_KIND_NONE || v->value.kind == RT_KIND_NONE) {
        return v->value;
    }
    mp = rt_mp_init(rt_bytes_of_str(v->value.s));
    switch ((unsigned)v->kind) {
    case RT_KIND_BOOL:
        err = rt_mp_bool(&mp, &value.b);
        break;
    case RT_KIND_I64:
        err = rt_mp_i64(&mp, &value.i);
        break;
    case RT_KIND_F64:
        err = rt_mp_f64(&mp, &value.f);
        break;
    default:
        err = rt_mp_str(&mp, &value.s);
        break;
    }
    return err == RT_OK ? value : (rt_value){0};
}

static rt_kind
kind_of(rt_str type)
{
    return rt_str_is(type, "bool")     ? RT_KIND_BOOL
           : rt_str_is(type, "int")    ? RT_KIND_I64
           : rt_str_is(type, "double") ? RT_KIND_F64
           : rt_str_is(type, "string") ? RT_KIND_STR
                                       : RT_KIND_NONE;
}

static rt_str
text_at(rt_bytes map, const char *key)
{
    rt_mp mp;
    rt_str text = RT_STR("");

    if (rt_mp_find(map, rt_str_of(key), &mp)) {
        RT_IGNORE(rt_mp_str(&mp, &text)); // what is no text counts as empty
    }
    return text;
}

static uint8_t
nibble(char c)
{
    return (uint8_t)(c <= '9' ? c - '0' : c - 'a' + 10);
}

// Bytes written as hexadecimal digits, since JSON cannot carry all of them; empty at the limit.
static rt_str
from_hex(rt_str hex, rt_arena *arena)
{
    char *bytes = rt_arena_alloc(arena, hex.len / 2 + 1);

    for (size_t i = 0; bytes != NULL && i + 1 < hex.len; i += 2) {
        bytes[i / 2] = (char)(nibble(hex.ptr[i]) << 4 | nibble(hex.ptr[i + 1]));
    }
    return bytes != NULL ? (rt_str){bytes, hex.len / 2} : RT_STR("");
}

static void
read_variable(question *q, rt_bytes raw, rt_arena *arena)
{
    variable *v = &q->vars[q->var_count];
    rt_str hex = text_at(raw, "value");

    if (q->var_count == VARS_MAX) {
        return;
    }
    q->var_count++;
    *v = (variable){.name = text_at(raw, "name"), .type = text_at(raw, "type")};
    v->kind = q->is_plain ? kind_of(v->type) : RT_KIND_NONE;
    if (hex.len > 0) {
        v->value = RT_TEXT(from_hex(hex, arena));
    }
}

static bool
flag_at(rt_bytes map, const char *key, bool is_set)
{
    rt_mp mp;

    if (rt_mp_find(map, rt_str_of(key), &mp)) {
        RT_IGNORE(rt_mp_bool(&mp, &is_set)); // what is no bool leaves it as it is
    }
    return is_set;
}

static void
read_question(question *q, rt_bytes raw, rt_arena *arena)
{
    rt_mp mp;
    uint32_t count = 0;

    *q = (question){.expr = from_hex(text_at(raw, "expr"), arena),
                    .container = text_at(raw, "container"),
                    .is_checked = flag_at(raw, "check", true),
                    .folds = flag_at(raw, "fold", true),
                    .is_plain = flag_at(raw, "plain", false)};
    q->has_sets = rt_mp_find(raw, RT_STR("sets"), &q->sets) &&
                  rt_mp_array(&q->sets, &q->set_count) == RT_OK;
    if (!rt_mp_find(raw, RT_STR("vars"), &mp) || rt_mp_array(&mp, &count) != RT_OK) {
        return;
    }
    for (uint32_t i = 0; i < count; i++) {
        rt_bytes one;

        if (rt_mp_raw(&mp, &one) != RT_OK) {
            return;
        }
        read_variable(q, one, arena);
    }
}

// The variables take the values of the next set.
static void
read_set(question *q, rt_arena *arena)
{
    uint32_t count = 0;

    if (rt_mp_array(&q->sets, &count) != RT_OK) {
        return;
    }
    for (uint32_t i = 0; i < count; i++) {
        rt_str hex = RT_STR("");

        if (rt_mp_str(&q->sets, &hex) != RT_OK || i >= q->var_count) {
            return;
        }
        q->vars[i].value = hex.len > 0 ? RT_TEXT(from_hex(hex, arena)) : (rt_value){0};
    }
}

static void
write_extension(rt_mpw *w, uint8_t type, const uint8_t *body, size_t len)
{
    uint8_t head[6] = {
        0xc9, (uint8_t)(len >> 24), (uint8_t)(len >> 16), (uint8_t)(len >> 8), (uint8_t)len, type};

    rt_mpw_raw(w, (rt_bytes){head, sizeof(head)});
    rt_mpw_raw(w, (rt_bytes){body, len});
}

static void
put_big(uint8_t *to, uint64_t value, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        to[i] = (uint8_t)(value >> (8 * (count - 1 - i)));
    }
}

static void
write_scalar(rt_mpw *w, br__value value)
{
    uint8_t body[12];

    switch ((unsigned)value.kind) {
    case BR__NULL:
        rt_mpw_nil(w);
        break;
    case BR__BOOL:
        rt_mpw_bool(w, value.b);
        break;
    case BR__INT:
        rt_mpw_i64(w, value.i);
        break;
    case BR__DOUBLE:
        rt_mpw_f64(w, value.f);
        break;
    case BR__STRING:
        rt_mpw_str(w, br__text(value));
        break;
    case BR__BYTES:
        rt_mpw_bin(w, rt_bytes_of_str(br__text(value)));
        break;
    case BR__UINT:
        put_big(body, value.u, 8);
        write_extension(w, BR__EXT_UINT, body, 8);
        break;
    case BR__TYPE_NAME:
        write_extension(w, BR__EXT_TYPE, (const uint8_t *)value.s, value.len);
        break;
    default:
        put_big(body, value.u, 8);
        put_big(body + 8, value.len, 4);
        write_extension(w, value.kind == BR__TIME ? BR__EXT_TIME : BR__EXT_DURATION, body, 12);
        break;
    }
}

// An optional is written as a map with the key "optional", so that the walk stays one.
static void
write_value(rt_mpw *w, br__limits *limits, br__value value)
{
    struct {
        const br__value *items;
        size_t at;
        size_t count;
    } frames[FRAMES_MAX];
    size_t depth = 0;

    for (;;) {
        value = br__opened(limits, value);
        if (value.kind == BR__LIST || value.kind == BR__MAP || value.kind == BR__OPTIONAL) {
            size_t count = value.kind == BR__LIST  ? value.len
                           : value.kind == BR__MAP ? 2 * (size_t)value.len
                           : value.items != NULL   ? 1
                                                   : 0;

            if (value.kind == BR__LIST) {
                rt_mpw_array(w, value.len);
            } else if (value.kind == BR__MAP) {
                rt_mpw_map(w, value.len);
            } else {
                rt_mpw_map(w, 1);
                rt_mpw_cstr(w, count > 0 ? "optional" : "optional none");
                if (count == 0) {
                    rt_mpw_nil(w);
                }
            }
            RT_ASSERT(depth < FRAMES_MAX);
            frames[depth].items = value.items;
            frames[depth].at = 0;
            frames[depth++].count = count;
        } else {
            write_scalar(w, value);
        }
        while (depth > 0 && frames[depth - 1].at == frames[depth - 1].count) {
            depth--;
        }
        if (depth == 0) {
            return;
        }
        value = frames[depth - 1].items[frames[depth - 1].at++];
    }
}

static void
put_error(rt_text *out, const char *kind, rt_str text)
{
    rt_text_cstr(out, "{\"error\": ");
    rt_json_string(out, rt_str_of(kind));
    rt_text_cstr(out, ", \"text\": ");
    rt_json_string(out, text);
    rt_text_cstr(out, "}\n");
}

static void
put_value(rt_text *out, const br_expr *expr, br__limits *limits, br__value value)
{
    static const char digits[] = "0123456789abcdef";
    rt_mpw w;

    rt_mpw_init(&w, VALUES_BYTES);
    write_value(&w, limits, value);
    rt_text_cstr(out, "{\"type\": ");
    rt_json_string(out, expr->type);
    rt_text_cstr(out, ", \"value\": \"");
    for (size_t i = 0; i < w.len; i++) {
        char pair[2] = {digits[w.ptr[i] >> 4], digits[w.ptr[i] & 15]};

        rt_text_str(out, (rt_str){pair, sizeof(pair)});
    }
    rt_text_cstr(out, "\"}\n");
    rt_mpw_fini(&w);
}

static void
evaluate(const br_expr *expr, const question *q, rt_arena *arena, rt_text *out)
{
    br__limits limits = {.arena = arena, .steps = BR_EXPR_STEPS_MAX};
    br__value value = br__evaluate(expr, load, q, &limits);

    if (value.kind == BR__FAULT) {
        put_error(out, br_expr_fault_text((br_expr_fault)value.i), expr->type);
    } else {
        put_value(out, expr, &limits, value);
    }
}

static void
answer(question *q, rt_arena *arena, rt_text *out)
{
    br_expr_env env = {.resolve = resolve, .user = q, .container = q->container};
    br__mode mode = {.folds = q->folds, .is_unchecked = !q->is_checked, .keeps_result = true};
    rt_diag *diag = rt_diag_new();
    br_expr *expr = NULL;
    rt_text findings;

    rt_text_init(&findings, 1 << 16);
    if (br__compile_as(q->expr, NULL, &env, RT_KIND_NONE, mode, diag, &expr) != RT_OK) {
        rt_diag_render_gcc(diag, &findings);
    }
    for (uint32_t i = 0; i < (q->has_sets ? q->set_count : 1); i++) {
        if (q->has_sets) {
            read_set(q, arena);
        }
        if (expr == NULL) {
            put_error(out, "compile", rt_text_view(&findings));
        } else {
            evaluate(expr, q, arena, out);
        }
    }
    br_expr_free(expr);
    rt_diag_free(diag);
    rt_text_fini(&findings);
}

int
main(void)
{
    char *line = rt_new_array(char, LINE_BYTES_MAX);
    rt_arena *arena = rt_arena_new(VALUES_BYTES);
    rt_mpw mp;
    rt_text out;

    rt_mpw_init(&mp, LINE_BYTES_MAX);
    rt_text_init(&out, 16 * 1024 * 1024);
    while (fgets(line, LINE_BYTES_MAX, stdin) != NULL) {
        question q;

        if (line[0] == '\n') {
            (void)fflush(stdout);
            continue;
        }
        rt_mpw_clear(&mp);
        rt_text_clear(&out);
        rt_arena_reset(arena);
        if (rt_json_to_mp((rt_str){line, strcspn(line, "\n")}, &mp) != RT_OK) {
            put_error(&out, "question", rt_str_of(rt_err_detail()));
        } else {
            read_question(&q, rt_mpw_view(&mp), arena);
            answer(&q, arena, &out);
        }
        (void)fwrite(out.ptr, 1, out.len, stdout);
    }
    rt_mpw_fini(&mp);
    rt_text_fini(&out);
    rt_arena_free(arena);
    rt_free(line);
    return 0;
}
