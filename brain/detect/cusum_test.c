#include "brain/detect/cusum.h"

#include <math.h>
#include <string.h>

#include "runtime/base/rng.h"
#include "tests/harness/check.h"

static br_reading
add(br_cusum *state, double value)
{
    br_reading reading = {0};

    CHECK_OK(br_cusum_add(state, &BR_CUSUM_DEFAULTS, value, &reading));
    return reading;
}

static void
warm(br_cusum *state, rt_rng *rng, int count)
{
    for (int i = 0; i < count; i++) {
        (void)add(state, rt_rng_normal(rng));
    }
}

static void
test_cusum_noise_rarely_alarms(void **unused)
{
    enum { COUNT = 100000 };
    br_cusum state = {0};
    int episodes = 0;
    bool was_on = false;
    rt_rng rng;

    rt_rng_seed(&rng, 1, 1);
    for (int i = 0; i < COUNT; i++) {
        bool on = add(&state, rt_rng_normal(&rng)).alarm;

        episodes += on && !was_on ? 1 : 0;
        was_on = on;
    }

    CHECK_TRUE(episodes < COUNT / 2000);
    (void)unused;
}

// Siegmund's approximation puts the mean delay at threshold / (shift - slack) = 16 for one sd.
static void
test_cusum_small_shift_is_found_soon(void **unused)
{
    const double shifts[] = {1.0, -1.0};

    for (size_t s = 0; s < RT_COUNT(shifts); s++) {
        int delay_sum = 0;
        rt_rng rng;

        rt_rng_seed(&rng, 2, s);
        for (int run = 0; run < 50; run++) {
            br_cusum state = {0};
            br_reading reading = {0};
            int delay = 0;

            warm(&state, &rng, 400);
            while (delay < 200 && !reading.alarm) {
                reading = add(&state, shifts[s] + rt_rng_normal(&rng));
                delay++;
            }
            delay_sum += delay;
            CHECK_TRUE(reading.alarm);
            CHECK_TRUE(reading.above == (shifts[s] > 0));
        }
        CHECK_TRUE(delay_sum / 50.0 < 25);
    }
    (void)unused;
}

static void
test_cusum_alarm_ends_soon_after_the_shift(void **unused)
{
    br_cusum state = {0};
    int on = 0;
    rt_rng rng;

    rt_rng_seed(&rng, 3, 1);
    warm(&state, &rng, 400);
    for (int i = 0; i < 30; i++) {
        (void)add(&state, 4 + rt_rng_normal(&rng));
    }
    CHECK_TRUE(add(&state, 4).alarm);
    for (int i = 0; i < 60; i++) {
        bool alarm = add(&state, rt_rng_normal(&rng)).alarm;

        on += i >= 40 && alarm ? 1 : 0;
    }

    CHECK_INT(on, 0);
    (void)unused;
}

static void
test_cusum_single_outlier_does_not_alarm(void **unused)
{
    br_cusum state = {0};
    rt_rng rng;

    rt_rng_seed(&rng, 4, 1);
    warm(&state, &rng, 400);
    state.rise = 0;

    CHECK_FALSE(add(&state, 1e6).alarm);
    (void)unused;
}

static void
test_cusum_bad_input_is_refused_and_changes_nothing(void **unused)
{
    br_cusum state = {0};
    br_cusum before;
    br_reading reading = {.score = 42};
    br_cusum_config config = BR_CUSUM_DEFAULTS;
    rt_rng rng;

    rt_rng_seed(&rng, 5, 1);
    warm(&state, &rng, 200);
    before = state;
    CHECK_ERR(br_cusum_add(&state, &config, NAN, &reading), RT_EINVAL);
    CHECK_ERR(br_cusum_add(&state, &config, -INFINITY, &reading), RT_EINVAL);
    config.alpha = 2;
    CHECK_ERR(br_cusum_add(&state, &config, 9, &reading), RT_EINVAL);
    config = BR_CUSUM_DEFAULTS;
    config.threshold = 0;
    CHECK_ERR(br_cusum_add(&state, &config, 9, &reading), RT_EINVAL);

    CHECK_TRUE(memcmp(&state, &before, sizeof(state)) == 0);
    CHECK_NEAR(reading.score, 42, 0);
    (void)unused;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cusum_noise_rarely_alarms),
        cmocka_unit_test(test_cusum_small_shift_is_found_soon),
        cmocka_unit_test(test_cusum_alarm_ends_soon_after_the_shift),
        cmocka_unit_test(test_cusum_single_outlier_does_not_alarm),
        cmocka_unit_test(test_cusum_bad_input_is_refused_and_changes_nothing),
    };

    return CHECK_RUN(tests);
}
