// brainctl playbooks new and schema: what one writes a playbook with.
//
// Design notes.
// The names of event types and actions come from --pack or from the running brain. Without either
// the schema still knows every key; a playbook to begin with needs a pack, or it would not load.
#include <stdio.h>

#include "brain/playbook/schema.h"
#include "runtime/base/alloc.h"
#include "runtime/seam/file.h"
#include "tools/brainctl/commands.h"
#include "tools/brainctl/door.h"
#include "tools/brainctl/local_pack.h"
#include "tools/brainctl/output.h"

#define TEXT_BYTES_MAX ((size_t)4 * 1024 * 1024)

static int
load_here(ctl_run *run, br_pack **ret_pack)
{
    rt_diag *diag = rt_diag_new();
    rt_err err = ctl_load_pack(run, diag, ret_pack);
    int code = CTL_OK;
    if (err == RT_ECONFIG) {
        rt_diag_render(diag, &run->out);
        code = CTL_NO;
    } else if (err != RT_OK) {
        code = ctl_fail(run, err, NULL);
    }
    rt_diag_free(diag);
    return code;
}

// Appends the schema with the names of the pack, or, where no brain answers, without names.
static int
write_schema(ctl_run *run, rt_text *out)
{
    br_pack *pack = NULL;
    rt_bytes answer;
    int code = CTL_OK;
    if (ctl_given(run, CTL_FLAG_PACK)) {
        code = load_here(run, &pack);
    } else if (rt_file_exists(ctl_socket_path(run))) {
        code = ctl_call(run, "playbooks.schema", NULL, NULL, NULL, &answer);
        if (code == CTL_OK) {
            rt_text_str(out, ctl_str(answer, "text"));
        }
        return code;
    } else {
        ctl_note(run, "without names of events and actions: no brain runs at %s; --pack DIR has "
                      "them too", ctl_socket_path(run));
    }
    if (code == CTL_OK) {
        br_schema_write(pack, out);
    }
    br_pack_free(pack);
    return code;
}

int
ctl_cmd_playbooks_schema(ctl_run *run)
{
    return write_schema(run, &run->out);
}

static int
write_starter(ctl_run *run, const char *id, rt_text *out)
{
    br_pack *pack = NULL;
    rt_bytes answer;
    if (!ctl_given(run, CTL_FLAG_PACK)) {
        ctl_map args = ctl_map_begin(CTL_REQUEST_MAX);
        ctl_map_str(&args, "id", rt_str_of(id));
        int code = ctl_call(run, "playbooks.starter", &args, NULL, NULL, &answer);
        ctl_map_fini(&args);
        if (code == CTL_OK) {
            rt_text_str(out, ctl_str(answer, "text"));
        } else if (code == CTL_UNREACHABLE) {
            ctl_note(run, "without one: brainctl playbooks new %s --pack config/packs/NAME", id);
        }
        return code;
    }
    int code = load_here(run, &pack);
    if (code == CTL_OK) {
        rt_err err = br_starter_write(pack, rt_str_of(id), BR_SCHEMA_FILE, out);
        code = err == RT_OK ? CTL_OK : ctl_fail(run, err, NULL);
    }
    br_pack_free(pack);
    return code;
}

static int
save(ctl_run *run, const char *path, const rt_text *text)
{
    rt_err err = rt_file_replace(path, rt_bytes_of_str(rt_text_view(text)));
    if (err != RT_OK) {
        return ctl_fail(run, err, NULL);
    }
    ctl_say(run, "%s\n", path);
    return CTL_OK;
}

static int
save_both(ctl_run *run, const char *path, const rt_text *text)
{
    rt_text schema;
    int code = save(run, path, text);
    rt_text_init(&schema, TEXT_BYTES_MAX);
    if (code == CTL_OK && !rt_file_exists(BR_SCHEMA_FILE)) {
        code = write_schema(run, &schema);
        code = code == CTL_OK ? save(run, BR_SCHEMA_FILE, &schema) : code;
    }
    rt_text_fini(&schema);
    return code;
}

int
ctl_cmd_playbooks_new(ctl_run *run)
{
    const char *id = run->args[0];
    const char *pack = run->opt.values[CTL_FLAG_PACK];
    char path[128];
    rt_text text;
    (void)snprintf(path, sizeof(path), "%.100s.yaml", id); // a longer id is refused below
    if (rt_file_exists(path)) {
        return ctl_refuse(run, RT_EEXIST, "choose another id, or remove it first",
                          "%s is there already", path);
    }
    rt_text_init(&text, TEXT_BYTES_MAX);
    int code = write_starter(run, id, &text);
    if (code == CTL_OK) {
        code = save_both(run, path, &text);
    }
    rt_text_fini(&text);
    if (code == CTL_OK) {
        ctl_note(run, "edit it, then: brainctl playbooks check %s%s%s", path,
                 pack != NULL ? " --pack " : "", pack != NULL ? pack : "");
    }
    return code;
}
