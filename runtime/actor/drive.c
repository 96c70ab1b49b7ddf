#include "runtime/actor/drive.h"

#include "runtime/actor/internal.h"
#include "runtime/base/alloc.h"
#include "runtime/base/check.h"
#include "runtime/seam/clock.h"

// Design notes.
// A round of the loop is a bounded run of the actors (run_messages_max). When they have more to do,
// the wake-up that other systems use is sent to ourselves: sockets and timers of the loop then get
// their turn between two runs. The loop's timer is set only when the next due time has changed; one
// that is not needed any more fires once, for nothing.

#define US_PER_MS 1000
#define NOT_ARMED (-1)

struct rt_drive {
    rt_actors *actors;
    rt_loop *loop;
    rt_timer *timer;
    rt_wake *wake;
    int64_t armed_for_us;
};

static void
on_timer(void *user)
{
    rt_drive *drive = user;

    drive->armed_for_us = NOT_ARMED; // the turn that follows does the work
}

static void
on_wake(void *user)
{
    (void)user; // the turn that follows does the work
}

static void
send_wake(void *user)
{
    rt_drive *drive = user;

    rt_wake_send(drive->wake);
}

static void
arm(rt_drive *drive, int64_t now_us, int64_t next_us)
{
    if (next_us >= 0 && next_us != drive->armed_for_us) {
        drive->armed_for_us = next_us;
        rt_timer_start(drive->timer, (next_us - now_us + US_PER_MS - 1) / US_PER_MS, 0);
    }
}

static void
on_turn(void *user)
{
    rt_drive *drive = user;
    int64_t now_us = rt_clock_mono_us();
    int64_t next_us = rt_actors_run(drive->actors, now_us);

    if (next_us == now_us) {
        rt_wake_send(drive->wake);
    } else {
        arm(drive, now_us, next_us);
    }
}

rt_drive *
rt_drive_new(rt_actors *actors, rt_loop *loop)
{
    rt_drive *drive = rt_new(rt_drive);

    RT_CHECK(actors, RT__ACTORS_MAGIC);
    RT_ASSERT(actors->on_work == NULL);
    *drive = (rt_drive){.actors = actors, .loop = loop, .armed_for_us = NOT_ARMED};
    drive->timer = rt_timer_new(loop, on_timer, drive);
    drive->wake = rt_wake_new(loop, on_wake, drive);
    actors->on_work = send_wake;
    actors->on_work_user = drive;
    rt_loop_on_turn(loop, on_turn, drive);
    rt_wake_send(drive->wake); // for what was sent before there was a loop
    return drive;
}

void
rt_drive_free(rt_drive *drive)
{
    if (drive == NULL) {
        return;
    }
    drive->actors->on_work = NULL;
    rt_loop_on_turn(drive->loop, NULL, drive);
    rt_timer_free(drive->timer);
    rt_wake_free(drive->wake);
    rt_free(drive);
}
