// bench/histogram.h: latencies in buckets of constant relative width, like HdrHistogram.
//
// Layer: tests/bench.   Threads: one owner.   Units: whatever is counted (here microseconds).
// 64 steps to each power of two: a quantile is at most 1.6 % above the true value.
#ifndef CEREBRO_TESTS_BENCH_HISTOGRAM_H
#define CEREBRO_TESTS_BENCH_HISTOGRAM_H

#include <stdint.h>

#define HISTOGRAM_STEPS 64
#define HISTOGRAM_BUCKETS (HISTOGRAM_STEPS * 33) // values up to 2^38

typedef struct histogram {
    uint64_t count;
    uint64_t max;
    uint64_t buckets[HISTOGRAM_BUCKETS];
} histogram;

// histogram_add counts one value; beyond the last bucket it is counted there.
void histogram_add(histogram *h, uint64_t value);
// histogram_quantile is the upper end of the bucket that holds the quantile (0..1), never above the
// largest value; 0 when empty.
uint64_t histogram_quantile(const histogram *h, double quantile);

#endif
