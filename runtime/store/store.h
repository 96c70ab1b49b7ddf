// store/store.h: tables of state: all rows in memory, saved in consistent cuts to the kv seam.
//
// Layer: runtime/store (may use runtime/base, runtime/seam).   Threads: owner's loop thread.
// State is a fold of the journal: it is changed only while a record is applied, and each saved cut
// carries the sequence number it reflects. Rows are opaque bytes; keys begin with the tenant
// (key.h). Reads see own writes. A row's bytes must not depend on addresses, padding or time of
// day, because rt_store_hash compares them between a live run and a replay.
#ifndef CEREBRO_RUNTIME_STORE_STORE_H
#define CEREBRO_RUNTIME_STORE_STORE_H

#include "runtime/base/arena.h"
#include "runtime/base/err.h"
#include "runtime/seam/kv.h"

#define RT_STORE_TABLES_MAX 72
#define RT_STORE_VALUE_MAX 65536

typedef struct rt_store rt_store;
typedef struct rt_table rt_table;

// Where a row stands, or would: see rt_table_place.
typedef struct rt_place {
    rt_bytes key;
    struct rt__row *row; // NULL = there is none
    uint64_t shape;      // of the table when it was looked for
    uint32_t hash;
} rt_place;

// rt_store_open makes a store over an open kv and loads every row of every known table lazily when
// the table is declared.   errors    RT_ECORRUPT a row's CRC32C is wrong (table and key named)
rt_err rt_store_open(rt_kv *kv, rt_store **ret_store) RT_MUST_USE;
// rt_store_open_memory makes a store without a kv (tests, replays into a fresh state).
rt_store *rt_store_open_memory(void) RT_MUST_USE;
// rt_store_close releases it (the kv stays open); unsaved changes are lost.
void rt_store_close(rt_store *store);

// rt_store_table declares a table and loads its rows; `id` (1..71) is its stable number on disk.
//   errors    RT_ECORRUPT RT_EIO
rt_err
rt_store_table(rt_store *store, uint8_t id, const char *name, rt_table **ret_table) RT_MUST_USE;

// rt_table_get views a row; false when there is none. The view lasts until the table next changes.
bool rt_table_get(const rt_table *table, rt_bytes key, rt_bytes *ret_value);
// rt_table_put sets a row (copies).
void rt_table_put(rt_table *table, rt_bytes key, rt_bytes value);
// rt_table_edit returns a row's bytes for changing in place, making a zeroed row of `size` bytes
// when there is none (*ret_created). An existing row of another size is resized, its tail zeroed.
// The pointer lasts until the table next changes; it is aligned to 8.
void *rt_table_edit(rt_table *table, rt_bytes key, size_t size, bool *ret_created);
// rt_table_place looks for a row that is read now and changed later, so that its key is hashed and
// looked for once; the key's bytes have to stay. A place is never wrong: when rows came, went or
// moved meanwhile it is looked for again.
rt_place rt_table_place(const rt_table *table, rt_bytes key);
// rt_place_get is rt_table_get, rt_place_edit is rt_table_edit, at a place of that table.
bool rt_place_get(const rt_table *table, rt_place *place, rt_bytes *ret_value);
void *rt_place_edit(rt_table *table, rt_place *place, size_t size, bool *ret_created);
// rt_table_del removes a row; false when there was none.
bool rt_table_del(rt_table *table, rt_bytes key);
// rt_table_count is the number of rows.
size_t rt_table_count(const rt_table *table);
// rt_table_next walks rows in insertion order from *cursor = 0; false at the end. Do not change the
// table during a walk.
bool rt_table_next(const rt_table *table, size_t *cursor, rt_bytes *ret_key, rt_bytes *ret_value);

// rt_store_savepoint begins recording so that rt_store_rollback can undo every change made since;
// rt_store_release keeps the changes. One savepoint at a time.
void rt_store_savepoint(rt_store *store);
void rt_store_rollback(rt_store *store);
void rt_store_release(rt_store *store);

// rt_store_applied is the seq up to which the loaded state reflects the journal (0 = fresh).
uint64_t rt_store_applied(const rt_store *store);
// rt_store_cut starts saving everything changed since the last cut, as of `applied_seq`, on the
// store thread; `on_done` (may be NULL) is called on `loop`. RT_EBUSY while a cut is under way.
// After a failed cut its changes stay marked and go with the next one.
rt_err rt_store_cut(rt_store *store, uint64_t applied_seq, rt_loop *loop,
                    void (*on_done)(void *user, rt_err err), void *user) RT_MUST_USE;
// rt_store_cut_wait saves and waits (shutdown, tests).
rt_err rt_store_cut_wait(rt_store *store, uint64_t applied_seq) RT_MUST_USE;
// rt_store_saved is the seq of the last cut that is durable.
uint64_t rt_store_saved(const rt_store *store);
// rt_store_dirty is the number of rows changed since the last cut began.
size_t rt_store_dirty(const rt_store *store);
// rt_store_hash is a hash of all rows of all tables, independent of order of insertion.
uint64_t rt_store_hash(const rt_store *store);
// rt_store_fill_step is how full a kv is, as the highest of 80, 90 and 95 percent that `used_bytes`
// reach of `map_bytes`; 0 below.
unsigned rt_store_fill_step(uint64_t used_bytes, uint64_t map_bytes);
// rt_store_bytes is the memory held by rows.
size_t rt_store_bytes(const rt_store *store);

#endif
