// Design notes. Wall time is CLOCK_REALTIME and may step; durations use CLOCK_MONOTONIC. Both are
// answered by the vDSO in about 20 ns, so nothing here is cached.

#include "runtime/seam/clock.h"

#include <time.h>

#include "runtime/base/check.h"

static struct timespec
read_clock(clockid_t which)
{
    struct timespec now = {0};
    int rc = clock_gettime(which, &now);

    RT_ASSERT(rc == 0);
    return now;
}

int64_t
rt_clock_wall_ms(void)
{
    struct timespec now = read_clock(CLOCK_REALTIME);

    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int64_t
rt_clock_mono_us(void)
{
    struct timespec now = read_clock(CLOCK_MONOTONIC);

    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}
