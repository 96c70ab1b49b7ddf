// What playbooks do over time: patterns, holds, budgets, approvals, actions in order, what policies
// learn.
//
// The first byte chooses playbooks of the source tree's shape (below); then come operations, some
// bytes each: an event, time that passes, an outcome, an answer to a request, a mode, other
// playbooks. Held against: budgets counted anew, what nobody agreed to, and the records folded once
// more into a fresh state. When all time has passed nothing may be left behind.
#include <stdio.h>

#include "brain/core/decide.h"
#include "tests/fuzz/fuzz.h"

#define NOW_MS INT64_C(1795150800000) // 2026-11-20T05:00:00Z
#define MINUTE_MS ((int64_t)60 * 1000)
#define HOUR_MS (60 * MINUTE_MS)
#define DAY_MS (24 * HOUR_MS)
#define TENANT ((rt_tenant){1})
#define ARENA_BYTES (16u << 20)
#define OPS_MAX 48
#define RECORDS_MAX 4096
#define FIRES_MAX 1500 // timers in one execution
#define ACTED_MAX 512
#define LIMIT 3 // of the budgets below, in 4 hours

#define CASE "do:\n  - {action: open_case, target: \"${event.subject}\"}\n"
#define STEPS                                                                                      \
    "do:\n  - {action: open_case, target: \"${event.subject}\", timeout: 30m, " \
    "retry: {times: 2, wait: 5m}, undo: {action: alert_operator, target: x, args: {text: u}}}\n"   \
    "  - {action: pause_carrier, target: carrier/tcc, after: 10m, on_error: undo}\n"               \
    "  - {action: alert_operator, target: \"${event.subject}\", args: {text: a}, on_error: undo}\n"
#define HEAD(id, event) "kind: playbook\nid: " id "\nevents: [" event "]\n"

static const char *const texts[] = {
    "kind: playbook\nid: count\npattern:\n  count: {event: delivery.failed, at_least: 3}\n"
    "  key: data.carrier\n  within: 2h\n  max_keys: 2\nbudget:\n"
    "  - {what: actions, limit: 3, window: 4h, on_exceed: hold}\n" CASE,
    "kind: playbook\nid: absent\npattern:\n  sequence:\n"
    "    - {name: a, event: delivery.failed, capture: {c: data.carrier}}\n"
    "    - {name: b, event: issue.reported, absent: true}\n  key: event.subject\n  within: 3h\n"
    "calendar: {from: 08:00, until: 18:00, days: [mon, wed, fri], holidays: false}\n"
    "do:\n  - {action: alert_operator, target: \"${event.subject}\", args: {text: \"${a.c}\"}}\n",
    HEAD("asks", "issue.reported") "approve: {ttl: 2h, quorum: 2}\n"
    "budget:\n  - {what: actions, limit: 3, window: 4h}\n" STEPS "in_order: true\n",
    HEAD("ladder", "issue.reported") CASE "verify: {within: 1h, expect: order.status == "
    "\"delivered\"}\nescalate:\n  - {action: alert_operator, target: \"${event.subject}\", args: "
    "{text: a}}\n  - {action: pause_carrier, target: carrier/tcc, after: 2h}\n",
    HEAD("share", "delivery.failed") "mode: canary\ncanary: {percent: 50, by: data.carrier,\n"
    "  guardrails: {failed_actions: 0.2, errors: 0.1, min_sample: 2, certainty: 0.5}}\n"
    "throttle: {key: event.subject, per: 3h}\ncalendar: {quiet: hold}\n"
    "do:\n  - {action: call_customer, target: customer/c1}\n",
    HEAD("steps", "delivery.failed") "in_order: true\nbudget:\n"
    "  - {what: actions, per: data.carrier, limit: 3, window: 4h, on_exceed: ask}\n"
    "approve: {ttl: 1h}\n" STEPS,
    "kind: playbook\nid: all\npattern:\n  all:\n    - {name: a, event: delivery.failed}\n"
    "    - {name: b, event: issue.reported, capture: {k: data.kind}}\n  key: event.subject\n"
    "  within: 1d\n  where: b.k == \"lost\"\n" CASE,
    HEAD("collect", "delivery.failed, issue.reported")
    "throttle: {key: event.subject, per: 1h, collect: {within: 90m, up_to: 4, at_least: 2, "
    "max_keys: 2}}\napprove: {ttl: 2h, when: collected.count > 2}\n"
    "do:\n  - {action: alert_operator, target: \"${event.subject}\", args: {text: "
    "\"${collected.count} ${collected.subjects}\"}}\n",
    HEAD("until", "delivery.failed") "throttle: {key: event.subject, per: 6h, until: {event: "
    "issue.reported, when: data.kind == \"lost\"}}\n" CASE,
    HEAD("learns", "delivery.failed") "throttle: {key: event.subject, per: 1h}\n"
    "calendar: {from: 08:00, until: 18:00, at_most: 24h}\n"
    "decide:\n  policy:\n    features: {tcc: data.carrier == \"tcc\"}\n    baseline: wait\n"
    "    explore: 0.5\n    max_keys: 3\n    actions:\n      - {name: wait, do: []}\n"
    "      - name: case\n        when: data.reason != \"refused\"\n        do:\n"
    "          - {action: open_case, target: \"${event.subject}\"}\n"
    "reward: {outcome: issue.reported, join: event.subject, within: 5h, "
    "value: data.kind == \"lost\", default: 0.5}\n",
};

// The first ones alone for most first bytes, so that inputs that were kept mean what they meant.
#define FIRST_TEXTS 7
#define FIRST_BYTES 196

typedef struct acted {
    char id[64];
    rt_str action;
    uint64_t seq;
    bool open;
} acted;

typedef struct play {
    rt_store *store;
    br_state *state;
    uint64_t seq;
    int64_t now_ms;
    rt_record records[RECORDS_MAX];
    size_t record_count;
    acted acted[ACTED_MAX];
    size_t acted_count;
    int64_t counted[ACTED_MAX]; // when `count` acted
    size_t counted_count;
    int agreed; // answers to `asks` that agree
    size_t fires;
} play;

static rt_arena *arena;
static rt_arena *consult_arena;
static rt_arena *journal; // of one execution
static rt_mpw wire;
static rt_mpw scratch;
static rt_mpw said_bytes;
static br_situation *situation;

static br_state *
new_state(rt_store *store)
{
    static const int64_t zones[] = {0, -5 * HOUR_MS};
    const br_state_config config = {.pack = fuzz_pack(),
                                    .gate = {.actions_per_minute = 50,
                                             .quiet_from_min = 21 * 60,
                                             .quiet_until_min = 8 * 60,
                                             .utc_offset_ms = zones,
                                             .tenant_count = RT_COUNT(zones)},
                                    .subjects_max = 100,
                                    .memories_max = 100,
                                    .dedup_events = 1024,
                                    .dedup_window_ms = DAY_MS};
    rt_diag *diag = rt_diag_new();
    br_state *state = NULL;

    RT_ASSERT(br_state_new(store, &config, diag, &state) == RT_OK);
    rt_diag_free(diag);
    return state;
}

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    fuzz_begin();
    arena = rt_arena_new(ARENA_BYTES);
    consult_arena = rt_arena_new(ARENA_BYTES);
    journal = rt_arena_new(64u << 20);
    rt_mpw_init(&wire, 1 << 20);
    rt_mpw_init(&scratch, 1 << 20);
    rt_mpw_init(&said_bytes, 1 << 20);
    situation = rt_new(br_situation);
    return 0;
}

// A record of this execution, kept for the second fold.
static const rt_record *
keep(play *p, rt_record_kind kind, rt_bytes payload)
{
    RT_ASSERT(p->record_count < RECORDS_MAX);
    rt_record *kept = &p->records[p->record_count++];
    *kept = (rt_record){.seq = ++p->seq,
                        .at_ms = p->now_ms,
                        .kind = kind,
                        .payload = rt_arena_copy(journal, payload)};
    return kept;
}

static void
use(play *p, uint8_t which)
{
    br_playbook_file files[2];
    br_playbooks *set = NULL;
    rt_diag *diag = rt_diag_new();
    size_t from = which < FIRST_BYTES ? FIRST_TEXTS : RT_COUNT(texts);
    size_t first = which < FIRST_BYTES ? which % from : FIRST_TEXTS + which % (from - FIRST_TEXTS);
    size_t second = which / (which < FIRST_BYTES ? from : 2) % from;

    files[0] = (br_playbook_file){RT_STR("a.yaml"), rt_str_of(texts[first])};
    files[1] = (br_playbook_file){RT_STR("b.yaml"), rt_str_of(texts[second])};
    size_t count = first == second ? 1 : 2;
    uint64_t version = p->state->meta.playbooks_version + 1;
    RT_ASSERT(br_playbooks_compile(fuzz_pack(), files, count, version, diag, &set) == RT_OK);
    rt_diag_free(diag);
    rt_mpw_clear(&scratch);
    br_state_encode_playbooks(version, files, count, NULL, &scratch);
    br_state_apply_playbooks(p->state,
                             keep(p, RT_RECORD_PLAYBOOKS, rt_mpw_view(&scratch)), set);
}

static void
check_winner(play *p, const msg_candidate *c)
{
    if (rt_str_is(c->proposal.agent, "playbook:count")) {
        RT_ASSERT(p->counted_count < ACTED_MAX);
        p->counted[p->counted_count++] = p->now_ms;
        RT_ASSERT(p->counted_count <= LIMIT ||
                  p->now_ms - p->counted[p->counted_count - 1 - LIMIT] >= 4 * HOUR_MS);
    }
    if (rt_str_is(c->proposal.agent, "playbook:asks") &&
        rt_str_is(c->proposal.action, "open_case")) {
        RT_ASSERT(p->agreed >= 2); // each time the run begins two have agreed, or it tries again
    }
    if (p->acted_count < ACTED_MAX) {
        acted *a = &p->acted[p->acted_count++];
        (void)snprintf(a->id, sizeof(a->id), "%.*s", RT_STR_ARG(c->action_id));
        a->action = br_pack_action(fuzz_pack(), c->proposal.action)->name;
        a->open = true;
    }
}

static void
decide(play *p, const rt_event *event, const br_consulted_event *said, rt_bytes payload)
{
    br_undecided item = {.seq = event->seq,
                         .at_ms = event->at_ms,
                         .type = event->type,
                         .tenant = event->tenant,
                         .id = event->id,
                         .subject = event->subject,
                         .consultation = said->consultation,
                         .payload = said->follow ? payload : (rt_bytes){NULL, 0}};
    br_hearing hearing = {.event = &item, .now_ms = p->now_ms};
    br_outcome out;

    rt_arena_reset(arena);
    RT_ASSERT(br_decide(p->state, &hearing, arena, &out) == RT_OK);
    rt_mpw_clear(&scratch);
    rt_msg_encode(&msg_decision_def, &out.decision, &scratch);
    RT_ASSERT(!scratch.failed);
    br_state_apply_decision(p->state, keep(p, RT_RECORD_DECISION, rt_mpw_view(&scratch)),
                            &out.decision);
    const msg_candidate *candidates = out.decision.candidates.items;
    for (uint32_t i = 0; i < out.decision.candidates.count; i++) {
        if (candidates[i].action_id.len > 0) {
            check_winner(p, &candidates[i]);
            p->acted[p->acted_count - 1].seq = event->seq;
        }
    }
}

// Takes and decides an event from its data map in `wire`.
static void
take(play *p, const char *type, const char *subject, bool internal)
{
    rt_event event = {.type = rt_catalog_find(fuzz_catalog(), rt_str_of(type)),
                      .tenant = TENANT,
                      .internal = internal,
                      .id = RT_STR("e"),
                      .source = RT_STR(BR_OPERATORS),
                      .subject = rt_str_of(subject),
                      .at_ms = p->now_ms,
                      .time_ms = p->now_ms};
    rt_bytes data = rt_mpw_view(&wire);
    br_consulted_event said;

    RT_ASSERT(event.type != NULL);
    for (uint32_t i = 0; i < event.type->field_count; i++) {
        rt_mp at;
        if (rt_mp_find(data, event.type->fields[i].name, &at)) {
            RT_ASSERT(rt_value_read(&at, &event.slots[i]) == RT_OK);
        }
    }
    event.seq = p->seq + 1;
    br_state_situate(p->state, &event, event.at_ms, situation);
    rt_mpw_clear(&scratch);
    br_situation_encode(situation, &scratch);
    event.context = rt_arena_copy(journal, rt_mpw_view(&scratch));
    rt_mpw_clear(&scratch);
    rt_event_encode(&event, &scratch);
    const rt_record *record = keep(p, RT_RECORD_EVENT, rt_mpw_view(&scratch));
    RT_ASSERT(br_state_consult(p->state, situation, consult_arena, &said_bytes, &said) == RT_OK);
    br_state_apply_event(p->state, &event, situation);
    decide(p, &event, &said, record->payload);
}

static void
put(const char *key, const char *value)
{
    rt_mpw_cstr(&wire, key);
    rt_mpw_cstr(&wire, value);
}

static void
begin(uint32_t pairs)
{
    rt_mpw_clear(&wire);
    rt_mpw_map(&wire, pairs);
}

static void
pass(play *p, int64_t ms)
{
    int64_t until_ms = p->now_ms + ms;
    br_due due;

    while (p->fires < FIRES_MAX && br_timers_due(p->state->timers, until_ms, &due)) {
        char subject[RT_EVENT_SUBJECT_MAX + 1];

        p->fires++;
        p->now_ms = RT_MAX(p->now_ms, due.due_ms);
        begin(2);
        rt_mpw_cstr(&wire, "owner");
        rt_mpw_str(&wire, due.owner);
        rt_mpw_cstr(&wire, "key");
        rt_mpw_str(&wire, due.key);
        (void)snprintf(subject, sizeof(subject), "%.*s", RT_STR_ARG(due.subject));
        take(p, "timer.fired", subject, true);
    }
    p->now_ms = until_ms;
}

static void
tell_outcome(play *p, uint8_t which, bool good)
{
    acted *a = p->acted_count > 0 ? &p->acted[which % p->acted_count] : NULL;

    if (a != NULL && a->open) {
        a->open = false;
        begin(4);
        put("action_id", a->id);
        rt_mpw_cstr(&wire, "action");
        rt_mpw_str(&wire, a->action);
        rt_mpw_cstr(&wire, "decision_seq");
        rt_mpw_u64(&wire, a->seq);
        put("status", good ? "executed" : "failed");
        take(p, "action.executed", "order/1", true);
    }
}

static void
answer(play *p, uint8_t how)
{
    br_progress_row row;
    static const char *const people[] = {"uid:1", "uid:2", "uid:3"};
    char key[BR_PROGRESS_KEY_MAX + 1];
    char playbook[BR_PLAYBOOK_ID_MAX + 1];

    for (size_t cursor = 0; br_progress_next(p->state->progress, &cursor, &row);) {
        if (!rt_str_is(row.what, "approval")) {
            continue;
        }
        (void)snprintf(key, sizeof(key), "%.*s", RT_STR_ARG(row.key));
        (void)snprintf(playbook, sizeof(playbook), "%.*s", RT_STR_ARG(row.playbook));
        begin(4);
        put("playbook", playbook);
        put("key", key);
        put("verdict", how % 4 == 0 ? "denied" : "granted");
        put("by", people[how / 4 % RT_COUNT(people)]);
        p->agreed += how % 4 != 0 && strcmp(playbook, "asks") == 0;
        take(p, "approval.decided", "order/1", how % 16 != 15); // else a producer says so
        return;
    }
}

static void
operate(play *p, fuzz_in *in)
{
    static const char *const subjects[] = {"order/1", "order/2", "order/3"};
    static const char *const carriers[] = {"tcc", "envia", "veloz"};
    static const char *const kinds[] = {"late", "lost"};
    static const char *const modes[] = {"off", "shadow", "canary", "live"};
    static const char *const ids[] = {"count", "absent", "asks", "ladder", "share", "steps"};
    uint8_t op = fuzz_u8(in);
    uint8_t with = fuzz_u8(in);
    const char *subject = subjects[with % RT_COUNT(subjects)];

    switch (op % 9) {
    case 0:
    case 1:
        begin(2);
        put("reason", "absent");
        put("carrier", carriers[with / 4 % RT_COUNT(carriers)]);
        take(p, "delivery.failed", subject, false);
        break;
    case 2:
        begin(2);
        put("customer_id", "c1");
        put("kind", kinds[with / 4 % RT_COUNT(kinds)]);
        take(p, "issue.reported", subject, false);
        break;
    case 3:
        begin(0);
        take(p, "order.delivered", subject, false);
        break;
    case 4:
        pass(p, (int64_t)(with + 1) * 2 * MINUTE_MS);
        break;
    case 5:
        tell_outcome(p, with / 2, with % 4 != 0);
        break;
    case 6:
        answer(p, with);
        break;
    case 7:
        begin(4);
        put("playbook", ids[with % RT_COUNT(ids)]);
        put("mode", modes[with / 8 % RT_COUNT(modes)]);
        put("by", "uid:1");
        rt_mpw_cstr(&wire, "percent");
        rt_mpw_f64(&wire, with % 101);
        take(p, "playbook.mode_set", "", true);
        break;
    default:
        use(p, with);
        break;
    }
}

// The same records, folded into a fresh state, come to the same rows.
static void
fold_again(play *p)
{
    rt_store *store = rt_store_open_memory();
    br_state *again = new_state(store);

    for (size_t i = 0; i < p->record_count; i++) {
        const rt_record *record = &p->records[i];

        rt_arena_reset(arena);
        if (record->kind == RT_RECORD_EVENT) {
            rt_event event;
            RT_ASSERT(rt_event_decode_record(fuzz_catalog(), record->seq, record->at_ms,
                                             record->payload, &event) == RT_OK);
            br_state_situate(again, &event, event.at_ms, situation);
            br_state_apply_event(again, &event, situation);
        } else if (record->kind == RT_RECORD_DECISION) {
            msg_decision decision;
            rt_mp mp = rt_mp_init(record->payload);
            RT_ASSERT(rt_msg_decode(&msg_decision_def, &mp, arena, &decision) == RT_OK);
            br_state_apply_decision(again, record, &decision);
        } else {
            rt_diag *diag = rt_diag_new();
            br_playbooks *set = NULL;
            RT_ASSERT(br_state_decode_playbooks(fuzz_pack(), record->payload, diag, &set) ==
                      RT_OK);
            br_state_apply_playbooks(again, record, set);
            rt_diag_free(diag);
        }
    }
    RT_ASSERT(br_state_hash(again) == br_state_hash(p->state));
    br_state_free(again);
    rt_store_close(store);
}

// When nothing more happens, what was kept in mind is forgotten.
static void
let_go(play *p)
{
    br_progress_row row;

    for (size_t i = 0; i < p->acted_count && i < 256; i++) {
        tell_outcome(p, (uint8_t)i, true);
    }
    for (int i = 0; i < 8; i++) {
        pass(p, 5 * DAY_MS);
        for (size_t a = 0; a < p->acted_count && a < 256; a++) {
            tell_outcome(p, (uint8_t)a, true);
        }
    }
    if (p->fires == FIRES_MAX || p->acted_count > 256) {
        return;
    }
    for (size_t cursor = 0; br_progress_next(p->state->progress, &cursor, &row);) {
        RT_ASSERT(rt_str_is(row.what, "mode") || rt_str_is(row.what, "guard") ||
                  rt_str_is(row.what, "policy"));
    }
    RT_ASSERT(br_timers_count(p->state->timers) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static play p;
    fuzz_in in = {data, size};

    memset(&p, 0, sizeof(p));
    rt_arena_reset(journal);
    p.store = rt_store_open_memory();
    p.state = new_state(p.store);
    p.now_ms = NOW_MS;
    use(&p, fuzz_u8(&in));
    for (int i = 0; i < OPS_MAX && in.left > 0; i++) {
        operate(&p, &in);
    }
    let_go(&p);
    fold_again(&p);
    br_state_free(p.state);
    rt_store_close(p.store);
    return 0;
}
