// brain/memory/longterm.h: long-term memory: what was important, recalled by subject, type or tag.
//
// Layer: brain/memory.   Threads: brain loop.
// An event whose type's importance is above BR_LONG_TERM_IMPORTANCE is remembered under its
// subject, its type and its tags. Each of those rows keeps the BR_MEMORIES_MAX most valuable
// entries: when it is full, the least important one goes, the oldest first among equals. An entry
// names the journal record; the record itself holds the rest.
#ifndef CEREBRO_BRAIN_MEMORY_LONGTERM_H
#define CEREBRO_BRAIN_MEMORY_LONGTERM_H

#include "runtime/store/store.h"
#include "runtime/wire/event.h"

#define BR_LONG_TERM_IMPORTANCE 0.7
#define BR_MEMORIES_MAX 16

typedef enum br_recall_by { BR_BY_SUBJECT, BR_BY_TYPE, BR_BY_TAG } br_recall_by;

typedef struct br_memory_entry {
    uint64_t seq;
    int64_t at_ms;
    uint32_t type; // hash of the event type's name
    float importance;
} br_memory_entry;

typedef struct br_longterm br_longterm;

// br_longterm_new declares the store's table; rows_max bounds how many rows are kept.
rt_err br_longterm_new(rt_store *store, uint64_t rows_max, br_longterm **ret) RT_MUST_USE;
// br_longterm_free releases it (not the store).
void br_longterm_free(br_longterm *longterm);
// br_longterm_remember folds an event that is important enough; others are passed over.
void br_longterm_remember(br_longterm *longterm, const rt_event *event);
// br_longterm_recall copies up to BR_MEMORIES_MAX entries since `since_ms`, newest first.
uint32_t br_longterm_recall(const br_longterm *longterm, rt_tenant tenant, br_recall_by by,
                            rt_str what, int64_t since_ms,
                            br_memory_entry ret_entries[BR_MEMORIES_MAX]);
// br_longterm_refused counts memories lost to rows_max.
uint64_t br_longterm_refused(const br_longterm *longterm);

#endif
