// Design notes. REP, PULL and PUB doors. A door keeps what has arrived in a queue and hands out no
// more than inflight_max at a time, as the real one; the rest waits. What a client of a REP door
// would see when its connection breaks or its request is lost is played here too: every request
// gets exactly one on_reply.
//
// A door goes with its loop (rt_loop_free): requests not answered by then end in RT_ECLOSED, which
// is how a crash of the daemon looks to a producer. The address is free again at once.

#include <string.h>

#include "runtime/base/check.h"
#include "runtime/sim/sim_internal.h"

#define REP_MAGIC 0x53524550u
#define REQUEST_MAGIC 0x53524551u
#define PULL_MAGIC 0x5350554cu
#define PUB_MAGIC 0x53505542u
// After which a client takes a request for lost.
#define REQUEST_TIMEOUT_US INT64_C(1000000)

struct rt_rep {
    uint32_t magic;
    rt_rep *next;
    char *url;
    rt_loop *loop;
    rt_net_limits limits;
    rt_on_request on_request;
    void *user;
    rt_request *first; // all requests not yet answered, in order of arrival
    rt_request *last;
    uint32_t out;
    bool paused;
    sim_event *pump;
    int64_t last_in_us;
    int64_t last_out_us;
    rt_net_stats stats;
};

typedef enum request_state { TRAVELLING, WAITING, OUT } request_state;

struct rt_request {
    uint32_t magic;
    request_state state;
    rt_rep *rep;
    rt_request *prev;
    rt_request *next;
    sim_msg *msg;
    sim_on_reply on_reply;
    void *user;
};

typedef struct reply {
    rt_err err;
    sim_msg *msg;
    sim_on_reply on_reply;
    void *user;
} reply;

struct rt_pull {
    uint32_t magic;
    rt_pull *next;
    char *url;
    rt_loop *loop;
    rt_net_limits limits;
    rt_on_parcel on_parcel;
    void *user;
    sim_fifo queue; // due_us says when each arrives
    uint32_t out;
    bool paused;
    sim_event *pump;
    int64_t last_in_us;
    rt_net_stats stats;
};

struct rt_pub {
    uint32_t magic;
    rt_pub *next;
    char *url;
    rt_loop *loop;
    rt_net_limits limits;
    rt_net_stats stats;
};

typedef struct subscription {
    struct subscription *next;
    char *url;
    void (*on_message)(void *user, rt_bytes body);
    void *user;
    bool stalled;
    sim_fifo queue;
    int64_t last_us;
} subscription;

static struct {
    rt_rep *reps;
    rt_pull *pulls;
    rt_pub *pubs;
    subscription *subs;
} doors;

void
sim__door_reset(void)
{
    memset(&doors, 0, sizeof(doors));
}

// --- request and reply ----------------------------------------------------------------------

static rt_rep *
find_rep(const char *url)
{
    for (rt_rep *rep = doors.reps; rep != NULL; rep = rep->next) {
        if (strcmp(rep->url, url) == 0) {
            return rep;
        }
    }
    return NULL;
}

static void
deliver_reply(void *target)
{
    reply *r = target;
    rt_bytes body = r->msg != NULL ? r->msg->body : (rt_bytes){0};

    sim__trace('r', rt_err_name(r->err), body);
    r->on_reply(r->user, r->err, body);
    sim__free(r->msg);
    sim__free(r);
}

static void
send_reply(int64_t at_us, sim_on_reply on_reply, void *user, rt_err err, sim_msg *msg)
{
    reply *r = NULL;

    if (on_reply == NULL) {
        sim__free(msg);
        return;
    }
    r = sim__new(reply);
    *r = (reply){err, msg, on_reply, user};
    (void)sim__at(NULL, at_us, false, deliver_reply, r);
}

static void
unlink_request(rt_request *request)
{
    rt_rep *rep = request->rep;

    if (request->prev != NULL) {
        request->prev->next = request->next;
    } else {
        rep->first = request->next;
    }
    if (request->next != NULL) {
        request->next->prev = request->prev;
    } else {
        rep->last = request->prev;
    }
    request->magic = 0;
    sim__free(request->msg);
    sim__free(request);
}

static void
pump_rep(void *target)
{
    rt_rep *rep = target;
    rt_request *request = rep->first;

    rep->pump = NULL;
    while (request != NULL && !rep->paused && rep->out < rep->limits.inflight_max) {
        if (request->state == WAITING) {
            request->state = OUT;
            rep->out++;
            rep->stats.messages_in++;
            sim__trace('q', rep->url, request->msg->body);
            rep->on_request(rep->user, request, request->msg->body);
            request = rep->first; // the callback may have answered any of them
            continue;
        }
        request = request->next;
    }
}

static void
pump_rep_soon(rt_rep *rep)
{
    if (rep->pump == NULL) {
        rep->pump = sim__at(rep->loop, sim__now_us(), false, pump_rep, rep);
    }
}

static void
arrive_at_rep(void *target)
{
    rt_request *request = target;

    request->state = WAITING;
    pump_rep_soon(request->rep);
}

static void
send_request(rt_rep *rep, rt_bytes body, sim_on_reply on_reply, void *user)
{
    rt_request *request = sim__new(rt_request);

    request->magic = REQUEST_MAGIC;
    request->rep = rep;
    request->msg = sim__msg(body);
    request->on_reply = on_reply;
    request->user = user;
    request->prev = rep->last;
    if (rep->last != NULL) {
        rep->last->next = request;
    } else {
        rep->first = request;
    }
    rep->last = request;
    int64_t late_us = sim__late_us();
    int64_t at_us = late_us > 0 ? late_us : sim__arrival_us(&rep->last_in_us);
    (void)sim__at(rep->loop, at_us, false, arrive_at_rep, request);
}

void
sim_request(const char *url, rt_bytes body, sim_on_reply on_reply, void *user)
{
    rt_rep *rep = find_rep(url);
    int64_t last_us = 0;

    if (rep == NULL) {
        send_reply(sim__arrival_us(&last_us), on_reply, user, RT_EUNREACH, NULL);
        return;
    }
    if (body.len > rep->limits.message_bytes_max) {
        rep->stats.messages_dropped++;
        send_reply(sim__arrival_us(&last_us), on_reply, user, RT_ECLOSED, NULL);
        return;
    }
    if (sim__lost()) {
        send_reply(sim__now_us() + REQUEST_TIMEOUT_US, on_reply, user, RT_ETIMEOUT, NULL);
        return;
    }
    if (sim__doubled()) { // a producer that resends: the same bytes, one answer too many
        send_request(rep, body, NULL, NULL);
    }
    send_request(rep, body, on_reply, user);
}

rt_err
rt_rep_listen(rt_loop *loop, const char *url, rt_net_limits limits, rt_on_request on_request,
              void *user, rt_rep **ret_rep)
{
    rt_rep *rep = NULL;

    RT_ASSERT(on_request != NULL && limits.inflight_max > 0);
    if (find_rep(url) != NULL) {
        return rt_fail(RT_EBUSY, "%s: address in use", url);
    }
    rep = sim__new(rt_rep);
    rep->magic = REP_MAGIC;
    rep->url = sim__text(url);
    rep->loop = loop;
    rep->limits = limits;
    rep->on_request = on_request;
    rep->user = user;
    rep->next = doors.reps;
    doors.reps = rep;
    *ret_rep = rep;
    return RT_OK;
}

void
rt_request_reply(rt_request *request, rt_bytes body)
{
    rt_rep *rep = NULL;
    int64_t at_us = 0;

    RT_CHECK(request, REQUEST_MAGIC);
    RT_ASSERT(request->state == OUT);
    rep = request->rep;
    rep->out--;
    rep->stats.messages_out++;
    at_us = sim__arrival_us(&rep->last_out_us);
    if (sim__lost()) {
        send_reply(sim__now_us() + REQUEST_TIMEOUT_US, request->on_reply, request->user,
                   RT_ETIMEOUT, NULL);
    } else {
        send_reply(at_us, request->on_reply, request->user, RT_OK, sim__msg(body));
    }
    unlink_request(request);
    pump_rep_soon(rep);
}

void
rt_rep_pause(rt_rep *rep, bool paused)
{
    RT_CHECK(rep, REP_MAGIC);
    rep->paused = paused;
    if (!paused) {
        pump_rep_soon(rep);
    }
}

rt_net_stats
rt_rep_stats(const rt_rep *rep)
{
    RT_CHECK(rep, REP_MAGIC);
    return rep->stats;
}

static void
close_rep(rt_rep *rep)
{
    int64_t last_us = 0;

    while (rep->first != NULL) {
        send_reply(sim__arrival_us(&last_us), rep->first->on_reply, rep->first->user, RT_ECLOSED,
                   NULL);
        unlink_request(rep->first);
    }
}

// --- fire and forget ------------------------------------------------------------------------

static void pump_pull(void *target);

static void
pump_pull_at(rt_pull *pull, int64_t at_us)
{
    if (pull->pump == NULL) {
        pull->pump = sim__at(pull->loop, at_us, false, pump_pull, pull);
    }
}

static void
on_pull_parcel_free(void *owner)
{
    rt_pull *pull = owner;

    pull->out--;
    if (pull->queue.first != NULL) {
        pump_pull_at(pull, pull->queue.first->due_us);
    }
}

static void
pump_pull(void *target)
{
    rt_pull *pull = target;

    pull->pump = NULL;
    while (pull->queue.first != NULL && pull->queue.first->due_us <= sim__now_us() &&
           !pull->paused && pull->out < pull->limits.inflight_max) {
        sim_msg *msg = sim__fifo_pop(&pull->queue);

        pull->out++;
        pull->stats.messages_in++;
        sim__trace('p', pull->url, msg->body);
        pull->on_parcel(pull->user, sim__parcel_new(msg, on_pull_parcel_free, pull), msg->body);
    }
    if (pull->queue.first != NULL && !pull->paused && pull->out < pull->limits.inflight_max) {
        pump_pull_at(pull, pull->queue.first->due_us);
    }
}

rt_err
rt_pull_listen(rt_loop *loop, const char *url, rt_net_limits limits, rt_on_parcel on_parcel,
               void *user, rt_pull **ret_pull)
{
    rt_pull *pull = NULL;

    RT_ASSERT(on_parcel != NULL && limits.inflight_max > 0);
    for (const rt_pull *other = doors.pulls; other != NULL; other = other->next) {
        if (strcmp(other->url, url) == 0) {
            return rt_fail(RT_EBUSY, "%s: address in use", url);
        }
    }
    pull = sim__new(rt_pull);
    pull->magic = PULL_MAGIC;
    pull->url = sim__text(url);
    pull->loop = loop;
    pull->limits = limits;
    pull->on_parcel = on_parcel;
    pull->user = user;
    pull->next = doors.pulls;
    doors.pulls = pull;
    *ret_pull = pull;
    return RT_OK;
}

static void
push_to(rt_pull *pull, rt_bytes body)
{
    sim_msg *msg = sim__msg(body);

    msg->due_us = sim__arrival_us(&pull->last_in_us);
    sim__fifo_push(&pull->queue, msg);
    pump_pull_at(pull, pull->queue.first->due_us);
}

bool
sim_push(const char *url, rt_bytes body)
{
    rt_pull *pull = doors.pulls;

    while (pull != NULL && strcmp(pull->url, url) != 0) {
        pull = pull->next;
    }
    if (pull == NULL) {
        return false;
    }
    if (body.len > pull->limits.message_bytes_max || sim__lost()) {
        pull->stats.messages_dropped++;
        return true; // fire and forget: the producer does not learn of it
    }
    if (sim__doubled()) {
        push_to(pull, body);
    }
    push_to(pull, body);
    return true;
}

void
rt_pull_pause(rt_pull *pull, bool paused)
{
    RT_CHECK(pull, PULL_MAGIC);
    pull->paused = paused;
    if (!paused && pull->queue.first != NULL) {
        pump_pull_at(pull, pull->queue.first->due_us);
    }
}

rt_net_stats
rt_pull_stats(const rt_pull *pull)
{
    RT_CHECK(pull, PULL_MAGIC);
    return pull->stats;
}

// --- publications ---------------------------------------------------------------------------

rt_err
rt_pub_listen(rt_loop *loop, const char *url, rt_net_limits limits, rt_pub **ret_pub)
{
    rt_pub *pub = NULL;

    for (const rt_pub *other = doors.pubs; other != NULL; other = other->next) {
        if (strcmp(other->url, url) == 0) {
            return rt_fail(RT_EBUSY, "%s: address in use", url);
        }
    }
    pub = sim__new(rt_pub);
    pub->magic = PUB_MAGIC;
    pub->url = sim__text(url);
    pub->loop = loop;
    pub->limits = limits;
    pub->next = doors.pubs;
    doors.pubs = pub;
    *ret_pub = pub;
    return RT_OK;
}

void
sim_sub(const char *url, void (*on_message)(void *user, rt_bytes body), void *user)
{
    subscription *sub = sim__new(subscription);

    RT_ASSERT(on_message != NULL);
    sub->url = sim__text(url);
    sub->on_message = on_message;
    sub->user = user;
    sub->next = doors.subs;
    doors.subs = sub;
}

static void
deliver_publication(void *target)
{
    subscription *sub = target;
    sim_msg *msg = NULL;

    if (sub->stalled) {
        return; // it stays in the queue
    }
    msg = sim__fifo_pop(&sub->queue);
    if (msg == NULL) {
        return; // drained ahead of its time
    }
    sim__trace('s', sub->url, msg->body);
    sub->on_message(sub->user, msg->body);
    sim__free(msg);
}

void
rt_pub_send(rt_pub *pub, rt_bytes body)
{
    bool taken = false;

    RT_CHECK(pub, PUB_MAGIC);
    for (subscription *sub = doors.subs; sub != NULL; sub = sub->next) {
        if (strcmp(sub->url, pub->url) != 0 || sim__lost()) {
            continue;
        }
        if (sub->stalled && sub->queue.count >= pub->limits.inflight_max) {
            continue;
        }
        taken = true;
        sim__fifo_push(&sub->queue, sim__msg(body));
        if (!sub->stalled) {
            (void)sim__at(NULL, sim__arrival_us(&sub->last_us), false, deliver_publication, sub);
        }
    }
    pub->stats.messages_out += taken ? 1 : 0;
    pub->stats.messages_dropped += taken ? 0 : 1;
}

// After a stall everything is read at once; events of single messages find nothing more to do.
static void
drain(void *target)
{
    subscription *sub = target;

    while (!sub->stalled && sub->queue.first != NULL) {
        deliver_publication(sub);
    }
}

void
sim_sub_stall(const char *url, bool stalled)
{
    for (subscription *sub = doors.subs; sub != NULL; sub = sub->next) {
        if (strcmp(sub->url, url) == 0 && sub->stalled != stalled) {
            sub->stalled = stalled;
            if (!stalled) {
                (void)sim__at(NULL, sim__now_us(), false, drain, sub);
            }
        }
    }
}

rt_net_stats
rt_pub_stats(const rt_pub *pub)
{
    RT_CHECK(pub, PUB_MAGIC);
    return pub->stats;
}

void
sim__door_forget(const rt_loop *loop)
{
    for (rt_rep **at = &doors.reps; *at != NULL;) {
        rt_rep *rep = *at;

        if (rep->loop == loop) {
            *at = rep->next;
            close_rep(rep);
        } else {
            at = &rep->next;
        }
    }
    for (rt_pull **at = &doors.pulls; *at != NULL;) {
        if ((*at)->loop == loop) {
            *at = (*at)->next;
        } else {
            at = &(*at)->next;
        }
    }
    for (rt_pub **at = &doors.pubs; *at != NULL;) {
        if ((*at)->loop == loop) {
            *at = (*at)->next;
        } else {
            at = &(*at)->next;
        }
    }
}
