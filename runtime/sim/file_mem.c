#include "runtime/sim/disk.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/base/alloc.h"
#include "runtime/base/check.h"
#include "runtime/seam/file.h"
#include "runtime/sim/sim_internal.h"

// Design notes.
// One disk for the whole simulation, because the seam is chosen at link time and has no handle to
// hang it on. Nodes (directories and files) stand in one array sorted by path. An inode holds the
// visible bytes, the durable bytes and the list of writes that lie between them; it lives as long
// as its node or an open handle, so a file renamed or removed while open behaves as on POSIX.
//
// A crash gives every handle of before an old epoch; a handle with an old epoch answers RT_EIO, so
// code that wrongly lives on after its own power cut is found out.
//
// Invariant: durable with all unsynced writes applied in order equals visible, unless a sync
// failed (then the lost writes are visible only, as the page cache of a real kernel has it).

#define FILE_MAGIC 0x51f11e00u
#define LOCK_MAGIC 0x5110c400u
#define GUESTS_MAX 4
#define CAPACITY_DEFAULT (1ull << 40)
#define PATH_BYTES_MAX 1024

typedef struct image {
    uint8_t *bytes;
    uint64_t len;
    uint64_t cap;
} image;

typedef struct pending_write {
    struct pending_write *next;
    uint64_t offset;
    size_t len;
    uint8_t bytes[];
} pending_write;

typedef struct inode {
    uint32_t refs; // the node and every open handle
    image visible;
    image durable;
    pending_write *first; // unsynced, oldest first
    pending_write *last;
    uint64_t locked_epoch; // epoch of the lock's holder, 0 = free
} inode;

typedef struct node {
    char *path;
    inode *file; // NULL for a directory
} node;

struct rt_file {
    uint32_t magic;
    uint64_t epoch;
    inode *file;
    bool is_writable;
    bool sync_failed;
};

struct rt_lock {
    uint32_t magic;
    uint64_t epoch;
    inode *file;
};

typedef struct failure {
    uint64_t countdown; // 0 = none
    rt_err err;
    bool is_lasting;
} failure;

typedef struct interruption {
    uint64_t countdown; // 0 = none
    void (*meanwhile)(void *user);
    void *user;
} interruption;

static struct {
    node *nodes;
    size_t count;
    size_t cap;
    uint64_t epoch;
    uint64_t capacity;
    failure failures[SIM_DISK_OPS];
    interruption interruptions[SIM_DISK_OPS];
    const sim_disk_guest *guests[GUESTS_MAX];
    size_t guest_count;
} disk = {.epoch = 1, .capacity = CAPACITY_DEFAULT};

// --- images and inodes ----------------------------------------------------------------------

static void
image_resize(image *img, uint64_t len)
{
    if (len > img->cap) {
        img->cap = RT_MAX(len, img->cap + img->cap / 2);
        img->bytes = rt_realloc(img->bytes, (size_t)img->cap);
    }
    if (len > img->len) {
        memset(img->bytes + img->len, 0, (size_t)(len - img->len));
    }
    img->len = len;
}

static void
image_write(image *img, uint64_t offset, const uint8_t *bytes, size_t len)
{
    if (len == 0) {
        return;
    }
    if (offset + len > img->len) {
        image_resize(img, offset + len);
    }
    memcpy(img->bytes + offset, bytes, len);
}

static void
image_copy(image *to, const image *from)
{
    image_resize(to, from->len);
    if (from->len > 0) {
        memcpy(to->bytes, from->bytes, (size_t)from->len);
    }
}

static void
drop_pending(inode *file)
{
    while (file->first != NULL) {
        pending_write *next = file->first->next;

        rt_free(file->first);
        file->first = next;
    }
    file->last = NULL;
}

static void
inode_unref(inode *file)
{
    RT_ASSERT(file->refs > 0);
    file->refs--;
    if (file->refs == 0) {
        drop_pending(file);
        rt_free(file->visible.bytes);
        rt_free(file->durable.bytes);
        rt_free(file);
    }
}

static void
inode_write(inode *file, rt_bytes bytes, uint64_t offset)
{
    pending_write *write = rt_alloc(sizeof(*write) + bytes.len);

    if (bytes.len == 0) {
        rt_free(write);
        return;
    }
    image_write(&file->visible, offset, bytes.ptr, bytes.len);
    write->offset = offset;
    write->len = bytes.len;
    memcpy(write->bytes, bytes.ptr, bytes.len);
    if (file->last != NULL) {
        file->last->next = write;
    } else {
        file->first = write;
    }
    file->last = write;
}

static void
inode_sync(inode *file)
{
    for (const pending_write *w = file->first; w != NULL; w = w->next) {
        image_write(&file->durable, w->offset, w->bytes, w->len);
    }
    drop_pending(file);
}

// Writes each sector of an unsynced write or not, by lot; or all but one, which is hardest to see.
static void
tear(image *img, const pending_write *w, rt_rng *rng)
{
    uint64_t first = w->offset / SIM_DISK_SECTOR_BYTES;
    uint64_t count = w->len > 0 ? (w->offset + w->len - 1) / SIM_DISK_SECTOR_BYTES - first + 1 : 1;
    bool all_but_one = rt_rng_chance(rng, 0.7);
    uint64_t missing = first + rt_rng_below(rng, count);
    size_t done = 0;

    while (done < w->len) {
        uint64_t at = w->offset + done;
        size_t room = (size_t)(SIM_DISK_SECTOR_BYTES - at % SIM_DISK_SECTOR_BYTES);
        size_t len = RT_MIN(room, w->len - done);

        if (all_but_one ? at / SIM_DISK_SECTOR_BYTES != missing : rt_rng_chance(rng, 0.5)) {
            image_write(img, at, w->bytes + done, len);
        }
        done += len;
    }
}

static void
inode_crash(inode *file, rt_rng *rng)
{
    for (const pending_write *w = file->first; w != NULL; w = w->next) {
        uint64_t fate = rt_rng_below(rng, 4);

        if (fate == 0) {
            image_write(&file->durable, w->offset, w->bytes, w->len);
        } else if (fate <= 2) {
            tear(&file->durable, w, rng);
        }
    }
    drop_pending(file);
    image_copy(&file->visible, &file->durable);
}

// --- nodes ----------------------------------------------------------------------------------

// Index of the first node whose path is not below `path`.
static size_t
node_at(const char *path)
{
    size_t low = 0;
    size_t high = disk.count;

    while (low < high) {
        size_t mid = low + (high - low) / 2;

        if (strcmp(disk.nodes[mid].path, path) < 0) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    return low;
}

static node *
find(const char *path)
{
    size_t i = node_at(path);

    return i < disk.count && strcmp(disk.nodes[i].path, path) == 0 ? &disk.nodes[i] : NULL;
}

static void
add_node(const char *path, inode *file)
{
    size_t at = node_at(path);
    size_t len = strlen(path) + 1;

    if (disk.count == disk.cap) {
        disk.cap = disk.cap > 0 ? disk.cap * 2 : 16;
        disk.nodes = rt_realloc(disk.nodes, disk.cap * sizeof(node));
    }
    memmove(disk.nodes + at + 1, disk.nodes + at, (disk.count - at) * sizeof(node));
    disk.nodes[at].path = rt_alloc(len);
    memcpy(disk.nodes[at].path, path, len);
    disk.nodes[at].file = file;
    disk.count++;
}

// Takes a node out and gives its inode (with the node's reference) to the caller.
static inode *
take_node(node *n)
{
    size_t at = (size_t)(n - disk.nodes);
    inode *file = n->file;

    rt_free(n->path);
    memmove(n, n + 1, (disk.count - at - 1) * sizeof(node));
    disk.count--;
    return file;
}

static bool
has_parent(const char *path)
{
    char parent[PATH_BYTES_MAX];
    const char *slash = strrchr(path, '/');
    size_t len = slash != NULL ? (size_t)(slash - path) : 0;
    const node *n = NULL;

    if (len == 0) {
        return true;
    }
    RT_ASSERT(len < sizeof(parent));
    memcpy(parent, path, len);
    parent[len] = '\0';
    n = find(parent);
    return n != NULL && n->file == NULL;
}

rt_err
sim_disk_due(sim_disk_op op, const char *what)
{
    failure *f = &disk.failures[op];
    interruption *i = &disk.interruptions[op];
    bool is_look = op == SIM_DISK_OPEN || op == SIM_DISK_READ || op == SIM_DISK_SIZE ||
                   op == SIM_DISK_LIST;

    if (i->countdown > 0) {
        i->countdown--;
        if (i->countdown == 0) {
            i->meanwhile(i->user);
        }
    }
    if (!is_look) {
        sim__happen();
    }
    if (f->countdown == 0) {
        return RT_OK;
    }
    f->countdown -= f->is_lasting ? 0 : 1;
    return f->countdown == 0 || f->is_lasting ? rt_fail(f->err, "%s: made to fail", what) : RT_OK;
}

static rt_err
check_epoch(uint64_t epoch)
{
    return epoch == disk.epoch ? RT_OK : rt_fail(RT_EIO, "handle from before a power cut");
}

// --- control --------------------------------------------------------------------------------

void
sim_disk_reset(void)
{
    for (size_t i = 0; i < disk.count; i++) {
        rt_free(disk.nodes[i].path);
        if (disk.nodes[i].file != NULL) {
            inode_unref(disk.nodes[i].file);
        }
    }
    rt_free(disk.nodes);
    disk.nodes = NULL;
    disk.count = 0;
    disk.cap = 0;
    disk.epoch++;
    disk.capacity = CAPACITY_DEFAULT;
    memset(disk.failures, 0, sizeof(disk.failures));
    memset(disk.interruptions, 0, sizeof(disk.interruptions));
    for (size_t i = 0; i < disk.guest_count; i++) {
        disk.guests[i]->on_reset();
    }
}

void
sim_disk_crash(rt_rng *rng)
{
    for (size_t i = 0; i < disk.count; i++) {
        if (disk.nodes[i].file != NULL) {
            inode_crash(disk.nodes[i].file, rng);
        }
    }
    disk.epoch++;
    memset(disk.failures, 0, sizeof(disk.failures));
    memset(disk.interruptions, 0, sizeof(disk.interruptions));
    for (size_t i = 0; i < disk.guest_count; i++) {
        disk.guests[i]->on_crash(rng);
    }
}

void
sim_disk_fail_next(sim_disk_op op, uint64_t nth, rt_err err)
{
    RT_ASSERT(op < SIM_DISK_OPS);
    disk.failures[op] = (failure){.countdown = nth, .err = err};
}

void
sim_disk_fail_all(sim_disk_op op, rt_err err)
{
    RT_ASSERT(op < SIM_DISK_OPS);
    disk.failures[op] = (failure){.countdown = 1, .err = err, .is_lasting = true};
}

void
sim_disk_call_next(sim_disk_op op, uint64_t nth, void (*meanwhile)(void *user), void *user)
{
    RT_ASSERT(op < SIM_DISK_OPS);
    disk.interruptions[op] = (interruption){nth, meanwhile, user};
}

bool
sim_disk_flip_bit(const char *path, uint64_t bit)
{
    node *n = find(path);

    if (n == NULL || n->file == NULL || bit / 8 >= n->file->durable.len) {
        return false;
    }
    n->file->durable.bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
    if (bit / 8 < n->file->visible.len) {
        n->file->visible.bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    return true;
}

void
sim_disk_set_capacity(uint64_t bytes)
{
    disk.capacity = bytes;
}

uint64_t
sim_disk_used_bytes(void)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < disk.count; i++) {
        if (disk.nodes[i].file != NULL) {
            sum += disk.nodes[i].file->visible.len;
        }
    }
    return sum;
}

void
sim_disk_attach(const sim_disk_guest *guest)
{
    for (size_t i = 0; i < disk.guest_count; i++) {
        if (disk.guests[i] == guest) {
            return;
        }
    }
    RT_ASSERT(disk.guest_count < GUESTS_MAX);
    disk.guests[disk.guest_count] = guest;
    disk.guest_count++;
}

// --- seam/file.h ----------------------------------------------------------------------------

rt_err
rt_file_open(const char *path, rt_file_mode mode, rt_file **ret_file)
{
    rt_err err = sim_disk_due(SIM_DISK_OPEN, path);
    node *n = find(path);
    rt_file *file = NULL;

    if (err != RT_OK) {
        return err;
    }
    if (n == NULL && (mode == RT_FILE_READ || !has_parent(path))) {
        return rt_fail(RT_ENOTFOUND, "open %s: not there", path);
    }
    if (n != NULL && n->file == NULL) {
        return rt_fail(RT_EIO, "open %s: is a directory", path);
    }
    if (n == NULL) {
        inode *made = rt_new(inode);

        made->refs = 1;
        add_node(path, made);
        n = find(path);
    }
    file = rt_new(rt_file);
    file->magic = FILE_MAGIC;
    file->epoch = disk.epoch;
    file->file = n->file;
    file->is_writable = mode == RT_FILE_WRITE;
    n->file->refs++;
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
    inode_unref(file->file);
    file->magic = 0;
    rt_free(file);
}

rt_err
rt_file_size(rt_file *file, uint64_t *ret_bytes)
{
    rt_err err = RT_OK;

    RT_CHECK(file, FILE_MAGIC);
    err = check_epoch(file->epoch);
    if (err == RT_OK) {
        err = sim_disk_due(SIM_DISK_SIZE, "size");
    }
    if (err == RT_OK) {
        *ret_bytes = file->file->visible.len;
    }
    return err;
}

static rt_err
check_room(const inode *file, uint64_t len)
{
    uint64_t more = len > file->visible.len ? len - file->visible.len : 0;

    return more == 0 || sim_disk_used_bytes() + more <= disk.capacity
               ? RT_OK
               : rt_fail(RT_ENOSPC, "disk full");
}

rt_err
rt_file_fill(rt_file *file, uint64_t bytes)
{
    rt_err err = RT_OK;

    RT_CHECK(file, FILE_MAGIC);
    RT_ASSERT(file->is_writable);
    err = check_epoch(file->epoch);
    if (err == RT_OK) {
        err = sim_disk_due(SIM_DISK_FILL, "fill");
    }
    if (err == RT_OK) {
        err = check_room(file->file, bytes);
    }
    if (err != RT_OK) {
        return err;
    }
    drop_pending(file->file);
    image_resize(&file->file->visible, 0);
    image_resize(&file->file->durable, 0);
    image_resize(&file->file->visible, bytes);
    image_resize(&file->file->durable, bytes);
    return RT_OK;
}

rt_err
rt_file_pwrite(rt_file *file, rt_bytes bytes, uint64_t offset)
{
    rt_err err = RT_OK;

    RT_CHECK(file, FILE_MAGIC);
    RT_ASSERT(file->is_writable);
    err = check_epoch(file->epoch);
    if (err == RT_OK) {
        err = check_room(file->file, offset + bytes.len);
    }
    if (err != RT_OK) {
        return err;
    }
    err = sim_disk_due(SIM_DISK_WRITE, "write");
    if (err != RT_OK) {
        bytes.len = bytes.len / 2 / SIM_DISK_SECTOR_BYTES * SIM_DISK_SECTOR_BYTES;
    }
    inode_write(file->file, bytes, offset);
    return err;
}

rt_err
rt_file_pread(rt_file *file, void *buf, size_t len, uint64_t offset, size_t *ret_len)
{
    const image *img = NULL;
    rt_err err = RT_OK;
    size_t n = 0;

    RT_CHECK(file, FILE_MAGIC);
    err = check_epoch(file->epoch);
    if (err == RT_OK) {
        err = sim_disk_due(SIM_DISK_READ, "read");
    }
    if (err != RT_OK) {
        return err;
    }
    img = &file->file->visible;
    if (offset < img->len) {
        n = (size_t)RT_MIN((uint64_t)len, img->len - offset);
        memcpy(buf, img->bytes + offset, n);
    }
    *ret_len = n;
    return RT_OK;
}

rt_err
rt_file_sync(rt_file *file)
{
    rt_err err = RT_OK;

    RT_CHECK(file, FILE_MAGIC);
    err = check_epoch(file->epoch);
    if (err == RT_OK && file->sync_failed) {
        err = rt_fail(RT_EIO, "sync: an earlier sync of this file failed");
    }
    if (err != RT_OK) {
        return err;
    }
    err = sim_disk_due(SIM_DISK_SYNC, "sync");
    if (err != RT_OK) {
        file->sync_failed = true;
        if (err != RT_ECRASH) {
            drop_pending(file->file);
        }
        return err;
    }
    inode_sync(file->file);
    return RT_OK;
}

rt_err
rt_file_read_all(const char *path, size_t max, rt_arena *arena, rt_str *ret_text)
{
    rt_file *file = NULL;
    char *text = NULL;
    uint64_t size = 0;
    size_t len = 0;
    rt_err err = rt_file_open(path, RT_FILE_READ, &file);

    if (err != RT_OK) {
        return err;
    }
    size = file->file->visible.len;
    if (size > max) {
        err = rt_fail(RT_ELIMIT, "%s has %llu bytes, at most %zu are read", path,
                      (unsigned long long)size, max);
    } else {
        text = rt_arena_alloc(arena, (size_t)size + 1);
        err = text != NULL ? rt_file_pread(file, text, (size_t)size, 0, &len)
                           : rt_fail(RT_ENOMEM, "no room to read %s", path);
    }
    if (err == RT_OK) {
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
    node *old = NULL;
    rt_err err = RT_OK;

    RT_ASSERT(n > 0 && (size_t)n < sizeof(temporary));
    old = find(temporary);
    if (old != NULL && old->file != NULL) {
        inode_unref(take_node(old));
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
    return err == RT_OK ? rt_file_rename(temporary, path) : err;
}

rt_err
rt_file_rename(const char *from, const char *to)
{
    rt_err err = sim_disk_due(SIM_DISK_RENAME, from);
    node *source = find(from);
    node *target = NULL;
    inode *file = NULL;

    if (err != RT_OK) {
        return err;
    }
    if (source == NULL || source->file == NULL || !has_parent(to)) {
        return rt_fail(RT_ENOTFOUND, "rename %s: not there", from);
    }
    file = take_node(source);
    target = find(to);
    if (target != NULL) {
        RT_ASSERT(target->file != NULL);
        inode_unref(take_node(target));
    }
    add_node(to, file);
    return RT_OK;
}

rt_err
rt_file_remove(const char *path)
{
    rt_err err = sim_disk_due(SIM_DISK_REMOVE, path);
    node *n = find(path);

    if (err != RT_OK) {
        return err;
    }
    if (n == NULL || n->file == NULL) {
        return rt_fail(RT_ENOTFOUND, "remove %s: not there", path);
    }
    inode_unref(take_node(n));
    return RT_OK;
}

bool
rt_file_exists(const char *path)
{
    return find(path) != NULL;
}

rt_err
rt_dir_make(const char *path)
{
    char part[PATH_BYTES_MAX];
    size_t len = strlen(path);

    if (len == 0 || len >= sizeof(part)) {
        return rt_fail(RT_EINVAL, "directory name of %zu bytes", len);
    }
    for (size_t i = 1; i <= len; i++) {
        const node *n = NULL;

        if ((i < len && path[i] != '/') || path[i - 1] == '/') {
            continue;
        }
        memcpy(part, path, i);
        part[i] = '\0';
        n = find(part);
        if (n == NULL) {
            add_node(part, NULL);
        } else if (n->file != NULL) {
            return rt_fail(RT_EINVAL, "%s is not a directory", part);
        }
    }
    return RT_OK;
}

rt_err
rt_dir_list(const char *path, void (*on_name)(void *user, const char *name), void *user)
{
    const node *dir = NULL;
    size_t len = strlen(path);
    rt_err err = sim_disk_due(SIM_DISK_LIST, path);

    if (err != RT_OK) {
        return err;
    }
    dir = find(path);
    if (dir == NULL || dir->file != NULL) {
        return rt_fail(RT_ENOTFOUND, "list %s: no such directory", path);
    }
    for (size_t i = 0; i < disk.count; i++) {
        const char *name = disk.nodes[i].path;

        if (strncmp(name, path, len) == 0 && name[len] == '/' &&
            strchr(name + len + 1, '/') == NULL) {
            on_name(user, name + len + 1);
        }
    }
    return RT_OK;
}

rt_err
rt_dir_free_bytes(const char *path, uint64_t *ret_bytes)
{
    uint64_t used = sim_disk_used_bytes();

    if (find(path) == NULL) {
        return rt_fail(RT_ENOTFOUND, "%s: not there", path);
    }
    *ret_bytes = used < disk.capacity ? disk.capacity - used : 0;
    return RT_OK;
}

rt_err
rt_lock_take(const char *path, rt_lock **ret_lock)
{
    rt_file *file = NULL;
    rt_lock *lock = NULL;
    rt_err err = rt_file_open(path, RT_FILE_WRITE, &file);

    if (err != RT_OK) {
        return err;
    }
    if (file->file->locked_epoch == disk.epoch) {
        rt_file_close(file);
        return rt_fail(RT_ELOCKED, "%s is held by process 1", path);
    }
    lock = rt_new(rt_lock);
    lock->magic = LOCK_MAGIC;
    lock->epoch = disk.epoch;
    lock->file = file->file;
    lock->file->refs++;
    lock->file->locked_epoch = disk.epoch;
    rt_file_close(file);
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
    if (lock->file->locked_epoch == lock->epoch) {
        lock->file->locked_epoch = 0;
    }
    inode_unref(lock->file);
    lock->magic = 0;
    rt_free(lock);
}
