// base/log.h: levelled key=value log lines on stderr.
//
// Layer: runtime/base.   Threads: any (one write per line).
// The first argument is a stable kebab-case event id, unique in the tree; then the text
// "key=value ...".
// Trouble is logged once, by the function that decides what to do about it.
#ifndef CEREBRO_RUNTIME_BASE_LOG_H
#define CEREBRO_RUNTIME_BASE_LOG_H

#include <stdint.h>

#include "runtime/base/attr.h"

typedef enum rt_log_level { RT_LOG_ERROR, RT_LOG_WARN, RT_LOG_INFO, RT_LOG_DEBUG } rt_log_level;

typedef void (*rt_log_sink)(void *user, rt_log_level level, const char *line);

// rt_log_set_level drops lines above `level`; default RT_LOG_INFO.
void rt_log_set_level(rt_log_level level);
// rt_log_set_json chooses JSON lines instead of logfmt.
void rt_log_set_json(int json);
// rt_log_set_clock makes every line begin with the time `now_ms` gives (wall time, ms since 1970);
// without a clock, or with NULL, lines carry no time. Call it before other threads log.
void rt_log_set_clock(int64_t (*now_ms)(void));
// rt_log_set_sink sends finished lines (no newline) to `sink` instead of stderr; NULL restores it.
// Call it before other threads log; `sink` is called on the thread that logs.
void rt_log_set_sink(rt_log_sink sink, void *user);
// rt_log_at writes one line; use the macros.
void rt_log_at(rt_log_level level, const char *event_id, const char *fmt, ...) RT_PRINTF(3, 4);

#define rt_log_error(id, ...) rt_log_at(RT_LOG_ERROR, id, __VA_ARGS__)
#define rt_log_warn(id, ...) rt_log_at(RT_LOG_WARN, id, __VA_ARGS__)
#define rt_log_info(id, ...) rt_log_at(RT_LOG_INFO, id, __VA_ARGS__)
#define rt_log_debug(id, ...) rt_log_at(RT_LOG_DEBUG, id, __VA_ARGS__)

#endif
