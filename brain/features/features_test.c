#include "brain/features/features.h"

#include "brain/math/stats.h"
#include "runtime/base/rng.h"
#include "tests/harness/pack_kit.h"

#define DAY_MS ((int64_t)24 * 3600 * 1000)
#define CATALOG                                                                                    \
    "kind: catalog\nevents:\n"                                                                     \
    "  box.made:\n    fields:\n      shelf: {type: str}\n      weight: {type: f64}\n"              \
    "  box.seen:\n    fields:\n      shelf: {type: str}\n"
#define FEATURES                                                                                   \
    "kind: features\nfeatures:\n  shelf:\n    key: shelf\n"                                        \
    "    made: {on: [box.made], kind: count, half_life: 1d}\n"                                     \
    "    load: {on: [box.made], kind: sum, value: data.weight, half_life: 1d}\n"                   \
    "    mean: {on: [box.made], kind: mean, value: data.weight, half_life: 1d, prior: 5, "         \
    "weight: 2}\n"                                                                                 \
    "    last: {on: [box.made], kind: last, value: data.weight, prior: -1}\n"                      \
    "    heavy: {on: [box.made], kind: mean, value: data.weight > 10.0, half_life: 1d}\n"

enum { MADE, LOAD, MEAN, LAST, HEAVY };

typedef struct fixture {
    br_pack *pack;
    rt_store *store;
    br_features *features;
    rt_arena *arena;
    rt_mpw wire;
    rt_event event;
    br_situation situation;
} fixture;

static void
use_features(fixture *f, const char *features)
{
    const char *const texts[] = {CATALOG, features};

    br_pack_free(f->pack);
    f->pack = pack_kit_of(texts, 2);
}

static int
setup(void **state)
{
    fixture *f = rt_new(fixture);

    use_features(f, FEATURES);
    f->store = rt_store_open_memory();
    f->arena = rt_arena_new(1 << 20);
    CHECK_OK(br_features_new(f->store, &f->features));
    rt_mpw_init(&f->wire, 65536);
    *state = f;
    return 0;
}

static int
teardown(void **state)
{
    fixture *f = *state;

    rt_mpw_fini(&f->wire);
    rt_arena_free(f->arena);
    br_features_free(f->features);
    rt_store_close(f->store);
    br_pack_free(f->pack);
    rt_free(f);
    return 0;
}

static void
see(fixture *f, const char *type, const char *data, int64_t now_ms)
{
    char json[512];

    (void)snprintf(json, sizeof(json),
                   "{\"id\":\"1\",\"source\":\"/s\",\"type\":\"%s\",\"data\":%s}", type, data);
    pack_kit_event(f->pack, json, &f->wire, &f->event);
    f->event.at_ms = now_ms;
    f->situation.event = &f->event;
    f->situation.plan = br_pack_plan_of(f->pack, &f->event);
    f->situation.now_ms = now_ms;
    br_features_read(f->features, &f->situation);
}

static void
make(fixture *f, const char *data, int64_t now_ms)
{
    see(f, "box.made", data, now_ms);
    br_features_update(f->features, &f->situation, f->arena);
}

static double
figure(const fixture *f, uint32_t stat)
{
    CHECK_TRUE(f->situation.has_group[0]);
    return f->situation.features[0][stat];
}

static void
test_features_of_a_new_key_are_the_priors(void **state)
{
    fixture *f = *state;

    see(f, "box.seen", "{\"shelf\":\"a\"}", 0);

    CHECK_NEAR(figure(f, MADE), 0, 0);
    CHECK_NEAR(figure(f, LOAD), 0, 0);
    CHECK_NEAR(figure(f, MEAN), 5, 0);
    CHECK_NEAR(figure(f, LAST), -1, 0);
    CHECK_STR(f->situation.group_keys[0], "a");
    see(f, "box.seen", "{}", 0);
    CHECK_FALSE(f->situation.has_group[0]);
}

static void
test_features_follow_their_kinds(void **state)
{
    fixture *f = *state;

    make(f, "{\"shelf\":\"a\",\"weight\":8}", 0);
    make(f, "{\"shelf\":\"a\",\"weight\":20}", 0);
    make(f, "{\"shelf\":\"b\",\"weight\":1000}", 0);
    see(f, "box.seen", "{\"shelf\":\"a\"}", 0);

    CHECK_NEAR(figure(f, MADE), 2, 1e-12);
    CHECK_NEAR(figure(f, LOAD), 28, 1e-12);
    CHECK_NEAR(figure(f, MEAN), (28 + 2 * 5) / 4.0, 1e-12);
    CHECK_NEAR(figure(f, LAST), 20, 0);
    CHECK_NEAR(figure(f, HEAVY), 0.5, 1e-12);
}

static void
test_features_lose_half_in_a_half_life_but_last_stays(void **state)
{
    fixture *f = *state;

    make(f, "{\"shelf\":\"a\",\"weight\":8}", 0);
    make(f, "{\"shelf\":\"a\",\"weight\":8}", 0);
    see(f, "box.seen", "{\"shelf\":\"a\"}", DAY_MS);

    CHECK_NEAR(figure(f, MADE), 1, 1e-12);
    CHECK_NEAR(figure(f, LOAD), 8, 1e-12);
    CHECK_NEAR(figure(f, MEAN), (8 * 1 + 5 * 2) / 3.0, 1e-12);
    CHECK_NEAR(figure(f, LAST), 8, 0);
}

static void
test_features_are_read_before_the_event_counts(void **state)
{
    fixture *f = *state;

    make(f, "{\"shelf\":\"a\",\"weight\":8}", 0);

    CHECK_NEAR(figure(f, MADE), 0, 0); // as it stood when the event came
    see(f, "box.seen", "{\"shelf\":\"a\"}", 0);
    CHECK_NEAR(figure(f, MADE), 1, 0);
}

static void
test_features_without_value_stay_as_they_were(void **state)
{
    fixture *f = *state;

    make(f, "{\"shelf\":\"a\",\"weight\":8}", 0);
    make(f, "{\"shelf\":\"a\"}", 0);
    see(f, "box.seen", "{\"shelf\":\"a\"}", 0);

    CHECK_NEAR(figure(f, MADE), 2, 0);
    CHECK_NEAR(figure(f, LOAD), 8, 0);
    CHECK_NEAR(figure(f, LAST), 8, 0);
}

static void
test_features_tenants_do_not_share_rows(void **state)
{
    fixture *f = *state;

    make(f, "{\"shelf\":\"a\",\"weight\":8}", 0);
    see(f, "box.seen", "{\"shelf\":\"a\"}", 0);
    f->event.tenant = (rt_tenant){2};
    br_features_read(f->features, &f->situation);

    CHECK_NEAR(figure(f, MADE), 0, 0);
}

#define COUNTS(list)                                                                               \
    "kind: features\nfeatures:\n  shelf:\n    key: shelf\n" list
#define ONE(name) "    " name ": {on: [box.made], kind: count, half_life: 1d}\n"

static void
test_features_survive_losing_gaining_and_reordering(void **state)
{
    fixture *f = *state;

    use_features(f, COUNTS(ONE("a") ONE("b") ONE("c")));
    make(f, "{\"shelf\":\"s\"}", 0);
    make(f, "{\"shelf\":\"s\"}", 0);
    use_features(f, COUNTS(ONE("c") ONE("b"))); // lost a, reordered
    make(f, "{\"shelf\":\"s\"}", 0);
    see(f, "box.seen", "{\"shelf\":\"s\"}", 0);
    CHECK_NEAR(figure(f, 0), 3, 0);
    CHECK_NEAR(figure(f, 1), 3, 0);

    use_features(f, COUNTS(ONE("d") ONE("c") ONE("e") ONE("b"))); // gained two
    make(f, "{\"shelf\":\"s\"}", 0);
    see(f, "box.seen", "{\"shelf\":\"s\"}", 0);
    CHECK_NEAR(figure(f, 0), 1, 0);
    CHECK_NEAR(figure(f, 1), 4, 0);
    CHECK_NEAR(figure(f, 2), 1, 0);
    CHECK_NEAR(figure(f, 3), 4, 0);
}

// Packs of random feature names on one store: a feature that was never left out counts everything.
static void
test_features_any_history_of_packs_keeps_live_counts(void **state)
{
    static const char *const names[] = {"a", "b", "c", "d", "e", "f"};
    fixture *f = *state;
    double counts[6] = {0};
    bool was_live[6] = {false};
    rt_rng rng;

    rt_rng_seed(&rng, 4, 1);
    for (int round = 0; round < 60; round++) {
        char text[1024] = COUNTS("");
        size_t order[6] = {0, 1, 2, 3, 4, 5};
        size_t live = 1 + (size_t)rt_rng_below(&rng, 6);

        for (size_t i = 0; i < 6; i++) {
            size_t j = i + (size_t)rt_rng_below(&rng, 6 - i);
            size_t swap = order[i];
            order[i] = order[j];
            order[j] = swap;
        }
        for (size_t i = 0; i < live; i++) {
            size_t len = strlen(text);
            (void)snprintf(text + len, sizeof(text) - len, ONE("%s"), names[order[i]]);
        }
        use_features(f, text);
        make(f, "{\"shelf\":\"s\"}", 0);
        see(f, "box.seen", "{\"shelf\":\"s\"}", 0);
        for (size_t i = 0; i < 6; i++) {
            size_t name = order[i];
            double got = i < live ? figure(f, (uint32_t)i) : 0;

            // what was left out may have given its cell away; it starts over then
            if (i < live) {
                counts[name] = was_live[name] || got > 1 ? counts[name] + 1 : 1;
                CHECK_NEAR(got, counts[name], 0);
            }
            was_live[name] = i < live;
        }
    }
}

static void
test_features_of_the_real_pack_tell_late_from_early(void **state)
{
    fixture *f = *state;
    rt_mpw *w = &f->wire;

    br_pack_free(f->pack);
    f->pack = pack_kit_real();
    pack_kit_event(f->pack,
                   "{\"id\":\"1\",\"source\":\"/s\",\"type\":\"order.delivered\",\"subject\":"
                   "\"order/1\",\"time\":\"2026-01-02T00:00:00Z\",\"data\":{\"carrier\":\"tcc\"}}",
                   w, &f->event);
    f->situation.event = &f->event;
    f->situation.plan = br_pack_plan_of(f->pack, &f->event);
    f->situation.keys[0] = RT_STR("1");
    for (uint32_t a = 0; a < f->situation.plan->touches[0].entity->attribute_count; a++) {
        if (rt_str_is(f->situation.plan->touches[0].entity->attributes[a].name, "promised_at")) {
            f->situation.attributes[0][a] = RT_TIME(1767312000000 - 1); // 1 ms earlier
        }
    }
    br_features_read(f->features, &f->situation);
    CHECK_NEAR(figure(f, 0), 0.08, 1e-12);
    br_features_update(f->features, &f->situation, f->arena);
    br_features_read(f->features, &f->situation);

    CHECK_NEAR(figure(f, 0), (0.08 * 20 + 1) / 21, 1e-12);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_features_of_a_new_key_are_the_priors),
        TEST(test_features_follow_their_kinds),
        TEST(test_features_lose_half_in_a_half_life_but_last_stays),
        TEST(test_features_are_read_before_the_event_counts),
        TEST(test_features_without_value_stay_as_they_were),
        TEST(test_features_tenants_do_not_share_rows),
        TEST(test_features_survive_losing_gaining_and_reordering),
        TEST(test_features_any_history_of_packs_keeps_live_counts),
        TEST(test_features_of_the_real_pack_tell_late_from_early),
    };

    return CHECK_RUN(tests);
}
