// Every key of every shipped playbook is deleted, renamed, given a value of another shape and one
// that it does not take; each time the loader must say so, or the result must be a sound playbook:
// an optional key left out, another text where any text will do.
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#include "brain/playbook/keys.h"
#include "brain/playbook/playbook.h"
#include "tests/harness/pack_kit.h"

#define PATH_BYTES 512
#define DEPTH_MAX RT_YAML_DEPTH_MAX
#define SPLICE_MAX 128
#define STILL_MAX 256

typedef enum mutation { MUTATE_DELETE, MUTATE_RENAME, MUTATE_SHAPE, MUTATE_VALUE, MUTATIONS }
mutation;

static const char *const mutation_names[] = {"deleted", "renamed", "another shape",
                                             "another value"};

typedef struct tally {
    int made[MUTATIONS];
    int diagnosed[MUTATIONS];
    int sound[MUTATIONS];  // and rightly so
    int silent;            // neither diagnosed nor sound
    char still[STILL_MAX][64]; // "<mutation> <block>.<key>" that stays sound
    int still_count[STILL_MAX];
    size_t still_size;
} tally;

typedef struct book {
    const char *path;
    char *text;
    tally *tally;
} book;

static br_pack *pack;

// The place of a line and column, which counts characters, in the text.
static size_t
offset_of(const char *text, rt_mark mark)
{
    size_t at = 0;

    for (uint32_t line = 1; line < mark.line; line++) {
        at = (size_t)(strchr(text + at, '\n') - text) + 1;
    }
    for (uint32_t column = 1; column < mark.column; column++) {
        at++;
        while (((uint8_t)text[at] & 0xc0) == 0x80) {
            at++;
        }
    }
    return at;
}

// Where the value ends: behind its last scalar, and behind the brackets around that.
static size_t
end_of(const char *text, const rt_node *node)
{
    const rt_node *last = node;
    int closers = 0;
    size_t at = offset_of(text, node->mark);

    while (last->kind != RT_NODE_SCALAR) {
        closers += text[offset_of(text, last->mark)] == '[' ||
                   text[offset_of(text, last->mark)] == '{';
        if (last->child == NULL) {
            break;
        }
        last = last->child;
        while (last->next != NULL) {
            last = last->next;
        }
    }
    if (last->kind == RT_NODE_SCALAR) {
        at = offset_of(text, last->mark) + last->raw.len;
    }
    for (; closers > 0 && text[at] != '\0'; at++) {
        closers -= text[at] == ']' || text[at] == '}';
    }
    return at;
}

static bool
compile_mutant(const book *b, size_t from, size_t to, const char *with)
{
    rt_diag *diag = rt_diag_new();
    br_playbooks *set = NULL;
    rt_text text;

    rt_text_init(&text, 1 << 18);
    rt_text_put(&text, b->text, from);
    rt_text_cstr(&text, with);
    rt_text_cstr(&text, b->text + to);
    br_playbook_file file = {rt_str_of(b->path), rt_text_view(&text)};
    rt_err err = br_playbooks_compile(pack, &file, 1, 1, diag, &set);
    bool is_found = rt_diag_errors(diag) + rt_diag_warnings(diag) > 0;
    CHECK_TRUE(err == RT_OK || rt_diag_errors(diag) > 0);
    br_playbooks_free(set);
    rt_text_fini(&text);
    rt_diag_free(diag);
    return is_found;
}

static void
note_still(tally *t, mutation m, const char *block, rt_str key)
{
    char name[64];
    size_t i = 0;

    (void)snprintf(name, sizeof(name), "%s %s.%.*s", mutation_names[m], block, RT_STR_ARG(key));
    while (i < t->still_size && strcmp(t->still[i], name) != 0) {
        i++;
    }
    assert_true(i < STILL_MAX);
    if (i == t->still_size) {
        memcpy(t->still[t->still_size++], name, sizeof(name));
    }
    t->still_count[i]++;
}

static void
try(const book *b, mutation m, const char *block, const rt_node *node, size_t from, size_t to,
    const char *with, bool may_be_sound)
{
    tally *t = b->tally;

    t->made[m]++;
    if (compile_mutant(b, from, to, with)) {
        t->diagnosed[m]++;
    } else if (may_be_sound) {
        t->sound[m]++;
        note_still(t, m, block, node->key);
    } else {
        t->silent++;
        print_error("%s:%u: %s %s.%.*s: nothing was said\n", b->path, node->key_mark.line,
                    mutation_names[m], block, RT_STR_ARG(node->key));
    }
}

// Whether the action of the step around lets its argument be left out.
static bool
is_optional_argument(const rt_node *step, rt_str name, bool *ret_is_text)
{
    const rt_node *given = rt_node_get(step, "action");
    const br_action *action = given != NULL ? br_pack_action(pack, given->text) : NULL;

    for (uint32_t i = 0; action != NULL && i < action->arg_count; i++) {
        if (rt_str_equal(action->args[i].name, name)) {
            *ret_is_text = action->args[i].kind == RT_KIND_STR;
            return !action->args[i].required;
        }
    }
    return false;
}

// A value that a key of these forms does not take; NULL where any will do.
static const char *
wrong_value(const br_key *row, bool is_text_argument)
{
    if (row == NULL) {
        return is_text_argument ? "${nothing.there}" : "much";
    }
    if ((row->forms & (BR_KEY_INT | BR_KEY_NUMBER)) != 0) {
        return "-99999999999999";
    }
    if ((row->forms & BR_KEY_DURATION) != 0) {
        return "0s";
    }
    if ((row->forms & BR_KEY_EXPRESSION) != 0) {
        return "nothing.there";
    }
    if ((row->forms & BR_KEY_TEMPLATE) != 0) {
        return "${nothing.there}";
    }
    if ((row->forms & BR_KEY_NAME) != 0) {
        return "Not A Name";
    }
    if ((row->forms & (BR_KEY_ONE_OF | BR_KEY_ACTION)) != 0 || strcmp(row->name, "kind") == 0) {
        return "nothing_there";
    }
    if (strcmp(row->name, "id") == 0) {
        return "a123456789b123456789c123456789d123456789e123456789";
    }
    return (row->items & BR_KEY_EVENT) != 0 ? "[nothing.there]" : NULL;
}

static void
mutate_key(const book *b, const br_block *block, const rt_node *step, const rt_node *owner,
           const rt_node *node)
{
    // A captured value that nothing reads may be called anything; so may a feature, or be left out.
    bool is_feature = block == NULL && rt_str_is(owner->key, "features");
    bool is_capture = is_feature || (block == NULL && rt_str_is(owner->key, "capture"));
    const char *name = block != NULL ? block->name
                       : is_feature  ? "features"
                       : is_capture  ? "capture"
                                     : "args";
    const br_key *row = block != NULL ? br_key_find(block, node->key) : NULL;
    size_t from = offset_of(b->text, node->key_mark);
    size_t value = offset_of(b->text, node->mark);
    size_t end = end_of(b->text, node);
    bool is_text = true;
    bool is_optional = row != NULL ? !row->required
                                   : is_optional_argument(step, node->key, &is_text);
    char other[2] = {(char)(b->text[from] == 'z' ? 'a' : b->text[from] + 1), '\0'};
    const char *wrong = wrong_value(row, is_text);
    // Where every part of a pattern has a key of its own, nobody computes that of the pattern.
    bool is_unused = block == &br_block_pattern && rt_str_is(node->key, "key");
    size_t after = end;
    size_t before = from;

    // In braces a comma goes with it.
    after += strspn(b->text + after, " ");
    if (b->text[after] == ',') {
        end = after + 1;
    } else if (b->text[after] == '}') {
        while (before > 0 && b->text[before - 1] == ' ') {
            before--;
        }
        before = before > 0 && b->text[before - 1] == ',' ? before - 1 : from;
    }
    try(b, MUTATE_DELETE, name, node, before, end, "", is_optional || is_capture);
    try(b, MUTATE_RENAME, name, node, from, from + 1, other, is_capture);
    try(b, MUTATE_SHAPE, name, node, value, end_of(b->text, node),
        node->kind == RT_NODE_SCALAR ? "[x]" : "\"x\"", false);
    if (wrong != NULL) {
        try(b, MUTATE_VALUE, name, node, value, end_of(b->text, node), wrong, is_unused);
    }
}

typedef struct level {
    const rt_node *next;
    const br_block *block; // NULL: free names
    const rt_node *owner;  // the map
} level;

// All maps of the file, with what the table says of their keys.
static void
mutate_book(const book *b, const rt_node *root)
{
    level levels[DEPTH_MAX + 1];
    size_t depth = 0;
    const br_block *top = rt_str_is(rt_node_get(root, "kind")->text, "playbook")
                              ? &br_block_playbook
                              : &br_block_remediation;

    levels[depth++] = (level){root->child, top, root};
    while (depth > 0) {
        level *at = &levels[depth - 1];
        const rt_node *node = at->next;
        if (node == NULL) {
            depth--;
            continue;
        }
        const br_block *block = at->block;
        const rt_node *owner = at->owner;
        at->next = node->next;
        const br_key *row = block != NULL ? br_key_find(block, node->key) : NULL;
        if (node->key.len > 0) {
            const rt_node *step = block == NULL ? levels[depth - 2].owner : owner;
            mutate_key(b, block, step, owner, node);
        }
        if (row != NULL && row->block == &br_block_test) {
            continue; // a wrong case is noticed when it is played: brain/core/rehearse_test.c
        }
        if (node->kind == RT_NODE_LIST) {
            levels[depth++] = (level){node->child, row != NULL ? row->block : NULL, NULL};
        } else if (node->kind == RT_NODE_MAP) {
            const br_block *inner = row != NULL ? row->block : node->key.len == 0 ? block : NULL;
            levels[depth++] = (level){node->child, inner, node};
        }
    }
}

static void
mutate_file(const char *path, tally *t)
{
    book b = {path, drive_read(path), t};
    rt_arena *arena = rt_arena_new(4 * 1024 * 1024);
    rt_diag *diag = rt_diag_new();
    rt_node *root = NULL;

    CHECK_OK(rt_yaml_parse(path, rt_str_of(b.text), arena, diag, &root));
    assert_false(compile_mutant(&b, 0, 0, "")); // as shipped nothing is said
    mutate_book(&b, root);
    rt_diag_free(diag);
    rt_arena_free(arena);
    rt_free(b.text);
}

static int
is_yaml(const struct dirent *entry)
{
    size_t len = strlen(entry->d_name);

    return len > 5 && strcmp(entry->d_name + len - 5, ".yaml") == 0;
}

static void
test_every_key_made_wrong_is_diagnosed(void **state)
{
    static const char *const dirs[] = {"playbooks/healing", "playbooks/logistics"};
    tally *t = rt_new(tally);
    int books = 0;

    (void)state;
    pack = pack_kit_real();
    for (size_t d = 0; d < RT_COUNT(dirs); d++) {
        struct dirent **names = NULL;
        int count = scandir(dirs[d], &names, is_yaml, alphasort);

        for (int i = 0; i < count; i++) {
            char path[PATH_BYTES];

            (void)snprintf(path, sizeof(path), "%s/%s", dirs[d], names[i]->d_name);
            mutate_file(path, t);
            books++;
            free(names[i]); // of scandir
        }
        free(names);
    }
    for (size_t i = 0; i < t->still_size; i++) {
        print_message("still a playbook: %s (%d)\n", t->still[i], t->still_count[i]);
    }
    for (int m = 0; m < MUTATIONS; m++) {
        print_message("%-13s %4d made, %4d diagnosed, %3d still a playbook\n", mutation_names[m],
                      t->made[m], t->diagnosed[m], t->sound[m]);
        CHECK_INT(t->made[m], t->diagnosed[m] + t->sound[m]);
        CHECK_TRUE(t->made[m] > 100);
    }
    print_message("%d playbooks, %d mutants that nothing was said of\n", books, t->silent);
    CHECK_INT(t->silent, 0);
    CHECK_TRUE(books >= 18);
    rt_free(t);
    br_pack_free(pack);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_key_made_wrong_is_diagnosed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
