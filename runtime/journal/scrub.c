#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "runtime/base/alloc.h"
#include "runtime/base/check.h"
#include "runtime/journal/internal.h"

// Design notes.
// Each segment is read for itself, because its header says where chain and numbers stand before it;
// so damage in one does not hide what is behind it. What a segment must reach is asked before it is
// walked: beside a living writer it can only have more by then, never less. The list of segments is
// from the beginning; one that was recycled meanwhile is left out.

typedef struct scrubbing {
    const char *dir;
    rt_segment_report report;
    rt__cursor cursor;
    rt__mark mark; // zeros without one
} scrubbing;

static rt_err
read_mark(scrubbing *s)
{
    rt_err err = rt__mark_read(s->cursor.file, s->cursor.header.salt, &s->mark);

    s->report.is_mark_damaged = err == RT_ECORRUPT;
    return err == RT_EIO ? err : RT_OK;
}

static rt_err
walk(scrubbing *s)
{
    rt__group group = {0};
    rt__tail tail = {0};
    rt_err err = RT_OK;

    do {
        err = rt__cursor_next(&s->cursor, 0, &group);
    } while (err == RT_OK);
    s->report.last_seq = s->cursor.next_seq - 1;
    if (err != RT_EEND) {
        return err;
    }
    err = rt__cursor_tail(&s->cursor, s->cursor.header.bytes, &tail);
    return err == RT_OK && tail.has_later_group ? rt__cursor_corrupt(&s->cursor) : err;
}

// The segment behind has to go on where this one ends.
static rt_err
check_next(const scrubbing *s, uint64_t next_seq)
{
    rt__cursor next = {0};
    const rt__cursor *cursor = &s->cursor;
    rt_err err = rt__cursor_open(&next, s->dir, next_seq);

    if (err != RT_OK) {
        return RT_OK; // is said of that one
    }
    if (next.next_seq > cursor->next_seq) {
        err = rt_fail(RT_ECORRUPT,
                      "%s, offset %" PRIu64 ", seq %" PRIu64 ": %s, and the next segment begins "
                      "with seq %" PRIu64,
                      cursor->path, cursor->bad_offset, cursor->bad_seq, cursor->bad_text,
                      next.next_seq);
    } else if (next.next_seq < cursor->next_seq || next.group != cursor->group ||
               memcmp(next.chain, cursor->chain, RT_SHA256_LEN) != 0) {
        err = rt_fail(RT_ECORRUPT, "%s, offset 0: does not continue the chain of %s", next.path,
                      cursor->path);
    }
    rt__cursor_close(&next);
    return err;
}

// What the segment's own mark said before it was walked.
static rt_err
check_mark(const scrubbing *s)
{
    char path[RT__PATH_BYTES];
    const rt__cursor *cursor = &s->cursor;

    if (s->mark.group > cursor->group) {
        return rt_fail(RT_ECORRUPT,
                       "%s, offset %" PRIu64 ", seq %" PRIu64
                       ": %s, where records up to %" PRIu64 " were durable",
                       cursor->path, cursor->bad_offset, cursor->bad_seq, cursor->bad_text,
                       s->mark.seq);
    }
    rt__segment_path(s->dir, s->mark.seq + 1, path);
    if (s->mark.is_continued && !rt_file_exists(path)) {
        return rt_fail(RT_ECORRUPT, "%s is missing", path);
    }
    return RT_OK;
}

static rt_err
scrub_open(scrubbing *s, uint64_t next_seq, bool is_first)
{
    bool may_be_first = true;
    rt_err err = read_mark(s);

    if (err == RT_OK && is_first) {
        err = rt__oldest_read(s->cursor.file, &s->cursor.header, &may_be_first);
        s->report.is_beginning_missing = !may_be_first;
    }
    if (err == RT_OK) {
        err = walk(s);
    }
    if (err == RT_OK) {
        err = check_mark(s);
    }
    return err == RT_OK && next_seq != 0 ? check_next(s, next_seq) : err;
}

// Looks at one segment; *ret_went: it was recycled meanwhile.
static void
scrub_one(scrubbing *s, uint64_t seq, uint64_t next_seq, bool is_first, bool *ret_went)
{
    rt_err err = rt__cursor_open(&s->cursor, s->dir, seq);

    s->report = (rt_segment_report){.first_seq = seq, .err = err};
    *ret_went = err == RT_ENOTFOUND;
    if (err == RT_OK) {
        s->report.bytes = s->cursor.header.bytes;
        s->report.err = scrub_open(s, next_seq, is_first);
        *ret_went = s->report.err != RT_OK && !rt_file_exists(s->cursor.path);
        rt__cursor_close(&s->cursor);
    }
    (void)snprintf(s->report.detail, sizeof(s->report.detail), "%s",
                   s->report.err != RT_OK ? rt_err_detail() : "");
}

rt_err
rt_journal_scrub(const char *dir, void (*on_segment)(void *user, const rt_segment_report *report),
                 void *user)
{
    uint64_t *seqs = NULL;
    size_t count = 0;
    scrubbing *s = NULL;
    rt_err err = RT_OK;

    if (strlen(dir) > RT__DIR_BYTES_MAX) {
        return rt_fail(RT_EINVAL, "name of the journal's directory is too long");
    }
    err = rt__segment_list(dir, &seqs, &count);
    if (err == RT_OK && count == 0) {
        err = rt_fail(RT_ENOTFOUND, "no journal in %s", dir);
    }
    s = rt_new(scrubbing);
    s->dir = dir;
    for (size_t i = 0; err == RT_OK && i < count; i++) {
        bool went = false;

        s->mark = (rt__mark){0};
        scrub_one(s, seqs[i], i + 1 < count ? seqs[i + 1] : 0, i == 0, &went);
        if (!went) {
            on_segment(user, &s->report);
        }
    }
    rt_free(s);
    rt_free(seqs);
    return err;
}
