// Design notes.
//
// One answer may raise only so many events, so a report is given in pages: items are the models,
// then the actions, in the order of their numbers; the caller sets a timer for the next page.
// Every item raises at most one learning.completed and one improvement.proposed.

#include "agents/learning/report.h"

#include <math.h>

#define ITEMS_PER_PAGE 6
#define LOSS_TOLERANCE 0.01
#define REWARD_TOLERANCE 0.02
#define AREA_PRIOR_WEIGHT 20.0
#define CALIBRATION_MAX 0.10

typedef struct page {
    br_agent *agent;
    const learning_memory *memory;
    const learning_tuning *tuning;
    const learning_report_limits *limits;
    rt_tenant tenant;
    int64_t at_ms;
} page;

typedef struct weakest {
    uint16_t area; // 0 = none stands out
    double loss;
    double rate;
    double samples;
} weakest;

static rt_err
emit(const page *p, const char *event, rt_mpw *w)
{
    rt_err err = w->failed ? rt_fail(RT_ELIMIT, "%s is too long", event)
                           : br_emit(p->agent, event, RT_STR(""), rt_mpw_view(w));

    rt_mpw_fini(w);
    return err;
}

static void
put_str(rt_mpw *w, const char *key, rt_str value)
{
    rt_mpw_cstr(w, key);
    rt_mpw_str(w, value);
}

static void
put_f64(rt_mpw *w, const char *key, double value)
{
    rt_mpw_cstr(w, key);
    rt_mpw_f64(w, value);
}

// What the learning agent is sure of it may apply, what it is fairly sure of it asks about.
static rt_err
propose_route(const page *p, learning_route route, rt_str area, rt_str change, double confidence)
{
    rt_arena *arena = br_agent_arena(p->agent);
    bool apply = route == LEARNING_APPLY;
    rt_mpw args;
    rt_err err;

    rt_mpw_init(&args, 2048);
    rt_mpw_map(&args, 2);
    if (apply) {
        put_str(&args, "area", area);
        put_str(&args, "change", change);
    } else {
        put_str(&args, "text", change);
        put_str(&args, "severity", RT_STR("info"));
    }
    msg_proposal proposal = {
        .model = RT_STR("learning/1"),
        .action = apply ? RT_STR("apply_improvement") : RT_STR("alert_operator"),
        .target = rt_arena_printf(arena, "improvement/%.*s", RT_STR_ARG(area)),
        .args = rt_mpw_view(&args),
        .priority = apply ? 40 : 30,
        .confidence = confidence,
        .value = 0.1,
        .propensity = 1.0,
        .reason = rt_arena_printf(arena, "%.*s (confidence %.2f).", RT_STR_ARG(change),
                                  confidence),
    };
    err = args.failed ? rt_fail(RT_ELIMIT, "improvement is too long")
                      : br_propose(p->agent, &proposal);
    rt_mpw_fini(&args);
    return err;
}

static rt_err
improve(const page *p, rt_str area, rt_str change, double confidence)
{
    learning_route route = learning_route_of(confidence);
    rt_mpw w;
    rt_err err;

    if (area.len == 0 || change.len == 0) {
        return RT_ENOMEM;
    }
    if (!(confidence > 0.0) || !learning_once(p->memory, p->tenant, area, p->at_ms,
                                              p->limits->improvement_every_ms)) {
        return RT_OK;
    }
    rt_mpw_init(&w, 2048);
    rt_mpw_map(&w, 4);
    put_str(&w, "area", area);
    put_str(&w, "change", change);
    put_f64(&w, "confidence", confidence);
    put_str(&w, "route", rt_str_of(learning_route_name(route)));
    err = emit(p, "improvement.proposed", &w);
    if (err == RT_OK && route != LEARNING_BACKLOG) {
        err = propose_route(p, route, area, change, confidence);
    }
    return err;
}

// Where the model's loss is highest; small areas are drawn to the model's own loss.
static weakest
find_weakest(const page *p, uint16_t model, double loss)
{
    uint16_t count = learning_name_count(p->memory, p->tenant, 'r');
    weakest worst = {0, loss * 1.2, 0, 0};

    for (uint16_t area = 1; area <= count; area++) {
        learning_area row = learning_area_read(p->memory, p->tenant, model, area);
        int64_t half_life = p->tuning->area_half_life_ms;
        double samples = br_decayed_weight(&row.loss, p->at_ms, half_life);
        double drawn = br_decayed_mean(&row.loss, p->at_ms, half_life, loss, AREA_PRIOR_WEIGHT);
        if (samples >= (double)p->limits->area_samples && drawn > worst.loss) {
            worst = (weakest){area, drawn,
                              br_decayed_mean(&row.positive, p->at_ms, half_life, 0.0, 0.0),
                              samples};
        }
    }
    return worst;
}

static rt_err
improve_model(const page *p, rt_str model, const learning_score *score,
              const br_progressive_report *recent, const weakest *worst)
{
    rt_arena *arena = br_agent_arena(p->agent);
    double base = learning_base_loss(recent->positive_ratio);
    double samples = recent->weight;
    double error = learning_calibration_error(score);
    double confidence = learning_skill_confidence(recent->log_loss, base, samples);

    if (samples < (double)p->limits->model_samples) {
        return RT_OK;
    }
    if (confidence > 0.0) {
        return improve(p, rt_arena_printf(arena, "model/%.*s", RT_STR_ARG(model)),
                       rt_arena_printf(arena,
                                       "Reset %.*s: its log-loss %.3f is worse than %.3f of always "
                                       "saying the base rate",
                                       RT_STR_ARG(model), recent->log_loss, base),
                       confidence);
    }
    if (worst->area != 0 && learning_label_of(model) == LEARNING_LABEL_LATE) {
        rt_str area = learning_name_text(p->memory, p->tenant, 'r', worst->area);
        return improve(p, rt_arena_str(arena, area),
                       rt_arena_printf(arena,
                                       "Promise later or use another carrier for %.*s: %.0f %% of "
                                       "its orders are late, %.0f %% overall",
                                       RT_STR_ARG(area), 100.0 * worst->rate,
                                       100.0 * recent->positive_ratio),
                       learning_rate_confidence(worst->rate, worst->samples,
                                                recent->positive_ratio));
    }
    if (error > CALIBRATION_MAX) {
        return improve(p, rt_arena_printf(arena, "calibration/%.*s", RT_STR_ARG(model)),
                       rt_arena_printf(arena,
                                       "Recalibrate %.*s: forecasts and outcomes differ by %.2f on "
                                       "average",
                                       RT_STR_ARG(model), error),
                       fmin(0.5 + error, 0.8));
    }
    return RT_OK;
}

static rt_err
report_model(const page *p, uint16_t number)
{
    rt_str model = rt_arena_str(br_agent_arena(p->agent),
                                learning_name_text(p->memory, p->tenant, 'm', number));
    learning_score score = learning_score_read(p->memory, p->tenant, number);
    br_progressive_report period;
    br_progressive_report recent;
    double auc = 0.0;
    bool has_auc = learning_score_auc(p->memory, p->tenant, number, &auc);
    weakest worst;
    rt_mpw w;
    rt_err err;

    if (br_progressive_read(&score.period, &period) != RT_OK ||
        br_progressive_read(&score.recent, &recent) != RT_OK) {
        return RT_OK; // nothing came of its forecasts in this period
    }
    worst = find_weakest(p, number, recent.log_loss);
    rt_mpw_init(&w, 2048);
    rt_mpw_map(&w, 7u + (has_auc ? 1u : 0u) + (worst.area != 0 ? 1u : 0u));
    put_str(&w, "model", model);
    rt_mpw_cstr(&w, "samples");
    rt_mpw_i64(&w, (int64_t)period.weight);
    put_f64(&w, "accuracy", recent.accuracy);
    put_f64(&w, "log_loss", recent.log_loss);
    put_f64(&w, "base_log_loss", learning_base_loss(recent.positive_ratio));
    put_f64(&w, "calibration_error", learning_calibration_error(&score));
    put_str(&w, "trend",
            rt_str_of(learning_trend_name(
                learning_trend_of(score.previous_loss, score.previous_samples, period.log_loss,
                                  period.weight, true, LOSS_TOLERANCE))));
    if (has_auc) {
        put_f64(&w, "auc", auc);
    }
    if (worst.area != 0) {
        put_str(&w, "weak_area", learning_name_text(p->memory, p->tenant, 'r', worst.area));
    }
    err = emit(p, "learning.completed", &w);
    if (err == RT_OK) {
        err = improve_model(p, model, &score, &recent, &worst);
    }
    learning_score_turn(&score);
    learning_score_write(p->memory, p->tenant, number, &score);
    return err;
}

static rt_err
report_action(const page *p, uint16_t number)
{
    rt_arena *arena = br_agent_arena(p->agent);
    rt_str action = rt_arena_str(arena, learning_name_text(p->memory, p->tenant, 'a', number));
    learning_worth worth = learning_worth_read(p->memory, p->tenant, number);
    int64_t half_life = p->tuning->worth_half_life_ms;
    double samples = br_decayed_weight(&worth.recent, p->at_ms, half_life);
    double mean = br_decayed_mean(&worth.recent, p->at_ms, half_life, 0.0, 0.0);
    double now;
    rt_mpw w;
    rt_err err;

    if (!(worth.period_count > 0.0)) {
        return RT_OK;
    }
    now = worth.period_sum / worth.period_count;
    rt_mpw_init(&w, 2048);
    rt_mpw_map(&w, 4);
    put_str(&w, "model", rt_arena_printf(arena, "action:%.*s", RT_STR_ARG(action)));
    rt_mpw_cstr(&w, "samples");
    rt_mpw_i64(&w, (int64_t)worth.period_count);
    put_f64(&w, "mean_reward", fmin(fmax(mean, -1.0), 1.0));
    put_str(&w, "trend",
            rt_str_of(learning_trend_name(learning_trend_of(worth.previous_mean,
                                                            worth.previous_count, now,
                                                            worth.period_count, false,
                                                            REWARD_TOLERANCE))));
    err = emit(p, "learning.completed", &w);
    if (err == RT_OK && mean < 0.0 && samples >= (double)p->limits->action_samples) {
        err = improve(p, rt_arena_printf(arena, "action/%.*s", RT_STR_ARG(action)),
                      rt_arena_printf(arena,
                                      "Use %.*s less: it earned %.2f on average over %.0f recent "
                                      "decisions",
                                      RT_STR_ARG(action), mean, samples),
                      learning_worth_confidence(mean, samples, p->limits->reward_sd));
    }
    learning_worth_turn(&worth);
    learning_worth_write(p->memory, p->tenant, number, &worth);
    return err;
}

rt_err
learning_report(br_agent *self, const learning_memory *memory, const learning_tuning *tuning,
                const learning_report_limits *limits, rt_tenant tenant, int64_t at_ms,
                uint64_t *cursor)
{
    page p = {self, memory, tuning, limits, tenant, at_ms};
    uint64_t models = learning_name_count(memory, tenant, 'm');
    uint64_t actions = learning_name_count(memory, tenant, 'a');
    rt_err err = RT_OK;

    for (int i = 0; err == RT_OK && i < ITEMS_PER_PAGE && *cursor < models + actions; i++) {
        err = *cursor < models ? report_model(&p, (uint16_t)(*cursor + 1))
                               : report_action(&p, (uint16_t)(*cursor - models + 1));
        (*cursor)++;
    }
    if (*cursor >= models + actions) {
        *cursor = 0;
    }
    return err;
}
