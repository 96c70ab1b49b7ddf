#include "runtime/seam/kv_batch.h"

#include <stdlib.h>

#include "runtime/base/alloc.h"
#include "runtime/base/check.h"

// Design notes.
// Filled on the loop thread by copying, read on the store thread: no pointer into live state
// crosses. Operations are applied in key order, because neighbouring keys share pages of a B+tree.

#define BATCH_MAGIC 0xba7c4000u

typedef struct entry {
    size_t at; // key, then value, in `bytes`
    size_t value_len;
    uint32_t key_len;
    bool is_del;
} entry;

struct rt_kv_batch {
    uint32_t magic;
    entry *entries;
    size_t count;
    size_t cap;
    uint8_t *bytes;
    size_t len;
    size_t bytes_cap;
};

rt_kv_batch *
rt_kv_batch_new(void)
{
    rt_kv_batch *batch = rt_new(rt_kv_batch);

    batch->magic = BATCH_MAGIC;
    return batch;
}

void
rt_kv_batch_free(rt_kv_batch *batch)
{
    if (batch == NULL) {
        return;
    }
    RT_CHECK(batch, BATCH_MAGIC);
    rt_free(batch->entries);
    rt_free(batch->bytes);
    batch->magic = 0;
    rt_free(batch);
}

static void
append_bytes(rt_kv_batch *batch, rt_bytes bytes)
{
    if (batch->len + bytes.len > batch->bytes_cap) {
        batch->bytes_cap = RT_MAX(batch->bytes_cap * 2, batch->len + bytes.len + 4096);
        batch->bytes = rt_realloc(batch->bytes, batch->bytes_cap);
    }
    if (bytes.len > 0) {
        memcpy(batch->bytes + batch->len, bytes.ptr, bytes.len);
    }
    batch->len += bytes.len;
}

static void
add(rt_kv_batch *batch, rt_bytes key, rt_bytes value, bool is_del)
{
    RT_CHECK(batch, BATCH_MAGIC);
    RT_ASSERT(key.len > 0);
    RT_ASSERT(key.len <= RT_KV_KEY_MAX);
    if (batch->count == batch->cap) {
        batch->cap = batch->cap > 0 ? batch->cap * 2 : 64;
        batch->entries = rt_realloc(batch->entries, batch->cap * sizeof(entry));
    }
    batch->entries[batch->count] =
        (entry){batch->len, value.len, (uint32_t)key.len, is_del};
    batch->count++;
    append_bytes(batch, key);
    append_bytes(batch, value);
}

void
rt_kv_batch_put(rt_kv_batch *batch, rt_bytes key, rt_bytes value)
{
    add(batch, key, value, false);
}

void
rt_kv_batch_del(rt_kv_batch *batch, rt_bytes key)
{
    add(batch, key, (rt_bytes){NULL, 0}, true);
}

size_t
rt_kv_batch_count(const rt_kv_batch *batch)
{
    RT_CHECK(batch, BATCH_MAGIC);
    return batch->count;
}

size_t
rt_kv_batch_bytes(const rt_kv_batch *batch)
{
    RT_CHECK(batch, BATCH_MAGIC);
    return batch->len;
}

int
rt_kv_key_compare(rt_bytes a, rt_bytes b)
{
    size_t len = RT_MIN(a.len, b.len);
    int order = len > 0 ? memcmp(a.ptr, b.ptr, len) : 0;

    return order != 0 ? order : (a.len > b.len) - (a.len < b.len);
}

// By key, then in the order they were added, which is that of their bytes.
static int
compare_ops(const void *a, const void *b)
{
    const rt_kv_op *x = a;
    const rt_kv_op *y = b;
    int order = rt_kv_key_compare(x->key, y->key);

    return order != 0 ? order : (x->key.ptr > y->key.ptr) - (x->key.ptr < y->key.ptr);
}

rt_kv_op *
rt_kv_batch_ops(const rt_kv_batch *batch, size_t *ret_count)
{
    rt_kv_op *ops = NULL;
    size_t kept = 0;

    RT_CHECK(batch, BATCH_MAGIC);
    ops = rt_new_array(rt_kv_op, batch->count);
    for (size_t i = 0; i < batch->count; i++) {
        const entry *e = &batch->entries[i];
        const uint8_t *at = batch->bytes + e->at;

        ops[i] = (rt_kv_op){{at, e->key_len}, {at + e->key_len, e->value_len}, e->is_del};
    }
    qsort(ops, batch->count, sizeof(rt_kv_op), compare_ops);
    for (size_t i = 0; i < batch->count; i++) {
        if (i + 1 == batch->count || rt_kv_key_compare(ops[i].key, ops[i + 1].key) != 0) {
            ops[kept] = ops[i];
            kept++;
        }
    }
    *ret_count = kept;
    return ops;
}
