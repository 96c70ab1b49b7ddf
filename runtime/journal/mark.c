#include <inttypes.h>
#include <string.h>

#include "runtime/base/check.h"
#include "runtime/journal/internal.h"

// Design notes.
// A group that was acknowledged and then damaged must not be cut away as if it had been torn. A
// later group proves that one was complete (segment.c), but nothing lies behind the last. So after
// each sync, before anybody is told, the segment's first block notes how far everything is durable.
// The note lies in a sector of its own, far from the groups, so that no single fault takes both; it
// is not synced, because the page cache outlives the process, and a power cut that takes the note
// cannot damage the group, which is on disk. The next sync writes it along (4 µs of 104).
//
// What is left: a power cut that takes the note, and then rot in just that last group; or two
// faults, one of them in the note. Then the last group counts as torn, and the start says what was
// cut.
//
// When the journal goes on in the next segment the mark says so, hence a missing last segment is
// noticed; and before the oldest segment goes by retention the one behind it gets a note that it
// may be the first, hence one that was lost is noticed.

#define MARK_MAGIC "CRBRMARK"
#define OLDEST_MAGIC "CRBROLD1"
#define MAGIC_BYTES 8
#define MARK_AT 512u    // each in a sector of its own
#define OLDEST_AT 1024u //
#define MARK_BYTES 72u
#define OLDEST_BYTES 24u
#define IS_CONTINUED 1u

// A note is: magic · u32 CRC32C (seeded with the segment's salt, over the rest) · content.
static uint32_t
note_crc(const uint8_t *note, size_t len, uint32_t salt)
{
    return rt_crc32c(salt, (rt_bytes){note + MAGIC_BYTES + 4, len - MAGIC_BYTES - 4});
}

static rt_err
write_note(rt_file *file, uint64_t at, const char *magic, uint32_t salt, uint8_t *note, size_t len)
{
    memcpy(note, magic, MAGIC_BYTES);
    rt__put32(note + MAGIC_BYTES, note_crc(note, len, salt));
    return rt_file_pwrite(file, (rt_bytes){note, len}, at);
}

static rt_err
read_note(rt_file *file, uint64_t at, const char *magic, uint32_t salt, uint8_t *note, size_t len)
{
    static const uint8_t blank[MARK_BYTES];
    size_t got = 0;
    rt_err err = rt_file_pread(file, note, len, at, &got);

    if (err != RT_OK) {
        return err;
    }
    memset(note + got, 0, len - got);
    if (memcmp(note, blank, len) == 0) {
        return RT_ENOTFOUND;
    }
    if (memcmp(note, magic, MAGIC_BYTES) != 0 ||
        rt__get32(note + MAGIC_BYTES) != note_crc(note, len, salt)) {
        return RT_ECORRUPT;
    }
    return RT_OK;
}

rt_err
rt__mark_write(rt_file *file, uint32_t salt, const rt__mark *mark)
{
    uint8_t note[MARK_BYTES] = {0};

    rt__put32(note + 12, mark->is_continued ? IS_CONTINUED : 0);
    rt__put64(note + 16, mark->pos);
    rt__put64(note + 24, mark->seq);
    rt__put64(note + 32, mark->group);
    memcpy(note + 40, mark->chain, RT_SHA256_LEN);
    return write_note(file, MARK_AT, MARK_MAGIC, salt, note, sizeof(note));
}

rt_err
rt__mark_read(rt_file *file, uint32_t salt, rt__mark *ret_mark)
{
    uint8_t note[MARK_BYTES];
    rt_err err = read_note(file, MARK_AT, MARK_MAGIC, salt, note, sizeof(note));

    if (err != RT_OK) {
        return err;
    }
    ret_mark->is_continued = rt__get32(note + 12) == IS_CONTINUED;
    ret_mark->pos = rt__get64(note + 16);
    ret_mark->seq = rt__get64(note + 24);
    ret_mark->group = rt__get64(note + 32);
    memcpy(ret_mark->chain, note + 40, RT_SHA256_LEN);
    return RT_OK;
}

rt_err
rt__oldest_write(rt_file *file, const rt__segment_header *header)
{
    uint8_t note[OLDEST_BYTES] = {0};
    rt_err err = RT_OK;

    rt__put64(note + 16, header->first_seq);
    err = write_note(file, OLDEST_AT, OLDEST_MAGIC, header->salt, note, sizeof(note));
    return err == RT_OK ? rt_file_sync(file) : err;
}

rt_err
rt__oldest_read(rt_file *file, const rt__segment_header *header, bool *ret_may_be_first)
{
    uint8_t note[OLDEST_BYTES];
    rt_err err = RT_OK;

    if (header->first_seq > 1 && header->version >= 2) {
        err = read_note(file, OLDEST_AT, OLDEST_MAGIC, header->salt, note, sizeof(note));
    }
    if (err == RT_EIO) {
        return err;
    }
    *ret_may_be_first = err == RT_OK;
    return RT_OK;
}

rt_err
rt__mark_check(const rt__cursor *cursor, bool *ret_is_damaged)
{
    rt__mark mark;
    rt_err err = rt__mark_read(cursor->file, cursor->header.salt, &mark);

    if (err == RT_ECORRUPT || err == RT_ENOTFOUND) {
        *ret_is_damaged = err == RT_ECORRUPT;
        return RT_OK;
    }
    if (err != RT_OK) {
        return err;
    }
    *ret_is_damaged = false;
    if (mark.group > cursor->group) {
        return rt_fail(RT_ECORRUPT,
                       "%s, offset %" PRIu64 ", seq %" PRIu64
                       ": %s, where records up to %" PRIu64 " were durable",
                       cursor->path, cursor->bad_offset, cursor->bad_seq, cursor->bad_text,
                       mark.seq);
    }
    if (mark.group == cursor->group && memcmp(mark.chain, cursor->chain, RT_SHA256_LEN) != 0) {
        return rt_fail(RT_ECORRUPT, "%s, offset %" PRIu64 ": not the chain hash that was noted",
                       cursor->path, cursor->pos);
    }
    if (mark.is_continued) {
        return rt_fail(RT_ECORRUPT, "%s: the segment behind it, from seq %" PRIu64 ", is missing",
                       cursor->path, mark.seq + 1);
    }
    return RT_OK;
}
