#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <lmdb.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/base/alloc.h"
#include "runtime/base/check.h"
#include "runtime/real/lmdb_check.h"
#include "runtime/seam/file.h"
#include "runtime/seam/kv_batch.h"

// Design notes.
// One unnamed database without DUPSORT (repeated cursor deletes in such a one damage it in 0.9.24),
// default sync flags, no WRITEMAP (SIGBUS on a full disk). All write transactions are made by one
// thread of ours, because LMDB binds them to the thread that began them, and so that the loop never
// waits for a disk. Reads happen on the loop: one read transaction is kept (MDB_NOTLS), renewed for
// each call and reset after it, since one left open would stop LMDB from reusing pages.
//
// LMDB maps the file and believes it: a page that is missing kills the process with SIGBUS, a
// damaged one may crash it, make it loop, or make it overwrite what is in use. So every page that
// it would touch is checked before it gets the file (lmdb_check.c). LMDB itself may leave pages at
// the end unwritten that were allocated and freed in one transaction, which would look like a file
// cut off; therefore the file is extended (sparsely) beyond what a commit can allocate before the
// commit begins.
//
// A damaged file is set aside by its name only, so that nothing is lost that somebody may want to
// look at; a few are kept, since each may be as large as the state.
//
// LMDB makes a new file without syncing it, so after a power cut it could be there with anything in
// it, long after events were acknowledged. It is made under another name, synced, and then renamed:
// a data.mdb is whole or damaged.
//
// The environment must not be opened twice in a process, and data.mdb never closed by us while it
// is open: closing any descriptor of a file drops LMDB's fcntl locks. Two owners in different
// processes are kept apart by a lock file of our own.
//
// `mutex` guards job, is_stopping and the outcome; the loop and the store thread meet nowhere else.

#define KV_MAGIC 0x4c3db000u
#define PATH_BYTES_MAX 1024
#define READERS_MAX 126
#define AHEAD_BYTES (4ull * 1024 * 1024)
#define PAGES_PER_OP 8 // a copied path from root to leaf, with splits

#define CHECK_TRIES 5

struct rt_kv {
    uint32_t magic;
    bool is_readonly;
    bool is_new;
    bool is_reading;
    MDB_env *env;
    MDB_dbi dbi;
    MDB_txn *read;
    rt_lock *lock;
    uint64_t map_bytes;

    bool has_thread;
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    const rt_kv_batch *job; // being written, or NULL
    bool is_stopping;
    rt_err outcome; // of the last job
    char outcome_detail[RT_ERR_DETAIL_MAX];

    // The commit that owes a call, loop thread only but for `wake` and `async_done` (mutex).
    rt_kv_batch *async_batch;
    bool async_done;
    rt_err async_outcome;
    char async_detail[RT_ERR_DETAIL_MAX];
    rt_wake *wake;
    void (*on_done)(void *user, rt_err err);
    void *user;
};

static rt_err
err_of_mdb(int code)
{
    switch (code) {
    case MDB_NOTFOUND:
    case ENOENT:
        return RT_ENOTFOUND;
    case MDB_MAP_FULL:
    case MDB_TXN_FULL:
    case ENOSPC:
    case EDQUOT:
        return RT_ENOSPC;
    case MDB_CORRUPTED:
    case MDB_PAGE_NOTFOUND:
    case MDB_INVALID:
        return RT_ECORRUPT;
    case MDB_VERSION_MISMATCH:
        return RT_EVERSION;
    case MDB_READERS_FULL:
        return RT_EBUSY;
    case EACCES:
    case EPERM:
    case EROFS:
        return RT_EDENIED;
    case ENOMEM:
        return RT_ENOMEM;
    default:
        return RT_EIO;
    }
}

static rt_err
fail_mdb(const char *what, int code)
{
    return rt_fail(err_of_mdb(code), "%s: %s", what, mdb_strerror(code));
}

// --- writing (store thread) -----------------------------------------------------------------

// Makes the file longer than this commit can make LMDB use.
static rt_err
extend_file(rt_kv *kv, const rt_kv_batch *batch)
{
    MDB_envinfo info;
    MDB_stat stat_info;
    struct stat file;
    uint64_t need = 0;
    mdb_filehandle_t fd = -1;
    int rc = mdb_env_get_fd(kv->env, &fd);

    if (rc == 0) {
        rc = mdb_env_info(kv->env, &info);
    }
    if (rc == 0) {
        rc = mdb_env_stat(kv->env, &stat_info);
    }
    if (rc != 0) {
        return fail_mdb("environment", rc);
    }
    if (fstat(fd, &file) != 0) {
        return rt_fail(RT_EIO, "stat: %s", strerrordesc_np(errno));
    }
    need = (info.me_last_pgno + 1) * stat_info.ms_psize + 2 * rt_kv_batch_bytes(batch) +
           rt_kv_batch_count(batch) * PAGES_PER_OP * stat_info.ms_psize + AHEAD_BYTES;
    need = RT_MIN(need, kv->map_bytes);
    if ((uint64_t)file.st_size < need && ftruncate(fd, (off_t)need) != 0) {
        return rt_fail(errno == ENOSPC ? RT_ENOSPC : RT_EIO, "extend: %s", strerrordesc_np(errno));
    }
    return RT_OK;
}

static int
put_all(rt_kv *kv, MDB_txn *txn, const rt_kv_op *ops, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        MDB_val key = {ops[i].key.len, (void *)(uintptr_t)ops[i].key.ptr};
        MDB_val value = {ops[i].value.len, (void *)(uintptr_t)ops[i].value.ptr};
        int rc = ops[i].is_del ? mdb_del(txn, kv->dbi, &key, NULL)
                               : mdb_put(txn, kv->dbi, &key, &value, 0);

        if (rc != 0 && !(ops[i].is_del && rc == MDB_NOTFOUND)) {
            return rc;
        }
    }
    return 0;
}

static rt_err
write_batch(rt_kv *kv, const rt_kv_batch *batch)
{
    MDB_txn *txn = NULL;
    size_t count = 0;
    rt_kv_op *ops = NULL;
    rt_err err = extend_file(kv, batch);
    int dead_readers = 0;
    int rc = 0;

    if (err != RT_OK) {
        return err;
    }
    // A reader that died in another process would keep old pages from being reused.
    (void)mdb_reader_check(kv->env, &dead_readers);
    rc = mdb_txn_begin(kv->env, NULL, 0, &txn);
    if (rc != 0) {
        return fail_mdb("begin", rc);
    }
    ops = rt_kv_batch_ops(batch, &count);
    rc = put_all(kv, txn, ops, count);
    rt_free(ops);
    if (rc != 0) {
        mdb_txn_abort(txn);
        return fail_mdb("put", rc);
    }
    rc = mdb_txn_commit(txn); // frees the transaction in any case
    return rc == 0 ? RT_OK : fail_mdb("commit", rc);
}

// Waits for a job or the end; NULL for the end. Called and returns with the mutex held.
static const rt_kv_batch *
await_job(rt_kv *kv)
{
    while (kv->job == NULL && !kv->is_stopping) {
        (void)pthread_cond_wait(&kv->changed, &kv->mutex);
    }
    return kv->job;
}

static void
finish_job(rt_kv *kv, rt_err err)
{
    kv->outcome = err;
    (void)snprintf(kv->outcome_detail, sizeof(kv->outcome_detail), "%s",
                   err != RT_OK ? rt_err_detail() : "");
    if (kv->job == kv->async_batch) {
        kv->async_done = true;
        kv->async_outcome = err;
        memcpy(kv->async_detail, kv->outcome_detail, sizeof(kv->async_detail));
        // Under the mutex, so that the loop cannot free the wake-up while it is being sent.
        rt_wake_send(kv->wake);
    }
    kv->job = NULL;
    (void)pthread_cond_broadcast(&kv->changed);
}

static void *
run_store_thread(void *user)
{
    rt_kv *kv = user;
    const rt_kv_batch *job = NULL;

    (void)pthread_setname_np(pthread_self(), "store");
    (void)pthread_mutex_lock(&kv->mutex);
    while ((job = await_job(kv)) != NULL) {
        rt_err err = RT_OK;

        (void)pthread_mutex_unlock(&kv->mutex);
        err = write_batch(kv, job);
        (void)pthread_mutex_lock(&kv->mutex);
        finish_job(kv, err);
    }
    (void)pthread_mutex_unlock(&kv->mutex);
    return NULL;
}

// --- open and close -------------------------------------------------------------------------

typedef struct opened {
    rt_file *file;
    const char *path;
} opened;

// What cannot be read is as damaged as what reads wrong.
static rt_err
read_image(void *user, uint64_t at, uint8_t *buf, size_t len)
{
    const opened *o = user;
    size_t got = 0;
    rt_err err = rt_file_pread(o->file, buf, len, at, &got);

    if (err == RT_EIO || (err == RT_OK && got < len)) {
        return rt_fail(RT_ECORRUPT, "%s, offset %llu: cannot be read", o->path,
                       (unsigned long long)at);
    }
    return err;
}

// Checks the file beside a living owner: what it commits meanwhile makes a walk see pages of two
// transactions, so damage counts only when nothing was committed.
static rt_err
check_beside_owner(const rt__lmdb_image *image)
{
    rt__lmdb_facts before;
    rt__lmdb_facts after;
    rt__lmdb_facts facts;
    rt_err err = RT_OK;

    for (int i = 0; i < CHECK_TRIES; i++) {
        err = rt__lmdb_metas(image, &before);
        if (err == RT_OK) {
            err = rt__lmdb_check(image, &facts);
        }
        if (err == RT_OK || (rt__lmdb_metas(image, &after) == RT_OK && after.txn == before.txn)) {
            return err;
        }
    }
    return rt__lmdb_metas(image, &after);
}

// Checks data.mdb.
static rt_err
check_file(const char *dir, bool is_readonly, bool *ret_is_new)
{
    char path[PATH_BYTES_MAX];
    opened file = {.path = path};
    rt__lmdb_facts facts;
    rt__lmdb_image image = {.name = path, .read = read_image, .user = &file};
    rt_err err = RT_OK;

    (void)snprintf(path, sizeof(path), "%s/data.mdb", dir);
    err = rt_file_open(path, RT_FILE_READ, &file.file);
    if (err != RT_OK) {
        *ret_is_new = err == RT_ENOTFOUND;
        return err;
    }
    err = rt_file_size(file.file, &image.bytes);
    if (err == RT_OK) {
        err = is_readonly ? check_beside_owner(&image) : rt__lmdb_check(&image, &facts);
    }
    rt_file_close(file.file);
    return err;
}

// Makes the file, with nothing in it, in such a way that it is whole as soon as it is there.
static rt_err
create_file(const rt_kv *kv, const char *dir)
{
    char path[PATH_BYTES_MAX];
    char unfinished[PATH_BYTES_MAX];
    MDB_env *env = NULL;
    int rc = mdb_env_create(&env);

    (void)snprintf(path, sizeof(path), "%s/data.mdb", dir);
    (void)snprintf(unfinished, sizeof(unfinished), "%s/data.tmp", dir);
    if (rt_file_exists(unfinished)) {
        rt_err err = rt_file_remove(unfinished); // of a start that was cut short

        if (err != RT_OK) {
            mdb_env_close(env);
            return err;
        }
    }
    if (rc == 0) {
        rc = mdb_env_set_mapsize(env, kv->map_bytes);
    }
    if (rc == 0) {
        rc = mdb_env_open(env, unfinished, MDB_NOSUBDIR | MDB_NOLOCK, 0600);
    }
    if (rc == 0) {
        rc = mdb_env_sync(env, 1);
    }
    if (env != NULL) {
        mdb_env_close(env);
    }
    return rc == 0 ? rt_file_rename(unfinished, path) : fail_mdb(unfinished, rc);
}

static rt_err
open_env(rt_kv *kv, const char *dir)
{
    unsigned flags = MDB_NOTLS | MDB_NORDAHEAD | (kv->is_readonly ? MDB_RDONLY : 0);
    int rc = mdb_env_create(&kv->env);

    if (rc == 0) {
        rc = mdb_env_set_maxreaders(kv->env, READERS_MAX);
    }
    if (rc == 0 && kv->map_bytes > 0) {
        rc = mdb_env_set_mapsize(kv->env, kv->map_bytes);
    }
    if (rc == 0) {
        rc = mdb_env_open(kv->env, dir, flags, 0600);
    }
    if (rc == 0) {
        rc = mdb_txn_begin(kv->env, NULL, MDB_RDONLY, &kv->read);
    }
    if (rc == 0) {
        rc = mdb_dbi_open(kv->read, NULL, 0, &kv->dbi);
    }
    if (rc != 0) {
        return fail_mdb(dir, rc);
    }
    mdb_txn_reset(kv->read);
    return RT_OK;
}

static rt_err
start_thread(rt_kv *kv)
{
    int rc = pthread_create(&kv->thread, NULL, run_store_thread, kv);

    kv->has_thread = rc == 0;
    return rc == 0 ? RT_OK : rt_fail(RT_EIO, "store thread: %s", strerrordesc_np(rc));
}

static rt_kv *
new_kv(bool is_readonly, uint64_t map_bytes)
{
    rt_kv *kv = rt_new(rt_kv);
    int rc = 0;

    kv->magic = KV_MAGIC;
    kv->is_readonly = is_readonly;
    // LMDB wants whole pages; the smallest page of all systems divides every other.
    kv->map_bytes = map_bytes / 4096 * 4096;
    rc = pthread_mutex_init(&kv->mutex, NULL);
    RT_ASSERT(rc == 0);
    rc = pthread_cond_init(&kv->changed, NULL);
    RT_ASSERT(rc == 0);
    return kv;
}

rt_err
rt_kv_open(const char *dir, uint64_t map_bytes, rt_kv **ret_kv)
{
    char path[PATH_BYTES_MAX];
    rt_kv *kv = NULL;
    rt_err err = rt_dir_make(dir);

    if (err != RT_OK) {
        return err;
    }
    if (snprintf(path, sizeof(path), "%s/owner.lock", dir) >= PATH_BYTES_MAX) {
        return rt_fail(RT_EINVAL, "name of the store's directory is too long");
    }
    kv = new_kv(false, map_bytes);
    err = rt_lock_take(path, &kv->lock);
    if (err == RT_OK) {
        err = check_file(dir, false, &kv->is_new);
        err = err == RT_ENOTFOUND ? create_file(kv, dir) : err;
    }
    if (err == RT_OK) {
        err = open_env(kv, dir);
    }
    if (err == RT_OK) {
        err = start_thread(kv);
    }
    if (err != RT_OK) {
        rt_kv_close(kv);
        return err;
    }
    *ret_kv = kv;
    return RT_OK;
}

rt_err
rt_kv_open_readonly(const char *dir, rt_kv **ret_kv)
{
    rt_kv *kv = NULL;
    bool is_new = false;
    rt_err err = check_file(dir, true, &is_new);

    if (err != RT_OK) {
        return err;
    }
    kv = new_kv(true, 0);
    err = open_env(kv, dir);
    if (err != RT_OK) {
        rt_kv_close(kv);
        return err;
    }
    *ret_kv = kv;
    return RT_OK;
}

bool
rt_kv_is_new(const rt_kv *kv)
{
    RT_CHECK(kv, KV_MAGIC);
    return kv->is_new;
}

// Writes the name of the n-th file set aside.
static void
aside_path(const char *dir, unsigned n, char out[PATH_BYTES_MAX])
{
    (void)snprintf(out, PATH_BYTES_MAX, "%s/data.mdb.damaged-%u", dir, n);
}

unsigned
rt_kv_aside_count(const char *dir)
{
    char path[PATH_BYTES_MAX];
    unsigned count = 0;

    for (unsigned n = 1; n <= RT_KV_ASIDE_MAX; n++) {
        aside_path(dir, n, path);
        count += rt_file_exists(path) ? 1 : 0;
    }
    return count;
}

// Makes room for one more; *ret_n is its number.
static rt_err
make_room_aside(const char *dir, unsigned *ret_n)
{
    char from[PATH_BYTES_MAX];
    char to[PATH_BYTES_MAX];
    rt_err err = RT_OK;

    for (unsigned n = 1; n <= RT_KV_ASIDE_MAX; n++) {
        aside_path(dir, n, to);
        if (!rt_file_exists(to)) {
            *ret_n = n;
            return RT_OK;
        }
    }
    for (unsigned n = 2; n <= RT_KV_ASIDE_MAX && err == RT_OK; n++) {
        aside_path(dir, n, from);
        aside_path(dir, n - 1, to);
        err = rt_file_rename(from, to);
    }
    *ret_n = RT_KV_ASIDE_MAX;
    return err;
}

rt_err
rt_kv_set_aside(const char *dir, char *ret_path, size_t cap)
{
    char path[PATH_BYTES_MAX];
    char aside[PATH_BYTES_MAX];
    rt_lock *lock = NULL;
    unsigned n = 0;
    rt_err err = RT_OK;

    if (snprintf(path, sizeof(path), "%s/data.mdb.damaged-%u", dir, UINT_MAX) >= PATH_BYTES_MAX) {
        return rt_fail(RT_EINVAL, "name of the store's directory is too long");
    }
    (void)snprintf(path, sizeof(path), "%s/owner.lock", dir);
    err = rt_lock_take(path, &lock);
    if (err == RT_OK) {
        err = make_room_aside(dir, &n);
    }
    if (err == RT_OK) {
        (void)snprintf(path, sizeof(path), "%s/data.mdb", dir);
        aside_path(dir, n, aside);
        err = rt_file_rename(path, aside);
    }
    rt_lock_free(lock);
    if (err == RT_OK) {
        (void)snprintf(ret_path, cap, "%s", aside);
    }
    return err;
}

static void
stop_thread(rt_kv *kv)
{
    if (!kv->has_thread) {
        return;
    }
    (void)pthread_mutex_lock(&kv->mutex);
    kv->is_stopping = true; // the thread looks for a job first, so one that waits is done
    (void)pthread_cond_broadcast(&kv->changed);
    (void)pthread_mutex_unlock(&kv->mutex);
    (void)pthread_join(kv->thread, NULL);
}

// Ends the commit that owes a call and makes that call.
static void
call_back(rt_kv *kv)
{
    void (*on_done)(void *user, rt_err err) = kv->on_done;
    rt_err outcome = kv->async_outcome;

    rt_kv_batch_free(kv->async_batch);
    kv->async_batch = NULL;
    kv->async_done = false;
    rt_wake_free(kv->wake);
    kv->wake = NULL;
    if (outcome != RT_OK) {
        // The detail was recorded on the store thread; whoever is called looks for it on this one.
        outcome = rt_fail(outcome, "%s", kv->async_detail);
    }
    on_done(kv->user, outcome);
}

void
rt_kv_close(rt_kv *kv)
{
    if (kv == NULL) {
        return;
    }
    RT_CHECK(kv, KV_MAGIC);
    RT_ASSERT(!kv->is_reading);
    stop_thread(kv);
    if (kv->async_batch != NULL) {
        call_back(kv);
    }
    if (kv->read != NULL) {
        mdb_txn_abort(kv->read);
    }
    if (kv->env != NULL) {
        mdb_env_close(kv->env);
    }
    rt_lock_free(kv->lock);
    (void)pthread_cond_destroy(&kv->changed);
    (void)pthread_mutex_destroy(&kv->mutex);
    kv->magic = 0;
    rt_free(kv);
}

// --- reading --------------------------------------------------------------------------------

static rt_err
begin_read(rt_kv *kv)
{
    int rc = 0;

    RT_CHECK(kv, KV_MAGIC);
    RT_ASSERT(!kv->is_reading);
    rc = mdb_txn_renew(kv->read);
    if (rc == MDB_MAP_RESIZED) { // the owner, another process, came back with a larger map
        rc = mdb_env_set_mapsize(kv->env, 0);
        rc = rc == 0 ? mdb_txn_renew(kv->read) : rc;
    }
    if (rc != 0) {
        return fail_mdb("read", rc);
    }
    kv->is_reading = true;
    return RT_OK;
}

static void
end_read(rt_kv *kv)
{
    mdb_txn_reset(kv->read);
    kv->is_reading = false;
}

rt_err
rt_kv_get(rt_kv *kv, rt_bytes key, rt_arena *arena, rt_bytes *ret_value)
{
    MDB_val mdb_key = {key.len, (void *)(uintptr_t)key.ptr};
    MDB_val value = {0, NULL};
    rt_bytes copy = {NULL, 0};
    rt_err err = begin_read(kv);
    int rc = 0;

    if (err != RT_OK) {
        return err;
    }
    rc = mdb_get(kv->read, kv->dbi, &mdb_key, &value);
    if (rc == 0) {
        copy = rt_arena_copy(arena, (rt_bytes){value.mv_data, value.mv_size});
    }
    end_read(kv);
    if (rc != 0) {
        return rc == MDB_NOTFOUND ? RT_ENOTFOUND : fail_mdb("get", rc);
    }
    if (copy.ptr == NULL && value.mv_size > 0) {
        return rt_fail(RT_ENOMEM, "no room for a value of %zu bytes", value.mv_size);
    }
    *ret_value = copy;
    return RT_OK;
}

// Walks the pairs with the prefix; *ret_rc is LMDB's word on why it ended.
static rt_err
walk(MDB_cursor *cursor, rt_bytes prefix,
     rt_err (*on_pair)(void *user, rt_bytes key, rt_bytes value), void *user, int *ret_rc)
{
    MDB_val key = {prefix.len, (void *)(uintptr_t)prefix.ptr};
    MDB_val value = {0, NULL};
    rt_err err = RT_OK;

    *ret_rc = mdb_cursor_get(cursor, &key, &value, prefix.len > 0 ? MDB_SET_RANGE : MDB_FIRST);
    while (*ret_rc == 0 && err == RT_OK) {
        if (key.mv_size < prefix.len ||
            (prefix.len > 0 && memcmp(key.mv_data, prefix.ptr, prefix.len) != 0)) {
            break;
        }
        err = on_pair(user, (rt_bytes){key.mv_data, key.mv_size},
                      (rt_bytes){value.mv_data, value.mv_size});
        if (err == RT_OK) {
            *ret_rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
        }
    }
    return err;
}

rt_err
rt_kv_scan(rt_kv *kv, rt_bytes prefix,
           rt_err (*on_pair)(void *user, rt_bytes key, rt_bytes value), void *user)
{
    MDB_cursor *cursor = NULL;
    rt_err err = begin_read(kv);
    int rc = 0;

    if (err != RT_OK) {
        return err;
    }
    rc = mdb_cursor_open(kv->read, kv->dbi, &cursor);
    if (rc == 0) {
        err = walk(cursor, prefix, on_pair, user, &rc);
        mdb_cursor_close(cursor);
    }
    end_read(kv);
    if (err != RT_OK) {
        return err == RT_EEND ? RT_OK : err;
    }
    return rc == 0 || rc == MDB_NOTFOUND ? RT_OK : fail_mdb("scan", rc);
}

uint64_t
rt_kv_used_bytes(rt_kv *kv)
{
    MDB_stat info;

    RT_CHECK(kv, KV_MAGIC);
    if (mdb_env_stat(kv->env, &info) != 0) {
        return 0;
    }
    return (info.ms_branch_pages + info.ms_leaf_pages + info.ms_overflow_pages + 2) *
           (uint64_t)info.ms_psize;
}

// --- commits (loop thread) ------------------------------------------------------------------

rt_err
rt_kv_commit(rt_kv *kv, const rt_kv_batch *batch)
{
    rt_err err = RT_OK;
    char detail[RT_ERR_DETAIL_MAX];

    RT_CHECK(kv, KV_MAGIC);
    RT_ASSERT(!kv->is_readonly);
    (void)pthread_mutex_lock(&kv->mutex);
    while (kv->job != NULL) {
        (void)pthread_cond_wait(&kv->changed, &kv->mutex);
    }
    kv->job = batch;
    (void)pthread_cond_broadcast(&kv->changed);
    while (kv->job != NULL) {
        (void)pthread_cond_wait(&kv->changed, &kv->mutex);
    }
    err = kv->outcome;
    memcpy(detail, kv->outcome_detail, sizeof(detail));
    (void)pthread_mutex_unlock(&kv->mutex);
    return err == RT_OK ? RT_OK : rt_fail(err, "%s", detail);
}

static void
on_wake(void *user)
{
    rt_kv *kv = user;
    bool is_done = false;

    (void)pthread_mutex_lock(&kv->mutex);
    is_done = kv->async_done;
    (void)pthread_mutex_unlock(&kv->mutex);
    if (is_done) {
        call_back(kv);
    }
}

void
rt_kv_commit_start(rt_kv *kv, rt_kv_batch *batch, rt_loop *loop,
                   void (*on_done)(void *user, rt_err err), void *user)
{
    RT_CHECK(kv, KV_MAGIC);
    RT_ASSERT(!kv->is_readonly);
    RT_ASSERT(kv->async_batch == NULL);
    (void)pthread_mutex_lock(&kv->mutex);
    RT_ASSERT(kv->job == NULL);
    kv->on_done = on_done;
    kv->user = user;
    kv->async_batch = batch;
    kv->wake = rt_wake_new(loop, on_wake, kv);
    kv->job = batch;
    (void)pthread_cond_broadcast(&kv->changed);
    (void)pthread_mutex_unlock(&kv->mutex);
}
