#include "brain/memory/similar.h"

#include "tests/harness/check.h"

#define TENANT ((rt_tenant){1})

static rt_store *store;
static br_similar *similar;
static uint64_t count;
static double reward;

static int
setup(void **state)
{
    (void)state;
    store = rt_store_open_memory();
    CHECK_OK(br_similar_new(store, &similar));
    return 0;
}

static int
teardown(void **state)
{
    (void)state;
    br_similar_free(similar);
    rt_store_close(store);
    return 0;
}

static bool
recall(const char *type, const char *action, int64_t now_ms)
{
    return br_similar_recall(similar, TENANT, rt_str_of(type), rt_str_of(action), now_ms, &count,
                             &reward);
}

static void
test_similar_never_acted_is_not_recalled(void **state)
{
    (void)state;
    br_similar_acted(similar, TENANT, RT_STR("late"), RT_STR("call"));

    CHECK_FALSE(recall("late", "mail", 0));
    CHECK_FALSE(recall("lost", "call", 0));
    CHECK_FALSE(br_similar_recall(similar, (rt_tenant){2}, RT_STR("late"), RT_STR("call"), 0,
                                  &count, &reward));
}

static void
test_similar_actions_are_counted_by_situation(void **state)
{
    (void)state;
    br_similar_acted(similar, TENANT, RT_STR("late"), RT_STR("call"));
    br_similar_acted(similar, TENANT, RT_STR("late"), RT_STR("call"));
    br_similar_acted(similar, TENANT, RT_STR("late"), RT_STR("mail"));

    CHECK_TRUE(recall("late", "call", 0));
    CHECK_U64(count, 2);
    CHECK_NEAR(reward, 0, 0);
}

static void
test_similar_rewards_are_averaged_and_drawn_to_zero(void **state)
{
    (void)state;
    br_similar_acted(similar, TENANT, RT_STR("late"), RT_STR("call"));
    br_similar_rewarded(similar, TENANT, RT_STR("late"), RT_STR("call"), 1, 1000);
    CHECK_TRUE(recall("late", "call", 1000));
    CHECK_NEAR(reward, 0.5, 1e-12);
    br_similar_rewarded(similar, TENANT, RT_STR("late"), RT_STR("call"), 1, 1000);

    CHECK_TRUE(recall("late", "call", 1000));
    CHECK_NEAR(reward, 2.0 / 3, 1e-12);
    CHECK_U64(count, 1);
}

static void
test_similar_old_rewards_weigh_half_after_a_half_life(void **state)
{
    int64_t later = 1000 + BR_SIMILAR_HALF_LIFE_MS;

    (void)state;
    br_similar_rewarded(similar, TENANT, RT_STR("late"), RT_STR("call"), 1, 1000);
    br_similar_rewarded(similar, TENANT, RT_STR("late"), RT_STR("call"), -1, later);

    CHECK_TRUE(recall("late", "call", later));
    CHECK_NEAR(reward, (0.5 - 1) / (0.5 + 1 + 1), 1e-12);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_similar_never_acted_is_not_recalled),
        TEST(test_similar_actions_are_counted_by_situation),
        TEST(test_similar_rewards_are_averaged_and_drawn_to_zero),
        TEST(test_similar_old_rewards_weigh_half_after_a_half_life),
    };

    return CHECK_RUN(tests);
}
