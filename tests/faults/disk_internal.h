// faults/disk_internal.h: the disk's inside, shared by disk.c and image.c.
//
// Layer: tests/faults.   Threads: one owner.
#ifndef CEREBRO_TESTS_FAULTS_DISK_INTERNAL_H
#define CEREBRO_TESTS_FAULTS_DISK_INTERNAL_H

#include "runtime/base/map.h"
#include "tests/faults/disk.h"

#define PAGE 4096u
#define SECTOR 512u
#define PATH_MAX_BYTES 512
#define NAMES_MAX 256
#define INODES_MAX 4096
#define LIST_NAME "!list"
#define MAPPED_NAME "lock.mdb" // the one file that may be changed through a mapping

typedef struct call {
    bool is_size;
    bool is_zeros;
    uint64_t at; // or the new size
    uint64_t len;
    const uint8_t *bytes; // on the tape
} call;

typedef struct inode {
    uint8_t **pages; // durable; NULL = zeros
    size_t page_count;
    uint64_t size;     // durable
    uint64_t now_size; // with the pending calls
    bool is_dir;
    call *calls; // pending, oldest first
    size_t call_count;
    size_t call_cap;
} inode;

typedef struct name {
    char path[PATH_MAX_BYTES];
    uint32_t inode;
} name;

typedef struct tree {
    name names[NAMES_MAX];
    size_t count;
} tree;

typedef enum tree_kind { TREE_MAKE, TREE_REMOVE, TREE_RENAME } tree_kind;

typedef struct tree_op {
    tree_kind kind;
    uint32_t inode;
    char path[PATH_MAX_BYTES];
    char to[PATH_MAX_BYTES]; // RENAME
} tree_op;

typedef struct handle {
    uint64_t place;
    uint32_t inode;
    char path[PATH_MAX_BYTES];
} handle;

struct disk {
    inode *inodes[INODES_MAX];
    uint32_t inode_count;
    tree durable;
    tree now;
    tree_op *ops; // pending, oldest first
    size_t op_count;
    size_t op_cap;
    rt_map *handles; // place of the OPEN -> index
    handle *opened;
    size_t opened_count;
    size_t opened_cap;
    uint8_t *list;
    size_t list_len;
    size_t list_cap;
    call *chosen; // scratch of an image
    size_t chosen_cap;
};

// disk__find finds a name; NULL when it is not there.
name *disk__find(tree *t, const char *path);
// disk__set_path copies a path.
void disk__set_path(char to[PATH_MAX_BYTES], const char *from);
// disk__has_parent tells whether the directory that a name stands in is there.
bool disk__has_parent(tree *t, const char *path);
// disk__run_op does an operation as far as the tree allows it; whether it did.
bool disk__run_op(tree *t, const tree_op *op);

#endif
