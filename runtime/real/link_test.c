// Tests of links: order between two loops, peers that come and go, that do not read, that are one
// too many. Peers that misbehave speak the protocol over plain TCP sockets.

#include "runtime/base/alloc.h"
#include "runtime/real/net_fixture.h"

#define LINK_MESSAGES 100000u

typedef struct link_host {
    host host;
    rt_link *link;
    rt_timer *again;
    uint32_t to_send;
    uint32_t next_out;
    uint32_t next_in;
    rt_err last_err;
    atomic_uint ups;
    atomic_uint downs;
    atomic_uint parcels;
    atomic_uint full;
} link_host;

static void
pump(void *user)
{
    link_host *l = user;

    while (l->next_out < l->to_send) {
        rt_err err = rt_link_send(l->link, (rt_bytes){(const uint8_t *)&l->next_out, 4});

        if (err != RT_OK) {
            assert_int_equal(err, RT_EFULL);
            atomic_fetch_add(&l->full, 1);
            rt_timer_start(l->again, 1, 0);
            return;
        }
        l->next_out++;
    }
}

static void
on_link_up(void *user)
{
    link_host *l = user;

    atomic_fetch_add(&l->ups, 1);
    pump(l);
}

static void
on_link_down(void *user)
{
    link_host *l = user;

    l->last_err = rt_link_send(l->link, (rt_bytes){(const uint8_t *)"x", 1});
    atomic_fetch_add(&l->downs, 1);
}

static void
on_link_parcel(void *user, rt_parcel *parcel, rt_bytes body)
{
    link_host *l = user;

    assert_true(atomic_load(&l->ups) > atomic_load(&l->downs));
    assert_int_equal(body.len, sizeof(uint32_t));
    assert_int_equal(memcmp(body.ptr, &l->next_in, sizeof(uint32_t)), 0);
    l->next_in++;
    rt_parcel_free(parcel);
    atomic_fetch_add(&l->parcels, 1);
}

static link_host *
link_new(uint32_t to_send)
{
    link_host *l = rt_new(link_host);

    host_init(&l->host);
    l->again = rt_timer_new(l->host.loop, pump, l);
    l->to_send = to_send;
    return l;
}

static rt_link_events
link_events(link_host *l)
{
    return (rt_link_events){on_link_parcel, on_link_up, on_link_down, l};
}

static void
order_is_kept(const char *url)
{
    link_host *a = link_new(LINK_MESSAGES);
    link_host *b = link_new(LINK_MESSAGES / 10); // the other way at the same time

    CHECK_OK(rt_link_dial(a->host.loop, url, limits, link_events(a), &a->link));
    CHECK_OK(rt_link_listen(b->host.loop, url, limits, link_events(b), &b->link));
    host_start(&a->host);
    host_start(&b->host);

    wait_until(&b->parcels, LINK_MESSAGES);
    wait_until(&a->parcels, LINK_MESSAGES / 10);

    CHECK_INT(atomic_load(&a->ups), 1);
    CHECK_INT(atomic_load(&a->downs), 0);
    CHECK_U64(rt_link_stats(a->link).messages_out, LINK_MESSAGES);
    CHECK_U64(rt_link_stats(b->link).messages_in, LINK_MESSAGES);
    CHECK_U64(rt_link_stats(b->link).messages_dropped, 0);
    host_stop(&a->host);
    host_stop(&b->host);
}

static void
test_link_keeps_order_between_two_loops(void **state)
{
    (void)state;
    order_is_kept("inproc://order");
}

static void
test_link_keeps_order_over_tcp_dialled_before_it_listens(void **state)
{
    char url[URL_MAX];

    (void)state;
    (void)tcp_url(url);
    order_is_kept(url);
}

// What a peer says to be a PAIR0 socket over tcp, and one message with the number 0.
static const uint8_t pair_hello[8] = {0, 'S', 'P', 0, 0, 0x10, 0, 0};
static const uint8_t number_zero[12] = {0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 0};

static int
pair_connect(uint16_t port)
{
    int fd = tcp_connect(port);

    assert_int_equal(send(fd, pair_hello, sizeof(pair_hello), MSG_NOSIGNAL), sizeof(pair_hello));
    return fd;
}

static void
test_link_tells_up_and_down_of_a_peer(void **state)
{
    link_host *l = link_new(0);
    char url[URL_MAX];
    uint16_t port = tcp_url(url);
    int fd = -1;

    (void)state;
    CHECK_OK(rt_link_listen(l->host.loop, url, limits, link_events(l), &l->link));
    CHECK_ERR(rt_link_send(l->link, (rt_bytes){(const uint8_t *)"x", 1}), RT_ECLOSED);
    host_start(&l->host);

    for (unsigned i = 1; i <= 3; i++) {
        fd = pair_connect(port);
        wait_until(&l->ups, i);
        assert_int_equal(send(fd, number_zero, sizeof(number_zero), MSG_NOSIGNAL), 12);
        wait_until(&l->parcels, i);
        l->next_in = 0; // the loop sleeps until the close below
        assert_int_equal(close(fd), 0);
        wait_until(&l->downs, i);
    }

    CHECK_INT(l->last_err, RT_ECLOSED);
    CHECK_INT(atomic_load(&l->ups), 3);
    host_stop(&l->host);
}

static void
test_link_refuses_a_second_peer(void **state)
{
    link_host *l = link_new(0);
    char url[URL_MAX];
    uint16_t port = tcp_url(url);
    int first = -1;
    int second = -1;
    uint8_t buf[8];

    (void)state;
    CHECK_OK(rt_link_listen(l->host.loop, url, limits, link_events(l), &l->link));
    host_start(&l->host);
    first = pair_connect(port);
    wait_until(&l->ups, 1);

    second = pair_connect(port);
    assert_int_equal(recv(second, buf, sizeof(buf), MSG_WAITALL), sizeof(buf)); // its hello
    assert_true(recv(second, buf, 1, 0) <= 0);                                  // and its goodbye

    assert_int_equal(send(first, number_zero, sizeof(number_zero), MSG_NOSIGNAL), 12);
    wait_until(&l->parcels, 1);
    CHECK_INT(atomic_load(&l->ups), 1);
    CHECK_INT(atomic_load(&l->downs), 0);
    (void)close(first);
    (void)close(second);
    host_stop(&l->host);
}

typedef struct flood {
    link_host link;
    rt_timer *tick;
    uint8_t *body;
    atomic_uint full;
    uint32_t queued;
} flood;

static void
flood_link(void *user)
{
    flood *f = user;
    rt_err err = RT_OK;

    while (err == RT_OK && f->queued < 100000) {
        err = rt_link_send(f->link.link, (rt_bytes){f->body, MESSAGE_BYTES_MAX});
        f->queued += err == RT_OK ? 1 : 0;
    }
    if (err == RT_EFULL) {
        atomic_fetch_add(&f->full, 1);
    }
    rt_timer_start(f->tick, 5, 0);
}

static void
on_flood_up(void *user)
{
    flood *f = user;

    atomic_fetch_add(&f->link.ups, 1);
    flood_link(f);
}

static void
on_flood_down(void *user)
{
    flood *f = user;

    rt_timer_stop(f->tick);
    atomic_fetch_add(&f->link.downs, 1);
}

static void
test_link_is_full_when_the_peer_does_not_read(void **state)
{
    flood *f = rt_new(flood);
    char url[URL_MAX];
    uint16_t port = tcp_url(url);
    int fd = -1;

    (void)state;
    host_init(&f->link.host);
    f->tick = rt_timer_new(f->link.host.loop, flood_link, f);
    f->body = rt_alloc(MESSAGE_BYTES_MAX);
    CHECK_OK(rt_link_listen(f->link.host.loop, url, limits,
                            (rt_link_events){on_link_parcel, on_flood_up, on_flood_down, f},
                            &f->link.link));
    host_start(&f->link.host);
    fd = pair_connect(port);
    wait_until(&f->full, 20); // still full after 100 ms

    assert_int_equal(close(fd), 0);
    wait_until(&f->link.downs, 1);

    CHECK_TRUE(f->queued < 100000);
    CHECK_TRUE(rt_link_stats(f->link.link).messages_dropped >= limits.inflight_max);
    host_stop(&f->link.host);
}

static void
test_link_refuses_to_send_an_oversize_message(void **state)
{
    link_host *l = link_new(0);
    uint8_t *big = rt_alloc(MESSAGE_BYTES_MAX + 1);
    char url[URL_MAX];
    uint16_t port = tcp_url(url);
    int fd = -1;

    (void)state;
    CHECK_OK(rt_link_listen(l->host.loop, url, limits, link_events(l), &l->link));
    host_start(&l->host);
    fd = pair_connect(port);
    wait_until(&l->ups, 1);
    rt_wake_send(l->host.stop);
    rt_thread_join(l->host.thread); // from here on this thread is the loop's

    CHECK_ERR(rt_link_send(l->link, (rt_bytes){big, MESSAGE_BYTES_MAX + 1}), RT_ELIMIT);

    rt_loop_free(l->host.loop);
    (void)close(fd);
    rt_free(big);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_link_keeps_order_between_two_loops),
        cmocka_unit_test(test_link_keeps_order_over_tcp_dialled_before_it_listens),
        cmocka_unit_test(test_link_tells_up_and_down_of_a_peer),
        cmocka_unit_test(test_link_refuses_a_second_peer),
        cmocka_unit_test(test_link_is_full_when_the_peer_does_not_read),
        cmocka_unit_test(test_link_refuses_to_send_an_oversize_message),
    };

    exit_after_tests(CHECK_RUN(tests));
}
