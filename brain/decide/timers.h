// brain/decide/timers.h: durable timers on the brain's clock.
//
// Layer: brain/decide.   Threads: brain loop.
// A timer is a row; the heap over the rows is rebuilt at start. It fires when the brain's clock
// passes its due time, as an event in the journal, in order of due time and then of setting.
#ifndef CEREBRO_BRAIN_DECIDE_TIMERS_H
#define CEREBRO_BRAIN_DECIDE_TIMERS_H

#include "runtime/base/id.h"
#include "runtime/store/store.h"

#define BR_TIMERS_MAX 4000000
#define BR_TIMER_KEY_MAX 96

typedef struct br_due {
    rt_tenant tenant;
    int64_t due_ms;
    rt_str owner; // views last until the timers next change
    rt_str key;
    rt_str subject;
} br_due;

typedef struct br_timers br_timers;

// br_timers_new declares the store's table and rebuilds the heap.
rt_err br_timers_new(rt_store *store, br_timers **ret) RT_MUST_USE;
// br_timers_free releases it (not the store).
void br_timers_free(br_timers *timers);
// br_timers_set folds a timer being set, moved, or cancelled (due_ms 0). Over BR_TIMERS_MAX a new
// timer is refused (counted).
void br_timers_set(br_timers *timers, rt_tenant tenant, rt_str owner, rt_str name, int64_t due_ms,
                   rt_str subject);
// br_timers_due views the next timer due at or before `now_ms`, or false.
bool br_timers_due(br_timers *timers, int64_t now_ms, br_due *ret_due);
// br_timers_are_due tells whether one is, without saying which: cheaper.
bool br_timers_are_due(br_timers *timers, int64_t now_ms);
// br_timers_next_ms is when the next timer is due; INT64_MAX without.
int64_t br_timers_next_ms(br_timers *timers);
// br_timers_count is the number of timers set; br_timers_refused those turned away.
size_t br_timers_count(const br_timers *timers);
uint64_t br_timers_refused(const br_timers *timers);

#endif
