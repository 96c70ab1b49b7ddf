// Design notes. The control socket: a libuv pipe server (nng's ipc:// listener dies after one
// dropped handshake, pitfall of 1.5.2), one call at a time per connection.
//
//   READING a frame (length, then body) --whole--> CALLED (reading stopped)
//       ^---------------------- last answer ----------------------|
//
// Buffers are handed to libuv with exactly the missing length, so nothing after the frame is ever
// read: a client that sends ahead waits in its own socket. A client that does not read its answers
// is closed when WRITE_QUEUE_FRAMES full frames wait for it. A connection whose peer is gone while
// a call is out stays in memory until the last answer, so a call handle never dangles.
//
// libuv 1.44 cuts a path that is too long for sun_path without a word, hence the check here; it
// unlinks the socket file itself when the listening pipe is closed.

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <uv.h>

#include "runtime/base/alloc.h"
#include "runtime/base/check.h"
#include "runtime/base/log.h"
#include "runtime/real/internal.h"
#include "runtime/seam/net.h"

#define CTL_MAGIC 0x43544c20u
#define CALL_MAGIC 0x43414c4cu
#define HEADER_LEN 4u
#define BACKLOG 16
#define WRITE_QUEUE_FRAMES 4u

typedef struct ctl_conn ctl_conn;

struct rt_ctl_call {
    uint32_t magic;
    ctl_conn *conn;
    bool out; // handed to the user, last answer not yet given
};

struct ctl_conn {
    rt_ctl *ctl; // NULL once the server is closed
    ctl_conn *prev;
    ctl_conn *next;
    uv_pipe_t pipe;
    rt_ctl_call call;
    uint32_t uid;
    uint8_t header[HEADER_LEN];
    uint8_t *body;
    size_t body_len;
    size_t have; // of the header, then of the body
    bool closing;
    bool closed;
};

struct rt_ctl {
    uint32_t magic;
    rt__owned owned;
    uv_pipe_t listener;
    rt_net_limits limits;
    rt_on_ctl on_call;
    void *user;
    char path[sizeof(((struct sockaddr_un *)NULL)->sun_path)];
    bool made_directory;
    ctl_conn *conns;
    uint32_t conn_count;
    rt_net_stats stats; // without connections
};

typedef struct ctl_write {
    uv_write_t req;
    ctl_conn *conn;
    uint8_t frame[];
} ctl_write;

static void
release_conn(ctl_conn *conn)
{
    if (conn->closed && !conn->call.out) {
        conn->call.magic = 0;
        rt_free(conn->body);
        rt_free(conn);
    }
}

static void
on_conn_closed(uv_handle_t *handle)
{
    ctl_conn *conn = handle->data;

    conn->closed = true;
    release_conn(conn);
}

static void
close_conn(ctl_conn *conn)
{
    if (conn->closing) {
        return;
    }
    conn->closing = true;
    if (conn->ctl != NULL) {
        if (conn->prev != NULL) {
            conn->prev->next = conn->next;
        } else {
            conn->ctl->conns = conn->next;
        }
        if (conn->next != NULL) {
            conn->next->prev = conn->prev;
        }
        conn->ctl->conn_count--;
        conn->ctl = NULL;
    }
    uv_close((uv_handle_t *)&conn->pipe, on_conn_closed);
}

static uint32_t
frame_len(const uint8_t header[HEADER_LEN])
{
    return (uint32_t)header[0] << 24 | (uint32_t)header[1] << 16 | (uint32_t)header[2] << 8 |
           (uint32_t)header[3];
}

// on_alloc offers exactly what is missing; an empty buffer makes libuv report UV_ENOBUFS.
static void
on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    ctl_conn *conn = handle->data;
    bool in_body = conn->body != NULL;

    (void)suggested; // a guess of libuv's; the frame says what is needed
    buf->base = (char *)(in_body ? conn->body : conn->header) + conn->have;
    buf->len = (in_body ? conn->body_len : HEADER_LEN) - conn->have;
}

static void
hand_out(ctl_conn *conn)
{
    (void)uv_read_stop((uv_stream_t *)&conn->pipe); // always 0
    conn->have = 0;
    conn->ctl->stats.messages_in++;
    conn->call.out = true;
    conn->ctl->on_call(conn->ctl->user, &conn->call, conn->uid,
                       (rt_bytes){conn->body, conn->body_len});
}

static void
on_header(ctl_conn *conn)
{
    conn->have = 0;
    conn->body_len = frame_len(conn->header);
    if (conn->body_len > conn->ctl->limits.message_bytes_max) {
        conn->ctl->stats.messages_oversize++;
        rt_log_warn("ctl-frame-too-big", "uid=%u bytes=%zu max=%zu", conn->uid, conn->body_len,
                    conn->ctl->limits.message_bytes_max);
        close_conn(conn);
        return;
    }
    conn->body = rt_try_alloc(conn->body_len + 1); // never of size 0
    if (conn->body == NULL) {
        close_conn(conn);
        return;
    }
    if (conn->body_len == 0) {
        hand_out(conn);
    }
}

static void
on_read(uv_stream_t *stream, ssize_t got, const uv_buf_t *buf)
{
    ctl_conn *conn = stream->data;

    (void)buf; // points into conn
    if (conn->closing || got == 0) {
        return;
    }
    if (got < 0) {
        close_conn(conn); // the peer hung up
        return;
    }
    conn->have += (size_t)got;
    if (conn->body == NULL) {
        if (conn->have == HEADER_LEN) {
            on_header(conn);
        }
    } else if (conn->have == conn->body_len) {
        hand_out(conn);
    }
}

static void
read_next(ctl_conn *conn)
{
    rt_free(conn->body);
    conn->body = NULL;
    conn->have = 0;
    if (uv_read_start((uv_stream_t *)&conn->pipe, on_alloc, on_read) != 0) {
        close_conn(conn);
    }
}

static rt_err
peer_uid(uv_pipe_t *pipe, uint32_t *ret_uid)
{
    struct ucred cred = {0};
    socklen_t len = sizeof(cred);
    uv_os_fd_t fd = -1;

    if (uv_fileno((uv_handle_t *)pipe, &fd) != 0 ||
        getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) != 0) {
        return rt_fail(RT_EIO, "no credentials of the peer");
    }
    *ret_uid = cred.uid;
    return RT_OK;
}

static void
on_connection(uv_stream_t *listener, int status)
{
    rt_ctl *ctl = listener->data;
    ctl_conn *conn = NULL;
    int rc = 0;

    RT_CHECK(ctl, CTL_MAGIC);
    if (status < 0) {
        return; // out of descriptors: libuv goes on accepting when there are some
    }
    conn = rt_new(ctl_conn);
    conn->call.magic = CALL_MAGIC;
    conn->call.conn = conn;
    rc = uv_pipe_init(listener->loop, &conn->pipe, 0);
    RT__SURE(rc, UV_ENOMEM, "libuv");
    conn->pipe.data = conn;
    rc = uv_accept(listener, (uv_stream_t *)&conn->pipe);
    if (rc != 0 || ctl->conn_count >= ctl->limits.connections_max ||
        peer_uid(&conn->pipe, &conn->uid) != RT_OK) {
        ctl->stats.connections_refused++;
        close_conn(conn); // not yet in the list
        return;
    }
    conn->ctl = ctl;
    conn->next = ctl->conns;
    if (ctl->conns != NULL) {
        ctl->conns->prev = conn;
    }
    ctl->conns = conn;
    ctl->conn_count++;
    read_next(conn);
}

static void
on_written(uv_write_t *req, int status)
{
    ctl_write *write = req->data;
    ctl_conn *conn = write->conn;

    rt_free(write);
    if (status != 0 && status != UV_ECANCELED) {
        close_conn(conn);
    }
}

static void
send_frame(ctl_conn *conn, rt_bytes body)
{
    size_t queued = uv_stream_get_write_queue_size((uv_stream_t *)&conn->pipe);
    ctl_write *write = NULL;
    uv_buf_t buf = {0};

    if (queued > WRITE_QUEUE_FRAMES * conn->ctl->limits.message_bytes_max) {
        conn->ctl->stats.peers_slow++;
        rt_log_warn("ctl-client-too-slow", "uid=%u queued_bytes=%zu", conn->uid, queued);
        close_conn(conn);
        return;
    }
    write = rt_alloc(sizeof(*write) + HEADER_LEN + body.len);
    write->conn = conn;
    write->req.data = write;
    write->frame[0] = (uint8_t)(body.len >> 24);
    write->frame[1] = (uint8_t)(body.len >> 16);
    write->frame[2] = (uint8_t)(body.len >> 8);
    write->frame[3] = (uint8_t)body.len;
    if (body.len > 0) {
        memcpy(write->frame + HEADER_LEN, body.ptr, body.len);
    }
    buf = uv_buf_init((char *)write->frame, (unsigned)(HEADER_LEN + body.len));
    if (uv_write(&write->req, (uv_stream_t *)&conn->pipe, &buf, 1, on_written) != 0) {
        rt_free(write);
        close_conn(conn);
    }
}

void
rt_ctl_answer(rt_ctl_call *call, rt_bytes body, bool last)
{
    ctl_conn *conn = NULL;

    RT_CHECK(call, CALL_MAGIC);
    RT_ASSERT(call->out);
    conn = call->conn;
    if (!conn->closing) {
        RT_ASSERT(body.len <= conn->ctl->limits.message_bytes_max);
        send_frame(conn, body);
    }
    if (!last) {
        return;
    }
    call->out = false;
    if (conn->closing) {
        release_conn(conn);
    } else {
        read_next(conn);
    }
}

bool
rt_ctl_alive(const rt_ctl_call *call)
{
    RT_CHECK(call, CALL_MAGIC);
    return !call->conn->closing;
}

static void
fill_address(struct sockaddr_un *addr, const char *path)
{
    *addr = (struct sockaddr_un){.sun_family = AF_UNIX};
    memcpy(addr->sun_path, path, strlen(path)); // length checked by the callers
}

// probe_socket tells whether a live server answers at `path`, by connecting as a client would.
static rt_err
probe_socket(const char *path)
{
    struct sockaddr_un addr = {0};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int rc = 0;
    int code = 0;

    if (fd < 0) {
        return rt_fail(RT_EIO, "%s: %s", path, strerror(errno));
    }
    fill_address(&addr, path);
    rc = connect(fd, (const struct sockaddr *)&addr, sizeof(addr));
    code = errno;
    (void)close(fd); // nothing was written
    if (rc == 0 || code == EAGAIN) { // EAGAIN: its backlog is full
        return rt_fail(RT_EBUSY, "%s: another process listens there", path);
    }
    if (code == ECONNREFUSED) {
        return RT_OK;
    }
    return rt_fail(RT_EIO, "%s: %s", path, strerror(code));
}

// clear_path removes a socket file that a dead process left behind.
static rt_err
clear_path(const char *path)
{
    struct stat st = {0};
    rt_err err = RT_OK;

    if (lstat(path, &st) != 0) {
        return errno == ENOENT ? RT_OK : rt_fail(RT_EIO, "%s: %s", path, strerror(errno));
    }
    if (!S_ISSOCK(st.st_mode)) {
        return rt_fail(RT_EIO, "%s: exists and is not a socket", path);
    }
    err = probe_socket(path);
    if (err == RT_OK && unlink(path) != 0) {
        err = rt_fail(RT_EIO, "%s: %s", path, strerror(errno));
    }
    return err;
}

// The directory of a path; empty for the working directory and the root.
static void
directory_of(const char *path, char dir[sizeof(((struct sockaddr_un *)NULL)->sun_path)])
{
    const char *slash = strrchr(path, '/');
    size_t len = slash == NULL ? 0 : (size_t)(slash - path);

    memcpy(dir, path, len);
    dir[len] = '\0';
}

static rt_err
make_directory(const char *path, bool *ret_made)
{
    char dir[sizeof(((struct sockaddr_un *)NULL)->sun_path)];

    *ret_made = false;
    directory_of(path, dir);
    if (dir[0] == '\0') {
        return RT_OK;
    }
    *ret_made = mkdir(dir, S_IRWXU) == 0;
    if (!*ret_made && errno != EEXIST) {
        return rt_fail(RT_EIO, "%s: %s", dir, strerror(errno));
    }
    return RT_OK;
}

static rt_err
prepare_path(const char *path, bool *ret_made)
{
    rt_err err = RT_OK;

    if (strlen(path) == 0 || strlen(path) >= sizeof(((struct sockaddr_un *)NULL)->sun_path)) {
        return rt_fail(RT_EINVAL, "a socket path has 1 to %zu bytes: %s",
                       sizeof(((struct sockaddr_un *)NULL)->sun_path) - 1, path);
    }
    err = make_directory(path, ret_made);
    return err == RT_OK ? clear_path(path) : err;
}

static void
on_ctl_closed(uv_handle_t *handle)
{
    rt_ctl *ctl = handle->data;

    rt_free(ctl);
}

static void
ctl_fini(void *self)
{
    rt_ctl *ctl = self;

    RT_CHECK(ctl, CTL_MAGIC);
    ctl->magic = 0;
    while (ctl->conns != NULL) {
        close_conn(ctl->conns);
    }
    uv_close((uv_handle_t *)&ctl->listener, on_ctl_closed);
}

static rt_err
bind_socket(rt_ctl *ctl, const char *path)
{
    int rc = uv_pipe_bind(&ctl->listener, path);

    // Between bind and listen nobody can connect, so the mode is right before the first client.
    if (rc == 0 && chmod(path, S_IRUSR | S_IWUSR) != 0) {
        return rt_fail(RT_EIO, "%s: %s", path, strerror(errno));
    }
    if (rc == 0) {
        rc = uv_listen((uv_stream_t *)&ctl->listener, BACKLOG, on_connection);
    }
    if (rc == UV_EADDRINUSE) { // somebody was faster since clear_path
        return rt_fail(RT_EBUSY, "%s: %s", path, uv_strerror(rc));
    }
    return rc == 0 ? RT_OK : rt_fail(RT_EIO, "%s: %s", path, uv_strerror(rc));
}

rt_err
rt_ctl_listen(rt_loop *loop, const char *path, rt_net_limits limits, rt_on_ctl on_call, void *user,
              rt_ctl **ret_ctl)
{
    bool made_directory = false;
    rt_err err = prepare_path(path, &made_directory);
    rt_ctl *ctl = NULL;
    int rc = 0;

    RT_ASSERT(on_call != NULL);
    RT_ASSERT(limits.message_bytes_max > 0 && limits.message_bytes_max <= UINT32_MAX / 2);
    if (err != RT_OK) {
        return err;
    }
    ctl = rt_new(rt_ctl);
    ctl->magic = CTL_MAGIC;
    ctl->limits = limits;
    ctl->on_call = on_call;
    ctl->user = user;
    ctl->made_directory = made_directory;
    memcpy(ctl->path, path, strlen(path) + 1);
    rc = uv_pipe_init(rt__loop_uv(loop), &ctl->listener, 0);
    RT__SURE(rc, UV_ENOMEM, "libuv");
    ctl->listener.data = ctl;
    err = bind_socket(ctl, path);
    if (err != RT_OK) {
        ctl_fini(ctl);
        return err;
    }
    rt__loop_own(loop, &ctl->owned, ctl_fini, ctl);
    *ret_ctl = ctl;
    return RT_OK;
}

// A directory that was there before is somebody's own: it is looked at and not changed.
static rt_err
admit_to_directory(const rt_ctl *ctl, uint32_t gid)
{
    char dir[sizeof(ctl->path)];
    struct stat st = {0};
    bool passes = false;

    directory_of(ctl->path, dir);
    if (dir[0] == '\0') {
        return RT_OK;
    }
    if (ctl->made_directory) {
        return chown(dir, (uid_t)-1, gid) == 0 && chmod(dir, S_IRWXU | S_IXGRP) == 0
                   ? RT_OK
                   : rt_fail(RT_EIO, "%s: group %u: %s", dir, gid, strerror(errno));
    }
    if (stat(dir, &st) != 0) {
        return rt_fail(RT_EIO, "%s: %s", dir, strerror(errno));
    }
    passes = st.st_gid == gid ? (st.st_mode & S_IXGRP) != 0 : (st.st_mode & S_IXOTH) != 0;
    return passes ? RT_OK
                  : rt_fail(RT_EIO, "%s: group %u cannot pass: chgrp %u and chmod g+x it", dir, gid,
                            gid);
}

rt_err
rt_ctl_admit(rt_ctl *ctl, uint32_t gid)
{
    rt_err err = RT_OK;

    RT_CHECK(ctl, CTL_MAGIC);
    err = admit_to_directory(ctl, gid);
    // The group comes first: between the two calls nobody else may come in.
    if (err == RT_OK && (chown(ctl->path, (uid_t)-1, gid) != 0 ||
                         chmod(ctl->path, S_IRUSR | S_IWUSR | S_IRGRP | S_IWGRP) != 0)) {
        err = rt_fail(RT_EIO, "%s: group %u: %s", ctl->path, gid, strerror(errno));
    }
    return err;
}

rt_net_stats
rt_ctl_stats(const rt_ctl *ctl)
{
    rt_net_stats stats = {0};

    RT_CHECK(ctl, CTL_MAGIC);
    stats = ctl->stats;
    stats.connections = ctl->conn_count;
    return stats;
}

void
rt_ctl_close(rt_ctl *ctl)
{
    RT_CHECK(ctl, CTL_MAGIC);
    rt__loop_disown(&ctl->owned);
    ctl_fini(ctl);
}
