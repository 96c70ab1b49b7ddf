// brain/memory/subject.h: short-term memory: what is known of each entity, and its recent events.
//
// Layer: brain/memory (may use runtime/**, brain/pack).   Threads: brain loop.
// One row per entity (tenant, entity type, key): when it was first and last seen, how many events,
// the latest BR_RECENT_MAX events within 24 h, and its attributes as a msgpack map. At most
// `subjects_max` entities are remembered per store; further ones are counted and not remembered.
#ifndef CEREBRO_BRAIN_MEMORY_SUBJECT_H
#define CEREBRO_BRAIN_MEMORY_SUBJECT_H

#include "brain/pack/situation.h"
#include "runtime/store/store.h"

#define BR_RECENT_MAX 6
#define BR_SHORT_TERM_MS (24 * 60 * 60 * 1000LL)

typedef struct br_recent {
    uint64_t seq;
    int64_t at_ms;
    uint32_t type; // hash of the event type's name
    float importance;
} br_recent;

typedef struct br_subject_row {
    int64_t first_ms;
    int64_t last_ms;
    uint64_t events;
    br_recent recent[BR_RECENT_MAX]; // newest first; seq 0 = empty
    // followed by the attributes: msgpack map, to the end of the row
} br_subject_row;

typedef struct br_subjects br_subjects;

// br_subjects_new declares the memory's table in `store`.
rt_err br_subjects_new(rt_store *store, uint64_t subjects_max, br_subjects **ret) RT_MUST_USE;
// br_subjects_free releases it (not the store).
void br_subjects_free(br_subjects *subjects);
// br_subjects_recall fills keys, attributes and memory figures of a situation whose event, plan and
// now_ms are set. Text views rows of the table: they last until the next br_subjects_remember.
void br_subjects_recall(const br_subjects *subjects, br_situation *situation);
// br_subjects_remember folds the event into the rows of the entities it touches.
void br_subjects_remember(br_subjects *subjects, const br_situation *situation);
// br_subjects_row reads one entity's row; {NULL,0} when it is not remembered.
rt_bytes br_subjects_row(const br_subjects *subjects, rt_tenant tenant, rt_str entity, rt_str key);
// br_subjects_count and br_subjects_refused are the entities remembered and turned away.
uint64_t br_subjects_count(const br_subjects *subjects);
uint64_t br_subjects_refused(const br_subjects *subjects);

#endif
