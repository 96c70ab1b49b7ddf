#include "runtime/base/map.h"

#include "runtime/base/alloc.h"
#include "runtime/base/check.h"
#include "runtime/base/hash.h"

// Design notes.
// Three arrays. `entries` holds the pairs in insertion order; `pool` the key bytes; `slots` is the
// open-addressed index with linear probing, each slot carrying 32 hash bits beside the entry
// number, so that a probe rarely touches an entry that is not the wanted one.
//
// A removed key leaves its entry (dead) and its slot in place: probes step over it, and a walk may
// go on. Only rt_map_put ever moves anything: when `entries` is full it rebuilds all three arrays
// from the living entries, larger or smaller as they need, in the same order.
//
// Invariant: entry_count (living and dead) <= entry_cap = 3/4 of slot_count, so that an empty slot
// always ends a probe.
//
// The hash seed is the map's own address: nobody outside can aim at collisions, and since nothing
// ever walks by slot, behaviour does not depend on it.

#define MAP_MAGIC 0x3a9b10c4u
#define SLOTS_MIN 16
#define POOL_MIN 128
#define ENTRIES_MAX (UINT32_MAX - 1)

typedef struct entry {
    uint64_t value;
    size_t key_at; // offset in the pool
    uint32_t key_len;
    bool is_live;
} entry;

typedef struct slot {
    uint32_t hash;
    uint32_t ref; // entry index + 1; 0 = empty
} slot;

struct rt_map {
    uint32_t magic;
    uint64_t seed;
    slot *slots;
    size_t slot_count; // power of two, or 0
    entry *entries;
    size_t entry_count;
    size_t entry_cap;
    size_t live_count;
    uint8_t *pool;
    size_t pool_len;
    size_t pool_cap;
};

static rt_bytes
key_of(const rt_map *map, const entry *e)
{
    return (rt_bytes){map->pool + e->key_at, e->key_len};
}

static entry *
find(const rt_map *map, rt_bytes key, uint64_t hash)
{
    size_t mask = map->slot_count - 1;

    if (map->slot_count == 0) {
        return NULL;
    }
    for (size_t i = hash & mask;; i = (i + 1) & mask) {
        const slot *s = &map->slots[i];
        entry *e = NULL;

        if (s->ref == 0) {
            return NULL;
        }
        if (s->hash != (uint32_t)(hash >> 32)) {
            continue;
        }
        e = &map->entries[s->ref - 1];
        if (e->is_live && rt_bytes_equal(key_of(map, e), key)) {
            return e;
        }
    }
}

static void
index_entry(rt_map *map, size_t number, uint64_t hash)
{
    size_t mask = map->slot_count - 1;
    size_t i = hash & mask;

    while (map->slots[i].ref != 0) {
        i = (i + 1) & mask;
    }
    map->slots[i] = (slot){(uint32_t)(hash >> 32), (uint32_t)(number + 1)};
}

static size_t
add_key(rt_map *map, rt_bytes key)
{
    size_t at = map->pool_len;

    // Even an empty key needs a pool, so that key_of never offsets a null pointer.
    if (map->pool == NULL || key.len > map->pool_cap - map->pool_len) {
        map->pool_cap = RT_MAX(map->pool_cap * 2, map->pool_len + key.len);
        map->pool_cap = RT_MAX(map->pool_cap, (size_t)POOL_MIN);
        map->pool = rt_realloc(map->pool, map->pool_cap);
    }
    if (key.len > 0) {
        memcpy(map->pool + at, key.ptr, key.len);
    }
    map->pool_len += key.len;
    return at;
}

static void
append(rt_map *map, rt_bytes key, uint64_t hash, uint64_t value)
{
    size_t number = map->entry_count;

    RT_ASSERT(number < map->entry_cap);
    map->entries[number] = (entry){
        .value = value,
        .key_at = add_key(map, key),
        .key_len = (uint32_t)key.len,
        .is_live = true,
    };
    map->entry_count++;
    map->live_count++;
    index_entry(map, number, hash);
}

// Gives the map fresh arrays with room for twice its living entries and moves those over.
static void
rebuild(rt_map *map)
{
    rt_map old = *map;
    size_t slot_count = SLOTS_MIN;

    while (slot_count / 4 * 3 < old.live_count * 2) {
        slot_count *= 2;
    }
    RT_ASSERT(slot_count / 4 * 3 <= ENTRIES_MAX);
    map->slots = rt_new_array(slot, slot_count);
    map->slot_count = slot_count;
    map->entry_cap = slot_count / 4 * 3;
    map->entries = rt_new_array(entry, map->entry_cap);
    map->entry_count = 0;
    map->live_count = 0;
    map->pool = NULL;
    map->pool_len = 0;
    map->pool_cap = 0;
    for (size_t i = 0; i < old.entry_count; i++) {
        const entry *e = &old.entries[i];

        if (e->is_live) {
            rt_bytes key = key_of(&old, e);

            append(map, key, rt_hash64(key, map->seed), e->value);
        }
    }
    RT_ASSERT(map->live_count == old.live_count);
    rt_free(old.slots);
    rt_free(old.entries);
    rt_free(old.pool);
}

rt_map *
rt_map_new(void)
{
    rt_map *map = rt_new(rt_map);

    map->magic = MAP_MAGIC;
    map->seed = (uint64_t)(uintptr_t)map;
    return map;
}

void
rt_map_free(rt_map *map)
{
    if (map == NULL) {
        return;
    }
    RT_CHECK(map, MAP_MAGIC);
    rt_free(map->slots);
    rt_free(map->entries);
    rt_free(map->pool);
    map->magic = 0;
    rt_free(map);
}

bool
rt_map_put(rt_map *map, rt_bytes key, uint64_t value)
{
    uint64_t hash = 0;
    entry *e = NULL;

    RT_CHECK(map, MAP_MAGIC);
    RT_ASSERT(key.len <= UINT32_MAX);
    hash = rt_hash64(key, map->seed);
    e = find(map, key, hash);
    if (e != NULL) {
        e->value = value;
        return false;
    }
    if (map->entry_count == map->entry_cap) {
        rebuild(map);
    }
    append(map, key, hash, value);
    return true;
}

bool
rt_map_get(const rt_map *map, rt_bytes key, uint64_t *ret_value)
{
    const entry *e = NULL;

    RT_CHECK(map, MAP_MAGIC);
    e = find(map, key, rt_hash64(key, map->seed));
    if (e == NULL) {
        return false;
    }
    *ret_value = e->value;
    return true;
}

bool
rt_map_del(rt_map *map, rt_bytes key)
{
    entry *e = NULL;

    RT_CHECK(map, MAP_MAGIC);
    e = find(map, key, rt_hash64(key, map->seed));
    if (e == NULL) {
        return false;
    }
    e->is_live = false;
    map->live_count--;
    return true;
}

size_t
rt_map_count(const rt_map *map)
{
    RT_CHECK(map, MAP_MAGIC);
    return map->live_count;
}

bool
rt_map_next(const rt_map *map, size_t *cursor, rt_bytes *ret_key, uint64_t *ret_value)
{
    RT_CHECK(map, MAP_MAGIC);
    while (*cursor < map->entry_count) {
        const entry *e = &map->entries[(*cursor)++];

        if (e->is_live) {
            *ret_key = key_of(map, e);
            *ret_value = e->value;
            return true;
        }
    }
    return false;
}
