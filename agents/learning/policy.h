// learning/policy.h: the reward table, how forecasts are judged, when to propose a change; pure.
//
// Layer: agents/learning (may use runtime/base, brain/math).   Threads: any.
#ifndef CEREBRO_AGENTS_LEARNING_POLICY_H
#define CEREBRO_AGENTS_LEARNING_POLICY_H

#include "brain/math/metric.h"
#include "brain/math/stats.h"
#include "runtime/base/attr.h"
#include "runtime/base/bytes.h"

#define LEARNING_BINS 10
#define LEARNING_SCORE_VERSION 1
#define LEARNING_TREND_SAMPLES_MIN 30

// Rows of the reward table; the order is stored (a bit per cause), so only append.
typedef enum learning_cause {
    LEARNING_DELIVERY_SUCCESS,
    LEARNING_CUSTOMER_HAPPY,
    LEARNING_ISSUE_RESOLVED,
    LEARNING_DELAY_PREVENTED,
    LEARNING_DELAY_OCCURRED,
    LEARNING_ISSUE_UNRESOLVED,
    LEARNING_CUSTOMER_LOST,
    LEARNING_FEEDBACK, // reward given by whoever judged
    LEARNING_CAUSES,
} learning_cause;

// What tells whether a model was right.
typedef enum learning_label {
    LEARNING_LABEL_NONE,   // nothing that we hear
    LEARNING_LABEL_LATE,   // the order missed its promise
    LEARNING_LABEL_LOST,   // the customer left instead of ordering again
    LEARNING_LABEL_REWARD, // the decision's first reward was positive
} learning_label;

typedef enum learning_trend {
    LEARNING_UNKNOWN,
    LEARNING_BETTER,
    LEARNING_SAME,
    LEARNING_WORSE,
} learning_trend;

typedef enum learning_route {
    LEARNING_BACKLOG,
    LEARNING_ASK,
    LEARNING_APPLY,
} learning_route;

// learning_score is what is known of one model's forecasts; stored, zero is empty.
typedef struct learning_score {
    uint64_t version;
    br_progressive recent; // recency-weighted
    br_progressive period; // since the last report
    double bin_weight[LEARNING_BINS];
    double bin_probability[LEARNING_BINS];
    double bin_positive[LEARNING_BINS];
    double previous_loss;    // of the period before
    double previous_samples; // 0 = there was none
} learning_score;

// learning_worth is what is known of one action's rewards; stored, zero is empty.
typedef struct learning_worth {
    br_decayed recent;
    double period_sum;
    double period_count;
    double previous_mean;
    double previous_count;
} learning_worth;

// learning_reward is the table's reward of a cause; 0 for LEARNING_FEEDBACK.
double learning_reward(learning_cause cause);
// learning_cause_name is the row's name in events.
const char *learning_cause_name(learning_cause cause);
// learning_give adds a reward to a decision's total, once per cause, with the total kept within
// -1..1. Returns false when the cause was given before; ret_delta is what the total moved.
bool learning_give(uint32_t *causes, double *total, learning_cause cause, double reward,
                   double *ret_delta);

// learning_label_of tells by the model's name what its forecasts are about.
learning_label learning_label_of(rt_str model);
// learning_score_add takes one forecast and what came; the past fades by `decay`.
//   errors    RT_EINVAL probability outside 0..1 or decay outside (0, 1]
rt_err learning_score_add(learning_score *score, double probability, bool positive,
                          double decay) RT_MUST_USE;
// learning_score_turn ends the period: what it was becomes the previous one.
void learning_score_turn(learning_score *score);
// learning_calibration_error is the expected calibration error over ten bins.
double learning_calibration_error(const learning_score *score);
// learning_base_loss is the log-loss of always saying the base rate.
double learning_base_loss(double positive_ratio);
// learning_log_loss is the loss of one forecast.
double learning_log_loss(double probability, bool positive);

// learning_worth_add takes a reward; `first` says it is the first of its decision.
//   errors    RT_EINVAL not finite
rt_err learning_worth_add(learning_worth *worth, double reward, bool first, int64_t at_ms,
                          int64_t half_life_ms) RT_MUST_USE;
// learning_worth_turn ends the period.
void learning_worth_turn(learning_worth *worth);

// learning_trend_of compares a period with the one before; `less_is_better` for losses.
learning_trend learning_trend_of(double before, double before_samples, double now,
                                 double now_samples, bool less_is_better, double tolerance);
const char *learning_trend_name(learning_trend trend);

// learning_rate_confidence says how sure it is that a share seen in `count` cases is above `base`.
double learning_rate_confidence(double share, double count, double base);
// learning_skill_confidence says how sure it is that a model does worse than the base rate.
double learning_skill_confidence(double loss, double base_loss, double samples);
// learning_worth_confidence says how sure it is that an action earns less than nothing.
double learning_worth_confidence(double mean, double count, double reward_sd);
// learning_route_of goes by the confidence: above .8 apply, above .6 ask, else backlog.
learning_route learning_route_of(double confidence);
const char *learning_route_name(learning_route route);

#endif
