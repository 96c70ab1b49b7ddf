// report/forecast.h: delay forecasts made at order.created, joined to what became of the orders.
//
// Layer: tools/report (may use runtime/base, brain/math/metric.h).   Threads: one owner.
// An order is late when it is delivered after its promise, or its promise passed without a
// delivery. Two reference forecasts are made beside the model's, from nothing but what was known
// when the order was placed: the rate of late orders so far, and that of the order's area (its
// state, or its city where it names no state), drawn to the former. Both count an order from the
// moment its promise passed.
// Only orders whose promise had passed by the end are judged: of the others the quick ones would be
// known and the slow ones not.
#ifndef CEREBRO_TOOLS_REPORT_FORECAST_H
#define CEREBRO_TOOLS_REPORT_FORECAST_H

#include "tools/report/entry.h"

#define FORECAST_PERIODS 4
#define FORECAST_PRIOR_RATE 0.1 // of late orders, before anything is known
#define FORECAST_PRIOR_WEIGHT 10.0
#define FORECAST_AREA_WEIGHT 20.0

typedef struct forecast forecast;

typedef struct forecast_filter {
    int64_t from_ms; // order placed at or after; INT64_MIN: from the first
    int64_t until_ms; // and before; INT64_MAX: to the last
} forecast_filter;

// How good one kind of forecast was.
typedef struct forecast_score {
    double auc; // -1 when all outcomes are the same
    double log_loss;
    double brier;
    double calibration_error; // of 10 bins
} forecast_score;

// Orders of one stretch of time.
typedef struct forecast_period {
    int64_t from_ms;
    int64_t until_ms;
    uint64_t orders;
    uint64_t late;
    forecast_score model;
    forecast_score base;
    forecast_score area;
} forecast_period;

typedef struct forecast_report {
    uint64_t created;     // orders placed within the filter
    uint64_t unpredicted; // of those, without a forecast
    uint64_t cancelled;
    uint64_t open;        // promise not passed yet by the end
    uint64_t undelivered; // promise passed, not delivered: late, or left out
    forecast_period all;  // the judged ones
    forecast_period periods[FORECAST_PERIODS]; // the same, in equal numbers by time
    uint32_t period_count; // 0 when there are too few
} forecast_report;

// forecast_new makes an empty join; `delivered_only` leaves out what never came.
forecast *forecast_new(bool delivered_only) RT_MUST_USE;
// forecast_free releases it; NULL is fine.
void forecast_free(forecast *f);
// forecast_event takes an event; all but three types only move the time.
void forecast_event(forecast *f, const report_entry *entry);
// forecast_predicted takes the model's probability for the event of that number.
void forecast_predicted(forecast *f, uint64_t event_seq, double probability);
// forecast_report_make judges; false when no order within the filter has a known outcome (the
// counts are filled in all the same).
bool forecast_report_make(const forecast *f, const forecast_filter *filter,
                          forecast_report *ret_report);

#endif
