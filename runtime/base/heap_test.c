#include "runtime/base/heap.h"

#include "runtime/base/rng.h"
#include "tests/harness/check.h"

static void
test_heap_empty_has_nothing_to_peek(void **state)
{
    rt_heap heap;

    (void)state;
    rt_heap_init(&heap);
    CHECK_TRUE(rt_heap_peek(&heap) == NULL);
    rt_heap_fini(&heap);
}

static void
test_heap_pops_smallest_key_first(void **state)
{
    static const int64_t keys[] = {5, -3, INT64_MAX, 0, INT64_MIN, 5, 2};
    static const int64_t want[] = {INT64_MIN, -3, 0, 2, 5, 5, INT64_MAX};
    rt_heap heap;

    (void)state;
    rt_heap_init(&heap);
    for (size_t i = 0; i < RT_COUNT(keys); i++) {
        rt_heap_push(&heap, (rt_heap_item){.key = keys[i], .tie = i, .value = i * 10});
    }
    for (size_t i = 0; i < RT_COUNT(want); i++) {
        rt_heap_item top = *rt_heap_peek(&heap);
        rt_heap_item item = rt_heap_pop(&heap);

        CHECK_INT(item.key, want[i]);
        CHECK_INT(top.key, want[i]);
        CHECK_INT(item.key, keys[item.tie]);
        CHECK_U64(item.value, item.tie * 10);
    }
    CHECK_INT(heap.count, 0);
    rt_heap_fini(&heap);
}

static void
test_heap_equal_keys_leave_in_order_of_tie(void **state)
{
    rt_heap heap;

    (void)state;
    rt_heap_init(&heap);
    for (uint64_t i = 0; i < 1000; i++) {
        // 7919 is prime, so every tie below 1000 comes once, in scattered order.
        rt_heap_push(&heap, (rt_heap_item){.key = 9, .tie = i * 7919 % 1000, .value = i});
    }
    for (uint64_t i = 0; i < 1000; i++) {
        CHECK_U64(rt_heap_pop(&heap).tie, i);
    }
    rt_heap_fini(&heap);
}

static void
test_heap_mixed_pushes_and_pops_stay_sorted(void **state)
{
    rt_heap heap;
    rt_rng rng;
    int64_t now = 0;
    uint64_t pushed = 0;
    uint64_t popped = 0;

    (void)state;
    rt_heap_init(&heap);
    rt_rng_seed(&rng, 7, 0);
    // As timers do it: due times never lie before the last one that fell due.
    while (pushed < 20000) {
        if (heap.count == 0 || rt_rng_chance(&rng, 0.6)) {
            int64_t due = now + (int64_t)rt_rng_below(&rng, 50);

            rt_heap_push(&heap, (rt_heap_item){.key = due, .tie = pushed++, .value = 0});
        } else {
            rt_heap_item item = rt_heap_pop(&heap);

            CHECK_TRUE(item.key >= now);
            now = item.key;
            popped++;
        }
    }
    CHECK_U64(heap.count, pushed - popped);
    for (rt_heap_item last = rt_heap_pop(&heap); heap.count > 0;) {
        rt_heap_item item = rt_heap_pop(&heap);

        CHECK_TRUE(last.key < item.key || (last.key == item.key && last.tie < item.tie));
        last = item;
    }
    rt_heap_fini(&heap);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_heap_empty_has_nothing_to_peek),
        cmocka_unit_test(test_heap_pops_smallest_key_first),
        cmocka_unit_test(test_heap_equal_keys_leave_in_order_of_tie),
        cmocka_unit_test(test_heap_mixed_pushes_and_pops_stay_sorted),
    };

    return CHECK_RUN(tests);
}
