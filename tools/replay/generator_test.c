#include "tools/replay/generator.h"

#include <stdio.h>

#include "runtime/base/alloc.h"
#include "runtime/base/hash.h"
#include "runtime/base/map.h"
#include "runtime/wire/event.h"
#include "tests/harness/check.h"
#include "tools/replay/texts.h"

static gen *
open_gen(gen_config config)
{
    gen *g = NULL;

    CHECK_OK(gen_open(&config, &g));
    return g;
}

// Draws the whole stream and hashes every byte of it.
static uint64_t
hash_of(gen_config config, uint64_t *ret_events)
{
    gen *g = open_gen(config);
    stream_event event = {0};
    uint64_t hash = 7;

    *ret_events = 0;
    while (gen_next(g, &event) == RT_OK) {
        hash = rt_hash64(event.body, hash);
        *ret_events += 1;
    }
    gen_close(g);
    return hash;
}

static void
test_generator_same_seed_same_bytes(void **state)
{
    gen_config config = gen_defaults();
    uint64_t events[3] = {0};
    uint64_t hash = 0;

    (void)state;
    config.orders = 800;
    config.bad_share = .01;
    hash = hash_of(config, &events[0]);

    CHECK_U64(hash_of(config, &events[1]), hash);
    CHECK_U64(events[1], events[0]);
    config.seed = 2;
    CHECK_TRUE(hash_of(config, &events[2]) != hash);
}

static char *
read_near(const char *relative)
{
    char path[1024];
    const char *slash = strrchr(__FILE__, '/');
    FILE *file = NULL;
    char *text = rt_new_array(char, 1 << 18);
    size_t len = 0;

    (void)snprintf(path, sizeof(path), "%.*s/../../%s", (int)(slash - __FILE__), __FILE__,
                   relative);
    file = fopen(path, "rb");
    if (file == NULL) {
        print_error("cannot open %s\n", path);
    }
    CHECK_TRUE(file != NULL);
    len = fread(text, 1, (1 << 18) - 1, file);
    text[len] = '\0';
    CHECK_INT(fclose(file), 0);
    return text;
}

static rt_catalog *
load_catalog(void)
{
    const char *file = "config/packs/logistics/catalog.yaml";
    rt_catalog *catalog = rt_catalog_new();
    rt_diag *diag = rt_diag_new();
    char *text = read_near(file);

    if (rt_catalog_load(catalog, file, rt_str_of(text), diag) != RT_OK) {
        rt_text report = {0};

        rt_text_init(&report, 4096);
        rt_diag_render(diag, &report);
        fail_msg("%.*s", RT_STR_ARG(rt_text_view(&report)));
    }
    rt_free(text);
    rt_diag_free(diag);
    return catalog;
}

static void
check_valid(const rt_catalog *catalog, const stream_event *event)
{
    rt_mp mp = rt_mp_init(event->body);
    rt_event decoded = {0};
    rt_reject reject = {0};
    rt_err err = rt_event_decode(catalog, &mp, &decoded, &reject);

    if (err != RT_OK) {
        print_error("%s: %s\n", reject.path, reject.text);
    }
    CHECK_OK(err);
    CHECK_TRUE(rt_mp_done(&mp));
    CHECK_INT(decoded.time_ms, event->time_ms);
    CHECK_STR(decoded.tenant_name, "demo");
}

static void
test_generator_events_are_valid_ordered_and_unique(void **state)
{
    rt_catalog *catalog = load_catalog();
    rt_map *ids = rt_map_new();
    gen_config config = gen_defaults();
    stream_event event = {0};
    int64_t last_ms = 0;
    gen *g = NULL;
    gen_stats stats;

    (void)state;
    config.tenant = RT_STR("demo");
    config.orders = 3000;
    config.tail_days = 20;
    g = open_gen(config);
    while (gen_next(g, &event) == RT_OK) {
        rt_mp id = {0};
        rt_str text = {0};
        bool again = gen_last_mark(g) == GEN_DUPLICATE;

        CHECK_TRUE(event.time_ms >= last_ms);
        last_ms = event.time_ms;
        check_valid(catalog, &event);
        CHECK_TRUE(rt_mp_find(event.body, RT_STR("id"), &id));
        CHECK_OK(rt_mp_str(&id, &text));
        CHECK_TRUE(rt_map_put(ids, rt_bytes_of_str(text), 1) == !again);
    }
    stats = gen_stats_of(g);
    CHECK_U64(stats.events, rt_map_count(ids) + stats.duplicates);
    CHECK_TRUE(stats.events > 20000);
    CHECK_TRUE(stats.duplicates > 0);
    CHECK_U64(stats.all.placed, 3000);
    CHECK_U64(stats.bad, 0);
    for (size_t i = 0; i < GEN_TYPES; i++) { // every type that it knows, it makes
        if (stats.types[i] == 0) {
            print_error("no %s\n", gen_type_name(i));
        }
        CHECK_TRUE(stats.types[i] > 0);
    }
    CHECK_U64(stats.types[0], 3000);
    rt_map_free(ids);
    gen_close(g);
    rt_catalog_free(catalog);
}

static void
test_generator_bad_events_are_all_refused(void **state)
{
    rt_catalog *catalog = load_catalog();
    gen_config config = gen_defaults();
    stream_event event = {0};
    gen *g = NULL;
    uint64_t refused = 0;

    (void)state;
    config.orders = 300;
    config.bad_share = .02;
    g = open_gen(config);
    while (gen_next(g, &event) == RT_OK) {
        rt_mp mp = rt_mp_init(event.body);
        rt_event decoded = {0};
        rt_reject reject = {0};
        bool bad = rt_event_decode(catalog, &mp, &decoded, &reject) != RT_OK;

        CHECK_TRUE(bad == (gen_last_mark(g) == GEN_BAD));
        refused += bad ? 1 : 0;
    }
    CHECK_TRUE(refused >= 10);
    CHECK_U64(gen_stats_of(g).bad, refused);
    gen_close(g);
    rt_catalog_free(catalog);
}

static gen_stats
stats_of_run(uint64_t seed, uint64_t orders)
{
    gen_config config = gen_defaults();
    stream_event event = {0};
    gen_stats stats;
    gen *g = NULL;

    config.seed = seed;
    config.orders = orders;
    config.tail_days = 20;
    g = open_gen(config);
    while (gen_next(g, &event) == RT_OK) {
    }
    stats = gen_stats_of(g);
    gen_close(g);
    return stats;
}

static double
late_rate(const gen_tally *t)
{
    return t->delivered > 0 ? (double)t->late / (double)t->delivered : 0;
}

static size_t
city_named(const char *name)
{
    size_t city = 0;

    while (strcmp(workload_city_at(city)->name, name) != 0) {
        city++;
    }
    return city;
}

static void
test_generator_lateness_has_its_base_rate_and_structure(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 3; seed++) {
        gen_stats stats = stats_of_run(seed, 12000);
        double rate = late_rate(&stats.all);

        print_message("seed %llu: late %.3f, best AUC %.3f, log-loss %.4f of %.4f\n",
                      (unsigned long long)seed, rate, stats.best_auc, stats.best_log_loss,
                      stats.base_log_loss);
        CHECK_TRUE(rate > .10 && rate < .135);
        CHECK_TRUE(stats.best_auc > .74 && stats.best_auc < .86);
        CHECK_TRUE(stats.best_log_loss < stats.base_log_loss - .02);
        CHECK_TRUE(late_rate(&stats.cities[city_named("Pasto")]) > 1.5 * rate);
        CHECK_TRUE(late_rate(&stats.carriers[1]) < late_rate(&stats.carriers[2]));
    }
}

static void
test_generator_outage_stops_the_scans_of_its_carrier(void **state)
{
    gen_config config = gen_defaults();
    stream_event event = {0};
    const plan_outage *outages = NULL;
    const plan_outage *severe = NULL;
    size_t count = 0;
    uint64_t in_outage = 0;
    uint64_t elsewhere = 0;
    gen *g = NULL;

    (void)state;
    g = open_gen(config);
    outages = gen_outages(g, &count);
    severe = &outages[count - 1];
    CHECK_TRUE(severe->severe && severe->city == PLAN_EVERYWHERE);
    CHECK_INT(workload_local_day(severe->from_ms), config.last_day);
    while (gen_next(g, &event) == RT_OK) {
        rt_mp at = {0};
        rt_str type = {0};
        rt_str carrier = {0};

        CHECK_TRUE(rt_mp_find_path(event.body, RT_STR("type"), &at));
        CHECK_OK(rt_mp_str(&at, &type));
        if (!rt_str_is(type, "tracking.updated") || event.time_ms < severe->from_ms
            || event.time_ms >= severe->until_ms) {
            continue;
        }
        CHECK_TRUE(rt_mp_find_path(event.body, RT_STR("data.carrier"), &at));
        CHECK_OK(rt_mp_str(&at, &carrier));
        if (rt_str_is(carrier, workload_carrier_at(severe->carrier)->name)) {
            in_outage++;
        } else {
            elsewhere++;
        }
    }
    CHECK_U64(in_outage, 0);
    CHECK_TRUE(elsewhere > 200);
    gen_close(g);
}

static void
test_generator_refuses_figures_out_of_range(void **state)
{
    gen_config config = gen_defaults();
    gen *g = NULL;

    (void)state;
    config.orders = 0;
    CHECK_ERR(gen_open(&config, &g), RT_ERANGE);
    config = gen_defaults();
    config.days = GEN_DAYS_MAX + 1;
    CHECK_ERR(gen_open(&config, &g), RT_ERANGE);
    config = gen_defaults();
    config.dup_share = .6;
    config.bad_share = .6;
    CHECK_ERR(gen_open(&config, &g), RT_ERANGE);
    CHECK_TRUE(g == NULL);
}

static void
test_generator_has_at_least_sixty_customer_texts(void **state)
{
    size_t count = 0;

    (void)state;
    for (texts_topic topic = TEXTS_WHERE; topic <= TEXTS_SCORE_5; topic++) {
        rt_text text = {0};
        texts_values values = {"261120-00042", "Cali", "tcc", "la crema", "Óscar", 3};

        rt_text_init(&text, TEXTS_BYTES_MAX);
        CHECK_TRUE(texts_templates(topic) >= 3);
        for (uint32_t salt = 0; salt < texts_templates(topic); salt++) {
            texts_write(&text, topic, salt, &values);
        }
        CHECK_TRUE(memchr(text.ptr, '{', text.len) == NULL);
        CHECK_TRUE(rt_utf8_valid(rt_text_view(&text)));
        count += texts_templates(topic);
        rt_text_fini(&text);
    }
    CHECK_TRUE(count >= 60);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_generator_same_seed_same_bytes),
        cmocka_unit_test(test_generator_events_are_valid_ordered_and_unique),
        cmocka_unit_test(test_generator_bad_events_are_all_refused),
        cmocka_unit_test(test_generator_lateness_has_its_base_rate_and_structure),
        cmocka_unit_test(test_generator_outage_stops_the_scans_of_its_carrier),
        cmocka_unit_test(test_generator_refuses_figures_out_of_range),
        cmocka_unit_test(test_generator_has_at_least_sixty_customer_texts),
    };

    return CHECK_RUN(tests);
}
