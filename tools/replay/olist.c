#include "tools/replay/olist.h"

#include <stdio.h>
#include <stdlib.h>

#include "runtime/base/alloc.h"
#include "runtime/base/check.h"
#include "tools/replay/draft.h"
#include "tools/replay/olist_tables.h"

// Design notes.
// Every row gives up to five references (time, kind, row) and every review one; they are sorted by
// (time, kind, row) and written as events one at a time. Rules where the tables leave room:
// - a step recorded before the purchase is moved to the purchase (a few carrier dates are);
// - an order with a delivery date counts as delivered, whatever its status says;
// - the tables do not say when an order was cancelled: one of status canceled or unavailable is
//   cancelled CANCEL_AFTER_MS after its last recorded step;
// - a review happens when it was answered; the second review of an order is "<order>:feedback2".
// Ids depend on the tables only, so that a replay may be repeated without counting twice.

#define CANCEL_AFTER_MS ((int64_t)24 * 3600 * 1000)
#define EVENT_BYTES_MAX 16384
#define FEEDBACK_TEXT_CAP 2048

typedef struct ref {
    int64_t time_ms;
    uint32_t row; // of orders, or of reviews for OLIST_FEEDBACK
    olist_kind kind;
} ref;

typedef struct olist {
    olist_tables *tables;
    rt_str tenant;
    ref *refs;
    size_t count;
    size_t cap;
    size_t next;
    olist_counts counts;
    rt_mpw body;
} olist;

static const struct {
    const char *type;
    const char *suffix;
} kinds[OLIST_KINDS] = {
    [OLIST_CREATED] = {"order.created", "created"},
    [OLIST_APPROVED] = {"order.approved", "approved"},
    [OLIST_SHIPPED] = {"order.shipped", "shipped"},
    [OLIST_DELIVERED] = {"order.delivered", "delivered"},
    [OLIST_CANCELLED] = {"order.cancelled", "cancelled"},
    [OLIST_FEEDBACK] = {"customer.feedback", "feedback"},
};

static void
push(olist *o, olist_kind kind, uint32_t row, int64_t time_ms)
{
    if (o->count == o->cap) {
        o->cap = o->cap == 0 ? 4096 : o->cap * 2;
        o->refs = rt_realloc(o->refs, o->cap * sizeof(ref));
    }
    o->refs[o->count++] = (ref){time_ms, row, kind};
    o->counts.events[kind]++;
}

// Adds a step of an order's life that has a time; returns the later of it and `latest_ms`.
static int64_t
push_step(olist *o, olist_kind kind, uint32_t row, int64_t time_ms, int64_t latest_ms)
{
    int64_t purchased_ms = o->tables->orders[row].purchased_ms;

    if (time_ms == OLIST_NEVER) {
        return latest_ms;
    }
    if (time_ms < purchased_ms) {
        o->counts.clamped++;
        time_ms = purchased_ms;
    }
    push(o, kind, row, time_ms);
    return RT_MAX(latest_ms, time_ms);
}

static void
push_order(olist *o, uint32_t row)
{
    const olist_order *order = &o->tables->orders[row];
    bool given_up = rt_str_is(order->status, "canceled") || rt_str_is(order->status, "unavailable");
    int64_t latest_ms = order->purchased_ms;

    push(o, OLIST_CREATED, row, order->purchased_ms);
    latest_ms = push_step(o, OLIST_APPROVED, row, order->approved_ms, latest_ms);
    latest_ms = push_step(o, OLIST_SHIPPED, row, order->shipped_ms, latest_ms);
    latest_ms = push_step(o, OLIST_DELIVERED, row, order->delivered_ms, latest_ms);
    if (order->delivered_ms != OLIST_NEVER) {
        o->counts.late += order->delivered_ms > order->promised_ms ? 1 : 0;
    } else if (given_up) {
        push(o, OLIST_CANCELLED, row, latest_ms + CANCEL_AFTER_MS);
    }
}

static int
compare_refs(const void *left, const void *right)
{
    const ref *a = left;
    const ref *b = right;

    if (a->time_ms != b->time_ms) {
        return a->time_ms < b->time_ms ? -1 : 1;
    }
    if (a->kind != b->kind) {
        return a->kind < b->kind ? -1 : 1;
    }
    return a->row < b->row ? -1 : a->row > b->row;
}

static void
write_created(draft *d, const olist_order *order)
{
    draft_str(d, "customer_id", order->customer, 64);
    draft_str(d, "city", order->city, 64);
    draft_str(d, "state", order->state, 32);
    if (order->items > 0) {
        draft_f64(d, "value", order->value);
        draft_f64(d, "freight", order->freight);
        draft_i64(d, "items", order->items);
    }
    if (order->weight_g > 0) {
        draft_i64(d, "weight_g", (int64_t)order->weight_g);
    }
    if (order->volume_cm3 > 0) {
        draft_i64(d, "volume_cm3", (int64_t)order->volume_cm3);
    }
    draft_str(d, "category", order->category, 64);
    draft_str(d, "seller_id", order->seller, 64);
    draft_str(d, "seller_state", order->seller_state, 32);
    draft_time(d, "promised_at", order->promised_ms);
    draft_cstr(d, "channel", "marketplace");
}

static void
write_feedback(draft *d, const olist_order *order, const olist_review *review)
{
    char text[4 * FEEDBACK_TEXT_CAP];
    int len = snprintf(text, sizeof(text), "%.*s%s%.*s", RT_STR_ARG(review->title),
                       review->title.len > 0 && review->text.len > 0 ? ". " : "",
                       RT_STR_ARG(review->text));

    len = RT_MIN(len, (int)sizeof(text) - 1); // what is longer is cut to the cap below
    draft_str(d, "order_id", order->id, 64);
    draft_i64(d, "score", review->score);
    draft_str(d, "text", (rt_str){text, (size_t)len}, FEEDBACK_TEXT_CAP);
}

static void
write_data(draft *d, olist_kind kind, const olist_order *order)
{
    switch (kind) {
    case OLIST_CREATED:
        write_created(d, order);
        break;
    case OLIST_CANCELLED:
        draft_str(d, "customer_id", order->customer, 64);
        draft_str(d, "reason", order->status, 128);
        break;
    case OLIST_APPROVED:
    case OLIST_SHIPPED:
    case OLIST_DELIVERED:
        draft_str(d, "customer_id", order->customer, 64);
        break;
    case OLIST_FEEDBACK:
    case OLIST_KINDS:
        RT_UNREACHABLE("feedback is written from its review");
    }
}

static void
write_event(olist *o, const ref *r)
{
    const olist_review *review = r->kind == OLIST_FEEDBACK ? &o->tables->reviews[r->row] : NULL;
    const olist_order *order = &o->tables->orders[review != NULL ? review->order : r->row];
    char id[128];
    draft_head head = {.type = kinds[r->kind].type,
                       .source = RT_STR("/replay/olist"),
                       .subject_kind = review != NULL ? "customer" : "order",
                       .subject_key = review != NULL ? order->customer : order->id,
                       .time_ms = r->time_ms,
                       .tenant = o->tenant};
    draft d;
    int len = snprintf(id, sizeof(id), "%.*s:%s", RT_STR_ARG(order->id), kinds[r->kind].suffix);

    if (review != NULL && review->nth > 1) {
        len += snprintf(id + len, sizeof(id) - (size_t)len, "%u", review->nth);
    }
    RT_ASSERT(len > 0 && len < (int)sizeof(id));
    head.id = (rt_str){id, (size_t)len};
    rt_mpw_clear(&o->body);
    draft_begin(&d, &o->body, &head);
    if (review != NULL) {
        write_feedback(&d, order, review);
    } else {
        write_data(&d, r->kind, order);
    }
    draft_end(&d);
}

static rt_err
next_event(void *self, stream_event *ret_event)
{
    olist *o = self;
    const ref *r = NULL;

    if (o->next == o->count) {
        return RT_EEND;
    }
    r = &o->refs[o->next++];
    write_event(o, r);
    if (o->body.failed) {
        return rt_fail(RT_ELIMIT, "an event exceeds %d bytes", EVENT_BYTES_MAX);
    }
    *ret_event = (stream_event){r->time_ms, rt_mpw_view(&o->body)};
    return RT_OK;
}

static void
close_olist(void *self)
{
    olist *o = self;

    rt_mpw_fini(&o->body);
    olist_tables_free(o->tables);
    rt_free(o->refs);
    rt_free(o);
}

// Keys become part of ids and subjects: one that is too long for them is refused here.
static rt_err
check_keys(const olist_tables *tables)
{
    for (size_t i = 0; i < tables->order_count; i++) {
        const olist_order *order = &tables->orders[i];

        if (order->id.len == 0 || order->id.len > 64 || order->customer.len > 64) {
            return rt_fail(RT_EPROTO, "order \"%.*s\": keys have 1 to 64 characters",
                           RT_STR_ARG(order->id));
        }
    }
    return RT_OK;
}

rt_err
olist_open(const char *dir, rt_str tenant, stream *ret_stream, olist_counts *ret_counts)
{
    olist_tables *tables = NULL;
    olist *o = NULL;
    rt_err err = olist_tables_load(dir, &tables);

    err = err == RT_OK ? check_keys(tables) : err;
    if (err != RT_OK) {
        olist_tables_free(tables);
        return err;
    }
    o = rt_new(olist);
    o->tables = tables;
    o->tenant = tenant;
    rt_mpw_init(&o->body, EVENT_BYTES_MAX);
    o->counts.orders = tables->order_count;
    o->counts.reviews_without_order = tables->reviews_without_order;
    for (uint32_t row = 0; row < tables->order_count; row++) {
        push_order(o, row);
    }
    for (uint32_t row = 0; row < tables->review_count; row++) {
        push(o, OLIST_FEEDBACK, row, tables->reviews[row].answered_ms);
    }
    if (o->count > 0) {
        qsort(o->refs, o->count, sizeof(ref), compare_refs);
    }
    *ret_stream = (stream){.self = o,
                           .next = next_event,
                           .close = close_olist,
                           .first_ms = o->count > 0 ? o->refs[0].time_ms : 0,
                           .last_ms = o->count > 0 ? o->refs[o->count - 1].time_ms : 0,
                           .total = o->count};
    if (ret_counts != NULL) {
        *ret_counts = o->counts;
    }
    return RT_OK;
}
