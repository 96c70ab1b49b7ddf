// harness/store_kit.h: a store on the simulated disk that a test can stop and start again.
//
// Layer: tests (links runtime/sim).   Threads: one.
#ifndef CEREBRO_TESTS_HARNESS_STORE_KIT_H
#define CEREBRO_TESTS_HARNESS_STORE_KIT_H

#include "runtime/sim/disk.h"
#include "runtime/store/store.h"
#include "tests/harness/check.h"

#define STORE_KIT_MAP_BYTES (64u * 1024 * 1024)

typedef struct store_kit {
    rt_kv *kv;
    rt_store *store;
} store_kit;

// store_kit_open starts on what the disk holds.
static inline void
store_kit_open(store_kit *kit)
{
    CHECK_OK(rt_kv_open("/state", STORE_KIT_MAP_BYTES, &kit->kv));
    CHECK_OK(rt_store_open(kit->kv, &kit->store));
}

// store_kit_new starts on an empty disk.
static inline void
store_kit_new(store_kit *kit)
{
    sim_disk_reset();
    store_kit_open(kit);
}

// store_kit_close stops without saving.
static inline void
store_kit_close(store_kit *kit)
{
    rt_store_close(kit->store);
    rt_kv_close(kit->kv);
    *kit = (store_kit){NULL, NULL};
}

// store_kit_restart saves, stops and starts; what lies over the store is the caller's to make anew.
static inline void
store_kit_restart(store_kit *kit, uint64_t applied_seq)
{
    CHECK_OK(rt_store_cut_wait(kit->store, applied_seq));
    store_kit_close(kit);
    store_kit_open(kit);
}

#endif
