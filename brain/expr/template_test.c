#include "brain/expr/template.h"

#include "runtime/base/rng.h"
#include "tests/harness/check.h"

static bool
resolve(void *user, rt_str path, br_expr_var *ret_var)
{
    (void)user;
    if (rt_str_is(path, "order.id")) {
        *ret_var = (br_expr_var){.slot = 0, .kind = RT_KIND_STR};
    } else if (rt_str_is(path, "data.value_cop")) {
        *ret_var = (br_expr_var){.slot = 1, .kind = RT_KIND_I64};
    } else if (rt_str_is(path, "data.eta_at")) {
        *ret_var = (br_expr_var){.slot = 2, .kind = RT_KIND_TIME};
    } else if (rt_str_is(path, "data.gone")) {
        *ret_var = (br_expr_var){.slot = 3, .kind = RT_KIND_STR};
    } else {
        return false;
    }
    return true;
}

static rt_value
load(const void *user, uint32_t slot)
{
    (void)user;
    switch (slot) {
    case 0:
        return RT_TEXT(RT_STR("A-1"));
    case 1:
        return RT_I64(129900);
    case 2:
        return RT_TIME(INT64_C(1795150800000));
    default:
        return RT_NONE;
    }
}

static const br_expr_env env = {.resolve = resolve};

typedef struct fixture {
    rt_arena *arena;
    rt_diag *diag;
    rt_text out;
    br_template *tpl;
} fixture;

static int
set_up(void **state)
{
    static fixture f;

    f.arena = rt_arena_new(1 << 20);
    f.diag = rt_diag_new();
    f.tpl = NULL;
    rt_text_init(&f.out, 1 << 16);
    *state = &f;
    return 0;
}

static int
tear_down(void **state)
{
    fixture *f = *state;

    br_template_free(f->tpl);
    rt_text_fini(&f->out);
    rt_diag_free(f->diag);
    rt_arena_free(f->arena);
    return 0;
}

static void
compile(fixture *f, const char *source)
{
    br_template_free(f->tpl);
    f->tpl = NULL;
    CHECK_OK(br_template_compile(rt_str_of(source), NULL, &env, f->diag, &f->tpl));
}

static void
check_render(fixture *f, const char *source, const char *want)
{
    compile(f, source);
    rt_text_clear(&f->out);
    CHECK_OK(br_template_render(f->tpl, load, NULL, f->arena, &f->out));
    CHECK_STR(rt_text_view(&f->out), want);
}

static void
test_template_text_takes_values_of_any_kind(void **state)
{
    fixture *f = *state;

    check_render(f, "Tu pedido ${order.id} llega el ${data.eta_at}.",
                 "Tu pedido A-1 llega el 2026-11-20T05:00:00Z.");
    check_render(f, "${order.id}${data.value_cop}", "A-1129900");
    check_render(f, "sin expresiones", "sin expresiones");
    check_render(f, "", "");
    check_render(f, "${data.value_cop > 100000 ? 'alto' : 'bajo'}", "alto");
    check_render(f, "${'}' + \"{\\\"}\" + r'\\'}x", "}{\"}\\x");
    check_render(f, "$ 5 $x {order.id} $", "$ 5 $x {order.id} $");
    check_render(f, "$${order.id} a$${b", "${order.id} a${b");
    check_render(f, "== x", "= x");
    check_render(f, "a = b", "a = b");
    check_render(f, "=data.value_cop * 2", "259800");
}

static void
test_template_value_keeps_the_kind_of_a_typed_one(void **state)
{
    fixture *f = *state;
    rt_value value = RT_NONE;

    compile(f, "= data.value_cop + 1");
    CHECK_INT(br_template_kind(f->tpl), RT_KIND_I64);
    CHECK_OK(br_template_value(f->tpl, load, NULL, f->arena, &value));
    CHECK_INT(value.kind, RT_KIND_I64);
    CHECK_INT(value.i, 129901);

    compile(f, "n ${data.value_cop + 1}");
    CHECK_INT(br_template_kind(f->tpl), RT_KIND_STR);
    CHECK_OK(br_template_value(f->tpl, load, NULL, f->arena, &value));
    CHECK_INT(value.kind, RT_KIND_STR);
    CHECK_STR(value.s, "n 129901");
}

static void
test_template_absent_field_fails_and_leaves_the_text(void **state)
{
    fixture *f = *state;
    rt_value value = RT_I64(5);

    compile(f, "hola ${order.id} ${data.gone}");
    rt_text_cstr(&f->out, "antes");
    CHECK_ERR(br_template_render(f->tpl, load, NULL, f->arena, &f->out), RT_EMISSING);
    CHECK_STR(rt_text_view(&f->out), "antes");
    CHECK_CSTR(rt_err_detail(), "data.gone: no such key");
    CHECK_ERR(br_template_value(f->tpl, load, NULL, f->arena, &value), RT_EMISSING);
    CHECK_INT(value.i, 5);

    compile(f, "= 1 / (data.value_cop - 129900)");
    CHECK_ERR(br_template_value(f->tpl, load, NULL, f->arena, &value), RT_EINVAL);
    CHECK_CSTR(rt_err_detail(), "1 / (data.value_cop - 129900): division by zero");
}

static void
test_template_output_limit_is_elimit(void **state)
{
    fixture *f = *state;
    rt_text tight;

    compile(f, "0123456789 ${order.id}");
    rt_text_init(&tight, 12);
    CHECK_ERR(br_template_render(f->tpl, load, NULL, f->arena, &tight), RT_ELIMIT);
    rt_text_fini(&tight);
}

static void
check_findings(fixture *f, const char *file_text, const char *want)
{
    rt_node *root = NULL;
    const rt_node *text = NULL;

    rt_diag_free(f->diag);
    f->diag = rt_diag_new();
    rt_text_clear(&f->out);
    CHECK_OK(rt_yaml_parse("p.yaml", rt_str_of(file_text), f->arena, f->diag, &root));
    text = rt_node_get(root, "text");
    CHECK_ERR(br_template_compile(text->text, text, &env, f->diag, &f->tpl), RT_ECONFIG);
    rt_diag_render_gcc(f->diag, &f->out);
    CHECK_STR(rt_text_view(&f->out), want);
}

static void
test_template_findings_stand_in_the_file(void **state)
{
    fixture *f = *state;

    check_findings(f, "text: \"hola ${order.ix} y ${1 + 'a'}\"\n",
                   "p.yaml:1:15: error: unknown field 'order.ix' [B2107]\n");
    check_findings(f, "text: |\n  hola\n  año ${data.value_cop + 1.5}\n",
                   "p.yaml:3:9: error: no such overload: int + double [B2104]\n");
    check_findings(f, "text: a ${order.id\n",
                   "p.yaml:1:9: error: '${' is not closed; write '$${' for the characters "
                   "[B2101]\n");
    check_findings(f, "text: '= order.nope'\n",
                   "p.yaml:1:10: error: unknown field 'order.nope' [B2107]\n");
    check_findings(f, "text: a ${}\n", "p.yaml:1:11: error: the expression is empty [B2101]\n");
}

static void
test_template_random_text_never_crashes(void **state)
{
    fixture *f = *state;
    static const char alphabet[] = "${}$ ={'\"\\order.id1+r\n";
    rt_rng rng;

    rt_rng_seed(&rng, 20261120, 4);
    for (int round = 0; round < 50000; round++) {
        char source[40];
        size_t len = rt_rng_below(&rng, sizeof(source));

        for (size_t i = 0; i < len; i++) {
            source[i] = alphabet[rt_rng_below(&rng, sizeof(alphabet) - 1)];
        }
        rt_diag_free(f->diag);
        f->diag = rt_diag_new();
        br_template_free(f->tpl);
        f->tpl = NULL;
        if (br_template_compile((rt_str){source, len}, NULL, &env, f->diag, &f->tpl) == RT_OK) {
            rt_err err = RT_OK;

            rt_text_clear(&f->out);
            err = br_template_render(f->tpl, load, NULL, f->arena, &f->out);
            CHECK_TRUE(err == RT_OK || err == RT_EMISSING || err == RT_EINVAL || err == RT_ENOMEM);
        } else {
            CHECK_TRUE(rt_diag_errors(f->diag) > 0);
        }
        rt_arena_reset(f->arena);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_template_text_takes_values_of_any_kind),
        TEST(test_template_value_keeps_the_kind_of_a_typed_one),
        TEST(test_template_absent_field_fails_and_leaves_the_text),
        TEST(test_template_output_limit_is_elimit),
        TEST(test_template_findings_stand_in_the_file),
        TEST(test_template_random_text_never_crashes),
    };

    return CHECK_RUN(tests);
}
