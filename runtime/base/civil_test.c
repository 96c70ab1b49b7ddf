#include "runtime/base/civil.h"

#include "tests/harness/check.h"

static int64_t
parse(const char *text)
{
    int64_t at_ms = 0;

    CHECK_OK(rt_parse_rfc3339(rt_str_of(text), &at_ms));
    return at_ms;
}

static void
test_civil_known_instants(void **state)
{
    static const struct {
        int64_t at_ms;
        const char *text;
        int32_t weekday;
    } cases[] = {
        {0, "1970-01-01T00:00:00Z", 4},
        {-1, "1969-12-31T23:59:59.999Z", 3},
        {951782400000, "2000-02-29T00:00:00Z", 2},
        {1709164800000, "2024-02-29T00:00:00Z", 4},
        {1732078800000, "2024-11-20T05:00:00Z", 3},
        {4107542400000, "2100-03-01T00:00:00Z", 1},
        {253402300799999, "9999-12-31T23:59:59.999Z", 5},
        {-62167219200000, "0000-01-01T00:00:00Z", 6},
        {1000000000001, "2001-09-09T01:46:40.001Z", 0},
    };
    char buf[RT_RFC3339_CAP];

    (void)state;
    for (size_t i = 0; i < RT_COUNT(cases); i++) {
        CHECK_CSTR(rt_format_rfc3339(cases[i].at_ms, buf), cases[i].text);
        CHECK_INT(parse(cases[i].text), cases[i].at_ms);
        CHECK_INT(rt_civil_from_ms(cases[i].at_ms).weekday, cases[i].weekday);
    }
}

static void
test_civil_every_day_of_800_years_follows_the_one_before(void **state)
{
    rt_civil last = rt_civil_from_ms(-INT64_C(146097) * 86400000);

    (void)state;
    for (int64_t day = -146096; day <= 146097; day++) {
        rt_civil c = rt_civil_from_ms(day * 86400000 + 43200000);
        bool same_month = c.month == last.month && c.year == last.year && c.day == last.day + 1;
        bool next_month = c.day == 1 && last.day >= 28 && c.month == last.month % 12 + 1 &&
                          c.year == last.year + (last.month == 12 ? 1 : 0);

        CHECK_TRUE(same_month || next_month);
        CHECK_INT(c.weekday, (last.weekday + 1) % 7);
        CHECK_INT(rt_civil_to_ms(&c), day * 86400000 + 43200000);
        last = c;
    }
    CHECK_INT(last.year, 2370);
}

static void
test_parse_rfc3339_reads_offsets_and_fractions(void **state)
{
    (void)state;
    CHECK_INT(parse("2026-11-20T05:00:00-05:00"), parse("2026-11-20T10:00:00Z"));
    CHECK_INT(parse("2026-11-20T05:00:00+05:30"), parse("2026-11-19T23:30:00Z"));
    CHECK_INT(parse("2026-11-20 05:00:00Z"), parse("2026-11-20T05:00:00Z"));
    CHECK_INT(parse("1970-01-01T00:00:00.5Z"), 500);
    CHECK_INT(parse("1970-01-01T00:00:00.123456789Z"), 123);
    CHECK_INT(parse("1970-01-01T00:00:00.007+00:00"), 7);
}

static void
test_parse_rfc3339_rejects_other_forms(void **state)
{
    static const char *const bad[] = {
        "",
        "2026",
        "2026-11-20",
        "2026-11-20T05:00:00",
        "2026-11-20T05:00Z",
        "2026-11-20T05:00:00.Z",
        "2026-11-20T05:00:00Zx",
        " 2026-11-20T05:00:00Z",
        "2026-11-20T05:00:00+5:00",
        "2026-11-20T05:00:00+0500",
        "2026-11-20T05:00:00+24:00",
        "2026-11-20T05:00:00+05:60",
        "2026-13-01T00:00:00Z",
        "2026-00-01T00:00:00Z",
        "2026-04-31T00:00:00Z",
        "2026-04-00T00:00:00Z",
        "2025-02-29T00:00:00Z",
        "1900-02-29T00:00:00Z",
        "2026-11-20T24:00:00Z",
        "2026-11-20T05:60:00Z",
        "2026-11-20T05:00:60Z",
        "-026-11-20T05:00:00Z",
        "2026/11/20T05:00:00Z",
    };
    int64_t at_ms = 77;

    (void)state;
    for (size_t i = 0; i < RT_COUNT(bad); i++) {
        CHECK_ERR(rt_parse_rfc3339(rt_str_of(bad[i]), &at_ms), RT_EINVAL);
        CHECK_INT(at_ms, 77);
    }
    CHECK_ERR(rt_parse_rfc3339((rt_str){"2026-11-20T05:00:00\0Z", 21}, &at_ms), RT_EINVAL);
}

static void
test_format_rfc3339_far_instants_fit_the_buffer(void **state)
{
    char buf[RT_RFC3339_CAP];

    (void)state;
    CHECK_CSTR(rt_format_rfc3339(INT64_MAX, buf), "292278994-08-17T07:12:55.807Z");
    CHECK_CSTR(rt_format_rfc3339(INT64_MIN, buf), "-292275055-05-16T16:47:04.192Z");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_civil_known_instants),
        cmocka_unit_test(test_civil_every_day_of_800_years_follows_the_one_before),
        cmocka_unit_test(test_parse_rfc3339_reads_offsets_and_fractions),
        cmocka_unit_test(test_parse_rfc3339_rejects_other_forms),
        cmocka_unit_test(test_format_rfc3339_far_instants_fit_the_buffer),
    };

    return CHECK_RUN(tests);
}
