#include "runtime/wire/value.h"

#include "tests/harness/check.h"

typedef struct fixture {
    rt_mpw w;
    rt_text out;
} fixture;

static int
set_up(void **state)
{
    static fixture f;

    rt_mpw_init(&f.w, 4096);
    rt_text_init(&f.out, 4096);
    *state = &f;
    return 0;
}

static int
tear_down(void **state)
{
    fixture *f = *state;

    rt_mpw_fini(&f->w);
    rt_text_fini(&f->out);
    return 0;
}

// Writes and reads back.
static rt_value
round_trip(fixture *f, rt_value value)
{
    rt_mp mp;
    rt_value back = RT_NONE;

    rt_mpw_clear(&f->w);
    rt_value_write(&f->w, value);
    mp = rt_mp_init(rt_mpw_view(&f->w));
    CHECK_OK(rt_value_read(&mp, &back));
    CHECK_TRUE(rt_mp_done(&mp));
    return back;
}

static rt_err
read_bytes(const uint8_t *bytes, size_t len, rt_value *ret_value)
{
    rt_mp mp = {bytes, bytes + len};
    rt_err err = rt_value_read(&mp, ret_value);

    CHECK_TRUE(mp.at == bytes + (err == RT_OK ? len : 0));
    return err;
}

#define READ(value, ...)                                                                           \
    read_bytes((const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}), (value))

static void
check_format(fixture *f, rt_value value, const char *want)
{
    rt_text_clear(&f->out);
    rt_value_format(&f->out, value);
    CHECK_STR(rt_text_view(&f->out), want);
}

static void
test_kind_names_read_back(void **state)
{
    rt_kind kind = RT_KIND_NONE;

    (void)state;
    for (int i = RT_KIND_BOOL; i <= RT_KIND_DURATION; i++) {
        CHECK_TRUE(rt_kind_parse(rt_str_of(rt_kind_name((rt_kind)i)), &kind));
        CHECK_INT(kind, i);
    }
    CHECK_FALSE(rt_kind_parse(RT_STR("none"), &kind));
    CHECK_FALSE(rt_kind_parse(RT_STR("int"), &kind));
    CHECK_FALSE(rt_kind_parse(RT_STR(""), &kind));
    CHECK_INT(kind, RT_KIND_DURATION);
}

static void
test_value_scalars_round_trip(void **state)
{
    fixture *f = *state;

    CHECK_INT(round_trip(f, RT_NONE).kind, RT_KIND_NONE);
    CHECK_INT(round_trip(f, RT_BOOL(true)).kind, RT_KIND_BOOL);
    CHECK_TRUE(round_trip(f, RT_BOOL(true)).b);
    CHECK_FALSE(round_trip(f, RT_BOOL(false)).b);
    CHECK_INT(round_trip(f, RT_I64(INT64_MIN)).i, INT64_MIN);
    CHECK_NEAR(round_trip(f, RT_F64(0.1)).f, 0.1, 0);
    CHECK_INT(round_trip(f, RT_F64(2.0)).kind, RT_KIND_F64);
    CHECK_STR(round_trip(f, RT_TEXT(RT_STR("año"))).s, "año");
}

static void
test_value_time_and_duration_travel_as_integers(void **state)
{
    fixture *f = *state;

    CHECK_INT(round_trip(f, RT_TIME(1795000000123)).kind, RT_KIND_I64);
    CHECK_INT(round_trip(f, RT_TIME(1795000000123)).i, 1795000000123);
    CHECK_INT(round_trip(f, ((rt_value){.kind = RT_KIND_DURATION, .i = -5})).i, -5);
}

static void
test_value_read_takes_timestamps_of_all_three_sizes(void **state)
{
    rt_value value = RT_NONE;

    (void)state;
    CHECK_OK(READ(&value, 0xd6, 0xff, 0, 0, 0, 1));
    CHECK_INT(value.kind, RT_KIND_TIME);
    CHECK_INT(value.i, 1000);
    // 500 ms as nanoseconds in the upper 30 bits, 2 s in the lower 34.
    CHECK_OK(READ(&value, 0xd7, 0xff, 0x77, 0x35, 0x94, 0x00, 0, 0, 0, 2));
    CHECK_INT(value.i, 2500);
    CHECK_OK(READ(&value, 0xc7, 12, 0xff, 0, 0x0f, 0x42, 0x40, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
                  0xff, 0xff));
    CHECK_INT(value.i, -999);
}

static void
test_value_read_refuses_bad_timestamps(void **state)
{
    rt_value value = RT_I64(7);

    (void)state;
    CHECK_ERR(READ(&value, 0xd6, 0x01, 0, 0, 0, 1), RT_ETYPE);
    CHECK_ERR(READ(&value, 0xd5, 0xff, 0, 0), RT_ETYPE);
    // A second's worth of nanoseconds, and a year beyond 9999.
    CHECK_ERR(READ(&value, 0xc7, 12, 0xff, 0x3b, 0x9a, 0xca, 0x00, 0, 0, 0, 0, 0, 0, 0, 0),
              RT_ERANGE);
    CHECK_ERR(READ(&value, 0xc7, 12, 0xff, 0, 0, 0, 0, 0x7f, 0, 0, 0, 0, 0, 0, 0), RT_ERANGE);
    CHECK_INT(value.i, 7);
}

static void
test_value_read_refuses_what_is_no_scalar(void **state)
{
    rt_value value = RT_I64(7);

    (void)state;
    CHECK_ERR(READ(&value, 0x90), RT_ETYPE);
    CHECK_ERR(READ(&value, 0x80), RT_ETYPE);
    CHECK_ERR(READ(&value, 0xc4, 0), RT_ETYPE);
    CHECK_ERR(READ(&value, 0xcf, 0xff, 0, 0, 0, 0, 0, 0, 0), RT_ERANGE);
    CHECK_ERR(READ(&value, 0xcf, 0xff), RT_EPROTO);
    CHECK_INT(value.i, 7);
}

static void
test_value_format_is_for_people(void **state)
{
    fixture *f = *state;

    check_format(f, RT_NONE, "none");
    check_format(f, RT_BOOL(true), "true");
    check_format(f, RT_I64(-12), "-12");
    check_format(f, RT_F64(0.25), "0.25");
    check_format(f, RT_TEXT(RT_STR("Bogotá")), "Bogotá");
    check_format(f, RT_TIME(0), "1970-01-01T00:00:00Z");
    check_format(f, (rt_value){.kind = RT_KIND_DURATION, .i = 5400000}, "1h 30m");
}

static void
test_value_conversions_never_overflow(void **state)
{
    (void)state;
    CHECK_NEAR(rt_value_as_f64(RT_I64(3), 9), 3, 0);
    CHECK_NEAR(rt_value_as_f64(RT_BOOL(true), 9), 1, 0);
    CHECK_NEAR(rt_value_as_f64(RT_TEXT(RT_STR("3")), 9), 9, 0);
    CHECK_NEAR(rt_value_as_f64(RT_NONE, 9), 9, 0);
    CHECK_INT(rt_value_as_i64(RT_F64(-2.9), 9), -2);
    CHECK_INT(rt_value_as_i64(RT_TIME(5), 9), 5);
    CHECK_INT(rt_value_as_i64(RT_F64(1e19), 9), 9);
    CHECK_INT(rt_value_as_i64(RT_F64(9223372036854775808.0), 9), 9);
    CHECK_INT(rt_value_as_i64(RT_F64(-9223372036854775808.0), 9), INT64_MIN);
    CHECK_INT(rt_value_as_i64(RT_F64((double)NAN), 9), 9);
    CHECK_INT(rt_value_as_i64(RT_NONE, 9), 9);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kind_names_read_back),
        cmocka_unit_test_setup_teardown(test_value_scalars_round_trip, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_value_time_and_duration_travel_as_integers, set_up,
                                        tear_down),
        cmocka_unit_test(test_value_read_takes_timestamps_of_all_three_sizes),
        cmocka_unit_test(test_value_read_refuses_bad_timestamps),
        cmocka_unit_test(test_value_read_refuses_what_is_no_scalar),
        cmocka_unit_test_setup_teardown(test_value_format_is_for_people, set_up, tear_down),
        cmocka_unit_test(test_value_conversions_never_overflow),
    };

    return CHECK_RUN(tests);
}
