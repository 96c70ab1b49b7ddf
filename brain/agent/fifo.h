// brain/agent/fifo.h: a queue of small values in a table, for forgetting what is old.
//
// Layer: brain/agent (may use runtime/store).   Threads: the host's loop thread only.
// Rows of a table come back in another order after a restart, so an agent that has to forget its
// oldest rows keeps their order here: entries are numbered per tenant and queue, and two numbers in
// a row of their own say where the queue begins and ends. The table may hold other rows too; no
// other row of the table may use a key of tenant, text "#", queue name.
#ifndef CEREBRO_BRAIN_AGENT_FIFO_H
#define CEREBRO_BRAIN_AGENT_FIFO_H

#include "runtime/store/key.h"
#include "runtime/store/store.h"

#define BR_FIFO_NAME_MAX 15
#define BR_FIFO_VALUE_MAX 192

// br_fifo is one queue of one tenant; it holds no state of its own.
typedef struct br_fifo {
    rt_table *table;
    rt_tenant tenant;
    const char *name; // at most BR_FIFO_NAME_MAX bytes
} br_fifo;

// br_fifo_push appends a value (at most BR_FIFO_VALUE_MAX bytes) with its time.
void br_fifo_push(br_fifo fifo, int64_t at_ms, rt_bytes value);
// br_fifo_head reads the oldest entry; false when the queue is empty. The view lasts until the
// table next changes.
bool br_fifo_head(br_fifo fifo, int64_t *ret_at_ms, rt_bytes *ret_value);
// br_fifo_pop removes the oldest entry; nothing happens when the queue is empty.
void br_fifo_pop(br_fifo fifo);
// br_fifo_count is the number of entries.
uint64_t br_fifo_count(br_fifo fifo);

#endif
