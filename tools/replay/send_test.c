#include "tools/replay/send.h"

#include <stdio.h>

#include "runtime/wire/mp.h"
#include "tests/harness/check.h"
#include "tools/replay/draft.h"

// A brain written for the test: it keeps what arrives and answers by a script.
#define SEEN_MAX 64
#define SLOTS 4

typedef enum script {
    ANSWER_OK,
    ANSWER_BUSY_ODD,   // the first time, events with an odd number find no room
    ANSWER_SILENT,     // the first request of every event is not answered
    ANSWER_NEVER,      // nobody is there
    ANSWER_REFUSE_TWO, // event 2 is out of range
    ANSWER_WHOLE,      // one error for the whole request
    ANSWER_NONSENSE,
} script;

typedef struct fake {
    script does;
    int64_t now_ms;
    int64_t slept_ms;
    rt_mpw reply[SLOTS];
    bool mute[SLOTS];
    int out; // requests not yet received
    int most_out;
    int seen[SEEN_MAX]; // numbers of events in the order they arrived, each time
    int seen_count;
    int requests;
    uint32_t largest;
} fake;

static bool
seen_before(const fake *f, int number)
{
    for (int i = 0; i < f->seen_count; i++) {
        if (f->seen[i] == number) {
            return true;
        }
    }
    return false;
}

static void
put_result(rt_mpw *w, const fake *f, int number, bool again)
{
    if (f->does == ANSWER_REFUSE_TWO && number == 2) {
        rt_mpw_array(w, 4);
        rt_mpw_cstr(w, "error");
        rt_mpw_cstr(w, "RT_ERANGE");
        rt_mpw_cstr(w, "data.score");
        rt_mpw_cstr(w, "must be at most 5, is 9");
    } else if (f->does == ANSWER_BUSY_ODD && number % 2 == 1 && !again) {
        rt_mpw_array(w, 4);
        rt_mpw_cstr(w, "error");
        rt_mpw_cstr(w, "RT_EFULL");
        rt_mpw_cstr(w, "");
        rt_mpw_cstr(w, "queue full");
    } else {
        rt_mpw_array(w, 2);
        rt_mpw_cstr(w, again && f->does == ANSWER_SILENT ? "duplicate" : "ok");
        rt_mpw_u64(w, (uint64_t)number);
    }
}

static int
read_number(rt_mp *mp)
{
    rt_bytes raw = {0};
    rt_mp id = {0};
    rt_str text = {0};

    CHECK_OK(rt_mp_raw(mp, &raw));
    CHECK_TRUE(rt_mp_find(raw, RT_STR("id"), &id));
    CHECK_OK(rt_mp_str(&id, &text));
    return text.ptr[0] - '0';
}

static rt_err
fake_send(void *self, uint32_t slot, rt_bytes body)
{
    fake *f = self;
    rt_mpw *w = &f->reply[slot];
    rt_mp mp = rt_mp_init(body);
    uint32_t count = 0;
    bool first_time = false;

    CHECK_OK(rt_mp_check(body));
    CHECK_OK(rt_mp_array(&mp, &count));
    f->requests++;
    f->out++;
    f->most_out = RT_MAX(f->most_out, f->out);
    f->largest = RT_MAX(f->largest, count);
    rt_mpw_clear(w);
    if (f->does == ANSWER_NONSENSE) {
        rt_mpw_cstr(w, "what?");
        return RT_OK;
    }
    rt_mpw_map(w, 2);
    rt_mpw_cstr(w, "ok");
    rt_mpw_u64(w, count);
    rt_mpw_cstr(w, "results");
    rt_mpw_array(w, f->does == ANSWER_WHOLE ? 1 : count);
    for (uint32_t i = 0; i < count; i++) {
        int number = read_number(&mp);
        bool again = seen_before(f, number);

        first_time = first_time || !again;
        CHECK_TRUE(f->seen_count < SEEN_MAX);
        f->seen[f->seen_count++] = number;
        if (f->does != ANSWER_WHOLE) {
            put_result(w, f, number, again);
        }
    }
    if (f->does == ANSWER_WHOLE) {
        rt_mpw_array(w, 4);
        rt_mpw_cstr(w, "error");
        rt_mpw_cstr(w, "RT_EDENIED");
        rt_mpw_cstr(w, "");
        rt_mpw_cstr(w, "unknown tenant");
    }
    f->mute[slot] = f->does == ANSWER_NEVER || (f->does == ANSWER_SILENT && first_time);
    return RT_OK;
}

static rt_err
fake_recv(void *self, uint32_t slot, rt_arena *arena, rt_bytes *ret_reply)
{
    fake *f = self;

    f->now_ms += f->mute[slot] ? 5000 : 1;
    f->out--;
    if (f->mute[slot]) {
        return RT_ETIMEOUT;
    }
    *ret_reply = rt_arena_copy(arena, rt_mpw_view(&f->reply[slot]));
    return RT_OK;
}

static int64_t
fake_now_ms(void *self)
{
    return ((fake *)self)->now_ms;
}

static void
fake_sleep_ms(void *self, int64_t ms)
{
    fake *f = self;

    f->slept_ms += ms;
    f->now_ms += ms;
}

// Seven events, numbered from 0, ten seconds apart.
typedef struct seven {
    int next;
    rt_mpw body;
} seven;

static rt_err
next_of_seven(void *self, stream_event *ret_event)
{
    seven *s = self;
    char id[2] = {(char)('0' + s->next), '\0'};
    draft_head head = {.type = "a.happened",
                       .id = rt_str_of(id),
                       .source = RT_STR("/t"),
                       .subject_kind = "a",
                       .subject_key = RT_STR("1"),
                       .time_ms = 1000000 + 10000 * s->next};
    draft d;

    if (s->next == 7) {
        return RT_EEND;
    }
    rt_mpw_clear(&s->body);
    draft_begin(&d, &s->body, &head);
    draft_end(&d);
    *ret_event = (stream_event){head.time_ms, rt_mpw_view(&s->body)};
    s->next++;
    return RT_OK;
}

static rt_err
run(fake *f, send_config config, send_totals *ret_totals)
{
    seven source = {0};
    stream events = {.self = &source, .next = next_of_seven};
    send_door door = {f, fake_send, fake_recv, fake_now_ms, fake_sleep_ms};
    rt_err err = RT_OK;

    rt_mpw_init(&source.body, 4096);
    for (int i = 0; i < SLOTS; i++) {
        rt_mpw_init(&f->reply[i], 65536);
    }
    err = send_stream(&events, &door, &config, ret_totals);
    rt_mpw_fini(&source.body);
    for (int i = 0; i < SLOTS; i++) {
        rt_mpw_fini(&f->reply[i]);
    }
    return err;
}

static const send_config plain = {.batch = 3, .window = 1, .timeout_ms = 30000};

static void
test_send_batches_keep_order_and_count(void **state)
{
    fake f = {.does = ANSWER_OK};
    send_totals totals = {0};

    (void)state;
    CHECK_OK(run(&f, plain, &totals));

    CHECK_U64(totals.accepted, 7);
    CHECK_U64(totals.events, 7);
    CHECK_INT(f.requests, 3);
    CHECK_INT(f.largest, 3);
    CHECK_INT(f.most_out, 1);
    for (int i = 0; i < 7; i++) {
        CHECK_INT(f.seen[i], i);
    }
}

static void
test_send_busy_events_are_sent_again_before_the_next_batch(void **state)
{
    static const int want[] = {0, 1, 2, 1, 3, 4, 5, 3, 5, 6};
    fake f = {.does = ANSWER_BUSY_ODD};
    send_totals totals = {0};

    (void)state;
    CHECK_OK(run(&f, plain, &totals));

    CHECK_U64(totals.accepted, 7);
    CHECK_U64(totals.rejected, 0);
    CHECK_U64(totals.retried, 3);
    CHECK_TRUE(f.slept_ms >= 100);
    CHECK_INT(f.seen_count, RT_COUNT(want));
    for (size_t i = 0; i < RT_COUNT(want); i++) {
        CHECK_INT(f.seen[i], want[i]);
    }
}

static void
test_send_unanswered_request_is_repeated_and_duplicates_are_fine(void **state)
{
    fake f = {.does = ANSWER_SILENT};
    send_totals totals = {0};

    (void)state;
    CHECK_OK(run(&f, plain, &totals));

    CHECK_U64(totals.duplicates, 7);
    CHECK_U64(totals.accepted, 0);
    CHECK_U64(totals.resent, 3);
    CHECK_U64(totals.requests, 6);
}

static void
test_send_nobody_answers_gives_up_after_the_timeout(void **state)
{
    fake f = {.does = ANSWER_NEVER};
    send_totals totals = {0};

    (void)state;
    CHECK_ERR(run(&f, plain, &totals), RT_EUNREACH);

    CHECK_U64(totals.events, 0);
    CHECK_TRUE(f.now_ms >= 30000 && f.now_ms < 40000);
}

static void
test_send_refused_event_is_counted_with_its_reason(void **state)
{
    fake f = {.does = ANSWER_REFUSE_TWO};
    send_totals totals = {0};

    (void)state;
    CHECK_OK(run(&f, plain, &totals));

    CHECK_U64(totals.accepted, 6);
    CHECK_U64(totals.rejected, 1);
    CHECK_INT(totals.reason_count, 1);
    CHECK_CSTR(totals.reasons[0], "2: RT_ERANGE at data.score: must be at most 5, is 9");
}

static void
test_send_error_for_the_whole_request_refuses_every_event(void **state)
{
    fake f = {.does = ANSWER_WHOLE};
    send_totals totals = {0};

    (void)state;
    CHECK_OK(run(&f, plain, &totals));

    CHECK_U64(totals.rejected, 7);
    CHECK_INT(totals.reason_count, SEND_REASONS_MAX);
    CHECK_CSTR(totals.reasons[0], "0: RT_EDENIED: unknown tenant");
}

static void
test_send_nonsense_answer_stops(void **state)
{
    fake f = {.does = ANSWER_NONSENSE};
    send_totals totals = {0};

    (void)state;
    CHECK_ERR(run(&f, plain, &totals), RT_EPROTO);
    CHECK_INT(f.requests, 1);
}

static void
test_send_window_has_several_requests_out(void **state)
{
    fake f = {.does = ANSWER_BUSY_ODD};
    send_totals totals = {0};
    send_config config = plain;

    (void)state;
    config.window = 3;
    config.batch = 1;
    CHECK_OK(run(&f, config, &totals));

    CHECK_U64(totals.accepted, 7);
    CHECK_INT(f.requests, 7 + 3); // the odd ones twice
    CHECK_INT(f.most_out, 3);
}

static void
test_send_speed_waits_for_event_time(void **state)
{
    fake f = {.does = ANSWER_OK};
    send_totals totals = {0};
    send_config config = plain;

    (void)state;
    config.speed = 5;
    CHECK_OK(run(&f, config, &totals));

    CHECK_U64(totals.accepted, 7);
    CHECK_TRUE(f.now_ms >= 12000 - 20 && f.now_ms <= 12100); // 60 s at five times the speed
    CHECK_INT(f.requests, 7);                                // nothing waits for a full batch
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_send_batches_keep_order_and_count),
        cmocka_unit_test(test_send_busy_events_are_sent_again_before_the_next_batch),
        cmocka_unit_test(test_send_unanswered_request_is_repeated_and_duplicates_are_fine),
        cmocka_unit_test(test_send_nobody_answers_gives_up_after_the_timeout),
        cmocka_unit_test(test_send_refused_event_is_counted_with_its_reason),
        cmocka_unit_test(test_send_error_for_the_whole_request_refuses_every_event),
        cmocka_unit_test(test_send_nonsense_answer_stops),
        cmocka_unit_test(test_send_window_has_several_requests_out),
        cmocka_unit_test(test_send_speed_waits_for_event_time),
    };

    return CHECK_RUN(tests);
}
