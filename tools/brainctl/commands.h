// brainctl/commands.h: the handlers named in commands.def; each gives the exit code.
//
// Layer: tools/brainctl.   Threads: one.
#ifndef CEREBRO_TOOLS_BRAINCTL_COMMANDS_H
#define CEREBRO_TOOLS_BRAINCTL_COMMANDS_H

#include "tools/brainctl/cli.h"

// ctl_cmd_<handler> runs one command.
#define F(flag) 0
#define COMMAND(handler, noun, verb, arguments, min, max, flags, summary, examples)                \
    int ctl_cmd_##handler(ctl_run *run);
#include "tools/brainctl/commands.def"
#undef COMMAND
#undef F

#endif
