// Design notes. The blocking clients of tools, in the simulation: waiting means driving the world
// until the answer is there or the virtual deadline has passed. They may only be used from outside
// of any callback, as a test does.

#include <string.h>

#include "runtime/base/check.h"
#include "runtime/sim/sim_internal.h"

#define CLIENT_MAGIC 0x53434c49u
#define SUB_MAGIC 0x53535542u
#define CTL_CLIENT_MAGIC 0x53434343u
#define SLOTS_MAX 256u

typedef enum slot_state { SLOT_FREE, SLOT_SENT, SLOT_ANSWERED } slot_state;

// What one request waits for. It is replaced, not reused, so a late reply finds only its own.
typedef struct wait {
    slot_state state;
    bool abandoned;
    rt_err err;
    sim_msg *msg;
} wait;

struct rt_client {
    uint32_t magic;
    char *url;
    int64_t timeout_ms;
    wait *slots[SLOTS_MAX];
};

struct rt_sub {
    uint32_t magic;
    char *topic;
    sim_fifo queue;
};

struct rt_ctl_client {
    uint32_t magic;
    char *path;
    int64_t timeout_ms;
    rt_ctl_call *call;
    sim_fifo frames;
    bool closed;
};

static void
nudge(void *target)
{
    (void)target; // its only work is to be due
}

// drive_until runs the world until `done` says so; false at the deadline.
static bool
drive_until(int64_t timeout_ms, bool (*done)(const void *state), const void *state)
{
    int64_t until_us = sim__now_us() + timeout_ms * 1000;

    (void)sim__at(NULL, until_us, false, nudge, NULL);
    while (!done(state) && sim__now_us() < until_us && sim__step()) {
    }
    return done(state);
}

static rt_err
give(sim_msg *msg, rt_arena *arena, rt_bytes *ret_body)
{
    rt_bytes copy = {0};
    size_t len = msg->body.len;

    if (len > 0) {
        copy = rt_arena_copy(arena, msg->body);
    }
    sim__free(msg);
    if (len > 0 && copy.ptr == NULL) {
        return rt_fail(RT_ENOMEM, "message of %zu bytes does not fit", len);
    }
    *ret_body = copy;
    return RT_OK;
}

static void
on_reply(void *user, rt_err err, rt_bytes reply)
{
    wait *w = user;

    if (w->abandoned) {
        sim__free(w);
        return;
    }
    w->state = SLOT_ANSWERED;
    w->err = err;
    w->msg = sim__msg(reply);
}

rt_err
rt_client_dial(const char *url, int64_t timeout_ms, rt_client **ret_client)
{
    rt_client *client = sim__new(rt_client);

    RT_ASSERT(timeout_ms > 0);
    client->magic = CLIENT_MAGIC;
    client->url = sim__text(url);
    client->timeout_ms = timeout_ms;
    *ret_client = client;
    return RT_OK;
}

static void
abandon(wait *w)
{
    if (w == NULL) {
        return;
    }
    if (w->state == SLOT_ANSWERED) {
        sim__free(w->msg);
        sim__free(w);
    } else {
        w->abandoned = true;
    }
}

rt_err
rt_client_send(rt_client *client, uint32_t index, rt_bytes body)
{
    wait *w = sim__new(wait);

    RT_CHECK(client, CLIENT_MAGIC);
    RT_ASSERT(index < SLOTS_MAX);
    abandon(client->slots[index]);
    w->state = SLOT_SENT;
    client->slots[index] = w;
    sim_request(client->url, body, on_reply, w);
    return RT_OK;
}

static bool
is_answered(const void *state)
{
    const wait *w = state;

    return w->state == SLOT_ANSWERED;
}

rt_err
rt_client_recv(rt_client *client, uint32_t index, rt_arena *arena, rt_bytes *ret_reply)
{
    wait *w = NULL;
    rt_err err = RT_OK;

    RT_CHECK(client, CLIENT_MAGIC);
    RT_ASSERT(index < SLOTS_MAX && client->slots[index] != NULL);
    w = client->slots[index];
    client->slots[index] = NULL;
    if (!drive_until(client->timeout_ms, is_answered, w)) {
        abandon(w);
        return rt_fail(RT_ETIMEOUT, "%s: no reply in time", client->url);
    }
    if (w->err != RT_OK) {
        err = rt_fail(w->err, "%s: no reply", client->url);
        sim__free(w->msg);
    } else {
        err = give(w->msg, arena, ret_reply);
    }
    sim__free(w);
    return err;
}

rt_err
rt_client_call(rt_client *client, rt_bytes body, rt_arena *arena, rt_bytes *ret_reply)
{
    rt_err err = rt_client_send(client, 0, body);

    return err == RT_OK ? rt_client_recv(client, 0, arena, ret_reply) : err;
}

static void
on_publication(void *user, rt_bytes body)
{
    rt_sub *sub = user;

    if (rt_str_starts(rt_str_of_bytes(body), rt_str_of(sub->topic))) {
        sim__fifo_push(&sub->queue, sim__msg(body));
    }
}

rt_err
rt_sub_dial(const char *url, rt_str topic, rt_sub **ret_sub)
{
    rt_sub *sub = sim__new(rt_sub);

    sub->magic = SUB_MAGIC;
    sub->topic = sim__alloc(topic.len + 1);
    if (topic.len > 0) {
        memcpy(sub->topic, topic.ptr, topic.len);
    }
    sim_sub(url, on_publication, sub);
    *ret_sub = sub;
    return RT_OK;
}

static bool
has_message(const void *state)
{
    const sim_fifo *queue = state;

    return queue->first != NULL;
}

rt_err
rt_sub_recv(rt_sub *sub, int64_t timeout_ms, rt_arena *arena, rt_bytes *ret_body)
{
    RT_CHECK(sub, SUB_MAGIC);
    if (!drive_until(timeout_ms, has_message, &sub->queue)) {
        return rt_fail(RT_ETIMEOUT, "no publication in time");
    }
    return give(sim__fifo_pop(&sub->queue), arena, ret_body);
}

rt_err
rt_ctl_dial(const char *path, int64_t timeout_ms, rt_ctl_client **ret_client)
{
    rt_ctl_client *client = sim__new(rt_ctl_client);

    RT_ASSERT(timeout_ms > 0);
    client->magic = CTL_CLIENT_MAGIC;
    client->path = sim__text(path);
    client->timeout_ms = timeout_ms;
    *ret_client = client;
    return RT_OK;
}

static void
on_answer(void *user, rt_err err, rt_bytes body, bool last)
{
    rt_ctl_client *client = user;

    if (err != RT_OK) {
        client->closed = true;
    } else {
        sim__fifo_push(&client->frames, sim__msg(body));
    }
    client->call = last ? NULL : client->call;
}

rt_err
rt_ctl_send(rt_ctl_client *client, rt_bytes body)
{
    RT_CHECK(client, CTL_CLIENT_MAGIC);
    RT_ASSERT(client->call == NULL); // one call at a time
    client->call = sim_ctl_call(client->path, 0, body, on_answer, client);
    return client->call != NULL ? RT_OK : rt_fail(RT_EUNREACH, "%s: nobody listens", client->path);
}

static bool
has_frame(const void *state)
{
    const rt_ctl_client *client = state;

    return client->frames.first != NULL || client->closed;
}

rt_err
rt_ctl_recv(rt_ctl_client *client, rt_arena *arena, rt_bytes *ret_body)
{
    RT_CHECK(client, CTL_CLIENT_MAGIC);
    if (!drive_until(client->timeout_ms, has_frame, client)) {
        return rt_fail(RT_ETIMEOUT, "%s: no answer in time", client->path);
    }
    if (client->frames.first == NULL) {
        return rt_fail(RT_ECLOSED, "%s: the daemon hung up", client->path);
    }
    return give(sim__fifo_pop(&client->frames), arena, ret_body);
}

void
rt_ctl_hangup(rt_ctl_client *client)
{
    RT_CHECK(client, CTL_CLIENT_MAGIC);
    if (client->call != NULL) {
        sim_ctl_hangup(client->call);
    }
    sim__fifo_clear(&client->frames);
    client->magic = 0;
    sim__free(client->path);
    sim__free(client);
}
