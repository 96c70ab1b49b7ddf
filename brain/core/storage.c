// Design notes.
// The state is a fold of the journal. So a state that is damaged or missing is no loss as long as
// the journal reaches back to its first record: what is damaged is set aside, and recovery folds
// everything from an empty state, as it folds the tail at any other start. When the journal does
// not reach back that far, nothing is begun with half a state: the start is refused, and says what
// would help. Damage to the journal is never mended here, because nothing else holds what it held.
#include <stdio.h>

#include "brain/core/internal.h"
#include "runtime/base/log.h"
#include "runtime/seam/file.h"

#define DETAIL_MAX 1600

static rt_err
open_journal(br_brain *brain)
{
    const br_brain_config *config = &brain->config;
    char dir[1024];
    snprintf(dir, sizeof(dir), "%s/journal", config->data_dir);
    return rt_journal_open(&(rt_journal_config){.dir = dir,
                                                .segment_bytes = config->segment_bytes,
                                                .max_bytes = config->journal_max_bytes,
                                                .sync = config->sync},
                           &brain->journal);
}

static rt_err
open_state(br_brain *brain, const char *dir, rt_diag *diag)
{
    rt_err err = rt_kv_open(dir, brain->config.store_map_bytes, &brain->kv);
    if (err == RT_OK) {
        err = rt_store_open(brain->kv, &brain->store);
    }
    if (err == RT_OK) {
        err = br_state_new(brain->store, &brain->config.state, diag, &brain->state);
    }
    return err;
}

void
br__close_state(br_brain *brain)
{
    br_state_free(brain->state);
    brain->state = NULL;
    if (brain->store != NULL) {
        rt_store_close(brain->store);
        brain->store = NULL;
    }
    if (brain->kv != NULL) {
        rt_kv_close(brain->kv);
        brain->kv = NULL;
    }
}

// Puts a damaged state out of the way and opens an empty one in its place.
static rt_err
begin_anew(br_brain *brain, const char *dir, rt_diag *diag)
{
    char damage[DETAIL_MAX];
    char aside[1100];
    uint64_t first_seq = rt_journal_info_get(brain->journal).first_seq;
    snprintf(damage, sizeof(damage), "%s: %s", dir, rt_err_detail());
    br__close_state(brain);
    if (first_seq > 1) {
        return rt_fail(RT_ECORRUPT,
                       "%s; it cannot be rebuilt, because the journal begins with record %llu: "
                       "restore the data directory from a backup",
                       damage, (unsigned long long)first_seq);
    }
    rt_err err = rt_kv_set_aside(dir, aside, sizeof(aside));
    if (err != RT_OK) {
        return err;
    }
    brain->metrics.states_rebuilt++;
    rt_log_error("state-damaged", "detail=\"%s\" aside=%s, rebuilding it from the journal", damage,
                 aside);
    return open_state(brain, dir, diag);
}

rt_err
br__open_storage(br_brain *brain, rt_diag *diag)
{
    char dir[1024];
    rt_err err = rt_dir_make(brain->config.data_dir);
    if (err == RT_OK) {
        err = open_journal(brain);
    }
    if (err != RT_OK) {
        return err;
    }
    snprintf(dir, sizeof(dir), "%s/state", brain->config.data_dir);
    err = open_state(brain, dir, diag);
    if (err == RT_ECORRUPT) {
        err = begin_anew(brain, dir, diag);
    } else if (err == RT_OK && rt_kv_is_new(brain->kv) &&
               rt_journal_committed(brain->journal) > 0) {
        brain->metrics.states_rebuilt++;
        rt_log_error("state-missing", "dir=%s, rebuilding it from the journal", dir);
    }
    return err;
}

void
br__watch_fill(br_brain *brain)
{
    uint64_t used = rt_kv_used_bytes(brain->kv);
    unsigned step = rt_store_fill_step(used, brain->config.store_map_bytes);
    brain->metrics.store_bytes = used;
    if (step > brain->fill_step) {
        rt_log_warn("state-fills-up",
                    "percent=%u bytes=%llu max_bytes=%llu: raise data.store_max_bytes before it is "
                    "full and nothing can be saved",
                    step, (unsigned long long)used,
                    (unsigned long long)brain->config.store_map_bytes);
    }
    brain->fill_step = step;
}
