#include "brain/learn/online_logistic.h"

#include <math.h>
#include <string.h>

#include "brain/math/metric.h"
#include "runtime/base/rng.h"
#include "tests/harness/check.h"

#define DAY_MS INT64_C(86400000)
#define HOUR_MS INT64_C(3600000)

static br_online_logistic_config
config_of(uint32_t feature_count)
{
    br_online_logistic_config config = BR_ONLINE_LOGISTIC_DEFAULTS;

    config.feature_count = feature_count;
    return config;
}

static double
logistic(double z)
{
    return 1 / (1 + exp(-z));
}

// Feeds cases whose outcome follows the given weights ([0] is the bias).
static void
teach(br_online_logistic *model, rt_rng *rng, const double *truth, int count, int64_t from_ms)
{
    for (int i = 0; i < count; i++) {
        double x[BR_ONLINE_LOGISTIC_FEATURES_MAX];
        double z = truth[0];

        for (uint32_t f = 0; f + 1 < model->dim; f++) {
            x[f] = rt_rng_normal(rng);
            z += truth[f + 1] * x[f];
        }
        CHECK_OK(br_online_logistic_update(model, x, model->dim - 1,
                                           rt_rng_chance(rng, logistic(z)), 1,
                                           from_ms + i * HOUR_MS / 10));
    }
}

static void
test_logistic_planted_weights_are_recovered(void **unused)
{
    const double truth[] = {-2.0, 1.0, -0.7, 0.0, 0.4};
    br_online_logistic_config config = config_of(4);
    br_online_logistic model;
    rt_rng rng;

    rt_rng_seed(&rng, 42, 1);
    CHECK_OK(br_online_logistic_init(&model, &config));
    teach(&model, &rng, truth, 20000, 0);

    for (size_t i = 0; i < RT_COUNT(truth); i++) {
        CHECK_NEAR(model.weights[i], truth[i], .12);
    }
    CHECK_OK(br_online_logistic_check(&model));
    (void)unused;
}

static void
test_logistic_forecasts_are_calibrated_and_rank(void **unused)
{
    enum { COUNT = 4000 };
    static br_scored rows[COUNT];
    static br_scored ideal[COUNT];
    br_calibration_bin bins[10];
    br_online_logistic_config config = config_of(2);
    br_online_logistic model;
    double ece = 0;
    double auc = 0;
    double best = 0;
    rt_rng rng;

    rt_rng_seed(&rng, 8, 1);
    CHECK_OK(br_online_logistic_init(&model, &config));
    for (size_t i = 0; i < COUNT; i++) {
        double x[] = {rt_rng_normal(&rng), rt_rng_normal(&rng)};
        double p = logistic(-1.5 + 1.2 * x[0] - .8 * x[1]);
        bool positive = rt_rng_chance(&rng, p);
        br_online_logistic_forecast forecast;

        CHECK_OK(br_online_logistic_predict(&model, x, 2, &forecast, NULL));
        rows[i] = (br_scored){forecast.probability, positive};
        ideal[i] = (br_scored){p, positive};
        CHECK_OK(br_online_logistic_update(&model, x, 2, positive, 1, (int64_t)i * HOUR_MS));
    }
    CHECK_OK(br_metric_calibration(rows, COUNT, 10, bins, &ece));
    CHECK_OK(br_metric_auc(rows, COUNT, &auc));
    CHECK_OK(br_metric_auc(ideal, COUNT, &best));

    CHECK_TRUE(ece < .03);
    CHECK_TRUE(auc > best - .01); // progressive, the clumsy start included
    (void)unused;
}

static void
test_logistic_first_step_matches_hand_computation(void **unused)
{
    br_online_logistic_config config = config_of(1);
    br_online_logistic model;
    double x = 2;

    config.prior_mean[0] = 0;
    config.start_bias_sd = 1;
    config.start_sd = 1;
    CHECK_OK(br_online_logistic_init(&model, &config));
    CHECK_OK(br_online_logistic_update(&model, &x, 1, true, 1, 0));

    // p = 1/2, r = 1/4, x'Px = 5, share = 1 / 2.25: w = P x (1/2) share = (1, 2) / 4.5.
    CHECK_NEAR(model.weights[0], 1 / 4.5, 1e-12);
    CHECK_NEAR(model.weights[1], 2 / 4.5, 1e-12);
    CHECK_NEAR(model.covariances[0], 1 - .25 / 2.25, 1e-12);
    CHECK_NEAR(model.covariances[1], -2 * .25 / 2.25, 1e-12);
    CHECK_NEAR(model.covariances[2], 1 - 4 * .25 / 2.25, 1e-12);
    (void)unused;
}

static void
test_logistic_contributions_sum_to_the_log_odds(void **unused)
{
    const double truth[] = {-1, 1, .5, -.5};
    const double x[] = {.3, -9, 1};
    br_online_logistic_config config = config_of(3);
    br_online_logistic model;
    br_online_logistic_forecast forecast;
    double parts[4];
    rt_rng rng;

    rt_rng_seed(&rng, 4, 4);
    CHECK_OK(br_online_logistic_init(&model, &config));
    teach(&model, &rng, truth, 500, 0);
    CHECK_OK(br_online_logistic_predict(&model, x, 3, &forecast, parts));

    CHECK_NEAR(parts[0] + parts[1] + parts[2] + parts[3], forecast.log_odds, 1e-12);
    CHECK_NEAR(logistic(forecast.log_odds), forecast.probability, 1e-12);
    CHECK_TRUE(parts[2] < 0); // feature 2 weighs about +.5 and is very low here
    CHECK_NEAR(parts[2] / parts[0], -4 * model.weights[2] / model.weights[0], 1e-9); // clipped
    (void)unused;
}

static void
test_logistic_changed_world_is_followed(void **unused)
{
    const double before[] = {-1, 1.0};
    const double after[] = {-1, -1.0};
    br_online_logistic_config config = config_of(1);
    br_online_logistic model;
    br_online_logistic steady;
    rt_rng rng;

    rt_rng_seed(&rng, 6, 6);
    config.half_life_ms = 30 * DAY_MS;
    CHECK_OK(br_online_logistic_init(&model, &config));
    config.half_life_ms = 100000 * DAY_MS;
    CHECK_OK(br_online_logistic_init(&steady, &config));
    teach(&model, &rng, before, 20000, 0);
    teach(&steady, &rng, before, 20000, 0);
    teach(&model, &rng, after, 20000, 100 * DAY_MS);
    teach(&steady, &rng, after, 20000, 100 * DAY_MS);

    CHECK_NEAR(model.weights[1], -.9, .25);
    CHECK_TRUE(fabs(steady.weights[1]) < .3); // the unforgetting one averages both worlds
    (void)unused;
}

static void
test_logistic_unexcited_direction_stays_bounded(void **unused)
{
    br_online_logistic_config config = config_of(2);
    br_online_logistic model;
    double x[] = {1, 0}; // feature 1 is never seen
    rt_rng rng;

    rt_rng_seed(&rng, 2, 2);
    config.half_life_ms = DAY_MS;
    CHECK_OK(br_online_logistic_init(&model, &config));
    for (int i = 0; i < 5000; i++) {
        CHECK_OK(br_online_logistic_update(&model, x, 2, rt_rng_chance(&rng, .2), 1,
                                           i * HOUR_MS));
    }

    CHECK_NEAR(model.covariances[5], .09, 1e-6); // variance of weight 2: stationary_sd squared
    CHECK_NEAR(model.weights[2], 0, 1e-12);
    CHECK_OK(br_online_logistic_check(&model));
    (void)unused;
}

static void
test_logistic_half_life_fades_half_way_to_the_prior(void **unused)
{
    br_online_logistic_config config = config_of(1);
    br_online_logistic model;
    br_online_logistic before;
    double x = 1;

    config.prior_mean[1] = -.7;
    CHECK_OK(br_online_logistic_init(&model, &config));
    CHECK_OK(br_online_logistic_update(&model, &x, 1, true, 1, 0));
    before = model;
    CHECK_OK(br_online_logistic_update(&model, &x, 1, true, 0, config.half_life_ms));

    CHECK_NEAR(model.weights[0], (before.weights[0] - 2.6) / 2, 1e-12);
    CHECK_NEAR(model.weights[1], (before.weights[1] - .7) / 2, 1e-12);
    CHECK_NEAR(model.covariances[1], before.covariances[1] / 4, 1e-12);
    CHECK_NEAR(model.covariances[2], before.covariances[2] / 4 + .75 * .09, 1e-12);
    (void)unused;
}

static void
test_logistic_weight_zero_teaches_nothing_and_two_doubles(void **unused)
{
    br_online_logistic_config config = config_of(1);
    br_online_logistic untouched;
    br_online_logistic light;
    br_online_logistic heavy;
    double x = 1;

    CHECK_OK(br_online_logistic_init(&untouched, &config));
    light = untouched;
    heavy = untouched;
    CHECK_OK(br_online_logistic_update(&untouched, &x, 1, true, 0, 0));
    CHECK_OK(br_online_logistic_update(&light, &x, 1, true, .5, 0));
    CHECK_OK(br_online_logistic_update(&heavy, &x, 1, true, 1, 0));

    CHECK_NEAR(untouched.weights[1], 0, 0);
    CHECK_TRUE(light.weights[1] > 0);
    CHECK_TRUE(heavy.weights[1] > 1.5 * light.weights[1]);
    (void)unused;
}

static void
test_logistic_late_news_does_not_turn_time_back(void **unused)
{
    br_online_logistic_config config = config_of(1);
    br_online_logistic model;
    double x = 1;

    CHECK_OK(br_online_logistic_init(&model, &config));
    CHECK_OK(br_online_logistic_update(&model, &x, 1, true, 1, 10 * DAY_MS));
    CHECK_OK(br_online_logistic_update(&model, &x, 1, true, 1, 2 * DAY_MS));

    CHECK_INT(model.last_ms, 10 * DAY_MS);
    CHECK_U64(model.update_count, 2);
    (void)unused;
}

static void
test_logistic_bad_input_is_refused_and_changes_nothing(void **unused)
{
    br_online_logistic_config config = config_of(2);
    br_online_logistic model;
    br_online_logistic before;
    br_online_logistic_forecast forecast;
    double bad[] = {1, NAN};
    double worse[] = {-INFINITY, 0};
    double good[] = {1, 1};

    CHECK_OK(br_online_logistic_init(&model, &config));
    before = model;

    CHECK_ERR(br_online_logistic_update(&model, bad, 2, true, 1, 1), RT_EINVAL);
    CHECK_ERR(br_online_logistic_update(&model, worse, 2, true, 1, 1), RT_EINVAL);
    CHECK_ERR(br_online_logistic_update(&model, good, 1, true, 1, 1), RT_EINVAL);
    CHECK_ERR(br_online_logistic_update(&model, good, 2, true, NAN, 1), RT_EINVAL);
    CHECK_ERR(br_online_logistic_update(&model, good, 2, true, -1, 1), RT_EINVAL);
    CHECK_ERR(br_online_logistic_predict(&model, bad, 2, &forecast, NULL), RT_EINVAL);
    CHECK_TRUE(memcmp(&model, &before, sizeof(model)) == 0);
    config.half_life_ms = 0;
    CHECK_ERR(br_online_logistic_init(&model, &config), RT_EINVAL);
    config = config_of(BR_ONLINE_LOGISTIC_FEATURES_MAX + 1);
    CHECK_ERR(br_online_logistic_init(&model, &config), RT_EINVAL);
    config = config_of(1);
    config.prior_mean[1] = NAN;
    CHECK_ERR(br_online_logistic_init(&model, &config), RT_EINVAL);
    (void)unused;
}

static void
test_logistic_damaged_copy_is_found(void **unused)
{
    br_online_logistic_config config = config_of(3);
    br_online_logistic model;
    br_online_logistic copy;

    CHECK_OK(br_online_logistic_init(&model, &config));
    memcpy(&copy, &model, sizeof(copy));
    CHECK_OK(br_online_logistic_check(&copy));
    copy.version++;
    CHECK_ERR(br_online_logistic_check(&copy), RT_EVERSION);
    copy = model;
    copy.dim = BR_ONLINE_LOGISTIC_DIM_MAX + 1;
    CHECK_ERR(br_online_logistic_check(&copy), RT_ECORRUPT);
    copy = model;
    copy.weights[2] = NAN;
    CHECK_ERR(br_online_logistic_check(&copy), RT_ECORRUPT);
    copy = model;
    copy.covariances[5] = 0;
    CHECK_ERR(br_online_logistic_check(&copy), RT_ECORRUPT);
    (void)unused;
}

static void
test_logistic_full_size_stays_sane_on_extreme_cases(void **unused)
{
    br_online_logistic_config config = config_of(BR_ONLINE_LOGISTIC_FEATURES_MAX);
    br_online_logistic model;
    rt_rng rng;

    // Huge features, contradicting outcomes, collinear columns: nothing may leave the finite.
    rt_rng_seed(&rng, 77, 7);
    CHECK_OK(br_online_logistic_init(&model, &config));
    for (int i = 0; i < 3000; i++) {
        double x[BR_ONLINE_LOGISTIC_FEATURES_MAX];

        for (size_t f = 0; f < RT_COUNT(x); f++) {
            x[f] = f % 2 == 0 ? 1e300 : rt_rng_normal(&rng) * 100;
        }
        CHECK_OK(br_online_logistic_update(&model, x, RT_COUNT(x), i % 2 == 0, 1, i * DAY_MS));
    }

    CHECK_OK(br_online_logistic_check(&model));
    (void)unused;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_logistic_planted_weights_are_recovered),
        cmocka_unit_test(test_logistic_forecasts_are_calibrated_and_rank),
        cmocka_unit_test(test_logistic_first_step_matches_hand_computation),
        cmocka_unit_test(test_logistic_contributions_sum_to_the_log_odds),
        cmocka_unit_test(test_logistic_changed_world_is_followed),
        cmocka_unit_test(test_logistic_unexcited_direction_stays_bounded),
        cmocka_unit_test(test_logistic_half_life_fades_half_way_to_the_prior),
        cmocka_unit_test(test_logistic_weight_zero_teaches_nothing_and_two_doubles),
        cmocka_unit_test(test_logistic_late_news_does_not_turn_time_back),
        cmocka_unit_test(test_logistic_bad_input_is_refused_and_changes_nothing),
        cmocka_unit_test(test_logistic_damaged_copy_is_found),
        cmocka_unit_test(test_logistic_full_size_stays_sane_on_extreme_cases),
    };

    return CHECK_RUN(tests);
}
