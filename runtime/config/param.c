#include "runtime/config/param.h"

#include "runtime/base/check.h"

// Design notes.
// One reader for every tunable, whether it comes from a file, the environment, a flag or an agent's
// overrides, so that "10s" means the same everywhere. The detail of an error is a whole sentence
// without the parameter's name, because the caller knows better how to name it.

#define GIVEN_MAX 60 // of a wrong value, in a message

// RT_STR_ARG of a value cut to what a message can bear.
static rt_str
shown(rt_str text)
{
    return (rt_str){text.ptr, RT_MIN(text.len, (size_t)GIVEN_MAX)};
}

static rt_err
wrong_type(const rt_param *param, rt_str text, const char *example)
{
    rt_str s = shown(text);

    return rt_fail(RT_ETYPE, "must be a %s such as %s, is '%.*s'", rt_param_type_name(param->type),
                   example, RT_STR_ARG(s));
}

static rt_err
out_of_range(const rt_param *param, rt_str text)
{
    char low[RT_F64_CAP];
    char high[RT_F64_CAP];
    rt_str s = shown(text);

    (void)rt_format_f64(param->min, low, sizeof(low));
    (void)rt_format_f64(param->max, high, sizeof(high));
    return rt_fail(RT_ERANGE, "must be from %s to %s%s%s, is '%.*s'", low, high,
                   param->unit != NULL && param->unit[0] != '\0' ? " " : "",
                   param->unit != NULL ? param->unit : "", RT_STR_ARG(s));
}

static rt_err
parse_bool(const rt_param *param, rt_str text, rt_param_value *ret_value)
{
    if (rt_str_is(text, "true")) {
        *ret_value = (rt_param_value){.b = true};
    } else if (rt_str_is(text, "false")) {
        *ret_value = (rt_param_value){.b = false};
    } else {
        return wrong_type(param, text, "true or false");
    }
    return RT_OK;
}

static rt_err
check_i64(const rt_param *param, rt_err err, rt_str text, int64_t value, const char *example,
          rt_param_value *ret_value)
{
    if (err == RT_ERANGE) {
        return out_of_range(param, text);
    }
    if (err != RT_OK) {
        return wrong_type(param, text, example);
    }
    if ((double)value < param->min || (double)value > param->max) {
        return out_of_range(param, text);
    }
    *ret_value = (rt_param_value){.i = value, .f = (double)value};
    return RT_OK;
}

static rt_err
parse_f64(const rt_param *param, rt_str text, rt_param_value *ret_value)
{
    double value = 0;
    rt_err err = rt_parse_f64(text, &value);

    if (err == RT_ERANGE) {
        return out_of_range(param, text);
    }
    if (err != RT_OK) {
        return wrong_type(param, text, "0.25");
    }
    // Written so that a NaN, should one ever come through, is out of range as well.
    if (!(value >= param->min && value <= param->max)) {
        return out_of_range(param, text);
    }
    *ret_value = (rt_param_value){.f = value};
    return RT_OK;
}

static rt_err
parse_str(const rt_param *param, rt_str text, rt_param_value *ret_value)
{
    rt_str s = shown(text);

    if (!rt_utf8_valid(text) || memchr(text.ptr != NULL ? text.ptr : "", '\0', text.len) != NULL) {
        return rt_fail(RT_ETYPE, "must be UTF-8 text without NUL");
    }
    if ((double)text.len < param->min) {
        return rt_fail(RT_ERANGE, "must have at least %.0f bytes, is '%.*s'", param->min,
                       RT_STR_ARG(s));
    }
    if ((double)text.len > param->max) {
        return rt_fail(RT_ERANGE, "must have at most %.0f bytes, has %zu", param->max, text.len);
    }
    *ret_value = (rt_param_value){.s = text};
    return RT_OK;
}

rt_err
rt_param_parse(const rt_param *param, rt_str text, rt_param_value *ret_value)
{
    int64_t value = 0;
    rt_err err = RT_OK;

    RT_ASSERT(param != NULL);
    RT_ASSERT(ret_value != NULL);
    switch (param->type) {
    case RT_PARAM_BOOL:
        return parse_bool(param, text, ret_value);
    case RT_PARAM_I64:
        err = rt_parse_i64(text, &value);
        return check_i64(param, err, text, value, "12", ret_value);
    case RT_PARAM_F64:
        return parse_f64(param, text, ret_value);
    case RT_PARAM_STR:
        return parse_str(param, text, ret_value);
    case RT_PARAM_DURATION_MS:
        err = rt_parse_duration_ms(text, &value);
        return check_i64(param, err, text, value, "250ms, 10s, 5m or 24h", ret_value);
    case RT_PARAM_SIZE_BYTES:
        err = rt_parse_size_bytes(text, &value);
        return check_i64(param, err, text, value, "512, 64KiB or 1GiB", ret_value);
    }
    RT_UNREACHABLE("every type is read above");
}

rt_param_value
rt_param_fallback(const rt_param *param)
{
    rt_param_value value = {.i = 0};
    rt_err err = rt_param_parse(param, rt_str_of(param->fallback), &value);

    RT_ASSERT(err == RT_OK);
    return value;
}

const char *
rt_param_type_name(rt_param_type type)
{
    switch (type) {
    case RT_PARAM_BOOL:
        return "bool";
    case RT_PARAM_I64:
        return "whole number";
    case RT_PARAM_F64:
        return "number";
    case RT_PARAM_STR:
        return "text";
    case RT_PARAM_DURATION_MS:
        return "duration";
    case RT_PARAM_SIZE_BYTES:
        return "size";
    }
    RT_UNREACHABLE("every type is named above");
}
