// brainctl/install.h: changes files of the live playbook directory, all of them or none.
//
// Layer: tools/brainctl.   Threads: one.
#ifndef CEREBRO_TOOLS_BRAINCTL_INSTALL_H
#define CEREBRO_TOOLS_BRAINCTL_INSTALL_H

#include "tools/brainctl/place.h"
#include "tools/brainctl/sets.h"

typedef struct ctl_change {
    const char *path;
    rt_str text; // ptr NULL: the file goes
    rt_str was;  // ptr NULL: there was none
} ctl_change;

typedef struct ctl_changes {
    ctl_change *list; // in run->arena
    size_t count;
} ctl_changes;

// ctl_changes_add notes that a file is to have this text (ptr NULL: to go); what it holds now is
// kept, and nothing is noted when that is the same.   returns the exit code
int ctl_changes_add(ctl_run *run, ctl_changes *changes, const char *path, rt_str text);
// ctl_install writes all changes, each by an atomic rename, and asks the brain to reload; when it
// refuses, everything is put back as it was and the findings are shown.
//   ret_answer  of the reload
//   returns     the exit code: CTL_NO when the set was refused
//   how         what is kept beside who it was and --reason: "apply", "rollback to v12" ...
int ctl_install(ctl_run *run, const ctl_changes *changes, const char *how, rt_bytes *ret_answer);
// ctl_reload only asks the brain to reload.
int ctl_reload(ctl_run *run, const char *how, rt_bytes *ret_answer);

#endif
