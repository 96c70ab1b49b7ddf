// Tests of the thread of the sockets: ends that are woken take turns.

#include "runtime/base/alloc.h"
#include "runtime/real/net_fixture.h"
#include "runtime/real/sp.h"

typedef struct end {
    rt__sp *sp;
    bool restless; // wakes itself again and again
    atomic_uint wakes;
    atomic_bool enough;
} end;

static bool
on_open(void *user, rt__sp_conn *conn)
{
    (void)user;
    (void)conn;
    return true;
}

static bool
on_message(void *user, rt__sp_conn *conn, rt__msg *msg)
{
    (void)user;
    (void)conn;
    rt_free(msg);
    return true;
}

static void
on_close(void *user, rt__sp_conn *conn, uint32_t unsent)
{
    (void)user;
    (void)conn;
    (void)unsent;
}

static void
on_end_wake(void *user)
{
    end *e = user;

    atomic_fetch_add(&e->wakes, 1);
    if (e->restless && !atomic_load(&e->enough)) {
        rt__sp_wake(e->sp);
    }
}

static const rt__sp_ops ops = {.self = RT__SP_PULL,
                               .peer = RT__SP_PUSH,
                               .on_open = on_open,
                               .on_message = on_message,
                               .on_close = on_close,
                               .on_wake = on_end_wake};

static end *
listen_end(bool restless)
{
    end *e = rt_new(end);
    char url[URL_MAX];

    keep(e);
    e->restless = restless;
    (void)tcp_url(url);
    CHECK_OK(rt__sp_listen(url, limits, &ops, e, &e->sp));
    return e;
}

// A busy door wakes its end while that is being served; the other doors have answers to send, too.
static void
test_sp_end_that_is_always_woken_leaves_turns_to_others(void **state)
{
    end *quiet = listen_end(false);
    end *busy = listen_end(true);

    (void)state;
    rt__sp_wake(busy->sp);
    wait_until(&busy->wakes, 1000);

    for (unsigned turn = 1; turn <= 100; turn++) {
        rt__sp_wake(quiet->sp);
        wait_until(&quiet->wakes, turn);
    }

    atomic_store(&busy->enough, true);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sp_end_that_is_always_woken_leaves_turns_to_others),
    };

    exit_after_tests(CHECK_RUN(tests));
}
