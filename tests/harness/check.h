// harness/check.h: thin macros over cmocka that print both values and stop the running test.
//
// Layer: tests (any test may include it; links runtime/base for error names).   Threads: any.
// Each macro evaluates its arguments once. A failure names the test's own file and line.
// NB: cmocka.h is the one third-party header named in a header here: the tests are built of it.
#ifndef CEREBRO_TESTS_HARNESS_CHECK_H
#define CEREBRO_TESTS_HARNESS_CHECK_H

#include <inttypes.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "runtime/base/attr.h"
#include "runtime/base/bytes.h"
#include "runtime/base/err.h"

// CHECK_OK wants RT_OK and prints the error's name and detail when it is not.
#define CHECK_OK(expr) check_ok_at((expr), #expr, __FILE__, __LINE__)
// CHECK_ERR wants exactly the error `want`.
#define CHECK_ERR(expr, want) check_err_at((expr), (want), #expr, __FILE__, __LINE__)
// CHECK_TRUE wants a true condition; CHECK_FALSE a false one.
#define CHECK_TRUE(expr) ((expr) ? (void)0 : check_broken_at(#expr, __FILE__, __LINE__))
#define CHECK_FALSE(expr) ((expr) ? check_broken_at("!(" #expr ")", __FILE__, __LINE__) : (void)0)
// CHECK_INT wants two equal signed integers; CHECK_U64 two equal unsigned ones.
#define CHECK_INT(got, want)                                                                       \
    check_int_at((int64_t)(got), (int64_t)(want), #got, __FILE__, __LINE__)
#define CHECK_U64(got, want)                                                                       \
    check_u64_at((uint64_t)(got), (uint64_t)(want), #got, __FILE__, __LINE__)
// CHECK_STR wants the rt_str `got` to equal the NUL-terminated `want`; CHECK_CSTR compares two
// NUL-terminated strings.
#define CHECK_STR(got, want) check_str_at((got), rt_str_of(want), #got, __FILE__, __LINE__)
#define CHECK_CSTR(got, want)                                                                      \
    check_str_at(rt_str_of(got), rt_str_of(want), #got, __FILE__, __LINE__)
// CHECK_HAS wants the rt_str `got`, which no NUL ends, to hold the NUL-terminated `part`.
#define CHECK_HAS(got, part) check_has_at((got), rt_str_of(part), #got, __FILE__, __LINE__)
// CHECK_BYTES wants two equal byte views and prints the first place where they differ.
#define CHECK_BYTES(got, want) check_bytes_at((got), (want), #got, __FILE__, __LINE__)
// CHECK_NEAR wants |got - want| <= eps.
#define CHECK_NEAR(got, want, eps)                                                                 \
    check_near_at((double)(got), (double)(want), (double)(eps), #got, __FILE__, __LINE__)
// CHECK_RUN runs an array of CMUnitTest and is the value for main() to return.
#define CHECK_RUN(tests) cmocka_run_group_tests((tests), NULL, NULL)

// check_fail_at ends the test: cmocka's _fail does not come back, which its header does not say.
RT_NORETURN static inline void
check_fail_at(const char *file, int line)
{
    _fail(file, line);
    RT_NEVER();
}

// check_ok_at implements CHECK_OK.
static inline void
check_ok_at(rt_err err, const char *expr, const char *file, int line)
{
    if (err != RT_OK) {
        print_error("%s: got %s (%s, at %s), want RT_OK\n", expr, rt_err_name(err),
                    rt_err_detail(), rt_err_where());
        check_fail_at(file, line);
    }
}

// check_err_at implements CHECK_ERR.
static inline void
check_err_at(rt_err got, rt_err want, const char *expr, const char *file, int line)
{
    if (got != want) {
        print_error("%s: got %s, want %s\n", expr, got == RT_OK ? "RT_OK" : rt_err_name(got),
                    want == RT_OK ? "RT_OK" : rt_err_name(want));
        check_fail_at(file, line);
    }
}

// check_broken_at implements CHECK_TRUE and CHECK_FALSE, for conditions that do not hold.
RT_NORETURN static inline void
check_broken_at(const char *expr, const char *file, int line)
{
    print_error("%s: does not hold\n", expr);
    check_fail_at(file, line);
}

// check_int_at implements CHECK_INT.
static inline void
check_int_at(int64_t got, int64_t want, const char *expr, const char *file, int line)
{
    if (got != want) {
        print_error("%s: got %" PRId64 ", want %" PRId64 "\n", expr, got, want);
        check_fail_at(file, line);
    }
}

// check_u64_at implements CHECK_U64.
static inline void
check_u64_at(uint64_t got, uint64_t want, const char *expr, const char *file, int line)
{
    if (got != want) {
        print_error("%s: got %" PRIu64 " (0x%" PRIx64 "), want %" PRIu64 " (0x%" PRIx64 ")\n", expr,
                    got, got, want, want);
        check_fail_at(file, line);
    }
}

// check_str_at implements CHECK_STR and CHECK_CSTR.
static inline void
check_str_at(rt_str got, rt_str want, const char *expr, const char *file, int line)
{
    if (!rt_str_equal(got, want)) {
        print_error("%s: got \"%.*s\" (%zu bytes), want \"%.*s\" (%zu bytes)\n", expr,
                    RT_STR_ARG(got), got.len, RT_STR_ARG(want), want.len);
        check_fail_at(file, line);
    }
}

// check_has_at implements CHECK_HAS.
static inline void
check_has_at(rt_str got, rt_str part, const char *expr, const char *file, int line)
{
    if (memmem(got.ptr, got.len, part.ptr, part.len) == NULL) {
        print_error("%s: got \"%.*s\", want \"%.*s\" in it\n", expr, RT_STR_ARG(got),
                    RT_STR_ARG(part));
        check_fail_at(file, line);
    }
}

// check_bytes_at implements CHECK_BYTES.
static inline void
check_bytes_at(rt_bytes got, rt_bytes want, const char *expr, const char *file, int line)
{
    size_t at = 0;

    if (rt_bytes_equal(got, want)) {
        return;
    }
    while (at < got.len && at < want.len && got.ptr[at] == want.ptr[at]) {
        at++;
    }
    if (at < got.len && at < want.len) {
        print_error("%s: byte %zu: got 0x%02x, want 0x%02x\n", expr, at, got.ptr[at],
                    want.ptr[at]);
    } else {
        print_error("%s: got %zu bytes, want %zu; equal up to there\n", expr, got.len, want.len);
    }
    check_fail_at(file, line);
}

// check_near_at implements CHECK_NEAR; a NaN is near nothing.
static inline void
check_near_at(double got, double want, double eps, const char *expr, const char *file, int line)
{
    if (!(fabs(got - want) <= eps)) {
        print_error("%s: got %.17g, want %.17g within %g\n", expr, got, want, eps);
        check_fail_at(file, line);
    }
}

#endif
