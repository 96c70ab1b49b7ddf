// Tests of the thread of the sockets: ends that are woken take turns, patience with peers.

#include "runtime/base/alloc.h"
#include "runtime/real/net_fixture.h"
#include "runtime/real/sp.h"

typedef struct end {
    rt__sp *sp;
    uint64_t fresh[2]; // connections that get a message
    uint32_t fresh_count;
    bool restless; // wakes itself again and again
    atomic_uint wakes;
    atomic_bool enough;
} end;

static bool
on_open(void *user, rt__sp_conn *conn)
{
    (void)user;
    (void)conn;
    return true;
}

static bool
on_message(void *user, rt__sp_conn *conn, rt__msg *msg)
{
    (void)user;
    (void)conn;
    rt_free(msg);
    return true;
}

static void
on_close(void *user, rt__sp_conn *conn, uint32_t unsent)
{
    (void)user;
    (void)conn;
    (void)unsent;
}

static void
on_end_wake(void *user)
{
    end *e = user;

    atomic_fetch_add(&e->wakes, 1);
    if (e->restless && !atomic_load(&e->enough)) {
        rt__sp_wake(e->sp);
    }
}

static const rt__sp_ops ops = {.self = RT__SP_PULL,
                               .peer = RT__SP_PUSH,
                               .on_open = on_open,
                               .on_message = on_message,
                               .on_close = on_close,
                               .on_wake = on_end_wake};

static end *
listen_end(bool restless)
{
    end *e = rt_new(end);
    char url[URL_MAX];

    keep(e);
    e->restless = restless;
    (void)tcp_url(url);
    CHECK_OK(rt__sp_listen(url, limits, &ops, e, &e->sp));
    return e;
}

// A busy door wakes its end while that is being served; the other doors have answers to send, too.
static void
test_sp_end_that_is_always_woken_leaves_turns_to_others(void **state)
{
    end *quiet = listen_end(false);
    end *busy = listen_end(true);

    (void)state;
    rt__sp_wake(busy->sp);
    wait_until(&busy->wakes, 1000);

    for (unsigned turn = 1; turn <= 100; turn++) {
        rt__sp_wake(quiet->sp);
        wait_until(&quiet->wakes, turn);
    }

    atomic_store(&busy->enough, true);
}

#define LONG_BYTES (32u * 1024 * 1024) // more than the buffers on the way

static bool
on_fresh(void *user, rt__sp_conn *conn)
{
    end *e = user;

    e->fresh[e->fresh_count] = rt__sp_id(conn);
    e->fresh_count++;
    rt__sp_wake(e->sp);
    return true;
}

// Sends one long message to whoever has come.
static void
on_fresh_wake(void *user)
{
    end *e = user;

    while (e->fresh_count > 0) {
        rt__sp_buf *buf = rt__sp_buf_new(LONG_BYTES);

        e->fresh_count--;
        memset(rt__sp_buf_body(buf), 'x', LONG_BYTES);
        (void)rt__sp_send(rt__sp_find(e->sp, e->fresh[e->fresh_count]), buf); // gives up none
    }
}

static const rt__sp_ops impatient_ops = {.self = RT__SP_PUSH,
                                         .peer = RT__SP_PULL,
                                         .on_open = on_fresh,
                                         .on_message = on_message,
                                         .on_close = on_close,
                                         .on_wake = on_fresh_wake,
                                         .patience_ms = 1000};

static int
pull_connect(uint16_t port)
{
    static const uint8_t pull_hello[8] = {0, 'S', 'P', 0, 0, 0x51, 0, 0};
    int fd = tcp_connect(port);

    assert_int_equal(send(fd, pull_hello, sizeof(pull_hello), MSG_NOSIGNAL), sizeof(pull_hello));
    return fd;
}

// Reads until the end, or until the whole message is there, with a pause after each part.
static size_t
read_slowly(int fd, uint8_t *part, size_t part_len, int pause_ms)
{
    size_t got = 0;
    ssize_t now = 1;

    while (now > 0 && got < LONG_BYTES + 16) {
        now = recv(fd, part, RT_MIN(part_len, LONG_BYTES + 16 - got), MSG_WAITALL);
        got += now > 0 ? (size_t)now : 0;
        (void)poll(NULL, 0, pause_ms);
    }
    return got;
}

static void
test_sp_peer_that_reads_slowly_is_no_peer_that_reads_nothing(void **state)
{
    uint8_t *part = rt_alloc(512 * 1024);
    rt_net_stats stats = {0};
    end *e = rt_new(end);
    char url[URL_MAX];
    uint16_t port = tcp_url(url);
    int slow = -1;
    int silent = -1;

    (void)state;
    keep(e);
    CHECK_OK(rt__sp_listen(url, limits, &impatient_ops, e, &e->sp));
    slow = pull_connect(port);
    silent = pull_connect(port);

    CHECK_U64(read_slowly(slow, part, 512 * 1024, 60), LONG_BYTES + 16);

    rt__sp_stats(e->sp, &stats);
    CHECK_U64(stats.peers_slow, 1);
    CHECK_TRUE(read_slowly(silent, part, 512 * 1024, 0) < LONG_BYTES);
    (void)close(slow);
    (void)close(silent);
    rt_free(part);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sp_end_that_is_always_woken_leaves_turns_to_others),
        cmocka_unit_test(test_sp_peer_that_reads_slowly_is_no_peer_that_reads_nothing),
    };

    exit_after_tests(CHECK_RUN(tests));
}
