#include "brain/agent/runner.h"

#include <stdio.h>

#include "runtime/base/alloc.h"
#include "runtime/base/log.h"
#include "tests/harness/check.h"

#define MS 1000
#define S (1000 * MS)
#define PAYLOAD_MAX 4096

static const char catalog_text[] =
    "kind: catalog\n"
    "events:\n"
    "  test.counted:\n"
    "    doc: Counted.\n"
    "    fields:\n"
    "      n: {type: i64, required: true, min: 0, max: 1000000, doc: Number.}\n"
    "  test.silent:\n"
    "    doc: Nobody hears it.\n"
    "    fields:\n"
    "      n: {type: i64, doc: Number.}\n"
    "  test.raised:\n"
    "    doc: Raised by an agent.\n"
    "    fields:\n"
    "      n: {type: i64, doc: Number.}\n"
    "  timer.fired:\n"
    "    doc: A timer.\n"
    "    fields:\n"
    "      owner: {type: str, required: true, cap: 64, doc: Owner.}\n"
    "      key: {type: str, required: true, cap: 160, doc: Key.}\n";

// --- the agents under test ---

// What the test tells an agent to do and what the agent noticed; an agent of the product has no
// such thing, a test needs a finger in the machine.
static struct {
    int crashes_left;        // the crasher's next handlers fail
    uint64_t poison_seq;     // it always fails on this record
    bool is_failing_always;
    int inits;
    int finis;
    int timers_heard;
    int silent_decodes;
    int decisions_heard;
    uint64_t seqs[64];       // records the crasher took, in order
    size_t seq_count;
    uint64_t playbooks[64];  // version it saw with each
    bool was_state_clean;
    rt_table *counts;        // the counter's table
} probe;

// counter: keeps a count and a sum for each subject.
typedef struct counter_state {
    rt_table *counts;
    int n_slot;
} counter_state;

typedef struct counter_row {
    int64_t count;
    int64_t sum;
    uint64_t drawn;
} counter_row;

static rt_err
counter_init(br_agent *self, void *state)
{
    counter_state *st = state;
    rt_err err = br_agent_table(self, 0, "counts", &st->counts);

    probe.counts = st->counts;
    return err == RT_OK ? br_agent_bind(self, "test.counted", "n", &st->n_slot) : err;
}

static rt_err
counter_on_counted(br_agent *self, void *state, const rt_event *event)
{
    counter_state *st = state;
    rt_key key = rt_key_text(event->tenant, event->subject);
    bool is_new = false;
    counter_row *row = rt_table_edit(st->counts, rt_key_bytes(&key), sizeof(*row), &is_new);

    row->count++;
    row->sum += event->slots[st->n_slot].i;
    row->drawn ^= rt_rng_u64(br_agent_rng(self));
    return RT_OK;
}

static const br_handler counter_handlers[] = {{"test.counted", counter_on_counted}};

static const br_agent_def counter_agent = {
    .id = 1,
    .name = "counter",
    .doc = "Counts.",
    .state_size = sizeof(counter_state),
    .init = counter_init,
    .handlers = counter_handlers,
    .handler_count = RT_COUNT(counter_handlers),
};

// crasher: writes a row, proposes, and then fails when it is told to.
typedef struct crasher_state {
    rt_table *rows;
    bool is_dirty;
} crasher_state;

static rt_err
crasher_init(br_agent *self, void *state)
{
    crasher_state *st = state;

    probe.inits++;
    probe.was_state_clean = !st->is_dirty;
    return br_agent_table(self, 0, "rows", &st->rows);
}

static void
crasher_fini(br_agent *self, void *state)
{
    (void)self;
    (void)state;
    probe.finis++;
}

static rt_err
crasher_on_counted(br_agent *self, void *state, const rt_event *event)
{
    crasher_state *st = state;
    rt_key key = rt_key_number(event->tenant, event->seq);
    msg_proposal p = {.action = RT_STR("wait"), .target = event->subject, .propensity = 1};
    rt_err err = RT_OK;

    rt_table_put(st->rows, rt_key_bytes(&key), rt_bytes_of_str(event->subject));
    err = br_propose(self, &p);
    if (err != RT_OK) {
        return err;
    }
    if (probe.crashes_left > 0 || event->seq == probe.poison_seq || probe.is_failing_always) {
        probe.crashes_left -= probe.crashes_left > 0 ? 1 : 0;
        st->is_dirty = true;
        return rt_fail(RT_ECRASH, "told to crash");
    }
    if (probe.seq_count < RT_COUNT(probe.seqs)) {
        probe.playbooks[probe.seq_count] = br_agent_playbooks_version(self);
        probe.seqs[probe.seq_count++] = event->seq;
    }
    return RT_OK;
}

static const br_handler crasher_handlers[] = {{"test.counted", crasher_on_counted}};

static const br_agent_def crasher_agent = {
    .id = 2,
    .name = "crasher",
    .doc = "Crashes.",
    .state_size = sizeof(crasher_state),
    .init = crasher_init,
    .fini = crasher_fini,
    .handlers = crasher_handlers,
    .handler_count = RT_COUNT(crasher_handlers),
};

// speaker: says everything an agent can say, as often as n tells it.
typedef struct speaker_state {
    int n_slot;
} speaker_state;

static rt_err
speaker_init(br_agent *self, void *state)
{
    return br_agent_bind(self, "test.counted", "n", &((speaker_state *)state)->n_slot);
}

static rt_err
speaker_on_counted(br_agent *self, void *state, const rt_event *event)
{
    static const uint8_t data[] = {0x81, 0xa1, 'n', 0x07};
    msg_factor factors[2] = {{RT_STR("late_rate"), 0.4, 1.5}, {RT_STR("rain"), 1, 0.25}};
    char model[] = "m/1"; // dies with this call: has to be copied
    msg_proposal p = {
        .model = rt_str_of(model),
        .action = RT_STR("notify"),
        .target = event->subject,
        .args = {data, sizeof(data)},
        .priority = (int64_t)br_agent_param_f64(self, "priority"),
        .confidence = 0.75,
        .propensity = 1,
        .factors = {factors, 2},
    };
    msg_prediction r = {.model = rt_str_of(model), .version = 3, .value = 0.5};
    int64_t n = event->slots[((speaker_state *)state)->n_slot].i;
    rt_err err = br_predict(self, &r);

    for (int64_t i = 0; err == RT_OK && i < n; i++) {
        err = br_emit(self, "test.raised", event->subject, (rt_bytes){data, sizeof(data)});
    }
    if (err == RT_OK) {
        err = br_timer_set(self, RT_STR("check"), event->at_ms + 1000, event->subject);
    }
    return err == RT_OK ? br_propose(self, &p) : err;
}

static rt_err
speaker_on_timer(br_agent *self, void *state, const rt_event *event)
{
    (void)self;
    (void)state;
    (void)event;
    probe.timers_heard++;
    return RT_OK;
}

static rt_err
speaker_on_decision(br_agent *self, void *state, const rt_record *record,
                    const msg_decision *decision)
{
    (void)self;
    (void)state;
    CHECK_INT(record->kind, RT_RECORD_DECISION);
    CHECK_TRUE(decision->candidates.count > 0);
    probe.decisions_heard++;
    return RT_OK;
}

static const rt_param speaker_params[] = {
    {"priority", RT_PARAM_F64, "40", 0, 100, "", "Priority of what it proposes."},
    {"city", RT_PARAM_STR, "bogota", 1, 20, "", "City."},
    {"rest", RT_PARAM_DURATION_MS, "10s", 1000, 60000, "ms", "Rest."},
    {"is_on", RT_PARAM_BOOL, "true", 0, 1, "", "On."},
};

static const br_handler speaker_handlers[] = {
    {"test.counted", speaker_on_counted},
    {"timer.fired", speaker_on_timer},
};

static const br_agent_def speaker_agent = {
    .id = 3,
    .name = "speaker",
    .doc = "Speaks.",
    .state_size = sizeof(speaker_state),
    .init = speaker_init,
    .handlers = speaker_handlers,
    .handler_count = RT_COUNT(speaker_handlers),
    .on_decision = speaker_on_decision,
    .params = speaker_params,
    .param_count = RT_COUNT(speaker_params),
};

// --- fixture ---

typedef struct fixture {
    rt_catalog *catalog;
    rt_kv *kv; // NULL: memory only
    rt_store *store;
    rt_diag *diag;
    rt_arena *yaml;
    const rt_node *overrides;
    br_runner *runner;
    uint64_t next_seq;
} fixture;

static const br_agent_def *const all_agents[] = {&speaker_agent, &counter_agent, &crasher_agent};

static rt_err
start(fixture *f, const br_agent_def *const *agents, size_t count)
{
    return br_runner_new(
        &(br_runner_config){
            .agents = agents,
            .agent_count = count,
            .catalog = f->catalog,
            .store = f->store,
            .overrides = f->overrides,
            .diag = f->diag,
        },
        &f->runner);
}

static int
setup(void **state)
{
    fixture *f = rt_new(fixture);

    memset(&probe, 0, sizeof(probe));
    f->catalog = rt_catalog_new();
    f->diag = rt_diag_new();
    CHECK_OK(rt_catalog_load(f->catalog, "test.yaml", rt_str_of(catalog_text), f->diag));
    f->store = rt_store_open_memory();
    f->yaml = rt_arena_new(1 << 20);
    f->next_seq = 1;
    *state = f;
    return 0;
}

static int
teardown(void **state)
{
    fixture *f = *state;

    br_runner_free(f->runner);
    rt_store_close(f->store);
    if (f->kv != NULL) {
        rt_kv_close(f->kv);
    }
    rt_catalog_free(f->catalog);
    rt_diag_free(f->diag);
    rt_arena_free(f->yaml);
    rt_free(f);
    return 0;
}

// Ends the runner and its store; a new store has what was saved, or nothing.
static void
end_run(fixture *f)
{
    br_runner_free(f->runner);
    f->runner = NULL;
    rt_store_close(f->store);
    if (f->kv != NULL) {
        CHECK_OK(rt_store_open(f->kv, &f->store));
    } else {
        f->store = rt_store_open_memory();
    }
}

// Lets the store save from here on, in a directory of the simulated disk.
static void
save_in(fixture *f, const char *dir)
{
    rt_store_close(f->store);
    CHECK_OK(rt_kv_open(dir, 1 << 24, &f->kv));
    CHECK_OK(rt_store_open(f->kv, &f->store));
}

static rt_value
number(int64_t n)
{
    return RT_I64(n);
}

static void
encode_event(fixture *f, const char *type, const char *subject, rt_value first, rt_value second,
             rt_mpw *w)
{
    rt_event event = {
        .type = rt_catalog_find(f->catalog, rt_str_of(type)),
        .time_ms = 1000,
        .tenant = {1},
        .priority = RT_PRIORITY_NORMAL,
        .id = RT_STR("e1"),
        .source = RT_STR("/test"),
        .subject = rt_str_of(subject),
        .slots = {first, second},
    };

    CHECK_TRUE(event.type != NULL);
    rt_mpw_init(w, PAYLOAD_MAX);
    rt_event_encode(&event, w);
    CHECK_FALSE(w->failed);
}

// Feeds one event; returns what feeding it said.
static rt_err
feed_event(fixture *f, uint64_t seq, const char *type, const char *subject, rt_value first,
           rt_value second, int64_t now_us)
{
    rt_mpw w;
    rt_err err = RT_OK;

    encode_event(f, type, subject, first, second, &w);
    err = br_runner_feed(f->runner,
                         &(rt_record){
                             .seq = seq,
                             .at_ms = (int64_t)seq * 1000,
                             .kind = RT_RECORD_EVENT,
                             .payload = rt_mpw_view(&w),
                         },
                         now_us);
    rt_mpw_fini(&w);
    return err;
}

static void
count_at(fixture *f, const char *subject, int64_t n, int64_t now_us)
{
    CHECK_OK(feed_event(f, f->next_seq++, "test.counted", subject, number(n), RT_NONE, now_us));
}

static void
feed_playbooks(fixture *f, uint64_t version, const char *text, int64_t now_us)
{
    rt_mpw w;

    rt_mpw_init(&w, PAYLOAD_MAX);
    rt_mpw_array(&w, 2);
    rt_mpw_u64(&w, version);
    rt_mpw_array(&w, 1);
    rt_mpw_array(&w, 2);
    rt_mpw_cstr(&w, "a.yaml");
    rt_mpw_cstr(&w, text);
    CHECK_OK(br_runner_feed(f->runner,
                            &(rt_record){
                                .seq = f->next_seq++,
                                .kind = RT_RECORD_PLAYBOOKS,
                                .payload = rt_mpw_view(&w),
                            },
                            now_us));
    rt_mpw_fini(&w);
}

static void
feed_decision(fixture *f, uint32_t candidates)
{
    msg_candidate candidate = {.verdict = RT_STR("won")};
    msg_decision decision = {
        .event_seq = 1,
        .candidates = {&candidate, candidates},
    };
    rt_mpw w;

    rt_mpw_init(&w, PAYLOAD_MAX);
    rt_msg_encode(&msg_decision_def, &decision, &w);
    CHECK_OK(br_runner_feed(f->runner,
                            &(rt_record){
                                .seq = f->next_seq++,
                                .kind = RT_RECORD_DECISION,
                                .payload = rt_mpw_view(&w),
                            },
                            0));
    rt_mpw_fini(&w);
}

static const msg_answer *
answer_at(const msg_answers *answers, uint32_t index)
{
    CHECK_TRUE(index < answers->answers.count);
    return (const msg_answer *)answers->answers.items + index;
}

static const msg_failure *
failure_at(const msg_answers *answers, uint32_t index)
{
    CHECK_TRUE(index < answers->failures.count);
    return (const msg_failure *)answers->failures.items + index;
}

static counter_row
counted(const char *subject)
{
    rt_key key = rt_key_text((rt_tenant){1}, rt_str_of(subject));
    rt_bytes row = {NULL, 0};
    counter_row out = {0, 0, 0};

    if (rt_table_get(probe.counts, rt_key_bytes(&key), &row)) {
        CHECK_INT(row.len, sizeof(out));
        memcpy(&out, row.ptr, sizeof(out));
    }
    return out;
}

// Health of one agent by its place in all_agents.
static msg_agent_state
health(fixture *f, uint32_t index)
{
    rt_arena *arena = rt_arena_new(1 << 16);
    rt_msg_list list = {NULL, 0};
    msg_agent_state state;

    br_runner_states(f->runner, arena, &list);
    CHECK_TRUE(index < list.count);
    state = ((const msg_agent_state *)list.items)[index];
    rt_arena_free(arena); // name and state are constants
    return state;
}

// --- saying things ---

static void
test_runner_merges_answers_of_a_record_in_agent_order(void **state)
{
    fixture *f = *state;
    msg_answers answers;
    const msg_answer *a = NULL;
    const msg_proposal *p = NULL;

    CHECK_OK(start(f, all_agents, 3));
    count_at(f, "order/1", 2, 0);
    br_runner_take(f->runner, &answers);

    CHECK_INT(answers.answers.count, 1);
    a = answer_at(&answers, 0);
    CHECK_INT(a->seq, 1);
    CHECK_INT(a->proposals.count, 2);
    p = a->proposals.items;
    CHECK_STR(p[0].agent, "speaker");
    CHECK_STR(p[0].model, "m/1");
    CHECK_INT(p[0].priority, 40);
    CHECK_INT(p[0].args.len, 4);
    CHECK_INT(p[0].factors.count, 2);
    CHECK_STR(((const msg_factor *)p[0].factors.items)[1].name, "rain");
    CHECK_STR(p[1].agent, "crasher");
    CHECK_STR(p[1].target, "order/1");
    CHECK_INT(a->predictions.count, 1);
    CHECK_STR(((const msg_prediction *)a->predictions.items)->agent, "speaker");
    CHECK_INT(a->emissions.count, 2);
    CHECK_STR(((const msg_emission *)a->emissions.items)[1].event, "test.raised");
    CHECK_INT(a->timers.count, 1);
    CHECK_STR(((const msg_timer *)a->timers.items)->owner, "speaker");
    CHECK_INT(((const msg_timer *)a->timers.items)->due_ms, 2000);
    CHECK_INT(answers.failures.count + answers.late.count, 0);
    CHECK_INT(health(f, 0).proposals, 1);
    CHECK_INT(health(f, 1).heard, 1);
    CHECK_INT(health(f, 1).rows, 1);
}

static void
test_runner_views_last_until_feed_after_next_take(void **state)
{
    fixture *f = *state;
    msg_answers first;
    msg_answers second;
    msg_answers third;

    CHECK_OK(start(f, all_agents, 3));
    count_at(f, "order/first", 0, 0);
    br_runner_take(f->runner, &first);
    count_at(f, "order/second", 0, 0);
    br_runner_take(f->runner, &second);
    br_runner_take(f->runner, &third);
    CHECK_INT(third.answers.count, 0);
    CHECK_INT(answer_at(&second, 0)->seq, 2);
    CHECK_STR(((const msg_proposal *)answer_at(&second, 0)->proposals.items)->target,
              "order/second");
}

static void
test_runner_first_view_survives_second_take(void **state)
{
    fixture *f = *state;
    msg_answers first;
    msg_answers second;

    CHECK_OK(start(f, all_agents, 3));
    count_at(f, "order/first", 0, 0);
    br_runner_take(f->runner, &first);
    for (int i = 0; i < 200; i++) { // the arrays of the other page grow meanwhile
        count_at(f, "order/second", 0, 0);
    }
    br_runner_take(f->runner, &second);
    CHECK_INT(second.answers.count, 200);
    CHECK_STR(((const msg_proposal *)answer_at(&first, 0)->proposals.items)->target,
              "order/first");
    CHECK_INT(answer_at(&second, 199)->seq, 201);
    CHECK_STR(((const msg_proposal *)answer_at(&second, 199)->proposals.items)[1].target,
              "order/second");
}

static void
test_runner_too_many_emissions_undo_the_handler(void **state)
{
    fixture *f = *state;
    msg_answers answers;

    CHECK_OK(start(f, all_agents, 1));
    count_at(f, "order/1", BR_ANSWER_EMISSIONS_MAX, 0);
    br_runner_take(f->runner, &answers);
    CHECK_INT(answer_at(&answers, 0)->emissions.count, BR_ANSWER_EMISSIONS_MAX);

    count_at(f, "order/2", BR_ANSWER_EMISSIONS_MAX + 1, 0);
    br_runner_take(f->runner, &answers);
    CHECK_INT(answers.answers.count, 0); // not even the prediction it made before
    CHECK_INT(answers.late.count, 1);
    CHECK_STR(*(const rt_str *)answers.late.items, "speaker");
}

static void
test_runner_warm_batches_allocate_nothing_in_arenas(void **state)
{
    fixture *f = *state;
    msg_answers answers;
    rt_record record;
    rt_mpw w;

    CHECK_OK(start(f, all_agents, 3));
    for (int i = 0; i < 4; i++) {
        count_at(f, "order/1", 3, 0);
        br_runner_take(f->runner, &answers);
    }
    encode_event(f, "test.counted", "order/1", number(3), RT_NONE, &w);
    record = (rt_record){.seq = 5, .kind = RT_RECORD_EVENT, .payload = rt_mpw_view(&w)};
    rt_alloc_fail_after(1);
    CHECK_OK(br_runner_feed(f->runner, &record, 0));
    rt_alloc_fail_after(0);
    br_runner_take(f->runner, &answers);
    rt_mpw_fini(&w);
    CHECK_INT(answer_at(&answers, 0)->proposals.count, 2);
    CHECK_INT(answers.late.count, 0);
}

// --- hearing ---

static void
test_runner_events_nobody_hears_change_nothing(void **state)
{
    fixture *f = *state;
    msg_answers answers;
    uint64_t before = 0;

    CHECK_OK(start(f, all_agents, 3));
    count_at(f, "order/1", 1, 0);
    br_runner_take(f->runner, &answers);
    before = br_runner_hash(f->runner);
    CHECK_OK(feed_event(f, 2, "test.silent", "order/1", number(1), RT_NONE, 0));
    br_runner_take(f->runner, &answers);
    CHECK_INT(answers.answers.count, 0);
    CHECK_U64(br_runner_hash(f->runner), before);
    CHECK_INT(health(f, 1).heard, 1);
}

static void
test_runner_timer_reaches_only_its_owner(void **state)
{
    fixture *f = *state;

    CHECK_OK(start(f, all_agents, 3));
    CHECK_OK(feed_event(f, 1, "timer.fired", "order/1", RT_TEXT(RT_STR("counter")),
                        RT_TEXT(RT_STR("check")), 0));
    CHECK_INT(probe.timers_heard, 0);
    CHECK_OK(feed_event(f, 2, "timer.fired", "order/1", RT_TEXT(RT_STR("speaker")),
                        RT_TEXT(RT_STR("check")), 0));
    CHECK_INT(probe.timers_heard, 1);
}

static void
test_runner_decisions_are_heard_when_they_say_something(void **state)
{
    fixture *f = *state;

    CHECK_OK(start(f, all_agents, 3));
    feed_decision(f, 0);
    CHECK_INT(probe.decisions_heard, 0);
    feed_decision(f, 1);
    CHECK_INT(probe.decisions_heard, 1);
}

static void
test_runner_malformed_records_are_eproto_and_counted(void **state)
{
    fixture *f = *state;
    static const uint8_t bad[] = {0x93, 0x01, 0xd9};
    const rt_record_kind kinds[] = {RT_RECORD_EVENT, RT_RECORD_DECISION, RT_RECORD_PLAYBOOKS};
    uint64_t before = 0;

    CHECK_OK(start(f, all_agents, 3));
    before = br_runner_hash(f->runner);
    for (size_t i = 0; i < RT_COUNT(kinds); i++) {
        rt_record record = {.seq = i + 1, .kind = kinds[i], .payload = {bad, sizeof(bad)}};

        CHECK_ERR(br_runner_feed(f->runner, &record, 0), RT_EPROTO);
        CHECK_INT(br_runner_malformed(f->runner), i + 1);
    }
    CHECK_U64(br_runner_hash(f->runner), before);
}

static void
test_runner_describes_who_hears_what(void **state)
{
    fixture *f = *state;
    const msg_agent_info *infos = NULL;

    CHECK_OK(start(f, all_agents, 3));
    CHECK_INT(br_runner_agents(f->runner, &infos), 3);
    CHECK_STR(infos[0].name, "speaker");
    CHECK_INT(infos[0].hears.count, 2);
    CHECK_STR(((const rt_str *)infos[0].hears.items)[1], "timer.fired");
    CHECK_TRUE(infos[0].decisions);
    CHECK_FALSE(infos[1].decisions);
}

// --- failing ---

static void
test_runner_failed_handler_is_undone_and_tried_again(void **state)
{
    fixture *f = *state;
    msg_answers answers;

    CHECK_OK(start(f, all_agents, 3));
    probe.crashes_left = 2;
    count_at(f, "order/1", 0, 0);
    br_runner_take(f->runner, &answers);
    CHECK_INT(answer_at(&answers, 0)->proposals.count, 1); // the speaker's only
    CHECK_INT(answers.late.count, 1);
    CHECK_STR(*(const rt_str *)answers.late.items, "crasher");
    CHECK_INT(health(f, 2).rows, 0);
    CHECK_STR(health(f, 2).state, "restarting");
    CHECK_INT(counted("order/1").count, 1); // the others went on

    CHECK_INT(br_runner_poll(f->runner, 9999), 10 * MS);
    CHECK_INT(br_runner_poll(f->runner, 10 * MS), 30 * MS); // fails again, rests 20 ms
    CHECK_INT(br_runner_poll(f->runner, 30 * MS), -1);
    br_runner_take(f->runner, &answers);
    CHECK_INT(answers.answers.count, 1);
    CHECK_INT(answer_at(&answers, 0)->seq, 1); // late, for its own record
    CHECK_INT(answer_at(&answers, 0)->proposals.count, 1);
    CHECK_INT(answers.late.count + answers.failures.count, 0);
    CHECK_INT(health(f, 2).rows, 1);
    CHECK_INT(health(f, 2).restarts, 2);
    CHECK_INT(probe.inits, 3);
    CHECK_INT(probe.finis, 2);
    CHECK_TRUE(probe.was_state_clean);
}

static void
test_runner_late_answers_are_merged_in_order_of_seq(void **state)
{
    fixture *f = *state;
    msg_answers answers;

    CHECK_OK(start(f, all_agents, 3));
    probe.crashes_left = 1;
    count_at(f, "order/1", 0, 0);
    count_at(f, "order/2", 0, 0);
    count_at(f, "order/3", 0, 10 * MS); // before it the crasher catches up with 1 and 2
    br_runner_take(f->runner, &answers);
    CHECK_INT(answers.answers.count, 3);
    for (uint32_t i = 0; i < 3; i++) {
        const msg_proposal *p = answer_at(&answers, i)->proposals.items;

        CHECK_INT(answer_at(&answers, i)->seq, i + 1);
        CHECK_INT(answer_at(&answers, i)->proposals.count, 2);
        CHECK_INT(answer_at(&answers, i)->predictions.count, 1);
        CHECK_STR(p[0].agent, "speaker");
        CHECK_STR(p[1].agent, "crasher");
        CHECK_TRUE(rt_str_equal(p[0].target, p[1].target));
    }
}

static void
test_runner_records_wait_in_order_for_a_resting_agent(void **state)
{
    fixture *f = *state;

    CHECK_OK(start(f, all_agents, 3));
    probe.crashes_left = 1;
    count_at(f, "order/1", 0, 0);
    count_at(f, "order/2", 0, 5 * MS);
    count_at(f, "order/3", 0, 9 * MS);
    CHECK_INT(probe.seq_count, 0);
    count_at(f, "order/4", 0, 10 * MS); // its rest is over: first what waited, then this
    CHECK_INT(probe.seq_count, 4);
    for (size_t i = 0; i < 4; i++) {
        CHECK_INT(probe.seqs[i], i + 1);
    }
    CHECK_FALSE(br_runner_is_behind(f->runner));
}

static void
test_runner_poison_record_becomes_dead_letter(void **state)
{
    fixture *f = *state;
    msg_answers answers;

    CHECK_OK(start(f, all_agents, 3));
    probe.poison_seq = 1;
    count_at(f, "order/1", 0, 0);
    count_at(f, "order/2", 0, 0);
    CHECK_INT(br_runner_poll(f->runner, 10 * MS), 30 * MS);
    CHECK_INT(br_runner_poll(f->runner, 30 * MS), -1);
    br_runner_take(f->runner, &answers);
    CHECK_INT(answers.failures.count, 1);
    CHECK_INT(failure_at(&answers, 0)->seq, 1);
    CHECK_STR(failure_at(&answers, 0)->agent, "crasher");
    CHECK_INT(failure_at(&answers, 0)->attempts, 3);
    CHECK_STR(failure_at(&answers, 0)->cause, "handler failed: told to crash");
    CHECK_INT(probe.seq_count, 1);
    CHECK_INT(probe.seqs[0], 2);
    CHECK_INT(health(f, 2).rows, 1);
}

static void
test_runner_failing_agent_is_quarantined_and_comes_back(void **state)
{
    fixture *f = *state;
    msg_answers answers;
    int64_t now_us = 0;

    CHECK_OK(start(f, all_agents, 3));
    probe.is_failing_always = true;
    count_at(f, "order/1", 0, 0);
    count_at(f, "order/2", 0, 0);
    count_at(f, "order/3", 0, 0);
    while (!rt_str_is(health(f, 2).state, "quarantined")) {
        CHECK_TRUE(now_us >= 0 && now_us < 10 * S);
        now_us = br_runner_poll(f->runner, now_us);
    }
    CHECK_TRUE(now_us > 60 * S);
    br_runner_take(f->runner, &answers);
    CHECK_INT(answers.failures.count, 2); // six failures are two records' three tries
    CHECK_INT(answers.late.count, 1);
    probe.is_failing_always = false;
    count_at(f, "order/4", 0, now_us - 1);
    CHECK_INT(probe.seq_count, 0);
    CHECK_INT(counted("order/4").count, 1);
    CHECK_INT(br_runner_poll(f->runner, now_us), -1);
    CHECK_INT(probe.seq_count, 2);
    CHECK_INT(probe.seqs[0], 3);
    CHECK_INT(probe.seqs[1], 4);
    CHECK_STR(health(f, 2).state, "running");
}

static void
test_runner_full_mailbox_gives_up_the_oldest(void **state)
{
    fixture *f = *state;
    const br_agent_def *const crasher[] = {&crasher_agent};
    msg_answers answers;

    CHECK_OK(start(f, crasher, 1));
    probe.crashes_left = 1;
    for (int i = 0; i < BR_MAILBOX_COUNT_MAX + 3; i++) {
        count_at(f, "order/1", 0, 0);
    }
    br_runner_take(f->runner, &answers);
    CHECK_INT(answers.failures.count, 3);
    CHECK_INT(failure_at(&answers, 0)->seq, 1);
    CHECK_INT(failure_at(&answers, 0)->attempts, 0);
    CHECK_INT(failure_at(&answers, 2)->seq, 3);
    CHECK_INT(br_runner_poll(f->runner, 10 * MS), 10 * MS); // bounded work a poll
    CHECK_INT(probe.seqs[0], 4);
    CHECK_INT(health(f, 0).heard, BR_POLL_RECORDS_MAX);
}

// --- parameters and starting ---

static void
parse_overrides(fixture *f, const char *text)
{
    rt_node *root = NULL;

    CHECK_OK(rt_yaml_parse("agents.yaml", rt_str_of(text), f->yaml, f->diag, &root));
    f->overrides = root;
}

static void
check_refused(fixture *f, const char *overrides, const char *want)
{
    rt_text out;

    parse_overrides(f, overrides);
    CHECK_ERR(start(f, all_agents, 3), RT_ECONFIG);
    CHECK_TRUE(f->runner == NULL);
    CHECK_INT(rt_diag_errors(f->diag), 1);
    rt_text_init(&out, 65536);
    rt_diag_render(f->diag, &out);
    if (strstr(out.ptr, want) == NULL) {
        print_error("%s\nlacks: %s\n", out.ptr, want);
        fail();
    }
    rt_text_fini(&out);
}

static void
test_runner_override_changes_a_parameter(void **state)
{
    fixture *f = *state;
    msg_answers answers;

    parse_overrides(f, "speaker:\n  priority: 90\n  city: medellin\n  rest: 30s\n");
    CHECK_OK(start(f, all_agents, 3));
    count_at(f, "order/1", 0, 0);
    br_runner_take(f->runner, &answers);
    CHECK_INT(((const msg_proposal *)answer_at(&answers, 0)->proposals.items)->priority, 90);
    CHECK_INT(rt_diag_errors(f->diag), 0);
}

static void
test_runner_unknown_parameter_is_error_with_suggestion(void **state)
{
    check_refused(*state, "speaker:\n  prioritty: 90\n", "did you mean 'priority'?");
}

static void
test_runner_parameter_out_of_range_is_error_at_its_place(void **state)
{
    check_refused(*state, "speaker:\n  city: cali\n  priority: 101\n",
                  "agents.yaml:3:13: error[B1032]");
}

static void
test_runner_parameter_of_wrong_type_is_error(void **state)
{
    check_refused(*state, "speaker:\n  is_on: [true]\n", "must be a bool");
}

static void
test_runner_mistyped_agent_name_is_warned_of(void **state)
{
    fixture *f = *state;

    parse_overrides(f, "speakr:\n  priority: 1\nfinance:\n  x: 1\n");
    CHECK_OK(start(f, all_agents, 3));
    CHECK_INT(rt_diag_warnings(f->diag), 1); // finance may live in another host
}

static void
test_runner_overrides_of_all_agents_are_checked(void **state)
{
    fixture *f = *state;

    parse_overrides(f, "speaker:\n  city: cali\n");
    br_check_overrides(all_agents, 3, f->overrides, f->yaml, f->diag);
    CHECK_INT(rt_diag_errors(f->diag), 0);
    parse_overrides(f, "speakr:\n  priority: 1\nspeaker:\n  prioritty: 1\n  is_on: maybe\n");
    br_check_overrides(all_agents, 3, f->overrides, f->yaml, f->diag);
    CHECK_INT(rt_diag_errors(f->diag), 3);
    parse_overrides(f, "speaker\n");
    br_check_overrides(all_agents, 3, f->overrides, f->yaml, f->diag);
    CHECK_INT(rt_diag_errors(f->diag), 4);
}

static rt_err
bind_missing(br_agent *self, void *state)
{
    (void)state;
    return br_agent_bind(self, "test.counted", "m", &(int){0});
}

static void
test_runner_wrong_agents_stop_the_start(void **state)
{
    fixture *f = *state;
    static const br_handler typo[] = {{"test.countd", counter_on_counted}};
    br_agent_def def = counter_agent;
    const br_agent_def *const twice[] = {&counter_agent, &counter_agent};
    const br_agent_def *const one[] = {&crasher_agent, &def};

    CHECK_ERR(start(f, twice, 2), RT_ECONFIG);
    def.handlers = typo;
    CHECK_ERR(start(f, one, 2), RT_ECONFIG);
    CHECK_TRUE(strstr(rt_err_detail(), "test.counted") != NULL); // suggested
    CHECK_INT(probe.inits, 0);
    def = counter_agent;
    def.init = bind_missing;
    CHECK_ERR(start(f, one, 2), RT_ECONFIG);
    CHECK_TRUE(strstr(rt_err_detail(), "test.yaml:3") != NULL);
    CHECK_INT(probe.finis, 1); // the one that had started was stopped
}

// --- playbooks, replay, saving ---

static void
test_runner_playbook_set_is_that_of_the_agents_place(void **state)
{
    fixture *f = *state;

    CHECK_OK(start(f, all_agents, 3));
    feed_playbooks(f, 1, "one", 0);
    count_at(f, "order/1", 0, 0); // 2: takes it with version 1
    probe.crashes_left = 1;
    count_at(f, "order/2", 0, 0); // 3: fails
    feed_playbooks(f, 2, "two", 0);
    count_at(f, "order/3", 0, 0); // 5: waits behind the new set
    CHECK_INT(br_runner_poll(f->runner, 10 * MS), -1);
    CHECK_INT(probe.seq_count, 3);
    CHECK_INT(probe.seqs[1], 3);
    CHECK_INT(probe.playbooks[0], 1);
    CHECK_INT(probe.playbooks[1], 1); // not yet the set that came after it
    CHECK_INT(probe.playbooks[2], 2);
}

static void
test_runner_playbook_set_that_is_fed_again_stays(void **state)
{
    fixture *f = *state;

    CHECK_OK(start(f, all_agents, 3));
    feed_playbooks(f, 1, "one", 0);
    probe.crashes_left = 1;
    count_at(f, "order/1", 0, 0); // 2: fails
    f->next_seq = 1;              // as from a journal read again
    feed_playbooks(f, 1, "one", 0);
    f->next_seq = 3;
    feed_playbooks(f, 2, "two", 0);
    count_at(f, "order/3", 0, 0);
    CHECK_INT(br_runner_poll(f->runner, 10 * MS), -1);
    CHECK_INT(probe.seq_count, 2);
    CHECK_INT(probe.playbooks[0], 1);
    CHECK_INT(probe.playbooks[1], 2);
}

// Feeds the same 50 events, with a failure here and there or without.
static uint64_t
run_of_fifty(fixture *f, bool is_with_failures, int64_t sum)
{
    int64_t now_us = 0;
    uint64_t hash = 0;

    f->next_seq = 1;
    CHECK_OK(start(f, all_agents, 3));
    for (int i = 0; i < 50; i++) {
        char subject[32];

        (void)snprintf(subject, sizeof(subject), "order/%d", i % 7);
        probe.crashes_left = is_with_failures && i % 11 == 3 ? 2 : 0;
        count_at(f, subject, i == 49 ? sum : i % 5, now_us);
        now_us += 3 * S;
    }
    while (br_runner_is_behind(f->runner)) {
        now_us = br_runner_poll(f->runner, now_us);
    }
    hash = br_runner_hash(f->runner);
    end_run(f);
    return hash;
}

static void
test_runner_replay_gives_equal_hash_whatever_failed(void **state)
{
    fixture *f = *state;
    uint64_t live = run_of_fifty(f, true, 4);

    CHECK_U64(run_of_fifty(f, false, 4), live);
    CHECK_TRUE(run_of_fifty(f, false, 3) != live); // one number in one event makes a difference
}

static void
test_runner_replay_of_the_tail_on_a_saved_state_gives_equal_hash(void **state)
{
    fixture *f = *state;
    uint64_t whole = 0;

    CHECK_OK(start(f, all_agents, 3));
    for (int i = 0; i < 20; i++) {
        count_at(f, i % 2 == 0 ? "order/1" : "order/2", i % 5, 0);
    }
    whole = br_runner_hash(f->runner);
    end_run(f);

    save_in(f, "runner_test/tail");
    f->next_seq = 1;
    CHECK_OK(start(f, all_agents, 3));
    for (int i = 0; i < 12; i++) {
        count_at(f, i % 2 == 0 ? "order/1" : "order/2", i % 5, 0);
    }
    CHECK_OK(rt_store_cut_wait(f->store, br_runner_save(f->runner, 12)));
    count_at(f, "order/3", 1, 0); // not saved any more: forgotten
    end_run(f);
    CHECK_U64(rt_store_applied(f->store), 12);
    f->next_seq = 13;
    CHECK_OK(start(f, all_agents, 3));
    for (int i = 12; i < 20; i++) {
        count_at(f, i % 2 == 0 ? "order/1" : "order/2", i % 5, 0);
    }
    CHECK_U64(br_runner_hash(f->runner), whole);
}

static void
test_runner_random_draws_depend_on_agent_and_record(void **state)
{
    fixture *f = *state;
    static br_agent_def twin; // the runner needs it until teardown
    const br_agent_def *const one[] = {&counter_agent};
    const br_agent_def *const other[] = {&twin};
    uint64_t drawn[3];

    twin = counter_agent;
    twin.name = "twin";
    CHECK_OK(start(f, one, 1));
    count_at(f, "order/a", 0, 0);
    count_at(f, "order/b", 0, 0);
    drawn[0] = counted("order/a").drawn;
    drawn[1] = counted("order/b").drawn;
    end_run(f);
    CHECK_OK(start(f, other, 1));
    CHECK_OK(feed_event(f, 1, "test.counted", "order/c", number(0), RT_NONE, 0));
    drawn[2] = counted("order/c").drawn;
    CHECK_TRUE(drawn[0] != drawn[1]);
    CHECK_TRUE(drawn[0] != drawn[2]);
}

static void
test_runner_cut_while_one_is_behind_neither_skips_nor_repeats(void **state)
{
    fixture *f = *state;

    // Given: records 2 to 4, of which the crasher has taken none, and a set that came in between.
    save_in(f, "runner_test/behind");
    CHECK_OK(start(f, all_agents, 3));
    feed_playbooks(f, 1, "one", 0);
    probe.is_failing_always = true;
    count_at(f, "order/1", 1, 0);
    feed_playbooks(f, 2, "two", 0);
    count_at(f, "order/1", 10, 0);
    CHECK_U64(br_runner_save(f->runner, 4), 1);
    CHECK_OK(rt_store_cut_wait(f->store, 1));

    // When: a new process begins with the same rows and is fed from there on.
    end_run(f);
    probe.is_failing_always = false;
    CHECK_OK(start(f, all_agents, 3));
    f->next_seq = 2;
    count_at(f, "order/1", 1, 0);
    feed_playbooks(f, 2, "two", 0);
    count_at(f, "order/1", 10, 0);
    count_at(f, "order/1", 16, 0);

    // Then
    CHECK_INT(counted("order/1").sum, 27);
    CHECK_INT(probe.seq_count, 3);
    CHECK_INT(probe.seqs[0], 2);
    CHECK_INT(probe.playbooks[0], 1);
    CHECK_INT(probe.playbooks[1], 2);
    CHECK_U64(br_runner_save(f->runner, 5), 5);
    CHECK_INT(health(f, 2).rows, 3);
}

static void
test_runner_playbook_set_survives_a_restart(void **state)
{
    fixture *f = *state;
    char text[3000];

    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    save_in(f, "runner_test/playbooks");
    CHECK_OK(start(f, all_agents, 3));
    feed_playbooks(f, 8, "old", 0);
    CHECK_U64(br_runner_save(f->runner, 1), 1);
    feed_playbooks(f, 9, text, 0);
    CHECK_U64(br_runner_save(f->runner, 2), 2);
    CHECK_OK(rt_store_cut_wait(f->store, 2));
    end_run(f);
    CHECK_OK(start(f, all_agents, 3));
    count_at(f, "order/1", 0, 0);
    CHECK_INT(probe.playbooks[0], 9);
}

#define RUNNER_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        RUNNER_TEST(test_runner_merges_answers_of_a_record_in_agent_order),
        RUNNER_TEST(test_runner_views_last_until_feed_after_next_take),
        RUNNER_TEST(test_runner_first_view_survives_second_take),
        RUNNER_TEST(test_runner_too_many_emissions_undo_the_handler),
        RUNNER_TEST(test_runner_warm_batches_allocate_nothing_in_arenas),
        RUNNER_TEST(test_runner_events_nobody_hears_change_nothing),
        RUNNER_TEST(test_runner_timer_reaches_only_its_owner),
        RUNNER_TEST(test_runner_decisions_are_heard_when_they_say_something),
        RUNNER_TEST(test_runner_malformed_records_are_eproto_and_counted),
        RUNNER_TEST(test_runner_describes_who_hears_what),
        RUNNER_TEST(test_runner_failed_handler_is_undone_and_tried_again),
        RUNNER_TEST(test_runner_late_answers_are_merged_in_order_of_seq),
        RUNNER_TEST(test_runner_records_wait_in_order_for_a_resting_agent),
        RUNNER_TEST(test_runner_poison_record_becomes_dead_letter),
        RUNNER_TEST(test_runner_failing_agent_is_quarantined_and_comes_back),
        RUNNER_TEST(test_runner_full_mailbox_gives_up_the_oldest),
        RUNNER_TEST(test_runner_override_changes_a_parameter),
        RUNNER_TEST(test_runner_unknown_parameter_is_error_with_suggestion),
        RUNNER_TEST(test_runner_parameter_out_of_range_is_error_at_its_place),
        RUNNER_TEST(test_runner_parameter_of_wrong_type_is_error),
        RUNNER_TEST(test_runner_mistyped_agent_name_is_warned_of),
        RUNNER_TEST(test_runner_overrides_of_all_agents_are_checked),
        RUNNER_TEST(test_runner_wrong_agents_stop_the_start),
        RUNNER_TEST(test_runner_playbook_set_is_that_of_the_agents_place),
        RUNNER_TEST(test_runner_playbook_set_that_is_fed_again_stays),
        RUNNER_TEST(test_runner_replay_gives_equal_hash_whatever_failed),
        RUNNER_TEST(test_runner_replay_of_the_tail_on_a_saved_state_gives_equal_hash),
        RUNNER_TEST(test_runner_random_draws_depend_on_agent_and_record),
        RUNNER_TEST(test_runner_cut_while_one_is_behind_neither_skips_nor_repeats),
        RUNNER_TEST(test_runner_playbook_set_survives_a_restart),
    };

    rt_log_set_level(RT_LOG_ERROR);
    return CHECK_RUN(tests);
}
