#include "brain/agent/unconfirmed.h"

#include "brain/agent/blob.h"
#include "runtime/base/alloc.h"
#include "runtime/base/log.h"
#include "tests/harness/check.h"

typedef struct fixture {
    rt_store *store;
    rt_table *table;
    rt_arena *arena;
    br_unconfirmed *kept;
} fixture;

static int
setup(void **state)
{
    fixture *f = rt_new(fixture);

    f->store = rt_store_open_memory();
    CHECK_OK(rt_store_table(f->store, 1, "kept", &f->table));
    CHECK_OK(br_unconfirmed_open(f->table, &f->kept));
    f->arena = rt_arena_new(1 << 26);
    *state = f;
    return 0;
}

static int
teardown(void **state)
{
    fixture *f = *state;

    br_unconfirmed_free(f->kept);
    rt_store_close(f->store);
    rt_arena_free(f->arena);
    rt_free(f);
    return 0;
}

static void
add(fixture *f, uint64_t seq, rt_str target)
{
    msg_proposal p = {.action = RT_STR("wait"), .target = target};
    msg_answer answer = {.seq = seq, .proposals = {&p, 1}};

    br_unconfirmed_add(f->kept, &answer);
}

// The seqs kept, as a number in base 10: 3, 5, 4 is 354.
static uint64_t
kept_seqs(fixture *f)
{
    rt_msg_list list = {NULL, 0};
    uint64_t digits = 0;

    rt_arena_reset(f->arena);
    CHECK_OK(br_unconfirmed_list(f->kept, f->arena, &list));
    CHECK_INT(list.count, br_unconfirmed_count(f->kept));
    for (uint32_t i = 0; i < list.count; i++) {
        digits = digits * 10 + ((const msg_answer *)list.items)[i].seq;
    }
    return digits;
}

static void
reopen(fixture *f)
{
    br_unconfirmed_free(f->kept);
    CHECK_OK(br_unconfirmed_open(f->table, &f->kept));
}

static void
test_unconfirmed_answers_are_kept_until_decided(void **state)
{
    fixture *f = *state;

    for (uint64_t seq = 1; seq <= 5; seq++) {
        add(f, seq, RT_STR("order/1"));
    }
    br_unconfirmed_confirm(f->kept, 2);
    CHECK_U64(kept_seqs(f), 345);
    br_unconfirmed_confirm(f->kept, 2);
    CHECK_U64(kept_seqs(f), 345);
    br_unconfirmed_confirm(f->kept, 9);
    CHECK_INT(br_unconfirmed_count(f->kept), 0);
}

static void
test_unconfirmed_only_saved_ones_come_back(void **state)
{
    fixture *f = *state;

    add(f, 1, RT_STR("order/1"));
    add(f, 2, RT_STR("order/2"));
    br_unconfirmed_save(f->kept);
    add(f, 3, RT_STR("order/3"));
    reopen(f);
    CHECK_U64(kept_seqs(f), 12);
    add(f, 4, RT_STR("order/4"));
    br_unconfirmed_confirm(f->kept, 1);
    br_unconfirmed_save(f->kept);
    reopen(f);
    CHECK_U64(kept_seqs(f), 24);
}

static void
test_unconfirmed_short_lived_answers_touch_no_rows(void **state)
{
    fixture *f = *state;

    add(f, 1, RT_STR("order/1"));
    br_unconfirmed_confirm(f->kept, 1);
    br_unconfirmed_save(f->kept);
    CHECK_INT(rt_table_count(f->table), 0);
    CHECK_INT(rt_store_dirty(f->store), 0);
}

static void
test_unconfirmed_late_answer_is_listed_in_its_place(void **state)
{
    fixture *f = *state;

    add(f, 4, RT_STR("order/4"));
    add(f, 2, RT_STR("order/2")); // somebody was behind
    add(f, 4, RT_STR("order/4"));
    CHECK_U64(kept_seqs(f), 244);
    br_unconfirmed_confirm(f->kept, 3);
    CHECK_U64(kept_seqs(f), 244); // it waits for the one before it
    br_unconfirmed_confirm(f->kept, 4);
    CHECK_INT(br_unconfirmed_count(f->kept), 0);
}

static void
test_unconfirmed_answer_larger_than_a_row_comes_back(void **state)
{
    fixture *f = *state;
    static char target[150000];
    rt_msg_list list = {NULL, 0};
    const msg_proposal *p = NULL;

    memset(target, 't', sizeof(target));
    add(f, 1, (rt_str){target, sizeof(target)});
    br_unconfirmed_save(f->kept);
    reopen(f);
    CHECK_OK(br_unconfirmed_list(f->kept, f->arena, &list));
    p = ((const msg_answer *)list.items)->proposals.items;
    CHECK_TRUE(rt_str_equal(p->target, (rt_str){target, sizeof(target)}));
}

static void
test_unconfirmed_beyond_the_bound_loses_the_oldest(void **state)
{
    fixture *f = *state;
    static char target[1 << 20];

    memset(target, 't', sizeof(target));
    for (uint64_t seq = 1; seq <= 17; seq++) {
        add(f, seq, (rt_str){target, sizeof(target)});
    }
    CHECK_INT(br_unconfirmed_count(f->kept), 15); // 16 MiB hold no 16 of a little over 1 MiB
    br_unconfirmed_confirm(f->kept, 2);
    CHECK_INT(br_unconfirmed_count(f->kept), 15); // 1 and 2 went
    br_unconfirmed_confirm(f->kept, 3);
    CHECK_INT(br_unconfirmed_count(f->kept), 14);
}

static void
test_unconfirmed_damaged_row_is_corrupt(void **state)
{
    fixture *f = *state;
    br_unconfirmed *other = NULL;

    br_blob_put(f->table, 1, rt_bytes_of_str(RT_STR("no answer")));
    CHECK_ERR(br_unconfirmed_open(f->table, &other), RT_ECORRUPT);
}

#define KEPT_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        KEPT_TEST(test_unconfirmed_answers_are_kept_until_decided),
        KEPT_TEST(test_unconfirmed_only_saved_ones_come_back),
        KEPT_TEST(test_unconfirmed_short_lived_answers_touch_no_rows),
        KEPT_TEST(test_unconfirmed_late_answer_is_listed_in_its_place),
        KEPT_TEST(test_unconfirmed_answer_larger_than_a_row_comes_back),
        KEPT_TEST(test_unconfirmed_beyond_the_bound_loses_the_oldest),
        KEPT_TEST(test_unconfirmed_damaged_row_is_corrupt),
    };

    rt_log_set_level(RT_LOG_ERROR);
    return CHECK_RUN(tests);
}
