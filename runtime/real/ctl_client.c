// Design notes. The blocking side of the control socket, for tools: a plain non-blocking Unix
// socket and poll with a deadline per frame. No loop, no thread.

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "runtime/base/alloc.h"
#include "runtime/base/check.h"
#include "runtime/seam/clock.h"
#include "runtime/seam/net.h"

#define CLIENT_MAGIC 0x4354434cu
#define HEADER_LEN 4u
#define FRAME_BYTES_MAX ((size_t)64 * 1024 * 1024)
#define BACKLOG_RETRY_MS 10

struct rt_ctl_client {
    uint32_t magic;
    int fd;
    int64_t timeout_ms;
};

static int64_t
deadline_us(const rt_ctl_client *client)
{
    return rt_clock_mono_us() + client->timeout_ms * 1000;
}

static rt_err
wait_for(int fd, short events, int64_t until_us)
{
    for (;;) {
        struct pollfd polled = {.fd = fd, .events = events};
        int64_t left_ms = (until_us - rt_clock_mono_us() + 999) / 1000;
        int rc = 0;

        if (left_ms <= 0) {
            return rt_fail(RT_ETIMEOUT, "control socket did not answer in time");
        }
        rc = poll(&polled, 1, (int)RT_MIN(left_ms, (int64_t)INT32_MAX));
        if (rc > 0) {
            return RT_OK;
        }
        if (rc < 0 && errno != EINTR) {
            return rt_fail(RT_EIO, "poll: %s", strerror(errno));
        }
    }
}

static rt_err
connect_err(const char *path, int code)
{
    rt_err err = RT_EIO;

    if (code == ENOENT || code == ECONNREFUSED || code == ENOTDIR) {
        err = RT_EUNREACH;
    } else if (code == EACCES || code == EPERM) {
        err = RT_EDENIED;
    } else if (code == EAGAIN) {
        err = RT_ETIMEOUT;
    }
    return rt_fail(err, "%s: %s", path, strerror(code));
}

// connect_until tries again while the server's backlog is full (EAGAIN on a Unix socket).
static rt_err
connect_until(int fd, const char *path, int64_t until_us)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};

    memcpy(addr.sun_path, path, strlen(path));
    while (connect(fd, (const struct sockaddr *)&addr, sizeof(addr)) != 0) {
        int code = errno;

        if ((code != EAGAIN && code != EINTR) || rt_clock_mono_us() >= until_us) {
            return connect_err(path, code);
        }
        (void)poll(NULL, 0, BACKLOG_RETRY_MS); // only a pause
    }
    return RT_OK;
}

rt_err
rt_ctl_dial(const char *path, int64_t timeout_ms, rt_ctl_client **ret_client)
{
    rt_ctl_client *client = NULL;
    rt_err err = RT_OK;
    int fd = -1;

    RT_ASSERT(timeout_ms > 0);
    if (strlen(path) == 0 || strlen(path) >= sizeof(((struct sockaddr_un *)NULL)->sun_path)) {
        return rt_fail(RT_EINVAL, "not a socket path: %s", path);
    }
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        return rt_fail(RT_EIO, "socket: %s", strerror(errno));
    }
    err = connect_until(fd, path, rt_clock_mono_us() + timeout_ms * 1000);
    if (err != RT_OK) {
        (void)close(fd); // nothing was written
        return err;
    }
    client = rt_new(rt_ctl_client);
    client->magic = CLIENT_MAGIC;
    client->fd = fd;
    client->timeout_ms = timeout_ms;
    *ret_client = client;
    return RT_OK;
}

static rt_err
send_all(rt_ctl_client *client, const uint8_t *at, size_t len, int64_t until_us)
{
    while (len > 0) {
        ssize_t put = send(client->fd, at, len, MSG_NOSIGNAL);

        if (put > 0) {
            at += put;
            len -= (size_t)put;
        } else if (put < 0 && errno == EAGAIN) {
            rt_err err = wait_for(client->fd, POLLOUT, until_us);

            if (err != RT_OK) {
                return err;
            }
        } else if (put < 0 && errno != EINTR) {
            return rt_fail(RT_ECLOSED, "control socket: %s", strerror(errno));
        }
    }
    return RT_OK;
}

rt_err
rt_ctl_send(rt_ctl_client *client, rt_bytes body)
{
    uint8_t header[HEADER_LEN] = {(uint8_t)(body.len >> 24), (uint8_t)(body.len >> 16),
                                  (uint8_t)(body.len >> 8), (uint8_t)body.len};
    int64_t until_us = 0;
    rt_err err = RT_OK;

    RT_CHECK(client, CLIENT_MAGIC);
    if (body.len > FRAME_BYTES_MAX) {
        return rt_fail(RT_ELIMIT, "frame of %zu bytes", body.len);
    }
    until_us = deadline_us(client);
    err = send_all(client, header, sizeof(header), until_us);
    return err == RT_OK ? send_all(client, body.ptr, body.len, until_us) : err;
}

static rt_err
recv_all(rt_ctl_client *client, uint8_t *at, size_t len, int64_t until_us)
{
    while (len > 0) {
        ssize_t got = recv(client->fd, at, len, 0);

        if (got > 0) {
            at += got;
            len -= (size_t)got;
        } else if (got == 0) {
            return rt_fail(RT_ECLOSED, "control socket: the daemon hung up");
        } else if (errno == EAGAIN) {
            rt_err err = wait_for(client->fd, POLLIN, until_us);

            if (err != RT_OK) {
                return err;
            }
        } else if (errno != EINTR) {
            return rt_fail(RT_ECLOSED, "control socket: %s", strerror(errno));
        }
    }
    return RT_OK;
}

rt_err
rt_ctl_recv(rt_ctl_client *client, rt_arena *arena, rt_bytes *ret_body)
{
    uint8_t header[HEADER_LEN] = {0};
    int64_t until_us = 0;
    uint8_t *body = NULL;
    size_t len = 0;
    rt_err err = RT_OK;

    RT_CHECK(client, CLIENT_MAGIC);
    until_us = deadline_us(client);
    err = recv_all(client, header, sizeof(header), until_us);
    if (err != RT_OK) {
        return err;
    }
    len = (size_t)header[0] << 24 | (size_t)header[1] << 16 | (size_t)header[2] << 8 | header[3];
    if (len > FRAME_BYTES_MAX) {
        return rt_fail(RT_EPROTO, "frame of %zu bytes", len);
    }
    body = len > 0 ? rt_arena_alloc(arena, len) : NULL;
    if (len > 0 && body == NULL) {
        return rt_fail(RT_ENOMEM, "frame of %zu bytes does not fit", len);
    }
    err = recv_all(client, body, len, until_us);
    if (err == RT_OK) {
        *ret_body = (rt_bytes){body, len};
    }
    return err;
}

void
rt_ctl_hangup(rt_ctl_client *client)
{
    RT_CHECK(client, CLIENT_MAGIC);
    (void)close(client->fd); // nothing to lose: frames are answered or not
    client->magic = 0;
    rt_free(client);
}
