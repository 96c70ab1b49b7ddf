#include "runtime/base/alloc.h"

#include "tests/harness/check.h"

static void
test_alloc_is_zeroed_and_never_null(void **state)
{
    uint8_t *p = rt_alloc(1000);
    void *none = rt_alloc(0);

    (void)state;
    for (size_t i = 0; i < 1000; i++) {
        CHECK_INT(p[i], 0);
    }
    CHECK_TRUE(none != NULL);
    rt_free(p);
    rt_free(none);
    rt_free(NULL);
}

static void
test_realloc_keeps_contents(void **state)
{
    uint8_t *p = rt_realloc(NULL, 4);

    (void)state;
    memcpy(p, "abcd", 4);
    p = rt_realloc(p, 100000);
    CHECK_INT(memcmp(p, "abcd", 4), 0);
    p = rt_realloc(p, 2);
    CHECK_INT(memcmp(p, "ab", 2), 0);
    rt_free(p);
}

static void
test_alloc_aligned_suits_vectors(void **state)
{
    (void)state;
    for (size_t size = 0; size < 300; size += 7) {
        uint8_t *p = rt_alloc_aligned(size);

        CHECK_INT((uintptr_t)p % 64, 0);
        for (size_t i = 0; i < size; i++) {
            CHECK_INT(p[i], 0);
        }
        rt_free(p);
    }
}

static void
test_fail_after_fails_that_attempt_alone(void **state)
{
    (void)state;
    rt_alloc_fail_after(3);
    for (int i = 1; i <= 6; i++) {
        void *p = rt_try_alloc(16);

        CHECK_INT(p == NULL, i == 3);
        rt_free(p);
    }
    rt_alloc_fail_after(1);
    rt_alloc_fail_after(0);
    for (int i = 0; i < 3; i++) {
        void *p = rt_try_alloc(16);

        CHECK_TRUE(p != NULL);
        rt_free(p);
    }
}

static void
test_fail_from_fails_all_that_follow_and_counts(void **state)
{
    uint64_t before = rt_alloc_refused();

    (void)state;
    rt_alloc_fail_from(3);
    for (int i = 1; i <= 6; i++) {
        void *p = rt_try_alloc(16);

        CHECK_INT(p == NULL, i >= 3);
        rt_free(p);
    }
    CHECK_INT(rt_alloc_tries(), 6);
    rt_alloc_fail_after(0);
    CHECK_INT(rt_alloc_refused(), before + 4);
    rt_alloc_forgive(before);
    CHECK_INT(rt_alloc_refused(), before);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_alloc_is_zeroed_and_never_null),
        cmocka_unit_test(test_realloc_keeps_contents),
        cmocka_unit_test(test_alloc_aligned_suits_vectors),
        cmocka_unit_test(test_fail_after_fails_that_attempt_alone),
        cmocka_unit_test(test_fail_from_fails_all_that_follow_and_counts),
    };

    return CHECK_RUN(tests);
}
