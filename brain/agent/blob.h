// brain/agent/blob.h: bytes of any length kept in table rows of bounded size.
//
// Layer: brain/agent.   Threads: the host's loop thread.
// A row holds at most RT_STORE_VALUE_MAX bytes; a playbook set or an answer may be longer. A blob
// is a number and as many rows as it needs; it changes as a whole within one cut of the store.
#ifndef CEREBRO_BRAIN_AGENT_BLOB_H
#define CEREBRO_BRAIN_AGENT_BLOB_H

#include "runtime/store/key.h"
#include "runtime/store/store.h"

// br_blob_put sets blob `number` (replaces a former one).
void br_blob_put(rt_table *table, uint64_t number, rt_bytes bytes);
// br_blob_get copies a blob into the arena.
//   errors    RT_ENOTFOUND there is none · RT_ECORRUPT rows of it are missing · RT_ENOMEM
rt_err br_blob_get(const rt_table *table, uint64_t number, rt_arena *arena,
                   rt_bytes *ret_bytes) RT_MUST_USE;
// br_blob_del removes a blob; false when there was none.
bool br_blob_del(rt_table *table, uint64_t number);
// br_blob_next walks the numbers of the blobs in a table that holds nothing else, from *cursor = 0.
bool br_blob_next(const rt_table *table, size_t *cursor, uint64_t *ret_number);

#endif
