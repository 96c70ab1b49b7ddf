// replay/door.h: the brain's acknowledged ingest door, as the sender sees it.
//
// Layer: tools/replay.   Threads: one owner.   Blocks: yes.
#ifndef CEREBRO_TOOLS_REPLAY_DOOR_H
#define CEREBRO_TOOLS_REPLAY_DOOR_H

#include "tools/replay/send.h"

// door_open connects to a REQ door, trying again until timeout_ms have passed.
//   ret_door  lives as long as the process (a socket that may be receiving is never closed)
//   errors    RT_EUNREACH nobody listens · RT_EINVAL bad address
rt_err door_open(const char *url, int64_t timeout_ms, send_door *ret_door) RT_MUST_USE;

#endif
