// brainctl/query.h: records of the journal, from a live brain or from the files of a stopped one.
//
// Layer: tools/brainctl.   Threads: one.
#ifndef CEREBRO_TOOLS_BRAINCTL_QUERY_H
#define CEREBRO_TOOLS_BRAINCTL_QUERY_H

#include "tools/brainctl/cli.h"

typedef struct ctl_query {
    const char *kind; // "event", "decision" or a list of kinds
    rt_str type;
    rt_str subject;
    rt_str tenant;
    bool said;
    bool context;
    bool newest;   // the last `limit` before `from`
    uint64_t from; // newest: 0 = from the end
    uint64_t limit;
} ctl_query;

typedef struct ctl_found {
    rt_bytes *items; // in journal order, in run->arena
    size_t count;
    size_t cap;
    uint64_t last_seq; // of the journal
} ctl_found;

// ctl_query_of reads the query of a list or tail command from its flags.
ctl_query ctl_query_of(const ctl_run *run, const char *kind, uint64_t limit);
// ctl_query_run finds records; an error is reported.   returns the exit code
int ctl_query_run(ctl_run *run, const ctl_query *query, ctl_found *ret_found);
// ctl_found_add and ctl_found_free keep items.
void ctl_found_add(ctl_found *found, rt_bytes item);
void ctl_found_free(ctl_found *found);
// ctl_explain_run gives {event, decision, outcomes, end} of a record; an error is reported.
int ctl_explain_run(ctl_run *run, uint64_t seq, rt_bytes *ret_answer);

// --- offline.c ---
// ctl_offline_query and ctl_offline_explain do the same on the files below --data.
int ctl_offline_query(ctl_run *run, const ctl_query *query, ctl_found *ret_found);
int ctl_offline_explain(ctl_run *run, uint64_t seq, rt_bytes *ret_answer);

#endif
