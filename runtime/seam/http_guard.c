// Design notes. A filter on the text of a URL can be fooled (names that resolve to inner addresses,
// octal forms, redirects), so the text check only keeps out what is malformed; the decision falls
// on the resolved address, in rt_http_may_reach, at the moment a socket is opened for it.
//
// Source: IANA special-purpose address registries (RFC 6890), both families.

#include "runtime/seam/http_guard.h"

#define V4_LEN 4
#define V6_LEN 16
#define METHOD_MAX 16

typedef enum reach { REACH_PUBLIC, REACH_LOOPBACK, REACH_PRIVATE, REACH_NEVER } reach;

typedef struct net_range {
    uint8_t prefix[V6_LEN];
    uint8_t bits;
    reach reach;
} net_range;

static const net_range v4_ranges[] = {
    {{127}, 8, REACH_LOOPBACK},
    {{10}, 8, REACH_PRIVATE},
    {{172, 16}, 12, REACH_PRIVATE},
    {{192, 168}, 16, REACH_PRIVATE},
    {{100, 64}, 10, REACH_PRIVATE}, // carrier-grade NAT
    {{0}, 8, REACH_NEVER},
    {{169, 254}, 16, REACH_NEVER}, // link-local, the metadata services of clouds
    {{192, 0, 0}, 24, REACH_NEVER},
    {{198, 18}, 15, REACH_NEVER},
    {{224}, 3, REACH_NEVER}, // multicast, reserved, broadcast
};

static const net_range v6_ranges[] = {
    {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}, 128, REACH_LOOPBACK},
    {{0xfc}, 7, REACH_PRIVATE},
    {{0}, 64, REACH_NEVER}, // ::, ::ffff:0:0/96 (mapped), ::/96 (compatible)
    {{0x00, 0x64, 0xff, 0x9b}, 32, REACH_NEVER}, // NAT64
    {{0x01}, 8, REACH_NEVER},                    // discard-only
    {{0x20, 0x01, 0x00}, 23, REACH_NEVER},       // protocol assignments with Teredo
    {{0x20, 0x02}, 16, REACH_NEVER},             // 6to4
    {{0xfe, 0x80}, 10, REACH_NEVER},             // link-local
    {{0xfe, 0xc0}, 10, REACH_NEVER},             // site-local
    {{0xff}, 8, REACH_NEVER},                    // multicast
};

static bool
in_range(const net_range *range, const uint8_t *address)
{
    uint32_t whole = range->bits / 8u;
    uint32_t rest = range->bits % 8u;
    uint8_t mask = (uint8_t)(0xff00u >> rest);

    return memcmp(range->prefix, address, whole) == 0 &&
           (rest == 0 || ((range->prefix[whole] ^ address[whole]) & mask) == 0);
}

static reach
classify(const net_range *ranges, size_t count, const uint8_t *address)
{
    for (size_t i = 0; i < count; i++) {
        if (in_range(&ranges[i], address)) {
            return ranges[i].reach;
        }
    }
    return REACH_PUBLIC;
}

bool
rt_http_may_reach(const rt_http_config *config, rt_bytes address)
{
    reach found = REACH_NEVER;

    if (address.len == V4_LEN) {
        found = classify(v4_ranges, RT_COUNT(v4_ranges), address.ptr);
    } else if (address.len == V6_LEN) {
        found = classify(v6_ranges, RT_COUNT(v6_ranges), address.ptr);
    }
    switch (found) {
    case REACH_PUBLIC:
        return true;
    case REACH_LOOPBACK:
        return config->allow_loopback;
    case REACH_PRIVATE:
        return config->allow_private;
    case REACH_NEVER:
        return false;
    }
    return false;
}

// is_plain tells whether text has no control characters; a header may have tabs, a URL no spaces.
static bool
is_plain(const char *text, bool in_url)
{
    for (const char *at = text; *at != '\0'; at++) {
        uint8_t c = (uint8_t)*at;

        if (c == 0x7f || (c < 0x20 && (in_url || c != '\t')) || (in_url && c == ' ')) {
            return false;
        }
    }
    return true;
}

static bool
is_loopback_literal(rt_str authority)
{
    const char *const hosts[] = {"127.0.0.1", "[::1]"};

    for (size_t i = 0; i < RT_COUNT(hosts); i++) {
        rt_str host = rt_str_of(hosts[i]);

        if (rt_str_starts(authority, host) &&
            (authority.len == host.len || authority.ptr[host.len] == ':')) {
            return true;
        }
    }
    return false;
}

static rt_err
check_url(const rt_http_config *config, const char *url)
{
    rt_str rest = rt_str_of(url);
    bool tls = rt_str_starts(rest, RT_STR("https://"));
    size_t scheme_len = tls ? 8 : 7;

    if (rest.len == 0 || rest.len > RT_HTTP_URL_MAX || !is_plain(url, true)) {
        return rt_fail(RT_EINVAL, "an address has 1 to %d bytes, no spaces or control bytes",
                       RT_HTTP_URL_MAX);
    }
    if (!tls && !rt_str_starts(rest, RT_STR("http://"))) {
        return rt_fail(RT_EINVAL, "only https:// addresses, http:// for local sinks");
    }
    rest.ptr += scheme_len;
    rest.len = strcspn(rest.ptr, "/?#");
    if (rest.len == 0) {
        return rt_fail(RT_EINVAL, "an address needs a host");
    }
    for (size_t i = 0; i < rest.len; i++) {
        if (rest.ptr[i] == '@' || rest.ptr[i] == '\\') {
            return rt_fail(RT_EINVAL, "no user or password in an address; use a header");
        }
    }
    if (!tls && !(config->allow_loopback && is_loopback_literal(rest))) {
        return rt_fail(RT_EINVAL, "http:// is for 127.0.0.1 and [::1] only, where allowed");
    }
    return RT_OK;
}

static rt_err
check_header(const char *header)
{
    const char *colon = strchr(header, ':');
    size_t name_len = strcspn(header, ": \t");

    if (!is_plain(header, false)) {
        return rt_fail(RT_EINVAL, "a header has control characters");
    }
    if (colon == NULL || name_len == 0 || header + name_len != colon) {
        return rt_fail(RT_EINVAL, "a header has the form \"Name: value\"");
    }
    if (strlen(header) > RT_HTTP_HEADER_MAX) {
        return rt_fail(RT_EINVAL, "a header has at most %d bytes", RT_HTTP_HEADER_MAX);
    }
    return RT_OK;
}

static bool
is_method(const char *method)
{
    size_t len = 0;

    while (method[len] >= 'A' && method[len] <= 'Z') {
        len++;
    }
    return method[len] == '\0' && len > 0 && len <= METHOD_MAX;
}

rt_err
rt_http_check(const rt_http_config *config, const rt_http_request *request)
{
    rt_err err = RT_OK;

    if (request->method == NULL || !is_method(request->method)) {
        return rt_fail(RT_EINVAL, "a method is 1 to %d capital letters", METHOD_MAX);
    }
    if (request->header_count > RT_HTTP_HEADERS_MAX) {
        return rt_fail(RT_EINVAL, "at most %d headers", RT_HTTP_HEADERS_MAX);
    }
    if (request->body.len > RT_HTTP_BODY_MAX) {
        return rt_fail(RT_EINVAL, "a body has at most %d bytes", RT_HTTP_BODY_MAX);
    }
    if (request->timeout_ms <= 0 || request->timeout_ms > INT32_MAX) {
        return rt_fail(RT_EINVAL, "a request needs a timeout");
    }
    err = check_url(config, request->url != NULL ? request->url : "");
    for (uint32_t i = 0; i < request->header_count && err == RT_OK; i++) {
        err = check_header(request->headers[i] != NULL ? request->headers[i] : "");
    }
    return err;
}
