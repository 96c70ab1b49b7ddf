#include <stdio.h>

#include "runtime/base/alloc.h"
#include "runtime/journal/journal.h"
#include "tests/sim/internal.h"

// Design notes.
// A journal that is recycled cannot be replayed from its beginning. So in such a life everything
// that is durable is copied at once, before retention takes it, into memory, where no fault of the
// simulated disk reaches it. At the end the copy is written as a journal of its own, and replayed.

#define DIR_CAP 64
#define SEGMENT_BYTES (1024u * 1024)
#define GROUP_RECORDS 64

typedef struct copied {
    rt_record record;
    uint8_t *bytes;
} copied;

struct world_archive {
    copied *records;
    size_t count;
    size_t cap;
    rt_journal_reader *reader;
    unsigned written; // how often it was written out
    char dir[DIR_CAP];
};

static void
copy_record(world_archive *a, const rt_record *record)
{
    copied *c = NULL;

    if (a->count == a->cap) {
        a->cap = RT_MAX(a->cap * 2, (size_t)1024);
        a->records = rt_realloc(a->records, a->cap * sizeof(copied));
    }
    c = &a->records[a->count++];
    c->record = *record;
    c->bytes = rt_alloc(record->payload.len);
    memcpy(c->bytes, record->payload.ptr, record->payload.len);
    c->record.payload = (rt_bytes){c->bytes, record->payload.len};
}

static void
forget_reader(world_archive *a)
{
    rt_journal_reader_close(a->reader);
    a->reader = NULL;
}

void
world_archive_more(world *w)
{
    world_archive *a = w->archive;
    rt_record record;
    rt_err err = RT_OK;

    if (a == NULL || w->brain == NULL || rt_journal_committed(w->brain->journal) <= a->count) {
        return;
    }
    if (a->reader == NULL) {
        err = rt_journal_reader_open(JOURNAL_DIR, a->count + 1, &a->reader);
    }
    while (err == RT_OK && a->count < rt_journal_committed(w->brain->journal)) {
        err = rt_journal_reader_next(a->reader, &record);
        if (err == RT_OK && record.seq == a->count + 1) {
            copy_record(a, &record);
        } else if (err == RT_OK && record.seq > a->count + 1) {
            world_violated(w, "record %zu was gone before anybody could read it", a->count + 1);
            err = RT_EEND;
        }
    }
    if (err != RT_OK) {
        forget_reader(a); // a power cut, or a disk that was made to fail: again after the next step
    }
}

static rt_err
write_records(const world_archive *a, rt_journal *journal)
{
    rt_err err = RT_OK;

    for (size_t i = 0; i < a->count && err == RT_OK; i++) {
        const rt_record *from = &a->records[i].record;
        rt_record record;
        rt_mpw *mpw = rt_journal_begin(journal, from->kind, from->flags, from->at_ms);

        rt_mpw_raw(mpw, from->payload);
        err = rt_journal_end(journal, &record);
        if (err == RT_OK && i % GROUP_RECORDS == GROUP_RECORDS - 1) {
            err = rt_journal_commit(journal);
        }
    }
    return err == RT_OK ? rt_journal_commit(journal) : err;
}

const char *
world_journal_dir(world *w)
{
    world_archive *a = w->archive;
    rt_journal *journal = NULL;
    rt_err err = RT_OK;

    if (a == NULL) {
        return JOURNAL_DIR;
    }
    world_archive_more(w);
    (void)snprintf(a->dir, sizeof(a->dir), "/archive-%u", ++a->written);
    err = rt_journal_open(&(rt_journal_config){.dir = a->dir,
                                               .segment_bytes = SEGMENT_BYTES,
                                               .max_bytes = UINT64_MAX / 2},
                          &journal);
    if (err == RT_OK) {
        err = write_records(a, journal);
    }
    if (err != RT_OK) {
        world_violated(w, "the copy of the journal cannot be written: %s", rt_err_detail());
    }
    rt_journal_close(journal);
    return a->dir;
}

void
world_archive_begin(world *w)
{
    if (w->draw.small_journal && !w->draw.rots) {
        w->archive = rt_new(world_archive);
    }
}

void
world_archive_end(world *w)
{
    if (w->archive == NULL) {
        return;
    }
    forget_reader(w->archive);
    for (size_t i = 0; i < w->archive->count; i++) {
        rt_free(w->archive->records[i].bytes);
    }
    rt_free(w->archive->records);
    rt_free(w->archive);
    w->archive = NULL;
}
