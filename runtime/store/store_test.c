#include "runtime/store/store.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "runtime/base/alloc.h"
#include "runtime/base/hash.h"
#include "runtime/base/rng.h"
#include "runtime/sim/disk.h"
#include "runtime/sim/sim.h"
#include "runtime/store/key.h"
#include "tests/harness/check.h"

#define DIR "/state/kv"
#define MAP_BYTES (64u * 1024 * 1024)
#define SEEDS 300
#define STEPS 150
#define TABLES 2
#define KEYS 150
#define VALUE_MAX 80

static int
setup(void **state)
{
    (void)state;
    sim_disk_reset();
    sim_reset(1);
    return 0;
}

static rt_bytes
text(const char *cstr)
{
    return rt_bytes_of_str(rt_str_of(cstr));
}

static rt_table *
declare(rt_store *store, uint8_t id)
{
    rt_table *table = NULL;

    CHECK_OK(rt_store_table(store, id, "things", &table));
    return table;
}

static rt_kv *
open_kv(void)
{
    rt_kv *kv = NULL;

    CHECK_OK(rt_kv_open(DIR, MAP_BYTES, &kv));
    return kv;
}

static rt_store *
open_store(rt_kv *kv)
{
    rt_store *store = NULL;

    CHECK_OK(rt_store_open(kv, &store));
    return store;
}

static void
check_row(const rt_table *table, const char *key, const char *want)
{
    rt_bytes value;

    if (want == NULL) {
        CHECK_FALSE(rt_table_get(table, text(key), &value));
    } else {
        CHECK_TRUE(rt_table_get(table, text(key), &value));
        CHECK_STR(rt_str_of_bytes(value), want);
    }
}

static void
test_table_edit_makes_zeroed_and_resizes(void **state)
{
    rt_store *store = rt_store_open_memory();
    rt_table *table = declare(store, 1);
    bool created = false;
    uint8_t *row = NULL;

    (void)state;
    row = rt_table_edit(table, text("k"), 13, &created);
    CHECK_TRUE(created);
    CHECK_U64((uintptr_t)row % 8, 0);
    for (int i = 0; i < 13; i++) {
        CHECK_INT(row[i], 0);
        row[i] = 0xff;
    }
    (void)rt_table_edit(table, text("k"), 4, &created);
    CHECK_FALSE(created);
    row = rt_table_edit(table, text("k"), 500, &created);
    CHECK_U64((uintptr_t)row % 8, 0);
    CHECK_INT(row[3], 0xff);
    for (int i = 4; i < 500; i++) {
        CHECK_INT(row[i], 0);
    }
    CHECK_U64(rt_table_count(table), 1);
    rt_store_close(store);
}

static void
test_table_put_of_its_own_view_is_fine(void **state)
{
    rt_store *store = rt_store_open_memory();
    rt_table *table = declare(store, 1);
    rt_bytes value;

    (void)state;
    rt_table_put(table, text("k"), text("0123456789"));
    CHECK_TRUE(rt_table_get(table, text("k"), &value));
    rt_table_put(table, text("k"), (rt_bytes){value.ptr + 3, 4});
    check_row(table, "k", "3456");
    CHECK_TRUE(rt_table_get(table, text("k"), &value));
    rt_table_put(table, text("other"), value);
    check_row(table, "other", "3456");
    rt_table_put(table, text("empty"), text(""));
    check_row(table, "empty", "");
    rt_store_close(store);
}

static void
test_table_deletes_and_keeps_insertion_order(void **state)
{
    rt_store *store = rt_store_open_memory();
    rt_table *table = declare(store, 1);
    char all[64] = {0};
    size_t cursor = 0;
    rt_bytes key;
    rt_bytes value;

    (void)state;
    rt_table_put(table, text("c"), text("1"));
    rt_table_put(table, text("a"), text("2"));
    rt_table_put(table, text("b"), text("3"));
    CHECK_TRUE(rt_table_del(table, text("c")));
    CHECK_FALSE(rt_table_del(table, text("c")));
    rt_table_put(table, text("c"), text("4"));
    while (rt_table_next(table, &cursor, &key, &value)) {
        strncat(all, (const char *)value.ptr, 1);
    }
    CHECK_CSTR(all, "234");
    rt_store_close(store);
}

static void
test_table_of_many_comings_and_goings_stays_small(void **state)
{
    rt_store *store = rt_store_open_memory();
    rt_table *table = declare(store, 1);
    size_t bytes = 0;

    (void)state;
    // All inside savepoints, as when records are applied.
    for (uint64_t i = 0; i < 200000; i++) {
        rt_key key = rt_key_number(RT_TENANT_SYSTEM, i);

        rt_store_savepoint(store);
        rt_table_put(table, rt_key_bytes(&key), text("v"));
        if (i >= 10) {
            key = rt_key_number(RT_TENANT_SYSTEM, i - 10);
            CHECK_TRUE(rt_table_del(table, rt_key_bytes(&key)));
        }
        rt_store_release(store);
        bytes = RT_MAX(bytes, rt_store_bytes(store));
    }
    CHECK_U64(rt_table_count(table), 10);
    CHECK_TRUE(bytes < 2000);
    {
        // A walk meets holes; it would take for ever if they were never squeezed out.
        size_t cursor = 0;
        rt_bytes key;
        rt_bytes value;

        while (rt_table_next(table, &cursor, &key, &value)) {
        }
        CHECK_TRUE(cursor < 100);
    }
    rt_store_close(store);
}

static void
test_store_hash_depends_on_content_only(void **state)
{
    rt_store *one = rt_store_open_memory();
    rt_store *two = rt_store_open_memory();
    rt_table *a = declare(one, 1);
    rt_table *b = declare(two, 1);

    (void)state;
    rt_table_put(a, text("x"), text("1"));
    rt_table_put(a, text("y"), text("2"));
    rt_table_put(b, text("y"), text("old"));
    rt_table_put(b, text("x"), text("1"));
    CHECK_TRUE(rt_store_hash(one) != rt_store_hash(two));
    rt_table_put(b, text("y"), text("2"));
    CHECK_U64(rt_store_hash(one), rt_store_hash(two));
    rt_table_put(declare(one, 2), text("x"), text("1"));
    rt_table_put(declare(two, 3), text("x"), text("1"));
    CHECK_TRUE(rt_store_hash(one) != rt_store_hash(two));
    rt_store_close(one);
    rt_store_close(two);
}

static void
test_store_damaged_row_is_refused(void **state)
{
    rt_kv *kv = open_kv();
    rt_store *store = open_store(kv);
    rt_kv_batch *batch = rt_kv_batch_new();
    rt_arena *arena = rt_arena_new(4096);
    rt_table *table = NULL;
    rt_bytes disk;
    uint8_t bad[64];

    (void)state;
    rt_table_put(declare(store, 7), text("k"), text("value"));
    CHECK_OK(rt_store_cut_wait(store, 9));
    rt_store_close(store);
    CHECK_OK(rt_kv_get(kv, text("\x07k"), arena, &disk));
    for (size_t at = 0; at < disk.len; at++) {
        memcpy(bad, disk.ptr, disk.len);
        bad[at] ^= 0x10;
        rt_kv_batch_put(batch, text("\x07k"), (rt_bytes){bad, disk.len});
        CHECK_OK(rt_kv_commit(kv, batch));
        store = open_store(kv);
        CHECK_ERR(rt_store_table(store, 7, "things", &table), RT_ECORRUPT);
        CHECK_TRUE(strstr(rt_err_detail(), "things") != NULL);
        CHECK_TRUE(strstr(rt_err_detail(), "6b") != NULL);
        rt_store_close(store);
    }
    // A whole row under another row's key is damage too.
    rt_kv_batch_put(batch, text("\x07k"), disk);
    rt_kv_batch_put(batch, text("\x07m"), disk);
    CHECK_OK(rt_kv_commit(kv, batch));
    store = open_store(kv);
    CHECK_ERR(rt_store_table(store, 7, "things", &table), RT_ECORRUPT);
    rt_store_close(store);
    rt_kv_batch_free(batch);
    rt_arena_free(arena);
    rt_kv_close(kv);
}

// Puts one pair into the kv behind the store's back (value.ptr NULL: takes it out).
static void
tamper(rt_kv *kv, const char *key, size_t key_len, rt_bytes value)
{
    rt_kv_batch *batch = rt_kv_batch_new();
    rt_bytes kv_key = {(const uint8_t *)key, key_len};

    if (value.ptr == NULL) {
        rt_kv_batch_del(batch, kv_key);
    } else {
        rt_kv_batch_put(batch, kv_key, value);
    }
    CHECK_OK(rt_kv_commit(kv, batch));
    rt_kv_batch_free(batch);
}

// A kv with three rows in table 7 and one in table 9, the former cut twice; *ret_old is the first
// version of row "k".
static rt_kv *
kv_with_rows(rt_arena *arena, rt_bytes *ret_old)
{
    rt_kv *kv = open_kv();
    rt_store *store = open_store(kv);
    rt_table *table = declare(store, 7);

    rt_table_put(table, text("k"), text("value"));
    rt_table_put(table, text("l"), text("value"));
    rt_table_put(table, text("m"), text("value"));
    rt_table_put(declare(store, 9), text("k"), text("value"));
    CHECK_OK(rt_store_cut_wait(store, 9));
    CHECK_OK(rt_kv_get(kv, text("\x07k"), arena, ret_old));
    rt_table_put(table, text("k"), text("other"));
    CHECK_OK(rt_store_cut_wait(store, 10));
    rt_store_close(store);
    return kv;
}

static void
check_table_refused(rt_kv *kv)
{
    rt_store *store = open_store(kv);
    rt_table *table = NULL;

    CHECK_ERR(rt_store_table(store, 7, "things", &table), RT_ECORRUPT);
    CHECK_HAS(rt_str_of(rt_err_detail()), "table things: its");
    rt_store_close(store);
}

static void
test_store_missing_or_old_row_is_refused(void **state)
{
    rt_arena *arena = rt_arena_new(4096);
    rt_bytes old;
    rt_bytes now;
    rt_kv *kv = kv_with_rows(arena, &old);
    rt_store *store = NULL;

    (void)state;
    CHECK_OK(rt_kv_get(kv, text("\x07k"), arena, &now));
    tamper(kv, "\x07k", 2, (rt_bytes){NULL, 0});
    check_table_refused(kv);
    tamper(kv, "\x07k", 2, old); // whole in itself
    check_table_refused(kv);
    tamper(kv, "\x07k", 2, now);

    // The rows of a table that nobody declares for a while are still known afterwards.
    store = open_store(kv);
    rt_table_put(declare(store, 9), text("n"), text("new"));
    CHECK_OK(rt_store_cut_wait(store, 11));
    rt_store_close(store);
    tamper(kv, "\x07l", 2, (rt_bytes){NULL, 0});
    check_table_refused(kv);
    store = open_store(kv);
    check_row(declare(store, 9), "n", "new");
    rt_store_close(store);
    rt_arena_free(arena);
    rt_kv_close(kv);
}

static void
test_store_of_other_tables_is_refused(void **state)
{
    rt_arena *arena = rt_arena_new(4096);
    rt_bytes old;
    rt_kv *kv = kv_with_rows(arena, &old);
    rt_store *store = open_store(kv);
    rt_table *table = NULL;

    (void)state;
    CHECK_ERR(rt_store_table(store, 7, "others", &table), RT_ECORRUPT);
    CHECK_OK(rt_store_table(store, 8, "others", &table)); // it has no rows
    rt_store_close(store);
    rt_arena_free(arena);
    rt_kv_close(kv);
}

static void
test_store_rows_without_a_position_are_refused(void **state)
{
    rt_arena *arena = rt_arena_new(4096);
    rt_bytes old;
    rt_kv *kv = kv_with_rows(arena, &old);
    rt_store *store = NULL;

    (void)state;
    tamper(kv, "\0seq", 4, (rt_bytes){NULL, 0});
    CHECK_ERR(rt_store_open(kv, &store), RT_ECORRUPT);
    CHECK_HAS(rt_str_of(rt_err_detail()), "no position");
    rt_arena_free(arena);
    rt_kv_close(kv);
}

// Writes a position by hand: what stands behind the sequence number.
static void
write_position(rt_kv *kv, uint64_t seq, const uint8_t *content, size_t len)
{
    uint8_t row[128] = {0};
    uint32_t crc = 0;

    memcpy(row + 4, &seq, sizeof(seq));
    memcpy(row + 12, content, len);
    crc = rt_crc32c(rt_crc32c(0, (rt_bytes){(const uint8_t *)"\0seq", 4}),
                    (rt_bytes){row + 4, 8 + len});
    memcpy(row, &crc, sizeof(crc));
    tamper(kv, "\0seq", 4, (rt_bytes){row, 12 + len});
}

static void
test_store_position_of_another_format_is_told(void **state)
{
    static const struct {
        uint8_t bytes[40];
        size_t len;
    } others[] = {
        {{2, 0}, 2}, {{1}, 1}, {{1, 1, 7}, 3}, {{1, 0, 0}, 3}, {{1, 1, RT_STORE_TABLES_MAX}, 19},
    };
    rt_arena *arena = rt_arena_new(4096);
    rt_bytes old;
    rt_kv *kv = kv_with_rows(arena, &old);
    rt_store *store = NULL;

    (void)state;
    for (size_t i = 0; i < RT_COUNT(others); i++) {
        write_position(kv, 10, others[i].bytes, others[i].len);
        CHECK_ERR(rt_store_open(kv, &store), RT_EVERSION);
    }
    rt_arena_free(arena);
    rt_kv_close(kv);
}

static void
test_store_of_before_the_sums_is_read_and_gets_them(void **state)
{
    rt_arena *arena = rt_arena_new(4096);
    rt_bytes old;
    rt_kv *kv = kv_with_rows(arena, &old);
    rt_store *store = NULL;

    (void)state;
    write_position(kv, 10, (const uint8_t *)"", 0);
    store = open_store(kv);
    CHECK_U64(rt_store_applied(store), 10);
    rt_table_put(declare(store, 9), text("n"), text("new"));
    CHECK_OK(rt_store_cut_wait(store, 11));
    rt_store_close(store);
    store = open_store(kv);
    check_row(declare(store, 7), "l", "value");
    rt_store_close(store);
    tamper(kv, "\x07l", 2, (rt_bytes){NULL, 0});
    check_table_refused(kv);

    // Damage is found there as well.
    write_position(kv, 10, (const uint8_t *)"", 0);
    tamper(kv, "\x07l", 2, old);
    CHECK_ERR(rt_store_open(kv, &store), RT_ECORRUPT);
    tamper(kv, "\x07l", 2, (rt_bytes){NULL, 0});
    tamper(kv, "\x7fl", 2, old);
    CHECK_ERR(rt_store_open(kv, &store), RT_ECORRUPT);
    rt_arena_free(arena);
    rt_kv_close(kv);
}

static void
test_store_flipped_bit_anywhere_is_refused(void **state)
{
    (void)state;
    for (uint64_t bit = 0;; bit++) {
        rt_arena *arena = rt_arena_new(4096);
        rt_store *store = NULL;
        rt_table *table = NULL;
        rt_bytes old;
        rt_kv *kv = NULL;
        rt_err err = RT_OK;

        sim_disk_reset();
        kv = kv_with_rows(arena, &old);
        rt_kv_close(kv);
        kv = NULL;
        rt_arena_free(arena);
        if (!sim_kv_flip_bit(DIR, bit)) {
            CHECK_TRUE(bit > 8 * 80);
            return;
        }
        err = rt_kv_open(DIR, MAP_BYTES, &kv);
        if (err == RT_OK) {
            err = rt_store_open(kv, &store);
        }
        if (err == RT_OK) {
            err = rt_store_table(store, 7, "things", &table);
        }
        if (err == RT_OK) {
            err = rt_store_table(store, 9, "more", &table);
        }
        CHECK_ERR(err, RT_ECORRUPT);
        rt_store_close(store);
        rt_kv_close(kv);
    }
}

typedef struct done_calls {
    rt_loop *loop;
    rt_err err;
    int count;
} done_calls;

static void
on_done(void *user, rt_err err)
{
    done_calls *done = user;

    done->err = err;
    done->count++;
    rt_loop_stop(done->loop);
}

static void
test_store_cut_waits_for_the_one_under_way(void **state)
{
    done_calls done = {.loop = rt_loop_new()};
    rt_kv *kv = open_kv();
    rt_store *store = open_store(kv);
    rt_table *table = declare(store, 1);

    (void)state;
    rt_table_put(table, text("k"), text("1"));
    CHECK_OK(rt_store_cut(store, 5, done.loop, on_done, &done));
    CHECK_U64(rt_store_dirty(store), 0);
    CHECK_U64(rt_store_saved(store), 0);
    CHECK_ERR(rt_store_cut(store, 6, done.loop, on_done, &done), RT_EBUSY);
    rt_table_put(table, text("k"), text("2"));
    CHECK_U64(rt_store_dirty(store), 1);
    rt_loop_run(done.loop);
    CHECK_INT(done.count, 1);
    CHECK_OK(done.err);
    CHECK_U64(rt_store_saved(store), 5);
    rt_store_close(store);

    store = open_store(kv);
    CHECK_U64(rt_store_applied(store), 5);
    check_row(declare(store, 1), "k", "1");
    rt_store_close(store);
    rt_kv_close(kv);
    rt_loop_free(done.loop);
}

static void
test_store_failed_cut_goes_with_the_next(void **state)
{
    done_calls done = {.loop = rt_loop_new()};
    rt_kv *kv = open_kv();
    rt_store *store = open_store(kv);
    rt_table *table = declare(store, 1);

    (void)state;
    rt_table_put(table, text("gone"), text("1"));
    CHECK_OK(rt_store_cut_wait(store, 1));
    rt_table_put(table, text("k"), text("1"));
    CHECK_TRUE(rt_table_del(table, text("gone")));
    sim_disk_fail_next(SIM_DISK_COMMIT, 1, RT_ENOSPC);
    CHECK_OK(rt_store_cut(store, 5, done.loop, on_done, &done));
    rt_loop_run(done.loop);
    CHECK_ERR(done.err, RT_ENOSPC);
    CHECK_U64(rt_store_saved(store), 1);
    CHECK_U64(rt_store_dirty(store), 2);
    CHECK_OK(rt_store_cut_wait(store, 5));
    CHECK_U64(rt_store_dirty(store), 0);
    rt_store_close(store);

    store = open_store(kv);
    table = declare(store, 1);
    check_row(table, "k", "1");
    check_row(table, "gone", NULL);
    rt_store_close(store);
    rt_kv_close(kv);
    rt_loop_free(done.loop);
}

static void
test_store_cut_wait_overtakes_a_cut_under_way(void **state)
{
    done_calls done = {.loop = rt_loop_new()};
    rt_kv *kv = open_kv();
    rt_store *store = open_store(kv);
    rt_table *table = declare(store, 1);

    (void)state;
    rt_table_put(table, text("k"), text("1"));
    CHECK_OK(rt_store_cut(store, 5, done.loop, on_done, &done));
    sim_disk_fail_next(SIM_DISK_COMMIT, 1, RT_EIO); // hits the one under way
    CHECK_OK(rt_store_cut_wait(store, 6));
    CHECK_U64(rt_store_saved(store), 6);
    CHECK_INT(done.count, 0);
    rt_loop_run(done.loop);
    CHECK_INT(done.count, 1);
    CHECK_U64(rt_store_saved(store), 6);
    CHECK_U64(rt_store_dirty(store), 0);
    // One that succeeds after having been overtaken does not take the position back.
    rt_table_put(table, text("k"), text("1b"));
    CHECK_OK(rt_store_cut(store, 7, done.loop, on_done, &done));
    CHECK_OK(rt_store_cut_wait(store, 8));
    rt_loop_run(done.loop);
    CHECK_INT(done.count, 2);
    CHECK_U64(rt_store_saved(store), 8);
    // Closed with a cut under way: nobody is called, nothing leaks.
    rt_table_put(table, text("k"), text("2"));
    CHECK_OK(rt_store_cut(store, 9, done.loop, on_done, &done));
    rt_store_close(store);
    rt_kv_close(kv);
    CHECK_INT(done.count, 2);
    rt_loop_free(done.loop);
}

// --- against a model ------------------------------------------------------------------------

typedef struct model_row {
    bool present;
    uint64_t order;
    size_t len;
    uint8_t value[VALUE_MAX];
} model_row;

typedef struct model {
    model_row rows[TABLES][KEYS];
    uint64_t next_order;
} model;

typedef struct world {
    rt_rng rng;
    rt_loop *loop;
    rt_kv *kv;
    rt_store *store;
    rt_table *tables[TABLES];
    uint64_t seq;
    model now;
    model saved; // as of saved_seq
    model cut;   // as of cut_seq, under way
    uint64_t saved_seq;
    uint64_t cut_seq; // 0 = none
} world;

static uint64_t seed; // of the run against the model, 0 outside of one

static rt_key
key_number(size_t k)
{
    char name[32];
    int len = snprintf(name, sizeof(name), "subject-%zu", k * 7919);

    return rt_key_text((rt_tenant){1}, (rt_str){name, (size_t)len});
}

static void
open_world(world *w)
{
    w->kv = open_kv();
    w->store = open_store(w->kv);
    for (uint8_t t = 0; t < TABLES; t++) {
        w->tables[t] = declare(w->store, (uint8_t)(t + 1));
    }
}

// The walk gives the model's rows in order of insertion, and each can be found.
static void
check_world(const world *w)
{
    for (size_t t = 0; t < TABLES; t++) {
        size_t cursor = 0;
        size_t count = 0;
        uint64_t order = 0;
        rt_bytes key;
        rt_bytes value;

        while (rt_table_next(w->tables[t], &cursor, &key, &value)) {
            size_t k = 0;
            rt_key want;

            for (; k < KEYS; k++) {
                want = key_number(k);
                if (rt_bytes_equal(rt_key_bytes(&want), key)) {
                    break;
                }
            }
            CHECK_TRUE(k < KEYS && w->now.rows[t][k].present);
            CHECK_BYTES(value, ((rt_bytes){w->now.rows[t][k].value, w->now.rows[t][k].len}));
            CHECK_TRUE(w->now.rows[t][k].order >= order);
            order = w->now.rows[t][k].order + 1;
            count++;
        }
        CHECK_U64(rt_table_count(w->tables[t]), count);
        for (size_t k = 0; k < KEYS; k++) {
            rt_key want = key_number(k);

            CHECK_INT(rt_table_get(w->tables[t], rt_key_bytes(&want), &value),
                      w->now.rows[t][k].present);
            count -= w->now.rows[t][k].present;
        }
        CHECK_U64(count, 0);
    }
}

static void
change_one(world *w)
{
    size_t t = (size_t)rt_rng_below(&w->rng, TABLES);
    size_t k = (size_t)rt_rng_below(&w->rng, KEYS);
    model_row *row = &w->now.rows[t][k];
    rt_key key = key_number(k);
    size_t len = (size_t)rt_rng_below(&w->rng, VALUE_MAX + 1);
    uint64_t lot = rt_rng_below(&w->rng, 10);

    if (lot < 4) {
        CHECK_INT(rt_table_del(w->tables[t], rt_key_bytes(&key)), row->present);
        row->present = false;
        return;
    }
    if (!row->present) {
        *row = (model_row){.present = true, .order = w->now.next_order};
        w->now.next_order++;
    }
    if (lot < 7) {
        for (size_t i = 0; i < len; i++) {
            row->value[i] = (uint8_t)rt_rng_u64(&w->rng);
        }
        rt_table_put(w->tables[t], rt_key_bytes(&key), (rt_bytes){row->value, len});
    } else {
        bool created = false;
        uint8_t *bytes = rt_table_edit(w->tables[t], rt_key_bytes(&key), len, &created);

        if (len > row->len) {
            memset(row->value + row->len, 0, len - row->len);
        }
        if (len > 0) {
            row->value[len / 2] ^= 0x5a;
            bytes[len / 2] ^= 0x5a;
        }
    }
    row->len = len;
}

static void
change_some(world *w)
{
    for (uint64_t n = rt_rng_below(&w->rng, 12); n > 0; n--) {
        change_one(w);
    }
    w->seq++;
}

static void
change_and_go_back(world *w)
{
    static model before;
    uint64_t hash = rt_store_hash(w->store);

    before = w->now;
    rt_store_savepoint(w->store);
    change_some(w);
    if (rt_rng_chance(&w->rng, 0.5)) {
        rt_store_release(w->store);
        return;
    }
    rt_store_rollback(w->store);
    w->now = before;
    CHECK_U64(rt_store_hash(w->store), hash);
}

static void
on_cut(void *user, rt_err err)
{
    world *w = user;

    if (err == RT_OK) {
        w->saved = w->cut;
        w->saved_seq = w->cut_seq;
    }
    w->cut_seq = 0;
}

static void
start_cut(world *w)
{
    rt_err err = RT_OK;

    if (rt_rng_chance(&w->rng, 0.2)) {
        sim_disk_fail_next(SIM_DISK_COMMIT, 1, RT_ENOSPC);
    }
    err = rt_store_cut(w->store, w->seq, w->loop, on_cut, w);
    if (w->cut_seq != 0) {
        CHECK_ERR(err, RT_EBUSY);
        return;
    }
    CHECK_OK(err);
    w->cut = w->now;
    w->cut_seq = w->seq;
}

static void
save_and_reopen(world *w)
{
    uint64_t hash = rt_store_hash(w->store);

    sim_disk_fail_next(SIM_DISK_COMMIT, 0, RT_OK);
    CHECK_OK(rt_store_cut_wait(w->store, w->seq));
    rt_store_close(w->store);
    rt_kv_close(w->kv);
    w->cut_seq = 0;
    w->saved = w->now;
    w->saved_seq = w->seq;
    open_world(w);
    CHECK_U64(rt_store_hash(w->store), hash);
    CHECK_U64(rt_store_applied(w->store), w->seq);
}

// The state found after a power cut is that of a cut, the last or the one under way.
static void
crash(world *w)
{
    sim_disk_crash(&w->rng);
    rt_store_close(w->store);
    rt_kv_close(w->kv);
    open_world(w);
    if (rt_store_applied(w->store) == w->saved_seq) {
        w->now = w->saved;
    } else {
        CHECK_U64(rt_store_applied(w->store), w->cut_seq);
        w->now = w->cut;
    }
    w->saved = w->now;
    w->saved_seq = rt_store_applied(w->store);
    w->seq = w->saved_seq + 1;
    w->cut_seq = 0;
}

static void
step(world *w)
{
    uint64_t lot = rt_rng_below(&w->rng, 100);

    if (lot < 30) {
        change_some(w);
    } else if (lot < 70) {
        change_and_go_back(w);
    } else if (lot < 82) {
        start_cut(w);
    } else if (lot < 92) {
        sim_advance_ms((int64_t)rt_rng_below(&w->rng, 3));
    } else if (lot < 96) {
        save_and_reopen(w);
        check_world(w);
    } else {
        crash(w);
        check_world(w);
    }
}

static void
test_store_agrees_with_a_model(void **state)
{
    world *w = rt_new(world);

    (void)state;
    for (seed = 1; seed <= SEEDS; seed++) {
        (void)setup(NULL);
        memset(w, 0, sizeof(*w));
        rt_rng_seed(&w->rng, seed, 1);
        w->loop = rt_loop_new();
        w->seq = 1;
        open_world(w);
        for (int i = 0; i < STEPS; i++) {
            step(w);
        }
        check_world(w);
        rt_store_close(w->store);
        rt_kv_close(w->kv);
        rt_loop_free(w->loop);
    }
    seed = 0;
    rt_free(w);
}

static int
say_seed(void **state)
{
    (void)state;
    if (seed != 0) {
        print_error("seed %" PRIu64 "\n", seed);
    }
    return 0;
}

int
main(void)
{
#define TEST(f) cmocka_unit_test_setup(f, setup)
    const struct CMUnitTest tests[] = {
        TEST(test_table_edit_makes_zeroed_and_resizes),
        TEST(test_table_put_of_its_own_view_is_fine),
        TEST(test_table_deletes_and_keeps_insertion_order),
        TEST(test_table_of_many_comings_and_goings_stays_small),
        TEST(test_store_hash_depends_on_content_only),
        TEST(test_store_damaged_row_is_refused),
        TEST(test_store_missing_or_old_row_is_refused),
        TEST(test_store_of_other_tables_is_refused),
        TEST(test_store_rows_without_a_position_are_refused),
        TEST(test_store_position_of_another_format_is_told),
        TEST(test_store_of_before_the_sums_is_read_and_gets_them),
        TEST(test_store_flipped_bit_anywhere_is_refused),
        TEST(test_store_cut_waits_for_the_one_under_way),
        TEST(test_store_failed_cut_goes_with_the_next),
        TEST(test_store_cut_wait_overtakes_a_cut_under_way),
        cmocka_unit_test_teardown(test_store_agrees_with_a_model, say_seed),
    };
    int failed = CHECK_RUN(tests);

    sim_disk_reset();
    sim_reset(1);
    return failed;
}
