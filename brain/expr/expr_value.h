// brain/expr/expr_value.h: a value inside the evaluator: every type of CEL in 16 bytes.
//
// Layer: brain/expr, for the files of this folder and its tests only.   Threads: any.
// The kinds of rt_kind come first with the same numbers, so that a loaded value is taken over
// without a switch. Text views what it was made of; lists, maps and optionals lie in an arena.
#ifndef CEREBRO_BRAIN_EXPR_EXPR_VALUE_H
#define CEREBRO_BRAIN_EXPR_EXPR_VALUE_H

#include "brain/expr/expr.h"

#define BR__VALUE_DEPTH_MAX 40 // lists, maps and optionals in each other
#define BR__RAW_DEPTH RT_MP_DEPTH_MAX
#define BR__DURATION_MAX_MS (INT64_MAX / 1000000) // CEL: nanoseconds fit in int64, ± 292 years
#define BR__TIME_MIN_MS INT64_C(-62135596800000)  // 0001-01-01T00:00:00Z
#define BR__TIME_MAX_MS INT64_C(253402300799999)  // 9999-12-31T23:59:59.999Z
#define BR__NS_PER_MS 1000000

typedef enum br__kind {
    BR__FAULT = RT_KIND_NONE, // no value: `i` is the br_expr_fault, `len` the instruction + 1
    BR__BOOL = RT_KIND_BOOL,
    BR__INT = RT_KIND_I64,
    BR__DOUBLE = RT_KIND_F64,
    BR__STRING = RT_KIND_STR,
    BR__TIME = RT_KIND_TIME,         // `i` ms since the epoch, rounded down, and `len` ns more
    BR__DURATION = RT_KIND_DURATION, // likewise
    BR__UINT,
    BR__BYTES,
    BR__NULL,
    BR__TYPE_NAME, // `s`, `len`: its name
    BR__LIST,      // `items`, `len`
    BR__MAP,       // `items`: `len` pairs, in the order they were written
    BR__OPTIONAL,  // `items`: one value or NULL
    BR__RAW,       // `s`, `len`: msgpack of a value, opened when it is used
    BR__CALENDAR,  // `hours`: what a constant text names, as an argument of functions of our own
    BR__LEFT_OUT,  // an element that an optional did not give; lists and maps leave it out
} br__kind;

typedef struct br__value {
    uint8_t kind;
    uint8_t depth; // LIST, MAP, OPTIONAL: 1 more than what they hold, at most
    uint32_t len;
    union {
        bool b;
        int64_t i;
        uint64_t u;
        double f;
        const char *s;
        const struct br__value *items;
        const br_hours *hours;
    };
} br__value;

_Static_assert(sizeof(br__value) == 16, "values are copied all the time");

// What an evaluation may use up.
typedef struct br__limits {
    rt_arena *arena; // NULL: nothing can be made
    uint32_t steps;  // so many are left
} br__limits;

// br__fault is the stand-in for a value that could not be computed.
static inline br__value
br__fault(br_expr_fault fault)
{
    return (br__value){.kind = BR__FAULT, .i = (int64_t)fault};
}

// br__of_bool, br__of_int, br__of_uint, br__of_double and br__of_text make a value.
static inline br__value
br__of_bool(bool b)
{
    return (br__value){.kind = BR__BOOL, .u = b};
}

static inline br__value
br__of_int(int64_t i)
{
    return (br__value){.kind = BR__INT, .i = i};
}

static inline br__value
br__of_uint(uint64_t u)
{
    return (br__value){.kind = BR__UINT, .u = u};
}

static inline br__value
br__of_double(double f)
{
    return (br__value){.kind = BR__DOUBLE, .f = f};
}

static inline br__value
br__of_text(rt_str text)
{
    return (br__value){.kind = BR__STRING, .len = (uint32_t)text.len, .s = text.ptr};
}

// br__text views the bytes of a text, of bytes, of a type's name.
static inline rt_str
br__text(br__value value)
{
    return (rt_str){value.s, value.len};
}

// br__is_true and br__is_false tell about a bool; a value of another type is neither.
static inline bool
br__is_true(br__value value)
{
    return value.kind == BR__BOOL && value.b;
}

static inline bool
br__is_false(br__value value)
{
    return value.kind == BR__BOOL && !value.b;
}

// br__of_rt takes over a scalar; NONE is the fault "no such key".
static inline br__value
br__of_rt(rt_value value)
{
    br__value made = {.kind = (uint8_t)value.kind};

    memcpy(&made.i, &value.i, sizeof(made.i));
    if (value.kind == RT_KIND_STR) {
        made.len = (uint32_t)value.s.len;
    } else if (value.kind == RT_KIND_NONE) {
        made.i = BR_FAULT_NO_SUCH_KEY;
    }
    return made;
}

// br__to_rt gives a value to the outside: what is finer than a millisecond is dropped, an unsigned
// integer becomes an integer; false for what the outside has no kind for.
bool br__to_rt(br__value value, rt_value *ret_value);

// br__spend takes steps of the budget; false when there are not so many left.
static inline bool
br__spend(br__limits *limits, size_t steps)
{
    if (steps > limits->steps) {
        limits->steps = 0;
        return false;
    }
    limits->steps -= (uint32_t)steps;
    return true;
}

// br__room allocates; NULL without an arena or at its limit.
void *br__room(br__limits *limits, size_t bytes);

// br__copy_text makes a text of its own; a fault at the limit.
br__value br__copy_text(br__limits *limits, rt_str text);

// br__list and br__map make one of values that lie in an arena already: `count` values, or pairs.
// A key of a wrong type, a key that is there twice and too deep a nesting are faults.
br__value br__list(const br__value *items, size_t count);
br__value br__map(br__limits *limits, const br__value *pairs, size_t count);

// br__some makes an optional of a value.
br__value br__some(br__limits *limits, br__value value);

// br__opened is the value itself, or one level of a RAW one read into the arena. msgpack's own
// types are CEL's; extension -1 is an instant, BR__EXT_UINT .. BR__EXT_TYPE are ours.
br__value br__opened(br__limits *limits, br__value value);

#define BR__EXT_UINT 1     // 8 bytes, big end first
#define BR__EXT_DURATION 2 // 8 bytes of ms and 4 of ns, big end first
#define BR__EXT_TIME 3     // likewise
#define BR__EXT_TYPE 4     // its name
#define BR__EXT_OPTIONAL 5 // nothing, or msgpack of its value

// br__equal is CEL's ==: false between types, numbers by value, lists and maps by what they hold.
//   returns   a bool, or a fault when the budget or memory ended
br__value br__equal(br__limits *limits, br__value a, br__value b);

// br__order compares two values; false when their types have no order.
//   ret_order      below, at or above 0
//   ret_is_ordered false for NaN
bool br__order(br__value a, br__value b, int *ret_order, bool *ret_is_ordered);

// br__find looks a key up in a map; NULL when it is not there.
const br__value *br__find(br__value map, br__value key);

// br__type_of is the name of a value's type, such as "list".
rt_str br__type_of(br__value value);

// br__put_value appends a value as CEL writes it, bounded by BR__SHOWN_MAX parts.
void br__put_value(rt_text *out, br__limits *limits, br__value value);

#define BR__SHOWN_MAX 32

#endif
