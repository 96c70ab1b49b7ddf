// Tests of messages and mailboxes: payloads, bounds, refusals, monitors and links.
#include "runtime/actor/actor_fixture.h"

static void
test_mail_payload_is_a_copy_of_any_size(void **state)
{
    static const size_t lens[] = {0, 1, 24, 25, 216, 217, 984, 985, 4056, 4057, 100000};
    rt_actors *actors = fixture_new(fixture_config());
    rt_actor_id a = spawn(actors, &puppet_class);
    uint8_t bytes[100000];
    size_t before = 0;

    (void)state;
    for (size_t i = 0; i < RT_COUNT(lens); i++) {
        memset(bytes, (int)i + 1, sizeof(bytes));
        CHECK_OK(rt_actors_send(actors, a, NOTE, bytes_of(bytes, lens[i])));
    }
    memset(bytes, 0, sizeof(bytes));
    CHECK_INT(run_at(actors, 0), -1);
    CHECK_INT(seen.note_count, RT_COUNT(lens));
    check_note(0, a, 0);
    check_note(1, a, 2);
    check_note(10, a, 0x0b0b0b0b0b0b0b0b);
    before = rt_actors_figures_of(actors).memory_bytes;
    for (int i = 0; i < 1000; i++) { // warm: nothing more is allocated
        send_note(actors, a, 1);
        CHECK_INT(run_at(actors, 0), -1);
    }
    CHECK_INT(rt_actors_figures_of(actors).memory_bytes, before);
    rt_actors_free(actors);
}

static void
test_mail_warm_messages_allocate_nothing(void **state)
{
    rt_actors *actors = fixture_new(fixture_config());
    rt_actor_id a = spawn(actors, &puppet_class);
    uint8_t bytes[4000] = {0};
    static const size_t lens[] = {8, 100, 900, 4000};

    (void)state;
    for (int round = 0; round < 3; round++) {
        rt_alloc_fail_after(round > 0 ? 1000000 : 0); // counts the tries
        for (size_t i = 0; i < RT_COUNT(lens); i++) {
            CHECK_OK(rt_actors_send(actors, a, NOTE, bytes_of(bytes, lens[i])));
            CHECK_OK(rt_actors_send_at(actors, a, NOTE, bytes_of(bytes, lens[i]), round));
        }
        CHECK_INT(run_at(actors, round), -1);
        CHECK_U64(rt_alloc_tries(), 0);
    }
    rt_alloc_fail_after(0);
    rt_actors_free(actors);
}

static void
test_mail_full_mailbox_refuses_by_count_and_by_bytes(void **state)
{
    rt_actors *actors = fixture_new(fixture_config());
    rt_actor_class class = puppet_class;
    rt_actor_id a;
    rt_actor_id b;
    uint8_t bytes[21] = {0};

    (void)state;
    class.count_max = 2;
    class.bytes_max = 20;
    a = spawn(actors, &class);
    b = spawn(actors, &class);
    send_note(actors, a, 1);
    send_note(actors, a, 2);
    CHECK_ERR(try_note(actors, a, 3), RT_EFULL);
    CHECK_OK(rt_actors_send(actors, b, NOTE, bytes_of(bytes, 13)));
    CHECK_ERR(try_note(actors, b, 3), RT_EFULL);
    CHECK_OK(rt_actors_send(actors, b, NOTE, bytes_of(bytes, 7)));
    CHECK_ERR(rt_actors_send(actors, b, NOTE, bytes_of(bytes, 21)), RT_ELIMIT);
    CHECK_INT(run_at(actors, 0), -1);
    send_note(actors, a, 4);
    CHECK_INT(run_at(actors, 0), -1);
    check_note(4, a, 4);
    CHECK_INT(seen.letter_count, 0);
    rt_actors_free(actors);
}

static rt_err
act_flood(rt_actors *actors, puppet *p, const order *o)
{
    uint64_t sent = 0;

    (void)p;
    while (sent < 100 && try_note(actors, o->whom, sent) == RT_OK) {
        sent++;
    }
    return sent == o->value ? RT_OK : rt_fail(RT_EINVAL, "sent %d", (int)sent);
}

static void
test_mail_sender_in_a_handler_learns_at_once_that_it_is_full(void **state)
{
    rt_actors *actors = fixture_new(fixture_config());
    rt_actor_class class = puppet_class;
    rt_actor_id sender = spawn(actors, &puppet_class);
    rt_actor_id a;

    (void)state;
    class.count_max = 3;
    a = spawn(actors, &class);
    send_note(actors, a, 50);
    send_order(actors, sender, (order){.act = act_flood, .whom = a, .value = 3});
    CHECK_INT(run_at(actors, 0), -1);
    CHECK_INT(seen.failure_count, 0);
    CHECK_INT(seen.note_count, 4);
    rt_actors_free(actors);
}

static void
test_mail_overflow_drops_oldest_and_tells(void **state)
{
    rt_actors *actors = fixture_new(fixture_config());
    rt_actor_class class = puppet_class;
    rt_actor_id a;
    uint8_t bytes[21] = {0};

    (void)state;
    class.count_max = 3;
    class.bytes_max = 28;
    class.overflow = RT_OVERFLOW_DROP_OLDEST;
    a = spawn(actors, &class);
    for (uint64_t i = 1; i <= 4; i++) {
        send_note(actors, a, i);
    }
    CHECK_INT(seen.letter_count, 1);
    check_letter(0, a, 1, RT_EFULL, 0);
    CHECK_OK(rt_actors_send(actors, a, NOTE, bytes_of(bytes, 20))); // two have to go
    CHECK_INT(seen.letter_count, 3);
    check_letter(1, a, 2, RT_EFULL, 0);
    check_letter(2, a, 3, RT_EFULL, 0);
    CHECK_INT(run_at(actors, 0), -1);
    check_note(0, a, 4);
    check_note(1, a, 0);
    // Three of five that one handler sends, and none when it fails.
    send_order(actors, spawn(actors, &puppet_class),
               (order){.act = act_flood, .whom = a, .value = 100});
    CHECK_INT(run_at(actors, 0), -1);
    CHECK_INT(seen.letter_count, 100);
    check_note(2, a, 97);
    check_note(4, a, 99);
    send_order(actors, spawn(actors, &puppet_class),
               (order){.act = act_flood, .whom = a, .value = 100, .fails = RT_EIO});
    CHECK_INT(run_at(actors, 0), 10 * MS);
    CHECK_INT(seen.letter_count, 100);
    rt_actors_free(actors);
}

static void
test_mail_overflow_takes_the_tries_of_the_message_it_drops(void **state)
{
    rt_actors *actors = fixture_new(fixture_config());
    rt_actor_class class = puppet_class;
    rt_actor_id a;

    (void)state;
    class.count_max = 1;
    class.overflow = RT_OVERFLOW_DROP_OLDEST;
    a = spawn(actors, &class);
    send_order(actors, a, (order){.fails = RT_EIO});
    CHECK_INT(run_at(actors, 0), 10 * MS);
    CHECK_INT(run_at(actors, 10 * MS), 30 * MS);
    send_order(actors, a, (order){.fails = RT_ENOSPC}); // in its place, with tries of its own
    CHECK_INT(seen.letters[0].cause, RT_EFULL);
    CHECK_INT(seen.letters[0].tries, 2);
    send_order(actors, a, (order){.fails = RT_ENOSPC});
    CHECK_INT(seen.letters[1].tries, 0);
    CHECK_INT(run_at(actors, 30 * MS), 70 * MS);
    CHECK_INT(seen.failures[2].tries, 1);
    CHECK_INT(seen.letter_count, 2);
    rt_actors_free(actors);
}

static void
test_mail_wrong_addresses_and_types_are_refused(void **state)
{
    rt_actors *actors = fixture_new(fixture_config());
    rt_actor_class deaf = deaf_class();
    rt_actor_class mute = {.name = "mute", .count_max = 1};
    rt_actor_id a = spawn(actors, &puppet_class);
    rt_actor_id d = spawn(actors, &deaf);
    rt_actor_id m = spawn(actors, &mute);
    const rt_bytes none = {NULL, 0};
    rt_supervisor_state status;

    (void)state;
    CHECK_ERR(rt_actors_send(actors, RT_ACTOR_NOBODY, NOTE, none), RT_ENOTFOUND);
    CHECK_ERR(try_note(actors, (rt_actor_id){a.v + 3}, 1), RT_ENOTFOUND);         // no such place
    CHECK_ERR(try_note(actors, (rt_actor_id){a.v + (1ull << 32)}, 1), RT_ENOTFOUND); // nor life
    CHECK_ERR(try_note(actors, (rt_actor_id){a.v | 3u << 24}, 1), RT_ENOTFOUND);     // nor system
    CHECK_ERR(try_note(actors, (rt_actor_id){a.v | 255u << 24}, 1), RT_ENOTFOUND);
    CHECK_ERR(rt_actors_send(actors, a, UNHEARD, none), RT_EUNKNOWN);
    CHECK_ERR(rt_actors_send(actors, a, 99, none), RT_EUNKNOWN);
    CHECK_ERR(rt_actors_send(actors, a, RT_ACTOR_DOWN, none), RT_EUNKNOWN); // the system's own
    CHECK_ERR(rt_actors_send(actors, m, NOTE, none), RT_EUNKNOWN);
    CHECK_ERR(rt_actors_send_at(actors, (rt_actor_id){a.v | 3u << 24}, NOTE, none, 1), RT_EINVAL);
    CHECK_ERR(rt_actors_stop(actors, RT_ACTOR_NOBODY, RT_OK), RT_ENOTFOUND);
    CHECK_ERR(rt_actors_monitor(actors, d, a), RT_EUNKNOWN);
    CHECK_ERR(rt_actors_monitor(actors, m, a), RT_EUNKNOWN);
    CHECK_ERR(rt_actors_monitor(actors, RT_ACTOR_NOBODY, a), RT_ENOTFOUND);
    CHECK_ERR(rt_actors_monitor(actors, (rt_actor_id){a.v | 3u << 24}, a), RT_EINVAL);
    CHECK_ERR(rt_actors_monitor(actors, a, (rt_actor_id){a.v | 3u << 24}), RT_EINVAL);
    CHECK_ERR(rt_actors_link(actors, (rt_actor_id){a.v | 3u << 24}, a), RT_EINVAL);
    CHECK_ERR(rt_actors_link(actors, RT_ACTOR_NOBODY, a), RT_ENOTFOUND);
    CHECK_ERR(rt_actors_link(actors, a, RT_ACTOR_NOBODY), RT_ENOTFOUND);
    CHECK_ERR(rt_actors_state(actors, RT_ACTOR_NOBODY, &status), RT_ENOTFOUND);
    CHECK_INT(rt_actors_waiting(actors, RT_ACTOR_NOBODY), 0);
    CHECK_INT(run_at(actors, 0), -1);
    CHECK_INT(seen.note_count, 0);
    rt_actors_free(actors);
}

// --- monitors and links ---------------------------------------------------------------------

static void
test_mail_watchers_are_told_once_each_in_order(void **state)
{
    rt_actors *actors = fixture_new(fixture_config());
    rt_actor_class class = puppet_class;
    rt_actor_id first;
    rt_actor_id second;
    rt_actor_id watched = spawn(actors, &puppet_class);

    (void)state;
    class.count_max = 1;
    first = spawn(actors, &class);
    second = spawn(actors, &class);
    CHECK_OK(rt_actors_monitor(actors, first, watched));
    CHECK_OK(rt_actors_monitor(actors, second, watched));
    send_note(actors, first, 1); // full, which does not matter
    CHECK_OK(rt_actors_stop(actors, watched, RT_EBUSY));
    CHECK_OK(rt_actors_monitor(actors, first, watched)); // too late
    CHECK_INT(run_at(actors, 0), -1);
    CHECK_INT(seen.note_count, 4);
    check_note(0, first, 1);
    check_down(1, first, watched, RT_EBUSY);
    check_down(2, first, watched, RT_ENOTFOUND);
    check_down(3, second, watched, RT_EBUSY);
    rt_actors_free(actors);
}

static rt_err
act_stop_and_flood(rt_actors *actors, puppet *p, const order *o)
{
    const order flood = {.whom = {o->value}, .value = 100};
    rt_err err = rt_actors_stop(actors, o->whom, RT_OK);

    return err == RT_OK ? act_flood(actors, p, &flood) : err;
}

static void
test_mail_overflow_never_drops_a_down(void **state)
{
    rt_actors *actors = fixture_new(fixture_config());
    rt_actor_class class = puppet_class;
    rt_actor_id watcher;
    rt_actor_id watched = spawn(actors, &puppet_class);

    (void)state;
    class.count_max = 2;
    class.overflow = RT_OVERFLOW_DROP_OLDEST;
    watcher = spawn(actors, &class);
    CHECK_OK(rt_actors_monitor(actors, watcher, watched));
    CHECK_OK(rt_actors_stop(actors, watched, RT_OK));
    for (uint64_t i = 1; i <= 4; i++) {
        send_note(actors, watcher, i);
    }
    CHECK_INT(seen.letter_count, 2);
    CHECK_INT(run_at(actors, 0), -1);
    check_down(0, watcher, watched, RT_OK);
    check_note(1, watcher, 3);
    check_note(2, watcher, 4);
    // The same when what is dropped is the last in the mailbox: all come from one handler.
    watched = spawn(actors, &puppet_class);
    CHECK_OK(rt_actors_monitor(actors, watcher, watched));

    send_order(actors, spawn(actors, &puppet_class),
               (order){.act = act_stop_and_flood, .whom = watched, .value = watcher.v});
    CHECK_INT(run_at(actors, 1), -1);
    check_down(3, watcher, watched, RT_OK);
    check_note(4, watcher, 98);
    check_note(5, watcher, 99);
    CHECK_INT(seen.note_count, 6);
    rt_actors_free(actors);
}

static void
test_mail_failed_down_is_tried_again(void **state)
{
    rt_actors *actors = fixture_new(fixture_config());
    rt_actor_class class = puppet_class;
    rt_actor_id watcher;
    rt_actor_id watched = spawn(actors, &puppet_class);

    (void)state;
    class.count_max = 2;
    class.overflow = RT_OVERFLOW_DROP_OLDEST;
    watcher = spawn(actors, &class);
    send_order(actors, watcher, (order){.fails = RT_EIO});
    CHECK_INT(run_at(actors, 0), 10 * MS);
    CHECK_INT(run_at(actors, 10 * MS), 30 * MS);
    CHECK_INT(run_at(actors, 30 * MS), -1); // given up; a restart is due
    CHECK_OK(rt_actors_monitor(actors, watcher, watched));
    CHECK_OK(rt_actors_stop(actors, watched, RT_OK));
    seen.init_fails = RT_EIO;
    CHECK_INT(run_at(actors, 40 * MS), 120 * MS);
    CHECK_INT(rt_actors_waiting(actors, watcher), 0);
    for (uint64_t i = 1; i <= 3; i++) { // behind it, and without its tries
        send_note(actors, watcher, i);
    }
    CHECK_INT(seen.letter_count, 2);
    CHECK_INT(run_at(actors, 120 * MS), 280 * MS);
    CHECK_INT(seen.failures[4].tries, 2);
    seen.init_fails = RT_OK;
    CHECK_INT(run_at(actors, 280 * MS), -1);
    check_down(0, watcher, watched, RT_OK);
    check_note(1, watcher, 2);
    check_note(2, watcher, 3);
    rt_actors_free(actors);
}

static void
test_mail_linked_actors_go_together_unless_they_listen(void **state)
{
    rt_actors *actors = fixture_new(fixture_config());
    rt_actor_class deaf = deaf_class();
    rt_actor_class mute = {.name = "mute", .count_max = 1};
    rt_actor_id chain[4] = {spawn(actors, &deaf), spawn(actors, &mute), spawn(actors, &deaf),
                            spawn(actors, &puppet_class)};

    (void)state;
    for (int i = 0; i < 3; i++) {
        CHECK_OK(rt_actors_link(actors, chain[i], chain[i + 1]));
    }
    CHECK_OK(rt_actors_stop(actors, chain[0], RT_EIO));
    CHECK_INT(run_at(actors, 0), -1);
    CHECK_FALSE(rt_actors_is_alive(actors, chain[1]));
    CHECK_FALSE(rt_actors_is_alive(actors, chain[2]));
    CHECK_TRUE(rt_actors_is_alive(actors, chain[3]));
    check_down(0, chain[3], chain[2], RT_EIO);
    chain[0] = spawn(actors, &deaf);
    CHECK_OK(rt_actors_link(actors, chain[0], chain[3]));
    CHECK_OK(rt_actors_stop(actors, chain[3], RT_OK)); // an end without trouble
    CHECK_INT(run_at(actors, 0), -1);
    CHECK_TRUE(rt_actors_is_alive(actors, chain[0]));
    rt_actors_free(actors);
}

static void
test_mail_watches_of_the_gone_do_not_pile_up(void **state)
{
    rt_actors *actors = fixture_new(fixture_config());
    rt_actor_id watched = spawn(actors, &puppet_class);
    rt_actor_id faithful[100];
    size_t before = 0;

    (void)state;
    for (size_t i = 0; i < RT_COUNT(faithful); i++) {
        faithful[i] = spawn(actors, &puppet_class);
        CHECK_OK(rt_actors_monitor(actors, faithful[i], watched));
    }
    for (int i = 0; i < 20000; i++) {
        rt_actor_id fleeting = spawn(actors, &puppet_class);

        CHECK_OK(rt_actors_monitor(actors, fleeting, watched));
        CHECK_OK(rt_actors_stop(actors, fleeting, RT_OK));
        before = i == 1000 ? rt_actors_figures_of(actors).memory_bytes : before;
    }
    CHECK_INT(rt_actors_figures_of(actors).memory_bytes, before);
    CHECK_OK(rt_actors_stop(actors, watched, RT_OK));
    CHECK_INT(run_at(actors, 0), -1);
    CHECK_INT(seen.note_count, RT_COUNT(faithful));
    for (size_t i = 0; i < RT_COUNT(faithful); i++) {
        check_down(i, faithful[i], watched, RT_OK);
    }
    rt_actors_free(actors);
}

static rt_err
act_stop_then_monitor(rt_actors *actors, puppet *p, const order *o)
{
    rt_err err = act_stop(actors, p, o);

    return err == RT_OK ? rt_actors_monitor(actors, o->whom, rt_actors_self(actors)) : err;
}

static void
test_mail_watches_all_gone_are_swept_to_nothing(void **state)
{
    rt_actors *actors = fixture_new(fixture_config());
    rt_actor_id watched = spawn(actors, &puppet_class);

    (void)state;
    for (int i = 0; i < 16; i++) { // each is gone when its watch begins, the last one's too
        send_order(actors, watched, (order){.act = act_stop_then_monitor,
                                            .whom = spawn(actors, &puppet_class)});
    }
    CHECK_INT(run_at(actors, 0), -1);
    CHECK_INT(rt_actors_figures_of(actors).actors, 1);
    CHECK_OK(rt_actors_stop(actors, watched, RT_OK));
    CHECK_INT(run_at(actors, 0), -1);
    CHECK_INT(seen.note_count, 0);
    rt_actors_free(actors);
}

static void
test_mail_without_memory_nothing_is_half_done(void **state)
{
    rt_actors_config config = fixture_config();
    rt_actors *actors = NULL;
    rt_actor_id a;
    rt_actor_id b;
    rt_err err = RT_OK;
    uint64_t value = 0;

    (void)state;
    config.memory_bytes_max = 2u << 20;
    actors = fixture_new(config);
    a = spawn(actors, &puppet_class);
    b = spawn(actors, &puppet_class);
    send_order(actors, a, (order){.act = act_stop, .whom = b});
    send_note(actors, b, 1); // the one small block that will be free again
    while (err == RT_OK) {
        err = rt_actors_send_at(actors, b, NOTE, bytes_of(&value, sizeof(value)), 1 * S);
    }
    CHECK_INT(err, RT_ENOMEM);
    CHECK_ERR(rt_actors_monitor(actors, a, b), RT_ENOMEM);
    CHECK_ERR(rt_actors_link(actors, a, b), RT_ENOMEM);
    CHECK_INT(run_at(actors, 0), 1 * S); // to ask for b's stop takes memory, too
    CHECK_INT(seen.failure_count, 1);
    CHECK_INT(seen.failures[0].cause, RT_ENOMEM);
    CHECK_TRUE(seen.failures[0].is_stopped); // and so does a supervisor
    CHECK_FALSE(rt_actors_is_alive(actors, a));
    CHECK_TRUE(rt_actors_is_alive(actors, b));
    CHECK_ERR(rt_actors_link(actors, b, b), RT_ENOMEM); // one block of two
    CHECK_OK(rt_actors_monitor(actors, b, b)); // it came back
    rt_actors_free(actors);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mail_payload_is_a_copy_of_any_size),
        cmocka_unit_test(test_mail_warm_messages_allocate_nothing),
        cmocka_unit_test(test_mail_full_mailbox_refuses_by_count_and_by_bytes),
        cmocka_unit_test(test_mail_sender_in_a_handler_learns_at_once_that_it_is_full),
        cmocka_unit_test(test_mail_overflow_drops_oldest_and_tells),
        cmocka_unit_test(test_mail_overflow_takes_the_tries_of_the_message_it_drops),
        cmocka_unit_test(test_mail_wrong_addresses_and_types_are_refused),
        cmocka_unit_test(test_mail_watchers_are_told_once_each_in_order),
        cmocka_unit_test(test_mail_overflow_never_drops_a_down),
        cmocka_unit_test(test_mail_failed_down_is_tried_again),
        cmocka_unit_test(test_mail_linked_actors_go_together_unless_they_listen),
        cmocka_unit_test(test_mail_watches_of_the_gone_do_not_pile_up),
        cmocka_unit_test(test_mail_watches_all_gone_are_swept_to_nothing),
        cmocka_unit_test(test_mail_without_memory_nothing_is_half_done),
    };

    return CHECK_RUN(tests);
}
