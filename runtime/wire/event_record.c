#include "runtime/base/check.h"
#include "runtime/base/civil.h"
#include "runtime/wire/event_decoder.h"

// Design notes.
// The journal form is [form, type, data, time_ms, tenant, priority, flags, depth, sequence, id,
// source, subject, correlation, causation, context]: an array, since these names never change; data
// is a map by field name, so that records outlive changes of the catalogue; context is a bin, which
// is passed over without a walk. Further elements may be appended.
//
// Writing measures first and reserves once, so that everything after is stores to one place.
// Reading trusts more than event_data.c does: a record was validated before it was written, and its
// checksum was verified before it came here. Still nothing in it can lead out of the payload.

#define FORM_VERSION 1
#define FORM_FIELDS 15
#define FLAG_INTERNAL 0x01u
#define FLAG_SEQUENCE 0x02u

// Counts the fields that have a value and the bytes they take at most.
static uint32_t
measure_slots(const rt_event *event, size_t *ret_bytes)
{
    const rt_event_type *type = event->type;
    uint32_t count = 0;
    size_t bytes = 0;

    for (uint32_t i = 0; i < type->field_count; i++) {
        const rt_value *slot = &event->slots[i];

        if (slot->kind != RT_KIND_NONE) {
            count++;
            bytes += MP_HEADER_BYTES_MAX + type->fields[i].name.len + MP_INT_BYTES_MAX;
            bytes += slot->kind == RT_KIND_STR ? slot->s.len : 0;
        }
    }
    *ret_bytes = bytes;
    return count;
}

// Writes one value where there is room for it.
static inline uint8_t *
put_value(uint8_t *at, const rt_value *value)
{
    switch (value->kind) {
    case RT_KIND_STR:
        return rt__put_str(at, value->s);
    case RT_KIND_F64:
        return rt__put_f64(at, value->f);
    case RT_KIND_I64:
    case RT_KIND_TIME:
    case RT_KIND_DURATION:
        return rt__put_i64(at, value->i);
    case RT_KIND_BOOL:
        return rt__put_byte(at, value->b ? MP_TRUE : MP_FALSE);
    case RT_KIND_NONE:
        break;
    }
    return rt__put_byte(at, MP_NIL);
}

static uint8_t *
put_slots(uint8_t *at, const rt_event *event, uint32_t count)
{
    const rt_event_type *type = event->type;

    at = rt__put_count(at, count, MP_FIXMAP, MP_MAP16);
    for (uint32_t i = 0; i < type->field_count; i++) {
        if (event->slots[i].kind != RT_KIND_NONE) {
            at = rt__put_str(at, type->fields[i].name);
            at = put_value(at, &event->slots[i]);
        }
    }
    return at;
}

static uint8_t *
put_record(uint8_t *at, const rt_event *event, uint32_t count)
{
    unsigned flags = (event->internal ? FLAG_INTERNAL : 0) |
                     (event->has_sequence ? FLAG_SEQUENCE : 0);

    at = rt__put_count(at, FORM_FIELDS, MP_FIXARRAY, MP_ARRAY16);
    at = rt__put_byte(at, FORM_VERSION);
    at = rt__put_str(at, event->type->name);
    at = put_slots(at, event, count);
    at = rt__put_i64(at, event->time_ms);
    at = rt__put_u64(at, event->tenant.v);
    at = rt__put_byte(at, event->priority);
    at = rt__put_byte(at, flags);
    at = rt__put_u64(at, event->depth);
    at = rt__put_u64(at, event->sequence);
    at = rt__put_str(at, event->id);
    at = rt__put_str(at, event->source);
    at = rt__put_str(at, event->subject);
    at = rt__put_str(at, event->correlation);
    at = rt__put_str(at, event->causation);
    return rt__put_bin(at, event->context);
}

void
rt_event_encode(const rt_event *event, rt_mpw *w)
{
    size_t bytes = 0;
    uint32_t count = 0;
    uint8_t *at = NULL;

    RT_ASSERT(event != NULL && event->type != NULL);
    count = measure_slots(event, &bytes);
    bytes += (FORM_FIELDS + 2) * MP_INT_BYTES_MAX + event->type->name.len + event->id.len +
             event->source.len + event->subject.len + event->correlation.len +
             event->causation.len + event->context.len;
    if (bytes > UINT32_MAX) {
        w->failed = true;
        return;
    }
    at = rt_mpw_reserve(w, bytes);
    if (at != NULL) {
        w->len = (size_t)(put_record(at, event, count) - w->ptr);
    }
}

// Reads the next element of a record; a wrong one clears *ok, which is asked once at the end.
static inline int64_t
next_i64(rt_mp *mp, bool *ok)
{
    rt_mp_token token;

    if (rt__mp_next(mp, &token) != RT_OK || token.type != RT_MP_INT) {
        *ok = false;
        return 0;
    }
    return token.i;
}

static inline rt_str
next_str(rt_mp *mp, bool *ok)
{
    rt_str text = {NULL, 0};

    if (!rt__take_str(mp, &text)) {
        *ok = false;
    }
    return text;
}

// Takes over a recorded value if it fits the kind that the field has today; else the slot stays
// empty.
static inline void
fill_slot(rt_value *slot, rt_kind kind, const rt_mp_token *token)
{
    bool is_int = token->type == RT_MP_INT;

    switch (kind) {
    case RT_KIND_I64:
    case RT_KIND_TIME:
    case RT_KIND_DURATION:
        if (is_int) {
            slot->kind = kind;
            slot->i = token->i;
        }
        break;
    case RT_KIND_F64:
        if (is_int || token->type == RT_MP_FLOAT) {
            slot->kind = kind;
            slot->f = is_int ? (double)token->i : token->f;
        }
        break;
    case RT_KIND_BOOL:
        if (token->type == RT_MP_BOOL) {
            slot->kind = kind;
            slot->b = token->b;
        }
        break;
    case RT_KIND_STR:
        if (token->type == RT_MP_STR) {
            slot->kind = kind;
            slot->s = token->str;
        }
        break;
    case RT_KIND_NONE:
        break;
    }
}

// Reads a recorded value into its slot.
static inline bool
read_slot(rt_mp *mp, rt_kind kind, rt_value *slot)
{
    const uint8_t *start = mp->at;
    rt_mp_token token;

    if (kind == RT_KIND_STR && rt__mp_key(mp, &slot->s)) {
        slot->kind = RT_KIND_STR;
        return true;
    }
    if (kind == RT_KIND_F64 && rt__mp_double(mp, &slot->f)) {
        slot->kind = RT_KIND_F64;
        return true;
    }
    if (rt__mp_next(mp, &token) != RT_OK) {
        return false;
    }
    if (token.type == RT_MP_ARRAY || token.type == RT_MP_MAP) {
        mp->at = start;
        return rt_mp_skip(mp) == RT_OK;
    }
    fill_slot(slot, kind, &token);
    return true;
}

static bool
read_slots(rt_mp *mp, rt_event *event)
{
    const rt_event_type *type = event->type;
    uint32_t pairs = 0;
    uint32_t guess = 0;

    if (rt_mp_map(mp, &pairs) != RT_OK) {
        return false;
    }
    for (uint32_t i = 0; i < pairs; i++) {
        rt_str name = {NULL, 0};
        int slot = 0;

        if (!rt__take_str(mp, &name)) {
            return false;
        }
        slot = rt__find_slot(type, name, guess);
        if (slot < 0) {
            if (rt_mp_skip(mp) != RT_OK) {
                return false;
            }
            continue;
        }
        if (!read_slot(mp, type->fields[slot].kind, &event->slots[slot])) {
            return false;
        }
        guess = (uint32_t)slot + 1;
    }
    return true;
}

// Reads what follows the data in a record.
static bool
read_rest(rt_mp *mp, rt_event *event)
{
    bool ok = true;
    int64_t tenant = 0;
    int64_t priority = 0;
    int64_t flags = 0;
    int64_t depth = 0;

    event->time_ms = next_i64(mp, &ok);
    tenant = next_i64(mp, &ok);
    priority = next_i64(mp, &ok);
    flags = next_i64(mp, &ok);
    depth = next_i64(mp, &ok);
    ok = rt_mp_u64(mp, &event->sequence) == RT_OK && ok;
    event->id = next_str(mp, &ok);
    event->source = next_str(mp, &ok);
    event->subject = next_str(mp, &ok);
    event->correlation = next_str(mp, &ok);
    event->causation = next_str(mp, &ok);
    ok = rt_mp_bin(mp, &event->context) == RT_OK && ok;
    if (!ok || tenant < 0 || tenant > UINT16_MAX || priority < RT_PRIORITY_LOW ||
        priority > RT_PRIORITY_HIGH || depth < 0 || depth > UINT8_MAX) {
        return false;
    }
    event->tenant = (rt_tenant){(uint16_t)tenant};
    event->priority = (rt_priority)priority;
    event->depth = (uint8_t)depth;
    event->internal = (flags & FLAG_INTERNAL) != 0;
    event->has_sequence = (flags & FLAG_SEQUENCE) != 0;
    return true;
}

rt_err
rt_event_decode_record(const rt_catalog *catalog, uint64_t seq, int64_t at_ms, rt_bytes payload,
                       rt_event *ret_event)
{
    rt_mp mp = rt_mp_init(payload);
    uint32_t count = 0;
    bool ok = rt_mp_array(&mp, &count) == RT_OK && count >= FORM_FIELDS;
    int64_t form = ok ? next_i64(&mp, &ok) : 0;
    rt_str name = ok ? next_str(&mp, &ok) : (rt_str){NULL, 0};
    const rt_event_type *type = NULL;

    if (!ok || form != FORM_VERSION) {
        return rt_fail(RT_EPROTO, "record %llu is no event", (unsigned long long)seq);
    }
    type = rt_catalog_find(catalog, name);
    if (type == NULL) {
        return rt_fail(RT_EUNKNOWN, "record %llu: no event type '%.*s'", (unsigned long long)seq,
                       RT_STR_ARG(name));
    }
    memset(ret_event, 0, offsetof(rt_event, slots));
    rt__set_type(ret_event, type);
    ret_event->seq = seq;
    ret_event->at_ms = at_ms;
    if (!read_slots(&mp, ret_event) || !read_rest(&mp, ret_event)) {
        return rt_fail(RT_EPROTO, "record %llu: a damaged event", (unsigned long long)seq);
    }
    return RT_OK;
}

static void
write_pair(rt_mpw *w, rt__attribute which, rt_str value)
{
    rt_mpw_cstr(w, rt__attribute_names[which]);
    rt_mpw_str(w, value);
}

// Writes the data map; times as text, since the reader may not know our catalogue.
static void
write_data(const rt_event *event, rt_mpw *w)
{
    const rt_event_type *type = event->type;
    size_t bytes = 0;
    char buf[RT_RFC3339_CAP];

    rt_mpw_map(w, measure_slots(event, &bytes));
    for (uint32_t i = 0; i < type->field_count; i++) {
        const rt_value *slot = &event->slots[i];

        if (slot->kind == RT_KIND_NONE) {
            continue;
        }
        rt_mpw_str(w, type->fields[i].name);
        if (slot->kind == RT_KIND_TIME) {
            rt_mpw_cstr(w, rt_format_rfc3339(slot->i, buf));
        } else {
            rt_value_write(w, *slot);
        }
    }
}

void
rt_event_to_cloudevent(const rt_event *event, rt_str tenant_name, rt_mpw *w)
{
    const struct {
        rt__attribute which;
        rt_str value;
    } optional[] = {
        {ATTR_SUBJECT, event->subject},
        {ATTR_TENANT, tenant_name},
        {ATTR_CORRELATION, event->correlation},
        {ATTR_CAUSATION, event->causation},
    };
    char buf[RT_RFC3339_CAP];
    size_t map = rt_mpw_map32(w);
    uint32_t pairs = 6; // those written whatever the event holds

    write_pair(w, ATTR_SPECVERSION, RT_STR("1.0"));
    write_pair(w, ATTR_ID, event->id);
    write_pair(w, ATTR_SOURCE, event->source);
    write_pair(w, ATTR_TYPE, event->type->name);
    write_pair(w, ATTR_PRIORITY, rt__priority_names[event->priority]);
    for (size_t i = 0; i < RT_COUNT(optional); i++) {
        if (optional[i].value.len > 0) {
            write_pair(w, optional[i].which, optional[i].value);
            pairs++;
        }
    }
    if (event->time_ms != INT64_MIN) {
        write_pair(w, ATTR_TIME, rt_str_of(rt_format_rfc3339(event->time_ms, buf)));
        pairs++;
    }
    if (event->has_sequence) {
        rt_mpw_cstr(w, rt__attribute_names[ATTR_SEQUENCE]);
        rt_mpw_u64(w, event->sequence);
        pairs++;
    }
    rt_mpw_cstr(w, rt__attribute_names[ATTR_DATA]);
    write_data(event, w);
    rt_mpw_patch32(w, map, pairs);
}

rt_value
rt_event_field(const rt_event *event, const char *name)
{
    int slot = rt_event_type_slot(event->type, rt_str_of(name));

    return slot >= 0 ? event->slots[slot] : RT_NONE;
}

rt_value
rt_event_context(const rt_event *event, const char *dotted)
{
    rt_mp mp;
    rt_value value = RT_NONE;

    if (!rt_mp_find_path(event->context, rt_str_of(dotted), &mp) ||
        rt_value_read(&mp, &value) != RT_OK) {
        return RT_NONE;
    }
    return value;
}

bool
rt_subject_split(rt_str subject, rt_str *ret_kind, rt_str *ret_key)
{
    const char *slash = subject.len > 0 ? memchr(subject.ptr, '/', subject.len) : NULL;
    size_t kind_len = slash != NULL ? (size_t)(slash - subject.ptr) : 0;

    if (kind_len == 0 || kind_len + 1 == subject.len) {
        return false;
    }
    *ret_kind = (rt_str){subject.ptr, kind_len};
    *ret_key = (rt_str){slash + 1, subject.len - kind_len - 1};
    return true;
}
