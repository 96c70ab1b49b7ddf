#include "brain/playbook/remediation.h"
#include "tests/harness/check.h"

static const char good[] =
    "kind: remediation\n"
    "id: carrier-failure\n"
    "doc: A carrier stopped delivering.\n"
    "owner: operaciones\n"
    "for: carrier_failure\n"
    "when: data.score > 0.7\n"
    "priority: 80\n"
    "steps:\n"
    "  - action: pause_carrier\n"
    "    target: ${data.scope}\n"
    "    args: {hours: 6, force: true, share: 0.5, code: \"6\", reason: \"${data.metric} bad\"}\n"
    "    wait: 1h30m\n"
    "    note: First.\n"
    "  - action: alert_operator\n"
    "escalate: {text: \"${scope.key} fails\", severity: warning}\n";

static void
test_parse_reads_every_part(void **state)
{
    rt_diag *diag = rt_diag_new();
    br_remediation *r = NULL;

    (void)state;
    CHECK_OK(br_remediation_parse("x.yaml", rt_str_of(good), diag, &r));
    CHECK_STR(r->id, "carrier-failure");
    CHECK_STR(r->anomaly, "carrier_failure");
    CHECK_STR(br_expr_source(r->when), "data.score > 0.7");
    CHECK_INT(r->priority, 80);
    CHECK_INT(r->step_count, 2);
    CHECK_STR(r->steps[0].target, "${data.scope}");
    CHECK_INT(r->steps[0].wait_ms, 5400000);
    CHECK_INT(r->steps[0].arg_count, 5);
    CHECK_INT(r->steps[0].args[0].value.kind, RT_KIND_I64);
    CHECK_INT(r->steps[0].args[1].value.kind, RT_KIND_BOOL);
    CHECK_INT(r->steps[0].args[2].value.kind, RT_KIND_F64);
    CHECK_INT(r->steps[0].args[3].value.kind, RT_KIND_STR);
    CHECK_STR(r->steps[0].args[3].value.s, "6");
    CHECK_STR(r->steps[0].args[4].value.s, "${data.metric} bad");
    CHECK_STR(r->steps[1].action, "alert_operator");
    CHECK_STR(r->steps[1].target, "");
    CHECK_INT(r->steps[1].wait_ms, BR_REMEDIATION_WAIT_DEFAULT_MS);
    CHECK_STR(r->escalate_text, "${scope.key} fails");
    CHECK_STR(r->escalate_severity, "warning");
    br_remediation_free(r);
    rt_diag_free(diag);
}

// Each case replaces `from` in the good file by `to` and must be found at its place.
static void
test_parse_names_every_mistake(void **state)
{
    const struct {
        const char *from;
        const char *to;
        const char *expected;
    } cases[] = {
        {"priority: 80", "priorty: 80", "x.yaml:7:1: error: "},
        {"priority: 80", "priority: 180", "x.yaml:7:11: error: "},
        {"id: carrier-failure", "id: Carrier Failure", "x.yaml:2:5: error: `id` is no name"},
        {"for: carrier_failure\n", "", "x.yaml:1:1: error: `for` is missing [B2302]"},
        {"    wait: 1h30m", "    wait: 10ms",
         "x.yaml:12:11: error: `wait` must be from 1 s to 7d [B2303]"},
        {"    note: First.", "    nota: First.", "x.yaml:13:5: error: "},
        {"${data.scope}\n", "${data.scop}\n",
         "x.yaml:10:13: error: unknown placeholder 'data.scop' [B2306]"},
        {"${data.metric} bad", "${data.metric bad", "unclosed placeholder [B2306]"},
        {"share: 0.5", "share: [1]", "argument 'share' is no single value [B2305]"},
        {"- action: alert_operator", "- target: x",
         "x.yaml:14:5: error: `action` is missing [B2302]"},
        {"text: \"${scope.key} fails\", ", "", "x.yaml:15:1: error: `text` is missing [B2302]"},
        {"data.score > 0.7", "data.scor > 0.7", "x.yaml:6:7: error: "},
        {"data.score > 0.7", "data.metric > 0.7", "x.yaml:6:7: error: "},
        {"data.score > 0.7", "data.score", "[B2104]"},
        {"severity: warning", "severity: loud",
         "x.yaml:15:50: error: `severity` cannot be 'loud' [B2303]"},
    };

    (void)state;
    for (size_t i = 0; i < RT_COUNT(cases); i++) {
        rt_diag *diag = rt_diag_new();
        br_remediation *r = NULL;
        rt_text text;
        rt_text found;
        const char *at = strstr(good, cases[i].from);

        assert_non_null(at);
        rt_text_init(&text, 4096);
        rt_text_init(&found, 4096);
        rt_text_put(&text, good, (size_t)(at - good));
        rt_text_cstr(&text, cases[i].to);
        rt_text_cstr(&text, at + strlen(cases[i].from));
        CHECK_ERR(br_remediation_parse("x.yaml", rt_text_view(&text), diag, &r), RT_ECONFIG);
        CHECK_TRUE(r == NULL);
        rt_diag_render_gcc(diag, &found);
        if (strstr(found.ptr, cases[i].expected) == NULL) {
            print_error("case %zu: wanted \"%s\" in:\n%s", i, cases[i].expected, found.ptr);
            fail();
        }
        rt_text_fini(&text);
        rt_text_fini(&found);
        rt_diag_free(diag);
    }
}

static void
test_parse_refuses_no_steps_and_too_many(void **state)
{
    rt_diag *diag = rt_diag_new();
    br_remediation *r = NULL;
    rt_text text;

    (void)state;
    rt_text_init(&text, 8192);
    rt_text_cstr(&text, "kind: remediation\nid: a\nfor: b\nescalate: {text: t}\nsteps:\n");
    for (int i = 0; i <= BR_REMEDIATION_STEPS_MAX; i++) {
        rt_text_cstr(&text, "  - action: alert_operator\n");
    }
    CHECK_ERR(br_remediation_parse("x.yaml", rt_text_view(&text), diag, &r), RT_ECONFIG);
    CHECK_ERR(br_remediation_parse("y.yaml",
                                   RT_STR("kind: remediation\nid: a\nfor: b\nsteps: []\n"
                                          "escalate: {text: t}\n"),
                                   diag, &r),
              RT_ECONFIG);
    CHECK_INT(rt_diag_errors(diag), 2);
    rt_text_fini(&text);
    rt_diag_free(diag);
}

static rt_value
field(const void *user, const char *name)
{
    return strcmp(name, "score") == 0 ? *(const rt_value *)user : RT_NONE;
}

static void
test_applies_when_the_condition_holds(void **state)
{
    const struct {
        rt_value score;
        bool applies;
    } cases[] = {{RT_F64(0.8), true}, {RT_F64(0.7), false}, {RT_NONE, false}, {RT_I64(1), true}};
    rt_diag *diag = rt_diag_new();
    br_remediation *r = NULL;

    (void)state;
    CHECK_OK(br_remediation_parse("x.yaml", rt_str_of(good), diag, &r));
    for (size_t i = 0; i < RT_COUNT(cases); i++) {
        CHECK_INT(br_remediation_applies(r, field, &cases[i].score), cases[i].applies);
    }
    br_remediation_free(r);
    rt_diag_free(diag);
}

static bool
lookup(void *user, rt_str path, rt_text *out)
{
    (void)user;
    if (rt_str_is(path, "data.scope")) {
        rt_text_cstr(out, "carrier/tcc");
        return true;
    }
    return false;
}

static void
test_fill_replaces_placeholders(void **state)
{
    const struct {
        const char *source;
        rt_err err;
        const char *expected;
    } cases[] = {
        {"plain $5 {x}", RT_OK, "plain $5 {x}"},
        {"${data.scope}", RT_OK, "carrier/tcc"},
        {"a ${data.scope}, ${data.scope}!", RT_OK, "a carrier/tcc, carrier/tcc!"},
        {"", RT_OK, ""},
        {"${data.kind}", RT_EMISSING, NULL},
        {"long ${data.scope} ${data.scope} ${data.scope}", RT_ELIMIT, NULL},
    };

    (void)state;
    for (size_t i = 0; i < RT_COUNT(cases); i++) {
        rt_text out;
        rt_text_init(&out, 32);
        CHECK_ERR(br_remediation_fill(rt_str_of(cases[i].source), lookup, NULL, &out),
                  cases[i].err);
        if (cases[i].expected != NULL) {
            CHECK_STR(rt_text_view(&out), cases[i].expected);
        }
        rt_text_fini(&out);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse_reads_every_part),
        cmocka_unit_test(test_parse_names_every_mistake),
        cmocka_unit_test(test_parse_refuses_no_steps_and_too_many),
        cmocka_unit_test(test_applies_when_the_condition_holds),
        cmocka_unit_test(test_fill_replaces_placeholders),
    };
    return CHECK_RUN(tests);
}
