#include "runtime/base/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "runtime/base/check.h"
#include "runtime/base/text.h"

// Design notes.
// Everything about an error comes from err.def, so a new code is one line there. The detail text
// is thread-local: rt_fail is called at the origin only and read by whoever decides what to do,
// on the same thread, before anything else fails.
//
// A full queue is an everyday answer, so failing has to be cheap: a constant detail is copied, not
// formatted, and the place is made into text only when somebody asks.

#define WHERE_MAX 160

static _Thread_local char detail[RT_ERR_DETAIL_MAX];
static _Thread_local const char *where_file;
static _Thread_local int where_line;
static _Thread_local char where[WHERE_MAX];

const char *
rt_err_text(rt_err err)
{
    switch (err) {
    case RT_OK:
        return "ok";
#define X(name, code, class, text)                                                                 \
    case name:                                                                                     \
        return text;
#include "runtime/base/err.def"
#undef X
    }
    return "unknown error";
}

const char *
rt_err_name(rt_err err)
{
    switch (err) {
    case RT_OK:
        return "RT_OK";
#define X(name, code, class, text)                                                                 \
    case name:                                                                                     \
        return #name;
#include "runtime/base/err.def"
#undef X
    }
    return "RT_E?";
}

rt_err_class
rt_err_class_of(rt_err err)
{
    switch (err) {
    case RT_OK:
        return RT_CLASS_ok;
#define X(name, code, class, text)                                                                 \
    case name:                                                                                     \
        return RT_CLASS_##class;
#include "runtime/base/err.def"
#undef X
    }
    // A code from a newer peer: the input is refused rather than retried for ever.
    return RT_CLASS_reject;
}

rt_err
rt_fail_at(const char *file, int line, rt_err err, const char *fmt, ...)
{
    // Formatted aside first: an argument may be rt_err_detail() itself.
    char text[RT_ERR_DETAIL_MAX];
    rt_str whole = {fmt, strcspn(fmt, "%")};
    va_list args;

    RT_ASSERT(err != RT_OK);
    if (fmt[whole.len] != '\0' || whole.len >= sizeof(text)) {
        va_start(args, fmt);
        (void)vsnprintf(text, sizeof(text), fmt, args);
        va_end(args);
        // Details go into records, which hold whole characters only.
        whole = rt_utf8_whole(rt_str_of(text));
    }
    memcpy(detail, whole.ptr, whole.len);
    detail[whole.len] = '\0';
    where_file = file;
    where_line = line;
    return err;
}

const char *
rt_err_detail(void)
{
    return detail;
}

const char *
rt_err_where(void)
{
    if (where_file != NULL) {
        (void)snprintf(where, sizeof(where), "%s:%d", where_file, where_line);
    }
    return where;
}
