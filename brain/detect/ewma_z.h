// detect/ewma_z.h: finds single values far from the moving average.
//
// Layer: brain/detect (may use brain/math, runtime/base).   Threads: any; state is the caller's.
// Good at spikes; a slow drift carries the average along and stays unseen (see detect/cusum.h).
#ifndef CEREBRO_BRAIN_DETECT_EWMA_Z_H
#define CEREBRO_BRAIN_DETECT_EWMA_Z_H

#include <stdint.h>

#include "brain/detect/reading.h"
#include "brain/math/stats.h"
#include "runtime/base/attr.h"
#include "runtime/base/err.h"

typedef struct br_ewma_z_config {
    double alpha;          // share of the newest value in the average
    double threshold;      // standard deviations that make an alarm
    double sd_min;         // smallest deviation worth noticing, in units of the value
    uint32_t warmup_count; // values before the first reading
} br_ewma_z_config;

#define BR_EWMA_Z_DEFAULTS                                                                         \
    ((br_ewma_z_config){.alpha = 0.01, .threshold = 4.0, .sd_min = 0.0, .warmup_count = 30})

// br_ewma_z is the detector's state; zero is a fresh one.
typedef struct br_ewma_z {
    br_ewma level;
} br_ewma_z;

// br_ewma_z_add reads `value` against what came before, then learns from it. After the warm-up a
// value teaches as if it lay at the threshold at most, so that one spike does not hide the next.
//   errors    RT_EINVAL value not finite, alpha outside (0, 1], threshold <= 0, sd_min < 0
rt_err br_ewma_z_add(br_ewma_z *state, const br_ewma_z_config *config, double value,
                     br_reading *ret_reading) RT_MUST_USE;

#endif
