// healing/run.h: the row of a running remediation, and what is remembered of steps.
//
// Layer: agents/healing.   Threads: the host's loop thread.
#ifndef CEREBRO_AGENTS_HEALING_RUN_H
#define CEREBRO_AGENTS_HEALING_RUN_H

#include "agents/healing/policy.h"
#include "runtime/store/key.h"
#include "runtime/store/store.h"

#define HEALING_RUN_VERSION 1
#define HEALING_KEPT_MAX 128

// healing_kept is a text of the anomaly, kept for the templates of later steps.
typedef struct healing_kept {
    uint16_t len;
    char text[HEALING_KEPT_MAX];
} healing_kept;

// healing_run is one remediation under way; stored, made from a zeroed struct.
typedef struct healing_run {
    uint32_t version;
    uint32_t status; // healing_status
    uint32_t step;
    uint32_t cleared;
    int64_t started_ms;
    uint64_t seq; // event the present step was proposed on
    double value;
    double expected_low;
    double expected_high;
    double score;
    healing_kept playbook;
    healing_kept metric;
    healing_kept kind;
    healing_kept scope;
    healing_kept severity;
    healing_kept detectors;
    healing_kept subject;
    healing_kept why; // of a refusal or failure
    uint32_t steps_taken;
    uint32_t tried_len;
    char tried[HEALING_TRIED_MAX + 4];
} healing_run;

_Static_assert(sizeof(healing_run) == 64 + 8 * 130 + 8 + HEALING_TRIED_MAX + 4,
               "healing_run is stored: no padding");

// healing_rows is the agent's tables.
typedef struct healing_rows {
    rt_table *runs;    // by scope, and by seq of the event a step was proposed on
    rt_table *tallies; // by playbook and step
} healing_rows;

// healing_keep copies a text, cut to what is kept; healing_view views it.
void healing_keep(healing_kept *into, rt_str text);
rt_str healing_view(const healing_kept *from);

// healing_run_read copies the run of a scope; false when none is under way.
bool healing_run_read(const healing_rows *rows, rt_tenant tenant, rt_str scope,
                      healing_run *ret_run);
// healing_run_of_seq copies the run whose present step was proposed on event `seq`.
bool healing_run_of_seq(const healing_rows *rows, rt_tenant tenant, uint64_t seq,
                        healing_run *ret_run);
// healing_run_write stores it.
void healing_run_write(const healing_rows *rows, rt_tenant tenant, const healing_run *run);
// healing_run_moved stores it with its present step proposed on event `seq`.
void healing_run_moved(const healing_rows *rows, rt_tenant tenant, healing_run *run, uint64_t seq);
// healing_run_forget removes it.
void healing_run_forget(const healing_rows *rows, rt_tenant tenant, const healing_run *run);
// healing_run_note adds what came of the present step to the list of what was tried.
void healing_run_note(healing_run *run, rt_str action, const char *result);
// healing_run_lookup is the br_remediation_lookup of a run (`user`).
bool healing_run_lookup(void *user, rt_str path, rt_text *out);

// healing_tally_edit returns the tally of the run's present step for changing, until the tallies
// change next.
healing_tally *healing_tally_edit(const healing_rows *rows, rt_tenant tenant,
                                  const healing_run *run);

// healing_rest leaves a scope to people from `at_ms` on; healing_rest_end takes that back.
void healing_rest(const healing_rows *rows, rt_tenant tenant, rt_str scope, int64_t at_ms);
void healing_rest_end(const healing_rows *rows, rt_tenant tenant, rt_str scope);
// healing_is_resting tells whether it was left to people less than `for_ms` ago.
bool healing_is_resting(const healing_rows *rows, rt_tenant tenant, rt_str scope, int64_t now_ms,
                        int64_t for_ms);

#endif
