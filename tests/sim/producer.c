#include "tests/sim/producer.h"

#include <stdio.h>

#include "runtime/base/alloc.h"
#include "runtime/base/check.h"
#include "runtime/base/map.h"
#include "runtime/sim/sim.h"
#include "runtime/wire/json.h"
#include "tests/sim/garbage.h"

// Design notes.
// Every attempt has a number; an answer to an older attempt is passed over, as a REQ socket does.

#define BATCH_BYTES_MAX (1024u * 1024)
#define KEY_CAP 448
#define TIMEOUT_MS 400
#define RESEND_FIRST_MS 60
#define RESEND_MAX_MS 10000
#define STREAM_PRODUCER 100

typedef struct item {
    rt_mpw body;
    char key[KEY_CAP];
    size_t key_len;
    bool bad;
    bool settled;
} item;

struct producer {
    producer_config config;
    rt_rng rng;
    shop *shop;
    shop_event next; // not yet in a batch
    bool has_next;
    int64_t day_ms; // event time at the beginning of the life
    int64_t resend_ms;
    rt_timer *timer;
    item items[PRODUCER_BATCH_MAX];
    size_t count;
    int64_t since_ms; // the batch was first sent
    uint64_t attempt;
    struct asked *asked; // not answered yet
    bool done;
    bool is_again; // the batch was sent before
    bool one_by_one; // the batch was refused as a whole
    rt_map *acked;
    rt_text json;       // a request
    rt_mpw transcoded;  // an answer
    uint64_t resent;
    uint64_t rejected;
};

// What an answer belongs to; frees itself.
typedef struct asked {
    struct asked *next; // of those still to be answered
    producer *p;
    uint64_t attempt;
    size_t positions[PRODUCER_BATCH_MAX]; // of the events in the request
    size_t count;
} asked;

static void send_batch(producer *p);

// Names an event, for the list of what was acknowledged and for messages.
static rt_bytes
name_event(uint16_t tenant, rt_str source, rt_str id, char buf[KEY_CAP])
{
    int len = snprintf(buf, KEY_CAP, "%u %.*s %.*s", tenant, RT_STR_ARG(source),
                       RT_STR_ARG(id));

    RT_ASSERT(len > 0 && len < KEY_CAP);
    return (rt_bytes){(const uint8_t *)buf, (size_t)len};
}

static void
wrong(producer *p, const char *what, const char *key, rt_str detail)
{
    char text[512];

    (void)snprintf(text, sizeof(text), "%s: %s %.*s", what, key, RT_STR_ARG(detail));
    p->config.on_wrong(p->config.user, text);
}

static rt_str
text_of(rt_bytes event, const char *name)
{
    rt_mp at;
    rt_str text = {"", 0};

    if (rt_mp_find(event, rt_str_of(name), &at)) {
        RT_IGNORE(rt_mp_str(&at, &text)); // empty then: damaged on purpose
    }
    return text;
}

static void
take_item(producer *p)
{
    item *it = &p->items[p->count++];
    rt_bytes body = p->next.body;

    rt_mpw_clear(&it->body);
    rt_mpw_raw(&it->body, body);
    it->bad = p->next.bad;
    p->config.counts[FAULT_HOSTILE_TEXT] += p->next.hostile;
    it->settled = false;
    it->key_len = name_event(p->config.shop.tenant, text_of(body, "source"),
                               text_of(body, "id"), it->key)
                      .len;
    p->has_next = shop_next(p->shop, &p->next);
}

// Virtual time at which the next event happens; 0 or less: it lies before this life.
static int64_t
next_due_ms(const producer *p)
{
    return p->config.paced ? p->next.time_ms - p->day_ms : 0;
}

// Fills the next batch; false when there is nothing to send now.
static bool
next_batch(producer *p)
{
    size_t want = 1 + (size_t)rt_rng_below(&p->rng, PRODUCER_BATCH_MAX);

    p->count = 0;
    while (p->count < want && p->has_next && next_due_ms(p) <= sim_now_ms()) {
        take_item(p);
    }
    p->since_ms = sim_now_ms();
    return p->count > 0;
}

static void
book_seq(producer *p, item *it, uint64_t seq)
{
    rt_bytes key = {(const uint8_t *)it->key, it->key_len};
    uint64_t before = 0;

    if (it->bad) {
        wrong(p, "a bad event was accepted", it->key, RT_STR(""));
    }
    if (rt_map_get(p->acked, key, &before) && before != seq) {
        wrong(p, "acknowledged with two sequence numbers", it->key, RT_STR(""));
    }
    (void)rt_map_put(p->acked, key, seq); // new or the same
    p->config.on_acked(p->config.user, p->config.shop.tenant,
                       text_of(rt_mpw_view(&it->body), "source"),
                       text_of(rt_mpw_view(&it->body), "id"), seq);
    it->settled = true;
}

static void
book_error(producer *p, item *it, rt_str error, rt_str detail)
{
    if (rt_str_is(error, "RT_EFULL") || rt_str_is(error, "RT_EBUSY")) {
        return; // again with the next attempt
    }
    if (!it->bad) {
        wrong(p, "a good event was refused", it->key, detail);
    }
    p->rejected += it->settled ? 0 : 1;
    it->settled = true;
}

static bool
book_result(producer *p, item *it, rt_mp *mp)
{
    rt_str words[4] = {{"", 0}, {"", 0}, {"", 0}, {"", 0}};
    uint32_t count = 0;
    uint64_t seq = 0;

    if (rt_mp_array(mp, &count) != RT_OK || rt_mp_str(mp, &words[0]) != RT_OK) {
        return false;
    }
    if (!rt_str_is(words[0], "error")) {
        if (count != 2 || rt_mp_u64(mp, &seq) != RT_OK) {
            return false;
        }
        book_seq(p, it, seq);
        return true;
    }
    for (uint32_t i = 1; i < count && i < RT_COUNT(words); i++) {
        if (rt_mp_str(mp, &words[i]) != RT_OK) {
            return false;
        }
    }
    book_error(p, it, words[1], words[3]);
    return true;
}

static void
forget(asked *a)
{
    asked **at = &a->p->asked;

    while (*at != a) {
        at = &(*at)->next;
    }
    *at = a->next;
    rt_free(a);
}

// A message with a text that is not UTF-8 is refused before its events are looked at.
static bool
is_refused_whole(const asked *a, rt_mp results, uint32_t count)
{
    rt_str words[2] = {{"", 0}, {"", 0}};
    uint32_t parts = 0;

    return count == 1 && a->count > 1 && rt_mp_array(&results, &parts) == RT_OK && parts >= 2 &&
           rt_mp_str(&results, &words[0]) == RT_OK && rt_mp_str(&results, &words[1]) == RT_OK &&
           rt_str_is(words[0], "error") && rt_str_is(words[1], "RT_EUTF8");
}

static void
book_answer(const asked *a, rt_bytes body)
{
    rt_mp mp;
    uint32_t count = 0;
    bool ok = rt_mp_find(body, RT_STR("results"), &mp) && rt_mp_array(&mp, &count) == RT_OK;

    if (ok && is_refused_whole(a, mp, count)) {
        a->p->one_by_one = true;
        return;
    }
    ok = ok && count == a->count;
    for (uint32_t i = 0; ok && i < count; i++) {
        ok = book_result(a->p, &a->p->items[a->positions[i]], &mp);
    }
    if (!ok) {
        wrong(a->p, "an answer that cannot be read", "", RT_STR(""));
    }
}

static void
send_later(producer *p, int64_t delay_ms)
{
    rt_timer_start(p->timer, RT_MAX(delay_ms, INT64_C(1)), 0);
}

static bool
all_settled(const producer *p)
{
    for (size_t i = 0; i < p->count; i++) {
        if (!p->items[i].settled) {
            return false;
        }
    }
    return true;
}

static rt_bytes
decode(producer *p, rt_bytes body)
{
    if (body.len == 0 || body.ptr[0] != '{') {
        return body;
    }
    rt_mpw_clear(&p->transcoded);
    return rt_json_to_mp(rt_str_of_bytes(body), &p->transcoded) == RT_OK
               ? rt_mpw_view(&p->transcoded)
               : body; // which cannot be read either
}

static void
on_reply(void *user, rt_err err, rt_bytes body)
{
    asked *a = user;
    producer *p = a->p;

    if (a->attempt == p->attempt) {
        if (err == RT_OK) {
            book_answer(a, decode(p, body));
        }
        if (err == RT_OK && all_settled(p)) {
            p->count = 0;
            p->is_again = false;
            p->one_by_one = false;
            p->resend_ms = RESEND_FIRST_MS;
            send_later(p, (int64_t)rt_rng_below(&p->rng, (uint64_t)p->config.pause_max_ms + 1));
        } else if (err == RT_OK && p->one_by_one) {
            send_later(p, 1);
        } else {
            send_later(p, (int64_t)rt_rng_below(&p->rng, (uint64_t)p->resend_ms));
            p->resend_ms = RT_MIN(p->resend_ms * 2, RESEND_MAX_MS);
        }
    }
    forget(a);
}

static void
on_timer(void *user)
{
    producer *p = user;

    if (p->count == 0 && !next_batch(p)) {
        p->done = !p->has_next || next_due_ms(p) >= PRODUCER_DAY_MS;
        if (!p->done) {
            send_later(p, next_due_ms(p) - sim_now_ms() +
                              (int64_t)rt_rng_below(&p->rng, (uint64_t)p->config.linger_ms + 1));
        }
        return;
    }
    send_batch(p);
}

static void
count(producer *p, world_fault fault)
{
    p->config.counts[fault]++;
}

static void
send_garbage(producer *p, rt_bytes like)
{
    uint8_t buf[GARBAGE_CAP];
    rt_bytes garbage = garbage_make(&p->rng, like, buf);

    if (p->config.pull_url != NULL && rt_rng_chance(&p->rng, 0.3)) {
        count(p, FAULT_GARBAGE_PULL);
        (void)sim_push(p->config.pull_url, garbage); // there, or the brain is away
    } else {
        count(p, FAULT_GARBAGE_INGEST);
        sim_request(p->config.url, garbage, NULL, NULL);
    }
}

static asked *
write_batch(producer *p, rt_mpw *w)
{
    asked *a = rt_new(asked);
    size_t header = rt_mpw_array32(w);

    a->p = p;
    a->next = p->asked;
    p->asked = a;
    a->attempt = p->attempt;
    for (size_t i = 0; i < p->count && (a->count == 0 || !p->one_by_one); i++) {
        if (!p->items[i].settled) {
            rt_mpw_raw(w, rt_mpw_view(&p->items[i].body));
            a->positions[a->count++] = i;
        }
    }
    rt_mpw_patch32(w, header, (uint32_t)a->count);
    return a;
}

// The message as it goes over the wire; JSON where the shop speaks it and it can say it.
static rt_bytes
encode(producer *p, const rt_mpw *w)
{
    rt_text_clear(&p->json);
    return p->config.shop.json && rt_json_from_mp(rt_mpw_view(w), &p->json) == RT_OK
               ? rt_bytes_of_str(rt_text_view(&p->json))
               : rt_mpw_view(w);
}

static void
send_batch(producer *p)
{
    const producer_faults *faults = &p->config.faults;
    rt_mpw w;
    asked *a = NULL;

    p->resent += p->is_again ? 1 : 0;
    p->is_again = true;
    p->attempt++;
    send_later(p, TIMEOUT_MS + (int64_t)rt_rng_below(&p->rng, TIMEOUT_MS)); // unless it is answered
    rt_mpw_init(&w, BATCH_BYTES_MAX);
    a = write_batch(p, &w);
    rt_bytes body = encode(p, &w);
    if (rt_rng_chance(&p->rng, faults->malformed)) {
        send_garbage(p, body);
    }
    if (p->config.pull_url != NULL && rt_rng_chance(&p->rng, faults->pushed)) {
        (void)sim_push(p->config.pull_url, body); // there, or the brain is away
    }
    if (rt_rng_chance(&p->rng, faults->doubled)) {
        count(p, FAULT_REQUEST_DOUBLED);
        sim_request(p->config.url, body, NULL, NULL);
    }
    if (rt_rng_chance(&p->rng, faults->lost)) {
        count(p, FAULT_REQUEST_LOST);
        forget(a);
    } else if (rt_rng_chance(&p->rng, faults->unheard)) {
        count(p, FAULT_ANSWER_LOST);
        sim_request(p->config.url, body, NULL, NULL);
        forget(a);
    } else {
        sim_request(p->config.url, body, on_reply, a);
    }
    rt_mpw_fini(&w);
}

producer *
producer_new(rt_loop *loop, const producer_config *config)
{
    producer *p = rt_new(producer);

    p->config = *config;
    rt_rng_seed(&p->rng, config->shop.seed, STREAM_PRODUCER + config->shop.tenant);
    p->shop = shop_new(&config->shop);
    p->day_ms = producer_day_ms();
    p->resend_ms = RESEND_FIRST_MS;
    p->has_next = shop_next(p->shop, &p->next);
    for (size_t i = 0; i < PRODUCER_BATCH_MAX; i++) {
        rt_mpw_init(&p->items[i].body, BATCH_BYTES_MAX);
    }
    rt_text_init(&p->json, BATCH_BYTES_MAX);
    rt_mpw_init(&p->transcoded, BATCH_BYTES_MAX);
    p->acked = rt_map_new();
    p->timer = rt_timer_new(loop, on_timer, p);
    send_later(p, 1);
    return p;
}

void
producer_free(producer *p)
{
    for (size_t i = 0; i < PRODUCER_BATCH_MAX; i++) {
        rt_mpw_fini(&p->items[i].body);
    }
    while (p->asked != NULL) { // nobody answers any more
        forget(p->asked);
    }
    rt_timer_free(p->timer);
    rt_text_fini(&p->json);
    rt_mpw_fini(&p->transcoded);
    rt_map_free(p->acked);
    shop_free(p->shop);
    rt_free(p);
}

void
producer_calm(producer *p)
{
    p->config.faults = (producer_faults){0};
}

int64_t
producer_day_ms(void)
{
    return workload_local_ms(gen_defaults().last_day, 0);
}

int64_t
producer_waits_ms(const producer *p)
{
    return p->count > 0 ? sim_now_ms() - p->since_ms : 0;
}

bool
producer_done(const producer *p)
{
    return p->done;
}

uint64_t
producer_resent(const producer *p)
{
    return p->resent;
}

uint64_t
producer_rejected(const producer *p)
{
    return p->rejected;
}
