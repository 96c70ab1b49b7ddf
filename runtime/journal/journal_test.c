#include "runtime/journal/journal.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/base/alloc.h"
#include "runtime/base/hash.h"
#include "runtime/base/rng.h"
#include "runtime/base/text.h"
#include "tests/harness/journal_kit.h"

#define SEEDS 2000
#define STEPS 40
#define RECORDS_MAX 4096

static void
test_journal_records_come_back_as_they_were(void **state)
{
    rt_journal *journal = open_journal(64 * MIB);
    rt_journal_reader *reader = NULL;
    rt_record record;

    (void)state;
    rt_mpw_cstr(rt_journal_begin(journal, RT_RECORD_EVENT, RT_RECORD_UNDECIDED, 2000), "a");
    CHECK_OK(rt_journal_end(journal, &record));
    CHECK_U64(record.seq, 1);
    (void)rt_journal_begin(journal, RT_RECORD_REJECT, 0, 1500);
    CHECK_OK(rt_journal_end(journal, &record));
    CHECK_OK(rt_journal_commit(journal));
    rt_journal_close(journal);

    CHECK_OK(rt_journal_reader_open(JOURNAL_DIR, 0, &reader));
    CHECK_OK(rt_journal_reader_next(reader, &record));
    CHECK_INT(record.kind, RT_RECORD_EVENT);
    CHECK_INT(record.flags, RT_RECORD_UNDECIDED);
    CHECK_INT(record.at_ms, 2000);
    CHECK_OK(rt_journal_reader_next(reader, &record));
    CHECK_INT(record.kind, RT_RECORD_REJECT);
    CHECK_U64(record.seq, 2);
    CHECK_INT(record.at_ms, 2000); // a clock set back does not take the journal back
    CHECK_U64(record.payload.len, 0);
    CHECK_ERR(rt_journal_reader_next(reader, &record), RT_EEND);
    rt_journal_reader_close(reader);
}

static void
test_journal_group_counts_what_is_pending(void **state)
{
    rt_journal *journal = open_journal(64 * MIB);

    (void)state;
    (void)append(journal, "a");
    rt_mpw_cstr(rt_journal_begin(journal, RT_RECORD_EVENT, 0, 1), "dropped");
    rt_journal_cancel(journal);
    (void)append(journal, "b");

    CHECK_U64(rt_journal_pending(journal), 2);
    CHECK_U64(rt_journal_pending_bytes(journal), 64);
    CHECK_U64(rt_journal_next_seq(journal), 3);
    CHECK_U64(rt_journal_committed(journal), 0);
    CHECK_OK(rt_journal_commit(journal));
    CHECK_U64(rt_journal_pending(journal), 0);
    CHECK_U64(rt_journal_committed(journal), 2);
    CHECK_OK(rt_journal_commit(journal)); // nothing pending: nothing written
    CHECK_U64(rt_journal_committed(journal), 2);
    rt_journal_close(journal);
    CHECK_U64(last_seq_on_disk(), 2);
}

static void
test_journal_views_last_until_the_next_group_is_committed(void **state)
{
    rt_journal *journal = open_journal(64 * MIB);
    rt_record first;
    rt_bytes want = {(const uint8_t *)"\xa5"
                                      "first",
                     6};

    (void)state;
    first = append(journal, "first");
    for (int i = 0; i < 1000; i++) {
        (void)append(journal, "other");
    }
    CHECK_BYTES(first.payload, want);
    CHECK_OK(rt_journal_commit(journal));
    for (int i = 0; i < 1000; i++) {
        (void)append(journal, "later");
    }
    CHECK_OK(rt_journal_commit(journal));
    CHECK_BYTES(first.payload, want);
    rt_journal_close(journal);
}

static void
test_journal_too_large_record_is_dropped_alone(void **state)
{
    rt_journal *journal = open_journal(64 * MIB);
    rt_record record;
    rt_mpw *w = NULL;

    (void)state;
    (void)append(journal, "a");
    w = rt_journal_begin(journal, RT_RECORD_EVENT, 0, 1);
    CHECK_TRUE(rt_mpw_reserve(w, MIB) == NULL);
    CHECK_ERR(rt_journal_end(journal, &record), RT_ELIMIT);
    (void)append(journal, "b");
    CHECK_OK(rt_journal_commit(journal));
    rt_journal_close(journal);
    CHECK_U64(last_seq_on_disk(), 2);
}

static void
test_journal_fullest_group_fits(void **state)
{
    rt_journal *journal = open_journal(64 * MIB);
    rt_record record;

    (void)state;
    append_bytes(journal, MIB - DATA_AT - 64 - 32 - 28 - 4);
    (void)rt_journal_begin(journal, RT_RECORD_EVENT, 0, 1);
    CHECK_ERR(rt_journal_end(journal, &record), RT_ELIMIT);
    CHECK_OK(rt_journal_commit(journal));
    commit_pair(journal, "next segment");
    rt_journal_close(journal);
    CHECK_U64(last_seq_on_disk(), 3);
}

static void
test_journal_reopened_continues_the_chain(void **state)
{
    rt_journal *journal = open_journal(64 * MIB);
    rt_journal_info before;
    rt_journal_info after;

    (void)state;
    commit_pair(journal, "one");
    before = rt_journal_info_get(journal);
    rt_journal_close(journal);
    journal = open_journal(64 * MIB);
    after = rt_journal_info_get(journal);

    CHECK_TRUE(memcmp(before.chain, after.chain, sizeof(after.chain)) == 0);
    CHECK_U64(after.last_seq, 2);
    CHECK_INT(after.last_at_ms, 1000);
    CHECK_U64(after.torn_bytes, 0);
    commit_pair(journal, "two");
    before = rt_journal_info_get(journal);
    rt_journal_close(journal);
    CHECK_OK(rt_journal_verify(JOURNAL_DIR, &after));
    CHECK_U64(after.last_seq, 4);
    CHECK_TRUE(memcmp(before.chain, after.chain, sizeof(after.chain)) == 0);
}

static void
test_journal_pending_records_are_not_written_by_close(void **state)
{
    rt_journal *journal = open_journal(64 * MIB);

    (void)state;
    commit_pair(journal, "one");
    (void)append(journal, "lost");
    rt_journal_close(journal);
    CHECK_U64(last_seq_on_disk(), 2);
}

static void
test_journal_rotates_and_keeps_what_is_not_released(void **state)
{
    rt_journal *journal = open_journal(2 * MIB);
    rt_journal_info info;

    (void)state;
    for (int i = 0; i < 100; i++) {
        append_bytes(journal, 60000);
        append_bytes(journal, 20);
        CHECK_OK(rt_journal_commit(journal));
    }
    info = rt_journal_info_get(journal);
    CHECK_U64(info.first_seq, 1);
    CHECK_TRUE(info.segments >= 6);
    rt_journal_close(journal);
    CHECK_OK(rt_journal_verify(JOURNAL_DIR, &info));
    CHECK_U64(info.last_seq, 200);
    journal = open_journal(2 * MIB);
    CHECK_U64(rt_journal_info_get(journal).last_seq, 200);
    rt_journal_close(journal);
}

static void
test_journal_recycles_released_segments(void **state)
{
    rt_journal *journal = open_journal(3 * MIB);
    rt_journal_reader *reader = NULL;
    rt_journal_info info;
    rt_record record;

    (void)state;
    for (int i = 0; i < 200; i++) {
        append_bytes(journal, 60000);
        CHECK_OK(rt_journal_commit(journal));
        rt_journal_release(journal, rt_journal_committed(journal));
    }
    info = rt_journal_info_get(journal);
    CHECK_TRUE(info.bytes <= 3 * MIB);
    CHECK_TRUE(info.first_seq > 100);
    CHECK_U64(sim_disk_used_bytes(), info.bytes);

    CHECK_OK(rt_journal_reader_open(JOURNAL_DIR, 5, &reader));
    CHECK_OK(rt_journal_reader_next(reader, &record));
    CHECK_U64(record.seq, info.first_seq);
    rt_journal_reader_close(reader);
    rt_journal_close(journal);
    CHECK_OK(rt_journal_verify(JOURNAL_DIR, &info));
    CHECK_U64(info.last_seq, 200);
}

static void
test_journal_shrinks_to_a_lower_limit(void **state)
{
    rt_journal *journal = open_journal(64 * MIB);

    (void)state;
    for (int i = 0; i < 100; i++) {
        append_bytes(journal, 60000);
        CHECK_OK(rt_journal_commit(journal));
    }
    rt_journal_close(journal);
    journal = open_journal(2 * MIB);
    for (int i = 0; i < 40; i++) {
        append_bytes(journal, 60000);
        CHECK_OK(rt_journal_commit(journal));
        rt_journal_release(journal, rt_journal_committed(journal));
    }
    CHECK_TRUE(rt_journal_info_get(journal).bytes <= 3 * MIB);
    rt_journal_close(journal);
    CHECK_U64(last_seq_on_disk(), 140);
}

static void
test_journal_full_disk_keeps_the_group(void **state)
{
    rt_journal *journal = open_journal(64 * MIB);

    (void)state;
    sim_disk_set_capacity(MIB + MIB / 2);
    for (int i = 0; i < 17; i++) {
        append_bytes(journal, 60000);
        CHECK_OK(rt_journal_commit(journal));
    }
    append_bytes(journal, 60000);
    CHECK_ERR(rt_journal_commit(journal), RT_ENOSPC);
    CHECK_U64(rt_journal_committed(journal), 17);
    append_bytes(journal, 60000);
    CHECK_ERR(rt_journal_commit(journal), RT_ENOSPC);
    CHECK_U64(rt_journal_pending(journal), 2);

    sim_disk_set_capacity(64 * MIB);
    CHECK_OK(rt_journal_commit(journal));
    CHECK_U64(rt_journal_committed(journal), 19);
    rt_journal_close(journal);
    CHECK_U64(last_seq_on_disk(), 19);
}

static void
check_poisoned_by(sim_disk_op op)
{
    rt_journal *journal = NULL;
    rt_record record;

    sim_disk_reset();
    journal = open_journal(64 * MIB);
    commit_pair(journal, "one");
    (void)append(journal, "two");
    sim_disk_fail_next(op, 1, RT_EIO);
    CHECK_ERR(rt_journal_commit(journal), RT_EIO);
    CHECK_ERR(rt_journal_commit(journal), RT_EIO);
    rt_mpw_cstr(rt_journal_begin(journal, RT_RECORD_EVENT, 0, 1), "three");
    CHECK_ERR(rt_journal_end(journal, &record), RT_EIO);
    CHECK_U64(rt_journal_committed(journal), 2);
    rt_journal_close(journal);
}

static void
test_journal_failed_disk_poisons_it(void **state)
{
    (void)state;
    check_poisoned_by(SIM_DISK_WRITE);
    check_poisoned_by(SIM_DISK_SYNC);
}

static void
test_journal_adopts_or_replaces_a_left_over_spare(void **state)
{
    static const uint64_t sizes[] = {0, 5000, MIB, 3 * MIB};

    (void)state;
    for (size_t i = 0; i < RT_COUNT(sizes); i++) {
        rt_file *file = NULL;
        rt_journal *journal = NULL;

        sim_disk_reset();
        CHECK_OK(rt_dir_make(JOURNAL_DIR));
        CHECK_OK(rt_file_open(JOURNAL_DIR "/spare.tmp", RT_FILE_WRITE, &file));
        CHECK_OK(rt_file_fill(file, sizes[i]));
        rt_file_close(file);
        journal = open_journal(64 * MIB);
        commit_pair(journal, "one");
        CHECK_U64(sim_disk_used_bytes(), MIB);
        rt_journal_close(journal);
        CHECK_U64(last_seq_on_disk(), 2);
    }
}

static void
test_journal_reopened_keeps_a_whole_spare_and_no_other(void **state)
{
    static const uint64_t sizes[] = {MIB, MIB - 1, MIB + 1};

    (void)state;
    for (size_t i = 0; i < RT_COUNT(sizes); i++) {
        bool is_whole = sizes[i] == MIB;
        rt_file *file = NULL;
        rt_journal *journal = NULL;

        sim_disk_reset();
        rt_journal_close(open_journal(64 * MIB));
        CHECK_OK(rt_file_open(JOURNAL_DIR "/spare.tmp", RT_FILE_WRITE, &file));
        CHECK_OK(rt_file_fill(file, sizes[i]));
        rt_file_close(file);
        sim_disk_fail_next(SIM_DISK_SIZE, 1, RT_EIO);
        CHECK_ERR(reopen(&journal), RT_EIO);
        CHECK_TRUE(rt_file_exists(JOURNAL_DIR "/spare.tmp"));
        journal = open_journal(64 * MIB);
        CHECK_U64(rt_journal_info_get(journal).bytes, MIB); // none of it is written yet
        CHECK_INT(rt_file_exists(JOURNAL_DIR "/spare.tmp"), is_whole);
        rt_journal_close(journal);
    }
}

static void
test_journal_spare_of_a_former_life_whose_sync_failed_is_not_trusted(void **state)
{
    static const uint8_t zeros[MIB];
    rt_journal *journal = NULL;
    rt_file *file = NULL;
    rt_rng rng;

    (void)state;
    sim_disk_reset();
    rt_journal_close(open_journal(64 * MIB));
    CHECK_OK(rt_file_open(JOURNAL_DIR "/spare.tmp", RT_FILE_WRITE, &file));
    CHECK_OK(rt_file_pwrite(file, (rt_bytes){zeros, MIB}, 0));
    sim_disk_fail_next(SIM_DISK_SYNC, 1, RT_EIO);
    CHECK_ERR(rt_file_sync(file), RT_EIO); // there for all to see, and never on the disk
    rt_file_close(file);
    journal = open_journal(64 * MIB);
    for (int i = 0; i < 2; i++) {
        append_bytes(journal, 1040000);
        CHECK_OK(rt_journal_commit(journal));
    }
    rt_rng_seed(&rng, 1, 1);
    sim_disk_crash(&rng);
    rt_journal_close(journal);

    CHECK_U64(last_seq_on_disk(), 2);
}

static void
test_journal_spare_is_ready_when_three_quarters_are_used(void **state)
{
    static const size_t sizes[] = {1000, 20000, 100000, 130000};

    (void)state;
    for (size_t i = 0; i < RT_COUNT(sizes); i++) {
        rt_journal *journal = NULL;
        uint64_t used = DATA_AT;

        sim_disk_reset();
        journal = open_journal(64 * MIB);
        for (; used < MIB * 3 / 4; used += (sizes[i] + 28 + 7) / 8 * 8 + 64) {
            CHECK_TRUE(sim_disk_used_bytes() <= 2 * MIB);
            CHECK_TRUE(used < MIB / 2 || sim_disk_used_bytes() > MIB);
            CHECK_TRUE(used > MIB / 2 || sim_disk_used_bytes() == MIB);
            CHECK_U64(rt_journal_info_get(journal).bytes, sim_disk_used_bytes());
            append_bytes(journal, sizes[i]);
            CHECK_OK(rt_journal_commit(journal));
        }
        CHECK_U64(sim_disk_used_bytes(), 2 * MIB);
        CHECK_U64(rt_journal_info_get(journal).bytes, 2 * MIB);
        rt_journal_close(journal);
    }
}

static void
test_journal_spare_is_begun_at_half_of_the_segment(void **state)
{
    rt_journal *journal = open_journal(64 * MIB);

    (void)state;
    append_bytes(journal, MIB / 2 - DATA_AT - 64 - 28 - 8); // up to one word before
    CHECK_OK(rt_journal_commit(journal));
    CHECK_U64(sim_disk_used_bytes(), MIB);
    rt_journal_close(journal);
    sim_disk_reset();
    journal = open_journal(64 * MIB);
    append_bytes(journal, MIB / 2 - DATA_AT - 64 - 28);
    CHECK_OK(rt_journal_commit(journal));
    CHECK_TRUE(sim_disk_used_bytes() > MIB);
    rt_journal_close(journal);
}

static void
test_journal_of_many_segments_keeps_them_all(void **state)
{
    rt_journal *journal = open_journal(64 * MIB);
    rt_journal_info info;

    (void)state;
    for (int i = 0; i < 40; i++) {
        append_bytes(journal, 900000);
        CHECK_OK(rt_journal_commit(journal));
    }
    CHECK_U64(rt_journal_info_get(journal).segments, 40);
    rt_journal_close(journal);
    CHECK_OK(rt_journal_verify(JOURNAL_DIR, &info));
    CHECK_U64(info.segments, 40);
    CHECK_U64(info.last_seq, 40);
    CHECK_U64(info.bytes, 40 * MIB);
    journal = open_journal(64 * MIB);
    CHECK_U64(rt_journal_info_get(journal).segments, 40);
    rt_journal_close(journal);
}

static void
test_journal_full_to_the_last_byte_takes_no_empty_record(void **state)
{
    rt_journal *journal = open_journal(64 * MIB);
    rt_record record;

    (void)state;
    append_bytes(journal, MIB - DATA_AT - 64 - 28 - 4); // and 4 of padding: nothing is left
    (void)rt_journal_begin(journal, RT_RECORD_EVENT, 0, 1);
    CHECK_ERR(rt_journal_end(journal, &record), RT_ELIMIT);
    CHECK_OK(rt_journal_commit(journal));
    CHECK_U64(rt_journal_info_get(journal).segments, 1);
    rt_journal_close(journal);

    journal = open_journal(64 * MIB);
    CHECK_U64(rt_journal_info_get(journal).last_seq, 1);
    CHECK_U64(rt_journal_info_get(journal).torn_bytes, 0);
    commit_pair(journal, "next segment");
    CHECK_U64(rt_journal_info_get(journal).segments, 2);
    rt_journal_close(journal);
    CHECK_U64(last_seq_on_disk(), 3);
}

static void
test_journal_does_not_recycle_segments_of_another_size(void **state)
{
    rt_journal_config config = {JOURNAL_DIR, 2 * MIB, 5 * MIB, true};
    rt_journal *journal = open_journal(64 * MIB);

    (void)state;
    for (int i = 0; i < 3; i++) {
        append_bytes(journal, 900000);
        CHECK_OK(rt_journal_commit(journal));
    }
    rt_journal_close(journal);
    CHECK_OK(rt_journal_open(&config, &journal));
    for (int i = 0; i < 8; i++) {
        append_bytes(journal, 900000);
        CHECK_OK(rt_journal_commit(journal));
        rt_journal_release(journal, rt_journal_committed(journal));
    }
    CHECK_TRUE(rt_journal_info_get(journal).bytes <= 5 * MIB);
    CHECK_TRUE(rt_journal_info_get(journal).first_seq > 3);
    CHECK_U64(sim_disk_used_bytes(), rt_journal_info_get(journal).bytes);
    rt_journal_close(journal);
    CHECK_U64(last_seq_on_disk(), 11);
}

static void
test_journal_name_too_long_is_refused(void **state)
{
    char dir[1024];
    rt_journal_config config = {dir, MIB, 64 * MIB, true};
    rt_journal_reader *reader = NULL;
    rt_journal *journal = NULL;
    rt_journal_info info;

    (void)state;
    memset(dir, 'x', sizeof(dir));
    dir[0] = '/';
    dir[1024 - 32 + 1] = '\0'; // one more than fits before a segment's name
    CHECK_ERR(rt_journal_open(&config, &journal), RT_EINVAL);
    CHECK_ERR(rt_journal_reader_open(dir, 0, &reader), RT_EINVAL);
    CHECK_ERR(rt_journal_verify(dir, &info), RT_EINVAL);
    CHECK_TRUE(journal == NULL && reader == NULL);
    for (size_t i = 100; i < sizeof(dir); i += 100) {
        dir[i] = '/';
    }
    dir[1024 - 32] = '\0'; // the longest
    CHECK_OK(rt_journal_open(&config, &journal));
    commit_pair(journal, "one");
    rt_journal_close(journal);
    CHECK_OK(rt_journal_verify(dir, &info));
    CHECK_U64(info.last_seq, 2);
}

static void
test_journal_closed_twice_is_fine(void **state)
{
    (void)state;
    rt_journal_close(NULL);
    rt_journal_reader_close(NULL);
}

static void
test_journal_directory_that_is_a_file_is_refused(void **state)
{
    rt_journal *journal = NULL;

    (void)state;
    CHECK_OK(rt_dir_make("/state"));
    CHECK_OK(rt_file_replace(JOURNAL_DIR, (rt_bytes){NULL, 0}));
    CHECK_ERR(reopen(&journal), RT_EINVAL);
}

// --- every call that can fail -------------------------------------------------------------------

// How many calls of a kind the story below makes, and some more.
static const uint64_t story_calls[SIM_DISK_OPS] = {
    [SIM_DISK_OPEN] = 25, [SIM_DISK_READ] = 50,   [SIM_DISK_WRITE] = 80, [SIM_DISK_SYNC] = 50,
    [SIM_DISK_FILL] = 8,  [SIM_DISK_RENAME] = 15, [SIM_DISK_REMOVE] = 8, [SIM_DISK_COMMIT] = 0,
    [SIM_DISK_SIZE] = 25, [SIM_DISK_LIST] = 5};

// Sizes of its records in turn: even ones, for which the spare is ready in time, and others that
// come before it is.
static const size_t story_sizes[][6] = {{300000, 300000, 300000, 300000, 300000, 300000},
                                        {550000, 10000, 900000, 520000, 10000, 950000}};

static uint64_t story_acked; // records acknowledged

// Opens until it succeeds; only one call fails, so the second time at the latest it does.
static rt_journal *
open_stubbornly(uint64_t max_bytes)
{
    rt_journal_config config = {JOURNAL_DIR, MIB, max_bytes, true};
    rt_journal *journal = NULL;
    rt_err err = rt_journal_open(&config, &journal);

    if (err != RT_OK) {
        CHECK_TRUE(err == RT_EIO || err == RT_ENOSPC);
        CHECK_TRUE(journal == NULL);
        CHECK_OK(rt_journal_open(&config, &journal));
    }
    CHECK_TRUE(rt_journal_committed(journal) >= story_acked);
    return journal;
}

// Some commits, each tried until it succeeds, whatever has to be opened again for it.
static rt_journal *
commit_stubbornly(rt_journal *journal, uint64_t max_bytes, const size_t *sizes)
{
    for (int i = 0; i < 9; i++) {
        rt_err err = RT_OK;

        append_bytes(journal, sizes[i % 6]);
        err = rt_journal_commit(journal);
        if (err == RT_ENOSPC) {
            CHECK_U64(rt_journal_committed(journal), story_acked);
            err = rt_journal_commit(journal);
            CHECK_OK(err);
        } else if (err != RT_OK) {
            CHECK_ERR(err, RT_EIO);
            CHECK_ERR(rt_journal_commit(journal), RT_EIO); // poisoned
            rt_journal_close(journal);
            journal = open_stubbornly(max_bytes);
            story_acked = rt_journal_committed(journal);
            continue;
        }
        story_acked++;
        CHECK_U64(rt_journal_committed(journal), story_acked);
        rt_journal_release(journal, story_acked);
    }
    return journal;
}

static void
tell_story(sim_disk_op op, uint64_t nth, rt_err err, const size_t *sizes)
{
    rt_journal *journal = NULL;

    sim_disk_reset();
    story_acked = 0;
    sim_disk_fail_next(op, nth, err);
    journal = commit_stubbornly(open_stubbornly(4 * MIB), 4 * MIB, sizes);
    rt_journal_close(journal);
    // with less room than before
    journal = commit_stubbornly(open_stubbornly(2 * MIB), 2 * MIB, sizes);
    CHECK_TRUE(rt_journal_info_get(journal).bytes <= 3 * MIB);
    rt_journal_close(journal);
    sim_disk_fail_next(op, 0, RT_OK);
    CHECK_TRUE(sim_disk_used_bytes() <= 3 * MIB);
    CHECK_U64(last_seq_on_disk(), story_acked);
}

static void
test_journal_any_failing_call_loses_nothing_acknowledged(void **state)
{
    (void)state;
    for (int op = 0; op < SIM_DISK_OPS; op++) {
        for (uint64_t nth = 1; nth <= story_calls[op]; nth++) {
            tell_story((sim_disk_op)op, nth, RT_EIO, story_sizes[nth % 2]);
            tell_story((sim_disk_op)op, nth, RT_ENOSPC, story_sizes[(nth + 1) % 2]);
        }
    }
}

// A journal whose last group was written by half.
static void
write_torn(void)
{
    rt_journal *journal = open_journal(64 * MIB);

    commit_pair(journal, "one");
    append_bytes(journal, 100000);
    append_bytes(journal, 500000);
    sim_disk_fail_next(SIM_DISK_WRITE, 1, RT_ENOSPC);
    CHECK_ERR(rt_journal_commit(journal), RT_ENOSPC);
    rt_journal_close(journal);
}

static void
test_journal_torn_group_is_wiped_whatever_fails_meanwhile(void **state)
{
    (void)state;
    for (int op = 0; op < SIM_DISK_OPS; op++) {
        for (uint64_t nth = 1; nth <= story_calls[op] / 3; nth++) {
            rt_journal *journal = NULL;
            rt_journal_info info;

            sim_disk_reset();
            write_torn();
            story_acked = 2;
            sim_disk_fail_next((sim_disk_op)op, nth, RT_EIO);
            journal = open_stubbornly(64 * MIB);
            sim_disk_fail_next((sim_disk_op)op, 0, RT_OK);
            CHECK_U64(rt_journal_committed(journal), 2);
            commit_pair(journal, "two");
            rt_journal_close(journal);
            CHECK_OK(rt_journal_verify(JOURNAL_DIR, &info));
            CHECK_U64(info.last_seq, 4);
            CHECK_U64(info.torn_bytes, 0); // nothing of the torn group is left
        }
    }
}

static void
test_journal_tells_what_was_torn(void **state)
{
    rt_journal *journal = NULL;

    (void)state;
    write_torn();
    journal = open_journal(64 * MIB);
    CHECK_U64(rt_journal_info_get(journal).torn_records, 1);
    CHECK_U64(rt_journal_info_get(journal).torn_bytes, 100032 + 500032); // as the headers say
    rt_journal_close(journal);
}

static void
test_journal_without_syncs_is_read_back(void **state)
{
    rt_journal_config config = {JOURNAL_DIR, MIB, 64 * MIB, false};
    rt_journal *journal = NULL;

    (void)state;
    CHECK_OK(rt_journal_open(&config, &journal));
    for (int i = 0; i < 40; i++) {
        append_bytes(journal, 60000);
        CHECK_OK(rt_journal_commit(journal));
    }
    CHECK_U64(rt_journal_info_get(journal).segments, 3);
    rt_journal_close(journal);
    CHECK_U64(last_seq_on_disk(), 40);
    CHECK_OK(rt_journal_open(&config, &journal));
    CHECK_U64(rt_journal_committed(journal), 40);
    rt_journal_close(journal);
}

// Two groups of a former life that never synced.
static void
write_unmarked(void)
{
    rt_journal_config config = {JOURNAL_DIR, MIB, 64 * MIB, false};
    rt_journal *journal = NULL;

    CHECK_OK(rt_journal_open(&config, &journal));
    for (int i = 0; i < 2; i++) {
        append_bytes(journal, 100000);
        CHECK_OK(rt_journal_commit(journal));
    }
    rt_journal_close(journal);
}

static void
test_journal_groups_of_unknown_durability_are_written_again_whatever_fails(void **state)
{
    (void)state;
    for (int op = 0; op < SIM_DISK_OPS; op++) {
        for (uint64_t nth = 1; nth <= story_calls[op] / 3; nth++) {
            rt_journal *journal = NULL;

            sim_disk_reset();
            write_unmarked();
            story_acked = 2;
            sim_disk_fail_next((sim_disk_op)op, nth, RT_EIO);
            journal = open_stubbornly(64 * MIB);
            sim_disk_fail_next((sim_disk_op)op, 0, RT_OK);
            CHECK_U64(rt_journal_committed(journal), 2);
            commit_pair(journal, "two");
            rt_journal_close(journal);
            CHECK_U64(last_seq_on_disk(), 4);
        }
    }
}

// Opening with the nth call of each kind failing: an error that nobody tells would make one succeed
// before the calls are used up.
static void
check_opening_tells_every_failure(void (*write)(void))
{
    static const sim_disk_op ops[] = {SIM_DISK_OPEN,  SIM_DISK_READ, SIM_DISK_WRITE,
                                      SIM_DISK_SYNC, SIM_DISK_SIZE, SIM_DISK_LIST};

    for (size_t i = 0; i < RT_COUNT(ops); i++) {
        uint64_t opened = 0;

        for (uint64_t nth = 1; opened < 4; nth++) {
            rt_journal *journal = NULL;
            rt_err err = RT_OK;

            sim_disk_reset();
            write();
            sim_disk_fail_next(ops[i], nth, RT_EIO);
            err = reopen(&journal);
            sim_disk_fail_next(ops[i], 0, RT_OK);
            CHECK_ERR(err, opened > 0 || err == RT_OK ? RT_OK : RT_EIO);
            opened += err == RT_OK;
            rt_journal_close(journal);
        }
    }
}

static void
write_four_segments(void)
{
    rt_journal *journal = open_journal(64 * MIB);

    for (int i = 0; i < 4; i++) {
        append_bytes(journal, 900000);
        CHECK_OK(rt_journal_commit(journal));
    }
    rt_journal_close(journal);
}

static void
test_journal_opening_tells_every_failure(void **state)
{
    (void)state;
    check_opening_tells_every_failure(write_torn);
    check_opening_tells_every_failure(write_unmarked);
    check_opening_tells_every_failure(write_four_segments);
}

static void
test_journal_opening_writes_nothing_where_nothing_is_to_mend(void **state)
{
    static const sim_disk_op ops[] = {SIM_DISK_WRITE, SIM_DISK_SYNC, SIM_DISK_FILL, SIM_DISK_RENAME,
                                      SIM_DISK_REMOVE};
    rt_journal_config config = {JOURNAL_DIR, MIB, 64 * MIB, false};
    rt_journal *journal = NULL;

    (void)state;
    for (int unmarked = 0; unmarked < 2; unmarked++) {
        sim_disk_reset();
        (unmarked ? write_unmarked : write_four_segments)();
        for (size_t i = 0; i < RT_COUNT(ops); i++) {
            sim_disk_fail_next(ops[i], 1, RT_EIO);
        }
        config.sync = !unmarked; // who does not sync has nothing to make durable either
        CHECK_OK(rt_journal_open(&config, &journal));
        CHECK_U64(rt_journal_committed(journal), unmarked ? 2 : 4);
        rt_journal_close(journal);
    }
}

static void
cut_off(void *user)
{
    rt_file *file = NULL;

    (void)user;
    CHECK_OK(rt_file_open(FIRST_SEGMENT, RT_FILE_WRITE, &file));
    CHECK_OK(rt_file_fill(file, DATA_AT + 100));
    rt_file_close(file);
}

static void
test_journal_cut_off_while_it_is_opened_is_refused(void **state)
{
    int shorter = 0;

    (void)state;
    for (uint64_t nth = 1; nth <= 8; nth++) {
        rt_journal *journal = NULL;
        rt_err err = RT_OK;

        sim_disk_reset();
        write_unmarked();
        sim_disk_call_next(SIM_DISK_READ, nth, cut_off, NULL);
        err = reopen(&journal);
        CHECK_TRUE(err == RT_OK || err == RT_EIO || err == RT_ECORRUPT);
        shorter += err == RT_EIO && strstr(rt_err_detail(), "became shorter") != NULL;
        rt_journal_close(journal);
    }
    CHECK_TRUE(shorter > 0);
}

static void
test_journal_recycling_that_fails_when_it_is_needed_keeps_the_group(void **state)
{
    static const rt_err errs[] = {RT_ENOSPC, RT_EIO};

    (void)state;
    for (size_t i = 0; i < RT_COUNT(errs); i++) {
        rt_journal *journal = NULL;

        sim_disk_reset();
        journal = open_journal(2 * MIB);
        for (int k = 0; k < 3; k++) {
            append_bytes(journal, 1040000); // the next one finds the spare ready
            CHECK_OK(rt_journal_commit(journal));
            append_bytes(journal, 10000); // and this one leaves none
            CHECK_OK(rt_journal_commit(journal));
            rt_journal_release(journal, rt_journal_committed(journal));
        }
        append_bytes(journal, 1040000);
        sim_disk_fail_next(SIM_DISK_RENAME, 1, errs[i]);
        CHECK_ERR(rt_journal_commit(journal), errs[i]);
        CHECK_U64(rt_journal_committed(journal), 6);
        if (errs[i] == RT_ENOSPC) {
            CHECK_OK(rt_journal_commit(journal));
            CHECK_U64(rt_journal_committed(journal), 7);
            CHECK_TRUE(rt_journal_info_get(journal).bytes <= 3 * MIB);
        }
        rt_journal_close(journal);
        CHECK_U64(last_seq_on_disk(), errs[i] == RT_ENOSPC ? 7 : 6);
    }
}

// --- against a model ------------------------------------------------------------------------
// Random appends, commits, releases and power cuts on the simulated disk, against a model that
// knows what was acknowledged. A failure prints the seed; CEREBRO_SEED=<n> runs that one alone
// (1..2000).

typedef struct model {
    rt_rng rng;
    rt_journal *journal;
    rt_journal_reader *reader; // follows the writer; NULL after a crash
    uint64_t read_seq;
    uint64_t hashes[RECORDS_MAX + 1]; // of record seq
    uint64_t count;                   // appended
    uint64_t acked;                   // acknowledged by a commit
    uint64_t released;
    int64_t now_ms;
    uint64_t max_bytes;
    uint64_t lost; // crashes that took an unacknowledged group
    uint64_t kept; // crashes that it survived
} model;

static uint64_t seed; // of the run, 0 outside of one

static uint64_t
hash_of(const rt_record *record)
{
    uint64_t facts[3] = {record->seq, (uint64_t)record->at_ms,
                         (uint64_t)record->kind << 8 | record->flags};

    return rt_hash64(record->payload,
                     rt_hash64((rt_bytes){(const uint8_t *)facts, sizeof(facts)}, 1));
}

static void
open_model(model *m)
{
    rt_journal_config config = {JOURNAL_DIR, MIB, m->max_bytes, true};

    CHECK_OK(rt_journal_open(&config, &m->journal));
    CHECK_OK(rt_journal_reader_open(JOURNAL_DIR, m->read_seq + 1, &m->reader));
}

static void
append_random(model *m)
{
    rt_record record;
    rt_record_kind kind = (rt_record_kind)(1 + rt_rng_below(&m->rng, 5));
    size_t len = (size_t)rt_rng_below(&m->rng, rt_rng_chance(&m->rng, 0.1) ? 90000 : 300);
    rt_mpw *w = NULL;
    uint8_t *room = NULL;

    if (m->count == RECORDS_MAX) {
        return;
    }
    m->now_ms += (int64_t)rt_rng_below(&m->rng, 3);
    w = rt_journal_begin(m->journal, kind, (uint8_t)rt_rng_below(&m->rng, 2), m->now_ms);
    room = rt_mpw_reserve(w, len);
    if (room == NULL) {
        rt_journal_cancel(m->journal);
        return;
    }
    for (size_t i = 0; i < len; i += 8) {
        uint64_t bits = rt_rng_u64(&m->rng);

        memcpy(room + i, &bits, RT_MIN(len - i, sizeof(bits)));
    }
    w->len += len;
    CHECK_OK(rt_journal_end(m->journal, &record));
    m->count++;
    CHECK_U64(record.seq, m->count);
    m->hashes[m->count] = hash_of(&record);
}

static void
check_read(model *m, const rt_record *record)
{
    CHECK_TRUE(record->seq > m->read_seq);
    CHECK_TRUE(record->seq <= m->count);
    CHECK_U64(hash_of(record), m->hashes[record->seq]);
    m->read_seq = record->seq;
}

// The follower reads on; it may see what is written and not yet acknowledged, but nothing else.
static void
follow(model *m)
{
    rt_record record;
    rt_err err = RT_OK;

    while ((err = rt_journal_reader_next(m->reader, &record)) == RT_OK) {
        check_read(m, &record);
    }
    if (err == RT_ENOTFOUND) {
        rt_journal_reader_close(m->reader);
        CHECK_OK(rt_journal_reader_open(JOURNAL_DIR, m->read_seq + 1, &m->reader));
        return;
    }
    CHECK_ERR(err, RT_EEND);
    CHECK_TRUE(m->read_seq >= m->acked);
}

// Everything kept can be read, is what was appended, and ends where the journal says.
static void
check_content(model *m)
{
    rt_journal_reader *reader = NULL;
    rt_journal_info info;
    rt_record record;
    uint64_t seq = 0;

    CHECK_OK(rt_journal_verify(JOURNAL_DIR, &info));
    CHECK_U64(info.last_seq, m->acked);
    CHECK_OK(rt_journal_reader_open(JOURNAL_DIR, 0, &reader));
    for (seq = info.first_seq; rt_journal_reader_next(reader, &record) == RT_OK; seq++) {
        CHECK_U64(record.seq, seq);
        CHECK_U64(hash_of(&record), m->hashes[seq]);
    }
    CHECK_U64(seq, m->acked + 1);
    CHECK_TRUE(info.first_seq <= m->released + 1);
    rt_journal_reader_close(reader);
}

// What a failed sync left in the page cache looks written to the next process, and to the kernel.
static void
test_journal_group_of_a_failed_sync_is_on_disk_once_it_is_built_on(void **state)
{
    rt_journal *journal = open_journal(64 * MIB);
    rt_rng rng;

    (void)state;
    rt_rng_seed(&rng, 1, 1);
    commit_pair(journal, "first");
    (void)append(journal, "second");
    sim_disk_fail_next(SIM_DISK_SYNC, 1, RT_EIO);
    CHECK_ERR(rt_journal_commit(journal), RT_EIO);
    rt_journal_close(journal); // the process ends, its page cache stays

    journal = open_journal(64 * MIB);
    CHECK_U64(rt_journal_committed(journal), 3);
    commit_pair(journal, "third");
    rt_journal_close(journal);
    sim_disk_crash(&rng);
    CHECK_U64(last_seq_on_disk(), 5);
}

static void
crash(model *m)
{
    uint64_t last = 0;

    rt_journal_close(m->journal);
    rt_journal_reader_close(m->reader);
    sim_disk_crash(&m->rng);
    m->read_seq = RT_MIN(m->read_seq, m->acked);
    open_model(m);
    last = rt_journal_committed(m->journal);
    // All of the group that was being written or nothing of it.
    CHECK_TRUE(last == m->acked || last == m->count);
    m->lost += last < m->count;
    m->kept += last > m->acked;
    m->acked = last;
    m->count = last;
    m->now_ms = rt_journal_info_get(m->journal).last_at_ms;
    check_content(m);
}

static void
commit(model *m)
{
    static const sim_disk_op ops[] = {SIM_DISK_WRITE, SIM_DISK_SYNC, SIM_DISK_SYNC,
                                      SIM_DISK_SYNC,  SIM_DISK_FILL, SIM_DISK_RENAME};
    bool is_cut = rt_rng_chance(&m->rng, 0.15);
    rt_err err = RT_OK;

    if (is_cut) {
        sim_disk_fail_next(ops[rt_rng_below(&m->rng, RT_COUNT(ops))],
                           1 + rt_rng_below(&m->rng, 2), RT_ECRASH);
    } else if (rt_rng_chance(&m->rng, 0.1)) {
        sim_disk_fail_next(SIM_DISK_WRITE, 1, RT_ENOSPC);
        err = rt_journal_commit(m->journal);
        CHECK_TRUE(err == RT_OK || err == RT_ENOSPC); // OK when nothing was pending
        follow(m);
        sim_disk_fail_next(SIM_DISK_WRITE, 0, RT_OK);
    }
    err = rt_journal_commit(m->journal);
    if (err == RT_OK) {
        m->acked = m->count;
    }
    CHECK_U64(rt_journal_committed(m->journal), m->acked);
    if (is_cut) {
        crash(m);
    } else {
        CHECK_OK(err);
    }
}

static void
step(model *m)
{
    uint64_t lot = rt_rng_below(&m->rng, 100);

    if (lot < 55) {
        append_random(m);
    } else if (lot < 85) {
        commit(m);
    } else if (lot < 92) {
        follow(m);
    } else if (lot < 97) {
        m->released = m->acked > 0 ? RT_MAX(m->released, rt_rng_below(&m->rng, m->acked + 1)) : 0;
        rt_journal_release(m->journal, m->released);
    } else {
        crash(m);
    }
}

static void
run_seed(model *m)
{
    uint64_t lost = m->lost;
    uint64_t kept = m->kept;

    *m = (model){.lost = lost, .kept = kept, .now_ms = 1000};
    rt_rng_seed(&m->rng, seed, 1);
    m->max_bytes = (2 + rt_rng_below(&m->rng, 3)) * MIB;
    sim_disk_reset();
    open_model(m);
    for (int i = 0; i < STEPS; i++) {
        step(m);
    }
    CHECK_OK(rt_journal_commit(m->journal));
    m->acked = m->count;
    check_content(m);
    follow(m);
    rt_journal_reader_close(m->reader);
    rt_journal_close(m->journal);
}

static void
test_journal_keeps_its_promises_through_power_cuts(void **state)
{
    model *m = rt_new(model);
    int64_t only = -1;
    const char *wanted = getenv("CEREBRO_SEED");

    (void)state;
    if (wanted != NULL) {
        CHECK_OK(rt_parse_i64(rt_str_of(wanted), &only));
    }
    for (seed = 1; seed <= SEEDS; seed++) {
        if (only < 0 || (uint64_t)only == seed) {
            run_seed(m);
        }
    }
    seed = 0;
    // Both outcomes of a cut in the middle of a commit were met.
    CHECK_TRUE(only >= 0 || (m->lost > 100 && m->kept > 100));
    rt_free(m);
}

static int
say_seed(void **state)
{
    (void)state;
    if (seed != 0) {
        print_error("again with CEREBRO_SEED=%" PRIu64 "\n", seed);
    }
    return 0;
}

int
main(void)
{
#define TEST(f) cmocka_unit_test_setup(f, setup)
    const struct CMUnitTest tests[] = {
        TEST(test_journal_records_come_back_as_they_were),
        TEST(test_journal_group_counts_what_is_pending),
        TEST(test_journal_views_last_until_the_next_group_is_committed),
        TEST(test_journal_too_large_record_is_dropped_alone),
        TEST(test_journal_fullest_group_fits),
        TEST(test_journal_reopened_continues_the_chain),
        TEST(test_journal_pending_records_are_not_written_by_close),
        TEST(test_journal_rotates_and_keeps_what_is_not_released),
        TEST(test_journal_recycles_released_segments),
        TEST(test_journal_shrinks_to_a_lower_limit),
        TEST(test_journal_full_disk_keeps_the_group),
        TEST(test_journal_failed_disk_poisons_it),
        TEST(test_journal_adopts_or_replaces_a_left_over_spare),
        TEST(test_journal_group_of_a_failed_sync_is_on_disk_once_it_is_built_on),
        TEST(test_journal_reopened_keeps_a_whole_spare_and_no_other),
        TEST(test_journal_spare_of_a_former_life_whose_sync_failed_is_not_trusted),
        TEST(test_journal_spare_is_ready_when_three_quarters_are_used),
        TEST(test_journal_spare_is_begun_at_half_of_the_segment),
        TEST(test_journal_of_many_segments_keeps_them_all),
        TEST(test_journal_full_to_the_last_byte_takes_no_empty_record),
        TEST(test_journal_does_not_recycle_segments_of_another_size),
        TEST(test_journal_name_too_long_is_refused),
        TEST(test_journal_closed_twice_is_fine),
        TEST(test_journal_directory_that_is_a_file_is_refused),
        TEST(test_journal_any_failing_call_loses_nothing_acknowledged),
        TEST(test_journal_torn_group_is_wiped_whatever_fails_meanwhile),
        TEST(test_journal_tells_what_was_torn),
        TEST(test_journal_without_syncs_is_read_back),
        TEST(test_journal_groups_of_unknown_durability_are_written_again_whatever_fails),
        TEST(test_journal_opening_tells_every_failure),
        TEST(test_journal_opening_writes_nothing_where_nothing_is_to_mend),
        TEST(test_journal_cut_off_while_it_is_opened_is_refused),
        TEST(test_journal_recycling_that_fails_when_it_is_needed_keeps_the_group),
        {"test_journal_keeps_its_promises_through_power_cuts",
         test_journal_keeps_its_promises_through_power_cuts, setup, say_seed, NULL},
    };

    return CHECK_RUN(tests);
}
