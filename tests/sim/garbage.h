// sim/garbage.h: messages that no door may take, and none may suffer from.
//
// Layer: tests/sim.   Threads: one.
#ifndef CEREBRO_TESTS_SIM_GARBAGE_H
#define CEREBRO_TESTS_SIM_GARBAGE_H

#include "runtime/base/bytes.h"
#include "runtime/base/rng.h"

#define GARBAGE_CAP 8192

// garbage_make draws a message: noise, sizes that lie, nesting without end, half of `like`, or
// nothing at all.
rt_bytes garbage_make(rt_rng *rng, rt_bytes like, uint8_t buf[GARBAGE_CAP]);

#endif
