// detect/reading.h: what every detector of unusual values says about one value.
//
// Layer: brain/detect (may use brain/math, runtime/base).   Threads: any.
// The score is on one scale for all detectors: 0 is as expected, 1 is exactly the detector's own
// threshold. Low and high bound what was expected before the value came.
#ifndef CEREBRO_BRAIN_DETECT_READING_H
#define CEREBRO_BRAIN_DETECT_READING_H

#include <stdbool.h>

typedef struct br_reading {
    double score;
    double low;
    double high;
    bool ready; // false while warming up; then score is 0 and alarm is false
    bool alarm; // ready and score >= 1
    bool above; // the value (or its trend) lies above what was expected
} br_reading;

// br_reading_warming is the reading of a detector that has seen too little.
br_reading br_reading_warming(double value);

// br_reading_of_sds scores a value by its distance from `mean` in deviations `sd` > 0, of which
// `threshold` > 0 make an alarm.
br_reading br_reading_of_sds(double value, double mean, double sd, double threshold);

// br_reading_sd is the root of `variance`, but at least `sd_min` and a millionth of `mean`: a
// series that never moved must not turn rounding into infinite surprise.
double br_reading_sd(double variance, double mean, double sd_min);

#endif
