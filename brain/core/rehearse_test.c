// Cases of playbooks: what they can say, and that a wrong one is noticed.
#include "brain/core/rehearse.h"
#include "tests/harness/pack_kit.h"

#define HEAD                                                                                       \
    "kind: playbook\nid: p\ndoc: Because.\nevents: [delivery.failed]\n"                            \
    "when: data.attempt >= 2 && has(order.customer_id)\n"                                          \
    "throttle: {key: event.subject, per: 6h}\n"                                                    \
    "do:\n  - action: notify_customer\n    target: customer/${order.customer_id}\n"                \
    "    args: {order_id: '${order.id}', channel: whatsapp, text: 'Hola ${data.attempt}'}\n"       \
    "verify: {within: 48h, expect: order.status == \"delivered\"}\n"                               \
    "escalate:\n  - {action: open_case, target: '${event.subject}', args: {kind: late}}\n"         \
    "tests:\n"
#define GIVEN "    given: {order/1: {customer_id: c1}}\n"
#define FAILS(attempt)                                                                             \
    "{type: delivery.failed, subject: order/1, data: {reason: absent, attempt: " attempt "}}"

typedef struct fixture {
    br_pack *pack;
    rt_diag *diag;
    uint32_t cases;
    uint32_t passed;
    rt_arena *arena;
    rt_str text; // of the last one
} fixture;

static int
setup(void **state)
{
    fixture *f = rt_new(fixture);

    f->pack = pack_kit_real();
    f->diag = rt_diag_new();
    f->arena = rt_arena_new(1 << 20);
    *state = f;
    return 0;
}

static int
teardown(void **state)
{
    fixture *f = *state;

    rt_diag_free(f->diag);
    rt_arena_free(f->arena);
    br_pack_free(f->pack);
    rt_free(f);
    return 0;
}

static void
on_case(void *user, const br_rehearsal *rehearsal)
{
    fixture *f = user;

    f->cases++;
    f->passed += rehearsal->passed;
    f->text = rt_arena_str(f->arena, rehearsal->text);
}

// The loader accepts the text; its cases are played.
static rt_err
play(fixture *f, const char *text)
{
    br_playbook_file file = {RT_STR("x.yaml"), rt_str_of(text)};
    br_playbooks *set = NULL;

    if (br_playbooks_compile(f->pack, &file, 1, 1, f->diag, &set) != RT_OK) {
        drive_report(f->diag);
    }
    br_playbooks_free(set);
    return br_rehearse(f->pack, &file, 1, f->diag, on_case, f);
}

static void
test_cases_that_hold_pass(void **state)
{
    fixture *f = *state;

    rt_err err = play(
        f, HEAD
        "  - name: the second attempt\n" GIVEN "    events: [" FAILS("2") "]\n"
        "    expect:\n"
        "      - {action: notify_customer, target: customer/c1, args: {text: Hola 2}}\n"
        "    verdict: fired\n"
        "  - name: the first attempt\n" GIVEN "    events: [" FAILS("1") "]\n"
        "    expect: []\n    verdict: 'false'\n    why: data.attempt = 1\n"
        "  - name: nobody to tell\n    events: [" FAILS("2") "]\n    expect: []\n"
        "    why: has(order.customer_id)\n"
        "  - name: once in six hours\n" GIVEN "    events:\n"
        "      - " FAILS("2") "\n"
        "      - {after: 5h, type: delivery.failed, subject: order/1,"
        " data: {reason: absent, attempt: 3}, verdict: throttled, expect: []}\n"
        "      - {after: 2h, type: delivery.failed, subject: order/1,"
        " data: {reason: absent, attempt: 4}}\n"
        "    expect: [{action: notify_customer, args: {text: Hola 4}}]\n"
        "  - name: two days later\n" GIVEN "    events:\n"
        "      - " FAILS("2") "\n"
        "      - {after: 47h, expect: []}\n"
        "      - {after: 2h, expect: [{action: open_case, target: order/1}],"
        " verdict: not verified}\n"
        "  - name: two days later and there\n" GIVEN "    events:\n"
        "      - " FAILS("2") "\n"
        "      - {after: 5h, type: order.delivered, subject: order/1}\n"
        "      - {after: 47h, expect: [], verdict: verified}\n");

    if (err != RT_OK) {
        drive_report(f->diag);
    }
    CHECK_U64(f->cases, 6);
    CHECK_U64(f->passed, 6);
}

static void
check_fails(fixture *f, const char *text, const char *place, const char *code, const char *says)
{
    CHECK_ERR(play(f, text), RT_ECONFIG);
    pack_kit_finds(f->diag, place, code);
    if (says != NULL && (f->text.ptr == NULL || strstr(f->text.ptr, says) == NULL)) {
        fail_msg("\"%.*s\" does not say \"%s\"", RT_STR_ARG(f->text), says);
    }
}

static void
test_case_with_another_argument_fails(void **state)
{
    check_fails(*state,
                HEAD "  - name: x\n" GIVEN "    events: [" FAILS("2") "]\n"
                     "    expect:\n      - {action: notify_customer, args: {text: Hola 3}}\n",
                "19:9", "B2503", "no notify_customer as expected\nunexpected notify_customer");
}

static void
test_case_that_expects_nothing_and_gets_something_fails(void **state)
{
    check_fails(*state,
                HEAD "  - name: x\n" GIVEN "    events: [" FAILS("2") "]\n    expect: []\n",
                "18:13", "B2503", "unexpected notify_customer of customer/c1");
}

static void
test_case_with_another_verdict_fails(void **state)
{
    check_fails(*state,
                HEAD "  - name: x\n" GIVEN "    events: [" FAILS("1") "]\n    verdict: fired\n",
                "18:14", "B2503", "verdict is false, not fired");
}

static void
test_case_with_another_reason_fails(void **state)
{
    check_fails(*state,
                HEAD "  - name: x\n" GIVEN "    events: [" FAILS("1") "]\n    why: customer_id\n",
                "18:10", "B2503", "the reason is \"data.attempt = 1");
}

static void
test_case_without_expectation_is_refused(void **state)
{
    check_fails(*state, HEAD "  - name: x\n    events: [" FAILS("1") "]\n", "15:5", "B2501", NULL);
}

static void
test_case_with_an_event_that_does_not_fit_is_refused(void **state)
{
    check_fails(*state,
                HEAD "  - name: x\n    events: [{type: delivery.failed, subject: order/1,"
                     " data: {reson: absent}}]\n    expect: []\n",
                "16:14", "B2502", NULL);
}

static void
test_case_with_a_fact_that_there_is_not_is_refused(void **state)
{
    check_fails(*state,
                HEAD "  - name: x\n    given: {order/1: {colour: red}}\n    events: [" FAILS("1")
                     "]\n    expect: []\n",
                "16:31", "B2502", NULL);
}

static void
test_figures_that_are_given_are_read(void **state)
{
    fixture *f = *state;

    rt_err err = play(f, "kind: playbook\nid: p\nevents: [tracking.updated]\n"
                         "when: memory.idle_ms >= 86400000 && memory.events == 7 &&"
                         " feature.carrier.late_rate > 0.5\n"
                         "do:\n  - {action: open_case, target: '${event.subject}'}\n"
                         "tests:\n  - name: long silent\n"
                         "    given: {memory: {events: 7, idle: 1d},"
                         " feature: {carrier.late_rate: 0.6}}\n"
                         "    events: [{type: tracking.updated, subject: order/1,"
                         " data: {status: in_transit, carrier: tcc}}]\n"
                         "    expect: [{action: open_case}]\n");

    if (err != RT_OK) {
        drive_report(f->diag);
    }
    CHECK_U64(f->passed, 1);
}

static void
test_shadow_plays_as_if_it_were_live_and_off_is_not_played(void **state)
{
    fixture *f = *state;
    const char *rest = "events: [order.created]\n"
                       "do:\n  - {action: open_case, target: '${event.subject}'}\n"
                       "tests:\n  - name: x\n"
                       "    events: [{type: order.created, subject: order/1, data: {customer_id: c,"
                       " promised_at: 2026-01-09T12:00:00Z}}]\n"
                       "    expect: [{action: open_case}]\n"
                       "  - name: y\n"
                       "    events: [{type: order.created, subject: order/1, data: {customer_id: c,"
                       " promised_at: 2026-01-09T12:00:00Z}}, {after: 2h, verdict: not verified}]\n"
                       "verify: {within: 1h, expect: order.status == \"delivered\"}\n";
    char text[1024];

    (void)snprintf(text, sizeof(text), "kind: playbook\nid: p\nmode: shadow\n%s", rest);
    CHECK_OK(play(f, text));
    CHECK_U64(f->passed, 2);
    (void)snprintf(text, sizeof(text), "kind: playbook\nid: p\nmode: off\n%s", rest);
    CHECK_OK(play(f, text));
    CHECK_U64(f->passed, 2);
    CHECK_U64(f->cases, 4);
}

int
main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(test_cases_that_hold_pass),
        CASE(test_case_with_another_argument_fails),
        CASE(test_case_that_expects_nothing_and_gets_something_fails),
        CASE(test_case_with_another_verdict_fails),
        CASE(test_case_with_another_reason_fails),
        CASE(test_case_without_expectation_is_refused),
        CASE(test_case_with_an_event_that_does_not_fit_is_refused),
        CASE(test_case_with_a_fact_that_there_is_not_is_refused),
        CASE(test_figures_that_are_given_are_read),
        CASE(test_shadow_plays_as_if_it_were_live_and_off_is_not_played),
    };

    return cmocka_run_group_tests_name("rehearse", tests, NULL, NULL);
}
