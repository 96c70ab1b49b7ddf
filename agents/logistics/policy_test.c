#include "agents/logistics/policy.h"

#include "runtime/base/civil.h"
#include "tests/harness/check.h"

#define OPTION(name) \
    {.carrier = RT_STR(name), .on_time = 0.9, .evidence = 50, .transit_days = 2, .load = -1}

static logistics_option
option(const char *name, double on_time)
{
    logistics_option o = OPTION("");

    o.carrier = rt_str_of(name);
    o.on_time = on_time;
    return o;
}

// Each row changes one thing of an otherwise equal carrier; the score must move that way.
static void
test_score_moves_with_each_input(void **state)
{
    static const struct {
        logistics_option worse;
        double days_left;
        const char *what;
    } rows[] = {
        {{RT_STR("b"), 0.8, 50, 2, 0, -1, LOGISTICS_HEALTH_UP}, 5, "less often in time"},
        {{RT_STR("b"), 0.9, 50, 4, 0, -1, LOGISTICS_HEALTH_UP}, 5, "slower"},
        {{RT_STR("b"), 0.9, 50, 2, .3, -1, LOGISTICS_HEALTH_UP}, 5, "fails more"},
        {{RT_STR("b"), 0.9, 50, 2, 0, .9, LOGISTICS_HEALTH_UP}, 5, "nearly full"},
        {{RT_STR("b"), 0.9, 50, 2, 0, -1, LOGISTICS_HEALTH_DEGRADED}, 5, "degraded"},
        {{RT_STR("b"), 0.9, 50, 4, 0, -1, LOGISTICS_HEALTH_UP}, 2, "slower, little time"},
    };
    logistics_option base = OPTION("a");

    (void)state;
    for (size_t i = 0; i < RT_COUNT(rows); i++) {
        double gap = logistics_score(&base, rows[i].days_left) -
                     logistics_score(&rows[i].worse, rows[i].days_left);

        if (!(gap > 0.005)) {
            fail_msg("%s: the score falls by %g only", rows[i].what, gap);
        }
    }
}

static void
test_score_down_is_zero_and_full_is_not(void **state)
{
    logistics_option o = OPTION("a");

    (void)state;
    o.load = 5; // far over its capacity
    CHECK_NEAR(logistics_score(&o, 10), 0.9 * 0.2, 0.002);
    o.load = 0.8;
    CHECK_NEAR(logistics_score(&o, 100), 0.9, 1e-6);
    o.health = LOGISTICS_HEALTH_DOWN;
    CHECK_NEAR(logistics_score(&o, 10), 0, 0);
}

static void
test_choose_names_best_and_runner_up_in_any_order(void **state)
{
    logistics_option options[] = {option("tcc", .80), option("envia", .95), option("servi", .90)};
    logistics_option turned[] = {options[2], options[0], options[1]};
    logistics_choice choice;
    logistics_choice again;

    (void)state;
    CHECK_TRUE(logistics_choose(options, 3, 10, &choice));
    CHECK_TRUE(logistics_choose(turned, 3, 10, &again));

    CHECK_STR(options[choice.best].carrier, "envia");
    CHECK_STR(options[choice.second].carrier, "servi");
    CHECK_STR(turned[again.best].carrier, "envia");
    CHECK_STR(turned[again.second].carrier, "servi");
    CHECK_TRUE(choice.confidence > 0.55 && choice.confidence < 0.75);
}

static void
test_choose_tie_goes_by_name(void **state)
{
    logistics_option options[] = {option("tcc", .9), option("envia", .9), option("envi", .9)};
    logistics_choice choice;

    (void)state;
    CHECK_TRUE(logistics_choose(options, 3, 10, &choice));
    CHECK_STR(options[choice.best].carrier, "envi");
    CHECK_STR(options[choice.second].carrier, "envia");
    CHECK_NEAR(choice.confidence, 0.5, 1e-9);
}

static void
test_choose_passes_over_who_is_down(void **state)
{
    logistics_option options[] = {option("envia", .99), option("tcc", .70)};
    logistics_choice choice;

    (void)state;
    options[0].health = LOGISTICS_HEALTH_DOWN;
    CHECK_TRUE(logistics_choose(options, 2, 10, &choice));
    CHECK_STR(options[choice.best].carrier, "tcc");
    CHECK_U64(choice.second, choice.best);
    options[1].health = LOGISTICS_HEALTH_DOWN;
    CHECK_FALSE(logistics_choose(options, 2, 10, &choice));
}

static void
test_choose_few_deliveries_give_little_confidence(void **state)
{
    logistics_option options[] = {option("envia", .95), option("tcc", .60)};
    logistics_choice choice;

    (void)state;
    options[0].evidence = 1;
    CHECK_TRUE(logistics_choose(options, 2, 10, &choice));
    CHECK_NEAR(choice.confidence, 0.5 + 0.5 / 11, 1e-9);
    options[0].evidence = 1000;
    CHECK_TRUE(logistics_choose(options, 2, 10, &choice));
    CHECK_TRUE(choice.confidence > 0.99);
}

static void
test_progress_risk_follows_a_log_normal(void **state)
{
    (void)state;
    // Median 2 days left: exactly as much time as that is an even chance.
    CHECK_NEAR(logistics_progress_risk(log(2), 0.5, 0, 2), 0.5, 1e-9);
    CHECK_NEAR(logistics_progress_risk(log(2), 0.5, 0, 2 * exp(0.5)), 0.158655, 1e-5);
    CHECK_NEAR(logistics_progress_risk(log(2), 0.5, 0, 0), 1, 0);
    // What has waited two days already is not delivered within the first two.
    CHECK_NEAR(logistics_progress_risk(log(2), 0.5, 2, 2 * exp(0.5) - 2), 0.158655 / 0.5, 1e-4);
    CHECK_NEAR(logistics_progress_risk(log(2), 0.5, 1e6, 1), 1, 0);
}

static void
test_reschedule_window_depends_on_the_reason(void **state)
{
    static const struct {
        logistics_fail_reason reason;
        int64_t attempt;
        const char *at; // local
        const char *want;
    } rows[] = {
        {LOGISTICS_FAIL_ABSENT, 1, "2026-11-20T10:00:00Z", "2026-11-21 17:00-20:00"},
        {LOGISTICS_FAIL_ABSENT, 1, "2026-11-21T10:00:00Z", "2026-11-23 17:00-20:00"}, // no Sunday
        {LOGISTICS_FAIL_ABSENT, 2, "2026-11-17T10:00:00Z", "2026-11-21 09:00-12:00"},
        {LOGISTICS_FAIL_ABSENT, 2, "2026-11-21T10:00:00Z", "2026-11-28 09:00-12:00"},
        {LOGISTICS_FAIL_CLOSED, 1, "2026-11-20T10:00:00Z", "2026-11-23 09:00-16:00"}, // Friday
        {LOGISTICS_FAIL_UNSAFE, 1, "2026-11-18T20:00:00Z", "2026-11-19 09:00-12:00"},
        {LOGISTICS_FAIL_VEHICLE, 1, "2026-11-18T09:00:00Z", "2026-11-18 15:00-19:00"},
        {LOGISTICS_FAIL_VEHICLE, 1, "2026-11-18T13:00:00Z", "2026-11-19 08:00-12:00"},
        {LOGISTICS_FAIL_WRONG_ADDRESS, 1, "2026-11-18T13:00:00Z", "2026-11-19 14:00-18:00"},
        {LOGISTICS_FAIL_REFUSED, 1, "2026-11-18T13:00:00Z", NULL},
    };

    (void)state;
    for (size_t i = 0; i < RT_COUNT(rows); i++) {
        char buf[LOGISTICS_WINDOW_CAP];
        int64_t at_ms = 0;
        logistics_window window;

        CHECK_OK(rt_parse_rfc3339(rt_str_of(rows[i].at), &at_ms));
        window = logistics_reschedule(rows[i].reason, rows[i].attempt, at_ms);
        CHECK_INT(window.wanted, rows[i].want != NULL);
        if (rows[i].want != NULL) {
            CHECK_CSTR(logistics_window_format(&window, buf), rows[i].want);
            CHECK_TRUE(window.from_local_ms > at_ms);
        }
    }
}

static void
test_words_of_the_catalogue_are_known(void **state)
{
    logistics_fail_reason reason;
    logistics_health health;

    (void)state;
    CHECK_TRUE(logistics_fail_reason_parse(RT_STR("unsafe"), &reason));
    CHECK_INT(reason, LOGISTICS_FAIL_UNSAFE);
    CHECK_FALSE(logistics_fail_reason_parse(RT_STR("rain"), &reason));
    CHECK_TRUE(logistics_health_parse(RT_STR("down"), &health));
    CHECK_INT(health, LOGISTICS_HEALTH_DOWN);
    CHECK_FALSE(logistics_health_parse(RT_STR(""), &health));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_score_moves_with_each_input),
        cmocka_unit_test(test_score_down_is_zero_and_full_is_not),
        cmocka_unit_test(test_choose_names_best_and_runner_up_in_any_order),
        cmocka_unit_test(test_choose_tie_goes_by_name),
        cmocka_unit_test(test_choose_passes_over_who_is_down),
        cmocka_unit_test(test_choose_few_deliveries_give_little_confidence),
        cmocka_unit_test(test_progress_risk_follows_a_log_normal),
        cmocka_unit_test(test_reschedule_window_depends_on_the_reason),
        cmocka_unit_test(test_words_of_the_catalogue_are_known),
    };

    return CHECK_RUN(tests);
}
