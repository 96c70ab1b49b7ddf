// Design notes.
// What is durable is kept in pages and in a tree of names; what is not in lists, in the order in
// which it was done. A sync moves the entries of its file or directory from one to the other.
//
// The order of names: an operation on a directory stays pending until that directory is synced.
// What it refers to may be missing in an image; then it has no effect.
#include "tests/faults/disk.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/base/alloc.h"
#include "runtime/base/bytes.h"
#include "runtime/base/check.h"
#include "tests/faults/disk_internal.h"

// --- trees ---

name *
disk__find(tree *t, const char *path)
{
    for (size_t i = 0; i < t->count; i++) {
        if (strcmp(t->names[i].path, path) == 0) {
            return &t->names[i];
        }
    }
    return NULL;
}

void
disk__set_path(char to[PATH_MAX_BYTES], const char *from)
{
    int n = snprintf(to, PATH_MAX_BYTES, "%s", from);

    RT_ASSERT(n >= 0 && n < PATH_MAX_BYTES);
}

static void
put(tree *t, const char *path, uint32_t id)
{
    name *known = disk__find(t, path);

    if (known == NULL) {
        RT_ASSERT(t->count < NAMES_MAX);
        known = &t->names[t->count++];
        disk__set_path(known->path, path);
    }
    known->inode = id;
}

static void
drop(tree *t, const char *path)
{
    name *known = disk__find(t, path);

    if (known != NULL) {
        *known = t->names[--t->count];
    }
}

// The directory that a name stands in, "" for the top.
static void
parent_of(const char *path, char out[PATH_MAX_BYTES])
{
    const char *slash = strrchr(path, '/');

    disk__set_path(out, path);
    out[slash != NULL ? slash - path : 0] = '\0';
}

bool
disk__has_parent(tree *t, const char *path)
{
    char parent[PATH_MAX_BYTES];

    parent_of(path, parent);
    return parent[0] == '\0' || disk__find(t, parent) != NULL;
}

bool
disk__run_op(tree *t, const tree_op *op)
{
    const char *made = op->kind == TREE_RENAME ? op->to : op->path;
    name *old = disk__find(t, op->path);

    if (op->kind != TREE_REMOVE && !disk__has_parent(t, made)) {
        return false;
    }
    if (op->kind != TREE_MAKE && old != NULL && old->inode == op->inode) {
        drop(t, op->path);
    } else if (op->kind == TREE_REMOVE) {
        return false;
    }
    if (op->kind != TREE_REMOVE) {
        put(t, made, op->inode);
    }
    return true;
}

static void
add_op(disk *d, tree_op op)
{
    if (d->op_count == d->op_cap) {
        d->op_cap = d->op_cap > 0 ? d->op_cap * 2 : 64;
        d->ops = rt_realloc(d->ops, d->op_cap * sizeof(tree_op));
    }
    d->ops[d->op_count++] = op;
    (void)disk__run_op(&d->now, &op); // it was done
}

// What stands in the directory is durable from here on.
static void
sync_dir(disk *d, const char *dir)
{
    size_t left = 0;

    for (size_t i = 0; i < d->op_count; i++) {
        tree_op *op = &d->ops[i];
        char parent[PATH_MAX_BYTES];

        parent_of(op->kind == TREE_RENAME ? op->to : op->path, parent);
        if (strcmp(parent, dir) == 0) {
            (void)disk__run_op(&d->durable, op); // without a durable parent it is lost
        } else {
            d->ops[left++] = *op;
        }
    }
    d->op_count = left;
}

// --- contents ---

static uint32_t
new_inode(disk *d, bool is_dir)
{
    RT_ASSERT(d->inode_count < INODES_MAX);
    d->inodes[d->inode_count] = rt_new(inode);
    d->inodes[d->inode_count]->is_dir = is_dir;
    return d->inode_count++;
}

static void
free_inode(inode *node)
{
    for (size_t i = 0; i < node->page_count; i++) {
        rt_free(node->pages[i]);
    }
    rt_free(node->pages);
    rt_free(node->calls);
    rt_free(node);
}

static uint8_t *
page_for_writing(inode *node, uint64_t number)
{
    if (number >= node->page_count) {
        size_t count = RT_MAX((size_t)number + 1, node->page_count * 2);

        node->pages = rt_realloc(node->pages, count * sizeof(uint8_t *));
        memset(node->pages + node->page_count, 0,
               (count - node->page_count) * sizeof(uint8_t *));
        node->page_count = count;
    }
    if (node->pages[number] == NULL) {
        node->pages[number] = rt_alloc(PAGE);
    }
    return node->pages[number];
}

// Writes into the durable pages; bytes NULL = zeros.
static void
write_pages(inode *node, uint64_t at, const uint8_t *bytes, uint64_t len)
{
    node->size = RT_MAX(node->size, at + len);
    while (len > 0) {
        uint64_t number = at / PAGE;
        size_t part = (size_t)RT_MIN(len, PAGE - at % PAGE);
        bool is_hole = number >= node->page_count || node->pages[number] == NULL;

        if (bytes != NULL) {
            memcpy(page_for_writing(node, number) + at % PAGE, bytes, part);
            bytes += part;
        } else if (!is_hole) {
            memset(node->pages[number] + at % PAGE, 0, part);
        }
        at += part;
        len -= part;
    }
}

static void
resize(inode *node, uint64_t size)
{
    uint64_t old = node->size;

    if (size < old) {
        write_pages(node, size, NULL, old - size);
    }
    node->size = size;
}

static void
make_durable(inode *node, const call *c)
{
    if (c->is_size) {
        resize(node, c->at);
    } else {
        write_pages(node, c->at, c->is_zeros ? NULL : c->bytes, c->len);
    }
}

static void
sync_file(inode *node)
{
    for (size_t i = 0; i < node->call_count; i++) {
        make_durable(node, &node->calls[i]);
    }
    node->call_count = 0;
}

// A write that is durable by itself, and with it what was written to the same place before.
static void
write_through(inode *node, const call *c)
{
    size_t left = 0;

    for (size_t i = 0; i < node->call_count; i++) {
        const call *older = &node->calls[i];

        if (older->is_size || (older->at < c->at + c->len && c->at < older->at + older->len)) {
            make_durable(node, older);
        } else {
            node->calls[left++] = *older;
        }
    }
    node->call_count = left;
    make_durable(node, c);
    node->now_size = RT_MAX(node->now_size, c->at + c->len);
}

static void
add_call(inode *node, call c)
{
    if (node->call_count == node->call_cap) {
        node->call_cap = node->call_cap > 0 ? node->call_cap * 2 : 64;
        node->calls = rt_realloc(node->calls, node->call_cap * sizeof(call));
    }
    node->calls[node->call_count++] = c;
    node->now_size = c.is_size ? c.at : RT_MAX(node->now_size, c.at + c.len);
}

// --- entries ---

static const handle *
opened(const disk *d, uint64_t place)
{
    uint64_t index = 0;
    bool ok = rt_map_get(d->handles, (rt_bytes){(const uint8_t *)&place, sizeof(place)}, &index);

    return ok ? &d->opened[index] : NULL;
}

static void
note_opened(disk *d, uint64_t place, const char *path, uint32_t id)
{
    if (d->opened_count == d->opened_cap) {
        d->opened_cap = d->opened_cap > 0 ? d->opened_cap * 2 : 64;
        d->opened = rt_realloc(d->opened, d->opened_cap * sizeof(handle));
    }
    d->opened[d->opened_count] = (handle){.place = place, .inode = id};
    disk__set_path(d->opened[d->opened_count].path, path);
    (void)rt_map_put(d->handles, (rt_bytes){(const uint8_t *)&place, sizeof(place)},
                     d->opened_count);
    d->opened_count++;
}

static void
apply_open(disk *d, const tape_entry *entry, uint64_t place)
{
    const char *path = (const char *)entry->data;
    const name *known = disk__find(&d->now, path);
    uint32_t id = known != NULL ? known->inode : UINT32_MAX;

    if (strcmp(path, LIST_NAME) == 0 || path[0] == '\0') {
        id = UINT32_MAX; // the list and the top are no files of the disk
    } else if (known == NULL) {
        tree_op op = {.kind = TREE_MAKE};

        id = new_inode(d, false);
        op.inode = id;
        disk__set_path(op.path, path);
        add_op(d, op);
    } else if ((entry->flags & TAPE_FLAG_TRUNC) != 0) {
        add_call(d->inodes[id], (call){.is_size = true, .at = 0});
    }
    note_opened(d, place, path, id);
}

static void
extend_list(disk *d, const tape_entry *entry)
{
    size_t len = (size_t)entry->len;

    if (d->list_len + len > d->list_cap) {
        d->list_cap = RT_MAX(d->list_cap * 2, d->list_len + len);
        d->list = rt_realloc(d->list, d->list_cap);
    }
    memcpy(d->list + d->list_len, entry->data, len);
    d->list_len += len;
}

static rt_err
apply_on_file(disk *d, const tape_entry *entry)
{
    const handle *h = opened(d, entry->handle);
    inode *node = NULL;

    if (h == NULL) {
        return rt_fail(RT_EPROTO, "the tape uses a file that was not opened");
    }
    if (entry->kind == TAPE_FOREIGN) {
        const char *base = strrchr(h->path, '/');
        bool expected = base != NULL && strcmp(base + 1, MAPPED_NAME) == 0;

        return expected ? RT_OK
                        : rt_fail(RT_EPROTO, "%s is changed by %s, which is not recorded", h->path,
                                  (const char *)entry->data);
    }
    if (strcmp(h->path, LIST_NAME) == 0) {
        if (entry->kind == TAPE_WRITE) {
            extend_list(d, entry);
        }
        return RT_OK;
    }
    if (entry->kind == TAPE_SYNC && (h->inode == UINT32_MAX || d->inodes[h->inode]->is_dir)) {
        sync_dir(d, h->path);
        return RT_OK;
    }
    if (h->inode == UINT32_MAX) {
        return rt_fail(RT_EPROTO, "the tape writes to the top directory");
    }
    node = d->inodes[h->inode];
    if (entry->kind == TAPE_SYNC) {
        sync_file(node);
    } else if (entry->kind == TAPE_SIZE) {
        add_call(node, (call){.is_size = true, .at = entry->at});
    } else {
        call c = {.is_zeros = (entry->flags & TAPE_FLAG_ZEROS) != 0,
                  .at = (entry->flags & TAPE_FLAG_APPENDED) != 0 ? node->now_size : entry->at,
                  .len = entry->len,
                  .bytes = entry->data};

        if ((entry->flags & TAPE_FLAG_DURABLE) != 0) {
            write_through(node, &c);
        } else {
            add_call(node, c);
        }
    }
    return RT_OK;
}

static rt_err
apply_on_name(disk *d, const tape_entry *entry)
{
    const char *path = (const char *)entry->data;
    tree_op op = {.kind = entry->kind == TAPE_RENAME   ? TREE_RENAME
                          : entry->kind == TAPE_UNLINK ? TREE_REMOVE
                                                       : TREE_MAKE};
    const name *known = disk__find(&d->now, path);

    if (path[0] == '\0') {
        return RT_OK; // the top was made
    }
    if (known == NULL && entry->kind != TAPE_MKDIR) {
        return rt_fail(RT_EPROTO, "the tape renames or removes %s, which is not there", path);
    }
    op.inode = known != NULL ? known->inode : new_inode(d, true);
    disk__set_path(op.path, path);
    if (entry->kind == TAPE_RENAME) {
        disk__set_path(op.to, path + strlen(path) + 1);
    }
    add_op(d, op);
    return RT_OK;
}

rt_err
disk_apply(disk *d, const tape_entry *entry, uint64_t place)
{
    switch ((tape_kind)entry->kind) {
    case TAPE_OPEN:
        apply_open(d, entry, place);
        return RT_OK;
    case TAPE_WRITE:
    case TAPE_SIZE:
    case TAPE_SYNC:
    case TAPE_FOREIGN:
        return apply_on_file(d, entry);
    case TAPE_RENAME:
    case TAPE_UNLINK:
    case TAPE_MKDIR:
        return apply_on_name(d, entry);
    }
    return rt_fail(RT_EPROTO, "an entry of kind %u", entry->kind);
}

rt_bytes
disk_list(const disk *d)
{
    return (rt_bytes){d->list, d->list_len};
}

// --- the beginning ---

static rt_err
fail_path(const char *what, const char *path)
{
    return rt_fail(RT_EIO, "%s %s: %m", what, path);
}

static rt_err
read_file(disk *d, const char *from, const char *path)
{
    uint8_t page[PAGE];
    const name *known = disk__find(&d->durable, path);
    inode *node = NULL;
    struct stat info;
    ssize_t n = 0;
    rt_err err = RT_OK;
    int fd = open(from, O_RDONLY | O_CLOEXEC);

    RT_ASSERT(known != NULL); // read_dir has just named it
    node = d->inodes[known->inode];
    if (fd < 0 || fstat(fd, &info) != 0) {
        err = fail_path("read", from);
    }
    // Files are mostly holes: only what is stored is read.
    for (off_t at = 0; err == RT_OK && (at = lseek(fd, at, SEEK_DATA)) >= 0; at += n) {
        at -= at % (off_t)PAGE;
        n = pread(fd, page, PAGE, at);
        if (n <= 0) {
            break;
        }
        write_pages(node, (uint64_t)at, page, (uint64_t)n);
    }
    if (err == RT_OK) {
        node->size = (uint64_t)info.st_size;
        node->now_size = node->size;
    }
    if (fd >= 0) {
        (void)close(fd); // only read from
    }
    return n < 0 ? fail_path("read", from) : err;
}

// `path` is relative to the base, "" for itself.
static rt_err
read_dir(disk *d, const char *base, const char *path)
{
    char from[2 * PATH_MAX_BYTES];
    const struct dirent *entry = NULL;
    rt_err err = RT_OK;
    DIR *stream = NULL;

    (void)snprintf(from, sizeof(from), "%s/%s", base, path);
    stream = opendir(from);
    if (stream == NULL) {
        return fail_path("list", from);
    }
    while (err == RT_OK && (entry = readdir(stream)) != NULL) {
        char below[PATH_MAX_BYTES];
        struct stat info;
        int n = snprintf(below, sizeof(below), "%s%s%s", path, path[0] != '\0' ? "/" : "",
                         entry->d_name);

        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) {
            continue;
        }
        RT_ASSERT(n > 0 && n < (int)sizeof(below));
        (void)snprintf(from, sizeof(from), "%s/%s", base, below);
        if (stat(from, &info) != 0) {
            err = fail_path("stat", from);
            break;
        }
        put(&d->durable, below, new_inode(d, S_ISDIR(info.st_mode)));
        err = S_ISDIR(info.st_mode) ? read_dir(d, base, below) : read_file(d, from, below);
    }
    (void)closedir(stream);
    return err;
}

rt_err
disk_new(const char *base, disk **ret_disk)
{
    disk *d = rt_new(disk);
    rt_err err = RT_OK;

    d->handles = rt_map_new();
    if (base != NULL) {
        err = read_dir(d, base, "");
    }
    d->now = d->durable;
    if (err != RT_OK) {
        disk_free(d);
        return err;
    }
    *ret_disk = d;
    return RT_OK;
}

void
disk_free(disk *d)
{
    for (uint32_t i = 0; i < d->inode_count; i++) {
        free_inode(d->inodes[i]);
    }
    rt_map_free(d->handles);
    rt_free(d->opened);
    rt_free(d->ops);
    rt_free(d->list);
    rt_free(d->chosen);
    rt_free(d);
}
