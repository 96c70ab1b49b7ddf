#include "tools/replay/lines.h"

#include <stdio.h>
#include <stdlib.h>

#include <unistd.h>

#include "runtime/base/text.h"
#include "runtime/wire/mp.h"
#include "tests/harness/check.h"

static void
write_file(char *path, const char *text)
{
    int fd = mkstemp(path);
    FILE *file = fdopen(fd, "wb");

    CHECK_TRUE(fd >= 0 && file != NULL);
    CHECK_TRUE(fputs(text, file) >= 0);
    CHECK_INT(fclose(file), 0);
}

static rt_str
text_at(rt_bytes body, const char *key)
{
    rt_mp at = {0};
    rt_str text = {"(absent)", 8};

    if (rt_mp_find(body, rt_str_of(key), &at)) {
        CHECK_OK(rt_mp_str(&at, &text));
    }
    return text;
}

static void
test_lines_become_events_and_bad_ones_are_counted(void **state)
{
    char path[] = "/tmp/lines_test_XXXXXX";
    lines_report report = {0};
    stream s = {0};
    stream_event event = {0};

    (void)state;
    write_file(path, "{\"id\":\"1\",\"time\":\"1970-01-01T00:00:05Z\",\"data\":{\"n\":1}}\n"
                     "\n"
                     "not json\n"
                     "[1]\r\n"
                     "{\"id\":\"2\",\"tenant\":\"own\"}\r\n"
                     "{\"id\":\"3\",\"time\":7000}");
    CHECK_OK(lines_open(path, RT_STR("demo"), &report, &s));

    CHECK_OK(stream_next(&s, &event));
    CHECK_STR(text_at(event.body, "id"), "1");
    CHECK_STR(text_at(event.body, "tenant"), "demo");
    CHECK_INT(event.time_ms, 5000);
    CHECK_OK(rt_mp_check(event.body));
    CHECK_OK(stream_next(&s, &event));
    CHECK_STR(text_at(event.body, "tenant"), "own");
    CHECK_INT(event.time_ms, 5000); // none of its own
    CHECK_OK(stream_next(&s, &event));
    CHECK_STR(text_at(event.body, "id"), "3");
    CHECK_INT(event.time_ms, 7000);
    CHECK_ERR(stream_next(&s, &event), RT_EEND);
    CHECK_U64(report.bad, 2);
    CHECK_TRUE(strstr(report.first, ":3: ") != NULL);
    stream_close(&s);
    CHECK_INT(unlink(path), 0);
    CHECK_ERR(lines_open(path, (rt_str){0}, &report, &s), RT_ENOTFOUND);
}

static void
test_lines_longer_than_a_chunk_are_whole(void **state)
{
    char path[] = "/tmp/lines_test_XXXXXX";
    lines_report report = {0};
    stream s = {0};
    stream_event event = {0};
    rt_text text = {0};

    (void)state;
    rt_text_init(&text, 1 << 20);
    rt_text_cstr(&text, "{\"id\":\"");
    for (int i = 0; i < 100000; i++) {
        rt_text_cstr(&text, "x");
    }
    rt_text_cstr(&text, "\"}\n{\"id\":\"y\"}\n");
    write_file(path, text.ptr);
    CHECK_OK(lines_open(path, (rt_str){0}, &report, &s));

    CHECK_OK(stream_next(&s, &event));
    CHECK_INT(text_at(event.body, "id").len, 100000);
    CHECK_OK(stream_next(&s, &event));
    CHECK_STR(text_at(event.body, "id"), "y");
    CHECK_STR(text_at(event.body, "tenant"), "(absent)");
    CHECK_ERR(stream_next(&s, &event), RT_EEND);
    CHECK_U64(report.bad, 0);
    stream_close(&s);
    rt_text_fini(&text);
    CHECK_INT(unlink(path), 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines_become_events_and_bad_ones_are_counted),
        cmocka_unit_test(test_lines_longer_than_a_chunk_are_whole),
    };

    return CHECK_RUN(tests);
}
