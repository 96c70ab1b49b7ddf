// logistics/delay_model.h: how likely an order is to be late, learned from every order before it.
//
// Layer: agents/logistics (may use brain/math, brain/learn, runtime/store).   Threads: host's loop.
// Two things are kept per tenant: decayed statistics of sellers, states, routes and carriers, and
// one online logistic regression over features made of them. Everything is told with the time at
// which it happened; a forecast uses only what was told before. The labels rule: an order is in
// time when it was delivered by its promise, late when its promise passed without a delivery, and
// nothing else; either is told when the promise passes, no sooner.
// While few outcomes are known a forecast is little more than the rate of late orders.
#ifndef CEREBRO_AGENTS_LOGISTICS_DELAY_MODEL_H
#define CEREBRO_AGENTS_LOGISTICS_DELAY_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "brain/learn/online_logistic.h"
#include "runtime/base/bytes.h"
#include "runtime/base/err.h"
#include "runtime/store/key.h"
#include "runtime/store/store.h"

#define LOGISTICS_FEATURES 16

typedef struct logistics_delay_model {
    rt_table *stats;
    rt_table *models;
    double price_scale;  // currency units that buy what one Brazilian real does; 0 = learned
    size_t entities_max; // rows of statistics; who comes later stays at the prior
} logistics_delay_model;

// Who and what an order depends on; empty text where it is not known.
typedef struct logistics_parties {
    rt_str seller;
    rt_str seller_state;
    rt_str state; // of the customer
    rt_str carrier;
} logistics_parties;

// An order as it stands at its purchase; a negative number is not known.
typedef struct logistics_purchase {
    logistics_parties parties;
    int64_t created_at_ms;
    int64_t promised_at_ms;
    int64_t utc_offset_ms;
    double value;
    double freight;
    double weight_g;
    double items;
} logistics_purchase;

typedef struct logistics_risk {
    double probability;
    uint64_t version;                                // labels the model had seen
    double contributions[LOGISTICS_FEATURES + 1];    // log-odds; [0] is the bias
} logistics_risk;

// logistics_feature_name is the name of feature `index` for people.
const char *logistics_feature_name(size_t index);

// logistics_delay_check looks at every stored learner once, after the tables were declared.
//   errors    RT_ECORRUPT RT_EVERSION a stored learner cannot be used
rt_err logistics_delay_check(const logistics_delay_model *model) RT_MUST_USE;

// logistics_delay_features makes the feature vector of a purchase.
//   ret_shift  NULL, or how far ln(transit days) to there lies from the average
void logistics_delay_features(const logistics_delay_model *model, rt_tenant tenant,
                              const logistics_purchase *purchase,
                              double ret_features[LOGISTICS_FEATURES], double *ret_shift);

// logistics_delay_predict forecasts lateness from a feature vector.
//   errors    RT_EINVAL a feature is not finite
rt_err logistics_delay_predict(const logistics_delay_model *model, rt_tenant tenant,
                               const double features[LOGISTICS_FEATURES],
                               logistics_risk *ret_risk) RT_MUST_USE;

// logistics_delay_placed tells what an order costs and promises, for what is usual here.
rt_err logistics_delay_placed(const logistics_delay_model *model, rt_tenant tenant,
                              const logistics_purchase *purchase) RT_MUST_USE;

// logistics_delay_shipped tells that the carrier took the order; ship_by_ms 0 = no such limit.
rt_err logistics_delay_shipped(const logistics_delay_model *model, rt_tenant tenant,
                               const logistics_parties *parties, int64_t created_at_ms,
                               int64_t shipped_at_ms, int64_t ship_by_ms) RT_MUST_USE;

// logistics_delay_half tells whether an order was still open half-way to its promise.
rt_err logistics_delay_half(const logistics_delay_model *model, rt_tenant tenant,
                            const logistics_parties *parties, int64_t at_ms,
                            bool open) RT_MUST_USE;

// logistics_delay_delivered tells how long the order was with the carrier.
rt_err logistics_delay_delivered(const logistics_delay_model *model, rt_tenant tenant,
                                 const logistics_parties *parties, int64_t shipped_at_ms,
                                 int64_t delivered_at_ms) RT_MUST_USE;

// logistics_delay_label teaches the outcome of an order that was forecast from `features`. A late
// label counts by the share of overdue orders that do arrive later: those that never do have
// another trouble, and would teach that risk wrongly. `shipped` tells whether the carrier had the
// order.
rt_err logistics_delay_label(const logistics_delay_model *model, rt_tenant tenant,
                             const logistics_parties *parties,
                             const double features[LOGISTICS_FEATURES], int64_t at_ms, bool late,
                             bool shipped) RT_MUST_USE;

// logistics_delay_found tells whether an overdue order arrived after all or is given up.
rt_err logistics_delay_found(const logistics_delay_model *model, rt_tenant tenant, int64_t at_ms,
                             bool shipped, bool arrived) RT_MUST_USE;

// logistics_delay_reset puts the learner back to what it believed at first; statistics stay.
void logistics_delay_reset(const logistics_delay_model *model, rt_tenant tenant);

#endif
