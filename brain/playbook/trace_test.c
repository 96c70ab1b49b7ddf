// A trace: every expression of a playbook for one event, part by part, by the one evaluator.
#include "tests/harness/pack_kit.h"

#include "brain/playbook/trace.h"

#define HEAD "kind: playbook\nid: p\ndoc: Because.\nevents: [delay.detected]\n"
#define DO "do:\n  - {action: alert_operator, target: \"${event.subject}\", args: {text: hi}}\n"
#define OUT_MAX 16384

typedef struct fixture {
    br_pack *pack;
    br_playbooks *set;
    rt_arena *arena;
    rt_mpw wire;
    rt_event event;
    br_situation situation;
    br_trace trace;
    rt_text out;
} fixture;

static int
setup(void **state)
{
    fixture *f = rt_new(fixture);

    f->pack = pack_kit_real();
    f->arena = rt_arena_new(16 << 20);
    rt_mpw_init(&f->wire, 65536);
    rt_text_init(&f->out, OUT_MAX);
    *state = f;
    return 0;
}

static int
teardown(void **state)
{
    fixture *f = *state;

    br_playbooks_free(f->set);
    rt_text_fini(&f->out);
    rt_mpw_fini(&f->wire);
    rt_arena_free(f->arena);
    br_pack_free(f->pack);
    rt_free(f);
    return 0;
}

static void
use(fixture *f, const char *text)
{
    br_playbook_file file = {RT_STR("x.yaml"), rt_str_of(text)};
    rt_diag *diag = rt_diag_new();

    if (br_playbooks_compile(f->pack, &file, 1, 12, diag, &f->set) != RT_OK) {
        drive_report(diag);
    }
    rt_diag_free(diag);
}

static void
put_value(rt_text *out, const char *before, rt_value value, br_expr_fault fault)
{
    rt_text_cstr(out, before);
    if (fault != BR_FAULT_NONE) {
        rt_text_cstr(out, br_expr_fault_text(fault));
    } else {
        rt_value_format(out, value);
    }
    rt_text_cstr(out, "\n");
}

// The whole trace as text: a line a part, indented by its depth.
static void
show(fixture *f)
{
    const br_trace *t = &f->trace;

    rt_text_clear(&f->out);
    rt_text_printf(&f->out, "%.*s\n", RT_STR_ARG(t->verdict));
    for (uint32_t i = 0; i < t->expr_count; i++) {
        const br_trace_expr *e = &t->exprs[i];
        rt_text_printf(&f->out, "%s%s%.*s", e->block, e->name.len > 0 ? " " : "",
                       RT_STR_ARG(e->name));
        put_value(&f->out, ": ", e->value, e->fault);
        for (uint32_t p = 0; p < e->part_count; p++) {
            rt_text_printf(&f->out, "%*s%.*s", (int)(2 + 2 * e->parts[p].depth), "",
                           RT_STR_ARG(e->parts[p].text));
            put_value(&f->out, e->parts[p].is_seen ? " = " : " not looked at ", e->parts[p].value,
                      e->parts[p].fault);
        }
    }
}

static void
trace(fixture *f, const char *type, const char *subject, const char *data)
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
    rt_arena_reset(f->arena);
    CHECK_OK(br_playbooks_trace(f->set, RT_STR("p"), &f->situation, f->arena, &f->trace));
    show(f);
}

static void
test_trace_of_a_false_condition_ends_where_it_was_decided(void **state)
{
    fixture *f = *state;

    use(f, HEAD "throttle: {key: event.subject, per: 1h}\n"
                "when: data.risk > 0.1 && (data.risk + 0.5 > 0.9 || data.risk == 0.0) && "
                "event.subject != \"\"\n" DO);
    trace(f, "delay.detected", "order/1", "{\"risk\":0.25}");

    CHECK_STR(rt_text_view(&f->out), "false\n"
                                     "when: false\n"
                                     "  data.risk > 0.1 = true\n"
                                     "    data.risk = 0.25\n"
                                     "  data.risk + 0.5 > 0.9 || data.risk == 0.0 = false\n"
                                     "    data.risk + 0.5 > 0.9 = false\n"
                                     "      data.risk + 0.5 = 0.75\n"
                                     "        data.risk = 0.25\n"
                                     "    data.risk == 0.0 = false\n"
                                     "      data.risk = 0.25\n"
                                     "  event.subject != \"\" not looked at none\n");
    CHECK_HAS(f->trace.detail, "data.risk = 0.25");
}

static void
test_trace_of_one_that_fires_goes_on_to_its_limits(void **state)
{
    fixture *f = *state;

    use(f, HEAD "when: data.risk > 0.1\n"
                "throttle: {key: event.subject, per: 1h}\n"
                "mode: canary\n"
                "canary: {percent: 10, by: event.subject + \"x\"}\n"
                "budget: [{what: actions, per: event.subject, limit: 2, window: 1h}]\n"
                "approve: {when: data.risk > 0.9, ttl: 1h}\n" DO);
    trace(f, "delay.detected", "order/1", "{\"risk\":0.25}");

    CHECK_STR(rt_text_view(&f->out), "fired\n"
                                     "when: true\n"
                                     "  data.risk > 0.1 = true\n"
                                     "    data.risk = 0.25\n"
                                     "throttle.key: order/1\n"
                                     "  event.subject = order/1\n"
                                     "canary.by: order/1x\n"
                                     "  event.subject + \"x\" = order/1x\n"
                                     "    event.subject = order/1\n"
                                     "budget.per: order/1\n"
                                     "  event.subject = order/1\n"
                                     "approve.when: false\n"
                                     "  data.risk > 0.9 = false\n"
                                     "    data.risk = 0.25\n");
    CHECK_STR(f->trace.throttle_key, "order/1");
}

static void
test_trace_of_a_missing_field_names_the_part_that_failed(void **state)
{
    fixture *f = *state;

    use(f, HEAD "when: order.value > 5.0 && data.risk > 0.5\n" DO);
    trace(f, "delay.detected", "order/1", "{\"risk\":0.25}");

    // false wins over a fault, as CEL has it
    CHECK_STR(rt_text_view(&f->out), "false\n"
                                     "when: false\n"
                                     "  order.value > 5.0 = no such key\n"
                                     "    order.value = no such key\n"
                                     "  data.risk > 0.5 = false\n"
                                     "    data.risk = 0.25\n");
    trace(f, "delay.detected", "order/1", "{\"risk\":0.75}");
    CHECK_STR(f->trace.verdict, "error");
    CHECK_INT(f->trace.exprs[0].fault, BR_FAULT_NO_SUCH_KEY);
    CHECK_TRUE(f->trace.exprs[0].parts[2].is_seen);
}

static void
test_trace_of_a_loop_shows_each_turn(void **state)
{
    fixture *f = *state;

    use(f, HEAD "when: '[1, 2].exists(n, n > 1 && data.risk > 0.0)'\n" DO);
    trace(f, "delay.detected", "order/1", "{\"risk\":0.25}");

    CHECK_STR(rt_text_view(&f->out), "fired\n"
                                     "when: true\n"
                                     "  [1, 2].exists(n, n > 1 && data.risk > 0.0) = true\n"
                                     "    n > 1 && data.risk > 0.0 = false\n"
                                     "      n > 1 = false\n"
                                     "        n = 1\n"
                                     "    n > 1 && data.risk > 0.0 = true\n"
                                     "      n > 1 = true\n"
                                     "        n = 2\n"
                                     "      data.risk > 0.0 = true\n"
                                     "        data.risk = 0.25\n");
}

static void
test_trace_of_a_pattern_shows_the_parts_that_the_event_could_be(void **state)
{
    fixture *f = *state;

    use(f, "kind: playbook\nid: p\ndoc: Because.\n"
           "pattern:\n"
           "  sequence:\n"
           "    - {name: a, event: delay.detected, when: data.risk > 0.5,\n"
           "       capture: {risk: data.risk}}\n"
           "    - {name: b, event: delay.detected, when: data.risk < 0.5}\n"
           "  key: event.subject\n"
           "  within: 1h\n" DO);
    trace(f, "delay.detected", "order/1", "{\"risk\":0.75}");

    CHECK_STR(rt_text_view(&f->out), "matched\n"
                                     "pattern.when a: true\n"
                                     "  data.risk > 0.5 = true\n"
                                     "    data.risk = 0.75\n"
                                     "pattern.key a: order/1\n"
                                     "  event.subject = order/1\n"
                                     "pattern.capture risk: 0.75\n"
                                     "  data.risk = 0.75\n"
                                     "pattern.when b: false\n"
                                     "  data.risk < 0.5 = false\n"
                                     "    data.risk = 0.75\n");
}

static void
test_trace_of_a_choice_shows_the_branches_up_to_the_one_taken(void **state)
{
    static const char act[] = "do: [{action: open_case, target: \"${event.subject}\", "
                              "args: {kind: late}}]}\n";
    fixture *f = *state;
    char text[2048];

    (void)snprintf(text, sizeof(text),
                   HEAD "experiment:\n  key: event.subject\n  arms:\n"
                        "    - {name: a, share: 100, params: {most: 0.9}}\n"
                        "    - {name: b, share: 0, params: {most: 0.1}}\n"
                        "decide:\n  first_match:\n"
                        "    - {name: high, when: data.risk > params.most, %s"
                        "    - {name: mean, when: data.risk > 0.5, %s"
                        "    - {name: low, when: data.risk > 0.25, %s"
                        "    - else: []\n",
                   act, act, act);
    use(f, text);
    trace(f, "delay.detected", "order/1", "{\"risk\":0.75}");

    CHECK_STR(rt_text_view(&f->out), "fired\n"
                                     "experiment.key: order/1\n"
                                     "  event.subject = order/1\n"
                                     "decide.when high: false\n"
                                     "  data.risk > params.most = false\n"
                                     "    data.risk = 0.75\n"
                                     "    params.most = 0.9\n"
                                     "decide.when mean: true\n"
                                     "  data.risk > 0.5 = true\n"
                                     "    data.risk = 0.75\n");
}

static void
test_trace_of_a_verification_shows_what_was_expected(void **state)
{
    fixture *f = *state;

    use(f, HEAD DO "verify: {within: 1h, expect: order.status == \"delivered\"}\n");
    trace(f, "timer.fired", "order/1", "{\"owner\":\"playbook:p\",\"key\":\"12\"}");
    CHECK_STR(f->trace.verdict, "not verified");
    CHECK_STR(rt_str_of(f->trace.exprs[0].block), "verify.expect");
    CHECK_STR(f->trace.exprs[0].parts[1].text, "order.status");

    trace(f, "timer.fired", "order/1", "{\"owner\":\"playbook:other\",\"key\":\"12\"}");
    CHECK_U64(f->trace.expr_count, 0);
    trace(f, "timer.fired", "order/1", "{\"owner\":\"playbook:p\",\"key\":\"held:12\"}");
    CHECK_U64(f->trace.expr_count, 0);
}

static void
test_trace_of_a_playbook_that_does_not_hear_the_event_is_empty(void **state)
{
    fixture *f = *state;

    use(f, HEAD DO);
    trace(f, "carrier.status", "carrier/c", "{\"status\":\"down\"}");
    CHECK_STR(f->trace.verdict, "");
    CHECK_U64(f->trace.expr_count, 0);

    trace(f, "delay.detected", "order/1", "{\"risk\":0.25}");
    CHECK_STR(f->trace.verdict, "fired"); // always, without a condition
    CHECK_U64(f->trace.expr_count, 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_trace_of_a_false_condition_ends_where_it_was_decided,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(test_trace_of_one_that_fires_goes_on_to_its_limits, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_trace_of_a_missing_field_names_the_part_that_failed,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(test_trace_of_a_loop_shows_each_turn, setup, teardown),
        cmocka_unit_test_setup_teardown(
            test_trace_of_a_pattern_shows_the_parts_that_the_event_could_be, setup, teardown),
        cmocka_unit_test_setup_teardown(
            test_trace_of_a_choice_shows_the_branches_up_to_the_one_taken, setup, teardown),
        cmocka_unit_test_setup_teardown(test_trace_of_a_verification_shows_what_was_expected,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(
            test_trace_of_a_playbook_that_does_not_hear_the_event_is_empty, setup, teardown),
    };

    return cmocka_run_group_tests_name("trace", tests, NULL, NULL);
}
