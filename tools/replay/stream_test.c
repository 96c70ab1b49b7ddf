#include "tools/replay/stream.h"

#include "tests/harness/check.h"

// A source of the times given, ended by 0; the body is the time's own bytes.
typedef struct times {
    const int64_t *at;
    bool closed;
    int64_t now;
} times;

static rt_err
next_time(void *self, stream_event *ret_event)
{
    times *t = self;

    if (*t->at == 0) {
        return RT_EEND;
    }
    if (*t->at < 0) {
        return RT_EIO;
    }
    t->now = *t->at++;
    *ret_event = (stream_event){t->now, {(const uint8_t *)&t->now, sizeof(t->now)}};
    return RT_OK;
}

static void
close_times(void *self)
{
    ((times *)self)->closed = true;
}

static stream
stream_of(times *t)
{
    return (stream){.self = t, .next = next_time, .close = close_times};
}

static void
expect(stream *s, int64_t want)
{
    stream_event event = {0};

    CHECK_OK(stream_next(s, &event));
    CHECK_INT(event.time_ms, want);
    CHECK_INT(memcmp(event.body.ptr, &want, sizeof(want)), 0);
}

static void
test_stream_merge_gives_time_order_and_closes_its_parts(void **state)
{
    static const int64_t a[] = {1, 4, 4, 9, 0};
    static const int64_t b[] = {0};
    static const int64_t c[] = {2, 4, 10, 11, 0};
    times t[] = {{.at = a}, {.at = b}, {.at = c}};
    stream parts[] = {stream_of(&t[0]), stream_of(&t[1]), stream_of(&t[2])};
    static const int64_t want[] = {1, 2, 4, 4, 4, 9, 10, 11};
    stream s = stream_merge(parts, 3);
    stream_event event = {0};

    (void)state;
    for (size_t i = 0; i < RT_COUNT(want); i++) {
        expect(&s, want[i]);
    }
    CHECK_ERR(stream_next(&s, &event), RT_EEND);
    CHECK_ERR(stream_next(&s, &event), RT_EEND);
    stream_close(&s);
    CHECK_TRUE(t[0].closed && t[1].closed && t[2].closed);
}

static void
test_stream_merge_passes_on_an_error(void **state)
{
    static const int64_t a[] = {1, -1};
    static const int64_t b[] = {2, 0};
    times t[] = {{.at = a}, {.at = b}};
    stream parts[] = {stream_of(&t[0]), stream_of(&t[1])};
    stream s = stream_merge(parts, 2);
    stream_event event = {0};

    (void)state;
    expect(&s, 1);
    CHECK_ERR(stream_next(&s, &event), RT_EIO);
    stream_close(&s);
}

static void
test_stream_window_bounds_time_and_count(void **state)
{
    static const int64_t a[] = {1, 2, 3, 4, 5, 6, 0};
    times t = {.at = a};
    stream s = stream_window(stream_of(&t), (stream_bounds){.from_ms = 2, .until_ms = 5});
    stream_event event = {0};

    (void)state;
    expect(&s, 2);
    expect(&s, 3);
    expect(&s, 4);
    CHECK_ERR(stream_next(&s, &event), RT_EEND);
    stream_close(&s);
    CHECK_TRUE(t.closed);

    t = (times){.at = a};
    s = stream_window(stream_of(&t), (stream_bounds){.limit = 2});
    CHECK_U64(s.total, 2);
    expect(&s, 1);
    expect(&s, 2);
    CHECK_ERR(stream_next(&s, &event), RT_EEND);
    stream_close(&s);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stream_merge_gives_time_order_and_closes_its_parts),
        cmocka_unit_test(test_stream_merge_passes_on_an_error),
        cmocka_unit_test(test_stream_window_bounds_time_and_count),
    };

    return CHECK_RUN(tests);
}
