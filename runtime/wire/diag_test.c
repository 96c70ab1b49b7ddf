#include "runtime/wire/diag.h"

#include "tests/harness/check.h"

#define PLAYBOOK "id: delay\n  when: data.delay_mins > 30\nlimit: 5\n"

typedef struct fixture {
    rt_diag *diag;
    rt_text out;
} fixture;

static int
set_up(void **state)
{
    static fixture f;

    f.diag = rt_diag_new();
    rt_text_init(&f.out, 1 << 20);
    *state = &f;
    return 0;
}

static int
tear_down(void **state)
{
    fixture *f = *state;

    rt_text_fini(&f->out);
    rt_diag_free(f->diag);
    return 0;
}

static void
test_diag_render_quotes_the_line_with_carets(void **state)
{
    fixture *f = *state;

    rt_diag_source(f->diag, "a.yaml", RT_STR(PLAYBOOK));
    rt_diag_add(f->diag, RT_SEVERITY_ERROR, "B2107", (rt_mark){2, 9, 15}, "did you mean 'x'?",
                "unknown field '%s'", "data.delay_mins");
    rt_diag_render(f->diag, &f->out);

    CHECK_STR(rt_text_view(&f->out), "a.yaml:2:9: error[B2107]: unknown field 'data.delay_mins'\n"
                                     "     2 |   when: data.delay_mins > 30\n"
                                     "       |         ^^^^^^^^^^^^^^^\n"
                                     "       = help: did you mean 'x'?\n");
    CHECK_INT(rt_diag_errors(f->diag), 1);
    CHECK_INT(rt_diag_warnings(f->diag), 0);
}

static void
test_diag_render_counts_characters_not_bytes(void **state)
{
    fixture *f = *state;

    rt_diag_source(f->diag, "a.yaml", RT_STR("\tseñal: x\n"));
    rt_diag_add(f->diag, RT_SEVERITY_WARNING, "B2003", (rt_mark){1, 9, 0}, NULL, "odd");
    rt_diag_render(f->diag, &f->out);

    CHECK_STR(rt_text_view(&f->out), "a.yaml:1:9: warning[B2003]: odd\n"
                                     "     1 | \tseñal: x\n"
                                     "       | \t       ^\n");
}

static void
test_diag_render_place_past_the_text_gives_no_frame(void **state)
{
    fixture *f = *state;

    rt_diag_source(f->diag, "a.yaml", RT_STR("x\n"));
    rt_diag_add(f->diag, RT_SEVERITY_ERROR, "B2001", (rt_mark){9, 1, 0}, NULL, "ended early");
    rt_diag_add(f->diag, RT_SEVERITY_ERROR, "B2001", (rt_mark){0, 0, 0}, NULL, "whole file");
    rt_diag_render(f->diag, &f->out);

    CHECK_STR(rt_text_view(&f->out), "a.yaml:9:1: error[B2001]: ended early\n"
                                     "a.yaml: error[B2001]: whole file\n");
}

static void
test_diag_render_long_line_shows_the_part_around(void **state)
{
    fixture *f = *state;
    char line[2000];

    memset(line, 'a', sizeof(line));
    line[1500] = 'X';
    line[1499] = '\x01';
    rt_diag_source(f->diag, "a.yaml", (rt_str){line, sizeof(line)});
    rt_diag_add(f->diag, RT_SEVERITY_ERROR, "B2001", (rt_mark){1, 1501, 0}, NULL, "here");
    rt_diag_render(f->diag, &f->out);

    CHECK_TRUE(f->out.len < 400);
    CHECK_TRUE(strstr(f->out.ptr, "a?Xa") != NULL);
    CHECK_TRUE(strchr(f->out.ptr, '\x01') == NULL);
}

static void
test_diag_render_keeps_a_terminal_safe(void **state)
{
    fixture *f = *state;

    // a byte that is no UTF-8, a C1 control (CSI) and an escape, in the file and in a name quoted
    rt_diag_source(f->diag, "a.yaml", RT_STR("k\xff\xc3y: \xc2\x9b\x1b[2J\t\xc3\xa9"));
    rt_diag_add(f->diag, RT_SEVERITY_ERROR, "B2001", (rt_mark){1, 1, 3}, "\x1b[1m",
                "key '%s' and '%.1s'", "\xc2\x9b\xff\r", "\xc3\xa9");
    rt_diag_render(f->diag, &f->out);

    CHECK_STR(rt_text_view(&f->out), "a.yaml:1:1: error[B2001]: key '?\?\?' and '?'\n"
                                     "     1 | k?\?y: ?\?[2J\t\xc3\xa9\n"
                                     "       | ^^^\n"
                                     "       = help: ?[1m\n");
}

static void
test_diag_findings_keep_their_own_source(void **state)
{
    fixture *f = *state;

    rt_diag_add(f->diag, RT_SEVERITY_ERROR, "B1", (rt_mark){1, 1, 0}, NULL, "no file yet");
    rt_diag_source(f->diag, "a", RT_STR("x"));
    rt_diag_add(f->diag, RT_SEVERITY_ERROR, "B2", (rt_mark){1, 1, 0}, NULL, "in a");
    rt_diag_source(f->diag, "b", RT_STR("x"));
    rt_diag_add(f->diag, RT_SEVERITY_WARNING, "B3", (rt_mark){1, 1, 0}, NULL, "in b");
    rt_diag_render_gcc(f->diag, &f->out);

    CHECK_STR(rt_text_view(&f->out), "<input>:1:1: error: no file yet [B1]\n"
                                     "a:1:1: error: in a [B2]\n"
                                     "b:1:1: warning: in b [B3]\n");
}

static void
test_diag_past_the_maximum_only_counts(void **state)
{
    fixture *f = *state;

    rt_diag_source(f->diag, "a", RT_STR("x"));
    for (int i = 0; i < RT_DIAG_MAX + 7; i++) {
        rt_diag_add(f->diag, RT_SEVERITY_ERROR, "B1", (rt_mark){1, 1, 0}, NULL, "n %d", i);
    }
    rt_diag_render_gcc(f->diag, &f->out);

    CHECK_INT(rt_diag_errors(f->diag), RT_DIAG_MAX + 7);
    CHECK_TRUE(strstr(f->out.ptr, "... and 7 more findings\n") != NULL);
    CHECK_TRUE(strstr(f->out.ptr, "n 199 ") != NULL);
    CHECK_TRUE(strstr(f->out.ptr, "n 200 ") == NULL);
}

static void
test_diag_json_escapes_text(void **state)
{
    fixture *f = *state;

    rt_diag_source(f->diag, "a\"b", RT_STR("x"));
    rt_diag_add(f->diag, RT_SEVERITY_ERROR, "B1", (rt_mark){3, 4, 5}, NULL, "bad\n\"x\"");
    rt_diag_add(f->diag, RT_SEVERITY_WARNING, "B2", (rt_mark){0, 0, 0}, "do", "w");
    rt_diag_render_json(f->diag, &f->out);

    CHECK_STR(rt_text_view(&f->out),
              "[{\"file\":\"a\\\"b\",\"line\":3,\"column\":4,\"length\":5,\"severity\":\"error\","
              "\"code\":\"B1\",\"message\":\"bad\\n\\\"x\\\"\",\"help\":null},"
              "{\"file\":\"a\\\"b\",\"line\":0,\"column\":0,\"length\":0,\"severity\":\"warning\","
              "\"code\":\"B2\",\"message\":\"w\",\"help\":\"do\"}]");
}

static void
test_diag_long_message_is_cut_between_characters(void **state)
{
    fixture *f = *state;
    char longest[900];

    for (size_t i = 0; i + 1 < sizeof(longest); i += 2) {
        memcpy(longest + i, "ñ", 2);
    }
    longest[sizeof(longest) - 2] = '\0';
    rt_diag_add(f->diag, RT_SEVERITY_ERROR, "B1", (rt_mark){0, 0, 0}, NULL, "x%s", longest);
    rt_diag_render_gcc(f->diag, &f->out);

    CHECK_TRUE(rt_utf8_valid(rt_text_view(&f->out)));
    CHECK_TRUE(f->out.len < 500);
}

static void
test_diag_did_you_mean_takes_the_nearest(void **state)
{
    const rt_str names[] = {RT_STR("delay_min"), RT_STR("delay_max"), RT_STR("id"), RT_STR("eta")};
    char buf[64];

    (void)state;
    CHECK_CSTR(rt_diag_did_you_mean(RT_STR("delay_mins"), names, 4, buf, sizeof(buf)),
               "did you mean 'delay_min'?");
    CHECK_CSTR(rt_diag_did_you_mean(RT_STR("dealy_max"), names, 4, buf, sizeof(buf)),
               "did you mean 'delay_max'?");
    CHECK_CSTR(rt_diag_did_you_mean(RT_STR("eat"), names, 4, buf, sizeof(buf)),
               "did you mean 'eta'?");
    CHECK_TRUE(rt_diag_did_you_mean(RT_STR("weight"), names, 4, buf, sizeof(buf)) == NULL);
    CHECK_TRUE(rt_diag_did_you_mean(RT_STR("x"), names, 4, buf, sizeof(buf)) == NULL);
    CHECK_TRUE(rt_diag_did_you_mean(RT_STR("x"), NULL, 0, buf, sizeof(buf)) == NULL);
}

static void
test_diag_sort_orders_by_file_and_place(void **state)
{
    rt_diag *diag = rt_diag_new();
    rt_text out;

    (void)state;
    rt_text_init(&out, 4096);
    rt_diag_add(diag, RT_SEVERITY_ERROR, "B1", (rt_mark){0, 0, 0}, NULL, "no file");
    rt_diag_source(diag, "b.yaml", RT_STR("x\n"));
    rt_diag_add(diag, RT_SEVERITY_ERROR, "B2", (rt_mark){2, 1, 0}, "help", "second");
    rt_diag_add(diag, RT_SEVERITY_WARNING, "B3", (rt_mark){1, 5, 0}, NULL, "first");
    rt_diag_source(diag, "a.yaml", RT_STR("x\n"));
    rt_diag_add(diag, RT_SEVERITY_ERROR, "B4", (rt_mark){1, 1, 0}, NULL, "fourth");
    rt_diag_source(diag, "b.yaml", RT_STR("x\n")); // read once more
    rt_diag_add(diag, RT_SEVERITY_ERROR, "B5", (rt_mark){2, 1, 0}, NULL, "third");
    rt_diag_add(diag, RT_SEVERITY_ERROR, "B5", (rt_mark){2, 1, 0}, NULL, "third"); // once more
    rt_diag_sort(diag);
    CHECK_INT(rt_diag_errors(diag), 4);
    rt_diag_render_gcc(diag, &out);
    CHECK_STR(rt_text_view(&out), "<input>: error: no file [B1]\n"
                                  "b.yaml:1:5: warning: first [B3]\n"
                                  "b.yaml:2:1: error: second [B2]\n"
                                  "b.yaml:2:1: error: third [B5]\n"
                                  "a.yaml:1:1: error: fourth [B4]\n");
    CHECK_INT(rt_diag_count(diag), 5);
    CHECK_CSTR(rt_diag_at(diag, 2).help, "help");
    CHECK_CSTR(rt_diag_at(diag, 2).file, "b.yaml");
    CHECK_INT(rt_diag_at(diag, 1).severity, RT_SEVERITY_WARNING);
    CHECK_TRUE(rt_diag_at(diag, 1).help == NULL);
    rt_text_fini(&out);
    rt_diag_free(diag);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_diag_render_quotes_the_line_with_carets, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_diag_render_counts_characters_not_bytes, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_diag_render_place_past_the_text_gives_no_frame, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_diag_render_long_line_shows_the_part_around, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_diag_render_keeps_a_terminal_safe, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_diag_findings_keep_their_own_source, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_diag_past_the_maximum_only_counts, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_diag_json_escapes_text, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_diag_long_message_is_cut_between_characters, set_up,
                                        tear_down),
        cmocka_unit_test(test_diag_did_you_mean_takes_the_nearest),
        cmocka_unit_test(test_diag_sort_orders_by_file_and_place),
    };

    return CHECK_RUN(tests);
}
