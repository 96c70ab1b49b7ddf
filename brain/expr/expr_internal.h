// brain/expr/expr_internal.h: what the stages of the condition compiler share.
//
// Layer: brain/expr, for the files of this folder and its tests only.
// source → tokens (lex) → nodes in postorder (parse, function) → typed nodes (check) → folded
// nodes and a flat program (compile) → value (eval, call). No stage recurses: nodes stand in an
// array with children before parents, so a loop over the array is a walk over the tree.
#ifndef CEREBRO_BRAIN_EXPR_EXPR_INTERNAL_H
#define CEREBRO_BRAIN_EXPR_EXPR_INTERNAL_H

#include "brain/expr/expr_value.h"
#include "brain/expr/regex.h"

#define BR__SYNTAX "B2101"
#define BR__TYPE "B2104"
#define BR__UNKNOWN "B2107"
#define BR__UNSUPPORTED "B2110"
#define BR__LIMIT "B2120"
#define BR__ABSENT "B2130"
#define BR__NEVER "B2131"
#define BR__ALWAYS "B2132"
#define BR__NO_VALUE "B2133"
#define BR__OUTSIDE "B2134"
#define BR__INSIDE "B2135"
#define BR__UNIT "B2136"
#define BR__FAULTY "B2137"

#define BR__NODES_MAX 1024
#define BR__NAMES_MAX 160 // of functions and macros
#define BR__TYPES_MAX 200
#define BR__SCOPES_MAX 12 // macros with variables in each other
#define BR__LOCALS_MAX (2 * BR__SCOPES_MAX)
#define BR__LOOKS_PER_STEP 16 // states of a regular expression that a step pays for
#define BR__NO_NODE UINT16_MAX
#define BR__SORTED_MIN 9 // a longer list of constants at the right of `in` is searched by halves

typedef struct br__span {
    uint16_t pos;
    uint16_t len;
} br__span;

typedef enum br__token_kind {
    BR__T_END,
    BR__T_IDENT,
    BR__T_QUOTED, // a name in back quotes, decoded in `text`
    BR__T_INT,
    BR__T_UINT,
    BR__T_DOUBLE,
    BR__T_STRING,
    BR__T_BYTES,
    BR__T_TRUE,
    BR__T_FALSE,
    BR__T_NULL,
    BR__T_OPEN,
    BR__T_CLOSE,
    BR__T_BRACKET,
    BR__T_BRACKET_CLOSE,
    BR__T_BRACE,
    BR__T_BRACE_CLOSE,
    BR__T_DOT,
    BR__T_COMMA,
    BR__T_QUESTION,
    BR__T_COLON,
    BR__T_NOT,
    BR__T_OPERATOR, // binary, or a minus sign; `code` says which
} br__token_kind;

// What a node computes and an instruction does: X(name, symbol or function name).
#define BR__CODES                                                                                  \
    X(CONST, "constant")                                                                           \
    X(LOAD, "variable")                                                                            \
    X(HAS, "has")                                                                                  \
    X(NOT, "!")                                                                                    \
    X(NEG, "-")                                                                                    \
    X(ADD, "+")                                                                                    \
    X(SUB, "-")                                                                                    \
    X(MUL, "*")                                                                                    \
    X(DIV, "/")                                                                                    \
    X(MOD, "%")                                                                                    \
    X(EQ, "==")                                                                                    \
    X(NE, "!=")                                                                                    \
    X(LT, "<")                                                                                     \
    X(LE, "<=")                                                                                    \
    X(GT, ">")                                                                                     \
    X(GE, ">=")                                                                                    \
    X(IN, "in")                                                                                    \
    X(AND, "&&")                                                                                   \
    X(OR, "||")                                                                                    \
    X(COND, "?:")                                                                                  \
    X(MAKE_LIST, "list")                                                                           \
    X(MAKE_MAP, "map")                                                                             \
    X(INDEX, "[]")                                                                                 \
    X(OPT_INDEX, "[?]")                                                                            \
    X(SELECT, ".")                                                                                 \
    X(OPT_SELECT, ".?")                                                                            \
    X(TEST, "has")                                                                                 \
    X(SAME, "same") /* the value of its only living child */                                       \
    X(ENTRY, "?")   /* an element or value that an optional may leave out */                       \
    X(ALL, "all")   /* macros with variables */                                                    \
    X(EXISTS, "exists")                                                                            \
    X(EXISTS_ONE, "exists_one")                                                                    \
    X(EXISTS_ONE_2, "existsOne")                                                                   \
    X(FILTER, "filter")                                                                            \
    X(MAP_EACH, "map")                                                                             \
    X(TRANSFORM_LIST, "transformList")                                                             \
    X(TRANSFORM_MAP, "transformMap")                                                               \
    X(TRANSFORM_MAP_ENTRY, "transformMapEntry")                                                    \
    X(BIND, "cel.bind")                                                                            \
    X(OPT_MAP, "optMap")                                                                           \
    X(OPT_FLAT_MAP, "optFlatMap")                                                                  \
    X(LOAD_RAW, "variable") /* instructions only */                                                \
    X(LOCAL, "variable")                                                                           \
    X(SET_LOCAL, "cel.bind")                                                                       \
    X(LOOP, "loop")                                                                                \
    X(NEXT, "loop")                                                                                \
    X(KEEP, "filter")                                                                              \
    X(OPT_BEGIN, "optMap")                                                                         \
    X(IN_SORTED, "in")                                                                             \
    X(MATCH, "matches")                                                                            \
    X(JUMP_FALSE, "&&")                                                                            \
    X(JUMP_TRUE, "||")                                                                             \
    X(JUMP_SOME, "or")                                                                             \
    X(BRANCH, "?")                                                                                 \
    X(JUMP, ":")                                                                                   \
    X(SIZE, "size") /* functions */                                                                \
    X(CONTAINS, "contains")                                                                        \
    X(STARTS_WITH, "startsWith")                                                                   \
    X(ENDS_WITH, "endsWith")                                                                       \
    X(MATCHES, "matches")                                                                          \
    X(LOWER_ASCII, "lowerAscii")                                                                   \
    X(UPPER_ASCII, "upperAscii")                                                                   \
    X(TRIM, "trim")                                                                                \
    X(CHAR_AT, "charAt")                                                                           \
    X(INDEX_OF, "indexOf")                                                                         \
    X(LAST_INDEX_OF, "lastIndexOf")                                                                \
    X(REPLACE, "replace")                                                                          \
    X(SPLIT, "split")                                                                              \
    X(SUBSTRING, "substring")                                                                      \
    X(JOIN, "join")                                                                                \
    X(REVERSE, "reverse")                                                                          \
    X(FORMAT, "format")                                                                            \
    X(QUOTE, "strings.quote")                                                                      \
    X(TO_INT, "int")                                                                               \
    X(TO_UINT, "uint")                                                                             \
    X(TO_DOUBLE, "double")                                                                         \
    X(TO_STRING, "string")                                                                         \
    X(TO_BYTES, "bytes")                                                                           \
    X(TO_BOOL, "bool")                                                                             \
    X(TO_DYN, "dyn")                                                                               \
    X(TYPE_OF, "type")                                                                             \
    X(TO_TIMESTAMP, "timestamp")                                                                   \
    X(TO_DURATION, "duration")                                                                     \
    X(GET_FULL_YEAR, "getFullYear")                                                                \
    X(GET_MONTH, "getMonth")                                                                       \
    X(GET_DATE, "getDate")                                                                         \
    X(GET_DAY_OF_MONTH, "getDayOfMonth")                                                           \
    X(GET_DAY_OF_WEEK, "getDayOfWeek")                                                             \
    X(GET_DAY_OF_YEAR, "getDayOfYear")                                                             \
    X(GET_HOURS, "getHours")                                                                       \
    X(GET_MINUTES, "getMinutes")                                                                   \
    X(GET_SECONDS, "getSeconds")                                                                   \
    X(GET_MILLISECONDS, "getMilliseconds")                                                         \
    X(GREATEST, "math.greatest")                                                                   \
    X(LEAST, "math.least")                                                                         \
    X(CEIL, "math.ceil")                                                                           \
    X(FLOOR, "math.floor")                                                                         \
    X(ROUND, "math.round")                                                                         \
    X(TRUNC, "math.trunc")                                                                         \
    X(ABS, "math.abs")                                                                             \
    X(SIGN, "math.sign")                                                                           \
    X(SQRT, "math.sqrt")                                                                           \
    X(IS_NAN, "math.isNaN")                                                                        \
    X(IS_INF, "math.isInf")                                                                        \
    X(IS_FINITE, "math.isFinite")                                                                  \
    X(BIT_AND, "math.bitAnd")                                                                      \
    X(BIT_OR, "math.bitOr")                                                                        \
    X(BIT_XOR, "math.bitXor")                                                                      \
    X(BIT_NOT, "math.bitNot")                                                                      \
    X(BIT_SHIFT_LEFT, "math.bitShiftLeft")                                                         \
    X(BIT_SHIFT_RIGHT, "math.bitShiftRight")                                                       \
    X(ENCODE, "base64.encode")                                                                     \
    X(DECODE, "base64.decode")                                                                     \
    X(OPT_OF, "optional.of")                                                                       \
    X(OPT_OF_NON_ZERO, "optional.ofNonZeroValue")                                                  \
    X(OPT_NONE, "optional.none")                                                                   \
    X(HAS_VALUE, "hasValue")                                                                       \
    X(VALUE, "value")                                                                              \
    X(OPT_OR, "or")                                                                                \
    X(OR_VALUE, "orValue")                                                                         \
    X(DISTANCE, "distance") /* functions of our own */                                             \
    X(IS_BUSINESS_HOURS, "is_business_hours")                                                      \
    X(IS_HOLIDAY, "is_holiday")                                                                    \
    X(BUSINESS_DAYS, "business_days_between")                                                      \
    X(NO_FUNCTION, "a function that there is not")

typedef enum br__code {
#define X(name, text) BR__##name,
    BR__CODES
#undef X
        BR__CODE_COUNT
} br__code;

typedef struct br__token {
    br__token_kind kind;
    br__code code;
    br__span span;
    uint64_t magnitude; // INT without its sign, UINT
    double real;        // DOUBLE
    rt_str text;        // STRING, BYTES and QUOTED, decoded
} br__token;

// A static type: one of these, or a number from BR__TY_MADE on into the compiler's `types`.
typedef uint16_t br__type;
enum {
    BR__TY_DYN = RT_KIND_NONE,
    BR__TY_BOOL = RT_KIND_BOOL,
    BR__TY_INT = RT_KIND_I64,
    BR__TY_DOUBLE = RT_KIND_F64,
    BR__TY_STRING = RT_KIND_STR,
    BR__TY_TIME = RT_KIND_TIME,
    BR__TY_DURATION = RT_KIND_DURATION,
    BR__TY_UINT,
    BR__TY_BYTES,
    BR__TY_NULL,
    BR__TY_TYPE,
    BR__TY_FREE, // of the elements of [] and of optional.none(): fits everything
    BR__TY_LIST, // of dyn
    BR__TY_MAP,
    BR__TY_OPTIONAL,
    BR__TY_MADE,
};

typedef struct br__made_type {
    br__type kind; // LIST, MAP or OPTIONAL
    br__type key;
    br__type element;
} br__made_type;

typedef struct br__node {
    br__code code;
    uint16_t parent;
    uint16_t first_child;
    uint16_t next; // sibling
    uint16_t argc;
    uint16_t begin;   // first node of this subtree: it ends with this node itself
    bool is_method;   // written receiver.f(...)
    bool is_dead;     // folded away
    bool is_bad;      // already reported: no further findings follow from it
    bool is_absolute; // LOAD and HAS: written .name, no variable of a macro
    bool is_raw;      // LOAD and HAS: the slot gives msgpack
    bool is_local;    // LOAD and HAS: a variable of a macro
    bool is_there;    // LOAD and HAS: never absent
    uint8_t local;    // its number; of a macro: the number of its first variable
    uint8_t loop;     // of a macro: how many loops are around it
    uint8_t var_count;
    br__span span;
    br__span outer; // with parentheses
    br__type type;
    uint32_t slot;
    const rt_field *field; // LOAD: what is known of its values, or NULL
    rt_str path;     // LOAD and HAS; SELECT and TEST: the field
    rt_str rest;     // LOAD and HAS: fields behind what names a variable, such as "a.b"
    rt_str vars[2];  // of a macro
    br__value value; // CONST
} br__node;

typedef struct br__compiler {
    rt_str source;
    const rt_node *where;
    const br_expr_env *env;
    rt_diag *diag;
    rt_arena *arena; // of this compilation
    br__limits kept; // for values that the program keeps
    bool is_failed;
    bool is_unchecked; // types are looked at while evaluating only
    br__token *tokens;
    size_t token_count;
    br__node *nodes; // postorder; the last one is the root
    size_t node_count;
    br__made_type types[BR__TYPES_MAX];
    size_t type_count;
} br__compiler;

// The name of a function or macro, and how it is called.
typedef struct br__function {
    br__code code;
    bool is_global;   // f(a)
    bool is_method;   // a.f()
    uint8_t argc_min; // the receiver counts
    uint8_t argc_max;
} br__function;

typedef struct br__op {
    uint8_t code;
    uint8_t kind;  // LOAD: declared kind; LOOP, NEXT: the macro's code
    uint16_t argc; // of a function; LOOP, NEXT: see BR__LOOP_SHIFT
    uint32_t arg;  // slot, constant, local or instruction
} br__op;

#define BR__LOOP_SHIFT 8 // argc of LOOP and NEXT: first local << 8 | variables << 4 | loop
#define BR__LOOP_VARS 4

typedef struct br__conjunct {
    uint32_t begin; // instructions
    uint32_t end;
    uint32_t use_begin;
    uint32_t use_count;
    br__span span;
} br__conjunct;

struct br_expr {
    uint32_t magic;
    rt_arena *arena;  // owns all below
    rt_arena *values; // of constants
    rt_str source;
    rt_kind kind;
    rt_kind want;
    rt_str type; // in CEL's words
    br__op *ops;
    br__span *spans; // of each instruction; len 0: no part of the source
    uint32_t op_count;
    br__value *consts;
    uint32_t const_count;
    br__conjunct *conjuncts;
    uint32_t conjunct_count;
    br_expr_use *uses;
    uint32_t use_count;
    br__regex **regexes;
    uint32_t regex_count;
};

#define BR__EXPR_MAGIC 0xe5e50001u

// How br__compile_as departs from br_expr_compile.
typedef struct br__mode {
    bool folds;
    bool is_unchecked; // no static types
    bool keeps_result; // any type of result: it is read by br__evaluate
} br__mode;

// br__report adds a finding at a place in the source and fails the compilation.
void br__report(br__compiler *c, const char *code, br__span span, const char *help, const char *fmt,
                ...) RT_PRINTF(5, 6);

// br__no_memory reports that there was no memory, and is false.
bool br__no_memory(br__compiler *c);

// br__warn adds a warning.
void br__warn(br__compiler *c, const char *code, br__span span, const char *help, const char *fmt,
              ...) RT_PRINTF(5, 6);

// br__code_text is the symbol or function name of a code.
const char *br__code_text(br__code code);

// br__lex splits the source into tokens; false when it reported an error.
bool br__lex(br__compiler *c);

// br__parse makes nodes of the tokens; false when it reported an error.
bool br__parse(br__compiler *c);

// br__find_function finds a function or macro by its name; NULL when there is none.
const br__function *br__find_function(rt_str name);

// br__function_names lists all names of functions and macros, for suggestions; returns the count.
size_t br__function_names(rt_str ret_names[BR__NAMES_MAX]);

// br__is_macro tells whether a code is a macro with variables, br__is_loop whether it is a loop
// too.
bool br__is_macro(br__code code);
bool br__is_loop(br__code code);

// br__is_later tells whether CEL has a function or macro of this name that we have not.
bool br__is_later(rt_str name);

// br__is_reserved tells whether CEL forbids this word as a name.
bool br__is_reserved(rt_str name);

// br__is_library tells whether a name is a function library of CEL's extensions, such as "math".
bool br__is_library(rt_str name);

// br__type_named finds a type whose name is a value, such as "int"; false when there is none.
bool br__type_named(rt_str name, rt_str *ret_name);

// br__list_of, br__map_of and br__optional_of are types made of others.
br__type br__list_of(br__compiler *c, br__type element);
br__type br__map_of(br__compiler *c, br__type key, br__type element);
br__type br__optional_of(br__compiler *c, br__type element);

// br__type_kind is LIST, MAP or OPTIONAL for such types, and any other type itself.
br__type br__type_kind(const br__compiler *c, br__type type);

// br__type_element and br__type_key are what a list, map or optional holds; dyn for the rest.
br__type br__type_element(const br__compiler *c, br__type type);
br__type br__type_key(const br__compiler *c, br__type type);

// br__type_join is the type that both have, where dyn and free types fit everything; false when
// there is none.
bool br__type_join(br__compiler *c, br__type a, br__type b, br__type *ret_type);

// br__type_parse reads a type in CEL's words; false when it is none.
bool br__type_parse(br__compiler *c, rt_str text, br__type *ret_type);

// br__type_put appends a type in CEL's words.
void br__type_put(const br__compiler *c, br__type type, rt_text *out);

// br__result_of finds the type of an operator or function from its operands' types.
//   returns   false when there is no such overload
bool br__result_of(br__compiler *c, const br__node *node, const br__type *args, br__type *ret_type);

// br__check resolves names and types; false when it reported an error.
bool br__check(br__compiler *c, rt_kind want, bool keeps_result);

// br__fold replaces what has a constant value by that value.
void br__fold(br__compiler *c);

// br__reason reports, in a folded condition, what can never be true and what always is.
void br__reason(br__compiler *c, rt_kind want);

// br__emit makes the program; false when it reported an error.
//   ret_expr  filled except for magic
bool br__emit(br__compiler *c, br_expr *ret_expr);

// br__compile is br_expr_compile with folding as an option (for tests).
//   errors    as br_expr_compile
rt_err br__compile(rt_str source, const rt_node *where, const br_expr_env *env, rt_kind want,
                   bool folds, rt_diag *diag, br_expr **ret_expr) RT_MUST_USE;

// br__compile_as is br_expr_compile in another mode.
//   errors    as br_expr_compile
rt_err br__compile_as(rt_str source, const rt_node *where, const br_expr_env *env, rt_kind want,
                      br__mode mode, rt_diag *diag, br_expr **ret_expr) RT_MUST_USE;

// br__evaluate is br_expr_eval whose value may be of any type.
br__value
br__evaluate(const br_expr *expr, br_expr_load load, const void *user, br__limits *limits);

// br__apply computes one strict operator or function. Arguments that are faults come back.
br__value br__apply(br__code code, const br__value *args, size_t argc, br__limits *limits);

// br__in is `value in list`, where the list may be a map too. Operands that are faults come back.
br__value br__in(br__value value, br__value list, br__limits *limits);

// br__call computes a function of sound arguments.
br__value br__call(br__code code, const br__value *args, size_t argc, br__limits *limits);

// br__call_text, br__call_math, br__call_convert, br__call_time, br__call_optional and br__call_own
// are its parts.
br__value br__call_text(br__code code, const br__value *args, size_t argc, br__limits *limits);
br__value br__call_math(br__code code, const br__value *args, size_t argc, br__limits *limits);
br__value br__call_convert(br__code code, br__value value, br__limits *limits);
br__value br__call_time(br__code code, const br__value *args, size_t argc);
br__value br__call_optional(br__code code, const br__value *args, br__limits *limits);
br__value br__call_own(br__code code, const br__value *args, size_t argc, br__limits *limits);

// br__format is text.format(list).
br__value br__format(rt_str pattern, br__value list, br__limits *limits);

// br__select is the field or index `key` of a map, list or optional.
//   is_optional   the value is an optional, none when the key is not there
br__value br__select(br__value from, br__value key, bool is_optional, br__limits *limits);

// br__time_in_range is an instant or a duration, or a fault out of their ranges.
br__value br__time_in_range(br__kind kind, int64_t ms, int64_t ns);

// br__to_text is string(value); to_double of a text is br__parse_double.
br__value br__to_text(br__value value, br__limits *limits);

// br__parse_double reads the texts of numbers that double() takes.
bool br__parse_double(rt_str text, double *ret_value);

// br__parse_duration reads CEL's duration text ("1h30m", "-1.5s").
//   ret_value a duration
//   errors    RT_EINVAL another form · RT_ERANGE
rt_err br__parse_duration(rt_str text, br__value *ret_value) RT_MUST_USE;

// br__parse_timestamp reads RFC 3339 text.
//   errors    as br__parse_duration
rt_err br__parse_timestamp(rt_str text, br__value *ret_value) RT_MUST_USE;


// br__utf8_next reads the code point at *at, in valid UTF-8, and moves behind it.
uint32_t br__utf8_next(rt_str text, size_t *at);

// br__utf8_put writes a code point, at most 4 bytes; false when it is none.
bool br__utf8_put(char *to, size_t *len, uint32_t point);

// br__utf8_count is the number of code points.
int64_t br__utf8_count(rt_str text);

#endif
