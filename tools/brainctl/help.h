// brainctl/help.h: help texts and the shell's completion, made from the tables.
//
// Layer: tools/brainctl.   Threads: any.
#ifndef CEREBRO_TOOLS_BRAINCTL_HELP_H
#define CEREBRO_TOOLS_BRAINCTL_HELP_H

#include "tools/brainctl/cli.h"

// ctl_help_all appends the overview.
void ctl_help_all(rt_text *out);
// ctl_help_noun appends the verbs of a noun.
void ctl_help_noun(rt_text *out, const char *noun);
// ctl_help_command appends everything about one command.
void ctl_help_command(rt_text *out, const ctl_command *command);
// ctl_help_exit_codes appends what exit codes mean.
void ctl_help_exit_codes(rt_text *out);
// ctl_completion_bash appends a completion script.
void ctl_completion_bash(rt_text *out);

#endif
