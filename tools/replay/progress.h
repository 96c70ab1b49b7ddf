// replay/progress.h: one line on a terminal that says how far it is.
//
// Layer: tools/replay.   Threads: one owner.
#ifndef CEREBRO_TOOLS_REPLAY_PROGRESS_H
#define CEREBRO_TOOLS_REPLAY_PROGRESS_H

#include <stdbool.h>

#include "tools/replay/stream.h"

typedef struct progress {
    bool shown; // only when standard error is a terminal
    int64_t begin_us;
    int64_t drawn_us;
    int64_t first_ms;
    int64_t last_ms;
    uint64_t total;
} progress;

// progress_start begins a line about a stream; nothing is ever drawn unless `wanted` and standard
// error is a terminal.
void progress_start(progress *p, const stream *s, bool wanted);
// progress_show draws, a few times a second, how many events are done and where their time stands.
void progress_show(void *self, uint64_t done, int64_t event_ms);
// progress_end takes the line away.
void progress_end(progress *p);
// progress_seconds is the wall time since the start.
double progress_seconds(const progress *p);
// progress_number writes 1234567 as "1,234,567" and returns `buf`.
const char *progress_number(uint64_t value, char buf[32]);
// progress_fraction is the share that is done, 0..1, by event time or by count, or -1 when unknown.
double progress_fraction(const progress *p, uint64_t done, int64_t event_ms);

#endif
