// Design notes. nng's PUB never blocks: each subscriber has a queue of SENDBUF messages, and a full
// one loses messages without a word. SENDBUF is 16 by default, so it is set here. The losses of one
// slow subscriber cannot be counted on this side (nng's statistics are not used: 1.5.2 looks up
// the wrong socket); the subscriber sees them by the sequence number inside. What is counted as
// dropped is what was published while nobody was connected, which then costs nothing at all.

#include <nng/nng.h>
#include <nng/protocol/pubsub0/pub.h>

#include "runtime/base/alloc.h"
#include "runtime/base/check.h"
#include "runtime/real/net_internal.h"

#define PUB_MAGIC 0x50554220u
#define SENDBUF_MAX 8192u

struct rt_pub {
    uint32_t magic;
    nng_socket socket;
    rt__net_gate gate;
    size_t message_bytes_max;
    uint64_t sent;
    uint64_t dropped;
};

rt_err
rt_pub_listen(rt_loop *loop, const char *url, rt_net_limits limits, rt_pub **ret_pub)
{
    rt_pub *pub = rt_new(rt_pub);
    rt_err err = RT_OK;
    int rc = nng_pub0_open(&pub->socket);

    (void)loop; // nothing comes back from subscribers
    RT_ASSERT(limits.inflight_max > 0);
    if (rc != 0) {
        rt_free(pub);
        return rt__net_err(rc, url);
    }
    pub->magic = PUB_MAGIC;
    pub->message_bytes_max = limits.message_bytes_max;
    rc = nng_socket_set_int(pub->socket, NNG_OPT_SENDBUF,
                            (int)RT_MIN(limits.inflight_max, SENDBUF_MAX));
    err = rc == 0 ? RT_OK : rt__net_err(rc, "setting the send buffer");
    if (err == RT_OK) {
        err = rt__net_gate_init(&pub->gate, &pub->socket, limits.connections_max);
    }
    if (err == RT_OK) {
        err = rt__net_listen(&pub->socket, url, limits.message_bytes_max);
    }
    if (err != RT_OK) {
        (void)nng_close(pub->socket); // never had a connection: cannot hang
        rt_free(pub);
        return err;
    }
    *ret_pub = pub;
    return RT_OK;
}

static bool
has_subscribers(rt_pub *pub)
{
    rt_net_stats stats = {0};

    rt__net_gate_stats(&pub->gate, &stats);
    return stats.connections > 0;
}

void
rt_pub_send(rt_pub *pub, rt_bytes body)
{
    nng_msg *msg = NULL;

    RT_CHECK(pub, PUB_MAGIC);
    RT_ASSERT(body.len <= pub->message_bytes_max);
    if (!has_subscribers(pub) || nng_msg_alloc(&msg, body.len) != 0) {
        pub->dropped++;
        return;
    }
    if (body.len > 0) {
        memcpy(nng_msg_body(msg), body.ptr, body.len);
    }
    if (nng_sendmsg(pub->socket, msg, NNG_FLAG_NONBLOCK) != 0) {
        nng_msg_free(msg);
        pub->dropped++;
        return;
    }
    pub->sent++;
}

rt_net_stats
rt_pub_stats(const rt_pub *pub)
{
    rt_net_stats stats = {0};

    RT_CHECK(pub, PUB_MAGIC);
    rt__net_gate_stats((rt__net_gate *)&pub->gate, &stats); // locks, changes nothing
    stats.messages_out = pub->sent;
    stats.messages_dropped = pub->dropped;
    return stats;
}
