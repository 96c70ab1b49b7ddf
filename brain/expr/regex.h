// brain/expr/regex.h: regular expressions in RE2's syntax, matched in linear time.
//
// Layer: brain/expr (may use runtime/base).   Threads: a compiled one is immutable.
// A match costs at most text bytes × instructions; there is no backtracking and nothing to
// remember, since a condition only asks whether there is a match. Source: Russ Cox, "Regular
// Expression Matching: the Virtual Machine Approach", 2009; RE2's syntax.
#ifndef CEREBRO_BRAIN_EXPR_REGEX_H
#define CEREBRO_BRAIN_EXPR_REGEX_H

#include "runtime/base/arena.h"
#include "runtime/base/bytes.h"
#include "runtime/base/err.h"

#define BR__REGEX_OPS_MAX 2048
#define BR__REGEX_RANGES_MAX 4096
#define BR__REGEX_REPEAT_MAX 1000
#define BR__REGEX_DEPTH_MAX 64 // groups in each other

typedef struct br__regex br__regex;

typedef struct br__range {
    uint32_t first; // code points
    uint32_t last;
} br__range;

// br__regex_compile makes a program of a pattern.
//   ret_regex lies in `arena`
//   ret_why   on failure: what is wrong, and ret_at at which byte of the pattern
//   errors    RT_EINVAL what is wrong · RT_ELIMIT too large · RT_ENOMEM
rt_err br__regex_compile(rt_str pattern, rt_arena *arena, br__regex **ret_regex,
                         const char **ret_why, size_t *ret_at) RT_MUST_USE;

// br__regex_matches tells whether the pattern matches anywhere in valid UTF-8 text.
//   io_budget  looks at a state that are left; taken from
//   errors     RT_ELIMIT the budget ended
rt_err br__regex_matches(const br__regex *regex, rt_str text, uint64_t *io_budget,
                         bool *ret_is_match) RT_MUST_USE;

// br__unicode_class is the code points of a general category such as "Lu" or "N", in order.
//   returns   NULL when there is none of that name
const br__range *br__unicode_class(rt_str name, size_t *ret_count);

#endif
