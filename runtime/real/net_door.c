// Design notes. What the doors have in common: addresses, and the doorbell between threads. nng is
// here only for the codes of the tools' clients (net_client.c, net_load.c).

#include "runtime/real/net_internal.h"

#include <arpa/inet.h>
#include <netinet/in.h>
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

rt_err
rt__net_address(const char *url, struct sockaddr_storage *ret_address)
{
    char checked[RT__NET_URL_MAX];
    rt_err err = rt__net_url(url, checked);
    rt_str rest = {0};
    int64_t port = 0;

    if (err != RT_OK) {
        return err;
    }
    rest = rt_str_of(checked);
    memset(ret_address, 0, sizeof(*ret_address));
    if (take_prefix(&rest, "tcp://127.0.0.1:")) {
        struct sockaddr_in *v4 = (struct sockaddr_in *)ret_address;

        RT_IGNORE(rt_parse_i64(rest, &port)); // checked by rt__net_url
        v4->sin_family = AF_INET;
        v4->sin_port = htons((uint16_t)port);
        v4->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        return RT_OK;
    }
    if (take_prefix(&rest, "tcp://[::1]:")) {
        struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)ret_address;

        RT_IGNORE(rt_parse_i64(rest, &port)); // checked by rt__net_url
        v6->sin6_family = AF_INET6;
        v6->sin6_port = htons((uint16_t)port);
        v6->sin6_addr = in6addr_loopback;
        return RT_OK;
    }
    return rt_fail(RT_EINVAL, "%s: only tcp:// addresses are supported here", url);
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
rt__doorbell_fini(rt__doorbell *bell)
{
    rt__loop_disown(&bell->owned);
    rt_wake_free(bell->wake);
    bell->wake = NULL;
    (void)pthread_mutex_destroy(&bell->lock); // nobody holds it
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
