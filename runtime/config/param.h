// config/param.h: one tunable: name, type, default, bounds, unit and help, declared in a table.
//
// Layer: runtime/config.   Threads: any (constants).
#ifndef CEREBRO_RUNTIME_CONFIG_PARAM_H
#define CEREBRO_RUNTIME_CONFIG_PARAM_H

#include <stdint.h>

#include "runtime/base/text.h"

typedef enum rt_param_type {
    RT_PARAM_BOOL,        // fallback "true" or "false"
    RT_PARAM_I64,         // whole number within [min, max]
    RT_PARAM_F64,         // number within [min, max]
    RT_PARAM_STR,         // text of at most max bytes
    RT_PARAM_DURATION_MS, // "10s", "24h"; bounds in ms
    RT_PARAM_SIZE_BYTES,  // "64MiB"; bounds in bytes
} rt_param_type;

typedef struct rt_param {
    const char *name; // "journal.segment_bytes" of the daemon, "min_margin" of an agent
    rt_param_type type;
    const char *fallback; // text form of the default
    double min;
    double max;
    const char *unit; // "" when it has none
    const char *help; // one sentence
} rt_param;

// One typed value; which member holds it follows from the parameter's type.
typedef struct rt_param_value {
    bool b;
    int64_t i; // I64, DURATION_MS, SIZE_BYTES
    double f;
    rt_str s;
} rt_param_value;

// rt_param_parse reads the text form of a value and checks it against the parameter's bounds.
//   ret_value text views `text`
//   errors    RT_ETYPE not of the parameter's type · RT_ERANGE outside its bounds; the detail is a
//             sentence for people: what is wanted and what was given
rt_err rt_param_parse(const rt_param *param, rt_str text, rt_param_value *ret_value) RT_MUST_USE;
// rt_param_fallback reads the default, which must be right (asserted).
rt_param_value rt_param_fallback(const rt_param *param);
// rt_param_type_name is "bool", "whole number", "number", "text", "duration" or "size".
const char *rt_param_type_name(rt_param_type type);

#endif
