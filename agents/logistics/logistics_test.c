#include "agents/logistics/logistics.h"

#include "tests/harness/drive.h"

#define HOUR_MS INT64_C(3600000)
#define DAY_MS (24 * HOUR_MS)
#define T0 INT64_C(1790000000000) // Monday 2026-09-21 14:13:20 UTC
#define BULK 60

static const br_agent_def *const agents[] = {&logistics_agent};

static void
create(drive *d, const char *subject, int64_t at_ms, int64_t promised_ms, const char *carrier)
{
    drive_event(d, "order.created", subject, at_ms, DRIVE_S("customer_id", "c1"),
                DRIVE_S("city", "Cali"), DRIVE_S("state", "Valle"), DRIVE_S("carrier", carrier),
                DRIVE_S("seller_id", "s1"), DRIVE_S("seller_state", "Cundinamarca"),
                DRIVE_F("value", RT_F64(90000)), DRIVE_F("freight", RT_F64(9000)),
                DRIVE_F("promised_at", RT_TIME(promised_ms)));
}

static void
ship(drive *d, const char *subject, int64_t at_ms, const char *carrier)
{
    drive_event(d, "order.shipped", subject, at_ms, DRIVE_S("carrier", carrier));
}

static void
deliver(drive *d, const char *subject, int64_t at_ms, const char *carrier)
{
    drive_event(d, "order.delivered", subject, at_ms, DRIVE_S("carrier", carrier));
}

// A carrier's past in Cali: `late` of BULK orders, evenly spread, arrive after their promise.
typedef struct past {
    const char *carrier;
    int late;
} past;

static bool
is_late(const past *p, int i)
{
    return (i + 1) * p->late / BULK > i * p->late / BULK;
}

// Plays the past of carriers side by side, in order of time; returns when it is over.
static int64_t
give_past(drive *d, int64_t at_ms, const past *pasts, size_t count)
{
    for (int i = 0; i < BULK; i++, at_ms += 2 * DAY_MS) {
        for (int step = 0; step < 4; step++) { // created, shipped, in time, late
            for (size_t c = 0; c < count; c++) {
                char subject[64];

                (void)snprintf(subject, sizeof(subject), "order/%s-%d", pasts[c].carrier, i);
                if (step == 0) {
                    create(d, subject, at_ms, at_ms + DAY_MS, pasts[c].carrier);
                } else if (step == 1) {
                    ship(d, subject, at_ms + 6 * HOUR_MS, pasts[c].carrier);
                } else if (is_late(&pasts[c], i) == (step == 3)) {
                    deliver(d, subject, at_ms + (step == 3 ? 36 : 18) * HOUR_MS, pasts[c].carrier);
                }
            }
        }
    }
    return at_ms;
}

#define PAST(d, at_ms, ...)                                                                        \
    give_past((d), (at_ms), (past[]){__VA_ARGS__}, sizeof((past[]){__VA_ARGS__}) / sizeof(past))

static double
risk_said(const drive *d)
{
    CHECK_U64(d->last.predictions.count, 1);
    return ((const msg_prediction *)d->last.predictions.items)[0].value;
}

static void
test_order_created_is_always_forecast_with_factors(void **state)
{
    const msg_prediction *prediction = NULL;
    const msg_factor *factors = NULL;
    drive d;

    (void)state;
    drive_open(&d, agents, 1, NULL);
    create(&d, "order/1", T0, T0 + 3 * DAY_MS, "");

    CHECK_TRUE(risk_said(&d) > 0.01 && risk_said(&d) < 0.99);
    prediction = d.last.predictions.items;
    factors = prediction->factors.items;
    CHECK_STR(prediction->model, "delay-risk");
    CHECK_U64(prediction->version, 0);
    CHECK_U64(prediction->factors.count, 6);
    CHECK_TRUE(fabs(factors[0].contribution) >= fabs(factors[1].contribution));
    CHECK_U64(d.last.proposals.count, 0); // no carrier known yet
    CHECK_U64(d.last.timers.count, 1);
    drive_close(&d);
}

static void
test_promise_passing_raises_a_delay_once_and_teaches_late(void **state)
{
    const msg_emission *delay = NULL;
    double before;
    drive d;

    (void)state;
    drive_open(&d, agents, 1, NULL);
    create(&d, "order/1", T0, T0 + 3 * DAY_MS, "tcc");
    before = risk_said(&d);

    drive_until(&d, T0 + 3 * DAY_MS - 1); // half-way only
    CHECK_U64(d.emissions, 0);
    drive_until(&d, T0 + 3 * DAY_MS);

    delay = drive_emission(&d, "delay.detected");
    CHECK_TRUE(delay != NULL);
    CHECK_STR(delay->subject, "order/1");
    CHECK_NEAR(drive_number(delay->data, "risk"), 1, 0);
    CHECK_NEAR(drive_number(delay->data, "delay_hours"), 0, 0.01);
    CHECK_NEAR(drive_number(delay->data, "value"), 90000, 0);
    CHECK_STR(drive_arg(delay->data, "customer_id"), "c1");
    CHECK_STR(drive_arg(delay->data, "carrier"), "tcc");
    CHECK_STR(drive_arg(delay->data, "city"), "Cali");
    CHECK_TRUE(drive_proposal(&d, "expedite_order") != NULL);
    // The label was learned: the next order of the kind is taken for riskier.
    create(&d, "order/2", T0 + 3 * DAY_MS + 1, T0 + 6 * DAY_MS, "tcc");
    CHECK_TRUE(risk_said(&d) > before + 0.02);
    CHECK_U64(((const msg_prediction *)d.last.predictions.items)[0].version, 1);
    drive_until(&d, T0 + 5 * DAY_MS);
    CHECK_U64(d.emissions, 1);
    drive_close(&d);
}

static void
test_delivery_in_time_teaches_in_time_and_says_nothing(void **state)
{
    double before;
    drive d;

    (void)state;
    drive_open(&d, agents, 1, NULL);
    create(&d, "order/1", T0, T0 + 3 * DAY_MS, "tcc");
    before = risk_said(&d);
    ship(&d, "order/1", T0 + 6 * HOUR_MS, "tcc");
    deliver(&d, "order/1", T0 + 2 * DAY_MS, "tcc");
    CHECK_U64(d.proposals + d.emissions, 0);
    create(&d, "order/2", T0 + 3 * DAY_MS - 1, T0 + 6 * DAY_MS, "tcc");
    CHECK_NEAR(risk_said(&d), before, 1e-9); // a late one could not be known yet either

    create(&d, "order/3", T0 + 3 * DAY_MS + 1, T0 + 6 * DAY_MS, "tcc");
    CHECK_TRUE(risk_said(&d) < before - 0.005);
    CHECK_U64(((const msg_prediction *)d.last.predictions.items)[0].version, 1);
    drive_until(&d, T0 + 4 * DAY_MS);
    CHECK_U64(d.emissions, 0);
    drive_close(&d);
}

// The same facts teach the same, whether the timer came before the late delivery or not at all.
static void
test_late_delivery_before_its_timer_is_labelled_as_with_it(void **state)
{
    double risks[2];

    (void)state;
    for (int i = 0; i < 2; i++) {
        drive d;

        drive_open(&d, agents, 1, NULL);
        create(&d, "order/1", T0, T0 + 3 * DAY_MS, "tcc");
        if (i == 1) {
            br_timers_set(d.timers, DRIVE_TENANT, RT_STR("logistics"), RT_STR("1"), 0, RT_STR(""));
        }
        deliver(&d, "order/1", T0 + 4 * DAY_MS, "tcc");
        CHECK_U64(d.emissions, i == 0 ? 1 : 0); // no warning of what has arrived
        create(&d, "order/2", T0 + 4 * DAY_MS + 1, T0 + 7 * DAY_MS, "tcc");
        risks[i] = risk_said(&d);
        drive_close(&d);
    }
    CHECK_NEAR(risks[0], risks[1], 1e-12);
}

static void
test_carrier_choice_takes_the_better_and_avoids_one_that_is_down(void **state)
{
    const msg_proposal *proposal = NULL;
    int64_t now;
    drive d;

    (void)state;
    drive_open(&d, agents, 1, NULL);
    now = PAST(&d, T0, {"tcc", BULK / 2}, {"envia", 0});
    create(&d, "order/a", now, now + 3 * DAY_MS, "");
    proposal = drive_proposal(&d, "assign_carrier");
    CHECK_TRUE(proposal != NULL);
    CHECK_STR(proposal->target, "order/a");
    CHECK_STR(drive_arg(proposal->args, "carrier"), "envia");
    CHECK_TRUE(proposal->confidence > 0.7);
    CHECK_TRUE(memmem(proposal->reason.ptr, proposal->reason.len, "runner-up tcc", 13) != NULL);
    CHECK_TRUE(((const msg_factor *)proposal->factors.items)[0].contribution > 0.1);

    drive_event(&d, "carrier.status", "carrier/envia", now + 1, DRIVE_S("status", "down"),
                DRIVE_S("city", "Cali"));
    create(&d, "order/b", now + 2, now + 3 * DAY_MS, "");
    proposal = drive_proposal(&d, "assign_carrier");
    CHECK_TRUE(proposal != NULL);
    CHECK_STR(drive_arg(proposal->args, "carrier"), "tcc");

    drive_event(&d, "carrier.status", "carrier/envia", now + 3, DRIVE_S("status", "up"));
    create(&d, "order/c", now + 4, now + 3 * DAY_MS, "");
    CHECK_STR(drive_arg(drive_proposal(&d, "assign_carrier")->args, "carrier"), "envia");

    drive_event(&d, "carrier.status", "carrier/envia", now + 5, DRIVE_S("status", "down"));
    create(&d, "order/d", now + 4 * DAY_MS, now + 7 * DAY_MS, ""); // told too long ago
    CHECK_STR(drive_arg(drive_proposal(&d, "assign_carrier")->args, "carrier"), "envia");
    drive_close(&d);
}

static void
test_carrier_that_the_shop_chose_is_replaced_only_by_a_clearly_better_one(void **state)
{
    const msg_proposal *proposal = NULL;
    int64_t now;
    drive d;

    (void)state;
    drive_open(&d, agents, 1, NULL);
    now = PAST(&d, T0, {"tcc", BULK / 2}, {"envia", 0}, {"servi", 1});
    create(&d, "order/a", now, now + 5 * DAY_MS, "servi"); // a little worse than envia
    CHECK_U64(d.last.proposals.count, 0);
    create(&d, "order/b", now + 1, now + 5 * DAY_MS, "tcc");
    proposal = drive_proposal(&d, "reassign_carrier");
    CHECK_TRUE(proposal != NULL);
    CHECK_STR(drive_arg(proposal->args, "carrier"), "envia");
    CHECK_STR(drive_arg(proposal->args, "from"), "tcc");
    CHECK_TRUE(memmem(proposal->reason.ptr, proposal->reason.len, "has it now tcc", 14) != NULL);
    drive_close(&d);
}

static void
test_full_carrier_is_alerted_once_and_passed_over(void **state)
{
    int64_t now;
    drive d;

    (void)state;
    drive_open(&d, agents, 1, NULL);
    now = PAST(&d, T0, {"tcc", 6}, {"envia", 0});
    drive_event(&d, "carrier.capacity", "carrier/envia", now, DRIVE_S("city", "Cali"),
                DRIVE_F("capacity", RT_I64(100)), DRIVE_F("load", RT_I64(89)));
    CHECK_U64(d.last.proposals.count, 0);
    drive_event(&d, "carrier.capacity", "carrier/envia", now + 1, DRIVE_S("city", "Cali"),
                DRIVE_F("capacity", RT_I64(100)), DRIVE_F("load", RT_I64(99)));
    CHECK_STR(drive_proposal(&d, "capacity_alert")->target, "carrier/envia");
    CHECK_STR(drive_arg(drive_proposal(&d, "capacity_alert")->args, "city"), "Cali");
    create(&d, "order/a", now + 2, now + 5 * DAY_MS, "");
    CHECK_STR(drive_arg(drive_proposal(&d, "assign_carrier")->args, "carrier"), "tcc");
    drive_event(&d, "carrier.capacity", "carrier/envia", now + 3, DRIVE_S("city", "Cali"),
                DRIVE_F("capacity", RT_I64(100)), DRIVE_F("load", RT_I64(100)));
    CHECK_U64(d.last.proposals.count, 0); // told before
    drive_close(&d);
}

static void
test_orders_between_two_reports_do_not_all_go_to_one_carrier(void **state)
{
    int to_tcc = 0;
    int64_t now;
    drive d;

    (void)state;
    drive_open(&d, agents, 1, NULL);
    now = PAST(&d, T0, {"tcc", 6}, {"envia", 0});
    drive_event(&d, "carrier.capacity", "carrier/envia", now, DRIVE_S("city", "Cali"),
                DRIVE_F("capacity", RT_I64(20)), DRIVE_F("load", RT_I64(10)));
    for (int i = 0; i < 20; i++) {
        char subject[32];

        (void)snprintf(subject, sizeof(subject), "order/n%d", i);
        create(&d, subject, now + 1 + i, now + 5 * DAY_MS, "");
        to_tcc +=
            rt_str_is(drive_arg(drive_proposal(&d, "assign_carrier")->args, "carrier"), "tcc");
    }
    CHECK_TRUE(to_tcc >= 8 && to_tcc <= 15);
    drive_close(&d);
}

static void
test_tracking_that_lags_raises_a_delay_once_before_the_promise(void **state)
{
    const msg_emission *delay = NULL;
    int64_t now;
    drive d;

    (void)state;
    drive_open(&d, agents, 1, NULL);
    now = PAST(&d, T0, {"tcc", 0});
    create(&d, "order/a", now, now + 3 * DAY_MS, "tcc");
    drive_event(&d, "tracking.updated", "order/a", now + 6 * HOUR_MS, DRIVE_S("carrier", "tcc"),
                DRIVE_S("status", "picked_up"));
    CHECK_U64(d.last.emissions.count, 0); // 66 hours left
    drive_event(&d, "tracking.updated", "order/a", now + 70 * HOUR_MS, DRIVE_S("carrier", "tcc"),
                DRIVE_S("status", "in_transit"));
    delay = drive_emission(&d, "delay.detected");
    CHECK_TRUE(delay != NULL);
    CHECK_TRUE(drive_number(delay->data, "risk") >= 0.6);
    CHECK_TRUE(drive_number(delay->data, "risk") < 1);
    CHECK_NEAR(drive_number(delay->data, "delay_hours"), 0, 0);
    CHECK_STR(drive_arg(drive_proposal(&d, "expedite_order")->args, "carrier"), "tcc");
    drive_event(&d, "tracking.updated", "order/a", now + 71 * HOUR_MS, DRIVE_S("carrier", "tcc"),
                DRIVE_S("status", "at_hub"));
    CHECK_U64(d.last.emissions.count, 0); // said before
    drive_until(&d, now + 72 * HOUR_MS);
    delay = drive_emission(&d, "delay.detected");
    CHECK_TRUE(delay != NULL);
    CHECK_NEAR(drive_number(delay->data, "risk"), 1, 0);
    CHECK_U64(d.last.proposals.count, 0); // asked before
    drive_close(&d);
}

static void
test_order_at_the_hub_moves_to_a_clearly_better_carrier(void **state)
{
    const msg_proposal *proposal = NULL;
    int64_t now;
    drive d;

    (void)state;
    drive_open(&d, agents, 1, NULL);
    now = PAST(&d, T0, {"envia", 0}, {"tcc", 1});
    create(&d, "order/a", now, now + 3 * DAY_MS, "tcc");
    ship(&d, "order/a", now + 6 * HOUR_MS, "tcc");
    drive_event(&d, "carrier.status", "carrier/tcc", now + 60 * HOUR_MS, DRIVE_S("status", "down"));
    drive_event(&d, "tracking.updated", "order/a", now + 71 * HOUR_MS, DRIVE_S("carrier", "tcc"),
                DRIVE_S("status", "at_hub"));
    proposal = drive_proposal(&d, "reassign_carrier");
    CHECK_TRUE(proposal != NULL);
    CHECK_STR(drive_arg(proposal->args, "carrier"), "envia");
    CHECK_TRUE(drive_proposal(&d, "expedite_order") == NULL);
    drive_close(&d);
}

static void
test_carriers_own_late_estimate_is_believed(void **state)
{
    drive d;

    (void)state;
    drive_open(&d, agents, 1, NULL);
    create(&d, "order/a", T0, T0 + 20 * DAY_MS, "tcc");
    drive_event(&d, "tracking.updated", "order/a", T0 + DAY_MS, DRIVE_S("carrier", "tcc"),
                DRIVE_S("status", "picked_up"), DRIVE_F("eta_at", RT_TIME(T0 + 21 * DAY_MS)));
    CHECK_NEAR(drive_number(drive_emission(&d, "delay.detected")->data, "risk"), 0.75, 1e-9);
    drive_close(&d);
}

static void
test_failed_attempt_is_rescheduled_and_warns_when_too_late(void **state)
{
    const msg_proposal *proposal = NULL;
    drive d;

    (void)state;
    drive_open(&d, agents, 1, NULL);
    create(&d, "order/a", T0, T0 + DAY_MS / 2, "tcc");
    drive_event(&d, "delivery.failed", "order/a", T0 + 2 * HOUR_MS, DRIVE_S("carrier", "tcc"),
                DRIVE_S("city", "Cali"), DRIVE_F("attempt", RT_I64(1)),
                DRIVE_S("reason", "absent"));
    proposal = drive_proposal(&d, "reschedule_delivery");
    CHECK_TRUE(proposal != NULL);
    CHECK_STR(drive_arg(proposal->args, "window"), "2026-09-22 17:00-20:00");
    CHECK_TRUE(drive_emission(&d, "delay.detected") != NULL);
    drive_event(&d, "delivery.failed", "order/a", T0 + 3 * HOUR_MS, DRIVE_S("carrier", "tcc"),
                DRIVE_S("reason", "refused"));
    CHECK_U64(d.last.proposals.count, 0);
    deliver(&d, "order/a", T0 + 4 * HOUR_MS, "tcc");
    drive_event(&d, "delivery.failed", "order/a", T0 + 5 * HOUR_MS, DRIVE_S("carrier", "tcc"),
                DRIVE_S("reason", "absent"));
    CHECK_U64(d.last.proposals.count, 0); // a straggler: it was delivered
    drive_close(&d);
}

static void
test_cancelled_order_is_vetoed_and_forgotten(void **state)
{
    const msg_proposal *veto = NULL;
    drive d;

    (void)state;
    drive_open(&d, agents, 1, NULL);
    create(&d, "order/a", T0, T0 + 3 * DAY_MS, "tcc");
    drive_event(&d, "order.cancelled", "order/a", T0 + HOUR_MS, DRIVE_S("reason", "unpaid"));
    veto = drive_proposal(&d, "*");
    CHECK_TRUE(veto != NULL);
    CHECK_TRUE(veto->veto);
    CHECK_STR(veto->target, "order/a");
    CHECK_U64(br_timers_count(d.timers), 0);
    drive_until(&d, T0 + 60 * DAY_MS);
    CHECK_U64(d.emissions, 0); // neither label nor delay
    create(&d, "order/b", T0 + 60 * DAY_MS, T0 + 63 * DAY_MS, "tcc");
    CHECK_U64(((const msg_prediction *)d.last.predictions.items)[0].version, 0);
    drive_event(&d, "order.cancelled", "order/unknown", T0 + 61 * DAY_MS);
    CHECK_TRUE(drive_proposal(&d, "*") != NULL);
    drive_close(&d);
}

static void
test_order_cancelled_after_its_delivery_still_teaches_in_time(void **state)
{
    drive d;

    (void)state;
    drive_open(&d, agents, 1, NULL);
    create(&d, "order/a", T0, T0 + 3 * DAY_MS, "tcc");
    deliver(&d, "order/a", T0 + DAY_MS, "tcc");
    drive_event(&d, "order.cancelled", "order/a", T0 + DAY_MS + HOUR_MS);
    create(&d, "order/b", T0 + 4 * DAY_MS, T0 + 6 * DAY_MS, "tcc");
    CHECK_U64(((const msg_prediction *)d.last.predictions.items)[0].version, 1);
    drive_close(&d);
}

// An order that is followed has one timer.
static void
test_orders_are_forgotten_after_their_time(void **state)
{
    drive d;

    (void)state;
    drive_open(&d, agents, 1, "logistics: {orders_max: 3}\n");
    create(&d, "order/in-time", T0, T0 + 4 * DAY_MS, "tcc");
    create(&d, "order/late", T0, T0 + 4 * DAY_MS, "tcc");
    create(&d, "order/lost", T0, T0 + 4 * DAY_MS, "tcc");
    create(&d, "order/too-many", T0, T0 + 4 * DAY_MS, "tcc");
    CHECK_U64(d.predictions, 4); // forecast all the same
    CHECK_U64(br_timers_count(d.timers), 3);
    deliver(&d, "order/in-time", T0 + DAY_MS, "tcc");
    deliver(&d, "order/late", T0 + 6 * DAY_MS, "tcc");
    CHECK_U64(br_timers_count(d.timers), 2); // the first one is gone
    drive_until(&d, T0 + 8 * DAY_MS);
    CHECK_U64(br_timers_count(d.timers), 1);
    drive_until(&d, T0 + 50 * DAY_MS);
    CHECK_U64(br_timers_count(d.timers), 0);
    CHECK_U64(br_timers_count(d.timers), 0);
    drive_close(&d);
}

static void
test_model_reset_forgets_what_was_learned(void **state)
{
    int64_t now;
    double learned;
    drive d;

    (void)state;
    drive_open(&d, agents, 1, NULL);
    now = PAST(&d, T0, {"tcc", BULK});
    create(&d, "order/a", now, now + 3 * DAY_MS, "tcc");
    learned = risk_said(&d);
    drive_event(&d, "model.reset", "model/delay-risk", now, DRIVE_S("model", "other"));
    create(&d, "order/b", now, now + 3 * DAY_MS, "tcc");
    CHECK_NEAR(risk_said(&d), learned, 0.05);
    drive_event(&d, "model.reset", "model/delay-risk", now, DRIVE_S("model", "delay-risk"));
    create(&d, "order/c", now, now + 3 * DAY_MS, "tcc");
    CHECK_U64(((const msg_prediction *)d.last.predictions.items)[0].version, 0);
    CHECK_TRUE(fabs(risk_said(&d) - learned) > 0.05);
    drive_close(&d);
}

static void
test_tenants_learn_apart(void **state)
{
    static const rt_tenant other = {2};
    drive_field fields[] = {DRIVE_S("customer_id", "c1"), DRIVE_S("state", "Valle"),
                            DRIVE_S("carrier", "tcc"), DRIVE_F("promised_at", RT_TIME(0))};
    double fresh;
    int64_t now;
    drive d;

    (void)state;
    drive_open(&d, agents, 1, NULL);
    fields[3].value = RT_TIME(T0 + 3 * DAY_MS);
    drive_event_of(&d, other, "order.created", "order/x", T0, fields, RT_COUNT(fields));
    fresh = risk_said(&d);
    drive_event_of(&d, other, "order.cancelled", "order/x", T0, NULL, 0);
    now = PAST(&d, T0 + 1, {"tcc", BULK}, {"envia", 0});
    fields[3].value = RT_TIME(now + 3 * DAY_MS);
    drive_event_of(&d, other, "order.created", "order/y", now, fields, RT_COUNT(fields));
    CHECK_NEAR(risk_said(&d), fresh, 0.02); // weekdays differ a little
    CHECK_U64(d.last.proposals.count, 0);   // it never heard of envia
    drive_close(&d);
}

static uint64_t
hash_of_a_run(int late)
{
    int64_t now;
    uint64_t hash;
    drive d;

    drive_open(&d, agents, 1, NULL);
    now = PAST(&d, T0, {"tcc", late}, {"envia", 3});
    create(&d, "order/a", now, now + 3 * DAY_MS, "");
    drive_event(&d, "tracking.updated", "order/a", now + 70 * HOUR_MS, DRIVE_S("carrier", "tcc"),
                DRIVE_S("status", "in_transit"));
    hash = br_runner_hash(d.runner);
    drive_close(&d);
    return hash;
}

static void
test_replay_gives_the_same_state(void **state)
{
    uint64_t first = hash_of_a_run(5);

    (void)state;
    // Dirties memory between two runs, so that an uninitialised byte in a row would show.
    for (int i = 0; i < 8; i++) {
        uint8_t *waste = rt_new_array(uint8_t, 100000);

        memset(waste, 0xa5, 100000);
        rt_free(waste);
    }
    CHECK_U64(hash_of_a_run(5), first);
    CHECK_TRUE(hash_of_a_run(6) != first);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order_created_is_always_forecast_with_factors),
        cmocka_unit_test(test_promise_passing_raises_a_delay_once_and_teaches_late),
        cmocka_unit_test(test_delivery_in_time_teaches_in_time_and_says_nothing),
        cmocka_unit_test(test_late_delivery_before_its_timer_is_labelled_as_with_it),
        cmocka_unit_test(test_carrier_choice_takes_the_better_and_avoids_one_that_is_down),
        cmocka_unit_test(test_carrier_that_the_shop_chose_is_replaced_only_by_a_clearly_better_one),
        cmocka_unit_test(test_full_carrier_is_alerted_once_and_passed_over),
        cmocka_unit_test(test_orders_between_two_reports_do_not_all_go_to_one_carrier),
        cmocka_unit_test(test_tracking_that_lags_raises_a_delay_once_before_the_promise),
        cmocka_unit_test(test_order_at_the_hub_moves_to_a_clearly_better_carrier),
        cmocka_unit_test(test_carriers_own_late_estimate_is_believed),
        cmocka_unit_test(test_failed_attempt_is_rescheduled_and_warns_when_too_late),
        cmocka_unit_test(test_cancelled_order_is_vetoed_and_forgotten),
        cmocka_unit_test(test_order_cancelled_after_its_delivery_still_teaches_in_time),
        cmocka_unit_test(test_orders_are_forgotten_after_their_time),
        cmocka_unit_test(test_model_reset_forgets_what_was_learned),
        cmocka_unit_test(test_tenants_learn_apart),
        cmocka_unit_test(test_replay_gives_the_same_state),
    };

    return CHECK_RUN(tests);
}
