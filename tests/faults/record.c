// Design notes.
// A library to be preloaded: notes on a tape what its process does to the files below
// CEREBRO_TAPE_DIR and to the file CEREBRO_TAPE_LIST (a producer's own list of what was
// acknowledged). CEREBRO_TAPE names the tape.
//
// Calls on recorded files are serialised by one lock, each noted before the next may begin: so a
// sync covers exactly the writes that stand before it. A call is noted when it has returned; that a
// crash may fall inside of it is left to who reads the tape: unsynced, any part of it may be there.
//
// Shared writable mappings are not seen; they are noted as TAPE_FOREIGN.
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "tests/faults/preload.h"
#include "tests/faults/tape.h"

#define FDS_MAX 1024
#define PARTS_BYTES_MAX (64u * 1024 * 1024)

typedef struct recorded_fd {
    uint64_t handle; // 0 = not recorded
    bool is_durable; // O_SYNC or O_DSYNC
    bool is_append;
} recorded_fd;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static tape *record; // NULL = nothing is recorded in this process
static const char *dir;
static size_t dir_len;
static const char *list;
static recorded_fd fds[FDS_MAX];

__attribute__((constructor)) static void
begin(void)
{
    const char *path = getenv("CEREBRO_TAPE");

    dir = getenv("CEREBRO_TAPE_DIR");
    list = getenv("CEREBRO_TAPE_LIST");
    if (path == NULL || dir == NULL || list == NULL) {
        return;
    }
    dir_len = strlen(dir);
    record = tape_open(path);
    if (record == NULL) {
        (void)fprintf(stderr, "record: cannot open the tape %s\n", path);
        _exit(99);
    }
}

// The path as it stands on the tape, or NULL when it is not recorded. The daemon and the producer
// name files by absolute paths.
static const char *
recorded_path(const char *path)
{
    if (record == NULL || path == NULL) {
        return NULL;
    }
    if (strcmp(path, list) == 0) {
        return "!list";
    }
    if (strncmp(path, dir, dir_len) != 0 || (path[dir_len] != '/' && path[dir_len] != '\0')) {
        return NULL;
    }
    path += dir_len;
    return path[0] == '/' ? path + 1 : path;
}

static recorded_fd *
recorded(int fd)
{
    return record != NULL && fd >= 0 && fd < FDS_MAX && fds[fd].handle != 0 ? &fds[fd] : NULL;
}

static void
enter(void)
{
    (void)pthread_mutex_lock(&lock);
}

static void
leave(void)
{
    int code = errno;

    (void)pthread_mutex_unlock(&lock);
    errno = code;
}

static int
note_open(int fd, const char *path, int flags)
{
    const char *name = recorded_path(path);
    unsigned noted = (flags & O_TRUNC) != 0 ? TAPE_FLAG_TRUNC : 0;

    if (fd < 0 || name == NULL) {
        return fd;
    }
    if (fd >= FDS_MAX) {
        (void)fputs("record: too many files\n", stderr);
        _exit(99);
    }
    fds[fd] = (recorded_fd){.handle = tape_add(record, TAPE_OPEN, noted, 0, 0, name,
                                               strlen(name) + 1),
                            .is_durable = (flags & O_DSYNC) != 0,
                            .is_append = (flags & O_APPEND) != 0};
    return fd;
}

#define OPEN(name)                                                                                 \
    int name(const char *path, int flags, ...);                                                    \
    int name(const char *path, int flags, ...)                                                     \
    {                                                                                              \
        static int (*next)(const char *, int, ...);                                                \
        mode_t mode = 0;                                                                           \
        int fd = 0;                                                                                \
        if ((flags & O_CREAT) != 0) {                                                              \
            va_list more;                                                                          \
            va_start(more, flags);                                                                 \
            mode = va_arg(more, mode_t);                                                           \
            va_end(more);                                                                          \
        }                                                                                          \
        PRELOAD_NEXT(next, #name);                                                                 \
        if (recorded_path(path) == NULL) {                                                         \
            return next(path, flags, mode);                                                        \
        }                                                                                          \
        enter();                                                                                   \
        fd = note_open(next(path, flags, mode), path, flags);                                      \
        leave();                                                                                   \
        return fd;                                                                                 \
    }

OPEN(open)
OPEN(open64)

int
close(int fd)
{
    static int (*next)(int);
    int rc = 0;

    PRELOAD_NEXT(next, "close");
    if (recorded(fd) == NULL) {
        return next(fd);
    }
    enter();
    fds[fd].handle = 0;
    rc = next(fd);
    leave();
    return rc;
}

static bool
all_zeros(const uint8_t *bytes, size_t len)
{
    return len > 0 && bytes[0] == 0 && memcmp(bytes, bytes + 1, len - 1) == 0;
}

static void
note_write(const recorded_fd *fd, int64_t at, const void *bytes, size_t len)
{
    unsigned flags = fd->is_durable ? TAPE_FLAG_DURABLE : 0;

    flags |= all_zeros(bytes, len) ? TAPE_FLAG_ZEROS : 0;
    flags |= fd->is_append ? TAPE_FLAG_APPENDED : 0;
    (void)tape_add(record, TAPE_WRITE, flags, fd->handle, (uint64_t)at, bytes, len);
}

ssize_t
write(int fd, const void *bytes, size_t len)
{
    static ssize_t (*next)(int, const void *, size_t);
    const recorded_fd *known = recorded(fd);
    ssize_t done = 0;

    PRELOAD_NEXT(next, "write");
    if (known == NULL) {
        return next(fd, bytes, len);
    }
    enter();
    done = next(fd, bytes, len);
    if (done > 0) {
        note_write(known, lseek(fd, 0, SEEK_CUR) - done, bytes, (size_t)done);
    }
    leave();
    return done;
}

#define PWRITE(name)                                                                               \
    ssize_t name(int fd, const void *bytes, size_t len, off_t at)                                  \
    {                                                                                              \
        static ssize_t (*next)(int, const void *, size_t, off_t);                                  \
        const recorded_fd *known = recorded(fd);                                                   \
        ssize_t done = 0;                                                                          \
        PRELOAD_NEXT(next, #name);                                                                 \
        if (known == NULL) {                                                                       \
            return next(fd, bytes, len, at);                                                       \
        }                                                                                          \
        enter();                                                                                   \
        done = next(fd, bytes, len, at);                                                           \
        if (done > 0) {                                                                            \
            note_write(known, at, bytes, (size_t)done);                                            \
        }                                                                                          \
        leave();                                                                                   \
        return done;                                                                               \
    }

PWRITE(pwrite)
PWRITE(pwrite64)

static void
note_parts(const recorded_fd *fd, int64_t at, const struct iovec *parts, int count, size_t done)
{
    for (int i = 0; i < count && done > 0; i++) {
        size_t len = parts[i].iov_len < done ? parts[i].iov_len : done;

        note_write(fd, at, parts[i].iov_base, len);
        at += (int64_t)len;
        done -= len;
    }
}

ssize_t
writev(int fd, const struct iovec *parts, int count)
{
    static ssize_t (*next)(int, const struct iovec *, int);
    const recorded_fd *known = recorded(fd);
    ssize_t done = 0;

    PRELOAD_NEXT(next, "writev");
    if (known == NULL) {
        return next(fd, parts, count);
    }
    enter();
    done = next(fd, parts, count);
    if (done > 0) {
        note_parts(known, lseek(fd, 0, SEEK_CUR) - done, parts, count, (size_t)done);
    }
    leave();
    return done;
}

#define PWRITEV(name)                                                                              \
    ssize_t name(int fd, const struct iovec *parts, int count, off_t at)                           \
    {                                                                                              \
        static ssize_t (*next)(int, const struct iovec *, int, off_t);                             \
        const recorded_fd *known = recorded(fd);                                                   \
        ssize_t done = 0;                                                                          \
        PRELOAD_NEXT(next, #name);                                                                 \
        if (known == NULL) {                                                                       \
            return next(fd, parts, count, at);                                                     \
        }                                                                                          \
        enter();                                                                                   \
        done = next(fd, parts, count, at);                                                         \
        if (done > 0) {                                                                            \
            note_parts(known, at, parts, count, (size_t)done);                                     \
        }                                                                                          \
        leave();                                                                                   \
        return done;                                                                               \
    }

PWRITEV(pwritev)
PWRITEV(pwritev64)

#define FTRUNCATE(name)                                                                            \
    int name(int fd, off_t bytes)                                                                  \
    {                                                                                              \
        static int (*next)(int, off_t);                                                            \
        const recorded_fd *known = recorded(fd);                                                   \
        int rc = 0;                                                                                \
        PRELOAD_NEXT(next, #name);                                                                 \
        if (known == NULL) {                                                                       \
            return next(fd, bytes);                                                                \
        }                                                                                          \
        enter();                                                                                   \
        rc = next(fd, bytes);                                                                      \
        if (rc == 0) {                                                                             \
            (void)tape_add(record, TAPE_SIZE, 0, known->handle, (uint64_t)bytes, NULL, 0);         \
        }                                                                                          \
        leave();                                                                                   \
        return rc;                                                                                 \
    }

FTRUNCATE(ftruncate)
FTRUNCATE(ftruncate64)

#define SYNC(name)                                                                                 \
    int name(int fd)                                                                               \
    {                                                                                              \
        static int (*next)(int);                                                                   \
        const recorded_fd *known = recorded(fd);                                                   \
        int rc = 0;                                                                                \
        PRELOAD_NEXT(next, #name);                                                                 \
        if (known == NULL) {                                                                       \
            return next(fd);                                                                       \
        }                                                                                          \
        enter();                                                                                   \
        rc = next(fd);                                                                             \
        if (rc == 0) {                                                                             \
            (void)tape_add(record, TAPE_SYNC, 0, known->handle, 0, NULL, 0);                       \
        }                                                                                          \
        leave();                                                                                   \
        return rc;                                                                                 \
    }

SYNC(fsync)
SYNC(fdatasync)

static void
note_foreign(const recorded_fd *fd, const char *what)
{
    enter();
    (void)tape_add(record, TAPE_FOREIGN, 0, fd->handle, 0, what, strlen(what) + 1);
    leave();
}

#define MMAP(name)                                                                                 \
    void *name(void *at, size_t len, int prot, int flags, int fd, off_t offset)                    \
    {                                                                                              \
        static void *(*next)(void *, size_t, int, int, int, off_t);                                \
        const recorded_fd *known = recorded(fd);                                                   \
        PRELOAD_NEXT(next, #name);                                                                 \
        if (known != NULL && (flags & MAP_SHARED) != 0 && (prot & PROT_WRITE) != 0) {              \
            note_foreign(known, #name);                                                            \
        }                                                                                          \
        return next(at, len, prot, flags, fd, offset);                                             \
    }

MMAP(mmap)
MMAP(mmap64)

#define FALLOCATE(name)                                                                            \
    int name(int fd, int mode, off_t at, off_t len)                                                \
    {                                                                                              \
        static int (*next)(int, int, off_t, off_t);                                                \
        const recorded_fd *known = recorded(fd);                                                   \
        PRELOAD_NEXT(next, #name);                                                                 \
        if (known != NULL) {                                                                       \
            note_foreign(known, #name);                                                            \
        }                                                                                          \
        return next(fd, mode, at, len);                                                            \
    }

FALLOCATE(fallocate)
FALLOCATE(fallocate64)

int
rename(const char *from, const char *to)
{
    static int (*next)(const char *, const char *);
    const char *known = recorded_path(from);
    const char *known_to = recorded_path(to);
    char both[2 * PATH_MAX];
    int rc = 0;

    PRELOAD_NEXT(next, "rename");
    if (known == NULL || known_to == NULL) {
        return next(from, to);
    }
    enter();
    rc = next(from, to);
    if (rc == 0) {
        int len = snprintf(both, sizeof(both), "%s%c%s", known, '\0', known_to);

        (void)tape_add(record, TAPE_RENAME, 0, 0, 0, both, (size_t)len + 1);
    }
    leave();
    return rc;
}

#define PATH_CALL(name, kind)                                                                      \
    int name(const char *path)                                                                     \
    {                                                                                              \
        static int (*next)(const char *);                                                          \
        const char *known = recorded_path(path);                                                   \
        int rc = 0;                                                                                \
        PRELOAD_NEXT(next, #name);                                                                 \
        if (known == NULL) {                                                                       \
            return next(path);                                                                     \
        }                                                                                          \
        enter();                                                                                   \
        rc = next(path);                                                                           \
        if (rc == 0) {                                                                             \
            (void)tape_add(record, kind, 0, 0, 0, known, strlen(known) + 1);                       \
        }                                                                                          \
        leave();                                                                                   \
        return rc;                                                                                 \
    }

PATH_CALL(unlink, TAPE_UNLINK)
PATH_CALL(rmdir, TAPE_UNLINK)

int
mkdir(const char *path, mode_t mode)
{
    static int (*next)(const char *, mode_t);
    const char *known = recorded_path(path);
    int rc = 0;

    PRELOAD_NEXT(next, "mkdir");
    if (known == NULL) {
        return next(path, mode);
    }
    enter();
    rc = next(path, mode);
    if (rc == 0) {
        (void)tape_add(record, TAPE_MKDIR, 0, 0, 0, known, strlen(known) + 1);
    }
    leave();
    return rc;
}
