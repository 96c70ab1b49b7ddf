// Design notes.
// Two kinds of rows: "a" + action id holds the intent as a msgpack array; "x" + target + group
// holds the id of the action in flight there. Both are written and removed together.
#include "brain/decide/outbox.h"

#include "brain/memory/tables.h"
#include "runtime/base/alloc.h"
#include "runtime/base/check.h"
#include "runtime/base/planted.h"
#include "runtime/store/key.h"

#define INTENT_BYTES_MAX 65536
#define INTENT_FIELDS 9

struct br_outbox {
    rt_table *table;
    size_t in_flight;
    rt_mpw scratch;
};

static rt_key
intent_key(rt_str action_id)
{
    return rt_key_pair(RT_TENANT_SYSTEM, RT_STR("a"), action_id);
}

static rt_key
lease_key(rt_tenant tenant, rt_str target, rt_str group)
{
    rt_key key = rt_key_pair(tenant, RT_STR("x"), group);
    rt_key_str(&key, target);
    return key;
}

rt_err
br_outbox_new(rt_store *store, br_outbox **ret)
{
    rt_table *table;
    rt_err err = rt_store_table(store, BR_TABLE_OUTBOX, "outbox", &table);
    if (err != RT_OK) {
        return err;
    }
    br_outbox *outbox = rt_new(br_outbox);
    outbox->table = table;
    rt_mpw_init(&outbox->scratch, INTENT_BYTES_MAX);
    br_intent intent;
    for (size_t cursor = 0; br_outbox_next(outbox, &cursor, &intent);) {
        outbox->in_flight++;
    }
    *ret = outbox;
    return RT_OK;
}

void
br_outbox_free(br_outbox *outbox)
{
    if (outbox != NULL) {
        rt_mpw_fini(&outbox->scratch);
        rt_free(outbox);
    }
}

void
br_outbox_add(br_outbox *outbox, const br_intent *intent, rt_str group)
{
    rt_mpw *w = &outbox->scratch;
    rt_mpw_clear(w);
    rt_mpw_array(w, INTENT_FIELDS);
    rt_mpw_u64(w, intent->tenant.v);
    rt_mpw_u64(w, intent->decision_seq);
    rt_mpw_i64(w, intent->at_ms);
    rt_mpw_u64(w, intent->depth);
    rt_mpw_str(w, intent->action_id);
    rt_mpw_str(w, intent->action);
    rt_mpw_str(w, intent->target);
    rt_mpw_bin(w, intent->args);
    rt_mpw_str(w, group);
    // Proposals are bounded well below INTENT_BYTES_MAX. Without memory the turn comes to nothing.
    RT_ASSERT(!w->failed || rt_alloc_refused() > 0);
    rt_key key = intent_key(intent->action_id);
    rt_table_put(outbox->table, rt_key_bytes(&key), rt_mpw_view(w));
    if (group.len > 0 && !RT_PLANTED(lease_not_taken)) {
        rt_key lease = lease_key(intent->tenant, intent->target, group);
        rt_table_put(outbox->table, rt_key_bytes(&lease), rt_bytes_of_str(intent->action_id));
    }
    outbox->in_flight++;
}

static void
decode(rt_bytes row, br_intent *ret_intent, rt_str *ret_group)
{
    rt_mp mp = rt_mp_init(row);
    uint32_t count;
    uint64_t tenant = 0;
    uint64_t depth = 0;
    bool ok = rt_mp_array(&mp, &count) == RT_OK && count == INTENT_FIELDS &&
              rt_mp_u64(&mp, &tenant) == RT_OK &&
              rt_mp_u64(&mp, &ret_intent->decision_seq) == RT_OK &&
              rt_mp_i64(&mp, &ret_intent->at_ms) == RT_OK && rt_mp_u64(&mp, &depth) == RT_OK &&
              rt_mp_str(&mp, &ret_intent->action_id) == RT_OK &&
              rt_mp_str(&mp, &ret_intent->action) == RT_OK &&
              rt_mp_str(&mp, &ret_intent->target) == RT_OK &&
              rt_mp_bin(&mp, &ret_intent->args) == RT_OK && rt_mp_str(&mp, ret_group) == RT_OK;
    RT_ASSERT(ok); // rows carry a checksum; only this file writes them
    ret_intent->tenant = (rt_tenant){(uint16_t)tenant};
    ret_intent->depth = (uint8_t)depth;
}

bool
br_outbox_end(br_outbox *outbox, rt_str action_id)
{
    rt_key key = intent_key(action_id);
    rt_bytes row;
    if (!rt_table_get(outbox->table, rt_key_bytes(&key), &row)) {
        return false;
    }
    br_intent intent;
    rt_str group;
    decode(row, &intent, &group);
    rt_key lease = lease_key(intent.tenant, intent.target, group);
    rt_bytes holder;
    // a lease passes on when a later action took the target over; without a group there is none
    bool holds = rt_table_get(outbox->table, rt_key_bytes(&lease), &holder) &&
                 rt_str_equal(rt_str_of_bytes(holder), action_id);
    if (holds && !RT_PLANTED(lease_not_released)) {
        (void)rt_table_del(outbox->table, rt_key_bytes(&lease));
    }
    (void)rt_table_del(outbox->table, rt_key_bytes(&key));
    outbox->in_flight--;
    return true;
}

bool
br_outbox_get(const br_outbox *outbox, rt_str action_id, br_intent *ret_intent)
{
    rt_key key = intent_key(action_id);
    rt_bytes row;
    rt_str group;
    if (!rt_table_get(outbox->table, rt_key_bytes(&key), &row)) {
        return false;
    }
    decode(row, ret_intent, &group);
    return true;
}

bool
br_outbox_raw(const br_outbox *outbox, rt_str action_id, rt_bytes *ret_row)
{
    rt_key key = intent_key(action_id);
    return rt_table_get(outbox->table, rt_key_bytes(&key), ret_row);
}

void
br_outbox_restore(br_outbox *outbox, rt_bytes row)
{
    br_intent intent;
    rt_str group;
    decode(row, &intent, &group);
    br_outbox_add(outbox, &intent, group);
}

rt_str
br_outbox_in_flight(const br_outbox *outbox, rt_tenant tenant, rt_str target, rt_str group)
{
    rt_key key = lease_key(tenant, target, group);
    rt_bytes holder;
    if (!rt_table_get(outbox->table, rt_key_bytes(&key), &holder)) {
        return (rt_str){NULL, 0}; // as for what has no group: it takes no lease
    }
    return rt_str_of_bytes(holder);
}

rt_str
br_outbox_rival(const br_outbox *outbox, rt_bytes row)
{
    br_intent intent;
    rt_str group;
    decode(row, &intent, &group);
    return br_outbox_in_flight(outbox, intent.tenant, intent.target, group);
}

size_t
br_outbox_count(const br_outbox *outbox)
{
    return outbox->in_flight;
}

bool
br_outbox_next(const br_outbox *outbox, size_t *cursor, br_intent *ret_intent)
{
    rt_bytes key;
    rt_bytes row;
    rt_str group;
    while (rt_table_next(outbox->table, cursor, &key, &row)) {
        if (rt_str_is(rt_key_part(key, 0), "a")) {
            decode(row, ret_intent, &group);
            return true;
        }
    }
    return false;
}
