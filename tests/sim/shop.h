// sim/shop.h: a day of one tenant's events, as its own shop would send them.
//
// Layer: tests/sim.   Threads: one.
// The generator's stream with what a simulated life adds: a mark of the tenant in everything that
// only this tenant may ever see, now and then a text that means harm, and fewer of the carriers'
// capacity messages, which would drown the rest.
#ifndef CEREBRO_TESTS_SIM_SHOP_H
#define CEREBRO_TESTS_SIM_SHOP_H

#include "tools/replay/generator.h"

// In every text of a tenant; the tenant's number follows as one digit.
#define SHOP_MARK "~zqxv"
#define SHOP_MARK_LEN 5

typedef struct shop_config {
    uint16_t tenant; // 1..9
    const char *name;
    uint64_t seed;
    uint64_t orders;
    uint32_t days;      // the last of them is gen_defaults().last_day
    uint32_t tail_days; // how long the stream goes on without new orders
    bool json;          // half a character cannot be said in it
    bool ids_marked;    // else every tenant has the same keys and sources
    double hostile;     // share of texts that mean harm
} shop_config;

typedef struct shop_event {
    int64_t time_ms;
    bool bad; // has to be refused
    uint32_t hostile; // texts in it that mean harm
    rt_bytes body;    // valid until the next shop_next
} shop_event;

typedef struct shop shop;

// shop_new opens the stream.
shop *shop_new(const shop_config *config) RT_MUST_USE;
// shop_free ends it.
void shop_free(shop *s);
// shop_next hands out the next event; false at the end.
bool shop_next(shop *s, shop_event *ret_event);
// shop_foreign finds the mark of a tenant other than `tenant` (0: of any) in bytes: its number, or
// 0 when there is none.
unsigned shop_foreign(rt_bytes bytes, uint16_t tenant);

#endif
