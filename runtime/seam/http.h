// seam/http.h: outgoing HTTP requests on the loop. Real: libcurl multi; simulated: scripted
// servers.
//
// Layer: runtime/seam.   Threads: loop thread only.
// HTTP/1.1 only (libcurl 7.88 can report an aborted HTTP/2 body as complete), no redirects, no
// proxies from the environment, bounded body, resolved addresses checked against the allow-list.
#ifndef CEREBRO_RUNTIME_SEAM_HTTP_H
#define CEREBRO_RUNTIME_SEAM_HTTP_H

#include "runtime/base/bytes.h"
#include "runtime/base/err.h"
#include "runtime/seam/loop.h"

#define RT_HTTP_HEADERS_MAX 16
#define RT_HTTP_BODY_MAX (1024 * 1024)

typedef struct rt_http rt_http;

typedef struct rt_http_config {
    bool allow_loopback;   // plain http:// to 127.0.0.1 and [::1]; for tests and local sinks
    bool allow_private;    // RFC 1918 and fc00::/7 addresses
    uint32_t inflight_max; // further requests fail with RT_EFULL
} rt_http_config;

typedef struct rt_http_request {
    const char *method; // "POST"
    const char *url;
    const char *headers[RT_HTTP_HEADERS_MAX]; // "Name: value", no CR, LF or NUL
    uint32_t header_count;
    rt_bytes body; // copied
    int64_t timeout_ms;
} rt_http_request;

typedef struct rt_http_response {
    rt_err err; // RT_OK when a complete answer came, whatever its status
    int32_t status;
    int64_t retry_after_ms; // from the Retry-After header, -1 without
    rt_bytes body;          // valid during the callback
} rt_http_response;

typedef void (*rt_on_response)(void *user, const rt_http_response *response);

// rt_http_new makes a client on a loop.
rt_http *rt_http_new(rt_loop *loop, rt_http_config config) RT_MUST_USE;
// rt_http_free cancels what is under way (no callbacks) and releases it.
void rt_http_free(rt_http *http);
// rt_http_send starts a request; on_response is called once, later.
//   errors    RT_EFULL RT_EINVAL (address or header refused; why in the detail)
rt_err rt_http_send(rt_http *http, const rt_http_request *request, rt_on_response on_response,
                    void *user) RT_MUST_USE;

#endif
