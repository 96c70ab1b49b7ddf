// Design notes. A REP door is a pool of requests, each a small machine:
//
//   FREE --a request arrives--> READY --hand out--> OUT --rt_request_reply--> FREE
//
// Requests arrive on the thread of the sockets; the loop takes all that are READY at once and is
// woken once for them. No more requests than the pool has are ever in the process; the rest stays
// in the peers' sockets, which is the backpressure the header promises. While paused, what has been
// received waits in `ready`. Replies go back in one list.
//
// A peer that does not read its replies has nothing more read from it once CHOKE_BYTES wait, and is
// hung up on after PATIENCE_MS. A reply to a peer that is gone is dropped.
//
// A request begins with the numbers of the devices it came through, the last one with the high bit
// set; the reply carries the same.

#include "runtime/base/alloc.h"
#include "runtime/base/check.h"
#include "runtime/real/net_internal.h"

#define REP_MAGIC 0x52455020u
#define REQUEST_MAGIC 0x52455155u
#define REQUESTS_MAX 1024u
#define CHOKE_BYTES 262144u
#define PATIENCE_MS 10000
#define HOP_LEN 4u
#define HOPS_MAX 8u

typedef enum request_state { FREE, READY, OUT } request_state;

struct rt_request {
    uint32_t magic;
    request_state state;
    rt_rep *rep;
    rt__msg *msg;
    size_t hops_len;
    rt_request *next; // in the list of its state
};

struct rt_rep {
    uint32_t magic;
    rt__sp *sp;
    rt_on_request on_request;
    void *user;
    rt_request *requests;
    // Guarded by bell.lock.
    rt__doorbell bell;
    rt_request *free;
    rt_request *ready;
    rt_request *ready_last;
    rt__sp_buf *replies; // on their way out
    rt__sp_buf *replies_last;
    uint64_t received;
    uint64_t replied;
    uint64_t dropped;
    // Loop thread only.
    rt_request *taken;
    bool paused;
};

// --- thread of the sockets ---

static bool
on_open(void *user, rt__sp_conn *conn)
{
    (void)user;
    (void)conn; // any producer may ask
    return true;
}

static void
on_close(void *user, rt__sp_conn *conn, uint32_t unsent)
{
    rt_rep *rep = user;

    (void)conn;
    pthread_mutex_lock(&rep->bell.lock);
    rep->dropped += unsent;
    pthread_mutex_unlock(&rep->bell.lock);
}

// hops_of measures what stands before the request's body; 0 when it is no request.
static size_t
hops_of(const rt__msg *msg)
{
    size_t len = 0;

    for (uint32_t hop = 0; hop < HOPS_MAX && len + HOP_LEN <= msg->len; hop++) {
        bool last = (msg->bytes[len] & 0x80u) != 0;

        len += HOP_LEN;
        if (last) {
            return len;
        }
    }
    return 0;
}

static bool
on_message(void *user, rt__sp_conn *conn, rt__msg *msg)
{
    rt_rep *rep = user;
    rt_request *request = NULL;
    size_t hops_len = hops_of(msg);

    if (hops_len == 0) {
        rt_free(msg);
        rt__sp_hang_up(conn);
        return true;
    }
    pthread_mutex_lock(&rep->bell.lock);
    request = rep->free;
    if (request != NULL) {
        rep->free = request->next;
        request->state = READY;
        request->msg = msg;
        request->hops_len = hops_len;
        request->next = NULL;
        if (rep->ready_last != NULL) {
            rep->ready_last->next = request;
        } else {
            rep->ready = request;
        }
        rep->ready_last = request;
        rep->received++;
        rt__doorbell_ring(&rep->bell);
    }
    pthread_mutex_unlock(&rep->bell.lock);
    return request != NULL;
}

static void
on_wake(void *user)
{
    rt_rep *rep = user;
    rt__sp_buf *buf = NULL;
    uint64_t dropped = 0;
    uint64_t replied = 0;

    pthread_mutex_lock(&rep->bell.lock);
    buf = rep->replies;
    rep->replies = NULL;
    rep->replies_last = NULL;
    pthread_mutex_unlock(&rep->bell.lock);
    while (buf != NULL) {
        rt__sp_buf *next = buf->next;
        rt__sp_conn *conn = rt__sp_find(rep->sp, buf->pipe);

        if (conn != NULL) {
            (void)rt__sp_send(conn, buf); // its queue has no bound of its own
            replied++;
        } else {
            rt__sp_buf_unref(buf);
            dropped++;
        }
        buf = next;
    }
    pthread_mutex_lock(&rep->bell.lock);
    rep->replied += replied;
    rep->dropped += dropped;
    pthread_mutex_unlock(&rep->bell.lock);
    rt__sp_resume(rep->sp);
}

static const rt__sp_ops rep_ops = {.self = RT__SP_REP,
                                   .peer = RT__SP_REQ,
                                   .on_open = on_open,
                                   .on_message = on_message,
                                   .on_close = on_close,
                                   .on_wake = on_wake,
                                   .choke_bytes = CHOKE_BYTES,
                                   .patience_ms = PATIENCE_MS};

// --- loop ---

static void
take_ready(rt_rep *rep)
{
    pthread_mutex_lock(&rep->bell.lock);
    rep->taken = rep->ready;
    rep->ready = NULL;
    rep->ready_last = NULL;
    rt__doorbell_hush(&rep->bell);
    pthread_mutex_unlock(&rep->bell.lock);
}

static void
hand_out(rt_rep *rep)
{
    while (!rep->paused && rep->taken != NULL) {
        rt_request *request = rep->taken;
        rt_bytes body = {request->msg->bytes + request->hops_len,
                         request->msg->len - request->hops_len};

        rep->taken = request->next;
        request->state = OUT;
        rep->on_request(rep->user, request, body);
    }
}

// What is left from before a pause, and what is ready now; what comes meanwhile rings again, so
// that requests which are answered at once do not keep the loop from everything else.
static void
on_ring(void *user)
{
    rt_rep *rep = user;

    RT_CHECK(rep, REP_MAGIC);
    hand_out(rep);
    if (!rep->paused) {
        take_ready(rep);
        hand_out(rep);
    }
}

static void
make_requests(rt_rep *rep, uint32_t count)
{
    rep->requests = rt_new_array(rt_request, count);
    for (uint32_t i = count; i > 0; i--) {
        rt_request *request = &rep->requests[i - 1];

        request->magic = REQUEST_MAGIC;
        request->rep = rep;
        request->next = rep->free;
        rep->free = request;
    }
}

rt_err
rt_rep_listen(rt_loop *loop, const char *url, rt_net_limits limits, rt_on_request on_request,
              void *user, rt_rep **ret_rep)
{
    rt_rep *rep = rt_new(rt_rep);
    rt_err err = RT_OK;

    RT_ASSERT(on_request != NULL && limits.inflight_max > 0);
    rep->magic = REP_MAGIC;
    rep->on_request = on_request;
    rep->user = user;
    make_requests(rep, RT_MIN(limits.inflight_max, REQUESTS_MAX));
    rt__doorbell_init(&rep->bell, loop, on_ring, rep);
    err = rt__sp_listen(url, limits, &rep_ops, rep, &rep->sp);
    if (err != RT_OK) {
        rt__doorbell_fini(&rep->bell);
        rt_free(rep->requests);
        rt_free(rep);
        return err;
    }
    *ret_rep = rep;
    return RT_OK;
}

void
rt_request_reply(rt_request *request, rt_bytes body)
{
    rt_rep *rep = NULL;
    rt__sp_buf *buf = NULL;

    RT_CHECK(request, REQUEST_MAGIC);
    RT_ASSERT(request->state == OUT);
    rep = request->rep;
    buf = rt__sp_buf_new(request->hops_len + body.len);
    buf->pipe = request->msg->pipe;
    memcpy(rt__sp_buf_body(buf), request->msg->bytes, request->hops_len);
    if (body.len > 0) {
        memcpy(rt__sp_buf_body(buf) + request->hops_len, body.ptr, body.len);
    }
    rt_free(request->msg); // only now: `body` may view the request
    request->msg = NULL;
    pthread_mutex_lock(&rep->bell.lock);
    request->state = FREE;
    request->next = rep->free;
    rep->free = request;
    if (rep->replies_last != NULL) {
        rep->replies_last->next = buf;
    } else {
        rep->replies = buf;
    }
    rep->replies_last = buf;
    pthread_mutex_unlock(&rep->bell.lock);
    rt__sp_wake(rep->sp);
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
    rt__sp_stats(rep->sp, &stats);
    pthread_mutex_lock(&locked->bell.lock);
    stats.messages_in = rep->received;
    stats.messages_out = rep->replied;
    stats.messages_dropped = rep->dropped;
    pthread_mutex_unlock(&locked->bell.lock);
    return stats;
}
