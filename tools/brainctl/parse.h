// brainctl/parse.h: the command line, by the tables of commands and flags.
//
// Layer: tools/brainctl.   Threads: any.
#ifndef CEREBRO_TOOLS_BRAINCTL_PARSE_H
#define CEREBRO_TOOLS_BRAINCTL_PARSE_H

#include "tools/brainctl/cli.h"

typedef struct ctl_flag_def {
    const char *name;
    char letter;       // 0 without
    const char *value; // what it takes; NULL = nothing
    const char *help;
} ctl_flag_def;

// What is wrong with a command line.
typedef struct ctl_mistake {
    char text[256];
    char hint[160]; // "" without
} ctl_mistake;

// ctl_flag_at is a flag's definition.
const ctl_flag_def *ctl_flag_at(ctl_flag flag);
// ctl_common_flags are the bits of the flags that every command knows.
uint64_t ctl_common_flags(void);
// ctl_parse reads the arguments after the program's name into run->command, opt and args. A command
// line that asks for help leaves args as they are; command is NULL when only flags were given, and
// stays NULL with args[0] set when help on all verbs of a noun is asked for.
//   errors    RT_EINVAL with the mistake filled in
rt_err ctl_parse(int argc, char *const *argv, ctl_run *run, ctl_mistake *ret_mistake) RT_MUST_USE;
// ctl_find_command finds a command by noun and verb ("" for none), or NULL.
const ctl_command *ctl_find_command(const char *noun, const char *verb);
// ctl_is_noun tells whether any command begins with this word.
bool ctl_is_noun(const char *noun);

#endif
