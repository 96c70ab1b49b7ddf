// Design notes. A REP door is a pool of nng contexts, each with one aio, each a small machine:
//
//   RECEIVING --request--> READY --hand out--> OUT --rt_request_reply--> REPLYING
//       ^------------------------------- sent ------------------------------|
//
// RECEIVING and REPLYING end in nng's callback, READY and OUT on the loop. The callback appends a
// request to `ready` and rings once; a finished reply rearms its context right there, without a
// round over the loop. No more requests than contexts are ever in the process; the rest stays in
// the peers' sockets, which is the backpressure the header promises. While paused, what has been
// received waits in `ready`.
//
// A peer that does not read its replies cannot keep a context: sending has a deadline, and a reply
// to a peer that is gone is dropped by nng as if sent.

#include <nng/nng.h>
#include <nng/protocol/reqrep0/rep.h>

#include "runtime/base/alloc.h"
#include "runtime/base/check.h"
#include "runtime/real/net_internal.h"

#define REP_MAGIC 0x52455020u
#define REQUEST_MAGIC 0x52455155u
#define CONTEXTS_MAX 1024u
#define REPLY_TIMEOUT_MS 10000

typedef enum request_state { RECEIVING, READY, OUT, REPLYING } request_state;

struct rt_request {
    uint32_t magic;
    request_state state;
    rt_rep *rep;
    nng_ctx ctx;
    nng_aio *aio;
    nng_msg *msg; // the request while READY or OUT
};

struct rt_rep {
    uint32_t magic;
    nng_socket socket;
    rt__net_gate gate;
    size_t message_bytes_max;
    rt_on_request on_request;
    void *user;
    rt_request *requests;
    uint32_t request_count;
    // Guarded by bell.lock.
    rt__doorbell bell;
    rt_request **ready;
    uint32_t ready_count;
    uint64_t received;
    uint64_t replied;
    uint64_t dropped;
    // Loop thread only.
    rt_request **taken;
    uint32_t taken_at;
    uint32_t taken_count;
    bool paused;
};

static void
receive(rt_request *request)
{
    request->state = RECEIVING;
    nng_aio_set_timeout(request->aio, NNG_DURATION_INFINITE);
    nng_ctx_recv(request->ctx, request->aio);
}

static void
on_received(rt_request *request)
{
    rt_rep *rep = request->rep;
    nng_msg *msg = nng_aio_get_msg(request->aio);
    bool oversize = nng_msg_len(msg) > rep->message_bytes_max; // inproc has no receive limit

    pthread_mutex_lock(&rep->bell.lock);
    if (oversize) {
        rep->dropped++;
    } else {
        rep->received++;
        request->msg = msg;
        request->state = READY;
        RT_ASSERT(rep->ready_count < rep->request_count);
        rep->ready[rep->ready_count] = request;
        rep->ready_count++;
        rt__doorbell_ring(&rep->bell);
    }
    pthread_mutex_unlock(&rep->bell.lock);
    if (oversize) {
        nng_msg_free(msg);
        receive(request);
    }
}

static void
on_replied(rt_request *request, int rc)
{
    rt_rep *rep = request->rep;

    if (rc != 0) {
        nng_msg_free(nng_aio_get_msg(request->aio)); // ours again when sending failed
    }
    pthread_mutex_lock(&rep->bell.lock);
    rep->replied += rc == 0 ? 1 : 0;
    rep->dropped += rc == 0 ? 0 : 1;
    pthread_mutex_unlock(&rep->bell.lock);
    receive(request);
}

static void
on_aio(void *arg)
{
    rt_request *request = arg;
    int rc = nng_aio_result(request->aio);

    if (rc == NNG_ECLOSED) {
        return; // the process is ending
    }
    if (request->state == REPLYING) {
        on_replied(request, rc);
    } else if (rc == 0) {
        on_received(request);
    } else {
        receive(request);
    }
}

static void
take_ready(rt_rep *rep)
{
    rt_request **emptied = rep->taken;

    pthread_mutex_lock(&rep->bell.lock);
    rep->taken = rep->ready;
    rep->taken_at = 0;
    rep->taken_count = rep->ready_count;
    rep->ready = emptied;
    rep->ready_count = 0;
    rt__doorbell_hush(&rep->bell);
    pthread_mutex_unlock(&rep->bell.lock);
}

static void
on_ring(void *user)
{
    rt_rep *rep = user;

    RT_CHECK(rep, REP_MAGIC);
    while (!rep->paused) {
        rt_request *request = NULL;
        rt_bytes body = {0};

        if (rep->taken_at == rep->taken_count) {
            take_ready(rep);
            if (rep->taken_count == 0) {
                break;
            }
        }
        request = rep->taken[rep->taken_at++];
        request->state = OUT;
        body.ptr = nng_msg_body(request->msg);
        body.len = nng_msg_len(request->msg);
        rep->on_request(rep->user, request, body);
    }
}

static void
start_contexts(rt_rep *rep)
{
    for (uint32_t i = 0; i < rep->request_count; i++) {
        rt_request *request = &rep->requests[i];
        int rc = nng_ctx_open(&request->ctx, rep->socket);

        RT__SURE(rc, NNG_ENOMEM, "nng");
        request->magic = REQUEST_MAGIC;
        request->rep = rep;
        rc = nng_aio_alloc(&request->aio, on_aio, request);
        RT__SURE(rc, NNG_ENOMEM, "nng");
    }
    for (uint32_t i = 0; i < rep->request_count; i++) {
        receive(&rep->requests[i]);
    }
}

rt_err
rt_rep_listen(rt_loop *loop, const char *url, rt_net_limits limits, rt_on_request on_request,
              void *user, rt_rep **ret_rep)
{
    rt_rep *rep = rt_new(rt_rep);
    rt_err err = RT_OK;
    int rc = nng_rep0_open(&rep->socket);

    RT_ASSERT(on_request != NULL && limits.inflight_max > 0);
    if (rc != 0) {
        rt_free(rep);
        return rt__net_err(rc, url);
    }
    rep->magic = REP_MAGIC;
    rep->message_bytes_max = limits.message_bytes_max;
    rep->on_request = on_request;
    rep->user = user;
    err = rt__net_gate_init(&rep->gate, &rep->socket, limits.connections_max);
    if (err == RT_OK) {
        err = rt__net_listen(&rep->socket, url, limits.message_bytes_max);
    }
    if (err != RT_OK) {
        (void)nng_close(rep->socket); // never had a connection: cannot hang
        rt_free(rep);
        return err;
    }
    rep->request_count = RT_MIN(limits.inflight_max, CONTEXTS_MAX);
    rep->requests = rt_new_array(rt_request, rep->request_count);
    rep->ready = rt_new_array(rt_request *, rep->request_count);
    rep->taken = rt_new_array(rt_request *, rep->request_count);
    rt__doorbell_init(&rep->bell, loop, on_ring, rep);
    start_contexts(rep);
    *ret_rep = rep;
    return RT_OK;
}

void
rt_request_reply(rt_request *request, rt_bytes reply)
{
    nng_msg *msg = NULL;
    int rc = 0;

    RT_CHECK(request, REQUEST_MAGIC);
    RT_ASSERT(request->state == OUT);
    rc = nng_msg_alloc(&msg, reply.len);
    RT__SURE(rc, NNG_ENOMEM, "nng");
    if (reply.len > 0) {
        memcpy(nng_msg_body(msg), reply.ptr, reply.len);
    }
    nng_msg_free(request->msg); // only now: `reply` may view the request
    request->msg = NULL;
    request->state = REPLYING;
    nng_aio_set_timeout(request->aio, REPLY_TIMEOUT_MS);
    nng_aio_set_msg(request->aio, msg);
    nng_ctx_send(request->ctx, request->aio);
}

void
rt_rep_pause(rt_rep *rep, bool paused)
{
    RT_CHECK(rep, REP_MAGIC);
    if (rep->paused && !paused) {
        rt__doorbell_resume(&rep->bell);
    }
    rep->paused = paused;
}

rt_net_stats
rt_rep_stats(const rt_rep *rep)
{
    rt_rep *locked = (rt_rep *)rep; // locks, changes nothing
    rt_net_stats stats = {0};

    RT_CHECK(rep, REP_MAGIC);
    rt__net_gate_stats(&locked->gate, &stats);
    pthread_mutex_lock(&locked->bell.lock);
    stats.messages_in = rep->received;
    stats.messages_out = rep->replied;
    stats.messages_dropped = rep->dropped;
    pthread_mutex_unlock(&locked->bell.lock);
    return stats;
}
