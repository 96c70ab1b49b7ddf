#include "runtime/wire/value.h"

#include "runtime/base/check.h"
#include "runtime/base/civil.h"
#include "runtime/wire/mp_fast.h"

// Design notes.
// On the wire a time or a duration is an integer: which of the two it is, the catalogue knows. So
// writing and reading back gives an I64 for them; who has the field's kind converts it. A msgpack
// timestamp is the one form that says by itself that it is a time.
// Strings are not checked for UTF-8 here: what comes from outside was checked at the door
// (rt_mp_check, rt_event_decode).

// Doubles from here on do not fit in an int64; 2^63 itself is exact as a double.
#define I64_LIMIT 9223372036854775808.0
#define NS_PER_MS 1000000
#define NS_MAX 999999999
#define TIME_MIN_S INT64_C(-62135596800) // 0001-01-01
#define TIME_MAX_S INT64_C(253402300799) // 9999-12-31

static const char *const kind_names[] = {
    [RT_KIND_NONE] = "none", [RT_KIND_BOOL] = "bool", [RT_KIND_I64] = "i64",
    [RT_KIND_F64] = "f64",   [RT_KIND_STR] = "str",   [RT_KIND_TIME] = "time",
    [RT_KIND_DURATION] = "duration",
};

const char *
rt_kind_name(rt_kind kind)
{
    RT_ASSERT((size_t)kind < RT_COUNT(kind_names));
    return kind_names[kind];
}

bool
rt_kind_parse(rt_str name, rt_kind *ret_kind)
{
    for (size_t i = RT_KIND_BOOL; i < RT_COUNT(kind_names); i++) {
        if (rt_str_is(name, kind_names[i])) {
            *ret_kind = (rt_kind)i;
            return true;
        }
    }
    return false;
}

rt_err
rt__mp_timestamp(const rt_mp_token *token, int64_t *ret_ms)
{
    const uint8_t *at = token->bytes.ptr;
    uint64_t ns = 0;
    int64_t seconds = 0;

    if (token->type != RT_MP_EXT || token->ext_type != MP_TIMESTAMP_EXT) {
        return rt_fail(RT_ETYPE, "expected a timestamp, found %s", rt__mp_type_name(token->type));
    }
    if (token->bytes.len == 4) {
        seconds = be32toh(rt__load32(at));
    } else if (token->bytes.len == 8) {
        uint64_t both = be64toh(rt__load64(at));

        ns = both >> 34;
        seconds = (int64_t)(both & ((UINT64_C(1) << 34) - 1));
    } else if (token->bytes.len == 12) {
        ns = be32toh(rt__load32(at));
        seconds = (int64_t)be64toh(rt__load64(at + 4));
    } else {
        return rt_fail(RT_ETYPE, "a timestamp of %zu bytes", token->bytes.len);
    }
    if (ns > NS_MAX || seconds < TIME_MIN_S || seconds > TIME_MAX_S) {
        return rt_fail(RT_ERANGE, "timestamp outside years 1 to 9999");
    }
    *ret_ms = seconds * 1000 + (int64_t)(ns / NS_PER_MS);
    return RT_OK;
}

void
rt_value_write(rt_mpw *w, rt_value value)
{
    switch (value.kind) {
    case RT_KIND_BOOL:
        rt_mpw_bool(w, value.b);
        break;
    case RT_KIND_I64:
    case RT_KIND_TIME:
    case RT_KIND_DURATION:
        rt_mpw_i64(w, value.i);
        break;
    case RT_KIND_F64:
        rt_mpw_f64(w, value.f);
        break;
    case RT_KIND_STR:
        rt_mpw_str(w, value.s);
        break;
    case RT_KIND_NONE:
        rt_mpw_nil(w);
        break;
    }
}

// Turns a token that is a scalar into a value.
static rt_err
value_of_token(const rt_mp_token *token, rt_value *ret_value)
{
    int64_t at_ms = 0;
    rt_err err = RT_OK;

    switch (token->type) {
    case RT_MP_NIL:
        *ret_value = RT_NONE;
        return RT_OK;
    case RT_MP_BOOL:
        *ret_value = RT_BOOL(token->b);
        return RT_OK;
    case RT_MP_INT:
        *ret_value = RT_I64(token->i);
        return RT_OK;
    case RT_MP_FLOAT:
        *ret_value = RT_F64(token->f);
        return RT_OK;
    case RT_MP_STR:
        *ret_value = RT_TEXT(token->str);
        return RT_OK;
    case RT_MP_UINT:
        return rt_fail(RT_ERANGE, "%llu does not fit in 63 bits", (unsigned long long)token->u);
    case RT_MP_EXT:
        err = rt__mp_timestamp(token, &at_ms);
        if (err == RT_OK) {
            *ret_value = RT_TIME(at_ms);
        }
        return err;
    case RT_MP_BIN:
    case RT_MP_ARRAY:
    case RT_MP_MAP:
        break;
    }
    return rt_fail(RT_ETYPE, "expected a scalar, found %s", rt__mp_type_name(token->type));
}

rt_err
rt_value_read(rt_mp *mp, rt_value *ret_value)
{
    const uint8_t *start = mp->at;
    rt_mp_token token;
    rt_err err = rt__mp_next(mp, &token);

    if (err == RT_OK) {
        err = value_of_token(&token, ret_value);
    }
    if (err != RT_OK) {
        mp->at = start;
    }
    return err;
}

// By hand: printf costs more than all else that a decision writes about a number.
static void
put_i64(rt_text *out, int64_t value)
{
    char digits[20];
    size_t at = sizeof(digits);
    uint64_t left = value < 0 ? -(uint64_t)value : (uint64_t)value;

    do {
        digits[--at] = (char)('0' + left % 10);
        left /= 10;
    } while (left > 0);
    if (value < 0) {
        digits[--at] = '-';
    }
    rt_text_put(out, digits + at, sizeof(digits) - at);
}

void
rt_value_format(rt_text *out, rt_value value)
{
    char buf[64];

    _Static_assert(sizeof(buf) >= RT_RFC3339_CAP && sizeof(buf) >= RT_F64_CAP, "room for a time");
    switch (value.kind) {
    case RT_KIND_NONE:
        rt_text_cstr(out, "none");
        break;
    case RT_KIND_BOOL:
        rt_text_cstr(out, value.b ? "true" : "false");
        break;
    case RT_KIND_I64:
        put_i64(out, value.i);
        break;
    case RT_KIND_F64:
        rt_text_put(out, buf, rt_format_f64(value.f, buf, sizeof(buf)));
        break;
    case RT_KIND_STR:
        rt_text_str(out, value.s);
        break;
    case RT_KIND_TIME:
        rt_text_cstr(out, rt_format_rfc3339(value.i, buf));
        break;
    case RT_KIND_DURATION:
        rt_text_cstr(out, rt_format_duration(value.i, buf, sizeof(buf)));
        break;
    }
}

double
rt_value_as_f64(rt_value value, double fallback)
{
    switch (value.kind) {
    case RT_KIND_BOOL:
        return value.b ? 1.0 : 0.0;
    case RT_KIND_I64:
    case RT_KIND_TIME:
    case RT_KIND_DURATION:
        return (double)value.i;
    case RT_KIND_F64:
        return value.f;
    case RT_KIND_NONE:
    case RT_KIND_STR:
        break;
    }
    return fallback;
}

int64_t
rt_value_as_i64(rt_value value, int64_t fallback)
{
    switch (value.kind) {
    case RT_KIND_BOOL:
        return value.b ? 1 : 0;
    case RT_KIND_I64:
    case RT_KIND_TIME:
    case RT_KIND_DURATION:
        return value.i;
    case RT_KIND_F64:
        // A NaN fails both comparisons; a cast of what does not fit would be undefined.
        return value.f >= -I64_LIMIT && value.f < I64_LIMIT ? (int64_t)value.f : fallback;
    case RT_KIND_NONE:
    case RT_KIND_STR:
        break;
    }
    return fallback;
}
