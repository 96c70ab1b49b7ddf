// bench-micro: what each step of an event's way costs by itself. See README.md.
//
// usage: bench-micro [-o json] [--runs N] [--ms N] [--events N] [--source DIR]
//
// Brain and agents live on the simulated seams until they have seen --events events; the steps are
// then run on what they left: its state, and the events and decisions of its journal with the
// situations recorded in them. What counts is the CPU time of this process.
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "brain/core/internal.h"
#include "brain/playbook/internal.h"
#include "runtime/base/alloc.h"
#include "runtime/base/check.h"
#include "tests/bench/micro_report.h"
#include "tests/bench/whole.h"

#define SAMPLE_MAX 4096  // events and decisions, the last ones of the journal
#define RARE_MAX 1024    // events before those, a few of each type
#define RARE_OF_TYPE_MAX 32
#define WIRE_EVENTS 4096 // as producers send them
#define STAGES_MAX 64
#define TABLE_ROWS 200000
#define ROW_BYTES 64
#define KEY_BYTES 24
#define ARENA_BYTES (256u * 1024 * 1024)
#define GOAL_NS 200.0 // of a condition

typedef struct sample {
    rt_event event;
    br_situation situation;
} sample;

// The candidates of one decision.
typedef struct contest {
    br_candidate *candidates;
    uint32_t count;
} contest;

typedef struct bench {
    whole w;
    const rt_catalog *catalog;
    br_state *state;
    rt_arena *kept; // payloads and what views them
    rt_arena *turn; // cleared after each operation that uses it
    rt_mpw out;
    load_messages wire;
    sample *samples;
    uint32_t sample_count;
    sample *rare; // asked for conditions only
    uint32_t rare_count;
    msg_decision *decisions;
    uint32_t decision_count;
    contest *contests;
    uint32_t contest_count;
    rt_store *store;
    rt_table *table;
    uint64_t fresh; // numbers of events that were never seen
} bench;

typedef struct stage stage;
typedef void (*stage_run)(bench *b, const stage *s, uint32_t ops);

struct stage {
    stage_run run;
    const br_rule *rule; // of a condition
    const sample **events; // that it is asked about
    uint32_t event_count;
};

static bench b;
static stage stages[STAGES_MAX];
static micro_row rows[STAGES_MAX];
static size_t stage_count;
static volatile uint64_t sink; // what is computed is used

// --- the steps ---

static void
run_walk(bench *x, const stage *s, uint32_t ops)
{
    (void)s;
    for (uint32_t i = 0; i < ops; i++) {
        rt_mp mp = rt_mp_init(load_message(&x->wire, i % x->wire.count));

        sink += rt_mp_skip(&mp) == RT_OK;
    }
}

static void
run_decode(bench *x, const stage *s, uint32_t ops)
{
    rt_event event;
    rt_reject reject;

    (void)s;
    for (uint32_t i = 0; i < ops; i++) {
        rt_mp mp = rt_mp_init(load_message(&x->wire, i % x->wire.count));

        RT_ASSERT(rt_event_decode(x->catalog, &mp, &event, &reject) == RT_OK);
        sink += event.subject.len;
    }
}

static void
run_decode_record(bench *x, const stage *s, uint32_t ops)
{
    rt_event event;

    (void)s;
    for (uint32_t i = 0; i < ops; i++) {
        const rt_event *old = &x->samples[i % x->sample_count].event;

        rt_mpw_clear(&x->out);
        rt_event_encode(old, &x->out);
        RT_ASSERT(rt_event_decode_record(x->catalog, old->seq, old->at_ms, rt_mpw_view(&x->out),
                                         &event) == RT_OK);
    }
}

// An event that nobody has sent yet, with the content of another.
static rt_event
fresh_event(bench *x, uint32_t index, char id[32])
{
    rt_event event = x->samples[index % x->sample_count].event;
    int len = snprintf(id, 32, "bench-%012llu", (unsigned long long)++x->fresh);

    event.id = (rt_str){id, (size_t)len};
    event.has_sequence = false;
    event.seq = x->state->applied_seq + 1;
    event.at_ms = x->state->meta.clock_ms;
    return event;
}

static void
run_seen(bench *x, const stage *s, uint32_t ops)
{
    uint64_t seq = 0;

    (void)s;
    for (uint32_t i = 0; i < ops; i++) {
        sink += br_dedup_seen(x->state->dedup, &x->samples[i % x->sample_count].event, &seq);
    }
}

static void
run_remember(bench *x, const stage *s, uint32_t ops)
{
    (void)s;
    for (uint32_t i = 0; i < ops; i++) {
        char id[32];
        rt_event event = fresh_event(x, i, id);

        br_dedup_remember(x->state->dedup, &event);
    }
}

static rt_bytes
row_key(uint64_t number, uint8_t key[KEY_BYTES])
{
    memset(key, 'k', KEY_BYTES);
    memcpy(key, &number, sizeof(number));
    return (rt_bytes){key, KEY_BYTES};
}

// Rows in no order: a lookup meets what no cache holds.
static uint64_t
row_number(uint32_t i)
{
    return (uint64_t)i * 2654435761u % TABLE_ROWS;
}

static void
run_get(bench *x, const stage *s, uint32_t ops)
{
    (void)s;
    for (uint32_t i = 0; i < ops; i++) {
        uint8_t key[KEY_BYTES];
        rt_bytes row;

        RT_ASSERT(rt_table_get(x->table, row_key(row_number(i), key), &row));
        sink += row.ptr[0];
    }
}

static void
run_edit(bench *x, const stage *s, uint32_t ops)
{
    (void)s;
    for (uint32_t i = 0; i < ops; i++) {
        uint8_t key[KEY_BYTES];
        bool is_new = false;
        uint8_t *row = rt_table_edit(x->table, row_key(row_number(i), key), ROW_BYTES, &is_new);

        row[8]++;
    }
}

static void
run_situate(bench *x, const stage *s, uint32_t ops)
{
    static br_situation situation;

    (void)s;
    for (uint32_t i = 0; i < ops; i++) {
        const rt_event *event = &x->samples[i % x->sample_count].event;

        br_state_situate(x->state, event, event->at_ms, &situation);
        sink += (uint64_t)situation.memory_events;
    }
}

static void
run_situation_encode(bench *x, const stage *s, uint32_t ops)
{
    (void)s;
    for (uint32_t i = 0; i < ops; i++) {
        rt_mpw_clear(&x->out);
        br_situation_encode(&x->samples[i % x->sample_count].situation, &x->out);
        sink += x->out.len;
    }
}

static void
run_features_read(bench *x, const stage *s, uint32_t ops)
{
    (void)s;
    for (uint32_t i = 0; i < ops; i++) {
        br_situation *situation = &x->samples[i % x->sample_count].situation;

        br_features_read(x->state->features, situation);
        sink += situation->has_group[0];
    }
}

static void
run_features_update(bench *x, const stage *s, uint32_t ops)
{
    (void)s;
    for (uint32_t i = 0; i < ops; i++) {
        br_features_update(x->state->features, &x->samples[i % x->sample_count].situation, x->turn);
        rt_arena_reset(x->turn);
    }
}

static void
run_condition(bench *x, const stage *s, uint32_t ops)
{
    br_expr_result result;

    for (uint32_t i = 0; i < ops; i++) {
        br_expr_eval(s->rule->when, br_situation_load, &s->events[i % s->event_count]->situation,
                     x->turn, &result);
        sink += br_expr_is_true(&result);
    }
    rt_arena_reset(x->turn);
}

static void
run_consult(bench *x, const stage *s, uint32_t ops)
{
    br_consulted_event said;

    (void)s;
    for (uint32_t i = 0; i < ops; i++) {
        RT_ASSERT(br_state_consult(x->state, &x->samples[i % x->sample_count].situation, x->turn,
                                   &x->out, &said) == RT_OK);
        sink += said.consultation.len;
        rt_arena_reset(x->turn);
    }
}

static void
run_apply(bench *x, const stage *s, uint32_t ops)
{
    static br_situation situation;

    (void)s;
    for (uint32_t i = 0; i < ops; i++) {
        char id[32];
        rt_event event = fresh_event(x, i, id);

        br_state_situate(x->state, &event, event.at_ms, &situation);
        br_state_apply_event(x->state, &event, &situation);
    }
}

static bool
admit(void *user, br_candidate *candidate)
{
    (void)user;
    (void)candidate;
    return true;
}

static void
run_arbitrate(bench *x, const stage *s, uint32_t ops)
{
    (void)s;
    for (uint32_t i = 0; i < ops; i++) {
        const contest *c = &x->contests[i % x->contest_count];

        sink += br_arbitrate(c->candidates, c->count, admit, NULL);
    }
}

static void
run_decision_encode(bench *x, const stage *s, uint32_t ops)
{
    (void)s;
    for (uint32_t i = 0; i < ops; i++) {
        rt_mpw_clear(&x->out);
        rt_msg_encode(&msg_decision_def, &x->decisions[i % x->decision_count], &x->out);
        sink += x->out.len;
    }
}

// --- what they run on ---

static stage *
add_stage(stage_run run, const char *name)
{
    RT_ASSERT(stage_count < STAGES_MAX);
    stages[stage_count].run = run;
    (void)snprintf(rows[stage_count].name, MICRO_NAME_MAX, "%s", name);
    return &stages[stage_count++];
}

static rt_bytes
keep_bytes(rt_bytes bytes)
{
    uint8_t *copy = rt_arena_alloc(b.kept, bytes.len + 1);

    RT_ASSERT(copy != NULL);
    memcpy(copy, bytes.ptr, bytes.len);
    return (rt_bytes){copy, bytes.len};
}

static bool
keep_event(const rt_record *record, sample *kept)
{
    if (rt_event_decode_record(b.catalog, record->seq, record->at_ms, keep_bytes(record->payload),
                               &kept->event) != RT_OK) {
        return false;
    }
    kept->situation = (br_situation){.event = &kept->event,
                                     .plan = br_pack_plan_of(b.w.pack, &kept->event),
                                     .now_ms = kept->event.at_ms};
    br_situation_decode(&kept->situation, kept->event.context);
    return true;
}

static bool
is_rare(const rt_record *record)
{
    rt_event event;
    uint32_t count = 0;

    if (b.rare_count == RARE_MAX || rt_event_decode_record(b.catalog, record->seq, record->at_ms,
                                                           record->payload, &event) != RT_OK) {
        return false;
    }
    for (uint32_t i = 0; i < b.rare_count; i++) {
        count += b.rare[i].event.type == event.type;
    }
    return count < RARE_OF_TYPE_MAX;
}

static void
keep_contest(const msg_decision *decision)
{
    contest *c = &b.contests[b.contest_count];
    const msg_candidate *from = decision->candidates.items;

    *c = (contest){.candidates = rt_new_array(br_candidate, decision->candidates.count),
                   .count = decision->candidates.count};
    for (uint32_t i = 0; i < c->count; i++) {
        c->candidates[i].msg.proposal = from[i].proposal;
        c->candidates[i].action = br_pack_action(b.w.pack, from[i].proposal.action);
    }
    b.contest_count++;
}

static void
keep_decision(const rt_record *record)
{
    msg_decision *kept = &b.decisions[b.decision_count];
    rt_mp mp = rt_mp_init(keep_bytes(record->payload));

    if (rt_msg_decode(&msg_decision_def, &mp, b.kept, kept) != RT_OK) {
        return;
    }
    if (kept->candidates.count > 0) {
        b.decision_count++;
        keep_contest(kept);
    }
}

// The last events of the journal, some of each type before them, and decisions with candidates.
static void
read_journal(void)
{
    uint64_t last = rt_journal_committed(b.w.brain->journal);
    rt_journal_reader *reader = NULL;
    rt_record record;

    RT_ASSERT(rt_journal_reader_open(WHOLE_DATA_DIR "/journal", 1, &reader) == RT_OK);
    while (rt_journal_reader_next(reader, &record) == RT_OK) {
        bool is_late = record.seq + 2 * SAMPLE_MAX > last && b.sample_count < SAMPLE_MAX;

        if (record.kind == RT_RECORD_DECISION && b.decision_count < SAMPLE_MAX) {
            keep_decision(&record);
        } else if (record.kind == RT_RECORD_EVENT && is_late) {
            b.sample_count += keep_event(&record, &b.samples[b.sample_count]);
        } else if (record.kind == RT_RECORD_EVENT && is_rare(&record)) {
            b.rare_count += keep_event(&record, &b.rare[b.rare_count]);
        }
    }
    rt_journal_reader_close(reader);
    RT_ASSERT(b.sample_count > 0 && b.decision_count > 0 && b.contest_count > 0);
}

static void
fill_table(void)
{
    b.store = rt_store_open_memory();
    RT_ASSERT(rt_store_table(b.store, 1, "bench", &b.table) == RT_OK);
    for (uint64_t i = 0; i < TABLE_ROWS; i++) {
        uint8_t key[KEY_BYTES];
        uint8_t row[ROW_BYTES] = {0};

        rt_table_put(b.table, row_key(i, key), (rt_bytes){row, sizeof(row)});
    }
}

static void
prepare(const char *source, uint32_t events)
{
    load_events wire;

    whole_start(&b.w, source, events, 64, 0);
    whole_send_upto(&b.w, b.w.messages.count);
    b.catalog = br_pack_catalog(b.w.pack);
    b.state = b.w.brain->state;
    b.kept = rt_arena_new(ARENA_BYTES);
    b.turn = rt_arena_new(ARENA_BYTES);
    rt_mpw_init(&b.out, RT_JOURNAL_PAYLOAD_MAX);
    b.samples = rt_new_array(sample, SAMPLE_MAX);
    b.rare = rt_new_array(sample, RARE_MAX);
    b.decisions = rt_new_array(msg_decision, SAMPLE_MAX);
    b.contests = rt_new_array(contest, SAMPLE_MAX);
    RT_ASSERT(load_generate(WIRE_EVENTS, 2, &wire) == RT_OK);
    load_pack(&wire, 0, wire.count, 1, wire.at_ms[0], &b.wire);
    load_events_free(&wire);
    read_journal();
    fill_table();
}

// --- conditions ---

static uint32_t
events_of(const rt_event_type *type, const sample **ret)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < b.sample_count + b.rare_count; i++) {
        const sample *one = i < b.sample_count ? &b.samples[i] : &b.rare[i - b.sample_count];

        if (one->event.type == type) {
            ret[count++] = one;
        }
    }
    return count;
}

static void
add_condition(const br_rule *rule, const rt_event_type *type)
{
    const sample **events = rt_new_array(const sample *, SAMPLE_MAX + RARE_MAX);
    uint32_t count = events_of(type, events);
    char name[MICRO_NAME_MAX];
    stage *s = NULL;

    if (count == 0) {
        (void)fprintf(stderr, "bench: no %.*s in the journal, so that %.*s is not asked\n",
                      RT_STR_ARG(type->name), RT_STR_ARG(rule->playbook->info.id));
        rt_free(events);
        return;
    }
    (void)snprintf(name, sizeof(name), "condition of %.*s on %.*s",
                   RT_STR_ARG(rule->playbook->info.id), RT_STR_ARG(type->name));
    s = add_stage(run_condition, name);
    s->rule = rule;
    s->events = events;
    s->event_count = count;
}

static void
add_conditions(void)
{
    const br_playbooks *set = b.state->playbooks;

    for (uint16_t i = 0; i < rt_catalog_count(b.catalog); i++) {
        const rt_event_type *type = rt_catalog_at(b.catalog, i);
        const br_rule_list *list = &set->by_type[type->index];

        for (uint32_t k = 0; k < list->count; k++) {
            if (list->rules[k]->when != NULL) {
                add_condition(list->rules[k], type);
            }
        }
    }
}

static void
add_stages(void)
{
    add_stage(run_walk, "an event of a producer, walked over as msgpack");
    add_stage(run_decode, "an event of a producer, decoded and checked");
    add_stage(run_seen, "dedup: was it seen?");
    add_stage(run_remember, "dedup: an event remembered");
    add_stage(run_get, "table of 200,000 rows: one looked up");
    add_stage(run_edit, "table of 200,000 rows: one changed in place");
    add_stage(run_features_read, "features: those of an event read");
    add_stage(run_features_update, "features: those of an event updated");
    add_stage(run_situate, "situation of an event");
    add_stage(run_situation_encode, "situation encoded as the event's context");
    add_stage(run_decode_record, "an event encoded for the journal and read back");
    add_stage(run_apply, "an event situated and folded");
    add_conditions();
    add_stage(run_consult, "all playbooks of an event asked, answer encoded");
    add_stage(run_arbitrate, "arbitration of a decision's candidates");
    add_stage(run_decision_encode, "a decision with candidates encoded");
}

// --- measuring ---

static double
cpu_ns(void)
{
    return (double)clock() * (1e9 / CLOCKS_PER_SEC);
}

// How many operations take `ms`, found by doubling; the first ones warm the caches.
static uint32_t
calibrate(const stage *s, int64_t ms)
{
    uint32_t ops = 64;

    for (;;) {
        double begin = cpu_ns();

        s->run(&b, s, ops);
        if (cpu_ns() - begin >= (double)ms * 1e6 || ops >= UINT32_C(1) << 28) {
            return ops;
        }
        ops *= 2;
    }
}

static void
measure(uint32_t runs, int64_t ms)
{
    for (size_t i = 0; i < stage_count; i++) {
        rows[i].ops = calibrate(&stages[i], ms);
    }
    for (uint32_t round = 0; round < runs; round++) { // in turns, so that a bad minute is shared
        for (size_t i = 0; i < stage_count; i++) {
            double begin = cpu_ns();

            stages[i].run(&b, &stages[i], (uint32_t)rows[i].ops);
            rows[i].ns[rows[i].runs++] = (cpu_ns() - begin) / (double)rows[i].ops;
        }
    }
}

static void
tell_goal(void)
{
    size_t asked = 0;
    size_t within = 0;

    for (size_t i = 0; i < stage_count; i++) {
        if (stages[i].run == run_condition) { // the report has sorted its runs
            asked++;
            within += rows[i].ns[rows[i].runs / 2] <= GOAL_NS;
        }
    }
    printf("\n%zu of %zu conditions within %.0f ns; asked about %u events and %u decisions with "
           "candidates\n",
           within, asked, GOAL_NS, b.sample_count + b.rare_count, b.decision_count);
}

int
main(int argc, char **argv)
{
    int64_t runs = 9;
    int64_t ms = 20;
    int64_t events = 60000;
    const char *source = ".";
    bool json = false;
    bool ok = true;

    for (int at = 1; at < argc && ok; at += 2) {
        int64_t *to = strcmp(argv[at], "--runs") == 0     ? &runs
                      : strcmp(argv[at], "--ms") == 0     ? &ms
                      : strcmp(argv[at], "--events") == 0 ? &events
                                                          : NULL;

        if (at + 1 == argc) {
            ok = false;
        } else if (strcmp(argv[at], "-o") == 0) {
            json = strcmp(argv[at + 1], "json") == 0;
        } else if (strcmp(argv[at], "--source") == 0) {
            source = argv[at + 1];
        } else {
            ok = to != NULL && rt_parse_i64(rt_str_of(argv[at + 1]), to) == RT_OK && *to > 0;
        }
    }
    if (!ok || runs > MICRO_RUNS_MAX || ms > 10000 || events > 5000000) {
        (void)fprintf(stderr, "usage: bench-micro [-o json] [--runs N] [--ms N] [--events N] "
                              "[--source DIR]\n");
        return 2;
    }
    prepare(source, (uint32_t)events);
    add_stages();
    measure((uint32_t)runs, ms);
    micro_print(rows, stage_count, "a step of an event's way", json);
    if (!json) {
        tell_goal();
    }
    return 0;
}
