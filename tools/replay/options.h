// replay/options.h: the command line.
//
// Layer: tools/replay.   Threads: one owner.
#ifndef CEREBRO_TOOLS_REPLAY_OPTIONS_H
#define CEREBRO_TOOLS_REPLAY_OPTIONS_H

#include "tools/replay/generator.h"
#include "tools/replay/stream.h"

#define OPTIONS_PATHS_MAX STREAM_PARTS_MAX

typedef enum options_command { // a bit each: an option names the commands that know it
    OPTIONS_OLIST = 1,
    OPTIONS_DAY = 2,
    OPTIONS_FILE = 4,
} options_command;

typedef struct options {
    options_command command;
    const char *paths[OPTIONS_PATHS_MAX];
    size_t path_count;
    const char *url;
    const char *tenant;
    double speed; // 0 = as fast as it goes
    uint32_t batch;
    uint32_t window;
    int64_t timeout_ms;
    stream_bounds bounds;
    bool dry_run;
    bool jsonl;
    bool json_summary;
    bool quiet;
    bool stats;
    bool help;
    gen_config day;
} options;

// options_parse reads a command line; argv[0] is passed over. With --help, `help` is set and the
// rest is not looked at.
//   errors    RT_EINVAL with what is wrong in the detail
rt_err options_parse(int argc, char **argv, options *ret_options) RT_MUST_USE;

// options_help is the text of --help.
const char *options_help(void);

#endif
