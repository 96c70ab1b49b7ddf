// sim/sim_internal.h: what the simulated seams share: the queue, tracked memory, the weather.
//
// Layer: runtime/sim only.   Threads: one.
#ifndef CEREBRO_RUNTIME_SIM_SIM_INTERNAL_H
#define CEREBRO_RUNTIME_SIM_SIM_INTERNAL_H

#include "runtime/base/rng.h"
#include "runtime/seam/loop.h"
#include "runtime/sim/sim.h"

typedef struct sim_event {
    rt_loop *loop;
    int64_t at_us;
    bool background;
    bool held; // by its stopped loop, not in the queue
    void (*fn)(void *target); // NULL once cancelled
    void *target;
    struct sim_event *next_held;
} sim_event;

// sim__at runs fn(target) at virtual time `at_us` on a loop (NULL: outside of any loop). A
// background event does not keep sim_run_until_idle going.
//   ret   valid until it has run or is cancelled
sim_event *sim__at(rt_loop *loop, int64_t at_us, bool background, void (*fn)(void *target),
                   void *target);
// sim__cancel forgets an event that has not run; NULL is fine.
void sim__cancel(sim_event *event);
// sim__cancel_all forgets the events of one loop.
void sim__cancel_all(const rt_loop *loop);
// sim__queue puts an event (back) into the queue.
void sim__queue(sim_event *event);
// sim__step runs everything one loop has due at the next instant; false when nothing is queued.
bool sim__step(void);
// sim__now_us is the virtual time.
int64_t sim__now_us(void);
// sim__wall_ms is what the wall clock shows.
int64_t sim__wall_ms(void);
// sim__loop_number names a loop in the order of their making, 0 for none.
uint64_t sim__loop_number(const rt_loop *loop);
// sim__loop_hold keeps the event of a stopped loop; false when it is to be run.
bool sim__loop_hold(rt_loop *loop, sim_event *event);
// sim__loop_turn ends a burst of callbacks of a loop.
void sim__loop_turn(rt_loop *loop);
// sim__loop_reset forgets all loops.
void sim__loop_reset(void);
// sim__rng is the world's own stream: delays, faults.
rt_rng *sim__rng(void);
// sim__entropy_rng is the stream behind rt_entropy.
rt_rng *sim__entropy_rng(void);

// sim__alloc returns zeroed memory that sim_reset takes back if sim__free has not.
void *sim__alloc(size_t bytes) RT_MUST_USE;
// sim__free releases it; NULL is fine.
void sim__free(void *ptr);
#define sim__new(type) ((type *)sim__alloc(sizeof(type)))
// sim__text copies a NUL-terminated string.
char *sim__text(const char *text) RT_MUST_USE;

// sim__happen counts one thing that happened apart from time passing.
void sim__happen(void);
// sim__trace stirs one happening into the hash: what, where, with which bytes.
void sim__trace(char what, const char *where, rt_bytes bytes);

// A message on its way: bytes behind the struct.
typedef struct sim_msg {
    struct sim_msg *next;
    int64_t due_us;
    rt_bytes body;
} sim_msg;

// sim__msg copies bytes.
sim_msg *sim__msg(rt_bytes body) RT_MUST_USE;

typedef struct sim_fifo {
    sim_msg *first;
    sim_msg *last;
    uint32_t count;
} sim_fifo;

// sim__fifo_push appends; sim__fifo_pop removes the first or returns NULL.
void sim__fifo_push(sim_fifo *fifo, sim_msg *msg);
sim_msg *sim__fifo_pop(sim_fifo *fifo);
// sim__fifo_clear frees what is in it.
void sim__fifo_clear(sim_fifo *fifo);

// sim__arrival_us is when something sent now arrives, never before `*last_us`, which it updates.
int64_t sim__arrival_us(int64_t *last_us);
// sim__late_us is when a request that others overtake arrives, 0 when this one is in time.
int64_t sim__late_us(void);
// sim__lost, sim__doubled and sim__severed draw whether a fault strikes.
bool sim__lost(void);
bool sim__doubled(void);
bool sim__severed(void);

// sim__parcel_new wraps a message for a user; on_free is called by rt_parcel_free.
rt_parcel *sim__parcel_new(sim_msg *msg, void (*on_free)(void *owner), void *owner) RT_MUST_USE;

// sim__msg_reset brings back fair weather.
void sim__msg_reset(void);
// sim__*_reset forgets all doors of that kind; sim__*_forget those of one loop.
void sim__door_reset(void);
void sim__door_forget(const rt_loop *loop);
void sim__link_reset(void);
void sim__link_forget(const rt_loop *loop);
void sim__ctl_reset(void);
void sim__ctl_forget(const rt_loop *loop);
void sim__http_reset(void);
void sim__http_forget(const rt_loop *loop);

#endif
