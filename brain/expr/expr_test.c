// tidy: table
#include "brain/expr/expr.h"

#include <inttypes.h>
#include <stdio.h>

#include "brain/expr/expr_internal.h"
#include "runtime/base/rng.h"
#include "tests/harness/check.h"

typedef struct binding {
    const char *path;
    rt_kind declared;
    bool maybe_absent;
    rt_value value;
} binding;

#define NOW_MS INT64_C(1795150800000) // 2026-11-20T05:00:00Z

static const binding bindings[] = {
    {"data.delay_min", RT_KIND_I64, false, {.kind = RT_KIND_I64, .i = 28}},
    {"data.weight_kg", RT_KIND_F64, false, {.kind = RT_KIND_F64, .f = 2.5}},
    {"data.whole_kg", RT_KIND_F64, false, {.kind = RT_KIND_I64, .i = 3}},
    {"data.ok", RT_KIND_BOOL, false, {.kind = RT_KIND_BOOL, .b = true}},
    {"data.off", RT_KIND_BOOL, false, {.kind = RT_KIND_BOOL, .b = false}},
    {"data.gone", RT_KIND_I64, true, {.kind = RT_KIND_NONE}},
    {"data.gone_ok", RT_KIND_BOOL, true, {.kind = RT_KIND_NONE}},
    {"data.note", RT_KIND_STR, true, {.kind = RT_KIND_STR, .s = {"frágil", 7}}},
    {"data.at", RT_KIND_TIME, false, {.kind = RT_KIND_TIME, .i = NOW_MS - 90 * 60000}},
    {"data.left", RT_KIND_DURATION, false, {.kind = RT_KIND_DURATION, .i = 5400000}},
    {"data.left_raw", RT_KIND_DURATION, false, {.kind = RT_KIND_I64, .i = 60000}},
    {"data.max", RT_KIND_I64, false, {.kind = RT_KIND_I64, .i = INT64_MAX}},
    {"data.min", RT_KIND_I64, false, {.kind = RT_KIND_I64, .i = INT64_MIN}},
    {"data.zero", RT_KIND_I64, false, {.kind = RT_KIND_I64, .i = 0}},
    {"data.wrong", RT_KIND_I64, false, {.kind = RT_KIND_STR, .s = {"28", 2}}},
    {"order.carrier", RT_KIND_STR, false, {.kind = RT_KIND_STR, .s = {"tcc", 3}}},
    {"order.id", RT_KIND_STR, false, {.kind = RT_KIND_STR, .s = {"A-1", 3}}},
    {"feature.carrier.late_rate", RT_KIND_F64, false, {.kind = RT_KIND_F64, .f = 0.25}},
    {"dyn.int", RT_KIND_NONE, false, {.kind = RT_KIND_I64, .i = 7}},
    {"dyn.real", RT_KIND_NONE, false, {.kind = RT_KIND_F64, .f = 7.0}},
    {"dyn.text", RT_KIND_NONE, false, {.kind = RT_KIND_STR, .s = {"7", 1}}},
    {"dyn.yes", RT_KIND_NONE, false, {.kind = RT_KIND_BOOL, .b = true}},
    {"dyn.none", RT_KIND_NONE, false, {.kind = RT_KIND_NONE}},
    {"now", RT_KIND_TIME, false, {.kind = RT_KIND_TIME, .i = NOW_MS}},
};

static bool
resolve(void *user, rt_str path, br_expr_var *ret_var)
{
    (void)user;
    for (size_t i = 0; i < RT_COUNT(bindings); i++) {
        if (rt_str_is(path, bindings[i].path)) {
            *ret_var = (br_expr_var){.slot = (uint32_t)i,
                                     .kind = bindings[i].declared,
                                     .maybe_absent = bindings[i].maybe_absent};
            return true;
        }
    }
    return false;
}

static size_t
suggest(void *user, rt_str path, rt_str *ret_names, size_t max)
{
    size_t count = RT_MIN(RT_COUNT(bindings), max);

    (void)user;
    (void)path;
    for (size_t i = 0; i < count; i++) {
        ret_names[i] = rt_str_of(bindings[i].path);
    }
    return count;
}

static rt_value
load(const void *user, uint32_t slot)
{
    (void)user;
    return bindings[slot].value;
}

static const br_expr_env env = {.resolve = resolve, .suggest = suggest};

typedef struct fixture {
    rt_arena *arena;
    rt_diag *diag;
    rt_text out;
    br_expr *expr;
} fixture;

static int
set_up(void **state)
{
    static fixture f;

    f.arena = rt_arena_new(1 << 20);
    f.diag = rt_diag_new();
    f.expr = NULL;
    rt_text_init(&f.out, 1 << 20);
    *state = &f;
    return 0;
}

static int
tear_down(void **state)
{
    fixture *f = *state;

    br_expr_free(f->expr);
    rt_text_fini(&f->out);
    rt_diag_free(f->diag);
    rt_arena_free(f->arena);
    return 0;
}

// Forgets the last expression and its findings.
static void
start_over(fixture *f)
{
    br_expr_free(f->expr);
    f->expr = NULL;
    rt_diag_free(f->diag);
    f->diag = rt_diag_new();
    rt_text_clear(&f->out);
    rt_arena_reset(f->arena);
}

// Writes a result as the tables below do: type and value, or "fault: ...".
static void
put_result(rt_text *out, const br_expr_result *result)
{
    if (result->fault != BR_FAULT_NONE) {
        rt_text_printf(out, "fault: %s", br_expr_fault_text(result->fault));
        return;
    }
    rt_text_printf(out, "%s ", rt_kind_name(result->value.kind));
    rt_value_format(out, result->value);
}

// Writes the codes of the findings, the first one of each line.
static void
put_codes(fixture *f)
{
    rt_text all;
    const char *at = NULL;

    rt_text_init(&all, 1 << 20);
    rt_diag_render_gcc(f->diag, &all);
    at = all.ptr;
    while (at != NULL && (at = strstr(at, " [B")) != NULL) {
        rt_text_printf(&f->out, "%s%.5s", f->out.len > 0 ? " " : "", at + 2);
        at += 3;
    }
    rt_text_fini(&all);
}

static void
compile_and_show(fixture *f, rt_str source, bool folds)
{
    br_expr_result result;

    if (br__compile(source, NULL, &env, RT_KIND_NONE, folds, f->diag, &f->expr) != RT_OK) {
        put_codes(f);
        return;
    }
    br_expr_eval(f->expr, load, NULL, f->arena, &result);
    put_result(&f->out, &result);
}

typedef struct row {
    const char *source;
    const char *want;
} row;

// Every row is compiled and evaluated with folding and without.
static void
check_rows(fixture *f, const row *rows, size_t count)
{
    size_t failed = 0;

    for (size_t i = 0; i < 2 * count; i++) {
        const row *r = &rows[i / 2];

        start_over(f);
        compile_and_show(f, rt_str_of(r->source), i % 2 == 0);
        if (!rt_str_is(rt_text_view(&f->out), r->want)) {
            print_error("%s\n  got  %.*s\n  want %s\n", r->source, (int)f->out.len, f->out.ptr,
                        r->want);
            failed++;
        }
    }
    CHECK_INT(failed, 0);
}

#define NO_KEY "fault: no such key"
#define NO_OVERLOAD "fault: no such overload"
#define OVERFLOW "fault: overflow"
#define DIVISION "fault: division by zero"
#define CONVERSION "fault: conversion failed"
#define NO_PLACE "fault: a value of this type has no place here"

static void
test_expr_literals(void **state)
{
    static const row rows[] = {
        {"1", "i64 1"},
        {"007", "i64 7"},
        {"-9223372036854775808", "i64 -9223372036854775808"},
        {"9223372036854775807", "i64 9223372036854775807"},
        {"9223372036854775808", "B2101"},
        {"99999999999999999999", "B2101"},
        {"0xFf", "i64 255"},
        {"-0x8000000000000000", "i64 -9223372036854775808"},
        {"0x10000000000000000", "B2101"},
        {"0x", "B2101"},
        {"1u", "i64 1"},
        {"1.5", "f64 1.5"},
        {".5", "f64 0.5"},
        {"1e3", "f64 1000"},
        {"-1.5e-3", "f64 -0.0015"},
        {"1.", "B2101"},
        {"1e999", "B2101"},
        {"1e", "B2101"},
        {"true", "bool true"},
        {"false", "bool false"},
        {"null", NO_PLACE},
        {"'a'", "str a"},
        {"\"it's\"", "str it's"},
        {"'a\\n\\t\\\\\\'\\\"\\x41\\u00f1\\U0001F69A\\101'", "str a\n\t\\'\"Añ🚚A"},
        {"r'a\\n'", "str a\\n"},
        {"R\"\\\"", "str \\"},
        {"'''a\n'b''c'''", "str a\n'b''c"},
        {"'''''' == \"\"", "bool true"},
        {"'a\nb'", "B2101"},
        {"'a", "B2101"},
        {"'\\q'", "B2101"},
        {"'\\ud800'", "B2101"},
        {"'\\U00110000'", "B2101"},
        {"'\\400'", "B2101"},
        {"'\\", "B2101"}, // what is wrong ends with the source
        {"'\\ud800", "B2101"},
        {"b'a'", NO_PLACE},
        {"[1, 2]", NO_PLACE},
        {"{'a': 1}", NO_PLACE},
        {"", "B2101"},
        {"  // only a comment", "B2101"},
        {"1 // one\n + 1", "i64 2"},
    };

    check_rows(*state, rows, RT_COUNT(rows));
}

static void
test_expr_names(void **state)
{
    static const row rows[] = {
        {"data.delay_min", "i64 28"},
        {"data . delay_min", "i64 28"},
        {"feature.carrier.late_rate", "f64 0.25"},
        {"now", "time 2026-11-20T05:00:00Z"},
        {"data.whole_kg", "f64 3"},
        {"data.left_raw", "duration 1m"},
        {"data.delay_mins", "B2107"},
        {"data", "B2107"},
        {"nothing", "B2107"},
        {"data.gone", NO_KEY},
        {"data.wrong", NO_OVERLOAD},
        {"dyn.none", NO_KEY},
        {"has(data.gone)", "bool false"},
        {"has(data.delay_min)", "bool true"},
        {"has(data.delay_mins)", "B2107"},
        {"has(now)", "B2101"},
        {"has('x'.y)", "B2104"},
        {"has()", "B2104"},
        {"has(data.gone) && data.gone > 3", "bool false"},
        {"data.gone > 3 && has(data.gone)", "bool false"},
        {"has(data.gone) ? data.gone : 5", "i64 5"},
        {"has(data.delay_min) ? data.delay_min : 5", "i64 28"},
        {".data.ok", "bool true"},
        {"data.delay_min.x()", "B2107"},
        {"('a').b", "B2104"},
        {"data['delay_min']", "B2107"},
        {"for", "B2101"},
        {"if.x", "B2101"},
        {"size", "B2107"},
        {"foo(1)", "B2107"},
        {"math.greatest(1, 2)", "i64 2"},
        {"math.pi", "B2107"},
        {"'a'.matches('b')", "bool false"},
        {"[1].exists(x, x > 0)", "bool true"},
        {"data.`x`", "B2107"},
    };

    check_rows(*state, rows, RT_COUNT(rows));
}

static void
test_expr_arithmetic(void **state)
{
    static const row rows[] = {
        {"1 + 2 * 3", "i64 7"},
        {"(1 + 2) * 3", "i64 9"},
        {"7 - 2 - 1", "i64 4"},
        {"24 / 2 / 3", "i64 4"},
        {"-7 / 2", "i64 -3"},
        {"-7 % 3", "i64 -1"},
        {"7 % -3", "i64 1"},
        {"2 * -3", "i64 -6"},
        {"--5", "i64 5"},
        {"-(2 + 3)", "i64 -5"},
        {"-data.weight_kg", "f64 -2.5"},
        {"1.5 + 1.0", "f64 2.5"},
        {"7.0 / 2.0", "f64 3.5"},
        {"1.0 / 0.0", "f64 inf"},
        {"-1.0 / 0.0", "f64 -inf"},
        {"7.0 % 2.0", "B2104"},
        {"data.weight_kg * 2", "B2104"},
        {"data.weight_kg * 2.0", "f64 5"},
        {"data.weight_kg * double(data.delay_min)", "f64 70"},
        {"data.delay_min + 0.5", "B2104"},
        {"data.max + 1", OVERFLOW},
        {"data.min - 1", OVERFLOW},
        {"data.max * 2", OVERFLOW},
        {"-data.min", OVERFLOW},
        {"data.min / -1", OVERFLOW},
        {"data.min % -1", OVERFLOW},
        {"9223372036854775807 + 1", OVERFLOW},
        {"1 / data.zero", DIVISION},
        {"1 % data.zero", DIVISION},
        {"1 / 0", DIVISION},
        {"'a' + 'b'", "str ab"},
        {"order.id + '/' + order.carrier", "str A-1/tcc"},
        {"'a' + 1", "B2104"},
        {"'a' - 'b'", "B2104"},
        {"true + true", "B2104"},
        {"-'a'", "B2104"},
        {"-true", "B2104"},
        {"!1", "B2104"},
        {"!-1", "B2101"},
        {"dyn.int + 1", "i64 8"},
        {"dyn.int + 1.0", NO_OVERLOAD},
        {"dyn.real + 1.0", "f64 8"},
        {"dyn.text + 'x'", "str 7x"},
        {"-dyn.text", NO_OVERLOAD},
        {"1 +", "B2101"},
        {"* 2", "B2101"},
        {"1 2", "B2101"},
        {"(1", "B2101"},
        {"1)", "B2101"},
        {"()", "B2101"},
    };

    check_rows(*state, rows, RT_COUNT(rows));
}

static void
test_expr_comparisons(void **state)
{
    static const row rows[] = {
        {"1 < 2", "bool true"},
        {"2 <= 2", "bool true"},
        {"3 > 3", "bool false"},
        {"3 >= 3", "bool true"},
        {"1 == 1.0", "bool true"},
        {"1 != 1.5", "bool true"},
        {"1 < 1.5", "bool true"},
        {"2.5 > 2", "bool true"},
        {"data.max < 9223372036854775808.0", "bool false"},
        {"data.max == 9223372036854775807.0", "bool true"},
        {"data.min < -1e300", "bool false"},
        {"data.delay_min > 30", "bool false"},
        {"data.weight_kg > 2", "bool true"},
        {"0.0 / 0.0 == 0.0 / 0.0", "bool false"},
        {"0.0 / 0.0 != 0.0 / 0.0", "bool true"},
        {"0.0 / 0.0 < 1.0", "bool false"},
        {"0.0 / 0.0 >= 1", "bool false"},
        {"-0.0 == 0.0", "bool true"},
        {"'a' < 'b'", "bool true"},
        {"'a' < 'ab'", "bool true"},
        {"'Z' < 'a'", "bool true"},
        {"'ñ' > 'z'", "bool true"},
        {"false < true", "bool true"},
        {"'a' == 'a'", "bool true"},
        {"'a' == 1", "B2104"},
        {"'a' < 1", "B2104"},
        {"true == 1", "B2104"},
        {"dyn.int == 'a'", "bool false"},
        {"dyn.int != 'a'", "bool true"},
        {"dyn.int == dyn.real", "bool true"},
        {"dyn.int == dyn.text", "bool false"},
        {"dyn.int < 'a'", NO_OVERLOAD},
        {"dyn.int < 8.5", "bool true"},
        {"dyn(1) == dyn('1')", "bool false"},
        {"1 < 2 == true", "bool true"},
        {"1 < 2 < 3", "B2104"},
        {"1 == 2 == false", "bool true"},
        {"data.gone == 1", NO_KEY},
        {"order.carrier in ['tcc', 'servientrega']", "bool true"},
        {"order.carrier in ['coordinadora']", "bool false"},
        {"order.carrier in []", "bool false"},
        {"order.carrier in ['a', order.carrier,]", "bool true"},
        {"2 in [1.0, 2.0]", "bool true"},
        {"data.delay_min in [1, 28]", "bool true"},
        {"!(data.delay_min in [1, 28])", "bool false"},
        {"1 in ['a']", "B2104"},
        {"1 in [1 / data.zero]", DIVISION},
        {"1 in [1, data.gone]", NO_KEY},
        {"data.gone in [1]", NO_KEY},
        {"dyn.text in [7, '7']", "bool true"},
        {"1 in 2", "B2104"},
        {"1 in data.delay_min", "B2104"},
        {"[1] in [1]", "B2104"},
        {"1 in [[1]]", "B2104"},
        {"[1] == [1]", "bool true"},
        {"data.delay_min = 28", "B2101"},
        {"1 <> 2", "B2101"},
    };

    check_rows(*state, rows, RT_COUNT(rows));
}

static void
test_expr_logic_absorbs_faults(void **state)
{
    static const row rows[] = {
        {"true && true", "bool true"},
        {"true && false", "bool false"},
        {"false || true", "bool true"},
        {"false || false", "bool false"},
        {"!true", "bool false"},
        {"!!true", "bool true"},
        {"true || false && false", "bool true"},
        {"(true || false) && false", "bool false"},
        {"false && 1 / data.zero > 0", "bool false"},
        {"1 / data.zero > 0 && false", "bool false"},
        {"true && 1 / data.zero > 0", DIVISION},
        {"1 / data.zero > 0 && true", DIVISION},
        {"true || 1 / data.zero > 0", "bool true"},
        {"1 / data.zero > 0 || true", "bool true"},
        {"false || 1 / data.zero > 0", DIVISION},
        {"1 / data.zero > 0 || false", DIVISION},
        {"data.gone > 1 && 1 / data.zero > 0", NO_KEY},
        {"1 / data.zero > 0 && data.gone > 1", DIVISION},
        {"data.gone > 1 || 1 / data.zero > 0", NO_KEY},
        {"data.gone_ok && data.off", "bool false"},
        {"data.off && data.gone_ok", "bool false"},
        {"data.gone_ok || data.ok", "bool true"},
        {"!data.gone_ok", NO_KEY},
        {"(data.gone_ok && data.ok) || data.ok", "bool true"},
        {"(data.gone_ok && data.off) || data.off", "bool false"},
        {"data.ok && data.gone_ok && data.off", "bool false"},
        {"data.ok && (data.gone_ok || data.ok) && data.ok", "bool true"},
        {"true && 1", "B2104"},
        {"1 || true", "B2104"},
        {"dyn.int && true", NO_OVERLOAD},
        {"dyn.int && false", "bool false"},
        {"dyn.int || true", "bool true"},
        {"true && dyn.yes", "bool true"},
        {"(true && dyn.int) || data.off", NO_OVERLOAD},
        {"true ? 1 : 2", "i64 1"},
        {"data.off ? 1 : 2", "i64 2"},
        {"data.ok ? data.delay_min : 1 / data.zero", "i64 28"},
        {"data.off ? 1 / data.zero : 2", "i64 2"},
        {"data.gone_ok ? 1 : 2", NO_KEY},
        {"dyn.int ? 1 : 2", NO_OVERLOAD},
        {"1 ? 1 : 2", "B2104"},
        {"true ? 1 : 2.0", "B2104"},
        {"data.off ? 1 : data.off ? 2 : 3", "i64 3"},
        {"data.ok ? (data.off ? 1 : 2) : 3", "i64 2"},
        {"data.ok ? data.off ? 1 : 2 : 3", "B2101"},
        {"data.ok ? 1", "B2101"},
        {"data.ok : 1", "B2101"},
        {"(data.ok ? 1) : 2", "B2101"},
        {"data.ok || data.off ? 'a' : 'b'", "str a"},
        {"(data.off ? data.gone : 4) + 1", "i64 5"},
        {"data.ok and data.off", "B2101"},
        {"not data.ok", "B2101"},
        {"data.ok & data.off", "B2101"},
    };

    check_rows(*state, rows, RT_COUNT(rows));
}

static void
test_expr_functions(void **state)
{
    static const row rows[] = {
        {"size('ñandú')", "i64 5"},
        {"'🚚'.size()", "i64 1"},
        {"size(1)", "B2104"},
        {"size()", "B2104"},
        {"size('a', 'b')", "B2104"},
        {"'abc'.contains('bc')", "bool true"},
        {"'abc'.contains('')", "bool true"},
        {"'abc'.contains('cb')", "bool false"},
        {"order.carrier.startsWith('tc')", "bool true"},
        {"order.carrier.endsWith('cc')", "bool true"},
        {"order.carrier.endsWith('xtcc')", "bool false"},
        {"order.carrier.startsWith(1)", "B2104"},
        {"data.delay_min.startsWith('2')", "B2104"},
        {"startsWith('a', 'b')", "B2104"},
        {"'a'.int()", "B2104"},
        {"'TCC Ñ'.lowerAscii()", "str tcc Ñ"},
        {"'tcc ñ'.upperAscii() == 'TCC ñ'", "bool true"},
        {"order.carrier.upperAscii()", "str TCC"},
        {"('a' + 'B').lowerAscii().size()", "i64 2"},
        {"int('42')", "i64 42"},
        {"int('+42')", "i64 42"},
        {"int('4 2')", CONVERSION},
        {"int('9223372036854775808')", CONVERSION},
        {"int(2.9)", "i64 2"},
        {"int(-2.9)", "i64 -2"},
        {"int(9223372036854775807.0)", OVERFLOW},
        {"int(0.0 / 0.0)", OVERFLOW},
        {"int(timestamp('1970-01-01T00:01:00Z'))", "i64 60"},
        {"int(timestamp('1969-12-31T23:59:59.5Z'))", "i64 -1"},
        {"int(true)", "B2104"},
        {"double(3)", "f64 3"},
        {"double('1.5')", "f64 1.5"},
        {"double('.5')", "f64 0.5"},
        {"double('5.')", "f64 5"},
        {"double('-1e2')", "f64 -100"},
        {"double('Inf')", "f64 inf"},
        {"double('')", CONVERSION},
        {"double('.')", CONVERSION},
        {"double('e5')", CONVERSION},
        {"double('1e999')", CONVERSION},
        {"string(42)", "str 42"},
        {"string(1.5)", "str 1.5"},
        {"string(true)", "str true"},
        {"string('a')", "str a"},
        {"string(duration('1h1.5s'))", "str 3601.5s"},
        {"string(duration('-1s'))", "str -1s"},
        {"string(timestamp('2026-11-20T05:00:00Z'))", "str 2026-11-20T05:00:00Z"},
        {"bool('true')", "bool true"},
        {"bool('F')", "bool false"},
        {"bool('yes')", CONVERSION},
        {"int(dyn.text)", "i64 7"},
        {"int(dyn.yes)", NO_OVERLOAD},
        {"double(dyn.real)", "f64 7"},
        {"double(dyn.yes)", NO_OVERLOAD},
        {"string(dyn.none)", NO_KEY},
        {"bool(dyn.yes)", "bool true"},
        {"bool(dyn.int)", NO_OVERLOAD},
        {"timestamp(dyn(now)) == now", "bool true"},
        {"timestamp(dyn.yes)", NO_OVERLOAD},
        {"duration(dyn(data.left))", "duration 1h 30m"},
        {"duration(dyn.yes)", NO_OVERLOAD},
        {"size(dyn.int)", NO_OVERLOAD},
        {"size(data.note)", "i64 6"},
        {"int(data.gone)", NO_KEY},
    };

    check_rows(*state, rows, RT_COUNT(rows));
}

static void
test_expr_time(void **state)
{
    static const row rows[] = {
        {"duration('1h30m')", "duration 1h 30m"},
        {"duration('90m') == duration('1.5h')", "bool true"},
        {"duration('-30s') < duration('0')", "bool true"},
        {"duration('1000us') == duration('1ms')", "bool true"},
        {"duration('1us')", "duration 0 ms"},
        {"duration('7d')", "B2104"},
        {"duration('')", "B2104"},
        {"duration('1')", "B2104"},
        {"duration('h')", "B2104"},
        {"duration('9999999999h')", "B2104"},
        {"duration(1)", "B2104"},
        {"duration(dyn.text)", CONVERSION},
        {"timestamp('2026-11-20T05:00:00Z') == now", "bool true"},
        {"timestamp('2026-11-20T00:00:00-05:00') == now", "bool true"},
        {"timestamp('2026-11-20 05:00:00Z')", "B2104"},
        {"timestamp('2026-02-30T05:00:00Z')", "B2104"},
        {"timestamp('2026-11-20T05:00:00.123456Z')", "time 2026-11-20T05:00:00.123Z"},
        {"timestamp('2026-11-20T05:00:00.123000Z') > now", "bool true"},
        {"timestamp(0)", "time 1970-01-01T00:00:00Z"},
        {"timestamp(data.max)", OVERFLOW},
        {"timestamp(999999999999)", OVERFLOW},
        {"now - data.at", "duration 1h 30m"},
        {"now - data.at > duration('1h')", "bool true"},
        {"now - data.at == data.left", "bool true"},
        {"data.at + data.left == now", "bool true"},
        {"data.left + data.at == now", "bool true"},
        {"now - duration('24h') < data.at", "bool true"},
        {"data.left - duration('90m')", "duration 0 ms"},
        {"now + now", "B2104"},
        {"data.left - now", "B2104"},
        {"now + 5", "B2104"},
        {"now - data.at > 60", "B2104"},
        {"now > '2026-01-01T00:00:00Z'", "B2104"},
        {"data.left * 2", "B2104"},
        {"dyn.int + now", NO_OVERLOAD},
        {"timestamp('9999-12-31T23:59:59Z') + duration('1s')", OVERFLOW},
        {"timestamp('0001-01-01T00:00:00Z') - duration('1s')", OVERFLOW},
        {"now.getFullYear()", "i64 2026"},
        {"now.getMonth()", "i64 10"},
        {"now.getDate()", "i64 20"},
        {"now.getDayOfMonth()", "i64 19"},
        {"now.getDayOfWeek()", "i64 5"},
        {"now.getDayOfYear()", "i64 323"},
        {"now.getHours()", "i64 5"},
        {"now.getHours('-05:00')", "i64 0"},
        {"now.getHours('-05:30')", "i64 23"},
        {"now.getDate('-05:30')", "i64 19"},
        {"now.getMinutes('05:45')", "i64 45"},
        {"now.getHours('UTC')", "i64 5"},
        {"now.getHours('America/Bogota')", "i64 0"},
        {"now.getHours('25:00')", "B2104"},
        {"now.getHours(order.id)", CONVERSION},
        {"data.left.getHours()", "i64 1"},
        {"data.left.getMinutes()", "i64 90"},
        {"data.left.getSeconds()", "i64 5400"},
        {"duration('1.25s').getMilliseconds()", "i64 250"},
        {"data.left.getMonth()", "B2104"},
        {"dyn(data.left).getMonth()", NO_OVERLOAD},
        {"dyn.int.getMonth()", NO_OVERLOAD},
        {"now.getHours('-05')", "B2104"},
        {"duration('9223372036854775807ms') > duration('1ms')", "B2104"},
        {"duration('99999999999999999999h')", "B2104"},
        {"timestamp('0000-01-01T00:00:00Z')", "B2104"},
        {"getHours(now)", "B2104"},
    };

    check_rows(*state, rows, RT_COUNT(rows));
}

static void
test_expr_wanted_kind_is_checked(void **state)
{
    fixture *f = *state;
    br_expr_result result;

    CHECK_ERR(br_expr_compile(RT_STR("1 + 1"), NULL, &env, RT_KIND_BOOL, f->diag, &f->expr),
              RT_ECONFIG);
    rt_diag_render_gcc(f->diag, &f->out);
    CHECK_STR(rt_text_view(&f->out),
              "<input>:1:1: error: bool is wanted here, this is int [B2104]\n");
    start_over(f);
    CHECK_OK(br_expr_compile(RT_STR("dyn.int"), NULL, &env, RT_KIND_BOOL, f->diag, &f->expr));
    br_expr_eval(f->expr, load, NULL, NULL, &result);
    CHECK_INT(result.fault, BR_FAULT_NO_OVERLOAD);
    CHECK_FALSE(br_expr_is_true(&result));
}

// What is wrong with `source` as the scalar "when" of a file.
static void
check_finding(fixture *f, const char *file_text, const char *want)
{
    rt_node *root = NULL;
    const rt_node *when = NULL;

    start_over(f);
    CHECK_OK(rt_yaml_parse("p.yaml", rt_str_of(file_text), f->arena, f->diag, &root));
    when = rt_node_get(root, "when");
    CHECK_ERR(br_expr_compile(when->text, when, &env, RT_KIND_BOOL, f->diag, &f->expr), RT_ECONFIG);
    rt_diag_render(f->diag, &f->out);
    CHECK_STR(rt_text_view(&f->out), want);
}

static void
test_expr_findings_stand_in_the_file(void **state)
{
    fixture *f = *state;

    check_finding(f, "id: x\nwhen: data.ok && data.delay_mins > 30\n",
                  "p.yaml:2:18: error[B2107]: unknown field 'data.delay_mins'\n"
                  "     2 | when: data.ok && data.delay_mins > 30\n"
                  "       |                  ^^^^^^^^^^^^^^^\n"
                  "       = help: did you mean 'data.delay_min'?\n");
    check_finding(f, "when: 'order.carrier == ''x'' && data.weight_kg * 2 > 5.0'\n",
                  "p.yaml:1:34: error[B2104]: no such overload: double * int\n"
                  "     1 | when: 'order.carrier == ''x'' && data.weight_kg * 2 > 5.0'\n"
                  "       |                                  ^^^^^^^^^^^^^^^^^^\n"
                  "       = help: write 2.0\n");
    check_finding(f, "when: \"order.carrier == \\\"x\\\" && order.cost\"\n",
                  "p.yaml:1:34: error[B2107]: unknown field 'order.cost'\n"
                  "     1 | when: \"order.carrier == \\\"x\\\" && order.cost\"\n"
                  "       |                                  ^^^^^^^^^^\n");
    check_finding(f, "when: |\n    data.ok &&\n    // ñ\n    data.ok & data.off\n",
                  "p.yaml:4:13: error[B2101]: '&' has no meaning here\n"
                  "     4 |     data.ok & data.off\n"
                  "       |             ^\n"
                  "       = help: and is &&\n");
    check_finding(f, "when: >\n    data.ok &&\n\n    (data.off\n",
                  "p.yaml:4:5: error[B2101]: '(' is not closed\n"
                  "     4 |     (data.off\n"
                  "       |     ^\n");
    check_finding(f, "when: data.ok &&\n  data.note.isCIDR('x')\n",
                  "p.yaml:2:13: error[B2110]: not supported yet: isCIDR()\n"
                  "     2 |   data.note.isCIDR('x')\n"
                  "       |             ^^^^^^\n");
}

static void
test_expr_reports_every_independent_mistake(void **state)
{
    fixture *f = *state;

    CHECK_ERR(br_expr_compile(RT_STR("data.dleay_min > 3 && order.carrier == 5 || "
                                     "(data.wieght_kg + 1) * 2 > now - 5"),
                              NULL, &env, RT_KIND_BOOL, f->diag, &f->expr),
              RT_ECONFIG);
    rt_diag_render_gcc(f->diag, &f->out);

    CHECK_STR(rt_text_view(&f->out),
              "<input>:1:1: error: unknown field 'data.dleay_min' [B2107]\n"
              "<input>:1:23: error: no such overload: string == int [B2104]\n"
              "<input>:1:46: error: unknown field 'data.wieght_kg' [B2107]\n"
              "<input>:1:72: error: no such overload: timestamp - int [B2104]\n");
}

static void
test_expr_unguarded_absent_field_is_a_warning(void **state)
{
    fixture *f = *state;

    CHECK_OK(br_expr_compile(RT_STR("data.gone > 3"), NULL, &env, RT_KIND_BOOL, f->diag, &f->expr));
    CHECK_INT(rt_diag_warnings(f->diag), 1);
    start_over(f);
    CHECK_OK(br_expr_compile(RT_STR("has(data.gone) && data.gone > 3"), NULL, &env, RT_KIND_BOOL,
                             f->diag, &f->expr));
    CHECK_INT(rt_diag_warnings(f->diag), 0);
}

static void
test_expr_conjuncts_are_split_at_the_top(void **state)
{
    fixture *f = *state;
    const br_expr_use *uses = NULL;
    br_expr_result result;

    CHECK_OK(br_expr_compile(RT_STR("data.ok && (data.delay_min > 30 && (data.delay_min + "
                                    "data.zero > 1)) && (data.ok || data.off)"),
                             NULL, &env, RT_KIND_BOOL, f->diag, &f->expr));
    br_expr_eval(f->expr, load, NULL, NULL, &result);

    CHECK_INT(br_expr_conjunct_count(f->expr), 4);
    CHECK_STR(br_expr_conjunct_text(f->expr, 0), "data.ok");
    CHECK_STR(br_expr_conjunct_text(f->expr, 1), "data.delay_min > 30");
    CHECK_STR(br_expr_conjunct_text(f->expr, 2), "data.delay_min + data.zero > 1");
    CHECK_STR(br_expr_conjunct_text(f->expr, 3), "data.ok || data.off");
    CHECK_INT(br_expr_conjunct_vars(f->expr, 2, &uses), 2);
    CHECK_STR(uses[0].path, "data.delay_min");
    CHECK_STR(uses[1].path, "data.zero");
    CHECK_INT(result.failed_conjunct, 1);
    CHECK_FALSE(br_expr_is_true(&result));
}

static void
check_decisive(fixture *f, const char *source, br_expr_fault fault, uint32_t want)
{
    br_expr_result result;

    start_over(f);
    CHECK_OK(br_expr_compile(rt_str_of(source), NULL, &env, RT_KIND_BOOL, f->diag, &f->expr));
    br_expr_eval(f->expr, load, NULL, f->arena, &result);
    CHECK_INT(result.fault, fault);
    CHECK_INT(result.failed_conjunct, want);
}

static void
test_expr_failed_conjunct_is_the_one_that_decides(void **state)
{
    fixture *f = *state;

    check_decisive(f, "data.ok && data.ok", BR_FAULT_NONE, 2);
    check_decisive(f, "data.ok", BR_FAULT_NONE, 1);
    check_decisive(f, "data.off", BR_FAULT_NONE, 0);
    check_decisive(f, "data.gone > 1 && data.off && data.ok", BR_FAULT_NONE, 1);
    check_decisive(f, "data.ok && data.gone > 1 && 1 / data.zero > 0", BR_FAULT_NO_SUCH_KEY, 1);
    check_decisive(f, "data.ok && data.ok && dyn.int", BR_FAULT_NO_OVERLOAD, 2);
}

static void
test_expr_fault_names_its_place(void **state)
{
    fixture *f = *state;
    const char *source = "data.ok && data.delay_min / data.zero > 3";
    br_expr_result result;

    CHECK_OK(br_expr_compile(rt_str_of(source), NULL, &env, RT_KIND_BOOL, f->diag, &f->expr));
    br_expr_eval(f->expr, load, NULL, NULL, &result);

    CHECK_INT(result.fault, BR_FAULT_DIVIDE_ZERO);
    CHECK_STR(((rt_str){source + result.fault_pos, result.fault_len}),
              "data.delay_min / data.zero");
}

static void
test_expr_explain_tells_values_and_outcome(void **state)
{
    fixture *f = *state;

    CHECK_OK(br_expr_compile(RT_STR("data.delay_min > 30 && order.carrier + '!' == 'x' && "
                                    "data.gone > 1 && 1 < 2"),
                             NULL, &env, RT_KIND_BOOL, f->diag, &f->expr));
    for (size_t i = 0; i < br_expr_conjunct_count(f->expr); i++) {
        br_expr_explain(f->expr, i, load, NULL, f->arena, &f->out);
        rt_text_cstr(&f->out, "\n");
    }

    CHECK_STR(rt_text_view(&f->out),
              "data.delay_min = 28 → data.delay_min > 30 is false\n"
              "order.carrier = \"tcc\" → order.carrier + '!' == 'x' is false\n"
              "data.gone = (absent) → data.gone > 1 has no value: no such key\n"
              "1 < 2 is true\n");
}

static void
watch(void *watcher, rt_str text, rt_value value, br_expr_fault fault)
{
    rt_text *out = watcher;

    rt_text_printf(out, "%.*s: ", RT_STR_ARG(text));
    if (fault != BR_FAULT_NONE) {
        rt_text_cstr(out, br_expr_fault_text(fault));
    } else {
        rt_value_format(out, value);
    }
    rt_text_cstr(out, "\n");
}

static void
test_expr_trace_reports_parts_innermost_first(void **state)
{
    fixture *f = *state;
    br_expr_result result;

    CHECK_OK(br_expr_compile(RT_STR("(data.off && data.ok) || (data.gone > 1 ? 1 : 2) == 1"), NULL,
                             &env, RT_KIND_BOOL, f->diag, &f->expr));
    br_expr_trace(f->expr, load, NULL, f->arena, watch, &f->out, &result);

    CHECK_INT(result.fault, BR_FAULT_NO_SUCH_KEY);
    CHECK_STR(rt_text_view(&f->out), "data.off: false\n"
                                     "data.off && data.ok: false\n"
                                     "data.gone: no such key\n"
                                     "data.gone > 1: no such key\n"
                                     "data.gone > 1 ? 1 : 2: no such key\n"
                                     "(data.gone > 1 ? 1 : 2) == 1: no such key\n"
                                     "(data.off && data.ok) || (data.gone > 1 ? 1 : 2) == 1: "
                                     "no such key\n");
}

static void
test_expr_constants_are_folded(void **state)
{
    fixture *f = *state;
    static const char *const sources[] = {
        "duration('1h') + duration('30m')",
        "'a' + 'b'",
        "1 in [2, 1]",
        "true ? 1 + 1 : data.delay_min",
        "!(1 < 2) || !false",
        "data.ok && false || true",
        "timestamp('2026-11-20T05:00:00Z').getHours('-05:00') * 60",
    };

    for (size_t i = 0; i < RT_COUNT(sources); i++) {
        start_over(f);
        CHECK_OK(
            br_expr_compile(rt_str_of(sources[i]), NULL, &env, RT_KIND_NONE, f->diag, &f->expr));
        CHECK_INT(f->expr->op_count, 1);
    }
}

static void
check_limit(fixture *f, const char *begin, const char *unit, const char *end, size_t count,
            bool is_accepted)
{
    rt_text source;
    rt_err err = RT_OK;

    start_over(f);
    rt_text_init(&source, 1 << 20);
    rt_text_cstr(&source, begin);
    for (size_t i = 0; i < count; i++) {
        rt_text_cstr(&source, unit);
    }
    rt_text_cstr(&source, "1");
    for (size_t i = 0; i < count; i++) {
        rt_text_cstr(&source, end);
    }
    rt_text_cstr(&source, strchr(begin, '[') != NULL ? "]" : "");
    err = br_expr_compile(rt_text_view(&source), NULL, &env, RT_KIND_NONE, f->diag, &f->expr);
    rt_text_fini(&source);
    if (is_accepted) {
        CHECK_OK(err);
    } else {
        CHECK_ERR(err, RT_ECONFIG);
        put_codes(f);
        CHECK_STR(rt_text_view(&f->out), "B2120");
    }
}

static void
test_expr_limits(void **state)
{
    fixture *f = *state;

    check_limit(f, "", "(", ")", 32, true);
    check_limit(f, "", "(", ")", 33, false);
    check_limit(f, "", "- ", "", 32, true);
    check_limit(f, "", "-(", ")", 33, false);
    check_limit(f, "", "int(", ")", 32, true);
    check_limit(f, "", "int(", ")", 33, false);
    check_limit(f, "", "1 + ", "", 500, true);
    check_limit(f, "", "1 + ", "", 600, false);
    check_limit(f, "", " ", "", BR_EXPR_BYTES_MAX - 1, true);
    check_limit(f, "", " ", "", BR_EXPR_BYTES_MAX, false);
    check_limit(f, "", "data.off ? 1 : ", "", 32, true);
    check_limit(f, "", "dyn.int - (1 * (2 + ", "))", 16, true);
    check_limit(f, "0 in [", "dyn.int, ", "", 61, true);
    check_limit(f, "0 in [", "dyn.int, ", "", 63, false);
}

static void
test_expr_random_bytes_never_crash(void **state)
{
    fixture *f = *state;
    rt_rng rng;

    rt_rng_seed(&rng, 20261120, 1);
    for (int round = 0; round < 200000; round++) {
        char source[40];
        size_t len = rt_rng_below(&rng, sizeof(source));

        for (size_t i = 0; i < len; i++) {
            // Mostly printable, sometimes any byte.
            source[i] = rt_rng_chance(&rng, 0.95) ? (char)(32 + rt_rng_below(&rng, 95))
                                                  : (char)rt_rng_u64(&rng);
        }
        start_over(f);
        compile_and_show(f, (rt_str){source, len}, round % 2 == 0);
    }
}

static void
test_expr_random_tokens_never_crash_and_fold_the_same(void **state)
{
    fixture *f = *state;
    static const char *const tokens[] = {
        "data.delay_min",
        "data.weight_kg",
        "data.gone",
        "data.ok",
        "data.off",
        "dyn.int",
        "dyn.text",
        "now",
        "1",
        "2.5",
        "'a'",
        "true",
        "false",
        "(",
        ")",
        "[",
        "]",
        ",",
        "+",
        "-",
        "*",
        "/",
        "%",
        "==",
        "!=",
        "<",
        ">",
        "in",
        "&&",
        "||",
        "?",
        ":",
        "!",
        "has(",
        "size(",
        ".contains(",
        "int(",
        "string(",
        "dyn(",
        "duration(",
        "'1h'",
        ".getHours(",
    };
    rt_rng rng;
    int accepted = 0;

    rt_rng_seed(&rng, 20261120, 2);
    for (int round = 0; round < 100000; round++) {
        char source[400] = "";
        char folded[400] = "";
        size_t count = 1 + rt_rng_below(&rng, 9);

        for (size_t i = 0; i < count; i++) {
            strncat(source, tokens[rt_rng_below(&rng, RT_COUNT(tokens))], 40);
            strncat(source, " ", 2);
        }
        start_over(f);
        compile_and_show(f, rt_str_of(source), true);
        (void)snprintf(folded, sizeof(folded), "%.*s", (int)f->out.len, f->out.ptr);
        accepted += f->expr != NULL ? 1 : 0;
        start_over(f);
        compile_and_show(f, rt_str_of(source), false);
        if (!rt_str_is(rt_text_view(&f->out), folded)) {
            fail_msg("%s: %s folded, %.*s not", source, folded, (int)f->out.len, f->out.ptr);
        }
    }
    CHECK_TRUE(accepted > 1000);
}

// Writes a random expression of a kind; all of them are well typed.
static void
put_random(rt_text *out, rt_rng *rng, rt_kind kind, int depth)
{
    static const char *const bools[] = {"data.ok",      "data.off", "true",    "false",
                                        "data.gone_ok", "dyn.yes",  "dyn.int", "has(data.gone)"};
    static const char *const ints[] = {"data.delay_min", "data.gone", "0",        "7",
                                       "data.zero",      "-3",        "data.max", "28"};
    static const char *const reals[] = {"data.weight_kg", "2.5", "0.0", "-1e300", "data.whole_kg"};
    static const char *const texts[] = {"order.carrier", "'tcc'", "''", "data.note"};
    static const char *const relations[] = {"==", "!=", "<", "<=", ">", ">="};
    static const char *const sums[] = {"+", "-", "*", "/", "%"};
    rt_kind any[] = {RT_KIND_I64, RT_KIND_F64, RT_KIND_STR, RT_KIND_BOOL};
    rt_kind inner = any[rt_rng_below(rng, 4)];
    uint64_t choice = rt_rng_below(rng, 5);

    if (depth == 0) {
        const char *leaf = kind == RT_KIND_BOOL  ? bools[rt_rng_below(rng, RT_COUNT(bools))]
                           : kind == RT_KIND_I64 ? ints[rt_rng_below(rng, RT_COUNT(ints))]
                           : kind == RT_KIND_F64 ? reals[rt_rng_below(rng, RT_COUNT(reals))]
                                                 : texts[rt_rng_below(rng, RT_COUNT(texts))];
        rt_text_cstr(out, leaf);
        return;
    }
    rt_text_cstr(out, "(");
    if (choice == 0) {
        put_random(out, rng, RT_KIND_BOOL, depth - 1);
        rt_text_cstr(out, " ? ");
        put_random(out, rng, kind, depth - 1);
        rt_text_cstr(out, " : ");
        put_random(out, rng, kind, depth - 1);
    } else if (kind == RT_KIND_BOOL && choice == 1) {
        put_random(out, rng, inner, depth - 1);
        rt_text_printf(out, " %s ", relations[rt_rng_below(rng, RT_COUNT(relations))]);
        put_random(out, rng, inner, depth - 1);
    } else if (kind == RT_KIND_BOOL && choice == 2) {
        put_random(out, rng, inner, depth - 1);
        rt_text_cstr(out, " in [");
        put_random(out, rng, inner, 0);
        rt_text_cstr(out, ", ");
        put_random(out, rng, inner, depth - 1);
        rt_text_cstr(out, "]");
    } else if (kind == RT_KIND_BOOL) {
        rt_text_cstr(out, rt_rng_chance(rng, 0.3) ? "!" : "");
        put_random(out, rng, kind, depth - 1);
        rt_text_cstr(out, choice == 3 ? " && " : " || ");
        put_random(out, rng, kind, depth - 1);
    } else if (kind == RT_KIND_STR) {
        put_random(out, rng, kind, depth - 1);
        rt_text_cstr(out, " + ");
        put_random(out, rng, kind, depth - 1);
    } else if (kind == RT_KIND_I64 && choice == 1) {
        rt_text_cstr(out, "size(");
        put_random(out, rng, RT_KIND_STR, depth - 1);
        rt_text_cstr(out, ")");
    } else {
        put_random(out, rng, kind, depth - 1);
        rt_text_printf(out, " %s ", sums[rt_rng_below(rng, kind == RT_KIND_I64 ? 5 : 4)]);
        put_random(out, rng, kind, depth - 1);
    }
    rt_text_cstr(out, ")");
}

static void
test_expr_random_expressions_fold_the_same(void **state)
{
    fixture *f = *state;
    rt_text source;
    rt_rng rng;
    int faults = 0;
    int values = 0;

    rt_text_init(&source, BR_EXPR_BYTES_MAX);
    rt_rng_seed(&rng, 20261120, 3);
    for (int round = 0; round < 20000; round++) {
        char folded[600] = "";

        rt_text_clear(&source);
        put_random(&source, &rng, RT_KIND_BOOL, 1 + (int)rt_rng_below(&rng, 4));
        if (source.truncated) {
            continue;
        }
        start_over(f);
        compile_and_show(f, rt_text_view(&source), true);
        (void)snprintf(folded, sizeof(folded), "%.*s", (int)f->out.len, f->out.ptr);
        if (f->expr == NULL) {
            fail_msg("%.*s was refused: %s", (int)source.len, source.ptr, folded);
        }
        faults += strncmp(folded, "fault", 5) == 0 ? 1 : 0;
        values += strncmp(folded, "bool", 4) == 0 ? 1 : 0;
        start_over(f);
        compile_and_show(f, rt_text_view(&source), false);
        if (!rt_str_is(rt_text_view(&f->out), folded)) {
            fail_msg("%.*s: %s folded, %.*s not", (int)source.len, source.ptr, folded,
                     (int)f->out.len, f->out.ptr);
        }
    }
    rt_text_fini(&source);
    CHECK_TRUE(faults > 1000);
    CHECK_TRUE(values > 1000);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_expr_literals),
        TEST(test_expr_names),
        TEST(test_expr_arithmetic),
        TEST(test_expr_comparisons),
        TEST(test_expr_logic_absorbs_faults),
        TEST(test_expr_functions),
        TEST(test_expr_time),
        TEST(test_expr_wanted_kind_is_checked),
        TEST(test_expr_findings_stand_in_the_file),
        TEST(test_expr_reports_every_independent_mistake),
        TEST(test_expr_unguarded_absent_field_is_a_warning),
        TEST(test_expr_conjuncts_are_split_at_the_top),
        TEST(test_expr_failed_conjunct_is_the_one_that_decides),
        TEST(test_expr_fault_names_its_place),
        TEST(test_expr_explain_tells_values_and_outcome),
        TEST(test_expr_trace_reports_parts_innermost_first),
        TEST(test_expr_constants_are_folded),
        TEST(test_expr_limits),
        TEST(test_expr_random_bytes_never_crash),
        TEST(test_expr_random_tokens_never_crash_and_fold_the_same),
        TEST(test_expr_random_expressions_fold_the_same),
    };

    return CHECK_RUN(tests);
}
