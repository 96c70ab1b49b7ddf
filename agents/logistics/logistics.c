// Design notes.
//
// An order has one durable timer that is moved from stage to stage: half of the promised time, the
// promise, 45 days overdue, a day after it was resolved. What a stage means is done at its own time
// even when the timer comes late: every event of the order first passes the stages that lie behind it
// (pass_stages), so that the result does not depend on how punctual timers are.
//
// Times are those at which things happened (event->time_ms). The one exception is a timer: it is due
// by the brain's clock, so a stage is passed when either clock has reached it.
#include "agents/logistics/logistics.h"

#include "agents/logistics/carriers.h"
#include "agents/logistics/delay_model.h"
#include "agents/logistics/order.h"
#include "agents/logistics/policy.h"
#include "agents/logistics/say.h"
#include "brain/agent/agent.h"
#include "runtime/base/check.h"

#define DAY_MS INT64_C(86400000)
#define LOST_AFTER_MS (45 * DAY_MS)
#define ARGS_BYTES_MAX 4096
#define ETA_RISK 0.75         // the carrier itself expects to be late
#define RESCHEDULED_RISK 0.95 // the next attempt lies behind the promise

typedef struct slots {
    int created_customer, created_city, created_state, created_carrier, created_value;
    int created_freight, created_items, created_weight, created_seller, created_seller_state;
    int created_promised;
    int created_ship_by; // -1: the catalogue has none
    int shipped_carrier;
    int delivered_carrier;
    int cancelled_reason;
    int guide_order, guide_carrier, guide_updated_order, guide_updated_carrier;
    int tracking_carrier, tracking_status, tracking_eta;
    int failed_carrier, failed_city, failed_attempt, failed_reason;
    int status_status, status_city;
    int capacity_city, capacity_capacity, capacity_load;
    int reset_model;
} slots;

typedef struct logistics_state {
    rt_table *orders;
    logistics_delay_model model;
    logistics_carriers carriers;
    double risk_threshold;
    double reassign_margin;
    double capacity_alert;
    size_t orders_max;
    int64_t keep_ms;
    slots slots;
    rt_mpw scratch;
} logistics_state;

static const rt_param params[] = {
    {"risk_threshold", RT_PARAM_F64, "0.6", 0.05, 1, "",
     "Chance of being late at which a delay is announced before it happens."},
    {"reassign_margin", RT_PARAM_F64, "0.15", 0.01, 1, "",
     "How much better (0..1) another carrier must be before an order is moved to it."},
    {"capacity_alert", RT_PARAM_F64, "0.9", 0.1, 2, "",
     "Load by capacity of a carrier in a city at which operations are told."},
    {"price_scale", RT_PARAM_F64, "0", 0, 1000000, "",
     "Currency units per Brazilian real for the delay model; 0 learns it from the orders."},
    {"orders_max", RT_PARAM_I64, "1000000", 1, 4000000, "orders",
     "Open orders followed at a time; further ones are only forecast."},
    {"entities_max", RT_PARAM_I64, "500000", 10, 10000000, "rows",
     "Sellers, states, routes, carriers and cities of which statistics are kept."},
    {"keep_resolved", RT_PARAM_DURATION_MS, "24h", 0, 2592000000, "ms",
     "How long a resolved order is remembered, against stragglers."},
    {"carrier_status_age", RT_PARAM_DURATION_MS, "72h", 60000, 31536000000, "ms",
     "How long a carrier counts as down or degraded without hearing of it again."},
    {"capacity_age", RT_PARAM_DURATION_MS, "36h", 60000, 31536000000, "ms",
     "How long a reported capacity holds."},
};

// --- start ---

static const struct {
    const char *event;
    const char *field;
    size_t offset;
} bindings[] = {
#define BIND(event, field, member) {event, field, offsetof(slots, member)}
    BIND("order.created", "customer_id", created_customer),
    BIND("order.created", "city", created_city),
    BIND("order.created", "state", created_state),
    BIND("order.created", "carrier", created_carrier),
    BIND("order.created", "value", created_value),
    BIND("order.created", "freight", created_freight),
    BIND("order.created", "items", created_items),
    BIND("order.created", "weight_g", created_weight),
    BIND("order.created", "seller_id", created_seller),
    BIND("order.created", "seller_state", created_seller_state),
    BIND("order.created", "promised_at", created_promised),
    BIND("order.shipped", "carrier", shipped_carrier),
    BIND("order.delivered", "carrier", delivered_carrier),
    BIND("order.cancelled", "reason", cancelled_reason),
    BIND("guide.created", "order_id", guide_order),
    BIND("guide.created", "carrier", guide_carrier),
    BIND("guide.updated", "order_id", guide_updated_order),
    BIND("guide.updated", "carrier", guide_updated_carrier),
    BIND("tracking.updated", "carrier", tracking_carrier),
    BIND("tracking.updated", "status", tracking_status),
    BIND("tracking.updated", "eta_at", tracking_eta),
    BIND("delivery.failed", "carrier", failed_carrier),
    BIND("delivery.failed", "city", failed_city),
    BIND("delivery.failed", "attempt", failed_attempt),
    BIND("delivery.failed", "reason", failed_reason),
    BIND("carrier.status", "status", status_status),
    BIND("carrier.status", "city", status_city),
    BIND("carrier.capacity", "city", capacity_city),
    BIND("carrier.capacity", "capacity", capacity_capacity),
    BIND("carrier.capacity", "load", capacity_load),
    BIND("model.reset", "model", reset_model),
#undef BIND
};

static rt_err
bind_slots(br_agent *self, slots *s)
{
    const rt_event_type *created =
        rt_catalog_find(br_agent_catalog(self), RT_STR("order.created"));
    rt_err err = RT_OK;

    for (size_t i = 0; i < RT_COUNT(bindings) && err == RT_OK; i++) {
        int *slot = (int *)(void *)((uint8_t *)s + bindings[i].offset);

        err = br_agent_bind(self, bindings[i].event, bindings[i].field, slot);
    }
    if (err == RT_OK) {
        // Few shops tell by when the seller must hand over; without it the feature stays neutral.
        s->created_ship_by = rt_event_type_slot(created, RT_STR("ship_by_at"));
    }
    return err;
}

static rt_err
init(br_agent *self, void *state)
{
    logistics_state *st = state;
    size_t entities_max = (size_t)br_agent_param_i64(self, "entities_max");
    rt_err err = br_agent_table(self, 0, "orders", &st->orders);

    if (err == RT_OK) {
        err = br_agent_table(self, 1, "stats", &st->model.stats);
    }
    if (err == RT_OK) {
        err = br_agent_table(self, 2, "models", &st->model.models);
    }
    if (err == RT_OK) {
        err = br_agent_table(self, 3, "carriers", &st->carriers.table);
    }
    if (err == RT_OK) {
        err = bind_slots(self, &st->slots);
    }
    st->model.price_scale = br_agent_param_f64(self, "price_scale");
    st->model.entities_max = entities_max;
    st->carriers.rows_max = entities_max;
    st->carriers.status_age_ms = br_agent_param_i64(self, "carrier_status_age");
    st->carriers.capacity_age_ms = br_agent_param_i64(self, "capacity_age");
    st->risk_threshold = br_agent_param_f64(self, "risk_threshold");
    st->reassign_margin = br_agent_param_f64(self, "reassign_margin");
    st->capacity_alert = br_agent_param_f64(self, "capacity_alert");
    st->orders_max = (size_t)br_agent_param_i64(self, "orders_max");
    st->keep_ms = br_agent_param_i64(self, "keep_resolved");
    rt_mpw_init(&st->scratch, ARGS_BYTES_MAX);
    return err == RT_OK ? logistics_delay_check(&st->model) : err;
}

static void
fini(br_agent *self, void *state)
{
    logistics_state *st = state;

    (void)self; // nothing of the agent is held
    rt_mpw_fini(&st->scratch);
}

// --- small things ---

// One order in a handler: the agent, the event and the row.
typedef struct turn {
    br_agent *self;
    logistics_state *st;
    const rt_event *event;
    rt_str id;
    logistics_order *order; // NULL: not followed
} turn;

static rt_str
text_at(const rt_event *event, int slot)
{
    const rt_value *value = &event->slots[slot];

    return value->kind == RT_KIND_STR ? value->s : RT_STR("");
}

static double
number_at(const rt_event *event, int slot)
{
    return rt_value_as_f64(event->slots[slot], -1);
}

static logistics_speaker
speaker_of(const turn *t)
{
    return (logistics_speaker){t->self, &t->st->scratch};
}

static turn
turn_of(br_agent *self, void *state, const rt_event *event)
{
    turn t = {.self = self, .st = state, .event = event};
    rt_str kind;
    rt_str id;

    if (rt_subject_split(event->subject, &kind, &id) && rt_str_is(kind, "order") && id.len > 0) {
        t.id = id;
        t.order = logistics_order_edit(t.st->orders, event->tenant, id);
    }
    return t;
}

static bool
is_open(const turn *t)
{
    return t->order != NULL && t->order->delivered_at_ms == 0;
}

static void
note_carrier(turn *t, rt_str carrier)
{
    if (carrier.len == 0 ||
        (t->order != NULL && rt_str_equal(logistics_order_carrier(t->order), carrier))) {
        return;
    }
    logistics_carriers_seen(&t->st->carriers, t->event->tenant, carrier);
    if (is_open(t)) {
        logistics_order_set_carrier(t->order, carrier);
    }
}

static double
days_between(int64_t from_ms, int64_t to_ms)
{
    return ((double)to_ms - (double)from_ms) / (double)DAY_MS;
}

// --- which carrier ---

static size_t
find_option(const logistics_option *options, size_t count, rt_str carrier)
{
    size_t i = 0;

    while (i < count && !rt_str_equal(options[i].carrier, carrier)) {
        i++;
    }
    return i;
}

// Whether moving an order is worth the trouble; a carrier nobody knows is left only for a known one.
static bool
is_clearly_better(const logistics_state *st, const logistics_choice *choice, size_t now, size_t count)
{
    if (now == choice->best) {
        return false;
    }
    return now == count || choice->best_score >= choice->second_score + st->reassign_margin;
}

// Proposes the best carrier: to an order without one always, to another only when it is clearly
// better than the one it has. *ret_proposed tells whether it did.
static rt_err
propose_carrier(turn *t, rt_str from, bool *ret_proposed)
{
    const logistics_carriers *carriers = &t->st->carriers;
    logistics_option options[LOGISTICS_OPTIONS_MAX];
    logistics_verdict v = {
        .options = options,
        .city = logistics_order_text(t->order, LOGISTICS_CITY),
        .from = from,
        .days_left = days_between(t->event->time_ms, t->order->promised_at_ms),
    };
    size_t count = logistics_carriers_options(carriers, t->event->tenant, v.city,
                                              t->event->time_ms, options);
    size_t now = count;
    rt_err err;

    *ret_proposed = false;
    if (count < 2 || !logistics_choose(options, count, v.days_left, &v.choice)) {
        return RT_OK;
    }
    now = find_option(options, count, from);
    if (from.len > 0 && now < count) {
        logistics_choice_against(&v.choice, options, now, v.days_left);
    }
    if (from.len > 0 && !is_clearly_better(t->st, &v.choice, now, count)) {
        return RT_OK;
    }
    err = logistics_say_carrier(speaker_of(t), t->id, &v);
    if (err == RT_OK) {
        *ret_proposed = true;
        logistics_carriers_assigned(carriers, t->event->tenant, options[v.choice.best].carrier,
                                    v.city);
    }
    return err;
}

// Says that the order is or will be late, and what could still help.
static rt_err
warn(turn *t, const logistics_delay *delay)
{
    rt_str carrier = logistics_order_carrier(t->order);
    bool can_move = t->order->shipped_at_ms == 0 || t->order->scan == LOGISTICS_SCAN_AT_HUB;
    bool moved = false;
    rt_err err = logistics_say_delay(speaker_of(t), t->id, t->order, delay);

    if (t->order->warned != 0 || carrier.len == 0) {
        return err; // asked before, or nobody to ask
    }
    t->order->warned = 1;
    if (err == RT_OK && can_move) {
        err = propose_carrier(t, carrier, &moved);
    }
    if (err == RT_OK && !moved) {
        err = logistics_say_expedite(speaker_of(t), t->id, carrier, delay);
    }
    return err;
}

// --- stages of an order's time ---

static int64_t
stage_due_ms(const logistics_state *st, const logistics_order *order)
{
    switch ((logistics_stage)order->stage) {
    case LOGISTICS_STAGE_HALF:
        return logistics_order_half_ms(order);
    case LOGISTICS_STAGE_PROMISE:
        return order->promised_at_ms;
    case LOGISTICS_STAGE_LOST:
        return order->promised_at_ms + LOST_AFTER_MS;
    case LOGISTICS_STAGE_DROP:
        return order->delivered_at_ms + st->keep_ms;
    }
    RT_UNREACHABLE("stages are listed above");
}

static rt_err
set_timer(const turn *t)
{
    int64_t due_ms = RT_MAX(stage_due_ms(t->st, t->order), 1);

    return br_timer_set(t->self, t->id, due_ms, t->event->subject);
}

static rt_err
pass_half(turn *t)
{
    logistics_parties parties = logistics_order_parties(t->order);
    bool open = is_open(t);

    t->order->stage = open ? LOGISTICS_STAGE_PROMISE : LOGISTICS_STAGE_DROP;
    return logistics_delay_half(&t->st->model, t->event->tenant, &parties,
                                logistics_order_half_ms(t->order), open);
}

static rt_err
pass_promise(turn *t)
{
    logistics_parties parties = logistics_order_parties(t->order);
    rt_err err;

    t->order->stage = LOGISTICS_STAGE_LOST;
    t->order->label = LOGISTICS_LABEL_LATE;
    err = logistics_delay_label(&t->st->model, t->event->tenant, &parties, t->order->features,
                                t->order->promised_at_ms, true, t->order->shipped_at_ms != 0);
    if (err == RT_OK) {
        err = logistics_carriers_result(&t->st->carriers, t->event->tenant, parties.carrier,
                                        logistics_order_text(t->order, LOGISTICS_CITY),
                                        t->order->promised_at_ms, false);
    }
    return err;
}

static rt_err
pass_lost(turn *t)
{
    rt_err err = logistics_delay_found(&t->st->model, t->event->tenant,
                                       t->order->promised_at_ms + LOST_AFTER_MS,
                                       t->order->shipped_at_ms != 0, false);

    logistics_order_del(t->st->orders, t->event->tenant, t->id);
    t->order = NULL;
    return err;
}

// Passes every stage that lies before `now_ms`; *ret_overdue tells that the promise was one of them.
// The order may be gone afterwards.
static rt_err
pass_stages(turn *t, int64_t now_ms, bool *ret_overdue)
{
    rt_err err = RT_OK;

    *ret_overdue = false;
    while (err == RT_OK && t->order != NULL && stage_due_ms(t->st, t->order) < now_ms) {
        switch ((logistics_stage)t->order->stage) {
        case LOGISTICS_STAGE_HALF:
            err = pass_half(t);
            break;
        case LOGISTICS_STAGE_PROMISE:
            err = pass_promise(t);
            *ret_overdue = true;
            break;
        case LOGISTICS_STAGE_LOST:
            err = pass_lost(t);
            break;
        case LOGISTICS_STAGE_DROP:
            logistics_order_del(t->st->orders, t->event->tenant, t->id);
            t->order = NULL;
            break;
        }
    }
    return err;
}

// Passes stages before an event that finds the order still open, and speaks of an overdue promise.
static rt_err
catch_up(turn *t, int64_t now_ms)
{
    logistics_delay delay = {.risk = 1, .at_ms = now_ms, .why = "the promised time has passed"};
    bool is_overdue = false;
    rt_err err = pass_stages(t, now_ms, &is_overdue);

    return err == RT_OK && is_overdue && is_open(t) ? warn(t, &delay) : err;
}

static rt_err
on_timer(br_agent *self, void *state, const rt_event *event)
{
    turn t = turn_of(self, state, event);
    int64_t now_ms = RT_MAX(event->time_ms, event->at_ms);
    rt_err err = t.order != NULL ? catch_up(&t, now_ms + 1) : RT_OK; // due at now is due

    return err == RT_OK && t.order != NULL ? set_timer(&t) : err;
}

// --- an order's life ---

static logistics_purchase
purchase_of(const turn *t)
{
    const rt_event *event = t->event;
    const slots *s = &t->st->slots;

    return (logistics_purchase){
        .parties = {.seller = text_at(event, s->created_seller),
                    .seller_state = text_at(event, s->created_seller_state),
                    .state = text_at(event, s->created_state),
                    .carrier = text_at(event, s->created_carrier)},
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
remember(turn *t, const logistics_purchase *purchase, const double *features, double shift)
{
    const slots *s = &t->st->slots;
    rt_str texts[LOGISTICS_TEXTS] = {
        [LOGISTICS_CUSTOMER] = text_at(t->event, s->created_customer),
        [LOGISTICS_CITY] = text_at(t->event, s->created_city),
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
    turn t = turn_of(self, state, event);
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
        err = logistics_say_risk(speaker_of(&t), &risk, features);
    }
    if (err == RT_OK) {
        err = logistics_delay_priced(&t.st->model, event->tenant, event->time_ms, purchase.value);
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
    err = set_timer(&t);
    return err == RT_OK ? propose_carrier(&t, purchase.parties.carrier, &proposed) : err;
}

// The carrier has the order since the time of this event.
static rt_err
ship(turn *t)
{
    logistics_parties parties;

    if (!is_open(t) || t->order->shipped_at_ms != 0 ||
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
    turn t = turn_of(self, state, event);
    rt_err err = catch_up(&t, event->time_ms);

    note_carrier(&t, text_at(event, t.st->slots.shipped_carrier));
    return err == RT_OK ? ship(&t) : err;
}

// Learns how long things took. The order's delivered_at_ms is set.
static rt_err
learn_times(turn *t)
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
            days_between(order->shipped_at_ms, order->delivered_at_ms));
    }
    for (size_t i = 0; i < LOGISTICS_SCANS && err == RT_OK; i++) {
        if (order->scanned_at_ms[i] != 0) {
            err = logistics_remaining_add(
                &t->st->model, t->event->tenant, parties.carrier, i, order->delivered_at_ms,
                days_between(order->scanned_at_ms[i], order->delivered_at_ms),
                order->transit_shift);
        }
    }
    return err;
}

// Learns the outcome, which is the label unless the promise had passed before.
static rt_err
learn_outcome(turn *t)
{
    logistics_order *order = t->order;
    logistics_parties parties = logistics_order_parties(order);
    rt_str city = logistics_order_text(order, LOGISTICS_CITY);
    rt_err err = logistics_carriers_attempt(&t->st->carriers, t->event->tenant, parties.carrier,
                                            city, order->delivered_at_ms, false);

    if (err != RT_OK) {
        return err;
    }
    if (order->label == LOGISTICS_LABEL_LATE) {
        return logistics_delay_found(&t->st->model, t->event->tenant, order->delivered_at_ms,
                                     order->shipped_at_ms != 0, true);
    }
    order->label = LOGISTICS_LABEL_IN_TIME;
    err = logistics_delay_label(&t->st->model, t->event->tenant, &parties, order->features,
                                order->delivered_at_ms, false, order->shipped_at_ms != 0);
    if (err == RT_OK) {
        err = logistics_carriers_result(&t->st->carriers, t->event->tenant, parties.carrier, city,
                                        order->delivered_at_ms, true);
    }
    return err;
}

static rt_err
on_delivered(br_agent *self, void *state, const rt_event *event)
{
    turn t = turn_of(self, state, event);
    bool is_overdue = false;
    rt_err err = pass_stages(&t, event->time_ms, &is_overdue); // nothing to warn of any more

    note_carrier(&t, text_at(event, t.st->slots.delivered_carrier));
    if (err != RT_OK || !is_open(&t)) {
        return err;
    }
    t.order->delivered_at_ms = RT_MAX(event->time_ms, 1);
    err = learn_times(&t);
    if (err == RT_OK) {
        err = learn_outcome(&t);
    }
    if (t.order->stage != LOGISTICS_STAGE_HALF) { // else the half-way timer has to come first
        t.order->stage = LOGISTICS_STAGE_DROP;
    }
    return err == RT_OK ? set_timer(&t) : err;
}

static rt_err
on_cancelled(br_agent *self, void *state, const rt_event *event)
{
    turn t = turn_of(self, state, event);
    rt_str reason = text_at(event, t.st->slots.cancelled_reason);
    bool is_overdue = false;
    rt_err err = RT_OK;

    if (t.id.len == 0) {
        return RT_OK;
    }
    err = pass_stages(&t, event->time_ms, &is_overdue);
    if (err == RT_OK && t.order != NULL) {
        logistics_order_del(t.st->orders, event->tenant, t.id);
        err = br_timer_set(self, t.id, 0, event->subject);
    }
    if (err != RT_OK) {
        return err;
    }
    return logistics_say_veto(speaker_of(&t), t.id,
                              rt_arena_printf(br_agent_arena(self), "the order was cancelled%s%.*s",
                                              reason.len > 0 ? ": " : "", RT_STR_ARG(reason)));
}

// --- on the way ---

// The guide's own subject is the guide: the order is named inside.
static rt_err
take_guide(br_agent *self, void *state, const rt_event *event, int order_slot, int carrier_slot)
{
    turn t = {.self = self, .st = state, .event = event, .id = text_at(event, order_slot)};

    if (t.id.len > 0) {
        t.order = logistics_order_edit(t.st->orders, event->tenant, t.id);
    }
    note_carrier(&t, text_at(event, carrier_slot));
    return RT_OK;
}

static rt_err
on_guide_created(br_agent *self, void *state, const rt_event *event)
{
    const slots *s = &((logistics_state *)state)->slots;

    return take_guide(self, state, event, s->guide_order, s->guide_carrier);
}

static rt_err
on_guide_updated(br_agent *self, void *state, const rt_event *event)
{
    const slots *s = &((logistics_state *)state)->slots;

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
risk_on_the_way(const turn *t)
{
    const logistics_order *order = t->order;
    int64_t now_ms = t->event->time_ms;
    int64_t eta_ms = rt_value_as_i64(t->event->slots[t->st->slots.tracking_eta], 0);
    logistics_remaining remaining = logistics_remaining_read(
        &t->st->model, t->event->tenant, logistics_order_carrier(order), order->scan, now_ms,
        order->transit_shift);
    logistics_delay delay = {
        .risk = logistics_progress_risk(remaining.mean, remaining.sd,
                                        days_between(order->scanned_at_ms[order->scan], now_ms),
                                        days_between(now_ms, order->promised_at_ms)),
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
    turn t = turn_of(self, state, event);
    logistics_scan scan = scan_of(text_at(event, t.st->slots.tracking_status));
    rt_err err = catch_up(&t, event->time_ms);

    note_carrier(&t, text_at(event, t.st->slots.tracking_carrier));
    if (err != RT_OK || !is_open(&t) || scan == LOGISTICS_SCAN_NONE) {
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
            err = warn(&t, &delay);
            t.order->warned = 1; // also when there was nobody to ask
        }
    }
    return err;
}

static rt_err
on_failed(br_agent *self, void *state, const rt_event *event)
{
    turn t = turn_of(self, state, event);
    const slots *s = &t.st->slots;
    int64_t offset_ms = br_agent_utc_offset_ms(self, event->tenant);
    int64_t attempt = rt_value_as_i64(event->slots[s->failed_attempt], 1);
    logistics_delay delay = {.risk = RESCHEDULED_RISK,
                             .at_ms = event->time_ms,
                             .why = "the next attempt comes after the promise"};
    logistics_fail_reason reason;
    logistics_window window;
    rt_err err = catch_up(&t, event->time_ms);

    note_carrier(&t, text_at(event, s->failed_carrier));
    if (err == RT_OK) {
        err = logistics_carriers_attempt(&t.st->carriers, event->tenant,
                                         text_at(event, s->failed_carrier),
                                         text_at(event, s->failed_city), event->time_ms, true);
    }
    if (err != RT_OK || t.id.len == 0 || (t.order != NULL && !is_open(&t)) ||
        !logistics_fail_reason_parse(text_at(event, s->failed_reason), &reason)) {
        return err;
    }
    window = logistics_reschedule(reason, attempt, event->time_ms + offset_ms);
    if (!window.wanted) {
        return RT_OK;
    }
    err = logistics_say_reschedule(speaker_of(&t), t.id, &window, attempt);
    if (err == RT_OK && t.order != NULL && t.order->warned == 0 &&
        t.order->label == LOGISTICS_LABEL_NONE &&
        window.from_local_ms - offset_ms > t.order->promised_at_ms) {
        t.order->warned = 1; // before: a new attempt is asked for, not a faster one
        err = logistics_say_delay(speaker_of(&t), t.id, t.order, &delay);
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
    logistics_state *st = state;
    rt_str carrier = carrier_of(event);
    logistics_health health;

    (void)self; // nothing is said: a carrier that is down is not chosen
    logistics_carriers_seen(&st->carriers, event->tenant, carrier);
    if (logistics_health_parse(text_at(event, st->slots.status_status), &health)) {
        logistics_carriers_health(&st->carriers, event->tenant, carrier,
                                  text_at(event, st->slots.status_city), event->time_ms, health);
    }
    return RT_OK;
}

static rt_err
on_capacity(br_agent *self, void *state, const rt_event *event)
{
    logistics_state *st = state;
    rt_str carrier = carrier_of(event);
    rt_str city = text_at(event, st->slots.capacity_city);
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
    logistics_state *st = state;

    (void)self; // nothing is said
    if (rt_str_is(text_at(event, st->slots.reset_model), "delay-risk")) {
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
    .state_size = sizeof(logistics_state),
    .init = init,
    .fini = fini,
    .handlers = handlers,
    .handler_count = RT_COUNT(handlers),
    .params = params,
    .param_count = RT_COUNT(params),
};
