// Table tests of the healing agent's step machine.
#include "agents/healing/policy.h"
#include "tests/harness/check.h"

static void
test_next_goes_by_status_and_clearing(void **state)
{
    const struct {
        healing_status status;
        bool cleared;
        uint32_t step;
        healing_move move;
    } cases[] = {
        {HEALING_WAITING, true, 0, HEALING_CURED},   {HEALING_WAITING, true, 2, HEALING_CURED},
        {HEALING_WAITING, false, 0, HEALING_NEXT},   {HEALING_WAITING, false, 2, HEALING_ESCALATE},
        {HEALING_REFUSED, true, 0, HEALING_GONE},    {HEALING_REFUSED, false, 1, HEALING_NEXT},
        {HEALING_FAILED, false, 2, HEALING_ESCALATE}, {HEALING_PROPOSED, false, 0, HEALING_NEXT},
        {HEALING_PROPOSED, true, 2, HEALING_GONE},
    };

    (void)state;
    for (size_t i = 0; i < RT_COUNT(cases); i++) {
        CHECK_INT(healing_next(cases[i].status, cases[i].cleared, cases[i].step, 3),
                  cases[i].move);
    }
}

static void
test_only_warning_and_critical_start(void **state)
{
    (void)state;
    CHECK_FALSE(healing_starts(RT_STR("info")));
    CHECK_TRUE(healing_starts(RT_STR("warning")));
    CHECK_TRUE(healing_starts(RT_STR("critical")));
}

static void
test_note_lists_steps_and_stays_bounded(void **state)
{
    rt_text tried;

    (void)state;
    rt_text_init(&tried, HEALING_TRIED_MAX + 1);
    healing_note(&tried, 0, RT_STR("shed_load"), "no effect", RT_STR(""));
    healing_note(&tried, 1, RT_STR("restart_part"), "refused", RT_STR("cooldown"));
    CHECK_STR(rt_text_view(&tried), "1 shed_load: no effect; 2 restart_part: refused (cooldown)");
    for (uint32_t i = 2; i < 200; i++) {
        healing_note(&tried, i, RT_STR("restart_part"), "no effect", RT_STR(""));
    }
    CHECK_TRUE(tried.len <= HEALING_TRIED_MAX);
    CHECK_TRUE(memcmp(tried.ptr + tried.len - 5, "; ...", 5) == 0);
    CHECK_TRUE(memcmp(tried.ptr + tried.len - 10, "; ...; ...", 10) != 0);
    rt_text_fini(&tried);
}

static void
test_confidence_follows_the_record(void **state)
{
    (void)state;
    CHECK_NEAR(healing_confidence(&(healing_tally){0}), 2.0 / 3.0, 1e-12);
    CHECK_NEAR(healing_confidence(&(healing_tally){.tried = 97, .cured = 88}), 0.9, 1e-12);
    CHECK_TRUE(healing_confidence(&(healing_tally){.tried = 20}) < 0.1);
}

static void
test_hopeless_is_said_at_every_fifth_try(void **state)
{
    int said = 0;

    (void)state;
    for (uint64_t tried = 0; tried <= 12; tried++) {
        said += healing_is_hopeless(&(healing_tally){.tried = tried}) ? 1 : 0;
    }
    CHECK_INT(said, 2);
    CHECK_FALSE(healing_is_hopeless(&(healing_tally){.tried = 5, .cured = 1}));
    CHECK_TRUE(healing_hopeless_confidence(&(healing_tally){.tried = 5}) > 0.6);
    CHECK_NEAR(healing_hopeless_confidence(&(healing_tally){.tried = 50}), 0.8, 0);
}

static void
test_priority_rises_for_critical_within_bounds(void **state)
{
    (void)state;
    CHECK_INT(healing_priority(70, RT_STR("warning")), 70);
    CHECK_INT(healing_priority(70, RT_STR("critical")), 80);
    CHECK_INT(healing_priority(95, RT_STR("critical")), 100);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_next_goes_by_status_and_clearing),
        cmocka_unit_test(test_only_warning_and_critical_start),
        cmocka_unit_test(test_note_lists_steps_and_stays_bounded),
        cmocka_unit_test(test_confidence_follows_the_record),
        cmocka_unit_test(test_hopeless_is_said_at_every_fifth_try),
        cmocka_unit_test(test_priority_rises_for_critical_within_bounds),
    };
    return CHECK_RUN(tests);
}
