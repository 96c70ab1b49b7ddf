// brain/core/replay.h: re-runs a journal from its beginning in a fresh state and compares.
//
// Layer: brain/core.   Threads: one. Needs no clock: time is in the records.
// Every event is folded and given to the agents again; at every decision record the decision is
// made again from what they say and compared byte by byte with the recorded one. What a crash or a
// deadline decided is taken from the record: an agent recorded as missing is left out.
#ifndef CEREBRO_BRAIN_CORE_REPLAY_H
#define CEREBRO_BRAIN_CORE_REPLAY_H

#include "brain/agent/runner.h"
#include "brain/core/state.h"

typedef struct br_replay_config {
    const char *journal_dir;
    br_state_config state;
    br_runner_config runner; // its `store` is made here
    uint64_t until_seq;      // 0 = to the end
} br_replay_config;

typedef struct br_replay_result {
    uint64_t records;
    uint64_t events;
    uint64_t decisions;
    uint64_t differences;    // decisions that came out otherwise
    uint64_t contexts;       // events whose recorded context came out otherwise
    uint64_t first_difference_seq;
    uint64_t state_hash;
    uint64_t agents_hash;
    uint64_t last_seq;
    uint64_t undecided; // events without a decision at the end
} br_replay_result;

// br_replay runs it. `on_difference` (may be NULL) is told both versions of a decision, encoded.
//   errors    RT_ECORRUPT · RT_ENOTFOUND · RT_ESTALE the journal no longer begins with record 1 ·
//             RT_ECONFIG
rt_err br_replay(const br_replay_config *config, rt_diag *diag,
                 void (*on_difference)(void *user, uint64_t event_seq, rt_bytes recorded,
                                       rt_bytes again),
                 void *user, br_replay_result *ret_result) RT_MUST_USE;

#endif
