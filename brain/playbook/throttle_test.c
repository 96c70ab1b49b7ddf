// Throttles that collect, and throttles that end early.
#include "tests/harness/course_kit.h"

#define MINUTE_MS ((int64_t)60 * 1000)
#define HOUR_MS (60 * MINUTE_MS)
#define HEAD "kind: playbook\nid: p\ndoc: Because.\n"
#define ALERT(text)                                                                                \
    "do:\n  - {action: alert_operator, target: \"${event.subject}\", args: {text: \"" text "\"}}\n"
#define COLLECT(more)                                                                              \
    HEAD "events: [delivery.failed, issue.reported]\n"                                             \
         "throttle: {key: event.subject, collect: {within: 1h, " more "}}\n"
#define TEXT ALERT("${collected.count}: ${collected.subjects}")

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

static size_t
rows(const course_kit *k)
{
    return br_progress_count(k->state->progress);
}

static void
check_text(const course_kit *k, const char *want)
{
    rt_mp at;
    rt_str text;

    CHECK_TRUE(rt_mp_find(course_kit_first(k)->proposal.args, RT_STR("text"), &at));
    CHECK_OK(rt_mp_str(&at, &text));
    CHECK_STR(text, want);
}

static void
fail_delivery(course_kit *k, const char *subject, const char *carrier)
{
    char data[256];

    (void)snprintf(data, sizeof(data),
                   "{\"carrier\":\"%s\",\"city\":\"Cali\",\"reason\":\"absent\"}", carrier);
    course_kit_event(k, "delivery.failed", subject, data);
}

static void
report(course_kit *k, const char *kind)
{
    char data[256];

    (void)snprintf(data, sizeof(data), "{\"customer_id\":\"c1\",\"kind\":\"%s\"}", kind);
    course_kit_event(k, "issue.reported", "order/1", data);
}

static void
test_collect_acts_once_at_the_end_of_its_time(void **state)
{
    course_kit *k = *state;

    course_kit_play(k, COLLECT("at_least: 1") TEXT);
    fail_delivery(k, "order/1", "tcc");
    course_kit_wants(k, "matched", "1 collected");
    course_kit_wait(k, 30 * MINUTE_MS);
    report(k, "late");
    course_kit_wants(k, "matched", "2 collected");
    fail_delivery(k, "order/2", "tcc"); // another key
    course_kit_wants(k, "matched", "1 collected");
    CHECK_INT(k->acted, 0);
    course_kit_wait(k, 30 * MINUTE_MS);
    course_kit_wants(k, "fired", "2 collected within 1h");
    check_text(k, "2: order/1");
    CHECK_INT(k->acted, 1);
    course_kit_wait(k, 30 * MINUTE_MS);
    check_text(k, "1: order/2");
    CHECK_U64(rows(k), 0);
    CHECK_U64(br_timers_count(k->state->timers), 0);
}

// The actions read the event that came last, as its subject is known when they are built.
static void
test_collect_builds_actions_for_the_last_event(void **state)
{
    course_kit *k = *state;

    course_kit_play(k, HEAD "events: [delivery.failed]\n"
                            "throttle: {key: data.carrier, collect: {within: 1h}}\n" ALERT(
                                "${data.carrier} ${data.city} ${order.id} ${order.status} "
                                "${collected.count} ${collected.subjects}"));
    fail_delivery(k, "order/1", "tcc");
    fail_delivery(k, "order/2", "tcc");
    fail_delivery(k, "order/1", "tcc");
    fail_delivery(k, "order/3", "tcc");
    course_kit_event(k, "order.delivered", "order/3", "{}");
    course_kit_wait(k, HOUR_MS);
    course_kit_wants(k, "fired", "4 collected");
    check_text(k, "tcc Cali 3 delivered 4 order/1, order/2, order/3");
    CHECK_STR(course_kit_first(k)->proposal.target, "order/3");
}

static void
test_collect_acts_at_once_when_it_is_full(void **state)
{
    course_kit *k = *state;

    course_kit_play(k, COLLECT("up_to: 3") TEXT);
    fail_delivery(k, "order/1", "tcc");
    fail_delivery(k, "order/1", "tcc");
    fail_delivery(k, "order/1", "tcc");
    course_kit_wants(k, "fired", "3 collected");
    check_text(k, "3: order/1");
    CHECK_U64(rows(k), 0);
    course_kit_wait(k, 20 * MINUTE_MS);
    fail_delivery(k, "order/1", "tcc"); // it begins anew
    course_kit_wants(k, "matched", "1 collected");
    course_kit_wait(k, 59 * MINUTE_MS);
    CHECK_INT(k->acted, 1);
    course_kit_wait(k, MINUTE_MS);
    CHECK_INT(k->acted, 2);
}

static void
test_collect_with_too_few_does_not_act(void **state)
{
    course_kit *k = *state;

    course_kit_play(k, COLLECT("at_least: 3") TEXT);
    fail_delivery(k, "order/1", "tcc");
    fail_delivery(k, "order/1", "tcc");
    course_kit_wait(k, HOUR_MS);
    course_kit_wants(k, "expired", "2 collected, 3 are wanted");
    CHECK_INT(k->acted, 0);
    CHECK_U64(rows(k), 0);
}

// One that comes when the time is over, but before its timer, is the last of them.
static void
test_collect_takes_an_event_that_overtakes_the_timer(void **state)
{
    course_kit *k = *state;

    course_kit_play(k, COLLECT("at_least: 1") TEXT);
    fail_delivery(k, "order/1", "tcc");
    k->now_ms += 2 * HOUR_MS; // no timer fired
    report(k, "late");
    course_kit_wants(k, "fired", "2 collected");
    CHECK_U64(rows(k), 0);
    CHECK_U64(br_timers_count(k->state->timers), 0);
}

static void
test_collect_is_bounded_by_max_keys(void **state)
{
    course_kit *k = *state;

    course_kit_play(k, COLLECT("max_keys: 2") TEXT);
    fail_delivery(k, "order/1", "tcc");
    fail_delivery(k, "order/2", "tcc");
    fail_delivery(k, "order/3", "tcc");
    course_kit_wants(k, "error", "max_keys");
    fail_delivery(k, "order/2", "tcc");
    course_kit_wants(k, "matched", "2 collected");
}

// A period after it acted, as without collecting; what comes meanwhile is collected and dropped.
static void
test_collect_with_a_period(void **state)
{
    course_kit *k = *state;

    course_kit_play(k, HEAD "events: [delivery.failed]\nthrottle: {key: event.subject, per: 6h, "
                            "collect: {within: 1h}}\n" TEXT);
    fail_delivery(k, "order/1", "tcc");
    course_kit_wait(k, HOUR_MS);
    CHECK_INT(k->acted, 1);
    fail_delivery(k, "order/1", "tcc");
    course_kit_wait(k, HOUR_MS);
    course_kit_wants(k, "throttled", "fired 1h ago");
    CHECK_INT(k->acted, 1);
    course_kit_wait(k, 5 * HOUR_MS);
    fail_delivery(k, "order/1", "tcc");
    course_kit_wait(k, HOUR_MS);
    CHECK_INT(k->acted, 2);
}

// What was collected is agreed to as it was shown, and done for the event that came last.
static void
test_collect_waits_for_an_approval(void **state)
{
    course_kit *k = *state;

    course_kit_play(k, HEAD "events: [delivery.failed]\napprove: {ttl: 2h, when: collected.count "
                            "> 1}\nthrottle: {key: data.carrier, collect: {within: 1h}}\n" TEXT);
    fail_delivery(k, "order/1", "tcc");
    course_kit_wait(k, HOUR_MS);
    CHECK_INT(k->acted, 1); // one alone asks nobody
    fail_delivery(k, "order/1", "tcc");
    fail_delivery(k, "order/2", "tcc");
    course_kit_wait(k, HOUR_MS);
    CHECK_INT(k->acted, 1);
    course_kit_wants(k, "fired", "asks as");
    const msg_write *writes = k->out.decision.writes.items;
    char data[256] = "";
    for (uint32_t i = 0; i < k->out.decision.writes.count; i++) {
        if (rt_str_is(writes[i].what, "approval")) {
            (void)snprintf(data, sizeof(data),
                           "{\"playbook\":\"p\",\"key\":\"%.*s\",\"verdict\":\"granted\","
                           "\"by\":\"uid:1\"}",
                           RT_STR_ARG(writes[i].key));
        }
    }
    course_kit_own(k, "approval.decided", "order/2", data, false);
    CHECK_INT(k->acted, 2);
    check_text(k, "2: order/1, order/2");
}

#define UNTIL                                                                                      \
    HEAD "events: [delivery.failed]\nthrottle: {key: event.subject, per: 30d, until: {event: "     \
         "issue.resolved, when: data.solved}}\n" ALERT("falla")

static void
resolve(course_kit *k, const char *subject, bool solved)
{
    course_kit_event(k, "issue.resolved", subject,
                     solved ? "{\"customer_id\":\"c1\",\"solved\":true}"
                            : "{\"customer_id\":\"c1\",\"solved\":false}");
}

static void
test_until_ends_the_period_early(void **state)
{
    course_kit *k = *state;

    course_kit_play(k, UNTIL);
    fail_delivery(k, "order/1", "tcc");
    CHECK_INT(k->acted, 1);
    course_kit_wait(k, HOUR_MS);
    resolve(k, "order/1", false);
    CHECK_TRUE(course_kit_said(k, "p") == NULL);
    fail_delivery(k, "order/1", "tcc");
    course_kit_wants(k, "throttled", "fired 1h ago");
    resolve(k, "order/2", true); // not its key
    CHECK_U64(rows(k), 0);
    resolve(k, "order/1", true);
    course_kit_wants(k, "matched", "its throttle ends for order/1");
    CHECK_U64(rows(k), 1);
    course_kit_wait(k, HOUR_MS);
    fail_delivery(k, "order/1", "tcc");
    course_kit_wants(k, "fired", "");
    CHECK_INT(k->acted, 2);
    CHECK_U64(rows(k), 0);
    CHECK_U64(br_timers_count(k->state->timers), 0);
    fail_delivery(k, "order/1", "tcc"); // suppressed again, at the same instant too
    course_kit_wants(k, "throttled", "");
}

static void
test_until_row_goes_at_the_end_of_the_period(void **state)
{
    course_kit *k = *state;

    course_kit_play(k, UNTIL);
    fail_delivery(k, "order/1", "tcc");
    resolve(k, "order/1", true);
    CHECK_U64(rows(k), 1);
    resolve(k, "order/1", true); // nothing is suppressed any more
    CHECK_TRUE(course_kit_said(k, "p") == NULL);
    course_kit_wait(k, 30 * 24 * HOUR_MS);
    CHECK_U64(rows(k), 0);
    CHECK_U64(br_timers_count(k->state->timers), 0);
}

// A key too long for a row is told apart by its hash, on both sides.
static void
test_until_with_a_long_key(void **state)
{
    course_kit *k = *state;
    char subject[128];

    memset(subject, 'x', sizeof(subject));
    memcpy(subject, "order/", 6);
    subject[100] = '\0';
    course_kit_play(k, UNTIL);
    fail_delivery(k, subject, "tcc");
    resolve(k, subject, true);
    course_kit_wait(k, HOUR_MS);
    fail_delivery(k, subject, "tcc");
    CHECK_INT(k->acted, 2);
    CHECK_U64(rows(k), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_collect_acts_once_at_the_end_of_its_time),
        TEST(test_collect_builds_actions_for_the_last_event),
        TEST(test_collect_acts_at_once_when_it_is_full),
        TEST(test_collect_with_too_few_does_not_act),
        TEST(test_collect_takes_an_event_that_overtakes_the_timer),
        TEST(test_collect_is_bounded_by_max_keys),
        TEST(test_collect_with_a_period),
        TEST(test_collect_waits_for_an_approval),
        TEST(test_until_ends_the_period_early),
        TEST(test_until_row_goes_at_the_end_of_the_period),
        TEST(test_until_with_a_long_key),
    };

    return CHECK_RUN(tests);
}
