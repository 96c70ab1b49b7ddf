#include "brain/detect/reading.h"

#include "tests/harness/check.h"

static void
test_reading_at_threshold_scores_one(void **unused)
{
    br_reading at = br_reading_of_sds(18, 10, 2, 4);
    br_reading inside = br_reading_of_sds(6, 10, 2, 4);

    CHECK_NEAR(at.score, 1, 1e-12);
    CHECK_TRUE(at.alarm && at.above && at.ready);
    CHECK_NEAR(at.low, 2, 1e-12);
    CHECK_NEAR(at.high, 18, 1e-12);
    CHECK_NEAR(inside.score, .5, 1e-12);
    CHECK_FALSE(inside.alarm || inside.above);
    (void)unused;
}

static void
test_reading_warming_never_alarms(void **unused)
{
    br_reading reading = br_reading_warming(7);

    CHECK_FALSE(reading.ready || reading.alarm);
    CHECK_NEAR(reading.score, 0, 0);
    CHECK_NEAR(reading.low, 7, 0);
    (void)unused;
}

static void
test_reading_sd_keeps_every_floor(void **unused)
{
    CHECK_NEAR(br_reading_sd(9, 1, 0), 3, 1e-12);
    CHECK_NEAR(br_reading_sd(9, 1, 5), 5, 0);
    CHECK_NEAR(br_reading_sd(0, -2e6, 0), 2, 1e-12);
    CHECK_TRUE(br_reading_sd(0, 0, 0) > 0);
    CHECK_TRUE(br_reading_sd(-1e-18, 0, 0) > 0); // rounding can leave a variance below zero
    (void)unused;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reading_at_threshold_scores_one),
        cmocka_unit_test(test_reading_warming_never_alarms),
        cmocka_unit_test(test_reading_sd_keeps_every_floor),
    };

    return CHECK_RUN(tests);
}
