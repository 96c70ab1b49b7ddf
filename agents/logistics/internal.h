// logistics/internal.h: what the agent's own files share; nobody else includes it.
//
// Layer: agents/logistics.   Threads: the host's loop.
#ifndef CEREBRO_AGENTS_LOGISTICS_INTERNAL_H
#define CEREBRO_AGENTS_LOGISTICS_INTERNAL_H

#include "agents/logistics/carriers.h"
#include "agents/logistics/delay_model.h"
#include "agents/logistics/order.h"
#include "agents/logistics/policy.h"
#include "agents/logistics/say.h"
#include "brain/agent/agent.h"

#define LOGISTICS__PARAMS 9

typedef struct logistics__slots {
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
} logistics__slots;

typedef struct logistics__state {
    rt_table *orders;
    logistics_delay_model model;
    logistics_carriers carriers;
    double risk_threshold;
    double reassign_margin;
    double capacity_alert;
    size_t orders_max;
    int64_t keep_ms;
    logistics__slots slots;
    rt_mpw scratch;
} logistics__state;

// One order in a handler: the agent, the event and the row.
typedef struct logistics__turn {
    br_agent *self;
    logistics__state *st;
    const rt_event *event;
    rt_str id;
    logistics_order *order; // NULL: not followed
} logistics__turn;

// --- start.c: tunables, tables, fields ---
extern const rt_param logistics__params[LOGISTICS__PARAMS];
// logistics__init declares tables, binds fields and reads tunables.
rt_err logistics__init(br_agent *self, void *state) RT_MUST_USE;
// logistics__fini releases what init took.
void logistics__fini(br_agent *self, void *state);

// --- turn.c: one order in one event, and the stages of its time ---
// logistics__text_at views a text field, empty when absent.
rt_str logistics__text_at(const rt_event *event, int slot);
// logistics__speaker_of is how a turn speaks.
logistics_speaker logistics__speaker_of(const logistics__turn *t);
// logistics__turn_of finds the order that an event is about.
logistics__turn logistics__turn_of(br_agent *self, void *state, const rt_event *event);
// logistics__is_open tells that the order is followed and not delivered.
bool logistics__is_open(const logistics__turn *t);
// logistics__note_carrier remembers who has the order; empty text is nobody.
void logistics__note_carrier(logistics__turn *t, rt_str carrier);
// logistics__days_between counts days, with fractions.
double logistics__days_between(int64_t from_ms, int64_t to_ms);
// logistics__propose_carrier proposes the best carrier: to an order without one always, to another
// only when it is clearly better than the one it has. *ret_proposed tells whether it did.
rt_err logistics__propose_carrier(logistics__turn *t, rt_str from, bool *ret_proposed) RT_MUST_USE;
// logistics__warn says that the order is or will be late, and what could still help.
rt_err logistics__warn(logistics__turn *t, const logistics_delay *delay) RT_MUST_USE;
// logistics__set_timer sets the order's timer to its next stage.
rt_err logistics__set_timer(const logistics__turn *t) RT_MUST_USE;
// logistics__pass_stages passes every stage that lies before `now_ms`; *ret_overdue tells that the
// promise was one of them and found the order open. The order may be gone afterwards.
rt_err logistics__pass_stages(logistics__turn *t, int64_t now_ms, bool *ret_overdue) RT_MUST_USE;
// logistics__catch_up passes stages before an event that finds the order still open, and speaks of
// an overdue promise.
rt_err logistics__catch_up(logistics__turn *t, int64_t now_ms) RT_MUST_USE;

#endif
