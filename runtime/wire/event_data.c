#include <stdarg.h>
#include <stdio.h>

#include "runtime/base/check.h"
#include "runtime/base/civil.h"
#include "runtime/wire/event_decoder.h"

// Design notes.
// A data field is first compared with the field after the last one found: a producer sends its
// fields in one order, which mostly is the catalogue's; only on a miss the type's hash table is
// asked. Fields seen are bits of a word.
//
// Integers stay integers: an i64 field takes no float, not even 3.0, since a producer that sends
// one has lost the type and, above 2^53, perhaps the value. An f64 field takes both.

#define TIME_MIN_MS INT64_C(-62135596800000) // 0001-01-01T00:00:00Z
#define TIME_MAX_MS INT64_C(253402300799999) // 9999-12-31T23:59:59.999Z

// Cuts a text that may end inside a UTF-8 character before that character.
static void
trim_utf8(char *text)
{
    size_t len = strlen(text);
    size_t at = len;

    while (at > 0 && len - at < 3 && ((uint8_t)text[at - 1] & 0xc0) == 0x80) {
        at--;
    }
    if (at > 0 && !rt__utf8((rt_str){text + at - 1, len - at + 1})) {
        text[at - 1] = '\0';
    }
}

const char *
rt__shown(rt_str text, char buf[SHOWN_CAP])
{
    size_t len = RT_MIN(text.len, (size_t)SHOWN_CAP - 4);

    if (!rt__utf8(text)) {
        return "?";
    }
    for (size_t i = 0; i < len; i++) {
        uint8_t c = (uint8_t)text.ptr[i];

        buf[i] = c < 0x20 || c == 0x7f ? '?' : text.ptr[i];
    }
    buf[len] = '\0';
    if (len < text.len) {
        trim_utf8(buf);
        memcpy(buf + strlen(buf), "...", 4);
    }
    return buf;
}

rt_err
rt__refuse(rt__decoder *d, rt_err err, const char *path, const char *fmt, ...)
{
    va_list args;

    d->reject->err = err;
    (void)snprintf(d->reject->path, sizeof(d->reject->path), "%s", path);
    va_start(args, fmt);
    (void)vsnprintf(d->reject->text, sizeof(d->reject->text), fmt, args);
    va_end(args);
    trim_utf8(d->reject->path);
    trim_utf8(d->reject->text);
    return err;
}

// The path of a data field.
static const char *
field_path(const rt_field *field, char buf[RT_REJECT_PATH_MAX])
{
    (void)snprintf(buf, RT_REJECT_PATH_MAX, "data.%.*s", RT_STR_ARG(field->name));
    return buf;
}

// Refuses what stands at the cursor with a sentence of three parts and the name of its type;
// malformed bytes are refused as that.
static rt_err
refuse_token(rt__decoder *d, const char *path, const char *before, const char *wanted,
             const char *between)
{
    rt_mp m = d->mp;
    rt_mp_token token;

    if (rt_mp_next(&m, &token) != RT_OK) {
        return rt__refuse(d, RT_EPROTO, path, "malformed: %s", rt_err_detail());
    }
    return rt__refuse(d, RT_ETYPE, path, "%s%s%s%s", before, wanted, between,
                      rt__mp_type_name(token.type));
}

rt_err
rt__refuse_type(rt__decoder *d, const char *path, const char *wanted)
{
    return refuse_token(d, path, "must be ", wanted, ", is ");
}

rt_err
rt__refuse_key(rt__decoder *d, const char *path)
{
    return refuse_token(d, path, "keys must be ", "strings", ", one is ");
}

bool
rt__take_long_str(rt_mp *mp, rt_str *ret_str)
{
    const uint8_t *start = mp->at;
    rt_mp_token token;

    if (rt_mp_next(mp, &token) != RT_OK || token.type != RT_MP_STR) {
        mp->at = start;
        return false;
    }
    *ret_str = token.str;
    return true;
}

// Refuses what stands at the cursor as a time, for the error that reading it gave.
static rt_err
refuse_time(rt__decoder *d, const rt_field *field, rt_err err)
{
    char buf[RT_REJECT_PATH_MAX];
    char given[SHOWN_CAP];
    const char *path = field != NULL ? field_path(field, buf) : rt__attribute_names[ATTR_TIME];
    rt_mp m = d->mp;
    rt_str text = {NULL, 0};

    if (err == RT_ERANGE) {
        return rt__refuse(d, RT_ERANGE, path, "must lie in the years 1 to 9999");
    }
    if (rt__take_str(&m, &text)) {
        return rt__refuse(d, RT_ETYPE, path, "must be a time like 2026-11-20T05:00:00Z, is '%s'",
                          rt__shown(text, given));
    }
    return rt__refuse_type(d, path, "a time (RFC 3339 text, timestamp or ms since 1970)");
}

rt_err
rt__decode_time(rt__decoder *d, const rt_field *field, int64_t *ret_ms)
{
    const uint8_t *start = d->mp.at;
    rt_mp_token token;
    int64_t ms = 0;
    rt_err err = rt__mp_next(&d->mp, &token);

    if (err == RT_OK && token.type == RT_MP_STR) {
        err = rt_parse_rfc3339(token.str, &ms);
    } else if (err == RT_OK && token.type == RT_MP_INT) {
        ms = token.i;
    } else if (err == RT_OK) {
        err = rt__mp_timestamp(&token, &ms);
    }
    if (err == RT_OK && (ms < TIME_MIN_MS || ms > TIME_MAX_MS)) {
        err = RT_ERANGE;
    }
    if (err != RT_OK) {
        d->mp.at = start;
        return refuse_time(d, field, err);
    }
    *ret_ms = ms;
    return RT_OK;
}

// Refuses a number outside the field's bounds; both numbers as the producer wrote them.
static rt_err
refuse_bounds(rt__decoder *d, const rt_field *field, rt_value value)
{
    char path[RT_REJECT_PATH_MAX];
    char limit[RT_F64_CAP + 1];
    char given[RT_F64_CAP + 1];
    double number = rt_value_as_f64(value, 0.0);
    bool is_low = field->has_min && number < field->min;

    limit[rt_format_f64(is_low ? field->min : field->max, limit, sizeof(limit) - 1)] = '\0';
    if (value.kind == RT_KIND_F64) {
        given[rt_format_f64(value.f, given, sizeof(given) - 1)] = '\0';
    } else {
        (void)snprintf(given, sizeof(given), "%lld", (long long)value.i);
    }
    return rt__refuse(d, RT_ERANGE, field_path(field, path), "must be at %s %s, is %s",
                      is_low ? "least" : "most", limit, given);
}

static inline bool
is_inside(const rt_field *field, double number)
{
    return (!field->has_min || number >= field->min) && (!field->has_max || number <= field->max);
}

static rt_err
decode_i64(rt__decoder *d, const rt_field *field, rt_value *ret_value)
{
    char path[RT_REJECT_PATH_MAX];
    const uint8_t *start = d->mp.at;
    rt_mp_token token;

    if (rt__mp_next(&d->mp, &token) != RT_OK ||
        (token.type != RT_MP_INT && token.type != RT_MP_UINT)) {
        d->mp.at = start;
        return rt__refuse_type(d, field_path(field, path), "an integer");
    }
    if (token.type == RT_MP_UINT) {
        return rt__refuse(d, RT_ERANGE, field_path(field, path), "must fit in 63 bits, is %llu",
                          (unsigned long long)token.u);
    }
    ret_value->kind = field->kind;
    ret_value->i = token.i;
    if (RT_UNLIKELY(!is_inside(field, (double)token.i))) {
        return refuse_bounds(d, field, *ret_value);
    }
    return RT_OK;
}

static rt_err
decode_f64(rt__decoder *d, const rt_field *field, rt_value *ret_value)
{
    char path[RT_REJECT_PATH_MAX];
    double number = 0.0;

    if (!rt__mp_double(&d->mp, &number) && rt_mp_f64(&d->mp, &number) != RT_OK) {
        return rt__refuse_type(d, field_path(field, path), "a number");
    }
    if (RT_UNLIKELY(!isfinite(number))) {
        return rt__refuse(d, RT_ERANGE, field_path(field, path), "must be finite");
    }
    ret_value->kind = RT_KIND_F64;
    ret_value->f = number;
    if (RT_UNLIKELY(!is_inside(field, number))) {
        return refuse_bounds(d, field, *ret_value);
    }
    return RT_OK;
}

// Refuses a string that is not in the field's closed list.
static rt_err
refuse_value(rt__decoder *d, const rt_field *field, rt_str given)
{
    char path[RT_REJECT_PATH_MAX];
    char buf[SHOWN_CAP];
    char help[96];
    const char *nearest =
        rt_diag_did_you_mean(given, field->values, field->value_count, help, sizeof(help));

    if (nearest != NULL) {
        return rt__refuse(d, RT_ERANGE, field_path(field, path), "'%s' is not allowed; %s",
                          rt__shown(given, buf), nearest);
    }
    return rt__refuse(d, RT_ERANGE, field_path(field, path), "'%s' is not one of the %u values",
                      rt__shown(given, buf), field->value_count);
}

static bool
is_listed(const rt_field *field, rt_str text)
{
    for (uint32_t i = 0; i < field->value_count; i++) {
        if (field->values[i].len == text.len &&
            rt__same(field->values[i].ptr, text.ptr, text.len)) {
            return true;
        }
    }
    return false;
}

static rt_err
decode_str(rt__decoder *d, const rt_field *field, rt_value *ret_value)
{
    char path[RT_REJECT_PATH_MAX];
    rt_str text = {NULL, 0};

    if (RT_UNLIKELY(!rt__take_str(&d->mp, &text))) {
        return rt__refuse_type(d, field_path(field, path), "a string");
    }
    if (RT_UNLIKELY(text.len > field->cap)) {
        return rt__refuse(d, RT_ELIMIT, field_path(field, path), "must be at most %u bytes, is %zu",
                          field->cap, text.len);
    }
    if (RT_UNLIKELY(!rt__utf8(text))) {
        return rt__refuse(d, RT_EUTF8, field_path(field, path), "is not UTF-8");
    }
    if (field->value_count > 0 && !is_listed(field, text)) {
        return refuse_value(d, field, text);
    }
    ret_value->kind = RT_KIND_STR;
    ret_value->s = text;
    return RT_OK;
}

static rt_err
decode_bool(rt__decoder *d, const rt_field *field, rt_value *ret_value)
{
    char path[RT_REJECT_PATH_MAX];
    bool value = false;

    if (rt_mp_bool(&d->mp, &value) != RT_OK) {
        return rt__refuse_type(d, field_path(field, path), "a boolean");
    }
    *ret_value = RT_BOOL(value);
    return RT_OK;
}

// Reads a duration: ms, or text such as "1h30m".
static rt_err
decode_duration(rt__decoder *d, const rt_field *field, rt_value *ret_value)
{
    char path[RT_REJECT_PATH_MAX];
    char buf[SHOWN_CAP];
    rt_str text = {NULL, 0};
    int64_t ms = 0;

    if (!rt__take_str(&d->mp, &text)) {
        return decode_i64(d, field, ret_value);
    }
    if (rt_parse_duration_ms(text, &ms) != RT_OK) {
        return rt__refuse(d, RT_ETYPE, field_path(field, path),
                          "must be a duration like 1h30m or a number of ms, is '%s'",
                          rt__shown(text, buf));
    }
    *ret_value = (rt_value){.kind = RT_KIND_DURATION, .i = ms};
    if (!is_inside(field, (double)ms)) {
        return refuse_bounds(d, field, *ret_value);
    }
    return RT_OK;
}

// Reads the value of one data field into its slot; nil is the same as leaving the field out.
static inline rt_err
decode_field(rt__decoder *d, const rt_field *field, rt_value *slot)
{
    if (d->mp.at < d->mp.end && *d->mp.at == MP_NIL) {
        d->mp.at++;
        return RT_OK;
    }
    switch (field->kind) {
    case RT_KIND_STR:
        return decode_str(d, field, slot);
    case RT_KIND_I64:
        return decode_i64(d, field, slot);
    case RT_KIND_F64:
        return decode_f64(d, field, slot);
    case RT_KIND_BOOL:
        return decode_bool(d, field, slot);
    case RT_KIND_DURATION:
        return decode_duration(d, field, slot);
    case RT_KIND_TIME:
        slot->kind = RT_KIND_TIME;
        return rt__decode_time(d, field, &slot->i);
    case RT_KIND_NONE:
        break;
    }
    RT_UNREACHABLE("the catalogue compiles no field of kind none");
}

// Refuses a data field that the type does not have.
static rt_err
refuse_field(rt__decoder *d, rt_str name)
{
    const rt_event_type *type = d->event->type;
    rt_str names[RT_EVENT_FIELDS_MAX];
    char path[RT_REJECT_PATH_MAX];
    char buf[SHOWN_CAP];
    char help[96];
    const char *nearest = NULL;

    for (uint32_t i = 0; i < type->field_count; i++) {
        names[i] = type->fields[i].name;
    }
    nearest = rt_diag_did_you_mean(name, names, type->field_count, help, sizeof(help));
    (void)snprintf(path, sizeof(path), "data.%s", rt__shown(name, buf));
    return rt__refuse(d, RT_EUNKNOWN, path, "is no field of %.*s%s%s", RT_STR_ARG(type->name),
                      nearest != NULL ? "; " : "", nearest != NULL ? nearest : "");
}

rt_err
rt__refuse_missing(rt__decoder *d, uint32_t filled)
{
    const rt_event_type *type = d->event->type;
    char path[RT_REJECT_PATH_MAX];
    uint32_t slot = 0;

    while ((type->required & ~filled & (UINT32_C(1) << slot)) == 0) {
        slot++;
    }
    return rt__refuse(d, RT_EMISSING, field_path(&type->fields[slot], path), "is required");
}

static rt_err
refuse_duplicate_field(rt__decoder *d, const rt_field *field)
{
    char path[RT_REJECT_PATH_MAX];

    return rt__refuse(d, RT_EDUP, field_path(field, path), "stands twice");
}

rt_err
rt__decode_data(rt__decoder *d)
{
    const rt_event_type *type = d->event->type;
    rt_value *slots = d->event->slots;
    uint32_t pairs = 0;
    uint32_t seen = 0;
    uint32_t filled = 0;
    uint32_t guess = 0;

    if (rt_mp_map(&d->mp, &pairs) != RT_OK) {
        return rt__refuse_type(d, "data", "a map");
    }
    for (uint32_t i = 0; i < pairs; i++) {
        rt_str name = {NULL, 0};
        uint32_t bit = 0;
        int slot = 0;
        rt_err err = RT_OK;

        if (RT_UNLIKELY(!rt__take_str(&d->mp, &name))) {
            return rt__refuse_key(d, "data");
        }
        slot = rt__find_slot(type, name, guess);
        if (RT_UNLIKELY(slot < 0)) {
            return refuse_field(d, name);
        }
        bit = UINT32_C(1) << slot;
        if (RT_UNLIKELY((seen & bit) != 0)) {
            return refuse_duplicate_field(d, &type->fields[slot]);
        }
        err = decode_field(d, &type->fields[slot], &slots[slot]);
        if (RT_UNLIKELY(err != RT_OK)) {
            return err;
        }
        seen |= bit;
        filled |= slots[slot].kind != RT_KIND_NONE ? bit : 0;
        guess = (uint32_t)slot + 1;
    }
    if (RT_UNLIKELY((type->required & ~filled) != 0)) {
        return rt__refuse_missing(d, filled);
    }
    return RT_OK;
}

