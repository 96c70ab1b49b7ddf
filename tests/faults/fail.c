// Design notes.
// A library to be preloaded: lets one call fail, or one and all after it.
//
//   CEREBRO_FAIL_DIR     only files below it (all kinds but memory)
//   CEREBRO_FAIL_KIND    open read write sync size map rename unlink mkdir close memory
//   CEREBRO_FAIL_NTH     which one, from 1; 0 = none, only count
//   CEREBRO_FAIL_HOW     EIO ENOSPC EINTR ... or short (write and read: half of it); not for memory
//   CEREBRO_FAIL_FOREVER 1 = all of that kind from the n-th on
//   CEREBRO_FAIL_COUNTS  a file that holds, shared with whoever looks, one number for each kind:
//                        how many calls there were; how many were made to fail; and the file that
//                        the first of them was about, below the directory
//   CEREBRO_FAIL_TRACE   1 = the first that fails tells on stderr who called it
//
// Memory fails from the beginning of main on; what the loader needs is not ours to test. The
// allocator below is asked by the names that glibc keeps for such libraries, because dlsym itself
// allocates.
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "tests/faults/preload.h"

#define FDS_MAX 1024
#define PATH_BYTES 256
#define FRAMES_MAX 40
#define SHORT (-1)

typedef enum kind {
    OPEN,
    READ,
    WRITE,
    SYNC,
    SIZE,
    MAP,
    RENAME,
    UNLINK,
    MKDIR,
    CLOSE,
    MEMORY,
    KINDS,
} kind;

typedef struct counts {
    _Atomic uint64_t calls[KINDS]; // each alone; nothing is guarded by them
    _Atomic uint64_t failed;
    char path[PATH_BYTES]; // of the first that failed
} counts;

static counts own_counts;
static counts *counted = &own_counts;
static bool is_on;
static const char *dir;
static size_t dir_len;
static kind failing = KINDS;
static uint64_t nth;
static bool is_forever;
static bool is_traced;
static int how = EIO;
static char ours[FDS_MAX][PATH_BYTES]; // paths; empty = not below the directory

void *__libc_malloc(size_t bytes);
void *__libc_calloc(size_t count, size_t bytes);
void *__libc_realloc(void *ptr, size_t bytes);
void *__libc_memalign(size_t align, size_t bytes);

static kind
kind_of(const char *name)
{
    static const char *const names[KINDS] = {"open", "read", "write", "sync", "size", "map",
                                             "rename", "unlink", "mkdir", "close", "memory"};
    int k = 0;

    while (k < KINDS && (name == NULL || strcmp(names[k], name) != 0)) {
        k++;
    }
    return (kind)k;
}

static int
errno_of(const char *name)
{
    static const struct {
        const char *name;
        int code;
    } known[] = {{"EIO", EIO},     {"ENOSPC", ENOSPC}, {"EINTR", EINTR}, {"ENOMEM", ENOMEM},
                 {"EMFILE", EMFILE}, {"EACCES", EACCES}, {"short", SHORT}};

    for (size_t i = 0; name != NULL && i < sizeof(known) / sizeof(known[0]); i++) {
        if (strcmp(known[i].name, name) == 0) {
            return known[i].code;
        }
    }
    return EIO;
}

static uint64_t
number(const char *text)
{
    uint64_t value = 0;

    while (text != NULL && *text >= '0' && *text <= '9') {
        value = value * 10 + (uint64_t)(*text++ - '0');
    }
    return value;
}

static void
map_counts(const char *path)
{
    void *map = MAP_FAILED;
    long fd = syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

    if (fd >= 0 && syscall(SYS_ftruncate, fd, sizeof(counts)) == 0) {
        map = (void *)syscall(SYS_mmap, NULL, sizeof(counts), PROT_READ | PROT_WRITE, MAP_SHARED,
                              fd, 0);
    }
    if (map == MAP_FAILED) {
        static const char text[] = "fail: cannot map CEREBRO_FAIL_COUNTS\n";

        (void)syscall(SYS_write, 2, text, sizeof(text) - 1);
        _exit(99);
    }
    (void)syscall(SYS_close, fd);
    counted = map;
}

__attribute__((constructor)) static void
begin(void)
{
    const char *path = getenv("CEREBRO_FAIL_COUNTS");

    dir = getenv("CEREBRO_FAIL_DIR");
    if (dir == NULL) {
        return;
    }
    dir_len = strlen(dir);
    failing = kind_of(getenv("CEREBRO_FAIL_KIND"));
    nth = number(getenv("CEREBRO_FAIL_NTH"));
    is_forever = number(getenv("CEREBRO_FAIL_FOREVER")) != 0;
    how = errno_of(getenv("CEREBRO_FAIL_HOW"));
    is_traced = number(getenv("CEREBRO_FAIL_TRACE")) != 0;
    if (is_traced) {
        void *frames[1];

        (void)backtrace(frames, 1); // the first call allocates
    }
    if (path != NULL) {
        map_counts(path);
    }
    is_on = true;
}

static void
set_path(char to[PATH_BYTES], const char *from)
{
    size_t len = strlen(from);

    len = len < PATH_BYTES - 1 ? len : PATH_BYTES - 1;
    memcpy(to, from, len);
    to[len] = '\0';
}

static void
trace(void)
{
    void *frames[FRAMES_MAX];

    if (is_traced) {
        backtrace_symbols_fd(frames, backtrace(frames, FRAMES_MAX), STDERR_FILENO);
    }
}

// Counts a call on a file (NULL: on none); whether it has to fail.
static bool
is_due(kind k, const char *path)
{
    uint64_t n = 0;

    if (!is_on) {
        return false;
    }
    n = atomic_fetch_add_explicit(&counted->calls[k], 1, memory_order_relaxed) + 1;
    if (k != failing || nth == 0 || n < nth || (n > nth && !is_forever)) {
        return false;
    }
    if (atomic_fetch_add_explicit(&counted->failed, 1, memory_order_relaxed) == 0) {
        set_path(counted->path, path != NULL ? path + dir_len : "");
        trace();
    }
    return true;
}

static bool
is_below(const char *path)
{
    return is_on && path != NULL && strncmp(path, dir, dir_len) == 0 &&
           (path[dir_len] == '/' || path[dir_len] == '\0');
}

static bool
is_ours(int fd)
{
    return is_on && fd >= 0 && fd < FDS_MAX && ours[fd][0] != '\0';
}

static int
refuse(void)
{
    errno = how == SHORT ? EIO : how;
    return -1;
}

// --- files ---

#define FAIL_OPEN(name)                                                                            \
    int name(const char *path, int flags, ...);                                                    \
    int name(const char *path, int flags, ...)                                                     \
    {                                                                                              \
        static int (*next)(const char *, int, ...);                                                \
        mode_t mode = 0;                                                                           \
        int fd = -1;                                                                               \
        if ((flags & O_CREAT) != 0) {                                                              \
            va_list more;                                                                          \
            va_start(more, flags);                                                                 \
            mode = va_arg(more, mode_t);                                                           \
            va_end(more);                                                                          \
        }                                                                                          \
        PRELOAD_NEXT(next, #name);                                                                 \
        if (!is_below(path)) {                                                                     \
            return next(path, flags, mode);                                                        \
        }                                                                                          \
        if (is_due(OPEN, path)) {                                                                  \
            return refuse();                                                                       \
        }                                                                                          \
        fd = next(path, flags, mode);                                                              \
        if (fd >= 0 && fd < FDS_MAX) {                                                             \
            set_path(ours[fd], path);                                                              \
        }                                                                                          \
        return fd;                                                                                 \
    }

FAIL_OPEN(open)
FAIL_OPEN(open64)

int
close(int fd)
{
    static int (*next)(int);
    bool due = false;

    PRELOAD_NEXT(next, "close");
    if (!is_ours(fd)) {
        return next(fd);
    }
    due = is_due(CLOSE, ours[fd]);
    ours[fd][0] = '\0';
    if (next(fd) != 0) { // it is closed even when it fails, as Linux does it
        return -1;
    }
    return due ? refuse() : 0;
}

// A transfer that fails, or does half of it. `call` names len.
#define FAIL_TRANSFER(k, call)                                                                     \
    do {                                                                                           \
        if (is_ours(fd) && is_due(k, ours[fd])) {                                                  \
            if (how != SHORT || len < 2) {                                                         \
                return refuse();                                                                   \
            }                                                                                      \
            len /= 2;                                                                              \
        }                                                                                          \
        return call;                                                                               \
    } while (0)

ssize_t
write(int fd, const void *bytes, size_t len)
{
    static ssize_t (*next)(int, const void *, size_t);

    PRELOAD_NEXT(next, "write");
    FAIL_TRANSFER(WRITE, next(fd, bytes, len));
}

#define FAIL_PWRITE(name)                                                                          \
    ssize_t name(int fd, const void *bytes, size_t len, off_t at)                                  \
    {                                                                                              \
        static ssize_t (*next)(int, const void *, size_t, off_t);                                  \
        PRELOAD_NEXT(next, #name);                                                                 \
        FAIL_TRANSFER(WRITE, next(fd, bytes, len, at));                                            \
    }

FAIL_PWRITE(pwrite)
FAIL_PWRITE(pwrite64)

#define FAIL_PREAD(name)                                                                           \
    ssize_t name(int fd, void *bytes, size_t len, off_t at)                                        \
    {                                                                                              \
        static ssize_t (*next)(int, void *, size_t, off_t);                                        \
        PRELOAD_NEXT(next, #name);                                                                 \
        FAIL_TRANSFER(READ, next(fd, bytes, len, at));                                             \
    }

FAIL_PREAD(pread)
FAIL_PREAD(pread64)

ssize_t
read(int fd, void *bytes, size_t len)
{
    static ssize_t (*next)(int, void *, size_t);

    PRELOAD_NEXT(next, "read");
    FAIL_TRANSFER(READ, next(fd, bytes, len));
}

ssize_t
writev(int fd, const struct iovec *parts, int count)
{
    static ssize_t (*next)(int, const struct iovec *, int);

    PRELOAD_NEXT(next, "writev");
    if (is_ours(fd) && is_due(WRITE, ours[fd])) {
        if (how != SHORT || count < 2) {
            return refuse();
        }
        count /= 2;
    }
    return next(fd, parts, count);
}

#define FAIL_PWRITEV(name)                                                                         \
    ssize_t name(int fd, const struct iovec *parts, int count, off_t at)                           \
    {                                                                                              \
        static ssize_t (*next)(int, const struct iovec *, int, off_t);                             \
        PRELOAD_NEXT(next, #name);                                                                 \
        if (is_ours(fd) && is_due(WRITE, ours[fd])) {                                              \
            if (how != SHORT || count < 2) {                                                       \
                return refuse();                                                                   \
            }                                                                                      \
            count /= 2;                                                                            \
        }                                                                                          \
        return next(fd, parts, count, at);                                                         \
    }

FAIL_PWRITEV(pwritev)
FAIL_PWRITEV(pwritev64)

#define FAIL_ON_FD(name, k, params, args)                                                          \
    int name params                                                                                \
    {                                                                                              \
        static int(*next) params;                                                                  \
        PRELOAD_NEXT(next, #name);                                                                 \
        return is_ours(fd) && is_due(k, ours[fd]) ? refuse() : next args;                          \
    }

FAIL_ON_FD(fsync, SYNC, (int fd), (fd))
FAIL_ON_FD(fdatasync, SYNC, (int fd), (fd))
FAIL_ON_FD(ftruncate, SIZE, (int fd, off_t bytes), (fd, bytes))
FAIL_ON_FD(ftruncate64, SIZE, (int fd, off_t bytes), (fd, bytes))
FAIL_ON_FD(fallocate, SIZE, (int fd, int mode, off_t at, off_t len), (fd, mode, at, len))
FAIL_ON_FD(fallocate64, SIZE, (int fd, int mode, off_t at, off_t len), (fd, mode, at, len))

#define FAIL_MMAP(name)                                                                            \
    void *name(void *at, size_t len, int prot, int flags, int fd, off_t offset)                    \
    {                                                                                              \
        static void *(*next)(void *, size_t, int, int, int, off_t);                                \
        PRELOAD_NEXT(next, #name);                                                                 \
        if (is_ours(fd) && is_due(MAP, ours[fd])) {                                                \
            (void)refuse();                                                                        \
            return MAP_FAILED;                                                                     \
        }                                                                                          \
        return next(at, len, prot, flags, fd, offset);                                             \
    }

FAIL_MMAP(mmap)
FAIL_MMAP(mmap64)

#define FAIL_ON_PATH(name, k, params, args)                                                        \
    int name params                                                                                \
    {                                                                                              \
        static int(*next) params;                                                                  \
        PRELOAD_NEXT(next, #name);                                                                 \
        return is_below(path) && is_due(k, path) ? refuse() : next args;                           \
    }

// Open files keep the name that they have, not the one that they had.
int
rename(const char *path, const char *to)
{
    static int (*next)(const char *, const char *);
    int rc = 0;

    PRELOAD_NEXT(next, "rename");
    if (!is_below(path)) {
        return next(path, to);
    }
    if (is_due(RENAME, path)) {
        return refuse();
    }
    rc = next(path, to);
    for (int fd = 0; rc == 0 && fd < FDS_MAX; fd++) {
        if (strcmp(ours[fd], path) == 0) {
            set_path(ours[fd], to);
        }
    }
    return rc;
}

FAIL_ON_PATH(unlink, UNLINK, (const char *path), (path))
FAIL_ON_PATH(mkdir, MKDIR, (const char *path, mode_t mode), (path, mode))

// --- memory ---

static void *
no_memory(void)
{
    errno = ENOMEM;
    return NULL;
}

void *
malloc(size_t bytes)
{
    return is_due(MEMORY, NULL) ? no_memory() : __libc_malloc(bytes);
}

void *
calloc(size_t count, size_t bytes)
{
    return is_due(MEMORY, NULL) ? no_memory() : __libc_calloc(count, bytes);
}

void *
realloc(void *ptr, size_t bytes)
{
    // Freeing by realloc cannot fail.
    return (ptr == NULL || bytes > 0) && is_due(MEMORY, NULL) ? no_memory()
                                                        : __libc_realloc(ptr, bytes);
}

void *
aligned_alloc(size_t align, size_t bytes)
{
    return is_due(MEMORY, NULL) ? no_memory() : __libc_memalign(align, bytes);
}

int
posix_memalign(void **ret_ptr, size_t align, size_t bytes)
{
    void *ptr = is_due(MEMORY, NULL) ? NULL : __libc_memalign(align, bytes);

    if (ptr == NULL) {
        return ENOMEM;
    }
    *ret_ptr = ptr;
    return 0;
}
