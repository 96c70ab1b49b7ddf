#include "tools/replay/summary.h"

#include "runtime/base/civil.h"
#include "runtime/wire/json.h"
#include "tools/replay/progress.h"

#define SUMMARY_BYTES_MAX 65536

uint64_t
summary_rejected(const summary *s)
{
    return s->totals.rejected + (s->lines != NULL ? s->lines->bad : 0);
}

static double
per_second(const summary *s)
{
    uint64_t events = s->sent ? s->totals.events : s->events;

    return s->seconds > 0 ? (double)events / s->seconds : 0;
}

static void
print_sent(FILE *to, const summary *s)
{
    const send_totals *t = &s->totals;
    char number[32];

    (void)fprintf(to, "sent        %s events in %llu requests\n",
                  progress_number(t->events, number), (unsigned long long)t->requests);
    (void)fprintf(to, "accepted    %s\n", progress_number(t->accepted, number));
    (void)fprintf(to, "duplicates  %s\n", progress_number(t->duplicates, number));
    (void)fprintf(to, "rejected    %s\n", progress_number(t->rejected, number));
    if (t->retried + t->resent > 0) {
        (void)fprintf(to, "again       %llu events (brain full), %llu requests (no answer)\n",
                      (unsigned long long)t->retried, (unsigned long long)t->resent);
    }
    for (uint32_t i = 0; i < t->reason_count; i++) {
        (void)fprintf(to, "            %s\n", t->reasons[i]);
    }
}

static void
print_types(FILE *to, const rt_map *types)
{
    size_t cursor = 0;
    rt_bytes name = {0};
    uint64_t count = 0;
    char number[32];

    while (rt_map_next(types, &cursor, &name, &count)) {
        (void)fprintf(to, "            %-20.*s %11s\n", RT_STR_ARG(rt_str_of_bytes(name)),
                      progress_number(count, number));
    }
}

static double
late_percent(const gen_tally *t)
{
    return t->delivered > 0 ? 100 * (double)t->late / (double)t->delivered : 0;
}

static void
print_truth(FILE *to, const gen_stats *s)
{
    (void)fprintf(to, "\nthe truth (late: share of the orders that are or will be delivered)\n");
    (void)fprintf(to, "orders      %llu, late %.1f %%\n", (unsigned long long)s->all.placed,
                  late_percent(&s->all));
    (void)fprintf(to,
                  "best        AUC %.3f, log-loss %.4f (base rate %.4f) when an order is placed\n",
                  s->best_auc, s->best_log_loss, s->base_log_loss);
    (void)fprintf(to, "extra       %llu duplicates, %llu damaged\n\n%-16s",
                  (unsigned long long)s->duplicates, (unsigned long long)s->bad, "late, %");
    for (size_t carrier = 0; carrier < WORKLOAD_CARRIERS; carrier++) {
        (void)fprintf(to, " %15s", workload_carrier_at(carrier)->name);
    }
    (void)fprintf(to, " %9s %9s\n", "all", "orders");
    for (size_t city = 0; city <= WORKLOAD_CITIES; city++) {
        bool all = city == WORKLOAD_CITIES;
        const char *name = all ? "all" : workload_city_at(city)->name;
        const gen_tally *row = all ? &s->all : &s->cities[city];
        int wide = 0;

        for (const char *c = name; *c != '\0'; c++) {
            wide += ((uint8_t)*c & 0xc0) == 0x80 ? 1 : 0; // bytes that take no column
        }
        (void)fprintf(to, "%-*s", 16 + wide, name);
        for (size_t carrier = 0; carrier < WORKLOAD_CARRIERS; carrier++) {
            (void)fprintf(to, " %15.1f",
                          late_percent(all ? &s->carriers[carrier] : &s->pairs[carrier][city]));
        }
        (void)fprintf(to, " %9.1f %9llu\n", late_percent(row), (unsigned long long)row->placed);
    }
}

void
summary_print_text(FILE *to, const summary *s)
{
    char number[32];
    char from[RT_RFC3339_CAP];
    char until[RT_RFC3339_CAP];

    if (s->sent) {
        print_sent(to, s);
    } else {
        (void)fprintf(to, "events      %s, none sent\n", progress_number(s->events, number));
    }
    if (s->events > 0) {
        (void)fprintf(to, "from        %s\nuntil       %s\n", rt_format_rfc3339(s->first_ms, from),
                      rt_format_rfc3339(s->last_ms, until));
    }
    if (s->types != NULL) {
        (void)fprintf(to, "types\n");
        print_types(to, s->types);
    }
    if (s->lines != NULL && s->lines->bad > 0) {
        (void)fprintf(to, "unreadable  %llu lines, the first: %s\n",
                      (unsigned long long)s->lines->bad, s->lines->first);
    }
    (void)fprintf(to, "took        %.2f s, %s events/s\n", s->seconds,
                  progress_number((uint64_t)per_second(s), number));
    if (s->stats != NULL) {
        print_truth(to, s->stats);
    }
    if (s->error != NULL) {
        (void)fprintf(to, "ended early: %s\n", s->error);
    }
}

static void
put_count(rt_mpw *w, const char *name, uint64_t value)
{
    rt_mpw_cstr(w, name);
    rt_mpw_u64(w, value);
}

static void
put_tally(rt_mpw *w, const gen_tally *t)
{
    rt_mpw_map(w, 3);
    put_count(w, "placed", t->placed);
    put_count(w, "delivered", t->delivered);
    put_count(w, "late", t->late);
}

static void
put_truth(rt_mpw *w, const gen_stats *s)
{
    rt_mpw_cstr(w, "truth");
    rt_mpw_map(w, 8);
    rt_mpw_cstr(w, "orders");
    put_tally(w, &s->all);
    put_count(w, "duplicates", s->duplicates);
    put_count(w, "damaged", s->bad);
    rt_mpw_cstr(w, "best_auc");
    rt_mpw_f64(w, s->best_auc);
    rt_mpw_cstr(w, "best_log_loss");
    rt_mpw_f64(w, s->best_log_loss);
    rt_mpw_cstr(w, "base_log_loss");
    rt_mpw_f64(w, s->base_log_loss);
    rt_mpw_cstr(w, "carriers");
    rt_mpw_map(w, WORKLOAD_CARRIERS);
    for (size_t i = 0; i < WORKLOAD_CARRIERS; i++) {
        rt_mpw_cstr(w, workload_carrier_at(i)->name);
        put_tally(w, &s->carriers[i]);
    }
    rt_mpw_cstr(w, "cities");
    rt_mpw_map(w, WORKLOAD_CITIES);
    for (size_t i = 0; i < WORKLOAD_CITIES; i++) {
        rt_mpw_cstr(w, workload_city_at(i)->name);
        put_tally(w, &s->cities[i]);
    }
}

static void
put_reasons(rt_mpw *w, const summary *s)
{
    rt_mpw_cstr(w, "reasons");
    rt_mpw_array(w, s->totals.reason_count + (s->lines != NULL && s->lines->bad > 0 ? 1 : 0));
    for (uint32_t i = 0; i < s->totals.reason_count; i++) {
        rt_mpw_cstr(w, s->totals.reasons[i]);
    }
    if (s->lines != NULL && s->lines->bad > 0) {
        rt_mpw_cstr(w, s->lines->first);
    }
}

static void
put_types(rt_mpw *w, const rt_map *types)
{
    size_t cursor = 0;
    rt_bytes name = {0};
    uint64_t count = 0;

    rt_mpw_cstr(w, "types");
    rt_mpw_map(w, (uint32_t)rt_map_count(types));
    while (rt_map_next(types, &cursor, &name, &count)) {
        rt_mpw_str(w, rt_str_of_bytes(name));
        rt_mpw_u64(w, count);
    }
}

static void
put_summary(rt_mpw *w, const summary *s)
{
    uint32_t extra = (s->types != NULL ? 1u : 0u) + (s->stats != NULL ? 1u : 0u)
                     + (s->error != NULL ? 1u : 0u);

    rt_mpw_map(w, 10 + extra);
    put_count(w, "events", s->events);
    put_count(w, "sent", s->totals.events);
    put_count(w, "accepted", s->totals.accepted);
    put_count(w, "duplicates", s->totals.duplicates);
    put_count(w, "rejected", summary_rejected(s));
    put_count(w, "retried", s->totals.retried);
    put_count(w, "resent_requests", s->totals.resent);
    put_reasons(w, s);
    rt_mpw_cstr(w, "seconds");
    rt_mpw_f64(w, s->seconds);
    rt_mpw_cstr(w, "events_per_s");
    rt_mpw_f64(w, per_second(s));
    if (s->types != NULL) {
        put_types(w, s->types);
    }
    if (s->stats != NULL) {
        put_truth(w, s->stats);
    }
    if (s->error != NULL) {
        rt_mpw_cstr(w, "error");
        rt_mpw_cstr(w, s->error);
    }
}

void
summary_print_json(FILE *to, const summary *s)
{
    rt_mpw w = {0};
    rt_text line = {0};

    rt_mpw_init(&w, SUMMARY_BYTES_MAX);
    rt_text_init(&line, 4 * SUMMARY_BYTES_MAX);
    put_summary(&w, s);
    if (rt_json_from_mp(rt_mpw_view(&w), &line) == RT_OK) {
        (void)fprintf(to, "%.*s\n", RT_STR_ARG(rt_text_view(&line)));
    }
    rt_mpw_fini(&w);
    rt_text_fini(&line);
}
