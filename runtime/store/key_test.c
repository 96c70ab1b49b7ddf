#include "runtime/store/key.h"

#include <string.h>

#include "runtime/base/rng.h"
#include "tests/harness/check.h"

#define TENANT ((rt_tenant){0x0102})

static void
test_key_has_tenant_then_length_and_text(void **state)
{
    static const uint8_t want[] = {1, 2, 3, 'a', 'b', 'c'};
    rt_key key = rt_key_text(TENANT, RT_STR("abc"));

    (void)state;
    CHECK_BYTES(rt_key_bytes(&key), ((rt_bytes){want, sizeof(want)}));
    CHECK_INT(rt_key_tenant(rt_key_bytes(&key)).v, 0x0102);
    CHECK_STR(rt_key_part(rt_key_bytes(&key), 0), "abc");
    CHECK_TRUE(rt_key_part(rt_key_bytes(&key), 1).ptr == NULL);
}

static void
test_key_parts_never_run_together(void **state)
{
    rt_key one = rt_key_pair(TENANT, RT_STR("ab"), RT_STR("c"));
    rt_key two = rt_key_pair(TENANT, RT_STR("a"), RT_STR("bc"));

    (void)state;
    CHECK_FALSE(rt_bytes_equal(rt_key_bytes(&one), rt_key_bytes(&two)));
    CHECK_STR(rt_key_part(rt_key_bytes(&two), 0), "a");
    CHECK_STR(rt_key_part(rt_key_bytes(&two), 1), "bc");
    one = rt_key_pair(TENANT, RT_STR(""), RT_STR(""));
    CHECK_INT(one.len, 4);
    CHECK_TRUE(rt_key_part(rt_key_bytes(&one), 1).ptr != NULL);
}

static void
test_key_numbers_sort_numerically(void **state)
{
    rt_rng rng;

    (void)state;
    rt_rng_seed(&rng, 1, 1);
    for (int i = 0; i < 10000; i++) {
        uint64_t a = rt_rng_u64(&rng) >> rt_rng_below(&rng, 64);
        uint64_t b = rt_rng_u64(&rng) >> rt_rng_below(&rng, 64);
        rt_key x = rt_key_number(TENANT, a);
        rt_key y = rt_key_number(TENANT, b);

        CHECK_INT(x.len, y.len);
        CHECK_INT((memcmp(x.bytes, y.bytes, x.len) > 0) - (memcmp(x.bytes, y.bytes, x.len) < 0),
                  (a > b) - (a < b));
    }
}

static void
test_key_of_long_text_is_its_digest(void **state)
{
    char text[300];
    rt_key fits;
    rt_key one;
    rt_key two;

    (void)state;
    memset(text, 'x', sizeof(text));
    fits = rt_key_text(TENANT, (rt_str){text, 200});
    one = rt_key_text(TENANT, (rt_str){text, 201});
    two = rt_key_text(TENANT, (rt_str){text, 202});
    CHECK_INT(fits.len, 203);
    CHECK_INT(one.len, 2 + 1 + 65);
    CHECK_FALSE(rt_bytes_equal(rt_key_bytes(&one), rt_key_bytes(&two)));
    one = rt_key_pair(TENANT, (rt_str){text, 118}, (rt_str){text, 118});
    two = rt_key_pair(TENANT, (rt_str){text, 119}, (rt_str){text, 300});
    CHECK_INT(one.len, RT_KEY_MAX);
    CHECK_INT(two.len, 2 + 2 * 66);
    CHECK_FALSE(two.overflow);
}

static void
test_key_that_does_not_fit_is_marked(void **state)
{
    char text[300] = {0};
    rt_key key = rt_key_of(TENANT);

    (void)state;
    rt_key_str(&key, (rt_str){text, 237});
    CHECK_FALSE(key.overflow);
    CHECK_INT(key.len, RT_KEY_MAX);
    rt_key_u64(&key, 1);
    CHECK_TRUE(key.overflow);
    CHECK_INT(key.len, RT_KEY_MAX);
    key = rt_key_of(TENANT);
    rt_key_str(&key, (rt_str){text, 256});
    CHECK_TRUE(key.overflow);
}

static void
test_key_part_of_foreign_bytes_stays_inside(void **state)
{
    static const uint8_t bytes[] = {0, 1, 200, 'a'};

    (void)state;
    for (size_t len = 0; len <= sizeof(bytes); len++) {
        CHECK_TRUE(rt_key_part((rt_bytes){bytes, len}, 0).ptr == NULL);
    }
    CHECK_INT(rt_key_tenant((rt_bytes){bytes, 1}).v, 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_key_has_tenant_then_length_and_text),
        cmocka_unit_test(test_key_parts_never_run_together),
        cmocka_unit_test(test_key_numbers_sort_numerically),
        cmocka_unit_test(test_key_of_long_text_is_its_digest),
        cmocka_unit_test(test_key_that_does_not_fit_is_marked),
        cmocka_unit_test(test_key_part_of_foreign_bytes_stays_inside),
    };

    return CHECK_RUN(tests);
}
