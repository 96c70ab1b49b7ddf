#include "runtime/wire/yaml.h"

#include <time.h>

#include "runtime/base/alloc.h"
#include "runtime/base/rng.h"
#include "tests/harness/check.h"
#include "tests/harness/patience.h"

typedef struct fixture {
    rt_arena *arena;
    rt_diag *diag;
    rt_text out;
    rt_node *root;
} fixture;

static int
set_up(void **state)
{
    static fixture f;

    f.arena = rt_arena_new(64 << 20);
    f.diag = rt_diag_new();
    f.root = NULL;
    rt_text_init(&f.out, 1 << 20);
    *state = &f;
    return 0;
}

static int
tear_down(void **state)
{
    fixture *f = *state;

    rt_text_fini(&f->out);
    rt_diag_free(f->diag);
    rt_arena_free(f->arena);
    return 0;
}

static rt_err
parse(fixture *f, const char *text)
{
    return rt_yaml_parse("t", rt_str_of(text), f->arena, f->diag, &f->root);
}

// Parses what must be refused and compares the findings.
static void
check_refused(fixture *f, const char *text, const char *findings)
{
    rt_diag_free(f->diag);
    f->diag = rt_diag_new();
    f->root = NULL;
    CHECK_ERR(parse(f, text), RT_ECONFIG);
    CHECK_TRUE(f->root == NULL);
    rt_text_clear(&f->out);
    rt_diag_render_gcc(f->diag, &f->out);
    CHECK_STR(rt_text_view(&f->out), findings);
}

static void
test_yaml_tree_keeps_order_kinds_and_marks(void **state)
{
    fixture *f = *state;
    const rt_node *list = NULL;

    CHECK_OK(parse(f, "id: delay\nwhen:\n  - \"a b\"\n  - 'c'\n  - |\n    d\n    e\n"
                      "map: {x: 1, y: }\n"));

    CHECK_INT(f->root->kind, RT_NODE_MAP);
    CHECK_INT(f->root->child_count, 3);
    CHECK_STR(rt_node_get(f->root, "id")->text, "delay");
    CHECK_INT(rt_node_get(f->root, "id")->mark.line, 1);
    CHECK_INT(rt_node_get(f->root, "id")->mark.column, 5);
    CHECK_INT(rt_node_get(f->root, "id")->mark.length, 5);
    CHECK_INT(rt_node_get(f->root, "id")->key_mark.column, 1);
    list = rt_node_get(f->root, "when");
    CHECK_INT(list->kind, RT_NODE_LIST);
    CHECK_INT(list->child_count, 3);
    CHECK_STR(list->child->text, "a b");
    CHECK_STR(list->child->raw, "\"a b\"");
    CHECK_INT(list->child->style, RT_SCALAR_QUOTED);
    CHECK_INT(list->child->next->style, RT_SCALAR_QUOTED);
    CHECK_STR(list->child->next->next->text, "d\ne\n");
    CHECK_INT(list->child->next->next->style, RT_SCALAR_BLOCK);
    CHECK_STR(rt_node_get(rt_node_get(f->root, "map"), "y")->text, "");
    CHECK_TRUE(rt_node_get(f->root, "none") == NULL);
    CHECK_TRUE(rt_node_get(NULL, "none") == NULL);
    CHECK_TRUE(rt_node_get(list, "none") == NULL);
}

static void
test_yaml_tree_outlives_the_text(void **state)
{
    fixture *f = *state;
    char *text = rt_alloc(32);

    memcpy(text, "a: 'señal'\n", 13);
    CHECK_OK(parse(f, text));
    memset(text, '#', 32);
    rt_free(text);

    CHECK_STR(rt_node_get(f->root, "a")->text, "señal");
    CHECK_STR(rt_node_get(f->root, "a")->raw, "'señal'");
}

static void
test_yaml_refuses_with_line_and_column(void **state)
{
    fixture *f = *state;

    check_refused(f, "", "t:1:1: error: the file is empty [B2008]\n");
    check_refused(f, "# only a comment\n", "t:1:1: error: the file is empty [B2008]\n");
    check_refused(f, "a: &x 1\nb: 2\n", "t:1:4: error: anchors (&x) are not supported [B2009]\n");
    check_refused(f, "a: &x 1\nb: *x\n",
                  "t:1:4: error: anchors (&x) are not supported [B2009]\n"
                  "t:2:4: error: aliases (*x) are not supported [B2009]\n");
    check_refused(f, "&a [*a]\n",
                  "t:1:1: error: anchors (&a) are not supported [B2009]\n"
                  "t:1:5: error: aliases (*a) are not supported [B2009]\n");
    check_refused(f, "a: !!int 1\n", "t:1:4: error: tags are not supported [B2009]\n");
    check_refused(f, "a: !x {b: 1}\n", "t:1:4: error: tags are not supported [B2009]\n");
    check_refused(f, "a: ! 1\n", "t:1:4: error: tags are not supported [B2009]\n");
    check_refused(f, "a: 1\nb:\n  c: 1\n  d: 2\n  c: 3\na: 4\n",
                  "t:5:3: error: key 'c' appears twice [B2005]\n"
                  "t:6:1: error: key 'a' appears twice [B2005]\n");
    check_refused(f, "a: 1\n---\nb: 2\n", "t:2:1: error: a second document in one file [B2009]\n");
    check_refused(f, "a: 1\n--- \n", "t:2:1: error: a second document in one file [B2009]\n");
    check_refused(f, "? [a, b]\n: 1\n", "t:1:3: error: a list or map cannot be a key [B2009]\n");
    check_refused(f, "a: {<<: 1}\n", "t:1:5: error: merge keys are not supported [B2009]\n");
    check_refused(f, "\"\": 1\n", "t:1:1: error: empty key [B2009]\n");
    check_refused(f, "a: 'x\xff'\n", "t:1:6: error: this is not UTF-8 [B2007]\n");
    check_refused(f, "a: 1\nñ\xc3(", "t:2:2: error: this is not UTF-8 [B2007]\n");
    check_refused(f, "a: 1\nb: x\x01y\n",
                  "t:2:5: error: control characters are not allowed [B2008]\n");
}

static void
test_yaml_syntax_errors_carry_place_and_help(void **state)
{
    fixture *f = *state;

    check_refused(f, "when: a: b\n",
                  "t:1:8: error: mapping values are not allowed in this context [B2008]\n");
    rt_text_clear(&f->out);
    rt_diag_render(f->diag, &f->out);
    CHECK_TRUE(strstr(f->out.ptr, "when: |") != NULL);
    check_refused(f, "a:\n\tb: 1\n",
                  "t:2:1: error: found character that cannot start any token while scanning for "
                  "the next token [B2008]\n");
    check_refused(f, "a: [1, 2\n",
                  "t:2:1: error: did not find expected ',' or ']' while parsing a flow sequence "
                  "[B2008]\n");
}

static void
test_yaml_same_key_in_two_maps_is_fine(void **state)
{
    fixture *f = *state;

    CHECK_OK(parse(f, "a: {x: 1}\nb: {x: 1}\nc: [{x: 1}, {x: 2}]\n"));
}

static void
test_yaml_byte_order_mark_and_crlf_keep_places(void **state)
{
    fixture *f = *state;

    CHECK_OK(parse(f, "\xef\xbb\xbf"
                      "a: 1\r\nb: 'x'\r\n"));

    CHECK_INT(rt_node_get(f->root, "a")->mark.column, 4);
    CHECK_INT(rt_node_get(f->root, "b")->mark.line, 2);
    CHECK_STR(rt_node_get(f->root, "b")->raw, "'x'");
}

static void
test_yaml_depth_32_passes_and_33_is_refused(void **state)
{
    fixture *f = *state;
    char text[128] = "";

    memset(text, '[', 32);
    memset(text + 32, ']', 32);
    CHECK_OK(parse(f, text));
    memset(text, '[', 33);
    memset(text + 33, ']', 33);
    check_refused(f, text, "t:1:33: error: nested more than 32 levels deep [B2006]\n");
}

// Time one hostile text takes, in ms of processor time.
static int64_t
refusal_ms(fixture *f, const char *unit, size_t bytes)
{
    char *text = rt_alloc(bytes + 1);
    clock_t start = clock();

    for (size_t i = 0; i < bytes; i++) {
        text[i] = unit[i % strlen(unit)];
    }
    CHECK_ERR(parse(f, text), RT_ECONFIG);
    rt_free(text);
    return (int64_t)(clock() - start) * 1000 / CLOCKS_PER_SEC;
}

static void
test_yaml_hostile_nesting_is_refused_fast(void **state)
{
    fixture *f = *state;
    static const char *const units[] = {"[",    "[ ", "{",    "[\n", "{a: ", "- ",
                                        "? ",   "[{", "[[]:", "\"",  "'a",   "a:\n",
                                        "[a: ", "!",  "&a ",  "*a ", "| "};

    for (size_t i = 0; i < RT_COUNT(units); i++) {
        int64_t ms = refusal_ms(f, units[i], 100 * 1000);

        if (ms > 250 * patience()) {
            fail_msg("100 kB of \"%s\" took %d ms", units[i], (int)ms);
        }
    }
}

static void
test_yaml_limits_on_bytes_and_nodes(void **state)
{
    fixture *f = *state;
    size_t len = RT_YAML_BYTES_MAX + 1;
    char *text = rt_alloc(len + 1);

    memset(text, 'a', len);
    CHECK_ERR(parse(f, text), RT_ECONFIG);
    memset(text, '\0', len);
    memcpy(text, "[", 1);
    for (size_t i = 0; i < RT_YAML_NODES_MAX; i++) {
        memcpy(text + 1 + 2 * i, "1,", 2);
    }
    memcpy(text + 1 + 2 * RT_YAML_NODES_MAX, "]", 1);
    CHECK_ERR(parse(f, text), RT_ECONFIG);
    memcpy(text + 2 * RT_YAML_NODES_MAX - 1, "]\0", 2);
    CHECK_OK(parse(f, text));
    CHECK_INT(f->root->child_count, RT_YAML_NODES_MAX - 1);
    rt_free(text);
}

static void
test_yaml_arena_limit_is_enomem(void **state)
{
    fixture *f = *state;
    rt_arena *small = rt_arena_new(256);
    rt_node *root = NULL;

    CHECK_ERR(rt_yaml_parse("t", RT_STR("[a, b, c, d]"), small, f->diag, &root), RT_ENOMEM);
    rt_arena_free(small);
}

static void
test_node_only_names_unknown_keys(void **state)
{
    fixture *f = *state;
    static const char *const allowed[] = {"when", "limits", NULL};

    CHECK_OK(parse(f, "when: x\nlimit: 3\nzebra: 1\n"));
    CHECK_INT(rt_node_only(f->root, allowed, "B2000", f->diag), 2);
    rt_diag_render(f->diag, &f->out);

    CHECK_STR(rt_text_view(&f->out), "t:2:1: error[B2000]: unknown key 'limit'\n"
                                     "     2 | limit: 3\n"
                                     "       | ^^^^^\n"
                                     "       = help: did you mean 'limits'?\n"
                                     "t:3:1: error[B2000]: unknown key 'zebra'\n"
                                     "     3 | zebra: 1\n"
                                     "       | ^^^^^\n");
}

static void
test_node_values_are_read_by_type(void **state)
{
    fixture *f = *state;
    const rt_node *root = NULL;

    CHECK_OK(parse(f, "s: text\nq: \"\"\ni: -7\nd: 1.5\nb: true\nt: 1h30m\nz: 64KiB\n"));
    root = f->root;

    CHECK_STR(rt_node_str(root, "s", RT_STR("no"), f->diag), "text");
    CHECK_STR(rt_node_str(root, "q", RT_STR("no"), f->diag), "");
    CHECK_STR(rt_node_str(root, "absent", RT_STR("no"), f->diag), "no");
    CHECK_INT(rt_node_i64(root, "i", 0, -10, 10, f->diag), -7);
    CHECK_INT(rt_node_i64(root, "absent", 99, -10, 10, f->diag), 99);
    CHECK_NEAR(rt_node_f64(root, "d", 0, 0, 2, f->diag), 1.5, 0);
    CHECK_TRUE(rt_node_bool(root, "b", false, f->diag));
    CHECK_INT(rt_node_duration_ms(root, "t", 0, f->diag), 5400000);
    CHECK_INT(rt_node_size_bytes(root, "z", 0, f->diag), 65536);
    CHECK_INT(rt_diag_errors(f->diag), 0);
}

static void
test_node_wrong_values_are_reported_and_default(void **state)
{
    fixture *f = *state;
    const rt_node *root = NULL;

    CHECK_OK(parse(f, "i: '7'\nj: 1.5\nk: 99\nb: yes\nt: 5 min\nn:\nl: [1]\nd: 3\n"));
    root = f->root;

    CHECK_INT(rt_node_i64(root, "i", 1, 0, 10, f->diag), 1);
    CHECK_INT(rt_node_i64(root, "j", 2, 0, 10, f->diag), 2);
    CHECK_INT(rt_node_i64(root, "k", 3, 0, 10, f->diag), 3);
    CHECK_TRUE(rt_node_bool(root, "b", true, f->diag));
    CHECK_INT(rt_node_duration_ms(root, "t", 4, f->diag), 4);
    CHECK_STR(rt_node_str(root, "n", RT_STR("five"), f->diag), "five");
    CHECK_INT(rt_node_i64(root, "l", 6, 0, 10, f->diag), 6);
    CHECK_NEAR(rt_node_f64(root, "d", 0.5, 0, 1, f->diag), 0.5, 0);
    rt_diag_render_gcc(f->diag, &f->out);
    CHECK_STR(rt_text_view(&f->out),
              "t:1:4: error: 'i' wants a whole number [B2003]\n"
              "t:2:4: error: 'j' wants a whole number [B2003]\n"
              "t:3:4: error: 'k' must be from 0 to 10 [B2004]\n"
              "t:4:4: error: 'b' wants true or false [B2003]\n"
              "t:5:4: error: 't' wants a duration such as 250ms, 10s, 5m, 24h, 7d or 1h30m "
              "[B2003]\n"
              "t:6:3: error: 'n' wants a text [B2003]\n"
              "t:7:4: error: 'l' wants a whole number [B2003]\n"
              "t:8:4: error: 'd' must be from 0 to 1 [B2004]\n");
}

// The place of `word` of the scalar at key "w" is line:column, with its length.
static void
check_place(fixture *f, const char *text, const char *word, rt_mark want)
{
    const rt_node *scalar = NULL;
    const char *found = NULL;
    rt_mark got;

    CHECK_OK(parse(f, text));
    scalar = rt_node_get(f->root, "w");
    found = strstr(scalar->text.ptr, word);
    CHECK_TRUE(found != NULL);
    got = rt_node_mark_at(scalar, (size_t)(found - scalar->text.ptr), strlen(word));
    CHECK_INT(got.line, want.line);
    CHECK_INT(got.column, want.column);
    CHECK_INT(got.length, want.length);
}

static void
test_node_mark_at_finds_places_in_every_style(void **state)
{
    fixture *f = *state;

    check_place(f, "w: ab cd ef\n", "cd", (rt_mark){1, 7, 2});
    check_place(f, "w: ab\n   cd ef\n", "ef", (rt_mark){2, 7, 2});
    check_place(f, "w: ab\n\n   cd ef\n", "cd", (rt_mark){3, 4, 2});
    check_place(f, "w: ñá cd\n", "cd", (rt_mark){1, 7, 2});
    check_place(f, "w: 'it''s cd'\n", "cd", (rt_mark){1, 11, 2});
    check_place(f, "w: 'it''s cd'\n", "s", (rt_mark){1, 9, 1});
    check_place(f, "w: \"a\\tb \\\"cd\\\" e\"\n", "cd", (rt_mark){1, 12, 2});
    check_place(f, "w: \"\\u00f1\\x41 cd\"\n", "cd", (rt_mark){1, 16, 2});
    check_place(f, "w: \"\\u00f1\\x41 cd\"\n", "A", (rt_mark){1, 11, 4});
    check_place(f, "w: \"ab \\\n    cd\"\n", "cd", (rt_mark){2, 5, 2});
    check_place(f, "w: |\n  ab\n    cd > ef\n  gh\n", "cd > ef", (rt_mark){3, 5, 7});
    check_place(f, "w: |\n\n  ab\n  gh\n", "gh", (rt_mark){4, 3, 2});
    check_place(f, "w: |-  # note\n  ab cd", "cd", (rt_mark){2, 6, 2});
    check_place(f, "w: >\n  ab cd\n  ef\n\n  gh\n", "ef", (rt_mark){3, 3, 2});
    check_place(f, "w: >\n  ab cd\n  ef\n\n  gh\n", "gh", (rt_mark){5, 3, 2});
    check_place(f, "x: 1\nw: |2\n   ab\n", "ab", (rt_mark){3, 4, 2});
    check_place(f, "w: ab cd\n", " ", (rt_mark){1, 6, 1});
    check_place(f, "w: |\n  ab cd\n  ef\n", "cd\nef", (rt_mark){2, 6, 2});
}

static void
test_yaml_random_bytes_never_crash(void **state)
{
    fixture *f = *state;
    static const char alphabet[] = "ab:-[]{}?&*!|>'\"#%@`, \n\n  \t\\x1\xc3\xb1~.<";
    rt_rng rng;

    rt_rng_seed(&rng, 20261120, 7);
    for (int round = 0; round < 20000; round++) {
        char text[64];
        size_t len = rt_rng_below(&rng, sizeof(text));

        for (size_t i = 0; i < len; i++) {
            text[i] = alphabet[rt_rng_below(&rng, sizeof(alphabet) - 1)];
        }
        f->root = NULL;
        if (rt_yaml_parse("t", (rt_str){text, len}, f->arena, f->diag, &f->root) == RT_OK) {
            const rt_node *node = f->root;

            CHECK_TRUE(node != NULL);
            // Every offset of the first scalar maps to some place, also past its end.
            while (node->child != NULL) {
                node = node->child;
            }
            for (size_t i = 0; node->kind == RT_NODE_SCALAR && i <= node->text.len + 1; i++) {
                CHECK_TRUE(rt_node_mark_at(node, i, 3).line >= 1);
            }
        }
        rt_diag_free(f->diag);
        f->diag = rt_diag_new();
        rt_arena_reset(f->arena);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_yaml_tree_keeps_order_kinds_and_marks),
        TEST(test_yaml_tree_outlives_the_text),
        TEST(test_yaml_refuses_with_line_and_column),
        TEST(test_yaml_syntax_errors_carry_place_and_help),
        TEST(test_yaml_same_key_in_two_maps_is_fine),
        TEST(test_yaml_byte_order_mark_and_crlf_keep_places),
        TEST(test_yaml_depth_32_passes_and_33_is_refused),
        TEST(test_yaml_hostile_nesting_is_refused_fast),
        TEST(test_yaml_limits_on_bytes_and_nodes),
        TEST(test_yaml_arena_limit_is_enomem),
        TEST(test_node_only_names_unknown_keys),
        TEST(test_node_values_are_read_by_type),
        TEST(test_node_wrong_values_are_reported_and_default),
        TEST(test_node_mark_at_finds_places_in_every_style),
        TEST(test_yaml_random_bytes_never_crash),
    };

    return CHECK_RUN(tests);
}
