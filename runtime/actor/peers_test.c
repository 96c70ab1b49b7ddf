// Tests of messages between systems, all in one thread; drive_test.c has two.
#include "runtime/actor/actor_fixture.h"

#define RING 1024u

typedef struct pair {
    rt_actors *here;
    rt_actors *there;
    int wakes; // of the other one
} pair;

static void
count_wake(void *user)
{
    pair *p = user;

    p->wakes++;
}

static pair *
pair_new(rt_actors_config config)
{
    pair *p = rt_new(pair);

    p->here = fixture_new(config);
    config.number = 5;
    p->there = rt_actors_new(config);
    rt_actors_connect(p->here, p->there, RING);
    p->there->on_work = count_wake;
    p->there->on_work_user = p;
    return p;
}

static void
pair_free(pair *p)
{
    rt_actors_free(p->here);
    rt_actors_free(p->there);
    rt_free(p);
}

static void
test_peers_messages_cross_in_order_with_one_wake(void **state)
{
    pair *p = pair_new(fixture_config());
    rt_actor_id a = spawn(p->there, &puppet_class);

    (void)state;
    for (uint64_t i = 1; i <= 10; i++) {
        send_note(p->here, a, i);
    }
    CHECK_INT(run_at(p->there, 0), -1); // nothing shown yet
    CHECK_INT(p->wakes, 0);
    CHECK_INT(run_at(p->here, 0), -1);
    CHECK_INT(p->wakes, 1);
    CHECK_INT(run_at(p->here, 0), -1);
    CHECK_INT(p->wakes, 1);
    CHECK_INT(run_at(p->there, 0), -1);
    CHECK_INT(seen.note_count, 10);
    for (uint64_t i = 1; i <= 10; i++) {
        check_note(i - 1, a, i);
    }
    pair_free(p);
}

static rt_err
act_answer(rt_actors *actors, puppet *q, const order *o)
{
    const order back = {.act = act_note, .whom = rt_actors_self(actors), .value = o->value};

    (void)q;
    return rt_actors_send(actors, o->whom, ACT, bytes_of(&back, sizeof(back)));
}

static void
test_peers_answers_come_back(void **state)
{
    pair *p = pair_new(fixture_config());
    rt_actor_id a = spawn(p->here, &puppet_class);
    rt_actor_id b = spawn(p->there, &puppet_class);

    (void)state;
    send_order(p->here, a, (order){.act = act_answer, .whom = b, .value = 42});
    CHECK_INT(run_at(p->here, 0), -1);
    CHECK_INT(run_at(p->there, 0), -1);
    CHECK_INT(run_at(p->here, 0), -1);
    CHECK_INT(seen.note_count, 1);
    check_note(0, a, 42);
    CHECK_U64(seen.notes[0].from, b.v);
    pair_free(p);
}

static void
test_peers_failed_handler_takes_its_messages_back(void **state)
{
    pair *p = pair_new(fixture_config());
    rt_actor_id a = spawn(p->here, &puppet_class);
    rt_actor_id b = spawn(p->there, &puppet_class);

    (void)state;
    send_note(p->here, b, 1);
    send_order(p->here, a, (order){.act = act_note, .whom = b, .value = 2, .fails = RT_EIO});
    CHECK_INT(run_at(p->here, 0), 10 * MS);
    CHECK_INT(run_at(p->there, 0), -1);
    CHECK_INT(seen.note_count, 1);
    check_note(0, b, 1);
    pair_free(p);
}

static void
test_peers_full_ring_refuses_the_sender(void **state)
{
    pair *p = pair_new(fixture_config());
    rt_actor_id b = spawn(p->there, &puppet_class);
    uint64_t sent = 0;
    uint8_t bytes[600] = {0};

    (void)state;
    while (try_note(p->here, b, sent) == RT_OK) {
        sent++;
    }
    CHECK_INT(sent, RING / (8 + 24 + 8));
    CHECK_ERR(try_note(p->here, b, 1), RT_EFULL);
    CHECK_ERR(rt_actors_send(p->here, b, NOTE, bytes_of(bytes, 600)), RT_ELIMIT);
    CHECK_ERR(rt_actors_send(p->here, b, RT_ACTOR_TYPES_MAX, bytes_of(bytes, 1)), RT_EUNKNOWN);
    CHECK_INT(run_at(p->here, 0), -1);
    CHECK_INT(run_at(p->there, 0), -1);
    CHECK_INT(seen.note_count, sent);
    send_note(p->here, b, 1);
    pair_free(p);
}

static void
test_peers_full_mailbox_holds_the_ring_until_it_has_room(void **state)
{
    rt_actors_config config = fixture_config();
    rt_actor_class class = puppet_class;
    pair *p = NULL;
    rt_actor_id b;

    (void)state;
    config.run_messages_max = 3;
    p = pair_new(config);
    class.count_max = 2;
    b = spawn(p->there, &class);
    for (uint64_t i = 0; i < 9; i++) {
        send_note(p->here, b, i);
    }
    CHECK_INT(run_at(p->here, 0), -1);
    CHECK_INT(rt_actors_run(p->there, 0), 0); // two in, more to come
    CHECK_INT(seen.note_count, 2);
    CHECK_INT(run_at(p->there, 0), -1);
    CHECK_INT(seen.note_count, 9);
    check_note(8, b, 8);
    CHECK_INT(seen.letter_count, 0);
    pair_free(p);
}

static void
test_peers_taking_is_bounded_in_one_run(void **state)
{
    rt_actors_config config = fixture_config();
    pair *p = NULL;
    rt_actor_id b;

    (void)state;
    config.run_messages_max = 3;
    p = pair_new(config);
    b = spawn(p->there, &puppet_class);
    for (uint64_t i = 0; i < 6; i++) {
        send_note(p->here, b, i);
    }
    CHECK_INT(run_at(p->here, 0), -1);
    CHECK_INT(rt_actors_run(p->there, 0), 0);
    CHECK_INT(seen.note_count, 3);
    CHECK_INT(run_at(p->there, 0), -1);
    CHECK_INT(seen.note_count, 6);
    pair_free(p);
}

static void
test_peers_what_nobody_can_take_is_a_dead_letter_there(void **state)
{
    pair *p = pair_new(fixture_config());
    rt_actor_class class = puppet_class;
    rt_actor_id gone = spawn(p->there, &puppet_class);
    rt_actor_id resting;
    uint8_t bytes[100] = {0};

    (void)state;
    class.count_max = 1;
    class.bytes_max = 64;
    resting = spawn(p->there, &class);
    send_order(p->there, resting, (order){.fails = RT_EIO});
    CHECK_INT(run_at(p->there, 0), 10 * MS);
    CHECK_OK(rt_actors_stop(p->there, gone, RT_OK));
    send_note(p->here, gone, 1);
    send_note(p->here, resting, 2);
    CHECK_OK(rt_actors_send(p->here, resting, UNHEARD, bytes_of(NULL, 0)));
    CHECK_OK(rt_actors_send(p->here, resting, RT_ACTOR_DOWN, bytes_of(NULL, 0)));
    CHECK_OK(rt_actors_send(p->here, resting, NOTE, bytes_of(bytes, 100)));
    CHECK_INT(run_at(p->here, 0), -1);
    CHECK_INT(run_at(p->there, 1 * MS), 10 * MS);
    CHECK_INT(seen.letter_count, 5);
    check_letter(0, gone, 1, RT_ENOTFOUND, 0);
    check_letter(1, resting, 2, RT_EFULL, 0);
    CHECK_INT(seen.letters[2].cause, RT_EUNKNOWN);
    CHECK_INT(seen.letters[3].cause, RT_EUNKNOWN);
    CHECK_INT(seen.letters[4].cause, RT_ELIMIT);
    // The same for one that neither rests nor has anything waiting.
    CHECK_OK(rt_actors_send(p->here, spawn(p->there, &class), NOTE, bytes_of(bytes, 100)));
    CHECK_INT(run_at(p->here, 0), -1);
    CHECK_INT(run_at(p->there, 1 * MS), 10 * MS);
    CHECK_INT(seen.letters[5].cause, RT_ELIMIT);
    pair_free(p);
}

static void
test_peers_without_memory_it_is_a_dead_letter_too(void **state)
{
    pair *p = pair_new(fixture_config());
    rt_actor_id b = spawn(p->there, &puppet_class);

    (void)state;
    send_note(p->here, b, 7);
    CHECK_INT(run_at(p->here, 0), -1);
    rt_alloc_fail_after(1);
    CHECK_INT(run_at(p->there, 0), -1);
    rt_alloc_fail_after(0);
    CHECK_INT(seen.letter_count, 1);
    check_letter(0, b, 7, RT_ENOMEM, 0);
    pair_free(p);
}

static void
test_peers_dropping_actor_takes_all_and_drops_the_oldest(void **state)
{
    pair *p = pair_new(fixture_config());
    rt_actor_class class = puppet_class;
    rt_actor_id b;

    (void)state;
    class.count_max = 2;
    class.overflow = RT_OVERFLOW_DROP_OLDEST;
    b = spawn(p->there, &class);
    for (uint64_t i = 0; i < 5; i++) {
        send_note(p->here, b, i);
    }
    p->there->on_work = NULL; // a system that nobody drives is not woken
    CHECK_INT(run_at(p->here, 0), -1);
    CHECK_INT(run_at(p->there, 0), -1);
    CHECK_INT(seen.letter_count, 3);
    CHECK_INT(seen.note_count, 2);
    check_note(0, b, 3);
    pair_free(p);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_peers_messages_cross_in_order_with_one_wake),
        cmocka_unit_test(test_peers_answers_come_back),
        cmocka_unit_test(test_peers_failed_handler_takes_its_messages_back),
        cmocka_unit_test(test_peers_full_ring_refuses_the_sender),
        cmocka_unit_test(test_peers_full_mailbox_holds_the_ring_until_it_has_room),
        cmocka_unit_test(test_peers_taking_is_bounded_in_one_run),
        cmocka_unit_test(test_peers_what_nobody_can_take_is_a_dead_letter_there),
        cmocka_unit_test(test_peers_without_memory_it_is_a_dead_letter_too),
        cmocka_unit_test(test_peers_dropping_actor_takes_all_and_drops_the_oldest),
    };

    return CHECK_RUN(tests);
}
