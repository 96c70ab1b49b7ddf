// brain/features/features.h: the feature store: decayed figures per key, up to date in the same
// turn.
//
// Layer: brain/features (may use runtime/**, brain/pack, brain/math).   Threads: brain loop.
// One row per (tenant, group, key) holding one cell per feature; a cell carries the hash of its
// feature's name, so groups may gain, lose or reorder features without touching stored rows.
#ifndef CEREBRO_BRAIN_FEATURES_FEATURES_H
#define CEREBRO_BRAIN_FEATURES_FEATURES_H

#include "brain/pack/situation.h"
#include "runtime/store/store.h"

typedef struct br_features br_features;

// br_features_new declares the store's table.
rt_err br_features_new(rt_store *store, br_features **ret) RT_MUST_USE;
// br_features_free releases it (not the store).
void br_features_free(br_features *features);
// br_features_read fills group keys and values of a situation whose attributes are known.
void br_features_read(const br_features *features, br_situation *situation);
// br_features_update folds the event into the features that its type updates. `arena` is scratch.
// A value expression that fails (a missing field) leaves its feature as it was.
void br_features_update(br_features *features, const br_situation *situation, rt_arena *arena);

#endif
