// bench/case.h: one kind of load on a whole braind, and one run of it.
//
// Layer: tests/bench.   Threads: one owner.   Blocks: yes.
#ifndef CEREBRO_TESTS_BENCH_CASE_H
#define CEREBRO_TESTS_BENCH_CASE_H

#include <stddef.h>
#include <stdint.h>

#include "runtime/base/err.h"
#include "tests/bench/daemon.h"
#include "tests/bench/load.h"
#include "tests/bench/run.h"

#define CASE_WARM_UP_US 700000 // sent first and not counted
#define CASE_SEED 20261120     // of the load

typedef struct bench_case {
    const char *name;
    uint32_t batch;
    uint32_t producers;
    uint32_t slots;
    uint64_t rate;    // events a second; 0 = flood
    uint64_t at_most; // events a second that a flood is prepared for
} bench_case;

typedef struct case_outcome {
    run_result *result; // the caller's
    double per_s;
    double rss_mib;
    double bytes_per_event;
} case_outcome;

// case_list is all of them, flood-64 first.
const bench_case *case_list(size_t *ret_count);
// case_events is how many events a run of so many seconds needs, warm-up included.
uint64_t case_events(const bench_case *c, int64_t seconds);
// case_run starts a braind, warms it up, sends it the events for so many seconds and ends it.
//   errors    RT_EIO, RT_EUNREACH, RT_ETIMEOUT; the process should then end soon
rt_err case_run(const bench_case *c, const daemon_config *braind, int64_t seconds,
                const load_events *events, case_outcome *ret_outcome) RT_MUST_USE;

#endif
