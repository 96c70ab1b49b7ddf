#include "runtime/wire/event.h"

#include "runtime/base/rng.h"
#include "tests/harness/check.h"

#define CATALOG                                                                                    \
    "kind: catalog\n"                                                                              \
    "events:\n"                                                                                    \
    "  order.created:\n"                                                                           \
    "    fields:\n"                                                                                \
    "      value_cop: {type: i64, required: true, min: 0}\n"                                       \
    "      city: {type: str}\n"                                                                    \
    "      wait: {type: duration}\n"                                                               \
    "      promised_at: {type: time}\n"                                                            \
    "      gift: {type: bool}\n"                                                                   \
    "      weight: {type: f64}\n"                                                                  \
    "      ratio: {type: f64}\n"

// The same type after changes: city is gone, gift became an integer, value_cop a float, a field is
// new and the order is another.
#define LATER                                                                                      \
    "kind: catalog\n"                                                                              \
    "events:\n"                                                                                    \
    "  order.created:\n"                                                                           \
    "    fields:\n"                                                                                \
    "      fresh: {type: str, required: true}\n"                                                   \
    "      ratio: {type: f64}\n"                                                                   \
    "      gift: {type: i64}\n"                                                                    \
    "      value_cop: {type: f64}\n"                                                               \
    "      wait: {type: i64}\n"

typedef struct fixture {
    rt_catalog *catalog;
    rt_catalog *later;
    rt_mpw w;
    rt_mpw context;
    rt_event event;
    rt_event got;
} fixture;

static rt_catalog *
catalog_of(const char *text)
{
    rt_catalog *catalog = rt_catalog_new();
    rt_diag *diag = rt_diag_new();

    CHECK_OK(rt_catalog_load(catalog, "c", rt_str_of(text), diag));
    rt_diag_free(diag);
    return catalog;
}

// {"order": {"carrier": "tcc", "late": true}, "feature": {"carrier": {"late_rate": 0.25}}}
static void
write_context(rt_mpw *w)
{
    rt_mpw_init(w, 4096);
    rt_mpw_map(w, 2);
    rt_mpw_cstr(w, "order");
    rt_mpw_map(w, 2);
    rt_mpw_cstr(w, "carrier");
    rt_mpw_cstr(w, "tcc");
    rt_mpw_cstr(w, "late");
    rt_mpw_bool(w, true);
    rt_mpw_cstr(w, "feature");
    rt_mpw_map(w, 1);
    rt_mpw_cstr(w, "carrier");
    rt_mpw_map(w, 1);
    rt_mpw_cstr(w, "late_rate");
    rt_mpw_f64(w, 0.25);
}

static int
set_up(void **state)
{
    static fixture f;

    memset(&f, 0, sizeof(f));
    f.catalog = catalog_of(CATALOG);
    f.later = catalog_of(LATER);
    write_context(&f.context);
    rt_mpw_init(&f.w, 1 << 20);
    f.event = (rt_event){
        .type = rt_catalog_at(f.catalog, 0),
        .time_ms = 1795150800500,
        .tenant = {65535},
        .priority = RT_PRIORITY_HIGH,
        .depth = 3,
        .internal = true,
        .has_sequence = true,
        .sequence = UINT64_MAX,
        .id = RT_STR("e1"),
        .source = RT_STR("shop"),
        .subject = RT_STR("order/7"),
        .correlation = RT_STR("c"),
        .causation = RT_STR("k"),
        .context = rt_mpw_view(&f.context),
        .slots = {RT_I64(5), RT_TEXT(RT_STR("Bogotá")), {.kind = RT_KIND_DURATION, .i = 60000},
                  RT_TIME(1795219200000), RT_BOOL(true), RT_F64(0.1), RT_F64(2)},
    };
    *state = &f;
    return 0;
}

static int
tear_down(void **state)
{
    fixture *f = *state;

    rt_mpw_fini(&f->w);
    rt_mpw_fini(&f->context);
    rt_catalog_free(f->catalog);
    rt_catalog_free(f->later);
    return 0;
}

static rt_err
decode(fixture *f, const rt_catalog *catalog)
{
    memset(&f->got, 0x5a, sizeof(f->got));
    return rt_event_decode_record(catalog, 77, 1795150801000, rt_mpw_view(&f->w), &f->got);
}

static void
test_record_round_trips_every_attribute(void **state)
{
    fixture *f = *state;
    const rt_event *got = &f->got;

    rt_event_encode(&f->event, &f->w);
    CHECK_OK(rt_mp_check(rt_mpw_view(&f->w)));
    CHECK_OK(decode(f, f->catalog));
    CHECK_TRUE(got->type == f->event.type);
    CHECK_U64(got->seq, 77);
    CHECK_INT(got->at_ms, 1795150801000);
    CHECK_INT(got->time_ms, 1795150800500);
    CHECK_INT(got->tenant.v, 65535);
    CHECK_INT(got->priority, RT_PRIORITY_HIGH);
    CHECK_INT(got->depth, 3);
    CHECK_TRUE(got->internal);
    CHECK_TRUE(got->has_sequence);
    CHECK_U64(got->sequence, UINT64_MAX);
    CHECK_STR(got->id, "e1");
    CHECK_STR(got->source, "shop");
    CHECK_STR(got->subject, "order/7");
    CHECK_STR(got->correlation, "c");
    CHECK_STR(got->causation, "k");
    CHECK_INT(got->tenant_name.len, 0);
    CHECK_BYTES(got->context, f->event.context);
}

static void
test_record_round_trips_every_kind_of_field(void **state)
{
    fixture *f = *state;
    const rt_value *got = f->got.slots;

    rt_event_encode(&f->event, &f->w);
    CHECK_OK(decode(f, f->catalog));
    for (uint32_t i = 0; i < f->event.type->field_count; i++) {
        CHECK_INT(got[i].kind, f->event.slots[i].kind);
    }
    CHECK_INT(got[0].i, 5);
    CHECK_STR(got[1].s, "Bogotá");
    CHECK_INT(got[2].i, 60000);
    CHECK_INT(got[3].i, 1795219200000);
    CHECK_TRUE(got[4].b);
    CHECK_NEAR(got[5].f, 0.1, 0);
    CHECK_NEAR(got[6].f, 2, 0);
}

static void
test_record_keeps_absent_parts_absent(void **state)
{
    fixture *f = *state;
    rt_event bare = {.type = f->event.type, .time_ms = INT64_MIN, .id = RT_STR("e")};

    rt_event_encode(&bare, &f->w);
    CHECK_OK(decode(f, f->catalog));
    CHECK_INT(f->got.time_ms, INT64_MIN);
    CHECK_FALSE(f->got.internal);
    CHECK_FALSE(f->got.has_sequence);
    CHECK_INT(f->got.subject.len, 0);
    CHECK_INT(f->got.context.len, 0);
    for (uint32_t i = 0; i < bare.type->field_count; i++) {
        CHECK_INT(f->got.slots[i].kind, RT_KIND_NONE);
    }
}

static void
test_record_survives_changes_of_the_catalogue(void **state)
{
    fixture *f = *state;

    rt_event_encode(&f->event, &f->w);
    CHECK_OK(decode(f, f->later));
    CHECK_INT(rt_event_field(&f->got, "fresh").kind, RT_KIND_NONE);
    CHECK_NEAR(rt_event_field(&f->got, "ratio").f, 2, 0);
    CHECK_INT(rt_event_field(&f->got, "gift").kind, RT_KIND_NONE);
    CHECK_INT(rt_event_field(&f->got, "value_cop").kind, RT_KIND_F64);
    CHECK_NEAR(rt_event_field(&f->got, "value_cop").f, 5, 0);
    CHECK_INT(rt_event_field(&f->got, "wait").i, 60000);
    CHECK_STR(f->got.id, "e1");
}

static void
test_record_of_an_unknown_type_is_told_apart(void **state)
{
    fixture *f = *state;
    rt_catalog *other = catalog_of("kind: catalog\nevents:\n  a.b: {}\n");

    rt_event_encode(&f->event, &f->w);
    CHECK_ERR(decode(f, other), RT_EUNKNOWN);
    CHECK_CSTR(rt_err_detail(), "record 77: no event type 'order.created'");
    rt_catalog_free(other);
}

static void
test_record_truncated_anywhere_is_refused(void **state)
{
    fixture *f = *state;
    size_t len = 0;

    rt_event_encode(&f->event, &f->w);
    len = f->w.len;
    for (f->w.len = 0; f->w.len < len; f->w.len++) {
        CHECK_ERR(decode(f, f->catalog), RT_EPROTO);
    }
}

static void
test_record_from_a_later_form_may_be_longer(void **state)
{
    fixture *f = *state;
    rt_mpw longer;

    rt_event_encode(&f->event, &f->w);
    CHECK_INT(f->w.ptr[0], 0x9f); // 15 elements; one more needs the wide header
    rt_mpw_init(&longer, 4096);
    rt_mpw_array(&longer, 16);
    rt_mpw_raw(&longer, (rt_bytes){f->w.ptr + 1, f->w.len - 1});
    rt_mpw_cstr(&longer, "new");
    CHECK_OK(rt_event_decode_record(f->catalog, 1, 2, rt_mpw_view(&longer), &f->got));
    CHECK_BYTES(f->got.context, f->event.context);
    rt_mpw_fini(&longer);
    f->w.ptr[1] = 2; // another form
    CHECK_ERR(decode(f, f->catalog), RT_EPROTO);
}

static void
test_record_damaged_bytes_never_lead_outside(void **state)
{
    fixture *f = *state;
    rt_mpw good;
    rt_rng rng;

    rt_mpw_init(&good, 4096);
    rt_event_encode(&f->event, &good);
    rt_rng_seed(&rng, 20261120, 3);
    for (int round = 0; round < 200000; round++) {
        rt_mpw_clear(&f->w);
        rt_mpw_raw(&f->w, rt_mpw_view(&good));
        for (uint64_t hits = rt_rng_below(&rng, 3) + 1; hits > 0; hits--) {
            f->w.ptr[rt_rng_below(&rng, good.len)] = (uint8_t)rt_rng_u64(&rng);
        }
        if (decode(f, f->catalog) == RT_OK) {
            const rt_str *text = &f->got.id;

            // Views stay inside the payload.
            CHECK_TRUE(text->len == 0 || ((const uint8_t *)text->ptr >= f->w.ptr &&
                                          (const uint8_t *)text->ptr + text->len <=
                                              f->w.ptr + f->w.len));
            (void)rt_event_context(&f->got, "feature.carrier.late_rate");
        }
    }
    rt_mpw_fini(&good);
}

static void
test_encode_past_the_maximum_fails_the_writer_only(void **state)
{
    fixture *f = *state;
    rt_mpw small;

    rt_mpw_init(&small, 40);
    rt_event_encode(&f->event, &small);
    CHECK_TRUE(small.failed);
    CHECK_INT(small.len, 0);
    rt_mpw_fini(&small);
}

static void
test_context_is_read_by_dotted_path(void **state)
{
    fixture *f = *state;

    rt_event_encode(&f->event, &f->w);
    CHECK_OK(decode(f, f->catalog));
    CHECK_STR(rt_event_context(&f->got, "order.carrier").s, "tcc");
    CHECK_TRUE(rt_event_context(&f->got, "order.late").b);
    CHECK_NEAR(rt_event_context(&f->got, "feature.carrier.late_rate").f, 0.25, 0);
    CHECK_INT(rt_event_context(&f->got, "order.city").kind, RT_KIND_NONE);
    CHECK_INT(rt_event_context(&f->got, "feature.carrier").kind, RT_KIND_NONE);
    f->got.context = (rt_bytes){NULL, 0};
    CHECK_INT(rt_event_context(&f->got, "order.carrier").kind, RT_KIND_NONE);
}

static void
test_cloudevent_reads_back_as_the_same_event(void **state)
{
    fixture *f = *state;
    rt_reject reject;
    rt_mp mp;

    rt_event_to_cloudevent(&f->event, RT_STR("acme"), &f->w);
    CHECK_OK(rt_mp_check(rt_mpw_view(&f->w)));
    mp = rt_mp_init(rt_mpw_view(&f->w));
    CHECK_OK(rt_event_decode(f->catalog, &mp, &f->got, &reject));
    CHECK_TRUE(rt_mp_done(&mp));
    CHECK_STR(f->got.id, "e1");
    CHECK_STR(f->got.source, "shop");
    CHECK_STR(f->got.subject, "order/7");
    CHECK_STR(f->got.tenant_name, "acme");
    CHECK_STR(f->got.correlation, "c");
    CHECK_STR(f->got.causation, "k");
    CHECK_INT(f->got.time_ms, 1795150800500);
    CHECK_INT(f->got.priority, RT_PRIORITY_HIGH);
    CHECK_U64(f->got.sequence, UINT64_MAX);
    for (uint32_t i = 0; i < f->event.type->field_count; i++) {
        CHECK_INT(f->got.slots[i].kind, f->event.slots[i].kind);
        CHECK_NEAR(rt_value_as_f64(f->got.slots[i], 0), rt_value_as_f64(f->event.slots[i], 0), 0);
    }
    CHECK_FALSE(f->got.internal); // what the brain knows of itself does not come from outside
    CHECK_INT(f->got.depth, 0);
    CHECK_TRUE(rt_mp_find(rt_mpw_view(&f->w), RT_STR("specversion"), &mp));
}

static void
test_cloudevent_leaves_out_what_is_absent(void **state)
{
    fixture *f = *state;
    rt_event bare = {.type = f->event.type, .time_ms = INT64_MIN, .id = RT_STR("e")};
    rt_mp mp;

    rt_event_to_cloudevent(&bare, RT_STR(""), &f->w);
    CHECK_OK(rt_mp_check(rt_mpw_view(&f->w)));
    CHECK_FALSE(rt_mp_find(rt_mpw_view(&f->w), RT_STR("time"), &mp));
    CHECK_FALSE(rt_mp_find(rt_mpw_view(&f->w), RT_STR("tenant"), &mp));
    CHECK_FALSE(rt_mp_find(rt_mpw_view(&f->w), RT_STR("subject"), &mp));
    CHECK_FALSE(rt_mp_find(rt_mpw_view(&f->w), RT_STR("sequence"), &mp));
    CHECK_TRUE(rt_mp_find(rt_mpw_view(&f->w), RT_STR("data"), &mp));
}

static void
test_subject_splits_at_the_first_slash(void **state)
{
    rt_str kind = RT_STR("kept");
    rt_str key = RT_STR("kept");

    (void)state;
    CHECK_FALSE(rt_subject_split(RT_STR(""), &kind, &key));
    CHECK_FALSE(rt_subject_split(RT_STR("order"), &kind, &key));
    CHECK_FALSE(rt_subject_split(RT_STR("/7"), &kind, &key));
    CHECK_FALSE(rt_subject_split(RT_STR("order/"), &kind, &key));
    CHECK_STR(kind, "kept");
    CHECK_STR(key, "kept");
    CHECK_TRUE(rt_subject_split(RT_STR("order/7/b"), &kind, &key));
    CHECK_STR(kind, "order");
    CHECK_STR(key, "7/b");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_record_round_trips_every_attribute),
        TEST(test_record_round_trips_every_kind_of_field),
        TEST(test_record_keeps_absent_parts_absent),
        TEST(test_record_survives_changes_of_the_catalogue),
        TEST(test_record_of_an_unknown_type_is_told_apart),
        TEST(test_record_truncated_anywhere_is_refused),
        TEST(test_record_from_a_later_form_may_be_longer),
        TEST(test_record_damaged_bytes_never_lead_outside),
        TEST(test_encode_past_the_maximum_fails_the_writer_only),
        TEST(test_context_is_read_by_dotted_path),
        TEST(test_cloudevent_reads_back_as_the_same_event),
        TEST(test_cloudevent_leaves_out_what_is_absent),
        cmocka_unit_test(test_subject_splits_at_the_first_slash),
    };

    return CHECK_RUN(tests);
}
