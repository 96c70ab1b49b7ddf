#include "tools/brainctl/value.h"

#include "runtime/wire/json.h"
#include "tests/harness/check.h"

#define OUT_MAX 65536

static rt_mpw w;
static rt_text out;

static rt_bytes
of_json(const char *json)
{
    rt_mpw_clear(&w);
    CHECK_OK(rt_json_to_mp(rt_str_of(json), &w));
    return rt_mpw_view(&w);
}

static int
setup(void **state)
{
    (void)state;
    rt_mpw_init(&w, OUT_MAX);
    rt_text_init(&out, OUT_MAX);
    return 0;
}

static int
teardown(void **state)
{
    (void)state;
    rt_mpw_fini(&w);
    rt_text_fini(&out);
    return 0;
}

static void
test_value_paths_reach_inside(void **state)
{
    rt_bytes map = of_json("{\"a\":{\"b\":{\"c\":7,\"s\":\"x\",\"t\":true,\"f\":0.5}},\"n\":null}");
    (void)state;
    CHECK_INT(ctl_u64(map, "a.b.c"), 7);
    CHECK_STR(ctl_str(map, "a.b.s"), "x");
    CHECK_TRUE(ctl_bool(map, "a.b.t"));
    CHECK_NEAR(ctl_f64(map, "a.b.f"), 0.5, 0);
    CHECK_FALSE(ctl_has(map, "n"));
    CHECK_FALSE(ctl_has(map, "a.x.c"));
    CHECK_INT(ctl_u64(map, "a.b.s"), 0);
    CHECK_INT(ctl_u64((rt_bytes){NULL, 0}, "a"), 0);
}

static void
test_value_show_reads_like_people_do(void **state)
{
    rt_bytes map = of_json("{\"n\":47,\"f\":0.123456,\"s\":\"a\\u001bb\",\"l\":[1,2],\"b\":false}");
    (void)state;
    ctl_show_pairs(&out, map);
    CHECK_STR(rt_text_view(&out), "n=47 f=0.123 s=a\xef\xbf\xbd" "b l=[1,2] b=false");
}

static void
add_path(void *user, rt_str path, rt_bytes value)
{
    (void)user;
    rt_text_str(&out, path);
    rt_text_cstr(&out, "=");
    ctl_show(&out, value);
    rt_text_cstr(&out, ";");
}

static void
test_value_flatten_gives_dotted_paths(void **state)
{
    rt_bytes map = of_json("{\"a\":1,\"b\":{\"c\":{\"d\":2},\"e\":3},\"f\":{}}");
    (void)state;
    ctl_flatten(map, add_path, NULL);
    CHECK_STR(rt_text_view(&out), "a=1;b.c.d=2;b.e=3;");
}

static void
test_value_damaged_lists_end(void **state)
{
    static const uint8_t cut[] = {0x93, 0x01}; // an array of three that holds one
    ctl_list list = ctl_items((rt_bytes){cut, sizeof(cut)});
    rt_bytes item;
    (void)state;
    CHECK_FALSE(ctl_next_item(&list, &item)); // its count cannot fit
    list = ctl_items((rt_bytes){NULL, 0});
    CHECK_FALSE(ctl_next_item(&list, &item));
}

static void
test_map_counts_its_pairs(void **state)
{
    ctl_map map = ctl_map_begin(256);
    (void)state;
    ctl_map_str(&map, "a", RT_STR("x"));
    ctl_map_str(&map, "empty", RT_STR(""));
    ctl_map_u64(&map, "b", 2);
    rt_bytes bytes = ctl_map_end(&map);
    CHECK_OK(rt_mp_check(bytes));
    CHECK_STR(ctl_str(bytes, "a"), "x");
    CHECK_FALSE(ctl_has(bytes, "empty"));
    CHECK_INT(ctl_u64(bytes, "b"), 2);
    ctl_map_fini(&map);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_value_paths_reach_inside),
        TEST(test_value_show_reads_like_people_do),
        TEST(test_value_flatten_gives_dotted_paths),
        TEST(test_value_damaged_lists_end),
        TEST(test_map_counts_its_pairs),
    };
    return CHECK_RUN(tests);
}
