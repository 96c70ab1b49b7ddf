// Design notes.
// Source: Li, Chu, Langford and Schapire 2010, "A contextual-bandit approach to personalized news
// article recommendation", algorithm 1 (disjoint models). The inverse is kept instead of the sum of
// squares, by Sherman and Morrison's rule, so that an estimate is two products:
//     w <- w + P x (r - w.x) / (1 + x'P x)
//     P <- P - (P x)(P x)' / (1 + x'P x)
// LinUCB itself draws nothing, and then nobody could tell later what another policy would have
// done: a share of even exploration gives every action a probability that is recorded.

#include "brain/learn/linucb.h"

#include <math.h>
#include <string.h>

#include "runtime/base/check.h"

void
br_linucb_init(br_linucb *model, double ridge)
{
    RT_ASSERT(model->dim > 0 && model->dim <= BR_LINUCB_DIM_MAX && ridge > 0);
    memset(model->weights, 0, sizeof(double) * model->dim);
    memset(model->covariances, 0, sizeof(double) * BR_SYMMETRIC_COUNT(model->dim));
    for (size_t i = 0; i < model->dim; i++) {
        model->covariances[br_symmetric_row(i) + i] = 1.0 / ridge;
    }
}

rt_err
br_linucb_check(const br_linucb *model)
{
    if (!br_are_finite(model->weights, model->dim) ||
        !br_are_finite(model->covariances, BR_SYMMETRIC_COUNT(model->dim))) {
        return rt_fail(RT_ECORRUPT, "a model holds a number that is not finite");
    }
    for (size_t i = 0; i < model->dim; i++) {
        if (!(model->covariances[br_symmetric_row(i) + i] > 0.0)) {
            return rt_fail(RT_ECORRUPT, "a model has variance <= 0 at weight %zu", i);
        }
    }
    return RT_OK;
}

br_linucb_estimate
br_linucb_predict(const br_linucb *model, const double *x)
{
    double spread[BR_LINUCB_DIM_MAX];

    RT_ASSERT(model->dim <= BR_LINUCB_DIM_MAX);
    br_symmetric_times(model->covariances, model->dim, x, spread);
    return (br_linucb_estimate){.mean = br_dot(model->weights, x, model->dim),
                                .doubt = sqrt(fmax(br_dot(x, spread, model->dim), 0.0))};
}

rt_err
br_linucb_update(br_linucb *model, const double *x, double reward)
{
    double spread[BR_LINUCB_DIM_MAX];
    double information;
    double error;

    RT_ASSERT(model->dim <= BR_LINUCB_DIM_MAX);
    if (!br_are_finite(x, model->dim) || !isfinite(reward)) {
        return rt_fail(RT_EINVAL, "a feature or the reward is not finite");
    }
    br_symmetric_times(model->covariances, model->dim, x, spread);
    information = 1.0 + fmax(br_dot(x, spread, model->dim), 0.0);
    error = reward - br_dot(model->weights, x, model->dim);
    if (!isfinite(information) || !isfinite(error) || !br_are_finite(spread, model->dim)) {
        return rt_fail(RT_EINVAL, "features or rewards are too large");
    }
    for (size_t i = 0; i < model->dim; i++) {
        double *row = &model->covariances[br_symmetric_row(i)];
        double least = row[i] * 1e-9; // what rounding must not take away
        double step = spread[i] / information;

        model->weights[i] += step * error;
        for (size_t j = 0; j <= i; j++) {
            row[j] -= step * spread[j];
        }
        row[i] = fmax(row[i], least);
    }
    return RT_OK;
}

uint32_t
br_explore_pick(uint32_t count, uint32_t best, double explore, double draw, double *ret_propensity)
{
    uint32_t picked = best;

    RT_ASSERT(count > 0 && best < count && explore >= 0 && explore <= 1);
    if (draw < explore) { // what is left of the number is as even as the whole
        picked = (uint32_t)fmin(floor(draw / explore * count), count - 1.0);
    }
    *ret_propensity = explore / count + (picked == best ? 1.0 - explore : 0.0);
    return picked;
}
