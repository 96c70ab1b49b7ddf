// faults/tape.h: one log of what several processes did to files, in the order in which they did it.
//
// Layer: tests/faults.   Threads: any; processes: any.
// A tape is a shared mapping: whoever appends takes its place with one atomic addition, so that an
// acknowledgement noted by a producer stands behind the sync that it followed in the daemon.
#ifndef CEREBRO_TESTS_FAULTS_TAPE_H
#define CEREBRO_TESTS_FAULTS_TAPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TAPE_BYTES_MAX (1ull << 30) // sparse: what is not written takes no room

typedef enum tape_kind {
    TAPE_OPEN = 1, // handle, path; flags
    TAPE_WRITE,    // handle, at, bytes; flags
    TAPE_SIZE,     // handle, at = new size
    TAPE_SYNC,     // handle; the file, or the directory that was opened
    TAPE_RENAME,   // path, zero byte, path
    TAPE_UNLINK,   // path
    TAPE_MKDIR,    // path
    TAPE_FOREIGN,  // path: it was changed in a way that is not recorded; text follows the path
} tape_kind;

#define TAPE_FLAG_TRUNC 1u    // OPEN: emptied
#define TAPE_FLAG_DURABLE 2u  // WRITE: through a handle that syncs each write
#define TAPE_FLAG_ZEROS 4u    // WRITE: `len` zeros that are not stored
#define TAPE_FLAG_APPENDED 8u // WRITE: at the end, wherever that is

typedef struct tape_entry {
    uint32_t bytes; // of the whole entry, written last: 0 = never finished
    uint16_t kind;
    uint16_t flags;
    uint64_t handle; // place of its OPEN
    uint64_t at;
    uint64_t len; // of the data; ZEROS are not stored
    uint8_t data[];
} tape_entry;

typedef struct tape tape;

// tape_open maps a tape, made when it is not there; NULL when that fails (errno).
tape *tape_open(const char *path);
// tape_add appends an entry and returns its place (never 0).
uint64_t tape_add(tape *t, tape_kind kind, unsigned flags, uint64_t handle, uint64_t at,
                  const void *data, size_t len);
// tape_next gives the entry behind `place` (0 = the first) and moves there; NULL at the end.
const tape_entry *tape_next(const tape *t, uint64_t *place);

#endif
