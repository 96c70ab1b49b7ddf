// What a set says about an event: proposals, verdicts with their reasons, verifications.
#include "tests/harness/pack_kit.h"

#include "brain/playbook/playbook.h"

#define HEAD "kind: playbook\nid: p\ndoc: Because.\nevents: [delay.detected]\n"
#define DO "do:\n  - {action: alert_operator, target: \"${event.subject}\", args: {text: hi}}\n"
#define VERIFY "verify: {within: 1h, expect: order.status == \"delivered\"}\n"
#define ESCALATE                                                                                   \
    "escalate:\n  - {action: open_case, target: \"${event.subject}\", args: {kind: late}}\n"
#define HOUR_MS ((int64_t)3600 * 1000)
#define FILES_MAX 80

typedef struct fixture {
    br_pack *pack;
    br_playbooks *set;
    bool restores;
    rt_arena *arena;
    rt_mpw wire;
    rt_event event;
    br_situation situation;
    msg_consultation out;
} fixture;

static int
setup(void **state)
{
    fixture *f = rt_new(fixture);

    f->pack = pack_kit_real();
    f->arena = rt_arena_new(16 << 20);
    rt_mpw_init(&f->wire, 65536);
    *state = f;
    return 0;
}

static int
teardown(void **state)
{
    fixture *f = *state;

    br_playbooks_free(f->set);
    rt_mpw_fini(&f->wire);
    rt_arena_free(f->arena);
    br_pack_free(f->pack);
    rt_free(f);
    return 0;
}

static void
use(fixture *f, const br_playbook_file *files, size_t count)
{
    rt_diag *diag = rt_diag_new();

    rt_err err = f->restores ? br_playbooks_restore(f->pack, files, count, 12, diag, &f->set)
                             : br_playbooks_compile(f->pack, files, count, 12, diag, &f->set);
    if (err != RT_OK) {
        drive_report(diag);
    }
    rt_diag_free(diag);
}

static void
use_text(fixture *f, const char *text)
{
    br_playbook_file file = {RT_STR("x.yaml"), rt_str_of(text)};

    use(f, &file, 1);
}

// Decodes the event and consults; attributes of its subject are what the test set.
static void
consult(fixture *f, const char *type, const char *subject, const char *data)
{
    char json[8192];

    (void)snprintf(
        json, sizeof(json),
        "{\"id\":\"1\",\"source\":\"/s\",\"type\":\"%s\",\"subject\":\"%s\",\"data\":%s}", type,
        subject, data);
    pack_kit_event(f->pack, json, &f->wire, &f->event);
    f->event.seq = 42;
    f->situation.event = &f->event;
    f->situation.plan = br_pack_plan_of(f->pack, &f->event);
    f->situation.now_ms = 1000;
    CHECK_OK(br_playbooks_consult(f->set, &f->situation, f->arena, &f->out));
}

static void
set_status(fixture *f, const char *status)
{
    const br_entity *order = br_pack_subject_plan(f->pack, RT_STR("order"))->touches[0].entity;

    for (uint32_t a = 0; a < order->attribute_count; a++) {
        if (rt_str_is(order->attributes[a].name, "status")) {
            f->situation.attributes[0][a] = RT_TEXT(rt_str_of(status));
        }
    }
}

static const msg_proposal *
proposal(const fixture *f, uint32_t i)
{
    CHECK_TRUE(i < f->out.proposals.count);
    return (const msg_proposal *)f->out.proposals.items + i;
}

static const msg_consulted *
consulted(const fixture *f, uint32_t i)
{
    CHECK_TRUE(i < f->out.consulted.count);
    return (const msg_consulted *)f->out.consulted.items + i;
}

static const msg_emission *
emission(const fixture *f, uint32_t i)
{
    CHECK_TRUE(i < f->out.emissions.count);
    return (const msg_emission *)f->out.emissions.items + i;
}

// Wants one consulted playbook and a detail that holds `part`.
static void
check_verdict(const fixture *f, const char *verdict, const char *part)
{
    char detail[1024];

    CHECK_INT(f->out.consulted.count, 1);
    CHECK_STR(consulted(f, 0)->playbook, "p");
    CHECK_U64(consulted(f, 0)->version, 12);
    CHECK_STR(consulted(f, 0)->verdict, verdict);
    (void)snprintf(detail, sizeof(detail), "%.*s", RT_STR_ARG(consulted(f, 0)->detail));
    if (strstr(detail, part) == NULL) {
        fail_msg("no \"%s\" in \"%s\"", part, detail);
    }
}

static void
check_arg(const msg_proposal *p, const char *name, rt_value want)
{
    rt_mp at;
    rt_value got;

    CHECK_TRUE(rt_mp_find(p->args, rt_str_of(name), &at));
    CHECK_OK(rt_value_read(&at, &got));
    CHECK_INT(got.kind, want.kind);
    if (want.kind == RT_KIND_STR) {
        CHECK_TRUE(rt_str_equal(got.s, want.s));
    } else {
        CHECK_INT(got.i, want.i); // the bits of a double, too
    }
}

static void
test_consult_other_event_is_not_looked_at(void **state)
{
    fixture *f = *state;

    use_text(f, HEAD DO);
    consult(f, "order.shipped", "order/1", "{}");

    CHECK_INT(f->out.consulted.count, 0);
    CHECK_INT(f->out.proposals.count, 0);
}

static void
test_consult_fired_playbook_proposes_its_steps(void **state)
{
    fixture *f = *state;

    use_text(f, HEAD "when: data.risk > 0.5\npriority: 70\nconfidence: 0.9\n"
                     "do:\n  - action: pause_carrier\n    target: carrier/${data.carrier}\n"
                     "    value: 0.25\n    cost_cop: 900\n"
                     "    args: {city: \"en ${data.city}\", hours: 6, reason: plain}\n"
                     "  - {action: offer_compensation, target: \"customer/${data.customer_id}\", "
                     "args: {text: a, amount: \"=data.value * 0.5\"}}\n");
    consult(f, "delay.detected", "order/1",
            "{\"risk\":0.75,\"carrier\":\"tcc\",\"city\":\"Pasto\",\"customer_id\":\"c1\","
            "\"value\":50}");

    check_verdict(f, "fired", "");
    CHECK_INT(f->out.proposals.count, 2);
    CHECK_STR(proposal(f, 0)->agent, "playbook:p");
    CHECK_STR(proposal(f, 0)->model, "v12");
    CHECK_STR(proposal(f, 0)->action, "pause_carrier");
    CHECK_STR(proposal(f, 0)->target, "carrier/tcc");
    CHECK_STR(proposal(f, 0)->reason, "Because.");
    CHECK_INT(proposal(f, 0)->priority, 70);
    CHECK_NEAR(proposal(f, 0)->confidence, 0.9, 0);
    CHECK_NEAR(proposal(f, 0)->value, 0.25, 0);
    CHECK_INT(proposal(f, 0)->cost_cop, 900);
    CHECK_NEAR(proposal(f, 0)->propensity, 1, 0);
    check_arg(proposal(f, 0), "city", RT_TEXT(RT_STR("en Pasto")));
    check_arg(proposal(f, 0), "hours", RT_F64(6));
    check_arg(proposal(f, 0), "reason", RT_TEXT(RT_STR("plain")));
    CHECK_STR(proposal(f, 1)->target, "customer/c1");
    check_arg(proposal(f, 1), "amount", RT_F64(25));
    CHECK_INT(f->out.shadow.count, 0);
    CHECK_INT(f->out.timers.count, 0);
}

static void
test_consult_false_condition_says_which_and_why(void **state)
{
    fixture *f = *state;

    use_text(f, HEAD "when: data.risk > 0.5 && data.city != \"Cali\"\n" DO);
    consult(f, "delay.detected", "order/1", "{\"risk\":0.75,\"city\":\"Cali\"}");

    check_verdict(f, "false", "data.city = \"Cali\"");
    CHECK_INT(f->out.proposals.count, 0);
}

static void
test_consult_absent_field_is_an_error_with_its_reason(void **state)
{
    fixture *f = *state;

    use_text(f, HEAD "when: data.risk > 0.5\n" DO);
    consult(f, "delay.detected", "order/1", "{}");

    check_verdict(f, "error", "data.risk");
    CHECK_INT(f->out.proposals.count, 0);
}

static void
test_consult_step_that_cannot_be_built_takes_back_the_others(void **state)
{
    fixture *f = *state;

    use_text(f, HEAD
             "do:\n  - {action: alert_operator, target: x, args: {text: a}}\n"
             "  - {action: pause_carrier, target: carrier/x, args: {city: \"${data.city}\"}}\n");
    consult(f, "delay.detected", "order/1", "{}");

    check_verdict(f, "error", "argument city: ");
    CHECK_INT(f->out.proposals.count, 0);
}

static void
test_consult_target_that_cannot_be_built_is_an_error(void **state)
{
    fixture *f = *state;

    use_text(f, HEAD "do:\n  - {action: resume_carrier, target: \"carrier/${data.carrier}\"}\n");
    consult(f, "delay.detected", "order/1", "{}");

    check_verdict(f, "error", "target: ");
    CHECK_INT(f->out.proposals.count, 0);
}

static void
test_consult_throttle_key_is_evaluated(void **state)
{
    fixture *f = *state;

    use_text(f, HEAD "throttle: {key: data.city, per: 1h}\n" DO);
    consult(f, "delay.detected", "order/1", "{\"city\":\"Pasto\"}");
    check_verdict(f, "fired", "");
    CHECK_STR(consulted(f, 0)->throttle_key, "Pasto");

    consult(f, "delay.detected", "order/1", "{}");
    check_verdict(f, "error", "throttle key: no such key");
    CHECK_INT(f->out.proposals.count, 0);
}

static void
test_consult_shadow_is_marked(void **state)
{
    fixture *f = *state;

    use_text(f, HEAD "mode: shadow\n" DO VERIFY);
    consult(f, "delay.detected", "order/1", "{}");

    check_verdict(f, "fired", "");
    CHECK_INT(f->out.proposals.count, 1);
    CHECK_INT(f->out.shadow.count, 1);
    CHECK_STR(*(const rt_str *)f->out.shadow.items, "playbook:p");
}

static void
test_consult_fired_playbook_sets_its_verification(void **state)
{
    fixture *f = *state;

    use_text(f, HEAD DO VERIFY);
    consult(f, "delay.detected", "order/1", "{}");
    const msg_timer *timer = f->out.timers.items;

    CHECK_INT(f->out.timers.count, 1);
    CHECK_STR(timer->owner, "playbook:p");
    CHECK_STR(timer->key, "42");
    CHECK_INT(timer->due_ms, 1000 + HOUR_MS);
    CHECK_STR(timer->subject, "order/1");
}

static void
verify(fixture *f, const char *owner, const char *key, const char *subject)
{
    char data[128];

    (void)snprintf(data, sizeof(data), "{\"owner\":\"%s\",\"key\":\"%s\"}", owner, key);
    consult(f, "timer.fired", subject, data);
}

static void
check_emission(const fixture *f, uint32_t i, const char *event, bool held)
{
    rt_mp at;
    rt_value value;

    CHECK_STR(emission(f, i)->event, event);
    CHECK_STR(emission(f, i)->agent, "playbook:p");
    CHECK_OK(rt_mp_check(emission(f, i)->data));
    if (rt_mp_find(emission(f, i)->data, RT_STR("held"), &at)) {
        CHECK_OK(rt_value_read(&at, &value));
        CHECK_INT(value.b, held);
        CHECK_TRUE(rt_mp_find(emission(f, i)->data, RT_STR("decision_seq"), &at));
        CHECK_OK(rt_value_read(&at, &value));
        CHECK_INT(value.i, 42);
    }
}

static void
test_consult_verification_that_holds_is_told(void **state)
{
    fixture *f = *state;

    use_text(f, HEAD DO VERIFY ESCALATE);
    set_status(f, "delivered");
    verify(f, "playbook:p", "42", "order/1");

    check_verdict(f, "verified", "order.status == \"delivered\"");
    CHECK_INT(f->out.emissions.count, 1);
    check_emission(f, 0, "playbook.verified", true);
    CHECK_STR(emission(f, 0)->subject, "order/1");
    CHECK_INT(f->out.proposals.count, 0);
}

static void
test_consult_verification_that_fails_escalates(void **state)
{
    fixture *f = *state;

    use_text(f, HEAD DO VERIFY ESCALATE);
    set_status(f, "shipped");
    verify(f, "playbook:p", "42", "order/1");

    check_verdict(f, "not verified", "order.status == \"delivered\"");
    CHECK_INT(f->out.emissions.count, 2);
    check_emission(f, 0, "playbook.verified", false);
    check_emission(f, 1, "playbook.escalated", false);
    CHECK_INT(f->out.proposals.count, 1);
    CHECK_STR(proposal(f, 0)->action, "open_case");
    CHECK_STR(proposal(f, 0)->target, "order/1");
}

static void
test_consult_verification_without_knowledge_fails(void **state)
{
    fixture *f = *state;

    use_text(f, HEAD DO VERIFY);
    verify(f, "playbook:p", "42", "order/1");

    check_verdict(f, "not verified", "");
    CHECK_INT(f->out.emissions.count, 1); // nothing to escalate to
    check_emission(f, 0, "playbook.verified", false);
}

static void
test_consult_verification_of_another_kind_of_subject_reads_nothing(void **state)
{
    fixture *f = *state;

    use_text(f, HEAD DO VERIFY ESCALATE);
    set_status(f, "delivered"); // would be read in the place of an attribute of the carrier
    verify(f, "playbook:p", "42", "carrier/tcc");

    check_verdict(f, "error", "the subject is not a order");
    CHECK_INT(f->out.emissions.count, 1);
    check_emission(f, 0, "playbook.verified", false);
    CHECK_INT(f->out.proposals.count, 0);
}

static void
test_consult_timers_of_others_are_passed_over(void **state)
{
    fixture *f = *state;

    use_text(f, HEAD DO VERIFY);
    verify(f, "logistics", "42", "order/1");
    CHECK_INT(f->out.consulted.count, 0);
    verify(f, "playbook:gone", "42", "order/1");
    CHECK_INT(f->out.consulted.count, 0);
    verify(f, "playbook:p", "x42", "order/1");
    CHECK_INT(f->out.consulted.count, 0);
    CHECK_INT(f->out.emissions.count, 0);
}

static void
test_consult_escalated_reason_fits_its_event(void **state)
{
    fixture *f = *state;
    rt_text text;
    rt_mp at;
    rt_str reason;

    rt_text_init(&text, 4096);
    rt_text_cstr(&text, HEAD DO "verify:\n  within: 1h\n  expect: order.status == \"");
    for (int i = 0; i < 400; i++) {
        rt_text_cstr(&text, "\xc3\xb1");
    }
    rt_text_cstr(&text, "\"\n" ESCALATE);
    use_text(f, text.ptr);
    rt_text_fini(&text);
    verify(f, "playbook:p", "42", "order/1");

    CHECK_TRUE(rt_mp_find(emission(f, 1)->data, RT_STR("reason"), &at));
    CHECK_OK(rt_mp_str(&at, &reason));
    CHECK_TRUE(reason.len <= 512 && reason.len > 508);
    CHECK_TRUE(rt_utf8_valid(reason));
}

static void
test_consult_consultation_with_long_values_can_be_read_back(void **state)
{
    fixture *f = *state;
    rt_mpw w;

    use_text(f, "kind: playbook\nid: p\nevents: [customer.inquiry]\n"
                "when: data.text < \"a\"\n" DO);
    rt_mpw_init(&w, 1 << 20);
    for (size_t shift = 0; shift < 2; shift++) {
        char data[2100];
        msg_consultation read_back;
        size_t len = (size_t)snprintf(data, sizeof(data), "{\"text\":\"%s", shift == 0 ? "" : "x");

        for (int i = 0; i < 900; i++) {
            memcpy(data + len, "\xc3\xb1", 2);
            len += 2;
        }
        (void)snprintf(data + len, sizeof(data) - len, "\"}");
        consult(f, "customer.inquiry", "customer/1", data);
        CHECK_STR(consulted(f, 0)->verdict, "false");
        rt_mpw_clear(&w);
        rt_msg_encode(&msg_consultation_def, &f->out, &w);
        rt_mp mp = rt_mp_init(rt_mpw_view(&w));
        CHECK_OK(rt_msg_decode(&msg_consultation_def, &mp, f->arena, &read_back));
    }
    rt_mpw_fini(&w);
}

static void
test_consult_each_event_type_has_its_own_slots(void **state)
{
    fixture *f = *state;

    use_text(f, "kind: playbook\nid: p\nevents: [delay.detected, delivery.failed]\n"
                "when: data.city == \"Pasto\"\n" DO);
    consult(f, "delay.detected", "order/1", "{\"city\":\"Pasto\",\"carrier\":\"x\"}");
    check_verdict(f, "fired", "");
    consult(f, "delivery.failed", "order/1",
            "{\"city\":\"Pasto\",\"carrier\":\"y\",\"reason\":\"absent\"}");
    check_verdict(f, "fired", "");
}

// Many playbooks p0, p1, ... with `steps` steps each.
static void
use_many(fixture *f, size_t count, int steps)
{
    static const char step[] = "  - {action: alert_operator, target: x, args: {text: a}}\n";
    static char texts[FILES_MAX][1024];
    static char names[FILES_MAX][24];
    br_playbook_file files[FILES_MAX];

    for (size_t i = 0; i < count; i++) {
        (void)snprintf(names[i], sizeof(names[i]), "f%02zu.yaml", i);
        int len = snprintf(texts[i], sizeof(texts[i]),
                           "kind: playbook\nid: p%zu\nevents: [delay.detected]\ndo:\n", i);
        for (int s = 0; s < steps; s++) {
            len += snprintf(texts[i] + len, sizeof(texts[i]) - (size_t)len, "%s", step);
        }
        files[i] = (br_playbook_file){rt_str_of(names[i]), rt_str_of(texts[i])};
    }
    use(f, files, count);
}

// Only a set that was live before there was the bound has more.
static void
test_consult_looks_at_no_more_than_its_bound(void **state)
{
    fixture *f = *state;

    f->restores = true;
    use_many(f, 70, 1);
    consult(f, "delay.detected", "order/1", "{}");

    CHECK_INT(f->out.consulted.count, BR_CONSULTED_MAX);
    CHECK_INT(f->out.proposals.count, BR_CONSULTED_MAX);
    CHECK_INT(f->out.crowded, 70 - BR_CONSULTED_MAX);
}

static void
test_consult_proposals_over_the_bound_are_an_error(void **state)
{
    fixture *f = *state;

    use_many(f, 10, 7);
    consult(f, "delay.detected", "order/1", "{}");

    CHECK_INT(f->out.proposals.count, 63);
    CHECK_STR(consulted(f, 8)->verdict, "fired");
    CHECK_STR(consulted(f, 9)->verdict, "error");
    CHECK_STR(consulted(f, 9)->detail, "too many proposals for one event");
}

static void
test_consult_in_an_arena_too_small_is_empty(void **state)
{
    fixture *f = *state;

    use_text(f, HEAD DO);
    consult(f, "delay.detected", "order/1", "{}");
    rt_arena *small = rt_arena_new(64);
    CHECK_ERR(br_playbooks_consult(f->set, &f->situation, small, &f->out), RT_ENOMEM);

    CHECK_INT(f->out.consulted.count, 0);
    CHECK_INT(f->out.proposals.count, 0);
    rt_arena_free(small);
}

static void
test_consult_constants_take_the_kinds_their_action_declares(void **state)
{
    fixture *f = *state;
    const char *const texts[] = {
        "kind: catalog\nevents:\n  box.made:\n    fields: {n: {type: i64}}\n",
        "kind: actions\nactions:\n  paint:\n    class: 1\n    executor: log\n    args:\n"
        "      coats: {type: i64}\n      thick: {type: f64}\n      dry: {type: duration}\n"
        "      wet: {type: bool}\n      colour: {type: str}\n"};
    static const uint8_t want[] = {0x85, 0xa5, 'c', 'o',  'a',  't',  's',  0x02, 0xa5, 't',
                                   'h',  'i',  'c', 'k',  0xca, 0x3f, 0,    0,    0,    0xa3,
                                   'd',  'r',  'y', 0xcd, 0x03, 0xe8, 0xa3, 'w',  'e',  't',
                                   0xc2, 0xa6, 'c', 'o',  'l',  'o',  'u',  'r',  0xa1, '7'};

    br_pack_free(f->pack);
    f->pack = pack_kit_of(texts, RT_COUNT(texts));
    use_text(f, "kind: playbook\nid: p\nevents: [box.made]\ndo:\n  - action: paint\n"
                "    target: box\n    args: {coats: 2, thick: 0.5, dry: 1s, wet: false, "
                "colour: 7}\n");
    consult(f, "box.made", "box/1", "{\"n\":1}");

    check_verdict(f, "fired", "");
    CHECK_BYTES(proposal(f, 0)->args, ((rt_bytes){want, sizeof(want)}));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_consult_other_event_is_not_looked_at),
        TEST(test_consult_fired_playbook_proposes_its_steps),
        TEST(test_consult_false_condition_says_which_and_why),
        TEST(test_consult_absent_field_is_an_error_with_its_reason),
        TEST(test_consult_step_that_cannot_be_built_takes_back_the_others),
        TEST(test_consult_target_that_cannot_be_built_is_an_error),
        TEST(test_consult_throttle_key_is_evaluated),
        TEST(test_consult_shadow_is_marked),
        TEST(test_consult_fired_playbook_sets_its_verification),
        TEST(test_consult_verification_that_holds_is_told),
        TEST(test_consult_verification_that_fails_escalates),
        TEST(test_consult_verification_without_knowledge_fails),
        TEST(test_consult_verification_of_another_kind_of_subject_reads_nothing),
        TEST(test_consult_timers_of_others_are_passed_over),
        TEST(test_consult_escalated_reason_fits_its_event),
        TEST(test_consult_consultation_with_long_values_can_be_read_back),
        TEST(test_consult_each_event_type_has_its_own_slots),
        TEST(test_consult_looks_at_no_more_than_its_bound),
        TEST(test_consult_proposals_over_the_bound_are_an_error),
        TEST(test_consult_constants_take_the_kinds_their_action_declares),
        TEST(test_consult_in_an_arena_too_small_is_empty),
    };

    return CHECK_RUN(tests);
}
