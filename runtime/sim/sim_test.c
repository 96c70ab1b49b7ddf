// Tests of the simulated world: order, time, threads, links, faults, and that a seed decides all.

#include <signal.h>

#include "runtime/seam/clock.h"
#include "runtime/seam/entropy.h"
#include "runtime/sim/sim.h"
#include "tests/harness/check.h"

#define MESSAGES 200u
#define NOTES_MAX 256

static const rt_net_limits limits = {1024, 16, 8};

// What happened, as a string of letters in their order.
typedef struct notes {
    char text[NOTES_MAX];
    size_t len;
} notes;

static void
note(notes *n, char what)
{
    assert_true(n->len + 1 < NOTES_MAX);
    n->text[n->len] = what;
    n->len++;
}

typedef struct noter {
    notes *notes;
    char what;
    rt_timer *timer;
    rt_loop *loop;
} noter;

static void
on_note(void *user)
{
    noter *n = user;

    note(n->notes, n->what);
}

// --- time -----------------------------------------------------------------------------------

static void
test_timers_run_in_order_of_time_and_then_of_start(void **state)
{
    notes n = {0};
    noter a = {.notes = &n, .what = 'a'};
    noter b = {.notes = &n, .what = 'b'};
    noter c = {.notes = &n, .what = 'c'};
    noter t = {.notes = &n, .what = '.'};
    rt_loop *loop = NULL;

    (void)state;
    sim_reset(7);
    loop = rt_loop_new();
    rt_loop_on_turn(loop, on_note, &t);
    rt_timer_start(rt_timer_new(loop, on_note, &c), 20, 0);
    rt_timer_start(rt_timer_new(loop, on_note, &a), 10, 0);
    rt_timer_start(rt_timer_new(loop, on_note, &b), 10, 0);

    sim_run_until(9);
    CHECK_CSTR(n.text, "");
    sim_run_until(100);

    CHECK_CSTR(n.text, "ab.c."); // one turn per burst
    CHECK_INT(sim_now_ms(), 100);
    CHECK_INT(rt_clock_mono_us(), 100000);
    CHECK_INT(rt_clock_wall_ms(), SIM_WALL_START_MS + 100);
}

static void
stop_third_time(void *user)
{
    noter *n = user;

    note(n->notes, n->what);
    if (n->notes->len == 3) {
        rt_timer_stop(n->timer);
    }
}

static void
test_repeating_timer_stops_and_idle_ignores_it(void **state)
{
    notes n = {0};
    noter a = {.notes = &n, .what = 'a'};
    rt_loop *loop = NULL;

    (void)state;
    sim_reset(7);
    loop = rt_loop_new();
    a.timer = rt_timer_new(loop, stop_third_time, &a);
    rt_timer_start(a.timer, 10, 10);

    CHECK_TRUE(sim_run_until_idle(1000)); // nothing but a tick: idle at once
    CHECK_INT(sim_now_ms(), 0);
    sim_advance_ms(1000);

    CHECK_CSTR(n.text, "aaa");
    rt_timer_free(a.timer);
}

static void
rearm(void *user)
{
    noter *n = user;

    rt_timer_start(n->timer, 0, 0);
}

static void
test_idle_gives_up_at_its_bound(void **state)
{
    noter a = {0};
    rt_loop *loop = NULL;

    (void)state;
    sim_reset(7);
    loop = rt_loop_new();
    a.timer = rt_timer_new(loop, rearm, &a);
    rt_timer_start(a.timer, 1, 0);

    CHECK_FALSE(sim_run_until_idle(50));
    CHECK_INT(sim_now_ms(), 50);
}

static void
test_wall_clock_steps_without_the_monotonic_one(void **state)
{
    (void)state;
    sim_reset(7);
    sim_advance_ms(5);
    sim_set_wall_ms(1000);
    sim_advance_ms(5);

    CHECK_INT(rt_clock_wall_ms(), 1005);
    CHECK_INT(rt_clock_mono_us(), 10000);
}

static void
send_twice(void *user)
{
    rt_wake *wake = user;

    rt_wake_send(wake);
    rt_wake_send(wake);
}

static void
test_wakes_coalesce(void **state)
{
    notes n = {0};
    noter a = {.notes = &n, .what = 'w'};
    rt_loop *loop = NULL;
    rt_wake *wake = NULL;

    (void)state;
    sim_reset(7);
    loop = rt_loop_new();
    wake = rt_wake_new(loop, on_note, &a);
    send_twice(wake);
    CHECK_TRUE(sim_run_until_idle(10));
    send_twice(wake);
    CHECK_TRUE(sim_run_until_idle(10));

    CHECK_CSTR(n.text, "ww");
    rt_wake_free(wake);
}

// --- loops and threads ----------------------------------------------------------------------

static void
on_stop(void *user)
{
    noter *n = user;

    note(n->notes, n->what);
    rt_loop_stop(n->loop);
}

static void
body(void *user)
{
    noter *n = user;

    n->loop = rt_loop_new();
    n->timer = rt_timer_new(n->loop, on_stop, n);
    rt_timer_start(n->timer, 30, 0);
    rt_loop_run(n->loop);
    rt_loop_free(n->loop); // takes effect when it stops
    note(n->notes, 'b');
}

static void
test_thread_body_returns_at_once_and_its_loop_runs_on(void **state)
{
    notes n = {0};
    noter thread_side = {.notes = &n, .what = 't'};
    noter main_side = {.notes = &n, .what = 'm'};
    rt_thread *thread = NULL;

    (void)state;
    sim_reset(7);
    main_side.loop = rt_loop_new();
    main_side.timer = rt_timer_new(main_side.loop, on_stop, &main_side);
    rt_timer_start(main_side.timer, 10, 0);
    thread = rt_thread_start("t", body, &thread_side);

    rt_loop_run(main_side.loop);
    CHECK_CSTR(n.text, "bm");
    CHECK_INT(sim_now_ms(), 10);
    rt_thread_join(thread);

    CHECK_CSTR(n.text, "bmt");
    CHECK_INT(sim_now_ms(), 30);
}

static void
test_stopped_loop_keeps_what_is_due_until_it_runs_again(void **state)
{
    notes n = {0};
    noter stopper = {.notes = &n, .what = 's'};
    noter late = {.notes = &n, .what = 'l'};

    (void)state;
    sim_reset(7);
    stopper.loop = rt_loop_new();
    stopper.timer = rt_timer_new(stopper.loop, on_stop, &stopper);
    rt_timer_start(stopper.timer, 10, 0);
    rt_timer_start(rt_timer_new(stopper.loop, on_note, &late), 20, 0);
    rt_loop_run(stopper.loop);
    sim_run_until(100);
    CHECK_CSTR(n.text, "s");

    rt_timer_start(stopper.timer, 10, 0);
    rt_loop_run(stopper.loop);

    CHECK_CSTR(n.text, "sls");
    CHECK_INT(sim_now_ms(), 110);
}

static void
test_timer_held_by_a_stopped_loop_can_be_stopped(void **state)
{
    notes n = {0};
    noter stopper = {.notes = &n, .what = 's'};
    noter never = {.notes = &n, .what = 'n'};

    (void)state;
    sim_reset(7);
    stopper.loop = rt_loop_new();
    stopper.timer = rt_timer_new(stopper.loop, on_stop, &stopper);
    never.timer = rt_timer_new(stopper.loop, on_note, &never);
    rt_timer_start(stopper.timer, 10, 0);
    rt_timer_start(never.timer, 20, 0);
    rt_loop_run(stopper.loop);
    sim_run_until(100);
    rt_timer_stop(never.timer);
    rt_timer_start(stopper.timer, 10, 0);
    rt_loop_run(stopper.loop);

    CHECK_CSTR(n.text, "ss");
    CHECK_TRUE(sim_run_until_idle(1000)); // the count of what is under way is right
    CHECK_INT(sim_now_ms(), 110);
}

static void
on_signal(void *user, int signo)
{
    noter *n = user;

    note(n->notes, signo == SIGTERM ? 'T' : '?');
}

static void
test_signal_is_delivered_on_the_loop(void **state)
{
    notes n = {0};
    noter a = {.notes = &n};

    (void)state;
    sim_reset(7);
    rt_loop_on_signal(rt_loop_new(), SIGTERM, on_signal, &a);
    sim_signal(SIGHUP);
    sim_signal(SIGTERM);
    CHECK_CSTR(n.text, "");
    CHECK_TRUE(sim_run_until_idle(1));

    CHECK_CSTR(n.text, "T");
}

// --- a small world: two loops over a link ---------------------------------------------------

typedef struct world_side {
    rt_loop *loop;
    rt_link *link;
    uint32_t to_send;
    uint32_t next_in;
    uint32_t ups;
    uint32_t downs;
    uint32_t full;
    uint32_t unsent;
    bool any_order;
    bool echoes;
} world_side;

static void
send_some(world_side *side)
{
    while (side->to_send > 0) {
        uint32_t number = MESSAGES - side->to_send;
        rt_err err = rt_link_send(side->link, (rt_bytes){(const uint8_t *)&number, 4});

        if (err != RT_OK) {
            side->full += err == RT_EFULL ? 1 : 0;
            break;
        }
        side->to_send--;
    }
}

static void
on_up(void *user)
{
    world_side *side = user;

    side->ups++;
    send_some(side);
}

static void
on_down(void *user)
{
    world_side *side = user;

    side->downs++;
    CHECK_ERR(rt_link_send(side->link, (rt_bytes){(const uint8_t *)"x", 1}), RT_ECLOSED);
}

static void
on_turn(void *user)
{
    send_some(user);
}

static void
on_parcel(void *user, rt_parcel *parcel, rt_bytes got)
{
    world_side *side = user;

    CHECK_INT(got.len, 4);
    CHECK_TRUE(side->ups > side->downs);
    if (!side->any_order) {
        CHECK_TRUE(memcmp(got.ptr, &side->next_in, 4) == 0);
    }
    side->next_in++;
    if (side->echoes && side->next_in % 4 == 0) { // gives the other side a turn
        side->unsent += rt_link_send(side->link, got) == RT_OK ? 0 : 1;
    }
    rt_parcel_free(parcel);
}

static void
connect_sides(world_side *a, world_side *b)
{
    a->loop = rt_loop_new();
    b->loop = rt_loop_new();
    rt_loop_on_turn(a->loop, on_turn, a);
    CHECK_OK(rt_link_dial(a->loop, "inproc://w", limits,
                          (rt_link_events){on_parcel, on_up, on_down, a}, &a->link));
    CHECK_OK(rt_link_listen(b->loop, "inproc://w", limits,
                            (rt_link_events){on_parcel, on_up, on_down, b}, &b->link));
    a->any_order = true; // echoes are every fourth number
    b->echoes = true;
}

static void
test_link_keeps_order_and_is_bounded(void **state)
{
    world_side a = {.to_send = MESSAGES};
    world_side b = {0};

    (void)state;
    sim_reset(7);
    connect_sides(&a, &b);
    CHECK_ERR(rt_link_send(a.link, (rt_bytes){(const uint8_t *)"x", 1}), RT_ECLOSED);
    CHECK_TRUE(sim_run_until_idle(60000));

    CHECK_INT(b.next_in, MESSAGES);
    CHECK_INT(a.next_in, MESSAGES / 4);
    CHECK_INT(a.ups, 1);
    CHECK_TRUE(a.full > 0);
    CHECK_INT(b.unsent, 0);
    CHECK_U64(rt_link_stats(b.link).messages_in, MESSAGES);
}

static void
test_cut_link_goes_down_and_comes_back(void **state)
{
    world_side a = {0};
    world_side b = {0};

    (void)state;
    sim_reset(7);
    connect_sides(&a, &b);
    sim_run_until(10);
    sim_net_cut("inproc://w");
    sim_net_block("inproc://w", true);
    sim_advance_ms(1000);
    CHECK_INT(a.downs, 1);
    CHECK_INT(b.downs, 1);
    CHECK_INT(a.ups, 1);

    sim_net_block("inproc://w", false);
    sim_advance_ms(10000);

    CHECK_INT(a.ups, 2);
    CHECK_INT(b.ups, 2);
}

static void
test_peer_of_a_freed_loop_sees_it_go_and_the_address_is_free(void **state)
{
    world_side a = {0};
    world_side b = {0};
    world_side c = {0};

    (void)state;
    sim_reset(7);
    connect_sides(&a, &b);
    sim_run_until(10);
    rt_loop_free(b.loop); // as a crash: nothing was closed
    sim_advance_ms(10);
    CHECK_INT(a.downs, 1);
    CHECK_INT(b.downs, 0);

    c.loop = rt_loop_new();
    CHECK_OK(rt_link_listen(c.loop, "inproc://w", limits,
                            (rt_link_events){on_parcel, on_up, on_down, &c}, &c.link));
    sim_advance_ms(1000);
    CHECK_INT(a.ups, 2);
    CHECK_INT(c.ups, 1);
}

static void
test_frozen_loop_does_nothing_until_it_is_let_go(void **state)
{
    notes n = {0};
    noter sleeper = {.notes = &n, .what = 'z'};
    noter other = {.notes = &n, .what = 'o'};
    rt_loop *loop = NULL;

    (void)state;
    sim_reset(7);
    loop = rt_loop_new();
    rt_timer_start(rt_timer_new(loop, on_note, &sleeper), 10, 0);
    rt_timer_start(rt_timer_new(rt_loop_new(), on_note, &other), 20, 0);
    sim_loop_freeze(loop, true);
    sim_run_until(100);
    CHECK_CSTR(n.text, "o");

    sim_loop_freeze(loop, false);
    sim_run_until(200);
    CHECK_CSTR(n.text, "oz");
}

static void
test_injected_message_reaches_the_end_it_is_meant_for(void **state)
{
    world_side a = {.any_order = true}; // dials
    world_side b = {.any_order = true};
    uint32_t number = 7;
    rt_bytes body = {(const uint8_t *)&number, sizeof(number)};

    (void)state;
    sim_reset(7);
    CHECK_TRUE(!sim_net_inject("inproc://w", true, body));
    connect_sides(&a, &b);
    sim_advance_ms(1000);
    CHECK_TRUE(sim_net_inject("inproc://w", false, body));
    sim_advance_ms(10);
    CHECK_INT(a.next_in, 1);
    CHECK_INT(b.next_in, 0);
    CHECK_TRUE(sim_net_inject("inproc://w", true, body));
    sim_advance_ms(10);
    CHECK_INT(a.next_in, 1);
    CHECK_INT(b.next_in, 1);
}

static uint64_t
stormy_run(uint64_t seed)
{
    world_side a = {.to_send = MESSAGES};
    world_side b = {.any_order = true};
    uint8_t random[8] = {0};

    sim_reset(seed);
    sim_net_set_faults((sim_net_faults){0.05, 0.05, 0.01, 10, 5000, 0.05});
    connect_sides(&a, &b);
    sim_run_until(60000);
    rt_entropy(random, sizeof(random));
    sim_trace_mix((rt_bytes){random, sizeof(random)});
    return sim_trace_hash();
}

static void
test_seed_decides_everything(void **state)
{
    uint64_t first = stormy_run(42);

    (void)state;
    CHECK_U64(stormy_run(42), first);
    CHECK_TRUE(stormy_run(43) != first);
    CHECK_TRUE(stormy_run(44) != first);
    CHECK_U64(stormy_run(42), first);
}

static int
forget_all(void **state)
{
    (void)state;
    sim_reset(0); // gives back what the last test left
    return 0;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_timers_run_in_order_of_time_and_then_of_start),
        cmocka_unit_test(test_repeating_timer_stops_and_idle_ignores_it),
        cmocka_unit_test(test_idle_gives_up_at_its_bound),
        cmocka_unit_test(test_wall_clock_steps_without_the_monotonic_one),
        cmocka_unit_test(test_wakes_coalesce),
        cmocka_unit_test(test_thread_body_returns_at_once_and_its_loop_runs_on),
        cmocka_unit_test(test_stopped_loop_keeps_what_is_due_until_it_runs_again),
        cmocka_unit_test(test_timer_held_by_a_stopped_loop_can_be_stopped),
        cmocka_unit_test(test_signal_is_delivered_on_the_loop),
        cmocka_unit_test(test_link_keeps_order_and_is_bounded),
        cmocka_unit_test(test_cut_link_goes_down_and_comes_back),
        cmocka_unit_test(test_peer_of_a_freed_loop_sees_it_go_and_the_address_is_free),
        cmocka_unit_test(test_frozen_loop_does_nothing_until_it_is_let_go),
        cmocka_unit_test(test_injected_message_reaches_the_end_it_is_meant_for),
        cmocka_unit_test(test_seed_decides_everything),
    };

    return cmocka_run_group_tests(tests, NULL, forget_all);
}
