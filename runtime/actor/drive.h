// actor/drive.h: runs a system of actors on a loop, with its clock.
//
// Layer: runtime/actor (may use runtime/base, runtime/seam).   Threads: the loop's.
// The system then runs once in every round of the loop, after the loop's own callbacks, and the
// loop sleeps until the next timer of an actor or until something wakes it.
#ifndef CEREBRO_RUNTIME_ACTOR_DRIVE_H
#define CEREBRO_RUNTIME_ACTOR_DRIVE_H

#include "runtime/actor/system.h"
#include "runtime/seam/loop.h"

typedef struct rt_drive rt_drive;

// rt_drive_new has `loop` run `actors`, in the time of rt_clock_mono_us; before any system that is
// connected with it runs.
//   owns      borrows both
rt_drive *rt_drive_new(rt_actors *actors, rt_loop *loop) RT_MUST_USE;
// rt_drive_free lets go of the loop; nobody may send from another system any more. NULL is fine.
void rt_drive_free(rt_drive *drive);

#endif
