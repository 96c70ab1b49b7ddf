// brain/playbook/guard.h: guardrails: a canary that does badly is rolled back by itself.
//
// Layer: brain/playbook.   Threads: brain loop.
// While a playbook is a canary its decisions count, in a row of kind "guard": how often it was to
// act and could not be judged, its actions that failed, its verifications that did not hold. When
// one of these shares is surely above what the file allows (the lower end of Wilson's interval,
// brain/math/proportion.h), the decision that counted the last of them writes the mode of the
// playbook and raises playbook.rolled_back. Nothing is read but rows and the record: the same
// journal rolls back at the same event, again and again.
#ifndef CEREBRO_BRAIN_PLAYBOOK_GUARD_H
#define CEREBRO_BRAIN_PLAYBOOK_GUARD_H

#include "brain/playbook/course.h"

#define BR_GUARDIAN "guardrails" // `by` of a mode that they set

typedef enum br_guarded {
    BR_GUARD_ERRORS,  // of the times it was to act, inside of its share or not
    BR_GUARD_ACTIONS, // failed, or with an unknown end, of those that ended
    BR_GUARD_VERIFY,  // that did not hold, of its verifications
    BR_GUARDS,
} br_guarded;

// What was counted of a playbook since it is a canary.
typedef struct br_guard_count {
    const char *name; // errors, failed_actions or failed_verifications
    uint64_t bad;
    uint64_t of;
    double most; // allowed; below 0: not guarded
    double low;  // surely at least this share
    bool is_over;
} br_guard_count;

// br_playbooks_guarded tells whether any playbook of a set has guardrails.
bool br_playbooks_guarded(const br_playbooks *set);
// br_guard_limits reads what a playbook's guardrails allow; false when it has none.
typedef struct br_guard_limit {
    double most[BR_GUARDS]; // below 0: not guarded
    uint64_t min_sample;
    double z;
} br_guard_limit;
bool br_guard_limits(const br_playbooks *set, rt_str id, br_guard_limit *ret_limit);
// br_course_guard counts what this decision means for canaries with guardrails, and rolls back
// those that do badly; after all candidates have their verdicts.
//   errors    RT_ENOMEM the arena's limit
rt_err br_course_guard(br_course *course, const msg_candidate *candidates,
                       uint32_t count) RT_MUST_USE;
// br_guard_counts reads what was counted of a playbook by now, for people.
//   returns   false when it has no guardrails, or is no canary
bool br_guard_counts(const br_playbooks *set, const br_progress *progress, rt_str id,
                     rt_arena *arena, br_guard_count ret_counts[BR_GUARDS]);

#endif
