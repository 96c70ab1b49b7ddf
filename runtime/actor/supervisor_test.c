#include "runtime/actor/supervisor.h"

#include "tests/harness/check.h"

#define MS 1000
#define S (1000 * MS)

// Fails at `now` and checks the verdict and how long the actor rests then (0 = not at all).
static void
fail_at(rt_supervisor *sup, int64_t now, rt_supervisor_verdict verdict, int64_t rest)
{
    CHECK_TRUE(rt_supervisor_is_ready(sup, now));
    CHECK_INT(rt_supervisor_failed(sup, now), verdict);
    CHECK_INT(rt_supervisor_ready_at(sup), rest == 0 ? -1 : now + rest);
}

static void
test_supervisor_rests_twice_as_long_each_time(void **state)
{
    rt_supervisor sup;
    rt_supervision policy = RT_SUPERVISION_DEFAULT;
    const int64_t want_ms[] = {10, 20, 40, 80, 160, 320, 640, 1280, 2560, 5000, 5000, 5000};
    int64_t now = 1;

    (void)state;
    policy.tries_max = 100;
    policy.window_us = 1;
    rt_supervisor_init(&sup, policy);
    for (size_t i = 0; i < RT_COUNT(want_ms); i++) {
        fail_at(&sup, now, RT_SUPERVISOR_RETRY, want_ms[i] * MS);
        CHECK_FALSE(rt_supervisor_is_ready(&sup, now + want_ms[i] * MS - 1));
        now += want_ms[i] * MS;
    }
    CHECK_TRUE(rt_supervisor_is_ready(&sup, now));
    rt_supervisor_succeeded(&sup);
    fail_at(&sup, now, RT_SUPERVISOR_RETRY, 10 * MS);
}

static void
test_supervisor_third_failure_gives_message_up(void **state)
{
    rt_supervisor sup;

    (void)state;
    rt_supervisor_init(&sup, RT_SUPERVISION_DEFAULT);
    fail_at(&sup, 0, RT_SUPERVISOR_RETRY, 10 * MS);
    fail_at(&sup, 10 * MS, RT_SUPERVISOR_RETRY, 20 * MS);
    CHECK_INT(rt_supervisor_tries(&sup), 2);
    fail_at(&sup, 30 * MS, RT_SUPERVISOR_GIVE_UP, 0);
    CHECK_INT(rt_supervisor_tries(&sup), 0);
    CHECK_TRUE(rt_supervisor_is_ready(&sup, 30 * MS));
    // Without a success in between, the next message's first failure rests longer.
    fail_at(&sup, 30 * MS, RT_SUPERVISOR_RETRY, 80 * MS);
}

static void
test_supervisor_sixth_failure_in_window_quarantines(void **state)
{
    rt_supervisor sup;
    int64_t now = 0;

    (void)state;
    rt_supervisor_init(&sup, RT_SUPERVISION_DEFAULT);
    for (int i = 0; i < 5; i++) {
        CHECK_TRUE(rt_supervisor_is_ready(&sup, now));
        (void)!rt_supervisor_failed(&sup, now);
        CHECK_TRUE(sup.state != RT_SUPERVISOR_QUARANTINED);
        rt_supervisor_succeeded(&sup); // the retry worked: still a failure of the window
        now += S;
    }
    fail_at(&sup, now, RT_SUPERVISOR_RETRY, 60 * S);
    CHECK_CSTR(rt_supervisor_state_name(&sup), "quarantined");
    CHECK_FALSE(rt_supervisor_is_ready(&sup, now + 60 * S - 1));
    CHECK_TRUE(rt_supervisor_is_ready(&sup, now + 60 * S));
    CHECK_CSTR(rt_supervisor_state_name(&sup), "running");
    // After it the count begins anew.
    fail_at(&sup, now + 60 * S, RT_SUPERVISOR_RETRY, 20 * MS);
    CHECK_CSTR(rt_supervisor_state_name(&sup), "restarting");
}

static void
test_supervisor_failures_spread_out_never_quarantine(void **state)
{
    rt_supervisor sup;
    int64_t now = 0;

    (void)state;
    rt_supervisor_init(&sup, RT_SUPERVISION_DEFAULT);
    for (int i = 0; i < 100; i++) {
        CHECK_TRUE(rt_supervisor_is_ready(&sup, now));
        (void)!rt_supervisor_failed(&sup, now);
        CHECK_INT(sup.state, RT_SUPERVISOR_RESTING);
        rt_supervisor_succeeded(&sup);
        now += 2 * S; // 5 gaps of 2 s: the sixth failure is exactly 10 s after the first
    }
}

static void
test_supervisor_last_try_may_quarantine_too(void **state)
{
    rt_supervisor sup;
    rt_supervision policy = RT_SUPERVISION_DEFAULT;

    (void)state;
    policy.tries_max = 1;
    policy.failures_max = 1;
    rt_supervisor_init(&sup, policy);
    fail_at(&sup, 5, RT_SUPERVISOR_GIVE_UP, 0);
    fail_at(&sup, 6, RT_SUPERVISOR_GIVE_UP, 60 * S);
}

static void
test_supervisor_dropped_message_takes_its_tries_along(void **state)
{
    rt_supervisor sup;

    (void)state;
    rt_supervisor_init(&sup, RT_SUPERVISION_DEFAULT);
    fail_at(&sup, 0, RT_SUPERVISOR_RETRY, 10 * MS);
    fail_at(&sup, 10 * MS, RT_SUPERVISOR_RETRY, 20 * MS);
    rt_supervisor_drop(&sup);
    CHECK_INT(rt_supervisor_tries(&sup), 0);
    fail_at(&sup, 30 * MS, RT_SUPERVISOR_RETRY, 40 * MS); // the rest is the actor's, and grows
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_supervisor_rests_twice_as_long_each_time),
        cmocka_unit_test(test_supervisor_third_failure_gives_message_up),
        cmocka_unit_test(test_supervisor_sixth_failure_in_window_quarantines),
        cmocka_unit_test(test_supervisor_failures_spread_out_never_quarantine),
        cmocka_unit_test(test_supervisor_last_try_may_quarantine_too),
        cmocka_unit_test(test_supervisor_dropped_message_takes_its_tries_along),
    };

    return CHECK_RUN(tests);
}
