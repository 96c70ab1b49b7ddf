// detect/cusum.h: finds small lasting shifts of the level by adding up deviations.
//
// Layer: brain/detect (may use brain/math, runtime/base).   Threads: any; state is the caller's.
// Good at shifts of about one standard deviation, which a single value never shows.
#ifndef CEREBRO_BRAIN_DETECT_CUSUM_H
#define CEREBRO_BRAIN_DETECT_CUSUM_H

#include <stdint.h>

#include "brain/detect/reading.h"
#include "brain/math/stats.h"
#include "runtime/base/attr.h"
#include "runtime/base/err.h"

typedef struct br_cusum_config {
    double slack;          // standard deviations a value may stray without counting
    double threshold;      // sum of the rest, in standard deviations, that makes an alarm
    double alpha;          // how fast the reference level follows; small, or a shift hides itself
    double sd_min;         // smallest deviation worth noticing, in units of the value
    uint32_t warmup_count; // values from which the first reference is taken
} br_cusum_config;

#define BR_CUSUM_DEFAULTS                                                                          \
    ((br_cusum_config){                                                                            \
        .slack = 0.5, .threshold = 8.0, .alpha = 0.002, .sd_min = 0.0, .warmup_count = 100})

// br_cusum is the detector's state; zero is a fresh one.
typedef struct br_cusum {
    br_ewma reference;
    double rise;
    double fall;
} br_cusum;

// br_cusum_add reads `value` against the reference, then learns from it. The alarm stays on while
// the shift lasts and ends soon after it, for the sums are capped a little over the threshold.
//   ret_reading  low and high are the reference +-3 standard deviations
//   errors    RT_EINVAL value not finite, alpha outside (0, 1], slack < 0, threshold <= 0,
//             sd_min < 0
rt_err br_cusum_add(br_cusum *state, const br_cusum_config *config, double value,
                    br_reading *ret_reading) RT_MUST_USE;

#endif
