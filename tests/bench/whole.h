// bench/whole.h: brain and agents on the simulated seams: one thread, virtual time, the same turns
// in every run.
//
// Layer: tests/bench.   Threads: one.
#ifndef CEREBRO_TESTS_BENCH_WHOLE_H
#define CEREBRO_TESTS_BENCH_WHOLE_H

#include "brain/agent/host.h"
#include "brain/core/brain.h"
#include "tests/bench/load.h"

#define WHOLE_DATA_DIR "/data" // on the simulated disk

typedef struct whole {
    br_pack *pack;
    int64_t zones[RT_TENANT_MAX];
    rt_loop *brain_loop;
    br_brain *brain;
    rt_loop *host_loop;
    br_host *host;
    br_host_entry entry;
    load_messages messages;
    uint32_t next;
    uint32_t under_way;
    uint32_t answered;
    uint64_t published;
} whole;

// whole_start opens both with the packs and playbooks below `source`, and makes `events` events in
// messages of `batch`; `playbooks` more are made, each about one customer. Exits the program when
// the files are not there.
void whole_start(whole *w, const char *source, uint32_t events, uint32_t batch,
                 uint32_t playbooks);
// whole_send_upto sends messages until all up to `upto` are answered and decided.
void whole_send_upto(whole *w, uint32_t upto);

#endif
