// report/print.h: the report for people and for programs.
//
// Layer: tools/report.   Threads: one owner.
#ifndef CEREBRO_TOOLS_REPORT_PRINT_H
#define CEREBRO_TOOLS_REPORT_PRINT_H

#include <stdio.h>

#include "tools/report/ledger.h"

#define PRINT_ALL ((size_t)-1)

typedef struct report {
    const ledger *ledger; // sorted
    const forecast_report *forecast;
    bool forecast_known; // there is something to judge
    double seconds;      // it took to read
    uint64_t wanted_ids; // of --expect-ids
    uint64_t absent_ids; // of those, not in the journal
} report;

// print_text writes the report; at most `rows` rows of each table.
void print_text(FILE *to, const report *r, size_t rows);

// print_json writes it as one JSON object, whole.
//   errors    RT_ELIMIT too large · RT_EIO
rt_err print_json(FILE *to, const report *r) RT_MUST_USE;

// print_time writes "2026-11-20 14:05" (UTC) and returns `buf`.
const char *print_time(int64_t at_ms, char buf[32]);

#endif
