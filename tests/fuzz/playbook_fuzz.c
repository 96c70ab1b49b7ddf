// Playbooks as operators write them: loaded, compiled, consulted, decided on.
//
// The input is one file, or several with SEPARATOR between them, compiled as one set over the real
// pack. A set that compiles is consulted about fixed events, twice, with equal answers; what it
// proposes passes through arbitration and gate into a decision that can be encoded and read back.
#include "brain/core/decide.h"
#include "tests/fuzz/fuzz.h"

#define SEPARATOR "%%%\n"
#define FILES_MAX 4
#define NOW_MS INT64_C(1795150800000) // 2026-11-20T05:00:00Z
#define HOUR_MS ((int64_t)3600 * 1000)
#define TENANT ((rt_tenant){1})
#define ARENA_BYTES (4u << 20)
#define SUBJECTS 2

static const char *const types[] = {
    "delay.detected",  "carrier.status",   "order.created",     "customer.inquiry",
    "timer.fired",     "order.delivered",  "issue.reported",    "order.cancelled",
    "delivery.failed", "anomaly.detected", "customer.feedback", "tracking.updated",
};

static rt_store *store;
static br_state *state;
static rt_arena *arena;
static rt_mpw first;
static rt_mpw second;
static rt_event events[RT_COUNT(types) * SUBJECTS];
static br_situation situations[RT_COUNT(events)];
static size_t event_count;

// An event of the type with every other field set, or all.
static void
add_event(const char *name, bool is_full)
{
    rt_event *event = &events[event_count];
    const rt_event_type *type = rt_catalog_find(fuzz_catalog(), rt_str_of(name));

    if (type == NULL) {
        return;
    }
    *event = (rt_event){.type = type,
                        .seq = 10,
                        .at_ms = NOW_MS,
                        .time_ms = NOW_MS,
                        .tenant = TENANT,
                        .id = RT_STR("e1"),
                        .source = RT_STR("/fuzz"),
                        .subject = is_full ? RT_STR("order/1") : RT_STR("carrier/veloz")};
    for (uint32_t i = 0; i < type->field_count; i++) {
        const rt_field *field = &type->fields[i];

        if (!is_full && !field->required) {
            continue;
        }
        event->slots[i] = (rt_value){.kind = field->kind, .i = 1};
        if (field->kind == RT_KIND_STR) {
            event->slots[i].s = field->value_count > 0 ? field->values[0] : RT_STR("text");
        } else if (field->kind == RT_KIND_F64) {
            event->slots[i].f = 0.9;
        } else if (field->kind == RT_KIND_BOOL) {
            event->slots[i].b = true;
        }
    }
    br_state_situate(state, event, NOW_MS, &situations[event_count]);
    event_count++;
}

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
    static const int64_t zones[] = {0, -5 * HOUR_MS};
    const br_state_config config = {.pack = fuzz_pack(),
                                    .gate = {.actions_per_minute = 50,
                                             .quiet_from_min = 21 * 60,
                                             .quiet_until_min = 8 * 60,
                                             .utc_offset_ms = zones,
                                             .tenant_count = RT_COUNT(zones)},
                                    .subjects_max = 1000,
                                    .memories_max = 1000,
                                    .dedup_events = 1024,
                                    .dedup_window_ms = 24 * HOUR_MS};
    rt_diag *diag = rt_diag_new();

    (void)argc;
    (void)argv;
    fuzz_begin();
    store = rt_store_open_memory();
    RT_ASSERT(br_state_new(store, &config, diag, &state) == RT_OK);
    rt_diag_free(diag);
    arena = rt_arena_new(ARENA_BYTES);
    rt_mpw_init(&first, ARENA_BYTES);
    rt_mpw_init(&second, ARENA_BYTES);
    for (size_t i = 0; i < RT_COUNT(types); i++) {
        add_event(types[i], true);
        add_event(types[i], false);
    }
    return 0;
}

static br_playbooks *
compile(const uint8_t *data, size_t size)
{
    br_playbook_file files[FILES_MAX];
    fuzz_in in = {data, size};
    rt_diag *diag = rt_diag_new();
    br_playbooks *set = NULL;
    size_t count = 0;
    rt_err err = RT_OK;

    while (count < FILES_MAX && fuzz_until(&in, RT_STR(SEPARATOR), &files[count].text)) {
        files[count++].name = RT_STR("x.yaml");
    }
    err = br_playbooks_compile(fuzz_pack(), files, count, 7, diag, &set);
    RT_ASSERT((err == RT_OK) == (set != NULL) && (err == RT_OK) == (rt_diag_errors(diag) == 0));
    fuzz_diag_sound(diag);
    rt_diag_free(diag);
    return set;
}

static void
check_info(const br_playbooks *set)
{
    RT_ASSERT(br_playbooks_version(set) == 7);
    for (size_t i = 0; i < br_playbooks_count(set); i++) {
        br_playbook_info info = br_playbooks_info(set, i);

        RT_ASSERT(info.id.len > 0 && info.id.len <= BR_PLAYBOOK_ID_MAX);
        RT_ASSERT(info.throttle_ms == br_playbooks_throttle_ms(set, info.id));
    }
}

// What a playbook proposes is an action of the pack, and its arguments are well-formed.
static void
check_proposal(const msg_proposal *p)
{
    const br_action *action = br_pack_action(fuzz_pack(), p->action);

    RT_ASSERT(action != NULL && rt_str_starts(p->agent, RT_STR("playbook:")));
    RT_ASSERT(p->priority >= 0 && p->priority <= 100 && p->confidence >= 0 && p->confidence <= 1);
    RT_ASSERT(p->args.len == 0 || rt_mp_check(p->args) == RT_OK);
}

static void
decide(const rt_event *event, rt_bytes consultation)
{
    br_undecided undecided = {.seq = event->seq,
                              .type = event->type,
                              .tenant = event->tenant,
                              .depth = 1,
                              .id = event->id,
                              .subject = event->subject,
                              .consultation = consultation};
    br_hearing hearing = {.event = &undecided, .now_ms = NOW_MS};
    br_outcome outcome;
    msg_decision again;
    rt_mp mp;

    RT_ASSERT(br_decide(state, &hearing, arena, &outcome) == RT_OK);
    RT_ASSERT(outcome.winner_count <= outcome.decision.candidates.count);
    rt_mpw_clear(&second);
    rt_msg_encode(&msg_decision_def, &outcome.decision, &second);
    mp = rt_mp_init(rt_mpw_view(&second));
    RT_ASSERT(!second.failed && rt_msg_decode(&msg_decision_def, &mp, arena, &again) == RT_OK);
    RT_ASSERT(again.candidates.count == outcome.decision.candidates.count);
}

static void
consult(const br_playbooks *set, size_t which)
{
    msg_consultation said;
    const msg_proposal *proposals = NULL;

    rt_arena_reset(arena);
    RT_ASSERT(br_playbooks_consult(set, &situations[which], arena, &said) == RT_OK);
    rt_mpw_clear(&first);
    rt_msg_encode(&msg_consultation_def, &said, &first);
    proposals = said.proposals.items;
    for (uint32_t i = 0; i < said.proposals.count; i++) {
        check_proposal(&proposals[i]);
    }
    RT_ASSERT(br_playbooks_consult(set, &situations[which], arena, &said) == RT_OK);
    rt_mpw_clear(&second);
    rt_msg_encode(&msg_consultation_def, &said, &second);
    RT_ASSERT(rt_bytes_equal(rt_mpw_view(&first), rt_mpw_view(&second)));
    if (said.consulted.count + said.proposals.count > 0) {
        RT_ASSERT(br_playbooks_hears(set, events[which].type));
        decide(&events[which], rt_mpw_view(&first));
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    br_playbooks *set = compile(data, size);

    if (set != NULL) {
        check_info(set);
        for (size_t i = 0; i < event_count; i++) {
            consult(set, i);
        }
        br_playbooks_free(set);
    }
    return 0;
}
