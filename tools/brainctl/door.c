#include "tools/brainctl/door.h"

#include <stdio.h>
#include <stdlib.h>

#include "runtime/base/check.h"
#include "tools/brainctl/output.h"

#define FOLLOW_TIMEOUT_MS ((int64_t)10 * 365 * 24 * 3600 * 1000) // until interrupted

const char *
ctl_socket_path(const ctl_run *run)
{
    static char path[1024];
    const char *given = run->opt.values[CTL_FLAG_SOCKET];
    const char *from_env = getenv("CEREBRO_SOCKET");
    const char *runtime = getenv("XDG_RUNTIME_DIR");
    if (given != NULL) {
        return given;
    }
    if (from_env != NULL && from_env[0] != '\0') {
        return from_env;
    }
    if (runtime == NULL || runtime[0] == '\0') {
        return "/run/cerebro/ctl.sock";
    }
    (void)snprintf(path, sizeof(path), "%s/cerebro/ctl.sock", runtime); // too long: refused by dial
    return path;
}

static int
connect_door(ctl_run *run, int64_t timeout_ms)
{
    const char *path = ctl_socket_path(run);
    if (run->client != NULL) {
        return CTL_OK;
    }
    rt_err err = rt_ctl_dial(path, timeout_ms, &run->client);
    if (err == RT_EUNREACH) {
        return ctl_refuse(run, err, "is braind running? another socket: --socket PATH",
                          "no brain answers at %s", path);
    }
    if (err == RT_EDENIED) {
        return ctl_refuse(run, err, "use sudo, or be one of the group of doors.control_group",
                          "the control socket %s is not yours", path);
    }
    return err == RT_OK ? CTL_OK : ctl_fail(run, err, NULL);
}

static int
send_request(ctl_run *run, const char *command, ctl_map *args)
{
    ctl_map request = ctl_map_begin(CTL_REQUEST_MAX);
    ctl_map_str(&request, "cmd", rt_str_of(command));
    if (args != NULL) {
        rt_mpw_raw(ctl_map_key(&request, "args"), ctl_map_end(args));
    }
    rt_bytes body = ctl_map_end(&request);
    rt_err err = request.w.failed ? rt_fail(RT_ELIMIT, "the request is too large")
                                  : rt_ctl_send(run->client, body);
    ctl_map_fini(&request);
    return err == RT_OK ? CTL_OK : ctl_fail(run, err, NULL);
}

static int
report(const ctl_run *run, rt_bytes answer)
{
    rt_str code = ctl_str(answer, "error.code");
    if (code.len == 0) {
        return ctl_refuse(run, RT_EPROTO, NULL, "the answer is none of a brain's");
    }
    return ctl_error(run, code, ctl_str(answer, "error.text"), ctl_str(answer, "error.hint"));
}

// Waits for a frame and passes its items on; *ret_last when it ends the answer.
static int
take_frame(ctl_run *run, ctl_on_item on_item, void *user, rt_bytes *ret_frame, bool *ret_last)
{
    rt_bytes frame;
    rt_bytes item;
    rt_err err = rt_ctl_recv(run->client, run->arena, &frame);
    if (err == RT_OK) {
        err = rt_mp_check(frame);
    }
    if (err != RT_OK) {
        return ctl_fail(run, err, err == RT_ETIMEOUT ? "more patience: --timeout 1m" : NULL);
    }
    *ret_frame = frame;
    rt_bytes items = ctl_raw(frame, "items");
    *ret_last = items.len == 0;
    ctl_list list = ctl_items(items);
    while (on_item != NULL && ctl_next_item(&list, &item)) {
        on_item(user, item);
    }
    if (*ret_last && !ctl_bool(frame, "ok")) {
        return report(run, frame);
    }
    return CTL_OK;
}

int
ctl_call(ctl_run *run, const char *command, ctl_map *args, ctl_on_item on_item, void *user,
         rt_bytes *ret_answer)
{
    bool last = false;
    int code = connect_door(run, run->opt.timeout_ms);
    if (code == CTL_OK) {
        code = send_request(run, command, args);
    }
    while (code == CTL_OK && !last) {
        code = take_frame(run, on_item, user, ret_answer, &last);
    }
    return code;
}

int
ctl_follow(ctl_run *run, ctl_map *args, ctl_on_item on_item, void (*on_frame)(void *user),
           void *user)
{
    rt_bytes frame;
    bool last = false;
    if (run->client != NULL) { // its timeout is that of a call
        rt_ctl_hangup(run->client);
        run->client = NULL;
    }
    int code = connect_door(run, FOLLOW_TIMEOUT_MS);
    if (code == CTL_OK) {
        code = send_request(run, "records.follow", args);
    }
    while (code == CTL_OK && !last) {
        rt_arena_reset(run->arena);
        code = take_frame(run, on_item, user, &frame, &last);
        on_frame(user);
    }
    return code;
}
