#include "tests/bench/histogram.h"

#include "runtime/base/attr.h"

// Values below HISTOGRAM_STEPS have a bucket each; from there on each power of two has
// HISTOGRAM_STEPS buckets.
static uint32_t
bucket_of(uint64_t value)
{
    if (value < HISTOGRAM_STEPS) {
        return (uint32_t)value;
    }
    uint32_t power = 63 - (uint32_t)__builtin_clzll(value); // 6..
    uint32_t step = (uint32_t)(value >> (power - 6)) - HISTOGRAM_STEPS;
    return RT_MIN((power - 5) * HISTOGRAM_STEPS + step, HISTOGRAM_BUCKETS - 1u);
}

static uint64_t
upper_end(uint32_t bucket)
{
    if (bucket < HISTOGRAM_STEPS) {
        return bucket;
    }
    uint32_t power = bucket / HISTOGRAM_STEPS + 5;
    uint64_t step = bucket % HISTOGRAM_STEPS + HISTOGRAM_STEPS;
    return ((step + 1) << (power - 6)) - 1;
}

void
histogram_add(histogram *h, uint64_t value)
{
    h->count++;
    h->max = RT_MAX(h->max, value);
    h->buckets[bucket_of(value)]++;
}

uint64_t
histogram_quantile(const histogram *h, double quantile)
{
    double want = quantile * (double)h->count;
    uint64_t below = 0;
    for (uint32_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
        below += h->buckets[i];
        if (below > 0 && (double)below >= want) {
            return RT_MIN(upper_end(i), h->max);
        }
    }
    return h->max;
}
