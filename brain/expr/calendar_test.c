// Opening hours and the holidays of Colombia.
#include "brain/expr/calendar.h"

#include "tests/harness/check.h"

#define HOUR_MS ((int64_t)3600 * 1000)
#define DAY_MS (24 * HOUR_MS)
#define WEEK 0x3e // Monday to Friday

static int64_t
at(const char *text)
{
    int64_t ms;

    CHECK_OK(rt_parse_rfc3339(rt_str_of(text), &ms));
    return ms;
}

// As published for 2026, in the order of the year.
static void
test_holidays_of_2026(void **state)
{
    static const struct {
        int32_t month;
        int32_t day;
    } days[] = {{1, 1},  {1, 12}, {3, 23}, {4, 2},  {4, 3},   {5, 1},  {5, 18}, {6, 8},   {6, 15},
                {6, 29}, {7, 20}, {8, 7},  {8, 17}, {10, 12}, {11, 2}, {11, 16}, {12, 8}, {12, 25}};
    size_t count = 0;

    (void)state;
    for (int64_t ms = at("2026-01-01T00:00:00Z"); ms < at("2027-01-01T00:00:00Z"); ms += DAY_MS) {
        rt_civil day = rt_civil_from_ms(ms);
        bool listed = false;

        for (size_t i = 0; i < RT_COUNT(days); i++) {
            listed = listed || (days[i].month == day.month && days[i].day == day.day);
        }
        CHECK_INT(br_holiday_co(day.year, day.month, day.day), listed);
        count += listed;
    }
    CHECK_U64(count, 18);
}

// Easter of other years: 31 March 2024, 20 April 2025, 28 March 2027.
static void
test_holidays_move_with_easter(void **state)
{
    (void)state;
    CHECK_TRUE(br_holiday_co(2024, 3, 29));
    CHECK_TRUE(br_holiday_co(2025, 4, 18));
    CHECK_TRUE(br_holiday_co(2025, 6, 2));
    CHECK_TRUE(br_holiday_co(2027, 3, 26));
    CHECK_FALSE(br_holiday_co(2024, 3, 31));
    CHECK_FALSE(br_holiday_co(2025, 1, 7));
}

static void
check_next(const br_hours *hours, const char *from, const char *want)
{
    int64_t next_ms = br_hours_next_ms(hours, at(from));

    CHECK_INT(next_ms, at(want));
    CHECK_TRUE(br_hours_open(hours, next_ms));
    CHECK_FALSE(br_hours_open(hours, next_ms - 1));
}

static void
test_hours_of_a_working_day(void **state)
{
    const br_hours hours = {8 * 60, 18 * 60, WEEK, false, RT_STR("America/Bogota")};

    (void)state;
    CHECK_FALSE(br_hours_open(&hours, at("2026-11-20T07:59:59-05:00")));
    CHECK_TRUE(br_hours_open(&hours, at("2026-11-20T08:00:00-05:00")));
    CHECK_TRUE(br_hours_open(&hours, at("2026-11-20T17:59:59-05:00")));
    CHECK_FALSE(br_hours_open(&hours, at("2026-11-20T18:00:00-05:00")));
    CHECK_FALSE(br_hours_open(&hours, at("2026-11-21T12:00:00-05:00"))); // Saturday
    CHECK_FALSE(br_hours_open(&hours, at("2026-11-16T12:00:00-05:00"))); // holiday
    check_next(&hours, "2026-11-20T03:00:00-05:00", "2026-11-20T08:00:00-05:00");
    check_next(&hours, "2026-11-20T18:00:00-05:00", "2026-11-23T08:00:00-05:00");
    check_next(&hours, "2026-11-13T20:00:00-05:00", "2026-11-17T08:00:00-05:00");
}

static void
test_hours_over_midnight(void **state)
{
    const br_hours hours = {22 * 60, 6 * 60, 1 << 5, true, RT_STR("-05:00")}; // Friday night

    (void)state;
    CHECK_TRUE(br_hours_open(&hours, at("2026-11-20T23:00:00-05:00")));
    CHECK_TRUE(br_hours_open(&hours, at("2026-11-21T05:59:00-05:00")));
    CHECK_FALSE(br_hours_open(&hours, at("2026-11-21T06:00:00-05:00")));
    CHECK_FALSE(br_hours_open(&hours, at("2026-11-20T05:00:00-05:00")));
    check_next(&hours, "2026-11-21T12:00:00-05:00", "2026-11-27T22:00:00-05:00");
}

static void
test_hours_where_clocks_change(void **state)
{
    const br_hours hours = {8 * 60, 18 * 60, 0x7f, true, RT_STR("America/New_York")};

    (void)state;
    check_next(&hours, "2026-03-07T20:00:00-05:00", "2026-03-08T08:00:00-04:00");
    check_next(&hours, "2026-10-31T20:00:00-04:00", "2026-11-01T08:00:00-05:00");
}

static void
test_hours_that_never_come(void **state)
{
    const br_hours hours = {8 * 60, 18 * 60, 0, true, RT_STR("UTC")};

    (void)state;
    CHECK_INT(br_hours_next_ms(&hours, 0), INT64_MAX);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_holidays_of_2026),
        cmocka_unit_test(test_holidays_move_with_easter),
        cmocka_unit_test(test_hours_of_a_working_day),
        cmocka_unit_test(test_hours_over_midnight),
        cmocka_unit_test(test_hours_where_clocks_change),
        cmocka_unit_test(test_hours_that_never_come),
    };
    return CHECK_RUN(tests);
}
