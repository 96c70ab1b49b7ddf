#include "tools/brainctl/commands.h"

static const ctl_command commands[] = {
#define F(flag) CTL_BIT(CTL_FLAG_##flag)
#define COMMAND(handler, noun, verb, arguments, min, max, flags, summary, examples)                \
    {noun, verb, arguments, min, max, flags, summary, examples, ctl_cmd_##handler},
#include "tools/brainctl/commands.def"
#undef COMMAND
#undef F
};

const ctl_command *
ctl_commands(void)
{
    return commands;
}

size_t
ctl_command_count(void)
{
    return RT_COUNT(commands);
}
