// The customer agent through the runner, on the real catalogue.
#include "runtime/base/civil.h"
#include "tests/harness/decisions.h"

extern const br_agent_def customer_agent;

#define HOUR (INT64_C(3600) * 1000)
#define DAY (24 * HOUR)
#define MORNING INT64_C(1763650800000) // 2025-11-20T15:00:00Z, 10:00 in Colombia

// No money, no doubt: the tests that look at one option make it the best by far.
static const char certain[] = "customer: {reward_sd: 0.001}\n";

static void
open(drive *d, const char *overrides)
{
    static const br_agent_def *const agents[] = {&customer_agent};

    drive_open(d, agents, 1, overrides);
}

static void
order_created(drive *d, const char *order, const char *customer, double value, int64_t at_ms)
{
    drive_event(d, "order.created", order, at_ms, DRIVE_S("customer_id", customer),
                DRIVE_F("value", RT_F64(value)), DRIVE_F("promised_at", RT_TIME(at_ms + 3 * DAY)));
}

static void
order_late(drive *d, const char *order, double hours, int64_t at_ms)
{
    drive_event(d, "delay.detected", order, at_ms, DRIVE_F("risk", RT_F64(1)),
                DRIVE_F("delay_hours", RT_F64(hours)));
}

static void
delivered(drive *d, const char *order, int64_t at_ms)
{
    drive_event(d, "order.delivered", order, at_ms, DRIVE_F("attempts", RT_I64(1)));
}

static void
test_delay_proposes_a_message_to_the_orders_customer(void **state)
{
    drive d;
    const msg_proposal *p;

    (void)state;
    open(&d, certain);
    order_created(&d, "order/45871", "ana", 120000, MORNING);
    CHECK_INT(d.proposals, 0);
    order_late(&d, "order/45871", 6, MORNING + 4 * DAY);
    p = drive_proposal(&d, "notify_customer");
    assert_non_null(p);
    CHECK_STR(p->target, "customer/ana"); // the event did not name her
    CHECK_STR(drive_arg(p->args, "order_id"), "45871");
    CHECK_HAS(drive_arg(p->args, "text"), "su pedido 45871 no llegó");
    CHECK_INT(p->cost_cop, 50);
    CHECK_TRUE(p->confidence > 0.9 && p->confidence <= 1);
    CHECK_TRUE(p->priority > 50 && p->priority <= 100);
    CHECK_TRUE(p->factors.count == 8);
    CHECK_INT(d.last.predictions.count, 2);
    drive_close(&d);
}

static void
test_unknown_customer_and_healthy_events_say_nothing(void **state)
{
    drive d;

    (void)state;
    open(&d, certain);
    order_late(&d, "order/1", 6, MORNING);
    drive_event(&d, "customer.inquiry", "customer/ana", MORNING, DRIVE_F("mood", RT_F64(0.5)));
    drive_event(&d, "customer.feedback", "customer/ana", MORNING, DRIVE_F("score", RT_I64(5)));
    delivered(&d, "order/1", MORNING);
    CHECK_INT(d.proposals, 0);
    CHECK_INT(d.predictions, 0);
    drive_close(&d);
}

static void
test_delivered_order_is_not_talked_about(void **state)
{
    drive d;

    (void)state;
    open(&d, certain);
    order_created(&d, "order/1", "ana", 120000, MORNING);
    delivered(&d, "order/1", MORNING + DAY);
    order_late(&d, "order/1", 6, MORNING + DAY + HOUR);
    drive_event(&d, "delivery.failed", "order/1", MORNING + DAY + HOUR,
                DRIVE_S("reason", "absent"));
    CHECK_INT(d.proposals, 0);
    drive_close(&d);
}

static void
test_night_holds_the_message_until_the_morning(void **state)
{
    drive d;
    const int64_t night = MORNING + 12 * HOUR; // 22:00
    const int64_t seven = MORNING + 21 * HOUR; // 07:00

    (void)state;
    open(&d, certain);
    order_created(&d, "order/1", "ana", 120000, MORNING);
    order_late(&d, "order/1", 6, night);
    CHECK_INT(d.last.proposals.count, 0);
    CHECK_INT(d.last.timers.count, 1);
    CHECK_TRUE(((const msg_timer *)d.last.timers.items)->due_ms >= seven);
    CHECK_TRUE(((const msg_timer *)d.last.timers.items)->due_ms < seven + HOUR / 2);
    drive_until(&d, seven - 1);
    CHECK_INT(d.proposals, 0);
    drive_until(&d, seven + HOUR / 2);
    CHECK_INT(d.timers_fired, 1);
    assert_non_null(drive_proposal(&d, "notify_customer"));
    CHECK_INT(d.proposals, 1);
    drive_close(&d);
}

static void
test_held_message_is_dropped_when_the_order_arrived(void **state)
{
    drive d;

    (void)state;
    open(&d, certain);
    order_created(&d, "order/1", "ana", 120000, MORNING);
    order_late(&d, "order/1", 6, MORNING + 12 * HOUR);
    delivered(&d, "order/1", MORNING + 13 * HOUR);
    drive_until(&d, MORNING + 30 * HOUR);
    CHECK_INT(d.timers_fired, 1);
    CHECK_INT(d.proposals, 0);
    drive_close(&d);
}

static void
test_contacts_count_only_when_they_won(void **state)
{
    drive d;

    (void)state;
    open(&d, certain);
    order_created(&d, "order/1", "ana", 120000, MORNING);
    for (int i = 0; i < 5; i++) { // refused: nobody was bothered
        order_late(&d, "order/1", 6, MORNING + i * 1000);
        CHECK_INT(d.last.proposals.count, 1);
        (void)decisions_settle(&d, "delay.detected", "order/1", "refused", MORNING + i * 1000);
    }
    order_late(&d, "order/1", 6, MORNING + 10000);
    (void)decisions_settle(&d, "delay.detected", "order/1", "won", MORNING + 10000);
    order_late(&d, "order/1", 6, MORNING + 20000); // within the gap of two hours
    CHECK_INT(d.last.proposals.count, 0);
    order_late(&d, "order/1", 6, MORNING + 3 * HOUR);
    CHECK_INT(d.last.proposals.count, 1);
    drive_close(&d);
}

static void
test_daily_cap_counts_other_proposers_too(void **state)
{
    msg_candidate candidate = {.proposal = {.agent = RT_STR("playbook:x"),
                                            .action = RT_STR("notify_customer"),
                                            .target = RT_STR("customer/ana"),
                                            .args = {(const uint8_t *)"\x80", 1}},
                               .verdict = RT_STR("won")};
    msg_decision decision = {.event_seq = 1, .tenant = 1, .candidates = {&candidate, 1}};
    drive d;

    (void)state;
    open(&d, certain);
    order_created(&d, "order/1", "ana", 120000, MORNING);
    for (int i = 0; i < 3; i++) {
        decisions_feed(&d, &decision, MORNING - 9 * HOUR + i * HOUR);
    }
    order_late(&d, "order/1", 6, MORNING);
    CHECK_INT(d.last.proposals.count, 0);
    order_late(&d, "order/1", 6, MORNING + 22 * HOUR);
    CHECK_INT(d.last.proposals.count, 1);
    drive_close(&d);
}

static void
test_other_tenants_share_nothing(void **state)
{
    drive d;
    drive_field fields[] = {DRIVE_F("risk", RT_F64(1)), DRIVE_F("delay_hours", RT_F64(6))};

    (void)state;
    open(&d, certain);
    order_created(&d, "order/1", "ana", 120000, MORNING);
    drive_event_of(&d, (rt_tenant){2}, "delay.detected", "order/1", MORNING, fields, 2);
    CHECK_INT(d.proposals, 0); // tenant 2 has no such order
    drive_close(&d);
}

static void
test_issue_opens_a_case_for_the_order(void **state)
{
    drive d;
    const msg_proposal *p;

    (void)state;
    open(&d, "customer: {reward_sd: 0.001, contacts_per_day: 0}\n"); // no contact is allowed
    order_created(&d, "order/1", "ana", 120000, MORNING);
    delivered(&d, "order/1", MORNING + DAY);
    drive_event(&d, "issue.reported", "order/1", MORNING + DAY + 12 * HOUR, // at night
                DRIVE_S("customer_id", "ana"), DRIVE_S("kind", "damaged"));
    p = drive_proposal(&d, "open_case");
    assert_non_null(p);
    CHECK_STR(p->target, "order/1");
    CHECK_STR(drive_arg(p->args, "kind"), "damaged");
    CHECK_TRUE(drive_arg(p->args, "text").len > 20);
    CHECK_INT(d.last.timers.count, 0);
    drive_close(&d);
}

static void
test_third_inquiry_and_angry_mood_are_answered(void **state)
{
    drive d;

    (void)state;
    open(&d, certain);
    for (int i = 0; i < 2; i++) {
        drive_event(&d, "customer.inquiry", "customer/ana", MORNING + i * HOUR,
                    DRIVE_S("channel", "whatsapp"));
        CHECK_INT(d.last.proposals.count, 0);
    }
    drive_event(&d, "customer.inquiry", "customer/ana", MORNING + 3 * HOUR,
                DRIVE_S("channel", "whatsapp"));
    CHECK_INT(d.last.proposals.count, 1);
    drive_event(&d, "customer.inquiry", "customer/luis", MORNING + 3 * HOUR,
                DRIVE_F("mood", RT_F64(-0.9)));
    CHECK_INT(d.last.proposals.count, 1);
    drive_close(&d);
}

static void
reward(drive *d, uint64_t seq, double value, int64_t at_ms)
{
    drive_event(d, "decision.rewarded", "order/1", at_ms,
                DRIVE_F("decision_seq", RT_I64((int64_t)seq)), DRIVE_F("reward", RT_F64(value)),
                DRIVE_S("cause", "feedback"));
}

// Counts contacts among the first and the last 50 of 300 late orders.
static void
live_through(double for_contact, double for_silence, int *ret_early, int *ret_late)
{
    drive d;
    int64_t at = MORNING;

    open(&d, "customer: {contact_gap: 0s, contacts_per_day: 16, contacts_per_week: 16,"
             " fatigue_day: 0, fatigue_week: 0}\n");
    *ret_early = 0;
    *ret_late = 0;
    for (int i = 0; i < 300; i++, at += 1000) {
        char order[32];
        char customer[32];
        uint64_t seq;
        bool contacted;

        (void)snprintf(order, sizeof(order), "order/%d", i);
        (void)snprintf(customer, sizeof(customer), "c%d", i);
        order_created(&d, order, customer, 50000, at);
        order_late(&d, order, 6, at);
        contacted = d.last.proposals.count > 0;
        *ret_early += i < 50 && contacted ? 1 : 0;
        *ret_late += i >= 250 && contacted ? 1 : 0;
        seq = decisions_settle(&d, "delay.detected", order, "won", at);
        reward(&d, seq, contacted ? for_contact : for_silence, at);
    }
    drive_close(&d);
}

static void
test_rewards_change_what_is_proposed(void **state)
{
    int early;
    int late;

    (void)state;
    live_through(-0.8, 0.5, &early, &late); // messages annoy
    CHECK_TRUE(early >= 2 && early < 40);
    CHECK_TRUE(late <= 2);
    live_through(0.8, -0.5, &early, &late); // messages help
    CHECK_TRUE(late >= 48);
}

static void
test_lost_proposals_teach_nothing(void **state)
{
    drive d;
    uint64_t before;

    (void)state;
    open(&d, certain);
    order_created(&d, "order/1", "ana", 120000, MORNING);
    order_late(&d, "order/1", 6, MORNING);
    uint64_t seq = decisions_settle(&d, "delay.detected", "order/1", "lost", MORNING);
    before = rt_store_hash(d.store);
    reward(&d, seq, 1, MORNING);
    CHECK_U64(rt_store_hash(d.store), before);
    drive_close(&d);
}

static void
test_old_orders_are_forgotten(void **state)
{
    drive d;

    (void)state;
    open(&d, "customer: {orders_max: 3, reward_sd: 0.001}\n");
    for (int i = 0; i < 10; i++) {
        char order[32];
        (void)snprintf(order, sizeof(order), "order/%d", i);
        order_created(&d, order, "ana", 1000, MORNING + i);
    }
    order_late(&d, "order/0", 6, MORNING + HOUR); // nobody knows whose it was
    CHECK_INT(d.last.proposals.count, 0);
    order_late(&d, "order/9", 6, MORNING + HOUR);
    CHECK_INT(d.last.proposals.count, 1);
    drive_close(&d);
}

static uint64_t
run_story(void)
{
    drive d;
    uint64_t hash;
    uint64_t seq;

    open(&d, NULL);
    for (int i = 0; i < 40; i++) {
        char order[32];
        char customer[32];
        (void)snprintf(order, sizeof(order), "order/%d", i);
        (void)snprintf(customer, sizeof(customer), "c%d", i % 7);
        order_created(&d, order, customer, 40000 + i, MORNING + i * HOUR);
        order_late(&d, order, i, MORNING + i * HOUR + 1);
        seq = decisions_settle(&d, "delay.detected", order, i % 3 == 0 ? "lost" : "won",
                               MORNING + i * HOUR + 2);
        reward(&d, seq, i % 2 == 0 ? 1 : -0.3, MORNING + i * HOUR + 3);
    }
    hash = rt_store_hash(d.store) ^ d.proposals;
    drive_close(&d);
    return hash;
}

static void
test_same_records_give_same_rows(void **state)
{
    (void)state;
    CHECK_U64(run_story(), run_story());
}

static void
test_wrong_quiet_hours_stop_the_start(void **state)
{
    static const br_agent_def *const agents[] = {&customer_agent};
    br_runner_config config = {.agents = agents, .agent_count = 1};
    drive d;
    br_runner *runner = NULL;
    rt_node *root = NULL;

    (void)state;
    open(&d, NULL);
    CHECK_OK(rt_yaml_parse("agents.yaml", RT_STR("customer: {quiet_from: \"8 pm\"}\n"), d.arena,
                           d.diag, &root));
    config.catalog = d.catalog;
    config.store = rt_store_open_memory();
    config.overrides = root;
    config.diag = d.diag;
    CHECK_ERR(br_runner_new(&config, &runner), RT_ECONFIG);
    rt_store_close(config.store);
    drive_close(&d);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_delay_proposes_a_message_to_the_orders_customer),
        cmocka_unit_test(test_unknown_customer_and_healthy_events_say_nothing),
        cmocka_unit_test(test_delivered_order_is_not_talked_about),
        cmocka_unit_test(test_night_holds_the_message_until_the_morning),
        cmocka_unit_test(test_held_message_is_dropped_when_the_order_arrived),
        cmocka_unit_test(test_contacts_count_only_when_they_won),
        cmocka_unit_test(test_daily_cap_counts_other_proposers_too),
        cmocka_unit_test(test_other_tenants_share_nothing),
        cmocka_unit_test(test_issue_opens_a_case_for_the_order),
        cmocka_unit_test(test_third_inquiry_and_angry_mood_are_answered),
        cmocka_unit_test(test_rewards_change_what_is_proposed),
        cmocka_unit_test(test_lost_proposals_teach_nothing),
        cmocka_unit_test(test_old_orders_are_forgotten),
        cmocka_unit_test(test_same_records_give_same_rows),
        cmocka_unit_test(test_wrong_quiet_hours_stop_the_start),
    };
    return CHECK_RUN(tests);
}
