#include "agents/logistics/order.h"

#include "runtime/base/check.h"

#define TEXT_MAX 255

// A row is compared byte by byte between a live run and a replay: no gaps between the fields.
_Static_assert(sizeof(logistics_order) == 8 * (LOGISTICS_FEATURES + 3 + 5 + LOGISTICS_SCANS) + 16 +
                                              LOGISTICS_CARRIER_MAX,
               "logistics_order has padding");

static rt_str
cut(rt_str text, size_t max)
{
    return (rt_str){text.ptr, RT_MIN(text.len, max)};
}

logistics_order *
logistics_order_new(rt_table *table, rt_tenant tenant, rt_str id,
                    const rt_str texts[LOGISTICS_TEXTS])
{
    rt_key key = rt_key_text(tenant, id);
    size_t bytes = sizeof(logistics_order);
    bool created = false;
    logistics_order *order = NULL;
    char *at = NULL;

    for (size_t i = 0; i < LOGISTICS_TEXTS; i++) {
        bytes += cut(texts[i], TEXT_MAX).len;
    }
    order = rt_table_edit(table, rt_key_bytes(&key), bytes, &created);
    RT_ASSERT(created);
    order->scan = LOGISTICS_SCAN_NONE;
    at = (char *)(order + 1);
    for (size_t i = 0; i < LOGISTICS_TEXTS; i++) {
        rt_str text = cut(texts[i], TEXT_MAX);

        if (text.len > 0) {
            memcpy(at, text.ptr, text.len);
        }
        order->text_len[i] = (uint8_t)text.len;
        at += text.len;
    }
    return order;
}

logistics_order *
logistics_order_edit(rt_table *table, rt_tenant tenant, rt_str id)
{
    rt_key key = rt_key_text(tenant, id);
    bool created = false;
    rt_bytes row;

    if (!rt_table_get(table, rt_key_bytes(&key), &row)) {
        return NULL;
    }
    RT_ASSERT(row.len >= sizeof(logistics_order));
    return rt_table_edit(table, rt_key_bytes(&key), row.len, &created);
}

void
logistics_order_del(rt_table *table, rt_tenant tenant, rt_str id)
{
    rt_key key = rt_key_text(tenant, id);

    (void)rt_table_del(table, rt_key_bytes(&key)); // its absence is what we want
}

rt_str
logistics_order_text(const logistics_order *order, logistics_text which)
{
    const char *at = (const char *)(order + 1);

    for (size_t i = 0; i < (size_t)which; i++) {
        at += order->text_len[i];
    }
    return (rt_str){at, order->text_len[which]};
}

rt_str
logistics_order_carrier(const logistics_order *order)
{
    return (rt_str){order->carrier, order->carrier_len};
}

void
logistics_order_set_carrier(logistics_order *order, rt_str carrier)
{
    rt_str name = cut(carrier, LOGISTICS_CARRIER_MAX);

    if (name.len == 0) {
        return;
    }
    memset(order->carrier, 0, sizeof(order->carrier));
    memcpy(order->carrier, name.ptr, name.len);
    order->carrier_len = (uint8_t)name.len;
}

logistics_parties
logistics_order_parties(const logistics_order *order)
{
    return (logistics_parties){
        .seller = logistics_order_text(order, LOGISTICS_SELLER),
        .seller_state = logistics_order_text(order, LOGISTICS_SELLER_STATE),
        .state = logistics_order_text(order, LOGISTICS_STATE),
        .carrier = logistics_order_carrier(order),
    };
}

int64_t
logistics_order_half_ms(const logistics_order *order)
{
    return order->created_at_ms + (order->promised_at_ms - order->created_at_ms) / 2;
}
