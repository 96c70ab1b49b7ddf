// What the index rules out is false: whatever the rules and the event, those that are looked at by
// their texts say what they say when all are looked at.
#include "runtime/base/rng.h"
#include "tests/harness/pack_kit.h"

#include "brain/playbook/internal.h"

#define DO "do:\n  - {action: alert_operator, target: \"${event.subject}\", args: {text: hi}}\n"
#define FILES 1000
#define TEXT_MAX 512

typedef struct fixture {
    br_pack *pack;
    br_playbooks *set;
    rt_arena *arena;
    rt_mpw wire;
    rt_event event;
    br_situation situation;
    msg_consultation out;
    char texts[FILES][TEXT_MAX];
    char names[FILES][16];
    br_playbook_file files[FILES];
    uint32_t count;
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
add(fixture *f, const char *when)
{
    uint32_t i = f->count++;

    CHECK_TRUE(i < FILES);
    (void)snprintf(f->names[i], sizeof(f->names[i]), "f%04u.yaml", i);
    (void)snprintf(f->texts[i], TEXT_MAX,
                   "kind: playbook\nid: p%u\nevents: [delay.detected]\nwhen: |\n  %s\n" DO, i,
                   when);
    f->files[i] = (br_playbook_file){rt_str_of(f->names[i]), rt_str_of(f->texts[i])};
}

// Compiles what was added; what was compiled before goes.
static rt_err
compile(fixture *f, rt_text *ret_findings)
{
    rt_diag *diag = rt_diag_new();
    rt_err err;

    br_playbooks_free(f->set);
    f->set = NULL;
    err = br_playbooks_compile(f->pack, f->files, f->count, 12, diag, &f->set);
    if (ret_findings != NULL) {
        rt_diag_render_gcc(diag, ret_findings);
    } else if (err != RT_OK) {
        drive_report(diag);
    }
    rt_diag_free(diag);
    return err;
}

static void
restore(fixture *f)
{
    rt_diag *diag = rt_diag_new();

    br_playbooks_free(f->set);
    f->set = NULL;
    CHECK_OK(br_playbooks_restore(f->pack, f->files, f->count, 12, diag, &f->set));
    rt_diag_free(diag);
}

static void
consult(fixture *f, const char *data)
{
    char json[2048];

    (void)snprintf(json, sizeof(json),
                   "{\"id\":\"1\",\"source\":\"/s\",\"type\":\"delay.detected\","
                   "\"subject\":\"order/1\",\"data\":%s}",
                   data);
    rt_arena_reset(f->arena);
    pack_kit_event(f->pack, json, &f->wire, &f->event);
    f->event.seq = 42;
    memset(&f->situation, 0, sizeof(f->situation));
    f->situation.event = &f->event;
    f->situation.plan = br_pack_plan_of(f->pack, &f->event);
    f->situation.now_ms = 1000;
    CHECK_OK(br_playbooks_consult(f->set, &f->situation, f->arena, &f->out));
}

static const msg_consulted *
consulted(const fixture *f, uint32_t i)
{
    CHECK_TRUE(i < f->out.consulted.count);
    return (const msg_consulted *)f->out.consulted.items + i;
}

static void
test_index_leaves_out_rules_about_other_texts(void **state)
{
    fixture *f = *state;

    add(f, "data.city == \"Cali\"");
    add(f, "data.risk > 0.5");
    add(f, "data.city in [\"Cali\", \"Buga\"] && data.risk > 0.5");
    add(f, "\"Pasto\" == data.city");
    CHECK_OK(compile(f, NULL));

    consult(f, "{\"city\":\"Cali\",\"risk\":0.9}");
    CHECK_INT(f->out.consulted.count, 3);
    CHECK_STR(consulted(f, 0)->playbook, "p0");
    CHECK_STR(consulted(f, 1)->playbook, "p1");
    CHECK_STR(consulted(f, 2)->playbook, "p2");
    consult(f, "{\"city\":\"Pasto\",\"risk\":0.1}");
    CHECK_INT(f->out.consulted.count, 2);
    CHECK_STR(consulted(f, 0)->verdict, "false");
    CHECK_STR(consulted(f, 1)->verdict, "fired");
}

static void
test_index_keeps_the_fault_of_a_field_that_is_absent(void **state)
{
    fixture *f = *state;

    add(f, "data.city == \"Cali\"");
    add(f, "has(data.city) && data.city == \"Cali\"");
    CHECK_OK(compile(f, NULL));

    consult(f, "{\"risk\":0.9}");
    CHECK_INT(f->out.consulted.count, 1);
    CHECK_STR(consulted(f, 0)->playbook, "p0");
    CHECK_STR(consulted(f, 0)->verdict, "error");
}

// A text that most have in common says little: the other one is looked up.
static void
test_index_takes_what_tells_rules_apart(void **state)
{
    fixture *f = *state;
    char when[128];

    for (int i = 0; i < FILES; i++) {
        (void)snprintf(when, sizeof(when),
                       "has(data.carrier) && data.carrier == \"tcc\" && has(data.city) && "
                       "data.city == \"c%d\"",
                       i);
        add(f, when);
    }
    CHECK_OK(compile(f, NULL));

    CHECK_INT(br__index_most(&f->set->by_type[0]), 0);
    consult(f, "{\"city\":\"c777\",\"carrier\":\"tcc\"}");
    CHECK_INT(f->out.consulted.count, 1);
    CHECK_STR(consulted(f, 0)->playbook, "p777");
    CHECK_STR(consulted(f, 0)->verdict, "fired");
}

static void
test_index_that_tells_too_few_apart_is_a_finding(void **state)
{
    fixture *f = *state;
    rt_text findings;

    rt_text_init(&findings, 65536);
    for (int i = 0; i <= BR_CONSULTED_MAX; i++) {
        add(f, i % 2 == 0 ? "data.risk > 0.5" : "has(data.city) && data.city == \"Cali\"");
    }
    CHECK_ERR(compile(f, &findings), RT_ECONFIG);

    CHECK_TRUE(strstr(findings.ptr, "f0064.yaml:7:14: error: one 'delay.detected' may have to be "
                                    "looked at by 65 playbooks, more than 64 [B2066]") != NULL);
    f->count--;
    CHECK_OK(compile(f, NULL));
    rt_text_fini(&findings);
}

static void
test_index_all_are_looked_at_for_their_cases(void **state)
{
    fixture *f = *state;

    add(f, "has(data.city) && data.city == \"Cali\"");
    CHECK_OK(compile(f, NULL));
    br_playbooks_act(f->set);

    consult(f, "{\"city\":\"Pasto\"}");
    CHECK_STR(consulted(f, 0)->verdict, "false");
    CHECK_STR(consulted(f, 0)->detail,
              "data.city = \"Pasto\" → data.city == \"Cali\" is false");
}

static void
random_part(rt_rng *rng, char *out, size_t cap)
{
    static const char *const fields[] = {"city", "carrier", "customer_id"};
    const char *field = fields[rt_rng_below(rng, 3)];
    char a = (char)('a' + rt_rng_below(rng, 4));
    char b = (char)('a' + rt_rng_below(rng, 4));

    switch (rt_rng_below(rng, 7)) {
    case 0:
        (void)snprintf(out, cap, "data.%s == \"%c\"", field, a);
        break;
    case 1:
        (void)snprintf(out, cap, "\"%c\" == data.%s", a, field);
        break;
    case 2:
        (void)snprintf(out, cap, "data.%s in [\"%c\", \"x%c\"]", field, a, b);
        break;
    case 3:
        (void)snprintf(out, cap, "has(data.%s) && data.%s == \"%c\"", field, field, a);
        break;
    case 4:
        (void)snprintf(out, cap, "data.%s != \"%c\"", field, a);
        break;
    case 5:
        (void)snprintf(out, cap, "(data.%s == \"%c\" || data.risk > 0.5)", field, a);
        break;
    default:
        (void)snprintf(out, cap, "data.risk > 0.%d", (int)rt_rng_below(rng, 10));
        break;
    }
}

static void
add_random(fixture *f, rt_rng *rng)
{
    char when[400] = "";
    size_t len = 0;
    uint32_t parts = 1 + (uint32_t)rt_rng_below(rng, 3);

    for (uint32_t i = 0; i < parts; i++) {
        char part[120];

        random_part(rng, part, sizeof(part));
        len += (size_t)snprintf(when + len, sizeof(when) - len, "%s%s", i > 0 ? " && " : "", part);
    }
    add(f, when);
}

static void
random_event(rt_rng *rng, char *out, size_t cap)
{
    static const char *const fields[] = {"city", "carrier", "customer_id"};
    size_t len = (size_t)snprintf(out, cap, "{\"risk\":0.%d", (int)rt_rng_below(rng, 10));

    for (size_t i = 0; i < RT_COUNT(fields); i++) {
        if (rt_rng_chance(rng, 0.7)) {
            len += (size_t)snprintf(out + len, cap - len, ",\"%s\":\"%c\"", fields[i],
                                    (char)('a' + rt_rng_below(rng, 5)));
        }
    }
    (void)snprintf(out + len, cap - len, "}");
}

// Everything that was not false, in its order, as text.
static void
tell(const fixture *f, rt_text *out)
{
    rt_text_clear(out);
    for (uint32_t i = 0; i < f->out.consulted.count; i++) {
        const msg_consulted *c = consulted(f, i);

        if (!rt_str_is(c->verdict, "false")) {
            rt_text_printf(out, "%.*s %.*s %.*s\n", RT_STR_ARG(c->playbook),
                           RT_STR_ARG(c->verdict), RT_STR_ARG(c->detail));
        }
    }
    rt_text_printf(out, "%u proposals\n", f->out.proposals.count);
}

static void
test_index_rules_out_only_what_is_false(void **state)
{
    fixture *f = *state;
    rt_text all;
    rt_text found;
    rt_rng rng;
    uint64_t ruled_out = 0;
    uint64_t looked_at = 0;

    rt_rng_seed(&rng, 11, 1);
    rt_text_init(&all, 1 << 20);
    rt_text_init(&found, 1 << 20);
    for (int round = 0; round < 60; round++) {
        f->count = 0;
        for (uint32_t i = 0; i < 40; i++) {
            add_random(f, &rng);
        }
        restore(f); // conditions that exclude themselves are only warned of
        for (int e = 0; e < 40; e++) {
            char data[256];

            random_event(&rng, data, sizeof(data));
            f->set->looks_at_all = true;
            consult(f, data);
            looked_at += f->out.consulted.count;
            tell(f, &all);
            f->set->looks_at_all = false;
            consult(f, data);
            ruled_out += 40 - f->out.consulted.count;
            tell(f, &found);
            CHECK_STR(rt_text_view(&found), all.ptr);
        }
    }
    CHECK_TRUE(looked_at > 20000);
    CHECK_TRUE(ruled_out > looked_at / 4);
    rt_text_fini(&all);
    rt_text_fini(&found);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_index_leaves_out_rules_about_other_texts),
        TEST(test_index_keeps_the_fault_of_a_field_that_is_absent),
        TEST(test_index_takes_what_tells_rules_apart),
        TEST(test_index_that_tells_too_few_apart_is_a_finding),
        TEST(test_index_all_are_looked_at_for_their_cases),
        TEST(test_index_rules_out_only_what_is_false),
    };

    return CHECK_RUN(tests);
}
