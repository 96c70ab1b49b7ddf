// The journal against a model, through failing disks, ends and power cuts.
//
// The input is a row of operations, each a byte and an argument. What was committed must be read
// back as it was written, whatever happened since; what was never committed may be there after a
// power cut only as whole groups, in order; a record's content follows from its number, so a wrong
// one is seen.
#include "runtime/base/rng.h"
#include "runtime/journal/journal.h"
#include "runtime/seam/file.h"
#include "runtime/sim/disk.h"
#include "runtime/sim/sim.h"
#include "tests/fuzz/fuzz.h"

#define DIR "/j"
#define SEGMENT_BYTES (64u * 1024)
#define OPS_MAX 64
#define RECORDS_MAX 256
#define AT_MS INT64_C(1795150800000)

static const uint32_t sizes[] = {0, 1, 7, 8, 36, 100, 300, 1000, 4000, 20000, 70000};

typedef struct world {
    rt_journal *journal;
    bool is_poisoned;
    bool is_failing;    // a call was told to fail and may not have been met yet
    uint64_t next;      // seq of the next record
    uint64_t committed; // acknowledged
    uint64_t attempted; // last seq of groups that a commit was asked for
    uint32_t sizes[RECORDS_MAX + 1];
} world;

static world w;
static uint8_t pattern[70000 + RECORDS_MAX + 1];

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    fuzz_begin();
    for (size_t i = 0; i < sizeof(pattern); i++) {
        pattern[i] = (uint8_t)(i * 7 + i / 251);
    }
    return 0;
}

static rt_bytes
payload_of(uint64_t seq)
{
    return (rt_bytes){pattern + seq, w.sizes[seq]};
}

// Whether there is a journal: a start on a full disk may have made none.
static bool
open_journal(void)
{
    const rt_journal_config config = {
        .dir = DIR, .segment_bytes = SEGMENT_BYTES, .max_bytes = 4 * SEGMENT_BYTES, .sync = true};
    rt_err err = rt_journal_open(&config, &w.journal);

    w.is_poisoned = false;
    if (err != RT_OK) {
        RT_ASSERT(err == RT_ENOSPC || err == RT_EIO);
        w.journal = NULL;
        return false;
    }
    return true;
}

// Reads all that is kept; every record must be as it was written.
static void
read_all(uint64_t last)
{
    rt_journal_reader *reader = NULL;
    rt_record record;
    uint64_t seq = 0;
    rt_err err = rt_journal_reader_open(DIR, 0, &reader);

    if (err == RT_ENOTFOUND) {
        RT_ASSERT(last == 0);
        return;
    }
    if (w.is_failing && err != RT_OK) {
        return; // the reader met it
    }
    RT_ASSERT(err == RT_OK);
    while ((err = rt_journal_reader_next(reader, &record)) == RT_OK) {
        RT_ASSERT(seq == 0 || record.seq == seq + 1);
        seq = record.seq;
        RT_ASSERT(seq < w.next && record.at_ms == AT_MS + (int64_t)seq);
        RT_ASSERT(rt_bytes_equal(record.payload, payload_of(seq)));
    }
    RT_ASSERT(w.is_failing || (err == RT_EEND && seq >= last));
    rt_journal_reader_close(reader);
}

static void
mend_disk(void)
{
    for (int op = 0; op < SIM_DISK_OPS; op++) {
        sim_disk_fail_next((sim_disk_op)op, 0, RT_OK);
    }
    sim_disk_set_capacity(UINT64_MAX);
    w.is_failing = false;
}

// Opens again, on a disk that works.
static void
reopen(void)
{
    rt_journal_info info;

    mend_disk();
    RT_ASSERT(open_journal());
    info = rt_journal_info_get(w.journal);
    RT_ASSERT(info.last_seq >= w.committed && info.last_seq <= w.attempted);
    RT_ASSERT(rt_journal_next_seq(w.journal) == info.last_seq + 1);
    read_all(info.last_seq);
    w.committed = info.last_seq;
    w.attempted = info.last_seq;
    w.next = info.last_seq + 1;
}

static void
end(uint8_t how)
{
    rt_rng rng;

    if (how % 3 != 0) {
        rt_rng_seed(&rng, how, 1);
        sim_disk_crash(&rng);
    }
    if (w.journal != NULL) {
        rt_journal_close(w.journal);
        w.journal = NULL;
    }
    reopen();
}

static void
append(uint8_t how)
{
    rt_record record;
    rt_mpw *writer = NULL;
    uint64_t seq = rt_journal_next_seq(w.journal);

    if (w.next > RECORDS_MAX || w.is_poisoned) {
        return;
    }
    RT_ASSERT(seq == w.next);
    writer = rt_journal_begin(w.journal, RT_RECORD_EVENT, 0, AT_MS + (int64_t)seq);
    w.sizes[seq] = sizes[how % RT_COUNT(sizes)];
    rt_mpw_raw(writer, payload_of(seq));
    if (how >= 250) {
        rt_journal_cancel(w.journal);
        return;
    }
    rt_err err = rt_journal_end(w.journal, &record);
    RT_ASSERT(err == RT_OK || err == RT_ELIMIT);
    if (err == RT_OK) {
        RT_ASSERT(record.seq == seq && rt_bytes_equal(record.payload, payload_of(seq)));
        w.next++;
    }
    RT_ASSERT(rt_journal_next_seq(w.journal) == w.next);
}

static void
commit(void)
{
    uint64_t pending = rt_journal_pending(w.journal);
    rt_err err = RT_OK;

    RT_ASSERT(w.is_poisoned || pending == w.next - 1 - w.committed);
    w.attempted = w.next - 1;
    err = rt_journal_commit(w.journal);
    if (err == RT_OK) {
        RT_ASSERT(!w.is_poisoned);
        w.committed = w.attempted;
        RT_ASSERT(rt_journal_committed(w.journal) == w.committed);
        RT_ASSERT(rt_journal_pending(w.journal) == 0);
        return;
    }
    RT_ASSERT(rt_journal_committed(w.journal) == w.committed);
    if (err == RT_ENOSPC) {
        RT_ASSERT(rt_journal_pending(w.journal) == pending); // kept: may be tried again
    } else {
        w.is_poisoned = true;
    }
}

static void
fail_next(uint8_t how)
{
    static const sim_disk_op ops[] = {SIM_DISK_WRITE, SIM_DISK_SYNC,   SIM_DISK_FILL,
                                      SIM_DISK_OPEN,  SIM_DISK_RENAME, SIM_DISK_REMOVE};

    w.is_failing = true;
    sim_disk_fail_next(ops[how % RT_COUNT(ops)], 1u + how / 16u % 4u,
                       (how & 0x80u) != 0 ? RT_ENOSPC : RT_EIO);
}

static void
step(fuzz_in *in)
{
    uint8_t op = fuzz_u8(in);
    uint8_t how = fuzz_u8(in);

    if (w.journal == NULL) {
        reopen();
    }
    switch (op % 10) {
    case 0:
    case 1:
    case 2:
        append(how);
        break;
    case 3:
    case 4:
        commit();
        break;
    case 5:
        rt_journal_release(w.journal, RT_MIN((uint64_t)how, w.committed));
        break;
    case 6:
        fail_next(how);
        break;
    case 7:
        sim_disk_set_capacity(sim_disk_used_bytes() + (uint64_t)how * 8192);
        break;
    case 8:
        end(how);
        break;
    default:
        read_all(w.committed);
        break;
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_in in = {data, size};

    sim_reset(1);
    sim_disk_reset();
    memset(&w, 0, sizeof(w));
    w.next = 1;
    RT_ASSERT(open_journal());
    for (int i = 0; i < OPS_MAX && in.left > 0; i++) {
        step(&in);
    }
    end(0);
    RT_ASSERT(rt_journal_verify(DIR, &(rt_journal_info){0}) == RT_OK);
    rt_journal_close(w.journal);
    return 0;
}
