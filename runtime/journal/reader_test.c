#include "tests/harness/journal_kit.h"

static void
test_reader_starts_at_any_seq(void **state)
{
    rt_journal *journal = open_journal(64 * MIB);

    (void)state;
    for (int i = 0; i < 120; i++) {
        append_bytes(journal, 20000);
        append_bytes(journal, 20000);
        append_bytes(journal, 20000);
        CHECK_OK(rt_journal_commit(journal));
    }
    for (uint64_t from = 1; from <= 361; from += 7) {
        rt_journal_reader *reader = NULL;
        rt_record record;
        uint64_t seq = from;

        CHECK_OK(rt_journal_reader_open(JOURNAL_DIR, from, &reader));
        while (rt_journal_reader_next(reader, &record) == RT_OK) {
            CHECK_U64(record.seq, seq);
            seq++;
        }
        CHECK_U64(seq, 361);
        rt_journal_reader_close(reader);
    }
    rt_journal_close(journal);
}

static void
test_reader_follows_a_living_writer_across_segments(void **state)
{
    rt_journal *journal = open_journal(64 * MIB);
    rt_journal_reader *reader = NULL;
    rt_record record;

    (void)state;
    CHECK_OK(rt_journal_reader_open(JOURNAL_DIR, 0, &reader));
    for (uint64_t seq = 1; seq <= 100; seq++) {
        CHECK_ERR(rt_journal_reader_next(reader, &record), RT_EEND);
        append_bytes(journal, 40000);
        CHECK_OK(rt_journal_commit(journal));
        CHECK_OK(rt_journal_reader_next(reader, &record));
        CHECK_U64(record.seq, seq);
    }
    rt_journal_reader_close(reader);
    rt_journal_close(journal);
}

static void
test_reader_at_its_end_sees_what_was_written_since_it_read_ahead(void **state)
{
    rt_journal *journal = open_journal(64 * MIB);
    rt_journal_reader *reader = NULL;

    (void)state;
    commit_pair(journal, "one");
    CHECK_OK(rt_journal_reader_open(JOURNAL_DIR, 0, &reader));
    check_next(reader, 1, "one");
    commit_pair(journal, "two");
    check_next(reader, 2, "one");
    check_next(reader, 3, "two");
    check_next(reader, 4, "two");
    rt_journal_reader_close(reader);
    rt_journal_close(journal);
}

static void
test_reader_left_behind_learns_that_its_segment_went(void **state)
{
    rt_journal *journal = open_journal(3 * MIB);
    rt_journal_reader *reader = NULL;
    rt_record record;
    rt_err err = RT_OK;

    (void)state;
    append_bytes(journal, 60000);
    CHECK_OK(rt_journal_commit(journal));
    CHECK_OK(rt_journal_reader_open(JOURNAL_DIR, 0, &reader));
    CHECK_OK(rt_journal_reader_next(reader, &record));
    for (int i = 0; i < 200; i++) {
        append_bytes(journal, 60000);
        CHECK_OK(rt_journal_commit(journal));
        rt_journal_release(journal, rt_journal_committed(journal));
    }
    while (err == RT_OK) {
        err = rt_journal_reader_next(reader, &record);
    }
    CHECK_ERR(err, RT_ENOTFOUND);
    rt_journal_reader_close(reader);
    rt_journal_close(journal);
}

static void
test_reader_without_a_journal_finds_none(void **state)
{
    rt_journal_reader *reader = NULL;

    (void)state;
    CHECK_ERR(rt_journal_reader_open(JOURNAL_DIR, 0, &reader), RT_ENOTFOUND);
    CHECK_OK(rt_dir_make(JOURNAL_DIR));
    CHECK_ERR(rt_journal_reader_open(JOURNAL_DIR, 0, &reader), RT_ENOTFOUND);
}

static void
test_journal_half_written_group_is_retried_and_not_read(void **state)
{
    rt_journal *journal = open_journal(64 * MIB);
    rt_journal_reader *reader = NULL;
    rt_record record;

    (void)state;
    commit_pair(journal, "one");
    CHECK_OK(rt_journal_reader_open(JOURNAL_DIR, 0, &reader));
    check_next(reader, 1, "one");
    check_next(reader, 2, "one");
    CHECK_ERR(rt_journal_reader_next(reader, &record), RT_EEND);

    for (int i = 0; i < 64; i++) {
        (void)append(journal, "two");
    }
    sim_disk_fail_next(SIM_DISK_WRITE, 1, RT_ENOSPC);
    CHECK_ERR(rt_journal_commit(journal), RT_ENOSPC);
    for (int i = 0; i < 200; i++) {
        CHECK_ERR(rt_journal_reader_next(reader, &record), RT_EEND);
    }
    CHECK_OK(rt_journal_commit(journal));
    for (uint64_t seq = 3; seq < 67; seq++) {
        check_next(reader, seq, "two");
    }
    CHECK_ERR(rt_journal_reader_next(reader, &record), RT_EEND);
    rt_journal_reader_close(reader);
    rt_journal_close(journal);
}

int
main(void)
{
#define TEST(f) cmocka_unit_test_setup(f, setup)
    const struct CMUnitTest tests[] = {
        TEST(test_reader_starts_at_any_seq),
        TEST(test_reader_follows_a_living_writer_across_segments),
        TEST(test_reader_at_its_end_sees_what_was_written_since_it_read_ahead),
        TEST(test_reader_left_behind_learns_that_its_segment_went),
        TEST(test_reader_without_a_journal_finds_none),
        TEST(test_journal_half_written_group_is_retried_and_not_read),
    };

    return CHECK_RUN(tests);
}
