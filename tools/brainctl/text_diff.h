// brainctl/text_diff.h: what differs between two texts, line by line.
//
// Layer: tools/brainctl.   Threads: any.
#ifndef CEREBRO_TOOLS_BRAINCTL_TEXT_DIFF_H
#define CEREBRO_TOOLS_BRAINCTL_TEXT_DIFF_H

#include "tools/brainctl/cli.h"

// ctl_text_diff appends lines that differ as "- old" and "+ new", with up to two equal lines
// around; false when the texts are equal.
bool ctl_text_diff(ctl_run *run, rt_str before, rt_str after);

#endif
