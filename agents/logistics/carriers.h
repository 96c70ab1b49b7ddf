// logistics/carriers.h: what is known of each carrier, overall and city by city.
//
// Layer: agents/logistics (may use brain/math, runtime/store).   Threads: the host's loop.
// Nothing is configured: a tenant's carriers are those that its events name.
#ifndef CEREBRO_AGENTS_LOGISTICS_CARRIERS_H
#define CEREBRO_AGENTS_LOGISTICS_CARRIERS_H

#include "agents/logistics/policy.h"
#include "runtime/base/err.h"
#include "runtime/store/key.h"
#include "runtime/store/store.h"

typedef struct logistics_carriers {
    rt_table *table;
    int64_t status_age_ms;   // what a carrier said of itself holds so long
    int64_t capacity_age_ms; // likewise its capacity
    size_t rows_max;         // of the table; further cities are not told apart
} logistics_carriers;

// logistics_carriers_seen remembers that the tenant works with a carrier; at most
// LOGISTICS_OPTIONS_MAX are.
void logistics_carriers_seen(const logistics_carriers *carriers, rt_tenant tenant, rt_str carrier);

// logistics_carriers_result tells whether an order was delivered by its promise.
rt_err logistics_carriers_result(const logistics_carriers *carriers, rt_tenant tenant,
                                 rt_str carrier, rt_str city, int64_t at_ms,
                                 bool in_time) RT_MUST_USE;

// logistics_carriers_transit tells how long a carrier had an order.
rt_err logistics_carriers_transit(const logistics_carriers *carriers, rt_tenant tenant,
                                  rt_str carrier, rt_str city, int64_t at_ms,
                                  double days) RT_MUST_USE;

// logistics_carriers_attempt tells how a delivery attempt ended.
rt_err logistics_carriers_attempt(const logistics_carriers *carriers, rt_tenant tenant,
                                  rt_str carrier, rt_str city, int64_t at_ms,
                                  bool failed) RT_MUST_USE;

// logistics_carriers_health remembers what a carrier is able to do; an empty city means everywhere,
// and clears what was said of single cities before.
void logistics_carriers_health(const logistics_carriers *carriers, rt_tenant tenant,
                               rt_str carrier, rt_str city, int64_t at_ms, logistics_health health);

// logistics_carriers_capacity remembers how full a carrier is in a city. True when its load reached
// `alert_ratio` and was below it before.
bool logistics_carriers_capacity(const logistics_carriers *carriers, rt_tenant tenant,
                                 rt_str carrier, rt_str city, int64_t at_ms, int64_t capacity,
                                 int64_t load, double alert_ratio);

// logistics_carriers_assigned counts an order proposed for a carrier, so that not every order goes
// to the same one before it reports its load again.
void logistics_carriers_assigned(const logistics_carriers *carriers, rt_tenant tenant,
                                 rt_str carrier, rt_str city);

// logistics_carriers_options lists the tenant's carriers as they are for a city; returns how many.
// The names view the table: they last until it changes.
size_t logistics_carriers_options(const logistics_carriers *carriers, rt_tenant tenant, rt_str city,
                                  int64_t at_ms,
                                  logistics_option ret_options[LOGISTICS_OPTIONS_MAX]);

#endif
