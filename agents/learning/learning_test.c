// The learning agent through the runner, on the real catalogue.
#include "tests/harness/decisions.h"

extern const br_agent_def learning_agent;

#define HOUR (INT64_C(3600) * 1000)
#define DAY (24 * HOUR)
#define START INT64_C(1763650800000) // 2025-11-20T15:00:00Z, 10:00 in Colombia

// Everything the agent emitted, kept as text for the tests to look through.
typedef struct heard {
    char text[1 << 16];
    size_t len;
    int rewards;
    double reward_sum;
    double last_reward;
} heard;

static void
on_answer(drive *d, const rt_event *event, const msg_answer *answer)
{
    heard *h = d->user;
    const msg_emission *list = answer->emissions.items;

    (void)event;
    for (uint32_t i = 0; i < answer->emissions.count; i++) {
        if (rt_str_is(list[i].event, "decision.rewarded")) {
            h->rewards++;
            h->last_reward = drive_number(list[i].data, "reward");
            h->reward_sum += h->last_reward;
            h->len += (size_t)snprintf(h->text + h->len, sizeof(h->text) - h->len, "%.*s:%.*s ",
                                       RT_STR_ARG(drive_arg(list[i].data, "cause")),
                                       RT_STR_ARG(drive_arg(list[i].data, "action")));
        }
    }
}

static heard *
open(drive *d, const char *overrides)
{
    static const br_agent_def *const agents[] = {&learning_agent};
    static heard h;

    memset(&h, 0, sizeof(h));
    drive_open(d, agents, 1, overrides);
    d->on_answer = on_answer;
    d->user = &h;
    return &h;
}

static void
created(drive *d, const char *order, const char *customer, int64_t at_ms)
{
    drive_event(d, "order.created", order, at_ms, DRIVE_S("customer_id", customer),
                DRIVE_S("city", "pasto"), DRIVE_S("carrier", "tcc"),
                DRIVE_F("promised_at", RT_TIME(at_ms + 3 * DAY)));
}

static void
delivered(drive *d, const char *order, int64_t at_ms)
{
    drive_event(d, "order.delivered", order, at_ms, DRIVE_F("attempts", RT_I64(1)));
}

static uint64_t
decided(drive *d, const char *subject, const char *action, const char *target, const char *model,
        double value, int64_t at_ms)
{
    msg_candidate candidate = {.proposal = {.agent = RT_STR("logistics"),
                                            .action = rt_str_of(action != NULL ? action : ""),
                                            .target = rt_str_of(target != NULL ? target : ""),
                                            .args = {(const uint8_t *)"\x80", 1},
                                            .priority = 50,
                                            .confidence = 0.5},
                               .score = 25,
                               .verdict = RT_STR("won")};
    msg_prediction prediction = {.agent = RT_STR("logistics"),
                                 .model = rt_str_of(model != NULL ? model : ""),
                                 .value = value};
    msg_decision decision = {.event_seq = d->seq,
                             .event_type = RT_STR("order.created"),
                             .tenant = 1,
                             .subject = rt_str_of(subject)};
    uint64_t seq = d->seq;

    if (action != NULL) {
        decision.candidates = (rt_msg_list){&candidate, 1};
    }
    if (model != NULL) {
        decision.predictions = (rt_msg_list){&prediction, 1};
    }
    decisions_feed(d, &decision, at_ms);
    return seq;
}

static void
test_delivery_in_time_rewards_what_was_done(void **state)
{
    drive d;
    heard *h = open(&d, NULL);

    (void)state;
    created(&d, "order/1", "ana", START);
    (void)decided(&d, "order/1", "assign_carrier", "order/1", "delay-risk", 0.1, START);
    delivered(&d, "order/1", START + 2 * DAY);
    CHECK_CSTR(h->text, "delivery_success:assign_carrier ");
    CHECK_NEAR(h->reward_sum, 1, 0);
    delivered(&d, "order/1", START + 5 * DAY); // told twice
    CHECK_INT(h->rewards, 1);
    drive_close(&d);
}

static void
test_late_delivery_is_one_delay_however_often_told(void **state)
{
    drive d;
    heard *h = open(&d, NULL);

    (void)state;
    created(&d, "order/1", "ana", START);
    (void)decided(&d, "order/1", "assign_carrier", "order/1", NULL, 0, START);
    drive_event(&d, "delay.detected", "order/1", START + 3 * DAY + 1, DRIVE_F("risk", RT_F64(1)));
    drive_event(&d, "delay.detected", "order/1", START + 4 * DAY, DRIVE_F("risk", RT_F64(1)));
    delivered(&d, "order/1", START + 5 * DAY);
    CHECK_CSTR(h->text, "delay_occurred:assign_carrier ");
    CHECK_NEAR(h->reward_sum, -0.3, 1e-12);
    drive_close(&d);
}

static void
test_delay_prevented_only_by_what_followed_the_risk(void **state)
{
    drive d;
    heard *h = open(&d, NULL);

    (void)state;
    created(&d, "order/1", "ana", START);
    (void)decided(&d, "order/1", "assign_carrier", "order/1", NULL, 0, START);
    drive_event(&d, "delay.detected", "order/1", START + DAY, DRIVE_F("risk", RT_F64(0.7)));
    (void)decided(&d, "order/1", "expedite_order", "order/1", NULL, 0, START + DAY);
    delivered(&d, "order/1", START + 2 * DAY);
    CHECK_TRUE(strstr(h->text, "delay_prevented:expedite_order") != NULL);
    CHECK_TRUE(strstr(h->text, "delay_prevented:assign_carrier") == NULL);
    CHECK_TRUE(strstr(h->text, "delivery_success:assign_carrier") != NULL);
    CHECK_INT(h->rewards, 3);
    drive_close(&d);
}

static void
test_small_risk_prevents_nothing(void **state)
{
    drive d;
    heard *h = open(&d, NULL);

    (void)state;
    created(&d, "order/1", "ana", START);
    drive_event(&d, "delay.detected", "order/1", START + DAY, DRIVE_F("risk", RT_F64(0.2)));
    (void)decided(&d, "order/1", "expedite_order", "order/1", NULL, 0, START + DAY);
    delivered(&d, "order/1", START + 2 * DAY);
    CHECK_CSTR(h->text, "delivery_success:expedite_order ");
    drive_close(&d);
}

static void
test_issue_rewards_only_what_was_decided_about_it(void **state)
{
    drive d;
    heard *h = open(&d, NULL);

    (void)state;
    created(&d, "order/1", "ana", START);
    (void)decided(&d, "order/1", "assign_carrier", "order/1", NULL, 0, START);
    drive_event(&d, "issue.reported", "order/1", START + DAY, DRIVE_S("customer_id", "ana"),
                DRIVE_S("kind", "damaged"));
    (void)decided(&d, "order/1", "open_case", "order/1", NULL, 0, START + DAY);
    drive_event(&d, "issue.resolved", "order/1", START + 2 * DAY, DRIVE_S("customer_id", "ana"),
                DRIVE_F("solved", RT_BOOL(true)));
    CHECK_CSTR(h->text, "issue_resolved:open_case ");
    CHECK_NEAR(h->reward_sum, 0.4, 1e-12);
    drive_close(&d);
}

static void
test_happy_and_lost_customers_reach_their_decisions(void **state)
{
    drive d;
    heard *h = open(&d, NULL);

    (void)state;
    created(&d, "order/1", "ana", START);
    (void)decided(&d, "order/1", "notify_customer", "customer/ana", NULL, 0, START);
    drive_event(&d, "customer.feedback", "customer/ana", START + DAY,
                DRIVE_S("order_id", "1"), DRIVE_F("score", RT_I64(3)));
    CHECK_INT(h->rewards, 0);
    drive_event(&d, "customer.feedback", "customer/ana", START + DAY,
                DRIVE_S("order_id", "1"), DRIVE_F("score", RT_I64(5)));
    CHECK_CSTR(h->text, "customer_happy:notify_customer ");
    drive_event(&d, "customer.lost", "customer/ana", START + 2 * DAY, DRIVE_S("reason", "x"));
    CHECK_NEAR(h->last_reward, -1, 1e-12); // the customer was known only by the order's row
    CHECK_NEAR(h->reward_sum, -0.5, 1e-12);
    drive_close(&d);
}

static void
test_judgement_and_verification_go_by_decision(void **state)
{
    drive d;
    heard *h = open(&d, NULL);
    uint64_t seq;

    (void)state;
    created(&d, "order/1", "ana", START);
    seq = decided(&d, "order/1", "open_case", "order/1", NULL, 0, START);
    drive_event(&d, "feedback.received", "order/1", START + 1,
                DRIVE_F("decision_seq", RT_I64((int64_t)seq)), DRIVE_F("reward", RT_F64(-0.25)));
    CHECK_NEAR(h->last_reward, -0.25, 1e-12);
    drive_event(&d, "playbook.verified", "order/1", START + 2, DRIVE_S("playbook", "x"),
                DRIVE_F("decision_seq", RT_I64((int64_t)seq)), DRIVE_F("held", RT_BOOL(true)));
    CHECK_NEAR(h->last_reward, 0.4, 1e-12);
    drive_event(&d, "feedback.received", "order/1", START + 3,
                DRIVE_F("decision_seq", RT_I64(999999)), DRIVE_F("reward", RT_F64(1)));
    CHECK_INT(h->rewards, 2);
    drive_close(&d);
}

static void
test_failed_action_is_neither_praised_nor_blamed(void **state)
{
    drive d;
    heard *h = open(&d, NULL);
    uint64_t seq;

    (void)state;
    created(&d, "order/1", "ana", START);
    seq = decided(&d, "order/1", "assign_carrier", "order/1", NULL, 0, START);
    drive_event(&d, "action.executed", "order/1", START + 1, DRIVE_S("action_id", "a1"),
                DRIVE_S("action", "assign_carrier"), DRIVE_S("status", "failed"),
                DRIVE_F("decision_seq", RT_I64((int64_t)seq)));
    delivered(&d, "order/1", START + DAY);
    CHECK_INT(h->rewards, 0);
    drive_close(&d);
}

static void
test_choosing_nothing_is_rewarded_but_a_mere_forecast_is_not(void **state)
{
    drive d;
    heard *h = open(&d, NULL);

    (void)state;
    created(&d, "order/1", "ana", START);
    (void)decided(&d, "order/1", NULL, NULL, "delay-risk", 0.2, START);
    created(&d, "order/2", "luis", START);
    (void)decided(&d, "order/2", NULL, NULL, "next-best-action", 0.6, START);
    delivered(&d, "order/1", START + DAY);
    CHECK_INT(h->rewards, 0);
    delivered(&d, "order/2", START + DAY);
    CHECK_CSTR(h->text, "delivery_success: ");
    drive_close(&d);
}

static void
test_expired_decisions_get_nothing(void **state)
{
    drive d;
    heard *h = open(&d, "learning: {window: 2d}\n");

    (void)state;
    created(&d, "order/1", "ana", START);
    (void)decided(&d, "order/1", "assign_carrier", "order/1", NULL, 0, START);
    created(&d, "order/2", "ana", START + 3 * DAY - HOUR);
    (void)decided(&d, "order/2", "assign_carrier", "order/2", NULL, 0, START + 3 * DAY - HOUR);
    delivered(&d, "order/1", START + 3 * DAY - 1); // in time, but nobody remembers
    CHECK_INT(h->rewards, 0);
    delivered(&d, "order/2", START + 3 * DAY);
    CHECK_INT(h->rewards, 1);
    drive_close(&d);
}

// The emission of a type about `model` in the last answer, or NULL.
static const msg_emission *
report_of(const drive *d, const char *model)
{
    const msg_emission *list = d->last.emissions.items;

    for (uint32_t i = 0; i < d->last.emissions.count; i++) {
        if (rt_str_is(drive_arg(list[i].data, "model"), model)) {
            return &list[i];
        }
    }
    return NULL;
}

// 300 orders to two cities; `city_late` of every ten to Pasto are late, one of ten to Cali.
static void
live_a_day(drive *d, int pasto_late, double said_pasto, double said_cali, const char *action)
{
    for (int i = 0; i < 300; i++) {
        char order[32];
        bool pasto = i % 2 == 0;
        bool late = i / 2 % 10 < (pasto ? pasto_late : 1);
        int64_t at = START + i * 1000;

        (void)snprintf(order, sizeof(order), "order/%d", i);
        drive_event(d, "order.created", order, at, DRIVE_S("customer_id", "ana"),
                    DRIVE_S("city", pasto ? "pasto" : "cali"),
                    DRIVE_F("promised_at", RT_TIME(at + (late ? 0 : 12 * HOUR))));
        (void)decided(d, order, action, order, "delay-risk", pasto ? said_pasto : said_cali, at);
        delivered(d, order, at + 500);
    }
    drive_until(d, START + 14 * HOUR); // local midnight
}

static void
test_daily_report_says_how_the_model_did(void **state)
{
    drive d;
    const msg_emission *report;

    (void)state;
    (void)open(&d, "learning: {model_samples: 100000}\n");
    live_a_day(&d, 4, 0.4, 0.1, NULL);
    CHECK_INT(d.timers_fired, 1);
    report = report_of(&d, "delay-risk");
    assert_non_null(report);
    CHECK_STR(report->event, "learning.completed");
    CHECK_NEAR(drive_number(report->data, "samples"), 300, 0);
    CHECK_NEAR(drive_number(report->data, "auc"), 0.70, 0.01);
    CHECK_NEAR(drive_number(report->data, "accuracy"), 0.75, 0.02);
    CHECK_TRUE(drive_number(report->data, "calibration_error") < 0.03);
    CHECK_TRUE(drive_number(report->data, "log_loss") <
               drive_number(report->data, "base_log_loss"));
    CHECK_STR(drive_arg(report->data, "trend"), "unknown");
    CHECK_STR(drive_arg(report->data, "weak_area"), "city/pasto");
    CHECK_INT(d.proposals, 0);
    drive_until(&d, START + 40 * HOUR); // a day in which nothing happened is not reported
    CHECK_INT(d.timers_fired, 2);
    CHECK_TRUE(report_of(&d, "delay-risk") == NULL);
    drive_close(&d);
}

static void
test_watched_loss_goes_out_as_a_metric(void **state)
{
    drive d;
    int samples = 0;

    (void)state;
    (void)open(&d, "learning: {watched_samples: 10}\n");
    for (int i = 0; i < 30; i++) {
        char order[32];
        const msg_emission *sample;
        (void)snprintf(order, sizeof(order), "order/%d", i);
        created(&d, order, "ana", START + i);
        (void)decided(&d, order, NULL, NULL, i % 2 == 0 ? "delay-risk" : "delay-other", 0.2,
                      START + i);
        delivered(&d, order, START + i);
        sample = drive_emission(&d, "metric.sampled");
        if (sample != NULL) {
            samples++;
            CHECK_STR(sample->subject, "metric/model_log_loss");
            CHECK_NEAR(drive_number(sample->data, "value"), 0.223144, 1e-6); // -ln(0.8)
            CHECK_INT(i, 18); // the tenth outcome of that model
        }
    }
    CHECK_INT(samples, 1);
    drive_close(&d);
}

static void
test_weak_area_becomes_one_improvement_a_week(void **state)
{
    drive d;
    const msg_emission *improvement;
    const msg_proposal *p;

    (void)state;
    (void)open(&d, NULL);
    live_a_day(&d, 6, 0.6, 0.1, NULL);
    improvement = drive_emission(&d, "improvement.proposed");
    assert_non_null(improvement);
    CHECK_STR(drive_arg(improvement->data, "area"), "city/pasto");
    CHECK_STR(drive_arg(improvement->data, "route"), "apply");
    CHECK_TRUE(drive_number(improvement->data, "confidence") > 0.8);
    p = drive_proposal(&d, "apply_improvement");
    assert_non_null(p);
    CHECK_STR(drive_arg(p->args, "area"), "city/pasto");
    CHECK_TRUE(drive_arg(p->args, "change").len > 20);
    for (int day = 1; day < 8; day++) { // one outcome a day: reported, not proposed again
        char order[32];
        (void)snprintf(order, sizeof(order), "order/late-%d", day);
        created(&d, order, "ana", START + day * DAY);
        (void)decided(&d, order, NULL, NULL, "delay-risk", 0.5, START + day * DAY);
        delivered(&d, order, START + day * DAY + 1);
        drive_until(&d, START + day * DAY + 14 * HOUR);
        assert_non_null(report_of(&d, "delay-risk"));
        CHECK_INT(drive_emission(&d, "improvement.proposed") != NULL, day == 7);
    }
    drive_close(&d);
}

static void
test_useless_model_is_to_be_reset(void **state)
{
    drive d;
    const msg_emission *improvement;

    (void)state;
    (void)open(&d, NULL);
    live_a_day(&d, 4, 0.05, 0.6, NULL); // the wrong way round
    improvement = drive_emission(&d, "improvement.proposed");
    assert_non_null(improvement);
    CHECK_STR(drive_arg(improvement->data, "area"), "model/delay-risk");
    drive_event(&d, "model.reset", "", START + 15 * HOUR, DRIVE_S("model", "delay-risk"));
    created(&d, "order/new", "ana", START + 16 * HOUR);
    (void)decided(&d, "order/new", NULL, NULL, "delay-risk", 0.1, START + 16 * HOUR);
    delivered(&d, "order/new", START + 16 * HOUR + 1);
    drive_until(&d, START + 38 * HOUR);
    CHECK_NEAR(drive_number(report_of(&d, "delay-risk")->data, "log_loss"), 0.10536, 1e-4);
    drive_close(&d);
}

static void
test_costly_action_is_to_be_used_less(void **state)
{
    drive d;
    const msg_emission *report;

    (void)state;
    (void)open(&d, NULL);
    for (int i = 0; i < 100; i++) {
        char order[32];
        uint64_t seq;
        (void)snprintf(order, sizeof(order), "order/%d", i);
        created(&d, order, "ana", START);
        seq = decided(&d, order, "call_customer", "customer/ana", NULL, 0, START);
        drive_event(&d, "feedback.received", order, START,
                    DRIVE_F("decision_seq", RT_I64((int64_t)seq)),
                    DRIVE_F("reward", RT_F64(i % 4 == 0 ? 0.2 : -0.6)));
    }
    drive_until(&d, START + 14 * HOUR);
    report = report_of(&d, "action:call_customer");
    assert_non_null(report);
    CHECK_NEAR(drive_number(report->data, "mean_reward"), -0.4, 1e-6);
    CHECK_NEAR(drive_number(report->data, "samples"), 100, 0);
    CHECK_STR(drive_arg(drive_emission(&d, "improvement.proposed")->data, "area"),
              "action/call_customer");
    drive_close(&d);
}

static void
test_healing_is_reported_like_an_action(void **state)
{
    drive d;

    (void)state;
    (void)open(&d, NULL);
    drive_event(&d, "healing.completed", "carrier/tcc", START,
                DRIVE_S("playbook", "carrier-failure"), DRIVE_S("outcome", "escalated"));
    drive_until(&d, START + 14 * HOUR);
    CHECK_NEAR(
        drive_number(report_of(&d, "action:healing:carrier-failure")->data, "mean_reward"), -0.5,
        1e-12);
    drive_close(&d);
}

static void
test_churn_forecasts_are_judged_by_the_next_order(void **state)
{
    drive d;

    (void)state;
    (void)open(&d, NULL);
    drive_event(&d, "customer.feedback", "customer/ana", START, DRIVE_F("score", RT_I64(1)));
    (void)decided(&d, "customer/ana", NULL, NULL, "churn-risk", 0.2, START);
    drive_event(&d, "customer.feedback", "customer/luis", START, DRIVE_F("score", RT_I64(1)));
    (void)decided(&d, "customer/luis", NULL, NULL, "churn-risk", 0.8, START);
    created(&d, "order/1", "ana", START + HOUR); // stays
    drive_event(&d, "customer.lost", "customer/luis", START + HOUR, DRIVE_S("reason", "x"));
    drive_until(&d, START + 14 * HOUR);
    CHECK_NEAR(drive_number(report_of(&d, "churn-risk")->data, "accuracy"), 1, 0);
    CHECK_NEAR(drive_number(report_of(&d, "churn-risk")->data, "samples"), 2, 0);
    drive_close(&d);
}

static void
test_long_report_goes_on_in_pages(void **state)
{
    drive d;

    (void)state;
    (void)open(&d, NULL);
    for (int i = 0; i < 20; i++) {
        char name[32];
        (void)snprintf(name, sizeof(name), "p%d", i);
        drive_event(&d, "healing.completed", "", START, DRIVE_S("playbook", name),
                    DRIVE_S("outcome", "healed"));
    }
    drive_until(&d, START + 14 * HOUR);
    CHECK_INT(d.timers_fired, 4); // six a page
    CHECK_INT(d.emissions, 20);
    drive_until(&d, START + 38 * HOUR);
    CHECK_INT(d.emissions, 20);
    drive_close(&d);
}

static uint64_t
run_story(void)
{
    drive d;
    uint64_t hash;

    (void)open(&d, NULL);
    live_a_day(&d, 4, 0.4, 0.1, "assign_carrier");
    hash = rt_store_hash(d.store) ^ d.emissions;
    drive_close(&d);
    return hash;
}

static void
test_same_records_give_same_rows(void **state)
{
    (void)state;
    CHECK_U64(run_story(), run_story());
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_delivery_in_time_rewards_what_was_done),
        cmocka_unit_test(test_late_delivery_is_one_delay_however_often_told),
        cmocka_unit_test(test_delay_prevented_only_by_what_followed_the_risk),
        cmocka_unit_test(test_small_risk_prevents_nothing),
        cmocka_unit_test(test_issue_rewards_only_what_was_decided_about_it),
        cmocka_unit_test(test_happy_and_lost_customers_reach_their_decisions),
        cmocka_unit_test(test_judgement_and_verification_go_by_decision),
        cmocka_unit_test(test_failed_action_is_neither_praised_nor_blamed),
        cmocka_unit_test(test_choosing_nothing_is_rewarded_but_a_mere_forecast_is_not),
        cmocka_unit_test(test_expired_decisions_get_nothing),
        cmocka_unit_test(test_daily_report_says_how_the_model_did),
        cmocka_unit_test(test_watched_loss_goes_out_as_a_metric),
        cmocka_unit_test(test_weak_area_becomes_one_improvement_a_week),
        cmocka_unit_test(test_useless_model_is_to_be_reset),
        cmocka_unit_test(test_costly_action_is_to_be_used_less),
        cmocka_unit_test(test_healing_is_reported_like_an_action),
        cmocka_unit_test(test_churn_forecasts_are_judged_by_the_next_order),
        cmocka_unit_test(test_long_report_goes_on_in_pages),
        cmocka_unit_test(test_same_records_give_same_rows),
    };
    return CHECK_RUN(tests);
}
