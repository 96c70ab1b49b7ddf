#include "runtime/base/err.h"

#include <stdio.h>

#include "runtime/base/text.h"
#include "tests/harness/check.h"

// Every code of the table once.
static const struct {
    rt_err err;
    const char *name;
    rt_err_class class_of;
    const char *text;
} table[] = {
#define X(name, code, class, text) {name, #name, RT_CLASS_##class, text},
#include "runtime/base/err.def"
#undef X
};

static void
test_err_table_names_and_classes_match(void **state)
{
    (void)state;
    for (size_t i = 0; i < RT_COUNT(table); i++) {
        CHECK_CSTR(rt_err_name(table[i].err), table[i].name);
        CHECK_CSTR(rt_err_text(table[i].err), table[i].text);
        CHECK_INT(rt_err_class_of(table[i].err), table[i].class_of);
    }
}

static void
test_err_codes_are_unique_and_not_zero(void **state)
{
    (void)state;
    for (size_t i = 0; i < RT_COUNT(table); i++) {
        CHECK_TRUE(table[i].err != RT_OK);
        for (size_t j = 0; j < i; j++) {
            CHECK_TRUE(table[i].err != table[j].err);
        }
    }
}

static void
test_err_codes_on_the_wire_are_stable(void **state)
{
    (void)state;
    CHECK_INT(RT_OK, 0);
    CHECK_INT(RT_EINVAL, 1);
    CHECK_INT(RT_EFULL, 18);
    CHECK_INT(RT_EIO, 25);
    CHECK_INT(RT_EEND, 30);
}

static void
test_err_unknown_code_is_rejected(void **state)
{
    rt_err foreign = (rt_err)9999;

    (void)state;
    CHECK_CSTR(rt_err_text(foreign), "unknown error");
    CHECK_CSTR(rt_err_name(foreign), "RT_E?");
    CHECK_INT(rt_err_class_of(foreign), RT_CLASS_reject);
    CHECK_INT(rt_err_class_of(RT_OK), RT_CLASS_ok);
}

static void
test_fail_records_detail_and_place(void **state)
{
    rt_err err = rt_fail(RT_EPROTO, "field %s at %d", "qty", 7);
    int line = __LINE__ - 1;
    char want[160];

    (void)state;
    (void)snprintf(want, sizeof(want), "%s:%d", __FILE__, line);
    CHECK_ERR(err, RT_EPROTO);
    CHECK_CSTR(rt_err_detail(), "field qty at 7");
    CHECK_CSTR(rt_err_where(), want);
}

static void
test_fail_may_quote_the_detail_before(void **state)
{
    (void)state;
    (void)rt_fail(RT_EIO, "disk gone");
    (void)rt_fail(RT_ECORRUPT, "journal: %s", rt_err_detail());

    CHECK_CSTR(rt_err_detail(), "journal: disk gone");
}

static void
test_fail_cuts_a_long_detail(void **state)
{
    char big[2 * RT_ERR_DETAIL_MAX];

    (void)state;
    memset(big, 'x', sizeof(big) - 1);
    big[sizeof(big) - 1] = '\0';

    (void)rt_fail(RT_EINVAL, "%s", big);

    CHECK_INT(strlen(rt_err_detail()), RT_ERR_DETAIL_MAX - 1);
}

static void
test_fail_cuts_between_characters(void **state)
{
    char text[2 * RT_ERR_DETAIL_MAX + 1];

    (void)state;
    for (size_t shift = 0; shift < 2; shift++) {
        memset(text, 'x', sizeof(text));
        for (size_t i = shift; i + 2 < sizeof(text); i += 2) {
            memcpy(text + i, "\xc3\xb1", 2);
        }
        text[sizeof(text) - 1] = '\0';
        CHECK_ERR(rt_fail(RT_EIO, "%s", text), RT_EIO);

        CHECK_TRUE(rt_utf8_valid(rt_str_of(rt_err_detail())));
        CHECK_TRUE(strlen(rt_err_detail()) >= RT_ERR_DETAIL_MAX - 2);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_err_table_names_and_classes_match),
        cmocka_unit_test(test_err_codes_are_unique_and_not_zero),
        cmocka_unit_test(test_err_codes_on_the_wire_are_stable),
        cmocka_unit_test(test_err_unknown_code_is_rejected),
        cmocka_unit_test(test_fail_records_detail_and_place),
        cmocka_unit_test(test_fail_may_quote_the_detail_before),
        cmocka_unit_test(test_fail_cuts_a_long_detail),
        cmocka_unit_test(test_fail_cuts_between_characters),
    };

    return CHECK_RUN(tests);
}
