// Design notes.
//
// br_decayed stores its sum as of `last_ms` and is aged when read, so that a thousand sellers
// that nobody asks about cost nothing. An observation that arrives late is aged before it is
// added and `last_ms` stays: the result does not depend on the order of arrival.
//
// br_window sorts a copy of at most 64 values: simpler than an order-statistics tree and, at this
// size, as fast.

#include "brain/math/stats.h"

#include <math.h>
#include <string.h>

#include "runtime/base/check.h"

static double
decay_over(int64_t from_ms, int64_t to_ms, int64_t half_life_ms)
{
    if (to_ms <= from_ms) {
        return 1.0;
    }
    return exp2(-((double)to_ms - (double)from_ms) / (double)half_life_ms);
}

rt_err
br_decayed_add(br_decayed *state, int64_t at_ms, double value, double weight, int64_t half_life_ms)
{
    double keep;
    double added;

    RT_ASSERT(state != NULL);
    if (!isfinite(value) || !isfinite(weight) || weight < 0.0 || half_life_ms <= 0) {
        return rt_fail(RT_EINVAL, "cannot add value %g, weight %g, half-life %lld ms", value,
                       weight, (long long)half_life_ms);
    }
    if (!(state->weight > 0.0)) {
        *state = (br_decayed){.sum = value * weight, .weight = weight, .last_ms = at_ms};
        return RT_OK;
    }
    keep = decay_over(state->last_ms, at_ms, half_life_ms);
    added = weight * decay_over(at_ms, state->last_ms, half_life_ms);
    state->sum = state->sum * keep + value * added;
    state->weight = state->weight * keep + added;
    state->last_ms = RT_MAX(state->last_ms, at_ms);
    return RT_OK;
}

double
br_decayed_weight(const br_decayed *state, int64_t at_ms, int64_t half_life_ms)
{
    RT_ASSERT(state != NULL);
    RT_ASSERT(half_life_ms > 0);
    return state->weight * decay_over(state->last_ms, at_ms, half_life_ms);
}

double
br_decayed_mean(const br_decayed *state, int64_t at_ms, int64_t half_life_ms, double prior,
                double prior_weight)
{
    double keep;
    double weight;

    RT_ASSERT(state != NULL);
    RT_ASSERT(half_life_ms > 0);
    RT_ASSERT(prior_weight >= 0.0);
    keep = decay_over(state->last_ms, at_ms, half_life_ms);
    weight = state->weight * keep + prior_weight;
    return weight > 0.0 ? (state->sum * keep + prior * prior_weight) / weight : prior;
}

// Source: Finch 2009, "Incremental calculation of weighted mean and variance", section 9.
rt_err
br_ewma_add(br_ewma *state, double value, double alpha)
{
    double rate;
    double surprise;

    RT_ASSERT(state != NULL);
    if (!isfinite(value) || !(alpha > 0.0 && alpha <= 1.0)) {
        return rt_fail(RT_EINVAL, "cannot add value %g with alpha %g", value, alpha);
    }
    state->count++;
    rate = fmax(alpha, 1.0 / (double)state->count);
    surprise = value - state->mean;
    state->mean += rate * surprise;
    state->variance = (1.0 - rate) * (state->variance + rate * surprise * surprise);
    return RT_OK;
}

// Source: Welford 1962, "Note on a method for calculating corrected sums of squares".
rt_err
br_moments_add(br_moments *state, double value)
{
    double distance;

    RT_ASSERT(state != NULL);
    if (!isfinite(value)) {
        return rt_fail(RT_EINVAL, "cannot add %g", value);
    }
    state->min = state->count == 0 ? value : fmin(state->min, value);
    state->max = state->count == 0 ? value : fmax(state->max, value);
    state->count++;
    distance = value - state->mean;
    state->mean += distance / (double)state->count;
    state->squares += distance * (value - state->mean);
    return RT_OK;
}

// Source: Chan, Golub and LeVeque 1979, updating formulae, equation 2.1.
void
br_moments_merge(br_moments *state, const br_moments *other)
{
    double distance;
    double total;

    RT_ASSERT(state != NULL && other != NULL);
    if (other->count == 0) {
        return;
    }
    if (state->count == 0) {
        *state = *other;
        return;
    }
    total = (double)state->count + (double)other->count;
    distance = other->mean - state->mean;
    state->squares += other->squares + distance * distance * (double)state->count *
                                           (double)other->count / total;
    state->mean += distance * (double)other->count / total;
    state->count += other->count;
    state->min = fmin(state->min, other->min);
    state->max = fmax(state->max, other->max);
}

double
br_moments_variance(const br_moments *state)
{
    RT_ASSERT(state != NULL);
    return state->count < 2 ? 0.0 : state->squares / ((double)state->count - 1.0);
}

rt_err
br_window_add(br_window *state, double value)
{
    RT_ASSERT(state != NULL);
    if (!isfinite(value)) {
        return rt_fail(RT_EINVAL, "cannot add %g", value);
    }
    if (state->next >= BR_WINDOW_VALUES_MAX || state->count > BR_WINDOW_VALUES_MAX) {
        return rt_fail(RT_ECORRUPT, "window holds %u values, next %u", state->count, state->next);
    }
    state->values[state->next] = value;
    state->next = (state->next + 1) % BR_WINDOW_VALUES_MAX;
    state->count = RT_MIN(state->count + 1, BR_WINDOW_VALUES_MAX);
    return RT_OK;
}

static void
sort_values(double *values, size_t count)
{
    for (size_t i = 1; i < count; i++) {
        double value = values[i];
        size_t at = i;

        for (; at > 0 && values[at - 1] > value; at--) {
            values[at] = values[at - 1];
        }
        values[at] = value;
    }
}

// Source: Hyndman and Fan 1996, definition 7.
static double
quantile_of_sorted(const double *values, size_t count, double ratio)
{
    double at = ratio * ((double)count - 1.0);
    size_t below = (size_t)at;
    size_t above = RT_MIN(below + 1, count - 1);

    return values[below] + (at - (double)below) * (values[above] - values[below]);
}

rt_err
br_window_quantile(const br_window *state, double ratio, double *ret_value)
{
    double sorted[BR_WINDOW_VALUES_MAX];

    RT_ASSERT(state != NULL && ret_value != NULL);
    if (state->count > BR_WINDOW_VALUES_MAX) {
        return rt_fail(RT_ECORRUPT, "window holds %u values", state->count);
    }
    if (!(ratio >= 0.0 && ratio <= 1.0)) {
        return rt_fail(RT_EINVAL, "quantile %g is not in 0..1", ratio);
    }
    if (state->count == 0) {
        return rt_fail(RT_EMISSING, "the window is empty");
    }
    memcpy(sorted, state->values, state->count * sizeof(sorted[0]));
    sort_values(sorted, state->count);
    *ret_value = quantile_of_sorted(sorted, state->count, ratio);
    return RT_OK;
}

rt_err
br_window_median_mad(const br_window *state, double *ret_median, double *ret_mad)
{
    double distances[BR_WINDOW_VALUES_MAX];
    double median;
    rt_err err = br_window_quantile(state, 0.5, &median);

    RT_ASSERT(ret_median != NULL && ret_mad != NULL);
    if (err != RT_OK) {
        return err;
    }
    for (size_t i = 0; i < state->count; i++) {
        distances[i] = fabs(state->values[i] - median);
    }
    sort_values(distances, state->count);
    *ret_median = median;
    *ret_mad = quantile_of_sorted(distances, state->count, 0.5);
    return RT_OK;
}

rt_err
br_quantile_init(br_quantile *state, double ratio)
{
    RT_ASSERT(state != NULL);
    if (!(ratio > 0.0 && ratio < 1.0)) {
        return rt_fail(RT_EINVAL, "quantile %g is not in (0, 1)", ratio);
    }
    *state = (br_quantile){.ratio = ratio};
    return RT_OK;
}

// The parabola through three markers, or the straight line where it would leave their order.
static void
move_marker(br_quantile *state, int marker, double step)
{
    const double *q = &state->heights[marker];
    const double *n = &state->positions[marker];
    int toward = step > 0.0 ? 1 : -1;
    double moved = q[0] + step / (n[1] - n[-1]) *
                              ((n[0] - n[-1] + step) * (q[1] - q[0]) / (n[1] - n[0]) +
                               (n[1] - n[0] - step) * (q[0] - q[-1]) / (n[0] - n[-1]));

    if (!(moved > q[-1] && moved < q[1])) {
        moved = q[0] + step * (q[toward] - q[0]) / (n[toward] - n[0]);
    }
    state->heights[marker] = moved;
    state->positions[marker] += step;
}

static int
cell_of(br_quantile *state, double value)
{
    int cell = 0;

    if (value < state->heights[0]) {
        state->heights[0] = value;
        return 0;
    }
    if (value >= state->heights[4]) {
        state->heights[4] = value;
        return 3;
    }
    while (cell < 3 && value >= state->heights[cell + 1]) {
        cell++;
    }
    return cell;
}

// Source: Jain and Chlamtac 1985, the P-square algorithm, box 1.
rt_err
br_quantile_add(br_quantile *state, double value)
{
    double shares[5];

    RT_ASSERT(state != NULL);
    if (!(state->ratio > 0.0 && state->ratio < 1.0)) {
        return rt_fail(RT_ECORRUPT, "quantile %g was never started", state->ratio);
    }
    if (!isfinite(value)) {
        return rt_fail(RT_EINVAL, "cannot add %g", value);
    }
    if (state->count < 5) {
        state->positions[state->count] = (double)state->count + 1.0;
        state->heights[state->count] = value;
        state->count++;
        sort_values(state->heights, (size_t)state->count);
        return RT_OK;
    }
    for (int i = cell_of(state, value) + 1; i < 5; i++) {
        state->positions[i] += 1.0;
    }
    memcpy(shares, (double[5]){0.0, state->ratio / 2, state->ratio, (1 + state->ratio) / 2, 1.0},
           sizeof(shares));
    for (int i = 1; i < 4; i++) {
        double gap = 1.0 + (double)state->count * shares[i] - state->positions[i];

        if (gap >= 1.0 && state->positions[i + 1] - state->positions[i] > 1.0) {
            move_marker(state, i, 1.0);
        } else if (gap <= -1.0 && state->positions[i - 1] - state->positions[i] < -1.0) {
            move_marker(state, i, -1.0);
        }
    }
    state->count++;
    return RT_OK;
}

rt_err
br_quantile_read(const br_quantile *state, double *ret_value)
{
    RT_ASSERT(state != NULL && ret_value != NULL);
    if (state->count == 0) {
        return rt_fail(RT_EMISSING, "the quantile has seen nothing");
    }
    *ret_value = state->count > 5
                     ? state->heights[2]
                     : quantile_of_sorted(state->heights, (size_t)state->count, state->ratio);
    return RT_OK;
}

// Source: Marsaglia and Tsang 2000, "A simple method for generating gamma variables".
static double
sample_gamma_above_one(rt_rng *rng, double shape)
{
    double d = shape - 1.0 / 3.0;
    double c = 1.0 / sqrt(9.0 * d);

    for (;;) {
        double normal = rt_rng_normal(rng);
        double root = 1.0 + c * normal;
        double cube = root * root * root;
        double uniform = 1.0 - rt_rng_f64(rng);

        if (root > 0.0 && log(uniform) < 0.5 * normal * normal + d - d * cube + d * log(cube)) {
            return d * cube;
        }
    }
}

double
br_sample_gamma(rt_rng *rng, double shape)
{
    RT_ASSERT(rng != NULL);
    RT_ASSERT(isfinite(shape) && shape > 0.0);
    if (shape < 1.0) {
        // The same paper's boost: Gamma(a) = Gamma(a + 1) * U^(1/a).
        double boost = pow(1.0 - rt_rng_f64(rng), 1.0 / shape);

        return sample_gamma_above_one(rng, shape + 1.0) * boost;
    }
    return sample_gamma_above_one(rng, shape);
}

double
br_sample_beta(rt_rng *rng, double alpha, double beta)
{
    double wins = br_sample_gamma(rng, alpha);
    double losses = br_sample_gamma(rng, beta);
    double total = wins + losses;

    // Both gammas can underflow to 0 where the shapes are tiny; the mean is then as good a draw.
    return total > 0.0 ? wins / total : alpha / (alpha + beta);
}
