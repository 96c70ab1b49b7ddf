// brainctl config, halt, resume and hash.
#include <spawn.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tools/brainctl/commands.h"
#include "tools/brainctl/door.h"
#include "tools/brainctl/output.h"

#define DAEMON "braind"
#define DAEMON_CONFIG_WRONG 78 // sysexits' EX_CONFIG

// The daemon beside this program (also in a build directory), or the one on the PATH.
static void
find_daemon(char *path, size_t cap)
{
    static const char *const places[] = {"/" DAEMON, "/../" DAEMON "/" DAEMON};
    ssize_t len = readlink("/proc/self/exe", path, cap - 1);
    char *slash = NULL;
    if (len > 0) {
        path[len] = '\0';
        slash = strrchr(path, '/');
    }
    for (size_t i = 0; slash != NULL && i < RT_COUNT(places); i++) {
        size_t left = cap - (size_t)(slash - path);
        bool fits = (size_t)snprintf(slash, left, "%s", places[i]) < left;
        struct stat found;
        if (fits && stat(path, &found) == 0 && S_ISREG(found.st_mode) && access(path, X_OK) == 0) {
            return;
        }
    }
    (void)snprintf(path, cap, "%s", DAEMON);
}

// Only the daemon knows its settings, so it checks them; its findings go where it writes them.
int
ctl_cmd_config_check(ctl_run *run)
{
    char path[4096];
    char name[] = DAEMON;
    char check[] = "--check";
    char config[] = "--config";
    char *argv[] = {name, check, NULL, NULL, NULL};
    pid_t child;
    int status = 0;
    if (run->arg_count > 0) {
        argv[2] = config;
        argv[3] = (char *)(uintptr_t)run->args[0]; // not written to
    }
    find_daemon(path, sizeof(path));
    int rc = posix_spawnp(&child, path, NULL, NULL, argv, environ);
    if (rc != 0) {
        return ctl_refuse(run, RT_ENOTFOUND, "it is looked for beside brainctl and on the PATH",
                          "cannot start %s: %s", path, strerror(rc));
    }
    if (waitpid(child, &status, 0) != child || !WIFEXITED(status)) {
        return ctl_refuse(run, RT_EIO, NULL, "%s ended unexpectedly", path);
    }
    if (WEXITSTATUS(status) == DAEMON_CONFIG_WRONG) {
        return CTL_NO;
    }
    return WEXITSTATUS(status) == 0 ? CTL_OK : CTL_FAILED;
}

static void
put_config(ctl_run *run, rt_bytes params)
{
    static const ctl_column columns[] = {{"PARAMETER", false, 0}, {"VALUE", false, 60},
                                         {"UNIT", false, 0},      {"ORIGIN", false, 0},
                                         {"HELP", false, 0}};
    static const ctl_column short_columns[] = {
        {"PARAMETER", false, 0}, {"VALUE", false, 60}, {"UNIT", false, 0}, {"HELP", false, 0}};
    bool origin = ctl_given(run, CTL_FLAG_ORIGIN);
    ctl_list list = ctl_items(params);
    rt_bytes param;
    ctl_grid grid;
    ctl_grid_init(&grid, origin ? columns : short_columns,
                  origin ? RT_COUNT(columns) : RT_COUNT(short_columns));
    while (ctl_next_item(&list, &param)) {
        bool is_default = rt_str_is(ctl_str(param, "origin"), "default");
        ctl_grid_str(&grid, CTL_PLAIN, ctl_str(param, "name"));
        ctl_grid_str(&grid, is_default ? CTL_PLAIN : CTL_BOLD, ctl_str(param, "value"));
        rt_str unit = ctl_str(param, "unit");
        bool is_in_value = rt_str_is(unit, "B") || rt_str_is(unit, "ms"); // as in 64MiB, 1s
        ctl_grid_str(&grid, CTL_DIM, is_in_value ? RT_STR("") : unit);
        if (origin) {
            ctl_grid_str(&grid, is_default ? CTL_DIM : CTL_CYAN, ctl_str(param, "origin"));
        }
        ctl_grid_str(&grid, CTL_DIM, ctl_str(param, "help"));
    }
    ctl_put_grid(run, &grid, 0);
    ctl_grid_fini(&grid);
}

int
ctl_cmd_config_show(ctl_run *run)
{
    rt_bytes answer;
    int code = ctl_call(run, "config.show", NULL, NULL, NULL, &answer);
    if (code != CTL_OK) {
        return code;
    }
    if (ctl_is_json(run)) {
        ctl_put_json(run, ctl_raw(answer, "config"));
    } else {
        put_config(run, ctl_raw(answer, "config"));
    }
    return CTL_OK;
}

static int
switch_actions(ctl_run *run, const char *command)
{
    rt_bytes answer;
    ctl_map args = ctl_map_begin(4096);
    ctl_map_str(&args, "reason", rt_str_of(run->opt.values[CTL_FLAG_REASON]));
    int code = ctl_call(run, command, &args, NULL, NULL, &answer);
    ctl_map_fini(&args);
    if (code != CTL_OK) {
        return code;
    }
    bool halted = ctl_bool(answer, "halted");
    if (ctl_is_json(run)) {
        ctl_put_json(run, answer);
    } else if (!ctl_bool(answer, "changed")) {
        ctl_say(run, halted ? "actions were halted already\n" : "actions were not halted\n");
    } else {
        ctl_say(run, "%s, record %llu by uid:%u, %llu actions in flight%s\n",
                halted ? "halted" : "resumed", (unsigned long long)ctl_u64(answer, "seq"),
                (unsigned)geteuid(), (unsigned long long)ctl_u64(answer, "in_flight"),
                halted ? ". undo: brainctl resume" : "");
    }
    return CTL_OK;
}

int
ctl_cmd_halt(ctl_run *run)
{
    return switch_actions(run, "halt");
}

int
ctl_cmd_resume(ctl_run *run)
{
    return switch_actions(run, "resume");
}

int
ctl_cmd_hash(ctl_run *run)
{
    rt_bytes answer;
    rt_bytes host;
    ctl_map args = ctl_map_begin(256);
    ctl_map_bool(&args, "force", ctl_given(run, CTL_FLAG_YES));
    int code = ctl_call(run, "sync.hash", &args, NULL, NULL, &answer);
    ctl_map_fini(&args);
    if (code != CTL_OK) {
        return code;
    }
    if (ctl_is_json(run)) {
        ctl_put_json(run, answer);
        return CTL_OK;
    }
    ctl_say(run, "brain  %.*s  at record %llu\n", RT_STR_ARG(ctl_str(answer, "hash")),
            (unsigned long long)ctl_u64(answer, "applied_seq"));
    ctl_list hosts = ctl_items(ctl_raw(answer, "hosts"));
    while (ctl_next_item(&hosts, &host)) {
        ctl_put(run, CTL_PLAIN, ctl_str(host, "host"));
        if (ctl_str(host, "hash").len > 0) {
            ctl_say(run, "  %.*s  at record %llu\n", RT_STR_ARG(ctl_str(host, "hash")),
                    (unsigned long long)ctl_u64(host, "applied_seq"));
        } else {
            ctl_say(run, "  %.*s\n", RT_STR_ARG(ctl_str(host, "error")));
        }
    }
    return CTL_OK;
}
