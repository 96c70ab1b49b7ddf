#include "tools/report/forecast.h"

#include <stdio.h>

#include "tools/report/report_fixture.h"

static const forecast_filter any_time = {.from_ms = INT64_MIN, .until_ms = INT64_MAX};

static void
take(forecast *f, rt_record record)
{
    report_entry entry;

    CHECK_OK(report_entry_read(&record, &entry));
    forecast_event(f, &entry);
}

// Places an order with a forecast; promised two days later.
static void
place(kit *k, forecast *f, const char *subject, rt_str state, int64_t at_ms, double probability)
{
    rt_record record = kit_created(k, subject, state, at_ms, at_ms + 2 * KIT_DAY);

    take(f, record);
    forecast_predicted(f, record.seq, probability);
}

static void
deliver(kit *k, forecast *f, const char *subject, int64_t at_ms)
{
    take(f, kit_event(k, "order.delivered", subject, at_ms, false, NULL, 0));
}

static void
test_outcome_is_joined_by_subject(void **state)
{
    kit k;
    forecast *f = forecast_new(false);
    forecast_report r;

    (void)state;
    kit_open(&k);
    place(&k, f, "order/late", RT_STR("A"), 0, 0.8);
    place(&k, f, "order/good", RT_STR("A"), 0, 0.2);
    place(&k, f, "order/gone", RT_STR("A"), 0, 0.9);
    place(&k, f, "order/off", RT_STR("A"), 0, 0.5);
    deliver(&k, f, "order/good", KIT_DAY);
    take(f, kit_event(&k, "order.cancelled", "order/off", KIT_DAY, false, NULL, 0));
    deliver(&k, f, "order/late", 3 * KIT_DAY);
    place(&k, f, "order/young", RT_STR("A"), 3 * KIT_DAY, 0.5);
    deliver(&k, f, "order/young", 4 * KIT_DAY); // early, but its promise has not passed

    CHECK_TRUE(forecast_report_make(f, &any_time, &r));
    CHECK_U64(r.created, 5);
    CHECK_U64(r.cancelled, 1);
    CHECK_U64(r.open, 1);
    CHECK_U64(r.undelivered, 1);
    CHECK_U64(r.all.orders, 3);
    CHECK_U64(r.all.late, 2);
    CHECK_NEAR(r.all.model.auc, 1, 0);
    // -(ln .8 + ln .8 + ln .9) / 3
    CHECK_NEAR(r.all.model.log_loss, 0.18388, 1e-5);
    forecast_free(f);
    kit_close(&k);
}

static void
test_delivered_only_leaves_out_what_never_came(void **state)
{
    kit k;
    forecast *f = forecast_new(true);
    forecast_report r;

    (void)state;
    kit_open(&k);
    place(&k, f, "order/gone", RT_STR("A"), 0, 0.9);
    place(&k, f, "order/good", RT_STR("A"), 0, 0.2);
    deliver(&k, f, "order/good", KIT_DAY);
    place(&k, f, "order/probe", RT_STR("B"), 5 * KIT_DAY, 0.5);
    deliver(&k, f, "order/probe", 8 * KIT_DAY);

    CHECK_TRUE(forecast_report_make(f, &any_time, &r));
    CHECK_U64(r.undelivered, 1);
    CHECK_U64(r.all.orders, 2);
    CHECK_U64(r.all.late, 1);
    forecast_free(f);
    kit_close(&k);
}

// The rates of a probe, read back through its log-loss: the probe is late and judged alone.
static double
rate_of(const forecast_report *r, bool area)
{
    return exp(-(area ? r->all.area.log_loss : r->all.base.log_loss));
}

static void
test_rates_know_only_what_was_due_by_then(void **state)
{
    kit k;
    forecast *f = forecast_new(false);
    forecast_filter probe = {.from_ms = 3 * KIT_DAY, .until_ms = INT64_MAX};
    forecast_report r;
    char subject[32];

    (void)state;
    kit_open(&k);
    for (int i = 0; i < 40; i++) { // ten of A late, thirty of B in time; due after two days
        (void)snprintf(subject, sizeof(subject), "order/%d", i);
        place(&k, f, subject, i < 10 ? RT_STR("A") : RT_STR("B"), 0, 0.5);
    }
    for (int i = 10; i < 40; i++) {
        (void)snprintf(subject, sizeof(subject), "order/%d", i);
        deliver(&k, f, subject, KIT_DAY);
    }
    place(&k, f, "order/fresh", RT_STR("A"), 2 * KIT_DAY - 1, 0.5); // of none of them is it known
    place(&k, f, "order/probe", RT_STR("A"), 3 * KIT_DAY, 0.5);
    deliver(&k, f, "order/probe", 6 * KIT_DAY);

    CHECK_TRUE(forecast_report_make(f, &probe, &r));
    CHECK_U64(r.all.orders, 1);
    double base = (10 + FORECAST_PRIOR_RATE * FORECAST_PRIOR_WEIGHT) / (40 + FORECAST_PRIOR_WEIGHT);
    CHECK_NEAR(rate_of(&r, false), base, 1e-9);
    CHECK_NEAR(rate_of(&r, true), (10 + base * FORECAST_AREA_WEIGHT) / (10 + FORECAST_AREA_WEIGHT),
               1e-9);

    probe = (forecast_filter){2 * KIT_DAY - 1, 3 * KIT_DAY};
    CHECK_TRUE(forecast_report_make(f, &probe, &r));
    CHECK_NEAR(rate_of(&r, false), FORECAST_PRIOR_RATE, 1e-9);
    CHECK_NEAR(rate_of(&r, true), FORECAST_PRIOR_RATE, 1e-9);
    forecast_free(f);
    kit_close(&k);
}

static void
test_same_key_of_two_tenants_is_two_orders(void **state)
{
    forecast *f = forecast_new(false);
    forecast_report r;
    report_entry entry = {.seq = 1, .subject = RT_STR("order/1"), .type = RT_STR("order.created")};
    rt_mpw data;

    (void)state;
    rt_mpw_init(&data, 256);
    rt_mpw_map(&data, 1);
    rt_mpw_cstr(&data, "promised_at");
    rt_mpw_i64(&data, KIT_DAY);
    entry.data = rt_mpw_view(&data);
    for (entry.tenant = 1; entry.tenant <= 2; entry.tenant++) {
        entry.seq = entry.tenant;
        forecast_event(f, &entry);
        forecast_predicted(f, entry.seq, 0.5);
    }
    entry.tenant = 2;
    entry.type = RT_STR("order.delivered");
    entry.time_ms = 2;
    forecast_event(f, &entry);
    entry.subject = RT_STR("order/else");
    entry.time_ms = 2 * KIT_DAY;
    forecast_event(f, &entry);

    CHECK_TRUE(forecast_report_make(f, &any_time, &r));
    CHECK_U64(r.all.orders, 2);
    CHECK_U64(r.all.late, 1);
    CHECK_U64(r.undelivered, 1);
    rt_mpw_fini(&data);
    forecast_free(f);
}

static void
test_nothing_known_is_no_report(void **state)
{
    kit k;
    forecast *f = forecast_new(false);
    forecast_report r;

    (void)state;
    kit_open(&k);
    CHECK_FALSE(forecast_report_make(f, &any_time, &r));
    take(f, kit_created(&k, "order/1", RT_STR("A"), 0, KIT_DAY)); // without a forecast
    deliver(&k, f, "order/1", 2 * KIT_DAY);
    CHECK_FALSE(forecast_report_make(f, &any_time, &r));
    CHECK_U64(r.unpredicted, 1);
    forecast_free(f);
    kit_close(&k);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_outcome_is_joined_by_subject),
        cmocka_unit_test(test_delivered_only_leaves_out_what_never_came),
        cmocka_unit_test(test_rates_know_only_what_was_due_by_then),
        cmocka_unit_test(test_same_key_of_two_tenants_is_two_orders),
        cmocka_unit_test(test_nothing_known_is_no_report),
    };

    return CHECK_RUN(tests);
}
