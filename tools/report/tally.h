// report/tally.h: rows of counters by name.
//
// Layer: tools/report (may use runtime/base).   Threads: one owner.
#ifndef CEREBRO_TOOLS_REPORT_TALLY_H
#define CEREBRO_TOOLS_REPORT_TALLY_H

#include "runtime/base/arena.h"
#include "runtime/base/map.h"

#define TALLY_COLUMNS 8

typedef struct tally_row {
    rt_str name;
    uint64_t count[TALLY_COLUMNS];
    double sum; // of whatever the owner adds up
} tally_row;

typedef struct tally {
    rt_map *index;
    rt_arena *names;
    tally_row *rows;
    size_t count;
    size_t cap;
} tally;

// tally_init prepares an empty table.
void tally_init(tally *t);
// tally_fini releases it.
void tally_fini(tally *t);
// tally_at is the row of a name, made when it is new; valid until the next call.
tally_row *tally_at(tally *t, rt_str name);
// tally_add adds one to a column.
void tally_add(tally *t, rt_str name, size_t column);
// tally_total is the sum of a column.
uint64_t tally_total(const tally *t, size_t column);
// tally_sort puts the largest of a column first, equal ones by name; rows are not found by name
// afterwards, so it comes last.
void tally_sort(tally *t, size_t column);

#endif
