#include <math.h>

#include "runtime/wire/json.h"
#include "tools/report/print.h"

// Design notes.
// The object is written as msgpack first and turned into JSON by the one writer of the house; a
// number that is not there (no AUC, nothing expected) is null. tidy: table

#define JSON_BYTES_MAX ((size_t)16 * 1024 * 1024)

static void
put_u64(rt_mpw *w, const char *name, uint64_t value)
{
    rt_mpw_cstr(w, name);
    rt_mpw_u64(w, value);
}

static void
put_f64(rt_mpw *w, const char *name, double value)
{
    rt_mpw_cstr(w, name);
    if (isnan(value)) {
        rt_mpw_nil(w);
    } else {
        rt_mpw_f64(w, value);
    }
}

static void
put_text(rt_mpw *w, const char *name, const char *value)
{
    rt_mpw_cstr(w, name);
    rt_mpw_cstr(w, value);
}

static void
put_time(rt_mpw *w, const char *name, int64_t at_ms)
{
    rt_mpw_cstr(w, name);
    if (at_ms == INT64_MIN) {
        rt_mpw_nil(w);
    } else {
        rt_mpw_i64(w, at_ms);
    }
}

static void
put_tally(rt_mpw *w, const char *name, const tally *t, const char *const *columns, uint32_t count,
          const char *mean)
{
    rt_mpw_cstr(w, name);
    rt_mpw_array(w, (uint32_t)t->count);
    for (size_t i = 0; i < t->count; i++) {
        const tally_row *row = &t->rows[i];

        rt_mpw_map(w, 1 + count + (mean != NULL ? 1 : 0));
        rt_mpw_cstr(w, "name");
        rt_mpw_str(w, row->name);
        for (uint32_t c = 0; c < count; c++) {
            put_u64(w, columns[c], row->count[c]);
        }
        if (mean != NULL) {
            put_f64(w, mean, row->count[0] > 0 ? row->sum / (double)row->count[0] : NAN);
        }
    }
}

static void
put_list(rt_mpw *w, const char *name, const tally *t)
{
    static const char *const columns[] = {"count"};

    put_tally(w, name, t, columns, 1, NULL);
}

static void
put_score(rt_mpw *w, const char *name, const forecast_score *s)
{
    rt_mpw_cstr(w, name);
    rt_mpw_map(w, 4);
    put_f64(w, "auc", s->auc < 0 ? NAN : s->auc);
    put_f64(w, "log_loss", s->log_loss);
    put_f64(w, "brier", s->brier);
    put_f64(w, "calibration_error", s->calibration_error);
}

static void
put_period(rt_mpw *w, const forecast_period *p)
{
    rt_mpw_map(w, 7);
    put_time(w, "from_ms", p->from_ms);
    put_time(w, "until_ms", p->until_ms);
    put_u64(w, "orders", p->orders);
    put_u64(w, "late", p->late);
    put_score(w, "model", &p->model);
    put_score(w, "base", &p->base);
    put_score(w, "area", &p->area);
}

static void
put_forecast(rt_mpw *w, const report *r)
{
    const forecast_report *f = r->forecast;

    rt_mpw_cstr(w, "forecast");
    rt_mpw_map(w, 8);
    put_text(w, "model", r->ledger->model);
    put_u64(w, "created", f->created);
    put_u64(w, "unpredicted", f->unpredicted);
    put_u64(w, "cancelled", f->cancelled);
    put_u64(w, "open", f->open);
    put_u64(w, "undelivered", f->undelivered);
    rt_mpw_cstr(w, "all");
    if (r->forecast_known) {
        put_period(w, &f->all);
    } else {
        rt_mpw_nil(w);
    }
    rt_mpw_cstr(w, "periods");
    rt_mpw_array(w, f->period_count);
    for (uint32_t i = 0; i < f->period_count; i++) {
        put_period(w, &f->periods[i]);
    }
}

static void
put_incidents(rt_mpw *w, const ledger *l)
{
    rt_mpw_cstr(w, "incidents");
    rt_mpw_array(w, (uint32_t)l->incident_count);
    for (size_t i = 0; i < l->incident_count; i++) {
        const ledger_incident *incident = &l->incidents[i];

        rt_mpw_map(w, 10);
        put_text(w, "metric", incident->metric);
        put_text(w, "kind", incident->kind);
        put_text(w, "scope", incident->scope);
        put_text(w, "severity", incident->severity);
        put_time(w, "from_ms", incident->from_ms);
        put_time(w, "until_ms", incident->until_ms);
        put_f64(w, "value", incident->value);
        put_f64(w, "expected_low", incident->low);
        put_f64(w, "expected_high", incident->high);
        put_u64(w, "reports", incident->reports);
    }
}

static void
put_lessons(rt_mpw *w, const ledger *l)
{
    rt_mpw_cstr(w, "learning");
    rt_mpw_array(w, (uint32_t)l->lesson_count);
    for (size_t i = 0; i < l->lesson_count; i++) {
        const ledger_lesson *lesson = &l->lessons[i];

        rt_mpw_map(w, 7);
        put_text(w, "model", lesson->model);
        put_u64(w, "reports", lesson->reports);
        rt_mpw_cstr(w, "outcomes");
        rt_mpw_i64(w, lesson->samples);
        put_f64(w, "auc", lesson->auc);
        put_f64(w, "log_loss", lesson->log_loss);
        put_f64(w, "base_log_loss", lesson->base_log_loss);
        put_f64(w, "mean_reward", lesson->mean_reward);
    }
}

static void
put_run(rt_mpw *w, const report *r)
{
    const ledger *l = r->ledger;

    rt_mpw_cstr(w, "run");
    rt_mpw_map(w, 20);
    put_u64(w, "records", l->records);
    put_u64(w, "first_seq", l->first_seq);
    put_u64(w, "last_seq", l->last_seq);
    put_u64(w, "payload_bytes", l->bytes);
    put_u64(w, "starts", l->starts);
    put_u64(w, "playbook_sets", l->playbook_sets);
    put_u64(w, "unreadable", l->unreadable);
    put_time(w, "first_ms", l->first_ms);
    put_time(w, "last_ms", l->last_ms);
    put_u64(w, "events_outside", l->external);
    put_u64(w, "events_own", l->internal);
    put_u64(w, "events_repeated", l->repeated);
    put_u64(w, "actions_repeated", l->repeated_actions);
    put_u64(w, "ids_expected", r->wanted_ids);
    put_u64(w, "ids_missing", r->absent_ids);
    put_u64(w, "decisions", l->decisions);
    put_u64(w, "decisions_spoken", l->said);
    put_u64(w, "decisions_missing_agent", l->with_missing);
    put_u64(w, "predictions", l->predictions);
    put_f64(w, "read_seconds", r->seconds);
}

static void
put_all(rt_mpw *w, const report *r)
{
    static const char *const origins[] = {"outside", "own"};
    static const char *const said[] = {"proposed", "won",    "lost",   "refused",
                                       "vetoed",   "shadow", "vetoes", "decisions"};
    static const char *const actions[] = {"decided", "executed", "failed", "unknown", "cancelled"};
    static const char *const books[] = {"fired", "false",    "throttled", "error",
                                        "held",  "not_held", "other"};
    static const char *const anomalies[] = {"raised", "worse", "cleared"};
    static const char *const healing[] = {"healed", "escalated", "steps"};
    static const char *const rewards[] = {"decisions"};
    const ledger *l = r->ledger;

    rt_mpw_map(w, 18);
    put_run(w, r);
    put_tally(w, "events", &l->events, origins, RT_COUNT(origins), NULL);
    put_tally(w, "proposals_by", &l->said_by, said, SAID_DECISIONS, NULL);
    put_tally(w, "proposals_on", &l->said_on, said, RT_COUNT(said), NULL);
    put_list(w, "conflicts", &l->conflicts);
    put_list(w, "vetoes", &l->vetoes);
    put_list(w, "refusals", &l->refusals);
    put_tally(w, "actions", &l->actions, actions, RT_COUNT(actions), NULL);
    put_tally(w, "playbooks", &l->playbooks, books, RT_COUNT(books), NULL);
    put_forecast(w, r);
    put_tally(w, "anomalies", &l->anomalies, anomalies, RT_COUNT(anomalies), NULL);
    put_incidents(w, l);
    put_tally(w, "healing", &l->healing, healing, RT_COUNT(healing), NULL);
    put_tally(w, "rewards", &l->rewards, rewards, RT_COUNT(rewards), "mean");
    put_lessons(w, l);
    put_list(w, "improvements", &l->improvements);
    put_list(w, "rejects", &l->rejects);
    put_list(w, "missing_agents", &l->missing);
}

rt_err
print_json(FILE *to, const report *r)
{
    rt_mpw w;
    rt_text text;
    rt_err err = RT_OK;

    rt_mpw_init(&w, JSON_BYTES_MAX);
    rt_text_init(&text, JSON_BYTES_MAX * 2);
    put_all(&w, r);
    err = w.failed ? rt_fail(RT_ELIMIT, "the report is larger than %zu bytes", JSON_BYTES_MAX)
                   : rt_json_pretty(rt_mpw_view(&w), &text);
    if (err == RT_OK && (fwrite(text.ptr, 1, text.len, to) != text.len || fputc('\n', to) == EOF)) {
        err = rt_fail(RT_EIO, "cannot write the report");
    }
    rt_text_fini(&text);
    rt_mpw_fini(&w);
    return err;
}
