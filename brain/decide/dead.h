// brain/decide/dead.h: dead letters: what could not be done, kept with its cause until an operator
// retries or discards it.
//
// Layer: brain/decide.   Threads: brain loop.
#ifndef CEREBRO_BRAIN_DECIDE_DEAD_H
#define CEREBRO_BRAIN_DECIDE_DEAD_H

#include "runtime/base/id.h"
#include "runtime/store/store.h"

#define BR_DEAD_MAX 10000

typedef struct br_dead_letter {
    rt_tenant tenant;
    uint64_t seq; // of the message.dead_lettered event
    int64_t at_ms;
    uint64_t attempts;
    rt_str owner; // "outbox" or an agent's name
    rt_str ref;   // action id, or "<agent>/<seq>" of a poison record
    rt_str cause;
    rt_bytes intent; // of an action: what to send again (encoded by the outbox's owner)
} br_dead_letter;

typedef struct br_dead br_dead;

// br_dead_new declares the store's table.
rt_err br_dead_new(rt_store *store, br_dead **ret) RT_MUST_USE;
// br_dead_free releases it (not the store).
void br_dead_free(br_dead *dead);
// br_dead_add folds a dead letter; over BR_DEAD_MAX the oldest goes (counted in br_dead_dropped).
void br_dead_add(br_dead *dead, const br_dead_letter *letter);
// br_dead_get views a letter by its reference; the views last until the letters next change.
bool br_dead_get(const br_dead *dead, rt_str ref, br_dead_letter *ret_letter);
// br_dead_remove folds a resolution; false when there is no such letter.
bool br_dead_remove(br_dead *dead, rt_str ref);
// br_dead_count is the number of letters; br_dead_dropped those lost to the bound.
size_t br_dead_count(const br_dead *dead);
uint64_t br_dead_dropped(const br_dead *dead);
// br_dead_next walks letters from *cursor = 0.
bool br_dead_next(const br_dead *dead, size_t *cursor, br_dead_letter *ret_letter);

#endif
