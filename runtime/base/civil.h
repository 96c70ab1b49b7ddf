// base/civil.h: calendar arithmetic and RFC 3339 text, without libc's clocks or zones.
//
// Layer: runtime/base.   Threads: any.   Units: ms since 1970-01-01T00:00:00Z.
// Source: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", 2013.
#ifndef CEREBRO_RUNTIME_BASE_CIVIL_H
#define CEREBRO_RUNTIME_BASE_CIVIL_H

#include "runtime/base/bytes.h"
#include "runtime/base/err.h"

#define RT_RFC3339_CAP 40

typedef struct rt_civil {
    int32_t year;
    int32_t month;   // 1..12
    int32_t day;     // 1..31
    int32_t hour;    // 0..23
    int32_t minute;  // 0..59
    int32_t second;  // 0..59
    int32_t ms;      // 0..999
    int32_t weekday; // 0 = Sunday
} rt_civil;

// rt_civil_from_ms breaks an instant into UTC calendar fields; pass at_ms + offset for local time.
rt_civil rt_civil_from_ms(int64_t at_ms);
// rt_civil_to_ms is the inverse (weekday ignored).
int64_t rt_civil_to_ms(const rt_civil *civil);
// rt_parse_rfc3339 reads "2026-11-20T05:00:00[.123](Z|±hh:mm)"; a space for T is accepted.
//   errors    RT_EINVAL another form or an impossible date
rt_err rt_parse_rfc3339(rt_str text, int64_t *ret_ms) RT_MUST_USE;
// rt_format_rfc3339 writes "2026-11-20T05:00:00.123Z" (ms left out when zero); returns `buf`.
const char *rt_format_rfc3339(int64_t at_ms, char buf[RT_RFC3339_CAP]);

#endif
