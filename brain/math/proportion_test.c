// Intervals of proportions against published figures, and whether they hold what they promise.
#include "brain/math/proportion.h"

#include <math.h>

#include "runtime/base/rng.h"
#include "tests/harness/check.h"

// R. G. Newcombe, Two-sided confidence intervals for the single proportion, Statistics in Medicine
// 17 (1998), table I, method 3: the score method without continuity correction, 95 %.
static void
test_wilson_gives_the_published_figures(void **state)
{
    static const struct {
        uint64_t hits;
        uint64_t of;
        double low;
        double high;
    } cases[] = {
        {81, 263, 0.2553, 0.3662}, {15, 148, 0.0624, 0.1605}, {0, 20, 0.0000, 0.1611},
        {1, 29, 0.0061, 0.1718},
    };

    (void)state;
    for (size_t i = 0; i < RT_COUNT(cases); i++) {
        br_interval interval = br_wilson(cases[i].hits, cases[i].of, BR_Z_95);

        CHECK_NEAR(interval.low, cases[i].low, 0.00005);
        CHECK_NEAR(interval.high, cases[i].high, 0.00005);
    }
}

static void
test_wilson_without_trials_says_nothing(void **state)
{
    br_interval none = br_wilson(0, 0, BR_Z_95);
    br_interval all = br_wilson(7, 7, BR_Z_95);

    (void)state;
    CHECK_TRUE(none.low == 0 && none.high == 1);
    CHECK_TRUE(all.high == 1 && all.low > 0.6);
    CHECK_TRUE(br_wilson(3, 10, 0).low == 0.3); // no doubt, no interval
}

static void
test_certainty_gives_the_quantiles_of_the_tables(void **state)
{
    (void)state;
    CHECK_NEAR(br_certainty_z(0.95), BR_Z_95, 1e-9);
    CHECK_NEAR(br_certainty_z(0.5), 0.674489750196082, 1e-9);
    CHECK_NEAR(br_certainty_z(0.9), 1.644853626951473, 1e-9);
    CHECK_NEAR(br_certainty_z(0.999), 3.290526731491926, 1e-8);
}

static void
test_wilson_holds_the_share_about_as_often_as_it_says(void **state)
{
    static const double shares[] = {0.02, 0.1, 0.5, 0.93};
    rt_rng rng;

    (void)state;
    rt_rng_seed(&rng, 7, 0);
    for (size_t s = 0; s < RT_COUNT(shares); s++) {
        int held = 0;

        for (int t = 0; t < 4000; t++) {
            uint64_t hits = 0;

            for (int i = 0; i < 60; i++) {
                hits += rt_rng_f64(&rng) < shares[s];
            }
            br_interval interval = br_wilson(hits, 60, BR_Z_95);
            held += interval.low <= shares[s] && shares[s] <= interval.high;
        }
        CHECK_TRUE(held >= 4000 * 92 / 100 && held <= 4000 * 99 / 100);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_wilson_gives_the_published_figures),
        cmocka_unit_test(test_wilson_without_trials_says_nothing),
        cmocka_unit_test(test_certainty_gives_the_quantiles_of_the_tables),
        cmocka_unit_test(test_wilson_holds_the_share_about_as_often_as_it_says),
    };

    return CHECK_RUN(tests);
}
