// faults/check.h: is a data directory what a brain may leave behind?
//
// Layer: tests/faults.   Threads: one, in a process of its own: a brain is opened, and not freed.
#ifndef CEREBRO_TESTS_FAULTS_CHECK_H
#define CEREBRO_TESTS_FAULTS_CHECK_H

#include "tests/faults/promises.h"

typedef struct check_figures {
    uint64_t records;
    uint64_t acknowledged; // events that somebody was told are durable
    uint64_t published;    // decisions that somebody was told of
    uint64_t torn_bytes;   // cut off at the journal's end
    bool is_recycled;      // its beginning is gone: no fold of it
} check_figures;

// check_data opens the data directory as braind does and compares: every line of `list`
// stands in the journal once and at its place, the independent audit finds nothing, the state is
// the fold of the journal. `whole` goes on with agents until everything is decided, stops, and
// compares state, agents and decisions with a replay.
//   errors    RT_ECORRUPT something is not as promised · whatever opening it gave
rt_err check_data(settings *settings, const promises *known, rt_bytes list, bool whole,
                  check_figures *ret_figures) RT_MUST_USE;

#endif
