// brain/core/metrics.h: what the brain counts and measures about itself.
//
// Layer: brain/core.   Threads: brain loop.
// Counters live in one struct, declared by metrics.def with unit and help; nothing is created at
// run time. Latencies are kept in histograms of powers of two with eight steps each (12 % wide).
#ifndef CEREBRO_BRAIN_CORE_METRICS_H
#define CEREBRO_BRAIN_CORE_METRICS_H

#include <stdint.h>

#include "runtime/base/attr.h"
#include "runtime/wire/mp.h"

#define BR_HISTOGRAM_BUCKETS 256

typedef struct br_histogram {
    uint64_t count;
    uint64_t sum;
    uint64_t buckets[BR_HISTOGRAM_BUCKETS];
} br_histogram;

typedef struct br_metrics {
#define COUNTER(name, unit, help) uint64_t name;
#define HISTOGRAM(name, unit, help) br_histogram name;
#include "brain/core/metrics.def"
#undef COUNTER
#undef HISTOGRAM
} br_metrics;

// br_histogram_add counts one value.
void br_histogram_add(br_histogram *histogram, uint64_t value);
// br_histogram_quantile estimates a quantile (0..1), the upper end of its bucket; 0 when empty.
uint64_t br_histogram_quantile(const br_histogram *histogram, double quantile);
// br_metrics_write appends a map name -> value (histograms: count, mean, p50, p99).
void br_metrics_write(const br_metrics *metrics, rt_mpw *w);

#endif
