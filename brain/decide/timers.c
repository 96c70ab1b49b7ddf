// Design notes.
// Heap items are never removed when a timer is moved or cancelled; an item whose number is not the
// row's any more is stale and dropped when it comes up, or with all others once most are stale.
// Numbers come from a counter in the table, so equal due times fire in order of setting, in a
// replay as well. Setting a timer to the due time it already has changes nothing, so a handler may
// set it again and again.
#include "brain/decide/timers.h"

#include "brain/memory/tables.h"
#include "runtime/base/alloc.h"
#include "runtime/base/check.h"
#include "runtime/base/heap.h"
#include "runtime/base/planted.h"
#include "runtime/store/key.h"

#define STALE_SPARE 1024 // stale heap items that are never worth a sweep
#define LOCAL_TIME_MS ((int64_t)5 * 3600 * 1000) // what the planted mistake is wrong by

typedef struct timer_row {
    int64_t due_ms;
    uint64_t number;
    // followed by the subject
} timer_row;

typedef struct slot {
    rt_key key;
    uint32_t next_free;
} slot;

struct br_timers {
    rt_table *table;
    rt_heap heap;
    slot *slots; // keys that heap items refer to by position
    uint32_t slot_count;
    uint32_t slot_cap;
    uint32_t free_slot; // position + 1; 0 = none
    size_t count;
    uint64_t refused;
};

static rt_key
counter_key(void)
{
    return rt_key_text(RT_TENANT_SYSTEM, RT_STR("#"));
}

static rt_key
timer_key(rt_tenant tenant, rt_str owner, rt_str key)
{
    return rt_key_pair(tenant, owner, key);
}

static uint32_t
take_slot(br_timers *timers, const rt_key *key)
{
    uint32_t at = timers->free_slot;
    if (at != 0) {
        timers->free_slot = timers->slots[at - 1].next_free;
        timers->slots[at - 1].key = *key;
        return at - 1;
    }
    if (timers->slot_count == timers->slot_cap) {
        timers->slot_cap = timers->slot_cap == 0 ? 256 : timers->slot_cap * 2;
        timers->slots = rt_realloc(timers->slots, timers->slot_cap * sizeof(slot));
    }
    timers->slots[timers->slot_count].key = *key;
    return timers->slot_count++;
}

static void
push(br_timers *timers, const rt_key *key, const timer_row *row)
{
    uint32_t at = take_slot(timers, key);
    rt_heap_push(&timers->heap, (rt_heap_item){row->due_ms, row->number, at});
}

static void
drop_first(br_timers *timers)
{
    uint32_t at = (uint32_t)rt_heap_pop(&timers->heap).value;
    timers->slots[at].next_free = timers->free_slot;
    timers->free_slot = at + 1;
}

static void
fill_heap(br_timers *timers)
{
    rt_key counter = counter_key();
    rt_bytes key_bytes;
    rt_bytes value;
    for (size_t cursor = 0; rt_table_next(timers->table, &cursor, &key_bytes, &value);) {
        if (rt_bytes_equal(key_bytes, rt_key_bytes(&counter))) {
            continue;
        }
        timer_row row;
        rt_key key = timer_key(rt_key_tenant(key_bytes), rt_key_part(key_bytes, 0),
                               rt_key_part(key_bytes, 1));
        memcpy(&row, value.ptr, sizeof(row));
        push(timers, &key, &row);
    }
}

static void
drop_stale(br_timers *timers)
{
    if (timers->heap.count <= 2 * timers->count + STALE_SPARE) {
        return;
    }
    timers->heap.count = 0;
    timers->slot_count = 0;
    timers->free_slot = 0;
    fill_heap(timers);
}

rt_err
br_timers_new(rt_store *store, br_timers **ret)
{
    rt_table *table;
    rt_err err = rt_store_table(store, BR_TABLE_TIMER, "timer", &table);
    if (err != RT_OK) {
        return err;
    }
    br_timers *timers = rt_new(br_timers);
    timers->table = table;
    rt_heap_init(&timers->heap);
    if (!RT_PLANTED(timers_not_reloaded)) {
        fill_heap(timers);
    }
    timers->count = timers->heap.count;
    *ret = timers;
    return RT_OK;
}

void
br_timers_free(br_timers *timers)
{
    if (timers != NULL) {
        rt_heap_fini(&timers->heap);
        rt_free(timers->slots);
        rt_free(timers);
    }
}

static uint64_t
next_number(br_timers *timers)
{
    rt_key key = counter_key();
    bool created;
    uint64_t *counter =
        rt_table_edit(timers->table, rt_key_bytes(&key), sizeof(uint64_t), &created);
    return ++*counter;
}

void
br_timers_set(br_timers *timers, rt_tenant tenant, rt_str owner, rt_str name, int64_t due_ms,
              rt_str subject)
{
    rt_key key = timer_key(tenant, owner, name);
    rt_bytes before;
    bool known = rt_table_get(timers->table, rt_key_bytes(&key), &before);
    if (due_ms == 0) {
        timers->count -= rt_table_del(timers->table, rt_key_bytes(&key));
        return;
    }
    if (known && ((const timer_row *)(const void *)before.ptr)->due_ms == due_ms) {
        return;
    }
    if (!known && timers->count >= BR_TIMERS_MAX) {
        timers->refused++;
        return;
    }
    uint64_t number = next_number(timers);
    bool created;
    timer_row *row = rt_table_edit(timers->table, rt_key_bytes(&key),
                                   sizeof(timer_row) + subject.len, &created);
    row->due_ms = due_ms;
    row->number = number;
    if (subject.len > 0) {
        memcpy((uint8_t *)row + sizeof(timer_row), subject.ptr, subject.len);
    }
    timers->count += created;
    push(timers, &key, row);
    drop_stale(timers);
}

static bool
first(br_timers *timers, rt_bytes *ret_key, rt_bytes *ret_row)
{
    for (;;) {
        const rt_heap_item *item = rt_heap_peek(&timers->heap);
        if (item == NULL) {
            return false;
        }
        *ret_key = rt_key_bytes(&timers->slots[item->value].key);
        if (rt_table_get(timers->table, *ret_key, ret_row) &&
            ((const timer_row *)(const void *)ret_row->ptr)->number == item->tie) {
            return true;
        }
        drop_first(timers);
    }
}

// Whether one may be due: the heap may still hold some that were cancelled or moved, so the first
// may be due later than its top says, never earlier.
static bool
may_be_due(const br_timers *timers, int64_t now_ms)
{
    const rt_heap_item *item = rt_heap_peek(&timers->heap);
    return item != NULL && item->key <= now_ms;
}

bool
br_timers_are_due(br_timers *timers, int64_t now_ms)
{
    return may_be_due(timers, now_ms) && br_timers_next_ms(timers) <= now_ms;
}

bool
br_timers_due(br_timers *timers, int64_t now_ms, br_due *ret_due)
{
    rt_bytes key;
    rt_bytes row;
    int64_t until_ms = now_ms + (RT_PLANTED(timer_in_local_time) ? LOCAL_TIME_MS : 0);
    if (!may_be_due(timers, until_ms) || !first(timers, &key, &row)) {
        return false;
    }
    int64_t due_ms = ((const timer_row *)(const void *)row.ptr)->due_ms;
    if (due_ms > until_ms) {
        return false;
    }
    *ret_due = (br_due){.tenant = rt_key_tenant(key),
                        .due_ms = due_ms,
                        .owner = rt_key_part(key, 0),
                        .key = rt_key_part(key, 1),
                        .subject = {(const char *)row.ptr + sizeof(timer_row),
                                    row.len - sizeof(timer_row)}};
    return true;
}

int64_t
br_timers_next_ms(br_timers *timers)
{
    rt_bytes key;
    rt_bytes row;
    return first(timers, &key, &row) ? ((const timer_row *)(const void *)row.ptr)->due_ms
                                     : INT64_MAX;
}

size_t
br_timers_count(const br_timers *timers)
{
    return timers->count;
}

uint64_t
br_timers_refused(const br_timers *timers)
{
    return timers->refused;
}
