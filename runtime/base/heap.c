#include "runtime/base/heap.h"

#include "runtime/base/alloc.h"
#include "runtime/base/check.h"

// Design notes.
// The usual implicit tree in an array. The order is total as long as ties differ, so items leave in
// the same order on every run, whatever the shape of the tree.
//
// Invariant: no item is before its parent at (i - 1) / 2.

#define HEAP_CAP_MIN 16

static bool
is_before(const rt_heap_item *a, const rt_heap_item *b)
{
    return a->key != b->key ? a->key < b->key : a->tie < b->tie;
}

void
rt_heap_init(rt_heap *heap)
{
    *heap = (rt_heap){0};
}

void
rt_heap_fini(rt_heap *heap)
{
    rt_free(heap->items);
    *heap = (rt_heap){0};
}

void
rt_heap_push(rt_heap *heap, rt_heap_item item)
{
    size_t at = heap->count;

    if (heap->count == heap->cap) {
        heap->cap = RT_MAX(heap->cap * 2, (size_t)HEAP_CAP_MIN);
        heap->items = rt_realloc(heap->items, heap->cap * sizeof(rt_heap_item));
    }
    heap->count++;
    while (at > 0 && is_before(&item, &heap->items[(at - 1) / 2])) {
        heap->items[at] = heap->items[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    heap->items[at] = item;
}

const rt_heap_item *
rt_heap_peek(const rt_heap *heap)
{
    return heap->count > 0 ? &heap->items[0] : NULL;
}

// Puts `item` where the root was, moving smaller children up.
static void
sink(rt_heap *heap, rt_heap_item item)
{
    size_t at = 0;

    for (;;) {
        size_t child = 2 * at + 1;

        if (child >= heap->count) {
            break;
        }
        if (child + 1 < heap->count && is_before(&heap->items[child + 1], &heap->items[child])) {
            child++;
        }
        if (!is_before(&heap->items[child], &item)) {
            break;
        }
        heap->items[at] = heap->items[child];
        at = child;
    }
    heap->items[at] = item;
}

rt_heap_item
rt_heap_pop(rt_heap *heap)
{
    rt_heap_item top = {0};

    RT_ASSERT(heap->count > 0);
    top = heap->items[0];
    heap->count--;
    if (heap->count > 0) {
        sink(heap, heap->items[heap->count]);
    }
    return top;
}
