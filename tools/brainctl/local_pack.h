// brainctl/local_pack.h: a pack read here, where no brain runs; findings of a check.
//
// Layer: tools/brainctl (may use brain/pack).   Threads: one.
#ifndef CEREBRO_TOOLS_BRAINCTL_LOCAL_PACK_H
#define CEREBRO_TOOLS_BRAINCTL_LOCAL_PACK_H

#include "brain/pack/pack.h"
#include "tools/brainctl/cli.h"

// ctl_load_pack loads the pack of --pack, and before it `core` from the directory beside it.
//   ret_pack  gives; free with br_pack_free; untouched on failure
//   errors    RT_ECONFIG with findings in `diag` · RT_ENOTFOUND
rt_err ctl_load_pack(ctl_run *run, rt_diag *diag, br_pack **ret_pack) RT_MUST_USE;

// ctl_put_findings writes the answer of a check: its findings, or `fine` when there is no error;
// gives the exit code.
int ctl_put_findings(ctl_run *run, rt_bytes answer, const char *fine);

#endif
