// sim/sim.h: the simulated world behind the seams: one thread, one virtual clock, one seed.
//
// Layer: runtime/sim (tests only).   Threads: one.
// Every loop, timer, wake-up, door and link of a run hangs in one queue ordered by virtual time.
// Nothing waits for real: time jumps to the next thing that is due. Two loops that are due at the
// same instant take turns by the seed; what one loop has due at one instant runs in the order it
// was asked for, then its on_turn callbacks. The same seed and the same calls give the same run,
// down to the last byte of sim_trace_hash.
//
// Threads in the simulation: rt_thread_start runs the body later, inline. rt_loop_run in a body
// only marks the loop as the thread's and returns at once; the body must then return as well (an
// rt_loop_free right after rt_loop_run takes effect when the loop stops). rt_thread_join goes on
// with the run until the loops of that thread have stopped. rt_loop_run outside of any body drives
// the whole world until that loop is stopped or nothing is left to do. A loop is taken to run from
// rt_loop_new on, so a test may also leave out rt_loop_run and drive with sim_run_until.
#ifndef CEREBRO_RUNTIME_SIM_SIM_H
#define CEREBRO_RUNTIME_SIM_SIM_H

#include "runtime/base/bytes.h"
#include "runtime/base/err.h"
#include "runtime/seam/http.h"
#include "runtime/seam/net.h"

// The wall clock after sim_reset: 2024-01-01T00:00:00Z.
#define SIM_WALL_START_MS INT64_C(1704067200000)

// --- the run --------------------------------------------------------------------------------

// sim_reset forgets everything that was simulated and starts again at virtual time 0.
void sim_reset(uint64_t seed);
// sim_seed is the seed of this run, for messages of failing tests.
uint64_t sim_seed(void);
// sim_now_ms is the virtual time since sim_reset.
int64_t sim_now_ms(void);
// sim_set_wall_ms steps the wall clock; durations do not notice.
void sim_set_wall_ms(int64_t wall_ms);
// sim_run_until runs what is due up to `now_ms` and leaves the clock there.
void sim_run_until(int64_t now_ms);
// sim_advance_ms is sim_run_until that much later.
void sim_advance_ms(int64_t ms);
// sim_run_until_idle runs until nothing is under way, or `max_virtual_ms` have passed: then false.
// Timers that repeat are no work by themselves; every other timer is.
bool sim_run_until_idle(int64_t max_virtual_ms);
// sim_loop_freeze stops a loop as SIGSTOP does a process (true): nothing runs there until it is let
// go on, when everything that came due meanwhile does.
void sim_loop_freeze(rt_loop *loop, bool frozen);
// sim_next_loop is the loop that the next step of the world is on, NULL for none.
const rt_loop *sim_next_loop(void);
// sim_signal delivers a signal to every loop that asked for it.
void sim_signal(int signo);
// sim_happenings counts what happened so far: messages that arrived, disk operations, commits.
uint64_t sim_happenings(void);
// sim_trace_mix stirs bytes into the running hash of this run.
void sim_trace_mix(rt_bytes bytes);
// sim_trace_hash is the hash of everything that happened so far; equal seeds give equal hashes.
uint64_t sim_trace_hash(void);

// --- messages -------------------------------------------------------------------------------

typedef struct sim_net_faults {
    double drop;          // a message is lost: probability
    double duplicate;     // a message arrives twice
    double cut;           // a link is cut when a message is sent over it
    int64_t delay_min_us; // time on the way
    int64_t delay_max_us;
    double late; // a request to a REP door is overtaken by others
} sim_net_faults;

// sim_net_set_faults changes the weather for what is sent from now on; after sim_reset nothing is
// lost and the delay is 20 to 500 us. Order on one link or door is kept, but for late requests.
void sim_net_set_faults(sim_net_faults faults);
// sim_net_late counts the requests that were late since sim_reset.
uint64_t sim_net_late(void);
// sim_net_inject sends a message to the listening or the dialling end at an address as if the other
// one had; false without a connection.
bool sim_net_inject(const char *url, bool to_listener, rt_bytes body);
// sim_net_cut cuts the link at an address now; the dialling side comes back after 100 ms or more.
void sim_net_cut(const char *url);
// sim_net_block keeps links from connecting at an address (true) or lets them again.
void sim_net_block(const char *url, bool blocked);

// Called once. RT_ETIMEOUT when request or reply was lost, RT_ECLOSED when the door went away or
// the request was too big, RT_EUNREACH without a door.
typedef void (*sim_on_reply)(void *user, rt_err err, rt_bytes reply);
// sim_request sends a request to a REP door; NULL for on_reply is fine.
void sim_request(const char *url, rt_bytes body, sim_on_reply on_reply, void *user);
// sim_push sends a message to a PULL door; false when there is none.
bool sim_push(const char *url, rt_bytes body);
// sim_sub subscribes to everything a PUB door publishes, now or later.
void sim_sub(const char *url, void (*on_message)(void *user, rt_bytes body), void *user);
// sim_sub_stall keeps all subscribers at an address from reading (true): what waits for them is
// bounded by the door's inflight_max, what is more is lost to them; or lets them read again.
void sim_sub_stall(const char *url, bool stalled);

// Called with each answer frame; `last` ends the call. RT_ECLOSED ends it as well: the server is
// gone or the request was too big.
typedef void (*sim_on_answer)(void *user, rt_err err, rt_bytes body, bool last);
// sim_ctl_call makes a control call as user `uid`. Returns the call until its last answer, NULL
// when nobody listens.
rt_ctl_call *sim_ctl_call(const char *path, uint32_t uid, rt_bytes body, sim_on_answer on_answer,
                          void *user);
// sim_ctl_hangup ends a call from the client's side: no more answers, rt_ctl_alive is false.
void sim_ctl_hangup(rt_ctl_call *call);

// --- outgoing requests ----------------------------------------------------------------------

typedef struct sim_http_answer {
    rt_err err;             // RT_OK for an answer
    int32_t status;         // 200 unless set
    int64_t retry_after_ms; // -1 unless set
    rt_bytes body;          // copied when the handler returns
    int64_t delay_ms;       // 1 unless set; past the request's timeout it becomes RT_ETIMEOUT
} sim_http_answer;

typedef void (*sim_http_fn)(void *user, const rt_http_request *request,
                            sim_http_answer *ret_answer);
// sim_http_handler is the whole internet of this run; without one every request is RT_EUNREACH.
void sim_http_handler(sim_http_fn handler, void *user);

#endif
