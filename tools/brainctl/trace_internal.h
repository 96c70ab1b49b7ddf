// brainctl/trace_internal.h: shared by the files trace*.c only.
#ifndef CEREBRO_TOOLS_BRAINCTL_TRACE_INTERNAL_H
#define CEREBRO_TOOLS_BRAINCTL_TRACE_INTERNAL_H

#include "runtime/base/map.h"
#include "tools/brainctl/trace.h"

// The playbook as it stood in a set.
typedef struct ctl__compiled {
    const ctl_set *set; // the first one with this text
    rt_str text;
    br_playbooks *rules; // NULL: it does not fit the pack of today
} ctl__compiled;

struct ctl_tracer {
    ctl_run *run;
    const br_pack *pack;
    const char *journal;
    const ctl_sets *sets;
    ctl_trace_query query;
    ctl_kept *kept; // ring
    size_t cap;
    size_t first;
    size_t count;
    rt_map *waiting; // number of an event -> place in the ring; its decision is to come
    ctl__compiled *rules;
    size_t rule_count;
    size_t rule_cap;
    const ctl_set *last_set; // asked for last, and its rules
    const br_playbooks *last_rules;
    rt_arena *arena; // of one event
    br_situation *situation;
    rt_event event;
    msg_decision decision;
};

// ctl__rules_in gives the playbook's rules in a set; NULL when it was not in it, or does not fit
// the pack.
const br_playbooks *ctl__rules_in(ctl_tracer *t, const ctl_set *set);
// ctl__is_wanted tells whether the query asks for an event, as far as that tells.
bool ctl__is_wanted(const ctl_tracer *t, const rt_event *event);
// ctl__kept_new makes room for one more event, in the place of the oldest when all is used.
ctl_kept *ctl__kept_new(ctl_tracer *t);
// ctl__kept_bytes keeps the bytes of an event and of its decision.
void ctl__kept_bytes(ctl_kept *kept, rt_bytes payload, rt_bytes decision);
// ctl__kept_forget drops what was found.
void ctl__kept_forget(ctl_tracer *t);
// ctl__expect notes that the decision on a kept event is to come; ctl__decided keeps it.
void ctl__expect(ctl_tracer *t, const ctl_kept *kept);
void ctl__decided(ctl_tracer *t, uint64_t seq, int64_t at_ms, rt_bytes decision);

#endif
