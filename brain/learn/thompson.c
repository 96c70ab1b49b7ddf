// Design notes.
//
// Discounting touches all arms, also those not played: their counts fade, their draws spread, and
// an option that was bad long ago is tried again. The prior itself does not fade, so an arm never
// reaches Beta(0, 0). A reward strictly between 0 and 1 is added as a fractional win and loss.

#include "brain/learn/thompson.h"

#include <math.h>
#include <stdbool.h>

#include "brain/math/stats.h"
#include "runtime/base/check.h"

double
br_arm_mean(const br_arm *arm)
{
    RT_ASSERT(arm != NULL);
    RT_ASSERT(arm->wins > 0.0 && arm->losses > 0.0);
    return arm->wins / (arm->wins + arm->losses);
}

rt_err
br_arms_check(const br_arm *arms, size_t count)
{
    RT_ASSERT(arms != NULL || count == 0);
    if (count == 0 || count > BR_ARMS_MAX) {
        return rt_fail(RT_EINVAL, "%zu arms, want 1..%d", count, BR_ARMS_MAX);
    }
    for (size_t i = 0; i < count; i++) {
        if (!isfinite(arms[i].wins) || !isfinite(arms[i].losses) || arms[i].wins <= 0.0 ||
            arms[i].losses <= 0.0) {
            return rt_fail(RT_ECORRUPT, "arm %zu has counts %g and %g", i, arms[i].wins,
                           arms[i].losses);
        }
    }
    return RT_OK;
}

static bool
is_allowed(uint64_t allowed, size_t index)
{
    return (allowed >> index & 1) != 0;
}

static rt_err
check_choice(const br_arm *arms, size_t count, uint64_t allowed)
{
    rt_err err = br_arms_check(arms, count);

    if (err != RT_OK) {
        return err;
    }
    for (size_t i = 0; i < count; i++) {
        if (is_allowed(allowed, i)) {
            return RT_OK;
        }
    }
    return rt_fail(RT_EINVAL, "none of %zu arms is allowed", count);
}

// Source: Thompson 1933; the Beta-Bernoulli form is Chapelle and Li 2011, algorithm 2.
static size_t
choose_arm(const br_arm *arms, size_t count, uint64_t allowed, rt_rng *rng)
{
    double best = -1.0;
    size_t chosen = 0;

    for (size_t i = 0; i < count; i++) {
        if (is_allowed(allowed, i)) {
            double draw = br_sample_beta(rng, arms[i].wins, arms[i].losses);

            if (draw > best) {
                best = draw;
                chosen = i;
            }
        }
    }
    return chosen;
}

rt_err
br_arms_choose(const br_arm *arms, size_t count, uint64_t allowed, rt_rng *rng, size_t *ret_index)
{
    rt_err err = check_choice(arms, count, allowed);

    RT_ASSERT(rng != NULL && ret_index != NULL);
    if (err == RT_OK) {
        *ret_index = choose_arm(arms, count, allowed, rng);
    }
    return err;
}

rt_err
br_arms_propensity(const br_arm *arms, size_t count, uint64_t allowed, rt_rng *rng,
                   uint32_t draw_count, double *ret_probabilities)
{
    rt_err err = check_choice(arms, count, allowed);

    RT_ASSERT(rng != NULL && ret_probabilities != NULL);
    if (err != RT_OK) {
        return err;
    }
    if (draw_count == 0) {
        return rt_fail(RT_EINVAL, "a propensity needs at least one draw");
    }
    for (size_t i = 0; i < count; i++) {
        ret_probabilities[i] = 0.0;
    }
    for (uint32_t d = 0; d < draw_count; d++) {
        ret_probabilities[choose_arm(arms, count, allowed, rng)] += 1.0 / draw_count;
    }
    return RT_OK;
}

// Source: Raj and Kalyani 2017, "Taming non-stationary bandits", discounted Thompson sampling.
rt_err
br_arms_update(br_arm *arms, size_t count, size_t index, double reward, double keep)
{
    rt_err err = br_arms_check(arms, count);

    if (err != RT_OK) {
        return err;
    }
    if (index >= count || !(reward >= 0.0 && reward <= 1.0) || !(keep > 0.0 && keep <= 1.0)) {
        return rt_fail(RT_EINVAL, "arm %zu of %zu, reward %g, keep %g", index, count, reward, keep);
    }
    for (size_t i = 0; i < count; i++) {
        arms[i].wins = 1.0 + keep * (arms[i].wins - 1.0);
        arms[i].losses = 1.0 + keep * (arms[i].losses - 1.0);
    }
    arms[index].wins += reward;
    arms[index].losses += 1.0 - reward;
    return RT_OK;
}
