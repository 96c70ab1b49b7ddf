// harness/file_cases.h: what every implementation of seam/file.h must do, run against each.
//
// Layer: tests.   The including test defines `file_cases_root`, an existing empty directory.
#ifndef CEREBRO_TESTS_HARNESS_FILE_CASES_H
#define CEREBRO_TESTS_HARNESS_FILE_CASES_H

#include <stdio.h>

#include "runtime/seam/file.h"
#include "tests/harness/check.h"

static char file_cases_root[512];

// file_cases_path names a file in the root; the result lasts until four further calls.
static const char *
file_cases_path(const char *name)
{
    static char paths[4][1024];
    static unsigned next;
    char *path = paths[next++ % 4];

    (void)snprintf(path, sizeof(paths[0]), "%s/%s", file_cases_root, name);
    return path;
}

// file_cases_text makes a view of text as bytes.
static rt_bytes
file_cases_text(const char *text)
{
    return rt_bytes_of_str(rt_str_of(text));
}

static void
test_file_written_bytes_are_read_back(void **state)
{
    rt_file *file = NULL;
    char buf[16] = {0};
    uint64_t size = 0;
    size_t len = 0;

    (void)state;
    CHECK_OK(rt_file_open(file_cases_path("a"), RT_FILE_WRITE, &file));
    CHECK_OK(rt_file_pwrite(file, file_cases_text("world"), 6));
    CHECK_OK(rt_file_pwrite(file, file_cases_text("hello "), 0));
    CHECK_OK(rt_file_sync(file));
    CHECK_OK(rt_file_size(file, &size));
    CHECK_U64(size, 11);
    CHECK_OK(rt_file_pread(file, buf, 5, 6, &len));
    CHECK_STR(((rt_str){buf, len}), "world");
    CHECK_OK(rt_file_pread(file, buf, sizeof(buf), 9, &len));
    CHECK_STR(((rt_str){buf, len}), "ld");
    CHECK_OK(rt_file_pread(file, buf, sizeof(buf), 50, &len));
    CHECK_U64(len, 0);
    rt_file_close(file);
}

static void
test_file_fill_sets_the_size_with_zeros(void **state)
{
    rt_file *file = NULL;
    uint8_t buf[4] = {1, 1, 1, 1};
    uint64_t size = 0;
    size_t len = 0;

    (void)state;
    CHECK_OK(rt_file_open(file_cases_path("filled"), RT_FILE_WRITE, &file));
    CHECK_OK(rt_file_pwrite(file, file_cases_text("old"), 0));
    CHECK_OK(rt_file_fill(file, 3 * 1024 * 1024 + 5));
    CHECK_OK(rt_file_size(file, &size));
    CHECK_U64(size, 3 * 1024 * 1024 + 5);
    CHECK_OK(rt_file_pread(file, buf, sizeof(buf), 0, &len));
    CHECK_TRUE(buf[0] == 0 && buf[3] == 0);
    CHECK_OK(rt_file_fill(file, 100));
    CHECK_OK(rt_file_size(file, &size));
    CHECK_U64(size, 100);
    rt_file_close(file);
}

static void
test_file_missing_is_enotfound(void **state)
{
    rt_file *file = NULL;
    rt_arena *arena = rt_arena_new(100);
    rt_str text;

    (void)state;
    CHECK_ERR(rt_file_open(file_cases_path("none"), RT_FILE_READ, &file), RT_ENOTFOUND);
    CHECK_ERR(rt_file_open(file_cases_path("no/dir"), RT_FILE_WRITE, &file), RT_ENOTFOUND);
    CHECK_ERR(rt_file_remove(file_cases_path("none")), RT_ENOTFOUND);
    CHECK_ERR(rt_file_rename(file_cases_path("none"), file_cases_path("x")), RT_ENOTFOUND);
    CHECK_ERR(rt_file_read_all(file_cases_path("none"), 10, arena, &text), RT_ENOTFOUND);
    CHECK_FALSE(rt_file_exists(file_cases_path("none")));
    rt_arena_free(arena);
}

static void
test_file_replace_is_whole_and_read_all_is_bounded(void **state)
{
    rt_arena *arena = rt_arena_new(4096);
    rt_arena *tiny = rt_arena_new(16);
    rt_str text;

    (void)state;
    CHECK_OK(rt_file_replace(file_cases_path("conf"), file_cases_text("one, longer")));
    CHECK_OK(rt_file_replace(file_cases_path("conf"), file_cases_text("two")));
    CHECK_OK(rt_file_read_all(file_cases_path("conf"), 3, arena, &text));
    CHECK_STR(text, "two");
    CHECK_INT(text.ptr[3], 0);
    CHECK_ERR(rt_file_read_all(file_cases_path("conf"), 2, arena, &text), RT_ELIMIT);
    CHECK_OK(rt_file_replace(file_cases_path("conf"), file_cases_text("more than 16 bytes")));
    CHECK_ERR(rt_file_read_all(file_cases_path("conf"), 100, tiny, &text), RT_ENOMEM);
    CHECK_FALSE(rt_file_exists(file_cases_path("conf.tmp")));
    rt_arena_free(arena);
    rt_arena_free(tiny);
}

static void
test_file_renamed_while_open_stays_usable(void **state)
{
    rt_file *file = NULL;
    char buf[8] = {0};
    size_t len = 0;

    (void)state;
    CHECK_OK(rt_file_replace(file_cases_path("to"), file_cases_text("overwritten")));
    CHECK_OK(rt_file_open(file_cases_path("from"), RT_FILE_WRITE, &file));
    CHECK_OK(rt_file_rename(file_cases_path("from"), file_cases_path("to")));
    CHECK_OK(rt_file_pwrite(file, file_cases_text("new"), 0));
    CHECK_FALSE(rt_file_exists(file_cases_path("from")));
    rt_file_close(file);
    CHECK_OK(rt_file_open(file_cases_path("to"), RT_FILE_READ, &file));
    CHECK_OK(rt_file_remove(file_cases_path("to")));
    CHECK_OK(rt_file_pread(file, buf, sizeof(buf), 0, &len));
    CHECK_STR(((rt_str){buf, len}), "new");
    rt_file_close(file);
}

static void
file_cases_on_name(void *user, const char *name)
{
    char *all = user;
    size_t used = strlen(all);

    (void)snprintf(all + used, 256 - used, "%s ", name);
}

static void
test_dir_lists_names_in_byte_order(void **state)
{
    char all[256] = {0};
    uint64_t bytes = 0;

    (void)state;
    CHECK_OK(rt_dir_make(file_cases_path("list/deep/er")));
    CHECK_OK(rt_dir_make(file_cases_path("list")));
    CHECK_OK(rt_file_replace(file_cases_path("list/b"), file_cases_text("")));
    CHECK_OK(rt_file_replace(file_cases_path("list/a"), file_cases_text("")));
    CHECK_OK(rt_file_replace(file_cases_path("list/B"), file_cases_text("")));
    CHECK_OK(rt_file_replace(file_cases_path("list/deep/inner"), file_cases_text("")));
    CHECK_OK(rt_dir_list(file_cases_path("list"), file_cases_on_name, all));
    CHECK_CSTR(all, "B a b deep ");
    CHECK_ERR(rt_dir_list(file_cases_path("nolist"), file_cases_on_name, all), RT_ENOTFOUND);
    CHECK_ERR(rt_dir_make(file_cases_path("list/a")), RT_EINVAL);
    CHECK_OK(rt_dir_free_bytes(file_cases_path("list"), &bytes));
    CHECK_TRUE(bytes > 0);
}

static void
test_lock_is_exclusive_and_names_its_holder(void **state)
{
    rt_lock *lock = NULL;
    rt_lock *second = NULL;

    (void)state;
    CHECK_OK(rt_lock_take(file_cases_path("lock"), &lock));
    CHECK_ERR(rt_lock_take(file_cases_path("lock"), &second), RT_ELOCKED);
    CHECK_TRUE(strstr(rt_err_detail(), "process ") != NULL);
    rt_lock_free(lock);
    CHECK_OK(rt_lock_take(file_cases_path("lock"), &lock));
    rt_lock_free(lock);
}

#define FILE_CASES                                                                                 \
    cmocka_unit_test(test_file_written_bytes_are_read_back),                                       \
        cmocka_unit_test(test_file_fill_sets_the_size_with_zeros),                                 \
        cmocka_unit_test(test_file_missing_is_enotfound),                                          \
        cmocka_unit_test(test_file_replace_is_whole_and_read_all_is_bounded),                      \
        cmocka_unit_test(test_file_renamed_while_open_stays_usable),                               \
        cmocka_unit_test(test_dir_lists_names_in_byte_order),                                      \
        cmocka_unit_test(test_lock_is_exclusive_and_names_its_holder)

#endif
