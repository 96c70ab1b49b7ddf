// Design notes. What comes from another thread waits in a list; only the first of it after a drain
// wakes the loop, which then takes everything at once. A peer that comes or goes is an item of the
// same list, so that a user always sees it arrive, its messages, it go, in that order.
//
// Invariant: messages waiting + taken but not handed out + parcels out <= cap. When that is reached
// rt__inbox_put refuses, and whoever frees a parcel then calls on_room.

#include "runtime/base/alloc.h"
#include "runtime/base/check.h"
#include "runtime/real/net_internal.h"

#define INBOX_MAGIC 0x494e4258u
#define PARCEL_MAGIC 0x5041524cu
// Instead of a length: the item is a peer that came, that went, or that did both unseen.
#define PEER_UP SIZE_MAX
#define PEER_DOWN (SIZE_MAX - 1)
#define PEER_UNSEEN (SIZE_MAX - 2)

struct rt_parcel {
    uint32_t magic;
    rt__inbox *inbox;
    rt__msg *msg;
    rt_parcel *next_free;
};

struct rt__inbox {
    uint32_t magic;
    uint32_t cap;
    rt__inbox_events events;
    // Guarded by bell.lock.
    rt__doorbell bell;
    rt__msg *first;
    rt__msg *last;
    uint32_t waiting; // messages in the list
    uint32_t held;    // taken by the loop and not yet freed
    bool starved;     // a message was refused
    uint64_t received;
    uint64_t dropped;
    // Loop thread only.
    rt__msg *taken;
    bool paused;
    rt_parcel *parcels;
    rt_parcel *free_parcels;
};

static bool
is_message(const rt__msg *msg)
{
    return msg->len < PEER_UNSEEN;
}

static void
append(rt__inbox *inbox, rt__msg *msg)
{
    msg->next = NULL;
    if (inbox->last != NULL) {
        inbox->last->next = msg;
    } else {
        inbox->first = msg;
    }
    inbox->last = msg;
    rt__doorbell_ring(&inbox->bell);
}

bool
rt__inbox_put(rt__inbox *inbox, rt__msg *msg)
{
    bool room = false;

    RT_CHECK(inbox, INBOX_MAGIC);
    pthread_mutex_lock(&inbox->bell.lock);
    room = inbox->waiting + inbox->held < inbox->cap;
    inbox->starved = inbox->starved || !room;
    if (room) {
        append(inbox, msg);
        inbox->waiting++;
        inbox->received++;
    }
    pthread_mutex_unlock(&inbox->bell.lock);
    return room;
}

void
rt__inbox_peer(rt__inbox *inbox, uint64_t pipe, bool up)
{
    rt__msg *item = rt_new(rt__msg);
    rt__msg *last = NULL;

    RT_CHECK(inbox, INBOX_MAGIC);
    item->len = up ? PEER_UP : PEER_DOWN;
    item->pipe = pipe;
    pthread_mutex_lock(&inbox->bell.lock);
    last = inbox->last;
    // peers that come, say nothing and go again have one item between them, so that they fill no
    // list however long the loop is busy
    if (!up && last != NULL && last->len == PEER_UP && last->pipe == pipe) {
        last->len = PEER_UNSEEN;
    } else if (up && last != NULL && last->len == PEER_UNSEEN) {
        last->len = PEER_UP;
        last->pipe = pipe;
    } else {
        append(inbox, item);
        item = NULL;
    }
    pthread_mutex_unlock(&inbox->bell.lock);
    rt_free(item);
}

void
rt__inbox_drop(rt__inbox *inbox)
{
    RT_CHECK(inbox, INBOX_MAGIC);
    pthread_mutex_lock(&inbox->bell.lock);
    inbox->dropped++;
    pthread_mutex_unlock(&inbox->bell.lock);
}

static void
take_waiting(rt__inbox *inbox)
{
    pthread_mutex_lock(&inbox->bell.lock);
    inbox->taken = inbox->first;
    inbox->first = NULL;
    inbox->last = NULL;
    inbox->held += inbox->waiting;
    inbox->waiting = 0;
    rt__doorbell_hush(&inbox->bell);
    pthread_mutex_unlock(&inbox->bell.lock);
}

static void
give_parcel(rt__inbox *inbox, rt__msg *msg)
{
    rt_parcel *parcel = inbox->free_parcels;
    rt_bytes body = {msg->bytes, msg->len};

    RT_ASSERT(parcel != NULL); // as many as cap, see the invariant
    inbox->free_parcels = parcel->next_free;
    parcel->magic = PARCEL_MAGIC;
    parcel->msg = msg;
    inbox->events.on_message(inbox->events.user, parcel, body, msg->pipe);
}

static void
hand_out(rt__inbox *inbox)
{
    while (!inbox->paused && inbox->taken != NULL) {
        rt__msg *msg = inbox->taken;

        inbox->taken = msg->next;
        if (is_message(msg)) {
            give_parcel(inbox, msg);
            continue;
        }
        if (inbox->events.on_peer != NULL && msg->len != PEER_UNSEEN) {
            inbox->events.on_peer(inbox->events.user, msg->pipe, msg->len == PEER_UP);
        }
        rt_free(msg);
    }
}

// What is left from before a pause, and what waits now; what comes meanwhile rings again, so that
// a flood does not keep the loop from everything else.
static void
on_ring(void *user)
{
    rt__inbox *inbox = user;

    RT_CHECK(inbox, INBOX_MAGIC);
    hand_out(inbox);
    if (!inbox->paused) {
        take_waiting(inbox);
        hand_out(inbox);
    }
}

rt__inbox *
rt__inbox_new(rt_loop *loop, rt_net_limits limits, rt__inbox_events events)
{
    rt__inbox *inbox = rt_new(rt__inbox);

    RT_ASSERT(limits.inflight_max > 0 && limits.message_bytes_max > 0);
    inbox->magic = INBOX_MAGIC;
    inbox->cap = limits.inflight_max;
    inbox->events = events;
    inbox->parcels = rt_new_array(rt_parcel, inbox->cap);
    for (uint32_t i = inbox->cap; i > 0; i--) {
        inbox->parcels[i - 1].inbox = inbox;
        inbox->parcels[i - 1].next_free = inbox->free_parcels;
        inbox->free_parcels = &inbox->parcels[i - 1];
    }
    rt__doorbell_init(&inbox->bell, loop, on_ring, inbox);
    return inbox;
}

void
rt__inbox_free(rt__inbox *inbox)
{
    RT_CHECK(inbox, INBOX_MAGIC);
    RT_ASSERT(inbox->first == NULL && inbox->taken == NULL);
    rt__doorbell_fini(&inbox->bell);
    rt_free(inbox->parcels);
    inbox->magic = 0;
    rt_free(inbox);
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
    bool starved = false;

    RT_CHECK(parcel, PARCEL_MAGIC);
    inbox = parcel->inbox;
    rt_free(parcel->msg);
    parcel->magic = 0;
    parcel->msg = NULL;
    parcel->next_free = inbox->free_parcels;
    inbox->free_parcels = parcel;
    pthread_mutex_lock(&inbox->bell.lock);
    inbox->held--;
    starved = inbox->starved;
    inbox->starved = false;
    pthread_mutex_unlock(&inbox->bell.lock);
    if (starved && inbox->events.on_room != NULL) {
        inbox->events.on_room(inbox->events.user);
    }
}
