// sim/disk.h: what a simulation does to its disk: power cuts, failing calls, rotten bits.
//
// Layer: runtime/sim (links instead of runtime/real).   Threads: the simulation's one thread.
// The disk implements seam/file.h in memory. Every file has what the processes see and what would
// survive a power cut; between the two stand the writes that were not synced yet. Creating,
// renaming and removing are durable at once, as the real file seam makes them.
#ifndef CEREBRO_RUNTIME_SIM_DISK_H
#define CEREBRO_RUNTIME_SIM_DISK_H

#include "runtime/base/err.h"
#include "runtime/base/rng.h"

#include <stdbool.h>
#include <stdint.h>

#define SIM_DISK_SECTOR_BYTES 512

typedef enum sim_disk_op {
    SIM_DISK_OPEN,
    SIM_DISK_READ,
    SIM_DISK_WRITE, // fails after half of the sectors were written
    SIM_DISK_SYNC,  // what was to be synced stays visible but never becomes durable
    SIM_DISK_FILL,
    SIM_DISK_RENAME,
    SIM_DISK_REMOVE,
    SIM_DISK_COMMIT, // of the key-value store: nothing of it is applied
    SIM_DISK_SIZE,
    SIM_DISK_LIST,   // of a directory
    SIM_DISK_OPS,
} sim_disk_op;

// Something else that lives on the disk (the simulated key-value store).
typedef struct sim_disk_guest {
    void (*on_reset)(void);       // forget everything
    void (*on_crash)(rt_rng *rng); // keep what is durable; handles of before are dead
} sim_disk_guest;

// sim_disk_reset makes the disk empty and healthy; handles still open become invalid.
void sim_disk_reset(void);
// sim_disk_crash cuts the power: each unsynced write is kept, dropped or torn in sectors by the
// draws of `rng`. Open handles and locks become invalid: their calls fail with RT_EIO.
void sim_disk_crash(rt_rng *rng);
// sim_disk_fail_next makes the nth next call (1 = the very next) of a kind fail once with `err`.
// RT_ECRASH stands for a power cut in the middle of the call: nothing is lost yet, and whoever
// asked for it calls sim_disk_crash when the code under test has returned.
void sim_disk_fail_next(sim_disk_op op, uint64_t nth, rt_err err);
// sim_disk_fail_all makes all calls of a kind fail until sim_disk_fail_next is told 0 and RT_OK.
void sim_disk_fail_all(sim_disk_op op, rt_err err);
// sim_disk_call_next calls back once, right before the nth next call of a kind (1 = the very next):
// what another process does meanwhile. 0 forgets it.
void sim_disk_call_next(sim_disk_op op, uint64_t nth, void (*meanwhile)(void *user), void *user);
// sim_disk_flip_bit changes one stored bit, as rot would; false when the file is shorter.
bool sim_disk_flip_bit(const char *path, uint64_t bit);
// sim_kv_flip_bit changes one bit of the keys and values that the simulated store in `dir` holds,
// counted in the order of keys; false when it has fewer.
bool sim_kv_flip_bit(const char *dir, uint64_t bit);
// sim_disk_set_capacity limits the bytes of all files together; writes beyond fail with RT_ENOSPC.
void sim_disk_set_capacity(uint64_t bytes);
// sim_disk_used_bytes is the sum of all file sizes.
uint64_t sim_disk_used_bytes(void);
// sim_disk_due is for guests: the error the next call of a kind has to fail with, or RT_OK.
//   errors    what sim_disk_fail_next asked for
rt_err sim_disk_due(sim_disk_op op, const char *what) RT_MUST_USE;
// sim_disk_attach registers a guest (once; a second call with the same guest does nothing).
void sim_disk_attach(const sim_disk_guest *guest);

#endif
