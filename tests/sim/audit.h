// sim/audit.h: what must hold of a journal, whatever was done to the brain that wrote it.
//
// Layer: tests/sim.   Threads: one.
#ifndef CEREBRO_TESTS_SIM_AUDIT_H
#define CEREBRO_TESTS_SIM_AUDIT_H

#include "brain/pack/pack.h"
#include "runtime/base/map.h"

#define AUDIT_TEXT_MAX 512

typedef struct audit_figures {
    uint64_t records;
    uint64_t first_seq;
    uint64_t external; // producers' events
    uint64_t internal;
    uint64_t decisions;
    uint64_t intents;
    uint64_t outcomes;
    uint64_t missing;      // decisions without an agent that was late
    uint64_t timers_fired;
    uint64_t starts;
    uint64_t playbook_sets;
    uint64_t halts;
} audit_figures;

// What others saw while the brain ran.
typedef struct audit_witness {
    const rt_map *const *acked; // producers' lists: producer_key -> sequence number
    size_t acked_count;
    const rt_map *published; // sequence number (8 bytes) -> hash of the decision published
    const rt_map *posted;    // action id -> anything
    bool recycled; // the beginning of the journal is gone: nothing is said about it
} audit_witness;

// audit_journal reads the whole journal on the simulated disk.
//   ret_text  on false: what is wrong, with the record's number
bool audit_journal(const char *dir, const br_pack *pack, const audit_witness *witness,
                   audit_figures *ret_figures, char ret_text[AUDIT_TEXT_MAX]);

#endif
