// learning/memory.h: the rows in which decisions wait for their outcomes.
//
// Layer: agents/learning.   Threads: the host's loop thread.
// A decision is found again by its event's seq, by its order, or by its customer. Rows are
// forgotten oldest first, by age and by number.
#ifndef CEREBRO_AGENTS_LEARNING_MEMORY_H
#define CEREBRO_AGENTS_LEARNING_MEMORY_H

#include "brain/agent/fifo.h"
#include "runtime/wire/event.h"

#define LEARNING_ACTIONS_MAX 4     // winners remembered per decision
#define LEARNING_PREDICTIONS_MAX 4 // forecasts remembered per decision
#define LEARNING_SEQS_MAX 8        // decisions remembered per order and per customer
#define LEARNING_NAMES_MAX 4096    // models, actions and areas of each kind per tenant
#define LEARNING_ID_MAX 120

// learning_decision is one decision in memory. Names are numbers (learning_name_of).
typedef struct learning_decision {
    int64_t at_ms;
    double total; // reward so far
    uint32_t causes;
    uint8_t action_count;
    uint8_t prediction_count;
    uint8_t subject_len;
    uint8_t customer_len;
    uint16_t actions[LEARNING_ACTIONS_MAX];
    uint16_t models[LEARNING_PREDICTIONS_MAX];
    uint16_t labelled; // bit per prediction: its outcome is known
    uint16_t chosen;   // a policy chose, even if it chose to do nothing
    uint16_t event_type; // of the event decided on
    uint16_t unused;
    double values[LEARNING_PREDICTIONS_MAX];
    char texts[2 * LEARNING_ID_MAX]; // subject, customer; stored as long as they are
} learning_decision;

// learning_order is what is known of an order.
typedef struct learning_order {
    int64_t at_ms;
    int64_t promised_ms; // 0 = unknown
    int64_t risk_ms;     // when it was first found at risk, 0 = never
    int64_t issue_ms;    // when a problem was first reported
    uint64_t seqs[LEARNING_SEQS_MAX];
    uint32_t seq_count;
    uint8_t delivered;
    uint8_t customer_len;
    uint8_t city_len;
    uint8_t carrier_len;
    char texts[3 * LEARNING_ID_MAX]; // customer, city, carrier; stored as long as they are
} learning_order;

// learning_customer is the list of decisions about a customer.
typedef struct learning_customer {
    uint64_t seqs[LEARNING_SEQS_MAX];
    uint64_t seq_count;
} learning_customer;

// learning_memory is the tables and how much they may hold.
typedef struct learning_memory {
    rt_table *decisions;
    rt_table *index; // orders and customers
    rt_table *names;
    rt_table *queues;
    int64_t window_ms;
    int64_t rows_max;
    int64_t order_keep_ms;
} learning_memory;

// learning_decision_subject and learning_decision_customer view the texts of a decision.
rt_str learning_decision_subject(const learning_decision *decision);
rt_str learning_decision_customer(const learning_decision *decision);
// learning_decision_get reads a decision; false when it is not remembered.
bool learning_decision_get(const learning_memory *memory, rt_tenant tenant, uint64_t seq,
                           learning_decision *ret_decision);
// learning_decision_add remembers a decision and forgets what is too old or too much.
void learning_decision_add(const learning_memory *memory, rt_tenant tenant, uint64_t seq,
                           learning_decision *decision, rt_str subject, rt_str customer);
// learning_decision_put writes a remembered decision back.
void learning_decision_put(const learning_memory *memory, rt_tenant tenant, uint64_t seq,
                           const learning_decision *decision);

// learning_order_get reads an order, zeroed when it is not known (returns false).
bool learning_order_get(const learning_memory *memory, rt_tenant tenant, rt_str order,
                        learning_order *ret_order);
// learning_order_put writes it.
void learning_order_put(const learning_memory *memory, rt_tenant tenant, rt_str order,
                        learning_order *row, int64_t at_ms);
// learning_order_name sets one of its texts.
void learning_order_name(learning_order *row, rt_str customer, rt_str city, rt_str carrier);
// learning_order_customer, _city and _carrier view them.
rt_str learning_order_customer(const learning_order *row);
rt_str learning_order_city(const learning_order *row);
rt_str learning_order_carrier(const learning_order *row);
// learning_order_link adds a decision to an order.
void learning_order_link(const learning_memory *memory, rt_tenant tenant, rt_str order,
                         uint64_t seq, int64_t at_ms);

// learning_customer_link adds a decision to a customer.
void learning_customer_link(const learning_memory *memory, rt_tenant tenant, rt_str customer,
                            uint64_t seq, int64_t at_ms);
// learning_customer_get reads a customer's decisions; false when there are none.
bool learning_customer_get(const learning_memory *memory, rt_tenant tenant, rt_str customer,
                           learning_customer *ret_customer);
// learning_seqs counts the decisions in a list that was added to `count` times.
uint32_t learning_seqs(uint64_t count);

// learning_name_of numbers a name of a kind ('m' model, 'a' action, 'r' area, 'e' event type) from
// 1; 0 when there are LEARNING_NAMES_MAX already.
uint16_t learning_name_of(const learning_memory *memory, rt_tenant tenant, char kind, rt_str name);
// learning_name_count is how many names of a kind there are.
uint16_t learning_name_count(const learning_memory *memory, rt_tenant tenant, char kind);
// learning_name_text is the name of a number; empty when there is none. The view lasts until the
// names change.
rt_str learning_name_text(const learning_memory *memory, rt_tenant tenant, char kind,
                          uint16_t number);

#endif
