// Design notes.
//
// An option is worth its mean reward (learned per trigger and segment, drawn to a prior) minus what
// it costs: money, and the patience of a customer who was already contacted. Doing nothing is an
// option like any other and is learned like any other, so that contact has to earn its keep.
//
// The choice is a Thompson draw on a normal belief: an option tried rarely has a wide belief and
// wins now and then, one that disappoints stops being tried. The propensity logged is the exact
// probability of that draw, by numerical integration instead of simulation: it costs no random
// numbers, so the stream of draws does not depend on it.
//
// Source: Chapelle and Li, "An Empirical Evaluation of Thompson Sampling", 2011, algorithm 1.

#include "agents/customer/policy.h"

#include <math.h>

#include "runtime/base/check.h"

#define MOOD_HALF_LIFE_MS (60 * CUSTOMER_DAY_MS)
#define MOOD_PRIOR_WEIGHT 2.0
#define GAP_ALPHA 0.3       // weight of the newest inter-order gap
#define RHYTHM_PRIOR_GAPS 1.0
#define COMPENSATE_EVERY_MS (30 * CUSTOMER_DAY_MS)
#define PROPENSITY_MIN 1e-4
#define HEAVY_GAIN 0.3 // what severity adds to a call, a voucher or a case

#define CONTACTS_MASK (1u << CUSTOMER_NOTIFY | 1u << CUSTOMER_COMPENSATE | 1u << CUSTOMER_CALL)

// Mean reward before anything was learned, by trigger (rows) and option (columns).
static const double priors[CUSTOMER_TRIGGERS][CUSTOMER_OPTIONS] = {
    [CUSTOMER_DELAY] = {0.30, 0.20, 0.18, 0.08, 0.08},
    [CUSTOMER_FAILED] = {0.30, 0.10, 0.32, 0.15, 0.00},
    [CUSTOMER_ISSUE] = {0.12, 0.22, 0.28, 0.34, -0.20},
    [CUSTOMER_INQUIRY] = {0.18, 0.15, 0.28, 0.22, 0.00},
    [CUSTOMER_FEEDBACK] = {0.05, 0.28, 0.32, 0.22, -0.20},
    [CUSTOMER_CANCELLED] = {0.12, 0.18, 0.18, 0.02, 0.00},
};

void
customer_note_order(customer_profile *profile, int64_t at_ms, double value_cop)
{
    double gap = (double)(at_ms - profile->last_order_ms);

    if (profile->orders > 0 && gap > 0.0) {
        profile->gap_ms = profile->gap_count == 0
                              ? gap
                              : profile->gap_ms + GAP_ALPHA * (gap - profile->gap_ms);
        profile->gap_count++;
    }
    profile->orders++;
    profile->last_order_ms = RT_MAX(profile->last_order_ms, at_ms);
    profile->lost_ms = 0;
    if (isfinite(value_cop) && value_cop > 0.0) {
        profile->spent_cop += value_cop;
    }
}

rt_err
customer_note_mood(customer_profile *profile, int64_t at_ms, double mood, double weight)
{
    double bounded = fmin(fmax(mood, -1.0), 1.0);

    return br_decayed_add(&profile->mood, at_ms, bounded, weight, MOOD_HALF_LIFE_MS);
}

void
customer_note_contact(customer_profile *profile, int64_t at_ms)
{
    profile->contacts_ms[profile->contact_next % CUSTOMER_CONTACTS_MAX] = at_ms;
    profile->contact_next++;
}

bool
customer_note_inquiry(customer_profile *profile, int64_t at_ms)
{
    int recent = 0;

    profile->inquiries_ms[profile->inquiry_next % CUSTOMER_INQUIRIES_MAX] = at_ms;
    profile->inquiry_next++;
    for (size_t i = 0; i < CUSTOMER_INQUIRIES_MAX; i++) {
        int64_t then = profile->inquiries_ms[i];
        recent += then != 0 && at_ms - then < CUSTOMER_DAY_MS ? 1 : 0;
    }
    return recent >= 3;
}

int64_t
customer_contacts(const customer_profile *profile, int64_t now_ms, int64_t window_ms)
{
    int64_t count = 0;

    for (size_t i = 0; i < CUSTOMER_CONTACTS_MAX; i++) {
        int64_t then = profile->contacts_ms[i];
        count += then != 0 && now_ms - then < window_ms ? 1 : 0;
    }
    return count;
}

double
customer_satisfaction(const customer_config *config, const customer_profile *profile,
                      int64_t now_ms)
{
    return br_decayed_mean(&profile->mood, now_ms, MOOD_HALF_LIFE_MS, config->mood_prior,
                           MOOD_PRIOR_WEIGHT);
}

// The customer's own time between orders, drawn to the common one while few gaps were seen.
static double
rhythm_ms(const customer_config *config, const customer_profile *profile)
{
    double seen = (double)RT_MIN(profile->gap_count, 10u);
    double gap = (profile->gap_ms * seen + (double)config->rhythm_prior_ms * RHYTHM_PRIOR_GAPS) /
                 (seen + RHYTHM_PRIOR_GAPS);

    return fmax(gap, (double)CUSTOMER_DAY_MS);
}

double
customer_churn_risk(const customer_config *config, const customer_profile *profile,
                    int64_t now_ms)
{
    double silent;
    double log_odds;

    if (profile->lost_ms != 0) {
        return 1.0;
    }
    if (profile->orders == 0) {
        return 0.5;
    }
    silent = fmax((double)(now_ms - profile->last_order_ms), 0.0);
    log_odds = 1.2 * (fmin(silent / rhythm_ms(config, profile), 6.0) - 2.0);
    log_odds -= 1.5 * customer_satisfaction(config, profile, now_ms);
    log_odds += 0.6 * (double)RT_MIN(profile->issues_open, 3u);
    return 1.0 / (1.0 + exp(-log_odds));
}

double
customer_lifetime_cop(const customer_config *config, const customer_profile *profile,
                      int64_t now_ms)
{
    double yearly = 365.0 * (double)CUSTOMER_DAY_MS / rhythm_ms(config, profile);

    if (profile->orders == 0) {
        return 0.0;
    }
    return profile->spent_cop / (double)profile->orders * yearly *
           (1.0 - customer_churn_risk(config, profile, now_ms));
}

customer_segment
customer_segment_of(const customer_config *config, const customer_profile *profile,
                    int64_t now_ms)
{
    if (profile->spent_cop >= config->vip_spent_cop) {
        return CUSTOMER_VIP;
    }
    if (profile->orders >= 2 && customer_churn_risk(config, profile, now_ms) >= 0.6) {
        return CUSTOMER_AT_RISK;
    }
    return profile->orders >= 2 ? CUSTOMER_REGULAR : CUSTOMER_NEW;
}

static double
issue_severity(customer_detail detail)
{
    switch (detail) {
    case CUSTOMER_LOST:
        return 0.9;
    case CUSTOMER_DAMAGED:
        return 0.8;
    case CUSTOMER_WRONG_ITEM:
        return 0.7;
    case CUSTOMER_BILLING:
        return 0.6;
    case CUSTOMER_DETAIL_NONE:
    case CUSTOMER_ABSENT:
    case CUSTOMER_WRONG_ADDRESS:
    case CUSTOMER_REFUSED:
    case CUSTOMER_UNSAFE:
    case CUSTOMER_CLOSED:
    case CUSTOMER_VEHICLE:
    case CUSTOMER_LATE:
    case CUSTOMER_OTHER:
    case CUSTOMER_DETAILS:
        break;
    }
    return 0.5;
}

double
customer_severity(const customer_case *what)
{
    double severity = 0.0;

    switch ((customer_trigger)what->trigger) {
    case CUSTOMER_DELAY:
        severity = 0.5 * what->risk + fmin(what->delay_hours / 96.0, 0.5);
        break;
    case CUSTOMER_FAILED:
        severity = 0.3 + 0.2 * fmin(fmax((double)what->attempt - 1.0, 0.0), 3.0) +
                   (what->detail == CUSTOMER_WRONG_ADDRESS ? 0.2 : 0.0);
        break;
    case CUSTOMER_ISSUE:
        severity = issue_severity((customer_detail)what->detail);
        break;
    case CUSTOMER_INQUIRY:
        severity = 0.4 + 0.4 * fmax(-what->mood, 0.0) + (what->repeated ? 0.2 : 0.0);
        break;
    case CUSTOMER_FEEDBACK:
        severity = what->score <= 1 ? 0.8 : 0.6;
        break;
    case CUSTOMER_CANCELLED:
        severity = 0.5;
        break;
    case CUSTOMER_TRIGGERS:
        RT_UNREACHABLE("not a trigger");
    }
    return fmin(fmax(severity, 0.0), 1.0);
}

bool
customer_deserves(const customer_case *what)
{
    switch ((customer_trigger)what->trigger) {
    case CUSTOMER_INQUIRY:
        return what->mood <= -0.4 || what->repeated;
    case CUSTOMER_FEEDBACK:
        return what->score >= 1 && what->score <= 2;
    case CUSTOMER_DELAY:
    case CUSTOMER_FAILED:
    case CUSTOMER_ISSUE:
    case CUSTOMER_CANCELLED:
    case CUSTOMER_TRIGGERS:
        break;
    }
    return true;
}

bool
customer_moot(const customer_case *what)
{
    bool after = what->delivered_ms > what->happened_ms;

    switch ((customer_trigger)what->trigger) {
    case CUSTOMER_DELAY:
    case CUSTOMER_FAILED:
        return what->delivered_ms != 0 || what->cancelled;
    case CUSTOMER_ISSUE:
        return after && (what->detail == CUSTOMER_LATE || what->detail == CUSTOMER_LOST);
    case CUSTOMER_INQUIRY:
        return after;
    case CUSTOMER_FEEDBACK:
    case CUSTOMER_CANCELLED:
    case CUSTOMER_TRIGGERS:
        break;
    }
    return false;
}

rt_err
customer_parse_minutes(rt_str text, int64_t *ret_minutes)
{
    int64_t hours;
    int64_t minutes;

    if (text.len != 5 || text.ptr[2] != ':' ||
        rt_parse_i64((rt_str){text.ptr, 2}, &hours) != RT_OK ||
        rt_parse_i64((rt_str){text.ptr + 3, 2}, &minutes) != RT_OK || hours < 0 || hours > 23 ||
        minutes < 0 || minutes > 59) {
        return rt_fail(RT_EINVAL, "'%.*s' is no time of day, write 20:00", RT_STR_ARG(text));
    }
    *ret_minutes = hours * 60 + minutes;
    return RT_OK;
}

int64_t
customer_quiet_until(const customer_config *config, int64_t now_ms, int64_t utc_offset_ms)
{
    int64_t local = now_ms + utc_offset_ms;
    int64_t midnight = local - ((local % CUSTOMER_DAY_MS) + CUSTOMER_DAY_MS) % CUSTOMER_DAY_MS;
    int64_t from = midnight + config->quiet_from_min * 60000;
    int64_t to = midnight + config->quiet_to_min * 60000;

    if (from == to) {
        return 0;
    }
    if (from < to) { // within one day
        return local >= from && local < to ? to - utc_offset_ms : 0;
    }
    if (local < to) {
        return to - utc_offset_ms;
    }
    return local >= from ? to + CUSTOMER_DAY_MS - utc_offset_ms : 0;
}

// An answer to somebody who wrote to us is not pestering, so the gap does not hold it back.
static bool
contact_allowed(const customer_config *config, const customer_profile *profile,
                const customer_case *what, int64_t now_ms)
{
    bool asked = what->trigger == CUSTOMER_ISSUE || what->trigger == CUSTOMER_INQUIRY;

    if (customer_contacts(profile, now_ms, CUSTOMER_DAY_MS) >= config->contacts_day ||
        customer_contacts(profile, now_ms, 7 * CUSTOMER_DAY_MS) >= config->contacts_week) {
        return false;
    }
    return asked || customer_contacts(profile, now_ms, config->contact_gap_ms) == 0;
}

uint32_t
customer_eligible(const customer_config *config, const customer_profile *profile,
                  const customer_case *what, int64_t now_ms)
{
    double severity = customer_severity(what);
    bool trouble = what->trigger != CUSTOMER_DELAY && what->trigger != CUSTOMER_CANCELLED;
    bool compensated = profile->compensated_ms != 0 &&
                       now_ms - profile->compensated_ms < COMPENSATE_EVERY_MS;
    uint32_t set = 1u << CUSTOMER_NOTHING;

    if (customer_moot(what) || !customer_deserves(what)) {
        return set;
    }
    if (what->has_order && trouble && severity >= 0.5) {
        set |= 1u << CUSTOMER_CASE;
    }
    if (profile->lost_ms != 0 || !contact_allowed(config, profile, what, now_ms)) {
        return set;
    }
    set |= 1u << CUSTOMER_NOTIFY;
    if (severity >= 0.6 && !compensated) {
        set |= 1u << CUSTOMER_COMPENSATE;
    }
    if (severity >= 0.6 || what->detail == CUSTOMER_WRONG_ADDRESS ||
        customer_segment_of(config, profile, now_ms) == CUSTOMER_VIP) {
        set |= 1u << CUSTOMER_CALL;
    }
    return set;
}

int64_t
customer_voucher_cop(const customer_config *config, const customer_case *what)
{
    double amount = what->value_cop * config->voucher_share * (0.5 + customer_severity(what));
    int64_t rounded = (int64_t)(fmin(amount, 1e12) / 1000.0 + 0.5) * 1000;

    return RT_MIN(RT_MAX(rounded, config->voucher_min_cop), config->voucher_max_cop);
}

int64_t
customer_cost_cop(const customer_config *config, const customer_case *what,
                  customer_option option)
{
    switch (option) {
    case CUSTOMER_NOTIFY:
        return config->message_cop;
    case CUSTOMER_COMPENSATE:
        return config->message_cop + customer_voucher_cop(config, what);
    case CUSTOMER_CALL:
        return config->call_cop;
    case CUSTOMER_CASE:
    case CUSTOMER_NOTHING:
    case CUSTOMER_OPTIONS:
        break;
    }
    return 0;
}

double
customer_prior(customer_trigger trigger, customer_option option)
{
    RT_ASSERT(trigger < CUSTOMER_TRIGGERS);
    RT_ASSERT(option < CUSTOMER_OPTIONS);
    return priors[trigger][option];
}

typedef struct belief {
    double mean; // reward before costs
    double sd;   // doubt about it
    double net;  // mean after fatigue and money
} belief;

static double
fatigue_of(const customer_config *config, const customer_profile *profile, int64_t now_ms)
{
    return config->fatigue_day * (double)customer_contacts(profile, now_ms, CUSTOMER_DAY_MS) +
           config->fatigue_week * (double)customer_contacts(profile, now_ms, 7 * CUSTOMER_DAY_MS);
}

static belief
belief_of(const customer_config *config, const customer_case *what, const br_decayed *rewards,
          customer_option option, double fatigue, int64_t now_ms)
{
    double prior = customer_prior((customer_trigger)what->trigger, option);
    double known = br_decayed_weight(rewards, now_ms, config->half_life_ms);
    double mean = br_decayed_mean(rewards, now_ms, config->half_life_ms, prior,
                                  config->prior_weight);
    double money = (double)customer_cost_cop(config, what, option) / config->cop_per_reward;
    bool heavy = option == CUSTOMER_COMPENSATE || option == CUSTOMER_CALL ||
                 option == CUSTOMER_CASE;
    double gain = heavy ? HEAVY_GAIN * (customer_severity(what) - 0.5) : 0.0;

    return (belief){
        .mean = mean,
        .sd = config->reward_sd / sqrt(known + config->prior_weight),
        .net = mean + gain - money - ((1u << option & CONTACTS_MASK) != 0 ? fatigue : 0.0),
    };
}

static double
normal_cdf(double z)
{
    return 0.5 * erfc(-z * M_SQRT1_2);
}

// Probability that a draw from beliefs[chosen] is the greatest: trapezoid rule over +-4 sd.
static double
propensity_of(const belief beliefs[CUSTOMER_OPTIONS], uint32_t eligible, size_t chosen)
{
    const int steps = 40;
    double sum = 0.0;
    double total = 0.0;

    for (int k = 0; k <= steps; k++) {
        double z = -4.0 + 8.0 * (double)k / (double)steps;
        double density = exp(-0.5 * z * z);
        double x = beliefs[chosen].net + z * beliefs[chosen].sd;
        double best = 1.0;
        for (size_t i = 0; i < CUSTOMER_OPTIONS; i++) {
            if (i != chosen && (1u << i & eligible) != 0) {
                best *= normal_cdf((x - beliefs[i].net) / beliefs[i].sd);
            }
        }
        sum += density * best;
        total += density;
    }
    return fmin(fmax(sum / total, PROPENSITY_MIN), 1.0);
}

static int64_t
priority_of(double severity, customer_segment segment)
{
    int64_t priority = 35 + (int64_t)(40.0 * severity);

    if (segment == CUSTOMER_VIP) {
        priority += 12;
    } else if (segment == CUSTOMER_AT_RISK) {
        priority += 6;
    }
    return RT_MIN(priority, 95);
}

customer_choice
customer_choose(const customer_config *config, const customer_profile *profile,
                const customer_case *what, const br_decayed rewards[CUSTOMER_OPTIONS],
                uint32_t eligible, int64_t now_ms, rt_rng *rng)
{
    belief beliefs[CUSTOMER_OPTIONS];
    const belief *nothing = &beliefs[CUSTOMER_NOTHING];
    double fatigue = fatigue_of(config, profile, now_ms);
    double severity = customer_severity(what);
    double best_draw = -HUGE_VAL;
    size_t best = CUSTOMER_NOTHING;

    RT_ASSERT((eligible & 1u << CUSTOMER_NOTHING) != 0);
    for (size_t i = 0; i < CUSTOMER_OPTIONS; i++) {
        beliefs[i] = belief_of(config, what, &rewards[i], (customer_option)i, fatigue, now_ms);
        if ((1u << i & eligible) == 0) {
            continue;
        }
        double draw = beliefs[i].net + beliefs[i].sd * rt_rng_normal(rng);
        if (draw > best_draw) {
            best_draw = draw;
            best = i;
        }
    }
    return (customer_choice){
        .option = (customer_option)best,
        .propensity = propensity_of(beliefs, eligible, best),
        .mean = beliefs[best].mean,
        .net = beliefs[best].net,
        .nothing = nothing->net,
        .confidence = best == CUSTOMER_NOTHING
                          ? 0.5
                          : normal_cdf((beliefs[best].net - nothing->net) /
                                       hypot(beliefs[best].sd, nothing->sd)),
        .severity = severity,
        .fatigue = fatigue,
        .cost_cop = customer_cost_cop(config, what, (customer_option)best),
        .priority = priority_of(severity, customer_segment_of(config, profile, now_ms)),
    };
}

rt_err
customer_learn(const customer_config *config, br_decayed *reward_of_option, double reward,
               bool first, int64_t at_ms)
{
    double bounded = fmin(fmax(reward, -1.0), 1.0);
    rt_err err;

    if (first) {
        return br_decayed_add(reward_of_option, at_ms, bounded, 1.0, config->half_life_ms);
    }
    err = br_decayed_add(reward_of_option, at_ms, 0.0, 0.0, config->half_life_ms); // ages only
    if (err == RT_OK) {
        reward_of_option->sum += bounded;
    }
    return err;
}
