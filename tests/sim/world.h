// sim/world.h: one simulated life of a brain with all its agents, under faults drawn from a seed.
//
// Layer: tests/sim (may use everything).   Threads: one.
#ifndef CEREBRO_TESTS_SIM_WORLD_H
#define CEREBRO_TESTS_SIM_WORLD_H

#include "brain/pack/pack.h"
#include "tests/sim/audit.h"

#define WORLD_TEXT_MAX 768

typedef struct world_result {
    bool held; // every invariant
    char text[WORLD_TEXT_MAX]; // the first that did not
    int64_t violated_ms;
    uint64_t trace_hash;
    uint64_t state_hash;
    audit_figures audit;
    uint64_t power_cuts;
    uint64_t kills;
    uint64_t host_kills;
    uint64_t link_cuts;
    uint64_t disk_full;
    uint64_t failed_cuts;
    uint64_t reloads;
    uint64_t resent; // requests
    uint64_t posts;  // webhook requests
    bool recycled;   // the journal was so small that its beginning is gone
    int64_t virtual_ms;
} world_result;

// world_run lives one life; the same seed gives the same life. `told` prints what is done to it.
void world_run(uint64_t seed, const br_pack *pack, bool told, world_result *ret_result);

#endif
