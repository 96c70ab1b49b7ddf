#include "agents/anomaly/policy.h"

#include "runtime/base/rng.h"
#include "tests/harness/check.h"

#define HOUR_MS INT64_C(3600000)
#define BUCKET_MS (HOUR_MS / 4)
#define DAY_MS (24 * HOUR_MS)
#define MONDAY INT64_C(1789966800000) // 2026-09-21 00:00 in Bogota

static const anomaly_config config = {
    .min_trials = 30,
    .min_expected = 9,
    .tolerance = 0.25,
    .votes_needed = 2,
    .clear_after = 4,
    .refractory_ms = HOUR_MS,
    .utc_offset_ms = -5 * 3600000,
};

typedef struct bench {
    anomaly_series series;
    const anomaly_watch *watch;
    rt_rng rng;
    int64_t at_ms;
    int detected;
    int cleared;
    int judged;
    anomaly_finding last; // that was detected
} bench;

static void
bench_open(bench *b, anomaly_watch_id id, uint64_t seed)
{
    memset(b, 0, sizeof(*b));
    b->watch = anomaly_watch_of(id);
    b->at_ms = MONDAY;
    rt_rng_seed(&b->rng, 7, seed);
}

static void
add(bench *b, anomaly_tally tally, int64_t step_ms)
{
    anomaly_finding finding;

    CHECK_OK(anomaly_series_add(&b->series, b->watch, &config, &tally, b->at_ms, &finding));
    b->at_ms += step_ms;
    b->judged += finding.judged ? 1 : 0;
    b->cleared += finding.cleared ? 1 : 0;
    if (finding.detected) {
        b->detected++;
        b->last = finding;
    }
}

// Knuth's product method: fine for the small means of a test.
static double
poisson(rt_rng *rng, double mean)
{
    double limit = exp(-mean);
    double product = rt_rng_f64(rng);
    double count = 0;

    while (product > limit) {
        product *= rt_rng_f64(rng);
        count++;
    }
    return count;
}

// Orders of a bucket: none at night, a peak at noon, half as many at the weekend.
static double
usual_orders(int64_t at_ms)
{
    int64_t local_ms = at_ms + config.utc_offset_ms;
    double hour = (double)(local_ms % DAY_MS) / (double)HOUR_MS;
    int64_t weekday = (local_ms / DAY_MS + 4) % 7;
    double peak = hour < 7 || hour > 21 ? 0.3 : 8 - 0.1 * (hour - 14) * (hour - 14);

    return peak * (weekday == 0 || weekday == 6 ? 0.5 : 1);
}

static void
run_orders(bench *b, int days, double factor)
{
    for (int64_t end = b->at_ms + days * DAY_MS; b->at_ms < end;) {
        double mean = usual_orders(b->at_ms) * factor;

        add(b, (anomaly_tally){.hits = poisson(&b->rng, mean)}, BUCKET_MS);
    }
}

static void
test_count_calm_season_raises_nothing_in_ten_weeks(void **state)
{
    int detected = 0;

    (void)state;
    for (uint64_t seed = 0; seed < 5; seed++) {
        bench b;

        bench_open(&b, ANOMALY_ORDERS, seed);
        run_orders(&b, 70, 1);
        CHECK_TRUE(b.judged > 600);
        detected += b.detected;
    }
    CHECK_TRUE(detected <= 2); // of 50 series-weeks
}

static void
test_count_drop_is_found_within_hours_and_cleared(void **state)
{
    bench b;

    (void)state;
    bench_open(&b, ANOMALY_ORDERS, 1);
    run_orders(&b, 28, 1); // to a Monday's midnight
    CHECK_INT(b.detected, 0);
    while (b.at_ms < MONDAY + 28 * DAY_MS + 14 * HOUR_MS && b.detected == 0) {
        add(&b, (anomaly_tally){.hits = 0}, BUCKET_MS);
    }
    CHECK_TRUE(b.detected == 1);
    CHECK_TRUE(b.at_ms <= MONDAY + 28 * DAY_MS + 11 * HOUR_MS); // it opens at seven
    CHECK_FALSE(b.last.above);
    CHECK_CSTR(anomaly_kind(b.watch, b.last.above), "volume_drop");
    CHECK_TRUE(b.last.value < b.last.low && b.last.low > 1);
    CHECK_TRUE(b.last.severity >= BR_SEVERITY_WARNING);
    CHECK_INT(b.cleared, 0);
    run_orders(&b, 1, 0); // it goes on: told when it begins and when it gets worse, not by the hour
    CHECK_TRUE(b.detected <= 2);
    run_orders(&b, 2, 1);
    CHECK_INT(b.cleared, 1);
}

static void
test_count_within_the_tolerance_is_never_unusual(void **state)
{
    bench b;

    (void)state;
    bench_open(&b, ANOMALY_ORDERS, 2);
    // So many that 15 % more is far outside of chance.
    for (int64_t end = b.at_ms + 28 * DAY_MS; b.at_ms < end;) {
        add(&b, (anomaly_tally){.hits = round(usual_orders(b.at_ms) * 1000)}, BUCKET_MS);
    }
    for (int64_t end = b.at_ms + 2 * DAY_MS; b.at_ms < end;) {
        add(&b, (anomaly_tally){.hits = round(usual_orders(b.at_ms) * 1150)}, BUCKET_MS);
    }
    CHECK_INT(b.detected, 0);
    for (int64_t end = b.at_ms + DAY_MS; b.at_ms < end;) {
        add(&b, (anomaly_tally){.hits = round(usual_orders(b.at_ms) * 3000)}, BUCKET_MS);
    }
    CHECK_TRUE(b.detected >= 1);
    CHECK_TRUE(b.last.above);
}

static void
run_rate(bench *b, int days, double rate)
{
    for (int64_t end = b->at_ms + days * DAY_MS; b->at_ms < end;) {
        double trials = poisson(&b->rng, usual_orders(b->at_ms) / 2);
        anomaly_tally tally = {.trials = trials};

        for (int i = 0; i < (int)trials; i++) {
            tally.hits += rt_rng_f64(&b->rng) < rate ? 1 : 0;
        }
        add(b, tally, BUCKET_MS);
    }
}

static void
test_ratio_jump_is_found_within_a_day_and_calm_is_not(void **state)
{
    int found = 0;
    int early = 0;

    (void)state;
    for (uint64_t seed = 0; seed < 10; seed++) {
        bench b;

        bench_open(&b, ANOMALY_CARRIER_FAILED, seed);
        run_rate(&b, 28, 0.06);
        CHECK_TRUE(b.judged > 60);
        early += b.detected;
        b.detected = 0;
        run_rate(&b, 1, 0.35);
        found += b.detected > 0;
    }
    CHECK_TRUE(found >= 9);
    CHECK_TRUE(early <= 1); // of 40 series-weeks
}

// Log-normal latencies around 3 ms: one in a thousand is five times as long.
static void
run_latency(bench *b, int minutes, double factor)
{
    for (int i = 0; i < minutes; i++) {
        double noise = 0;

        for (int k = 0; k < 12; k++) {
            noise += rt_rng_f64(&b->rng) - 0.5;
        }
        add(b, (anomaly_tally){.trials = 1, .sum = 3 * factor * exp(0.3 * noise)}, 60000);
    }
}

// Some days are good and some are bad, as everywhere: that is no news, though no Poisson process.
static void
test_count_of_wild_days_raises_nothing(void **state)
{
    int detected = 0;

    (void)state;
    for (uint64_t seed = 0; seed < 5; seed++) {
        bench b;

        bench_open(&b, ANOMALY_ORDERS, seed);
        for (int day = 0; day < 70; day++) {
            double factor = 12 * (0.6 + 0.8 * rt_rng_f64(&b.rng));

            run_orders(&b, 1, factor);
        }
        detected += b.detected;
    }
    CHECK_TRUE(detected <= 5); // of 50 series-weeks
}

static void
test_ratio_within_the_tolerance_is_never_unusual(void **state)
{
    bench b;

    (void)state;
    bench_open(&b, ANOMALY_CARRIER_FAILED, 4);
    for (int i = 0; i < 96 * 14; i++) {
        add(&b, (anomaly_tally){.hits = 600, .trials = 10000}, BUCKET_MS);
    }
    for (int i = 0; i < 96; i++) { // a sixth more, which is far beyond chance
        add(&b, (anomaly_tally){.hits = 700, .trials = 10000}, BUCKET_MS);
    }
    CHECK_INT(b.detected, 0);
    for (int i = 0; i < 96; i++) {
        add(&b, (anomaly_tally){.hits = 1200, .trials = 10000}, BUCKET_MS);
    }
    CHECK_TRUE(b.detected > 0);
}

static void
test_level_improvement_is_no_anomaly(void **state)
{
    bench b;

    (void)state;
    bench_open(&b, ANOMALY_LATENCY, 1);
    run_latency(&b, 1440, 1);
    run_latency(&b, 60, 0.01);
    CHECK_INT(b.detected, 0);
}

static void
test_ratio_improvement_is_no_anomaly(void **state)
{
    bench b;

    (void)state;
    bench_open(&b, ANOMALY_CARRIER_FAILED, 3);
    run_rate(&b, 28, 0.3);
    run_rate(&b, 7, 0.0);
    CHECK_INT(b.detected, 0);
}

static void
run_mood(bench *b, int days, double mean)
{
    for (int64_t end = b->at_ms + days * DAY_MS; b->at_ms < end;) {
        double mood = mean + 0.8 * (rt_rng_f64(&b->rng) - 0.5);

        add(b, (anomaly_tally){.trials = 1, .sum = mood, .squares = mood * mood}, BUCKET_MS);
    }
}

static void
test_mean_that_sinks_is_found(void **state)
{
    bench b;

    (void)state;
    bench_open(&b, ANOMALY_MOOD, 4);
    run_mood(&b, 28, 0.1);
    CHECK_INT(b.detected, 0);
    run_mood(&b, 2, -0.5);
    CHECK_INT(b.detected > 0, true);
    CHECK_TRUE(b.last.value < b.last.low);
}

static void
test_level_latency_calm_week_and_jump(void **state)
{
    int early = 0;

    (void)state;
    for (uint64_t seed = 0; seed < 3; seed++) {
        bench b;

        bench_open(&b, ANOMALY_LATENCY, seed);
        run_latency(&b, 7 * 1440, 1);
        early += b.detected;
        b.detected = 0;
        run_latency(&b, 10, 20);
        CHECK_INT(b.detected >= 1, true);
        CHECK_TRUE(b.last.high < 30 && b.last.value > 15);
        CHECK_CSTR(anomaly_kind(b.watch, b.last.above), "high_latency");
        run_latency(&b, 60, 1);
        CHECK_TRUE(b.cleared >= 1);
        CHECK_U64(b.series.severity, 0);
    }
    CHECK_TRUE(early <= 2); // of 3 series-weeks
}

static void
test_level_slow_leak_is_found(void **state)
{
    bench b;
    double bytes = 2e8;

    (void)state;
    bench_open(&b, ANOMALY_MEMORY, 5);
    for (int i = 0; i < 96 * 7; i++) {
        add(&b, (anomaly_tally){.trials = 1, .sum = bytes * (1 + 0.01 * rt_rng_f64(&b.rng))},
            BUCKET_MS);
    }
    CHECK_INT(b.detected, 0);
    for (int i = 0; i < 40 && b.detected == 0; i++) { // 1 % a quarter of an hour
        bytes *= 1.01;
        add(&b, (anomaly_tally){.trials = 1, .sum = bytes}, BUCKET_MS);
    }
    CHECK_INT(b.detected, 1);
    CHECK_CSTR(anomaly_kind(b.watch, b.last.above), "memory_leak");
}

static void
test_anomaly_is_told_when_it_begins_or_worsens_not_while_it_lasts(void **state)
{
    bench b;

    (void)state;
    bench_open(&b, ANOMALY_ERRORS, 6);
    for (int i = 0; i < 300; i++) {
        add(&b, (anomaly_tally){.trials = 1, .sum = 0.001}, 60000);
    }
    for (int i = 0; i < 300; i++) {
        add(&b, (anomaly_tally){.trials = 1, .sum = 0.2}, 60000);
    }
    CHECK_TRUE(b.detected >= 1 && b.detected <= 2);
    CHECK_CSTR(anomaly_kind(b.watch, true), "error_spike");
}

static void
test_one_vote_is_not_enough(void **state)
{
    bench b;

    (void)state;
    bench_open(&b, ANOMALY_LATENCY, 8);
    run_latency(&b, 200, 1);
    // A shift of one deviation: only the sum of deviations sees it.
    for (int i = 0; i < 40; i++) {
        add(&b, (anomaly_tally){.trials = 1, .sum = 3 * exp(0.45)}, 60000);
    }
    CHECK_INT(b.detected, 0);
    CHECK_TRUE(b.series.shift.rise > 5);
}

static void
test_watch_of_a_sampled_metric_is_found_by_name(void **state)
{
    char buf[ANOMALY_DETECTORS_CAP];
    anomaly_finding finding = {.voted = {true, false, true}};

    (void)state;
    CHECK_INT(anomaly_watch_find(RT_STR("backlog")), ANOMALY_BACKLOG);
    CHECK_INT(anomaly_watch_find(RT_STR("carrier.scans")), ANOMALY_OTHER); // no sampled one
    CHECK_INT(anomaly_watch_find(RT_STR("")), ANOMALY_OTHER);
    CHECK_CSTR(anomaly_detectors_format(&finding, buf), "ewma_z,quantile");
}

static void
test_series_refuses_what_is_not_finite(void **state)
{
    bench b;
    anomaly_finding finding;
    anomaly_tally tally = {.trials = 1, .sum = NAN};

    (void)state;
    bench_open(&b, ANOMALY_LATENCY, 9);
    CHECK_ERR(anomaly_series_add(&b.series, b.watch, &config, &tally, b.at_ms, &finding),
              RT_EINVAL);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_count_calm_season_raises_nothing_in_ten_weeks),
        cmocka_unit_test(test_count_drop_is_found_within_hours_and_cleared),
        cmocka_unit_test(test_count_within_the_tolerance_is_never_unusual),
        cmocka_unit_test(test_ratio_jump_is_found_within_a_day_and_calm_is_not),
        cmocka_unit_test(test_count_of_wild_days_raises_nothing),
        cmocka_unit_test(test_ratio_within_the_tolerance_is_never_unusual),
        cmocka_unit_test(test_ratio_improvement_is_no_anomaly),
        cmocka_unit_test(test_level_improvement_is_no_anomaly),
        cmocka_unit_test(test_mean_that_sinks_is_found),
        cmocka_unit_test(test_level_latency_calm_week_and_jump),
        cmocka_unit_test(test_level_slow_leak_is_found),
        cmocka_unit_test(test_anomaly_is_told_when_it_begins_or_worsens_not_while_it_lasts),
        cmocka_unit_test(test_one_vote_is_not_enough),
        cmocka_unit_test(test_watch_of_a_sampled_metric_is_found_by_name),
        cmocka_unit_test(test_series_refuses_what_is_not_finite),
    };

    return CHECK_RUN(tests);
}
