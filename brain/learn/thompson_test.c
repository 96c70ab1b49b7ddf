#include "brain/learn/thompson.h"

#include <math.h>
#include <string.h>

#include "tests/harness/check.h"

#define ALL_ARMS UINT64_MAX

// Plays `rounds` rounds and returns how often arm `watched` was chosen in the last quarter.
static double
play(br_arm *arms, const double *rates, size_t count, int rounds, double keep, rt_rng *rng,
     size_t watched)
{
    int chosen_count = 0;

    for (int i = 0; i < rounds; i++) {
        size_t chosen = count;

        CHECK_OK(br_arms_choose(arms, count, ALL_ARMS, rng, &chosen));
        CHECK_OK(br_arms_update(arms, count, chosen, rt_rng_chance(rng, rates[chosen]) ? 1 : 0,
                                keep));
        chosen_count += i >= rounds * 3 / 4 && chosen == watched ? 1 : 0;
    }
    return chosen_count / (rounds / 4.0);
}

static void
test_arms_best_planted_arm_is_found(void **unused)
{
    const double rates[] = {.1, .3, .15};
    br_arm arms[] = {BR_ARM_PRIOR, BR_ARM_PRIOR, BR_ARM_PRIOR};
    rt_rng rng;

    rt_rng_seed(&rng, 1, 1);

    CHECK_TRUE(play(arms, rates, 3, 4000, 1, &rng, 1) > .9);
    CHECK_NEAR(br_arm_mean(&arms[1]), .3, .04);
    (void)unused;
}

static void
test_arms_discount_follows_a_switch(void **unused)
{
    const double before[] = {.6, .2};
    const double after[] = {.1, .5};
    br_arm fading[] = {BR_ARM_PRIOR, BR_ARM_PRIOR};
    rt_rng rng;

    rt_rng_seed(&rng, 2, 1);
    CHECK_TRUE(play(fading, before, 2, 4000, .99, &rng, 0) > .8);

    CHECK_TRUE(play(fading, after, 2, 1200, .99, &rng, 1) > .8);
    (void)unused;
}

static void
test_arms_update_matches_hand_values(void **unused)
{
    br_arm arms[] = {{5, 3}, {1, 9}};

    CHECK_OK(br_arms_update(arms, 2, 0, .25, .5));

    CHECK_NEAR(arms[0].wins, 3.25, 1e-12);
    CHECK_NEAR(arms[0].losses, 2.75, 1e-12);
    CHECK_NEAR(arms[1].wins, 1, 1e-12);
    CHECK_NEAR(arms[1].losses, 5, 1e-12);
    (void)unused;
}

static void
test_arms_forbidden_arm_is_never_chosen(void **unused)
{
    br_arm arms[] = {{1000, 1}, {1, 1000}, {1, 1000}};
    size_t chosen = 0;
    rt_rng rng;

    rt_rng_seed(&rng, 3, 1);
    for (int i = 0; i < 200; i++) {
        CHECK_OK(br_arms_choose(arms, 3, 6, &rng, &chosen));
        CHECK_TRUE(chosen == 1 || chosen == 2);
    }
    CHECK_ERR(br_arms_choose(arms, 3, 8, &rng, &chosen), RT_EINVAL);
    (void)unused;
}

static void
test_arms_propensity_matches_the_exact_chance(void **unused)
{
    // Beta(2, 1) beats Beta(1, 1) with probability 2/3: the integral of x * 2x.
    br_arm arms[] = {{2, 1}, {1, 1}};
    double chances[2];
    rt_rng rng;

    rt_rng_seed(&rng, 4, 1);
    CHECK_OK(br_arms_propensity(arms, 2, ALL_ARMS, &rng, 20000, chances));

    CHECK_NEAR(chances[0], 2.0 / 3, .02);
    CHECK_NEAR(chances[0] + chances[1], 1, 1e-9);
    CHECK_ERR(br_arms_propensity(arms, 2, ALL_ARMS, &rng, 0, chances), RT_EINVAL);
    (void)unused;
}

static void
test_arms_equal_seed_gives_equal_choices(void **unused)
{
    br_arm arms[] = {{3, 4}, {4, 3}, {3, 3}};
    rt_rng first;
    rt_rng second;

    rt_rng_seed(&first, 5, 9);
    rt_rng_seed(&second, 5, 9);
    for (int i = 0; i < 100; i++) {
        size_t a = 9;
        size_t b = 8;

        CHECK_OK(br_arms_choose(arms, 3, ALL_ARMS, &first, &a));
        CHECK_OK(br_arms_choose(arms, 3, ALL_ARMS, &second, &b));
        CHECK_U64(a, b);
    }
    (void)unused;
}

static void
test_arms_bad_input_is_refused_and_changes_nothing(void **unused)
{
    br_arm arms[] = {{2, 3}, {4, 5}};
    br_arm broken[] = {{2, 3}, {NAN, 5}};
    size_t chosen = 7;
    rt_rng rng;

    rt_rng_seed(&rng, 6, 1);

    CHECK_ERR(br_arms_update(arms, 2, 2, 1, 1), RT_EINVAL);
    CHECK_ERR(br_arms_update(arms, 2, 0, NAN, 1), RT_EINVAL);
    CHECK_ERR(br_arms_update(arms, 2, 0, 1.5, 1), RT_EINVAL);
    CHECK_ERR(br_arms_update(arms, 2, 0, 1, 0), RT_EINVAL);
    CHECK_ERR(br_arms_update(arms, 0, 0, 1, 1), RT_EINVAL);
    CHECK_ERR(br_arms_choose(broken, 2, ALL_ARMS, &rng, &chosen), RT_ECORRUPT);
    CHECK_ERR(br_arms_check(&(br_arm){0, 1}, 1), RT_ECORRUPT);
    CHECK_U64(chosen, 7);
    CHECK_NEAR(arms[0].wins, 2, 0);
    (void)unused;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_arms_best_planted_arm_is_found),
        cmocka_unit_test(test_arms_discount_follows_a_switch),
        cmocka_unit_test(test_arms_update_matches_hand_values),
        cmocka_unit_test(test_arms_forbidden_arm_is_never_chosen),
        cmocka_unit_test(test_arms_propensity_matches_the_exact_chance),
        cmocka_unit_test(test_arms_equal_seed_gives_equal_choices),
        cmocka_unit_test(test_arms_bad_input_is_refused_and_changes_nothing),
    };

    return CHECK_RUN(tests);
}
