// Table tests of the customer agent's decisions.
#include "agents/customer/policy.h"
#include "runtime/base/civil.h"
#include "tests/harness/check.h"

#define HOUR CUSTOMER_HOUR_MS
#define DAY CUSTOMER_DAY_MS
#define NOW INT64_C(1763640000000) // 2025-11-20T12:00:00Z, 07:00 in Colombia
#define COLOMBIA (-5 * HOUR)

static customer_config
config_of(void)
{
    return (customer_config){
        .contacts_day = 3,
        .contacts_week = 6,
        .contact_gap_ms = 2 * HOUR,
        .quiet_from_min = 20 * 60,
        .quiet_to_min = 7 * 60,
        .half_life_ms = 60 * DAY,
        .prior_weight = 8,
        .reward_sd = 0.5,
        .cop_per_reward = 150000,
        .fatigue_day = 0.08,
        .fatigue_week = 0.02,
        .vip_spent_cop = 2000000,
        .voucher_share = 0.08,
        .voucher_min_cop = 5000,
        .voucher_max_cop = 40000,
        .message_cop = 50,
        .call_cop = 4000,
        .rhythm_prior_ms = 45 * DAY,
        .mood_prior = 0.2,
    };
}

static customer_profile
regular(void)
{
    customer_profile profile = {.version = CUSTOMER_PROFILE_VERSION};

    for (int i = 0; i < 5; i++) {
        customer_note_order(&profile, NOW - (30 - 5 * i) * DAY, 80000);
    }
    return profile;
}

static customer_case
late_order(void)
{
    return (customer_case){
        .trigger = CUSTOMER_DELAY,
        .happened_ms = NOW,
        .risk = 1,
        .delay_hours = 30,
        .value_cop = 200000,
        .has_order = true,
    };
}

static void
test_quiet_hours_end_in_the_local_morning(void **state)
{
    const struct {
        const char *at;
        const char *until; // NULL = not quiet
    } cases[] = {
        {"2025-11-20T12:00:00Z", NULL}, // 07:00 local
        {"2025-11-20T11:59:59Z", "2025-11-20T12:00:00Z"},
        {"2025-11-21T00:59:59Z", NULL}, // 19:59:59 local
        {"2025-11-21T01:00:00Z", "2025-11-21T12:00:00Z"},
        {"2025-11-21T04:59:00Z", "2025-11-21T12:00:00Z"}, // just before midnight
        {"2025-11-21T05:01:00Z", "2025-11-21T12:00:00Z"}, // just after
    };
    customer_config config = config_of();

    (void)state;
    for (size_t i = 0; i < RT_COUNT(cases); i++) {
        int64_t at;
        int64_t until = 0;
        CHECK_OK(rt_parse_rfc3339(rt_str_of(cases[i].at), &at));
        if (cases[i].until != NULL) {
            CHECK_OK(rt_parse_rfc3339(rt_str_of(cases[i].until), &until));
        }
        CHECK_INT(customer_quiet_until(&config, at, COLOMBIA), until);
    }
}

static void
test_quiet_hours_within_one_day_and_none(void **state)
{
    customer_config config = config_of();

    (void)state;
    config.quiet_from_min = 60;
    config.quiet_to_min = 120;
    CHECK_INT(customer_quiet_until(&config, 90 * 60000, 0), 120 * 60000);
    CHECK_INT(customer_quiet_until(&config, 120 * 60000, 0), 0);
    config.quiet_to_min = 60;
    CHECK_INT(customer_quiet_until(&config, 60 * 60000, 0), 0);
}

static void
test_parse_minutes_takes_only_times_of_day(void **state)
{
    const char *bad[] = {"24:00", "7:00", "07:60", "0700", "aa:00", "", "-1:00", "07:001"};
    int64_t minutes = 0;

    (void)state;
    CHECK_OK(customer_parse_minutes(RT_STR("20:30"), &minutes));
    CHECK_INT(minutes, 1230);
    for (size_t i = 0; i < RT_COUNT(bad); i++) {
        CHECK_ERR(customer_parse_minutes(rt_str_of(bad[i]), &minutes), RT_EINVAL);
    }
    CHECK_INT(minutes, 1230);
}

static void
test_contacts_count_within_windows(void **state)
{
    customer_profile profile = regular();

    (void)state;
    customer_note_contact(&profile, NOW - 8 * DAY);
    customer_note_contact(&profile, NOW - 3 * DAY);
    customer_note_contact(&profile, NOW - HOUR);
    CHECK_INT(customer_contacts(&profile, NOW, DAY), 1);
    CHECK_INT(customer_contacts(&profile, NOW, 7 * DAY), 2);
    for (int i = 0; i < 40; i++) { // the ring keeps the newest
        customer_note_contact(&profile, NOW - HOUR);
    }
    CHECK_INT(customer_contacts(&profile, NOW, DAY), CUSTOMER_CONTACTS_MAX);
}

static void
test_caps_leave_only_what_reaches_nobody(void **state)
{
    customer_config config = config_of();
    customer_profile profile = regular();
    customer_case what = late_order();

    (void)state;
    CHECK_TRUE(customer_eligible(&config, &profile, &what, NOW) & 1u << CUSTOMER_NOTIFY);
    customer_note_contact(&profile, NOW - 3 * HOUR); // past the gap, below the cap
    CHECK_TRUE(customer_eligible(&config, &profile, &what, NOW) & 1u << CUSTOMER_NOTIFY);
    customer_note_contact(&profile, NOW - HOUR); // within the gap
    CHECK_INT(customer_eligible(&config, &profile, &what, NOW), 1u << CUSTOMER_NOTHING);
    what = (customer_case){.trigger = CUSTOMER_ISSUE, .detail = CUSTOMER_DAMAGED,
                           .has_order = true};
    CHECK_TRUE(customer_eligible(&config, &profile, &what, NOW) & 1u << CUSTOMER_NOTIFY);
    customer_note_contact(&profile, NOW - 4 * HOUR); // third within 24 h
    CHECK_INT(customer_eligible(&config, &profile, &what, NOW),
              1u << CUSTOMER_NOTHING | 1u << CUSTOMER_CASE);
}

static void
test_weekly_cap_holds_although_the_day_was_quiet(void **state)
{
    customer_config config = config_of();
    customer_profile profile = regular();
    customer_case what = late_order();

    (void)state;
    for (int i = 0; i < 6; i++) {
        customer_note_contact(&profile, NOW - (2 + i / 2) * DAY);
    }
    CHECK_INT(customer_eligible(&config, &profile, &what, NOW), 1u << CUSTOMER_NOTHING);
    CHECK_TRUE(customer_eligible(&config, &profile, &what, NOW + 3 * DAY) &
               1u << CUSTOMER_NOTIFY);
}

static void
test_moot_depends_on_what_delivery_settles(void **state)
{
    const struct {
        customer_trigger trigger;
        customer_detail detail;
        int64_t delivered_ms;
        bool cancelled;
        bool moot;
    } cases[] = {
        {CUSTOMER_DELAY, CUSTOMER_DETAIL_NONE, 0, false, false},
        {CUSTOMER_DELAY, CUSTOMER_DETAIL_NONE, NOW - HOUR, false, true},
        {CUSTOMER_DELAY, CUSTOMER_DETAIL_NONE, 0, true, true},
        {CUSTOMER_FAILED, CUSTOMER_ABSENT, NOW + HOUR, false, true},
        {CUSTOMER_ISSUE, CUSTOMER_DAMAGED, NOW + HOUR, false, false},
        {CUSTOMER_ISSUE, CUSTOMER_LATE, NOW - HOUR, false, false},
        {CUSTOMER_ISSUE, CUSTOMER_LATE, NOW + HOUR, false, true},
        {CUSTOMER_INQUIRY, CUSTOMER_DETAIL_NONE, NOW + HOUR, false, true},
        {CUSTOMER_FEEDBACK, CUSTOMER_DETAIL_NONE, NOW - HOUR, false, false},
        {CUSTOMER_CANCELLED, CUSTOMER_DETAIL_NONE, 0, true, false},
    };

    (void)state;
    for (size_t i = 0; i < RT_COUNT(cases); i++) {
        customer_case what = {.trigger = cases[i].trigger,
                              .detail = cases[i].detail,
                              .happened_ms = NOW,
                              .delivered_ms = cases[i].delivered_ms,
                              .cancelled = cases[i].cancelled};
        CHECK_INT(customer_moot(&what), cases[i].moot);
    }
}

static void
test_deserves_only_angry_or_repeated_or_bad(void **state)
{
    (void)state;
    CHECK_FALSE(customer_deserves(&(customer_case){.trigger = CUSTOMER_INQUIRY, .mood = -0.3}));
    CHECK_TRUE(customer_deserves(&(customer_case){.trigger = CUSTOMER_INQUIRY, .mood = -0.5}));
    CHECK_TRUE(customer_deserves(&(customer_case){.trigger = CUSTOMER_INQUIRY, .repeated = true}));
    CHECK_TRUE(customer_deserves(&(customer_case){.trigger = CUSTOMER_FEEDBACK, .score = 2}));
    CHECK_FALSE(customer_deserves(&(customer_case){.trigger = CUSTOMER_FEEDBACK, .score = 3}));
}

static void
test_third_inquiry_within_a_day_is_repeated(void **state)
{
    customer_profile profile = regular();

    (void)state;
    CHECK_FALSE(customer_note_inquiry(&profile, NOW - 30 * HOUR));
    CHECK_FALSE(customer_note_inquiry(&profile, NOW - 5 * HOUR));
    CHECK_FALSE(customer_note_inquiry(&profile, NOW - HOUR));
    CHECK_TRUE(customer_note_inquiry(&profile, NOW));
}

static void
test_churn_risk_goes_by_the_customers_own_rhythm(void **state)
{
    customer_config config = config_of();
    customer_profile weekly = {0};
    customer_profile yearly = {0};
    double content;

    (void)state;
    for (int i = 0; i < 8; i++) {
        customer_note_order(&weekly, NOW - (100 - 7 * i) * DAY, 50000);
        customer_note_order(&yearly, NOW - (8 * 300 - 40 - 300 * i) * DAY, 50000);
    }
    yearly.last_order_ms = weekly.last_order_ms;
    CHECK_TRUE(customer_churn_risk(&config, &weekly, NOW) > 0.8);
    CHECK_TRUE(customer_churn_risk(&config, &yearly, NOW) < 0.3);
    content = customer_churn_risk(&config, &yearly, NOW);
    CHECK_OK(customer_note_mood(&yearly, NOW, -1, 5));
    CHECK_TRUE(customer_churn_risk(&config, &yearly, NOW) > 2 * content);
    yearly.lost_ms = NOW;
    CHECK_NEAR(customer_churn_risk(&config, &yearly, NOW), 1, 0);
}

static void
test_segments(void **state)
{
    customer_config config = config_of();
    customer_profile profile = {0};

    (void)state;
    customer_note_order(&profile, NOW - 200 * DAY, 60000);
    CHECK_INT(customer_segment_of(&config, &profile, NOW - 199 * DAY), CUSTOMER_NEW);
    customer_note_order(&profile, NOW - 190 * DAY, 60000);
    CHECK_INT(customer_segment_of(&config, &profile, NOW - 189 * DAY), CUSTOMER_REGULAR);
    CHECK_INT(customer_segment_of(&config, &profile, NOW), CUSTOMER_AT_RISK);
    customer_note_order(&profile, NOW, 2000000);
    CHECK_INT(customer_segment_of(&config, &profile, NOW), CUSTOMER_VIP);
}

static void
test_severity_table(void **state)
{
    const struct {
        customer_case what;
        double severity;
    } cases[] = {
        {{.trigger = CUSTOMER_DELAY, .risk = 0.6}, 0.3},
        {{.trigger = CUSTOMER_DELAY, .risk = 1, .delay_hours = 24}, 0.75},
        {{.trigger = CUSTOMER_DELAY, .risk = 1, .delay_hours = 1000}, 1},
        {{.trigger = CUSTOMER_FAILED, .attempt = 1}, 0.3},
        {{.trigger = CUSTOMER_FAILED, .attempt = 3}, 0.7},
        {{.trigger = CUSTOMER_FAILED, .attempt = 1, .detail = CUSTOMER_WRONG_ADDRESS}, 0.5},
        {{.trigger = CUSTOMER_ISSUE, .detail = CUSTOMER_LOST}, 0.9},
        {{.trigger = CUSTOMER_INQUIRY, .mood = -1, .repeated = true}, 1},
        {{.trigger = CUSTOMER_FEEDBACK, .score = 1}, 0.8},
    };

    (void)state;
    for (size_t i = 0; i < RT_COUNT(cases); i++) {
        CHECK_NEAR(customer_severity(&cases[i].what), cases[i].severity, 1e-9);
    }
}

static void
test_voucher_is_whole_thousands_within_bounds(void **state)
{
    customer_config config = config_of();
    customer_case what = late_order(); // severity 0.8125

    (void)state;
    CHECK_INT(customer_voucher_cop(&config, &what), 21000);
    what.value_cop = 1;
    CHECK_INT(customer_voucher_cop(&config, &what), 5000);
    what.value_cop = 1e15;
    CHECK_INT(customer_voucher_cop(&config, &what), 40000);
}

static void
test_choice_follows_what_was_learned(void **state)
{
    customer_config config = config_of();
    customer_profile profile = regular();
    customer_case what = late_order();
    uint32_t all = customer_eligible(&config, &profile, &what, NOW);
    br_decayed rewards[CUSTOMER_OPTIONS] = {0};
    int calls = 0;
    rt_rng rng;

    (void)state;
    rt_rng_seed(&rng, 7, 1);
    for (int i = 0; i < 300; i++) {
        CHECK_OK(customer_learn(&config, &rewards[CUSTOMER_CALL], 0.9, true, NOW));
        CHECK_OK(customer_learn(&config, &rewards[CUSTOMER_NOTIFY], -0.3, true, NOW));
    }
    for (int i = 0; i < 200; i++) {
        calls += customer_choose(&config, &profile, &what, rewards, all, NOW, &rng).option ==
                         CUSTOMER_CALL
                     ? 1
                     : 0;
    }
    CHECK_TRUE(calls >= 198);
}

static void
test_several_rewards_of_one_decision_add_up(void **state)
{
    customer_config config = config_of();
    br_decayed reward = {0};

    (void)state;
    CHECK_OK(customer_learn(&config, &reward, 1.0, true, NOW));
    CHECK_OK(customer_learn(&config, &reward, -0.4, false, NOW));
    CHECK_NEAR(br_decayed_mean(&reward, NOW, config.half_life_ms, 0, 0), 0.6, 1e-12);
    CHECK_NEAR(br_decayed_weight(&reward, NOW, config.half_life_ms), 1, 1e-12);
}

static void
test_propensity_is_the_frequency_of_the_draw(void **state)
{
    customer_config config = config_of();
    customer_profile profile = regular();
    customer_case what = late_order();
    uint32_t all = customer_eligible(&config, &profile, &what, NOW);
    br_decayed rewards[CUSTOMER_OPTIONS] = {0};
    double logged[CUSTOMER_OPTIONS] = {0};
    int chosen[CUSTOMER_OPTIONS] = {0};
    double sum = 0;
    rt_rng rng;

    (void)state;
    rt_rng_seed(&rng, 11, 1);
    for (int i = 0; i < 20000; i++) {
        customer_choice choice =
            customer_choose(&config, &profile, &what, rewards, all, NOW, &rng);
        chosen[choice.option]++;
        logged[choice.option] = choice.propensity;
    }
    for (size_t i = 0; i < CUSTOMER_OPTIONS; i++) {
        CHECK_NEAR(chosen[i] / 20000.0, logged[i], 0.015);
        sum += logged[i];
    }
    CHECK_NEAR(sum, 1, 1e-3);
    CHECK_TRUE(chosen[CUSTOMER_CASE] == 0); // not eligible for a delay
    CHECK_TRUE(chosen[CUSTOMER_NOTHING] > 0 && chosen[CUSTOMER_NOTIFY] > chosen[CUSTOMER_CALL]);
}

static void
test_only_option_has_propensity_one(void **state)
{
    customer_config config = config_of();
    customer_profile profile = regular();
    customer_case what = late_order();
    br_decayed rewards[CUSTOMER_OPTIONS] = {0};
    customer_choice choice;
    rt_rng rng;

    (void)state;
    rt_rng_seed(&rng, 1, 1);
    choice = customer_choose(&config, &profile, &what, rewards, 1u << CUSTOMER_NOTHING, NOW, &rng);
    CHECK_INT(choice.option, CUSTOMER_NOTHING);
    CHECK_NEAR(choice.propensity, 1, 1e-9);
    CHECK_INT(choice.cost_cop, 0);
}

static void
test_fatigue_turns_towards_silence(void **state)
{
    customer_config config = config_of();
    customer_profile rested = regular();
    customer_profile tired = regular();
    customer_case what = late_order();
    br_decayed rewards[CUSTOMER_OPTIONS] = {0};
    int silent[2] = {0, 0};
    rt_rng rng;

    (void)state;
    customer_note_contact(&tired, NOW - 5 * HOUR);
    customer_note_contact(&tired, NOW - 6 * HOUR);
    rt_rng_seed(&rng, 3, 1);
    for (int i = 0; i < 2000; i++) {
        uint32_t all = customer_eligible(&config, &rested, &what, NOW);
        silent[0] += customer_choose(&config, &rested, &what, rewards, all, NOW, &rng).option ==
                     CUSTOMER_NOTHING;
        all = customer_eligible(&config, &tired, &what, NOW);
        silent[1] += customer_choose(&config, &tired, &what, rewards, all, NOW, &rng).option ==
                     CUSTOMER_NOTHING;
    }
    CHECK_TRUE(silent[1] > 2 * silent[0]);
}

static void
check_text(const customer_case *what, customer_option option, customer_segment segment,
           int64_t amount_cop, const char *expected)
{
    rt_text out;

    rt_text_init(&out, CUSTOMER_TEXT_MAX);
    customer_text(what, option, segment, RT_STR("45871"), amount_cop, &out);
    CHECK_STR(rt_text_view(&out), expected);
    rt_text_fini(&out);
}

static void
test_texts_say_what_happened(void **state)
{
    customer_case late = late_order();
    customer_case absent = {.trigger = CUSTOMER_FAILED, .detail = CUSTOMER_ABSENT, .attempt = 2};

    (void)state;
    check_text(&late, CUSTOMER_NOTIFY, CUSTOMER_VIP, 0,
               "Hola, ¿cómo está? Le pedimos disculpas: su pedido 45871 no llegó en la fecha que "
               "le prometimos. Ya estamos haciendo seguimiento con la transportadora para que lo "
               "reciba lo antes posible. Gracias por su confianza de siempre.");
    check_text(&absent, CUSTOMER_CALL, CUSTOMER_AT_RISK, 0,
               "Pedido 45871: intento fallido (absent), intento 2; cliente en riesgo de irse. Por "
               "hacer: confirmar dirección, teléfono y horario para el nuevo intento.");
    check_text(&late, CUSTOMER_NOTHING, CUSTOMER_VIP, 0, "");
}

static void
test_every_text_fits_and_names_the_order(void **state)
{
    char id[RT_F64_CAP * 4 + 1];
    rt_text out;

    (void)state;
    memset(id, 'x', sizeof(id));
    for (uint32_t trigger = 0; trigger < CUSTOMER_TRIGGERS; trigger++) {
        for (uint32_t detail = 0; detail < CUSTOMER_DETAILS; detail++) {
            for (int option = 0; option < CUSTOMER_NOTHING; option++) {
                for (int segment = 0; segment < CUSTOMER_SEGMENTS; segment++) {
                    customer_case what = {.trigger = trigger, .detail = detail, .attempt = 3};
                    rt_text_init(&out, CUSTOMER_TEXT_MAX);
                    customer_text(&what, (customer_option)option, (customer_segment)segment,
                                  (rt_str){id, 64}, 1025000, &out);
                    CHECK_FALSE(out.truncated);
                    CHECK_TRUE(rt_utf8_valid(rt_text_view(&out)));
                    CHECK_TRUE(memmem(out.ptr, out.len, id, 64) != NULL);
                    CHECK_INT(option == CUSTOMER_COMPENSATE,
                              memmem(out.ptr, out.len, "$ 1.025.000", 11) != NULL);
                    rt_text_fini(&out);
                }
            }
        }
    }
}

static void
test_action_names_and_contacts(void **state)
{
    (void)state;
    CHECK_TRUE(customer_is_contact(RT_STR("notify_customer")));
    CHECK_TRUE(customer_is_contact(RT_STR("call_customer")));
    CHECK_FALSE(customer_is_contact(RT_STR("open_case")));
    CHECK_FALSE(customer_is_contact(RT_STR("")));
    CHECK_INT(customer_detail_of(RT_STR("wrong_item")), CUSTOMER_WRONG_ITEM);
    CHECK_INT(customer_detail_of(RT_STR("nonsense")), CUSTOMER_DETAIL_NONE);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_quiet_hours_end_in_the_local_morning),
        cmocka_unit_test(test_quiet_hours_within_one_day_and_none),
        cmocka_unit_test(test_parse_minutes_takes_only_times_of_day),
        cmocka_unit_test(test_contacts_count_within_windows),
        cmocka_unit_test(test_caps_leave_only_what_reaches_nobody),
        cmocka_unit_test(test_weekly_cap_holds_although_the_day_was_quiet),
        cmocka_unit_test(test_moot_depends_on_what_delivery_settles),
        cmocka_unit_test(test_deserves_only_angry_or_repeated_or_bad),
        cmocka_unit_test(test_third_inquiry_within_a_day_is_repeated),
        cmocka_unit_test(test_churn_risk_goes_by_the_customers_own_rhythm),
        cmocka_unit_test(test_segments),
        cmocka_unit_test(test_severity_table),
        cmocka_unit_test(test_voucher_is_whole_thousands_within_bounds),
        cmocka_unit_test(test_choice_follows_what_was_learned),
        cmocka_unit_test(test_several_rewards_of_one_decision_add_up),
        cmocka_unit_test(test_propensity_is_the_frequency_of_the_draw),
        cmocka_unit_test(test_only_option_has_propensity_one),
        cmocka_unit_test(test_fatigue_turns_towards_silence),
        cmocka_unit_test(test_texts_say_what_happened),
        cmocka_unit_test(test_every_text_fits_and_names_the_order),
        cmocka_unit_test(test_action_names_and_contacts),
    };
    return CHECK_RUN(tests);
}
