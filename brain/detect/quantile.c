#include "brain/detect/quantile.h"

#include <math.h>

#include "runtime/base/check.h"

#define OUTER_RATIO 0.1

static rt_err
check_config(const br_quantile_fence_config *config, double value)
{
    if (!isfinite(value)) {
        return rt_fail(RT_EINVAL, "cannot read %g", value);
    }
    if (!(config->reach > 0.0) || !(config->spread_min >= 0.0) ||
        config->warmup_count > BR_WINDOW_VALUES_MAX) {
        return rt_fail(RT_EINVAL, "reach %g, spread_min %g, warm-up %u", config->reach,
                       config->spread_min, config->warmup_count);
    }
    return RT_OK;
}

// Source: Tukey 1977, the box plot's fences; each side is scaled by itself, for the reason that
// Hubert and Vandervieren 2008 adjust the box plot for skewed data.
static rt_err
read_fences(const br_quantile_fence *state, const br_quantile_fence_config *config, double value,
            br_reading *ret_reading)
{
    double lower;
    double median;
    double upper;
    double below;
    double above;
    rt_err err = br_window_quantile(&state->window, OUTER_RATIO, &lower);

    if (err == RT_OK) {
        err = br_window_quantile(&state->window, 0.5, &median);
    }
    if (err == RT_OK) {
        err = br_window_quantile(&state->window, 1.0 - OUTER_RATIO, &upper);
    }
    if (err != RT_OK) {
        return err;
    }
    below = br_reading_sd((median - lower) * (median - lower), median, config->spread_min);
    above = br_reading_sd((upper - median) * (upper - median), median, config->spread_min);
    *ret_reading = br_reading_of_sds(value, median, value > median ? above : below, config->reach);
    ret_reading->low = median - config->reach * below;
    ret_reading->high = median + config->reach * above;
    return RT_OK;
}

rt_err
br_quantile_fence_add(br_quantile_fence *state, const br_quantile_fence_config *config,
                      double value, br_reading *ret_reading)
{
    br_reading reading = br_reading_warming(value);
    rt_err err;

    RT_ASSERT(state != NULL && config != NULL && ret_reading != NULL);
    err = check_config(config, value);
    if (err == RT_OK && state->window.count > 0 && state->window.count >= config->warmup_count) {
        err = read_fences(state, config, value, &reading);
    }
    if (err == RT_OK) {
        err = br_window_add(&state->window, value);
    }
    if (err == RT_OK) {
        *ret_reading = reading;
    }
    return err;
}
