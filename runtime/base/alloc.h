// base/alloc.h: the only door to malloc, so that tests can count and fail allocations.
//
// Layer: runtime/base.   Threads: any.
// Process-lifetime memory aborts when it cannot be had; memory sized by input comes from an arena
// with a limit (arena.h) or from rt_try_alloc, and its failure is RT_ENOMEM.
#ifndef CEREBRO_RUNTIME_BASE_ALLOC_H
#define CEREBRO_RUNTIME_BASE_ALLOC_H

#include <stddef.h>
#include <stdint.h>

#include "runtime/base/attr.h"

// rt_alloc returns `bytes` zeroed bytes; aborts with a report when there is no memory.
void *rt_alloc(size_t bytes) RT_MUST_USE RT_NEVER_NULL;

// rt_try_alloc returns `bytes` bytes, not zeroed, or NULL.
void *rt_try_alloc(size_t bytes) RT_MUST_USE;

// rt_alloc_refused is how often rt_try_alloc returned NULL on this thread. A limit that was reached
// does not count: that depends on the input alone. rt_alloc_forgive sets it back to an earlier
// count, when what was refused since then was thrown away whole.
uint64_t rt_alloc_refused(void);
void rt_alloc_forgive(uint64_t count);

// rt_out_of_memory reports where memory was missing, and aborts.
RT_NORETURN void rt_out_of_memory(const char *where);
// RT_MUST_HAVE does so when `x`, which only missing memory can make false, does not hold.
#define RT_MUST_HAVE(x) (RT_LIKELY(x) ? (void)0 : rt_out_of_memory(#x))

// rt_realloc grows or shrinks a block, keeping contents; aborts when there is no memory.
void *rt_realloc(void *ptr, size_t bytes) RT_MUST_USE RT_NEVER_NULL;

// rt_alloc_aligned returns zeroed bytes aligned to 64 bytes (vectors); free with rt_free.
void *rt_alloc_aligned(size_t bytes) RT_MUST_USE RT_NEVER_NULL;

// rt_free releases what the functions above returned; NULL is fine.
void rt_free(void *ptr);

// rt_new allocates one zeroed object of a type; rt_new_array `count` of them.
#define rt_new(type) ((type *)rt_alloc(sizeof(type)))
#define rt_new_array(type, count) ((type *)rt_alloc(sizeof(type) * (size_t)(count)))

// rt_alloc_fail_after makes the n-th next rt_try_alloc fail (0 = never), rt_alloc_fail_from that
// and all that follow; for tests.
void rt_alloc_fail_after(uint64_t n);
void rt_alloc_fail_from(uint64_t n);
// rt_alloc_tries counts the calls of rt_try_alloc since the last of these two; for tests.
uint64_t rt_alloc_tries(void);

#endif
