#include "runtime/base/check.h"

#include <stdio.h>
#include <stdlib.h>

// Design notes.
// The report goes out with plain stdio on stderr, not through log.c: a failed assertion may be in
// the log itself. The context is per thread, because each loop thread works on its own message.

static _Thread_local const char *context;

void
rt_assert_failed(const char *expr, const char *file, int line)
{
    (void)fprintf(stderr, "%s:%d: assertion failed: %s\n", file, line, expr);
    if (context != NULL) {
        (void)fprintf(stderr, "  while: %s\n", context);
    }
    (void)fflush(stderr);
    abort();
}

void
rt_check_context(const char *text)
{
    context = text;
}
