// What bounds a playbook: modes and canaries, budgets, opening hours.
#include "tests/harness/course_kit.h"

#define MINUTE_MS ((int64_t)60 * 1000)
#define HEAD "kind: playbook\nid: p\ndoc: Because.\nevents: [issue.reported]\n"
#define CASE "do:\n  - {action: open_case, target: \"${event.subject}\", cost_cop: 1000}\n"
#define CALL                                                                                       \
    "do:\n  - {action: call_customer, target: \"customer/${data.customer_id}\", "                  \
    "args: {text: hola}}\n"

static int
setup(void **state)
{
    *state = course_kit_open();
    return 0;
}

static int
teardown(void **state)
{
    course_kit_close(*state);
    return 0;
}

static void
report(course_kit *k, int order, int customer)
{
    char subject[64];
    char data[256];

    (void)snprintf(subject, sizeof(subject), "order/%d", order);
    (void)snprintf(data, sizeof(data), "{\"customer_id\":\"c%d\",\"kind\":\"late\"}", customer);
    course_kit_event(k, "issue.reported", subject, data);
}

static void
check_verdict(const course_kit *k, const char *verdict, const char *why)
{
    CHECK_STR(course_kit_first(k)->verdict, verdict);
    CHECK_HAS(course_kit_first(k)->why, why);
}

static void
set_mode(course_kit *k, const char *mode, double percent)
{
    char data[256];

    (void)snprintf(data, sizeof(data),
                   "{\"playbook\":\"p\",\"mode\":\"%s\",\"percent\":%f,\"by\":\"uid:1\"}", mode,
                   percent);
    course_kit_own(k, "playbook.mode_set", "", data, true);
}

// How many of 1,000 orders it acted for.
static int
acted_of_thousand(course_kit *k, bool *ret_for)
{
    int count = 0;

    for (int i = 0; i < 1000; i++) {
        uint32_t before = k->acted;

        course_kit_wait(k, 2 * MINUTE_MS);
        report(k, i, i);
        ret_for[i] = k->acted > before;
        count += ret_for[i];
    }
    course_kit_wait(k, 48 * STATE_KIT_HOUR_MS); // cooldowns
    return count;
}

static void
test_canary_acts_for_its_share_and_the_same_keys(void **state)
{
    static bool ten[1000];
    static bool again[1000];
    static bool thirty[1000];
    course_kit *k = *state;

    course_kit_play(k, HEAD "mode: canary\ncanary: {percent: 10, by: event.subject}\n" CASE);
    int count = acted_of_thousand(k, ten);
    CHECK_TRUE(count > 70 && count < 130); // 10 % ± 3 standard deviations
    CHECK_INT(acted_of_thousand(k, again), count);
    set_mode(k, "canary", 30);
    count = acted_of_thousand(k, thirty);
    CHECK_TRUE(count > 255 && count < 345);
    for (int i = 0; i < 1000; i++) {
        CHECK_INT(ten[i], again[i]);
        CHECK_TRUE(!ten[i] || thirty[i]); // a larger share contains the smaller
    }
    report(k, 0, 0);
    if (!thirty[0]) {
        check_verdict(k, "shadow", "");
        course_kit_wants(k, "fired", "outside of its 30 %");
    }
}

static void
test_canary_goes_by_what_it_says(void **state)
{
    course_kit *k = *state;

    course_kit_play(k, HEAD "mode: canary\ncanary: {percent: 50, by: data.customer_id}\n" CASE);
    for (int customer = 0; customer < 20; customer++) {
        uint32_t before = k->acted;

        for (int i = 0; i < 5; i++) {
            report(k, customer * 5 + i, customer);
        }
        CHECK_TRUE(k->acted == before || k->acted == before + 5);
        course_kit_wait(k, MINUTE_MS);
    }
    CHECK_TRUE(k->acted > 0 && k->acted < 100);
}

static void
test_a_mode_set_by_an_operator_holds_until_the_file_changes(void **state)
{
    course_kit *k = *state;

    course_kit_play(k, HEAD "mode: shadow\n" CASE);
    report(k, 1, 1);
    check_verdict(k, "shadow", "");
    set_mode(k, "live", 100);
    report(k, 1, 1);
    check_verdict(k, "won", "");
    set_mode(k, "off", 0);
    report(k, 2, 1);
    CHECK_INT(k->out.decision.candidates.count, 0);
    course_kit_wants(k, "off", "");
    course_kit_play(k, "# only a comment\n" HEAD "mode: shadow\n" CASE);
    report(k, 2, 1);
    course_kit_wants(k, "off", "");
    course_kit_play(k, HEAD "mode: shadow\npriority: 10\n" CASE);
    report(k, 2, 1);
    check_verdict(k, "shadow", "");
}

static void
test_a_playbook_that_goes_live_is_verified(void **state)
{
    course_kit *k = *state;

    course_kit_play(k, HEAD "mode: shadow\n" CASE
                            "verify: {within: 1h, expect: order.status == \"delivered\"}\n");
    report(k, 1, 1);
    CHECK_U64(br_timers_count(k->state->timers), 0);
    set_mode(k, "live", 100);
    report(k, 1, 1);
    CHECK_U64(br_timers_count(k->state->timers), 1);
}

static void
test_budget_of_actions_drops_what_is_over(void **state)
{
    course_kit *k = *state;

    course_kit_play(k, HEAD "budget:\n  - {what: actions, limit: 3, window: 16h}\n" CASE);
    for (int i = 0; i < 5; i++) {
        report(k, i, i);
        course_kit_wait(k, STATE_KIT_HOUR_MS);
    }
    CHECK_INT(k->acted, 3);
    check_verdict(k, "refused", "budget of the playbook: 3 of 3 actions in 16h");
    course_kit_wait(k, 10 * STATE_KIT_HOUR_MS); // 15 h after the first
    report(k, 6, 6);
    check_verdict(k, "refused", "3 of 3");
    course_kit_wait(k, 2 * STATE_KIT_HOUR_MS); // 17 h: the first does not count any more
    report(k, 7, 7);
    check_verdict(k, "won", "");
    report(k, 8, 8);
    check_verdict(k, "refused", "3 of 3");
}

// In no time of the window's length more than the limit, whenever the events come.
static void
test_budget_holds_in_every_window(void **state)
{
    course_kit *k = *state;
    int64_t times[512];
    uint32_t count = 0;
    uint32_t step = 1;

    course_kit_play(k, HEAD "budget:\n  - {what: actions, limit: 5, window: 1h}\n" CASE);
    for (int i = 0; i < 2000; i++) {
        uint32_t before = k->acted;

        step = step * 1103515245u + 12345u;
        course_kit_wait(k, (int64_t)(step >> 16) * 4); // up to 4.4 minutes
        report(k, i, i);
        if (k->acted > before && count < RT_COUNT(times)) {
            times[count++] = k->now_ms;
        }
    }
    CHECK_TRUE(count > 100);
    for (uint32_t i = 5; i < count; i++) {
        CHECK_TRUE(times[i] - times[i - 5] >= STATE_KIT_HOUR_MS);
    }
}

static void
test_budgets_per_key_and_several_at_once(void **state)
{
    course_kit *k = *state;

    course_kit_play(k, HEAD "budget:\n"
                            "  - {what: cost_cop, per: data.customer_id, limit: 2500, window: 1d}\n"
                            "  - {what: actions, limit: 4, window: 1d}\n" CASE);
    for (int i = 0; i < 3; i++) {
        report(k, i, 1);
    }
    check_verdict(k, "refused", "2000 of 2500 COP");
    report(k, 10, 2);
    report(k, 11, 2);
    check_verdict(k, "won", "");
    report(k, 12, 3);
    check_verdict(k, "refused", "4 of 4 actions");
    CHECK_INT(k->acted, 4);
    course_kit_wait(k, 72 * STATE_KIT_HOUR_MS);
    CHECK_U64(br_progress_count(k->state->progress), 0); // nothing stays behind
}

static void
test_budget_of_contacts_counts_only_those(void **state)
{
    course_kit *k = *state;

    course_kit_play(k, HEAD "budget:\n  - {what: contacts, limit: 1, window: 1d}\n" CALL
                            "  - {action: open_case, target: \"${event.subject}\"}\n");
    report(k, 1, 1);
    CHECK_INT(k->acted, 2);
    report(k, 2, 2);
    check_verdict(k, "refused", "1 of 1 contacts");
    CHECK_INT(k->acted, 3); // the case does not reach a customer
}

static void
test_budget_holds_until_there_is_room(void **state)
{
    course_kit *k = *state;

    course_kit_play(
        k, HEAD "budget:\n  - {what: actions, limit: 1, window: 16h, on_exceed: hold}\n" CASE);
    report(k, 1, 1);
    course_kit_wait(k, 2 * STATE_KIT_HOUR_MS);
    report(k, 2, 2);
    check_verdict(k, "waiting", "1 of 1");
    course_kit_wants(k, "fired", "waits as");
    course_kit_wait(k, 13 * STATE_KIT_HOUR_MS);
    CHECK_INT(k->acted, 1);
    course_kit_wait(k, 3 * STATE_KIT_HOUR_MS);
    CHECK_INT(k->acted, 2);
}

static void
test_closed_hours_hold_and_ask_again(void **state)
{
    course_kit *k = *state;

    course_kit_play(k, HEAD "when: order.status != \"delivered\"\n"
                            "calendar: {from: 08:00, until: 18:00}\n" CASE);
    course_kit_event(k, "order.shipped", "order/1", "{}");
    course_kit_event(k, "order.shipped", "order/2", "{}");
    course_kit_wait(k, 8 * STATE_KIT_HOUR_MS); // 20:00
    report(k, 1, 1);
    check_verdict(k, "waiting", "it opens in 12h");
    report(k, 2, 2);
    course_kit_event(k, "order.delivered", "order/2", "{}");
    CHECK_INT(k->acted, 0);
    course_kit_wait(k, 12 * STATE_KIT_HOUR_MS + MINUTE_MS);
    CHECK_INT(k->acted, 1); // the other was delivered meanwhile
    course_kit_wants(k, "false", "no longer so: order.status");
    CHECK_U64(br_progress_count(k->state->progress), 0);
}

static void
test_closed_hours_can_drop(void **state)
{
    course_kit *k = *state;

    course_kit_play(k, HEAD "calendar: {from: 08:00, until: 11:00, closed: drop}\n" CASE);
    report(k, 1, 1);
    check_verdict(k, "refused", "calendar: it opens in 20h");
    CHECK_U64(br_progress_count(k->state->progress), 0);
}

static void
test_what_is_held_too_long_is_refused(void **state)
{
    course_kit *k = *state;

    course_kit_play(k, HEAD "calendar: {from: 08:00, until: 11:00, at_most: 12h}\n" CASE);
    report(k, 1, 1);
    check_verdict(k, "refused", "too long to wait");
}

static void
test_quiet_hours_hold_a_contact_until_the_morning(void **state)
{
    course_kit *k = *state;

    course_kit_play(k, HEAD "calendar: {quiet: hold}\n" CALL);
    course_kit_wait(k, 10 * STATE_KIT_HOUR_MS); // 22:00
    report(k, 1, 1);
    check_verdict(k, "waiting", "quiet hours");
    course_kit_wants(k, "fired", "waits as");
    course_kit_wait(k, 9 * STATE_KIT_HOUR_MS + 59 * MINUTE_MS);
    CHECK_INT(k->acted, 0);
    course_kit_wait(k, MINUTE_MS);
    CHECK_INT(k->acted, 1);
    course_kit_wants(k, "fired", "after waiting for 10h: quiet hours");
}

static void
test_what_waits_under_a_throttle_waits_once(void **state)
{
    course_kit *k = *state;

    course_kit_play(k, HEAD "throttle: {key: data.customer_id, per: 24h}\n"
                            "calendar: {quiet: hold}\n" CALL);
    course_kit_wait(k, 10 * STATE_KIT_HOUR_MS);
    report(k, 1, 1);
    report(k, 2, 1);
    course_kit_wants(k, "fired", "it waits already");
    course_kit_wait(k, 12 * STATE_KIT_HOUR_MS);
    CHECK_INT(k->acted, 1);
}

static void
test_budget_is_not_forgotten_by_a_timer_that_came_due_before(void **state)
{
    course_kit *k = *state;

    course_kit_play(k, HEAD "budget:\n  - {what: actions, limit: 1, window: 1d}\n" CASE);
    report(k, 1, 1);
    CHECK_INT(k->acted, 1);
    // recorded when an earlier use was forgotten, decided on after the next was made
    course_kit_own(k, "timer.fired", "", "{\"owner\":\"playbook:p\",\"key\":\"budget:0:\"}", false);
    report(k, 2, 2);
    CHECK_INT(k->acted, 1);
    check_verdict(k, "refused", "1 of 1 actions");
}

static void
test_all_of_a_playbook_is_held_in_quiet_hours(void **state)
{
    course_kit *k = *state;

    course_kit_play(k, HEAD "throttle: {key: event.subject, per: 2d}\n"
                            "calendar: {quiet: hold}\n" CASE
                            "  - {action: call_customer, target: \"customer/${data.customer_id}\", "
                            "args: {text: hola}}\n");
    course_kit_wait(k, 10 * STATE_KIT_HOUR_MS); // 22:00
    report(k, 1, 1);
    CHECK_INT(k->acted, 0);
    course_kit_wait(k, 10 * STATE_KIT_HOUR_MS); // 08:00
    CHECK_INT(k->acted, 2);
}

static void
test_a_canary_stays_on_its_side_while_it_waits(void **state)
{
    course_kit *k = *state;

    course_kit_play(k, HEAD "mode: canary\ncanary: {percent: 50, by: data.customer_id}\n"
                            "calendar: {from: \"13:00\", until: \"14:00\"}\n" CASE);
    for (int i = 0; i < 40; i++) { // at noon: those inside are held, the others in shadow
        bool inside;

        report(k, i, i);
        inside = rt_str_is(course_kit_first(k)->verdict, "waiting");
        uint32_t before = k->acted;
        course_kit_wait(k, STATE_KIT_HOUR_MS);
        CHECK_INT(k->acted - before, inside ? 1 : 0);
        course_kit_wait(k, 23 * STATE_KIT_HOUR_MS);
    }
    CHECK_TRUE(k->acted > 0 && k->acted < 40);
}

static void
test_a_pattern_is_bounded_too(void **state)
{
    course_kit *k = *state;

    course_kit_play(k, "kind: playbook\nid: p\npattern:\n"
                       "  sequence:\n    - {name: a, event: issue.reported, capture: {c: "
                       "data.customer_id}}\n    - {name: b, event: order.cancelled}\n"
                       "  key: event.subject\n  within: 2d\n"
                       "budget:\n  - {what: actions, per: a.c, limit: 1, window: 2d}\n"
                       "calendar: {quiet: hold}\n"
                       "do:\n  - {action: call_customer, target: \"customer/${a.c}\"}\n");
    course_kit_wait(k, 10 * STATE_KIT_HOUR_MS);
    report(k, 1, 1);
    course_kit_event(k, "order.cancelled", "order/1", "{}");
    check_verdict(k, "waiting", "quiet hours");
    course_kit_wait(k, 11 * STATE_KIT_HOUR_MS);
    CHECK_INT(k->acted, 1);
    report(k, 2, 1);
    course_kit_event(k, "order.cancelled", "order/2", "{}");
    CHECK_INT(k->acted, 1);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        TEST(test_canary_acts_for_its_share_and_the_same_keys),
        TEST(test_canary_goes_by_what_it_says),
        TEST(test_a_mode_set_by_an_operator_holds_until_the_file_changes),
        TEST(test_a_playbook_that_goes_live_is_verified),
        TEST(test_budget_of_actions_drops_what_is_over),
        TEST(test_budget_holds_in_every_window),
        TEST(test_budgets_per_key_and_several_at_once),
        TEST(test_budget_of_contacts_counts_only_those),
        TEST(test_budget_holds_until_there_is_room),
        TEST(test_closed_hours_hold_and_ask_again),
        TEST(test_closed_hours_can_drop),
        TEST(test_what_is_held_too_long_is_refused),
        TEST(test_quiet_hours_hold_a_contact_until_the_morning),
        TEST(test_what_waits_under_a_throttle_waits_once),
        TEST(test_budget_is_not_forgotten_by_a_timer_that_came_due_before),
        TEST(test_all_of_a_playbook_is_held_in_quiet_hours),
        TEST(test_a_canary_stays_on_its_side_while_it_waits),
        TEST(test_a_pattern_is_bounded_too),
#undef TEST
    };
    return CHECK_RUN(tests);
}
