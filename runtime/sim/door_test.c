// Tests of the simulated doors: REP, PULL, PUB, control, their blocking clients, outgoing requests.

#include <stdio.h>

#include "runtime/base/arena.h"
#include "runtime/sim/sim.h"
#include "tests/harness/check.h"

#define NOTES_MAX 256

static const rt_net_limits limits = {1024, 16, 8};

// What happened, as a string of letters in their order.
typedef struct notes {
    char text[NOTES_MAX];
    size_t len;
} notes;

static void
note(notes *n, char what)
{
    assert_true(n->len + 1 < NOTES_MAX);
    n->text[n->len] = what;
    n->len++;
}

typedef struct rep_side {
    rt_loop *loop;
    rt_rep *rep;
    rt_request *held[16];
    uint32_t held_count;
    bool hold;
} rep_side;

typedef struct replies {
    uint32_t ok;
    uint32_t closed;
    uint32_t timeout;
    uint32_t unreach;
    char last[32];
} replies;

static void
on_reply(void *user, rt_err err, rt_bytes reply)
{
    replies *r = user;

    r->ok += err == RT_OK ? 1 : 0;
    r->closed += err == RT_ECLOSED ? 1 : 0;
    r->timeout += err == RT_ETIMEOUT ? 1 : 0;
    r->unreach += err == RT_EUNREACH ? 1 : 0;
    if (err == RT_OK) {
        (void)snprintf(r->last, sizeof(r->last), "%.*s", (int)reply.len, (const char *)reply.ptr);
    }
}

static void
on_request(void *user, rt_request *request, rt_bytes got)
{
    rep_side *side = user;

    if (side->hold) {
        side->held[side->held_count] = request;
        side->held_count++;
    } else {
        rt_request_reply(request, got);
    }
}

static void
ask(const char *text, replies *r)
{
    sim_request("tcp://127.0.0.1:7701", rt_bytes_of_str(rt_str_of(text)), on_reply, r);
}

static void
test_rep_hands_out_inflight_max_and_answers_all(void **state)
{
    rep_side side = {.hold = true};
    replies r = {0};

    (void)state;
    sim_reset(7);
    ask("nobody there", &r);
    side.loop = rt_loop_new();
    CHECK_OK(rt_rep_listen(side.loop, "tcp://127.0.0.1:7701", limits, on_request, &side,
                           &side.rep));
    CHECK_ERR(rt_rep_listen(side.loop, "tcp://127.0.0.1:7701", limits, on_request, &side,
                            &side.rep),
              RT_EBUSY);
    for (int i = 0; i < 12; i++) {
        ask("x", &r);
    }
    CHECK_TRUE(sim_run_until_idle(1000));
    CHECK_INT(side.held_count, limits.inflight_max);
    CHECK_INT(r.unreach, 1);

    side.hold = false;
    for (uint32_t i = 0; i < side.held_count; i++) {
        rt_request_reply(side.held[i], rt_bytes_of_str(RT_STR("late")));
    }
    CHECK_TRUE(sim_run_until_idle(1000));

    CHECK_INT(r.ok, 12);
    CHECK_U64(rt_rep_stats(side.rep).messages_in, 12);
}

static void
test_rep_pause_oversize_loss_and_crash(void **state)
{
    static const uint8_t big[2048];
    rep_side side = {0};
    replies r = {0};

    (void)state;
    sim_reset(7);
    side.loop = rt_loop_new();
    CHECK_OK(rt_rep_listen(side.loop, "tcp://127.0.0.1:7701", limits, on_request, &side,
                           &side.rep));
    sim_request("tcp://127.0.0.1:7701", (rt_bytes){big, sizeof(big)}, on_reply, &r);
    CHECK_TRUE(sim_run_until_idle(1000));
    CHECK_INT(r.closed, 1);

    rt_rep_pause(side.rep, true);
    ask("waits", &r);
    CHECK_TRUE(sim_run_until_idle(1000));
    CHECK_INT(r.ok, 0);
    rt_rep_pause(side.rep, false);
    CHECK_TRUE(sim_run_until_idle(1000));
    CHECK_CSTR(r.last, "waits");

    sim_net_set_faults((sim_net_faults){.drop = 1.0});
    ask("lost", &r);
    CHECK_TRUE(sim_run_until_idle(2000));
    CHECK_INT(r.timeout, 1);

    sim_net_set_faults((sim_net_faults){.delay_min_us = 10, .delay_max_us = 10});
    side.hold = true;
    ask("in hand", &r);
    sim_advance_ms(1);
    ask("on its way", &r);
    rt_loop_free(side.loop);
    CHECK_TRUE(sim_run_until_idle(1000));
    CHECK_INT(r.closed, 3);
}

typedef struct pulled {
    uint32_t next;
    rt_parcel *held[16];
    uint32_t held_count;
} pulled;

static void
on_pulled(void *user, rt_parcel *parcel, rt_bytes got)
{
    pulled *p = user;

    CHECK_TRUE(memcmp(got.ptr, &p->next, 4) == 0);
    p->next++;
    p->held[p->held_count] = parcel;
    p->held_count++;
}

static void
test_pull_is_bounded_and_ordered(void **state)
{
    rt_pull *pull = NULL;
    pulled p = {0};

    (void)state;
    sim_reset(7);
    CHECK_FALSE(sim_push("tcp://127.0.0.1:7702", (rt_bytes){(const uint8_t *)"x", 1}));
    CHECK_OK(rt_pull_listen(rt_loop_new(), "tcp://127.0.0.1:7702", limits, on_pulled, &p, &pull));
    for (uint32_t i = 0; i < 30; i++) {
        CHECK_TRUE(sim_push("tcp://127.0.0.1:7702", (rt_bytes){(const uint8_t *)&i, 4}));
    }
    CHECK_TRUE(sim_run_until_idle(1000));
    CHECK_INT(p.next, limits.inflight_max);

    while (p.held_count > 0) {
        p.held_count--;
        rt_parcel_free(p.held[p.held_count]);
        CHECK_TRUE(sim_run_until_idle(1000));
    }

    CHECK_INT(p.next, 30);
    CHECK_U64(rt_pull_stats(pull).messages_in, 30);
}

static void
on_message(void *user, rt_bytes got)
{
    notes *n = user;

    note(n, (char)got.ptr[0]);
}

static void
test_pub_reaches_subscribers_in_order(void **state)
{
    notes n = {0};
    rt_pub *pub = NULL;
    rt_sub *sub = NULL;
    rt_arena *arena = rt_arena_new(1024);
    rt_bytes got = {0};

    (void)state;
    sim_reset(7);
    CHECK_OK(rt_pub_listen(rt_loop_new(), "tcp://127.0.0.1:7703", limits, &pub));
    rt_pub_send(pub, rt_bytes_of_str(RT_STR("-")));
    sim_sub("tcp://127.0.0.1:7703", on_message, &n);
    CHECK_OK(rt_sub_dial("tcp://127.0.0.1:7703", RT_STR("c"), &sub));
    for (int c = 'a'; c <= 'f'; c++) {
        uint8_t byte = (uint8_t)c;

        rt_pub_send(pub, (rt_bytes){&byte, 1});
    }
    CHECK_OK(rt_sub_recv(sub, 1000, arena, &got));
    CHECK_STR(rt_str_of_bytes(got), "c");
    CHECK_ERR(rt_sub_recv(sub, 1000, arena, &got), RT_ETIMEOUT);

    CHECK_CSTR(n.text, "abcdef");
    CHECK_U64(rt_pub_stats(pub).messages_dropped, 1);
    rt_arena_free(arena);
}

static void
on_ctl(void *user, rt_ctl_call *call, uint32_t uid, rt_bytes got)
{
    rt_ctl_call **stream = user;

    if (rt_str_is(rt_str_of_bytes(got), "stream")) {
        rt_ctl_answer(call, rt_bytes_of_str(RT_STR("first")), false);
        *stream = call;
    } else {
        rt_ctl_answer(call, rt_bytes_of_str(uid == 77 ? RT_STR("u") : RT_STR("?")), true);
    }
}

static void
on_answer(void *user, rt_err err, rt_bytes got, bool last)
{
    notes *n = user;

    note(n, err == RT_OK ? (char)got.ptr[0] : 'X');
    if (last) {
        note(n, '.');
    }
}

static void
test_ctl_calls_streams_and_hangups(void **state)
{
    notes n = {0};
    rt_ctl_call *stream = NULL;
    rt_ctl_call *call = NULL;
    rt_ctl *ctl = NULL;

    (void)state;
    sim_reset(7);
    CHECK_TRUE(sim_ctl_call("/run/x", 1, (rt_bytes){0}, on_answer, &n) == NULL);
    CHECK_OK(rt_ctl_listen(rt_loop_new(), "/run/x", limits, on_ctl, &stream, &ctl));
    (void)sim_ctl_call("/run/x", 77, rt_bytes_of_str(RT_STR("who")), on_answer, &n);
    CHECK_TRUE(sim_run_until_idle(100));
    CHECK_CSTR(n.text, "u.");

    call = sim_ctl_call("/run/x", 77, rt_bytes_of_str(RT_STR("stream")), on_answer, &n);
    CHECK_TRUE(sim_run_until_idle(100));
    CHECK_CSTR(n.text, "u.f");
    CHECK_TRUE(rt_ctl_alive(stream));
    sim_ctl_hangup(call);
    CHECK_FALSE(rt_ctl_alive(stream));
    rt_ctl_answer(stream, rt_bytes_of_str(RT_STR("z")), true);
    CHECK_TRUE(sim_run_until_idle(100));

    CHECK_CSTR(n.text, "u.f");
    rt_ctl_close(ctl);
}

static void
test_blocking_clients_drive_the_world(void **state)
{
    rep_side side = {0};
    rt_ctl_call *stream = NULL;
    rt_ctl *ctl = NULL;
    rt_client *client = NULL;
    rt_ctl_client *ctl_client = NULL;
    rt_arena *arena = rt_arena_new(1024);
    rt_bytes got = {0};

    (void)state;
    sim_reset(7);
    side.loop = rt_loop_new();
    CHECK_OK(rt_rep_listen(side.loop, "tcp://127.0.0.1:7701", limits, on_request, &side,
                           &side.rep));
    CHECK_OK(rt_ctl_listen(side.loop, "/run/x", limits, on_ctl, &stream, &ctl));
    CHECK_OK(rt_client_dial("tcp://127.0.0.1:7701", 1000, &client));
    CHECK_OK(rt_client_call(client, rt_bytes_of_str(RT_STR("ping")), arena, &got));
    CHECK_STR(rt_str_of_bytes(got), "ping");
    side.hold = true;
    CHECK_ERR(rt_client_call(client, rt_bytes_of_str(RT_STR("ping")), arena, &got), RT_ETIMEOUT);
    CHECK_OK(rt_ctl_dial("/run/x", 1000, &ctl_client));
    CHECK_OK(rt_ctl_send(ctl_client, rt_bytes_of_str(RT_STR("stream"))));
    CHECK_OK(rt_ctl_recv(ctl_client, arena, &got));
    CHECK_STR(rt_str_of_bytes(got), "first");
    CHECK_ERR(rt_ctl_recv(ctl_client, arena, &got), RT_ETIMEOUT);

    rt_ctl_hangup(ctl_client);
    CHECK_FALSE(rt_ctl_alive(stream));
    rt_arena_free(arena);
}

// --- outgoing requests ----------------------------------------------------------------------

static void
answer_http(void *user, const rt_http_request *request, sim_http_answer *ret_answer)
{
    (void)user;
    if (strstr(request->url, "slow") != NULL) {
        ret_answer->delay_ms = 5000;
    } else if (strstr(request->url, "busy") != NULL) {
        ret_answer->status = 429;
        ret_answer->retry_after_ms = 3000;
    } else {
        ret_answer->body = request->body; // an echo
    }
}

typedef struct http_seen {
    rt_http_response last;
    char body[32];
    uint32_t calls;
} http_seen;

static void
on_response(void *user, const rt_http_response *response)
{
    http_seen *seen = user;

    seen->last = *response;
    seen->last.body = (rt_bytes){0};
    (void)snprintf(seen->body, sizeof(seen->body), "%.*s", (int)response->body.len,
                   response->body.ptr != NULL ? (const char *)response->body.ptr : "");
    seen->calls++;
}

static rt_err
http_post(rt_http *http, const char *url, http_seen *seen)
{
    rt_http_request request = {.method = "POST",
                               .url = url,
                               .body = rt_bytes_of_str(RT_STR("hello")),
                               .timeout_ms = 1000};

    return rt_http_send(http, &request, on_response, seen);
}

static void
test_http_is_scripted_and_guarded(void **state)
{
    http_seen seen = {0};
    rt_http *http = NULL;

    (void)state;
    sim_reset(7);
    http = rt_http_new(rt_loop_new(), (rt_http_config){.inflight_max = 1});
    CHECK_OK(http_post(http, "https://a.example/", &seen));
    CHECK_ERR(http_post(http, "https://a.example/", &seen), RT_EFULL);
    CHECK_ERR(http_post(http, "http://10.0.0.1/", &seen), RT_EINVAL);
    CHECK_TRUE(sim_run_until_idle(100));
    CHECK_INT(seen.last.err, RT_EUNREACH); // no internet yet

    sim_http_handler(answer_http, NULL);
    CHECK_OK(http_post(http, "https://a.example/", &seen));
    CHECK_TRUE(sim_run_until_idle(100));
    CHECK_INT(seen.last.err, RT_OK);
    CHECK_INT(seen.last.status, 200);
    CHECK_CSTR(seen.body, "hello");
    CHECK_OK(http_post(http, "https://a.example/busy", &seen));
    CHECK_TRUE(sim_run_until_idle(100));
    CHECK_INT(seen.last.status, 429);
    CHECK_INT(seen.last.retry_after_ms, 3000);
    CHECK_OK(http_post(http, "https://a.example/slow", &seen));
    CHECK_TRUE(sim_run_until_idle(10000));
    CHECK_INT(seen.last.err, RT_ETIMEOUT);
    CHECK_INT(seen.calls, 4);

    CHECK_OK(http_post(http, "https://a.example/", &seen));
    rt_http_free(http); // no callback any more
    CHECK_TRUE(sim_run_until_idle(100));
    CHECK_INT(seen.calls, 4);
}

static void
test_subscriber_that_does_not_read_loses_what_is_too_much(void **state)
{
    notes n = {0};
    rt_pub *pub = NULL;

    (void)state;
    sim_reset(7);
    CHECK_OK(rt_pub_listen(rt_loop_new(), "tcp://127.0.0.1:7703", limits, &pub));
    sim_sub("tcp://127.0.0.1:7703", on_message, &n);
    rt_pub_send(pub, rt_bytes_of_str(RT_STR("-"))); // on its way when reading stops
    sim_sub_stall("tcp://127.0.0.1:7703", true);
    for (int c = 'a'; c <= 'z'; c++) {
        uint8_t byte = (uint8_t)c;

        rt_pub_send(pub, (rt_bytes){&byte, 1});
    }
    sim_advance_ms(1000);
    CHECK_CSTR(n.text, "");

    sim_sub_stall("tcp://127.0.0.1:7703", false);
    sim_advance_ms(1000);
    CHECK_CSTR(n.text, "-abcdefg"); // inflight_max of them
}

static void
test_late_request_is_overtaken(void **state)
{
    rep_side side = {0};
    replies r = {0};

    (void)state;
    sim_reset(7);
    side.loop = rt_loop_new();
    CHECK_OK(rt_rep_listen(side.loop, "tcp://127.0.0.1:7701", limits, on_request, &side,
                           &side.rep));
    sim_net_set_faults((sim_net_faults){.delay_min_us = 10, .delay_max_us = 100, .late = 1.0});
    ask("first", &r);
    sim_net_set_faults((sim_net_faults){.delay_min_us = 10, .delay_max_us = 10});
    ask("second", &r);
    CHECK_TRUE(sim_run_until_idle(1000));
    CHECK_INT(r.ok, 2);
    CHECK_CSTR(r.last, "first");
    CHECK_U64(sim_net_late(), 1);
}

static int
forget_all(void **state)
{
    (void)state;
    sim_reset(0); // gives back what the last test left
    return 0;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rep_hands_out_inflight_max_and_answers_all),
        cmocka_unit_test(test_rep_pause_oversize_loss_and_crash),
        cmocka_unit_test(test_pull_is_bounded_and_ordered),
        cmocka_unit_test(test_pub_reaches_subscribers_in_order),
        cmocka_unit_test(test_subscriber_that_does_not_read_loses_what_is_too_much),
        cmocka_unit_test(test_late_request_is_overtaken),
        cmocka_unit_test(test_ctl_calls_streams_and_hangups),
        cmocka_unit_test(test_blocking_clients_drive_the_world),
        cmocka_unit_test(test_http_is_scripted_and_guarded),
    };

    return cmocka_run_group_tests(tests, NULL, forget_all);
}
