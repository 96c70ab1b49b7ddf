// tidy: table
#include "brain/expr/expr_internal.h"

#include "runtime/base/check.h"

// Design notes.
// Every name the language knows: functions with their forms, what CEL and its extensions have and
// we have not yet (so that it is not called unknown), and words that are no names.

#define BR__MANY 64 // arguments

// Arguments are counted with the receiver and without the variables of a macro.
static const br__function functions[] = {
    {BR__SIZE, true, true, 1, 1},
    {BR__CONTAINS, false, true, 2, 2},
    {BR__STARTS_WITH, false, true, 2, 2},
    {BR__ENDS_WITH, false, true, 2, 2},
    {BR__MATCHES, true, true, 2, 2},
    {BR__LOWER_ASCII, false, true, 1, 1},
    {BR__UPPER_ASCII, false, true, 1, 1},
    {BR__TRIM, false, true, 1, 1},
    {BR__CHAR_AT, false, true, 2, 2},
    {BR__INDEX_OF, false, true, 2, 3},
    {BR__LAST_INDEX_OF, false, true, 2, 3},
    {BR__REPLACE, false, true, 3, 4},
    {BR__SPLIT, false, true, 2, 3},
    {BR__SUBSTRING, false, true, 2, 3},
    {BR__JOIN, false, true, 1, 2},
    {BR__REVERSE, false, true, 1, 1},
    {BR__FORMAT, false, true, 2, 2},
    {BR__QUOTE, true, false, 1, 1},
    {BR__TO_INT, true, false, 1, 1},
    {BR__TO_UINT, true, false, 1, 1},
    {BR__TO_DOUBLE, true, false, 1, 1},
    {BR__TO_STRING, true, false, 1, 1},
    {BR__TO_BYTES, true, false, 1, 1},
    {BR__TO_BOOL, true, false, 1, 1},
    {BR__TO_DYN, true, false, 1, 1},
    {BR__TYPE_OF, true, false, 1, 1},
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
    {BR__GREATEST, true, false, 1, BR__MANY},
    {BR__LEAST, true, false, 1, BR__MANY},
    {BR__CEIL, true, false, 1, 1},
    {BR__FLOOR, true, false, 1, 1},
    {BR__ROUND, true, false, 1, 1},
    {BR__TRUNC, true, false, 1, 1},
    {BR__ABS, true, false, 1, 1},
    {BR__SIGN, true, false, 1, 1},
    {BR__SQRT, true, false, 1, 1},
    {BR__IS_NAN, true, false, 1, 1},
    {BR__IS_INF, true, false, 1, 1},
    {BR__IS_FINITE, true, false, 1, 1},
    {BR__BIT_NOT, true, false, 1, 1},
    {BR__BIT_AND, true, false, 2, BR__MANY},
    {BR__BIT_OR, true, false, 2, BR__MANY},
    {BR__BIT_XOR, true, false, 2, BR__MANY},
    {BR__BIT_SHIFT_LEFT, true, false, 2, 2},
    {BR__BIT_SHIFT_RIGHT, true, false, 2, 2},
    {BR__ENCODE, true, false, 1, 1},
    {BR__DECODE, true, false, 1, 1},
    {BR__OPT_OF, true, false, 1, 1},
    {BR__OPT_OF_NON_ZERO, true, false, 1, 1},
    {BR__OPT_NONE, true, false, 0, 0},
    {BR__HAS_VALUE, false, true, 1, 1},
    {BR__VALUE, false, true, 1, 1},
    {BR__OPT_OR, false, true, 2, 2},
    {BR__OR_VALUE, false, true, 2, 2},
    {BR__DISTANCE, true, false, 4, 4},
    {BR__IS_BUSINESS_HOURS, true, false, 2, 2},
    {BR__IS_HOLIDAY, true, false, 1, 2},
    {BR__BUSINESS_DAYS, true, false, 3, 3},
    {BR__NO_FUNCTION, true, true, 0, BR__MANY},
    {BR__HAS, true, false, 1, 1},
    {BR__ALL, false, true, 2, 2},
    {BR__EXISTS, false, true, 2, 2},
    {BR__EXISTS_ONE, false, true, 2, 2},
    {BR__EXISTS_ONE_2, false, true, 2, 2},
    {BR__FILTER, false, true, 2, 2},
    {BR__MAP_EACH, false, true, 2, 3},
    {BR__TRANSFORM_LIST, false, true, 2, 3},
    {BR__TRANSFORM_MAP, false, true, 2, 3},
    {BR__TRANSFORM_MAP_ENTRY, false, true, 2, 3},
    {BR__BIND, true, false, 2, 2},
    {BR__OPT_MAP, false, true, 2, 2},
    {BR__OPT_FLAT_MAP, false, true, 2, 2},
};

// Functions and macros of CEL and its extensions that may come later.
static const char *const later[] = {
    "sets.contains",
    "sets.equivalent",
    "sets.intersects",
    "regex.replace",
    "regex.extract",
    "regex.extractAll",
    "optional.unwrap",
    "unwrapOpt",
    "first",
    "last",
    "slice",
    "flatten",
    "distinct",
    "sort",
    "sortBy",
    "lists.range",
    "find",
    "findAll",
    "ip",
    "cidr",
    "isIP",
    "isCIDR",
    "cel.block",
    "cel.index",
    "proto.getExt",
    "proto.hasExt",
    "getExt",
    "hasExt",
};

static const char *const libraries[] = {
    "math", "strings", "base64", "optional", "cel", "sets", "regex", "lists", "proto",
};

// Types that are values, with their names.
static const char *const types[] = {
    "bool",
    "int",
    "uint",
    "double",
    "string",
    "bytes",
    "list",
    "map",
    "null_type",
    "type",
    "optional_type",
    "google.protobuf.Timestamp",
    "google.protobuf.Duration",
};

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

bool
br__type_named(rt_str name, rt_str *ret_name)
{
    for (size_t i = 0; i < RT_COUNT(types); i++) {
        if (rt_str_is(name, types[i])) {
            *ret_name = rt_str_of(types[i]);
            return true;
        }
    }
    return false;
}

bool
br__is_macro(br__code code)
{
    return code >= BR__ALL && code <= BR__OPT_FLAT_MAP;
}

bool
br__is_loop(br__code code)
{
    return code >= BR__ALL && code < BR__BIND;
}

const br__function *
br__find_function(rt_str name)
{
    for (size_t i = 0; i < RT_COUNT(functions); i++) {
        if (rt_str_is(name, br__code_text(functions[i].code))) {
            return &functions[i];
        }
    }
    return NULL;
}

size_t
br__function_names(rt_str ret_names[BR__NAMES_MAX])
{
    _Static_assert(RT_COUNT(functions) <= BR__NAMES_MAX, "room for all names");
    for (size_t i = 0; i < RT_COUNT(functions); i++) {
        ret_names[i] = rt_str_of(br__code_text(functions[i].code));
    }
    return RT_COUNT(functions);
}
