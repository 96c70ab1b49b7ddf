#include <stdio.h>
#include <string.h>

#include "runtime/base/alloc.h"
#include "tests/harness/journal_kit.h"

#define REPORTS_MAX 16
#define GROUP_BYTES 60096 // a record of 60,000 bytes and its COMMIT

typedef struct reports {
    rt_segment_report items[REPORTS_MAX];
    size_t count;
} reports;

static reports told;

static void
on_segment(void *user, const rt_segment_report *report)
{
    reports *all = user;

    CHECK_TRUE(all->count < REPORTS_MAX);
    all->items[all->count] = *report;
    all->count++;
}

static void
scrub(void)
{
    told.count = 0;
    CHECK_OK(rt_journal_scrub(JOURNAL_DIR, on_segment, &told));
}

// Four segments of 17 records each.
static rt_journal *
write_segments(void)
{
    rt_journal *journal = open_journal(64 * MIB);

    for (int i = 0; i < 4 * 17; i++) {
        append_bytes(journal, 60000);
        CHECK_OK(rt_journal_commit(journal));
    }
    return journal;
}

static const char *
path_of(uint64_t first_seq)
{
    static char path[128];

    (void)snprintf(path, sizeof(path), JOURNAL_DIR "/%016llx.seg", (unsigned long long)first_seq);
    return path;
}

static void
check_damaged(size_t index, const char *text)
{
    CHECK_ERR(told.items[index].err, RT_ECORRUPT);
    if (strstr(told.items[index].detail, text) == NULL) {
        CHECK_CSTR(told.items[index].detail, text);
    }
}

static void
test_scrub_tells_of_every_segment(void **state)
{
    rt_journal *journal = write_segments();

    (void)state;
    scrub(); // beside the owner
    CHECK_U64(told.count, 4);
    for (size_t i = 0; i < told.count; i++) {
        CHECK_OK(told.items[i].err);
        CHECK_U64(told.items[i].first_seq, 1 + 17 * i);
        CHECK_U64(told.items[i].last_seq, 17 * (i + 1));
        CHECK_U64(told.items[i].bytes, MIB);
        CHECK_FALSE(told.items[i].is_mark_damaged);
        CHECK_FALSE(told.items[i].is_beginning_missing);
    }
    rt_journal_close(journal);
}

static void
test_scrub_names_all_damage_and_reads_on(void **state)
{
    (void)state;
    rt_journal_close(write_segments());
    CHECK_TRUE(sim_disk_flip_bit(path_of(1), 8 * (DATA_AT + 100000)));
    CHECK_TRUE(sim_disk_flip_bit(path_of(35), 8 * 20)); // header
    CHECK_TRUE(sim_disk_flip_bit(path_of(52), 8 * (512 + 20))); // mark

    scrub();
    CHECK_U64(told.count, 4);
    check_damaged(0, "0000000000000001.seg, offset 64192, seq 2: wrong checksum");
    CHECK_U64(told.items[0].last_seq, 1);
    CHECK_OK(told.items[1].err);
    check_damaged(2, "wrong checksum of the segment header");
    CHECK_OK(told.items[3].err);
    CHECK_TRUE(told.items[3].is_mark_damaged);
}

static void
test_scrub_names_damage_to_the_last_group_of_a_segment(void **state)
{
    (void)state;
    rt_journal_close(write_segments());
    CHECK_TRUE(sim_disk_flip_bit(path_of(18), 8 * (DATA_AT + 17 * GROUP_BYTES - 200)));
    CHECK_TRUE(sim_disk_flip_bit(path_of(52), 8 * (DATA_AT + 17 * GROUP_BYTES - 200)));
    scrub();
    check_damaged(1, "seq 34: wrong checksum, where records up to 34 were durable");
    check_damaged(3, "seq 68: wrong checksum, where records up to 68 were durable");

    // Without the marks only the segment behind can tell.
    CHECK_TRUE(sim_disk_flip_bit(path_of(18), 8 * (512 + 20)));
    CHECK_TRUE(sim_disk_flip_bit(path_of(52), 8 * (512 + 20)));
    scrub();
    check_damaged(1, "seq 34: wrong checksum, and the next segment begins with seq 35");
    CHECK_OK(told.items[3].err);
    CHECK_U64(told.items[3].last_seq, 67);
}

static void
test_scrub_names_missing_segments(void **state)
{
    (void)state;
    rt_journal_close(write_segments());
    CHECK_OK(rt_file_remove(path_of(1)));
    CHECK_OK(rt_file_remove(path_of(52)));
    scrub();
    CHECK_U64(told.count, 2);
    CHECK_TRUE(told.items[0].is_beginning_missing);
    CHECK_OK(told.items[0].err);
    check_damaged(1, "0000000000000034.seg is missing");
}

static void
test_scrub_names_a_segment_of_another_journal(void **state)
{
    rt_file *file = NULL;
    uint8_t *bytes = rt_alloc(MIB);
    size_t len = 0;

    (void)state;
    rt_journal_close(write_segments());
    CHECK_OK(rt_file_open(path_of(18), RT_FILE_READ, &file));
    CHECK_OK(rt_file_pread(file, bytes, MIB, 0, &len));
    rt_file_close(file);
    sim_disk_reset();
    rt_journal_close(write_segments()); // another salt, so other checksums and another chain
    CHECK_OK(rt_file_open(path_of(18), RT_FILE_WRITE, &file));
    CHECK_OK(rt_file_pwrite(file, (rt_bytes){bytes, len}, 0));
    rt_file_close(file);
    rt_free(bytes);
    scrub();
    check_damaged(0, "0000000000000012.seg, offset 0: does not continue the chain of");
    check_damaged(1, "0000000000000023.seg, offset 0: does not continue the chain of");
    CHECK_OK(told.items[2].err);
}

static void
test_scrub_without_a_journal_finds_none(void **state)
{
    (void)state;
    CHECK_ERR(rt_journal_scrub(JOURNAL_DIR, on_segment, &told), RT_ENOTFOUND);
    CHECK_OK(rt_dir_make(JOURNAL_DIR));
    CHECK_ERR(rt_journal_scrub(JOURNAL_DIR, on_segment, &told), RT_ENOTFOUND);
}

static void
test_scrub_name_too_long_is_refused(void **state)
{
    char dir[1024];

    (void)state;
    memset(dir, 'x', sizeof(dir));
    dir[1024 - 32 + 1] = '\0';
    CHECK_ERR(rt_journal_scrub(dir, on_segment, &told), RT_EINVAL);
}

static void
test_scrub_any_failing_call_is_told_of_its_segment(void **state)
{
    static const sim_disk_op ops[] = {SIM_DISK_OPEN, SIM_DISK_READ, SIM_DISK_SIZE};
    rt_journal *journal = NULL;

    (void)state;
    rt_journal_close(write_segments());
    for (size_t i = 0; i < RT_COUNT(ops); i++) {
        size_t told_of = 0;

        for (uint64_t nth = 1; nth <= 150; nth++) {
            size_t failed = 0;

            sim_disk_fail_next(ops[i], nth, RT_EIO);
            scrub();
            CHECK_U64(told.count, 4);
            for (size_t s = 0; s < told.count; s++) {
                failed += told.items[s].err == RT_EIO;
                CHECK_TRUE(told.items[s].err == RT_OK || told.items[s].err == RT_EIO);
                CHECK_INT(told.items[s].detail[0] != '\0', told.items[s].err != RT_OK);
            }
            CHECK_TRUE(failed <= 1); // none when it was only a look at the segment behind
            told_of += failed;
        }
        CHECK_TRUE(told_of >= 4);
        sim_disk_fail_next(ops[i], 0, RT_OK);
    }
    sim_disk_reset(); // and of a segment that is nearly empty
    journal = open_journal(64 * MIB);
    commit_pair(journal, "one");
    rt_journal_close(journal);
    for (uint64_t nth = 1; told.items[0].err != RT_OK || nth < 4; nth++) {
        sim_disk_fail_next(SIM_DISK_READ, nth, RT_EIO);
        scrub();
        CHECK_TRUE(told.items[0].err == RT_OK || told.items[0].err == RT_EIO);
    }
    sim_disk_fail_next(SIM_DISK_READ, 0, RT_OK);
    sim_disk_fail_next(SIM_DISK_LIST, 1, RT_EIO);
    told.count = 0;
    CHECK_ERR(rt_journal_scrub(JOURNAL_DIR, on_segment, &told), RT_EIO);
    CHECK_U64(told.count, 0);
}

static void
recycle_meanwhile(void *user)
{
    rt_journal *journal = user;

    for (int i = 0; i < 60; i++) {
        append_bytes(journal, 60000);
        CHECK_OK(rt_journal_commit(journal));
        rt_journal_release(journal, rt_journal_committed(journal));
    }
}

static void
test_scrub_leaves_out_what_was_recycled_meanwhile(void **state)
{
    static const sim_disk_op ops[] = {SIM_DISK_OPEN, SIM_DISK_READ, SIM_DISK_SIZE};
    size_t left_out = 0;

    (void)state;
    for (size_t i = 0; i < RT_COUNT(ops); i++) {
        for (uint64_t nth = 1; nth <= 20; nth++) {
            rt_journal *journal = NULL;

            sim_disk_reset();
            rt_journal_close(write_segments());
            journal = open_journal(2 * MIB);
            sim_disk_call_next(ops[i], nth, recycle_meanwhile, journal);
            scrub();
            sim_disk_call_next(ops[i], 0, NULL, NULL);
            for (size_t s = 0; s < told.count; s++) {
                CHECK_OK(told.items[s].err);
            }
            left_out += 4 - told.count;
            rt_journal_close(journal);
        }
    }
    CHECK_TRUE(left_out > 40);
}

static void
test_scrub_names_a_segment_that_begins_elsewhere(void **state)
{
    static const uint64_t earlier = 17;
    static const uint64_t group = 99;
    char path[128];

    (void)state;
    rt_journal_close(write_segments());
    change_header(path_of(35), 24, &group, sizeof(group));
    scrub();
    check_damaged(1, "0000000000000023.seg, offset 0: does not continue the chain of");

    sim_disk_reset();
    rt_journal_close(write_segments());
    change_header(path_of(18), 16, &earlier, sizeof(earlier));
    (void)snprintf(path, sizeof(path), "%s", path_of(18));
    CHECK_OK(rt_file_rename(path, path_of(earlier)));
    scrub();
    check_damaged(0, "0000000000000012.seg is missing");
    // without its mark the first cannot know
    CHECK_TRUE(sim_disk_flip_bit(path_of(1), 8 * (512 + 20)));
    scrub();
    check_damaged(0, "0000000000000011.seg, offset 0: does not continue the chain of");
}

int
main(void)
{
#define TEST(f) cmocka_unit_test_setup(f, setup)
    const struct CMUnitTest tests[] = {
        TEST(test_scrub_tells_of_every_segment),
        TEST(test_scrub_names_all_damage_and_reads_on),
        TEST(test_scrub_names_damage_to_the_last_group_of_a_segment),
        TEST(test_scrub_names_missing_segments),
        TEST(test_scrub_names_a_segment_of_another_journal),
        TEST(test_scrub_without_a_journal_finds_none),
        TEST(test_scrub_name_too_long_is_refused),
        TEST(test_scrub_any_failing_call_is_told_of_its_segment),
        TEST(test_scrub_leaves_out_what_was_recycled_meanwhile),
        TEST(test_scrub_names_a_segment_that_begins_elsewhere),
    };

    return CHECK_RUN(tests);
}
