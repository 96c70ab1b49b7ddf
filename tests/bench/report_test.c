#include "tests/bench/report.h"

#include "tests/harness/check.h"

static void
test_report_spread_of_odd_count_has_the_middle_value(void **state)
{
    double values[] = {5, 1, 9};

    (void)state;
    report_spread spread = report_spread_of(values, 3);

    CHECK_TRUE(spread.median == 5);
    CHECK_TRUE(spread.low == 1);
    CHECK_TRUE(spread.high == 9);
}

static void
test_report_spread_of_even_count_has_the_mean_of_the_middle_two(void **state)
{
    double values[] = {8, 2, 100, 4};

    (void)state;
    report_spread spread = report_spread_of(values, 4);

    CHECK_TRUE(spread.median == 6);
    CHECK_TRUE(spread.low == 2);
    CHECK_TRUE(spread.high == 100);
}

static void
test_report_spread_of_one_value_is_that_value(void **state)
{
    double values[] = {0.25};

    (void)state;
    report_spread spread = report_spread_of(values, 1);

    CHECK_TRUE(spread.median == 0.25);
    CHECK_TRUE(spread.low == 0.25);
    CHECK_TRUE(spread.high == 0.25);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_report_spread_of_odd_count_has_the_middle_value),
        cmocka_unit_test(test_report_spread_of_even_count_has_the_mean_of_the_middle_two),
        cmocka_unit_test(test_report_spread_of_one_value_is_that_value),
    };
    return CHECK_RUN(tests);
}
