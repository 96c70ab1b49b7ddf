// Tests of the run: order, turns, time, failures.
#include "runtime/actor/system.h"

#include "runtime/actor/actor_fixture.h"

static void
test_system_takes_messages_in_order_of_sending(void **state)
{
    rt_actors *actors = fixture_new(fixture_config());
    rt_actor_id a = spawn(actors, &puppet_class);
    rt_actor_id b = spawn(actors, &puppet_class);

    (void)state;
    send_note(actors, b, 1);
    send_note(actors, a, 2);
    send_note(actors, b, 3);
    CHECK_INT(seen.note_count, 0); // nothing happens before the run
    CHECK_INT(rt_actors_waiting(actors, b), 2);
    CHECK_INT(rt_actors_run(actors, 5), -1);
    CHECK_INT(rt_actors_now_us(actors), 5);
    CHECK_INT(seen.note_count, 3);
    check_note(0, b, 1);
    check_note(1, b, 3);
    check_note(2, a, 2);
    CHECK_U64(seen.notes[0].from, 0);
    CHECK_U64(rt_actors_self(actors).v, 0);
    CHECK_INT(rt_actors_waiting(actors, b), 0);
    CHECK_INT(rt_actors_figures_of(actors).taken, 3);
    rt_actors_free(actors);
    rt_actors_free(NULL);
}

static rt_err
act_relay(rt_actors *actors, puppet *p, const order *o)
{
    (void)p;
    for (uint64_t i = 0; i < 3; i++) {
        rt_err err = try_note(actors, o->whom, o->value + i);

        if (err != RT_OK) {
            return err;
        }
    }
    return RT_OK;
}

static void
test_system_sends_of_a_handler_follow_it_and_name_it(void **state)
{
    rt_actors *actors = fixture_new(fixture_config());
    rt_actor_id a = spawn(actors, &puppet_class);
    rt_actor_id b = spawn(actors, &puppet_class);

    (void)state;
    send_order(actors, a, (order){.act = act_relay, .whom = b, .value = 10});
    send_order(actors, b, (order){.act = act_relay, .whom = b, .value = 20}); // to itself
    CHECK_INT(run_at(actors, 0), -1);
    CHECK_INT(seen.note_count, 6);
    check_note(0, b, 10);
    check_note(1, b, 11);
    check_note(2, b, 12);
    check_note(3, b, 20);
    CHECK_U64(seen.notes[0].from, a.v);
    CHECK_U64(seen.notes[3].from, b.v);
    rt_actors_free(actors);
}

static void
test_system_busy_actor_yields_after_its_turn(void **state)
{
    rt_actors_config config = fixture_config();
    rt_actors *actors = NULL;
    rt_actor_id busy;
    rt_actor_id other;

    (void)state;
    config.turn_messages_max = 3;
    config.run_messages_max = 5;
    actors = fixture_new(config);
    busy = spawn(actors, &puppet_class);
    other = spawn(actors, &puppet_class);
    for (uint64_t i = 0; i < 7; i++) {
        send_note(actors, busy, i);
    }
    send_note(actors, other, 100);
    CHECK_INT(rt_actors_run(actors, 9), 9); // more to do
    CHECK_INT(seen.note_count, 5);
    check_note(2, busy, 2);
    check_note(3, other, 100);
    check_note(4, busy, 3);
    CHECK_INT(rt_actors_run(actors, 9), -1);
    check_note(7, busy, 6);
    rt_actors_free(actors);
}

// One that keeps itself busy for ever does not keep the others from working.
static rt_err
act_again(rt_actors *actors, puppet *p, const order *o)
{
    (void)p;
    return rt_actors_send(actors, rt_actors_self(actors), ACT, bytes_of(o, sizeof(*o)));
}

static void
test_system_endless_actor_starves_nobody(void **state)
{
    rt_actors *actors = fixture_new(fixture_config());
    rt_actor_id endless = spawn(actors, &puppet_class);
    rt_actor_id others[100];

    (void)state;
    send_order(actors, endless, (order){.act = act_again});
    for (size_t i = 0; i < RT_COUNT(others); i++) {
        others[i] = spawn(actors, &puppet_class);
        send_note(actors, others[i], i);
    }
    CHECK_INT(rt_actors_run(actors, 0), 0);
    CHECK_INT(seen.note_count, 100);
    rt_actors_free(actors);
}

static rt_err
act_retry(rt_actors *actors, puppet *p, const order *o)
{
    rt_err err = try_note(actors, o->whom, o->value);

    p->sum++; // tries
    if (err == RT_EFULL) {
        return act_again(actors, p, o);
    }
    log_note((note){rt_actors_self(actors).v, 0, p->sum, false});
    return err;
}

static void
test_system_sender_that_goes_on_later_lets_the_full_one_work_first(void **state)
{
    rt_actors *actors = fixture_new(fixture_config());
    rt_actor_class class = puppet_class;
    rt_actor_id sender = spawn(actors, &puppet_class);
    rt_actor_id full;

    (void)state;
    class.count_max = 1;
    full = spawn(actors, &class);
    send_order(actors, sender, (order){.act = act_retry, .whom = full, .value = 2});
    send_note(actors, full, 1);
    CHECK_INT(run_at(actors, 0), -1);
    CHECK_INT(seen.note_count, 3);
    check_note(0, full, 1);
    check_note(1, sender, 2); // it tried twice, not all turn long
    check_note(2, full, 2);
    rt_actors_free(actors);
}

// --- time -----------------------------------------------------------------------------------

static rt_err
act_later(rt_actors *actors, puppet *p, const order *o)
{
    (void)p;
    return rt_actors_send_at(actors, o->whom, NOTE, bytes_of(&o->value, sizeof(o->value)),
                             rt_actors_now_us(actors) + (int64_t)o->value * MS);
}

static void
note_at(rt_actors *actors, rt_actor_id to, uint64_t value, int64_t at_us)
{
    CHECK_OK(rt_actors_send_at(actors, to, NOTE, bytes_of(&value, sizeof(value)), at_us));
}

static void
test_system_timers_come_in_order_of_time_then_of_asking(void **state)
{
    rt_actors *actors = fixture_new(fixture_config());
    rt_actor_id a = spawn(actors, &puppet_class);
    rt_actor_id b = spawn(actors, &puppet_class);

    (void)state;
    note_at(actors, a, 1, 30 * MS);
    note_at(actors, a, 2, 20 * MS);
    note_at(actors, b, 3, 20 * MS);
    note_at(actors, a, 4, 20 * MS);
    send_order(actors, a, (order){.act = act_later, .whom = b, .value = 25});
    CHECK_INT(rt_actors_figures_of(actors).timers, 4);
    CHECK_INT(run_at(actors, 1 * MS), 20 * MS);
    CHECK_INT(run_at(actors, 20 * MS - 1), 20 * MS);
    CHECK_INT(seen.note_count, 0);
    CHECK_INT(run_at(actors, 20 * MS), 26 * MS);
    CHECK_INT(seen.note_count, 3);
    check_note(0, a, 2);
    check_note(1, a, 4);
    check_note(2, b, 3);
    CHECK_INT(run_at(actors, 40 * MS), -1); // late: both at once, the earlier one first
    check_note(3, b, 25);
    check_note(4, a, 1);
    CHECK_INT(rt_actors_figures_of(actors).timers, 0);
    rt_actors_free(actors);
}

static void
test_system_timers_are_bounded_and_fire_in_portions(void **state)
{
    rt_actors_config config = fixture_config();
    rt_actors *actors = NULL;
    rt_actor_id a;
    uint64_t value = 9;

    (void)state;
    config.timers_max = 4;
    config.run_messages_max = 2;
    actors = fixture_new(config);
    a = spawn(actors, &puppet_class);
    for (uint64_t i = 0; i < 4; i++) {
        note_at(actors, a, i, 10);
    }
    CHECK_ERR(rt_actors_send_at(actors, a, NOTE, bytes_of(&value, 8), 10), RT_EFULL);
    CHECK_INT(rt_actors_run(actors, 10), 10);
    CHECK_INT(seen.note_count, 2);
    CHECK_INT(run_at(actors, 10), -1);
    CHECK_INT(seen.note_count, 4);
    rt_actors_free(actors);
}

static void
test_system_timer_for_one_that_cannot_take_it_is_a_dead_letter(void **state)
{
    rt_actors *actors = fixture_new(fixture_config());
    rt_actor_class class = puppet_class;
    rt_actor_id gone = spawn(actors, &puppet_class);
    rt_actor_id full;

    (void)state;
    class.count_max = 1;
    full = spawn(actors, &class);
    note_at(actors, gone, 1, 10);
    note_at(actors, full, 2, 10);
    note_at(actors, full, 3, 10);
    CHECK_OK(rt_actors_stop(actors, gone, RT_OK));
    CHECK_ERR(rt_actors_send_at(actors, gone, NOTE, bytes_of(NULL, 0), 10), RT_ENOTFOUND);
    CHECK_INT(run_at(actors, 10), -1);
    CHECK_INT(seen.letter_count, 2);
    check_letter(0, gone, 1, RT_ENOTFOUND, 0);
    CHECK_TRUE(seen.letters[0].class_name == NULL);
    check_letter(1, full, 3, RT_EFULL, 0);
    CHECK_CSTR(seen.letters[1].class_name, "puppet");
    CHECK_INT(seen.note_count, 1);
    note_at(actors, full, 4, 99); // not waited for
    rt_actors_free(actors);
}

// --- failures -------------------------------------------------------------------------------

static void
test_system_failed_actor_rests_and_tries_again_with_fresh_state(void **state)
{
    rt_actors *actors = fixture_new(fixture_config());
    rt_actor_id a = spawn(actors, &puppet_class);
    rt_supervisor_state status = RT_SUPERVISOR_QUARANTINED;

    (void)state;
    CHECK_OK(rt_actors_state(actors, a, &status));
    CHECK_INT(status, RT_SUPERVISOR_RUNNING);
    send_order(actors, a, (order){.fails = RT_ECRASH});
    send_note(actors, a, 7);
    CHECK_INT(run_at(actors, 0), 10 * MS);
    CHECK_INT(seen.note_count, 0); // what waits keeps its place
    CHECK_INT(rt_actors_waiting(actors, a), 2);
    CHECK_OK(rt_actors_state(actors, a, &status));
    CHECK_INT(status, RT_SUPERVISOR_RESTING);
    CHECK_INT(seen.failure_count, 1);
    CHECK_U64(seen.failures[0].who.v, a.v);
    CHECK_INT(seen.failures[0].cause, RT_ECRASH);
    CHECK_INT(seen.failures[0].type, ACT);
    CHECK_INT(seen.failures[0].tries, 1);
    CHECK_FALSE(seen.failures[0].is_given_up);
    CHECK_INT(seen.inits, 1);
    send_note(actors, a, 8); // does not wake it
    CHECK_INT(run_at(actors, 9 * MS), 10 * MS);
    CHECK_INT(run_at(actors, 10 * MS), 30 * MS); // again, for 20 ms
    CHECK_INT(seen.inits, 2);
    CHECK_INT(seen.finis, 1);
    CHECK_INT(run_at(actors, 30 * MS), -1); // the third time gives it up
    CHECK_INT(seen.letter_count, 1);
    CHECK_INT(seen.letters[0].cause, RT_ECRASH);
    CHECK_INT(seen.letters[0].tries, 3);
    CHECK_CSTR(seen.detail, "told to fail");
    CHECK_TRUE(seen.failures[2].is_given_up);
    CHECK_FALSE(seen.failures[2].is_stopped);
    CHECK_INT(seen.note_count, 2);
    check_note(0, a, 7);
    check_note(1, a, 8);
    CHECK_INT(rt_actors_figures_of(actors).restarts, 3);
    CHECK_INT(rt_actors_figures_of(actors).failures, 3);
    CHECK_OK(rt_actors_state(actors, a, &status));
    CHECK_INT(status, RT_SUPERVISOR_RUNNING);
    rt_actors_free(actors);
    CHECK_INT(seen.finis, 4);
}

static void
test_system_actor_that_fails_always_is_quarantined(void **state)
{
    rt_actors *actors = fixture_new(fixture_config());
    rt_actor_id a = spawn(actors, &puppet_class);
    rt_supervisor_state status = RT_SUPERVISOR_RUNNING;
    int64_t now_us = 0;

    (void)state;
    for (int i = 0; i < 3; i++) {
        send_order(actors, a, (order){.fails = RT_EIO});
    }
    send_note(actors, a, 5);
    do {
        now_us = run_at(actors, now_us);
        CHECK_OK(rt_actors_state(actors, a, &status));
    } while (status != RT_SUPERVISOR_QUARANTINED);
    CHECK_INT(seen.failure_count, 6);
    CHECK_INT(seen.letter_count, 2);
    CHECK_INT(seen.failures[5].state, RT_SUPERVISOR_QUARANTINED);
    CHECK_TRUE(now_us >= 60 * S);
    CHECK_INT(run_at(actors, now_us - 1), now_us);
    now_us = run_at(actors, now_us);
    while (now_us > 0) {
        now_us = run_at(actors, now_us);
    }
    CHECK_INT(seen.letter_count, 3);
    check_note(0, a, 5);
    rt_actors_free(actors);
}

static rt_err
act_everything(rt_actors *actors, puppet *p, const order *o)
{
    rt_err err = act_spawn(actors, p, o);

    err = err == RT_OK ? try_note(actors, o->whom, 1) : err;
    err = err == RT_OK ? try_note(actors, p->child, 2) : err;
    err = err == RT_OK ? act_later(actors, p, o) : err;
    err = err == RT_OK ? rt_actors_monitor(actors, o->whom, p->child) : err;
    err = err == RT_OK ? rt_actors_link(actors, o->whom, rt_actors_self(actors)) : err;
    return err == RT_OK ? rt_actors_stop(actors, o->whom, RT_EIO) : err;
}

static void
test_system_failed_handler_leaves_no_trace(void **state)
{
    rt_actors *actors = fixture_new(fixture_config());
    rt_actor_id a = spawn(actors, &puppet_class);
    rt_actor_id b = spawn(actors, &puppet_class);

    (void)state;
    send_order(actors, a, (order){.act = act_everything, .whom = b, .value = 5,
                                  .fails = RT_ECRASH});
    CHECK_INT(run_at(actors, 0), 10 * MS);
    CHECK_INT(rt_actors_waiting(actors, b), 0);
    CHECK_INT(rt_actors_figures_of(actors).timers, 0);
    CHECK_INT(rt_actors_figures_of(actors).actors, 2); // the child went with the failure
    CHECK_INT(run_at(actors, 10 * MS), 30 * MS);
    CHECK_INT(run_at(actors, 30 * MS), -1);
    CHECK_TRUE(rt_actors_is_alive(actors, b));
    CHECK_INT(seen.note_count, 0);
    send_note(actors, b, 3);
    CHECK_OK(rt_actors_stop(actors, a, RT_OK)); // nobody was linked
    CHECK_INT(run_at(actors, 31 * MS), -1);
    CHECK_INT(seen.note_count, 1);
    rt_actors_free(actors);
}

static void
test_system_one_that_is_not_restarted_stops_with_its_error(void **state)
{
    rt_actors *actors = fixture_new(fixture_config());
    rt_actor_class class = puppet_class;
    rt_actor_id watcher = spawn(actors, &puppet_class);
    rt_actor_id a;

    (void)state;
    class.on_failure = RT_ACTOR_STOPS;
    a = spawn(actors, &class);
    CHECK_OK(rt_actors_monitor(actors, watcher, a));
    send_order(actors, a, (order){.fails = RT_EIO});
    send_note(actors, a, 4);
    CHECK_INT(run_at(actors, 0), -1);
    CHECK_FALSE(rt_actors_is_alive(actors, a));
    CHECK_INT(seen.letter_count, 2);
    CHECK_INT(seen.letters[0].cause, RT_EIO);
    CHECK_INT(seen.letters[0].tries, 1);
    check_letter(1, a, 4, RT_ECLOSED, 0);
    CHECK_TRUE(seen.failures[0].is_stopped);
    check_down(0, watcher, a, RT_EIO);
    rt_actors_free(actors);
}

static void
test_system_init_that_fails_after_a_failure_counts_as_one_more(void **state)
{
    rt_actors *actors = fixture_new(fixture_config());
    rt_actor_id a = spawn(actors, &puppet_class);

    (void)state;
    send_order(actors, a, (order){.fails = RT_EIO});
    CHECK_INT(run_at(actors, 0), 10 * MS);
    seen.init_fails = RT_ENOSPC;
    CHECK_INT(run_at(actors, 10 * MS), 30 * MS);
    CHECK_INT(seen.failures[1].cause, RT_ENOSPC);
    CHECK_INT(seen.finis, 1); // none for the init that failed
    seen.init_fails = RT_OK;
    CHECK_INT(run_at(actors, 30 * MS), -1); // init succeeds, the message fails for the third time
    CHECK_INT(seen.failures[2].cause, RT_EIO);
    CHECK_INT(seen.letter_count, 1);
    CHECK_INT(seen.inits, 3);
    CHECK_INT(seen.finis, 1);
    rt_actors_free(actors);
}

static void
test_system_without_memory_to_supervise_stops_the_actor(void **state)
{
    rt_actors *actors = fixture_new(fixture_config());
    rt_actor_id a = spawn(actors, &puppet_class);

    (void)state;
    send_order(actors, a, (order){.fails = RT_EIO});
    rt_alloc_fail_after(1);
    CHECK_INT(run_at(actors, 0), -1);
    rt_alloc_fail_after(0);
    CHECK_FALSE(rt_actors_is_alive(actors, a));
    CHECK_INT(seen.letter_count, 1);
    rt_actors_free(actors);
}

static void
test_system_without_callbacks_counts(void **state)
{
    rt_actors_config config = RT_ACTORS_DEFAULT;
    rt_actors *actors = fixture_new(config);
    rt_actor_id a = spawn(actors, &puppet_class);

    (void)state;
    send_order(actors, a, (order){.fails = RT_EIO});
    CHECK_INT(run_at(actors, 0), 10 * MS);
    CHECK_OK(rt_actors_stop(actors, a, RT_OK));
    CHECK_INT(rt_actors_figures_of(actors).letters, 1);
    CHECK_INT(rt_actors_figures_of(actors).failures, 1);
    CHECK_INT(run_at(actors, 10 * MS), -1); // its rest ends for nobody
    rt_actors_free(actors);
}

static void
test_system_rest_of_a_former_actor_does_not_wake_the_next_one(void **state)
{
    rt_actors *actors = fixture_new(fixture_config());
    rt_actor_id first = spawn(actors, &puppet_class);
    rt_actor_id second;

    (void)state;
    send_order(actors, first, (order){.fails = RT_EIO});
    CHECK_INT(run_at(actors, 0), 10 * MS);
    CHECK_OK(rt_actors_stop(actors, first, RT_OK));
    second = spawn(actors, &puppet_class); // in the same place
    CHECK_INT((uint32_t)second.v, (uint32_t)first.v);
    CHECK_INT(run_at(actors, 4 * MS), 10 * MS);
    send_order(actors, second, (order){.fails = RT_EIO});
    CHECK_INT(run_at(actors, 5 * MS), 10 * MS);
    CHECK_INT(run_at(actors, 10 * MS), 15 * MS); // the end of the first one's rest
    CHECK_INT(seen.failure_count, 2);
    CHECK_INT(run_at(actors, 15 * MS), 35 * MS);
    CHECK_INT(seen.failure_count, 3);
    rt_actors_free(actors);
}

static void
test_system_rest_ends_with_nothing_to_do_when_all_was_dropped(void **state)
{
    rt_actors *actors = fixture_new(fixture_config());
    rt_actor_class class = puppet_class;
    rt_actor_id a;

    (void)state;
    class.count_max = 1;
    class.overflow = RT_OVERFLOW_DROP_OLDEST;
    class.supervision.tries_max = 1;
    class.supervision.failures_max = 1;
    a = spawn(actors, &class);
    send_order(actors, a, (order){.fails = RT_EIO});
    CHECK_INT(run_at(actors, 0), -1);
    send_order(actors, a, (order){.fails = RT_EIO}); // given up and quarantined: nothing waits
    CHECK_INT(run_at(actors, 1), 60 * S + 1);
    CHECK_INT(run_at(actors, 60 * S + 1), -1);
    send_note(actors, a, 1);
    CHECK_INT(run_at(actors, 60 * S + 2), -1);
    CHECK_INT(seen.note_count, 1);
    rt_actors_free(actors);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_system_takes_messages_in_order_of_sending),
        cmocka_unit_test(test_system_sends_of_a_handler_follow_it_and_name_it),
        cmocka_unit_test(test_system_busy_actor_yields_after_its_turn),
        cmocka_unit_test(test_system_endless_actor_starves_nobody),
        cmocka_unit_test(test_system_sender_that_goes_on_later_lets_the_full_one_work_first),
        cmocka_unit_test(test_system_timers_come_in_order_of_time_then_of_asking),
        cmocka_unit_test(test_system_timers_are_bounded_and_fire_in_portions),
        cmocka_unit_test(test_system_timer_for_one_that_cannot_take_it_is_a_dead_letter),
        cmocka_unit_test(test_system_failed_actor_rests_and_tries_again_with_fresh_state),
        cmocka_unit_test(test_system_actor_that_fails_always_is_quarantined),
        cmocka_unit_test(test_system_failed_handler_leaves_no_trace),
        cmocka_unit_test(test_system_one_that_is_not_restarted_stops_with_its_error),
        cmocka_unit_test(test_system_init_that_fails_after_a_failure_counts_as_one_more),
        cmocka_unit_test(test_system_without_memory_to_supervise_stops_the_actor),
        cmocka_unit_test(test_system_without_callbacks_counts),
        cmocka_unit_test(test_system_rest_of_a_former_actor_does_not_wake_the_next_one),
        cmocka_unit_test(test_system_rest_ends_with_nothing_to_do_when_all_was_dropped),
    };

    return CHECK_RUN(tests);
}
