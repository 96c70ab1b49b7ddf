// What an outgoing request may be like and which addresses it may reach.
//
// The oracle of addresses is the registries' text read by inet_pton, one prefix a line; that of
// URLs is curl's own parser, because curl is who will read the URL that was let through. Byte 0:
// bit 0 allow_loopback, bit 1 allow_private, bit 2 an address (its bytes follow), else a URL, then
// lines of headers.
#include "runtime/seam/http_guard.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <stdio.h>

#include "tests/fuzz/fuzz.h"

#define LOOPBACK 1u
#define PRIVATE 2u
#define ADDRESS 4u
#define TEXT_MAX 4096

typedef struct prefix {
    const char *text;
    int bits;
    unsigned needs; // LOOPBACK, PRIVATE, or 0: never
} prefix;

// IANA special-purpose address registries, and what must not be reached besides.
static const prefix prefixes[] = {
    {"127.0.0.0", 8, LOOPBACK},
    {"10.0.0.0", 8, PRIVATE},
    {"172.16.0.0", 12, PRIVATE},
    {"192.168.0.0", 16, PRIVATE},
    {"100.64.0.0", 10, PRIVATE},
    {"0.0.0.0", 8, 0},
    {"169.254.0.0", 16, 0},
    {"192.0.0.0", 24, 0},
    {"198.18.0.0", 15, 0},
    {"224.0.0.0", 4, 0},
    {"240.0.0.0", 4, 0},
    {"255.255.255.255", 32, 0},
    {"::1", 128, LOOPBACK},
    {"fc00::", 7, PRIVATE},
    {"::", 128, 0},
    {"::ffff:0:0", 96, 0},
    {"::", 96, 0},
    {"64:ff9b::", 96, 0},
    {"64:ff9b:1::", 48, 0},
    {"100::", 64, 0},
    {"2001::", 32, 0},
    {"2001::", 23, 0},
    {"2002::", 16, 0},
    {"fe80::", 10, 0},
    {"fec0::", 10, 0},
    {"ff00::", 8, 0},
};

static bool
is_within(const prefix *p, rt_bytes address)
{
    uint8_t base[16];
    int family = address.len == 4 ? AF_INET : AF_INET6;

    if ((strchr(p->text, ':') != NULL) != (family == AF_INET6)) {
        return false;
    }
    RT_ASSERT(inet_pton(family, p->text, base) == 1);
    for (int bit = 0; bit < p->bits; bit++) {
        uint8_t mask = (uint8_t)(0x80u >> (bit % 8));

        if ((base[bit / 8] & mask) != (address.ptr[bit / 8] & mask)) {
            return false;
        }
    }
    return true;
}

// The first prefix that forbids it has the say; ::1 stands before ::/96.
static bool
oracle_may_reach(unsigned allowed, rt_bytes address)
{
    if (address.len != 4 && address.len != 16) {
        return false;
    }
    for (size_t i = 0; i < RT_COUNT(prefixes); i++) {
        if (is_within(&prefixes[i], address)) {
            return (prefixes[i].needs & allowed) != 0;
        }
    }
    return true;
}

static void
check_address(unsigned allowed, rt_bytes address)
{
    rt_http_config config = {.allow_loopback = (allowed & LOOPBACK) != 0,
                             .allow_private = (allowed & PRIVATE) != 0};
    bool reaches = rt_http_may_reach(&config, address);

    RT_ASSERT(!reaches || oracle_may_reach(allowed, address));
    // nothing public is forbidden either
    RT_ASSERT(reaches || !oracle_may_reach(allowed, address) || address.len == 16);
}

static bool
has_part(CURLU *url, CURLUPart part, char **ret_text)
{
    return curl_url_get(url, part, ret_text, 0) == CURLUE_OK;
}

// What curl reads in a URL that was let through.
static void
check_as_curl(unsigned allowed, const char *text)
{
    CURLU *url = curl_url();
    char *scheme = NULL;
    char *host = NULL;
    char *user = NULL;

    RT_ASSERT(url != NULL);
    if (curl_url_set(url, CURLUPART_URL, text, 0) == CURLUE_OK) { // else curl refuses it too
        RT_ASSERT(has_part(url, CURLUPART_SCHEME, &scheme) && has_part(url, CURLUPART_HOST, &host));
        RT_ASSERT(!has_part(url, CURLUPART_USER, &user) &&
                  !has_part(url, CURLUPART_PASSWORD, &user));
        RT_ASSERT(strcmp(scheme, "https") == 0 ||
                  (strcmp(scheme, "http") == 0 && (allowed & LOOPBACK) != 0 &&
                   (strcmp(host, "127.0.0.1") == 0 || strcmp(host, "[::1]") == 0)));
    }
    curl_free(scheme);
    curl_free(host);
    curl_free(user);
    curl_url_cleanup(url);
}

static void
check_plain(const char *text, bool in_url)
{
    for (const char *at = text; *at != '\0'; at++) {
        uint8_t c = (uint8_t)*at;

        RT_ASSERT(c != 0x7f && (c >= 0x20 || (c == '\t' && !in_url)) && (c != ' ' || !in_url));
    }
}

static void
check_request(unsigned allowed, fuzz_in *in)
{
    static char texts[RT_HTTP_HEADERS_MAX + 1][TEXT_MAX];
    rt_http_config config = {.allow_loopback = (allowed & LOOPBACK) != 0};
    rt_http_request request = {.method = "POST", .url = texts[0], .timeout_ms = 1000};
    rt_str line = {NULL, 0};
    size_t count = 0;

    texts[0][0] = '\0';
    while (count < RT_COUNT(texts) && fuzz_until(in, RT_STR("\n"), &line)) {
        (void)snprintf(texts[count], TEXT_MAX, "%.*s", RT_STR_ARG(line));
        if (count > 0) {
            request.headers[request.header_count++] = texts[count];
        }
        count++;
    }
    if (rt_http_check(&config, &request) != RT_OK) {
        return;
    }
    RT_ASSERT(strlen(request.url) <= RT_HTTP_URL_MAX);
    check_plain(request.url, true);
    check_as_curl(allowed, request.url);
    for (uint32_t i = 0; i < request.header_count; i++) {
        RT_ASSERT(strchr(request.headers[i], ':') != NULL);
        check_plain(request.headers[i], false);
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_in in = {data, size};
    uint8_t mode = fuzz_u8(&in);

    if ((mode & ADDRESS) != 0) {
        check_address(mode & (LOOPBACK | PRIVATE), fuzz_rest(&in));
    } else {
        check_request(mode & LOOPBACK, &in);
    }
    return 0;
}
