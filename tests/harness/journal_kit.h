// harness/journal_kit.h: what the journal's tests share: one journal on the simulated disk.
//
// Layer: tests.
#ifndef CEREBRO_TESTS_HARNESS_JOURNAL_KIT_H
#define CEREBRO_TESTS_HARNESS_JOURNAL_KIT_H

#include "runtime/base/hash.h"
#include "runtime/journal/journal.h"
#include "runtime/seam/file.h"
#include "runtime/sim/disk.h"
#include "tests/harness/check.h"

#define JOURNAL_DIR "/state/journal"
#define FIRST_SEGMENT JOURNAL_DIR "/0000000000000001.seg"
#define DATA_AT 4096u
#define JOURNAL_HEADER_CRC_AT 80u
#define MIB (1024u * 1024)

// open_journal opens the journal with segments of 1 MiB.
static inline rt_journal *
open_journal(uint64_t max_bytes)
{
    rt_journal_config config = {JOURNAL_DIR, MIB, max_bytes, true};
    rt_journal *journal = NULL;

    CHECK_OK(rt_journal_open(&config, &journal));
    return journal;
}

// reopen opens it where that may fail.
static inline rt_err
reopen(rt_journal **journal)
{
    rt_journal_config config = {JOURNAL_DIR, MIB, 64 * MIB, true};

    return rt_journal_open(&config, journal);
}

// append adds an EVENT of one text.
static inline rt_record
append(rt_journal *journal, const char *text)
{
    rt_record record;

    rt_mpw_cstr(rt_journal_begin(journal, RT_RECORD_EVENT, 0, 1000), text);
    CHECK_OK(rt_journal_end(journal, &record));
    return record;
}

// append_bytes adds an EVENT of `len` bytes.
static inline void
append_bytes(rt_journal *journal, size_t len)
{
    rt_record record;
    uint8_t *room = NULL;
    rt_mpw *w = rt_journal_begin(journal, RT_RECORD_EVENT, 0, 1000);

    room = rt_mpw_reserve(w, len);
    CHECK_TRUE(room != NULL);
    memset(room, (int)(len & 0xff), len);
    w->len += len;
    CHECK_OK(rt_journal_end(journal, &record));
}

// commit_pair commits a group of two records.
static inline void
commit_pair(rt_journal *journal, const char *text)
{
    (void)append(journal, text);
    (void)append(journal, text);
    CHECK_OK(rt_journal_commit(journal));
}

// check_next wants the reader's next record to be this one.
static inline void
check_next(rt_journal_reader *reader, uint64_t seq, const char *text)
{
    rt_record record;
    rt_str got;
    rt_mp mp;

    CHECK_OK(rt_journal_reader_next(reader, &record));
    CHECK_U64(record.seq, seq);
    mp = rt_mp_init(record.payload);
    CHECK_OK(rt_mp_str(&mp, &got));
    CHECK_STR(got, text);
}

// last_seq_on_disk verifies everything and gives the last seq.
static inline uint64_t
last_seq_on_disk(void)
{
    rt_journal_info info;

    CHECK_OK(rt_journal_verify(JOURNAL_DIR, &info));
    return info.last_seq;
}

// scribble overwrites bytes of the first segment behind everybody's back.
static inline void
scribble(uint64_t from, uint64_t to, uint8_t with)
{
    rt_file *file = NULL;

    CHECK_OK(rt_file_open(FIRST_SEGMENT, RT_FILE_WRITE, &file));
    for (; from < to; from++) {
        CHECK_OK(rt_file_pwrite(file, (rt_bytes){&with, 1}, from));
    }
    CHECK_OK(rt_file_sync(file));
    rt_file_close(file);
}

// forget_mark takes away the note of how far the first segment is durable, as if the power had been
// cut before it: only then may what is at the end have been torn.
static inline void
forget_mark(void)
{
    scribble(512, 1024, 0);
}

// change_header changes bytes of a segment's header; its checksum fits again.
static inline void
change_header(const char *path, size_t at, const void *bytes, size_t len)
{
    uint8_t block[JOURNAL_HEADER_CRC_AT + 4];
    rt_file *file = NULL;
    size_t got = 0;

    CHECK_OK(rt_file_open(path, RT_FILE_WRITE, &file));
    CHECK_OK(rt_file_pread(file, block, sizeof(block), 0, &got));
    memcpy(block + at, bytes, len);
    uint32_t crc = rt_crc32c(0, (rt_bytes){block, JOURNAL_HEADER_CRC_AT});
    for (size_t i = 0; i < sizeof(crc); i++) {
        block[JOURNAL_HEADER_CRC_AT + i] = (uint8_t)(crc >> 8 * i);
    }
    CHECK_OK(rt_file_pwrite(file, (rt_bytes){block, sizeof(block)}, 0));
    CHECK_OK(rt_file_sync(file));
    rt_file_close(file);
}

// setup gives each test an empty disk.
static inline int
setup(void **state)
{
    (void)state;
    sim_disk_reset();
    return 0;
}

#endif
