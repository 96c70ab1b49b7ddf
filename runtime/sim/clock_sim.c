// Design notes. Both clocks show the scheduler's virtual time.

#include "runtime/seam/clock.h"

#include "runtime/sim/sim_internal.h"

int64_t
rt_clock_wall_ms(void)
{
    return sim__wall_ms();
}

int64_t
rt_clock_mono_us(void)
{
    return sim__now_us();
}
