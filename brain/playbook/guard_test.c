// Guardrails: a canary that does badly is rolled back by the decision that saw it.
#include "tests/harness/course_kit.h"

#include "brain/playbook/guard.h"

#define MINUTE_MS ((int64_t)60 * 1000)
#define HEAD                                                                                       \
    "kind: playbook\nid: p\ndoc: Because.\nevents: [issue.reported]\nmode: canary\n"               \
    "canary:\n  percent: 100\n  by: event.subject\n"
#define CASE "do:\n  - {action: open_case, target: \"${event.subject}\", cost_cop: 1000}\n"
#define ERRORS "  guardrails: {errors: 0.2, min_sample: 10, certainty: 0.9}\n"
#define WHEN "when: order.value > 1.0 || data.kind == \"late\"\n" // an error without a value

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
report(course_kit *k, int order, const char *kind)
{
    char subject[64];
    char data[256];

    (void)snprintf(subject, sizeof(subject), "order/%d", order);
    (void)snprintf(data, sizeof(data), "{\"customer_id\":\"c%d\",\"kind\":\"%s\"}", order, kind);
    course_kit_wait(k, MINUTE_MS);
    course_kit_event(k, "issue.reported", subject, data);
}

static void
set_mode(course_kit *k, const char *mode)
{
    char data[256];

    (void)snprintf(data, sizeof(data),
                   "{\"playbook\":\"p\",\"mode\":\"%s\",\"percent\":100,\"by\":\"uid:1\","
                   "\"reason\":\"because\"}",
                   mode);
    course_kit_own(k, "playbook.mode_set", "", data, true);
}

static br_playbook_mode
mode(const course_kit *k, msg_mode *ret_set)
{
    return br_course_mode(k->state->playbooks, k->state->progress, RT_STR("p"), k->consult_arena,
                          ret_set);
}

// The event that the last decision raises, NULL without.
static const msg_emission *
raised(const course_kit *k, const char *type)
{
    for (uint32_t i = 0; i < k->out.emission_count; i++) {
        if (rt_str_is(k->out.emissions[i].event, type)) {
            return &k->out.emissions[i];
        }
    }
    return NULL;
}

static const br_guard_count *
counts(const course_kit *k, br_guard_count list[BR_GUARDS])
{
    CHECK_TRUE(br_guard_counts(k->state->playbooks, k->state->progress, RT_STR("p"),
                               k->consult_arena, list));
    return list;
}

// Errors until it is rolled back; how many it took.
static int
errors_until_rolled_back(course_kit *k, int most)
{
    for (int i = 0; i < most; i++) {
        report(k, 1000 + i, "lost");
        if (raised(k, "playbook.rolled_back") != NULL) {
            return i + 1;
        }
    }
    return -1;
}

static void
test_guardrail_rolls_back_at_the_event_that_is_too_much(void **state)
{
    course_kit *k = *state;
    msg_mode set;
    br_guard_count list[BR_GUARDS];

    course_kit_play(k, HEAD ERRORS WHEN CASE);
    for (int i = 0; i < 8; i++) {
        report(k, i, "late");
    }
    CHECK_U64(k->acted, 8);
    CHECK_U64(counts(k, list)[BR_GUARD_ERRORS].of, 8);
    // lower ends of 90 %: 3 of 11 0.115, 4 of 12 0.159, 5 of 13 0.201
    CHECK_INT(errors_until_rolled_back(k, 20), 5);
    CHECK_INT(mode(k, &set), BR_MODE_SHADOW);
    CHECK_STR(set.by, BR_GUARDIAN);
    CHECK_HAS(set.reason, "errors: 5 of 13, surely over 20.16 %");
    CHECK_U64(set.seq, k->event_seq);
    course_kit_wants(k, "error", "rolled back: errors: 5 of 13");

    uint32_t acted = k->acted;
    report(k, 1, "late");
    CHECK_U64(k->acted, acted);
    CHECK_STR(course_kit_first(k)->verdict, "shadow");
    course_kit_wants(k, "fired", "rolled back at record");
    CHECK_TRUE(!br_guard_counts(k->state->playbooks, k->state->progress, RT_STR("p"),
                                k->consult_arena, list));
}

static void
test_guardrail_is_silent_below_its_sample_and_without_certainty(void **state)
{
    course_kit *k = *state;

    course_kit_play(k, HEAD ERRORS WHEN CASE);
    CHECK_INT(errors_until_rolled_back(k, 9), -1); // all of nine, but ten are wanted
    CHECK_INT(errors_until_rolled_back(k, 1), 1);

    course_kit_play(k, HEAD "  guardrails: {errors: 0.2, min_sample: 10, certainty: 0.999}\n" WHEN
                            CASE);
    for (int i = 0; i < 200; i++) { // one of five: as much as is allowed
        report(k, i, i % 5 == 0 ? "lost" : "late");
        CHECK_TRUE(raised(k, "playbook.rolled_back") == NULL);
    }
}

static void
test_guardrail_counts_anew_for_another_text_and_another_canary(void **state)
{
    course_kit *k = *state;
    br_guard_count list[BR_GUARDS];
    msg_mode set;

    course_kit_play(k, HEAD ERRORS WHEN CASE);
    CHECK_INT(errors_until_rolled_back(k, 10), 10);
    set_mode(k, "canary");
    CHECK_INT(mode(k, &set), BR_MODE_CANARY);
    CHECK_STR(set.reason, "because");
    CHECK_U64(counts(k, list)[BR_GUARD_ERRORS].of, 0);
    CHECK_INT(errors_until_rolled_back(k, 9), -1);
    course_kit_play(k, HEAD ERRORS WHEN "priority: 40\n" CASE); // with another text the file's mode
    CHECK_INT(mode(k, &set), BR_MODE_CANARY);
    CHECK_U64(set.seq, 0);
    CHECK_U64(counts(k, list)[BR_GUARD_ERRORS].of, 0);
    CHECK_INT(errors_until_rolled_back(k, 9), -1);
    CHECK_INT(errors_until_rolled_back(k, 1), 1);
}

static void
test_guardrail_leaves_shadow_and_live_alone(void **state)
{
    course_kit *k = *state;
    br_guard_count list[BR_GUARDS];

    course_kit_play(k, HEAD ERRORS WHEN CASE);
    set_mode(k, "live");
    CHECK_INT(errors_until_rolled_back(k, 30), -1);
    set_mode(k, "shadow");
    CHECK_INT(errors_until_rolled_back(k, 30), -1);
    CHECK_TRUE(!br_guard_counts(k->state->playbooks, k->state->progress, RT_STR("p"),
                                k->consult_arena, list));
}

static void
test_guardrail_takes_it_off_where_the_file_says_so(void **state)
{
    course_kit *k = *state;
    msg_mode set;

    course_kit_play(k, HEAD "  guardrails: {errors: 0, min_sample: 1, to: off}\n" WHEN CASE);
    report(k, 1, "late");
    CHECK_U64(k->acted, 1);
    report(k, 2, "lost");
    CHECK_INT(mode(k, &set), BR_MODE_OFF);
    report(k, 3, "late");
    CHECK_INT(k->out.decision.candidates.count, 0);
    course_kit_wants(k, "off", "rolled back at record");
}

// What became of the action of the last decision, as the brain that did it would say.
static void
end_action(course_kit *k, const char *status)
{
    char data[512];
    const msg_candidate *won = course_kit_first(k);

    CHECK_TRUE(won->action_id.len > 0);
    (void)snprintf(data, sizeof(data),
                   "{\"action_id\":\"%.*s\",\"action\":\"open_case\",\"decision_seq\":%llu,"
                   "\"status\":\"%s\"}",
                   RT_STR_ARG(won->action_id), (unsigned long long)k->event_seq, status);
    course_kit_own(k, "action.executed", "", data, false);
}

static void
test_guardrail_counts_actions_that_fail(void **state)
{
    course_kit *k = *state;
    br_guard_count list[BR_GUARDS];
    msg_mode set;

    k->outcomes = false;
    course_kit_play(k, HEAD "  guardrails: {failed_actions: 0.1, min_sample: 5}\n" CASE);
    report(k, 1, "late");
    end_action(k, "executed");
    report(k, 2, "late");
    end_action(k, "cancelled"); // by a halt
    report(k, 3, "late");
    end_action(k, "unknown");
    CHECK_U64(counts(k, list)[BR_GUARD_ACTIONS].of, 2);
    CHECK_U64(counts(k, list)[BR_GUARD_ACTIONS].bad, 1);
    for (int i = 0; i < 2; i++) {
        report(k, 4 + i, "late");
        end_action(k, "failed");
        CHECK_INT(mode(k, &set), BR_MODE_CANARY);
    }
    report(k, 9, "late");
    end_action(k, "failed"); // 4 of 5
    CHECK_INT(mode(k, &set), BR_MODE_SHADOW);
    CHECK_HAS(set.reason, "failed actions: 4 of 5");
    CHECK_TRUE(raised(k, "playbook.rolled_back") != NULL);
    course_kit_wants(k, "rolled back", "failed actions: 4 of 5");
    for (size_t cursor = 0;;) { // nothing is left behind
        br_progress_row row;
        if (!br_progress_next(k->state->progress, &cursor, &row)) {
            break;
        }
        CHECK_STR(row.what, "mode");
    }
}

static void
test_guardrail_counts_verifications_that_do_not_hold(void **state)
{
    course_kit *k = *state;
    br_guard_count list[BR_GUARDS];
    msg_mode set;

    course_kit_play(k, HEAD "  guardrails: {failed_verifications: 0.3, min_sample: 3}\n" CASE
                            "verify: {within: 1h, expect: order.status == \"delivered\"}\n");
    set_mode(k, "live");
    report(k, 1, "late"); // before it was a canary
    set_mode(k, "canary");
    report(k, 2, "late");
    report(k, 3, "late");
    course_kit_wait(k, 2 * STATE_KIT_HOUR_MS);
    CHECK_U64(counts(k, list)[BR_GUARD_VERIFY].of, 2);
    CHECK_U64(counts(k, list)[BR_GUARD_VERIFY].bad, 2);
    report(k, 4, "late");
    course_kit_wait(k, 2 * STATE_KIT_HOUR_MS);
    CHECK_INT(mode(k, &set), BR_MODE_SHADOW);
    CHECK_HAS(set.reason, "failed verifications: 3 of 3");
    course_kit_wants(k, "not verified", "rolled back");
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_guardrail_rolls_back_at_the_event_that_is_too_much),
        TEST(test_guardrail_is_silent_below_its_sample_and_without_certainty),
        TEST(test_guardrail_counts_anew_for_another_text_and_another_canary),
        TEST(test_guardrail_leaves_shadow_and_live_alone),
        TEST(test_guardrail_takes_it_off_where_the_file_says_so),
        TEST(test_guardrail_counts_actions_that_fail),
        TEST(test_guardrail_counts_verifications_that_do_not_hold),
    };

    return cmocka_run_group_tests_name("guard", tests, NULL, NULL);
}
