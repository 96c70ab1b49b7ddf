#include "tests/bench/run.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>

#include "runtime/base/alloc.h"
#include "runtime/base/check.h"
#include "runtime/real/net_load.h"
#include "runtime/seam/clock.h"
#include "runtime/seam/net.h"
#include "runtime/wire/mp.h"

// Design notes.
// Latency is counted from the time a message was meant to leave. When the brain (or this program)
// falls behind, later messages wait for a free slot and their waiting counts: no coordinated
// omission. In a flood everything is meant to leave when a slot gets free, so there the figure is
// the time in the brain.
//
// An acknowledgement names the journal's number of each event, a decision the number of its event;
// both are written into tables by that number, on different threads and in either order, and
// joined when all is over. Decisions are made in the order of their events, so a load is over
// when the highest number acknowledged is decided.

#define DIAL_PATIENCE_US (30 * 1000000LL)
#define DIAL_PAUSE_US 20000
#define WATCH_POLL_MS 50
#define WATCH_ARENA_BYTES ((size_t)64 * 1024 * 1024)
#define SEQS_PER_EVENT 6 // records of an event, its decision, and what they lead to; generous
#define SEQS_SPARE 100000
#define NO_MESSAGE 0 // else index + 1

typedef struct producer {
    run *owner;
    rt_load *load;
    uint32_t slots;
    uint32_t *message; // in each slot: index
} producer;

typedef struct slot_ref {
    producer *producer;
    uint32_t slot;
} slot_ref;

struct run {
    producer *producers;
    uint32_t producer_count;
    rt_sub *sub;
    rt_thread *watcher;
    const daemon_state *daemon;
    // by journal number
    uint64_t seq_max;
    uint32_t *message_of;  // NO_MESSAGE or index + 1 in the load at hand
    uint32_t *decided_at;  // µs since `begin_us`, 0 = not yet
    // the load at hand; guarded by `lock` unless said otherwise
    pthread_mutex_t lock;
    pthread_cond_t changed;
    const load_messages *messages;
    int64_t *meant_us; // per message, written by whoever sends it
    int64_t begin_us;
    int64_t end_us;    // no sending after it
    bool flood;
    uint32_t next;     // message to send
    uint32_t out;      // unanswered requests
    slot_ref *idle;
    uint32_t idle_count;
    uint64_t ok;
    uint64_t refused;
    uint64_t acked_seq; // highest
    histogram *ack_us;
    // written by the watcher only
    _Atomic uint64_t decided_seq; // read by the owner, who polls
    _Atomic int64_t decided_us;
    _Atomic bool stop;
    uint64_t published;
    uint64_t missing;
    uint64_t gaps;
    uint64_t number; // of the last publication
};

// --- publications ---

// Reads a msgpack array's header and passes over `skip` elements.
static bool
enter(rt_mp *mp, uint32_t skip)
{
    uint32_t count;
    bool ok = rt_mp_array(mp, &count) == RT_OK;
    for (uint32_t i = 0; i < skip && ok; i++) {
        ok = rt_mp_skip(mp) == RT_OK;
    }
    return ok;
}

// A msg_decision: version, event_seq, ten more, missing.
static void
note_decision(run *r, rt_mp decision, int64_t now_us)
{
    uint64_t seq = 0;
    uint32_t missing = 0;
    bool ok = enter(&decision, 1) && rt_mp_u64(&decision, &seq) == RT_OK;
    for (int i = 0; i < 10 && ok; i++) {
        ok = rt_mp_skip(&decision) == RT_OK;
    }
    ok = ok && rt_mp_array(&decision, &missing) == RT_OK;
    RT_ASSERT(ok); // what a braind of the same build sends
    r->published++;
    r->missing += missing > 0;
    if (seq < r->seq_max) {
        r->decided_at[seq] = (uint32_t)RT_MAX(now_us - r->begin_us, 1);
    }
    atomic_store(&r->decided_us, now_us);
    atomic_store(&r->decided_seq, seq);
}

// A msg_publication after topic and zero byte: version, number, first, last, items.
static void
note_publication(run *r, rt_bytes body, int64_t now_us)
{
    const uint8_t *zero = memchr(body.ptr, 0, body.len);
    RT_ASSERT(zero != NULL);
    rt_mp mp = {zero + 1, body.ptr + body.len};
    uint64_t number = 0;
    uint32_t count = 0;
    bool ok = enter(&mp, 1) && rt_mp_u64(&mp, &number) == RT_OK && rt_mp_skip(&mp) == RT_OK &&
              rt_mp_skip(&mp) == RT_OK && rt_mp_array(&mp, &count) == RT_OK;
    RT_ASSERT(ok);
    r->gaps += r->number != 0 ? number - r->number - 1 : 0;
    r->number = number;
    for (uint32_t i = 0; i < count; i++) {
        rt_mp item = mp; // version, seq, at_ms, kind, flags, payload
        ok = enter(&item, 5) && rt_mp_skip(&mp) == RT_OK;
        RT_ASSERT(ok);
        note_decision(r, item, now_us);
    }
}

static void
watch(void *user)
{
    run *r = user;
    rt_arena *arena = rt_arena_new(WATCH_ARENA_BYTES);
    while (!atomic_load(&r->stop)) {
        rt_bytes body;
        rt_arena_reset(arena);
        if (rt_sub_recv(r->sub, WATCH_POLL_MS, arena, &body) == RT_OK) {
            note_publication(r, body, rt_clock_mono_us());
        }
    }
    rt_arena_free(arena);
}

// --- requests ---

// The next message goes out on a slot; the lock is held, and let go while sending.
static void
send_next(run *r, slot_ref at, int64_t meant_us)
{
    uint32_t index = r->next++;
    r->out++;
    r->meant_us[index] = meant_us;
    at.producer->message[at.slot] = index;
    pthread_mutex_unlock(&r->lock);
    rt_load_send(at.producer->load, at.slot, load_message(r->messages, index));
    pthread_mutex_lock(&r->lock);
}

typedef struct answer {
    uint64_t ok;
    uint64_t other;
    uint64_t seq; // highest
} answer;

static bool
read_result(run *r, rt_mp *mp, uint32_t index, answer *a)
{
    uint32_t parts;
    uint64_t seq;
    rt_str status;
    bool ok = rt_mp_array(mp, &parts) == RT_OK && parts >= 2 && rt_mp_str(mp, &status) == RT_OK;
    if (!ok || !rt_str_is(status, "ok")) {
        a->other++;
        for (uint32_t i = 1; i < parts && ok; i++) {
            ok = rt_mp_skip(mp) == RT_OK;
        }
        return ok;
    }
    ok = rt_mp_u64(mp, &seq) == RT_OK;
    if (ok && seq < r->seq_max) {
        r->message_of[seq] = index + 1;
    }
    a->ok++;
    a->seq = RT_MAX(a->seq, seq);
    return ok;
}

static answer
read_answer(run *r, rt_bytes reply, uint32_t index)
{
    answer a = {0};
    rt_mp mp;
    uint32_t count = 0;
    bool ok = rt_mp_find(reply, RT_STR("results"), &mp) && rt_mp_array(&mp, &count) == RT_OK;
    for (uint32_t i = 0; i < count && ok; i++) {
        ok = read_result(r, &mp, index, &a);
    }
    RT_ASSERT(ok); // what a braind of the same build answers
    return a;
}

static void
on_reply(void *user, uint32_t slot, rt_err err, rt_bytes reply)
{
    producer *p = user;
    run *r = p->owner;
    int64_t now_us = rt_clock_mono_us();
    uint32_t index = p->message[slot];
    answer a = {.other = r->messages->sizes[index]};
    if (err == RT_OK) {
        a = read_answer(r, reply, index);
    }
    pthread_mutex_lock(&r->lock);
    histogram_add(r->ack_us, (uint64_t)(now_us - r->meant_us[index]));
    r->ok += a.ok;
    r->refused += a.other;
    r->acked_seq = RT_MAX(r->acked_seq, a.seq);
    r->out--;
    if (r->flood && r->next < r->messages->count && now_us < r->end_us && err == RT_OK) {
        send_next(r, (slot_ref){p, slot}, now_us);
    } else {
        r->idle[r->idle_count++] = (slot_ref){p, slot};
        pthread_cond_signal(&r->changed);
    }
    pthread_mutex_unlock(&r->lock);
}

static void
sleep_until(int64_t at_us)
{
    struct timespec at = {.tv_sec = at_us / 1000000, .tv_nsec = at_us % 1000000 * 1000};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL) == EINTR) {
    }
}

static void
send_flood(run *r)
{
    pthread_mutex_lock(&r->lock);
    while (r->idle_count > 0 && r->next < r->messages->count) {
        send_next(r, r->idle[--r->idle_count], rt_clock_mono_us());
    }
    pthread_mutex_unlock(&r->lock);
}

static void
send_paced(run *r, uint64_t rate)
{
    double gap_us = 1e6 * r->messages->sizes[0] / (double)rate;
    for (uint32_t i = 0; i < r->messages->count; i++) {
        int64_t meant_us = r->begin_us + (int64_t)(gap_us * i);
        if (meant_us >= r->end_us) {
            return;
        }
        if (rt_clock_mono_us() < meant_us) {
            sleep_until(meant_us);
        }
        pthread_mutex_lock(&r->lock);
        while (r->idle_count == 0) {
            pthread_cond_wait(&r->changed, &r->lock);
        }
        send_next(r, r->idle[--r->idle_count], meant_us);
        pthread_mutex_unlock(&r->lock);
    }
}

// Waits until everything sent is answered and decided.
static rt_err
settle(run *r, int64_t until_us)
{
    for (;;) {
        pthread_mutex_lock(&r->lock);
        bool sending = r->flood && r->next < r->messages->count && rt_clock_mono_us() < r->end_us;
        bool over = r->out == 0 && !sending && atomic_load(&r->decided_seq) >= r->acked_seq;
        pthread_mutex_unlock(&r->lock);
        if (over) {
            return RT_OK;
        }
        if (rt_clock_mono_us() > until_us || !daemon_alive(r->daemon)) {
            return rt_fail(RT_ETIMEOUT, "not everything sent was decided in time");
        }
        sleep_until(rt_clock_mono_us() + 2000);
    }
}

// Joins acknowledgements with decisions and forgets them.
static void
join(run *r, run_result *result)
{
    for (uint64_t seq = 0; seq < r->seq_max && seq <= r->acked_seq; seq++) {
        if (r->message_of[seq] != NO_MESSAGE && r->decided_at[seq] != 0) {
            int64_t at_us = r->begin_us + r->decided_at[seq];
            int64_t took_us = at_us - r->meant_us[r->message_of[seq] - 1];
            histogram_add(&result->decision_us, (uint64_t)RT_MAX(took_us, 0));
            result->decided++;
        }
        r->message_of[seq] = NO_MESSAGE;
        r->decided_at[seq] = 0;
    }
}

static void
begin(run *r, const load_messages *messages, const run_config *config, run_result *result)
{
    r->messages = messages;
    r->meant_us = rt_new_array(int64_t, messages->count);
    r->flood = config->rate == 0;
    r->next = 0;
    r->ok = 0;
    r->refused = 0;
    r->published = 0; // nothing is published between loads but the brain's own samples
    r->missing = 0;
    r->gaps = 0;
    r->ack_us = &result->ack_us;
    result->first_seq = atomic_load(&r->decided_seq);
    r->begin_us = rt_clock_mono_us();
    r->end_us = r->begin_us + config->limit_us;
}

rt_err
run_load(run *r, const load_messages *messages, const run_config *config, run_result *ret_result)
{
    memset(ret_result, 0, sizeof(*ret_result));
    daemon_usage before = daemon_usage_of(r->daemon);
    begin(r, messages, config, ret_result);
    if (r->flood) {
        send_flood(r);
    } else {
        send_paced(r, config->rate);
    }
    rt_err err = settle(r, r->end_us + config->patience_us);
    daemon_usage after = daemon_usage_of(r->daemon);
    pthread_mutex_lock(&r->lock);
    ret_result->events = r->ok;
    ret_result->refused = r->refused;
    ret_result->missing = r->missing;
    ret_result->published = r->published;
    ret_result->gaps = r->gaps;
    ret_result->elapsed_us = RT_MAX(atomic_load(&r->decided_us) - r->begin_us, 1);
    ret_result->cpu_us = after.cpu_us - before.cpu_us;
    ret_result->brain_cpu_us = after.brain_cpu_us - before.brain_cpu_us;
    ret_result->agents_cpu_us = after.agents_cpu_us - before.agents_cpu_us;
    ret_result->last_seq = r->acked_seq;
    join(r, ret_result);
    if (err == RT_OK) {
        rt_free(r->meant_us); // else a late answer may still look at it
    }
    pthread_mutex_unlock(&r->lock);
    return err;
}

// --- life ---

static rt_err
dial(run *r, producer *p)
{
    int64_t until_us = rt_clock_mono_us() + DIAL_PATIENCE_US;
    rt_err err = rt_load_dial(r->daemon->ingest, p->slots, on_reply, p, &p->load);
    while (err == RT_EUNREACH && rt_clock_mono_us() < until_us && daemon_alive(r->daemon)) {
        sleep_until(rt_clock_mono_us() + DIAL_PAUSE_US);
        err = rt_load_dial(r->daemon->ingest, p->slots, on_reply, p, &p->load);
    }
    return err;
}

static rt_err
open_producers(run *r, uint32_t slots)
{
    rt_err err = RT_OK;
    for (uint32_t i = 0; i < r->producer_count && err == RT_OK; i++) {
        producer *p = &r->producers[i];
        p->owner = r;
        p->slots = slots / r->producer_count;
        p->message = rt_new_array(uint32_t, p->slots);
        err = dial(r, p);
        for (uint32_t s = 0; s < p->slots; s++) {
            r->idle[r->idle_count++] = (slot_ref){p, s};
        }
    }
    return err;
}

rt_err
run_open(const daemon_state *daemon, uint32_t producers, uint32_t slots, uint64_t events_max,
         run **ret_run)
{
    run *r = rt_new(run);
    RT_ASSERT(producers > 0 && slots >= producers && slots / producers <= RT_LOAD_SLOTS_MAX);
    r->daemon = daemon;
    r->producer_count = producers;
    r->producers = rt_new_array(producer, producers);
    r->idle = rt_new_array(slot_ref, slots);
    r->seq_max = events_max * SEQS_PER_EVENT + SEQS_SPARE;
    r->message_of = rt_new_array(uint32_t, r->seq_max);
    r->decided_at = rt_new_array(uint32_t, r->seq_max);
    pthread_mutex_init(&r->lock, NULL);
    pthread_cond_init(&r->changed, NULL);
    rt_err err = open_producers(r, slots);
    if (err == RT_OK) {
        err = rt_sub_dial(daemon->publish, RT_STR("decisions."), &r->sub);
    }
    if (err != RT_OK) {
        return err; // the process ends with it
    }
    r->watcher = rt_thread_start("watch", watch, r);
    *ret_run = r;
    return RT_OK;
}

void
run_close(run *r)
{
    atomic_store(&r->stop, true);
    rt_thread_join(r->watcher);
    rt_free(r->message_of);
    rt_free(r->decided_at);
    r->message_of = NULL;
    r->decided_at = NULL;
    r->seq_max = 0; // connections and slots stay: nng may still call back
}
