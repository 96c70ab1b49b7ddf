// base/check.h: assertions, on in release as well.
//
// Layer: runtime/base.   Threads: any.
// An assertion states what must hold whatever arrives from outside; data from a socket, file or
// model is never asserted but rejected with an rt_err.
#ifndef CEREBRO_RUNTIME_BASE_CHECK_H
#define CEREBRO_RUNTIME_BASE_CHECK_H

#include "runtime/base/attr.h"

// RT_ASSERT stops the process with a report when `x` is false. No side effects inside.
#define RT_ASSERT(x) (RT_LIKELY(x) ? (void)0 : rt_assert_failed(#x, __FILE__, __LINE__))
// RT_UNREACHABLE marks a place that no input can reach, with the reason.
#define RT_UNREACHABLE(why) rt_assert_failed("unreachable: " why, __FILE__, __LINE__)
// RT_CHECK asserts that `obj` is a live object of its kind (first member `uint32_t magic`).
#define RT_CHECK(obj, want) RT_ASSERT((obj) != NULL && (obj)->magic == (want))

// rt_assert_failed prints the expression, place and the registered crash context, then aborts.
RT_NORETURN void rt_assert_failed(const char *expr, const char *file, int line);

// rt_check_context registers one line (actor and message in work) for a crash report.
//   owns      borrows `text`; it must stay valid until replaced or cleared with NULL
void rt_check_context(const char *text);

#endif
