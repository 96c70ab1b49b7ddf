#include "tools/brainctl/meter.h"

#include <stdio.h>
#include <unistd.h>

#include "runtime/seam/clock.h"
#include "tools/brainctl/output.h"

#define EVERY_US 100000
#define WIDTH 30

ctl_meter
ctl_meter_begin(const ctl_run *run)
{
    bool quiet = ctl_given(run, CTL_FLAG_QUIET) || run->opt.color == CTL_NEVER;
    return (ctl_meter){.shown = !quiet && isatty(STDERR_FILENO),
                       .began_us = rt_clock_mono_us()};
}

void
ctl_meter_move(ctl_meter *meter, uint64_t done, uint64_t total, uint64_t count, const char *what)
{
    int64_t now_us = rt_clock_mono_us();
    char bar[WIDTH + 1];
    if (!meter->shown || now_us - meter->last_us < EVERY_US) {
        return;
    }
    meter->last_us = now_us;
    double share = total > 0 ? (double)RT_MIN(done, total) / (double)total : 0;
    double seconds = (double)(now_us - meter->began_us) / 1e6;
    for (int i = 0; i < WIDTH; i++) {
        bar[i] = i < (int)(share * WIDTH) ? '#' : '.';
    }
    bar[WIDTH] = '\0';
    (void)fprintf(stderr, "\r[%s] %3.0f %%  %llu %s, %.0f/s\x1b[K", bar, share * 100,
                  (unsigned long long)count, what, (double)count / seconds);
}

double
ctl_meter_end(ctl_meter *meter)
{
    if (meter->shown && meter->last_us != 0) {
        (void)fprintf(stderr, "\r\x1b[K");
    }
    return (double)(rt_clock_mono_us() - meter->began_us) / 1e6;
}
