#include "runtime/base/arena.h"

#include <stdarg.h>
#include <stdio.h>

#include "runtime/base/alloc.h"
#include "runtime/base/check.h"

// Design notes.
// A chain of blocks, newest first; only the newest is filled. Blocks double up to BLOCK_MAX, and a
// bigger request gets a block of its own size. The limit counts the bytes handed out, rounded up
// to 16, not the blocks: so whether a message fits depends on its content alone, never on how
// earlier pieces happened to fall into blocks. The blocks together stay below three times the
// limit plus one first block.
//
// Invariant: used <= limit; the blocks after the newest are never written again before a reset.
//
// A reset keeps the largest block when it is at most KEEP_MAX, so that an actor whose turns are
// alike soon allocates nothing, and one monstrous message does not pin its memory for ever.
// Under AddressSanitizer the free part of each block is poisoned: a pointer kept past a reset is
// reported at its first use.

#define ARENA_MAGIC 0xa5e7a001u
#define ALIGN 16
#define BLOCK_FIRST 4096
#define BLOCK_MAX (1024 * 1024)
#define KEEP_MAX (256 * 1024)
#define PRINTF_GUESS 256

#if defined(__SANITIZE_ADDRESS__)
#define HAS_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HAS_ASAN 1
#endif
#endif
#ifdef HAS_ASAN
#include <sanitizer/asan_interface.h>
#define POISON(ptr, len) __asan_poison_memory_region((ptr), (len))
#define UNPOISON(ptr, len) __asan_unpoison_memory_region((ptr), (len))
#else
#define POISON(ptr, len) ((void)(ptr), (void)(len))
#define UNPOISON(ptr, len) ((void)(ptr), (void)(len))
#endif

typedef struct block {
    struct block *older;
    size_t cap;
    size_t used;
    size_t pad; // keeps `data` on a multiple of ALIGN
    uint8_t data[];
} block;

_Static_assert(sizeof(block) % ALIGN == 0, "block data must be aligned");

struct rt_arena {
    uint32_t magic;
    size_t limit;
    size_t used;
    block *newest;
};

static void
free_block(block *b)
{
    UNPOISON(b->data, b->cap);
    rt_free(b);
}

static block *
add_block(rt_arena *arena, size_t need)
{
    size_t cap = BLOCK_FIRST;
    block *b = NULL;

    if (arena->newest != NULL) {
        cap = RT_MIN(arena->newest->cap * 2, (size_t)BLOCK_MAX);
    }
    cap = RT_MAX(RT_MIN(cap, arena->limit), need);
    b = rt_try_alloc(sizeof(block) + cap);
    if (b == NULL) {
        return NULL;
    }
    b->older = arena->newest;
    b->cap = cap;
    b->used = 0;
    POISON(b->data, cap);
    arena->newest = b;
    return b;
}

// Hands out `bytes` bytes that are not zeroed, or NULL.
static void *
take(rt_arena *arena, size_t bytes)
{
    size_t need = 0;
    block *b = NULL;
    uint8_t *ptr = NULL;

    RT_CHECK(arena, ARENA_MAGIC);
    if (bytes > SIZE_MAX - sizeof(block) - ALIGN) {
        return NULL;
    }
    need = (RT_MAX(bytes, (size_t)1) + ALIGN - 1) / ALIGN * ALIGN;
    if (need > arena->limit - arena->used) {
        return NULL;
    }
    b = arena->newest;
    if (b == NULL || need > b->cap - b->used) {
        b = add_block(arena, need);
        if (b == NULL) {
            return NULL;
        }
    }
    ptr = b->data + b->used;
    UNPOISON(ptr, bytes);
    b->used += need;
    arena->used += need;
    return ptr;
}

rt_arena *
rt_arena_new(size_t limit_bytes)
{
    rt_arena *arena = rt_new(rt_arena);

    arena->magic = ARENA_MAGIC;
    // Rounded up, so that a limit of n always has room for one piece of n bytes.
    arena->limit = limit_bytes > SIZE_MAX - ALIGN ? SIZE_MAX / ALIGN * ALIGN
                                                  : (limit_bytes + ALIGN - 1) / ALIGN * ALIGN;
    return arena;
}

void
rt_arena_free(rt_arena *arena)
{
    block *b = NULL;

    if (arena == NULL) {
        return;
    }
    RT_CHECK(arena, ARENA_MAGIC);
    b = arena->newest;
    while (b != NULL) {
        block *older = b->older;

        free_block(b);
        b = older;
    }
    arena->magic = 0;
    rt_free(arena);
}

void *
rt_arena_alloc(rt_arena *arena, size_t bytes)
{
    void *ptr = take(arena, bytes);

    if (ptr != NULL) {
        memset(ptr, 0, bytes);
    }
    return ptr;
}

rt_bytes
rt_arena_copy(rt_arena *arena, rt_bytes bytes)
{
    uint8_t *ptr = take(arena, bytes.len);

    if (ptr == NULL) {
        return (rt_bytes){NULL, 0};
    }
    if (bytes.len > 0) {
        memcpy(ptr, bytes.ptr, bytes.len);
    }
    return (rt_bytes){ptr, bytes.len};
}

rt_str
rt_arena_str(rt_arena *arena, rt_str text)
{
    char *ptr = text.len < SIZE_MAX ? take(arena, text.len + 1) : NULL;

    if (ptr == NULL) {
        return (rt_str){NULL, 0};
    }
    if (text.len > 0) {
        memcpy(ptr, text.ptr, text.len);
    }
    ptr[text.len] = '\0';
    return (rt_str){ptr, text.len};
}

rt_str
rt_arena_printf(rt_arena *arena, const char *fmt, ...)
{
    char guess[PRINTF_GUESS];
    va_list args;
    int len = 0;
    char *ptr = NULL;

    va_start(args, fmt);
    len = vsnprintf(guess, sizeof(guess), fmt, args);
    va_end(args);
    RT_ASSERT(len >= 0);
    if ((size_t)len < sizeof(guess)) {
        return rt_arena_str(arena, (rt_str){guess, (size_t)len});
    }
    ptr = take(arena, (size_t)len + 1);
    if (ptr == NULL) {
        return (rt_str){NULL, 0};
    }
    va_start(args, fmt);
    (void)vsnprintf(ptr, (size_t)len + 1, fmt, args);
    va_end(args);
    return (rt_str){ptr, (size_t)len};
}

void
rt_arena_reset(rt_arena *arena)
{
    block *keep = NULL;
    block *b = NULL;

    RT_CHECK(arena, ARENA_MAGIC);
    b = arena->newest;
    while (b != NULL) {
        block *older = b->older;
        bool is_better = b->cap <= KEEP_MAX && (keep == NULL || b->cap > keep->cap);

        if (is_better && keep != NULL) {
            free_block(keep);
        }
        if (is_better) {
            keep = b;
        } else {
            free_block(b);
        }
        b = older;
    }
    if (keep != NULL) {
        keep->older = NULL;
        keep->used = 0;
        POISON(keep->data, keep->cap);
    }
    arena->newest = keep;
    arena->used = 0;
}

size_t
rt_arena_used(const rt_arena *arena)
{
    RT_CHECK(arena, ARENA_MAGIC);
    return arena->used;
}
