#include "brain/memory/longterm.h"

#include "brain/memory/tables.h"
#include "runtime/base/alloc.h"
#include "runtime/base/hash.h"
#include "runtime/store/key.h"

typedef struct memory_row {
    uint64_t count;
    br_memory_entry entries[BR_MEMORIES_MAX]; // newest first
} memory_row;

struct br_longterm {
    rt_table *table;
    uint64_t rows_max;
    uint64_t refused;
};

_Static_assert(sizeof(br_memory_entry) == 24, "stored layout");

rt_err
br_longterm_new(rt_store *store, uint64_t rows_max, br_longterm **ret)
{
    rt_table *table;
    rt_err err = rt_store_table(store, BR_TABLE_LONGTERM, "longterm", &table);
    if (err != RT_OK) {
        return err;
    }
    *ret = rt_new(br_longterm);
    (*ret)->table = table;
    (*ret)->rows_max = rows_max;
    return RT_OK;
}

void
br_longterm_free(br_longterm *longterm)
{
    rt_free(longterm);
}

static rt_key
row_key(rt_tenant tenant, br_recall_by by, rt_str what)
{
    static const rt_str prefixes[] = {{"s", 1}, {"y", 1}, {"g", 1}};
    return rt_key_pair(tenant, prefixes[by], what);
}

// The entry that a full row can best do without: least important, oldest among equals.
static uint32_t
weakest(const memory_row *row)
{
    uint32_t worst = 0;
    for (uint32_t i = 1; i < BR_MEMORIES_MAX; i++) {
        if (row->entries[i].importance <= row->entries[worst].importance) {
            worst = i; // later in the row is older
        }
    }
    return worst;
}

static void
add_entry(br_longterm *longterm, rt_key key, br_memory_entry entry)
{
    rt_bytes before;
    if (!rt_table_get(longterm->table, rt_key_bytes(&key), &before) &&
        rt_table_count(longterm->table) >= longterm->rows_max) {
        longterm->refused++;
        return;
    }
    bool created;
    memory_row *row =
        rt_table_edit(longterm->table, rt_key_bytes(&key), sizeof(memory_row), &created);
    uint32_t drop = (uint32_t)row->count;
    if (row->count == BR_MEMORIES_MAX) {
        drop = weakest(row);
        if (row->entries[drop].importance > entry.importance) {
            return;
        }
    } else {
        row->count++;
    }
    memmove(&row->entries[1], &row->entries[0], sizeof(br_memory_entry) * drop);
    row->entries[0] = entry;
}

void
br_longterm_remember(br_longterm *longterm, const rt_event *event)
{
    if (event->type->importance <= BR_LONG_TERM_IMPORTANCE) {
        return;
    }
    br_memory_entry entry = {event->seq, event->at_ms,
                             (uint32_t)rt_hash64(rt_bytes_of_str(event->type->name), 0),
                             (float)event->type->importance};
    if (event->subject.len > 0) {
        add_entry(longterm, row_key(event->tenant, BR_BY_SUBJECT, event->subject), entry);
    }
    add_entry(longterm, row_key(event->tenant, BR_BY_TYPE, event->type->name), entry);
    for (uint32_t i = 0; i < event->type->tag_count; i++) {
        add_entry(longterm, row_key(event->tenant, BR_BY_TAG, event->type->tags[i]), entry);
    }
}

uint32_t
br_longterm_recall(const br_longterm *longterm, rt_tenant tenant, br_recall_by by, rt_str what,
                   int64_t since_ms, br_memory_entry ret_entries[BR_MEMORIES_MAX])
{
    rt_key key = row_key(tenant, by, what);
    rt_bytes bytes;
    uint32_t count = 0;
    if (!rt_table_get(longterm->table, rt_key_bytes(&key), &bytes)) {
        return 0;
    }
    const memory_row *row = (const memory_row *)(const void *)bytes.ptr;
    for (uint64_t i = 0; i < row->count; i++) {
        if (row->entries[i].at_ms >= since_ms) {
            ret_entries[count++] = row->entries[i];
        }
    }
    return count;
}

uint64_t
br_longterm_refused(const br_longterm *longterm)
{
    return longterm->refused;
}
