// base/attr.h: compiler attributes and tiny macros; the only home of __attribute__.
//
// Layer: runtime/base (libc only).   Threads: any.
#ifndef CEREBRO_RUNTIME_BASE_ATTR_H
#define CEREBRO_RUNTIME_BASE_ATTR_H

#define RT_MUST_USE __attribute__((warn_unused_result))
// RT_IGNORE drops a result that must otherwise be used; say why beside it.
#define RT_IGNORE(call) ((void)!(call))
#define RT_PRINTF(fmt_index, first_arg) __attribute__((format(printf, fmt_index, first_arg)))
#define RT_NORETURN __attribute__((noreturn))
#define RT_NEVER_NULL __attribute__((returns_nonnull))
#define RT_UNUSED __attribute__((unused))
#define RT_HOT __attribute__((hot))
// RT_TARGET compiles one function for further processor features; ask for them before calling it.
#define RT_TARGET(features) __attribute__((target(features)))
#define RT_LIKELY(x) __builtin_expect(!!(x), 1)
#define RT_UNLIKELY(x) __builtin_expect(!!(x), 0)
// RT_NEVER tells compilers and analyzers what is promised and checked elsewhere: nobody comes here.
#define RT_NEVER() __builtin_unreachable()

// RT_COUNT is the number of elements of an array (not of a pointer).
#define RT_COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define RT_MIN(a, b) ((a) < (b) ? (a) : (b))
#define RT_MAX(a, b) ((a) > (b) ? (a) : (b))

#endif
