// Design notes. Loops, timers, wake-ups and threads on the queue of world_sim.c.
//
// A loop is taken to run from the moment it is made, whether rt_loop_run was called or not: what it
// has due runs whenever the world is driven. rt_loop_stop makes it hold its events until the next
// rt_loop_run. A freed loop's struct stays until sim_reset because a queue entry may still name it.

#include "runtime/base/check.h"
#include "runtime/sim/sim_internal.h"

#define LOOP_MAGIC 0x534c4f50u
#define TIMER_MAGIC 0x5354494du
#define WAKE_MAGIC 0x5357414bu
#define TURNS_MAX 16
#define WAKE_DELAY_MAX_US 20
#define SIGNALS_MAX 8

typedef struct turn {
    void (*on_turn)(void *user);
    void *user;
} turn;

typedef struct signal_want {
    int signo;
    void (*on_signal)(void *user, int signo);
    void *user;
} signal_want;

struct rt_loop {
    uint32_t magic;
    uint32_t number;
    rt_loop *next;
    rt_thread *thread; // whose body ran it
    bool stopped;
    bool frozen;
    bool freed;
    bool free_when_stopped;
    sim_event *held;
    turn turns[TURNS_MAX];
    uint32_t turn_count;
    signal_want signals[SIGNALS_MAX];
    uint32_t signal_count;
};

struct rt_timer {
    uint32_t magic;
    rt_loop *loop;
    void (*on_timer)(void *user);
    void *user;
    sim_event *event;
    int64_t repeat_ms;
    int64_t due_us;
};

struct rt_wake {
    uint32_t magic;
    rt_loop *loop;
    void (*on_wake)(void *user);
    void *user;
    sim_event *event;
};

struct rt_thread {
    void (*fn)(void *user);
    void *user;
    bool ran;
};

typedef struct signal_call {
    signal_want want;
} signal_call;

static struct {
    rt_loop *loops;
    uint32_t loop_count;
    rt_thread *body; // the thread whose body is running
} threads;

void
sim__loop_reset(void)
{
    memset(&threads, 0, sizeof(threads));
}

uint64_t
sim__loop_number(const rt_loop *loop)
{
    return loop != NULL ? loop->number : 0;
}

bool
sim__loop_hold(rt_loop *loop, sim_event *event)
{
    if (loop == NULL || (!loop->stopped && !loop->frozen)) {
        return false;
    }
    event->held = true;
    event->next_held = loop->held;
    loop->held = event;
    return true;
}

void
sim__loop_turn(rt_loop *loop)
{
    if (loop->frozen) {
        return;
    }
    for (uint32_t i = 0; i < loop->turn_count && !loop->freed; i++) {
        loop->turns[i].on_turn(loop->turns[i].user);
    }
    if (loop->stopped && loop->free_when_stopped && !loop->freed) {
        rt_loop_free(loop);
    }
}

static void
deliver_signal(void *target)
{
    signal_call *call = target;

    call->want.on_signal(call->want.user, call->want.signo);
    sim__free(call);
}

void
sim_signal(int signo)
{
    for (rt_loop *loop = threads.loops; loop != NULL; loop = loop->next) {
        for (uint32_t i = 0; i < loop->signal_count && !loop->freed; i++) {
            if (loop->signals[i].signo == signo) {
                signal_call *call = sim__new(signal_call);

                call->want = loop->signals[i];
                (void)sim__at(loop, sim__now_us(), false, deliver_signal, call);
            }
        }
    }
}

// --- loops ----------------------------------------------------------------------------------

rt_loop *
rt_loop_new(void)
{
    rt_loop *loop = sim__new(rt_loop);

    loop->magic = LOOP_MAGIC;
    threads.loop_count++;
    loop->number = threads.loop_count;
    loop->next = threads.loops;
    threads.loops = loop;
    return loop;
}

static void
release_held(rt_loop *loop)
{
    sim_event *in_order = NULL;

    while (loop->held != NULL) { // the list is last in, first out
        sim_event *event = loop->held;

        loop->held = event->next_held;
        event->next_held = in_order;
        in_order = event;
    }
    while (in_order != NULL) {
        sim_event *event = in_order;

        in_order = event->next_held;
        event->held = false;
        event->at_us = sim__now_us();
        sim__queue(event);
    }
}

void
sim_loop_freeze(rt_loop *loop, bool frozen)
{
    RT_CHECK(loop, LOOP_MAGIC);
    loop->frozen = frozen;
    if (!frozen && !loop->stopped) {
        release_held(loop);
    }
}

void
rt_loop_run(rt_loop *loop)
{
    RT_CHECK(loop, LOOP_MAGIC);
    loop->stopped = false;
    release_held(loop);
    if (threads.body != NULL) {
        loop->thread = threads.body;
        return;
    }
    while (!loop->stopped && sim__step()) {
    }
}

void
rt_loop_stop(rt_loop *loop)
{
    RT_CHECK(loop, LOOP_MAGIC);
    loop->stopped = true;
}

void
rt_loop_free(rt_loop *loop)
{
    RT_CHECK(loop, LOOP_MAGIC);
    if (threads.body != NULL && !loop->stopped) {
        loop->free_when_stopped = true; // the body ends, its loop has only begun
        return;
    }
    loop->freed = true;
    sim__cancel_all(loop);
    sim__door_forget(loop);
    sim__link_forget(loop);
    sim__ctl_forget(loop);
    sim__http_forget(loop);
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

void
rt_loop_on_signal(rt_loop *loop, int signo, void (*on_signal)(void *user, int signo), void *user)
{
    RT_CHECK(loop, LOOP_MAGIC);
    RT_ASSERT(on_signal != NULL);
    RT_ASSERT(loop->signal_count < SIGNALS_MAX);
    loop->signals[loop->signal_count] = (signal_want){signo, on_signal, user};
    loop->signal_count++;
}

// --- timers ---------------------------------------------------------------------------------

rt_timer *
rt_timer_new(rt_loop *loop, void (*on_timer)(void *user), void *user)
{
    rt_timer *timer = sim__new(rt_timer);

    RT_CHECK(loop, LOOP_MAGIC);
    RT_ASSERT(on_timer != NULL);
    timer->magic = TIMER_MAGIC;
    timer->loop = loop;
    timer->on_timer = on_timer;
    timer->user = user;
    return timer;
}

static void
fire(void *target)
{
    rt_timer *timer = target;

    timer->event = NULL;
    if (timer->repeat_ms > 0) { // before the callback, which may stop or free the timer
        timer->due_us = RT_MAX(timer->due_us + timer->repeat_ms * 1000, sim__now_us() + 1000);
        timer->event = sim__at(timer->loop, timer->due_us, true, fire, timer);
    }
    sim__trace('t', "", (rt_bytes){0});
    timer->on_timer(timer->user);
}

void
rt_timer_start(rt_timer *timer, int64_t delay_ms, int64_t repeat_ms)
{
    RT_CHECK(timer, TIMER_MAGIC);
    RT_ASSERT(repeat_ms >= 0);
    sim__cancel(timer->event);
    timer->repeat_ms = repeat_ms;
    timer->due_us = sim__now_us() + RT_MAX(delay_ms, INT64_C(1)) * 1000;
    timer->event = sim__at(timer->loop, timer->due_us, repeat_ms > 0, fire, timer);
}

void
rt_timer_stop(rt_timer *timer)
{
    RT_CHECK(timer, TIMER_MAGIC);
    sim__cancel(timer->event);
    timer->event = NULL;
}

void
rt_timer_free(rt_timer *timer)
{
    if (timer == NULL) {
        return;
    }
    rt_timer_stop(timer);
    timer->magic = 0;
    sim__free(timer);
}

// --- wake-ups -------------------------------------------------------------------------------

rt_wake *
rt_wake_new(rt_loop *loop, void (*on_wake)(void *user), void *user)
{
    rt_wake *wake = sim__new(rt_wake);

    RT_CHECK(loop, LOOP_MAGIC);
    RT_ASSERT(on_wake != NULL);
    wake->magic = WAKE_MAGIC;
    wake->loop = loop;
    wake->on_wake = on_wake;
    wake->user = user;
    return wake;
}

static void
rouse(void *target)
{
    rt_wake *wake = target;

    wake->event = NULL;
    sim__trace('w', "", (rt_bytes){0});
    wake->on_wake(wake->user);
}

void
rt_wake_send(rt_wake *wake)
{
    RT_CHECK(wake, WAKE_MAGIC);
    if (wake->event == NULL) {
        int64_t delay_us = 1 + (int64_t)rt_rng_below(sim__rng(), WAKE_DELAY_MAX_US);

        wake->event = sim__at(wake->loop, sim__now_us() + delay_us, false, rouse, wake);
    }
}

void
rt_wake_free(rt_wake *wake)
{
    if (wake == NULL) {
        return;
    }
    RT_CHECK(wake, WAKE_MAGIC);
    sim__cancel(wake->event);
    wake->magic = 0;
    sim__free(wake);
}

// --- threads --------------------------------------------------------------------------------

static void
run_body(void *target)
{
    rt_thread *thread = target;

    thread->ran = true;
    threads.body = thread;
    thread->fn(thread->user);
    threads.body = NULL;
}

rt_thread *
rt_thread_start(const char *name, void (*fn)(void *user), void *user)
{
    rt_thread *thread = sim__new(rt_thread);

    RT_ASSERT(name != NULL && fn != NULL);
    thread->fn = fn;
    thread->user = user;
    (void)sim__at(NULL, sim__now_us(), false, run_body, thread);
    return thread;
}

static bool
has_running_loop(const rt_thread *thread)
{
    for (const rt_loop *loop = threads.loops; loop != NULL; loop = loop->next) {
        if (loop->thread == thread && !loop->stopped && !loop->freed) {
            return true;
        }
    }
    return false;
}

void
rt_thread_join(rt_thread *thread)
{
    bool more = true;

    RT_ASSERT(thread != NULL);
    while (more && (!thread->ran || has_running_loop(thread))) {
        more = sim__step();
    }
    for (rt_loop *loop = threads.loops; loop != NULL; loop = loop->next) {
        loop->thread = loop->thread == thread ? NULL : loop->thread;
    }
    sim__free(thread);
}
