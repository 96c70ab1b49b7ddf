#include "tests/bench/histogram.h"

#include "tests/harness/check.h"

static void
test_histogram_empty_quantile_is_zero(void **state)
{
    static histogram h;

    (void)state;
    CHECK_U64(histogram_quantile(&h, .99), 0);
}

static void
test_histogram_small_values_are_exact(void **state)
{
    static histogram h;

    (void)state;
    for (uint64_t v = 1; v <= 50; v++) {
        histogram_add(&h, v);
    }

    CHECK_U64(histogram_quantile(&h, .5), 25);
    CHECK_U64(histogram_quantile(&h, 1), 50);
    CHECK_U64(histogram_quantile(&h, .02), 1);
}

static void
test_histogram_large_values_are_within_two_percent(void **state)
{
    static histogram h;

    (void)state;
    for (uint64_t v = 1; v <= 1000000; v++) {
        histogram_add(&h, v);
    }

    for (int p = 1; p < 100; p++) {
        double want = p * 10000.0;
        double got = (double)histogram_quantile(&h, p / 100.0);
        CHECK_TRUE(got >= want && got <= want * 1.016);
    }
    CHECK_U64(histogram_quantile(&h, 1), 1000000);
}

static void
test_histogram_huge_value_is_kept_as_max(void **state)
{
    static histogram h;

    (void)state;
    histogram_add(&h, UINT64_MAX);

    CHECK_U64(h.max, UINT64_MAX);
    CHECK_U64(h.count, 1);
    CHECK_U64(h.buckets[HISTOGRAM_BUCKETS - 1], 1);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_histogram_empty_quantile_is_zero),
        cmocka_unit_test(test_histogram_small_values_are_exact),
        cmocka_unit_test(test_histogram_large_values_are_within_two_percent),
        cmocka_unit_test(test_histogram_huge_value_is_kept_as_max),
    };
    return CHECK_RUN(tests);
}
