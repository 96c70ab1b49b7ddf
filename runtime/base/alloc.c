#include "runtime/base/alloc.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

// Design notes.
// Two kinds of callers: those that cannot live without the memory (start-up, registries) get an
// abort with a report, those whose size comes from outside get NULL and answer RT_ENOMEM. Only the
// second kind can be made to fail by a test. A request of 0 bytes is served as 1, so that NULL
// always means failure.
//
// A refusal counts, because a fold must not go on after one: what it made would depend on the
// machine's memory and not on the journal alone, and could not be made again. Whoever folds looks
// at the count before anything it made becomes durable or is said, and stops.

// Large blocks are indexes that are read at random places: huge pages spare them a walk through the
// page tables for nearly every read (5 % of all user time of tests/bench/path.c). It is a hint, and
// takes no memory before it is touched.

#define VECTOR_ALIGN 64
#define LARGE_BYTES (4u * 1024 * 1024)
#define HUGE_PAGE_BYTES ((uintptr_t)2 * 1024 * 1024)

// For tests, each relaxed and alone: they guard no other data. `fail_at` is the number of the
// failing rt_try_alloc, 0 = none.
static _Atomic uint64_t fail_at;
static _Atomic uint64_t tries;
static _Atomic bool is_failing_on;

// Of this thread; loops share no memory, so each has its own.
static _Thread_local uint64_t refused;

static void *
or_die(void *ptr, size_t bytes)
{
    if (ptr == NULL) {
        (void)fprintf(stderr, "out of memory: %zu bytes\n", bytes);
        abort();
    }
    return ptr;
}

void
rt_out_of_memory(const char *where)
{
    (void)fprintf(stderr, "out of memory: %s\n", where);
    abort();
}

// Whether this attempt is one that a test asked to fail.
static bool
is_failure_due(void)
{
    uint64_t at = atomic_load_explicit(&fail_at, memory_order_relaxed);
    uint64_t n = 0;

    if (RT_LIKELY(at == 0)) {
        return false;
    }
    n = atomic_fetch_add_explicit(&tries, 1, memory_order_relaxed) + 1;
    return n == at ||
           (n > at && atomic_load_explicit(&is_failing_on, memory_order_relaxed));
}

static void *
advise(void *ptr, size_t bytes)
{
    if (RT_UNLIKELY(bytes >= LARGE_BYTES)) {
        uintptr_t begin = ((uintptr_t)ptr + HUGE_PAGE_BYTES - 1) & ~(HUGE_PAGE_BYTES - 1);
        uintptr_t end = ((uintptr_t)ptr + bytes) & ~(HUGE_PAGE_BYTES - 1);

        (void)madvise((void *)begin, end - begin, MADV_HUGEPAGE); // or as it was
    }
    return ptr;
}

void *
rt_alloc(size_t bytes)
{
    return advise(or_die(calloc(1, bytes > 0 ? bytes : 1), bytes), bytes);
}

void *
rt_try_alloc(size_t bytes)
{
    void *ptr = RT_UNLIKELY(is_failure_due()) ? NULL : malloc(bytes > 0 ? bytes : 1);

    if (RT_UNLIKELY(ptr == NULL)) {
        refused++;
    }
    return ptr;
}

uint64_t
rt_alloc_refused(void)
{
    return refused;
}

void
rt_alloc_forgive(uint64_t count)
{
    refused = count;
}

void *
rt_realloc(void *ptr, size_t bytes)
{
    return or_die(realloc(ptr, bytes > 0 ? bytes : 1), bytes); // what grows is no index: no advice
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

static void
arm(uint64_t n, bool goes_on)
{
    atomic_store_explicit(&fail_at, 0, memory_order_relaxed);
    atomic_store_explicit(&tries, 0, memory_order_relaxed);
    atomic_store_explicit(&is_failing_on, goes_on, memory_order_relaxed);
    atomic_store_explicit(&fail_at, n, memory_order_relaxed);
}

void
rt_alloc_fail_after(uint64_t n)
{
    arm(n, false);
}

void
rt_alloc_fail_from(uint64_t n)
{
    arm(n, true);
}

uint64_t
rt_alloc_tries(void)
{
    return atomic_load_explicit(&tries, memory_order_relaxed);
}
