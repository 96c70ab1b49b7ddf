// The healing agent through the runner, with the playbooks of playbooks/healing.
#include "brain/playbook/remediation.h"
#include "tests/harness/decisions.h"

extern const br_agent_def healing_agent;

#define MINUTE (INT64_C(60) * 1000)
#define HOUR (60 * MINUTE)
#define START INT64_C(1763650800000)
#define LATENCY "brain.turn_ms"

static const char *const files[] = {
    "playbooks/healing/carrier_failure.yaml", "playbooks/healing/high_latency.yaml",
    "playbooks/healing/error_spike.yaml",     "playbooks/healing/memory_leak.yaml",
    "playbooks/healing/model_drift.yaml",
};

static void
feed_playbooks(drive *d, uint64_t version, size_t count, const char *extra)
{
    rt_event about = {.type = rt_catalog_find(d->catalog, RT_STR("timer.fired"))};
    rt_record record = {.seq = ++d->seq, .at_ms = START, .kind = RT_RECORD_PLAYBOOKS};
    rt_mpw w;

    rt_mpw_init(&w, 1 << 20);
    rt_mpw_array(&w, 2);
    rt_mpw_u64(&w, version);
    rt_mpw_array(&w, (uint32_t)(count + (extra != NULL ? 1 : 0)));
    for (size_t i = 0; i < count; i++) {
        char *text = drive_read(files[i]);
        rt_mpw_array(&w, 2);
        rt_mpw_cstr(&w, files[i]);
        rt_mpw_cstr(&w, text);
        rt_free(text);
    }
    if (extra != NULL) {
        rt_mpw_array(&w, 2);
        rt_mpw_cstr(&w, "extra.yaml");
        rt_mpw_cstr(&w, extra);
    }
    record.payload = rt_mpw_view(&w);
    CHECK_OK(br_runner_feed(d->runner, &record, (int64_t)record.seq));
    drive_take(d, &about);
    rt_mpw_fini(&w);
}

static void
open(drive *d)
{
    static const br_agent_def *const agents[] = {&healing_agent};

    drive_open(d, agents, 1, NULL);
    feed_playbooks(d, 1, RT_COUNT(files), "kind: playbook\nid: not-ours\n");
}

static void
detected(drive *d, const char *kind, const char *scope, const char *severity, int64_t at_ms)
{
    drive_event(d, "anomaly.detected", "metric/x", at_ms, DRIVE_S("metric", LATENCY),
                DRIVE_S("kind", kind), DRIVE_S("scope", scope), DRIVE_F("value", RT_F64(12.5)),
                DRIVE_S("severity", severity));
}

static void
cleared(drive *d, const char *metric, const char *scope, int64_t at_ms)
{
    drive_event(d, "anomaly.cleared", "metric/x", at_ms, DRIVE_S("metric", metric),
                DRIVE_S("scope", scope));
}

static uint64_t
settle(drive *d, const char *verdict, int64_t at_ms)
{
    return decisions_settle(d, "anomaly.detected", "metric/x", verdict, at_ms);
}

static void
test_real_playbooks_are_valid_and_fit_their_kinds(void **state)
{
    static const char *const kinds[] = {"carrier_failure", "high_latency", "error_spike",
                                        "memory_leak", "model_drift"};

    (void)state;
    for (size_t i = 0; i < RT_COUNT(files); i++) {
        char *text = drive_read(files[i]);
        rt_diag *diag = rt_diag_new();
        br_remediation *r = NULL;
        if (br_remediation_parse(files[i], rt_str_of(text), diag, &r) != RT_OK) {
            drive_report(diag);
        }
        CHECK_STR(r->anomaly, kinds[i]);
        CHECK_TRUE(r->step_count >= 2 && r->doc.len > 0 && r->owner.len > 0);
        br_remediation_free(r);
        rt_diag_free(diag);
        rt_free(text);
    }
}

static void
test_first_step_is_proposed_with_filled_texts(void **state)
{
    drive d;
    const msg_proposal *p;

    (void)state;
    open(&d);
    detected(&d, "carrier_failure", "carrier/tcc", "critical", START);
    p = drive_proposal(&d, "pause_carrier");
    assert_non_null(p);
    CHECK_STR(p->target, "carrier/tcc");
    CHECK_STR(drive_arg(p->args, "reason"), LATENCY " is 12.5");
    CHECK_NEAR(drive_number(p->args, "hours"), 6, 0);
    CHECK_INT(p->priority, 90);
    CHECK_STR(p->model, "remediation:carrier-failure");
    CHECK_INT(d.proposals, 1);
    detected(&d, "carrier_failure", "carrier/tcc", "critical", START + 1); // one is running
    CHECK_INT(d.proposals, 1);
    detected(&d, "carrier_failure", "carrier/otra", "warning", START + 2);
    CHECK_INT(d.proposals, 2);
    drive_close(&d);
}

static void
test_info_starts_nothing_and_no_playbook_asks_once(void **state)
{
    drive d;

    (void)state;
    open(&d);
    detected(&d, "high_latency", "part/brain", "info", START);
    CHECK_INT(d.proposals, 0);
    detected(&d, "volume_drop", "city/pasto", "warning", START);
    assert_non_null(drive_proposal(&d, "alert_operator"));
    detected(&d, "volume_drop", "city/pasto", "warning", START + MINUTE);
    CHECK_INT(d.proposals, 1);
    CHECK_INT(d.emissions, 0);
    drive_close(&d);
}

static void
test_cleared_within_the_wait_is_healed(void **state)
{
    drive d;
    const msg_emission *done;

    (void)state;
    open(&d);
    detected(&d, "high_latency", "part/brain", "warning", START);
    assert_non_null(drive_proposal(&d, "shed_load"));
    (void)settle(&d, "won", START);
    cleared(&d, LATENCY, "part/brain", START + MINUTE);
    CHECK_INT(d.emissions, 0); // looked at when the wait is over
    drive_until(&d, START + 5 * MINUTE);
    done = drive_emission(&d, "healing.completed");
    assert_non_null(done);
    CHECK_STR(drive_arg(done->data, "outcome"), "healed");
    CHECK_STR(drive_arg(done->data, "playbook"), "high-latency");
    CHECK_STR(drive_arg(done->data, "tried"), "1 shed_load: cured");
    CHECK_NEAR(drive_number(done->data, "steps"), 1, 0);
    CHECK_NEAR(drive_number(done->data, "duration_ms"), 5.0 * MINUTE, 0);
    CHECK_INT(d.proposals, 1);
    drive_until(&d, START + 24 * HOUR);
    CHECK_INT(d.timers_fired, 2); // the check and the wait
    drive_close(&d);
}

static void
test_clearing_of_something_else_does_not_heal(void **state)
{
    drive d;

    (void)state;
    open(&d);
    detected(&d, "high_latency", "part/brain", "warning", START);
    (void)settle(&d, "won", START);
    cleared(&d, "other.metric", "part/brain", START + MINUTE);
    cleared(&d, LATENCY, "part/store", START + MINUTE);
    drive_until(&d, START + 5 * MINUTE);
    CHECK_INT(d.emissions, 0);
    assert_non_null(drive_proposal(&d, "release_memory"));
    (void)settle(&d, "won", START + 5 * MINUTE);
    cleared(&d, LATENCY, "part/brain", START + 6 * MINUTE);
    detected(&d, "high_latency", "part/brain", "warning", START + 7 * MINUTE); // it came back
    drive_until(&d, START + 10 * MINUTE);
    CHECK_INT(d.emissions, 0);
    assert_non_null(drive_proposal(&d, "restart_part"));
    drive_close(&d);
}

static void
test_no_effect_goes_through_all_steps_and_escalates(void **state)
{
    static const char *const steps[] = {"shed_load", "release_memory", "restart_part"};
    drive d;
    const msg_proposal *alert;
    const msg_emission *done;
    int64_t at = START;

    (void)state;
    open(&d);
    detected(&d, "high_latency", "part/brain", "critical", at);
    for (size_t i = 0; i < RT_COUNT(steps); i++) {
        const msg_proposal *p = drive_proposal(&d, steps[i]);
        assert_non_null(p);
        CHECK_INT(d.last.proposals.count, 1);
        if (i == 2) {
            CHECK_STR(drive_arg(p->args, "part"), "agents");
        }
        (void)settle(&d, "won", at);
        at += i < 2 ? 5 * MINUTE : 10 * MINUTE;
        drive_until(&d, at - 1);
        CHECK_INT(d.proposals, i + 1); // not before the wait is over
        drive_until(&d, at);
    }
    alert = drive_proposal(&d, "alert_operator");
    done = drive_emission(&d, "healing.completed");
    assert_non_null(alert);
    assert_non_null(done);
    CHECK_STR(alert->target, "part/brain");
    CHECK_STR(drive_arg(alert->args, "severity"), "critical");
    CHECK_HAS(drive_arg(alert->args, "text"),
              "Intentado: 1 shed_load: no effect; 2 release_memory: no effect; 3 restart_part: no "
              "effect");
    CHECK_STR(drive_arg(done->data, "outcome"), "escalated");
    CHECK_NEAR(drive_number(done->data, "steps"), 3, 0);
    detected(&d, "high_latency", "part/brain", "critical", at + MINUTE); // left to people
    CHECK_INT(d.last.proposals.count, 0);
    detected(&d, "high_latency", "part/brain", "critical", at + 7 * HOUR);
    assert_non_null(drive_proposal(&d, "shed_load"));
    drive_close(&d);
}

static void
test_refused_step_is_recorded_and_the_next_follows_soon(void **state)
{
    drive d;

    (void)state;
    open(&d);
    detected(&d, "error_spike", "part/brain", "warning", START);
    assert_non_null(drive_proposal(&d, "shed_load"));
    (void)settle(&d, "refused", START + 1);
    drive_until(&d, START + 9999);
    CHECK_INT(d.proposals, 1);
    drive_until(&d, START + 10000); // long before the wait of five minutes is over
    assert_non_null(drive_proposal(&d, "restart_part"));
    (void)settle(&d, "won", START + 10001);
    cleared(&d, LATENCY, "part/brain", START + MINUTE);
    drive_until(&d, START + 11 * MINUTE);
    CHECK_STR(drive_arg(drive_emission(&d, "healing.completed")->data, "tried"),
              "1 shed_load: refused (because the test says so); 2 restart_part: cured");
    CHECK_NEAR(drive_number(drive_emission(&d, "healing.completed")->data, "steps"), 1, 0);
    drive_close(&d);
}

static void
test_failed_action_moves_on_and_silence_is_no_cure(void **state)
{
    drive d;
    uint64_t seq;

    (void)state;
    open(&d);
    detected(&d, "error_spike", "part/brain", "warning", START);
    seq = settle(&d, "won", START);
    drive_event(&d, "action.executed", "part/brain", START + 2, DRIVE_S("action_id", "a"),
                DRIVE_S("action", "restart_part"), DRIVE_S("status", "failed"),
                DRIVE_F("decision_seq", RT_I64((int64_t)seq)));
    CHECK_INT(d.last.proposals.count, 0); // another action
    drive_event(&d, "action.executed", "part/brain", START + 3, DRIVE_S("action_id", "b"),
                DRIVE_S("action", "shed_load"), DRIVE_S("status", "failed"),
                DRIVE_S("detail", "no route"),
                DRIVE_F("decision_seq", RT_I64((int64_t)seq)));
    assert_non_null(drive_proposal(&d, "restart_part"));
    drive_until(&d, START + HOUR); // no decision is ever heard
    CHECK_STR(drive_arg(drive_emission(&d, "healing.completed")->data, "tried"),
              "1 shed_load: failed (no route); 2 restart_part: no decision");
    CHECK_STR(drive_arg(drive_emission(&d, "healing.completed")->data, "outcome"), "escalated");
    drive_close(&d);
}

static void
test_edited_playbook_is_followed_and_a_removed_one_escalates(void **state)
{
    static const char edited[] = "kind: remediation\nid: high-latency\nfor: high_latency\n"
                                 "when: data.value > 100.0\n"
                                 "steps:\n  - action: shed_load\n    wait: 5m\n"
                                 "  - action: reset_model\n    args: {model: x}\n"
                                 "escalate: {text: help}\n";
    drive d;

    (void)state;
    open(&d);
    detected(&d, "high_latency", "part/brain", "warning", START);
    (void)settle(&d, "won", START);
    feed_playbooks(&d, 2, 0, edited);
    drive_until(&d, START + 5 * MINUTE);
    assert_non_null(drive_proposal(&d, "reset_model"));
    detected(&d, "high_latency", "part/other", "warning", START + 6 * MINUTE);
    assert_non_null(drive_proposal(&d, "alert_operator")); // `when` does not hold: nobody's case
    feed_playbooks(&d, 3, 0, NULL);
    drive_until(&d, START + HOUR);
    CHECK_STR(drive_arg(drive_emission(&d, "healing.completed")->data, "outcome"), "escalated");
    drive_close(&d);
}

static void
test_step_that_never_works_is_reported(void **state)
{
    drive d;
    int64_t at = START;
    double first = 0;
    double last = 0;
    int reports = 0;

    (void)state;
    open(&d);
    for (int i = 0; i < 5; i++, at += 24 * HOUR) {
        const msg_emission *improvement;
        detected(&d, "error_spike", "part/brain", "warning", at);
        last = drive_proposal(&d, "shed_load")->confidence;
        first = i == 0 ? last : first;
        (void)settle(&d, "won", at);
        drive_until(&d, at + 5 * MINUTE);
        improvement = drive_emission(&d, "improvement.proposed");
        if (improvement != NULL) {
            reports++;
            CHECK_STR(drive_arg(improvement->data, "area"), "healing/error-spike/1");
            assert_non_null(drive_proposal(&d, "alert_operator"));
        }
        assert_non_null(drive_proposal(&d, "restart_part"));
        (void)settle(&d, "won", at + 5 * MINUTE);
        cleared(&d, LATENCY, "part/brain", at + 6 * MINUTE);
        drive_until(&d, at + HOUR);
    }
    CHECK_INT(reports, 1);
    CHECK_TRUE(last < first);
    drive_close(&d);
}

static void
test_tenants_run_apart(void **state)
{
    drive_field fields[] = {DRIVE_S("metric", LATENCY), DRIVE_S("kind", "high_latency"),
                            DRIVE_S("scope", "part/brain"), DRIVE_F("value", RT_F64(1)),
                            DRIVE_S("severity", "warning")};
    drive d;

    (void)state;
    open(&d);
    detected(&d, "high_latency", "part/brain", "warning", START);
    drive_event_of(&d, (rt_tenant){2}, "anomaly.detected", "metric/x", START, fields,
                   RT_COUNT(fields));
    CHECK_INT(d.proposals, 2);
    cleared(&d, LATENCY, "part/brain", START + 1);
    drive_until(&d, START + 5 * MINUTE);
    CHECK_INT(d.emissions, 1); // tenant 1 is healed, tenant 2 goes on
    CHECK_INT(d.proposals, 3);
    drive_close(&d);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_real_playbooks_are_valid_and_fit_their_kinds),
        cmocka_unit_test(test_first_step_is_proposed_with_filled_texts),
        cmocka_unit_test(test_info_starts_nothing_and_no_playbook_asks_once),
        cmocka_unit_test(test_cleared_within_the_wait_is_healed),
        cmocka_unit_test(test_clearing_of_something_else_does_not_heal),
        cmocka_unit_test(test_no_effect_goes_through_all_steps_and_escalates),
        cmocka_unit_test(test_refused_step_is_recorded_and_the_next_follows_soon),
        cmocka_unit_test(test_failed_action_moves_on_and_silence_is_no_cure),
        cmocka_unit_test(test_edited_playbook_is_followed_and_a_removed_one_escalates),
        cmocka_unit_test(test_step_that_never_works_is_reported),
        cmocka_unit_test(test_tenants_run_apart),
    };
    return CHECK_RUN(tests);
}
