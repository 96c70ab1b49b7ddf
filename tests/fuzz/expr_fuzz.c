// Conditions and templates: parsed, checked, compiled, evaluated, explained.
//
// The same source must have the same value with and without constant folding, in parentheses,
// traced and untraced, and as the && of its conjuncts, each compiled from the text that is shown of
// it. Byte 0: what the source is (see MODE_*). Byte 1: what the variables hold. The rest: the
// source.
#include <stdio.h>

#include "brain/expr/expr_internal.h"
#include "brain/expr/template.h"
#include "tests/fuzz/fuzz.h"

#define MODE_TEMPLATE 1u
#define MODE_WANT_BOOL 2u
#define WORLDS 3
#define NOW_MS INT64_C(1795150800000) // 2026-11-20T05:00:00Z
#define ARENA_BYTES (256u * 1024)
#define OUT_MAX 65536

typedef struct variable {
    const char *path;
    rt_kind kind;
    bool maybe_absent;
    rt_value worlds[WORLDS];
} variable;

#define I(x)                                                                                       \
    {                                                                                              \
        .kind = RT_KIND_I64, .i = (x)                                                              \
    }
#define F(x)                                                                                       \
    {                                                                                              \
        .kind = RT_KIND_F64, .f = (x)                                                              \
    }
#define B(x)                                                                                       \
    {                                                                                              \
        .kind = RT_KIND_BOOL, .b = (x)                                                             \
    }
#define S(x)                                                                                       \
    {                                                                                              \
        .kind = RT_KIND_STR, .s = { x, sizeof(x) - 1 }                                             \
    }
#define T(x)                                                                                       \
    {                                                                                              \
        .kind = RT_KIND_TIME, .i = (x)                                                             \
    }
#define D(x)                                                                                       \
    {                                                                                              \
        .kind = RT_KIND_DURATION, .i = (x)                                                         \
    }
#define NO                                                                                         \
    {                                                                                              \
        .kind = RT_KIND_NONE                                                                       \
    }

// An everyday world, one at its limits, and one where everything is absent.
static const variable variables[] = {
    {"data.i", RT_KIND_I64, false, {I(28), I(INT64_MIN), NO}},
    {"data.j", RT_KIND_I64, true, {I(-3), I(INT64_MAX), NO}},
    {"data.f", RT_KIND_F64, false, {F(2.5), F(1e308), NO}},
    {"data.whole", RT_KIND_F64, false, {I(3), I(INT64_MAX), NO}},
    {"data.ok", RT_KIND_BOOL, false, {B(true), B(false), NO}},
    {"data.s", RT_KIND_STR, true, {S("fr\xc3\xa1gil"), S(""), NO}},
    {"data.at", RT_KIND_TIME, false, {T(NOW_MS - 5400000), T(INT64_C(253402300799999)), NO}},
    {"data.left", RT_KIND_DURATION, false, {D(5400000), D(INT64_MAX), NO}},
    {"data.wrong", RT_KIND_I64, false, {S("28"), B(true), NO}},
    {"order.id", RT_KIND_STR, false, {S("A-1"), S("\xf0\x9f\x93\xa6 9223372036854775807"), NO}},
    {"x.i", RT_KIND_NONE, false, {I(7), I(0), NO}},
    {"x.f", RT_KIND_NONE, false, {F(7.0), F(-0.0), NO}},
    {"x.s", RT_KIND_NONE, false, {S("7"), S("1h30m"), NO}},
    {"x.t", RT_KIND_NONE, false, {T(NOW_MS), T(INT64_C(-62135596800000)), NO}},
    {"x.b", RT_KIND_NONE, false, {B(true), B(false), NO}},
    {"now", RT_KIND_TIME, false, {T(NOW_MS), T(0), T(NOW_MS)}},
};

static rt_arena *arena;
static rt_text shown;

static bool
resolve(void *user, rt_str path, br_expr_var *ret_var)
{
    (void)user;
    for (size_t i = 0; i < RT_COUNT(variables); i++) {
        if (rt_str_is(path, variables[i].path)) {
            *ret_var = (br_expr_var){.slot = (uint32_t)i,
                                     .kind = variables[i].kind,
                                     .maybe_absent = variables[i].maybe_absent};
            return true;
        }
    }
    return false;
}

static size_t
suggest(void *user, rt_str path, rt_str *ret_names, size_t max)
{
    (void)user;
    (void)path;
    for (size_t i = 0; i < RT_COUNT(variables) && i < max; i++) {
        ret_names[i] = rt_str_of(variables[i].path);
    }
    return RT_MIN(max, RT_COUNT(variables));
}

static rt_value
load(const void *user, uint32_t slot)
{
    return variables[slot].worlds[*(const uint8_t *)user];
}

static const br_expr_env env = {.resolve = resolve, .suggest = suggest};

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    fuzz_begin();
    arena = rt_arena_new(ARENA_BYTES);
    rt_text_init(&shown, OUT_MAX);
    return 0;
}

// Compiles; NULL when it is refused, and then it says why.
static br_expr *
compile(rt_str source, rt_kind want, bool folds)
{
    rt_diag *diag = rt_diag_new();
    br_expr *expr = NULL;
    rt_err err = br__compile(source, NULL, &env, want, folds, diag, &expr);

    RT_ASSERT((err == RT_OK) == (expr != NULL));
    RT_ASSERT((err == RT_OK) == (rt_diag_errors(diag) == 0));
    rt_diag_source(diag, "x.yaml", source);
    fuzz_diag_sound(diag);
    rt_diag_free(diag);
    return expr;
}

static br_expr_result
eval(const br_expr *expr, const uint8_t *world)
{
    br_expr_result result = {0};

    br_expr_eval(expr, load, world, arena, &result);
    RT_ASSERT(result.fault != BR_FAULT_NONE || br_expr_kind(expr) == RT_KIND_NONE ||
              result.value.kind == br_expr_kind(expr));
    RT_ASSERT(result.fault == BR_FAULT_NONE || result.value.kind == RT_KIND_NONE);
    RT_ASSERT(result.fault_pos + result.fault_len <= br_expr_source(expr).len);
    RT_ASSERT(result.failed_conjunct <= br_expr_conjunct_count(expr));
    return result;
}

static bool
is_out_of_memory(const br_expr_result *a, const br_expr_result *b)
{
    // Folding spares memory and steps.
    return a->fault == BR_FAULT_NO_MEMORY || b->fault == BR_FAULT_NO_MEMORY ||
           a->fault == BR_FAULT_STEPS || b->fault == BR_FAULT_STEPS;
}

static void
check_same(const br_expr_result *a, const br_expr_result *b)
{
    if (!is_out_of_memory(a, b)) {
        RT_ASSERT(a->fault == b->fault);
        RT_ASSERT(fuzz_same_value(a->value, b->value));
    }
}

static void
on_part(void *watcher, rt_str text, rt_value value, br_expr_fault fault)
{
    uint32_t *parts = watcher;

    RT_ASSERT(fault == BR_FAULT_NONE || value.kind == RT_KIND_NONE);
    RT_ASSERT(text.len <= BR_EXPR_BYTES_MAX);
    *parts += 1;
}

// What is shown of each conjunct, compiled by itself; their && is the whole.
static void
check_conjuncts(const br_expr *expr, const br_expr_result *whole, const uint8_t *world)
{
    size_t count = br_expr_conjunct_count(expr);
    bool is_false = false;
    bool is_faulty = false;

    for (size_t i = 0; i < count; i++) {
        const br_expr_use *uses = NULL;
        br_expr *part = compile(br_expr_conjunct_text(expr, i), RT_KIND_NONE, true);
        br_expr_result result;

        rt_text_clear(&shown);
        br_expr_explain(expr, i, load, world, arena, &shown);
        RT_ASSERT(shown.truncated || rt_utf8_valid(rt_text_view(&shown)));
        (void)br_expr_conjunct_vars(expr, i, &uses);
        RT_ASSERT(part != NULL);
        result = eval(part, world);
        is_faulty = is_faulty || result.fault != BR_FAULT_NONE || result.value.kind != RT_KIND_BOOL;
        is_false = is_false || (result.value.kind == RT_KIND_BOOL && !result.value.b);
        br_expr_free(part);
    }
    if (count > 1 && whole->fault != BR_FAULT_NO_MEMORY && whole->fault != BR_FAULT_STEPS) {
        RT_ASSERT(is_false == (whole->value.kind == RT_KIND_BOOL && !whole->value.b));
        RT_ASSERT(is_false || is_faulty == (whole->fault != BR_FAULT_NONE));
    }
}

static void
check_parenthesized(rt_str source, rt_kind want, const br_expr_result *whole, const uint8_t *world)
{
    char text[BR_EXPR_BYTES_MAX];
    int len =
        snprintf(text, sizeof(text), "(%.*s\n)", RT_STR_ARG(source)); // it may end in a comment
    br_expr *expr = NULL;

    if (len >= (int)sizeof(text) || memchr(source.ptr, '\0', source.len) != NULL) {
        return;
    }
    expr = compile((rt_str){text, (size_t)len}, want, true);
    if (expr != NULL) { // else it was as deep as it may be
        br_expr_result result = eval(expr, world);

        check_same(&result, whole);
        br_expr_free(expr);
    }
}

static void
check_expr(rt_str source, rt_kind want, const uint8_t *world)
{
    br_expr *plain = compile(source, want, false);
    br_expr *folded = compile(source, want, true);
    uint32_t parts = 0;
    br_expr_result result;
    br_expr_result other;

    if (folded != NULL) {
        result = eval(folded, world);
        if (plain != NULL) { // else it is too long without folding
            other = eval(plain, world);
            check_same(&result, &other);
            RT_ASSERT(is_out_of_memory(&result, &other) ||
                      result.failed_conjunct == other.failed_conjunct);
        }
        br_expr_trace(folded, load, world, arena, on_part, &parts, &other);
        RT_ASSERT(parts <= BR_EXPR_OPS_MAX);
        check_same(&result, &other);
        check_conjuncts(folded, &result, world);
        check_parenthesized(source, want, &result, world);
    }
    br_expr_free(plain);
    br_expr_free(folded);
}

static void
check_template(rt_str source, const uint8_t *world)
{
    rt_diag *diag = rt_diag_new();
    br_template *tpl = NULL;
    rt_value value = RT_NONE;
    rt_value again = RT_NONE;

    if (br_template_compile(source, NULL, &env, diag, &tpl) == RT_OK) {
        rt_err err = br_template_value(tpl, load, world, arena, &value);
        rt_err repeated = br_template_value(tpl, load, world, arena, &again);

        if (err != RT_ENOMEM && repeated != RT_ENOMEM) {
            RT_ASSERT(err == repeated && fuzz_same_value(value, again));
        }
        RT_ASSERT(err != RT_OK || br_template_kind(tpl) == RT_KIND_NONE ||
                  br_template_kind(tpl) == value.kind);
        rt_text_clear(&shown);
        if (br_template_render(tpl, load, world, arena, &shown) == RT_OK) {
            RT_ASSERT(err == RT_OK);
            RT_ASSERT(value.kind != RT_KIND_STR || rt_str_equal(rt_text_view(&shown), value.s));
        } else {
            RT_ASSERT(shown.len == 0);
        }
    } else {
        RT_ASSERT(tpl == NULL && rt_diag_errors(diag) > 0);
    }
    rt_diag_source(diag, "x.yaml", source);
    fuzz_diag_sound(diag);
    br_template_free(tpl);
    rt_diag_free(diag);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_in in = {data, size};
    uint8_t mode = fuzz_u8(&in);
    uint8_t world = fuzz_u8(&in) % WORLDS;
    rt_str source = rt_str_of_bytes(fuzz_rest(&in));

    rt_arena_reset(arena);
    if ((mode & MODE_TEMPLATE) != 0) {
        check_template(source, &world);
    } else {
        check_expr(source, (mode & MODE_WANT_BOOL) != 0 ? RT_KIND_BOOL : RT_KIND_NONE, &world);
    }
    return 0;
}
