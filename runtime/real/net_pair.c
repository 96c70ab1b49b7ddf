// Design notes. A link within the process is an nng PAIR socket over inproc: the fastest pattern
// between two loops (nine times PUSH/PULL). What makes nng's tcp sockets unfit for the daemon
// (sp.c) is a race between a transport's receive and its close; inproc has no receive of its own
// and loses no peer while the process lives.
//
// Sending: a bounded queue and ONE send aio; its callback sends the next message itself, so a burst
// costs no wake-ups of the loop. The aio waits while the peer does not receive, the queue fills,
// and sending says RT_EFULL.
//
// Receiving: one aio whose callback (a thread of nng's) puts the message into the inbox and rearms
// itself. When there is no room the message is kept and the aio is not rearmed; rt__pair_room goes
// on.
//
// Up and down: nng's pipe callbacks and messages come on different threads, so both go through
// `announce` under one lock. Messages carry their pipe, and nng may receive on a new pipe before it
// reports it: such a message announces the pipe first, and one from a pipe that is gone is dropped.
// NB: a message that nng is taking over while its peer goes can still reach the next one; sessions
// need a hello of their own.

#include <nng/nng.h>
#include <nng/protocol/pair0/pair.h>

#include "runtime/base/alloc.h"
#include "runtime/base/check.h"
#include "runtime/real/net_internal.h"

#define GONE_MAX 8u
// Messages nng may have received while the inbox is full: enough to keep its threads busy.
#define RECVBUF 64

typedef struct pair_link {
    nng_socket socket;
    rt__inbox *inbox;
    size_t message_bytes_max;
    nng_aio *recv_aio;
    nng_aio *send_aio;
    pthread_mutex_t lock; // guards what follows
    uint32_t pipe;        // announced, 0 = none
    uint32_t gone[GONE_MAX]; // pipes that were reported gone, a ring
    uint32_t gone_at;
    rt__msg *kept; // without room in the inbox; the receive aio rests
    nng_msg **queue; // a ring
    uint32_t queue_cap;
    uint32_t queue_head;
    uint32_t queue_count;
    bool sending;
    uint64_t sent;
    uint64_t lost;
    uint64_t refused;
} pair_link;

// --- up, down and messages: nng's threads ---------------------------------------------------

static bool
is_gone(const pair_link *link, uint32_t pipe)
{
    for (uint32_t i = 0; i < GONE_MAX; i++) {
        if (link->gone[i] == pipe) {
            return true;
        }
    }
    return false;
}

static void
announce_locked(pair_link *link, uint32_t pipe)
{
    if (link->pipe == pipe) {
        return;
    }
    if (link->pipe != 0) {
        rt__inbox_peer(link->inbox, link->pipe, false);
    }
    link->pipe = pipe;
    if (pipe != 0) {
        rt__inbox_peer(link->inbox, pipe, true);
    }
}

static void
on_pipe_event(nng_pipe pipe, nng_pipe_ev event, void *arg)
{
    pair_link *link = arg;
    uint32_t id = (uint32_t)nng_pipe_id(pipe);

    pthread_mutex_lock(&link->lock);
    if (event == NNG_PIPE_EV_ADD_POST && !is_gone(link, id)) {
        announce_locked(link, id);
    } else if (event == NNG_PIPE_EV_REM_POST) {
        // PAIR refuses a second peer: its pipe goes without ever having been announced
        link->refused += link->pipe == id ? 0 : 1;
        if (link->pipe == id) {
            announce_locked(link, 0);
        }
        link->gone[link->gone_at] = id;
        link->gone_at = (link->gone_at + 1) % GONE_MAX;
    }
    pthread_mutex_unlock(&link->lock);
}

// The message as everybody above knows it; NULL when it is not to be delivered.
static rt__msg *
take_over(pair_link *link, nng_msg *got)
{
    size_t len = nng_msg_len(got);
    rt__msg *msg = len <= link->message_bytes_max ? rt__msg_new(len) : NULL;

    if (msg == NULL) {
        rt__inbox_drop(link->inbox); // inproc has no receive limit of its own
    } else {
        msg->pipe = (uint32_t)nng_pipe_id(nng_msg_get_pipe(got));
        if (len > 0) {
            memcpy(msg->bytes, nng_msg_body(got), len);
        }
    }
    nng_msg_free(got);
    return msg;
}

static void
on_received(void *arg)
{
    pair_link *link = arg;
    rt__msg *msg = NULL;
    int rc = nng_aio_result(link->recv_aio);
    bool kept = false;

    if (rc == NNG_ECLOSED) {
        return; // the process is ending
    }
    msg = rc == 0 ? take_over(link, nng_aio_get_msg(link->recv_aio)) : NULL;
    pthread_mutex_lock(&link->lock);
    if (msg != NULL && is_gone(link, (uint32_t)msg->pipe)) {
        rt_free(msg);
        msg = NULL;
        link->lost++;
    } else if (msg != NULL) {
        announce_locked(link, (uint32_t)msg->pipe);
        kept = !rt__inbox_put(link->inbox, msg);
        link->kept = kept ? msg : NULL;
    }
    pthread_mutex_unlock(&link->lock);
    if (!kept) {
        nng_recv_aio(link->socket, link->recv_aio);
    }
}

void
rt__pair_room(void *self)
{
    pair_link *link = self;
    bool rearm = false;

    pthread_mutex_lock(&link->lock);
    if (link->kept != NULL && rt__inbox_put(link->inbox, link->kept)) {
        link->kept = NULL;
        rearm = true;
    }
    pthread_mutex_unlock(&link->lock);
    if (rearm) {
        nng_recv_aio(link->socket, link->recv_aio);
    }
}

// --- sending --------------------------------------------------------------------------------

// pop_locked takes the next message to send and says with `sending` whether there is one.
static nng_msg *
pop_locked(pair_link *link)
{
    nng_msg *msg = NULL;

    if (link->queue_count > 0) {
        msg = link->queue[link->queue_head];
        link->queue_head = (link->queue_head + 1) % link->queue_cap;
        link->queue_count--;
    }
    link->sending = msg != NULL;
    return msg;
}

static void
send_msg(pair_link *link, nng_msg *msg)
{
    nng_aio_set_msg(link->send_aio, msg);
    nng_send_aio(link->socket, link->send_aio);
}

static void
on_sent(void *arg)
{
    pair_link *link = arg;
    nng_msg *next = NULL;
    int rc = nng_aio_result(link->send_aio);

    if (rc == NNG_ECLOSED) {
        return; // the process is ending
    }
    if (rc != 0) {
        nng_msg_free(nng_aio_get_msg(link->send_aio)); // ours again when sending failed
    }
    pthread_mutex_lock(&link->lock);
    link->sent += rc == 0 ? 1 : 0;
    link->lost += rc == 0 ? 0 : 1;
    next = pop_locked(link);
    pthread_mutex_unlock(&link->lock);
    if (next != NULL) {
        send_msg(link, next);
    }
}

static rt_err
pair_send(void *self, rt_bytes body, uint64_t pipe)
{
    pair_link *link = self;
    nng_msg *msg = NULL;
    bool full = false;
    bool start = false;

    (void)pipe; // there is one
    if (nng_msg_alloc(&msg, body.len) != 0) {
        return rt_fail(RT_ENOMEM, "message of %zu bytes", body.len);
    }
    if (body.len > 0) {
        memcpy(nng_msg_body(msg), body.ptr, body.len);
    }
    pthread_mutex_lock(&link->lock);
    full = link->queue_count == link->queue_cap;
    if (!full) {
        link->queue[(link->queue_head + link->queue_count) % link->queue_cap] = msg;
        link->queue_count++;
        start = !link->sending;
        msg = start ? pop_locked(link) : NULL;
    }
    pthread_mutex_unlock(&link->lock);
    if (full) {
        nng_msg_free(msg);
        return rt_fail(RT_EFULL, "%u messages wait to leave", link->queue_cap);
    }
    if (start) {
        send_msg(link, msg);
    }
    return RT_OK;
}

// What is queued for a peer that is gone is dropped, and the send aio cancelled (it waits in the
// socket's queue).
static void
pair_down(void *self)
{
    pair_link *link = self;
    nng_msg *msg = NULL;
    bool sending = false;

    pthread_mutex_lock(&link->lock);
    sending = link->sending;
    while ((msg = pop_locked(link)) != NULL) {
        nng_msg_free(msg);
        link->lost++;
    }
    link->sending = sending;
    pthread_mutex_unlock(&link->lock);
    if (sending) {
        nng_aio_cancel(link->send_aio);
    }
}

static void
pair_stats(void *self, rt_net_stats *ret_stats)
{
    pair_link *link = self;

    pthread_mutex_lock(&link->lock);
    ret_stats->connections += link->pipe != 0 ? 1 : 0;
    ret_stats->connections_refused += link->refused;
    ret_stats->messages_out += link->sent;
    ret_stats->messages_dropped += link->lost;
    pthread_mutex_unlock(&link->lock);
}

// --- opening --------------------------------------------------------------------------------

static rt_err
open_socket(pair_link *link)
{
    int rc = nng_pair0_open(&link->socket);

    if (rc != 0) {
        return rt__net_err(rc, "opening a link");
    }
    rc = nng_socket_set_int(link->socket, NNG_OPT_RECVBUF, RECVBUF);
    if (rc == 0) { // nothing may wait in nng for a later peer
        rc = nng_socket_set_int(link->socket, NNG_OPT_SENDBUF, 0);
    }
    if (rc == 0) {
        rc = nng_pipe_notify(link->socket, NNG_PIPE_EV_ADD_POST, on_pipe_event, link);
    }
    if (rc == 0) {
        rc = nng_pipe_notify(link->socket, NNG_PIPE_EV_REM_POST, on_pipe_event, link);
    }
    if (rc == 0) { // inproc: nobody is overrun
        rc = nng_socket_set_ms(link->socket, NNG_OPT_RECONNMINT, RT__NET_RECONNECT_MIN_MS);
    }
    return rc == 0 ? RT_OK : rt__net_err(rc, "preparing a link");
}

static void
make_aios(pair_link *link)
{
    int rc = nng_aio_alloc(&link->send_aio, on_sent, link);

    RT__SURE(rc, NNG_ENOMEM, "nng");
    nng_aio_set_timeout(link->send_aio, NNG_DURATION_INFINITE);
    rc = nng_aio_alloc(&link->recv_aio, on_received, link);
    RT__SURE(rc, NNG_ENOMEM, "nng");
    nng_aio_set_timeout(link->recv_aio, NNG_DURATION_INFINITE);
}

static void
free_link(pair_link *link)
{
    (void)nng_close(link->socket); // never had a connection: cannot hang
    nng_aio_free(link->send_aio);
    nng_aio_free(link->recv_aio);
    rt_free(link->queue);
    rt_free(link);
}

rt_err
rt__pair_open(const char *url, bool listens, rt_net_limits limits, rt__inbox *inbox,
              void **ret_self)
{
    pair_link *link = rt_new(pair_link);
    rt_err err = RT_OK;
    int rc = pthread_mutex_init(&link->lock, NULL);

    RT_ASSERT(rc == 0);
    link->inbox = inbox;
    link->message_bytes_max = limits.message_bytes_max;
    link->queue_cap = limits.inflight_max;
    link->queue = rt_new_array(nng_msg *, link->queue_cap);
    make_aios(link);
    *ret_self = link; // before the first callback
    err = open_socket(link);
    if (err == RT_OK) {
        rc = listens ? nng_listen(link->socket, url, NULL, 0)
                     : nng_dial(link->socket, url, NULL, NNG_FLAG_NONBLOCK);
        err = rc == 0 ? RT_OK : rt__net_err(rc, url);
    }
    if (err != RT_OK) {
        free_link(link);
        return err;
    }
    nng_recv_aio(link->socket, link->recv_aio);
    return RT_OK;
}

const rt__link_ops rt__pair_ops = {pair_send, pair_down, pair_stats};
