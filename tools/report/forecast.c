#include "tools/report/forecast.h"

#include <math.h>

#include "brain/math/metric.h"
#include "runtime/base/alloc.h"
#include "runtime/base/check.h"
#include "runtime/base/heap.h"
#include "runtime/base/map.h"

// Design notes.
// Time is the events' own, never going backwards. Before an event counts, every promise that lies
// before it has passed and its order enters the rates (a heap by promise). An order that was
// delivered early enters them no sooner: else the quick ones would be known long before the late
// ones and the rates would be too low as long as orders keep coming. Orders stand in order of their
// events' numbers, so a forecast finds its order by bisection; a delivery finds it by subject.

#define CALIBRATION_BINS 10
#define PERIOD_ORDERS_MIN 100

typedef struct order {
    uint64_t seq;
    int64_t created_ms;
    int64_t promised_ms;
    int64_t delivered_ms; // INT64_MIN: not delivered
    uint32_t area;
    bool cancelled;
    bool predicted;
    bool due; // its promise has passed
    double model;
    double base;
    double area_rate;
} order;

typedef struct rate {
    double late;
    double count;
} rate;

struct forecast {
    order *orders;
    size_t count;
    size_t cap;
    rt_map *by_subject; // tenant and subject: index of the order
    rt_map *areas;
    rate *area_rates;
    size_t area_cap;
    rate all;
    rt_heap promises; // key: promise, value: index of the order
    int64_t now_ms;
    bool delivered_only;
};

forecast *
forecast_new(bool delivered_only)
{
    forecast *f = rt_new(forecast);

    f->delivered_only = delivered_only;
    f->by_subject = rt_map_new();
    f->areas = rt_map_new();
    f->now_ms = INT64_MIN;
    rt_heap_init(&f->promises);
    return f;
}

void
forecast_free(forecast *f)
{
    if (f == NULL) {
        return;
    }
    rt_map_free(f->by_subject);
    rt_map_free(f->areas);
    rt_heap_fini(&f->promises);
    rt_free(f->area_rates);
    rt_free(f->orders);
    rt_free(f);
}

// Key of an order: its tenant's number and its subject.
#define ORDER_KEY_CAP 160

static rt_bytes
order_key(const report_entry *entry, uint8_t buf[ORDER_KEY_CAP])
{
    size_t len = RT_MIN(entry->subject.len, ORDER_KEY_CAP - sizeof(entry->tenant));

    memcpy(buf, &entry->tenant, sizeof(entry->tenant));
    memcpy(buf + sizeof(entry->tenant), entry->subject.ptr, len);
    return (rt_bytes){buf, sizeof(entry->tenant) + len};
}

static order *
find_order(const forecast *f, const report_entry *entry)
{
    uint8_t buf[ORDER_KEY_CAP];
    uint64_t at = 0;

    return rt_map_get(f->by_subject, order_key(entry, buf), &at) ? &f->orders[at] : NULL;
}

// Whether the order is late, once its promise has passed.
static bool
is_late(const order *o)
{
    return o->delivered_ms == INT64_MIN || o->delivered_ms > o->promised_ms;
}

static void
count_order(forecast *f, const order *o)
{
    rate *area = &f->area_rates[o->area];

    f->all.late += is_late(o);
    f->all.count++;
    area->late += is_late(o);
    area->count++;
}

static void
pass_promises(forecast *f)
{
    const rt_heap_item *next = NULL;

    while ((next = rt_heap_peek(&f->promises)) != NULL && next->key < f->now_ms) {
        order *o = &f->orders[rt_heap_pop(&f->promises).value];

        o->due = true;
        if (!o->cancelled && (!f->delivered_only || o->delivered_ms != INT64_MIN)) {
            count_order(f, o);
        }
    }
}

static uint32_t
area_of(forecast *f, const report_entry *entry)
{
    rt_str state = report_entry_str(entry, "state");
    rt_str name = state.len > 0 ? state : report_entry_str(entry, "city");
    uint64_t at = rt_map_count(f->areas);

    if (rt_map_get(f->areas, rt_bytes_of_str(name), &at)) {
        return (uint32_t)at;
    }
    if (at == f->area_cap) {
        f->area_cap = RT_MAX(f->area_cap * 2, 64);
        f->area_rates = rt_realloc(f->area_rates, f->area_cap * sizeof(rate));
    }
    (void)rt_map_put(f->areas, rt_bytes_of_str(name), at); // it is new
    f->area_rates[at] = (rate){0};
    return (uint32_t)at;
}

static void
on_created(forecast *f, const report_entry *entry)
{
    uint8_t buf[ORDER_KEY_CAP];
    int64_t promised_ms = report_entry_i64(entry, "promised_at", INT64_MIN);
    double base = 0;
    order *o = NULL;

    if (promised_ms == INT64_MIN || find_order(f, entry) != NULL) {
        return; // nothing was promised, or told twice
    }
    if (f->count == f->cap) {
        f->cap = RT_MAX(f->cap * 2, 1024);
        f->orders = rt_realloc(f->orders, f->cap * sizeof(order));
    }
    (void)rt_map_put(f->by_subject, order_key(entry, buf), f->count); // it is new
    RT_ASSERT(f->orders != NULL);
    o = &f->orders[f->count];
    base = (f->all.late + FORECAST_PRIOR_RATE * FORECAST_PRIOR_WEIGHT) /
           (f->all.count + FORECAST_PRIOR_WEIGHT);
    *o = (order){.seq = entry->seq,
                 .created_ms = entry->time_ms,
                 .promised_ms = promised_ms,
                 .delivered_ms = INT64_MIN,
                 .area = area_of(f, entry),
                 .base = base};
    o->area_rate = (f->area_rates[o->area].late + base * FORECAST_AREA_WEIGHT) /
                   (f->area_rates[o->area].count + FORECAST_AREA_WEIGHT);
    rt_heap_push(&f->promises, (rt_heap_item){promised_ms, entry->seq, f->count});
    f->count++;
}

static void
on_delivered(forecast *f, const report_entry *entry)
{
    order *o = find_order(f, entry);

    if (o != NULL && o->delivered_ms == INT64_MIN) {
        o->delivered_ms = entry->time_ms;
        o->cancelled = false; // what arrived was not cancelled
        if (o->due && f->delivered_only) {
            count_order(f, o); // it was not known before that it would come at all
        }
    }
}

static void
on_cancelled(const forecast *f, const report_entry *entry)
{
    order *o = find_order(f, entry);

    if (o != NULL && o->delivered_ms == INT64_MIN) {
        o->cancelled = true;
    }
}

void
forecast_event(forecast *f, const report_entry *entry)
{
    if (entry->internal) {
        return; // the brain's own events say nothing new of an order
    }
    f->now_ms = RT_MAX(f->now_ms, entry->time_ms);
    pass_promises(f);
    if (rt_str_is(entry->type, "order.created")) {
        on_created(f, entry);
    } else if (rt_str_is(entry->type, "order.delivered")) {
        on_delivered(f, entry);
    } else if (rt_str_is(entry->type, "order.cancelled")) {
        on_cancelled(f, entry);
    }
}

void
forecast_predicted(forecast *f, uint64_t event_seq, double probability)
{
    size_t low = 0;
    size_t high = f->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (f->orders[middle].seq < event_seq) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    if (low < f->count && f->orders[low].seq == event_seq && probability >= 0 &&
        probability <= 1) {
        f->orders[low].predicted = true;
        f->orders[low].model = probability;
    }
}

// --- judging ---

// Counts the order and tells whether it is judged.
static bool
is_judged(const forecast *f, const forecast_filter *filter, const order *o, forecast_report *report)
{
    if (o->created_ms < filter->from_ms || o->created_ms >= filter->until_ms) {
        return false;
    }
    report->created++;
    if (!o->predicted) {
        report->unpredicted++;
        return false;
    }
    if (o->cancelled) {
        report->cancelled++;
        return false;
    }
    if (o->promised_ms >= f->now_ms) {
        report->open++;
        return false;
    }
    report->undelivered += o->delivered_ms == INT64_MIN;
    return o->delivered_ms != INT64_MIN || !f->delivered_only;
}

static forecast_score
score(br_scored *rows, size_t count)
{
    br_calibration_bin bins[CALIBRATION_BINS];
    forecast_score s = {-1, NAN, NAN, NAN};

    // probabilities are between 0 and 1 and there are rows: only the AUC can be missing
    RT_IGNORE(br_metric_log_loss(rows, count, &s.log_loss));
    RT_IGNORE(br_metric_brier(rows, count, &s.brier));
    RT_IGNORE(br_metric_calibration(rows, count, CALIBRATION_BINS, bins, &s.calibration_error));
    RT_IGNORE(br_metric_auc(rows, count, &s.auc)); // sorts, so it comes last
    return s;
}

static forecast_period
judge(const order *const *orders, size_t count, br_scored *rows)
{
    forecast_period p = {.from_ms = orders[0]->created_ms,
                         .until_ms = orders[count - 1]->created_ms,
                         .orders = count};

    for (size_t i = 0; i < count; i++) {
        rows[i] = (br_scored){orders[i]->model, is_late(orders[i])};
        p.late += rows[i].positive;
    }
    p.model = score(rows, count);
    for (size_t i = 0; i < count; i++) {
        rows[i] = (br_scored){orders[i]->base, is_late(orders[i])};
    }
    p.base = score(rows, count);
    for (size_t i = 0; i < count; i++) {
        rows[i] = (br_scored){orders[i]->area_rate, is_late(orders[i])};
    }
    p.area = score(rows, count);
    return p;
}

bool
forecast_report_make(const forecast *f, const forecast_filter *filter, forecast_report *ret_report)
{
    const order **judged = (const order **)rt_alloc((f->count + 1) * sizeof(order *));
    br_scored *rows = rt_new_array(br_scored, f->count + 1);
    size_t count = 0;

    *ret_report = (forecast_report){0};
    for (size_t i = 0; i < f->count; i++) {
        if (is_judged(f, filter, &f->orders[i], ret_report)) {
            judged[count++] = &f->orders[i];
        }
    }
    if (count > 0) {
        ret_report->all = judge(judged, count, rows);
    }
    if (count >= PERIOD_ORDERS_MIN * FORECAST_PERIODS) {
        ret_report->period_count = FORECAST_PERIODS;
    }
    for (size_t i = 0; i < ret_report->period_count; i++) {
        size_t from = count * i / FORECAST_PERIODS;
        size_t to = count * (i + 1) / FORECAST_PERIODS;

        ret_report->periods[i] = judge(judged + from, to - from, rows);
    }
    rt_free((void *)judged);
    rt_free(rows);
    return count > 0;
}
