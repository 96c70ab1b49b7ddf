// Damage made by hand to a file that LMDB wrote: every check has a case that only it finds.
#include "runtime/real/lmdb_check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runtime/base/alloc.h"
#include "runtime/base/rng.h"
#include "runtime/seam/file.h"
#include "runtime/seam/kv.h"
#include "tests/harness/check.h"

#define PAGE 4096u
#define KEYS 4000
#define KEY_BYTES 200 // long, so that the tree is deep
#define META_FREE_AT 40u
#define META_MAIN_AT 88u
#define TREE_DEPTH_AT 6u
#define TREE_BRANCHES_AT 8u
#define TREE_LEAVES_AT 16u
#define TREE_OVERFLOW_AT 24u
#define TREE_ENTRIES_AT 32u
#define TREE_ROOT_AT 40u
#define LAST_PAGE_AT 136u
#define TXN_AT 144u
#define FLIPS 400

static uint8_t *whole; // the file as LMDB left it
static size_t whole_bytes;
static uint8_t *image; // a copy to be damaged
static size_t image_bytes;

// --- the file ----------------------------------------------------------------------------------

static void
put_key(rt_kv_batch *batch, int number, size_t value_bytes)
{
    static const uint8_t value[20000] = {1};
    char key[KEY_BYTES + 1];

    (void)snprintf(key, sizeof(key), "%0200d", number);
    rt_kv_batch_put(batch, (rt_bytes){(const uint8_t *)key, KEY_BYTES},
                    (rt_bytes){value, value_bytes});
}

static void
del_key(rt_kv_batch *batch, int number)
{
    char key[KEY_BYTES + 1];

    (void)snprintf(key, sizeof(key), "%0200d", number);
    rt_kv_batch_del(batch, (rt_bytes){(const uint8_t *)key, KEY_BYTES});
}

static void
commit(rt_kv *kv, rt_kv_batch *batch)
{
    CHECK_OK(rt_kv_commit(kv, batch));
    rt_kv_batch_free(batch);
}

// A store with a deep tree, values on overflow pages, a free list within its page and one on
// overflow pages.
static void
write_store(const char *dir)
{
    rt_kv *kv = NULL;
    rt_kv_batch *batch = rt_kv_batch_new();

    CHECK_OK(rt_kv_open(dir, 256u * 1024 * 1024, &kv));
    for (int i = 0; i < KEYS; i++) {
        put_key(batch, i, i % 20 == 0 ? 9000 : 150);
    }
    commit(kv, batch);
    for (int round = 0; round < 6; round++) {
        batch = rt_kv_batch_new();
        for (int i = round; i < KEYS; i += 500) {
            put_key(batch, i, 140);
        }
        commit(kv, batch);
    }
    batch = rt_kv_batch_new();
    for (int i = 0; i < KEYS; i++) {
        if (i % 20 != 1 && i >= KEYS / 2) {
            del_key(batch, i);
        }
    }
    commit(kv, batch);
    rt_kv_close(kv);
}

static void
read_whole(const char *path)
{
    rt_file *file = NULL;
    uint64_t bytes = 0;
    size_t got = 0;

    CHECK_OK(rt_file_open(path, RT_FILE_READ, &file));
    CHECK_OK(rt_file_size(file, &bytes));
    whole_bytes = (size_t)bytes;
    whole = rt_alloc(whole_bytes);
    image = rt_alloc(whole_bytes);
    CHECK_OK(rt_file_pread(file, whole, whole_bytes, 0, &got));
    rt_file_close(file);
}

static int
make_file(void **state)
{
    static const char *const files[] = {"data.mdb", "lock.mdb", "owner.lock"};
    char dir[] = "/tmp/cerebro-lmdb-XXXXXX";
    char path[64];

    (void)state;
    CHECK_TRUE(mkdtemp(dir) != NULL);
    write_store(dir);
    (void)snprintf(path, sizeof(path), "%s/data.mdb", dir);
    read_whole(path);
    for (size_t i = 0; i < RT_COUNT(files); i++) {
        (void)snprintf(path, sizeof(path), "%s/%s", dir, files[i]);
        (void)unlink(path);
    }
    return rmdir(dir);
}

static int
free_file(void **state)
{
    (void)state;
    rt_free(whole);
    rt_free(image);
    return 0;
}

// --- looking around ----------------------------------------------------------------------------

static uint64_t
get(const uint8_t *at, size_t bytes)
{
    uint64_t value = 0;

    memcpy(&value, at, bytes);
    return value;
}

static void
put(uint8_t *at, size_t bytes, uint64_t value)
{
    memcpy(at, &value, bytes);
}

static uint8_t *
page(uint64_t number)
{
    return image + number * PAGE;
}

// The meta page that counts.
static uint8_t *
meta(void)
{
    return page(get(image + PAGE + TXN_AT, 8) > get(image + TXN_AT, 8) ? 1 : 0);
}

static uint32_t
count_of(const uint8_t *p)
{
    return (uint32_t)(get(p + 12, 2) - 16) / 2;
}

static uint8_t *
node(uint8_t *p, uint32_t index)
{
    return p + get(p + 16 + 2 * (size_t)index, 2);
}

static uint64_t
child(uint8_t *p, uint32_t index)
{
    const uint8_t *n = node(p, index);

    return get(n, 4) | get(n + 4, 2) << 32;
}

static uint8_t *
root(size_t tree_at)
{
    return page(get(meta() + tree_at + TREE_ROOT_AT, 8));
}

// A branch page of the main tree whose children are leaves, in the middle of it.
static uint8_t *
branch(void)
{
    uint8_t *p = root(META_MAIN_AT);

    CHECK_TRUE(get(meta() + META_MAIN_AT + TREE_DEPTH_AT, 2) >= 3);
    for (uint64_t level = get(meta() + META_MAIN_AT + TREE_DEPTH_AT, 2); level > 2; level--) {
        p = page(child(p, level > 3 ? 0 : 1));
    }
    CHECK_TRUE(count_of(p) >= 4);
    return p;
}

static uint8_t *
leaf(void)
{
    return page(child(branch(), 1));
}

static uint8_t *
free_leaf(void)
{
    uint8_t *p = root(META_FREE_AT);

    return get(meta() + META_FREE_AT + TREE_DEPTH_AT, 2) == 1 ? p : page(child(p, 0));
}

// A node of a leaf whose value stands on overflow pages (is_big) or in the leaf.
static uint8_t *
find_node(uint8_t *p, bool is_big)
{
    for (uint32_t i = 0; i < count_of(p); i++) {
        if ((get(node(p, i) + 4, 2) == 1) == is_big) {
            return node(p, i);
        }
    }
    return NULL;
}

// The first such node of the main tree.
static uint8_t *
big_node(void)
{
    uint8_t *b = branch();
    uint8_t *found = NULL;

    for (uint32_t i = 0; i < count_of(b) && found == NULL; i++) {
        found = find_node(page(child(b, i)), true);
    }
    CHECK_TRUE(found != NULL);
    return found;
}

static uint8_t *
value_of(uint8_t *n)
{
    return n + 8 + get(n + 6, 2);
}

static uint8_t *
overflow(void)
{
    return page(get(value_of(big_node()), 8));
}

// The list of a free node: its count, then page numbers.
static uint8_t *
free_list(bool is_big)
{
    uint8_t *n = find_node(free_leaf(), is_big);

    CHECK_TRUE(n != NULL);
    return is_big ? page(get(value_of(n), 8)) + 16 : value_of(n);
}

// --- the damage --------------------------------------------------------------------------------

static void
cut_in_header(void)
{
    image_bytes = 100;
}

static void
cut_in_second_header(void)
{
    image_bytes = PAGE + 100;
}

static void
cut_in_use(void)
{
    image_bytes = get(meta() + LAST_PAGE_AT, 8) * PAGE + 100;
}

static void
meta_magic(void)
{
    image[PAGE + 16] ^= 1;
}

static void
meta_flags(void)
{
    image[10] = 0x18;
}

static void
meta_number(void)
{
    image[PAGE] = 3;
}

static void
meta_page_size(void)
{
    image[META_FREE_AT + 1] ^= 0x18;
}

static void
meta_page_sizes_differ(void)
{
    put(image + PAGE + META_FREE_AT, 4, 8192);
}

static void
meta_parity(void)
{
    meta()[TXN_AT] ^= 1;
    meta()[TXN_AT + 2] ^= 1; // still the newer one
}

static void
meta_txn_too_far(void)
{
    meta()[TXN_AT + 7] ^= 0x80;
}

static void
meta_tree_flags(void)
{
    meta()[META_MAIN_AT + 4] ^= 4; // several values a key
}

static void
meta_free_tree_flags(void)
{
    meta()[META_FREE_AT + 4] ^= 8;
}

static void
meta_last_page_too_small(void)
{
    put(meta() + LAST_PAGE_AT, 8, 0);
}

static void
meta_map(void)
{
    meta()[32 + 7] ^= 1;
}

static void
tree_too_deep(void)
{
    put(meta() + META_MAIN_AT + TREE_DEPTH_AT, 2, 32);
}

static void
tree_without_root(void)
{
    put(meta() + META_MAIN_AT + TREE_ROOT_AT, 8, UINT64_MAX);
}

static void
tree_without_depth(void)
{
    put(meta() + META_MAIN_AT + TREE_DEPTH_AT, 2, 0);
}

static void
tree_shallower(void)
{
    put(meta() + META_MAIN_AT + TREE_DEPTH_AT, 2, 2);
}

static void
tree_branches(void)
{
    meta()[META_MAIN_AT + TREE_BRANCHES_AT] ^= 1;
}

static void
tree_leaves(void)
{
    meta()[META_MAIN_AT + TREE_LEAVES_AT] ^= 1;
}

static void
tree_overflow(void)
{
    meta()[META_MAIN_AT + TREE_OVERFLOW_AT] ^= 1;
}

static void
tree_entries(void)
{
    meta()[META_MAIN_AT + TREE_ENTRIES_AT] ^= 1;
}

static void
child_beyond_the_end(void)
{
    put(node(branch(), 1), 4, 0x7fffffff);
}

static void
child_is_a_meta_page(void)
{
    put(node(branch(), 1), 4, 1);
}

static void
child_twice(void)
{
    put(node(branch(), 1), 4, child(branch(), 2));
}

static void
child_is_its_parent(void)
{
    put(node(branch(), 1), 4, get(branch(), 8));
}

static void
page_number(void)
{
    leaf()[0] ^= 1;
}

static void
page_flags(void)
{
    leaf()[10] |= 0x20; // keys of one size, which LMDB reads quite differently
}

static void
page_flags_of_a_branch(void)
{
    branch()[10] = 2;
}

static void
page_lower_odd(void)
{
    leaf()[12] ^= 1;
}

static void
page_lower_too_small(void)
{
    put(leaf() + 12, 2, 14);
}

static void
page_lower_above_upper(void)
{
    put(leaf() + 12, 2, get(leaf() + 14, 2) + 2);
}

static void
page_upper_beyond(void)
{
    put(leaf() + 14, 2, PAGE + 2);
}

static void
page_empty(void)
{
    put(leaf() + 12, 2, 16);
    put(leaf() + 14, 2, PAGE);
}

// A branch of one child, with all that goes with it: what LMDB aborts on.
static void
page_of_one_child(void)
{
    uint8_t *b = branch();
    uint8_t *first = node(b, 0);
    size_t bytes = 8 + get(first + 6, 2);
    uint8_t copy[PAGE];

    bytes = (bytes + 1) & ~(size_t)1;
    memcpy(copy, first, bytes);
    memcpy(b + PAGE - bytes, copy, bytes);
    put(b + 12, 2, 18);
    put(b + 14, 2, PAGE - bytes);
    put(b + 16, 2, PAGE - bytes);
}

static void
node_offset_odd(void)
{
    leaf()[16] ^= 1;
}

static void
node_below_upper(void)
{
    put(leaf() + 16, 2, get(leaf() + 14, 2) - 2);
}

static void
node_beyond_its_page(void)
{
    put(leaf() + 16, 2, PAGE - 6);
}

static void
node_flags(void)
{
    node(leaf(), 0)[4] = 2; // a tree of its own
}

static void
node_key_too_long(void)
{
    put(node(leaf(), 0) + 6, 2, 0xffff);
}

static void
node_value_too_long(void)
{
    put(find_node(leaf(), false), 2, 0xffff);
}

static void
node_twice(void)
{
    // the same size, so only the order of keys tells
    put(leaf() + 16, 2, get(leaf() + 18, 2));
}

static void
node_hidden(void)
{
    put(leaf() + 12, 2, get(leaf() + 12, 2) - 2);
}

static void
key_empty(void)
{
    uint8_t *n = find_node(leaf(), false);

    put(n, 2, get(n, 2) + KEY_BYTES); // the node keeps its size
    put(n + 6, 2, 0);
}

static void
key_longer_than_lmdb_allows(void)
{
    uint8_t *n = node(leaf(), count_of(leaf()) - 1);
    uint8_t *p = leaf();

    // one node over the whole page
    put(p + 12, 2, 18);
    put(p + 14, 2, 2000);
    put(p + 16, 2, 2000);
    memmove(p + 2000, n, 8 + KEY_BYTES);
    put(p + 2000, 4, PAGE - 2000 - 8 - 512);
    put(p + 2000 + 6, 2, 512);
}

static void
keys_out_of_order(void)
{
    uint8_t key[KEY_BYTES];

    memcpy(key, node(leaf(), 0) + 8, KEY_BYTES);
    memcpy(node(leaf(), 0) + 8, node(leaf(), 1) + 8, KEY_BYTES);
    memcpy(node(leaf(), 1) + 8, key, KEY_BYTES);
}

static void
key_below_its_bound(void)
{
    // The first key of the page moves before what the parent says.
    node(leaf(), 0)[8 + 100] = ' ';
}

static void
key_above_its_bound(void)
{
    uint8_t *p = leaf();

    node(p, count_of(p) - 1)[8 + 100] = '9';
}

static void
branch_keys_out_of_order(void)
{
    node(branch(), 2)[8 + 100] = ' ';
}

static void
overflow_number(void)
{
    overflow()[0] ^= 1;
}

static void
overflow_flags(void)
{
    overflow()[10] = 2;
}

static void
overflow_too_short(void)
{
    put(overflow() + 12, 4, 1);
}

static void
overflow_beyond_the_end(void)
{
    put(overflow() + 12, 4, 0x7fffffff);
}

static void
overflow_value_longer(void)
{
    put(big_node(), 4, 30000);
}

static void
overflow_twice(void)
{
    uint8_t *first = big_node();
    uint8_t *b = branch();

    for (uint32_t i = count_of(b) - 1; i > 0; i--) {
        uint8_t *n = find_node(page(child(b, i)), true);

        if (n != NULL && n != first) {
            memcpy(value_of(n), value_of(first), 8);
            return;
        }
    }
    CHECK_TRUE(false);
}

static void
overflow_meta(void)
{
    put(value_of(big_node()), 8, 0);
}

static void
free_key_size(void)
{
    uint8_t *n = find_node(free_leaf(), false);

    put(n + 6, 2, 6);
    put(n, 4, get(n, 4) + 2);
}

static void
free_txn_zero(void)
{
    put(node(free_leaf(), 0) + 8, 8, 0);
}

static void
free_txn_of_the_future(void)
{
    uint8_t *p = free_leaf();

    put(node(p, count_of(p) - 1) + 8, 8, get(meta() + TXN_AT, 8) + 1);
}

static void
free_value_size(void)
{
    uint8_t *n = find_node(free_leaf(), true);

    put(n, 4, get(n, 4) - 2);
}

static void
free_value_none(void)
{
    put(find_node(free_leaf(), true), 4, 0);
}

static void
free_list_too_long(void)
{
    free_list(false)[0] ^= 0x80;
}

static void
free_list_on_overflow_too_long(void)
{
    free_list(true)[2] ^= 1;
}

static void
free_list_out_of_order(void)
{
    uint8_t *list = free_list(true);
    uint64_t first = get(list + 8, 8);

    put(list + 8, 8, get(list + 16, 8));
    put(list + 16, 8, first);
}

static void
free_page_in_use(void)
{
    uint8_t *list = free_list(true);
    uint64_t count = get(list, 8);

    // the smallest of the list becomes one that is smaller still, and in use
    put(list + 8 * count, 8, get(root(META_FREE_AT), 8) < get(list + 8 * (count - 1), 8)
                                 ? get(root(META_FREE_AT), 8)
                                 : get(leaf(), 8));
}

static void
free_page_beyond_the_end(void)
{
    put(free_list(true) + 8, 8, get(meta() + LAST_PAGE_AT, 8) + 1);
}

static void
free_page_is_a_meta_page(void)
{
    uint8_t *list = free_list(true);

    put(list + 8 * get(list, 8), 8, 1);
}

static const struct {
    const char *name;
    void (*damage)(void);
    const char *text;
} cases[] = {
#define CASE(function, text) {#function, function, text}
    CASE(cut_in_header, "page 0, offset 100: cut off in the header"),
    CASE(cut_in_second_header, "page 1, offset 4196: cut off in the header"),
    CASE(cut_in_use, "is cut off at offset"),
    CASE(meta_magic, "no LMDB header"),
    CASE(meta_flags, "page 0, offset 0: no LMDB header"),
    CASE(meta_number, "no LMDB header"),
    CASE(meta_page_size, "page size"),
    CASE(meta_page_sizes_differ, "the meta pages differ"),
    CASE(meta_parity, "not the page of its transaction"),
    CASE(meta_txn_too_far, "not the page of its transaction"),
    CASE(meta_tree_flags, "flags of a tree"),
    CASE(meta_free_tree_flags, "flags of a tree"),
    CASE(meta_last_page_too_small, "is cut off"),
    CASE(meta_map, "size of the map"),
    CASE(tree_too_deep, "depth of a tree"),
    CASE(tree_without_root, "depth of a tree"),
    CASE(tree_without_depth, "depth of a tree"),
    CASE(tree_shallower, "flags of a page"),
    CASE(tree_branches, "another number of pages"),
    CASE(tree_leaves, "another number of pages"),
    CASE(tree_overflow, "another number of pages"),
    CASE(tree_entries, "another number of pages"),
    CASE(child_beyond_the_end, "names a page that there is not"),
    CASE(child_is_a_meta_page, "names a page that there is not"),
    CASE(child_twice, "a key above the bound of its page"),
    CASE(child_is_its_parent, "names a page that another one names"),
    CASE(page_number, "the number of another page"),
    CASE(page_flags, "flags of a page"),
    CASE(page_flags_of_a_branch, "flags of a page"),
    CASE(page_lower_odd, "bounds of a page"),
    CASE(page_lower_too_small, "bounds of a page"),
    CASE(page_lower_above_upper, "bounds of a page"),
    CASE(page_upper_beyond, "bounds of a page"),
    CASE(page_empty, "a page without nodes"),
    CASE(page_of_one_child, "a page without nodes"),
    CASE(node_offset_odd, "a node outside of its page"),
    CASE(node_below_upper, "a node outside of its page"),
    CASE(node_beyond_its_page, "a node outside of its page"),
    CASE(node_flags, "flags of a node"),
    CASE(node_key_too_long, "a node that leaves its page"),
    CASE(node_value_too_long, "a node that leaves its page"),
    CASE(node_twice, "keys out of order"),
    CASE(node_hidden, "nodes of another size"),
    CASE(key_empty, "length of a key"),
    CASE(key_longer_than_lmdb_allows, "length of a key"),
    CASE(keys_out_of_order, "keys out of order"),
    CASE(key_below_its_bound, "a key below the bound"),
    CASE(key_above_its_bound, "a key above the bound"),
    CASE(branch_keys_out_of_order, "out of order"),
    CASE(overflow_number, "not the overflow page"),
    CASE(overflow_flags, "not the overflow page"),
    CASE(overflow_too_short, "not the overflow page"),
    CASE(overflow_beyond_the_end, "names a page that there is not"),
    CASE(overflow_value_longer, "not the overflow page"),
    CASE(overflow_twice, "names a page that another one names"),
    CASE(overflow_meta, "names a page that there is not"),
    CASE(free_key_size, "length of a key"),
    CASE(free_txn_zero, "no free list of a transaction"),
    CASE(free_txn_of_the_future, "no free list of a transaction"),
    CASE(free_value_size, "no free list of a transaction"),
    CASE(free_value_none, "no free list of a transaction"),
    CASE(free_list_too_long, "a free list longer than its value"),
    CASE(free_list_on_overflow_too_long, "a free list longer than its value"),
    CASE(free_list_out_of_order, "a free list out of order"),
    CASE(free_page_in_use, "names a page that another one names"),
    CASE(free_page_beyond_the_end, "names a page that there is not"),
    CASE(free_page_is_a_meta_page, "names a page that there is not"),
};

static rt_err
check_image(void)
{
    // of the very size, so that a sanitizer sees a read beyond it
    uint8_t *exact = rt_alloc(image_bytes);
    rt__lmdb_facts facts;
    rt_err err = RT_OK;

    memcpy(exact, image, image_bytes);
    err = rt__lmdb_check_bytes("data.mdb", (rt_bytes){exact, image_bytes}, &facts);
    rt_free(exact);
    return err;
}

static void
make_whole(void)
{
    memcpy(image, whole, whole_bytes);
    image_bytes = whole_bytes;
}

static void
test_lmdb_what_lmdb_wrote_is_fine(void **state)
{
    rt__lmdb_facts facts;

    (void)state;
    CHECK_OK(rt__lmdb_check_bytes("data.mdb", (rt_bytes){whole, whole_bytes}, &facts));
    CHECK_U64(facts.page_bytes, PAGE);
    CHECK_U64(facts.txn, 8);
    CHECK_U64(facts.entries, KEYS / 40 + KEYS / 2);
    CHECK_TRUE(facts.free_pages > 500); // on overflow pages, then
    CHECK_TRUE(facts.pages > facts.free_pages);
}

static void
test_lmdb_damage_is_named(void **state)
{
    (void)state;
    for (size_t i = 0; i < RT_COUNT(cases); i++) {
        rt_err err = RT_OK;

        make_whole();
        cases[i].damage();
        err = check_image();
        if (err != RT_ECORRUPT || strstr(rt_err_detail(), cases[i].text) == NULL) {
            print_error("%s\n", cases[i].name);
        }
        CHECK_ERR(err, RT_ECORRUPT);
        CHECK_HAS(rt_str_of(rt_err_detail()), cases[i].text);
        CHECK_HAS(rt_str_of(rt_err_detail()), "data.mdb");
    }
}

static void
test_lmdb_other_version_is_no_damage(void **state)
{
    (void)state;
    make_whole();
    image[20] = 2;
    CHECK_ERR(check_image(), RT_EVERSION);
}

static void
test_lmdb_nothing_is_no_store(void **state)
{
    rt__lmdb_facts facts;

    (void)state;
    CHECK_ERR(rt__lmdb_check_bytes("data.mdb", (rt_bytes){NULL, 0}, &facts), RT_ECORRUPT);
}

static void
test_lmdb_unused_bytes_are_no_damage(void **state)
{
    uint8_t *list = NULL;

    (void)state;
    make_whole();
    // Between offsets and nodes, in the unused pad of a page, in a page that is free.
    leaf()[get(leaf() + 12, 2)] ^= 1;
    leaf()[8] ^= 1;
    list = free_list(true);
    memset(page(get(list + 8, 8)), 0xa5, PAGE);
    CHECK_OK(check_image());
}

static void
test_lmdb_flipped_bits_never_lead_outside(void **state)
{
    rt_rng rng;
    int found = 0;

    (void)state;
    rt_rng_seed(&rng, 3, 1);
    make_whole();
    image_bytes = (size_t)(get(meta() + LAST_PAGE_AT, 8) + 1) * PAGE;
    for (int i = 0; i < FLIPS; i++) {
        rt__lmdb_facts facts;
        // where LMDB steers: headers, offsets, node headers
        uint64_t at = rt_rng_below(&rng, image_bytes / PAGE) * PAGE + rt_rng_below(&rng, 64);
        uint8_t bit = (uint8_t)(1u << rt_rng_below(&rng, 8));

        image[at] ^= bit;
        found += rt__lmdb_check_bytes("data.mdb", (rt_bytes){image, image_bytes}, &facts) != RT_OK;
        image[at] ^= bit;
    }
    CHECK_TRUE(found > FLIPS / 10);
    CHECK_OK(check_image());
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lmdb_what_lmdb_wrote_is_fine),
        cmocka_unit_test(test_lmdb_damage_is_named),
        cmocka_unit_test(test_lmdb_other_version_is_no_damage),
        cmocka_unit_test(test_lmdb_nothing_is_no_store),
        cmocka_unit_test(test_lmdb_unused_bytes_are_no_damage),
        cmocka_unit_test(test_lmdb_flipped_bits_never_lead_outside),
    };

    return cmocka_run_group_tests(tests, make_file, free_file);
}
