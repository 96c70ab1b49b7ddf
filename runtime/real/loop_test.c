// Tests of the real loop: timers, wake-ups from another thread, turns, signals, letting go.

#include <signal.h>

#include "runtime/seam/clock.h"
#include "runtime/seam/entropy.h"
#include "runtime/seam/loop.h"
#include "tests/harness/check.h"

#define WAKES 100000

typedef struct seen {
    rt_loop *loop;
    rt_timer *timer;
    rt_wake *wake;
    int calls;
    int turns;
    int turns_at_call;
    int signo;
} seen;

static void
stop(void *user)
{
    seen *s = user;

    rt_loop_stop(s->loop);
}

static void
count_turn(void *user)
{
    seen *s = user;

    s->turns++;
}

static void
stop_at_three(void *user)
{
    seen *s = user;

    s->calls++;
    if (s->calls == 3) {
        rt_loop_stop(s->loop);
    }
}

static void
test_timer_repeats_until_the_loop_stops(void **state)
{
    seen s = {.loop = rt_loop_new()};
    rt_timer *timer = rt_timer_new(s.loop, stop_at_three, &s);
    int64_t began_us = rt_clock_mono_us();

    (void)state;
    rt_timer_start(timer, 5, 10);
    rt_loop_run(s.loop);

    CHECK_INT(s.calls, 3);
    CHECK_TRUE(rt_clock_mono_us() - began_us >= 24000);
    rt_timer_free(timer);
    rt_loop_free(s.loop);
}

static void
rearm_with_nothing(void *user)
{
    seen *s = user;

    s->calls++;
    rt_timer_start(s->timer, 0, 0);
}

static void
test_timer_of_zero_does_not_starve_the_loop(void **state)
{
    seen s = {.loop = rt_loop_new()};
    rt_timer *end = rt_timer_new(s.loop, stop, &s);

    (void)state;
    s.timer = rt_timer_new(s.loop, rearm_with_nothing, &s);
    rt_timer_start(s.timer, 0, 0);
    rt_timer_start(end, 50, 0);
    rt_loop_run(s.loop);

    CHECK_TRUE(s.calls >= 2);
    CHECK_TRUE(s.calls <= 51);
    rt_loop_free(s.loop); // with both timers on it
}

static void
test_stopped_and_freed_timers_stay_silent(void **state)
{
    seen s = {.loop = rt_loop_new()};
    seen silent = {.loop = s.loop};
    rt_timer *stopped = rt_timer_new(s.loop, stop_at_three, &silent);
    rt_timer *freed = rt_timer_new(s.loop, stop_at_three, &silent);
    rt_timer *end = rt_timer_new(s.loop, stop, &s);

    (void)state;
    rt_timer_start(stopped, 1, 1);
    rt_timer_start(freed, 1, 1);
    rt_timer_stop(stopped);
    rt_timer_free(freed);
    rt_timer_start(end, 20, 0);
    rt_loop_run(s.loop);

    CHECK_INT(silent.calls, 0);
    rt_loop_free(s.loop);
}

static void
send_wakes(void *user)
{
    seen *s = user;

    for (int i = 0; i < WAKES; i++) {
        rt_wake_send(s->wake);
    }
}

static void
on_wake_stop(void *user)
{
    seen *s = user;

    s->calls++;
    rt_loop_stop(s->loop);
}

static void
test_wake_from_another_thread_coalesces(void **state)
{
    seen s = {.loop = rt_loop_new()};
    rt_thread *thread = NULL;

    (void)state;
    s.wake = rt_wake_new(s.loop, on_wake_stop, &s);
    thread = rt_thread_start("a-name-longer-than-the-kernel-keeps", send_wakes, &s);
    rt_loop_run(s.loop);
    rt_thread_join(thread);

    CHECK_TRUE(s.calls >= 1);
    CHECK_TRUE(s.calls <= WAKES);
    rt_wake_free(s.wake);
    rt_loop_free(s.loop);
}

static void
note_turn(void *user)
{
    seen *s = user;

    if (s->calls > 0 && s->turns_at_call == 0) {
        s->turns_at_call = s->calls;
    }
    s->turns++;
}

static void
test_turn_comes_after_the_last_callback_of_a_stopped_round(void **state)
{
    seen s = {.loop = rt_loop_new()};

    (void)state;
    s.wake = rt_wake_new(s.loop, on_wake_stop, &s);
    rt_loop_on_turn(s.loop, note_turn, &s);
    rt_wake_send(s.wake);
    rt_loop_run(s.loop);

    CHECK_INT(s.calls, 1);
    CHECK_INT(s.turns_at_call, 1); // the wake was followed by a turn although it stopped the loop
    rt_loop_free(s.loop);
}

static void
test_idle_loop_makes_no_turns(void **state)
{
    seen s = {.loop = rt_loop_new()};
    rt_timer *end = rt_timer_new(s.loop, stop, &s);

    (void)state;
    rt_loop_on_turn(s.loop, count_turn, &s);
    rt_timer_start(end, 100, 0);
    rt_loop_run(s.loop);

    CHECK_TRUE(s.turns >= 1);
    CHECK_TRUE(s.turns <= 10); // it sleeps, it does not spin
    rt_loop_free(s.loop);
}

static void
test_turns_of_a_user_can_be_taken_back(void **state)
{
    seen s = {.loop = rt_loop_new()};
    seen gone = {.loop = s.loop};
    rt_timer *end = rt_timer_new(s.loop, stop, &s);

    (void)state;
    rt_loop_on_turn(s.loop, count_turn, &gone);
    rt_loop_on_turn(s.loop, count_turn, &s);
    rt_loop_on_turn(s.loop, NULL, &gone);
    rt_timer_start(end, 5, 0);
    rt_loop_run(s.loop);

    CHECK_TRUE(s.turns >= 1);
    CHECK_INT(gone.turns, 0);
    rt_loop_free(s.loop);
}

static void
on_signal(void *user, int signo)
{
    seen *s = user;

    s->signo = signo;
    rt_loop_stop(s->loop);
}

static void
raise_hup(void *user)
{
    (void)user;
    (void)raise(SIGHUP);
}

static void
test_signal_reaches_the_loop(void **state)
{
    seen s = {.loop = rt_loop_new()};
    rt_timer *timer = rt_timer_new(s.loop, raise_hup, &s);

    (void)state;
    rt_loop_on_signal(s.loop, SIGHUP, on_signal, &s);
    rt_timer_start(timer, 1, 0);
    rt_loop_run(s.loop);

    CHECK_INT(s.signo, SIGHUP);
    rt_loop_free(s.loop);
}

static void
test_loop_runs_again_after_a_stop(void **state)
{
    seen s = {.loop = rt_loop_new()};
    rt_timer *end = rt_timer_new(s.loop, on_wake_stop, &s);

    (void)state;
    rt_timer_start(end, 1, 0);
    rt_loop_run(s.loop);
    rt_timer_start(end, 1, 0);
    rt_loop_run(s.loop);

    CHECK_INT(s.calls, 2);
    rt_loop_stop(s.loop); // a late stop must not keep rt_loop_free from closing
    rt_loop_free(s.loop);
}

static void
test_clocks_go_on_and_entropy_differs(void **state)
{
    int64_t began_us = rt_clock_mono_us();
    uint8_t a[32] = {0};
    uint8_t b[32] = {0};

    (void)state;
    rt_entropy(a, sizeof(a));
    rt_entropy(b, sizeof(b));

    CHECK_TRUE(memcmp(a, b, sizeof(a)) != 0);
    CHECK_TRUE(rt_clock_mono_us() >= began_us);
    CHECK_TRUE(rt_clock_wall_ms() > INT64_C(1700000000000)); // after 2023
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_timer_repeats_until_the_loop_stops),
        cmocka_unit_test(test_timer_of_zero_does_not_starve_the_loop),
        cmocka_unit_test(test_stopped_and_freed_timers_stay_silent),
        cmocka_unit_test(test_wake_from_another_thread_coalesces),
        cmocka_unit_test(test_turn_comes_after_the_last_callback_of_a_stopped_round),
        cmocka_unit_test(test_idle_loop_makes_no_turns),
        cmocka_unit_test(test_turns_of_a_user_can_be_taken_back),
        cmocka_unit_test(test_signal_reaches_the_loop),
        cmocka_unit_test(test_loop_runs_again_after_a_stop),
        cmocka_unit_test(test_clocks_go_on_and_entropy_differs),
    };

    return CHECK_RUN(tests);
}
