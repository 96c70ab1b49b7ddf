// Actions in order: outcomes, retries, timeouts, what takes them back, ladders of escalation.
#include "tests/harness/course_kit.h"

#define MINUTE_MS ((int64_t)60 * 1000)
#define HEAD "kind: playbook\nid: p\ndoc: Because.\nevents: [issue.reported]\nin_order: true\n"
#define CASE "  - action: open_case\n    target: ${event.subject}\n"
#define PAUSE "  - action: pause_carrier\n    target: carrier/tcc\n"
#define ALERT "  - action: alert_operator\n    target: ${event.subject}\n    args: {text: hola}\n"
#define RESUME "    undo: {action: resume_carrier, target: carrier/tcc, args: {reason: undone}}\n"

static int
setup(void **state)
{
    course_kit *k = course_kit_open();

    k->outcomes = false;
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
report(course_kit *k)
{
    course_kit_event(k, "issue.reported", "order/1", "{\"customer_id\":\"c1\",\"kind\":\"late\"}");
}

// The action that the last decision does, kept beyond it.
typedef struct done {
    char id[64];
    char action[64];
    uint64_t seq;
} done;

static done
doing(const course_kit *k, const char *want)
{
    const msg_candidate *candidates = k->out.decision.candidates.items;
    done d = {.seq = k->event_seq};

    for (uint32_t i = 0; i < k->out.decision.candidates.count; i++) {
        if (candidates[i].action_id.len > 0) {
            (void)snprintf(d.id, sizeof(d.id), "%.*s", RT_STR_ARG(candidates[i].action_id));
            (void)snprintf(d.action, sizeof(d.action), "%.*s",
                           RT_STR_ARG(candidates[i].proposal.action));
        }
    }
    CHECK_CSTR(d.action, want);
    return d;
}

static void
outcome(course_kit *k, const done *d, const char *status)
{
    char data[512];

    (void)snprintf(data, sizeof(data),
                   "{\"action_id\":\"%s\",\"action\":\"%s\",\"decision_seq\":%llu,"
                   "\"status\":\"%s\",\"detail\":\"HTTP 500\"}",
                   d->id, d->action, (unsigned long long)d->seq, status);
    course_kit_own(k, "action.executed", "order/1", data, false);
}

static void
check_ended(const course_kit *k, const char *how)
{
    rt_mp at;
    rt_str outcome_text;

    CHECK_U64(k->out.emission_count, 1);
    CHECK_STR(k->out.emissions[0].event, "playbook.run_ended");
    CHECK_TRUE(rt_mp_find(k->out.emissions[0].data, RT_STR("outcome"), &at));
    CHECK_OK(rt_mp_str(&at, &outcome_text));
    CHECK_STR(outcome_text, how);
    CHECK_U64(br_progress_count(k->state->progress), 0);
    CHECK_U64(br_timers_count(k->state->timers), 0);
}

static void
test_steps_follow_each_other(void **state)
{
    course_kit *k = *state;

    course_kit_play(k, HEAD "do:\n" CASE PAUSE ALERT);
    report(k);
    CHECK_INT(k->out.decision.candidates.count, 1);
    done d = doing(k, "open_case");
    outcome(k, &d, "executed");
    course_kit_wants(k, "running", "asks for it, step 2 of 3");
    d = doing(k, "pause_carrier");
    outcome(k, &d, "executed");
    d = doing(k, "alert_operator");
    outcome(k, &d, "executed");
    check_ended(k, "done");
    CHECK_INT(k->acted, 3);
    outcome(k, &d, "executed"); // told twice
    CHECK_INT(k->acted, 3);
}

static void
test_a_step_waits_for_its_time(void **state)
{
    course_kit *k = *state;

    course_kit_play(k, HEAD "do:\n" CASE ALERT "    after: 30m\n");
    report(k);
    done d = doing(k, "open_case");
    outcome(k, &d, "executed");
    course_kit_wants(k, "running", "waits for its time");
    course_kit_wait(k, 29 * MINUTE_MS);
    CHECK_INT(k->acted, 1);
    course_kit_wait(k, MINUTE_MS);
    d = doing(k, "alert_operator");
    outcome(k, &d, "executed");
    check_ended(k, "done");
}

static void
test_a_failed_step_stops_the_rest(void **state)
{
    course_kit *k = *state;

    course_kit_play(k, HEAD "do:\n" CASE PAUSE ALERT);
    report(k);
    done d = doing(k, "open_case");
    outcome(k, &d, "executed");
    d = doing(k, "pause_carrier");
    outcome(k, &d, "failed");
    check_ended(k, "stopped");
    course_kit_wants(k, "running", "stopped: failed HTTP 500");
    CHECK_INT(k->acted, 2);
}

static void
test_a_failed_step_can_be_passed_over(void **state)
{
    course_kit *k = *state;

    course_kit_play(k, HEAD "do:\n" CASE "    on_error: continue\n" ALERT);
    report(k);
    done d = doing(k, "open_case");
    outcome(k, &d, "unknown");
    d = doing(k, "alert_operator");
    outcome(k, &d, "executed");
    check_ended(k, "done");
}

static void
test_retries_wait_longer_each_time(void **state)
{
    course_kit *k = *state;

    course_kit_play(k, HEAD "do:\n" ALERT "    retry: {times: 3, wait: 20m}\n");
    report(k);
    done d = doing(k, "alert_operator");
    for (int try = 0; try < 3; try++) {
        uint32_t before = k->acted;

        outcome(k, &d, "failed");
        course_kit_wants(k, "running", "tries step 1 again: failed HTTP 500");
        course_kit_wait(k, (20 * MINUTE_MS << try) - 1);
        CHECK_INT(k->acted, before);
        course_kit_wait(k, 1);
        CHECK_INT(k->acted, before + 1);
        d = doing(k, "alert_operator");
    }
    outcome(k, &d, "failed");
    check_ended(k, "stopped");
}

static void
test_a_step_that_is_refused_is_tried_again(void **state)
{
    course_kit *k = *state;

    course_kit_play(k, HEAD "do:\n" CASE ALERT "    retry: {times: 2, wait: 6m}\n" ALERT
                            "    retry: {times: 2, wait: 6m}\n");
    report(k);
    done d = doing(k, "open_case");
    outcome(k, &d, "executed");
    d = doing(k, "alert_operator");
    outcome(k, &d, "executed"); // the second alert is within the cooldown of 10 minutes
    course_kit_wants(k, "running", "tries step 3 again: cooldown");
    CHECK_INT(k->acted, 2);
    course_kit_wait(k, 6 * MINUTE_MS);
    CHECK_INT(k->acted, 2);
    course_kit_wait(k, 12 * MINUTE_MS);
    CHECK_INT(k->acted, 3);
    d = doing(k, "alert_operator");
    outcome(k, &d, "executed");
    check_ended(k, "done");
}

static void
test_without_an_outcome_in_time_it_has_failed(void **state)
{
    course_kit *k = *state;

    course_kit_play(k, HEAD "do:\n" CASE "    timeout: 5m\n    on_error: continue\n" ALERT);
    report(k);
    done late = doing(k, "open_case");
    course_kit_wait(k, 5 * MINUTE_MS);
    done d = doing(k, "alert_operator");
    uint32_t acted = k->acted;
    outcome(k, &late, "executed"); // too late: nothing goes on twice
    CHECK_INT(k->acted, acted);
    outcome(k, &d, "executed");
    check_ended(k, "done");
}

static void
test_what_was_done_is_undone_last_first(void **state)
{
    course_kit *k = *state;

    course_kit_play(k, HEAD "do:\n" PAUSE RESUME CASE "    undo: {action: alert_operator, target: "
                            "\"${event.subject}\", args: {text: undone}}\n" ALERT
                            "    on_error: undo\n");
    report(k);
    done d = doing(k, "pause_carrier");
    outcome(k, &d, "executed");
    d = doing(k, "open_case");
    outcome(k, &d, "executed");
    d = doing(k, "alert_operator");
    outcome(k, &d, "failed");
    // the alert that takes the case back is within the cooldown of the one that failed
    CHECK_STR(course_kit_first(k)->verdict, "refused");
    course_kit_wait(k, 0);
    d = doing(k, "resume_carrier");
    outcome(k, &d, "executed");
    check_ended(k, "undone");
}

static void
test_a_first_step_that_loses_begins_nothing(void **state)
{
    course_kit *k = *state;

    course_kit_play(k, HEAD "do:\n" CASE ALERT);
    course_kit_own(k, "system.halted", "", "{\"by\":\"uid:1\"}", true);
    report(k);
    CHECK_STR(course_kit_first(k)->verdict, "refused");
    CHECK_U64(br_progress_count(k->state->progress), 0);
}

// Found by fuzzing: a first step that was refused came back by its retry, past the approval.
static void
test_a_first_step_is_not_tried_past_its_approval(void **state)
{
    course_kit *k = *state;

    course_kit_play(k, "kind: playbook\nid: q\nevents: [issue.reported]\ndo:\n" CASE);
    report(k);
    CHECK_INT(k->acted, 1);
    course_kit_play(k, HEAD "approve: {ttl: 2h}\ndo:\n" CASE
                            "    retry: {times: 3, wait: 12h}\n");
    report(k);
    CHECK_STR(course_kit_first(k)->verdict, "refused"); // it is in flight
    course_kit_wait(k, 200 * STATE_KIT_HOUR_MS);
    CHECK_INT(k->acted, 1);
    CHECK_U64(br_progress_count(k->state->progress), 0);
}

// Found by fuzzing: an outcome that came while another set was live was never heard of.
static void
test_an_outcome_is_heard_whatever_set_is_live(void **state)
{
    course_kit *k = *state;

    course_kit_play(k, HEAD "do:\n" CASE ALERT);
    report(k);
    done d = doing(k, "open_case");
    course_kit_play(k, "kind: playbook\nid: q\nevents: [order.created]\ndo:\n" CASE);
    outcome(k, &d, "executed");
    CHECK_U64(br_progress_count(k->state->progress), 0);
}

static void
test_in_shadow_all_steps_are_shown(void **state)
{
    course_kit *k = *state;

    course_kit_play(k, HEAD "mode: shadow\ndo:\n" CASE ALERT);
    report(k);
    CHECK_INT(k->out.decision.candidates.count, 2);
    CHECK_U64(br_progress_count(k->state->progress), 0);
}

static void
test_a_run_ends_as_it_was_begun(void **state)
{
    course_kit *k = *state;

    course_kit_play(k, HEAD "do:\n" CASE ALERT);
    report(k);
    done d = doing(k, "open_case");
    course_kit_play(k, HEAD "priority: 70\ndo:\n" CASE PAUSE PAUSE);
    outcome(k, &d, "executed");
    d = doing(k, "alert_operator");
    outcome(k, &d, "executed");
    check_ended(k, "done");
}

static void
test_a_run_without_its_playbook_ends(void **state)
{
    course_kit *k = *state;

    course_kit_play(k, HEAD "do:\n" CASE ALERT);
    report(k);
    done d = doing(k, "open_case");
    course_kit_play(
        k, "kind: playbook\nid: q\nevents: [order.created]\nin_order: true\ndo:\n" ALERT);
    outcome(k, &d, "executed");
    CHECK_INT(k->acted, 1);
    CHECK_U64(br_progress_count(k->state->progress), 0);
}

static void
test_an_approval_covers_all_steps(void **state)
{
    course_kit *k = *state;
    br_progress_row row;
    char data[512];
    size_t cursor = 0;

    course_kit_play(k, HEAD "approve: {ttl: 2h}\nbudget:\n"
                            "  - {what: actions, limit: 2, window: 1d}\ndo:\n" CASE ALERT);
    report(k);
    CHECK_STR(course_kit_first(k)->verdict, "waiting");
    CHECK_TRUE(br_progress_next(k->state->progress, &cursor, &row));
    (void)snprintf(data, sizeof(data),
                   "{\"playbook\":\"p\",\"key\":\"%.*s\",\"verdict\":\"granted\",\"by\":\"x\"}",
                   RT_STR_ARG(row.key));
    course_kit_own(k, "approval.decided", "order/1", data, false);
    done d = doing(k, "open_case");
    outcome(k, &d, "executed");
    d = doing(k, "alert_operator");
    outcome(k, &d, "executed");
    CHECK_INT(k->acted, 2);
    course_kit_wait(k, 25 * STATE_KIT_HOUR_MS);
    CHECK_U64(br_progress_count(k->state->progress), 1); // the budget is still remembered
}

#define LADDER                                                                                     \
    "kind: playbook\nid: p\nevents: [issue.reported]\ndo:\n" CASE                                  \
    "verify: {within: 1h, expect: order.status == \"delivered\"}\nescalate:\n" ALERT PAUSE         \
    "    after: 30m\n  - action: open_case\n    target: ${event.subject}\n    after: 24h\n"

static void
climb(course_kit *k)
{
    course_kit_play(k, LADDER);
    report(k);
    done d = doing(k, "open_case");
    outcome(k, &d, "executed");
    course_kit_wait(k, STATE_KIT_HOUR_MS);
    d = doing(k, "alert_operator");
    outcome(k, &d, "executed");
}

static void
test_a_ladder_climbs_until_its_end(void **state)
{
    course_kit *k = *state;

    climb(k);
    CHECK_INT(k->acted, 2);
    course_kit_wait(k, 29 * MINUTE_MS);
    CHECK_INT(k->acted, 2);
    course_kit_wait(k, MINUTE_MS);
    done d = doing(k, "pause_carrier");
    outcome(k, &d, "failed"); // a ladder goes on
    course_kit_wait(k, 24 * STATE_KIT_HOUR_MS);
    d = doing(k, "open_case");
    outcome(k, &d, "executed");
    check_ended(k, "done");
}

static void
test_a_ladder_stops_when_somebody_takes_over(void **state)
{
    course_kit *k = *state;
    br_progress_row row;
    char data[512];
    size_t cursor = 0;

    climb(k);
    CHECK_TRUE(br_progress_next(k->state->progress, &cursor, &row));
    (void)snprintf(data, sizeof(data), "{\"playbook\":\"p\",\"key\":\"%.*s\",\"by\":\"uid:1\"}",
                   RT_STR_ARG(row.key));
    course_kit_event(k, "playbook.acknowledged", "order/1", data); // a producer's: not taken
    CHECK_U64(br_progress_count(k->state->progress), 1);
    course_kit_own(k, "playbook.acknowledged", "order/1", data, false);
    check_ended(k, "acknowledged");
    course_kit_wait(k, 48 * STATE_KIT_HOUR_MS);
    CHECK_INT(k->acted, 2);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        TEST(test_steps_follow_each_other),
        TEST(test_a_step_waits_for_its_time),
        TEST(test_a_failed_step_stops_the_rest),
        TEST(test_a_failed_step_can_be_passed_over),
        TEST(test_retries_wait_longer_each_time),
        TEST(test_a_step_that_is_refused_is_tried_again),
        TEST(test_without_an_outcome_in_time_it_has_failed),
        TEST(test_what_was_done_is_undone_last_first),
        TEST(test_a_first_step_that_loses_begins_nothing),
        TEST(test_a_first_step_is_not_tried_past_its_approval),
        TEST(test_an_outcome_is_heard_whatever_set_is_live),
        TEST(test_in_shadow_all_steps_are_shown),
        TEST(test_a_run_ends_as_it_was_begun),
        TEST(test_a_run_without_its_playbook_ends),
        TEST(test_an_approval_covers_all_steps),
        TEST(test_a_ladder_climbs_until_its_end),
        TEST(test_a_ladder_stops_when_somebody_takes_over),
#undef TEST
    };
    return CHECK_RUN(tests);
}
