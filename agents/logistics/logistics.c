// Design notes.
//
// Handlers read as: find the order, pass the stages of its time that lie behind it (turn.c), then
// do what the event means.
//
// Times are those at which things happened (event->time_ms). The one exception is a timer: it is
// due by the brain's clock, so a stage is passed when either clock has reached it.
#include "agents/logistics/logistics.h"

#include "agents/logistics/internal.h"
#include "agents/logistics/remaining.h"

#define ETA_RISK 0.75         // the carrier itself expects to be late
#define RESCHEDULED_RISK 0.95 // the next attempt lies behind the promise

static double
number_at(const rt_event *event, int slot)
{
    return rt_value_as_f64(event->slots[slot], -1);
}

static rt_err
on_timer(br_agent *self, void *state, const rt_event *event)
{
    logistics__turn t = logistics__turn_of(self, state, event);
    int64_t now_ms = RT_MAX(event->time_ms, event->at_ms);
    rt_err err = t.order != NULL ? logistics__catch_up(&t, now_ms + 1) : RT_OK; // due at now is due

    return err == RT_OK && t.order != NULL ? logistics__set_timer(&t) : err;
}

// --- an order's life ---

static logistics_purchase
purchase_of(const logistics__turn *t)
{
    const rt_event *event = t->event;
    const logistics__slots *s = &t->st->slots;

    return (logistics_purchase){
        .parties = {.seller = logistics__text_at(event, s->created_seller),
                    .seller_state = logistics__text_at(event, s->created_seller_state),
                    .state = logistics__text_at(event, s->created_state),
                    .carrier = logistics__text_at(event, s->created_carrier)},
        .created_at_ms = event->time_ms,
        .promised_at_ms = rt_value_as_i64(event->slots[s->created_promised], event->time_ms),
        .utc_offset_ms = br_agent_utc_offset_ms(t->self, event->tenant),
        .value = number_at(event, s->created_value),
        .freight = number_at(event, s->created_freight),
        .weight_g = number_at(event, s->created_weight),
        .items = number_at(event, s->created_items),
    };
}

// Begins to follow an order, unless there are too many.
static void
remember(logistics__turn *t, const logistics_purchase *purchase, const double *features,
         double shift)
{
    const logistics__slots *s = &t->st->slots;
    rt_str texts[LOGISTICS_TEXTS] = {
        [LOGISTICS_CUSTOMER] = logistics__text_at(t->event, s->created_customer),
        [LOGISTICS_CITY] = logistics__text_at(t->event, s->created_city),
        [LOGISTICS_STATE] = purchase->parties.state,
        [LOGISTICS_SELLER] = purchase->parties.seller,
        [LOGISTICS_SELLER_STATE] = purchase->parties.seller_state,
    };

    if (rt_table_count(t->st->orders) >= t->st->orders_max) {
        return;
    }
    t->order = logistics_order_new(t->st->orders, t->event->tenant, t->id, texts);
    memcpy(t->order->features, features, sizeof(t->order->features));
    t->order->value = purchase->value;
    t->order->transit_shift = shift;
    t->order->created_at_ms = purchase->created_at_ms;
    t->order->promised_at_ms = purchase->promised_at_ms;
    if (s->created_ship_by >= 0) {
        t->order->ship_by_ms = rt_value_as_i64(t->event->slots[s->created_ship_by], 0);
    }
    logistics_order_set_carrier(t->order, purchase->parties.carrier);
}

static rt_err
on_created(br_agent *self, void *state, const rt_event *event)
{
    logistics__turn t = logistics__turn_of(self, state, event);
    logistics_purchase purchase = purchase_of(&t);
    double features[LOGISTICS_FEATURES];
    double shift = 0;
    bool proposed = false;
    logistics_risk risk;
    rt_err err;

    if (t.id.len == 0 || t.order != NULL) {
        return RT_OK; // nothing to follow, or told twice
    }
    logistics_delay_features(&t.st->model, event->tenant, &purchase, features, &shift);
    err = logistics_delay_predict(&t.st->model, event->tenant, features, &risk);
    if (err == RT_OK) {
        err = logistics_say_risk(logistics__speaker_of(&t), &risk, features);
    }
    if (err == RT_OK) {
        err = logistics_delay_placed(&t.st->model, event->tenant, &purchase);
    }
    if (err != RT_OK) {
        return err;
    }
    logistics_carriers_seen(&t.st->carriers, event->tenant, purchase.parties.carrier);
    remember(&t, &purchase, features, shift);
    if (t.order == NULL) {
        return RT_OK;
    }
    t.order->risk = risk.probability;
    err = logistics__set_timer(&t);
    return err == RT_OK ? logistics__propose_carrier(&t, purchase.parties.carrier, &proposed) : err;
}

// The carrier has the order since the time of this event.
static rt_err
ship(logistics__turn *t)
{
    logistics_parties parties;

    if (!logistics__is_open(t) || t->order->shipped_at_ms != 0 ||
        t->event->time_ms <= t->order->created_at_ms) {
        return RT_OK; // a scan before the purchase is a clerical error
    }
    t->order->shipped_at_ms = t->event->time_ms;
    parties = logistics_order_parties(t->order);
    return logistics_delay_shipped(&t->st->model, t->event->tenant, &parties,
                                   t->order->created_at_ms, t->event->time_ms,
                                   t->order->ship_by_ms);
}

static rt_err
on_shipped(br_agent *self, void *state, const rt_event *event)
{
    logistics__turn t = logistics__turn_of(self, state, event);
    rt_err err = logistics__catch_up(&t, event->time_ms);

    logistics__note_carrier(&t, logistics__text_at(event, t.st->slots.shipped_carrier));
    return err == RT_OK ? ship(&t) : err;
}

// Learns how long things took. The order's delivered_at_ms is set.
static rt_err
learn_times(logistics__turn *t)
{
    const logistics_order *order = t->order;
    logistics_parties parties = logistics_order_parties(order);
    rt_err err = RT_OK;

    if (order->shipped_at_ms != 0) {
        err = logistics_delay_delivered(&t->st->model, t->event->tenant, &parties,
                                        order->shipped_at_ms, order->delivered_at_ms);
    }
    if (err == RT_OK && order->shipped_at_ms != 0) {
        err = logistics_carriers_transit(
            &t->st->carriers, t->event->tenant, parties.carrier,
            logistics_order_text(order, LOGISTICS_CITY), order->delivered_at_ms,
            logistics__days_between(order->shipped_at_ms, order->delivered_at_ms));
    }
    for (logistics_scan i = 0; i < LOGISTICS_SCANS && err == RT_OK; i++) {
        if (order->scanned_at_ms[i] != 0) {
            err = logistics_remaining_add(
                &t->st->model, t->event->tenant, parties.carrier, i, order->delivered_at_ms,
                logistics__days_between(order->scanned_at_ms[i], order->delivered_at_ms),
                order->transit_shift);
        }
    }
    return err;
}

// Learns that the order arrived; whether it came in time is learned when its promise passes.
static rt_err
learn_arrival(logistics__turn *t)
{
    const logistics_order *order = t->order;
    logistics_parties parties = logistics_order_parties(order);
    rt_str city = logistics_order_text(order, LOGISTICS_CITY);
    rt_err err = logistics_carriers_attempt(&t->st->carriers, t->event->tenant, parties.carrier,
                                            city, order->delivered_at_ms, false);

    if (err == RT_OK && order->label == LOGISTICS_LABEL_LATE) {
        err = logistics_delay_found(&t->st->model, t->event->tenant, order->delivered_at_ms,
                                    order->shipped_at_ms != 0, true);
    }
    return err;
}

static rt_err
on_delivered(br_agent *self, void *state, const rt_event *event)
{
    logistics__turn t = logistics__turn_of(self, state, event);
    bool is_overdue = false;
    // What has arrived needs no warning: the stages are passed in silence.
    rt_err err = logistics__pass_stages(&t, event->time_ms, &is_overdue);

    logistics__note_carrier(&t, logistics__text_at(event, t.st->slots.delivered_carrier));
    if (err != RT_OK || !logistics__is_open(&t)) {
        return err;
    }
    t.order->delivered_at_ms = RT_MAX(event->time_ms, 1);
    err = learn_times(&t);
    if (err == RT_OK) {
        err = learn_arrival(&t);
    }
    if (t.order->stage == LOGISTICS_STAGE_LOST) { // else half-way and promise have to come first
        t.order->stage = LOGISTICS_STAGE_DROP;
    }
    return err == RT_OK ? logistics__set_timer(&t) : err;
}

static rt_err
on_cancelled(br_agent *self, void *state, const rt_event *event)
{
    logistics__turn t = logistics__turn_of(self, state, event);
    rt_str reason = logistics__text_at(event, t.st->slots.cancelled_reason);
    bool is_overdue = false;
    rt_err err = RT_OK;

    if (t.id.len == 0) {
        return RT_OK;
    }
    err = logistics__pass_stages(&t, event->time_ms, &is_overdue);
    if (err == RT_OK && logistics__is_open(&t)) { // what was delivered still has to teach it
        logistics_order_del(t.st->orders, event->tenant, t.id);
        err = br_timer_set(self, t.id, 0, event->subject);
    }
    if (err != RT_OK) {
        return err;
    }
    return logistics_say_veto(logistics__speaker_of(&t), t.id,
                              rt_arena_printf(br_agent_arena(self), "the order was cancelled%s%.*s",
                                              reason.len > 0 ? ": " : "", RT_STR_ARG(reason)));
}

// --- on the way ---

// The guide's own subject is the guide: the order is named inside.
static rt_err
take_guide(br_agent *self, void *state, const rt_event *event, int order_slot, int carrier_slot)
{
    logistics__turn t = {.self = self,
                         .st = state,
                         .event = event,
                         .id = logistics__text_at(event, order_slot)};

    if (t.id.len > 0) {
        t.order = logistics_order_edit(t.st->orders, event->tenant, t.id);
    }
    logistics__note_carrier(&t, logistics__text_at(event, carrier_slot));
    return RT_OK;
}

static rt_err
on_guide_created(br_agent *self, void *state, const rt_event *event)
{
    const logistics__slots *s = &((logistics__state *)state)->slots;

    return take_guide(self, state, event, s->guide_order, s->guide_carrier);
}

static rt_err
on_guide_updated(br_agent *self, void *state, const rt_event *event)
{
    const logistics__slots *s = &((logistics__state *)state)->slots;

    return take_guide(self, state, event, s->guide_updated_order, s->guide_updated_carrier);
}

static logistics_scan
scan_of(rt_str status)
{
    static const char *const names[LOGISTICS_SCANS] = {"picked_up", "in_transit", "at_hub",
                                                       "out_for_delivery", "exception"};
    size_t i = 0;

    while (i < RT_COUNT(names) && !rt_str_is(status, names[i])) {
        i++;
    }
    return (logistics_scan)i; // RT_COUNT(names) is LOGISTICS_SCAN_NONE
}

// The chance to be late by what the carrier has scanned, and by what it expects itself.
static logistics_delay
risk_on_the_way(const logistics__turn *t)
{
    const logistics_order *order = t->order;
    int64_t now_ms = t->event->time_ms;
    int64_t eta_ms = rt_value_as_i64(t->event->slots[t->st->slots.tracking_eta], 0);
    logistics_remaining remaining = logistics_remaining_read(
        &t->st->model, t->event->tenant, logistics_order_carrier(order),
        (logistics_scan)order->scan, now_ms, order->transit_shift);
    double waited = logistics__days_between(order->scanned_at_ms[order->scan], now_ms);
    double left = logistics__days_between(now_ms, order->promised_at_ms);
    logistics_delay delay = {
        .risk = logistics_progress_risk(remaining.mean, remaining.sd, waited, left),
        .at_ms = now_ms,
        .why = "the way left is longer than the time left",
    };

    if (eta_ms > order->promised_at_ms && delay.risk < ETA_RISK) {
        delay.risk = ETA_RISK;
        delay.why = "the carrier itself expects to arrive after the promise";
    }
    return delay;
}

static rt_err
on_tracking(br_agent *self, void *state, const rt_event *event)
{
    logistics__turn t = logistics__turn_of(self, state, event);
    logistics_scan scan = scan_of(logistics__text_at(event, t.st->slots.tracking_status));
    rt_err err = logistics__catch_up(&t, event->time_ms);

    logistics__note_carrier(&t, logistics__text_at(event, t.st->slots.tracking_carrier));
    if (err != RT_OK || !logistics__is_open(&t) || scan == LOGISTICS_SCAN_NONE) {
        return err;
    }
    if (scan != LOGISTICS_SCAN_EXCEPTION) {
        err = ship(&t); // for carriers that send scans only
    }
    t.order->scan = (uint8_t)scan;
    if (t.order->scanned_at_ms[scan] == 0) {
        t.order->scanned_at_ms[scan] = event->time_ms;
    }
    if (err == RT_OK && t.order->warned == 0 && t.order->label == LOGISTICS_LABEL_NONE) {
        logistics_delay delay = risk_on_the_way(&t);

        if (delay.risk >= t.st->risk_threshold) {
            err = logistics__warn(&t, &delay);
            t.order->warned = 1; // also when there was nobody to ask
        }
    }
    return err;
}

static rt_err
on_failed(br_agent *self, void *state, const rt_event *event)
{
    logistics__turn t = logistics__turn_of(self, state, event);
    const logistics__slots *s = &t.st->slots;
    int64_t offset_ms = br_agent_utc_offset_ms(self, event->tenant);
    int64_t attempt = rt_value_as_i64(event->slots[s->failed_attempt], 1);
    logistics_delay delay = {.risk = RESCHEDULED_RISK,
                             .at_ms = event->time_ms,
                             .why = "the next attempt comes after the promise"};
    logistics_fail_reason reason;
    logistics_window window;
    rt_str carrier = logistics__text_at(event, s->failed_carrier);
    rt_str city = logistics__text_at(event, s->failed_city);
    rt_err err = logistics__catch_up(&t, event->time_ms);

    logistics__note_carrier(&t, carrier);
    if (err == RT_OK) {
        err = logistics_carriers_attempt(&t.st->carriers, event->tenant, carrier, city,
                                         event->time_ms, true);
    }
    if (err != RT_OK || t.id.len == 0 || (t.order != NULL && !logistics__is_open(&t)) ||
        !logistics_fail_reason_parse(logistics__text_at(event, s->failed_reason), &reason)) {
        return err;
    }
    window = logistics_reschedule(reason, attempt, event->time_ms + offset_ms);
    if (!window.wanted) {
        return RT_OK;
    }
    err = logistics_say_reschedule(logistics__speaker_of(&t), t.id, &window, attempt);
    if (err == RT_OK && t.order != NULL && t.order->warned == 0 &&
        t.order->label == LOGISTICS_LABEL_NONE &&
        window.from_local_ms - offset_ms > t.order->promised_at_ms) {
        t.order->warned = 1; // before: a new attempt is asked for, not a faster one
        err = logistics_say_delay(logistics__speaker_of(&t), t.id, t.order, &delay);
    }
    return err;
}

// --- carriers ---

static rt_str
carrier_of(const rt_event *event)
{
    rt_str kind;
    rt_str name;

    if (rt_subject_split(event->subject, &kind, &name) && rt_str_is(kind, "carrier")) {
        return name;
    }
    return RT_STR("");
}

static rt_err
on_status(br_agent *self, void *state, const rt_event *event)
{
    logistics__state *st = state;
    rt_str carrier = carrier_of(event);
    rt_str city = logistics__text_at(event, st->slots.status_city);
    logistics_health health;

    (void)self; // nothing is said: a carrier that is down is not chosen
    logistics_carriers_seen(&st->carriers, event->tenant, carrier);
    if (logistics_health_parse(logistics__text_at(event, st->slots.status_status), &health)) {
        logistics_carriers_health(&st->carriers, event->tenant, carrier, city, event->time_ms,
                                  health);
    }
    return RT_OK;
}

static rt_err
on_capacity(br_agent *self, void *state, const rt_event *event)
{
    logistics__state *st = state;
    rt_str carrier = carrier_of(event);
    rt_str city = logistics__text_at(event, st->slots.capacity_city);
    int64_t capacity = rt_value_as_i64(event->slots[st->slots.capacity_capacity], 0);
    int64_t load = rt_value_as_i64(event->slots[st->slots.capacity_load], 0);
    logistics_speaker speaker = {self, &st->scratch};

    logistics_carriers_seen(&st->carriers, event->tenant, carrier);
    if (!logistics_carriers_capacity(&st->carriers, event->tenant, carrier, city, event->time_ms,
                                     capacity, load, st->capacity_alert)) {
        return RT_OK;
    }
    return logistics_say_capacity(speaker, carrier, city, capacity, load);
}

static rt_err
on_model_reset(br_agent *self, void *state, const rt_event *event)
{
    logistics__state *st = state;

    (void)self; // nothing is said
    if (rt_str_is(logistics__text_at(event, st->slots.reset_model), "delay-risk")) {
        logistics_delay_reset(&st->model, event->tenant);
    }
    return RT_OK;
}

static const br_handler handlers[] = {
    {"order.created", on_created},
    {"order.shipped", on_shipped},
    {"order.delivered", on_delivered},
    {"order.cancelled", on_cancelled},
    {"guide.created", on_guide_created},
    {"guide.updated", on_guide_updated},
    {"tracking.updated", on_tracking},
    {"delivery.failed", on_failed},
    {"carrier.status", on_status},
    {"carrier.capacity", on_capacity},
    {"model.reset", on_model_reset},
    {"timer.fired", on_timer},
};

const br_agent_def logistics_agent = {
    .id = 1,
    .name = "logistics",
    .doc = "Forecasts delays, chooses carriers, and speaks up when an order will be late.",
    .state_size = sizeof(logistics__state),
    .init = logistics__init,
    .fini = logistics__fini,
    .handlers = handlers,
    .handler_count = RT_COUNT(handlers),
    .params = logistics__params,
    .param_count = LOGISTICS__PARAMS,
};
