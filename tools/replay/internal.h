// replay/internal.h: the generator's state, shared by its schedule and its writer.
//
// Layer: tools/replay, folder-internal.   Threads: one owner.
#ifndef CEREBRO_TOOLS_REPLAY_INTERNAL_H
#define CEREBRO_TOOLS_REPLAY_INTERNAL_H

#include <stdio.h>

#include "runtime/base/heap.h"
#include "runtime/wire/mp.h"
#include "tools/replay/generator.h"

#define GEN_MAGIC 0x67656e31u
#define GEN_BINS ((size_t)2000)
#define GEN_RECOVERING 0x80000000u // in the index of a status tick: works again, with a backlog

typedef enum gen_tick_kind { GEN_TICK_CAPACITY, GEN_TICK_STATUS } gen_tick_kind;
typedef enum gen_status { GEN_UP, GEN_DEGRADED, GEN_DOWN } gen_status;

// Something that happens apart from orders.
typedef struct gen_tick {
    gen_tick_kind what;
    gen_status status;
    uint32_t index; // of the outage, or of the carrier and city
} gen_tick;

struct gen {
    uint32_t magic;
    gen_config config;
    char source[48];
    int64_t first_ms;
    int64_t end_ms;
    uint32_t customers;
    rt_heap heap;    // next step of every order in flight, and ticks
    uint64_t pushes; // tie-breaker: first come, first served
    // placing orders
    uint64_t *placed_by; // orders placed before the end of each hour
    size_t hour;
    uint64_t placed;
    int64_t place_ms; // when the next order is placed
    int64_t order_day;
    uint32_t day_number;
    rt_rng place_rng;
    // orders in flight, in chunks that never move
    plan **chunks;
    uint32_t chunk_count;
    uint32_t *free_plans;
    uint32_t free_count;
    // disturbances and load
    plan_outage *outages;
    uint32_t outage_count;
    int64_t load_day;
    uint32_t load[WORKLOAD_CARRIERS][WORKLOAD_CITIES];
    // the event handed out last
    rt_mpw body;
    rt_text text;
    int64_t time_ms;
    gen_mark mark;
    gen_mark follows;
    rt_rng mark_rng;
    // the truth
    gen_stats stats;
    uint64_t bins[GEN_BINS][2]; // orders by predicted probability: on time, late
    double log_loss;
};

// gen__write_step writes one step of an order's life as an event.
void gen__write_step(gen *g, const plan *p, const plan_step *step);
// gen__write_status writes what a carrier says of an outage.
void gen__write_status(gen *g, int64_t at_ms, gen_tick tick);
// gen__write_capacity writes a carrier's capacity and load in a city.
void gen__write_capacity(gen *g, int64_t at_ms, uint32_t index);
// gen__write_bad writes an event that must be refused, of one of five kinds in turn.
void gen__write_bad(gen *g);

#endif
