// harness/state_kit.h: the brain's state over the real pack, for tests of brain/core.
//
// Layer: tests (links brain).   Threads: one.
#ifndef CEREBRO_TESTS_HARNESS_STATE_KIT_H
#define CEREBRO_TESTS_HARNESS_STATE_KIT_H

#include "brain/core/state.h"
#include "tests/harness/pack_kit.h"

#define STATE_KIT_HOUR_MS ((int64_t)3600 * 1000)
#define STATE_KIT_DAY_MS (24 * STATE_KIT_HOUR_MS)
#define STATE_KIT_NOON_MS (20000 * STATE_KIT_DAY_MS + 17 * STATE_KIT_HOUR_MS) // 12:00 in Bogotá

// state_kit_config is the configuration of all states made here.
static inline br_state_config
state_kit_config(const br_pack *pack)
{
    static const int64_t zones[] = {0, -5 * STATE_KIT_HOUR_MS};

    return (br_state_config){.pack = pack,
                             .gate = {.actions_per_minute = 50,
                                      .quiet_from_min = 21 * 60,
                                      .quiet_until_min = 8 * 60,
                                      .utc_offset_ms = zones,
                                      .tenant_count = RT_COUNT(zones)},
                             .subjects_max = 1000,
                             .memories_max = 1000,
                             .dedup_events = 1024,
                             .dedup_window_ms = STATE_KIT_DAY_MS};
}

// state_kit_open makes the state that `store` holds.
static inline br_state *
state_kit_open(rt_store *store, const br_pack *pack)
{
    const br_state_config config = state_kit_config(pack);
    rt_diag *diag = rt_diag_new();
    br_state *state = NULL;

    if (br_state_new(store, &config, diag, &state) != RT_OK) {
        drive_report(diag);
    }
    rt_diag_free(diag);
    return state;
}

// state_kit_playbook compiles one playbook as a whole set.
static inline br_playbooks *
state_kit_playbook(const br_pack *pack, const char *text, uint64_t version)
{
    br_playbook_file file = {RT_STR("x.yaml"), rt_str_of(text)};
    rt_diag *diag = rt_diag_new();
    br_playbooks *set = NULL;

    if (br_playbooks_compile(pack, &file, 1, version, diag, &set) != RT_OK) {
        drive_report(diag);
    }
    rt_diag_free(diag);
    return set;
}

// state_kit_start folds the START record that names the journal `instance` (8 letters).
static inline void
state_kit_start(br_state *state, uint64_t seq, const char *instance)
{
    rt_mpw w;
    rt_record record = {.seq = seq, .at_ms = STATE_KIT_NOON_MS, .kind = RT_RECORD_START};

    rt_mpw_init(&w, 256);
    rt_mpw_array(&w, 3);
    rt_mpw_cstr(&w, instance);
    rt_mpw_cstr(&w, "test");
    rt_mpw_u64(&w, 1);
    record.payload = rt_mpw_view(&w);
    br_state_apply_start(state, &record);
    rt_mpw_fini(&w);
}

#endif
