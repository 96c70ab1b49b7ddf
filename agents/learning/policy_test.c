// Table tests of the learning agent's judgements.
#include "agents/learning/policy.h"
#include "tests/harness/check.h"

#define DAY (INT64_C(24) * 3600 * 1000)

static void
test_reward_table_is_the_documented_one(void **state)
{
    const struct {
        learning_cause cause;
        const char *name;
        double reward;
    } rows[] = {
        {LEARNING_DELIVERY_SUCCESS, "delivery_success", 1.0},
        {LEARNING_CUSTOMER_HAPPY, "customer_happy", 0.5},
        {LEARNING_ISSUE_RESOLVED, "issue_resolved", 0.4},
        {LEARNING_DELAY_PREVENTED, "delay_prevented", 0.3},
        {LEARNING_DELAY_OCCURRED, "delay_occurred", -0.3},
        {LEARNING_ISSUE_UNRESOLVED, "issue_unresolved", -0.5},
        {LEARNING_CUSTOMER_LOST, "customer_lost", -1.0},
    };

    (void)state;
    for (size_t i = 0; i < RT_COUNT(rows); i++) {
        CHECK_CSTR(learning_cause_name(rows[i].cause), rows[i].name);
        CHECK_NEAR(learning_reward(rows[i].cause), rows[i].reward, 0);
    }
}

static void
test_give_is_once_per_cause_and_clipped(void **state)
{
    uint32_t causes = 0;
    double total = 0;
    double delta = 0;
    double sum = 0;

    (void)state;
    CHECK_TRUE(learning_give(&causes, &total, LEARNING_DELIVERY_SUCCESS, 1.0, &delta));
    sum += delta;
    CHECK_FALSE(learning_give(&causes, &total, LEARNING_DELIVERY_SUCCESS, 1.0, &delta));
    CHECK_TRUE(learning_give(&causes, &total, LEARNING_CUSTOMER_HAPPY, 0.5, &delta));
    CHECK_NEAR(delta, 0, 0); // already at the top
    CHECK_TRUE(learning_give(&causes, &total, LEARNING_CUSTOMER_LOST, -1.0, &delta));
    sum += delta;
    CHECK_NEAR(total, 0, 1e-12);
    CHECK_NEAR(sum, total, 1e-12); // the pieces add up to the total
    CHECK_TRUE(learning_give(&causes, &total, LEARNING_FEEDBACK, -1.0, &delta));
    CHECK_TRUE(learning_give(&causes, &total, LEARNING_ISSUE_UNRESOLVED, -0.5, &delta));
    CHECK_NEAR(total, -1, 1e-12);
}

static void
test_labels_go_by_model_name(void **state)
{
    (void)state;
    CHECK_INT(learning_label_of(RT_STR("delay-risk")), LEARNING_LABEL_LATE);
    CHECK_INT(learning_label_of(RT_STR("churn-risk")), LEARNING_LABEL_LOST);
    CHECK_INT(learning_label_of(RT_STR("next-best-action")), LEARNING_LABEL_REWARD);
    CHECK_INT(learning_label_of(RT_STR("eta")), LEARNING_LABEL_NONE);
}

static void
test_routes_follow_the_thresholds(void **state)
{
    const struct {
        double confidence;
        learning_route route;
    } cases[] = {
        {0.0, LEARNING_BACKLOG}, {0.6, LEARNING_BACKLOG}, {0.61, LEARNING_ASK},
        {0.8, LEARNING_ASK},     {0.81, LEARNING_APPLY},  {1.0, LEARNING_APPLY},
    };

    (void)state;
    for (size_t i = 0; i < RT_COUNT(cases); i++) {
        CHECK_INT(learning_route_of(cases[i].confidence), cases[i].route);
    }
}

static void
test_calibration_error_sees_overconfidence(void **state)
{
    learning_score honest = {0};
    learning_score boaster = {0};

    (void)state;
    for (int i = 0; i < 1000; i++) {
        bool positive = i % 10 < 3;
        CHECK_OK(learning_score_add(&honest, 0.3, positive, 1.0));
        CHECK_OK(learning_score_add(&boaster, 0.9, positive, 1.0));
    }
    CHECK_NEAR(learning_calibration_error(&honest), 0, 1e-9);
    CHECK_NEAR(learning_calibration_error(&boaster), 0.6, 1e-9);
    CHECK_ERR(learning_score_add(&honest, 1.5, true, 1.0), RT_EINVAL);
    CHECK_NEAR(honest.period.weight, 1000, 0);
}

static void
test_score_turn_keeps_the_last_period(void **state)
{
    learning_score score = {0};

    (void)state;
    for (int i = 0; i < 40; i++) {
        CHECK_OK(learning_score_add(&score, 0.5, i % 2 == 0, 0.999));
    }
    learning_score_turn(&score);
    CHECK_NEAR(score.previous_samples, 40, 0);
    CHECK_NEAR(score.previous_loss, 0.693147, 1e-5);
    CHECK_NEAR(score.period.weight, 0, 0);
    CHECK_TRUE(score.recent.weight > 30);
}

static void
test_trend_needs_evidence_and_a_difference(void **state)
{
    const struct {
        double before, before_n, now, now_n;
        bool less;
        learning_trend trend;
    } cases[] = {
        {0.5, 100, 0.4, 100, true, LEARNING_BETTER},  {0.5, 100, 0.6, 100, true, LEARNING_WORSE},
        {0.5, 100, 0.505, 100, true, LEARNING_SAME},  {0.5, 100, 0.6, 100, false, LEARNING_BETTER},
        {0.5, 29, 0.6, 100, false, LEARNING_UNKNOWN}, {0.5, 100, 0.6, 29, false, LEARNING_UNKNOWN},
    };

    (void)state;
    for (size_t i = 0; i < RT_COUNT(cases); i++) {
        CHECK_INT(learning_trend_of(cases[i].before, cases[i].before_n, cases[i].now,
                                    cases[i].now_n, cases[i].less, 0.01),
                  cases[i].trend);
    }
}

static void
test_confidences_grow_with_evidence(void **state)
{
    (void)state;
    CHECK_TRUE(learning_rate_confidence(0.3, 400, 0.08) > 0.9);
    CHECK_TRUE(learning_rate_confidence(0.3, 20, 0.08) < 0.6);
    CHECK_NEAR(learning_rate_confidence(0.05, 400, 0.08), 0, 0);
    CHECK_NEAR(learning_rate_confidence(1, 0, 0.08), 0, 0);
    CHECK_TRUE(learning_skill_confidence(0.40, 0.28, 500) > 0.8);
    CHECK_NEAR(learning_skill_confidence(0.27, 0.28, 500), 0, 0);
    CHECK_TRUE(learning_worth_confidence(-0.3, 200, 0.5) > 0.8);
    CHECK_TRUE(learning_worth_confidence(-0.3, 5, 0.5) < 0.3);
    CHECK_NEAR(learning_worth_confidence(0.3, 200, 0.5), 0, 0);
}

static void
test_base_loss_and_log_loss(void **state)
{
    (void)state;
    CHECK_NEAR(learning_base_loss(0.5), 0.693147, 1e-6);
    CHECK_TRUE(learning_base_loss(0.0) < 1e-4);
    CHECK_NEAR(learning_log_loss(0.9, true), 0.105361, 1e-6);
    CHECK_NEAR(learning_log_loss(0.9, false), 2.302585, 1e-6);
    CHECK_TRUE(isfinite(learning_log_loss(0, true)));
}

static void
test_worth_adds_pieces_of_one_decision(void **state)
{
    learning_worth worth = {0};

    (void)state;
    CHECK_OK(learning_worth_add(&worth, 1.0, true, 0, 30 * DAY));
    CHECK_OK(learning_worth_add(&worth, -0.5, false, 0, 30 * DAY));
    CHECK_NEAR(worth.period_sum / worth.period_count, 0.5, 1e-12);
    CHECK_NEAR(br_decayed_mean(&worth.recent, 0, 30 * DAY, 0, 0), 0.5, 1e-12);
    learning_worth_turn(&worth);
    CHECK_NEAR(worth.previous_mean, 0.5, 1e-12);
    CHECK_NEAR(worth.period_count, 0, 0);
    CHECK_ERR(learning_worth_add(&worth, NAN, true, 0, 30 * DAY), RT_EINVAL);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reward_table_is_the_documented_one),
        cmocka_unit_test(test_give_is_once_per_cause_and_clipped),
        cmocka_unit_test(test_labels_go_by_model_name),
        cmocka_unit_test(test_routes_follow_the_thresholds),
        cmocka_unit_test(test_calibration_error_sees_overconfidence),
        cmocka_unit_test(test_score_turn_keeps_the_last_period),
        cmocka_unit_test(test_trend_needs_evidence_and_a_difference),
        cmocka_unit_test(test_confidences_grow_with_evidence),
        cmocka_unit_test(test_base_loss_and_log_loss),
        cmocka_unit_test(test_worth_adds_pieces_of_one_decision),
    };
    return CHECK_RUN(tests);
}
