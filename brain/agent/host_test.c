#include "brain/agent/host.h"

#include <stdio.h>

#include "runtime/base/alloc.h"
#include "runtime/base/log.h"
#include "runtime/sim/disk.h"
#include "runtime/sim/sim.h"
#include "tests/harness/check.h"

#define URL "inproc://host_test"
#define DIR "host_test/state"
#define MAP_BYTES (1u << 24)
#define ANSWERS_MAX 1024
#define LOG_MAX 8192
#define MESSAGE_MAX (1 << 20)
#define CUT_EVERY_MS 100
#define SETTLE_MS 5000

static const char catalog_text[] = "kind: catalog\n"
                                   "events:\n"
                                   "  test.counted:\n"
                                   "    doc: Counted.\n"
                                   "    fields:\n"
                                   "      n: {type: i64, doc: Number.}\n";

// --- an agent that sums, proposes, and fails when it is told to ---

static int crashes_left; // the next handlers fail: a test's finger in the machine

typedef struct adder_state {
    rt_table *sums;
    int n_slot;
} adder_state;

static rt_err
adder_init(br_agent *self, void *state)
{
    adder_state *st = state;
    rt_err err = br_agent_table(self, 0, "sums", &st->sums);

    return err == RT_OK ? br_agent_bind(self, "test.counted", "n", &st->n_slot) : err;
}

static rt_err
adder_on_counted(br_agent *self, void *state, const rt_event *event)
{
    adder_state *st = state;
    rt_key key = rt_key_text(event->tenant, event->subject);
    bool is_new = false;
    uint64_t *sum = rt_table_edit(st->sums, rt_key_bytes(&key), sizeof(*sum), &is_new);
    msg_proposal p = {.action = RT_STR("wait"), .target = event->subject, .propensity = 1};

    *sum = *sum * 3 + (uint64_t)event->slots[st->n_slot].i; // depends on the order
    if (crashes_left > 0) {
        crashes_left--;
        return rt_fail(RT_ECRASH, "told to crash");
    }
    return br_propose(self, &p);
}

static const br_handler adder_handlers[] = {{"test.counted", adder_on_counted}};
static const br_agent_def adder_agent = {
    .id = 1,
    .name = "adder",
    .doc = "Adds.",
    .state_size = sizeof(adder_state),
    .init = adder_init,
    .handlers = adder_handlers,
    .handler_count = RT_COUNT(adder_handlers),
};
static const br_agent_def *const agents[] = {&adder_agent};

// --- fixture: a brain that only notes what the host tells it ---

typedef struct fixture {
    rt_catalog *catalog;
    rt_diag *diag;
    rt_loop *brain_loop;
    rt_loop *host_loop;
    rt_link *link; // the brain's end
    br_host *host;
    rt_arena *arena; // all that was received
    bool wants_hello;
    size_t hello_count;
    msg_hello hello; // the last one
    size_t count;
    msg_answers answers[ANSWERS_MAX];
    bool is_keeping; // parcels are not given back, so the link fills
    rt_parcel *kept[ANSWERS_MAX];
    size_t kept_count;
    rt_mpw out;
    rt_text log;
    bool is_cutting_link; // at the next answer
    uint64_t uncommitted; // how many of the records sent last are not durable yet
} fixture;

static void
on_parcel(void *user, rt_parcel *parcel, rt_bytes body)
{
    fixture *f = user;
    rt_mp mp = rt_mp_init(rt_arena_copy(f->arena, body));

    if (f->wants_hello) {
        CHECK_OK(rt_msg_decode(&msg_hello_def, &mp, f->arena, &f->hello));
        f->wants_hello = false;
        f->hello_count++;
    } else {
        CHECK_TRUE(f->count < ANSWERS_MAX);
        CHECK_OK(rt_msg_decode(&msg_answers_def, &mp, f->arena, &f->answers[f->count++]));
    }
    if (f->is_cutting_link) {
        f->is_cutting_link = false;
        sim_net_cut(URL);
    }
    if (f->is_keeping) {
        CHECK_TRUE(f->kept_count < ANSWERS_MAX);
        f->kept[f->kept_count++] = parcel;
    } else {
        rt_parcel_free(parcel);
    }
}

static void
on_up(void *user)
{
    ((fixture *)user)->wants_hello = true;
}

static void
on_log(void *user, rt_log_level level, const char *line)
{
    (void)level;
    rt_text_printf(user, "%s\n", line);
}

static void
start_host(fixture *f, const char *dir)
{
    const br_host_config config = {
        .name = "inside",
        .url = URL,
        .runner = {.agents = agents, .agent_count = 1, .catalog = f->catalog},
        .dir = dir,
        .map_bytes = MAP_BYTES,
        .cut_every_ms = CUT_EVERY_MS,
    };

    f->host_loop = rt_loop_new();
    CHECK_OK(br_host_new(f->host_loop, &config, &f->host));
    CHECK_TRUE(sim_run_until_idle(SETTLE_MS));
}

// The host's process dies: what was not in a finished cut is gone.
static void
kill_host(fixture *f)
{
    br_host_free(f->host);
    rt_loop_free(f->host_loop);
    f->host = NULL;
    CHECK_TRUE(sim_run_until_idle(SETTLE_MS));
}

static int
setup(void **state)
{
    fixture *f = rt_new(fixture);
    const rt_net_limits limits = {MESSAGE_MAX, 1, 4};
    const rt_link_events events = {.on_parcel = on_parcel, .on_up = on_up, .user = f};

    sim_reset(11);
    sim_disk_reset();
    crashes_left = 0;
    f->catalog = rt_catalog_new();
    f->diag = rt_diag_new();
    CHECK_OK(rt_catalog_load(f->catalog, "test.yaml", rt_str_of(catalog_text), f->diag));
    f->arena = rt_arena_new(1 << 26);
    rt_mpw_init(&f->out, MESSAGE_MAX);
    rt_text_init(&f->log, LOG_MAX);
    rt_log_set_sink(on_log, &f->log);
    f->brain_loop = rt_loop_new();
    CHECK_OK(rt_link_listen(f->brain_loop, URL, limits, events, &f->link));
    *state = f;
    return 0;
}

static int
teardown(void **state)
{
    fixture *f = *state;

    if (f->host != NULL) {
        kill_host(f);
    }
    rt_loop_free(f->brain_loop);
    rt_log_set_sink(NULL, NULL);
    rt_catalog_free(f->catalog);
    rt_diag_free(f->diag);
    rt_arena_free(f->arena);
    rt_mpw_fini(&f->out);
    rt_text_fini(&f->log);
    rt_free(f);
    return 0;
}

// Writes one event into f->out's end and returns its bytes' place.
static rt_bytes
event_bytes(fixture *f, int64_t n)
{
    rt_event event = {
        .type = rt_catalog_find(f->catalog, RT_STR("test.counted")),
        .tenant = {1},
        .id = RT_STR("e"),
        .source = RT_STR("/test"),
        .subject = RT_STR("order/1"),
        .slots = {RT_I64(n)},
    };
    rt_mpw w;
    rt_bytes copy;

    rt_mpw_init(&w, 4096);
    rt_event_encode(&event, &w);
    copy = rt_arena_copy(f->arena, rt_mpw_view(&w));
    rt_mpw_fini(&w);
    return copy;
}

// Sends events first..last (the number of each is its seq) in one batch.
static void
send_batch(fixture *f, uint64_t first, uint64_t last, uint64_t decided)
{
    msg_fed records[64];
    msg_records msg = {.upto_seq = last,
                       .decided_seq = decided,
                       .records = {records, 0},
                       .committed_seq = last - f->uncommitted};

    for (uint64_t seq = first; seq <= last; seq++) {
        CHECK_TRUE(msg.records.count < RT_COUNT(records));
        records[msg.records.count++] = (msg_fed){
            .seq = seq,
            .at_ms = (int64_t)seq,
            .kind = RT_RECORD_EVENT,
            .payload = event_bytes(f, (int64_t)seq),
        };
    }
    rt_mpw_clear(&f->out);
    rt_msg_encode(&msg_records_def, &msg, &f->out);
    CHECK_OK(rt_link_send(f->link, rt_mpw_view(&f->out)));
}

static void
feed(fixture *f, uint64_t first, uint64_t last, uint64_t decided)
{
    send_batch(f, first, last, decided);
    CHECK_TRUE(sim_run_until_idle(SETTLE_MS));
}

static void
feed_many(fixture *f, uint64_t first, uint64_t last, uint64_t decided)
{
    for (; first <= last; first += 32) {
        feed(f, first, RT_MIN(first + 31, last), decided);
    }
}

static const msg_answers *
last_answers(const fixture *f)
{
    CHECK_TRUE(f->count > 0);
    return &f->answers[f->count - 1];
}

static uint64_t
answer_seq(rt_msg_list answers, uint32_t index)
{
    CHECK_TRUE(index < answers.count);
    return ((const msg_answer *)answers.items)[index].seq;
}

// --- link ---

static void
test_host_says_hello_with_who_it_is(void **state)
{
    fixture *f = *state;
    const msg_agent_info *info = NULL;

    start_host(f, NULL);
    CHECK_INT(f->hello_count, 1);
    CHECK_INT(f->hello.protocol, 1);
    CHECK_STR(f->hello.host, "inside");
    CHECK_INT(f->hello.applied_seq, 0);
    CHECK_U64(f->hello.catalog_hash, rt_catalog_hash(f->catalog));
    CHECK_INT(f->hello.agents.count, 1);
    info = f->hello.agents.items;
    CHECK_STR(info->name, "adder");
    CHECK_STR(*(const rt_str *)info->hears.items, "test.counted");
    CHECK_INT(f->hello.answers.count, 0);
}

static void
test_host_answers_each_batch_once(void **state)
{
    fixture *f = *state;

    start_host(f, NULL);
    feed(f, 1, 3, 0);
    CHECK_INT(f->count, 1);
    CHECK_INT(last_answers(f)->upto_seq, 3);
    CHECK_INT(last_answers(f)->answers.count, 3);
    CHECK_INT(answer_seq(last_answers(f)->answers, 2), 3);
    CHECK_INT(last_answers(f)->late.count, 0);
    CHECK_U64(last_answers(f)->state_hash, 0);
    send_batch(f, 4, 4, 0);
    send_batch(f, 5, 6, 0);
    CHECK_TRUE(sim_run_until_idle(SETTLE_MS));
    CHECK_INT(f->count, 3);
    CHECK_INT(f->answers[1].upto_seq, 4);
    CHECK_INT(f->answers[2].upto_seq, 6);
    CHECK_INT(br_host_applied(f->host), 6);
}

static void
test_host_ignores_records_it_has_applied(void **state)
{
    fixture *f = *state;
    uint64_t hash = 0;

    start_host(f, NULL);
    feed(f, 1, 3, 0);
    hash = br_host_hash(f->host);
    feed(f, 1, 3, 0);
    CHECK_INT(f->count, 2);
    CHECK_INT(last_answers(f)->answers.count, 0);
    CHECK_U64(br_host_hash(f->host), hash);
    feed(f, 3, 4, 0);
    CHECK_INT(last_answers(f)->answers.count, 1);
    CHECK_TRUE(br_host_hash(f->host) != hash);
}

static void
test_host_sync_ping_gives_the_state_hash(void **state)
{
    fixture *f = *state;

    start_host(f, NULL);
    feed(f, 1, 3, 0);
    feed(f, 4, 3, 0); // an empty batch up to 3 that says what is durable
    CHECK_U64(last_answers(f)->state_hash, 0);
    f->uncommitted = 3;
    feed(f, 4, 3, 0); // one that does not
    CHECK_U64(last_answers(f)->state_hash, br_host_hash(f->host));
    CHECK_TRUE(last_answers(f)->state_hash != 0);
    crashes_left = 1;
    send_batch(f, 4, 4, 0);
    f->uncommitted = 4;
    send_batch(f, 5, 4, 0); // a ping while the agent rests: its state is not that of 4
    sim_advance_ms(5);
    CHECK_INT(f->count, 5);
    CHECK_INT(last_answers(f)->late.count, 1);
    CHECK_U64(last_answers(f)->state_hash, 0);
}

static void
test_host_after_broken_link_repeats_unconfirmed_answers(void **state)
{
    fixture *f = *state;
    uint64_t hash = 0;

    start_host(f, NULL);
    feed(f, 1, 3, 0);
    feed(f, 4, 5, 2); // 1 and 2 are decided
    hash = br_host_hash(f->host);
    sim_net_cut(URL);
    sim_advance_ms(1000);
    CHECK_INT(f->hello_count, 2);
    CHECK_INT(f->hello.applied_seq, 5);
    CHECK_INT(f->hello.answers.count, 3);
    CHECK_INT(answer_seq(f->hello.answers, 0), 3);
    CHECK_INT(answer_seq(f->hello.answers, 2), 5);
    CHECK_U64(br_host_hash(f->host), hash);
    feed(f, 6, 6, 5);
    CHECK_INT(answer_seq(last_answers(f)->answers, 0), 6);
}

// The brain may have died with records that were not durable; the next one gives their numbers to
// others.
static void
test_host_after_broken_link_forgets_what_the_journal_may_have_lost(void **state)
{
    fixture *f = *state;
    uint64_t durable = 0;

    start_host(f, DIR);
    feed(f, 1, 3, 3);
    sim_advance_ms(3 * CUT_EVERY_MS);
    durable = br_host_hash(f->host);
    f->uncommitted = 2;
    feed(f, 4, 5, 3);
    CHECK_TRUE(br_host_hash(f->host) != durable);
    sim_net_cut(URL);
    sim_advance_ms(1000);
    CHECK_INT(f->hello_count, 2);
    CHECK_INT(f->hello.applied_seq, 3);
    CHECK_INT(f->hello.answers.count, 0);
    CHECK_U64(br_host_hash(f->host), durable);
    f->uncommitted = 0;
    feed(f, 4, 4, 3);
    CHECK_INT(last_answers(f)->answers.count, 1);
    CHECK_INT(answer_seq(last_answers(f)->answers, 0), 4);
}

// The link breaks at every millisecond around a cut, also while one is being written: what is on
// disk then is neither the old state nor the new one.
static void
test_host_whose_link_breaks_around_a_cut_comes_to_the_same_state(void **state)
{
    fixture *f = *state;
    uint64_t hash = 0;
    uint64_t seq = 0;

    sim_net_set_faults((sim_net_faults){.delay_min_us = 20, .delay_max_us = 20});
    start_host(f, DIR);
    for (int ms = 0; ms < CUT_EVERY_MS + 10; ms++) {
        f->uncommitted = 0;
        feed_many(f, f->hello.applied_seq + 1, seq, seq);
        send_batch(f, seq + 1, seq + 1, seq);
        seq++;
        sim_advance_ms(ms);
        f->uncommitted = 1;
        f->is_cutting_link = true;
        send_batch(f, seq + 1, seq + 1, seq); // will be another record
        sim_advance_ms(1000);
        CHECK_TRUE(f->hello.applied_seq <= seq);
    }
    f->uncommitted = 0;
    feed_many(f, f->hello.applied_seq + 1, seq + 1, seq);
    sim_advance_ms(3 * CUT_EVERY_MS);
    hash = br_host_hash(f->host);
    kill_host(f);
    start_host(f, DIR);
    CHECK_INT(f->hello.applied_seq, seq + 1);
    CHECK_U64(br_host_hash(f->host), hash);
    kill_host(f);
    start_host(f, NULL); // never had a broken link
    feed_many(f, 1, seq + 1, seq);
    CHECK_U64(br_host_hash(f->host), hash);
}

static void
test_host_full_link_keeps_messages_in_order(void **state)
{
    fixture *f = *state;

    start_host(f, NULL);
    f->is_keeping = true;
    for (uint64_t seq = 1; seq <= 400; seq++) { // the host's end takes 256 at a time
        send_batch(f, seq, seq, 0);
        sim_advance_ms(1);
    }
    CHECK_INT(f->count, 4);
    CHECK_INT(br_host_applied(f->host), 400);
    for (uint64_t seq = 401; seq <= 430; seq++) { // now and then there is room for one
        rt_parcel_free(f->kept[--f->kept_count]);
        send_batch(f, seq, seq, 0);
        sim_advance_ms(1);
    }
    CHECK_INT(f->count, 34);
    f->is_keeping = false;
    while (f->kept_count > 0) {
        rt_parcel_free(f->kept[--f->kept_count]);
    }
    CHECK_TRUE(sim_run_until_idle(SETTLE_MS));
    CHECK_INT(f->count, 430);
    for (size_t i = 0; i < f->count; i++) {
        CHECK_INT(f->answers[i].upto_seq, i + 1);
        CHECK_INT(answer_seq(f->answers[i].answers, 0), i + 1);
    }
}

// --- agents that are behind ---

static void
test_host_names_late_agent_and_answers_for_it_later(void **state)
{
    fixture *f = *state;
    const msg_agent_state *health = NULL;

    start_host(f, NULL);
    crashes_left = 1;
    send_batch(f, 1, 2, 0);
    sim_advance_ms(5);
    CHECK_INT(f->count, 1);
    CHECK_INT(f->answers[0].upto_seq, 2); // the brain does not wait for it
    CHECK_INT(f->answers[0].answers.count, 0);
    CHECK_STR(*(const rt_str *)f->answers[0].late.items, "adder");
    sim_advance_ms(10);
    CHECK_INT(f->count, 2);
    CHECK_INT(f->answers[1].upto_seq, 2);
    CHECK_INT(f->answers[1].answers.count, 2);
    CHECK_INT(answer_seq(f->answers[1].answers, 0), 1);
    CHECK_INT(f->answers[1].late.count, 0);
    CHECK_INT(f->answers[1].agents.count, 1);
    health = f->answers[1].agents.items;
    CHECK_STR(health->state, "running");
    CHECK_INT(health->restarts, 1);
}

static void
test_host_poison_record_is_reported_as_failure(void **state)
{
    fixture *f = *state;
    const msg_failure *failure = NULL;

    start_host(f, NULL);
    crashes_left = 3;
    send_batch(f, 1, 2, 0);
    CHECK_TRUE(sim_run_until_idle(SETTLE_MS));
    CHECK_INT(last_answers(f)->failures.count, 1);
    failure = last_answers(f)->failures.items;
    CHECK_INT(failure->seq, 1);
    CHECK_INT(failure->attempts, 3);
    CHECK_INT(answer_seq(last_answers(f)->answers, 0), 2);
}

static void
test_host_that_comes_back_says_who_is_late(void **state)
{
    fixture *f = *state;

    start_host(f, NULL);
    crashes_left = 1;
    send_batch(f, 1, 2, 0);
    sim_advance_ms(5);
    sim_net_cut(URL); // with what was said of it
    while (f->hello_count < 2) {
        sim_advance_ms(1);
    }
    CHECK_INT(f->hello.late.count, 0); // it has caught up meanwhile
    crashes_left = 10; // enough for a quarantine
    send_batch(f, 3, 9, 0);
    sim_advance_ms(1000);
    sim_net_cut(URL);
    while (f->hello_count < 3) {
        sim_advance_ms(1);
    }
    CHECK_INT(f->hello.late.count, 1);
    CHECK_STR(*(const rt_str *)f->hello.late.items, "adder");
}

// Tells the host that a failure is a dead letter for good.
static void
settle(fixture *f, uint64_t upto, uint64_t number)
{
    msg_records msg = {.upto_seq = upto, .committed_seq = upto, .settled = {&number, 1}};

    rt_mpw_clear(&f->out);
    rt_msg_encode(&msg_records_def, &msg, &f->out);
    CHECK_OK(rt_link_send(f->link, rt_mpw_view(&f->out)));
    sim_advance_ms(10);
}

static void
test_host_reports_a_failure_until_it_is_settled(void **state)
{
    fixture *f = *state;
    const msg_failure *failure = NULL;

    start_host(f, DIR);
    crashes_left = 3;
    send_batch(f, 1, 2, 0);
    sim_advance_ms(100);
    CHECK_INT(last_answers(f)->failures.count, 1);
    CHECK_TRUE(br_host_is_behind(f->host));
    sim_advance_ms(2500); // nobody says anything about it
    CHECK_INT(last_answers(f)->failures.count, 1);

    kill_host(f);
    start_host(f, DIR); // its cut is behind the record
    CHECK_INT(f->hello.applied_seq, 2);
    send_batch(f, 3, 3, 0);
    sim_advance_ms(10);
    CHECK_INT(last_answers(f)->failures.count, 1);
    failure = last_answers(f)->failures.items;
    CHECK_INT(failure->seq, 1);

    settle(f, 3, failure->number);
    CHECK_TRUE(!br_host_is_behind(f->host));
    size_t before = f->count;
    sim_advance_ms(5000);
    for (size_t i = before; i < f->count; i++) {
        CHECK_INT(f->answers[i].failures.count, 0);
    }
}

static void
test_host_sends_health_about_once_a_second(void **state)
{
    fixture *f = *state;

    start_host(f, NULL);
    feed(f, 1, 1, 0);
    CHECK_INT(last_answers(f)->agents.count, 1);
    feed(f, 2, 2, 0);
    CHECK_INT(last_answers(f)->agents.count, 0);
    sim_advance_ms(2500); // nothing else to say: the news of the second record go alone
    CHECK_INT(f->count, 3);
    CHECK_INT(last_answers(f)->agents.count, 1);
    CHECK_INT(((const msg_agent_state *)last_answers(f)->agents.items)->heard, 2);
    CHECK_INT(last_answers(f)->upto_seq, 2);
    sim_advance_ms(10000); // no news, no message
    CHECK_INT(f->count, 3);
}

// --- restarts ---

static void
test_host_damaged_state_is_begun_anew_and_told(void **state)
{
    bool flipped = true;

    for (uint64_t bit = 0; flipped; bit += 101) {
        uint64_t hash = 0;

        CHECK_INT(teardown(state), 0);
        CHECK_INT(setup(state), 0);
        fixture *f = *state;
        start_host(f, DIR);
        CHECK_FALSE(f->hello.lost);
        feed(f, 1, 4, 2);
        sim_advance_ms(3 * CUT_EVERY_MS);
        hash = br_host_hash(f->host);
        kill_host(f);
        flipped = sim_kv_flip_bit(DIR, bit);
        start_host(f, DIR);
        CHECK_INT(f->hello.lost, flipped);
        CHECK_INT(f->hello.applied_seq, flipped ? 0 : 4);
        CHECK_U64(rt_kv_aside_count(DIR), flipped ? 1 : 0);
        CHECK_INT(memmem(f->log.ptr, f->log.len, "host-state-damaged", 18) != NULL, flipped);
        // It is lost as long as nothing is saved,
        kill_host(f);
        start_host(f, DIR);
        CHECK_INT(f->hello.lost, flipped);
        // fed again it is what it was,
        feed(f, 1, 4, 2);
        CHECK_U64(br_host_hash(f->host), hash);
        sim_advance_ms(3 * CUT_EVERY_MS);
        kill_host(f);
        // and then it is a host like any other.
        start_host(f, DIR);
        CHECK_FALSE(f->hello.lost);
        CHECK_INT(f->hello.applied_seq, 4);
        CHECK_TRUE(flipped || bit > 8 * 100);
    }
}

static void
test_host_state_of_another_host_is_not_taken(void **state)
{
    fixture *f = *state;
    br_host_config config = {
        .name = "elsewhere",
        .url = URL,
        .runner = {.agents = agents, .agent_count = 1, .catalog = f->catalog},
        .dir = DIR,
        .map_bytes = MAP_BYTES,
        .cut_every_ms = CUT_EVERY_MS,
        .journal_first_seq = 2,
    };

    start_host(f, DIR);
    feed(f, 1, 4, 2);
    sim_advance_ms(3 * CUT_EVERY_MS);
    kill_host(f);
    f->host_loop = rt_loop_new();
    CHECK_ERR(br_host_new(f->host_loop, &config, &f->host), RT_ECORRUPT);
    CHECK_HAS(rt_str_of(rt_err_detail()), "the state of host inside, not of elsewhere");
    rt_loop_free(f->host_loop);
    start_host(f, DIR);
    CHECK_INT(f->hello.applied_seq, 4);
}

static void
test_host_state_of_no_host_is_begun_anew(void **state)
{
    fixture *f = *state;
    rt_kv *kv = NULL;
    rt_store *store = NULL;
    rt_table *table = NULL;

    CHECK_OK(rt_kv_open(DIR, MAP_BYTES, &kv));
    CHECK_OK(rt_store_open(kv, &store));
    CHECK_OK(rt_store_table(store, 60, "theirs", &table));
    rt_table_put(table, rt_bytes_of_str(RT_STR("k")), rt_bytes_of_str(RT_STR("v")));
    CHECK_OK(rt_store_cut_wait(store, 9));
    rt_store_close(store);
    rt_kv_close(kv);
    start_host(f, DIR);
    CHECK_INT(f->hello.applied_seq, 0);
    CHECK_TRUE(f->hello.lost);
}

static void
test_host_damaged_state_beyond_repair_is_refused(void **state)
{
    fixture *f = *state;
    br_host_config config = {
        .name = "inside",
        .url = URL,
        .runner = {.agents = agents, .agent_count = 1, .catalog = f->catalog},
        .dir = DIR,
        .map_bytes = MAP_BYTES,
        .cut_every_ms = CUT_EVERY_MS,
        .journal_first_seq = 2,
    };

    start_host(f, DIR);
    feed(f, 1, 4, 2);
    sim_advance_ms(3 * CUT_EVERY_MS);
    kill_host(f);
    CHECK_TRUE(sim_kv_flip_bit(DIR, 100));
    f->host_loop = rt_loop_new();
    CHECK_ERR(br_host_new(f->host_loop, &config, &f->host), RT_ECORRUPT);
    CHECK_HAS(rt_str_of(rt_err_detail()), "the journal begins with record 2");
    CHECK_U64(rt_kv_aside_count(DIR), 0);
    rt_loop_free(f->host_loop);
}

static void
test_host_comes_back_from_its_cut(void **state)
{
    fixture *f = *state;
    const msg_answer *answer = NULL;
    uint64_t hash = 0;

    start_host(f, DIR);
    feed(f, 1, 4, 2);
    sim_advance_ms(3 * CUT_EVERY_MS);
    hash = br_host_hash(f->host);
    kill_host(f);
    start_host(f, DIR);
    CHECK_INT(f->hello_count, 2);
    CHECK_INT(f->hello.applied_seq, 4);
    CHECK_U64(br_host_hash(f->host), hash);
    CHECK_INT(f->hello.answers.count, 2); // 3 and 4 were not confirmed
    CHECK_INT(answer_seq(f->hello.answers, 0), 3);
    answer = f->hello.answers.items;
    CHECK_STR(((const msg_proposal *)answer[1].proposals.items)->target, "order/1");
}

static void
test_host_does_not_save_what_the_journal_could_still_lose(void **state)
{
    fixture *f = *state;

    start_host(f, DIR);
    f->uncommitted = 1;
    feed(f, 1, 4, 0);
    sim_advance_ms(3 * CUT_EVERY_MS);
    kill_host(f);
    start_host(f, DIR);
    CHECK_INT(f->hello.applied_seq, 0);

    feed(f, 1, 4, 0);
    f->uncommitted = 0;
    feed(f, 5, 4, 0); // nothing new, but now all four are durable
    sim_advance_ms(3 * CUT_EVERY_MS);
    kill_host(f);
    start_host(f, DIR);
    CHECK_INT(f->hello.applied_seq, 4);
}

static void
test_host_killed_before_a_cut_is_fed_again_to_the_same_state(void **state)
{
    fixture *f = *state;
    uint64_t hash = 0;

    start_host(f, DIR);
    feed(f, 1, 4, 0);
    sim_advance_ms(3 * CUT_EVERY_MS);
    feed(f, 5, 9, 4);
    hash = br_host_hash(f->host);
    kill_host(f); // 5..9 were in no cut
    start_host(f, DIR);
    CHECK_INT(f->hello.applied_seq, 4);
    CHECK_TRUE(br_host_hash(f->host) != hash);
    feed(f, 5, 9, 4);
    CHECK_U64(br_host_hash(f->host), hash);
    CHECK_INT(last_answers(f)->answers.count, 5);
}

static void
test_host_confirmed_answers_leave_the_cut(void **state)
{
    fixture *f = *state;

    start_host(f, DIR);
    feed(f, 1, 4, 0);
    sim_advance_ms(3 * CUT_EVERY_MS); // all four are saved as unconfirmed
    feed(f, 5, 5, 4);
    sim_advance_ms(3 * CUT_EVERY_MS);
    kill_host(f);
    start_host(f, DIR);
    CHECK_INT(f->hello.applied_seq, 5);
    CHECK_INT(f->hello.answers.count, 1);
    CHECK_INT(answer_seq(f->hello.answers, 0), 5);
}

static void
test_host_stop_saves_what_no_cut_has(void **state)
{
    fixture *f = *state;
    uint64_t hash = 0;

    start_host(f, DIR);
    feed(f, 1, 4, 0);
    hash = br_host_hash(f->host);
    CHECK_OK(br_host_stop(f->host));
    send_batch(f, 5, 5, 0); // comes too late
    CHECK_TRUE(sim_run_until_idle(SETTLE_MS));
    kill_host(f);
    start_host(f, DIR);
    CHECK_INT(f->hello.applied_seq, 4);
    CHECK_U64(br_host_hash(f->host), hash);
    CHECK_INT(f->hello.answers.count, 4);
}

static void
test_host_cut_while_agent_is_behind_is_fed_from_there(void **state)
{
    fixture *f = *state;
    uint64_t hash = 0;

    start_host(f, DIR);
    feed(f, 1, 4, 0);
    hash = br_host_hash(f->host);
    kill_host(f);
    sim_disk_reset();

    start_host(f, DIR);
    feed(f, 1, 2, 0);
    crashes_left = 1;
    send_batch(f, 3, 4, 0);
    sim_advance_ms(2);
    CHECK_OK(br_host_stop(f->host)); // 3 and 4 wait in the mailbox
    kill_host(f);
    start_host(f, DIR);
    CHECK_INT(f->hello.applied_seq, 2);
    feed(f, 3, 4, 0);
    CHECK_U64(br_host_hash(f->host), hash);
}

// --- trouble ---

static void
test_host_refusal_is_logged_and_survived(void **state)
{
    fixture *f = *state;

    start_host(f, NULL);
    rt_mpw_clear(&f->out);
    rt_mpw_cstr(&f->out, "the catalogue differs");
    CHECK_OK(rt_link_send(f->link, rt_mpw_view(&f->out)));
    CHECK_TRUE(sim_run_until_idle(SETTLE_MS));
    CHECK_TRUE(strstr(f->log.ptr, "event=host-refused") != NULL);
    CHECK_TRUE(strstr(f->log.ptr, "the catalogue differs") != NULL);
    CHECK_INT(f->count, 0);
    feed(f, 1, 1, 0);
    CHECK_INT(f->count, 1);
}

static void
test_host_malformed_batch_is_logged_once_and_survived(void **state)
{
    fixture *f = *state;
    static const uint8_t bad[] = {0x92, 0x01, 0xdd};
    const char *first = NULL;

    start_host(f, NULL);
    for (int i = 0; i < 3; i++) {
        CHECK_OK(rt_link_send(f->link, (rt_bytes){bad, sizeof(bad)}));
    }
    CHECK_TRUE(sim_run_until_idle(SETTLE_MS));
    first = strstr(f->log.ptr, "event=host-records-malformed");
    CHECK_TRUE(first != NULL);
    CHECK_TRUE(strstr(first + 1, "event=host-records-malformed") == NULL);
    CHECK_INT(br_host_applied(f->host), 0);
    feed(f, 1, 1, 0);
    CHECK_INT(f->count, 1);
}

static void
test_host_batch_out_of_order_is_refused(void **state)
{
    fixture *f = *state;
    const uint64_t orders[][2] = {{1, 9}, {2, 1}, {2, 2}}; // beyond 3, backwards, twice

    start_host(f, NULL);
    for (size_t i = 0; i < RT_COUNT(orders); i++) {
        msg_fed records[] = {{.seq = orders[i][0], .kind = RT_RECORD_EVENT},
                             {.seq = orders[i][1], .kind = RT_RECORD_EVENT}};
        msg_records msg = {.upto_seq = 3, .records = {records, RT_COUNT(records)}};

        rt_mpw_clear(&f->out);
        rt_msg_encode(&msg_records_def, &msg, &f->out);
        CHECK_OK(rt_link_send(f->link, rt_mpw_view(&f->out)));
    }
    CHECK_TRUE(sim_run_until_idle(SETTLE_MS));
    CHECK_TRUE(strstr(f->log.ptr, "event=host-records-malformed") != NULL);
    CHECK_INT(br_host_applied(f->host), 0);
    feed(f, 1, 3, 0);
    CHECK_INT(f->count, 1);
}

#define HOST_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        HOST_TEST(test_host_says_hello_with_who_it_is),
        HOST_TEST(test_host_answers_each_batch_once),
        HOST_TEST(test_host_ignores_records_it_has_applied),
        HOST_TEST(test_host_sync_ping_gives_the_state_hash),
        HOST_TEST(test_host_after_broken_link_repeats_unconfirmed_answers),
        HOST_TEST(test_host_after_broken_link_forgets_what_the_journal_may_have_lost),
        HOST_TEST(test_host_whose_link_breaks_around_a_cut_comes_to_the_same_state),
        HOST_TEST(test_host_full_link_keeps_messages_in_order),
        HOST_TEST(test_host_names_late_agent_and_answers_for_it_later),
        HOST_TEST(test_host_poison_record_is_reported_as_failure),
        HOST_TEST(test_host_that_comes_back_says_who_is_late),
        HOST_TEST(test_host_reports_a_failure_until_it_is_settled),
        HOST_TEST(test_host_sends_health_about_once_a_second),
        HOST_TEST(test_host_damaged_state_is_begun_anew_and_told),
        HOST_TEST(test_host_state_of_another_host_is_not_taken),
        HOST_TEST(test_host_state_of_no_host_is_begun_anew),
        HOST_TEST(test_host_damaged_state_beyond_repair_is_refused),
        HOST_TEST(test_host_comes_back_from_its_cut),
        HOST_TEST(test_host_does_not_save_what_the_journal_could_still_lose),
        HOST_TEST(test_host_killed_before_a_cut_is_fed_again_to_the_same_state),
        HOST_TEST(test_host_confirmed_answers_leave_the_cut),
        HOST_TEST(test_host_stop_saves_what_no_cut_has),
        HOST_TEST(test_host_cut_while_agent_is_behind_is_fed_from_there),
        HOST_TEST(test_host_refusal_is_logged_and_survived),
        HOST_TEST(test_host_malformed_batch_is_logged_once_and_survived),
        HOST_TEST(test_host_batch_out_of_order_is_refused),
    };

    return CHECK_RUN(tests);
}
