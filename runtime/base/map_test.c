#include "runtime/base/map.h"

#include <stdio.h>

#include "runtime/base/rng.h"
#include "tests/harness/check.h"

static rt_bytes
key_of(const char *text)
{
    return rt_bytes_of_str(rt_str_of(text));
}

static void
test_map_empty_finds_nothing(void **state)
{
    rt_map *map = rt_map_new();
    rt_bytes key = {0};
    uint64_t value = 7;
    size_t cursor = 0;

    (void)state;
    CHECK_FALSE(rt_map_get(map, key_of("a"), &value));
    CHECK_FALSE(rt_map_del(map, key_of("a")));
    CHECK_FALSE(rt_map_next(map, &cursor, &key, &value));
    CHECK_U64(value, 7);
    CHECK_INT(rt_map_count(map), 0);
    rt_map_free(map);
    rt_map_free(NULL);
}

static void
test_map_put_tells_new_from_known(void **state)
{
    rt_map *map = rt_map_new();
    uint64_t value = 0;

    (void)state;
    CHECK_TRUE(rt_map_put(map, key_of("a"), 1));
    CHECK_FALSE(rt_map_put(map, key_of("a"), 2));
    CHECK_TRUE(rt_map_get(map, key_of("a"), &value));
    CHECK_U64(value, 2);
    CHECK_INT(rt_map_count(map), 1);
    rt_map_free(map);
}

static void
test_map_copies_its_keys(void **state)
{
    rt_map *map = rt_map_new();
    char key[] = "first";
    uint64_t value = 0;

    (void)state;
    (void)rt_map_put(map, key_of(key), 5);
    memset(key, 'x', 5);

    CHECK_TRUE(rt_map_get(map, key_of("first"), &value));
    CHECK_FALSE(rt_map_get(map, key_of("xxxxx"), &value));
    rt_map_free(map);
}

static void
test_map_empty_and_binary_keys_differ(void **state)
{
    rt_map *map = rt_map_new();
    const uint8_t zeros[2] = {0, 0};
    uint64_t value = 0;

    (void)state;
    CHECK_TRUE(rt_map_put(map, (rt_bytes){NULL, 0}, 10));
    CHECK_TRUE(rt_map_put(map, (rt_bytes){zeros, 1}, 11));
    CHECK_TRUE(rt_map_put(map, (rt_bytes){zeros, 2}, 12));
    CHECK_TRUE(rt_map_get(map, (rt_bytes){zeros, 0}, &value));
    CHECK_U64(value, 10);
    CHECK_TRUE(rt_map_get(map, (rt_bytes){zeros, 1}, &value));
    CHECK_U64(value, 11);
    rt_map_free(map);
}

// Checks that a walk gives k0, k<step>, k<2*step>, ... below `end` with their numbers.
static void
check_walk(const rt_map *map, int start, int step, int end)
{
    size_t cursor = 0;
    rt_bytes key = {0};
    uint64_t value = 0;
    int want = start;

    while (rt_map_next(map, &cursor, &key, &value)) {
        char text[16];

        (void)snprintf(text, sizeof(text), "k%d", want);
        CHECK_STR(rt_str_of_bytes(key), text);
        CHECK_U64(value, (uint64_t)want);
        want += step;
    }
    CHECK_TRUE(want >= end && want < end + step);
}

static void
put_numbers(rt_map *map, int from, int to)
{
    for (int i = from; i < to; i++) {
        char text[16];

        (void)snprintf(text, sizeof(text), "k%d", i);
        CHECK_TRUE(rt_map_put(map, key_of(text), (uint64_t)i));
    }
}

static void
test_map_walks_in_insertion_order_through_growth(void **state)
{
    rt_map *map = rt_map_new();

    (void)state;
    put_numbers(map, 0, 5000);

    check_walk(map, 0, 1, 5000);
    CHECK_INT(rt_map_count(map), 5000);
    rt_map_free(map);
}

static void
test_map_removal_during_a_walk_visits_all_once(void **state)
{
    rt_map *map = rt_map_new();
    size_t cursor = 0;
    rt_bytes key = {0};
    uint64_t value = 0;
    int seen = 0;

    (void)state;
    put_numbers(map, 0, 1000);

    while (rt_map_next(map, &cursor, &key, &value)) {
        CHECK_U64(value, (uint64_t)seen);
        seen++;
        if (value % 2 == 1) {
            CHECK_TRUE(rt_map_del(map, key));
        }
    }

    CHECK_INT(seen, 1000);
    CHECK_INT(rt_map_count(map), 500);
    check_walk(map, 0, 2, 1000);
    // The order outlives the rebuilding that further keys bring.
    for (int i = 1000; i < 6000; i += 2) {
        put_numbers(map, i, i + 1);
    }
    check_walk(map, 0, 2, 6000);
    rt_map_free(map);
}

static void
test_map_key_put_again_after_removal_goes_last(void **state)
{
    rt_map *map = rt_map_new();
    size_t cursor = 0;
    rt_bytes key = {0};
    uint64_t value = 0;

    (void)state;
    (void)rt_map_put(map, key_of("a"), 1);
    (void)rt_map_put(map, key_of("b"), 2);
    CHECK_TRUE(rt_map_del(map, key_of("a")));
    CHECK_FALSE(rt_map_del(map, key_of("a")));
    CHECK_TRUE(rt_map_put(map, key_of("a"), 3));

    CHECK_TRUE(rt_map_next(map, &cursor, &key, &value));
    CHECK_U64(value, 2);
    CHECK_TRUE(rt_map_next(map, &cursor, &key, &value));
    CHECK_U64(value, 3);
    CHECK_FALSE(rt_map_next(map, &cursor, &key, &value));
    rt_map_free(map);
}

static void
test_map_churn_keeps_order_and_content(void **state)
{
    rt_map *map = rt_map_new();
    char text[16];

    (void)state;
    // A sliding window: 20,000 keys pass through a map of 100.
    put_numbers(map, 0, 100);
    for (int i = 100; i < 20000; i++) {
        (void)snprintf(text, sizeof(text), "k%d", i - 100);
        CHECK_TRUE(rt_map_del(map, key_of(text)));
        put_numbers(map, i, i + 1);
    }

    CHECK_INT(rt_map_count(map), 100);
    check_walk(map, 19900, 1, 20000);
    rt_map_free(map);
}

static void
test_map_agrees_with_a_plain_array(void **state)
{
    enum { KEYS = 300 };
    rt_map *map = rt_map_new();
    uint64_t model[KEYS] = {0}; // 0 = absent
    size_t count = 0;
    rt_rng rng;

    (void)state;
    rt_rng_seed(&rng, 42, 1);
    for (uint64_t step = 1; step <= 50000; step++) {
        uint64_t number = rt_rng_below(&rng, KEYS);
        rt_bytes key = {(const uint8_t *)&number, sizeof(number)};
        uint64_t got = 0;

        if (rt_rng_chance(&rng, 0.5)) {
            CHECK_INT(rt_map_put(map, key, step), model[number] == 0);
            count += model[number] == 0 ? 1 : 0;
            model[number] = step;
        } else {
            CHECK_INT(rt_map_del(map, key), model[number] != 0);
            count -= model[number] != 0 ? 1 : 0;
            model[number] = 0;
        }
        number = rt_rng_below(&rng, KEYS);
        CHECK_INT(rt_map_get(map, key, &got), model[number] != 0);
        CHECK_U64(got, model[number]);
        CHECK_INT(rt_map_count(map), count);
    }
    rt_map_free(map);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_map_empty_finds_nothing),
        cmocka_unit_test(test_map_put_tells_new_from_known),
        cmocka_unit_test(test_map_copies_its_keys),
        cmocka_unit_test(test_map_empty_and_binary_keys_differ),
        cmocka_unit_test(test_map_walks_in_insertion_order_through_growth),
        cmocka_unit_test(test_map_removal_during_a_walk_visits_all_once),
        cmocka_unit_test(test_map_key_put_again_after_removal_goes_last),
        cmocka_unit_test(test_map_churn_keeps_order_and_content),
        cmocka_unit_test(test_map_agrees_with_a_plain_array),
    };

    return CHECK_RUN(tests);
}
