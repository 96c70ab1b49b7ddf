#include "runtime/real/lmdb_check.h"

#include <inttypes.h>
#include <string.h>

#include "runtime/base/alloc.h"
#include "runtime/base/check.h"

// Design notes.
// LMDB believes its file: a page number beyond the end is a SIGBUS, a wrong offset reads or moves
// memory that is not the page's, a page on the free list that is in use is overwritten by the next
// commit, an inner page with one child is an abort(). Rows carry checksums of their own (store),
// but nobody gets to see a row whose page cannot be followed. So everything that LMDB steers by is
// checked before it is opened; state is read whole at start anyway, and all pages together once
// (50 ms for 100 MB in the page cache).
//
// The layout is that of LMDB 0.9 (data version 1) on a little-endian machine with 64 bits. A page
// is:
//   u64 number · u16 pad · u16 flags · u16 lower · u16 upper (overflow: u32 pages) · u16 offsets[]
// with nodes from `upper` to the end, without gaps:
//   u16 lo · u16 hi · u16 flags · u16 key length · key · data
// lo and hi are the length of a leaf's data, or with flags the child of a branch. Data of a leaf
// that does not fit is the number of its first overflow page. The free list is a tree of its own:
// the key is a transaction, the value a counted list of page numbers in descending order.
//
// Pages that neither tree nor list know are leaks (0.9.24 has such bugs) and harm nobody.

#define META_MAGIC 0xbeefc0deu
#define META_VERSION 1u
#define META_BYTES 152u
#define META_PAGES 2u
#define PAGE_HEADER 16u
#define PAGE_BYTES_MIN 4096u
#define PAGE_BYTES_MAX 32768u
#define NODE_HEADER 8u
#define DEPTH_MAX 31u // one less than LMDB's stack: a commit may add a level
#define KEY_BYTES_MAX 511u
#define NO_PAGE UINT64_MAX
#define TXN_MAX (UINT64_MAX / 4)
#define MAP_BYTES_MAX (1ull << 46) // of address space

#define P_BRANCH 0x01u
#define P_LEAF 0x02u
#define P_OVERFLOW 0x04u
#define P_META 0x08u
#define F_BIGDATA 0x01u
#define FREE_TREE_FLAGS 0x08u // integer keys
#define ENV_FLAGS 0x4000u     // stand there too and mean nothing: the file was made by its own name

// Where things stand in a meta page.
#define META_MAGIC_AT 16u
#define META_VERSION_AT 20u
#define META_MAP_AT 32u
#define META_FREE_AT 40u // trees are 48 bytes each
#define META_MAIN_AT 88u
#define META_LAST_PAGE_AT 136u
#define META_TXN_AT 144u

typedef struct tree {
    uint16_t flags;
    uint16_t depth;
    uint64_t branch_pages;
    uint64_t leaf_pages;
    uint64_t overflow_pages;
    uint64_t entries;
    uint64_t root;
} tree;

typedef struct meta {
    uint64_t page_bytes;
    uint64_t map_bytes;
    tree free;
    tree main;
    uint64_t last_page;
    uint64_t txn;
} meta;

// A page on the way down.
typedef struct frame {
    uint8_t *page;
    uint64_t number;
    uint32_t count; // nodes
    uint32_t next;  // child to go down to
    rt_bytes low;   // keys are not below; ptr NULL = no bound
    rt_bytes high;  // and below this
} frame;

typedef struct checker {
    const rt__lmdb_image *image;
    meta meta;
    uint8_t *used; // bit per page
    uint8_t *pages; // of the frames, and one to read lists from overflow pages
    frame frames[DEPTH_MAX];
    bool is_free;   // the tree being walked is the free list
    tree counted;
    uint64_t free_pages;
} checker;

static uint16_t
get16(const uint8_t *at)
{
    return (uint16_t)(at[0] | at[1] << 8);
}

static uint32_t
get32(const uint8_t *at)
{
    return (uint32_t)get16(at) | (uint32_t)get16(at + 2) << 16;
}

static uint64_t
get64(const uint8_t *at)
{
    return (uint64_t)get32(at) | (uint64_t)get32(at + 4) << 32;
}

static rt_err
corrupt(const checker *c, uint64_t page, uint64_t at, const char *what)
{
    return rt_fail(RT_ECORRUPT, "%s, page %" PRIu64 ", offset %" PRIu64 ": %s", c->image->name,
                   page, page * c->meta.page_bytes + at, what);
}

// --- meta pages -----------------------------------------------------------------------------

static tree
read_tree(const uint8_t *at)
{
    return (tree){.flags = get16(at + 4),
                  .depth = get16(at + 6),
                  .branch_pages = get64(at + 8),
                  .leaf_pages = get64(at + 16),
                  .overflow_pages = get64(at + 24),
                  .entries = get64(at + 32),
                  .root = get64(at + 40)};
}

// Reads meta page `number` (0 or 1), which stands at `at`.
static rt_err
read_meta(const rt__lmdb_image *image, uint64_t number, uint64_t at, meta *ret_meta)
{
    uint8_t page[META_BYTES];
    rt_err err = RT_OK;

    if (image->bytes < at + META_BYTES) {
        return rt_fail(RT_ECORRUPT,
                       "%s, page %" PRIu64 ", offset %" PRIu64 ": cut off in the header",
                       image->name, number, image->bytes);
    }
    err = image->read(image->user, at, page, sizeof(page));
    if (err != RT_OK) {
        return err;
    }
    if (get32(page + META_MAGIC_AT) != META_MAGIC || get16(page + 10) != P_META ||
        get64(page) != number) {
        return rt_fail(RT_ECORRUPT, "%s, page %" PRIu64 ", offset %" PRIu64 ": no LMDB header",
                       image->name, number, at);
    }
    if (get32(page + META_VERSION_AT) != META_VERSION) {
        return rt_fail(RT_EVERSION, "%s, page %" PRIu64 ": LMDB data version %" PRIu32, image->name,
                       number, get32(page + META_VERSION_AT));
    }
    *ret_meta = (meta){.page_bytes = get32(page + META_FREE_AT),
                       .map_bytes = get64(page + META_MAP_AT),
                       .free = read_tree(page + META_FREE_AT),
                       .main = read_tree(page + META_MAIN_AT),
                       .last_page = get64(page + META_LAST_PAGE_AT),
                       .txn = get64(page + META_TXN_AT)};
    return RT_OK;
}

static bool
is_page_size(uint64_t bytes)
{
    return bytes >= PAGE_BYTES_MIN && bytes <= PAGE_BYTES_MAX && (bytes & (bytes - 1)) == 0;
}

static rt_err
check_meta(checker *c, uint64_t number)
{
    const meta *m = &c->meta;

    // LMDB finds the page of a transaction by the lowest bit of its number.
    if ((m->txn & 1) != number || m->txn > TXN_MAX) {
        return corrupt(c, number, META_TXN_AT, "not the page of its transaction");
    }
    if ((m->free.flags & ~ENV_FLAGS) != FREE_TREE_FLAGS || m->main.flags != 0) {
        return corrupt(c, number, META_FREE_AT, "flags of a tree");
    }
    if (m->last_page < META_PAGES - 1 || m->last_page >= c->image->bytes / m->page_bytes) {
        return rt_fail(RT_ECORRUPT,
                       "%s is cut off at offset %" PRIu64 ", where page %" PRIu64 " is in use",
                       c->image->name, c->image->bytes, m->last_page);
    }
    if (m->map_bytes > MAP_BYTES_MAX) {
        return corrupt(c, number, META_MAP_AT, "size of the map");
    }
    return RT_OK;
}

// Reads both meta pages and keeps the one that LMDB will go by.
static rt_err
pick_meta(checker *c)
{
    meta metas[META_PAGES];
    uint64_t newer = 0;
    rt_err err = read_meta(c->image, 0, 0, &metas[0]);

    if (err != RT_OK) {
        return err;
    }
    c->meta = metas[0];
    if (!is_page_size(metas[0].page_bytes)) {
        return rt_fail(RT_ECORRUPT, "%s, page 0, offset %u: page size %" PRIu64, c->image->name,
                       META_FREE_AT, metas[0].page_bytes);
    }
    err = read_meta(c->image, 1, metas[0].page_bytes, &metas[1]);
    if (err != RT_OK) {
        return err;
    }
    newer = metas[1].txn > metas[0].txn ? 1 : 0;
    c->meta = metas[newer];
    c->meta.page_bytes = metas[0].page_bytes;
    return metas[1].page_bytes == metas[0].page_bytes
               ? check_meta(c, newer)
               : corrupt(c, 1, META_FREE_AT, "the meta pages differ in page size");
}

static rt__lmdb_facts
facts_of(const checker *c)
{
    return (rt__lmdb_facts){.txn = c->meta.txn,
                            .page_bytes = c->meta.page_bytes,
                            .pages = c->meta.last_page + 1,
                            .entries = c->meta.main.entries,
                            .free_pages = c->free_pages};
}

rt_err
rt__lmdb_metas(const rt__lmdb_image *image, rt__lmdb_facts *ret_facts)
{
    checker c = {.image = image};
    rt_err err = pick_meta(&c);

    if (err == RT_OK) {
        *ret_facts = facts_of(&c);
    }
    return err;
}

// --- pages ----------------------------------------------------------------------------------

// Takes `count` pages from `first` on: each has one place only. `from` is the page that names them.
static rt_err
claim(checker *c, uint64_t from, uint64_t first, uint64_t count)
{
    if (first < META_PAGES || first > c->meta.last_page ||
        count > c->meta.last_page - first + 1) {
        return corrupt(c, from, 0, "names a page that there is not");
    }
    for (uint64_t page = first; page < first + count; page++) {
        if ((c->used[page / 8] >> page % 8 & 1) != 0) {
            return corrupt(c, from, 0, "names a page that another one names as well");
        }
        c->used[page / 8] = (uint8_t)(c->used[page / 8] | 1u << page % 8);
    }
    return RT_OK;
}

static rt_err
read_page(checker *c, uint64_t number, uint8_t *page, size_t len)
{
    return c->image->read(c->image->user, number * c->meta.page_bytes, page, len);
}

static const uint8_t *
node_at(const frame *f, uint32_t index)
{
    return f->page + get16(f->page + PAGE_HEADER + 2 * (size_t)index);
}

static rt_bytes
key_of(const uint8_t *node)
{
    return (rt_bytes){node + NODE_HEADER, get16(node + 6)};
}

static uint64_t
data_bytes(const uint8_t *node)
{
    return (uint64_t)get16(node) | (uint64_t)get16(node + 2) << 16;
}

static uint64_t
child_of(const uint8_t *node)
{
    return data_bytes(node) | (uint64_t)get16(node + 4) << 32;
}

static int
compare_keys(const checker *c, rt_bytes a, rt_bytes b)
{
    int order = 0;

    if (c->is_free) {
        uint64_t x = get64(a.ptr);
        uint64_t y = get64(b.ptr);

        return (x > y) - (x < y);
    }
    order = memcmp(a.ptr, b.ptr, RT_MIN(a.len, b.len));
    return order != 0 ? order : (a.len > b.len) - (a.len < b.len);
}

// Checks that the node lies within its page; *ret_bytes is its size.
static rt_err
check_node(const checker *c, const frame *f, uint32_t index, bool is_leaf, uint64_t *ret_bytes)
{
    uint64_t page_bytes = c->meta.page_bytes;
    uint64_t at = get16(f->page + PAGE_HEADER + 2 * (size_t)index);
    uint64_t bytes = NODE_HEADER;
    const uint8_t *node = NULL;
    bool is_big = false;

    if (at % 2 != 0 || at < get16(f->page + 14) || at + NODE_HEADER > page_bytes) {
        return corrupt(c, f->number, PAGE_HEADER + 2 * (uint64_t)index,
                       "a node outside of its page");
    }
    node = f->page + at;
    bytes += get16(node + 6);
    if (is_leaf) {
        is_big = get16(node + 4) == F_BIGDATA;
        if (!is_big && get16(node + 4) != 0) {
            return corrupt(c, f->number, at + 4, "flags of a node");
        }
        bytes += is_big ? sizeof(uint64_t) : data_bytes(node);
    }
    if (at + bytes > page_bytes) {
        return corrupt(c, f->number, at, "a node that leaves its page");
    }
    *ret_bytes = (bytes + 1) & ~(uint64_t)1;
    return RT_OK;
}

// Checks length and order of the node's key; the first one of a branch page is never looked at.
static rt_err
check_key(const checker *c, const frame *f, uint32_t index, bool is_leaf)
{
    const uint8_t *node = node_at(f, index);
    rt_bytes key = key_of(node);
    uint64_t at = (uint64_t)(node - f->page);
    rt_bytes low = f->low;

    if (!is_leaf && index == 0) {
        return RT_OK;
    }
    if (c->is_free ? key.len != sizeof(uint64_t) : key.len < 1 || key.len > KEY_BYTES_MAX) {
        return corrupt(c, f->number, at + 6, "length of a key");
    }
    if (index > (is_leaf ? 0u : 1u)) {
        low = key_of(node_at(f, index - 1));
        if (compare_keys(c, key, low) <= 0) {
            return corrupt(c, f->number, at, "keys out of order");
        }
    } else if (low.ptr != NULL && compare_keys(c, key, low) < 0) {
        return corrupt(c, f->number, at, "a key below the bound of its page");
    }
    if (f->high.ptr != NULL && compare_keys(c, key, f->high) >= 0) {
        return corrupt(c, f->number, at, "a key above the bound of its page");
    }
    return RT_OK;
}

// Checks header and nodes of a page in a frame.
static rt_err
check_page(const checker *c, frame *f, bool is_leaf)
{
    uint64_t page_bytes = c->meta.page_bytes;
    uint64_t lower = get16(f->page + 12);
    uint64_t upper = get16(f->page + 14);
    uint64_t sum = 0;

    if (get64(f->page) != f->number) {
        return corrupt(c, f->number, 0, "the number of another page");
    }
    if (get16(f->page + 10) != (is_leaf ? P_LEAF : P_BRANCH)) {
        return corrupt(c, f->number, 10, "flags of a page");
    }
    if (lower < PAGE_HEADER || lower % 2 != 0 || lower > upper || upper > page_bytes) {
        return corrupt(c, f->number, 12, "bounds of a page");
    }
    f->count = (uint32_t)((lower - PAGE_HEADER) / 2);
    // LMDB aborts on an inner page of one child, except in the free list.
    if (f->count < (is_leaf || c->is_free ? 1u : 2u)) {
        return corrupt(c, f->number, 12, "a page without nodes");
    }
    for (uint32_t i = 0; i < f->count; i++) {
        uint64_t bytes = 0;
        rt_err err = check_node(c, f, i, is_leaf, &bytes);

        if (err == RT_OK) {
            err = check_key(c, f, i, is_leaf);
        }
        if (err != RT_OK) {
            return err;
        }
        sum += bytes;
    }
    return sum == page_bytes - upper ? RT_OK : corrupt(c, f->number, 14, "nodes of another size");
}

// --- values ---------------------------------------------------------------------------------

// Takes the overflow pages of a value of `bytes`; *ret_first is the first one.
static rt_err
claim_overflow(checker *c, const frame *f, const uint8_t *data, uint64_t bytes, uint64_t *ret_first)
{
    uint8_t header[PAGE_HEADER];
    uint64_t first = get64(data);
    uint64_t need = (PAGE_HEADER - 1 + bytes) / c->meta.page_bytes + 1;
    uint64_t have = 0;
    rt_err err = claim(c, f->number, first, 1);

    if (err == RT_OK) {
        err = read_page(c, first, header, sizeof(header));
    }
    if (err != RT_OK) {
        return err;
    }
    have = get32(header + 12);
    if (get64(header) != first || get16(header + 10) != P_OVERFLOW || have < need) {
        return corrupt(c, first, 0, "not the overflow page of its value");
    }
    c->counted.overflow_pages += have;
    *ret_first = first;
    return have > 1 ? claim(c, first, first + 1, have - 1) : RT_OK;
}

// Takes the pages of one list: a count, then page numbers in descending order. `ptr` holds `len`
// bytes of it; *before is the number before, or NO_PAGE.
static rt_err
claim_free(checker *c, const frame *f, const uint8_t *ptr, uint64_t len, uint64_t *before)
{
    for (uint64_t at = 0; at < len; at += sizeof(uint64_t)) {
        uint64_t page = get64(ptr + at);
        rt_err err = RT_OK;

        if (page >= *before) {
            return corrupt(c, f->number, 0, "a free list out of order");
        }
        err = claim(c, f->number, page, 1);
        if (err != RT_OK) {
            return err;
        }
        *before = page;
        c->free_pages++;
    }
    return RT_OK;
}

// The list of one transaction that stands on overflow pages.
static rt_err
claim_free_overflow(checker *c, const frame *f, uint64_t first, uint64_t bytes)
{
    uint8_t *buf = c->pages + DEPTH_MAX * c->meta.page_bytes;
    uint64_t at = first * c->meta.page_bytes + PAGE_HEADER;
    uint64_t before = NO_PAGE;
    uint64_t count = 0;
    rt_err err = c->image->read(c->image->user, at, buf, sizeof(count));

    count = err == RT_OK ? get64(buf) : 0;
    if (count > bytes / sizeof(uint64_t) - 1) {
        return corrupt(c, first, PAGE_HEADER, "a free list longer than its value");
    }
    at += sizeof(uint64_t);
    while (err == RT_OK && count > 0) {
        uint64_t some = RT_MIN(count, c->meta.page_bytes / sizeof(uint64_t));

        err = c->image->read(c->image->user, at, buf, (size_t)(some * sizeof(uint64_t)));
        if (err == RT_OK) {
            err = claim_free(c, f, buf, some * sizeof(uint64_t), &before);
        }
        at += some * sizeof(uint64_t);
        count -= some;
    }
    return err;
}

static rt_err
check_free_value(checker *c, const frame *f, const uint8_t *node, uint64_t first_overflow)
{
    const uint8_t *data = node + NODE_HEADER + get16(node + 6);
    uint64_t bytes = data_bytes(node);
    uint64_t txn = get64(node + NODE_HEADER);
    uint64_t before = NO_PAGE;

    if (txn < 1 || txn > c->meta.txn || bytes % sizeof(uint64_t) != 0 || bytes == 0) {
        return corrupt(c, f->number, (uint64_t)(node - f->page), "no free list of a transaction");
    }
    if (first_overflow != 0) {
        return claim_free_overflow(c, f, first_overflow, bytes);
    }
    if (get64(data) > bytes / sizeof(uint64_t) - 1) {
        return corrupt(c, f->number, (uint64_t)(data - f->page),
                       "a free list longer than its value");
    }
    return claim_free(c, f, data + sizeof(uint64_t), get64(data) * sizeof(uint64_t), &before);
}

static rt_err
check_leaf(checker *c, const frame *f)
{
    for (uint32_t i = 0; i < f->count; i++) {
        const uint8_t *node = node_at(f, i);
        uint64_t first_overflow = 0;
        rt_err err = RT_OK;

        if (get16(node + 4) == F_BIGDATA) {
            err = claim_overflow(c, f, node + NODE_HEADER + get16(node + 6), data_bytes(node),
                                 &first_overflow);
        }
        if (err == RT_OK && c->is_free) {
            err = check_free_value(c, f, node, first_overflow);
        }
        if (err != RT_OK) {
            return err;
        }
    }
    c->counted.leaf_pages++;
    c->counted.entries += f->count;
    return RT_OK;
}

// --- trees ----------------------------------------------------------------------------------

// Opens the page `number`, which page `from` names, at depth `level` of the tree.
static rt_err
enter(checker *c, const tree *t, uint64_t from, uint64_t number, uint32_t level, rt_bytes low,
      rt_bytes high)
{
    frame *f = &c->frames[level];
    bool is_leaf = level + 1 == t->depth;
    rt_err err = claim(c, from, number, 1);

    *f = (frame){.page = c->pages + level * c->meta.page_bytes,
                 .number = number,
                 .low = low,
                 .high = high};
    if (err == RT_OK) {
        err = read_page(c, number, f->page, (size_t)c->meta.page_bytes);
    }
    if (err == RT_OK) {
        err = check_page(c, f, is_leaf);
    }
    if (err != RT_OK || !is_leaf) {
        c->counted.branch_pages += err == RT_OK ? 1 : 0;
        return err;
    }
    f->next = f->count; // nothing below
    return check_leaf(c, f);
}

static rt_err
walk(checker *c, const tree *t)
{
    const rt_bytes none = {NULL, 0};
    uint32_t level = 0;
    rt_err err = enter(c, t, c->meta.txn & 1, t->root, 0, none, none);

    while (err == RT_OK) {
        frame *f = &c->frames[level];
        uint32_t i = f->next;
        rt_bytes low = f->low;
        rt_bytes high = f->high;

        if (i == f->count) {
            if (level == 0) {
                return RT_OK;
            }
            level--;
            continue;
        }
        f->next++;
        low = i > 0 ? key_of(node_at(f, i)) : low;
        high = i + 1 < f->count ? key_of(node_at(f, i + 1)) : high;
        level++;
        err = enter(c, t, f->number, child_of(node_at(f, i)), level, low, high);
    }
    return err;
}

static rt_err
check_tree(checker *c, const tree *t, bool is_free)
{
    uint64_t meta_page = c->meta.txn & 1;
    uint64_t at = is_free ? META_FREE_AT : META_MAIN_AT;
    rt_err err = RT_OK;

    c->is_free = is_free;
    c->counted = (tree){0};
    if ((t->root == NO_PAGE) != (t->depth == 0) || t->depth > DEPTH_MAX) {
        return corrupt(c, meta_page, at, "depth of a tree");
    }
    err = t->root == NO_PAGE ? RT_OK : walk(c, t);
    if (err == RT_OK && (c->counted.branch_pages != t->branch_pages ||
                         c->counted.leaf_pages != t->leaf_pages ||
                         c->counted.overflow_pages != t->overflow_pages ||
                         c->counted.entries != t->entries)) {
        err = corrupt(c, meta_page, at, "the tree has another number of pages or entries");
    }
    return err;
}

rt_err
rt__lmdb_check(const rt__lmdb_image *image, rt__lmdb_facts *ret_facts)
{
    checker *c = rt_new(checker);
    rt_err err = RT_OK;

    c->image = image;
    err = pick_meta(c);
    if (err == RT_OK) {
        c->used = rt_new_array(uint8_t, c->meta.last_page / 8 + 1);
        c->pages = rt_new_array(uint8_t, (DEPTH_MAX + 1) * c->meta.page_bytes);
        err = check_tree(c, &c->meta.main, false);
    }
    if (err == RT_OK) {
        err = check_tree(c, &c->meta.free, true);
    }
    if (err == RT_OK) {
        *ret_facts = facts_of(c);
    }
    rt_free(c->used);
    rt_free(c->pages);
    rt_free(c);
    return err;
}

static rt_err
read_bytes(void *user, uint64_t at, uint8_t *buf, size_t len)
{
    const rt_bytes *bytes = user;

    RT_ASSERT(at <= bytes->len && len <= bytes->len - at);
    memcpy(buf, bytes->ptr + at, len);
    return RT_OK;
}

rt_err
rt__lmdb_check_bytes(const char *name, rt_bytes bytes, rt__lmdb_facts *ret_facts)
{
    rt__lmdb_image image = {.name = name, .bytes = bytes.len, .read = read_bytes, .user = &bytes};

    return rt__lmdb_check(&image, ret_facts);
}
