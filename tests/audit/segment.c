#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/audit/internal.h"

// Design notes.
// Written from the description at the top of runtime/journal/journal.h, segment.c and mark.c, with
// none of their code. Files are named <first seq, 16 hexadecimal digits>.seg; a header block of
// 4096 bytes, then groups of records, the last of a group being its COMMIT. Numbers are
// little-endian. The header block holds two notes: the mark, how far the segment was durable, and
// one that says that older segments went by retention.
//
// A segment is read as a whole. What stands behind its last whole group may be a group that a crash
// left unfinished, in the last segment only: its records carry the number of the group that would
// have come next. A record of any other group there, and any record there in an older segment, is
// what remains of something that was durable once, so the place before it is damage; so is a place
// before the segment's mark. A mark is written unsynced after the group it speaks of, so one that
// is older than the last group, or none, is as good. What is left of a file's former life does not
// count, because its checksums have another salt.
//
// Damage ends the walk: whatever follows would only repeat it. A wrong chain hash, clock or number
// in a record that is whole otherwise is reported, and the walk goes on.

#define SEGMENTS_MAX 1000000
#define NAME_LEN 20
#define HEADER_BYTES 4096
#define HEAD_BYTES 28
#define PAYLOAD_MAX (4u * 1024 * 1024)
#define SEQ_SPAN ((uint64_t)1 << 40)
#define VERSION_MAX 2 // 1 had no notes
#define MARK_AT 512
#define MARK_BYTES 72
#define OLDEST_AT 1024
#define OLDEST_BYTES 24

typedef struct segment {
    char name[NAME_LEN + 1];
    uint64_t first_seq;
} segment;

typedef struct header {
    uint32_t version;
    uint32_t salt;
    uint64_t first_seq;
    uint64_t group;
    uint64_t bytes;
    int64_t last_at_ms;
    uint8_t chain[AUDIT_SHA_BYTES];
} header;

// How far a segment was durable, as it says itself.
typedef struct mark {
    bool is_there;
    bool is_continued; // the next segment begins behind it
    uint64_t pos;
    uint64_t seq;
    uint64_t group; // number of the next group
    uint8_t chain[AUDIT_SHA_BYTES];
} mark;

// The head of a record, and whether its bytes are what they were when it was written.
typedef struct head {
    uint32_t len;
    uint32_t crc;
    uint64_t seq;
    int64_t at_ms;
    uint8_t kind;
    uint8_t flags;
    uint16_t group;
    size_t size; // with head and padding
} head;

typedef struct walk {
    audit *a;
    const audit_files *files;
    audit__sha *sha;
    segment *segments;
    size_t count;
    size_t cap;
    uint8_t *buf; // one segment
    size_t buf_cap;
    size_t len;
    header header;
    mark mark;
    bool begun; // a segment was read
    uint64_t next_seq;
    uint64_t group; // number of the next group
    uint8_t chain[AUDIT_SHA_BYTES];
    int64_t last_at_ms; // of the last record of a whole group
} walk;

static uint64_t
number(const uint8_t *at, size_t len)
{
    uint64_t value = 0;

    for (size_t i = len; i > 0; i--) {
        value = value << 8 | at[i - 1];
    }
    return value;
}

// --- files ------------------------------------------------------------------------------------

static bool
parse_name(const char *name, uint64_t *ret_seq)
{
    static const char digits[] = "0123456789abcdef";
    uint64_t seq = 0;

    if (strlen(name) != NAME_LEN || strcmp(name + 16, ".seg") != 0) {
        return false;
    }
    for (size_t i = 0; i < 16; i++) {
        const char *digit = strchr(digits, name[i]);

        if (digit == NULL) {
            return false;
        }
        seq = seq << 4 | (uint64_t)(digit - digits);
    }
    *ret_seq = seq;
    return true;
}

static void
on_name(void *to, const char *name)
{
    walk *w = to;
    uint64_t seq = 0;

    if (!parse_name(name, &seq) || w->count == SEGMENTS_MAX) {
        return;
    }
    if (w->count == w->cap) {
        w->cap = w->cap > 0 ? w->cap * 2 : 64;
        w->segments = audit__grow(w->segments, w->cap * sizeof(segment));
    }
    memcpy(w->segments[w->count].name, name, NAME_LEN + 1);
    w->segments[w->count].first_seq = seq;
    w->count++;
}

static int
by_seq(const void *a, const void *b)
{
    uint64_t x = ((const segment *)a)->first_seq;
    uint64_t y = ((const segment *)b)->first_seq;

    return x < y ? -1 : x > y;
}

static bool
cannot(walk *w, const char *what, const char *name)
{
    (void)snprintf(w->a->error, sizeof(w->a->error), "%s: %s", name, what);
    return false;
}

static bool
load(walk *w, const char *name)
{
    int64_t size = w->files->size(w->files->user, name);

    if (size < 0) {
        return cannot(w, "cannot be opened", name);
    }
    if ((size_t)size > w->buf_cap) {
        w->buf_cap = (size_t)size;
        w->buf = audit__grow(w->buf, w->buf_cap);
    }
    w->len = 0;
    while (w->len < (size_t)size) {
        int64_t got =
            w->files->read(w->files->user, name, w->len, w->buf + w->len, (size_t)size - w->len);

        if (got < 0) {
            return cannot(w, "cannot be read", name);
        }
        if (got == 0) {
            break;
        }
        w->len += (size_t)got;
    }
    return true;
}

// --- header block -----------------------------------------------------------------------------

static bool
damaged(walk *w, uint64_t seq, const char *rule, const char *name, uint64_t offset,
        const char *what)
{
    audit__say(w->a, seq, rule, "%s, offset %" PRIu64 ": %s", name, offset, what);
    w->a->stopped = true;
    return false;
}

// Whether a note stands at `at` of the header block: 1 there, 0 blank, -1 damaged.
static int
find_note(const walk *w, size_t at, size_t len, const char *magic)
{
    static const uint8_t blank[MARK_BYTES];
    const uint8_t *note = w->buf + at;

    if (memcmp(note, blank, len) == 0) {
        return 0;
    }
    return memcmp(note, magic, 8) == 0 &&
                   number(note + 8, 4) == audit__crc32c(w->header.salt, note + 12, len - 12)
               ? 1
               : -1;
}

static void
read_notes(walk *w, const segment *s)
{
    const uint8_t *note = w->buf + MARK_AT;
    int found = find_note(w, MARK_AT, MARK_BYTES, "CRBRMARK");
    int oldest = find_note(w, OLDEST_AT, OLDEST_BYTES, "CRBROLD1");

    w->mark = (mark){.is_there = found > 0,
                     .is_continued = number(note + 12, 4) == 1,
                     .pos = number(note + 16, 8),
                     .seq = number(note + 24, 8),
                     .group = number(note + 32, 8)};
    memcpy(w->mark.chain, note + 40, AUDIT_SHA_BYTES);
    if (found < 0 || oldest < 0 ||
        (oldest > 0 && number(w->buf + OLDEST_AT + 16, 8) != s->first_seq)) {
        audit__say(w->a, s->first_seq, "mark", "%s, offset %d: a damaged note", s->name,
                   found < 0 ? MARK_AT : OLDEST_AT);
    }
    if (!w->begun && s->first_seq > 1 && w->header.version > 1 && oldest == 0) {
        audit__say(w->a, s->first_seq, "beginning",
                   "the segments before %s are gone, and not by retention", s->name);
    }
}

// Whether what no note and no field covers is zero.
static bool
is_rest_blank(const walk *w)
{
    static const uint8_t zeros[HEADER_BYTES];
    const uint8_t *b = w->buf;
    size_t behind_mark = MARK_AT + MARK_BYTES;
    size_t behind_oldest = OLDEST_AT + OLDEST_BYTES;

    if (w->header.version == 1) {
        return memcmp(b + 84, zeros, HEADER_BYTES - 84) == 0;
    }
    return memcmp(b + 84, zeros, MARK_AT - 84) == 0 &&
           memcmp(b + behind_mark, zeros, OLDEST_AT - behind_mark) == 0 &&
           memcmp(b + behind_oldest, zeros, HEADER_BYTES - behind_oldest) == 0;
}

static bool
read_header(walk *w, const segment *s)
{
    const uint8_t *b = w->buf;

    if (w->len < HEADER_BYTES || memcmp(b, "CRBRSEG1", 8) != 0) {
        return damaged(w, s->first_seq, "segment-header", s->name, 0, "no segment");
    }
    if (number(b + 80, 4) != audit__crc32c(0, b, 80)) {
        return damaged(w, s->first_seq, "segment-header", s->name, 80, "wrong checksum");
    }
    w->header = (header){.version = (uint32_t)number(b + 8, 4),
                         .salt = (uint32_t)number(b + 12, 4),
                         .first_seq = number(b + 16, 8),
                         .group = number(b + 24, 8),
                         .bytes = number(b + 32, 8),
                         .last_at_ms = (int64_t)number(b + 40, 8)};
    memcpy(w->header.chain, b + 48, AUDIT_SHA_BYTES);
    if (w->header.version < 1 || w->header.version > VERSION_MAX) {
        return damaged(w, s->first_seq, "segment-header", s->name, 8, "a version nobody knows");
    }
    if (!is_rest_blank(w)) {
        audit__say(w->a, s->first_seq, "segment-header", "%s: the header's rest is not zero",
                   s->name);
    }
    if (w->header.first_seq != s->first_seq) {
        return damaged(w, s->first_seq, "segment-header", s->name, 16,
                       "its header belongs to another place");
    }
    if (w->header.bytes > w->len) {
        return damaged(w, s->first_seq, "segment-header", s->name, w->len, "the file is cut off");
    }
    w->len = (size_t)w->header.bytes;
    read_notes(w, s);
    return true;
}

// A segment goes on where the one before ended; the oldest kept begins where it says.
static bool
join(walk *w, const segment *s)
{
    const header *h = &w->header;

    if (!w->begun) {
        w->next_seq = h->first_seq;
        w->group = h->group;
        w->last_at_ms = h->last_at_ms;
        memcpy(w->chain, h->chain, AUDIT_SHA_BYTES);
        w->begun = true;
        return true;
    }
    if (h->first_seq != w->next_seq) {
        audit__say(w->a, w->next_seq, "segment-gap",
                   "%s begins with record %" PRIu64 ", expected %" PRIu64, s->name, h->first_seq,
                   w->next_seq);
        w->a->stopped = true;
        return false;
    }
    if (memcmp(h->chain, w->chain, AUDIT_SHA_BYTES) != 0) {
        audit__say(w->a, w->next_seq, "chain", "%s: the chain does not go on where it ended",
                   s->name);
    }
    if (h->group != w->group) {
        audit__say(w->a, w->next_seq, "segment-header",
                   "%s begins with group %" PRIu64 ", expected %" PRIu64, s->name, h->group,
                   w->group);
    }
    if (h->last_at_ms != w->last_at_ms) {
        audit__say(w->a, w->next_seq, "clock",
                   "%s: the time before it is %" PRId64 ", expected %" PRId64, s->name,
                   h->last_at_ms, w->last_at_ms);
    }
    return true;
}

// --- records ----------------------------------------------------------------------------------

// Reads the head at `at`; NULL, or why no record can stand there.
static const char *
read_head(const walk *w, size_t at, head *ret)
{
    const uint8_t *b = w->buf + at;

    if (at + HEAD_BYTES > w->len) {
        return "the segment ends";
    }
    *ret = (head){.len = (uint32_t)number(b, 4),
                  .crc = (uint32_t)number(b + 4, 4),
                  .seq = number(b + 8, 8),
                  .at_ms = (int64_t)number(b + 16, 8),
                  .kind = b[24],
                  .flags = b[25],
                  .group = (uint16_t)number(b + 26, 2)};
    if (ret->kind < KIND_EVENT || ret->kind > KIND_COMMIT || ret->len > PAYLOAD_MAX) {
        return "no record";
    }
    ret->size = (HEAD_BYTES + (size_t)ret->len + 7) & ~(size_t)7;
    return at + ret->size > w->len ? "the record runs beyond the segment" : NULL;
}

static bool
checksum_holds(const walk *w, size_t at, const head *h)
{
    uint32_t crc = audit__crc32c(w->header.salt, w->buf + at, 4);

    return audit__crc32c(crc, w->buf + at + 8, HEAD_BYTES - 8 + (size_t)h->len) == h->crc;
}

// Looks behind the last whole group. False when something there was durable once.
static bool
check_tail(walk *w, const segment *s, size_t from, bool is_last, const char *why, size_t why_at)
{
    size_t end = from;

    for (size_t at = from; at + HEAD_BYTES <= w->len;) {
        head h;
        bool looks = (uint8_t)(w->buf[at + 24] - KIND_EVENT) < KIND_COMMIT &&
                     read_head(w, at, &h) == NULL && h.seq - w->next_seq < SEQ_SPAN &&
                     checksum_holds(w, at, &h);

        if (!looks) {
            at += 8;
            continue;
        }
        if (!is_last || h.group != (uint16_t)w->group) {
            char what[160];

            (void)snprintf(what, sizeof(what), "%s, and record %" PRIu64 " stands at offset %zu",
                           why, h.seq, at);
            return damaged(w, w->next_seq, strcmp(why, "wrong checksum") == 0 ? "crc" : "group",
                           s->name, why_at, what);
        }
        at += h.size;
        end = at;
    }
    w->a->figures.torn_bytes += end - from;
    return true;
}

// Hands the records of a whole group on.
static void
deliver(walk *w, size_t from, size_t to)
{
    for (size_t at = from; at < to;) {
        head h;
        audit_record record;

        if (read_head(w, at, &h) != NULL) {
            return; // it was read before
        }
        record = (audit_record){.seq = h.seq,
                                .at_ms = h.at_ms,
                                .kind = h.kind,
                                .flags = h.flags,
                                .group = w->group,
                                .crc = h.crc,
                                .payload = w->buf + at + HEAD_BYTES,
                                .payload_len = h.len,
                                .chain = w->chain};
        audit__see_record(w->a, &record);
        at += h.size;
    }
}

static bool
is_zero(const uint8_t *from, const uint8_t *to)
{
    while (from < to) {
        if (*from++ != 0) {
            return false;
        }
    }
    return true;
}

// Checks the COMMIT at `at` of the group from `from` on, and takes the group over.
static void
close_group(walk *w, const segment *s, size_t from, size_t at, const head *h, int64_t last_at_ms)
{
    const uint8_t *hash = w->buf + at + HEAD_BYTES;
    uint8_t computed[AUDIT_SHA_BYTES];

    if (h->len != AUDIT_SHA_BYTES || h->flags != 0 || at == from) {
        audit__say(w->a, h->seq, "commit", "%s, offset %zu: a commit of %zu bytes, flags %u%s",
                   s->name, at, (size_t)h->len, h->flags, at == from ? ", of no record" : "");
        if (h->len != AUDIT_SHA_BYTES) {
            return;
        }
    }
    if (h->at_ms != last_at_ms) {
        audit__say(w->a, h->seq, "clock",
                   "the group's commit is of %" PRId64 ", its last record of %" PRId64, h->at_ms,
                   last_at_ms);
    }
    audit__sha_chain(w->sha, w->chain, w->buf + from, at - from, computed);
    if (memcmp(computed, hash, AUDIT_SHA_BYTES) != 0) {
        audit__say(w->a, h->seq, "chain", "%s, offset %zu: wrong chain hash of group %" PRIu64,
                   s->name, from, w->group);
    }
    memcpy(w->chain, hash, AUDIT_SHA_BYTES);
    w->a->figures.groups++;
    w->a->figures.bytes += at + h->size - from;
    w->last_at_ms = last_at_ms;
    deliver(w, from, at);
    w->group++;
}

// Finds the COMMIT of the group that begins at `from`; NULL, or why the group is not whole, with
// *ret_at the place.
static const char *
find_commit(const walk *w, size_t from, size_t *ret_at)
{
    const char *why = NULL;
    head h = {0};

    *ret_at = from;
    for (;; *ret_at += h.size) {
        why = read_head(w, *ret_at, &h);
        if (why == NULL && h.group != (uint16_t)w->group) {
            why = "no record of this group";
        }
        if (why == NULL && !checksum_holds(w, *ret_at, &h)) {
            why = "wrong checksum";
        }
        if (why != NULL || h.kind == KIND_COMMIT) {
            return why;
        }
    }
}

// Checks what checksums do not cover, and numbers; returns the number that the next group begins
// with.
static uint64_t
check_group(walk *w, const segment *s, size_t from, size_t commit, int64_t *last_at_ms)
{
    uint64_t seq = w->next_seq;
    head h = {0};

    for (size_t at = from; at <= commit && read_head(w, at, &h) == NULL; at += h.size) {
        uint64_t counts = h.kind == KIND_COMMIT ? 0 : 1;

        if (h.seq != seq - 1 + counts) {
            audit__say(w->a, seq, "sequence",
                       "%s, offset %zu: record %" PRIu64 " where %" PRIu64 " is expected", s->name,
                       at, h.seq, seq - 1 + counts);
            seq = h.seq + 1 - counts;
        }
        if (!is_zero(w->buf + at + HEAD_BYTES + h.len, w->buf + at + h.size)) {
            audit__say(w->a, h.seq, "padding", "%s, offset %zu: the padding is not zero", s->name,
                       at);
        }
        *last_at_ms = counts > 0 ? h.at_ms : *last_at_ms;
        seq += counts;
    }
    return seq;
}

// Compares the mark with the place that it speaks of.
static void
check_mark(walk *w, const segment *s, size_t at)
{
    const mark *m = &w->mark;

    if (m->is_there && m->group == w->group &&
        (m->pos != at || m->seq + 1 != w->next_seq ||
         memcmp(m->chain, w->chain, AUDIT_SHA_BYTES) != 0)) {
        audit__say(w->a, w->next_seq - 1, "mark",
                   "%s: its mark says record %" PRIu64 ", offset %" PRIu64 " before group %" PRIu64
                   ", which stands behind record %" PRIu64 " at %zu",
                   s->name, m->seq, m->pos, m->group, w->next_seq - 1, at);
    }
}

// What the mark says of a segment's end.
static void
check_end(walk *w, const segment *s, bool is_last)
{
    const mark *m = &w->mark;

    if (!m->is_there || w->a->stopped) {
        return;
    }
    if (m->group > w->group) {
        audit__say(w->a, w->next_seq, "durable",
                   "%s: records up to %" PRIu64 " were durable, they end with %" PRIu64, s->name,
                   m->seq, w->next_seq - 1);
        w->a->stopped = true;
    } else if (m->is_continued && is_last) {
        audit__say(w->a, w->next_seq, "segment-gap",
                   "the segment behind %s, from record %" PRIu64 " on, is missing", s->name,
                   m->seq + 1);
        w->a->stopped = true;
    } else if (m->is_continued && m->group != w->group) {
        audit__say(w->a, w->next_seq, "mark", "%s goes on behind the end that its mark says",
                   s->name);
    }
}

// Walks one group; false behind the last whole one. *at moves behind it.
static bool
read_group(walk *w, const segment *s, bool is_last, size_t *at)
{
    size_t commit = 0;
    const char *why = find_commit(w, *at, &commit);
    int64_t last_at_ms = w->last_at_ms;
    uint64_t next_seq = 0;
    head h = {0};

    if (why != NULL) {
        (void)check_tail(w, s, *at, is_last, why, commit); // reported there
        return false;
    }
    next_seq = check_group(w, s, *at, commit, &last_at_ms);
    (void)read_head(w, commit, &h); // as it was found
    close_group(w, s, *at, commit, &h, last_at_ms);
    w->next_seq = next_seq;
    *at = commit + h.size;
    check_mark(w, s, *at);
    return true;
}

static bool
read_segment(walk *w, size_t index)
{
    const segment *s = &w->segments[index];
    bool is_last = index + 1 == w->count;
    size_t at = HEADER_BYTES;

    if (!load(w, s->name)) {
        return false;
    }
    w->a->figures.segments++;
    if (!read_header(w, s) || !join(w, s)) {
        return true; // said
    }
    while (read_group(w, s, is_last, &at)) {
    }
    check_end(w, s, is_last);
    return true;
}

bool
audit__read_segments(audit *a, const audit_files *files)
{
    walk w = {.a = a, .files = files};
    bool ok = files->list(files->user, on_name, &w);

    if (!ok) {
        ok = cannot(&w, "the directory cannot be read", "journal");
    } else if (w.count == 0) {
        ok = cannot(&w, "no segment there", "journal");
    } else {
        qsort(w.segments, w.count, sizeof(segment), by_seq);
    }
    w.sha = audit__sha_new();
    for (size_t i = 0; i < w.count && ok && !a->stopped; i++) {
        ok = read_segment(&w, i);
    }
    audit__sha_free(w.sha);
    audit__free(w.segments);
    audit__free(w.buf);
    return ok;
}
