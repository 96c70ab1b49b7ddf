// customer/rows.h: the customer agent's rows: whose order it is, what was learned, what waits.
//
// Layer: agents/customer.   Threads: the host's loop thread.
#ifndef CEREBRO_AGENTS_CUSTOMER_ROWS_H
#define CEREBRO_AGENTS_CUSTOMER_ROWS_H

#include "agents/customer/policy.h"
#include "brain/agent/fifo.h"
#include "runtime/wire/event.h"

#define CUSTOMER_ID_MAX RT_EVENT_SUBJECT_MAX

// customer_rows is the agent's tables and how much they may hold.
typedef struct customer_rows {
    rt_table *profiles;
    rt_table *orders;
    rt_table *rewards;
    rt_table *work;
    int64_t order_keep_ms;
    int64_t orders_max;
    int64_t reward_window_ms;
    int64_t decisions_max;
} customer_rows;

// customer_order is one order; stored up to the end of the customer's id.
typedef struct customer_order {
    int64_t first_ms;
    int64_t promised_ms;
    int64_t delivered_ms; // 0 = not yet
    int64_t cancelled_ms; // 0 = not
    double value_cop;
    char customer[CUSTOMER_ID_MAX];
} customer_order;

// customer_rewards is what was learned of the options for one trigger and segment.
typedef struct customer_rewards {
    uint64_t update_count;
    br_decayed options[CUSTOMER_OPTIONS];
} customer_rewards;

// customer_awaited is a choice whose reward is still to come.
typedef struct customer_awaited {
    uint32_t trigger;
    uint32_t segment;
    uint32_t option;
    uint32_t rewarded; // 1 = the first reward came
} customer_awaited;

// customer_held is a case put aside until the quiet hours end.
typedef struct customer_held {
    customer_case what;
    uint32_t customer_len;
    uint32_t order_len;
    char customer[CUSTOMER_ID_MAX];
    char order[CUSTOMER_ID_MAX];
} customer_held;

// customer_usable_id tells whether a text can be the id of a customer or order.
bool customer_usable_id(rt_str id);

// customer_profile_edit returns a customer's profile for changing, made when new. The pointer lasts
// until the profiles change next; `customer` must be usable.
customer_profile *customer_profile_edit(const customer_rows *rows, rt_tenant tenant,
                                        rt_str customer, int64_t seen_ms);

// customer_order_read copies an order, zeroed when unknown (returns false).
//   ret_customer  views ret_order; empty when nobody is known
bool customer_order_read(const customer_rows *rows, rt_tenant tenant, rt_str order,
                         customer_order *ret_order, rt_str *ret_customer);
// customer_order_write stores it and forgets orders that are too old or too many; an id that is
// not usable is passed over.
void customer_order_write(const customer_rows *rows, rt_tenant tenant, int64_t at_ms, rt_str order,
                          customer_order *row, rt_str customer);

// customer_rewards_read copies what was learned; zero when nothing was.
customer_rewards customer_rewards_read(const customer_rows *rows, rt_tenant tenant,
                                       uint32_t trigger, uint32_t segment);
// customer_rewards_edit returns the same for changing, until the rewards change next.
customer_rewards *customer_rewards_edit(const customer_rows *rows, rt_tenant tenant,
                                        uint32_t trigger, uint32_t segment);

// customer_await remembers what was chosen for the event `seq` until its reward comes.
void customer_await(const customer_rows *rows, rt_tenant tenant, uint64_t seq, int64_t at_ms,
                    const customer_awaited *awaited);
// customer_awaited_read copies it; false when nothing is awaited for that event.
bool customer_awaited_read(const customer_rows *rows, rt_tenant tenant, uint64_t seq,
                           customer_awaited *ret_awaited);
// customer_awaited_write stores it again; customer_awaited_drop forgets it.
void customer_awaited_write(const customer_rows *rows, rt_tenant tenant, uint64_t seq,
                            const customer_awaited *awaited);
void customer_awaited_drop(const customer_rows *rows, rt_tenant tenant, uint64_t seq);

// customer_hold puts a case aside under `name`, in place of an older one.
void customer_hold(const customer_rows *rows, rt_tenant tenant, rt_str name,
                   const customer_case *what, rt_str customer, rt_str order);
// customer_held_take copies a case and removes it; false when there is none.
bool customer_held_take(const customer_rows *rows, rt_tenant tenant, rt_str name,
                        customer_held *ret_held);

#endif
