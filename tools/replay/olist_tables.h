// replay/olist_tables.h: Olist's tables in memory, joined by their keys.
//
// Layer: tools/replay, folder-internal.   Threads: one owner.
// All text views the loaded files and stays valid until olist_tables_free.
#ifndef CEREBRO_TOOLS_REPLAY_OLIST_TABLES_H
#define CEREBRO_TOOLS_REPLAY_OLIST_TABLES_H

#include "runtime/base/bytes.h"
#include "runtime/base/err.h"

#define OLIST_NEVER INT64_MIN // a timestamp that is not there

typedef struct olist_order {
    rt_str id;
    rt_str status;
    rt_str customer; // customer_unique_id: the person, over all orders
    rt_str city;
    rt_str state;
    rt_str category;
    rt_str seller; // of the first item
    rt_str seller_state;
    int64_t purchased_ms;
    int64_t approved_ms;
    int64_t shipped_ms;
    int64_t delivered_ms;
    int64_t promised_ms;
    double value;
    double freight;
    int64_t items;
    double weight_g;
    double volume_cm3;
    uint32_t reviews;
} olist_order;

typedef struct olist_review {
    uint32_t order; // index
    uint32_t nth;   // of this order, from 1
    int64_t answered_ms;
    int64_t score;
    rt_str title;
    rt_str text;
} olist_review;

typedef struct olist_tables {
    olist_order *orders;
    size_t order_count;
    olist_review *reviews;
    size_t review_count;
    uint64_t reviews_without_order;
    struct csv *files[8]; // kept open: the text above views them
    size_t file_count;
} olist_tables;

// olist_tables_load reads and joins the tables in `dir`.
//   errors    RT_ENOTFOUND RT_EUNKNOWN RT_EPROTO RT_ELIMIT RT_EIO, with file and line in the detail
rt_err olist_tables_load(const char *dir, olist_tables **ret_tables) RT_MUST_USE;
// olist_tables_free releases everything; NULL is fine.
void olist_tables_free(olist_tables *tables);

#endif
