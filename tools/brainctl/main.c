// brainctl: the tool that operators look into a brain with, and control it.
#include <stdio.h>

#include "runtime/base/alloc.h"
#include "tools/brainctl/help.h"
#include "tools/brainctl/output.h"
#include "tools/brainctl/parse.h"

#define ARENA_MAX ((size_t)1024 * 1024 * 1024)

static int
usage_error(const ctl_run *run, const ctl_mistake *mistake)
{
    const char *hint = mistake->hint[0] != '\0' ? mistake->hint : "brainctl help";
    return ctl_error(run, RT_STR("USAGE"), rt_str_of(mistake->text), rt_str_of(hint));
}

static int
show_help(ctl_run *run)
{
    if (run->command != NULL) {
        ctl_help_command(&run->out, run->command);
    } else if (run->arg_count > 0) {
        ctl_help_noun(&run->out, run->args[0]);
    } else {
        ctl_help_all(&run->out);
    }
    return CTL_OK;
}

int
main(int argc, char **argv)
{
    ctl_run *run = rt_new(ctl_run);
    ctl_mistake mistake;
    int code;
    rt_text_init(&run->out, CTL_TEXT_MAX);
    rt_err err = ctl_parse(argc - 1, argv + 1, run, &mistake);
    ctl_setup(run);
    if (err != RT_OK) {
        code = usage_error(run, &mistake);
    } else if (run->command == NULL || ctl_given(run, CTL_FLAG_HELP)) {
        code = show_help(run);
        code = argc < 2 ? CTL_USAGE : code; // nothing was asked for
    } else {
        run->arena = rt_arena_new(ARENA_MAX);
        code = run->command->run(run);
    }
    ctl_flush(run);
    if (run->client != NULL) {
        rt_ctl_hangup(run->client);
    }
    rt_arena_free(run->arena);
    rt_text_fini(&run->out);
    rt_free(run);
    return code;
}
