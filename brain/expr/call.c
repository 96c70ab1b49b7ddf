#include "brain/expr/expr_internal.h"

#include "runtime/base/check.h"

// Design notes.
// Functions by family. Arguments are sound values, of any kind when their type was not known; a
// kind that has no overload is BR_FAULT_NO_OVERLOAD.

static br__value
no_overload(void)
{
    return br__fault(BR_FAULT_NO_OVERLOAD);
}

static br__value
size_of(br__value value)
{
    switch ((unsigned)value.kind) {
    case BR__STRING:
        return br__of_int(br__utf8_count(br__text(value)));
    case BR__BYTES:
    case BR__LIST:
    case BR__MAP:
        return br__of_int(value.len);
    default:
        return no_overload();
    }
}

// What optional.ofNonZeroValue() takes for nothing.
static bool
is_zero(br__value value)
{
    switch ((unsigned)value.kind) {
    case BR__NULL:
        return true;
    case BR__BOOL:
        return !value.b;
    case BR__INT:
    case BR__UINT:
        return value.i == 0;
    case BR__DOUBLE:
        return value.f == 0;
    case BR__DURATION:
        return value.i == 0 && value.len == 0;
    case BR__STRING:
    case BR__BYTES:
    case BR__LIST:
    case BR__MAP:
        return value.len == 0;
    case BR__OPTIONAL:
        return value.items == NULL;
    default:
        return false;
    }
}

br__value
br__call_optional(br__code code, const br__value *args, br__limits *limits)
{
    bool is_none = code != BR__OPT_NONE && args[0].kind == BR__OPTIONAL && args[0].items == NULL;

    if (code == BR__OPT_NONE || (code == BR__OPT_OF_NON_ZERO && is_zero(args[0]))) {
        return (br__value){.kind = BR__OPTIONAL, .depth = 1};
    }
    if (code == BR__OPT_OF || code == BR__OPT_OF_NON_ZERO) {
        br__value made = br__some(limits, args[0]);

        return made.kind == BR__OPTIONAL && made.depth == 0 ? br__fault(BR_FAULT_TOO_DEEP) : made;
    }
    if (args[0].kind != BR__OPTIONAL) {
        return no_overload();
    }
    switch ((unsigned)code) {
    case BR__HAS_VALUE:
        return br__of_bool(!is_none);
    case BR__VALUE:
        return is_none ? br__fault(BR_FAULT_EMPTY) : br__opened(limits, args[0].items[0]);
    case BR__OPT_OR:
        if (!is_none) {
            return args[0];
        }
        return args[1].kind == BR__OPTIONAL ? args[1] : no_overload();
    default:
        return is_none ? args[1] : br__opened(limits, args[0].items[0]);
    }
}

br__value
br__call(br__code code, const br__value *args, size_t argc, br__limits *limits)
{
    if (code == BR__NO_FUNCTION) {
        return no_overload();
    }
    if (code == BR__SIZE) {
        return size_of(args[0]);
    }
    if (code <= BR__QUOTE || code == BR__ENCODE || code == BR__DECODE) {
        return br__call_text(code, args, argc, limits);
    }
    if (code <= BR__TO_DURATION) {
        return br__call_convert(code, args[0], limits);
    }
    if (code <= BR__GET_MILLISECONDS) {
        return br__call_time(code, args, argc);
    }
    if (code <= BR__BIT_SHIFT_RIGHT) {
        return br__call_math(code, args, argc, limits);
    }
    if (code <= BR__OR_VALUE) {
        return br__call_optional(code, args, limits);
    }
    return br__call_own(code, args, argc, limits);
}
