// actor/actor_fixture.h: a system of puppets, shared by the tests of this folder.
//
// Layer: tests of runtime/actor.   Threads: one.
// A puppet notes every number it is sent (NOTE), and acts as an order in a message tells it (ACT):
// so a test says in its own lines what happens inside a handler.
#ifndef CEREBRO_RUNTIME_ACTOR_ACTOR_FIXTURE_H
#define CEREBRO_RUNTIME_ACTOR_ACTOR_FIXTURE_H

#include <stdio.h>

#include "runtime/actor/internal.h"
#include "runtime/base/alloc.h"
#include "tests/harness/check.h"

#define MS INT64_C(1000)
#define S (1000 * MS)
#define LOG_MAX 20000

enum { NOTE = 1, ACT = 2, UNHEARD = 3 };

typedef struct puppet {
    uint64_t sum;
    rt_actor_id child;
} puppet;

typedef struct order order;
typedef rt_err (*act_fn)(rt_actors *actors, puppet *p, const order *o);

struct order {
    act_fn act;
    rt_actor_id whom;
    uint64_t value;
    rt_err fails; // what the handler returns afterwards
};

typedef struct note {
    uint64_t who;
    uint64_t from;
    uint64_t value; // of a down: the reason
    bool is_down;
} note;

// What puppets and callbacks saw since setup.
static struct {
    note notes[LOG_MAX];
    size_t note_count;
    rt_actor_letter letters[LOG_MAX]; // payloads and details are gone; values remain
    uint64_t letter_values[LOG_MAX];
    size_t letter_count;
    rt_actor_failure failures[64];
    size_t failure_count;
    char detail[128]; // of the last failure
    int inits;
    int finis;
    rt_err init_fails;
    uint64_t init_arg;
    act_fn init_acts;
    rt_actor_id init_whom;
} seen;

static rt_bytes
bytes_of(const void *ptr, size_t len)
{
    return (rt_bytes){ptr, len};
}

static void
log_note(note n)
{
    assert_true(seen.note_count < LOG_MAX);
    seen.notes[seen.note_count++] = n;
}

static rt_err
puppet_init(rt_actors *actors, void *state, rt_bytes args)
{
    puppet *p = state;

    assert_true(p->sum == 0);
    seen.inits++;
    seen.init_arg = 0;
    if (args.len == sizeof(seen.init_arg)) {
        memcpy(&seen.init_arg, args.ptr, args.len);
    }
    if (seen.init_acts != NULL) {
        const order o = {.whom = seen.init_whom};
        rt_err err = seen.init_acts(actors, p, &o);

        if (err != RT_OK) {
            return err;
        }
    }
    return seen.init_fails == RT_OK ? RT_OK : rt_fail(seen.init_fails, "init told to fail");
}

static void
puppet_fini(void *state)
{
    (void)state;
    seen.finis++;
}

static rt_err
puppet_on_down(rt_actors *actors, void *state, const rt_actor_message *message)
{
    const rt_actor_down *down = (const void *)message->payload.ptr;

    (void)state;
    CHECK_U64(down->who.v, message->from.v);
    log_note((note){rt_actors_self(actors).v, down->who.v, (uint64_t)down->reason, true});
    return RT_OK;
}

static rt_err
puppet_on_note(rt_actors *actors, void *state, const rt_actor_message *message)
{
    puppet *p = state;
    uint64_t value = 0;

    CHECK_INT((uintptr_t)message->payload.ptr % 8, 0);
    memcpy(&value, message->payload.ptr, RT_MIN(message->payload.len, sizeof(value)));
    p->sum += value;
    log_note((note){rt_actors_self(actors).v, message->from.v, value, false});
    return RT_OK;
}

static rt_err
puppet_on_act(rt_actors *actors, void *state, const rt_actor_message *message)
{
    const order *o = (const void *)message->payload.ptr;
    rt_err err = RT_OK;

    CHECK_INT(message->payload.len, sizeof(order));
    err = o->act != NULL ? o->act(actors, state, o) : RT_OK;
    if (err != RT_OK) {
        return err;
    }
    return o->fails == RT_OK ? RT_OK : rt_fail(o->fails, "told to fail");
}

static const rt_actor_handler puppet_handlers[] = {
    [RT_ACTOR_DOWN] = puppet_on_down,
    [NOTE] = puppet_on_note,
    [ACT] = puppet_on_act,
    [UNHEARD] = NULL,
};

static const rt_actor_class puppet_class = {
    .name = "puppet",
    .state_bytes = sizeof(puppet),
    .init = puppet_init,
    .fini = puppet_fini,
    .handlers = puppet_handlers,
    .handler_count = RT_COUNT(puppet_handlers),
    .count_max = 1000,
    .bytes_max = 1000000,
    .supervision = {
        .backoff_first_us = 10 * MS,
        .backoff_max_us = 5 * S,
        .tries_max = 3,
        .failures_max = 5,
        .window_us = 10 * S,
        .quarantine_us = 60 * S,
    },
};

// The same, but downs are not heard.
static const rt_actor_handler deaf_handlers[] = {
    [NOTE] = puppet_on_note,
    [ACT] = puppet_on_act,
};

static inline rt_actor_class
deaf_class(void)
{
    rt_actor_class class = puppet_class;

    class.name = "deaf";
    class.handlers = deaf_handlers;
    class.handler_count = RT_COUNT(deaf_handlers);
    return class;
}

static void
on_letter(void *user, const rt_actor_letter *letter)
{
    (void)user;
    assert_true(seen.letter_count < LOG_MAX);
    seen.letters[seen.letter_count] = *letter;
    memcpy(&seen.letter_values[seen.letter_count], letter->payload.ptr,
           RT_MIN(letter->payload.len, sizeof(uint64_t)));
    (void)snprintf(seen.detail, sizeof(seen.detail), "%s", letter->detail);
    seen.letter_count++;
}

static void
on_failure(void *user, const rt_actor_failure *failure)
{
    (void)user;
    assert_true(seen.failure_count < RT_COUNT(seen.failures));
    seen.failures[seen.failure_count++] = *failure;
}

static inline rt_actors_config
fixture_config(void)
{
    rt_actors_config config = RT_ACTORS_DEFAULT;

    config.on_letter = on_letter;
    config.on_failure = on_failure;
    return config;
}

static inline rt_actors *
fixture_new(rt_actors_config config)
{
    memset(&seen, 0, sizeof(seen));
    return rt_actors_new(config);
}

static inline rt_actor_id
spawn(rt_actors *actors, const rt_actor_class *class)
{
    rt_actor_id id = RT_ACTOR_NOBODY;

    CHECK_OK(rt_actors_spawn(actors, class, (rt_bytes){NULL, 0}, &id));
    return id;
}

static inline rt_err
try_note(rt_actors *actors, rt_actor_id to, uint64_t value)
{
    return rt_actors_send(actors, to, NOTE, bytes_of(&value, sizeof(value)));
}

static inline void
send_note(rt_actors *actors, rt_actor_id to, uint64_t value)
{
    CHECK_OK(try_note(actors, to, value));
}

static inline void
send_order(rt_actors *actors, rt_actor_id to, order o)
{
    CHECK_OK(rt_actors_send(actors, to, ACT, bytes_of(&o, sizeof(o))));
}

// Runs at one moment until nothing is left that can be done then; the next due time.
static inline int64_t
run_at(rt_actors *actors, int64_t now_us)
{
    int64_t next_us = rt_actors_run(actors, now_us);

    while (next_us == now_us) {
        next_us = rt_actors_run(actors, now_us);
    }
    return next_us;
}

// Checks one note of the log.
static inline void
check_note(size_t at, rt_actor_id who, uint64_t value)
{
    CHECK_TRUE(at < seen.note_count);
    CHECK_FALSE(seen.notes[at].is_down);
    CHECK_U64(seen.notes[at].who, who.v);
    CHECK_U64(seen.notes[at].value, value);
}

static inline void
check_down(size_t at, rt_actor_id who, rt_actor_id whose, rt_err reason)
{
    CHECK_TRUE(at < seen.note_count);
    CHECK_TRUE(seen.notes[at].is_down);
    CHECK_U64(seen.notes[at].who, who.v);
    CHECK_U64(seen.notes[at].from, whose.v);
    CHECK_U64(seen.notes[at].value, reason);
}

static inline void
check_letter(size_t at, rt_actor_id to, uint64_t value, rt_err cause, uint32_t tries)
{
    CHECK_TRUE(at < seen.letter_count);
    CHECK_U64(seen.letters[at].to.v, to.v);
    CHECK_U64(seen.letter_values[at], value);
    CHECK_INT(seen.letters[at].cause, cause);
    CHECK_INT(seen.letters[at].tries, tries);
}

// --- things to do inside a handler ----------------------------------------------------------

static inline rt_err
act_note(rt_actors *actors, puppet *p, const order *o)
{
    (void)p;
    return try_note(actors, o->whom, o->value);
}

static inline rt_err
act_stop(rt_actors *actors, puppet *p, const order *o)
{
    (void)p;
    return rt_actors_stop(actors, o->whom, (rt_err)o->value);
}

static inline rt_err
act_spawn(rt_actors *actors, puppet *p, const order *o)
{
    (void)o;
    return rt_actors_spawn(actors, &puppet_class, (rt_bytes){NULL, 0}, &p->child);
}

#endif
