#include "brain/memory/longterm.h"

#include "runtime/base/rng.h"
#include "tests/harness/check.h"

#define TENANT ((rt_tenant){1})

typedef struct fixture {
    rt_store *store;
    br_longterm *longterm;
    br_memory_entry entries[BR_MEMORIES_MAX];
} fixture;

static fixture f;

static const rt_str tags[] = {{"storm", 5}, {"road", 4}};

static int
setup(void **state)
{
    (void)state;
    memset(&f, 0, sizeof(f));
    f.store = rt_store_open_memory();
    CHECK_OK(br_longterm_new(f.store, 1000, &f.longterm));
    return 0;
}

static int
teardown(void **state)
{
    (void)state;
    br_longterm_free(f.longterm);
    rt_store_close(f.store);
    return 0;
}

static void
remember(uint64_t seq, double importance, const char *subject)
{
    rt_event_type type = {.name = RT_STR("road.closed"),
                          .importance = importance,
                          .tags = tags,
                          .tag_count = RT_COUNT(tags)};
    rt_event event = {.type = &type,
                      .seq = seq,
                      .at_ms = (int64_t)seq * 10,
                      .tenant = TENANT,
                      .subject = rt_str_of(subject)};

    br_longterm_remember(f.longterm, &event);
}

static uint32_t
recall(br_recall_by by, const char *what, int64_t since_ms)
{
    return br_longterm_recall(f.longterm, TENANT, by, rt_str_of(what), since_ms, f.entries);
}

static void
test_longterm_important_event_is_recalled_by_subject_type_and_tags(void **state)
{
    (void)state;
    remember(7, 0.9, "road/1");

    CHECK_INT(recall(BR_BY_SUBJECT, "road/1", 0), 1);
    CHECK_U64(f.entries[0].seq, 7);
    CHECK_INT(f.entries[0].at_ms, 70);
    CHECK_NEAR(f.entries[0].importance, 0.9, 1e-6);
    CHECK_INT(recall(BR_BY_TYPE, "road.closed", 0), 1);
    CHECK_INT(recall(BR_BY_TAG, "storm", 0), 1);
    CHECK_INT(recall(BR_BY_TAG, "road", 0), 1);
    CHECK_INT(recall(BR_BY_TAG, "road/1", 0), 0);
    CHECK_INT(br_longterm_recall(f.longterm, (rt_tenant){2}, BR_BY_TYPE, RT_STR("road.closed"), 0,
                                 f.entries),
              0);
}

static void
test_longterm_unimportant_event_is_passed_over(void **state)
{
    (void)state;
    remember(7, BR_LONG_TERM_IMPORTANCE, "road/1");

    CHECK_INT(recall(BR_BY_SUBJECT, "road/1", 0), 0);
    CHECK_INT(recall(BR_BY_TYPE, "road.closed", 0), 0);
}

static void
test_longterm_event_without_subject_is_kept_by_type(void **state)
{
    (void)state;
    remember(7, 0.9, "");

    CHECK_INT(recall(BR_BY_SUBJECT, "", 0), 0);
    CHECK_INT(recall(BR_BY_TYPE, "road.closed", 0), 1);
}

static void
test_longterm_recall_is_newest_first_and_since(void **state)
{
    (void)state;
    remember(1, 0.9, "road/1");
    remember(2, 0.8, "road/1");
    remember(3, 0.9, "road/1");

    CHECK_INT(recall(BR_BY_SUBJECT, "road/1", 20), 2);
    CHECK_U64(f.entries[0].seq, 3);
    CHECK_U64(f.entries[1].seq, 2);
    CHECK_INT(recall(BR_BY_SUBJECT, "road/1", 31), 0);
}

static void
test_longterm_rows_beyond_the_bound_are_refused_and_counted(void **state)
{
    (void)state;
    br_longterm_free(f.longterm);
    rt_store_close(f.store);
    f.store = rt_store_open_memory();
    CHECK_OK(br_longterm_new(f.store, 4, &f.longterm));
    remember(1, 0.9, "road/1");
    remember(2, 0.9, "road/2");
    remember(3, 0.9, "road/1");

    CHECK_U64(br_longterm_refused(f.longterm), 1);
    CHECK_INT(recall(BR_BY_SUBJECT, "road/2", 0), 0);
    CHECK_INT(recall(BR_BY_SUBJECT, "road/1", 0), 2);
    CHECK_INT(recall(BR_BY_TYPE, "road.closed", 0), 3);
}

// A list without bound; what a full row keeps is found anew for every event.
typedef struct model {
    br_memory_entry entries[BR_MEMORIES_MAX + 1]; // newest first
    uint32_t count;
} model;

static void
model_remember(model *m, br_memory_entry entry)
{
    uint32_t worst = 0;

    memmove(&m->entries[1], &m->entries[0], sizeof(m->entries[0]) * m->count);
    m->entries[0] = entry;
    m->count++;
    if (m->count <= BR_MEMORIES_MAX) {
        return;
    }
    for (uint32_t i = 1; i < m->count; i++) {
        if (m->entries[i].importance <= m->entries[worst].importance) {
            worst = i;
        }
    }
    memmove(&m->entries[worst], &m->entries[worst + 1],
            sizeof(m->entries[0]) * (m->count - worst - 1));
    m->count--;
}

static void
test_longterm_full_row_keeps_the_most_important_like_a_model(void **state)
{
    model m = {.count = 0};
    rt_rng rng;

    (void)state;
    rt_rng_seed(&rng, 3, 1);
    for (uint64_t seq = 1; seq <= 2000; seq++) {
        float importance = 0.71f + 0.05f * (float)rt_rng_below(&rng, 5);

        remember(seq, (double)importance, "road/1");
        model_remember(&m, (br_memory_entry){.seq = seq, .importance = importance});
        CHECK_INT(recall(BR_BY_SUBJECT, "road/1", 0), m.count);
        for (uint32_t i = 0; i < m.count; i++) {
            CHECK_U64(f.entries[i].seq, m.entries[i].seq);
        }
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_longterm_important_event_is_recalled_by_subject_type_and_tags),
        TEST(test_longterm_unimportant_event_is_passed_over),
        TEST(test_longterm_event_without_subject_is_kept_by_type),
        TEST(test_longterm_recall_is_newest_first_and_since),
        TEST(test_longterm_rows_beyond_the_bound_are_refused_and_counted),
        TEST(test_longterm_full_row_keeps_the_most_important_like_a_model),
    };

    return CHECK_RUN(tests);
}
