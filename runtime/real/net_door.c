// Design notes. What every nng door has in common.
//
// nng 1.5.2 rules kept here: RECVMAXSZ is 0 (no limit) by default and must be set before start;
// there is no connection limit, so pipes are counted in ADD_PRE and closed there, the only place
// where closing a pipe cannot race with its receiving; an nng_close of a receiving socket can hang
// the process-wide reaper, so a socket that once listened is never closed. No ipc:// address is
// accepted: its listener dies for ever after one connection that is dropped in the handshake.

#include "runtime/real/net_internal.h"

#include <nng/nng.h>
#include <stdio.h>
#include <string.h>

#include "runtime/base/check.h"
#include "runtime/base/text.h"

#define URL_PORT_MAX 65535

rt_err
rt__net_err(int nng_code, const char *what)
{
    rt_err err = RT_EIO;

    switch (nng_code) {
    case NNG_EADDRINUSE:
    case NNG_EBUSY:
        err = RT_EBUSY;
        break;
    case NNG_EADDRINVAL:
    case NNG_EINVAL:
    case NNG_ENOTSUP:
        err = RT_EINVAL;
        break;
    case NNG_ECLOSED:
    case NNG_ECONNRESET:
    case NNG_ECONNABORTED:
    case NNG_ECONNSHUT:
        err = RT_ECLOSED;
        break;
    case NNG_ECONNREFUSED:
    case NNG_EUNREACHABLE:
    case NNG_ENOENT:
        err = RT_EUNREACH;
        break;
    case NNG_ETIMEDOUT:
        err = RT_ETIMEOUT;
        break;
    case NNG_EAGAIN:
        err = RT_EAGAIN;
        break;
    case NNG_ENOMEM:
        err = RT_ENOMEM;
        break;
    case NNG_EMSGSIZE:
        err = RT_ELIMIT;
        break;
    case NNG_EPERM:
        err = RT_EDENIED;
        break;
    default:
        break;
    }
    return rt_fail(err, "%s: %s (nng %d)", what, nng_strerror(nng_code), nng_code);
}

static bool
take_prefix(rt_str *rest, const char *prefix)
{
    rt_str want = rt_str_of(prefix);

    if (!rt_str_starts(*rest, want)) {
        return false;
    }
    rest->ptr += want.len;
    rest->len -= want.len;
    return true;
}

rt_err
rt__net_url(const char *url, char ret_url[RT__NET_URL_MAX])
{
    rt_str rest = rt_str_of(url);
    const char *host = NULL;
    int64_t port = 0;

    if (rest.len == 0 || rest.len >= RT__NET_URL_MAX) {
        return rt_fail(RT_EINVAL, "an address has 1 to %d bytes", RT__NET_URL_MAX - 1);
    }
    if (take_prefix(&rest, "inproc://")) {
        if (rest.len == 0) {
            return rt_fail(RT_EINVAL, "%s: no name after inproc://", url);
        }
        (void)snprintf(ret_url, RT__NET_URL_MAX, "%s", url); // fits: checked above
        return RT_OK;
    }
    if (!take_prefix(&rest, "tcp://")) {
        return rt_fail(RT_EINVAL, "%s: only inproc:// and tcp:// addresses are supported", url);
    }
    if (take_prefix(&rest, "127.0.0.1:") || take_prefix(&rest, "localhost:")) {
        host = "127.0.0.1";
    } else if (take_prefix(&rest, "[::1]:")) {
        host = "[::1]";
    } else {
        return rt_fail(RT_EINVAL,
                       "%s: only 127.0.0.1, [::1] and localhost with a port; beyond loopback needs "
                       "tls, which is not built yet",
                       url);
    }
    if (rt_parse_i64(rest, &port) != RT_OK || port < 1 || port > URL_PORT_MAX) {
        return rt_fail(RT_EINVAL, "%s: a port is 1 to %d", url, URL_PORT_MAX);
    }
    (void)snprintf(ret_url, RT__NET_URL_MAX, "tcp://%s:%d", host, (int)port); // shorter than url
    return RT_OK;
}

static void
bell_fini(void *self)
{
    rt__doorbell *bell = self;

    pthread_mutex_lock(&bell->lock);
    bell->wake = NULL; // the loop frees the wake itself, right after this or before
    pthread_mutex_unlock(&bell->lock);
}

void
rt__doorbell_init(rt__doorbell *bell, rt_loop *loop, void (*on_ring)(void *user), void *user)
{
    int rc = pthread_mutex_init(&bell->lock, NULL);

    RT_ASSERT(rc == 0);
    bell->rung = false;
    bell->wake = rt_wake_new(loop, on_ring, user);
    // Owned after the wake, hence let go before it: nobody rings a freed wake.
    rt__loop_own(loop, &bell->owned, bell_fini, bell);
}

void
rt__doorbell_ring(rt__doorbell *bell)
{
    if (!bell->rung && bell->wake != NULL) {
        bell->rung = true;
        rt_wake_send(bell->wake);
    }
}

void
rt__doorbell_hush(rt__doorbell *bell)
{
    bell->rung = false;
}

void
rt__doorbell_resume(rt__doorbell *bell)
{
    pthread_mutex_lock(&bell->lock);
    bell->rung = false; // a ring during the pause was answered by nothing and is still noted
    rt__doorbell_ring(bell);
    pthread_mutex_unlock(&bell->lock);
}

static void
on_pipe_event(nng_pipe pipe, nng_pipe_ev event, void *arg)
{
    rt__net_gate *gate = arg;
    bool refused = false;

    pthread_mutex_lock(&gate->lock);
    if (event == NNG_PIPE_EV_ADD_PRE) {
        gate->connections++;
        refused = gate->connections > gate->connections_max;
        gate->refused += refused ? 1 : 0;
    } else if (event == NNG_PIPE_EV_REM_POST) {
        gate->connections--; // each ADD_PRE has its REM_POST, refused or not
    }
    pthread_mutex_unlock(&gate->lock);
    if (refused) {
        (void)nng_pipe_close(pipe); // fails only when it is closed already
    }
}

rt_err
rt__net_gate_init(rt__net_gate *gate, const struct nng_socket_s *socket, uint32_t connections_max)
{
    int rc = pthread_mutex_init(&gate->lock, NULL);

    RT_ASSERT(rc == 0);
    RT_ASSERT(connections_max > 0);
    gate->connections_max = connections_max;
    rc = nng_pipe_notify(*socket, NNG_PIPE_EV_ADD_PRE, on_pipe_event, gate);
    if (rc == 0) {
        rc = nng_pipe_notify(*socket, NNG_PIPE_EV_REM_POST, on_pipe_event, gate);
    }
    return rc == 0 ? RT_OK : rt__net_err(rc, "watching connections");
}

void
rt__net_gate_stats(rt__net_gate *gate, rt_net_stats *ret_stats)
{
    pthread_mutex_lock(&gate->lock);
    ret_stats->connections += gate->connections;
    ret_stats->connections_refused += gate->refused;
    pthread_mutex_unlock(&gate->lock);
}

rt_err
rt__net_listen(const struct nng_socket_s *socket, const char *url, size_t message_bytes_max)
{
    char checked[RT__NET_URL_MAX];
    nng_listener listener = NNG_LISTENER_INITIALIZER;
    rt_err err = rt__net_url(url, checked);
    int rc = 0;

    if (err != RT_OK) {
        return err;
    }
    RT_ASSERT(message_bytes_max > 0); // 0 would mean "no limit" to nng
    rc = nng_listener_create(&listener, *socket, checked);
    if (rc != 0) {
        return rt__net_err(rc, url);
    }
    rc = nng_listener_set_size(listener, NNG_OPT_RECVMAXSZ, message_bytes_max);
    if (rc != 0) {
        return rt__net_err(rc, url);
    }
    rc = nng_listener_start(listener, 0);
    return rc == 0 ? RT_OK : rt__net_err(rc, url);
}

rt_err
rt__net_dial(const struct nng_socket_s *socket, const char *url, size_t message_bytes_max)
{
    char checked[RT__NET_URL_MAX];
    nng_dialer dialer = NNG_DIALER_INITIALIZER;
    rt_err err = rt__net_url(url, checked);
    int rc = 0;

    if (err != RT_OK) {
        return err;
    }
    RT_ASSERT(message_bytes_max > 0);
    rc = nng_dialer_create(&dialer, *socket, checked);
    if (rc == 0) {
        rc = nng_dialer_set_size(dialer, NNG_OPT_RECVMAXSZ, message_bytes_max);
    }
    if (rc == 0) { // the default is a fixed second for ever: a thundering herd
        rc = nng_dialer_set_ms(dialer, NNG_OPT_RECONNMINT, RT__NET_RECONNECT_MIN_MS);
    }
    if (rc == 0) {
        rc = nng_dialer_set_ms(dialer, NNG_OPT_RECONNMAXT, RT__NET_RECONNECT_MAX_MS);
    }
    if (rc == 0) {
        rc = nng_dialer_start(dialer, NNG_FLAG_NONBLOCK);
    }
    return rc == 0 ? RT_OK : rt__net_err(rc, url);
}
