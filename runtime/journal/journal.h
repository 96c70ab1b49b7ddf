// journal/journal.h: the one ordered, durable log that everything is a fold of.
//
// Layer: runtime/journal (may use runtime/base, runtime/seam).   Threads: one owner (the brain
// loop); readers (own file handles) anywhere.
//
// Files: <dir>/<first_seq:016x>.seg, preallocated to segment_bytes and recycled, so that a commit
// overwrites allocated blocks (81 µs) instead of extending a file. A segment begins with a header
// block (magic, version, salt, first seq, chain hash before it, CRC32C). Then records:
//   u32 payload length · u32 CRC32C (seeded with the segment's salt, over the rest of the header
//   and the payload) · u64 seq · i64 at_ms · u8 kind · u8 flags · u16 group · payload · pad to 8
// `group` is the low half of a counter of groups. A group of records ends with a COMMIT record
// holding SHA-256(previous chain hash || group bytes); it lies in one segment, so it is never
// larger than segment_bytes allow. Records after the last valid COMMIT are a torn tail and are cut
// at start-up; a bad group with a record of a later group behind it is damage, because a group is
// begun only when the one before is durable: it is named (file, offset, seq) and the journal
// refuses to open for writing. Stale data of a recycled segment never passes for a record, because
// the salt differs. The rest of the header block holds two notes (mark.c): how far everything is
// durable, which tells a damaged last group from a torn one, and that the segments before went by
// retention.
#ifndef CEREBRO_RUNTIME_JOURNAL_JOURNAL_H
#define CEREBRO_RUNTIME_JOURNAL_JOURNAL_H

#include "runtime/base/arena.h"
#include "runtime/base/err.h"
#include "runtime/wire/mp.h"

#define RT_JOURNAL_PAYLOAD_MAX (4u * 1024 * 1024)
#define RT_JOURNAL_GROUP_BYTES_MAX (32u * 1024 * 1024)

typedef enum rt_record_kind {
    RT_RECORD_EVENT = 1,     // rt_event_encode
    RT_RECORD_DECISION = 2,  // msg decision
    RT_RECORD_PLAYBOOKS = 3, // a playbook set became live
    RT_RECORD_REJECT = 4,    // a refused input
    RT_RECORD_START = 5,     // the daemon started: build, configuration digest
    RT_RECORD_COMMIT = 6,    // end of a group (written by the journal)
} rt_record_kind;

#define RT_RECORD_UNDECIDED 0x01u // flag of an EVENT that gets a DECISION record of its own
#define RT_RECORD_SAID 0x02u      // flag of a DECISION on which somebody said something

typedef struct rt_record {
    uint64_t seq;  // 1, 2, 3, ... without gaps (COMMIT records have no seq of their own)
    int64_t at_ms; // the brain's clock, never going backwards
    rt_record_kind kind;
    uint8_t flags;
    rt_bytes payload;
} rt_record;

typedef struct rt_journal_config {
    const char *dir;
    uint64_t segment_bytes; // 64 KiB .. 1 GiB
    uint64_t max_bytes;     // oldest released segments are recycled above this
    bool sync;              // false only in tests and benchmarks that say so
} rt_journal_config;

typedef struct rt_journal_info {
    uint64_t first_seq;     // oldest record kept
    uint64_t last_seq;      // last committed record, 0 when empty
    int64_t last_at_ms;
    uint64_t torn_bytes;    // cut from the tail at the last open
    uint64_t torn_records;  // how many complete but uncommitted records that were
    uint32_t damaged_marks; // notes that could not be read (nothing is lost by that alone)
    bool is_beginning_missing; // segments before first_seq are gone and not by retention
    uint64_t bytes;         // on disk
    uint32_t segments;
    uint8_t chain[32];      // hash after the last group
} rt_journal_info;

typedef struct rt_journal rt_journal;

// rt_journal_open opens or creates the journal, verifies the last segment, all headers and that
// they follow one another, and cuts a torn tail.
//   errors    RT_ECORRUPT (file, offset, seq in the detail) · RT_ENOSPC · RT_EIO · RT_EVERSION
rt_err rt_journal_open(const rt_journal_config *config, rt_journal **ret_journal) RT_MUST_USE;
// rt_journal_close closes without committing what is pending.
void rt_journal_close(rt_journal *journal);

// rt_journal_begin starts a record in the pending group and returns a writer for its payload;
// nothing else may be called until rt_journal_end or rt_journal_cancel.
rt_mpw *rt_journal_begin(rt_journal *journal, rt_record_kind kind, uint8_t flags, int64_t at_ms);
// rt_journal_end finishes it. The views in ret_record stay valid until the commit after next call
// to rt_journal_commit returns (pending groups are double-buffered).
//   errors    RT_ELIMIT payload or group too large (the record is dropped, the group stays valid)
rt_err rt_journal_end(rt_journal *journal, rt_record *ret_record) RT_MUST_USE;
// rt_journal_cancel drops the begun record.
void rt_journal_cancel(rt_journal *journal);
// rt_journal_pending is the number of records waiting for a commit; rt_journal_pending_bytes their
// size.
uint64_t rt_journal_pending(const rt_journal *journal);
size_t rt_journal_pending_bytes(const rt_journal *journal);
// rt_journal_commit writes the pending group and syncs it: one write, one fdatasync.
//   errors    RT_ENOSPC before anything was written: the group is kept, nothing is acknowledged ·
//             RT_EIO: the journal is poisoned, every later call fails; the process must stop
rt_err rt_journal_commit(rt_journal *journal) RT_MUST_USE;
// rt_journal_next_seq is the seq the next begun record gets; rt_journal_committed the last durable.
uint64_t rt_journal_next_seq(const rt_journal *journal);
uint64_t rt_journal_committed(const rt_journal *journal);
// rt_journal_release allows segments that hold only records up to `seq` to be recycled.
void rt_journal_release(rt_journal *journal, uint64_t seq);
// rt_journal_info_get copies figures.
rt_journal_info rt_journal_info_get(const rt_journal *journal);

typedef struct rt_journal_reader rt_journal_reader;
// rt_journal_reader_open reads committed records of the journal in `dir` from `from_seq` (or the
// oldest kept) on; works beside a writing owner and on a stopped one. Beside an owner it may see a
// group that is written and not yet synced: what must not be seen before it is durable is held
// back by comparing with rt_journal_committed.
//   errors    RT_ENOTFOUND no journal there · RT_ECORRUPT · RT_EIO
rt_err rt_journal_reader_open(const char *dir, uint64_t from_seq,
                              rt_journal_reader **ret_reader) RT_MUST_USE;
// rt_journal_reader_trust leaves out the SHA-256 of the groups that follow: for those who only
// look, and would spend most of their time on it. Every record's CRC is checked as ever, and
// segments still have to continue one another; what is not noticed is a group that somebody wrote
// anew.
void rt_journal_reader_trust(rt_journal_reader *reader);
// rt_journal_reader_next reads the next record of a complete group; views last until the next call.
//   errors    RT_EEND nothing more for now (a later call may find more) · RT_ECORRUPT (named; the
//             reader stays before the damage) · RT_ENOTFOUND the segment was recycled meanwhile
rt_err rt_journal_reader_next(rt_journal_reader *reader, rt_record *ret_record) RT_MUST_USE;
// rt_journal_reader_close releases it.
void rt_journal_reader_close(rt_journal_reader *reader);

// What a look at one segment found.
typedef struct rt_segment_report {
    uint64_t first_seq;
    uint64_t last_seq; // last record that could be read
    uint64_t bytes;
    rt_err err; // RT_OK: every record is as it was written
    bool is_mark_damaged;
    bool is_beginning_missing; // of the first segment
    char detail[RT_ERR_DETAIL_MAX]; // file, offset and seq of the damage
} rt_segment_report;

// rt_journal_scrub reads every segment for itself, also behind damage, and tells of each. Works
// beside a running owner; a segment that is recycled meanwhile is left out.
//   errors    RT_ENOTFOUND no journal there · RT_EIO (damage is told to on_segment)
rt_err rt_journal_scrub(const char *dir,
                        void (*on_segment)(void *user, const rt_segment_report *report),
                        void *user) RT_MUST_USE;
// rt_journal_verify walks every segment: CRCs, sequence numbers, chain.
//   errors    RT_ECORRUPT with the first finding in the detail
rt_err rt_journal_verify(const char *dir, rt_journal_info *ret_info) RT_MUST_USE;

#endif
