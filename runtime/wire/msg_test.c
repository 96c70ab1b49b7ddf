#include "runtime/wire/msg.h"

#include <stddef.h>

#include "runtime/base/rng.h"
#include "tests/harness/check.h"

// What tools/msggen would write for a message `leaf` and a message `tree` made of leaves.
typedef struct leaf {
    rt_str name;
    double weight;
} leaf;

typedef struct tree {
    bool flag;
    uint64_t big;
    int64_t small;
    double ratio;
    rt_str text;
    rt_bytes bin;
    rt_bytes any;
    leaf main;
    rt_msg_list leaves;
    rt_msg_list words;
    rt_msg_list numbers;
    rt_msg_list ratios;
    rt_msg_list flags;
    rt_msg_list bins;
} tree;

static const rt_msg_field leaf_fields[] = {
    {.name = "name", .type = RT_MSG_STR, .offset = offsetof(leaf, name)},
    {.name = "weight", .type = RT_MSG_F64, .offset = offsetof(leaf, weight)},
};

#define DEF(name_, version_, type, fields_, count)                                                 \
    {.name = (name_),                                                                              \
     .version = (version_),                                                                        \
     .size = sizeof(type),                                                                         \
     .fields = (fields_),                                                                          \
     .field_count = (count)}

static const rt_msg_def leaf_def = DEF("leaf", 1, leaf, leaf_fields, 2);

#define LIST(member, of) .type = RT_MSG_LIST, .element = (of), .offset = offsetof(tree, member)

static const rt_msg_field tree_fields[] = {
    {.name = "flag", .type = RT_MSG_BOOL, .offset = offsetof(tree, flag)},
    {.name = "big", .type = RT_MSG_U64, .offset = offsetof(tree, big)},
    {.name = "small", .type = RT_MSG_I64, .offset = offsetof(tree, small)},
    {.name = "ratio", .type = RT_MSG_F64, .offset = offsetof(tree, ratio)},
    {.name = "text", .type = RT_MSG_STR, .offset = offsetof(tree, text)},
    {.name = "bin", .type = RT_MSG_BIN, .offset = offsetof(tree, bin)},
    {.name = "any", .type = RT_MSG_ANY, .offset = offsetof(tree, any)},
    {.name = "main", .type = RT_MSG_RECORD, .record = &leaf_def, .offset = offsetof(tree, main)},
    {.name = "leaves", LIST(leaves, RT_MSG_RECORD), .record = &leaf_def},
    {.name = "words", LIST(words, RT_MSG_STR)},
    {.name = "numbers", LIST(numbers, RT_MSG_U64)},
    {.name = "ratios", LIST(ratios, RT_MSG_F64)},
    {.name = "flags", LIST(flags, RT_MSG_BOOL)},
    {.name = "bins", LIST(bins, RT_MSG_BIN)},
};

static const rt_msg_def tree_def = DEF("tree", 3, tree, tree_fields, RT_COUNT(tree_fields));

// The same message before `any` and what follows was appended, and a later incompatible one.
static const rt_msg_def old_def = DEF("tree", 3, tree, tree_fields, 6);
static const rt_msg_def next_def = DEF("tree", 4, tree, tree_fields, 6);

typedef struct fixture {
    rt_mpw w;
    rt_arena *arena;
    tree sent;
    tree got;
} fixture;

static leaf leaves[] = {{RT_STR("a"), 0.5}, {RT_STR("b"), -1}};
static rt_str words[] = {RT_STR(""), RT_STR("dos")};
static uint64_t numbers[] = {0, UINT64_MAX};
static double ratios[] = {0.25};
static bool flags[] = {false, true, true};
static rt_bytes bins[] = {{(const uint8_t *)"\0\1", 2}, {NULL, 0}};

static int
set_up(void **state)
{
    static fixture f;
    static const uint8_t map[] = {0x81, 0xa1, 'k', 0xc0};

    memset(&f, 0, sizeof(f));
    rt_mpw_init(&f.w, 1 << 20);
    f.arena = rt_arena_new(1 << 16);
    f.sent = (tree){
        .flag = true,
        .big = UINT64_MAX,
        .small = INT64_MIN,
        .ratio = 0.1,
        .text = RT_STR("señal"),
        .bin = {map, 2},
        .any = {map, sizeof(map)},
        .main = {RT_STR("m"), 9},
        .leaves = {leaves, 2},
        .words = {words, 2},
        .numbers = {numbers, 2},
        .ratios = {ratios, 1},
        .flags = {flags, 3},
        .bins = {bins, 2},
    };
    *state = &f;
    return 0;
}

static int
tear_down(void **state)
{
    fixture *f = *state;

    rt_mpw_fini(&f->w);
    rt_arena_free(f->arena);
    return 0;
}

// Decodes what was written, with `def`.
static rt_err
decode(fixture *f, const rt_msg_def *def)
{
    rt_mp mp = rt_mp_init(rt_mpw_view(&f->w));
    rt_err err = RT_OK;

    memset(&f->got, 0x5a, sizeof(f->got));
    err = rt_msg_decode(def, &mp, f->arena, &f->got);
    CHECK_TRUE(mp.at == (err == RT_OK ? f->w.ptr + f->w.len : f->w.ptr));
    return err;
}

static void
test_msg_every_type_round_trips(void **state)
{
    fixture *f = *state;
    const leaf *got = NULL;

    rt_msg_encode(&tree_def, &f->sent, &f->w);
    CHECK_OK(rt_mp_check(rt_mpw_view(&f->w)));
    CHECK_OK(decode(f, &tree_def));
    CHECK_TRUE(f->got.flag);
    CHECK_U64(f->got.big, UINT64_MAX);
    CHECK_INT(f->got.small, INT64_MIN);
    CHECK_NEAR(f->got.ratio, 0.1, 0);
    CHECK_STR(f->got.text, "señal");
    CHECK_BYTES(f->got.bin, f->sent.bin);
    CHECK_BYTES(f->got.any, f->sent.any);
    CHECK_STR(f->got.main.name, "m");
    CHECK_INT(f->got.leaves.count, 2);
    got = f->got.leaves.items;
    CHECK_STR(got[1].name, "b");
    CHECK_NEAR(got[1].weight, -1, 0);
    CHECK_INT(f->got.words.count, 2);
    CHECK_STR(((const rt_str *)f->got.words.items)[1], "dos");
    CHECK_U64(((const uint64_t *)f->got.numbers.items)[1], UINT64_MAX);
    CHECK_NEAR(((const double *)f->got.ratios.items)[0], 0.25, 0);
    CHECK_INT(f->got.flags.count, 3);
    CHECK_TRUE(!((const bool *)f->got.flags.items)[0] && ((const bool *)f->got.flags.items)[2]);
    CHECK_INT(f->got.bins.count, 2);
    CHECK_BYTES(((const rt_bytes *)f->got.bins.items)[0], bins[0]);
    CHECK_INT(((const rt_bytes *)f->got.bins.items)[1].len, 0);
}

static void
test_msg_zero_message_round_trips(void **state)
{
    fixture *f = *state;
    static const tree zero;

    rt_msg_encode(&tree_def, &zero, &f->w);
    CHECK_OK(decode(f, &tree_def));
    CHECK_TRUE(f->got.any.ptr == NULL && f->got.any.len == 0);
    CHECK_TRUE(f->got.leaves.items == NULL && f->got.leaves.count == 0);
    CHECK_INT(f->got.text.len, 0);
    CHECK_INT(f->got.small, 0);
}

static void
test_msg_from_an_older_sender_leaves_the_rest_zero(void **state)
{
    fixture *f = *state;

    rt_msg_encode(&old_def, &f->sent, &f->w);
    CHECK_OK(decode(f, &tree_def));
    CHECK_BYTES(f->got.bin, f->sent.bin);
    CHECK_INT(f->got.any.len, 0);
    CHECK_INT(f->got.main.name.len, 0);
    CHECK_INT(f->got.leaves.count, 0);
}

static void
test_msg_from_a_newer_sender_is_read_without_the_new_fields(void **state)
{
    fixture *f = *state;

    rt_msg_encode(&tree_def, &f->sent, &f->w);
    CHECK_OK(decode(f, &old_def));
    CHECK_STR(f->got.text, "señal");
    CHECK_INT(f->got.leaves.count, 0);
}

static void
test_msg_of_another_version_is_refused(void **state)
{
    fixture *f = *state;

    rt_msg_encode(&tree_def, &f->sent, &f->w);
    CHECK_ERR(decode(f, &next_def), RT_EPROTO);
    CHECK_CSTR(rt_err_detail(), "message 'tree' has version 3, version 4 is known");
}

static void
test_msg_every_truncation_is_refused(void **state)
{
    fixture *f = *state;
    size_t len = 0;

    rt_msg_encode(&tree_def, &f->sent, &f->w);
    len = f->w.len;
    for (f->w.len = 0; f->w.len < len; f->w.len++) {
        rt_arena_reset(f->arena);
        CHECK_ERR(decode(f, &tree_def), RT_EPROTO);
    }
}

// Begins a tree of so many fields, to be written by hand.
static void
begin(fixture *f, uint32_t fields)
{
    rt_mpw_clear(&f->w);
    rt_mpw_array(&f->w, fields + 1);
    rt_mpw_u64(&f->w, 3);
}

static void
test_msg_wrong_types_are_refused(void **state)
{
    fixture *f = *state;

    begin(f, 1);
    rt_mpw_i64(&f->w, 1);
    CHECK_ERR(decode(f, &tree_def), RT_ETYPE);
    begin(f, 2);
    rt_mpw_bool(&f->w, true);
    rt_mpw_i64(&f->w, -1);
    CHECK_ERR(decode(f, &tree_def), RT_ERANGE);
    rt_mpw_clear(&f->w);
    rt_mpw_map(&f->w, 0);
    CHECK_ERR(decode(f, &tree_def), RT_ETYPE);
    rt_mpw_clear(&f->w);
    rt_mpw_array(&f->w, 0);
    CHECK_ERR(decode(f, &tree_def), RT_EPROTO);
    rt_mpw_clear(&f->w);
    rt_mpw_array(&f->w, 2);
    rt_mpw_u64(&f->w, 1);
    rt_mpw_str(&f->w, (rt_str){"\xff", 1});
    CHECK_ERR(decode(f, &leaf_def), RT_EUTF8);
}

static void
test_msg_lists_are_limited_by_count_and_by_memory(void **state)
{
    fixture *f = *state;

    for (uint32_t count = RT_MSG_LIST_MAX; count <= RT_MSG_LIST_MAX + 1; count++) {
        begin(f, 11);
        rt_mpw_bool(&f->w, true);
        rt_mpw_u64(&f->w, 0);
        rt_mpw_i64(&f->w, 0);
        rt_mpw_f64(&f->w, 0);
        rt_mpw_cstr(&f->w, "");
        rt_mpw_bin(&f->w, (rt_bytes){NULL, 0});
        rt_mpw_nil(&f->w);
        rt_msg_encode(&leaf_def, &leaves[0], &f->w);
        rt_mpw_array(&f->w, 0);
        rt_mpw_array(&f->w, 0);
        rt_mpw_array(&f->w, count);
        for (uint32_t i = 0; i < count; i++) {
            rt_mpw_u64(&f->w, 1);
        }
        // 65,536 numbers take eight times the arena; one more is refused before asking for memory.
        CHECK_ERR(decode(f, &tree_def), count > RT_MSG_LIST_MAX ? RT_ELIMIT : RT_ENOMEM);
    }
}

static void
test_msg_to_map_names_the_fields(void **state)
{
    fixture *f = *state;
    rt_mp mp;
    rt_str text = {NULL, 0};
    double weight = 0;
    uint32_t pairs = 0;

    rt_msg_to_map(&tree_def, &f->sent, &f->w);
    CHECK_OK(rt_mp_check(rt_mpw_view(&f->w)));
    mp = rt_mp_init(rt_mpw_view(&f->w));
    CHECK_OK(rt_mp_map(&mp, &pairs));
    CHECK_INT(pairs, RT_COUNT(tree_fields));
    CHECK_TRUE(rt_mp_find(rt_mpw_view(&f->w), RT_STR("text"), &mp));
    CHECK_OK(rt_mp_str(&mp, &text));
    CHECK_STR(text, "señal");
    CHECK_TRUE(rt_mp_find_path(rt_mpw_view(&f->w), RT_STR("main.weight"), &mp));
    CHECK_OK(rt_mp_f64(&mp, &weight));
    CHECK_NEAR(weight, 9, 0);
    CHECK_TRUE(rt_mp_find_path(rt_mpw_view(&f->w), RT_STR("any.k"), &mp));
}

static void
test_msg_damaged_bytes_never_lead_outside(void **state)
{
    fixture *f = *state;
    rt_rng rng;

    rt_rng_seed(&rng, 7, 1);
    for (int round = 0; round < 100000; round++) {
        rt_mp mp;

        rt_mpw_clear(&f->w);
        rt_arena_reset(f->arena);
        rt_msg_encode(&tree_def, &f->sent, &f->w);
        for (uint64_t hits = rt_rng_below(&rng, 4) + 1; hits > 0; hits--) {
            f->w.ptr[rt_rng_below(&rng, f->w.len)] = (uint8_t)rt_rng_u64(&rng);
        }
        mp = rt_mp_init(rt_mpw_view(&f->w));
        if (rt_msg_decode(&tree_def, &mp, f->arena, &f->got) == RT_OK) {
            rt_mpw copy;

            // What was accepted can be written again, so every view in it is good.
            rt_mpw_init(&copy, 1 << 20);
            rt_msg_encode(&tree_def, &f->got, &copy);
            CHECK_OK(rt_mp_skip(&(rt_mp){copy.ptr, copy.ptr + copy.len}));
            rt_mpw_fini(&copy);
        }
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_msg_every_type_round_trips),
        TEST(test_msg_zero_message_round_trips),
        TEST(test_msg_from_an_older_sender_leaves_the_rest_zero),
        TEST(test_msg_from_a_newer_sender_is_read_without_the_new_fields),
        TEST(test_msg_of_another_version_is_refused),
        TEST(test_msg_every_truncation_is_refused),
        TEST(test_msg_wrong_types_are_refused),
        TEST(test_msg_lists_are_limited_by_count_and_by_memory),
        TEST(test_msg_to_map_names_the_fields),
        TEST(test_msg_damaged_bytes_never_lead_outside),
    };

    return CHECK_RUN(tests);
}
