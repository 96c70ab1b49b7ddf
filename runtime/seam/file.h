// seam/file.h: files of the journal, configuration and locks.
//
// Layer: runtime/seam.   Threads: one owner a handle.   Blocks: yes (brief local disk I/O).
// Simulated: an in-memory disk with unsynced writes that a crash may lose or tear.
#ifndef CEREBRO_RUNTIME_SEAM_FILE_H
#define CEREBRO_RUNTIME_SEAM_FILE_H

#include "runtime/base/arena.h"
#include "runtime/base/err.h"

typedef struct rt_file rt_file;
typedef struct rt_lock rt_lock;

typedef enum rt_file_mode { RT_FILE_READ, RT_FILE_WRITE } rt_file_mode; // WRITE creates (0600)

// rt_file_open opens a file; errors RT_ENOTFOUND RT_EDENIED RT_EIO RT_ENOSPC.
rt_err rt_file_open(const char *path, rt_file_mode mode, rt_file **ret_file) RT_MUST_USE;
// rt_file_close closes it; NULL is fine.
void rt_file_close(rt_file *file);
// rt_file_size is the current size in bytes.
rt_err rt_file_size(rt_file *file, uint64_t *ret_bytes) RT_MUST_USE;
// rt_file_fill makes the file exactly `bytes` long with every block written as zeros and synced,
// so that later overwrites never change metadata.   errors    RT_ENOSPC RT_EIO
rt_err rt_file_fill(rt_file *file, uint64_t bytes) RT_MUST_USE;
// rt_file_pwrite writes all bytes at an offset.   errors    RT_ENOSPC RT_EIO
rt_err rt_file_pwrite(rt_file *file, rt_bytes bytes, uint64_t offset) RT_MUST_USE;
// rt_file_pread reads up to `len` bytes; fewer only at the end of the file.   errors    RT_EIO
rt_err rt_file_pread(rt_file *file, void *buf, size_t len, uint64_t offset,
                     size_t *ret_len) RT_MUST_USE;
// rt_file_sync makes written data durable (fdatasync). After a failure the file must not be
// trusted again: fsync errors are reported once.   errors    RT_EIO RT_ENOSPC
rt_err rt_file_sync(rt_file *file) RT_MUST_USE;
// rt_file_read_all reads a whole file of at most `max` bytes into the arena.
//   errors    RT_ENOTFOUND RT_ELIMIT RT_EIO RT_ENOMEM
rt_err rt_file_read_all(const char *path, size_t max, rt_arena *arena,
                        rt_str *ret_text) RT_MUST_USE;
// rt_file_replace writes a whole file atomically (temporary, sync, rename, directory sync).
rt_err rt_file_replace(const char *path, rt_bytes bytes) RT_MUST_USE;
// rt_file_rename renames and syncs the directory.
rt_err rt_file_rename(const char *from, const char *to) RT_MUST_USE;
// rt_file_remove removes a file; RT_ENOTFOUND when it was not there.
rt_err rt_file_remove(const char *path) RT_MUST_USE;
// rt_file_exists tells whether a path is there.
bool rt_file_exists(const char *path);
// rt_dir_make makes a directory and its parents with mode 0700.
rt_err rt_dir_make(const char *path) RT_MUST_USE;
// rt_dir_list calls back with the names in a directory, sorted bytewise, without "." and "..".
rt_err rt_dir_list(const char *path, void (*on_name)(void *user, const char *name),
                   void *user) RT_MUST_USE;
// rt_dir_free_bytes is the space left on the file system that holds `path`.
rt_err rt_dir_free_bytes(const char *path, uint64_t *ret_bytes) RT_MUST_USE;
// rt_lock_take takes an exclusive lock file (flock), writing our pid in it.
//   errors    RT_ELOCKED another process holds it (its pid in the detail)
rt_err rt_lock_take(const char *path, rt_lock **ret_lock) RT_MUST_USE;
// rt_lock_free gives it back.
void rt_lock_free(rt_lock *lock);

#endif
