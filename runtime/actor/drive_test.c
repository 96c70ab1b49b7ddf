// Tests of actors on real loops: timers, sleeping, two threads.
#include "runtime/actor/drive.h"

#include "runtime/actor/actor_fixture.h"
#include "runtime/seam/clock.h"

#define CROSSING 20000u

static rt_loop *loop_here; // that stop_loop stops

static rt_err
act_stop_loop(rt_actors *actors, puppet *p, const order *o)
{
    (void)actors;
    (void)p;
    (void)o;
    rt_loop_stop(loop_here);
    return RT_OK;
}

static void
test_drive_sleeps_until_a_timer_is_due(void **state)
{
    rt_actors *actors = fixture_new(fixture_config());
    rt_actor_id a = spawn(actors, &puppet_class);
    const order stop = {.act = act_stop_loop};
    int64_t began_us = rt_clock_mono_us();
    rt_drive *drive = NULL;

    (void)state;
    loop_here = rt_loop_new();
    drive = rt_drive_new(actors, loop_here);
    send_note(actors, a, 1);
    CHECK_OK(rt_actors_send_at(actors, a, ACT, bytes_of(&stop, sizeof(stop)),
                               began_us + 30 * MS));
    rt_loop_run(loop_here);
    CHECK_TRUE(rt_clock_mono_us() >= began_us + 30 * MS);
    check_note(0, a, 1);
    rt_drive_free(drive);
    rt_drive_free(NULL);
    rt_actors_free(actors);
    rt_loop_free(loop_here);
}

// A later timer is taken back when nobody is left who wants it, and the loop is not kept busy.
static void
test_drive_goes_on_over_many_runs_and_disarms(void **state)
{
    rt_actors_config config = fixture_config();
    rt_actors *actors = NULL;
    rt_actor_id a;
    rt_drive *drive = NULL;

    (void)state;
    config.run_messages_max = 2;
    actors = fixture_new(config);
    a = spawn(actors, &puppet_class);
    loop_here = rt_loop_new();
    drive = rt_drive_new(actors, loop_here);
    send_order(actors, a, (order){.fails = RT_EIO}); // rests: a timer of 10 ms, 20 ms
    for (uint64_t i = 0; i < 99; i++) {
        send_note(actors, a, i);
    }
    send_order(actors, a, (order){.act = act_stop_loop});
    rt_loop_run(loop_here);
    CHECK_INT(seen.note_count, 99);
    CHECK_INT(seen.letter_count, 1);
    rt_drive_free(drive);
    rt_actors_free(actors);
    rt_loop_free(loop_here);
}

// --- two threads ----------------------------------------------------------------------------


typedef struct counter {
    uint64_t next;
    rt_actor_id to;
} counter;

enum { GO = 1, COUNT = 2, END = 3 };

static uint64_t counted; // written by the thread of the counting side, read after its end
static rt_loop *loop_there;

static rt_err
sender_init(rt_actors *actors, void *state, rt_bytes args)
{
    counter *c = state;

    memcpy(&c->to, args.ptr, sizeof(c->to));
    return rt_actors_send(actors, rt_actors_self(actors), GO, bytes_of(NULL, 0));
}

static rt_err
sender_on_go(rt_actors *actors, void *state, const rt_actor_message *message)
{
    counter *c = state;
    rt_err err = RT_OK;

    (void)message;
    while (c->next < CROSSING && err == RT_OK) {
        err = rt_actors_send(actors, c->to, COUNT, bytes_of(&c->next, sizeof(c->next)));
        c->next += err == RT_OK ? 1 : 0;
    }
    if (c->next < CROSSING) { // the way is full: later
        return rt_actors_send_at(actors, rt_actors_self(actors), GO, bytes_of(NULL, 0),
                                 rt_actors_now_us(actors) + 1 * MS);
    }
    return RT_OK;
}

static rt_err
sender_on_end(rt_actors *actors, void *state, const rt_actor_message *message)
{
    (void)actors;
    (void)state;
    (void)message;
    rt_loop_stop(loop_here);
    return RT_OK;
}

static rt_err
sink_on_count(rt_actors *actors, void *state, const rt_actor_message *message)
{
    uint64_t value = 0;

    (void)state;
    memcpy(&value, message->payload.ptr, sizeof(value));
    if (value != counted) {
        return rt_fail(RT_EINVAL, "out of order");
    }
    counted++;
    if (counted < CROSSING) {
        return RT_OK;
    }
    rt_loop_stop(loop_there); // after this round, in which the answer leaves
    return rt_actors_send(actors, message->from, END, bytes_of(NULL, 0));
}

static const rt_actor_handler sender_handlers[] = {[GO] = sender_on_go, [END] = sender_on_end};
static const rt_actor_handler sink_handlers[] = {[COUNT] = sink_on_count};
static const rt_actor_class sender_class = {
    .name = "sender",
    .state_bytes = sizeof(counter),
    .init = sender_init,
    .handlers = sender_handlers,
    .handler_count = RT_COUNT(sender_handlers),
    .count_max = 4,
    .bytes_max = 64,
    .on_failure = RT_ACTOR_STOPS,
};
static const rt_actor_class sink_class = {
    .name = "sink",
    .handlers = sink_handlers,
    .handler_count = RT_COUNT(sink_handlers),
    .count_max = 100,
    .bytes_max = 10000,
    .on_failure = RT_ACTOR_STOPS,
};

static void
run_there(void *user)
{
    rt_loop *loop = user;

    rt_loop_run(loop);
}

static void
test_drive_two_threads_exchange_everything_in_order(void **state)
{
    rt_actors_config config = RT_ACTORS_DEFAULT;
    rt_actors *here = rt_actors_new(config);
    rt_actors *there = NULL;
    rt_actor_id sink = RT_ACTOR_NOBODY;
    rt_actor_id sender = RT_ACTOR_NOBODY;
    rt_drive *drives[2];
    rt_thread *thread = NULL;

    (void)state;
    config.number = 1;
    there = rt_actors_new(config);
    rt_actors_connect(here, there, 4096);
    loop_here = rt_loop_new();
    loop_there = rt_loop_new();
    drives[0] = rt_drive_new(here, loop_here);
    drives[1] = rt_drive_new(there, loop_there);
    counted = 0;
    CHECK_OK(rt_actors_spawn(there, &sink_class, bytes_of(NULL, 0), &sink));
    CHECK_OK(rt_actors_spawn(here, &sender_class, bytes_of(&sink, sizeof(sink)), &sender));

    thread = rt_thread_start("sink", run_there, loop_there);
    rt_loop_run(loop_here);
    rt_thread_join(thread);

    CHECK_U64(counted, CROSSING);
    rt_drive_free(drives[0]);
    rt_drive_free(drives[1]);
    rt_actors_free(here);
    rt_actors_free(there);
    rt_loop_free(loop_here);
    rt_loop_free(loop_there);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_drive_sleeps_until_a_timer_is_due),
        cmocka_unit_test(test_drive_goes_on_over_many_runs_and_disarms),
        cmocka_unit_test(test_drive_two_threads_exchange_everything_in_order),
    };

    return CHECK_RUN(tests);
}
