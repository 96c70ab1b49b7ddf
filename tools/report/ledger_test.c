#include "tools/report/ledger.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "runtime/seam/file.h"
#include "tools/report/report_fixture.h"

static msg_candidate
candidate(const char *agent, const char *action, const char *verdict, const char *why)
{
    return (msg_candidate){.proposal = {.agent = rt_str_of(agent),
                                        .action = rt_str_of(action),
                                        .target = RT_STR("customer/ana")},
                           .verdict = rt_str_of(verdict),
                           .why = rt_str_of(why)};
}

static void
take_candidates(kit *k, ledger *l, msg_candidate *candidates, uint32_t count)
{
    msg_decision decision = {.event_type = RT_STR("delay.detected"),
                             .candidates = {candidates, count}};
    rt_record record = kit_decision(k, &decision, 0);

    ledger_take(l, &record);
}

static void
test_conflicts_name_loser_and_winner(void **state)
{
    kit k;
    ledger l;
    msg_candidate candidates[] = {
        candidate("playbook:late", "notify_customer", "lost",
                  "lost to call_customer of customer: 40.00 against 60.00"),
        candidate("customer", "call_customer", "won", ""),
        candidate("logistics", "expedite_order", "refused", "cooldown: done 2h ago, limit 24h"),
        candidate("playbook:shy", "notify_customer", "shadow", ""),
    };

    (void)state;
    kit_open(&k);
    ledger_init(&l, "delay-risk", false);
    take_candidates(&k, &l, candidates, RT_COUNT(candidates));
    take_candidates(&k, &l, candidates, RT_COUNT(candidates));

    CHECK_U64(kit_row(&l.conflicts,
                      "playbook:late notify_customer < customer call_customer")->count[0], 2);
    CHECK_U64(kit_row(&l.refusals, "expedite_order: cooldown")->count[0], 2);
    CHECK_U64(kit_row(&l.said_by, "customer")->count[SAID_WON], 2);
    CHECK_U64(kit_row(&l.said_by, "playbook:late")->count[SAID_LOST], 2);
    CHECK_U64(kit_row(&l.said_by, "playbook:shy")->count[SAID_SHADOW], 2);
    CHECK_U64(kit_row(&l.said_on, "delay.detected")->count[SAID_PROPOSED], 8);
    CHECK_U64(kit_row(&l.said_on, "delay.detected")->count[SAID_DECISIONS], 2);
    CHECK_U64(kit_row(&l.actions, "call_customer")->count[ACTION_DECIDED], 2);
    CHECK_U64(l.refusals.count, 1);
    ledger_fini(&l);
    kit_close(&k);
}

static void
test_veto_is_no_proposal_and_has_victims(void **state)
{
    kit k;
    ledger l;
    msg_candidate candidates[] = {
        candidate("logistics", "*", "won", ""),
        candidate("customer", "notify_customer", "vetoed", "vetoed by logistics: cancelled"),
    };

    (void)state;
    kit_open(&k);
    ledger_init(&l, "delay-risk", false);
    candidates[0].proposal.veto = true;
    take_candidates(&k, &l, candidates, RT_COUNT(candidates));

    CHECK_U64(kit_row(&l.said_by, "logistics")->count[SAID_VETOES], 1);
    CHECK_U64(kit_row(&l.said_by, "logistics")->count[SAID_PROPOSED], 0);
    CHECK_U64(kit_row(&l.vetoes, "customer notify_customer < logistics *")->count[0], 1);
    CHECK_U64(l.actions.count, 0);
    ledger_fini(&l);
    kit_close(&k);
}

static void
test_reasons_are_shortened_to_what_can_be_counted(void **state)
{
    (void)state;
    CHECK_STR(ledger_reason(RT_STR("budget: 3 of 3 a day used for this target")), "budget");
    CHECK_STR(ledger_reason(RT_STR("call_customer is in flight on customer/ana")), "in flight");
    CHECK_STR(ledger_reason(RT_STR("quiet hours")), "quiet hours");
    CHECK_STR(ledger_reason(RT_STR("target 'order/1' is not a carrier")),
              "target 'order/1' is not a carrier");
    CHECK_STR(ledger_reason(RT_STR("")), "");
}

static void
test_event_told_twice_is_found(void **state)
{
    kit k;
    ledger l;
    rt_record record;

    (void)state;
    kit_open(&k);
    ledger_init(&l, "delay-risk", false);
    record = kit_created(&k, "order/1", RT_STR("A"), 0, KIT_DAY);
    ledger_take(&l, &record);
    CHECK_U64(l.repeated, 0);
    ledger_take(&l, &record);
    CHECK_U64(l.external, 2);
    CHECK_U64(l.repeated, 1);
    ledger_fini(&l);
    kit_close(&k);
}

static void
take_own(kit *k, ledger *l, const char *type, int64_t at_ms, const kit_field *fields, size_t count)
{
    rt_record record = kit_event(k, type, "x/1", at_ms, true, fields, count);

    ledger_take(l, &record);
}

static void
test_action_carried_out_twice_is_found(void **state)
{
    kit k;
    ledger l;
    kit_field first[] = {KIT_S("action_id", "a-1"), KIT_S("action", "call"),
                         KIT_S("status", "failed")};
    kit_field second[] = {KIT_S("action_id", "a-1"), KIT_S("action", "call"),
                          KIT_S("status", "executed")};

    (void)state;
    kit_open(&k);
    ledger_init(&l, "delay-risk", false);
    take_own(&k, &l, "action.executed", 0, first, 3);
    take_own(&k, &l, "action.executed", 1, second, 3);
    CHECK_U64(l.repeated_actions, 0);
    take_own(&k, &l, "action.executed", 2, second, 3);
    CHECK_U64(l.repeated_actions, 1);
    CHECK_U64(kit_row(&l.actions, "call")->count[ACTION_FAILED], 1);
    CHECK_U64(kit_row(&l.actions, "call")->count[ACTION_EXECUTED], 2);
    ledger_fini(&l);
    kit_close(&k);
}

static void
test_anomaly_lasts_from_first_report_to_clearing(void **state)
{
    kit k;
    ledger l;
    kit_field warning[] = {KIT_S("metric", "scans"), KIT_S("scope", "carrier/tcc"),
                           KIT_S("severity", "warning"), KIT_F("value", 3)};
    kit_field critical[] = {KIT_S("metric", "scans"), KIT_S("scope", "carrier/tcc"),
                            KIT_S("severity", "critical"), KIT_F("value", 0)};
    kit_field other[] = {KIT_S("metric", "scans"), KIT_S("scope", "carrier/envia")};
    kit_field healed[] = {KIT_S("playbook", "carrier-failure"), KIT_S("outcome", "healed"),
                          KIT_I("steps", 2)};

    (void)state;
    kit_open(&k);
    ledger_init(&l, "delay-risk", false);
    take_own(&k, &l, "anomaly.detected", 10, warning, 4);
    take_own(&k, &l, "anomaly.detected", 20, critical, 4);
    take_own(&k, &l, "anomaly.cleared", 25, other, 2); // of another carrier
    CHECK_INT(l.incidents[0].until_ms, INT64_MIN);
    take_own(&k, &l, "anomaly.cleared", 30, warning, 2);
    take_own(&k, &l, "healing.completed", 40, healed, 3);

    CHECK_U64(l.incident_count, 1);
    CHECK_INT(l.incidents[0].from_ms, 10);
    CHECK_INT(l.incidents[0].until_ms, 30);
    CHECK_CSTR(l.incidents[0].severity, "critical");
    CHECK_NEAR(l.incidents[0].value, 3, 0);
    CHECK_U64(kit_row(&l.anomalies, "scans")->count[ANOMALY_RAISED], 1);
    CHECK_U64(kit_row(&l.anomalies, "scans")->count[ANOMALY_WORSE], 1);
    CHECK_U64(kit_row(&l.anomalies, "scans")->count[ANOMALY_CLEARED], 2);
    CHECK_U64(kit_row(&l.healing, "carrier-failure")->count[HEALING_HEALED], 1);
    CHECK_U64(kit_row(&l.healing, "carrier-failure")->count[HEALING_STEPS], 2);
    ledger_fini(&l);
    kit_close(&k);
}

static void
test_playbooks_and_rewards_are_counted(void **state)
{
    kit k;
    ledger l;
    msg_consulted consulted[] = {{.playbook = RT_STR("late"), .verdict = RT_STR("fired")},
                                 {.playbook = RT_STR("late"), .verdict = RT_STR("throttled")},
                                 {.playbook = RT_STR("vip"), .verdict = RT_STR("false")},
                                 {.playbook = RT_STR("late"), .verdict = RT_STR("verified")}};
    msg_decision decision = {.consulted = {consulted, RT_COUNT(consulted)}};
    kit_field held[] = {KIT_S("playbook", "late"), KIT_B("held", true)};
    kit_field good[] = {KIT_S("cause", "delivery_success"), KIT_F("reward", 1)};
    kit_field bad[] = {KIT_S("cause", "delivery_success"), KIT_F("reward", 0.5)};
    rt_record record;

    (void)state;
    kit_open(&k);
    ledger_init(&l, "delay-risk", false);
    record = kit_decision(&k, &decision, 0);
    ledger_take(&l, &record);
    take_own(&k, &l, "playbook.verified", 1, held, 2);
    take_own(&k, &l, "decision.rewarded", 2, good, 2);
    take_own(&k, &l, "decision.rewarded", 3, bad, 2);

    CHECK_U64(kit_row(&l.playbooks, "late")->count[BOOK_FIRED], 1);
    CHECK_U64(kit_row(&l.playbooks, "late")->count[BOOK_THROTTLED], 1);
    CHECK_U64(kit_row(&l.playbooks, "late")->count[BOOK_HELD], 1); // once: by its event
    CHECK_U64(kit_row(&l.playbooks, "vip")->count[BOOK_FALSE], 1);
    CHECK_U64(kit_row(&l.rewards, "delivery_success")->count[0], 2);
    CHECK_NEAR(kit_row(&l.rewards, "delivery_success")->sum, 1.5, 1e-12);
    CHECK_U64(l.said, 0); // looking at playbooks is not speaking
    ledger_fini(&l);
    kit_close(&k);
}

static void
append(rt_journal *journal, const rt_record *record)
{
    rt_record written;
    rt_mpw *w = rt_journal_begin(journal, record->kind, record->flags, record->at_ms);

    rt_mpw_raw(w, record->payload);
    CHECK_OK(rt_journal_end(journal, &written));
    CHECK_U64(written.seq, record->seq);
}

// Orders and the forecasts of their decisions, written as a brain does.
static void
write_journal(const char *dir)
{
    kit k;
    rt_journal *journal = NULL;
    rt_journal_config config = {dir, 1024 * 1024, 64 * 1024 * 1024, false};

    kit_open(&k);
    CHECK_OK(rt_journal_open(&config, &journal));
    for (int i = 0; i < 20; i++) {
        char subject[32];
        bool late = i % 4 == 0;
        msg_prediction predictions[] = {
            {.model = RT_STR("other"), .value = late ? 0.0 : 1.0},
            {.model = RT_STR("delay-risk"), .value = late ? 0.9 : 0.1}};
        rt_record record;

        (void)snprintf(subject, sizeof(subject), "order/%d", i);
        record = kit_created(&k, subject, RT_STR("A"), i, KIT_DAY);
        append(journal, &record);
        msg_decision decision = {.event_seq = record.seq,
                                 .event_type = RT_STR("order.created"),
                                 .predictions = {predictions, 2}};
        record = kit_decision(&k, &decision, i);
        append(journal, &record);
        CHECK_OK(rt_journal_commit(journal));
        record = kit_event(&k, "order.delivered", subject, late ? 3 * KIT_DAY : 1000 + i, false,
                           NULL, 0);
        append(journal, &record);
    }
    CHECK_OK(rt_journal_commit(journal));
    rt_journal_close(journal);
    kit_close(&k);
}

static void
remove_journal(void *user, const char *name)
{
    char path[256];

    (void)snprintf(path, sizeof(path), "%s/%s", (const char *)user, name);
    CHECK_OK(rt_file_remove(path));
}

static void
test_forecasts_in_a_journal_meet_their_outcomes(void **state)
{
    char dir[] = "/tmp/cerebro-report-XXXXXX";
    ledger l;
    forecast_report report;
    rt_journal_reader *reader = NULL;
    rt_record record;
    rt_err err = RT_OK;

    (void)state;
    CHECK_TRUE(mkdtemp(dir) != NULL);
    write_journal(dir);
    ledger_init(&l, "delay-risk", false);
    CHECK_OK(rt_journal_reader_open(dir, 0, &reader));
    while ((err = rt_journal_reader_next(reader, &record)) == RT_OK) {
        ledger_take(&l, &record);
    }
    CHECK_ERR(err, RT_EEND);
    rt_journal_reader_close(reader);

    CHECK_U64(l.records, 60);
    CHECK_U64(l.external, 40);
    CHECK_U64(l.decisions, 20);
    CHECK_U64(l.said, 20);
    CHECK_U64(l.predictions, 40);
    CHECK_U64(l.unreadable, 0);
    forecast_filter all = {.from_ms = INT64_MIN, .until_ms = INT64_MAX};
    CHECK_TRUE(forecast_report_make(l.forecast, &all, &report));
    CHECK_U64(report.all.orders, 20);
    CHECK_U64(report.all.late, 5);
    CHECK_NEAR(report.all.model.auc, 1, 0);
    CHECK_NEAR(report.all.model.log_loss, 0.105361, 1e-6);
    CHECK_NEAR(report.all.model.calibration_error, 0.1, 1e-9);
    ledger_fini(&l);
    CHECK_OK(rt_dir_list(dir, remove_journal, dir));
    CHECK_INT(rmdir(dir), 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_conflicts_name_loser_and_winner),
        cmocka_unit_test(test_veto_is_no_proposal_and_has_victims),
        cmocka_unit_test(test_reasons_are_shortened_to_what_can_be_counted),
        cmocka_unit_test(test_event_told_twice_is_found),
        cmocka_unit_test(test_action_carried_out_twice_is_found),
        cmocka_unit_test(test_anomaly_lasts_from_first_report_to_clearing),
        cmocka_unit_test(test_playbooks_and_rewards_are_counted),
        cmocka_unit_test(test_forecasts_in_a_journal_meet_their_outcomes),
    };

    return CHECK_RUN(tests);
}
