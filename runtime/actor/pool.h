// actor/pool.h: blocks of one size from slabs; shared by the files of this folder.
//
// Layer: runtime/actor (may use runtime/base).   Threads: one owner.
// A block that is given back is the next one handed out. Slabs are kept until the pool ends, so
// what was needed once costs no allocation again. Several pools may share one bound in bytes.
#ifndef CEREBRO_RUNTIME_ACTOR_POOL_H
#define CEREBRO_RUNTIME_ACTOR_POOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/base/attr.h"

#define RT__POOL_SLAB_BYTES (64u * 1024)

// What all pools of an owner may take together.
typedef struct rt__quota {
    size_t used_bytes;
    size_t max_bytes;
} rt__quota;

typedef struct rt__pool {
    void *spare;  // blocks given back, each with the next one in its first word
    uint8_t *cut; // where the newest slab goes on
    uint32_t left;
    uint32_t block_bytes;
    void *slabs; // each with the next one in its first word
} rt__pool;

// rt__quota_alloc takes bytes from the quota; NULL when it, or the machine, has none.
void *rt__quota_alloc(rt__quota *quota, size_t bytes) RT_MUST_USE;
// rt__quota_free gives a block of rt__quota_alloc back; NULL is fine.
void rt__quota_free(rt__quota *quota, void *ptr, size_t bytes);

// rt__pool_init prepares a pool of blocks of `block_bytes` (a multiple of 8).
void rt__pool_init(rt__pool *pool, uint32_t block_bytes);
// rt__pool_fini gives all slabs back, and with them all blocks.
void rt__pool_fini(rt__pool *pool, rt__quota *quota);
// rt__pool_grow makes room for blocks when there is none; false when the quota has none.
bool rt__pool_grow(rt__pool *pool, rt__quota *quota) RT_MUST_USE;

// rt__pool_get hands out a block, aligned to 8 bytes, not zeroed; NULL when the quota has none.
static inline RT_MUST_USE void *
rt__pool_get(rt__pool *pool, rt__quota *quota)
{
    void *block = pool->spare;

    if (RT_LIKELY(block != NULL)) {
        pool->spare = *(void **)block;
        return block;
    }
    if (pool->left < pool->block_bytes && !rt__pool_grow(pool, quota)) {
        return NULL;
    }
    block = pool->cut;
    pool->cut += pool->block_bytes;
    pool->left -= pool->block_bytes;
    return block;
}

// rt__pool_put takes a block back.
static inline void
rt__pool_put(rt__pool *pool, void *block)
{
    *(void **)block = pool->spare;
    pool->spare = block;
}

#endif
