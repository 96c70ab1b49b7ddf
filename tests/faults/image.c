// Design notes.
// An image has the durable names and any of the pending operations, or (as journalling file
// systems do it) the first few of them. A rename is one operation.
//
// A file gets its durable pages first, and then the chosen parts of the pending calls, done for
// real on the image's files. A call that is left out may still have made its file longer; what was
// never written reads as zeros.
//
// lock.mdb is LMDB's table of readers, written through a mapping and never synced: in an image it
// has its size and zeros.
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/base/alloc.h"
#include "tests/faults/disk_internal.h"

static rt_err
fail_path(const char *what, const char *path)
{
    return rt_fail(RT_EIO, "%s %s: %m", what, path);
}

static rt_err
write_fully(int fd, const uint8_t *bytes, uint64_t len, uint64_t at, const char *path)
{
    static const uint8_t zeros[PAGE];

    while (len > 0) {
        size_t part = bytes != NULL ? (size_t)len : (size_t)RT_MIN(len, sizeof(zeros));
        ssize_t n = pwrite(fd, bytes != NULL ? bytes : zeros, part, (off_t)at);

        if (n <= 0) {
            return fail_path("write", path);
        }
        bytes = bytes != NULL ? bytes + n : NULL;
        at += (uint64_t)n;
        len -= (uint64_t)n;
    }
    return RT_OK;
}

static rt_err
write_durable(const inode *node, int fd, const char *path)
{
    rt_err err = ftruncate(fd, (off_t)node->size) == 0 ? RT_OK : fail_path("truncate", path);

    for (uint64_t i = 0; i < node->page_count && err == RT_OK && i * PAGE < node->size; i++) {
        if (node->pages[i] != NULL) {
            err = write_fully(fd, node->pages[i], RT_MIN((uint64_t)PAGE, node->size - i * PAGE),
                              i * PAGE, path);
        }
    }
    return err;
}

// Writes a part of a call, given relative to it.
static rt_err
write_part(const call *c, uint64_t from, uint64_t len, int fd, const char *path)
{
    return write_fully(fd, c->is_zeros ? NULL : c->bytes + from, len, c->at + from, path);
}

// Makes the file at least so long, with nothing in it.
static rt_err
reach(int fd, uint64_t size, const char *path)
{
    struct stat info;

    if (fstat(fd, &info) != 0 ||
        ((uint64_t)info.st_size < size && ftruncate(fd, (off_t)size) != 0)) {
        return fail_path("extend", path);
    }
    return RT_OK;
}

// Each sector of a call or not. Sectors are those of the file, as the disk has them.
static rt_err
write_torn(const call *c, rt_rng *rng, int fd, const char *path, disk_figures *figures)
{
    double keep = rt_rng_f64(rng);
    rt_err err = RT_OK;

    for (uint64_t from = 0; from < c->len && err == RT_OK;) {
        uint64_t len = RT_MIN(c->len - from, SECTOR - (c->at + from) % SECTOR);

        if (rt_rng_chance(rng, keep)) {
            err = write_part(c, from, len, fd, path);
        } else {
            figures->lost_sectors++;
        }
        from += len;
    }
    return err;
}

// The call up to one of its sectors.
static rt_err
write_beginning(const call *c, rt_rng *rng, int fd, const char *path, disk_figures *figures)
{
    uint64_t first = c->at / SECTOR;
    uint64_t count = (c->at + c->len + SECTOR - 1) / SECTOR - first;
    uint64_t kept = rt_rng_below(rng, count);
    uint64_t end = RT_MAX((first + kept) * SECTOR, c->at);

    figures->lost_sectors += count - kept;
    return write_part(c, 0, end - c->at, fd, path);
}

static rt_err
run_call(const call *c, int fd, const char *path)
{
    if (c->is_size) {
        return ftruncate(fd, (off_t)c->at) == 0 ? RT_OK : fail_path("truncate", path);
    }
    return write_part(c, 0, c->len, fd, path);
}

// A call that did not reach the disk, but perhaps the file's new length did.
static rt_err
lose_call(const call *c, rt_rng *rng, int fd, const char *path, disk_figures *figures)
{
    figures->lost_sectors += c->is_size ? 1 : (c->len + SECTOR - 1) / SECTOR;
    if (!c->is_size && rt_rng_chance(rng, 0.3)) {
        return reach(fd, c->at + c->len, path);
    }
    return RT_OK;
}

static void
shuffle(call *calls, size_t count, rt_rng *rng)
{
    for (size_t i = 0; i < count; i++) {
        if (calls[i].is_size) {
            return; // a file that shrinks and grows again is left in order
        }
    }
    for (size_t i = count; i > 1; i--) {
        size_t j = (size_t)rt_rng_below(rng, i);
        call swapped = calls[i - 1];

        calls[i - 1] = calls[j];
        calls[j] = swapped;
    }
}

static rt_err
write_pending(disk *d, const inode *node, disk_mode mode, rt_rng *rng, int fd, const char *path,
              disk_figures *figures)
{
    size_t count = node->call_count;
    size_t last = (size_t)rt_rng_below(rng, count);
    double keep = rt_rng_f64(rng);
    rt_err err = RT_OK;

    if (count > d->chosen_cap) {
        d->chosen_cap = count * 2;
        d->chosen = rt_realloc(d->chosen, d->chosen_cap * sizeof(call));
    }
    memcpy(d->chosen, node->calls, count * sizeof(call));
    if ((mode == DISK_SOME || mode == DISK_TORN) && rt_rng_chance(rng, 0.5)) {
        shuffle(d->chosen, count, rng);
    }
    for (size_t i = 0; i < count && err == RT_OK; i++) {
        const call *c = &d->chosen[i];

        if (mode == DISK_PREFIX && i == last && !c->is_size) {
            err = write_beginning(c, rng, fd, path, figures);
        } else if (mode == DISK_PREFIX ? i < last : mode == DISK_ALL) {
            err = run_call(c, fd, path);
        } else if (mode == DISK_TORN && !c->is_size) {
            err = write_torn(c, rng, fd, path, figures);
        } else if (mode != DISK_NONE && mode != DISK_PREFIX && rt_rng_chance(rng, keep)) {
            err = run_call(c, fd, path);
        } else {
            err = lose_call(c, rng, fd, path, figures);
        }
    }
    return err;
}

static rt_err
write_file(disk *d, const name *n, disk_mode mode, rt_rng *rng, const char *dir,
           disk_figures *figures)
{
    const inode *node = d->inodes[n->inode];
    const char *base = strrchr(n->path, '/');
    char path[2 * PATH_MAX_BYTES];
    rt_err err = RT_OK;
    int fd = 0;

    (void)snprintf(path, sizeof(path), "%s/%s", dir, n->path);
    fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0) {
        return fail_path("make", path);
    }
    figures->pending_calls += node->call_count;
    if (base != NULL && strcmp(base + 1, MAPPED_NAME) == 0) {
        err = ftruncate(fd, (off_t)node->now_size) == 0 ? RT_OK : fail_path("truncate", path);
    } else {
        err = write_durable(node, fd, path);
        if (err == RT_OK && node->call_count > 0) {
            err = write_pending(d, node, mode, rng, fd, path, figures);
        }
    }
    (void)close(fd); // a picture of a disk, not one that must last
    return err;
}

// Chooses which of the pending operations on names the image has.
static void
choose_names(const disk *d, disk_mode mode, rt_rng *rng, tree *t, disk_figures *figures)
{
    bool is_ordered = rt_rng_chance(rng, 0.5);
    size_t first_lost = (size_t)rt_rng_below(rng, d->op_count + 1);
    double keep = rt_rng_f64(rng);

    figures->pending_names = d->op_count;
    for (size_t i = 0; i < d->op_count; i++) {
        bool kept = mode == DISK_ALL || (mode != DISK_NONE && (is_ordered ? i < first_lost
                                                                : rt_rng_chance(rng, keep)));

        kept = kept && disk__run_op(t, &d->ops[i]);
        figures->lost_names += kept ? 0 : 1;
    }
}

static int
by_path(const void *a, const void *b)
{
    return strcmp(((const name *)a)->path, ((const name *)b)->path);
}

// Sorts the names, a directory before what is in it, and drops those whose directory is lost.
static void
drop_orphans(tree *t)
{
    size_t count = t->count;

    qsort(t->names, count, sizeof(name), by_path);
    t->count = 0;
    for (size_t i = 0; i < count; i++) {
        name n = t->names[i];

        if (disk__has_parent(t, n.path)) {
            t->names[t->count++] = n;
        }
    }
}

rt_err
disk_image(disk *d, disk_mode mode, rt_rng *rng, const char *dir, disk_figures *ret_figures)
{
    tree *t = rt_new(tree);
    rt_err err = RT_OK;

    *ret_figures = (disk_figures){0};
    *t = d->durable;
    choose_names(d, mode, rng, t, ret_figures);
    drop_orphans(t);
    for (size_t i = 0; i < t->count && err == RT_OK; i++) {
        const name *n = &t->names[i];
        char path[2 * PATH_MAX_BYTES];

        if (!d->inodes[n->inode]->is_dir) {
            // Contents are drawn anew for each file, so that files differ in what they lost.
            disk_mode own = mode == DISK_ALL || mode == DISK_NONE || rt_rng_chance(rng, 0.7)
                                ? mode
                                : (disk_mode)rt_rng_below(rng, DISK_MODES);

            err = write_file(d, n, own, rng, dir, ret_figures);
            continue;
        }
        (void)snprintf(path, sizeof(path), "%s/%s", dir, n->path);
        err = mkdir(path, 0700) == 0 ? RT_OK : fail_path("make", path);
    }
    rt_free(t);
    return err;
}
