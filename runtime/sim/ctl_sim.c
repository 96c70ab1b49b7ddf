// Design notes. The control socket: calls arrive on the server's loop, answer frames go back in
// order. A call lives until its last answer and its delivery; a server that goes away ends the
// client's side with RT_ECLOSED.

#include <string.h>

#include "runtime/base/check.h"
#include "runtime/sim/sim_internal.h"

#define CTL_MAGIC 0x5343544cu
#define CALL_MAGIC 0x5343414cu

struct rt_ctl {
    uint32_t magic;
    rt_ctl *next;
    char *path;
    rt_loop *loop;
    rt_net_limits limits;
    rt_on_ctl on_call;
    void *user;
    rt_ctl_call *calls;
};

struct rt_ctl_call {
    uint32_t magic;
    rt_ctl *ctl; // NULL once the server is gone
    rt_ctl_call *next;
    uint32_t uid;
    sim_msg *msg;
    sim_on_answer on_answer;
    void *user;
    bool hung_up;
    int64_t last_us;
};

typedef struct answer {
    rt_err err;
    sim_msg *msg;
    bool last;
    rt_ctl_call *call;
} answer;

static rt_ctl *servers;

void
sim__ctl_reset(void)
{
    servers = NULL;
}

static rt_ctl *
find_server(const char *path)
{
    for (rt_ctl *ctl = servers; ctl != NULL; ctl = ctl->next) {
        if (strcmp(ctl->path, path) == 0) {
            return ctl;
        }
    }
    return NULL;
}

static void
deliver_answer(void *target)
{
    answer *a = target;
    rt_ctl_call *call = a->call;
    rt_bytes body = a->msg != NULL ? a->msg->body : (rt_bytes){0};

    sim__trace('a', rt_err_name(a->err), body);
    if (!call->hung_up && call->on_answer != NULL) {
        call->on_answer(call->user, a->err, body, a->last);
    }
    if (a->last) {
        call->magic = 0;
        sim__free(call->msg);
        sim__free(call);
    }
    sim__free(a->msg);
    sim__free(a);
}

static void
send_answer(rt_ctl_call *call, rt_err err, sim_msg *msg, bool last)
{
    answer *a = sim__new(answer);

    *a = (answer){err, msg, last, call};
    (void)sim__at(NULL, sim__arrival_us(&call->last_us), false, deliver_answer, a);
}

static void
forget_call(rt_ctl_call *call)
{
    rt_ctl_call **at = &call->ctl->calls;

    while (*at != call) {
        at = &(*at)->next;
    }
    *at = call->next;
    call->ctl = NULL;
}

static void
arrive(void *target)
{
    rt_ctl_call *call = target;
    rt_ctl *ctl = call->ctl;

    if (ctl == NULL) {
        return; // closed while the call was on its way; its end is under way
    }
    sim__trace('c', ctl->path, call->msg->body);
    ctl->on_call(ctl->user, call, call->uid, call->msg->body);
}

rt_ctl_call *
sim_ctl_call(const char *path, uint32_t uid, rt_bytes body, sim_on_answer on_answer, void *user)
{
    rt_ctl *ctl = find_server(path);
    rt_ctl_call *call = NULL;

    if (ctl == NULL) {
        return NULL;
    }
    call = sim__new(rt_ctl_call);
    call->magic = CALL_MAGIC;
    call->ctl = ctl;
    call->uid = uid;
    call->msg = sim__msg(body);
    call->on_answer = on_answer;
    call->user = user;
    call->next = ctl->calls;
    ctl->calls = call;
    if (body.len > ctl->limits.message_bytes_max) {
        forget_call(call);
        send_answer(call, RT_ECLOSED, NULL, true);
        return call;
    }
    (void)sim__at(ctl->loop, sim__arrival_us(&call->last_us), false, arrive, call);
    return call;
}

void
sim_ctl_hangup(rt_ctl_call *call)
{
    RT_CHECK(call, CALL_MAGIC);
    call->hung_up = true;
}

void
rt_ctl_answer(rt_ctl_call *call, rt_bytes body, bool last)
{
    RT_CHECK(call, CALL_MAGIC);
    if (call->ctl == NULL) {
        return; // the server was closed with the call still out
    }
    RT_ASSERT(body.len <= call->ctl->limits.message_bytes_max);
    send_answer(call, RT_OK, sim__msg(body), last);
    if (last) {
        forget_call(call);
    }
}

bool
rt_ctl_alive(const rt_ctl_call *call)
{
    RT_CHECK(call, CALL_MAGIC);
    return !call->hung_up && call->ctl != NULL;
}

rt_err
rt_ctl_listen(rt_loop *loop, const char *path, rt_net_limits limits, rt_on_ctl on_call, void *user,
              rt_ctl **ret_ctl)
{
    rt_ctl *ctl = NULL;

    RT_ASSERT(on_call != NULL && limits.message_bytes_max > 0);
    if (find_server(path) != NULL) {
        return rt_fail(RT_EBUSY, "%s: another process listens there", path);
    }
    ctl = sim__new(rt_ctl);
    ctl->magic = CTL_MAGIC;
    ctl->path = sim__text(path);
    ctl->loop = loop;
    ctl->limits = limits;
    ctl->on_call = on_call;
    ctl->user = user;
    ctl->next = servers;
    servers = ctl;
    *ret_ctl = ctl;
    return RT_OK;
}

rt_err
rt_ctl_admit(rt_ctl *ctl, uint32_t gid)
{
    RT_CHECK(ctl, CTL_MAGIC);
    RT_ASSERT(gid != 0);
    return RT_OK; // there are no files here
}

static void
close_server(rt_ctl *ctl)
{
    while (ctl->calls != NULL) {
        rt_ctl_call *call = ctl->calls;

        forget_call(call);
        send_answer(call, RT_ECLOSED, NULL, false); // `last` would free what the server holds
    }
    ctl->magic = 0;
}

rt_net_stats
rt_ctl_stats(const rt_ctl *ctl)
{
    rt_net_stats stats = {0};

    RT_CHECK(ctl, CTL_MAGIC);
    for (const rt_ctl_call *call = ctl->calls; call != NULL; call = call->next) {
        stats.connections++; // a call is a connection of its own here
    }
    return stats;
}

void
rt_ctl_close(rt_ctl *ctl)
{
    rt_ctl **at = &servers;

    RT_CHECK(ctl, CTL_MAGIC);
    while (*at != ctl) {
        at = &(*at)->next;
    }
    *at = ctl->next;
    close_server(ctl);
}

void
sim__ctl_forget(const rt_loop *loop)
{
    for (rt_ctl **at = &servers; *at != NULL;) {
        rt_ctl *ctl = *at;

        if (ctl->loop == loop) {
            *at = ctl->next;
            close_server(ctl);
        } else {
            at = &ctl->next;
        }
    }
}
