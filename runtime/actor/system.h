// actor/system.h: actors: a state, handlers by message type, a bounded mailbox; supervised.
//
// Layer: runtime/actor (may use runtime/base).   Threads: one owner; systems on several threads
// talk through rt_actors_connect, and nothing else of a system may be touched by another thread.
//
// A system has no clock, thread or log of its own: rt_actors_run is called with the time and makes
// every actor that has messages take some of them, first come first served; what an actor sends to
// itself it takes in a later turn. The same calls give the same run, message by message.
// runtime/actor/drive.h calls it from a loop.
//
// A handler is all or nothing: what it asked for (messages, stops, monitors, children) becomes
// true when it returns RT_OK and never happened when it returns an error. Its own state is rebuilt
// by fini and init after a failure.
//
// An actor that fails rests, and tries the same message again with a fresh state; after a few tries
// the message is a dead letter (runtime/actor/supervisor.h has the rule). It keeps its id and what
// waits for it. Actors spawned by an actor are its children: they stop when it stops or fails.
#ifndef CEREBRO_RUNTIME_ACTOR_SYSTEM_H
#define CEREBRO_RUNTIME_ACTOR_SYSTEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/actor/overflow.h"
#include "runtime/actor/supervisor.h"
#include "runtime/base/attr.h"
#include "runtime/base/bytes.h"
#include "runtime/base/err.h"

#define RT_ACTORS_MAX (1u << 24)          // of one system
#define RT_ACTORS_SYSTEMS_MAX 16          // that know each other
#define RT_ACTORS_SPAWN_DEPTH_MAX 64      // inits within inits
#define RT_ACTOR_STATE_BYTES_MAX 4096     // larger things belong elsewhere, with a pointer here
#define RT_ACTOR_TYPES_MAX 1024           // message types of a class
#define RT_ACTOR_PAYLOAD_BYTES_MAX (16u * 1024 * 1024)

// Message type 0 of every class: an actor that was monitored or linked is no more. The payload is
// an rt_actor_down.
#define RT_ACTOR_DOWN 0

typedef struct rt_actors rt_actors;

// Who: system, place and generation of the place. An id is never used again; that of an actor that
// has stopped is RT_ENOTFOUND.
typedef struct rt_actor_id {
    uint64_t v; // 0 = nobody
} rt_actor_id;

#define RT_ACTOR_NOBODY ((rt_actor_id){0})

typedef struct rt_actor_message {
    rt_actor_id from; // RT_ACTOR_NOBODY: not sent by an actor
    uint32_t type;
    rt_bytes payload; // until the handler returns; aligned to 8 bytes, so a struct may be viewed
} rt_actor_message;

typedef struct rt_actor_down {
    rt_actor_id who;
    rt_err reason; // RT_OK: it stopped; RT_ENOTFOUND: it was gone before the monitor came
} rt_actor_down;

// Takes one message. Any error is a failure of the actor.
typedef rt_err (*rt_actor_handler)(rt_actors *actors, void *state, const rt_actor_message *message);

typedef enum rt_actor_failure_rule {
    RT_ACTOR_RESTARTS, // in place, by its supervision (one for one)
    RT_ACTOR_STOPS,    // with the error as its reason; the message is a dead letter at once
} rt_actor_failure_rule;

// What actors of a kind have in common. Outlives the systems that use it.
typedef struct rt_actor_class {
    const char *name;
    uint32_t state_bytes; // zeroed before init
    // Both may be NULL. init gets the arguments of rt_actors_spawn, after a failure again. fini
    // releases what the state holds and calls nothing of the system; no fini follows a failed init.
    rt_err (*init)(rt_actors *actors, void *state, rt_bytes args);
    void (*fini)(void *state);
    const rt_actor_handler *handlers; // by message type; NULL: not understood
    uint32_t handler_count;
    uint32_t count_max; // messages that may wait, at least 1
    uint32_t bytes_max; // of their payloads
    rt_overflow overflow;
    rt_actor_failure_rule on_failure;
    rt_supervision supervision; // of RT_ACTOR_RESTARTS
} rt_actor_class;

// A message that will never be taken.
typedef struct rt_actor_letter {
    rt_actor_id to;
    rt_actor_id from;
    uint32_t type;
    rt_bytes payload;
    const char *class_name; // of the addressee; NULL when it is no more
    // The handler's error, or: RT_EFULL mailbox full · RT_ECLOSED addressee stopped meanwhile ·
    // RT_ENOTFOUND it had stopped before · RT_EUNKNOWN RT_ELIMIT RT_ENOMEM as of rt_actors_send.
    rt_err cause;
    uint32_t tries; // 0: never taken up
    const char *detail; // of the handler's error, else ""
} rt_actor_letter;

// One failure of an actor.
typedef struct rt_actor_failure {
    rt_actor_id who;
    const char *class_name;
    uint32_t type; // of the message in work
    rt_err cause;
    const char *detail;
    uint32_t tries;
    bool is_given_up; // the message is a dead letter, reported before
    rt_supervisor_state state; // what the actor is now
    bool is_stopped; // for good (RT_ACTOR_STOPS)
} rt_actor_failure;

typedef struct rt_actors_config {
    uint32_t number;       // of this system among those it is connected with
    uint32_t actors_max;   // at most RT_ACTORS_MAX
    uint32_t timers_max;   // messages sent for later
    size_t memory_bytes_max; // of actors, states and messages
    uint32_t run_messages_max;  // taken in one rt_actors_run
    uint32_t turn_messages_max; // taken by one actor before the next one has its turn
    // Both may be NULL. They call nothing of the system.
    void (*on_letter)(void *user, const rt_actor_letter *letter);
    void (*on_failure)(void *user, const rt_actor_failure *failure);
    void *user;
} rt_actors_config;

// RT_ACTORS_DEFAULT is a system of up to a million actors within 1 GiB.
#define RT_ACTORS_DEFAULT                                                                          \
    ((rt_actors_config){                                                                           \
        .actors_max = 1u << 20,                                                                    \
        .timers_max = 1u << 20,                                                                    \
        .memory_bytes_max = (size_t)1 << 30,                                                       \
        .run_messages_max = 4096,                                                                  \
        .turn_messages_max = 64,                                                                   \
    })

typedef struct rt_actors_figures {
    uint32_t actors;
    uint32_t timers;
    uint64_t spawned;
    uint64_t taken;    // messages whose handler returned RT_OK
    uint64_t letters;  // dead letters
    uint64_t failures;
    uint64_t restarts;
    size_t memory_bytes; // of actors, states and messages; never shrinks but by large messages
} rt_actors_figures;

// rt_actors_new makes an empty system.
rt_actors *rt_actors_new(rt_actors_config config) RT_MUST_USE;
// rt_actors_free stops all actors and releases the system; not from a handler; NULL is fine. What
// waits is dropped without a letter. Connected systems stop running before the first is freed.
void rt_actors_free(rt_actors *actors);

// rt_actors_spawn makes an actor of a class and runs its init with a copy of `args`. From a handler
// the new one is a child of the actor in work.
//   ret_id    set on success only
//   errors    those of init · RT_EFULL actors_max · RT_ENOMEM memory_bytes_max or the machine ·
//             RT_ELIMIT arguments too long, or inits nested too deep
rt_err rt_actors_spawn(rt_actors *actors, const rt_actor_class *class, rt_bytes args,
                       rt_actor_id *ret_id) RT_MUST_USE;
// rt_actors_stop stops an actor and its children, the youngest first, and tells those who monitor
// them or are linked to them. What waits for them becomes dead letters. From a handler this is done
// once the handler has returned RT_OK.
//   errors    RT_ENOTFOUND · RT_ENOMEM (from a handler only)
rt_err rt_actors_stop(rt_actors *actors, rt_actor_id who, rt_err reason) RT_MUST_USE;

// rt_actors_send puts a copy of the payload into an actor's mailbox. What one actor sends to
// another arrives in that order.
//   errors    RT_EFULL its mailbox is at a bound and refuses, or the way to its system is full:
//             send again later · RT_ENOTFOUND no such actor (of another system: a dead letter
//             there) · RT_EUNKNOWN it does not understand the type · RT_ELIMIT larger than its
//             bytes_max · RT_ENOMEM
rt_err rt_actors_send(rt_actors *actors, rt_actor_id to, uint32_t type,
                      rt_bytes payload) RT_MUST_USE;
// rt_actors_send_at does so at a time in the clock that rt_actors_run is called with: from a
// handler, rt_actors_now_us plus the delay. Who is gone or full by then gets no message, and it is
// a dead letter.
// Messages of one moment arrive in the order they were asked for.
//   errors    RT_EFULL timers_max · RT_ENOTFOUND RT_EUNKNOWN RT_ELIMIT RT_ENOMEM as above; of
//             another system: RT_EINVAL
rt_err rt_actors_send_at(rt_actors *actors, rt_actor_id to, uint32_t type, rt_bytes payload,
                         int64_t at_us) RT_MUST_USE;

// rt_actors_monitor has `watcher` told (RT_ACTOR_DOWN) when `watched` is no more, at once if it is
// gone already. The message needs no room in the mailbox and cannot be lost.
//   errors    RT_ENOTFOUND no such watcher · RT_EUNKNOWN it has no handler for RT_ACTOR_DOWN ·
//             RT_EINVAL one of another system · RT_ENOMEM
rt_err rt_actors_monitor(rt_actors *actors, rt_actor_id watcher, rt_actor_id watched) RT_MUST_USE;
// rt_actors_link has each told of the other's end. One that has no handler for RT_ACTOR_DOWN stops
// with the same reason, unless that is RT_OK.
//   errors    RT_ENOTFOUND one of them is no more · RT_EINVAL one of another system · RT_ENOMEM
rt_err rt_actors_link(rt_actors *actors, rt_actor_id a, rt_actor_id b) RT_MUST_USE;

// rt_actors_run takes messages that are due at `now_us`, at most run_messages_max of them. Returns
// when to call again: now_us (work is left), a later time, or -1 (nothing to do until somebody
// sends). now_us must not go backwards.
int64_t rt_actors_run(rt_actors *actors, int64_t now_us);
// rt_actors_connect lets the actors of two systems of different numbers send to each other, over a
// bounded ring of `bytes` (a power of two, 1 KiB to 64 MiB) in each direction. Before either runs.
// The longest message is half a ring; what was sent leaves at the end of the sender's run, with one
// wake-up for all of it.
void rt_actors_connect(rt_actors *a, rt_actors *b, uint32_t bytes);

// rt_actors_self is the actor in work, RT_ACTOR_NOBODY outside of handlers and init.
rt_actor_id rt_actors_self(const rt_actors *actors);
// rt_actors_now_us is the time of this run.
int64_t rt_actors_now_us(const rt_actors *actors);
// rt_actors_is_alive tells whether an actor of this system is still there.
bool rt_actors_is_alive(const rt_actors *actors, rt_actor_id who);
// rt_actors_waiting is the number of messages in an actor's mailbox, 0 when it is gone.
uint32_t rt_actors_waiting(const rt_actors *actors, rt_actor_id who);
// rt_actors_state is whether an actor of this system runs, rests or is in quarantine.
//   errors    RT_ENOTFOUND
rt_err rt_actors_state(const rt_actors *actors, rt_actor_id who,
                       rt_supervisor_state *ret_state) RT_MUST_USE;
// rt_actors_figures_of is how the system is doing.
rt_actors_figures rt_actors_figures_of(const rt_actors *actors);

#endif
