// replay/lines.h: CloudEvents as JSON lines, from a file or from standard input.
//
// Layer: tools/replay.   Threads: one owner.   Blocks: yes, on its input.
#ifndef CEREBRO_TOOLS_REPLAY_LINES_H
#define CEREBRO_TOOLS_REPLAY_LINES_H

#include "tools/replay/stream.h"

#define LINES_BYTES_MAX ((size_t)1024 * 1024) // of one line
#define LINES_REASON_CAP 256

// Lines that are no events; they are passed over and counted.
typedef struct lines_report {
    uint64_t bad;
    char first[LINES_REASON_CAP]; // the first of them: "events.jsonl:7: ..."
} lines_report;

// lines_open reads `path` ("-" is standard input) line by line.
//   tenant    put on events that name none; empty for none; must outlive the stream
//   report    filled in while the stream is read; must outlive it
//   errors    RT_ENOTFOUND
rt_err lines_open(const char *path, rt_str tenant, lines_report *report,
                  stream *ret_stream) RT_MUST_USE;

#endif
