#include "runtime/actor/mailbox.h"

#include "runtime/base/alloc.h"
#include "tests/harness/check.h"

typedef struct drops {
    uint64_t seqs[64];
    size_t count;
} drops;

static void
on_drop(void *user, const rt_record *record)
{
    drops *d = user;

    assert_true(d->count < RT_COUNT(d->seqs));
    d->seqs[d->count++] = record->seq;
}

static rt_record
record_of(uint64_t seq, rt_str payload)
{
    return (rt_record){
        .seq = seq,
        .at_ms = (int64_t)seq * 10,
        .kind = RT_RECORD_EVENT,
        .flags = RT_RECORD_UNDECIDED,
        .payload = rt_bytes_of_str(payload),
    };
}

static void
push(rt_mailbox *mailbox, uint64_t seq, rt_str payload)
{
    rt_record record = record_of(seq, payload);

    CHECK_OK(rt_mailbox_push(mailbox, &record));
}

static uint64_t
pop_seq(rt_mailbox *mailbox)
{
    uint64_t seq = 0;

    CHECK_TRUE(rt_mailbox_peek(mailbox) != NULL);
    seq = rt_mailbox_peek(mailbox)->seq;
    rt_mailbox_pop(mailbox);
    return seq;
}

static void
test_mailbox_keeps_order_and_copies(void **state)
{
    rt_mailbox *mailbox = rt_mailbox_new((rt_mailbox_config){.count_max = 4, .bytes_max = 100});
    char text[] = "first";
    rt_record record = record_of(7, rt_str_of(text));
    const rt_record *got = NULL;

    (void)state;
    CHECK_OK(rt_mailbox_push(mailbox, &record));
    memset(text, 'x', 5);
    got = rt_mailbox_peek(mailbox);
    CHECK_STR(rt_str_of_bytes(got->payload), "first");
    CHECK_INT(got->seq, 7);
    CHECK_INT(got->at_ms, 70);
    CHECK_INT(got->kind, RT_RECORD_EVENT);
    CHECK_INT(got->flags, RT_RECORD_UNDECIDED);
    push(mailbox, 8, RT_STR(""));
    CHECK_INT(pop_seq(mailbox), 7);
    CHECK_INT(pop_seq(mailbox), 8);
    CHECK_TRUE(rt_mailbox_peek(mailbox) == NULL);
    rt_mailbox_free(mailbox);
}

static void
test_mailbox_order_survives_growth_and_wrapping(void **state)
{
    rt_mailbox *mailbox = rt_mailbox_new((rt_mailbox_config){
        .count_max = 1000,
        .bytes_max = 10000,
    });
    uint64_t pushed = 0;
    uint64_t popped = 0;

    (void)state;
    while (pushed < 500) {
        for (int i = 0; i < 7; i++) {
            push(mailbox, pushed++, RT_STR("ab"));
        }
        for (int i = 0; i < 3; i++) {
            CHECK_INT(pop_seq(mailbox), popped++);
        }
        CHECK_INT(rt_mailbox_count(mailbox), pushed - popped);
        CHECK_INT(rt_mailbox_bytes(mailbox), 2 * (pushed - popped));
    }
    while (popped < pushed) {
        CHECK_INT(pop_seq(mailbox), popped++);
    }
    CHECK_INT(rt_mailbox_bytes(mailbox), 0);
    rt_mailbox_free(mailbox);
}

static void
test_mailbox_full_refuses_with_efull(void **state)
{
    rt_mailbox *mailbox = rt_mailbox_new((rt_mailbox_config){.count_max = 2, .bytes_max = 10});
    rt_record small = record_of(3, RT_STR("x"));
    rt_record big = record_of(4, RT_STR("12345678901"));

    (void)state;
    push(mailbox, 1, RT_STR("a"));
    push(mailbox, 2, RT_STR("b"));
    CHECK_ERR(rt_mailbox_push(mailbox, &small), RT_EFULL);
    CHECK_ERR(rt_mailbox_push(mailbox, &big), RT_ELIMIT);
    CHECK_INT(rt_mailbox_count(mailbox), 2);
    CHECK_INT(pop_seq(mailbox), 1);
    CHECK_OK(rt_mailbox_push(mailbox, &small));
    CHECK_INT(rt_mailbox_dropped(mailbox), 0);
    rt_mailbox_free(mailbox);
}

static void
test_mailbox_byte_bound_refuses_too(void **state)
{
    rt_mailbox *mailbox = rt_mailbox_new((rt_mailbox_config){.count_max = 100, .bytes_max = 10});
    rt_record six = record_of(2, RT_STR("123456"));
    rt_record five = record_of(3, RT_STR("12345"));

    (void)state;
    push(mailbox, 1, RT_STR("12345"));
    CHECK_ERR(rt_mailbox_push(mailbox, &six), RT_EFULL);
    CHECK_OK(rt_mailbox_push(mailbox, &five));
    CHECK_INT(rt_mailbox_bytes(mailbox), 10);
    rt_mailbox_free(mailbox);
}

static void
test_mailbox_overflow_drops_oldest_and_tells(void **state)
{
    drops d = {.count = 0};
    rt_mailbox *mailbox = rt_mailbox_new((rt_mailbox_config){
        .count_max = 3,
        .bytes_max = 10,
        .overflow = RT_OVERFLOW_DROP_OLDEST,
        .on_drop = on_drop,
        .user = &d,
    });
    rt_record huge = record_of(9, RT_STR("12345678901"));

    (void)state;
    push(mailbox, 1, RT_STR("a"));
    push(mailbox, 2, RT_STR("b"));
    push(mailbox, 3, RT_STR("c"));
    push(mailbox, 4, RT_STR("d")); // over the count
    CHECK_INT(d.count, 1);
    CHECK_INT(d.seqs[0], 1);
    push(mailbox, 5, RT_STR("123456789")); // over the bytes: two have to go
    CHECK_INT(d.count, 3);
    CHECK_INT(d.seqs[1], 2);
    CHECK_INT(d.seqs[2], 3);
    CHECK_ERR(rt_mailbox_push(mailbox, &huge), RT_ELIMIT); // costs nobody its place
    CHECK_INT(d.count, 3);
    CHECK_INT(pop_seq(mailbox), 4);
    CHECK_INT(pop_seq(mailbox), 5);
    CHECK_INT(rt_mailbox_dropped(mailbox), 3);
    rt_mailbox_free(mailbox);
}

static void
test_mailbox_without_memory_refuses_and_keeps_all(void **state)
{
    rt_mailbox *mailbox = rt_mailbox_new((rt_mailbox_config){
        .count_max = 1,
        .bytes_max = 10,
        .overflow = RT_OVERFLOW_DROP_OLDEST,
    });
    rt_record record = record_of(2, RT_STR("b"));

    (void)state;
    push(mailbox, 1, RT_STR("a"));
    rt_alloc_fail_after(1);
    CHECK_ERR(rt_mailbox_push(mailbox, &record), RT_ENOMEM);
    rt_alloc_fail_after(0);
    CHECK_INT(rt_mailbox_dropped(mailbox), 0);
    CHECK_INT(pop_seq(mailbox), 1);
    rt_mailbox_free(mailbox);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mailbox_keeps_order_and_copies),
        cmocka_unit_test(test_mailbox_order_survives_growth_and_wrapping),
        cmocka_unit_test(test_mailbox_full_refuses_with_efull),
        cmocka_unit_test(test_mailbox_byte_bound_refuses_too),
        cmocka_unit_test(test_mailbox_overflow_drops_oldest_and_tells),
        cmocka_unit_test(test_mailbox_without_memory_refuses_and_keeps_all),
    };

    return CHECK_RUN(tests);
}
