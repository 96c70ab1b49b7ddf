// Functions of our own: values, what is refused, and what they cost.
#include "brain/expr/expr_internal.h"
#include "tests/harness/check.h"

static const br_hours office = {8 * 60, 18 * 60, 0x3e, false, {"America/Bogota", 14}};

static bool
resolve(void *user, rt_str path, br_expr_var *ret_var)
{
    (void)user;
    *ret_var = (br_expr_var){.kind = rt_str_is(path, "data.at")    ? RT_KIND_TIME
                                     : rt_str_is(path, "data.lat") ? RT_KIND_F64
                                                                   : RT_KIND_STR};
    ret_var->slot = (uint32_t)ret_var->kind;
    return rt_str_is(path, "data.at") || rt_str_is(path, "data.lat") ||
           rt_str_is(path, "data.name");
}

static rt_value
load(const void *user, uint32_t slot)
{
    (void)user;
    return slot == RT_KIND_TIME  ? RT_TIME(INT64_C(1795186800000)) // 2026-11-20T15:00:00-05:00
           : slot == RT_KIND_F64 ? RT_F64(4.711)
                                 : RT_TEXT(RT_STR("office"));
}

static const br_hours *
calendar(void *user, rt_str name)
{
    (void)user;
    return rt_str_is(name, "office") ? &office : NULL;
}

static size_t
calendars(void *user, rt_str *ret_names, size_t max)
{
    (void)user;
    (void)max;
    ret_names[0] = RT_STR("office");
    return 1;
}

static const br_expr_env env = {.resolve = resolve, .calendar = calendar, .calendars = calendars};

typedef struct row {
    const char *source;
    const char *want;
} row;

static void
show(const char *source, const br_expr_env *names, bool folds, rt_text *out)
{
    rt_arena *arena = rt_arena_new(1 << 20);
    br__mode mode = {.folds = folds, .keeps_result = true};
    br__limits limits = {.arena = arena, .steps = BR_EXPR_STEPS_MAX};
    rt_diag *diag = rt_diag_new();
    br_expr *expr = NULL;

    if (br__compile_as(rt_str_of(source), NULL, names, RT_KIND_NONE, mode, diag, &expr) != RT_OK) {
        rt_finding found = rt_diag_at(diag, 0);

        rt_text_printf(out, "%s:%u: %s", found.code, (unsigned)found.mark.column, found.message);
        if (found.help != NULL) {
            rt_text_printf(out, " (%s)", found.help);
        }
    } else {
        br__put_value(out, &limits, br__evaluate(expr, load, NULL, &limits));
    }
    br_expr_free(expr);
    rt_diag_free(diag);
    rt_arena_free(arena);
}

static void
check_rows(const row *rows, size_t count, const br_expr_env *names)
{
    size_t failed = 0;

    for (size_t i = 0; i < 2 * count; i++) {
        rt_text out;

        rt_text_init(&out, 1 << 16);
        show(rows[i / 2].source, names, i % 2 == 0, &out);
        if (!rt_str_is(rt_text_view(&out), rows[i / 2].want)) {
            print_error("%s\n  got  %.*s\n  want %s\n", rows[i / 2].source, (int)out.len, out.ptr,
                        rows[i / 2].want);
            failed++;
        }
        rt_text_fini(&out);
    }
    CHECK_INT(failed, 0);
}

static void
test_own_values(void **state)
{
    static const row rows[] = {
        {"distance(data.lat, -74.0721, 6.2442, -75.5812) > 238.67", "true"},
        {"distance(data.lat, -74.0721, 6.2442, -75.5812) < 238.68", "true"},
        {"distance(4.0, -74.0, 4.0, -74.0)", "0"},
        {"distance(dyn(4.0), -74.0, 4.0, -74.0)", "0"},
        {"distance(91.0, 0.0, 0.0, 0.0)", "invalid argument"},
        {"is_business_hours(data.at, 'office')", "true"},
        {"is_business_hours(timestamp('2026-11-20T18:00:00-05:00'), 'office')", "false"},
        {"is_business_hours(timestamp('2026-11-16T12:00:00-05:00'), \"office\")", "false"},
        {"is_holiday(timestamp('2026-11-16T12:00:00-05:00'))", "true"},
        // in Bogota it is still the holiday
        {"is_holiday(timestamp('2026-11-17T04:59:59Z'), 'CO')", "true"},
        {"is_holiday(timestamp('2026-11-17T05:00:00Z'), 'CO')", "false"},
        {"is_holiday(data.at)", "false"},
        {"is_holiday(data.at, data.name)", "invalid argument"},
        {"business_days_between(data.at, data.at, 'office')", "0"},
        {"business_days_between(data.at, data.at + duration('24h'), 'office')", "0"},
        {"business_days_between(data.at, data.at + duration('72h'), 'office')", "1"},
        {"business_days_between(data.at + duration('72h'), data.at, 'office')", "-1"},
        // the sixteenth is a holiday
        {"business_days_between(timestamp('2026-11-13T23:00:00-05:00'), "
         "timestamp('2026-11-18T01:00:00-05:00'), 'office')",
         "2"},
        {"business_days_between(timestamp('2026-01-01T00:00:00-05:00'), "
         "timestamp('2026-12-31T00:00:00-05:00'), 'office')",
         "243"},
        {"business_days_between(timestamp('2000-01-01T00:00:00Z'), data.at, 'office')",
         "invalid argument"},
    };

    (void)state;
    check_rows(rows, RT_COUNT(rows), &env);
}

static void
test_own_calls_that_are_refused(void **state)
{
    static const row rows[] = {
        {"distance(4, -74.0, 4.0, -74.0)",
         "B2104:1: no such overload: distance(int, double, double, double)"},
        {"distance(4.0, -74.0)",
         "B2104:1: no such overload: distance() with 2 arguments"},
        {"distence(4.0, -74.0, 4.0, 4.0)",
         "B2107:1: unknown function 'distence' (did you mean 'distance'?)"},
        {"is_business_hours(data.at, 'ofice')",
         "B2107:28: unknown calendar 'ofice' (did you mean 'office'?)"},
        {"is_business_hours(data.at, data.name)",
         "B2104:28: the calendar has to be named here (write its name in quotes)"},
        {"is_business_hours('office', data.at)",
         "B2104:1: no such overload: is_business_hours(string, timestamp)"},
        {"is_holiday(data.at, 'US')",
         "B2104:21: the holidays of Colombia are known only (write \"CO\")"},
        {"data.at.is_holiday()",
         "B2104:9: is_holiday() is called without a receiver"},
        {"business_days_between(data.at, data.at, '')",
         "B2107:41: unknown calendar ''"},
    };

    (void)state;
    check_rows(rows, RT_COUNT(rows), &env);
}

// An environment without calendars has none of any name.
static void
test_own_without_calendars(void **state)
{
    static const br_expr_env bare = {.resolve = resolve};
    static const row rows[] = {
        {"is_business_hours(data.at, 'office')",
         "B2107:28: unknown calendar 'office'"},
        {"is_holiday(data.at)", "false"},
    };

    (void)state;
    check_rows(rows, RT_COUNT(rows), &bare);
}

// A day costs a step, so that loops around it end.
static void
test_own_days_are_paid_for(void **state)
{
    static const row rows[] = {
        {"[1, 2].map(i, business_days_between(data.at, data.at + duration('86400h'), 'office'))",
         "[2412, 2412]"},
        {"[1, 2, 3].map(i, business_days_between(data.at, data.at + duration('86400h'), 'office'))",
         "too many steps"},
    };

    (void)state;
    check_rows(rows, RT_COUNT(rows), &env);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_own_values),
        cmocka_unit_test(test_own_calls_that_are_refused),
        cmocka_unit_test(test_own_without_calendars),
        cmocka_unit_test(test_own_days_are_paid_for),
    };
    return CHECK_RUN(tests);
}
