#include "brain/detect/quantile.h"

#include <math.h>
#include <string.h>

#include "runtime/base/rng.h"
#include "tests/harness/check.h"

static br_reading
add(br_quantile_fence *state, double value)
{
    br_reading reading = {0};

    CHECK_OK(br_quantile_fence_add(state, &BR_QUANTILE_FENCE_DEFAULTS, value, &reading));
    return reading;
}

static void
test_quantile_fence_noise_rarely_alarms(void **unused)
{
    enum { COUNT = 50000 };
    br_quantile_fence normal = {0};
    br_quantile_fence skewed = {0};
    int normal_alarms = 0;
    int skewed_alarms = 0;
    rt_rng rng;

    rt_rng_seed(&rng, 1, 1);
    for (int i = 0; i < COUNT; i++) {
        normal_alarms += add(&normal, rt_rng_normal(&rng)).alarm ? 1 : 0;
        skewed_alarms += add(&skewed, rt_rng_exponential(&rng, 3)).alarm ? 1 : 0;
    }

    CHECK_TRUE(normal_alarms < COUNT * 1e-3);
    // A fence of as many sds as the normal one needs would lie at 1.8 % of an exponential.
    CHECK_TRUE(skewed_alarms < COUNT * 6e-3);
    (void)unused;
}

static void
test_quantile_fence_skewed_side_is_wider(void **unused)
{
    br_quantile_fence state = {0};
    br_reading reading = {0};
    rt_rng rng;

    rt_rng_seed(&rng, 2, 1);
    for (int i = 0; i < 100; i++) {
        reading = add(&state, rt_rng_exponential(&rng, 1));
    }

    CHECK_TRUE(reading.high - .7 > 1.5 * (.7 - reading.low));
    (void)unused;
}

static void
test_quantile_fence_outliers_do_not_blind_it(void **unused)
{
    br_quantile_fence state = {0};
    rt_rng rng;

    rt_rng_seed(&rng, 3, 1);
    for (int i = 0; i < 64; i++) {
        (void)add(&state, rt_rng_normal(&rng));
    }
    for (int i = 0; i < 5; i++) {
        CHECK_TRUE(add(&state, 1e6).alarm); // five of 64 lie still beyond the 90 % quantile
    }

    CHECK_TRUE(add(&state, -12).alarm);
    CHECK_FALSE(add(&state, 0.5).alarm);
    (void)unused;
}

static void
test_quantile_fence_new_level_is_learned_in_one_window(void **unused)
{
    br_quantile_fence state = {0};
    rt_rng rng;

    rt_rng_seed(&rng, 4, 1);
    for (int i = 0; i < 100; i++) {
        (void)add(&state, rt_rng_normal(&rng));
    }
    CHECK_TRUE(add(&state, 30).alarm);
    for (int i = 0; i < 64; i++) {
        (void)add(&state, 30 + rt_rng_normal(&rng));
    }

    CHECK_FALSE(add(&state, 30).alarm);
    CHECK_TRUE(add(&state, 0).alarm);
    (void)unused;
}

static void
test_quantile_fence_warmup_and_constant_series(void **unused)
{
    br_quantile_fence state = {0};
    br_reading reading = {0};

    for (int i = 0; i < 30; i++) {
        CHECK_FALSE(add(&state, 3).ready);
    }
    CHECK_FALSE(add(&state, 3).alarm);
    reading = add(&state, 4);
    CHECK_TRUE(reading.alarm);
    CHECK_TRUE(isfinite(reading.score));
    (void)unused;
}

static void
test_quantile_fence_bad_input_is_refused(void **unused)
{
    br_quantile_fence state = {0};
    br_quantile_fence damaged = {.window = {.count = 40, .next = 9999}};
    br_quantile_fence_config config = BR_QUANTILE_FENCE_DEFAULTS;
    br_reading reading = {.score = 42};

    CHECK_ERR(br_quantile_fence_add(&state, &config, NAN, &reading), RT_EINVAL);
    CHECK_ERR(br_quantile_fence_add(&state, &config, INFINITY, &reading), RT_EINVAL);
    CHECK_ERR(br_quantile_fence_add(&damaged, &config, 1, &reading), RT_ECORRUPT);
    config.reach = 0;
    CHECK_ERR(br_quantile_fence_add(&state, &config, 1, &reading), RT_EINVAL);
    config = BR_QUANTILE_FENCE_DEFAULTS;
    config.warmup_count = BR_WINDOW_VALUES_MAX + 1;
    CHECK_ERR(br_quantile_fence_add(&state, &config, 1, &reading), RT_EINVAL);

    CHECK_U64(state.window.count, 0);
    CHECK_NEAR(reading.score, 42, 0);
    (void)unused;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_quantile_fence_noise_rarely_alarms),
        cmocka_unit_test(test_quantile_fence_skewed_side_is_wider),
        cmocka_unit_test(test_quantile_fence_outliers_do_not_blind_it),
        cmocka_unit_test(test_quantile_fence_new_level_is_learned_in_one_window),
        cmocka_unit_test(test_quantile_fence_warmup_and_constant_series),
        cmocka_unit_test(test_quantile_fence_bad_input_is_refused),
    };

    return CHECK_RUN(tests);
}
