#include <stdio.h>
#include <string.h>

#include "runtime/journal/internal.h"
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

// --- files that change or vanish under it --------------------------------------------------------

#define SECOND_SEGMENT JOURNAL_DIR "/0000000000000012.seg" // behind 17 records of 60,000 bytes

// Three segments of 17 records, and some more.
static void
write_segments(void)
{
    rt_journal *journal = open_journal(64 * MIB);

    for (int i = 0; i < 60; i++) {
        append_bytes(journal, 60000);
        CHECK_OK(rt_journal_commit(journal));
    }
    rt_journal_close(journal);
}

// Changes one byte of a segment's header; its checksum fits again.
static void
change_byte(const char *path, size_t at)
{
    static const uint8_t other = 0xfe; // none of these bytes is that

    change_header(path, at, &other, 1);
}

// Reads to where it stops; the last seq that was read goes to *ret_seq.
static rt_err
read_on(rt_journal_reader *reader, uint64_t *ret_seq)
{
    rt_record record;
    rt_err err = RT_OK;

    while ((err = rt_journal_reader_next(reader, &record)) == RT_OK) {
        CHECK_U64(record.seq, *ret_seq + 1);
        *ret_seq = record.seq;
    }
    return err;
}

static void
check_stops_after(uint64_t last, rt_err want, const char *text)
{
    rt_journal_reader *reader = NULL;
    uint64_t seq = 0;

    CHECK_OK(rt_journal_reader_open(JOURNAL_DIR, 0, &reader));
    for (int i = 0; i < 3; i++) { // and says so again
        CHECK_ERR(read_on(reader, &seq), want);
        CHECK_U64(seq, last);
        CHECK_HAS(rt_str_of(rt_err_detail()), text);
    }
    rt_journal_reader_close(reader);
}

static void
test_reader_next_segment_of_another_chain_or_group_is_damage(void **state)
{
    static const size_t places[] = {24, 48, 79}; // group; first and last byte of the chain

    (void)state;
    for (size_t i = 0; i < RT_COUNT(places); i++) {
        sim_disk_reset();
        write_segments();
        change_byte(SECOND_SEGMENT, places[i]);
        check_stops_after(17, RT_ECORRUPT, "does not continue the chain of " FIRST_SEGMENT);
    }
}

// Without hashes every record has its checksum still, and segments continue one another.
static void
test_reader_that_trusts_reads_the_same_and_names_damage(void **state)
{
    rt_journal_reader *reader = NULL;
    uint64_t seq = 0;

    (void)state;
    write_segments();
    CHECK_OK(rt_journal_reader_open(JOURNAL_DIR, 0, &reader));
    rt_journal_reader_trust(reader);
    CHECK_ERR(read_on(reader, &seq), RT_EEND);
    CHECK_U64(seq, 60);
    rt_journal_reader_close(reader);

    CHECK_TRUE(sim_disk_flip_bit(FIRST_SEGMENT, (DATA_AT + 100000) * 8)); // of the second record
    seq = 0;
    CHECK_OK(rt_journal_reader_open(JOURNAL_DIR, 0, &reader));
    rt_journal_reader_trust(reader);
    CHECK_ERR(read_on(reader, &seq), RT_ECORRUPT);
    CHECK_U64(seq, 1);
    rt_journal_reader_close(reader);

    sim_disk_reset();
    write_segments();
    change_byte(SECOND_SEGMENT, 48); // its chain
    seq = 0;
    CHECK_OK(rt_journal_reader_open(JOURNAL_DIR, 0, &reader));
    rt_journal_reader_trust(reader);
    CHECK_ERR(read_on(reader, &seq), RT_ECORRUPT);
    CHECK_U64(seq, 17);
    rt_journal_reader_close(reader);
}

static void
test_reader_next_segment_with_a_damaged_header_is_damage(void **state)
{
    (void)state;
    write_segments();
    CHECK_TRUE(sim_disk_flip_bit(SECOND_SEGMENT, 30 * 8));
    check_stops_after(17, RT_ECORRUPT, SECOND_SEGMENT ", offset 0: wrong checksum");
}

static void
test_reader_whose_header_was_replaced_learns_that_it_was_recycled(void **state)
{
    static const size_t places[] = {12, 16, 30}; // salt, first seq, invalid

    (void)state;
    for (size_t i = 0; i < RT_COUNT(places); i++) {
        rt_journal *journal = NULL;
        rt_journal_reader *reader = NULL;
        uint64_t seq = 0;

        sim_disk_reset();
        journal = open_journal(64 * MIB);
        commit_pair(journal, "one");
        rt_journal_close(journal);
        CHECK_OK(rt_journal_reader_open(JOURNAL_DIR, 0, &reader));
        if (places[i] == 30) {
            CHECK_TRUE(sim_disk_flip_bit(FIRST_SEGMENT, 30 * 8));
        } else {
            change_byte(FIRST_SEGMENT, places[i]);
        }
        CHECK_ERR(read_on(reader, &seq), RT_ENOTFOUND);
        CHECK_U64(seq, 2);
        CHECK_HAS(rt_str_of(rt_err_detail()), FIRST_SEGMENT " was recycled");
        rt_journal_reader_close(reader);
    }
}

static void
test_reader_of_a_segment_that_is_gone_reads_it_to_its_end(void **state)
{
    rt_journal_reader *reader = NULL;
    uint64_t seq = 0;

    (void)state;
    write_segments();
    CHECK_OK(rt_journal_reader_open(JOURNAL_DIR, 0, &reader));
    CHECK_OK(rt_file_remove(FIRST_SEGMENT));
    CHECK_OK(rt_file_remove(SECOND_SEGMENT));
    CHECK_ERR(read_on(reader, &seq), RT_ENOTFOUND); // it went, and so did the one behind it
    CHECK_U64(seq, 17);
    CHECK_HAS(rt_str_of(rt_err_detail()), FIRST_SEGMENT " was recycled");
    rt_journal_reader_close(reader);
}

static void
test_reader_of_a_journal_that_is_gone_waits_at_its_end(void **state)
{
    rt_journal *journal = open_journal(64 * MIB);
    rt_journal_reader *reader = NULL;
    uint64_t seq = 0;

    (void)state;
    commit_pair(journal, "one");
    rt_journal_close(journal);
    CHECK_OK(rt_journal_reader_open(JOURNAL_DIR, 0, &reader));
    CHECK_OK(rt_file_remove(FIRST_SEGMENT));
    CHECK_ERR(read_on(reader, &seq), RT_EEND);
    CHECK_U64(seq, 2);
    rt_journal_reader_close(reader);
}

static void
test_reader_of_an_empty_segment_waits_there(void **state)
{
    rt_journal *journal = open_journal(64 * MIB);
    rt_journal_reader *reader = NULL;
    uint64_t seq = 0;

    (void)state;
    CHECK_OK(rt_journal_reader_open(JOURNAL_DIR, 0, &reader));
    for (int i = 0; i < 200; i++) {
        CHECK_ERR(read_on(reader, &seq), RT_EEND);
    }
    commit_pair(journal, "one");
    check_next(reader, 1, "one");
    rt_journal_reader_close(reader);
    rt_journal_close(journal);
}

static void
test_reader_opens_what_is_there_by_then(void **state)
{
    rt_journal_reader *reader = NULL;
    rt_record record;

    (void)state;
    write_segments();
    // what was listed is gone when it is opened, so it is listed again
    sim_disk_fail_next(SIM_DISK_OPEN, 1, RT_ENOTFOUND);
    CHECK_OK(rt_journal_reader_open(JOURNAL_DIR, 20, &reader));
    CHECK_OK(rt_journal_reader_next(reader, &record));
    CHECK_U64(record.seq, 20);
    rt_journal_reader_close(reader);
}

static void
test_reader_begins_in_the_segment_of_its_first_record(void **state)
{
    static const uint64_t froms[] = {18, 19, 34, 35, 51, 52, 60};

    (void)state;
    write_segments();
    for (size_t i = 0; i < RT_COUNT(froms); i++) {
        uint64_t segments_before = (froms[i] - 1) / 17;
        rt_journal_reader *reader = NULL;
        rt_record record;
        char path[128];

        // what lies before is not looked at, so damage there is not met
        for (uint64_t s = 0; s < segments_before; s++) {
            (void)snprintf(path, sizeof(path), JOURNAL_DIR "/%016" PRIx64 ".seg", 1 + 17 * s);
            CHECK_TRUE(sim_disk_flip_bit(path, (DATA_AT + 100) * 8));
        }
        CHECK_OK(rt_journal_reader_open(JOURNAL_DIR, froms[i], &reader));
        CHECK_OK(rt_journal_reader_next(reader, &record));
        CHECK_U64(record.seq, froms[i]);
        rt_journal_reader_close(reader);
        for (uint64_t s = 0; s < segments_before; s++) {
            (void)snprintf(path, sizeof(path), JOURNAL_DIR "/%016" PRIx64 ".seg", 1 + 17 * s);
            CHECK_TRUE(sim_disk_flip_bit(path, (DATA_AT + 100) * 8));
        }
    }
}

static void
test_reader_of_what_went_begins_with_the_oldest(void **state)
{
    rt_journal_reader *reader = NULL;
    rt_record record;

    (void)state;
    write_segments();
    CHECK_OK(rt_file_remove(FIRST_SEGMENT));
    CHECK_OK(rt_journal_reader_open(JOURNAL_DIR, 17, &reader));
    CHECK_OK(rt_journal_reader_next(reader, &record));
    CHECK_U64(record.seq, 18);
    rt_journal_reader_close(reader);
}

static void
test_reader_asked_for_what_is_not_written_yet_waits_for_it(void **state)
{
    rt_journal *journal = open_journal(64 * MIB);
    rt_journal_reader *reader = NULL;
    rt_record record;

    (void)state;
    commit_pair(journal, "one");
    CHECK_OK(rt_journal_reader_open(JOURNAL_DIR, 4, &reader));
    CHECK_ERR(rt_journal_reader_next(reader, &record), RT_EEND);
    commit_pair(journal, "two");
    check_next(reader, 4, "two");
    rt_journal_reader_close(reader);
    rt_journal_close(journal);
}

// --- every call that can fail -------------------------------------------------------------------

static void
test_reader_any_failing_call_is_told_and_reading_goes_on(void **state)
{
    static const sim_disk_op ops[] = {SIM_DISK_OPEN, SIM_DISK_READ, SIM_DISK_SIZE, SIM_DISK_LIST};
    uint64_t told[RT_COUNT(ops)] = {0};

    (void)state;
    write_segments();
    for (size_t i = 0; i < RT_COUNT(ops); i++) {
        for (uint64_t nth = 1; nth <= 120; nth++) {
            rt_journal_reader *reader = NULL;
            uint64_t seq = 0;
            rt_err err = RT_OK;

            sim_disk_fail_next(ops[i], nth, RT_EIO);
            err = rt_journal_reader_open(JOURNAL_DIR, 0, &reader);
            if (err == RT_EIO) {
                CHECK_U64(told[i], nth - 1); // those before were told as well
                told[i]++;
                err = rt_journal_reader_open(JOURNAL_DIR, 0, &reader);
            }
            CHECK_OK(err);
            err = read_on(reader, &seq);
            if (err == RT_EIO) {
                CHECK_U64(told[i], nth - 1);
                told[i]++;
                err = read_on(reader, &seq);
            }
            CHECK_ERR(err, RT_EEND);
            CHECK_U64(seq, 60);
            rt_journal_reader_close(reader);
            sim_disk_fail_next(ops[i], 0, RT_OK);
        }
        CHECK_TRUE(told[i] >= 2 && told[i] < 120);
    }
}

static void
check_verify_tells_every_failure(uint64_t last_seq)
{
    static const sim_disk_op ops[] = {SIM_DISK_OPEN, SIM_DISK_READ, SIM_DISK_SIZE, SIM_DISK_LIST};
    rt_journal_info info = {0};

    for (size_t i = 0; i < RT_COUNT(ops); i++) {
        rt_err err = RT_EIO;
        uint64_t nth = 0;

        for (; err == RT_EIO; nth++) {
            info.last_seq = 7;
            sim_disk_fail_next(ops[i], nth + 1, RT_EIO);
            err = rt_journal_verify(JOURNAL_DIR, &info);
            CHECK_U64(info.last_seq, err == RT_OK ? last_seq : 7);
        }
        sim_disk_fail_next(ops[i], 0, RT_OK);
        CHECK_OK(err);
        CHECK_TRUE(nth > 3);
        for (uint64_t further = nth + 1; further < nth + 10; further++) { // those were all
            sim_disk_fail_next(ops[i], further, RT_EIO);
            CHECK_OK(rt_journal_verify(JOURNAL_DIR, &info));
        }
        sim_disk_fail_next(ops[i], 0, RT_OK);
    }
}

static void
test_verify_any_failing_call_is_told(void **state)
{
    rt_journal *journal = NULL;

    (void)state;
    write_segments();
    check_verify_tells_every_failure(60);
    journal = open_journal(2 * MIB);
    for (int i = 0; i < 40; i++) {
        append_bytes(journal, 60000);
        CHECK_OK(rt_journal_commit(journal));
        rt_journal_release(journal, rt_journal_committed(journal));
    }
    CHECK_TRUE(rt_journal_info_get(journal).first_seq > 1);
    rt_journal_close(journal);
    check_verify_tells_every_failure(100);
}

static void
test_verify_tells_what_there_is(void **state)
{
    rt_journal *journal = open_journal(3 * MIB);
    rt_journal_info live;
    rt_journal_info info;

    (void)state;
    for (int i = 0; i < 70; i++) {
        append_bytes(journal, 60000);
        CHECK_OK(rt_journal_commit(journal));
        rt_journal_release(journal, rt_journal_committed(journal));
    }
    live = rt_journal_info_get(journal);
    rt_journal_close(journal);
    CHECK_OK(rt_journal_verify(JOURNAL_DIR, &info));
    CHECK_U64(info.first_seq, live.first_seq);
    CHECK_TRUE(info.first_seq > 1);
    CHECK_U64(info.last_seq, 70);
    CHECK_INT(info.last_at_ms, 1000);
    CHECK_U64(info.segments, live.segments);
    CHECK_U64(info.torn_bytes, 0);
    CHECK_U64(info.damaged_marks, 0);
    CHECK_FALSE(info.is_beginning_missing);
    CHECK_TRUE(memcmp(info.chain, live.chain, sizeof(info.chain)) == 0);
}

static void
test_verify_without_a_journal_finds_none(void **state)
{
    rt_journal_info info;

    (void)state;
    CHECK_ERR(rt_journal_verify(JOURNAL_DIR, &info), RT_ENOTFOUND);
}

static void
test_verify_counts_a_torn_tail(void **state)
{
    rt_journal_config config = {JOURNAL_DIR, MIB, 64 * MIB, false}; // nothing is marked durable
    rt_journal *journal = NULL;
    rt_journal_info info;

    (void)state;
    CHECK_OK(rt_journal_open(&config, &journal));
    commit_pair(journal, "one");
    for (int i = 0; i < 3; i++) {
        (void)append(journal, "two");
    }
    CHECK_OK(rt_journal_commit(journal));
    rt_journal_close(journal);
    scribble(DATA_AT + 128 + 3 * 32, DATA_AT + 128 + 3 * 32 + 64, 0); // the second COMMIT
    CHECK_OK(rt_journal_verify(JOURNAL_DIR, &info));
    CHECK_U64(info.last_seq, 2);
    CHECK_U64(info.torn_records, 3);
    CHECK_U64(info.torn_bytes, 3 * 32);
}

// --- what the writer does in the middle of a look ------------------------------------------------

typedef struct meanwhile {
    rt_journal *journal;
    int commits;
    size_t len;
} meanwhile;

static void
write_meanwhile(void *user)
{
    meanwhile *m = user;

    for (int i = 0; i < m->commits; i++) {
        append_bytes(m->journal, m->len);
        CHECK_OK(rt_journal_commit(m->journal));
        rt_journal_release(m->journal, rt_journal_committed(m->journal));
    }
}

// Whatever the writer does between two calls of a reader that looks for the next record, the reader
// goes on without a gap, or learns that its segment went.
static void
check_meanwhile(int commits, size_t len, uint64_t max_bytes)
{
    static const sim_disk_op ops[] = {SIM_DISK_OPEN, SIM_DISK_READ, SIM_DISK_SIZE, SIM_DISK_LIST};

    for (size_t i = 0; i < RT_COUNT(ops); i++) {
        for (uint64_t nth = 1; nth <= 10; nth++) {
            rt_journal_reader *reader = NULL;
            meanwhile m = {.commits = commits, .len = len};
            uint64_t seq = 0;
            rt_err err = RT_OK;

            sim_disk_reset();
            m.journal = open_journal(max_bytes);
            commit_pair(m.journal, "one");
            CHECK_OK(rt_journal_reader_open(JOURNAL_DIR, 0, &reader));
            check_next(reader, 1, "one");
            check_next(reader, 2, "one");
            seq = 2;
            sim_disk_call_next(ops[i], nth, write_meanwhile, &m);
            err = read_on(reader, &seq);
            sim_disk_call_next(ops[i], 0, NULL, NULL);
            if (err == RT_EEND) {
                err = read_on(reader, &seq);
            }
            if (err == RT_ENOTFOUND) {
                CHECK_TRUE(rt_journal_info_get(m.journal).first_seq > seq);
            } else {
                CHECK_ERR(err, RT_EEND);
                CHECK_U64(seq, rt_journal_committed(m.journal));
            }
            rt_journal_reader_close(reader);
            rt_journal_close(m.journal);
        }
    }
}

static void
test_reader_sees_a_group_written_while_it_looks(void **state)
{
    (void)state;
    check_meanwhile(1, 1000, 64 * MIB);
    check_meanwhile(3, 60000, 64 * MIB);
}

static void
test_reader_follows_into_segments_begun_while_it_looks(void **state)
{
    (void)state;
    check_meanwhile(1, 1000000, 64 * MIB); // goes to the next segment at once
    check_meanwhile(4, 900000, 64 * MIB);
}

static void
test_reader_learns_that_its_segment_went_while_it_looks(void **state)
{
    (void)state;
    check_meanwhile(12, 900000, 3 * MIB); // recycled
    check_meanwhile(12, 900000, 2 * MIB);
}

static void
test_reader_opens_though_all_is_recycled_meanwhile(void **state)
{
    static const sim_disk_op ops[] = {SIM_DISK_OPEN, SIM_DISK_READ, SIM_DISK_SIZE, SIM_DISK_LIST};

    (void)state;
    for (size_t i = 0; i < RT_COUNT(ops); i++) {
        rt_journal_reader *reader = NULL;
        meanwhile m = {.commits = 20, .len = 900000};
        rt_record record;

        sim_disk_reset();
        m.journal = open_journal(2 * MIB);
        commit_pair(m.journal, "one");
        sim_disk_call_next(ops[i], 1, write_meanwhile, &m);
        CHECK_OK(rt_journal_reader_open(JOURNAL_DIR, 0, &reader));
        if (rt_journal_reader_next(reader, &record) == RT_ENOTFOUND) { // it went after the look
            rt_journal_reader_close(reader);
            CHECK_OK(rt_journal_reader_open(JOURNAL_DIR, 0, &reader));
            CHECK_OK(rt_journal_reader_next(reader, &record));
        }
        CHECK_U64(record.seq, rt_journal_info_get(m.journal).first_seq);
        rt_journal_reader_close(reader);
        rt_journal_close(m.journal);
    }
}

static void
vanish_meanwhile(void *user)
{
    (void)user;
    CHECK_OK(rt_file_rename(FIRST_SEGMENT, JOURNAL_DIR "/spare.tmp"));
}

// A group that is damaged, and a reader that is interrupted while it makes sure of that.
static void
check_damaged_meanwhile(void (*what)(void *user))
{
    static const sim_disk_op ops[] = {SIM_DISK_OPEN, SIM_DISK_READ, SIM_DISK_SIZE, SIM_DISK_LIST};
    int went = 0;

    for (size_t i = 0; i < RT_COUNT(ops); i++) {
        for (uint64_t nth = 1; nth <= 12; nth++) {
            rt_journal_reader *reader = NULL;
            meanwhile m = {.commits = 12, .len = 900000};
            rt_record record;
            rt_err err = RT_OK;

            sim_disk_reset();
            m.journal = open_journal(2 * MIB);
            commit_pair(m.journal, "one");
            commit_pair(m.journal, "two");
            CHECK_OK(rt_journal_reader_open(JOURNAL_DIR, 0, &reader));
            scribble(DATA_AT + 40, DATA_AT + 41, 0xff);
            sim_disk_call_next(ops[i], nth, what, &m);
            err = rt_journal_reader_next(reader, &record);
            sim_disk_call_next(ops[i], 0, NULL, NULL);
            CHECK_TRUE(err == RT_ECORRUPT || err == RT_ENOTFOUND);
            went += err == RT_ENOTFOUND;
            rt_journal_reader_close(reader);
            rt_journal_close(m.journal);
        }
    }
    CHECK_TRUE(went > 4);
}

static void
test_reader_names_no_damage_of_what_went_while_it_looks(void **state)
{
    (void)state;
    check_damaged_meanwhile(write_meanwhile);
    check_damaged_meanwhile(vanish_meanwhile);
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
        TEST(test_reader_next_segment_of_another_chain_or_group_is_damage),
        TEST(test_reader_that_trusts_reads_the_same_and_names_damage),
        TEST(test_reader_next_segment_with_a_damaged_header_is_damage),
        TEST(test_reader_whose_header_was_replaced_learns_that_it_was_recycled),
        TEST(test_reader_of_a_segment_that_is_gone_reads_it_to_its_end),
        TEST(test_reader_of_a_journal_that_is_gone_waits_at_its_end),
        TEST(test_reader_of_an_empty_segment_waits_there),
        TEST(test_reader_opens_what_is_there_by_then),
        TEST(test_reader_begins_in_the_segment_of_its_first_record),
        TEST(test_reader_of_what_went_begins_with_the_oldest),
        TEST(test_reader_asked_for_what_is_not_written_yet_waits_for_it),
        TEST(test_reader_any_failing_call_is_told_and_reading_goes_on),
        TEST(test_verify_any_failing_call_is_told),
        TEST(test_verify_tells_what_there_is),
        TEST(test_verify_without_a_journal_finds_none),
        TEST(test_verify_counts_a_torn_tail),
        TEST(test_reader_sees_a_group_written_while_it_looks),
        TEST(test_reader_follows_into_segments_begun_while_it_looks),
        TEST(test_reader_learns_that_its_segment_went_while_it_looks),
        TEST(test_reader_opens_though_all_is_recycled_meanwhile),
        TEST(test_reader_names_no_damage_of_what_went_while_it_looks),
    };

    return CHECK_RUN(tests);
}
