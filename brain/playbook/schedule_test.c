// When a schedule comes next.
#include "brain/playbook/schedule.h"

#include "runtime/base/civil.h"
#include "tests/harness/check.h"

static int64_t
at(const char *text)
{
    int64_t ms;

    CHECK_OK(rt_parse_rfc3339(rt_str_of(text), &ms));
    return ms;
}

static void
check_next(const br_schedule *s, const char *after, const char *want)
{
    int64_t next_ms = br_schedule_next(s, at(after));

    if (next_ms != at(want)) {
        char text[RT_RFC3339_CAP];

        fail_msg("after %s comes %s, not %s", after, rt_format_rfc3339(next_ms, text), want);
    }
}

static br_schedule
cron(const char *text, const char *zone)
{
    br_schedule s = {.zone = rt_str_of(zone)};
    size_t from;
    size_t len;
    const char *why = br_cron_parse(rt_str_of(text), &s, &from, &len);

    if (why != NULL) {
        fail_msg("%s: %s", text, why);
    }
    return s;
}

static void
test_cron_comes_when_it_says(void **state)
{
    static const struct {
        const char *cron;
        const char *after;
        const char *next;
    } list[] = {
        {"30 7 * * mon-sat", "2026-11-20T07:29:59-05:00", "2026-11-20T07:30:00-05:00"},
        {"30 7 * * mon-sat", "2026-11-20T07:30:00-05:00", "2026-11-21T07:30:00-05:00"},
        {"30 7 * * mon-sat", "2026-11-21T08:00:00-05:00", "2026-11-23T07:30:00-05:00"},
        {"*/15 * * * *", "2026-11-20T23:46:00-05:00", "2026-11-21T00:00:00-05:00"},
        {"5/20 0 * * *", "2026-11-20T00:25:00-05:00", "2026-11-20T00:45:00-05:00"},
        {"0 0 1 jan *", "2026-11-20T00:00:00-05:00", "2027-01-01T00:00:00-05:00"},
        {"0 12 31 * *", "2026-11-20T00:00:00-05:00", "2026-12-31T12:00:00-05:00"},
        {"0 12 29 2 *", "2026-11-20T00:00:00-05:00", "2028-02-29T12:00:00-05:00"},
        {"0 0 * * 7", "2026-11-20T00:00:00-05:00", "2026-11-22T00:00:00-05:00"},
        {"0 0 13 * fri", "2026-11-20T00:00:00-05:00", "2026-11-27T00:00:00-05:00"}, // either
        {"0 9,17 * * *", "2026-11-20T09:00:00-05:00", "2026-11-20T17:00:00-05:00"},
        {"0 8-10/2 * * *", "2026-11-20T08:00:00-05:00", "2026-11-20T10:00:00-05:00"},
    };

    (void)state;
    for (size_t i = 0; i < RT_COUNT(list); i++) {
        br_schedule s = cron(list[i].cron, "America/Bogota");

        check_next(&s, list[i].after, list[i].next);
    }
}

// In New York clocks go from 02:00 to 03:00 on 8 March 2026, and from 02:00 to 01:00 on 1 November.
static void
test_cron_where_clocks_change(void **state)
{
    br_schedule s = cron("30 2 * * *", "America/New_York");

    (void)state;
    check_next(&s, "2026-03-07T12:00:00Z", "2026-03-09T02:30:00-04:00");
    s = cron("30 1 * * *", "America/New_York");
    check_next(&s, "2026-10-31T12:00:00Z", "2026-11-01T01:30:00-04:00");
    check_next(&s, "2026-11-01T01:30:00-04:00", "2026-11-02T01:30:00-05:00");
}

static void
test_cron_that_is_wrong_is_told_where(void **state)
{
    static const struct {
        const char *cron;
        size_t at;
        size_t len;
        const char *why;
    } list[] = {
        {"60 * * * *", 0, 2, "not in its range"}, {"* 24 * * *", 2, 2, "not in its range"},
        {"* * 0 * *", 4, 1, "not in its range"},  {"* * * 13 *", 6, 2, "not in its range"},
        {"* * * * 8", 8, 1, "not in its range"},  {"* * * * lun", 8, 3, "not in its range"},
        {"1,61 * * * *", 2, 2, "range"},          {"5-1 * * * *", 0, 3, "ends before"},
        {"*/0 * * * *", 0, 3, "no step"},         {"* * * *", 0, 7, "five fields"},
        {"* * * * * *", 0, 11, "five fields"},    {"", 0, 0, "five fields"},
        {"1,,2 * * * *", 0, 4, "range"},          {"-1 * * * *", 0, 2, "range"},
        {"+1 * * * *", 0, 2, "range"},            {"@daily", 0, 6, "range"},
    };

    (void)state;
    for (size_t i = 0; i < RT_COUNT(list); i++) {
        br_schedule s = {0};
        size_t from = 0;
        size_t len = 0;
        const char *why = br_cron_parse(rt_str_of(list[i].cron), &s, &from, &len);

        CHECK_TRUE(why != NULL);
        CHECK_HAS(rt_str_of(why), list[i].why);
        CHECK_U64(from, list[i].at);
        CHECK_U64(len, list[i].len);
    }
}

static void
test_cron_that_never_comes(void **state)
{
    br_schedule s = cron("0 0 30 2 *", "America/Bogota");

    (void)state;
    CHECK_TRUE(br_schedule_next(&s, at("2026-11-20T00:00:00Z")) == INT64_MAX);
}

static void
test_every_counts_from_local_midnight(void **state)
{
    br_schedule s = {.kind = BR_SCHEDULE_EVERY,
                     .every_ms = 6 * 3600 * 1000,
                     .zone = RT_STR("America/Bogota")};

    (void)state;
    check_next(&s, "2026-11-20T00:00:00-05:00", "2026-11-20T06:00:00-05:00");
    check_next(&s, "2026-11-20T05:59:59-05:00", "2026-11-20T06:00:00-05:00");
    check_next(&s, "2026-11-20T18:00:01-05:00", "2026-11-21T00:00:00-05:00");
    s.every_ms = 60000;
    check_next(&s, "2026-11-20T18:00:01-05:00", "2026-11-20T18:01:00-05:00");
    s.zone = RT_STR("America/New_York"); // an hour that is not there
    check_next(&s, "2026-03-08T01:59:30-05:00", "2026-03-08T03:00:00-04:00");
}

static void
test_at_comes_once(void **state)
{
    br_schedule s = {.kind = BR_SCHEDULE_AT, .at_ms = at("2026-12-24T08:00:00-05:00")};

    (void)state;
    check_next(&s, "2026-11-20T00:00:00Z", "2026-12-24T13:00:00Z");
    CHECK_TRUE(br_schedule_next(&s, s.at_ms) == INT64_MAX);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cron_comes_when_it_says),
        cmocka_unit_test(test_cron_where_clocks_change),
        cmocka_unit_test(test_cron_that_is_wrong_is_told_where),
        cmocka_unit_test(test_cron_that_never_comes),
        cmocka_unit_test(test_every_counts_from_local_midnight),
        cmocka_unit_test(test_at_comes_once),
    };

    return CHECK_RUN(tests);
}
