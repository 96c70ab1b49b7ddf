// brainctl/cli.h: one run of the tool: what was asked for, and how to answer it.
//
// Layer: tools/brainctl (may use runtime/** and core_msgs.h).   Threads: one.
#ifndef CEREBRO_TOOLS_BRAINCTL_CLI_H
#define CEREBRO_TOOLS_BRAINCTL_CLI_H

#include "runtime/base/arena.h"
#include "runtime/base/text.h"
#include "runtime/seam/net.h"
#include "runtime/wire/mp.h"

#define CTL_ARGS_MAX 256
#define CTL_FIELDS_MAX 64
#define CTL_TEXT_MAX ((size_t)256 * 1024 * 1024)

// Exit codes, as in `brainctl help exit-codes`.
#define CTL_OK 0
#define CTL_NO 1 // a negative answer: degraded, findings, nothing to do
#define CTL_USAGE 2
#define CTL_FAILED 3
#define CTL_DENIED 4
#define CTL_NOT_FOUND 5
#define CTL_CONFLICT 6
#define CTL_UNREACHABLE 7
#define CTL_INTERRUPTED 130

typedef enum ctl_flag {
#define FLAG(bit, name, letter, value, help) CTL_FLAG_##bit,
#include "tools/brainctl/flags.def"
#undef FLAG
    CTL_FLAGS,
} ctl_flag;

#define CTL_BIT(flag) (UINT64_C(1) << (flag))

typedef enum ctl_format { CTL_TABLE, CTL_JSON, CTL_JSONL } ctl_format;
typedef enum ctl_color { CTL_AUTO, CTL_ALWAYS, CTL_NEVER } ctl_color;

typedef struct ctl_run ctl_run;

typedef struct ctl_command {
    const char *noun;
    const char *verb; // "" without
    const char *arguments;
    size_t args_min;
    size_t args_max;
    uint64_t flags; // those it knows beside the ones every command knows
    const char *summary;
    const char *examples;
    int (*run)(ctl_run *run); // gives the exit code
} ctl_command;

typedef struct ctl_options {
    uint64_t given; // bit per flag
    ctl_format format;
    ctl_color color;
    int64_t timeout_ms;
    uint64_t limit; // 0 = not given
    uint64_t from;
    const char *values[CTL_FLAGS]; // text of the other flags, NULL = not given
    const char *fields[CTL_FIELDS_MAX];
    size_t field_count;
} ctl_options;

struct ctl_run {
    const ctl_command *command;
    ctl_options opt;
    const char *args[CTL_ARGS_MAX];
    size_t arg_count;
    rt_text out; // what goes to standard output
    bool color;  // escape codes are welcome
    uint32_t columns; // of the terminal, 0 when it is none
    rt_arena *arena;
    rt_ctl_client *client;
    uint64_t items; // of a JSON list being written
};

// ctl_commands is the table; ctl_command_count its size.
const ctl_command *ctl_commands(void);
size_t ctl_command_count(void);

// ctl_given tells whether a flag was given.
static inline bool
ctl_given(const ctl_run *run, ctl_flag flag)
{
    return (run->opt.given & CTL_BIT(flag)) != 0;
}

#endif
