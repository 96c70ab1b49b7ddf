#include "brain/agent/letters.h"

#include "runtime/base/alloc.h"
#include "runtime/base/log.h"
#include "tests/harness/check.h"

typedef struct fixture {
    rt_store *store;
    rt_table *table;
    rt_arena *arena;
    br_letters *letters;
} fixture;

static void
drop_line(void *user, rt_log_level level, const char *line)
{
    (void)user;
    (void)level;
    (void)line;
}

static int
setup(void **state)
{
    fixture *f = rt_new(fixture);

    rt_log_set_sink(drop_line, NULL);
    f->store = rt_store_open_memory();
    CHECK_OK(rt_store_table(f->store, 1, "letters", &f->table));
    CHECK_OK(br_letters_open(f->table, &f->letters));
    f->arena = rt_arena_new(1 << 24);
    *state = f;
    return 0;
}

static int
teardown(void **state)
{
    fixture *f = *state;

    br_letters_free(f->letters);
    rt_store_close(f->store);
    rt_arena_free(f->arena);
    rt_log_set_sink(NULL, NULL);
    rt_free(f);
    return 0;
}

static void
add(fixture *f, uint64_t seq)
{
    char cause[] = "told to crash";

    br_letters_add(f->letters, &(msg_failure){.seq = seq,
                                              .agent = RT_STR("adder"),
                                              .attempts = 3,
                                              .cause = rt_str_of(cause)});
    memset(cause, 'x', sizeof(cause)); // it was copied
}

// The seqs not sent yet, as a number in base 10.
static uint64_t
taken_seqs(fixture *f)
{
    rt_msg_list list = {NULL, 0};
    uint64_t digits = 0;

    rt_arena_reset(f->arena);
    list = br_letters_take(f->letters, f->arena);
    for (uint32_t i = 0; i < list.count; i++) {
        const msg_failure *failure = (const msg_failure *)list.items + i;

        CHECK_STR(failure->agent, "adder");
        CHECK_STR(failure->cause, "told to crash");
        CHECK_INT(failure->attempts, 3);
        digits = digits * 10 + failure->seq;
    }
    return digits;
}

static void
test_letters_are_sent_once_and_again_when_asked(void **state)
{
    fixture *f = *state;

    add(f, 4);
    add(f, 7);
    CHECK_U64(taken_seqs(f), 47);
    CHECK_U64(taken_seqs(f), 0);
    add(f, 9);
    CHECK_U64(taken_seqs(f), 9);
    br_letters_again(f->letters);
    CHECK_INT(br_letters_waiting(f->letters), 3);
    CHECK_U64(taken_seqs(f), 479);
}

static void
test_letters_settled_ones_are_forgotten(void **state)
{
    fixture *f = *state;

    add(f, 4);
    add(f, 7);
    add(f, 9);
    br_letters_settle(f->letters, 2); // numbers count from 1
    br_letters_settle(f->letters, 2);
    br_letters_settle(f->letters, 77);
    CHECK_INT(br_letters_count(f->letters), 2);
    CHECK_U64(taken_seqs(f), 49);
    CHECK_INT(rt_table_count(f->table), 2);
}

static void
test_letters_come_back_after_a_restart_with_their_numbers(void **state)
{
    fixture *f = *state;

    add(f, 4);
    add(f, 7);
    CHECK_U64(taken_seqs(f), 47);
    br_letters_settle(f->letters, 1);
    br_letters_free(f->letters);
    CHECK_OK(br_letters_open(f->table, &f->letters));
    add(f, 9);
    CHECK_U64(taken_seqs(f), 79);
    br_letters_settle(f->letters, 2);
    br_letters_settle(f->letters, 3);
    CHECK_INT(br_letters_count(f->letters), 0);
}

static void
test_letters_damaged_row_is_refused(void **state)
{
    fixture *f = *state;

    add(f, 4);
    br_letters_free(f->letters);
    f->letters = NULL;
    size_t cursor = 0;
    rt_bytes key;
    rt_bytes value;
    CHECK_TRUE(rt_table_next(f->table, &cursor, &key, &value));
    rt_table_put(f->table, key, (rt_bytes){value.ptr, value.len - 1});
    CHECK_ERR(br_letters_open(f->table, &f->letters), RT_ECORRUPT);
}

static void
test_letters_beyond_the_bound_push_out_the_oldest(void **state)
{
    fixture *f = *state;
    rt_msg_list list = {NULL, 0};

    for (uint64_t seq = 1; seq <= BR_LETTERS_MAX + 2; seq++) {
        add(f, seq);
    }
    CHECK_INT(br_letters_count(f->letters), BR_LETTERS_MAX);
    CHECK_INT(rt_table_count(f->table), BR_LETTERS_MAX);
    list = br_letters_take(f->letters, f->arena);
    CHECK_U64(((const msg_failure *)list.items)->seq, 3);
}

int
main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_letters_are_sent_once_and_again_when_asked),
        TEST(test_letters_settled_ones_are_forgotten),
        TEST(test_letters_come_back_after_a_restart_with_their_numbers),
        TEST(test_letters_damaged_row_is_refused),
        TEST(test_letters_beyond_the_bound_push_out_the_oldest),
    };

    return CHECK_RUN(tests);
}
