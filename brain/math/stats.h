// math/stats.h: small statistics kept up to date one observation at a time, and random draws.
//
// Layer: brain/math (may use runtime/base only).   Threads: any; state is the caller's.
// States are plain structs of fixed size without pointers, so they can be copied to and from a
// table row; an all-zero state is a valid empty one unless an init function is given.
// Every add refuses NaN and infinity with RT_EINVAL and changes nothing.
#ifndef CEREBRO_BRAIN_MATH_STATS_H
#define CEREBRO_BRAIN_MATH_STATS_H

#include <stddef.h>
#include <stdint.h>

#include "runtime/base/attr.h"
#include "runtime/base/err.h"
#include "runtime/base/rng.h"

#define BR_WINDOW_VALUES_MAX 64

// br_decayed is a weighted sum that loses half of itself every half-life; zero is empty.
typedef struct br_decayed {
    double sum;
    double weight;
    int64_t last_ms;
} br_decayed;

// br_ewma is an exponentially weighted mean and variance; zero is empty.
typedef struct br_ewma {
    double mean;
    double variance;
    uint64_t count;
} br_ewma;

// br_moments is the running mean, variance and range of everything seen; zero is empty.
typedef struct br_moments {
    uint64_t count;
    double mean;
    double squares; // sum of squared distances from the mean
    double min;
    double max;
} br_moments;

// br_window remembers the latest BR_WINDOW_VALUES_MAX values; zero is empty.
typedef struct br_window {
    double values[BR_WINDOW_VALUES_MAX];
    uint32_t count;
    uint32_t next;
} br_window;

// br_quantile estimates one quantile of a stream with five markers.
typedef struct br_quantile {
    double ratio;
    double heights[5];
    double positions[5];
    uint64_t count;
} br_quantile;

// br_decayed_add adds `value` with `weight` as of `at_ms`. An observation older than the newest
// one counts as much as it would have by then.
//   errors    RT_EINVAL value or weight not finite, weight < 0, half_life_ms <= 0
rt_err br_decayed_add(br_decayed *state, int64_t at_ms, double value, double weight,
                      int64_t half_life_ms) RT_MUST_USE;

// br_decayed_weight is the weight left at `at_ms`; half_life_ms > 0.
double br_decayed_weight(const br_decayed *state, int64_t at_ms, int64_t half_life_ms);

// br_decayed_mean is the mean at `at_ms`, drawn to `prior` as by `prior_weight` observations of
// it; `prior` itself when nothing is known. half_life_ms > 0, prior_weight >= 0.
double br_decayed_mean(const br_decayed *state, int64_t at_ms, int64_t half_life_ms, double prior,
                       double prior_weight);

// br_ewma_add moves the mean by `alpha` of the surprise; the first 1/alpha values weigh equally.
//   errors    RT_EINVAL value not finite, alpha outside (0, 1]
rt_err br_ewma_add(br_ewma *state, double value, double alpha) RT_MUST_USE;

// br_moments_add takes one value.
//   errors    RT_EINVAL value not finite
rt_err br_moments_add(br_moments *state, double value) RT_MUST_USE;

// br_moments_merge adds all that `other` has seen, as if one state had seen both.
void br_moments_merge(br_moments *state, const br_moments *other);

// br_moments_variance is the unbiased sample variance; 0 below two values.
double br_moments_variance(const br_moments *state);

// br_window_add takes one value and forgets the oldest when full.
//   errors    RT_EINVAL value not finite · RT_ECORRUPT impossible state
rt_err br_window_add(br_window *state, double value) RT_MUST_USE;

// br_window_quantile is the `ratio` quantile of the window, linear between neighbours.
//   errors    RT_EMISSING empty window · RT_EINVAL ratio outside 0..1 · RT_ECORRUPT impossible
//             state
rt_err br_window_quantile(const br_window *state, double ratio, double *ret_value) RT_MUST_USE;

// br_window_median_mad gives the median and the median absolute deviation from it (times 1.4826
// it estimates the standard deviation of a normal).
//   errors    RT_EMISSING empty window · RT_ECORRUPT impossible state
rt_err br_window_median_mad(const br_window *state, double *ret_median,
                            double *ret_mad) RT_MUST_USE;

// br_quantile_init starts an estimate of the `ratio` quantile.
//   errors    RT_EINVAL ratio outside (0, 1)
rt_err br_quantile_init(br_quantile *state, double ratio) RT_MUST_USE;

// br_quantile_add takes one value.
//   errors    RT_EINVAL value not finite · RT_ECORRUPT state was never started
rt_err br_quantile_add(br_quantile *state, double value) RT_MUST_USE;

// br_quantile_read is the present estimate; exact while fewer than six values were added.
//   errors    RT_EMISSING nothing added yet
rt_err br_quantile_read(const br_quantile *state, double *ret_value) RT_MUST_USE;

// br_sample_gamma draws from the Gamma distribution with this shape > 0 and scale 1.
double br_sample_gamma(rt_rng *rng, double shape);

// br_sample_beta draws from the Beta distribution; alpha > 0 and beta > 0.
double br_sample_beta(rt_rng *rng, double alpha, double beta);

#endif
