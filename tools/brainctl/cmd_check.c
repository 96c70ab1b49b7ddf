// brainctl playbooks check: by the running brain and its pack, or here with the pack of --pack.
//
// Design notes.
// Both ways end in the same answer {errors, warnings, text, findings, changed, playbooks}, and the
// forms for machines are written from its findings, so that it makes no difference who looked.
#include <stdio.h>

#include "brain/core/rehearse.h"
#include "brain/playbook/findings.h"
#include "brain/playbook/playbook.h"
#include "runtime/base/alloc.h"
#include "runtime/seam/file.h"
#include "runtime/wire/json.h"
#include "tools/brainctl/commands.h"
#include "tools/brainctl/door.h"
#include "tools/brainctl/local_pack.h"
#include "tools/brainctl/output.h"

#define FILE_BYTES_MAX 65536
#define FILES_MAX BR_PLAYBOOKS_MAX
#define PATH_BYTES 1024
#define FINDINGS_BYTES_MAX ((size_t)4 * 1024 * 1024)

typedef struct gathering {
    ctl_run *run;
    const char *dir;
    br_playbook_file *files;
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
        rt_str name = rt_arena_str(g->run->arena, rt_str_of(path));
        g->files[g->count++] = (br_playbook_file){name, text};
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
int
ctl_put_findings(ctl_run *run, rt_bytes answer, const char *fine)
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


// A finding of the answer, back in the form it was made in.
static void
add_finding(rt_diag *diag, rt_bytes finding)
{
    char file[PATH_BYTES];
    char code[16];
    char help[512];
    rt_str given = ctl_str(finding, "help");
    rt_str message = ctl_str(finding, "message");
    rt_mark mark = {(uint32_t)ctl_u64(finding, "line"), (uint32_t)ctl_u64(finding, "column"),
                    (uint32_t)ctl_u64(finding, "length")};
    bool is_error = rt_str_is(ctl_str(finding, "severity"), "error");
    (void)snprintf(file, sizeof(file), "%.*s", RT_STR_ARG(ctl_str(finding, "file")));
    (void)snprintf(code, sizeof(code), "%.*s", RT_STR_ARG(ctl_str(finding, "code")));
    (void)snprintf(help, sizeof(help), "%.*s", RT_STR_ARG(given));
    rt_diag_source(diag, file, RT_STR(""));
    rt_diag_add(diag, is_error ? RT_SEVERITY_ERROR : RT_SEVERITY_WARNING, code, mark,
                given.len > 0 ? help : NULL, "%.*s", RT_STR_ARG(message));
}

static int
put_form(ctl_run *run, rt_bytes answer, br_findings_form form)
{
    rt_diag *diag = rt_diag_new();
    ctl_list list = ctl_items(ctl_raw(answer, "findings"));
    rt_bytes finding;
    while (ctl_next_item(&list, &finding)) {
        add_finding(diag, finding);
    }
    br_findings_write(diag, form, &run->out);
    rt_diag_free(diag);
    return ctl_u64(answer, "errors") > 0 ? CTL_NO : CTL_OK;
}

// What a brain would answer.
static rt_err
answer_here(ctl_run *run, const rt_diag *diag, size_t playbooks, rt_bytes *ret_answer)
{
    ctl_map answer = ctl_map_begin(FINDINGS_BYTES_MAX);
    rt_text text;
    rt_text_init(&text, FINDINGS_BYTES_MAX / 4);
    rt_diag_render(diag, &text);
    ctl_map_u64(&answer, "errors", rt_diag_errors(diag));
    ctl_map_u64(&answer, "warnings", rt_diag_warnings(diag));
    ctl_map_str(&answer, "text", rt_text_view(&text));
    rt_text_clear(&text);
    rt_diag_render_json(diag, &text);
    rt_err err = rt_json_to_mp(rt_text_view(&text), ctl_map_key(&answer, "findings"));
    ctl_map_bool(&answer, "changed", false);
    ctl_map_u64(&answer, "playbooks", playbooks);
    *ret_answer = rt_arena_copy(run->arena, ctl_map_end(&answer));
    if (err == RT_OK && (answer.w.failed || ret_answer->ptr == NULL)) {
        err = rt_fail(RT_ELIMIT, "too many findings");
    }
    ctl_map_fini(&answer);
    rt_text_fini(&text);
    return err;
}

static int
check_here(ctl_run *run, const gathering *g, rt_bytes *ret_answer)
{
    br_pack *pack = NULL;
    br_playbooks *set = NULL;
    rt_diag *diag = rt_diag_new();
    rt_err err = ctl_load_pack(run, diag, &pack);
    if (err == RT_OK) {
        err = br_playbooks_compile(pack, g->files, g->count, 1, diag, &set);
    }
    if (err == RT_OK) {
        err = br_rehearse(pack, g->files, g->count, diag, NULL, NULL);
    }
    if (err == RT_OK || (err == RT_ECONFIG && rt_diag_errors(diag) > 0)) {
        err = answer_here(run, diag, set != NULL ? br_playbooks_count(set) : 0, ret_answer);
    }
    int code = err == RT_OK ? CTL_OK : ctl_fail(run, err, NULL);
    br_playbooks_free(set);
    br_pack_free(pack);
    rt_diag_free(diag);
    return code;
}

static int
ask_brain(ctl_run *run, const gathering *g, rt_bytes *ret_answer)
{
    ctl_map args = ctl_map_begin(CTL_REQUEST_MAX);
    if (run->arg_count > 0) {
        rt_mpw *w = ctl_map_key(&args, "files");
        rt_mpw_array(w, g->count);
        for (uint32_t i = 0; i < g->count; i++) {
            rt_mpw_array(w, 2);
            rt_mpw_str(w, g->files[i].name);
            rt_mpw_str(w, g->files[i].text);
        }
    }
    int code = ctl_call(run, "playbooks.check", &args, NULL, NULL, ret_answer);
    ctl_map_fini(&args);
    return code;
}

static int
put_answer(ctl_run *run, rt_bytes answer, br_findings_form form)
{
    char fine[128];
    uint64_t count = ctl_u64(answer, "playbooks");
    if (form != BR_FINDINGS_HUMAN) {
        return put_form(run, answer, form);
    }
    (void)snprintf(fine, sizeof(fine), "%llu playbook%s fine%s\n", (unsigned long long)count,
                   count == 1 ? " is" : "s are",
                   run->arg_count == 0 && ctl_bool(answer, "changed")
                       ? ", they differ from the live set: brainctl playbooks reload"
                       : "");
    return ctl_put_findings(run, answer, fine);
}

static int
check_form(ctl_run *run, br_findings_form *ret_form)
{
    const char *given = run->opt.values[CTL_FLAG_FORM];
    *ret_form = BR_FINDINGS_HUMAN;
    if (given != NULL && !br_findings_form_of(rt_str_of(given), ret_form)) {
        return ctl_refuse(run, RT_EINVAL, "human, gcc, json or sarif",
                          "findings have no form '%s'", given);
    }
    if (ctl_given(run, CTL_FLAG_PACK) && run->arg_count == 0) {
        return ctl_refuse(run, RT_EINVAL, "brainctl playbooks check --pack DIR playbooks/",
                          "--pack wants playbooks to check");
    }
    return CTL_OK;
}

int
ctl_cmd_playbooks_check(ctl_run *run)
{
    gathering g = {.run = run, .files = rt_new_array(br_playbook_file, FILES_MAX)};
    rt_bytes answer = {NULL, 0};
    br_findings_form form;
    int code = check_form(run, &form);
    for (size_t i = 0; i < run->arg_count; i++) {
        add_path(&g, run->args[i]);
    }
    if (code == CTL_OK && g.err != RT_OK) {
        code = ctl_fail(run, g.err, NULL);
    }
    if (code == CTL_OK) {
        code = ctl_given(run, CTL_FLAG_PACK) ? check_here(run, &g, &answer)
                                             : ask_brain(run, &g, &answer);
    }
    if (code == CTL_OK) {
        code = put_answer(run, answer, form);
    }
    rt_free(g.files);
    return code;
}
