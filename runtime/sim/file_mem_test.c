#include "runtime/sim/disk.h"

#include "tests/harness/file_cases.h"

static int
setup(void **state)
{
    (void)state;
    sim_disk_reset();
    (void)snprintf(file_cases_root, sizeof(file_cases_root), "/root");
    return rt_dir_make(file_cases_root) == RT_OK ? 0 : -1;
}

static rt_file *
open_writable(const char *name)
{
    rt_file *file = NULL;

    CHECK_OK(rt_file_open(file_cases_path(name), RT_FILE_WRITE, &file));
    return file;
}

static void
test_disk_crash_keeps_what_was_synced(void **state)
{
    rt_rng rng;

    (void)state;
    rt_rng_seed(&rng, 1, 1);
    for (int i = 0; i < 100; i++) {
        rt_arena *arena = rt_arena_new(1024);
        rt_file *file = NULL;
        rt_str text;

        (void)setup(NULL);
        file = open_writable("f");
        CHECK_OK(rt_file_pwrite(file, file_cases_text("synced"), 0));
        CHECK_OK(rt_file_sync(file));
        CHECK_OK(rt_file_pwrite(file, file_cases_text("UNSYNCED"), 6));
        sim_disk_crash(&rng);
        CHECK_ERR(rt_file_pwrite(file, file_cases_text("x"), 0), RT_EIO);
        CHECK_ERR(rt_file_sync(file), RT_EIO);
        rt_file_close(file);
        CHECK_OK(rt_file_read_all(file_cases_path("f"), 100, arena, &text));
        CHECK_TRUE(rt_str_is(text, "synced") || rt_str_is(text, "syncedUNSYNCED"));
        rt_arena_free(arena);
    }
}

static void
test_disk_crash_tears_writes_at_sectors(void **state)
{
    uint8_t ones[4 * SIM_DISK_SECTOR_BYTES];
    uint8_t seen[sizeof(ones)];
    unsigned masks = 0; // which of the 16 outcomes came
    rt_rng rng;

    (void)state;
    memset(ones, 1, sizeof(ones));
    rt_rng_seed(&rng, 1, 1);
    for (int i = 0; i < 500; i++) {
        unsigned mask = 0;
        size_t len = 0;
        rt_file *file = NULL;

        (void)setup(NULL);
        file = open_writable("f");
        CHECK_OK(rt_file_fill(file, sizeof(ones)));
        CHECK_OK(rt_file_pwrite(file, (rt_bytes){ones, sizeof(ones)}, 0));
        sim_disk_crash(&rng);
        rt_file_close(file);
        file = open_writable("f");
        CHECK_OK(rt_file_pread(file, seen, sizeof(seen), 0, &len));
        for (size_t s = 0; s < 4; s++) {
            const uint8_t *sector = seen + s * SIM_DISK_SECTOR_BYTES;

            CHECK_INT(sector[0], sector[SIM_DISK_SECTOR_BYTES - 1]);
            mask |= (unsigned)sector[0] << s;
        }
        masks |= 1u << mask;
        rt_file_close(file);
    }
    CHECK_U64(masks, 0xffff);
}

static void
test_disk_failed_sync_loses_what_it_was_for(void **state)
{
    rt_arena *arena = rt_arena_new(1024);
    rt_file *file = open_writable("f");
    rt_str text;
    rt_rng rng;

    (void)state;
    rt_rng_seed(&rng, 1, 1);
    CHECK_OK(rt_file_pwrite(file, file_cases_text("lost"), 0));
    sim_disk_fail_next(SIM_DISK_SYNC, 1, RT_EIO);
    CHECK_ERR(rt_file_sync(file), RT_EIO);
    CHECK_ERR(rt_file_sync(file), RT_EIO);
    CHECK_OK(rt_file_read_all(file_cases_path("f"), 100, arena, &text));
    CHECK_STR(text, "lost");
    sim_disk_crash(&rng);
    CHECK_OK(rt_file_read_all(file_cases_path("f"), 100, arena, &text));
    CHECK_STR(text, "");
    rt_file_close(file);
    rt_arena_free(arena);
}

static void
test_disk_fails_the_nth_call_once(void **state)
{
    rt_file *file = open_writable("f");

    (void)state;
    sim_disk_fail_next(SIM_DISK_WRITE, 3, RT_ENOSPC);
    CHECK_OK(rt_file_pwrite(file, file_cases_text("1"), 0));
    CHECK_OK(rt_file_pwrite(file, file_cases_text("2"), 0));
    CHECK_ERR(rt_file_pwrite(file, file_cases_text("3"), 0), RT_ENOSPC);
    CHECK_OK(rt_file_pwrite(file, file_cases_text("4"), 0));
    rt_file_close(file);
}

static void
test_disk_full_refuses_growth_only(void **state)
{
    rt_file *file = open_writable("f");
    uint64_t room = 0;

    (void)state;
    sim_disk_set_capacity(10);
    CHECK_OK(rt_file_pwrite(file, file_cases_text("12345678"), 0));
    CHECK_OK(rt_dir_free_bytes(file_cases_root, &room));
    CHECK_U64(room, 2);
    CHECK_ERR(rt_file_pwrite(file, file_cases_text("xyz"), 8), RT_ENOSPC);
    CHECK_OK(rt_file_pwrite(file, file_cases_text("87654321"), 0));
    CHECK_ERR(rt_file_fill(file, 11), RT_ENOSPC);
    rt_file_close(file);
    CHECK_OK(rt_file_remove(file_cases_path("f")));
    CHECK_U64(sim_disk_used_bytes(), 0);
}

static void
test_disk_flips_one_bit(void **state)
{
    rt_arena *arena = rt_arena_new(1024);
    rt_str text;

    (void)state;
    CHECK_OK(rt_file_replace(file_cases_path("f"), file_cases_text("aa")));
    CHECK_TRUE(sim_disk_flip_bit(file_cases_path("f"), 8 + 1));
    CHECK_FALSE(sim_disk_flip_bit(file_cases_path("f"), 16));
    CHECK_OK(rt_file_read_all(file_cases_path("f"), 100, arena, &text));
    CHECK_STR(text, "ac");
    rt_arena_free(arena);
}

static void
test_disk_crash_frees_locks(void **state)
{
    rt_lock *old = NULL;
    rt_lock *lock = NULL;
    rt_lock *third = NULL;
    rt_rng rng;

    (void)state;
    rt_rng_seed(&rng, 1, 1);
    CHECK_OK(rt_lock_take(file_cases_path("lock"), &old));
    sim_disk_crash(&rng);
    CHECK_OK(rt_lock_take(file_cases_path("lock"), &lock));
    rt_lock_free(old);
    CHECK_ERR(rt_lock_take(file_cases_path("lock"), &third), RT_ELOCKED);
    rt_lock_free(lock);
}

int
main(void)
{
#define TEST(f) cmocka_unit_test_setup(f, setup)
    const struct CMUnitTest tests[] = {
        TEST(test_disk_crash_keeps_what_was_synced),
        TEST(test_disk_crash_tears_writes_at_sectors),
        TEST(test_disk_failed_sync_loses_what_it_was_for),
        TEST(test_disk_fails_the_nth_call_once),
        TEST(test_disk_full_refuses_growth_only),
        TEST(test_disk_flips_one_bit),
        TEST(test_disk_crash_frees_locks),
        FILE_CASES,
    };

    return cmocka_run_group_tests(tests, setup, NULL);
}
