// Tables of state against a model of plain arrays, through cuts, failures and power cuts.
//
// The input is a row of operations, each a byte and its arguments. After each the store must say
// what the model says; after a power cut it must be one whole cut: the last that was reported
// durable, or one that was begun after it.
#include "runtime/base/rng.h"
#include "runtime/sim/disk.h"
#include "runtime/sim/sim.h"
#include "runtime/store/key.h"
#include "runtime/store/store.h"
#include "tests/fuzz/fuzz.h"

#define DIR "/state"
#define MAP_BYTES (64u << 20)
#define TABLES 2
#define KEYS 12
#define VALUE_MAX 48
#define OPS_MAX 64

typedef struct row {
    bool present;
    uint8_t len;
    uint8_t bytes[VALUE_MAX];
} row;

typedef struct content {
    row rows[TABLES][KEYS];
} content;

typedef struct world {
    rt_loop *loop;
    rt_kv *kv;
    rt_store *store;
    rt_table *tables[TABLES];
    bool has_savepoint;
    bool is_cutting;
    uint64_t cutting; // its seq
    uint64_t applied; // of the last cut begun
    uint64_t durable; // the newest cut that was reported so
    content now;
    content back;              // as of the savepoint
    content cuts[OPS_MAX + 1]; // by seq; 0 is empty
} world;

static world w;

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    fuzz_begin();
    return 0;
}

static rt_key
key_of(size_t key)
{
    static const char *const texts[KEYS] = {
        "",
        "a",
        "b",
        "ab",
        "order/1",
        "order/12",
        "\xff",
        "\xff\xff",
        "x",
        "y",
        "z",
        "a text that is rather longer than the others, to be compared by more than one word"};

    return rt_key_text((rt_tenant){(uint16_t)(key % 3)}, rt_str_of(texts[key]));
}

// --- comparing ---

static void
check_row(size_t table, size_t key)
{
    const row *want = &w.now.rows[table][key];
    rt_key k = key_of(key);
    rt_bytes got = {NULL, 0};
    bool found = rt_table_get(w.tables[table], rt_key_bytes(&k), &got);

    RT_ASSERT(found == want->present);
    RT_ASSERT(!found || (got.len == want->len && memcmp(got.ptr, want->bytes, got.len) == 0));
}

// Every row, the count, a walk over all, and the hash against that of a store filled anew.
static void
check_all(void)
{
    rt_store *fresh = rt_store_open_memory();

    for (size_t t = 0; t < TABLES; t++) {
        rt_table *table = NULL;
        size_t count = 0;
        size_t walked = 0;
        size_t cursor = 0;
        rt_bytes key = {NULL, 0};
        rt_bytes value = {NULL, 0};

        RT_ASSERT(rt_store_table(fresh, (uint8_t)(t + 1), "t", &table) == RT_OK);
        for (size_t i = KEYS; i-- > 0;) {
            const row *want = &w.now.rows[t][i];
            rt_key k = key_of(i);

            check_row(t, i);
            if (want->present) {
                count++;
                rt_table_put(table, rt_key_bytes(&k), (rt_bytes){want->bytes, want->len});
            }
        }
        RT_ASSERT(rt_table_count(w.tables[t]) == count);
        while (rt_table_next(w.tables[t], &cursor, &key, &value)) {
            walked++;
        }
        RT_ASSERT(walked == count);
    }
    RT_ASSERT(rt_store_hash(w.store) == rt_store_hash(fresh));
    rt_store_close(fresh);
}

// --- the life of the store ---

static void
open_store(void)
{
    RT_ASSERT(rt_kv_open(DIR, MAP_BYTES, &w.kv) == RT_OK);
    RT_ASSERT(rt_store_open(w.kv, &w.store) == RT_OK);
    for (size_t t = 0; t < TABLES; t++) {
        RT_ASSERT(rt_store_table(w.store, (uint8_t)(t + 1), "t", &w.tables[t]) == RT_OK);
    }
    w.has_savepoint = false;
}

static void
close_store(void)
{
    if (w.has_savepoint) {
        rt_store_release(w.store);
    }
    rt_store_close(w.store);
    rt_kv_close(w.kv);
    w.store = NULL;
    w.kv = NULL;
}

static void
report_durable(uint64_t seq)
{
    w.durable = RT_MAX(w.durable, seq);
}

static void
on_cut(void *user, rt_err err)
{
    (void)user;
    RT_ASSERT(w.is_cutting);
    w.is_cutting = false;
    if (err == RT_OK) {
        report_durable(w.cutting);
    }
}

// Opens what a power cut, or just an end, left on the disk.
static void
reopen(void)
{
    uint64_t seq = 0;

    open_store();
    w.is_cutting = false;
    seq = rt_store_applied(w.store);
    RT_ASSERT(seq >= w.durable && seq <= w.applied);
    RT_ASSERT(rt_store_dirty(w.store) == 0);
    w.durable = seq;
    w.now = w.cuts[seq];
    check_all();
}

static void
crash(uint8_t seed)
{
    rt_rng rng;

    rt_rng_seed(&rng, seed, 1);
    if (seed % 4 != 0) { // else the process ends and the disk goes on
        sim_disk_crash(&rng);
    }
    sim_disk_fail_next(SIM_DISK_COMMIT, 0, RT_OK);
    close_store();
    reopen();
}

// --- operations ---

static void
put(fuzz_in *in, size_t table, size_t key)
{
    row *r = &w.now.rows[table][key];
    rt_key k = key_of(key);
    rt_bytes value = fuzz_take(in, fuzz_u8(in) % (VALUE_MAX + 1));

    *r = (row){.present = true, .len = (uint8_t)value.len};
    if (value.len > 0) {
        memcpy(r->bytes, value.ptr, value.len);
    }
    rt_table_put(w.tables[table], rt_key_bytes(&k), value);
}

static void
del(size_t table, size_t key)
{
    row *r = &w.now.rows[table][key];
    rt_key k = key_of(key);

    RT_ASSERT(rt_table_del(w.tables[table], rt_key_bytes(&k)) == r->present);
    *r = (row){.present = false};
}

static void
edit(fuzz_in *in, size_t table, size_t key)
{
    row *r = &w.now.rows[table][key];
    rt_key k = key_of(key);
    uint8_t size = fuzz_u8(in) % VALUE_MAX + 1;
    uint8_t place = fuzz_u8(in) % size;
    bool created = false;
    uint8_t *bytes = rt_table_edit(w.tables[table], rt_key_bytes(&k), size, &created);

    RT_ASSERT((uintptr_t)bytes % 8 == 0 && created == !r->present);
    if (r->len > size) {
        memset(r->bytes + size, 0, VALUE_MAX - size);
    }
    r->present = true;
    r->len = size;
    RT_ASSERT(memcmp(bytes, r->bytes, size) == 0);
    r->bytes[place] ^= 0x5a;
    bytes[place] ^= 0x5a;
}

static void
begin_cut(bool waits)
{
    rt_err err = RT_OK;

    if (w.has_savepoint) {
        return; // a cut is of whole turns
    }
    if (!waits && w.is_cutting) {
        RT_ASSERT(rt_store_cut(w.store, w.applied + 1, w.loop, on_cut, NULL) == RT_EBUSY);
        return;
    }
    w.applied++;
    w.cuts[w.applied] = w.now;
    if (!waits) {
        w.cutting = w.applied;
        w.is_cutting = true;
        RT_ASSERT(rt_store_cut(w.store, w.applied, w.loop, on_cut, NULL) == RT_OK);
        return;
    }
    err = rt_store_cut_wait(w.store, w.applied);
    if (err == RT_OK) {
        report_durable(w.applied);
        RT_ASSERT(rt_store_saved(w.store) == w.applied && rt_store_dirty(w.store) == 0);
    } else {
        RT_ASSERT(err == RT_EIO || err == RT_ENOSPC);
    }
}

static void
savepoint(uint8_t which)
{
    if (!w.has_savepoint) {
        rt_store_savepoint(w.store);
        w.back = w.now;
    } else if (which == 0) {
        rt_store_rollback(w.store);
        w.now = w.back;
        check_all();
    } else {
        rt_store_release(w.store);
    }
    w.has_savepoint = !w.has_savepoint;
}

static void
step(fuzz_in *in)
{
    uint8_t op = fuzz_u8(in);
    size_t table = op >> 4 & 1u;
    size_t key = fuzz_u8(in) % KEYS;

    switch (op % 12) {
    case 0:
    case 1:
        put(in, table, key);
        break;
    case 2:
        del(table, key);
        break;
    case 3:
    case 4:
        edit(in, table, key);
        break;
    case 5:
    case 6:
        savepoint((uint8_t)(key % 2));
        break;
    case 7:
        begin_cut(false);
        break;
    case 8:
        begin_cut(true);
        break;
    case 9:
        sim_advance_ms((int64_t)key);
        break;
    case 10:
        sim_disk_fail_next(SIM_DISK_COMMIT, 1, key % 2 == 0 ? RT_EIO : RT_ENOSPC);
        break;
    default:
        crash((uint8_t)key);
        break;
    }
    check_row(table, key);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_in in = {data, size};

    sim_reset(1);
    sim_disk_reset();
    memset(&w, 0, sizeof(w));
    w.loop = rt_loop_new();
    open_store();
    for (int i = 0; i < OPS_MAX && in.left > 0; i++) {
        step(&in);
    }
    check_all();
    sim_advance_ms(1000);
    close_store();
    rt_loop_free(w.loop);
    return 0;
}
