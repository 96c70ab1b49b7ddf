// Design notes. One rt_loop is one uv_loop_t. The order of a libuv round is timers, prepare, poll
// (I/O and wake-ups), closing, then timers again: a prepare handle therefore runs once per round,
// after every I/O and timer callback and just before the loop may block, which is what on_turn
// promises. rt_loop_stop in an I/O callback ends the round before the next prepare, so
// rt_loop_run makes one last turn itself.
//
// Everything on a loop hangs in its `owned` list and is let go by rt_loop_free. uv_close is
// asynchronous: a handle's memory is freed in its close callback, never earlier.
//
// Timers: libuv 1.44 runs a timer started with 0 from a timer callback for ever (its issue #4245),
// hence at least 1 ms. uv_now is cached per round; outside of rt_loop_run it would be as old as the
// loop, so rt_timer_start refreshes it there. Inside it must not: two slow timers rearming each
// other would then keep the loop from its I/O.

#include "runtime/seam/loop.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <uv.h>

#include "runtime/base/alloc.h"
#include "runtime/base/check.h"
#include "runtime/real/internal.h"

#define LOOP_MAGIC 0x4c4f4f50u
#define TIMER_MAGIC 0x54494d52u
#define WAKE_MAGIC 0x57414b45u
#define TURNS_MAX 16
#define TIMER_DELAY_MIN_MS 1
#define THREAD_NAME_MAX 16

typedef struct turn {
    void (*on_turn)(void *user);
    void *user;
} turn;

struct rt_loop {
    uint32_t magic;
    uv_loop_t uv;
    uv_prepare_t prepare;
    rt__owned owned; // list head
    turn turns[TURNS_MAX];
    uint32_t turn_count;
    bool running;
};

struct rt_timer {
    uint32_t magic;
    rt__owned owned;
    uv_timer_t uv;
    rt_loop *loop;
    void (*on_timer)(void *user);
    void *user;
};

struct rt_wake {
    uint32_t magic;
    rt__owned owned;
    uv_async_t uv;
    void (*on_wake)(void *user);
    void *user;
};

typedef struct loop_signal {
    rt__owned owned;
    uv_signal_t uv;
    void (*on_signal)(void *user, int signo);
    void *user;
} loop_signal;

struct rt_thread {
    uv_thread_t uv;
    char name[THREAD_NAME_MAX];
    void (*fn)(void *user);
    void *user;
};

static void
make_turn(rt_loop *loop)
{
    for (uint32_t i = 0; i < loop->turn_count; i++) {
        loop->turns[i].on_turn(loop->turns[i].user);
    }
}

static void
on_prepare(uv_prepare_t *prepare)
{
    make_turn(prepare->data);
}

rt_loop *
rt_loop_new(void)
{
    rt_loop *loop = rt_new(rt_loop);
    int rc = 0;

    // A peer that hangs up must be an error of one write, not the end of the process.
    (void)signal(SIGPIPE, SIG_IGN); // cannot fail for a valid signal number
    loop->magic = LOOP_MAGIC;
    loop->owned.prev = &loop->owned;
    loop->owned.next = &loop->owned;
    rc = uv_loop_init(&loop->uv);
    RT__SURE(rc, UV_ENOMEM, "libuv");
    rc = uv_prepare_init(&loop->uv, &loop->prepare);
    RT__SURE(rc, UV_ENOMEM, "libuv");
    loop->prepare.data = loop;
    // The prepare handle also keeps uv_run from returning while nothing else is active.
    rc = uv_prepare_start(&loop->prepare, on_prepare);
    RT__SURE(rc, UV_ENOMEM, "libuv");
    return loop;
}

void
rt_loop_run(rt_loop *loop)
{
    RT_CHECK(loop, LOOP_MAGIC);
    RT_ASSERT(!loop->running);
    loop->running = true;
    (void)uv_run(&loop->uv, UV_RUN_DEFAULT); // returns only after uv_stop
    make_turn(loop);
    loop->running = false;
}

void
rt_loop_stop(rt_loop *loop)
{
    RT_CHECK(loop, LOOP_MAGIC);
    uv_stop(&loop->uv);
}

void
rt_loop_free(rt_loop *loop)
{
    int rc = 0;

    RT_CHECK(loop, LOOP_MAGIC);
    RT_ASSERT(!loop->running);
    while (loop->owned.prev != &loop->owned) {
        rt__owned *last = loop->owned.prev;

        rt__loop_disown(last);
        last->fini(last->self);
    }
    loop->turn_count = 0;
    uv_close((uv_handle_t *)&loop->prepare, NULL);
    // Only close callbacks are left; a late rt_loop_stop must not cut them short.
    while (uv_run(&loop->uv, UV_RUN_DEFAULT) != 0) {
    }
    rc = uv_loop_close(&loop->uv);
    RT__SURE(rc, UV_ENOMEM, "libuv");
    loop->magic = 0;
    rt_free(loop);
}

static void
forget_turns(rt_loop *loop, const void *user)
{
    uint32_t kept = 0;

    for (uint32_t i = 0; i < loop->turn_count; i++) {
        if (loop->turns[i].user != user) {
            loop->turns[kept++] = loop->turns[i];
        }
    }
    loop->turn_count = kept;
}

void
rt_loop_on_turn(rt_loop *loop, void (*on_turn)(void *user), void *user)
{
    RT_CHECK(loop, LOOP_MAGIC);
    if (on_turn == NULL) {
        forget_turns(loop, user);
        return;
    }
    RT_ASSERT(loop->turn_count < TURNS_MAX);
    loop->turns[loop->turn_count] = (turn){on_turn, user};
    loop->turn_count++;
}

static void
on_signal_closed(uv_handle_t *handle)
{
    rt_free(handle->data);
}

static void
signal_fini(void *self)
{
    loop_signal *sig = self;

    uv_close((uv_handle_t *)&sig->uv, on_signal_closed);
}

static void
on_uv_signal(uv_signal_t *handle, int signo)
{
    loop_signal *sig = handle->data;

    sig->on_signal(sig->user, signo);
}

void
rt_loop_on_signal(rt_loop *loop, int signo, void (*on_signal)(void *user, int signo), void *user)
{
    loop_signal *sig = rt_new(loop_signal);
    int rc = 0;

    RT_CHECK(loop, LOOP_MAGIC);
    RT_ASSERT(on_signal != NULL);
    sig->on_signal = on_signal;
    sig->user = user;
    rc = uv_signal_init(&loop->uv, &sig->uv);
    RT__SURE(rc, UV_ENOMEM, "libuv");
    sig->uv.data = sig;
    rc = uv_signal_start(&sig->uv, on_uv_signal, signo);
    RT__SURE(rc, UV_ENOMEM, "libuv");
    rt__loop_own(loop, &sig->owned, signal_fini, sig);
}

struct uv_loop_s *
rt__loop_uv(rt_loop *loop)
{
    RT_CHECK(loop, LOOP_MAGIC);
    return &loop->uv;
}

void
rt__loop_own(rt_loop *loop, rt__owned *owned, void (*fini)(void *self), void *self)
{
    RT_CHECK(loop, LOOP_MAGIC);
    RT_ASSERT(owned->next == NULL);
    owned->fini = fini;
    owned->self = self;
    owned->next = &loop->owned;
    owned->prev = loop->owned.prev;
    owned->prev->next = owned;
    loop->owned.prev = owned;
}

void
rt__loop_disown(rt__owned *owned)
{
    if (owned->next == NULL) {
        return;
    }
    owned->prev->next = owned->next;
    owned->next->prev = owned->prev;
    owned->prev = NULL;
    owned->next = NULL;
}

static void
on_uv_timer(uv_timer_t *handle)
{
    rt_timer *timer = handle->data;

    timer->on_timer(timer->user);
}

static void
on_timer_closed(uv_handle_t *handle)
{
    rt_free(handle->data);
}

static void
timer_fini(void *self)
{
    rt_timer *timer = self;

    timer->magic = 0;
    uv_close((uv_handle_t *)&timer->uv, on_timer_closed);
}

rt_timer *
rt_timer_new(rt_loop *loop, void (*on_timer)(void *user), void *user)
{
    rt_timer *timer = rt_new(rt_timer);
    int rc = 0;

    RT_CHECK(loop, LOOP_MAGIC);
    RT_ASSERT(on_timer != NULL);
    timer->magic = TIMER_MAGIC;
    timer->loop = loop;
    timer->on_timer = on_timer;
    timer->user = user;
    rc = uv_timer_init(&loop->uv, &timer->uv);
    RT__SURE(rc, UV_ENOMEM, "libuv");
    timer->uv.data = timer;
    rt__loop_own(loop, &timer->owned, timer_fini, timer);
    return timer;
}

void
rt_timer_start(rt_timer *timer, int64_t delay_ms, int64_t repeat_ms)
{
    int rc = 0;

    RT_CHECK(timer, TIMER_MAGIC);
    RT_ASSERT(repeat_ms >= 0);
    if (!timer->loop->running) {
        uv_update_time(&timer->loop->uv);
    }
    rc = uv_timer_start(&timer->uv, on_uv_timer,
                        (uint64_t)RT_MAX(delay_ms, (int64_t)TIMER_DELAY_MIN_MS),
                        (uint64_t)repeat_ms);
    RT__SURE(rc, UV_ENOMEM, "libuv");
}

void
rt_timer_stop(rt_timer *timer)
{
    RT_CHECK(timer, TIMER_MAGIC);
    (void)uv_timer_stop(&timer->uv); // always 0
}

void
rt_timer_free(rt_timer *timer)
{
    if (timer == NULL) {
        return;
    }
    RT_CHECK(timer, TIMER_MAGIC);
    rt__loop_disown(&timer->owned);
    timer_fini(timer);
}

static void
on_uv_async(uv_async_t *handle)
{
    rt_wake *wake = handle->data;

    wake->on_wake(wake->user);
}

static void
on_wake_closed(uv_handle_t *handle)
{
    rt_free(handle->data);
}

static void
wake_fini(void *self)
{
    rt_wake *wake = self;

    wake->magic = 0;
    uv_close((uv_handle_t *)&wake->uv, on_wake_closed);
}

rt_wake *
rt_wake_new(rt_loop *loop, void (*on_wake)(void *user), void *user)
{
    rt_wake *wake = rt_new(rt_wake);
    int rc = 0;

    RT_CHECK(loop, LOOP_MAGIC);
    RT_ASSERT(on_wake != NULL);
    wake->magic = WAKE_MAGIC;
    wake->on_wake = on_wake;
    wake->user = user;
    rc = uv_async_init(&loop->uv, &wake->uv, on_uv_async);
    RT__SURE(rc, UV_ENOMEM, "libuv");
    wake->uv.data = wake;
    rt__loop_own(loop, &wake->owned, wake_fini, wake);
    return wake;
}

void
rt_wake_send(rt_wake *wake)
{
    int rc = 0;

    RT_CHECK(wake, WAKE_MAGIC);
    rc = uv_async_send(&wake->uv);
    RT__SURE(rc, UV_ENOMEM, "libuv");
}

void
rt_wake_free(rt_wake *wake)
{
    if (wake == NULL) {
        return;
    }
    RT_CHECK(wake, WAKE_MAGIC);
    rt__loop_disown(&wake->owned);
    wake_fini(wake);
}

static void
thread_main(void *arg)
{
    rt_thread *thread = arg;

    (void)pthread_setname_np(pthread_self(), thread->name); // only a name for top
    thread->fn(thread->user);
}

rt_thread *
rt_thread_start(const char *name, void (*fn)(void *user), void *user)
{
    rt_thread *thread = rt_new(rt_thread);
    int rc = 0;

    RT_ASSERT(name != NULL && fn != NULL);
    (void)snprintf(thread->name, sizeof(thread->name), "%s", name); // cut to what the kernel keeps
    thread->fn = fn;
    thread->user = user;
    rc = uv_thread_create(&thread->uv, thread_main, thread);
    rc = rc == UV_EAGAIN ? UV_ENOMEM : rc; // what pthread_create says of a missing stack
    RT__SURE(rc, UV_ENOMEM, "libuv");
    return thread;
}

void
rt_thread_join(rt_thread *thread)
{
    int rc = 0;

    RT_ASSERT(thread != NULL);
    rc = uv_thread_join(&thread->uv);
    RT__SURE(rc, UV_ENOMEM, "libuv");
    rt_free(thread);
}
