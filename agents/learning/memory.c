// Design notes.
//
// Rows are as long as their texts, because there are many of them: a decision takes about 130
// bytes, an order about 140. Names of models, actions and areas are stored once and numbered.
//
// Of an order's decisions the first and the latest seven are kept: the first is where the promise
// was judged with the least known, the latest are those that could still change something.

#include "agents/learning/memory.h"

#include "runtime/base/check.h"

#define FORGET_PER_ADD 4 // old rows removed per new one, so that no event pays for all

_Static_assert(offsetof(learning_decision, texts) == 80, "stored: no padding");
_Static_assert(offsetof(learning_order, texts) == 104, "stored: no padding");

static rt_key
order_key(rt_tenant tenant, rt_str order)
{
    return rt_key_pair(tenant, RT_STR("o"), order);
}

static rt_key
customer_key(rt_tenant tenant, rt_str customer)
{
    return rt_key_pair(tenant, RT_STR("c"), customer);
}

rt_str
learning_decision_subject(const learning_decision *decision)
{
    return (rt_str){decision->texts, decision->subject_len};
}

rt_str
learning_decision_customer(const learning_decision *decision)
{
    return (rt_str){decision->texts + decision->subject_len, decision->customer_len};
}

bool
learning_decision_get(const learning_memory *memory, rt_tenant tenant, uint64_t seq,
                      learning_decision *ret_decision)
{
    rt_key key = rt_key_number(tenant, seq);
    rt_bytes row;

    if (!rt_table_get(memory->decisions, rt_key_bytes(&key), &row) ||
        row.len < offsetof(learning_decision, texts) || row.len > sizeof(*ret_decision)) {
        return false;
    }
    memset(ret_decision, 0, sizeof(*ret_decision));
    memcpy(ret_decision, row.ptr, row.len);
    return row.len == offsetof(learning_decision, texts) + ret_decision->subject_len +
                          (size_t)ret_decision->customer_len;
}

void
learning_decision_put(const learning_memory *memory, rt_tenant tenant, uint64_t seq,
                      const learning_decision *decision)
{
    rt_key key = rt_key_number(tenant, seq);
    size_t len = offsetof(learning_decision, texts) + decision->subject_len +
                 (size_t)decision->customer_len;

    rt_table_put(memory->decisions, rt_key_bytes(&key), (rt_bytes){(const uint8_t *)decision, len});
}

static void
forget_decisions(const learning_memory *memory, rt_tenant tenant, int64_t now_ms)
{
    br_fifo queue = {memory->queues, tenant, "decisions"};
    int64_t at_ms;
    rt_bytes value;
    uint64_t seq;

    for (int i = 0; i < FORGET_PER_ADD && br_fifo_head(queue, &at_ms, &value); i++) {
        if (now_ms - at_ms < memory->window_ms &&
            br_fifo_count(queue) <= (uint64_t)memory->rows_max) {
            return;
        }
        if (value.len == sizeof(seq)) {
            memcpy(&seq, value.ptr, sizeof(seq));
            rt_key key = rt_key_number(tenant, seq);
            (void)rt_table_del(memory->decisions, rt_key_bytes(&key)); // its absence is the aim
        }
        br_fifo_pop(queue);
    }
}

void
learning_decision_add(const learning_memory *memory, rt_tenant tenant, uint64_t seq,
                      learning_decision *decision, rt_str subject, rt_str customer)
{
    decision->subject_len = subject.len <= LEARNING_ID_MAX ? (uint8_t)subject.len : 0;
    decision->customer_len = customer.len <= LEARNING_ID_MAX ? (uint8_t)customer.len : 0;
    if (decision->subject_len > 0) {
        memcpy(decision->texts, subject.ptr, decision->subject_len);
    }
    if (decision->customer_len > 0) {
        memcpy(decision->texts + decision->subject_len, customer.ptr, decision->customer_len);
    }
    learning_decision_put(memory, tenant, seq, decision);
    br_fifo_push((br_fifo){memory->queues, tenant, "decisions"}, decision->at_ms,
                 (rt_bytes){(const uint8_t *)&seq, sizeof(seq)});
    forget_decisions(memory, tenant, decision->at_ms);
}

bool
learning_order_get(const learning_memory *memory, rt_tenant tenant, rt_str order,
                   learning_order *ret_order)
{
    rt_key key;
    rt_bytes row;

    memset(ret_order, 0, sizeof(*ret_order));
    if (order.len == 0 || order.len > LEARNING_ID_MAX) {
        return false;
    }
    key = order_key(tenant, order);
    if (!rt_table_get(memory->index, rt_key_bytes(&key), &row) ||
        row.len < offsetof(learning_order, texts) || row.len > sizeof(*ret_order)) {
        return false;
    }
    memcpy(ret_order, row.ptr, row.len);
    return true;
}

// Orders and customers are forgotten in the order in which they were first seen.
static void
forget_index(const learning_memory *memory, rt_tenant tenant, int64_t now_ms)
{
    br_fifo queue = {memory->queues, tenant, "index"};
    int64_t at_ms;
    rt_bytes value;

    for (int i = 0; i < FORGET_PER_ADD && br_fifo_head(queue, &at_ms, &value); i++) {
        if (now_ms - at_ms < memory->order_keep_ms &&
            br_fifo_count(queue) <= (uint64_t)memory->rows_max) {
            return;
        }
        if (value.len > 1) {
            rt_str kind = {(const char *)value.ptr, 1};
            rt_str id = {(const char *)value.ptr + 1, value.len - 1};
            rt_key key = rt_key_pair(tenant, kind, id);
            (void)rt_table_del(memory->index, rt_key_bytes(&key)); // its absence is the aim
        }
        br_fifo_pop(queue);
    }
}

static void
remember_index(const learning_memory *memory, rt_tenant tenant, char kind, rt_str id,
               int64_t at_ms)
{
    char entry[1 + LEARNING_ID_MAX];

    entry[0] = kind;
    memcpy(entry + 1, id.ptr, id.len);
    br_fifo_push((br_fifo){memory->queues, tenant, "index"}, at_ms,
                 (rt_bytes){(const uint8_t *)entry, 1 + id.len});
    forget_index(memory, tenant, at_ms);
}

void
learning_order_put(const learning_memory *memory, rt_tenant tenant, rt_str order,
                   learning_order *row, int64_t at_ms)
{
    rt_key key;
    rt_bytes before;

    if (order.len == 0 || order.len > LEARNING_ID_MAX) {
        return;
    }
    key = order_key(tenant, order);
    if (!rt_table_get(memory->index, rt_key_bytes(&key), &before)) {
        row->at_ms = at_ms;
        remember_index(memory, tenant, 'o', order, at_ms);
    }
    rt_table_put(memory->index, rt_key_bytes(&key),
                 (rt_bytes){(const uint8_t *)row, offsetof(learning_order, texts) +
                                                      (size_t)row->customer_len + row->city_len +
                                                      (size_t)row->carrier_len});
}

rt_str
learning_order_customer(const learning_order *row)
{
    return (rt_str){row->texts, row->customer_len};
}

rt_str
learning_order_city(const learning_order *row)
{
    return (rt_str){row->texts + row->customer_len, row->city_len};
}

rt_str
learning_order_carrier(const learning_order *row)
{
    return (rt_str){row->texts + row->customer_len + row->city_len, row->carrier_len};
}

void
learning_order_name(learning_order *row, rt_str customer, rt_str city, rt_str carrier)
{
    char texts[sizeof(row->texts)] = {0};
    const rt_str given[] = {customer, city, carrier};
    uint8_t lens[RT_COUNT(given)] = {0};
    size_t at = 0;

    for (size_t i = 0; i < RT_COUNT(given); i++) {
        lens[i] = given[i].len <= LEARNING_ID_MAX ? (uint8_t)given[i].len : 0;
        if (lens[i] > 0) {
            memcpy(texts + at, given[i].ptr, lens[i]); // the views may point into row->texts
        }
        at += lens[i];
    }
    memcpy(row->texts, texts, sizeof(texts));
    row->customer_len = lens[0];
    row->city_len = lens[1];
    row->carrier_len = lens[2];
}

uint32_t
learning_seqs(uint64_t count)
{
    return count < LEARNING_SEQS_MAX ? (uint32_t)count : LEARNING_SEQS_MAX;
}

static bool
link_seq(uint64_t seqs[LEARNING_SEQS_MAX], uint64_t count, uint64_t seq)
{
    for (uint32_t i = 0; i < learning_seqs(count); i++) {
        if (seqs[i] == seq) {
            return false;
        }
    }
    seqs[count == 0 ? 0 : 1 + (count - 1) % (LEARNING_SEQS_MAX - 1)] = seq;
    return true;
}

void
learning_order_link(const learning_memory *memory, rt_tenant tenant, rt_str order, uint64_t seq,
                    int64_t at_ms)
{
    learning_order row;

    (void)learning_order_get(memory, tenant, order, &row); // an unknown order starts empty
    if (link_seq(row.seqs, row.seq_count, seq)) {
        row.seq_count++;
    }
    learning_order_put(memory, tenant, order, &row, at_ms);
}

void
learning_customer_link(const learning_memory *memory, rt_tenant tenant, rt_str customer,
                       uint64_t seq, int64_t at_ms)
{
    rt_key key;
    learning_customer *row;
    bool created;

    if (customer.len == 0 || customer.len > LEARNING_ID_MAX) {
        return;
    }
    key = customer_key(tenant, customer);
    row = rt_table_edit(memory->index, rt_key_bytes(&key), sizeof(*row), &created);
    if (link_seq(row->seqs, row->seq_count, seq)) {
        row->seq_count++;
    }
    if (created) {
        remember_index(memory, tenant, 'c', customer, at_ms);
    }
}

bool
learning_customer_get(const learning_memory *memory, rt_tenant tenant, rt_str customer,
                      learning_customer *ret_customer)
{
    rt_key key;
    rt_bytes row;

    if (customer.len == 0 || customer.len > LEARNING_ID_MAX) {
        return false;
    }
    key = customer_key(tenant, customer);
    if (!rt_table_get(memory->index, rt_key_bytes(&key), &row) ||
        row.len != sizeof(*ret_customer)) {
        return false;
    }
    memcpy(ret_customer, row.ptr, sizeof(*ret_customer));
    return true;
}

static rt_key
name_key(rt_tenant tenant, char kind, rt_str name)
{
    return rt_key_pair(tenant, (rt_str){&kind, 1}, name);
}

static rt_key
number_key(rt_tenant tenant, char kind, uint16_t number)
{
    rt_key key = rt_key_pair(tenant, RT_STR("="), (rt_str){&kind, 1});

    rt_key_u64(&key, number);
    return key;
}

static uint16_t
read_number(const rt_table *table, const rt_key *key)
{
    rt_bytes row;
    uint16_t number = 0;

    if (rt_table_get(table, rt_key_bytes(key), &row) && row.len == sizeof(number)) {
        memcpy(&number, row.ptr, sizeof(number));
    }
    return number;
}

uint16_t
learning_name_count(const learning_memory *memory, rt_tenant tenant, char kind)
{
    rt_key key = number_key(tenant, kind, 0);

    return read_number(memory->names, &key);
}

uint16_t
learning_name_of(const learning_memory *memory, rt_tenant tenant, char kind, rt_str name)
{
    rt_key key;
    uint16_t number;

    if (name.len == 0 || name.len > LEARNING_ID_MAX) {
        return 0;
    }
    key = name_key(tenant, kind, name);
    number = read_number(memory->names, &key);
    if (number != 0) {
        return number;
    }
    number = learning_name_count(memory, tenant, kind);
    if (number >= LEARNING_NAMES_MAX) {
        return 0;
    }
    number++;
    rt_bytes value = {(const uint8_t *)&number, sizeof(number)};
    rt_table_put(memory->names, rt_key_bytes(&key), value);
    key = number_key(tenant, kind, 0);
    rt_table_put(memory->names, rt_key_bytes(&key), value);
    key = number_key(tenant, kind, number);
    rt_table_put(memory->names, rt_key_bytes(&key), rt_bytes_of_str(name));
    return number;
}

rt_str
learning_name_text(const learning_memory *memory, rt_tenant tenant, char kind, uint16_t number)
{
    rt_key key = number_key(tenant, kind, number);
    rt_bytes row;

    if (number == 0 || !rt_table_get(memory->names, rt_key_bytes(&key), &row)) {
        return (rt_str){NULL, 0};
    }
    return rt_str_of_bytes(row);
}
