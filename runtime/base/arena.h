// base/arena.h: bounded region allocator; freed in one call, handlers never free.
//
// Layer: runtime/base.   Threads: one owner at a time.
#ifndef CEREBRO_RUNTIME_BASE_ARENA_H
#define CEREBRO_RUNTIME_BASE_ARENA_H

#include <stddef.h>
#include <stdint.h>

#include "runtime/base/attr.h"
#include "runtime/base/bytes.h"

typedef struct rt_arena rt_arena;

// rt_arena_new makes an arena that never hands out more than `limit_bytes` (each piece counts
// rounded up to 16).
rt_arena *rt_arena_new(size_t limit_bytes) RT_MUST_USE;

// rt_arena_free releases the arena and everything in it; NULL is fine.
void rt_arena_free(rt_arena *arena);

// rt_arena_alloc returns zeroed bytes aligned to 16, or NULL when the limit is reached.
void *rt_arena_alloc(rt_arena *arena, size_t bytes) RT_MUST_USE;

// rt_arena_copy copies bytes into the arena; returns {NULL, 0} at the limit.
rt_bytes rt_arena_copy(rt_arena *arena, rt_bytes bytes) RT_MUST_USE;

// rt_arena_str copies text and appends a NUL after it (not counted); {NULL, 0} at the limit.
rt_str rt_arena_str(rt_arena *arena, rt_str text) RT_MUST_USE;

// rt_arena_printf formats into the arena, NUL-terminated; {NULL, 0} at the limit.
rt_str rt_arena_printf(rt_arena *arena, const char *fmt, ...) RT_PRINTF(2, 3);

// rt_arena_reset forgets everything but keeps one block, so a warm turn allocates nothing.
void rt_arena_reset(rt_arena *arena);

// rt_arena_used is the number of bytes handed out since the last reset.
size_t rt_arena_used(const rt_arena *arena);

#define rt_arena_new_of(arena, type) ((type *)rt_arena_alloc((arena), sizeof(type)))
#define rt_arena_array(arena, type, count) \
    ((type *)rt_arena_alloc((arena), sizeof(type) * (size_t)(count)))

#endif
