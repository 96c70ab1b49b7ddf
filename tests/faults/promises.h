// faults/promises.h: the independent audit of a journal (tests/audit), held against a list of what
// was promised.
//
// Layer: tests/faults.   Threads: one owner.
#ifndef CEREBRO_TESTS_FAULTS_PROMISES_H
#define CEREBRO_TESTS_FAULTS_PROMISES_H

#include <stdbool.h>

#include "runtime/base/bytes.h"
#include "runtime/base/err.h"
#include "tools/braind/settings.h"

typedef struct promises promises; // packs and limits, read by the audit's own code

typedef struct promises_kept {
    uint64_t records;
    uint64_t first_seq;
    uint64_t acknowledged; // events that somebody was told are durable
    uint64_t published;    // decisions that somebody was told of
} promises_kept;

// promises_open reads the packs and the configuration that `flags` name, again and by itself.
//   errors    RT_ECONFIG
rt_err promises_open(const settings_flags *flags, promises **ret_promises) RT_MUST_USE;
// promises_check audits the journal in `dir`. Lines of `list` are "A SEQ TENANT SOURCE ID" for an
// acknowledged event and "P SEQ" for a published decision. `drained` expects everything decided.
//   errors    RT_ECORRUPT a promise is broken · RT_EPROTO a line that cannot be read
rt_err promises_check(const promises *p, const char *dir, rt_bytes list, bool drained,
                      promises_kept *ret_kept) RT_MUST_USE;

#endif
