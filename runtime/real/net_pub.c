// Design notes. A publication is one buffer that all subscribers share; each has a queue of at most
// inflight_max of them, and one that does not read loses the oldest. So those that lag hold the
// same newest publications, and however many there are, they hold little more than one. The loss is
// counted here and seen by the subscriber in the numbers inside.
//
// Subscribers choose their topics themselves (that is how SUB works) and say nothing: one that does
// is hung up on.

#include "runtime/base/alloc.h"
#include "runtime/base/check.h"
#include "runtime/real/net_internal.h"

#define PUB_MAGIC 0x50554220u
// Published and not yet given to the thread of the sockets.
#define OUTGOING_MAX 16384u
#define OUTGOING_BYTES_MAX ((size_t)64 * 1024 * 1024)

struct rt_pub {
    uint32_t magic;
    rt__sp *sp;
    rt__sp_ops ops;
    size_t message_bytes_max;
    pthread_mutex_t lock; // guards what follows
    rt__sp_buf *outgoing;
    rt__sp_buf *outgoing_last;
    uint32_t outgoing_count;
    size_t outgoing_bytes;
    uint32_t subscribers;
    uint64_t sent;
    uint64_t dropped;
};

// --- thread of the sockets ---

static void
count_subscriber(rt_pub *pub, bool more)
{
    pthread_mutex_lock(&pub->lock);
    pub->subscribers = more ? pub->subscribers + 1 : pub->subscribers - 1;
    pthread_mutex_unlock(&pub->lock);
}

static bool
on_open(void *user, rt__sp_conn *conn)
{
    (void)conn; // anybody may listen
    count_subscriber(user, true);
    return true;
}

static void
on_close(void *user, rt__sp_conn *conn, uint32_t unsent)
{
    (void)conn;
    (void)unsent; // nobody is left who would miss them
    count_subscriber(user, false);
}

static bool
on_message(void *user, rt__sp_conn *conn, rt__msg *msg)
{
    (void)user;
    rt_free(msg);
    rt__sp_hang_up(conn);
    return true;
}

static void
on_wake(void *user)
{
    rt_pub *pub = user;
    rt__sp_buf *buf = NULL;
    uint64_t given_up = 0;

    pthread_mutex_lock(&pub->lock);
    buf = pub->outgoing;
    pub->outgoing = NULL;
    pub->outgoing_last = NULL;
    pub->outgoing_count = 0;
    pub->outgoing_bytes = 0;
    pthread_mutex_unlock(&pub->lock);
    while (buf != NULL) {
        rt__sp_buf *next = buf->next;

        given_up += rt__sp_send_all(pub->sp, buf);
        buf = next;
    }
    pthread_mutex_lock(&pub->lock);
    pub->dropped += given_up;
    pthread_mutex_unlock(&pub->lock);
}

static const rt__sp_ops pub_ops = {.self = RT__SP_PUB,
                                   .peer = RT__SP_SUB,
                                   .on_open = on_open,
                                   .on_message = on_message,
                                   .on_close = on_close,
                                   .on_wake = on_wake};

// --- loop ---

rt_err
rt_pub_listen(rt_loop *loop, const char *url, rt_net_limits limits, rt_pub **ret_pub)
{
    rt_pub *pub = rt_new(rt_pub);
    rt_err err = RT_OK;
    int rc = pthread_mutex_init(&pub->lock, NULL);

    (void)loop; // nothing comes back from subscribers
    RT_ASSERT(rc == 0 && limits.inflight_max > 0);
    pub->magic = PUB_MAGIC;
    pub->message_bytes_max = limits.message_bytes_max;
    pub->ops = pub_ops;
    pub->ops.queue_max = limits.inflight_max;
    err = rt__sp_listen(url, limits, &pub->ops, pub, &pub->sp);
    if (err != RT_OK) {
        rt_free(pub);
        return err;
    }
    *ret_pub = pub;
    return RT_OK;
}

void
rt_pub_send(rt_pub *pub, rt_bytes body)
{
    rt__sp_buf *buf = NULL;
    bool wanted = false;

    RT_CHECK(pub, PUB_MAGIC);
    RT_ASSERT(body.len <= pub->message_bytes_max);
    pthread_mutex_lock(&pub->lock);
    wanted = pub->subscribers > 0 && pub->outgoing_count < OUTGOING_MAX &&
             pub->outgoing_bytes + body.len <= OUTGOING_BYTES_MAX;
    pub->sent += wanted ? 1 : 0;
    pub->dropped += wanted ? 0 : 1;
    pthread_mutex_unlock(&pub->lock);
    if (!wanted) {
        return; // costs nothing while nobody listens
    }
    buf = rt__sp_buf_new(body.len);
    if (body.len > 0) {
        memcpy(rt__sp_buf_body(buf), body.ptr, body.len);
    }
    pthread_mutex_lock(&pub->lock);
    if (pub->outgoing_last != NULL) {
        pub->outgoing_last->next = buf;
    } else {
        pub->outgoing = buf;
    }
    pub->outgoing_last = buf;
    pub->outgoing_count++;
    pub->outgoing_bytes += body.len;
    pthread_mutex_unlock(&pub->lock);
    rt__sp_wake(pub->sp);
}

rt_net_stats
rt_pub_stats(const rt_pub *pub)
{
    rt_pub *locked = (rt_pub *)pub; // locks, changes nothing
    rt_net_stats stats = {0};

    RT_CHECK(pub, PUB_MAGIC);
    rt__sp_stats(pub->sp, &stats);
    pthread_mutex_lock(&locked->lock);
    stats.messages_out = pub->sent;
    stats.messages_dropped = pub->dropped;
    pthread_mutex_unlock(&locked->lock);
    return stats;
}
