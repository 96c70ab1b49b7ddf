// brainctl/door.h: calls at the control door.
//
// Layer: tools/brainctl.   Threads: one.
#ifndef CEREBRO_TOOLS_BRAINCTL_DOOR_H
#define CEREBRO_TOOLS_BRAINCTL_DOOR_H

#include "tools/brainctl/cli.h"
#include "tools/brainctl/value.h"

#define CTL_REQUEST_MAX ((size_t)4 * 1024 * 1024)

// Called with each item of an answer; it lives in run->arena.
typedef void (*ctl_on_item)(void *user, rt_bytes item);

// ctl_call sends a command with its arguments (may be NULL) and waits for the last frame. Items go
// to `on_item` (may be NULL). An error is reported.
//   ret_answer  in run->arena; set when CTL_OK is returned
//   returns     the exit code
int ctl_call(ctl_run *run, const char *command, ctl_map *args, ctl_on_item on_item, void *user,
             rt_bytes *ret_answer);
// ctl_follow does the same without end: each frame's items are forgotten after `on_frame`.
int ctl_follow(ctl_run *run, ctl_map *args, ctl_on_item on_item, void (*on_frame)(void *user),
               void *user);
// ctl_socket_path is where the brain's control door is looked for.
const char *ctl_socket_path(const ctl_run *run);

#endif
