#include "runtime/config/param.h"

#include "tests/harness/check.h"

static const rt_param a_bool = {"on", RT_PARAM_BOOL, "true", 0, 1, "", "A switch."};
static const rt_param a_count = {"n", RT_PARAM_I64, "3", -2, 10, "orders", "A count."};
static const rt_param a_ratio = {"r", RT_PARAM_F64, "0.5", 0, 1, "", "A ratio."};
static const rt_param a_name = {"s", RT_PARAM_STR, "abc", 1, 4, "", "A name."};
static const rt_param a_time = {"t", RT_PARAM_DURATION_MS, "10s", 100, 60000, "ms", "A time."};
static const rt_param a_size = {"z", RT_PARAM_SIZE_BYTES, "1MiB", 1024, 1 << 30, "bytes", "Size."};

static void
test_param_values_are_typed(void **state)
{
    rt_param_value v;

    (void)state;
    CHECK_OK(rt_param_parse(&a_bool, RT_STR("false"), &v));
    CHECK_FALSE(v.b);
    CHECK_OK(rt_param_parse(&a_count, RT_STR("-2"), &v));
    CHECK_INT(v.i, -2);
    CHECK_NEAR(v.f, -2, 0);
    CHECK_OK(rt_param_parse(&a_ratio, RT_STR("1"), &v));
    CHECK_NEAR(v.f, 1, 0);
    CHECK_OK(rt_param_parse(&a_name, RT_STR("ñu"), &v));
    CHECK_STR(v.s, "ñu");
    CHECK_OK(rt_param_parse(&a_time, RT_STR("1m"), &v));
    CHECK_INT(v.i, 60000);
    CHECK_OK(rt_param_parse(&a_size, RT_STR("64KiB"), &v));
    CHECK_INT(v.i, 65536);
}

static void
test_param_wrong_types_are_etype(void **state)
{
    rt_param_value v = {.i = 77};

    (void)state;
    CHECK_ERR(rt_param_parse(&a_bool, RT_STR("yes"), &v), RT_ETYPE);
    CHECK_ERR(rt_param_parse(&a_bool, RT_STR("True"), &v), RT_ETYPE);
    CHECK_ERR(rt_param_parse(&a_count, RT_STR("3.0"), &v), RT_ETYPE);
    CHECK_ERR(rt_param_parse(&a_count, RT_STR(""), &v), RT_ETYPE);
    CHECK_ERR(rt_param_parse(&a_ratio, RT_STR("half"), &v), RT_ETYPE);
    CHECK_ERR(rt_param_parse(&a_name, RT_STR("a\0b"), &v), RT_ETYPE);
    CHECK_ERR(rt_param_parse(&a_name, RT_STR("\xff"), &v), RT_ETYPE);
    CHECK_ERR(rt_param_parse(&a_time, RT_STR("10"), &v), RT_ETYPE);
    CHECK_ERR(rt_param_parse(&a_size, RT_STR("64kb"), &v), RT_ETYPE);
    CHECK_INT(v.i, 77); // untouched by every failure
}

static void
test_param_bounds_are_inclusive(void **state)
{
    rt_param_value v;

    (void)state;
    CHECK_OK(rt_param_parse(&a_count, RT_STR("10"), &v));
    CHECK_ERR(rt_param_parse(&a_count, RT_STR("11"), &v), RT_ERANGE);
    CHECK_ERR(rt_param_parse(&a_count, RT_STR("-3"), &v), RT_ERANGE);
    CHECK_ERR(rt_param_parse(&a_count, RT_STR("99999999999999999999"), &v), RT_ERANGE);
    CHECK_ERR(rt_param_parse(&a_ratio, RT_STR("1.0001"), &v), RT_ERANGE);
    CHECK_ERR(rt_param_parse(&a_name, RT_STR(""), &v), RT_ERANGE);
    CHECK_ERR(rt_param_parse(&a_name, RT_STR("abcde"), &v), RT_ERANGE);
    CHECK_ERR(rt_param_parse(&a_time, RT_STR("99ms"), &v), RT_ERANGE);
    CHECK_ERR(rt_param_parse(&a_size, RT_STR("2GiB"), &v), RT_ERANGE);
}

static void
test_param_error_detail_says_what_is_wanted(void **state)
{
    rt_param_value v;

    (void)state;
    CHECK_ERR(rt_param_parse(&a_count, RT_STR("11"), &v), RT_ERANGE);
    CHECK_CSTR(rt_err_detail(), "must be from -2 to 10 orders, is '11'");
    CHECK_ERR(rt_param_parse(&a_time, RT_STR("soon"), &v), RT_ETYPE);
    CHECK_CSTR(rt_err_detail(), "must be a duration such as 250ms, 10s, 5m or 24h, is 'soon'");
}

static void
test_param_fallback_is_read(void **state)
{
    (void)state;
    CHECK_TRUE(rt_param_fallback(&a_bool).b);
    CHECK_INT(rt_param_fallback(&a_size).i, 1 << 20);
    CHECK_STR(rt_param_fallback(&a_name).s, "abc");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_param_values_are_typed),
        cmocka_unit_test(test_param_wrong_types_are_etype),
        cmocka_unit_test(test_param_bounds_are_inclusive),
        cmocka_unit_test(test_param_error_detail_says_what_is_wanted),
        cmocka_unit_test(test_param_fallback_is_read),
    };

    return CHECK_RUN(tests);
}
