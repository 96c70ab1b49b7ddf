// brainctl playbooks list, check and reload.
#include <stdio.h>

#include "runtime/base/alloc.h"
#include "runtime/seam/file.h"
#include "tools/brainctl/commands.h"
#include "tools/brainctl/door.h"
#include "tools/brainctl/output.h"

#define FILE_BYTES_MAX 65536
#define FILES_MAX 2048
#define PATH_BYTES 1024

int
ctl_cmd_playbooks_list(ctl_run *run)
{
    static const ctl_column columns[] = {
        {"PLAYBOOK", false, 0}, {"MODE", false, 0},  {"KIND", false, 0}, {"EVENTS", true, 0},
        {"THROTTLE", true, 0},  {"OWNER", false, 0}, {"DOC", false, 0}};
    rt_bytes answer;
    rt_bytes playbook;
    ctl_grid grid;
    char throttle[64];
    int code = ctl_call(run, "playbooks.list", NULL, NULL, NULL, &answer);
    if (code != CTL_OK) {
        return code;
    }
    if (ctl_is_json(run)) {
        ctl_put_json(run, answer);
        return CTL_OK;
    }
    ctl_list list = ctl_items(ctl_raw(answer, "playbooks"));
    ctl_grid_init(&grid, columns, RT_COUNT(columns));
    while (ctl_next_item(&list, &playbook)) {
        rt_str mode = ctl_str(playbook, "mode");
        int64_t ms = ctl_i64(playbook, "throttle_ms");
        ctl_grid_str(&grid, CTL_BOLD, ctl_str(playbook, "id"));
        ctl_grid_str(&grid, rt_str_is(mode, "live") ? CTL_GREEN : CTL_YELLOW, mode);
        ctl_grid_str(&grid, CTL_PLAIN, ctl_str(playbook, "kind"));
        ctl_grid_printf(&grid, CTL_PLAIN, "%llu",
                        (unsigned long long)ctl_u64(playbook, "events"));
        ctl_grid_cstr(&grid, CTL_PLAIN,
                      ms > 0 ? rt_format_duration(ms, throttle, sizeof(throttle)) : "-");
        ctl_grid_str(&grid, CTL_PLAIN, ctl_str(playbook, "owner"));
        ctl_grid_str(&grid, CTL_DIM, ctl_str(playbook, "doc"));
    }
    ctl_put_grid(run, &grid, 0);
    ctl_grid_fini(&grid);
    return CTL_OK;
}

typedef struct gathering {
    ctl_run *run;
    const char *dir;
    rt_mpw files; // [name, text] one after the other
    uint32_t count;
    rt_err err;
} gathering;

static void
add_file(gathering *g, const char *path)
{
    rt_str text;
    if (g->err != RT_OK) {
        return;
    }
    if (g->count == FILES_MAX) {
        g->err = rt_fail(RT_ELIMIT, "more than %d files", FILES_MAX);
        return;
    }
    g->err = rt_file_read_all(path, FILE_BYTES_MAX, g->run->arena, &text);
    if (g->err == RT_OK) {
        rt_mpw_array(&g->files, 2);
        rt_mpw_cstr(&g->files, path);
        rt_mpw_str(&g->files, text);
        g->count++;
    }
}

static void
on_name(void *user, const char *name)
{
    gathering *g = user;
    char path[PATH_BYTES];
    size_t len = strlen(name);
    if (len > 5 && strcmp(name + len - 5, ".yaml") == 0) {
        (void)snprintf(path, sizeof(path), "%s/%s", g->dir, name); // too long: not found
        add_file(g, path);
    }
}

// Directories inside the one being listed, as the daemon looks into them.
static void
on_sub_dir(void *user, const char *name)
{
    gathering *g = user;
    char path[PATH_BYTES];
    if (strchr(name, '.') == NULL) {
        gathering sub = *g;
        (void)snprintf(path, sizeof(path), "%s/%s", g->dir, name); // too long: not found
        sub.dir = path;
        RT_IGNORE(rt_dir_list(path, on_name, &sub)); // no directory: no playbooks in it
        sub.dir = g->dir;
        *g = sub;
    }
}

static void
add_path(gathering *g, const char *path)
{
    size_t len = strlen(path);
    g->dir = path;
    if (len > 5 && strcmp(path + len - 5, ".yaml") == 0) {
        add_file(g, path);
        return;
    }
    if (g->err == RT_OK) {
        g->err = rt_dir_list(path, on_name, g) == RT_OK
                     ? g->err
                     : rt_fail(RT_ENOTFOUND, "%s is neither a .yaml file nor a directory", path);
    }
    if (g->err == RT_OK) {
        g->err = rt_dir_list(path, on_sub_dir, g);
    }
}

// Findings go to standard output: they are what was asked for.
static int
put_findings(ctl_run *run, rt_bytes answer, const char *fine)
{
    uint64_t errors = ctl_u64(answer, "errors");
    if (ctl_is_json(run)) {
        ctl_put_json(run, answer);
        return errors > 0 ? CTL_NO : CTL_OK;
    }
    rt_str text = ctl_str(answer, "text");
    while (text.len > 0) { // line by line: cleaning makes one line of all
        const char *end = memchr(text.ptr, '\n', text.len);
        size_t len = end != NULL ? (size_t)(end - text.ptr) : text.len;
        ctl_put(run, CTL_PLAIN, (rt_str){text.ptr, len});
        ctl_say(run, "\n");
        len += end != NULL ? 1 : 0;
        text = (rt_str){text.ptr + len, text.len - len};
    }
    if (errors > 0) {
        uint64_t warnings = ctl_u64(answer, "warnings");
        ctl_say(run, "%llu error%s, %llu warning%s\n", (unsigned long long)errors,
                errors == 1 ? "" : "s", (unsigned long long)warnings, warnings == 1 ? "" : "s");
        return CTL_NO;
    }
    ctl_say(run, "%s", fine);
    return CTL_OK;
}

int
ctl_cmd_playbooks_check(ctl_run *run)
{
    gathering g = {.run = run};
    rt_bytes answer = {NULL, 0};
    char fine[128];
    ctl_map args = ctl_map_begin(CTL_REQUEST_MAX);
    rt_mpw_init(&g.files, CTL_REQUEST_MAX);
    for (size_t i = 0; i < run->arg_count; i++) {
        add_path(&g, run->args[i]);
    }
    if (run->arg_count > 0 && g.err == RT_OK) {
        rt_mpw_array(ctl_map_key(&args, "files"), g.count);
        rt_mpw_raw(&args.w, rt_mpw_view(&g.files));
    }
    int code = g.err != RT_OK
                   ? ctl_fail(run, g.err, NULL)
                   : ctl_call(run, "playbooks.check", &args, NULL, NULL, &answer);
    if (code == CTL_OK) {
        uint64_t count = ctl_u64(answer, "playbooks");
        (void)snprintf(fine, sizeof(fine), "%llu playbook%s fine%s\n", (unsigned long long)count,
                       count == 1 ? " is" : "s are",
                       run->arg_count == 0 && ctl_bool(answer, "changed")
                           ? ", they differ from the live set: brainctl playbooks reload"
                           : "");
        code = put_findings(run, answer, fine);
    }
    ctl_map_fini(&args);
    rt_mpw_fini(&g.files);
    return code;
}

int
ctl_cmd_playbooks_reload(ctl_run *run)
{
    rt_bytes answer;
    char fine[128];
    int code = ctl_call(run, "playbooks.reload", NULL, NULL, NULL, &answer);
    if (code != CTL_OK) {
        return code;
    }
    unsigned long long version = ctl_u64(answer, "version");
    if (ctl_bool(answer, "changed")) {
        (void)snprintf(fine, sizeof(fine), "playbooks v%llu go live (was v%llu), %llu in the set\n",
                       version, (unsigned long long)ctl_u64(answer, "was"),
                       (unsigned long long)ctl_u64(answer, "playbooks"));
    } else {
        (void)snprintf(fine, sizeof(fine), "nothing changed, v%llu stays live\n", version);
    }
    return put_findings(run, answer, fine);
}
