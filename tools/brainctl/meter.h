// brainctl/meter.h: a bar on the terminal that shows how far something has come.
//
// Layer: tools/brainctl.   Threads: one.
#ifndef CEREBRO_TOOLS_BRAINCTL_METER_H
#define CEREBRO_TOOLS_BRAINCTL_METER_H

#include "tools/brainctl/cli.h"

typedef struct ctl_meter {
    bool shown; // standard error is a terminal and nobody asked to be quiet
    int64_t began_us;
    int64_t last_us;
} ctl_meter;

// ctl_meter_begin starts one.
ctl_meter ctl_meter_begin(const ctl_run *run);
// ctl_meter_move shows `done` of `total`, at most some times a second; `what` counts as `count`.
void ctl_meter_move(ctl_meter *meter, uint64_t done, uint64_t total, uint64_t count,
                    const char *what);
// ctl_meter_end clears the line.   returns the seconds since it began
double ctl_meter_end(ctl_meter *meter);

#endif
