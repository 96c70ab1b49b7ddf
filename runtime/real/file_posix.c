#include "runtime/seam/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "runtime/base/alloc.h"
#include "runtime/base/check.h"

// Design notes.
// Durable means: the data (fdatasync) and the way to it (fsync of the directory after every create,
// rename and removal). A failed fdatasync is never repeated: the kernel reports it once and drops
// the pages, so a second call would claim success for data that is gone; a handle that saw it
// refuses to sync again.
//
// Invariant: errno is read before any other call and always turned into an rt_err here.

#define FILE_MAGIC 0xf11ef11eu
#define LOCK_MAGIC 0x10c4f11eu
#define FILL_CHUNK (1024u * 1024)
#define PATH_BYTES_MAX 1024
#define PID_TEXT_MAX 24

struct rt_file {
    uint32_t magic;
    int fd;
    bool sync_failed;
};

struct rt_lock {
    uint32_t magic;
    int fd;
};

static rt_err
err_of_errno(int code)
{
    switch (code) {
    case ENOENT:
    case ENOTDIR:
        return RT_ENOTFOUND;
    case EACCES:
    case EPERM:
    case EROFS:
        return RT_EDENIED;
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
        return RT_ENOSPC;
    case ENAMETOOLONG:
    case EINVAL:
        return RT_EINVAL;
    default:
        return RT_EIO;
    }
}

static rt_err
fail_errno(const char *what, const char *path)
{
    int code = errno;

    return rt_fail(err_of_errno(code), "%s %s: %s", what, path, strerrordesc_np(code));
}

// Length of the directory part of a path, without the last slash; 0 for a bare name.
static size_t
dir_len(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash != NULL ? (size_t)(slash - path) : 0;
}

static rt_err
sync_dir_of(const char *path)
{
    char dir[PATH_BYTES_MAX];
    size_t len = dir_len(path);
    rt_err err = RT_OK;
    int fd = -1;

    if (len >= sizeof(dir)) {
        return rt_fail(RT_EINVAL, "path too long: %s", path);
    }
    if (path[0] == '/' && len == 0) {
        len = 1;
    }
    memcpy(dir, len > 0 ? path : ".", len > 0 ? len : 1);
    dir[len > 0 ? len : 1] = '\0';
    fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        return fail_errno("open directory", dir);
    }
    if (fsync(fd) != 0) {
        err = fail_errno("sync directory", dir);
    }
    (void)close(fd); // a read-only handle has nothing left to lose
    return err;
}

// Opens for writing; tells whether the file is new, so that its name can be made durable.
static int
open_writable(const char *path, bool *ret_created)
{
    int fd = open(path, O_RDWR | O_CLOEXEC);

    *ret_created = false;
    if (fd < 0 && errno == ENOENT) {
        fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        *ret_created = fd >= 0;
    }
    return fd;
}

rt_err
rt_file_open(const char *path, rt_file_mode mode, rt_file **ret_file)
{
    bool created = false;
    int fd = mode == RT_FILE_WRITE ? open_writable(path, &created)
                                   : open(path, O_RDONLY | O_CLOEXEC);
    rt_file *file = NULL;

    if (fd < 0) {
        return fail_errno("open", path);
    }
    if (created) {
        rt_err err = sync_dir_of(path);

        if (err != RT_OK) {
            (void)close(fd); // nothing was written
            return err;
        }
    }
    file = rt_new(rt_file);
    file->magic = FILE_MAGIC;
    file->fd = fd;
    *ret_file = file;
    return RT_OK;
}

void
rt_file_close(rt_file *file)
{
    if (file == NULL) {
        return;
    }
    RT_CHECK(file, FILE_MAGIC);
    (void)close(file->fd); // what had to be durable was synced; nothing can be done about the rest
    file->magic = 0;
    rt_free(file);
}

rt_err
rt_file_size(rt_file *file, uint64_t *ret_bytes)
{
    struct stat info;

    RT_CHECK(file, FILE_MAGIC);
    if (fstat(file->fd, &info) != 0) {
        return fail_errno("stat", "open file");
    }
    *ret_bytes = (uint64_t)info.st_size;
    return RT_OK;
}

rt_err
rt_file_pwrite(rt_file *file, rt_bytes bytes, uint64_t offset)
{
    size_t done = 0;

    RT_CHECK(file, FILE_MAGIC);
    while (done < bytes.len) {
        ssize_t n = pwrite(file->fd, bytes.ptr + done, bytes.len - done, (off_t)(offset + done));

        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return fail_errno("write", "open file");
        }
        done += (size_t)n;
    }
    return RT_OK;
}

rt_err
rt_file_pread(rt_file *file, void *buf, size_t len, uint64_t offset, size_t *ret_len)
{
    size_t done = 0;

    RT_CHECK(file, FILE_MAGIC);
    while (done < len) {
        ssize_t n = pread(file->fd, (uint8_t *)buf + done, len - done, (off_t)(offset + done));

        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return rt_fail(RT_EIO, "read: %s", strerrordesc_np(errno));
        }
        if (n == 0) {
            break;
        }
        done += (size_t)n;
    }
    *ret_len = done;
    return RT_OK;
}

rt_err
rt_file_sync(rt_file *file)
{
    RT_CHECK(file, FILE_MAGIC);
    if (file->sync_failed) {
        return rt_fail(RT_EIO, "sync: an earlier sync of this file failed");
    }
    if (fdatasync(file->fd) != 0) {
        file->sync_failed = true;
        return fail_errno("sync", "open file");
    }
    return RT_OK;
}

rt_err
rt_file_fill(rt_file *file, uint64_t bytes)
{
    uint8_t *zeros = rt_alloc(FILL_CHUNK);
    rt_err err = RT_OK;

    RT_CHECK(file, FILE_MAGIC);
    for (uint64_t at = 0; at < bytes && err == RT_OK; at += FILL_CHUNK) {
        size_t len = (size_t)RT_MIN((uint64_t)FILL_CHUNK, bytes - at);

        err = rt_file_pwrite(file, (rt_bytes){zeros, len}, at);
    }
    rt_free(zeros);
    if (err != RT_OK) {
        return err;
    }
    if (ftruncate(file->fd, (off_t)bytes) != 0) {
        return fail_errno("truncate", "open file");
    }
    return rt_file_sync(file);
}

rt_err
rt_file_read_all(const char *path, size_t max, rt_arena *arena, rt_str *ret_text)
{
    rt_file *file = NULL;
    uint64_t size = 0;
    size_t len = 0;
    char *text = NULL;
    rt_err err = rt_file_open(path, RT_FILE_READ, &file);

    if (err != RT_OK) {
        return err;
    }
    err = rt_file_size(file, &size);
    if (err == RT_OK && size > max) {
        err = rt_fail(RT_ELIMIT, "%s has %llu bytes, at most %zu are read", path,
                      (unsigned long long)size, max);
    }
    if (err == RT_OK) {
        text = rt_arena_alloc(arena, (size_t)size + 1);
        err = text != NULL ? RT_OK : rt_fail(RT_ENOMEM, "no room to read %s", path);
    }
    if (err == RT_OK) {
        err = rt_file_pread(file, text, (size_t)size, 0, &len);
    }
    if (err == RT_OK) {
        text[len] = '\0';
        *ret_text = (rt_str){text, len};
    }
    rt_file_close(file);
    return err;
}

rt_err
rt_file_replace(const char *path, rt_bytes bytes)
{
    char temporary[PATH_BYTES_MAX];
    rt_file *file = NULL;
    int n = snprintf(temporary, sizeof(temporary), "%s.tmp", path);
    rt_err err = RT_OK;

    if (n < 0 || (size_t)n >= sizeof(temporary)) {
        return rt_fail(RT_EINVAL, "path too long: %s", path);
    }
    if (unlink(temporary) != 0 && errno != ENOENT) {
        return fail_errno("remove", temporary);
    }
    err = rt_file_open(temporary, RT_FILE_WRITE, &file);
    if (err != RT_OK) {
        return err;
    }
    err = rt_file_pwrite(file, bytes, 0);
    if (err == RT_OK) {
        err = rt_file_sync(file);
    }
    rt_file_close(file);
    if (err == RT_OK) {
        err = rt_file_rename(temporary, path);
    }
    if (err != RT_OK) {
        (void)unlink(temporary); // a left-over is harmless: the next replace removes it
    }
    return err;
}

rt_err
rt_file_rename(const char *from, const char *to)
{
    rt_err err = RT_OK;

    if (rename(from, to) != 0) {
        return fail_errno("rename", from);
    }
    err = sync_dir_of(to);
    if (err == RT_OK && (dir_len(from) != dir_len(to) || memcmp(from, to, dir_len(to)) != 0)) {
        err = sync_dir_of(from);
    }
    return err;
}

rt_err
rt_file_remove(const char *path)
{
    if (unlink(path) != 0) {
        return fail_errno("remove", path);
    }
    return sync_dir_of(path);
}

bool
rt_file_exists(const char *path)
{
    return access(path, F_OK) == 0;
}

static rt_err
make_one_dir(const char *path)
{
    struct stat info;

    if (mkdir(path, 0700) == 0) {
        return sync_dir_of(path);
    }
    if (errno != EEXIST) {
        return fail_errno("make directory", path);
    }
    if (stat(path, &info) != 0) {
        return fail_errno("stat", path);
    }
    return S_ISDIR(info.st_mode) ? RT_OK : rt_fail(RT_EINVAL, "%s is not a directory", path);
}

rt_err
rt_dir_make(const char *path)
{
    char part[PATH_BYTES_MAX];
    size_t len = strlen(path);
    rt_err err = RT_OK;

    if (len == 0 || len >= sizeof(part)) {
        return rt_fail(RT_EINVAL, "directory name of %zu bytes", len);
    }
    memcpy(part, path, len + 1);
    for (size_t i = 1; i < len && err == RT_OK; i++) {
        if (part[i] == '/' && part[i - 1] != '/') {
            part[i] = '\0';
            err = make_one_dir(part);
            part[i] = '/';
        }
    }
    return err == RT_OK ? make_one_dir(part) : err;
}

typedef struct name_list {
    char **names;
    size_t count;
    size_t cap;
} name_list;

static void
name_list_add(name_list *list, const char *name)
{
    size_t len = strlen(name) + 1;

    if (list->count == list->cap) {
        list->cap = list->cap > 0 ? list->cap * 2 : 32;
        list->names = rt_realloc(list->names, list->cap * sizeof(char *));
    }
    list->names[list->count] = rt_alloc(len);
    memcpy(list->names[list->count], name, len);
    list->count++;
}

static int
compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

rt_err
rt_dir_list(const char *path, void (*on_name)(void *user, const char *name), void *user)
{
    name_list list = {0};
    const struct dirent *entry = NULL;
    rt_err err = RT_OK;
    DIR *dir = opendir(path);

    if (dir == NULL) {
        return fail_errno("list", path);
    }
    for (errno = 0; (entry = readdir(dir)) != NULL; errno = 0) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) {
            name_list_add(&list, entry->d_name);
        }
    }
    if (errno != 0) {
        err = fail_errno("list", path);
    }
    (void)closedir(dir);
    if (list.count > 1) {
        qsort(list.names, list.count, sizeof(char *), compare_names);
    }
    for (size_t i = 0; i < list.count; i++) {
        if (err == RT_OK) {
            on_name(user, list.names[i]);
        }
        rt_free(list.names[i]);
    }
    rt_free(list.names);
    return err;
}

rt_err
rt_dir_free_bytes(const char *path, uint64_t *ret_bytes)
{
    struct statvfs info;

    if (statvfs(path, &info) != 0) {
        return fail_errno("statvfs", path);
    }
    *ret_bytes = (uint64_t)info.f_bavail * info.f_frsize;
    return RT_OK;
}

static rt_err
fail_locked(int fd, const char *path)
{
    char text[PID_TEXT_MAX + 1] = {0};
    ssize_t n = pread(fd, text, PID_TEXT_MAX, 0);

    if (n <= 0) {
        return rt_fail(RT_ELOCKED, "%s is held by another process", path);
    }
    text[strcspn(text, "\n")] = '\0';
    return rt_fail(RT_ELOCKED, "%s is held by process %s", path, text);
}

static rt_err
write_pid(int fd, const char *path)
{
    char text[PID_TEXT_MAX + 1];
    int len = snprintf(text, sizeof(text), "%ld\n", (long)getpid());

    RT_ASSERT(len > 0);
    if (ftruncate(fd, 0) != 0 || pwrite(fd, text, (size_t)len, 0) != len) {
        return fail_errno("write", path);
    }
    return RT_OK;
}

rt_err
rt_lock_take(const char *path, rt_lock **ret_lock)
{
    rt_lock *lock = NULL;
    rt_err err = RT_OK;
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

    if (fd < 0) {
        return fail_errno("open", path);
    }
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        err = errno == EWOULDBLOCK ? fail_locked(fd, path) : fail_errno("lock", path);
    } else {
        err = write_pid(fd, path);
    }
    if (err != RT_OK) {
        (void)close(fd);
        return err;
    }
    lock = rt_new(rt_lock);
    lock->magic = LOCK_MAGIC;
    lock->fd = fd;
    *ret_lock = lock;
    return RT_OK;
}

void
rt_lock_free(rt_lock *lock)
{
    if (lock == NULL) {
        return;
    }
    RT_CHECK(lock, LOCK_MAGIC);
    // The file stays: removing it would let a third process lock a new file beside ours.
    (void)close(lock->fd);
    lock->magic = 0;
    rt_free(lock);
}
