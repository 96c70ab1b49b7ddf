#include "brain/math/metric.h"

#include <math.h>

#include "runtime/base/rng.h"
#include "tests/harness/check.h"

static void
test_auc_known_table_gives_hand_count(void **unused)
{
    // Positives .9 .8 .5 against negatives .7 .5 .1: .9 beats three, .8 beats three, .5 beats
    // one and ties one: 7.5 of 9 pairs.
    br_scored rows[] = {{.5, true}, {.1, false}, {.9, true}, {.7, false}, {.8, true}, {.5, false}};
    double auc = 0;

    CHECK_OK(br_metric_auc(rows, 6, &auc));

    CHECK_NEAR(auc, 7.5 / 9.0, 1e-12);
    (void)unused;
}

static void
test_auc_all_tied_is_one_half(void **unused)
{
    br_scored rows[] = {{.3, true}, {.3, false}, {.3, false}, {.3, true}, {.3, false}};
    double auc = 0;

    CHECK_OK(br_metric_auc(rows, 5, &auc));

    CHECK_NEAR(auc, 0.5, 1e-12);
    (void)unused;
}

static void
test_auc_perfect_and_inverted_are_one_and_zero(void **unused)
{
    br_scored good[] = {{2, true}, {1, false}, {3, true}};
    br_scored bad[] = {{-2, true}, {1, false}, {-3, true}};
    double auc = 0.5;

    CHECK_OK(br_metric_auc(good, 3, &auc));
    CHECK_NEAR(auc, 1.0, 0);
    CHECK_OK(br_metric_auc(bad, 3, &auc));
    CHECK_NEAR(auc, 0.0, 0);
    (void)unused;
}

static void
test_metric_bad_input_is_refused(void **unused)
{
    br_scored nan_row[] = {{NAN, true}, {.1, false}};
    br_scored one_kind[] = {{.2, true}, {.1, true}};
    br_scored above_one[] = {{1.2, true}, {.1, false}};
    br_calibration_bin bins[2];
    double out = 42;

    CHECK_ERR(br_metric_auc(nan_row, 2, &out), RT_EINVAL);
    CHECK_ERR(br_metric_auc(one_kind, 2, &out), RT_EMISSING);
    CHECK_ERR(br_metric_log_loss(above_one, 2, &out), RT_EINVAL);
    CHECK_ERR(br_metric_log_loss(nan_row, 2, &out), RT_EINVAL);
    CHECK_ERR(br_metric_brier(nan_row, 0, &out), RT_EMISSING);
    CHECK_ERR(br_metric_calibration(one_kind, 2, 0, bins, &out), RT_EINVAL);
    CHECK_ERR(br_metric_calibration(one_kind, 2, BR_CALIBRATION_BINS_MAX + 1, bins, &out),
              RT_EINVAL);
    CHECK_NEAR(out, 42, 0);
    (void)unused;
}

static void
test_log_loss_and_brier_match_hand_values(void **unused)
{
    br_scored rows[] = {{.8, true}, {.4, false}, {0.0, true}};
    double loss = 0;
    double brier = 0;

    CHECK_OK(br_metric_log_loss(rows, 3, &loss));
    CHECK_OK(br_metric_brier(rows, 3, &brier));

    CHECK_NEAR(loss, (-log(.8) - log(.6) - log(1e-6)) / 3, 1e-9);
    CHECK_NEAR(brier, (.04 + .16 + 1.0) / 3, 1e-12);
    (void)unused;
}

static void
test_calibration_known_bins_gives_ece(void **unused)
{
    // Lower half: mean forecast .2, observed .5. Upper half: mean forecast .85, observed 1.
    br_scored rows[] = {{.1, true}, {.3, false}, {.7, true}, {1.0, true}};
    br_calibration_bin bins[2];
    double ece = 0;

    CHECK_OK(br_metric_calibration(rows, 4, 2, bins, &ece));

    CHECK_U64(bins[0].count, 2);
    CHECK_NEAR(bins[0].mean_probability, .2, 1e-12);
    CHECK_NEAR(bins[0].positive_ratio, .5, 1e-12);
    CHECK_NEAR(bins[1].mean_probability, .85, 1e-12);
    CHECK_NEAR(ece, (2 * .3 + 2 * .15) / 4, 1e-12);
    (void)unused;
}

static void
test_progressive_without_decay_equals_batch(void **unused)
{
    enum { COUNT = 500 };
    br_scored rows[COUNT];
    br_progressive state = {0};
    br_progressive_report report;
    double loss = 0;
    double brier = 0;
    rt_rng rng;

    rt_rng_seed(&rng, 7, 1);
    for (size_t i = 0; i < COUNT; i++) {
        rows[i] = (br_scored){rt_rng_f64(&rng), rt_rng_chance(&rng, .3)};
        CHECK_OK(br_progressive_add(&state, rows[i].score, rows[i].positive, 1));
    }
    CHECK_OK(br_progressive_read(&state, &report));
    CHECK_OK(br_metric_log_loss(rows, COUNT, &loss));
    CHECK_OK(br_metric_brier(rows, COUNT, &brier));

    CHECK_NEAR(report.log_loss, loss, 1e-9);
    CHECK_NEAR(report.brier, brier, 1e-9);
    CHECK_NEAR(report.weight, COUNT, 1e-9);
    (void)unused;
}

static void
test_progressive_with_decay_forgets_bad_past(void **unused)
{
    br_progressive state = {0};
    br_progressive_report report;

    for (int i = 0; i < 200; i++) {
        CHECK_OK(br_progressive_add(&state, .9, false, .9));
    }
    for (int i = 0; i < 100; i++) {
        CHECK_OK(br_progressive_add(&state, .9, true, .9));
    }
    CHECK_OK(br_progressive_read(&state, &report));

    CHECK_NEAR(report.accuracy, 1.0, 1e-3);
    CHECK_NEAR(report.weight, 10.0, 1e-3);
    (void)unused;
}

static void
test_streams_bad_input_is_refused_and_changes_nothing(void **unused)
{
    static br_auc_stream stream;
    br_progressive state = {0};
    br_progressive_report report;
    double auc = 0;

    CHECK_ERR(br_progressive_add(&state, NAN, true, 1), RT_EINVAL);
    CHECK_ERR(br_progressive_add(&state, .5, true, 0), RT_EINVAL);
    CHECK_ERR(br_progressive_add(&state, INFINITY, true, 1), RT_EINVAL);
    CHECK_ERR(br_progressive_read(&state, &report), RT_EMISSING);
    CHECK_ERR(br_auc_stream_add(&stream, -.1, true, 1), RT_EINVAL);
    CHECK_ERR(br_auc_stream_add(&stream, .1, true, NAN), RT_EINVAL);
    CHECK_ERR(br_auc_stream_read(&stream, &auc), RT_EMISSING);
    CHECK_NEAR(stream.step, 0, 0);
    (void)unused;
}

static void
test_auc_stream_matches_exact_auc(void **unused)
{
    enum { COUNT = 4000 };
    static br_auc_stream stream;
    static br_scored rows[COUNT];
    double exact = 0;
    double streamed = 0;
    rt_rng rng;

    rt_rng_seed(&rng, 11, 2);
    for (size_t i = 0; i < COUNT; i++) {
        bool positive = rt_rng_chance(&rng, .07);
        double z = -3.0 + (positive ? 1.0 : 0.0) + rt_rng_normal(&rng);

        rows[i] = (br_scored){1 / (1 + exp(-z)), positive};
        CHECK_OK(br_auc_stream_add(&stream, rows[i].score, positive, 1));
    }
    CHECK_OK(br_metric_auc(rows, COUNT, &exact));
    CHECK_OK(br_auc_stream_read(&stream, &streamed));

    CHECK_NEAR(exact, .76, .04); // two unit normals one apart: Phi(1/sqrt 2) = .7602
    CHECK_NEAR(streamed, exact, .002);
    (void)unused;
}

static void
test_auc_stream_with_decay_follows_the_turn(void **unused)
{
    static br_auc_stream stream;
    double auc = 0;
    rt_rng rng;

    // The forecast points the wrong way for long, then the right way: with decay only the second
    // half counts. 6,000 rounds at .99 also pass the rescaling more than once.
    rt_rng_seed(&rng, 3, 3);
    for (int i = 0; i < 6000; i++) {
        bool positive = rt_rng_chance(&rng, .5);
        bool points_up = i < 4000 ? !positive : positive;

        CHECK_OK(br_auc_stream_add(&stream, points_up ? .7 : .3, positive, .99));
    }
    CHECK_OK(br_auc_stream_read(&stream, &auc));

    CHECK_TRUE(auc > .999);
    CHECK_TRUE(isfinite(stream.step));
    (void)unused;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_auc_known_table_gives_hand_count),
        cmocka_unit_test(test_auc_all_tied_is_one_half),
        cmocka_unit_test(test_auc_perfect_and_inverted_are_one_and_zero),
        cmocka_unit_test(test_metric_bad_input_is_refused),
        cmocka_unit_test(test_log_loss_and_brier_match_hand_values),
        cmocka_unit_test(test_calibration_known_bins_gives_ece),
        cmocka_unit_test(test_progressive_without_decay_equals_batch),
        cmocka_unit_test(test_progressive_with_decay_forgets_bad_past),
        cmocka_unit_test(test_streams_bad_input_is_refused_and_changes_nothing),
        cmocka_unit_test(test_auc_stream_matches_exact_auc),
        cmocka_unit_test(test_auc_stream_with_decay_follows_the_turn),
    };

    return CHECK_RUN(tests);
}
