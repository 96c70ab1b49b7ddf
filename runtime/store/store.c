#include "runtime/store/store.h"

#include <string.h>

#include "runtime/base/alloc.h"
#include "runtime/base/check.h"
#include "runtime/base/hash.h"
#include "runtime/base/planted.h"
#include "runtime/store/internal.h"

// Design notes.
// On disk a row is: u32 CRC-32C (over kv key, ordinal and value) · u64 ordinal · value. The ordinal
// numbers the rows of a table in order of insertion; loading sorts by it, so a walk over a reopened
// table goes in the same order as over one that never was closed, and so does whatever depends on
// it.
//
// A row's checksum cannot tell that another row is missing, or that an old version of it came back
// with an old page. So each cut saves, with its position, the number of rows of every table and the
// sum of a hash of their checksums; a table that loads to anything else is refused, and so is one
// of another name, since the files of two stores may be mistaken for one another. The sum is kept
// up to date as rows are cut and deleted, at the price of a checksum in each row.
//
// Cuts: `dirty` lists rows changed since the last cut, `graves` the keys of deleted rows that the
// kv may still have. Deletes come before puts in a batch, so a row deleted and made again ends
// well. A cut under way remembers in each of its rows (cut_id) that it took it; when it fails they
// are marked dirty again, and its graves come back.

#define DISK_HEADER_BYTES 12
#define SUM_BYTES 17
#define POSITION_BYTES_MAX (2 + SUM_BYTES * RT_STORE_TABLES_MAX)
#define POSITION_FORMAT 1 // a position without content is of the time before
#define UNNAMED 0x80u     // flag of a table's number

static const uint8_t seq_key[] = {0, 's', 'e', 'q'};

// --- graves ---------------------------------------------------------------------------------

void
rt__graves_add(rt__grave_list *list, rt__grave *g)
{
    if (list->count == list->cap) {
        list->cap = list->cap > 0 ? list->cap * 2 : 16;
        list->graves = rt_realloc(list->graves, list->cap * sizeof(rt__grave *));
    }
    list->graves[list->count] = g;
    list->count++;
}

void
rt__graves_clear(rt__grave_list *list)
{
    while (list->count > 0) {
        list->count--;
        rt_free(list->graves[list->count]);
    }
}

void
rt__graves_free(rt__grave_list *list)
{
    rt__graves_clear(list);
    rt_free(list->graves);
}

// --- disk format ----------------------------------------------------------------------------

static uint64_t
load(const uint8_t *at, size_t bytes)
{
    uint64_t value = 0;

    for (size_t i = 0; i < bytes; i++) {
        value |= (uint64_t)at[i] << 8 * i;
    }
    return value;
}

static void
keep(uint8_t *at, size_t bytes, uint64_t value)
{
    for (size_t i = 0; i < bytes; i++) {
        at[i] = (uint8_t)(value >> 8 * i);
    }
}

uint64_t
rt__digest(uint32_t crc)
{
    // An odd factor and a shift: sums of these differ when the sets of checksums do.
    uint64_t x = (crc + 1ull) * 0x9e3779b97f4a7c15ull;

    return (x ^ x >> 29) * 0xbf58476d1ce4e5b9ull;
}

static uint32_t
disk_crc(rt_bytes kv_key, const uint8_t *disk_row, size_t value_len)
{
    return rt_crc32c(rt_crc32c(0, kv_key), (rt_bytes){disk_row + 4, 8 + value_len});
}

// Writes the row into `out`, which has DISK_HEADER_BYTES more than the value; returns its length.
static size_t
encode_row(rt_bytes kv_key, uint64_t ordinal, rt_bytes value, uint8_t *out)
{
    keep(out + 4, 8, ordinal);
    if (value.len > 0) {
        memcpy(out + DISK_HEADER_BYTES, value.ptr, value.len);
    }
    keep(out, 4, disk_crc(kv_key, out, value.len));
    return DISK_HEADER_BYTES + value.len;
}

static rt_err
decode_row(rt_bytes kv_key, rt_bytes disk, uint64_t *ret_ordinal, rt_bytes *ret_value)
{
    if (disk.len < DISK_HEADER_BYTES ||
        load(disk.ptr, 4) != disk_crc(kv_key, disk.ptr, disk.len - DISK_HEADER_BYTES)) {
        return RT_ECORRUPT;
    }
    *ret_ordinal = load(disk.ptr + 4, 8);
    *ret_value = (rt_bytes){disk.ptr + DISK_HEADER_BYTES, disk.len - DISK_HEADER_BYTES};
    return RT_OK;
}

// --- open and load --------------------------------------------------------------------------

static rt_store *
new_store(rt_kv *kv)
{
    rt_store *store = rt_new(rt_store);

    store->magic = RT__STORE_MAGIC;
    store->kv = kv;
    return store;
}

rt_store *
rt_store_open_memory(void)
{
    return new_store(NULL);
}

// Adds a pair to the sums of a store that has none.
static rt_err
on_any_pair(void *user, rt_bytes kv_key, rt_bytes disk)
{
    rt_store *store = user;
    rt_bytes value;
    uint64_t ordinal = 0;

    if (rt_bytes_equal(kv_key, (rt_bytes){seq_key, sizeof(seq_key)})) {
        return RT_OK;
    }
    if (kv_key.len < 2 || kv_key.ptr[0] == 0 || kv_key.ptr[0] >= RT_STORE_TABLES_MAX ||
        decode_row(kv_key, disk, &ordinal, &value) != RT_OK) {
        return rt_fail(RT_ECORRUPT, "a row of table %u has a wrong checksum",
                       kv_key.len > 0 ? kv_key.ptr[0] : 0);
    }
    store->sums[kv_key.ptr[0]].is_unnamed = true;
    store->sums[kv_key.ptr[0]].rows++;
    store->sums[kv_key.ptr[0]].digest += rt__digest((uint32_t)load(disk.ptr, 4));
    return RT_OK;
}

static rt_err
read_sums(rt_store *store, rt_bytes value)
{
    if (value.len < 2 || value.ptr[0] != POSITION_FORMAT ||
        value.len != 2 + (size_t)value.ptr[1] * SUM_BYTES) {
        return rt_fail(RT_EVERSION, "the store's position is of another format");
    }
    for (const uint8_t *at = value.ptr + 2; at < value.ptr + value.len; at += SUM_BYTES) {
        uint8_t id = (uint8_t)(at[0] & ~UNNAMED);

        if (id >= RT_STORE_TABLES_MAX) {
            return rt_fail(RT_EVERSION, "the store has a table of number %u", id);
        }
        store->sums[id] =
            (rt__sum){load(at + 1, 8), load(at + 9, 8), (at[0] & UNNAMED) != 0};
    }
    return RT_OK;
}

// Reads how far the store is and what its tables come to.
static rt_err
read_position(rt_store *store, rt_arena *arena)
{
    rt_bytes key = {seq_key, sizeof(seq_key)};
    rt_bytes disk;
    rt_bytes value;
    rt_err err = rt_kv_get(store->kv, key, arena, &disk);

    if (err == RT_ENOTFOUND) {
        err = rt_kv_scan(store->kv, (rt_bytes){NULL, 0}, on_any_pair, store);
        for (size_t i = 0; err == RT_OK && i < RT_STORE_TABLES_MAX; i++) {
            if (store->sums[i].rows > 0) {
                err = rt_fail(RT_ECORRUPT, "the store has rows in table %zu and no position", i);
            }
        }
        return err;
    }
    if (err != RT_OK) {
        return err;
    }
    if (decode_row(key, disk, &store->applied_seq, &value) != RT_OK) {
        return rt_fail(RT_ECORRUPT, "the store's position has a wrong checksum");
    }
    store->saved_seq = store->applied_seq;
    return value.len > 0 ? read_sums(store, value)
                         : rt_kv_scan(store->kv, (rt_bytes){NULL, 0}, on_any_pair, store);
}

rt_err
rt_store_open(rt_kv *kv, rt_store **ret_store)
{
    rt_arena *arena = rt_arena_new(2 * POSITION_BYTES_MAX);
    rt_store *store = new_store(kv);
    rt_err err = read_position(store, arena);

    rt_arena_free(arena);
    if (err != RT_OK) {
        rt_store_close(store);
        return err;
    }
    *ret_store = store;
    return RT_OK;
}

void
rt_store_close(rt_store *store)
{
    if (store == NULL) {
        return;
    }
    RT_CHECK(store, RT__STORE_MAGIC);
    if (store->in_savepoint) {
        rt_store_release(store);
    }
    if (store->cut != NULL) {
        store->cut->store = NULL; // the kv still owes it a call, which frees it
    }
    for (size_t i = 0; i < RT_COUNT(store->tables); i++) {
        rt__table_free(store->tables[i]);
    }
    rt__graves_free(&store->graves);
    rt__graves_free(&store->cut_graves);
    rt_free(store->undos);
    rt_free(store->old_bytes);
    store->magic = 0;
    rt_free(store);
}

static rt_err
on_pair(void *user, rt_bytes kv_key, rt_bytes disk)
{
    rt_table *table = user;
    rt_bytes key = {kv_key.ptr + 1, kv_key.len - 1};
    rt_bytes value;
    uint64_t ordinal = 0;

    if (key.len == 0 || kv_key.len > RT__ROW_KEY_MAX + 1 ||
        decode_row(kv_key, disk, &ordinal, &value) != RT_OK) {
        char hex[2 * RT__ROW_KEY_MAX + 1];

        rt_hex((rt_bytes){key.ptr, RT_MIN(key.len, (size_t)RT__ROW_KEY_MAX)}, hex, sizeof(hex));
        return rt_fail(RT_ECORRUPT, "table %s, key %s: wrong checksum", table->name, hex);
    }
    rt__table_load(table, key, ordinal, value, (uint32_t)load(disk.ptr, 4));
    return RT_OK;
}

static uint64_t
named_digest(const rt_table *table)
{
    rt_str name = rt_str_of(table->name);

    return table->saved_digest ^ rt_hash64(rt_bytes_of_str(name), table->id);
}

static rt_err
load_table(rt_table *table)
{
    rt_err err = rt_kv_scan(table->store->kv, (rt_bytes){&table->id, 1}, on_pair, table);

    const rt__sum *sum = &table->store->sums[table->id];

    if (err != RT_OK) {
        return err;
    }
    if (table->live_count != sum->rows ||
        (sum->rows > 0 && sum->digest != (sum->is_unnamed ? table->saved_digest
                                                          : named_digest(table)))) {
        return rt_fail(RT_ECORRUPT, "table %s: its %u rows are not the %llu that were saved",
                       table->name, table->live_count, (unsigned long long)sum->rows);
    }
    rt__table_loaded(table);
    return RT_OK;
}

rt_err
rt_store_table(rt_store *store, uint8_t id, const char *name, rt_table **ret_table)
{
    rt_table *table = NULL;
    rt_err err = RT_OK;

    RT_CHECK(store, RT__STORE_MAGIC);
    RT_ASSERT(id > 0 && id < RT_STORE_TABLES_MAX);
    RT_ASSERT(store->tables[id] == NULL);
    RT_ASSERT(!store->in_savepoint);
    table = rt__table_new(store, id, name);
    err = store->kv != NULL ? load_table(table) : RT_OK;
    if (err != RT_OK) {
        rt__table_free(table);
        return err;
    }
    store->tables[id] = table;
    *ret_table = table;
    return RT_OK;
}

// --- cuts -----------------------------------------------------------------------------------

// Puts the table's dirty rows into the batch and marks them clean.
static void
cut_table(rt_table *table, uint32_t cut_id, rt_kv_batch *batch, uint8_t *scratch)
{
    for (uint32_t i = 0; i < table->dirty_count; i++) {
        rt__row *r = table->rows[table->dirty[i]];
        uint8_t key[RT_KV_KEY_MAX];
        rt_bytes kv_key = {key, rt__row_kv_key(table, r, key)};
        rt_bytes value = {rt__row_value(r), r->value_len};
        size_t len = encode_row(kv_key, r->ordinal, value, scratch);

        rt_kv_batch_put(batch, kv_key, (rt_bytes){scratch, len});
        table->saved_digest -= r->cut_id != 0 ? rt__digest(r->crc) : 0;
        r->crc = (uint32_t)load(scratch, 4);
        table->saved_digest += rt__digest(r->crc);
        r->dirty_at = 0;
        r->cut_id = cut_id;
    }
    table->dirty_count = 0;
}

// Puts how far the store is, and what its tables come to, into the batch. Tables that are not
// declared in this life stay as they were.
static void
cut_position(const rt_store *store, uint64_t seq, rt_kv_batch *batch, uint8_t *scratch)
{
    uint8_t value[POSITION_BYTES_MAX];
    rt_bytes key = {seq_key, sizeof(seq_key)};
    size_t len = 2;
    uint8_t count = 0;

    for (uint8_t i = 1; i < RT_STORE_TABLES_MAX; i++) {
        const rt_table *table = store->tables[i];
        rt__sum sum = store->sums[i];

        if (table != NULL) {
            sum = (rt__sum){table->live_count, named_digest(table), false};
        }
        if (sum.rows > 0) {
            value[len] = (uint8_t)(sum.is_unnamed ? i | UNNAMED : i);
            keep(value + len + 1, 8, sum.rows);
            keep(value + len + 9, 8, sum.digest);
            len += SUM_BYTES;
            count++;
        }
    }
    value[0] = POSITION_FORMAT;
    value[1] = count;
    len = encode_row(key, seq, (rt_bytes){value, len}, scratch);
    rt_kv_batch_put(batch, key, (rt_bytes){scratch, len});
}

// Copies everything changed since the last cut into a batch.
static rt_kv_batch *
take_cut(rt_store *store, uint64_t seq)
{
    rt_kv_batch *batch = rt_kv_batch_new();
    uint8_t *scratch = rt_alloc(DISK_HEADER_BYTES + RT_STORE_VALUE_MAX);
    rt__grave_list empty = store->cut_graves;

    store->last_cut_id = store->last_cut_id % (UINT32_MAX - 1) + 1;
    for (size_t i = 0; i < store->graves.count; i++) {
        const rt__grave *g = store->graves.graves[i];

        rt_kv_batch_del(batch, (rt_bytes){g->key, g->len});
    }
    store->cut_graves = store->graves;
    store->graves = (rt__grave_list){.graves = empty.graves, .cap = empty.cap};
    for (size_t i = 0; i < RT_COUNT(store->tables); i++) {
        if (store->tables[i] != NULL) {
            cut_table(store->tables[i], store->last_cut_id, batch, scratch);
        }
    }
    cut_position(store, seq, batch, scratch);
    rt_free(scratch);
    return batch;
}

// Marks what a failed cut took as changed again.
static void
give_back(rt_store *store, uint32_t cut_id)
{
    for (size_t t = 0; t < RT_COUNT(store->tables); t++) {
        rt_table *table = store->tables[t];

        for (uint32_t i = 0; table != NULL && i < table->row_count; i++) {
            if (table->rows[i] != NULL && table->rows[i]->cut_id == cut_id) {
                rt__table_mark(table, i);
            }
        }
    }
    for (size_t i = 0; i < store->cut_graves.count; i++) {
        rt__graves_add(&store->graves, store->cut_graves.graves[i]);
    }
    store->cut_graves.count = 0;
}

static void
finish_cut(rt_store *store, uint32_t cut_id, uint64_t seq, rt_err err)
{
    if (err == RT_OK) {
        store->saved_seq = seq;
        rt__graves_clear(&store->cut_graves);
    } else if (!RT_PLANTED(failed_cut_forgotten)) {
        give_back(store, cut_id);
    }
}

static void
on_committed(void *user, rt_err err)
{
    rt__cut done = *(rt__cut *)user;

    rt_free(user);
    if (done.store == NULL) {
        return;
    }
    done.store->cut = NULL;
    if (!done.is_overtaken) {
        finish_cut(done.store, done.id, done.seq, err);
    }
    if (done.on_done != NULL) {
        done.on_done(done.user, err);
    }
}

// A store without a kv is as durable as it gets at once.
static void
cut_memory(rt_store *store, uint64_t applied_seq)
{
    for (size_t t = 0; t < RT_COUNT(store->tables); t++) {
        rt_table *table = store->tables[t];

        for (uint32_t i = 0; table != NULL && i < table->dirty_count; i++) {
            table->rows[table->dirty[i]]->dirty_at = 0;
        }
        if (table != NULL) {
            table->dirty_count = 0;
        }
    }
    store->saved_seq = applied_seq;
}

rt_err
rt_store_cut(rt_store *store, uint64_t applied_seq, rt_loop *loop,
             void (*on_done)(void *user, rt_err err), void *user)
{
    rt_kv_batch *batch = NULL;

    RT_CHECK(store, RT__STORE_MAGIC);
    RT_ASSERT(!store->in_savepoint);
    if (store->cut != NULL) {
        return rt_fail(RT_EBUSY, "a cut is under way");
    }
    if (store->kv == NULL) {
        cut_memory(store, applied_seq);
        if (on_done != NULL) {
            on_done(user, RT_OK);
        }
        return RT_OK;
    }
    batch = take_cut(store, applied_seq);
    store->cut = rt_new(rt__cut);
    *store->cut = (rt__cut){.store = store,
                        .id = store->last_cut_id,
                        .seq = applied_seq,
                        .on_done = on_done,
                        .user = user};
    rt_kv_commit_start(store->kv, batch, loop, on_committed, store->cut);
    return RT_OK;
}

rt_err
rt_store_cut_wait(rt_store *store, uint64_t applied_seq)
{
    rt_kv_batch *batch = NULL;
    rt_err err = RT_OK;

    RT_CHECK(store, RT__STORE_MAGIC);
    RT_ASSERT(!store->in_savepoint);
    if (store->kv == NULL) {
        cut_memory(store, applied_seq);
        return RT_OK;
    }
    if (store->cut != NULL && !store->cut->is_overtaken) {
        // Its outcome is not known yet, so its rows go again; they are newer or the same.
        give_back(store, store->cut->id);
        store->cut->is_overtaken = true;
    }
    batch = take_cut(store, applied_seq);
    err = rt_kv_commit(store->kv, batch);
    rt_kv_batch_free(batch);
    finish_cut(store, store->last_cut_id, applied_seq, err);
    return err;
}

// --- figures --------------------------------------------------------------------------------

uint64_t
rt_store_applied(const rt_store *store)
{
    RT_CHECK(store, RT__STORE_MAGIC);
    return store->applied_seq;
}

uint64_t
rt_store_saved(const rt_store *store)
{
    RT_CHECK(store, RT__STORE_MAGIC);
    return store->saved_seq;
}

size_t
rt_store_dirty(const rt_store *store)
{
    size_t sum = 0;

    RT_CHECK(store, RT__STORE_MAGIC);
    sum = store->graves.count;
    for (size_t i = 0; i < RT_COUNT(store->tables); i++) {
        sum += store->tables[i] != NULL ? store->tables[i]->dirty_count : 0;
    }
    return sum;
}

uint64_t
rt_store_hash(const rt_store *store)
{
    uint64_t sum = 0;

    RT_CHECK(store, RT__STORE_MAGIC);
    for (size_t t = 0; t < RT_COUNT(store->tables); t++) {
        const rt_table *table = store->tables[t];

        for (uint32_t i = 0; table != NULL && i < table->row_count; i++) {
            const rt__row *r = table->rows[i];

            if (r != NULL) {
                uint64_t key_hash = rt_hash64((rt_bytes){r->key, r->key_len}, table->id);

                sum += rt_hash64((rt_bytes){rt__row_value_const(r), r->value_len}, key_hash);
            }
        }
    }
    return sum;
}

unsigned
rt_store_fill_step(uint64_t used_bytes, uint64_t map_bytes)
{
    static const unsigned steps[] = {95, 90, 80};

    for (size_t i = 0; i < RT_COUNT(steps); i++) {
        if (used_bytes * 100 >= map_bytes * steps[i]) {
            return steps[i];
        }
    }
    return 0;
}

size_t
rt_store_bytes(const rt_store *store)
{
    size_t sum = 0;

    RT_CHECK(store, RT__STORE_MAGIC);
    for (size_t i = 0; i < RT_COUNT(store->tables); i++) {
        sum += store->tables[i] != NULL ? store->tables[i]->bytes : 0;
    }
    return sum;
}
