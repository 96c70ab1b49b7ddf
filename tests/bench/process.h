// bench/process.h: programs that a benchmark starts, and the one directory they write in. Both are
// gone when the benchmark is, however it ends.
//
// Layer: tests/bench.   Threads: one owner, which is the process's first thread.   Blocks: yes.
#ifndef CEREBRO_TESTS_BENCH_PROCESS_H
#define CEREBRO_TESTS_BENCH_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "runtime/base/bytes.h"
#include "runtime/base/err.h"

#define PROCESS_PROC_BYTES 4096
#define PROCESS_INHERIT (-1) // in place of a descriptor

typedef struct process_scratch {
    char dir[512];
    pid_t watchman; // removes the directory; 0: it is kept
    int alive;      // closed when this process ends, which the watchman waits for
} process_scratch;

typedef struct process_config {
    char *const *argv; // argv[0] is the program's path; NULL ends it
    int in;            // becomes standard input; or PROCESS_INHERIT
    int out;           // becomes standard output
    int err;           // becomes standard error
} process_config;

// process_scratch_open makes a directory in `parent`, and the watchman who will remove it.
// Call it before there are threads.
//   errors    RT_EIO
rt_err process_scratch_open(const char *parent, bool keep,
                            process_scratch *ret_scratch) RT_MUST_USE;
// process_scratch_close has the directory removed, and waits for it.
void process_scratch_close(process_scratch *scratch);
// process_remove deletes a directory and what is in it.
void process_remove(const char *dir);

// process_ports finds free ports on the loopback interface, all different.
//   errors    RT_EIO
rt_err process_ports(uint16_t *ret_ports, size_t count) RT_MUST_USE;

// process_start runs a program, which is killed when this thread ends.
//   errors    RT_EIO
rt_err process_start(const process_config *config, pid_t *ret_pid) RT_MUST_USE;
// process_alive tells whether it still runs.
bool process_alive(pid_t pid);
// process_stop asks it to end, waits, and kills it when asking does not help.
void process_stop(pid_t pid);

// process_read reads a small file of /proc; empty when it is gone.
rt_str process_read(const char *path, char text[PROCESS_PROC_BYTES]);
// process_stat_cpu_us is user and system time in the text of a stat file, in steps of 10 ms.
int64_t process_stat_cpu_us(rt_str stat);
// process_cpu_us is the user and system time of all threads of a process.
int64_t process_cpu_us(pid_t pid);

#endif
