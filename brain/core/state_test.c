// The state as a fold: what each record does to it, and that live, reopened and replayed are one.
#include "brain/core/state.h"

#include "brain/memory/tables.h"
#include "runtime/base/rng.h"
#include "tests/harness/state_kit.h"
#include "tests/harness/store_kit.h"

#define RECORDS_MAX 30000

typedef struct fixture {
    br_pack *pack;
    store_kit kit;
    br_state *state;
    rt_mpw wire;
    rt_mpw data;
    br_situation *situation;
    rt_event event;
    uint64_t seq;
    int64_t now_ms;
    rt_mpw payloads[RECORDS_MAX]; // every record made so far
    rt_record records[RECORDS_MAX];
    size_t record_count;
} fixture;

static int
setup(void **state)
{
    fixture *f = rt_new(fixture);

    f->pack = pack_kit_real();
    store_kit_new(&f->kit);
    f->state = state_kit_open(f->kit.store, f->pack);
    f->situation = rt_new(br_situation);
    rt_mpw_init(&f->wire, 65536);
    rt_mpw_init(&f->data, 65536);
    f->now_ms = STATE_KIT_NOON_MS;
    *state = f;
    return 0;
}

static int
teardown(void **state)
{
    fixture *f = *state;

    for (size_t i = 0; i < f->record_count; i++) {
        rt_mpw_fini(&f->payloads[i]);
    }
    rt_mpw_fini(&f->wire);
    rt_mpw_fini(&f->data);
    rt_free(f->situation);
    br_state_free(f->state);
    store_kit_close(&f->kit);
    br_pack_free(f->pack);
    rt_free(f);
    return 0;
}

// Begins the next record; its payload is written before it is folded.
static rt_mpw *
begin(fixture *f, rt_record_kind kind)
{
    size_t i = f->record_count++;

    CHECK_TRUE(i < RECORDS_MAX);
    rt_mpw_init(&f->payloads[i], 1 << 20);
    f->records[i] = (rt_record){.seq = ++f->seq, .at_ms = f->now_ms, .kind = kind};
    return &f->payloads[i];
}

static const rt_record *
end(fixture *f)
{
    rt_record *record = &f->records[f->record_count - 1];

    record->payload = rt_mpw_view(&f->payloads[f->record_count - 1]);
    CHECK_FALSE(f->payloads[f->record_count - 1].failed);
    return record;
}

// What is read back of a record is folded, as after a crash.
static void
fold(br_state *state, const br_pack *pack, const rt_record *record, br_situation *situation)
{
    rt_event event;
    msg_decision decision;
    br_playbooks *set = NULL;
    rt_arena *arena = rt_arena_new(4 << 20);
    rt_diag *diag = rt_diag_new();
    rt_mp mp = rt_mp_init(record->payload);

    if (record->kind == RT_RECORD_EVENT) {
        CHECK_OK(rt_event_decode_record(br_pack_catalog(pack), record->seq, record->at_ms,
                                        record->payload, &event));
        br_state_situate(state, &event, event.at_ms, situation);
        br_state_apply_event(state, &event, situation);
    } else if (record->kind == RT_RECORD_DECISION) {
        CHECK_OK(rt_msg_decode(&msg_decision_def, &mp, arena, &decision));
        br_state_apply_decision(state, record, &decision);
    } else if (record->kind == RT_RECORD_PLAYBOOKS) {
        CHECK_OK(br_state_decode_playbooks(pack, record->payload, diag, &set));
        br_state_apply_playbooks(state, record, set);
    } else if (record->kind == RT_RECORD_START) {
        br_state_apply_start(state, record);
    } else {
        br_state_apply_reject(state, record);
    }
    rt_arena_free(arena);
    rt_diag_free(diag);
}

// Takes an event of the wire: situation, record, fold.
static uint64_t
take(fixture *f, bool internal, const char *type, const char *subject, const char *data)
{
    char json[2048];
    rt_mpw context;

    (void)snprintf(json, sizeof(json),
                   "{\"id\":\"%llu\",\"source\":\"/s\",\"type\":\"%s\",\"subject\":\"%s\","
                   "\"data\":%s}",
                   (unsigned long long)f->seq, type, subject, data);
    pack_kit_event(f->pack, json, &f->wire, &f->event);
    rt_mpw *w = begin(f, RT_RECORD_EVENT);
    f->event.seq = f->seq;
    f->event.at_ms = f->now_ms;
    f->event.time_ms = f->now_ms;
    f->event.internal = internal;
    br_state_situate(f->state, &f->event, f->now_ms, f->situation);
    rt_mpw_init(&context, 65536);
    br_situation_encode(f->situation, &context);
    f->event.context = rt_mpw_view(&context);
    rt_event_encode(&f->event, w);
    (void)end(f);
    br_state_apply_event(f->state, &f->event, f->situation);
    rt_mpw_fini(&context);
    return f->seq;
}

// Folds the decision on the latest event: one action, perhaps.
static void
decide(fixture *f, uint64_t event_seq, const char *action_id, const char *action,
       const char *target)
{
    static const uint8_t args[] = {0x80};
    msg_candidate candidate = {.verdict = RT_STR("won"), .action_id = rt_str_of(action_id)};
    msg_decision decision = {.event_seq = event_seq,
                             .event_type = RT_STR("delay.detected"),
                             .tenant = PACK_KIT_TENANT.v,
                             .candidates = {&candidate, action != NULL}};

    if (action != NULL) {
        candidate.proposal = (msg_proposal){.agent = RT_STR("a"),
                                            .action = rt_str_of(action),
                                            .target = rt_str_of(target),
                                            .args = {args, sizeof(args)}};
    }
    rt_msg_encode(&msg_decision_def, &decision, begin(f, RT_RECORD_DECISION));
    br_state_apply_decision(f->state, end(f), &decision);
}

static void
end_action(fixture *f, const char *action_id, const char *action, const char *status)
{
    char data[256];

    (void)snprintf(data, sizeof(data),
                   "{\"action_id\":\"%s\",\"action\":\"%s\",\"decision_seq\":1,\"status\":\"%s\","
                   "\"attempts\":3,\"detail\":\"HTTP 500\"}",
                   action_id, action, status);
    (void)take(f, true, "action.executed", "order/1", data);
}

// The hash of a fresh state after all records.
static uint64_t
replayed_hash(const fixture *f)
{
    rt_store *store = rt_store_open_memory();
    br_state *state = state_kit_open(store, f->pack);
    br_situation *situation = rt_new(br_situation);
    uint64_t hash;

    for (size_t i = 0; i < f->record_count; i++) {
        fold(state, f->pack, &f->records[i], situation);
    }
    hash = br_state_hash(state);
    rt_free(situation);
    br_state_free(state);
    rt_store_close(store);
    return hash;
}

// Saves, stops, and starts from what was saved.
static void
reopen(fixture *f)
{
    br_state_settle(f->state);
    uint64_t applied = f->state->applied_seq;
    br_state_free(f->state);
    store_kit_restart(&f->kit, applied);
    f->state = state_kit_open(f->kit.store, f->pack);
    CHECK_U64(f->state->applied_seq, applied);
}

static void
test_state_decision_makes_an_intent_and_counts(void **state)
{
    fixture *f = *state;
    br_intent intent;

    uint64_t seq = take(f, false, "delay.detected", "order/1", "{}");
    decide(f, seq, "x-1-0", "open_case", "order/1");

    CHECK_TRUE(br_outbox_get(f->state->outbox, RT_STR("x-1-0"), &intent));
    CHECK_STR(intent.action, "open_case");
    CHECK_U64(intent.decision_seq, seq);
    CHECK_U64(f->state->meta.events, 1);
    CHECK_U64(f->state->meta.decisions, 1);
    CHECK_U64(f->state->meta.actions, 1);
    CHECK_U64(f->state->meta.decided_seq, seq);
    CHECK_U64(f->state->applied_seq, f->seq);
    CHECK_INT(f->state->meta.clock_ms, f->now_ms);
}

static void
test_state_outcome_ends_the_intent(void **state)
{
    fixture *f = *state;

    decide(f, take(f, false, "delay.detected", "order/1", "{}"), "x-1-0", "open_case", "order/1");
    end_action(f, "x-1-0", "open_case", "executed");

    CHECK_INT(br_outbox_count(f->state->outbox), 0);
    CHECK_INT(br_dead_count(f->state->dead), 0);
    CHECK_U64(f->state->meta.outcomes, 1);
    end_action(f, "x-1-0", "open_case", "executed"); // told twice
    CHECK_U64(f->state->meta.outcomes, 1);
}

static void
test_state_outcome_from_outside_means_nothing(void **state)
{
    fixture *f = *state;

    decide(f, take(f, false, "delay.detected", "order/1", "{}"), "x-1-0", "open_case", "order/1");
    (void)take(f, false, "action.executed", "order/1",
               "{\"action_id\":\"x-1-0\",\"action\":\"open_case\",\"decision_seq\":1,"
               "\"status\":\"executed\"}");
    (void)take(f, false, "system.halted", "", "{\"by\":\"stranger\"}");

    CHECK_INT(br_outbox_count(f->state->outbox), 1);
    CHECK_FALSE(br_gate_halted(f->state->gate));
}

static void
test_state_failed_action_becomes_a_dead_letter(void **state)
{
    fixture *f = *state;
    br_dead_letter letter;

    decide(f, take(f, false, "delay.detected", "order/1", "{}"), "x-1-0", "open_case", "order/1");
    end_action(f, "x-1-0", "open_case", "failed");

    CHECK_INT(br_outbox_count(f->state->outbox), 0);
    CHECK_TRUE(br_dead_get(f->state->dead, RT_STR("x-1-0"), &letter));
    CHECK_STR(letter.owner, "outbox");
    CHECK_STR(letter.cause, "HTTP 500");
    CHECK_U64(letter.attempts, 3);
    CHECK_TRUE(letter.intent.len > 0);
}

static void
test_state_cancelled_action_leaves_no_dead_letter(void **state)
{
    fixture *f = *state;

    decide(f, take(f, false, "delay.detected", "order/1", "{}"), "x-1-0", "open_case", "order/1");
    end_action(f, "x-1-0", "open_case", "cancelled");

    CHECK_INT(br_outbox_count(f->state->outbox), 0);
    CHECK_INT(br_dead_count(f->state->dead), 0);
}

static void
test_state_dead_letter_is_retried_or_discarded(void **state)
{
    fixture *f = *state;

    decide(f, take(f, false, "delay.detected", "order/1", "{}"), "x-1-0", "open_case", "order/1");
    end_action(f, "x-1-0", "open_case", "unknown");
    (void)take(f, true, "dead_letter.resolved", "", "{\"ref\":\"x-1-0\",\"how\":\"retry\"}");
    CHECK_INT(br_dead_count(f->state->dead), 0);
    CHECK_INT(br_outbox_count(f->state->outbox), 1);
    CHECK_STR(br_outbox_in_flight(f->state->outbox, PACK_KIT_TENANT, RT_STR("order/1"),
                                  RT_STR("case")),
              "x-1-0");

    end_action(f, "x-1-0", "open_case", "failed");
    (void)take(f, true, "dead_letter.resolved", "", "{\"ref\":\"x-1-0\",\"how\":\"discard\"}");
    CHECK_INT(br_dead_count(f->state->dead), 0);
    CHECK_INT(br_outbox_count(f->state->outbox), 0);
}

static void
test_state_poison_of_an_agent_becomes_a_dead_letter(void **state)
{
    fixture *f = *state;
    br_dead_letter letter;

    (void)take(f, true, "message.dead_lettered", "",
               "{\"owner\":\"customer\",\"ref\":\"customer/7\",\"cause\":\"boom\",\"attempts\":3}");
    CHECK_TRUE(br_dead_get(f->state->dead, RT_STR("customer/7"), &letter));
    CHECK_STR(letter.owner, "customer");
    CHECK_STR(letter.cause, "boom");
    CHECK_INT(letter.intent.len, 0);

    (void)take(f, true, "dead_letter.resolved", "", "{\"ref\":\"customer/7\",\"how\":\"retry\"}");
    CHECK_INT(br_dead_count(f->state->dead), 0);
    CHECK_INT(br_outbox_count(f->state->outbox), 0);
}

static void
test_state_halt_lasts_over_a_restart_until_resumed(void **state)
{
    fixture *f = *state;

    (void)take(f, true, "system.halted", "", "{\"by\":\"ana\"}");
    CHECK_TRUE(br_gate_halted(f->state->gate));
    reopen(f);
    CHECK_TRUE(br_gate_halted(f->state->gate));

    (void)take(f, true, "system.resumed", "", "{\"by\":\"ana\"}");
    CHECK_FALSE(br_gate_halted(f->state->gate));
}

static void
test_state_fired_timer_is_gone(void **state)
{
    fixture *f = *state;

    br_timers_set(f->state->timers, PACK_KIT_TENANT, RT_STR("logistics"), RT_STR("k"), 5,
                  RT_STR("order/1"));
    br_timers_set(f->state->timers, PACK_KIT_TENANT, RT_STR("logistics"), RT_STR("l"), 6,
                  RT_STR("order/1"));
    (void)take(f, true, "timer.fired", "order/1", "{\"owner\":\"logistics\",\"key\":\"k\"}");

    CHECK_INT(br_timers_count(f->state->timers), 1);
    CHECK_INT(br_timers_next_ms(f->state->timers), 6);
}

static void
test_state_reward_is_joined_to_its_kind_of_decision(void **state)
{
    fixture *f = *state;
    uint64_t count;
    double reward;

    decide(f, take(f, false, "delay.detected", "order/1", "{}"), "x-1-0", "open_case", "order/1");
    (void)take(f, true, "decision.rewarded", "",
               "{\"decision_seq\":1,\"action\":\"open_case\",\"event_type\":\"delay.detected\","
               "\"reward\":-1}");
    (void)take(f, true, "decision.rewarded", "", "{\"decision_seq\":1,\"reward\":1}");

    CHECK_TRUE(br_similar_recall(f->state->similar, PACK_KIT_TENANT, RT_STR("delay.detected"),
                                 RT_STR("open_case"), f->now_ms, &count, &reward));
    CHECK_U64(count, 1);
    CHECK_NEAR(reward, -0.5, 1e-12);
}

static void
fire(fixture *f, const char *verdict, const char *key)
{
    msg_consulted consulted = {.playbook = RT_STR("p"),
                               .verdict = rt_str_of(verdict),
                               .throttle_key = rt_str_of(key)};
    uint64_t seq = take(f, false, "delay.detected", "order/1", "{}");
    msg_decision decision = {.event_seq = seq,
                             .event_type = RT_STR("delay.detected"),
                             .tenant = PACK_KIT_TENANT.v,
                             .consulted = {&consulted, 1}};

    rt_msg_encode(&msg_decision_def, &decision, begin(f, RT_RECORD_DECISION));
    br_state_apply_decision(f->state, end(f), &decision);
}

static void
go_live(fixture *f, const char *text, uint64_t version)
{
    br_playbook_file file = {RT_STR("x.yaml"), rt_str_of(text)};

    br_state_encode_playbooks(version, &file, 1, NULL, begin(f, RT_RECORD_PLAYBOOKS));
    const rt_record *record = end(f);
    br_state_apply_playbooks(f->state, record, state_kit_playbook(f->pack, text, version));
}

static void
live_files(fixture *f, const br_playbook_file *files, size_t count)
{
    rt_diag *diag = rt_diag_new();
    br_playbooks *set = NULL;

    br_state_encode_playbooks(1, files, count, NULL, begin(f, RT_RECORD_PLAYBOOKS));
    const rt_record *record = end(f);
    CHECK_OK(br_state_decode_playbooks(f->pack, record->payload, diag, &set));
    br_state_apply_playbooks(f->state, record, set);
    rt_diag_free(diag);
}

#define PLAYBOOK                                                                                   \
    "kind: playbook\nid: p\nevents: [delay.detected]\nthrottle: {key: event.subject, per: 2h}\n"   \
    "do:\n  - {action: open_case, target: \"${event.subject}\"}\n"

static bool
throttled(const fixture *f, const char *key, int64_t now_ms)
{
    int64_t ago_ms;

    return br_state_throttled(f->state, PACK_KIT_TENANT, RT_STR("p"), rt_str_of(key), now_ms,
                              &ago_ms);
}

static void
test_state_playbook_is_throttled_for_its_period_and_key(void **state)
{
    fixture *f = *state;

    go_live(f, PLAYBOOK, 1);
    fire(f, "error", "order/9");
    fire(f, "fired", "order/1");
    fire(f, "fired", "");

    CHECK_TRUE(throttled(f, "order/1", f->now_ms));
    CHECK_TRUE(throttled(f, "order/1", f->now_ms + 2 * STATE_KIT_HOUR_MS - 1));
    CHECK_FALSE(throttled(f, "order/1", f->now_ms + 2 * STATE_KIT_HOUR_MS));
    CHECK_FALSE(throttled(f, "order/2", f->now_ms));
    CHECK_FALSE(throttled(f, "order/9", f->now_ms));
    CHECK_FALSE(throttled(f, "", f->now_ms));
}

static void
test_state_decision_folds_all_its_timers_and_throttles(void **state)
{
    fixture *f = *state;
    msg_timer timers[] = {{.owner = RT_STR("a"), .key = RT_STR("1"), .due_ms = 10},
                          {.owner = RT_STR("a"), .key = RT_STR("2"), .due_ms = 20},
                          {.owner = RT_STR("b"), .key = RT_STR("1"), .due_ms = 30}};
    msg_consulted consulted[] = {
        {.playbook = RT_STR("q"), .verdict = RT_STR("fired"), .throttle_key = RT_STR("x")},
        {.playbook = RT_STR("p"), .verdict = RT_STR("fired"), .throttle_key = RT_STR("order/1")},
        {.playbook = RT_STR("p"), .verdict = RT_STR("fired"), .throttle_key = RT_STR("order/2")}};
    msg_decision decision = {.event_seq = 2, .tenant = PACK_KIT_TENANT.v};

    go_live(f, PLAYBOOK, 1);
    decision.event_seq = take(f, false, "delay.detected", "order/1", "{}");
    decision.timers = (rt_msg_list){timers, RT_COUNT(timers)};
    decision.consulted = (rt_msg_list){consulted, RT_COUNT(consulted)};
    rt_msg_encode(&msg_decision_def, &decision, begin(f, RT_RECORD_DECISION));
    br_state_apply_decision(f->state, end(f), &decision);

    CHECK_INT(br_timers_count(f->state->timers), 3);
    CHECK_INT(br_timers_next_ms(f->state->timers), 10);
    CHECK_TRUE(throttled(f, "order/1", f->now_ms));
    CHECK_TRUE(throttled(f, "order/2", f->now_ms));
}

static void
test_state_playbooks_come_back_after_a_restart(void **state)
{
    fixture *f = *state;

    go_live(f, PLAYBOOK, 4);
    br_playbook_file file = br_playbooks_file(f->state->playbooks, 0);
    uint64_t hash = br_playbooks_hash(&file, 1);
    CHECK_U64(f->state->meta.playbooks_hash, hash);
    reopen(f);

    CHECK_U64(br_playbooks_version(f->state->playbooks), 4);
    CHECK_INT(br_playbooks_count(f->state->playbooks), 1);
    CHECK_STR(br_playbooks_file(f->state->playbooks, 0).name, "x.yaml");
    CHECK_U64(f->state->meta.playbooks_hash, hash);
}

static void
test_state_as_many_playbooks_as_may_be_come_back(void **state)
{
    fixture *f = *state;
    br_playbook_file *files = rt_new_array(br_playbook_file, BR_PLAYBOOKS_MAX);
    char(*texts)[160] = rt_alloc(sizeof(*texts) * BR_PLAYBOOKS_MAX);
    char(*names)[16] = rt_alloc(sizeof(*names) * BR_PLAYBOOKS_MAX);

    for (size_t i = 0; i < BR_PLAYBOOKS_MAX; i++) {
        (void)snprintf(names[i], sizeof(names[i]), "p%04zu.yaml", i);
        (void)snprintf(texts[i], sizeof(texts[i]),
                       "kind: playbook\nid: p%04zu\nevents: [delay.detected]\n"
                       "do:\n  - {action: open_case, target: \"${event.subject}\"}\n",
                       i);
        files[i] = (br_playbook_file){rt_str_of(names[i]), rt_str_of(texts[i])};
    }
    live_files(f, files, BR_PLAYBOOKS_MAX);
    reopen(f);

    CHECK_INT(br_playbooks_count(f->state->playbooks), BR_PLAYBOOKS_MAX);
    CHECK_STR(br_playbooks_file(f->state->playbooks, BR_PLAYBOOKS_MAX - 1).name, "p2047.yaml");
    rt_free(names);
    rt_free(texts);
    rt_free(files);
}

static void
test_state_playbooks_that_are_not_in_the_next_set_are_gone(void **state)
{
    static const char other[] = "kind: playbook\nid: q\nevents: [delay.detected]\n"
                                "do:\n  - {action: open_case, target: \"${event.subject}\"}\n";
    const br_playbook_file first[] = {{RT_STR("a.yaml"), RT_STR(PLAYBOOK)},
                                      {RT_STR("b.yaml"), rt_str_of(other)}};
    fixture *f = *state;

    live_files(f, first, 2);
    live_files(f, &first[1], 1);
    reopen(f);

    CHECK_INT(br_playbooks_count(f->state->playbooks), 1);
    CHECK_STR(br_playbooks_file(f->state->playbooks, 0).name, "b.yaml");
    live_files(f, first, 0);
    reopen(f);
    CHECK_INT(br_playbooks_count(f->state->playbooks), 0);
}

static void
test_state_playbooks_of_another_pack_are_refused(void **state)
{
    static const char *const nothing[] = {"kind: actions\n"};
    fixture *f = *state;
    br_pack *other = pack_kit_of(nothing, 1);
    rt_diag *diag = rt_diag_new();
    br_state *refused = NULL;
    br_state_config config = f->state->config;

    go_live(f, PLAYBOOK, 4);
    br_state_settle(f->state);
    br_state_free(f->state);
    store_kit_restart(&f->kit, f->seq);
    config.pack = other;
    CHECK_ERR(br_state_new(f->kit.store, &config, diag, &refused), RT_ECONFIG);
    CHECK_TRUE(rt_diag_errors(diag) > 0);

    store_kit_restart(&f->kit, f->seq);
    f->state = state_kit_open(f->kit.store, f->pack);
    rt_diag_free(diag);
    br_pack_free(other);
}

static void
test_state_first_start_names_the_journal(void **state)
{
    fixture *f = *state;

    state_kit_start(f->state, ++f->seq, "aaaabbbb");
    state_kit_start(f->state, ++f->seq, "ccccdddd");
    reopen(f);

    CHECK_TRUE(memcmp(f->state->meta.instance, "aaaabbbb", BR_INSTANCE_LEN) == 0);
}

static void
test_state_verdicts_are_counted(void **state)
{
    fixture *f = *state;
    msg_candidate candidates[] = {{.verdict = RT_STR("lost")},
                                  {.verdict = RT_STR("vetoed")},
                                  {.verdict = RT_STR("refused")},
                                  {.verdict = RT_STR("shadow")},
                                  {.verdict = RT_STR("won")}};
    msg_decision decision = {.event_seq = take(f, false, "delay.detected", "order/1", "{}"),
                             .tenant = PACK_KIT_TENANT.v,
                             .candidates = {candidates, 5}};

    rt_msg_encode(&msg_decision_def, &decision, begin(f, RT_RECORD_DECISION));
    br_state_apply_decision(f->state, end(f), &decision);

    CHECK_U64(f->state->meta.conflicts, 2);
    CHECK_U64(f->state->meta.refusals, 1);
    CHECK_U64(f->state->meta.actions, 0);
}

static void
test_state_outcome_of_an_unknown_action_or_intent_changes_nothing(void **state)
{
    fixture *f = *state;

    end_action(f, "x-9-0", "open_case", "failed"); // nobody intended it
    end_action(f, "x-9-1", "gone", "failed");      // of a pack that had it

    CHECK_INT(br_dead_count(f->state->dead), 0);
    CHECK_U64(f->state->meta.outcomes, 0);
}

static void
test_state_dead_letter_without_a_cause_has_an_empty_one(void **state)
{
    fixture *f = *state;
    br_dead_letter letter;

    (void)take(f, true, "message.dead_lettered", "",
               "{\"owner\":\"customer\",\"ref\":\"customer/7\",\"attempts\":3}");
    CHECK_TRUE(br_dead_get(f->state->dead, RT_STR("customer/7"), &letter));
    CHECK_STR(letter.cause, "");
    CHECK_U64(letter.attempts, 3);
    CHECK_U64(letter.seq, f->seq);
    CHECK_INT(letter.at_ms, f->now_ms);
    CHECK_INT(letter.tenant.v, PACK_KIT_TENANT.v);

    decide(f, take(f, false, "delay.detected", "order/1", "{}"), "x-1-0", "open_case", "order/1");
    (void)take(f, true, "action.executed", "order/1",
               "{\"action_id\":\"x-1-0\",\"action\":\"open_case\",\"decision_seq\":1,"
               "\"status\":\"failed\"}");
    CHECK_TRUE(br_dead_get(f->state->dead, RT_STR("x-1-0"), &letter));
    CHECK_STR(letter.cause, "");
    CHECK_U64(letter.attempts, 0);
}

static void
test_state_resolution_of_no_dead_letter_changes_nothing(void **state)
{
    fixture *f = *state;

    (void)take(f, true, "dead_letter.resolved", "", "{\"ref\":\"x-9-0\",\"how\":\"retry\"}");
    CHECK_INT(br_outbox_count(f->state->outbox), 0);
    CHECK_INT(br_dead_count(f->state->dead), 0);
}

static void
test_state_reward_without_its_kind_of_decision_is_for_none(void **state)
{
    fixture *f = *state;
    uint64_t count;
    double reward;

    (void)take(f, true, "decision.rewarded", "",
               "{\"decision_seq\":1,\"event_type\":\"delay.detected\",\"reward\":1}");
    (void)take(f, true, "decision.rewarded", "",
               "{\"decision_seq\":1,\"action\":\"open_case\",\"reward\":1}");
    CHECK_FALSE(br_similar_recall(f->state->similar, PACK_KIT_TENANT, RT_STR("delay.detected"),
                                  RT_STR(""), f->now_ms, &count, &reward));
    CHECK_FALSE(br_similar_recall(f->state->similar, PACK_KIT_TENANT, RT_STR(""),
                                  RT_STR("open_case"), f->now_ms, &count, &reward));
}

static void
check_playbooks_refused(fixture *f, rt_mpw *w, rt_err want)
{
    rt_diag *diag = rt_diag_new();
    br_playbooks *set = NULL;

    rt_err err = br_state_decode_playbooks(f->pack, rt_mpw_view(w), diag, &set);

    CHECK_TRUE(err == want || (want == RT_EPROTO && err == RT_ETYPE));
    CHECK_TRUE(set == NULL);
    rt_mpw_clear(w);
    rt_diag_free(diag);
}

static void
test_state_playbooks_that_cannot_be_read_are_refused(void **state)
{
    fixture *f = *state;
    br_playbook_file *files = rt_new_array(br_playbook_file, BR_PLAYBOOKS_MAX + 1);
    rt_mpw w;

    rt_mpw_init(&w, 1 << 20);
    check_playbooks_refused(f, &w, RT_EPROTO); // nothing at all
    for (size_t i = 0; i <= BR_PLAYBOOKS_MAX; i++) {
        files[i] = (br_playbook_file){RT_STR("x"), RT_STR("")};
    }
    br_state_encode_playbooks(1, files, BR_PLAYBOOKS_MAX + 1, NULL, &w);
    check_playbooks_refused(f, &w, RT_ELIMIT);
    br_state_encode_playbooks(1, files, BR_PLAYBOOKS_MAX, NULL, &w);
    check_playbooks_refused(f, &w, RT_ECONFIG); // as many as may be, but none is a playbook
    rt_mpw_array(&w, 3); // one too many, in itself or in a file
    rt_mpw_u64(&w, 1);
    rt_mpw_array(&w, 0);
    check_playbooks_refused(f, &w, RT_EPROTO);
    rt_mpw_array(&w, 2);
    rt_mpw_u64(&w, 1);
    rt_mpw_array(&w, 1);
    rt_mpw_array(&w, 3);
    rt_mpw_cstr(&w, "x.yaml");
    rt_mpw_cstr(&w, "");
    check_playbooks_refused(f, &w, RT_EPROTO);
    rt_mpw_array(&w, 2);
    rt_mpw_cstr(&w, "version");
    check_playbooks_refused(f, &w, RT_EPROTO);
    rt_mpw_array(&w, 2);
    rt_mpw_u64(&w, 1);
    rt_mpw_u64(&w, 1); // no list
    check_playbooks_refused(f, &w, RT_EPROTO);
    for (int i = 0; i < 3; i++) { // no pair, no name, no text
        rt_mpw_array(&w, 2);
        rt_mpw_u64(&w, 1);
        rt_mpw_array(&w, 1);
        if (i > 0) {
            rt_mpw_array(&w, 2);
        }
        if (i > 1) {
            rt_mpw_cstr(&w, "x.yaml");
        }
        rt_mpw_u64(&w, 1);
        check_playbooks_refused(f, &w, RT_EPROTO);
    }
    rt_mpw_fini(&w);
    rt_free(files);
}

static void
start_as(fixture *f, const char *instance, bool whole)
{
    rt_mpw *w = begin(f, RT_RECORD_START);

    if (whole) {
        rt_mpw_array(w, 3);
    }
    rt_mpw_cstr(w, instance);
    br_state_apply_start(f->state, end(f));
}

static void
test_state_start_that_names_nothing_leaves_the_journal_without_a_name(void **state)
{
    fixture *f = *state;

    start_as(f, "aaaabbbb", false); // no list
    start_as(f, "aaaabbbbc", true); // longer than a name is
    CHECK_INT(f->state->meta.instance[0], 0);
    f->now_ms++;
    rt_mpw *w = begin(f, RT_RECORD_START);
    rt_mpw_array(w, 3);
    rt_mpw_u64(w, 5); // no name
    br_state_apply_start(f->state, end(f));
    CHECK_INT(f->state->meta.instance[0], 0);
    CHECK_INT(f->state->meta.clock_ms, f->now_ms);
    CHECK_U64(f->state->applied_seq, f->seq);
    start_as(f, "aaaabbbb", true);
    CHECK_TRUE(memcmp(f->state->meta.instance, "aaaabbbb", BR_INSTANCE_LEN) == 0);
}

static void
test_state_freed_twice_is_fine(void **state)
{
    (void)state;
    br_state_free(NULL);
}

// --- a long random history -----------------------------------------------------------------------

#define ORDERS 30

// Events of orders, with what an agent would have made of some of them.
static void
random_event(fixture *f, rt_rng *rng)
{
    static const char *const types[] = {"order.shipped", "tracking.updated", "order.delivered",
                                        "delay.detected", "delivery.failed"};
    static const char *const carriers[] = {"tcc", "servi", "envia"};
    static const char *const actions[] = {"open_case", "expedite_order", "reschedule_delivery",
                                          "gone"};
    char subject[32];
    char data[256];
    char id[32];

    (void)snprintf(subject, sizeof(subject), "order/%u", (unsigned)rt_rng_below(rng, ORDERS));
    size_t type = (size_t)rt_rng_below(rng, RT_COUNT(types));
    const char *needed = type == 1 ? "\"status\":\"in_transit\"," : "";
    needed = type == 4 ? "\"reason\":\"absent\"," : needed;
    (void)snprintf(data, sizeof(data), "{%s\"carrier\":\"%s\"}", needed,
                   carriers[rt_rng_below(rng, RT_COUNT(carriers))]);
    uint64_t seq = take(f, false, types[type], subject, data);
    (void)snprintf(id, sizeof(id), "x-%llu-0", (unsigned long long)seq);
    const char *action = actions[rt_rng_below(rng, RT_COUNT(actions))];
    decide(f, seq, id, rt_rng_chance(rng, 0.5) ? action : NULL, subject);
}

static void
random_outcome(fixture *f, rt_rng *rng)
{
    static const char *const statuses[] = {"executed", "executed", "failed", "unknown",
                                           "cancelled"};
    br_intent intent;
    char id[BR_ACTION_ID_MAX];
    char action[BR_ACTION_NAME_MAX + 1];
    size_t cursor = 0;

    for (uint64_t skip = rt_rng_below(rng, 4); skip > 0; skip--) {
        (void)br_outbox_next(f->state->outbox, &cursor, &intent);
    }
    if (br_outbox_next(f->state->outbox, &cursor, &intent)) {
        (void)snprintf(id, sizeof(id), "%.*s", RT_STR_ARG(intent.action_id));
        (void)snprintf(action, sizeof(action), "%.*s", RT_STR_ARG(intent.action));
        end_action(f, id, action, statuses[rt_rng_below(rng, RT_COUNT(statuses))]);
    }
}

static void
random_resolution(fixture *f, rt_rng *rng)
{
    br_dead_letter letter;
    size_t cursor = 0;
    char data[256];

    if (br_dead_next(f->state->dead, &cursor, &letter)) {
        (void)snprintf(data, sizeof(data), "{\"ref\":\"%.*s\",\"how\":\"%s\"}",
                       RT_STR_ARG(letter.ref), rt_rng_chance(rng, 0.5) ? "retry" : "discard");
        (void)take(f, true, "dead_letter.resolved", "", data);
    }
}

static void
random_timer(fixture *f, rt_rng *rng)
{
    char key[16];
    br_due due;
    char data[128];
    uint64_t seq = take(f, false, "order.approved", "order/1", "{}");
    msg_timer timer = {.owner = RT_STR("logistics"),
                       .due_ms = f->now_ms + (int64_t)rt_rng_below(rng, 1000000),
                       .subject = RT_STR("order/1")};
    msg_decision decision = {.event_seq = seq, .tenant = 1, .timers = {&timer, 1}};

    (void)snprintf(key, sizeof(key), "k%u", (unsigned)rt_rng_below(rng, 20));
    timer.key = rt_str_of(key);
    rt_msg_encode(&msg_decision_def, &decision, begin(f, RT_RECORD_DECISION));
    br_state_apply_decision(f->state, end(f), &decision);
    if (br_timers_due(f->state->timers, f->now_ms, &due)) {
        (void)snprintf(data, sizeof(data), "{\"owner\":\"logistics\",\"key\":\"%.*s\"}",
                       RT_STR_ARG(due.key));
        (void)take(f, true, "timer.fired", "order/1", data);
    }
}

static void
random_rest(fixture *f, rt_rng *rng)
{
    static const char *const playbooks[] = {
        PLAYBOOK, "kind: playbook\nid: q\nevents: [order.shipped]\n"
                  "do:\n  - {action: open_case, target: \"${event.subject}\"}\n"};

    switch (rt_rng_below(rng, 5)) {
    case 0:
        (void)take(f, true, "system.halted", "", "{\"by\":\"ana\"}");
        break;
    case 1:
        (void)take(f, true, "system.resumed", "", "{\"by\":\"ana\"}");
        break;
    case 2:
        go_live(f, playbooks[rt_rng_below(rng, 2)], f->state->meta.playbooks_version + 1);
        break;
    case 3:
        (void)begin(f, RT_RECORD_REJECT);
        br_state_apply_reject(f->state, end(f));
        break;
    default:
        fire(f, "fired", "order/1");
        break;
    }
}

static void
random_step(fixture *f, rt_rng *rng)
{
    double what = rt_rng_f64(rng);

    f->now_ms += (int64_t)rt_rng_below(rng, 120000);
    if (what < 0.6) {
        random_event(f, rng);
    } else if (what < 0.8) {
        random_outcome(f, rng);
    } else if (what < 0.85) {
        random_resolution(f, rng);
    } else if (what < 0.95) {
        random_timer(f, rng);
    } else {
        random_rest(f, rng);
    }
}

static void
test_state_live_reopened_and_replayed_have_one_hash(void **state)
{
    fixture *f = *state;
    rt_rng rng;

    rt_rng_seed(&rng, 101, 1);
    for (int i = 1; i <= 6000; i++) {
        random_step(f, &rng);
        if (i % 700 == 0) {
            uint64_t live = br_state_hash(f->state);

            reopen(f);
            CHECK_U64(br_state_hash(f->state), live);
        }
        if (i % 2000 == 0) {
            CHECK_U64(replayed_hash(f), br_state_hash(f->state));
        }
    }
    CHECK_TRUE(f->state->meta.actions > 500 && f->state->meta.outcomes > 500);
    CHECK_TRUE(br_dead_count(f->state->dead) > 0);
}

static void
test_state_records_after_the_last_cut_are_folded_again(void **state)
{
    fixture *f = *state;
    rt_rng rng;
    size_t saved;

    rt_rng_seed(&rng, 102, 1);
    for (int i = 0; i < 500; i++) {
        random_step(f, &rng);
    }
    reopen(f);
    saved = f->record_count;
    for (int i = 0; i < 200; i++) {
        random_step(f, &rng);
    }
    uint64_t live = br_state_hash(f->state);
    br_state_free(f->state); // as a crash: nothing since the cut is saved
    store_kit_close(&f->kit);
    store_kit_open(&f->kit);
    f->state = state_kit_open(f->kit.store, f->pack);
    CHECK_U64(f->state->applied_seq, f->records[saved - 1].seq);
    for (size_t i = saved; i < f->record_count; i++) {
        fold(f->state, f->pack, &f->records[i], f->situation);
    }

    CHECK_U64(br_state_hash(f->state), live);
}

typedef struct first_pair {
    uint8_t key[RT_KV_KEY_MAX];
    size_t key_len;
    uint8_t value[RT_STORE_VALUE_MAX + 64];
    size_t value_len;
} first_pair;

static rt_err
on_first_pair(void *user, rt_bytes key, rt_bytes value)
{
    first_pair *pair = user;

    memcpy(pair->key, key.ptr, key.len);
    memcpy(pair->value, value.ptr, value.len);
    pair->key_len = key.len;
    pair->value_len = value.len;
    return RT_EEND;
}

// Flips a bit of one saved row of a table; a second time mends it.
static void
damage(fixture *f, uint8_t table)
{
    static first_pair pair;
    rt_kv_batch *batch = rt_kv_batch_new();

    pair.key_len = 0;
    CHECK_OK(rt_kv_scan(f->kit.kv, (rt_bytes){&table, 1}, on_first_pair, &pair));
    CHECK_TRUE(pair.key_len > 0); // each table has a row
    pair.value[pair.value_len - 1] ^= 1;
    rt_kv_batch_put(batch, (rt_bytes){pair.key, pair.key_len},
                    (rt_bytes){pair.value, pair.value_len});
    CHECK_OK(rt_kv_commit(f->kit.kv, batch));
    rt_kv_batch_free(batch);
}

static void
test_state_damaged_row_of_any_table_is_refused(void **state)
{
    fixture *f = *state;
    br_state_config config = f->state->config;
    rt_diag *diag = rt_diag_new();
    br_state *refused = NULL;
    rt_rng rng;

    rt_rng_seed(&rng, 103, 1);
    for (int i = 0; i < 300; i++) {
        random_step(f, &rng);
    }
    rt_event numbered = f->event;
    numbered.has_sequence = true;
    numbered.sequence = 7;
    br_dedup_remember(f->state->dedup, &numbered);
    reopen(f);
    uint64_t hash = br_state_hash(f->state);
    for (int table = BR_TABLE_META; table <= BR_TABLE_DEAD; table++) {
        br_state_free(f->state);
        f->state = NULL;
        store_kit_close(&f->kit);
        store_kit_open(&f->kit);
        damage(f, (uint8_t)table);
        CHECK_ERR(br_state_new(f->kit.store, &config, diag, &refused), RT_ECORRUPT);
        CHECK_TRUE(refused == NULL);

        damage(f, (uint8_t)table);
        store_kit_close(&f->kit);
        store_kit_open(&f->kit);
        f->state = state_kit_open(f->kit.store, f->pack);
        CHECK_U64(br_state_hash(f->state), hash);
    }
    rt_diag_free(diag);
}

static void
test_state_hash_tells_states_apart(void **state)
{
    fixture *f = *state;

    uint64_t empty = br_state_hash(f->state);
    (void)take(f, false, "order.approved", "order/1", "{}");
    uint64_t one = br_state_hash(f->state);
    (void)take(f, false, "order.approved", "order/1", "{}");

    CHECK_TRUE(empty != one);
    CHECK_TRUE(one != br_state_hash(f->state));
    CHECK_U64(br_state_hash(f->state), br_state_hash(f->state));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_state_decision_makes_an_intent_and_counts),
        TEST(test_state_outcome_ends_the_intent),
        TEST(test_state_outcome_from_outside_means_nothing),
        TEST(test_state_failed_action_becomes_a_dead_letter),
        TEST(test_state_cancelled_action_leaves_no_dead_letter),
        TEST(test_state_dead_letter_is_retried_or_discarded),
        TEST(test_state_poison_of_an_agent_becomes_a_dead_letter),
        TEST(test_state_halt_lasts_over_a_restart_until_resumed),
        TEST(test_state_fired_timer_is_gone),
        TEST(test_state_reward_is_joined_to_its_kind_of_decision),
        TEST(test_state_playbook_is_throttled_for_its_period_and_key),
        TEST(test_state_playbooks_come_back_after_a_restart),
        TEST(test_state_as_many_playbooks_as_may_be_come_back),
        TEST(test_state_playbooks_that_are_not_in_the_next_set_are_gone),
        TEST(test_state_playbooks_of_another_pack_are_refused),
        TEST(test_state_first_start_names_the_journal),
        TEST(test_state_verdicts_are_counted),
        TEST(test_state_live_reopened_and_replayed_have_one_hash),
        TEST(test_state_records_after_the_last_cut_are_folded_again),
        TEST(test_state_damaged_row_of_any_table_is_refused),
        TEST(test_state_hash_tells_states_apart),
        TEST(test_state_outcome_of_an_unknown_action_or_intent_changes_nothing),
        TEST(test_state_dead_letter_without_a_cause_has_an_empty_one),
        TEST(test_state_resolution_of_no_dead_letter_changes_nothing),
        TEST(test_state_reward_without_its_kind_of_decision_is_for_none),
        TEST(test_state_playbooks_that_cannot_be_read_are_refused),
        TEST(test_state_start_that_names_nothing_leaves_the_journal_without_a_name),
        TEST(test_state_freed_twice_is_fine),
        TEST(test_state_decision_folds_all_its_timers_and_throttles),
    };

    return CHECK_RUN(tests);
}
