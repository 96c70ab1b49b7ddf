// fuzz/life.h: a live brain on the simulated seams, for targets that speak to one of its doors.
//
// Layer: tests (links brain and the simulated seams).   Threads: one.
// A life is new: an empty simulated disk with two playbooks, one START record, virtual time 0.
// Making one takes some 200 us, so a target keeps it until an execution has left something in it.
// In the bulk of a campaign (FUZZ_FAST) it is kept for LIFE_TOUCHES such executions; what they were
// given is appended to the file that $FUZZ_HISTORY names, which so holds one input for the whole
// life.
#ifndef CEREBRO_TESTS_FUZZ_LIFE_H
#define CEREBRO_TESTS_FUZZ_LIFE_H

#include "brain/core/internal.h"
#include "runtime/sim/sim.h"

#define LIFE_CONTROL "/run/ctl.sock"
#define LIFE_INGEST "tcp://127.0.0.1:7701"
#define LIFE_HOST_URL "inproc://agents-inside"
#define LIFE_HOST "inside"

// life_next returns the brain for the next execution, of a new life when the one before is spent.
// With a host, the brain waits for its hello.
br_brain *life_next(bool with_host, bool *ret_is_new);
// life_note adds what the execution is about to say to the history.
void life_note(rt_bytes said);
// life_check asserts what must hold of a brain whatever was said to it.
void life_check(const br_brain *brain);

#endif
