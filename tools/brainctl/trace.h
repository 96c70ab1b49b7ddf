// brainctl/trace.h: what a playbook said of recorded events, evaluated again part by part.
//
// Layer: tools/brainctl (may use brain/playbook).   Threads: one.
// Conditions are evaluated by the set that was live at the event, with what its record says was
// known then; what came of it stands in the record of its decision.
#ifndef CEREBRO_TOOLS_BRAINCTL_TRACE_H
#define CEREBRO_TOOLS_BRAINCTL_TRACE_H

#include "brain/core/backtest.h"
#include "brain/playbook/trace.h"
#include "tools/braind/settings.h"
#include "tools/brainctl/sets.h"
#include "tools/brainctl/verdict.h"

#define CTL_TRACED_MAX 100000 // events at a time

// One event as it was kept.
typedef struct ctl_kept {
    uint64_t seq;
    int64_t at_ms;
    uint8_t flags;
    const ctl_set *set;
    rt_bytes payload;
    rt_bytes decision; // empty: there is none
    int64_t decided_ms;
    uint8_t *bytes; // of both
    size_t cap;
} ctl_kept;

// Which events are wanted.
typedef struct ctl_trace_query {
    const char *playbook;
    rt_str type;    // empty: all that it hears
    rt_str subject; // empty: all
    rt_str event_id; // only this one; empty: all
    uint64_t seq;     // only this one; 0 = all
    int64_t since_ms; // 0 = from the first
    uint64_t last;    // at most so many, the newest
} ctl_trace_query;

typedef struct ctl_tracer ctl_tracer;

// One event with everything that is known of it; until the next is asked for.
typedef struct ctl_traced {
    uint64_t seq;
    int64_t at_ms;
    uint64_t version; // of the set that judged it
    const rt_event *event;
    br_trace trace;
    const msg_decision *decision; // NULL: not decided
    ctl_verdict verdict;
    bool agrees; // the record says what is said now; false: the pack, or the program, was another
} ctl_traced;

// ctl_tracer_new makes one over a journal; `sets` and `pack` outlive it.
ctl_tracer *ctl_tracer_new(ctl_run *run, const br_pack *pack, const char *journal,
                           const ctl_sets *sets) RT_MUST_USE;
// ctl_tracer_free releases it; NULL is fine.
void ctl_tracer_free(ctl_tracer *tracer);
// ctl_tracer_find looks for events; what is wrong is reported.   returns the exit code
int ctl_tracer_find(ctl_tracer *tracer, const ctl_trace_query *query);
// ctl_tracer_play does so by deciding the journal again with another set (brain/core/backtest.h):
// what an edit would have said, with what would have been known then.
//   events   may be NULL; else only they are traced, which happen after the end: JSON lines or a
//            list, of `file`; id, source and time may be missing
typedef struct ctl_play {
    const br_backtest_config *backtest; // without what is told; `files` is the set
    const ctl_set *set;
    const settings *settings;
    const char *file;
    rt_str events;
} ctl_play;
int ctl_tracer_play(ctl_tracer *tracer, const ctl_trace_query *query, const ctl_play *play);
// ctl_tracer_count is how many were found; ctl_tracer_at evaluates one, oldest first; what is wrong
// is reported.   returns the exit code
size_t ctl_tracer_count(const ctl_tracer *tracer);
int ctl_tracer_at(ctl_tracer *tracer, size_t index, ctl_traced *ret_traced);

// --- trace_show.c ---
// ctl_trace_put writes the parts of a trace as a tree, ctl_trace_write as a list under a key.
void ctl_trace_put(ctl_run *run, const br_trace *trace, uint32_t indent);
void ctl_trace_write(rt_mpw *w, const br_trace *trace);

#endif
