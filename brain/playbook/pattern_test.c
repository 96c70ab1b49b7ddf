// Patterns: sequences, absences, counts and parts in any order, over time.
#include "tests/harness/course_kit.h"

#define MINUTE_MS ((int64_t)60 * 1000)
#define HEAD "kind: playbook\nid: p\ndoc: Because.\n"
#define ALERT(text)                                                                                \
    "do:\n  - {action: alert_operator, target: \"${event.subject}\", args: {text: \"" text "\"}}\n"
#define SCAN "{\"status\":\"in_transit\"}"

static int
setup(void **state)
{
    *state = course_kit_open();
    return 0;
}

static int
teardown(void **state)
{
    course_kit_close(*state);
    return 0;
}

static size_t
rows(const course_kit *k)
{
    return br_progress_count(k->state->progress);
}

static void
check_text(const course_kit *k, const char *want)
{
    rt_mp at;
    rt_str text;

    CHECK_TRUE(rt_mp_find(course_kit_first(k)->proposal.args, RT_STR("text"), &at));
    CHECK_OK(rt_mp_str(&at, &text));
    CHECK_STR(text, want);
}

#define COUNT                                                                                      \
    HEAD "pattern:\n  count: {event: delivery.failed, at_least: 3}\n  key: data.carrier\n"         \
         "  within: 1h\n" ALERT("${data.carrier} falla en ${data.city}")

static void
fail_delivery(course_kit *k, const char *carrier)
{
    char data[256];

    (void)snprintf(data, sizeof(data),
                   "{\"carrier\":\"%s\",\"city\":\"Cali\",\"reason\":\"absent\"}", carrier);
    course_kit_event(k, "delivery.failed", "order/1", data);
}

static void
test_count_fires_at_the_third_within_the_hour(void **state)
{
    course_kit *k = *state;

    course_kit_play(k, COUNT);
    fail_delivery(k, "tcc");
    course_kit_wants(k, "matched", "1 of 3");
    course_kit_wait(k, 20 * MINUTE_MS);
    fail_delivery(k, "tcc");
    course_kit_wants(k, "matched", "2 of 3");
    fail_delivery(k, "envia"); // another window
    course_kit_wants(k, "matched", "1 of 3");
    CHECK_INT(k->acted, 0);
    course_kit_wait(k, 39 * MINUTE_MS);
    fail_delivery(k, "tcc");
    course_kit_wants(k, "fired", "3 of 3 within 59m");
    CHECK_INT(k->acted, 1);
    check_text(k, "tcc falla en Cali");
    fail_delivery(k, "tcc"); // it begins anew
    course_kit_wants(k, "matched", "1 of 3");
}

static void
test_count_slides_so_that_old_events_do_not_count(void **state)
{
    course_kit *k = *state;

    course_kit_play(k, COUNT);
    fail_delivery(k, "tcc");
    course_kit_wait(k, 50 * MINUTE_MS);
    fail_delivery(k, "tcc");
    course_kit_wait(k, 11 * MINUTE_MS); // the first is 61 minutes old now
    fail_delivery(k, "tcc");
    course_kit_wants(k, "matched", "2 of 3");
    course_kit_wait(k, 48 * MINUTE_MS);
    fail_delivery(k, "tcc");
    course_kit_wants(k, "fired", "3 of 3");
}

static void
test_count_window_ends_and_leaves_nothing_behind(void **state)
{
    course_kit *k = *state;

    course_kit_play(k, COUNT);
    fail_delivery(k, "tcc");
    fail_delivery(k, "envia");
    CHECK_U64(rows(k), 3); // two windows and how many there are
    course_kit_wait(k, 61 * MINUTE_MS);
    course_kit_wants(k, "expired", "did not come");
    CHECK_U64(rows(k), 0);
    CHECK_U64(br_timers_count(k->state->timers), 0);
}

#define SEQUENCE                                                                                   \
    HEAD "pattern:\n  sequence:\n"                                                                 \
         "    - {name: failed, event: delivery.failed, capture: {city: data.city}}"                \
         "\n    - {event: issue.reported, when: data.kind == \"late\"}\n"                          \
         "  key: event.subject\n  within: 2h\n"                                                    \
         "  where: failed.city == \"Cali\"\n" ALERT("queja por ${failed.city}: ${data.text}")

static void
report(course_kit *k, const char *order, const char *kind)
{
    char data[256];

    (void)snprintf(data, sizeof(data),
                   "{\"customer_id\":\"c1\",\"kind\":\"%s\",\"text\":\"tarde\"}", kind);
    course_kit_event(k, "issue.reported", order, data);
}

static void
test_sequence_fires_in_its_order_with_what_was_captured(void **state)
{
    course_kit *k = *state;

    course_kit_play(k, SEQUENCE);
    report(k, "order/1", "late");
    course_kit_wants(k, "matched", "waits for failed first");
    CHECK_U64(rows(k), 0);
    fail_delivery(k, "tcc");
    course_kit_wants(k, "matched", "failed came; waits for reported");
    report(k, "order/2", "late"); // another order
    report(k, "order/1", "damaged");
    CHECK_INT(k->acted, 0);
    course_kit_wait(k, MINUTE_MS);
    report(k, "order/1", "late");
    course_kit_wants(k, "fired", "within 1m");
    CHECK_INT(k->acted, 1);
    check_text(k, "queja por Cali: tarde");
    CHECK_U64(rows(k), 0);
    CHECK_U64(br_timers_count(k->state->timers), 0);
}

static void
test_sequence_asks_where_at_its_end(void **state)
{
    course_kit *k = *state;

    course_kit_play(k, SEQUENCE);
    course_kit_event(k, "delivery.failed", "order/1",
                     "{\"city\":\"Pasto\",\"reason\":\"absent\"}");
    report(k, "order/1", "late");
    course_kit_wants(k, "false", "where: failed.city = \"Pasto\"");
    CHECK_INT(k->acted, 0);
    CHECK_U64(rows(k), 0);
}

static void
test_a_captured_value_that_was_absent_makes_an_error(void **state)
{
    course_kit *k = *state;

    course_kit_play(k, SEQUENCE);
    course_kit_event(k, "delivery.failed", "order/1", "{\"reason\":\"absent\"}");
    report(k, "order/1", "late");
    course_kit_wants(k, "error", "where: ");
    CHECK_INT(k->acted, 0);
}

#define ABSENT                                                                                     \
    HEAD "pattern:\n  sequence:\n"                                                                 \
         "    - {name: shipped, event: order.shipped, capture: {carrier: data.carrier}}\n"         \
         "    - {name: scan, event: tracking.updated, absent: true}\n"                             \
         "  key: event.subject\n  within: 48h\n"                                                   \
    ALERT("${order.id} de ${shipped.carrier} sin escaneo")

static void
test_what_stays_away_is_acted_on_when_the_time_is_over(void **state)
{
    course_kit *k = *state;

    course_kit_play(k, ABSENT);
    course_kit_event(k, "order.shipped", "order/1", "{\"carrier\":\"tcc\"}");
    course_kit_wants(k, "matched", "shipped came; acts without scan");
    course_kit_event(k, "order.shipped", "order/2", "{\"carrier\":\"envia\"}");
    course_kit_wait(k, 24 * STATE_KIT_HOUR_MS);
    course_kit_event(k, "tracking.updated", "order/2", SCAN);
    course_kit_wants(k, "matched", "scan came in time");
    CHECK_INT(k->acted, 0);
    course_kit_wait(k, 23 * STATE_KIT_HOUR_MS);
    CHECK_INT(k->acted, 0);
    course_kit_wait(k, 2 * STATE_KIT_HOUR_MS);
    CHECK_INT(k->acted, 1);
    course_kit_wants(k, "fired", "scan did not come");
    check_text(k, "1 de tcc sin escaneo");
    CHECK_STR(course_kit_first(k)->proposal.target, "order/1");
    CHECK_U64(rows(k), 0);
}

#define ALL                                                                                        \
    HEAD "pattern:\n  all:\n"                                                                      \
         "    - {name: failed, event: delivery.failed, capture: {reason: data.reason}}\n"          \
         "    - {name: issue, event: issue.reported, capture: {kind: data.kind}}\n"                \
         "    - {name: gone, event: order.cancelled}\n"                                            \
         "  key: event.subject\n  within: 1d\n" ALERT("${failed.reason} ${issue.kind}")

static void
test_all_fires_in_any_order(void **state)
{
    static const char *const orders[] = {"fig", "fgi", "ifg", "igf", "gfi", "gif"};
    course_kit *k = *state;

    course_kit_play(k, ALL);
    for (size_t i = 0; i < RT_COUNT(orders); i++) {
        for (const char *part = orders[i]; *part != '\0'; part++) {
            CHECK_INT(k->acted, i);
            if (*part == 'f') {
                fail_delivery(k, "tcc");
                fail_delivery(k, "tcc"); // twice is as good as once
            } else if (*part == 'i') {
                report(k, "order/1", "lost");
            } else {
                course_kit_event(k, "order.cancelled", "order/1", "{}");
            }
        }
        if (orders[i][2] != 'f') { // else the second failure began another window
            CHECK_INT(k->acted, i + 1);
            check_text(k, "absent lost");
        }
        course_kit_wait(k, 26 * STATE_KIT_HOUR_MS);
        CHECK_U64(rows(k), 0);
    }
}

static void
test_one_event_is_one_part_only(void **state)
{
    course_kit *k = *state;

    course_kit_play(k, HEAD "pattern:\n  sequence:\n"
                            "    - {name: one, event: tracking.updated}\n"
                            "    - {name: two, event: tracking.updated}\n"
                            "    - {name: three, event: tracking.updated}\n"
                            "  key: event.subject\n  within: 1h\n" ALERT("x"));
    course_kit_event(k, "tracking.updated", "order/1", SCAN);
    course_kit_wants(k, "matched", "one came");
    course_kit_event(k, "tracking.updated", "order/1", SCAN);
    course_kit_wants(k, "matched", "two came");
    course_kit_event(k, "tracking.updated", "order/1", SCAN);
    course_kit_wants(k, "fired", "");
    CHECK_INT(k->acted, 1);
}

static void
test_no_more_windows_than_max_keys(void **state)
{
    course_kit *k = *state;

    course_kit_play(k, HEAD "pattern:\n  count: {event: delivery.failed, at_least: 2}\n"
                            "  key: data.carrier\n  within: 1h\n  max_keys: 2\n" ALERT("x"));
    fail_delivery(k, "a");
    fail_delivery(k, "b");
    fail_delivery(k, "c");
    course_kit_wants(k, "error", "2 windows are open: max_keys");
    fail_delivery(k, "a"); // one that is open goes on
    course_kit_wants(k, "fired", "2 of 2");
    fail_delivery(k, "c");
    course_kit_wants(k, "matched", "1 of 2");
}

static void
test_a_changed_pattern_begins_anew(void **state)
{
    course_kit *k = *state;

    course_kit_play(k, COUNT);
    fail_delivery(k, "tcc");
    fail_delivery(k, "tcc");
    course_kit_play(k, HEAD "pattern:\n  count: {event: delivery.failed, at_least: 2}\n"
                            "  key: data.carrier\n  within: 1h\n" ALERT("x"));
    fail_delivery(k, "tcc");
    course_kit_wants(k, "matched", "1 of 2");
    course_kit_wait(k, 2 * STATE_KIT_HOUR_MS);
    CHECK_U64(rows(k), 0);
}

static void
test_a_playbook_that_is_gone_leaves_nothing_behind(void **state)
{
    course_kit *k = *state;

    course_kit_play(k, COUNT);
    fail_delivery(k, "tcc");
    course_kit_play(k, "kind: playbook\nid: q\nevents: [order.created]\n" ALERT("x"));
    course_kit_wait(k, 2 * STATE_KIT_HOUR_MS);
    CHECK_U64(rows(k), 0);
}

static void
test_shadow_and_throttle_hold_for_patterns_too(void **state)
{
    course_kit *k = *state;

    course_kit_play(k, HEAD "mode: shadow\npattern:\n"
                            "  count: {event: delivery.failed, at_least: 2}\n"
                            "  key: data.carrier\n  within: 1h\n" ALERT("x"));
    fail_delivery(k, "tcc");
    fail_delivery(k, "tcc");
    course_kit_wants(k, "fired", "2 of 2");
    CHECK_STR(course_kit_first(k)->verdict, "shadow");
    CHECK_INT(k->acted, 0);
    course_kit_play(k, HEAD "throttle: {key: data.carrier, per: 1h}\npattern:\n"
                            "  count: {event: delivery.failed, at_least: 2}\n"
                            "  key: data.carrier\n  within: 1h\n" ALERT("x"));
    for (int i = 0; i < 6; i++) {
        fail_delivery(k, "tcc");
    }
    CHECK_INT(k->acted, 1);
    course_kit_wants(k, "throttled", "for the same key");
}

static void
test_long_keys_have_windows_of_their_own(void **state)
{
    course_kit *k = *state;
    char data[512];

    course_kit_play(k, HEAD "pattern:\n  count: {event: delivery.failed, at_least: 2}\n"
                            "  key: data.note\n  within: 1h\n" ALERT("x"));
    for (int i = 0; i < 4; i++) {
        (void)snprintf(data, sizeof(data), "{\"reason\":\"absent\",\"note\":\"%0200d\"}", i % 2);
        course_kit_event(k, "delivery.failed", "order/1", data);
        CHECK_INT(k->acted, i < 2 ? 0 : 1); // the second is within its cooldown
    }
    CHECK_U64(rows(k), 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_count_fires_at_the_third_within_the_hour, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_count_slides_so_that_old_events_do_not_count, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_count_window_ends_and_leaves_nothing_behind, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_sequence_fires_in_its_order_with_what_was_captured,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(test_sequence_asks_where_at_its_end, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_captured_value_that_was_absent_makes_an_error,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(test_what_stays_away_is_acted_on_when_the_time_is_over,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(test_all_fires_in_any_order, setup, teardown),
        cmocka_unit_test_setup_teardown(test_one_event_is_one_part_only, setup, teardown),
        cmocka_unit_test_setup_teardown(test_no_more_windows_than_max_keys, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_changed_pattern_begins_anew, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_playbook_that_is_gone_leaves_nothing_behind, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_shadow_and_throttle_hold_for_patterns_too, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_long_keys_have_windows_of_their_own, setup,
                                        teardown),
    };
    return CHECK_RUN(tests);
}
