#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "runtime/base/alloc.h"
#include "runtime/base/check.h"
#include "runtime/base/planted.h"
#include "runtime/journal/internal.h"

// Design notes.
// What is behind the last complete group of a segment may be zeros, the content of the file's
// former life, a group torn by a power cut, a group being written right now, or damage to a group
// that was acknowledged. Only the last must stop us, and it can be told from the others: a group is
// begun only after the one before it is durable, so one whole record of a *later* group proves that
// the group we cannot read was complete. Every record carries the low bits of its group's number
// for this; the salt keeps out the file's former life, and the writer wipes a torn tail when it
// opens (journal.c), so that no record of an abandoned group is ever mistaken for a later one. For
// the very last group there is no later one: there the segment's mark is the proof (mark.c).
//
// Length and checksum both cover the length field, so a damaged length is found like any other.
//
// Numbers are little-endian on disk.

#define MAGIC "CRBRSEG1"
#define MAGIC_BYTES 8
#define FORMAT_VERSION 2u // 1 had no marks (mark.c); it is read as well
#define FORMAT_VERSION_MIN 1u
#define HEADER_USED_BYTES 88
#define NAME_DIGITS 16
#define SUFFIX ".seg"
#define AHEAD_MIN (64u * 1024)
#define AHEAD_MAX (1024u * 1024)
#define SEQ_SPAN (1ull << 40) // a later group's seq is not further ahead than this

// --- names ----------------------------------------------------------------------------------

void
rt__segment_path(const char *dir, uint64_t first_seq, char out[RT__PATH_BYTES])
{
    int n = snprintf(out, RT__PATH_BYTES, "%s/%016" PRIx64 SUFFIX, dir, first_seq);

    RT_ASSERT(n > 0 && n < RT__PATH_BYTES);
}

// Reads the first seq out of a file name; false when it is not a segment's.
static bool
parse_name(const char *name, uint64_t *ret_seq)
{
    uint64_t seq = 0;

    if (strlen(name) != NAME_DIGITS + strlen(SUFFIX) || strcmp(name + NAME_DIGITS, SUFFIX) != 0) {
        return false;
    }
    for (size_t i = 0; i < NAME_DIGITS; i++) {
        const char *digits = "0123456789abcdef";
        const char *digit = strchr(digits, name[i]);

        if (digit == NULL) {
            return false;
        }
        seq = seq << 4 | (uint64_t)(digit - digits);
    }
    *ret_seq = seq;
    return true;
}

typedef struct seq_list {
    uint64_t *seqs;
    size_t count;
    size_t cap;
} seq_list;

static void
on_name(void *user, const char *name)
{
    seq_list *list = user;
    uint64_t seq = 0;

    if (!parse_name(name, &seq)) {
        return;
    }
    if (list->count == list->cap) {
        list->cap = list->cap > 0 ? list->cap * 2 : 16;
        list->seqs = rt_realloc(list->seqs, list->cap * sizeof(uint64_t));
    }
    list->seqs[list->count] = seq;
    list->count++;
}

rt_err
rt__segment_list(const char *dir, uint64_t **ret_seqs, size_t *ret_count)
{
    seq_list list = {0};
    // Names are listed in byte order, which for fixed-width hexadecimal is the order of numbers.
    rt_err err = rt_dir_list(dir, on_name, &list);

    if (err != RT_OK) {
        rt_free(list.seqs);
        return err;
    }
    *ret_seqs = list.seqs;
    *ret_count = list.count;
    return RT_OK;
}

// --- header block ---------------------------------------------------------------------------

rt_err
rt__segment_header_write(rt_file *file, const rt__segment_header *header)
{
    uint8_t block[RT__SEGMENT_HEADER_BYTES] = {0};
    rt_err err = RT_OK;

    memcpy(block, MAGIC, MAGIC_BYTES);
    rt__put32(block + 8, FORMAT_VERSION);
    rt__put32(block + 12, header->salt);
    rt__put64(block + 16, header->first_seq);
    rt__put64(block + 24, header->group);
    rt__put64(block + 32, header->bytes);
    rt__put64(block + 40, (uint64_t)header->last_at_ms);
    memcpy(block + 48, header->chain, RT_SHA256_LEN);
    rt__put32(block + 80, rt_crc32c(0, (rt_bytes){block, 80}));
    err = rt_file_pwrite(file, (rt_bytes){block, sizeof(block)}, 0);
    return err == RT_OK ? rt_file_sync(file) : err;
}

rt_err
rt__segment_header_read(rt_file *file, const char *path, rt__segment_header *ret_header)
{
    uint8_t block[HEADER_USED_BYTES];
    uint64_t size = 0;
    size_t len = 0;
    rt_err err = rt_file_pread(file, block, sizeof(block), 0, &len);

    if (err == RT_OK) {
        err = rt_file_size(file, &size);
    }
    if (err != RT_OK) {
        return err;
    }
    if (len < sizeof(block) || memcmp(block, MAGIC, MAGIC_BYTES) != 0) {
        return rt_fail(RT_ECORRUPT, "%s, offset 0: no segment header", path);
    }
    if (rt__get32(block + 80) != rt_crc32c(0, (rt_bytes){block, 80})) {
        return rt_fail(RT_ECORRUPT, "%s, offset 0: wrong checksum of the segment header", path);
    }
    if (rt__get32(block + 8) < FORMAT_VERSION_MIN || rt__get32(block + 8) > FORMAT_VERSION) {
        return rt_fail(RT_EVERSION, "%s has format version %" PRIu32 ", this build reads up to %u",
                       path, rt__get32(block + 8), FORMAT_VERSION);
    }
    if (size < rt__get64(block + 32)) {
        return rt_fail(RT_ECORRUPT, "%s, offset %" PRIu64 ": cut off, %" PRIu64 " bytes expected",
                       path, size, rt__get64(block + 32));
    }
    ret_header->version = rt__get32(block + 8);
    ret_header->salt = rt__get32(block + 12);
    ret_header->first_seq = rt__get64(block + 16);
    ret_header->group = rt__get64(block + 24);
    ret_header->bytes = rt__get64(block + 32);
    ret_header->last_at_ms = (int64_t)rt__get64(block + 40);
    memcpy(ret_header->chain, block + 48, RT_SHA256_LEN);
    return RT_OK;
}

// --- records --------------------------------------------------------------------------------

static uint32_t
record_crc(const uint8_t *at, size_t payload_len, uint32_t salt)
{
    uint32_t crc = rt_crc32c(salt, (rt_bytes){at, 4});

    return rt_crc32c(crc, (rt_bytes){at + 8, RT__RECORD_HEADER_BYTES - 8 + payload_len});
}

size_t
rt__record_seal(uint8_t *at, const rt_record *record, uint64_t group, uint32_t salt)
{
    size_t used = RT__RECORD_HEADER_BYTES + record->payload.len;
    size_t total = rt__record_bytes(record->payload.len);

    rt__put32(at, (uint32_t)record->payload.len);
    rt__put64(at + 8, record->seq);
    rt__put64(at + 16, (uint64_t)record->at_ms);
    at[24] = (uint8_t)record->kind;
    at[25] = record->flags;
    rt__put16(at + 26, (uint16_t)group);
    memset(at + used, 0, total - used);
    rt__put32(at + 4, record_crc(at, record->payload.len, salt));
    return total;
}

size_t
rt__record_reseal(uint8_t *at, uint64_t group, uint32_t salt)
{
    size_t payload_len = rt__get32(at);

    rt__put16(at + 26, (uint16_t)group);
    rt__put32(at + 4, record_crc(at, payload_len, salt));
    return rt__record_bytes(payload_len);
}

size_t
rt__record_view(const uint8_t *at, rt_record *ret_record)
{
    size_t payload_len = rt__get32(at);

    ret_record->seq = rt__get64(at + 8);
    ret_record->at_ms = (int64_t)rt__get64(at + 16);
    ret_record->kind = (rt_record_kind)at[24];
    ret_record->flags = at[25];
    ret_record->payload = (rt_bytes){at + RT__RECORD_HEADER_BYTES, payload_len};
    return rt__record_bytes(payload_len);
}

// --- cursor ---------------------------------------------------------------------------------

rt_err
rt__cursor_open(rt__cursor *cursor, const char *dir, uint64_t first_seq)
{
    rt__cursor c = {.ahead = AHEAD_MIN, .pos = RT__SEGMENT_HEADER_BYTES};
    rt_err err = RT_OK;

    rt__segment_path(dir, first_seq, c.path);
    err = rt_file_open(c.path, RT_FILE_READ, &c.file);
    if (err != RT_OK) {
        return err;
    }
    err = rt__segment_header_read(c.file, c.path, &c.header);
    if (err == RT_OK && c.header.first_seq != first_seq) {
        err = rt_fail(RT_ECORRUPT, "%s, offset 16: the header belongs to seq %" PRIu64, c.path,
                      c.header.first_seq);
    }
    if (err == RT_ECORRUPT && !rt_file_exists(c.path)) {
        // Its writer took it for something else between the opening and the look.
        err = rt_fail(RT_ENOTFOUND, "%s was recycled", c.path);
    }
    if (err != RT_OK) {
        rt_file_close(c.file);
        return err;
    }
    c.next_seq = first_seq;
    c.group = c.header.group;
    c.last_at_ms = c.header.last_at_ms;
    memcpy(c.chain, c.header.chain, RT_SHA256_LEN);
    *cursor = c;
    return RT_OK;
}

void
rt__cursor_close(rt__cursor *cursor)
{
    rt_file_close(cursor->file);
    rt_free(cursor->buf);
    *cursor = (rt__cursor){0};
}

void
rt__cursor_forget(rt__cursor *cursor)
{
    cursor->len = 0;
    cursor->ahead = AHEAD_MIN;
}

// Makes `len` bytes of the file from `at` on readable in one piece; NULL beyond the segment's end.
static rt_err
view(rt__cursor *c, uint64_t at, size_t len, const uint8_t **ret_ptr)
{
    size_t got = 0;
    // Half as much again, so that a long group is not read anew for each of its records.
    size_t want = RT_MAX(len + len / 2, c->ahead);
    rt_err err = RT_OK;

    if (at >= c->base && at + len <= c->base + c->len) {
        *ret_ptr = c->buf + (at - c->base);
        return RT_OK;
    }
    if (at + len > c->header.bytes) {
        *ret_ptr = NULL;
        return RT_OK;
    }
    want = (size_t)RT_MIN((uint64_t)want, c->header.bytes - at);
    if (want > c->cap) {
        rt_free(c->buf);
        c->len = 0;
        c->cap = want;
        c->buf = rt_alloc(c->cap);
    }
    err = rt_file_pread(c->file, c->buf, want, at, &got);
    c->base = at;
    c->len = err == RT_OK ? got : 0;
    c->ahead = RT_MIN(c->ahead * 2, AHEAD_MAX);
    if (err != RT_OK) {
        return rt_fail(err, "%s, offset %" PRIu64 ": %zu bytes cannot be read", c->path, at, want);
    }
    *ret_ptr = got >= len ? c->buf : NULL;
    return RT_OK;
}

static rt_err
stop(rt__cursor *c, uint64_t offset, uint64_t seq, const char *text)
{
    c->bad_offset = offset;
    c->bad_seq = seq;
    c->bad_text = text;
    return RT_EEND;
}

// A place inside the group that is being walked.
typedef struct walk {
    const uint8_t *ptr; // the group's first byte, in the window
    size_t used;        // bytes of whole, valid records
    uint64_t seq;       // expected next
    size_t record_len;  // size of the record at `used`
} walk;

// Checks the record at the walk's place.
static rt_err
check_record(rt__cursor *c, walk *w)
{
    uint64_t at = c->pos + w->used;
    const uint8_t *head = NULL;
    size_t payload_len = 0;
    bool is_commit = false;
    rt_err err = view(c, c->pos, w->used + RT__RECORD_HEADER_BYTES, &w->ptr);

    if (err != RT_OK) {
        return err;
    }
    if (w->ptr == NULL) {
        return stop(c, at, w->seq, "the segment ends");
    }
    head = w->ptr + w->used;
    payload_len = rt__get32(head);
    is_commit = head[24] == RT_RECORD_COMMIT;
    w->record_len = rt__record_bytes(payload_len);
    if (payload_len > RT_JOURNAL_PAYLOAD_MAX || head[24] < RT_RECORD_EVENT ||
        head[24] > RT_RECORD_COMMIT || rt__get16(head + 26) != (uint16_t)c->group ||
        rt__get64(head + 8) != w->seq - (is_commit ? 1 : 0) ||
        w->used + w->record_len > RT_JOURNAL_GROUP_BYTES_MAX + RT__COMMIT_BYTES) {
        return stop(c, at, w->seq, "no such record header");
    }
    c->torn_end = RT_MIN(at + w->record_len, c->header.bytes);
    err = view(c, c->pos, w->used + w->record_len, &w->ptr);
    if (err != RT_OK) {
        return err;
    }
    if (w->ptr == NULL) {
        return stop(c, at, w->seq, "the record runs beyond the segment");
    }
    head = w->ptr + w->used;
    if (rt__get32(head + 4) != record_crc(head, payload_len, c->header.salt) &&
        !RT_PLANTED(checksums_not_checked)) {
        return stop(c, at, w->seq, "wrong checksum");
    }
    return RT_OK;
}

// Checks the COMMIT at the walk's place and moves the cursor behind it.
static rt_err
close_group(rt__cursor *c, const walk *w, uint64_t chain_from)
{
    const uint8_t *commit = w->ptr + w->used;
    const uint8_t *hash = commit + RT__RECORD_HEADER_BYTES;
    uint8_t computed[RT_SHA256_LEN];

    if (w->used == 0 || w->record_len != RT__COMMIT_BYTES) {
        return stop(c, c->pos + w->used, w->seq, "a commit of nothing");
    }
    // Paddings of the records are covered by the chain hash, that of the commit by nothing.
    if (rt__get32(hash + RT_SHA256_LEN) != 0) {
        return stop(c, c->pos + w->used, w->seq, "padding of a commit is not zero");
    }
    if (w->seq > chain_from && !RT_PLANTED(checksums_not_checked)) {
        rt_sha256_chain(c->chain, (rt_bytes){w->ptr, w->used}, computed);
        if (memcmp(computed, hash, RT_SHA256_LEN) != 0) {
            return stop(c, c->pos, c->next_seq, "wrong chain hash");
        }
    }
    memcpy(c->chain, hash, RT_SHA256_LEN);
    c->last_at_ms = (int64_t)rt__get64(commit + 16);
    c->next_seq = w->seq;
    c->group++;
    c->pos += w->used + w->record_len;
    return RT_OK;
}

rt_err
rt__cursor_next(rt__cursor *cursor, uint64_t chain_from, rt__group *ret_group)
{
    walk w = {.seq = cursor->next_seq};
    uint64_t first_seq = cursor->next_seq;
    rt_err err = RT_OK;

    cursor->torn_end = cursor->pos;
    for (;;) {
        err = check_record(cursor, &w);
        if (err != RT_OK) {
            return err;
        }
        if (w.ptr[w.used + 24] == RT_RECORD_COMMIT) {
            break;
        }
        w.used += w.record_len;
        w.seq++;
    }
    err = close_group(cursor, &w, chain_from);
    if (err == RT_OK) {
        *ret_group = (rt__group){w.ptr, w.used, first_seq, w.seq - 1};
    }
    return err;
}

// Whether a valid record of this or a later group stands at `at`; *ret_len is its size then, else
// 0.
static rt_err
probe(rt__cursor *c, uint64_t at, size_t *ret_len, uint16_t *ret_group, bool *ret_is_commit)
{
    const uint8_t *head = NULL;
    size_t payload_len = 0;
    size_t len = 0;
    rt_err err = view(c, at, RT__RECORD_HEADER_BYTES, &head);

    *ret_len = 0;
    if (err != RT_OK || head == NULL) {
        return err;
    }
    payload_len = rt__get32(head);
    if (head[24] < RT_RECORD_EVENT || head[24] > RT_RECORD_COMMIT ||
        payload_len > RT_JOURNAL_PAYLOAD_MAX || rt__get64(head + 8) - c->next_seq >= SEQ_SPAN) {
        return RT_OK;
    }
    len = rt__record_bytes(payload_len);
    err = view(c, at, len, &head);
    if (err != RT_OK || head == NULL) {
        return err;
    }
    if (rt__get32(head + 4) == record_crc(head, payload_len, c->header.salt)) {
        *ret_len = len;
        *ret_group = rt__get16(head + 26);
        *ret_is_commit = head[24] == RT_RECORD_COMMIT;
    }
    return RT_OK;
}

// Steps over places in the window that cannot be a record, by the byte where its kind would be:
// most of a segment's rest is zeros, and up to a GiB of them is looked at.
static uint64_t
skip_blank(const rt__cursor *c, uint64_t at)
{
    uint64_t end = c->base + c->len;

    if (at < c->base) {
        return at;
    }
    while (at + RT__RECORD_HEADER_BYTES <= end &&
           (uint8_t)(c->buf[at - c->base + 24] - RT_RECORD_EVENT) > RT_RECORD_COMMIT - 1) {
        at += 8;
    }
    return at;
}

rt_err
rt__cursor_tail(rt__cursor *cursor, uint64_t limit, rt__tail *ret_tail)
{
    rt__tail tail = {.end = cursor->torn_end};
    uint64_t end = RT_MIN(cursor->header.bytes, cursor->pos + limit);
    uint64_t at = skip_blank(cursor, cursor->pos);

    while (at < end && !tail.has_later_group) {
        size_t len = 0;
        uint16_t group = 0;
        bool is_commit = false;
        rt_err err = probe(cursor, at, &len, &group, &is_commit);

        if (err != RT_OK) {
            return err;
        }
        if (len > 0) {
            tail.has_later_group = group != (uint16_t)cursor->group;
            tail.record_count += is_commit ? 0 : 1;
            tail.end = RT_MAX(tail.end, at + len);
        }
        at = skip_blank(cursor, at + RT_MAX(len, 8));
    }
    *ret_tail = tail;
    return RT_OK;
}

rt_err
rt__cursor_corrupt(const rt__cursor *cursor)
{
    return rt_fail(RT_ECORRUPT, "%s, offset %" PRIu64 ", seq %" PRIu64 ": %s", cursor->path,
                   cursor->bad_offset, cursor->bad_seq, cursor->bad_text);
}
