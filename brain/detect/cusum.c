#include "brain/detect/cusum.h"

#include <math.h>

#include "runtime/base/check.h"

#define RANGE_SDS 3.0
#define SUM_TO_THRESHOLD_MAX 1.5

static rt_err
check_config(const br_cusum_config *config, double value)
{
    if (!isfinite(value)) {
        return rt_fail(RT_EINVAL, "cannot read %g", value);
    }
    if (!(config->slack >= 0.0) || !(config->threshold > 0.0) || !(config->sd_min >= 0.0)) {
        return rt_fail(RT_EINVAL, "slack %g, threshold %g, sd_min %g", config->slack,
                       config->threshold, config->sd_min);
    }
    return RT_OK;
}

static double
sum_next(double sum, double step, double threshold)
{
    return fmin(fmax(sum + step, 0.0), SUM_TO_THRESHOLD_MAX * threshold);
}

// Source: Page 1954, "Continuous inspection schemes", the two-sided form.
rt_err
br_cusum_add(br_cusum *state, const br_cusum_config *config, double value, br_reading *ret_reading)
{
    br_reading reading = br_reading_warming(value);
    br_cusum next;
    double taught = value;
    rt_err err;

    RT_ASSERT(state != NULL && config != NULL && ret_reading != NULL);
    err = check_config(config, value);
    if (err != RT_OK) {
        return err;
    }
    next = *state;
    if (state->reference.count > 0 && state->reference.count >= config->warmup_count) {
        double mean = state->reference.mean;
        double sd = br_reading_sd(state->reference.variance, mean, config->sd_min);
        double z = fmin(fmax((value - mean) / sd, -RANGE_SDS), RANGE_SDS);

        next.rise = sum_next(state->rise, z - config->slack, config->threshold);
        next.fall = sum_next(state->fall, -z - config->slack, config->threshold);
        reading = br_reading_of_sds(value, mean, sd, RANGE_SDS);
        reading.score = fmax(next.rise, next.fall) / config->threshold;
        reading.alarm = reading.score >= 1.0;
        reading.above = next.rise >= next.fall;
        taught = mean + z * sd;
    }
    err = br_ewma_add(&next.reference, taught, config->alpha);
    if (err == RT_OK) {
        *state = next;
        *ret_reading = reading;
    }
    return err;
}
