// tidy: table
#include "brain/expr/expr_internal.h"
#include "runtime/base/check.h"
#include "tests/harness/check.h"

// Values of every type: expressions, and what they come to as br__put_value writes it.

// [1, "ñ", {"b": [true, nil]}, uint 5, 2 ms 7 ns]
static const char raw_list[] =
    "\x95\x01\xa2\xc3\xb1\x81\xa1"
    "b\x92\xc3\xc0\xd7\x01\0\0\0\0\0\0\0\x05\xc7\x0c\x02\0\0\0\0\0\0\0\x02"
    "\0\0\0\x07";
// {"weight": 2, "tags": ["a", "b"], "inner": {"deep": {"x": 1}}}
static const char raw_map[] = "\x83\xa6weight\x02\xa4tags\x92\xa1"
                              "a\xa1"
                              "b\xa5inner\x81\xa4"
                              "deep\x81\xa1x\x01";

typedef struct binding {
    const char *path;
    const char *type;
    rt_value value;
} binding;

static const binding bindings[] = {
    {"data.items", "list(dyn)", {.kind = RT_KIND_STR, .s = {raw_list, sizeof(raw_list) - 1}}},
    {"data.box", "map(string, dyn)", {.kind = RT_KIND_STR, .s = {raw_map, sizeof(raw_map) - 1}}},
    {"data.none", "list(int)", {.kind = RT_KIND_NONE}},
    {"data.broken", "list(int)", {.kind = RT_KIND_STR, .s = {"\x93\x01", 2}}},
    {"data.n", "", {.kind = RT_KIND_I64, .i = 7}},
    {"data.text", "", {.kind = RT_KIND_STR, .s = {"tcc", 3}}},
};

static bool
resolve(void *user, rt_str path, br_expr_var *ret_var)
{
    (void)user;
    for (size_t i = 0; i < RT_COUNT(bindings); i++) {
        if (rt_str_is(path, bindings[i].path)) {
            *ret_var = (br_expr_var){.slot = (uint32_t)i, .type = rt_str_of(bindings[i].type)};
            ret_var->kind = ret_var->type.len > 0 ? RT_KIND_NONE : bindings[i].value.kind;
            return true;
        }
    }
    return false;
}

static rt_value
load(const void *user, uint32_t slot)
{
    (void)user;
    return bindings[slot].value;
}

static const br_expr_env env = {.resolve = resolve};

typedef struct row {
    const char *source;
    const char *want;
} row;

static void
show(const char *source, bool folds, rt_arena *arena, rt_text *out)
{
    br__mode mode = {.folds = folds, .keeps_result = true};
    br__limits limits = {.arena = arena, .steps = BR_EXPR_STEPS_MAX};
    rt_diag *diag = rt_diag_new();
    br_expr *expr = NULL;

    if (br__compile_as(rt_str_of(source), NULL, &env, RT_KIND_NONE, mode, diag, &expr) != RT_OK) {
        rt_diag_render_gcc(diag, out);
        if (out->len > 0) {
            out->len = strcspn(out->ptr, "\n"); // the first finding
        }
    } else {
        br__put_value(out, &limits, br__evaluate(expr, load, NULL, &limits));
    }
    br_expr_free(expr);
    rt_diag_free(diag);
}

static void
check_rows(const row *rows, size_t count)
{
    rt_arena *arena = rt_arena_new(1 << 22);
    size_t failed = 0;

    for (size_t i = 0; i < 2 * count; i++) {
        rt_text out;

        rt_arena_reset(arena);
        rt_text_init(&out, 1 << 16);
        show(rows[i / 2].source, i % 2 == 0, arena, &out);
        if (!rt_str_is(rt_text_view(&out), rows[i / 2].want)) {
            print_error("%s\n  got  %.*s\n  want %s\n", rows[i / 2].source, (int)out.len, out.ptr,
                        rows[i / 2].want);
            failed++;
        }
        rt_text_fini(&out);
    }
    rt_arena_free(arena);
    CHECK_INT(failed, 0);
}

static void
test_types_of_variables_are_whole(void **state)
{
    static const row rows[] = {{"data.items", "list(dyn)"},
                               {"data.none", "list(int)"},
                               {"data.box", "map(string, dyn)"},
                               {"[data.none]", "list(list(int))"}};
    br__mode mode = {.keeps_result = true};

    (void)state;
    for (size_t i = 0; i < RT_COUNT(rows); i++) {
        rt_diag *diag = rt_diag_new();
        br_expr *expr = NULL;

        CHECK_OK(br__compile_as(rt_str_of(rows[i].source), NULL, &env, RT_KIND_NONE, mode, diag,
                                &expr));
        CHECK_STR(expr->type, rows[i].want);
        br_expr_free(expr);
        rt_diag_free(diag);
    }
}

static void
test_eval_lists_and_maps(void **state)
{
    static const row rows[] = {
        {"[1, 2.5, 'a', null, 3u, b'xy', int]", "[1, 2.5, \"a\", null, 3u, 2 bytes, int]"},
        {"{'a': [1], 2: {}}", "{\"a\": [1], 2: {}}"},
        {"[1, 2,]", "[1, 2]"},
        {".loop == 1", "<input>:1:2: error: 'loop' is a reserved word [B2101]"},
        {"[,]", "[]"},
        {"{,}", "{}"},
        {"[,1]", "<input>:1:2: error: a value was expected before ',' [B2101]"},
        {"[1] + [2, 3]", "[1, 2, 3]"},
        {"[7, 8][1]", "8"},
        {"[7, 8][2]", "index out of range"},
        {"[7, 8][-1]", "index out of range"},
        {"{'a': 1}.a", "1"},
        {"{'a': 1}['b']", "no such key"},
        {"{'a b': 1}.`a b`", "1"},
        {"{1: 'x'}[dyn(1u)]", "\"x\""},
        {"{'a': 1, 'a': 2}", "key given twice"},
        {"{1: 1, dyn(1u): 2}", "key given twice"},
        {"{dyn(1.5): 1}", "unsupported key type"},
        {"{1.5: 1}", "<input>:1:2: error: a key of a map is an int, uint, bool or string [B2104]"},
        {"2 in [1, 2]", "true"},
        {"'a' in {'a': 1}", "true"},
        {"'x' in ['a','b','c','d','e','f','g','h','i','j']", "false"},
        {"data.text in ['a','b','c','d','e','f','g','h','i','tcc']", "true"},
        {"dyn(data.n) in [9,8,7,6,5,4,3,2,1,0]", "true"},
        {"dyn(7.0) in [9,8,7,6,5,4,3,2,1,0]", "true"},
        {"[1, 2] == [1, 2.0]", "true"},
        {"[[1], {'a': [2]}] == [[1], {'a': [dyn(2u)]}]", "true"},
        {"{'a': 1, 'b': 2} == {'b': 2, 'a': 1}", "true"},
        {"[1] == [1, 2]", "false"},
        {"size([1, 2]) + size({'a': 1}) + size('ñ') + size(b'ñ')", "6"},
        {"type([1]) == list && type(1u) == uint && type(type(1)) == type", "true"},
        {"[1] < [2]", "<input>:1:1: error: no such overload: list(int) < list(int) [B2104]"},
        {"[1]['a']", "<input>:1:1: error: no such overload: list(int)[string] [B2104]"},
        {"1 in 'abc'", "<input>:1:1: error: no such overload: int in string [B2104]"},
        {"{'a' 1}", "<input>:1:6: error: an operator was expected before '1' [B2101]"},
        {"{'a'}", "<input>:1:5: error: ':' and a value were expected before '}' [B2101]"},
        {"{'a': 1: 2}", "<input>:1:8: error: ':' stands behind a value already [B2101]"},
        {"[1, 2", "<input>:1:1: error: '[' is not closed [B2101]"},
        {"Message{a: 1}", "<input>:1:8: error: not supported yet: messages {...} [B2110]"},
    };

    (void)state;
    check_rows(rows, RT_COUNT(rows));
}

static void
test_eval_msgpack_is_opened_when_used(void **state)
{
    static const row rows[] = {
        {"data.items", "[1, \"ñ\", {\"b\": [true, null]}, 5u, 2 ms]"},
        {"data.items[2].b[0]", "true"},
        {"data.items[2]['b'][1] == null", "true"},
        {"string(data.items[4])", "\"0.002000007s\""},
        {"data.items.exists(x, x == 5u)", "true"},
        {"data.box.weight * 2", "4"},
        {"data.box.inner.deep.x", "1"},
        {"data.box.inner.deep == {'x': 1}", "true"},
        {"has(data.box.inner.deep) && !has(data.box.inner.shallow)", "true"},
        {"has(data.box.nothing) || 'weight' in data.box", "true"},
        {"data.box.nothing", "no such key"},
        {"data.box.weight.x", "no such overload"},
        {"data.none", "no such key"},
        {"has(data.none)", "false"},
        {"data.broken", "conversion failed"},
        {"data.box.tags.map(t, t + data.text)", "[\"atcc\", \"btcc\"]"},
        {"data.n.x", "<input>:1:1: error: unknown field 'data.n.x' [B2107]"},
    };

    (void)state;
    check_rows(rows, RT_COUNT(rows));
}

static void
test_eval_macros(void **state)
{
    static const row rows[] = {
        {"[1, 2, 3].all(x, x > 0)", "true"},
        {"[1, 2, 3].all(x, x > 1)", "false"},
        {"[0, 1].all(x, 1 / x > 1)", "false"},
        {"[0, 1].all(x, 1 / x > 0)", "division by zero"},
        {"[0, 1].exists(x, 1 / x > 0)", "true"},
        {"[].exists(x, x)", "false"},
        {"[1, 2, 2].exists_one(x, x == 2)", "false"},
        {"[1, 2].exists_one(x, 1 / (x - 2) == 0)", "division by zero"},
        {"[1, 2, 3].filter(x, x % 2 == 1)", "[1, 3]"},
        {"[1, 2, 3].map(x, x * x)", "[1, 4, 9]"},
        {"[1, 2, 3].map(x, x > 1, x * x)", "[4, 9]"},
        {"{'a': 1, 'b': 2}.map(k, k)", "[\"a\", \"b\"]"},
        {"{'a': 1, 'b': 2}.filter(k, k != 'a')", "[\"b\"]"},
        {"['a', 'b'].transformList(i, v, v + string(i))", "[\"a0\", \"b1\"]"},
        {"{'a': 1}.transformMap(k, v, v + 1)", "{\"a\": 2}"},
        {"[3, 4].transformMapEntry(i, v, {string(v): i})", "{\"3\": 0, \"4\": 1}"},
        {"[1, 1].transformMapEntry(i, v, {v: i})", "key given twice"},
        {"{'a': 1}.exists(k, v, k == 'a' && v == 1)", "true"},
        {"[1, 2].map(x, [x, 3].map(y, x * y))", "[[1, 3], [4, 6]]"},
        {"[1].map(x, [2].map(x, x))", "[[2]]"},
        {"[[1]].map(x, x[0]).all(x, x == 1)", "true"},
        {"cel.bind(x, 2, x * x)", "4"},
        {"cel.bind(x, 1 / 0, true)", "true"},
        {"cel.bind(x, 1 / 0, x == 1)", "division by zero"},
        {"cel.bind(a, 1, cel.bind(b, a + 1, [a, b].map(x, x + b)))", "[3, 4]"},
        {"[1].map(x, [1].map(y, [1].map(z, x + y + z)))", "[[[3]]]"},
        {"[1].map(a, [1].map(b, [1].map(c, [1].map(d, d))))",
         "<input>:1:34: error: map() inside of more than 2 macros [B2120]"},
        {"[1].all(x, x)", "<input>:1:12: error: all() wants a bool here, this is int [B2104]"},
        {"1.all(x, true)", "<input>:1:1: error: no such overload: int.all(...) [B2104]"},
        {"[1].all(1, true)",
         "<input>:1:9: error: all() wants a name here, and what is done with it behind a comma "
         "[B2101]"},
        {"[1].all(x, y, x, y)",
         "<input>:1:1: error: no such overload: all() with 4 arguments [B2104]"},
        {"[1].all(x, x, x)", "<input>:1:12: error: both variables have one name [B2101]"},
        {"[1].map(x, y)", "<input>:1:12: error: unknown field 'y' [B2107]"},
        {"x.map(x, x)", "<input>:1:1: error: unknown field 'x' [B2107]"},
    };

    (void)state;
    check_rows(rows, RT_COUNT(rows));
}

static void
test_eval_numbers_and_conversions(void **state)
{
    static const row rows[] = {
        {"18446744073709551615u", "18446744073709551615u"},
        {"18446744073709551615u + 1u", "overflow"},
        {"0u - 1u", "overflow"},
        {"7u / 2u + 7u % 2u", "4u"},
        {"1u / 0u", "division by zero"},
        {"-1u", "<input>:1:1: error: no such overload: -uint [B2104]"},
        {"1u + 1", "<input>:1:1: error: no such overload: uint + int [B2104]"},
        {"1u == 1 && 1u < 1.5 && -1 < 1u", "true"},
        {"uint(-1)", "overflow"},
        {"uint('300')", "300u"},
        {"int(9223372036854775808u)", "overflow"},
        {"bytes('ñ') == b'\\303\\261'", "true"},
        {"string(b'\\xff')", "conversion failed"},
        {"'%s'.format([b'\\xc3\\xb1'])", "\"ñ\""},
        {"'%s'.format([b'\\xff'])", "conversion failed"},
        {"'%s'.format([{'a': [b'\\xff']}])", "conversion failed"},
        {"string(0.0 / 0.0)", "\"NaN\""},
        {"string(1.0 / 0.0)", "\"+Inf\""},
        {"string(-1.0 / 0.0)", "\"-Inf\""},
        {"double(string(-1.0 / 0.0)) == -1.0 / 0.0", "true"},
        {"b'a' + b'b' == b'ab' && b'a' < b'b'", "true"},
        {"math.greatest(1, 2.5, 2u)", "2.5"},
        {"math.least([3, 1, 2])", "1"},
        {"math.round(-2.5)", "-3"},
        {"math.bitShiftRight(-1024, 3)", "2305843009213693824"},
        {"math.bitShiftLeft(1, -1)", "invalid argument"},
        {"math.abs(-9223372036854775808)", "overflow"},
        {"math.nope(1)", "<input>:1:6: error: unknown function 'math.nope' [B2107]"},
        {"base64.encode(b'hello')", "\"aGVsbG8=\""},
        {"string(base64.decode('aGVsbG8'))", "\"hello\""},
        {"base64.decode('a=b=')", "conversion failed"},
    };

    (void)state;
    check_rows(rows, RT_COUNT(rows));
}

static void
test_eval_texts(void **state)
{
    static const row rows[] = {
        {"'ñandú'.charAt(4) + 'ab'.charAt(2)", "\"ú\""},
        {"'ñandú'.indexOf('d')", "3"},
        {"'banana'.lastIndexOf('an')", "3"},
        {"'banana'.indexOf('a', 9)", "index out of range"},
        {"'a,b,c'.split(',')", "[\"a\", \"b\", \"c\"]"},
        {"'a,b,c'.split(',', 2)", "[\"a\", \"b,c\"]"},
        {"'ñá'.split('')", "[\"ñ\", \"á\"]"},
        {"''.split('')", "[]"},
        {"''.split(',')", "[\"\"]"},
        {"'aaa'.replace('a', 'b', 2)", "\"bba\""},
        {"'ab'.replace('', '-')", "\"-a-b-\""},
        {"['a', 'b'].join('-')", "\"a-b\""},
        {"'  ñ '.trim() + 'abc'.reverse()", "\"ñcba\""},
        {"'abcdef'.substring(1, 3)", "\"bc\""},
        {"'abc'.substring(2, 1)", "index out of range"},
        {"strings.quote('a\\n\"')", "\"\"a\\n\\\"\"\""},
        {"'%s %d %.2f %x'.format(['a', 1, 2.0, 255])", "\"a 1 2.00 ff\""},
        {"'%s'.format([{'b': [1, null], 'a': 1u}])", "\"{a: 1, b: [1, null]}\""},
        {"'%d'.format(['a'])", "no such overload"},
        {"'%d %d'.format([1])", "invalid argument"},
        {"'abc'.matches('^a.c$') && !data.text.matches('^x')", "true"},
        {"data.text.matches(dyn('('))", "invalid argument"},
        {"'a'.matches('a(')",
         "<input>:1:13: error: '(' is not closed, at character 3 of the pattern [B2101]"},
    };

    (void)state;
    check_rows(rows, RT_COUNT(rows));
}

static void
test_eval_time_is_exact(void **state)
{
    static const row rows[] = {
        {"string(timestamp('2009-02-13T23:31:30.000000001Z'))",
         "\"2009-02-13T23:31:30.000000001Z\""},
        {"string(duration('1ns') - duration('2ns'))", "\"-0.000000001s\""},
        {"timestamp('0001-01-01T00:00:00Z') - duration('1ns')", "overflow"},
        {"duration('-1ns') < duration('0s')", "true"},
        {"'%s'.format([duration('1us')])", "\"0.000001s\""}, // no bytes that are read before
        {"string(duration('-9223372036.854775808s'))", "\"-9223372036.854775808s\""},
        {"string(duration('-2562047h47m16.854775808s'))", "\"-9223372036.854775808s\""},
        {"duration('-1500ms').getSeconds()", "-1"},
        {"timestamp('2026-11-20T03:00:00Z').getDate('America/Bogota')", "19"},
        {"timestamp('2026-07-01T00:00:00Z').getHours('America/New_York')", "20"},
        {"timestamp('2026-12-01T00:00:00Z').getHours('America/New_York')", "19"},
        {"timestamp('2026-03-08T06:59:59Z').getHours('America/New_York')", "1"},
        {"timestamp('2026-03-08T07:00:00Z').getHours('America/New_York')", "3"},
        {"timestamp('2026-11-01T06:00:00Z').getHours('America/New_York')", "1"},
        {"timestamp('2026-03-29T01:00:00Z').getHours('Europe/Madrid')", "3"},
        {"timestamp('2026-10-25T00:59:59Z').getHours('Europe/Madrid')", "2"},
        {"timestamp('1985-01-01T00:00:00Z').getHours('America/Bogota')", "conversion failed"},
        {"timestamp('2026-01-01T00:00:00Z').getHours('Mars/Base')",
         "<input>:1:44: error: not supported yet: this zone is not in the table [B2110]"},
    };

    (void)state;
    check_rows(rows, RT_COUNT(rows));
}

static void
test_eval_optionals(void **state)
{
    static const row rows[] = {
        {"{'a': 1}.?a", "optional(1)"},
        {"{'a': 1}.?b", "optional()"},
        {"{'a': {'b': 1}}.?a.b.orValue(0)", "1"},
        {"{'a': {}}.?a.b.orValue(0)", "0"},
        {"[1][?0].value() + [1][?1].orValue(5)", "6"},
        {"optional.none().value()", "optional without a value"},
        {"optional.of(1).or(optional.of(1 / 0))", "optional(1)"},
        {"optional.of(2).optMap(x, x * 2)", "optional(4)"},
        {"optional.of(2).optFlatMap(x, optional.none())", "optional()"},
        {"[?optional.none(), ?optional.of(1)]", "[1]"},
        {"{?'a': optional.none(), ?'b': optional.of(1)}", "{\"b\": 1}"},
        {"optional.ofNonZeroValue('')", "optional()"},
        {"optional.of(1) == optional.of(1.0)", "<input>:1:1: error: no such overload: "
                                               "optional_type(int) == optional_type(double) "
                                               "[B2104]"},
        {"[?1]", "<input>:1:3: error: an element behind '?' is an optional value [B2104]"},
    };

    (void)state;
    check_rows(rows, RT_COUNT(rows));
}

// What only tests ask for: without static types the same mistakes have no value, whatever stands
// around them.
static void
test_unchecked_unknown_functions_have_no_value(void **state)
{
    static const char *const sources[] = {"f()", "f(1)", "1 + .f()", "[1, .f(2)]", "data.n.f()",
                                          "timestamp()", "1.size()", "exists()", "math.f()"};
    br__mode mode = {.folds = true, .is_unchecked = true, .keeps_result = true};
    rt_arena *arena = rt_arena_new(1 << 16);

    (void)state;
    for (size_t i = 0; i < RT_COUNT(sources); i++) {
        rt_diag *diag = rt_diag_new();
        br__limits limits = {.arena = arena, .steps = BR_EXPR_STEPS_MAX};
        br_expr *expr = NULL;

        CHECK_OK(br__compile_as(rt_str_of(sources[i]), NULL, &env, RT_KIND_NONE, mode, diag, &expr));
        CHECK_INT(br__evaluate(expr, load, NULL, &limits).kind, BR__FAULT);
        br_expr_free(expr);
        rt_diag_free(diag);
    }
    rt_arena_free(arena);
}

static void
test_eval_steps_are_bounded(void **state)
{
    // 21 x 21 x 21 rounds of some instructions each.
    static const row rows[] = {
        {"[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21].all(x, "
         "[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21].all(y, "
         "[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21].all(z, x + y + z > 0)))",
         "too many steps"},
        {"'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx' "
         "+ (data.text.matches('(x{1,20}){1,20}y') ? 'a' : '')",
         "\"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\""},
    };

    (void)state;
    check_rows(rows, RT_COUNT(rows));
}

static void
watch(void *watcher, rt_str text, rt_value value, br_expr_fault fault)
{
    rt_text *out = watcher;

    rt_text_printf(out, "%.*s = ", RT_STR_ARG(text));
    if (fault != BR_FAULT_NONE) {
        rt_text_cstr(out, br_expr_fault_text(fault));
    } else {
        rt_value_format(out, value);
    }
    rt_text_cstr(out, "\n");
}

static void
test_eval_trace_shows_parts_of_macros(void **state)
{
    rt_arena *arena = rt_arena_new(1 << 20);
    rt_diag *diag = rt_diag_new();
    br_expr *expr = NULL;
    br_expr_result result;
    rt_text out;

    (void)state;
    rt_text_init(&out, 1 << 16);
    CHECK_OK(br_expr_compile(RT_STR("data.box.tags.exists(t, t == 'b')"), NULL, &env, RT_KIND_BOOL,
                             diag, &expr));
    br_expr_trace(expr, load, NULL, arena, watch, &out, &result);
    CHECK_TRUE(br_expr_is_true(&result));
    CHECK_STR(rt_text_view(&out),
              "data.box = {\"weight\": 2, \"tags\": [\"a\", \"b\"], \"inner\": {\"deep\": "
              "{\"x\": 1}}}\n"
              "data.box.tags = [\"a\", \"b\"]\n"
              "t = a\n"
              "t == 'b' = false\n"
              "t = b\n"
              "t == 'b' = true\n"
              "data.box.tags.exists(t, t == 'b') = true\n");
    br_expr_free(expr);
    rt_text_fini(&out);
    rt_diag_free(diag);
    rt_arena_free(arena);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_types_of_variables_are_whole),
        cmocka_unit_test(test_eval_lists_and_maps),
        cmocka_unit_test(test_eval_msgpack_is_opened_when_used),
        cmocka_unit_test(test_eval_macros),
        cmocka_unit_test(test_eval_numbers_and_conversions),
        cmocka_unit_test(test_eval_texts),
        cmocka_unit_test(test_eval_time_is_exact),
        cmocka_unit_test(test_eval_optionals),
        cmocka_unit_test(test_unchecked_unknown_functions_have_no_value),
        cmocka_unit_test(test_eval_steps_are_bounded),
        cmocka_unit_test(test_eval_trace_shows_parts_of_macros),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
