#include "brain/memory/similar.h"

#include "brain/math/stats.h"
#include "brain/memory/tables.h"
#include "runtime/base/alloc.h"
#include "runtime/store/key.h"

typedef struct similar_row {
    uint64_t count;
    br_decayed reward;
} similar_row;

struct br_similar {
    rt_table *table;
};

rt_err
br_similar_new(rt_store *store, br_similar **ret)
{
    rt_table *table;
    rt_err err = rt_store_table(store, BR_TABLE_SIMILAR, "similar", &table);
    if (err != RT_OK) {
        return err;
    }
    *ret = rt_new(br_similar);
    (*ret)->table = table;
    return RT_OK;
}

void
br_similar_free(br_similar *similar)
{
    rt_free(similar);
}

static similar_row *
edit(br_similar *similar, rt_tenant tenant, rt_str event_type, rt_str action)
{
    rt_key key = rt_key_pair(tenant, event_type, action);
    bool created;
    return rt_table_edit(similar->table, rt_key_bytes(&key), sizeof(similar_row), &created);
}

void
br_similar_acted(br_similar *similar, rt_tenant tenant, rt_str event_type, rt_str action)
{
    edit(similar, tenant, event_type, action)->count++;
}

void
br_similar_rewarded(br_similar *similar, rt_tenant tenant, rt_str event_type, rt_str action,
                    double reward, int64_t at_ms)
{
    // the catalogue bounds rewards to -1..1, so adding cannot fail
    RT_IGNORE(br_decayed_add(&edit(similar, tenant, event_type, action)->reward, at_ms, reward, 1,
                         BR_SIMILAR_HALF_LIFE_MS));
}

bool
br_similar_recall(const br_similar *similar, rt_tenant tenant, rt_str event_type, rt_str action,
                  int64_t now_ms, uint64_t *ret_count, double *ret_reward)
{
    rt_key key = rt_key_pair(tenant, event_type, action);
    rt_bytes bytes;
    if (!rt_table_get(similar->table, rt_key_bytes(&key), &bytes)) {
        return false;
    }
    const similar_row *row = (const similar_row *)(const void *)bytes.ptr;
    *ret_count = row->count;
    *ret_reward = br_decayed_mean(&row->reward, now_ms, BR_SIMILAR_HALF_LIFE_MS, 0, 1);
    return true;
}
