// Design notes. A PULL door is an end of the sockets' thread with an inbox; what these do stands in
// sp.c and net_inbox.c.

#include "runtime/base/alloc.h"
#include "runtime/base/check.h"
#include "runtime/real/net_internal.h"

#define PULL_MAGIC 0x50554c4cu

struct rt_pull {
    uint32_t magic;
    rt__sp *sp;
    rt__inbox *inbox;
    rt_on_parcel on_parcel;
    void *user;
};

// --- thread of the sockets ---

static bool
on_open(void *user, rt__sp_conn *conn)
{
    (void)user;
    (void)conn; // any producer may push
    return true;
}

static bool
on_message(void *user, rt__sp_conn *conn, rt__msg *msg)
{
    rt_pull *pull = user;

    (void)conn;
    return rt__inbox_put(pull->inbox, msg);
}

static void
on_close(void *user, rt__sp_conn *conn, uint32_t unsent)
{
    (void)user;
    (void)conn;
    (void)unsent; // nothing is sent here
}

static void
on_wake(void *user)
{
    rt_pull *pull = user;

    rt__sp_resume(pull->sp);
}

static const rt__sp_ops pull_ops = {.self = RT__SP_PULL,
                                    .peer = RT__SP_PUSH,
                                    .on_open = on_open,
                                    .on_message = on_message,
                                    .on_close = on_close,
                                    .on_wake = on_wake};

// --- loop ---

static void
on_parcel(void *user, rt_parcel *parcel, rt_bytes body, uint64_t pipe)
{
    rt_pull *pull = user;

    (void)pipe;
    pull->on_parcel(pull->user, parcel, body);
}

static void
on_room(void *user)
{
    rt_pull *pull = user;

    rt__sp_wake(pull->sp);
}

rt_err
rt_pull_listen(rt_loop *loop, const char *url, rt_net_limits limits, rt_on_parcel on_parcel_user,
               void *user, rt_pull **ret_pull)
{
    rt_pull *pull = rt_new(rt_pull);
    rt_err err = RT_OK;

    RT_ASSERT(on_parcel_user != NULL);
    pull->magic = PULL_MAGIC;
    pull->on_parcel = on_parcel_user;
    pull->user = user;
    // before the end is there: its thread may call at once
    pull->inbox = rt__inbox_new(
        loop, limits,
        (rt__inbox_events){.on_message = on_parcel, .on_room = on_room, .user = pull});
    err = rt__sp_listen(url, limits, &pull_ops, pull, &pull->sp);
    if (err != RT_OK) {
        rt__inbox_free(pull->inbox);
        rt_free(pull);
        return err;
    }
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
    rt__sp_stats(pull->sp, &stats);
    rt__inbox_stats(pull->inbox, &stats);
    return stats;
}
