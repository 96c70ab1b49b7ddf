#include "runtime/base/log.h"

#include "tests/harness/check.h"

// The last line a sink was given, and how many came.
typedef struct caught {
    char line[12000];
    rt_log_level level;
    int count;
} caught;

static void
catch_line(void *user, rt_log_level level, const char *line)
{
    caught *c = user;
    size_t len = RT_MIN(strlen(line), sizeof(c->line) - 1);

    memcpy(c->line, line, len);
    c->line[len] = '\0';
    c->level = level;
    c->count++;
}

static int64_t
noon_ms(void)
{
    return 1732104000000;
}

static int
restore(void **state)
{
    (void)state;
    rt_log_set_level(RT_LOG_INFO);
    rt_log_set_json(0);
    rt_log_set_clock(NULL);
    rt_log_set_sink(NULL, NULL);
    return 0;
}

static void
test_log_line_is_logfmt_with_optional_time(void **state)
{
    caught got = {0};

    (void)state;
    rt_log_set_sink(catch_line, &got);
    rt_log_warn("mailbox-full", "agent=%s depth=%d", "sales", 7);
    CHECK_CSTR(got.line, "level=warn event=mailbox-full agent=sales depth=7");
    CHECK_INT(got.level, RT_LOG_WARN);

    rt_log_set_clock(noon_ms);
    rt_log_error("x", "%s", "");
    CHECK_CSTR(got.line, "ts=2024-11-20T12:00:00Z level=error event=x");
}

static void
test_log_drops_lines_above_its_level(void **state)
{
    caught got = {0};

    (void)state;
    rt_log_set_sink(catch_line, &got);
    rt_log_debug("quiet", "n=%d", 1);
    CHECK_INT(got.count, 0);
    rt_log_set_level(RT_LOG_DEBUG);
    rt_log_debug("loud", "n=%d", 1);
    CHECK_INT(got.count, 1);
    rt_log_set_level(RT_LOG_ERROR);
    rt_log_warn("quiet-again", "n=%d", 1);
    CHECK_INT(got.count, 1);
}

static void
test_log_value_cannot_forge_a_line(void **state)
{
    caught got = {0};

    (void)state;
    rt_log_set_sink(catch_line, &got);
    rt_log_info("in", "name=%s", "a\nlevel=error\x1b[31m");
    CHECK_CSTR(got.line, "level=info event=in name=a level=error [31m");
    rt_log_info("in", "name=%s", "caf\xc3\xa9 \xff");
    CHECK_CSTR(got.line, "level=info event=in name=caf?? ?");
    rt_log_info("in", "name=%s", "caf\xc3\xa9");
    CHECK_CSTR(got.line, "level=info event=in name=caf\xc3\xa9");
}

static void
test_log_json_splits_fields_and_escapes(void **state)
{
    caught got = {0};

    (void)state;
    rt_log_set_sink(catch_line, &got);
    rt_log_set_json(1);
    rt_log_info("http-failed", "url=%s err=%s n=%d", "https://x/?a=1", "not \\found\n", 3);
    CHECK_CSTR(got.line, "{\"level\":\"info\",\"event\":\"http-failed\",\"url\":\"https://x/?a=1\","
                         "\"err\":\"not \\\\found\\u000a\",\"n\":\"3\"}");
    rt_log_set_clock(noon_ms);
    rt_log_info("said", "hello there who=%s", "\"a b=c d\"");
    CHECK_CSTR(got.line, "{\"level\":\"info\",\"ts\":\"2024-11-20T12:00:00Z\",\"event\":\"said\","
                         "\"msg\":\"hello there\",\"who\":\"a b=c d\"}");
}

static void
test_log_json_stays_whole_however_long_the_text(void **state)
{
    caught got = {0};
    char big[4000];

    (void)state;
    rt_log_set_sink(catch_line, &got);
    rt_log_set_json(1);
    memset(big, '\x01', sizeof(big) - 1);
    big[sizeof(big) - 1] = '\0';
    rt_log_info("big", "v=%s", big);

    CHECK_TRUE(strlen(got.line) > 6 * 1500);
    CHECK_CSTR(got.line + strlen(got.line) - 8, "\\u0001\"}");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_log_line_is_logfmt_with_optional_time, restore),
        cmocka_unit_test_teardown(test_log_drops_lines_above_its_level, restore),
        cmocka_unit_test_teardown(test_log_value_cannot_forge_a_line, restore),
        cmocka_unit_test_teardown(test_log_json_splits_fields_and_escapes, restore),
        cmocka_unit_test_teardown(test_log_json_stays_whole_however_long_the_text, restore),
    };

    return CHECK_RUN(tests);
}
