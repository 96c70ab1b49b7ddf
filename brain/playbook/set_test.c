// Compiling a set: every finding with its place, what the set tells about itself, all or nothing.
#include "tests/harness/pack_kit.h"

#include "brain/playbook/playbook.h"
#include "runtime/base/alloc.h"

#define HEAD "kind: playbook\nid: p\nevents: [delay.detected]\n"
#define DO "do:\n  - action: alert_operator\n    target: x\n    args: {text: hi}\n"
#define STEP "  - {action: alert_operator, target: x, args: {text: hi}}\n"
#define VERIFY "verify: {within: 1h, expect: order.status == \"delivered\"}\n"

typedef struct bad_text {
    const char *text;
    const char *place;
    const char *code;
} bad_text;

static br_pack *pack;

static int
group_setup(void **state)
{
    (void)state;
    pack = pack_kit_real();
    return 0;
}

static int
group_teardown(void **state)
{
    (void)state;
    br_pack_free(pack);
    return 0;
}

static rt_err
compile(const br_playbook_file *files, size_t count, rt_diag *diag, br_playbooks **ret_set)
{
    return br_playbooks_compile(pack, files, count, 12, diag, ret_set);
}

static void
check_bad(const bad_text *bad)
{
    rt_diag *diag = rt_diag_new();
    br_playbook_file file = {RT_STR("x.yaml"), rt_str_of(bad->text)};
    br_playbooks *set = NULL;

    CHECK_ERR(compile(&file, 1, diag, &set), RT_ECONFIG);
    CHECK_TRUE(set == NULL);
    pack_kit_finds(diag, bad->place, bad->code);
    rt_diag_free(diag);
}

static void
check_all_bad(const bad_text *list, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        check_bad(&list[i]);
    }
}

static br_playbooks *
compile_good(const char *const *texts, size_t count)
{
    rt_diag *diag = rt_diag_new();
    br_playbook_file files[8];
    br_playbooks *set = NULL;

    for (size_t i = 0; i < count; i++) {
        files[i] = (br_playbook_file){rt_str_of(i == 0 ? "b.yaml" : "a.yaml"), rt_str_of(texts[i])};
    }
    if (compile(files, count, diag, &set) != RT_OK) {
        drive_report(diag);
    }
    rt_diag_free(diag);
    return set;
}

static void
test_set_unknown_keys_and_kinds_are_named(void **state)
{
    static const bad_text list[] = {
        {HEAD DO "colour: red\n", "8:1", "B2001"},
        {HEAD "do:\n  - action: alert_operator\n    target: x\n    wait: 3m\n", "7:5", "B2001"},
        {HEAD "throttle: {key: event.subject, per: 1h, for: 2h}\n" DO, "4:41", "B2001"},
        {HEAD DO "verify: {within: 1h, expect: \"true\", after: 1h}\n", "8:38", "B2001"},
        {"kind: playbok\n", "1:7", "B2002"},
        {"id: p\n", "1:1", "B2002"},
        {HEAD DO "mode: dry\n", "8:7", "B2019"},
        {HEAD DO "priority: 101\n", "8:11", "B2004"},
        {HEAD DO "confidence: 1.5\n", "8:13", "B2004"},
    };

    (void)state;
    check_all_bad(list, RT_COUNT(list));
}

static void
test_set_missing_parts_are_named(void **state)
{
    static const bad_text list[] = {
        {"kind: playbook\nevents: [delay.detected]\n" DO, "1:1", "B2010"},
        {"kind: playbook\nid: p\n" DO, "1:1", "B2010"},
        {"kind: playbook\nid: p\nevents: []\n" DO, "1:1", "B2010"},
        {HEAD, "1:1", "B2010"},
        {HEAD "do:\n  - action: resume_carrier\n", "5:5", "B2010"},
        {HEAD "throttle: {key: event.subject}\n" DO, "4:1", "B2010"},
        {HEAD "throttle: {key: event.subject, per: 400d}\n" DO, "4:37", "B2004"},
        {HEAD "throttle: {per: 1h}\n" DO, "4:1", "B2010"},
        {HEAD DO "verify: {within: 1h}\n", "8:1", "B2010"},
        {HEAD DO "verify: {expect: \"true\"}\n", "8:1", "B2010"},
        {HEAD DO "escalate:\n" STEP, "1:1", "B2010"}, // would never run
    };

    (void)state;
    check_all_bad(list, RT_COUNT(list));
}

static void
test_set_values_of_a_wrong_shape_are_named(void **state)
{
    static const bad_text list[] = {
        {HEAD "when: [1]\n" DO, "4:7", "B2024"},
        {"kind: playbook\nid: p\nevents: delay.detected\n" DO, "3:9", "B2024"},
        {HEAD DO "verify: 1h\n", "8:9", "B2024"},
        {HEAD DO VERIFY "escalate: help\n", "9:11", "B2024"},
        {HEAD "throttle: 1h\n" DO, "4:11", "B2024"},
        {HEAD "do: alert_operator\n", "4:5", "B2024"},
        {HEAD "do:\n  - {action: alert_operator, target: {event.subject}, args: {text: a}}\n",
         "5:38", "B2024"},
        {HEAD "do:\n  - {action: alert_operator, target: a, args: text}\n", "5:47", "B2024"},
        {HEAD "do: []\n", "1:1", "B2010"},
    };

    (void)state;
    check_all_bad(list, RT_COUNT(list));
}

static void
test_set_bad_steps_are_named(void **state)
{
#define ARGS HEAD "do:\n  - action: pause_carrier\n    target: carrier/x\n    args: "
    static const bad_text list[] = {
        {HEAD "do:\n" STEP STEP STEP STEP STEP STEP STEP STEP STEP, "13:5", "B2011"},
        {HEAD "do:\n  - {action: alert_operatr, target: x}\n", "5:14", "B2012"},
        {HEAD "do:\n  - {target: x}\n", "5:5", "B2012"},
        {ARGS "{hour: 3}\n", "7:12", "B2013"},
        {ARGS "{hours: [3]}\n", "7:19", "B2014"},
        {ARGS "{hours: many}\n", "7:19", "B2015"},
        {ARGS "{hours: =data.city}\n", "7:19", "B2015"},
        {ARGS "{city: =data.risk}\n", "7:18", "B2015"},
        {HEAD "do:\n  - {action: alert_operator, target: x}\n", "5:5", "B2016"},
        {HEAD DO VERIFY "escalate:\n  - {action: alert_operatr, target: x}\n", "10:14", "B2012"},
        {HEAD "do:\n  - {action: pause_carrier, target: order/x}\n", "5:37", "B2025"},
        {HEAD "do:\n  - {action: pause_carrier, target: veloz}\n", "5:37", "B2025"},
    };

    (void)state;
    check_all_bad(list, RT_COUNT(list));
}

static void
test_set_bad_events_and_ids_are_named(void **state)
{
#define EVENTS "kind: playbook\nid: p\nevents: "
    static const bad_text list[] = {
        {EVENTS "[delay.detected, delay.detectd]\n" DO, "3:26", "B2017"},
        {EVENTS "[delay.detected, delay.detected]\n" DO, "3:26", "B2021"},
        {EVENTS "[delay.detected, carrier.status]\n" DO VERIFY, "3:26", "B2022"},
        {EVENTS "[delay.detected, anomaly.detected]\n" DO VERIFY, "3:26", "B2022"},
        {EVENTS "[timer.fired, action.executed, decision.rewarded, feedback.received, "
                "metric.sampled, anomaly.detected, anomaly.cleared, healing.completed, "
                "learning.completed, improvement.proposed, model.trained, model.reset, "
                "model.deployed, message.dead_lettered, dead_letter.resolved, playbook.verified, "
                "playbook.escalated]\n" DO,
         "3:298", "B2018"},
        {"kind: playbook\nid: a123456789b123456789c123456789d123456789e12345678\n"
         "events: [delay.detected]\n" DO,
         "2:5", "B2023"},
    };

    (void)state;
    check_all_bad(list, RT_COUNT(list));
}

static void
test_set_bad_expressions_are_named_in_their_place(void **state)
{
    static const bad_text list[] = {
        {HEAD "when: data.rsk > 0.5\n" DO, "4:7", "B2107"},
        {HEAD "when: |\n  data.risk > 0.5\n  && data.city\n" DO, "5:3", "B2104"},
        {HEAD "when: data.risk +\n" DO, "4:17", "B2101"},
        {HEAD "throttle: {key: data.risk, per: 1h}\n" DO, "4:17", "B2104"},
        {HEAD "do:\n  - {action: alert_operator, target: \"${order.nr}\", args: {text: a}}\n",
         "5:41", "B2107"},
        {HEAD DO "verify: {within: 1h, expect: data.risk > 0.5}\n", "8:30", "B2107"},
        {HEAD DO VERIFY "escalate:\n  - {action: alert_operator, target: \"${data.risk}\", "
                        "args: {text: a}}\n",
         "10:41", "B2107"},
    };

    (void)state;
    check_all_bad(list, RT_COUNT(list));
}

static void
test_set_expression_is_checked_for_every_event_type(void **state)
{
    static const bad_text bad = {"kind: playbook\nid: p\nevents: [delay.detected, order.shipped]\n"
                                 "when: data.risk > 0.5\n" DO,
                                 "4:7", "B2107"};

    (void)state;
    check_bad(&bad);
}

// Each is fine but for one warning.
static void
check_warns(const bad_text *w, const char *before)
{
    rt_diag *diag = rt_diag_new();
    const br_playbook_file files[] = {{RT_STR("x.yaml"), rt_str_of(w->text)},
                                      {RT_STR("a.yaml"), rt_str_of(before)}};
    br_playbooks *set = NULL;

    if (compile(files, before[0] != '\0' ? 2 : 1, diag, &set) != RT_OK) {
        drive_report(diag);
    }
    if (w->code[0] != '\0') {
        pack_kit_finds(diag, w->place, w->code);
    }
    CHECK_INT(rt_diag_warnings(diag), w->code[0] != '\0' ? 1 : 0);
    br_playbooks_free(set);
    rt_diag_free(diag);
}

static void
check_all_warn(const bad_text *list, size_t count, const char *before)
{
    for (size_t i = 0; i < count; i++) {
        check_warns(&list[i], before);
    }
}

static void
test_set_texts_that_yaml_reads_otherwise_are_pointed_at(void **state)
{
    static const bad_text list[] = {
        {HEAD DO "doc: Order #5 is late\n", "8:6", "B2064"},
        {HEAD DO "when: data.risk > 0.5 # && data.value > 1.0\n", "8:7", "B2064"},
        {HEAD DO "doc: Order # 5 is late\n", "", ""},
        {HEAD DO "doc: \"Order #5 is late\"\n", "", ""},
        {HEAD DO "doc: Order#5 is late\n", "", ""},
        {HEAD DO "owner: no\n", "8:8", "B2065"},
        {HEAD DO "owner: \"no\"\n", "", ""},
        {HEAD DO "tags: [a, On]\n", "8:11", "B2065"},
        {HEAD DO "mode: off\n", "", ""},
    };

    (void)state;
    check_all_warn(list, RT_COUNT(list), "");
}

static void
test_set_what_cannot_be_taken_back_wants_a_verification(void **state)
{
#define NOTIFY "do:\n  - {action: notify_customer, target: \"customer/1\", args: {text: a}}\n"
    static const bad_text list[] = {
        {HEAD NOTIFY, "5:14", "B2061"},
        {HEAD NOTIFY VERIFY, "", ""},
        {HEAD NOTIFY "mode: shadow\n", "", ""},
    };

    (void)state;
    check_all_warn(list, RT_COUNT(list), "");
}

static void
test_set_irreversible_action_without_verification_is_refused(void **state)
{
    static const char *const texts[] = {
        "kind: catalog\nevents:\n  a.b:\n    doc: x\n",
        "kind: actions\nactions:\n  burn:\n    doc: x\n    class: 3\n    executor: log\n"};
    br_pack *own = pack_kit_of(texts, 2);
    rt_diag *diag = rt_diag_new();
    br_playbook_file file = {RT_STR("x.yaml"), RT_STR("kind: playbook\nid: p\nevents: [a.b]\n"
                                                      "do:\n  - {action: burn, target: x}\n")};
    br_playbooks *set = NULL;

    (void)state;
    CHECK_ERR(br_playbooks_compile(own, &file, 1, 1, diag, &set), RT_ECONFIG);
    pack_kit_finds(diag, "5:14", "B2060");
    rt_diag_free(diag);
    br_pack_free(own);
}

static void
test_set_playbooks_of_equal_weight_with_one_claim_are_named(void **state)
{
#define PAUSE(args)                                                                                \
    "do:\n  - {action: pause_carrier, target: \"carrier/${data.carrier}\"" args "}\n"
#define OTHER "kind: playbook\nid: q\nevents: [delay.detected]\n"
    static const bad_text list[] = {
        {HEAD PAUSE(""), "5:14", "B2062"},
        {HEAD PAUSE("") "priority: 100\nconfidence: 0.5\n", "5:14", "B2062"},
        {HEAD PAUSE("") "priority: 51\n", "", ""},
        {HEAD PAUSE(", value: 0.1"), "", ""},
        {HEAD PAUSE("") "mode: shadow\n", "", ""},
        {HEAD DO, "", ""},
        {"kind: playbook\nid: p\nevents: [order.shipped]\n" PAUSE(""), "", ""},
    };

    (void)state;
    check_all_warn(list, RT_COUNT(list), OTHER PAUSE(""));
}

static void
test_set_playbooks_that_set_themselves_off_are_named(void **state)
{
#define RESET "do:\n  - {action: reset_model, target: m, args: {model: m}}\n"
    static const bad_text list[] = {
        {"kind: playbook\nid: p\nevents: [model.reset]\n" RESET, "5:14", "B2063"},
        {"kind: playbook\nid: p\nevents: [model.reset]\nmode: shadow\n" RESET, "", ""},
        {"kind: playbook\nid: p\nevents: [model.trained]\n" RESET, "", ""},
    };
    const bad_text alone = list[2];

    (void)state;
    check_all_warn(list, RT_COUNT(list), "");
    // One that only hears what the other emits closes no circle.
    check_warns(&alone, "kind: playbook\nid: q\nevents: [model.reset]\n" DO);
}

static void
test_set_keys_of_another_block_are_sent_back_to_it(void **state)
{
    rt_diag *diag = rt_diag_new();
    br_playbook_file file = {RT_STR("x.yaml"), RT_STR(HEAD DO "    priority: 70\n")};
    br_playbooks *set = NULL;
    rt_text out;

    (void)state;
    rt_text_init(&out, 4096);
    CHECK_ERR(compile(&file, 1, diag, &set), RT_ECONFIG);
    rt_diag_render(diag, &out);
    assert_non_null(strstr(out.ptr, "it is a key of playbook"));
    rt_text_fini(&out);
    rt_diag_free(diag);
}

static void
test_set_that_was_live_is_restored_with_what_is_refused_now(void **state)
{
    rt_diag *diag = rt_diag_new();
    const br_playbook_file file = {RT_STR("x.yaml"), RT_STR(HEAD DO "when: 1 > 2\n")};
    br_playbooks *set = NULL;

    (void)state;
    CHECK_ERR(compile(&file, 1, diag, &set), RT_ECONFIG);
    CHECK_OK(br_playbooks_restore(pack, &file, 1, 12, diag, &set));
    CHECK_INT(br_playbooks_count(set), 1);
    br_playbooks_free(set);
    rt_diag_free(diag);
}

static void
test_set_same_id_twice_is_refused(void **state)
{
    rt_diag *diag = rt_diag_new();
    const br_playbook_file files[] = {{RT_STR("a.yaml"), RT_STR(HEAD DO)},
                                      {RT_STR("x.yaml"), RT_STR(HEAD DO)}};
    br_playbooks *set = NULL;

    (void)state;
    CHECK_ERR(compile(files, 2, diag, &set), RT_ECONFIG);

    pack_kit_finds(diag, "2:5", "B2020");
    rt_diag_free(diag);
}

static void
test_set_remediation_with_unknown_action_is_refused(void **state)
{
    static const bad_text bad = {
        "kind: remediation\nid: r\nfor: other\nsteps:\n  - {action: alert_operatr, wait: 5m}\n"
        "escalate: {text: help}\n",
        "5:14", "B2012"};

    (void)state;
    check_bad(&bad);
}

static void
test_set_too_large_is_refused(void **state)
{
    rt_diag *diag = rt_diag_new();
    size_t len = BR_PLAYBOOK_BYTES_MAX + 1;
    char *text = rt_alloc(len);
    br_playbook_file file = {RT_STR("x.yaml"), {text, len}};
    br_playbooks *set = NULL;

    (void)state;
    memset(text, '\n', len);
    memcpy(text, HEAD DO, strlen(HEAD DO));
    CHECK_ERR(compile(&file, 1, diag, &set), RT_ELIMIT);
    file.text.len--;
    CHECK_OK(compile(&file, 1, diag, &set));
    CHECK_ERR(compile(&file, BR_PLAYBOOKS_MAX + 1, diag, &set), RT_ELIMIT);

    br_playbooks_free(set);
    rt_free(text);
    rt_diag_free(diag);
}

// What a file can make the reader do is bounded by its values, not only by its bytes.
static void
test_set_file_of_too_many_values_is_refused_early(void **state)
{
    rt_diag *diag = rt_diag_new();
    rt_text text;
    br_playbooks *set = NULL;

    (void)state;
    rt_text_init(&text, BR_PLAYBOOK_BYTES_MAX);
    rt_text_cstr(&text, HEAD DO "tags: [");
    for (int i = 0; i < BR_PLAYBOOK_VALUES_MAX; i++) {
        rt_text_cstr(&text, "a,");
    }
    rt_text_cstr(&text, "]\n");
    br_playbook_file file = {RT_STR("x.yaml"), rt_text_view(&text)};
    CHECK_ERR(compile(&file, 1, diag, &set), RT_ECONFIG);
    CHECK_INT(rt_diag_errors(diag), 1);
    CHECK_CSTR(rt_diag_at(diag, 0).code, "B2006");
    rt_text_fini(&text);
    rt_diag_free(diag);
}

static void
test_set_tells_what_it_holds(void **state)
{
    static const char *const texts[] = {
        "kind: playbook\nid: late\ndoc: Is late.\nowner: ops\nmode: shadow\n"
        "events: [delay.detected, order.shipped]\nthrottle: {key: event.subject, per: 2h}\n" DO,
        "kind: remediation\nid: r\ndoc: Heals.\nfor: other\n"
        "steps:\n  - {action: alert_operator, args: {text: a}, wait: 5m}\n"
        "escalate: {text: help}\n"};
    br_playbooks *set = compile_good(texts, 2);
    br_playbook_info late = br_playbooks_info(set, 1); // in order of file names

    (void)state;
    CHECK_U64(br_playbooks_version(set), 12);
    CHECK_INT(br_playbooks_count(set), 2);
    CHECK_STR(br_playbooks_info(set, 0).id, "r");
    CHECK_STR(br_playbooks_info(set, 0).kind, "remediation");
    CHECK_STR(late.id, "late");
    CHECK_STR(late.doc, "Is late.");
    CHECK_STR(late.owner, "ops");
    CHECK_STR(late.kind, "playbook");
    CHECK_STR(late.file, "b.yaml");
    CHECK_INT(late.mode, BR_MODE_SHADOW);
    CHECK_INT(late.events, 2);
    CHECK_INT(br_playbooks_throttle_ms(set, RT_STR("late")), 2 * 3600 * 1000);
    CHECK_INT(br_playbooks_throttle_ms(set, RT_STR("never")), 0);
    br_playbooks_free(set);
}

static bool
hears(const br_playbooks *set, const char *type)
{
    return br_playbooks_hears(set, rt_catalog_find(br_pack_catalog(pack), rt_str_of(type)));
}

static void
test_set_hears_its_events_and_timers(void **state)
{
    static const char *const texts[] = {
        HEAD DO, "kind: playbook\nid: off\nmode: \"off\"\nwhen: data.value > 5.0\n"
                 "throttle: {key: event.subject, per: 1h}\nevents: [order.created]\n" DO};
    br_playbooks *set = compile_good(texts, 2);

    (void)state;
    CHECK_TRUE(hears(set, "delay.detected"));
    CHECK_FALSE(hears(set, "order.created")); // only one that is off names it
    CHECK_FALSE(hears(set, "order.shipped"));
    CHECK_TRUE(hears(set, "timer.fired"));
    CHECK_INT(br_playbooks_count(set), 2);
    br_playbooks_free(set);
}

static void
test_set_files_are_given_back_in_order_of_names(void **state)
{
    static const char *const texts[] = {HEAD DO,
                                        "kind: playbook\nid: q\nevents: [order.shipped]\n" DO};
    br_playbooks *set = compile_good(texts, 2);

    (void)state;
    CHECK_INT(br_playbooks_file_count(set), 2);
    CHECK_STR(br_playbooks_file(set, 0).name, "a.yaml");
    CHECK_STR(br_playbooks_file(set, 0).text, texts[1]);
    CHECK_STR(br_playbooks_file(set, 1).name, "b.yaml");
    CHECK_STR(br_playbooks_file(set, 1).text, texts[0]);
    br_playbooks_free(set);
}

static void
test_set_hash_depends_on_every_name_and_text(void **state)
{
    const br_playbook_file files[] = {{RT_STR("a"), RT_STR("x")}, {RT_STR("b"), RT_STR("y")}};
    const br_playbook_file text[] = {{RT_STR("a"), RT_STR("x")}, {RT_STR("b"), RT_STR("z")}};
    const br_playbook_file name[] = {{RT_STR("a"), RT_STR("x")}, {RT_STR("c"), RT_STR("y")}};
    uint64_t hash = br_playbooks_hash(files, 2);

    (void)state;
    CHECK_TRUE(hash == br_playbooks_hash(files, 2));
    CHECK_TRUE(hash != br_playbooks_hash(files, 1));
    CHECK_TRUE(hash != br_playbooks_hash(text, 2));
    CHECK_TRUE(hash != br_playbooks_hash(name, 2));
}

static void
test_set_of_nothing_is_a_set(void **state)
{
    br_playbooks *set = compile_good(NULL, 0);

    (void)state;
    CHECK_INT(br_playbooks_count(set), 0);
    CHECK_FALSE(hears(set, "delay.detected"));
    br_playbooks_free(set);
    br_playbooks_free(NULL);
}

// A set without one of its playbooks would decide otherwise, and nobody would know.
static void
test_set_without_memory_is_no_set(void **state)
{
    static const char remediation[] =
        "kind: remediation\nid: r\ndoc: Heals.\nfor: other\n"
        "steps:\n  - {action: alert_operator, args: {text: a}, wait: 5m}\nescalate: {text: help}\n";
    const br_playbook_file files[] = {{RT_STR("a.yaml"), RT_STR(HEAD DO "when: data.risk > 0.5\n")},
                                      {RT_STR("b.yaml"), RT_STR("kind: playbook\nid: q\n"
                                                               "events: [order.created]\n" DO VERIFY
                                                               "escalate:\n" STEP)},
                                      {RT_STR("c.yaml"), rt_str_of(remediation)}};
    uint64_t n = 0;
    uint64_t tries = 0;
    rt_err err = RT_ENOMEM;

    (void)state;
    // Given that the n-th allocation fails, for every n: then there is no set, until none fails.
    while (err != RT_OK) {
        rt_diag *diag = rt_diag_new();
        br_playbooks *set = NULL;

        rt_alloc_fail_after(++n);
        err = compile(files, RT_COUNT(files), diag, &set);
        tries = rt_alloc_tries();
        rt_alloc_fail_after(0);
        if (n <= tries) {
            CHECK_ERR(err, RT_ENOMEM);
            CHECK_TRUE(set == NULL);
        } else {
            CHECK_OK(err);
            CHECK_INT(br_playbooks_count(set), 3);
        }
        br_playbooks_free(set);
        rt_diag_free(diag);
    }
    CHECK_TRUE(n > 10);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_set_unknown_keys_and_kinds_are_named),
        cmocka_unit_test(test_set_missing_parts_are_named),
        cmocka_unit_test(test_set_values_of_a_wrong_shape_are_named),
        cmocka_unit_test(test_set_bad_steps_are_named),
        cmocka_unit_test(test_set_bad_events_and_ids_are_named),
        cmocka_unit_test(test_set_bad_expressions_are_named_in_their_place),
        cmocka_unit_test(test_set_expression_is_checked_for_every_event_type),
        cmocka_unit_test(test_set_texts_that_yaml_reads_otherwise_are_pointed_at),
        cmocka_unit_test(test_set_what_cannot_be_taken_back_wants_a_verification),
        cmocka_unit_test(test_set_irreversible_action_without_verification_is_refused),
        cmocka_unit_test(test_set_playbooks_of_equal_weight_with_one_claim_are_named),
        cmocka_unit_test(test_set_playbooks_that_set_themselves_off_are_named),
        cmocka_unit_test(test_set_keys_of_another_block_are_sent_back_to_it),
        cmocka_unit_test(test_set_that_was_live_is_restored_with_what_is_refused_now),
        cmocka_unit_test(test_set_same_id_twice_is_refused),
        cmocka_unit_test(test_set_remediation_with_unknown_action_is_refused),
        cmocka_unit_test(test_set_too_large_is_refused),
        cmocka_unit_test(test_set_file_of_too_many_values_is_refused_early),
        cmocka_unit_test(test_set_tells_what_it_holds),
        cmocka_unit_test(test_set_hears_its_events_and_timers),
        cmocka_unit_test(test_set_files_are_given_back_in_order_of_names),
        cmocka_unit_test(test_set_hash_depends_on_every_name_and_text),
        cmocka_unit_test(test_set_of_nothing_is_a_set),
        cmocka_unit_test(test_set_without_memory_is_no_set),
    };

    return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
