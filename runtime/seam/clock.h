// seam/clock.h: the only clock. Real: runtime/real; simulated: runtime/sim (virtual time).
//
// Layer: runtime/seam.   Threads: any.
#ifndef CEREBRO_RUNTIME_SEAM_CLOCK_H
#define CEREBRO_RUNTIME_SEAM_CLOCK_H

#include <stdint.h>

// rt_clock_wall_ms is ms since the Unix epoch; it may step.
int64_t rt_clock_wall_ms(void);
// rt_clock_mono_us is a monotonic microsecond count for durations.
int64_t rt_clock_mono_us(void);

#endif
