#include "brain/expr/distance.h"
#include "brain/expr/expr_internal.h"

#include "runtime/base/check.h"

// Design notes.
// Functions of our own, pure like all others: distances, holidays, working days. A calendar comes
// in as a constant that the checker has looked up, so nothing is searched while evaluating.
// Counting working days looks at each of them, and takes a step for each.

#define DAY_MS INT64_C(86400000)

static br__value
no_overload(void)
{
    return br__fault(BR_FAULT_NO_OVERLOAD);
}

static br__value
apply_distance(const br__value *args)
{
    double km = 0;

    for (size_t i = 0; i < 4; i++) {
        if (args[i].kind != BR__DOUBLE) {
            return no_overload();
        }
    }
    return br_distance_km(args[0].f, args[1].f, args[2].f, args[3].f, &km)
               ? br__of_double(km)
               : br__fault(BR_FAULT_ARGUMENT);
}

static br__value
apply_holiday(const br__value *args, size_t argc)
{
    rt_civil day;

    if (args[0].kind != BR__TIME || (argc == 2 && args[1].kind != BR__STRING)) {
        return no_overload();
    }
    if (argc == 2 && !rt_str_is(br__text(args[1]), "CO")) {
        return br__fault(BR_FAULT_ARGUMENT);
    }
    day = rt_civil_from_ms(br_local_ms(RT_STR("America/Bogota"), args[0].i));
    return br__of_bool(br_holiday_co(day.year, day.month, day.day));
}

static int64_t
day_of(const br_hours *hours, int64_t at_ms)
{
    int64_t local_ms = br_local_ms(hours->zone, at_ms);

    return local_ms / DAY_MS - (local_ms % DAY_MS < 0 ? 1 : 0);
}

// Working days after the day of `from` until the day of `to`, below zero when that is earlier.
static br__value
count_days(const br_hours *hours, int64_t from_ms, int64_t to_ms, br__limits *limits)
{
    int64_t first = day_of(hours, RT_MIN(from_ms, to_ms));
    int64_t last = day_of(hours, RT_MAX(from_ms, to_ms));
    int64_t count = 0;

    if (last - first > BR_EXPR_DAYS_MAX) {
        return br__fault(BR_FAULT_ARGUMENT);
    }
    if (!br__spend(limits, (size_t)(last - first))) {
        return br__fault(BR_FAULT_STEPS);
    }
    for (int64_t day = first + 1; day <= last; day++) {
        count += br_hours_works(hours, day * DAY_MS) ? 1 : 0;
    }
    return br__of_int(from_ms <= to_ms ? count : -count);
}

br__value
br__call_own(br__code code, const br__value *args, size_t argc, br__limits *limits)
{
    switch ((unsigned)code) {
    case BR__DISTANCE:
        return apply_distance(args);
    case BR__IS_HOLIDAY:
        return apply_holiday(args, argc);
    case BR__IS_BUSINESS_HOURS:
        return args[0].kind == BR__TIME && args[1].kind == BR__CALENDAR
                   ? br__of_bool(br_hours_open(args[1].hours, args[0].i))
                   : no_overload();
    case BR__BUSINESS_DAYS:
        return args[0].kind == BR__TIME && args[1].kind == BR__TIME &&
                       args[2].kind == BR__CALENDAR
                   ? count_days(args[2].hours, args[0].i, args[1].i, limits)
                   : no_overload();
    default:
        RT_UNREACHABLE("functions of our own are listed here");
    }
}
