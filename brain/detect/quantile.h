// detect/quantile.h: finds values beyond fences set by the quantiles of the latest values.
//
// Layer: brain/detect (may use brain/math, runtime/base).   Threads: any; state is the caller's.
// Makes no assumption of symmetry or thin tails: counts and durations lean to one side, and the
// fence on that side is set wider. Outliers in the window hardly move it.
#ifndef CEREBRO_BRAIN_DETECT_QUANTILE_H
#define CEREBRO_BRAIN_DETECT_QUANTILE_H

#include <stdint.h>

#include "brain/detect/reading.h"
#include "brain/math/stats.h"
#include "runtime/base/attr.h"
#include "runtime/base/err.h"

typedef struct br_quantile_fence_config {
    double reach;          // the fence lies this many times as far out as the 10 % / 90 % quantile
    double spread_min;     // smallest distance from the median to a quantile, in units of the value
    uint32_t warmup_count; // values before the first reading; at most BR_WINDOW_VALUES_MAX
} br_quantile_fence_config;

#define BR_QUANTILE_FENCE_DEFAULTS                                                                 \
    ((br_quantile_fence_config){.reach = 3.5, .spread_min = 0.0, .warmup_count = 30})

// br_quantile_fence is the detector's state; zero is a fresh one.
typedef struct br_quantile_fence {
    br_window window;
} br_quantile_fence;

// br_quantile_fence_add reads `value` against the window, then puts it in.
//   errors    RT_EINVAL value not finite, reach <= 0, spread_min < 0, warmup_count over the window
//             · RT_ECORRUPT impossible state
//   cost      O(window) memory moves, no allocation; about 1 us
rt_err br_quantile_fence_add(br_quantile_fence *state, const br_quantile_fence_config *config,
                             double value, br_reading *ret_reading) RT_MUST_USE;

#endif
