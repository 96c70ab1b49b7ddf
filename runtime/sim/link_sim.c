// Design notes. A link is two ends. Each end owns the queue of what travels towards it (`in`), so
// that arrival, the bound of parcels handed out and dropping at a cut are all decided in one place,
// on the receiving loop. The dialling end tries to connect at once, then after 100 ms, 200 ms, ...
// 10 s, as the real one does.
//
// Invariant: on_up, messages, on_down come in that order at each end. on_up is an event of its own
// and nothing is due before it; a cut empties both queues at once and on_down follows as an event.
// `session` tells an on_up or on_down event that it has been overtaken.

#include <string.h>

#include "runtime/base/check.h"
#include "runtime/sim/sim_internal.h"

#define LINK_MAGIC 0x534c4e4bu
#define RETRY_MIN_US INT64_C(100000)
#define RETRY_MAX_US INT64_C(10000000)

struct rt_link {
    uint32_t magic;
    rt_link *next;
    char *url;
    rt_loop *loop;
    rt_net_limits limits;
    rt_link_events events;
    bool dials;
    rt_link *peer;  // while connected
    bool announced; // on_up was called, on_down not yet
    sim_fifo in;    // travelling towards this end
    int64_t last_in_us;
    uint32_t out; // parcels of this end not yet freed
    sim_event *pump;
    sim_event *change; // an on_up or on_down to come
    int64_t retry_us;
    rt_net_stats stats;
};

typedef struct blocked_url {
    struct blocked_url *next;
    char *url;
    bool blocked;
} blocked_url;

static struct {
    rt_link *links;
    blocked_url *blocked;
} net;

void
sim__link_reset(void)
{
    memset(&net, 0, sizeof(net));
}

static blocked_url *
find_blocked(const char *url)
{
    for (blocked_url *b = net.blocked; b != NULL; b = b->next) {
        if (strcmp(b->url, url) == 0) {
            return b;
        }
    }
    return NULL;
}

void
sim_net_block(const char *url, bool blocked)
{
    blocked_url *b = find_blocked(url);

    if (b == NULL) {
        b = sim__new(blocked_url);
        b->url = sim__text(url);
        b->next = net.blocked;
        net.blocked = b;
    }
    b->blocked = blocked;
}

static void try_connect(void *target);

static void
retry_later(rt_link *link)
{
    (void)sim__at(link->loop, sim__now_us() + link->retry_us, true, try_connect, link);
    link->retry_us = RT_MIN(link->retry_us * 2, RETRY_MAX_US);
}

static void
tell_up(void *target)
{
    rt_link *link = target;

    link->change = NULL;
    link->announced = true;
    sim__trace('u', link->url, (rt_bytes){0});
    if (link->events.on_up != NULL) {
        link->events.on_up(link->events.user);
    }
}

static void
tell_down(void *target)
{
    rt_link *link = target;

    link->change = NULL;
    link->announced = false;
    sim__trace('d', link->url, (rt_bytes){0});
    if (link->events.on_down != NULL) {
        link->events.on_down(link->events.user);
    }
    if (link->dials) {
        retry_later(link);
    }
}

static void
join_end(rt_link *link, rt_link *peer)
{
    RT_ASSERT(link->change == NULL && link->peer == NULL);
    link->peer = peer;
    link->stats.connections = 1;
    link->retry_us = RETRY_MIN_US;
    link->change = sim__at(link->loop, sim__arrival_us(&link->last_in_us), false, tell_up, link);
}

static bool
accepts(const rt_link *link, const char *url)
{
    // An end that still has to hear of its last peer's going takes no new one.
    return !link->dials && link->peer == NULL && link->change == NULL &&
           strcmp(link->url, url) == 0;
}

static void
try_connect(void *target)
{
    rt_link *dialler = target;
    const blocked_url *b = find_blocked(dialler->url);
    rt_link *listener = net.links;

    while (listener != NULL && !accepts(listener, dialler->url)) {
        listener = listener->next;
    }
    if (listener == NULL || (b != NULL && b->blocked)) {
        retry_later(dialler);
        return;
    }
    join_end(dialler, listener);
    join_end(listener, dialler);
}

static void
part_end(rt_link *link)
{
    link->peer = NULL;
    link->stats.connections = 0;
    link->stats.messages_dropped += link->in.count;
    sim__fifo_clear(&link->in);
    if (link->announced) {
        int64_t last_us = 0;

        RT_ASSERT(link->change == NULL);
        link->change = sim__at(link->loop, sim__arrival_us(&last_us), false, tell_down, link);
        return;
    }
    sim__cancel(link->change); // it never heard of that peer
    link->change = NULL;
    if (link->dials) {
        retry_later(link);
    }
}

static void
cut(rt_link *link)
{
    rt_link *peer = link->peer;

    if (peer != NULL) {
        part_end(link);
        part_end(peer);
    }
}

void
sim_net_cut(const char *url)
{
    for (rt_link *link = net.links; link != NULL; link = link->next) {
        if (strcmp(link->url, url) == 0) {
            cut(link);
        }
    }
}

static void pump_link(void *target);

static void
pump_at(rt_link *link, int64_t at_us)
{
    if (link->pump == NULL) {
        link->pump = sim__at(link->loop, at_us, false, pump_link, link);
    }
}

static void
on_parcel_free(void *owner)
{
    rt_link *link = owner;

    link->out--;
    if (link->in.first != NULL) {
        pump_at(link, link->in.first->due_us);
    }
}

static void
pump_link(void *target)
{
    rt_link *link = target;

    link->pump = NULL;
    while (link->in.first != NULL && link->in.first->due_us <= sim__now_us() && link->announced &&
           link->out < link->limits.inflight_max) {
        sim_msg *msg = sim__fifo_pop(&link->in);

        link->out++;
        link->stats.messages_in++;
        sim__trace('l', link->url, msg->body);
        link->events.on_parcel(link->events.user, sim__parcel_new(msg, on_parcel_free, link),
                               msg->body);
    }
    if (link->in.first != NULL && link->out < link->limits.inflight_max) {
        pump_at(link, link->in.first->due_us);
    }
}

static void
travel(rt_link *to, rt_bytes body)
{
    sim_msg *msg = sim__msg(body);

    msg->due_us = sim__arrival_us(&to->last_in_us);
    sim__fifo_push(&to->in, msg);
    pump_at(to, to->in.first->due_us);
}

rt_err
rt_link_send(rt_link *link, rt_bytes body)
{
    rt_link *peer = NULL;

    RT_CHECK(link, LINK_MAGIC);
    peer = link->peer;
    if (peer == NULL || !link->announced) {
        return rt_fail(RT_ECLOSED, "%s: link has no peer", link->url);
    }
    if (body.len > link->limits.message_bytes_max) {
        return rt_fail(RT_ELIMIT, "message of %zu bytes, at most %zu", body.len,
                       link->limits.message_bytes_max);
    }
    if (peer->in.count >= link->limits.inflight_max) {
        return rt_fail(RT_EFULL, "%u messages wait to leave", link->limits.inflight_max);
    }
    link->stats.messages_out++;
    if (sim__severed()) {
        link->stats.messages_dropped++;
        cut(link);
        return RT_OK; // it was taken, then lost: what the sender of a broken link sees
    }
    if (body.len > peer->limits.message_bytes_max) { // its transport closes the connection
        peer->stats.messages_dropped++;
        cut(link);
        return RT_OK;
    }
    if (sim__lost()) {
        link->stats.messages_dropped++;
        return RT_OK;
    }
    if (sim__doubled()) {
        travel(peer, body);
    }
    travel(peer, body);
    return RT_OK;
}

bool
sim_net_inject(const char *url, bool to_listener, rt_bytes body)
{
    for (rt_link *link = net.links; link != NULL; link = link->next) {
        if (strcmp(link->url, url) == 0 && link->dials != to_listener && link->peer != NULL) {
            travel(link, body);
            return true;
        }
    }
    return false;
}

static rt_link *
new_link(rt_loop *loop, const char *url, rt_net_limits limits, rt_link_events events, bool dials)
{
    rt_link *link = sim__new(rt_link);

    RT_ASSERT(events.on_parcel != NULL && limits.inflight_max > 0);
    link->magic = LINK_MAGIC;
    link->url = sim__text(url);
    link->loop = loop;
    link->limits = limits;
    link->events = events;
    link->dials = dials;
    link->retry_us = RETRY_MIN_US;
    link->next = net.links;
    net.links = link;
    return link;
}

rt_err
rt_link_listen(rt_loop *loop, const char *url, rt_net_limits limits, rt_link_events events,
               rt_link **ret_link)
{
    for (const rt_link *other = net.links; other != NULL; other = other->next) {
        if (!other->dials && strcmp(other->url, url) == 0) {
            return rt_fail(RT_EBUSY, "%s: address in use", url);
        }
    }
    *ret_link = new_link(loop, url, limits, events, false);
    return RT_OK;
}

rt_err
rt_link_dial(rt_loop *loop, const char *url, rt_net_limits limits, rt_link_events events,
             rt_link **ret_link)
{
    rt_link *link = new_link(loop, url, limits, events, true);
    int64_t last_us = 0;

    (void)sim__at(loop, sim__arrival_us(&last_us), false, try_connect, link);
    *ret_link = link;
    return RT_OK;
}

rt_net_stats
rt_link_stats(const rt_link *link)
{
    RT_CHECK(link, LINK_MAGIC);
    return link->stats;
}

void
sim__link_forget(const rt_loop *loop)
{
    for (rt_link **at = &net.links; *at != NULL;) {
        rt_link *link = *at;

        if (link->loop == loop) {
            rt_link *peer = link->peer;

            *at = link->next;
            link->peer = NULL;
            sim__fifo_clear(&link->in);
            if (peer != NULL) {
                part_end(peer);
            }
        } else {
            at = &link->next;
        }
    }
}
