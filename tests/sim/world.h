// sim/world.h: one simulated life of a brain with all its agents, under faults drawn from a seed.
//
// Layer: tests/sim (may use everything).   Threads: one.
#ifndef CEREBRO_TESTS_SIM_WORLD_H
#define CEREBRO_TESTS_SIM_WORLD_H

#include "brain/pack/pack.h"
#include "tests/audit/audit.h"

#define WORLD_TEXT_MAX 768

typedef enum world_fault {
#define X(name, text) FAULT_##name,
#include "tests/sim/faults.def"
#undef X
    FAULTS,
} world_fault;

typedef struct world_result {
    bool held; // every invariant
    char text[WORLD_TEXT_MAX]; // the first that did not
    int64_t violated_ms;
    uint64_t trace_hash;
    uint64_t state_hash;
    audit_figures audit;
    uint64_t faults[FAULTS];
    uint64_t resent; // requests
    uint64_t posts;  // webhook requests
    uint64_t happenings;
    bool paced;
    bool recycled; // the journal was so small that its beginning is gone
    bool detected; // damage that cannot be mended was found and named, which ended the life
    int64_t virtual_ms;
} world_result;

// world_run lives one life; the same seed gives the same life. `told` prints what is done to it.
// `rules` is the pack as the audit reads it.
void world_run(uint64_t seed, const br_pack *pack, const audit_pack *rules, bool told,
               world_result *ret_result);
// world_fault_name is what a kind of fault is called in reports.
const char *world_fault_name(world_fault fault);

#endif
