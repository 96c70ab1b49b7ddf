// Design notes.
//
// A decision collects rewards from several causes, each at most once. The total stays within -1..1,
// and what is passed on is how far the total moved, so that whoever adds the pieces up arrives at
// the clipped total.
//
// Forecasts are judged progressively: each was made before its outcome was known, so no data is set
// aside. Recent ones weigh more, because the question is how good the model is now.

#include "agents/learning/policy.h"

#include <math.h>

#include "runtime/base/check.h"

#define APPLY_ABOVE 0.8
#define ASK_ABOVE 0.6

// tidy: table
static const struct {
    const char *name;
    double reward;
} rewards[LEARNING_CAUSES] = {
    [LEARNING_DELIVERY_SUCCESS] = {"delivery_success", 1.0},
    [LEARNING_CUSTOMER_HAPPY] = {"customer_happy", 0.5},
    [LEARNING_ISSUE_RESOLVED] = {"issue_resolved", 0.4},
    [LEARNING_DELAY_PREVENTED] = {"delay_prevented", 0.3},
    [LEARNING_DELAY_OCCURRED] = {"delay_occurred", -0.3},
    [LEARNING_ISSUE_UNRESOLVED] = {"issue_unresolved", -0.5},
    [LEARNING_CUSTOMER_LOST] = {"customer_lost", -1.0},
    [LEARNING_FEEDBACK] = {"feedback", 0.0},
};

double
learning_reward(learning_cause cause)
{
    RT_ASSERT(cause < LEARNING_CAUSES);
    return rewards[cause].reward;
}

const char *
learning_cause_name(learning_cause cause)
{
    RT_ASSERT(cause < LEARNING_CAUSES);
    return rewards[cause].name;
}

bool
learning_give(uint32_t *causes, double *total, learning_cause cause, double reward,
              double *ret_delta)
{
    double before = *total;

    RT_ASSERT(cause < LEARNING_CAUSES);
    if ((*causes & 1u << cause) != 0) {
        return false;
    }
    *causes |= 1u << cause;
    *total = fmin(fmax(before + reward, -1.0), 1.0);
    *ret_delta = *total - before;
    return true;
}

learning_label
learning_label_of(rt_str model)
{
    if (rt_str_starts(model, RT_STR("delay"))) {
        return LEARNING_LABEL_LATE;
    }
    if (rt_str_starts(model, RT_STR("churn"))) {
        return LEARNING_LABEL_LOST;
    }
    return rt_str_is(model, "next-best-action") ? LEARNING_LABEL_REWARD : LEARNING_LABEL_NONE;
}

rt_err
learning_score_add(learning_score *score, double probability, bool positive, double decay)
{
    rt_err err = br_progressive_add(&score->recent, probability, positive, decay);
    size_t bin;

    if (err == RT_OK) {
        err = br_progressive_add(&score->period, probability, positive, 1.0);
    }
    if (err != RT_OK) {
        return err;
    }
    score->version = LEARNING_SCORE_VERSION;
    bin = RT_MIN((size_t)(probability * LEARNING_BINS), LEARNING_BINS - 1u);
    for (size_t i = 0; i < LEARNING_BINS; i++) {
        score->bin_weight[i] *= decay;
        score->bin_probability[i] *= decay;
        score->bin_positive[i] *= decay;
    }
    score->bin_weight[bin] += 1.0;
    score->bin_probability[bin] += probability;
    score->bin_positive[bin] += positive ? 1.0 : 0.0;
    return RT_OK;
}

void
learning_score_turn(learning_score *score)
{
    score->previous_samples = score->period.weight;
    score->previous_loss =
        score->period.weight > 0.0 ? score->period.log_loss_sum / score->period.weight : 0.0;
    score->period = (br_progressive){0};
}

double
learning_calibration_error(const learning_score *score)
{
    double gap = 0.0;
    double weight = 0.0;

    for (size_t i = 0; i < LEARNING_BINS; i++) {
        gap += fabs(score->bin_probability[i] - score->bin_positive[i]);
        weight += score->bin_weight[i];
    }
    return weight > 0.0 ? fmin(gap / weight, 1.0) : 0.0;
}

double
learning_base_loss(double positive_ratio)
{
    double p = fmin(fmax(positive_ratio, BR_METRIC_CLIP), 1.0 - BR_METRIC_CLIP);

    return -(p * log(p) + (1.0 - p) * log(1.0 - p));
}

double
learning_log_loss(double probability, bool positive)
{
    double p = fmin(fmax(probability, BR_METRIC_CLIP), 1.0 - BR_METRIC_CLIP);

    return -log(positive ? p : 1.0 - p);
}

rt_err
learning_worth_add(learning_worth *worth, double reward, bool first, int64_t at_ms,
                   int64_t half_life_ms)
{
    rt_err err;

    if (!isfinite(reward)) {
        return rt_fail(RT_EINVAL, "reward %g", reward);
    }
    if (first) {
        err = br_decayed_add(&worth->recent, at_ms, reward, 1.0, half_life_ms);
    } else {
        err = br_decayed_add(&worth->recent, at_ms, 0.0, 0.0, half_life_ms); // ages only
        if (err == RT_OK) {
            worth->recent.sum += reward;
        }
    }
    if (err == RT_OK) {
        worth->period_sum += reward;
        worth->period_count += first ? 1.0 : 0.0;
    }
    return err;
}

void
learning_worth_turn(learning_worth *worth)
{
    worth->previous_count = worth->period_count;
    worth->previous_mean =
        worth->period_count > 0.0 ? worth->period_sum / worth->period_count : 0.0;
    worth->period_sum = 0.0;
    worth->period_count = 0.0;
}

learning_trend
learning_trend_of(double before, double before_samples, double now, double now_samples,
                  bool less_is_better, double tolerance)
{
    double change = less_is_better ? before - now : now - before;

    if (before_samples < LEARNING_TREND_SAMPLES_MIN || now_samples < LEARNING_TREND_SAMPLES_MIN) {
        return LEARNING_UNKNOWN;
    }
    if (fabs(change) <= tolerance) {
        return LEARNING_SAME;
    }
    return change > 0.0 ? LEARNING_BETTER : LEARNING_WORSE;
}

const char *
learning_trend_name(learning_trend trend)
{
    switch (trend) {
    case LEARNING_BETTER:
        return "better";
    case LEARNING_SAME:
        return "same";
    case LEARNING_WORSE:
        return "worse";
    case LEARNING_UNKNOWN:
        break;
    }
    return "unknown";
}

// How sure a one-sided z-score makes: 0 for no difference, 1 for a certain one.
static double
sureness(double z)
{
    return z <= 0.0 ? 0.0 : erf(z * M_SQRT1_2);
}

double
learning_rate_confidence(double share, double count, double base)
{
    double p = fmin(fmax(base, 0.01), 0.99);

    if (!(count > 0.0)) {
        return 0.0;
    }
    return sureness((share - p) / sqrt(p * (1.0 - p) / count)) * count / (count + 30.0);
}

double
learning_skill_confidence(double loss, double base_loss, double samples)
{
    double worse = base_loss > 0.0 ? loss / base_loss - 1.0 : 0.0;

    if (worse <= 0.0 || !(samples > 0.0)) {
        return 0.0;
    }
    return fmin(0.5 + 2.0 * worse, 0.95) * samples / (samples + 50.0);
}

double
learning_worth_confidence(double mean, double count, double reward_sd)
{
    if (!(count > 0.0) || !(reward_sd > 0.0)) {
        return 0.0;
    }
    return sureness(-mean * sqrt(count) / reward_sd) * count / (count + 20.0);
}

learning_route
learning_route_of(double confidence)
{
    if (confidence > APPLY_ABOVE) {
        return LEARNING_APPLY;
    }
    return confidence > ASK_ABOVE ? LEARNING_ASK : LEARNING_BACKLOG;
}

const char *
learning_route_name(learning_route route)
{
    switch (route) {
    case LEARNING_APPLY:
        return "apply";
    case LEARNING_ASK:
        return "ask";
    case LEARNING_BACKLOG:
        break;
    }
    return "backlog";
}
