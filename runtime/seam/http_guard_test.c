// Tests of what outgoing requests may be and reach.

#include <arpa/inet.h>

#include "runtime/seam/http_guard.h"
#include "tests/harness/check.h"

static const rt_http_config strict = {false, false, 4};
static const rt_http_config local = {true, false, 4};
static const rt_http_config inner = {false, true, 4};

static bool
may_reach(const rt_http_config *config, const char *text)
{
    uint8_t address[16] = {0};
    bool v4 = inet_pton(AF_INET, text, address) == 1;

    assert_true(v4 || inet_pton(AF_INET6, text, address) == 1);
    return rt_http_may_reach(config, (rt_bytes){address, v4 ? 4 : 16});
}

static void
test_addresses_by_kind(void **state)
{
    const char *const public_ones[] = {"1.1.1.1", "172.15.0.1", "172.32.0.1", "192.167.1.1",
                                       "223.255.255.255", "2606:4700::1111", "2a00::1"};
    const char *const private_ones[] = {"10.0.0.1",     "172.16.0.1", "172.31.255.255",
                                        "192.168.1.1",  "100.64.0.1", "fc00::1", "fdff::1"};
    const char *const never[] = {"0.0.0.0",    "169.254.169.254", "224.0.0.1", "255.255.255.255",
                                 "::",         "::ffff:127.0.0.1", "::ffff:1.1.1.1",
                                 "::10.0.0.1", "64:ff9b::1.1.1.1", "2002:a00:1::1",
                                 "fe80::1",    "ff02::1",          "2001::1"};

    (void)state;
    for (size_t i = 0; i < RT_COUNT(public_ones); i++) {
        CHECK_TRUE(may_reach(&strict, public_ones[i]));
    }
    for (size_t i = 0; i < RT_COUNT(private_ones); i++) {
        CHECK_FALSE(may_reach(&strict, private_ones[i]));
        CHECK_TRUE(may_reach(&inner, private_ones[i]));
    }
    for (size_t i = 0; i < RT_COUNT(never); i++) {
        CHECK_FALSE(may_reach(&local, never[i]));
        CHECK_FALSE(may_reach(&inner, never[i]));
    }
    CHECK_FALSE(may_reach(&strict, "127.0.0.1"));
    CHECK_FALSE(may_reach(&inner, "::1"));
    CHECK_TRUE(may_reach(&local, "127.255.0.1"));
    CHECK_TRUE(may_reach(&local, "::1"));
    CHECK_FALSE(rt_http_may_reach(&local, (rt_bytes){0}));
}

static rt_err
check_with(const rt_http_config *config, const char *url, const char *header)
{
    rt_http_request request = {.method = "POST",
                               .url = url,
                               .headers = {header},
                               .header_count = header != NULL ? 1 : 0,
                               .timeout_ms = 1000};

    return rt_http_check(config, &request);
}

static void
test_urls_are_https_or_literal_loopback(void **state)
{
    const char *const refused[] = {"http://127.0.0.1.evil.example/",
                                   "http://127.0.0.1@evil.example/",
                                   "http://localhost/",              "http://10.0.0.1/",
                                   "ftp://a.example/",               "file:///etc/passwd",
                                   "https://",                       "https://user:pw@a.example/",
                                   "https://a.example/a b",          "https://a.example/\r\nX: y",
                                   "gopher://127.0.0.1/",            ""};

    (void)state;
    CHECK_OK(check_with(&strict, "https://a.example/hook?x=a@b", NULL));
    CHECK_OK(check_with(&local, "http://127.0.0.1:8080/x", NULL));
    CHECK_OK(check_with(&local, "http://[::1]:8080/x", NULL));
    CHECK_ERR(check_with(&strict, "http://127.0.0.1:8080/x", NULL), RT_EINVAL);
    for (size_t i = 0; i < RT_COUNT(refused); i++) {
        CHECK_ERR(check_with(&local, refused[i], NULL), RT_EINVAL);
    }
}

static void
test_headers_are_one_line_each(void **state)
{
    const char *const refused[] = {"X: a\r\nEvil: b", "X: a\nEvil: b", "X: a\rb", "no colon",
                                   ": empty name",    "Bad Name: x",   "Name : x", "X: \x01"};

    (void)state;
    CHECK_OK(check_with(&strict, "https://a.example/", "Authorization: Bearer x\ty"));
    for (size_t i = 0; i < RT_COUNT(refused); i++) {
        CHECK_ERR(check_with(&strict, "https://a.example/", refused[i]), RT_EINVAL);
    }
}

static void
test_method_timeout_and_body_are_bounded(void **state)
{
    rt_http_request request = {.method = "post", .url = "https://a.example/", .timeout_ms = 1};

    (void)state;
    CHECK_ERR(rt_http_check(&strict, &request), RT_EINVAL);
    request.method = "POST / HTTP";
    CHECK_ERR(rt_http_check(&strict, &request), RT_EINVAL);
    request.method = "POST";
    request.timeout_ms = 0;
    CHECK_ERR(rt_http_check(&strict, &request), RT_EINVAL);
    request.timeout_ms = 1;
    request.body.len = RT_HTTP_BODY_MAX + 1;
    CHECK_ERR(rt_http_check(&strict, &request), RT_EINVAL);
    request.body.len = 0;
    request.header_count = RT_HTTP_HEADERS_MAX + 1;
    CHECK_ERR(rt_http_check(&strict, &request), RT_EINVAL);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_addresses_by_kind),
        cmocka_unit_test(test_urls_are_https_or_literal_loopback),
        cmocka_unit_test(test_headers_are_one_line_each),
        cmocka_unit_test(test_method_timeout_and_body_are_bounded),
    };

    return CHECK_RUN(tests);
}
