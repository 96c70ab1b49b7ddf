#include "runtime/base/alloc.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// Design notes.
// Two kinds of callers: those that cannot live without the memory (start-up, registries) get an
// abort with a report, those whose size comes from outside get NULL and answer RT_ENOMEM. Only the
// second kind can be made to fail by a test. A request of 0 bytes is served as 1, so that NULL
// always means failure.

#define VECTOR_ALIGN 64

// Countdown to the failing rt_try_alloc; 0 = none. Relaxed and alone: it guards no other data.
static _Atomic uint64_t fail_countdown;

static void *
or_die(void *ptr, size_t bytes)
{
    if (ptr == NULL) {
        (void)fprintf(stderr, "out of memory: %zu bytes\n", bytes);
        abort();
    }
    return ptr;
}

// Whether this attempt is the one a test asked to fail.
static bool
is_failure_due(void)
{
    uint64_t left = atomic_load_explicit(&fail_countdown, memory_order_relaxed);

    while (left > 0) {
        if (atomic_compare_exchange_weak_explicit(&fail_countdown, &left, left - 1,
                                                  memory_order_relaxed, memory_order_relaxed)) {
            return left == 1;
        }
    }
    return false;
}

void *
rt_alloc(size_t bytes)
{
    return or_die(calloc(1, bytes > 0 ? bytes : 1), bytes);
}

void *
rt_try_alloc(size_t bytes)
{
    if (RT_UNLIKELY(is_failure_due())) {
        return NULL;
    }
    return malloc(bytes > 0 ? bytes : 1);
}

void *
rt_realloc(void *ptr, size_t bytes)
{
    return or_die(realloc(ptr, bytes > 0 ? bytes : 1), bytes);
}

void *
rt_alloc_aligned(size_t bytes)
{
    // aligned_alloc wants a multiple of the alignment.
    size_t whole = (bytes + VECTOR_ALIGN - 1) / VECTOR_ALIGN * VECTOR_ALIGN;
    void *ptr = NULL;

    if (whole < bytes) {
        return or_die(NULL, bytes);
    }
    whole = RT_MAX(whole, (size_t)VECTOR_ALIGN);
    ptr = or_die(aligned_alloc(VECTOR_ALIGN, whole), bytes);
    memset(ptr, 0, whole);
    return ptr;
}

void
rt_free(void *ptr)
{
    free(ptr);
}

void
rt_alloc_fail_after(uint64_t n)
{
    atomic_store_explicit(&fail_countdown, n, memory_order_relaxed);
}
