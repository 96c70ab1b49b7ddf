#include <nats/nats.h>
#include <stdio.h>
#include <string.h>

#include "runtime/base/alloc.h"
#include "runtime/base/check.h"
#include "runtime/seam/clock.h"
#include "tests/bench/histogram.h"
#include "tests/bench/peer_server.h"

// Design notes.
// One connection publishes, another consumes: a stream keeps the order of one publisher, and a push
// consumer gets its messages in the stream's order, so the n-th message received is the n-th sent
// and its latency needs nothing in the message. Lengths are compared to hold this true.
//
// The flood's window (PEER_OUTSTANDING) keeps the consumer from falling behind for ever: the figure
// is the rate at which both go on together. It also bounds what waits for the server's answer to
// the publisher.
//
// A load is over when the server says that it has every acknowledgement of the consumer.

#define STREAM "EVENTS"
#define SUBJECT "events"
#define CONSUMER "consumer"
#define READY_US (15 * 1000000LL)
#define ANSWER_MS 30000
#define ACK_WAIT_NS (300 * INT64_C(1000000000)) // nothing is delivered twice while we measure
#define INFO_EVERY 20                           // pauses between two looks at the consumer

typedef struct nats_run {
    peer_server server;
    peer_flood flood;
    natsConnection *publisher;
    natsConnection *subscriber;
    jsCtx *publish;
    jsCtx *consume;
    natsSubscription *subscription;
    int64_t *sent_us;
    histogram latency_us; // consumer's thread; read when all is consumed
    _Atomic uint64_t refused;
} nats_run;

static rt_err
failed(const char *what, natsStatus status)
{
    return rt_fail(RT_EUNREACH, "nats: %s: %s", what, natsStatus_GetText(status));
}

// --- the server ---

static rt_err
start_server(nats_run *r, const peer_config *config)
{
    char port[16];
    rt_err err = peer_server_dir(config, "nats", &r->server);
    if (err != RT_OK) {
        return err;
    }
    snprintf(port, sizeof(port), "%u", r->server.port);
    char *argv[] = {"/usr/sbin/nats-server", "--addr", "127.0.0.1", "--port", port,
                    "--jetstream", "--store_dir", r->server.dir, NULL};
    return peer_server_start(&r->server, argv);
}

static rt_err
connect_to(const nats_run *r, natsConnection **ret_connection)
{
    char url[64];
    int64_t until_us = rt_clock_mono_us() + READY_US;
    snprintf(url, sizeof(url), "nats://127.0.0.1:%u", r->server.port);
    natsStatus status = natsConnection_ConnectTo(ret_connection, url);
    while (status != NATS_OK && rt_clock_mono_us() < until_us && process_alive(r->server.pid)) {
        peer_pause();
        status = natsConnection_ConnectTo(ret_connection, url);
    }
    return status == NATS_OK ? RT_OK : failed("no connection", status);
}

// --- both ends ---

static void
on_refused(jsCtx *js, jsPubAckErr *error, void *user)
{
    nats_run *r = user;
    (void)js;
    (void)error;
    atomic_fetch_add(&r->refused, 1);
    atomic_store(&r->flood.broken, true);
}

static void
on_message(natsConnection *connection, natsSubscription *subscription, natsMsg *msg, void *user)
{
    nats_run *r = user;
    uint64_t index = atomic_load(&r->flood.consumed);
    int64_t now_us = rt_clock_mono_us();
    (void)connection;
    (void)subscription;
    bool same = index < r->flood.events->count &&
                (size_t)natsMsg_GetDataLength(msg) == peer_flood_event(&r->flood, index).len;
    if (!same || natsMsg_Ack(msg, NULL) != NATS_OK) {
        atomic_store(&r->flood.broken, true);
    } else {
        histogram_add(&r->latency_us, (uint64_t)(now_us - r->sent_us[index]));
        atomic_store(&r->flood.consumed, index + 1);
    }
    natsMsg_Destroy(msg);
}

static rt_err
open_publisher(nats_run *r)
{
    const char *subjects[] = {SUBJECT};
    jsOptions options;
    jsStreamConfig stream;
    rt_err err = connect_to(r, &r->publisher);
    if (err != RT_OK) {
        return err;
    }
    jsOptions_Init(&options);
    options.PublishAsync.MaxPending = 2 * PEER_OUTSTANDING; // the window is reached first
    options.PublishAsync.ErrHandler = on_refused;
    options.PublishAsync.ErrHandlerClosure = r;
    natsStatus status = natsConnection_JetStream(&r->publish, r->publisher, &options);
    jsStreamConfig_Init(&stream);
    stream.Name = STREAM;
    stream.Subjects = subjects;
    stream.SubjectsLen = 1;
    stream.Storage = js_FileStorage;
    if (status == NATS_OK) {
        status = js_AddStream(NULL, r->publish, &stream, NULL, NULL);
    }
    return status == NATS_OK ? RT_OK : failed("no stream", status);
}

static rt_err
open_consumer(nats_run *r)
{
    jsSubOptions options;
    rt_err err = connect_to(r, &r->subscriber);
    if (err != RT_OK) {
        return err;
    }
    natsStatus status = natsConnection_JetStream(&r->consume, r->subscriber, NULL);
    jsSubOptions_Init(&options);
    options.Stream = STREAM;
    options.ManualAck = true; // explicit: natsMsg_Ack in on_message
    options.Config.Durable = CONSUMER;
    options.Config.AckPolicy = js_AckExplicit;
    options.Config.AckWait = ACK_WAIT_NS;
    options.Config.MaxAckPending = PEER_OUTSTANDING;
    if (status == NATS_OK) {
        status = js_Subscribe(&r->subscription, r->consume, SUBJECT, on_message, r, NULL, &options,
                              NULL);
    }
    if (status == NATS_OK) {
        status = natsSubscription_SetPendingLimits(r->subscription, -1, -1);
    }
    return status == NATS_OK ? RT_OK : failed("no consumer", status);
}

// --- a load ---

static rt_err
publish(nats_run *r)
{
    uint64_t index;
    while (peer_flood_take(&r->flood, 1, &index)) {
        rt_bytes event = peer_flood_event(&r->flood, index);
        r->sent_us[index] = rt_clock_mono_us();
        natsStatus status =
            js_PublishAsync(r->publish, SUBJECT, event.ptr, (int)event.len, NULL);
        if (status != NATS_OK) {
            return failed("not published", status);
        }
    }
    jsPubOptions options;
    jsPubOptions_Init(&options);
    options.MaxWait = ANSWER_MS;
    natsStatus status = js_PublishAsyncComplete(r->publish, &options);
    return status == NATS_OK ? RT_OK : failed("not answered", status);
}

// Waits until the server has all acknowledgements.
static rt_err
await_acks(nats_run *r)
{
    uint64_t sent = atomic_load(&r->flood.sent);
    int64_t until_us = rt_clock_mono_us() + READY_US;
    for (;;) {
        jsConsumerInfo *info = NULL;
        natsStatus status =
            js_GetConsumerInfo(&info, r->consume, STREAM, CONSUMER, NULL, NULL);
        if (status != NATS_OK) {
            return failed("nothing known of the consumer", status);
        }
        bool all = info->NumAckPending == 0 && info->AckFloor.Stream == sent;
        bool again = info->NumRedelivered > 0;
        jsConsumerInfo_Destroy(info);
        if (all) {
            return again ? rt_fail(RT_ECORRUPT, "nats: events were delivered twice") : RT_OK;
        }
        if (rt_clock_mono_us() > until_us) {
            return rt_fail(RT_ETIMEOUT, "nats: acknowledgements are missing");
        }
        for (int i = 0; i < INFO_EVERY; i++) {
            peer_pause();
        }
    }
}

static rt_err
flood(nats_run *r, int64_t limit_us, peer_result *ret_result)
{
    uint64_t before = atomic_load(&r->flood.sent);
    int64_t cpu_us = process_cpu_us(r->server.pid);
    memset(&r->latency_us, 0, sizeof(r->latency_us));
    r->flood.begin_us = rt_clock_mono_us();
    r->flood.end_us = r->flood.begin_us + limit_us;
    rt_err err = publish(r);
    if (err == RT_OK) {
        err = peer_flood_settle(&r->flood);
    }
    if (err == RT_OK) {
        err = await_acks(r);
    }
    if (err == RT_OK) {
        uint64_t count = atomic_load(&r->flood.sent) - before;
        double elapsed_us = (double)(rt_clock_mono_us() - r->flood.begin_us);
        double used_us = (double)(process_cpu_us(r->server.pid) - cpu_us);
        *ret_result = (peer_result){.events = count,
                                    .per_s = (double)count * 1e6 / elapsed_us,
                                    .p50_us = histogram_quantile(&r->latency_us, .5),
                                    .p99_us = histogram_quantile(&r->latency_us, .99),
                                    .cpu_us_per_event = used_us / (double)count};
    }
    return err;
}

rt_err
peer_nats(const peer_config *config, peer_result *ret_result)
{
    nats_run *r = rt_new(nats_run); // stays: the library's threads may still look at it
    r->flood.events = config->events;
    r->sent_us = rt_new_array(int64_t, config->events->count);
    rt_err err = start_server(r, config);
    if (err == RT_OK) {
        err = open_publisher(r);
    }
    if (err == RT_OK) {
        err = open_consumer(r);
    }
    if (err == RT_OK) {
        err = flood(r, PEER_WARM_UP_US, ret_result);
    }
    if (err == RT_OK) {
        err = flood(r, config->seconds * 1000000, ret_result);
    }
    peer_server_stop(&r->server);
    return err;
}
