#include "tools/brainctl/install.h"

#include "runtime/seam/file.h"
#include "tools/brainctl/door.h"
#include "tools/brainctl/local_pack.h"
#include "tools/brainctl/output.h"

#define CHANGES_MAX (2 * BR_PLAYBOOKS_MAX)

int
ctl_changes_add(ctl_run *run, ctl_changes *changes, const char *path, rt_str text)
{
    rt_str was = {NULL, 0};
    if (rt_file_exists(path)) {
        rt_err err = rt_file_read_all(path, BR_PLAYBOOK_BYTES_MAX, run->arena, &was);
        if (err != RT_OK) {
            return ctl_fail(run, err, NULL);
        }
    }
    bool same = text.ptr == NULL ? was.ptr == NULL
                                 : was.ptr != NULL && rt_str_equal(text, was);
    if (same || changes->count == CHANGES_MAX) {
        return CTL_OK;
    }
    if (changes->list == NULL) {
        changes->list = rt_arena_array(run->arena, ctl_change, CHANGES_MAX);
    }
    changes->list[changes->count++] =
        (ctl_change){rt_arena_str(run->arena, rt_str_of(path)).ptr, text, was};
    return CTL_OK;
}

static rt_err
write_text(const char *path, rt_str text)
{
    return text.ptr != NULL ? rt_file_replace(path, rt_bytes_of_str(text)) : rt_file_remove(path);
}

static void
put_back(ctl_run *run, const ctl_changes *changes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (write_text(changes->list[i].path, changes->list[i].was) != RT_OK) {
            ctl_note(run, "%s could not be put back: %s", changes->list[i].path, rt_err_detail());
        }
    }
}

int
ctl_reload(ctl_run *run, const char *how, rt_bytes *ret_answer)
{
    const char *reason = run->opt.values[CTL_FLAG_REASON];
    ctl_map args = ctl_map_begin(8192);
    ctl_map_str(&args, "how", rt_str_of(how));
    ctl_map_str(&args, "reason", rt_str_of(reason));
    int code = ctl_call(run, "playbooks.reload", &args, NULL, NULL, ret_answer);
    ctl_map_fini(&args);
    return code;
}

int
ctl_install(ctl_run *run, const ctl_changes *changes, const char *how, rt_bytes *ret_answer)
{
    size_t written = 0;
    rt_err err = RT_OK;
    while (written < changes->count && err == RT_OK) {
        err = write_text(changes->list[written].path, changes->list[written].text);
        written += err == RT_OK;
    }
    int code = err == RT_OK ? ctl_reload(run, how, ret_answer)
                            : ctl_fail(run, err, "nothing was changed");
    bool refused = code == CTL_OK && ctl_u64(*ret_answer, "errors") > 0;
    if (code != CTL_OK || refused) {
        put_back(run, changes, written);
    }
    if (refused) {
        code = ctl_put_findings(run, *ret_answer, "");
        ctl_note(run, "refused: the files are as they were, and the live set goes on");
    }
    return code;
}
