// Design notes. The handler a test registered plays all servers there are. It is asked when a
// request arrives (a network delay after it was sent), and its answer takes effect delay_ms later,
// or the request's timeout if that comes first. Requests are refused by the same guard as for real.

#include <string.h>

#include "runtime/base/check.h"
#include "runtime/seam/http_guard.h"
#include "runtime/sim/sim_internal.h"

#define HTTP_MAGIC 0x53485454u
#define STATUS_DEFAULT 200
#define DELAY_DEFAULT_MS 1

typedef struct transfer {
    struct transfer *prev;
    struct transfer *next;
    rt_http *http;
    rt_http_request request; // deep copy
    sim_msg *body;
    rt_on_response on_response;
    void *user;
    int64_t sent_us;
    rt_http_response response;
    sim_msg *response_body;
    sim_event *event;
} transfer;

struct rt_http {
    uint32_t magic;
    rt_http *next;
    rt_loop *loop;
    rt_http_config config;
    transfer *transfers;
    uint32_t inflight;
};

static struct {
    rt_http *clients;
    sim_http_fn handler;
    void *user;
} internet;

void
sim__http_reset(void)
{
    memset(&internet, 0, sizeof(internet));
}

void
sim_http_handler(sim_http_fn handler, void *user)
{
    internet.handler = handler;
    internet.user = user;
}

rt_http *
rt_http_new(rt_loop *loop, rt_http_config config)
{
    rt_http *http = sim__new(rt_http);

    RT_ASSERT(config.inflight_max > 0);
    http->magic = HTTP_MAGIC;
    http->loop = loop;
    http->config = config;
    http->next = internet.clients;
    internet.clients = http;
    return http;
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
    sim__free((char *)t->request.method);
    sim__free((char *)t->request.url);
    for (uint32_t i = 0; i < t->request.header_count; i++) {
        sim__free((char *)t->request.headers[i]);
    }
    sim__free(t->body);
    sim__free(t->response_body);
    sim__free(t);
}

static void
finish(void *target)
{
    transfer *t = target;
    rt_on_response on_response = t->on_response;
    void *user = t->user;
    rt_http_response response = t->response;
    sim_msg *body = t->response_body;

    t->response_body = NULL; // kept over the callback, which may send again
    free_transfer(t);
    sim__trace('h', rt_err_name(response.err), response.body);
    on_response(user, &response);
    sim__free(body);
}

static void
reach_server(void *target)
{
    transfer *t = target;
    sim_http_answer answer = {.status = STATUS_DEFAULT,
                              .retry_after_ms = -1,
                              .delay_ms = DELAY_DEFAULT_MS};
    int64_t timeout_us = t->sent_us + t->request.timeout_ms * 1000;
    int64_t at_us = 0;

    t->event = NULL;
    if (internet.handler != NULL) {
        internet.handler(internet.user, &t->request, &answer);
    } else {
        answer.err = RT_EUNREACH;
    }
    at_us = sim__now_us() + RT_MAX(answer.delay_ms, INT64_C(0)) * 1000;
    if (answer.body.len > RT_HTTP_BODY_MAX) {
        answer.err = RT_ELIMIT;
    }
    if (at_us > timeout_us) {
        at_us = timeout_us;
        answer.err = RT_ETIMEOUT;
    }
    t->response = (rt_http_response){.err = answer.err, .retry_after_ms = -1};
    if (answer.err == RT_OK) {
        t->response_body = sim__msg(answer.body);
        t->response.status = answer.status;
        t->response.retry_after_ms = answer.retry_after_ms;
        t->response.body = t->response_body->body;
    }
    t->event = sim__at(t->http->loop, at_us, false, finish, t);
}

rt_err
rt_http_send(rt_http *http, const rt_http_request *request, rt_on_response on_response, void *user)
{
    rt_err err = RT_OK;
    transfer *t = NULL;
    int64_t last_us = 0;

    RT_CHECK(http, HTTP_MAGIC);
    RT_ASSERT(on_response != NULL);
    err = rt_http_check(&http->config, request);
    if (err != RT_OK) {
        return err;
    }
    if (http->inflight >= http->config.inflight_max) {
        return rt_fail(RT_EFULL, "%u requests under way", http->inflight);
    }
    t = sim__new(transfer);
    t->http = http;
    t->request = *request;
    t->request.method = sim__text(request->method);
    t->request.url = sim__text(request->url);
    for (uint32_t i = 0; i < request->header_count; i++) {
        t->request.headers[i] = sim__text(request->headers[i]);
    }
    t->body = sim__msg(request->body);
    t->request.body = t->body->body;
    t->on_response = on_response;
    t->user = user;
    t->sent_us = sim__now_us();
    t->next = http->transfers;
    if (http->transfers != NULL) {
        http->transfers->prev = t;
    }
    http->transfers = t;
    http->inflight++;
    sim__trace('o', request->url, request->body);
    // not on the sender's loop: what has left arrives whether the sender stands still or not
    t->event = sim__at(NULL, sim__arrival_us(&last_us), false, reach_server, t);
    return RT_OK;
}

void
rt_http_free(rt_http *http)
{
    rt_http **at = &internet.clients;

    RT_CHECK(http, HTTP_MAGIC);
    while (http->transfers != NULL) {
        sim__cancel(http->transfers->event);
        free_transfer(http->transfers);
    }
    while (*at != http) {
        at = &(*at)->next;
    }
    *at = http->next;
    http->magic = 0;
    sim__free(http);
}

void
sim__http_forget(const rt_loop *loop)
{
    for (rt_http *http = internet.clients; http != NULL;) {
        rt_http *next = http->next;

        if (http->loop == loop) {
            rt_http_free(http);
        }
        http = next;
    }
}
