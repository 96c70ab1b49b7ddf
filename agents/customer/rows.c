// Design notes.
//
// Profiles and orders are kept by id. The work table holds three kinds of rows: "d" decisions whose
// reward is awaited (by event seq), "h" cases held over night (by name), and the two queues that
// say which orders and decisions are oldest.

#include "agents/customer/rows.h"

#define FORGET_PER_WRITE 4 // old rows removed per new one, so that no event pays for all

_Static_assert(offsetof(customer_order, customer) == 40, "stored: no padding");
_Static_assert(sizeof(customer_held) == 72 + 8 + 2 * CUSTOMER_ID_MAX, "stored: no padding");

static rt_bytes
bytes_of(const void *row, size_t size)
{
    return (rt_bytes){row, size};
}

bool
customer_usable_id(rt_str id)
{
    return id.len > 0 && id.len <= CUSTOMER_ID_MAX;
}

customer_profile *
customer_profile_edit(const customer_rows *rows, rt_tenant tenant, rt_str customer,
                      int64_t seen_ms)
{
    rt_key key = rt_key_text(tenant, customer);
    bool created;
    customer_profile *profile =
        rt_table_edit(rows->profiles, rt_key_bytes(&key), sizeof(*profile), &created);

    if (created) {
        profile->version = CUSTOMER_PROFILE_VERSION;
        profile->first_ms = seen_ms;
    }
    profile->last_ms = RT_MAX(profile->last_ms, seen_ms);
    return profile;
}

bool
customer_order_read(const customer_rows *rows, rt_tenant tenant, rt_str order,
                    customer_order *ret_order, rt_str *ret_customer)
{
    const size_t head = offsetof(customer_order, customer);
    rt_key key;
    rt_bytes row;

    memset(ret_order, 0, sizeof(*ret_order));
    *ret_customer = (rt_str){NULL, 0};
    if (!customer_usable_id(order)) {
        return false;
    }
    key = rt_key_text(tenant, order);
    if (!rt_table_get(rows->orders, rt_key_bytes(&key), &row) || row.len < head ||
        row.len > sizeof(*ret_order)) {
        return false;
    }
    memcpy(ret_order, row.ptr, row.len);
    *ret_customer = (rt_str){ret_order->customer, row.len - head};
    return true;
}

static void
forget_orders(const customer_rows *rows, rt_tenant tenant, int64_t now_ms)
{
    br_fifo queue = {rows->work, tenant, "orders"};
    int64_t at_ms;
    rt_bytes id;

    for (int i = 0; i < FORGET_PER_WRITE && br_fifo_head(queue, &at_ms, &id); i++) {
        if (now_ms - at_ms < rows->order_keep_ms &&
            br_fifo_count(queue) <= (uint64_t)rows->orders_max) {
            return;
        }
        rt_key key = rt_key_text(tenant, rt_str_of_bytes(id));
        (void)rt_table_del(rows->orders, rt_key_bytes(&key)); // its absence is the aim
        br_fifo_pop(queue);
    }
}

void
customer_order_write(const customer_rows *rows, rt_tenant tenant, int64_t at_ms, rt_str order,
                     customer_order *row, rt_str customer)
{
    rt_key key;
    rt_bytes before;

    if (!customer_usable_id(order) || customer.len > CUSTOMER_ID_MAX) {
        return;
    }
    key = rt_key_text(tenant, order);
    if (!rt_table_get(rows->orders, rt_key_bytes(&key), &before)) {
        row->first_ms = at_ms;
        br_fifo_push((br_fifo){rows->work, tenant, "orders"}, at_ms, rt_bytes_of_str(order));
    }
    if (customer.len > 0) {
        memmove(row->customer, customer.ptr, customer.len);
    }
    rt_table_put(rows->orders, rt_key_bytes(&key),
                 bytes_of(row, offsetof(customer_order, customer) + customer.len));
    forget_orders(rows, tenant, at_ms);
}

static rt_key
rewards_key(rt_tenant tenant, uint32_t trigger, uint32_t segment)
{
    rt_key key = rt_key_of(tenant);

    rt_key_u64(&key, trigger);
    rt_key_u64(&key, segment);
    return key;
}

customer_rewards
customer_rewards_read(const customer_rows *rows, rt_tenant tenant, uint32_t trigger,
                      uint32_t segment)
{
    rt_key key = rewards_key(tenant, trigger, segment);
    customer_rewards found;
    rt_bytes row;

    memset(&found, 0, sizeof(found));
    if (rt_table_get(rows->rewards, rt_key_bytes(&key), &row) && row.len == sizeof(found)) {
        memcpy(&found, row.ptr, sizeof(found));
    }
    return found;
}

customer_rewards *
customer_rewards_edit(const customer_rows *rows, rt_tenant tenant, uint32_t trigger,
                      uint32_t segment)
{
    rt_key key = rewards_key(tenant, trigger, segment);
    bool created;

    return rt_table_edit(rows->rewards, rt_key_bytes(&key), sizeof(customer_rewards), &created);
}

static rt_key
awaited_key(rt_tenant tenant, uint64_t seq)
{
    rt_key key = rt_key_of(tenant);

    rt_key_str(&key, RT_STR("d"));
    rt_key_u64(&key, seq);
    return key;
}

static void
forget_decisions(const customer_rows *rows, rt_tenant tenant, int64_t now_ms)
{
    br_fifo queue = {rows->work, tenant, "decisions"};
    int64_t at_ms;
    rt_bytes value;
    uint64_t seq;

    for (int i = 0; i < FORGET_PER_WRITE && br_fifo_head(queue, &at_ms, &value); i++) {
        if (now_ms - at_ms < rows->reward_window_ms &&
            br_fifo_count(queue) <= (uint64_t)rows->decisions_max) {
            return;
        }
        if (value.len == sizeof(seq)) {
            memcpy(&seq, value.ptr, sizeof(seq));
            customer_awaited_drop(rows, tenant, seq);
        }
        br_fifo_pop(queue);
    }
}

void
customer_await(const customer_rows *rows, rt_tenant tenant, uint64_t seq, int64_t at_ms,
               const customer_awaited *awaited)
{
    customer_awaited_write(rows, tenant, seq, awaited);
    br_fifo_push((br_fifo){rows->work, tenant, "decisions"}, at_ms, bytes_of(&seq, sizeof(seq)));
    forget_decisions(rows, tenant, at_ms);
}

bool
customer_awaited_read(const customer_rows *rows, rt_tenant tenant, uint64_t seq,
                      customer_awaited *ret_awaited)
{
    rt_key key = awaited_key(tenant, seq);
    rt_bytes row;

    if (!rt_table_get(rows->work, rt_key_bytes(&key), &row) || row.len != sizeof(*ret_awaited)) {
        return false;
    }
    memcpy(ret_awaited, row.ptr, sizeof(*ret_awaited));
    return true;
}

void
customer_awaited_write(const customer_rows *rows, rt_tenant tenant, uint64_t seq,
                       const customer_awaited *awaited)
{
    rt_key key = awaited_key(tenant, seq);

    rt_table_put(rows->work, rt_key_bytes(&key), bytes_of(awaited, sizeof(*awaited)));
}

void
customer_awaited_drop(const customer_rows *rows, rt_tenant tenant, uint64_t seq)
{
    rt_key key = awaited_key(tenant, seq);

    (void)rt_table_del(rows->work, rt_key_bytes(&key)); // its absence is the aim
}

void
customer_hold(const customer_rows *rows, rt_tenant tenant, rt_str name, const customer_case *what,
              rt_str customer, rt_str order)
{
    rt_key key = rt_key_pair(tenant, RT_STR("h"), name);
    customer_held row;

    memset(&row, 0, sizeof(row));
    row.what = *what;
    row.customer_len = (uint32_t)RT_MIN(customer.len, (size_t)CUSTOMER_ID_MAX);
    row.order_len = (uint32_t)RT_MIN(order.len, (size_t)CUSTOMER_ID_MAX);
    if (row.customer_len > 0) {
        memcpy(row.customer, customer.ptr, row.customer_len);
    }
    if (row.order_len > 0) {
        memcpy(row.order, order.ptr, row.order_len);
    }
    rt_table_put(rows->work, rt_key_bytes(&key), bytes_of(&row, sizeof(row)));
}

bool
customer_held_take(const customer_rows *rows, rt_tenant tenant, rt_str name,
                   customer_held *ret_held)
{
    rt_key key = rt_key_pair(tenant, RT_STR("h"), name);
    rt_bytes found;

    if (!rt_table_get(rows->work, rt_key_bytes(&key), &found) || found.len != sizeof(*ret_held)) {
        return false;
    }
    memcpy(ret_held, found.ptr, sizeof(*ret_held));
    (void)rt_table_del(rows->work, rt_key_bytes(&key)); // it was there
    return ret_held->customer_len <= CUSTOMER_ID_MAX && ret_held->order_len <= CUSTOMER_ID_MAX;
}
