#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/base/alloc.h"
#include "runtime/base/attr.h"
#include "runtime/base/check.h"
#include "runtime/base/text.h"
#include "runtime/seam/clock.h"
#include "runtime/seam/loop.h"
#include "tests/bench/histogram.h"
#include "tests/bench/peer_server.h"

// Design notes.
// Redis answers XADD with the entry's id and XREADGROUP with the ids it hands out, so both sides
// keep (id, time) lists, which are joined when all is over; the lists must hold the same ids, which
// also proves that nothing was lost or handed out twice.
//
// With appendfsync always Redis syncs once per turn of its loop, and in a turn it reads some 16 KiB
// of each connection. Several connections with several pipelines outstanding are what lets it form
// large groups, as several producers do for Cerebro.

#define PRODUCERS 4
#define PIPELINE 64       // events in a pipeline, as many as in a request of flood-64
#define PIPELINES_OUT 16  // of a producer, unanswered
#define READ_COUNT 256    // entries that one XREADGROUP may give
#define BLOCK_MS "20"
#define READY_US (15 * 1000000LL)
#define ID_SEQ_BITS 22 // of an id's second part: fewer than 4 million entries in a millisecond

typedef struct stamp {
    uint64_t id;
    int64_t at_us;
} stamp;

typedef struct stamps {
    stamp *list;
    size_t count;
} stamps;

typedef struct redis_run redis_run;

typedef struct producer {
    redis_run *owner;
    redisContext *redis;
    stamps sent;
    size_t answered;
    rt_thread *thread;
} producer;

struct redis_run {
    peer_server server;
    peer_flood flood;
    producer producers[PRODUCERS];
    redisContext *consumer;
    rt_thread *consumer_thread;
    stamps got;
    _Atomic bool stop; // the consumer: nothing more will come
    char error[160];   // of whoever failed first
    _Atomic bool said;
};

// --- the server ---

static rt_err
start_server(redis_run *r, const peer_config *config, const char *fsync)
{
    char port[16];
    rt_err err = peer_server_dir(config, "redis", &r->server);
    if (err != RT_OK) {
        return err;
    }
    snprintf(port, sizeof(port), "%u", r->server.port);
    char *argv[] = {"/usr/bin/redis-server", "--bind", "127.0.0.1", "--port", port, "--dir",
                    r->server.dir, "--save", "", "--appendonly", "yes", "--appendfsync",
                    (char *)fsync, "--auto-aof-rewrite-percentage", "0", NULL};
    return peer_server_start(&r->server, argv);
}

static rt_err
connect_to(const redis_run *r, redisContext **ret_redis)
{
    int64_t until_us = rt_clock_mono_us() + READY_US;
    redisContext *redis = redisConnect("127.0.0.1", r->server.port);
    while (redis != NULL && redis->err != 0 && rt_clock_mono_us() < until_us &&
           process_alive(r->server.pid)) {
        redisFree(redis);
        peer_pause();
        redis = redisConnect("127.0.0.1", r->server.port);
    }
    if (redis == NULL || redis->err != 0) {
        return rt_fail(RT_EUNREACH, "redis: %s", redis == NULL ? "no memory" : redis->errstr);
    }
    *ret_redis = redis;
    return RT_OK;
}

static rt_err
make_group(redis_run *r)
{
    redisReply *reply = redisCommand(r->consumer, "XGROUP CREATE events group $ MKSTREAM");
    bool ok = reply != NULL && reply->type == REDIS_REPLY_STATUS;
    if (reply != NULL) {
        freeReplyObject(reply);
    }
    return ok ? RT_OK : rt_fail(RT_EUNREACH, "redis: no consumer group");
}

// --- both ends ---

static void
fail(redis_run *r, const char *who, const redisContext *redis, const redisReply *reply)
{
    if (!atomic_exchange(&r->said, true)) {
        snprintf(r->error, sizeof(r->error), "redis: %s: %s", who,
                 redis->err != 0                                      ? redis->errstr
                 : reply != NULL && reply->type == REDIS_REPLY_ERROR ? reply->str
                                                                      : "an odd answer");
    }
    atomic_store(&r->flood.broken, true);
}

// "milliseconds-number" as one number that sorts alike.
static bool
parse_id(const redisReply *reply, uint64_t *ret_id)
{
    int64_t ms = 0;
    int64_t seq = 0;
    if (reply == NULL || reply->type != REDIS_REPLY_STRING) {
        return false;
    }
    const char *dash = memchr(reply->str, '-', reply->len);
    if (dash == NULL) {
        return false;
    }
    size_t ms_len = (size_t)(dash - reply->str);
    if (rt_parse_i64((rt_str){reply->str, ms_len}, &ms) != RT_OK ||
        rt_parse_i64((rt_str){dash + 1, reply->len - ms_len - 1}, &seq) != RT_OK ||
        seq >> ID_SEQ_BITS != 0) {
        return false;
    }
    *ret_id = (uint64_t)ms << ID_SEQ_BITS | (uint64_t)seq;
    return true;
}

static void
append_pipeline(producer *p, uint64_t first)
{
    int64_t now_us = rt_clock_mono_us();
    for (uint64_t i = 0; i < PIPELINE; i++) {
        rt_bytes event = peer_flood_event(&p->owner->flood, first + i);
        const char *parts[] = {"XADD", "events", "*", "e", (const char *)event.ptr};
        size_t lens[] = {4, 6, 1, 1, event.len};
        redisAppendCommandArgv(p->redis, RT_COUNT(parts), parts, lens);
        p->sent.list[p->sent.count++].at_us = now_us;
    }
}

// Reads the answers to the oldest pipeline; sends what waits to be sent first.
static bool
read_pipeline(producer *p)
{
    bool ok = true;
    for (int i = 0; i < PIPELINE && ok; i++) {
        redisReply *reply = NULL;
        ok = redisGetReply(p->redis, (void **)&reply) == REDIS_OK &&
             parse_id(reply, &p->sent.list[p->answered].id);
        if (ok) {
            p->answered++;
        } else {
            fail(p->owner, "XADD", p->redis, reply);
        }
        if (reply != NULL) {
            freeReplyObject(reply);
        }
    }
    return ok;
}

static void
produce(void *user)
{
    producer *p = user;
    uint64_t first;
    bool ok = true;
    while (ok && peer_flood_take(&p->owner->flood, PIPELINE, &first)) {
        int done = 0;
        append_pipeline(p, first);
        while (done == 0 && ok) {
            ok = redisBufferWrite(p->redis, &done) == REDIS_OK;
        }
        if (!ok) {
            fail(p->owner, "sending", p->redis, NULL);
        }
        while (ok && p->sent.count - p->answered >= PIPELINES_OUT * PIPELINE) {
            ok = read_pipeline(p);
        }
    }
    while (ok && p->answered < p->sent.count) {
        ok = read_pipeline(p);
    }
}

static void
append_read(redisContext *redis)
{
    redisAppendCommand(redis, "XREADGROUP GROUP group consumer COUNT %d BLOCK " BLOCK_MS
                              " STREAMS events >", READ_COUNT);
}

// Notes the entries of an answer to XREADGROUP: [[name, [[id, fields] ...]]], or nil.
static bool
note_entries(redis_run *r, const redisReply *reply, const char **ids, size_t *lens,
             size_t *ret_count)
{
    int64_t now_us = rt_clock_mono_us();
    *ret_count = 0;
    if (reply->type == REDIS_REPLY_NIL) {
        return true;
    }
    if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 1 ||
        reply->element[0]->elements != 2) {
        return false;
    }
    const redisReply *entries = reply->element[0]->element[1];
    for (size_t i = 0; i < entries->elements; i++) {
        const redisReply *entry = entries->element[i];
        if (i >= READ_COUNT || r->got.count >= r->flood.events->count || entry->elements != 2 ||
            !parse_id(entry->element[0], &r->got.list[r->got.count].id)) {
            return false;
        }
        ids[i] = entry->element[0]->str;
        lens[i] = entry->element[0]->len;
        r->got.list[r->got.count++].at_us = now_us;
    }
    *ret_count = entries->elements;
    return true;
}

// Acknowledges entries and asks for the next in one go.
static bool
acknowledge(redis_run *r, const char **ids, const size_t *lens, size_t count)
{
    const char *parts[3 + READ_COUNT] = {"XACK", "events", "group"};
    size_t part_lens[3 + READ_COUNT] = {4, 6, 5};
    memcpy(parts + 3, ids, count * sizeof(ids[0]));
    memcpy(part_lens + 3, lens, count * sizeof(lens[0]));
    redisAppendCommandArgv(r->consumer, (int)(3 + count), parts, part_lens);
    append_read(r->consumer);
    redisReply *reply = NULL;
    bool ok = redisGetReply(r->consumer, (void **)&reply) == REDIS_OK &&
              reply->type == REDIS_REPLY_INTEGER && (size_t)reply->integer == count;
    if (!ok) {
        fail(r, "XACK", r->consumer, reply);
    }
    if (reply != NULL) {
        freeReplyObject(reply);
    }
    atomic_fetch_add(&r->flood.consumed, count);
    return ok;
}

static void
consume(void *user)
{
    redis_run *r = user;
    const char *ids[READ_COUNT];
    size_t lens[READ_COUNT];
    bool ok = true;
    append_read(r->consumer);
    while (ok && !atomic_load(&r->stop)) {
        redisReply *reply = NULL;
        size_t count = 0;
        ok = redisGetReply(r->consumer, (void **)&reply) == REDIS_OK &&
             note_entries(r, reply, ids, lens, &count);
        if (!ok) {
            fail(r, "XREADGROUP", r->consumer, reply);
        } else if (count == 0) {
            append_read(r->consumer);
        } else {
            ok = acknowledge(r, ids, lens, count);
        }
        if (reply != NULL) {
            freeReplyObject(reply);
        }
    }
}

// --- a load ---

static int
by_id(const void *a, const void *b)
{
    const stamp *x = a;
    const stamp *y = b;
    return (x->id > y->id) - (x->id < y->id);
}

// Joins what was added with what was handed out, and forgets both.
static rt_err
join(redis_run *r, histogram *latency_us)
{
    stamps sent = {.list = rt_new_array(stamp, RT_MAX(r->got.count, 1))};
    bool ok = true;
    for (int i = 0; i < PRODUCERS; i++) {
        producer *p = &r->producers[i];
        ok = ok && sent.count + p->sent.count <= r->got.count;
        if (ok) {
            memcpy(sent.list + sent.count, p->sent.list, p->sent.count * sizeof(stamp));
            sent.count += p->sent.count;
        }
        p->sent.count = 0;
        p->answered = 0;
    }
    qsort(sent.list, sent.count, sizeof(stamp), by_id); // as delivered: in the order of ids
    ok = ok && sent.count == r->got.count;
    for (size_t i = 0; i < r->got.count && ok; i++) {
        ok = sent.list[i].id == r->got.list[i].id;
        histogram_add(latency_us, (uint64_t)(r->got.list[i].at_us - sent.list[i].at_us));
    }
    r->got.count = 0;
    rt_free(sent.list);
    return ok ? RT_OK : rt_fail(RT_ECORRUPT, "redis: what was read is not what was added");
}

static rt_err
flood(redis_run *r, int64_t limit_us, peer_result *ret_result)
{
    uint64_t before = atomic_load(&r->flood.sent);
    int64_t cpu_us = process_cpu_us(r->server.pid);
    r->flood.begin_us = rt_clock_mono_us();
    r->flood.end_us = r->flood.begin_us + limit_us;
    for (int i = 0; i < PRODUCERS; i++) {
        r->producers[i].thread = rt_thread_start("produce", produce, &r->producers[i]);
    }
    for (int i = 0; i < PRODUCERS; i++) {
        rt_thread_join(r->producers[i].thread);
    }
    rt_err err = peer_flood_settle(&r->flood);
    if (err != RT_OK) {
        return atomic_load(&r->said) ? rt_fail(RT_EIO, "%s", r->error) : err;
    }
    uint64_t count = atomic_load(&r->flood.sent) - before;
    double elapsed_us = (double)(rt_clock_mono_us() - r->flood.begin_us);
    double used_us = (double)(process_cpu_us(r->server.pid) - cpu_us);
    histogram *latency_us = rt_new(histogram);
    err = join(r, latency_us);
    if (err == RT_OK) {
        *ret_result = (peer_result){.events = count,
                                    .per_s = (double)count * 1e6 / elapsed_us,
                                    .p50_us = histogram_quantile(latency_us, .5),
                                    .p99_us = histogram_quantile(latency_us, .99),
                                    .cpu_us_per_event = used_us / (double)count};
    }
    rt_free(latency_us);
    return err;
}

static rt_err
open_run(redis_run *r, const peer_config *config)
{
    uint32_t most = config->events->count;
    rt_err err = connect_to(r, &r->consumer);
    if (err == RT_OK) {
        err = make_group(r);
    }
    r->got.list = rt_new_array(stamp, most);
    for (int i = 0; i < PRODUCERS && err == RT_OK; i++) {
        r->producers[i].owner = r;
        r->producers[i].sent.list = rt_new_array(stamp, most);
        err = connect_to(r, &r->producers[i].redis);
    }
    return err;
}

static rt_err
run_redis(const peer_config *config, const char *fsync, peer_result *ret_result)
{
    redis_run *r = rt_new(redis_run); // stays, with its connections: the process ends soon
    r->flood.events = config->events;
    rt_err err = start_server(r, config, fsync);
    if (err == RT_OK) {
        err = open_run(r, config);
    }
    if (err == RT_OK) {
        r->consumer_thread = rt_thread_start("consume", consume, r);
        err = flood(r, PEER_WARM_UP_US, ret_result);
        if (err == RT_OK) {
            err = flood(r, config->seconds * 1000000, ret_result);
        }
        atomic_store(&r->stop, true);
        rt_thread_join(r->consumer_thread);
    }
    peer_server_stop(&r->server);
    return err;
}

rt_err
peer_redis_always(const peer_config *config, peer_result *ret_result)
{
    return run_redis(config, "always", ret_result);
}

rt_err
peer_redis_everysec(const peer_config *config, peer_result *ret_result)
{
    return run_redis(config, "everysec", ret_result);
}
