// Design notes. A PULL door is a socket with an inbox; what that does stands in net_inbox.c.

#include <nng/nng.h>
#include <nng/protocol/pipeline0/pull.h>

#include "runtime/base/alloc.h"
#include "runtime/base/check.h"
#include "runtime/real/net_internal.h"

#define PULL_MAGIC 0x50554c4cu

struct rt_pull {
    uint32_t magic;
    nng_socket socket;
    rt__net_gate gate;
    rt__inbox *inbox;
    rt_on_parcel on_parcel;
    void *user;
};

static void
on_message(void *user, rt_parcel *parcel, rt_bytes body, uint32_t pipe)
{
    rt_pull *pull = user;

    (void)pipe; // any producer may push
    pull->on_parcel(pull->user, parcel, body);
}

rt_err
rt_pull_listen(rt_loop *loop, const char *url, rt_net_limits limits, rt_on_parcel on_parcel,
               void *user, rt_pull **ret_pull)
{
    rt_pull *pull = rt_new(rt_pull);
    rt_err err = RT_OK;
    int rc = nng_pull0_open(&pull->socket);

    RT_ASSERT(on_parcel != NULL);
    if (rc != 0) {
        rt_free(pull);
        return rt__net_err(rc, url);
    }
    pull->magic = PULL_MAGIC;
    pull->on_parcel = on_parcel;
    pull->user = user;
    err = rt__net_gate_init(&pull->gate, &pull->socket, limits.connections_max);
    if (err == RT_OK) {
        err = rt__net_listen(&pull->socket, url, limits.message_bytes_max);
    }
    if (err != RT_OK) {
        (void)nng_close(pull->socket); // never had a connection: cannot hang
        rt_free(pull);
        return err;
    }
    pull->inbox =
        rt__inbox_new(loop, &pull->socket, limits, (rt__inbox_events){on_message, NULL, pull});
    rt__inbox_start(pull->inbox);
    *ret_pull = pull;
    return RT_OK;
}

void
rt_pull_pause(rt_pull *pull, bool paused)
{
    RT_CHECK(pull, PULL_MAGIC);
    rt__inbox_pause(pull->inbox, paused);
}

rt_net_stats
rt_pull_stats(const rt_pull *pull)
{
    rt_net_stats stats = {0};

    RT_CHECK(pull, PULL_MAGIC);
    rt__net_gate_stats((rt__net_gate *)&pull->gate, &stats); // locks, changes nothing
    rt__inbox_stats(pull->inbox, &stats);
    return stats;
}
