// tidy: table
#include "brain/expr/regex.h"

#include <stdio.h>

#include "runtime/base/rng.h"
#include "tests/harness/check.h"

#define BUDGET 1000000

typedef struct row {
    const char *pattern;
    const char *text;
    const char *want; // "yes", "no", or why the pattern is refused
} row;

static void
check_row(rt_arena *arena, const row *r, size_t *failed)
{
    br__regex *regex = NULL;
    const char *why = NULL;
    size_t at = 0;
    uint64_t budget = BUDGET;
    bool is_match = false;
    const char *got = NULL;

    rt_arena_reset(arena);
    if (br__regex_compile(rt_str_of(r->pattern), arena, &regex, &why, &at) != RT_OK) {
        got = why;
    } else if (br__regex_matches(regex, rt_str_of(r->text), &budget, &is_match) != RT_OK) {
        got = "budget";
    } else {
        got = is_match ? "yes" : "no";
    }
    if (strcmp(got, r->want) != 0) {
        print_error("/%s/ on \"%s\": got %s, want %s\n", r->pattern, r->text, got, r->want);
        (*failed)++;
    }
}

static void
check_rows(const row *rows, size_t count)
{
    rt_arena *arena = rt_arena_new(1 << 20);
    size_t failed = 0;

    for (size_t i = 0; i < count; i++) {
        check_row(arena, &rows[i], &failed);
    }
    rt_arena_free(arena);
    CHECK_INT(failed, 0);
}

static void
test_regex_matches_what_re2_matches(void **state)
{
    static const row rows[] = {
        {"", "", "yes"},
        {"ubb", "hubba", "yes"},
        {"^ubb", "hubba", "no"},
        {"^a$", "a", "yes"},
        {"^a$", "a\n", "no"},
        {"(?m)^b$", "a\nb\nc", "yes"},
        {"a.c", "a\nc", "no"},
        {"(?s)a.c", "a\nc", "yes"},
        {"gr(a|e)y", "grey", "yes"},
        {"^(a|b|cd|)$", "cd", "yes"},
        {"^(a|b|cd|)$", "", "yes"},
        {"^(a|b|cd)$", "c", "no"},
        {"a||b", "", "yes"},
        {"^a*$", "aaa", "yes"},
        {"^a+$", "", "no"},
        {"^a?b$", "b", "yes"},
        {"^(ab)*$", "ababab", "yes"},
        {"^(ab)*$", "aba", "no"},
        {"^a{3}$", "aaa", "yes"},
        {"^a{3}$", "aa", "no"},
        {"^a{2,}$", "aaaaa", "yes"},
        {"^a{2,}$", "a", "no"},
        {"^a{2,4}$", "aaaa", "yes"},
        {"^a{2,4}$", "aaaaa", "no"},
        {"^a{0,2}b$", "b", "yes"},
        {"^a{0,2}b$", "aab", "yes"},
        {"^a{0,2}b$", "aaab", "no"},
        {"^a{0}b$", "b", "yes"},
        {"^(a|bc){2}$", "bca", "yes"},
        {"^((a{1,2}){2}x?){2}$", "aaaaxaa", "yes"},
        {"a{,2}", "a{,2}", "yes"},
        {"a{x", "a{x", "yes"},
        {"^a+?$", "aaa", "yes"},
        {"^[a-c]+$", "abc", "yes"},
        {"^[^a-c]+$", "xyz", "yes"},
        {"^[^a-c]+$", "xaz", "no"},
        {"^[]a]+$", "a]", "yes"},
        {"^[^]a]$", "]", "no"},
        {"^[a-]+$", "a-", "yes"},
        {"^[\\d_]+$", "12_3", "yes"},
        {"^[[:alpha:]]+$", "abC", "yes"},
        {"^[[:^alpha:]]+$", "12", "yes"},
        {"^a\\_b[\\_]$", "a_b_", "yes"},
        {"^\\d{3}-\\d{4}$", "555-1234", "yes"},
        {"^\\w+\\s\\W$", "a_1 !", "yes"},
        {"\\bfoo\\b", "a foo b", "yes"},
        {"\\bfoo\\b", "afoo b", "no"},
        {"\\Boo", "foo", "yes"},
        {"^\\x41\\x{1F600}\\101$", "A😀A", "yes"},
        {"^\\x{00000041}$", "A", "yes"},
        {"^\\.\\*\\+$", ".*+", "yes"},
        {"^\\Qa.b*\\E+$", "a.b***", "yes"},
        {"\\Aa\\z", "a", "yes"},
        {"(?i)ABC", "xabcx", "yes"},
        {"(?i)Ñ", "ñ", "yes"},
        {"(?i)[a-c]+$", "ABC", "yes"},
        {"(?i)[^a]", "A", "no"},
        {"(?i:a)b", "Ab", "yes"},
        {"(?i:a)b", "AB", "no"},
        {"a(?i)b|c", "aB", "yes"},
        {"(?i)a(?-i)b", "AB", "no"},
        {"(?P<year>\\d+)", "2026", "yes"},
        {"(?<year>\\d+)", "x", "no"},
        {"^.$", "ñ", "yes"},
        {"^..$", "ñ", "no"},
        {"^[à-ý]+$", "ñé", "yes"},
        {"^\\pL+$", "ñandú", "yes"},
        {"^\\p{Lu}\\p{Ll}+$", "Ñandú", "yes"},
        {"^\\PL+$", "123", "yes"},
        {"^\\p{^L}+$", "123", "yes"},
        {"^[\\p{Nd}]+$", "٣4", "yes"},
        {"(a|\U0001F600){2}", "\U0001F431\U0001F600\U0001F600", "yes"},
        {"x*", "aaa", "yes"},
        {"(x+x+)+y", "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", "no"},
        {"$^", "", "yes"},
        {"(|a)+$", "aaa", "yes"},
        {"(a*)*b", "aaaab", "yes"},
    };

    (void)state;
    check_rows(rows, RT_COUNT(rows));
}

static void
test_regex_refuses_what_re2_refuses(void **state)
{
    static const row rows[] = {
        {"(", "", "'(' is not closed"},
        {")", "", "')' was not opened"},
        {"[a", "", "'[' is not closed"},
        {"[", "", "'[' is not closed"},
        {"[z-a]", "", "a range whose end is below its begin"},
        {"[[:nope:]]", "", "unknown class name"},
        {"*a", "", "nothing to repeat"},
        {"a|*", "", "nothing to repeat"},
        {"(*)", "", "nothing to repeat"},
        {"a**", "", "a repetition of a repetition"},
        {"a{1001}", "", "bad number of repetitions"},
        {"a{2,1}", "", "bad number of repetitions"},
        {"(a{1000}){1000}", "", "the pattern is too large"},
        {"\\", "", "a backslash at the end"},
        {"\\1", "", "unknown escape"},
        {"(a)\\1", "", "unknown escape"},
        {"\\y", "", "unknown escape"},
        {"\\xZZ", "", "hexadecimal digits expected"},
        {"\\x4 1", "", "hexadecimal digits expected"},
        {"[\\x4]", "", "hexadecimal digits expected"},
        {"\\x{110000}", "", "hexadecimal digits expected"},
        {"(?=a)", "", "unknown form of a group"},
        {"(?<=a)", "", "RE2 has no lookbehind"},
        {"(?P<>a)", "", "the name of a group is missing or not closed"},
        {"\\p{Nope}", "",
         "not supported yet: classes other than general categories such as \\p{Lu}"},
        {"\\C", "", "not supported yet: \\C, a single byte"},
    };

    (void)state;
    check_rows(rows, RT_COUNT(rows));
}

static void
test_regex_costs_text_times_states(void **state)
{
    rt_arena *arena = rt_arena_new(1 << 20);
    char text[2000];
    br__regex *regex = NULL;
    const char *why = NULL;
    size_t at = 0;
    uint64_t budget = 200000;
    bool is_match = true;

    (void)state;
    memset(text, 'x', sizeof(text));
    CHECK_OK(br__regex_compile(RT_STR("(x*)*(x*)*(x+x+)+y"), arena, &regex, &why, &at));
    CHECK_OK(br__regex_matches(regex, (rt_str){text, sizeof(text)}, &budget, &is_match));
    CHECK_FALSE(is_match);
    budget = 1000;
    CHECK_ERR(br__regex_matches(regex, (rt_str){text, sizeof(text)}, &budget, &is_match),
              RT_ELIMIT);
    rt_arena_free(arena);
}

static void
test_regex_random_patterns_never_crash(void **state)
{
    static const char alphabet[] = "ab(|)*+?{2,}[^-]\\dpL.$^iP<>:Q";
    rt_arena *arena = rt_arena_new(1 << 20);
    size_t compiled = 0;
    rt_rng rng;

    (void)state;
    rt_rng_seed(&rng, 20261120, 2);
    for (int round = 0; round < 100000; round++) {
        char pattern[24];
        size_t len = rt_rng_below(&rng, sizeof(pattern));
        br__regex *regex = NULL;
        const char *why = NULL;
        size_t at = 0;
        uint64_t budget = BUDGET;
        bool is_match = false;

        for (size_t i = 0; i < len; i++) {
            pattern[i] = alphabet[rt_rng_below(&rng, sizeof(alphabet) - 1)];
        }
        rt_arena_reset(arena);
        if (br__regex_compile((rt_str){pattern, len}, arena, &regex, &why, &at) == RT_OK) {
            CHECK_OK(br__regex_matches(regex, RT_STR("abab22d"), &budget, &is_match));
            compiled++;
        } else {
            CHECK_TRUE(at <= len);
        }
    }
    CHECK_TRUE(compiled > 1000);
    rt_arena_free(arena);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_regex_matches_what_re2_matches),
        cmocka_unit_test(test_regex_refuses_what_re2_refuses),
        cmocka_unit_test(test_regex_costs_text_times_states),
        cmocka_unit_test(test_regex_random_patterns_never_crash),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
