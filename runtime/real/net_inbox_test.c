// Tests of the inbox between the thread of the sockets and a loop: what it holds, and that it
// leaves the loop time for everything else. Both sides are played by the test's thread.

#include "runtime/base/alloc.h"
#include "runtime/real/net_fixture.h"
#include "runtime/real/net_internal.h"

#define REFILLS_MAX 100000u

typedef struct reader {
    rt_loop *loop;
    rt__inbox *inbox;
    rt_timer *stop;
    bool refills; // puts another message for each that it gets
    uint32_t messages;
    uint32_t ups;
    uint32_t downs;
    uint64_t last_up;
} reader;

static void
put(reader *r)
{
    rt__msg *msg = rt__msg_new(1);

    assert_non_null(msg);
    msg->bytes[0] = 'x';
    assert_true(rt__inbox_put(r->inbox, msg));
}

static void
on_message(void *user, rt_parcel *parcel, rt_bytes body, uint64_t pipe)
{
    reader *r = user;

    (void)pipe;
    CHECK_U64(body.len, 1);
    r->messages++;
    rt_parcel_free(parcel);
    if (r->refills && r->messages < REFILLS_MAX) {
        put(r);
    }
}

static void
on_peer(void *user, uint64_t pipe, bool up)
{
    reader *r = user;

    r->ups += up ? 1 : 0;
    r->downs += up ? 0 : 1;
    r->last_up = up ? pipe : r->last_up;
}

static void
on_stop_time(void *user)
{
    reader *r = user;

    rt_loop_stop(r->loop);
}

static reader *
reader_new(void)
{
    reader *r = rt_new(reader);
    rt__inbox_events events = {.on_message = on_message, .on_peer = on_peer, .user = r};

    r->loop = rt_loop_new();
    r->stop = rt_timer_new(r->loop, on_stop_time, r);
    r->inbox = rt__inbox_new(r->loop, limits, events);
    return r;
}

static void
run_for(reader *r, int64_t ms)
{
    rt_timer_start(r->stop, ms, 0);
    rt_loop_run(r->loop);
}

static void
reader_free(reader *r)
{
    rt__inbox_free(r->inbox);
    rt_loop_free(r->loop);
    rt_free(r);
}

static void
test_inbox_peers_that_come_and_go_while_the_loop_is_busy_fill_no_list(void **state)
{
    reader *r = reader_new();

    (void)state;
    for (uint64_t pipe = 1; pipe <= 1000; pipe++) {
        rt__inbox_peer(r->inbox, pipe, true);
        rt__inbox_peer(r->inbox, pipe, false);
    }
    rt__inbox_peer(r->inbox, 1001, true);
    put(r);
    rt__inbox_peer(r->inbox, 1001, false);
    rt__inbox_peer(r->inbox, 1002, true);
    run_for(r, 20);

    CHECK_INT(r->ups, 2);
    CHECK_INT(r->downs, 1); // nobody hears the end of what he never heard of
    CHECK_INT(r->messages, 1);
    CHECK_U64(r->last_up, 1002);
    reader_free(r);
}

// Messages that are done with at once make room for others at once.
static void
test_inbox_flood_leaves_the_loop_its_timers(void **state)
{
    reader *r = reader_new();

    (void)state;
    r->refills = true;
    put(r);
    run_for(r, 1);

    CHECK_TRUE(r->messages < REFILLS_MAX);
    r->refills = false;
    run_for(r, 20); // the last one
    reader_free(r);
}

static void
test_inbox_pause_in_the_middle_keeps_the_rest(void **state)
{
    reader *r = reader_new();

    (void)state;
    put(r);
    rt__inbox_pause(r->inbox, true);
    put(r);
    run_for(r, 10);
    CHECK_INT(r->messages, 0);
    rt__inbox_pause(r->inbox, false);
    put(r);
    run_for(r, 20);

    CHECK_INT(r->messages, 3);
    reader_free(r);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_inbox_peers_that_come_and_go_while_the_loop_is_busy_fill_no_list),
        cmocka_unit_test(test_inbox_flood_leaves_the_loop_its_timers),
        cmocka_unit_test(test_inbox_pause_in_the_middle_keeps_the_rest),
    };

    exit_after_tests(CHECK_RUN(tests));
}
