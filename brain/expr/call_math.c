#include "brain/expr/expr_internal.h"

#include <math.h>

#include "runtime/base/check.h"

// Design notes.
// The extension `math`. Shifts to the right fill with zeros whatever the sign, as CEL defines.

static br__value
no_overload(void)
{
    return br__fault(BR_FAULT_NO_OVERLOAD);
}

static bool
is_number(br__value value)
{
    return value.kind == BR__INT || value.kind == BR__UINT || value.kind == BR__DOUBLE;
}

// The greatest (or least) of numbers of any types, the first one of equals.
static br__value
find_extreme(const br__value *items, size_t count, bool is_greatest, br__limits *limits)
{
    br__value best = br__fault(BR_FAULT_ARGUMENT);

    for (size_t i = 0; i < count; i++) {
        br__value item = br__opened(limits, items[i]);
        int order = 0;
        bool is_ordered = false;

        if (!is_number(item)) {
            return no_overload();
        }
        if (best.kind == BR__FAULT || (br__order(item, best, &order, &is_ordered) && is_ordered &&
                                       (is_greatest ? order > 0 : order < 0))) {
            best = item;
        }
    }
    return best;
}

static br__value
apply_extreme(br__code code, const br__value *args, size_t argc, br__limits *limits)
{
    bool is_greatest = code == BR__GREATEST;

    if (argc == 1 && args[0].kind == BR__LIST) {
        return br__spend(limits, args[0].len / 8)
                   ? find_extreme(args[0].items, args[0].len, is_greatest, limits)
                   : br__fault(BR_FAULT_STEPS);
    }
    return find_extreme(args, argc, is_greatest, limits);
}

static br__value
apply_rounding(br__code code, br__value value)
{
    if (value.kind != BR__DOUBLE) {
        return no_overload();
    }
    switch ((unsigned)code) {
    case BR__CEIL:
        return br__of_double(ceil(value.f));
    case BR__FLOOR:
        return br__of_double(floor(value.f));
    case BR__ROUND:
        return br__of_double(round(value.f));
    case BR__TRUNC:
        return br__of_double(trunc(value.f));
    case BR__IS_NAN:
        return br__of_bool(isnan(value.f));
    case BR__IS_INF:
        return br__of_bool(isinf(value.f));
    default:
        return br__of_bool(isfinite(value.f));
    }
}

static br__value
apply_abs(br__value value)
{
    switch ((unsigned)value.kind) {
    case BR__INT:
        return value.i == INT64_MIN ? br__fault(BR_FAULT_OVERFLOW)
                                    : br__of_int(value.i < 0 ? -value.i : value.i);
    case BR__UINT:
        return value;
    case BR__DOUBLE:
        return br__of_double(fabs(value.f));
    default:
        return no_overload();
    }
}

static br__value
apply_sign(br__value value)
{
    switch ((unsigned)value.kind) {
    case BR__INT:
        return br__of_int((value.i > 0) - (value.i < 0));
    case BR__UINT:
        return br__of_uint(value.u > 0 ? 1 : 0);
    case BR__DOUBLE:
        return isnan(value.f) ? value : br__of_double((value.f > 0) - (value.f < 0));
    default:
        return no_overload();
    }
}

static br__value
apply_sqrt(br__value value)
{
    switch ((unsigned)value.kind) {
    case BR__INT:
        return br__of_double(sqrt((double)value.i));
    case BR__UINT:
        return br__of_double(sqrt((double)value.u));
    case BR__DOUBLE:
        return br__of_double(sqrt(value.f));
    default:
        return no_overload();
    }
}

static br__value
apply_bits(br__code code, const br__value *args, size_t argc)
{
    br__value result = args[0];

    for (size_t i = 0; i < argc; i++) {
        if ((args[i].kind != BR__INT && args[i].kind != BR__UINT) || args[i].kind != args[0].kind) {
            return no_overload();
        }
        if (i > 0) {
            result.u = code == BR__BIT_AND  ? result.u & args[i].u
                       : code == BR__BIT_OR ? result.u | args[i].u
                                            : result.u ^ args[i].u;
        }
    }
    result.u = code == BR__BIT_NOT ? ~result.u : result.u;
    return result;
}

static br__value
apply_shift(br__code code, br__value value, br__value by)
{
    if ((value.kind != BR__INT && value.kind != BR__UINT) || by.kind != BR__INT) {
        return no_overload();
    }
    if (by.i < 0) {
        return br__fault(BR_FAULT_ARGUMENT);
    }
    if (by.i > 63) {
        value.u = 0;
    } else {
        value.u = code == BR__BIT_SHIFT_LEFT ? value.u << by.i : value.u >> by.i;
    }
    return value;
}

br__value
br__call_math(br__code code, const br__value *args, size_t argc, br__limits *limits)
{
    switch ((unsigned)code) {
    case BR__GREATEST:
    case BR__LEAST:
        return apply_extreme(code, args, argc, limits);
    case BR__ABS:
        return apply_abs(args[0]);
    case BR__SIGN:
        return apply_sign(args[0]);
    case BR__SQRT:
        return apply_sqrt(args[0]);
    case BR__BIT_AND:
    case BR__BIT_OR:
    case BR__BIT_XOR:
    case BR__BIT_NOT:
        return apply_bits(code, args, argc);
    case BR__BIT_SHIFT_LEFT:
    case BR__BIT_SHIFT_RIGHT:
        return apply_shift(code, args[0], args[1]);
    default:
        return apply_rounding(code, args[0]);
    }
}
