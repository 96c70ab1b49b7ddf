#include "runtime/base/rng.h"

#include "tests/harness/check.h"

enum { DRAWS = 200000 };

static void
test_rng_matches_the_published_generator(void **state)
{
    // First outputs of xoshiro256** 1.0 from the state {1, 2, 3, 4}.
    static const uint64_t want[] = {
        11520, 0, 1509978240, 1215971899390074240, 1216172134540287360, 607988272756665600,
    };
    rt_rng rng = {{1, 2, 3, 4}};

    (void)state;
    for (size_t i = 0; i < RT_COUNT(want); i++) {
        CHECK_U64(rt_rng_u64(&rng), want[i]);
    }
}

// Journals are replayed with their seeds, so these draws may never change.
static void
test_rng_seed_gives_frozen_draws(void **state)
{
    static const uint64_t want[] = {
        UINT64_C(511687822027273263),
        UINT64_C(4679140867302755536),
        UINT64_C(10481404701036677346),
        UINT64_C(7004019159529375827),
    };
    rt_rng rng;

    (void)state;
    rt_rng_seed(&rng, 42, 7);
    for (size_t i = 0; i < RT_COUNT(want); i++) {
        CHECK_U64(rt_rng_u64(&rng), want[i]);
    }
}

static void
test_rng_streams_of_one_seed_share_no_draws(void **state)
{
    rt_rng streams[8];
    uint64_t draws[8][64];

    (void)state;
    for (uint64_t i = 0; i < 8; i++) {
        rt_rng_seed(&streams[i], 0, i);
        for (size_t n = 0; n < 64; n++) {
            draws[i][n] = rt_rng_u64(&streams[i]);
        }
    }
    for (size_t i = 0; i < 8 * 64; i++) {
        for (size_t j = 0; j < i; j++) {
            CHECK_TRUE(draws[i / 64][i % 64] != draws[j / 64][j % 64]);
        }
    }
}

static void
test_rng_below_is_even_over_an_awkward_bound(void **state)
{
    // For a bound of 3 * 2^62 a plain modulo would give the first third twice as often.
    const uint64_t third = UINT64_C(1) << 62;
    rt_rng rng;
    int counts[3] = {0};

    (void)state;
    rt_rng_seed(&rng, 3, 0);
    for (int i = 0; i < DRAWS; i++) {
        uint64_t draw = rt_rng_below(&rng, 3 * third);

        CHECK_TRUE(draw < 3 * third);
        counts[draw / third]++;
    }
    for (int i = 0; i < 3; i++) {
        CHECK_NEAR(counts[i], DRAWS / 3.0, 5 * sqrt(DRAWS * 2.0 / 9)); // five sigma
    }
}

static void
test_rng_below_small_bounds(void **state)
{
    rt_rng rng;
    int counts[6] = {0};

    (void)state;
    rt_rng_seed(&rng, 4, 0);
    for (int i = 0; i < DRAWS; i++) {
        CHECK_U64(rt_rng_below(&rng, 1), 0);
        counts[rt_rng_below(&rng, 6)]++;
    }
    for (int i = 0; i < 6; i++) {
        CHECK_NEAR(counts[i], DRAWS / 6.0, 5 * sqrt(DRAWS * 5.0 / 36));
    }
}

static void
test_rng_f64_and_chance_follow_the_uniform(void **state)
{
    rt_rng rng;
    double sum = 0;
    int hits = 0;

    (void)state;
    rt_rng_seed(&rng, 5, 0);
    for (int i = 0; i < DRAWS; i++) {
        double draw = rt_rng_f64(&rng);

        CHECK_TRUE(draw >= 0 && draw < 1);
        sum += draw;
        hits += rt_rng_chance(&rng, 0.3) ? 1 : 0;
        CHECK_FALSE(rt_rng_chance(&rng, 0));
        CHECK_TRUE(rt_rng_chance(&rng, 1));
    }
    CHECK_NEAR(sum / DRAWS, 0.5, 0.004);
    CHECK_NEAR((double)hits / DRAWS, 0.3, 0.006);
}

static void
test_rng_normal_has_its_moments(void **state)
{
    rt_rng rng;
    double sum = 0;
    double squares = 0;
    double fourths = 0;

    (void)state;
    rt_rng_seed(&rng, 6, 0);
    for (int i = 0; i < DRAWS; i++) {
        double x = rt_rng_normal(&rng);

        sum += x;
        squares += x * x;
        fourths += x * x * x * x;
    }
    CHECK_NEAR(sum / DRAWS, 0, 0.012);
    CHECK_NEAR(squares / DRAWS, 1, 0.017);
    CHECK_NEAR(fourths / DRAWS, 3, 0.12);
}

static void
test_rng_exponential_has_its_mean_and_median(void **state)
{
    const double mean = 250;
    rt_rng rng;
    double sum = 0;
    int below_median = 0;

    (void)state;
    rt_rng_seed(&rng, 8, 0);
    for (int i = 0; i < DRAWS; i++) {
        double x = rt_rng_exponential(&rng, mean);

        CHECK_TRUE(x >= 0 && isfinite(x));
        sum += x;
        below_median += x < mean * 0.69314718055994531 ? 1 : 0;
    }
    CHECK_NEAR(sum / DRAWS, mean, 3);
    CHECK_NEAR((double)below_median / DRAWS, 0.5, 0.006);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rng_matches_the_published_generator),
        cmocka_unit_test(test_rng_seed_gives_frozen_draws),
        cmocka_unit_test(test_rng_streams_of_one_seed_share_no_draws),
        cmocka_unit_test(test_rng_below_is_even_over_an_awkward_bound),
        cmocka_unit_test(test_rng_below_small_bounds),
        cmocka_unit_test(test_rng_f64_and_chance_follow_the_uniform),
        cmocka_unit_test(test_rng_normal_has_its_moments),
        cmocka_unit_test(test_rng_exponential_has_its_mean_and_median),
    };

    return CHECK_RUN(tests);
}
