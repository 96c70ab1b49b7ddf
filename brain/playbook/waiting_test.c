// Approvals: asked for, agreed to, denied, forgotten; and that only what was shown is done.
#include "tests/harness/course_kit.h"

#define MINUTE_MS ((int64_t)60 * 1000)
#define HEAD "kind: playbook\nid: p\ndoc: Because.\nevents: [issue.reported]\n"
#define CASE                                                                                       \
    "do:\n  - {action: open_case, target: \"${event.subject}\", "                                  \
    "args: {text: \"${order.carrier}\"}}\n"
#define ASK HEAD "approve: {ttl: 2h}\n" CASE

static int
setup(void **state)
{
    course_kit *k = course_kit_open();

    course_kit_event(k, "order.shipped", "order/1", "{\"carrier\":\"tcc\"}");
    course_kit_event(k, "order.shipped", "order/2", "{\"carrier\":\"tcc\"}");
    *state = k;
    return 0;
}

static int
teardown(void **state)
{
    course_kit_close(*state);
    return 0;
}

static void
report(course_kit *k, const char *order, const char *kind)
{
    char data[256];

    (void)snprintf(data, sizeof(data), "{\"customer_id\":\"c1\",\"kind\":\"%s\"}", kind);
    course_kit_event(k, "issue.reported", order, data);
}

// The name of the only request.
static const char *
request(const course_kit *k)
{
    static char key[128];
    br_progress_row row;

    for (size_t cursor = 0; br_progress_next(k->state->progress, &cursor, &row);) {
        if (rt_str_is(row.what, "approval")) {
            (void)snprintf(key, sizeof(key), "%.*s", RT_STR_ARG(row.key));
            return key;
        }
    }
    return NULL;
}

static void
answer(course_kit *k, const char *key, const char *verdict, const char *by)
{
    char data[512];

    (void)snprintf(data, sizeof(data),
                   "{\"playbook\":\"p\",\"key\":\"%s\",\"verdict\":\"%s\",\"by\":\"%s\","
                   "\"reason\":\"so\"}",
                   key, verdict, by);
    course_kit_own(k, "approval.decided", "", data, false);
}

static void
check_asked(const course_kit *k)
{
    CHECK_STR(course_kit_first(k)->verdict, "waiting");
    CHECK_STR(course_kit_first(k)->why, "it has to be approved");
    course_kit_wants(k, "fired", "asks as");
    CHECK_U64(k->out.emission_count, 1);
    CHECK_STR(k->out.emissions[0].event, "approval.requested");
}

static void
test_approved_is_done_once(void **state)
{
    course_kit *k = *state;
    char key[128];

    course_kit_play(k, ASK);
    report(k, "order/1", "late");
    check_asked(k);
    CHECK_INT(k->acted, 0);
    (void)snprintf(key, sizeof(key), "%s", request(k));
    answer(k, key, "granted", "uid:1");
    course_kit_wants(k, "fired", "approved by uid:1");
    CHECK_STR(course_kit_first(k)->verdict, "won");
    CHECK_INT(k->acted, 1);
    CHECK_TRUE(request(k) == NULL);
    answer(k, key, "granted", "uid:1"); // too late
    CHECK_INT(k->acted, 1);
    course_kit_wait(k, 4 * STATE_KIT_HOUR_MS);
    CHECK_INT(k->acted, 1);
    CHECK_U64(br_progress_count(k->state->progress), 0);
    CHECK_U64(br_timers_count(k->state->timers), 0);
}

static void
test_an_answer_of_a_producer_is_none(void **state)
{
    course_kit *k = *state;
    char data[512];

    course_kit_play(k, ASK);
    report(k, "order/1", "late");
    (void)snprintf(data, sizeof(data),
                   "{\"playbook\":\"p\",\"key\":\"%s\",\"verdict\":\"granted\",\"by\":\"x\"}",
                   request(k));
    course_kit_event(k, "approval.decided", "order/1", data);
    CHECK_INT(k->acted, 0);
    CHECK_TRUE(request(k) != NULL);
}

static void
test_denied_is_not_done(void **state)
{
    course_kit *k = *state;

    course_kit_play(k, ASK);
    report(k, "order/1", "late");
    answer(k, request(k), "denied", "uid:1");
    course_kit_wants(k, "denied", "by uid:1: so");
    CHECK_INT(k->acted, 0);
    CHECK_U64(br_progress_count(k->state->progress), 0);
    CHECK_U64(br_timers_count(k->state->timers), 0);
}

static void
test_without_an_answer_nothing_is_done(void **state)
{
    course_kit *k = *state;

    course_kit_play(k, ASK);
    report(k, "order/1", "late");
    course_kit_wait(k, 119 * MINUTE_MS);
    CHECK_TRUE(request(k) != NULL);
    course_kit_wait(k, MINUTE_MS);
    course_kit_wants(k, "expired", "nobody answered");
    CHECK_STR(k->out.emissions[0].event, "approval.expired");
    CHECK_TRUE(request(k) == NULL);
    CHECK_INT(k->acted, 0);
}

static void
test_without_an_answer_it_can_escalate(void **state)
{
    course_kit *k = *state;

    course_kit_play(k, HEAD "approve: {ttl: 2h, on_timeout: escalate}\n" CASE
                            "escalate:\n  - {action: alert_operator, target: \"${event.subject}\", "
                            "args: {text: nadie}}\n");
    report(k, "order/1", "late");
    course_kit_wait(k, 2 * STATE_KIT_HOUR_MS);
    CHECK_STR(course_kit_first(k)->proposal.action, "alert_operator");
    CHECK_STR(course_kit_first(k)->verdict, "won");
    CHECK_INT(k->acted, 1);
}

static void
test_a_quorum_wants_different_people(void **state)
{
    course_kit *k = *state;
    char key[128];

    course_kit_play(k, HEAD "approve: {ttl: 2h, quorum: 2}\n" CASE);
    report(k, "order/1", "late");
    (void)snprintf(key, sizeof(key), "%s", request(k));
    answer(k, key, "granted", "uid:1");
    course_kit_wants(k, "matched", "1 of 2 agreed");
    answer(k, key, "granted", "uid:1");
    CHECK_INT(k->acted, 0);
    answer(k, key, "granted", "uid:2");
    CHECK_INT(k->acted, 1);
}

static void
test_what_changed_meanwhile_is_asked_again(void **state)
{
    course_kit *k = *state;

    course_kit_play(k, ASK);
    report(k, "order/1", "late");
    course_kit_event(k, "order.shipped", "order/1", "{\"carrier\":\"envia\"}");
    answer(k, request(k), "granted", "uid:1");
    CHECK_INT(k->acted, 0);
    CHECK_STR(course_kit_first(k)->verdict, "waiting");
    CHECK_TRUE(request(k) != NULL);
    answer(k, request(k), "granted", "uid:1");
    CHECK_INT(k->acted, 1);
}

static void
test_what_is_no_longer_so_is_not_done(void **state)
{
    course_kit *k = *state;

    course_kit_play(k, HEAD "when: order.status != \"delivered\"\napprove: {ttl: 2h}\n" CASE);
    report(k, "order/1", "late");
    course_kit_event(k, "order.delivered", "order/1", "{}");
    answer(k, request(k), "granted", "uid:1");
    course_kit_wants(k, "false", "no longer so: order.status");
    CHECK_INT(k->acted, 0);
}

static void
test_a_changed_playbook_asks_again(void **state)
{
    course_kit *k = *state;

    course_kit_play(k, ASK);
    report(k, "order/1", "late");
    course_kit_play(k, "# a comment changes nothing\n" ASK);
    course_kit_play(k, ASK "priority: 70\n");
    answer(k, request(k), "granted", "uid:1");
    CHECK_INT(k->acted, 0);
    CHECK_TRUE(request(k) != NULL);
    course_kit_wants(k, "fired", "asks as");
}

static void
test_asks_only_when_it_says_so(void **state)
{
    course_kit *k = *state;

    course_kit_play(k, HEAD "approve: {ttl: 2h, when: data.kind == \"lost\"}\n" CASE);
    report(k, "order/1", "late");
    CHECK_INT(k->acted, 1);
    report(k, "order/2", "lost");
    check_asked(k);
    CHECK_INT(k->acted, 1);
}

static void
test_a_budget_can_ask(void **state)
{
    course_kit *k = *state;

    course_kit_play(k, HEAD "approve: {ttl: 2h}\n"
                            "budget:\n  - {what: actions, limit: 1, window: 1d, on_exceed: ask}\n"
                            CASE);
    report(k, "order/1", "late");
    CHECK_INT(k->acted, 1);
    report(k, "order/2", "late");
    CHECK_STR(course_kit_first(k)->verdict, "waiting");
    CHECK_HAS(course_kit_first(k)->why, "1 of 1 actions");
    answer(k, request(k), "granted", "uid:1");
    CHECK_INT(k->acted, 2);
}

static void
test_what_the_gate_refuses_is_not_asked_for(void **state)
{
    course_kit *k = *state;

    course_kit_play(k, HEAD CASE);
    report(k, "order/1", "late");
    course_kit_play(k, ASK);
    report(k, "order/1", "late");
    CHECK_STR(course_kit_first(k)->verdict, "refused");
    CHECK_HAS(course_kit_first(k)->why, "cooldown");
    CHECK_TRUE(request(k) == NULL);
}

static void
test_approved_still_passes_the_gate(void **state)
{
    course_kit *k = *state;

    course_kit_play(k, ASK);
    report(k, "order/1", "late");
    course_kit_own(k, "system.halted", "", "{\"by\":\"uid:1\"}", true);
    answer(k, request(k), "granted", "uid:1");
    CHECK_STR(course_kit_first(k)->verdict, "refused");
    CHECK_HAS(course_kit_first(k)->why, "halted");
    CHECK_INT(k->acted, 0);
}

static void
test_a_request_does_not_end_with_the_timer_of_one_before(void **state)
{
    course_kit *k = *state;
    char data[256];

    course_kit_play(k, ASK);
    report(k, "order/1", "late");
    (void)snprintf(data, sizeof(data), "{\"owner\":\"playbook:p\",\"key\":\"approval:%s\"}",
                   request(k));
    course_kit_own(k, "timer.fired", "order/1", data, false);
    CHECK_TRUE(request(k) != NULL);
    answer(k, request(k), "granted", "uid:1");
    CHECK_INT(k->acted, 1);
}

static void
test_an_answer_of_an_agent_is_none(void **state)
{
    course_kit *k = *state;
    char json[512];
    rt_event event;

    course_kit_play(k, ASK);
    report(k, "order/1", "late");
    (void)snprintf(json, sizeof(json),
                   "{\"id\":\"1.0\",\"source\":\"/agents/a\",\"type\":\"approval.decided\","
                   "\"data\":{\"playbook\":\"p\",\"key\":\"%s\","
                   "\"verdict\":\"granted\",\"by\":\"a\"}}",
                   request(k));
    rt_mpw_clear(&k->wire);
    pack_kit_event(k->pack, json, &k->wire, &event);
    event.internal = true;
    course_kit_take(k, &event);
    CHECK_INT(k->acted, 0);
    CHECK_TRUE(request(k) != NULL);
}

#define CASE_AND_CALL                                                                              \
    "throttle: {key: event.subject, per: 2d}\n" CASE                                               \
    "  - {action: call_customer, target: \"customer/${data.customer_id}\", args: {text: hola}}\n"

static void
test_all_of_a_playbook_waits_or_none(void **state)
{
    course_kit *k = *state;

    // only the call is a contact: the case alone would take the throttle, and the call never come
    course_kit_play(k, HEAD "approve: {ttl: 2h}\n"
                            "budget:\n  - {what: contacts, limit: 1, window: 1d, on_exceed: ask}\n"
                            CASE_AND_CALL);
    report(k, "order/1", "late");
    CHECK_INT(k->acted, 2);
    course_kit_wait(k, 25 * STATE_KIT_HOUR_MS - 10 * MINUTE_MS); // the customer's cooldown is over
    course_kit_event(k, "order.shipped", "order/3", "{\"carrier\":\"tcc\"}");
    report(k, "order/3", "late");
    CHECK_INT(k->out.decision.candidates.count, 2);
    CHECK_STR(course_kit_first(k)->verdict, "waiting");
    CHECK_STR(course_kit_first(k)[1].verdict, "waiting");
    CHECK_INT(k->acted, 2);
    answer(k, request(k), "granted", "uid:1");
    CHECK_INT(k->acted, 4);
    CHECK_STR(course_kit_first(k)->verdict, "won");
    CHECK_STR(course_kit_first(k)[1].verdict, "won");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        TEST(test_approved_is_done_once),
        TEST(test_an_answer_of_a_producer_is_none),
        TEST(test_denied_is_not_done),
        TEST(test_without_an_answer_nothing_is_done),
        TEST(test_without_an_answer_it_can_escalate),
        TEST(test_a_quorum_wants_different_people),
        TEST(test_what_changed_meanwhile_is_asked_again),
        TEST(test_what_is_no_longer_so_is_not_done),
        TEST(test_a_changed_playbook_asks_again),
        TEST(test_asks_only_when_it_says_so),
        TEST(test_a_budget_can_ask),
        TEST(test_what_the_gate_refuses_is_not_asked_for),
        TEST(test_approved_still_passes_the_gate),
        TEST(test_an_answer_of_an_agent_is_none),
        TEST(test_a_request_does_not_end_with_the_timer_of_one_before),
        TEST(test_all_of_a_playbook_waits_or_none),
#undef TEST
    };
    return CHECK_RUN(tests);
}
