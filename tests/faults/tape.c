// Design notes.
// Linked into the preloaded libraries as well, so it uses nothing but the C library, and of that
// only what is no allocation and no recorded call: its own file is opened by a bare system call.
#include "tests/faults/tape.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define ALIGN 8u

struct tape {
    _Atomic uint64_t end; // pairs with the same of every other process that maps it
    uint64_t unused;
    uint8_t bytes[];
};

#define FIRST_PLACE offsetof(tape, bytes)

tape *
tape_open(const char *path)
{
    void *map = MAP_FAILED;
    long fd = syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

    if (fd < 0) {
        return NULL;
    }
    if (syscall(SYS_ftruncate, fd, TAPE_BYTES_MAX) == 0) {
        map = mmap(NULL, TAPE_BYTES_MAX, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE,
                   (int)fd, 0);
    }
    (void)syscall(SYS_close, fd); // the mapping stays
    return map == MAP_FAILED ? NULL : map;
}

uint64_t
tape_add(tape *t, tape_kind kind, unsigned flags, uint64_t handle, uint64_t at, const void *data,
         size_t len)
{
    size_t stored = (flags & TAPE_FLAG_ZEROS) != 0 ? 0 : len;
    size_t bytes = (sizeof(tape_entry) + stored + ALIGN - 1) / ALIGN * ALIGN;
    uint64_t place = FIRST_PLACE + atomic_fetch_add(&t->end, bytes);
    tape_entry *entry = (tape_entry *)((uint8_t *)t + place);

    if (place + bytes > TAPE_BYTES_MAX) {
        (void)fputs("tape: full\n", stderr);
        _exit(99); // a record with a hole would prove nothing
    }
    entry->kind = (uint16_t)kind;
    entry->flags = (uint16_t)flags;
    entry->handle = handle;
    entry->at = at;
    entry->len = len;
    if (stored > 0) {
        memcpy(entry->data, data, stored);
    }
    __atomic_store_n(&entry->bytes, (uint32_t)bytes, __ATOMIC_RELEASE);
    return place;
}

const tape_entry *
tape_next(const tape *t, uint64_t *place)
{
    const tape_entry *entry = NULL;
    uint64_t at = *place;

    if (at != 0) {
        entry = (const tape_entry *)((const uint8_t *)t + at);
        at += entry->bytes;
    } else {
        at = FIRST_PLACE;
    }
    if (at >= FIRST_PLACE + atomic_load(&t->end)) {
        return NULL;
    }
    entry = (const tape_entry *)((const uint8_t *)t + at);
    if (__atomic_load_n(&entry->bytes, __ATOMIC_ACQUIRE) == 0) {
        return NULL; // its process was killed here; what others wrote later cannot be found
    }
    *place = at;
    return entry;
}
