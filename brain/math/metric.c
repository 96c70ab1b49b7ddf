// Design notes.
//
// The streaming AUC bins by log-odds, not by probability: where bad outcomes are rare, most
// forecasts lie below 0.1 and equal-width bins of the probability would merge them. Bins span
// log-odds -10..10, so a bin is 0.02 wide; forecasts beyond share the outer bins.
//
// Forgetting would touch all 2,000 counts on each observation. Instead the weight of the newest
// observation grows by 1/decay (`step`) and all counts are divided by it once it gets large; the
// AUC is a ratio, so the common factor drops out.

#include "brain/math/metric.h"

#include <math.h>
#include <stdlib.h>

#include "runtime/base/check.h"

#define AUC_LOG_ODDS_MAX 10.0
#define AUC_STEP_MAX 1e12

static bool
is_probability(double value)
{
    return value >= 0.0 && value <= 1.0; // false for NaN
}

static double
clip_probability(double probability)
{
    return fmin(fmax(probability, BR_METRIC_CLIP), 1.0 - BR_METRIC_CLIP);
}

static double
log_loss_of(double probability, bool positive)
{
    double clipped = clip_probability(probability);

    return positive ? -log(clipped) : -log1p(-clipped);
}

static double
squared_error_of(double probability, bool positive)
{
    double miss = (positive ? 1.0 : 0.0) - probability;

    return miss * miss;
}

static rt_err
check_probabilities(const br_scored *rows, size_t count)
{
    if (count == 0) {
        return rt_fail(RT_EMISSING, "no forecasts to measure");
    }
    for (size_t i = 0; i < count; i++) {
        if (!is_probability(rows[i].score)) {
            return rt_fail(RT_EINVAL, "forecast %zu is not a probability: %g", i, rows[i].score);
        }
    }
    return RT_OK;
}

static int
compare_scored(const void *left, const void *right)
{
    double a = ((const br_scored *)left)->score;
    double b = ((const br_scored *)right)->score;

    return (a > b) - (a < b);
}

// Source: Hanley and McNeil 1982, the Mann-Whitney statistic; mid-ranks for ties.
static double
auc_of_sorted(const br_scored *rows, size_t count)
{
    double wins = 0.0;
    double negatives = 0.0;
    double positives = 0.0;

    for (size_t at = 0; at < count;) {
        double tied_positives = 0.0;
        double tied_negatives = 0.0;
        double score = rows[at].score;

        for (; at < count && rows[at].score <= score; at++) {
            *(rows[at].positive ? &tied_positives : &tied_negatives) += 1.0;
        }
        wins += tied_positives * (negatives + 0.5 * tied_negatives);
        positives += tied_positives;
        negatives += tied_negatives;
    }
    return wins / (positives * negatives);
}

rt_err
br_metric_auc(br_scored *rows, size_t count, double *ret_auc)
{
    size_t positives = 0;

    RT_ASSERT(rows != NULL || count == 0);
    RT_ASSERT(ret_auc != NULL);
    for (size_t i = 0; i < count; i++) {
        if (!isfinite(rows[i].score)) {
            return rt_fail(RT_EINVAL, "score %zu is not a finite number", i);
        }
        positives += rows[i].positive ? 1 : 0;
    }
    if (positives == 0 || positives == count) {
        return rt_fail(RT_EMISSING, "AUC needs both outcomes, got %zu of %zu positive", positives,
                       count);
    }
    qsort(rows, count, sizeof(*rows), compare_scored);
    *ret_auc = auc_of_sorted(rows, count);
    return RT_OK;
}

rt_err
br_metric_log_loss(const br_scored *rows, size_t count, double *ret_loss)
{
    double sum = 0.0;
    rt_err err = check_probabilities(rows, count);

    RT_ASSERT(ret_loss != NULL);
    if (err != RT_OK) {
        return err;
    }
    for (size_t i = 0; i < count; i++) {
        sum += log_loss_of(rows[i].score, rows[i].positive);
    }
    *ret_loss = sum / (double)count;
    return RT_OK;
}

// Source: Brier 1950, the two-class form.
rt_err
br_metric_brier(const br_scored *rows, size_t count, double *ret_brier)
{
    double sum = 0.0;
    rt_err err = check_probabilities(rows, count);

    RT_ASSERT(ret_brier != NULL);
    if (err != RT_OK) {
        return err;
    }
    for (size_t i = 0; i < count; i++) {
        sum += squared_error_of(rows[i].score, rows[i].positive);
    }
    *ret_brier = sum / (double)count;
    return RT_OK;
}

static size_t
calibration_bin_of(double probability, size_t bin_count)
{
    size_t bin = (size_t)(probability * (double)bin_count);

    return bin < bin_count ? bin : bin_count - 1; // 1.0 belongs to the last bin
}

// Source: Naeini, Cooper and Hauskrecht 2015, expected calibration error with equal-width bins.
rt_err
br_metric_calibration(const br_scored *rows, size_t count, size_t bin_count,
                      br_calibration_bin *ret_bins, double *ret_ece)
{
    double ece = 0.0;
    rt_err err = check_probabilities(rows, count);

    RT_ASSERT(ret_bins != NULL && ret_ece != NULL);
    if (err != RT_OK) {
        return err;
    }
    if (bin_count == 0 || bin_count > BR_CALIBRATION_BINS_MAX) {
        return rt_fail(RT_EINVAL, "bin count %zu is not in 1..%d", bin_count,
                       BR_CALIBRATION_BINS_MAX);
    }
    for (size_t b = 0; b < bin_count; b++) {
        ret_bins[b] = (br_calibration_bin){0};
    }
    for (size_t i = 0; i < count; i++) {
        br_calibration_bin *bin = &ret_bins[calibration_bin_of(rows[i].score, bin_count)];

        bin->count++;
        bin->mean_probability += rows[i].score;
        bin->positive_ratio += rows[i].positive ? 1.0 : 0.0;
    }
    for (size_t b = 0; b < bin_count; b++) {
        if (ret_bins[b].count > 0) {
            ece += fabs(ret_bins[b].mean_probability - ret_bins[b].positive_ratio);
            ret_bins[b].mean_probability /= (double)ret_bins[b].count;
            ret_bins[b].positive_ratio /= (double)ret_bins[b].count;
        }
    }
    *ret_ece = ece / (double)count;
    return RT_OK;
}

static rt_err
check_forecast(double probability, double decay)
{
    if (!is_probability(probability)) {
        return rt_fail(RT_EINVAL, "forecast is not a probability: %g", probability);
    }
    if (!(decay > 0.0 && decay <= 1.0)) {
        return rt_fail(RT_EINVAL, "decay %g is not in (0, 1]", decay);
    }
    return RT_OK;
}

// Source: Dawid 1984, prequential evaluation; fading sums as in Gama, Sebastiao, Rodrigues 2013.
rt_err
br_progressive_add(br_progressive *state, double probability, bool positive, double decay)
{
    rt_err err = check_forecast(probability, decay);

    RT_ASSERT(state != NULL);
    if (err != RT_OK) {
        return err;
    }
    state->weight = state->weight * decay + 1.0;
    state->log_loss_sum = state->log_loss_sum * decay + log_loss_of(probability, positive);
    state->brier_sum = state->brier_sum * decay + squared_error_of(probability, positive);
    state->hit_sum = state->hit_sum * decay + ((probability >= 0.5) == positive ? 1.0 : 0.0);
    state->positive_sum = state->positive_sum * decay + (positive ? 1.0 : 0.0);
    state->probability_sum = state->probability_sum * decay + probability;
    return RT_OK;
}

rt_err
br_progressive_read(const br_progressive *state, br_progressive_report *ret)
{
    RT_ASSERT(state != NULL && ret != NULL);
    if (!(state->weight > 0.0)) {
        return rt_fail(RT_EMISSING, "no forecast was measured yet");
    }
    *ret = (br_progressive_report){
        .weight = state->weight,
        .log_loss = state->log_loss_sum / state->weight,
        .brier = state->brier_sum / state->weight,
        .accuracy = state->hit_sum / state->weight,
        .positive_ratio = state->positive_sum / state->weight,
        .mean_probability = state->probability_sum / state->weight,
    };
    return RT_OK;
}

static size_t
auc_bin_of(double probability)
{
    double clipped = clip_probability(probability);
    double log_odds = log(clipped) - log1p(-clipped);
    double at = (log_odds + AUC_LOG_ODDS_MAX) / (2.0 * AUC_LOG_ODDS_MAX) * BR_AUC_STREAM_BINS;

    return (size_t)fmin(fmax(at, 0.0), BR_AUC_STREAM_BINS - 1.0);
}

static void
rescale_auc(br_auc_stream *state)
{
    for (size_t i = 0; i < BR_AUC_STREAM_BINS; i++) {
        state->positive[i] /= state->step;
        state->negative[i] /= state->step;
    }
    state->step = 1.0;
}

rt_err
br_auc_stream_add(br_auc_stream *state, double probability, bool positive, double decay)
{
    rt_err err = check_forecast(probability, decay);

    RT_ASSERT(state != NULL);
    if (err != RT_OK) {
        return err;
    }
    state->step = state->step > 0.0 ? state->step / decay : 1.0;
    if (state->step > AUC_STEP_MAX) {
        rescale_auc(state);
    }
    *(positive ? &state->positive[auc_bin_of(probability)]
               : &state->negative[auc_bin_of(probability)]) += state->step;
    return RT_OK;
}

rt_err
br_auc_stream_read(const br_auc_stream *state, double *ret_auc)
{
    double wins = 0.0;
    double positives = 0.0;
    double negatives = 0.0;

    RT_ASSERT(state != NULL && ret_auc != NULL);
    for (size_t i = 0; i < BR_AUC_STREAM_BINS; i++) {
        wins += state->positive[i] * (negatives + 0.5 * state->negative[i]);
        positives += state->positive[i];
        negatives += state->negative[i];
    }
    if (!(positives > 0.0 && negatives > 0.0)) {
        return rt_fail(RT_EMISSING, "AUC needs both outcomes");
    }
    *ret_auc = wins / (positives * negatives);
    return RT_OK;
}
