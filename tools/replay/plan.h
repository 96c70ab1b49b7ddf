// replay/plan.h: one order's life, drawn whole when the order is placed.
//
// Layer: tools/replay.   Threads: any (pure; randomness comes in).
#ifndef CEREBRO_TOOLS_REPLAY_PLAN_H
#define CEREBRO_TOOLS_REPLAY_PLAN_H

#include <stdbool.h>
#include <stdint.h>

#include "runtime/base/rng.h"

#define PLAN_STEPS_MAX 32

typedef enum plan_kind { // in the order of an order's life: ties leave in this order
    PLAN_CREATED,
    PLAN_APPROVED,
    PLAN_GUIDE,
    PLAN_SHIPPED,
    PLAN_PICKED_UP,
    PLAN_IN_TRANSIT,
    PLAN_AT_HUB,
    PLAN_EXCEPTION,
    PLAN_OUT,
    PLAN_FAILED,
    PLAN_GUIDE_UPDATED,
    PLAN_DELIVERED,
    PLAN_INQUIRY,
    PLAN_ISSUE,
    PLAN_RESOLVED,
    PLAN_CANCELLED,
    PLAN_FEEDBACK,
    PLAN_LOST,
    PLAN_KINDS,
} plan_kind;

typedef enum plan_reason { // of a failed attempt, in the order of the catalogue
    PLAN_ABSENT,
    PLAN_WRONG_ADDRESS,
    PLAN_REFUSED,
    PLAN_UNSAFE,
    PLAN_CLOSED,
    PLAN_VEHICLE,
    PLAN_REASONS,
} plan_reason;

// What befalls an order; plain means none of the others.
typedef enum plan_fate {
    PLAN_PLAIN,
    PLAN_UNPAID,    // cancelled before payment
    PLAN_WITHDRAWN, // cancelled before it left the seller
    PLAN_RETURNED,  // could not be handed over, went back
    PLAN_MISLAID,   // never arrived
} plan_fate;

typedef struct plan_step {
    uint32_t after_ms; // since the order was placed
    uint8_t kind;      // plan_kind
    uint8_t what;      // attempt, topic or score, by kind
    uint8_t why;       // reason, by kind
    int8_t mood;       // of an inquiry, in hundredths
} plan_step;

typedef struct plan {
    int64_t created_ms;
    int64_t promised_ms;
    uint32_t day_number; // of the order within its day, from 1
    uint32_t customer;
    uint32_t salt; // chooses texts
    uint32_t value_cop;
    uint32_t freight_cop;
    uint32_t weight_g;
    uint32_t volume_cm3;
    uint32_t delivered_after_ms; // 0: never
    float late_probability;      // known when the order is placed, to who knows the world
    uint8_t city;
    uint8_t carrier;
    uint8_t goods;
    uint8_t seller;
    uint8_t items;
    uint8_t channel;
    uint8_t fate;
    bool carrier_known; // the shop said when the order was placed
    uint8_t step_count;
    uint8_t next;
    plan_step steps[PLAN_STEPS_MAX];
} plan;

#define PLAN_EVERYWHERE 0xff // as the city of an outage

// A time in which a carrier does not work in a city (or anywhere): steps wait until it is over.
typedef struct plan_outage {
    int64_t from_ms;
    int64_t until_ms;
    uint8_t carrier;
    uint8_t city;
    bool severe; // the announced one of the last day; else a small disturbance
} plan_outage;

// What a plan depends on besides chance.
typedef struct plan_world {
    uint32_t customers;
    const plan_outage *outages;
    uint32_t outage_count;
} plan_world;

// plan_draw fills in a whole life for an order placed at created_ms.
void plan_draw(plan *p, const plan_world *world, rt_rng *rng, int64_t created_ms,
               uint32_t day_number);

// plan_late tells whether the order is, or will be, delivered after its promise.
bool plan_late(const plan *p);

#endif
