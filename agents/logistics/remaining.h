// logistics/remaining.h: how long it still takes from a carrier's scan to the delivery.
//
// Layer: agents/logistics (may use brain/math, runtime/store).   Threads: the host's loop.
#ifndef CEREBRO_AGENTS_LOGISTICS_REMAINING_H
#define CEREBRO_AGENTS_LOGISTICS_REMAINING_H

#include "agents/logistics/order.h"

// The time left is log-normal: a normal distribution of ln(days).
typedef struct logistics_remaining {
    double mean;
    double sd;
} logistics_remaining;

// logistics_remaining_add tells how long it took from the first scan of a kind to the delivery;
// `shift` is what logistics_delay_features said. Rows stand beside the model's statistics.
rt_err logistics_remaining_add(const logistics_delay_model *model, rt_tenant tenant,
                               rt_str carrier, logistics_scan scan, int64_t at_ms, double days,
                               double shift) RT_MUST_USE;

// logistics_remaining_read is what is expected after a first scan of a kind.
logistics_remaining logistics_remaining_read(const logistics_delay_model *model, rt_tenant tenant,
                                             rt_str carrier, logistics_scan scan, int64_t at_ms,
                                             double shift);

#endif
