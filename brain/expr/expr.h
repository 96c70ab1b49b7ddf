// brain/expr/expr.h: conditions of playbooks, a strict subset of CEL compiled to a flat program.
//
// Layer: brain/expr (may use runtime/base and runtime/wire).   Threads: a compiled expression
// is immutable and may be evaluated anywhere; compiling has one owner.
// Whatever is accepted means what CEL says; everything else is refused with its place ("not
// supported yet: ..."). It is the whole language without protocol buffers: all types, macros,
// optionals, and the extensions strings, math, bindings, encoders and two-variable comprehensions.
// A field that is not there and is read without has() is the fault "no such key", which && and ||
// absorb as CEL defines. Functions of our own, which CEL allows an environment to add: distance,
// is_business_hours, is_holiday, business_days_between.
// NB: rt_value counts milliseconds; inside an expression instants and durations count nanoseconds.
// Source: CEL language definition, cel-expr/cel-spec doc/langdef.md, v0.25.
#ifndef CEREBRO_BRAIN_EXPR_EXPR_H
#define CEREBRO_BRAIN_EXPR_EXPR_H

#include "brain/expr/calendar.h"
#include "runtime/base/arena.h"
#include "runtime/base/text.h"
#include "runtime/wire/catalog.h"
#include "runtime/wire/diag.h"
#include "runtime/wire/value.h"
#include "runtime/wire/yaml.h"

#define BR_EXPR_BYTES_MAX 4096
#define BR_EXPR_DEPTH_MAX 32 // parentheses, calls, lists and prefix operators in each other
#define BR_EXPR_OPS_MAX 1024
#define BR_EXPR_LOOPS_MAX 3        // comprehensions in each other
#define BR_EXPR_STEPS_MAX 10000    // of one evaluation: instructions in loops, and long values
#define BR_EXPR_TRACE_MAX 512      // parts that one trace reports
#define BR_EXPR_TEXT_MAX (1 << 20) // bytes that replace, join and format make
#define BR_EXPR_STACK_MAX 64
#define BR_EXPR_TEXTS_MAX 32 // that one part compares a variable with, to be found by them
#define BR_EXPR_SUGGEST_MAX 256
#define BR_EXPR_DAYS_MAX 3660 // between the days that business_days_between counts

// A name of the environment.
typedef struct br_expr_var {
    uint32_t slot;     // given back to br_expr_load
    rt_kind kind;      // RT_KIND_NONE: known at run time only (dyn)
    bool maybe_absent; // a use without has() of the same path is worth a warning
    bool is_there;     // it is never absent; of most names neither is known
    // For what rt_kind cannot say, its type in CEL's words, such as "map(string, dyn)"; `kind` is
    // then NONE and br_expr_load gives RT_TEXT of its msgpack. Empty for all others.
    rt_str type;
    const rt_field *field; // its bounds and closed list of texts, NULL = none are known
} br_expr_var;

// Whether conditions are looked at for parts that can never or must always be true.
typedef enum br_expr_reasons {
    BR_REASONS_OFF,
    BR_REASONS_WARN, // what can never be true is a warning only: it may be in another setting
    BR_REASONS_ERROR,
} br_expr_reasons;

// What a condition may name; asked while compiling only.
typedef struct br_expr_env {
    // resolve finds a dotted path such as "data.delay_min" or "now"; false when there is none.
    bool (*resolve)(void *user, rt_str path, br_expr_var *ret_var);
    // suggest lists up to `max` full paths near an unknown one; may be NULL.
    size_t (*suggest)(void *user, rt_str path, rt_str *ret_names, size_t max);
    // calendar finds opening hours by their name, which outlive what is compiled; NULL when there
    // are none of it, or (the function itself) none at all. calendars lists the names.
    const br_hours *(*calendar)(void *user, rt_str name);
    size_t (*calendars)(void *user, rt_str *ret_names, size_t max);
    void *user;
    rt_str container; // names are looked for in this namespace first; mostly empty
    br_expr_reasons reasons;
} br_expr_env;

// br_expr_load gives the value of a slot while evaluating; NONE when it is absent. Where the
// declared kind is double, time or duration, an integer is taken as one.
typedef rt_value (*br_expr_load)(const void *user, uint32_t slot);

// Why an evaluation has no value.
typedef enum br_expr_fault {
    BR_FAULT_NONE = 0,
    BR_FAULT_NO_SUCH_KEY, // absent field or key
    BR_FAULT_NO_OVERLOAD, // operand of a wrong type
    BR_FAULT_OVERFLOW,    // integer, timestamp or duration out of its range
    BR_FAULT_DIVIDE_ZERO, // integer division or modulus by zero
    BR_FAULT_CONVERSION,  // text that is no number, instant, duration or zone
    BR_FAULT_NO_MEMORY,   // the arena's limit
    BR_FAULT_STEPS,       // BR_EXPR_STEPS_MAX
    BR_FAULT_RANGE,       // index outside of a list or text
    BR_FAULT_ARGUMENT,    // a value that the function does not take
    BR_FAULT_KEY_TYPE,    // map key that is no int, uint, bool or string
    BR_FAULT_DUPLICATE_KEY,
    BR_FAULT_EMPTY,    // value() of an optional that has none
    BR_FAULT_TOO_DEEP, // lists and maps in each other
    BR_FAULT_RESULT,   // a list, map or another value that cannot leave an expression
} br_expr_fault;

typedef struct br_expr_result {
    br_expr_fault fault; // NONE: `value` holds
    rt_value value;      // strings view loaded values, the expression or the arena
    uint32_t fault_pos;  // the part of the source that failed
    uint32_t fault_len;
    uint32_t failed_conjunct; // first false conjunct, or first faulty one when none is false;
                              // br_expr_conjunct_count() when all are true
} br_expr_result;

// One variable that a conjunct reads.
typedef struct br_expr_use {
    rt_str path;
    uint32_t slot;
    rt_kind kind;
    bool is_there; // never absent, as its environment said
} br_expr_use;

// The texts of which a variable must have one, or the expression is false.
typedef struct br_expr_texts {
    uint32_t slot;
    bool is_false_absent; // also where the variable is absent; else its value is a fault there
    rt_str texts[BR_EXPR_TEXTS_MAX];
    uint32_t count;
} br_expr_texts;

typedef struct br_expr br_expr;

// br_expr_compile checks `source` and makes a program of it.
//   where     the YAML scalar that `source` is (or views a part of), so that findings carry the
//             place in the file; NULL: places count within `source`, from line 1
//   want      kind the result must have, RT_KIND_NONE for any
//   ret_expr  gives; free with br_expr_free
//   errors    RT_ECONFIG with findings in `diag`: B2101 syntax · B2104 types · B2107 unknown name ·
//             B2110 not supported yet · B2120 limit · B2131 B2133 B2134 never true (B2130 is a
//             warning: unguarded absent field; so are B2132 B2135 always true, B2136 units)
rt_err br_expr_compile(rt_str source, const rt_node *where, const br_expr_env *env, rt_kind want,
                       rt_diag *diag, br_expr **ret_expr) RT_MUST_USE;

// br_expr_free releases it; NULL is fine.
void br_expr_free(br_expr *expr);

// br_expr_eval computes the value.
//   arena     used only where something is made (texts, lists, maps); NULL when there is none of it
//   cost      tens of ns; no allocation outside `arena`
void br_expr_eval(const br_expr *expr, br_expr_load load, const void *user, rt_arena *arena,
                  br_expr_result *ret_result);

// br_expr_is_true tells whether a condition held: no fault and true.
static inline bool
br_expr_is_true(const br_expr_result *result)
{
    return result->fault == BR_FAULT_NONE && result->value.kind == RT_KIND_BOOL && result->value.b;
}

// br_expr_watch is told the value of one part of the source, innermost first; `fault` is set
// instead of `value` when the part has none.
typedef void (*br_expr_watch)(void *watcher, rt_str text, rt_value value, br_expr_fault fault);

// br_expr_trace is br_expr_eval that reports every part it evaluates.
void br_expr_trace(const br_expr *expr, br_expr_load load, const void *user, rt_arena *arena,
                   br_expr_watch watch, void *watcher, br_expr_result *ret_result);

// br_expr_source is the text it was compiled from.
rt_str br_expr_source(const br_expr *expr);

// br_expr_kind is the static kind of the result; RT_KIND_NONE when known at run time only.
rt_kind br_expr_kind(const br_expr *expr);

// br_expr_conjunct_count is the number of parts that a top-level && joins, at least 1.
size_t br_expr_conjunct_count(const br_expr *expr);

// br_expr_conjunct_text is the source of one part.
rt_str br_expr_conjunct_text(const br_expr *expr, size_t index);

// br_expr_conjunct_vars lists the variables that one part reads, each once; returns the count.
size_t br_expr_conjunct_vars(const br_expr *expr, size_t index, const br_expr_use **ret_uses);

// br_expr_conjunct_texts reads a part such as `data.city == "Cali"` or
// `data.city in ["Cali", "Buga"]`: whoever knows the variable's value need not evaluate the rest.
// `is_false_absent` is set where the variable is always there, or another part asks has() of it.
//   returns   false for a part of another form, and of more than BR_EXPR_TEXTS_MAX texts
bool br_expr_conjunct_texts(const br_expr *expr, size_t index, br_expr_texts *ret_texts);

// br_expr_explain appends what one part read and gave, for people:
// "data.delay_min = 28 → data.delay_min > 30 is false". What it computes on the way lies in
// `arena`.
void br_expr_explain(const br_expr *expr, size_t index, br_expr_load load, const void *user,
                     rt_arena *arena, rt_text *out);

// br_expr_explain_failure says the same of the part that decided a result that is not true, without
// evaluating it again.
void br_expr_explain_failure(const br_expr *expr, const br_expr_result *result, br_expr_load load,
                             const void *user, rt_text *out);

// br_zone_offset reads "UTC", a fixed offset such as "-05:00", or a zone's name in our table.
//   at_ms     the instant at which the offset is wanted
//   errors    RT_EUNKNOWN a zone that is not in the table, or a year of which it knows nothing ·
//             RT_EINVAL another form
rt_err br_zone_offset(rt_str zone, int64_t at_ms, int64_t *ret_offset_ms) RT_MUST_USE;

// br_expr_fault_text is a short English text, e.g. "no such key".
const char *br_expr_fault_text(br_expr_fault fault);

#endif
