// Segments of the journal as a disk may hold them, and the records in them.
//
// The input is a script of records, from which a segment is made here, and of damage done to it.
// What the reader then gives must be the records that were written, in order, from the first on: it
// may stop early, it may never give another. An undamaged segment gives all of them. Opening for
// writing must take or refuse the segment, and a journal that opens must take one more record.
// Payloads are decoded as what their kind says.
//
// Byte 0: bit 0 damage, bit 1 open for writing, bit 2 the data is not sealed but the input's bytes,
// bit 3 what is cut is the file, else the data behind is zero.
// With damage: u8 count, each u16 place and u8 xor; u16 where it is cut, 0 = nowhere. Then the
// records: u8 kind (COMMIT ends a group; bit 7: u16 length follows, else u8), length, payload.
#include "brain/core/core_msgs.h"
#include "runtime/journal/internal.h"
#include "runtime/sim/disk.h"
#include "runtime/sim/sim.h"
#include "tests/fuzz/fuzz.h"

#define DIR "/j"
#define SEGMENT DIR "/0000000000000001.seg"
#define SALT 0x5a17u
#define AT_MS INT64_C(1795150800000)
#define DATA_MAX 65536u
#define RECORDS_MAX 512
#define DAMAGE 1u
#define OPEN 2u
#define RAW 4u
#define SHORT 8u
#define HEADER_PLACES 2048u // so many of the places of damage fall into the first block
#define HITS_MAX 16
#define ROOM 512u // zeros behind the data, besides as much again

typedef struct segment {
    uint8_t bytes[2 * (RT__SEGMENT_HEADER_BYTES + DATA_MAX) + ROOM];
    size_t len;                     // of the data
    rt_record records[RECORDS_MAX]; // of complete groups; payloads view the bytes
    size_t count;
} segment;

static segment made;
static uint8_t intact[sizeof(made.bytes)]; // before the damage; payloads to compare with
static rt_arena *arena;
static rt_mpw writer;

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    fuzz_begin();
    (void)fuzz_catalog();
    arena = rt_arena_new(1u << 20);
    rt_mpw_init(&writer, 1u << 20);
    sim_reset(1);
    return 0;
}

// Takes the next record of the script; its payload views the input.
static rt_record
take_record(fuzz_in *in, uint64_t seq)
{
    uint8_t control = fuzz_u8(in);
    rt_record record = {.seq = seq,
                        .at_ms = AT_MS + (int64_t)seq,
                        .kind = (rt_record_kind)(control % RT_RECORD_COMMIT + 1),
                        .flags = RT_RECORD_UNDECIDED};

    if (record.kind != RT_RECORD_COMMIT) {
        record.payload = fuzz_take(in, (control & 0x80u) != 0 ? fuzz_u16(in) : fuzz_u8(in));
    }
    return record;
}

// Writes a record behind the data.
static void
place_record(segment *s, rt_record record, uint64_t group)
{
    uint8_t *at = s->bytes + RT__SEGMENT_HEADER_BYTES + s->len;

    if (record.payload.len > 0) {
        memcpy(at + RT__RECORD_HEADER_BYTES, record.payload.ptr, record.payload.len);
    }
    s->len += rt__record_seal(at, &record, group, SALT);
}

// Seals the records of the script into groups, which are counted and chained here.
static void
seal(segment *s, fuzz_in *in)
{
    uint8_t chain[RT_SHA256_LEN] = {0};
    uint64_t group = 0;
    uint64_t seq = 1;
    size_t begin = 0; // of the group
    size_t taken = 0; // records, of groups without an end too

    s->len = 0;
    s->count = 0;
    while (in->left > 0 && taken < RECORDS_MAX) {
        rt_record record = take_record(in, seq);
        bool is_commit = record.kind == RT_RECORD_COMMIT;

        if (s->len + rt__record_bytes(record.payload.len) + RT__COMMIT_BYTES > DATA_MAX) {
            break;
        }
        if (is_commit && s->len == begin) {
            continue; // no group is empty
        }
        if (!is_commit) {
            s->records[taken] = record;
            s->records[taken].payload.ptr =
                intact + RT__SEGMENT_HEADER_BYTES + s->len + RT__RECORD_HEADER_BYTES;
            taken++;
            seq++;
            place_record(s, record, group);
            continue;
        }
        rt_sha256_chain(
            chain, (rt_bytes){s->bytes + RT__SEGMENT_HEADER_BYTES + begin, s->len - begin}, chain);
        record.seq = seq - 1;
        record.payload = (rt_bytes){chain, sizeof(chain)};
        place_record(s, record, group);
        group++;
        begin = s->len;
        s->count = taken;
    }
}

// The file's size. More than half of it is free, or the journal would prepare the next segment.
static size_t
file_bytes(const segment *s)
{
    return 2 * (RT__SEGMENT_HEADER_BYTES + s->len) + ROOM;
}

// Makes the block that rt__segment_header_write makes for so much data, and the room behind it.
static void
frame(segment *s)
{
    rt__segment_header header = {.salt = SALT, .first_seq = 1, .bytes = file_bytes(s)};
    rt_file *file = NULL;
    size_t got = 0;

    RT_ASSERT(rt_file_open("/header", RT_FILE_WRITE, &file) == RT_OK);
    RT_ASSERT(rt__segment_header_write(file, &header) == RT_OK);
    RT_ASSERT(rt_file_pread(file, s->bytes, RT__SEGMENT_HEADER_BYTES, 0, &got) == RT_OK);
    RT_ASSERT(got == RT__SEGMENT_HEADER_BYTES);
    rt_file_close(file);
    memset(s->bytes + RT__SEGMENT_HEADER_BYTES + s->len, 0,
           file_bytes(s) - RT__SEGMENT_HEADER_BYTES - s->len);
    memcpy(intact, s->bytes, RT__SEGMENT_HEADER_BYTES + s->len);
}

typedef struct harm {
    uint8_t count;
    struct {
        uint16_t place;
        uint8_t mask;
    } hits[HITS_MAX];
    uint16_t cut;
} harm;

static harm
take_harm(fuzz_in *in)
{
    harm h = {.count = fuzz_u8(in) % HITS_MAX};

    for (uint8_t i = 0; i < h.count; i++) {
        h.hits[i].place = fuzz_u16(in);
        h.hits[i].mask = fuzz_u8(in);
    }
    h.cut = fuzz_u16(in);
    return h;
}

// Does it to the segment; returns the bytes of the file that are left.
static size_t
damage(segment *s, const harm *h, bool is_short)
{
    size_t data = RT__SEGMENT_HEADER_BYTES;
    size_t end = file_bytes(s);

    for (uint8_t i = 0; i < h->count; i++) {
        size_t place = h->hits[i].place;

        place = place < HEADER_PLACES ? place : data + (place - HEADER_PLACES) % (s->len + ROOM);
        s->bytes[place] ^= h->hits[i].mask;
    }
    if (h->cut > 0 && is_short) {
        return h->cut % end;
    }
    if (h->cut > 0 && h->cut < s->len) {
        memset(s->bytes + data + h->cut, 0, s->len - h->cut);
    }
    return end;
}

// Puts the segment on the disk.
static void
store(const segment *s, size_t len)
{
    rt_file *file = NULL;

    sim_disk_reset();
    RT_ASSERT(rt_dir_make(DIR) == RT_OK);
    RT_ASSERT(rt_file_open(SEGMENT, RT_FILE_WRITE, &file) == RT_OK);
    RT_ASSERT(rt_file_pwrite(file, (rt_bytes){s->bytes, len}, 0) == RT_OK);
    rt_file_close(file);
}

static void
check_event(const rt_record *record)
{
    static rt_event event;

    if (rt_event_decode_record(fuzz_catalog(), record->seq, record->at_ms, record->payload,
                               &event) == RT_OK) {
        RT_ASSERT(event.seq == record->seq && event.at_ms == record->at_ms);
        (void)rt_event_context(&event, "memory.events");
        rt_mpw_clear(&writer);
        rt_event_encode(&event, &writer);
        RT_ASSERT(!writer.failed);
        RT_ASSERT(rt_event_decode_record(fuzz_catalog(), record->seq, record->at_ms,
                                         rt_mpw_view(&writer), &event) == RT_OK);
    }
}

static void
check_decision(const rt_record *record)
{
    msg_decision decision;
    msg_decision again;
    rt_mp mp = rt_mp_init(record->payload);

    rt_arena_reset(arena);
    if (rt_msg_decode(&msg_decision_def, &mp, arena, &decision) == RT_OK) {
        rt_mpw_clear(&writer);
        rt_msg_encode(&msg_decision_def, &decision, &writer);
        mp = rt_mp_init(rt_mpw_view(&writer));
        RT_ASSERT(!writer.failed);
        RT_ASSERT(rt_msg_decode(&msg_decision_def, &mp, arena, &again) == RT_OK);
        RT_ASSERT(rt_mp_done(&mp) && again.candidates.count == decision.candidates.count);
        RT_ASSERT(again.event_seq == decision.event_seq);
    }
}

static void
check_payload(const rt_record *record)
{
    if (record->kind == RT_RECORD_EVENT) {
        check_event(record);
    } else if (record->kind == RT_RECORD_DECISION) {
        check_decision(record);
    }
}

// Reads the journal from the beginning; what comes must be what was written. Returns how much came.
static size_t
read_back(const segment *s, size_t limit, bool decodes)
{
    rt_journal_reader *reader = NULL;
    rt_record record;
    size_t count = 0;
    rt_err err = rt_journal_reader_open(DIR, 0, &reader);

    if (err != RT_OK) {
        RT_ASSERT(err == RT_ECORRUPT || err == RT_EVERSION);
        return 0;
    }
    while ((err = rt_journal_reader_next(reader, &record)) == RT_OK && count < limit) {
        const rt_record *want = &s->records[count];

        RT_ASSERT(count < s->count);
        RT_ASSERT(record.seq == want->seq && record.at_ms == want->at_ms);
        RT_ASSERT(record.kind == want->kind && record.flags == want->flags);
        RT_ASSERT(rt_bytes_equal(record.payload, want->payload));
        if (decodes) {
            check_payload(&record);
        }
        count++;
    }
    RT_ASSERT(err == RT_OK || err == RT_EEND || err == RT_ECORRUPT);
    rt_journal_reader_close(reader);
    return count;
}

static void
append(rt_journal *journal)
{
    rt_record record;
    rt_mpw *w = rt_journal_begin(journal, RT_RECORD_EVENT, 0, AT_MS + DATA_MAX);

    rt_mpw_cstr(w, "one more");
    RT_ASSERT(rt_journal_end(journal, &record) == RT_OK);
    RT_ASSERT(rt_journal_commit(journal) == RT_OK);
    RT_ASSERT(rt_journal_committed(journal) == record.seq);
}

// Opens for writing, as at a start, and appends.
static void
recover(const segment *s, bool is_intact)
{
    const rt_journal_config config = {
        .dir = DIR, .segment_bytes = 64 * 1024, .max_bytes = 1024 * 1024, .sync = true};
    rt_journal *journal = NULL;
    rt_err err = rt_journal_open(&config, &journal);

    if (err != RT_OK) {
        RT_ASSERT(!is_intact && (err == RT_ECORRUPT || err == RT_EVERSION));
    } else {
        rt_journal_info info = rt_journal_info_get(journal);

        RT_ASSERT(info.last_seq <= s->count && (!is_intact || info.last_seq == s->count));
        append(journal);
        RT_ASSERT(read_back(s, (size_t)info.last_seq, false) == info.last_seq);
        rt_journal_close(journal);
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_in in = {data, size};
    uint8_t mode = fuzz_u8(&in);
    bool is_intact = (mode & (DAMAGE | RAW)) == 0;
    harm done = {0};
    size_t count = 0;

    if ((mode & DAMAGE) != 0) {
        done = take_harm(&in);
    }
    if ((mode & RAW) != 0) {
        rt_bytes raw = fuzz_rest(&in);

        made.count = 0;
        made.len = RT_MIN(raw.len, (size_t)DATA_MAX);
        if (made.len > 0) {
            memcpy(made.bytes + RT__SEGMENT_HEADER_BYTES, raw.ptr, made.len);
        }
    } else {
        seal(&made, &in);
    }
    frame(&made);
    store(&made, damage(&made, &done, (mode & SHORT) != 0));
    count = read_back(&made, RECORDS_MAX, true);
    RT_ASSERT(!is_intact || count == made.count);
    if ((mode & OPEN) != 0) {
        recover(&made, is_intact);
    }
    return 0;
}
