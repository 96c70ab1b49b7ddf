// bench/micro_report.h: what one step costs: a table for people, JSON for programs.
//
// Layer: tests/bench.   Threads: one owner.
#ifndef CEREBRO_TESTS_BENCH_MICRO_REPORT_H
#define CEREBRO_TESTS_BENCH_MICRO_REPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MICRO_RUNS_MAX 99
#define MICRO_NAME_MAX 80

typedef struct micro_row {
    char name[MICRO_NAME_MAX];
    double ns[MICRO_RUNS_MAX]; // of one operation, in each run
    uint32_t runs;
    uint64_t ops;   // of one run
    bool is_events; // an operation is an event on its way to disk: shown as a rate too
} micro_row;

// micro_print prints rows: median, lowest and highest of the runs; it sorts them. A title of NULL
// prints no head.
void micro_print(micro_row *rows, size_t count, const char *title, bool json);

#endif
