// brain/memory/place.h: where the rows stand that an event reads first and changes later.
//
// Layer: brain/memory (may use runtime/**, brain/pack).   Threads: brain loop.
// br_subjects_recall and br_features_read note places in a situation that has room for them
// (situation->places); br_subjects_remember and br_features_update then need not look again.
#ifndef CEREBRO_BRAIN_MEMORY_PLACE_H
#define CEREBRO_BRAIN_MEMORY_PLACE_H

#include "brain/pack/situation.h"
#include "runtime/store/key.h"
#include "runtime/store/store.h"

// A row's key and its place.
typedef struct br_place {
    rt_key key;
    rt_place at;
} br_place;

typedef struct br_places {
    const rt_event *event; // of which they are
    br_place touches[BR_TOUCHES_MAX];
    br_place groups[BR_PLAN_GROUPS_MAX];
} br_places;

#endif
