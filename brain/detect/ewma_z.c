#include "brain/detect/ewma_z.h"

#include <math.h>

#include "runtime/base/check.h"

// Source: Roberts 1959, the geometric moving average chart; clipping the teaching value is
// Huber's winsorising (1964).
rt_err
br_ewma_z_add(br_ewma_z *state, const br_ewma_z_config *config, double value,
              br_reading *ret_reading)
{
    br_reading reading = br_reading_warming(value);
    double taught = value;
    rt_err err;

    RT_ASSERT(state != NULL && config != NULL && ret_reading != NULL);
    if (!isfinite(value) || !(config->threshold > 0.0) || !(config->sd_min >= 0.0)) {
        return rt_fail(RT_EINVAL, "value %g, threshold %g, sd_min %g", value, config->threshold,
                       config->sd_min);
    }
    if (state->level.count > 0 && state->level.count >= config->warmup_count) {
        double sd = br_reading_sd(state->level.variance, state->level.mean, config->sd_min);

        reading = br_reading_of_sds(value, state->level.mean, sd, config->threshold);
        taught = fmin(fmax(value, reading.low), reading.high);
    }
    err = br_ewma_add(&state->level, taught, config->alpha);
    if (err == RT_OK) {
        *ret_reading = reading;
    }
    return err;
}
