#include "brain/expr/expr_internal.h"

#include <math.h>

#include "runtime/base/check.h"

// Design notes.
// Strict operators: arithmetic, comparisons, lists and maps, fields and indices. Operands are sound
// values of any kind, since their types may not have been known; a kind that has no overload is
// BR_FAULT_NO_OVERLOAD.

static br__value
no_overload(void)
{
    return br__fault(BR_FAULT_NO_OVERLOAD);
}

static br__value
apply_order(br__code code, br__value a, br__value b)
{
    int order = 0;
    bool is_ordered = false;

    if (!br__order(a, b, &order, &is_ordered)) {
        return no_overload();
    }
    if (!is_ordered) {
        return br__of_bool(false);
    }
    switch ((unsigned)code) {
    case BR__LT:
        return br__of_bool(order < 0);
    case BR__LE:
        return br__of_bool(order <= 0);
    case BR__GT:
        return br__of_bool(order > 0);
    default:
        return br__of_bool(order >= 0);
    }
}

static br__value
apply_int(br__code code, int64_t a, int64_t b)
{
    int64_t result = 0;
    bool is_overflown = false;

    if ((code == BR__DIV || code == BR__MOD) && b == 0) {
        return br__fault(BR_FAULT_DIVIDE_ZERO);
    }
    if (code == BR__ADD) {
        is_overflown = __builtin_add_overflow(a, b, &result);
    } else if (code == BR__SUB) {
        is_overflown = __builtin_sub_overflow(a, b, &result);
    } else if (code == BR__MUL) {
        is_overflown = __builtin_mul_overflow(a, b, &result);
    } else if (a == INT64_MIN && b == -1) {
        is_overflown = true;
    } else {
        result = code == BR__DIV ? a / b : a % b;
    }
    return is_overflown ? br__fault(BR_FAULT_OVERFLOW) : br__of_int(result);
}

static br__value
apply_uint(br__code code, uint64_t a, uint64_t b)
{
    uint64_t result = 0;
    bool is_overflown = false;

    if ((code == BR__DIV || code == BR__MOD) && b == 0) {
        return br__fault(BR_FAULT_DIVIDE_ZERO);
    }
    if (code == BR__ADD) {
        is_overflown = __builtin_add_overflow(a, b, &result);
    } else if (code == BR__SUB) {
        is_overflown = __builtin_sub_overflow(a, b, &result);
    } else if (code == BR__MUL) {
        is_overflown = __builtin_mul_overflow(a, b, &result);
    } else {
        result = code == BR__DIV ? a / b : a % b;
    }
    return is_overflown ? br__fault(BR_FAULT_OVERFLOW) : br__of_uint(result);
}

static br__value
apply_double(br__code code, double a, double b)
{
    switch ((unsigned)code) {
    case BR__ADD:
        return br__of_double(a + b);
    case BR__SUB:
        return br__of_double(a - b);
    case BR__MUL:
        return br__of_double(a * b);
    case BR__DIV:
        return br__of_double(a / b);
    default:
        return no_overload();
    }
}

br__value
br__time_in_range(br__kind kind, int64_t ms, int64_t ns)
{
    bool is_overflown = false;
    int64_t total = 0;

    if (ns < 0 || ns >= BR__NS_PER_MS) {
        int64_t carry = ns / BR__NS_PER_MS - (ns % BR__NS_PER_MS < 0 ? 1 : 0);

        ns -= carry * BR__NS_PER_MS;
        is_overflown = __builtin_add_overflow(ms, carry, &ms);
    }
    if (kind == BR__TIME) {
        is_overflown = is_overflown || ms < BR__TIME_MIN_MS || ms > BR__TIME_MAX_MS;
    } else {
        // As nanoseconds it fits in 64 bits.
        is_overflown = is_overflown || ms < -BR__DURATION_MAX_MS - 1 || ms > BR__DURATION_MAX_MS ||
                       __builtin_mul_overflow(ms + (ms < 0 ? 1 : 0), BR__NS_PER_MS, &total) ||
                       __builtin_add_overflow(total, ms < 0 ? ns - BR__NS_PER_MS : ns, &total);
    }
    if (is_overflown) {
        return br__fault(BR_FAULT_OVERFLOW);
    }
    return (br__value){.kind = (uint8_t)kind, .i = ms, .len = (uint32_t)ns};
}

// + and - of instants and durations.
static br__value
apply_time(br__code code, br__value a, br__value b)
{
    bool is_add = code == BR__ADD;
    int64_t ms = 0;
    bool is_overflown =
        is_add ? __builtin_add_overflow(a.i, b.i, &ms) : __builtin_sub_overflow(a.i, b.i, &ms);
    int64_t ns = is_add ? (int64_t)a.len + b.len : (int64_t)a.len - b.len;
    bool are_times = a.kind == BR__TIME && b.kind == BR__TIME;
    bool are_durations = a.kind == BR__DURATION && b.kind == BR__DURATION;

    if ((code != BR__ADD && code != BR__SUB) || (is_add && are_times) ||
        (!is_add && a.kind == BR__DURATION && b.kind == BR__TIME)) {
        return no_overload();
    }
    return is_overflown
               ? br__fault(BR_FAULT_OVERFLOW)
               : br__time_in_range(are_times || are_durations ? BR__DURATION : BR__TIME, ms, ns);
}

static br__value
join_text(br__value a, br__value b, br__limits *limits)
{
    size_t len = (size_t)a.len + b.len;
    char *to = br__room(limits, len);

    if (to == NULL || len > UINT32_MAX) {
        return br__fault(BR_FAULT_NO_MEMORY);
    }
    if (a.len > 0) {
        memcpy(to, a.s, a.len);
    }
    if (b.len > 0) {
        memcpy(to + a.len, b.s, b.len);
    }
    return (br__value){.kind = a.kind, .len = (uint32_t)len, .s = to};
}

static br__value
join_lists(br__value a, br__value b, br__limits *limits)
{
    size_t count = (size_t)a.len + b.len;
    br__value *items = NULL;

    if (!br__spend(limits, count / 4)) {
        return br__fault(BR_FAULT_STEPS);
    }
    items = br__room(limits, count * sizeof(*items));
    if (items == NULL) {
        return br__fault(BR_FAULT_NO_MEMORY);
    }
    if (a.len > 0) {
        memcpy(items, a.items, a.len * sizeof(*items));
    }
    if (b.len > 0) {
        memcpy(items + a.len, b.items, b.len * sizeof(*items));
    }
    return br__list(items, count);
}

static bool
is_time(br__value value)
{
    return value.kind == BR__TIME || value.kind == BR__DURATION;
}

static br__value
apply_arithmetic(br__code code, br__value a, br__value b, br__limits *limits)
{
    if (is_time(a) && is_time(b)) {
        return apply_time(code, a, b);
    }
    if (a.kind != b.kind) {
        return no_overload();
    }
    switch ((unsigned)a.kind) {
    case BR__INT:
        return apply_int(code, a.i, b.i);
    case BR__UINT:
        return apply_uint(code, a.u, b.u);
    case BR__DOUBLE:
        return apply_double(code, a.f, b.f);
    case BR__STRING:
    case BR__BYTES:
        return code == BR__ADD ? join_text(a, b, limits) : no_overload();
    case BR__LIST:
        return code == BR__ADD ? join_lists(a, b, limits) : no_overload();
    default:
        return no_overload();
    }
}

static br__value
apply_negation(br__code code, br__value a)
{
    if (code == BR__NOT && a.kind == BR__BOOL) {
        return br__of_bool(!a.b);
    }
    if (code == BR__NEG && a.kind == BR__INT) {
        return a.i == INT64_MIN ? br__fault(BR_FAULT_OVERFLOW) : br__of_int(-a.i);
    }
    if (code == BR__NEG && a.kind == BR__DOUBLE) {
        return br__of_double(-a.f);
    }
    return no_overload();
}

br__value
br__in(br__value value, br__value list, br__limits *limits)
{
    bool is_text = value.kind == BR__STRING;

    if (RT_UNLIKELY(value.kind == BR__FAULT || list.kind == BR__FAULT)) {
        return value.kind == BR__FAULT ? value : list;
    }
    if (list.kind == BR__MAP) {
        return br__of_bool(br__find(list, value) != NULL);
    }
    if (list.kind != BR__LIST) {
        return no_overload();
    }
    if (!br__spend(limits, list.len / 8)) {
        return br__fault(BR_FAULT_STEPS);
    }
    for (uint32_t i = 0; i < list.len; i++) {
        const br__value *item = &list.items[i];
        br__value one;

        if (is_text && item->kind == BR__STRING) { // what is asked most
            if (item->len == value.len &&
                (value.len == 0 || memcmp(item->s, value.s, value.len) == 0)) {
                return br__of_bool(true);
            }
            continue;
        }
        one = br__equal(limits, value, *item);
        if (one.kind == BR__FAULT || one.b) {
            return one;
        }
    }
    return br__of_bool(false);
}

// The operands as a list or map of their own, without those that an optional left out.
static br__value
make_container(br__code code, const br__value *args, size_t argc, br__limits *limits)
{
    br__value *items = br__room(limits, argc * sizeof(*items));
    size_t width = code == BR__MAKE_MAP ? 2 : 1;
    size_t count = 0;

    if (items == NULL) {
        return br__fault(BR_FAULT_NO_MEMORY);
    }
    for (size_t i = 0; i < argc; i += width) {
        if (args[i + width - 1].kind != BR__LEFT_OUT) {
            memcpy(&items[count], &args[i], width * sizeof(*items));
            count += width;
        }
    }
    return code == BR__MAKE_MAP ? br__map(limits, items, count / 2) : br__list(items, count);
}

// The place that an index names: an integer, or another number that is a whole one.
static bool
index_of(br__value index, int64_t *ret_at)
{
    if (index.kind == BR__DOUBLE && index.f >= -0x1p62 && index.f <= 0x1p62 &&
        index.f == trunc(index.f)) {
        *ret_at = (int64_t)index.f;
        return true;
    }
    *ret_at = index.kind == BR__UINT && index.u > (uint64_t)INT64_MAX ? INT64_MAX : index.i;
    return index.kind == BR__INT || index.kind == BR__UINT;
}

// Looks up a key or place; NULL with a fault when there is none.
static const br__value *
look_up(br__value from, br__value key, br__value *ret_fault)
{
    const br__value *found = NULL;
    int64_t at = 0;

    if (from.kind == BR__MAP) {
        bool is_key = key.kind == BR__BOOL || key.kind == BR__INT || key.kind == BR__UINT ||
                      key.kind == BR__STRING || key.kind == BR__DOUBLE;

        found = is_key ? br__find(from, key) : NULL;
        *ret_fault = br__fault(is_key ? BR_FAULT_NO_SUCH_KEY : BR_FAULT_NO_OVERLOAD);
    } else if (from.kind == BR__LIST && index_of(key, &at)) {
        found = at >= 0 && at < (int64_t)from.len ? &from.items[at] : NULL;
        *ret_fault = br__fault(BR_FAULT_RANGE);
    } else {
        *ret_fault = no_overload();
    }
    return found;
}

br__value
br__select(br__value from, br__value key, bool is_optional, br__limits *limits)
{
    bool was_optional = from.kind == BR__OPTIONAL;
    const br__value *found = NULL;
    br__value fault = br__fault(BR_FAULT_NO_SUCH_KEY);

    if (was_optional && from.items == NULL) {
        return from;
    }
    if (was_optional) {
        from = br__opened(limits, from.items[0]);
    }
    found = look_up(from, key, &fault);
    if (!is_optional && !was_optional) {
        return found != NULL ? br__opened(limits, *found) : fault;
    }
    if (found != NULL) {
        return br__some(limits, br__opened(limits, *found));
    }
    return fault.i == BR_FAULT_NO_OVERLOAD ? fault : (br__value){.kind = BR__OPTIONAL, .depth = 1};
}

// has(value.field): an absent field is no fault, a value without fields is.
static br__value
apply_test(br__value from, br__value key, br__limits *limits)
{
    if (from.kind == BR__OPTIONAL && from.items != NULL) {
        from = br__opened(limits, from.items[0]);
    }
    if (from.kind == BR__OPTIONAL) {
        return br__of_bool(false);
    }
    return from.kind == BR__MAP ? br__of_bool(br__find(from, key) != NULL) : no_overload();
}

static br__value
apply_entry(br__value value, br__limits *limits)
{
    if (value.kind != BR__OPTIONAL) {
        return no_overload();
    }
    return value.items != NULL ? br__opened(limits, value.items[0])
                               : (br__value){.kind = BR__LEFT_OUT};
}

br__value
br__apply(br__code code, const br__value *args, size_t argc, br__limits *limits)
{
    for (size_t i = 0; i < argc; i++) {
        if (RT_UNLIKELY(args[i].kind == BR__FAULT)) {
            return args[i];
        }
    }
    switch ((unsigned)code) {
    case BR__NOT:
    case BR__NEG:
        return apply_negation(code, args[0]);
    case BR__ADD:
    case BR__SUB:
    case BR__MUL:
    case BR__DIV:
    case BR__MOD:
        return apply_arithmetic(code, args[0], args[1], limits);
    case BR__EQ:
    case BR__NE: {
        br__value equal = br__equal(limits, args[0], args[1]);

        return equal.kind == BR__FAULT || code == BR__EQ ? equal : br__of_bool(!equal.b);
    }
    case BR__LT:
    case BR__LE:
    case BR__GT:
    case BR__GE:
        return apply_order(code, args[0], args[1]);
    case BR__IN:
        return br__in(args[0], args[1], limits);
    case BR__MAKE_LIST:
    case BR__MAKE_MAP:
        return make_container(code, args, argc, limits);
    case BR__INDEX:
    case BR__SELECT:
        return br__select(args[0], args[1], false, limits);
    case BR__OPT_INDEX:
    case BR__OPT_SELECT:
        return br__select(args[0], args[1], true, limits);
    case BR__TEST:
        return apply_test(args[0], args[1], limits);
    case BR__ENTRY:
        return apply_entry(args[0], limits);
    default:
        return br__call(code, args, argc, limits);
    }
}
