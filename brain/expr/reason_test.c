// Conditions that can never be true, always are, or compare with what the catalogue rules out.
#include <stdio.h>

#include "brain/expr/expr.h"
#include "tests/harness/check.h"

static const rt_str colours[] = {{"red", 3}, {"green", 5}};
static const rt_field colour = {.values = colours, .value_count = 2};
static const rt_field ratio = {.has_min = true, .has_max = true, .min = 0, .max = 1};
static const rt_field positive = {.has_min = true, .min = 0};
static const rt_field at_most = {.has_max = true, .max = 60000};

static const struct {
    const char *path;
    rt_kind kind;
    const rt_field *field;
} names[] = {
    {"a.colour", RT_KIND_STR, &colour}, {"a.ratio", RT_KIND_F64, &ratio},
    {"a.count", RT_KIND_I64, &positive}, {"a.wait", RT_KIND_DURATION, &at_most},
    {"a.idle_ms", RT_KIND_I64, NULL},   {"a.text", RT_KIND_STR, NULL},
    {"a.x", RT_KIND_I64, NULL},         {"a.f", RT_KIND_F64, NULL},
    {"a.at", RT_KIND_TIME, NULL},       {"a.flag", RT_KIND_BOOL, NULL},
};

static bool
resolve(void *user, rt_str path, br_expr_var *ret_var)
{
    (void)user;
    for (uint32_t i = 0; i < RT_COUNT(names); i++) {
        if (rt_str_is(path, names[i].path)) {
            *ret_var = (br_expr_var){.slot = i, .kind = names[i].kind, .field = names[i].field};
            return true;
        }
    }
    return false;
}

// Compiles and gives the findings, one a line, without file names.
static void
check_reasons(const char *source, br_expr_reasons reasons, const char *expected)
{
    br_expr_env env = {.resolve = resolve, .reasons = reasons};
    rt_diag *diag = rt_diag_new();
    br_expr *expr = NULL;
    rt_text found;
    rt_err err = br_expr_compile(rt_str_of(source), NULL, &env, RT_KIND_BOOL, diag, &expr);

    rt_text_init(&found, 4096);
    for (size_t i = 0; i < rt_diag_count(diag); i++) {
        rt_finding f = rt_diag_at(diag, i);
        rt_text_printf(&found, "%s%u-%u %s", i > 0 ? "; " : "", f.mark.column,
                       f.mark.column + f.mark.length - 1, f.code);
    }
    if (strcmp(found.len > 0 ? found.ptr : "", expected) != 0) {
        print_error("%s\n  wanted: %s\n  found:  %s\n", source, expected,
                    found.len > 0 ? found.ptr : "");
        fail();
    }
    CHECK_INT(err == RT_OK, rt_diag_errors(diag) == 0);
    CHECK_TRUE(err == RT_OK || reasons == BR_REASONS_ERROR);
    CHECK_INT(expr != NULL, err == RT_OK);
    rt_text_fini(&found);
    br_expr_free(expr);
    rt_diag_free(diag);
}

typedef struct example {
    const char *source;
    const char *found; // columns of the place and code
} example;

static void
check_all(const example *list, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        check_reasons(list[i].source, BR_REASONS_ERROR, list[i].found);
    }
}

static void
test_reason_says_nothing_of_what_can_be(void **state)
{
    static const example list[] = {
        {"a.x > 5 && a.x < 7", ""},
        {"a.x >= 5 && a.x <= 5", ""},
        {"a.x > 5 && a.x < 6", ""}, // of whole numbers none lies between: not looked at
        {"a.x > 5 || a.x < 3", ""},
        {"a.x > 5 && (a.x < 3 || a.x > 8)", ""},
        {"a.x > 5 && (a.f < 3.0 || a.x == 4)", ""},
        {"a.x != 5 && a.x != 6", ""},
        {"a.text == \"a\" || a.text == \"b\"", ""},
        {"a.text in [\"a\", \"b\"] && a.text != \"a\"", ""},
        {"a.text != \"a\" && !(a.text in [\"b\"])", ""},
        {"a.colour == \"red\" && a.ratio > 0.5 && a.count > 0", ""},
        {"a.colour in [\"green\", \"red\"]", ""},
        {"a.ratio >= 1.0 || a.ratio < 0.1", ""},
        {"a.idle_ms > 1000 && a.idle_ms < 86400000", ""},
        {"a.x > 5 ? a.x < 3 : true", ""},
        {"[1, 2].exists(x, x > 5 && x > 1)", ""},
        {"a.flag && a.at > timestamp(\"2026-01-01T00:00:00Z\")", ""},
    };

    (void)state;
    check_all(list, RT_COUNT(list));
}

static void
test_reason_finds_parts_that_exclude_each_other(void **state)
{
    static const example list[] = {
        {"a.x > 5 && a.x < 3", "12-18 B2131"},
        {"a.x > 5 && a.flag && a.x <= 5", "22-29 B2131"},
        {"a.x == 5 && a.x == 6", "13-20 B2131"},
        {"a.x == 5 && a.x != 5", "13-20 B2131"},
        {"5 < a.x && 3 > a.x", "12-18 B2131"},
        {"a.f > 0.5 && a.f < 0.5", "14-22 B2131"},
        {"a.f >= 0.5 && a.f < 0.5", "15-23 B2131"},
        {"!(a.x > 5) && a.x > 5", "15-21 B2131"},
        {"a.text == \"a\" && a.text == \"b\"", "18-30 B2131"},
        {"a.text in [\"a\", \"b\"] && a.text == \"c\"", "25-37 B2131"},
        {"a.text == \"a\" && !(a.text in [\"a\", \"b\"])", "20-39 B2131"},
        {"a.text == \"a\" && a.text != \"a\"", "18-30 B2131"},
        {"a.x > 5 && (a.x < 3 || a.x == 4)", "13-31 B2131"},
        {"(a.x > 5 && a.x < 3) || a.flag", "13-19 B2131"},
        {"a.flag || (a.flag && (a.x > 5 && a.x < 3))", "34-40 B2131"},
        {"a.wait > duration(\"10s\") && a.wait < duration(\"5s\")", "29-51 B2131"},
        {"a.at > timestamp(\"2026-01-02T00:00:00Z\") && a.at < timestamp(\"2026-01-01T00:00:00Z\")",
         "45-84 B2131"},
        {"!(a.x > 5 && a.x < 3)", "14-20 B2131"},
        {"a.x > 2 * 3 && a.x < 10 / 2", "16-27 B2131"},
    };

    (void)state;
    check_all(list, RT_COUNT(list));
}

static void
test_reason_finds_constant_conditions(void **state)
{
    static const example list[] = {
        {"1 > 2", "1-5 B2131"},
        {"false", "1-5 B2131"},
        {"a.flag && false", "1-15 B2131"},
        {"true", "1-4 B2132"},
        {"a.flag || true", "1-14 B2132"},
        {"\"a\" in [\"a\"]", "1-12 B2132"},
        {"!true", "1-5 B2131"},
        {"!(a.flag || true) || 2 > 3", "1-26 B2131"},
    };

    (void)state;
    check_all(list, RT_COUNT(list));
}

static void
test_reason_holds_claims_against_the_catalogue(void **state)
{
    static const example list[] = {
        {"a.colour == \"rde\"", "13-17 B2133"},
        {"a.colour != \"rde\"", "13-17 B2133"},
        {"\"rde\" == a.colour", "1-5 B2133"},
        {"a.colour in [\"red\", \"gren\", \"blue\"]", "21-26 B2133; 29-34 B2133"},
        {"a.ratio > 1.0", "1-13 B2134"},
        {"a.ratio >= 1.5", "1-14 B2134"},
        {"a.ratio == 2.0", "1-14 B2134"},
        {"a.ratio < 0.0", "1-13 B2134"},
        {"a.count < 0", "1-11 B2134"},
        {"a.flag || a.count == -1", "11-23 B2134"},
        {"a.ratio >= 0.0", "1-14 B2135"},
        {"a.ratio <= 1.0 && a.flag", "1-14 B2135"},
        {"a.ratio != 2.0", "1-14 B2135"},
        {"a.wait > duration(\"2m\")", "1-23 B2134"},
        {"a.wait < duration(\"2h\")", "1-23 B2135"},
        {"a.idle_ms > 24", "13-14 B2136"},
        {"a.x > 1 / 0", "7-11 B2137"},
        {"int(\"abc\") == a.x", "1-10 B2137"},
        {"a.flag || [1, 2][5] == 1", "11-19 B2137"},
    };

    (void)state;
    check_all(list, RT_COUNT(list));
}

static void
test_reason_warns_or_is_silent_as_asked(void **state)
{
    (void)state;
    check_reasons("a.x > 5 && a.x < 3", BR_REASONS_OFF, "");
    check_reasons("a.x > 5 && a.x < 3", BR_REASONS_WARN, "12-18 B2131");
    check_reasons("a.colour == \"rde\"", BR_REASONS_WARN, "13-17 B2133");
}

// The longest condition that can be written costs a bounded time.
static void
test_reason_of_many_claims_ends(void **state)
{
    rt_text source;

    (void)state;
    rt_text_init(&source, 4096);
    for (int i = 0; i < 200; i++) {
        rt_text_printf(&source, "%sa.x != %d", i > 0 ? " && " : "", i);
    }
    check_reasons(source.ptr, BR_REASONS_ERROR, "");
    rt_text_fini(&source);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reason_says_nothing_of_what_can_be),
        cmocka_unit_test(test_reason_finds_parts_that_exclude_each_other),
        cmocka_unit_test(test_reason_finds_constant_conditions),
        cmocka_unit_test(test_reason_holds_claims_against_the_catalogue),
        cmocka_unit_test(test_reason_warns_or_is_silent_as_asked),
        cmocka_unit_test(test_reason_of_many_claims_ends),
    };

    return CHECK_RUN(tests);
}
