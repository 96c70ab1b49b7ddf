// Design notes.
//
// A slot sees few values, so its own variance is unsure; it is drawn towards the variance of all
// residuals, by the weight of SHARED_WEIGHT values. A quiet night slot still becomes stricter than
// a busy noon slot, but not after three lucky values.

#include "brain/detect/seasonal.h"

#include <math.h>

#include "runtime/base/check.h"

#define HOUR_MS INT64_C(3600000)
#define DAY_MS (24 * HOUR_MS)
#define SHARED_WEIGHT 8.0

size_t
br_seasonal_slot(int64_t at_ms, int32_t utc_offset_ms)
{
    int64_t local_ms = at_ms + utc_offset_ms;
    int64_t in_day_ms = (local_ms % DAY_MS + DAY_MS) % DAY_MS;
    int64_t day = (local_ms - in_day_ms) / DAY_MS;
    int64_t weekday = ((day + 3) % 7 + 7) % 7; // 1970-01-01 was a Thursday; Monday is 0

    return (size_t)(in_day_ms / HOUR_MS) + (weekday >= 5 ? 24 : 0);
}

// The weight of a slot's own variance: what an exponential average of `count` values amounts to.
static double
own_weight(uint64_t count, double alpha)
{
    return fmin((double)count, 2.0 / alpha - 1.0);
}

static double
slot_variance(const br_seasonal *state, const br_ewma *slot, double alpha)
{
    double own = own_weight(slot->count, alpha);

    return (own * slot->variance + SHARED_WEIGHT * state->residual.variance) /
           (own + SHARED_WEIGHT);
}

// Source: Holt 1957 and Winters 1960 for exponentially weighted seasonal levels; the shrunken
// variance is the usual scaled inverse chi-square posterior mean.
rt_err
br_seasonal_add(br_seasonal *state, const br_seasonal_config *config, int64_t at_ms, double value,
                br_reading *ret_reading)
{
    br_reading reading = br_reading_warming(value);
    double taught = value;
    br_ewma *slot;
    rt_err err;

    RT_ASSERT(state != NULL && config != NULL && ret_reading != NULL);
    if (!isfinite(value) || !(config->alpha > 0.0 && config->alpha <= 1.0) ||
        !(config->threshold > 0.0) || !(config->sd_min >= 0.0)) {
        return rt_fail(RT_EINVAL, "value %g, alpha %g, threshold %g, sd_min %g", value,
                       config->alpha, config->threshold, config->sd_min);
    }
    slot = &state->slots[br_seasonal_slot(at_ms, config->utc_offset_ms)];
    if (slot->count > 1 && slot->count >= config->warmup_count) {
        // A level known from n values adds 1/n to the variance of what comes next.
        double variance = slot_variance(state, slot, config->alpha) *
                          (1.0 + 1.0 / own_weight(slot->count, config->alpha));
        double sd = br_reading_sd(variance, slot->mean, config->sd_min);

        reading = br_reading_of_sds(value, slot->mean, sd, config->threshold);
        taught = fmin(fmax(value, reading.low), reading.high);
    }
    if (slot->count > 0) {
        err = br_ewma_add(&state->residual, taught - slot->mean,
                          config->alpha / BR_SEASONAL_SLOTS);
        if (err != RT_OK) {
            return err;
        }
    }
    err = br_ewma_add(slot, taught, config->alpha);
    if (err == RT_OK) {
        *ret_reading = reading;
    }
    return err;
}
