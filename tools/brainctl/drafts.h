// brainctl/drafts.h: playbooks as an operator edits them, put into the set that is live.
//
// Layer: tools/brainctl (may use brain/playbook).   Threads: one.
#ifndef CEREBRO_TOOLS_BRAINCTL_DRAFTS_H
#define CEREBRO_TOOLS_BRAINCTL_DRAFTS_H

#include "tools/brainctl/sets.h"

typedef struct ctl_drafts {
    br_playbook_file *files; // as they were read
    uint32_t count;
    bool is_whole; // a directory was named: nothing of the live set stays
} ctl_drafts;

// ctl_drafts_read reads files and directories named on the command line from argument `from` on;
// what is wrong is reported.   returns the exit code
int ctl_drafts_read(ctl_run *run, size_t from, ctl_drafts *ret_drafts);
// ctl_drafts_free releases the list (texts are in run->arena).
void ctl_drafts_free(ctl_drafts *drafts);
// ctl_drafts_apply makes the set that would be live: `base` (may be NULL) with each draft in the
// place of the file that has its id, under that file's name; new ones under their own.
//   ret_set   files in run->arena
void ctl_drafts_apply(ctl_run *run, const ctl_drafts *drafts, const ctl_set *base,
                      ctl_set *ret_set);
// ctl_with_mode gives a playbook's text with another `mode:`, in run->arena; a line more where it
// has none.
rt_str ctl_with_mode(ctl_run *run, rt_str text, const char *mode);
// ctl_drafts_check compiles that set; findings are reported.   returns the exit code
int ctl_drafts_check(ctl_run *run, const br_pack *pack, const ctl_drafts *drafts,
                     const ctl_set *edited);

#endif
