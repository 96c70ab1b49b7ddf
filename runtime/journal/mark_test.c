// What the notes in a segment's first block prove, seen through the journal.
#include <stdio.h>
#include <string.h>

#include "runtime/journal/internal.h"
#include "tests/harness/journal_kit.h"

#define GROUP_BYTES (80 + 64) // two records of 34 bytes and 6 of padding, COMMIT
#define MARK_AT 512u
#define OLDEST_AT 1024u
#define SEGMENTS 4

// A journal of three groups of two records in one segment.
static void
write_three(void)
{
    rt_journal *journal = open_journal(64 * MIB);

    for (int i = 0; i < 3; i++) {
        commit_pair(journal, "five5");
    }
    rt_journal_close(journal);
}

// One of SEGMENTS segments; 17 records fill one.
static void
write_segments(uint64_t max_bytes, int records)
{
    rt_journal *journal = open_journal(max_bytes);

    for (int i = 0; i < records; i++) {
        append_bytes(journal, 60000);
        CHECK_OK(rt_journal_commit(journal));
        rt_journal_release(journal, rt_journal_committed(journal));
    }
    rt_journal_close(journal);
}

static const char *
path_of(uint64_t first_seq)
{
    static char path[128];

    (void)snprintf(path, sizeof(path), JOURNAL_DIR "/%016llx.seg", (unsigned long long)first_seq);
    return path;
}

// The first seqs of the segments there are.
static size_t
list_segments(uint64_t seqs[SEGMENTS * 2])
{
    size_t count = 0;

    for (uint64_t seq = 1; seq < 200; seq++) {
        if (rt_file_exists(path_of(seq))) {
            seqs[count] = seq;
            count++;
        }
    }
    return count;
}

static void
write_at(const char *path, uint64_t at, const void *bytes, size_t len)
{
    rt_file *file = NULL;

    CHECK_OK(rt_file_open(path, RT_FILE_WRITE, &file));
    CHECK_OK(rt_file_pwrite(file, (rt_bytes){bytes, len}, at));
    CHECK_OK(rt_file_sync(file));
    rt_file_close(file);
}

static void
check_refused(const char *text)
{
    rt_journal *journal = NULL;

    CHECK_ERR(reopen(&journal), RT_ECORRUPT);
    if (strstr(rt_err_detail(), text) == NULL) {
        CHECK_CSTR(rt_err_detail(), text);
    }
}

static void
test_mark_damage_to_the_last_group_is_no_torn_tail(void **state)
{
    (void)state;
    write_three();
    for (uint64_t at = DATA_AT + 2 * GROUP_BYTES; at < DATA_AT + 3 * GROUP_BYTES; at++) {
        rt_journal_reader *reader = NULL;
        rt_journal_info info;
        rt_record record;

        CHECK_TRUE(sim_disk_flip_bit(FIRST_SEGMENT, at * 8 + at % 8));
        check_refused(FIRST_SEGMENT ", offset 4"); // 4384 and on
        CHECK_TRUE(strstr(rt_err_detail(), "records up to 6 were durable") != NULL ||
                   strstr(rt_err_detail(), "padding") != NULL);
        CHECK_ERR(rt_journal_verify(JOURNAL_DIR, &info), RT_ECORRUPT);
        CHECK_OK(rt_journal_reader_open(JOURNAL_DIR, 0, &reader));
        for (uint64_t seq = 1; seq <= 4; seq++) {
            check_next(reader, seq, "five5");
        }
        CHECK_ERR(rt_journal_reader_next(reader, &record), RT_ECORRUPT);
        CHECK_ERR(rt_journal_reader_next(reader, &record), RT_ECORRUPT);
        rt_journal_reader_close(reader);
        CHECK_TRUE(sim_disk_flip_bit(FIRST_SEGMENT, at * 8 + at % 8));
    }
    CHECK_U64(last_seq_on_disk(), 6);
}

static void
test_mark_outlives_the_sectors_of_the_groups(void **state)
{
    (void)state;
    write_three();
    scribble(DATA_AT, DATA_AT + 512, 0);
    check_refused("records up to 6 were durable");
}

static void
test_mark_that_rots_is_told_and_written_anew(void **state)
{
    (void)state;
    for (uint64_t at = MARK_AT; at < MARK_AT + 72; at++) {
        rt_journal *journal = NULL;
        rt_journal_info info;

        sim_disk_reset();
        write_three();
        CHECK_TRUE(sim_disk_flip_bit(FIRST_SEGMENT, at * 8 + at % 8));
        CHECK_OK(rt_journal_verify(JOURNAL_DIR, &info));
        CHECK_U64(info.damaged_marks, 1);
        CHECK_OK(reopen(&journal));
        CHECK_U64(rt_journal_info_get(journal).damaged_marks, 1);
        CHECK_U64(rt_journal_info_get(journal).last_seq, 6);
        commit_pair(journal, "seven");
        rt_journal_close(journal);
        CHECK_OK(reopen(&journal));
        CHECK_U64(rt_journal_info_get(journal).damaged_marks, 0);
        rt_journal_close(journal);
    }
}

static void
test_mark_of_an_earlier_segment_that_rots_is_told(void **state)
{
    uint64_t seqs[SEGMENTS * 2];
    rt_journal *journal = NULL;

    (void)state;
    write_segments(64 * MIB, 17 * SEGMENTS);
    CHECK_TRUE(list_segments(seqs) >= SEGMENTS);
    CHECK_TRUE(sim_disk_flip_bit(path_of(seqs[1]), MARK_AT * 8 + 200));
    CHECK_OK(reopen(&journal));
    CHECK_U64(rt_journal_info_get(journal).damaged_marks, 1);
    rt_journal_close(journal);
}

static void
test_mark_without_syncs_claims_nothing(void **state)
{
    rt_journal_config config = {JOURNAL_DIR, MIB, 64 * MIB, false};
    rt_journal *journal = NULL;

    (void)state;
    CHECK_OK(rt_journal_open(&config, &journal));
    commit_pair(journal, "five5");
    commit_pair(journal, "five5");
    rt_journal_close(journal);
    scribble(DATA_AT + GROUP_BYTES, DATA_AT + 2 * GROUP_BYTES, 0);
    CHECK_OK(reopen(&journal));
    CHECK_U64(rt_journal_info_get(journal).last_seq, 2);
    rt_journal_close(journal);
}

static void
test_mark_of_a_failed_commit_claims_nothing(void **state)
{
    rt_journal *journal = open_journal(64 * MIB);

    (void)state;
    commit_pair(journal, "five5");
    (void)append(journal, "torn");
    sim_disk_fail_next(SIM_DISK_SYNC, 1, RT_EIO);
    CHECK_ERR(rt_journal_commit(journal), RT_EIO);
    rt_journal_close(journal);
    scribble(DATA_AT + GROUP_BYTES, DATA_AT + 2 * GROUP_BYTES, 0);
    CHECK_OK(reopen(&journal));
    CHECK_U64(rt_journal_info_get(journal).last_seq, 2);
    rt_journal_close(journal);
}

static void
test_mark_that_cannot_be_written_poisons_the_journal(void **state)
{
    rt_journal *journal = open_journal(64 * MIB);

    (void)state;
    commit_pair(journal, "five5");
    (void)append(journal, "two");
    sim_disk_fail_next(SIM_DISK_WRITE, 2, RT_ENOSPC);
    CHECK_ERR(rt_journal_commit(journal), RT_EIO);
    CHECK_U64(rt_journal_committed(journal), 2);
    CHECK_ERR(rt_journal_commit(journal), RT_EIO);
    rt_journal_close(journal);
}

static void
test_mark_of_another_chain_is_refused(void **state)
{
    uint8_t other[32] = {1, 2, 3};

    (void)state;
    // A header that was put together from two journals: what follows it is chained to something
    // else.
    write_three();
    change_header(FIRST_SEGMENT, 48, other, sizeof(other));
    check_refused("offset 4096");
}

static void
test_segment_that_is_missing_at_the_end_is_named(void **state)
{
    uint64_t seqs[SEGMENTS * 2];
    rt_journal_info info;
    size_t count = 0;

    (void)state;
    write_segments(64 * MIB, 17 * SEGMENTS);
    count = list_segments(seqs);
    CHECK_TRUE(count >= SEGMENTS);
    CHECK_OK(rt_file_remove(path_of(seqs[count - 1])));
    check_refused("is missing");
    CHECK_ERR(rt_journal_verify(JOURNAL_DIR, &info), RT_ECORRUPT);
    CHECK_TRUE(strstr(rt_err_detail(), "is missing") != NULL);
}

static void
test_segment_that_is_missing_in_between_is_named(void **state)
{
    uint64_t seqs[SEGMENTS * 2];

    (void)state;
    write_segments(64 * MIB, 17 * SEGMENTS);
    CHECK_TRUE(list_segments(seqs) >= SEGMENTS);
    CHECK_OK(rt_file_remove(path_of(seqs[1])));
    check_refused("is missing");
}

static void
test_segment_that_is_missing_at_the_beginning_is_told(void **state)
{
    uint64_t seqs[SEGMENTS * 2];
    rt_journal *journal = NULL;
    rt_journal_info info;

    (void)state;
    write_segments(64 * MIB, 17 * SEGMENTS);
    CHECK_TRUE(list_segments(seqs) >= SEGMENTS);
    CHECK_OK(rt_file_remove(path_of(seqs[0])));
    CHECK_OK(reopen(&journal));
    CHECK_TRUE(rt_journal_info_get(journal).is_beginning_missing);
    rt_journal_close(journal);
    CHECK_OK(rt_journal_verify(JOURNAL_DIR, &info));
    CHECK_TRUE(info.is_beginning_missing);
}

static void
test_segment_that_went_by_retention_is_not_missed(void **state)
{
    uint64_t seqs[SEGMENTS * 2];
    rt_journal *journal = NULL;
    rt_journal_info info;

    (void)state;
    write_segments(3 * MIB, 200); // recycled
    CHECK_OK(reopen(&journal));
    CHECK_TRUE(rt_journal_info_get(journal).first_seq > 1);
    CHECK_FALSE(rt_journal_info_get(journal).is_beginning_missing);
    rt_journal_close(journal);
    write_segments(2 * MIB, 40); // removed
    CHECK_OK(rt_journal_verify(JOURNAL_DIR, &info));
    CHECK_TRUE(info.first_seq > 200);
    CHECK_FALSE(info.is_beginning_missing);
    // and a note that rots is one that is not there
    CHECK_TRUE(list_segments(seqs) == 0);
    CHECK_TRUE(sim_disk_flip_bit(path_of(info.first_seq), OLDEST_AT * 8 + 100));
    CHECK_OK(rt_journal_verify(JOURNAL_DIR, &info));
    CHECK_TRUE(info.is_beginning_missing);
}

static void
test_segment_under_another_name_is_refused(void **state)
{
    uint64_t seqs[SEGMENTS * 2];
    char other[128];

    (void)state;
    write_segments(64 * MIB, 17 * SEGMENTS);
    CHECK_TRUE(list_segments(seqs) >= SEGMENTS);
    (void)snprintf(other, sizeof(other), "%s", path_of(seqs[1]));
    CHECK_OK(rt_file_rename(other, JOURNAL_DIR "/aside"));
    CHECK_OK(rt_file_rename(path_of(seqs[2]), other));
    CHECK_OK(rt_file_rename(JOURNAL_DIR "/aside", path_of(seqs[2])));
    check_refused("the header belongs to seq");
}

static void
test_segment_that_does_not_follow_is_refused(void **state)
{
    const uint64_t group = 0;
    const uint64_t later_group = 1000;
    const int64_t at_ms = 1;
    const uint8_t chain[32] = {9};
    uint64_t seqs[SEGMENTS * 2];

    (void)state;
    write_segments(64 * MIB, 17 * SEGMENTS);
    CHECK_TRUE(list_segments(seqs) >= SEGMENTS);
    change_header(path_of(seqs[2]), 24, &group, sizeof(group));
    check_refused("is older than that of");

    sim_disk_reset();
    write_segments(64 * MIB, 17 * SEGMENTS);
    change_header(path_of(seqs[2]), 40, &at_ms, sizeof(at_ms));
    check_refused("is older than that of");

    sim_disk_reset();
    write_segments(64 * MIB, 17 * SEGMENTS);
    change_header(path_of(seqs[1]), 24, &later_group, sizeof(later_group));
    check_refused("does not continue the chain of");

    sim_disk_reset();
    write_segments(64 * MIB, 17 * SEGMENTS);
    change_header(path_of(seqs[1]), 48, chain, sizeof(chain));
    check_refused("does not continue the chain of");
}

static void
test_segment_of_the_first_format_is_read(void **state)
{
    const uint32_t version = 1;
    const uint32_t newer = 3;
    const uint8_t nothing[1024] = {0};
    uint64_t seqs[SEGMENTS * 2];
    rt_journal *journal = NULL;
    size_t count = 0;

    (void)state;
    write_segments(64 * MIB, 17 * SEGMENTS);
    count = list_segments(seqs);
    for (size_t i = 0; i < count; i++) {
        change_header(path_of(seqs[i]), 8, &version, sizeof(version));
        write_at(path_of(seqs[i]), MARK_AT, nothing, sizeof(nothing));
    }
    CHECK_OK(rt_file_remove(path_of(seqs[0]))); // it did not say what retention took
    CHECK_OK(reopen(&journal));
    CHECK_FALSE(rt_journal_info_get(journal).is_beginning_missing);
    CHECK_U64(rt_journal_info_get(journal).damaged_marks, 0);
    CHECK_U64(rt_journal_info_get(journal).last_seq, 17 * SEGMENTS);
    rt_journal_close(journal);
    change_header(path_of(seqs[1]), 8, &newer, sizeof(newer));
    CHECK_ERR(reopen(&journal), RT_EVERSION);
}

static void
test_segment_cut_off_is_refused_wherever_it_is(void **state)
{
    const uint64_t bytes = 2 * (uint64_t)MIB;
    uint64_t seqs[SEGMENTS * 2];

    (void)state;
    write_segments(64 * MIB, 17 * SEGMENTS);
    CHECK_TRUE(list_segments(seqs) >= SEGMENTS);
    change_header(path_of(seqs[1]), 32, &bytes, sizeof(bytes)); // the file is half of that
    check_refused("cut off");
}

// Writes a mark of a bug's, with a valid checksum, over that of the first segment.
static void
forge_mark(const rt__mark *mark)
{
    rt__segment_header header;
    rt_file *file = NULL;

    CHECK_OK(rt_file_open(FIRST_SEGMENT, RT_FILE_WRITE, &file));
    CHECK_OK(rt__segment_header_read(file, FIRST_SEGMENT, &header));
    CHECK_OK(rt__mark_write(file, header.salt, mark));
    CHECK_OK(rt_file_sync(file));
    rt_file_close(file);
}

static void
test_mark_comes_back_as_it_was_written(void **state)
{
    rt__mark mark = {.is_continued = true,
                     .pos = 0x0102030405060708,
                     .seq = 0x1112131415161718,
                     .group = 0x2122232425262728};
    rt__mark got = {0};
    rt_file *file = NULL;

    (void)state;
    write_three();
    memset(mark.chain, 0xab, sizeof(mark.chain));
    CHECK_OK(rt_file_open(FIRST_SEGMENT, RT_FILE_WRITE, &file));
    for (int i = 0; i < 2; i++) {
        mark.is_continued = i == 0;
        CHECK_OK(rt__mark_write(file, 7, &mark));
        CHECK_OK(rt__mark_read(file, 7, &got));
        CHECK_INT(got.is_continued, mark.is_continued);
        CHECK_U64(got.pos, mark.pos);
        CHECK_U64(got.seq, mark.seq);
        CHECK_U64(got.group, mark.group);
        CHECK_TRUE(memcmp(got.chain, mark.chain, sizeof(got.chain)) == 0);
        CHECK_ERR(rt__mark_read(file, 8, &got), RT_ECORRUPT); // of another life of the file
    }
    rt_file_close(file);
}

static void
test_mark_of_another_chain_hash_is_refused(void **state)
{
    rt_journal *journal = open_journal(64 * MIB);
    rt_journal_info info;
    rt__mark mark = {.pos = DATA_AT + 2 * GROUP_BYTES, .seq = 4, .group = 2};

    (void)state;
    commit_pair(journal, "five5");
    commit_pair(journal, "five5");
    info = rt_journal_info_get(journal);
    rt_journal_close(journal);
    memcpy(mark.chain, info.chain, sizeof(mark.chain));
    forge_mark(&mark);
    CHECK_OK(reopen(&journal)); // this one fits
    rt_journal_close(journal);
    mark.chain[31] ^= 1;
    forge_mark(&mark);
    check_refused("offset 4384: not the chain hash that was noted");
    mark.group = 1; // one that is behind proves nothing
    forge_mark(&mark);
    CHECK_OK(reopen(&journal));
    rt_journal_close(journal);
}

static void
test_segment_that_begins_before_the_end_of_the_one_before_is_refused(void **state)
{
    uint64_t seqs[SEGMENTS * 2];
    uint64_t earlier = 0;
    char path[128];

    (void)state;
    write_segments(64 * MIB, 17 * SEGMENTS);
    CHECK_TRUE(list_segments(seqs) >= SEGMENTS);
    earlier = seqs[1] - 1;
    change_header(path_of(seqs[1]), 16, &earlier, sizeof(earlier));
    (void)snprintf(path, sizeof(path), "%s", path_of(seqs[1]));
    CHECK_OK(rt_file_rename(path, path_of(earlier)));
    check_refused("does not continue the chain of " FIRST_SEGMENT);
}

static void
test_mark_of_a_file_that_was_cut_off_is_none(void **state)
{
    rt_file *file = NULL;
    rt__mark mark;

    (void)state;
    CHECK_OK(rt_dir_make(JOURNAL_DIR));
    CHECK_OK(rt_file_open(FIRST_SEGMENT, RT_FILE_WRITE, &file));
    CHECK_ERR(rt__mark_read(file, 7, &mark), RT_ENOTFOUND); // an empty file
    CHECK_OK(rt__mark_write(file, 7, &(rt__mark){.pos = 5}));
    CHECK_OK(rt__mark_read(file, 7, &mark));
    CHECK_OK(rt_file_fill(file, MARK_AT + 40));
    CHECK_ERR(rt__mark_read(file, 7, &mark), RT_ENOTFOUND); // one that ends in the note
    rt_file_close(file);
}

// What stands in the first segment from `at` on.
static void
read_at(uint64_t at, uint8_t *ret_bytes, size_t len)
{
    rt_file *file = NULL;
    size_t got = 0;

    CHECK_OK(rt_file_open(FIRST_SEGMENT, RT_FILE_READ, &file));
    CHECK_OK(rt_file_pread(file, ret_bytes, len, at, &got));
    CHECK_U64(got, len);
    rt_file_close(file);
}

static void
test_mark_on_disk_is_as_its_format_says(void **state)
{
    rt_journal *journal = open_journal(64 * MIB);
    rt_journal_info info;
    uint8_t salt[4];
    uint8_t note[72 + 8];

    (void)state;
    commit_pair(journal, "five5");
    info = rt_journal_info_get(journal);
    read_at(12, salt, sizeof(salt));
    read_at(MARK_AT, note, sizeof(note));
    CHECK_TRUE(memcmp(note, "CRBRMARK", 8) == 0);
    CHECK_U64(rt__get32(note + 8), rt_crc32c(rt__get32(salt), (rt_bytes){note + 12, 60}));
    CHECK_U64(rt__get32(note + 12), 0); // not continued
    CHECK_U64(rt__get64(note + 16), DATA_AT + GROUP_BYTES);
    CHECK_U64(rt__get64(note + 24), 2);
    CHECK_U64(rt__get64(note + 32), 1);
    CHECK_TRUE(memcmp(note + 40, info.chain, 32) == 0);
    CHECK_U64(rt__get64(note + 72), 0); // and nothing behind it
    rt_journal_close(journal);
}

static void
test_mark_that_may_be_first_is_as_its_format_says(void **state)
{
    rt__segment_header header = {.salt = 7, .first_seq = 0x0102030405060708, .bytes = MIB};
    rt_file *file = NULL;
    uint8_t note[24 + 8];

    (void)state;
    CHECK_OK(rt_dir_make(JOURNAL_DIR));
    CHECK_OK(rt_file_open(FIRST_SEGMENT, RT_FILE_WRITE, &file));
    CHECK_OK(rt_file_fill(file, MIB));
    CHECK_OK(rt__oldest_write(file, &header));
    rt_file_close(file);
    read_at(OLDEST_AT, note, sizeof(note));
    CHECK_TRUE(memcmp(note, "CRBROLD1", 8) == 0);
    CHECK_U64(rt__get32(note + 8), rt_crc32c(7, (rt_bytes){note + 12, 12}));
    CHECK_U64(rt__get32(note + 12), 0);
    CHECK_U64(rt__get64(note + 16), header.first_seq);
    CHECK_U64(rt__get64(note + 24), 0);
}

int
main(void)
{
#define TEST(f) cmocka_unit_test_setup(f, setup)
    const struct CMUnitTest tests[] = {
        TEST(test_mark_damage_to_the_last_group_is_no_torn_tail),
        TEST(test_mark_outlives_the_sectors_of_the_groups),
        TEST(test_mark_that_rots_is_told_and_written_anew),
        TEST(test_mark_of_an_earlier_segment_that_rots_is_told),
        TEST(test_mark_without_syncs_claims_nothing),
        TEST(test_mark_of_a_failed_commit_claims_nothing),
        TEST(test_mark_that_cannot_be_written_poisons_the_journal),
        TEST(test_mark_of_another_chain_is_refused),
        TEST(test_segment_that_is_missing_at_the_end_is_named),
        TEST(test_segment_that_is_missing_in_between_is_named),
        TEST(test_segment_that_is_missing_at_the_beginning_is_told),
        TEST(test_segment_that_went_by_retention_is_not_missed),
        TEST(test_segment_under_another_name_is_refused),
        TEST(test_segment_that_does_not_follow_is_refused),
        TEST(test_segment_of_the_first_format_is_read),
        TEST(test_segment_cut_off_is_refused_wherever_it_is),
        TEST(test_mark_comes_back_as_it_was_written),
        TEST(test_mark_of_another_chain_hash_is_refused),
        TEST(test_segment_that_begins_before_the_end_of_the_one_before_is_refused),
        TEST(test_mark_of_a_file_that_was_cut_off_is_none),
        TEST(test_mark_on_disk_is_as_its_format_says),
        TEST(test_mark_that_may_be_first_is_as_its_format_says),
    };

    return CHECK_RUN(tests);
}
