// brain/memory/similar.h: what became of past decisions in a similar situation.
//
// Layer: brain/memory.   Threads: brain loop.
// Situations are similar when the same action was taken on the same type of event. Counts grow with
// decisions; rewards come later, with decision.rewarded, and are averaged with recency weights.
#ifndef CEREBRO_BRAIN_MEMORY_SIMILAR_H
#define CEREBRO_BRAIN_MEMORY_SIMILAR_H

#include "runtime/store/store.h"
#include "runtime/base/id.h"

#define BR_SIMILAR_HALF_LIFE_MS (30LL * 24 * 60 * 60 * 1000)

typedef struct br_similar br_similar;

// br_similar_new declares the store's table.
rt_err br_similar_new(rt_store *store, br_similar **ret) RT_MUST_USE;
// br_similar_free releases it (not the store).
void br_similar_free(br_similar *similar);
// br_similar_acted counts one more action taken on an event of that type.
void br_similar_acted(br_similar *similar, rt_tenant tenant, rt_str event_type, rt_str action);
// br_similar_rewarded adds a reward joined at `at_ms`.
void br_similar_rewarded(br_similar *similar, rt_tenant tenant, rt_str event_type, rt_str action,
                         double reward, int64_t at_ms);
// br_similar_recall tells how often the action was taken and its mean reward; false when never.
bool br_similar_recall(const br_similar *similar, rt_tenant tenant, rt_str event_type,
                       rt_str action, int64_t now_ms, uint64_t *ret_count, double *ret_reward);

#endif
