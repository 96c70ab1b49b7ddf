// Design notes.
//
// The weights are N(w, P). One case with features x, outcome y and weight c moves them by one
// Newton step on the log posterior (the Laplace or extended Kalman update): with p = sigma(w.x),
// the observation carries information r = c p (1 - p) along x, so
//     P <- P - (P x)(P x)' r / (1 + r x'P x)         (Sherman-Morrison)
//     w <- w + P x c (y - p) / (1 + r x'P x)
// Step sizes follow from the doubt that is left instead of from a guessed learning rate.
//
// Forgetting by P / lambda would let P grow without bound in directions that no case excites.
// Here the weights follow an Ornstein-Uhlenbeck process whose stationary distribution is the
// prior: over a time dt, with a = 2^-(dt / half-life),
//     w <- m + a (w - m),    P <- a^2 P + (1 - a^2) V.
// P stays bounded by max(start, V) whatever arrives, and forgetting goes by time, not by count.
//
// P is symmetric; only its lower triangle is stored, so it cannot drift out of symmetry.

#include "brain/learn/online_logistic.h"

#include <math.h>
#include <string.h>

#include "brain/math/symmetric.h"
#include "runtime/base/check.h"

#define INFORMATION_MIN 1e-4
#define LOG_ODDS_MAX 35.0

_Static_assert(sizeof(br_online_logistic) ==
                   48 + 8 * (2 * BR_ONLINE_LOGISTIC_DIM_MAX + BR_ONLINE_LOGISTIC_COVARIANCES),
               "the persisted layout has no padding");

static double
logistic(double log_odds)
{
    return 1.0 / (1.0 + exp(-fmin(fmax(log_odds, -LOG_ODDS_MAX), LOG_ODDS_MAX)));
}

static bool
is_positive(double value)
{
    return isfinite(value) && value > 0.0;
}

rt_err
br_online_logistic_init(br_online_logistic *model, const br_online_logistic_config *config)
{
    RT_ASSERT(model != NULL && config != NULL);
    if (config->feature_count > BR_ONLINE_LOGISTIC_FEATURES_MAX) {
        return rt_fail(RT_EINVAL, "%u features, at most %d", config->feature_count,
                       BR_ONLINE_LOGISTIC_FEATURES_MAX);
    }
    if (config->half_life_ms <= 0 || !is_positive(config->start_sd) ||
        !is_positive(config->start_bias_sd) || !is_positive(config->stationary_sd) ||
        !is_positive(config->feature_limit)) {
        return rt_fail(RT_EINVAL, "half-life, deviations and feature limit must be positive");
    }
    if (!br_are_finite(config->prior_mean, BR_ONLINE_LOGISTIC_DIM_MAX)) {
        return rt_fail(RT_EINVAL, "a prior mean is not finite");
    }
    memset(model, 0, sizeof(*model));
    model->version = BR_ONLINE_LOGISTIC_VERSION;
    model->dim = config->feature_count + 1;
    model->half_life_ms = config->half_life_ms;
    model->stationary_variance = config->stationary_sd * config->stationary_sd;
    model->feature_limit = config->feature_limit;
    for (size_t i = 0; i < model->dim; i++) {
        double sd = i == 0 ? config->start_bias_sd : config->start_sd;

        model->prior_mean[i] = config->prior_mean[i];
        model->weights[i] = config->prior_mean[i];
        model->covariances[br_symmetric_row(i) + i] = sd * sd;
    }
    return RT_OK;
}

rt_err
br_online_logistic_check(const br_online_logistic *model)
{
    RT_ASSERT(model != NULL);
    if (model->version != BR_ONLINE_LOGISTIC_VERSION) {
        return rt_fail(RT_EVERSION, "learner layout %u, this program knows %d", model->version,
                       BR_ONLINE_LOGISTIC_VERSION);
    }
    if (model->dim == 0 || model->dim > BR_ONLINE_LOGISTIC_DIM_MAX || model->half_life_ms <= 0 ||
        !is_positive(model->stationary_variance) || !is_positive(model->feature_limit)) {
        return rt_fail(RT_ECORRUPT, "learner has impossible settings");
    }
    if (!br_are_finite(model->prior_mean, model->dim) ||
        !br_are_finite(model->weights, model->dim) ||
        !br_are_finite(model->covariances, br_symmetric_row(model->dim))) {
        return rt_fail(RT_ECORRUPT, "learner holds a number that is not finite");
    }
    for (size_t i = 0; i < model->dim; i++) {
        if (!(model->covariances[br_symmetric_row(i) + i] > 0.0)) {
            return rt_fail(RT_ECORRUPT, "learner has variance <= 0 at weight %zu", i);
        }
    }
    return RT_OK;
}

// Puts the bias before the features and clips them.
static rt_err
load_case(const br_online_logistic *model, const double *features, size_t feature_count,
          double *ret_case)
{
    RT_ASSERT(model->version == BR_ONLINE_LOGISTIC_VERSION);
    RT_ASSERT(model->dim > 0 && model->dim <= BR_ONLINE_LOGISTIC_DIM_MAX);
    RT_ASSERT(features != NULL || feature_count == 0);
    if (feature_count + 1 != model->dim) {
        return rt_fail(RT_EINVAL, "%zu features, the learner has %u", feature_count,
                       model->dim - 1);
    }
    ret_case[0] = 1.0;
    for (size_t i = 0; i < feature_count; i++) {
        if (!isfinite(features[i])) {
            return rt_fail(RT_EINVAL, "feature %zu is not a finite number", i);
        }
        ret_case[i + 1] = fmin(fmax(features[i], -model->feature_limit), model->feature_limit);
    }
    return RT_OK;
}

// Source: MacKay 1992, "The evidence framework applied to classification networks", the moderated
// output sigma(z / sqrt(1 + pi v / 8)).
static double
moderation_of(double variance)
{
    return 1.0 / sqrt(1.0 + acos(-1.0) * variance / 8.0);
}

rt_err
br_online_logistic_predict(const br_online_logistic *model, const double *features,
                           size_t feature_count, br_online_logistic_forecast *ret_forecast,
                           double *ret_contributions)
{
    double x[BR_ONLINE_LOGISTIC_DIM_MAX];
    double spread[BR_ONLINE_LOGISTIC_DIM_MAX];
    double variance;
    double moderation;
    rt_err err;

    RT_ASSERT(model != NULL && ret_forecast != NULL);
    err = load_case(model, features, feature_count, x);
    if (err != RT_OK) {
        return err;
    }
    br_symmetric_times(model->covariances, model->dim, x, spread);
    variance = fmax(br_dot(x, spread, model->dim), 0.0);
    moderation = moderation_of(variance);
    ret_forecast->log_odds = moderation * br_dot(model->weights, x, model->dim);
    ret_forecast->log_odds_sd = sqrt(variance);
    ret_forecast->probability = logistic(ret_forecast->log_odds);
    for (size_t i = 0; ret_contributions != NULL && i < model->dim; i++) {
        ret_contributions[i] = moderation * model->weights[i] * x[i];
    }
    return RT_OK;
}

static void
age_to(br_online_logistic *model, int64_t at_ms)
{
    double keep;

    if (model->update_count == 0 || at_ms <= model->last_ms) {
        return;
    }
    keep = exp2(-((double)at_ms - (double)model->last_ms) / (double)model->half_life_ms);
    for (size_t i = 0; i < model->dim; i++) {
        double *row = &model->covariances[br_symmetric_row(i)];
        double learned = model->weights[i] - model->prior_mean[i];

        model->weights[i] = model->prior_mean[i] + keep * learned;
        for (size_t j = 0; j <= i; j++) {
            row[j] *= keep * keep;
        }
        row[i] += (1.0 - keep * keep) * model->stationary_variance;
    }
}

// Source: Spiegelhalter and Lauritzen 1990, sequential updating by the Laplace approximation; the
// drift is Uhlenbeck and Ornstein 1930.
rt_err
br_online_logistic_update(br_online_logistic *model, const double *features, size_t feature_count,
                          bool positive, double weight, int64_t at_ms)
{
    double x[BR_ONLINE_LOGISTIC_DIM_MAX];
    double spread[BR_ONLINE_LOGISTIC_DIM_MAX];
    double probability;
    double information;
    double share;
    rt_err err;

    RT_ASSERT(model != NULL);
    err = load_case(model, features, feature_count, x);
    if (err != RT_OK) {
        return err;
    }
    if (!isfinite(weight) || weight < 0.0) {
        return rt_fail(RT_EINVAL, "a case cannot weigh %g", weight);
    }
    age_to(model, at_ms);
    br_symmetric_times(model->covariances, model->dim, x, spread);
    probability = logistic(br_dot(model->weights, x, model->dim));
    information = weight * fmax(probability * (1.0 - probability), INFORMATION_MIN);
    share = 1.0 / (1.0 + information * br_dot(x, spread, model->dim));
    for (size_t i = 0; i < model->dim; i++) {
        double *row = &model->covariances[br_symmetric_row(i)];

        model->weights[i] += spread[i] * share * weight * ((positive ? 1.0 : 0.0) - probability);
        for (size_t j = 0; j <= i; j++) {
            row[j] -= spread[i] * spread[j] * information * share;
        }
    }
    model->last_ms = model->update_count == 0 ? at_ms : RT_MAX(model->last_ms, at_ms);
    model->update_count++;
    return RT_OK;
}
