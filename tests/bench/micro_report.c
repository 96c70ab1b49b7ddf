#include "tests/bench/micro_report.h"

#include <stdio.h>
#include <stdlib.h>

#include "runtime/base/check.h"

static int
by_value(const void *a, const void *b)
{
    const double *x = a;
    const double *y = b;

    return (*x > *y) - (*x < *y);
}

static double
median_of(micro_row *row)
{
    RT_ASSERT(row->runs > 0);
    qsort(row->ns, row->runs, sizeof(row->ns[0]), by_value);
    return (row->ns[(row->runs - 1) / 2] + row->ns[row->runs / 2]) / 2;
}

static void
print_text(micro_row *row)
{
    double median = median_of(row);

    printf("%-62s %10.1f  [%.1f .. %.1f]", row->name, median, row->ns[0], row->ns[row->runs - 1]);
    if (row->is_events) {
        printf("  %.0f events/s", 1e9 / median);
    }
    printf("\n");
}

static void
print_json(micro_row *row, bool is_last)
{
    double median = median_of(row);

    printf("  {\"suite\": \"micro\", \"name\": \"%s\", \"ns_per_op\": %.2f, \"low_ns\": %.2f, "
           "\"high_ns\": %.2f, \"ops\": %llu, \"runs\": %u",
           row->name, median, row->ns[0], row->ns[row->runs - 1], (unsigned long long)row->ops,
           row->runs);
    if (row->is_events) {
        printf(", \"events_per_s\": %.0f", 1e9 / median);
    }
    printf("}%s\n", is_last ? "" : ",");
}

void
micro_print(micro_row *rows, size_t count, const char *title, bool json)
{
    if (json) {
        printf("[\n");
    } else if (title != NULL) {
        printf("%-62s %10s  [lowest .. highest]\n", title, "ns");
    }
    for (size_t i = 0; i < count; i++) {
        if (json) {
            print_json(&rows[i], i + 1 == count);
        } else {
            print_text(&rows[i]);
        }
    }
    if (json) {
        printf("]\n");
    }
}
