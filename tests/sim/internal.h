// sim/internal.h: the world's inside, shared by the files of tests/sim.
//
// Layer: tests/sim.   Threads: one.
#ifndef CEREBRO_TESTS_SIM_INTERNAL_H
#define CEREBRO_TESTS_SIM_INTERNAL_H

#include "brain/agent/host.h"
#include "brain/core/internal.h"
#include "runtime/sim/sim.h"
#include "tests/sim/producer.h"
#include "tests/sim/world.h"

#define LINK_URL "inproc://agents-inside"
#define CONTROL_PATH "/run/ctl.sock"
#define HALT_FILE "/run/HALT"
#define PRODUCERS 2
#define HALT_GRACE_MS 400 // publications under way when it was halted may still arrive

typedef struct world {
    uint64_t seed;
    rt_rng rng;
    bool told;
    const br_pack *pack;
    br_brain_config config;
    br_host_config host_config;
    br_host_entry host_entry;
    int64_t zones[RT_TENANT_MAX];
    rt_loop *client_loop;
    rt_timer *monitor;
    rt_loop *brain_loop;
    br_brain *brain;
    rt_loop *host_loop;
    br_host *host;
    int64_t host_back_ms; // when a killed host starts again
    producer *producers[PRODUCERS];
    rt_map *published; // seq -> hash of a published decision
    rt_map *posted;    // action id of a webhook -> the life of the brain that sent it
    uint64_t life;     // counts starts
    bool small_journal;
    int64_t halted_since_ms; // -1 when not
    int64_t mend_ms;         // when block, full disk and halt end
    bool resuming;
    bool calm;
    uint64_t countdown; // steps to the next strike
    uint32_t strikes;
    world_result *result;
} world;

// --- world.c ---
// world_say tells what happens, with --trace.
void world_say(world *w, const char *fmt, ...) RT_PRINTF(2, 3);
// world_violated notes what did not hold; the first counts and ends the life.
void world_violated(world *w, const char *fmt, ...) RT_PRINTF(2, 3);
// world_between draws from low..high.
int64_t world_between(world *w, int64_t low, int64_t high);

// --- life.c ---
// world_start starts brain and host; what keeps them from it is mended, as an operator would.
void world_start(world *w);
// world_start_host starts the host; world_end_host and world_end_brain forget them, nothing saved.
void world_start_host(world *w);
void world_end_host(world *w);
void world_end_brain(world *w);
// world_die ends both, with the page cache or (a power cut) without.
void world_die(world *w, bool power_cut);
// world_mend_disk ends what was asked of the disk and not met yet.
void world_mend_disk(void);

// --- strikes.c ---
// world_strike does something bad, drawn from the seed.
void world_strike(world *w);
// world_mend ends what lasts: a blocked link, a full disk, a halt.
void world_mend(world *w);

// --- witness.c ---
// world_on_publication sees what is published; the user is the world.
void world_on_publication(void *user, rt_bytes message);
// world_on_post is the receiver of webhooks.
void world_on_post(void *user, const rt_http_request *request, sim_http_answer *ret_answer);
// world_on_monitor looks at the world every few milliseconds: mends, resumes, brings the host back.
void world_on_monitor(void *user);

#endif
