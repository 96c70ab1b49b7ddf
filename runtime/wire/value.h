// wire/value.h: one typed scalar of an event, an entity or an expression.
//
// Layer: runtime/wire.   Threads: any. Strings are borrowed views.
#ifndef CEREBRO_RUNTIME_WIRE_VALUE_H
#define CEREBRO_RUNTIME_WIRE_VALUE_H

#include "runtime/base/bytes.h"
#include "runtime/base/text.h"
#include "runtime/wire/mp.h"

typedef enum rt_kind {
    RT_KIND_NONE = 0, // absent
    RT_KIND_BOOL,
    RT_KIND_I64,
    RT_KIND_F64,
    RT_KIND_STR,
    RT_KIND_TIME,     // ms since the Unix epoch, in `i`
    RT_KIND_DURATION, // ms, in `i`
} rt_kind;

typedef struct rt_value {
    rt_kind kind;
    union {
        bool b;
        int64_t i;
        double f;
        rt_str s;
    };
} rt_value;

#define RT_NONE ((rt_value){.kind = RT_KIND_NONE})
#define RT_BOOL(x) ((rt_value){.kind = RT_KIND_BOOL, .b = (x)})
#define RT_I64(x) ((rt_value){.kind = RT_KIND_I64, .i = (x)})
#define RT_F64(x) ((rt_value){.kind = RT_KIND_F64, .f = (x)})
#define RT_TEXT(x) ((rt_value){.kind = RT_KIND_STR, .s = (x)})
#define RT_TIME(x) ((rt_value){.kind = RT_KIND_TIME, .i = (x)})

// rt_kind_name is the name used in catalogues ("bool", "i64", "f64", "str", "time", "duration").
const char *rt_kind_name(rt_kind kind);
// rt_kind_parse reads such a name; false when unknown.
bool rt_kind_parse(rt_str name, rt_kind *ret_kind);
// rt_value_write appends the value as msgpack (time and duration as integers).
void rt_value_write(rt_mpw *w, rt_value value);
// rt_value_read reads one scalar of any msgpack type (nil = NONE); containers are RT_ETYPE.
rt_err rt_value_read(rt_mp *mp, rt_value *ret_value) RT_MUST_USE;
// rt_value_format appends a short human form (strings unquoted, times as RFC 3339).
void rt_value_format(rt_text *out, rt_value value);
// rt_value_as_f64 converts numbers, times and booleans; `fallback` for the rest.
double rt_value_as_f64(rt_value value, double fallback);
// rt_value_as_i64 converts numbers, times and booleans; `fallback` for the rest.
int64_t rt_value_as_i64(rt_value value, int64_t fallback);

#endif
