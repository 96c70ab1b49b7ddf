// harness/patience.h: how much longer than usual a test waits, or what it measures may take.
//
// Layer: tests.   Threads: any.
#ifndef CEREBRO_TESTS_HARNESS_PATIENCE_H
#define CEREBRO_TESTS_HARNESS_PATIENCE_H

#include <stdlib.h>

#include "runtime/base/text.h"

// patience is 1, or what CEREBRO_PATIENCE says: what watches a program makes it many times slower.
static inline int64_t
patience(void)
{
    const char *text = getenv("CEREBRO_PATIENCE");
    int64_t times = 1;

    return text != NULL && rt_parse_i64(rt_str_of(text), &times) == RT_OK ? times : 1;
}

#endif
