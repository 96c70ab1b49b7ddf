// seam/loop.h: an event loop, its timers and wake-ups. Real: libuv; simulated: a virtual scheduler
// where every loop shares one thread and time jumps to the next thing that is due.
//
// Layer: runtime/seam.   Threads: a loop is one thread; only rt_wake_send may be called from
// others.
#ifndef CEREBRO_RUNTIME_SEAM_LOOP_H
#define CEREBRO_RUNTIME_SEAM_LOOP_H

#include "runtime/base/attr.h"
#include "runtime/base/err.h"

#include <stdbool.h>
#include <stdint.h>

typedef struct rt_loop rt_loop;
typedef struct rt_timer rt_timer;
typedef struct rt_wake rt_wake;
typedef struct rt_thread rt_thread;

// rt_loop_new makes a loop.
rt_loop *rt_loop_new(void) RT_MUST_USE;
// rt_loop_run runs until rt_loop_stop; returns then.
void rt_loop_run(rt_loop *loop);
// rt_loop_stop makes rt_loop_run return after this round; loop thread only.
void rt_loop_stop(rt_loop *loop);
// rt_loop_free releases a loop that is not running, with what still belongs to it.
void rt_loop_free(rt_loop *loop);
// rt_loop_on_turn registers a callback made once per loop round after all I/O callbacks of the
// round (before the loop blocks). It must be cheap when there is nothing to do. With NULL for
// on_turn the callbacks of that `user` are made no more.
void rt_loop_on_turn(rt_loop *loop, void (*on_turn)(void *user), void *user);
// rt_loop_on_signal calls back on a signal (SIGTERM, SIGINT, SIGHUP).
void rt_loop_on_signal(rt_loop *loop, int signo, void (*on_signal)(void *user, int signo),
                       void *user);

// rt_timer_new makes a stopped timer.
rt_timer *rt_timer_new(rt_loop *loop, void (*on_timer)(void *user), void *user) RT_MUST_USE;
// rt_timer_start arms it: first after delay_ms (at least 1: libuv 1.44 starves the loop at 0), then
// every repeat_ms if that is not 0.
void rt_timer_start(rt_timer *timer, int64_t delay_ms, int64_t repeat_ms);
// rt_timer_stop disarms it.
void rt_timer_stop(rt_timer *timer);
// rt_timer_free releases it; NULL is fine.
void rt_timer_free(rt_timer *timer);

// rt_wake_new makes a wake-up: on_wake runs on the loop after one or more rt_wake_send (several
// sends may give one call, so drain everything).
rt_wake *rt_wake_new(rt_loop *loop, void (*on_wake)(void *user), void *user) RT_MUST_USE;
// rt_wake_send asks for on_wake; any thread.
void rt_wake_send(rt_wake *wake);
// rt_wake_free releases it; nobody may send any more.
void rt_wake_free(rt_wake *wake);

// rt_thread_start runs fn on its own thread (simulated: later, inline). `name` is shown by top.
rt_thread *rt_thread_start(const char *name, void (*fn)(void *user), void *user) RT_MUST_USE;
// rt_thread_join waits for it and releases it.
void rt_thread_join(rt_thread *thread);

#endif
