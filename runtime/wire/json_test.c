#include "runtime/wire/json.h"

#include <inttypes.h>
#include <stdio.h>

#include "runtime/base/alloc.h"
#include "runtime/base/rng.h"
#include "tests/harness/check.h"

typedef struct fixture {
    rt_mpw mp;
    rt_text out;
} fixture;

static int
set_up(void **state)
{
    static fixture f;

    rt_mpw_init(&f.mp, 4 << 20);
    rt_text_init(&f.out, 4 << 20);
    *state = &f;
    return 0;
}

static int
tear_down(void **state)
{
    fixture *f = *state;

    rt_mpw_fini(&f->mp);
    rt_text_fini(&f->out);
    return 0;
}

// Reads `json` and writes it again.
static void
check_round_trip(fixture *f, const char *json, const char *want)
{
    rt_mpw_clear(&f->mp);
    rt_text_clear(&f->out);
    CHECK_OK(rt_json_to_mp(rt_str_of(json), &f->mp));
    CHECK_OK(rt_mp_check(rt_mpw_view(&f->mp)));
    CHECK_OK(rt_json_from_mp(rt_mpw_view(&f->mp), &f->out));
    CHECK_STR(rt_text_view(&f->out), want);
}

static void
check_refused(fixture *f, rt_str json, rt_err want)
{
    size_t before = f->mp.len;
    rt_err err = rt_json_to_mp(json, &f->mp);

    if (err != want) {
        fail_msg("%.*s: got %s, want %s", RT_STR_ARG(json), rt_err_name(err), rt_err_name(want));
    }
    CHECK_U64(f->mp.len, before);
}

static void
test_json_values_survive_a_round_trip(void **state)
{
    fixture *f = *state;

    check_round_trip(f, "null", "null");
    check_round_trip(f, " [ true , false ,null ] ", "[true,false,null]");
    check_round_trip(f, "{}", "{}");
    check_round_trip(f, "[]", "[]");
    check_round_trip(f, "[[],{},[[]]]", "[[],{},[[]]]");
    check_round_trip(f, "{\"b\":1,\"a\":{\"c\":[1,{\"d\":-2}]},\"e\":\"\"}",
                     "{\"b\":1,\"a\":{\"c\":[1,{\"d\":-2}]},\"e\":\"\"}");
    check_round_trip(f, "\"\\u00f1\\ud83d\\ude9a \\/ \\\" \\\\ \\b\\f\\n\\r\\t \\u001f\"",
                     "\"ñ🚚 / \\\" \\\\ \\b\\f\\n\\r\\t \\u001f\"");
    check_round_trip(f, "[\"12\",-3,\"e-5 [\\\"7\\\"]\",4]", "[\"12\",-3,\"e-5 [\\\"7\\\"]\",4]");
    check_round_trip(f, "{\"1\":10,\"-2\":20,\"x\\\\\":30}", "{\"1\":10,\"-2\":20,\"x\\\\\":30}");
}

static void
test_json_integers_stay_exact(void **state)
{
    fixture *f = *state;

    check_round_trip(f, "[9223372036854775807,-9223372036854775808,9007199254740993,0,-0]",
                     "[9223372036854775807,-9223372036854775808,9007199254740993,0,0]");
    check_round_trip(f, "[9223372036854775808,18446744073709551615]",
                     "[9223372036854775808,18446744073709551615]");
    check_refused(f, RT_STR("18446744073709551616"), RT_EPROTO);
    check_refused(f, RT_STR("-9223372036854775809"), RT_EPROTO);
}

static void
test_json_doubles_stay_doubles(void **state)
{
    fixture *f = *state;

    check_round_trip(f, "[1.0,0.1,1e2,-2.5E-3,1e-300]", "[1.0,0.1,100.0,-0.0025,1e-300]");
    check_refused(f, RT_STR("1e999"), RT_EPROTO);
    check_refused(f, RT_STR("[-1e400]"), RT_EPROTO);
}

static void
test_json_refuses_what_the_grammar_refuses(void **state)
{
    fixture *f = *state;
    static const char *const bad[] = {
        "",
        " ",
        "[",
        "]",
        "{",
        "}",
        "[1",
        "[1,",
        "[1,]",
        "[,1]",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\":1,}",
        "{a:1}",
        "{'a':1}",
        "{1:2}",
        "[1 2]",
        "{\"a\":1 \"b\":2}",
        "01",
        "-",
        "-01",
        "+1",
        ".5",
        "1.",
        "1.e3",
        "1e",
        "1e+",
        "0x10",
        "NaN",
        "Infinity",
        "tru",
        "nul",
        "True",
        "\"",
        "\"abc",
        "\"\\x\"",
        "\"\\u12\"",
        "\"\\u12g4\"",
        "\"\\",
        "1 1",
        "{} {}",
        "[] x",
        "null,",
        "// c\n1",
        "[1]/**/",
        "\"a\tb\"",
        "\"a\nb\"",
        "\"a\x01\"",
        "\"\\u0000\"",
        "{\"\\u0000\":1}",
        "\"\\ud800\"",
        "\"\\ud800x\"",
        "\"\\udc00\"",
        "\"\\ud800\\ud800\"",
        "\xef\xbb\xbf{}",
        "[1}",
        "{\"a\":1]",
        "{\"a\" 1}",
        "{\"a\":1,,}",
        "\"a\"\"b\"",
        "[\"a\":1]",
    };

    for (size_t i = 0; i < RT_COUNT(bad); i++) {
        check_refused(f, rt_str_of(bad[i]), RT_EPROTO);
    }
    check_refused(f, (rt_str){"1\0", 2}, RT_EPROTO);
    check_refused(f, (rt_str){"\"a\0b\"", 5}, RT_EPROTO);
    check_refused(f, (rt_str){"\0", 1}, RT_EPROTO);
}

static void
test_json_refuses_bytes_that_are_not_utf8(void **state)
{
    fixture *f = *state;

    check_refused(f, RT_STR("\"\xff\""), RT_EUTF8);
    check_refused(f, RT_STR("\"\xc0\xaf\""), RT_EUTF8);
    check_refused(f, RT_STR("\"\xed\xa0\x80\""), RT_EUTF8);
    check_refused(f, RT_STR("[1,\n\"\xc3"), RT_EUTF8);
    CHECK_CSTR(rt_err_detail(), "JSON line 2 column 1: this line is not UTF-8");
}

static void
test_json_refuses_duplicate_keys(void **state)
{
    fixture *f = *state;
    rt_text many;

    check_refused(f, RT_STR("{\"a\":1,\"b\":2,\"a\":3}"), RT_EDUP);
    check_refused(f, RT_STR("[{\"a\":{\"x\":1,\"\\u0078\":2}}]"), RT_EDUP);
    check_round_trip(f, "{\"a\":{\"a\":1},\"A\":2}", "{\"a\":{\"a\":1},\"A\":2}");
    rt_text_init(&many, 1 << 20);
    rt_text_cstr(&many, "{");
    for (int i = 0; i < 500; i++) {
        rt_text_printf(&many, "\"k%d\":%d,", i, i);
    }
    rt_text_cstr(&many, "\"last\":1}");
    CHECK_OK(rt_json_to_mp(rt_text_view(&many), &f->mp));
    many.len -= strlen("\"last\":1}");
    rt_text_cstr(&many, "\"k77\":1}");
    check_refused(f, rt_text_view(&many), RT_EDUP);
    rt_text_fini(&many);
}

static void
test_json_errors_name_line_and_column(void **state)
{
    fixture *f = *state;

    check_refused(f, RT_STR("{\n  \"ñ\": tru\n}"), RT_EPROTO);
    CHECK_CSTR(rt_err_detail(), "JSON line 2 column 8: a value was expected");
    check_refused(f, RT_STR("[1,\n 2,\n 1e999]"), RT_EPROTO);
    CHECK_CSTR(rt_err_detail(), "JSON line 3 column 2: number out of range");
    check_refused(f, RT_STR("{} x"), RT_EPROTO);
    CHECK_CSTR(rt_err_detail(), "JSON line 1 column 4: text after the value");
    check_refused(f, RT_STR("[1, "), RT_EPROTO);
    CHECK_CSTR(rt_err_detail(), "JSON line 1 column 5: text ends early");
}

static void
test_json_limits(void **state)
{
    fixture *f = *state;
    char deep[200] = "";
    char digits[80];
    size_t big = RT_JSON_BYTES_MAX + 1;
    char *text = rt_alloc(big);
    rt_mpw small;

    memset(deep, '[', RT_JSON_DEPTH_MAX);
    memset(deep + RT_JSON_DEPTH_MAX, ']', RT_JSON_DEPTH_MAX);
    check_round_trip(f, deep, deep);
    memset(deep, '[', RT_JSON_DEPTH_MAX + 2);
    check_refused(f, (rt_str){deep, 2 * RT_JSON_DEPTH_MAX + 2}, RT_ELIMIT);
    memset(digits, '1', sizeof(digits));
    check_refused(f, (rt_str){digits, 64}, RT_ELIMIT);
    check_refused(f, (rt_str){digits, 63}, RT_EPROTO);
    memset(text, '[', big);
    check_refused(f, (rt_str){text, big}, RT_ELIMIT);
    check_refused(f, (rt_str){text, big - 1}, RT_ELIMIT);
    rt_free(text);
    rt_mpw_init(&small, 16);
    CHECK_ERR(rt_json_to_mp(RT_STR("[\"0123456789\",\"0123456789\"]"), &small), RT_ELIMIT);
    rt_mpw_fini(&small);
}

static void
test_json_from_mp_writes_what_json_lacks(void **state)
{
    fixture *f = *state;
    const uint8_t ext[] = {0xc7, 0x02, 0xff, 'h', 'i'};

    rt_mpw_map(&f->mp, 4);
    rt_mpw_i64(&f->mp, 5);
    rt_mpw_bin(&f->mp, (rt_bytes){(const uint8_t *)"any carnal pleas", 16});
    rt_mpw_bool(&f->mp, true);
    rt_mpw_f64(&f->mp, (double)NAN);
    rt_mpw_cstr(&f->mp, "x");
    rt_mpw_f64(&f->mp, -(double)INFINITY);
    rt_mpw_cstr(&f->mp, "e");
    rt_mpw_raw(&f->mp, (rt_bytes){ext, sizeof(ext)});
    CHECK_OK(rt_json_from_mp(rt_mpw_view(&f->mp), &f->out));

    CHECK_STR(rt_text_view(&f->out), "{\"5\":\"YW55IGNhcm5hbCBwbGVhcw==\",\"true\":null,\"x\":null,"
                                     "\"e\":{\"ext\":-1,\"base64\":\"aGk=\"}}");
}

static void
test_json_base64_of_every_remainder(void **state)
{
    fixture *f = *state;
    static const char *const want[] = {"\"\"", "\"AA==\"", "\"AAE=\"", "\"AAEC\"", "\"AAEC/w==\""};
    const uint8_t bytes[] = {0, 1, 2, 255};

    for (size_t len = 0; len < RT_COUNT(want); len++) {
        rt_mpw_clear(&f->mp);
        rt_text_clear(&f->out);
        rt_mpw_bin(&f->mp, (rt_bytes){bytes, len});
        CHECK_OK(rt_json_from_mp(rt_mpw_view(&f->mp), &f->out));
        CHECK_STR(rt_text_view(&f->out), want[len]);
    }
}

static void
test_json_string_is_always_valid(void **state)
{
    fixture *f = *state;

    rt_json_string(&f->out, (rt_str){"a\0\x7f\"\xff\xc3\xb1\xe2\x82", 9});

    CHECK_STR(rt_text_view(&f->out),
              "\"a\\u0000\\u007f\\\"\xef\xbf\xbdñ\xef\xbf\xbd\xef\xbf\xbd\"");
}

static void
test_json_pretty_indents_by_two(void **state)
{
    fixture *f = *state;

    CHECK_OK(rt_json_to_mp(RT_STR("{\"a\":[1,{\"b\":[]}],\"c\":{}}"), &f->mp));
    CHECK_OK(rt_json_pretty(rt_mpw_view(&f->mp), &f->out));

    CHECK_STR(rt_text_view(&f->out), "{\n  \"a\": [\n    1,\n    {\n      \"b\": []\n    }\n  ],\n"
                                     "  \"c\": {}\n}");
}

static void
test_json_from_bad_mp_leaves_the_text_alone(void **state)
{
    fixture *f = *state;
    static const char *const bad[] = {"",     "\x92\x01",     "\x01\x02",
                                      "\xc1", "\x81\x90\x01", "\xd9\x05xx"};
    char deep[40];

    rt_text_cstr(&f->out, "kept");
    for (size_t i = 0; i < RT_COUNT(bad); i++) {
        CHECK_ERR(rt_json_from_mp(rt_bytes_of_str(rt_str_of(bad[i])), &f->out), RT_EPROTO);
        CHECK_STR(rt_text_view(&f->out), "kept");
    }
    memset(deep, '\x91', sizeof(deep));
    CHECK_ERR(rt_json_from_mp((rt_bytes){(const uint8_t *)deep, sizeof(deep)}, &f->out), RT_ELIMIT);
    CHECK_STR(rt_text_view(&f->out), "kept");
}

static void
test_json_random_bytes_never_crash_and_accepted_ones_repeat(void **state)
{
    fixture *f = *state;
    static const char alphabet[] = "{}[]\",:0123.eE+-tfnul\\\"\"ae \xc3\xb1\n";
    rt_rng rng;
    int accepted = 0;

    rt_rng_seed(&rng, 20261120, 8);
    for (int round = 0; round < 200000; round++) {
        char text[24];
        size_t len = rt_rng_below(&rng, sizeof(text));
        rt_text again;

        for (size_t i = 0; i < len; i++) {
            text[i] = alphabet[rt_rng_below(&rng, sizeof(alphabet) - 1)];
        }
        rt_mpw_clear(&f->mp);
        if (rt_json_to_mp((rt_str){text, len}, &f->mp) != RT_OK) {
            continue;
        }
        accepted++;
        rt_text_clear(&f->out);
        CHECK_OK(rt_json_from_mp(rt_mpw_view(&f->mp), &f->out));
        rt_mpw_clear(&f->mp);
        CHECK_OK(rt_json_to_mp(rt_text_view(&f->out), &f->mp));
        rt_text_init(&again, 4096);
        CHECK_OK(rt_json_from_mp(rt_mpw_view(&f->mp), &again));
        CHECK_TRUE(rt_str_equal(rt_text_view(&again), rt_text_view(&f->out)));
        rt_text_fini(&again);
    }
    CHECK_TRUE(accepted > 1000);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_json_values_survive_a_round_trip),
        TEST(test_json_integers_stay_exact),
        TEST(test_json_doubles_stay_doubles),
        TEST(test_json_refuses_what_the_grammar_refuses),
        TEST(test_json_refuses_bytes_that_are_not_utf8),
        TEST(test_json_refuses_duplicate_keys),
        TEST(test_json_errors_name_line_and_column),
        TEST(test_json_limits),
        TEST(test_json_from_mp_writes_what_json_lacks),
        TEST(test_json_base64_of_every_remainder),
        TEST(test_json_string_is_always_valid),
        TEST(test_json_pretty_indents_by_two),
        TEST(test_json_from_bad_mp_leaves_the_text_alone),
        TEST(test_json_random_bytes_never_crash_and_accepted_ones_repeat),
    };

    return CHECK_RUN(tests);
}
