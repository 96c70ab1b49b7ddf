#include <string.h>

#include "runtime/base/alloc.h"
#include "runtime/base/check.h"
#include "runtime/base/hash.h"
#include "runtime/base/planted.h"
#include "runtime/store/internal.h"

// Design notes.
// A row is one block: header, key, value at the next multiple of 8. A table holds its rows in an
// array in insertion order; a row's index there is its name everywhere else (dirty list, undo log),
// so that a row may move when it grows. The index is open-addressed with linear probing and
// backward-shift deletion; each slot carries the row's address, because a step over the array would
// be one more cache miss for each look-up, and 16 hash bits, so that a probe rarely touches a wrong
// row. The hash seed is the table's address: nobody outside can aim at collisions, and nothing ever
// walks by slot.
//
// Deleted rows leave holes. They are squeezed out when the array is full, but not while a savepoint
// is open, because undo entries name rows by index: then the array grows, and is squeezed
// afterwards.
//
// Undo: at the first touch of a row inside a savepoint its bytes are logged; a new row is logged as
// made, a deleted one is kept alive in the log. Rolling back runs the log backwards.

#define TABLE_MAGIC 0x7ab1e000u
#define ROWS_MIN 12 // three quarters of the smallest index
#define ADDRESS_BITS 48

// --- rows -----------------------------------------------------------------------------------

static size_t
value_offset(size_t key_len)
{
    return (offsetof(rt__row, key) + key_len + 7) & ~(size_t)7;
}

uint8_t *
rt__row_value(rt__row *r)
{
    return (uint8_t *)r + value_offset(r->key_len);
}

const uint8_t *
rt__row_value_const(const rt__row *r)
{
    return (const uint8_t *)r + value_offset(r->key_len);
}

static size_t
row_bytes(const rt__row *r)
{
    return value_offset(r->key_len) + r->value_cap;
}

static rt__row *
new_row(rt_table *table, rt_bytes key, uint32_t hash, size_t size)
{
    size_t cap = (size + 7) & ~(size_t)7;
    rt__row *r = rt_alloc(value_offset(key.len) + cap);

    r->ordinal = table->next_ordinal;
    table->next_ordinal++;
    r->value_len = (uint32_t)size;
    r->value_cap = (uint32_t)cap;
    r->hash = hash;
    r->key_len = (uint8_t)key.len;
    memcpy(r->key, key.ptr, key.len);
    return r;
}

// --- index ----------------------------------------------------------------------------------

static uint64_t
tag_of(uint32_t hash)
{
    return hash >> 16; // the lower ones say where the slot is
}

static rt__slot
slot_of(const rt__row *r)
{
    uint64_t address = (uint64_t)(uintptr_t)r;

    RT_ASSERT(address >> ADDRESS_BITS == 0);
    return tag_of(r->hash) << ADDRESS_BITS | address;
}

// The row of a slot; NULL when that is empty.
static rt__row *
slot_row(rt__slot slot)
{
    return (rt__row *)(uintptr_t)(slot & ((UINT64_C(1) << ADDRESS_BITS) - 1));
}

static uint32_t
hash_key(const rt_table *table, rt_bytes key)
{
    return (uint32_t)rt_hash64(key, table->seed);
}

// The slot that holds the key, or the empty one where it would go.
static uint32_t
find_slot(const rt_table *table, rt_bytes key, uint32_t hash)
{
    uint32_t at = hash & table->slot_mask;

    for (;;) {
        rt__slot slot = table->slots[at];

        if (slot == 0) {
            return at;
        }
        if (slot >> ADDRESS_BITS == tag_of(hash)) {
            const rt__row *r = slot_row(slot);

            if (r->key_len == key.len && memcmp(r->key, key.ptr, key.len) == 0) {
                return at;
            }
        }
        at = (at + 1) & table->slot_mask;
    }
}

static void
fill_slot(rt_table *table, const rt__row *r)
{
    uint32_t at = r->hash & table->slot_mask;

    while (table->slots[at] != 0) {
        at = (at + 1) & table->slot_mask;
    }
    table->slots[at] = slot_of(r);
}

// Empties a slot and moves those behind it that would not be found any more.
static void
empty_slot(rt_table *table, uint32_t hole)
{
    uint32_t at = hole;

    for (;;) {
        uint32_t home = 0;

        at = (at + 1) & table->slot_mask;
        if (table->slots[at] == 0) {
            break;
        }
        home = slot_row(table->slots[at])->hash & table->slot_mask;
        if (((at - home) & table->slot_mask) >= ((at - hole) & table->slot_mask)) {
            table->slots[hole] = table->slots[at];
            hole = at;
        }
    }
    table->slots[hole] = 0;
}

static void
rebuild_slots(rt_table *table, uint32_t slot_count)
{
    rt_free(table->slots);
    table->slots = rt_new_array(rt__slot, slot_count);
    table->slot_mask = slot_count - 1;
    for (uint32_t i = 0; i < table->row_count; i++) {
        if (table->rows[i] != NULL) {
            fill_slot(table, table->rows[i]);
        }
    }
}

// Gives row `index` another size, keeping what fits and zeroing the rest. When the row has to move,
// its old block is left to the caller, who may still read from it; otherwise the result is NULL.
static rt__row *
resize_row(rt_table *table, uint32_t index, size_t size)
{
    rt__row *r = table->rows[index];
    size_t cap = (size + 7) & ~(size_t)7;
    size_t head = value_offset(r->key_len);
    rt__row *grown = NULL;

    if (size <= r->value_cap) {
        if (size > r->value_len) {
            memset(rt__row_value(r) + r->value_len, 0, size - r->value_len);
        }
        r->value_len = (uint32_t)size;
        return NULL;
    }
    grown = rt_alloc(head + cap);
    memcpy(grown, r, head + r->value_len);
    grown->value_len = (uint32_t)size;
    grown->value_cap = (uint32_t)cap;
    table->bytes += cap - r->value_cap;
    table->slots[find_slot(table, (rt_bytes){r->key, r->key_len}, r->hash)] = slot_of(grown);
    table->shape++;
    table->rows[index] = grown;
    return r;
}

// Rows, holes included, fill at most three quarters of the slots, so probes stay short.
static void
set_capacity(rt_table *table, uint32_t row_cap)
{
    table->row_cap = row_cap;
    table->rows = rt_realloc(table->rows, row_cap * sizeof(rt__row *));
    rebuild_slots(table, row_cap / 3 * 4);
}

// Closes the holes in the array of rows, keeping their order, and gives back what is not needed.
static void
squeeze(rt_table *table)
{
    uint32_t cap = ROWS_MIN;
    uint32_t to = 0;

    for (uint32_t from = 0; from < table->row_count; from++) {
        rt__row *r = table->rows[from];

        if (r != NULL) {
            if (r->dirty_at != 0) {
                table->dirty[r->dirty_at - 1] = to;
            }
            table->rows[to] = r;
            r->index = to;
            to++;
        }
    }
    table->row_count = to;
    while (cap < 2 * to) {
        cap *= 2;
    }
    set_capacity(table, cap);
}

static void
squeeze_due_tables(rt_store *store)
{
    store->is_squeeze_due = false;
    for (size_t i = 0; i < RT_COUNT(store->tables); i++) {
        rt_table *table = store->tables[i];

        if (table != NULL && table->live_count < table->row_count / 2) {
            squeeze(table);
        }
    }
}

// Makes room for one more row.
static void
reserve_row(rt_table *table)
{
    if (table->row_count < table->row_cap) {
        return;
    }
    if (table->live_count < table->row_cap / 2) {
        if (!table->store->in_savepoint) {
            squeeze(table);
            return;
        }
        table->store->is_squeeze_due = true;
    }
    RT_ASSERT(table->row_cap <= UINT32_MAX / 4);
    set_capacity(table, table->row_cap * 2);
}

// --- dirty and deleted rows --------------------------------------------------------------------

static void
mark(rt_table *table, rt__row *r)
{
    if (RT_LIKELY(r->dirty_at != 0)) {
        return;
    }
    if (table->dirty_count == table->dirty_cap) {
        table->dirty_cap = table->dirty_cap > 0 ? table->dirty_cap * 2 : 64;
        table->dirty = rt_realloc(table->dirty, table->dirty_cap * sizeof(uint32_t));
    }
    table->dirty[table->dirty_count] = r->index;
    table->dirty_count++;
    r->dirty_at = table->dirty_count;
}

void
rt__table_mark(rt_table *table, uint32_t index)
{
    mark(table, table->rows[index]);
}

static void
unmark_dirty(rt_table *table, rt__row *r)
{
    uint32_t last = 0;

    if (r->dirty_at == 0) {
        return;
    }
    table->dirty_count--;
    last = table->dirty[table->dirty_count];
    table->dirty[r->dirty_at - 1] = last;
    table->rows[last]->dirty_at = r->dirty_at;
    r->dirty_at = 0; // after the line above, which may be about this very row
}

size_t
rt__row_kv_key(const rt_table *table, const rt__row *r, uint8_t out[RT_KV_KEY_MAX])
{
    out[0] = table->id;
    memcpy(out + 1, r->key, r->key_len);
    return 1 + (size_t)r->key_len;
}

static void
bury(rt_table *table, const rt__row *r)
{
    uint8_t key[RT_KV_KEY_MAX];
    size_t len = rt__row_kv_key(table, r, key);
    rt__grave *g = rt_alloc(sizeof(*g) + len);

    g->len = (uint8_t)len;
    memcpy(g->key, key, len);
    rt__graves_add(&table->store->graves, g);
}

// --- undo -----------------------------------------------------------------------------------

static rt__undo *
add_undo(rt_store *store, rt__undo_kind kind, rt_table *table, uint32_t index)
{
    rt__undo *u = NULL;

    if (store->undo_count == store->undo_cap) {
        store->undo_cap = store->undo_cap > 0 ? store->undo_cap * 2 : 64;
        store->undos = rt_realloc(store->undos, store->undo_cap * sizeof(rt__undo));
    }
    u = &store->undos[store->undo_count];
    store->undo_count++;
    *u = (rt__undo){.kind = kind, .table = table, .index = index};
    return u;
}

// Logs a row's value before its first change inside the savepoint.
static void
log_value(rt_table *table, rt__row *r)
{
    rt_store *store = table->store;
    rt__undo *u = NULL;

    if (!store->in_savepoint || r->savepoint == store->savepoint) {
        return;
    }
    r->savepoint = store->savepoint;
    if (store->old_len + r->value_len > store->old_cap) {
        store->old_cap = RT_MAX(store->old_cap * 2, store->old_len + r->value_len + 4096);
        store->old_bytes = rt_realloc(store->old_bytes, store->old_cap);
    }
    u = add_undo(store, RT__UNDO_CHANGED, table, r->index);
    u->old_at = store->old_len;
    u->old_len = r->value_len;
    if (r->value_len > 0) {
        memcpy(store->old_bytes + store->old_len, rt__row_value(r), r->value_len);
        store->old_len += r->value_len;
    }
}

// Takes a row out of array, index and dirty list without freeing it.
static rt__row *
unlink_row(rt_table *table, uint32_t index)
{
    rt__row *r = table->rows[index];

    unmark_dirty(table, r);
    empty_slot(table, find_slot(table, (rt_bytes){r->key, r->key_len}, r->hash));
    table->rows[index] = NULL;
    table->live_count--;
    table->shape++;
    table->bytes -= row_bytes(r);
    table->saved_digest -= r->cut_id != 0 ? rt__digest(r->crc) : 0;
    return r;
}

static void
undo_changed(rt_store *store, const rt__undo *u)
{
    rt_free(resize_row(u->table, u->index, u->old_len));
    if (u->old_len > 0) {
        memcpy(rt__row_value(u->table->rows[u->index]), store->old_bytes + u->old_at, u->old_len);
    }
    rt__table_mark(u->table, u->index);
}

static void
undo_made(const rt__undo *u)
{
    rt_table *table = u->table;

    RT_ASSERT(u->index == table->row_count - 1);
    rt_free(unlink_row(table, u->index));
    table->row_count--;
    table->next_ordinal--;
}

static void
undo_deleted(rt_store *store, const rt__undo *u)
{
    rt_table *table = u->table;

    table->rows[u->index] = u->deleted;
    u->deleted->index = u->index;
    fill_slot(table, u->deleted);
    table->live_count++;
    table->shape++;
    table->bytes += row_bytes(u->deleted);
    table->saved_digest += u->deleted->cut_id != 0 ? rt__digest(u->deleted->crc) : 0;
    rt__table_mark(table, u->index);
    if (u->has_grave) {
        store->graves.count--; // the newest: graves are dug in the order of deletes
        rt_free(store->graves.graves[store->graves.count]);
    }
}

void
rt_store_savepoint(rt_store *store)
{
    RT_CHECK(store, RT__STORE_MAGIC);
    RT_ASSERT(!store->in_savepoint);
    store->in_savepoint = true;
    store->savepoint++;
}

static void
end_savepoint(rt_store *store)
{
    store->in_savepoint = false;
    store->undo_count = 0;
    store->old_len = 0;
    if (store->is_squeeze_due) {
        squeeze_due_tables(store);
    }
}

void
rt_store_rollback(rt_store *store)
{
    RT_CHECK(store, RT__STORE_MAGIC);
    RT_ASSERT(store->in_savepoint);
    while (store->undo_count > 0) {
        const rt__undo *u = &store->undos[store->undo_count - 1];

        switch (u->kind) {
        case RT__UNDO_CHANGED:
            undo_changed(store, u);
            break;
        case RT__UNDO_MADE:
            undo_made(u);
            break;
        case RT__UNDO_DELETED:
            undo_deleted(store, u);
            break;
        }
        store->undo_count--;
    }
    end_savepoint(store);
}

void
rt_store_release(rt_store *store)
{
    RT_CHECK(store, RT__STORE_MAGIC);
    RT_ASSERT(store->in_savepoint);
    for (size_t i = 0; i < store->undo_count; i++) {
        rt_free(store->undos[i].deleted);
    }
    end_savepoint(store);
}

// --- tables ---------------------------------------------------------------------------------

static rt__row *
find_row(const rt_table *table, rt_bytes key, uint32_t hash)
{
    return slot_row(table->slots[find_slot(table, key, hash)]);
}

static bool
view_row(const rt__row *r, rt_bytes *ret_value)
{
    if (r == NULL) {
        return false;
    }
    *ret_value = (rt_bytes){rt__row_value_const(r), r->value_len};
    return true;
}

bool
rt_table_get(const rt_table *table, rt_bytes key, rt_bytes *ret_value)
{
    RT_CHECK(table, TABLE_MAGIC);
    return view_row(find_row(table, key, hash_key(table, key)), ret_value);
}

rt_place
rt_table_place(const rt_table *table, rt_bytes key)
{
    uint32_t hash = 0;

    RT_CHECK(table, TABLE_MAGIC);
    hash = hash_key(table, key);
    return (rt_place){key, find_row(table, key, hash), table->shape, hash};
}

static void
look_again(const rt_table *table, rt_place *place)
{
    if (place->shape != table->shape) {
        place->row = find_row(table, place->key, place->hash);
        place->shape = table->shape;
    }
}

bool
rt_place_get(const rt_table *table, rt_place *place, rt_bytes *ret_value)
{
    RT_CHECK(table, TABLE_MAGIC);
    look_again(table, place);
    return view_row(place->row, ret_value);
}

static uint32_t
add_row(rt_table *table, rt_bytes key, uint32_t hash, size_t size)
{
    uint32_t index = 0;
    rt__row *r = NULL;

    RT_ASSERT(key.len > 0);
    RT_ASSERT(key.len <= RT__ROW_KEY_MAX);
    reserve_row(table);
    index = table->row_count;
    r = new_row(table, key, hash, size);
    r->index = index;
    table->rows[index] = r;
    table->row_count++;
    table->live_count++;
    table->shape++;
    table->bytes += row_bytes(r);
    fill_slot(table, r);
    if (table->store->in_savepoint) {
        r->savepoint = table->store->savepoint;
        (void)add_undo(table->store, RT__UNDO_MADE, table, index);
    }
    return index;
}

void *
rt_place_edit(rt_table *table, rt_place *place, size_t size, bool *ret_created)
{
    rt__row *r = NULL;
    uint32_t index = 0;

    RT_CHECK(table, TABLE_MAGIC);
    RT_ASSERT(size <= RT_STORE_VALUE_MAX);
    look_again(table, place);
    r = place->row;
    *ret_created = r == NULL;
    if (r == NULL) {
        index = add_row(table, place->key, place->hash, size); // which may move the array
        r = table->rows[index];
    } else {
        log_value(table, r);
        if (r->value_len != size) {
            index = r->index;
            rt_free(resize_row(table, index, size));
            r = table->rows[index];
        }
    }
    mark(table, r);
    place->row = r;
    place->shape = table->shape;
    return rt__row_value(r);
}

void *
rt_table_edit(rt_table *table, rt_bytes key, size_t size, bool *ret_created)
{
    rt_place place = rt_table_place(table, key);

    return rt_place_edit(table, &place, size, ret_created);
}

void
rt_table_put(rt_table *table, rt_bytes key, rt_bytes value)
{
    uint32_t hash = 0;
    uint32_t index = 0;
    rt__row *r = NULL;
    rt__row *moved = NULL; // freed last: `value` may be a view of this very row

    RT_CHECK(table, TABLE_MAGIC);
    RT_ASSERT(value.len <= RT_STORE_VALUE_MAX);
    hash = hash_key(table, key);
    r = find_row(table, key, hash);
    if (r == NULL) {
        index = add_row(table, key, hash, value.len);
    } else {
        index = r->index;
        log_value(table, r);
        if (r->value_len != value.len) {
            moved = resize_row(table, index, value.len);
        }
    }
    r = table->rows[index];
    if (value.len > 0) {
        memmove(rt__row_value(r), value.ptr, value.len);
    }
    rt_free(moved);
    mark(table, r);
}

bool
rt_table_del(rt_table *table, rt_bytes key)
{
    rt_store *store = NULL;
    rt__row *r = NULL;
    bool has_grave = false;

    RT_CHECK(table, TABLE_MAGIC);
    store = table->store;
    r = find_row(table, key, hash_key(table, key));
    if (r == NULL) {
        return false;
    }
    r = unlink_row(table, r->index);
    has_grave = r->cut_id != 0 && store->kv != NULL;
    if (has_grave) {
        bury(table, r);
    }
    if (store->in_savepoint) {
        rt__undo *u = add_undo(store, RT__UNDO_DELETED, table, r->index);

        u->deleted = r;
        u->has_grave = has_grave;
    } else {
        rt_free(r);
    }
    return true;
}

size_t
rt_table_count(const rt_table *table)
{
    RT_CHECK(table, TABLE_MAGIC);
    return table->live_count;
}

// The walk of the planted mistake: slots lie as the hash says, and that is seeded by an address.
static bool
next_slot(const rt_table *table, size_t *cursor, rt_bytes *ret_key, rt_bytes *ret_value)
{
    while (*cursor <= table->slot_mask) {
        const rt__row *r = slot_row(table->slots[(*cursor)++]);

        if (r != NULL) {
            *ret_key = (rt_bytes){r->key, r->key_len};
            *ret_value = (rt_bytes){rt__row_value_const(r), r->value_len};
            return true;
        }
    }
    return false;
}

bool
rt_table_next(const rt_table *table, size_t *cursor, rt_bytes *ret_key, rt_bytes *ret_value)
{
    RT_CHECK(table, TABLE_MAGIC);
    if (RT_PLANTED(walk_by_address)) {
        return next_slot(table, cursor, ret_key, ret_value);
    }
    while (*cursor < table->row_count) {
        const rt__row *r = table->rows[*cursor];

        (*cursor)++;
        if (r != NULL) {
            *ret_key = (rt_bytes){r->key, r->key_len};
            *ret_value = (rt_bytes){rt__row_value_const(r), r->value_len};
            return true;
        }
    }
    return false;
}

// --- life and loading -----------------------------------------------------------------------

rt_table *
rt__table_new(rt_store *store, uint8_t id, const char *name)
{
    rt_table *table = rt_new(rt_table);
    size_t name_len = strlen(name);

    RT_ASSERT(name_len < RT__TABLE_NAME_BYTES);
    table->magic = TABLE_MAGIC;
    table->id = id;
    table->store = store;
    table->seed = (uint64_t)(uintptr_t)table;
    memcpy(table->name, name, name_len);
    set_capacity(table, ROWS_MIN);
    return table;
}

void
rt__table_free(rt_table *table)
{
    if (table == NULL) {
        return;
    }
    for (uint32_t i = 0; i < table->row_count; i++) {
        rt_free(table->rows[i]);
    }
    rt_free(table->rows);
    rt_free(table->slots);
    rt_free(table->dirty);
    table->magic = 0;
    rt_free(table);
}

void
rt__table_load(rt_table *table, rt_bytes key, uint64_t ordinal, rt_bytes value, uint32_t crc)
{
    uint32_t index = add_row(table, key, hash_key(table, key), value.len);
    rt__row *r = table->rows[index];

    r->ordinal = ordinal;
    r->cut_id = UINT32_MAX; // of a former life: saved, in no cut of ours
    r->crc = crc;
    table->saved_digest += rt__digest(crc);
    if (value.len > 0) {
        memcpy(rt__row_value(r), value.ptr, value.len);
    }
}

// Sinks rows[at] of a heap of `count` rows with the largest ordinal on top.
static void
sink(rt__row **rows, uint32_t at, uint32_t count)
{
    rt__row *r = rows[at];

    for (;;) {
        uint32_t child = 2 * at + 1;

        if (child >= count) {
            break;
        }
        if (child + 1 < count && rows[child + 1]->ordinal > rows[child]->ordinal) {
            child++;
        }
        if (rows[child]->ordinal <= r->ordinal) {
            break;
        }
        rows[at] = rows[child];
        at = child;
    }
    rows[at] = r;
}

// Heap sort by ordinal: without recursion and without a bad case.
static void
sort_rows(rt__row **rows, uint32_t count)
{
    for (uint32_t i = count / 2; i > 0; i--) {
        sink(rows, i - 1, count);
    }
    for (uint32_t last = count; last > 1; last--) {
        rt__row *largest = rows[0];

        rows[0] = rows[last - 1];
        rows[last - 1] = largest;
        sink(rows, 0, last - 1);
    }
}

void
rt__table_loaded(rt_table *table)
{
    sort_rows(table->rows, table->row_count);
    for (uint32_t i = 0; i < table->row_count; i++) {
        table->rows[i]->index = i;
    }
    rebuild_slots(table, table->slot_mask + 1);
    table->next_ordinal = 0;
    if (table->row_count > 0) {
        table->next_ordinal = table->rows[table->row_count - 1]->ordinal + 1;
    }
}
