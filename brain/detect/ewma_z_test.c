#include "brain/detect/ewma_z.h"

#include <math.h>
#include <string.h>

#include "runtime/base/rng.h"
#include "tests/harness/check.h"

static br_reading
add(br_ewma_z *state, double value)
{
    br_reading reading = {0};

    CHECK_OK(br_ewma_z_add(state, &BR_EWMA_Z_DEFAULTS, value, &reading));
    return reading;
}

static void
test_ewma_z_noise_rarely_alarms(void **unused)
{
    enum { COUNT = 100000 };
    br_ewma_z state = {0};
    int alarms = 0;
    rt_rng rng;

    rt_rng_seed(&rng, 1, 1);
    for (int i = 0; i < COUNT; i++) {
        alarms += add(&state, 50 + 5 * rt_rng_normal(&rng)).alarm ? 1 : 0;
    }

    // P(|z| > 4) is 6.3e-5 at known moments; the moving estimate of sd doubles it.
    CHECK_TRUE(alarms < COUNT * 3e-4);
    CHECK_NEAR(state.level.mean, 50, 1.5);
    (void)unused;
}

static void
test_ewma_z_spike_alarms_and_does_not_hide_the_next(void **unused)
{
    br_ewma_z state = {0};
    br_reading spike;
    rt_rng rng;

    rt_rng_seed(&rng, 2, 1);
    for (int i = 0; i < 500; i++) {
        (void)add(&state, rt_rng_normal(&rng));
    }
    spike = add(&state, 1e9);
    CHECK_TRUE(spike.alarm && spike.above);
    CHECK_NEAR(spike.high, 4, 1);
    CHECK_NEAR(spike.low, -4, 1);

    CHECK_TRUE(add(&state, -8).alarm);
    CHECK_FALSE(add(&state, 0).alarm);
    (void)unused;
}

static void
test_ewma_z_new_level_is_learned(void **unused)
{
    br_ewma_z state = {0};
    int late_alarms = 0;
    rt_rng rng;

    rt_rng_seed(&rng, 3, 1);
    for (int i = 0; i < 500; i++) {
        (void)add(&state, rt_rng_normal(&rng));
    }
    CHECK_TRUE(add(&state, 20).alarm);
    for (int i = 0; i < 2000; i++) {
        bool alarm = add(&state, 20 + rt_rng_normal(&rng)).alarm;

        late_alarms += i >= 1500 && alarm ? 1 : 0;
    }

    CHECK_INT(late_alarms, 0);
    (void)unused;
}

static void
test_ewma_z_warmup_and_constant_series(void **unused)
{
    br_ewma_z state = {0};
    br_reading reading = {0};

    for (int i = 0; i < 30; i++) {
        reading = add(&state, 7);
        CHECK_FALSE(reading.ready);
    }
    reading = add(&state, 7);
    CHECK_TRUE(reading.ready && !reading.alarm);

    reading = add(&state, 8);
    CHECK_TRUE(reading.alarm);
    CHECK_TRUE(isfinite(reading.score));
    (void)unused;
}

static void
test_ewma_z_bad_input_is_refused_and_changes_nothing(void **unused)
{
    br_ewma_z state = {0};
    br_ewma_z before;
    br_reading reading = {.score = 42};
    br_ewma_z_config config = BR_EWMA_Z_DEFAULTS;

    (void)add(&state, 1);
    before = state;
    CHECK_ERR(br_ewma_z_add(&state, &config, NAN, &reading), RT_EINVAL);
    CHECK_ERR(br_ewma_z_add(&state, &config, INFINITY, &reading), RT_EINVAL);
    config.alpha = 0;
    CHECK_ERR(br_ewma_z_add(&state, &config, 1, &reading), RT_EINVAL);
    config = BR_EWMA_Z_DEFAULTS;
    config.threshold = NAN;
    CHECK_ERR(br_ewma_z_add(&state, &config, 1, &reading), RT_EINVAL);

    CHECK_TRUE(memcmp(&state, &before, sizeof(state)) == 0);
    CHECK_NEAR(reading.score, 42, 0);
    (void)unused;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ewma_z_noise_rarely_alarms),
        cmocka_unit_test(test_ewma_z_spike_alarms_and_does_not_hide_the_next),
        cmocka_unit_test(test_ewma_z_new_level_is_learned),
        cmocka_unit_test(test_ewma_z_warmup_and_constant_series),
        cmocka_unit_test(test_ewma_z_bad_input_is_refused_and_changes_nothing),
    };

    return CHECK_RUN(tests);
}
