// brainctl/place.h: where a brain's settings, journal and playbooks are, whether it runs or not.
//
// Layer: tools/brainctl (may use tools/braind/settings.h).   Threads: one.
// A brain that runs tells what it was started with, flags and environment included. Without one the
// settings are read from --config, $CEREBRO_CONFIG or config/brain.yaml, as braind itself would.
#ifndef CEREBRO_TOOLS_BRAINCTL_PLACE_H
#define CEREBRO_TOOLS_BRAINCTL_PLACE_H

#include "tools/braind/settings.h"
#include "tools/brainctl/cli.h"

#define CTL_PATH_BYTES 1024

typedef struct ctl_place {
    settings *settings;
    char journal[CTL_PATH_BYTES];   // its directory; of --journal or --data when given
    char playbooks[CTL_PATH_BYTES]; // the live directory; empty without
    char playbook_prefix[CTL_PATH_BYTES]; // how recorded names of its files begin
    bool is_live;                   // a brain told
} ctl_place;

// ctl_place_open finds it and loads the settings with the pack; what is wrong is reported.
//   returns   the exit code; close it only after CTL_OK
int ctl_place_open(ctl_run *run, ctl_place *ret_place);
// ctl_place_known tells, without a word, whether there are settings to open: a brain that tells, or
// a file.
bool ctl_place_known(const ctl_run *run);
// ctl_place_close releases it.
void ctl_place_close(ctl_place *place);
// ctl_period_since reads --since (RFC 3339, or a span before the end) and --last (a span before the
// end) for a journal that ends at `last_at_ms`; 0 without.   returns the exit code
int ctl_period_since(ctl_run *run, int64_t last_at_ms, int64_t *ret_since_ms);

#endif
