// sim/producer.h: a producer that resends until it is answered, and keeps its own list of answers.
//
// Layer: tests/sim.   Threads: one.
// One request is outstanding. The producer plays the faults of its own connection: requests lost on
// the way, sent twice, answers that do not come back, and now and then a message that is no event
// at all. What it was told is the truth that the journal is measured against.
#ifndef CEREBRO_TESTS_SIM_PRODUCER_H
#define CEREBRO_TESTS_SIM_PRODUCER_H

#include "runtime/base/rng.h"
#include "runtime/seam/loop.h"
#include "tests/sim/shop.h"
#include "tests/sim/world.h"

#define PRODUCER_BATCH_MAX 16
#define PRODUCER_DAY_MS ((int64_t)86400 * 1000)

typedef struct producer_faults {
    double lost;      // the request does not arrive
    double doubled;   // it arrives twice
    double unheard;   // it arrives, the answer does not
    double malformed; // garbage is sent before it
    double pushed;    // its events go through the unacknowledged door as well
} producer_faults;

typedef struct producer_config {
    const char *url;
    const char *pull_url; // NULL: there is no such door
    shop_config shop;
    bool paced;          // each event leaves at its own time, the day begins with the life
    int64_t linger_ms;   // paced: how long an event may wait for others to go with it
    int64_t pause_max_ms; // rushed: between requests
    producer_faults faults;
    uint64_t *counts; // of all faults, by world_fault
    void (*on_wrong)(void *user, const char *what); // an answer that must not be
    // an event was acknowledged with this number
    void (*on_acked)(void *user, uint16_t tenant, rt_str source, rt_str id, uint64_t seq);
    void *user;
} producer_config;

typedef struct producer producer;

// producer_new starts sending on the loop.
producer *producer_new(rt_loop *loop, const producer_config *config) RT_MUST_USE;
// producer_free ends it.
void producer_free(producer *p);
// producer_calm ends the faults of its connection.
void producer_calm(producer *p);
// producer_day_ms is the wall time at which a paced day begins.
int64_t producer_day_ms(void);
// producer_waits_ms is how long it has been sending the same batch.
int64_t producer_waits_ms(const producer *p);
// producer_done tells whether every event was settled.
bool producer_done(const producer *p);
// producer_resent counts requests that had to be sent again; producer_rejected events refused for
// good.
uint64_t producer_resent(const producer *p);
uint64_t producer_rejected(const producer *p);

#endif
