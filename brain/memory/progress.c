#include "brain/memory/progress.h"

#include "brain/memory/tables.h"
#include "runtime/base/alloc.h"
#include "runtime/store/key.h"

struct br_progress {
    rt_table *table;
};

rt_tenant
br_progress_owner(rt_str what, rt_tenant tenant)
{
    return rt_str_is(what, "mode") || rt_str_is(what, "guard") ? RT_TENANT_SYSTEM : tenant;
}

rt_err
br_progress_new(rt_store *store, br_progress **ret)
{
    rt_table *table;
    rt_err err = rt_store_table(store, BR_TABLE_PROGRESS, "progress", &table);
    if (err == RT_OK) {
        *ret = rt_new(br_progress);
        (*ret)->table = table;
    }
    return err;
}

void
br_progress_free(br_progress *progress)
{
    rt_free(progress);
}

static rt_key
row_key(rt_tenant tenant, rt_str what, rt_str playbook, rt_str key)
{
    rt_key row = rt_key_pair(tenant, what, playbook);
    rt_key_str(&row, key);
    return row;
}

bool
br_progress_get(const br_progress *progress, rt_tenant tenant, rt_str what, rt_str playbook,
                rt_str key, rt_bytes *ret_value)
{
    rt_key row = row_key(br_progress_owner(what, tenant), what, playbook, key);
    return rt_table_get(progress->table, rt_key_bytes(&row), ret_value);
}

void
br_progress_fold(br_progress *progress, rt_tenant tenant, const msg_write *write)
{
    if (write->value.len > BR_PROGRESS_VALUE_MAX || write->key.len > BR_PROGRESS_KEY_MAX) {
        return;
    }
    tenant = br_progress_owner(write->what, tenant);
    rt_key row = row_key(tenant, write->what, write->playbook, write->key);
    if (row.overflow) {
        return;
    }
    if (write->value.len == 0) {
        (void)rt_table_del(progress->table, rt_key_bytes(&row)); // forgotten twice is fine
    } else {
        rt_table_put(progress->table, rt_key_bytes(&row), write->value);
    }
}

bool
br_progress_next(const br_progress *progress, size_t *cursor, br_progress_row *ret_row)
{
    rt_bytes key;
    rt_bytes value;
    if (!rt_table_next(progress->table, cursor, &key, &value)) {
        return false;
    }
    *ret_row = (br_progress_row){.tenant = rt_key_tenant(key),
                                 .what = rt_key_part(key, 0),
                                 .playbook = rt_key_part(key, 1),
                                 .key = rt_key_part(key, 2),
                                 .value = value};
    return true;
}

size_t
br_progress_count(const br_progress *progress)
{
    return rt_table_count(progress->table);
}
