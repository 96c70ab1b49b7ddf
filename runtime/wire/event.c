#include "runtime/wire/event.h"

#include "runtime/base/check.h"
#include "runtime/wire/event_decoder.h"

// Design notes.
// Decoding is one pass over the map, because this is the cost of every event. Attribute names are
// told apart by length and then content; seen attributes are bits of a word, so duplicates cost
// nothing. When `data` comes before `type` its place is remembered and read at the end. The data
// fields themselves are read in event_data.c.
//
// Every failure goes through rt__refuse(), which is cold and may take its time: it formats the path
// and the reason. The cursor is then set behind the value by a walk from its start, so that the
// rest of a batch can be read; for bytes that are no msgpack the refusal says so instead.

#define EXTENSION_NAME_MAX 64

const char *const rt__attribute_names[RT__ATTRIBUTES] = {
    [ATTR_EXTENSION] = "",
    [ATTR_ID] = "id",
    [ATTR_SOURCE] = "source",
    [ATTR_TYPE] = "type",
    [ATTR_SUBJECT] = "subject",
    [ATTR_TIME] = "time",
    [ATTR_DATA] = "data",
    [ATTR_TENANT] = "tenant",
    [ATTR_PRIORITY] = "priority",
    [ATTR_SEQUENCE] = "sequence",
    [ATTR_CORRELATION] = "correlationid",
    [ATTR_CAUSATION] = "causationid",
    [ATTR_TRACEPARENT] = "traceparent",
    [ATTR_SPECVERSION] = "specversion",
};

const rt_str rt__priority_names[RT__PRIORITIES] = {
    [RT_PRIORITY_LOW] = {"low", 3},
    [RT_PRIORITY_NORMAL] = {"normal", 6},
    [RT_PRIORITY_HIGH] = {"high", 4},
};

// Marks in the high bits whether any byte is below 0x20 or is 0x7f (Warren, "Hacker's Delight",
// 6-1: a byte below n borrows into its own high bit, and borrows start only in such bytes).
static inline uint64_t
control_bits(uint64_t word)
{
    uint64_t rubout = word ^ UINT64_C(0x7f7f7f7f7f7f7f7f);

    return ((word - UINT64_C(0x2020202020202020)) & ~word) |
           ((rubout - UINT64_C(0x0101010101010101)) & ~rubout);
}

static inline bool
has_control(rt_str text)
{
    uint64_t found = 0;

    if (text.len >= 8) {
        for (size_t i = 0; i < text.len - 8; i += 8) {
            found |= control_bits(rt__load64(text.ptr + i));
        }
        found |= control_bits(rt__load64(text.ptr + text.len - 8));
    } else {
        for (size_t i = 0; i < text.len; i++) {
            found |= control_bits(UINT64_C(0x2020202020202000) | (uint8_t)text.ptr[i]);
        }
    }
    return (found & UINT64_C(0x8080808080808080)) != 0;
}

// Reads the string attribute `which` of at most `max` bytes.
static rt_err
decode_text(rt__decoder *d, rt__attribute which, size_t max, rt_str *ret_text)
{
    const char *name = rt__attribute_names[which];
    rt_str text = {NULL, 0};

    if (RT_UNLIKELY(!rt__take_str(&d->mp, &text))) {
        return rt__refuse_type(d, name, "a string");
    }
    if (RT_UNLIKELY(text.len > max)) {
        return rt__refuse(d, RT_ELIMIT, name, "must be at most %zu bytes, is %zu", max, text.len);
    }
    if (RT_UNLIKELY(!rt__utf8(text))) {
        return rt__refuse(d, RT_EUTF8, name, "is not UTF-8");
    }
    if (RT_UNLIKELY(has_control(text))) {
        return rt__refuse(d, RT_EPROTO, name, "must not contain control characters");
    }
    *ret_text = text;
    return RT_OK;
}

// The same for an attribute that must not be empty.
static rt_err
decode_name(rt__decoder *d, rt__attribute which, size_t max, rt_str *ret_text)
{
    rt_err err = decode_text(d, which, max, ret_text);

    if (err == RT_OK && ret_text->len == 0) {
        return rt__refuse(d, RT_EMISSING, rt__attribute_names[which], "must not be empty");
    }
    return err;
}

static rt_err
decode_type(rt__decoder *d)
{
    rt_str name = {NULL, 0};
    char given[SHOWN_CAP];
    char help[160];
    const char *nearest = NULL;
    const rt_event_type *type = NULL;

    if (RT_UNLIKELY(!rt__take_str(&d->mp, &name))) {
        return rt__refuse_type(d, "type", "a string");
    }
    type = rt_catalog_find(d->catalog, name);
    if (RT_LIKELY(type != NULL)) {
        rt__set_type(d->event, type);
        return RT_OK;
    }
    nearest = rt_catalog_suggest(d->catalog, name, help, sizeof(help));
    return rt__refuse(d, RT_EUNKNOWN, "type", "'%s' is not in the catalogue%s%s",
                      rt__shown(name, given), nearest != NULL ? "; " : "",
                      nearest != NULL ? nearest : "");
}

// Reads `data`, or remembers its place when the type is still to come.
static rt_err
decode_data_attribute(rt__decoder *d)
{
    if (RT_LIKELY(d->event->type != NULL)) {
        return rt__decode_data(d);
    }
    d->data = d->mp;
    d->is_data_waiting = true;
    if (rt_mp_skip(&d->mp) != RT_OK) {
        return rt__refuse(d, RT_EPROTO, "data", "malformed: %s", rt_err_detail());
    }
    return RT_OK;
}

static rt_err
decode_priority(rt__decoder *d)
{
    rt_str name = {NULL, 0};
    char given[SHOWN_CAP];
    rt_err err = decode_text(d, ATTR_PRIORITY, RT_EVENT_ID_MAX, &name);

    if (err != RT_OK) {
        return err;
    }
    for (size_t i = 0; i < RT_COUNT(rt__priority_names); i++) {
        if (rt_str_equal(name, rt__priority_names[i])) {
            d->event->priority = (rt_priority)i;
            return RT_OK;
        }
    }
    return rt__refuse(d, RT_ERANGE, "priority", "must be low, normal or high, is '%s'",
                      rt__shown(name, given));
}

// Reads `sequence`: an integer, or decimal text as the CloudEvents extension has it.
static rt_err
decode_sequence(rt__decoder *d)
{
    rt_str text = {NULL, 0};
    int64_t number = 0;
    rt_err err = RT_OK;

    d->event->has_sequence = true;
    if (rt__take_str(&d->mp, &text)) {
        if (rt_parse_i64(text, &number) != RT_OK || number < 0) {
            return rt__refuse(d, RT_ERANGE, "sequence", "must be a number from 0");
        }
        d->event->sequence = (uint64_t)number;
        return RT_OK;
    }
    err = rt_mp_u64(&d->mp, &d->event->sequence);
    if (err == RT_ERANGE) {
        return rt__refuse(d, RT_ERANGE, "sequence", "must be a number from 0");
    }
    return err == RT_OK ? RT_OK : rt__refuse_type(d, "sequence", "an integer");
}

// Passes over an attribute that is not ours, if its name is a legal CloudEvents one.
static rt_err
decode_extension(rt__decoder *d, rt_str name)
{
    char path[SHOWN_CAP];
    char help[96];
    const char *nearest = NULL;
    rt_str known[RT_COUNT(rt__attribute_names)];
    bool is_legal = name.len > 0 && name.len <= EXTENSION_NAME_MAX;

    for (size_t i = 0; i < name.len && is_legal; i++) {
        char c = name.ptr[i];

        is_legal = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
    }
    if (is_legal) {
        if (rt_mp_skip(&d->mp) != RT_OK) {
            return rt__refuse(d, RT_EPROTO, rt__shown(name, path), "malformed: %s",
                              rt_err_detail());
        }
        return RT_OK;
    }
    for (size_t i = 0; i < RT_COUNT(known); i++) {
        known[i] = rt_str_of(rt__attribute_names[i]);
    }
    nearest = rt_diag_did_you_mean(name, known + 1, RT_COUNT(known) - 1, help, sizeof(help));
    return rt__refuse(d, RT_EUNKNOWN, rt__shown(name, path),
                      "attribute names are lower-case letters and digits%s%s",
                      nearest != NULL ? "; " : "", nearest != NULL ? nearest : "");
}

// Which attribute a name is. The comparisons are of constant length, so each is one or two loads.
static inline rt__attribute
attribute_of(rt_str name)
{
#define IS(literal, which)                                                                         \
    if (memcmp(name.ptr, literal, sizeof(literal) - 1) == 0) {                                     \
        return which;                                                                              \
    }
    switch (name.len) {
    case 2:
        IS("id", ATTR_ID)
        break;
    case 4:
        IS("type", ATTR_TYPE)
        IS("time", ATTR_TIME)
        IS("data", ATTR_DATA)
        break;
    case 6:
        IS("source", ATTR_SOURCE)
        IS("tenant", ATTR_TENANT)
        break;
    case 7:
        IS("subject", ATTR_SUBJECT)
        break;
    case 8:
        IS("priority", ATTR_PRIORITY)
        IS("sequence", ATTR_SEQUENCE)
        break;
    case 11:
        IS("specversion", ATTR_SPECVERSION)
        IS("causationid", ATTR_CAUSATION)
        IS("traceparent", ATTR_TRACEPARENT)
        break;
    case 13:
        IS("correlationid", ATTR_CORRELATION)
        break;
    default:
        break;
    }
#undef IS
    return ATTR_EXTENSION;
}

static rt_err
decode_specversion(rt__decoder *d)
{
    rt_str text = {NULL, 0};
    char given[SHOWN_CAP];
    rt_err err = decode_text(d, ATTR_SPECVERSION, RT_EVENT_ID_MAX, &text);

    if (err == RT_OK && !rt_str_is(text, "1.0")) {
        return rt__refuse(d, RT_ERANGE, "specversion", "must be 1.0, is '%s'",
                          rt__shown(text, given));
    }
    return err;
}

static inline rt_err
decode_attribute(rt__decoder *d, rt__attribute which)
{
    rt_event *event = d->event;
    rt_str dropped = {NULL, 0};

    switch (which) {
    case ATTR_ID:
        return decode_name(d, which, RT_EVENT_ID_MAX, &event->id);
    case ATTR_SOURCE:
        return decode_name(d, which, RT_EVENT_SOURCE_MAX, &event->source);
    case ATTR_TYPE:
        return decode_type(d);
    case ATTR_SUBJECT:
        return decode_text(d, which, RT_EVENT_SUBJECT_MAX, &event->subject);
    case ATTR_TIME:
        return rt__decode_time(d, NULL, &event->time_ms);
    case ATTR_DATA:
        return decode_data_attribute(d);
    case ATTR_TENANT:
        return decode_text(d, which, RT_EVENT_ID_MAX, &event->tenant_name);
    case ATTR_PRIORITY:
        return decode_priority(d);
    case ATTR_SEQUENCE:
        return decode_sequence(d);
    case ATTR_CORRELATION:
        return decode_text(d, which, RT_EVENT_ID_MAX, &event->correlation);
    case ATTR_CAUSATION:
        return decode_text(d, which, RT_EVENT_ID_MAX, &event->causation);
    case ATTR_TRACEPARENT:
        return decode_text(d, which, RT_EVENT_ID_MAX, &dropped);
    case ATTR_SPECVERSION:
        return decode_specversion(d);
    case ATTR_EXTENSION:
        break;
    }
    RT_UNREACHABLE("extensions are passed over by decode_pair");
}

// Reads one name and its value. A value of nil is the same as leaving the attribute out.
static inline rt_err
decode_pair(rt__decoder *d)
{
    rt_str name = {NULL, 0};
    rt__attribute which = ATTR_EXTENSION;

    if (RT_UNLIKELY(!rt__take_str(&d->mp, &name))) {
        return rt__refuse_key(d, "");
    }
    which = attribute_of(name);
    if (which == ATTR_EXTENSION) {
        return decode_extension(d, name);
    }
    if (RT_UNLIKELY((d->seen & (1u << which)) != 0)) {
        return rt__refuse(d, RT_EDUP, rt__attribute_names[which], "stands twice");
    }
    if (d->mp.at < d->mp.end && *d->mp.at == MP_NIL) {
        d->mp.at++;
        return RT_OK;
    }
    d->seen |= 1u << which;
    return decode_attribute(d, which);
}

// What is left when all pairs were read: required attributes, data that waited, defaults.
static rt_err
finish(rt__decoder *d)
{
    static const rt__attribute required[] = {ATTR_ID, ATTR_SOURCE, ATTR_TYPE};
    rt_mp behind = d->mp;
    rt_err err = RT_OK;

    for (size_t i = 0; i < RT_COUNT(required); i++) {
        if ((d->seen & (1u << required[i])) == 0) {
            return rt__refuse(d, RT_EMISSING, rt__attribute_names[required[i]], "is required");
        }
    }
    if (d->is_data_waiting) {
        d->mp = d->data;
        err = rt__decode_data(d);
        d->mp = behind;
    } else if ((d->seen & (1u << ATTR_DATA)) == 0 && d->event->type->required != 0) {
        return rt__refuse_missing(d, 0);
    }
    if ((d->seen & (1u << ATTR_PRIORITY)) == 0) {
        d->event->priority = d->event->type->priority;
    }
    return err;
}

static rt_err
decode_event(rt__decoder *d)
{
    uint32_t pairs = 0;

    if (rt_mp_map(&d->mp, &pairs) != RT_OK) {
        return rt__refuse_type(d, "", "a map");
    }
    for (uint32_t i = 0; i < pairs; i++) {
        rt_err err = decode_pair(d);

        if (RT_UNLIKELY(err != RT_OK)) {
            return err;
        }
    }
    return finish(d);
}

rt_err
rt_event_decode(const rt_catalog *catalog, rt_mp *mp, rt_event *ret_event, rt_reject *ret_reject)
{
    rt__decoder d = {.catalog = catalog, .mp = *mp, .event = ret_event, .reject = ret_reject};
    rt_err err = RT_OK;
    rt_err malformed = RT_OK;

    RT_ASSERT(catalog != NULL && ret_event != NULL && ret_reject != NULL);
    memset(ret_event, 0, offsetof(rt_event, slots));
    ret_event->time_ms = INT64_MIN;
    err = decode_event(&d);
    if (RT_LIKELY(err == RT_OK)) {
        *mp = d.mp;
        return RT_OK;
    }
    // A batch goes on only behind a value that ends somewhere; else that is the trouble to name.
    malformed = rt_mp_skip(mp);
    if (malformed != RT_OK) {
        err = rt__refuse(&d, malformed, "", "malformed: %s", rt_err_detail());
    }
    return err;
}

