#include "brain/decide/dead.h"

#include <stdio.h>

#include "tests/harness/check.h"

static rt_store *store;
static br_dead *dead;
static br_dead_letter letter;

static int
setup(void **state)
{
    (void)state;
    store = rt_store_open_memory();
    CHECK_OK(br_dead_new(store, &dead));
    return 0;
}

static int
teardown(void **state)
{
    (void)state;
    br_dead_free(dead);
    rt_store_close(store);
    return 0;
}

static void
add(uint64_t seq, const char *ref)
{
    static const uint8_t intent[] = {1, 2, 3};

    br_dead_add(dead, &(br_dead_letter){.tenant = {2},
                                        .seq = seq,
                                        .at_ms = 77,
                                        .attempts = 3,
                                        .owner = RT_STR("outbox"),
                                        .ref = rt_str_of(ref),
                                        .cause = RT_STR("HTTP 500"),
                                        .intent = {intent, sizeof(intent)}});
}

static void
test_dead_letter_comes_back_whole(void **state)
{
    (void)state;
    add(9, "x-1");

    CHECK_TRUE(br_dead_get(dead, RT_STR("x-1"), &letter));
    CHECK_INT(letter.tenant.v, 2);
    CHECK_U64(letter.seq, 9);
    CHECK_INT(letter.at_ms, 77);
    CHECK_U64(letter.attempts, 3);
    CHECK_STR(letter.owner, "outbox");
    CHECK_STR(letter.ref, "x-1");
    CHECK_STR(letter.cause, "HTTP 500");
    CHECK_INT(letter.intent.len, 3);
    CHECK_INT(letter.intent.ptr[2], 3);
}

static void
test_dead_letter_is_removed_once(void **state)
{
    (void)state;
    add(9, "x-1");

    CHECK_TRUE(br_dead_remove(dead, RT_STR("x-1")));
    CHECK_FALSE(br_dead_remove(dead, RT_STR("x-1")));
    CHECK_FALSE(br_dead_get(dead, RT_STR("x-1"), &letter));
    CHECK_INT(br_dead_count(dead), 0);
}

static void
test_dead_letter_of_the_same_reference_is_replaced(void **state)
{
    (void)state;
    add(9, "x-1");
    add(12, "x-1");

    CHECK_INT(br_dead_count(dead), 1);
    CHECK_TRUE(br_dead_get(dead, RT_STR("x-1"), &letter));
    CHECK_U64(letter.seq, 12);
}

static void
test_dead_letters_over_the_bound_drop_the_oldest(void **state)
{
    size_t cursor = 0;

    (void)state;
    for (uint64_t i = 0; i < BR_DEAD_MAX + 3; i++) {
        char ref[32];

        (void)snprintf(ref, sizeof(ref), "x-%llu", (unsigned long long)i);
        add(i == 2 ? 999999 : i + 1, ref); // the third is the newest by its record
    }

    CHECK_INT(br_dead_count(dead), BR_DEAD_MAX);
    CHECK_U64(br_dead_dropped(dead), 3);
    CHECK_FALSE(br_dead_get(dead, RT_STR("x-0"), &letter));
    CHECK_FALSE(br_dead_get(dead, RT_STR("x-3"), &letter));
    CHECK_TRUE(br_dead_get(dead, RT_STR("x-2"), &letter));
    CHECK_TRUE(br_dead_next(dead, &cursor, &letter));
    CHECK_STR(letter.ref, "x-2");
}

static void
test_dead_letter_replaced_at_the_bound_drops_no_other(void **state)
{
    (void)state;
    for (uint64_t i = 0; i < BR_DEAD_MAX; i++) {
        char ref[32];

        (void)snprintf(ref, sizeof(ref), "x-%llu", (unsigned long long)i);
        add(i + 1, ref);
    }
    add(BR_DEAD_MAX + 1, "x-500");

    CHECK_U64(br_dead_dropped(dead), 0);
    CHECK_TRUE(br_dead_get(dead, RT_STR("x-0"), &letter));
    CHECK_INT(br_dead_count(dead), BR_DEAD_MAX);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_dead_letter_comes_back_whole),
        TEST(test_dead_letter_is_removed_once),
        TEST(test_dead_letter_of_the_same_reference_is_replaced),
        TEST(test_dead_letters_over_the_bound_drop_the_oldest),
        TEST(test_dead_letter_replaced_at_the_bound_drops_no_other),
    };

    return CHECK_RUN(tests);
}
