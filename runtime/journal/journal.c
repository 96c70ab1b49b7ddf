#include "runtime/journal/journal.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "runtime/base/alloc.h"
#include "runtime/base/check.h"
#include "runtime/base/planted.h"
#include "runtime/journal/internal.h"
#include "runtime/seam/entropy.h"

// Design notes.
// Records are encoded straight into the group buffer they are written from: the msgpack writer
// handed out by rt_journal_begin is a window on that buffer, with a capacity equal to its maximum
// so that it never moves. Two buffers take turns, which keeps the views of the last group alive
// while the next one is filled. They are as large as a group can be, but untouched pages cost
// nothing.
//
// A group lies in one segment. When it does not fit behind the last one, the next segment is taken
// into use: a spare file gets a header (synced under its spare name) and only then its name
// (rename, directory synced). So a file named like a segment always has a valid header, and a crash
// at any step leaves either a spare or an empty segment. Checksums depend on the segment's salt, so
// the pending group is resealed then.
//
// The spare is made ready ahead of time, from half of the current segment on: the oldest segment is
// renamed when retention allows, otherwise a new file is written with zeros, some slices after each
// commit, so that no commit ever waits for a whole file.
//
// Opening reads the last segment: what is behind its last complete group is wiped when it is a torn
// group, so that no record of it can be taken for one of a later group, and refused when a later
// group (segment.c) or the segment's mark (mark.c) proves it damaged. Of the others it reads
// headers and marks, which show whether one is missing, cut off, or stands under another's name.
// Groups behind the mark are written again: see make_durable.
//
// Invariant: nothing of a group is acknowledged before its sync returned RT_OK; after a failed
// write or sync nobody knows what is on disk, so the journal is poisoned and only reopening helps.

#define JOURNAL_MAGIC 0x70c4a117u
#define SEGMENT_BYTES_MIN (64u * 1024)
#define SEGMENT_BYTES_MAX (1024u * 1024 * 1024)
#define SPARE_NAME "spare.tmp"
#define SLICE_BYTES (256u * 1024)
#define SLICES_PER_GROUP 4 // of the group's size: ready when three quarters are used at the latest
#define WIPE_CHUNK (64u * 1024)

typedef struct group_buffer {
    uint8_t *ptr;
    size_t len;
    uint64_t record_count;
} group_buffer;

typedef struct kept_segment {
    uint64_t first_seq;
    uint64_t bytes;
} kept_segment;

struct rt_journal {
    uint32_t magic;
    bool is_poisoned;
    bool is_begun;
    rt_journal_config config;
    char dir[RT__PATH_BYTES];
    char spare_path[RT__PATH_BYTES];

    rt_file *file; // the segment written to
    rt__segment_header header;
    uint64_t pos; // where the next group goes
    uint64_t group;
    uint8_t chain[RT_SHA256_LEN];
    uint64_t committed_seq;
    int64_t committed_at_ms;
    uint64_t released_seq;
    uint64_t torn_bytes;
    uint64_t torn_records;
    uint32_t damaged_marks;
    bool is_beginning_missing;

    kept_segment *segments; // oldest first; the last is the one written to
    size_t segment_count;
    size_t segment_cap;
    rt_file *spare; // NULL = none begun
    uint64_t spare_bytes; // of it, written by this life

    size_t group_cap;
    group_buffer buffers[2];
    unsigned filling; // index of the buffer being filled
    rt_mpw writer;    // window on it
    rt_record begun;
    int64_t pending_at_ms; // at_ms of the newest record, committed or not
};

// --- segments -------------------------------------------------------------------------------

static void
add_segment(rt_journal *journal, uint64_t first_seq, uint64_t bytes)
{
    if (journal->segment_count == journal->segment_cap) {
        journal->segment_cap = journal->segment_cap > 0 ? journal->segment_cap * 2 : 16;
        journal->segments =
            rt_realloc(journal->segments, journal->segment_cap * sizeof(kept_segment));
    }
    journal->segments[journal->segment_count] = (kept_segment){first_seq, bytes};
    journal->segment_count++;
}

static void
forget_oldest(rt_journal *journal)
{
    journal->segment_count--;
    memmove(journal->segments, journal->segments + 1,
            journal->segment_count * sizeof(kept_segment));
}

static uint64_t
bytes_on_disk(const rt_journal *journal)
{
    uint64_t sum = journal->spare_bytes;

    for (size_t i = 0; i < journal->segment_count; i++) {
        sum += journal->segments[i].bytes;
    }
    return sum;
}

static bool
is_oldest_released(const rt_journal *journal)
{
    return journal->segment_count > 1 &&
           journal->segments[1].first_seq <= journal->released_seq + 1;
}

static bool
is_spare_ready(const rt_journal *journal)
{
    return journal->spare != NULL && journal->spare_bytes == journal->config.segment_bytes;
}

static void
drop_spare(rt_journal *journal)
{
    rt_file_close(journal->spare);
    journal->spare = NULL;
    journal->spare_bytes = 0;
}

// Notes in the segment behind the oldest that it may be the first from now on.
static rt_err
allow_first(rt_journal *journal, uint64_t first_seq)
{
    char path[RT__PATH_BYTES];
    rt__segment_header header;
    rt_file *file = NULL;
    rt_err err = RT_OK;

    rt__segment_path(journal->dir, first_seq, path);
    err = rt_file_open(path, RT_FILE_WRITE, &file);
    if (err == RT_OK) {
        err = rt__segment_header_read(file, path, &header);
    }
    if (err == RT_OK) {
        err = rt__oldest_write(file, &header);
    }
    rt_file_close(file);
    return err;
}

// Removes released segments while the journal is larger than allowed.
static rt_err
trim(rt_journal *journal)
{
    rt_err err = RT_OK;

    while (err == RT_OK && is_oldest_released(journal) &&
           bytes_on_disk(journal) > journal->config.max_bytes) {
        char path[RT__PATH_BYTES];

        rt__segment_path(journal->dir, journal->segments[0].first_seq, path);
        err = allow_first(journal, journal->segments[1].first_seq);
        if (err == RT_OK) {
            err = rt_file_remove(path);
        }
        if (err == RT_OK) {
            forget_oldest(journal);
        }
    }
    return err;
}

// Makes the oldest segment the spare when one more would be too many and it may go.
static rt_err
recycle(rt_journal *journal)
{
    char path[RT__PATH_BYTES];
    rt_err err = RT_OK;

    if (journal->spare != NULL || !is_oldest_released(journal) ||
        journal->segments[0].bytes != journal->config.segment_bytes ||
        bytes_on_disk(journal) + journal->config.segment_bytes <= journal->config.max_bytes) {
        return RT_OK;
    }
    rt__segment_path(journal->dir, journal->segments[0].first_seq, path);
    err = allow_first(journal, journal->segments[1].first_seq);
    if (err == RT_OK) {
        err = rt_file_rename(path, journal->spare_path);
    }
    if (err != RT_OK) {
        return err;
    }
    forget_oldest(journal);
    err = rt_file_open(journal->spare_path, RT_FILE_WRITE, &journal->spare);
    if (err == RT_OK) {
        journal->spare_bytes = journal->config.segment_bytes;
    }
    return err;
}

// Goes on filling a new spare with `bytes` zeros.
static rt_err
fill_spare(rt_journal *journal, uint64_t bytes)
{
    static const uint8_t zeros[WIPE_CHUNK];
    uint64_t end = RT_MIN(journal->spare_bytes + bytes, journal->config.segment_bytes);
    rt_err err = RT_OK;

    if (journal->spare == NULL) {
        err = rt_file_open(journal->spare_path, RT_FILE_WRITE, &journal->spare);
    }
    while (err == RT_OK && journal->spare_bytes < end) {
        size_t len = (size_t)RT_MIN((uint64_t)WIPE_CHUNK, end - journal->spare_bytes);

        err = rt_file_pwrite(journal->spare, (rt_bytes){zeros, len}, journal->spare_bytes);
        if (err == RT_OK) {
            journal->spare_bytes += len;
        }
    }
    return err == RT_OK && journal->config.sync ? rt_file_sync(journal->spare) : err;
}

// Does a share of the work for the next segment. Trouble here harms nobody yet: it comes back when
// the segment is needed, with a group to hand it to.
static void
prepare_spare(rt_journal *journal, uint64_t group_bytes)
{
    rt_err err = RT_OK;

    if (is_spare_ready(journal) || journal->pos < journal->header.bytes / 2) {
        return;
    }
    err = recycle(journal);
    if (err == RT_OK && !is_spare_ready(journal)) {
        err = fill_spare(journal, RT_MAX(SLICES_PER_GROUP * group_bytes, (uint64_t)SLICE_BYTES));
    }
    if (err != RT_OK) {
        drop_spare(journal);
    }
}

// Makes sure that there is a whole spare, waiting for it if need be.
static rt_err
require_spare(rt_journal *journal)
{
    rt_err err = is_spare_ready(journal) ? RT_OK : recycle(journal);

    if (err != RT_OK || is_spare_ready(journal)) {
        return err;
    }
    if (journal->spare == NULL) {
        err = rt_file_open(journal->spare_path, RT_FILE_WRITE, &journal->spare);
    }
    if (err == RT_OK) {
        err = rt_file_fill(journal->spare, journal->config.segment_bytes);
    }
    if (err == RT_OK) {
        journal->spare_bytes = journal->config.segment_bytes;
    } else {
        drop_spare(journal);
    }
    return err;
}

// Notes in the segment written to how far it is durable; without syncs nobody knows.
static rt_err
mark_durable(const rt_journal *journal, const rt__mark *mark)
{
    return journal->config.sync ? rt__mark_write(journal->file, journal->header.salt, mark)
                                : RT_OK;
}

// Ends the segment written to, which the next one continues.
static rt_err
end_segment(rt_journal *journal)
{
    rt__mark mark = {.is_continued = true,
                     .pos = journal->pos,
                     .seq = journal->committed_seq,
                     .group = journal->group};
    rt_err err = RT_OK;

    if (journal->file == NULL) {
        return RT_OK;
    }
    memcpy(mark.chain, journal->chain, RT_SHA256_LEN);
    err = mark_durable(journal, &mark);
    if (err == RT_OK && journal->config.sync) {
        err = rt_file_sync(journal->file);
    }
    rt_file_close(journal->file);
    journal->file = NULL;
    return err;
}

// Takes the next segment into use, beginning behind the last committed record.
static rt_err
start_segment(rt_journal *journal)
{
    char path[RT__PATH_BYTES];
    rt__segment_header header = {.first_seq = journal->committed_seq + 1,
                                 .group = journal->group,
                                 .bytes = journal->config.segment_bytes,
                                 .last_at_ms = journal->committed_at_ms};
    rt_err err = require_spare(journal);

    if (err != RT_OK) {
        return err;
    }
    rt_entropy(&header.salt, sizeof(header.salt));
    if (RT_PLANTED(chain_not_linked)) {
        memset(journal->chain, 0, RT_SHA256_LEN);
    }
    memcpy(header.chain, journal->chain, RT_SHA256_LEN);
    err = rt__segment_header_write(journal->spare, &header);
    if (err != RT_OK) {
        drop_spare(journal); // a file whose sync failed once is not to be trusted again
        return err;
    }
    rt__segment_path(journal->dir, header.first_seq, path);
    err = rt_file_rename(journal->spare_path, path);
    if (err != RT_OK) {
        // Whether the name changed is not known, so neither is where to write.
        return err == RT_ENOSPC ? rt_fail(RT_EIO, "%s: no room for a directory entry", path) : err;
    }
    err = end_segment(journal);
    journal->file = journal->spare;
    journal->spare = NULL;
    journal->spare_bytes = 0;
    journal->header = header;
    journal->pos = RT__SEGMENT_HEADER_BYTES;
    add_segment(journal, header.first_seq, header.bytes);
    return err == RT_ENOSPC ? rt_fail(RT_EIO, "%s: its end could not be noted", path) : err;
}

// --- open and close -------------------------------------------------------------------------

// Overwrites a torn group with zeros.
static rt_err
wipe_tail(rt_journal *journal, uint64_t end)
{
    static const uint8_t zeros[WIPE_CHUNK];
    rt_err err = RT_OK;

    for (uint64_t at = journal->pos; at < end && err == RT_OK; at += WIPE_CHUNK) {
        size_t len = (size_t)RT_MIN((uint64_t)WIPE_CHUNK, end - at);

        err = rt_file_pwrite(journal->file, (rt_bytes){zeros, len}, at);
    }
    return err == RT_OK && end > journal->pos ? rt_file_sync(journal->file) : err;
}

// Writes what is not known to be durable once more. A process whose sync failed leaves groups in
// the page cache that the kernel holds for written: the next process would read them and build on
// them, no sync would ever bring them to the disk, and a power cut would leave a hole.
static rt_err
make_durable(rt_journal *journal, const rt__cursor *cursor)
{
    rt__mark mark = {.pos = RT__SEGMENT_HEADER_BYTES};
    rt_err err = rt__mark_read(cursor->file, cursor->header.salt, &mark);
    uint64_t at = mark.pos;
    uint8_t *chunk = NULL;

    if (err == RT_EIO) {
        return err;
    }
    if (!journal->config.sync || at >= cursor->pos) {
        return RT_OK;
    }
    chunk = rt_alloc(WIPE_CHUNK);
    for (err = RT_OK; at < cursor->pos && err == RT_OK; at += WIPE_CHUNK) {
        size_t len = (size_t)RT_MIN((uint64_t)WIPE_CHUNK, cursor->pos - at);
        size_t got = 0;

        err = rt_file_pread(journal->file, chunk, len, at, &got);
        if (err == RT_OK && got < len) {
            err = rt_fail(RT_EIO, "%s became shorter", cursor->path);
        }
        if (err == RT_OK) {
            err = rt_file_pwrite(journal->file, (rt_bytes){chunk, len}, at);
        }
    }
    rt_free(chunk);
    return err == RT_OK ? rt_file_sync(journal->file) : err;
}

// Walks the last segment to its end and continues the journal from there.
static rt_err
continue_from(rt_journal *journal, rt__cursor *cursor)
{
    rt__group group = {0};
    rt__tail tail = {0};
    bool is_mark_damaged = false;
    rt_err err = RT_OK;

    do {
        err = rt__cursor_next(cursor, 0, &group);
    } while (err == RT_OK);
    if (err == RT_EEND) {
        err = rt__cursor_tail(cursor, cursor->header.bytes, &tail);
    }
    if (err != RT_OK) {
        return err;
    }
    if (tail.has_later_group) {
        return rt__cursor_corrupt(cursor);
    }
    err = rt__mark_check(cursor, &is_mark_damaged);
    if (err != RT_OK) {
        return err;
    }
    journal->damaged_marks += is_mark_damaged;
    err = make_durable(journal, cursor);
    if (err != RT_OK) {
        return err;
    }
    journal->header = cursor->header;
    journal->pos = cursor->pos;
    journal->group = cursor->group;
    memcpy(journal->chain, cursor->chain, RT_SHA256_LEN);
    journal->committed_seq = cursor->next_seq - 1;
    journal->committed_at_ms = cursor->last_at_ms;
    journal->torn_bytes = tail.end - cursor->pos;
    journal->torn_records = tail.record_count;
    return RT_PLANTED(torn_tail_not_wiped) ? RT_OK : wipe_tail(journal, tail.end);
}

static rt_err
open_last_segment(rt_journal *journal, uint64_t first_seq)
{
    char path[RT__PATH_BYTES];
    rt__cursor cursor = {0};
    rt_err err = rt__cursor_open(&cursor, journal->dir, first_seq);

    if (err != RT_OK) {
        return err;
    }
    rt__segment_path(journal->dir, first_seq, path);
    err = rt_file_open(path, RT_FILE_WRITE, &journal->file);
    if (err == RT_OK) {
        err = continue_from(journal, &cursor);
    }
    rt__cursor_close(&cursor);
    return err;
}

// Whether a segment goes on where the one before says that it ended.
static rt_err
check_follows(rt_journal *journal, const rt__cursor *before, const rt__cursor *next)
{
    rt__mark mark;
    rt_err err = RT_OK;

    if (next->group < before->group || next->last_at_ms < before->last_at_ms) {
        return rt_fail(RT_ECORRUPT, "%s, offset 0: its header is older than that of %s",
                       next->path, before->path);
    }
    err = rt__mark_read(before->file, before->header.salt, &mark);
    if (err == RT_ECORRUPT || err == RT_ENOTFOUND) {
        journal->damaged_marks += err == RT_ECORRUPT;
        return RT_OK;
    }
    if (err != RT_OK || !mark.is_continued) {
        return err; // a crash between two segments leaves the mark of the last commit
    }
    if (mark.seq + 1 < next->next_seq) {
        return rt_fail(RT_ECORRUPT,
                       "%s: the segment behind it, from seq %" PRIu64 ", is missing",
                       before->path, mark.seq + 1);
    }
    if (mark.seq + 1 != next->next_seq || mark.group != next->group ||
        memcmp(mark.chain, next->chain, RT_SHA256_LEN) != 0) {
        return rt_fail(RT_ECORRUPT, "%s, offset 0: does not continue the chain of %s", next->path,
                       before->path);
    }
    return RT_OK;
}

// Notes a segment, and checks its header and that it follows the one before (NULL: it is the
// first).
static rt_err
note_segment(rt_journal *journal, const rt__cursor *before, const rt__cursor *segment)
{
    uint64_t bytes = 0;
    bool may_be_first = true;
    rt_err err = rt_file_size(segment->file, &bytes);

    if (err == RT_OK && before != NULL) {
        err = check_follows(journal, before, segment);
    } else if (err == RT_OK) {
        err = rt__oldest_read(segment->file, &segment->header, &may_be_first);
    }
    if (err == RT_OK) {
        journal->is_beginning_missing = journal->is_beginning_missing || !may_be_first;
        add_segment(journal, segment->next_seq, bytes);
    }
    return err;
}

static rt_err
note_segments(rt_journal *journal, const uint64_t *seqs, size_t count)
{
    rt__cursor before = {0};
    rt_err err = RT_OK;

    for (size_t i = 0; i < count && err == RT_OK; i++) {
        rt__cursor segment = {0};

        err = rt__cursor_open(&segment, journal->dir, seqs[i]);
        if (err == RT_OK) {
            err = note_segment(journal, i > 0 ? &before : NULL, &segment);
        }
        rt__cursor_close(&before);
        before = segment;
    }
    rt__cursor_close(&before);
    return err;
}

// Finds what a former life left as spare, for the room it has: it is written anew, because nobody
// knows whether its sync failed, and what a failed sync left behind never becomes durable. Anything
// of another size is removed.
static rt_err
adopt_spare(rt_journal *journal)
{
    uint64_t bytes = 0;
    rt_err err = RT_OK;

    if (!rt_file_exists(journal->spare_path)) {
        return RT_OK;
    }
    err = rt_file_open(journal->spare_path, RT_FILE_WRITE, &journal->spare);
    if (err == RT_OK) {
        err = rt_file_size(journal->spare, &bytes);
    }
    if (err != RT_OK || bytes == journal->config.segment_bytes) {
        return err;
    }
    drop_spare(journal);
    return rt_file_remove(journal->spare_path);
}

static rt_err
open_all(rt_journal *journal)
{
    uint64_t *seqs = NULL;
    size_t count = 0;
    rt_err err = rt_dir_make(journal->dir);

    if (err == RT_OK) {
        err = rt__segment_list(journal->dir, &seqs, &count);
    }
    if (err == RT_OK) {
        err = adopt_spare(journal);
    }
    if (err == RT_OK) {
        err = note_segments(journal, seqs, count);
    }
    if (err == RT_OK) {
        err = count > 0 ? open_last_segment(journal, seqs[count - 1]) : start_segment(journal);
    }
    rt_free(seqs);
    return err;
}

rt_err
rt_journal_open(const rt_journal_config *config, rt_journal **ret_journal)
{
    rt_journal *journal = NULL;
    rt_err err = RT_OK;

    RT_ASSERT(config->segment_bytes >= SEGMENT_BYTES_MIN);
    RT_ASSERT(config->segment_bytes <= SEGMENT_BYTES_MAX);
    if (strlen(config->dir) > RT__DIR_BYTES_MAX) {
        return rt_fail(RT_EINVAL, "name of the journal's directory is too long");
    }
    journal = rt_new(rt_journal);
    journal->magic = JOURNAL_MAGIC;
    journal->config = *config;
    (void)snprintf(journal->dir, sizeof(journal->dir), "%s", config->dir);
    (void)snprintf(journal->spare_path, sizeof(journal->spare_path), "%.*s/" SPARE_NAME,
                   RT__DIR_BYTES_MAX, config->dir);
    journal->config.dir = journal->dir;
    err = open_all(journal);
    if (err != RT_OK) {
        rt_journal_close(journal);
        return err;
    }
    journal->pending_at_ms = journal->committed_at_ms;
    // A multiple of 8, as all records are.
    journal->group_cap = (size_t)RT_MIN(
        (uint64_t)RT_JOURNAL_GROUP_BYTES_MAX,
        (journal->config.segment_bytes - RT__SEGMENT_HEADER_BYTES - RT__COMMIT_BYTES) & ~7ull);
    for (unsigned i = 0; i < RT_COUNT(journal->buffers); i++) {
        journal->buffers[i].ptr = rt_alloc(journal->group_cap + RT__COMMIT_BYTES);
    }
    *ret_journal = journal;
    return RT_OK;
}

void
rt_journal_close(rt_journal *journal)
{
    if (journal == NULL) {
        return;
    }
    RT_CHECK(journal, JOURNAL_MAGIC);
    rt_file_close(journal->file);
    rt_file_close(journal->spare);
    for (unsigned i = 0; i < RT_COUNT(journal->buffers); i++) {
        rt_free(journal->buffers[i].ptr);
    }
    rt_free(journal->segments);
    journal->magic = 0;
    rt_free(journal);
}

// --- append ---------------------------------------------------------------------------------

rt_mpw *
rt_journal_begin(rt_journal *journal, rt_record_kind kind, uint8_t flags, int64_t at_ms)
{
    const group_buffer *group = NULL;
    size_t taken = 0;
    size_t room = 0;

    RT_CHECK(journal, JOURNAL_MAGIC);
    RT_ASSERT(!journal->is_begun);
    RT_ASSERT(kind >= RT_RECORD_EVENT && kind < RT_RECORD_COMMIT);
    group = &journal->buffers[journal->filling];
    taken = group->len + RT__RECORD_HEADER_BYTES;
    room = journal->group_cap > taken ? journal->group_cap - taken : 0;
    journal->is_begun = true;
    // A clock set back must not make the journal go back.
    journal->pending_at_ms = RT_MAX(journal->pending_at_ms, at_ms);
    journal->begun = (rt_record){.seq = rt_journal_next_seq(journal),
                                 .at_ms = journal->pending_at_ms,
                                 .kind = kind,
                                 .flags = flags};
    // All sizes in the buffer are multiples of 8, so room for the padding is a matter of rounding.
    room = RT_MIN(room, (size_t)RT_JOURNAL_PAYLOAD_MAX) & ~(size_t)7;
    journal->writer = (rt_mpw){.ptr = group->ptr + (room > 0 ? taken : 0),
                               .cap = room,
                               .max = room,
                               .failed = room == 0};
    return &journal->writer;
}

rt_err
rt_journal_end(rt_journal *journal, rt_record *ret_record)
{
    group_buffer *group = NULL;

    RT_CHECK(journal, JOURNAL_MAGIC);
    RT_ASSERT(journal->is_begun);
    journal->is_begun = false;
    if (journal->is_poisoned) {
        return rt_fail(RT_EIO, "the journal failed before");
    }
    if (journal->writer.failed) {
        return rt_fail(RT_ELIMIT, "record of kind %d does not fit: %zu bytes are pending",
                       (int)journal->begun.kind, rt_journal_pending_bytes(journal));
    }
    group = &journal->buffers[journal->filling];
    journal->begun.payload = rt_mpw_view(&journal->writer);
    group->len += rt__record_seal(group->ptr + group->len, &journal->begun, journal->group,
                                  journal->header.salt);
    group->record_count++;
    RT_ASSERT(group->len <= journal->group_cap);
    *ret_record = journal->begun;
    return RT_OK;
}

void
rt_journal_cancel(rt_journal *journal)
{
    RT_CHECK(journal, JOURNAL_MAGIC);
    RT_ASSERT(journal->is_begun);
    journal->is_begun = false;
}

uint64_t
rt_journal_pending(const rt_journal *journal)
{
    RT_CHECK(journal, JOURNAL_MAGIC);
    return journal->buffers[journal->filling].record_count;
}

size_t
rt_journal_pending_bytes(const rt_journal *journal)
{
    RT_CHECK(journal, JOURNAL_MAGIC);
    return journal->buffers[journal->filling].len;
}

// --- commit ---------------------------------------------------------------------------------

static rt_err
poison(rt_journal *journal, rt_err err)
{
    journal->is_poisoned = true;
    // The detail of the first failure stays; whatever it was, nothing can be acknowledged any more.
    return err == RT_EIO ? err : rt_fail(RT_EIO, "journal write: %s", rt_err_text(err));
}

// Moves on to the next segment with the pending group.
static rt_err
rotate(rt_journal *journal)
{
    group_buffer *group = &journal->buffers[journal->filling];
    rt_err err = trim(journal);

    if (err == RT_OK) {
        err = start_segment(journal);
    }
    if (err == RT_ENOSPC) {
        return err;
    }
    if (err != RT_OK) {
        return poison(journal, err);
    }
    for (size_t at = 0; at < group->len;) {
        at += rt__record_reseal(group->ptr + at, journal->group, journal->header.salt);
    }
    return RT_OK;
}

// Appends the COMMIT record to the pending group (not counted in its length) and gives the new
// chain hash.
static void
seal_group(const rt_journal *journal, group_buffer *group, uint8_t ret_chain[RT_SHA256_LEN])
{
    uint8_t *commit = group->ptr + group->len;
    uint8_t *hash = commit + RT__RECORD_HEADER_BYTES;
    rt_record record = {.seq = journal->committed_seq + group->record_count,
                        .at_ms = journal->pending_at_ms,
                        .kind = RT_RECORD_COMMIT,
                        .payload = {hash, RT_SHA256_LEN}};

    rt_sha256_chain(journal->chain, (rt_bytes){group->ptr, group->len}, ret_chain);
    memcpy(hash, ret_chain, RT_SHA256_LEN);
    (void)rt__record_seal(commit, &record, journal->group, journal->header.salt);
}

rt_err
rt_journal_commit(rt_journal *journal)
{
    rt__mark mark = {0};
    group_buffer *group = NULL;
    size_t bytes = 0;
    rt_err err = RT_OK;

    RT_CHECK(journal, JOURNAL_MAGIC);
    RT_ASSERT(!journal->is_begun);
    group = &journal->buffers[journal->filling];
    bytes = group->len + RT__COMMIT_BYTES;
    if (journal->is_poisoned) {
        return rt_fail(RT_EIO, "the journal failed before");
    }
    if (group->record_count == 0) {
        return RT_OK;
    }
    if (journal->pos + bytes > journal->header.bytes) {
        err = rotate(journal);
        if (err != RT_OK) {
            return err;
        }
    }
    seal_group(journal, group, mark.chain);
    err = rt_file_pwrite(journal->file, (rt_bytes){group->ptr, bytes}, journal->pos);
    if (RT_PLANTED(full_disk_ignored) && err == RT_ENOSPC) {
        err = RT_OK;
    }
    if (err == RT_ENOSPC) {
        return err; // what was written of it is overwritten by the next attempt
    }
    if (err == RT_OK && journal->config.sync &&
        !(RT_PLANTED(small_groups_not_synced) && bytes < 4096)) {
        err = rt_file_sync(journal->file);
    }
    if (RT_PLANTED(sync_tried_again) && err != RT_OK) {
        err = rt_file_sync(journal->file);
    }
    if (err == RT_OK) {
        mark.pos = journal->pos + bytes;
        mark.seq = journal->committed_seq + group->record_count;
        mark.group = journal->group + 1;
        err = mark_durable(journal, &mark);
    }
    if (err != RT_OK) {
        return poison(journal, err);
    }
    memcpy(journal->chain, mark.chain, RT_SHA256_LEN);
    journal->pos = mark.pos;
    journal->group = mark.group;
    journal->committed_seq = mark.seq;
    journal->committed_at_ms = journal->pending_at_ms;
    journal->filling ^= 1;
    journal->buffers[journal->filling].len = 0;
    journal->buffers[journal->filling].record_count = 0;
    prepare_spare(journal, bytes);
    return RT_OK;
}

// --- the rest -------------------------------------------------------------------------------

uint64_t
rt_journal_next_seq(const rt_journal *journal)
{
    RT_CHECK(journal, JOURNAL_MAGIC);
    return journal->committed_seq + journal->buffers[journal->filling].record_count + 1;
}

uint64_t
rt_journal_committed(const rt_journal *journal)
{
    RT_CHECK(journal, JOURNAL_MAGIC);
    return journal->committed_seq;
}

void
rt_journal_release(rt_journal *journal, uint64_t seq)
{
    RT_CHECK(journal, JOURNAL_MAGIC);
    journal->released_seq = RT_MAX(journal->released_seq, seq);
}

rt_journal_info
rt_journal_info_get(const rt_journal *journal)
{
    rt_journal_info info = {0};

    RT_CHECK(journal, JOURNAL_MAGIC);
    info.first_seq = journal->segments[0].first_seq;
    info.last_seq = journal->committed_seq;
    info.last_at_ms = journal->committed_at_ms;
    info.torn_bytes = journal->torn_bytes;
    info.torn_records = journal->torn_records;
    info.damaged_marks = journal->damaged_marks;
    info.is_beginning_missing = journal->is_beginning_missing;
    info.bytes = bytes_on_disk(journal);
    info.segments = (uint32_t)journal->segment_count;
    memcpy(info.chain, journal->chain, RT_SHA256_LEN);
    return info;
}
