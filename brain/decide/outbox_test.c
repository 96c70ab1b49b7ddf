#include "brain/decide/outbox.h"

#include <stdio.h>

#include "runtime/base/rng.h"
#include "tests/harness/store_kit.h"

#define TENANT ((rt_tenant){3})

static store_kit kit;
static br_outbox *outbox;
static br_intent got;

static int
setup(void **state)
{
    (void)state;
    store_kit_new(&kit);
    CHECK_OK(br_outbox_new(kit.store, &outbox));
    return 0;
}

static int
teardown(void **state)
{
    (void)state;
    br_outbox_free(outbox);
    store_kit_close(&kit);
    return 0;
}

static void
restart(void)
{
    br_outbox_free(outbox);
    store_kit_restart(&kit, 1);
    CHECK_OK(br_outbox_new(kit.store, &outbox));
}

static void
add(const char *id, const char *target, const char *group)
{
    static const uint8_t args[] = {0x81, 0xa1, 'a', 0x01};
    br_intent intent = {.tenant = TENANT,
                        .decision_seq = 42,
                        .at_ms = 1000,
                        .depth = 2,
                        .action_id = rt_str_of(id),
                        .action = RT_STR("move"),
                        .target = rt_str_of(target),
                        .args = {args, sizeof(args)}};

    br_outbox_add(outbox, &intent, rt_str_of(group));
}

static void
check_holder(const char *target, const char *group, const char *want)
{
    CHECK_STR(br_outbox_in_flight(outbox, TENANT, rt_str_of(target), rt_str_of(group)), want);
}

static void
test_outbox_intent_comes_back_whole_after_a_restart(void **state)
{
    (void)state;
    add("x-1", "order/1", "carrier");
    restart();

    CHECK_INT(br_outbox_count(outbox), 1);
    CHECK_TRUE(br_outbox_get(outbox, RT_STR("x-1"), &got));
    CHECK_INT(got.tenant.v, 3);
    CHECK_U64(got.decision_seq, 42);
    CHECK_INT(got.at_ms, 1000);
    CHECK_INT(got.depth, 2);
    CHECK_STR(got.action_id, "x-1");
    CHECK_STR(got.action, "move");
    CHECK_STR(got.target, "order/1");
    CHECK_INT(got.args.len, 4);
    check_holder("order/1", "carrier", "x-1");
    CHECK_FALSE(br_outbox_get(outbox, RT_STR("x-2"), &got));
}

static void
test_outbox_end_frees_target_and_group_once(void **state)
{
    (void)state;
    add("x-1", "order/1", "carrier");
    check_holder("order/1", "carrier", "x-1");
    check_holder("order/1", "contact", "");
    check_holder("order/2", "carrier", "");

    CHECK_TRUE(br_outbox_end(outbox, RT_STR("x-1")));
    CHECK_FALSE(br_outbox_end(outbox, RT_STR("x-1")));
    check_holder("order/1", "carrier", "");
    CHECK_INT(br_outbox_count(outbox), 0);
}

static void
test_outbox_end_of_an_earlier_action_keeps_the_later_ones_lease(void **state)
{
    (void)state;
    add("x-1", "order/1", "carrier");
    add("x-2", "order/1", "carrier");
    check_holder("order/1", "carrier", "x-2");
    CHECK_TRUE(br_outbox_end(outbox, RT_STR("x-1")));

    check_holder("order/1", "carrier", "x-2");
    CHECK_TRUE(br_outbox_end(outbox, RT_STR("x-2")));
    check_holder("order/1", "carrier", "");
}

static void
test_outbox_group_of_one_letter_is_a_group(void **state)
{
    (void)state;
    add("x-1", "order/1", "g");
    check_holder("order/1", "g", "x-1");
    CHECK_TRUE(br_outbox_end(outbox, RT_STR("x-1")));
    check_holder("order/1", "g", "");
}

static void
test_outbox_without_group_holds_nothing(void **state)
{
    (void)state;
    add("x-1", "order/1", "");

    check_holder("order/1", "", "");
    CHECK_TRUE(br_outbox_end(outbox, RT_STR("x-1")));
}

static void
test_outbox_raw_row_is_restored_with_its_lease(void **state)
{
    uint8_t copy[256];
    rt_bytes row;

    (void)state;
    add("x-1", "order/1", "carrier");
    CHECK_TRUE(br_outbox_raw(outbox, RT_STR("x-1"), &row));
    CHECK_TRUE(row.len <= sizeof(copy));
    memcpy(copy, row.ptr, row.len);
    CHECK_TRUE(br_outbox_end(outbox, RT_STR("x-1")));
    CHECK_FALSE(br_outbox_raw(outbox, RT_STR("x-1"), &row));
    br_outbox_restore(outbox, (rt_bytes){copy, row.len});

    CHECK_INT(br_outbox_count(outbox), 1);
    check_holder("order/1", "carrier", "x-1");
    CHECK_TRUE(br_outbox_get(outbox, RT_STR("x-1"), &got));
    CHECK_U64(got.decision_seq, 42);
}

static void
test_outbox_rival_of_a_row_is_who_took_its_place(void **state)
{
    uint8_t copy[256];
    rt_bytes row;

    (void)state;
    add("x-1", "order/1", "carrier");
    CHECK_TRUE(br_outbox_raw(outbox, RT_STR("x-1"), &row));
    memcpy(copy, row.ptr, row.len);
    row.ptr = copy;
    CHECK_TRUE(br_outbox_end(outbox, RT_STR("x-1")));
    CHECK_INT(br_outbox_rival(outbox, row).len, 0);

    add("x-2", "order/1", "carrier");
    CHECK_STR(br_outbox_rival(outbox, row), "x-2");
    CHECK_TRUE(br_outbox_end(outbox, RT_STR("x-2")));
    add("x-3", "order/2", "carrier");
    CHECK_INT(br_outbox_rival(outbox, row).len, 0);
}

static void
test_outbox_walk_is_in_order_of_adding_even_after_a_restart(void **state)
{
    static const char *const ids[] = {"x-9", "x-10", "x-2"};
    size_t cursor = 0;

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        add(ids[i], "order/1", "carrier");
    }
    restart();

    for (size_t i = 0; i < 3; i++) {
        CHECK_TRUE(br_outbox_next(outbox, &cursor, &got));
        CHECK_STR(got.action_id, ids[i]);
    }
    CHECK_FALSE(br_outbox_next(outbox, &cursor, &got));
}

static void
test_outbox_without_group_is_one_row_and_leaves_none(void **state)
{
    (void)state;
    uint64_t empty = rt_store_hash(kit.store);
    add("x-1", "order/1", "");
    CHECK_INT(rt_store_dirty(kit.store), 1);
    add("x-2", "order/1", "carrier");
    CHECK_INT(rt_store_dirty(kit.store), 3); // the intent and its lease

    CHECK_TRUE(br_outbox_end(outbox, RT_STR("x-1")));
    CHECK_TRUE(br_outbox_end(outbox, RT_STR("x-2")));
    CHECK_U64(rt_store_hash(kit.store), empty);
}

#define TARGETS 8
#define ACTIONS 40

static void
test_outbox_holders_agree_with_a_model(void **state)
{
    int target_of[ACTIONS] = {0}; // 1.. while in flight
    int holder[TARGETS + 1];
    size_t in_flight = 0;
    rt_rng rng;

    (void)state;
    memset(holder, -1, sizeof(holder));
    rt_rng_seed(&rng, 61, 1);
    for (int i = 0; i < 20000; i++) {
        int action = (int)rt_rng_below(&rng, ACTIONS);
        int target = 1 + (int)rt_rng_below(&rng, TARGETS);
        char id[16];
        char name[32];

        (void)snprintf(id, sizeof(id), "x-%d", action);
        (void)snprintf(name, sizeof(name), "order/%d", target);
        if (target_of[action] == 0) {
            add(id, name, "carrier");
            target_of[action] = target;
            holder[target] = action;
            in_flight++;
        } else {
            CHECK_TRUE(br_outbox_end(outbox, rt_str_of(id)));
            if (holder[target_of[action]] == action) {
                holder[target_of[action]] = -1;
            }
            target_of[action] = 0;
            in_flight--;
        }
        (void)snprintf(id, sizeof(id), "x-%d", holder[target]);
        check_holder(name, "carrier", holder[target] >= 0 ? id : "");
        CHECK_INT(br_outbox_count(outbox), in_flight);
        if (i % 2500 == 0) {
            restart();
        }
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_outbox_intent_comes_back_whole_after_a_restart),
        TEST(test_outbox_end_frees_target_and_group_once),
        TEST(test_outbox_end_of_an_earlier_action_keeps_the_later_ones_lease),
        TEST(test_outbox_group_of_one_letter_is_a_group),
        TEST(test_outbox_without_group_holds_nothing),
        TEST(test_outbox_raw_row_is_restored_with_its_lease),
        TEST(test_outbox_rival_of_a_row_is_who_took_its_place),
        TEST(test_outbox_walk_is_in_order_of_adding_even_after_a_restart),
        TEST(test_outbox_holders_agree_with_a_model),
        TEST(test_outbox_without_group_is_one_row_and_leaves_none),
    };

    return CHECK_RUN(tests);
}
