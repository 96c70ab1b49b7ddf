// brain/playbook/policy_internal.h: shared by policy.c and reward.c only.
#ifndef CEREBRO_BRAIN_PLAYBOOK_POLICY_INTERNAL_H
#define CEREBRO_BRAIN_PLAYBOOK_POLICY_INTERNAL_H

#include "brain/learn/linucb.h"
#include "brain/playbook/course_internal.h"

#define BR__POLICY RT_STR("policy")
#define BR__CHOICE RT_STR("choice")
#define BR__REWARD_TIMER "reward"
#define BR__FEATURE_LIMIT 100.0 // a feature beyond it is taken as this

// What is known of one action: the row, and the model that views it.
typedef struct br__learned {
    msg_learned row;
    br_linucb model;
} br__learned;

// --- policy.c ---
// br__policy_head reads how far a policy is; of another shape a new version begins.
void br__policy_head(br_course *course, const br_playbook *playbook, msg_policy *ret);
// br__policy_head_write keeps it.
void br__policy_head_write(br_course *course, const br_playbook *playbook, const msg_policy *head);
// br__policy_learned reads what is known of an action; nothing yet, when its row is of another
// shape or cannot be used. false at the arena's limit.
bool br__policy_learned(br_course *course, const br_playbook *playbook, rt_str action,
                        br__learned *ret);
// br__policy_number is the value of an expression as a number; false when it has none.
bool br__policy_number(const br_expr *expr, br_expr_load load, const void *user, rt_arena *arena,
                       double *ret);

// --- reward.c ---
// br__choices_due is when the first of the open choices is over.
int64_t br__choices_due(const msg_choices *choices);

#endif
