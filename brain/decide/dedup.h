// brain/decide/dedup.h: an event is taken once, however often it is sent.
//
// Layer: brain/decide (may use runtime/**, brain/memory and below).   Threads: brain loop.
// Exact and O(1) for producers that number their events (`sequence` never going back per source);
// for the others by source and id among the last `events_max` events, unless the event happened
// more than `window_ms` after the one of that name was taken. The event's own time counts, not the
// clock: what is sent again has the time it had. Both are state, so they hold across restarts.
#ifndef CEREBRO_BRAIN_DECIDE_DEDUP_H
#define CEREBRO_BRAIN_DECIDE_DEDUP_H

#include "runtime/store/store.h"
#include "runtime/wire/event.h"

typedef struct br_dedup br_dedup;

// br_dedup_new declares tables and rebuilds the index.
rt_err br_dedup_new(rt_store *store, uint32_t events_max, int64_t window_ms,
                    br_dedup **ret) RT_MUST_USE;
// br_dedup_free releases it (not the store).
void br_dedup_free(br_dedup *dedup);
// br_dedup_seen tells whether the event was taken before; *ret_seq is its record then (0 when only
// its number is known).
bool br_dedup_seen(const br_dedup *dedup, const rt_event *event, uint64_t *ret_seq);
// br_dedup_remember folds a taken event (seq and at_ms set).
void br_dedup_remember(br_dedup *dedup, const rt_event *event);

#endif
