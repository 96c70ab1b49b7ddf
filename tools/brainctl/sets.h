// brainctl/sets.h: the sets of playbooks that a journal says were live.
//
// Layer: tools/brainctl (may use brain/playbook).   Threads: one.
#ifndef CEREBRO_TOOLS_BRAINCTL_SETS_H
#define CEREBRO_TOOLS_BRAINCTL_SETS_H

#include "brain/playbook/playbook.h"
#include "tools/brainctl/cli.h"

typedef struct ctl_set {
    uint64_t seq; // of the record from which it was live
    int64_t at_ms;
    uint64_t version;
    uint64_t hash; // of names and texts
    br_playbook_file *files; // in run->arena
    uint32_t count;
    rt_str by; // who made it live, how and why; empty: it is not known
    rt_str how;
    rt_str reason;
} ctl_set;

// A mode that an operator set, or guardrails.
typedef struct ctl_mode_change {
    uint64_t seq; // of the event by which it was set
    int64_t at_ms;
    rt_str playbook;
    rt_str mode; // off, shadow, canary or live
    double percent;
    rt_str by;
    rt_str reason;
} ctl_mode_change;

typedef struct ctl_sets {
    ctl_set *sets; // oldest first
    size_t count;
    size_t cap;
    ctl_mode_change *modes; // oldest first
    size_t mode_count;
    size_t mode_cap;
    uint64_t first_seq; // of the journal; above 1 older sets are not known
    uint64_t last_seq;
    int64_t last_at_ms;
} ctl_sets;

// ctl_sets_read reads all of a journal; what is wrong is reported.   returns the exit code
int ctl_sets_read(ctl_run *run, const char *journal, ctl_sets *ret_sets);
// ctl_sets_free releases the list.
void ctl_sets_free(ctl_sets *sets);
// ctl_sets_version finds a version, NULL without; ctl_sets_at what was live at a record,
// ctl_sets_on at a time.
const ctl_set *ctl_sets_version(const ctl_sets *sets, uint64_t version);
const ctl_set *ctl_sets_at(const ctl_sets *sets, uint64_t seq);
const ctl_set *ctl_sets_on(const ctl_sets *sets, int64_t at_ms);
// ctl_set_file finds the file of a playbook by its id, NULL without.
const br_playbook_file *ctl_set_file(const ctl_set *set, rt_str id);
// ctl_list_at answers `playbooks list --at`.   returns the exit code
int ctl_list_at(ctl_run *run);
// ctl_playbook_id reads the id out of a playbook's text; empty when it has none.
rt_str ctl_playbook_id(rt_str text);

#endif
