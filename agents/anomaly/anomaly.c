// Design notes.
//
// Time runs in fixed buckets of the events' own time, per tenant. A bucket closes when an event of
// a later bucket comes, or by a durable timer a little after its end: a carrier that falls silent
// sends no event that could close it. After a day without any event the timer rests until the next
// one.
//
// Three tables: a tenant's clock; small tallies, touched by every event; and the series with their
// detectors, touched when a bucket closes. Series are numbered, because rows of a table come back
// in another order after a restart and the order of what is said must not depend on it.
//
// Business series of a tenant are those that its events name (a carrier, a metric), up to a limit.
// Sampled metrics have their own short buckets, closed by the next sample.
#include "agents/anomaly/anomaly.h"

#include "agents/anomaly/policy.h"
#include "runtime/base/check.h"

#define DAY_MS INT64_C(86400000)
#define GRACE_MS INT64_C(60000) // for events that are a little late
#define GAP_BUCKETS_MAX 96      // a longer silence is not told bucket by bucket
#define SAYINGS_MAX 14          // of one record; what is left is judged with the next bucket
#define SCOPE_MAX 96
#define DATA_BYTES_MAX 2048
#define TIMER_KEY "bucket"
#define TIMER_SUBJECT "agent/anomaly"
#define PRIORITY_ALERT 80

typedef struct slots {
    int delivered_carrier;
    int failed_carrier;
    int tracking_carrier;
    int delay_carrier, delay_risk;
    int inquiry_mood;
    int sample_value;
} slots;

typedef struct anomaly_state {
    rt_table *clocks;
    rt_table *tallies;
    rt_table *series;
    anomaly_config config;
    int64_t bucket_ms;
    int64_t sample_ms;
    uint32_t series_max;
    slots slots;
    rt_mpw data;
} anomaly_state;

typedef struct clock_row {
    int64_t bucket_at_ms; // start of the open bucket; 0 = none yet
    int64_t heard_at_ms;  // last event
    uint32_t series_count;
    uint32_t unused;
} clock_row;

typedef struct tally_row {
    anomaly_tally tally;
    int64_t since_ms; // of a sampled metric: first sample in the tally
    uint32_t number;  // of its series
    uint32_t unused;
} tally_row;

typedef struct series_row {
    anomaly_series series;
    uint32_t watch; // anomaly_watch_id
    uint32_t scope_len;
    char scope[SCOPE_MAX]; // "carrier/tcc", "metric/backlog"
} series_row;

_Static_assert(sizeof(clock_row) == 24, "clock_row has padding");
_Static_assert(sizeof(tally_row) == sizeof(anomaly_tally) + 16, "tally_row has padding");
_Static_assert(sizeof(anomaly_series) == (2 * ANOMALY_SLOTS + 2) * 24 + sizeof(br_ewma_z) +
                                             sizeof(br_cusum) + sizeof(br_quantile_fence) +
                                             sizeof(br_vote) + 2 * sizeof(anomaly_tally) + 40,
               "anomaly_series has padding");
_Static_assert(sizeof(series_row) == sizeof(anomaly_series) + 8 + SCOPE_MAX,
               "series_row has padding");

static const rt_param params[] = {
    {"bucket", RT_PARAM_DURATION_MS, "15m", 60000, 86400000, "ms",
     "Length of the buckets in which events are counted."},
    {"sample_bucket", RT_PARAM_DURATION_MS, "1m", 1000, 3600000, "ms",
     "Sampled metrics are averaged over this."},
    {"min_trials", RT_PARAM_F64, "30", 5, 10000, "cases",
     "Cases before a rate or a mean is judged; until then buckets are put together."},
    {"min_expected", RT_PARAM_F64, "9", 1, 10000, "events",
     "Events that are expected before a count is judged; until then hours are put together."},
    {"tolerance", RT_PARAM_F64, "0.25", 0, 1, "",
     "Relative change of a count or rate that is never unusual."},
    {"votes_needed", RT_PARAM_I64, "2", 1, 3, "", "Detectors that must agree."},
    {"refractory", RT_PARAM_DURATION_MS, "1h", 0, 604800000, "ms",
     "Silence of a series after it was reported, unless it gets worse."},
    {"clear_after", RT_PARAM_I64, "4", 1, 1000, "", "Judgements in range that end an anomaly."},
    {"series_max", RT_PARAM_I64, "200", 8, 10000, "", "Series watched per tenant."},
};

static rt_err
init(br_agent *self, void *state)
{
    anomaly_state *st = state;
    struct {
        const char *event;
        const char *field;
        int *slot;
    } bindings[] = {
        {"order.delivered", "carrier", &st->slots.delivered_carrier},
        {"delivery.failed", "carrier", &st->slots.failed_carrier},
        {"tracking.updated", "carrier", &st->slots.tracking_carrier},
        {"delay.detected", "carrier", &st->slots.delay_carrier},
        {"delay.detected", "risk", &st->slots.delay_risk},
        {"customer.inquiry", "mood", &st->slots.inquiry_mood},
        {"metric.sampled", "value", &st->slots.sample_value},
    };
    rt_err err = br_agent_table(self, 0, "clocks", &st->clocks);

    if (err == RT_OK) {
        err = br_agent_table(self, 1, "tallies", &st->tallies);
    }
    if (err == RT_OK) {
        err = br_agent_table(self, 2, "series", &st->series);
    }
    for (size_t i = 0; i < RT_COUNT(bindings) && err == RT_OK; i++) {
        err = br_agent_bind(self, bindings[i].event, bindings[i].field, bindings[i].slot);
    }
    st->config = (anomaly_config){
        .min_trials = br_agent_param_f64(self, "min_trials"),
        .min_expected = br_agent_param_f64(self, "min_expected"),
        .tolerance = br_agent_param_f64(self, "tolerance"),
        .votes_needed = (uint32_t)br_agent_param_i64(self, "votes_needed"),
        .clear_after = (uint32_t)br_agent_param_i64(self, "clear_after"),
        .refractory_ms = br_agent_param_i64(self, "refractory"),
    };
    st->bucket_ms = br_agent_param_i64(self, "bucket");
    st->sample_ms = br_agent_param_i64(self, "sample_bucket");
    st->series_max = (uint32_t)br_agent_param_i64(self, "series_max");
    rt_mpw_init(&st->data, DATA_BYTES_MAX);
    return err;
}

static void
fini(br_agent *self, void *state)
{
    anomaly_state *st = state;

    (void)self; // nothing of the agent is held
    rt_mpw_fini(&st->data);
}

// --- rows ---

// One record in work.
typedef struct turn {
    br_agent *self;
    anomaly_state *st;
    rt_tenant tenant;
    uint32_t said;
} turn;

static clock_row *
edit_clock(const turn *t)
{
    rt_key key = rt_key_number(t->tenant, 0);
    bool created = false;

    return rt_table_edit(t->st->clocks, rt_key_bytes(&key), sizeof(clock_row), &created);
}

static rt_key
tally_key(rt_tenant tenant, uint32_t watch, rt_str scope)
{
    rt_key key = rt_key_of(tenant);

    rt_key_u64(&key, watch);
    rt_key_str(&key, scope);
    return key;
}

static void
start_series(const turn *t, anomaly_watch_id watch, rt_str scope, uint32_t number)
{
    rt_key key = rt_key_number(t->tenant, number);
    bool created = false;
    series_row *row =
        rt_table_edit(t->st->series, rt_key_bytes(&key), sizeof(series_row), &created);

    RT_ASSERT(created);
    row->watch = (uint32_t)watch;
    row->scope_len = (uint32_t)scope.len;
    memcpy(row->scope, scope.ptr, scope.len);
}

// The tally of a series, which begins to be watched if it is new; NULL when there are too many.
static tally_row *
edit_tally(const turn *t, anomaly_watch_id watch, rt_str scope)
{
    rt_key key = tally_key(t->tenant, (uint32_t)watch, scope);
    clock_row *clock = NULL;
    tally_row *row = NULL;
    bool created = false;
    rt_bytes bytes;

    if (scope.len == 0 || scope.len > SCOPE_MAX) {
        return NULL;
    }
    if (rt_table_get(t->st->tallies, rt_key_bytes(&key), &bytes)) {
        return rt_table_edit(t->st->tallies, rt_key_bytes(&key), sizeof(*row), &created);
    }
    clock = edit_clock(t);
    if (clock->series_count >= t->st->series_max) {
        return NULL;
    }
    row = rt_table_edit(t->st->tallies, rt_key_bytes(&key), sizeof(*row), &created);
    row->number = clock->series_count++;
    start_series(t, watch, scope, row->number);
    return row;
}

static void
add_to_tally(const turn *t, anomaly_watch_id watch, rt_str scope, anomaly_tally more)
{
    tally_row *row = edit_tally(t, watch, scope);

    if (row != NULL) {
        row->tally.hits += more.hits;
        row->tally.trials += more.trials;
        row->tally.sum += more.sum;
        row->tally.squares += more.squares;
    }
}

// --- saying ---

static void
put_text(rt_mpw *w, const char *name, rt_str value)
{
    rt_mpw_cstr(w, name);
    rt_mpw_str(w, value);
}

static void
put_number(rt_mpw *w, const char *name, double value)
{
    rt_mpw_cstr(w, name);
    rt_mpw_f64(w, value);
}

// The metric's name: the watch's, or what a sampled metric calls itself.
static rt_str
metric_of(const series_row *row, rt_str scope)
{
    rt_str kind;
    rt_str name;

    if (row->watch == ANOMALY_OTHER && rt_subject_split(scope, &kind, &name)) {
        return name;
    }
    return rt_str_of(anomaly_watch_of((anomaly_watch_id)row->watch)->metric);
}

static rt_err
say_alert(turn *t, rt_str metric, rt_str scope, const anomaly_finding *finding)
{
    rt_arena *arena = br_agent_arena(t->self);
    rt_mpw *w = &t->st->data;
    rt_str text = rt_arena_printf(arena, "%.*s of %.*s is %.4g, expected %.4g to %.4g",
                                  RT_STR_ARG(metric), RT_STR_ARG(scope), finding->value,
                                  finding->low, finding->high);
    msg_factor factors[] = {
        {RT_STR("value"), finding->value, finding->score},
        {RT_STR("expected_low"), finding->low, 0},
        {RT_STR("expected_high"), finding->high, 0},
    };
    msg_proposal proposal = {
        .model = RT_STR("anomaly/1"),
        .action = RT_STR("alert_operator"),
        .target = scope,
        .priority = PRIORITY_ALERT,
        .confidence = finding->score,
        .value = 0.3,
        .propensity = 1,
        .reason = text,
        .factors = {factors, RT_COUNT(factors)},
    };

    rt_mpw_clear(w);
    rt_mpw_map(w, 2);
    put_text(w, "text", text);
    put_text(w, "severity", RT_STR("critical"));
    proposal.args = rt_mpw_view(w);
    return br_propose(t->self, &proposal);
}

static rt_err
say_detected(turn *t, const series_row *row, rt_str scope, const anomaly_finding *finding)
{
    const anomaly_watch *watch = anomaly_watch_of((anomaly_watch_id)row->watch);
    char detectors[ANOMALY_DETECTORS_CAP];
    rt_mpw *w = &t->st->data;
    rt_err err;

    rt_mpw_clear(w);
    rt_mpw_map(w, 9);
    put_text(w, "metric", metric_of(row, scope));
    put_text(w, "kind", rt_str_of(anomaly_kind(watch, finding->above)));
    put_text(w, "scope", scope);
    put_number(w, "value", finding->value);
    put_number(w, "expected_low", finding->low);
    put_number(w, "expected_high", finding->high);
    put_number(w, "score", finding->score);
    put_text(w, "severity", rt_str_of(br_severity_text(finding->severity)));
    put_text(w, "detectors", rt_str_of(anomaly_detectors_format(finding, detectors)));
    err = br_emit(t->self, "anomaly.detected", scope, rt_mpw_view(w));
    if (err == RT_OK && finding->severity == BR_SEVERITY_CRITICAL) {
        err = say_alert(t, metric_of(row, scope), scope, finding);
    }
    return err;
}

static rt_err
say_cleared(turn *t, const series_row *row, rt_str scope, const anomaly_finding *finding)
{
    const anomaly_watch *watch = anomaly_watch_of((anomaly_watch_id)row->watch);
    rt_mpw *w = &t->st->data;

    rt_mpw_clear(w);
    rt_mpw_map(w, 4);
    put_text(w, "metric", metric_of(row, scope));
    put_text(w, "kind", rt_str_of(anomaly_kind(watch, finding->above)));
    put_text(w, "scope", scope);
    put_number(w, "value", finding->value);
    return br_emit(t->self, "anomaly.cleared", scope, rt_mpw_view(w));
}

// --- buckets ---

// Gives a tally to its series and says what came of it.
static rt_err
judge(turn *t, series_row *row, const anomaly_tally *tally, int64_t at_ms)
{
    const anomaly_watch *watch = anomaly_watch_of((anomaly_watch_id)row->watch);
    anomaly_config config = t->st->config;
    rt_str scope = {row->scope, row->scope_len};
    anomaly_finding finding;
    rt_err err;

    config.utc_offset_ms = (int32_t)br_agent_utc_offset_ms(t->self, t->tenant);
    err = anomaly_series_add(&row->series, watch, &config, tally, at_ms, &finding);
    if (err == RT_OK && finding.detected) {
        t->said++;
        err = say_detected(t, row, scope, &finding);
    }
    if (err == RT_OK && finding.cleared) {
        t->said++;
        err = say_cleared(t, row, scope, &finding);
    }
    return err;
}

static rt_err
close_series(turn *t, uint32_t number, int64_t at_ms)
{
    rt_key key = rt_key_number(t->tenant, number);
    bool created = false;
    series_row *row =
        rt_table_edit(t->st->series, rt_key_bytes(&key), sizeof(series_row), &created);
    anomaly_tally tally = {0};
    rt_key at;
    tally_row *open = NULL;

    RT_ASSERT(!created);
    if (row->watch >= ANOMALY_WATCHES_OWN) {
        return RT_OK; // sampled: closed by its samples
    }
    at = tally_key(t->tenant, row->watch, (rt_str){row->scope, row->scope_len});
    open = rt_table_edit(t->st->tallies, rt_key_bytes(&at), sizeof(tally_row), &created);
    RT_ASSERT(!created);
    tally = open->tally;
    open->tally = (anomaly_tally){0};
    return judge(t, row, &tally, at_ms);
}

static rt_err
close_bucket(turn *t, int64_t at_ms)
{
    uint32_t count = edit_clock(t)->series_count;
    rt_err err = RT_OK;

    for (uint32_t i = 0; i < count && err == RT_OK && t->said < SAYINGS_MAX; i++) {
        err = close_series(t, i, at_ms);
    }
    return err;
}

static int64_t
bucket_of(const anomaly_state *st, int64_t at_ms)
{
    int64_t rest = at_ms % st->bucket_ms;

    return at_ms - (rest < 0 ? rest + st->bucket_ms : rest);
}

// Closes every bucket that ended before `now_ms` and opens the one it lies in.
static rt_err
advance(turn *t, int64_t now_ms)
{
    clock_row *clock = edit_clock(t);
    int64_t now_at_ms = bucket_of(t->st, now_ms);
    int64_t at_ms = clock->bucket_at_ms;
    rt_err err = RT_OK;

    if (at_ms != 0 && now_at_ms <= at_ms) {
        return RT_OK;
    }
    for (int i = 0; at_ms != 0 && at_ms < now_at_ms && i < GAP_BUCKETS_MAX && err == RT_OK; i++) {
        err = close_bucket(t, at_ms);
        at_ms += t->st->bucket_ms;
    }
    clock = edit_clock(t);
    clock->bucket_at_ms = now_at_ms;
    if (err != RT_OK || now_ms - clock->heard_at_ms >= DAY_MS) {
        return err; // nothing happens here: the next event wakes us
    }
    return br_timer_set(t->self, RT_STR(TIMER_KEY), now_at_ms + t->st->bucket_ms + GRACE_MS,
                        RT_STR(TIMER_SUBJECT));
}

static rt_err
begin(turn *t, br_agent *self, void *state, const rt_event *event)
{
    clock_row *clock = NULL;

    *t = (turn){.self = self, .st = state, .tenant = event->tenant};
    clock = edit_clock(t);
    clock->heard_at_ms = RT_MAX(clock->heard_at_ms, event->time_ms);
    return advance(t, event->time_ms);
}

static rt_err
on_timer(br_agent *self, void *state, const rt_event *event)
{
    turn t = {.self = self, .st = state, .tenant = event->tenant};

    return advance(&t, event->time_ms);
}

// --- events ---

static const anomaly_tally one_hit = {.hits = 1, .trials = 1};
static const anomaly_tally one_miss = {.trials = 1};

// "carrier/<name>" of a field, or empty.
static rt_str
carrier_scope(const turn *t, const rt_event *event, int slot)
{
    const rt_value *value = &event->slots[slot];

    if (value->kind != RT_KIND_STR || value->s.len == 0) {
        return RT_STR("");
    }
    return rt_arena_printf(br_agent_arena(t->self), "carrier/%.*s", RT_STR_ARG(value->s));
}

// The scope of a series of the whole tenant.
static rt_str
tenant_scope(const turn *t, anomaly_watch_id watch)
{
    return rt_arena_printf(br_agent_arena(t->self), "metric/%s", anomaly_watch_of(watch)->metric);
}

static rt_err
on_created(br_agent *self, void *state, const rt_event *event)
{
    turn t;
    rt_err err = begin(&t, self, state, event);

    if (err == RT_OK) {
        add_to_tally(&t, ANOMALY_ORDERS, tenant_scope(&t, ANOMALY_ORDERS), one_hit);
        add_to_tally(&t, ANOMALY_CANCELLED, tenant_scope(&t, ANOMALY_CANCELLED), one_miss);
    }
    return err;
}

static rt_err
on_cancelled(br_agent *self, void *state, const rt_event *event)
{
    turn t;
    rt_err err = begin(&t, self, state, event);

    if (err == RT_OK) {
        add_to_tally(&t, ANOMALY_CANCELLED, tenant_scope(&t, ANOMALY_CANCELLED), one_hit);
    }
    return err;
}

static rt_err
on_delivered(br_agent *self, void *state, const rt_event *event)
{
    turn t;
    rt_err err = begin(&t, self, state, event);

    if (err == RT_OK) {
        rt_str carrier = carrier_scope(&t, event, t.st->slots.delivered_carrier);

        add_to_tally(&t, ANOMALY_CARRIER_LATE, carrier, one_miss);
        add_to_tally(&t, ANOMALY_CARRIER_FAILED, carrier, one_miss);
    }
    return err;
}

static rt_err
on_failed(br_agent *self, void *state, const rt_event *event)
{
    turn t;
    rt_err err = begin(&t, self, state, event);

    if (err == RT_OK) {
        add_to_tally(&t, ANOMALY_CARRIER_FAILED,
                     carrier_scope(&t, event, t.st->slots.failed_carrier), one_hit);
    }
    return err;
}

static rt_err
on_tracking(br_agent *self, void *state, const rt_event *event)
{
    turn t;
    rt_err err = begin(&t, self, state, event);

    if (err == RT_OK) {
        add_to_tally(&t, ANOMALY_CARRIER_SCANS,
                     carrier_scope(&t, event, t.st->slots.tracking_carrier), one_hit);
    }
    return err;
}

// Only what is late counts, not what is expected to be.
static rt_err
on_delay(br_agent *self, void *state, const rt_event *event)
{
    turn t;
    rt_err err = begin(&t, self, state, event);

    if (err == RT_OK && rt_value_as_f64(event->slots[t.st->slots.delay_risk], 0) >= 1) {
        add_to_tally(&t, ANOMALY_CARRIER_LATE,
                     carrier_scope(&t, event, t.st->slots.delay_carrier), one_hit);
    }
    return err;
}

static rt_err
on_issue(br_agent *self, void *state, const rt_event *event)
{
    turn t;
    rt_err err = begin(&t, self, state, event);

    if (err == RT_OK) {
        add_to_tally(&t, ANOMALY_ISSUES, tenant_scope(&t, ANOMALY_ISSUES), one_hit);
    }
    return err;
}

static rt_err
on_inquiry(br_agent *self, void *state, const rt_event *event)
{
    turn t;
    rt_err err = begin(&t, self, state, event);
    const rt_value *mood = &event->slots[((anomaly_state *)state)->slots.inquiry_mood];

    if (err == RT_OK && mood->kind == RT_KIND_F64) {
        add_to_tally(&t, ANOMALY_MOOD, tenant_scope(&t, ANOMALY_MOOD),
                     (anomaly_tally){.trials = 1, .sum = mood->f, .squares = mood->f * mood->f});
    }
    return err;
}

static rt_err
close_samples(turn *t, tally_row *open)
{
    rt_key key = rt_key_number(t->tenant, open->number);
    anomaly_tally tally = open->tally;
    bool created = false;
    series_row *row =
        rt_table_edit(t->st->series, rt_key_bytes(&key), sizeof(series_row), &created);

    RT_ASSERT(!created);
    open->tally = (anomaly_tally){0};
    return judge(t, row, &tally, open->since_ms);
}

static rt_err
on_sample(br_agent *self, void *state, const rt_event *event)
{
    turn t = {.self = self, .st = state, .tenant = event->tenant};
    double value = rt_value_as_f64(event->slots[t.st->slots.sample_value], 0);
    anomaly_watch_id watch;
    tally_row *open = NULL;
    int64_t span_ms;
    rt_str kind;
    rt_str name;
    rt_err err = RT_OK;

    if (!rt_subject_split(event->subject, &kind, &name) || !rt_str_is(kind, "metric")) {
        return RT_OK;
    }
    watch = anomaly_watch_find(name);
    open = edit_tally(&t, watch, event->subject);
    if (open == NULL) {
        return RT_OK;
    }
    span_ms = anomaly_watch_of(watch)->is_slow ? t.st->bucket_ms : t.st->sample_ms;
    if (open->tally.trials > 0 && event->time_ms >= open->since_ms + span_ms) {
        err = close_samples(&t, open);
    }
    if (open->tally.trials <= 0) {
        open->since_ms = event->time_ms;
    }
    open->tally.trials += 1;
    open->tally.sum += value;
    return err;
}

static const br_handler handlers[] = {
    {"order.created", on_created},
    {"order.cancelled", on_cancelled},
    {"order.delivered", on_delivered},
    {"delivery.failed", on_failed},
    {"tracking.updated", on_tracking},
    {"delay.detected", on_delay},
    {"issue.reported", on_issue},
    {"customer.inquiry", on_inquiry},
    {"metric.sampled", on_sample},
    {"timer.fired", on_timer},
};

const br_agent_def anomaly_agent = {
    .id = 4,
    .name = "anomaly",
    .doc = "Tells when a carrier, the orders or the runtime itself leave their usual range.",
    .state_size = sizeof(anomaly_state),
    .init = init,
    .fini = fini,
    .handlers = handlers,
    .handler_count = RT_COUNT(handlers),
    .params = params,
    .param_count = RT_COUNT(params),
};
