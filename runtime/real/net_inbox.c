// Design notes. The fast way from nng to a libuv loop, measured 5 to 14 times faster than polling
// nng's receive descriptor: one receive aio whose callback (a thread of nng's) appends to a bounded
// array and rearms itself; only the first append after a drain wakes the loop, which then takes
// everything by swapping two arrays.
//
// Invariant: waiting + taken but not handed out + parcels out <= cap. When that is reached the aio
// is parked (not rearmed): nng's own buffers and then the peer's socket fill up. It is rearmed by
// the rt_parcel_free that makes room.
//
// The callback rearms the aio outside the lock: nng may run a callback on the caller's thread.

#include <nng/nng.h>

#include "runtime/base/alloc.h"
#include "runtime/base/check.h"
#include "runtime/real/net_internal.h"

#define INBOX_MAGIC 0x494e4258u
#define PARCEL_MAGIC 0x5041524cu

struct rt_parcel {
    uint32_t magic;
    rt__inbox *inbox;
    nng_msg *msg;
    rt_parcel *next_free;
};

struct rt__inbox {
    uint32_t magic;
    nng_socket socket;
    nng_aio *aio;
    uint32_t cap;
    size_t message_bytes_max;
    rt__inbox_events events;
    // Guarded by bell.lock.
    rt__doorbell bell;
    nng_msg **waiting;
    uint32_t waiting_count;
    uint32_t held; // taken by the loop and not yet freed
    bool armed;
    uint64_t received;
    uint64_t dropped;
    // Loop thread only.
    nng_msg **taken;
    uint32_t taken_at;
    uint32_t taken_count;
    bool paused;
    rt_parcel *parcels;
    rt_parcel *free_parcels;
};

static bool
may_arm(const rt__inbox *inbox)
{
    return !inbox->armed && inbox->waiting_count + inbox->held < inbox->cap;
}

static void
on_received(void *arg)
{
    rt__inbox *inbox = arg;
    nng_msg *msg = NULL;
    nng_msg *oversize = NULL;
    int rc = nng_aio_result(inbox->aio);
    bool arm = false;

    if (rc == NNG_ECLOSED) {
        return; // the process is ending
    }
    msg = rc == 0 ? nng_aio_get_msg(inbox->aio) : NULL;
    if (msg != NULL && nng_msg_len(msg) > inbox->message_bytes_max) {
        oversize = msg; // inproc has no receive limit
        msg = NULL;
    }
    pthread_mutex_lock(&inbox->bell.lock);
    inbox->armed = false;
    inbox->received += msg != NULL ? 1 : 0;
    inbox->dropped += oversize != NULL ? 1 : 0;
    if (msg != NULL) {
        RT_ASSERT(inbox->waiting_count < inbox->cap);
        inbox->waiting[inbox->waiting_count] = msg;
        inbox->waiting_count++;
        rt__doorbell_ring(&inbox->bell);
    }
    arm = may_arm(inbox);
    inbox->armed = arm;
    pthread_mutex_unlock(&inbox->bell.lock);
    if (oversize != NULL) {
        nng_msg_free(oversize);
    }
    if (arm) {
        nng_recv_aio(inbox->socket, inbox->aio);
    }
}

static void
take_waiting(rt__inbox *inbox)
{
    nng_msg **emptied = inbox->taken;

    pthread_mutex_lock(&inbox->bell.lock);
    inbox->taken = inbox->waiting;
    inbox->taken_at = 0;
    inbox->taken_count = inbox->waiting_count;
    inbox->waiting = emptied;
    inbox->waiting_count = 0;
    inbox->held += inbox->taken_count;
    rt__doorbell_hush(&inbox->bell);
    pthread_mutex_unlock(&inbox->bell.lock);
}

static void
hand_out(rt__inbox *inbox, nng_msg *msg)
{
    rt_parcel *parcel = inbox->free_parcels;
    rt_bytes body = {nng_msg_body(msg), nng_msg_len(msg)};

    RT_ASSERT(parcel != NULL); // as many as cap, see the invariant
    inbox->free_parcels = parcel->next_free;
    parcel->magic = PARCEL_MAGIC;
    parcel->msg = msg;
    inbox->events.on_message(inbox->events.user, parcel, body,
                             (uint32_t)nng_pipe_id(nng_msg_get_pipe(msg)));
}

static void
on_ring(void *user)
{
    rt__inbox *inbox = user;

    RT_CHECK(inbox, INBOX_MAGIC);
    while (!inbox->paused) {
        if (inbox->taken_at == inbox->taken_count) {
            take_waiting(inbox);
            if (inbox->taken_count == 0) {
                break;
            }
        }
        hand_out(inbox, inbox->taken[inbox->taken_at++]);
    }
    if (inbox->events.on_drained != NULL) {
        inbox->events.on_drained(inbox->events.user);
    }
}

rt__inbox *
rt__inbox_new(rt_loop *loop, const struct nng_socket_s *socket, rt_net_limits limits,
              rt__inbox_events events)
{
    rt__inbox *inbox = rt_new(rt__inbox);
    int rc = 0;

    RT_ASSERT(limits.inflight_max > 0 && limits.message_bytes_max > 0);
    inbox->magic = INBOX_MAGIC;
    inbox->socket = *socket;
    inbox->cap = limits.inflight_max;
    inbox->message_bytes_max = limits.message_bytes_max;
    inbox->events = events;
    inbox->waiting = rt_new_array(nng_msg *, inbox->cap);
    inbox->taken = rt_new_array(nng_msg *, inbox->cap);
    inbox->parcels = rt_new_array(rt_parcel, inbox->cap);
    for (uint32_t i = inbox->cap; i > 0; i--) {
        inbox->parcels[i - 1].inbox = inbox;
        inbox->parcels[i - 1].next_free = inbox->free_parcels;
        inbox->free_parcels = &inbox->parcels[i - 1];
    }
    rc = nng_aio_alloc(&inbox->aio, on_received, inbox);
    RT__SURE(rc, NNG_ENOMEM, "nng");
    nng_aio_set_timeout(inbox->aio, NNG_DURATION_INFINITE);
    rt__doorbell_init(&inbox->bell, loop, on_ring, inbox);
    return inbox;
}

void
rt__inbox_start(rt__inbox *inbox)
{
    RT_CHECK(inbox, INBOX_MAGIC);
    RT_ASSERT(!inbox->armed);
    inbox->armed = true; // nng is not calling back yet
    nng_recv_aio(inbox->socket, inbox->aio);
}

void
rt__inbox_poke(rt__inbox *inbox)
{
    pthread_mutex_lock(&inbox->bell.lock);
    rt__doorbell_ring(&inbox->bell);
    pthread_mutex_unlock(&inbox->bell.lock);
}

void
rt__inbox_pause(rt__inbox *inbox, bool paused)
{
    RT_CHECK(inbox, INBOX_MAGIC);
    if (inbox->paused && !paused) {
        rt__doorbell_resume(&inbox->bell);
    }
    inbox->paused = paused;
}

void
rt__inbox_stats(rt__inbox *inbox, rt_net_stats *ret_stats)
{
    pthread_mutex_lock(&inbox->bell.lock);
    ret_stats->messages_in += inbox->received;
    ret_stats->messages_dropped += inbox->dropped;
    pthread_mutex_unlock(&inbox->bell.lock);
}

void
rt_parcel_free(rt_parcel *parcel)
{
    rt__inbox *inbox = NULL;
    bool arm = false;

    RT_CHECK(parcel, PARCEL_MAGIC);
    inbox = parcel->inbox;
    nng_msg_free(parcel->msg);
    parcel->magic = 0;
    parcel->msg = NULL;
    parcel->next_free = inbox->free_parcels;
    inbox->free_parcels = parcel;
    pthread_mutex_lock(&inbox->bell.lock);
    inbox->held--;
    arm = may_arm(inbox);
    inbox->armed = inbox->armed || arm;
    pthread_mutex_unlock(&inbox->bell.lock);
    if (arm) {
        nng_recv_aio(inbox->socket, inbox->aio);
    }
}
