#include "brain/core/metrics.h"

#include <stdlib.h>

#include "runtime/base/rng.h"
#include "tests/harness/check.h"

static void
test_histogram_small_values_are_exact(void **state)
{
    br_histogram h = {0};

    (void)state;
    for (uint64_t v = 0; v < 8; v++) {
        br_histogram_add(&h, v);
    }

    CHECK_U64(h.count, 8);
    CHECK_U64(h.sum, 28);
    CHECK_U64(br_histogram_quantile(&h, 0), 0);
    CHECK_U64(br_histogram_quantile(&h, 0.5), 4);
    CHECK_U64(br_histogram_quantile(&h, 1), 7);
}

static void
test_histogram_empty_is_zero(void **state)
{
    br_histogram h = {0};

    (void)state;
    CHECK_U64(br_histogram_quantile(&h, 0.5), 0);
    CHECK_U64(br_histogram_quantile(&h, 1), 0);
}

static void
test_histogram_one_value_is_within_its_bucket(void **state)
{
    (void)state;
    for (uint64_t v = 1; v < 1ull << 33; v = v * 9 / 8 + 1) {
        br_histogram h = {0};

        br_histogram_add(&h, v);
        uint64_t top = br_histogram_quantile(&h, 0.5);
        CHECK_TRUE(top >= v);
        CHECK_TRUE(top - v <= v / 8);
    }
}

static void
test_histogram_enormous_value_stays_in_the_last_bucket(void **state)
{
    br_histogram h = {0};

    (void)state;
    br_histogram_add(&h, UINT64_MAX);

    CHECK_U64(h.buckets[BR_HISTOGRAM_BUCKETS - 1], 1);
    CHECK_U64(br_histogram_quantile(&h, 0.99), (1ull << 34) - 1);
}

static int
compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a;
    uint64_t y = *(const uint64_t *)b;

    return x < y ? -1 : x > y;
}

static void
test_histogram_quantiles_are_near_those_of_the_sorted_values(void **state)
{
    static uint64_t values[10000];
    static const double quantiles[] = {0, 0.1, 0.5, 0.9, 0.99, 0.999};
    br_histogram h = {0};
    rt_rng rng;

    (void)state;
    rt_rng_seed(&rng, 81, 1);
    for (size_t i = 0; i < RT_COUNT(values); i++) {
        values[i] = (uint64_t)rt_rng_exponential(&rng, 5000);
        br_histogram_add(&h, values[i]);
    }
    qsort(values, RT_COUNT(values), sizeof(values[0]), compare);
    for (size_t i = 0; i < RT_COUNT(quantiles); i++) {
        uint64_t want = values[(size_t)(quantiles[i] * (double)RT_COUNT(values))];
        uint64_t got = br_histogram_quantile(&h, quantiles[i]);

        CHECK_TRUE(got >= want);
        CHECK_NEAR((double)got, (double)want, (double)want / 8 + 1);
    }
}

static void
test_metrics_are_written_by_name(void **state)
{
    br_metrics metrics = {.events_in = 12};
    uint64_t value;
    double mean;
    rt_mpw w;
    rt_mp at;

    (void)state;
    br_histogram_add(&metrics.decide_us, 100);
    br_histogram_add(&metrics.decide_us, 300);
    rt_mpw_init(&w, 65536);
    br_metrics_write(&metrics, &w);
    CHECK_OK(rt_mp_check(rt_mpw_view(&w)));

    CHECK_TRUE(rt_mp_find(rt_mpw_view(&w), RT_STR("events_in"), &at));
    CHECK_OK(rt_mp_u64(&at, &value));
    CHECK_U64(value, 12);
    CHECK_TRUE(rt_mp_find_path(rt_mpw_view(&w), RT_STR("decide_us.mean"), &at));
    CHECK_OK(rt_mp_f64(&at, &mean));
    CHECK_NEAR(mean, 200, 0);
    CHECK_TRUE(rt_mp_find_path(rt_mpw_view(&w), RT_STR("decide_us.count"), &at));
    CHECK_OK(rt_mp_u64(&at, &value));
    CHECK_U64(value, 2);
    rt_mpw_fini(&w);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_histogram_small_values_are_exact),
        cmocka_unit_test(test_histogram_empty_is_zero),
        cmocka_unit_test(test_histogram_one_value_is_within_its_bucket),
        cmocka_unit_test(test_histogram_enormous_value_stays_in_the_last_bucket),
        cmocka_unit_test(test_histogram_quantiles_are_near_those_of_the_sorted_values),
        cmocka_unit_test(test_metrics_are_written_by_name),
    };

    return CHECK_RUN(tests);
}
