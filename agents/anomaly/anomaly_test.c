#include "agents/anomaly/anomaly.h"

#include "agents/logistics/logistics.h"
#include "runtime/base/rng.h"
#include "tests/harness/drive.h"
#include "tools/replay/generator.h"

#define MINUTE_MS INT64_C(60000)
#define HOUR_MS (60 * MINUTE_MS)
#define DAY_MS (24 * HOUR_MS)
#define T0 INT64_C(1790000000000)

static const br_agent_def *const alone[] = {&anomaly_agent};

// What was detected and cleared, in order.
typedef struct said {
    char what[64][160];
    size_t count;
    size_t detected;
    size_t cleared;
    size_t alerts;
    char last_severity[16];
} said;

static void
on_answer(drive *d, const rt_event *event, const msg_answer *answer)
{
    said *s = d->user;
    const msg_emission *emissions = answer->emissions.items;
    const msg_proposal *proposals = answer->proposals.items;

    (void)event;
    for (uint32_t i = 0; i < answer->emissions.count; i++) {
        bool detected = rt_str_is(emissions[i].event, "anomaly.detected");

        if (!detected && !rt_str_is(emissions[i].event, "anomaly.cleared")) {
            continue;
        }
        CHECK_TRUE(rt_str_equal(emissions[i].subject, drive_arg(emissions[i].data, "scope")));
        s->detected += detected ? 1 : 0;
        s->cleared += detected ? 0 : 1;
        if (detected) {
            (void)snprintf(s->last_severity, sizeof(s->last_severity), "%.*s",
                           RT_STR_ARG(drive_arg(emissions[i].data, "severity")));
        }
        if (s->count < 64) {
            (void)snprintf(s->what[s->count++], 160, "%s %.*s %.*s %.*s",
                           detected ? "detected" : "cleared", RT_STR_ARG(emissions[i].subject),
                           RT_STR_ARG(drive_arg(emissions[i].data, "metric")),
                           RT_STR_ARG(drive_arg(emissions[i].data, "kind")));
        }
    }
    for (uint32_t i = 0; i < answer->proposals.count; i++) {
        if (rt_str_is(proposals[i].action, "alert_operator")) {
            s->alerts++;
            CHECK_STR(drive_arg(proposals[i].args, "severity"), "critical");
            CHECK_TRUE(drive_arg(proposals[i].args, "text").len > 0);
        }
    }
}

static bool
was_said(const said *s, const char *what)
{
    for (size_t i = 0; i < s->count; i++) {
        if (strcmp(s->what[i], what) == 0) {
            return true;
        }
    }
    return false;
}

static void
open_alone(drive *d, said *s, const char *overrides)
{
    memset(s, 0, sizeof(*s));
    drive_open(d, alone, 1, overrides);
    d->user = s;
    d->on_answer = on_answer;
}

static int64_t
sample(drive *d, const char *metric, int64_t at_ms, int minutes, double value, rt_rng *rng)
{
    for (int i = 0; i < minutes * 6; i++, at_ms += 10000) {
        double noise = rng != NULL ? 0.9 + 0.2 * rt_rng_f64(rng) : 1;

        drive_event(d, "metric.sampled", metric, at_ms, DRIVE_F("value", RT_F64(value * noise)));
    }
    return at_ms;
}

static void
test_sampled_metric_is_detected_and_cleared(void **state)
{
    static const struct {
        const char *metric;
        double usual;
        double bad;
        const char *want;
    } rows[] = {
        {"metric/decision_latency_ms", 3, 80, "metric/decision_latency_ms decision_latency_ms "
                                              "high_latency"},
        {"metric/backlog", 10, 5000, "metric/backlog backlog high_latency"},
        {"metric/error_rate", 0.001, 0.2, "metric/error_rate error_rate error_spike"},
        {"metric/model_log_loss", 0.28, 0.6, "metric/model_log_loss model_log_loss model_drift"},
        {"metric/ingest_rate", 1000, 5, "metric/ingest_rate ingest_rate volume_drop"},
        {"metric/queue_depth", 4, 900, "metric/queue_depth queue_depth other"},
    };

    (void)state;
    for (size_t i = 0; i < RT_COUNT(rows); i++) {
        char want[160];
        int64_t now;
        rt_rng rng;
        said s;
        drive d;

        open_alone(&d, &s, NULL);
        rt_rng_seed(&rng, 1, i);
        now = sample(&d, rows[i].metric, T0, 240, rows[i].usual, &rng);
        CHECK_U64(s.detected, 0);
        now = sample(&d, rows[i].metric, now, 6, rows[i].bad, &rng);
        (void)snprintf(want, sizeof(want), "detected %s", rows[i].want);
        if (!was_said(&s, want)) {
            fail_msg("not said: %s (but %s)", want, s.what[0]);
        }
        CHECK_CSTR(s.last_severity, "critical");
        CHECK_TRUE(s.alerts >= 1);
        (void)sample(&d, rows[i].metric, now, 60, rows[i].usual, &rng);
        (void)snprintf(want, sizeof(want), "cleared %s", rows[i].want);
        CHECK_TRUE(was_said(&s, want));
        drive_close(&d);
    }
}

static void
test_sampled_metric_in_its_range_says_nothing(void **state)
{
    rt_rng rng;
    said s;
    drive d;

    (void)state;
    open_alone(&d, &s, NULL);
    rt_rng_seed(&rng, 1, 1);
    (void)sample(&d, "metric/decision_latency_ms", T0, 2000, 3, &rng);
    CHECK_U64(s.count, 0);
    CHECK_U64(d.proposals, 0);
    drive_close(&d);
}

static void
test_series_are_limited_per_tenant(void **state)
{
    said s;
    drive d;
    const msg_agent_state *states = NULL;
    rt_msg_list list;

    (void)state;
    open_alone(&d, &s, "anomaly: {series_max: 8}\n");
    for (int i = 0; i < 50; i++) {
        char subject[32];

        (void)snprintf(subject, sizeof(subject), "metric/m%d", i);
        drive_event(&d, "metric.sampled", subject, T0 + i, DRIVE_F("value", RT_F64(1)));
    }
    br_runner_states(d.runner, d.arena, &list);
    states = list.items;
    CHECK_U64(states[0].rows, 8 + 8 + 1); // series, tallies, clock
    drive_close(&d);
}

// A carrier that works around the clock: `scans` an hour, `failed` of 100 attempts fail.
static int64_t
work(drive *d, const char *carrier, int64_t at_ms, int hours, int scans, int failed)
{
    for (int h = 0; h < hours; h++) {
        for (int i = 0; i < scans; i++) {
            int64_t now = at_ms + h * HOUR_MS + i * HOUR_MS / scans;

            drive_event(d, "tracking.updated", "order/1", now, DRIVE_S("carrier", carrier),
                        DRIVE_S("status", "in_transit"));
            if (i % 2 == 1) {
                continue;
            }
            if ((h * scans + i) * 37 % 100 < failed) {
                drive_event(d, "delivery.failed", "order/1", now, DRIVE_S("carrier", carrier),
                            DRIVE_S("reason", "absent"));
            } else {
                drive_event(d, "order.delivered", "order/1", now, DRIVE_S("carrier", carrier));
            }
        }
    }
    return at_ms + hours * HOUR_MS;
}

static void
test_carrier_falling_silent_is_detected_by_the_timer_alone(void **state)
{
    int64_t now;
    said s;
    drive d;

    (void)state;
    open_alone(&d, &s, NULL);
    now = work(&d, "tcc", T0, 24 * 18, 12, 5);
    CHECK_U64(s.count, 0);
    CHECK_TRUE(br_timers_count(d.timers) == 1);
    drive_until(&d, now + 5 * HOUR_MS); // not one event
    CHECK_TRUE(was_said(&s, "detected carrier/tcc carrier.scans carrier_failure"));
    drive_until(&d, now + 30 * DAY_MS);
    CHECK_U64(br_timers_count(d.timers), 0); // rests after a day of silence
    drive_close(&d);
}

static void
test_carrier_that_fails_attempts_is_detected_and_cleared(void **state)
{
    int64_t now;
    said s;
    drive d;

    (void)state;
    open_alone(&d, &s, NULL);
    now = work(&d, "tcc", T0, 24 * 18, 12, 5);
    CHECK_U64(s.count, 0);
    now = work(&d, "tcc", now, 24, 12, 60);
    CHECK_TRUE(was_said(&s, "detected carrier/tcc carrier.failed_rate carrier_failure"));
    CHECK_U64(s.cleared, 0);
    (void)work(&d, "tcc", now, 72, 12, 5);
    CHECK_TRUE(was_said(&s, "cleared carrier/tcc carrier.failed_rate carrier_failure"));
    drive_close(&d);
}

static void
test_only_real_delays_count_as_late(void **state)
{
    int64_t now = T0;
    said s;
    drive d;

    (void)state;
    open_alone(&d, &s, NULL);
    for (int i = 0; i < 24 * 18 * 12; i++, now += HOUR_MS / 12) {
        drive_event(&d, "order.delivered", "order/1", now, DRIVE_S("carrier", "tcc"));
        if (i % 12 == 0) {
            drive_event(&d, "delay.detected", "order/1", now, DRIVE_S("carrier", "tcc"),
                        DRIVE_F("risk", RT_F64(1)));
        }
    }
    for (int i = 0; i < 24 * 12; i++, now += HOUR_MS / 12) { // warnings only
        drive_event(&d, "order.delivered", "order/1", now, DRIVE_S("carrier", "tcc"));
        drive_event(&d, "delay.detected", "order/1", now, DRIVE_S("carrier", "tcc"),
                    DRIVE_F("risk", RT_F64(0.8)));
    }
    CHECK_U64(s.count, 0);
    for (int i = 0; i < 24 * 12; i++, now += HOUR_MS / 12) {
        drive_event(&d, "order.delivered", "order/1", now, DRIVE_S("carrier", "tcc"));
        drive_event(&d, "delay.detected", "order/1", now, DRIVE_S("carrier", "tcc"),
                    DRIVE_F("risk", RT_F64(1)));
    }
    CHECK_TRUE(was_said(&s, "detected carrier/tcc carrier.late_rate carrier_failure"));
    drive_close(&d);
}

static uint64_t
hash_of_a_run(int scans)
{
    uint64_t hash;
    int64_t now;
    said s;
    drive d;

    open_alone(&d, &s, NULL);
    now = work(&d, "tcc", T0, 24 * 6, scans, 5);
    (void)sample(&d, "metric/backlog", now, 60, 10, NULL);
    hash = br_runner_hash(d.runner);
    drive_close(&d);
    return hash;
}

static void
test_replay_gives_the_same_state(void **state)
{
    uint64_t first = hash_of_a_run(12);

    (void)state;
    for (int i = 0; i < 8; i++) {
        uint8_t *waste = rt_new_array(uint8_t, 100000);

        memset(waste, 0xa5, 100000);
        rt_free(waste);
    }
    CHECK_U64(hash_of_a_run(12), first);
    CHECK_TRUE(hash_of_a_run(13) != first);
}

// A generated month of the Colombian operation; from `silent_ms` on `carrier` sends no scans.
static void
run_month(said *s, uint64_t seed, const char *carrier, int64_t *ret_series, int64_t *ret_found_ms)
{
    static const br_agent_def *const both[] = {&logistics_agent, &anomaly_agent};
    gen_config config = gen_defaults();
    int64_t silent_ms = (config.last_day - 2) * DAY_MS + 15 * HOUR_MS; // ten in the morning
    const msg_agent_state *states = NULL;
    rt_msg_list list;
    stream_event next;
    gen *world = NULL;
    drive d;

    memset(s, 0, sizeof(*s));
    *ret_found_ms = 0;
    config.seed = seed;
    config.days = 30;
    config.orders = 24000;
    drive_open(&d, both, 2, NULL);
    d.user = s;
    d.on_answer = on_answer;
    d.feeds_emissions = true;
    CHECK_OK(gen_open(&config, &world));
    while (gen_next(world, &next) == RT_OK && next.time_ms < (config.last_day + 1) * DAY_MS) {
        rt_mp mp = rt_mp_init(next.body);
        rt_reject reject;
        rt_event event;

        CHECK_OK(rt_event_decode(d.catalog, &mp, &event, &reject));
        if (carrier != NULL && event.time_ms >= silent_ms &&
            rt_str_is(event.type->name, "tracking.updated") &&
            rt_str_is(rt_event_field(&event, "carrier").s, carrier)) {
            continue;
        }
        drive_wire(&d, next.body);
        if (*ret_found_ms == 0 && s->detected > 0) {
            *ret_found_ms = event.time_ms - silent_ms;
        }
    }
    br_runner_states(d.runner, d.arena, &list);
    states = list.items;
    *ret_series = (int64_t)(states[1].rows - 1) / 2;
    gen_close(world);
    drive_close(&d);
}

static void
test_generated_calm_month_has_fewer_than_one_false_alarm_per_metric_week(void **state)
{
    said s;
    int64_t series = 0;
    int64_t found_ms = 0;

    (void)state;
    run_month(&s, 11, NULL, &series, &found_ms);
    print_message("%zu alarms of %lld series in 30 days\n", s.detected, (long long)series);
    CHECK_TRUE(series >= 15);
    // The goal is one per metric and week (60 here); these series reach far less.
    CHECK_TRUE(s.detected <= 4);
}

static void
test_generated_silent_carrier_is_named_within_hours(void **state)
{
    said s;
    int64_t series = 0;
    int64_t found_ms = 0;

    (void)state;
    run_month(&s, 11, "coordinadora", &series, &found_ms);
    CHECK_TRUE(was_said(&s, "detected carrier/coordinadora carrier.scans carrier_failure"));
    print_message("found after %.1f hours\n", (double)found_ms / (double)HOUR_MS);
    CHECK_TRUE(found_ms > 0 && found_ms <= 6 * HOUR_MS);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sampled_metric_is_detected_and_cleared),
        cmocka_unit_test(test_sampled_metric_in_its_range_says_nothing),
        cmocka_unit_test(test_series_are_limited_per_tenant),
        cmocka_unit_test(test_carrier_falling_silent_is_detected_by_the_timer_alone),
        cmocka_unit_test(test_carrier_that_fails_attempts_is_detected_and_cleared),
        cmocka_unit_test(test_only_real_delays_count_as_late),
        cmocka_unit_test(test_replay_gives_the_same_state),
        cmocka_unit_test(test_generated_calm_month_has_fewer_than_one_false_alarm_per_metric_week),
        cmocka_unit_test(test_generated_silent_carrier_is_named_within_hours),
    };

    return CHECK_RUN(tests);
}
