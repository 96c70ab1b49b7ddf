#include "runtime/base/text.h"

#include <locale.h>

#include "runtime/base/alloc.h"
#include "runtime/base/rng.h"
#include "tests/harness/check.h"

static void
test_text_grows_and_stays_terminated(void **state)
{
    rt_text text;

    (void)state;
    rt_text_init(&text, 100000);
    CHECK_INT(rt_text_view(&text).len, 0);
    for (int i = 0; i < 1000; i++) {
        rt_text_printf(&text, "%d,", i % 10);
        CHECK_INT(text.ptr[text.len], 0);
    }
    rt_text_cstr(&text, "end");
    rt_text_str(&text, RT_STR("!"));

    CHECK_INT(text.len, 2004);
    CHECK_FALSE(text.truncated);
    CHECK_CSTR(text.ptr + 1995, ",8,9,end!");
    rt_text_fini(&text);
}

static void
test_text_at_max_truncates_and_drops_the_rest(void **state)
{
    rt_text text;

    (void)state;
    rt_text_init(&text, 10);
    rt_text_cstr(&text, "0123456");
    rt_text_cstr(&text, "789");
    CHECK_FALSE(text.truncated);
    rt_text_cstr(&text, "");
    CHECK_FALSE(text.truncated);
    rt_text_cstr(&text, "x");

    CHECK_TRUE(text.truncated);
    CHECK_STR(rt_text_view(&text), "0123456789");
    rt_text_clear(&text);
    rt_text_printf(&text, "%s", "abcdefgh");
    rt_text_printf(&text, "%s", "ijkl");
    rt_text_cstr(&text, "m"); // dropped: the content stays a prefix
    CHECK_STR(rt_text_view(&text), "abcdefghij");
    rt_text_fini(&text);
}

static void
test_text_cuts_between_characters(void **state)
{
    static const struct {
        size_t max;
        const char *want;
    } cases[] = {
        {0, ""}, {1, "a"}, {2, "a"}, {3, "añ"}, {4, "añ"}, {5, "añ"}, {6, "añ€"}, {9, "añ€"},
    };

    (void)state;
    for (size_t i = 0; i < RT_COUNT(cases); i++) {
        rt_text text;

        rt_text_init(&text, cases[i].max);
        rt_text_cstr(&text, "añ€\xf0\x9f\x98\x80");
        CHECK_STR(rt_text_view(&text), cases[i].want);
        CHECK_TRUE(text.truncated);
        rt_text_cstr(&text, "b"); // even where a byte stayed free, nothing follows the cut
        CHECK_STR(rt_text_view(&text), cases[i].want);
        rt_text_fini(&text);
    }
}

static void
test_text_printf_longer_than_any_guess(void **state)
{
    rt_text text;

    (void)state;
    rt_text_init(&text, 5000);
    rt_text_printf(&text, "<%4000d>", 42);
    CHECK_INT(text.len, 4002);
    CHECK_CSTR(text.ptr + 3999, "42>");
    rt_text_printf(&text, "<%4000d>", 42);
    CHECK_INT(text.len, 5000);
    CHECK_TRUE(text.truncated);
    rt_text_fini(&text);
}

static void
test_text_without_memory_keeps_what_it_has(void **state)
{
    rt_text text;

    (void)state;
    rt_text_init(&text, 1000);
    rt_text_cstr(&text, "kept");
    rt_alloc_fail_after(1);
    rt_text_printf(&text, "%200d", 1);
    rt_alloc_fail_after(0);

    CHECK_TRUE(text.truncated);
    CHECK_TRUE(rt_str_starts(rt_text_view(&text), RT_STR("kept")));
    CHECK_TRUE(text.len < 204);
    rt_text_fini(&text);
}

static void
test_parse_i64_reads_whole_numbers_only(void **state)
{
    static const char *const bad[] = {"", "-", "+1", " 1", "1 ", "1.0", "0x10", "1e3", "--1", "a"};
    static const char *const big[] = {"9223372036854775808", "-9223372036854775809",
                                      "99999999999999999999999999"};
    int64_t value = 0;

    (void)state;
    CHECK_OK(rt_parse_i64(RT_STR("9223372036854775807"), &value));
    CHECK_INT(value, INT64_MAX);
    CHECK_OK(rt_parse_i64(RT_STR("-9223372036854775808"), &value));
    CHECK_INT(value, INT64_MIN);
    CHECK_OK(rt_parse_i64(RT_STR("-0"), &value));
    CHECK_INT(value, 0);
    CHECK_OK(rt_parse_i64(RT_STR("007"), &value));
    CHECK_INT(value, 7);
    for (size_t i = 0; i < RT_COUNT(bad); i++) {
        CHECK_ERR(rt_parse_i64(rt_str_of(bad[i]), &value), RT_EINVAL);
    }
    for (size_t i = 0; i < RT_COUNT(big); i++) {
        CHECK_ERR(rt_parse_i64(rt_str_of(big[i]), &value), RT_ERANGE);
    }
    CHECK_INT(value, 7);
}

static void
test_parse_f64_reads_decimals_only(void **state)
{
    static const char *const bad[] = {"",    "-",   ".5",  "5.",   "+1",   "1e",  "1e+", " 1", "1 ",
                                      "1,5", "inf", "nan", "0x1p3", "1_000", "1.2.3", "e5"};
    double value = 0;

    (void)state;
    CHECK_OK(rt_parse_f64(RT_STR("-12.5e-1"), &value));
    CHECK_NEAR(value, -1.25, 0);
    CHECK_OK(rt_parse_f64(RT_STR("1E3"), &value));
    CHECK_NEAR(value, 1000, 0);
    CHECK_OK(rt_parse_f64(RT_STR("1e-400"), &value));
    CHECK_NEAR(value, 0, 0);
    CHECK_OK(rt_parse_f64(RT_STR("4.9406564584124654e-324"), &value));
    CHECK_NEAR(value, 0x1p-1074, 0);
    for (size_t i = 0; i < RT_COUNT(bad); i++) {
        CHECK_ERR(rt_parse_f64(rt_str_of(bad[i]), &value), RT_EINVAL);
    }
    CHECK_ERR(rt_parse_f64((rt_str){"1\0", 2}, &value), RT_EINVAL);
    CHECK_ERR(rt_parse_f64(RT_STR("1e309"), &value), RT_ERANGE);
    CHECK_ERR(rt_parse_f64(RT_STR("-1e309"), &value), RT_ERANGE);
    CHECK_NEAR(value, 0x1p-1074, 0);
}

static void
test_parse_duration_sums_falling_units(void **state)
{
    static const struct {
        const char *text;
        rt_err err;
        int64_t ms;
    } cases[] = {
        {"250ms", RT_OK, 250},
        {"10s", RT_OK, 10000},
        {"5m", RT_OK, 300000},
        {"24h", RT_OK, 86400000},
        {"7d", RT_OK, 604800000},
        {"1h30m", RT_OK, 5400000},
        {"1d2h3m4s5ms", RT_OK, 93784005},
        {"0s", RT_OK, 0},
        {"3653d", RT_OK, INT64_C(3653) * 86400000},
        {"3653d1ms", RT_ERANGE, 0},
        {"3654d", RT_ERANGE, 0},
        {"99999999999999999999s", RT_ERANGE, 0},
        {"", RT_EINVAL, 0},
        {"10", RT_EINVAL, 0},
        {"s", RT_EINVAL, 0},
        {"10 s", RT_EINVAL, 0},
        {"-5s", RT_EINVAL, 0},
        {"1.5h", RT_EINVAL, 0},
        {"30m1h", RT_EINVAL, 0},
        {"1h1h", RT_EINVAL, 0},
        {"1h30", RT_EINVAL, 0},
        {"1w", RT_EINVAL, 0},
        {"99999999999999999999w", RT_EINVAL, 0},
    };

    (void)state;
    for (size_t i = 0; i < RT_COUNT(cases); i++) {
        int64_t ms = 0;

        CHECK_ERR(rt_parse_duration_ms(rt_str_of(cases[i].text), &ms), cases[i].err);
        CHECK_INT(ms, cases[i].ms);
    }
}

static void
test_parse_size_knows_binary_units(void **state)
{
    static const struct {
        const char *text;
        rt_err err;
        int64_t bytes;
    } cases[] = {
        {"512", RT_OK, 512},
        {"0", RT_OK, 0},
        {"64KiB", RT_OK, 65536},
        {"1MiB", RT_OK, 1048576},
        {"8GiB", RT_OK, INT64_C(8589934592)},
        {"9223372036854775807", RT_OK, INT64_MAX},
        {"8388607TiB", RT_OK, INT64_C(8388607) << 40},
        {"8388608TiB", RT_ERANGE, 0},
        {"9223372036854775808", RT_ERANGE, 0},
        {"64KB", RT_EINVAL, 0},
        {"64k", RT_EINVAL, 0},
        {"64 KiB", RT_EINVAL, 0},
        {"KiB", RT_EINVAL, 0},
        {"", RT_EINVAL, 0},
        {"1KiB1", RT_EINVAL, 0},
        {"1KiB1KiB", RT_EINVAL, 0},
        {"-1", RT_EINVAL, 0},
    };

    (void)state;
    for (size_t i = 0; i < RT_COUNT(cases); i++) {
        int64_t bytes = 0;

        CHECK_ERR(rt_parse_size_bytes(rt_str_of(cases[i].text), &bytes), cases[i].err);
        CHECK_INT(bytes, cases[i].bytes);
    }
}

static void
test_format_duration_shows_two_units(void **state)
{
    static const struct {
        int64_t ms;
        const char *want;
    } cases[] = {
        {0, "0 ms"},         {250, "250 ms"},      {999, "999 ms"},        {1000, "1 s"},
        {1500, "1.5 s"},     {59999, "59.9 s"},    {60000, "1m"},          {330000, "5m 30s"},
        {5400000, "1h 30m"}, {86400000, "1d"},     {183600000, "2d 3h"},   {-5400000, "-1h 30m"},
        {7200000, "2h"},     {INT64_MIN, "-106751991167d 7h"},
    };
    char buf[40];

    (void)state;
    for (size_t i = 0; i < RT_COUNT(cases); i++) {
        CHECK_CSTR(rt_format_duration(cases[i].ms, buf, sizeof(buf)), cases[i].want);
    }
    CHECK_CSTR(rt_format_duration(5400000, buf, 4), "1h ");
}

static void
test_format_f64_is_the_shortest(void **state)
{
    static const struct {
        double value;
        const char *want;
    } cases[] = {
        {0, "0"},
        {-0.0, "-0"},
        {1, "1"},
        {-1.5, "-1.5"},
        {0.1, "0.1"},
        {0.3, "0.3"},
        {0.1 + 0.2, "0.30000000000000004"},
        {1.0 / 3, "0.3333333333333333"},
        {2.0 / 3, "0.6666666666666666"},
        {100, "100"},
        {123456.789, "123456.789"},
        {-0.05, "-0.05"},
        {0.001, "0.001"},
        {1e-7, "1e-07"},
        {999999999.999999, "999999999.999999"},
        {1e15, "1e+15"},
        {9007199254740993.0, "9007199254740992"},
        {1e300, "1e+300"},
        {0x1p-1074, "4.94065645841247e-324"},
        {1.7976931348623157e308, "1.7976931348623157e+308"},
        {(double)INFINITY, "inf"},
        {-(double)INFINITY, "-inf"},
        {(double)NAN, "nan"},
        {-(double)NAN, "nan"},
    };
    char buf[RT_F64_CAP];

    (void)state;
    for (size_t i = 0; i < RT_COUNT(cases); i++) {
        CHECK_INT(rt_format_f64(cases[i].value, buf, sizeof(buf)), strlen(cases[i].want));
        CHECK_CSTR(buf, cases[i].want);
    }
}

static void
test_format_f64_reads_back_exactly(void **state)
{
    rt_rng rng;

    (void)state;
    rt_rng_seed(&rng, 11, 0);
    for (int i = 0; i < 20000; i++) {
        uint64_t bits = rt_rng_u64(&rng);
        double value = 0;
        double back = 0;
        char buf[RT_F64_CAP];
        size_t len = 0;

        memcpy(&value, &bits, sizeof(value));
        if (i % 2 == 1) { // amounts and ratios, not only wild exponents
            value = (double)(int64_t)rt_rng_below(&rng, 2000000) / 1000 - 1000;
        }
        if (!isfinite(value)) {
            continue;
        }
        len = rt_format_f64(value, buf, sizeof(buf));
        CHECK_OK(rt_parse_f64((rt_str){buf, len}, &back));
        CHECK_INT(memcmp(&value, &back, sizeof(value)), 0);
    }
}

static void
test_numbers_ignore_the_locale(void **state)
{
    static const char *const commas[] = {"de_DE.UTF-8", "es_CO.UTF-8", "fr_FR.UTF-8"};
    char buf[RT_F64_CAP];
    double value = 0;

    (void)state;
    // Where no such locale is installed the checks still hold, though they then prove less.
    for (size_t i = 0; i < RT_COUNT(commas) && setlocale(LC_ALL, commas[i]) == NULL; i++) {
    }
    (void)rt_format_f64(1.0 / 3, buf, sizeof(buf));
    CHECK_CSTR(buf, "0.3333333333333333");
    CHECK_OK(rt_parse_f64(RT_STR("2.5"), &value));
    CHECK_NEAR(value, 2.5, 0);
    (void)setlocale(LC_ALL, "C");
}

static void
test_utf8_accepts_well_formed_text(void **state)
{
    static const char *const good[] = {
        "",
        "plain ASCII text, longer than eight",
        "señal número café ñandú",
        "\x7f",
        "\xc2\x80",
        "\xdf\xbf",
        "\xe0\xa0\x80",
        "\xed\x9f\xbf",
        "\xee\x80\x80",
        "\xef\xbf\xbf",
        "\xf0\x90\x80\x80",
        "\xf4\x8f\xbf\xbf",
    };

    (void)state;
    for (size_t i = 0; i < RT_COUNT(good); i++) {
        CHECK_TRUE(rt_utf8_valid(rt_str_of(good[i])));
    }
    CHECK_TRUE(rt_utf8_valid((rt_str){NULL, 0}));
    CHECK_TRUE(rt_utf8_valid((rt_str){"a\0b", 3}));
}

static void
test_utf8_rejects_malformed_text_anywhere(void **state)
{
    static const char *const bad[] = {
        "\x80",             // lone continuation
        "\xc0\x80",         // overlong NUL
        "\xc1\xbf",         // overlong
        "\xc3",             // cut off
        "\xc3(",            // not continued
        "\xe0\x9f\xbf",     // overlong
        "\xe2\x82",         // cut off
        "\xed\xa0\x80",     // surrogate
        "\xed\xbf\xbf",     // surrogate
        "\xf0\x8f\xbf\xbf", // overlong
        "\xf0\x9f\x98",     // cut off
        "\xf4\x90\x80\x80", // above U+10FFFF
        "\xf5\x80\x80\x80", // no such lead
        "\xff",             // never
    };

    (void)state;
    for (size_t i = 0; i < RT_COUNT(bad); i++) {
        for (size_t before = 0; before < 20; before++) {
            char text[64] = "aaaaaaaaaaaaaaaaaaaa";
            size_t len = strlen(bad[i]);

            memcpy(text + before, bad[i], len);
            CHECK_FALSE(rt_utf8_valid((rt_str){text, before + len}));
            CHECK_FALSE(rt_utf8_valid((rt_str){text, RT_MAX(before + len, (size_t)20)}));
        }
    }
}

static void
test_utf8_whole_drops_only_a_character_cut_off(void **state)
{
    static const char text[] = "a\xc3\xb1\xe2\x82\xac\xf0\x9f\x98\x80z"; // 1, 2, 3, 4 and 1 bytes
    static const size_t whole[] = {0, 1, 1, 3, 3, 3, 6, 6, 6, 6, 10, 11};

    (void)state;
    for (size_t len = 0; len < RT_COUNT(whole); len++) {
        rt_str kept = rt_utf8_whole((rt_str){text, len});

        CHECK_INT(kept.len, whole[len]);
        CHECK_TRUE(rt_utf8_valid(kept));
    }
    CHECK_INT(rt_utf8_whole((rt_str){NULL, 0}).len, 0);
    CHECK_INT(rt_utf8_whole((rt_str){"\x80\x80\x80\x80\x80", 5}).len, 5); // never was text
}

static void
test_edit_distance_counts_slips(void **state)
{
    static const struct {
        const char *a;
        const char *b;
        unsigned want;
    } cases[] = {
        {"", "", 0},
        {"", "abc", 3},
        {"abc", "", 3},
        {"logistics", "logistics", 0},
        {"logistics", "logistic", 1},
        {"logistics", "lgoistics", 1},
        {"kitten", "sitting", 3},
        {"ca", "abc", 3},
        {"inventory", "customer", 4}, // more than the limit
    };

    (void)state;
    for (size_t i = 0; i < RT_COUNT(cases); i++) {
        rt_str a = rt_str_of(cases[i].a);
        rt_str b = rt_str_of(cases[i].b);

        CHECK_INT(rt_edit_distance(a, b, 3), cases[i].want);
        CHECK_INT(rt_edit_distance(b, a, 3), cases[i].want);
    }
}

static void
test_edit_distance_reads_64_bytes_at_most(void **state)
{
    char a[200];
    char b[200];

    (void)state;
    memset(a, 'a', sizeof(a));
    memset(b, 'a', sizeof(b));
    memset(b + 64, 'b', sizeof(b) - 64);
    CHECK_INT(rt_edit_distance((rt_str){a, 200}, (rt_str){b, 200}, 100), 0);
    memset(b, 'b', sizeof(b));
    CHECK_INT(rt_edit_distance((rt_str){a, 200}, (rt_str){b, 200}, 100), 64);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text_grows_and_stays_terminated),
        cmocka_unit_test(test_text_at_max_truncates_and_drops_the_rest),
        cmocka_unit_test(test_text_cuts_between_characters),
        cmocka_unit_test(test_text_printf_longer_than_any_guess),
        cmocka_unit_test(test_text_without_memory_keeps_what_it_has),
        cmocka_unit_test(test_parse_i64_reads_whole_numbers_only),
        cmocka_unit_test(test_parse_f64_reads_decimals_only),
        cmocka_unit_test(test_parse_duration_sums_falling_units),
        cmocka_unit_test(test_parse_size_knows_binary_units),
        cmocka_unit_test(test_format_duration_shows_two_units),
        cmocka_unit_test(test_format_f64_is_the_shortest),
        cmocka_unit_test(test_format_f64_reads_back_exactly),
        cmocka_unit_test(test_numbers_ignore_the_locale),
        cmocka_unit_test(test_utf8_accepts_well_formed_text),
        cmocka_unit_test(test_utf8_rejects_malformed_text_anywhere),
        cmocka_unit_test(test_utf8_whole_drops_only_a_character_cut_off),
        cmocka_unit_test(test_edit_distance_counts_slips),
        cmocka_unit_test(test_edit_distance_reads_64_bytes_at_most),
    };

    return CHECK_RUN(tests);
}
