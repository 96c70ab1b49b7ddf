// brainctl/tail.h: shows records as they are made, without a gap between the past and the present.
//
// Layer: tools/brainctl.   Threads: one.
#ifndef CEREBRO_TOOLS_BRAINCTL_TAIL_H
#define CEREBRO_TOOLS_BRAINCTL_TAIL_H

#include "tools/brainctl/query.h"

// ctl_tail writes the query's newest records and then new ones until interrupted; `put_line`
// appends one to run->out as text.   returns the exit code
int ctl_tail(ctl_run *run, const ctl_query *query, void (*put_line)(ctl_run *run, rt_bytes item));
// ctl_read_seq reads a record's number from the command line; a mistake is reported.
int ctl_read_seq(const ctl_run *run, const char *text, uint64_t *ret_seq);

#endif
