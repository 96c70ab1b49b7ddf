// replay/summary.h: what is said at the end, for people or for programs.
//
// Layer: tools/replay.   Threads: one owner.
#ifndef CEREBRO_TOOLS_REPLAY_SUMMARY_H
#define CEREBRO_TOOLS_REPLAY_SUMMARY_H

#include <stdio.h>

#include "runtime/base/map.h"
#include "tools/replay/generator.h"
#include "tools/replay/lines.h"
#include "tools/replay/send.h"

typedef struct summary {
    const char *error; // why it ended early, or NULL
    bool sent;         // to a brain; else only counted or printed
    send_totals totals;
    uint64_t events;     // handed out by the source
    const rt_map *types; // events by type, or NULL
    int64_t first_ms;    // of the events handed out; both 0 when there were none
    int64_t last_ms;
    double seconds;
    const lines_report *lines; // or NULL
    const gen_stats *stats;    // the truth, or NULL
} summary;

// summary_print_text writes it for people.
void summary_print_text(FILE *to, const summary *s);
// summary_print_json writes it as one JSON object on one line.
void summary_print_json(FILE *to, const summary *s);
// summary_rejected is the number of events refused by the brain or not readable.
uint64_t summary_rejected(const summary *s);

#endif
