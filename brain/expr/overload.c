// tidy: table
#include "brain/expr/expr_internal.h"

#include "runtime/base/check.h"

// Design notes.
// Overloads are rows: operand types and result as letters. A letter in capitals is a type made of
// others: L list, M map, O optional, T type; as a result: J what both operands join to, S list of
// strings, O optional of the operand, N optional of anything, E what the operand holds, V that
// joined with the second operand. '*' is dyn. Operators whose types depend on each other
// (comparisons, index, ?:) are in check.c.

typedef struct overload {
    br__code code;
    const char *args;
    char result;
} overload;

static const overload overloads[] = {
    {BR__NOT, "b", 'b'},
    {BR__NEG, "i", 'i'},
    {BR__NEG, "f", 'f'},
    {BR__ADD, "ii", 'i'},
    {BR__SUB, "ii", 'i'},
    {BR__MUL, "ii", 'i'},
    {BR__DIV, "ii", 'i'},
    {BR__ADD, "uu", 'u'},
    {BR__SUB, "uu", 'u'},
    {BR__MUL, "uu", 'u'},
    {BR__DIV, "uu", 'u'},
    {BR__ADD, "ff", 'f'},
    {BR__SUB, "ff", 'f'},
    {BR__MUL, "ff", 'f'},
    {BR__DIV, "ff", 'f'},
    {BR__ADD, "ss", 's'},
    {BR__ADD, "yy", 'y'},
    {BR__ADD, "LL", 'J'},
    {BR__ADD, "td", 't'},
    {BR__ADD, "dt", 't'},
    {BR__ADD, "dd", 'd'},
    {BR__SUB, "tt", 'd'},
    {BR__SUB, "td", 't'},
    {BR__SUB, "dd", 'd'},
    {BR__MOD, "ii", 'i'},
    {BR__MOD, "uu", 'u'},
    {BR__AND, "bb", 'b'},
    {BR__OR, "bb", 'b'},
    {BR__SIZE, "s", 'i'},
    {BR__SIZE, "y", 'i'},
    {BR__SIZE, "L", 'i'},
    {BR__SIZE, "M", 'i'},
    {BR__CONTAINS, "ss", 'b'},
    {BR__STARTS_WITH, "ss", 'b'},
    {BR__ENDS_WITH, "ss", 'b'},
    {BR__MATCHES, "ss", 'b'},
    {BR__LOWER_ASCII, "s", 's'},
    {BR__UPPER_ASCII, "s", 's'},
    {BR__TRIM, "s", 's'},
    {BR__CHAR_AT, "si", 's'},
    {BR__INDEX_OF, "ss", 'i'},
    {BR__INDEX_OF, "ssi", 'i'},
    {BR__LAST_INDEX_OF, "ss", 'i'},
    {BR__LAST_INDEX_OF, "ssi", 'i'},
    {BR__REPLACE, "sss", 's'},
    {BR__REPLACE, "sssi", 's'},
    {BR__SPLIT, "ss", 'S'},
    {BR__SPLIT, "ssi", 'S'},
    {BR__SUBSTRING, "si", 's'},
    {BR__SUBSTRING, "sii", 's'},
    {BR__JOIN, "L", 's'},
    {BR__JOIN, "Ls", 's'},
    {BR__REVERSE, "s", 's'},
    {BR__FORMAT, "sL", 's'},
    {BR__QUOTE, "s", 's'},
    {BR__TO_INT, "i", 'i'},
    {BR__TO_INT, "u", 'i'},
    {BR__TO_INT, "f", 'i'},
    {BR__TO_INT, "s", 'i'},
    {BR__TO_INT, "t", 'i'},
    {BR__TO_UINT, "i", 'u'},
    {BR__TO_UINT, "u", 'u'},
    {BR__TO_UINT, "f", 'u'},
    {BR__TO_UINT, "s", 'u'},
    {BR__TO_DOUBLE, "i", 'f'},
    {BR__TO_DOUBLE, "u", 'f'},
    {BR__TO_DOUBLE, "f", 'f'},
    {BR__TO_DOUBLE, "s", 'f'},
    {BR__TO_STRING, "b", 's'},
    {BR__TO_STRING, "i", 's'},
    {BR__TO_STRING, "u", 's'},
    {BR__TO_STRING, "f", 's'},
    {BR__TO_STRING, "s", 's'},
    {BR__TO_STRING, "y", 's'},
    {BR__TO_STRING, "t", 's'},
    {BR__TO_STRING, "d", 's'},
    {BR__TO_BYTES, "y", 'y'},
    {BR__TO_BYTES, "s", 'y'},
    {BR__TO_BOOL, "b", 'b'},
    {BR__TO_BOOL, "s", 'b'},
    {BR__TO_DYN, "*", '*'},
    {BR__TYPE_OF, "*", 'T'},
    {BR__TO_TIMESTAMP, "t", 't'},
    {BR__TO_TIMESTAMP, "s", 't'},
    {BR__TO_TIMESTAMP, "i", 't'},
    {BR__TO_DURATION, "d", 'd'},
    {BR__TO_DURATION, "s", 'd'},
    {BR__GET_FULL_YEAR, "t", 'i'},
    {BR__GET_FULL_YEAR, "ts", 'i'},
    {BR__GET_MONTH, "t", 'i'},
    {BR__GET_MONTH, "ts", 'i'},
    {BR__GET_DATE, "t", 'i'},
    {BR__GET_DATE, "ts", 'i'},
    {BR__GET_DAY_OF_MONTH, "t", 'i'},
    {BR__GET_DAY_OF_MONTH, "ts", 'i'},
    {BR__GET_DAY_OF_WEEK, "t", 'i'},
    {BR__GET_DAY_OF_WEEK, "ts", 'i'},
    {BR__GET_DAY_OF_YEAR, "t", 'i'},
    {BR__GET_DAY_OF_YEAR, "ts", 'i'},
    {BR__GET_HOURS, "t", 'i'},
    {BR__GET_HOURS, "ts", 'i'},
    {BR__GET_HOURS, "d", 'i'},
    {BR__GET_MINUTES, "t", 'i'},
    {BR__GET_MINUTES, "ts", 'i'},
    {BR__GET_MINUTES, "d", 'i'},
    {BR__GET_SECONDS, "t", 'i'},
    {BR__GET_SECONDS, "ts", 'i'},
    {BR__GET_SECONDS, "d", 'i'},
    {BR__GET_MILLISECONDS, "t", 'i'},
    {BR__GET_MILLISECONDS, "ts", 'i'},
    {BR__GET_MILLISECONDS, "d", 'i'},
    {BR__CEIL, "f", 'f'},
    {BR__FLOOR, "f", 'f'},
    {BR__ROUND, "f", 'f'},
    {BR__TRUNC, "f", 'f'},
    {BR__ABS, "i", 'i'},
    {BR__SIGN, "i", 'i'},
    {BR__SQRT, "i", 'f'},
    {BR__ABS, "u", 'u'},
    {BR__SIGN, "u", 'u'},
    {BR__SQRT, "u", 'f'},
    {BR__ABS, "f", 'f'},
    {BR__SIGN, "f", 'f'},
    {BR__SQRT, "f", 'f'},
    {BR__IS_NAN, "f", 'b'},
    {BR__IS_INF, "f", 'b'},
    {BR__IS_FINITE, "f", 'b'},
    {BR__BIT_NOT, "i", 'i'},
    {BR__BIT_SHIFT_LEFT, "ii", 'i'},
    {BR__BIT_SHIFT_RIGHT, "ii", 'i'},
    {BR__BIT_NOT, "u", 'u'},
    {BR__BIT_SHIFT_LEFT, "ui", 'u'},
    {BR__BIT_SHIFT_RIGHT, "ui", 'u'},
    {BR__ENCODE, "y", 's'},
    {BR__DECODE, "s", 'y'},
    {BR__OPT_OF, "*", 'O'},
    {BR__OPT_OF_NON_ZERO, "*", 'O'},
    {BR__OPT_NONE, "", 'N'},
    {BR__HAS_VALUE, "O", 'b'},
    {BR__VALUE, "O", 'E'},
    {BR__OPT_OR, "OO", 'J'},
    {BR__OR_VALUE, "O*", 'V'},
    {BR__DISTANCE, "ffff", 'f'},
    {BR__IS_BUSINESS_HOURS, "ts", 'b'},
    {BR__IS_HOLIDAY, "t", 'b'},
    {BR__IS_HOLIDAY, "ts", 'b'},
    {BR__BUSINESS_DAYS, "tts", 'i'},
};

static const char letters[] = {
    [BR__TY_DYN] = '*',    [BR__TY_BOOL] = 'b', [BR__TY_INT] = 'i',      [BR__TY_DOUBLE] = 'f',
    [BR__TY_STRING] = 's', [BR__TY_TIME] = 't', [BR__TY_DURATION] = 'd', [BR__TY_UINT] = 'u',
    [BR__TY_BYTES] = 'y',  [BR__TY_NULL] = 'n', [BR__TY_TYPE] = 'T',     [BR__TY_FREE] = '*',
    [BR__TY_LIST] = 'L',   [BR__TY_MAP] = 'M',  [BR__TY_OPTIONAL] = 'O',
};

static bool
fits(const br__compiler *c, const br__node *node, const br__type *args, const overload *o)
{
    if (o->code != node->code || strlen(o->args) != node->argc) {
        return false;
    }
    for (size_t i = 0; i < node->argc; i++) {
        char letter = letters[br__type_kind(c, args[i])];

        if (letter != '*' && o->args[i] != '*' && letter != o->args[i]) {
            return false;
        }
    }
    return true;
}

// The type that a row's result stands for; false when the operands do not go together.
static bool
result_of(br__compiler *c, const overload *o, const br__type *args, br__type *ret_type)
{
    br__type element = BR__TY_DYN;

    switch (o->result) {
    case 'J':
        return br__type_join(c, args[0], args[1], ret_type);
    case 'S':
        *ret_type = br__list_of(c, BR__TY_STRING);
        return true;
    case 'O':
        *ret_type = br__optional_of(c, args[0]);
        return true;
    case 'N':
        *ret_type = br__optional_of(c, BR__TY_FREE);
        return true;
    case 'E':
        *ret_type = br__type_element(c, args[0]);
        return true;
    case 'V':
        element = br__type_element(c, args[0]);
        return br__type_join(c, element, args[1], ret_type);
    default:
        for (int type = BR__TY_DYN; type < BR__TY_LIST; type++) {
            if (letters[type] == o->result) {
                *ret_type = (br__type)type;
                return true;
            }
        }
        RT_UNREACHABLE("results are known letters");
    }
}

// math.greatest and its like: any number of numbers, or one list of them.
static bool
result_of_many(br__compiler *c, const br__node *node, const br__type *args, br__type *ret_type)
{
    bool is_bits = node->code != BR__GREATEST && node->code != BR__LEAST;
    bool is_list = node->argc == 1 && br__type_kind(c, args[0]) == BR__TY_LIST;
    br__type joined = is_list ? br__type_element(c, args[0]) : args[0];

    for (size_t i = 0; i < node->argc; i++) {
        br__type type = is_list ? joined : args[i];
        bool is_number = type == BR__TY_INT || type == BR__TY_UINT || type == BR__TY_DYN ||
                         type == BR__TY_FREE || (type == BR__TY_DOUBLE && !is_bits);

        if (!is_number || (!br__type_join(c, joined, type, &joined) && is_bits)) {
            return false;
        }
        joined = type == joined ? joined : BR__TY_DYN;
    }
    *ret_type = joined;
    return true;
}

bool
br__result_of(br__compiler *c, const br__node *node, const br__type *args, br__type *ret_type)
{
    bool is_found = false;
    br__type found = BR__TY_DYN;

    if (node->code == BR__GREATEST || node->code == BR__LEAST ||
        (node->code >= BR__BIT_AND && node->code <= BR__BIT_XOR)) {
        return result_of_many(c, node, args, ret_type);
    }
    for (size_t i = 0; i < RT_COUNT(overloads); i++) {
        br__type one = BR__TY_DYN;

        if (!fits(c, node, args, &overloads[i]) || !result_of(c, &overloads[i], args, &one)) {
            continue;
        }
        found = !is_found || found == one ? one : BR__TY_DYN;
        is_found = true;
    }
    *ret_type = found;
    return is_found;
}
