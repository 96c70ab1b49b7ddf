// journal/internal.h: segment files and the walk over their groups, shared inside runtime/journal.
//
// Layer: runtime/journal only.   Threads: one owner a cursor.
#ifndef CEREBRO_RUNTIME_JOURNAL_INTERNAL_H
#define CEREBRO_RUNTIME_JOURNAL_INTERNAL_H

#include "runtime/base/hash.h"
#include "runtime/journal/journal.h"
#include "runtime/seam/file.h"

#define RT__PATH_BYTES 1024
#define RT__DIR_BYTES_MAX (RT__PATH_BYTES - 32)
#define RT__SEGMENT_HEADER_BYTES 4096u
#define RT__RECORD_HEADER_BYTES 28u
#define RT__COMMIT_BYTES 64u // header, chain hash, padding

// What the header block of a segment says.
typedef struct rt__segment_header {
    uint32_t version;    // of the format; rt__segment_header_write writes the newest
    uint32_t salt;       // seeds every CRC of the segment; random, so old content never fits
    uint64_t first_seq;  // seq of the first record
    uint64_t group;      // number of the first group, counted from the journal's beginning
    uint64_t bytes;      // size of the file
    int64_t last_at_ms;  // time of the last record before this segment
    uint8_t chain[RT_SHA256_LEN]; // chain hash before this segment
} rt__segment_header;

// What a segment's own block says about what was durable, written beside the groups (mark.c).
typedef struct rt__mark {
    bool is_continued; // the next segment begins where this one ends
    uint64_t pos;      // every group before is durable,
    uint64_t seq;      // the last record of them,
    uint64_t group;    // the number of the next group,
    uint8_t chain[RT_SHA256_LEN]; // and the chain hash before it
} rt__mark;

// A complete, verified group; the bytes last until the cursor moves.
typedef struct rt__group {
    const uint8_t *ptr; // the records, without the COMMIT
    size_t len;
    uint64_t first_seq;
    uint64_t last_seq;
} rt__group;

// What lies behind the last complete group.
typedef struct rt__tail {
    bool has_later_group;  // so the group in between was complete once: damage
    uint64_t end;          // behind the last thing that looks like a record of the torn group
    uint64_t record_count; // complete records of the torn group
} rt__tail;

// A walk over the groups of one segment.
typedef struct rt__cursor {
    rt_file *file;
    char path[RT__PATH_BYTES];
    rt__segment_header header;
    uint64_t pos;      // where the next group begins
    uint64_t next_seq; // of its first record
    uint64_t group;    // its number
    int64_t last_at_ms;
    uint8_t chain[RT_SHA256_LEN];
    uint64_t bad_offset;  // after RT_EEND: the first thing that is not as it should be,
    uint64_t bad_seq;     // the record expected there,
    const char *bad_text; // and what is wrong with it
    uint64_t torn_end;    // end of what can be followed from `pos`
    uint8_t *buf;         // window: `len` bytes of the file from `base` on
    size_t cap;
    size_t len;
    uint64_t base;
    size_t ahead; // how much the next load reads at least
} rt__cursor;

// rt__put16, rt__put32 and rt__put64 write a number little-endian, as all are on disk.
static inline void
rt__put16(uint8_t *at, uint16_t v)
{
    at[0] = (uint8_t)v;
    at[1] = (uint8_t)(v >> 8);
}

static inline void
rt__put32(uint8_t *at, uint32_t v)
{
    rt__put16(at, (uint16_t)v);
    rt__put16(at + 2, (uint16_t)(v >> 16));
}

static inline void
rt__put64(uint8_t *at, uint64_t v)
{
    rt__put32(at, (uint32_t)v);
    rt__put32(at + 4, (uint32_t)(v >> 32));
}

// rt__get16, rt__get32 and rt__get64 read one.
static inline uint16_t
rt__get16(const uint8_t *at)
{
    return (uint16_t)(at[0] | at[1] << 8);
}

static inline uint32_t
rt__get32(const uint8_t *at)
{
    return (uint32_t)rt__get16(at) | (uint32_t)rt__get16(at + 2) << 16;
}

static inline uint64_t
rt__get64(const uint8_t *at)
{
    return (uint64_t)rt__get32(at) | (uint64_t)rt__get32(at + 4) << 32;
}

// rt__segment_path writes "<dir>/<first_seq>.seg".
void rt__segment_path(const char *dir, uint64_t first_seq, char out[RT__PATH_BYTES]);
// rt__segment_list gives the first seqs of all segments, ascending; free with rt_free.
//   errors    RT_ENOTFOUND no such directory · RT_EIO
rt_err rt__segment_list(const char *dir, uint64_t **ret_seqs, size_t *ret_count) RT_MUST_USE;
// rt__segment_header_write writes and syncs the header block.   errors    RT_EIO RT_ENOSPC
rt_err rt__segment_header_write(rt_file *file, const rt__segment_header *header) RT_MUST_USE;
// rt__segment_header_read reads and checks it.
//   errors    RT_ECORRUPT · RT_EVERSION · RT_EIO
rt_err rt__segment_header_read(rt_file *file, const char *path,
                               rt__segment_header *ret_header) RT_MUST_USE;

// rt__record_bytes is the size of a record on disk.
static inline size_t
rt__record_bytes(size_t payload_len)
{
    return (RT__RECORD_HEADER_BYTES + payload_len + 7) & ~(size_t)7;
}

// rt__record_seal writes header, checksum and padding around the payload that already stands at
// `at` + RT__RECORD_HEADER_BYTES; returns the record's size.
size_t rt__record_seal(uint8_t *at, const rt_record *record, uint64_t group, uint32_t salt);
// rt__record_reseal computes the checksum of a sealed record anew; returns the record's size.
size_t rt__record_reseal(uint8_t *at, uint64_t group, uint32_t salt);
// rt__record_view reads a record of a verified group; returns its size.
size_t rt__record_view(const uint8_t *at, rt_record *ret_record);

// rt__cursor_open opens a segment for reading, before its first group.
//   errors    RT_ENOTFOUND RT_ECORRUPT RT_EVERSION RT_EIO
rt_err rt__cursor_open(rt__cursor *cursor, const char *dir, uint64_t first_seq) RT_MUST_USE;
// rt__cursor_close releases it; fine on a zeroed one.
void rt__cursor_close(rt__cursor *cursor);
// rt__cursor_next moves over the next complete group. The chain hash is computed for groups that
// hold a record from `chain_from` on, and believed (its CRC is checked) before.
//   errors    RT_EEND no complete group at `pos` (bad_* say why) · RT_EIO
rt_err rt__cursor_next(rt__cursor *cursor, uint64_t chain_from, rt__group *ret_group) RT_MUST_USE;
// rt__cursor_tail looks at the `limit` bytes behind the last complete group.   errors    RT_EIO
rt_err rt__cursor_tail(rt__cursor *cursor, uint64_t limit, rt__tail *ret_tail) RT_MUST_USE;
// rt__cursor_forget drops what was read ahead, because a writer may have changed it.
void rt__cursor_forget(rt__cursor *cursor);
// rt__mark_write notes in a segment what is durable; not synced.   errors    RT_EIO RT_ENOSPC
rt_err rt__mark_write(rt_file *file, uint32_t salt, const rt__mark *mark) RT_MUST_USE;
// rt__mark_read reads it.
//   errors    RT_ENOTFOUND there is none · RT_ECORRUPT it is damaged itself · RT_EIO
rt_err rt__mark_read(rt_file *file, uint32_t salt, rt__mark *ret_mark) RT_MUST_USE;
// rt__oldest_write notes in a segment, durably, that those before it may go.
//   errors    RT_EIO RT_ENOSPC
rt_err rt__oldest_write(rt_file *file, const rt__segment_header *header) RT_MUST_USE;
// rt__oldest_read tells whether the segment may be the first: record 1 begins it, those before it
// went by retention, or it is of a format that did not say.   errors    RT_EIO
rt_err rt__oldest_read(rt_file *file, const rt__segment_header *header,
                       bool *ret_may_be_first) RT_MUST_USE;
// rt__mark_check compares what the walk found at the segment's end, where rt__cursor_next gave
// RT_EEND, with the segment's mark. *ret_is_damaged: the mark itself cannot be read.
//   errors    RT_ECORRUPT what was durable is not there any more · RT_EIO
rt_err rt__mark_check(const rt__cursor *cursor, bool *ret_is_damaged) RT_MUST_USE;
// rt__cursor_corrupt reports damage at the place the last rt__cursor_next stopped at.
//   errors    always RT_ECORRUPT
rt_err rt__cursor_corrupt(const rt__cursor *cursor) RT_MUST_USE;

#endif
