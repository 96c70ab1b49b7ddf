#include "runtime/wire/event.h"

#include <stdio.h>

#include "runtime/base/rng.h"
#include "runtime/wire/json.h"
#include "tests/harness/check.h"

#define CATALOG                                                                                    \
    "kind: catalog\n"                                                                              \
    "events:\n"                                                                                    \
    "  order.created:\n"                                                                           \
    "    priority: low\n"                                                                          \
    "    fields:\n"                                                                                \
    "      value_cop: {type: i64, required: true, min: 0, max: 1000}\n"                            \
    "      city: {type: str, cap: 16}\n"                                                           \
    "      channel: {type: str, values: [web, app]}\n"                                             \
    "      wait: {type: duration, max: 2h}\n"                                                      \
    "      promised_at: {type: time}\n"                                                            \
    "      gift: {type: bool}\n"                                                                   \
    "      weight: {type: f64, min: -0.5, max: 10}\n"                                              \
    "  ping: {}\n"

// An event in JSON with ' for ", up to its data.
#define HEAD "'id': 'e1', 'source': 'shop', 'type': 'order.created'"
#define DATA(pairs) "{" HEAD ", 'data': {" pairs "}}"
#define VALID DATA("'value_cop': 5")

typedef struct fixture {
    rt_catalog *catalog;
    rt_mpw w;
    rt_event event;
    rt_reject reject;
} fixture;

static int
set_up(void **state)
{
    static fixture f;
    rt_diag *diag = rt_diag_new();

    memset(&f, 0, sizeof(f));
    f.catalog = rt_catalog_new();
    CHECK_OK(rt_catalog_load(f.catalog, "c", RT_STR(CATALOG), diag));
    rt_diag_free(diag);
    rt_mpw_init(&f.w, 1 << 20);
    *state = &f;
    return 0;
}

static int
tear_down(void **state)
{
    fixture *f = *state;

    rt_mpw_fini(&f->w);
    rt_catalog_free(f->catalog);
    return 0;
}

// Appends JSON, written with ' for ".
static void
put_json(fixture *f, const char *json)
{
    char text[2048];
    size_t len = strlen(json);

    CHECK_TRUE(len < sizeof(text));
    for (size_t i = 0; i < len; i++) {
        text[i] = json[i] == '\'' ? '"' : json[i];
    }
    CHECK_OK(rt_json_to_mp((rt_str){text, len}, &f->w));
}

// Decodes what was written, once, and wants the cursor behind it.
static rt_err
decode_written(fixture *f)
{
    rt_mp mp = rt_mp_init(rt_mpw_view(&f->w));
    rt_err err = rt_event_decode(f->catalog, &mp, &f->event, &f->reject);

    CHECK_TRUE(rt_mp_done(&mp));
    CHECK_TRUE(err == RT_OK || err == f->reject.err);
    return err;
}

static rt_err
decode(fixture *f, const char *json)
{
    rt_mpw_clear(&f->w);
    put_json(f, json);
    return decode_written(f);
}

static void
check_reject(fixture *f, const char *json, rt_err err, const char *path, const char *text)
{
    CHECK_ERR(decode(f, json), err);
    CHECK_CSTR(f->reject.path, path);
    CHECK_CSTR(f->reject.text, text);
}

static void
test_event_attributes_and_data_are_decoded(void **state)
{
    fixture *f = *state;
    const rt_event *event = &f->event;

    CHECK_OK(decode(f, "{'specversion': '1.0', " HEAD ", 'subject': 'order/7', 'tenant': 'acme',"
                       "'time': '2026-11-20T05:00:00.5Z', 'priority': 'high', 'sequence': 42,"
                       "'correlationid': 'c', 'causationid': 'k', 'traceparent': '00-ab-cd-01',"
                       "'myext': {'x': [1]}, 'data': {'value_cop': 5, 'city': 'Bogotá',"
                       "'channel': 'app', 'wait': '1h30m', 'promised_at': '2026-11-21T00:00:00Z',"
                       "'gift': true, 'weight': 2}}"));
    CHECK_STR(event->type->name, "order.created");
    CHECK_STR(event->id, "e1");
    CHECK_STR(event->source, "shop");
    CHECK_STR(event->subject, "order/7");
    CHECK_STR(event->tenant_name, "acme");
    CHECK_INT(event->time_ms, 1795150800500);
    CHECK_INT(event->priority, RT_PRIORITY_HIGH);
    CHECK_TRUE(event->has_sequence);
    CHECK_U64(event->sequence, 42);
    CHECK_STR(event->correlation, "c");
    CHECK_STR(event->causation, "k");
    CHECK_INT(event->slots[0].i, 5);
    CHECK_STR(event->slots[1].s, "Bogotá");
    CHECK_STR(rt_event_field(event, "channel").s, "app");
    CHECK_INT(event->slots[3].kind, RT_KIND_DURATION);
    CHECK_INT(event->slots[3].i, 5400000);
    CHECK_INT(event->slots[4].kind, RT_KIND_TIME);
    CHECK_INT(event->slots[4].i, 1795219200000);
    CHECK_TRUE(event->slots[5].b);
    CHECK_INT(event->slots[6].kind, RT_KIND_F64);
    CHECK_NEAR(event->slots[6].f, 2, 0);
}

static void
test_event_absent_parts_get_defaults(void **state)
{
    fixture *f = *state;

    CHECK_OK(decode(f, VALID));
    CHECK_INT(f->event.time_ms, INT64_MIN);
    CHECK_INT(f->event.priority, RT_PRIORITY_LOW);
    CHECK_FALSE(f->event.has_sequence);
    CHECK_INT(f->event.subject.len, 0);
    CHECK_INT(f->event.depth, 0);
    CHECK_FALSE(f->event.internal);
    CHECK_INT(f->event.slots[1].kind, RT_KIND_NONE);
    CHECK_INT(rt_event_field(&f->event, "city").kind, RT_KIND_NONE);
    CHECK_INT(rt_event_field(&f->event, "nothing").kind, RT_KIND_NONE);
    CHECK_OK(decode(f, "{'id': 'a', 'source': 's', 'type': 'ping'}"));
    CHECK_OK(decode(f, "{'id': 'a', 'source': 's', 'type': 'ping', 'data': null, 'time': null}"));
    CHECK_INT(f->event.time_ms, INT64_MIN);
    CHECK_OK(decode(f, DATA("'value_cop': 5, 'city': null")));
    CHECK_INT(f->event.slots[1].kind, RT_KIND_NONE);
}

static void
test_event_order_of_attributes_and_fields_does_not_matter(void **state)
{
    fixture *f = *state;

    CHECK_OK(decode(f, "{'data': {'weight': 1.5, 'gift': false, 'value_cop': 9, 'city': 'x'},"
                       "'type': 'order.created', 'source': 'shop', 'subject': '', 'id': 'e'}"));
    CHECK_INT(f->event.slots[0].i, 9);
    CHECK_NEAR(f->event.slots[6].f, 1.5, 0);
    CHECK_STR(f->event.slots[1].s, "x");
    CHECK_STR(f->event.id, "e");
}

static void
test_event_missing_attributes_are_named(void **state)
{
    fixture *f = *state;

    check_reject(f, "{'source': 's', 'type': 'ping'}", RT_EMISSING, "id", "is required");
    check_reject(f, "{'id': 'a', 'type': 'ping'}", RT_EMISSING, "source", "is required");
    check_reject(f, "{'id': 'a', 'source': 's'}", RT_EMISSING, "type", "is required");
    check_reject(f, "{'id': '', 'source': 's', 'type': 'ping'}", RT_EMISSING, "id",
                 "must not be empty");
    check_reject(f, "{'id': null, 'source': 's', 'type': 'ping'}", RT_EMISSING, "id",
                 "is required");
    check_reject(f, "{" HEAD "}", RT_EMISSING, "data.value_cop", "is required");
    check_reject(f, DATA("'city': 'x'"), RT_EMISSING, "data.value_cop", "is required");
    check_reject(f, DATA("'value_cop': null"), RT_EMISSING, "data.value_cop", "is required");
}

static void
test_event_wrong_attribute_types_are_named(void **state)
{
    fixture *f = *state;

    check_reject(f, "[]", RT_ETYPE, "", "must be a map, is an array");
    check_reject(f, "{'id': 7}", RT_ETYPE, "id", "must be a string, is an integer");
    check_reject(f, "{'type': 7}", RT_ETYPE, "type", "must be a string, is an integer");
    check_reject(f, "{" HEAD ", 'data': [1]}", RT_ETYPE, "data", "must be a map, is an array");
    check_reject(f, "{" HEAD ", 'sequence': [1]}", RT_ETYPE, "sequence",
                 "must be an integer, is an array");
    check_reject(f, "{" HEAD ", 'sequence': -1}", RT_ERANGE, "sequence",
                 "must be a number from 0");
    check_reject(f, "{" HEAD ", 'sequence': '12x'}", RT_ERANGE, "sequence",
                 "must be a number from 0");
    check_reject(f, "{" HEAD ", 'priority': 'urgent'}", RT_ERANGE, "priority",
                 "must be low, normal or high, is 'urgent'");
    check_reject(f, "{" HEAD ", 'specversion': '0.3'}", RT_ERANGE, "specversion",
                 "must be 1.0, is '0.3'");
    check_reject(f, "{" HEAD ", 'Time': 1}", RT_EUNKNOWN, "Time",
                 "attribute names are lower-case letters and digits; did you mean 'time'?");
}

static void
test_event_unknown_names_come_with_a_suggestion(void **state)
{
    fixture *f = *state;

    check_reject(f, "{'id': 'a', 'source': 's', 'type': 'order.craeted'}", RT_EUNKNOWN, "type",
                 "'order.craeted' is not in the catalogue; did you mean 'order.created'?");
    check_reject(f, "{'id': 'a', 'source': 's', 'type': 'x'}", RT_EUNKNOWN, "type",
                 "'x' is not in the catalogue");
    check_reject(f, DATA("'value_cop': 5, 'citi': 'x'"), RT_EUNKNOWN, "data.citi",
                 "is no field of order.created; did you mean 'city'?");
    check_reject(f, DATA("'value_cop': 5, 'colour': 'x'"), RT_EUNKNOWN, "data.colour",
                 "is no field of order.created");
}

static void
test_event_field_types_are_checked(void **state)
{
    fixture *f = *state;

    check_reject(f, DATA("'value_cop': '5'"), RT_ETYPE, "data.value_cop",
                 "must be an integer, is a string");
    check_reject(f, DATA("'value_cop': 5.5"), RT_ETYPE, "data.value_cop",
                 "must be an integer, is a float");
    check_reject(f, DATA("'value_cop': 5, 'city': 7"), RT_ETYPE, "data.city",
                 "must be a string, is an integer");
    check_reject(f, DATA("'value_cop': 5, 'gift': 1"), RT_ETYPE, "data.gift",
                 "must be a boolean, is an integer");
    check_reject(f, DATA("'value_cop': 5, 'weight': '1'"), RT_ETYPE, "data.weight",
                 "must be a number, is a string");
    check_reject(f, DATA("'value_cop': 5, 'wait': 'soon'"), RT_ETYPE, "data.wait",
                 "must be a duration like 1h30m or a number of ms, is 'soon'");
    check_reject(f, DATA("'value_cop': 5, 'promised_at': 'soon'"), RT_ETYPE, "data.promised_at",
                 "must be a time like 2026-11-20T05:00:00Z, is 'soon'");
    check_reject(f, DATA("'value_cop': 5, 'promised_at': true"), RT_ETYPE, "data.promised_at",
                 "must be a time (RFC 3339 text, timestamp or ms since 1970), is a boolean");
}

static void
test_event_field_ranges_are_checked(void **state)
{
    fixture *f = *state;

    CHECK_OK(decode(f, DATA("'value_cop': 0, 'weight': -0.5, 'wait': 7200000")));
    CHECK_OK(decode(f, DATA("'value_cop': 1000, 'weight': 10, 'city': '0123456789abcdef'")));
    check_reject(f, DATA("'value_cop': -5"), RT_ERANGE, "data.value_cop",
                 "must be at least 0, is -5");
    check_reject(f, DATA("'value_cop': 1001"), RT_ERANGE, "data.value_cop",
                 "must be at most 1000, is 1001");
    check_reject(f, DATA("'value_cop': 5, 'weight': -0.75"), RT_ERANGE, "data.weight",
                 "must be at least -0.5, is -0.75");
    check_reject(f, DATA("'value_cop': 5, 'wait': '3h'"), RT_ERANGE, "data.wait",
                 "must be at most 7200000, is 10800000");
    check_reject(f, DATA("'value_cop': 5, 'promised_at': 999999999999999"), RT_ERANGE,
                 "data.promised_at", "must lie in the years 1 to 9999");
    check_reject(f, DATA("'value_cop': 5, 'city': '0123456789abcdefg'"), RT_ELIMIT, "data.city",
                 "must be at most 16 bytes, is 17");
    check_reject(f, DATA("'value_cop': 5, 'channel': 'ap'"), RT_ERANGE, "data.channel",
                 "'ap' is not allowed; did you mean 'app'?");
    check_reject(f, DATA("'value_cop': 5, 'channel': 'carrier'"), RT_ERANGE, "data.channel",
                 "'carrier' is not one of the 2 values");
}

// Begins an event map with `pairs` more pairs to come.
static void
begin(fixture *f, uint32_t pairs)
{
    rt_mpw_clear(&f->w);
    rt_mpw_map(&f->w, 3 + pairs);
    rt_mpw_cstr(&f->w, "id");
    rt_mpw_cstr(&f->w, "e1");
    rt_mpw_cstr(&f->w, "source");
    rt_mpw_cstr(&f->w, "shop");
    rt_mpw_cstr(&f->w, "type");
    rt_mpw_cstr(&f->w, "order.created");
}

// The same with a data map of `pairs` pairs to come.
static void
begin_data(fixture *f, uint32_t pairs)
{
    begin(f, 1);
    rt_mpw_cstr(&f->w, "data");
    rt_mpw_map(&f->w, pairs);
}

static void
check_written(fixture *f, rt_err err, const char *path, const char *text)
{
    CHECK_ERR(decode_written(f), err);
    CHECK_CSTR(f->reject.path, path);
    CHECK_CSTR(f->reject.text, text);
}

static void
test_event_duplicate_keys_are_refused(void **state)
{
    fixture *f = *state;

    begin(f, 1);
    rt_mpw_cstr(&f->w, "id");
    rt_mpw_cstr(&f->w, "e2");
    check_written(f, RT_EDUP, "id", "stands twice");
    begin_data(f, 2);
    for (int i = 0; i < 2; i++) {
        rt_mpw_cstr(&f->w, "value_cop");
        rt_mpw_i64(&f->w, i);
    }
    check_written(f, RT_EDUP, "data.value_cop", "stands twice");
    begin_data(f, 2);
    for (int i = 0; i < 2; i++) {
        rt_mpw_cstr(&f->w, "value_cop");
        rt_mpw_nil(&f->w);
    }
    check_written(f, RT_EDUP, "data.value_cop", "stands twice");
}

static void
test_event_strings_must_be_utf8_without_controls(void **state)
{
    fixture *f = *state;

    begin_data(f, 1);
    rt_mpw_cstr(&f->w, "city");
    rt_mpw_str(&f->w, RT_STR("Bogot\xe1"));
    check_written(f, RT_EUTF8, "data.city", "is not UTF-8");
    begin(f, 1);
    rt_mpw_cstr(&f->w, "subject");
    rt_mpw_str(&f->w, RT_STR("order/\xc3"));
    check_written(f, RT_EUTF8, "subject", "is not UTF-8");
    begin_data(f, 1);
    rt_mpw_str(&f->w, RT_STR("\xff\xfe"));
    rt_mpw_nil(&f->w);
    check_written(f, RT_EUNKNOWN, "data.?", "is no field of order.created");
    // A control character at every place of a subject, in words and in tails.
    for (size_t len = 1; len < 20; len++) {
        for (size_t at = 0; at < len; at++) {
            char text[20];

            memset(text, at % 2 == 0 ? ' ' : '~', len);
            text[at] = len % 2 == 0 ? 0x1f : 0x7f;
            begin(f, 1);
            rt_mpw_cstr(&f->w, "subject");
            rt_mpw_str(&f->w, (rt_str){text, len});
            check_written(f, RT_EPROTO, "subject", "must not contain control characters");
        }
    }
    CHECK_ERR(decode(f, "{'id': 'ñandú ~ñandú', 'source': ' !~', 'type': 'x'}"), RT_EUNKNOWN);
}

static void
test_event_attribute_lengths_are_limited(void **state)
{
    fixture *f = *state;
    char text[RT_EVENT_SUBJECT_MAX + 1];

    memset(text, 's', sizeof(text));
    for (size_t len = RT_EVENT_SUBJECT_MAX; len <= sizeof(text); len++) {
        rt_mpw_clear(&f->w);
        rt_mpw_map(&f->w, 4);
        rt_mpw_cstr(&f->w, "id");
        rt_mpw_cstr(&f->w, "e1");
        rt_mpw_cstr(&f->w, "source");
        rt_mpw_cstr(&f->w, "shop");
        rt_mpw_cstr(&f->w, "type");
        rt_mpw_cstr(&f->w, "ping");
        rt_mpw_cstr(&f->w, "subject");
        rt_mpw_str(&f->w, (rt_str){text, len});
        if (len <= RT_EVENT_SUBJECT_MAX) {
            CHECK_OK(decode_written(f));
        } else {
            check_written(f, RT_ELIMIT, "subject", "must be at most 128 bytes, is 129");
        }
    }
}

static void
test_event_numbers_beyond_their_type_are_refused(void **state)
{
    fixture *f = *state;

    begin_data(f, 1);
    rt_mpw_cstr(&f->w, "value_cop");
    rt_mpw_u64(&f->w, UINT64_MAX);
    check_written(f, RT_ERANGE, "data.value_cop", "must fit in 63 bits, is 18446744073709551615");
    begin_data(f, 1);
    rt_mpw_cstr(&f->w, "weight");
    rt_mpw_f64(&f->w, (double)NAN);
    check_written(f, RT_ERANGE, "data.weight", "must be finite");
    begin_data(f, 1);
    rt_mpw_cstr(&f->w, "weight");
    rt_mpw_f64(&f->w, (double)INFINITY);
    check_written(f, RT_ERANGE, "data.weight", "must be finite");
}

static void
test_event_time_comes_in_three_forms(void **state)
{
    static const uint8_t stamp[] = {0xd6, 0xff, 0x00, 0x00, 0x00, 0x02};
    static const uint8_t other[] = {0xd6, 0x05, 0x00, 0x00, 0x00, 0x02};
    fixture *f = *state;

    CHECK_OK(decode(f, "{'id': 'a', 'source': 's', 'type': 'ping', 'time': 2000}"));
    CHECK_INT(f->event.time_ms, 2000);
    CHECK_OK(decode(f, "{'id': 'a', 'source': 's', 'type': 'ping',"
                       "'time': '1970-01-01T01:00:02+01:00'}"));
    CHECK_INT(f->event.time_ms, 2000);
    begin(f, 2);
    rt_mpw_cstr(&f->w, "time");
    rt_mpw_raw(&f->w, (rt_bytes){stamp, sizeof(stamp)});
    rt_mpw_cstr(&f->w, "data");
    rt_mpw_map(&f->w, 1);
    rt_mpw_cstr(&f->w, "value_cop");
    rt_mpw_i64(&f->w, 1);
    CHECK_OK(decode_written(f));
    CHECK_INT(f->event.time_ms, 2000);
    begin(f, 1);
    rt_mpw_cstr(&f->w, "time");
    rt_mpw_raw(&f->w, (rt_bytes){other, sizeof(other)});
    check_written(f, RT_ETYPE, "time", "must be a time (RFC 3339 text, timestamp or ms since 1970),"
                                       " is an extension");
    check_reject(f, "{" HEAD ", 'time': 1.5}", RT_ETYPE, "time",
                 "must be a time (RFC 3339 text, timestamp or ms since 1970), is a float");
    check_reject(f, "{" HEAD ", 'time': '2026-02-30T00:00:00Z'}", RT_ETYPE, "time",
                 "must be a time like 2026-11-20T05:00:00Z, is '2026-02-30T00:00:00Z'");
}

static void
test_event_keys_that_are_no_strings_are_refused(void **state)
{
    fixture *f = *state;

    begin_data(f, 1);
    rt_mpw_i64(&f->w, 1);
    rt_mpw_i64(&f->w, 1);
    check_written(f, RT_ETYPE, "data", "keys must be strings, one is an integer");
    begin(f, 1);
    rt_mpw_nil(&f->w);
    rt_mpw_nil(&f->w);
    check_written(f, RT_ETYPE, "", "keys must be strings, one is nil");
}

static void
test_event_long_given_text_is_shortened_in_the_refusal(void **state)
{
    fixture *f = *state;
    char name[400];

    memset(name, 0, sizeof(name));
    for (size_t i = 0; i + 2 < sizeof(name); i += 2) {
        memcpy(name + i, "ñ", 2);
    }
    name[1] = '\n'; // and a stray lead byte before it: the whole is not shown
    begin_data(f, 1);
    rt_mpw_str(&f->w, (rt_str){name + 1, 397});
    rt_mpw_nil(&f->w);
    CHECK_ERR(decode_written(f), RT_EUNKNOWN);
    CHECK_INT(strlen(f->reject.path), 5 + 47 + 3); // the 24th ñ would be cut in half
    CHECK_TRUE(strncmp(f->reject.path, "data.?ñ", 8) == 0);
}

static void
test_event_batch_goes_on_behind_a_bad_event(void **state)
{
    fixture *f = *state;
    rt_mp mp;

    put_json(f, VALID);
    put_json(f, DATA("'value_cop': -1, 'wait': [[1], {'x': 2}]"));
    put_json(f, "'no event at all'");
    put_json(f, VALID);
    mp = rt_mp_init(rt_mpw_view(&f->w));
    CHECK_OK(rt_event_decode(f->catalog, &mp, &f->event, &f->reject));
    CHECK_ERR(rt_event_decode(f->catalog, &mp, &f->event, &f->reject), RT_ERANGE);
    CHECK_ERR(rt_event_decode(f->catalog, &mp, &f->event, &f->reject), RT_ETYPE);
    CHECK_OK(rt_event_decode(f->catalog, &mp, &f->event, &f->reject));
    CHECK_TRUE(rt_mp_done(&mp));
}

static void
test_event_truncated_anywhere_is_malformed_and_not_passed_over(void **state)
{
    fixture *f = *state;

    put_json(f, "{'data': {'value_cop': 500, 'city': 'Cali', 'promised_at': '2026-11-21T00:00:00Z',"
                "'weight': 1.25, 'gift': true}," HEAD ", 'time': 1795150800500, 'x': [1, {'y': 2}],"
                "'sequence': 70000}");
    CHECK_OK(decode_written(f));
    for (size_t len = 0; len < f->w.len; len++) {
        rt_mp mp = {f->w.ptr, f->w.ptr + len};

        CHECK_ERR(rt_event_decode(f->catalog, &mp, &f->event, &f->reject), RT_EPROTO);
        CHECK_TRUE(mp.at == f->w.ptr);
        CHECK_TRUE(strncmp(f->reject.text, "malformed: truncated", 20) == 0);
    }
}

static void
test_event_nested_too_deep_is_over_the_limit(void **state)
{
    fixture *f = *state;
    rt_mp mp;

    begin(f, 1);
    rt_mpw_cstr(&f->w, "deep");
    for (int i = 0; i < RT_MP_DEPTH_MAX; i++) {
        rt_mpw_array(&f->w, 1);
    }
    rt_mpw_nil(&f->w);
    mp = rt_mp_init(rt_mpw_view(&f->w));
    CHECK_ERR(rt_event_decode(f->catalog, &mp, &f->event, &f->reject), RT_ELIMIT);
    CHECK_TRUE(mp.at == f->w.ptr);
}

static void
test_event_damaged_bytes_never_lead_outside(void **state)
{
    fixture *f = *state;
    rt_rng rng;
    rt_mpw good;

    put_json(f, "{" HEAD ", 'time': '2026-11-20T05:00:00Z', 'priority': 'high', 'sequence': 3,"
                "'data': {'value_cop': 5, 'city': 'Cali', 'channel': 'web', 'weight': 0.1,"
                "'promised_at': 1795150800500, 'gift': true, 'wait': '5m'}}");
    CHECK_OK(decode_written(f));
    rt_mpw_init(&good, 1 << 20);
    rt_mpw_raw(&good, rt_mpw_view(&f->w));
    rt_rng_seed(&rng, 20261120, 2);
    for (int round = 0; round < 200000; round++) {
        rt_mp mp = rt_mp_init(rt_mpw_view(&f->w));

        memcpy(f->w.ptr, good.ptr, good.len);
        for (uint64_t hits = rt_rng_below(&rng, 3) + 1; hits > 0; hits--) {
            f->w.ptr[rt_rng_below(&rng, good.len)] = (uint8_t)rt_rng_u64(&rng);
        }
        if (rt_event_decode(f->catalog, &mp, &f->event, &f->reject) != RT_OK) {
            CHECK_TRUE(f->reject.text[0] != '\0');
            CHECK_TRUE(rt_utf8_valid(rt_str_of(f->reject.text)));
            CHECK_TRUE(rt_utf8_valid(rt_str_of(f->reject.path)));
        } else {
            CHECK_TRUE(rt_utf8_valid(f->event.id) && f->event.id.len > 0);
        }
    }
    rt_mpw_fini(&good);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_event_attributes_and_data_are_decoded),
        TEST(test_event_absent_parts_get_defaults),
        TEST(test_event_order_of_attributes_and_fields_does_not_matter),
        TEST(test_event_missing_attributes_are_named),
        TEST(test_event_wrong_attribute_types_are_named),
        TEST(test_event_unknown_names_come_with_a_suggestion),
        TEST(test_event_field_types_are_checked),
        TEST(test_event_field_ranges_are_checked),
        TEST(test_event_duplicate_keys_are_refused),
        TEST(test_event_strings_must_be_utf8_without_controls),
        TEST(test_event_attribute_lengths_are_limited),
        TEST(test_event_numbers_beyond_their_type_are_refused),
        TEST(test_event_time_comes_in_three_forms),
        TEST(test_event_keys_that_are_no_strings_are_refused),
        TEST(test_event_long_given_text_is_shortened_in_the_refusal),
        TEST(test_event_batch_goes_on_behind_a_bad_event),
        TEST(test_event_truncated_anywhere_is_malformed_and_not_passed_over),
        TEST(test_event_nested_too_deep_is_over_the_limit),
        TEST(test_event_damaged_bytes_never_lead_outside),
    };

    return CHECK_RUN(tests);
}
