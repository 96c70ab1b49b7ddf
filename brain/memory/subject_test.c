#include "brain/memory/subject.h"

#include "runtime/base/rng.h"
#include "tests/harness/pack_kit.h"

#define HOUR_MS ((int64_t)3600 * 1000)

typedef struct fixture {
    br_pack *pack;
    rt_store *store;
    br_subjects *subjects;
    rt_mpw wire;
    rt_event event;
    br_situation situation;
    uint64_t seq;
} fixture;

static int
setup(void **state)
{
    fixture *f = rt_new(fixture);

    f->pack = pack_kit_real();
    f->store = rt_store_open_memory();
    CHECK_OK(br_subjects_new(f->store, 1000, &f->subjects));
    rt_mpw_init(&f->wire, 65536);
    *state = f;
    return 0;
}

static int
teardown(void **state)
{
    fixture *f = *state;

    rt_mpw_fini(&f->wire);
    br_subjects_free(f->subjects);
    rt_store_close(f->store);
    br_pack_free(f->pack);
    rt_free(f);
    return 0;
}

// What is known just before an event of this kind.
static void
recall(fixture *f, const char *type, const char *subject, const char *data, int64_t now_ms)
{
    char json[1024];

    (void)snprintf(
        json, sizeof(json),
        "{\"id\":\"1\",\"source\":\"/s\",\"type\":\"%s\",\"subject\":\"%s\",\"data\":%s}", type,
        subject, data);
    pack_kit_event(f->pack, json, &f->wire, &f->event);
    f->event.seq = ++f->seq;
    f->event.at_ms = now_ms;
    f->situation.event = &f->event;
    f->situation.plan = br_pack_plan_of(f->pack, &f->event);
    f->situation.now_ms = now_ms;
    br_subjects_recall(f->subjects, &f->situation);
}

static void
tell(fixture *f, const char *type, const char *subject, const char *data, int64_t now_ms)
{
    recall(f, type, subject, data, now_ms);
    br_subjects_remember(f->subjects, &f->situation);
}

static rt_value
attribute(const fixture *f, uint32_t touch, const char *name)
{
    const br_entity *entity = f->situation.plan->touches[touch].entity;

    for (uint32_t a = 0; a < entity->attribute_count; a++) {
        if (rt_str_is(entity->attributes[a].name, name)) {
            return f->situation.attributes[touch][a];
        }
    }
    fail_msg("no attribute %s", name);
    return RT_NONE;
}

#define SHIPPED_TCC "{\"customer_id\":\"c1\",\"carrier\":\"tcc\"}"

static void
test_subject_new_one_is_unknown(void **state)
{
    fixture *f = *state;

    recall(f, "order.shipped", "order/1", SHIPPED_TCC, 5000);

    CHECK_STR(f->situation.keys[0], "1");
    CHECK_INT(attribute(f, 0, "carrier").kind, RT_KIND_NONE);
    CHECK_INT(f->situation.memory_events, 0);
    CHECK_INT(f->situation.memory_idle_ms, -1);
    CHECK_U64(br_subjects_count(f->subjects), 0);
    CHECK_TRUE(br_subjects_row(f->subjects, PACK_KIT_TENANT, RT_STR("order"), RT_STR("1")).ptr ==
               NULL);
}

static void
test_subject_attributes_follow_fields_and_sets(void **state)
{
    fixture *f = *state;

    tell(f, "order.created", "order/1",
         "{\"customer_id\":\"c1\",\"promised_at\":\"2026-01-02T00:00:00Z\",\"value\":50,"
         "\"city\":\"Pasto\"}",
         1000);
    tell(f, "order.shipped", "order/1", SHIPPED_TCC, 2000);
    recall(f, "order.delivered", "order/1", "{}", 9000);

    CHECK_STR(attribute(f, 0, "status").s, "shipped");
    CHECK_STR(attribute(f, 0, "carrier").s, "tcc");
    CHECK_STR(attribute(f, 0, "city").s, "Pasto");
    CHECK_INT(attribute(f, 0, "value").kind, RT_KIND_F64);
    CHECK_NEAR(attribute(f, 0, "value").f, 50, 0);
    CHECK_INT(attribute(f, 0, "promised_at").kind, RT_KIND_TIME);
    CHECK_INT(attribute(f, 0, "promised_at").i, 1767312000000);
    CHECK_INT(f->situation.memory_events, 2);
    CHECK_INT(f->situation.memory_age_ms, 8000);
    CHECK_INT(f->situation.memory_idle_ms, 7000);
}

static void
test_subject_named_entities_are_remembered_too(void **state)
{
    fixture *f = *state;

    tell(f, "carrier.status", "carrier/tcc", "{\"status\":\"down\"}", 1000);
    tell(f, "order.shipped", "order/1", SHIPPED_TCC, 2000);
    recall(f, "delivery.failed", "order/1",
           "{\"customer_id\":\"c1\",\"carrier\":\"tcc\",\"reason\":\"absent\"}", 3000);

    CHECK_U64(br_subjects_count(f->subjects), 3);
    CHECK_STR(attribute(f, 2, "status").s, "down");
    recall(f, "carrier.status", "carrier/tcc", "{\"status\":\"up\"}", 4000);
    CHECK_INT(f->situation.memory_events, 2);
}

static void
test_subject_of_another_kind_is_not_the_types_entity(void **state)
{
    fixture *f = *state;

    tell(f, "order.shipped", "customer/9", SHIPPED_TCC, 1000);

    CHECK_STR(f->situation.keys[0], "");
    CHECK_TRUE(br_subjects_row(f->subjects, PACK_KIT_TENANT, RT_STR("order"), RT_STR("9")).ptr ==
               NULL);
}

static void
test_subject_tenants_do_not_share_rows(void **state)
{
    fixture *f = *state;

    tell(f, "order.shipped", "order/1", SHIPPED_TCC, 1000);
    recall(f, "order.shipped", "order/1", SHIPPED_TCC, 2000);
    f->event.tenant = (rt_tenant){2};
    br_subjects_recall(f->subjects, &f->situation);

    CHECK_INT(f->situation.memory_events, 0);
    CHECK_INT(attribute(f, 0, "carrier").kind, RT_KIND_NONE);
}

static void
test_subject_recent_events_of_24_hours_are_counted(void **state)
{
    fixture *f = *state;

    for (int i = 0; i < 3; i++) {
        tell(f, "tracking.updated", "order/1", "{\"status\":\"in_transit\"}", i * 10 * HOUR_MS);
    }

    recall(f, "order.delivered", "order/1", "{}", 24 * HOUR_MS);
    CHECK_INT(f->situation.memory_events_24h, 3);
    recall(f, "order.delivered", "order/1", "{}", 24 * HOUR_MS + 1);
    CHECK_INT(f->situation.memory_events_24h, 2);
    recall(f, "order.delivered", "order/1", "{}", 50 * HOUR_MS);
    CHECK_INT(f->situation.memory_events_24h, 0);
    CHECK_INT(f->situation.memory_events, 3);
}

static void
test_subject_row_keeps_the_latest_events_newest_first(void **state)
{
    fixture *f = *state;
    br_subject_row row;

    for (int i = 0; i < BR_RECENT_MAX + 3; i++) {
        tell(f, "tracking.updated", "order/1", "{\"status\":\"in_transit\"}", 100 + i);
    }
    rt_bytes bytes = br_subjects_row(f->subjects, PACK_KIT_TENANT, RT_STR("order"), RT_STR("1"));

    memcpy(&row, bytes.ptr, sizeof(row));
    CHECK_INT(row.first_ms, 100);
    CHECK_U64(row.events, BR_RECENT_MAX + 3);
    for (uint32_t i = 0; i < BR_RECENT_MAX; i++) {
        CHECK_U64(row.recent[i].seq, f->seq - i);
        CHECK_INT(row.recent[i].at_ms, 100 + BR_RECENT_MAX + 2 - (int)i);
        CHECK_NEAR(row.recent[i].importance, 0.1, 1e-6);
    }
}

static void
test_subject_beyond_the_bound_is_refused_and_counted(void **state)
{
    fixture *f = *state;

    br_subjects_free(f->subjects);
    rt_store_close(f->store);
    f->store = rt_store_open_memory();
    CHECK_OK(br_subjects_new(f->store, 2, &f->subjects));
    tell(f, "order.approved", "order/1", "{}", 1000);
    tell(f, "order.approved", "order/2", "{}", 1000);
    tell(f, "order.approved", "order/3", "{}", 1000);
    tell(f, "order.approved", "order/1", "{}", 2000);

    CHECK_U64(br_subjects_count(f->subjects), 2);
    CHECK_U64(br_subjects_refused(f->subjects), 1);
    recall(f, "order.approved", "order/1", "{}", 3000);
    CHECK_INT(f->situation.memory_events, 2);
}

#define BOX_CATALOG                                                                                \
    "kind: catalog\nevents:\n  box.made:\n    entity: box\n    fields:\n"                          \
    "      a: {type: str}\n      b: {type: str}\n      n: {type: i64}\n"

// Tells a box of one pack, then looks at it through another pack on the same store.
static void
look_through(const char *before, const char *after, rt_value ret_values[BR_ATTRIBUTES_MAX])
{
    const char *const packs[2][2] = {{BOX_CATALOG, before}, {BOX_CATALOG, after}};
    fixture f = {.store = rt_store_open_memory()};

    CHECK_OK(br_subjects_new(f.store, 10, &f.subjects));
    rt_mpw_init(&f.wire, 65536);
    f.pack = pack_kit_of(packs[0], 2);
    tell(&f, "box.made", "box/1", "{\"a\":\"x\",\"b\":\"y\",\"n\":3}", 1000);
    br_pack_free(f.pack);
    f.pack = pack_kit_of(packs[1], 2);
    recall(&f, "box.made", "box/1", "{}", 2000);
    for (uint32_t a = 0; a < 3; a++) {
        ret_values[a] = f.situation.attributes[0][a];
        CHECK_TRUE(ret_values[a].kind != RT_KIND_STR || ret_values[a].s.len == 1);
        ret_values[a].s.len = ret_values[a].kind == RT_KIND_STR
                                  ? (size_t)ret_values[a].s.ptr[0] // the view ends with the store
                                  : ret_values[a].s.len;
    }
    br_pack_free(f.pack);
    rt_mpw_fini(&f.wire);
    br_subjects_free(f.subjects);
    rt_store_close(f.store);
}

static void
test_subject_attributes_survive_a_change_of_the_pack(void **state)
{
    static const char before[] = "kind: entities\nentities:\n  box:\n    attributes: "
                                 "{a: {type: str}, b: {type: str}, n: {type: i64}}\n";
    static const char reordered[] = "kind: entities\nentities:\n  box:\n    attributes: "
                                    "{fresh: {type: str}, b: {type: str}, a: {type: str}}\n";
    static const char retyped[] = "kind: entities\nentities:\n  box:\n    attributes: "
                                  "{a: {type: i64}, n: {type: f64}, b: {type: str}}\n";
    rt_value values[BR_ATTRIBUTES_MAX];

    (void)state;
    look_through(before, reordered, values);
    CHECK_INT(values[0].kind, RT_KIND_NONE);
    CHECK_INT(values[1].s.len, 'y');
    CHECK_INT(values[2].s.len, 'x');

    look_through(before, retyped, values);
    CHECK_INT(values[0].kind, RT_KIND_NONE);
    CHECK_INT(values[1].kind, RT_KIND_F64);
    CHECK_NEAR(values[1].f, 3, 0);
    CHECK_INT(values[2].s.len, 'y');
}

static void
test_subject_attributes_too_large_leave_the_old_ones(void **state)
{
    static const char *const texts[] = {
        "kind: catalog\nevents:\n  box.made:\n    entity: box\n    fields:\n"
        "      a: {type: str, cap: 20000}\n      b: {type: str}\n",
        "kind: entities\nentities:\n  box:\n    attributes: {a: {type: str}, b: {type: str}}\n"};
    fixture *f = *state;
    char big[10000];
    char data[11000];

    br_pack_free(f->pack);
    f->pack = pack_kit_of(texts, 2);
    memset(big, 'z', sizeof(big) - 1);
    big[sizeof(big) - 1] = '\0';
    (void)snprintf(data, sizeof(data),
                   "{\"id\":\"1\",\"source\":\"/s\",\"type\":\"box.made\",\"subject\":\"box/1\","
                   "\"data\":{\"a\":\"%s\"}}",
                   big);
    tell(f, "box.made", "box/1", "{\"b\":\"y\"}", 1000);
    pack_kit_event(f->pack, data, &f->wire, &f->event);
    br_subjects_recall(f->subjects, &f->situation);
    br_subjects_remember(f->subjects, &f->situation);
    recall(f, "box.made", "box/1", "{}", 2000);

    CHECK_INT(f->situation.memory_events, 2);
    CHECK_STR(attribute(f, 0, "b").s, "y");
    CHECK_INT(attribute(f, 0, "a").kind, RT_KIND_NONE);
}

// Carriers of random length, so that rows grow and shrink in place.
static void
test_subject_attributes_agree_with_a_model(void **state)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzabcdef";
    fixture *f = *state;
    int carrier_len[20] = {0};
    int events[20] = {0};
    rt_rng rng;

    rt_rng_seed(&rng, 9, 1);
    for (int i = 1; i <= 3000; i++) {
        size_t order = (size_t)rt_rng_below(&rng, 20);
        int len = (int)rt_rng_below(&rng, 33);
        char subject[32];
        char data[128];

        (void)snprintf(subject, sizeof(subject), "order/%zu", order);
        (void)snprintf(data, sizeof(data), len > 0 ? "{\"carrier\":\"%.*s\"}" : "{}", len, letters);
        recall(f, "order.shipped", subject, data, i);
        CHECK_INT(f->situation.memory_events, events[order]);
        CHECK_INT(attribute(f, 0, "carrier").kind,
                  carrier_len[order] > 0 ? RT_KIND_STR : RT_KIND_NONE);
        if (carrier_len[order] > 0) {
            CHECK_TRUE(rt_str_equal(attribute(f, 0, "carrier").s,
                                    (rt_str){letters, (size_t)carrier_len[order]}));
        }
        br_subjects_remember(f->subjects, &f->situation);
        events[order]++;
        carrier_len[order] = len > 0 ? len : carrier_len[order];
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_subject_new_one_is_unknown),
        TEST(test_subject_attributes_follow_fields_and_sets),
        TEST(test_subject_named_entities_are_remembered_too),
        TEST(test_subject_of_another_kind_is_not_the_types_entity),
        TEST(test_subject_tenants_do_not_share_rows),
        TEST(test_subject_recent_events_of_24_hours_are_counted),
        TEST(test_subject_row_keeps_the_latest_events_newest_first),
        TEST(test_subject_beyond_the_bound_is_refused_and_counted),
        cmocka_unit_test(test_subject_attributes_survive_a_change_of_the_pack),
        TEST(test_subject_attributes_too_large_leave_the_old_ones),
        TEST(test_subject_attributes_agree_with_a_model),
    };

    return CHECK_RUN(tests);
}
