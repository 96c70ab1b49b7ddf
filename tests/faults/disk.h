// faults/disk.h: what a disk may hold after a power cut, from a tape of what was done to it.
//
// Layer: tests/faults.   Threads: one owner.
// Every file is what is durable plus the calls since its last sync; the directory tree is what is
// durable plus the operations whose directory was not synced since. See README.md for what is
// taken to be legal.
#ifndef CEREBRO_TESTS_FAULTS_DISK_H
#define CEREBRO_TESTS_FAULTS_DISK_H

#include "runtime/base/bytes.h"
#include "runtime/base/err.h"
#include "runtime/base/rng.h"
#include "tests/faults/tape.h"

typedef struct disk disk;

// How the unsynced part of an image is chosen.
typedef enum disk_mode {
    DISK_ALL,    // everything that was called for is there
    DISK_NONE,   // nothing that was not synced
    DISK_SOME,   // each call or not, the newer not always over the older
    DISK_TORN,   // each sector of 512 bytes or not
    DISK_PREFIX, // everything up to some byte of some call
    DISK_MODES,
} disk_mode;

typedef struct disk_figures {
    uint64_t pending_calls;  // unsynced calls on file contents, at the image's moment
    uint64_t pending_names;  // unsynced operations on directories
    uint64_t lost_sectors;   // sectors of them that the image does not have
    uint64_t lost_names;
} disk_figures;

// disk_new begins with what stands in a directory, all of it durable; an empty disk with NULL.
//   errors    RT_EIO
rt_err disk_new(const char *base, disk **ret_disk) RT_MUST_USE;
// disk_free releases it.
void disk_free(disk *d);
// disk_apply does what an entry says.
//   errors    RT_EPROTO the tape does not fit the disk, or something was not recorded
rt_err disk_apply(disk *d, const tape_entry *entry, uint64_t place) RT_MUST_USE;
// disk_list is what stands in the producer's list by now (a view that lasts until the next apply).
rt_bytes disk_list(const disk *d);
// disk_image writes one legal image into an empty directory.
//   errors    RT_EIO
rt_err disk_image(disk *d, disk_mode mode, rt_rng *rng, const char *dir,
                  disk_figures *ret_figures) RT_MUST_USE;

#endif
