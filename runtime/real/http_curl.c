// Design notes. libcurl's multi interface on the libuv loop: curl says which sockets to watch and
// when to call it again; uv_poll handles and one timer do so, and both end in
// curl_multi_socket_action followed, always, by reading the finished transfers (also when curl says
// that none is running: a transfer that just timed out is only found there).
//
// Rules for 7.88 kept here: HTTP/1.1 only (its HTTP/2 can report an aborted body as complete); the
// body is counted in the write callback (CURLOPT_MAXFILESIZE does nothing when the size is not
// announced); no redirects, proxies, cookies, netrc or decompression; https only, plain http only
// where loopback is allowed; every address is checked when its socket is opened (a name may resolve
// to an inner address, also the second time); timer 0 becomes 1 ms; a removed socket stops being
// polled before curl closes it; an easy handle is freed only outside of curl's callbacks.
// QUICK_EXIT keeps the removal of a transfer from waiting for its resolver thread.
//
// Ownership: a transfer belongs to the client from rt_http_send to its completion. on_response is
// called after the transfer has left curl, so it may send again; it must not free the client.

#include "runtime/seam/http.h"

#include <curl/curl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <uv.h>

#include "runtime/base/alloc.h"
#include "runtime/base/check.h"
#include "runtime/base/text.h"
#include "runtime/real/internal.h"
#include "runtime/seam/http_guard.h"

#define HTTP_MAGIC 0x48545450u
#define CONNECTIONS_IDLE_MAX 16L
#define LOW_SPEED_BYTES_PER_S 10L
#define LOW_SPEED_TIME_S 30L
#define RETRY_AFTER_MAX_S (24 * 60 * 60)

typedef struct transfer {
    struct transfer *prev;
    struct transfer *next;
    rt_http *http;
    CURL *easy;
    struct curl_slist *headers;
    uint8_t *body;
    rt_text received;
    bool denied;   // an address was refused
    bool too_long; // the answer's body
    rt_on_response on_response;
    void *user;
} transfer;

// One socket curl wants watched.
typedef struct watch {
    uv_poll_t poll;
    rt_http *http;
    curl_socket_t socket;
} watch;

struct rt_http {
    uint32_t magic;
    rt__owned owned;
    uv_loop_t *uv;
    uv_timer_t timer;
    CURLM *multi;
    rt_http_config config;
    transfer *transfers;
    uint32_t inflight;
    bool calling; // inside on_response
};

static rt_err
err_of(const transfer *t, CURLcode code)
{
    if (t->denied) {
        return rt_fail(RT_EDENIED, "the host's address is not allowed");
    }
    if (t->too_long) {
        return rt_fail(RT_ELIMIT, "the answer has more than %d bytes", RT_HTTP_BODY_MAX);
    }
    switch ((int)code) { // NB: an int, for -Wswitch-enum would ask for all hundred
    case CURLE_OK:
        return RT_OK;
    case CURLE_OPERATION_TIMEDOUT:
        return rt_fail(RT_ETIMEOUT, "%s", curl_easy_strerror(code));
    case CURLE_PARTIAL_FILE:
    case CURLE_RECV_ERROR:
    case CURLE_SEND_ERROR:
    case CURLE_GOT_NOTHING:
        return rt_fail(RT_ECLOSED, "%s", curl_easy_strerror(code));
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
        return rt_fail(RT_EDENIED, "%s", curl_easy_strerror(code));
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_WEIRD_SERVER_REPLY:
        return rt_fail(RT_EPROTO, "%s", curl_easy_strerror(code));
    case CURLE_OUT_OF_MEMORY:
        return rt_fail(RT_ENOMEM, "%s", curl_easy_strerror(code));
    default:
        return rt_fail(RT_EUNREACH, "%s", curl_easy_strerror(code));
    }
}

static void
free_transfer(transfer *t)
{
    rt_http *http = t->http;

    if (t->prev != NULL) {
        t->prev->next = t->next;
    } else {
        http->transfers = t->next;
    }
    if (t->next != NULL) {
        t->next->prev = t->prev;
    }
    http->inflight--;
    if (t->easy != NULL) {
        (void)curl_multi_remove_handle(http->multi, t->easy); // harmless when not added
        curl_easy_cleanup(t->easy);
    }
    curl_slist_free_all(t->headers);
    rt_free(t->body);
    rt_text_fini(&t->received);
    rt_free(t);
}

static void
finish(transfer *t, CURLcode code)
{
    rt_http *http = t->http;
    rt_http_response response = {.err = err_of(t, code), .retry_after_ms = -1};
    rt_on_response on_response = t->on_response;
    void *user = t->user;
    rt_text received = t->received;

    if (response.err == RT_OK) {
        long status = 0;
        curl_off_t retry_after_s = 0;

        (void)curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
        (void)curl_easy_getinfo(t->easy, CURLINFO_RETRY_AFTER, &retry_after_s);
        response.status = (int32_t)status;
        if (retry_after_s > 0) { // curl gives 0 for "none" and reads dates as well as seconds
            response.retry_after_ms = RT_MIN((int64_t)retry_after_s, RETRY_AFTER_MAX_S) * 1000;
        }
        response.body = rt_bytes_of_str(rt_text_view(&received));
    }
    rt_text_init(&t->received, RT_HTTP_BODY_MAX); // kept over the callback instead
    free_transfer(t);
    http->calling = true;
    on_response(user, &response);
    http->calling = false;
    rt_text_fini(&received);
}

static void
finish_done(rt_http *http)
{
    int left = 0;
    CURLMsg *msg = NULL;

    while ((msg = curl_multi_info_read(http->multi, &left)) != NULL) {
        char *tag = NULL;
        CURLcode code = msg->data.result; // `msg` is gone once its handle is removed

        RT_ASSERT(msg->msg == CURLMSG_DONE);
        (void)curl_easy_getinfo(msg->easy_handle, CURLINFO_PRIVATE, &tag);
        finish((transfer *)(void *)tag, code);
    }
}

static void
act(rt_http *http, curl_socket_t socket, int events)
{
    int running = 0;
    CURLMcode rc = curl_multi_socket_action(http->multi, socket, events, &running);

    RT_ASSERT(rc == CURLM_OK || rc == CURLM_BAD_SOCKET);
    finish_done(http);
}

static void
on_poll(uv_poll_t *poll, int status, int events)
{
    watch *w = poll->data;
    int flags = 0;

    flags |= status < 0 ? CURL_CSELECT_ERR : 0;
    flags |= (events & UV_READABLE) != 0 ? CURL_CSELECT_IN : 0;
    flags |= (events & UV_WRITABLE) != 0 ? CURL_CSELECT_OUT : 0;
    act(w->http, w->socket, flags);
}

static void
on_uv_timer(uv_timer_t *timer)
{
    act(timer->data, CURL_SOCKET_TIMEOUT, 0);
}

static void
on_watch_closed(uv_handle_t *handle)
{
    rt_free(handle->data);
}

static watch *
new_watch(rt_http *http, curl_socket_t socket)
{
    watch *w = rt_new(watch);

    if (uv_poll_init_socket(http->uv, &w->poll, socket) != 0) {
        rt_free(w);
        return NULL;
    }
    w->http = http;
    w->socket = socket;
    w->poll.data = w;
    (void)curl_multi_assign(http->multi, socket, w); // fails only for a socket curl does not know
    return w;
}

static int
on_curl_socket(CURL *easy, curl_socket_t socket, int what, void *user, void *socket_data)
{
    rt_http *http = user;
    watch *w = socket_data;
    int events = 0;

    (void)easy; // the socket says it all
    if (what == CURL_POLL_REMOVE) {
        if (w != NULL) {
            (void)uv_poll_stop(&w->poll); // before curl closes the descriptor
            uv_close((uv_handle_t *)&w->poll, on_watch_closed);
            (void)curl_multi_assign(http->multi, socket, NULL);
        }
        return 0;
    }
    w = w != NULL ? w : new_watch(http, socket);
    if (w == NULL) {
        return -1;
    }
    events |= (what & CURL_POLL_IN) != 0 ? UV_READABLE : 0;
    events |= (what & CURL_POLL_OUT) != 0 ? UV_WRITABLE : 0;
    return uv_poll_start(&w->poll, events, on_poll) == 0 ? 0 : -1;
}

static int
on_curl_timer(CURLM *multi, long timeout_ms, void *user)
{
    rt_http *http = user;

    (void)multi; // never called into from here
    if (timeout_ms < 0) {
        (void)uv_timer_stop(&http->timer); // always 0
        return 0;
    }
    return uv_timer_start(&http->timer, on_uv_timer, (uint64_t)RT_MAX(timeout_ms, 1L), 0) == 0
               ? 0
               : -1;
}

static size_t
on_body(char *bytes, size_t one, size_t len, void *user)
{
    transfer *t = user;

    RT_ASSERT(one == 1); // curl promises so
    rt_text_put(&t->received, bytes, len);
    if (t->received.truncated) {
        t->too_long = true;
        return 0; // ends the transfer
    }
    return len;
}

static rt_bytes
address_bytes(const struct curl_sockaddr *address)
{
    if (address->family == AF_INET) {
        const struct sockaddr_in *v4 = (const void *)&address->addr;

        return (rt_bytes){(const uint8_t *)&v4->sin_addr, sizeof(v4->sin_addr)};
    }
    if (address->family == AF_INET6) {
        const struct sockaddr_in6 *v6 = (const void *)&address->addr;

        return (rt_bytes){(const uint8_t *)&v6->sin6_addr, sizeof(v6->sin6_addr)};
    }
    return (rt_bytes){0}; // never allowed
}

static curl_socket_t
on_open_socket(void *user, curlsocktype purpose, struct curl_sockaddr *address)
{
    transfer *t = user;

    if (purpose != CURLSOCKTYPE_IPCXN ||
        !rt_http_may_reach(&t->http->config, address_bytes(address))) {
        t->denied = true;
        return CURL_SOCKET_BAD;
    }
    return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

// set_safety sets what never depends on the request; curl's defaults allow far more.
static bool
set_safety(CURL *easy, bool http_too)
{
    const char *protocols = http_too ? "http,https" : "https";
    CURLcode rc = CURLE_OK;

    rc |= curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    rc |= curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    rc |= curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, protocols);
    rc |= curl_easy_setopt(easy, CURLOPT_REDIR_PROTOCOLS_STR, protocols);
    rc |= curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    rc |= curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 1L);
    rc |= curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 2L);
    rc |= curl_easy_setopt(easy, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
    rc |= curl_easy_setopt(easy, CURLOPT_UNRESTRICTED_AUTH, 0L);
    rc |= curl_easy_setopt(easy, CURLOPT_PROXY, "");
    rc |= curl_easy_setopt(easy, CURLOPT_NOPROXY, "*");
    rc |= curl_easy_setopt(easy, CURLOPT_LOW_SPEED_LIMIT, LOW_SPEED_BYTES_PER_S);
    rc |= curl_easy_setopt(easy, CURLOPT_LOW_SPEED_TIME, LOW_SPEED_TIME_S);
    rc |= curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
    return rc == CURLE_OK;
}

static bool
set_request(transfer *t, const rt_http_request *request)
{
    CURLcode rc = CURLE_OK;

    rc |= curl_easy_setopt(t->easy, CURLOPT_URL, request->url);
    rc |= curl_easy_setopt(t->easy, CURLOPT_HTTPHEADER, t->headers);
    rc |= curl_easy_setopt(t->easy, CURLOPT_TIMEOUT_MS, (long)request->timeout_ms);
    rc |= curl_easy_setopt(t->easy, CURLOPT_CONNECTTIMEOUT_MS, (long)request->timeout_ms);
    rc |= curl_easy_setopt(t->easy, CURLOPT_PRIVATE, t);
    rc |= curl_easy_setopt(t->easy, CURLOPT_WRITEFUNCTION, on_body);
    rc |= curl_easy_setopt(t->easy, CURLOPT_WRITEDATA, t);
    rc |= curl_easy_setopt(t->easy, CURLOPT_OPENSOCKETFUNCTION, on_open_socket);
    rc |= curl_easy_setopt(t->easy, CURLOPT_OPENSOCKETDATA, t);
    if (request->body.len > 0 || strcmp(request->method, "POST") == 0) {
        rc |= curl_easy_setopt(t->easy, CURLOPT_POSTFIELDS, t->body);
        rc |= curl_easy_setopt(t->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body.len);
    } else if (strcmp(request->method, "HEAD") == 0) {
        rc |= curl_easy_setopt(t->easy, CURLOPT_NOBODY, 1L);
    }
    rc |= curl_easy_setopt(t->easy, CURLOPT_CUSTOMREQUEST, request->method);
    return rc == CURLE_OK;
}

static bool
add_header(transfer *t, const char *header)
{
    struct curl_slist *longer = curl_slist_append(t->headers, header);

    t->headers = longer != NULL ? longer : t->headers;
    return longer != NULL;
}

static bool
fill_transfer(transfer *t, const rt_http_request *request)
{
    bool ok = add_header(t, "Expect:"); // no 100-continue: a round trip for nothing

    for (uint32_t i = 0; i < request->header_count && ok; i++) {
        ok = add_header(t, request->headers[i]);
    }
    t->body = rt_try_alloc(request->body.len + 1); // never of size 0
    if (!ok || t->body == NULL) {
        return false;
    }
    if (request->body.len > 0) {
        memcpy(t->body, request->body.ptr, request->body.len);
    }
    return set_safety(t->easy, t->http->config.allow_loopback) && set_request(t, request) &&
           curl_multi_add_handle(t->http->multi, t->easy) == CURLM_OK;
}

rt_err
rt_http_send(rt_http *http, const rt_http_request *request, rt_on_response on_response, void *user)
{
    transfer *t = NULL;
    rt_err err = RT_OK;

    RT_CHECK(http, HTTP_MAGIC);
    RT_ASSERT(on_response != NULL);
    err = rt_http_check(&http->config, request);
    if (err != RT_OK) {
        return err;
    }
    if (http->inflight >= http->config.inflight_max) {
        return rt_fail(RT_EFULL, "%u requests under way", http->inflight);
    }
    t = rt_new(transfer);
    t->http = http;
    t->on_response = on_response;
    t->user = user;
    rt_text_init(&t->received, RT_HTTP_BODY_MAX);
    t->next = http->transfers;
    if (http->transfers != NULL) {
        http->transfers->prev = t;
    }
    http->transfers = t;
    http->inflight++;
    t->easy = curl_easy_init();
    if (t->easy == NULL || !fill_transfer(t, request)) {
        free_transfer(t);
        return rt_fail(RT_ENOMEM, "curl takes no further request");
    }
    return RT_OK;
}

static void
on_http_closed(uv_handle_t *handle)
{
    rt_http *http = handle->data;

    rt_free(http);
}

static void
http_fini(void *self)
{
    rt_http *http = self;

    RT_CHECK(http, HTTP_MAGIC);
    RT_ASSERT(!http->calling);
    while (http->transfers != NULL) {
        free_transfer(http->transfers);
    }
    (void)curl_multi_cleanup(http->multi); // closes idle connections, removes their watches
    curl_global_cleanup();                 // counted: once per rt_http_new
    http->magic = 0;
    uv_close((uv_handle_t *)&http->timer, on_http_closed);
}

rt_http *
rt_http_new(rt_loop *loop, rt_http_config config)
{
    rt_http *http = rt_new(rt_http);
    CURLMcode rc = CURLM_OK;
    CURLcode started = curl_global_init(CURL_GLOBAL_DEFAULT);

    RT_MUST_HAVE(started == CURLE_OK);
    RT_ASSERT(config.inflight_max > 0);
    http->magic = HTTP_MAGIC;
    http->config = config;
    http->uv = rt__loop_uv(loop);
    (void)uv_timer_init(http->uv, &http->timer); // always 0
    http->timer.data = http;
    http->multi = curl_multi_init();
    RT_MUST_HAVE(http->multi != NULL);
    rc |= curl_multi_setopt(http->multi, CURLMOPT_SOCKETFUNCTION, on_curl_socket);
    rc |= curl_multi_setopt(http->multi, CURLMOPT_SOCKETDATA, http);
    rc |= curl_multi_setopt(http->multi, CURLMOPT_TIMERFUNCTION, on_curl_timer);
    rc |= curl_multi_setopt(http->multi, CURLMOPT_TIMERDATA, http);
    rc |= curl_multi_setopt(http->multi, CURLMOPT_PIPELINING, (long)CURLPIPE_NOTHING);
    rc |= curl_multi_setopt(http->multi, CURLMOPT_MAXCONNECTS, CONNECTIONS_IDLE_MAX);
    rc |= curl_multi_setopt(http->multi, CURLMOPT_MAX_TOTAL_CONNECTIONS,
                            (long)config.inflight_max);
    RT_MUST_HAVE(rc == CURLM_OK);
    rt__loop_own(loop, &http->owned, http_fini, http);
    return http;
}

void
rt_http_free(rt_http *http)
{
    RT_CHECK(http, HTTP_MAGIC);
    rt__loop_disown(&http->owned);
    http_fini(http);
}
