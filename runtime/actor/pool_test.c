#include "runtime/actor/pool.h"

#include "runtime/base/alloc.h"
#include "tests/harness/check.h"

#define BLOCKS 3000

static void
test_pool_blocks_are_apart_and_used_again(void **state)
{
    rt__quota quota = {.max_bytes = 1u << 20};
    rt__pool pool;
    uint64_t *blocks[BLOCKS];

    (void)state;
    rt__pool_init(&pool, 72);
    for (uint64_t i = 0; i < BLOCKS; i++) {
        blocks[i] = rt__pool_get(&pool, &quota);
        CHECK_TRUE(blocks[i] != NULL);
        CHECK_INT((uintptr_t)blocks[i] % 8, 0);
        for (int w = 0; w < 9; w++) {
            blocks[i][w] = i;
        }
    }
    for (uint64_t i = 0; i < BLOCKS; i++) {
        for (int w = 0; w < 9; w++) {
            CHECK_U64(blocks[i][w], i); // nobody wrote into another one's
        }
    }
    for (int i = 0; i < BLOCKS; i++) {
        rt__pool_put(&pool, blocks[i]);
    }
    CHECK_TRUE(rt__pool_get(&pool, &quota) == blocks[BLOCKS - 1]);
    CHECK_INT(quota.used_bytes, 4 * RT__POOL_SLAB_BYTES);
    rt__pool_fini(&pool, &quota);
    CHECK_INT(quota.used_bytes, 0);
}

static void
test_pool_keeps_to_the_quota_and_survives_missing_memory(void **state)
{
    rt__quota quota = {.max_bytes = RT__POOL_SLAB_BYTES + 100};
    rt__pool pool;
    int count = 0;

    (void)state;
    rt__pool_init(&pool, 4096);
    rt_alloc_fail_after(1);
    CHECK_TRUE(rt__pool_get(&pool, &quota) == NULL);
    rt_alloc_fail_after(0);
    CHECK_INT(quota.used_bytes, 0);
    while (rt__pool_get(&pool, &quota) != NULL) {
        count++;
    }
    CHECK_INT(count, 15);
    CHECK_TRUE(rt__quota_alloc(&quota, 101) == NULL);
    rt__quota_free(&quota, rt__quota_alloc(&quota, 100), 100);
    rt__quota_free(&quota, NULL, 100);
    CHECK_INT(quota.used_bytes, RT__POOL_SLAB_BYTES);
    rt__pool_fini(&pool, &quota);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pool_blocks_are_apart_and_used_again),
        cmocka_unit_test(test_pool_keeps_to_the_quota_and_survives_missing_memory),
    };

    return CHECK_RUN(tests);
}
