#include "runtime/actor/internal.h"
#include "runtime/base/alloc.h"
#include "runtime/base/check.h"

// Design notes.
// Each direction between two systems has a ring of bytes with one writer and one reader, so nobody
// locks. A message is written when it is asked for, but shown to the other side only at the end of
// the run, with one wake-up for all; a handler that fails takes its own back.
//
// When a running actor's mailbox is full, what comes next on that ring waits there, until the ring
// is full as well and the senders are refused: that is how a sender in another thread slows down.
// An actor that rests may do so for a minute; nobody else waits for that, so its message is a dead
// letter.

typedef struct parcel {
    rt_actor_id to;
    rt_actor_id from;
    uint64_t type;
    uint8_t payload[];
} parcel;

static void
add_peer(rt_actors *actors, rt_actors *other, rt__ring *out, rt__ring *in)
{
    RT_ASSERT(actors->peer_of[other->config.number] == 0);
    actors->peers[actors->peer_count++] = (rt__peer){.system = other, .out = out, .in = in};
    actors->peer_of[other->config.number] = (uint8_t)actors->peer_count;
}

void
rt_actors_connect(rt_actors *a, rt_actors *b, uint32_t bytes)
{
    rt__ring *to_a = rt__ring_new(bytes);
    rt__ring *to_b = rt__ring_new(bytes);

    RT_CHECK(a, RT__ACTORS_MAGIC);
    RT_CHECK(b, RT__ACTORS_MAGIC);
    RT_ASSERT(a->config.number != b->config.number);
    add_peer(a, b, to_b, to_a);
    add_peer(b, a, to_a, to_b);
}

rt_err
rt__peers_send(rt_actors *actors, rt_actor_id to, uint32_t type, rt_bytes payload)
{
    uint32_t number = rt__actor_system(to);
    uint8_t place = number < RT_ACTORS_SYSTEMS_MAX ? actors->peer_of[number] : 0;
    rt__ring *ring = NULL;
    parcel *p = NULL;

    if (place == 0) {
        return rt_fail(RT_ENOTFOUND, "not connected with system %u", number);
    }
    ring = actors->peers[place - 1].out;
    if (payload.len > rt__ring_record_max(ring) - sizeof(parcel)) {
        return rt_fail(RT_ELIMIT, "message of %zu bytes to another system", payload.len);
    }
    if (type >= RT_ACTOR_TYPES_MAX) {
        return rt_fail(RT_EUNKNOWN, "nobody understands message type %u", type);
    }
    p = rt__ring_put(ring, (uint32_t)(sizeof(parcel) + payload.len));
    if (p == NULL) {
        return rt_fail(RT_EFULL, "the way to that system is full");
    }
    *p = (parcel){.to = to, .from = rt_actors_self(actors), .type = type};
    if (payload.len > 0) {
        memcpy(p->payload, payload.ptr, payload.len);
    }
    return RT_OK;
}

void
rt__peers_flush(rt_actors *actors)
{
    for (uint32_t i = 0; i < actors->peer_count; i++) {
        const rt_actors *other = actors->peers[i].system;

        if (rt__ring_publish(actors->peers[i].out) && other->on_work != NULL) {
            other->on_work(other->on_work_user);
        }
    }
}

static bool
must_wait(const rt_actors *actors, const parcel *p, size_t len)
{
    const rt__actor *actor = rt__actor_find(actors, p->to);

    return actor != NULL && actor->count > 0 && !actor->is_resting &&
           actor->class->overflow == RT_OVERFLOW_REFUSE && !rt__mail_has_room(actor, len);
}

static void
accept(rt_actors *actors, const parcel *p, size_t len)
{
    rt_bytes payload = {p->payload, len};
    rt__mail *mail = rt__mail_new(actors, RT__OP_SEND, payload);

    if (mail == NULL) {
        rt__letter(actors, (rt_actor_letter){
            .to = p->to,
            .from = p->from,
            .type = (uint32_t)p->type,
            .payload = payload,
            .cause = RT_ENOMEM,
            .detail = "",
        });
        return;
    }
    mail->to = p->to;
    mail->from = p->from;
    mail->type = (uint16_t)p->type;
    rt__mail_arrive(actors, mail);
}

static bool
take_from(rt_actors *actors, rt__ring *ring)
{
    for (uint32_t i = 0; i < actors->config.run_messages_max; i++) {
        uint32_t len = 0;
        const parcel *p = rt__ring_peek(ring, &len);

        if (p == NULL) {
            return false;
        }
        if (must_wait(actors, p, len - sizeof(parcel))) {
            return true;
        }
        accept(actors, p, len - sizeof(parcel));
        rt__ring_pop(ring);
    }
    return true;
}

bool
rt__peers_take(rt_actors *actors)
{
    bool has_left = false;

    for (uint32_t i = 0; i < actors->peer_count; i++) {
        if (take_from(actors, actors->peers[i].in)) {
            has_left = true;
        }
    }
    return has_left;
}
