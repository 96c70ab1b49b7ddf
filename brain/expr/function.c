// tidy: table
#include "brain/expr/expr_internal.h"

#include "runtime/base/check.h"

// Design notes.
// Every name the language knows: functions with their forms, what CEL and its extensions have and
// we have not yet (so that it is not called unknown), and words that are no names.

static const br__function functions[] = {
    {BR__SIZE, true, true, 1, 1},
    {BR__CONTAINS, false, true, 2, 2},
    {BR__STARTS_WITH, false, true, 2, 2},
    {BR__ENDS_WITH, false, true, 2, 2},
    {BR__LOWER_ASCII, false, true, 1, 1},
    {BR__UPPER_ASCII, false, true, 1, 1},
    {BR__TO_INT, true, false, 1, 1},
    {BR__TO_DOUBLE, true, false, 1, 1},
    {BR__TO_STRING, true, false, 1, 1},
    {BR__TO_BOOL, true, false, 1, 1},
    {BR__TO_DYN, true, false, 1, 1},
    {BR__TO_TIMESTAMP, true, false, 1, 1},
    {BR__TO_DURATION, true, false, 1, 1},
    {BR__GET_FULL_YEAR, false, true, 1, 2},
    {BR__GET_MONTH, false, true, 1, 2},
    {BR__GET_DATE, false, true, 1, 2},
    {BR__GET_DAY_OF_MONTH, false, true, 1, 2},
    {BR__GET_DAY_OF_WEEK, false, true, 1, 2},
    {BR__GET_DAY_OF_YEAR, false, true, 1, 2},
    {BR__GET_HOURS, false, true, 1, 2},
    {BR__GET_MINUTES, false, true, 1, 2},
    {BR__GET_SECONDS, false, true, 1, 2},
    {BR__GET_MILLISECONDS, false, true, 1, 2},
};

// Functions and macros of CEL and its extensions that may come later.
static const char *const later[] = {
    "matches",    "exists",    "existsOne",     "exists_one", "all",      "map",         "filter",
    "uint",       "bytes",     "type",          "charAt",     "indexOf",  "lastIndexOf", "replace",
    "split",      "substring", "trim",          "join",       "format",   "reverse",     "quote",
    "greatest",   "least",     "ceil",          "floor",      "round",    "trunc",       "abs",
    "sign",       "isNaN",     "isInf",         "isFinite",   "orValue",  "optMap",      "bind",
    "encode",     "decode",    "transformList", "or",         "hasValue", "value",       "sqrt",
    "optFlatMap",
};

static const char *const libraries[] = {"math", "strings", "base64", "optional", "cel", "sets"};

static const char *const reserved[] = {
    "as",  "break", "const",   "continue",  "else",   "for", "function", "if",    "import",
    "let", "loop",  "package", "namespace", "return", "var", "void",     "while",
};

static bool
is_one_of(rt_str name, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (rt_str_is(name, names[i])) {
            return true;
        }
    }
    return false;
}

bool
br__is_library(rt_str name)
{
    return is_one_of(name, libraries, RT_COUNT(libraries));
}

bool
br__is_later(rt_str name)
{
    return is_one_of(name, later, RT_COUNT(later));
}

bool
br__is_reserved(rt_str name)
{
    return is_one_of(name, reserved, RT_COUNT(reserved));
}

br__code
br__find_function(rt_str name)
{
    for (size_t i = 0; i < RT_COUNT(functions); i++) {
        if (rt_str_is(name, br__code_text(functions[i].code))) {
            return functions[i].code;
        }
    }
    return BR__CODE_COUNT;
}

const br__function *
br__function_of(br__code code)
{
    for (size_t i = 0; i < RT_COUNT(functions); i++) {
        if (functions[i].code == code) {
            return &functions[i];
        }
    }
    RT_UNREACHABLE("only functions are called");
}

size_t
br__function_names(rt_str ret_names[BR__FUNCTIONS_MAX])
{
    _Static_assert(RT_COUNT(functions) < BR__FUNCTIONS_MAX, "room for has() too");
    for (size_t i = 0; i < RT_COUNT(functions); i++) {
        ret_names[i] = rt_str_of(br__code_text(functions[i].code));
    }
    ret_names[RT_COUNT(functions)] = RT_STR("has");
    return RT_COUNT(functions) + 1;
}
