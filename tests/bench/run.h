// bench/run.h: sends messages to a braind and measures what comes of them.
//
// Layer: tests/bench.   Threads: one owner; replies and publications come on others inside.
#ifndef CEREBRO_TESTS_BENCH_RUN_H
#define CEREBRO_TESTS_BENCH_RUN_H

#include "runtime/base/err.h"
#include "tests/bench/daemon.h"
#include "tests/bench/histogram.h"
#include "tests/bench/load.h"

typedef struct run_config {
    uint32_t producers;  // connections
    uint32_t slots;      // requests outstanding, over all of them
    uint64_t rate;       // events a second; 0 = as many as it takes
    int64_t limit_us;    // sending ends then
    int64_t patience_us; // for answers and decisions after that
} run_config;

typedef struct run_result {
    uint64_t events;     // acknowledged as new
    uint64_t refused;    // answered otherwise
    uint64_t decided;    // their decisions seen by the subscriber
    uint64_t missing;    // of these, decisions without the word of some agent
    uint64_t published;  // decisions in all, of the brain's own events too
    uint64_t gaps;       // publications that did not arrive
    int64_t elapsed_us;  // from the first send to the last decision
    int64_t cpu_us;      // of the braind meanwhile
    int64_t brain_cpu_us;
    int64_t agents_cpu_us;
    uint64_t first_seq;  // of the journal's records meanwhile
    uint64_t last_seq;
    histogram ack_us;    // from the intended time of sending to the acknowledgement
    histogram decision_us; // from there to the decision's publication
} run_result;

typedef struct run run;

// run_open connects producers and subscriber, waiting until the doors are open.
//   errors    RT_EUNREACH it never came up
rt_err run_open(const daemon_state *daemon, uint32_t producers, uint32_t slots,
                uint64_t events_max, run **ret_run) RT_MUST_USE;
// run_load sends the messages and waits for their decisions.
//   errors    RT_ETIMEOUT not everything was decided in time: the result holds what was
rt_err run_load(run *r, const load_messages *messages, const run_config *config,
                run_result *ret_result) RT_MUST_USE;
// run_close ends the subscriber's thread; connections end with the process.
void run_close(run *r);

#endif
