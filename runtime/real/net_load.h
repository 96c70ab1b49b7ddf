// real/net_load.h: a request client that keeps many requests outstanding, for benchmarks.
//
// Layer: runtime/real (there is no simulated one).   Threads: as each comment says.
// rt_client blocks its thread twice a request, which costs more than the brain's whole work on an
// event. Here a thread only sends, and replies come back on threads of nng's.
#ifndef CEREBRO_RUNTIME_REAL_NET_LOAD_H
#define CEREBRO_RUNTIME_REAL_NET_LOAD_H

#include "runtime/base/bytes.h"
#include "runtime/base/err.h"

#define RT_LOAD_SLOTS_MAX 256

typedef struct rt_load rt_load;

// Called with the reply to the request of a slot, on a thread of nng's, several at a time for
// different slots. The slot is free again: rt_load_send may be called from here. `err` is not
// RT_OK when there is no reply.
typedef void (*rt_on_load_reply)(void *user, uint32_t slot, rt_err err, rt_bytes reply);

// rt_load_dial connects to a REP door with `slots` requests that can be outstanding.
//   errors    RT_EUNREACH nobody listens · RT_EINVAL bad address · RT_EIO
rt_err rt_load_dial(const char *url, uint32_t slots, rt_on_load_reply on_reply, void *user,
                    rt_load **ret_load) RT_MUST_USE;
// rt_load_send sends a request (copied) on the free slot of this index; any thread, one at a time
// for a slot.
void rt_load_send(rt_load *load, uint32_t index, rt_bytes body);

#endif
