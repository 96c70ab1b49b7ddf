// wire/json.h: JSON at the edges only: text in, msgpack inside, text out.
//
// Layer: runtime/wire.   Threads: any.   The only user of cJSON.
// cJSON accepts invalid UTF-8, raw control characters, "\u0000", trailing garbage and rounds
// integers to doubles; all of that is refused or repaired here before anything else sees it.
#ifndef CEREBRO_RUNTIME_WIRE_JSON_H
#define CEREBRO_RUNTIME_WIRE_JSON_H

#include "runtime/base/text.h"
#include "runtime/wire/mp.h"

#define RT_JSON_DEPTH_MAX 16
#define RT_JSON_BYTES_MAX (1024 * 1024)

// rt_json_to_mp turns one JSON text into one msgpack value appended to `out`. Integers that fit in
// int64 stay exact (they are re-read from the text, not from cJSON's double). Duplicate keys are
// refused; an integer above INT64_MAX that fits in uint64 stays exact too, a larger one is refused.
// After a failure `out` is as long as before.
//   errors    RT_EPROTO with line and column in the detail · RT_EUTF8 · RT_ELIMIT · RT_EDUP
rt_err rt_json_to_mp(rt_str json, rt_mpw *out) RT_MUST_USE;

// rt_json_from_mp writes one msgpack value as JSON on one line; bin as base64, non-finite numbers
// as null, ext as {"ext":type,"base64":...}. Own writer: shortest exact doubles, exact integers.
// What is not UTF-8 in a string becomes U+FFFD; keys other than strings are put in quotes. After a
// failure `out` is as long as before.
//   errors    RT_EPROTO not well-formed msgpack, or a container as a key · RT_ELIMIT depth, size
rt_err rt_json_from_mp(rt_bytes mp, rt_text *out) RT_MUST_USE;

// rt_json_pretty is rt_json_from_mp with two-space indentation.
rt_err rt_json_pretty(rt_bytes mp, rt_text *out) RT_MUST_USE;

// rt_json_string appends a quoted, escaped JSON string.
void rt_json_string(rt_text *out, rt_str value);

#endif
