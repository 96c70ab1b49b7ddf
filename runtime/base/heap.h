// base/heap.h: binary min-heap of (key, tie, value); equal keys leave in order of their tie.
//
// Layer: runtime/base.   Threads: one owner.
#ifndef CEREBRO_RUNTIME_BASE_HEAP_H
#define CEREBRO_RUNTIME_BASE_HEAP_H

#include "runtime/base/attr.h"
#include "runtime/base/bytes.h"

typedef struct rt_heap_item {
    int64_t key;    // smallest first, e.g. due time in ms
    uint64_t tie;   // then smallest tie, e.g. a sequence number
    uint64_t value; // carried along
} rt_heap_item;

typedef struct rt_heap {
    rt_heap_item *items;
    size_t count;
    size_t cap;
} rt_heap;

// rt_heap_init prepares an empty heap.
void rt_heap_init(rt_heap *heap);
// rt_heap_fini frees its memory.
void rt_heap_fini(rt_heap *heap);
// rt_heap_push adds an item.
void rt_heap_push(rt_heap *heap, rt_heap_item item);
// rt_heap_peek views the smallest item, or NULL.
const rt_heap_item *rt_heap_peek(const rt_heap *heap);
// rt_heap_pop removes the smallest item; the heap must not be empty.
rt_heap_item rt_heap_pop(rt_heap *heap);

#endif
