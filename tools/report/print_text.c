#include <math.h>
#include <string.h>

#include "runtime/base/civil.h"
#include "runtime/base/text.h"
#include "tools/report/print.h"

// Design notes.
// One function a section; a section without rows says so in half a line or is left out. tidy: table

#define NUMBER_CAP 32

const char *
print_time(int64_t at_ms, char buf[32])
{
    rt_civil c = rt_civil_from_ms(at_ms);

    (void)snprintf(buf, 32, "%04d-%02d-%02d %02d:%02d", c.year % 10000, c.month % 100, c.day % 100,
                   c.hour % 100, c.minute % 100);
    return buf;
}

static const char *
number(uint64_t value, char buf[NUMBER_CAP])
{
    char digits[24];
    int len = snprintf(digits, sizeof(digits), "%llu", (unsigned long long)value);
    int out = 0;

    for (int i = 0; i < len; i++) {
        if (i > 0 && (len - i) % 3 == 0) {
            buf[out++] = ',';
        }
        buf[out++] = digits[i];
    }
    buf[out] = '\0';
    return buf;
}

// Columns that a text takes on a terminal.
static int
width_of(rt_str text)
{
    int width = 0;

    for (size_t i = 0; i < text.len; i++) {
        width += ((uint8_t)text.ptr[i] & 0xc0) != 0x80;
    }
    return width;
}

static void
print_name(FILE *to, rt_str name, int width)
{
    int blank = width - width_of(name);

    (void)fprintf(to, "  %.*s%*s", RT_STR_ARG(name), blank > 0 ? blank : 0, "");
}

static void
print_count(FILE *to, uint64_t value, int width)
{
    char buf[NUMBER_CAP];

    (void)fprintf(to, " %*s", width, value == 0 ? "-" : number(value, buf));
}

static void
print_header(FILE *to, const char *title, int width, const char *const *columns, size_t count,
             int column_width)
{
    (void)fprintf(to, "\n%-*s", width + 2, title);
    for (size_t i = 0; i < count; i++) {
        (void)fprintf(to, " %*s", column_width, columns[i]);
    }
    (void)fputc('\n', to);
}

static void
print_rest(FILE *to, size_t shown, size_t count)
{
    if (count > shown) {
        (void)fprintf(to, "  ... and %zu more\n", count - shown);
    }
}

// A table of the first columns of a tally.
static void
print_table(FILE *to, const char *title, const tally *t, const char *const *columns, size_t count,
            size_t rows)
{
    int width = 12;
    size_t shown = rows < t->count ? rows : t->count;

    if (t->count == 0) {
        return;
    }
    for (size_t i = 0; i < shown; i++) {
        width = width_of(t->rows[i].name) > width ? width_of(t->rows[i].name) : width;
    }
    print_header(to, title, width, columns, count, 10);
    for (size_t i = 0; i < shown; i++) {
        print_name(to, t->rows[i].name, width);
        for (size_t c = 0; c < count; c++) {
            print_count(to, t->rows[i].count[c], 10);
        }
        (void)fputc('\n', to);
    }
    print_rest(to, shown, t->count);
}

static void
print_list(FILE *to, const char *title, const tally *t, size_t rows)
{
    size_t shown = rows < t->count ? rows : t->count;

    if (t->count == 0) {
        return;
    }
    (void)fprintf(to, "\n%s\n", title);
    for (size_t i = 0; i < shown; i++) {
        print_count(to, t->rows[i].count[0], 9);
        (void)fprintf(to, "  %.*s\n", RT_STR_ARG(t->rows[i].name));
    }
    print_rest(to, shown, t->count);
}

static void
print_run(FILE *to, const report *r)
{
    const ledger *l = r->ledger;
    char a[NUMBER_CAP];
    char b[NUMBER_CAP];
    char c[NUMBER_CAP];

    (void)fprintf(to, "run         %s records (%llu to %llu), %s MB of payload, %llu start%s\n",
                  number(l->records, a), (unsigned long long)l->first_seq,
                  (unsigned long long)l->last_seq, number(l->bytes / 1000000, b),
                  (unsigned long long)l->starts, l->starts == 1 ? "" : "s");
    if (l->first_ms != INT64_MIN) {
        (void)fprintf(to, "time        %s to %s UTC, by the brain's clock\n",
                      print_time(l->first_ms, a), print_time(l->last_ms, b));
    }
    (void)fprintf(to, "events      %s from outside, %s of its own, causal depth up to %llu\n",
                  number(l->external, a), number(l->internal, b),
                  (unsigned long long)l->depth_max);
    (void)fprintf(to, "decisions   %s, somebody spoke on %s, %s predictions\n",
                  number(l->decisions, a), number(l->said, b), number(l->predictions, c));
    (void)fprintf(to, "once only   %s of %s events have a source and id of their own%s\n",
                  number(l->external - l->repeated, a), number(l->external, b),
                  l->repeated == 0 ? "" : ": SOME CAME TWICE");
    if (r->wanted_ids > 0) {
        (void)fprintf(to, "expected    %s ids, %s of them missing%s\n", number(r->wanted_ids, a),
                      number(r->absent_ids, b), r->absent_ids == 0 ? "" : ": EVENTS WERE LOST");
    }
    if (l->repeated_actions > 0) {
        (void)fprintf(to, "            %s ACTIONS WERE CARRIED OUT TWICE\n",
                      number(l->repeated_actions, a));
    }
    if (l->unreadable > 0) {
        (void)fprintf(to, "unreadable  %s records\n", number(l->unreadable, a));
    }
}

static void
print_said(FILE *to, const ledger *l, size_t rows)
{
    static const char *const columns[] = {"proposed", "won",    "lost",  "refused",
                                          "vetoed",   "shadow", "vetoes"};

    print_table(to, "proposals by", &l->said_by, columns, RT_COUNT(columns), rows);
    print_table(to, "proposals on", &l->said_on, columns, RT_COUNT(columns), rows);
    print_list(to, "conflicts: who lost < to whom", &l->conflicts, rows);
    print_list(to, "vetoed < by whom", &l->vetoes, rows);
    print_list(to, "refused, and why", &l->refusals, rows);
    print_list(to, "agents that did not answer in time", &l->missing, rows);
}

static void
print_actions(FILE *to, const ledger *l, size_t rows)
{
    static const char *const columns[] = {"decided", "executed", "failed", "unknown", "cancelled"};

    print_table(to, "actions", &l->actions, columns, RT_COUNT(columns), rows);
}

static void
print_books(FILE *to, const ledger *l, size_t rows)
{
    static const char *const columns[] = {"fired", "false", "throttled", "error",
                                          "held",  "not held"};

    print_table(to, "playbooks", &l->playbooks, columns, RT_COUNT(columns), rows);
}

// --- forecast ---

static void
print_score(FILE *to, const char *name, const forecast_score *s)
{
    (void)fprintf(to, "  %-22s", name);
    if (s->auc < 0) {
        (void)fprintf(to, " %8s", "-");
    } else {
        (void)fprintf(to, " %8.3f", s->auc);
    }
    (void)fprintf(to, " %9.4f %8.4f %12.4f\n", s->log_loss, s->brier, s->calibration_error);
}

static void
print_periods(FILE *to, const forecast_report *f)
{
    char from[32];
    char until[32];

    if (f->period_count == 0) {
        return;
    }
    (void)fprintf(to, "  %-34s %7s %6s %8s %9s %9s %9s\n", "placed", "orders", "late", "AUC",
                  "log-loss", "base", "area");
    for (uint32_t i = 0; i < f->period_count; i++) {
        const forecast_period *p = &f->periods[i];

        (void)fprintf(to, "  %s - %s %8llu %5.1f%% %8.3f %9.4f %9.4f %9.4f\n",
                      print_time(p->from_ms, from), print_time(p->until_ms, until),
                      (unsigned long long)p->orders, 100 * (double)p->late / (double)p->orders,
                      p->model.auc, p->model.log_loss, p->base.log_loss, p->area.log_loss);
    }
}

static void
print_forecast(FILE *to, const report *r)
{
    const forecast_report *f = r->forecast;

    if (f->created == 0) {
        return;
    }
    (void)fprintf(to, "\ndelay forecasts at order.created (%s)\n", r->ledger->model);
    (void)fprintf(to,
                  "  %llu orders: %llu cancelled, %llu not due yet, %llu without a forecast; "
                  "%llu judged, %llu late (%llu due and not delivered%s)\n",
                  (unsigned long long)f->created, (unsigned long long)f->cancelled,
                  (unsigned long long)f->open, (unsigned long long)f->unpredicted,
                  (unsigned long long)f->all.orders, (unsigned long long)f->all.late,
                  (unsigned long long)f->undelivered,
                  r->ledger->delivered_only ? ", left out" : "");
    if (!r->forecast_known) {
        return;
    }
    (void)fprintf(to, "  %-22s %8s %9s %8s %12s\n", "", "AUC", "log-loss", "Brier", "calibration");
    print_score(to, "model", &f->all.model);
    print_score(to, "rate so far", &f->all.base);
    print_score(to, "rate of the area so far", &f->all.area);
    print_periods(to, f);
}

// --- anomalies and healing ---

static void
print_range(FILE *to, double value, double low, double high)
{
    char texts[3][RT_F64_CAP];
    const double values[] = {value, low, high};

    for (size_t i = 0; i < 3; i++) {
        (void)snprintf(texts[i], RT_F64_CAP, isnan(values[i]) ? "?" : "%.3g", values[i]);
    }
    (void)fprintf(to, " %8s (%s to %s)", texts[0], texts[1], texts[2]);
}

static void
print_incident(FILE *to, const ledger_incident *i)
{
    char from[32];
    char lasted[NUMBER_CAP];

    (void)fprintf(to, "  %s  %-9s", print_time(i->from_ms, from), i->severity);
    print_name(to, rt_str_of(i->metric), 22);
    print_name(to, rt_str_of(i->scope), 30);
    print_range(to, i->value, i->low, i->high);
    if (i->until_ms == INT64_MIN) {
        (void)fprintf(to, ", still on\n");
    } else {
        (void)fprintf(to, ", over after %s\n",
                      rt_format_duration(i->until_ms - i->from_ms, lasted, sizeof(lasted)));
    }
}

static void
print_anomalies(FILE *to, const ledger *l, size_t rows)
{
    static const char *const columns[] = {"raised", "worse", "cleared"};
    size_t shown = rows < l->incident_count ? rows : l->incident_count;
    size_t first = l->incident_count - shown;

    if (l->anomalies.count == 0) {
        (void)fprintf(to, "\nanomalies     none\n");
        return;
    }
    print_table(to, "anomalies", &l->anomalies, columns, RT_COUNT(columns), rows);
    (void)fprintf(to, "\n%sanomalies one by one: seen (expected)\n", first > 0 ? "the last " : "");
    for (size_t i = first; i < l->incident_count; i++) {
        print_incident(to, &l->incidents[i]);
    }
}

static void
print_healing(FILE *to, const ledger *l, size_t rows)
{
    static const char *const columns[] = {"healed", "escalated", "steps"};
    uint64_t healed = tally_total(&l->healing, HEALING_HEALED);
    uint64_t ended = healed + tally_total(&l->healing, HEALING_ESCALATED);

    if (ended == 0) {
        (void)fprintf(to, "\nhealing       nothing came to its end\n");
        return;
    }
    print_table(to, "healing", &l->healing, columns, RT_COUNT(columns), rows);
    (void)fprintf(to, "  %.0f %% of %llu healed\n", 100 * (double)healed / (double)ended,
                  (unsigned long long)ended);
}

// --- learning ---

static void
print_rewards(FILE *to, const ledger *l, size_t rows)
{
    const tally *t = &l->rewards;
    size_t shown = rows < t->count ? rows : t->count;

    if (t->count == 0) {
        return;
    }
    (void)fprintf(to, "\n%-24s %10s %10s\n", "rewards", "decisions", "mean");
    for (size_t i = 0; i < shown; i++) {
        print_name(to, t->rows[i].name, 22);
        print_count(to, t->rows[i].count[0], 10);
        (void)fprintf(to, " %+10.3f\n", t->rows[i].sum / (double)t->rows[i].count[0]);
    }
    print_rest(to, shown, t->count);
}

static void
print_figure(FILE *to, const char *format, double value)
{
    if (isnan(value)) {
        (void)fprintf(to, " %10s", "-");
    } else {
        (void)fprintf(to, format, value);
    }
}

static void
print_lessons(FILE *to, const ledger *l, size_t rows)
{
    if (l->lesson_count == 0) {
        return;
    }
    (void)fprintf(to, "\n%-36s %8s %10s %10s %10s %10s %10s\n", "the brain's own reports",
                  "reports", "outcomes", "AUC", "log-loss", "base", "reward");
    for (size_t i = 0; i < l->lesson_count && i < rows; i++) {
        const ledger_lesson *lesson = &l->lessons[i];

        print_name(to, rt_str_of(lesson->model), 34);
        print_count(to, lesson->reports, 8);
        print_count(to, (uint64_t)lesson->samples, 10);
        print_figure(to, " %10.3f", lesson->auc);
        print_figure(to, " %10.4f", lesson->log_loss);
        print_figure(to, " %10.4f", lesson->base_log_loss);
        print_figure(to, " %+10.3f", lesson->mean_reward);
        (void)fputc('\n', to);
    }
    print_rest(to, rows, l->lesson_count);
}

void
print_text(FILE *to, const report *r, size_t rows)
{
    static const char *const origins[] = {"outside", "own"};
    const ledger *l = r->ledger;
    char a[NUMBER_CAP];

    print_run(to, r);
    print_table(to, "events", &l->events, origins, RT_COUNT(origins), PRINT_ALL);
    print_said(to, l, rows);
    print_actions(to, l, rows);
    print_books(to, l, PRINT_ALL);
    print_forecast(to, r);
    print_anomalies(to, l, rows);
    print_healing(to, l, rows);
    print_rewards(to, l, rows);
    print_lessons(to, l, rows);
    print_list(to, "improvements proposed, and where they went", &l->improvements, rows);
    print_list(to, "refused input: door, error, field", &l->rejects, rows);
    (void)fprintf(to, "\nread in %.2f s, %s records/s\n", r->seconds,
                  number(r->seconds > 0 ? (uint64_t)((double)l->records / r->seconds) : 0, a));
}
