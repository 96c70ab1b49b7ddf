// real/net_fixture.h: what the tests of the doors share: a loop on a thread, free ports, plain
// TCP peers, waiting, and leaving the process.
//
// Layer: tests of runtime/real.   Threads: the test's, unless a comment says the loop's. The
// clients are nng's, whose sockets are never closed (1.5.2 can hang), so a test's main leaves by
// exit_after_tests.
#ifndef CEREBRO_RUNTIME_REAL_NET_FIXTURE_H
#define CEREBRO_RUNTIME_REAL_NET_FIXTURE_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "runtime/seam/clock.h"
#include "runtime/seam/net.h"
#include "tests/harness/check.h"
#include "tests/harness/patience.h"

#define MESSAGE_BYTES_MAX 4096u
#define GIVE_UP_MS 10000
#define URL_MAX 64

// There in builds with a leak checker only, which the _exit below would skip.
int __lsan_do_recoverable_leak_check(void);
#pragma weak __lsan_do_recoverable_leak_check

static const rt_net_limits limits = {MESSAGE_BYTES_MAX, 16, 64};

// One loop on one thread, with something to stop it.
typedef struct host {
    rt_loop *loop;
    rt_wake *stop;
    rt_thread *thread;
} host;

// on_stop is called on the loop by host_stop.
static inline void
on_stop(void *user)
{
    host *h = user;

    rt_loop_stop(h->loop);
}

// run_loop is the body of a host's thread.
static inline void
run_loop(void *user)
{
    host *h = user;

    rt_loop_run(h->loop);
}

// host_init makes the loop; doors are opened on it before host_start.
static inline void
host_init(host *h)
{
    h->loop = rt_loop_new();
    h->stop = rt_wake_new(h->loop, on_stop, h);
}

// host_start runs the loop on its thread.
static inline void
host_start(host *h)
{
    h->thread = rt_thread_start("host", run_loop, h);
}

// host_stop stops, joins and frees.
static inline void
host_stop(host *h)
{
    rt_wake_send(h->stop);
    rt_thread_join(h->thread);
    rt_loop_free(h->loop);
}

// free_port finds a TCP port nobody uses.
static inline uint16_t
free_port(void)
{
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof(addr);
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&addr, &len), 0);
    assert_int_equal(close(fd), 0);
    return ntohs(addr.sin_port);
}

// tcp_url writes an address with a free port and returns the port.
static inline uint16_t
tcp_url(char url[URL_MAX])
{
    uint16_t port = free_port();

    (void)snprintf(url, URL_MAX, "tcp://127.0.0.1:%u", port);
    return port;
}

// tcp_connect is a plain connection.
static inline int
tcp_connect(uint16_t port)
{
    struct sockaddr_in addr = {.sin_family = AF_INET,
                               .sin_port = htons(port),
                               .sin_addr = {htonl(INADDR_LOOPBACK)}};
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    assert_int_equal(connect(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
    return fd;
}

// wait_until polls a counter that a loop thread raises.
static inline void
wait_until(atomic_uint *counter, unsigned want)
{
    int64_t began_us = rt_clock_mono_us();

    while (atomic_load(counter) < want) {
        if (rt_clock_mono_us() - began_us > GIVE_UP_MS * 1000 * patience()) {
            print_error("waited for %u, have %u\n", want, atomic_load(counter));
            fail();
        }
        (void)poll(NULL, 0, 1);
    }
}

// keep holds on to what lives as long as the process, so that the leak check finds it; volatile, as
// nobody else reads it.
static inline void
keep(void *ptr)
{
    static void *volatile kept[64];
    static size_t count;

    assert_true(count < RT_COUNT(kept));
    kept[count] = ptr;
    count++;
}

// dial_client connects a REQ client.
static inline rt_client *
dial_client(const char *url, int64_t timeout_ms)
{
    rt_client *client = NULL;

    CHECK_OK(rt_client_dial(url, timeout_ms, &client));
    keep(client);
    return client;
}

// dial_sub connects a SUB client.
static inline rt_sub *
dial_sub(const char *url, rt_str topic)
{
    rt_sub *sub = NULL;

    CHECK_OK(rt_sub_dial(url, topic, &sub));
    keep(sub);
    return sub;
}

// exit_after_tests ends the process after a leak check of what is not reachable any more.
RT_NORETURN static inline void
exit_after_tests(int failed)
{
    if (__lsan_do_recoverable_leak_check != NULL) {
        failed += __lsan_do_recoverable_leak_check();
    }
    (void)fflush(NULL); // _exit does not
    _exit(failed);      // nng's clean-up at exit can hang
}

#endif
