// detect/seasonal.h: finds values unusual for their hour of the day and kind of day.
//
// Layer: brain/detect (may use brain/math, runtime/base).   Threads: any; state is the caller's.
// A hundred orders at noon are nothing; at three in the morning they are. Each of 48 slots (24
// hours, working day or weekend) keeps its own level.
#ifndef CEREBRO_BRAIN_DETECT_SEASONAL_H
#define CEREBRO_BRAIN_DETECT_SEASONAL_H

#include <stddef.h>
#include <stdint.h>

#include "brain/detect/reading.h"
#include "brain/math/stats.h"
#include "runtime/base/attr.h"
#include "runtime/base/err.h"

#define BR_SEASONAL_SLOTS 48

typedef struct br_seasonal_config {
    double alpha;          // share of the newest value in its slot's level
    double threshold;      // standard deviations that make an alarm
    double sd_min;         // smallest deviation worth noticing, in units of the value
    uint32_t warmup_count; // values in a slot before its first reading
    int32_t utc_offset_ms; // local time minus UTC; Colombia is -5 hours all year
} br_seasonal_config;

#define BR_SEASONAL_DEFAULTS                                                                       \
    ((br_seasonal_config){.alpha = 0.1,                                                            \
                          .threshold = 4.5,                                                        \
                          .sd_min = 0.0,                                                           \
                          .warmup_count = 5,                                                       \
                          .utc_offset_ms = -5 * 3600000})

// br_seasonal is the detector's state; zero is a fresh one.
typedef struct br_seasonal {
    br_ewma slots[BR_SEASONAL_SLOTS];
    br_ewma residual; // of all slots together
} br_seasonal;

// br_seasonal_slot is the slot of a moment: local hour, plus 24 on Saturday and Sunday.
size_t br_seasonal_slot(int64_t at_ms, int32_t utc_offset_ms);

// br_seasonal_add reads `value` against its slot, then learns from it (clipped to the threshold).
//   errors    RT_EINVAL value not finite, alpha outside (0, 1], threshold <= 0, sd_min < 0
rt_err br_seasonal_add(br_seasonal *state, const br_seasonal_config *config, int64_t at_ms,
                       double value, br_reading *ret_reading) RT_MUST_USE;

#endif
