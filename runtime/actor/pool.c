#include "runtime/actor/pool.h"

#include "runtime/base/alloc.h"
#include "runtime/base/check.h"

// Design notes.
// A slab is its link to the next one and then blocks, cut off one after the other, so that memory
// that nobody needs yet is not touched. What is left behind the last block is lost: at most one
// block of 64 KiB.

#define SLAB_HEAD_BYTES 16u // the link; blocks keep the alignment of the allocation

void *
rt__quota_alloc(rt__quota *quota, size_t bytes)
{
    void *ptr = NULL;

    if (bytes > quota->max_bytes - quota->used_bytes) {
        return NULL;
    }
    ptr = rt_try_alloc(bytes);
    quota->used_bytes += ptr != NULL ? bytes : 0;
    return ptr;
}

void
rt__quota_free(rt__quota *quota, void *ptr, size_t bytes)
{
    if (ptr == NULL) {
        return;
    }
    RT_ASSERT(quota->used_bytes >= bytes);
    quota->used_bytes -= bytes;
    rt_free(ptr);
}

void
rt__pool_init(rt__pool *pool, uint32_t block_bytes)
{
    RT_ASSERT(block_bytes >= sizeof(void *) && block_bytes % 8 == 0);
    RT_ASSERT(block_bytes <= RT__POOL_SLAB_BYTES - SLAB_HEAD_BYTES);
    *pool = (rt__pool){.block_bytes = block_bytes};
}

void
rt__pool_fini(rt__pool *pool, rt__quota *quota)
{
    while (pool->slabs != NULL) {
        void *slab = pool->slabs;

        pool->slabs = *(void **)slab;
        rt__quota_free(quota, slab, RT__POOL_SLAB_BYTES);
    }
    *pool = (rt__pool){.block_bytes = pool->block_bytes};
}

bool
rt__pool_grow(rt__pool *pool, rt__quota *quota)
{
    uint8_t *slab = rt__quota_alloc(quota, RT__POOL_SLAB_BYTES);

    if (slab == NULL) {
        return false;
    }
    *(void **)(void *)slab = pool->slabs;
    pool->slabs = slab;
    pool->cut = slab + SLAB_HEAD_BYTES;
    pool->left = RT__POOL_SLAB_BYTES - SLAB_HEAD_BYTES;
    return true;
}
