"""The mutator's own test: what it makes of a small file, and what it leaves alone."""

import unittest

import mutator

TEXT = '''#include "x.h"

#define ROWS_MAX 8

static const struct {
    int a;
} table[] = {
    {1},
};

// A comment with a < b && c.
static rt_err
check(const row *r, size_t count)
{
    char text[32];
    rt_row list[ROWS_MAX] = {0};
    rt_err err = RT_OK;
    size_t later = 5;
    size_t seldom = 6;

    (void)r;
    later = count;
    RT_ASSERT(count <= ROWS_MAX);
    if (count > ROWS_MAX && r->len + 1 < count) {
        return rt_fail(RT_ELIMIT, "more than %d", ROWS_MAX);
    }
    for (size_t i = 0; i < count; i++) {
        err = r->fn(r, text);
        if (err != RT_OK) {
            seldom = later;
            break;
        }
    }
    rt_log_info("checked", "count=%zu", count + 1);
    *list = (rt_row){.a = -1};
    return err;
}

bool
is_full(const row *r)
{
    return r->full;
}
'''

PLANTED = '''
static void
spoil(row *r)
{
    r->used = 0;
}

static int
count(row *r, int n)
{
    if (RT_PLANTED(spoilt)) {
        spoil(r);
    }
    if (n > 3 && !RT_PLANTED(unbounded)) {
        return 4;
    }
    return RT_PLANTED(none) ? 7 : n;
}

int
total(row *r)
{
    return count(r, 5);
}
'''


class MutatorTest(unittest.TestCase):
    """One promise each."""

    def setUp(self):
        self.mutants = mutator.Source("x.c", TEXT).mutants()

    def made(self, operator):
        """What an operator made, as (before, after)."""
        return [(m.before, m.after) for m in self.mutants if m.operator == operator]

    def test_functions_are_found_with_name_and_type(self):
        found = mutator.Source("x.c", TEXT).functions()
        self.assertEqual([f[:2] for f in found], [("check", "rt_err"), ("is_full", "bool")])

    def test_comments_tables_assertions_and_log_lines_are_left_alone(self):
        for mutant in self.mutants:
            self.assertNotIn("RT_ASSERT", mutant.before)
            self.assertNotIn("rt_log", mutant.before)
            self.assertNotIn("comment", mutant.before)
            self.assertNotIn("{1}", mutant.before)
            self.assertNotIn("(void)r", mutant.before)

    def test_sizes_in_declarations_and_empty_values_are_left_alone(self):
        for mutant in self.mutants:
            self.assertNotIn("text[32]", mutant.before)
            self.assertNotIn("list[ROWS_MAX]", mutant.before)

    def test_value_that_is_overwritten_is_left_alone(self):
        changed = [before for before, _ in self.made("off-by-one")]
        self.assertNotIn("size_t later = 5;", changed)
        self.assertIn("size_t seldom = 6;", changed)

    def test_comparisons_change_by_one_and_to_their_opposite(self):
        head = "if (count > ROWS_MAX && r->len + 1 < count) {"
        self.assertIn((head, head.replace("> ROWS", ">= ROWS")), self.made("boundary"))
        self.assertIn((head, head.replace("1 < c", "1 <= c")), self.made("boundary"))
        self.assertIn((head, head.replace("1 < c", "1 >= c")), self.made("comparison"))
        self.assertIn(("if (err != RT_OK) {", "if (err == RT_OK) {"), self.made("comparison"))
        self.assertNotIn("->=", "".join(after for _, after in self.made("boundary")))

    def test_conditions_are_joined_otherwise_and_negated(self):
        head = "if (count > ROWS_MAX && r->len + 1 < count) {"
        self.assertEqual(self.made("and-or"), [(head, head.replace("&&", "||"))])
        self.assertIn((head, "if (!(count > ROWS_MAX && r->len + 1 < count)) {"),
                      self.made("negate"))
        self.assertEqual(len(self.made("negate")), 2)

    def test_numbers_and_limits_become_one_more_and_one_less(self):
        changed = [after for _, after in self.made("off-by-one")]
        self.assertIn("if (count > (ROWS_MAX - 1) && r->len + 1 < count) {", changed)
        self.assertIn("if (count > ROWS_MAX && r->len + (1 + 1) < count) {", changed)
        self.assertIn("for (size_t i = (0 + 1); i < count; i++) {", changed)

    def test_plus_becomes_minus_only_between_two_operands(self):
        self.assertEqual([after for _, after in self.made("plus-minus")],
                         ["if (count > ROWS_MAX && r->len - 1 < count) {"])
        self.assertEqual([after for _, after in self.made("step")],
                         ["for (size_t i = 0; i < count; i--) {"])

    def test_statements_are_left_out_and_declarations_are_not(self):
        self.assertEqual([before for before, _ in self.made("remove")],
                         ["later = count;", "err = r->fn(r, text);", "seldom = later;", "break;",
                          "*list = (rt_row){.a = -1};"])

    def test_returns_lie_or_are_left_out(self):
        first = 'return rt_fail(RT_ELIMIT, "more than %d", ROWS_MAX);'
        self.assertEqual(self.made("drop-return"), [(first, ";")])
        self.assertEqual([after for _, after in self.made("return-ok")],
                         ["return RT_OK;", "return RT_OK;"])
        self.assertEqual(sorted(after for _, after in self.made("return-truth")),
                         ["return false;", "return true;"])

    def test_planted_mistakes_are_left_alone(self):
        found = mutator.Source("x.c", PLANTED).mutants()
        self.assertEqual(sorted((m.function, m.operator) for m in found),
                         [("count", "boundary"), ("count", "comparison"), ("count", "drop-return"),
                          ("count", "negate"), ("count", "off-by-one"), ("count", "off-by-one"),
                          ("count", "off-by-one"), ("count", "off-by-one"),
                          ("total", "off-by-one"), ("total", "off-by-one")])

    def test_each_differs_from_the_source_in_its_place_only(self):
        names = set()
        for mutant in self.mutants:
            names.add(mutant.name)
            whole = mutant.apply()
            self.assertNotEqual(whole, TEXT)
            self.assertEqual(whole[:mutant.start], TEXT[:mutant.start])
            self.assertEqual(whole[mutant.start + len(mutant.text):], TEXT[mutant.end:])
            self.assertIn(mutant.operator, mutator.OPERATORS)
        self.assertEqual(len(names), len(self.mutants))


if __name__ == "__main__":
    unittest.main()
