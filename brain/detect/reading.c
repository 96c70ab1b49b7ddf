#include "brain/detect/reading.h"

#include <math.h>

#include "runtime/base/check.h"

#define SD_TO_MEAN_MIN 1e-6
#define SD_SMALLEST 1e-12

br_reading
br_reading_warming(double value)
{
    return (br_reading){.low = value, .high = value};
}

br_reading
br_reading_of_sds(double value, double mean, double sd, double threshold)
{
    double score;

    RT_ASSERT(sd > 0.0);
    RT_ASSERT(threshold > 0.0);
    score = fabs(value - mean) / sd / threshold;
    return (br_reading){
        .score = score,
        .low = mean - threshold * sd,
        .high = mean + threshold * sd,
        .ready = true,
        .alarm = score >= 1.0,
        .above = value > mean,
    };
}

double
br_reading_sd(double variance, double mean, double sd_min)
{
    double sd = sqrt(fmax(variance, 0.0));

    return fmax(fmax(sd, sd_min), fmax(SD_TO_MEAN_MIN * fabs(mean), SD_SMALLEST));
}
