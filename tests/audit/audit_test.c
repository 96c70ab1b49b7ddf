// Records that must not be: each is written by the real code, and reported by its rule and number.
#include "tests/audit/audit.h"

#include "tests/harness/audit_kit.h"

#define MINUTE_MS AUDIT_KIT_MINUTE_MS
#define HOUR_MS AUDIT_KIT_HOUR_MS
#define ALL (AUDIT_DRAINED | AUDIT_WHOLE)
#define TEXT "{\"text\": \"Hola\"}"

static audit_kit *
begin(void)
{
    audit_kit *k = audit_kit_new(ALL);

    audit_kit_begin(k);
    return k;
}

// --- what is fine -----------------------------------------------------------------------------

static void
test_audit_whole_day_is_fine_and_counted(void **state)
{
    audit_kit *k = begin();
    uint64_t seq = 0;

    (void)state;
    (void)audit_kit_act(k, "call", "customer/1", TEXT);
    k->tenant = 2;
    (void)audit_kit_act(k, "call", "customer/1", TEXT); // of another tenant
    k->tenant = 1;
    seq = audit_kit_any(k);
    (void)audit_kit_propose(k, "move", "parcel/1", NULL);
    audit_kit_verdict(audit_kit_propose(k, "move", "parcel/1", NULL), "lost", "lost to tester");
    audit_kit_verdict(audit_kit_propose(k, "free", "parcel/1", NULL), "shadow", "");
    k->decision.emissions = 2;
    (void)audit_kit_decide(k, seq);
    {
        char id[32];

        (void)snprintf(id, sizeof(id), "%llu.1", (unsigned long long)seq); // the first was refused
        (void)audit_kit_own(k, "model.trained", "/agents/tester", id, "model/x", "e-2", 1,
                            "{\"model\": \"x\"}");
    }
    (void)audit_kit_end_action(k, seq, 0, "move", "parcel/1", "executed", 1);
    k->now_ms += 2 * HOUR_MS;
    (void)audit_kit_act(k, "call", "customer/1", TEXT);
    audit_kit_run(k);

    CHECK_U64(audit_violation_count(k->audit), 0);
    const audit_figures *f = audit_figures_of(k->audit);
    CHECK_U64(f->records, f->last_seq);
    CHECK_U64(f->external, 4);
    CHECK_U64(f->internal, 5);
    CHECK_U64(f->decisions, 4);
    CHECK_U64(f->candidates, 6);
    CHECK_U64(f->intents, 4);
    CHECK_U64(f->executed, 4);
    CHECK_U64(f->undecided, 0);
    CHECK_U64(f->in_flight, 0);
    audit_kit_free(k);
}

static void
test_audit_undrained_journal_is_fine_unless_it_should_be(void **state)
{
    (void)state;
    for (int drained = 0; drained < 2; drained++) {
        audit_kit *k = audit_kit_new(drained != 0 ? AUDIT_DRAINED : 0);
        uint64_t seq = 0;

        audit_kit_begin(k);
        seq = audit_kit_any(k);
        if (drained != 0) {
            audit_kit_found(k, "undecided", seq);
        } else {
            audit_kit_fine(k);
        }
    }
}

static void
test_audit_event_sent_again_after_the_window_is_another(void **state)
{
    audit_kit *k = begin();

    (void)state;
    (void)audit_kit_decide_on(k, audit_kit_event(k, "x", "parcel/1"), "x", "parcel/1");
    k->now_ms += AUDIT_KIT_DAY_MS + 1;
    (void)audit_kit_decide_on(k, audit_kit_event(k, "x", "parcel/1"), "x", "parcel/1");
    audit_kit_fine(k);
}

static void
test_audit_retried_dead_letter_has_a_second_outcome(void **state)
{
    audit_kit *k = begin();
    uint64_t seq = audit_kit_any(k);

    (void)state;
    (void)audit_kit_propose(k, "hook", "a/1", NULL);
    (void)audit_kit_decide(k, seq);
    (void)audit_kit_end_action(k, seq, 0, "hook", "a/1", "failed", 3);
    {
        char json[128];

        (void)snprintf(json, sizeof(json), "{\"ref\": \"abcd1234-%llu-0\", \"how\": \"retry\"}",
                       (unsigned long long)seq);
        (void)audit_kit_own(k, "dead_letter.resolved", "/brain/control", "r/1", "", "", 0, json);
    }
    (void)audit_kit_end_action(k, seq, 0, "hook", "a/1", "executed", 1);
    audit_kit_fine(k);
}

// --- events -----------------------------------------------------------------------------------

static void
test_audit_event_twice_is_found(void **state)
{
    audit_kit *k = begin();

    (void)state;
    (void)audit_kit_decide_on(k, audit_kit_event(k, "x", "parcel/1"), "x", "parcel/1");
    k->now_ms += AUDIT_KIT_DAY_MS;
    (void)audit_kit_decide_on(k, audit_kit_event(k, "x", "parcel/1"), "x", "parcel/1");
    audit_kit_found(k, "event-twice", k->last_seq - 1);
}

static void
test_audit_number_of_a_producer_that_falls_is_found(void **state)
{
    audit_kit *k = begin();
    const uint64_t numbers[] = {7, 8, 8};

    (void)state;
    for (size_t i = 0; i < RT_COUNT(numbers); i++) {
        rt_event event;
        char json[256];

        (void)snprintf(json, sizeof(json),
                       "{\"id\": \"e-%zu\", \"source\": \"/shop\", \"type\": \"thing.happened\", "
                       "\"subject\": \"parcel/1\", \"sequence\": %llu, \"data\": {}}",
                       i + 1, (unsigned long long)numbers[i]);
        pack_kit_event(k->pack, json, &k->wire, &event);
        k->next_id = i + 1;
        (void)audit_kit_decide(k, audit_kit_write(k, &event, true));
    }
    audit_kit_found(k, "event-twice", k->last_seq - 1);
}

static void
test_audit_producer_posing_as_the_brain_is_found(void **state)
{
    audit_kit *k = begin();
    rt_event event;

    (void)state;
    pack_kit_event(k->pack,
                   "{\"id\": \"1\", \"source\": \"/shop\", \"type\": \"system.halted\", "
                   "\"data\": {\"by\": \"me\"}}",
                   &k->wire, &event);
    (void)audit_kit_write(k, &event, true);
    k->decision.event_type = RT_STR("system.halted");
    audit_kit_run(k);
    CHECK_CSTR(audit_violation_at(k->audit, 0)->rule, "event");
    CHECK_U64(audit_violation_at(k->audit, 0)->seq, 3);
    audit_kit_free(k);
}

static void
test_audit_event_beyond_the_causal_depth_is_found(void **state)
{
    audit_kit *k = begin();
    uint64_t seq = audit_kit_own(k, "thing.happened", "/brain/test", "1", "a/1", "", 9, "{}");

    (void)state;
    audit_kit_found(k, "depth", seq);
}

static void
test_audit_event_from_nowhere_is_found(void **state)
{
    audit_kit *k = begin();
    uint64_t seq = audit_kit_any(k);
    char id[32];

    (void)state;
    k->decision.emissions = 1;
    (void)audit_kit_decide(k, seq);
    (void)snprintf(id, sizeof(id), "%llu.1", (unsigned long long)seq);
    seq =
        audit_kit_own(k, "model.trained", "/agents/tester", id, "", "e-1", 1, "{\"model\": \"x\"}");
    audit_kit_found(k, "emission", seq);
}

static void
test_audit_timer_that_is_early_or_was_never_set_is_found(void **state)
{
    (void)state;
    for (int set = 0; set < 2; set++) {
        audit_kit *k = begin();
        uint64_t seq = audit_kit_any(k);
        msg_timer timer = {.owner = RT_STR("tester"),
                           .key = RT_STR("t"),
                           .due_ms = k->now_ms + 1000,
                           .subject = RT_STR("a/1")};

        k->decision.timers = (rt_msg_list){&timer, (uint32_t)set};
        (void)audit_kit_decide(k, seq);
        k->now_ms += 999;
        seq = audit_kit_own(k, "timer.fired", "/brain/timers", "1", "a/1", "", 0,
                            "{\"owner\": \"tester\", \"key\": \"t\"}");
        audit_kit_found(k, "timer", seq);
    }
}

// --- decisions --------------------------------------------------------------------------------

static void
test_audit_second_decision_is_found(void **state)
{
    audit_kit *k = begin();
    uint64_t seq = audit_kit_any(k);

    (void)state;
    (void)audit_kit_decide(k, seq);
    (void)audit_kit_decide(k, seq);
    audit_kit_run(k);
    CHECK_U64(audit_violation_count(k->audit), 2);
    CHECK_CSTR(audit_violation_at(k->audit, 0)->rule, "decision-second");
    CHECK_CSTR(audit_violation_at(k->audit, 1)->rule, "decision-order");
    CHECK_U64(audit_violation_at(k->audit, 0)->seq, 5);
    audit_kit_free(k);
}

static void
test_audit_decision_on_another_event_is_found(void **state)
{
    audit_kit *k = begin();

    (void)state;
    (void)audit_kit_decide_on(k, audit_kit_any(k), "e-1", "parcel/2");
    audit_kit_found(k, "decision", k->last_seq);
}

static void
test_audit_decision_by_other_playbooks_is_found(void **state)
{
    audit_kit *k = begin();
    uint64_t seq = audit_kit_any(k);

    (void)state;
    k->playbooks = 2;
    (void)audit_kit_decide(k, seq);
    audit_kit_found(k, "playbooks", k->last_seq);
}

static void
test_audit_playbooks_that_go_live_too_early_are_found(void **state)
{
    audit_kit *k = begin();
    uint64_t seq = audit_kit_any(k);
    uint64_t at = audit_kit_playbooks(k, 2);

    (void)state;
    k->playbooks = 1;
    (void)audit_kit_decide(k, seq);
    audit_kit_found(k, "playbooks", at);
}

static void
test_audit_decision_of_another_tenant_is_found(void **state)
{
    audit_kit *k = begin();
    uint64_t seq = audit_kit_any(k);

    (void)state;
    k->decision.tenant = 2;
    (void)audit_kit_decide(k, seq);
    audit_kit_found(k, "tenant", k->last_seq);
}

static void
test_audit_winner_that_was_vetoed_is_found(void **state)
{
    audit_kit *k = begin();
    uint64_t seq = audit_kit_any(k);
    msg_candidate *veto = NULL;

    (void)state;
    (void)audit_kit_propose(k, "move", "parcel/1", NULL);
    veto = audit_kit_propose(k, "*", "parcel/1", NULL);
    veto->proposal.veto = true;
    veto->action_id = RT_STR("");
    (void)audit_kit_decide(k, seq);
    (void)audit_kit_end_action(k, seq, 0, "move", "parcel/1", "executed", 1);
    audit_kit_found(k, "verdict", k->last_seq - 1);
}

static void
test_audit_loser_against_nobody_is_found(void **state)
{
    audit_kit *k = begin();
    uint64_t seq = audit_kit_any(k);

    (void)state;
    (void)audit_kit_propose(k, "move", "parcel/2", NULL);
    audit_kit_verdict(audit_kit_propose(k, "move", "parcel/1", NULL), "lost", "to somebody");
    (void)audit_kit_decide(k, seq);
    (void)audit_kit_end_action(k, seq, 0, "move", "parcel/2", "executed", 1);
    audit_kit_found(k, "verdict", k->last_seq - 1);
}

static void
test_audit_wrong_score_is_found(void **state)
{
    audit_kit *k = begin();
    uint64_t seq = audit_kit_any(k);
    msg_candidate *c = audit_kit_propose(k, "move", "parcel/1", NULL);

    (void)state;
    audit_kit_verdict(c, "refused", "budget");
    c->score = 26;
    (void)audit_kit_decide(k, seq);
    audit_kit_found(k, "score", k->last_seq);
}

static void
test_audit_refusal_without_a_reason_is_found(void **state)
{
    audit_kit *k = begin();
    uint64_t seq = audit_kit_any(k);

    (void)state;
    audit_kit_verdict(audit_kit_propose(k, "move", "parcel/1", NULL), "refused", "");
    (void)audit_kit_decide(k, seq);
    audit_kit_found(k, "verdict", k->last_seq);
}

static void
test_audit_refusal_for_an_action_that_ended_is_found(void **state)
{
    (void)state;
    for (int ended = 0; ended < 2; ended++) {
        audit_kit *k = begin();
        uint64_t first = audit_kit_any(k);
        uint64_t second = 0;
        uint64_t refused = 0;
        char why[64];

        (void)audit_kit_propose(k, "move", "parcel/1", NULL);
        (void)audit_kit_decide(k, first);
        if (ended != 0) {
            (void)audit_kit_end_action(k, first, 0, "move", "parcel/1", "executed", 1);
        }
        second = audit_kit_any(k);
        (void)snprintf(why, sizeof(why), AUDIT_KIT_INSTANCE "-%llu-0 is in flight on parcel/1",
                       (unsigned long long)first);
        audit_kit_verdict(audit_kit_propose(k, "move", "parcel/1", NULL), "refused", why);
        refused = audit_kit_decide(k, second);
        if (ended != 0) {
            audit_kit_found(k, "verdict", refused);
        } else {
            (void)audit_kit_end_action(k, first, 0, "move", "parcel/1", "executed", 1);
            audit_kit_fine(k);
        }
    }
}

// An event of tenant 2, taken when something was known of its subject that tenant 1 had named.
static void
test_audit_memory_of_another_tenant_is_found(void **state)
{
    (void)state;
    for (uint16_t tenant = 1; tenant <= 2; tenant++) {
        audit_kit *k = begin();
        rt_event event;
        rt_mpw context;
        uint64_t seq = audit_kit_any(k);

        (void)audit_kit_decide(k, seq);
        rt_mpw_init(&context, 64);
        CHECK_OK(rt_json_to_mp(RT_STR("{\"memory\": {\"events\": 1}}"), &context));
        pack_kit_event(k->pack,
                       "{\"id\": \"e-2\", \"source\": \"/shop\", \"type\": \"thing.happened\", "
                       "\"subject\": \"parcel/1\", \"data\": {}}",
                       &k->wire, &event);
        event.context = rt_mpw_view(&context);
        k->tenant = tenant;
        seq = audit_kit_write(k, &event, true);
        (void)audit_kit_decide_on(k, seq, "e-2", "parcel/1");
        if (tenant == 1) {
            audit_kit_fine(k);
        } else {
            audit_kit_found(k, "tenant", seq);
        }
        rt_mpw_fini(&context);
    }
}

// --- actions ----------------------------------------------------------------------------------

// A journal whose last action must not have been admitted.
static void
check_admitted(audit_kit *k, const char *action, const char *target, const char *json,
               const char *rule)
{
    (void)audit_kit_act(k, action, target, json);
    audit_kit_found(k, rule, k->last_seq - 1);
}

static void
test_audit_action_outside_the_pack_or_its_schema_is_found(void **state)
{
    (void)state;
    check_admitted(begin(), "call", "parcel/1", TEXT, "action");
    check_admitted(begin(), "call", "customer/1", "{\"text\": 5}", "action");
    check_admitted(begin(), "call", "customer/1", NULL, "action");
    check_admitted(begin(), "move", "parcel/1", "{\"from\": \"x\"}", "action");
}

static void
test_audit_action_id_that_is_not_its_own_is_found(void **state)
{
    audit_kit *k = begin();
    uint64_t seq = audit_kit_any(k);

    (void)state;
    audit_kit_propose(k, "free", "a/1", NULL)->action_id = RT_STR("abcd1234-9-0");
    (void)audit_kit_decide(k, seq);
    audit_kit_run(k);
    CHECK_CSTR(audit_violation_at(k->audit, 0)->rule, "action-id");
    audit_kit_free(k);
}

static void
test_audit_cooldown_is_found(void **state)
{
    audit_kit *k = begin();

    (void)state;
    (void)audit_kit_act(k, "call", "customer/1", TEXT);
    k->now_ms += 2 * HOUR_MS - 1;
    check_admitted(k, "call", "customer/1", TEXT, "cooldown");
}

static void
test_audit_budget_of_a_targets_day_is_found(void **state)
{
    audit_kit *k = audit_kit_new(ALL);

    (void)state;
    k->now_ms += 3 * HOUR_MS; // 15:00; at 20:00 it is tomorrow in UTC
    audit_kit_begin(k);
    for (int i = 0; i < 2; i++) {
        (void)audit_kit_act(k, "call", "customer/1", TEXT);
        k->now_ms += 2 * HOUR_MS + HOUR_MS / 2;
    }
    (void)audit_kit_act(k, "call", "customer/2", TEXT);
    check_admitted(k, "call", "customer/1", TEXT, "budget-target-day");
}

static void
test_audit_budget_of_a_tenants_hour_is_found(void **state)
{
    audit_kit *k = begin();

    (void)state;
    for (int i = 0; i < 3; i++) {
        (void)audit_kit_act(k, "note", "a/1", NULL);
    }
    k->tenant = 2;
    (void)audit_kit_act(k, "note", "a/1", NULL);
    k->tenant = 1;
    k->now_ms += HOUR_MS - 1;
    check_admitted(k, "note", "a/2", NULL, "budget-tenant-hour");
}

static void
test_audit_ceiling_of_a_minute_is_found(void **state)
{
    audit_kit *k = begin();

    (void)state;
    for (int i = 0; i < AUDIT_KIT_PER_MINUTE; i++) {
        (void)audit_kit_act(k, "free", "a/1", NULL);
    }
    k->now_ms += MINUTE_MS - 1;
    check_admitted(k, "free", "a/1", NULL, "budget-minute");
}

static void
test_audit_quiet_hours_are_found_in_local_time(void **state)
{
    audit_kit *k = begin();

    (void)state;
    k->now_ms += 9 * HOUR_MS - 1; // 21:00 but for a moment
    (void)audit_kit_act(k, "call", "customer/1", TEXT);
    k->now_ms++;
    (void)audit_kit_act(k, "free", "a/1", NULL); // reaches nobody
    check_admitted(k, "call", "customer/2", TEXT, "quiet-hours");
}

static void
test_audit_breaker_is_found(void **state)
{
    audit_kit *k = begin();

    (void)state;
    for (int i = 0; i < 20; i++) {
        uint64_t seq = audit_kit_any(k);

        (void)audit_kit_propose(k, "hook", "a/1", NULL);
        (void)audit_kit_decide(k, seq);
        (void)audit_kit_end_action(k, seq, 0, "hook", "a/1", i % 2 == 0 ? "failed" : "executed", 3);
        k->now_ms += MINUTE_MS;
    }
    k->now_ms -= 1;
    check_admitted(k, "hook", "a/1", NULL, "breaker");
}

static void
test_audit_throttle_is_found(void **state)
{
    audit_kit *k = begin();

    (void)state;
    for (int i = 0; i < 2; i++) {
        uint64_t seq = audit_kit_any(k);
        msg_consulted consulted = {.playbook = RT_STR("calm"),
                                   .version = 1,
                                   .verdict = RT_STR("fired"),
                                   .throttle_key = RT_STR("parcel/1")};

        k->decision.consulted = (rt_msg_list){&consulted, 1};
        (void)audit_kit_propose(k, "free", "a/1", NULL);
        (void)audit_kit_decide(k, seq);
        (void)audit_kit_end_action(k, seq, 0, "free", "a/1", "executed", 1);
        k->now_ms += 6 * HOUR_MS - 1;
    }
    audit_kit_found(k, "throttle", k->last_seq - 1);
}

static void
test_audit_two_in_flight_on_one_target_are_found(void **state)
{
    audit_kit *k = begin();
    uint64_t first = audit_kit_any(k);
    uint64_t second = 0;

    (void)state;
    (void)audit_kit_propose(k, "move", "parcel/1", NULL);
    (void)audit_kit_decide(k, first);
    second = audit_kit_any(k);
    (void)audit_kit_propose(k, "move", "parcel/2", NULL);
    (void)audit_kit_propose(k, "move", "parcel/1", NULL);
    (void)audit_kit_decide(k, second);
    (void)audit_kit_end_action(k, first, 0, "move", "parcel/1", "executed", 1);
    (void)audit_kit_end_action(k, second, 0, "move", "parcel/2", "executed", 1);
    (void)audit_kit_end_action(k, second, 1, "move", "parcel/1", "executed", 1);
    audit_kit_found(k, "two-in-flight", second + 1);
}

static void
halt(audit_kit *k)
{
    (void)audit_kit_own(k, "system.halted", "/brain/control", "h/1", "", "", 0,
                        "{\"by\": \"uid:0\"}");
}

static void
test_audit_admission_while_halted_is_found(void **state)
{
    audit_kit *k = begin();
    uint64_t seq = 0;

    (void)state;
    halt(k);
    seq = audit_kit_any(k);
    (void)audit_kit_propose(k, "free", "a/1", NULL);
    (void)audit_kit_decide(k, seq);
    (void)audit_kit_end_action(k, seq, 0, "free", "a/1", "cancelled", 0);
    audit_kit_found(k, "halted", k->last_seq - 1);
}

static void
test_audit_execution_while_halted_is_found(void **state)
{
    audit_kit *k = begin();
    uint64_t seq = audit_kit_any(k);

    (void)state;
    (void)audit_kit_propose(k, "free", "a/1", NULL);
    (void)audit_kit_decide(k, seq);
    halt(k);
    (void)audit_kit_end_action(k, seq, 0, "free", "a/1", "executed", 1);
    audit_kit_found(k, "halted", k->last_seq);
}

// --- outcomes ---------------------------------------------------------------------------------

static void
test_audit_action_without_an_outcome_is_found(void **state)
{
    audit_kit *k = begin();
    uint64_t seq = audit_kit_any(k);

    (void)state;
    (void)audit_kit_propose(k, "free", "a/1", NULL);
    (void)audit_kit_decide(k, seq);
    audit_kit_found(k, "outcome-missing", k->last_seq);
}

static void
test_audit_second_outcome_is_found(void **state)
{
    audit_kit *k = begin();
    uint64_t seq = audit_kit_act(k, "free", "a/1", NULL);

    (void)state;
    seq = audit_kit_end_action(k, seq, 0, "free", "a/1", "executed", 1);
    audit_kit_found(k, "outcome-second", seq);
}

static void
test_audit_outcome_of_nothing_is_found(void **state)
{
    audit_kit *k = begin();
    uint64_t seq = audit_kit_any(k);

    (void)state;
    (void)audit_kit_decide(k, seq);
    seq = audit_kit_end_action(k, seq, 0, "free", "a/1", "executed", 1);
    audit_kit_found(k, "outcome-without-intent", seq);
}

// One action with an outcome that is wrong in some way.
static void
check_outcome(uint16_t tenant, const char *action, const char *target, const char *status,
              unsigned attempts, const char *rule)
{
    audit_kit *k = begin();
    uint64_t seq = audit_kit_any(k);

    (void)audit_kit_propose(k, "hook", "a/1", NULL);
    (void)audit_kit_decide(k, seq);
    k->tenant = tenant;
    (void)audit_kit_end_action(k, seq, 0, action, target, status, attempts);
    audit_kit_found(k, rule, k->last_seq);
}

static void
test_audit_outcome_that_is_not_its_actions_is_found(void **state)
{
    (void)state;
    check_outcome(2, "hook", "a/1", "executed", 1, "tenant");
    check_outcome(1, "free", "a/1", "executed", 1, "outcome");
    check_outcome(1, "hook", "a/2", "executed", 1, "outcome");
    check_outcome(1, "hook", "a/1", "executed", 4, "attempts");
    check_outcome(1, "hook", "a/1", "executed", 0, "attempts");
    check_outcome(1, "hook", "a/1", "unknown", 1, "outcome"); // without a restart
}

static void
test_audit_interrupted_webhook_that_is_known_is_found(void **state)
{
    (void)state;
    for (int known = 0; known < 2; known++) {
        audit_kit *k = begin();
        uint64_t seq = audit_kit_any(k);

        (void)audit_kit_propose(k, "hook", "a/1", NULL);
        (void)audit_kit_decide(k, seq);
        (void)audit_kit_start(k);
        (void)audit_kit_end_action(k, seq, 0, "hook", "a/1", known ? "executed" : "unknown", 1);
        if (known != 0) {
            audit_kit_found(k, "outcome", k->last_seq);
        } else {
            audit_kit_fine(k);
        }
    }
}

static void
test_audit_emitting_action_without_its_event_is_found(void **state)
{
    (void)state;
    for (int emitted = 0; emitted < 2; emitted++) {
        audit_kit *k = begin();
        uint64_t seq = audit_kit_any(k);
        char id[32];

        (void)audit_kit_propose(k, "reset", "model/x", "{\"model\": \"x\"}");
        (void)audit_kit_decide(k, seq);
        (void)snprintf(id, sizeof(id), "abcd1234-%llu-0", (unsigned long long)seq);
        if (emitted != 0) {
            (void)audit_kit_own(k, "model.reset", "/brain/actions", id, "model/x", id, 1,
                                "{\"model\": \"x\"}");
        }
        (void)audit_kit_end_action(k, seq, 0, "reset", "model/x", "executed", 1);
        if (emitted != 0) {
            audit_kit_fine(k);
        } else {
            audit_kit_found(k, "emission", k->last_seq);
        }
    }
}

// --- dead letters -----------------------------------------------------------------------------

static uint64_t
fail_on(audit_kit *k, uint64_t seq, const char *rest)
{
    char json[256];
    char ref[64];

    (void)snprintf(ref, sizeof(ref), "tester/%llu", (unsigned long long)seq);
    (void)snprintf(json, sizeof(json), "{\"owner\": \"tester\", \"ref\": \"%s\"%s}", ref, rest);
    return audit_kit_own(k, "message.dead_lettered", "/brain/agents", ref, "", "", 0, json);
}

static void
test_audit_dead_letter_without_cause_or_tries_is_found(void **state)
{
    audit_kit *k = begin();
    uint64_t seq = audit_kit_any(k);

    (void)state;
    seq = fail_on(k, seq, ", \"attempts\": 3");
    (void)audit_kit_decide(k, seq - 1);
    audit_kit_found(k, "dead-letter", seq);

    k = begin();
    seq = fail_on(k, audit_kit_any(k), ", \"cause\": \"RT_ERANGE\"");
    (void)audit_kit_decide(k, seq - 1);
    audit_kit_found(k, "dead-letter", seq);
}

static void
test_audit_record_processed_and_dead_lettered_is_found(void **state)
{
    audit_kit *k = begin();
    uint64_t seq = audit_kit_any(k);

    (void)state;
    (void)fail_on(k, seq, ", \"cause\": \"RT_ERANGE\", \"attempts\": 3");
    audit_kit_verdict(audit_kit_propose(k, "free", "a/1", NULL), "refused", "budget");
    (void)audit_kit_decide(k, seq);
    audit_kit_found(k, "dead-letter", k->last_seq);
}

static void
test_audit_retry_of_nothing_is_found(void **state)
{
    audit_kit *k = begin();
    uint64_t seq = audit_kit_own(k, "dead_letter.resolved", "/brain/control", "r/1", "", "", 0,
                                 "{\"ref\": \"abcd1234-3-0\", \"how\": \"retry\"}");

    (void)state;
    audit_kit_found(k, "dead-letter", seq);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_audit_whole_day_is_fine_and_counted),
        cmocka_unit_test(test_audit_undrained_journal_is_fine_unless_it_should_be),
        cmocka_unit_test(test_audit_event_sent_again_after_the_window_is_another),
        cmocka_unit_test(test_audit_retried_dead_letter_has_a_second_outcome),
        cmocka_unit_test(test_audit_event_twice_is_found),
        cmocka_unit_test(test_audit_number_of_a_producer_that_falls_is_found),
        cmocka_unit_test(test_audit_producer_posing_as_the_brain_is_found),
        cmocka_unit_test(test_audit_event_beyond_the_causal_depth_is_found),
        cmocka_unit_test(test_audit_event_from_nowhere_is_found),
        cmocka_unit_test(test_audit_timer_that_is_early_or_was_never_set_is_found),
        cmocka_unit_test(test_audit_second_decision_is_found),
        cmocka_unit_test(test_audit_decision_on_another_event_is_found),
        cmocka_unit_test(test_audit_decision_by_other_playbooks_is_found),
        cmocka_unit_test(test_audit_playbooks_that_go_live_too_early_are_found),
        cmocka_unit_test(test_audit_decision_of_another_tenant_is_found),
        cmocka_unit_test(test_audit_winner_that_was_vetoed_is_found),
        cmocka_unit_test(test_audit_loser_against_nobody_is_found),
        cmocka_unit_test(test_audit_wrong_score_is_found),
        cmocka_unit_test(test_audit_refusal_without_a_reason_is_found),
        cmocka_unit_test(test_audit_refusal_for_an_action_that_ended_is_found),
        cmocka_unit_test(test_audit_memory_of_another_tenant_is_found),
        cmocka_unit_test(test_audit_action_outside_the_pack_or_its_schema_is_found),
        cmocka_unit_test(test_audit_action_id_that_is_not_its_own_is_found),
        cmocka_unit_test(test_audit_cooldown_is_found),
        cmocka_unit_test(test_audit_budget_of_a_targets_day_is_found),
        cmocka_unit_test(test_audit_budget_of_a_tenants_hour_is_found),
        cmocka_unit_test(test_audit_ceiling_of_a_minute_is_found),
        cmocka_unit_test(test_audit_quiet_hours_are_found_in_local_time),
        cmocka_unit_test(test_audit_breaker_is_found),
        cmocka_unit_test(test_audit_throttle_is_found),
        cmocka_unit_test(test_audit_two_in_flight_on_one_target_are_found),
        cmocka_unit_test(test_audit_admission_while_halted_is_found),
        cmocka_unit_test(test_audit_execution_while_halted_is_found),
        cmocka_unit_test(test_audit_action_without_an_outcome_is_found),
        cmocka_unit_test(test_audit_second_outcome_is_found),
        cmocka_unit_test(test_audit_outcome_of_nothing_is_found),
        cmocka_unit_test(test_audit_outcome_that_is_not_its_actions_is_found),
        cmocka_unit_test(test_audit_interrupted_webhook_that_is_known_is_found),
        cmocka_unit_test(test_audit_emitting_action_without_its_event_is_found),
        cmocka_unit_test(test_audit_dead_letter_without_cause_or_tries_is_found),
        cmocka_unit_test(test_audit_record_processed_and_dead_lettered_is_found),
        cmocka_unit_test(test_audit_retry_of_nothing_is_found),
    };

    return CHECK_RUN(tests);
}
