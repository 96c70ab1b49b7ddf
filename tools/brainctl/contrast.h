// brainctl/contrast.h: counts what two ways of deciding the same events have in common.
//
// Layer: tools/brainctl (may use brain/core).   Threads: one.
#ifndef CEREBRO_TOOLS_BRAINCTL_CONTRAST_H
#define CEREBRO_TOOLS_BRAINCTL_CONTRAST_H

#include "brain/core/core_msgs.h"
#include "brain/pack/pack.h"
#include "tools/brainctl/value.h"

// One playbook over all events.
typedef struct ctl_contrast_playbook {
    rt_str id;
    uint64_t fired_then;
    uint64_t fired_now;
    uint64_t fresh;   // fired now and not then
    uint64_t lost;    // fired then and not now
    uint64_t changed; // fired both times, and asked for something else or with another fate
} ctl_contrast_playbook;

// One action type over all events, whoever asked for it.
typedef struct ctl_contrast_action {
    rt_str name;
    bool contact;
    uint64_t then;
    uint64_t now;
    uint64_t fresh;
    uint64_t lost;
    uint64_t changed; // the same on the same target with other arguments
} ctl_contrast_action;

typedef struct ctl_contrast_totals {
    uint64_t events; // on which somebody said something, then or now
    uint64_t different;
    uint64_t actions_then;
    uint64_t actions_now;
    uint64_t contacts_then;
    uint64_t contacts_now;
    int64_t cost_then_cop;
    int64_t cost_now_cop;
} ctl_contrast_totals;

typedef struct ctl_contrast ctl_contrast;

// ctl_contrast_new makes an empty one; `pack` says which actions are contacts.
ctl_contrast *ctl_contrast_new(const br_pack *pack) RT_MUST_USE;
// ctl_contrast_free releases it; NULL is fine.
void ctl_contrast_free(ctl_contrast *c);
// ctl_contrast_add counts two decisions on one event; either may be NULL.
void ctl_contrast_add(ctl_contrast *c, const msg_decision *then, const msg_decision *now,
                      bool equal);
// ctl_contrast_playbooks and ctl_contrast_actions list what was counted, by name.
size_t ctl_contrast_playbooks(ctl_contrast *c, const ctl_contrast_playbook **ret_list);
size_t ctl_contrast_actions(ctl_contrast *c, const ctl_contrast_action **ret_list);
// ctl_contrast_totals_of sums it up.
ctl_contrast_totals ctl_contrast_totals_of(const ctl_contrast *c);
// ctl_contrast_write writes playbooks, actions and totals into a map.
void ctl_contrast_write(ctl_contrast *c, ctl_map *map);

#endif
