// Which actions: the first branch whose condition holds, the arm of an experiment that a key falls
// to; also behind patterns, in order, and when a playbook is asked again.
#include "tests/harness/course_kit.h"

#define HEAD "kind: playbook\nid: p\ndoc: Because.\nevents: [issue.reported]\n"
#define CASE(kind) "{action: open_case, target: \"${event.subject}\", args: {kind: " kind "}}"
#define BRANCHES                                                                                   \
    "decide:\n  first_match:\n"                                                                    \
    "    - {name: lost, when: 'data.kind == \"lost\"', do: [" CASE("search") "]}\n"                \
    "    - when: order.value > 100.0\n      do:\n        - " CASE("dear") "\n        - "           \
    "{action: alert_operator, target: \"${event.subject}\", args: {severity: info, text: x}}\n"    \
    "    - else: []\n"

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
report(course_kit *k, const char *order, const char *kind)
{
    char data[256];

    (void)snprintf(data, sizeof(data), "{\"customer_id\":\"c1\",\"kind\":\"%s\"}", kind);
    course_kit_wait(k, STATE_KIT_HOUR_MS);
    course_kit_event(k, "issue.reported", order, data);
}

static void
create(course_kit *k, const char *order, const char *value)
{
    char data[256];

    (void)snprintf(data, sizeof(data),
                   "{\"customer_id\":\"c1\",\"value\":%s,\"promised_at\":"
                   "\"2026-09-09T00:00:00Z\"}",
                   value);
    course_kit_event(k, "order.created", order, data);
}

// The argument `kind` of the first action of the last decision.
static rt_str
kind_of_case(const course_kit *k)
{
    rt_mp at;
    rt_value value;

    CHECK_TRUE(rt_mp_find(course_kit_first(k)->proposal.args, RT_STR("kind"), &at));
    CHECK_OK(rt_value_read(&at, &value));
    return value.s;
}

static void
test_first_match_takes_the_first_branch_that_holds(void **state)
{
    course_kit *k = *state;

    course_kit_play(k, HEAD BRANCHES);
    create(k, "order/1", "500");
    create(k, "order/2", "50");
    report(k, "order/1", "lost");
    course_kit_wants(k, "fired", "branch lost");
    CHECK_INT(k->out.decision.candidates.count, 1);
    CHECK_STR(kind_of_case(k), "search");
    report(k, "order/1", "late");
    course_kit_wants(k, "fired", "branch 2");
    CHECK_INT(k->out.decision.candidates.count, 2);
    CHECK_STR(kind_of_case(k), "dear");
}

static void
test_first_match_nothing_holds_and_nothing_is_done(void **state)
{
    course_kit *k = *state;

    course_kit_play(k, HEAD "throttle: {key: event.subject, per: 24h}\n" BRANCHES);
    create(k, "order/2", "50");
    report(k, "order/2", "late");
    course_kit_wants(k, "false", "branch else, nothing is to be done");
    CHECK_INT(k->out.decision.candidates.count, 0);
    CHECK_INT(course_kit_said(k, "p")->throttle_key.len, 0);
    report(k, "order/2", "lost"); // the throttle was not taken
    course_kit_wants(k, "fired", "branch lost");
}

static void
test_first_match_a_condition_that_cannot_be_told_ends_the_choice(void **state)
{
    course_kit *k = *state;

    course_kit_play(k, HEAD BRANCHES);
    report(k, "order/3", "late"); // nobody knows what it is worth
    course_kit_wants(k, "error", "branch 2: order.value");
    CHECK_INT(k->out.decision.candidates.count, 0);
    report(k, "order/3", "lost"); // a branch before it needs no value
    course_kit_wants(k, "fired", "branch lost");
}

static void
test_first_match_chooses_behind_a_pattern(void **state)
{
    course_kit *k = *state;

    course_kit_play(k, "kind: playbook\nid: p\npattern:\n  sequence:\n"
                       "    - {name: failed, event: delivery.failed, capture: {why: data.reason}}\n"
                       "    - {name: issue, event: issue.reported}\n"
                       "  key: event.subject\n  within: 72h\n"
                       "decide:\n  first_match:\n"
                       "    - {name: gone, when: 'failed.why == \"absent\"', do: [" CASE(
                           "absent") "]}\n    - else: [" CASE("other") "]\n");
    course_kit_event(k, "delivery.failed", "order/1", "{\"reason\":\"absent\"}");
    report(k, "order/1", "late");
    course_kit_wants(k, "fired", "; branch gone");
    CHECK_STR(kind_of_case(k), "absent");
    course_kit_event(k, "delivery.failed", "order/2", "{\"reason\":\"closed\"}");
    report(k, "order/2", "late");
    course_kit_wants(k, "fired", "; branch else");
    CHECK_STR(kind_of_case(k), "other");
}

static void
test_first_match_in_order_does_the_steps_of_its_branch(void **state)
{
    course_kit *k = *state;

    k->outcomes = false;
    course_kit_play(k, HEAD "in_order: true\n" BRANCHES);
    create(k, "order/1", "500");
    report(k, "order/1", "late");
    CHECK_INT(k->out.decision.candidates.count, 1); // the second waits for the first
    CHECK_STR(kind_of_case(k), "dear");
    const msg_write *writes = k->out.decision.writes.items;
    bool has_run = false;
    for (uint32_t i = 0; i < k->out.decision.writes.count; i++) {
        has_run = has_run || rt_str_is(writes[i].what, "run");
    }
    CHECK_TRUE(has_run);
}

static void
test_first_match_asked_again_chooses_by_what_is_known_then(void **state)
{
    course_kit *k = *state;

    course_kit_play(k, HEAD "calendar: {from: \"13:00\", until: \"14:00\", closed: hold}\n"
                       BRANCHES);
    create(k, "order/1", "50");
    course_kit_event(k, "issue.reported", "order/1", "{\"customer_id\":\"c1\",\"kind\":\"lost\"}");
    course_kit_wants(k, "fired", "waits as");
    course_kit_wait(k, 2 * STATE_KIT_HOUR_MS);
    course_kit_wants(k, "fired", "branch lost");
    CHECK_STR(course_kit_first(k)->verdict, "won");
    create(k, "order/2", "500");
    course_kit_event(k, "issue.reported", "order/2", "{\"customer_id\":\"c1\",\"kind\":\"late\"}");
    create(k, "order/2", "20"); // it was mistaken
    course_kit_wait(k, 24 * STATE_KIT_HOUR_MS);
    course_kit_wants(k, "false", "nothing is to be done");
}

#define ARMS                                                                                       \
    "experiment:\n  key: event.subject\n  arms:\n"                                                 \
    "    - {name: plain, share: 70, params: {word: simple}}\n"                                     \
    "    - {name: long, share: 30, params: {word: detailed}}\n"                                    \
    "do:\n  - " CASE("\"${params.word}\"") "\n"

static void
test_experiment_gives_each_key_one_arm_and_its_params(void **state)
{
    course_kit *k = *state;
    int longer = 0;

    course_kit_play(k, HEAD ARMS);
    for (int i = 0; i < 400; i++) {
        char order[32];

        (void)snprintf(order, sizeof(order), "order/%d", 5000 + i);
        report(k, order, "late");
        bool is_long = rt_str_is(kind_of_case(k), "detailed");
        longer += is_long;
        course_kit_wants(k, "fired", is_long ? "arm long" : "arm plain");
        CHECK_HAS(course_kit_first(k)->proposal.model, is_long ? " arm long" : " arm plain");
        report(k, order, "late");
        CHECK_INT(rt_str_is(kind_of_case(k), "detailed"), is_long);
    }
    CHECK_TRUE(longer > 92 && longer < 148); // 30 % of 400, three standard deviations
}

static void
test_experiment_arm_is_independent_of_the_canary(void **state)
{
    course_kit *k = *state;
    int acted = 0;
    int longer = 0;

    course_kit_play(k, HEAD "mode: canary\ncanary: {percent: 50, by: event.subject}\n" ARMS);
    for (int i = 0; i < 600; i++) {
        char order[32];
        uint32_t before = k->acted;

        (void)snprintf(order, sizeof(order), "order/%d", i);
        report(k, order, "late");
        acted += k->acted > before;
        longer += k->acted > before && rt_str_is(kind_of_case(k), "detailed");
    }
    CHECK_TRUE(acted > 240 && acted < 360);
    CHECK_TRUE(longer > acted / 5 && longer < acted * 2 / 5); // 30 % of those too
}

static void
test_experiment_arms_have_actions_of_their_own_or_none(void **state)
{
    course_kit *k = *state;
    int spoke = 0;

    course_kit_play(k, HEAD "experiment:\n  key: event.subject\n  arms:\n"
                       "    - {name: silent, share: 50, do: []}\n"
                       "    - {name: case, share: 50, do: [" CASE("late") "]}\n");
    for (int i = 0; i < 100; i++) {
        char order[32];

        (void)snprintf(order, sizeof(order), "order/%d", i);
        report(k, order, "late");
        bool has_spoken = k->out.decision.candidates.count > 0;
        spoke += has_spoken;
        course_kit_wants(k, has_spoken ? "fired" : "false",
                         has_spoken ? "arm case" : "arm silent, nothing is to be done");
    }
    CHECK_TRUE(spoke > 30 && spoke < 70);
}

static void
test_experiment_params_choose_the_branch(void **state)
{
    course_kit *k = *state;

    course_kit_play(k, HEAD "experiment:\n  key: event.subject\n  arms:\n"
                       "    - {name: low, share: 0, params: {limit: 10.0}}\n"
                       "    - {name: high, share: 100, params: {limit: 1000.0}}\n"
                       "decide:\n  first_match:\n"
                       "    - {name: dear, when: order.value > params.limit, do: [" CASE("dear")
                       "]}\n    - else: [" CASE("cheap") "]\n");
    create(k, "order/1", "500");
    report(k, "order/1", "late");
    course_kit_wants(k, "fired", "arm high, branch else");
    CHECK_STR(kind_of_case(k), "cheap");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_first_match_takes_the_first_branch_that_holds, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_first_match_nothing_holds_and_nothing_is_done, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(
            test_first_match_a_condition_that_cannot_be_told_ends_the_choice, setup, teardown),
        cmocka_unit_test_setup_teardown(test_first_match_chooses_behind_a_pattern, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_first_match_in_order_does_the_steps_of_its_branch,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(
            test_first_match_asked_again_chooses_by_what_is_known_then, setup, teardown),
        cmocka_unit_test_setup_teardown(test_experiment_gives_each_key_one_arm_and_its_params,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(test_experiment_arm_is_independent_of_the_canary, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_experiment_arms_have_actions_of_their_own_or_none,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(test_experiment_params_choose_the_branch, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
