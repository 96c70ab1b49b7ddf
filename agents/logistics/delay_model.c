// Design notes.
//
// Lateness is known only weeks after the purchase, when the world has moved on. So the raw rates of
// lateness say little; what helps is knowing early how long things take: handling and transit times
// are known at the scan, and an order still open half-way to its promise is an early sign of a
// state in trouble. They become features, and a logistic regression weighs them.
//
// Every statistic is shrunk: a seller to the tenant, a carrier in a state to the state, a route to
// its state. What was never seen is therefore neutral, which is also what happens to inputs that a
// tenant does not send (no sellers, or no carriers).
//
// A statistic is added with the value that its parents had just before, so that the order of
// additions within one function matters; do not move the parents up.
//
// What features mean in a new operation is not known. So together they count by n / (n +
// EVIDENCE_ORDERS) of the n outcomes learned so far: the first forecasts are the rate of late
// orders, which the bias finds soon. Promises are measured against the shop's usual one, and how
// generous that is counts by evidence too: the deliveries that are known first are the quick ones.
#include "agents/logistics/delay_model.h"

#include <math.h>

#include "runtime/base/check.h"
#include "runtime/base/civil.h"
#include "brain/math/stats.h"

#define DAY_MS INT64_C(86400000)
#define DAYS(n) ((n) * DAY_MS)

#define HANDLING_DAYS_MIN 0.2
#define TRANSIT_DAYS_MIN 0.5
#define USUAL_PRICE 85.0 // what an order typically costs in the money that features are scaled to
#define FEATURE_LIMIT 4.0
#define EVIDENCE_ORDERS (30.0 * LOGISTICS_FEATURES) // outcomes that weigh as much as not knowing
#define USUAL_SLACK 0.8                             // ln(promised by expected days) elsewhere

// How fast a statistic forgets, what is believed before, and how many observations that is worth.
typedef struct prior {
    int64_t half_life_ms;
    double mean;
    double weight;
} prior;

static const prior handling_all = {DAYS(60), 0.9, 5};    // ln(days)
static const prior handling_week = {DAYS(7), 0, 10};     // towards handling_all
static const prior handling_seller = {DAYS(90), 0, 4};   // minus handling_all
static const prior handover_late = {DAYS(60), 0.1, 4};   // share after the shipping limit
static const prior transit_all = {DAYS(60), 2.0, 5};     // ln(days)
static const prior transit_week = {DAYS(7), 0, 10};      // towards transit_all
static const prior transit_state = {DAYS(45), 0, 6};     // minus transit_all
static const prior transit_route = {DAYS(180), 0, 8};    // minus both
static const prior half_all = {DAYS(30), 0.2, 10};       // share open half-way to the promise
static const prior half_state = {DAYS(7), 0, 10};        // towards half_all
static const prior late_all = {DAYS(365), 0.07, 20};     // share late
static const prior late_state = {DAYS(365), 0, 20};      // towards late_all
static const prior late_seller = {DAYS(365), 0, 10};     // towards late_all
static const prior late_carrier = {DAYS(365), 0, 10};    // towards late_all
static const prior late_lane = {DAYS(365), 0, 10};       // towards the carrier's
// Orders get lost evenly, but lateness comes in waves: the share of one in both moves in weeks.
static const prior found_open = {DAYS(30), 0.5, 10};    // share of overdue that arrive, unshipped
static const prior found_shipped = {DAYS(30), 0.9, 10}; // the same when the carrier had it
static const prior price_all = {DAYS(90), 0, 0};        // ln(goods value)
static const prior promise_all = {DAYS(60), 0, 0};      // ln(days)

// Rows of the statistics table.
typedef struct everyone_row {
    br_decayed handling;
    br_decayed handling_week;
    br_decayed transit;
    br_decayed transit_week;
    br_decayed half;
    br_decayed late;
    br_decayed found[2]; // [1]: the carrier had it
    br_decayed price;
    br_decayed promise;
} everyone_row;

typedef struct seller_row {
    br_decayed handling;
    br_decayed handover_late;
    br_decayed late;
} seller_row;

typedef struct state_row {
    br_decayed transit;
    br_decayed half;
    br_decayed late;
} state_row;

typedef struct single_row { // a route or a carrier
    br_decayed value;
} single_row;

typedef struct lane_row { // a carrier in a state
    br_decayed transit;
    br_decayed late;
} lane_row;

enum feature {
    PROMISE_SLACK,
    PROMISE_LENGTH,
    STATE_BACKLOG,
    STATE_LATE,
    SELLER_LATE,
    HANDOVER_LATE,
    HANDLING_TREND,
    TRANSIT_TREND,
    SAME_STATE,
    PRICE,
    FREIGHT,
    WEIGHT,
    ITEMS,
    WEEKEND,
    CARRIER_LATE,
    LANE_LATE,
};

static const struct {
    const char *name;
    double prior_mean; // of its weight in the regression
} features_known[LOGISTICS_FEATURES] = {
    [PROMISE_SLACK] = {"promise_slack", -0.7},
    [PROMISE_LENGTH] = {"promise_length", 0},
    [STATE_BACKLOG] = {"state_backlog", 0.3},
    [STATE_LATE] = {"state_late_rate", 0.3},
    [SELLER_LATE] = {"seller_late_rate", 0.3},
    [HANDOVER_LATE] = {"seller_late_handover", 0.3},
    [HANDLING_TREND] = {"handling_trend", 0},
    [TRANSIT_TREND] = {"transit_trend", 0},
    [SAME_STATE] = {"same_state", 0},
    [PRICE] = {"price", 0},
    [FREIGHT] = {"freight", 0},
    [WEIGHT] = {"weight", 0},
    [ITEMS] = {"items", 0},
    [WEEKEND] = {"weekend", 0},
    [CARRIER_LATE] = {"carrier_late_rate", 0.3},
    [LANE_LATE] = {"carrier_late_rate_there", 0.3},
};

const char *
logistics_feature_name(size_t index)
{
    RT_ASSERT(index < LOGISTICS_FEATURES);
    return features_known[index].name;
}

// --- rows ---

static rt_key
row_key(rt_tenant tenant, const char *kind, rt_str first, rt_str second)
{
    rt_key key = rt_key_of(tenant);

    rt_key_str(&key, rt_str_of(kind));
    rt_key_str(&key, first);
    rt_key_str(&key, second);
    return key;
}

static rt_key
everyone_key(rt_tenant tenant)
{
    return row_key(tenant, "all", RT_STR(""), RT_STR(""));
}

static rt_key
seller_key(rt_tenant tenant, const logistics_parties *parties)
{
    return row_key(tenant, "seller", parties->seller, RT_STR(""));
}

static rt_key
state_key(rt_tenant tenant, const logistics_parties *parties)
{
    return row_key(tenant, "state", parties->state, RT_STR(""));
}

static rt_key
route_key(rt_tenant tenant, const logistics_parties *parties)
{
    return row_key(tenant, "route", parties->seller_state, parties->state);
}

static rt_key
carrier_key(rt_tenant tenant, const logistics_parties *parties)
{
    return row_key(tenant, "carrier", parties->carrier, RT_STR(""));
}

static rt_key
lane_key(rt_tenant tenant, const logistics_parties *parties)
{
    return row_key(tenant, "lane", parties->carrier, parties->state);
}

// Copies a row; one that is not there reads as zeros, which know nothing.
static void
read_row(const logistics_delay_model *model, rt_key key, void *ret_row, size_t row_bytes)
{
    rt_bytes bytes;

    memset(ret_row, 0, row_bytes);
    if (rt_table_get(model->stats, rt_key_bytes(&key), &bytes)) {
        memcpy(ret_row, bytes.ptr, RT_MIN(bytes.len, row_bytes));
    }
}

// A row to change, or NULL when it is new and there are too many.
static void *
edit_row(const logistics_delay_model *model, rt_key key, size_t row_bytes)
{
    bool created = false;
    rt_bytes bytes;

    if (rt_table_count(model->stats) >= model->entities_max &&
        !rt_table_get(model->stats, rt_key_bytes(&key), &bytes)) {
        return NULL;
    }
    return rt_table_edit(model->stats, rt_key_bytes(&key), row_bytes, &created);
}

static double
mean_to(const br_decayed *state, const prior *p, int64_t at_ms, double towards)
{
    return br_decayed_mean(state, at_ms, p->half_life_ms, towards, p->weight);
}

static double
mean_of(const br_decayed *state, const prior *p, int64_t at_ms)
{
    return mean_to(state, p, at_ms, p->mean);
}

static rt_err
add(br_decayed *state, const prior *p, int64_t at_ms, double value, double weight)
{
    return br_decayed_add(state, at_ms, value, weight, p->half_life_ms);
}

// Adds to a row that holds one statistic.
static rt_err
add_single(const logistics_delay_model *model, rt_key key, const prior *p, int64_t at_ms,
           double value, double weight)
{
    single_row *row = edit_row(model, key, sizeof(*row));

    return row != NULL ? add(&row->value, p, at_ms, value, weight) : RT_OK;
}

static double
log_odds(double p)
{
    return log(p / (1.0 - p));
}

// How far a rate lies from another, in log-odds; the priors keep both off 0 and 1.
static double
rate_gap(double rate, double usual)
{
    const double edge = 1e-6;

    return log_odds(fmin(fmax(rate, edge), 1 - edge)) -
           log_odds(fmin(fmax(usual, edge), 1 - edge));
}

static double
days_between(int64_t from_ms, int64_t to_ms)
{
    return ((double)to_ms - (double)from_ms) / (double)DAY_MS;
}

// --- features ---

static double
transit_state_mean(const logistics_delay_model *model, rt_tenant tenant,
                   const logistics_parties *parties, const state_row *state, int64_t at_ms)
{
    double mean = mean_of(&state->transit, &transit_state, at_ms);
    lane_row lane;

    if (parties->carrier.len == 0) {
        return mean;
    }
    read_row(model, lane_key(tenant, parties), &lane, sizeof(lane));
    return mean_to(&lane.transit, &transit_state, at_ms, mean);
}

// The scale of money: what divides the tenant's currency so that a usual order costs USUAL_PRICE.
static double
price_scale(const logistics_delay_model *model, const everyone_row *all, int64_t at_ms,
            double value)
{
    if (model->price_scale > 0) {
        return model->price_scale;
    }
    return exp(mean_to(&all->price, &price_all, at_ms, log(fmax(value, 1.0)))) / USUAL_PRICE;
}

static void
features_of_goods(const logistics_delay_model *model, const logistics_purchase *purchase,
                  const everyone_row *all, double *x)
{
    double scale = price_scale(model, all, purchase->created_at_ms, purchase->value);

    x[PRICE] = purchase->value >= 0 ? log((purchase->value / scale + 10) / 100) : 0;
    x[FREIGHT] = purchase->freight >= 0 ? log((purchase->freight / scale + 5) / 20) : 0;
    x[WEIGHT] = purchase->weight_g >= 0 ? log((purchase->weight_g + 100) / 1000) / 1.2 : 0;
    x[ITEMS] = purchase->items >= 0 ? fmin(purchase->items, 4) - 1 : 0;
}

static void
features_of_carrier(const logistics_delay_model *model, rt_tenant tenant,
                    const logistics_purchase *purchase, double late, double *x)
{
    int64_t at_ms = purchase->created_at_ms;
    double rate;
    single_row carrier;
    lane_row lane;

    read_row(model, carrier_key(tenant, &purchase->parties), &carrier, sizeof(carrier));
    read_row(model, lane_key(tenant, &purchase->parties), &lane, sizeof(lane));
    rate = mean_to(&carrier.value, &late_carrier, at_ms, late);
    x[CARRIER_LATE] = rate_gap(rate, late);
    x[LANE_LATE] = rate_gap(mean_to(&lane.late, &late_lane, at_ms, rate), rate);
}

static void
features_of_rates(const logistics_delay_model *model, rt_tenant tenant,
                  const logistics_purchase *purchase, const everyone_row *all,
                  const seller_row *seller, const state_row *state, double *x)
{
    int64_t at_ms = purchase->created_at_ms;
    double half = mean_of(&all->half, &half_all, at_ms);
    double late = mean_of(&all->late, &late_all, at_ms);

    x[STATE_BACKLOG] = rate_gap(mean_to(&state->half, &half_state, at_ms, half), half);
    x[STATE_LATE] = rate_gap(mean_to(&state->late, &late_state, at_ms, late), late);
    x[SELLER_LATE] = rate_gap(mean_to(&seller->late, &late_seller, at_ms, late), late);
    x[HANDOVER_LATE] = (mean_of(&seller->handover_late, &handover_late, at_ms) - 0.1) / 0.15;
    if (purchase->parties.carrier.len > 0) {
        features_of_carrier(model, tenant, purchase, late, x);
    }
}

static double
evidence_of(double outcomes)
{
    return outcomes / (outcomes + EVIDENCE_ORDERS);
}

static double
promised_days(const logistics_purchase *purchase)
{
    return fmax(days_between(purchase->created_at_ms, purchase->promised_at_ms), 1.0);
}

// How promise, handling and transit compare with each other and with what is usual here; returns
// how far ln(transit days) to there lies from the average.
static double
features_of_times(const logistics_delay_model *model, rt_tenant tenant,
                  const logistics_purchase *purchase, const everyone_row *all,
                  const seller_row *seller, const state_row *state, double *x)
{
    const logistics_parties *parties = &purchase->parties;
    int64_t at_ms = purchase->created_at_ms;
    double handling = mean_of(&all->handling, &handling_all, at_ms);
    double transit = mean_of(&all->transit, &transit_all, at_ms);
    double shift = transit_state_mean(model, tenant, parties, state, at_ms);
    double promise = log(promised_days(purchase));
    double promise_usual = mean_to(&all->promise, &promise_all, at_ms, promise);
    double known = evidence_of(br_decayed_weight(&all->late, at_ms, late_all.half_life_ms));
    double slack;
    double slack_usual;
    single_row route;

    read_row(model, route_key(tenant, parties), &route, sizeof(route));
    shift += mean_of(&route.value, &transit_route, at_ms);
    slack = promise - log(exp(handling + mean_of(&seller->handling, &handling_seller, at_ms)) +
                          exp(transit + shift) + 0.5);
    slack_usual = promise_usual - log(exp(handling) + exp(transit) + 0.5);
    x[PROMISE_SLACK] = (slack - slack_usual + known * (slack_usual - USUAL_SLACK)) / 0.4;
    x[PROMISE_LENGTH] = (promise - promise_usual) / 0.4;
    x[HANDLING_TREND] =
        (mean_to(&all->handling_week, &handling_week, at_ms, handling) - handling) / 0.15;
    x[TRANSIT_TREND] =
        (mean_to(&all->transit_week, &transit_week, at_ms, transit) - transit) / 0.15;
    return shift;
}

static bool
is_weekend(int64_t local_ms)
{
    int32_t weekday = rt_civil_from_ms(local_ms).weekday;

    return weekday == 5 || weekday == 6 || weekday == 0; // what is bought on Friday waits as well
}

void
logistics_delay_features(const logistics_delay_model *model, rt_tenant tenant,
                         const logistics_purchase *purchase,
                         double ret_features[LOGISTICS_FEATURES], double *ret_shift)
{
    const logistics_parties *parties = &purchase->parties;
    double x[LOGISTICS_FEATURES] = {0};
    double shift = 0;
    everyone_row all;
    seller_row seller;
    state_row state;

    read_row(model, everyone_key(tenant), &all, sizeof(all));
    read_row(model, seller_key(tenant, parties), &seller, sizeof(seller));
    read_row(model, state_key(tenant, parties), &state, sizeof(state));
    shift = features_of_times(model, tenant, purchase, &all, &seller, &state, x);
    if (parties->seller_state.len > 0 && parties->state.len > 0) {
        x[SAME_STATE] = (rt_str_equal(parties->seller_state, parties->state) ? 1 : 0) - 0.35;
    }
    x[WEEKEND] = (is_weekend(purchase->created_at_ms + purchase->utc_offset_ms) ? 1 : 0) - 0.4;
    features_of_goods(model, purchase, &all, x);
    features_of_rates(model, tenant, purchase, &all, &seller, &state, x);
    for (size_t i = 0; i < LOGISTICS_FEATURES; i++) {
        ret_features[i] = fmin(fmax(x[i], -FEATURE_LIMIT), FEATURE_LIMIT);
    }
    if (ret_shift != NULL) {
        *ret_shift = shift;
    }
}

// --- learner ---

static rt_err
start_learner(br_online_logistic *learner)
{
    br_online_logistic_config config = BR_ONLINE_LOGISTIC_DEFAULTS;

    config.feature_count = LOGISTICS_FEATURES;
    config.feature_limit = FEATURE_LIMIT;
    for (size_t i = 0; i < LOGISTICS_FEATURES; i++) {
        config.prior_mean[i + 1] = features_known[i].prior_mean;
    }
    return br_online_logistic_init(learner, &config);
}

static rt_err
edit_learner(const logistics_delay_model *model, rt_tenant tenant, br_online_logistic **ret_learner)
{
    rt_key key = rt_key_number(tenant, 0);
    bool created = false;
    br_online_logistic *learner =
        rt_table_edit(model->models, rt_key_bytes(&key), sizeof(*learner), &created);
    rt_err err = created ? start_learner(learner) : RT_OK;

    if (err == RT_OK) {
        *ret_learner = learner;
    }
    return err;
}

rt_err
logistics_delay_check(const logistics_delay_model *model)
{
    br_online_logistic learner; // a copy: a view of a row need not be aligned
    size_t cursor = 0;
    rt_bytes key;
    rt_bytes row;

    while (rt_table_next(model->models, &cursor, &key, &row)) {
        rt_err err = RT_OK;

        if (row.len != sizeof(learner)) {
            return rt_fail(RT_ECORRUPT, "a delay learner has %zu bytes, not %zu", row.len,
                           sizeof(learner));
        }
        memcpy(&learner, row.ptr, sizeof(learner));
        err = br_online_logistic_check(&learner);
        if (err != RT_OK) {
            return err;
        }
        if (learner.dim != LOGISTICS_FEATURES + 1) {
            return rt_fail(RT_EVERSION, "a delay learner has %u weights, not %d", learner.dim,
                           LOGISTICS_FEATURES + 1);
        }
    }
    return RT_OK;
}

// What the learner sees of features: as much as it has evidence for.
static void
weigh_features(const br_online_logistic *learner, const double features[LOGISTICS_FEATURES],
               double ret_weighed[LOGISTICS_FEATURES])
{
    double evidence = evidence_of((double)learner->update_count);

    for (size_t i = 0; i < LOGISTICS_FEATURES; i++) {
        ret_weighed[i] = evidence * features[i];
    }
}

rt_err
logistics_delay_predict(const logistics_delay_model *model, rt_tenant tenant,
                        const double features[LOGISTICS_FEATURES], logistics_risk *ret_risk)
{
    br_online_logistic *learner = NULL;
    br_online_logistic_forecast forecast;
    double weighed[LOGISTICS_FEATURES];
    logistics_risk risk;
    rt_err err = edit_learner(model, tenant, &learner);

    if (err == RT_OK) {
        weigh_features(learner, features, weighed);
        err = br_online_logistic_predict(learner, weighed, LOGISTICS_FEATURES, &forecast,
                                         risk.contributions);
    }
    if (err == RT_OK) {
        risk.probability = forecast.probability;
        risk.version = learner->update_count;
        *ret_risk = risk;
    }
    return err;
}

void
logistics_delay_reset(const logistics_delay_model *model, rt_tenant tenant)
{
    rt_key key = rt_key_number(tenant, 0);

    (void)rt_table_del(model->models, rt_key_bytes(&key)); // its absence is what we want
}

// --- what happened ---

rt_err
logistics_delay_placed(const logistics_delay_model *model, rt_tenant tenant,
                       const logistics_purchase *purchase)
{
    int64_t at_ms = purchase->created_at_ms;
    double promise = log(promised_days(purchase));
    everyone_row *all = edit_row(model, everyone_key(tenant), sizeof(*all));
    rt_err err = all != NULL ? add(&all->promise, &promise_all, at_ms, promise, 1) : RT_OK;

    return err == RT_OK && all != NULL && purchase->value > 0
               ? add(&all->price, &price_all, at_ms, log(fmax(purchase->value, 1)), 1)
               : err;
}

rt_err
logistics_delay_shipped(const logistics_delay_model *model, rt_tenant tenant,
                        const logistics_parties *parties, int64_t created_at_ms,
                        int64_t shipped_at_ms, int64_t ship_by_ms)
{
    double handling = log(fmax(days_between(created_at_ms, shipped_at_ms), HANDLING_DAYS_MIN));
    everyone_row *all = edit_row(model, everyone_key(tenant), sizeof(*all));
    seller_row *seller = NULL;
    double usual;
    rt_err err;

    if (all == NULL || shipped_at_ms <= created_at_ms) {
        return RT_OK; // a scan before the purchase is a clerical error
    }
    usual = mean_of(&all->handling, &handling_all, shipped_at_ms);
    err = add(&all->handling, &handling_all, shipped_at_ms, handling, 1);
    if (err == RT_OK) {
        err = add(&all->handling_week, &handling_week, shipped_at_ms, handling, 1);
    }
    seller = edit_row(model, seller_key(tenant, parties), sizeof(*seller));
    if (err == RT_OK && seller != NULL) {
        err = add(&seller->handling, &handling_seller, shipped_at_ms, handling - usual, 1);
    }
    if (err == RT_OK && seller != NULL && ship_by_ms != 0) {
        err = add(&seller->handover_late, &handover_late, shipped_at_ms,
                  shipped_at_ms > ship_by_ms ? 1 : 0, 1);
    }
    return err;
}

rt_err
logistics_delay_half(const logistics_delay_model *model, rt_tenant tenant,
                     const logistics_parties *parties, int64_t at_ms, bool open)
{
    everyone_row *all = edit_row(model, everyone_key(tenant), sizeof(*all));
    state_row *state = NULL;
    rt_err err = all != NULL ? add(&all->half, &half_all, at_ms, open ? 1 : 0, 1) : RT_OK;

    if (err != RT_OK) {
        return err;
    }
    state = edit_row(model, state_key(tenant, parties), sizeof(*state));
    return state != NULL ? add(&state->half, &half_state, at_ms, open ? 1 : 0, 1) : RT_OK;
}

rt_err
logistics_delay_delivered(const logistics_delay_model *model, rt_tenant tenant,
                          const logistics_parties *parties, int64_t shipped_at_ms,
                          int64_t delivered_at_ms)
{
    double transit = log(fmax(days_between(shipped_at_ms, delivered_at_ms), TRANSIT_DAYS_MIN));
    state_row state;
    state_row *state_edit = NULL;
    everyone_row *all = NULL;
    double usual;
    double usual_state;
    rt_err err;

    read_row(model, state_key(tenant, parties), &state, sizeof(state));
    usual_state = transit_state_mean(model, tenant, parties, &state, delivered_at_ms);
    all = edit_row(model, everyone_key(tenant), sizeof(*all));
    if (all == NULL) {
        return RT_OK;
    }
    usual = mean_of(&all->transit, &transit_all, delivered_at_ms);
    err = add(&all->transit, &transit_all, delivered_at_ms, transit, 1);
    if (err == RT_OK) {
        err = add(&all->transit_week, &transit_week, delivered_at_ms, transit, 1);
    }
    if (err == RT_OK) {
        err = add_single(model, route_key(tenant, parties), &transit_route, delivered_at_ms,
                         transit - usual - usual_state, 1);
    }
    if (err == RT_OK && parties->carrier.len > 0) {
        lane_row *lane = edit_row(model, lane_key(tenant, parties), sizeof(*lane));

        err = lane != NULL
                  ? add(&lane->transit, &transit_state, delivered_at_ms, transit - usual, 1)
                  : RT_OK;
    }
    state_edit = edit_row(model, state_key(tenant, parties), sizeof(*state_edit));
    if (err == RT_OK && state_edit != NULL) {
        err = add(&state_edit->transit, &transit_state, delivered_at_ms, transit - usual, 1);
    }
    return err;
}

static rt_err
add_carrier_label(const logistics_delay_model *model, rt_tenant tenant,
                  const logistics_parties *parties, int64_t at_ms, double y, double weight)
{
    lane_row *lane = NULL;
    rt_err err = add_single(model, carrier_key(tenant, parties), &late_carrier, at_ms, y, weight);

    lane = edit_row(model, lane_key(tenant, parties), sizeof(*lane));
    return err == RT_OK && lane != NULL ? add(&lane->late, &late_lane, at_ms, y, weight) : err;
}

static rt_err
add_label(const logistics_delay_model *model, rt_tenant tenant, const logistics_parties *parties,
          int64_t at_ms, double y, double weight)
{
    everyone_row *all = edit_row(model, everyone_key(tenant), sizeof(*all));
    state_row *state = NULL;
    seller_row *seller = NULL;
    rt_err err = all != NULL ? add(&all->late, &late_all, at_ms, y, weight) : RT_OK;

    state = edit_row(model, state_key(tenant, parties), sizeof(*state));
    if (err == RT_OK && state != NULL) {
        err = add(&state->late, &late_state, at_ms, y, weight);
    }
    seller = edit_row(model, seller_key(tenant, parties), sizeof(*seller));
    if (err == RT_OK && seller != NULL) {
        err = add(&seller->late, &late_seller, at_ms, y, weight);
    }
    return err == RT_OK && parties->carrier.len > 0
               ? add_carrier_label(model, tenant, parties, at_ms, y, weight)
               : err;
}

rt_err
logistics_delay_label(const logistics_delay_model *model, rt_tenant tenant,
                      const logistics_parties *parties, const double features[LOGISTICS_FEATURES],
                      int64_t at_ms, bool late, bool shipped)
{
    br_online_logistic *learner = NULL;
    double weighed[LOGISTICS_FEATURES];
    double weight = 1;
    everyone_row all;
    rt_err err;

    if (late) {
        read_row(model, everyone_key(tenant), &all, sizeof(all));
        weight = mean_of(&all.found[shipped], shipped ? &found_shipped : &found_open, at_ms);
    }
    err = add_label(model, tenant, parties, at_ms, late ? 1 : 0, weight);
    if (err == RT_OK) {
        err = edit_learner(model, tenant, &learner);
    }
    if (err == RT_OK) {
        weigh_features(learner, features, weighed);
        err = br_online_logistic_update(learner, weighed, LOGISTICS_FEATURES, late, weight, at_ms);
    }
    return err;
}

rt_err
logistics_delay_found(const logistics_delay_model *model, rt_tenant tenant, int64_t at_ms,
                      bool shipped, bool arrived)
{
    everyone_row *all = edit_row(model, everyone_key(tenant), sizeof(*all));
    const prior *p = shipped ? &found_shipped : &found_open;

    return all != NULL ? add(&all->found[shipped ? 1 : 0], p, at_ms, arrived ? 1 : 0, 1) : RT_OK;
}
