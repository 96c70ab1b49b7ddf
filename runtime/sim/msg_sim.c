// Design notes. Messages on their way and the weather they travel in. Order is kept per door and
// per link by never letting a message arrive before the one sent ahead of it.

#include <string.h>

#include "runtime/base/check.h"
#include "runtime/sim/sim_internal.h"

#define PARCEL_MAGIC 0x53504152u
#define DELAY_MIN_US 20
#define DELAY_MAX_US 500

struct rt_parcel {
    uint32_t magic;
    sim_msg *msg;
    void (*on_free)(void *owner);
    void *owner;
};

#define LATE_FACTOR 50 // times the largest delay

static sim_net_faults weather;
static uint64_t late_count;

void
sim_net_set_faults(sim_net_faults faults)
{
    RT_ASSERT(faults.delay_min_us >= 0 && faults.delay_max_us >= faults.delay_min_us);
    weather = faults;
}

int64_t
sim__arrival_us(int64_t *last_us)
{
    uint64_t spread_us = (uint64_t)(weather.delay_max_us - weather.delay_min_us);
    int64_t delay_us = weather.delay_min_us + (int64_t)rt_rng_below(sim__rng(), spread_us + 1);

    *last_us = RT_MAX(*last_us, sim__now_us() + delay_us);
    return *last_us;
}

static bool
strikes(double probability)
{
    return probability > 0 && rt_rng_chance(sim__rng(), probability);
}

int64_t
sim__late_us(void)
{
    if (!strikes(weather.late)) {
        return 0;
    }
    late_count++;
    return sim__now_us() + (int64_t)rt_rng_below(sim__rng(), (uint64_t)weather.delay_max_us *
                                                                 LATE_FACTOR + 1);
}

uint64_t
sim_net_late(void)
{
    return late_count;
}

bool
sim__lost(void)
{
    return strikes(weather.drop);
}

bool
sim__doubled(void)
{
    return strikes(weather.duplicate);
}

bool
sim__severed(void)
{
    return strikes(weather.cut);
}

void
sim__msg_reset(void)
{
    weather = (sim_net_faults){.delay_min_us = DELAY_MIN_US, .delay_max_us = DELAY_MAX_US};
    late_count = 0;
}

sim_msg *
sim__msg(rt_bytes body)
{
    sim_msg *msg = sim__alloc(sizeof(sim_msg) + body.len);
    uint8_t *copy = (uint8_t *)(msg + 1);

    if (body.len > 0) {
        memcpy(copy, body.ptr, body.len);
    }
    msg->body = (rt_bytes){copy, body.len};
    return msg;
}

void
sim__fifo_push(sim_fifo *fifo, sim_msg *msg)
{
    msg->next = NULL;
    if (fifo->last != NULL) {
        fifo->last->next = msg;
    } else {
        fifo->first = msg;
    }
    fifo->last = msg;
    fifo->count++;
}

sim_msg *
sim__fifo_pop(sim_fifo *fifo)
{
    sim_msg *msg = fifo->first;

    if (msg == NULL) {
        return NULL;
    }
    fifo->first = msg->next;
    fifo->last = msg->next == NULL ? NULL : fifo->last;
    fifo->count--;
    return msg;
}

void
sim__fifo_clear(sim_fifo *fifo)
{
    sim_msg *msg = NULL;

    while ((msg = sim__fifo_pop(fifo)) != NULL) {
        sim__free(msg);
    }
}

rt_parcel *
sim__parcel_new(sim_msg *msg, void (*on_free)(void *owner), void *owner)
{
    rt_parcel *parcel = sim__new(rt_parcel);

    parcel->magic = PARCEL_MAGIC;
    parcel->msg = msg;
    parcel->on_free = on_free;
    parcel->owner = owner;
    return parcel;
}

void
rt_parcel_free(rt_parcel *parcel)
{
    RT_CHECK(parcel, PARCEL_MAGIC);
    parcel->on_free(parcel->owner);
    parcel->magic = 0;
    sim__free(parcel->msg);
    sim__free(parcel);
}
