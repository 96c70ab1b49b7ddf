// Design notes. Blocking clients for tools, tests and benchmarks; they have no loop.
//
// REQ resends a request by itself, after 60 s and when its connection breaks (nng_req(7)). With an
// infinite resend time it does neither: a broken connection fails the request (RT_ECLOSED), and the
// caller decides whether to send it again.
// A receive is never cancelled (1.5.2 can crash): it ends by its deadline. One context per slot
// lets many requests be outstanding on one connection.
// SUB uses the socket itself, no contexts (1.5.2 has a rare crash in their list).

#include <nng/nng.h>
#include <nng/protocol/pubsub0/sub.h>
#include <nng/protocol/reqrep0/req.h>

#include "runtime/base/alloc.h"
#include "runtime/base/check.h"
#include "runtime/real/net_internal.h"

#define CLIENT_MAGIC 0x434c4945u
#define SUB_MAGIC 0x53554220u
#define SLOTS_MAX 256u
#define CLIENT_MESSAGE_BYTES_MAX ((size_t)64 * 1024 * 1024)
#define SUB_RECVBUF 8192

typedef struct client_slot {
    bool open;
    nng_ctx ctx;
    nng_aio *aio;
} client_slot;

struct rt_client {
    uint32_t magic;
    nng_socket socket;
    int64_t timeout_ms;
    client_slot slots[SLOTS_MAX];
};

struct rt_sub {
    uint32_t magic;
    nng_socket socket;
    nng_aio *aio;
};

// dial_now connects in the foreground, so that a tool hears at once that nobody listens; a
// connection lost later is made again in the background.
static rt_err
dial_now(nng_socket socket, const char *url)
{
    char checked[RT__NET_URL_MAX];
    nng_dialer dialer = NNG_DIALER_INITIALIZER;
    rt_err err = rt__net_url(url, checked);
    int rc = 0;

    if (err != RT_OK) {
        return err;
    }
    rc = nng_dialer_create(&dialer, socket, checked);
    if (rc == 0) {
        rc = nng_dialer_set_size(dialer, NNG_OPT_RECVMAXSZ, CLIENT_MESSAGE_BYTES_MAX);
    }
    if (rc == 0) {
        rc = nng_dialer_set_ms(dialer, NNG_OPT_RECONNMINT, RT__NET_RECONNECT_MIN_MS);
    }
    if (rc == 0) {
        rc = nng_dialer_set_ms(dialer, NNG_OPT_RECONNMAXT, RT__NET_RECONNECT_MAX_MS);
    }
    if (rc == 0) {
        rc = nng_dialer_start(dialer, 0);
    }
    return rc == 0 ? RT_OK : rt__net_err(rc, url);
}

rt_err
rt_client_dial(const char *url, int64_t timeout_ms, rt_client **ret_client)
{
    rt_client *client = rt_new(rt_client);
    rt_err err = RT_OK;
    int rc = nng_req0_open(&client->socket);

    RT_ASSERT(timeout_ms > 0 && timeout_ms <= INT32_MAX);
    if (rc != 0) {
        rt_free(client);
        return rt__net_err(rc, url);
    }
    client->magic = CLIENT_MAGIC;
    client->timeout_ms = timeout_ms;
    rc = nng_socket_set_ms(client->socket, NNG_OPT_REQ_RESENDTIME, NNG_DURATION_INFINITE);
    err = rc == 0 ? dial_now(client->socket, url) : rt__net_err(rc, url);
    if (err != RT_OK) {
        (void)nng_close(client->socket); // never had a connection: cannot hang
        rt_free(client);
        return err;
    }
    *ret_client = client;
    return RT_OK;
}

static client_slot *
open_slot(rt_client *client, uint32_t index)
{
    client_slot *slot = NULL;
    int rc = 0;

    RT_CHECK(client, CLIENT_MAGIC);
    RT_ASSERT(index < SLOTS_MAX);
    slot = &client->slots[index];
    if (!slot->open) {
        rc = nng_ctx_open(&slot->ctx, client->socket);
        RT__SURE(rc, NNG_ENOMEM, "nng");
        rc = nng_aio_alloc(&slot->aio, NULL, NULL);
        RT__SURE(rc, NNG_ENOMEM, "nng");
        slot->open = true;
    }
    nng_aio_set_timeout(slot->aio, (nng_duration)client->timeout_ms);
    return slot;
}

rt_err
rt_client_send(rt_client *client, uint32_t index, rt_bytes body)
{
    client_slot *slot = open_slot(client, index);
    nng_msg *msg = NULL;
    int rc = nng_msg_alloc(&msg, body.len);

    if (rc != 0) {
        return rt__net_err(rc, "request");
    }
    if (body.len > 0) {
        memcpy(nng_msg_body(msg), body.ptr, body.len);
    }
    nng_aio_set_msg(slot->aio, msg);
    nng_ctx_send(slot->ctx, slot->aio);
    nng_aio_wait(slot->aio);
    rc = nng_aio_result(slot->aio);
    if (rc != 0) {
        nng_msg_free(msg);
        return rt__net_err(rc, "request");
    }
    return RT_OK;
}

// copy_message moves a received message into `arena`.
static rt_err
copy_message(nng_msg *msg, rt_arena *arena, rt_bytes *ret_body)
{
    rt_bytes view = {nng_msg_body(msg), nng_msg_len(msg)};
    rt_bytes copy = {0};

    if (view.len > 0) {
        copy = rt_arena_copy(arena, view);
    }
    nng_msg_free(msg);
    if (view.len > 0 && copy.ptr == NULL) {
        return rt_fail(RT_ENOMEM, "message of %zu bytes does not fit", view.len);
    }
    *ret_body = copy;
    return RT_OK;
}

rt_err
rt_client_recv(rt_client *client, uint32_t index, rt_arena *arena, rt_bytes *ret_reply)
{
    client_slot *slot = open_slot(client, index);
    int rc = 0;

    nng_ctx_recv(slot->ctx, slot->aio);
    nng_aio_wait(slot->aio);
    rc = nng_aio_result(slot->aio);
    if (rc != 0) {
        return rt__net_err(rc, "reply");
    }
    return copy_message(nng_aio_get_msg(slot->aio), arena, ret_reply);
}

rt_err
rt_client_call(rt_client *client, rt_bytes body, rt_arena *arena, rt_bytes *ret_reply)
{
    rt_err err = rt_client_send(client, 0, body);

    return err == RT_OK ? rt_client_recv(client, 0, arena, ret_reply) : err;
}

static rt_err
prepare_sub(rt_sub *sub, const char *url, rt_str topic)
{
    int rc = nng_socket_set(sub->socket, NNG_OPT_SUB_SUBSCRIBE, topic.len > 0 ? topic.ptr : "",
                            topic.len);

    if (rc == 0) {
        rc = nng_socket_set_int(sub->socket, NNG_OPT_RECVBUF, SUB_RECVBUF);
    }
    return rc == 0 ? dial_now(sub->socket, url) : rt__net_err(rc, url);
}

rt_err
rt_sub_dial(const char *url, rt_str topic, rt_sub **ret_sub)
{
    rt_sub *sub = rt_new(rt_sub);
    rt_err err = RT_OK;
    int rc = nng_sub0_open(&sub->socket);

    if (rc != 0) {
        rt_free(sub);
        return rt__net_err(rc, url);
    }
    sub->magic = SUB_MAGIC;
    err = prepare_sub(sub, url, topic);
    if (err != RT_OK) {
        (void)nng_close(sub->socket); // never had a connection: cannot hang
        rt_free(sub);
        return err;
    }
    rc = nng_aio_alloc(&sub->aio, NULL, NULL);
    RT__SURE(rc, NNG_ENOMEM, "nng");
    *ret_sub = sub;
    return RT_OK;
}

rt_err
rt_sub_recv(rt_sub *sub, int64_t timeout_ms, rt_arena *arena, rt_bytes *ret_body)
{
    int rc = 0;

    RT_CHECK(sub, SUB_MAGIC);
    RT_ASSERT(timeout_ms >= 0 && timeout_ms <= INT32_MAX);
    nng_aio_set_timeout(sub->aio, (nng_duration)timeout_ms);
    nng_recv_aio(sub->socket, sub->aio);
    nng_aio_wait(sub->aio);
    rc = nng_aio_result(sub->aio);
    if (rc != 0) {
        return rt__net_err(rc, "publication");
    }
    return copy_message(nng_aio_get_msg(sub->aio), arena, ret_body);
}
