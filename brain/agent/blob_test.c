#include "brain/agent/blob.h"

#include "runtime/base/alloc.h"
#include "tests/harness/check.h"

#define BLOB_MAX 200000

typedef struct fixture {
    rt_store *store;
    rt_table *table;
    rt_arena *arena;
    uint8_t *bytes;
} fixture;

static int
setup(void **state)
{
    fixture *f = rt_new(fixture);

    f->store = rt_store_open_memory();
    CHECK_OK(rt_store_table(f->store, 1, "blobs", &f->table));
    f->arena = rt_arena_new(8 * BLOB_MAX);
    f->bytes = rt_alloc(BLOB_MAX);
    for (size_t i = 0; i < BLOB_MAX; i++) {
        f->bytes[i] = (uint8_t)(i * 7 + i / 251);
    }
    *state = f;
    return 0;
}

static int
teardown(void **state)
{
    fixture *f = *state;

    rt_store_close(f->store);
    rt_arena_free(f->arena);
    rt_free(f->bytes);
    rt_free(f);
    return 0;
}

static void
test_blob_of_any_length_comes_back(void **state)
{
    fixture *f = *state;
    const size_t sizes[] = {0, 1, 32767, 32768, 32769, 65536, 65537, BLOB_MAX};

    for (size_t i = 0; i < RT_COUNT(sizes); i++) {
        rt_bytes want = {f->bytes, sizes[i]};
        rt_bytes got = {NULL, 1};

        br_blob_put(f->table, i, want);
        CHECK_OK(br_blob_get(f->table, i, f->arena, &got));
        CHECK_BYTES(got, want);
        rt_arena_reset(f->arena);
    }
}

static void
test_blob_replaced_by_shorter_leaves_no_tail(void **state)
{
    fixture *f = *state;
    rt_bytes got = {NULL, 0};

    br_blob_put(f->table, 3, (rt_bytes){f->bytes, BLOB_MAX});
    br_blob_put(f->table, 3, (rt_bytes){f->bytes, 10});
    CHECK_OK(br_blob_get(f->table, 3, f->arena, &got));
    CHECK_INT(got.len, 10);
    CHECK_INT(rt_table_count(f->table), 1);
    CHECK_TRUE(br_blob_del(f->table, 3));
    CHECK_FALSE(br_blob_del(f->table, 3));
    CHECK_INT(rt_table_count(f->table), 0);
    CHECK_ERR(br_blob_get(f->table, 3, f->arena, &got), RT_ENOTFOUND);
}

static void
test_blob_with_missing_row_is_corrupt(void **state)
{
    fixture *f = *state;
    rt_key key = rt_key_number(RT_TENANT_SYSTEM, 5);
    rt_bytes got = {NULL, 0};

    br_blob_put(f->table, 5, (rt_bytes){f->bytes, BLOB_MAX});
    rt_key_u64(&key, 2);
    CHECK_TRUE(rt_table_del(f->table, rt_key_bytes(&key)));
    CHECK_ERR(br_blob_get(f->table, 5, f->arena, &got), RT_ECORRUPT);
}

static void
test_blob_larger_than_arena_is_enomem(void **state)
{
    fixture *f = *state;
    rt_arena *small = rt_arena_new(1000);
    rt_bytes got = {NULL, 0};

    br_blob_put(f->table, 1, (rt_bytes){f->bytes, 1001 + 16});
    CHECK_ERR(br_blob_get(f->table, 1, small, &got), RT_ENOMEM);
    rt_arena_free(small);
}

static void
test_blob_walk_gives_each_number_once(void **state)
{
    fixture *f = *state;
    size_t cursor = 0;
    uint64_t number = 0;
    uint64_t sum = 0;
    int count = 0;

    br_blob_put(f->table, 1, (rt_bytes){f->bytes, BLOB_MAX});
    br_blob_put(f->table, UINT64_C(1) << 40, (rt_bytes){f->bytes, 40000});
    br_blob_put(f->table, 7, (rt_bytes){f->bytes, 0});
    while (br_blob_next(f->table, &cursor, &number)) {
        sum += number;
        count++;
    }
    CHECK_INT(count, 3);
    CHECK_U64(sum, (UINT64_C(1) << 40) + 8);
}

#define BLOB_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        BLOB_TEST(test_blob_of_any_length_comes_back),
        BLOB_TEST(test_blob_replaced_by_shorter_leaves_no_tail),
        BLOB_TEST(test_blob_with_missing_row_is_corrupt),
        BLOB_TEST(test_blob_larger_than_arena_is_enomem),
        BLOB_TEST(test_blob_walk_gives_each_number_once),
    };

    return CHECK_RUN(tests);
}
