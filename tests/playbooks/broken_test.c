// Every file of tests/playbooks/broken is refused, or warned of, exactly as its first lines say:
//
//   # what is wrong with it
//   # expect: CODE LINE:COLUMN [warning: ]text of the finding
//   # expect: ...
//
// Nothing may be missing, stand elsewhere or come on top. A file of tests/playbooks/beside with the
// name of one in broken is in the set with it.
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#include "brain/playbook/playbook.h"
#include "tests/harness/pack_kit.h"

#define DIR_BROKEN "tests/playbooks/broken"
#define DIR_BESIDE "tests/playbooks/beside"
#define FILES_MAX 1024
#define FILES_WANTED 300
#define PATH_BYTES 512
#define TEXT_BYTES (1u << 20)

static br_pack *pack;

static int
group_setup(void **state)
{
    (void)state;
    pack = pack_kit_real();
    return 0;
}

static int
group_teardown(void **state)
{
    (void)state;
    br_pack_free(pack);
    return 0;
}

// A whole file, which may hold NUL bytes.
static rt_str
read_file(const char *path, rt_arena *arena)
{
    FILE *file = fopen(path, "rb");
    char *text = rt_arena_array(arena, char, BR_PLAYBOOK_BYTES_MAX + 1);
    size_t len;

    if (file == NULL) {
        return (rt_str){NULL, 0};
    }
    len = fread(text, 1, BR_PLAYBOOK_BYTES_MAX, file);
    (void)fclose(file);
    return (rt_str){text, len};
}

// What the first lines expect, in the form in which findings are written here.
static void
put_expected(rt_str text, rt_text *out)
{
    static const char mark[] = "# expect: ";
    const char *at = text.ptr;
    const char *end = text.ptr + text.len;

    at += rt_str_starts(text, RT_STR("\xef\xbb\xbf")) ? 3 : 0;
    while (at < end && *at == '#') {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        rt_str line = {at, (size_t)((newline != NULL ? newline : end) - at)};

        if (rt_str_starts(line, rt_str_of(mark))) {
            rt_text_put(out, at + strlen(mark), line.len - strlen(mark));
            rt_text_cstr(out, "\n");
        }
        at = newline != NULL ? newline + 1 : end;
    }
}

static void
put_found(const rt_diag *diag, const char *file, rt_text *out)
{
    for (size_t i = 0; i < rt_diag_count(diag); i++) {
        rt_finding f = rt_diag_at(diag, i);

        if (strcmp(f.file, file) == 0) {
            rt_text_printf(out, "%s %u:%u %s%s\n", f.code, f.mark.line, f.mark.column,
                           f.severity == RT_SEVERITY_WARNING ? "warning: " : "", f.message);
        }
    }
}

static bool
check_file(const char *name, rt_arena *arena)
{
    char path[PATH_BYTES];
    char beside[PATH_BYTES];
    br_playbook_file files[2];
    br_playbooks *set = NULL;
    rt_diag *diag = rt_diag_new();
    rt_text expected;
    rt_text found;

    (void)snprintf(path, sizeof(path), DIR_BROKEN "/%s", name);
    (void)snprintf(beside, sizeof(beside), DIR_BESIDE "/%s", name);
    files[0] = (br_playbook_file){rt_str_of(path), read_file(path, arena)};
    files[1] = (br_playbook_file){rt_str_of(beside), read_file(beside, arena)};
    rt_text_init(&expected, TEXT_BYTES);
    rt_text_init(&found, TEXT_BYTES);
    put_expected(files[0].text, &expected);
    RT_IGNORE(br_playbooks_compile(pack, files, files[1].text.ptr != NULL ? 2 : 1, 1, diag,
                                   &set)); // some only warn
    put_found(diag, path, &found);
    bool same = expected.len > 0 &&
                rt_str_equal(rt_text_view(&expected), rt_text_view(&found));
    if (!same) {
        print_error("%s\n  expected:\n%.*s  found:\n%.*s\n", path,
                    RT_STR_ARG(rt_text_view(&expected)), RT_STR_ARG(rt_text_view(&found)));
    }
    br_playbooks_free(set);
    rt_text_fini(&expected);
    rt_text_fini(&found);
    rt_diag_free(diag);
    return same;
}

static int
is_yaml(const struct dirent *entry)
{
    size_t len = strlen(entry->d_name);

    return len > 5 && strcmp(entry->d_name + len - 5, ".yaml") == 0;
}

static void
test_broken_files_are_diagnosed_as_they_say(void **state)
{
    struct dirent **names = NULL;
    int count = scandir(DIR_BROKEN, &names, is_yaml, alphasort);
    rt_arena *arena = rt_arena_new(4 * 1024 * 1024);
    int right = 0;

    (void)state;
    for (int i = 0; i < count; i++) {
        right += check_file(names[i]->d_name, arena) ? 1 : 0;
        rt_arena_reset(arena);
        free(names[i]); // of scandir
    }
    free(names);
    print_message("broken playbooks: %d of %d diagnosed as they say\n", right, count);
    rt_arena_free(arena);
    CHECK_TRUE(count >= FILES_WANTED);
    CHECK_INT(right, count);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_broken_files_are_diagnosed_as_they_say),
    };

    return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
