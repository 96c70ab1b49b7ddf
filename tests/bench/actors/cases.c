// bench-actors: our actors at the jobs of tests/bench/README.md, one case a run.
//
// usage: bench-actors CASE COUNT [--senders N] [--loops 2]
//
// COUNT is in messages, or in actors. Prints one line for actors.py: the count, nanoseconds, bytes
// of resident memory that it took.
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "runtime/actor/drive.h"
#include "runtime/base/alloc.h"
#include "runtime/base/check.h"
#include "runtime/base/text.h"
#include "runtime/seam/clock.h"

#define RING_ACTORS 10000u
#define SENDERS_MAX 64u
#define CROSSING_BYTES (1u << 20)
#define WARM_UP_PART 10 // of the count, before the counted run

enum { BALL = 1, GO = 2, DONE = 3 };

typedef struct world {
    rt_loop *loops[2];
    rt_actors *actors[2];
    rt_drive *drives[2];
    rt_thread *thread;
    uint32_t loop_count;
    uint32_t senders;
} world;

static world w;

static const rt_bytes nothing = {NULL, 0};

static rt_bytes
view(const void *ptr, size_t len)
{
    return (rt_bytes){ptr, len};
}

// Ends the run, in whichever thread; the main one waits for it.
static void
finish(rt_actors *actors)
{
    for (uint32_t i = 0; i < w.loop_count; i++) {
        if (w.actors[i] == actors) {
            rt_loop_stop(w.loops[i]);
        }
    }
}

// --- ping-pong and ring: a ball with the number of throws that are left ------------------------

static rt_err
on_ball(rt_actors *actors, void *state, const rt_actor_message *message)
{
    const rt_actor_id *next = state;
    uint64_t left = 0;

    memcpy(&left, message->payload.ptr, sizeof(left));
    if (left == 0) {
        finish(actors);
        return RT_OK;
    }
    left--;
    return rt_actors_send(actors, *next, BALL, view(&left, sizeof(left)));
}

static rt_err
on_next(rt_actors *actors, void *state, const rt_actor_message *message)
{
    (void)actors;
    memcpy(state, message->payload.ptr, sizeof(rt_actor_id));
    return RT_OK;
}

static const rt_actor_handler player_handlers[] = {[BALL] = on_ball, [GO] = on_next};
static const rt_actor_class player = {
    .name = "player",
    .state_bytes = sizeof(rt_actor_id),
    .handlers = player_handlers,
    .handler_count = RT_COUNT(player_handlers),
    .count_max = 64,
    .bytes_max = 4096,
    .on_failure = RT_ACTOR_STOPS,
};

// --- many to one --------------------------------------------------------------------------------

typedef struct sender {
    rt_actor_id sink;
    uint64_t left;
} sender;

typedef struct sink {
    uint64_t left;
} sink;

static rt_err
on_go(rt_actors *actors, void *state, const rt_actor_message *message)
{
    sender *s = state;

    if (message->payload.len == sizeof(*s)) {
        memcpy(s, message->payload.ptr, sizeof(*s));
    }
    while (s->left > 0) {
        rt_err err = rt_actors_send(actors, s->sink, BALL, view(&s->left, sizeof(s->left)));

        if (err == RT_EFULL) { // the sink's turn first
            return rt_actors_send(actors, rt_actors_self(actors), GO, nothing);
        }
        RT_ASSERT(err == RT_OK);
        s->left--;
    }
    return RT_OK;
}

static rt_err
on_item(rt_actors *actors, void *state, const rt_actor_message *message)
{
    sink *s = state;

    (void)message;
    s->left--;
    if (s->left == 0) {
        finish(actors);
    }
    return RT_OK;
}

static rt_err
on_expect(rt_actors *actors, void *state, const rt_actor_message *message)
{
    (void)actors;
    memcpy(state, message->payload.ptr, sizeof(sink));
    return RT_OK;
}

static const rt_actor_handler sender_handlers[] = {[GO] = on_go};
static const rt_actor_class sender_class = {
    .name = "sender",
    .state_bytes = sizeof(sender),
    .handlers = sender_handlers,
    .handler_count = RT_COUNT(sender_handlers),
    .count_max = 4,
    .bytes_max = 4096,
    .on_failure = RT_ACTOR_STOPS,
};
static const rt_actor_handler sink_handlers[] = {[BALL] = on_item, [GO] = on_expect};
static const rt_actor_class sink_class = {
    .name = "sink",
    .state_bytes = sizeof(sink),
    .handlers = sink_handlers,
    .handler_count = RT_COUNT(sink_handlers),
    .count_max = 4096,
    .bytes_max = 1u << 20,
    .on_failure = RT_ACTOR_STOPS,
};

// --- spawning: a child, a message to it, its answer, its end ------------------------------------

static rt_err
on_work(rt_actors *actors, void *state, const rt_actor_message *message)
{
    rt_err err = rt_actors_send(actors, message->from, DONE, nothing);

    (void)state;
    return err == RT_OK ? rt_actors_stop(actors, rt_actors_self(actors), RT_OK) : err;
}

static const rt_actor_handler child_handlers[] = {[GO] = on_work};
static const rt_actor_class child_class = {
    .name = "child",
    .state_bytes = 16,
    .handlers = child_handlers,
    .handler_count = RT_COUNT(child_handlers),
    .count_max = 64,
    .bytes_max = 4096,
    .on_failure = RT_ACTOR_STOPS,
};

static rt_err
on_done(rt_actors *actors, void *state, const rt_actor_message *message)
{
    sink *s = state;
    rt_actor_id child = RT_ACTOR_NOBODY;
    rt_err err = RT_OK;

    (void)message;
    if (s->left == 0) {
        finish(actors);
        return RT_OK;
    }
    s->left--;
    err = rt_actors_spawn(actors, &child_class, nothing, &child);
    return err == RT_OK ? rt_actors_send(actors, child, GO, nothing) : err;
}

static const rt_actor_handler parent_handlers[] = {[GO] = on_expect, [DONE] = on_done};
static const rt_actor_class parent_class = {
    .name = "parent",
    .state_bytes = sizeof(sink),
    .handlers = parent_handlers,
    .handler_count = RT_COUNT(parent_handlers),
    .count_max = 64,
    .bytes_max = 4096,
    .on_failure = RT_ACTOR_STOPS,
};

// --- runs ---------------------------------------------------------------------------------------

static rt_actor_id
spawn(uint32_t system, const rt_actor_class *class)
{
    rt_actor_id id = RT_ACTOR_NOBODY;
    rt_err err = rt_actors_spawn(w.actors[system], class, nothing, &id);

    RT_ASSERT(err == RT_OK);
    return id;
}

static void
send(uint32_t system, rt_actor_id to, uint32_t type, const void *ptr, size_t len)
{
    rt_err err = rt_actors_send(w.actors[system], to, type, view(ptr, len));

    RT_ASSERT(err == RT_OK);
}

static void
play(uint64_t count)
{
    rt_actor_id ping = spawn(0, &player);
    rt_actor_id pong = spawn(w.loop_count - 1, &player);
    uint64_t throws = count / 2 * 2; // even, so that the last one is ping's

    send(0, ping, GO, &pong, sizeof(pong));
    send(w.loop_count - 1, pong, GO, &ping, sizeof(ping));
    send(0, ping, BALL, &throws, sizeof(throws));
}

static void
pass_round(uint64_t count)
{
    rt_actor_id first = spawn(0, &player);
    rt_actor_id next = first;

    for (uint32_t i = 1; i < RING_ACTORS; i++) {
        rt_actor_id one = spawn(0, &player);

        send(0, one, GO, &next, sizeof(next));
        next = one;
    }
    send(0, first, GO, &next, sizeof(next));
    count--;
    send(0, first, BALL, &count, sizeof(count));
}

// The sink is on the main thread's loop, the senders on the last one.
static void
send_to_one(uint64_t count)
{
    const sink expected = {.left = count / w.senders * w.senders};
    rt_actor_id to = spawn(0, &sink_class);

    send(0, to, GO, &expected, sizeof(expected));
    for (uint32_t i = 0; i < w.senders; i++) {
        const sender s = {.sink = to, .left = count / w.senders};

        send(w.loop_count - 1, spawn(w.loop_count - 1, &sender_class), GO, &s, sizeof(s));
    }
}

static void
spawn_in_turn(uint64_t count)
{
    const sink expected = {.left = count};
    rt_actor_id parent = spawn(0, &parent_class);

    send(0, parent, GO, &expected, sizeof(expected));
    send(0, parent, DONE, NULL, 0);
}

static void
spawn_idle(uint64_t count)
{
    const sink expected = {.left = 1};
    rt_actor_id one = RT_ACTOR_NOBODY;

    for (uint64_t i = 0; i < count; i++) {
        one = spawn(0, &sink_class);
        send(0, one, GO, &expected, sizeof(expected));
        (void)rt_actors_run(w.actors[0], rt_actors_now_us(w.actors[0]));
    }
    send(0, one, BALL, NULL, 0); // the last one ends it
}

typedef struct bench_case {
    const char *name;
    void (*begin)(uint64_t count);
} bench_case;

static const bench_case cases[] = {
    {"ping-pong", play},         {"ring", pass_round},   {"many-to-one", send_to_one},
    {"spawn", spawn_in_turn},    {"idle", spawn_idle},
};

static void
run_loop(void *user)
{
    rt_loop_run(user);
}

static void
open_world(void)
{
    for (uint32_t i = 0; i < w.loop_count; i++) {
        rt_actors_config config = RT_ACTORS_DEFAULT;

        config.number = i;
        config.actors_max = 4u << 20;
        w.actors[i] = rt_actors_new(config);
        w.loops[i] = rt_loop_new();
        w.drives[i] = rt_drive_new(w.actors[i], w.loops[i]);
    }
    if (w.loop_count == 2) {
        rt_actors_connect(w.actors[0], w.actors[1], CROSSING_BYTES);
    }
}

static void
stop_other(void *user)
{
    rt_loop_stop(user);
}

// Ends the run of the other thread, whose actors do not know that it is over.
static void
close_world(rt_wake *stop)
{
    if (w.thread != NULL) {
        rt_wake_send(stop);
        rt_thread_join(w.thread);
        w.thread = NULL;
    }
    for (uint32_t i = 0; i < w.loop_count; i++) {
        rt_drive_free(w.drives[i]);
    }
    for (uint32_t i = 0; i < w.loop_count; i++) {
        rt_actors_free(w.actors[i]);
        rt_loop_free(w.loops[i]);
    }
}

static uint64_t
resident_bytes(void)
{
    FILE *file = fopen("/proc/self/statm", "r");
    char text[128] = {0};
    const char *second = NULL;
    int64_t pages = 0;

    RT_ASSERT(file != NULL);
    RT_ASSERT(fgets(text, sizeof(text), file) != NULL);
    (void)fclose(file);
    second = strchr(text, ' ');
    RT_ASSERT(second != NULL);
    RT_ASSERT(rt_parse_i64((rt_str){second + 1, strcspn(second + 1, " ")}, &pages) == RT_OK);
    return (uint64_t)pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

static void
run_case(const bench_case *which, uint64_t count, bool is_counted)
{
    rt_wake *stop = NULL;
    uint64_t before = 0;
    uint64_t after = 0;
    int64_t began_us = 0;
    int64_t took_us = 0;

    open_world();
    before = resident_bytes();
    began_us = rt_clock_mono_us();
    which->begin(count);
    if (w.loop_count == 2) {
        stop = rt_wake_new(w.loops[1], stop_other, w.loops[1]);
        w.thread = rt_thread_start("other-actors", run_loop, w.loops[1]);
    }
    rt_loop_run(w.loops[0]);
    took_us = rt_clock_mono_us() - began_us;
    after = resident_bytes();
    close_world(stop);
    if (is_counted) {
        printf("%llu %lld %llu\n", (unsigned long long)count, (long long)took_us * 1000,
               (unsigned long long)(after > before ? after - before : 0));
    }
}

int
main(int argc, char **argv)
{
    int64_t count = 0;
    int64_t number = 0;
    const bench_case *which = NULL;

    w.loop_count = 1;
    w.senders = 1;
    for (int i = 3; i + 1 < argc; i += 2) {
        RT_ASSERT(rt_parse_i64(rt_str_of(argv[i + 1]), &number) == RT_OK);
        if (strcmp(argv[i], "--loops") == 0 && (number == 1 || number == 2)) {
            w.loop_count = (uint32_t)number;
        } else if (strcmp(argv[i], "--senders") == 0 && number >= 1 && number <= SENDERS_MAX) {
            w.senders = (uint32_t)number;
        }
    }
    for (size_t i = 0; argc > 2 && i < RT_COUNT(cases); i++) {
        which = strcmp(argv[1], cases[i].name) == 0 ? &cases[i] : which;
    }
    if (which == NULL || rt_parse_i64(rt_str_of(argv[2]), &count) != RT_OK || count < 1) {
        (void)fprintf(stderr, "usage: bench-actors CASE COUNT [--senders N] [--loops 2]\n");
        return 2;
    }
    if (which->begin != spawn_idle) { // memory once had would not be counted
        run_case(which, (uint64_t)count / WARM_UP_PART + w.senders, false);
    }
    run_case(which, (uint64_t)count, true);
    return 0;
}
