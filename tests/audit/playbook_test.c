// What playbooks may do: hours, budgets, approvals, patterns; each broken once.
#include "tests/harness/audit_kit.h"

#define HOUR_MS AUDIT_KIT_HOUR_MS
#define DAY_MS AUDIT_KIT_DAY_MS // noon is that of Friday 4 October 2024

static audit_kit *
begin(void)
{
    audit_kit *k = audit_kit_new(AUDIT_DRAINED | AUDIT_WHOLE);

    audit_kit_begin(k);
    return k;
}

// A playbook's action on `a/1` in the decision on an event; the decision's record.
static uint64_t
act(audit_kit *k, const char *playbook, uint64_t event_seq, const char *id, const char *type)
{
    char agent[64];
    uint64_t seq;
    msg_consulted consulted = {
        .playbook = rt_str_of(playbook), .version = 1, .verdict = RT_STR("fired")};
    msg_candidate *c = audit_kit_propose(k, "free", "a/1", NULL);

    (void)snprintf(agent, sizeof(agent), "playbook:%s", playbook);
    c->proposal.agent = rt_str_of(agent);
    k->decision.consulted = (rt_msg_list){&consulted, 1};
    k->decision.event_type = rt_str_of(type);
    seq = audit_kit_decide_on(k, event_seq, id, "parcel/1");
    (void)audit_kit_end_action(k, event_seq, 0, "free", "a/1", "executed", 1);
    return seq;
}

static uint64_t
act_now(audit_kit *k, const char *playbook)
{
    char id[32];
    uint64_t seq = audit_kit_any(k);

    (void)snprintf(id, sizeof(id), "e-%llu", (unsigned long long)k->next_id);
    return act(k, playbook, seq, id, "thing.happened");
}

static void
test_playbook_within_its_hours_is_fine(void **state)
{
    audit_kit *k = begin();

    (void)state;
    k->now_ms += 5 * HOUR_MS - 1; // a millisecond before it closes
    (void)act_now(k, "open");
    audit_kit_fine(k);
}

static void
test_playbook_after_hours_is_found(void **state)
{
    audit_kit *k = begin();

    (void)state;
    k->now_ms += 5 * HOUR_MS;
    audit_kit_found(k, "playbook-hours", act_now(k, "open"));
}

static void
test_playbook_on_a_weekend_is_found(void **state)
{
    audit_kit *k = begin();

    (void)state;
    k->now_ms += DAY_MS;
    audit_kit_found(k, "playbook-hours", act_now(k, "open"));
}

static void
test_playbook_on_a_holiday_is_found(void **state)
{
    audit_kit *k = begin();

    (void)state;
    k->now_ms += 10 * DAY_MS; // Monday 14 October: that of the 12th
    audit_kit_found(k, "playbook-hours", act_now(k, "open"));
}

static void
test_playbook_above_its_budget_is_found(void **state)
{
    audit_kit *k = begin();

    (void)state;
    k->now_ms += 3 * DAY_MS;
    (void)act_now(k, "open");
    k->now_ms += HOUR_MS;
    (void)act_now(k, "open");
    k->now_ms += 23 * HOUR_MS - 1; // the first is a millisecond short of a day ago
    audit_kit_found(k, "playbook-budget", act_now(k, "open"));
}

static void
test_playbook_within_its_budget_is_fine(void **state)
{
    audit_kit *k = begin();

    (void)state;
    k->now_ms += 3 * DAY_MS;
    (void)act_now(k, "open");
    k->now_ms += HOUR_MS;
    (void)act_now(k, "open");
    k->now_ms += 23 * HOUR_MS;
    (void)act_now(k, "open");
    audit_kit_fine(k);
}

static void
roll_back(audit_kit *k)
{
    (void)audit_kit_own(k, "playbook.rolled_back", "/brain/test", "g/1", "parcel/1", "",
                        0,
                        "{\"playbook\": \"open\", \"mode\": \"shadow\", \"guardrail\": \"errors\", "
                        "\"bad\": 5, \"of\": 13}");
}

static void
test_playbook_that_was_rolled_back_and_acts_is_found(void **state)
{
    audit_kit *k = begin();

    (void)state;
    roll_back(k);
    audit_kit_found(k, "playbook-guard", act_now(k, "open"));
}

static void
test_playbook_that_an_operator_sets_anew_may_act(void **state)
{
    audit_kit *k = begin();

    (void)state;
    roll_back(k);
    (void)audit_kit_own(k, "playbook.mode_set", "/brain/control", "m/1", "parcel/1", "", 0,
                        "{\"playbook\": \"open\", \"mode\": \"canary\", \"by\": \"uid:0\"}");
    (void)act_now(k, "open");
    audit_kit_fine(k);
}

static void
request(audit_kit *k, const char *actions)
{
    char json[256];

    (void)snprintf(json, sizeof(json),
                   "{\"playbook\": \"asks\", \"key\": \"1\", \"actions\": \"%s\"}", actions);
    (void)audit_kit_own(k, "approval.requested", "/brain/test", "r/1", "parcel/1", "", 0, json);
}

// An answer, and what the playbook does then: nothing, or its action.
static uint64_t
answer(audit_kit *k, const char *id, const char *verdict, const char *by, bool acts)
{
    char json[512];
    rt_event event;
    uint64_t seq;

    (void)snprintf(json, sizeof(json),
                   "{\"id\": \"%s\", \"source\": \"/brain/control\", \"type\": "
                   "\"approval.decided\", \"subject\": \"parcel/1\", \"data\": {\"playbook\": "
                   "\"asks\", \"key\": \"1\", \"verdict\": \"%s\", \"by\": \"%s\"}}",
                   id, verdict, by);
    pack_kit_event(k->pack, json, &k->wire, &event);
    event.internal = true;
    seq = audit_kit_write(k, &event, true);
    if (acts) {
        return act(k, "asks", seq, id, "approval.decided");
    }
    msg_consulted consulted = {
        .playbook = RT_STR("asks"), .version = 1, .verdict = RT_STR("matched")};
    k->decision.consulted = (rt_msg_list){&consulted, 1};
    k->decision.event_type = RT_STR("approval.decided");
    return audit_kit_decide_on(k, seq, id, "parcel/1");
}

static void
test_action_that_was_agreed_to_is_fine(void **state)
{
    audit_kit *k = begin();

    (void)state;
    request(k, "free a/1");
    (void)answer(k, "d/1", "granted", "uid:1", false);
    (void)answer(k, "d/2", "granted", "uid:2", true);
    audit_kit_fine(k);
}

static void
test_action_without_a_request_is_found(void **state)
{
    audit_kit *k = begin();

    (void)state;
    audit_kit_found(k, "approval", act_now(k, "asks"));
}

static void
test_action_that_too_few_agreed_to_is_found(void **state)
{
    audit_kit *k = begin();

    (void)state;
    request(k, "free a/1");
    (void)answer(k, "d/1", "granted", "uid:1", false);
    audit_kit_found(k, "approval", answer(k, "d/2", "granted", "uid:1", true)); // himself again
}

static void
test_action_that_was_denied_is_found(void **state)
{
    audit_kit *k = begin();

    (void)state;
    request(k, "free a/1");
    (void)answer(k, "d/1", "granted", "uid:1", false);
    audit_kit_found(k, "approval", answer(k, "d/2", "denied", "uid:2", true));
}

static void
test_action_other_than_agreed_to_is_found(void **state)
{
    audit_kit *k = begin();

    (void)state;
    request(k, "free a/2");
    (void)answer(k, "d/1", "granted", "uid:1", false);
    audit_kit_found(k, "approval", answer(k, "d/2", "granted", "uid:2", true));
}

static void
match(audit_kit *k)
{
    uint64_t seq = audit_kit_any(k);
    msg_consulted consulted = {
        .playbook = RT_STR("pair"), .version = 1, .verdict = RT_STR("matched")};

    k->decision.consulted = (rt_msg_list){&consulted, 1};
    (void)audit_kit_decide(k, seq);
}

static void
test_pattern_that_is_complete_too_often_is_found(void **state)
{
    audit_kit *k = begin();

    (void)state;
    match(k);
    (void)act_now(k, "pair");
    audit_kit_found(k, "pattern", act_now(k, "pair"));
}

static void
test_pattern_with_its_events_is_fine(void **state)
{
    audit_kit *k = begin();

    (void)state;
    match(k);
    (void)act_now(k, "pair");
    match(k);
    (void)act_now(k, "pair");
    audit_kit_fine(k);
}

// A decision that says that what a playbook's throttle waited for has come.
static uint64_t
end_throttle(audit_kit *k, const char *playbook)
{
    static uint8_t value[] = {0x93, 0x01, 0x01, 0x02};
    msg_write write = {.what = RT_STR("resolved"),
                       .playbook = rt_str_of(playbook),
                       .key = RT_STR("parcel/1"),
                       .value = {value, sizeof(value)}};
    uint64_t seq = audit_kit_any(k);

    k->decision.writes = (rt_msg_list){&write, 1};
    return audit_kit_decide(k, seq);
}

static void
act_throttled(audit_kit *k, const char *playbook)
{
    msg_consulted consulted = {.playbook = rt_str_of(playbook),
                               .version = 1,
                               .verdict = RT_STR("fired"),
                               .throttle_key = RT_STR("parcel/1")};
    uint64_t seq = audit_kit_any(k);

    k->decision.consulted = (rt_msg_list){&consulted, 1};
    (void)audit_kit_propose(k, "free", "a/1", NULL);
    (void)audit_kit_decide(k, seq);
    (void)audit_kit_end_action(k, seq, 0, "free", "a/1", "executed", 1);
    k->now_ms += HOUR_MS;
}

static void
test_playbook_throttle_that_ended_early_is_fine(void **state)
{
    audit_kit *k = begin();

    (void)state;
    act_throttled(k, "until");
    (void)end_throttle(k, "until");
    act_throttled(k, "until");
    audit_kit_fine(k);
}

static void
test_playbook_throttle_ended_by_nothing_it_waits_for_is_found(void **state)
{
    audit_kit *k = begin();

    (void)state;
    act_throttled(k, "calm");
    audit_kit_found(k, "throttle", end_throttle(k, "calm"));
}

static void
test_playbook_that_collected_too_few_is_found(void **state)
{
    audit_kit *k = begin();

    (void)state;
    audit_kit_found(k, "pattern", act_now(k, "collects"));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_playbook_throttle_that_ended_early_is_fine),
        cmocka_unit_test(test_playbook_throttle_ended_by_nothing_it_waits_for_is_found),
        cmocka_unit_test(test_playbook_that_collected_too_few_is_found),
        cmocka_unit_test(test_playbook_within_its_hours_is_fine),
        cmocka_unit_test(test_playbook_after_hours_is_found),
        cmocka_unit_test(test_playbook_on_a_weekend_is_found),
        cmocka_unit_test(test_playbook_on_a_holiday_is_found),
        cmocka_unit_test(test_playbook_above_its_budget_is_found),
        cmocka_unit_test(test_playbook_that_was_rolled_back_and_acts_is_found),
        cmocka_unit_test(test_playbook_that_an_operator_sets_anew_may_act),
        cmocka_unit_test(test_playbook_within_its_budget_is_fine),
        cmocka_unit_test(test_action_that_was_agreed_to_is_fine),
        cmocka_unit_test(test_action_without_a_request_is_found),
        cmocka_unit_test(test_action_that_too_few_agreed_to_is_found),
        cmocka_unit_test(test_action_that_was_denied_is_found),
        cmocka_unit_test(test_action_other_than_agreed_to_is_found),
        cmocka_unit_test(test_pattern_that_is_complete_too_often_is_found),
        cmocka_unit_test(test_pattern_with_its_events_is_fine),
    };
    return CHECK_RUN(tests);
}
