// replay/olist.h: the public Olist tables as a time-ordered stream of events.
//
// Layer: tools/replay.   Threads: one owner.
// Reads orders.csv, customers.csv, items.csv, products.csv, sellers.csv and, where they are there,
// reviews_part.csv (or reviews.csv) and product_category_name_translation.csv, also under the
// names of the original distribution ("olist_orders_dataset.csv").
#ifndef CEREBRO_TOOLS_REPLAY_OLIST_H
#define CEREBRO_TOOLS_REPLAY_OLIST_H

#include "tools/replay/stream.h"

typedef enum olist_kind { // in the order of an order's life: ties in time leave in this order
    OLIST_CREATED,
    OLIST_APPROVED,
    OLIST_SHIPPED,
    OLIST_DELIVERED,
    OLIST_CANCELLED,
    OLIST_FEEDBACK,
    OLIST_KINDS,
} olist_kind;

typedef struct olist_counts {
    uint64_t orders;
    uint64_t late;    // delivered after the estimated date
    uint64_t clamped; // steps recorded before the purchase, moved to it
    uint64_t reviews_without_order;
    uint64_t events[OLIST_KINDS];
} olist_counts;

// olist_open loads the tables in `dir` and sorts the events.
//   tenant    put on every event; empty for none; must outlive the stream
//   ret_counts  may be NULL
//   errors    RT_ENOTFOUND a table is missing · RT_EUNKNOWN a column is · RT_EPROTO a damaged row
rt_err olist_open(const char *dir, rt_str tenant, stream *ret_stream,
                  olist_counts *ret_counts) RT_MUST_USE;

#endif
