// wire/event_decoder.h: what the files that read and write events share; for this folder only.
//
// Layer: runtime/wire.   Threads: any.
// event.c reads the attributes of a wire event, event_data.c its data fields, event_record.c is the
// journal form and everything that looks at a decoded event.
#ifndef CEREBRO_RUNTIME_WIRE_EVENT_DECODER_H
#define CEREBRO_RUNTIME_WIRE_EVENT_DECODER_H

#include "runtime/wire/event.h"
#include "runtime/wire/mp_fast.h"

#define SHOWN_CAP 52 // of rt__shown's buffer
#define RT__ATTRIBUTES (ATTR_SPECVERSION + 1)
#define RT__PRIORITIES 3

// Attributes of the wire form; the enumerator is the bit in rt__decoder.seen.
typedef enum rt__attribute {
    ATTR_EXTENSION, // a name we do not know
    ATTR_ID,
    ATTR_SOURCE,
    ATTR_TYPE,
    ATTR_SUBJECT,
    ATTR_TIME,
    ATTR_DATA,
    ATTR_TENANT,
    ATTR_PRIORITY,
    ATTR_SEQUENCE,
    ATTR_CORRELATION,
    ATTR_CAUSATION,
    ATTR_TRACEPARENT,
    ATTR_SPECVERSION,
} rt__attribute;

typedef struct rt__decoder {
    const rt_catalog *catalog;
    rt_mp mp;
    rt_event *event;
    rt_reject *reject;
    uint32_t seen;        // bits 1 << attribute
    bool is_data_waiting; // `data` came before `type`
    rt_mp data;           // where it stands
} rt__decoder;

// rt__attribute_names and rt__priority_names are the words of the wire form, by enumerator.
extern const char *const rt__attribute_names[RT__ATTRIBUTES];
extern const rt_str rt__priority_names[RT__PRIORITIES];

// rt__refuse fills the refusal, cold and in no hurry, and returns `err`.
//   errors    `err`
rt_err rt__refuse(rt__decoder *d, rt_err err, const char *path, const char *fmt, ...)
    RT_PRINTF(4, 5);

// rt__refuse_type refuses what stands at the cursor because it is no `wanted`.
//   errors    RT_ETYPE, or RT_EPROTO when it is malformed
rt_err rt__refuse_type(rt__decoder *d, const char *path, const char *wanted);

// rt__refuse_key does the same for a key that is no string, of the map at `path`.
//   errors    as rt__refuse_type
rt_err rt__refuse_key(rt__decoder *d, const char *path);

// rt__refuse_missing refuses the first required field that is not among the bits of `filled`.
//   errors    RT_EMISSING
rt_err rt__refuse_missing(rt__decoder *d, uint32_t filled);

// rt__shown is a given text as people may see it: bounded, no control characters, valid UTF-8.
const char *rt__shown(rt_str text, char buf[SHOWN_CAP]);

// rt__decode_time reads a time: RFC 3339 text, a msgpack timestamp, or ms since the epoch. `field`
// is NULL for the attribute.
//   errors    RT_ETYPE RT_ERANGE RT_EPROTO, refused
rt_err rt__decode_time(rt__decoder *d, const rt_field *field, int64_t *ret_ms) RT_MUST_USE;

// rt__decode_data reads `data` of an event whose type is known.
//   errors    as rt_event_decode, refused
rt_err rt__decode_data(rt__decoder *d) RT_MUST_USE;

// rt__take_long_str reads a string in one of the rarer forms.
bool rt__take_long_str(rt_mp *mp, rt_str *ret_str);

// rt__take_str reads a string of any length; false (nothing moved) when something else is there.
static inline bool
rt__take_str(rt_mp *mp, rt_str *ret_str)
{
    return RT_LIKELY(rt__mp_key(mp, ret_str)) || rt__take_long_str(mp, ret_str);
}

// rt__find_slot is the slot of a data field: the guessed one, or what the hash table says; -1 when
// there is none.
static inline int
rt__find_slot(const rt_event_type *type, rt_str name, uint32_t guess)
{
    if (RT_LIKELY(guess < type->field_count && type->fields[guess].name.len == name.len &&
                  rt__same(type->fields[guess].name.ptr, name.ptr, name.len))) {
        return (int)guess;
    }
    return rt_event_type_slot(type, name);
}

// rt__set_type gives the event its type, with all slots empty.
static inline void
rt__set_type(rt_event *event, const rt_event_type *type)
{
    event->type = type;
    for (uint32_t i = 0; i < type->field_count; i++) {
        event->slots[i] = RT_NONE;
    }
}

#endif
