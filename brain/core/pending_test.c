#include "brain/core/pending.h"

#include "runtime/base/alloc.h"
#include "runtime/base/rng.h"
#include "tests/harness/check.h"

#define TEXTS 18u // bytes of id, subject and correlation below
#define BIG_MAX (1024u * 1024 - TEXTS) // the largest event there can be

static br_pending *pending;
static uint8_t *big;

static int
setup(void **state)
{
    (void)state;
    pending = br_pending_new();
    big = rt_alloc(BIG_MAX);
    return 0;
}

static int
teardown(void **state)
{
    (void)state;
    br_pending_free(pending);
    rt_free(big);
    return 0;
}

static br_undecided *
push(uint64_t seq, const char *id, rt_bytes consultation)
{
    rt_event event = {.seq = seq,
                      .tenant = {2},
                      .depth = 3,
                      .id = rt_str_of(id),
                      .subject = RT_STR("order/1"),
                      .correlation = RT_STR("c")};

    return br_pending_push(pending, &event, consultation, (rt_bytes){NULL, 0});
}

static void
test_pending_event_is_copied_whole(void **state)
{
    char id[] = "abc";
    uint8_t bytes[] = {1, 2, 3};

    (void)state;
    (void)push(7, id, (rt_bytes){bytes, 3});
    id[0] = 'x';
    bytes[0] = 9;
    const br_undecided *head = br_pending_head(pending);

    CHECK_U64(head->seq, 7);
    CHECK_INT(head->tenant.v, 2);
    CHECK_INT(head->depth, 3);
    CHECK_STR(head->id, "abc");
    CHECK_STR(head->subject, "order/1");
    CHECK_STR(head->correlation, "c");
    CHECK_INT(head->consultation.len, 3);
    CHECK_INT(head->consultation.ptr[0], 1);
    CHECK_U64(head->waiting, 0);
}

static void
test_pending_leaves_in_order_of_arrival(void **state)
{
    (void)state;
    CHECK_TRUE(br_pending_head(pending) == NULL);
    for (uint64_t seq = 1; seq <= 3; seq++) {
        (void)push(seq, "a", (rt_bytes){NULL, 0});
    }

    for (uint64_t seq = 1; seq <= 3; seq++) {
        CHECK_INT(br_pending_count(pending), 4 - seq);
        CHECK_U64(br_pending_head(pending)->seq, seq);
        br_pending_pop(pending);
    }
    CHECK_TRUE(br_pending_head(pending) == NULL);
}

static void
test_pending_room_ends_before_its_reserve(void **state)
{
    (void)state;
    for (uint64_t seq = 1; seq <= BR_PENDING_MAX - BR_PENDING_RESERVE; seq++) {
        CHECK_TRUE(br_pending_room(pending, BR_PENDING_RESERVE));
        (void)push(seq, "a", (rt_bytes){NULL, 0});
    }
    CHECK_FALSE(br_pending_room(pending, BR_PENDING_RESERVE));
    for (uint64_t i = 0; i < BR_PENDING_RESERVE; i++) {
        CHECK_TRUE(br_pending_room(pending, 0));
        (void)push(BR_PENDING_MAX + i, "a", (rt_bytes){NULL, 0});
    }

    CHECK_FALSE(br_pending_room(pending, 0));
    br_pending_pop(pending);
    CHECK_TRUE(br_pending_room(pending, 0));
    CHECK_FALSE(br_pending_room(pending, 1));
}

static void
test_pending_bytes_are_bounded_too(void **state)
{
    size_t pushed = 0;

    (void)state;
    while (br_pending_room(pending, 0)) {
        (void)push(++pushed, "a", (rt_bytes){big, BIG_MAX});
    }

    CHECK_TRUE(pushed * BIG_MAX <= BR_PENDING_BYTES);
    CHECK_TRUE((pushed + 2) * BIG_MAX > BR_PENDING_BYTES);
    br_pending_pop(pending);
    CHECK_FALSE(br_pending_room(pending, 0)); // as much as an event and not more is no room
    br_pending_pop(pending);
    CHECK_TRUE(br_pending_room(pending, 0));
}

static void
test_pending_answer_clears_the_host_up_to_its_place(void **state)
{
    (void)state;
    for (uint64_t seq = 1; seq <= 3; seq++) {
        push(seq * 10, "a", (rt_bytes){NULL, 0})->waiting = 5;
    }

    br_pending_answered(pending, 0, 20);
    CHECK_U64(br_pending_head(pending)->waiting, 4);
    br_pending_pop(pending);
    CHECK_U64(br_pending_head(pending)->waiting, 4);
    br_pending_pop(pending);
    CHECK_U64(br_pending_head(pending)->waiting, 5);
    br_pending_answered(pending, 2, 30);
    CHECK_U64(br_pending_head(pending)->waiting, 1);
}

static void
test_pending_host_expected_again_may_answer_again(void **state)
{
    (void)state;
    push(10, "a", (rt_bytes){NULL, 0})->waiting = 1;
    br_pending_answered(pending, 0, 10);
    br_pending_expect(pending, 0);
    CHECK_U64(br_pending_head(pending)->waiting, 1);

    br_pending_answered(pending, 0, 10);
    CHECK_U64(br_pending_head(pending)->waiting, 0);
}

// --- the byte ring and the hosts' bits against a model -------------------------------------------

typedef struct modelled {
    uint64_t seq;
    size_t len;
    uint64_t waiting;
} modelled;

static modelled model[BR_PENDING_MAX];
static size_t model_first;
static size_t model_count;

static modelled *
model_at(size_t i)
{
    return &model[(model_first + i) % BR_PENDING_MAX];
}

static void
push_modelled(rt_rng *rng, uint64_t seq)
{
    static const size_t sizes[] = {0, 1, 300, 5000, 300000};
    size_t most = sizes[rt_rng_below(rng, RT_COUNT(sizes))];
    size_t len = rt_rng_chance(rng, 0.05) ? BIG_MAX : (size_t)rt_rng_below(rng, most + 1);
    uint64_t waiting = rt_rng_u64(rng) & 7;

    memset(big, (int)(seq & 0xff), len);
    push(seq, "0123456789", (rt_bytes){big, len})->waiting = waiting;
    *model_at(model_count) = (modelled){seq, len, waiting};
    model_count++;
}

static void
pop_modelled(void)
{
    const br_undecided *head = br_pending_head(pending);
    const modelled *want = model_at(0);

    CHECK_U64(head->seq, want->seq);
    CHECK_U64(head->waiting, want->waiting);
    CHECK_STR(head->id, "0123456789");
    CHECK_INT(head->consultation.len, want->len);
    memset(big, (int)(want->seq & 0xff), want->len);
    CHECK_TRUE(want->len == 0 || memcmp(head->consultation.ptr, big, want->len) == 0);
    br_pending_pop(pending);
    model_first = (model_first + 1) % BR_PENDING_MAX;
    model_count--;
}

static void
answer_modelled(rt_rng *rng)
{
    unsigned host = (unsigned)rt_rng_below(rng, 3);
    size_t upto = (size_t)rt_rng_below(rng, model_count);
    uint64_t seq = model_at(upto)->seq;

    if (rt_rng_chance(rng, 0.02)) {
        br_pending_expect(pending, host);
        for (size_t i = 0; i < model_count; i++) {
            model_at(i)->waiting |= 1ull << host;
        }
    }
    br_pending_answered(pending, host, seq);
    for (size_t i = 0; i <= upto; i++) {
        model_at(i)->waiting &= ~(1ull << host);
    }
}

static void
test_pending_bytes_and_bits_agree_with_a_model(void **state)
{
    double fill = 0.5;
    uint64_t full = 0;
    rt_rng rng;

    (void)state;
    model_first = 0;
    model_count = 0;
    rt_rng_seed(&rng, 71, 1);
    for (uint64_t seq = 1; seq <= 60000; seq++) {
        if (seq % 1500 == 0) {
            fill = rt_rng_chance(&rng, 0.5) ? 0.9 : 0.2; // runs full, runs empty
        }
        bool room = br_pending_room(pending, 0);
        full += !room;
        if (room && rt_rng_chance(&rng, fill)) {
            push_modelled(&rng, seq);
        } else if (model_count > 0) {
            pop_modelled();
        }
        if (model_count > 0 && rt_rng_chance(&rng, 0.2)) {
            answer_modelled(&rng);
        }
        CHECK_INT(br_pending_count(pending), model_count);
    }
    CHECK_TRUE(full > 100); // the ring did run full, and so went round
    while (model_count > 0) {
        pop_modelled();
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_pending_event_is_copied_whole),
        TEST(test_pending_leaves_in_order_of_arrival),
        TEST(test_pending_room_ends_before_its_reserve),
        TEST(test_pending_bytes_are_bounded_too),
        TEST(test_pending_answer_clears_the_host_up_to_its_place),
        TEST(test_pending_host_expected_again_may_answer_again),
        TEST(test_pending_bytes_and_bits_agree_with_a_model),
    };

    return CHECK_RUN(tests);
}
