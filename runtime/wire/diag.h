// wire/diag.h: diagnostics for people: file:line:col, the offending text, a caret, a suggestion.
//
// Layer: runtime/wire.   Threads: one owner.
#ifndef CEREBRO_RUNTIME_WIRE_DIAG_H
#define CEREBRO_RUNTIME_WIRE_DIAG_H

#include "runtime/base/text.h"

#define RT_DIAG_MAX 200

typedef enum rt_severity { RT_SEVERITY_ERROR, RT_SEVERITY_WARNING } rt_severity;

// Where something stands in a source text; line and column count from 1 (0 = unknown).
typedef struct rt_mark {
    uint32_t line;
    uint32_t column;
    uint32_t length; // of the text to underline, 0 = one character
} rt_mark;

typedef struct rt_finding {
    const char *file; // "<input>" when none was named
    rt_severity severity;
    rt_mark mark;
    const char *code;
    const char *message;
    const char *help; // NULL = none
} rt_finding;

typedef struct rt_diag rt_diag; // an ordered list of findings

// rt_diag_new makes an empty list; findings past RT_DIAG_MAX are only counted.
rt_diag *rt_diag_new(void) RT_MUST_USE;
// rt_diag_free releases it; NULL is fine.
void rt_diag_free(rt_diag *diag);
// rt_diag_source makes `text` (copied) the file that following findings belong to.
void rt_diag_source(rt_diag *diag, const char *file, rt_str text);
// rt_diag_add records one finding. `code` is stable, e.g. "B2107"; `help` may be NULL.
void rt_diag_add(rt_diag *diag, rt_severity severity, const char *code, rt_mark mark,
                 const char *help, const char *fmt, ...) RT_PRINTF(6, 7);
// rt_diag_errors and rt_diag_warnings count findings.
size_t rt_diag_errors(const rt_diag *diag);
size_t rt_diag_warnings(const rt_diag *diag);
// rt_diag_sort orders the findings by file, in the order in which the files came, and by place, and
// keeps one of those that say the same of the same place.
void rt_diag_sort(rt_diag *diag);
// rt_diag_count and rt_diag_at list the findings kept, for writers of other forms; what is viewed
// lives as long as `diag` is not added to.
size_t rt_diag_count(const rt_diag *diag);
rt_finding rt_diag_at(const rt_diag *diag, size_t index);
// rt_diag_render appends all findings in the form
//   file:line:col: error[B2107]: message
//     14 |   when: data.delay_mins > 30
//        |         ^^^^^^^^^^^^^^^
//        = help: did you mean 'delay_min'?
void rt_diag_render(const rt_diag *diag, rt_text *out);
// rt_diag_render_gcc appends one "file:line:col: error: message [code]" line a finding.
void rt_diag_render_gcc(const rt_diag *diag, rt_text *out);
// rt_diag_render_json appends a JSON array of {file,line,column,severity,code,message,help}.
void rt_diag_render_json(const rt_diag *diag, rt_text *out);
// rt_diag_did_you_mean formats "did you mean 'x'?" for the nearest of `names` within distance 2
// into `buf` and returns it, or NULL when none is near.
const char *rt_diag_did_you_mean(rt_str given, const rt_str *names, size_t count, char *buf,
                                 size_t cap);

#endif
