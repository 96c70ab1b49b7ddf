// brain/playbook/trace.h: what every expression of a playbook says of one event, part by part.
//
// Layer: brain/playbook (may use runtime/**, brain/expr, brain/pack).   Threads: as the set.
// There is no evaluator of its own here: the verdict is that of br_playbooks_consult, and the parts
// are what the same compiled expressions report while they are evaluated (br_expr_trace).
#ifndef CEREBRO_BRAIN_PLAYBOOK_TRACE_H
#define CEREBRO_BRAIN_PLAYBOOK_TRACE_H

#include "brain/expr/expr.h"
#include "brain/playbook/playbook.h"

#define BR_TRACE_EXPRS_MAX 64 // of one playbook for one event

// One part of an expression, after the larger one that it belongs to.
typedef struct br_trace_part {
    rt_str text;
    uint32_t depth; // 0: a condition of its own, of those that && joins
    bool is_seen;   // false: what came before it decided
    rt_value value;
    br_expr_fault fault; // set instead of `value`
} br_trace_part;

typedef struct br_trace_expr {
    const char *block; // key of the file: "when", "throttle.key", "canary.by", "expect" ...
    rt_str name;       // part of a pattern or capture it belongs to; empty without
    rt_str source;
    rt_value value;
    br_expr_fault fault;
    const br_trace_part *parts;
    uint32_t part_count;
} br_trace_expr;

typedef struct br_trace {
    rt_str verdict; // as br_playbooks_consult says; empty: the playbook is not looked at
    rt_str detail;
    rt_str throttle_key;
    br_trace_expr exprs[BR_TRACE_EXPRS_MAX];
    uint32_t expr_count;
} br_trace;

// br_playbooks_trace looks at one playbook of a set, for an event in its situation. What follows a
// condition that is not true is not evaluated, as it is not live. Everything lies in `arena`, in
// the situation or in the set.
//   errors    RT_ENOMEM the arena's limit
rt_err br_playbooks_trace(const br_playbooks *set, rt_str id, const br_situation *situation,
                          rt_arena *arena, br_trace *ret) RT_MUST_USE;

// br_playbooks_concerns tells whether an event is one for the playbook: of a type that its rules
// name, a timer of its own (but that of a budget), or an answer to what it asked for.
bool br_playbooks_concerns(const br_playbooks *set, rt_str id, const rt_event *event);
// br_playbooks_names tells whether an event of that type may be one; without looking into it.
bool br_playbooks_names(const br_playbooks *set, rt_str id, const rt_event_type *type);

#endif
