// wire/event.h: one event: decoded from the wire, encoded into the journal, read back.
//
// Layer: runtime/wire.   Threads: any. All text views the buffer it was decoded from.
// On the wire an event is a CloudEvents 1.0 map in msgpack (JSON is transcoded first): id, source,
// type, subject, time, data, and the extensions tenant, priority, sequence, correlationid,
// causationid, traceparent. `specversion` may be left out ("1.0"). In the journal it is a msgpack
// array (rt_event_encode). Unknown top-level attributes are accepted when they are lower-case
// alphanumeric (CloudEvents extensions) and dropped; unknown *data* fields are an error.
#ifndef CEREBRO_RUNTIME_WIRE_EVENT_H
#define CEREBRO_RUNTIME_WIRE_EVENT_H

#include "runtime/base/id.h"
#include "runtime/wire/catalog.h"

#define RT_EVENT_ID_MAX 128
#define RT_EVENT_SOURCE_MAX 128
#define RT_EVENT_SUBJECT_MAX 128
#define RT_EVENT_BATCH_MAX 4096
#define RT_EVENT_DEPTH_MAX 8   // causal depth: action → event → action …
#define RT_REJECT_PATH_MAX 96
#define RT_REJECT_TEXT_MAX 192

typedef struct rt_event {
    const rt_event_type *type;
    uint64_t seq;     // journal sequence; 0 before it is journaled
    int64_t at_ms;    // the brain's clock when it was recorded
    int64_t time_ms;  // when it happened, by its producer; INT64_MIN when it did not say
    rt_tenant tenant;
    rt_priority priority;
    uint8_t depth;         // causal depth, 0 for an event from outside
    bool internal;         // made by the brain itself
    bool has_sequence;     // producer numbers its events
    uint64_t sequence;
    rt_str id;
    rt_str source;
    rt_str subject;     // "order/45871"; empty allowed
    rt_str correlation; // correlationid
    rt_str causation;   // causationid
    rt_str tenant_name; // as sent; resolved to `tenant` by the caller
    rt_bytes context;   // msgpack map: what the brain knew before this event (journal form only)
    rt_value slots[RT_EVENT_FIELDS_MAX]; // the first type->field_count are set
} rt_event;

// A precise refusal: which field of which event, and why.
typedef struct rt_reject {
    rt_err err;
    char path[RT_REJECT_PATH_MAX]; // e.g. "data.value_cop"
    char text[RT_REJECT_TEXT_MAX]; // e.g. "must be at least 0, is -5"
} rt_reject;

// rt_event_decode reads one wire event at the cursor and validates it against the catalogue.
//   ret_event valid on success only; views the cursor's buffer
//   ret_reject filled on failure; the cursor then stands behind the whole value when the value
//              itself was well-formed msgpack, so that a batch goes on; otherwise it did not move
//   errors    RT_EPROTO RT_EMISSING RT_EUNKNOWN RT_ETYPE RT_ERANGE RT_ELIMIT RT_EUTF8 RT_EDUP
rt_err rt_event_decode(const rt_catalog *catalog, rt_mp *mp, rt_event *ret_event,
                       rt_reject *ret_reject) RT_MUST_USE;

// rt_event_encode writes the journal form (seq and at_ms stand in the record header instead).
void rt_event_encode(const rt_event *event, rt_mpw *w);

// rt_event_decode_record reads the journal form. A type or field that the catalogue no longer
// knows gives RT_EUNKNOWN (type) or is passed over (field).
rt_err rt_event_decode_record(const rt_catalog *catalog, uint64_t seq, int64_t at_ms,
                              rt_bytes payload, rt_event *ret_event) RT_MUST_USE;

// rt_event_to_cloudevent writes the CloudEvents map (for publications, brainctl, tests).
void rt_event_to_cloudevent(const rt_event *event, rt_str tenant_name, rt_mpw *w);

// rt_event_field reads a data field by name; NONE when the type has no such field or it is absent.
rt_value rt_event_field(const rt_event *event, const char *name);

// rt_event_context reads a scalar from the context by dotted path ("order.carrier",
// "feature.carrier.late_rate", "memory.events"); NONE when unknown then.
rt_value rt_event_context(const rt_event *event, const char *dotted);

// rt_subject_split splits "order/45871" at its first slash into kind "order" and key "45871"; false
// without a slash or with an empty part.
bool rt_subject_split(rt_str subject, rt_str *ret_kind, rt_str *ret_key);

#endif
