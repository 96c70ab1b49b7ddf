#include "tools/replay/csv.h"

#include "tests/harness/check.h"

static csv *
open_literal(const char *text)
{
    csv *c = NULL;

    CHECK_OK(csv_open_text("test.csv", rt_str_of(text), &c));
    return c;
}

static void
test_csv_quoted_fields_keep_commas_quotes_and_newlines(void **state)
{
    csv *c = open_literal("id,text\r\n1,\"a, \"\"b\"\"\r\nc\"\r\n2,plain \"x\"\r\n");
    const rt_str *f = NULL;

    (void)state;
    CHECK_OK(csv_next(c, &f));
    CHECK_STR(f[0], "1");
    CHECK_STR(f[1], "a, \"b\"\r\nc");
    CHECK_U64(csv_line(c), 2);

    CHECK_OK(csv_next(c, &f));
    CHECK_STR(f[1], "plain \"x\"");
    CHECK_U64(csv_line(c), 4);

    CHECK_ERR(csv_next(c, &f), RT_EEND);
    csv_close(c);
}

static void
test_csv_byte_order_mark_is_no_part_of_the_first_column(void **state)
{
    csv *c = open_literal("\xef\xbb\xbfname,\"other\"\nx,y");
    const rt_str *f = NULL;
    size_t column = 9;

    (void)state;
    CHECK_OK(csv_column(c, "name", &column));
    CHECK_INT(column, 0);
    CHECK_OK(csv_column(c, "other", &column));
    CHECK_INT(column, 1);
    CHECK_ERR(csv_column(c, "nam", &column), RT_EUNKNOWN);

    CHECK_OK(csv_next(c, &f));
    CHECK_STR(f[0], "x");
    CHECK_STR(f[1], "y");
    CHECK_ERR(csv_next(c, &f), RT_EEND);
    csv_close(c);
}

static void
test_csv_empty_fields_and_empty_lines(void **state)
{
    csv *c = open_literal("a,b,c\n\n,,\n\r\n\"\",x,\n");
    const rt_str *f = NULL;

    (void)state;
    CHECK_OK(csv_next(c, &f));
    CHECK_INT(f[0].len + f[1].len + f[2].len, 0);

    CHECK_OK(csv_next(c, &f));
    CHECK_INT(f[0].len, 0);
    CHECK_STR(f[1], "x");
    CHECK_INT(f[2].len, 0);

    CHECK_ERR(csv_next(c, &f), RT_EEND);
    csv_close(c);
}

static void
test_csv_views_stay_valid_until_close(void **state)
{
    csv *c = open_literal("a\n\"one\"\"\"\ntwo\n");
    const rt_str *f = NULL;
    rt_str first = {NULL, 0};

    (void)state;
    CHECK_OK(csv_next(c, &f));
    first = f[0];
    CHECK_OK(csv_next(c, &f));

    CHECK_STR(first, "one\"");
    CHECK_STR(f[0], "two");
    csv_close(c);
}

static void
test_csv_damage_is_refused_with_its_line(void **state)
{
    const rt_str *f = NULL;
    csv *c = open_literal("a,b\n1,2\n3\n");

    (void)state;
    CHECK_OK(csv_next(c, &f));
    CHECK_ERR(csv_next(c, &f), RT_EPROTO);
    CHECK_CSTR(rt_err_detail(), "test.csv:3: 1 fields, the header has 2");
    csv_close(c);

    c = open_literal("a,b\n1,\"never\nended\n");
    CHECK_ERR(csv_next(c, &f), RT_EPROTO);
    CHECK_CSTR(rt_err_detail(), "test.csv:2: a quoted field does not end");
    csv_close(c);

    c = open_literal("a,b\n\"1\"x,2\n");
    CHECK_ERR(csv_next(c, &f), RT_EPROTO);
    CHECK_CSTR(rt_err_detail(), "test.csv:2: text after a closing quote");
    csv_close(c);

    CHECK_ERR(csv_open_text("void.csv", RT_STR("\n\n"), &c), RT_EPROTO);
    CHECK_ERR(csv_open("/nonexistent/x.csv", &c), RT_ENOTFOUND);
}

static void
test_csv_any_cut_of_a_text_ends_without_harm(void **state)
{
    static const char text[] = "\xef\xbb\xbf" "a,\"b\"\r\n\"x\"\"\r\n\",y\r\n\r\n1,\"\"\r\n";

    (void)state;
    for (size_t len = 0; len < sizeof(text); len++) {
        csv *c = NULL;
        const rt_str *f = NULL;
        int records = 0;

        if (csv_open_text("cut", (rt_str){text, len}, &c) != RT_OK) {
            continue;
        }
        while (csv_next(c, &f) == RT_OK) {
            records++;
        }
        CHECK_TRUE(records <= 2);
        csv_close(c);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_csv_quoted_fields_keep_commas_quotes_and_newlines),
        cmocka_unit_test(test_csv_byte_order_mark_is_no_part_of_the_first_column),
        cmocka_unit_test(test_csv_empty_fields_and_empty_lines),
        cmocka_unit_test(test_csv_views_stay_valid_until_close),
        cmocka_unit_test(test_csv_damage_is_refused_with_its_line),
        cmocka_unit_test(test_csv_any_cut_of_a_text_ends_without_harm),
    };

    return CHECK_RUN(tests);
}
