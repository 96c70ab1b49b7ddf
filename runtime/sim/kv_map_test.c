#include "runtime/sim/disk.h"
#include "runtime/sim/sim.h"

#include "tests/harness/kv_cases.h"

static int
setup(void **state)
{
    (void)state;
    sim_disk_reset();
    sim_reset(1);
    (void)snprintf(kv_cases_dir, sizeof(kv_cases_dir), "/state/kv");
    return 0;
}

static void
test_kv_crash_leaves_a_started_commit_whole_or_absent(void **state)
{
    rt_rng rng;
    int present = 0;

    (void)state;
    rt_rng_seed(&rng, 3, 1);
    for (int i = 0; i < 200; i++) {
        kv_cases_done done = {.err = RT_OK};
        rt_kv *kv = NULL;
        rt_kv_batch *batch = kv_cases_batch("a", "2");
        rt_arena *arena = rt_arena_new(1024);
        rt_bytes value;

        (void)setup(NULL);
        done.loop = rt_loop_new();
        kv = kv_cases_open();
        kv_cases_put(kv, "a", "1");
        rt_kv_batch_put(batch, kv_cases_text("b"), kv_cases_text("2"));
        rt_kv_commit_start(kv, batch, done.loop, kv_cases_on_done, &done);
        sim_disk_crash(&rng);
        CHECK_ERR(rt_kv_get(kv, kv_cases_text("a"), arena, &value), RT_EIO);
        rt_kv_close(kv);
        CHECK_INT(done.count, 1);
        CHECK_ERR(done.err, RT_EIO);

        kv = kv_cases_open();
        CHECK_OK(rt_kv_get(kv, kv_cases_text("a"), arena, &value));
        kv_cases_check(kv, "b", value.ptr[0] == '2' ? "2" : NULL);
        present += value.ptr[0] == '2';
        rt_kv_close(kv);
        rt_loop_free(done.loop);
        rt_arena_free(arena);
    }
    CHECK_TRUE(present > 50 && present < 150);
}

static void
test_kv_commit_can_be_made_to_fail(void **state)
{
    rt_kv *kv = kv_cases_open();
    rt_kv_batch *batch = kv_cases_batch("a", "1");

    (void)state;
    sim_disk_fail_next(SIM_DISK_COMMIT, 1, RT_EIO);
    CHECK_ERR(rt_kv_commit(kv, batch), RT_EIO);
    kv_cases_check(kv, "a", NULL);
    CHECK_OK(rt_kv_commit(kv, batch));
    kv_cases_check(kv, "a", "1");
    rt_kv_batch_free(batch);
    rt_kv_close(kv);
}

static void
test_kv_rotten_key_out_of_order_is_refused(void **state)
{
    rt_kv *kv = kv_cases_open();

    (void)state;
    kv_cases_put(kv, "a", "1");
    kv_cases_put(kv, "b", "2");
    rt_kv_close(kv);
    CHECK_FALSE(sim_kv_flip_bit(kv_cases_dir, 4 * 8)); // two keys and values of one byte
    CHECK_FALSE(sim_kv_flip_bit("/elsewhere", 0));
    CHECK_TRUE(sim_kv_flip_bit(kv_cases_dir, 8)); // a value is the caller's to check
    kv = kv_cases_open();
    kv_cases_check(kv, "a", "0");
    rt_kv_close(kv);
    CHECK_TRUE(sim_kv_flip_bit(kv_cases_dir, 1)); // a becomes c
    CHECK_ERR(rt_kv_open(kv_cases_dir, KV_CASES_MAP_BYTES, &kv), RT_ECORRUPT);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        KV_CASES(setup),
        cmocka_unit_test_setup(test_kv_crash_leaves_a_started_commit_whole_or_absent, setup),
        cmocka_unit_test_setup(test_kv_commit_can_be_made_to_fail, setup),
        cmocka_unit_test_setup(test_kv_rotten_key_out_of_order_is_refused, setup),
    };
    int failed = CHECK_RUN(tests);

    sim_disk_reset();
    sim_reset(1);
    return failed;
}
