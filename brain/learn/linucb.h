// learn/linucb.h: what an action is worth in a situation, learned from its rewards alone.
//
// Layer: brain/learn (may use brain/math, runtime/base).   Threads: any; state is the caller's.
// For each action a linear estimate of its reward, kept by recursive least squares, with how sure
// it is. LinUCB takes the action whose estimate and doubt together are the greatest.
// A model views numbers of the caller's, so that as many are stored as its features need.
#ifndef CEREBRO_BRAIN_LEARN_LINUCB_H
#define CEREBRO_BRAIN_LEARN_LINUCB_H

#include <stdint.h>

#include "brain/math/symmetric.h"
#include "runtime/base/attr.h"
#include "runtime/base/err.h"

#define BR_LINUCB_DIM_MAX 128 // with the bias, which the caller puts among the features

typedef struct br_linucb {
    uint32_t dim;
    double *weights;     // dim
    double *covariances; // BR_SYMMETRIC_COUNT(dim), in units of the reward's own variance
} br_linucb;

// br_linucb_estimate is what is expected of an action, and how uncertain that is.
typedef struct br_linucb_estimate {
    double mean;
    double doubt; // standard deviation, for rewards of variance 1
} br_linucb_estimate;

// br_linucb_init starts a model whose weights are 0, with a ridge of `ridge` > 0.
void br_linucb_init(br_linucb *model, double ridge);
// br_linucb_check tells whether loaded numbers can be used.
//   errors    RT_ECORRUPT one is not finite, or a variance is not positive
rt_err br_linucb_check(const br_linucb *model) RT_MUST_USE;
// br_linucb_predict estimates the reward for features `x` of model->dim numbers.
br_linucb_estimate br_linucb_predict(const br_linucb *model, const double *x);
// br_linucb_update learns the reward that an action had.
//   errors    RT_EINVAL a feature or the reward is not finite, or too large for the model to stay
//             finite; nothing is learned
rt_err br_linucb_update(br_linucb *model, const double *x, double reward) RT_MUST_USE;

// br_explore_pick chooses by a number in [0, 1): the best with probability 1 - explore, any of
// `count` with the rest, evenly.
//   ret_propensity  with what probability it was chosen, > 0 when explore > 0
uint32_t br_explore_pick(uint32_t count, uint32_t best, double explore, double draw,
                         double *ret_propensity);

#endif
