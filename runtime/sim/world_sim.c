// Design notes. One heap holds everything that will happen, ordered by (virtual time, tie). The
// upper half of a tie is a hash of (seed, loop, time), the lower half a sequence number: what one
// loop has due at one instant stays together and in the order it was asked for, as in a real
// loop, while different loops at the same instant are shuffled by the seed.
//
// Events name what they run by pointers that are never compared or hashed, so addresses do not
// influence a run. A cancelled event stays in the heap, empty, until its time.
//
// An event of a stopped loop is held by the loop (loop_sim.c) and comes back when it runs again;
// one of a freed loop is cancelled.
//
// All memory is tracked: sim_reset frees what a test (or a simulated crash) left behind.

#include <string.h>

#include "runtime/base/alloc.h"
#include "runtime/base/check.h"
#include "runtime/base/hash.h"
#include "runtime/base/heap.h"
#include "runtime/sim/sim_internal.h"

// Streams of the seed.
enum { STREAM_WORLD = 1, STREAM_ENTROPY = 2 };

typedef struct tracked {
    struct tracked *prev;
    struct tracked *next;
} tracked;
_Static_assert(sizeof(tracked) == 16, "what follows it must be aligned to 16");

static struct {
    bool ready;
    uint64_t seed;
    int64_t now_us;
    int64_t wall_offset_ms;
    uint64_t trace;
    uint32_t sequence;
    uint64_t happenings;
    uint64_t foreground; // events in the heap that are work
    bool stepping;
    rt_heap heap;
    tracked memory; // list head
    rt_rng rng;
    rt_rng entropy;
} world;

static void
ensure_ready(void)
{
    if (!world.ready) {
        sim_reset(1);
    }
}

// --- memory ---------------------------------------------------------------------------------

void *
sim__alloc(size_t bytes)
{
    tracked *node = NULL;

    ensure_ready();
    node = rt_alloc(sizeof(tracked) + bytes);
    node->next = &world.memory;
    node->prev = world.memory.prev;
    node->prev->next = node;
    world.memory.prev = node;
    return node + 1;
}

void
sim__free(void *ptr)
{
    tracked *node = ptr;

    if (ptr == NULL) {
        return;
    }
    node--;
    node->prev->next = node->next;
    node->next->prev = node->prev;
    rt_free(node);
}

char *
sim__text(const char *text)
{
    size_t len = strlen(text);
    char *copy = sim__alloc(len + 1);

    memcpy(copy, text, len + 1);
    return copy;
}

static void
free_everything(void)
{
    tracked *node = world.memory.next;

    while (node != &world.memory) {
        tracked *next = node->next;

        rt_free(node);
        node = next;
    }
}

// --- the run --------------------------------------------------------------------------------

void
sim_reset(uint64_t seed)
{
    // Also after a test that failed inside a callback and left the world in the middle of a step.
    if (world.ready) {
        free_everything();
        rt_heap_fini(&world.heap);
    }
    memset(&world, 0, sizeof(world));
    world.ready = true;
    world.seed = seed;
    world.wall_offset_ms = SIM_WALL_START_MS;
    world.memory.prev = &world.memory;
    world.memory.next = &world.memory;
    rt_heap_init(&world.heap);
    rt_rng_seed(&world.rng, seed, STREAM_WORLD);
    rt_rng_seed(&world.entropy, seed, STREAM_ENTROPY);
    sim__loop_reset();
    sim__msg_reset();
    sim__door_reset();
    sim__link_reset();
    sim__ctl_reset();
    sim__http_reset();
}

uint64_t
sim_seed(void)
{
    return world.seed;
}

int64_t
sim_now_ms(void)
{
    return world.now_us / 1000;
}

int64_t
sim__now_us(void)
{
    return world.now_us;
}

int64_t
sim__wall_ms(void)
{
    ensure_ready();
    return world.wall_offset_ms + world.now_us / 1000;
}

void
sim_set_wall_ms(int64_t wall_ms)
{
    ensure_ready();
    world.wall_offset_ms = wall_ms - world.now_us / 1000;
}

rt_rng *
sim__rng(void)
{
    ensure_ready();
    return &world.rng;
}

rt_rng *
sim__entropy_rng(void)
{
    ensure_ready();
    return &world.entropy;
}

void
sim_trace_mix(rt_bytes bytes)
{
    world.trace = rt_hash64(bytes, world.trace);
}

uint64_t
sim_happenings(void)
{
    return world.happenings;
}

void
sim__happen(void)
{
    world.happenings++;
}

uint64_t
sim_trace_hash(void)
{
    return world.trace;
}

void
sim__trace(char what, const char *where, rt_bytes bytes)
{
    uint8_t head[sizeof(world.now_us) + 1];

    if (what != 't' && what != 'w') { // timers and wake-ups are time passing
        sim__happen();
    }
    memcpy(head, &world.now_us, sizeof(world.now_us));
    head[sizeof(world.now_us)] = (uint8_t)what;
    sim_trace_mix((rt_bytes){head, sizeof(head)});
    sim_trace_mix(rt_bytes_of_str(rt_str_of(where)));
    sim_trace_mix(bytes);
}

static uint64_t
tie_of(const rt_loop *loop, int64_t at_us)
{
    struct {
        int64_t at_us;
        uint64_t loop;
    } who = {at_us, sim__loop_number(loop)};
    uint64_t shuffled = rt_hash64((rt_bytes){(const uint8_t *)&who, sizeof(who)}, world.seed);

    world.sequence++;
    return shuffled << 32 | world.sequence;
}

void
sim__queue(sim_event *event)
{
    world.foreground += event->background ? 0 : 1;
    rt_heap_push(&world.heap, (rt_heap_item){.key = event->at_us,
                                             .tie = tie_of(event->loop, event->at_us),
                                             .value = (uint64_t)(uintptr_t)event});
}

sim_event *
sim__at(rt_loop *loop, int64_t at_us, bool background, void (*fn)(void *target), void *target)
{
    sim_event *event = sim__new(sim_event);

    RT_ASSERT(fn != NULL);
    event->loop = loop;
    event->at_us = RT_MAX(at_us, world.now_us);
    event->background = background;
    event->fn = fn;
    event->target = target;
    sim__queue(event);
    return event;
}

void
sim__cancel(sim_event *event)
{
    if (event != NULL) {
        world.foreground -= event->background || event->held ? 0 : 1;
        event->background = true; // counted no more when its time comes
        event->fn = NULL;
    }
}

static sim_event *
event_of(const rt_heap_item *item)
{
    return (sim_event *)(uintptr_t)item->value;
}

void
sim__cancel_all(const rt_loop *loop)
{
    for (size_t i = 0; i < world.heap.count; i++) {
        sim_event *event = event_of(&world.heap.items[i]);

        if (event->loop == loop && event->fn != NULL) {
            sim__cancel(event);
        }
    }
}

// skip_cancelled makes the top of the heap an event that will do something.
static const rt_heap_item *
skip_cancelled(void)
{
    const rt_heap_item *top = rt_heap_peek(&world.heap);

    while (top != NULL) {
        sim_event *event = event_of(top);

        if (event->fn != NULL) {
            break;
        }
        (void)rt_heap_pop(&world.heap); // the same event as `top`
        world.foreground -= event->background ? 0 : 1;
        sim__free(event);
        top = rt_heap_peek(&world.heap);
    }
    return top;
}

static void
run_event(sim_event *event)
{
    void (*fn)(void *target) = event->fn;
    void *target = event->target;

    sim__free(event);
    fn(target);
}

const rt_loop *
sim_next_loop(void)
{
    const rt_heap_item *top = skip_cancelled();

    return top != NULL ? event_of(top)->loop : NULL;
}

bool
sim__step(void)
{
    const rt_heap_item *top = NULL;
    rt_loop *loop = NULL;

    ensure_ready();
    RT_ASSERT(!world.stepping); // nobody drives the world from within a callback
    top = skip_cancelled();
    if (top == NULL) {
        return false;
    }
    world.stepping = true;
    world.now_us = top->key;
    loop = event_of(top)->loop;
    while (top != NULL && top->key == world.now_us && event_of(top)->loop == loop) {
        sim_event *event = event_of(top);

        (void)rt_heap_pop(&world.heap); // the same event as `top`
        world.foreground -= event->background ? 0 : 1;
        if (!sim__loop_hold(loop, event)) {
            run_event(event);
        }
        top = skip_cancelled();
    }
    if (loop != NULL) {
        sim__loop_turn(loop);
    }
    world.stepping = false;
    return true;
}

void
sim_run_until(int64_t now_ms)
{
    int64_t until_us = now_ms * 1000;
    const rt_heap_item *top = NULL;

    ensure_ready();
    top = skip_cancelled();
    while (top != NULL && top->key <= until_us) {
        (void)sim__step(); // true: there is a top
        top = skip_cancelled();
    }
    world.now_us = RT_MAX(world.now_us, until_us);
}

void
sim_advance_ms(int64_t ms)
{
    RT_ASSERT(ms >= 0);
    sim_run_until(world.now_us / 1000 + ms);
}

bool
sim_run_until_idle(int64_t max_virtual_ms)
{
    int64_t until_us = 0;

    ensure_ready();
    until_us = world.now_us + max_virtual_ms * 1000;
    while (world.foreground > 0) {
        const rt_heap_item *top = skip_cancelled();

        RT_ASSERT(top != NULL); // what is counted is in the queue
        if (top->key > until_us) {
            world.now_us = until_us;
            return false;
        }
        (void)sim__step(); // true: there is a top
    }
    return true;
}
