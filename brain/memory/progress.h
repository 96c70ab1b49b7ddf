// brain/memory/progress.h: what playbooks keep in mind from one event to another: windows of
// patterns, actions that are held, approvals asked for, budgets used.
//
// Layer: brain/memory.   Threads: brain loop.
// Rows change only when a decision is folded, by the writes that stand in its record; so whatever
// a playbook does over time can be read in the journal, and is the same when it is folded again.
// A value is an encoded message, whose kind `what` says (brain/core/messages.yaml).
#ifndef CEREBRO_BRAIN_MEMORY_PROGRESS_H
#define CEREBRO_BRAIN_MEMORY_PROGRESS_H

#include "brain/core/core_msgs.h"
#include "runtime/base/id.h"
#include "runtime/store/store.h"

#define BR_PROGRESS_KEY_MAX 80     // bytes of a row's name within its playbook
#define BR_PROGRESS_VALUE_MAX 61440 // bytes of a row's value

typedef struct br_progress br_progress;

typedef struct br_progress_row {
    rt_tenant tenant;
    rt_str what;
    rt_str playbook;
    rt_str key;
    rt_bytes value;
} br_progress_row;

// br_progress_owner is whose a row is: a mode and what guardrails count are of the playbook, and
// stand under the system's tenant; everything else is the tenant's of the event.
rt_tenant br_progress_owner(rt_str what, rt_tenant tenant);
// br_progress_new declares the store's table.
rt_err br_progress_new(rt_store *store, br_progress **ret) RT_MUST_USE;
// br_progress_free releases it (not the store); NULL is fine.
void br_progress_free(br_progress *progress);
// br_progress_get views a value, until the rows next change; false when there is none.
bool br_progress_get(const br_progress *progress, rt_tenant tenant, rt_str what, rt_str playbook,
                     rt_str key, rt_bytes *ret_value);
// br_progress_fold applies one write. A value over BR_PROGRESS_VALUE_MAX or a key over
// BR_PROGRESS_KEY_MAX is never written by a decision, and passed over.
void br_progress_fold(br_progress *progress, rt_tenant tenant, const msg_write *write);
// br_progress_next walks the rows from *cursor = 0; false at the end. The views last until the rows
// next change.
bool br_progress_next(const br_progress *progress, size_t *cursor, br_progress_row *ret_row);
// br_progress_count is the number of rows.
size_t br_progress_count(const br_progress *progress);

#endif
