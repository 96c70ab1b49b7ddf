// real/internal.h: what the real seams share among themselves.
//
// Layer: runtime/real only.   Threads: loop thread only.
#ifndef CEREBRO_RUNTIME_REAL_INTERNAL_H
#define CEREBRO_RUNTIME_REAL_INTERNAL_H

#include "runtime/seam/loop.h"

struct uv_loop_s;

// RT__SURE stops the process when a library call failed that only missing memory lets fail.
#define RT__SURE(rc, no_memory, library)                                                           \
    do {                                                                                           \
        if (RT_UNLIKELY((rc) == (no_memory))) {                                                    \
            rt_out_of_memory(library);                                                             \
        }                                                                                          \
        RT_ASSERT((rc) == 0);                                                                      \
    } while (0)

// Something that lives on a loop and is let go with it, in reverse order of rt__loop_own.
typedef struct rt__owned {
    struct rt__owned *prev;
    struct rt__owned *next;
    void (*fini)(void *self); // called by rt_loop_free after disowning
    void *self;
} rt__owned;

// rt__loop_uv is the libuv loop inside, for the other files of this folder.
struct uv_loop_s *rt__loop_uv(rt_loop *loop);
// rt__loop_own ties `owned` to the loop.
void rt__loop_own(rt_loop *loop, rt__owned *owned, void (*fini)(void *self), void *self);
// rt__loop_disown unties it; a second call does nothing.
void rt__loop_disown(rt__owned *owned);

#endif
