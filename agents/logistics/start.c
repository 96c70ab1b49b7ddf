#include "agents/logistics/internal.h"

#define ARGS_BYTES_MAX 4096

const rt_param logistics__params[LOGISTICS__PARAMS] = {
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

static const struct {
    const char *event;
    const char *field;
    size_t offset;
} bindings[] = {
#define BIND(event, field, member) {event, field, offsetof(logistics__slots, member)}
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
bind_slots(br_agent *self, logistics__slots *s)
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

rt_err
logistics__init(br_agent *self, void *state)
{
    logistics__state *st = state;
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

void
logistics__fini(br_agent *self, void *state)
{
    logistics__state *st = state;

    (void)self; // nothing of the agent is held
    rt_mpw_fini(&st->scratch);
}
