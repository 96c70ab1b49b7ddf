// Design notes. All sockets of the doors live on one libuv loop with a thread of its own
// ("sockets"), so that reading and writing overlap with deciding, and so that a connection has one
// owner. Between that thread and a door's loop go bounded queues; each door's are its own.
//
// Why not nng, whose protocol this is: in 1.5.2 a connection that is closed for a failed send while
// a message is arriving is never given back (its receive is started again after it was closed, and
// the thread that frees connections waits for it for ever). One client that resets its connection
// with requests outstanding is enough; from then on every connection of the process that ends stays
// open and counted, until the door is full. nng also reads each message with two calls, has no
// bound on connections in the handshake, and tells nobody what it refuses.
//
// Bounds: connections_max that have shaken hands; SHAKING_MAX more that have not, of which the
// oldest goes when there is one too many; ten seconds for a handshake.
//
// Connections are accepted here and not by libuv: 1.44 accepts until there are none left, so that a
// flood of them keeps everybody else waiting, and without descriptors it hangs up on all that wait,
// or, when another thread takes the one it keeps for that, tries again and again for ever.
#include "runtime/real/sp.h"

#include <errno.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

#include "runtime/base/alloc.h"
#include "runtime/base/check.h"
#include "runtime/base/log.h"
#include "runtime/real/net_internal.h"
#include "runtime/real/sp_internal.h"
#include "runtime/seam/clock.h"

#define SP_MAGIC 0x53502020u
#define BACKLOG 512
#define SHAKING_MAX 64u
#define ACCEPTS_MAX 16      // at a time
#define ACCEPT_PAUSE_MS 100 // without descriptors or memory; those that connect wait meanwhile
#define WATCH_EVERY_MS 250
#define DESCRIPTORS_MAX 65536u

// The thread of the sockets, once a process.
static struct sockets {
    pthread_once_t once;
    pthread_mutex_t lock;
    rt_loop *loop;
    rt_wake *wake;
    rt_timer *watch;
    rt_thread *thread;
    bool watching;
    rt__sp *all;   // I/O thread
    rt__sp *added; // guarded by the lock
    rt__sp *woken; // guarded by the lock, as is the next one
    rt__sp *woken_last;
    uint8_t *scratch;
} sockets = {.once = PTHREAD_ONCE_INIT, .lock = PTHREAD_MUTEX_INITIALIZER};

void
rt__sp_lock(void)
{
    pthread_mutex_lock(&sockets.lock);
}

void
rt__sp_unlock(void)
{
    pthread_mutex_unlock(&sockets.lock);
}

uv_loop_t *
rt__sp_loop(void)
{
    return rt__loop_uv(sockets.loop);
}

uint8_t *
rt__sp_scratch(void)
{
    return sockets.scratch;
}

void
rt__sp_watch(void)
{
    if (!sockets.watching) {
        sockets.watching = true;
        rt_timer_start(sockets.watch, WATCH_EVERY_MS, WATCH_EVERY_MS);
    }
}

static void
on_watch(void *user)
{
    int64_t now_us = rt_clock_mono_us();
    bool more = false;

    (void)user;
    for (rt__sp *sp = sockets.all; sp != NULL; sp = sp->next) {
        more = rt__sp_look(sp, now_us) || more;
    }
    if (!more) {
        sockets.watching = false;
        rt_timer_stop(sockets.watch);
    }
}

static void
greet(rt__sp *sp, int fd)
{
    rt__sp_conn *conn = NULL;

    if (sp->shaking_count >= SHAKING_MAX) {
        rt__sp_lock();
        sp->stats.handshakes_failed++;
        rt__sp_unlock();
        rt__sp_conn_close(sp->shaking.first);
    }
    conn = rt__sp_conn_new(sp);
    RT_ASSERT(conn != NULL); // a place for each that may be open, and for each that shakes hands
    if (uv_tcp_open(rt__sp_conn_tcp(conn), fd) != 0) {
        (void)close(fd); // nothing was written
        rt__sp_conn_close(conn);
        return;
    }
    rt__sp_conn_begin(conn);
}

static void
on_connections(uv_poll_t *listener, int status, int events)
{
    rt__sp *sp = listener->data;

    RT_CHECK(sp, SP_MAGIC);
    (void)status; // whatever it is, accept4 says it again
    (void)events;
    for (int i = 0; i < ACCEPTS_MAX; i++) {
        int fd = accept4(sp->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

        if (fd >= 0) {
            greet(sp, fd);
        } else if (errno == EAGAIN) {
            return;
        } else if (errno != EINTR && errno != ECONNABORTED) {
            (void)uv_poll_stop(listener); // always 0
            rt_timer_start(sp->again, ACCEPT_PAUSE_MS, 0);
            return;
        }
    }
}

static void
on_accept_again(void *user)
{
    rt__sp *sp = user;
    int rc = uv_poll_start(sp->listener, UV_READABLE, on_connections);

    RT__SURE(rc, UV_ENOMEM, "libuv");
}

static void
on_connected(uv_connect_t *req, int status)
{
    rt__sp_conn *conn = req->data;

    if (status != 0) {
        rt__sp_conn_close(conn);
    } else {
        rt__sp_conn_begin(conn);
    }
}

static void
on_redial(void *user)
{
    rt__sp *sp = user;
    rt__sp_conn *conn = rt__sp_conn_new(sp);

    RT_ASSERT(conn != NULL); // only when there is none
    sp->connect->data = conn;
    if (uv_tcp_connect(sp->connect, rt__sp_conn_tcp(conn),
                       (const struct sockaddr *)&sp->address, on_connected) != 0) {
        rt__sp_conn_close(conn);
    }
}

void
rt__sp_closed(rt__sp *sp)
{
    if (sp->dials) {
        rt_timer_start(sp->again, sp->redial_ms, 0);
        sp->redial_ms = RT_MIN(sp->redial_ms * 2, RT__NET_RECONNECT_MAX_MS);
    }
}

// Begins to serve an end that another thread has made.
static void
begin(rt__sp *sp)
{
    int rc = 0;

    sp->next = sockets.all;
    sockets.all = sp;
    if (sp->dials) {
        sp->connect = rt_new(uv_connect_t);
        sp->again = rt_timer_new(sockets.loop, on_redial, sp);
        on_redial(sp);
        return;
    }
    sp->again = rt_timer_new(sockets.loop, on_accept_again, sp);
    sp->listener = rt_new(uv_poll_t);
    rc = uv_poll_init(rt__sp_loop(), sp->listener, sp->listen_fd);
    RT__SURE(rc, UV_ENOMEM, "libuv");
    sp->listener->data = sp;
    on_accept_again(sp);
}

// The end that was woken first; NULL when there is none. It may be woken again from here on, and is
// then the last.
static rt__sp *
take_woken(void)
{
    rt__sp *sp = NULL;

    rt__sp_lock();
    sp = sockets.woken;
    if (sp != NULL) {
        sockets.woken = sp->next_woken;
        sockets.woken_last = sockets.woken == NULL ? NULL : sockets.woken_last;
        sp->woken = false;
    }
    rt__sp_unlock();
    return sp;
}

static rt__sp *
take_added(void)
{
    rt__sp *sp = NULL;

    rt__sp_lock();
    sp = sockets.added;
    if (sp != NULL) {
        sockets.added = sp->next;
    }
    rt__sp_unlock();
    return sp;
}

static void
on_sockets_wake(void *user)
{
    rt__sp *sp = NULL;
    uint32_t ends = 0;

    (void)user;
    while ((sp = take_added()) != NULL) {
        begin(sp);
    }
    for (sp = sockets.all; sp != NULL; sp = sp->next) {
        ends++;
    }
    // no more than there are, so that a door that is woken all the time leaves room for reading
    while (ends > 0 && (sp = take_woken()) != NULL) {
        ends--;
        sp->ops->on_wake(sp->user);
    }
    if (sp != NULL) {
        rt_wake_send(sockets.wake);
    }
}

static void
run_sockets(void *user)
{
    (void)user;
    rt_loop_run(sockets.loop); // for the life of the process
}

// Every connection is a descriptor; the usual 1,024 are fewer than the doors allow.
static void
raise_descriptors(void)
{
    struct rlimit limit = {0};

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = RT_MIN(limit.rlim_max, (rlim_t)DESCRIPTORS_MAX);
        (void)setrlimit(RLIMIT_NOFILE, &limit); // as it was is fine, too
    }
}

static void
start_sockets(void)
{
    raise_descriptors();
    sockets.loop = rt_loop_new();
    sockets.wake = rt_wake_new(sockets.loop, on_sockets_wake, NULL);
    sockets.watch = rt_timer_new(sockets.loop, on_watch, NULL);
    sockets.scratch = rt_alloc(RT__SP_SCRATCH);
    sockets.thread = rt_thread_start("sockets", run_sockets, NULL); // never joined
}

static void
add(rt__sp *sp)
{
    int rc = pthread_once(&sockets.once, start_sockets);

    RT_ASSERT(rc == 0);
    rt__sp_lock();
    sp->next = sockets.added;
    sockets.added = sp;
    rt__sp_unlock();
    rt_wake_send(sockets.wake);
}

static rt_err
new_end(const char *url, rt_net_limits limits, const rt__sp_ops *ops, void *user, rt__sp **ret_sp)
{
    rt__sp *sp = rt_new(rt__sp);
    rt_err err = rt__net_address(url, &sp->address);

    RT_ASSERT(limits.connections_max > 0 && limits.message_bytes_max > 0);
    if (err != RT_OK) {
        rt_free(sp);
        return err;
    }
    sp->magic = SP_MAGIC;
    sp->ops = ops;
    sp->user = user;
    sp->limits = limits;
    sp->slot_count = limits.connections_max + SHAKING_MAX + 1;
    sp->slots = rt_new_array(rt__sp_conn *, sp->slot_count);
    sp->redial_ms = RT__NET_RECONNECT_MIN_MS;
    *ret_sp = sp;
    return RT_OK;
}

static rt_err
open_listener(rt__sp *sp, const char *url)
{
    socklen_t len = sp->address.ss_family == AF_INET6 ? sizeof(struct sockaddr_in6)
                                                      : sizeof(struct sockaddr_in);
    int on = 1;
    int code = 0;

    sp->listen_fd = socket(sp->address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (sp->listen_fd < 0) {
        return rt_fail(RT_EIO, "%s: %s", url, strerror(errno));
    }
    // a port whose old connections linger is free all the same; one that is listened on is not
    (void)setsockopt(sp->listen_fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (bind(sp->listen_fd, (const struct sockaddr *)&sp->address, len) == 0 &&
        listen(sp->listen_fd, BACKLOG) == 0) {
        return RT_OK;
    }
    code = errno;
    (void)close(sp->listen_fd); // nothing was written
    return rt_fail(code == EADDRINUSE ? RT_EBUSY : RT_EIO, "%s: %s", url, strerror(code));
}

rt_err
rt__sp_listen(const char *url, rt_net_limits limits, const rt__sp_ops *ops, void *user,
              rt__sp **ret_sp)
{
    rt__sp *sp = NULL;
    rt_err err = new_end(url, limits, ops, user, &sp);

    if (err == RT_OK) {
        err = open_listener(sp, url);
        if (err != RT_OK) {
            rt_free(sp->slots);
            rt_free(sp);
            return err;
        }
        *ret_sp = sp;
        add(sp);
    }
    return err;
}

rt_err
rt__sp_dial(const char *url, rt_net_limits limits, const rt__sp_ops *ops, void *user,
            rt__sp **ret_sp)
{
    rt__sp *sp = NULL;
    rt_err err = new_end(url, limits, ops, user, &sp);

    if (err == RT_OK) {
        sp->dials = true;
        *ret_sp = sp;
        add(sp);
    }
    return err;
}

void
rt__sp_wake(rt__sp *sp)
{
    bool first = false;

    RT_CHECK(sp, SP_MAGIC);
    rt__sp_lock();
    first = !sp->woken;
    if (first) {
        sp->woken = true;
        sp->next_woken = NULL;
        if (sockets.woken_last != NULL) {
            sockets.woken_last->next_woken = sp;
        } else {
            sockets.woken = sp;
        }
        sockets.woken_last = sp;
    }
    rt__sp_unlock();
    if (first) {
        rt_wake_send(sockets.wake);
    }
}

void
rt__sp_stats(rt__sp *sp, rt_net_stats *ret_stats)
{
    RT_CHECK(sp, SP_MAGIC);
    rt__sp_lock();
    ret_stats->connections += sp->stats.connections;
    ret_stats->connections_refused += sp->stats.connections_refused;
    ret_stats->handshakes_failed += sp->stats.handshakes_failed;
    ret_stats->messages_oversize += sp->stats.messages_oversize;
    ret_stats->messages_malformed += sp->stats.messages_malformed;
    ret_stats->peers_slow += sp->stats.peers_slow;
    rt__sp_unlock();
}
