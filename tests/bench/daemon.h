// bench/daemon.h: a braind of its own for one measurement, and what it uses of the machine.
//
// Layer: tests/bench.   Threads: one owner.   Blocks: yes.
#ifndef CEREBRO_TESTS_BENCH_DAEMON_H
#define CEREBRO_TESTS_BENCH_DAEMON_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "runtime/base/err.h"

typedef struct daemon_config {
    const char *braind; // program
    const char *config; // brain.yaml
    const char *parent; // directory the data directory is made in
    bool keep;          // the data directory stays
} daemon_config;

typedef struct daemon_state {
    pid_t pid;
    char dir[512]; // data directory
    char ingest[64];
    char publish[64];
    bool keep;
} daemon_state;

typedef struct daemon_usage {
    int64_t cpu_us;        // of all threads, in steps of 10 ms
    int64_t brain_cpu_us;  // of the main thread
    int64_t agents_cpu_us; // of the agents' thread
    uint64_t rss_kib;
    uint64_t rss_peak_kib;
} daemon_usage;

// daemon_start runs a braind with an empty data directory and doors of its own; it may not be
// ready.
//   errors    RT_EIO
rt_err daemon_start(const daemon_config *config, daemon_state *ret_daemon) RT_MUST_USE;
// daemon_alive tells whether it still runs.
bool daemon_alive(const daemon_state *daemon);
// daemon_usage_of reads its figures from /proc.
daemon_usage daemon_usage_of(const daemon_state *daemon);
// daemon_stop ends it and removes its data.
void daemon_stop(daemon_state *daemon);

#endif
