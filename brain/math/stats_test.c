#include "brain/math/stats.h"

#include <math.h>

#include "tests/harness/check.h"

#define DAY_MS INT64_C(86400000)

static void
test_decayed_half_life_halves_the_weight(void **unused)
{
    br_decayed state = {0};

    CHECK_OK(br_decayed_add(&state, 0, 10, 4, DAY_MS));
    CHECK_OK(br_decayed_add(&state, DAY_MS, 20, 1, DAY_MS));

    CHECK_NEAR(br_decayed_weight(&state, DAY_MS, DAY_MS), 3, 1e-12);
    CHECK_NEAR(br_decayed_mean(&state, DAY_MS, DAY_MS, 0, 0), 40.0 / 3, 1e-12);
    CHECK_NEAR(br_decayed_weight(&state, 3 * DAY_MS, DAY_MS), .75, 1e-12);
    // With the weight 0.75 left and the prior worth 0.75, the mean lies half way.
    CHECK_NEAR(br_decayed_mean(&state, 3 * DAY_MS, DAY_MS, 0, .75), 20.0 / 3, 1e-12);
    (void)unused;
}

static void
test_decayed_empty_gives_the_prior(void **unused)
{
    br_decayed state = {0};

    CHECK_NEAR(br_decayed_mean(&state, 5, DAY_MS, .07, 20), .07, 1e-15);
    CHECK_NEAR(br_decayed_mean(&state, 5, DAY_MS, .07, 0), .07, 1e-15);
    (void)unused;
}

static void
test_decayed_order_of_arrival_does_not_matter(void **unused)
{
    br_decayed forward = {0};
    br_decayed backward = {0};

    CHECK_OK(br_decayed_add(&forward, 1 * DAY_MS, 1, 1, DAY_MS));
    CHECK_OK(br_decayed_add(&forward, 4 * DAY_MS, 5, 2, DAY_MS));
    CHECK_OK(br_decayed_add(&backward, 4 * DAY_MS, 5, 2, DAY_MS));
    CHECK_OK(br_decayed_add(&backward, 1 * DAY_MS, 1, 1, DAY_MS));

    CHECK_NEAR(backward.sum, forward.sum, 1e-12);
    CHECK_NEAR(backward.weight, forward.weight, 1e-12);
    CHECK_INT(backward.last_ms, forward.last_ms);
    (void)unused;
}

static void
test_stats_not_finite_is_refused_and_changes_nothing(void **unused)
{
    br_decayed decayed = {0};
    br_ewma ewma = {0};
    br_moments moments = {0};
    br_window window = {0};
    br_quantile quantile;

    CHECK_ERR(br_decayed_add(&decayed, 0, NAN, 1, DAY_MS), RT_EINVAL);
    CHECK_ERR(br_decayed_add(&decayed, 0, 1, INFINITY, DAY_MS), RT_EINVAL);
    CHECK_ERR(br_decayed_add(&decayed, 0, 1, -1, DAY_MS), RT_EINVAL);
    CHECK_ERR(br_decayed_add(&decayed, 0, 1, 1, 0), RT_EINVAL);
    CHECK_NEAR(decayed.weight, 0, 0);
    CHECK_ERR(br_ewma_add(&ewma, INFINITY, .1), RT_EINVAL);
    CHECK_ERR(br_ewma_add(&ewma, 1, 0), RT_EINVAL);
    CHECK_U64(ewma.count, 0);
    CHECK_ERR(br_moments_add(&moments, NAN), RT_EINVAL);
    CHECK_U64(moments.count, 0);
    CHECK_ERR(br_window_add(&window, NAN), RT_EINVAL);
    CHECK_U64(window.count, 0);
    CHECK_ERR(br_quantile_init(&quantile, 1), RT_EINVAL);
    CHECK_OK(br_quantile_init(&quantile, .5));
    CHECK_ERR(br_quantile_add(&quantile, -INFINITY), RT_EINVAL);
    CHECK_U64(quantile.count, 0);
    (void)unused;
}

static void
test_stats_damaged_state_is_refused(void **unused)
{
    br_window window = {.count = 3, .next = BR_WINDOW_VALUES_MAX};
    br_window overfull = {.count = BR_WINDOW_VALUES_MAX + 1};
    br_quantile quantile = {0};
    double out = 0;

    CHECK_ERR(br_window_add(&window, 1), RT_ECORRUPT);
    CHECK_ERR(br_window_quantile(&overfull, .5, &out), RT_ECORRUPT);
    CHECK_ERR(br_quantile_add(&quantile, 1), RT_ECORRUPT);
    (void)unused;
}

static void
test_ewma_steady_noise_recovers_mean_and_variance(void **unused)
{
    br_ewma state = {0};
    rt_rng rng;

    rt_rng_seed(&rng, 1, 1);
    for (int i = 0; i < 50000; i++) {
        CHECK_OK(br_ewma_add(&state, 5 + 2 * rt_rng_normal(&rng), .001));
    }

    CHECK_NEAR(state.mean, 5, .2);
    CHECK_NEAR(state.variance, 4, .5);
    (void)unused;
}

static void
test_ewma_first_values_weigh_equally(void **unused)
{
    br_ewma state = {0};

    CHECK_OK(br_ewma_add(&state, 1, .01));
    CHECK_OK(br_ewma_add(&state, 2, .01));
    CHECK_OK(br_ewma_add(&state, 6, .01));

    CHECK_NEAR(state.mean, 3, 1e-12);
    CHECK_NEAR(state.variance, 14.0 / 3, 1e-12); // (4 + 1 + 9) / 3
    (void)unused;
}

static void
test_moments_large_offset_keeps_precision(void **unused)
{
    br_moments state = {0};

    for (int i = 0; i < 4; i++) {
        CHECK_OK(br_moments_add(&state, 1e9 + (double[]){4, 7, 13, 16}[i]));
    }

    CHECK_NEAR(state.mean, 1e9 + 10, 1e-6);
    CHECK_NEAR(br_moments_variance(&state), 30, 1e-6);
    CHECK_NEAR(state.min, 1e9 + 4, 0);
    CHECK_NEAR(state.max, 1e9 + 16, 0);
    (void)unused;
}

static void
test_moments_merge_equals_one_pass(void **unused)
{
    br_moments whole = {0};
    br_moments part[2] = {{0}, {0}};
    br_moments empty = {0};
    rt_rng rng;

    rt_rng_seed(&rng, 9, 9);
    for (int i = 0; i < 300; i++) {
        double value = rt_rng_normal(&rng) * (i < 100 ? 1 : 5);

        CHECK_OK(br_moments_add(&whole, value));
        CHECK_OK(br_moments_add(&part[i < 100 ? 0 : 1], value));
    }
    br_moments_merge(&empty, &part[0]);
    br_moments_merge(&empty, &part[1]);
    br_moments_merge(&empty, &(br_moments){0});

    CHECK_U64(empty.count, 300);
    CHECK_NEAR(empty.mean, whole.mean, 1e-9);
    CHECK_NEAR(br_moments_variance(&empty), br_moments_variance(&whole), 1e-9);
    CHECK_NEAR(empty.min, whole.min, 0);
    (void)unused;
}

static void
test_window_outlier_hardly_moves_median_and_mad(void **unused)
{
    br_window state = {0};
    double median = 0;
    double mad = 0;

    for (int i = 0; i < 7; i++) {
        CHECK_OK(br_window_add(&state, (double[]){1, 1, 2, 2, 4, 6, 9e9}[i]));
    }
    CHECK_OK(br_window_median_mad(&state, &median, &mad));

    CHECK_NEAR(median, 2, 0);
    CHECK_NEAR(mad, 1, 0); // distances 1 1 0 0 2 4 9e9
    (void)unused;
}

static void
test_window_full_forgets_the_oldest(void **unused)
{
    br_window state = {0};
    double low = 0;
    double middle = 0;
    double high = 0;

    for (int i = 0; i < BR_WINDOW_VALUES_MAX + 10; i++) {
        CHECK_OK(br_window_add(&state, i));
    }
    CHECK_OK(br_window_quantile(&state, 0, &low));
    CHECK_OK(br_window_quantile(&state, .5, &middle));
    CHECK_OK(br_window_quantile(&state, 1, &high));

    CHECK_NEAR(low, 10, 0);
    CHECK_NEAR(middle, 41.5, 1e-12);
    CHECK_NEAR(high, BR_WINDOW_VALUES_MAX + 9, 0);
    CHECK_ERR(br_window_quantile(&state, 1.5, &low), RT_EINVAL);
    CHECK_ERR(br_window_quantile(&(br_window){0}, .5, &low), RT_EMISSING);
    (void)unused;
}

static void
test_quantile_exponential_recovers_p50_and_p95(void **unused)
{
    br_quantile median;
    br_quantile high;
    double got = 0;
    rt_rng rng;

    rt_rng_seed(&rng, 5, 5);
    CHECK_OK(br_quantile_init(&median, .5));
    CHECK_OK(br_quantile_init(&high, .95));
    for (int i = 0; i < 20000; i++) {
        double value = rt_rng_exponential(&rng, 1);

        CHECK_OK(br_quantile_add(&median, value));
        CHECK_OK(br_quantile_add(&high, value));
    }

    CHECK_OK(br_quantile_read(&median, &got));
    CHECK_NEAR(got, log(2), .03);
    CHECK_OK(br_quantile_read(&high, &got));
    CHECK_NEAR(got, log(20), .12);
    (void)unused;
}

// The worked example of Jain and Chlamtac 1985, table I: 20 values, median estimate 4.44.
static void
test_quantile_published_example_is_reproduced(void **unused)
{
    const double values[] = {0.02, 0.15,  0.74, 3.39, 0.83, 22.37, 10.15, 15.43, 38.62, 15.92,
                             34.60, 10.28, 1.47, 0.40, 0.05, 11.39, 0.27,  0.42,  0.09,  11.37};
    br_quantile state;
    double got = 0;

    CHECK_OK(br_quantile_init(&state, .5));
    for (size_t i = 0; i < RT_COUNT(values); i++) {
        CHECK_OK(br_quantile_add(&state, values[i]));
    }
    CHECK_OK(br_quantile_read(&state, &got));

    CHECK_NEAR(got, 4.44, .01);
    (void)unused;
}

static void
test_quantile_few_values_is_exact(void **unused)
{
    br_quantile state;
    double got = 0;

    CHECK_OK(br_quantile_init(&state, .5));
    CHECK_ERR(br_quantile_read(&state, &got), RT_EMISSING);
    CHECK_OK(br_quantile_add(&state, 9));
    CHECK_OK(br_quantile_add(&state, 1));
    CHECK_OK(br_quantile_add(&state, 5));
    CHECK_OK(br_quantile_read(&state, &got));

    CHECK_NEAR(got, 5, 0);
    (void)unused;
}

static void
test_sample_gamma_recovers_mean_and_variance(void **unused)
{
    const double shapes[] = {.3, 1, 4.5};
    rt_rng rng;

    rt_rng_seed(&rng, 17, 4);
    for (size_t s = 0; s < RT_COUNT(shapes); s++) {
        br_moments drawn = {0};

        for (int i = 0; i < 40000; i++) {
            CHECK_OK(br_moments_add(&drawn, br_sample_gamma(&rng, shapes[s])));
        }
        CHECK_NEAR(drawn.mean, shapes[s], .05); // both moments of Gamma(shape, 1) are the shape
        CHECK_NEAR(br_moments_variance(&drawn), shapes[s], .05 + .06 * shapes[s]);
        CHECK_TRUE(drawn.min >= 0);
    }
    (void)unused;
}

static void
test_sample_beta_recovers_mean_and_variance(void **unused)
{
    br_moments drawn = {0};
    rt_rng rng;

    rt_rng_seed(&rng, 23, 4);
    for (int i = 0; i < 40000; i++) {
        CHECK_OK(br_moments_add(&drawn, br_sample_beta(&rng, 2, 6)));
    }

    CHECK_NEAR(drawn.mean, .25, .005);
    CHECK_NEAR(br_moments_variance(&drawn), 2.0 * 6 / (64 * 9), .001);
    CHECK_TRUE(drawn.min >= 0 && drawn.max <= 1);
    (void)unused;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_decayed_half_life_halves_the_weight),
        cmocka_unit_test(test_decayed_empty_gives_the_prior),
        cmocka_unit_test(test_decayed_order_of_arrival_does_not_matter),
        cmocka_unit_test(test_stats_not_finite_is_refused_and_changes_nothing),
        cmocka_unit_test(test_stats_damaged_state_is_refused),
        cmocka_unit_test(test_ewma_steady_noise_recovers_mean_and_variance),
        cmocka_unit_test(test_ewma_first_values_weigh_equally),
        cmocka_unit_test(test_moments_large_offset_keeps_precision),
        cmocka_unit_test(test_moments_merge_equals_one_pass),
        cmocka_unit_test(test_window_outlier_hardly_moves_median_and_mad),
        cmocka_unit_test(test_window_full_forgets_the_oldest),
        cmocka_unit_test(test_quantile_exponential_recovers_p50_and_p95),
        cmocka_unit_test(test_quantile_published_example_is_reproduced),
        cmocka_unit_test(test_quantile_few_values_is_exact),
        cmocka_unit_test(test_sample_gamma_recovers_mean_and_variance),
        cmocka_unit_test(test_sample_beta_recovers_mean_and_variance),
    };

    return CHECK_RUN(tests);
}
