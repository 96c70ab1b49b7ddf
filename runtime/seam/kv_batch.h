// seam/kv_batch.h: what an rt_kv_batch holds, for the implementations of seam/kv.h.
//
// Layer: runtime/seam (for runtime/real and runtime/sim).   Threads: one at a time.
#ifndef CEREBRO_RUNTIME_SEAM_KV_BATCH_H
#define CEREBRO_RUNTIME_SEAM_KV_BATCH_H

#include "runtime/seam/kv.h"

typedef struct rt_kv_op {
    rt_bytes key;
    rt_bytes value;
    bool is_del;
} rt_kv_op;

// rt_kv_batch_ops gives the operations sorted by key, of several on one key only the last; views
// into the batch. Free the array with rt_free.
rt_kv_op *rt_kv_batch_ops(const rt_kv_batch *batch, size_t *ret_count) RT_MUST_USE;
// rt_kv_batch_bytes is the size of all keys and values.
size_t rt_kv_batch_bytes(const rt_kv_batch *batch);
// rt_kv_key_compare orders keys bytewise, a prefix first.
int rt_kv_key_compare(rt_bytes a, rt_bytes b);

#endif
