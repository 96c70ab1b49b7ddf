// What expressions see of an event, and that a recorded context gives the same view back.
#include "brain/pack/situation.h"

#include "runtime/base/rng.h"
#include "tests/harness/pack_kit.h"

#define FAILED                                                                                     \
    "{\"id\":\"7\",\"source\":\"/s\",\"type\":\"delivery.failed\",\"subject\":\"order/45\","       \
    "\"time\":\"2026-01-02T03:04:05Z\",\"data\":{\"customer_id\":\"c1\",\"carrier\":\"tcc\","      \
    "\"reason\":\"absent\",\"attempt\":2}}"

typedef struct fixture {
    br_pack *pack;
    rt_diag *diag;
    rt_arena *arena;
    rt_mpw wire;
    rt_mpw context;
    rt_event event;
    br_situation situation;
    br_situation read_back;
} fixture;

static int
setup(void **state)
{
    fixture *f = rt_new(fixture);

    f->pack = pack_kit_real();
    f->diag = rt_diag_new();
    f->arena = rt_arena_new(1 << 20);
    rt_mpw_init(&f->wire, 65536);
    rt_mpw_init(&f->context, 65536);
    pack_kit_event(f->pack, FAILED, &f->wire, &f->event);
    f->situation.event = &f->event;
    f->situation.plan = br_pack_plan_of(f->pack, &f->event);
    f->situation.now_ms = 1000;
    f->situation.keys[0] = RT_STR("45");
    f->situation.keys[1] = RT_STR("c1");
    f->situation.memory_idle_ms = -1;
    *state = f;
    return 0;
}

static int
teardown(void **state)
{
    fixture *f = *state;

    rt_mpw_fini(&f->wire);
    rt_mpw_fini(&f->context);
    rt_arena_free(f->arena);
    rt_diag_free(f->diag);
    br_pack_free(f->pack);
    rt_free(f);
    return 0;
}

static br_expr_result
evaluate(fixture *f, const char *source)
{
    br_env env = {f->pack, f->event.type, f->situation.plan};
    br_expr_env names = br_env_expr(&env);
    br_expr_result result;
    br_expr *expr = NULL;

    if (br_expr_compile(rt_str_of(source), NULL, &names, RT_KIND_NONE, f->diag, &expr) != RT_OK) {
        drive_report(f->diag);
    }
    br_expr_eval(expr, br_situation_load, &f->situation, f->arena, &result);
    br_expr_free(expr);
    return result;
}

static bool
holds(fixture *f, const char *source)
{
    br_expr_result result = evaluate(f, source);

    return br_expr_is_true(&result);
}

static void
set_attribute(fixture *f, uint32_t touch, const char *name, rt_value value)
{
    const br_entity *entity = f->situation.plan->touches[touch].entity;

    for (uint32_t a = 0; a < entity->attribute_count; a++) {
        if (rt_str_is(entity->attributes[a].name, name)) {
            f->situation.attributes[touch][a] = value;
            return;
        }
    }
    fail_msg("no attribute %s", name);
}

static void
test_situation_paths_of_the_event_read_it(void **state)
{
    fixture *f = *state;

    f->event.priority = RT_PRIORITY_HIGH;

    CHECK_TRUE(holds(f, "event.type == \"delivery.failed\" && event.id == \"7\""));
    CHECK_TRUE(holds(f, "event.source == \"/s\" && event.subject == \"order/45\""));
    CHECK_TRUE(holds(f, "event.time == timestamp(\"2026-01-02T03:04:05Z\")"));
    CHECK_TRUE(holds(f, "event.priority == 2"));
    CHECK_TRUE(holds(f, "data.reason == \"absent\" && data.attempt == 2"));
    CHECK_TRUE(holds(f, "now == timestamp(\"1970-01-01T00:00:01Z\")"));
    CHECK_INT(evaluate(f, "data.city").fault, BR_FAULT_NO_SUCH_KEY);
    CHECK_TRUE(holds(f, "!has(data.city)"));
}

static void
test_situation_paths_of_memory_read_it(void **state)
{
    fixture *f = *state;

    set_attribute(f, 0, "city", RT_TEXT(RT_STR("Pasto")));
    set_attribute(f, 1, "score", RT_I64(4));
    f->situation.memory_events = 3;
    f->situation.memory_events_24h = 2;
    f->situation.memory_age_ms = 9000;
    f->situation.memory_idle_ms = 70;

    CHECK_TRUE(holds(f, "order.city == \"Pasto\" && customer.score == 4"));
    CHECK_TRUE(holds(f, "order.id == \"45\" && customer.id == \"c1\""));
    CHECK_INT(evaluate(f, "carrier.id").fault, BR_FAULT_NO_SUCH_KEY);
    CHECK_INT(evaluate(f, "order.carrier").fault, BR_FAULT_NO_SUCH_KEY);
    CHECK_TRUE(holds(f, "memory.events == 3 && memory.events_24h == 2"));
    CHECK_TRUE(holds(f, "memory.age_ms == 9000 && memory.idle_ms == 70"));
}

static void
test_situation_features_are_absent_without_their_key(void **state)
{
    fixture *f = *state;

    CHECK_INT(evaluate(f, "feature.carrier.late_rate").fault, BR_FAULT_NO_SUCH_KEY);
    f->situation.has_group[0] = true;
    f->situation.features[0][1] = 0.25;

    CHECK_TRUE(holds(f, "feature.carrier.failed_rate == 0.25"));
    CHECK_INT(evaluate(f, "feature.customer.orders").fault, BR_FAULT_NO_SUCH_KEY);
}

static void
test_situation_unknown_path_is_named_with_a_suggestion(void **state)
{
    static const char *const pairs[][2] = {{"data.reson == \"x\"", "did you mean 'data.reason'"},
                                           {"order.cty == \"x\"", "did you mean 'order.city'"},
                                           {"memory.event > 1", "did you mean 'memory.events'"},
                                           {"feature.carrier.late_rat > 0.1",
                                            "did you mean 'feature.carrier.late_rate'"},
                                           {"event.tipe == \"x\"", "did you mean 'event.type'"}};
    fixture *f = *state;
    br_env env = {f->pack, f->event.type, f->situation.plan};
    br_expr_env names = br_env_expr(&env);

    for (size_t i = 0; i < RT_COUNT(pairs); i++) {
        rt_diag *diag = rt_diag_new();
        br_expr *expr = NULL;
        rt_text text;

        rt_text_init(&text, 4096);
        CHECK_ERR(br_expr_compile(rt_str_of(pairs[i][0]), NULL, &names, RT_KIND_BOOL, diag, &expr),
                  RT_ECONFIG);
        rt_diag_render(diag, &text);
        if (strstr(text.ptr, pairs[i][1]) == NULL) {
            fail_msg("no \"%s\" in %s", pairs[i][1], text.ptr);
        }
        rt_text_fini(&text);
        rt_diag_free(diag);
    }
}

static void
record(fixture *f)
{
    rt_mpw_clear(&f->context);
    br_situation_encode(&f->situation, &f->context);
    CHECK_OK(rt_mp_check(rt_mpw_view(&f->context)));
    memset(&f->read_back, 0, sizeof(f->read_back));
    f->read_back.event = &f->event;
    f->read_back.plan = f->situation.plan;
    f->read_back.now_ms = f->situation.now_ms;
    br_situation_decode(&f->read_back, rt_mpw_view(&f->context));
}

static rt_value
random_value(rt_rng *rng, rt_kind kind)
{
    static const char letters[] = "0123456789abcdef";
    rt_value value = {.kind = kind};

    if (rt_rng_chance(rng, 0.3)) {
        return RT_NONE;
    }
    if (kind == RT_KIND_STR) {
        value.s = (rt_str){letters, 1 + (size_t)rt_rng_below(rng, 15)};
    } else if (kind == RT_KIND_F64) {
        // whole numbers too: they must come back as the doubles they were
        value.f = rt_rng_chance(rng, 0.5) ? (double)rt_rng_below(rng, 100) : rt_rng_normal(rng);
    } else if (kind == RT_KIND_BOOL) {
        value.b = rt_rng_chance(rng, 0.5);
    } else {
        value.i = (int64_t)rt_rng_below(rng, 1ull << 45) - 1000;
    }
    return value;
}

static void
randomize(fixture *f, rt_rng *rng)
{
    br_situation *s = &f->situation;

    for (uint32_t t = 0; t < s->plan->touch_count; t++) {
        const br_entity *entity = s->plan->touches[t].entity;

        for (uint32_t a = 0; a < entity->attribute_count; a++) {
            s->attributes[t][a] = random_value(rng, entity->attributes[a].kind);
        }
    }
    for (uint32_t g = 0; g < s->plan->group_count; g++) {
        s->has_group[g] = rt_rng_chance(rng, 0.5);
        for (uint32_t i = 0; i < s->plan->groups[g].group->stat_count; i++) {
            s->features[g][i] = rt_rng_normal(rng) * 1e6;
        }
    }
    s->memory_events = (int64_t)rt_rng_below(rng, 3);
    s->memory_events_24h = s->memory_events > 0 ? (int64_t)rt_rng_below(rng, 7) : 0;
    s->memory_age_ms = s->memory_events > 0 ? (int64_t)rt_rng_below(rng, 1u << 30) : 0;
    s->memory_idle_ms = s->memory_events > 0 ? (int64_t)rt_rng_below(rng, 1u << 30) : -1;
}

static void
check_same_value(rt_value got, rt_value want)
{
    CHECK_INT(got.kind, want.kind);
    if (want.kind == RT_KIND_STR) {
        CHECK_TRUE(rt_str_equal(got.s, want.s));
    } else if (want.kind == RT_KIND_BOOL) {
        CHECK_INT(got.b, want.b);
    } else if (want.kind != RT_KIND_NONE) {
        CHECK_INT(got.i, want.i); // the bits of a double, too
    }
}

static void
check_same_situation(const br_situation *got, const br_situation *want)
{
    for (uint32_t t = 0; t < want->plan->touch_count; t++) {
        for (uint32_t a = 0; a < want->plan->touches[t].entity->attribute_count; a++) {
            check_same_value(got->attributes[t][a], want->attributes[t][a]);
        }
    }
    for (uint32_t g = 0; g < want->plan->group_count; g++) {
        CHECK_INT(got->has_group[g], want->has_group[g]);
        for (uint32_t i = 0; want->has_group[g] && i < want->plan->groups[g].group->stat_count;
             i++) {
            CHECK_TRUE(memcmp(&got->features[g][i], &want->features[g][i], sizeof(double)) == 0);
        }
    }
    CHECK_INT(got->memory_events, want->memory_events);
    CHECK_INT(got->memory_events_24h, want->memory_events_24h);
    CHECK_INT(got->memory_age_ms, want->memory_age_ms);
    CHECK_INT(got->memory_idle_ms, want->memory_idle_ms);
}

static void
test_situation_any_comes_back_from_its_record(void **state)
{
    fixture *f = *state;
    rt_rng rng;

    rt_rng_seed(&rng, 5, 1);
    for (int i = 0; i < 3000; i++) {
        randomize(f, &rng);
        record(f);

        check_same_situation(&f->read_back, &f->situation);
    }
}

static void
test_situation_keys_come_back_from_the_event(void **state)
{
    fixture *f = *state;

    record(f);
    CHECK_STR(f->read_back.keys[0], "45");
    CHECK_STR(f->read_back.keys[1], "c1");
    CHECK_STR(f->read_back.keys[2], "tcc");

    f->event.subject = RT_STR("customer/9"); // not the entity that the type is about
    record(f);
    CHECK_STR(f->read_back.keys[0], "");
    f->event.subject = RT_STR("");
    record(f);
    CHECK_STR(f->read_back.keys[0], "");
}

static void
test_situation_damaged_context_is_an_empty_one(void **state)
{
    fixture *f = *state;
    rt_rng rng;

    rt_rng_seed(&rng, 6, 1);
    randomize(f, &rng);
    record(f);
    for (size_t cut = 0; cut < f->context.len; cut++) {
        memset(&f->read_back, 0, sizeof(f->read_back));
        f->read_back.event = &f->event;
        f->read_back.plan = f->situation.plan;
        br_situation_decode(&f->read_back, (rt_bytes){f->context.ptr, cut}); // must not read beyond
    }

    br_situation_decode(&f->read_back, (rt_bytes){NULL, 0});
    CHECK_INT(f->read_back.memory_events, 0);
    CHECK_INT(f->read_back.memory_idle_ms, -1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_situation_paths_of_the_event_read_it),
        TEST(test_situation_paths_of_memory_read_it),
        TEST(test_situation_features_are_absent_without_their_key),
        TEST(test_situation_unknown_path_is_named_with_a_suggestion),
        TEST(test_situation_any_comes_back_from_its_record),
        TEST(test_situation_keys_come_back_from_the_event),
        TEST(test_situation_damaged_context_is_an_empty_one),
    };

    return CHECK_RUN(tests);
}
