#include "runtime/wire/mp.h"

#include <float.h>

#include "runtime/base/alloc.h"
#include "runtime/base/rng.h"
#include "tests/harness/check.h"

#define RAW(...)                                                                                   \
    ((rt_bytes){(const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__})})
#define RANDOM_ROUNDS 1000000

static int
set_up(void **state)
{
    static rt_mpw w;

    rt_mpw_init(&w, 1 << 20);
    *state = &w;
    return 0;
}

static int
tear_down(void **state)
{
    rt_mpw_fini(*state);
    rt_alloc_fail_after(0);
    return 0;
}

// The cursor at the start of what was written.
static rt_mp
written(const rt_mpw *w)
{
    CHECK_FALSE(w->failed);
    return rt_mp_init(rt_mpw_view(w));
}

static void
test_mp_integers_round_trip_in_the_shortest_form(void **state)
{
    static const struct {
        int64_t value;
        size_t bytes;
    } rows[] = {
        {0, 1},           {127, 1},          {128, 2},         {255, 2},
        {256, 3},         {65535, 3},        {65536, 5},       {UINT32_MAX, 5},
        {INT64_C(1) << 32, 9}, {INT64_MAX, 9}, {-1, 1},         {-32, 1},
        {-33, 2},         {-128, 2},         {-129, 3},        {-32768, 3},
        {-32769, 5},      {INT32_MIN, 5},    {INT64_C(-2147483649), 9}, {INT64_MIN, 9},
    };
    rt_mpw *w = *state;

    for (size_t i = 0; i < RT_COUNT(rows); i++) {
        rt_mp mp;
        int64_t value = 0;
        double number = 0;

        rt_mpw_clear(w);
        rt_mpw_i64(w, rows[i].value);
        CHECK_INT(w->len, rows[i].bytes);
        mp = written(w);
        CHECK_OK(rt_mp_i64(&mp, &value));
        CHECK_INT(value, rows[i].value);
        CHECK_TRUE(rt_mp_done(&mp));
        mp = written(w);
        CHECK_OK(rt_mp_f64(&mp, &number));
        CHECK_NEAR(number, (double)rows[i].value, 0);
    }
}

static void
test_mpw_words_are_written_like_strings(void **state)
{
    static const char text[] = "a_name_of_a_feature_that_has_many_letters";
    rt_mpw *w = *state;
    rt_mpw want;

    rt_mpw_init(&want, 1024);
    for (size_t len = 0; len < sizeof(text); len++) {
        rt_mp_word word = rt_mp_word_of((rt_str){text, len});
        rt_mpw_word(w, &word);
        rt_mpw_str(&want, (rt_str){text, len});
    }
    CHECK_FALSE(w->failed);
    CHECK_BYTES(rt_mpw_view(w), rt_mpw_view(&want));
    rt_mpw_fini(&want);
}

static void
test_mp_unsigned_above_63_bits_is_a_type_of_its_own(void **state)
{
    rt_mpw *w = *state;
    rt_mp mp;
    rt_mp_token token;
    uint64_t value = 0;
    int64_t small = 7;

    rt_mpw_u64(w, UINT64_MAX);
    rt_mpw_u64(w, INT64_MAX);

    mp = written(w);
    CHECK_ERR(rt_mp_i64(&mp, &small), RT_ERANGE);
    CHECK_INT(small, 7);
    CHECK_OK(rt_mp_u64(&mp, &value));
    CHECK_U64(value, UINT64_MAX);
    CHECK_OK(rt_mp_i64(&mp, &small));
    CHECK_INT(small, INT64_MAX);
    mp = written(w);
    CHECK_OK(rt_mp_next(&mp, &token));
    CHECK_INT(token.type, RT_MP_UINT);
    CHECK_OK(rt_mp_next(&mp, &token));
    CHECK_INT(token.type, RT_MP_INT);
}

static void
test_mp_u64_refuses_negative_numbers(void **state)
{
    rt_mpw *w = *state;
    rt_mp mp;
    uint64_t value = 9;

    rt_mpw_i64(w, -5);
    mp = written(w);
    CHECK_ERR(rt_mp_u64(&mp, &value), RT_ERANGE);
    CHECK_U64(value, 9);
    CHECK_TRUE(mp.at == w->ptr);
}

static void
test_mp_floats_round_trip_bit_by_bit(void **state)
{
    static const struct {
        double value;
        size_t bytes;
    } rows[] = {
        {0.0, 5},     {-0.0, 5},       {1.5, 5},      {0.1, 9},           {DBL_MAX, 9},
        {DBL_MIN, 9}, {(double)FLT_MAX, 5}, {INFINITY, 5}, {-INFINITY, 5}, {1e-320, 9},
    };
    rt_mpw *w = *state;

    for (size_t i = 0; i < RT_COUNT(rows); i++) {
        rt_mp mp;
        double value = 3;

        rt_mpw_clear(w);
        rt_mpw_f64(w, rows[i].value);
        CHECK_INT(w->len, rows[i].bytes);
        mp = written(w);
        CHECK_OK(rt_mp_f64(&mp, &value));
        CHECK_TRUE(memcmp(&value, &rows[i].value, sizeof(value)) == 0);
    }
    rt_mpw_clear(w);
    rt_mpw_f64(w, (double)NAN);
    CHECK_INT(w->len, 9);
}

static void
test_mp_strings_and_binaries_round_trip_at_every_header_size(void **state)
{
    static const size_t sizes[] = {0, 1, 7, 8, 16, 17, 31, 32, 255, 256, 65535, 65536, 70000};
    rt_mpw *w = *state;
    char *text = rt_alloc(70000);

    memset(text, 'x', 70000);
    for (size_t i = 0; i < RT_COUNT(sizes); i++) {
        size_t head = sizes[i] < 32 ? 1 : sizes[i] < 256 ? 2 : sizes[i] < 65536 ? 3 : 5;
        rt_mp mp;
        rt_str str = {NULL, 0};
        rt_bytes bin = {NULL, 0};

        text[sizes[i] / 2] = (char)('a' + i);
        rt_mpw_clear(w);
        rt_mpw_str(w, (rt_str){text, sizes[i]});
        CHECK_INT(w->len, head + sizes[i]);
        rt_mpw_bin(w, (rt_bytes){(const uint8_t *)text, sizes[i]});
        mp = written(w);
        CHECK_OK(rt_mp_str(&mp, &str));
        CHECK_OK(rt_mp_bin(&mp, &bin));
        CHECK_TRUE(rt_str_equal(str, (rt_str){text, sizes[i]}));
        CHECK_TRUE(rt_bytes_equal(bin, rt_bytes_of_str(str)));
        CHECK_TRUE(rt_mp_done(&mp));
    }
    rt_free(text);
}

static void
test_mp_containers_round_trip_at_every_header_size(void **state)
{
    static const uint32_t sizes[] = {0, 1, 15, 16, 65535, 65536};
    rt_mpw *w = *state;

    for (size_t i = 0; i < RT_COUNT(sizes); i++) {
        rt_mp mp;
        uint32_t count = 99;

        rt_mpw_clear(w);
        rt_mpw_array(w, sizes[i]);
        for (uint32_t n = 0; n < sizes[i]; n++) {
            rt_mpw_nil(w);
        }
        mp = written(w);
        CHECK_OK(rt_mp_array(&mp, &count));
        CHECK_INT(count, sizes[i]);
        mp = written(w);
        CHECK_OK(rt_mp_skip(&mp));
        CHECK_TRUE(rt_mp_done(&mp));

        rt_mpw_clear(w);
        rt_mpw_map(w, sizes[i]);
        for (uint32_t n = 0; n < sizes[i] * 2; n++) {
            rt_mpw_bool(w, true);
        }
        mp = written(w);
        CHECK_OK(rt_mp_map(&mp, &count));
        CHECK_INT(count, sizes[i]);
        CHECK_OK(rt_mp_check(rt_mpw_view(w)));
    }
}

static void
test_mp_extensions_give_type_and_body(void **state)
{
    static const uint8_t fixed[] = {0xd6, 0xff, 1, 2, 3, 4};
    static const uint8_t counted[] = {0xc7, 3, 5, 9, 8, 7};
    rt_mp mp = rt_mp_init((rt_bytes){fixed, sizeof(fixed)});
    rt_mp_token token;

    (void)state;
    CHECK_OK(rt_mp_next(&mp, &token));
    CHECK_INT(token.type, RT_MP_EXT);
    CHECK_INT(token.ext_type, -1);
    CHECK_BYTES(token.bytes, RAW(1, 2, 3, 4));
    mp = rt_mp_init((rt_bytes){counted, sizeof(counted)});
    CHECK_OK(rt_mp_next(&mp, &token));
    CHECK_INT(token.ext_type, 5);
    CHECK_BYTES(token.bytes, RAW(9, 8, 7));
    CHECK_TRUE(rt_mp_done(&mp));
}

static void
test_mp_another_type_is_refused_and_can_still_be_skipped(void **state)
{
    rt_mpw *w = *state;
    rt_mp mp;
    rt_str str = RT_STR("kept");
    bool flag = true;
    uint32_t count = 3;
    rt_bytes bin = {NULL, 0};
    double number = 4;

    rt_mpw_map(w, 1);
    rt_mpw_cstr(w, "k");
    rt_mpw_nil(w);
    mp = written(w);
    CHECK_ERR(rt_mp_str(&mp, &str), RT_ETYPE);
    CHECK_ERR(rt_mp_array(&mp, &count), RT_ETYPE);
    CHECK_ERR(rt_mp_bool(&mp, &flag), RT_ETYPE);
    CHECK_ERR(rt_mp_bin(&mp, &bin), RT_ETYPE);
    CHECK_ERR(rt_mp_f64(&mp, &number), RT_ETYPE);
    CHECK_CSTR(rt_err_detail(), "expected a number, found a map");
    CHECK_STR(str, "kept");
    CHECK_INT(count, 3);
    CHECK_OK(rt_mp_skip(&mp));
    CHECK_TRUE(rt_mp_done(&mp));
}

// A value that has every form in it.
static void
write_sample(rt_mpw *w)
{
    static const uint8_t ext[] = {0xc8, 0, 2, 1, 7, 7, 0xd4, 3, 9};
    static const size_t strings[] = {3, 40, 300};
    char text[300];

    memset(text, 'q', sizeof(text));
    rt_mpw_map(w, 3);
    rt_mpw_cstr(w, "numbers");
    rt_mpw_array(w, 9);
    rt_mpw_i64(w, 5);
    rt_mpw_i64(w, -7);
    rt_mpw_i64(w, 200);
    rt_mpw_i64(w, -30000);
    rt_mpw_i64(w, 70000);
    rt_mpw_u64(w, UINT64_MAX);
    rt_mpw_f64(w, 1.5);
    rt_mpw_f64(w, 0.1);
    rt_mpw_bool(w, false);
    rt_mpw_cstr(w, "texts");
    rt_mpw_array(w, 6);
    for (size_t i = 0; i < RT_COUNT(strings); i++) {
        rt_mpw_str(w, (rt_str){text, strings[i]});
        rt_mpw_bin(w, (rt_bytes){(const uint8_t *)text, strings[i]});
    }
    rt_mpw_cstr(w, "rest");
    rt_mpw_array(w, 4);
    rt_mpw_raw(w, (rt_bytes){ext, sizeof(ext)});
    rt_mpw_nil(w);
    rt_mpw_map(w, 0);
}

static void
test_mp_every_truncation_is_refused(void **state)
{
    rt_mpw *w = *state;

    write_sample(w);
    CHECK_OK(rt_mp_check(rt_mpw_view(w)));
    for (size_t len = 0; len < w->len; len++) {
        // A copy of exactly that many bytes: the address sanitizer sees a read behind it.
        uint8_t *cut = rt_try_alloc(len > 0 ? len : 1);
        rt_mp mp = {cut, cut + len};

        memcpy(cut, w->ptr, len);
        CHECK_ERR(rt_mp_check((rt_bytes){cut, len}), RT_EPROTO);
        CHECK_ERR(rt_mp_skip(&mp), RT_EPROTO);
        CHECK_TRUE(mp.at == cut);
        rt_free(cut);
    }
}

static void
test_mp_reserved_byte_is_refused(void **state)
{
    rt_mp mp = rt_mp_init(RAW(0xc1, 0));
    rt_mp_token token;

    (void)state;
    CHECK_ERR(rt_mp_next(&mp, &token), RT_EPROTO);
    CHECK_ERR(rt_mp_check(RAW(0x92, 0x01, 0xc1)), RT_EPROTO);
}

// The bomb that makes tree builders take gigabytes: 31 arrays, each claiming 40 million elements.
static void
test_mp_nested_array32_bomb_is_refused(void **state)
{
    uint8_t bomb[31 * 5];
    rt_mp mp = {bomb, bomb + sizeof(bomb)};
    uint32_t count = 0;

    (void)state;
    for (size_t i = 0; i < sizeof(bomb); i += 5) {
        memcpy(bomb + i, (const uint8_t[]){0xdd, 0x02, 0x62, 0x5a, 0x00}, 5);
    }
    CHECK_ERR(rt_mp_array(&mp, &count), RT_EPROTO);
    CHECK_ERR(rt_mp_skip(&mp), RT_EPROTO);
    CHECK_ERR(rt_mp_check((rt_bytes){bomb, sizeof(bomb)}), RT_EPROTO);
    CHECK_ERR(rt_mp_check(RAW(0xdf, 0xff, 0xff, 0xff, 0xff, 1, 1)), RT_EPROTO);
    CHECK_ERR(rt_mp_check(RAW(0x81, 0x01)), RT_EPROTO);
}

static void
test_mp_nesting_ends_at_the_limit(void **state)
{
    uint8_t deep[RT_MP_DEPTH_MAX + 1];
    rt_mp mp = {deep, deep + sizeof(deep)};

    (void)state;
    memset(deep, 0x91, sizeof(deep)); // arrays of one, the last one empty
    deep[RT_MP_DEPTH_MAX - 1] = 0x90;
    CHECK_OK(rt_mp_check((rt_bytes){deep, RT_MP_DEPTH_MAX}));
    deep[RT_MP_DEPTH_MAX - 1] = 0x91;
    deep[RT_MP_DEPTH_MAX] = 0x90;
    CHECK_ERR(rt_mp_check((rt_bytes){deep, sizeof(deep)}), RT_ELIMIT);
    CHECK_ERR(rt_mp_skip(&mp), RT_ELIMIT);
    deep[RT_MP_DEPTH_MAX] = 0xc0; // a scalar at the bottom is no further level
    CHECK_OK(rt_mp_check((rt_bytes){deep, sizeof(deep)}));
}

static void
test_mp_check_counts_elements(void **state)
{
    size_t len = 5 + RT_MP_ELEMENTS_MAX;
    uint8_t *big = rt_alloc(len);

    (void)state;
    // The array itself is an element: RT_MP_ELEMENTS_MAX - 1 more are allowed.
    memcpy(big, (const uint8_t[]){0xdd, 0x00, 0x0f, 0x42, 0x3f}, 5);
    CHECK_OK(rt_mp_check((rt_bytes){big, len - 1}));
    big[4]++;
    CHECK_ERR(rt_mp_check((rt_bytes){big, len}), RT_ELIMIT);
    rt_free(big);
}

static void
test_mp_check_wants_exact_length_and_utf8(void **state)
{
    (void)state;
    CHECK_ERR(rt_mp_check(RAW(0x01, 0x01)), RT_EPROTO);
    CHECK_ERR(rt_mp_check((rt_bytes){NULL, 0}), RT_EPROTO);
    CHECK_OK(rt_mp_check(RAW(0xa2, 0xc3, 0xb1)));
    CHECK_ERR(rt_mp_check(RAW(0xa2, 0xc3, 0x28)), RT_EUTF8);
    CHECK_ERR(rt_mp_check(RAW(0x81, 0xa1, 0xff, 0x01)), RT_EUTF8);
    CHECK_OK(rt_mp_check(RAW(0xc4, 2, 0xc3, 0x28)));
    // A bad byte at every place of a long text, where words and tails meet.
    for (size_t len = 1; len < 31; len++) {
        for (size_t at = 0; at < len; at++) {
            uint8_t raw[32] = {(uint8_t)(0xa0 | len)};

            memset(raw + 1, 'a', len);
            CHECK_OK(rt_mp_check((rt_bytes){raw, len + 1}));
            raw[1 + at] = 0x80;
            CHECK_ERR(rt_mp_check((rt_bytes){raw, len + 1}), RT_EUTF8);
        }
    }
}

static void
test_mp_raw_views_one_value(void **state)
{
    rt_mpw *w = *state;
    rt_mp mp;
    rt_bytes raw = {NULL, 0};

    rt_mpw_array(w, 2);
    rt_mpw_i64(w, 300);
    rt_mpw_cstr(w, "x");
    rt_mpw_nil(w);
    mp = written(w);
    CHECK_OK(rt_mp_raw(&mp, &raw));
    CHECK_BYTES(raw, RAW(0x92, 0xcd, 0x01, 0x2c, 0xa1, 'x'));
    CHECK_OK(rt_mp_raw(&mp, &raw));
    CHECK_BYTES(raw, RAW(0xc0));
    CHECK_ERR(rt_mp_raw(&mp, &raw), RT_EPROTO);
}

// {"order": {"carrier": "tcc", "n": 3}, 7: [1], "empty": {}, "feature": {"carrier": {"late": 0.5}}}
static void
write_context(rt_mpw *w)
{
    rt_mpw_map(w, 4);
    rt_mpw_cstr(w, "order");
    rt_mpw_map(w, 2);
    rt_mpw_cstr(w, "carrier");
    rt_mpw_cstr(w, "tcc");
    rt_mpw_cstr(w, "n");
    rt_mpw_i64(w, 3);
    rt_mpw_i64(w, 7);
    rt_mpw_array(w, 1);
    rt_mpw_i64(w, 1);
    rt_mpw_cstr(w, "empty");
    rt_mpw_map(w, 0);
    rt_mpw_cstr(w, "feature");
    rt_mpw_map(w, 1);
    rt_mpw_cstr(w, "carrier");
    rt_mpw_map(w, 1);
    rt_mpw_cstr(w, "late");
    rt_mpw_f64(w, 0.5);
}

static void
test_mp_find_looks_only_at_keys_of_that_map(void **state)
{
    rt_mpw *w = *state;
    rt_mp mp;
    uint32_t pairs = 0;

    write_context(w);
    CHECK_TRUE(rt_mp_find(rt_mpw_view(w), RT_STR("feature"), &mp));
    CHECK_OK(rt_mp_map(&mp, &pairs));
    CHECK_INT(pairs, 1);
    CHECK_FALSE(rt_mp_find(rt_mpw_view(w), RT_STR("carrier"), &mp));
    CHECK_FALSE(rt_mp_find(rt_mpw_view(w), RT_STR("tcc"), &mp));
    CHECK_FALSE(rt_mp_find(rt_mpw_view(w), RT_STR("orde"), &mp));
    CHECK_FALSE(rt_mp_find(RAW(0x05), RT_STR("x"), &mp));
    CHECK_FALSE(rt_mp_find((rt_bytes){NULL, 0}, RT_STR("x"), &mp));
    CHECK_FALSE(rt_mp_find(RAW(0x81, 0xa1, 'x'), RT_STR("x"), &mp));
}

static void
test_mp_find_path_follows_nested_maps(void **state)
{
    rt_mpw *w = *state;
    rt_mp mp;
    double late = 0;
    rt_str carrier = {NULL, 0};

    write_context(w);
    CHECK_TRUE(rt_mp_find_path(rt_mpw_view(w), RT_STR("feature.carrier.late"), &mp));
    CHECK_OK(rt_mp_f64(&mp, &late));
    CHECK_NEAR(late, 0.5, 0);
    CHECK_TRUE(rt_mp_find_path(rt_mpw_view(w), RT_STR("order.carrier"), &mp));
    CHECK_OK(rt_mp_str(&mp, &carrier));
    CHECK_STR(carrier, "tcc");
    CHECK_FALSE(rt_mp_find_path(rt_mpw_view(w), RT_STR("order.carrier.late"), &mp));
    CHECK_FALSE(rt_mp_find_path(rt_mpw_view(w), RT_STR("order."), &mp));
    CHECK_FALSE(rt_mp_find_path(rt_mpw_view(w), RT_STR("empty.x"), &mp));
    CHECK_FALSE(rt_mp_find_path(rt_mpw_view(w), RT_STR(""), &mp));
}

static void
test_mp_random_bytes_never_lead_outside(void **state)
{
    rt_rng rng;
    uint8_t *bytes = rt_try_alloc(64);

    (void)state;
    rt_rng_seed(&rng, 20261120, 1);
    for (unsigned round = 0; round < RANDOM_ROUNDS; round++) {
        size_t len = (size_t)rt_rng_below(&rng, 64) + 1;
        // At the end of the block, so that the address sanitizer sees one byte too many.
        uint8_t *start = bytes + 64 - len;
        rt_mp mp = {start, start + len};
        rt_mp_token token;

        for (size_t i = 0; i < len; i += 8) {
            uint64_t word = rt_rng_u64(&rng);

            // Half of the rounds are mostly containers, which random bytes seldom are.
            word = round % 2 == 0 ? word : (word & UINT64_C(0x5f5f5f5f5f5f5f5f)) ^
                                               UINT64_C(0x8080808080808080);
            memcpy(start + i, &word, RT_MIN(len - i, sizeof(word)));
        }
        if (rt_mp_check((rt_bytes){start, len}) == RT_OK) {
            rt_mp whole = mp;

            CHECK_OK(rt_mp_skip(&whole));
            CHECK_TRUE(rt_mp_done(&whole));
        }
        while (!rt_mp_done(&mp) && rt_mp_next(&mp, &token) == RT_OK) {
            CHECK_TRUE(mp.at <= mp.end);
        }
        (void)rt_mp_find((rt_bytes){start, len}, RT_STR("k"), &mp);
    }
    rt_free(bytes);
}

static void
test_mpw_stops_at_its_maximum_and_keeps_a_prefix(void **state)
{
    rt_mpw w;

    (void)state;
    rt_mpw_init(&w, 10);
    rt_mpw_cstr(&w, "abcdef"); // 7 bytes
    rt_mpw_i64(&w, 300);       // 3 more: full to the last byte
    CHECK_FALSE(w.failed);
    CHECK_INT(w.len, 10);
    rt_mpw_nil(&w);
    CHECK_TRUE(w.failed);
    CHECK_INT(w.len, 10);
    rt_mpw_clear(&w);
    CHECK_FALSE(w.failed);
    rt_mpw_cstr(&w, "abcdefghij"); // header and body do not fit: neither is written
    CHECK_TRUE(w.failed);
    CHECK_INT(w.len, 0);
    rt_mpw_nil(&w);
    CHECK_INT(w.len, 0);
    rt_mpw_fini(&w);
}

static void
test_mpw_out_of_memory_is_a_failure(void **state)
{
    rt_mpw *w = *state;
    uint8_t big[4096] = {0};

    rt_mpw_i64(w, 1);
    rt_alloc_fail_after(1);
    rt_mpw_bin(w, (rt_bytes){big, sizeof(big)});
    CHECK_TRUE(w->failed);
    CHECK_INT(w->len, 1);
}

static void
test_mpw_patch_sets_the_count_later(void **state)
{
    rt_mpw *w = *state;
    rt_mp mp;
    uint32_t count = 0;
    size_t array = rt_mpw_array32(w);
    size_t map = 0;

    for (int i = 0; i < 300; i++) {
        rt_mpw_i64(w, i * 1000);
    }
    map = rt_mpw_map32(w);
    rt_mpw_patch32(w, array, 301);
    rt_mpw_patch32(w, map, 0);

    mp = written(w);
    CHECK_OK(rt_mp_array(&mp, &count));
    CHECK_INT(count, 301);
    CHECK_OK(rt_mp_check(rt_mpw_view(w)));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_mp_integers_round_trip_in_the_shortest_form, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_mp_unsigned_above_63_bits_is_a_type_of_its_own,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_mpw_words_are_written_like_strings, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_mp_u64_refuses_negative_numbers, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_mp_floats_round_trip_bit_by_bit, set_up, tear_down),
        cmocka_unit_test_setup_teardown(
            test_mp_strings_and_binaries_round_trip_at_every_header_size, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_mp_containers_round_trip_at_every_header_size, set_up,
                                        tear_down),
        cmocka_unit_test(test_mp_extensions_give_type_and_body),
        cmocka_unit_test_setup_teardown(test_mp_another_type_is_refused_and_can_still_be_skipped,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_mp_every_truncation_is_refused, set_up, tear_down),
        cmocka_unit_test(test_mp_reserved_byte_is_refused),
        cmocka_unit_test(test_mp_nested_array32_bomb_is_refused),
        cmocka_unit_test(test_mp_nesting_ends_at_the_limit),
        cmocka_unit_test(test_mp_check_counts_elements),
        cmocka_unit_test(test_mp_check_wants_exact_length_and_utf8),
        cmocka_unit_test_setup_teardown(test_mp_raw_views_one_value, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_mp_find_looks_only_at_keys_of_that_map, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_mp_find_path_follows_nested_maps, set_up, tear_down),
        cmocka_unit_test(test_mp_random_bytes_never_lead_outside),
        cmocka_unit_test(test_mpw_stops_at_its_maximum_and_keeps_a_prefix),
        cmocka_unit_test_setup_teardown(test_mpw_out_of_memory_is_a_failure, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_mpw_patch_sets_the_count_later, set_up, tear_down),
    };

    return CHECK_RUN(tests);
}
