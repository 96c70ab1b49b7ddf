// anomaly/policy.h: what is watched, and the pure judgement whether a series left its range.
//
// Layer: agents/anomaly, pure (may use brain/math, brain/detect).   Threads: any.
// A series is fed one tally a bucket. Buckets are gathered until they hold enough to say something
// (a rate of three deliveries says nothing), put on one scale and given to three detectors, of
// which enough must agree.
#ifndef CEREBRO_AGENTS_ANOMALY_POLICY_H
#define CEREBRO_AGENTS_ANOMALY_POLICY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "brain/detect/cusum.h"
#include "brain/detect/ewma_z.h"
#include "brain/detect/quantile.h"
#include "brain/detect/vote.h"
#include "brain/math/stats.h"
#include "runtime/base/bytes.h"
#include "runtime/base/err.h"

#define ANOMALY_DETECTORS 3
#define ANOMALY_SLOTS 72 // hour of the day, on working days, Saturdays and Sundays
#define ANOMALY_DETECTORS_CAP 64

typedef enum anomaly_measure {
    ANOMALY_COUNT, // how many an hour; compared with the same hour on the same kind of day
    ANOMALY_RATIO, // hits among the trials of an hour; likewise
    ANOMALY_MEAN,  // mean of what was measured in trials
    ANOMALY_LEVEL, // a sampled value
} anomaly_measure;

typedef enum anomaly_scale { // of a level
    ANOMALY_PLAIN,
    ANOMALY_ROOT, // shares near 0
    ANOMALY_LOG,  // counts and durations: heavy tails
} anomaly_scale;

typedef enum anomaly_watch_id {
    ANOMALY_CARRIER_LATE,
    ANOMALY_CARRIER_FAILED,
    ANOMALY_CARRIER_SCANS,
    ANOMALY_ORDERS,
    ANOMALY_ISSUES,
    ANOMALY_CANCELLED,
    ANOMALY_MOOD,
    ANOMALY_WATCHES_OWN, // computed from events; the rest is sampled by the runtime
    ANOMALY_INGEST = ANOMALY_WATCHES_OWN,
    ANOMALY_LATENCY,
    ANOMALY_ERRORS,
    ANOMALY_BACKLOG,
    ANOMALY_MEMORY,
    ANOMALY_MODEL_LOSS,
    ANOMALY_OTHER, // any further sampled metric
    ANOMALY_WATCHES,
} anomaly_watch_id;

typedef struct anomaly_watch {
    const char *metric; // as in anomaly.detected
    anomaly_measure measure;
    int direction; // 1: only too high is bad, -1: only too low, 0: both
    const char *kind_above;
    const char *kind_below;
    anomaly_scale scale; // of a level
    double sd_min;       // of a level, on its scale: smaller changes are not worth noticing
    bool is_slow;        // a level gathered over a business bucket instead of a sample bucket
} anomaly_watch;

typedef struct anomaly_config {
    double min_trials;   // of a ratio or mean, before it is judged
    double min_expected; // of a count, before it is judged
    double tolerance;    // a relative change up to this is never unusual
    uint32_t votes_needed;
    uint32_t clear_after; // judgements in range that end an anomaly
    int64_t refractory_ms;
    int32_t utc_offset_ms;
} anomaly_config;

// What one bucket saw. Adds up.
typedef struct anomaly_tally {
    double hits;    // COUNT, RATIO
    double trials;  // RATIO, MEAN, LEVEL: how many were measured
    double sum;     // MEAN, LEVEL
    double squares; // MEAN: sum of squares
} anomaly_tally;

// What is usual in one hour of the day.
typedef struct anomaly_slot {
    br_decayed mean;   // COUNT: of an hour's total; RATIO: hits by trials
    br_decayed square; // COUNT: of an hour's total
} anomaly_slot;

// Everything remembered of one series; zero is a fresh one.
typedef struct anomaly_series {
    anomaly_slot slots[ANOMALY_SLOTS]; // COUNT, RATIO
    br_decayed overall;                // RATIO, MEAN
    br_decayed square;                 // MEAN: of single values
    br_ewma_z spike;
    br_cusum shift;
    br_quantile_fence fence;
    br_vote vote;
    anomaly_tally open; // gathered since the last judgement
    double open_expected;
    double open_variance;
    anomaly_tally hour; // COUNT, RATIO: of the hour that is not over yet
    int64_t hour_at_ms;
    uint32_t severity; // br_severity of the anomaly that is on, 0 = none
    uint32_t calm;     // judgements in range since
    uint32_t is_above; // the anomaly that is on
    uint32_t unused;
} anomaly_series;

// What a bucket brought to light.
typedef struct anomaly_finding {
    bool judged;   // enough was gathered to say something
    bool detected; // an anomaly began, or got worse
    bool cleared;  // it ended
    bool above;
    br_severity severity;
    double value; // in natural units: a count, a share, a mean, a sampled value
    double low;   // what was expected
    double high;
    double score; // 0..1, 0.5 at the detectors' own threshold
    bool voted[ANOMALY_DETECTORS];
} anomaly_finding;

// anomaly_watch_of describes a watch.
const anomaly_watch *anomaly_watch_of(anomaly_watch_id id);
// anomaly_watch_find is the watch of a sampled metric; ANOMALY_OTHER for an unknown name.
anomaly_watch_id anomaly_watch_find(rt_str metric);
// anomaly_kind is the kind to report, by direction.
const char *anomaly_kind(const anomaly_watch *watch, bool above);

// anomaly_series_add takes the tally of the bucket that began at `at_ms` and judges when enough is
// gathered.
//   errors    RT_EINVAL a number is not finite or a configuration is out of range · RT_ECORRUPT
rt_err anomaly_series_add(anomaly_series *series, const anomaly_watch *watch,
                          const anomaly_config *config, const anomaly_tally *tally, int64_t at_ms,
                          anomaly_finding *ret_finding) RT_MUST_USE;

// anomaly_detectors_format writes the names of the detectors that voted and returns `buf`.
const char *anomaly_detectors_format(const anomaly_finding *finding,
                                     char buf[ANOMALY_DETECTORS_CAP]);

#endif
