// Design notes. A link is a connection between two equals. Within the process it is an nng socket
// (net_pair.c); over tcp it is an end of the thread of the sockets with one connection, here.
//
// Sending: a bounded queue. `unsent` counts what rt_link_send took and what has not left yet; at
// inflight_max it says RT_EFULL. Each message is for the peer that the user knows of: what was sent
// to one that is gone meanwhile is dropped, never given to the next.
//
// Up and down come through the inbox, in their place among the messages, so a user always sees
// on_up, that peer's messages, on_down, and never a message between the last two.

#include "runtime/base/alloc.h"
#include "runtime/base/check.h"
#include "runtime/base/text.h"
#include "runtime/real/net_internal.h"

#define LINK_MAGIC 0x4c494e4bu
#define PAIR_PREFIX "inproc://"

struct rt_link {
    uint32_t magic;
    rt__inbox *inbox;
    rt_link_events events;
    size_t message_bytes_max;
    uint64_t pipe_seen; // the peer announced by on_up, 0 = none; loop thread only
    uint64_t stale;     // loop thread only
    const rt__link_ops *ops;
    void *self; // what the ops work on
};

typedef struct tcp_link {
    rt__sp *sp;
    rt__inbox *inbox;
    uint32_t cap;
    pthread_mutex_t lock; // guards what follows
    uint64_t pipe;        // the peer that is there, 0 = none
    rt__sp_buf *outgoing;
    rt__sp_buf *outgoing_last;
    uint32_t unsent;
    uint64_t sent;
    uint64_t lost;
} tcp_link;

// --- over tcp: thread of the sockets --------------------------------------------------------

static bool
on_open(void *user, rt__sp_conn *conn)
{
    tcp_link *link = user;
    bool alone = false;

    pthread_mutex_lock(&link->lock);
    alone = link->pipe == 0;
    link->pipe = alone ? rt__sp_id(conn) : link->pipe;
    pthread_mutex_unlock(&link->lock);
    if (alone) {
        rt__inbox_peer(link->inbox, rt__sp_id(conn), true);
    }
    return alone;
}

static void
on_close(void *user, rt__sp_conn *conn, uint32_t unsent)
{
    tcp_link *link = user;

    pthread_mutex_lock(&link->lock);
    link->pipe = 0;
    link->unsent -= unsent;
    link->lost += unsent;
    pthread_mutex_unlock(&link->lock);
    rt__inbox_peer(link->inbox, rt__sp_id(conn), false);
}

static bool
on_message(void *user, rt__sp_conn *conn, rt__msg *msg)
{
    tcp_link *link = user;

    (void)conn;
    return rt__inbox_put(link->inbox, msg);
}

static void
on_sent(void *user, rt__sp_conn *conn, uint32_t count)
{
    tcp_link *link = user;

    (void)conn;
    pthread_mutex_lock(&link->lock);
    link->unsent -= count;
    link->sent += count;
    pthread_mutex_unlock(&link->lock);
}

static void
on_wake(void *user)
{
    tcp_link *link = user;
    rt__sp_buf *buf = NULL;
    uint32_t lost = 0;

    pthread_mutex_lock(&link->lock);
    buf = link->outgoing;
    link->outgoing = NULL;
    link->outgoing_last = NULL;
    pthread_mutex_unlock(&link->lock);
    while (buf != NULL) {
        rt__sp_buf *next = buf->next;
        rt__sp_conn *conn = rt__sp_find(link->sp, buf->pipe);

        if (conn != NULL) {
            (void)rt__sp_send(conn, buf); // the bound is `unsent`
        } else {
            rt__sp_buf_unref(buf);
            lost++;
        }
        buf = next;
    }
    pthread_mutex_lock(&link->lock);
    link->unsent -= lost;
    link->lost += lost;
    pthread_mutex_unlock(&link->lock);
    rt__sp_resume(link->sp);
}

static const rt__sp_ops link_ops = {.self = RT__SP_PAIR,
                                    .peer = RT__SP_PAIR,
                                    .on_open = on_open,
                                    .on_message = on_message,
                                    .on_close = on_close,
                                    .on_sent = on_sent,
                                    .on_wake = on_wake};

// --- over tcp: loop -------------------------------------------------------------------------

static rt_err
tcp_send(void *self, rt_bytes body, uint64_t pipe)
{
    tcp_link *link = self;
    rt__sp_buf *buf = NULL;
    bool full = false;

    pthread_mutex_lock(&link->lock);
    full = link->unsent >= link->cap;
    link->unsent += full ? 0 : 1;
    pthread_mutex_unlock(&link->lock);
    if (full) {
        return rt_fail(RT_EFULL, "%u messages wait to leave", link->cap);
    }
    buf = rt__sp_buf_new(body.len);
    buf->pipe = pipe;
    if (body.len > 0) {
        memcpy(rt__sp_buf_body(buf), body.ptr, body.len);
    }
    pthread_mutex_lock(&link->lock);
    if (link->outgoing_last != NULL) {
        link->outgoing_last->next = buf;
    } else {
        link->outgoing = buf;
    }
    link->outgoing_last = buf;
    pthread_mutex_unlock(&link->lock);
    rt__sp_wake(link->sp);
    return RT_OK;
}

static void
tcp_stats(void *self, rt_net_stats *ret_stats)
{
    tcp_link *link = self;

    rt__sp_stats(link->sp, ret_stats);
    pthread_mutex_lock(&link->lock);
    ret_stats->messages_out += link->sent;
    ret_stats->messages_dropped += link->lost;
    pthread_mutex_unlock(&link->lock);
}

static const rt__link_ops tcp_ops = {tcp_send, NULL, tcp_stats};

static rt_err
open_tcp(rt_link *link, const char *url, bool listens, rt_net_limits limits)
{
    tcp_link *tcp = rt_new(tcp_link);
    rt_err err = RT_OK;
    int rc = pthread_mutex_init(&tcp->lock, NULL);

    RT_ASSERT(rc == 0);
    tcp->inbox = link->inbox;
    tcp->cap = limits.inflight_max;
    link->ops = &tcp_ops;
    link->self = tcp;
    // a second peer is refused by on_open, which can tell it from the first one's end
    limits.connections_max = 2;
    err = listens ? rt__sp_listen(url, limits, &link_ops, tcp, &tcp->sp)
                  : rt__sp_dial(url, limits, &link_ops, tcp, &tcp->sp);
    if (err != RT_OK) {
        rt_free(tcp);
    }
    return err;
}

// --- both -----------------------------------------------------------------------------------

static void
on_peer(void *user, uint64_t pipe, bool up)
{
    rt_link *link = user;

    RT_CHECK(link, LINK_MAGIC);
    if (up) {
        RT_ASSERT(link->pipe_seen == 0); // the one before went first
        link->pipe_seen = pipe;
        if (link->events.on_up != NULL) {
            link->events.on_up(link->events.user);
        }
    } else if (link->pipe_seen == pipe) {
        link->pipe_seen = 0;
        if (link->ops->down != NULL) {
            link->ops->down(link->self);
        }
        if (link->events.on_down != NULL) {
            link->events.on_down(link->events.user);
        }
    }
}

static void
on_inbox_message(void *user, rt_parcel *parcel, rt_bytes body, uint64_t pipe)
{
    rt_link *link = user;

    RT_CHECK(link, LINK_MAGIC);
    if (pipe != link->pipe_seen) {
        link->stale++;
        rt_parcel_free(parcel);
        return;
    }
    link->events.on_parcel(link->events.user, parcel, body);
}

static void
on_room(void *user)
{
    rt_link *link = user;

    if (link->ops == &rt__pair_ops) {
        rt__pair_room(link->self);
    } else {
        rt__sp_wake(((tcp_link *)link->self)->sp);
    }
}

static rt_err
open_link(rt_loop *loop, const char *url, bool listens, rt_net_limits limits,
          rt_link_events events, rt_link **ret_link)
{
    char checked[RT__NET_URL_MAX];
    rt_link *link = NULL;
    rt_err err = rt__net_url(url, checked);

    RT_ASSERT(events.on_parcel != NULL && limits.inflight_max > 0);
    if (err != RT_OK) {
        return err;
    }
    link = rt_new(rt_link);
    link->magic = LINK_MAGIC;
    link->events = events;
    link->message_bytes_max = limits.message_bytes_max;
    link->inbox = rt__inbox_new(loop, limits,
                                (rt__inbox_events){.on_message = on_inbox_message,
                                                   .on_peer = on_peer,
                                                   .on_room = on_room,
                                                   .user = link});
    if (rt_str_starts(rt_str_of(checked), RT_STR(PAIR_PREFIX))) {
        link->ops = &rt__pair_ops;
        err = rt__pair_open(checked, listens, limits, link->inbox, &link->self);
    } else {
        err = open_tcp(link, checked, listens, limits);
    }
    if (err != RT_OK) {
        rt__inbox_free(link->inbox);
        rt_free(link);
        return err;
    }
    *ret_link = link;
    return RT_OK;
}

rt_err
rt_link_listen(rt_loop *loop, const char *url, rt_net_limits limits, rt_link_events events,
               rt_link **ret_link)
{
    return open_link(loop, url, true, limits, events, ret_link);
}

rt_err
rt_link_dial(rt_loop *loop, const char *url, rt_net_limits limits, rt_link_events events,
             rt_link **ret_link)
{
    return open_link(loop, url, false, limits, events, ret_link);
}

rt_err
rt_link_send(rt_link *link, rt_bytes body)
{
    RT_CHECK(link, LINK_MAGIC);
    if (link->pipe_seen == 0) {
        return rt_fail(RT_ECLOSED, "link has no peer");
    }
    if (body.len > link->message_bytes_max) {
        return rt_fail(RT_ELIMIT, "message of %zu bytes, at most %zu", body.len,
                       link->message_bytes_max);
    }
    return link->ops->send(link->self, body, link->pipe_seen);
}

rt_net_stats
rt_link_stats(const rt_link *link)
{
    rt_net_stats stats = {0};

    RT_CHECK(link, LINK_MAGIC);
    rt__inbox_stats(link->inbox, &stats);
    link->ops->stats(link->self, &stats);
    stats.messages_dropped += link->stale;
    return stats;
}
