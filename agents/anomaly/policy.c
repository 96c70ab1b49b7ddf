// Design notes.
//
// Voting alone does not keep false alarms away on business series: they are skewed, seasonal and
// often tiny, and detectors built for a bell curve are wrong together. What helps comes before
// them:
// - counts and rates are compared with the same hour of the same kind of day. Counts are taken by
//   whole hours: within an hour vans leave and shops open, which no slot could learn in time;
// - they are gathered until a normal day would hold enough;
// - a change within the tolerance is no change, however many cases prove it;
// - what is left is put on the square-root scale of Poisson counts, where one unit is one standard
//   deviation at any volume, and divided by how much wilder than Poisson that hour is from day to
//   day. The detectors may find the series wilder still, never calmer.
// Sampled levels have no such law; they go through a logarithm or a root and learn their spread.
//
// While an anomaly is on, what is normal is learned ten times slower: a long outage should not
// become the new normal, a new normal should not stay an outage for ever.
#include "agents/anomaly/policy.h"

#include <math.h>
#include <stdio.h>

#include "runtime/base/check.h"
#include "runtime/base/civil.h"

#define DAY_MS INT64_C(86400000)
#define BASE_HALF_LIFE_MS (14 * DAY_MS)
#define HOUR_MS INT64_C(3600000)
#define SLOT_TRIALS 20.0       // cases of the whole series that count for an hour without own ones
#define SLOT_TRIALS_MIN 10.0   // cases of an hour before it is judged by them
#define BASE_TRIALS_MIN 100.0  // cases before a ratio or a mean is judged at all
#define SLOT_DAYS_MIN 2.9      // days on which an hour was seen before its count is judged
#define SPREAD_USUAL 0.2       // day-to-day spread of an hour's count, relative, before it is known
#define SPREAD_DAYS 3.0        // days that this belief is worth
#define ACTIVE_WEIGHT 0.1
#define MEAN_TOLERANCE 0.1
#define VARIANCE_MIN 0.01
#define ANSCOMBE 0.375

#define NORMAL_Q90 1.2816 // the 90 % quantile of a normal, in standard deviations
#define RANGE_SDS 3.0     // of what is reported as expected of counts, ratios and means

// How far is too far, in standard deviations, and how many values teach that.
typedef struct fences {
    double spike;
    double shift;
    double fence;
    uint32_t warmup_count;
} fences;

// A few judgements a day, on a scale known beforehand.
static const fences few = {.spike = 3.0, .shift = 5.0, .fence = 3.1, .warmup_count = 12};
// Up to a judgement a minute, on a scale to be learned: a tail of one in ten thousand comes weekly.
static const fences many = {.spike = 4.5, .shift = 8.0, .fence = 4.5, .warmup_count = 40};

static const anomaly_watch watches[ANOMALY_WATCHES] = {
    [ANOMALY_CARRIER_LATE] = {.metric = "carrier.late_rate",
                              .measure = ANOMALY_RATIO,
                              .direction = 1,
                              .kind_above = "carrier_failure"},
    [ANOMALY_CARRIER_FAILED] = {.metric = "carrier.failed_rate",
                                .measure = ANOMALY_RATIO,
                                .direction = 1,
                                .kind_above = "carrier_failure"},
    [ANOMALY_CARRIER_SCANS] = {.metric = "carrier.scans",
                               .measure = ANOMALY_COUNT,
                               .direction = -1,
                               .kind_below = "carrier_failure"},
    [ANOMALY_ORDERS] = {.metric = "orders.volume",
                        .measure = ANOMALY_COUNT,
                        .kind_above = "other",
                        .kind_below = "volume_drop"},
    [ANOMALY_ISSUES] = {.metric = "orders.issues",
                        .measure = ANOMALY_COUNT,
                        .direction = 1,
                        .kind_above = "other"},
    [ANOMALY_CANCELLED] = {.metric = "orders.cancelled_rate",
                           .measure = ANOMALY_RATIO,
                           .direction = 1,
                           .kind_above = "other"},
    [ANOMALY_MOOD] = {.metric = "customers.mood",
                      .measure = ANOMALY_MEAN,
                      .direction = -1,
                      .kind_below = "other"},
    [ANOMALY_INGEST] = {.metric = "ingest_rate",
                        .measure = ANOMALY_LEVEL,
                        .kind_above = "other",
                        .kind_below = "volume_drop",
                        .scale = ANOMALY_LOG,
                        .sd_min = 0.3},
    [ANOMALY_LATENCY] = {.metric = "decision_latency_ms",
                         .measure = ANOMALY_LEVEL,
                         .direction = 1,
                         .kind_above = "high_latency",
                         .scale = ANOMALY_LOG,
                         .sd_min = 0.15},
    [ANOMALY_ERRORS] = {.metric = "error_rate",
                        .measure = ANOMALY_LEVEL,
                        .direction = 1,
                        .kind_above = "error_spike",
                        .scale = ANOMALY_ROOT,
                        .sd_min = 0.02},
    [ANOMALY_BACKLOG] = {.metric = "backlog",
                         .measure = ANOMALY_LEVEL,
                         .direction = 1,
                         .kind_above = "high_latency",
                         .scale = ANOMALY_LOG,
                         .sd_min = 0.5},
    [ANOMALY_MEMORY] = {.metric = "memory_bytes",
                        .measure = ANOMALY_LEVEL,
                        .direction = 1,
                        .kind_above = "memory_leak",
                        .scale = ANOMALY_LOG,
                        .sd_min = 0.03,
                        .is_slow = true},
    [ANOMALY_MODEL_LOSS] = {.metric = "model_log_loss",
                            .measure = ANOMALY_LEVEL,
                            .direction = 1,
                            .kind_above = "model_drift",
                            .sd_min = 0.02},
    [ANOMALY_OTHER] = {.metric = "other",
                       .measure = ANOMALY_LEVEL,
                       .kind_above = "other",
                       .kind_below = "other",
                       .scale = ANOMALY_LOG,
                       .sd_min = 0.3},
};

const anomaly_watch *
anomaly_watch_of(anomaly_watch_id id)
{
    RT_ASSERT(id < ANOMALY_WATCHES);
    return &watches[id];
}

anomaly_watch_id
anomaly_watch_find(rt_str metric)
{
    for (size_t i = ANOMALY_WATCHES_OWN; i < ANOMALY_OTHER; i++) {
        if (rt_str_is(metric, watches[i].metric)) {
            return (anomaly_watch_id)i;
        }
    }
    return ANOMALY_OTHER;
}

const char *
anomaly_kind(const anomaly_watch *watch, bool above)
{
    const char *kind = above ? watch->kind_above : watch->kind_below;

    return kind != NULL ? kind : "other";
}

// --- detectors ---

// One value on the detectors' scale.
typedef struct point {
    double x;
    double sd_min;
    int64_t at_ms;
    int direction;
} point;

// A detector that looks the wrong way has nothing to say.
static void
mute_wrong_side(br_reading *reading, int direction)
{
    if (direction != 0 && reading->above != (direction > 0)) {
        reading->score = 0;
        reading->alarm = false;
    }
}

static rt_err
read_point(anomaly_series *series, const point *p, const fences *f,
           br_reading readings[ANOMALY_DETECTORS])
{
    br_ewma_z_config spike = BR_EWMA_Z_DEFAULTS;
    br_cusum_config shift = BR_CUSUM_DEFAULTS;
    br_quantile_fence_config fence = BR_QUANTILE_FENCE_DEFAULTS;
    rt_err err;

    spike.threshold = f->spike;
    spike.sd_min = p->sd_min;
    spike.warmup_count = f->warmup_count;
    shift.threshold = f->shift;
    shift.sd_min = p->sd_min;
    shift.warmup_count = f->warmup_count;
    fence.reach = f->fence / NORMAL_Q90;
    fence.spread_min = NORMAL_Q90 * p->sd_min;
    fence.warmup_count = f->warmup_count;
    err = br_ewma_z_add(&series->spike, &spike, p->x, &readings[0]);
    if (err == RT_OK) {
        err = br_cusum_add(&series->shift, &shift, p->x, &readings[1]);
    }
    if (err == RT_OK) {
        err = br_quantile_fence_add(&series->fence, &fence, p->x, &readings[2]);
    }
    for (size_t i = 0; i < ANOMALY_DETECTORS && err == RT_OK; i++) {
        mute_wrong_side(&readings[i], p->direction);
    }
    return err;
}

// An anomaly is announced when it begins and when it gets worse, not while it lasts.
static void
follow_up(anomaly_series *series, const anomaly_config *config, const br_verdict *verdict,
          anomaly_finding *finding)
{
    bool is_bad = verdict->severity >= BR_SEVERITY_WARNING;

    if (is_bad && verdict->raised && (uint32_t)verdict->severity > series->severity) {
        finding->detected = true;
        series->severity = (uint32_t)verdict->severity;
        series->is_above = verdict->above ? 1 : 0;
    }
    if (is_bad || series->severity == 0) {
        series->calm = 0;
        return;
    }
    series->calm++;
    if (series->calm >= config->clear_after) {
        finding->cleared = true;
        finding->above = series->is_above != 0;
        series->severity = 0;
        series->calm = 0;
    }
}

static rt_err
judge(anomaly_series *series, const anomaly_config *config, const point *p, const fences *f,
      anomaly_finding *finding, br_verdict *ret_verdict)
{
    br_vote_config vote = BR_VOTE_DEFAULTS;
    br_reading readings[ANOMALY_DETECTORS];
    rt_err err = read_point(series, p, f, readings);

    vote.votes_needed = config->votes_needed;
    vote.refractory_ms = config->refractory_ms;
    if (err == RT_OK) {
        err = br_vote_count(&series->vote, &vote, readings, ANOMALY_DETECTORS, p->at_ms,
                            ret_verdict);
    }
    if (err != RT_OK) {
        return err;
    }
    finding->judged = true;
    finding->above = ret_verdict->above;
    finding->severity = ret_verdict->severity;
    finding->score = ret_verdict->score / (ret_verdict->score + 1);
    for (size_t i = 0; i < ANOMALY_DETECTORS; i++) {
        finding->voted[i] = readings[i].alarm;
    }
    follow_up(series, config, ret_verdict, finding);
    return RT_OK;
}

// --- counts and ratios ---

static double
learning_weight(const anomaly_series *series)
{
    return series->severity != 0 ? ACTIVE_WEIGHT : 1.0;
}

static double
root(double count)
{
    return sqrt(count + ANSCOMBE);
}

static double
unroot(double x)
{
    return x > root(0) ? x * x - ANSCOMBE : 0;
}

// How far a count lies beyond its tolerated range, in standard deviations.
static double
excess(double count, double expected, double tolerance)
{
    double low = expected * (1 - tolerance);
    double high = expected * (1 + tolerance);

    if (count > high) {
        return 2 * (root(count) - root(high));
    }
    return count < low ? 2 * (root(count) - root(low)) : 0;
}

// Deviations to the harmless side count as none; else the detectors would take them for usual and
// the way back for a deviation.
static double
one_sided(double x, int direction)
{
    if (direction == 0) {
        return x;
    }
    return direction > 0 ? fmax(x, 0) : fmin(x, 0);
}

static rt_err
judge_count(anomaly_series *series, const anomaly_watch *watch, const anomaly_config *config,
            int64_t at_ms, anomaly_finding *finding)
{
    double hits = series->open.hits;
    double expected = series->open_expected;
    double unit = watch->measure == ANOMALY_RATIO ? fmax(series->open.trials, 1) : 1;
    double wildness = sqrt(fmax(series->open_variance / fmax(expected, 1e-9), 1));
    double reach = wildness * RANGE_SDS / 2;
    br_verdict verdict;
    double x = excess(hits, expected, config->tolerance) / wildness;
    point p = {.x = one_sided(x, watch->direction),
               .sd_min = 1,
               .at_ms = at_ms,
               .direction = watch->direction};

    finding->value = hits / unit;
    finding->low = unroot(root(expected * (1 - config->tolerance)) - reach) / unit;
    finding->high = unroot(root(expected * (1 + config->tolerance)) + reach) / unit;
    series->open = (anomaly_tally){0};
    series->open_expected = 0;
    series->open_variance = 0;
    return judge(series, config, &p, &few, finding, &verdict);
}

// The slot of a moment: local hour, on working days, Saturdays or Sundays.
static size_t
slot_of(int64_t at_ms, int32_t utc_offset_ms)
{
    rt_civil local = rt_civil_from_ms(at_ms + utc_offset_ms);
    size_t kind = local.weekday == 6 ? 1 : local.weekday == 0 ? 2 : 0;

    return kind * 24 + (size_t)local.hour;
}

// The spread of an hour's total from day to day, never below a Poisson count's, and a bit more
// while few days are known.
static double
slot_variance(const anomaly_slot *slot, double usual, double days, int64_t at_ms)
{
    double square = br_decayed_mean(&slot->square, at_ms, BASE_HALF_LIFE_MS, 0, 0);
    double believed = usual + SPREAD_USUAL * usual * SPREAD_USUAL * usual;
    double seen = fmax(square - usual * usual, 0);
    double variance = (seen * days + believed * SPREAD_DAYS) / (days + SPREAD_DAYS);

    return fmax(variance, usual) * (1 + 1 / days);
}

static rt_err
close_count(anomaly_series *series, const anomaly_watch *watch, const anomaly_config *config,
            anomaly_finding *finding)
{
    int64_t at_ms = series->hour_at_ms;
    anomaly_slot *slot = &series->slots[slot_of(at_ms, config->utc_offset_ms)];
    double hits = series->hour.hits;
    double days = br_decayed_weight(&slot->mean, at_ms, BASE_HALF_LIFE_MS);
    double usual = br_decayed_mean(&slot->mean, at_ms, BASE_HALF_LIFE_MS, 0, 0);
    double variance = days > 0 ? slot_variance(slot, usual, days, at_ms) : 0;
    double weight = learning_weight(series);
    rt_err err = br_decayed_add(&slot->mean, at_ms, hits, weight, BASE_HALF_LIFE_MS);

    if (err == RT_OK) {
        err = br_decayed_add(&slot->square, at_ms, hits * hits, weight, BASE_HALF_LIFE_MS);
    }
    if (err != RT_OK || days < SLOT_DAYS_MIN) {
        return err;
    }
    series->open.hits += hits;
    series->open_expected += usual;
    series->open_variance += variance;
    if (series->open_expected < config->min_expected) {
        return RT_OK;
    }
    return judge_count(series, watch, config, at_ms, finding);
}

static rt_err
learn_ratio(anomaly_series *series, br_decayed *slot)
{
    double rate = series->hour.hits / series->hour.trials;
    double weight = series->hour.trials * learning_weight(series);
    rt_err err = br_decayed_add(slot, series->hour_at_ms, rate, weight, BASE_HALF_LIFE_MS);

    return err == RT_OK ? br_decayed_add(&series->overall, series->hour_at_ms, rate, weight,
                                         BASE_HALF_LIFE_MS)
                        : err;
}

static rt_err
close_ratio(anomaly_series *series, const anomaly_watch *watch, const anomaly_config *config,
            anomaly_finding *finding)
{
    int64_t at_ms = series->hour_at_ms;
    anomaly_tally hour = series->hour;
    br_decayed *slot = &series->slots[slot_of(at_ms, config->utc_offset_ms)].mean;
    double known = br_decayed_weight(&series->overall, at_ms, BASE_HALF_LIFE_MS);
    double known_now = br_decayed_weight(slot, at_ms, BASE_HALF_LIFE_MS);
    double usual = br_decayed_mean(&series->overall, at_ms, BASE_HALF_LIFE_MS, 0, 0);
    double usual_now = br_decayed_mean(slot, at_ms, BASE_HALF_LIFE_MS, usual, SLOT_TRIALS);
    rt_err err = RT_OK;

    if (hour.trials <= 0) {
        return RT_OK;
    }
    err = learn_ratio(series, slot);
    if (err != RT_OK || known < BASE_TRIALS_MIN || known_now < SLOT_TRIALS_MIN) {
        return err;
    }
    series->open.hits += hour.hits;
    series->open.trials += hour.trials;
    series->open_expected += usual_now * hour.trials;
    if (series->open.trials < config->min_trials) {
        return RT_OK;
    }
    return judge_count(series, watch, config, at_ms, finding);
}

// Counts and ratios are gathered hour by hour, so that what is expected of an hour was learned on
// other days.
static rt_err
add_by_hour(anomaly_series *series, const anomaly_watch *watch, const anomaly_config *config,
            const anomaly_tally *tally, int64_t at_ms, anomaly_finding *finding)
{
    int64_t hour_at_ms = at_ms - at_ms % HOUR_MS;
    rt_err err = RT_OK;

    if (!isfinite(tally->hits) || !isfinite(tally->trials)) {
        return rt_fail(RT_EINVAL, "%g hits among %g trials", tally->hits, tally->trials);
    }
    if (series->hour_at_ms != 0 && hour_at_ms > series->hour_at_ms) {
        err = watch->measure == ANOMALY_COUNT ? close_count(series, watch, config, finding)
                                              : close_ratio(series, watch, config, finding);
        series->hour = (anomaly_tally){0};
    }
    series->hour_at_ms = RT_MAX(hour_at_ms, series->hour_at_ms);
    series->hour.hits += tally->hits;
    series->hour.trials += tally->trials;
    return err;
}

// --- means and levels ---

static rt_err
judge_mean(anomaly_series *series, const anomaly_watch *watch, const anomaly_config *config,
           int64_t at_ms, anomaly_finding *finding)
{
    double usual = br_decayed_mean(&series->overall, at_ms, BASE_HALF_LIFE_MS, 0, 0);
    double square = br_decayed_mean(&series->square, at_ms, BASE_HALF_LIFE_MS, 0, 0);
    double variance = fmax(square - usual * usual, VARIANCE_MIN);
    double sd = sqrt(variance / series->open.trials);
    double value = series->open.sum / series->open.trials;
    double gap = fmax(fabs(value - usual) - MEAN_TOLERANCE, 0);
    br_verdict verdict;
    point p = {.x = one_sided(copysign(gap / sd, value - usual), watch->direction),
               .sd_min = 1,
               .at_ms = at_ms,
               .direction = watch->direction};

    finding->value = value;
    finding->low = usual - MEAN_TOLERANCE - RANGE_SDS * sd;
    finding->high = usual + MEAN_TOLERANCE + RANGE_SDS * sd;
    series->open = (anomaly_tally){0};
    return judge(series, config, &p, &few, finding, &verdict);
}

static rt_err
add_mean(anomaly_series *series, const anomaly_watch *watch, const anomaly_config *config,
         const anomaly_tally *tally, int64_t at_ms, anomaly_finding *finding)
{
    double known = br_decayed_weight(&series->overall, at_ms, BASE_HALF_LIFE_MS);
    double weight = tally->trials * learning_weight(series);
    rt_err err = RT_OK;

    if (tally->trials <= 0) {
        return RT_OK;
    }
    err = br_decayed_add(&series->overall, at_ms, tally->sum / tally->trials, weight,
                         BASE_HALF_LIFE_MS);
    if (err == RT_OK) {
        err = br_decayed_add(&series->square, at_ms, tally->squares / tally->trials, weight,
                             BASE_HALF_LIFE_MS);
    }
    if (err != RT_OK || known < BASE_TRIALS_MIN) {
        return err;
    }
    series->open.sum += tally->sum;
    series->open.trials += tally->trials;
    return series->open.trials < config->min_trials
               ? RT_OK
               : judge_mean(series, watch, config, at_ms, finding);
}

static double
to_scale(anomaly_scale scale, double value)
{
    switch (scale) {
    case ANOMALY_PLAIN:
        return value;
    case ANOMALY_ROOT:
        return copysign(sqrt(fabs(value)), value);
    case ANOMALY_LOG:
        return copysign(log1p(fabs(value)), value);
    }
    RT_UNREACHABLE("scales are listed above");
}

static double
from_scale(anomaly_scale scale, double x)
{
    switch (scale) {
    case ANOMALY_PLAIN:
        return x;
    case ANOMALY_ROOT:
        return copysign(x * x, x);
    case ANOMALY_LOG:
        return copysign(expm1(fmin(fabs(x), 700)), x);
    }
    RT_UNREACHABLE("scales are listed above");
}

static rt_err
add_level(anomaly_series *series, const anomaly_watch *watch, const anomaly_config *config,
          const anomaly_tally *tally, int64_t at_ms, anomaly_finding *finding)
{
    double value = tally->trials > 0 ? tally->sum / tally->trials : 0;
    br_verdict verdict;
    point p = {.x = to_scale(watch->scale, value),
               .sd_min = watch->sd_min,
               .at_ms = at_ms,
               .direction = watch->direction};
    rt_err err = RT_OK;

    if (tally->trials <= 0) {
        return RT_OK;
    }
    err = judge(series, config, &p, &many, finding, &verdict);
    if (err == RT_OK) {
        finding->value = value;
        finding->low = from_scale(watch->scale, verdict.low);
        finding->high = from_scale(watch->scale, verdict.high);
    }
    return err;
}

rt_err
anomaly_series_add(anomaly_series *series, const anomaly_watch *watch,
                   const anomaly_config *config, const anomaly_tally *tally, int64_t at_ms,
                   anomaly_finding *ret_finding)
{
    anomaly_finding finding = {0};
    rt_err err = RT_OK;

    RT_ASSERT(series != NULL && watch != NULL && config != NULL && tally != NULL);
    switch (watch->measure) {
    case ANOMALY_COUNT:
    case ANOMALY_RATIO:
        err = add_by_hour(series, watch, config, tally, at_ms, &finding);
        break;
    case ANOMALY_MEAN:
        err = add_mean(series, watch, config, tally, at_ms, &finding);
        break;
    case ANOMALY_LEVEL:
        err = add_level(series, watch, config, tally, at_ms, &finding);
        break;
    }
    if (err == RT_OK) {
        *ret_finding = finding;
    }
    return err;
}

const char *
anomaly_detectors_format(const anomaly_finding *finding, char buf[ANOMALY_DETECTORS_CAP])
{
    static const char *const names[ANOMALY_DETECTORS] = {"ewma_z", "cusum", "quantile"};
    int len = 0;

    buf[0] = '\0';
    for (size_t i = 0; i < ANOMALY_DETECTORS; i++) {
        if (finding->voted[i]) {
            len += snprintf(buf + len, ANOMALY_DETECTORS_CAP - (size_t)len, "%s%s",
                            len > 0 ? "," : "", names[i]);
        }
    }
    RT_ASSERT(len < ANOMALY_DETECTORS_CAP);
    return buf;
}
