// real/lmdb_check.h: whether an LMDB file is fit to be handed to LMDB.
//
// Layer: runtime/real only (and tests).   Threads: any.
// Needs no LMDB and maps nothing: a file is read piece by piece, so one that is cut off or cannot
// be read is an error and no SIGBUS.
#ifndef CEREBRO_RUNTIME_REAL_LMDB_CHECK_H
#define CEREBRO_RUNTIME_REAL_LMDB_CHECK_H

#include "runtime/base/bytes.h"
#include "runtime/base/err.h"

typedef struct rt__lmdb_image {
    const char *name; // for messages
    uint64_t bytes;
    // reads `len` bytes at `at`, which lie within `bytes`
    rt_err (*read)(void *user, uint64_t at, uint8_t *buf, size_t len);
    void *user;
} rt__lmdb_image;

typedef struct rt__lmdb_facts {
    uint64_t txn;        // of the meta page that counts
    uint64_t page_bytes;
    uint64_t pages;      // up to the last one used, meta pages included
    uint64_t entries;    // pairs
    uint64_t free_pages; // on the free list
} rt__lmdb_facts;

// rt__lmdb_metas looks at the two meta pages only, and compares the size.
//   errors    RT_ECORRUPT page and offset in the detail · RT_EVERSION · RT_EIO
rt_err rt__lmdb_metas(const rt__lmdb_image *image, rt__lmdb_facts *ret_facts) RT_MUST_USE;
// rt__lmdb_check walks everything that LMDB would ever touch: meta pages, both trees, overflow
// pages, free list. RT_OK: LMDB meets no page that could crash it, make it loop, or make it
// overwrite what is in use, and every key is found where it belongs. What stands in values is not
// its business.
//   errors    RT_ECORRUPT page and offset in the detail · RT_EVERSION · RT_EIO
//   cost      each page once
rt_err rt__lmdb_check(const rt__lmdb_image *image, rt__lmdb_facts *ret_facts) RT_MUST_USE;
// rt__lmdb_check_bytes does so for an image in memory.
rt_err rt__lmdb_check_bytes(const char *name, rt_bytes bytes,
                            rt__lmdb_facts *ret_facts) RT_MUST_USE;

#endif
