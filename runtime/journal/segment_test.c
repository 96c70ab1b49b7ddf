// Damage and torn tails, seen from outside through the journal.
#include <stdio.h>
#include <string.h>

#include "runtime/base/alloc.h"
#include "runtime/journal/internal.h"
#include "tests/harness/journal_kit.h"

// The last group loses everything from byte `cut` on.
static void
check_torn_at(uint64_t cut, uint64_t end, uint8_t with)
{
    rt_journal *journal = NULL;
    rt_journal_info info;

    scribble(cut, end, with);
    CHECK_ERR(reopen(&journal), RT_ECORRUPT); // it was acknowledged
    forget_mark();
    CHECK_OK(reopen(&journal));
    info = rt_journal_info_get(journal);
    CHECK_U64(info.last_seq, 2);
    CHECK_TRUE(info.torn_records <= 2);
    CHECK_TRUE(info.torn_bytes <= end - DATA_AT);
    commit_pair(journal, "new");
    rt_journal_close(journal);
    CHECK_U64(last_seq_on_disk(), 4);
}

static void
test_journal_torn_tail_is_cut_at_every_byte(void **state)
{
    static const uint8_t fillings[] = {0x00, 0xa5};
    const uint64_t group_at = DATA_AT + 64 + 64;
    const uint64_t group_end = group_at + 64 + 64 - 4; // the last 4 bytes are padding: zeros

    (void)state;
    for (size_t f = 0; f < RT_COUNT(fillings); f++) {
        for (uint64_t cut = group_at; cut < group_end; cut++) {
            rt_journal *journal = NULL;

            sim_disk_reset();
            journal = open_journal(64 * MIB);
            commit_pair(journal, "one");
            commit_pair(journal, "two");
            rt_journal_close(journal);
            check_torn_at(cut, group_end, fillings[f]);
        }
    }
}

static void
test_journal_torn_records_never_come_back(void **state)
{
    rt_journal *journal = open_journal(64 * MIB);
    rt_journal_info info;

    (void)state;
    // Given a torn group whose later records are whole,
    for (int i = 0; i < 4; i++) {
        (void)append(journal, "torn");
    }
    CHECK_OK(rt_journal_commit(journal));
    rt_journal_close(journal);
    scribble(DATA_AT + 4 * 40, DATA_AT + 4 * 40 + 64, 0);
    scribble(DATA_AT, DATA_AT + 8, 0);
    forget_mark();

    // when the place is written again with records of the same size,
    CHECK_OK(reopen(&journal));
    CHECK_U64(rt_journal_info_get(journal).torn_records, 3);
    (void)append(journal, "kept");
    CHECK_OK(rt_journal_commit(journal));
    rt_journal_close(journal);

    // then the old ones are neither read nor taken for damage.
    CHECK_OK(rt_journal_verify(JOURNAL_DIR, &info));
    CHECK_U64(info.last_seq, 1);
    CHECK_U64(info.torn_records, 0);
}

static void
test_journal_flipped_bit_is_named_and_refused(void **state)
{
    const uint64_t group_bytes = 80 + 64; // two records of 34 bytes and 6 of padding, COMMIT
    rt_journal *journal = open_journal(64 * MIB);

    (void)state;
    for (int i = 0; i < 3; i++) {
        commit_pair(journal, "five5");
    }
    rt_journal_close(journal);
    for (uint64_t at = DATA_AT; at < DATA_AT + 2 * group_bytes; at++) {
        rt_journal_reader *reader = NULL;
        rt_journal_info info;
        rt_record record;
        uint64_t good = at < DATA_AT + group_bytes ? 0 : 2;

        CHECK_TRUE(sim_disk_flip_bit(FIRST_SEGMENT, at * 8 + at % 8));
        CHECK_ERR(reopen(&journal), RT_ECORRUPT);
        CHECK_TRUE(strstr(rt_err_detail(), FIRST_SEGMENT ", offset 4") != NULL);
        CHECK_ERR(rt_journal_verify(JOURNAL_DIR, &info), RT_ECORRUPT);
        CHECK_OK(rt_journal_reader_open(JOURNAL_DIR, 0, &reader));
        for (uint64_t seq = 1; seq <= good; seq++) {
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
test_journal_damage_before_a_torn_group_is_still_damage(void **state)
{
    rt_journal *journal = open_journal(64 * MIB);

    (void)state;
    for (int i = 0; i < 2; i++) {
        commit_pair(journal, "one");
    }
    rt_journal_close(journal);
    scribble(DATA_AT + 64, DATA_AT + 128, 0);       // the COMMIT of the first group
    scribble(DATA_AT + 128 + 64, DATA_AT + 256, 0); // and that of the second
    CHECK_ERR(reopen(&journal), RT_ECORRUPT);
}

static void
test_journal_missing_segment_is_damage(void **state)
{
    rt_journal *journal = open_journal(64 * MIB);
    rt_journal_info info;

    (void)state;
    for (int i = 0; i < 60; i++) {
        append_bytes(journal, 60000);
        CHECK_OK(rt_journal_commit(journal));
    }
    rt_journal_close(journal);
    CHECK_OK(rt_file_remove(JOURNAL_DIR "/0000000000000012.seg"));
    CHECK_ERR(rt_journal_verify(JOURNAL_DIR, &info), RT_ECORRUPT);
}

static void
test_journal_damaged_header_is_named(void **state)
{
    rt_journal *journal = open_journal(64 * MIB);

    (void)state;
    commit_pair(journal, "one");
    rt_journal_close(journal);
    CHECK_TRUE(sim_disk_flip_bit(FIRST_SEGMENT, 16 * 8));
    CHECK_ERR(reopen(&journal), RT_ECORRUPT);
    CHECK_TRUE(strstr(rt_err_detail(), FIRST_SEGMENT) != NULL);
}

// --- files that are no segments, headers that are none ------------------------------------------

static void
test_segment_other_files_beside_are_passed_over(void **state)
{
    static const char *const names[] = {"notes.txt", "0000000000000002.sog", "000000000000000g.seg",
                                        "00000000000000002.seg", "000000000000002.seg",
                                        "000000000000000A.seg"};
    rt_journal *journal = open_journal(64 * MIB);
    rt_journal_info info;

    (void)state;
    commit_pair(journal, "one");
    rt_journal_close(journal);
    for (size_t i = 0; i < RT_COUNT(names); i++) {
        char path[128];

        (void)snprintf(path, sizeof(path), JOURNAL_DIR "/%s", names[i]);
        CHECK_OK(rt_file_replace(path, rt_bytes_of_str(RT_STR("x"))));
    }
    CHECK_OK(rt_journal_verify(JOURNAL_DIR, &info));
    CHECK_U64(info.segments, 1);
    CHECK_OK(reopen(&journal));
    CHECK_U64(rt_journal_info_get(journal).last_seq, 2);
    CHECK_U64(rt_journal_info_get(journal).segments, 1);
    rt_journal_close(journal);
}

static void
test_segment_name_is_a_number_in_hexadecimal(void **state)
{
    char path[RT__PATH_BYTES];
    uint64_t *seqs = NULL;
    size_t count = 0;

    (void)state;
    CHECK_OK(rt_dir_make(JOURNAL_DIR));
    rt__segment_path(JOURNAL_DIR, 0xfedcba9876543210, path);
    CHECK_CSTR(path, JOURNAL_DIR "/fedcba9876543210.seg");
    CHECK_OK(rt_file_replace(path, rt_bytes_of_str(RT_STR("x"))));
    CHECK_OK(rt__segment_list(JOURNAL_DIR, &seqs, &count));
    CHECK_U64(count, 1);
    CHECK_U64(seqs[0], 0xfedcba9876543210);
    rt_free(seqs);
}

#define HEADER_BYTES 88u

// Changes a word of the first segment's header.
static void
change_word(size_t at, uint64_t value, size_t len)
{
    uint8_t bytes[8];

    rt__put64(bytes, value);
    change_header(FIRST_SEGMENT, at, bytes, len);
}

static void
resize(const char *path, uint64_t bytes)
{
    rt_file *file = NULL;
    uint8_t *all = rt_alloc(MIB);
    size_t got = 0;

    CHECK_OK(rt_file_open(path, RT_FILE_WRITE, &file));
    CHECK_OK(rt_file_pread(file, all, (size_t)bytes, 0, &got));
    CHECK_OK(rt_file_fill(file, bytes));
    CHECK_OK(rt_file_pwrite(file, (rt_bytes){all, got}, 0));
    CHECK_OK(rt_file_sync(file));
    rt_file_close(file);
    rt_free(all);
}

static void
check_refused(rt_err want, const char *text)
{
    rt_journal *journal = NULL;

    CHECK_ERR(reopen(&journal), want);
    CHECK_HAS(rt_str_of(rt_err_detail()), FIRST_SEGMENT);
    CHECK_HAS(rt_str_of(rt_err_detail()), text);
}

static void
test_segment_shorter_than_its_header_is_damage(void **state)
{
    (void)state;
    rt_journal_close(open_journal(64 * MIB));
    resize(FIRST_SEGMENT, HEADER_BYTES - 1);
    check_refused(RT_ECORRUPT, "no segment header");
}

static void
test_segment_of_another_magic_is_damage(void **state)
{
    (void)state;
    rt_journal_close(open_journal(64 * MIB));
    change_word(0, 'X', 1);
    check_refused(RT_ECORRUPT, "no segment header");
}

static void
test_segment_cut_off_is_damage_whatever_is_left(void **state)
{
    (void)state;
    rt_journal_close(open_journal(64 * MIB));
    resize(FIRST_SEGMENT, MIB - 1);
    check_refused(RT_ECORRUPT, "offset 1048575: cut off, 1048576 bytes expected");
    resize(FIRST_SEGMENT, HEADER_BYTES);
    check_refused(RT_ECORRUPT, "offset 88: cut off");
}

static void
test_segment_of_a_later_or_no_format_is_not_read(void **state)
{
    (void)state;
    rt_journal_close(open_journal(64 * MIB));
    change_word(8, 3, 4);
    check_refused(RT_EVERSION, "has format version 3, this build reads up to 2");
    change_word(8, 0, 4);
    check_refused(RT_EVERSION, "has format version 0");
}

static void
test_segment_under_another_name_is_damage(void **state)
{
    (void)state;
    rt_journal_close(open_journal(64 * MIB));
    change_word(16, 7, 8);
    check_refused(RT_ECORRUPT, "offset 16: the header belongs to seq 7");
}

static void
test_segment_header_comes_back_as_it_was_written(void **state)
{
    rt__segment_header header = {.salt = 0x01020304,
                                 .first_seq = 0x1112131415161718,
                                 .group = 0x2122232425262728,
                                 .bytes = 5000,
                                 .last_at_ms = -5};
    rt__segment_header got = {0};
    rt_file *file = NULL;

    (void)state;
    memset(header.chain, 0xab, sizeof(header.chain));
    CHECK_OK(rt_dir_make(JOURNAL_DIR));
    CHECK_OK(rt_file_open(FIRST_SEGMENT, RT_FILE_WRITE, &file));
    CHECK_OK(rt_file_fill(file, 5000));
    CHECK_OK(rt__segment_header_write(file, &header));
    CHECK_OK(rt__segment_header_read(file, FIRST_SEGMENT, &got));
    rt_file_close(file);
    CHECK_INT(got.version, 2);
    CHECK_U64(got.salt, header.salt);
    CHECK_U64(got.first_seq, header.first_seq);
    CHECK_U64(got.group, header.group);
    CHECK_U64(got.bytes, header.bytes);
    CHECK_INT(got.last_at_ms, -5);
    CHECK_TRUE(memcmp(got.chain, header.chain, sizeof(got.chain)) == 0);
}

// --- forged records: right checksums around what no writer writes -------------------------------

#define FORGED_MAX (5u * 1024 * 1024)

static rt__cursor cursor;

static void
open_cursor(void)
{
    CHECK_OK(rt__cursor_open(&cursor, JOURNAL_DIR, 1));
}

// An empty journal, with nothing noted of it.
static void
new_segment(uint64_t bytes)
{
    rt_journal_config config = {JOURNAL_DIR, bytes, 1024ull * MIB, true};
    rt_journal *journal = NULL;

    CHECK_OK(rt_journal_open(&config, &journal));
    rt_journal_close(journal);
    open_cursor();
}

// Writes a record with a valid checksum; gives the place behind it.
static uint64_t
forge(uint64_t at, uint64_t seq, int kind, uint64_t group, size_t payload_len)
{
    uint8_t *room = rt_alloc(FORGED_MAX);
    rt_record record = {.seq = seq, .at_ms = 1000, .kind = (rt_record_kind)kind};
    rt_file *file = NULL;

    CHECK_TRUE(payload_len + 64 <= FORGED_MAX);
    memset(room, 0, FORGED_MAX);
    record.payload = (rt_bytes){room + RT__RECORD_HEADER_BYTES, payload_len};
    size_t len = rt__record_seal(room, &record, group, cursor.header.salt);
    CHECK_OK(rt_file_open(FIRST_SEGMENT, RT_FILE_WRITE, &file));
    len = (size_t)RT_MIN((uint64_t)len, cursor.header.bytes - at);
    CHECK_OK(rt_file_pwrite(file, (rt_bytes){room, len}, at));
    CHECK_OK(rt_file_sync(file));
    rt_file_close(file);
    rt_free(room);
    return at + len;
}

static void
check_stops(uint64_t offset, uint64_t seq, const char *text)
{
    rt__group group;

    CHECK_ERR(rt__cursor_next(&cursor, 0, &group), RT_EEND);
    CHECK_CSTR(cursor.bad_text, text);
    CHECK_U64(cursor.bad_offset, offset);
    CHECK_U64(cursor.bad_seq, seq);
    CHECK_ERR(rt__cursor_corrupt(&cursor), RT_ECORRUPT);
    CHECK_HAS(rt_str_of(rt_err_detail()), text);
    rt__cursor_forget(&cursor);
}

static void
test_segment_header_of_a_record_must_fit_in_every_word(void **state)
{
    static const struct {
        uint64_t seq;
        int kind;
        uint64_t group;
        size_t payload_len;
    } forged[] = {
        {2, RT_RECORD_EVENT, 0, 8},       // not the next seq
        {0, RT_RECORD_EVENT, 0, 8},       //
        {1, 0, 0, 8},                     // no kind
        {1, RT_RECORD_COMMIT + 1, 0, 8},  //
        {1, RT_RECORD_EVENT, 1, 8},       // of another group
        {1, RT_RECORD_COMMIT, 0, 36},     // a commit has the seq before
        {1, RT_RECORD_EVENT, 0, RT_JOURNAL_PAYLOAD_MAX + 1},
    };

    (void)state;
    new_segment(64 * MIB);
    for (size_t i = 0; i < RT_COUNT(forged); i++) {
        (void)forge(DATA_AT, forged[i].seq, forged[i].kind, forged[i].group,
                    forged[i].payload_len);
        check_stops(DATA_AT, 1, "no such record header");
    }
    (void)forge(DATA_AT, 1, RT_RECORD_START, 0, RT_JOURNAL_PAYLOAD_MAX);
    check_stops(DATA_AT + 28 + RT_JOURNAL_PAYLOAD_MAX + 4, 2, "no such record header");
    rt__cursor_close(&cursor);
}

static void
test_segment_number_of_a_group_is_compared_by_its_low_half(void **state)
{
    rt__group group;

    (void)state;
    new_segment(MIB);
    cursor.group = 0x10003;
    (void)forge(DATA_AT, 1, RT_RECORD_EVENT, 3, 8);
    CHECK_ERR(rt__cursor_next(&cursor, 0, &group), RT_EEND);
    CHECK_U64(cursor.bad_offset, DATA_AT + 40); // the record itself is fine
    rt__cursor_close(&cursor);
}

static void
test_segment_commit_of_nothing_is_none(void **state)
{
    rt_journal *journal = NULL;

    (void)state;
    new_segment(MIB);
    (void)forge(DATA_AT, 0, RT_RECORD_COMMIT, 0, RT_SHA256_LEN);
    check_stops(DATA_AT, 1, "a commit of nothing");
    rt__cursor_close(&cursor);
    CHECK_OK(reopen(&journal)); // torn: it is wiped
    CHECK_U64(rt_journal_info_get(journal).torn_bytes, 64);
    CHECK_U64(rt_journal_info_get(journal).torn_records, 0);
    commit_pair(journal, "one");
    rt_journal_close(journal);
    CHECK_U64(last_seq_on_disk(), 2);
}

static void
test_segment_commit_of_another_size_is_none(void **state)
{
    (void)state;
    new_segment(MIB);
    for (size_t len = 0; len < 100; len++) {
        bool fits = rt__record_bytes(len) == RT__COMMIT_BYTES;
        uint64_t at = forge(DATA_AT, 1, RT_RECORD_EVENT, 0, 8);

        (void)forge(at, 1, RT_RECORD_COMMIT, 0, len);
        check_stops(fits ? DATA_AT : at, fits ? 1 : 2,
                    fits ? "wrong chain hash" : "a commit of nothing");
    }
    rt__cursor_close(&cursor);
}

static void
test_segment_record_beyond_its_end_is_torn(void **state)
{
    rt_journal *journal = NULL;

    (void)state;
    new_segment(MIB);
    (void)forge(DATA_AT, 1, RT_RECORD_EVENT, 0, MIB);
    check_stops(DATA_AT, 1, "the record runs beyond the segment");
    CHECK_U64(cursor.torn_end, MIB);
    rt__cursor_close(&cursor);
    CHECK_OK(reopen(&journal));
    CHECK_U64(rt_journal_info_get(journal).torn_bytes, MIB - DATA_AT);
    commit_pair(journal, "one");
    rt_journal_close(journal);
    CHECK_U64(last_seq_on_disk(), 2);
}

static void
test_segment_record_may_reach_its_last_byte(void **state)
{
    (void)state;
    new_segment(MIB);
    (void)forge(DATA_AT, 1, RT_RECORD_EVENT, 0, MIB - DATA_AT - 28 - 4);
    check_stops(MIB, 2, "the segment ends");
    CHECK_U64(cursor.torn_end, MIB);
    // and a place for a header that is one word short of it is none
    (void)forge(DATA_AT, 1, RT_RECORD_EVENT, 0, MIB - DATA_AT - 28 - 4 - 24);
    check_stops(MIB - 24, 2, "the segment ends");
    rt__cursor_close(&cursor);
}

static void
test_segment_ends_where_its_header_says_however_long_the_file_is(void **state)
{
    (void)state;
    new_segment(MIB);
    cursor.header.bytes = 2 * MIB; // of the file only
    (void)forge(MIB - 64, 1, RT_RECORD_EVENT, 0, 100);
    cursor.header.bytes = MIB;
    cursor.pos = MIB - 64;
    check_stops(MIB - 64, 1, "the record runs beyond the segment");
    rt__cursor_close(&cursor);
}

static void
test_segment_group_is_no_larger_than_a_writer_makes_it(void **state)
{
    uint64_t at = DATA_AT;

    (void)state;
    new_segment(64 * MIB);
    for (uint64_t seq = 1; seq <= 8; seq++) {
        at = forge(at, seq, RT_RECORD_EVENT, 0, RT_JOURNAL_PAYLOAD_MAX - 28);
    }
    CHECK_U64(at - DATA_AT, RT_JOURNAL_GROUP_BYTES_MAX);
    (void)forge(at, 9, RT_RECORD_EVENT, 0, 36); // as long as a commit
    check_stops(at + 64, 10, "no such record header");
    (void)forge(at, 9, RT_RECORD_EVENT, 0, 37);
    check_stops(at, 9, "no such record header");
    rt__cursor_close(&cursor);
}

static void
test_segment_fullest_group_of_all_is_read(void **state)
{
    rt_journal_config config = {JOURNAL_DIR, 64 * MIB, 1024ull * MIB, true};
    rt_journal *journal = NULL;
    rt_record record;

    (void)state;
    CHECK_OK(rt_journal_open(&config, &journal));
    for (int i = 0; i < 8; i++) {
        append_bytes(journal, RT_JOURNAL_PAYLOAD_MAX - 32); // 4 MiB with header and padding
    }
    (void)rt_journal_begin(journal, RT_RECORD_EVENT, 0, 1);
    CHECK_ERR(rt_journal_end(journal, &record), RT_ELIMIT);
    CHECK_OK(rt_journal_commit(journal));
    commit_pair(journal, "one");
    rt_journal_close(journal);
    CHECK_U64(last_seq_on_disk(), 10);
}

static void
test_segment_that_shrinks_under_a_reader_ends(void **state)
{
    rt_journal *journal = open_journal(64 * MIB);
    rt__group group;

    (void)state;
    commit_pair(journal, "one");
    rt_journal_close(journal);
    open_cursor();
    resize(FIRST_SEGMENT, DATA_AT + 40);
    CHECK_ERR(rt__cursor_next(&cursor, 0, &group), RT_EEND);
    CHECK_CSTR(cursor.bad_text, "the segment ends");
    rt__cursor_close(&cursor);
}

// --- what lies behind the last complete group ---------------------------------------------------

static rt__tail
tail_of(uint64_t limit)
{
    rt__tail tail;
    rt__group group;

    rt__cursor_forget(&cursor);
    CHECK_ERR(rt__cursor_next(&cursor, 0, &group), RT_EEND);
    CHECK_OK(rt__cursor_tail(&cursor, limit, &tail));
    return tail;
}

static void
test_segment_later_group_is_found_wherever_it_stands(void **state)
{
    static const uint64_t places[] = {8, 16, 40, 4096, 65536, 65528, 300000, MIB - DATA_AT - 40};

    (void)state;
    for (size_t i = 0; i < RT_COUNT(places); i++) {
        rt__tail tail;

        sim_disk_reset();
        new_segment(MIB);
        (void)forge(DATA_AT + places[i], 9, RT_RECORD_EVENT, 1, 8);
        tail = tail_of(MIB);
        CHECK_TRUE(tail.has_later_group);
        CHECK_FALSE(tail_of(places[i]).has_later_group); // beyond what was asked for
        CHECK_TRUE(tail_of(places[i] + 1).has_later_group);
        rt__cursor_close(&cursor);
    }
}

static void
test_segment_records_of_a_torn_group_are_counted_to_their_end(void **state)
{
    uint64_t end = 0;
    rt__tail tail;

    (void)state;
    new_segment(MIB);
    (void)forge(DATA_AT + 80, 2, RT_RECORD_EVENT, 0, 100);
    end = forge(DATA_AT + 800, 9, RT_RECORD_REJECT, 0, 60000);
    tail = tail_of(MIB);
    CHECK_FALSE(tail.has_later_group);
    CHECK_U64(tail.record_count, 2);
    CHECK_U64(tail.end, end);
    end = forge(end, 9, RT_RECORD_COMMIT, 0, RT_SHA256_LEN);
    tail = tail_of(MIB);
    CHECK_U64(tail.record_count, 2); // a commit is no record
    CHECK_U64(tail.end, end);
    rt__cursor_close(&cursor);
}

static void
test_segment_later_group_is_of_a_later_record_not_too_far_ahead(void **state)
{
    static const struct {
        uint64_t seq;
        bool is_later;
    } forged[] = {{5, true},
                  {4, false}, // before the record expected
                  {5 + (1ull << 40) - 1, true},
                  {5 + (1ull << 40), false}};

    (void)state;
    new_segment(MIB);
    cursor.next_seq = 5;
    for (size_t i = 0; i < RT_COUNT(forged); i++) {
        (void)forge(DATA_AT + 80, forged[i].seq, RT_RECORD_EVENT, 1, 8);
        CHECK_INT(tail_of(MIB).has_later_group, forged[i].is_later);
    }
    rt__cursor_close(&cursor);
}

static void
test_segment_later_group_has_a_kind_a_size_and_a_checksum(void **state)
{
    static const struct {
        int kind;
        size_t payload_len;
        bool is_later;
    } forged[] = {{0, 8, false},
                  {RT_RECORD_EVENT, 8, true},
                  {RT_RECORD_COMMIT, 36, true},
                  {RT_RECORD_COMMIT + 1, 8, false},
                  {RT_RECORD_EVENT, RT_JOURNAL_PAYLOAD_MAX, true},
                  {RT_RECORD_EVENT, RT_JOURNAL_PAYLOAD_MAX + 1, false}};

    (void)state;
    for (size_t i = 0; i < RT_COUNT(forged); i++) {
        sim_disk_reset();
        new_segment(8 * MIB);
        (void)forge(DATA_AT + 80, 1, forged[i].kind, 1, forged[i].payload_len);
        CHECK_INT(tail_of(8 * MIB).has_later_group, forged[i].is_later);
        CHECK_TRUE(sim_disk_flip_bit(FIRST_SEGMENT, (DATA_AT + 80 + 20) * 8));
        CHECK_FALSE(tail_of(8 * MIB).has_later_group);
        rt__cursor_close(&cursor);
    }
}

static void
test_segment_later_group_beyond_the_end_is_none(void **state)
{
    (void)state;
    new_segment(MIB);
    (void)forge(MIB - 800, 9, RT_RECORD_EVENT, 1, 4000);
    CHECK_FALSE(tail_of(MIB).has_later_group);
    rt__cursor_close(&cursor);
}

static void
test_segment_tail_that_cannot_be_read_is_an_error(void **state)
{
    rt__tail tail;
    rt__group group;
    rt_err err = RT_EIO;
    uint64_t nth = 0;

    (void)state;
    new_segment(8 * MIB);
    (void)forge(DATA_AT + 80, 9, RT_RECORD_EVENT, 1, 400000); // longer than what is read at first
    for (; err == RT_EIO; nth++) {
        rt__cursor_forget(&cursor);
        CHECK_ERR(rt__cursor_next(&cursor, 0, &group), RT_EEND);
        rt__cursor_forget(&cursor);
        sim_disk_fail_next(SIM_DISK_READ, nth + 1, RT_EIO);
        err = rt__cursor_tail(&cursor, 8 * MIB, &tail);
        sim_disk_fail_next(SIM_DISK_READ, 0, RT_OK);
    }
    CHECK_OK(err);
    CHECK_TRUE(nth > 2);
    CHECK_TRUE(tail.has_later_group);
    rt__cursor_close(&cursor);
}

static void
test_segment_chain_is_computed_from_where_it_is_asked_for(void **state)
{
    rt__group group;
    uint64_t at = 0;

    (void)state;
    new_segment(MIB);
    at = forge(DATA_AT, 1, RT_RECORD_EVENT, 0, 8);
    (void)forge(at, 1, RT_RECORD_COMMIT, 0, RT_SHA256_LEN); // a hash of nothing
    CHECK_OK(rt__cursor_next(&cursor, 2, &group)); // believed
    CHECK_U64(group.first_seq, 1);
    CHECK_U64(group.last_seq, 1);
    CHECK_U64(group.len, 40);
    rt__cursor_close(&cursor);
    open_cursor();
    CHECK_ERR(rt__cursor_next(&cursor, 1, &group), RT_EEND);
    CHECK_CSTR(cursor.bad_text, "wrong chain hash");
    rt__cursor_close(&cursor);
}

// --- the format, byte by byte -------------------------------------------------------------------

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
test_segment_header_on_disk_is_as_its_format_says(void **state)
{
    uint8_t chain[RT_SHA256_LEN] = {0};
    uint8_t block[512];

    (void)state;
    rt_journal_close(open_journal(64 * MIB));
    read_at(0, block, sizeof(block));
    CHECK_TRUE(memcmp(block, "CRBRSEG1", 8) == 0);
    CHECK_U64(rt__get32(block + 8), 2); // version
    CHECK_U64(rt__get64(block + 16), 1); // first seq
    CHECK_U64(rt__get64(block + 24), 0); // group
    CHECK_U64(rt__get64(block + 32), MIB);
    CHECK_U64(rt__get64(block + 40), 0); // nothing was before
    CHECK_TRUE(memcmp(block + 48, chain, sizeof(chain)) == 0);
    CHECK_U64(rt__get32(block + 80), rt_crc32c(0, (rt_bytes){block, 80}));
    for (size_t i = 84; i < sizeof(block); i++) {
        CHECK_INT(block[i], 0);
    }
}

static void
test_segment_group_on_disk_is_as_its_format_says(void **state)
{
    rt_journal *journal = open_journal(64 * MIB);
    uint8_t chain[RT_SHA256_LEN] = {0};
    uint8_t want[RT_SHA256_LEN];
    uint8_t salt[4];
    uint8_t g[40 + 64 + 8];
    rt_record record;

    (void)state;
    rt_mpw_cstr(rt_journal_begin(journal, RT_RECORD_REJECT, 5, 0x0102030405060708), "seven!!");
    CHECK_OK(rt_journal_end(journal, &record));
    CHECK_OK(rt_journal_commit(journal));
    rt_journal_close(journal);
    read_at(12, salt, sizeof(salt));
    read_at(DATA_AT, g, sizeof(g));
    // the record: length, checksum, seq, time, kind, flags, group, payload, padding
    CHECK_U64(rt__get32(g), 8);
    uint32_t crc = rt_crc32c(rt__get32(salt), (rt_bytes){g, 4});
    CHECK_U64(rt__get32(g + 4), rt_crc32c(crc, (rt_bytes){g + 8, 20 + 8}));
    CHECK_U64(rt__get64(g + 8), 1);
    CHECK_U64(rt__get64(g + 16), 0x0102030405060708);
    CHECK_INT(g[24], RT_RECORD_REJECT);
    CHECK_INT(g[25], 5);
    CHECK_U64(rt__get16(g + 26), 0);
    CHECK_TRUE(memcmp(g + 28, "\xa7seven!!", 8) == 0);
    CHECK_U64(rt__get32(g + 36), 0);
    // the COMMIT: the same header around the chain hash
    CHECK_U64(rt__get32(g + 40), RT_SHA256_LEN);
    crc = rt_crc32c(rt__get32(salt), (rt_bytes){g + 40, 4});
    CHECK_U64(rt__get32(g + 44), rt_crc32c(crc, (rt_bytes){g + 48, 20 + RT_SHA256_LEN}));
    CHECK_U64(rt__get64(g + 48), 1);
    CHECK_U64(rt__get64(g + 56), 0x0102030405060708);
    CHECK_INT(g[64], RT_RECORD_COMMIT);
    CHECK_INT(g[65], 0);
    rt_sha256_chain(chain, (rt_bytes){g, 40}, want);
    CHECK_TRUE(memcmp(g + 68, want, sizeof(want)) == 0);
    CHECK_U64(rt__get32(g + 100), 0);
    CHECK_U64(rt__get64(g + 104), 0); // nothing behind it
}

int
main(void)
{
#define TEST(f) cmocka_unit_test_setup(f, setup)
    const struct CMUnitTest tests[] = {
        TEST(test_journal_torn_tail_is_cut_at_every_byte),
        TEST(test_journal_torn_records_never_come_back),
        TEST(test_journal_flipped_bit_is_named_and_refused),
        TEST(test_journal_damage_before_a_torn_group_is_still_damage),
        TEST(test_journal_missing_segment_is_damage),
        TEST(test_journal_damaged_header_is_named),
        TEST(test_segment_other_files_beside_are_passed_over),
        TEST(test_segment_name_is_a_number_in_hexadecimal),
        TEST(test_segment_shorter_than_its_header_is_damage),
        TEST(test_segment_of_another_magic_is_damage),
        TEST(test_segment_cut_off_is_damage_whatever_is_left),
        TEST(test_segment_of_a_later_or_no_format_is_not_read),
        TEST(test_segment_under_another_name_is_damage),
        TEST(test_segment_header_comes_back_as_it_was_written),
        TEST(test_segment_header_of_a_record_must_fit_in_every_word),
        TEST(test_segment_number_of_a_group_is_compared_by_its_low_half),
        TEST(test_segment_commit_of_nothing_is_none),
        TEST(test_segment_commit_of_another_size_is_none),
        TEST(test_segment_record_beyond_its_end_is_torn),
        TEST(test_segment_record_may_reach_its_last_byte),
        TEST(test_segment_ends_where_its_header_says_however_long_the_file_is),
        TEST(test_segment_group_is_no_larger_than_a_writer_makes_it),
        TEST(test_segment_fullest_group_of_all_is_read),
        TEST(test_segment_that_shrinks_under_a_reader_ends),
        TEST(test_segment_later_group_is_found_wherever_it_stands),
        TEST(test_segment_records_of_a_torn_group_are_counted_to_their_end),
        TEST(test_segment_later_group_is_of_a_later_record_not_too_far_ahead),
        TEST(test_segment_later_group_has_a_kind_a_size_and_a_checksum),
        TEST(test_segment_later_group_beyond_the_end_is_none),
        TEST(test_segment_tail_that_cannot_be_read_is_an_error),
        TEST(test_segment_chain_is_computed_from_where_it_is_asked_for),
        TEST(test_segment_header_on_disk_is_as_its_format_says),
        TEST(test_segment_group_on_disk_is_as_its_format_says),
    };

    return CHECK_RUN(tests);
}
