// store/internal.h: rows, tables and the store's insides, shared inside runtime/store.
//
// Layer: runtime/store only.   Threads: owner's loop thread.
#ifndef CEREBRO_RUNTIME_STORE_INTERNAL_H
#define CEREBRO_RUNTIME_STORE_INTERNAL_H

#include "runtime/store/store.h"

#define RT__STORE_MAGIC 0x5704e000u
#define RT__TABLE_NAME_BYTES 32
#define RT__ROW_KEY_MAX (RT_KV_KEY_MAX - 2) // with the table's id its length still fits a byte

// A row: this header, the key, the value at the next multiple of 8; one block.
typedef struct rt__row {
    uint64_t ordinal;
    uint32_t value_len;
    uint32_t value_cap;
    uint64_t savepoint; // the savepoint that has logged it
    uint32_t dirty_at;  // index in the dirty list + 1; 0 = clean
    uint32_t cut_id;    // the cut that last took it; 0 = never saved
    uint32_t hash;
    uint32_t crc;   // of what that cut saved
    uint32_t index; // its place in the table's array
    uint8_t key_len;
    uint8_t key[];
} rt__row;

// A place of a table's index: the address of a row, with 16 bits of its hash above; 0 = empty. So a
// look-up goes from the index straight to the row.
typedef uint64_t rt__slot;

struct rt_table {
    uint32_t magic;
    uint8_t id;
    char name[RT__TABLE_NAME_BYTES];
    rt_store *store;
    uint64_t seed;
    rt__slot *slots;
    uint32_t slot_mask;
    rt__row **rows; // NULL = hole
    uint32_t row_count;
    uint32_t row_cap;
    uint32_t live_count;
    uint64_t next_ordinal;
    uint64_t shape; // how often rows came, went or moved
    uint32_t *dirty; // row indices
    uint32_t dirty_count;
    uint32_t dirty_cap;
    size_t bytes;
    uint64_t saved_digest; // over all rows that a cut took, as it took them
};

// The key of a deleted row that the kv may still have.
typedef struct rt__grave {
    uint8_t len;
    uint8_t key[]; // of the kv
} rt__grave;

typedef struct rt__grave_list {
    rt__grave **graves;
    size_t count;
    size_t cap;
} rt__grave_list;

typedef enum rt__undo_kind {
    RT__UNDO_CHANGED,
    RT__UNDO_MADE,
    RT__UNDO_DELETED,
} rt__undo_kind;

// One step back.
typedef struct rt__undo {
    rt__undo_kind kind;
    rt_table *table;
    uint32_t index;
    bool has_grave;   // of RT__UNDO_DELETED
    rt__row *deleted; // of RT__UNDO_DELETED
    size_t old_at;    // of RT__UNDO_CHANGED: offset of the old value in old_bytes
    uint32_t old_len;
} rt__undo;

// A cut under way. It outlives its store when that is closed first, because the kv calls back.
typedef struct rt__cut {
    rt_store *store;   // NULL = closed meanwhile
    bool is_overtaken; // rt_store_cut_wait has saved the same rows again
    uint32_t id;
    uint64_t seq;
    void (*on_done)(void *user, rt_err err);
    void *user;
} rt__cut;

// What the rows of a table, as saved, come to.
typedef struct rt__sum {
    uint64_t rows;
    uint64_t digest;
    bool is_unnamed; // the digest is not bound to the table's name: of a store that had no sums
} rt__sum;

struct rt_store {
    uint32_t magic;
    rt_kv *kv; // NULL = memory only
    rt_table *tables[RT_STORE_TABLES_MAX];
    rt__sum sums[RT_STORE_TABLES_MAX]; // by table, as the last cut of a former life said
    uint64_t applied_seq;
    uint64_t saved_seq;
    rt__grave_list graves;
    rt__grave_list cut_graves; // of the cut under way
    rt__cut *cut;              // under way, or NULL
    uint32_t last_cut_id;
    bool in_savepoint;
    bool is_squeeze_due; // a table had to grow although half of it was holes
    uint64_t savepoint;  // number of the current or last one
    rt__undo *undos;
    size_t undo_count;
    size_t undo_cap;
    uint8_t *old_bytes;
    size_t old_len;
    size_t old_cap;
};

// rt__row_value is where a row's value stands; rt__row_value_const the same for reading.
uint8_t *rt__row_value(rt__row *row);
const uint8_t *rt__row_value_const(const rt__row *row);
// rt__row_kv_key writes the key of a row in the kv; returns its length.
size_t rt__row_kv_key(const rt_table *table, const rt__row *row, uint8_t out[RT_KV_KEY_MAX]);

// rt__table_new makes an empty table.
rt_table *rt__table_new(rt_store *store, uint8_t id, const char *name) RT_MUST_USE;
// rt__table_free releases it with its rows; NULL is fine.
void rt__table_free(rt_table *table);
// rt__table_load adds a row that comes from the kv; key at most RT__ROW_KEY_MAX bytes.
void rt__table_load(rt_table *table, rt_bytes key, uint64_t ordinal, rt_bytes value, uint32_t crc);
// rt__digest is a saved row's share of its table's digest.
uint64_t rt__digest(uint32_t crc);
// rt__table_loaded brings the loaded rows into their order of insertion.
void rt__table_loaded(rt_table *table);
// rt__table_mark notes that a row differs from what was saved.
void rt__table_mark(rt_table *table, uint32_t index);

// rt__graves_add takes a grave; rt__graves_clear frees all; rt__graves_free the list as well.
void rt__graves_add(rt__grave_list *list, rt__grave *grave);
void rt__graves_clear(rt__grave_list *list);
void rt__graves_free(rt__grave_list *list);

#endif
