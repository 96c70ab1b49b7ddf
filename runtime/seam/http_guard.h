// seam/http_guard.h: what an outgoing request must be like before anything is sent, and which
// addresses it may reach. Shared by the real and the simulated client, so that both refuse alike.
//
// Layer: runtime/seam.   Threads: any. Pure functions.
#ifndef CEREBRO_RUNTIME_SEAM_HTTP_GUARD_H
#define CEREBRO_RUNTIME_SEAM_HTTP_GUARD_H

#include "runtime/seam/http.h"

#define RT_HTTP_URL_MAX 2048
#define RT_HTTP_HEADER_MAX 8192

// rt_http_check refuses a request that is malformed or not allowed by `config`: https to anywhere
// by name, http only to the literal loopback addresses and only with allow_loopback; no user in the
// address; no control characters anywhere (curl sends header bytes as they are).
//   errors    RT_EINVAL; the detail says why
rt_err rt_http_check(const rt_http_config *config, const rt_http_request *request) RT_MUST_USE;

// rt_http_may_reach tells whether a resolved address (4 or 16 bytes, network order) is allowed.
// Addresses that embed an IPv4 address (::ffff:0:0/96 and its relatives) never are.
bool rt_http_may_reach(const rt_http_config *config, rt_bytes address);

#endif
