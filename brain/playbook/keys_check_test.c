// The table of keys: what the check of a document against it finds, whatever the forms of a key.
#include <stdio.h>

#include "brain/playbook/keys.h"
#include "tests/harness/check.h"

static const char *const colours[] = {"red", "green", NULL};

static const br_key inner_keys[] = {
    {.name = "size", .forms = BR_KEY_INT, .required = true, .min = 1, .max = 9, .example = "3"},
    {0},
};
static const br_block inner = {.name = "inner",
                               .keys = inner_keys,
                               .unknown = "I1",
                               .missing = "I2",
                               .shape = "I3",
                               .range = "I4"};

static const br_key keys[] = {
    {.name = "text", .forms = BR_KEY_TEXT, .max = 4, .fallback = "none", .example = "abc"},
    {.name = "name", .forms = BR_KEY_NAME, .max = 4, .example = "abc", .range = "T5"},
    {.name = "when", .forms = BR_KEY_EXPRESSION, .example = "true"},
    {.name = "per",
     .forms = BR_KEY_DURATION,
     .min = 1000,
     .max = 60000,
     .fallback = "10s",
     .example = "5s"},
    {.name = "part",
     .forms = BR_KEY_NUMBER,
     .min = -1,
     .max = 1,
     .fallback = "0.5",
     .example = "0.1"},
    {.name = "flag", .forms = BR_KEY_BOOL, .fallback = "true", .example = "false"},
    {.name = "colour",
     .forms = BR_KEY_ONE_OF,
     .choices = colours,
     .fallback = "green",
     .example = "red"},
    {.name = "pair", .items = BR_KEY_TEXT, .min = 2, .example = "[a, b]"},
    {.name = "tags", .items = BR_KEY_TEXT, .min = 1, .max = 2, .required = true, .example = "[a]"},
    {.name = "any",
     .forms = BR_KEY_DURATION | BR_KEY_BOOL | BR_KEY_BLOCK,
     .items = BR_KEY_TEXT | BR_KEY_BLOCK,
     .block = &inner,
     .example = "1h"},
    {.name = "named", .forms = BR_KEY_NAMED, .block = &inner, .example = "{a: {size: 3}}"},
    {.name = "free", .forms = BR_KEY_FREE, .example = "{a: 1}"},
    {0},
};
static const br_block block = {
    .name = "test", .keys = keys, .unknown = "T1", .missing = "T2", .shape = "T3", .range = "T4"};

static rt_arena *arena;

static const rt_node *
parse(const char *text, rt_diag *diag)
{
    rt_node *root = NULL;

    CHECK_OK(rt_yaml_parse("x.yaml", rt_str_of(text), arena, diag, &root));
    return root;
}

static void
check_finds(const char *text, const char *expected)
{
    rt_diag *diag = rt_diag_new();
    rt_text found;

    rt_text_init(&found, 4096);
    br_keys_check(&block, parse(text, diag), diag);
    rt_diag_render_gcc(diag, &found);
    if (strcmp(found.len > 0 ? found.ptr : "", expected) != 0) {
        print_error("%s\nwanted:\n%sfound:\n%s", text, expected, found.len > 0 ? found.ptr : "");
        fail();
    }
    rt_text_fini(&found);
    rt_diag_free(diag);
}

static void
test_keys_of_every_form_pass(void **state)
{
    (void)state;
    check_finds("text: abc\nname: a-1\nwhen: a > b\nper: 5s\npart: -0.5\nflag: false\n"
                "colour: red\ntags: [a, b]\nany: 1h\nnamed: {x: {size: 1}, y: {size: 9}}\n"
                "free: {x: [1], y: {z: 2}}\n",
                "");
    check_finds("tags: [a]\nany: true\n", "");
    check_finds("tags: [a]\nany: {size: 3}\n", "");
    check_finds("tags: [a]\nany: [a, {size: 3}]\n", "");
}

static void
test_keys_unknown_and_missing_are_named(void **state)
{
    (void)state;
    check_finds("tag: [a]\n", "x.yaml:1:1: error: `tags` is missing [T2]\n"
                              "x.yaml:1:1: error: unknown key 'tag' [T1]\n");
    check_finds("tags: []\n", "x.yaml:1:1: error: `tags` is missing [T2]\n");
    check_finds("tags: [a]\nany: {sise: 1}\n", "x.yaml:2:1: error: `size` is missing [I2]\n"
                                               "x.yaml:2:7: error: unknown key 'sise' [I1]\n");
    check_finds("tags: [a]\nnamed: {b: {}}\n", "x.yaml:2:9: error: `size` is missing [I2]\n");
    check_finds("[a]\n", "x.yaml:1:1: error: a test file is a map of keys [T2]\n");
}

static void
test_keys_of_another_shape_are_named(void **state)
{
    (void)state;
    check_finds("tags: a\n", "x.yaml:1:7: error: `tags` wants a list [T3]\n");
    check_finds("tags: [[a]]\n", "x.yaml:1:8: error: an entry of `tags` wants a text [B2003]\n");
    check_finds("tags: [a]\nwhen: [1]\n", "x.yaml:2:7: error: `when` wants one expression [T3]\n");
    check_finds("tags: [a]\ntext: {a: b}\n", "x.yaml:2:7: error: `text` wants a text [B2003]\n");
    check_finds("tags: [a]\nnamed: 1\n", "x.yaml:2:8: error: `named` wants a map [T3]\n");
    check_finds("tags: [a]\nnamed: {b: 1}\n",
                "x.yaml:2:12: error: an entry of `named` wants a map [T3]\n");
    check_finds("tags: [a]\nfree: [1]\n",
                "x.yaml:2:7: error: `free` wants a map, {name: value} [T3]\n");
}

static void
test_keys_values_that_do_not_fit_are_named(void **state)
{
    (void)state;
    check_finds("tags: [a]\ntext: abcde\n", "x.yaml:2:7: error: `text` has at most 4 bytes [T4]\n");
    check_finds("tags: [a]\ntext:\n", "x.yaml:2:6: error: `text` wants a text [B2003]\n");
    check_finds("tags: [a]\nname: A\n",
                "x.yaml:2:7: error: `name` is no name: at most 4 of a-z 0-9 - _ . [T5]\n");
    check_finds("tags: [a]\nper: 2m\n", "x.yaml:2:6: error: `per` must be from 1 s to 1m [T4]\n");
    check_finds("tags: [a]\nper: 900ms\n",
                "x.yaml:2:6: error: `per` must be from 1 s to 1m [T4]\n");
    check_finds("tags: [a]\nper: 10\n", "x.yaml:2:6: error: `per` wants a duration such as 250ms, "
                                        "10s, 5m, 24h, 7d or 1h30m [B2003]\n");
    check_finds("tags: [a]\npart: 1.5\n", "x.yaml:2:7: error: `part` must be from -1 to 1 [T4]\n");
    check_finds("tags: [a]\npart: \"1\"\n", "x.yaml:2:7: error: `part` wants a number [B2003]\n");
    check_finds("tags: [a]\nflag: yes\n",
                "x.yaml:2:7: error: `flag` wants true or false [B2003]\n");
    check_finds("tags: [a]\ncolour: blue\n", "x.yaml:2:9: error: `colour` cannot be 'blue' [T4]\n");
    check_finds("tags: [a, b, c]\n", "x.yaml:1:14: error: `tags` has at most 2 entries [T4]\n");
    check_finds("tags: [a]\npair: [a]\n",
                "x.yaml:2:7: error: `pair` has at least 2 entries [T4]\n");
    check_finds("tags: [\"\"]\nwhen: \"\"\n",
                "x.yaml:1:8: error: an entry of `tags` wants a text [B2003]\n"
                "x.yaml:2:7: error: `when` wants one expression [B2003]\n");
    check_finds("tags: [a]\ntext: \"\"\n", "");
    check_finds("tags: [a]\nany: [{size: 10}]\n",
                "x.yaml:2:14: error: `size` must be from 1 to 9 [I4]\n");
    check_finds("tags: [a]\nany: maybe\n", "x.yaml:2:6: error: `any` wants a duration such as "
                                           "250ms, 10s, 5m, 24h, 7d or 1h30m [B2003]\n");
}

static void
test_keys_are_read_with_their_fallbacks(void **state)
{
    rt_diag *diag = rt_diag_new();
    const rt_node *full = parse("text: abc\nper: 5s\npart: 1\nflag: false\ncolour: red\n", diag);
    const rt_node *none = parse("{}\n", diag);
    const rt_node *bad = parse("text: [1]\nper: 1h\npart: 2\nflag: no\ncolour: blue\n", diag);

    (void)state;
    CHECK_STR(br_key_str(&block, full, "text"), "abc");
    CHECK_INT(br_key_duration_ms(&block, full, "per"), 5000);
    CHECK_NEAR(br_key_f64(&block, full, "part"), 1, 0);
    CHECK_FALSE(br_key_bool(&block, full, "flag"));
    CHECK_INT(br_key_choice(&block, full, "colour"), 0);
    CHECK_INT(br_key_i64(&inner, full, "size"), 0); // no fallback
    for (int i = 0; i < 2; i++) {
        const rt_node *node = i == 0 ? none : bad;

        CHECK_STR(br_key_str(&block, node, "text"), "none");
        CHECK_INT(br_key_duration_ms(&block, node, "per"), 10000);
        CHECK_NEAR(br_key_f64(&block, node, "part"), 0.5, 0);
        CHECK_TRUE(br_key_bool(&block, node, "flag"));
        CHECK_INT(br_key_choice(&block, node, "colour"), 1);
    }
    rt_diag_free(diag);
}

typedef struct blocks {
    const br_block *list[64];
    size_t count;
} blocks;

static void
add_block(blocks *known, const br_block *b)
{
    for (size_t i = 0; i < known->count; i++) {
        if (known->list[i] == b) {
            return;
        }
    }
    assert_true(known->count < RT_COUNT(known->list));
    known->list[known->count++] = b;
}

// A row that contradicts itself would mislead the loader, the schema and the operator.
static void
check_row(const br_block *b, const br_key *row)
{
    unsigned all = row->forms | row->items;
    bool has_block = (all & (BR_KEY_BLOCK | BR_KEY_NAMED)) != 0;
    char text[512];
    rt_diag *diag = rt_diag_new();
    br_key only[] = {*row, {0}};
    br_block single = *b;

    if (all == 0 || row->doc == NULL || row->example == NULL || has_block != (row->block != NULL) ||
        ((all & BR_KEY_ONE_OF) != 0) != (row->choices != NULL)) {
        print_error("row '%s' of block '%s' is not whole\n", row->name, b->name);
        fail();
    }
    // Its example, and its fallback, must be what it asks for.
    single.keys = only;
    (void)snprintf(text, sizeof(text), "%s: %s\n", row->name, row->example);
    br_keys_check(&single, parse(text, diag), diag);
    if (row->fallback != NULL) {
        (void)snprintf(text, sizeof(text), "%s: %s\n", row->name, row->fallback);
        br_keys_check(&single, parse(text, diag), diag);
    }
    if (rt_diag_errors(diag) > 0) {
        print_error("row '%s' of block '%s': its example or fallback does not fit: %s", row->name,
                    b->name, text);
        fail();
    }
    rt_diag_free(diag);
}

static void
test_keys_rows_of_the_language_are_whole(void **state)
{
    blocks known = {{&br_block_playbook, &br_block_remediation}, 2};

    (void)state;
    for (size_t i = 0; i < known.count; i++) {
        for (const br_key *row = known.list[i]->keys; row->name != NULL; row++) {
            check_row(known.list[i], row);
            if (row->block != NULL) {
                add_block(&known, row->block);
            }
        }
    }
    CHECK_TRUE(known.count >= 7);
}

static int
group_setup(void **state)
{
    (void)state;
    arena = rt_arena_new(1024 * 1024);
    return 0;
}

static int
group_teardown(void **state)
{
    (void)state;
    rt_arena_free(arena);
    return 0;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_keys_of_every_form_pass),
        cmocka_unit_test(test_keys_unknown_and_missing_are_named),
        cmocka_unit_test(test_keys_of_another_shape_are_named),
        cmocka_unit_test(test_keys_values_that_do_not_fit_are_named),
        cmocka_unit_test(test_keys_are_read_with_their_fallbacks),
        cmocka_unit_test(test_keys_rows_of_the_language_are_whole),
    };

    return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
