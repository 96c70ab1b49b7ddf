// math/metric.h: how good were the forecasts? Batch measures and streaming ones.
//
// Layer: brain/math (may use runtime/base only).   Threads: any; state is the caller's.
// Streaming states are plain structs of fixed size and hold no pointer, so they can be copied to
// and from a table row. An all-zero streaming state is a valid empty one.
// Every function that takes numbers refuses NaN and infinity with RT_EINVAL and changes nothing.
#ifndef CEREBRO_BRAIN_MATH_METRIC_H
#define CEREBRO_BRAIN_MATH_METRIC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/base/attr.h"
#include "runtime/base/err.h"

// Probabilities are clipped to [BR_METRIC_CLIP, 1 - BR_METRIC_CLIP] before a logarithm.
#define BR_METRIC_CLIP 1e-6
#define BR_CALIBRATION_BINS_MAX 50
#define BR_AUC_STREAM_BINS 1000

// br_scored is one forecast with the outcome that followed.
typedef struct br_scored {
    double score;
    bool positive;
} br_scored;

// br_calibration_bin compares the mean forecast with the observed share inside one bin.
typedef struct br_calibration_bin {
    double mean_probability;
    double positive_ratio;
    uint64_t count;
} br_calibration_bin;

// br_progressive sums losses of forecasts made before their outcome; zero is empty.
typedef struct br_progressive {
    double weight;
    double log_loss_sum;
    double brier_sum;
    double hit_sum;
    double positive_sum;
    double probability_sum;
} br_progressive;

// br_progressive_report is what br_progressive_read returns: means, all 0..1 but log_loss.
typedef struct br_progressive_report {
    double weight;
    double log_loss;
    double brier;
    double accuracy;
    double positive_ratio;
    double mean_probability;
} br_progressive_report;

// br_auc_stream counts outcomes per bin of the forecast's log-odds; zero is empty.
typedef struct br_auc_stream {
    double step; // the weight the next observation gets; 0 stands for 1
    double positive[BR_AUC_STREAM_BINS];
    double negative[BR_AUC_STREAM_BINS];
} br_auc_stream;

// br_metric_auc is the chance that a random positive scores above a random negative; a tie counts
// one half. Sorts `rows` by score.
//   errors    RT_EINVAL NaN or infinite score · RT_EMISSING only one kind of outcome
//   cost      O(n log n)
rt_err br_metric_auc(br_scored *rows, size_t count, double *ret_auc) RT_MUST_USE;

// br_metric_log_loss is the mean of -ln(probability given to what happened); scores are
// probabilities, clipped.
//   errors    RT_EINVAL a score outside 0..1 · RT_EMISSING no rows
rt_err br_metric_log_loss(const br_scored *rows, size_t count, double *ret_loss) RT_MUST_USE;

// br_metric_brier is the mean squared error of the probabilities.
//   errors    RT_EINVAL a score outside 0..1 · RT_EMISSING no rows
rt_err br_metric_brier(const br_scored *rows, size_t count, double *ret_brier) RT_MUST_USE;

// br_metric_calibration fills `bin_count` bins of equal width over 0..1 and returns the expected
// calibration error: the count-weighted mean of |mean forecast - observed share|.
//   ret_bins  room for bin_count bins; an empty bin has count 0 and zeros
//   errors    RT_EINVAL a score outside 0..1, bin_count not in 1..BR_CALIBRATION_BINS_MAX ·
//             RT_EMISSING no rows
rt_err br_metric_calibration(const br_scored *rows, size_t count, size_t bin_count,
                             br_calibration_bin *ret_bins, double *ret_ece) RT_MUST_USE;

// br_progressive_add takes one forecast and its outcome; the past is first multiplied by `decay`
// (1 = never forget).
//   errors    RT_EINVAL probability outside 0..1, decay outside (0, 1]
rt_err br_progressive_add(br_progressive *state, double probability, bool positive,
                          double decay) RT_MUST_USE;

// br_progressive_read turns the sums into means.
//   errors    RT_EMISSING nothing added yet
rt_err br_progressive_read(const br_progressive *state, br_progressive_report *ret) RT_MUST_USE;

// br_auc_stream_add takes one forecast and its outcome; the past is multiplied by `decay`.
//   errors    RT_EINVAL probability outside 0..1, decay outside (0, 1]
//   cost      O(1), but once in a while (decay < 1) one pass over the bins
rt_err br_auc_stream_add(br_auc_stream *state, double probability, bool positive,
                         double decay) RT_MUST_USE;

// br_auc_stream_read is the AUC of what was added; forecasts of one bin count as ties.
//   errors    RT_EMISSING only one kind of outcome so far
//   cost      O(bins)
rt_err br_auc_stream_read(const br_auc_stream *state, double *ret_auc) RT_MUST_USE;

#endif
