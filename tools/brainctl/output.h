// brainctl/output.h: standard output, JSON documents, and errors.
//
// Layer: tools/brainctl.   Threads: one.
// Data goes to standard output, everything else to standard error. With -o json every command
// writes exactly one JSON value, also one that streams; with jsonl one value a line.
#ifndef CEREBRO_TOOLS_BRAINCTL_OUTPUT_H
#define CEREBRO_TOOLS_BRAINCTL_OUTPUT_H

#include "tools/brainctl/cli.h"
#include "tools/brainctl/render.h"

// ctl_flush writes run->out to standard output and empties it.
void ctl_flush(ctl_run *run);
// ctl_is_json tells whether JSON is wanted.
bool ctl_is_json(const ctl_run *run);
// ctl_put_json writes one value: indented as json, on a line as jsonl; `ok` of an answer is left
// out.
void ctl_put_json(ctl_run *run, rt_bytes value);
// ctl_list_begin, ctl_list_item and ctl_list_end write a list of values.
void ctl_list_begin(ctl_run *run);
void ctl_list_item(ctl_run *run, rt_bytes value);
void ctl_list_end(ctl_run *run);
// ctl_put_grid writes a table as the flags ask for it.
void ctl_put_grid(ctl_run *run, const ctl_grid *grid, uint32_t indent);
// ctl_put_pairs writes what a map holds, one dotted path and value a line; head fields of a record
// (seq, kind, at_ms) are left out.
void ctl_put_pairs(ctl_run *run, rt_bytes map, uint32_t indent);
// ctl_end_line ends a line without spaces before its end.
void ctl_end_line(ctl_run *run);
// ctl_heading writes the heading of a section; ctl_say formats plain text into run->out.
void ctl_heading(ctl_run *run, const char *text);
void ctl_say(ctl_run *run, const char *fmt, ...) RT_PRINTF(2, 3);
// ctl_put appends cleaned text in a style.
void ctl_put(ctl_run *run, ctl_style style, rt_str text);

// ctl_error says what went wrong (on standard error, as JSON when that is asked for) and returns
// the exit code; `hint` may be empty.
int ctl_error(const ctl_run *run, rt_str code, rt_str text, rt_str hint);
// ctl_fail does so for an rt_err with its detail; `hint` may be NULL.
int ctl_fail(const ctl_run *run, rt_err err, const char *hint);
// ctl_refuse does so for a formatted text.
int ctl_refuse(const ctl_run *run, rt_err err, const char *hint, const char *fmt, ...)
    RT_PRINTF(4, 5);
// ctl_exit_code is the exit code of an error's name.
int ctl_exit_code(rt_str code);
// ctl_note writes a line on standard error unless -q or JSON was asked for.
void ctl_note(const ctl_run *run, const char *fmt, ...) RT_PRINTF(2, 3);
// ctl_setup finds out about terminal and colours, and catches interruptions.
void ctl_setup(ctl_run *run);

#endif
