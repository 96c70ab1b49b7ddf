// learn/thompson.h: choosing among options by drawing from what is believed of each.
//
// Layer: brain/learn (may use brain/math, runtime/base).   Threads: any; state is the caller's.
// Every option (arm) succeeds with an unknown probability, believed to be Beta(wins, losses).
// Arms are plain structs of two doubles: keep an array of them in a table row.
#ifndef CEREBRO_BRAIN_LEARN_THOMPSON_H
#define CEREBRO_BRAIN_LEARN_THOMPSON_H

#include <stddef.h>
#include <stdint.h>

#include "runtime/base/attr.h"
#include "runtime/base/err.h"
#include "runtime/base/rng.h"

#define BR_ARMS_MAX 64

// br_arm is the belief about one option; BR_ARM_PRIOR is where it starts and fades back to.
typedef struct br_arm {
    double wins;
    double losses;
} br_arm;

#define BR_ARM_PRIOR ((br_arm){.wins = 1.0, .losses = 1.0})

// br_arm_mean is the expected success rate of an arm.
double br_arm_mean(const br_arm *arm);

// br_arms_check tells whether stored beliefs can be used.
//   errors    RT_EINVAL no arms or more than BR_ARMS_MAX · RT_ECORRUPT a count not positive
rt_err br_arms_check(const br_arm *arms, size_t count) RT_MUST_USE;

// br_arms_choose draws once from each allowed arm and returns the one with the greatest draw.
//   allowed   bit i set = arm i may be chosen
//   errors    RT_EINVAL as br_arms_check, or no arm is allowed · RT_ECORRUPT as br_arms_check
rt_err br_arms_choose(const br_arm *arms, size_t count, uint64_t allowed, rt_rng *rng,
                      size_t *ret_index) RT_MUST_USE;

// br_arms_propensity estimates by `draw_count` choices how probable each arm is to be chosen;
// log it with the decision so that other policies can be judged on the same history.
//   ret_probabilities  room for count numbers; they sum to 1
//   errors    as br_arms_choose, and RT_EINVAL for draw_count 0
rt_err br_arms_propensity(const br_arm *arms, size_t count, uint64_t allowed, rt_rng *rng,
                          uint32_t draw_count, double *ret_probabilities) RT_MUST_USE;

// br_arms_update first fades every arm towards the prior by `keep` (1 = never forget, .99 = about
// the last hundred rounds count), then adds `reward` in 0..1 to the chosen arm.
//   errors    as br_arms_check, and RT_EINVAL for index, reward or keep out of range
rt_err br_arms_update(br_arm *arms, size_t count, size_t index, double reward,
                      double keep) RT_MUST_USE;

#endif
