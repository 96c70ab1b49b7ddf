// logistics/order.h: the row of one open order: what the agent remembers of it until it is
// resolved.
//
// Layer: agents/logistics (may use runtime/store).   Threads: the host's loop.
// A row is a fixed head and the order's texts packed behind it, so that a short order is a small
// row.
#ifndef CEREBRO_AGENTS_LOGISTICS_ORDER_H
#define CEREBRO_AGENTS_LOGISTICS_ORDER_H

#include "agents/logistics/delay_model.h"

#define LOGISTICS_SCANS LOGISTICS_SCAN_NONE // kinds of scans
#define LOGISTICS_CARRIER_MAX 32 // bytes of a carrier's name

typedef enum logistics_scan { // in the order of the catalogue's tracking states
    LOGISTICS_SCAN_PICKED_UP,
    LOGISTICS_SCAN_IN_TRANSIT,
    LOGISTICS_SCAN_AT_HUB,
    LOGISTICS_SCAN_OUT_FOR_DELIVERY,
    LOGISTICS_SCAN_EXCEPTION,
    LOGISTICS_SCAN_NONE, // not scanned yet
} logistics_scan;

typedef enum logistics_stage { // what the order's timer is for
    LOGISTICS_STAGE_HALF,    // half of the promised time is over
    LOGISTICS_STAGE_PROMISE, // the promise passes
    LOGISTICS_STAGE_LOST,    // overdue for so long that it is given up
    LOGISTICS_STAGE_DROP,    // resolved a while ago
} logistics_stage;

typedef enum logistics_label {
    LOGISTICS_LABEL_NONE,
    LOGISTICS_LABEL_IN_TIME,
    LOGISTICS_LABEL_LATE,
} logistics_label;

typedef enum logistics_text {
    LOGISTICS_CUSTOMER,
    LOGISTICS_CITY,
    LOGISTICS_STATE,
    LOGISTICS_SELLER,
    LOGISTICS_SELLER_STATE,
    LOGISTICS_TEXTS,
} logistics_text;

typedef struct logistics_order {
    double features[LOGISTICS_FEATURES]; // as at the purchase: the label teaches these
    double risk;                         // forecast at the purchase
    double value;                        // of the goods; negative when not known
    double transit_shift;                // see logistics_delay_features
    int64_t created_at_ms;
    int64_t promised_at_ms;
    int64_t ship_by_ms;      // 0 = none
    int64_t shipped_at_ms;   // 0 = not yet
    int64_t delivered_at_ms; // 0 = not yet
    int64_t scanned_at_ms[LOGISTICS_SCANS]; // first scan of each kind, 0 = none
    uint8_t stage;           // logistics_stage
    uint8_t label;           // logistics_label
    uint8_t scan;            // logistics_scan, the latest
    uint8_t warned;          // 1: a probable delay was announced
    uint8_t carrier_len;
    uint8_t text_len[LOGISTICS_TEXTS];
    uint8_t unused[6];
    char carrier[LOGISTICS_CARRIER_MAX];
} logistics_order; // the texts follow

// logistics_order_new makes the row of an order with its texts (each at most 255 bytes); all else
// is zero. The order must not be there yet. The pointer lasts until the table changes.
logistics_order *logistics_order_new(rt_table *table, rt_tenant tenant, rt_str id,
                                     const rt_str texts[LOGISTICS_TEXTS]);
// logistics_order_edit finds an order for changing it, or NULL.
logistics_order *logistics_order_edit(rt_table *table, rt_tenant tenant, rt_str id);
// logistics_order_del forgets an order.
void logistics_order_del(rt_table *table, rt_tenant tenant, rt_str id);

// logistics_order_text views a text of the row.
rt_str logistics_order_text(const logistics_order *order, logistics_text which);
// logistics_order_carrier views the carrier, empty when not known.
rt_str logistics_order_carrier(const logistics_order *order);
// logistics_order_set_carrier remembers who has (or gets) the order; empty text changes nothing.
void logistics_order_set_carrier(logistics_order *order, rt_str carrier);
// logistics_order_parties views who the order depends on.
logistics_parties logistics_order_parties(const logistics_order *order);
// logistics_order_half_ms is when half of the promised time is over.
int64_t logistics_order_half_ms(const logistics_order *order);

#endif
