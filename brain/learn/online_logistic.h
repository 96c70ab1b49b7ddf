// learn/online_logistic.h: a classifier that learns from one labelled case at a time.
//
// Layer: brain/learn (may use brain/math, runtime/base).   Threads: any; state is the caller's.
// Logistic regression kept as a normal distribution over the weights, updated by one Newton step
// a case. Old evidence fades: between updates the distribution drifts back to its prior, so that
// the learner follows a changing world and never grows blindly sure of itself.
// The state is one plain struct without pointers: copy it to and from a table row, then call
// br_online_logistic_check before the first use of a loaded copy.
#ifndef CEREBRO_BRAIN_LEARN_ONLINE_LOGISTIC_H
#define CEREBRO_BRAIN_LEARN_ONLINE_LOGISTIC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/base/attr.h"
#include "runtime/base/err.h"

#define BR_ONLINE_LOGISTIC_VERSION 1
// BR_ONLINE_LOGISTIC_DIM_MAX counts the bias, which is weight 0; features are 1..feature_count.
#define BR_ONLINE_LOGISTIC_DIM_MAX 48
#define BR_ONLINE_LOGISTIC_FEATURES_MAX (BR_ONLINE_LOGISTIC_DIM_MAX - 1)
#define BR_ONLINE_LOGISTIC_COVARIANCES                                                             \
    (BR_ONLINE_LOGISTIC_DIM_MAX * (BR_ONLINE_LOGISTIC_DIM_MAX + 1) / 2)

// br_online_logistic_config says what is believed before the first case. Features should be
// scaled so that their spread is about 1.
typedef struct br_online_logistic_config {
    uint32_t feature_count;
    int64_t half_life_ms;    // how fast old evidence fades
    double start_sd;         // doubt about each feature's weight at the start
    double start_bias_sd;    // doubt about the bias at the start
    double stationary_sd;    // doubt about each weight when nothing is learned for long
    double feature_limit;    // features are clipped to +-this
    double prior_mean[BR_ONLINE_LOGISTIC_DIM_MAX]; // [0] is the bias: log-odds of the base rate
} br_online_logistic_config;

// BR_ONLINE_LOGISTIC_DEFAULTS fits rare events (base rate 7 %) in a world that changes over
// years; set feature_count and the prior means you know.
#define BR_ONLINE_LOGISTIC_DEFAULTS                                                                \
    ((br_online_logistic_config){                                                                  \
        .half_life_ms = INT64_C(730) * 86400000,                                                   \
        .start_sd = 0.5,                                                                           \
        .start_bias_sd = 1.0,                                                                      \
        .stationary_sd = 0.3,                                                                      \
        .feature_limit = 4.0,                                                                      \
        .prior_mean = {-2.6},                                                                      \
    })

typedef struct br_online_logistic {
    uint32_t version;
    uint32_t dim; // features and the bias
    int64_t last_ms;
    uint64_t update_count;
    int64_t half_life_ms;
    double stationary_variance;
    double feature_limit;
    double prior_mean[BR_ONLINE_LOGISTIC_DIM_MAX];
    double weights[BR_ONLINE_LOGISTIC_DIM_MAX];
    double covariances[BR_ONLINE_LOGISTIC_COVARIANCES]; // lower triangle by rows
} br_online_logistic;

// br_online_logistic_forecast is one prediction; log_odds is already moderated by the doubt, so
// probability = 1 / (1 + exp(-log_odds)), and the contributions sum to it.
typedef struct br_online_logistic_forecast {
    double probability;
    double log_odds;
    double log_odds_sd; // doubt about the unmoderated log-odds
} br_online_logistic_forecast;

// br_online_logistic_init starts a learner from what the config believes.
//   errors    RT_EINVAL a count, half-life, sd or limit out of range, or a number not finite
rt_err br_online_logistic_init(br_online_logistic *model,
                               const br_online_logistic_config *config) RT_MUST_USE;

// br_online_logistic_check tells whether a loaded copy can be used.
//   errors    RT_EVERSION another layout · RT_ECORRUPT impossible or non-finite content
rt_err br_online_logistic_check(const br_online_logistic *model) RT_MUST_USE;

// br_online_logistic_predict forecasts the outcome of a case with `feature_count` features.
//   ret_contributions  NULL, or room for feature_count + 1 log-odds: [0] bias, [i + 1] feature i
//   errors    RT_EINVAL wrong feature_count, or a feature not finite
//   cost      O(dim^2); 0.2 us at 15 weights
rt_err br_online_logistic_predict(const br_online_logistic *model, const double *features,
                                  size_t feature_count, br_online_logistic_forecast *ret_forecast,
                                  double *ret_contributions) RT_MUST_USE;

// br_online_logistic_update learns the outcome of a case; `features` are those the forecast was
// made from and `weight` says how many cases it stands for (0..1 where the label is doubtful).
// `at_ms` is when the outcome became known; a time before the last update ages nothing.
//   errors    RT_EINVAL wrong feature_count, a number not finite, weight < 0; nothing is learned
//   cost      O(dim^2); 0.3 us at 15 weights
rt_err br_online_logistic_update(br_online_logistic *model, const double *features,
                                 size_t feature_count, bool positive, double weight,
                                 int64_t at_ms) RT_MUST_USE;

#endif
