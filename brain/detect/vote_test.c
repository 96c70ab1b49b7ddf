#include "brain/detect/vote.h"

#include <math.h>
#include <string.h>

#include "brain/detect/cusum.h"
#include "brain/detect/ewma_z.h"
#include "brain/detect/quantile.h"
#include "runtime/base/rng.h"
#include "tests/harness/check.h"

#define MINUTE_MS INT64_C(60000)

static br_reading
reading_of(double score)
{
    return (br_reading){.score = score,
                        .low = 10 - score,
                        .high = 10 + score,
                        .ready = true,
                        .alarm = score >= 1,
                        .above = true};
}

static br_verdict
count3(br_vote *state, double a, double b, double c, int64_t at_ms)
{
    br_reading readings[] = {reading_of(a), reading_of(b), reading_of(c)};
    br_verdict verdict = {0};

    CHECK_OK(br_vote_count(state, &BR_VOTE_DEFAULTS, readings, 3, at_ms, &verdict));
    return verdict;
}

static void
test_vote_severity_grows_with_agreement(void **unused)
{
    br_vote state = {0};

    CHECK_INT(count3(&state, .2, .9, .1, 0).severity, BR_SEVERITY_NONE);
    CHECK_INT(count3(&state, 5., .9, .1, 0).severity, BR_SEVERITY_INFO);
    CHECK_INT(count3(&state, 1.1, 1.2, .1, 0).severity, BR_SEVERITY_WARNING);
    CHECK_INT(count3(&state, 1.1, 3.5, .1, 0).severity, BR_SEVERITY_CRITICAL); // strongly
    CHECK_INT(count3(&state, 1.1, 1.2, 1.0, 0).severity, BR_SEVERITY_CRITICAL); // unanimously
    (void)unused;
}

static void
test_vote_info_is_never_raised(void **unused)
{
    br_vote state = {0};

    CHECK_FALSE(count3(&state, 100, 0, 0, 0).raised);
    CHECK_U64(state.raised_count, 0);
    (void)unused;
}

static void
test_vote_silence_holds_back_all_but_worse(void **unused)
{
    br_vote state = {0};
    int64_t hour = BR_VOTE_DEFAULTS.refractory_ms;

    CHECK_TRUE(count3(&state, 1.1, 1.1, 0, 0).raised);
    CHECK_FALSE(count3(&state, 1.1, 1.1, 0, hour - 1).raised);
    CHECK_TRUE(count3(&state, 9, 9, 9, hour / 2).raised); // critical breaks the silence
    CHECK_FALSE(count3(&state, 9, 9, 9, hour).raised);
    CHECK_FALSE(count3(&state, 1.1, 1.1, 0, hour * 3 / 2 - 1).raised);
    CHECK_TRUE(count3(&state, 1.1, 1.1, 0, hour * 3 / 2).raised);

    CHECK_U64(state.raised_count, 3);
    (void)unused;
}

static void
test_vote_range_is_the_median_of_ready_bounds(void **unused)
{
    br_vote state = {0};
    br_reading readings[] = {reading_of(.5), reading_of(.1), reading_of(.3), reading_of(9)};
    br_verdict verdict;

    readings[3].ready = false;
    readings[3].alarm = false;
    CHECK_OK(br_vote_count(&state, &BR_VOTE_DEFAULTS, readings, 4, 0, &verdict));

    CHECK_U64(verdict.voters, 3);
    CHECK_NEAR(verdict.low, 9.7, 1e-12);
    CHECK_NEAR(verdict.high, 10.3, 1e-12);
    CHECK_NEAR(verdict.score, .3, 1e-12);
    (void)unused;
}

static void
test_vote_nobody_ready_says_none(void **unused)
{
    br_vote state = {0};
    br_reading readings[] = {br_reading_warming(5), br_reading_warming(5)};
    br_verdict verdict;

    CHECK_OK(br_vote_count(&state, &BR_VOTE_DEFAULTS, readings, 2, 0, &verdict));

    CHECK_INT(verdict.severity, BR_SEVERITY_NONE);
    CHECK_U64(verdict.voters, 0);
    CHECK_CSTR(br_severity_text(verdict.severity), "none");
    (void)unused;
}

// Three detectors over one series, a minute a value.
typedef struct ensemble {
    br_ewma_z spikes;
    br_cusum shifts;
    br_quantile_fence fence;
    br_vote vote;
    int single_alarms;
} ensemble;

static br_verdict
watch(ensemble *all, int64_t at_ms, double value)
{
    br_reading readings[3];
    br_verdict verdict;

    CHECK_OK(br_ewma_z_add(&all->spikes, &BR_EWMA_Z_DEFAULTS, value, &readings[0]));
    CHECK_OK(br_cusum_add(&all->shifts, &BR_CUSUM_DEFAULTS, value, &readings[1]));
    CHECK_OK(br_quantile_fence_add(&all->fence, &BR_QUANTILE_FENCE_DEFAULTS, value, &readings[2]));
    for (size_t i = 0; i < 3; i++) {
        all->single_alarms += readings[i].alarm ? 1 : 0;
    }
    CHECK_OK(br_vote_count(&all->vote, &BR_VOTE_DEFAULTS, readings, 3, at_ms, &verdict));
    return verdict;
}

static void
test_vote_noise_is_raised_less_than_any_detector_alone(void **unused)
{
    static ensemble all;
    rt_rng rng;

    rt_rng_seed(&rng, 1, 1);
    for (int i = 0; i < 50000; i++) {
        (void)watch(&all, i * MINUTE_MS, 100 + 10 * rt_rng_normal(&rng));
    }

    CHECK_TRUE(all.vote.raised_count <= 20);
    CHECK_TRUE(all.single_alarms > 3 * (int)all.vote.raised_count);
    (void)unused;
}

static void
test_vote_planted_jump_is_raised_once_and_at_once(void **unused)
{
    static ensemble all;
    int first = -1;
    rt_rng rng;

    rt_rng_seed(&rng, 2, 1);
    for (int i = 0; i < 2000; i++) {
        (void)watch(&all, i * MINUTE_MS, 100 + 10 * rt_rng_normal(&rng));
    }
    all.vote = (br_vote){0};
    for (int i = 0; i < 30; i++) {
        br_verdict verdict = watch(&all, (2000 + i) * MINUTE_MS, 170 + 10 * rt_rng_normal(&rng));

        if (verdict.raised && first < 0) {
            first = i;
            CHECK_TRUE(verdict.above);
            CHECK_TRUE(verdict.low < 100 && verdict.high > 100 && verdict.high < 170);
        }
    }

    CHECK_TRUE(first >= 0 && first <= 2);
    CHECK_TRUE(all.vote.raised_count <= 2); // once, and perhaps once more as critical
    (void)unused;
}

static void
test_vote_bad_input_is_refused_and_changes_nothing(void **unused)
{
    br_vote state = {0};
    br_vote_config config = BR_VOTE_DEFAULTS;
    br_reading readings[BR_VOTE_READINGS_MAX + 1] = {{0}};
    br_verdict verdict = {.votes = 42};

    CHECK_ERR(br_vote_count(&state, &config, readings, 0, 0, &verdict), RT_EINVAL);
    CHECK_ERR(br_vote_count(&state, &config, readings, RT_COUNT(readings), 0, &verdict), RT_EINVAL);
    readings[0] = reading_of(9);
    readings[1] = reading_of(NAN);
    CHECK_ERR(br_vote_count(&state, &config, readings, 2, 0, &verdict), RT_EINVAL);
    readings[1] = reading_of(9);
    config.votes_needed = 0;
    CHECK_ERR(br_vote_count(&state, &config, readings, 2, 0, &verdict), RT_EINVAL);
    config = BR_VOTE_DEFAULTS;
    config.refractory_ms = -1;
    CHECK_ERR(br_vote_count(&state, &config, readings, 2, 0, &verdict), RT_EINVAL);

    CHECK_U64(verdict.votes, 42);
    CHECK_U64(state.raised_count, 0);
    (void)unused;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vote_severity_grows_with_agreement),
        cmocka_unit_test(test_vote_info_is_never_raised),
        cmocka_unit_test(test_vote_silence_holds_back_all_but_worse),
        cmocka_unit_test(test_vote_range_is_the_median_of_ready_bounds),
        cmocka_unit_test(test_vote_nobody_ready_says_none),
        cmocka_unit_test(test_vote_noise_is_raised_less_than_any_detector_alone),
        cmocka_unit_test(test_vote_planted_jump_is_raised_once_and_at_once),
        cmocka_unit_test(test_vote_bad_input_is_refused_and_changes_nothing),
    };

    return CHECK_RUN(tests);
}
