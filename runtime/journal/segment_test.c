// Damage and torn tails, seen from outside through the journal.
#include <string.h>

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
    };

    return CHECK_RUN(tests);
}
