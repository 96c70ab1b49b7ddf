// Tests of the doors: addresses, limits, order, backpressure, bad peers. A door runs on a loop
// thread of its own, clients block in the test's thread, bad peers are plain TCP sockets.

#include <nng/nng.h>
#include <nng/protocol/pipeline0/push.h>
#include <sys/resource.h>

#include "runtime/base/alloc.h"
#include "runtime/base/arena.h"
#include "runtime/real/net_fixture.h"

#define CALL_TIMEOUT_MS 5000
#define HELD_MAX 64

// --- addresses ------------------------------------------------------------------------------

static void
refuse(const char *url, const char *why)
{
    rt_loop *loop = rt_loop_new();
    rt_pub *pub = NULL;

    CHECK_ERR(rt_pub_listen(loop, url, limits, &pub), RT_EINVAL);
    if (strstr(rt_err_detail(), why) == NULL) {
        print_error("%s: detail \"%s\" lacks \"%s\"\n", url, rt_err_detail(), why);
        fail();
    }
    rt_loop_free(loop);
}

static void
test_addresses_beyond_loopback_are_refused(void **state)
{
    (void)state;
    refuse("tcp://0.0.0.0:7701", "tls");
    refuse("tcp://10.0.0.1:7701", "tls");
    refuse("tcp://*:7701", "tls");
    refuse("tcp://127.0.0.1.evil.example:7701", "tls");
    refuse("tcp://[::ffff:127.0.0.1]:7701", "tls");
    refuse("inproc://x", "only tcp://");
    refuse("ipc:///tmp/x", "only inproc:// and tcp://");
    refuse("ws://127.0.0.1:1", "only inproc:// and tcp://");
    refuse("tcp://127.0.0.1:0", "port");
    refuse("tcp://127.0.0.1:65536", "port");
    refuse("tcp://127.0.0.1:77x", "port");
    refuse("inproc://", "no name");
    refuse("", "1 to");
}

static void
test_address_in_use_is_busy_and_leaves_the_first_alive(void **state)
{
    char url[URL_MAX];
    rt_loop *loop = rt_loop_new();
    rt_pub *first = NULL;
    rt_pub *second = NULL;

    (void)state;
    (void)tcp_url(url);
    CHECK_OK(rt_pub_listen(loop, url, limits, &first));

    CHECK_ERR(rt_pub_listen(loop, url, limits, &second), RT_EBUSY);

    (void)dial_sub(url, RT_STR(""));
    rt_loop_free(loop);
}

// --- request and reply ----------------------------------------------------------------------

typedef struct rep_host {
    host host;
    rt_rep *rep;
    rt_wake *release; // replies to everything held, holds nothing more
    rt_wake *pause;
    rt_wake *resume;
    bool hold;
    rt_request *held[HELD_MAX];
    uint32_t held_count;
    atomic_uint requests;
} rep_host;

static void
on_request(void *user, rt_request *request, rt_bytes body)
{
    rep_host *r = user;

    atomic_fetch_add(&r->requests, 1); // before the client can have its reply
    if (r->hold) {
        assert_true(r->held_count < HELD_MAX);
        r->held[r->held_count] = request;
        r->held_count++;
    } else {
        rt_request_reply(request, body); // echo: the reply views the request
    }
}

static void
on_release(void *user)
{
    rep_host *r = user;

    r->hold = false;
    for (uint32_t i = 0; i < r->held_count; i++) {
        rt_request_reply(r->held[i], (rt_bytes){(const uint8_t *)"late", 4});
    }
    r->held_count = 0;
}

static void
on_pause(void *user)
{
    rep_host *r = user;

    rt_rep_pause(r->rep, true);
}

static void
on_resume(void *user)
{
    rep_host *r = user;

    rt_rep_pause(r->rep, false);
}

static rep_host *
rep_start(const char *url, rt_net_limits rep_limits, bool hold)
{
    rep_host *r = rt_new(rep_host);

    host_init(&r->host);
    r->hold = hold;
    r->release = rt_wake_new(r->host.loop, on_release, r);
    r->pause = rt_wake_new(r->host.loop, on_pause, r);
    r->resume = rt_wake_new(r->host.loop, on_resume, r);
    CHECK_OK(rt_rep_listen(r->host.loop, url, rep_limits, on_request, r, &r->rep));
    host_start(&r->host);
    return r;
}

static void
rep_stop(rep_host *r)
{
    host_stop(&r->host); // `r` stays: the door refers to it for the life of the process
}

static rt_bytes
numbered(char *buf, size_t cap, uint32_t number)
{
    int len = snprintf(buf, cap, "request %u", number);

    return (rt_bytes){(const uint8_t *)buf, (size_t)len};
}

static void
echo_once(const char *url)
{
    rt_arena *arena = rt_arena_new(1024 * 1024);
    rt_client *client = NULL;
    rt_bytes reply = {0};
    rt_bytes body = {(const uint8_t *)"ping", 4};

    client = dial_client(url, CALL_TIMEOUT_MS);
    CHECK_OK(rt_client_call(client, body, arena, &reply));
    CHECK_BYTES(reply, body);
    rt_arena_free(arena);
}

static void
test_rep_answers_fifty_outstanding_requests_each_with_its_own(void **state)
{
    rt_arena *arena = rt_arena_new(1024 * 1024);
    rt_client *client = NULL;
    char url[URL_MAX];
    char buf[32];
    rep_host *r = NULL;

    (void)state;
    (void)tcp_url(url);
    r = rep_start(url, limits, false);
    client = dial_client(url, CALL_TIMEOUT_MS);

    for (uint32_t round = 0; round < 20; round++) {
        for (uint32_t slot = 0; slot < 50; slot++) {
            CHECK_OK(rt_client_send(client, slot, numbered(buf, sizeof(buf), round * 50 + slot)));
        }
        for (uint32_t slot = 50; slot > 0; slot--) {
            rt_bytes reply = {0};

            CHECK_OK(rt_client_recv(client, slot - 1, arena, &reply));
            CHECK_BYTES(reply, numbered(buf, sizeof(buf), round * 50 + slot - 1));
        }
    }

    CHECK_U64(rt_rep_stats(r->rep).messages_in, 1000);
    CHECK_U64(rt_rep_stats(r->rep).connections, 1);
    rep_stop(r);
    rt_arena_free(arena);
}

static void
test_rep_hands_out_no_more_than_inflight_max(void **state)
{
    rt_arena *arena = rt_arena_new(1024 * 1024);
    rt_net_limits four = {MESSAGE_BYTES_MAX, 16, 4};
    rt_client *client = NULL;
    char url[URL_MAX];
    char buf[32];
    rep_host *r = NULL;

    (void)state;
    (void)tcp_url(url);
    r = rep_start(url, four, true);
    client = dial_client(url, CALL_TIMEOUT_MS);
    for (uint32_t slot = 0; slot < 20; slot++) {
        CHECK_OK(rt_client_send(client, slot, numbered(buf, sizeof(buf), slot)));
    }
    wait_until(&r->requests, 4);
    (void)poll(NULL, 0, 100);
    CHECK_INT(atomic_load(&r->requests), 4);

    rt_wake_send(r->release);
    for (uint32_t slot = 0; slot < 20; slot++) {
        rt_bytes reply = {0};

        CHECK_OK(rt_client_recv(client, slot, arena, &reply));
    }

    CHECK_INT(atomic_load(&r->requests), 20);
    rep_stop(r);
    rt_arena_free(arena);
}

static void
test_rep_paused_keeps_requests_waiting(void **state)
{
    rt_arena *arena = rt_arena_new(1024 * 1024);
    rt_client *client = NULL;
    char url[URL_MAX];
    rep_host *r = NULL;
    rt_bytes reply = {0};

    (void)state;
    (void)tcp_url(url);
    r = rep_start(url, limits, false);
    client = dial_client(url, CALL_TIMEOUT_MS);
    rt_wake_send(r->pause);
    (void)poll(NULL, 0, 50);
    CHECK_OK(rt_client_send(client, 0, (rt_bytes){(const uint8_t *)"x", 1}));
    (void)poll(NULL, 0, 50);
    CHECK_INT(atomic_load(&r->requests), 0);

    rt_wake_send(r->resume);
    CHECK_OK(rt_client_recv(client, 0, arena, &reply));

    CHECK_INT(atomic_load(&r->requests), 1);
    rep_stop(r);
    rt_arena_free(arena);
}

static void
oversize_is_not_handed_out(const char *url, rt_err want)
{
    rt_arena *arena = rt_arena_new(1024 * 1024);
    uint8_t *big = rt_alloc(MESSAGE_BYTES_MAX + 1);
    rt_client *client = NULL;
    rt_bytes reply = {0};
    rep_host *r = rep_start(url, limits, false);

    client = dial_client(url, 300);
    CHECK_ERR(rt_client_call(client, (rt_bytes){big, MESSAGE_BYTES_MAX + 1}, arena, &reply),
              want);

    CHECK_INT(atomic_load(&r->requests), 0);
    echo_once(url); // and the door lives on
    rep_stop(r);
    rt_free(big);
    rt_arena_free(arena);
}

static void
test_rep_refuses_an_oversize_request_over_tcp(void **state)
{
    char url[URL_MAX];

    (void)state;
    (void)tcp_url(url);
    oversize_is_not_handed_out(url, RT_ECLOSED); // the connection is closed
}

static void
test_rep_survives_peers_that_connect_and_close(void **state)
{
    char url[URL_MAX];
    uint16_t port = tcp_url(url);
    rep_host *r = rep_start(url, limits, false);

    (void)state;
    for (int i = 0; i < 100; i++) {
        int fd = tcp_connect(port);

        if (i % 3 == 1) {
            (void)send(fd, "GET / HTTP/1.1\r\n\r\n", 18, MSG_NOSIGNAL); // may be refused already
        } else if (i % 3 == 2) {
            (void)send(fd, "\0SP\0", 4, MSG_NOSIGNAL); // half a handshake
        }
        (void)close(fd);
    }

    echo_once(url);
    rep_stop(r);
}

static void
test_rep_refuses_connections_over_the_limit(void **state)
{
    rt_net_limits two = {MESSAGE_BYTES_MAX, 2, 16};
    rt_arena *arena = rt_arena_new(1024);
    rt_client *clients[3] = {0};
    char url[URL_MAX];
    rep_host *r = NULL;
    rt_bytes reply = {0};
    rt_bytes body = {(const uint8_t *)"x", 1};

    (void)state;
    (void)tcp_url(url);
    r = rep_start(url, two, false);
    for (int i = 0; i < 2; i++) {
        clients[i] = dial_client(url, 300);
        CHECK_OK(rt_client_call(clients[i], body, arena, &reply));
    }
    if (rt_client_dial(url, 300, &clients[2]) == RT_OK) { // refused during or after the handshake
        keep(clients[2]);
        CHECK_TRUE(rt_client_call(clients[2], body, arena, &reply) != RT_OK);
    }

    CHECK_TRUE(rt_rep_stats(r->rep).connections_refused >= 1);
    CHECK_OK(rt_client_call(clients[0], body, arena, &reply));
    rep_stop(r);
    rt_arena_free(arena);
}

// What a peer says to be a REQ socket.
static const uint8_t req_hello[8] = {0, 'S', 'P', 0, 0, 0x30, 0, 0};

static int
req_connect(uint16_t port)
{
    int fd = tcp_connect(port);
    uint8_t hello[8];

    assert_int_equal(send(fd, req_hello, sizeof(req_hello), MSG_NOSIGNAL), sizeof(req_hello));
    assert_int_equal(recv(fd, hello, sizeof(hello), MSG_WAITALL), sizeof(hello));
    return fd;
}

// Writes a request of `len` bytes with its length and number; the bytes written.
static size_t
write_request(uint8_t *to, uint32_t number, size_t len)
{
    uint64_t whole = len + 4;

    for (int i = 7; i >= 0; i--) {
        to[i] = (uint8_t)whole;
        whole >>= 8;
    }
    number |= 0x80000000u;
    for (int i = 0; i < 4; i++) {
        to[8 + i] = (uint8_t)(number >> (24 - 8 * i));
    }
    memset(to + 12, (int)(number & 0xff), len);
    return len + 12;
}

static void
wait_for_connections(rep_host *r, uint64_t want)
{
    int64_t began_us = rt_clock_mono_us();

    while (rt_rep_stats(r->rep).connections != want) {
        assert_true(rt_clock_mono_us() - began_us < GIVE_UP_MS * INT64_C(1000));
        (void)poll(NULL, 0, 1);
    }
}

static void
reset(int fd)
{
    struct linger now = {1, 0};

    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now)), 0);
    assert_int_equal(close(fd), 0);
}

// With nng 1.5.2 behind the door one of these in some was enough: nothing was given back any more.
static void
test_rep_peers_that_reset_with_requests_outstanding_give_places_back(void **state)
{
    uint8_t *bytes = rt_alloc(300 * 112);
    size_t len = 0;
    char url[URL_MAX];
    uint16_t port = tcp_url(url);
    rep_host *r = rep_start(url, limits, false);

    (void)state;
    for (uint32_t i = 0; i < 300; i++) {
        len += write_request(bytes + len, i, 100);
    }
    for (int round = 0; round < 100; round++) {
        int fd = req_connect(port);

        (void)send(fd, bytes, len, MSG_NOSIGNAL);
        if (round % 2 == 0) {
            (void)poll(NULL, 0, round % 7); // at different places of its life
        }
        reset(fd);
    }

    wait_for_connections(r, 0);
    echo_once(url);
    rep_stop(r);
    rt_free(bytes);
}

static void
test_rep_peer_that_reads_nothing_keeps_nobody_waiting(void **state)
{
    uint8_t *bytes = rt_alloc(MESSAGE_BYTES_MAX + 12);
    char url[URL_MAX];
    uint16_t port = tcp_url(url);
    rep_host *r = rep_start(url, limits, false);
    int fd = req_connect(port);
    size_t len = write_request(bytes, 1, MESSAGE_BYTES_MAX - 4);
    unsigned requests = 0;
    int64_t began_us = 0;
    size_t at = 0;
    int full = 0;

    (void)state;
    while (full < 200) { // until the buffers on the way have been full for a while
        ssize_t sent = send(fd, bytes + at, len - at, MSG_NOSIGNAL | MSG_DONTWAIT);

        at = sent > 0 ? (at + (size_t)sent) % len : at;
        full = sent > 0 ? 0 : full + 1;
        if (sent < 0) {
            (void)poll(NULL, 0, 1);
        }
    }
    requests = atomic_load(&r->requests);
    began_us = rt_clock_mono_us();
    for (int i = 0; i < 10; i++) {
        echo_once(url);
    }

    CHECK_TRUE(rt_clock_mono_us() - began_us < 5000000 * patience());
    CHECK_INT(atomic_load(&r->requests), requests + 10); // and nothing more was read from it
    reset(fd);
    rep_stop(r);
    rt_free(bytes);
}

static void
test_rep_cuts_messages_however_they_arrive(void **state)
{
    uint8_t bytes[3 * 64];
    uint8_t reply[3 * 64];
    size_t len = 0;
    char url[URL_MAX];
    uint16_t port = tcp_url(url);
    rep_host *r = rep_start(url, limits, false);
    int fd = req_connect(port);

    (void)state;
    for (uint32_t i = 0; i < 3; i++) {
        len += write_request(bytes + len, i, i * 20); // the first is empty
    }
    for (size_t step = 1; step <= len; step++) {
        for (size_t at = 0; at < len; at += step) {
            size_t part = RT_MIN(step, len - at);

            assert_int_equal(send(fd, bytes + at, part, MSG_NOSIGNAL), part);
            if (step < 16) {
                (void)poll(NULL, 0, 0);
            }
        }
        assert_int_equal(recv(fd, reply, len, MSG_WAITALL), len);
        assert_memory_equal(reply, bytes, len); // echoed, with the same numbers
    }

    assert_int_equal(close(fd), 0);
    rep_stop(r);
}

static void
test_rep_counts_what_it_hangs_up_on(void **state)
{
    static const uint8_t huge[8] = {0, 0, 0, 1, 0, 0, 0, 0};
    static const uint8_t no_number[13] = {0, 0, 0, 0, 0, 0, 0, 5, 0, 1, 2, 3, 4};
    char url[URL_MAX];
    uint16_t port = tcp_url(url);
    rep_host *r = rep_start(url, limits, false);
    rt_net_stats stats;
    uint8_t byte = 0;
    int fd = tcp_connect(port);

    (void)state;
    assert_int_equal(send(fd, "\0SP\0\0\x10\0\0", 8, MSG_NOSIGNAL), 8); // a PAIR socket
    assert_int_equal(recv(fd, &byte, 1, MSG_WAITALL), 1);
    while (recv(fd, &byte, 1, 0) > 0) {
    }
    (void)close(fd);
    fd = req_connect(port);
    assert_int_equal(send(fd, huge, sizeof(huge), MSG_NOSIGNAL), sizeof(huge));
    assert_true(recv(fd, &byte, 1, 0) <= 0);
    (void)close(fd);
    fd = req_connect(port);
    assert_int_equal(send(fd, no_number, sizeof(no_number), MSG_NOSIGNAL), sizeof(no_number));
    assert_true(recv(fd, &byte, 1, 0) <= 0);
    (void)close(fd);

    stats = rt_rep_stats(r->rep);
    CHECK_U64(stats.handshakes_failed, 1);
    CHECK_U64(stats.messages_oversize, 1);
    CHECK_U64(stats.messages_malformed, 1);
    CHECK_U64(stats.connections, 0);
    echo_once(url);
    rep_stop(r);
}

static void
test_rep_peers_that_never_shake_hands_do_not_lock_out_others(void **state)
{
    char url[URL_MAX];
    uint16_t port = tcp_url(url);
    rep_host *r = rep_start(url, limits, false);
    int silent[200];

    (void)state;
    for (size_t i = 0; i < RT_COUNT(silent); i++) {
        silent[i] = tcp_connect(port);
    }

    echo_once(url);
    CHECK_TRUE(rt_rep_stats(r->rep).handshakes_failed >= RT_COUNT(silent) - 64);
    for (size_t i = 0; i < RT_COUNT(silent); i++) {
        (void)close(silent[i]);
    }
    rep_stop(r);
}

// One connection with many requests, another with one at a time: they take turns.
static void
test_rep_takes_turns_between_connections(void **state)
{
    rt_net_limits two = {MESSAGE_BYTES_MAX, 16, 2};
    uint8_t *bytes = rt_alloc(1000 * 32);
    size_t len = 0;
    char url[URL_MAX];
    uint16_t port = tcp_url(url);
    rep_host *r = rep_start(url, two, true); // holds what it gets
    int fd = req_connect(port);
    uint8_t reply[16];
    int other = 0;

    (void)state;
    for (uint32_t i = 0; i < 1000; i++) {
        len += write_request(bytes + len, i, 4);
    }
    assert_int_equal(send(fd, bytes, len, MSG_NOSIGNAL), len);
    wait_until(&r->requests, 2);
    other = req_connect(port);
    assert_int_equal(send(other, bytes, 16, MSG_NOSIGNAL), 16);
    (void)poll(NULL, 0, 50);
    rt_wake_send(r->release);

    assert_int_equal(recv(other, reply, sizeof(reply), MSG_WAITALL), sizeof(reply));
    CHECK_TRUE(atomic_load(&r->requests) < 900);
    (void)close(other);
    reset(fd);
    rep_stop(r);
    rt_free(bytes);
}

typedef struct slow_host {
    host host;
    rt_rep *rep;
    rt_timer *timer;
    atomic_uint ticks;
    atomic_uint requests;
} slow_host;

static void
on_slow_request(void *user, rt_request *request, rt_bytes body)
{
    slow_host *s = user;
    int64_t began_us = rt_clock_mono_us();

    while (rt_clock_mono_us() - began_us < 500) {
    }
    atomic_fetch_add(&s->requests, 1);
    rt_request_reply(request, body);
}

static void
on_tick(void *user)
{
    slow_host *s = user;

    atomic_fetch_add(&s->ticks, 1);
}

// Requests that are answered at once, as refused ones are, make room for others at once. With a
// pool of sixteen, sixteen are ready whenever the loop looks again.
static void
test_rep_flood_leaves_the_loop_its_timers(void **state)
{
    rt_net_limits sixteen = {MESSAGE_BYTES_MAX, 16, 16};
    slow_host *s = rt_new(slow_host);
    uint8_t *bytes = rt_alloc(1000 * 12);
    size_t len = 0;
    char url[URL_MAX];
    uint16_t port = tcp_url(url);
    int fd = -1;

    (void)state;
    for (uint32_t i = 0; i < 1000; i++) {
        len += write_request(bytes + len, i, 0);
    }
    host_init(&s->host);
    s->timer = rt_timer_new(s->host.loop, on_tick, s);
    rt_timer_start(s->timer, 1, 1);
    CHECK_OK(rt_rep_listen(s->host.loop, url, sixteen, on_slow_request, s, &s->rep));
    host_start(&s->host);
    fd = req_connect(port);
    assert_int_equal(send(fd, bytes, len, MSG_NOSIGNAL), len);
    wait_until(&s->requests, 1000);

    CHECK_TRUE(atomic_load(&s->ticks) >= 1000 / 32); // one for each sixteen, or two
    reset(fd);
    host_stop(&s->host);
    keep(s);
    rt_free(bytes);
}

static bool
under_valgrind(void)
{
    const char *preloaded = getenv("LD_PRELOAD");

    return preloaded != NULL && strstr(preloaded, "vgpreload") != NULL;
}

// While there are no descriptors those that connect wait, and those that are there are served.
static void
test_rep_without_descriptors_serves_who_is_there_and_the_others_later(void **state)
{
    struct rlimit few = {0};
    struct rlimit before = {0};
    uint8_t bytes[16];
    uint8_t reply[16];
    char url[URL_MAX];
    uint16_t port = tcp_url(url);
    struct sockaddr_in addr = {.sin_family = AF_INET,
                               .sin_port = htons(port),
                               .sin_addr = {htonl(INADDR_LOOPBACK)}};
    rep_host *r = NULL;
    int there = -1;
    int later = -1;

    (void)state;
    if (under_valgrind()) {
        print_message("SKIP: valgrind accepts first and then hangs up, when there are none\n");
        skip();
    }
    r = rep_start(url, limits, false);
    there = req_connect(port);
    later = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(write_request(bytes, 7, 4), sizeof(bytes));
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    few.rlim_max = before.rlim_max; // and 0 of them: no new one for anybody
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
    assert_int_equal(connect(later, (struct sockaddr *)&addr, sizeof(addr)), 0);
    assert_int_equal(send(later, req_hello, sizeof(req_hello), MSG_NOSIGNAL), 8);
    for (int i = 0; i < 50; i++) {
        assert_int_equal(send(there, bytes, sizeof(bytes), MSG_NOSIGNAL), sizeof(bytes));
        assert_int_equal(recv(there, reply, sizeof(reply), MSG_WAITALL), sizeof(reply));
        (void)poll(NULL, 0, 2);
    }
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);

    assert_int_equal(recv(later, reply, 8, MSG_WAITALL), 8); // the door's half of the handshake
    assert_int_equal(send(later, bytes, sizeof(bytes), MSG_NOSIGNAL), sizeof(bytes));
    assert_int_equal(recv(later, reply, sizeof(reply), MSG_WAITALL), sizeof(reply));
    (void)close(there);
    (void)close(later);
    rep_stop(r);
}

static void
test_client_hears_at_once_that_nobody_listens(void **state)
{
    char url[URL_MAX];
    rt_client *client = NULL;

    (void)state;
    (void)tcp_url(url);
    CHECK_ERR(rt_client_dial(url, CALL_TIMEOUT_MS, &client), RT_EUNREACH);
}

// --- fire and forget ------------------------------------------------------------------------

typedef struct pull_host {
    host host;
    rt_pull *pull;
    rt_wake *release;
    bool hold;
    rt_parcel *held[HELD_MAX];
    uint32_t held_count;
    uint32_t next; // the number expected in the next message
    atomic_uint parcels;
} pull_host;

static void
on_pull_parcel(void *user, rt_parcel *parcel, rt_bytes body)
{
    pull_host *p = user;

    assert_int_equal(body.len, sizeof(uint32_t));
    assert_int_equal(memcmp(body.ptr, &p->next, sizeof(uint32_t)), 0);
    p->next++;
    if (p->hold) {
        p->held[p->held_count] = parcel;
        p->held_count++;
    } else {
        rt_parcel_free(parcel);
    }
    atomic_fetch_add(&p->parcels, 1);
}

static void
on_pull_release(void *user)
{
    pull_host *p = user;

    p->hold = false;
    while (p->held_count > 0) {
        p->held_count--;
        rt_parcel_free(p->held[p->held_count]);
    }
}

static void
test_pull_flood_is_bounded_and_complete(void **state)
{
    rt_net_limits eight = {MESSAGE_BYTES_MAX, 16, 8};
    pull_host *p = rt_new(pull_host);
    nng_socket push = NNG_SOCKET_INITIALIZER;
    char url[URL_MAX];

    (void)state;
    (void)tcp_url(url);
    host_init(&p->host);
    p->hold = true;
    p->release = rt_wake_new(p->host.loop, on_pull_release, p);
    CHECK_OK(rt_pull_listen(p->host.loop, url, eight, on_pull_parcel, p, &p->pull));
    host_start(&p->host);
    assert_int_equal(nng_push0_open(&push), 0);
    assert_int_equal(nng_dial(push, url, NULL, 0), 0);
    for (uint32_t i = 0; i < 1000; i++) {
        assert_int_equal(nng_send(push, &i, sizeof(i), 0), 0); // the sockets' buffers take these
    }
    wait_until(&p->parcels, 8);
    (void)poll(NULL, 0, 100);
    CHECK_INT(atomic_load(&p->parcels), 8);

    rt_wake_send(p->release);
    wait_until(&p->parcels, 1000);

    CHECK_U64(rt_pull_stats(p->pull).messages_in, 1000);
    host_stop(&p->host);
}

// --- publications ---------------------------------------------------------------------------

static void
test_pub_reaches_its_topic_only(void **state)
{
    rt_arena *arena = rt_arena_new(1024 * 1024);
    rt_loop *loop = rt_loop_new();
    rt_pub *pub = NULL;
    rt_sub *sub = NULL;
    rt_bytes got = {0};
    char url[URL_MAX];

    (void)state;
    (void)tcp_url(url);
    CHECK_OK(rt_pub_listen(loop, url, limits, &pub));
    rt_pub_send(pub, rt_bytes_of_str(RT_STR("a nobody is there")));
    sub = dial_sub(url, RT_STR("b "));
    while (rt_pub_stats(pub).connections == 0) {
        (void)poll(NULL, 0, 1);
    }
    (void)poll(NULL, 0, 20); // counted before nng starts to send there

    rt_pub_send(pub, rt_bytes_of_str(RT_STR("a not wanted")));
    rt_pub_send(pub, rt_bytes_of_str(RT_STR("b wanted")));

    CHECK_OK(rt_sub_recv(sub, CALL_TIMEOUT_MS, arena, &got));
    CHECK_STR(rt_str_of_bytes(got), "b wanted");
    CHECK_ERR(rt_sub_recv(sub, 50, arena, &got), RT_ETIMEOUT);
    CHECK_U64(rt_pub_stats(pub).messages_out, 2);
    CHECK_U64(rt_pub_stats(pub).messages_dropped, 1);
    rt_loop_free(loop);
    rt_arena_free(arena);
}

static void
test_pub_never_blocks_on_a_subscriber_that_does_not_read(void **state)
{
    rt_loop *loop = rt_loop_new();
    uint8_t *body = rt_alloc(MESSAGE_BYTES_MAX);
    rt_pub *pub = NULL;
    char url[URL_MAX];
    int64_t began_us = 0;

    (void)state;
    (void)tcp_url(url);
    CHECK_OK(rt_pub_listen(loop, url, limits, &pub));
    (void)dial_sub(url, RT_STR(""));
    began_us = rt_clock_mono_us();

    for (int i = 0; i < 20000; i++) { // 80 MB: more than all buffers on the way
        rt_pub_send(pub, (rt_bytes){body, MESSAGE_BYTES_MAX});
    }

    CHECK_TRUE(rt_clock_mono_us() - began_us < GIVE_UP_MS * INT64_C(1000));
    rt_loop_free(loop);
    rt_free(body);
}

static void
test_pub_subscriber_that_lags_keeps_the_newest(void **state)
{
    static const uint8_t sub_hello[8] = {0, 'S', 'P', 0, 0, 0x21, 0, 0};
    rt_net_limits four = {MESSAGE_BYTES_MAX, 16, 4};
    rt_loop *loop = rt_loop_new();
    uint8_t *body = rt_alloc(MESSAGE_BYTES_MAX);
    uint8_t *got = rt_alloc(MESSAGE_BYTES_MAX + 8);
    rt_pub *pub = NULL;
    char url[URL_MAX];
    uint16_t port = tcp_url(url);
    uint32_t last = 0;
    int fd = -1;

    (void)state;
    CHECK_OK(rt_pub_listen(loop, url, four, &pub));
    fd = tcp_connect(port);
    assert_int_equal(send(fd, sub_hello, sizeof(sub_hello), MSG_NOSIGNAL), sizeof(sub_hello));
    assert_int_equal(recv(fd, got, 8, MSG_WAITALL), 8);
    while (rt_pub_stats(pub).connections == 0) {
        (void)poll(NULL, 0, 1);
    }
    for (uint32_t i = 1; i <= 10000; i++) { // 40 MB
        memcpy(body, &i, sizeof(i));
        rt_pub_send(pub, (rt_bytes){body, MESSAGE_BYTES_MAX});
        if (i % 100 == 0) {
            (void)poll(NULL, 0, 1);
        }
    }
    (void)poll(NULL, 0, 100);

    CHECK_TRUE(rt_pub_stats(pub).messages_dropped > 1000);
    while (last < 10000) {
        uint32_t number = 0;

        assert_int_equal(recv(fd, got, MESSAGE_BYTES_MAX + 8, MSG_WAITALL), MESSAGE_BYTES_MAX + 8);
        memcpy(&number, got + 8, sizeof(number));
        CHECK_TRUE(number > last);
        last = number;
    }
    (void)close(fd);
    rt_loop_free(loop);
    rt_free(body);
    rt_free(got);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_addresses_beyond_loopback_are_refused),
        cmocka_unit_test(test_address_in_use_is_busy_and_leaves_the_first_alive),
        cmocka_unit_test(test_rep_answers_fifty_outstanding_requests_each_with_its_own),
        cmocka_unit_test(test_rep_hands_out_no_more_than_inflight_max),
        cmocka_unit_test(test_rep_paused_keeps_requests_waiting),
        cmocka_unit_test(test_rep_refuses_an_oversize_request_over_tcp),
        cmocka_unit_test(test_rep_survives_peers_that_connect_and_close),
        cmocka_unit_test(test_rep_refuses_connections_over_the_limit),
        cmocka_unit_test(test_rep_peers_that_reset_with_requests_outstanding_give_places_back),
        cmocka_unit_test(test_rep_peer_that_reads_nothing_keeps_nobody_waiting),
        cmocka_unit_test(test_rep_cuts_messages_however_they_arrive),
        cmocka_unit_test(test_rep_counts_what_it_hangs_up_on),
        cmocka_unit_test(test_rep_peers_that_never_shake_hands_do_not_lock_out_others),
        cmocka_unit_test(test_rep_takes_turns_between_connections),
        cmocka_unit_test(test_rep_flood_leaves_the_loop_its_timers),
        cmocka_unit_test(test_rep_without_descriptors_serves_who_is_there_and_the_others_later),
        cmocka_unit_test(test_client_hears_at_once_that_nobody_listens),
        cmocka_unit_test(test_pull_flood_is_bounded_and_complete),
        cmocka_unit_test(test_pub_reaches_its_topic_only),
        cmocka_unit_test(test_pub_never_blocks_on_a_subscriber_that_does_not_read),
        cmocka_unit_test(test_pub_subscriber_that_lags_keeps_the_newest),
    };

    exit_after_tests(CHECK_RUN(tests));
}
