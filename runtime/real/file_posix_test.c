#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/harness/file_cases.h"

static int
make_root(void **state)
{
    char root[] = "/tmp/cerebro-file-XXXXXX";

    (void)state;
    if (mkdtemp(root) == NULL) {
        return -1;
    }
    (void)snprintf(file_cases_root, sizeof(file_cases_root), "%s", root);
    return 0;
}

static int
remove_root(void **state)
{
    static const char *const files[] = {"a",      "filled", "conf",      "lock",
                                        "list/a", "list/b", "list/B",    "list/deep/inner",
                                        "s/file"};
    static const char *const dirs[] = {"list/deep/er", "list/deep", "list", "s", ""};

    (void)state;
    for (size_t i = 0; i < RT_COUNT(files); i++) {
        (void)unlink(file_cases_path(files[i]));
    }
    for (size_t i = 0; i < RT_COUNT(dirs); i++) {
        (void)rmdir(file_cases_path(dirs[i]));
    }
    return rt_file_exists(file_cases_root) ? -1 : 0;
}

static void
test_file_and_directory_are_private(void **state)
{
    struct stat info;
    rt_file *file = NULL;

    (void)state;
    CHECK_OK(rt_dir_make(file_cases_path("s")));
    CHECK_OK(rt_file_open(file_cases_path("s/file"), RT_FILE_WRITE, &file));
    rt_file_close(file);
    CHECK_INT(stat(file_cases_path("s"), &info), 0);
    CHECK_INT(info.st_mode & 0777, 0700);
    CHECK_INT(stat(file_cases_path("s/file"), &info), 0);
    CHECK_INT(info.st_mode & 0777, 0600);
}

static void
test_file_fill_allocates_every_block(void **state)
{
    struct stat info;
    rt_file *file = NULL;

    (void)state;
    CHECK_OK(rt_file_open(file_cases_path("filled"), RT_FILE_WRITE, &file));
    CHECK_OK(rt_file_fill(file, 2 * 1024 * 1024));
    CHECK_INT(stat(file_cases_path("filled"), &info), 0);
    CHECK_TRUE(info.st_blocks * 512 >= 2 * 1024 * 1024);
    rt_file_close(file);
}

static void
test_file_on_a_full_device_is_enospc(void **state)
{
    rt_file *file = NULL;

    (void)state;
    CHECK_OK(rt_file_open("/dev/full", RT_FILE_WRITE, &file));
    CHECK_ERR(rt_file_pwrite(file, file_cases_text("x"), 0), RT_ENOSPC);
    rt_file_close(file);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        FILE_CASES,
        cmocka_unit_test(test_file_and_directory_are_private),
        cmocka_unit_test(test_file_fill_allocates_every_block),
        cmocka_unit_test(test_file_on_a_full_device_is_enospc),
    };

    return cmocka_run_group_tests(tests, make_root, remove_root);
}
