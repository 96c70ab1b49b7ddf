#include "brain/detect/seasonal.h"

#include <math.h>
#include <string.h>

#include "runtime/base/rng.h"
#include "tests/harness/check.h"

#define HOUR_MS INT64_C(3600000)
#define MONDAY_MS INT64_C(1704085200000) // 2024-01-01 00:00 in Bogota

// Busy days and quiet nights, weekends a third of it.
static double
expected_at(int64_t at_ms)
{
    size_t slot = br_seasonal_slot(at_ms, BR_SEASONAL_DEFAULTS.utc_offset_ms);
    double day = 60 + 50 * sin((double)(slot % 24) / 24 * 2 * acos(-1.0) - 1.5);

    return slot < 24 ? day : day / 3;
}

static br_reading
add(br_seasonal *state, int64_t at_ms, double value)
{
    br_reading reading = {0};

    CHECK_OK(br_seasonal_add(state, &BR_SEASONAL_DEFAULTS, at_ms, value, &reading));
    return reading;
}

// Feeds one value an hour and returns the number of alarms.
static int
feed(br_seasonal *state, rt_rng *rng, int64_t from_hour, int64_t to_hour)
{
    int alarms = 0;

    for (int64_t h = from_hour; h < to_hour; h++) {
        int64_t at_ms = MONDAY_MS + h * HOUR_MS;

        alarms += add(state, at_ms, expected_at(at_ms) + 3 * rt_rng_normal(rng)).alarm ? 1 : 0;
    }
    return alarms;
}

static void
test_seasonal_slot_knows_hour_and_weekend(void **unused)
{
    int32_t bogota = -5 * 3600000;

    CHECK_U64(br_seasonal_slot(MONDAY_MS, bogota), 0);
    CHECK_U64(br_seasonal_slot(MONDAY_MS, 0), 5);
    CHECK_U64(br_seasonal_slot(MONDAY_MS - 1, bogota), 24 + 23); // Sunday's last hour
    CHECK_U64(br_seasonal_slot(MONDAY_MS + 5 * 24 * HOUR_MS + 13 * HOUR_MS, bogota), 24 + 13);
    CHECK_U64(br_seasonal_slot(0, 0), 0);            // Thursday
    CHECK_U64(br_seasonal_slot(-HOUR_MS, 0), 23);    // Wednesday, before the epoch
    CHECK_U64(br_seasonal_slot(-4 * 24 * HOUR_MS, 0), 24); // Sunday
    (void)unused;
}

static void
test_seasonal_noise_rarely_alarms(void **unused)
{
    enum { HOURS = 24 * 7 * 200 };
    br_seasonal state = {0};
    rt_rng rng;

    rt_rng_seed(&rng, 1, 1);

    CHECK_TRUE(feed(&state, &rng, 0, HOURS) < HOURS * 1e-3);
    (void)unused;
}

static void
test_seasonal_noon_value_at_night_alarms(void **unused)
{
    br_seasonal state = {0};
    br_reading reading;
    int64_t night_ms = MONDAY_MS + 24 * 7 * 12 * HOUR_MS + 3 * HOUR_MS;
    int64_t noon_ms = night_ms + 9 * HOUR_MS;
    rt_rng rng;

    rt_rng_seed(&rng, 2, 1);
    (void)feed(&state, &rng, 0, 24 * 7 * 12);

    reading = add(&state, noon_ms, expected_at(noon_ms));
    CHECK_TRUE(reading.ready && !reading.alarm);
    reading = add(&state, night_ms, expected_at(noon_ms));
    CHECK_TRUE(reading.alarm && reading.above);
    CHECK_TRUE(reading.low < expected_at(night_ms) && expected_at(night_ms) < reading.high);
    CHECK_TRUE(reading.high - reading.low < 2 * 4.5 * 3 * 1.6);
    (void)unused;
}

static void
test_seasonal_workday_value_on_sunday_alarms(void **unused)
{
    br_seasonal state = {0};
    int64_t sunday_ms = MONDAY_MS + (24 * 7 * 12 + 6 * 24 + 12) * HOUR_MS;
    rt_rng rng;

    rt_rng_seed(&rng, 3, 1);
    (void)feed(&state, &rng, 0, 24 * 7 * 12 + 6 * 24);

    CHECK_TRUE(add(&state, sunday_ms, 3 * expected_at(sunday_ms)).alarm);
    CHECK_FALSE(add(&state, sunday_ms, expected_at(sunday_ms)).alarm);
    (void)unused;
}

static void
test_seasonal_lucky_slot_is_not_blindly_strict(void **unused)
{
    br_seasonal state = {0};
    int64_t saturday_ms = MONDAY_MS + 24 * 5 * HOUR_MS;
    br_reading reading = {0};
    rt_rng rng;

    // The working days scatter by 3; one weekend slot has seen the same value seven times.
    rt_rng_seed(&rng, 6, 1);
    for (int week = 0; week < 7; week++) {
        (void)feed(&state, &rng, week * 24 * 7, week * 24 * 7 + 24 * 5);
        reading = add(&state, saturday_ms + week * 24 * 7 * HOUR_MS, 20);
    }

    CHECK_TRUE(reading.ready);
    CHECK_TRUE(reading.high - 20 > 4.5 * 3 * .5);
    CHECK_FALSE(add(&state, saturday_ms + 7 * 24 * 7 * HOUR_MS, 25).alarm);
    (void)unused;
}

static void
test_seasonal_slot_without_history_is_not_ready(void **unused)
{
    br_seasonal state = {0};
    rt_rng rng;

    rt_rng_seed(&rng, 4, 1);
    (void)feed(&state, &rng, 0, 24 * 5); // Monday to Friday

    CHECK_FALSE(add(&state, MONDAY_MS + 24 * 5 * HOUR_MS, 1e6).ready);
    CHECK_TRUE(add(&state, MONDAY_MS + 24 * 7 * HOUR_MS, 1e6).ready);
    (void)unused;
}

static void
test_seasonal_bad_input_is_refused_and_changes_nothing(void **unused)
{
    static br_seasonal state;
    static br_seasonal before;
    br_seasonal_config config = BR_SEASONAL_DEFAULTS;
    br_reading reading = {.score = 42};
    rt_rng rng;

    rt_rng_seed(&rng, 5, 1);
    (void)feed(&state, &rng, 0, 24 * 14);
    before = state;
    CHECK_ERR(br_seasonal_add(&state, &config, 0, NAN, &reading), RT_EINVAL);
    CHECK_ERR(br_seasonal_add(&state, &config, 0, INFINITY, &reading), RT_EINVAL);
    config.alpha = NAN;
    CHECK_ERR(br_seasonal_add(&state, &config, 0, 1, &reading), RT_EINVAL);
    config = BR_SEASONAL_DEFAULTS;
    config.sd_min = -1;
    CHECK_ERR(br_seasonal_add(&state, &config, 0, 1, &reading), RT_EINVAL);

    CHECK_TRUE(memcmp(&state, &before, sizeof(state)) == 0);
    CHECK_NEAR(reading.score, 42, 0);
    (void)unused;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_seasonal_slot_knows_hour_and_weekend),
        cmocka_unit_test(test_seasonal_noise_rarely_alarms),
        cmocka_unit_test(test_seasonal_noon_value_at_night_alarms),
        cmocka_unit_test(test_seasonal_workday_value_on_sunday_alarms),
        cmocka_unit_test(test_seasonal_lucky_slot_is_not_blindly_strict),
        cmocka_unit_test(test_seasonal_slot_without_history_is_not_ready),
        cmocka_unit_test(test_seasonal_bad_input_is_refused_and_changes_nothing),
    };

    return CHECK_RUN(tests);
}
