#include "runtime/base/arena.h"

#include <stdio.h>

#include "runtime/base/alloc.h"
#include "tests/harness/check.h"

static void
test_arena_alloc_is_zeroed_and_aligned(void **state)
{
    rt_arena *arena = rt_arena_new(100000);

    (void)state;
    for (size_t size = 0; size < 200; size++) {
        uint8_t *p = rt_arena_alloc(arena, size);

        CHECK_TRUE(p != NULL);
        CHECK_INT((uintptr_t)p % 16, 0);
        for (size_t i = 0; i < size; i++) {
            CHECK_INT(p[i], 0);
            p[i] = 0xee;
        }
    }
    rt_arena_free(arena);
}

static void
test_arena_limit_counts_bytes_not_blocks(void **state)
{
    rt_arena *arena = rt_arena_new(10000);

    (void)state;
    // The first block cannot hold the second piece, yet the whole limit is there.
    CHECK_TRUE(rt_arena_alloc(arena, 2000) != NULL);
    CHECK_TRUE(rt_arena_alloc(arena, 8000) != NULL);
    CHECK_TRUE(rt_arena_alloc(arena, 1) == NULL);
    CHECK_INT(rt_arena_used(arena), 10000);
    rt_arena_free(arena);
}

static void
test_arena_limit_admits_one_piece_of_its_size(void **state)
{
    rt_arena *arena = rt_arena_new(1001);

    (void)state;
    CHECK_TRUE(rt_arena_alloc(arena, 1001) != NULL);
    CHECK_TRUE(rt_arena_alloc(arena, 16) == NULL);
    rt_arena_free(arena);
}

static void
test_arena_refuses_sizes_that_would_wrap(void **state)
{
    rt_arena *arena = rt_arena_new(SIZE_MAX);

    (void)state;
    CHECK_TRUE(rt_arena_alloc(arena, SIZE_MAX) == NULL);
    CHECK_TRUE(rt_arena_alloc(arena, SIZE_MAX - 15) == NULL);
    CHECK_INT(rt_arena_used(arena), 0);
    rt_arena_free(arena);
}

static void
test_arena_keeps_what_it_copied_across_blocks(void **state)
{
    rt_arena *arena = rt_arena_new(1 << 20);
    rt_str kept[500];

    (void)state;
    for (int i = 0; i < 500; i++) {
        kept[i] = rt_arena_printf(arena, "piece %d %*d", i, i, i);
    }
    for (int i = 0; i < 500; i++) {
        char want[600];

        (void)snprintf(want, sizeof(want), "piece %d %*d", i, i, i);
        CHECK_STR(kept[i], want);
        CHECK_INT(kept[i].ptr[kept[i].len], 0);
    }
    rt_arena_free(arena);
}

static void
test_arena_copy_of_nothing_is_not_failure(void **state)
{
    rt_arena *arena = rt_arena_new(64);
    rt_bytes empty = rt_arena_copy(arena, (rt_bytes){NULL, 0});
    rt_str text = rt_arena_str(arena, (rt_str){NULL, 0});

    (void)state;
    CHECK_TRUE(empty.ptr != NULL);
    CHECK_INT(empty.len, 0);
    CHECK_TRUE(text.ptr != NULL);
    CHECK_CSTR(text.ptr, "");
    rt_arena_free(arena);
}

static void
test_arena_at_limit_copies_give_null(void **state)
{
    rt_arena *arena = rt_arena_new(64);
    const rt_str big = RT_STR("0123456789012345678901234567890123456789012345678901234567890123");

    (void)state;
    CHECK_TRUE(rt_arena_str(arena, big).ptr == NULL); // 64 and the NUL
    CHECK_TRUE(rt_arena_printf(arena, "%s", big.ptr).ptr == NULL);
    CHECK_TRUE(rt_arena_printf(arena, "%500d", 1).ptr == NULL);
    CHECK_BYTES(rt_arena_copy(arena, rt_bytes_of_str(big)), rt_bytes_of_str(big));
    CHECK_TRUE(rt_arena_copy(arena, rt_bytes_of_str(RT_STR("x"))).ptr == NULL);
    rt_arena_free(arena);
}

static void
test_arena_warm_reset_allocates_nothing(void **state)
{
    rt_arena *arena = rt_arena_new(1 << 20);

    (void)state;
    for (int turn = 0; turn < 3; turn++) {
        for (int i = 0; i < 20; i++) {
            CHECK_TRUE(rt_arena_alloc(arena, 1000) != NULL);
        }
        rt_arena_reset(arena);
        CHECK_INT(rt_arena_used(arena), 0);
    }

    // Were a block wanted now, it would fail.
    rt_alloc_fail_after(1);
    for (int i = 0; i < 15; i++) {
        CHECK_TRUE(rt_arena_alloc(arena, 1000) != NULL);
    }
    rt_alloc_fail_after(0);
    rt_arena_free(arena);
}

static void
test_arena_after_reset_is_zeroed_again(void **state)
{
    rt_arena *arena = rt_arena_new(4096);
    uint8_t *p = rt_arena_alloc(arena, 100);

    (void)state;
    memset(p, 0xff, 100);
    rt_arena_reset(arena);
    p = rt_arena_alloc(arena, 100);

    for (size_t i = 0; i < 100; i++) {
        CHECK_INT(p[i], 0);
    }
    rt_arena_free(arena);
}

static void
test_arena_without_memory_gives_null_and_lives_on(void **state)
{
    rt_arena *arena = rt_arena_new(1 << 20);

    (void)state;
    rt_alloc_fail_after(1);
    CHECK_TRUE(rt_arena_alloc(arena, 10) == NULL);
    CHECK_INT(rt_arena_used(arena), 0);
    CHECK_TRUE(rt_arena_alloc(arena, 10) != NULL);
    rt_alloc_fail_after(2);
    CHECK_TRUE(rt_arena_alloc(arena, 50000) != NULL);
    CHECK_TRUE(rt_arena_alloc(arena, 500000) == NULL);
    CHECK_TRUE(rt_arena_alloc(arena, 500000) != NULL);
    rt_arena_free(arena);
}

static void
test_arena_reset_does_not_pin_a_monstrous_block(void **state)
{
    rt_arena *arena = rt_arena_new(8 << 20);

    (void)state;
    CHECK_TRUE(rt_arena_alloc(arena, 4 << 20) != NULL);
    rt_arena_reset(arena);

    rt_alloc_fail_after(1);
    CHECK_TRUE(rt_arena_alloc(arena, 1) == NULL);
    rt_arena_free(arena);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_arena_alloc_is_zeroed_and_aligned),
        cmocka_unit_test(test_arena_limit_counts_bytes_not_blocks),
        cmocka_unit_test(test_arena_limit_admits_one_piece_of_its_size),
        cmocka_unit_test(test_arena_refuses_sizes_that_would_wrap),
        cmocka_unit_test(test_arena_keeps_what_it_copied_across_blocks),
        cmocka_unit_test(test_arena_copy_of_nothing_is_not_failure),
        cmocka_unit_test(test_arena_at_limit_copies_give_null),
        cmocka_unit_test(test_arena_warm_reset_allocates_nothing),
        cmocka_unit_test(test_arena_after_reset_is_zeroed_again),
        cmocka_unit_test(test_arena_without_memory_gives_null_and_lives_on),
        cmocka_unit_test(test_arena_reset_does_not_pin_a_monstrous_block),
    };

    return CHECK_RUN(tests);
}
