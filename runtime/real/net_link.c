// Design notes. A link is an nng PAIR socket: the fastest pattern between two loops of a process
// (nine times PUSH/PULL over inproc), and the same over tcp.
//
// Sending: a bounded queue and ONE send aio; its callback sends the next message itself, so a burst
// costs no wake-ups of the loop. The aio waits while the peer's inbox is parked, the queue fills,
// and rt_link_send says RT_EFULL.
//
// Up and down: nng's pipe callbacks (on its threads) only note which pipe is there now. The loop
// compares that with the pipe it has announced. Messages carry their pipe, and nng may start
// receiving on a new pipe before it reports it: a message from an unknown pipe therefore announces
// that pipe first, and one from a pipe that was reported gone is dropped, so a user always sees
// on_up, that peer's messages, on_down, and never a message between the last two.
//
// When the peer is gone, what is queued is dropped and the send aio cancelled (it waits in the
// socket's queue, not in a transport, where 1.5.2 would leak it). NB: a message that nng is taking
// over at that very moment can still reach the next peer; sessions need a hello of their own.

#include <nng/nng.h>
#include <nng/protocol/pair0/pair.h>

#include "runtime/base/alloc.h"
#include "runtime/base/check.h"
#include "runtime/real/net_internal.h"

#define LINK_MAGIC 0x4c494e4bu
#define GONE_MAX 8u
// Messages nng may have received while the inbox is parked: enough to keep its threads busy.
#define LINK_RECVBUF 64

struct rt_link {
    uint32_t magic;
    nng_socket socket;
    rt__inbox *inbox;
    rt_link_events events;
    size_t message_bytes_max;
    nng_aio *send_aio;
    pthread_mutex_t lock; // guards the next block
    uint32_t pipe_now;    // 0 = none
    uint32_t gone[GONE_MAX]; // pipes that were reported gone, a ring
    uint32_t gone_at;
    nng_msg **queue; // a ring
    uint32_t queue_cap;
    uint32_t queue_head;
    uint32_t queue_count;
    bool sending;
    uint64_t sent;
    uint64_t lost;
    uint64_t refused;
    // Loop thread only.
    uint32_t pipe_seen; // the one announced by on_up, 0 = none
    uint64_t stale;
};

static bool
is_gone(const rt_link *link, uint32_t pipe)
{
    for (uint32_t i = 0; i < GONE_MAX; i++) {
        if (link->gone[i] == pipe) {
            return true;
        }
    }
    return false;
}

static void
on_pipe_event(nng_pipe pipe, nng_pipe_ev event, void *arg)
{
    rt_link *link = arg;
    uint32_t id = (uint32_t)nng_pipe_id(pipe);

    pthread_mutex_lock(&link->lock);
    if (event == NNG_PIPE_EV_ADD_POST && !is_gone(link, id)) {
        link->pipe_now = id;
    } else if (event == NNG_PIPE_EV_REM_POST) {
        // PAIR refuses a second peer: its pipe goes without ever having been current.
        link->refused += link->pipe_now == id ? 0 : 1;
        link->pipe_now = link->pipe_now == id ? 0 : link->pipe_now;
        link->gone[link->gone_at] = id;
        link->gone_at = (link->gone_at + 1) % GONE_MAX;
    }
    pthread_mutex_unlock(&link->lock);
    rt__inbox_poke(link->inbox);
}

// pop_locked takes the next message to send and says with `sending` whether there is one.
static nng_msg *
pop_locked(rt_link *link)
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
send_msg(rt_link *link, nng_msg *msg)
{
    nng_aio_set_msg(link->send_aio, msg);
    nng_send_aio(link->socket, link->send_aio);
}

static void
on_sent(void *arg)
{
    rt_link *link = arg;
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

static void
drop_queue(rt_link *link)
{
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
announce(rt_link *link, uint32_t pipe)
{
    if (link->pipe_seen == pipe) {
        return;
    }
    if (link->pipe_seen != 0) {
        link->pipe_seen = 0;
        drop_queue(link);
        if (link->events.on_down != NULL) {
            link->events.on_down(link->events.user);
        }
    }
    if (pipe != 0) {
        link->pipe_seen = pipe;
        if (link->events.on_up != NULL) {
            link->events.on_up(link->events.user);
        }
    }
}

// admit tells whether a message of `pipe` may be delivered, after noting a pipe not yet reported.
static bool
admit(rt_link *link, uint32_t pipe)
{
    bool gone = false;

    if (pipe == link->pipe_seen) {
        return true;
    }
    pthread_mutex_lock(&link->lock);
    gone = is_gone(link, pipe);
    link->pipe_now = gone ? link->pipe_now : pipe;
    pthread_mutex_unlock(&link->lock);
    if (!gone) {
        announce(link, pipe);
    }
    return !gone;
}

static void
on_message(void *user, rt_parcel *parcel, rt_bytes body, uint32_t pipe)
{
    rt_link *link = user;

    RT_CHECK(link, LINK_MAGIC);
    if (!admit(link, pipe)) {
        link->stale++;
        rt_parcel_free(parcel);
        return;
    }
    link->events.on_parcel(link->events.user, parcel, body);
}

static void
on_drained(void *user)
{
    rt_link *link = user;
    uint32_t pipe = 0;

    pthread_mutex_lock(&link->lock);
    pipe = link->pipe_now;
    pthread_mutex_unlock(&link->lock);
    announce(link, pipe);
}

static rt_err
open_socket(rt_link *link)
{
    int rc = nng_pair0_open(&link->socket);

    if (rc != 0) {
        return rt__net_err(rc, "opening a link");
    }
    rc = nng_socket_set_int(link->socket, NNG_OPT_RECVBUF, LINK_RECVBUF);
    if (rc == 0) { // nothing may wait in nng for a later peer
        rc = nng_socket_set_int(link->socket, NNG_OPT_SENDBUF, 0);
    }
    if (rc == 0) {
        rc = nng_pipe_notify(link->socket, NNG_PIPE_EV_ADD_POST, on_pipe_event, link);
    }
    if (rc == 0) {
        rc = nng_pipe_notify(link->socket, NNG_PIPE_EV_REM_POST, on_pipe_event, link);
    }
    return rc == 0 ? RT_OK : rt__net_err(rc, "preparing a link");
}

typedef rt_err (*connect_fn)(const struct nng_socket_s *socket, const char *url,
                             size_t message_bytes_max);

static rt_err
open_link(rt_loop *loop, const char *url, rt_net_limits limits, rt_link_events events,
          connect_fn connect, rt_link **ret_link)
{
    char checked[RT__NET_URL_MAX];
    rt_link *link = NULL;
    rt_err err = rt__net_url(url, checked);
    int rc = 0;

    RT_ASSERT(events.on_parcel != NULL && limits.inflight_max > 0);
    if (err != RT_OK) {
        return err;
    }
    link = rt_new(rt_link);
    link->magic = LINK_MAGIC;
    link->events = events;
    link->message_bytes_max = limits.message_bytes_max;
    link->queue_cap = limits.inflight_max;
    link->queue = rt_new_array(nng_msg *, link->queue_cap);
    rc = pthread_mutex_init(&link->lock, NULL);
    RT_ASSERT(rc == 0);
    rc = nng_aio_alloc(&link->send_aio, on_sent, link);
    RT__SURE(rc, NNG_ENOMEM, "nng");
    nng_aio_set_timeout(link->send_aio, NNG_DURATION_INFINITE);
    err = open_socket(link);
    if (err == RT_OK) { // the inbox must be there before the first pipe callback
        link->inbox = rt__inbox_new(loop, &link->socket, limits,
                                    (rt__inbox_events){on_message, on_drained, link});
        err = connect(&link->socket, checked, limits.message_bytes_max);
    }
    if (err != RT_OK) {
        (void)nng_close(link->socket); // never had a connection: cannot hang
        return err;                    // the loop still owns the inbox's doorbell: not freed
    }
    rt__inbox_start(link->inbox);
    *ret_link = link;
    return RT_OK;
}

rt_err
rt_link_listen(rt_loop *loop, const char *url, rt_net_limits limits, rt_link_events events,
               rt_link **ret_link)
{
    return open_link(loop, url, limits, events, rt__net_listen, ret_link);
}

rt_err
rt_link_dial(rt_loop *loop, const char *url, rt_net_limits limits, rt_link_events events,
             rt_link **ret_link)
{
    return open_link(loop, url, limits, events, rt__net_dial, ret_link);
}

rt_err
rt_link_send(rt_link *link, rt_bytes body)
{
    nng_msg *msg = NULL;
    bool full = false;
    bool start = false;

    RT_CHECK(link, LINK_MAGIC);
    if (link->pipe_seen == 0) {
        return rt_fail(RT_ECLOSED, "link has no peer");
    }
    if (body.len > link->message_bytes_max) {
        return rt_fail(RT_ELIMIT, "message of %zu bytes, at most %zu", body.len,
                       link->message_bytes_max);
    }
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

rt_net_stats
rt_link_stats(const rt_link *link)
{
    rt_link *locked = (rt_link *)link; // locks, changes nothing
    rt_net_stats stats = {0};

    RT_CHECK(link, LINK_MAGIC);
    rt__inbox_stats(link->inbox, &stats);
    pthread_mutex_lock(&locked->lock);
    stats.connections = link->pipe_now != 0 ? 1 : 0;
    stats.connections_refused = link->refused;
    stats.messages_out = link->sent;
    stats.messages_dropped += link->lost + link->stale;
    pthread_mutex_unlock(&locked->lock);
    return stats;
}
