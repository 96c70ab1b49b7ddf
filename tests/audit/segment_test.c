// Bytes that must not be, and tails that may be: journals of the real code, damaged afterwards.
#include "runtime/base/rng.h"
#include "runtime/journal/internal.h"
#include "tests/harness/audit_kit.h"

#define FIRST "0000000000000001.seg"
#define HEADER 4096u
#define HEAD 28u
#define MARK 512u
#define RELEASED ((uint64_t)1 << 60) // every record

// A segment in memory, and where its records begin.
typedef struct image {
    char name[32];
    uint8_t *bytes;
    size_t len;
    size_t records[256]; // with commits
    size_t count;
} image;

static void
load(image *m, const char *name)
{
    rt_file *file = audit_kit_file(name);
    uint64_t size = 0;

    (void)snprintf(m->name, sizeof(m->name), "%s", name);
    CHECK_OK(rt_file_size(file, &size));
    m->bytes = rt_new_array(uint8_t, size);
    CHECK_OK(rt_file_pread(file, m->bytes, size, 0, &m->len));
    rt_file_close(file);
    m->count = 0;
    for (size_t at = HEADER; at + HEAD <= m->len && m->bytes[at + 24] != 0 && m->count < 256;) {
        rt_record record;

        m->records[m->count++] = at;
        at += rt__record_view(m->bytes + at, &record);
    }
}

static void
store(image *m)
{
    rt_file *file = audit_kit_file(m->name);

    CHECK_OK(rt_file_pwrite(file, (rt_bytes){m->bytes, m->len}, 0));
    CHECK_OK(rt_file_sync(file));
    rt_file_close(file);
    rt_free(m->bytes);
}

static uint32_t
salt_of(const image *m)
{
    uint32_t salt = 0;

    memcpy(&salt, m->bytes + 12, 4);
    return salt;
}

static uint16_t
group_of(const image *m, size_t i)
{
    uint16_t group = 0;

    memcpy(&group, m->bytes + m->records[i] + 26, 2);
    return group;
}

// Makes one checksum right again.
static void
reseal(image *m, size_t i)
{
    (void)rt__record_reseal(m->bytes + m->records[i], group_of(m, i), salt_of(m));
}

// Makes the mark's checksum right again.
static void
reseal_mark(image *m)
{
    uint32_t crc = rt_crc32c(salt_of(m), (rt_bytes){m->bytes + MARK + 12, 60});

    memcpy(m->bytes + MARK + 8, &crc, 4);
}

// Takes the mark away, as a power cut may.
static void
unmark(image *m)
{
    memset(m->bytes + MARK, 0, 72);
}

// Makes all checksums, the chain and the mark right again.
static void
reseal_all(image *m)
{
    uint8_t chain[RT_SHA256_LEN];
    size_t from = HEADER;

    memcpy(chain, m->bytes + 48, RT_SHA256_LEN);
    for (size_t i = 0; i < m->count; i++) {
        size_t at = m->records[i];

        reseal(m, i);
        if (m->bytes[at + 24] == RT_RECORD_COMMIT) {
            rt_sha256_chain(chain, (rt_bytes){m->bytes + from, at - from}, chain);
            memcpy(m->bytes + at + HEAD, chain, RT_SHA256_LEN);
            reseal(m, i);
            from = at + 64;
        }
    }
    memcpy(m->bytes + MARK + 40, chain, RT_SHA256_LEN);
    reseal_mark(m);
}

// Groups: start and playbooks; then an event and its decision, five times. Records 3+2g and 4+2g,
// at image places 3+3g, 4+3g and the commit 5+3g.
static audit_kit *
begin(void)
{
    audit_kit *k = audit_kit_new(AUDIT_DRAINED | AUDIT_WHOLE);

    audit_kit_begin(k);
    for (int i = 0; i < 5; i++) {
        (void)audit_kit_decide(k, audit_kit_any(k));
        audit_kit_commit(k);
    }
    rt_journal_close(k->journal);
    k->journal = NULL;
    return k;
}

static void
test_audit_flipped_bit_in_a_group_is_found(void **state)
{
    image m;
    size_t begin_at = 0;
    size_t end_at = 0;

    (void)state;
    // every byte of the second event's record, padding included
    for (size_t at = 0; at == 0 || begin_at + at < end_at; at++) {
        audit_kit *k = begin();
        const audit_violation *v = NULL;

        load(&m, FIRST);
        begin_at = m.records[6];
        end_at = m.records[7];
        m.bytes[begin_at + at] ^= 0x10;
        store(&m);
        audit_kit_run(k);
        v = audit_violation_at(k->audit, 0);
        CHECK_TRUE(v != NULL);
        CHECK_TRUE(strcmp(v->rule, "crc") == 0 || strcmp(v->rule, "group") == 0 ||
                   strcmp(v->rule, "padding") == 0);
        CHECK_TRUE(v->seq == 5);
        audit_kit_free(k);
    }
}

static void
test_audit_header_is_checked_to_its_last_byte(void **state)
{
    image m;
    const size_t places[] = {0, 8, 12, 16, 24, 32, 40, 48, 79, 80, 83, 84, 4095};

    (void)state;
    for (size_t i = 0; i < RT_COUNT(places); i++) {
        audit_kit *k = begin();

        load(&m, FIRST);
        m.bytes[places[i]] ^= 1;
        store(&m);
        audit_kit_found(k, "segment-header", 1);
    }
}

static void
test_audit_torn_tail_is_legal_and_told(void **state)
{
    image m;
    size_t from = 0;
    size_t to = 0;

    (void)state;
    // what is left of the last group from any byte on: nothing, or something else
    for (size_t cut = 0; cut == 0 || from + cut < to; cut++) {
        audit_kit *k = begin();

        audit_acked(k->audit, 11, 1, "/shop", 5, "e-5", 3);
        load(&m, FIRST);
        from = m.records[15];
        to = m.records[17] + HEAD + RT_SHA256_LEN;
        memset(m.bytes + from + cut, cut % 2 == 0 ? 0 : 0xa5, to - from - cut);
        unmark(&m);
        store(&m);
        audit_kit_run(k);
        CHECK_U64(audit_figures_of(k->audit)->last_seq, 10);
        CHECK_TRUE(audit_figures_of(k->audit)->torn_bytes <= to - from);
        // legal, but not when somebody was told that it is there
        CHECK_U64(audit_violation_count(k->audit), 1);
        CHECK_CSTR(audit_violation_at(k->audit, 0)->rule, "acked-lost");
        CHECK_U64(audit_violation_at(k->audit, 0)->seq, 11);
        audit_kit_free(k);
    }
}

static void
test_audit_whole_records_of_a_torn_group_are_legal(void **state)
{
    audit_kit *k = begin();
    image m;

    (void)state;
    load(&m, FIRST);
    memset(m.bytes + m.records[15], 0, 8); // the event is torn; its decision and commit are whole
    unmark(&m);
    store(&m);
    audit_kit_run(k);
    CHECK_U64(audit_violation_count(k->audit), 0);
    CHECK_U64(audit_figures_of(k->audit)->torn_bytes, m.records[17] + 64 - m.records[15]);
    audit_kit_free(k);
}

static void
test_audit_damage_to_what_the_mark_knows_is_found(void **state)
{
    image m;
    audit_kit *k = begin();
    uint64_t older[5];

    (void)state;
    load(&m, FIRST);
    memset(m.bytes + m.records[15], 0, 8);
    store(&m);
    audit_kit_found(k, "durable", 11);

    // an older mark, as a power cut may leave it, promises less
    k = audit_kit_new(0);
    audit_kit_begin(k);
    load(&m, FIRST);
    memcpy(older, m.bytes + MARK, sizeof(older));
    rt_free(m.bytes);
    (void)audit_kit_any(k);
    audit_kit_commit(k);
    rt_journal_close(k->journal);
    k->journal = NULL;
    load(&m, FIRST);
    memcpy(m.bytes + MARK, older, sizeof(older)); // all but the chain
    memcpy(m.bytes + MARK + 40, m.bytes + m.records[2] + HEAD, RT_SHA256_LEN);
    memset(m.bytes + m.records[3], 0, 8);
    store(&m);
    audit_kit_fine(k);
}

static void
test_audit_mark_of_another_place_or_damaged_is_found(void **state)
{
    const struct {
        size_t at;
        bool resealed;
    } flips[] = {{0, false}, {8, false}, {20, false}, {16, true}, {24, true}, {40, true}};
    image m;

    (void)state;
    for (size_t i = 0; i < RT_COUNT(flips); i++) {
        audit_kit *k = begin();

        load(&m, FIRST);
        m.bytes[MARK + flips[i].at] ^= 1;
        if (flips[i].resealed) {
            reseal_mark(&m);
        }
        store(&m);
        audit_kit_found(k, "mark", flips[i].resealed ? 12 : 1);
    }
}

static void
test_audit_missing_last_segment_is_found(void **state)
{
    audit_kit *k = begin();
    image m;

    (void)state;
    load(&m, FIRST);
    m.bytes[MARK + 12] = 1; // it goes on in a segment that is not there
    reseal_mark(&m);
    store(&m);
    audit_kit_found(k, "segment-gap", 13);
}

static void
test_audit_wrong_chain_is_found(void **state)
{
    audit_kit *k = begin();
    image m;

    (void)state;
    load(&m, FIRST);
    m.bytes[m.records[8] + HEAD] ^= 1; // the hash itself, with its checksum
    reseal(&m, 8);
    store(&m);
    audit_kit_run(k);
    CHECK_U64(audit_violation_count(k->audit), 2); // and the next, which goes on from it
    CHECK_CSTR(audit_violation_at(k->audit, 0)->rule, "chain");
    CHECK_U64(audit_violation_at(k->audit, 0)->seq, 6);
    CHECK_U64(audit_violation_at(k->audit, 1)->seq, 8);
    audit_kit_free(k);
}

static void
test_audit_rewritten_record_breaks_the_chain(void **state)
{
    audit_kit *k = begin();
    image m;

    (void)state;
    load(&m, FIRST);
    m.bytes[m.records[7] - 9] ^= 1; // in the event's context
    reseal(&m, 6);
    store(&m);
    audit_kit_run(k);
    CHECK_TRUE(audit_violation_count(k->audit) > 0);
    CHECK_CSTR(audit_violation_at(k->audit, 0)->rule, "chain");
    audit_kit_free(k);
}

static void
test_audit_wrong_number_is_found(void **state)
{
    audit_kit *k = begin();
    image m;

    (void)state;
    load(&m, FIRST);
    for (size_t i = 6; i < m.count; i++) { // from the second event on
        m.bytes[m.records[i] + 8]++;
    }
    reseal_all(&m);
    store(&m);
    audit_kit_run(k);
    CHECK_CSTR(audit_violation_at(k->audit, 0)->rule, "sequence");
    CHECK_U64(audit_violation_at(k->audit, 0)->seq, 5);
    audit_kit_free(k);
}

static void
test_audit_doubled_record_is_found(void **state)
{
    audit_kit *k = begin();
    image m;
    size_t len = 0;

    (void)state;
    load(&m, FIRST);
    // the third event once more in the place of the fourth: same length, own number and checksums
    len = m.records[10] - m.records[9];
    CHECK_INT(m.records[13] - m.records[12], len);
    memcpy(m.bytes + m.records[12] + HEAD, m.bytes + m.records[9] + HEAD, len - HEAD);
    reseal_all(&m);
    store(&m);
    audit_kit_run(k);
    CHECK_CSTR(audit_violation_at(k->audit, 0)->rule, "event-twice");
    CHECK_U64(audit_violation_at(k->audit, 0)->seq, 9);
    CHECK_CSTR(audit_violation_at(k->audit, 1)->rule, "decision"); // of another event
    audit_kit_free(k);
}

static void
test_audit_clock_that_goes_back_is_found(void **state)
{
    audit_kit *k = begin();
    image m;

    (void)state;
    load(&m, FIRST);
    m.bytes[m.records[7] + 17]--; // the second decision is 256 ms early, its commit is not
    reseal_all(&m);
    store(&m);
    audit_kit_run(k);
    CHECK_U64(audit_violation_count(k->audit), 2);
    CHECK_CSTR(audit_violation_at(k->audit, 0)->rule, "clock"); // the commit
    CHECK_CSTR(audit_violation_at(k->audit, 1)->rule, "clock");
    CHECK_U64(audit_violation_at(k->audit, 1)->seq, 6);
    audit_kit_free(k);
}

static void
test_audit_padding_is_checked(void **state)
{
    audit_kit *k = begin();
    image m;
    size_t i = 3;

    (void)state;
    load(&m, FIRST);
    while ((HEAD + m.bytes[m.records[i]] + m.bytes[m.records[i] + 1] * 256u) % 8 == 0) {
        i++;
    }
    m.bytes[m.records[i + 1] - 1] = 1;
    reseal_all(&m);
    store(&m);
    audit_kit_run(k);
    CHECK_U64(audit_violation_count(k->audit), 1);
    CHECK_CSTR(audit_violation_at(k->audit, 0)->rule, "padding");
    audit_kit_free(k);
}

static void
test_audit_flags_nobody_knows_are_found(void **state)
{
    audit_kit *k = begin();
    image m;

    (void)state;
    load(&m, FIRST);
    m.bytes[m.records[6] + 25] |= 0x04;
    reseal_all(&m);
    store(&m);
    audit_kit_found(k, "record", 5);
}

// Whatever stands in payloads, with all checksums right: it is read to its end, and never beyond.
static void
test_audit_any_payload_is_read_without_harm(void **state)
{
    rt_rng rng;
    uint64_t found = 0;

    (void)state;
    rt_rng_seed(&rng, 7, 1);
    for (int i = 0; i < 400; i++) {
        audit_kit *k = begin();
        image m;

        load(&m, FIRST);
        for (uint64_t n = 1 + rt_rng_below(&rng, 6); n > 0; n--) {
            size_t at = (size_t)rt_rng_below(&rng, m.count - 1);
            size_t len = m.records[at + 1] - m.records[at] - HEAD;

            m.bytes[m.records[at] + HEAD + rt_rng_below(&rng, len)] = (uint8_t)rt_rng_u64(&rng);
        }
        reseal_all(&m);
        store(&m);
        audit_kit_run(k);
        CHECK_U64(audit_figures_of(k->audit)->records, 12);
        found += audit_violation_count(k->audit) > 0;
        audit_kit_free(k);
    }
    CHECK_TRUE(found > 200); // in the others what changed is nobody's promise
}

// --- several segments -------------------------------------------------------------------------

// A journal of some segments of 1 MiB; the first numbers of the segments.
static audit_kit *
long_journal(unsigned expected, uint64_t max_bytes, uint64_t release, uint64_t firsts[16],
             size_t *ret_count)
{
    audit_kit *k = audit_kit_new(expected);
    rt_journal_config config = {AUDIT_KIT_DIR, 1 << 20, max_bytes, true};
    uint64_t *seqs = NULL;

    rt_journal_close(k->journal);
    CHECK_OK(rt_journal_open(&config, &k->journal));
    audit_kit_begin(k);
    for (int i = 0; i < 24000; i++) {
        (void)audit_kit_decide(k, audit_kit_any(k));
        if (i % 50 == 49) {
            audit_kit_commit(k);
            rt_journal_release(k->journal, release);
        }
    }
    audit_kit_commit(k);
    rt_journal_close(k->journal);
    k->journal = NULL;
    CHECK_OK(rt__segment_list(AUDIT_KIT_DIR, &seqs, ret_count));
    CHECK_TRUE(*ret_count >= 3 && *ret_count <= 16);
    memcpy(firsts, seqs, *ret_count * sizeof(*seqs));
    rt_free(seqs);
    return k;
}

static void
test_audit_chain_goes_over_segments(void **state)
{
    uint64_t firsts[16];
    size_t count = 0;
    audit_kit *k = long_journal(AUDIT_DRAINED | AUDIT_WHOLE, 64 << 20, 0, firsts, &count);

    (void)state;
    audit_kit_run(k);
    CHECK_U64(audit_violation_count(k->audit), 0);
    CHECK_U64(audit_figures_of(k->audit)->records, 2 + 48000);
    CHECK_U64(audit_figures_of(k->audit)->segments, count);
    audit_kit_free(k);
}

static void
test_audit_recycled_beginning_is_judged_by_the_rest(void **state)
{
    uint64_t firsts[16];
    size_t count = 0;
    audit_kit *k = long_journal(AUDIT_DRAINED, 4 << 20, RELEASED, firsts, &count);

    (void)state;
    CHECK_TRUE(firsts[0] > 1);
    audit_acked(k->audit, firsts[0] - 1, 1, "/shop", 5, "e-x", 3); // nobody can say any more
    audit_kit_run(k);
    CHECK_U64(audit_violation_count(k->audit), 0);
    CHECK_U64(audit_figures_of(k->audit)->first_seq, firsts[0]);
    CHECK_U64(audit_figures_of(k->audit)->last_seq, 2 + 48000);
    audit_kit_free(k);

    k = long_journal(AUDIT_DRAINED | AUDIT_WHOLE, 4 << 20, RELEASED, firsts, &count);
    audit_kit_found(k, "beginning", firsts[0]);
}

static void
test_audit_missing_segment_is_found(void **state)
{
    uint64_t firsts[16];
    size_t count = 0;
    audit_kit *k = long_journal(0, 64 << 20, 0, firsts, &count);
    char path[RT__PATH_BYTES];

    (void)state;
    rt__segment_path(AUDIT_KIT_DIR, firsts[1], path);
    CHECK_OK(rt_file_remove(path));
    audit_kit_found(k, "segment-gap", firsts[1]);
}

static void
test_audit_missing_first_segment_is_found(void **state)
{
    uint64_t firsts[16];
    size_t count = 0;
    audit_kit *k = long_journal(0, 64 << 20, 0, firsts, &count);

    (void)state;
    CHECK_OK(rt_file_remove(AUDIT_KIT_DIR "/" FIRST));
    audit_kit_run(k);
    CHECK_CSTR(audit_violation_at(k->audit, 0)->rule, "beginning");
    CHECK_U64(audit_violation_at(k->audit, 0)->seq, firsts[1]);
    audit_kit_free(k);
}

static void
test_audit_torn_group_before_the_last_segment_is_found(void **state)
{
    uint64_t firsts[16];
    size_t count = 0;
    audit_kit *k = long_journal(0, 64 << 20, 0, firsts, &count);
    rt_file *file = audit_kit_file(FIRST);
    rt__cursor cursor;
    rt__group group;
    uint64_t last = 0;

    (void)state;
    CHECK_OK(rt__cursor_open(&cursor, AUDIT_KIT_DIR, 1));
    while (rt__cursor_next(&cursor, 0, &group) == RT_OK) {
        last = group.first_seq;
    }
    // the last group of the first segment loses a byte of its commit
    CHECK_OK(rt_file_pwrite(file, (rt_bytes){(const uint8_t *)"\xee", 1}, cursor.pos - 20));
    rt__cursor_close(&cursor);
    rt_file_close(file);
    audit_kit_found(k, "crc", last);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_audit_flipped_bit_in_a_group_is_found),
        cmocka_unit_test(test_audit_header_is_checked_to_its_last_byte),
        cmocka_unit_test(test_audit_torn_tail_is_legal_and_told),
        cmocka_unit_test(test_audit_whole_records_of_a_torn_group_are_legal),
        cmocka_unit_test(test_audit_damage_to_what_the_mark_knows_is_found),
        cmocka_unit_test(test_audit_mark_of_another_place_or_damaged_is_found),
        cmocka_unit_test(test_audit_missing_last_segment_is_found),
        cmocka_unit_test(test_audit_wrong_chain_is_found),
        cmocka_unit_test(test_audit_rewritten_record_breaks_the_chain),
        cmocka_unit_test(test_audit_wrong_number_is_found),
        cmocka_unit_test(test_audit_doubled_record_is_found),
        cmocka_unit_test(test_audit_clock_that_goes_back_is_found),
        cmocka_unit_test(test_audit_padding_is_checked),
        cmocka_unit_test(test_audit_flags_nobody_knows_are_found),
        cmocka_unit_test(test_audit_any_payload_is_read_without_harm),
        cmocka_unit_test(test_audit_chain_goes_over_segments),
        cmocka_unit_test(test_audit_recycled_beginning_is_judged_by_the_rest),
        cmocka_unit_test(test_audit_missing_segment_is_found),
        cmocka_unit_test(test_audit_missing_first_segment_is_found),
        cmocka_unit_test(test_audit_torn_group_before_the_last_segment_is_found),
    };

    return CHECK_RUN(tests);
}
