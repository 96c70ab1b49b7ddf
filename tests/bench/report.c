#include "tests/bench/report.h"

#include <stdio.h>
#include <stdlib.h>

#include "runtime/base/check.h"

static void
print_latency(const char *what, const report_quantiles *q)
{
    printf("    %-26s p50 %8.3f   p90 %8.3f   p99 %8.3f   p99.9 %8.3f ms\n", what,
           (double)q->p50_us / 1e3, (double)q->p90_us / 1e3, (double)q->p99_us / 1e3,
           (double)q->p999_us / 1e3);
}

static void
print_row(const report_row *row)
{
    printf("%s\n", row->name);
    printf("    %-26s %.0f events/s (%.0f .. %.0f), %llu events\n", "durable and decided",
           row->events_per_s, row->low_per_s, row->high_per_s, (unsigned long long)row->events);
    print_latency("send to acknowledgement", &row->ack);
    print_latency("send to decision", &row->decision);
    printf("    %-26s %.2f us CPU (brain %.2f, agents %.2f), %.0f B of journal\n",
           "of each event", row->cpu_us_per_event, row->brain_us_per_event,
           row->agents_us_per_event, row->bytes_per_event);
    printf("    %-26s %.0f MiB\n", "resident", row->rss_mib);
    printf("    %-26s %llu decisions, %llu of these events; %llu publications lost\n", "subscriber",
           (unsigned long long)row->published, (unsigned long long)row->decided,
           (unsigned long long)row->gaps);
    printf("    %-26s %llu refused, %llu decided without all agents\n\n", "events",
           (unsigned long long)row->refused, (unsigned long long)row->missing);
}

void
report_table(const report_row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        print_row(&rows[i]);
    }
}

static void
print_quantiles(const char *prefix, const report_quantiles *q)
{
    printf(", \"%sp50_us\": %llu, \"%sp90_us\": %llu, \"%sp99_us\": %llu, \"%sp999_us\": %llu",
           prefix, (unsigned long long)q->p50_us, prefix, (unsigned long long)q->p90_us, prefix,
           (unsigned long long)q->p99_us, prefix, (unsigned long long)q->p999_us);
}

void
report_json(const report_row *rows, size_t count)
{
    printf("[\n");
    for (size_t i = 0; i < count; i++) {
        const report_row *row = &rows[i];
        printf("  {\"suite\": \"%s\", \"name\": \"%s\", \"batch\": %u, \"producers\": %u, "
               "\"outstanding\": %u, \"rate\": %llu, \"events\": %llu, \"events_per_s\": %.0f, "
               "\"low_per_s\": %.0f, \"high_per_s\": %.0f",
               row->suite, row->name, row->batch, row->producers, row->outstanding,
               (unsigned long long)row->rate, (unsigned long long)row->events, row->events_per_s,
               row->low_per_s, row->high_per_s);
        print_quantiles("", &row->decision);
        print_quantiles("ack_", &row->ack);
        printf(", \"cpu_us_per_event\": %.3f, \"brain_us_per_event\": %.3f, "
               "\"agents_us_per_event\": %.3f, \"rss_mib\": %.1f, \"bytes_per_event\": %.1f",
               row->cpu_us_per_event, row->brain_us_per_event, row->agents_us_per_event,
               row->rss_mib, row->bytes_per_event);
        printf(", \"decisions\": %llu, \"decided\": %llu, \"gaps\": %llu, \"refused\": %llu, "
               "\"missing\": %llu}%s\n",
               (unsigned long long)row->published, (unsigned long long)row->decided,
               (unsigned long long)row->gaps, (unsigned long long)row->refused,
               (unsigned long long)row->missing, i + 1 < count ? "," : "");
    }
    printf("]\n");
}

static int
by_value(const void *a, const void *b)
{
    const double *x = a;
    const double *y = b;
    return (*x > *y) - (*x < *y);
}

report_spread
report_spread_of(double *values, size_t count)
{
    RT_ASSERT(count > 0);
    qsort(values, count, sizeof(values[0]), by_value);
    double median = (values[(count - 1) / 2] + values[count / 2]) / 2;
    return (report_spread){median, values[0], values[count - 1]};
}

// A figure, or a dash where there is none.
static void
print_figure(int width, int digits, double value)
{
    if (value < 0) {
        printf(" %*s", width, "-");
    } else {
        printf(" %*.*f", width, digits, value);
    }
}

static void
print_ratios(const report_line *line)
{
    for (size_t i = 0; i < line->ratio_count; i++) {
        const report_ratio *ratio = &line->ratios[i];
        printf("%s is %.2f times %s [%.2f .. %.2f]\n", line->name, ratio->times.median, ratio->to,
               ratio->times.low, ratio->times.high);
    }
}

void
report_lines_table(const report_line *lines, size_t count)
{
    printf("%-28s %5s %4s %12s  %-25s %9s %9s %10s\n", "", "batch", "runs", "events/s",
           "[lowest .. highest]", "p50 ms", "p99 ms", "us CPU");
    for (size_t i = 0; i < count; i++) {
        const report_line *line = &lines[i];
        char range[64];
        snprintf(range, sizeof(range), "[%.0f .. %.0f]", line->events_per_s.low,
                 line->events_per_s.high);
        printf("%-28s %5u %4u %12.0f  %-25s", line->name, line->batch, line->runs,
               line->events_per_s.median, range);
        print_figure(9, 3, line->p50_us / 1e3);
        print_figure(9, 3, line->p99_us / 1e3);
        print_figure(10, 3, line->cpu_us_per_event);
        printf("\n");
    }
    printf("\n");
    for (size_t i = 0; i < count; i++) {
        print_ratios(&lines[i]);
    }
}

// A field whose value may be missing, which is null.
static void
print_field(const char *name, double value)
{
    if (value < 0) {
        printf(", \"%s\": null", name);
    } else {
        printf(", \"%s\": %.3f", name, value);
    }
}

void
report_lines_json(const report_line *lines, size_t count)
{
    printf("[\n");
    for (size_t i = 0; i < count; i++) {
        const report_line *line = &lines[i];
        printf("  {\"suite\": \"%s\", \"name\": \"%s\", \"batch\": %u, \"runs\": %u, "
               "\"events_per_s\": %.0f, \"low_per_s\": %.0f, \"high_per_s\": %.0f",
               line->suite, line->name, line->batch, line->runs, line->events_per_s.median,
               line->events_per_s.low, line->events_per_s.high);
        print_field("p50_us", line->p50_us);
        print_field("p99_us", line->p99_us);
        print_field("cpu_us_per_event", line->cpu_us_per_event);
        for (size_t k = 0; k < line->ratio_count; k++) {
            const report_ratio *ratio = &line->ratios[k];
            printf("%s\"%s\": {\"median\": %.3f, \"low\": %.3f, \"high\": %.3f}",
                   k == 0 ? ", \"ratio_to\": {" : ", ", ratio->to, ratio->times.median,
                   ratio->times.low, ratio->times.high);
        }
        printf("%s}%s\n", line->ratio_count > 0 ? "}" : "", i + 1 < count ? "," : "");
    }
    printf("]\n");
}
