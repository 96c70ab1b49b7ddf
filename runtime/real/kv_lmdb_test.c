#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/harness/kv_cases.h"

static char root[64];
static int case_number;

static int
make_root(void **state)
{
    (void)state;
    (void)snprintf(root, sizeof(root), "/tmp/cerebro-kv-XXXXXX");
    return mkdtemp(root) != NULL ? 0 : -1;
}

static int
setup(void **state)
{
    (void)state;
    case_number++;
    (void)snprintf(kv_cases_dir, sizeof(kv_cases_dir), "%s/%d", root, case_number);
    return 0;
}

static const char *
file_in_dir(const char *name)
{
    static char path[1024];

    (void)snprintf(path, sizeof(path), "%s/%s", kv_cases_dir, name);
    return path;
}

static int
remove_root(void **state)
{
    static const char *const files[] = {"data.mdb",           "data.tmp",
                                        "lock.mdb",           "owner.lock",
                                        "data.mdb.damaged-1", "data.mdb.damaged-2",
                                        "data.mdb.damaged-3"};

    (void)state;
    for (int i = case_number; i > 0; i--) {
        (void)snprintf(kv_cases_dir, sizeof(kv_cases_dir), "%s/%d", root, i);
        for (size_t f = 0; f < RT_COUNT(files); f++) {
            (void)unlink(file_in_dir(files[f]));
        }
        (void)rmdir(kv_cases_dir);
    }
    return rmdir(root);
}

static void
test_kv_shorter_than_its_header_says_is_refused(void **state)
{
    rt_kv *kv = kv_cases_open();

    (void)state;
    for (int i = 0; i < 100; i++) {
        char key[16];

        (void)snprintf(key, sizeof(key), "key%d", i);
        kv_cases_put(kv, key, "a value that fills some pages, a value that fills some pages");
    }
    rt_kv_close(kv);
    CHECK_INT(truncate(file_in_dir("data.mdb"), 3 * 4096), 0);
    CHECK_ERR(rt_kv_open(kv_cases_dir, KV_CASES_MAP_BYTES, &kv), RT_ECORRUPT);
    CHECK_ERR(rt_kv_open_readonly(kv_cases_dir, &kv), RT_ECORRUPT);
    CHECK_INT(truncate(file_in_dir("data.mdb"), 100), 0);
    CHECK_ERR(rt_kv_open(kv_cases_dir, KV_CASES_MAP_BYTES, &kv), RT_ECORRUPT);
}

static void
test_kv_other_file_is_refused(void **state)
{
    rt_kv *kv = kv_cases_open();

    (void)state;
    rt_kv_close(kv);
    CHECK_INT(truncate(file_in_dir("data.mdb"), 0), 0);
    CHECK_INT(truncate(file_in_dir("data.mdb"), 100000), 0);
    CHECK_ERR(rt_kv_open(kv_cases_dir, KV_CASES_MAP_BYTES, &kv), RT_ECORRUPT);
}

// Changes the byte at `at` of data.mdb.
static void
flip(long at)
{
    FILE *file = fopen(file_in_dir("data.mdb"), "r+b");
    int byte = 0;

    CHECK_TRUE(file != NULL);
    CHECK_INT(fseek(file, at, SEEK_SET), 0);
    byte = fgetc(file);
    CHECK_INT(fseek(file, at, SEEK_SET), 0);
    CHECK_INT(fputc(byte ^ 1, file), byte ^ 1);
    CHECK_INT(fclose(file), 0);
}

static void
test_kv_damaged_page_is_named_and_not_opened(void **state)
{
    rt_kv *kv = kv_cases_open();

    (void)state;
    for (int i = 0; i < 3; i++) {
        kv_cases_put(kv, "key", "value");
    }
    rt_kv_close(kv);
    for (long page = 2; page < 6; page++) {
        flip(page * 4096 + 10); // flags of a page
        if (rt_kv_open(kv_cases_dir, KV_CASES_MAP_BYTES, &kv) == RT_OK) {
            rt_kv_close(kv); // a page of an older transaction
            flip(page * 4096 + 10);
            continue;
        }
        CHECK_ERR(rt_kv_open(kv_cases_dir, KV_CASES_MAP_BYTES, &kv), RT_ECORRUPT);
        CHECK_TRUE(strstr(rt_err_detail(), "/data.mdb, page ") != NULL);
        CHECK_ERR(rt_kv_open_readonly(kv_cases_dir, &kv), RT_ECORRUPT);
        return;
    }
    CHECK_TRUE(false);
}

static void
test_kv_files_are_private(void **state)
{
    static const char *const files[] = {"data.mdb", "lock.mdb", "owner.lock"};
    rt_kv *kv = kv_cases_open();
    struct stat info;

    (void)state;
    CHECK_INT(stat(kv_cases_dir, &info), 0);
    CHECK_INT(info.st_mode & 0777, 0700);
    for (size_t i = 0; i < RT_COUNT(files); i++) {
        CHECK_INT(stat(file_in_dir(files[i]), &info), 0);
        CHECK_INT(info.st_mode & 0777, 0600);
    }
    rt_kv_close(kv);
}

// In another process: waits for a byte, then sees what was committed meanwhile; exits 0 if so.
static void
read_beside(int wait_fd, int ready_fd)
{
    rt_kv *kv = NULL;
    rt_arena *arena = rt_arena_new(1024);
    rt_bytes value;
    char byte = 0;
    bool ok = read(wait_fd, &byte, 1) == 1 && rt_kv_open_readonly(kv_cases_dir, &kv) == RT_OK &&
              rt_kv_get(kv, kv_cases_text("a"), arena, &value) == RT_OK && value.ptr[0] == '1' &&
              write(ready_fd, "x", 1) == 1 && read(wait_fd, &byte, 1) == 1 &&
              rt_kv_get(kv, kv_cases_text("a"), arena, &value) == RT_OK && value.ptr[0] == '2';

    rt_kv_close(kv);
    rt_arena_free(arena);
    _exit(ok ? 0 : 1);
}

static void
test_kv_readonly_process_reads_beside_the_owner(void **state)
{
    int to_child[2];
    int from_child[2];
    rt_kv *kv = NULL;
    pid_t child = 0;
    int status = -1;
    char byte = 0;

    (void)state;
    CHECK_INT(pipe(to_child), 0);
    CHECK_INT(pipe(from_child), 0);
    child = fork(); // before there is an environment
    if (child == 0) {
        read_beside(to_child[0], from_child[1]);
    }
    kv = kv_cases_open();
    kv_cases_put(kv, "a", "1");
    CHECK_INT(write(to_child[1], "x", 1), 1);
    CHECK_INT(read(from_child[0], &byte, 1), 1);
    kv_cases_put(kv, "a", "2");
    CHECK_INT(write(to_child[1], "x", 1), 1);
    CHECK_INT(waitpid(child, &status, 0), child);
    CHECK_INT(status, 0);
    rt_kv_close(kv);
    for (int i = 0; i < 2; i++) {
        (void)close(to_child[i]);
        (void)close(from_child[i]);
    }
}

static void
test_kv_file_is_always_as_long_as_its_header_says(void **state)
{
    rt_kv *kv = kv_cases_open();
    rt_rng rng;

    (void)state;
    rt_rng_seed(&rng, 5, 1);
    // Given batches that make LMDB allocate and drop pages in one transaction,
    for (int round = 0; round < 200; round++) {
        rt_kv_batch *batch = rt_kv_batch_new();

        for (int i = 0; i < 200; i++) {
            char key[16];
            uint8_t value[3000] = {0};

            (void)snprintf(key, sizeof(key), "key%d", (int)rt_rng_below(&rng, 400));
            if (rt_rng_chance(&rng, 0.5)) {
                rt_kv_batch_del(batch, kv_cases_text(key));
            } else {
                rt_kv_batch_put(batch, kv_cases_text(key),
                                (rt_bytes){value, (size_t)rt_rng_below(&rng, sizeof(value))});
            }
        }
        CHECK_OK(rt_kv_commit(kv, batch));
        rt_kv_batch_free(batch);
        // then the store can be opened after each.
        if (round % 20 == 0) {
            rt_kv_close(kv);
            kv = kv_cases_open();
        }
    }
    rt_kv_close(kv);
}

static void
write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static void
test_kv_creation_cut_short_is_begun_again(void **state)
{
    struct stat info;
    rt_kv *kv = NULL;

    (void)state;
    // Given a power cut while the file was made: it has not got its name yet,
    assert_int_equal(mkdir(kv_cases_dir, 0700), 0);
    write_file(file_in_dir("data.tmp"), "half a header");

    // then the store opens, and keeps nothing of it.
    kv = kv_cases_open();
    rt_kv_close(kv);
    assert_int_equal(stat(file_in_dir("data.tmp"), &info), -1);
    assert_int_equal(stat(file_in_dir("data.mdb"), &info), 0);
}

static void
test_kv_empty_file_is_refused(void **state)
{
    rt_kv *kv = NULL;

    (void)state;
    assert_int_equal(mkdir(kv_cases_dir, 0700), 0);
    write_file(file_in_dir("data.mdb"), "");

    CHECK_ERR(rt_kv_open(kv_cases_dir, 1024 * 1024, &kv), RT_ECORRUPT);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_kv_readonly_process_reads_beside_the_owner, setup),
        KV_CASES(setup),
        cmocka_unit_test_setup(test_kv_shorter_than_its_header_says_is_refused, setup),
        cmocka_unit_test_setup(test_kv_other_file_is_refused, setup),
        cmocka_unit_test_setup(test_kv_damaged_page_is_named_and_not_opened, setup),
        cmocka_unit_test_setup(test_kv_files_are_private, setup),
        cmocka_unit_test_setup(test_kv_creation_cut_short_is_begun_again, setup),
        cmocka_unit_test_setup(test_kv_empty_file_is_refused, setup),
        cmocka_unit_test_setup(test_kv_file_is_always_as_long_as_its_header_says, setup),
    };

    return cmocka_run_group_tests(tests, make_root, remove_root);
}
