#include "tools/brainctl/drafts.h"

#include <stdio.h>

#include "runtime/base/alloc.h"
#include "runtime/seam/file.h"
#include "tools/brainctl/output.h"

#define PATH_BYTES 1024
#define FINDINGS_MAX ((size_t)4 * 1024 * 1024)

typedef struct gathering {
    ctl_run *run;
    ctl_drafts *drafts;
    const char *dir;
    rt_err err;
} gathering;

static bool
is_yaml(const char *name)
{
    size_t len = strlen(name);
    return len > 5 && strcmp(name + len - 5, ".yaml") == 0;
}

static void
add_file(gathering *g, const char *path)
{
    rt_str text;
    if (g->err != RT_OK) {
        return;
    }
    if (g->drafts->count == BR_PLAYBOOKS_MAX) {
        g->err = rt_fail(RT_ELIMIT, "more than %d files", BR_PLAYBOOKS_MAX);
        return;
    }
    g->err = rt_file_read_all(path, BR_PLAYBOOK_BYTES_MAX, g->run->arena, &text);
    if (g->err == RT_OK) {
        g->drafts->files[g->drafts->count++] =
            (br_playbook_file){rt_arena_str(g->run->arena, rt_str_of(path)), text};
    }
}

static void
on_name(void *user, const char *name)
{
    gathering *g = user;
    char path[PATH_BYTES];
    if (is_yaml(name)) {
        (void)snprintf(path, sizeof(path), "%s/%s", g->dir, name); // too long: not found
        add_file(g, path);
    }
}

// Directories inside the one being listed, as the daemon looks into them.
static void
on_sub_dir(void *user, const char *name)
{
    gathering *g = user;
    const char *dir = g->dir;
    char path[PATH_BYTES];
    if (strchr(name, '.') == NULL) {
        (void)snprintf(path, sizeof(path), "%s/%s", dir, name); // too long: not found
        g->dir = path;
        RT_IGNORE(rt_dir_list(path, on_name, g)); // no directory: no playbooks in it
        g->dir = dir;
    }
}

static void
add_path(gathering *g, const char *path)
{
    if (is_yaml(path)) {
        add_file(g, path);
        return;
    }
    g->dir = path;
    g->drafts->is_whole = true;
    if (g->err == RT_OK && rt_dir_list(path, on_name, g) != RT_OK) {
        g->err = rt_fail(RT_ENOTFOUND, "%s is neither a .yaml file nor a directory", path);
    }
    if (g->err == RT_OK) {
        rt_err err = rt_dir_list(path, on_sub_dir, g);
        g->err = g->err != RT_OK ? g->err : err;
    }
}

int
ctl_drafts_read(ctl_run *run, size_t from, ctl_drafts *ret_drafts)
{
    ctl_drafts drafts = {.files = rt_new_array(br_playbook_file, BR_PLAYBOOKS_MAX)};
    gathering g = {.run = run, .drafts = &drafts};
    for (size_t i = from; i < run->arg_count; i++) {
        add_path(&g, run->args[i]);
    }
    for (uint32_t i = 0; g.err == RT_OK && i < drafts.count; i++) {
        if (ctl_playbook_id(drafts.files[i].text).len == 0) {
            g.err = rt_fail(RT_EINVAL, "%.*s has no line id:", RT_STR_ARG(drafts.files[i].name));
        }
    }
    if (g.err != RT_OK) {
        ctl_drafts_free(&drafts);
        return ctl_fail(run, g.err, "brainctl playbooks check FILE");
    }
    *ret_drafts = drafts;
    return CTL_OK;
}

void
ctl_drafts_free(ctl_drafts *drafts)
{
    rt_free(drafts->files);
    drafts->files = NULL;
}

void
ctl_drafts_apply(ctl_run *run, const ctl_drafts *drafts, const ctl_set *base, ctl_set *ret_set)
{
    uint32_t kept = base != NULL && !drafts->is_whole ? base->count : 0;
    ctl_set set = {.version = base != NULL ? base->version : 1,
                   .files = rt_arena_array(run->arena, br_playbook_file, kept + drafts->count + 1)};
    for (uint32_t i = 0; i < kept; i++) {
        set.files[set.count++] = base->files[i];
    }
    for (uint32_t i = 0; i < drafts->count; i++) {
        rt_str id = ctl_playbook_id(drafts->files[i].text);
        uint32_t at = 0;
        while (at < set.count && !rt_str_equal(ctl_playbook_id(set.files[at].text), id)) {
            at++;
        }
        if (at < kept) {
            set.files[at].text = drafts->files[i].text;
        } else { // the same id twice among the drafts is found when they are compiled
            set.files[set.count++] = drafts->files[i];
        }
    }
    set.hash = br_playbooks_hash(set.files, set.count);
    *ret_set = set;
}

static int
refuse_drafts(ctl_run *run, const rt_diag *diag)
{
    rt_text text;
    rt_text_init(&text, FINDINGS_MAX);
    rt_diag_render(diag, &text);
    (void)fprintf(stderr, "%.*s", RT_STR_ARG(rt_text_view(&text)));
    rt_text_fini(&text);
    return ctl_refuse(run, RT_ECONFIG, "brainctl playbooks check FILE",
                      "the drafts have %zu mistake%s", rt_diag_errors(diag),
                      rt_diag_errors(diag) == 1 ? "" : "s");
}

// Findings name the drafts as the operator called them.
int
ctl_drafts_check(ctl_run *run, const br_pack *pack, const ctl_drafts *drafts, const ctl_set *edited)
{
    rt_diag *diag = rt_diag_new();
    br_playbooks *set = NULL;
    ctl_set named = *edited;
    named.files = rt_arena_array(run->arena, br_playbook_file, named.count + 1);
    for (uint32_t i = 0; i < named.count; i++) {
        named.files[i] = edited->files[i];
        for (uint32_t d = 0; d < drafts->count; d++) {
            bool is_draft = named.files[i].text.ptr == drafts->files[d].text.ptr;
            named.files[i].name = is_draft ? drafts->files[d].name : named.files[i].name;
        }
    }
    rt_err err =
        br_playbooks_compile(pack, named.files, named.count, named.version, diag, &set);
    int code = err == RT_OK                ? CTL_OK
               : rt_diag_errors(diag) > 0 ? refuse_drafts(run, diag)
                                          : ctl_fail(run, err, NULL);
    br_playbooks_free(set);
    rt_diag_free(diag);
    return code;
}

rt_str
ctl_with_mode(ctl_run *run, rt_str text, const char *mode)
{
    const char key[] = "\nmode:";
    const char *at = memmem(text.ptr, text.len, key, sizeof(key) - 1);
    const char *id = memmem(text.ptr, text.len, "\nid:", 4);
    const char *from = at != NULL ? at : id;
    if (from == NULL) {
        return text;
    }
    const char *line_end = memchr(from + 1, '\n', (size_t)(text.ptr + text.len - from - 1));
    const char *end = line_end != NULL ? line_end : text.ptr + text.len;
    const char *keep_until = at != NULL ? from : end; // a line `id` stays, a line `mode` goes
    return rt_arena_printf(run->arena, "%.*s\nmode: %s%.*s", (int)(keep_until - text.ptr),
                           text.ptr, mode, (int)(text.ptr + text.len - end), end);
}
