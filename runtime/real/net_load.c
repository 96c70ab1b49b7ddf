// Design notes. Each slot is one nng context with one aio, each a small machine:
//
//   FREE --rt_load_send--> SENDING --sent--> WAITING --reply--> FREE
//
// SENDING and WAITING end in nng's callback. A reply is handed out from there, without a thread of
// our own. Like every socket here it is never closed (net_door.c); its process ends with it.

#include "runtime/real/net_load.h"

#include <nng/nng.h>
#include <nng/protocol/reqrep0/req.h>
#include <string.h>

#include "runtime/base/alloc.h"
#include "runtime/base/check.h"
#include "runtime/real/net_internal.h"

#define LOAD_MAGIC 0x4c4f4144u
#define REPLY_BYTES_MAX ((size_t)16 * 1024 * 1024)

typedef enum slot_state { FREE, SENDING, WAITING } slot_state;

typedef struct load_slot {
    rt_load *load;
    uint32_t index;
    slot_state state;
    nng_ctx ctx;
    nng_aio *aio;
} load_slot;

struct rt_load {
    uint32_t magic;
    nng_socket socket;
    rt_on_load_reply on_reply;
    void *user;
    load_slot slots[RT_LOAD_SLOTS_MAX];
};

static void
end(load_slot *slot, int rc)
{
    rt_load *load = slot->load;
    slot_state was = slot->state;

    slot->state = FREE;
    if (rc != 0) {
        if (was == SENDING) {
            nng_msg_free(nng_aio_get_msg(slot->aio)); // ours again when sending failed
        }
        load->on_reply(load->user, slot->index, rt__net_err(rc, "load"), (rt_bytes){NULL, 0});
        return;
    }
    nng_msg *msg = nng_aio_get_msg(slot->aio);
    load->on_reply(load->user, slot->index, RT_OK,
                   (rt_bytes){nng_msg_body(msg), nng_msg_len(msg)});
    nng_msg_free(msg);
}

static void
on_aio(void *arg)
{
    load_slot *slot = arg;
    int rc = nng_aio_result(slot->aio);

    if (slot->state == SENDING && rc == 0) {
        slot->state = WAITING;
        nng_ctx_recv(slot->ctx, slot->aio);
        return;
    }
    end(slot, rc);
}

static rt_err
dial(rt_load *load, const char *url)
{
    char checked[RT__NET_URL_MAX];
    nng_dialer dialer = NNG_DIALER_INITIALIZER;
    rt_err err = rt__net_url(url, checked);
    int rc = nng_socket_set_ms(load->socket, NNG_OPT_REQ_RESENDTIME, NNG_DURATION_INFINITE);

    if (err != RT_OK) {
        return err;
    }
    if (rc == 0) {
        rc = nng_dialer_create(&dialer, load->socket, checked);
    }
    if (rc == 0) {
        rc = nng_dialer_set_size(dialer, NNG_OPT_RECVMAXSZ, REPLY_BYTES_MAX);
    }
    if (rc == 0) {
        rc = nng_dialer_start(dialer, 0);
    }
    return rc == 0 ? RT_OK : rt__net_err(rc, url);
}

rt_err
rt_load_dial(const char *url, uint32_t slots, rt_on_load_reply on_reply, void *user,
             rt_load **ret_load)
{
    rt_load *load = rt_new(rt_load);
    int rc = nng_req0_open(&load->socket);

    RT_ASSERT(slots > 0 && slots <= RT_LOAD_SLOTS_MAX);
    if (rc != 0) {
        rt_free(load);
        return rt__net_err(rc, url);
    }
    rt_err err = dial(load, url);
    if (err != RT_OK) {
        (void)nng_close(load->socket); // never had a connection: cannot hang
        rt_free(load);
        return err;
    }
    load->magic = LOAD_MAGIC;
    load->on_reply = on_reply;
    load->user = user;
    for (uint32_t i = 0; i < slots; i++) {
        load_slot *slot = &load->slots[i];

        slot->load = load;
        slot->index = i;
        rc = nng_ctx_open(&slot->ctx, load->socket);
        RT__SURE(rc, NNG_ENOMEM, "nng");
        rc = nng_aio_alloc(&slot->aio, on_aio, slot);
        RT__SURE(rc, NNG_ENOMEM, "nng");
        nng_aio_set_timeout(slot->aio, NNG_DURATION_INFINITE);
    }
    *ret_load = load;
    return RT_OK;
}

void
rt_load_send(rt_load *load, uint32_t index, rt_bytes body)
{
    nng_msg *msg = NULL;

    RT_CHECK(load, LOAD_MAGIC);
    RT_ASSERT(index < RT_LOAD_SLOTS_MAX);
    load_slot *slot = &load->slots[index];
    RT_ASSERT(slot->aio != NULL && slot->state == FREE);
    int rc = nng_msg_alloc(&msg, body.len);
    RT__SURE(rc, NNG_ENOMEM, "nng");
    if (body.len > 0) {
        memcpy(nng_msg_body(msg), body.ptr, body.len);
    }
    slot->state = SENDING;
    nng_aio_set_msg(slot->aio, msg);
    nng_ctx_send(slot->ctx, slot->aio);
}
