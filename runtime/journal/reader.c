#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "runtime/base/alloc.h"
#include "runtime/base/check.h"
#include "runtime/journal/internal.h"

// Design notes.
// A reader has its own handles and shares nothing with the writer but the files. Where the next
// group is not complete there are four possibilities, asked in this order: the file was recycled
// (its header changed), the journal goes on in the next segment (there is one named by exactly the
// seq expected next, so a segment that is still growing is never left too early), the group is
// damaged, or there is simply nothing more yet. Damage needs proof: a later group, a later segment,
// or the segment's mark (mark.c). As the writer may have finished the group between the look at it
// and the look for the proof, the group is read once more before it is condemned.
//
// The search for proof reads the rest of the segment; a reader that waits at the end would do that
// at each call, so it looks thoroughly at the first time and then every THOROUGH_EVERY calls.

#define READER_MAGIC 0x4eade470u
#define OPEN_TRIES 4
#define THOROUGH_EVERY 64
#define LOOK_AHEAD_BYTES (1024u * 1024)

struct rt_journal_reader {
    uint32_t magic;
    char dir[RT__PATH_BYTES];
    rt__cursor cursor;
    uint64_t from_seq;
    uint64_t chain_from; // the hash is computed of groups with a record from here on
    rt__group group; // being handed out
    size_t group_used;
    uint64_t end_count; // how often this segment's end was seen
};

// Opens the segment that holds `from_seq`, or the oldest.
static rt_err
open_segment_of(const char *dir, uint64_t from_seq, rt__cursor *cursor)
{
    uint64_t *seqs = NULL;
    uint64_t first_seq = 0;
    size_t count = 0;
    rt_err err = rt__segment_list(dir, &seqs, &count);

    if (err != RT_OK) {
        return err;
    }
    if (count == 0) {
        rt_free(seqs);
        return rt_fail(RT_ENOTFOUND, "no journal in %s", dir);
    }
    first_seq = seqs[0];
    for (size_t i = 1; i < count && seqs[i] <= from_seq; i++) {
        first_seq = seqs[i];
    }
    rt_free(seqs);
    return rt__cursor_open(cursor, dir, first_seq);
}

rt_err
rt_journal_reader_open(const char *dir, uint64_t from_seq, rt_journal_reader **ret_reader)
{
    rt__cursor cursor = {0};
    rt_journal_reader *reader = NULL;
    rt_err err = RT_OK;

    if (strlen(dir) > RT__DIR_BYTES_MAX) {
        return rt_fail(RT_EINVAL, "name of the journal's directory is too long");
    }
    // A segment listed may be recycled before it is opened; then the list is out of date.
    for (int i = 0; i < OPEN_TRIES; i++) {
        err = open_segment_of(dir, from_seq, &cursor);
        if (err != RT_ENOTFOUND) {
            break;
        }
    }
    if (err != RT_OK) {
        return err;
    }
    reader = rt_new(rt_journal_reader);
    reader->magic = READER_MAGIC;
    reader->from_seq = from_seq;
    reader->chain_from = from_seq;
    reader->cursor = cursor;
    (void)snprintf(reader->dir, sizeof(reader->dir), "%s", dir);
    *ret_reader = reader;
    return RT_OK;
}

void
rt_journal_reader_trust(rt_journal_reader *reader)
{
    RT_CHECK(reader, READER_MAGIC);
    reader->chain_from = UINT64_MAX;
}

void
rt_journal_reader_close(rt_journal_reader *reader)
{
    if (reader == NULL) {
        return;
    }
    RT_CHECK(reader, READER_MAGIC);
    rt__cursor_close(&reader->cursor);
    reader->magic = 0;
    rt_free(reader);
}

static rt_err
check_still_ours(const rt_journal_reader *reader)
{
    rt__segment_header now;
    const rt__cursor *cursor = &reader->cursor;
    rt_err err = rt__segment_header_read(cursor->file, cursor->path, &now);

    if (err == RT_EIO) {
        return err;
    }
    if (err != RT_OK || now.salt != cursor->header.salt ||
        now.first_seq != cursor->header.first_seq) {
        // While a header is being replaced it may not even be a valid one; damage to the header of
        // a segment in use is found by the next open.
        return rt_fail(RT_ENOTFOUND, "%s was recycled", cursor->path);
    }
    return RT_OK;
}

// Goes on in the next segment; RT_EEND when there is none yet.
static rt_err
enter_next_segment(rt_journal_reader *reader)
{
    rt__cursor next = {0};
    rt__cursor *cursor = &reader->cursor;
    rt_err err = RT_OK;

    if (cursor->next_seq == cursor->header.first_seq) {
        return RT_EEND;
    }
    err = rt__cursor_open(&next, reader->dir, cursor->next_seq);
    if (err != RT_OK) {
        return err == RT_ENOTFOUND ? RT_EEND : err;
    }
    if (next.group != cursor->group || memcmp(next.chain, cursor->chain, RT_SHA256_LEN) != 0) {
        err = rt_fail(RT_ECORRUPT, "%s, offset 0: does not continue the chain of %s", next.path,
                      cursor->path);
        rt__cursor_close(&next);
        return err;
    }
    rt__cursor_close(cursor);
    *cursor = next;
    reader->end_count = 0;
    return RT_OK;
}

// Whether a segment begins behind the record expected next.
static rt_err
has_later_segment(const rt_journal_reader *reader, bool *ret_found)
{
    uint64_t *seqs = NULL;
    size_t count = 0;
    rt_err err = rt__segment_list(reader->dir, &seqs, &count);

    if (err == RT_OK) {
        *ret_found = count > 0 && seqs[count - 1] > reader->cursor.next_seq;
        rt_free(seqs);
    }
    return err;
}

// Whether the segment's mark knows of more than could be read.
static rt_err
is_marked_longer(const rt_journal_reader *reader, bool *ret_found)
{
    rt__mark mark = {0};
    rt_err err = rt__mark_read(reader->cursor.file, reader->cursor.header.salt, &mark);

    if (err == RT_EIO) {
        return err;
    }
    *ret_found = err == RT_OK && (mark.group > reader->cursor.group || mark.is_continued);
    return RT_OK;
}

// Looks for proof that the group at the cursor was complete once.
static rt_err
find_proof(rt_journal_reader *reader, bool *ret_found)
{
    uint64_t limit = reader->end_count == 0 ? reader->cursor.header.bytes : LOOK_AHEAD_BYTES;
    rt__tail tail = {0};
    rt_err err = RT_OK;

    *ret_found = false;
    if (reader->end_count % THOROUGH_EVERY == 0) {
        err = has_later_segment(reader, ret_found);
        if (err == RT_OK && *ret_found && !rt_file_exists(reader->cursor.path)) {
            // The next segment is not missing: it went after ours, by retention.
            err = rt_fail(RT_ENOTFOUND, "%s was recycled", reader->cursor.path);
        }
        if (err == RT_OK && !*ret_found) {
            err = rt__cursor_tail(&reader->cursor, limit, &tail);
            *ret_found = tail.has_later_group;
        }
        if (err == RT_OK && !*ret_found) {
            err = is_marked_longer(reader, ret_found);
        }
    }
    reader->end_count++;
    return err;
}

// Names the damage at the cursor, of which there is proof.
static rt_err
condemn(rt_journal_reader *reader)
{
    bool is_mark_damaged = false;
    rt_err err = check_still_ours(reader);

    reader->end_count = 0; // so that the next call finds the same proof
    if (err == RT_OK && !rt_file_exists(reader->cursor.path)) {
        err = rt_fail(RT_ENOTFOUND, "%s was recycled", reader->cursor.path);
    }
    if (err == RT_OK) {
        err = rt__mark_check(&reader->cursor, &is_mark_damaged);
    }
    return err == RT_OK ? rt__cursor_corrupt(&reader->cursor) : err;
}

// Decides what an incomplete group means. RT_OK: look again, there is a group now.
static rt_err
judge_end(rt_journal_reader *reader)
{
    bool found = false;
    rt_err err = check_still_ours(reader);

    rt__cursor_forget(&reader->cursor);
    if (err == RT_OK) {
        err = enter_next_segment(reader);
        if (err != RT_EEND) {
            return err;
        }
        err = find_proof(reader, &found);
        rt__cursor_forget(&reader->cursor);
    }
    if (err != RT_OK) {
        return err;
    }
    if (!found) {
        return RT_EEND;
    }
    err = rt__cursor_next(&reader->cursor, reader->chain_from, &reader->group);
    if (err == RT_EEND) {
        err = enter_next_segment(reader); // the writer may have gone on there meanwhile
    }
    return err == RT_EEND ? condemn(reader) : err;
}

// Makes the next group that holds a wanted record the one being handed out.
static rt_err
next_group(rt_journal_reader *reader)
{
    rt_err err = RT_OK;

    do {
        bool was_read_ahead = reader->cursor.len > 0;

        reader->group = (rt__group){0};
        reader->group_used = 0;
        err = rt__cursor_next(&reader->cursor, reader->chain_from, &reader->group);
        if (err == RT_EEND && was_read_ahead) {
            // What was read ahead may be older than what is written now.
            rt__cursor_forget(&reader->cursor);
            err = rt__cursor_next(&reader->cursor, reader->chain_from, &reader->group);
        }
        if (err == RT_EEND) {
            err = judge_end(reader);
        }
    } while (err == RT_OK && (reader->group.len == 0 || reader->group.last_seq < reader->from_seq));
    return err;
}

rt_err
rt_journal_reader_next(rt_journal_reader *reader, rt_record *ret_record)
{
    rt_record record;
    rt_err err = RT_OK;

    RT_CHECK(reader, READER_MAGIC);
    do {
        if (reader->group_used == reader->group.len) {
            err = next_group(reader);
            if (err != RT_OK) {
                return err;
            }
        }
        reader->group_used += rt__record_view(reader->group.ptr + reader->group_used, &record);
    } while (record.seq < reader->from_seq);
    *ret_record = record;
    return RT_OK;
}

static rt_err
size_of_dir(const char *dir, rt_journal_info *info)
{
    uint64_t *seqs = NULL;
    size_t count = 0;
    rt_err err = rt__segment_list(dir, &seqs, &count);

    for (size_t i = 0; i < count && err == RT_OK; i++) {
        char path[RT__PATH_BYTES];
        rt_file *file = NULL;
        uint64_t bytes = 0;

        rt__segment_path(dir, seqs[i], path);
        err = rt_file_open(path, RT_FILE_READ, &file);
        if (err == RT_OK) {
            err = rt_file_size(file, &bytes);
        }
        rt_file_close(file);
        info->bytes += bytes;
    }
    info->segments = (uint32_t)count;
    rt_free(seqs);
    return err;
}

static bool
is_mark_damaged(const rt_journal_reader *reader)
{
    rt__mark mark;

    return rt__mark_read(reader->cursor.file, reader->cursor.header.salt, &mark) == RT_ECORRUPT;
}

rt_err
rt_journal_verify(const char *dir, rt_journal_info *ret_info)
{
    rt_journal_info info = {0};
    rt_journal_reader *reader = NULL;
    rt_record record;
    rt__tail tail = {0};
    bool may_be_first = true;
    rt_err err = rt_journal_reader_open(dir, 0, &reader);

    if (err != RT_OK) {
        return err;
    }
    info.first_seq = reader->cursor.header.first_seq;
    err = rt__oldest_read(reader->cursor.file, &reader->cursor.header, &may_be_first);
    info.is_beginning_missing = err == RT_OK && !may_be_first;
    while (err == RT_OK) {
        err = rt_journal_reader_next(reader, &record);
    }
    if (err == RT_EEND) {
        err = rt__cursor_tail(&reader->cursor, reader->cursor.header.bytes, &tail);
    }
    if (err == RT_OK) {
        info.damaged_marks = is_mark_damaged(reader);
    }
    info.last_seq = reader->cursor.next_seq - 1;
    info.last_at_ms = reader->cursor.last_at_ms;
    info.torn_bytes = tail.end - reader->cursor.pos;
    info.torn_records = tail.record_count;
    memcpy(info.chain, reader->cursor.chain, RT_SHA256_LEN);
    if (err == RT_OK) {
        err = size_of_dir(dir, &info);
    }
    if (err == RT_OK) {
        *ret_info = info;
    }
    rt_journal_reader_close(reader);
    return err;
}
