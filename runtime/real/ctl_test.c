// Tests of the control socket: frames, credentials, stale and live socket files, bad clients.

#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "runtime/base/alloc.h"
#include "runtime/base/arena.h"
#include "runtime/base/log.h"
#include "runtime/seam/clock.h"
#include "runtime/seam/net.h"
#include "tests/harness/check.h"

#define FRAME_BYTES_MAX 65536u
#define TIMEOUT_MS 5000
#define PATH_LEN 108
#define GIVE_UP_MS 10000

static const rt_net_limits limits = {FRAME_BYTES_MAX, 4, 1};

// A server on its own thread. Requests: "echo ..." is echoed, "three" gives three frames, "keep" is
// answered by the next wake, "flood" gives frames until the peer is gone.
typedef struct server {
    rt_loop *loop;
    rt_ctl *ctl;
    rt_wake *stop;
    rt_wake *let_go;
    rt_thread *thread;
    rt_ctl_call *kept;
    uint32_t uid;
    char dir[PATH_LEN];
    char path[PATH_LEN];
    uint8_t *flood;
    atomic_uint calls;
    atomic_uint flooded;
} server;

static void
answer(rt_ctl_call *call, const char *text, bool last)
{
    rt_ctl_answer(call, rt_bytes_of_str(rt_str_of(text)), last);
}

static void
flood(server *s, rt_ctl_call *call)
{
    while (rt_ctl_alive(call)) {
        rt_ctl_answer(call, (rt_bytes){s->flood, FRAME_BYTES_MAX}, false);
        atomic_fetch_add(&s->flooded, 1);
    }
    answer(call, "", true);
}

static void
on_call(void *user, rt_ctl_call *call, uint32_t uid, rt_bytes body)
{
    server *s = user;
    rt_str text = rt_str_of_bytes(body);

    s->uid = uid;
    if (rt_str_is(text, "three")) {
        answer(call, "one", false);
        answer(call, "two", false);
        answer(call, "", true);
    } else if (rt_str_is(text, "keep")) {
        s->kept = call;
    } else if (rt_str_is(text, "flood")) {
        flood(s, call);
    } else {
        rt_ctl_answer(call, body, true);
    }
    atomic_fetch_add(&s->calls, 1);
}

static void
on_stop(void *user)
{
    server *s = user;

    rt_loop_stop(s->loop);
}

static void
on_let_go(void *user)
{
    server *s = user;

    answer(s->kept, "kept", true);
    s->kept = NULL;
}

static void
run_server(void *user)
{
    server *s = user;

    rt_loop_run(s->loop);
}

static void
server_listen(server *s)
{
    s->loop = rt_loop_new();
    s->stop = rt_wake_new(s->loop, on_stop, s);
    s->let_go = rt_wake_new(s->loop, on_let_go, s);
    CHECK_OK(rt_ctl_listen(s->loop, s->path, limits, on_call, s, &s->ctl));
    s->thread = rt_thread_start("ctl", run_server, s);
}

static void
server_stop(server *s)
{
    rt_wake_send(s->stop);
    rt_thread_join(s->thread);
    rt_loop_free(s->loop);
}

static int
setup(void **state)
{
    server *s = rt_new(server);

    s->flood = rt_alloc(FRAME_BYTES_MAX);
    (void)snprintf(s->dir, sizeof(s->dir), "/tmp/cerebro-ctl-XXXXXX");
    assert_non_null(mkdtemp(s->dir));
    (void)snprintf(s->path, sizeof(s->path), "%.60s/run/ctl.sock", s->dir);
    server_listen(s);
    *state = s;
    return 0;
}

static int
teardown(void **state)
{
    server *s = *state;
    char run[PATH_LEN];

    server_stop(s);
    assert_int_equal(access(s->path, F_OK), -1); // the socket file goes with its server
    (void)snprintf(run, sizeof(run), "%.60s/run", s->dir);
    assert_int_equal(rmdir(run), 0);
    assert_int_equal(rmdir(s->dir), 0);
    rt_free(s->flood);
    rt_free(s);
    return 0;
}

static rt_ctl_client *
dial(const server *s)
{
    rt_ctl_client *client = NULL;

    CHECK_OK(rt_ctl_dial(s->path, TIMEOUT_MS, &client));
    return client;
}

static void
check_answer(rt_ctl_client *client, const char *want)
{
    rt_arena *arena = rt_arena_new(FRAME_BYTES_MAX);
    rt_bytes got = {0};

    CHECK_OK(rt_ctl_recv(client, arena, &got));
    CHECK_STR(rt_str_of_bytes(got), want);
    rt_arena_free(arena);
}

static void
ask(rt_ctl_client *client, const char *text)
{
    CHECK_OK(rt_ctl_send(client, rt_bytes_of_str(rt_str_of(text))));
}

static int
raw_connect(const char *path)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    memcpy(addr.sun_path, path, strlen(path));
    assert_int_equal(connect(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
    return fd;
}

static void
wait_until(atomic_uint *counter, unsigned want)
{
    int64_t began_us = rt_clock_mono_us();

    while (atomic_load(counter) < want) {
        assert_true(rt_clock_mono_us() - began_us < GIVE_UP_MS * INT64_C(1000));
        (void)poll(NULL, 0, 1);
    }
}

static void
test_call_is_answered_with_the_peers_uid(void **state)
{
    server *s = *state;
    rt_ctl_client *client = dial(s);
    struct stat st = {0};

    ask(client, "hello");
    check_answer(client, "hello");
    ask(client, "");
    check_answer(client, "");

    CHECK_U64(s->uid, getuid());
    assert_int_equal(stat(s->path, &st), 0);
    CHECK_INT(st.st_mode & 0777, 0600);
    rt_ctl_hangup(client);
}

static void
test_several_frames_answer_one_call(void **state)
{
    server *s = *state;
    rt_ctl_client *client = dial(s);

    ask(client, "three");
    ask(client, "sent ahead"); // waits in the socket until the first call is over
    check_answer(client, "one");
    check_answer(client, "two");
    check_answer(client, "");
    check_answer(client, "sent ahead");
    rt_ctl_hangup(client);
}

static void
test_frame_in_single_bytes_is_put_together(void **state)
{
    server *s = *state;
    const uint8_t frame[] = {0, 0, 0, 2, 'o', 'k'};
    uint8_t got[sizeof(frame)] = {0};
    int fd = raw_connect(s->path);

    for (size_t i = 0; i < sizeof(frame); i++) {
        assert_int_equal(send(fd, frame + i, 1, MSG_NOSIGNAL), 1);
        (void)poll(NULL, 0, 2);
    }

    assert_int_equal(recv(fd, got, sizeof(got), MSG_WAITALL), sizeof(got));
    CHECK_TRUE(memcmp(got, frame, sizeof(frame)) == 0);
    (void)close(fd);
}

static void
test_frame_over_the_limit_closes_the_connection(void **state)
{
    server *s = *state;
    const uint8_t header[] = {0xff, 0xff, 0xff, 0xff};
    uint8_t byte = 0;
    int fd = raw_connect(s->path);

    assert_int_equal(send(fd, header, sizeof(header), MSG_NOSIGNAL), 4);

    assert_int_equal(recv(fd, &byte, 1, 0), 0);
    CHECK_INT(atomic_load(&s->calls), 0);
    (void)close(fd);
}

static void
test_connections_over_the_limit_are_closed(void **state)
{
    server *s = *state;
    rt_ctl_client *clients[4] = {0};
    rt_arena *arena = rt_arena_new(1024);
    rt_bytes got = {0};
    rt_ctl_client *fifth = NULL;

    for (int i = 0; i < 4; i++) {
        clients[i] = dial(s);
        ask(clients[i], "here");
        check_answer(clients[i], "here");
    }
    fifth = dial(s); // the kernel connects it, the server closes it
    CHECK_ERR(rt_ctl_recv(fifth, arena, &got), RT_ECLOSED);

    rt_ctl_hangup(fifth);
    rt_ctl_hangup(clients[0]);
    (void)poll(NULL, 0, 50);
    fifth = dial(s);
    ask(fifth, "room again");
    check_answer(fifth, "room again");
    rt_ctl_hangup(fifth);
    for (int i = 1; i < 4; i++) {
        rt_ctl_hangup(clients[i]);
    }
    rt_arena_free(arena);
}

static void
test_client_that_hangs_up_during_its_call_does_no_harm(void **state)
{
    server *s = *state;
    rt_ctl_client *client = dial(s);

    ask(client, "keep");
    wait_until(&s->calls, 1);
    rt_ctl_hangup(client);
    rt_wake_send(s->let_go);

    client = dial(s);
    ask(client, "still there");
    check_answer(client, "still there");
    rt_ctl_hangup(client);
}

static void
test_client_that_does_not_read_is_closed(void **state)
{
    server *s = *state;
    rt_ctl_client *client = dial(s);

    ask(client, "flood");
    wait_until(&s->calls, 1);

    CHECK_TRUE(atomic_load(&s->flooded) < 64); // 4 MiB at most, whatever the kernel buffers
    rt_ctl_hangup(client);
}

static void
test_live_server_is_busy_and_a_stale_file_is_replaced(void **state)
{
    server *s = *state;
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    rt_loop *loop = rt_loop_new();
    rt_ctl *second = NULL;
    char stale[PATH_LEN];
    int fd = -1;

    CHECK_ERR(rt_ctl_listen(loop, s->path, limits, on_call, s, &second), RT_EBUSY);

    (void)snprintf(stale, sizeof(stale), "%.60s/stale.sock", s->dir);
    memcpy(addr.sun_path, stale, strlen(stale));
    fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
    assert_int_equal(close(fd), 0); // as after a crash: the file stays, nobody listens
    CHECK_OK(rt_ctl_listen(loop, stale, limits, on_call, s, &second));

    rt_ctl_close(second);
    rt_loop_free(loop);
    assert_int_equal(access(stale, F_OK), -1);
}

static unsigned
mode_of(const char *path, unsigned *ret_gid)
{
    struct stat st = {0};

    assert_int_equal(stat(path, &st), 0);
    *ret_gid = st.st_gid;
    return st.st_mode & 07777;
}

// Only root may give a file to any group; others have one of their own.
static void
test_group_that_is_admitted_and_nobody_else(void **state)
{
    server *s = *state;
    rt_loop *loop = rt_loop_new();
    rt_ctl *ctl = NULL;
    char dir[PATH_LEN];
    char path[PATH_LEN];
    unsigned gid = getuid() == 0 ? 4712 : getgid();
    unsigned got = 0;

    (void)snprintf(dir, sizeof(dir), "%.60s/door", s->dir);
    (void)snprintf(path, sizeof(path), "%.70s/ctl.sock", dir);
    CHECK_OK(rt_ctl_listen(loop, path, limits, on_call, s, &ctl));
    CHECK_INT(mode_of(path, &got), 0600);
    CHECK_INT(mode_of(dir, &got), 0700);

    CHECK_OK(rt_ctl_admit(ctl, gid));
    CHECK_INT(mode_of(path, &got), 0660);
    CHECK_U64(got, gid);
    CHECK_INT(mode_of(dir, &got), 0710);
    CHECK_U64(got, gid);
    rt_ctl_close(ctl);

    // the directory is there now: it is not changed any more
    CHECK_OK(rt_ctl_listen(loop, path, limits, on_call, s, &ctl));
    CHECK_OK(rt_ctl_admit(ctl, gid));
    rt_ctl_close(ctl);
    assert_int_equal(chmod(dir, 0700), 0);
    CHECK_OK(rt_ctl_listen(loop, path, limits, on_call, s, &ctl));
    CHECK_ERR(rt_ctl_admit(ctl, gid), RT_EIO);
    CHECK_INT(mode_of(dir, &got), 0700);
    CHECK_INT(mode_of(path, &got), 0600);
    rt_ctl_close(ctl);
    rt_loop_free(loop);
    assert_int_equal(rmdir(dir), 0);
}

static void
test_path_that_is_no_socket_is_left_alone(void **state)
{
    server *s = *state;
    rt_loop *loop = rt_loop_new();
    rt_ctl *second = NULL;
    char path[PATH_LEN];
    char too_long[200];
    FILE *file = NULL;

    (void)snprintf(path, sizeof(path), "%.60s/notes.txt", s->dir);
    file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fclose(file), 0);
    memset(too_long, 'a', sizeof(too_long));
    too_long[sizeof(too_long) - 1] = '\0';

    CHECK_ERR(rt_ctl_listen(loop, path, limits, on_call, s, &second), RT_EIO);
    CHECK_ERR(rt_ctl_listen(loop, too_long, limits, on_call, s, &second), RT_EINVAL);

    assert_int_equal(unlink(path), 0); // it is still there
    rt_loop_free(loop);
}

static void
test_dial_without_a_server_is_unreachable(void **state)
{
    rt_ctl_client *client = NULL;

    (void)state;
    CHECK_ERR(rt_ctl_dial("/tmp/cerebro-nobody/ctl.sock", TIMEOUT_MS, &client), RT_EUNREACH);
}

static void
test_answer_that_does_not_come_times_out(void **state)
{
    server *s = *state;
    rt_arena *arena = rt_arena_new(1024);
    rt_ctl_client *client = NULL;
    rt_bytes got = {0};

    CHECK_OK(rt_ctl_dial(s->path, 50, &client));
    ask(client, "keep");

    CHECK_ERR(rt_ctl_recv(client, arena, &got), RT_ETIMEOUT);

    wait_until(&s->calls, 1);
    rt_wake_send(s->let_go);
    rt_ctl_hangup(client);
    rt_arena_free(arena);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_call_is_answered_with_the_peers_uid, setup, teardown),
        cmocka_unit_test_setup_teardown(test_several_frames_answer_one_call, setup, teardown),
        cmocka_unit_test_setup_teardown(test_frame_in_single_bytes_is_put_together, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_frame_over_the_limit_closes_the_connection, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_connections_over_the_limit_are_closed, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_client_that_hangs_up_during_its_call_does_no_harm,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(test_client_that_does_not_read_is_closed, setup, teardown),
        cmocka_unit_test_setup_teardown(test_live_server_is_busy_and_a_stale_file_is_replaced,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(test_group_that_is_admitted_and_nobody_else, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_path_that_is_no_socket_is_left_alone, setup,
                                        teardown),
        cmocka_unit_test(test_dial_without_a_server_is_unreachable),
        cmocka_unit_test_setup_teardown(test_answer_that_does_not_come_times_out, setup, teardown),
    };

    rt_log_set_level(RT_LOG_ERROR); // bad clients are warned about
    return CHECK_RUN(tests);
}
