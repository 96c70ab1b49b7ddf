#include <stdio.h>

#include "runtime/base/alloc.h"
#include "runtime/base/check.h"
#include "runtime/seam/file.h"
#include "runtime/seam/kv_batch.h"
#include "runtime/sim/disk.h"

// Design notes.
// A store is a sorted array of pairs that belongs to the simulated disk, by its directory, and
// outlives the handles. A commit merges the sorted batch into it in one step, so it is there whole
// or not at all. One started with rt_kv_commit_start is applied a loop step later; when the power
// is cut before, a lot decides whether it had reached the disk.
//
// A handle from before a power cut answers RT_EIO; the call its commit still owes is made by
// rt_kv_close, as everywhere.

#define KV_MAGIC 0x51374000u
#define PATH_BYTES_MAX 1024
#define COMMIT_MS 1

typedef struct pair {
    size_t key_len;
    size_t value_len;
    uint8_t bytes[]; // key, value
} pair;

typedef struct map {
    struct map *next;
    char dir[PATH_BYTES_MAX];
    bool is_empty;        // set aside, and not opened since
    unsigned aside_count; // stores set aside in this directory
    pair **pairs;
    size_t count;
    uint64_t bytes;
    rt_kv *owner; // alive and writing, or NULL
} map;

struct rt_kv {
    uint32_t magic;
    rt_kv *next; // of all open handles
    map *store;  // NULL after a power cut
    bool is_readonly;
    bool is_new;
    uint64_t map_bytes;
    rt_kv_batch *pending; // started and not applied
    bool owes_call;
    rt_err outcome; // of the commit that owes a call, once applied
    rt_timer *timer;
    void (*on_done)(void *user, rt_err err);
    void *user;
};

static struct {
    map *maps;
    rt_kv *handles;
} world;

// --- pairs ----------------------------------------------------------------------------------

static rt_bytes
key_of(const pair *p)
{
    return (rt_bytes){p->bytes, p->key_len};
}

static pair *
new_pair(rt_bytes key, rt_bytes value)
{
    pair *p = rt_alloc(sizeof(*p) + key.len + value.len);

    p->key_len = key.len;
    p->value_len = value.len;
    memcpy(p->bytes, key.ptr, key.len);
    if (value.len > 0) {
        memcpy(p->bytes + key.len, value.ptr, value.len);
    }
    return p;
}

static uint64_t
pair_bytes(size_t key_len, size_t value_len)
{
    return 16 + key_len + value_len;
}

// Index of the first pair whose key is not below `key`.
static size_t
lower_bound(const map *store, rt_bytes key)
{
    size_t low = 0;
    size_t high = store->count;

    while (low < high) {
        size_t mid = low + (high - low) / 2;

        if (rt_kv_key_compare(key_of(store->pairs[mid]), key) < 0) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    return low;
}

static const pair *
find(const map *store, rt_bytes key)
{
    size_t at = lower_bound(store, key);

    return at < store->count && rt_kv_key_compare(key_of(store->pairs[at]), key) == 0
               ? store->pairs[at]
               : NULL;
}

// What the store would hold with the operations applied.
static uint64_t
bytes_after(const map *store, const rt_kv_op *ops, size_t count)
{
    uint64_t bytes = store->bytes;

    for (size_t i = 0; i < count; i++) {
        const pair *old = find(store, ops[i].key);

        bytes -= old != NULL ? pair_bytes(old->key_len, old->value_len) : 0;
        bytes += ops[i].is_del ? 0 : pair_bytes(ops[i].key.len, ops[i].value.len);
    }
    return bytes;
}

// Merges sorted operations into the sorted pairs.
static void
merge(map *store, const rt_kv_op *ops, size_t count)
{
    pair **merged = rt_new_array(pair *, store->count + count);
    size_t kept = 0;
    size_t old = 0;

    for (size_t i = 0; i < count; i++) {
        while (old < store->count &&
               rt_kv_key_compare(key_of(store->pairs[old]), ops[i].key) < 0) {
            merged[kept] = store->pairs[old];
            kept++;
            old++;
        }
        if (old < store->count && rt_kv_key_compare(key_of(store->pairs[old]), ops[i].key) == 0) {
            rt_free(store->pairs[old]);
            old++;
        }
        if (!ops[i].is_del) {
            merged[kept] = new_pair(ops[i].key, ops[i].value);
            kept++;
        }
    }
    for (; old < store->count; old++) {
        merged[kept] = store->pairs[old];
        kept++;
    }
    rt_free(store->pairs);
    store->pairs = merged;
    store->count = kept;
}

static rt_err
apply(map *store, uint64_t map_bytes, const rt_kv_batch *batch)
{
    size_t count = 0;
    rt_kv_op *ops = rt_kv_batch_ops(batch, &count);
    uint64_t bytes = bytes_after(store, ops, count);
    rt_err err = sim_disk_due(SIM_DISK_COMMIT, store->dir);

    if (err == RT_OK && bytes > map_bytes) {
        err = rt_fail(RT_ENOSPC, "%s is full", store->dir);
    }
    if (err == RT_OK) {
        merge(store, ops, count);
        store->bytes = bytes;
    }
    rt_free(ops);
    return err;
}

static void
empty_map(map *store)
{
    for (size_t i = 0; i < store->count; i++) {
        rt_free(store->pairs[i]);
    }
    rt_free(store->pairs);
    store->pairs = NULL;
    store->count = 0;
    store->bytes = 0;
}

// --- power cuts -----------------------------------------------------------------------------

static void
apply_pending(rt_kv *kv)
{
    if (kv->pending != NULL) {
        kv->outcome = apply(kv->store, kv->map_bytes, kv->pending);
        rt_kv_batch_free(kv->pending);
        kv->pending = NULL;
    }
}

static void
kill_handle(rt_kv *kv)
{
    if (kv->store != NULL && kv->store->owner == kv) {
        kv->store->owner = NULL;
    }
    kv->store = NULL;
    kv->outcome = RT_EIO;
    rt_kv_batch_free(kv->pending);
    kv->pending = NULL;
    rt_timer_free(kv->timer);
    kv->timer = NULL;
}

static void
on_crash(rt_rng *rng)
{
    for (rt_kv *kv = world.handles; kv != NULL; kv = kv->next) {
        if (kv->pending != NULL && rt_rng_chance(rng, 0.5)) {
            apply_pending(kv);
        }
        kill_handle(kv);
    }
}

static void
on_reset(void)
{
    for (rt_kv *kv = world.handles; kv != NULL; kv = kv->next) {
        kill_handle(kv);
    }
    while (world.maps != NULL) {
        map *next = world.maps->next;

        empty_map(world.maps);
        rt_free(world.maps);
        world.maps = next;
    }
}

static const sim_disk_guest guest = {on_reset, on_crash};

// --- seam/kv.h ------------------------------------------------------------------------------

static map *
find_map(const char *dir)
{
    map *store = world.maps;

    while (store != NULL && strcmp(store->dir, dir) != 0) {
        store = store->next;
    }
    return store;
}

static rt_kv *
new_handle(map *store, bool is_readonly, uint64_t map_bytes)
{
    rt_kv *kv = rt_new(rt_kv);

    kv->magic = KV_MAGIC;
    kv->store = store;
    kv->is_readonly = is_readonly;
    kv->map_bytes = map_bytes;
    kv->next = world.handles;
    world.handles = kv;
    return kv;
}

// What the real store steers by, among other things.
static rt_err
check_sorted(const map *store)
{
    for (size_t i = 1; i < store->count; i++) {
        if (rt_kv_key_compare(key_of(store->pairs[i - 1]), key_of(store->pairs[i])) >= 0) {
            return rt_fail(RT_ECORRUPT, "%s, pair %zu: keys out of order", store->dir, i);
        }
    }
    return RT_OK;
}

bool
sim_kv_flip_bit(const char *dir, uint64_t bit)
{
    map *store = find_map(dir);
    uint64_t byte = bit / 8;

    for (size_t i = 0; store != NULL && i < store->count; i++) {
        pair *p = store->pairs[i];
        uint64_t bytes = p->key_len + p->value_len;

        if (byte < bytes) {
            p->bytes[byte] ^= (uint8_t)(1u << bit % 8);
            return true;
        }
        byte -= bytes;
    }
    return false;
}

rt_err
rt_kv_open(const char *dir, uint64_t map_bytes, rt_kv **ret_kv)
{
    rt_err err = rt_dir_make(dir);
    map *store = find_map(dir);
    bool is_new = store == NULL || store->is_empty;

    sim_disk_attach(&guest);
    if (err == RT_OK && store != NULL) {
        err = check_sorted(store);
    }
    if (err != RT_OK) {
        return err;
    }
    if (store == NULL) {
        RT_ASSERT(strlen(dir) < PATH_BYTES_MAX);
        store = rt_new(map);
        (void)snprintf(store->dir, sizeof(store->dir), "%s", dir);
        store->next = world.maps;
        world.maps = store;
    }
    if (store->owner != NULL) {
        return rt_fail(RT_ELOCKED, "%s is held by process 1", dir);
    }
    *ret_kv = new_handle(store, false, map_bytes);
    (*ret_kv)->is_new = is_new;
    store->is_empty = false;
    store->owner = *ret_kv;
    return RT_OK;
}

bool
rt_kv_is_new(const rt_kv *kv)
{
    RT_CHECK(kv, KV_MAGIC);
    return kv->is_new;
}

unsigned
rt_kv_aside_count(const char *dir)
{
    const map *store = find_map(dir);

    return store != NULL ? store->aside_count : 0;
}

rt_err
rt_kv_set_aside(const char *dir, char *ret_path, size_t cap)
{
    map *store = find_map(dir);

    if (store == NULL || store->is_empty) {
        return rt_fail(RT_ENOTFOUND, "no store in %s", dir);
    }
    if (store->owner != NULL) {
        return rt_fail(RT_ELOCKED, "%s is held by process 1", dir);
    }
    empty_map(store); // nobody here looks at what was set aside
    store->is_empty = true;
    store->aside_count = RT_MIN(store->aside_count + 1, RT_KV_ASIDE_MAX);
    (void)snprintf(ret_path, cap, "%s/damaged-%u", dir, store->aside_count);
    return RT_OK;
}

rt_err
rt_kv_open_readonly(const char *dir, rt_kv **ret_kv)
{
    map *store = find_map(dir);

    sim_disk_attach(&guest);
    if (store == NULL) {
        return rt_fail(RT_ENOTFOUND, "no store in %s", dir);
    }
    *ret_kv = new_handle(store, true, 0);
    return RT_OK;
}

// Makes the call a commit owes.
static void
call_back(rt_kv *kv)
{
    void (*on_done)(void *user, rt_err err) = kv->on_done;

    kv->owes_call = false;
    on_done(kv->user, kv->outcome);
}

void
rt_kv_close(rt_kv *kv)
{
    rt_kv **link = &world.handles;

    if (kv == NULL) {
        return;
    }
    RT_CHECK(kv, KV_MAGIC);
    apply_pending(kv);
    if (kv->owes_call) {
        call_back(kv);
    }
    while (*link != kv) {
        link = &(*link)->next;
    }
    *link = kv->next;
    rt_timer_free(kv->timer);
    if (kv->store != NULL && kv->store->owner == kv) {
        kv->store->owner = NULL;
    }
    kv->magic = 0;
    rt_free(kv);
}

static rt_err
check_alive(const rt_kv *kv)
{
    RT_CHECK(kv, KV_MAGIC);
    return kv->store != NULL ? RT_OK : rt_fail(RT_EIO, "store handle from before a power cut");
}

rt_err
rt_kv_get(rt_kv *kv, rt_bytes key, rt_arena *arena, rt_bytes *ret_value)
{
    const pair *p = NULL;
    rt_bytes copy;
    rt_err err = check_alive(kv);

    if (err != RT_OK) {
        return err;
    }
    p = find(kv->store, key);
    if (p == NULL) {
        return RT_ENOTFOUND;
    }
    copy = rt_arena_copy(arena, (rt_bytes){p->bytes + p->key_len, p->value_len});
    if (copy.ptr == NULL && p->value_len > 0) {
        return rt_fail(RT_ENOMEM, "no room for a value of %zu bytes", p->value_len);
    }
    *ret_value = copy;
    return RT_OK;
}

rt_err
rt_kv_scan(rt_kv *kv, rt_bytes prefix,
           rt_err (*on_pair)(void *user, rt_bytes key, rt_bytes value), void *user)
{
    rt_err err = check_alive(kv);

    if (err != RT_OK) {
        return err;
    }
    for (size_t i = lower_bound(kv->store, prefix); i < kv->store->count && err == RT_OK; i++) {
        const pair *p = kv->store->pairs[i];

        if (p->key_len < prefix.len ||
            (prefix.len > 0 && memcmp(p->bytes, prefix.ptr, prefix.len) != 0)) {
            break;
        }
        err = on_pair(user, key_of(p), (rt_bytes){p->bytes + p->key_len, p->value_len});
    }
    return err == RT_EEND ? RT_OK : err;
}

rt_err
rt_kv_commit(rt_kv *kv, const rt_kv_batch *batch)
{
    rt_err err = check_alive(kv);

    RT_ASSERT(!kv->is_readonly);
    if (err != RT_OK) {
        return err;
    }
    apply_pending(kv);
    return apply(kv->store, kv->map_bytes, batch);
}

static void
on_timer(void *user)
{
    rt_kv *kv = user;

    apply_pending(kv);
    rt_timer_free(kv->timer);
    kv->timer = NULL;
    call_back(kv);
}

void
rt_kv_commit_start(rt_kv *kv, rt_kv_batch *batch, rt_loop *loop,
                   void (*on_done)(void *user, rt_err err), void *user)
{
    RT_CHECK(kv, KV_MAGIC);
    RT_ASSERT(!kv->is_readonly);
    RT_ASSERT(!kv->owes_call);
    kv->on_done = on_done;
    kv->user = user;
    kv->owes_call = true;
    kv->outcome = RT_EIO; // of a dead handle, unless it is applied
    if (kv->store == NULL) {
        rt_kv_batch_free(batch);
    } else {
        kv->pending = batch;
    }
    kv->timer = rt_timer_new(loop, on_timer, kv);
    rt_timer_start(kv->timer, COMMIT_MS, 0);
}

uint64_t
rt_kv_used_bytes(rt_kv *kv)
{
    RT_CHECK(kv, KV_MAGIC);
    return kv->store != NULL ? kv->store->bytes : 0;
}
