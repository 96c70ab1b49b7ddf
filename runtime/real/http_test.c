// Tests of the real HTTP client against a small server with bad habits, chosen by the path asked
// for. The server answers one connection after the other on a thread of its own.

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "runtime/base/alloc.h"
#include "runtime/seam/clock.h"
#include "runtime/seam/http.h"
#include "tests/harness/check.h"

#define TIMEOUT_MS 5000
#define REQUEST_MAX 8192
#define URL_MAX 128
#define SLOW_MS 600
#define REQUEST_BODY "{\"a\":1}"

typedef struct server {
    int listener;
    uint16_t port;
    rt_thread *thread;
    atomic_uint requests;
    char last[REQUEST_MAX]; // the last request as received; read after its answer
} server;

static void
send_all(int fd, const char *text, size_t len)
{
    while (len > 0) {
        ssize_t put = send(fd, text, len, MSG_NOSIGNAL);

        if (put <= 0) {
            return; // the client has had enough
        }
        text += put;
        len -= (size_t)put;
    }
}

static void
send_text(int fd, const char *text)
{
    send_all(fd, text, strlen(text));
}

static void
send_endless(int fd)
{
    static const char block[65536];

    send_text(fd, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n");
    for (int i = 0; i < 64; i++) { // 4 MiB without a length
        send_all(fd, block, sizeof(block));
    }
}

static bool
asks_for(const char *request, const char *path)
{
    const char *space = strchr(request, ' ');

    return space != NULL && strncmp(space + 1, path, strlen(path)) == 0;
}

static void
answer(int fd, const char *request)
{
    if (asks_for(request, "/slow")) {
        (void)poll(NULL, 0, SLOW_MS);
        send_text(fd, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    } else if (asks_for(request, "/cut")) {
        send_text(fd, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this");
    } else if (asks_for(request, "/chunkcut")) {
        send_text(fd, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n");
    } else if (asks_for(request, "/endless")) {
        send_endless(fd);
    } else if (asks_for(request, "/busy")) {
        send_text(fd, "HTTP/1.1 429 Too Many\r\nRetry-After: 7\r\nContent-Length: 4\r\n\r\nlate");
    } else if (asks_for(request, "/moved")) {
        send_text(fd, "HTTP/1.1 302 Found\r\nLocation: /ok\r\nContent-Length: 0\r\n\r\n");
    } else if (asks_for(request, "/ok")) {
        send_text(fd, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello");
    } // anything else: no answer at all
}

static bool
is_whole(const char *request)
{
    const char *end = strstr(request, "\r\n\r\n");
    bool with_body = strstr(request, "Content-Length: ") != NULL;

    return end != NULL && (!with_body || strstr(end, REQUEST_BODY) != NULL);
}

static void
serve(void *user)
{
    server *s = user;
    int fd = -1;

    while ((fd = accept(s->listener, NULL, NULL)) >= 0) {
        size_t have = 0;
        ssize_t got = 0;

        memset(s->last, 0, sizeof(s->last));
        do {
            got = recv(fd, s->last + have, sizeof(s->last) - 1 - have, 0);
            have += got > 0 ? (size_t)got : 0;
        } while (got > 0 && !is_whole(s->last));
        atomic_fetch_add(&s->requests, have > 0 ? 1 : 0);
        answer(fd, s->last);
        (void)close(fd);
    }
}

static int
setup(void **state)
{
    server *s = rt_new(server);
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof(addr);

    s->listener = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(s->listener, (struct sockaddr *)&addr, sizeof(addr)), 0);
    assert_int_equal(listen(s->listener, 64), 0);
    assert_int_equal(getsockname(s->listener, (struct sockaddr *)&addr, &len), 0);
    s->port = ntohs(addr.sin_port);
    s->thread = rt_thread_start("server", serve, s);
    *state = s;
    return 0;
}

static int
teardown(void **state)
{
    server *s = *state;

    (void)shutdown(s->listener, SHUT_RDWR); // ends accept
    rt_thread_join(s->thread);
    (void)close(s->listener);
    rt_free(s);
    return 0;
}

typedef struct client {
    rt_loop *loop;
    rt_http *http;
    uint32_t awaited;
    rt_err err;
    int32_t status;
    int64_t retry_after_ms;
    size_t body_len;
    char body[URL_MAX];
} client;

static void
client_init(client *c, rt_http_config config)
{
    memset(c, 0, sizeof(*c));
    c->loop = rt_loop_new();
    c->http = rt_http_new(c->loop, config);
}

static void
client_fini(client *c)
{
    rt_http_free(c->http);
    rt_loop_free(c->loop);
}

static void
on_response(void *user, const rt_http_response *response)
{
    client *c = user;

    c->err = response->err;
    c->status = response->status;
    c->retry_after_ms = response->retry_after_ms;
    c->body_len = response->body.len;
    (void)snprintf(c->body, sizeof(c->body), "%.*s",
                   (int)RT_MIN(response->body.len, sizeof(c->body)),
                   response->body.ptr != NULL ? (const char *)response->body.ptr : "");
    c->awaited--;
    if (c->awaited == 0) {
        rt_loop_stop(c->loop);
    }
}

static rt_err
post(client *c, const char *url, const char *header, int64_t timeout_ms)
{
    rt_http_request request = {.method = "POST",
                               .url = url,
                               .headers = {"Content-Type: application/json", header},
                               .header_count = header != NULL ? 2 : 1,
                               .body = rt_bytes_of_str(RT_STR(REQUEST_BODY)),
                               .timeout_ms = timeout_ms};

    return rt_http_send(c->http, &request, on_response, c);
}

static const char *
url_of(const server *s, const char *path, char buf[URL_MAX])
{
    (void)snprintf(buf, URL_MAX, "http://127.0.0.1:%u%s", s->port, path);
    return buf;
}

static const rt_http_config local = {.allow_loopback = true, .inflight_max = 64};

// fetch posts once with a client of its own and leaves the outcome in `c`.
static void
fetch(client *c, const char *url, rt_http_config config, int64_t timeout_ms)
{
    client_init(c, config);
    CHECK_OK(post(c, url, NULL, timeout_ms));
    c->awaited = 1;
    rt_loop_run(c->loop);
    client_fini(c);
}

static void
test_post_sends_headers_and_body_and_gets_the_answer(void **state)
{
    server *s = *state;
    char url[URL_MAX];
    client c;

    assert_int_equal(setenv("http_proxy", "http://127.0.0.1:9", 1), 0); // must not be used
    client_init(&c, local);
    CHECK_OK(post(&c, url_of(s, "/ok", url), "X-Key: secret", TIMEOUT_MS));
    c.awaited = 1;
    rt_loop_run(c.loop);
    client_fini(&c);
    assert_int_equal(unsetenv("http_proxy"), 0);

    CHECK_OK(c.err);
    CHECK_INT(c.status, 200);
    CHECK_CSTR(c.body, "hello");
    CHECK_INT(c.retry_after_ms, -1);
    CHECK_TRUE(strncmp(s->last, "POST /ok HTTP/1.1\r\n", 19) == 0);
    CHECK_TRUE(strstr(s->last, "\r\nX-Key: secret\r\n") != NULL);
    CHECK_TRUE(strstr(s->last, "\r\n\r\n" REQUEST_BODY) != NULL);
    CHECK_TRUE(strstr(s->last, "Accept-Encoding") == NULL);
    CHECK_TRUE(strstr(s->last, "Expect") == NULL);
}

static void
test_slow_server_times_out(void **state)
{
    char url[URL_MAX];
    client c;
    int64_t began_us = rt_clock_mono_us();

    fetch(&c, url_of(*state, "/slow", url), local, 100);

    CHECK_INT(c.err, RT_ETIMEOUT);
    CHECK_TRUE(rt_clock_mono_us() - began_us < SLOW_MS * 1000);
}

static void
test_body_that_is_cut_is_no_answer(void **state)
{
    char url[URL_MAX];
    client c;

    fetch(&c, url_of(*state, "/cut", url), local, TIMEOUT_MS);
    CHECK_INT(c.err, RT_ECLOSED);
    CHECK_INT(c.body_len, 0);

    fetch(&c, url_of(*state, "/chunkcut", url), local, TIMEOUT_MS);
    CHECK_INT(c.err, RT_ECLOSED);

    fetch(&c, url_of(*state, "/silent", url), local, TIMEOUT_MS);
    CHECK_INT(c.err, RT_ECLOSED);
}

static void
test_endless_body_is_stopped_at_the_limit(void **state)
{
    char url[URL_MAX];
    client c;

    fetch(&c, url_of(*state, "/endless", url), local, TIMEOUT_MS);

    CHECK_INT(c.err, RT_ELIMIT);
    CHECK_INT(c.body_len, 0);
}

static void
test_status_and_retry_after_are_given(void **state)
{
    char url[URL_MAX];
    client c;

    fetch(&c, url_of(*state, "/busy", url), local, TIMEOUT_MS);

    CHECK_OK(c.err);
    CHECK_INT(c.status, 429);
    CHECK_INT(c.retry_after_ms, 7000);
    CHECK_CSTR(c.body, "late");
}

static void
test_redirect_is_not_followed(void **state)
{
    server *s = *state;
    char url[URL_MAX];
    client c;

    fetch(&c, url_of(s, "/moved", url), local, TIMEOUT_MS);

    CHECK_OK(c.err);
    CHECK_INT(c.status, 302);
    CHECK_INT(atomic_load(&s->requests), 1);
}

static void
test_many_at_once_are_all_answered(void **state)
{
    server *s = *state;
    char url[URL_MAX];
    client c;

    client_init(&c, (rt_http_config){.allow_loopback = true, .inflight_max = 20});
    for (int i = 0; i < 20; i++) {
        CHECK_OK(post(&c, url_of(s, "/ok", url), NULL, TIMEOUT_MS));
        c.awaited++;
    }
    CHECK_ERR(post(&c, url_of(s, "/ok", url), NULL, TIMEOUT_MS), RT_EFULL);
    rt_loop_run(c.loop);

    CHECK_INT(atomic_load(&s->requests), 20);
    CHECK_OK(post(&c, url_of(s, "/ok", url), NULL, TIMEOUT_MS)); // room again
    c.awaited = 1;
    rt_loop_run(c.loop);
    CHECK_OK(c.err);
    client_fini(&c);
}

static void
test_header_with_a_line_break_is_refused(void **state)
{
    server *s = *state;
    char url[URL_MAX];
    client c;

    client_init(&c, local);
    CHECK_ERR(post(&c, url_of(s, "/ok", url), "X: a\r\nEvil: b", TIMEOUT_MS), RT_EINVAL);
    CHECK_ERR(post(&c, "http://127.0.0.1:1/\r\nEvil: b", NULL, TIMEOUT_MS), RT_EINVAL);
    client_fini(&c);

    CHECK_INT(atomic_load(&s->requests), 0);
}

static void
test_inner_addresses_are_refused_when_the_socket_opens(void **state)
{
    static const rt_http_config strict = {.inflight_max = 4};
    server *s = *state;
    const char *const hosts[] = {"127.0.0.1", "localhost", "0x7f000001", "2130706433",
                                 "127.1",     "[::1]",     "[::ffff:127.0.0.1]"};
    client c;

    for (size_t i = 0; i < RT_COUNT(hosts); i++) {
        char url[URL_MAX];

        (void)snprintf(url, sizeof(url), "https://%s:%u/", hosts[i], s->port);
        fetch(&c, url, strict, TIMEOUT_MS);
        CHECK_INT(c.err, RT_EDENIED);
    }
    fetch(&c, "https://10.0.0.1/", local, TIMEOUT_MS);
    CHECK_INT(c.err, RT_EDENIED);
    fetch(&c, "https://169.254.169.254/", local, TIMEOUT_MS);
    CHECK_INT(c.err, RT_EDENIED);
    CHECK_INT(atomic_load(&s->requests), 0);
}

static void
test_nobody_listens_is_unreachable(void **state)
{
    client c;

    (void)state;
    fetch(&c, "http://127.0.0.1:1/", local, TIMEOUT_MS);

    CHECK_INT(c.err, RT_EUNREACH);
}

static void
stop_loop(void *user)
{
    client *c = user;

    rt_loop_stop(c->loop);
}

static void
test_freed_client_calls_nobody(void **state)
{
    char url[URL_MAX];
    client c;

    client_init(&c, local);
    CHECK_OK(post(&c, url_of(*state, "/slow", url), NULL, TIMEOUT_MS));
    c.awaited = 2; // one call would make it 1
    rt_timer_start(rt_timer_new(c.loop, stop_loop, &c), SLOW_MS / 6, 0);
    rt_loop_run(c.loop); // until the server has the request and sleeps over it
    client_fini(&c);

    CHECK_INT(c.awaited, 2);
}

static void
again(void *user, const rt_http_response *response)
{
    client *c = user;
    rt_http_request request = {.method = "GET", .url = c->body, .timeout_ms = TIMEOUT_MS};

    c->err = response->err;
    c->awaited--;
    if (c->awaited == 0) {
        rt_loop_stop(c->loop);
        return;
    }
    CHECK_OK(rt_http_send(c->http, &request, again, c));
}

static void
test_request_may_be_sent_from_a_response(void **state)
{
    server *s = *state;
    rt_http_request request = {.method = "GET", .timeout_ms = TIMEOUT_MS};
    char url[URL_MAX];
    client c;

    client_init(&c, (rt_http_config){.allow_loopback = true, .inflight_max = 1});
    (void)snprintf(c.body, sizeof(c.body), "%s", url_of(s, "/ok", url));
    request.url = c.body;
    c.awaited = 5;
    CHECK_OK(rt_http_send(c.http, &request, again, &c));
    rt_loop_run(c.loop);

    CHECK_OK(c.err);
    CHECK_INT(atomic_load(&s->requests), 5);
    client_fini(&c);
}

#define WITH_SERVER(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_SERVER(test_post_sends_headers_and_body_and_gets_the_answer),
        WITH_SERVER(test_slow_server_times_out),
        WITH_SERVER(test_body_that_is_cut_is_no_answer),
        WITH_SERVER(test_endless_body_is_stopped_at_the_limit),
        WITH_SERVER(test_status_and_retry_after_are_given),
        WITH_SERVER(test_redirect_is_not_followed),
        WITH_SERVER(test_many_at_once_are_all_answered),
        WITH_SERVER(test_header_with_a_line_break_is_refused),
        WITH_SERVER(test_inner_addresses_are_refused_when_the_socket_opens),
        cmocka_unit_test(test_nobody_listens_is_unreachable),
        WITH_SERVER(test_freed_client_calls_nobody),
        WITH_SERVER(test_request_may_be_sent_from_a_response),
    };

    return CHECK_RUN(tests);
}
