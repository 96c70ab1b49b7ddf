// playbook/expr_internal.h: what the stages of the condition compiler share.
//
// Layer: brain/playbook, for expr.c, the files named below and expr_test.c only.
// source → tokens (lex) → nodes in postorder (parse, function) → typed nodes (check) → folded
// nodes and a flat program (compile) → value (eval, call). No stage recurses: nodes stand in an
// array with children before parents, so a loop over the array is a walk over the tree.
#ifndef CEREBRO_BRAIN_EXPR_EXPR_INTERNAL_H
#define CEREBRO_BRAIN_EXPR_EXPR_INTERNAL_H

#include "brain/expr/expr.h"

#define BR__SYNTAX "B2101"
#define BR__TYPE "B2104"
#define BR__UNKNOWN "B2107"
#define BR__UNSUPPORTED "B2110"
#define BR__LIMIT "B2120"
#define BR__ABSENT "B2130"

#define BR__NODES_MAX 1024
#define BR__FUNCTIONS_MAX 32
#define BR__NO_NODE UINT16_MAX
#define BR__DURATION_MAX_MS (INT64_MAX / 1000000) // CEL: nanoseconds fit in int64, ± 292 years
#define BR__TIME_MIN_MS INT64_C(-62135596800000) // 0001-01-01T00:00:00Z
#define BR__TIME_MAX_MS INT64_C(253402300799999) // 9999-12-31T23:59:59.999Z

typedef struct br__span {
    uint16_t pos;
    uint16_t len;
} br__span;

typedef enum br__token_kind {
    BR__T_END,
    BR__T_IDENT,
    BR__T_INT,
    BR__T_DOUBLE,
    BR__T_STRING,
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
    X(LIST, "list")                                                                                \
    X(SAME, "same")         /* the value of its only living child */                               \
    X(IN_CONST, "in")       /* instruction: `in` a list of constants */                            \
    X(JUMP_FALSE, "&&")     /* instruction: skip the right side of && */                           \
    X(JUMP_TRUE, "||")      /* instruction: skip the right side of || */                           \
    X(BRANCH, "?")          /* instruction: pop a condition, go on or to the other side */         \
    X(JUMP, ":")            /* instruction */                                                      \
    X(SIZE, "size")                                                                                \
    X(CONTAINS, "contains")                                                                        \
    X(STARTS_WITH, "startsWith")                                                                   \
    X(ENDS_WITH, "endsWith")                                                                       \
    X(LOWER_ASCII, "lowerAscii")                                                                   \
    X(UPPER_ASCII, "upperAscii")                                                                   \
    X(TO_INT, "int")                                                                               \
    X(TO_DOUBLE, "double")                                                                         \
    X(TO_STRING, "string")                                                                         \
    X(TO_BOOL, "bool")                                                                             \
    X(TO_DYN, "dyn")                                                                               \
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
    X(GET_MILLISECONDS, "getMilliseconds")

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
    uint64_t magnitude; // INT, without its sign
    double real;        // DOUBLE
    rt_str text;        // STRING, decoded
} br__token;

typedef struct br__node {
    br__code code;
    uint16_t parent;
    uint16_t first_child;
    uint16_t next;  // sibling
    uint16_t argc;
    uint16_t begin; // first node of this subtree: it ends with this node itself
    bool is_method; // written receiver.f(...)
    bool is_dead;   // folded away
    bool is_bad;    // already reported: no further findings follow from it
    br__span span;
    br__span outer; // with parentheses
    rt_kind type;   // RT_KIND_NONE = dyn
    uint32_t slot;
    rt_str path;    // LOAD and HAS
    rt_value value; // CONST
} br__node;

typedef struct br__compiler {
    rt_str source;
    const rt_node *where;
    const br_expr_env *env;
    rt_diag *diag;
    rt_arena *arena; // of this compilation
    bool is_failed;
    bool folds;
    br__token *tokens;
    size_t token_count;
    br__node *nodes; // postorder; the last one is the root
    size_t node_count;
} br__compiler;

typedef struct br__function {
    br__code code;
    bool is_global;   // f(a)
    bool is_method;   // a.f()
    uint8_t argc_min; // the receiver counts
    uint8_t argc_max;
} br__function;

typedef struct br__op {
    uint8_t code;
    uint8_t kind;  // LOAD: declared kind
    uint16_t argc; // IN, IN_CONST: elements
    uint32_t arg;  // slot, constant or instruction
} br__op;

typedef struct br__conjunct {
    uint32_t begin; // instructions
    uint32_t end;
    uint32_t use_begin;
    uint32_t use_count;
    br__span span;
} br__conjunct;

struct br_expr {
    uint32_t magic;
    rt_arena *arena; // owns all below
    rt_str source;
    rt_kind kind;
    rt_kind want;
    br__op *ops;
    br__span *spans; // of each instruction; len 0: no part of the source
    uint32_t op_count;
    rt_value *consts;
    uint32_t const_count;
    br__conjunct *conjuncts;
    uint32_t conjunct_count;
    br_expr_use *uses;
    uint32_t use_count;
};

#define BR__EXPR_MAGIC 0xe5e50001u

// br__report adds a finding at a place in the source and fails the compilation.
void br__report(br__compiler *c, const char *code, br__span span, const char *help,
                const char *fmt, ...) RT_PRINTF(5, 6);

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

// br__find_function finds a function by its name; BR__CODE_COUNT when there is none.
br__code br__find_function(rt_str name);

// br__function_of is the description of a function's code.
const br__function *br__function_of(br__code code);

// br__function_names lists all function names, for suggestions; returns the count.
size_t br__function_names(rt_str ret_names[BR__FUNCTIONS_MAX]);

// br__is_later tells whether CEL has a function or macro of this name that we have not.
bool br__is_later(rt_str name);

// br__is_reserved tells whether CEL forbids this word as a name.
bool br__is_reserved(rt_str name);

// br__is_library tells whether a name is a function library of CEL's extensions, such as "math".
bool br__is_library(rt_str name);

// br__check resolves names and types; false when it reported an error.
bool br__check(br__compiler *c, rt_kind want);

// br__fold replaces what has a constant value by that value.
void br__fold(br__compiler *c);

// br__emit makes the program; false when it reported an error.
//   ret_expr  filled except for magic
bool br__emit(br__compiler *c, br_expr *ret_expr);

// br__compile is br_expr_compile with folding as an option (for tests).
//   errors    as br_expr_compile
rt_err br__compile(rt_str source, const rt_node *where, const br_expr_env *env, rt_kind want,
                   bool folds, rt_diag *diag, br_expr **ret_expr) RT_MUST_USE;

// br__fault is the stand-in for a value that could not be computed.
static inline rt_value
br__fault(br_expr_fault fault)
{
    return (rt_value){.kind = RT_KIND_NONE, .i = (int64_t)fault};
}

// br__apply computes one strict operator or function. Arguments that are faults come back.
rt_value br__apply(br__code code, const rt_value *args, size_t argc, rt_arena *arena);

// br__equal is CEL's ==: false between types, numbers by value.
bool br__equal(rt_value a, rt_value b);

// br__call computes one conversion, text or calendar function of sound arguments.
rt_value br__call(br__code code, const rt_value *args, size_t argc, rt_arena *arena);

// br__parse_duration reads CEL's duration text ("1h30m", "-1.5s").
//   errors    RT_EINVAL another form · RT_ERANGE · RT_ETYPE finer than a millisecond
rt_err br__parse_duration(rt_str text, int64_t *ret_ms) RT_MUST_USE;

// br__parse_timestamp reads RFC 3339 text.
//   errors    as br__parse_duration
rt_err br__parse_timestamp(rt_str text, int64_t *ret_ms) RT_MUST_USE;

// br__parse_zone reads "UTC" or a fixed offset such as "-05:00".
//   errors    RT_EUNKNOWN a zone by name · RT_EINVAL another form
rt_err br__parse_zone(rt_str text, int64_t *ret_offset_ms) RT_MUST_USE;

#endif
