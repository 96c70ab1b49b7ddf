// base/err.h: one error type for the whole house.
//
// Layer: runtime/base (libc only).   Threads: any (detail text is thread-local).
// Functions return rt_err or void. Outputs are `ret_*`, last, untouched on failure.
#ifndef CEREBRO_RUNTIME_BASE_ERR_H
#define CEREBRO_RUNTIME_BASE_ERR_H

#include "runtime/base/attr.h"

#define RT_ERR_DETAIL_MAX 512

typedef enum rt_err {
    RT_OK = 0,
#define X(name, code, class, text) name = (code),
#include "runtime/base/err.def"
#undef X
} rt_err;

typedef enum rt_err_class {
    RT_CLASS_ok,
    RT_CLASS_retry,
    RT_CLASS_reject,
    RT_CLASS_fatal,
} rt_err_class;

// rt_err_text is the short English text of a code ("unknown error" for none of ours).
const char *rt_err_text(rt_err err);

// rt_err_name is the enumerator as text, e.g. "RT_EPROTO".
const char *rt_err_name(rt_err err);

// rt_err_class_of says whether to retry, reject or stop.
rt_err_class rt_err_class_of(rt_err err);

// rt_fail records where and why an error began, and returns it; use at the origin only. It is
// rt_fail_at with the caller's place. `err` is never RT_OK.
#define rt_fail(err, ...) rt__failure(rt_fail_at(__FILE__, __LINE__, (err), __VA_ARGS__))
rt_err rt_fail_at(const char *file, int line, rt_err err, const char *fmt, ...) RT_PRINTF(4, 5);

// rt__failure says to compilers and analyzers what rt_fail_at asserts: this is not RT_OK.
static inline rt_err
rt__failure(rt_err err)
{
    if (err == RT_OK) {
        RT_NEVER();
    }
    return err;
}

// rt_err_detail is the text of this thread's last rt_fail, without file and line; never NULL.
const char *rt_err_detail(void);

// rt_err_where is "file:line" of this thread's last rt_fail; never NULL.
const char *rt_err_where(void);

#endif
