// bench/report.h: figures for people (a table) or programs (a JSON array of objects).
//
// Layer: tests/bench.   Threads: one owner.
#ifndef CEREBRO_TESTS_BENCH_REPORT_H
#define CEREBRO_TESTS_BENCH_REPORT_H

#include <stddef.h>
#include <stdint.h>

typedef struct report_quantiles {
    uint64_t p50_us;
    uint64_t p90_us;
    uint64_t p99_us;
    uint64_t p999_us;
} report_quantiles;

// One case, the middle one of its runs.
typedef struct report_row {
    const char *suite;
    const char *name;
    uint32_t batch;
    uint32_t producers;
    uint32_t outstanding;
    uint64_t rate; // asked for, 0 = flood
    uint64_t events;
    double events_per_s; // durable, decided
    double low_per_s;    // of all runs
    double high_per_s;
    report_quantiles ack;
    report_quantiles decision;
    double cpu_us_per_event;
    double brain_us_per_event;  // of the brain's thread
    double agents_us_per_event; // of the agents' thread
    double rss_mib;
    double bytes_per_event; // of journal records
    uint64_t refused;
    uint64_t decided;   // of the events, decisions the subscriber received
    uint64_t published; // decisions it received in all, of the brain's own events too
    uint64_t gaps;      // publications it did not
    uint64_t missing;   // decisions without the word of some agent
} report_row;

// A figure of several runs.
typedef struct report_spread {
    double median;
    double low;
    double high;
} report_spread;

// How many times another's rate one's own is, of each round both ran in.
typedef struct report_ratio {
    const char *to; // the other's name
    report_spread times;
} report_ratio;

// One system or stage beside others; quantiles and CPU are medians of its runs.
typedef struct report_line {
    const char *suite;
    const char *name;
    uint32_t batch;
    uint32_t runs;
    report_spread events_per_s;
    double p50_us; // negative: not measured
    double p99_us;
    double cpu_us_per_event; // negative: not measured
    const report_ratio *ratios;
    size_t ratio_count;
} report_line;

// report_spread_of is median, lowest and highest of at least one value; it sorts them. Of an even
// number the median is the mean of the middle two.
report_spread report_spread_of(double *values, size_t count);
// report_lines_table prints lines for people, their ratios below.
void report_lines_table(const report_line *lines, size_t count);
// report_lines_json prints lines as a JSON array.
void report_lines_json(const report_line *lines, size_t count);
// report_table prints rows for people.
void report_table(const report_row *rows, size_t count);
// report_json prints rows as a JSON array.
void report_json(const report_row *rows, size_t count);

#endif
