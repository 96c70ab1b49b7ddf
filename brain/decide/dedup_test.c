#include "brain/decide/dedup.h"

#include <stdio.h>

#include "brain/memory/tables.h"
#include "runtime/base/rng.h"
#include "tests/harness/store_kit.h"

#define WINDOW_MS 5000
#define CAPACITY 128u // of one page, the smallest there is

static store_kit kit;
static br_dedup *dedup;

static int
setup(void **state)
{
    (void)state;
    store_kit_new(&kit);
    CHECK_OK(br_dedup_new(kit.store, CAPACITY, WINDOW_MS, &dedup));
    return 0;
}

static int
teardown(void **state)
{
    (void)state;
    br_dedup_free(dedup);
    store_kit_close(&kit);
    return 0;
}

static void
restart(uint32_t capacity)
{
    br_dedup_free(dedup);
    store_kit_restart(&kit, 1);
    CHECK_OK(br_dedup_new(kit.store, capacity, WINDOW_MS, &dedup));
}

static rt_event
event_of(const char *source, const char *id, uint64_t seq, int64_t at_ms)
{
    return (rt_event){.tenant = {1},
                      .source = rt_str_of(source),
                      .id = rt_str_of(id),
                      .seq = seq,
                      .at_ms = at_ms};
}

static bool
seen(rt_event event, int64_t now_ms, uint64_t *ret_seq)
{
    event.time_ms = now_ms;
    return br_dedup_seen(dedup, &event, ret_seq);
}

static void
remember(rt_event event)
{
    br_dedup_remember(dedup, &event);
}

static void
test_dedup_same_source_and_id_is_seen_with_its_record(void **state)
{
    uint64_t seq;

    (void)state;
    CHECK_FALSE(seen(event_of("/a", "1", 0, 0), 100, &seq));
    remember(event_of("/a", "1", 7, 100));

    CHECK_TRUE(seen(event_of("/a", "1", 0, 0), 100, &seq));
    CHECK_U64(seq, 7);
    CHECK_FALSE(seen(event_of("/b", "1", 0, 0), 100, &seq));
    CHECK_FALSE(seen(event_of("/a", "2", 0, 0), 100, &seq));
    rt_event other = event_of("/a", "1", 0, 0);
    other.tenant = (rt_tenant){2};
    CHECK_FALSE(seen(other, 100, &seq));
}

static void
test_dedup_source_and_id_do_not_run_together(void **state)
{
    uint64_t seq;

    (void)state;
    remember(event_of("/a", "bc", 7, 100));

    CHECK_FALSE(seen(event_of("/ab", "c", 0, 0), 100, &seq));
}

static void
test_dedup_forgets_after_its_window(void **state)
{
    uint64_t seq;

    (void)state;
    remember(event_of("/a", "1", 7, 100));

    CHECK_TRUE(seen(event_of("/a", "1", 0, 0), 100 + WINDOW_MS, &seq));
    CHECK_FALSE(seen(event_of("/a", "1", 0, 0), 101 + WINDOW_MS, &seq));
    CHECK_U64(seq, 0);
}

static void
test_dedup_numbered_producer_is_exact_without_window(void **state)
{
    rt_event event = event_of("/a", "1", 7, 100);
    uint64_t seq = 1;

    (void)state;
    event.has_sequence = true;
    event.sequence = 10;
    CHECK_FALSE(seen(event, 100, &seq));
    remember(event);
    restart(CAPACITY);

    CHECK_TRUE(seen(event, 100 + 100 * WINDOW_MS, &seq));
    CHECK_U64(seq, 0);
    event.sequence = 9;
    CHECK_TRUE(seen(event, 100, &seq));
    event.sequence = 11;
    CHECK_FALSE(seen(event, 100, &seq));
    event.source = RT_STR("/b");
    event.sequence = 1;
    CHECK_FALSE(seen(event, 100, &seq));
}

static void
test_dedup_missing_page_is_corrupt(void **state)
{
    rt_table *pages;
    rt_bytes key;
    rt_bytes value;
    uint8_t page[256];
    size_t page_len = 0;

    (void)state;
    remember(event_of("/a", "1", 7, 100));
    br_dedup_free(dedup);
    dedup = NULL;
    store_kit_restart(&kit, 1);
    CHECK_OK(rt_store_table(kit.store, BR_TABLE_DEDUP, "dedup", &pages));
    CHECK_INT(rt_table_count(pages), 2); // the head and one page
    for (size_t cursor = 0; rt_table_next(pages, &cursor, &key, &value);) {
        if (value.len > 16) {
            memcpy(page, key.ptr, key.len);
            page_len = key.len;
        }
    }
    CHECK_TRUE(rt_table_del(pages, (rt_bytes){page, page_len}));
    store_kit_restart(&kit, 2);

    CHECK_ERR(br_dedup_new(kit.store, CAPACITY, WINDOW_MS, &dedup), RT_ECORRUPT);
}

static void
test_dedup_numbered_events_take_no_place_in_the_window(void **state)
{
    rt_event numbered = event_of("/n", "x", 0, 100);
    uint64_t seq;

    (void)state;
    numbered.has_sequence = true;
    remember(event_of("/a", "1", 7, 100));
    for (uint64_t i = 1; i <= 2 * CAPACITY; i++) {
        numbered.sequence = i;
        remember(numbered);
    }
    CHECK_TRUE(seen(event_of("/a", "1", 0, 0), 100, &seq));
    CHECK_U64(seq, 7);
}

static void
test_dedup_page_filled_to_its_end_comes_back(void **state)
{
    uint64_t seq;
    char id[16];

    (void)state;
    restart(2 * CAPACITY);
    for (unsigned i = 0; i < CAPACITY; i++) { // a page is as large as the smallest capacity
        (void)snprintf(id, sizeof(id), "%u", i);
        remember(event_of("/a", id, 1 + i, 100));
    }
    restart(2 * CAPACITY);
    CHECK_TRUE(seen(event_of("/a", "0", 0, 0), 100, &seq));
    CHECK_U64(seq, 1);
    CHECK_TRUE(seen(event_of("/a", "127", 0, 0), 100, &seq));
    CHECK_U64(seq, 128);
}

static void
test_dedup_tenants_are_told_apart_by_their_whole_number(void **state)
{
    rt_event event = event_of("/a", "1", 7, 100);
    uint64_t seq;

    (void)state;
    event.tenant = (rt_tenant){0x0101};
    remember(event);
    CHECK_TRUE(seen(event, 100, &seq));
    event.tenant = (rt_tenant){0x0201};
    CHECK_FALSE(seen(event, 100, &seq));
    event.tenant = (rt_tenant){0x0102};
    CHECK_FALSE(seen(event, 100, &seq));
}

// The newest `capacity` events taken, looked through one by one.
#define MODEL_MAX 512u
#define IDS 400u

typedef struct taken {
    uint16_t tenant;
    uint32_t id;
    uint64_t seq;
    int64_t at_ms;
} taken;

typedef struct model {
    taken events[MODEL_MAX]; // oldest first
    uint32_t count;
    uint32_t capacity;
} model;

static void
model_shrink(model *m, uint32_t capacity)
{
    uint32_t drop = m->count > capacity ? m->count - capacity : 0;

    memmove(m->events, m->events + drop, sizeof(taken) * (m->count - drop));
    m->count -= drop;
    m->capacity = capacity;
}

static uint64_t
model_seen(const model *m, uint16_t tenant, uint32_t id, int64_t now_ms)
{
    for (uint32_t i = m->count; i > 0; i--) {
        const taken *t = &m->events[i - 1];

        if (t->tenant == tenant && t->id == id) {
            return now_ms - t->at_ms <= WINDOW_MS ? t->seq : 0;
        }
    }
    return 0;
}

static void
model_take(model *m, taken event)
{
    if (m->count == m->capacity) {
        model_shrink(m, m->capacity - 1);
        m->capacity++;
    }
    m->events[m->count++] = event;
}

static void
test_dedup_agrees_with_a_model_over_restarts(void **state)
{
    static const uint32_t capacities[] = {128, 256, 384, 128};
    static model m;
    rt_rng rng;
    int64_t now_ms = 1000;
    uint64_t duplicates = 0;

    (void)state;
    m = (model){.capacity = CAPACITY};
    rt_rng_seed(&rng, 21, 1);
    for (uint64_t seq = 1; seq <= 120000; seq++) {
        uint16_t tenant = (uint16_t)(1 + rt_rng_below(&rng, 2));
        uint32_t id = (uint32_t)rt_rng_below(&rng, IDS);
        char text[16];
        uint64_t got = 0;

        now_ms += (int64_t)rt_rng_below(&rng, 60);
        (void)snprintf(text, sizeof(text), "%u", id);
        rt_event event = event_of("/s", text, seq, now_ms);
        event.tenant = (rt_tenant){tenant};
        uint64_t want = model_seen(&m, tenant, id, now_ms);
        CHECK_INT(seen(event, now_ms, &got), want != 0);
        CHECK_U64(got, want);
        duplicates += want != 0;
        if (want == 0) {
            remember(event);
            model_take(&m, (taken){tenant, id, seq, now_ms});
        }
        if (seq % 7000 == 0) {
            model_shrink(&m, capacities[seq / 7000 % RT_COUNT(capacities)]);
            restart(m.capacity);
        } else if (seq % 1111 == 0) {
            restart(m.capacity);
        }
    }
    CHECK_TRUE(duplicates > 10000);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_dedup_same_source_and_id_is_seen_with_its_record),
        TEST(test_dedup_source_and_id_do_not_run_together),
        TEST(test_dedup_forgets_after_its_window),
        TEST(test_dedup_numbered_producer_is_exact_without_window),
        TEST(test_dedup_missing_page_is_corrupt),
        TEST(test_dedup_page_filled_to_its_end_comes_back),
        TEST(test_dedup_agrees_with_a_model_over_restarts),
        TEST(test_dedup_numbered_events_take_no_place_in_the_window),
        TEST(test_dedup_tenants_are_told_apart_by_their_whole_number),
    };

    return CHECK_RUN(tests);
}
