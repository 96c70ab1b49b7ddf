#include "brain/core/metrics.h"

#include "runtime/base/bytes.h"

#define STEPS 8u // per power of two

static uint32_t
bucket_of(uint64_t value)
{
    if (value < STEPS) {
        return (uint32_t)value;
    }
    uint32_t power = 63u - (uint32_t)__builtin_clzll(value); // >= 3
    uint32_t step = (uint32_t)(value >> (power - 3)) & (STEPS - 1);
    uint32_t bucket = (power - 2) * STEPS + step;
    return RT_MIN(bucket, BR_HISTOGRAM_BUCKETS - 1);
}

static uint64_t
bucket_top(uint32_t bucket)
{
    if (bucket < STEPS) {
        return bucket;
    }
    uint32_t power = bucket / STEPS + 2;
    uint64_t step = bucket % STEPS;
    return ((STEPS + step + 1) << (power - 3)) - 1;
}

void
br_histogram_add(br_histogram *histogram, uint64_t value)
{
    histogram->count++;
    histogram->sum += value;
    histogram->buckets[bucket_of(value)]++;
}

uint64_t
br_histogram_quantile(const br_histogram *histogram, double quantile)
{
    uint64_t rank = (uint64_t)(quantile * (double)histogram->count);
    uint64_t seen = 0;
    rank = histogram->count > 0 ? RT_MIN(rank, histogram->count - 1) : 0;
    for (uint32_t i = 0; i < BR_HISTOGRAM_BUCKETS; i++) {
        seen += histogram->buckets[i];
        if (histogram->buckets[i] > 0 && seen > rank) {
            return bucket_top(i);
        }
    }
    return 0;
}

static void
write_histogram(const char *name, const br_histogram *histogram, rt_mpw *w)
{
    rt_mpw_cstr(w, name);
    rt_mpw_map(w, 4);
    rt_mpw_cstr(w, "count");
    rt_mpw_u64(w, histogram->count);
    rt_mpw_cstr(w, "mean");
    rt_mpw_f64(w, histogram->count > 0 ? (double)histogram->sum / (double)histogram->count : 0);
    rt_mpw_cstr(w, "p50");
    rt_mpw_u64(w, br_histogram_quantile(histogram, 0.5));
    rt_mpw_cstr(w, "p99");
    rt_mpw_u64(w, br_histogram_quantile(histogram, 0.99));
}

void
br_metrics_write(const br_metrics *metrics, rt_mpw *w)
{
    size_t header = rt_mpw_map32(w);
    uint32_t count = 0;
#define COUNTER(name, unit, help)      \
    rt_mpw_cstr(w, #name);             \
    rt_mpw_u64(w, metrics->name);      \
    count++;
#define HISTOGRAM(name, unit, help)           \
    write_histogram(#name, &metrics->name, w); \
    count++;
#include "brain/core/metrics.def"
#undef COUNTER
#undef HISTOGRAM
    rt_mpw_patch32(w, header, count);
}
