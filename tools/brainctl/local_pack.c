#include "tools/brainctl/local_pack.h"

#include <stdio.h>

#include "runtime/seam/file.h"

#define PATH_BYTES 1024

// The directory beside the pack's own, whatever slashes it ends in.
static void
core_beside(const char *dir, char *path)
{
    size_t len = strlen(dir);
    while (len > 1 && dir[len - 1] == '/') {
        len--;
    }
    while (len > 0 && dir[len - 1] != '/') {
        len--;
    }
    (void)snprintf(path, PATH_BYTES, "%.*score", (int)len, dir); // too long: not found
}

static bool
is_core(const char *dir)
{
    size_t len = strlen(dir);
    while (len > 1 && dir[len - 1] == '/') {
        len--;
    }
    return len >= 4 && strncmp(dir + len - 4, "core", 4) == 0 && (len == 4 || dir[len - 5] == '/');
}

rt_err
ctl_load_pack(ctl_run *run, rt_diag *diag, br_pack **ret_pack)
{
    const char *dir = run->opt.values[CTL_FLAG_PACK];
    br_pack *pack = br_pack_new();
    char core[PATH_BYTES];
    core_beside(dir, core);
    rt_err err = is_core(dir) ? RT_OK : br_pack_load_dir(pack, core, diag);
    if (err == RT_OK) {
        err = br_pack_load_dir(pack, dir, diag);
    }
    if (err == RT_OK) {
        err = br_pack_finish(pack, diag);
    }
    if (err == RT_ENOTFOUND) {
        err = rt_fail(err, "no pack in %s with its core in %s", dir, core);
    }
    if (err != RT_OK) {
        br_pack_free(pack);
        return err;
    }
    *ret_pack = pack;
    return RT_OK;
}
