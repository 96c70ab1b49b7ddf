// wire/catalog.h: the event catalogue: which event types exist and what their data must look like.
//
// Layer: runtime/wire.   Threads: read-only after loading, any.
// Operators declare types in YAML; they are compiled here to slots, so that an event is decoded
// once into typed slots and nobody builds trees. Form of a file:
//
//   kind: catalog
//   events:
//     order.created:
//       doc: An order was placed.
//       entity: order             # entity type of the subject "order/<id>" (optional)
//       priority: normal          # low | normal | high (default normal)
//       importance: 0.4           # 0..1, above 0.7 goes to long-term memory (default 0)
//       tags: [order]
//       fields:
//         value_cop: {type: i64, required: true, unit: cop, min: 0, max: 1000000000, doc: ...}
//         city: {type: str, cap: 64, doc: ...}          # cap = bytes, default 256
//         channel: {type: str, values: [web, app]}      # closed list
//         wait: {type: duration, max: 2h}               # bounds for i64, f64 and duration (ms)
#ifndef CEREBRO_RUNTIME_WIRE_CATALOG_H
#define CEREBRO_RUNTIME_WIRE_CATALOG_H

#include "runtime/wire/diag.h"
#include "runtime/wire/value.h"
#include "runtime/wire/yaml.h"

#define RT_CATALOG_TYPES_MAX 512
#define RT_EVENT_FIELDS_MAX 32
#define RT_FIELD_VALUES_MAX 64
#define RT_FIELD_CAP_DEFAULT 256
#define RT_FIELD_CAP_MAX 65536

typedef enum rt_priority { RT_PRIORITY_LOW, RT_PRIORITY_NORMAL, RT_PRIORITY_HIGH } rt_priority;

typedef struct rt_field {
    rt_str name;
    rt_kind kind;
    bool required;
    bool has_min;
    bool has_max;
    double min;
    double max;
    uint32_t cap; // bytes of a string
    rt_str unit;
    rt_str doc;
    const rt_str *values; // closed list of a string, or NULL
    uint32_t value_count;
} rt_field;

typedef struct rt_event_type {
    uint16_t index; // position in the catalogue, stable within one loaded catalogue only
    rt_str name;
    rt_str doc;
    rt_str entity; // empty when the subject is no declared entity
    rt_priority priority;
    double importance;
    const rt_str *tags;
    uint32_t tag_count;
    const rt_field *fields;
    uint32_t field_count;
    uint32_t required;     // bit i: fields[i] is required
    const uint8_t *lookup; // hash table of rt_event_type_slot
    const char *file;      // where it was declared
    rt_mark mark;
} rt_event_type;

typedef struct rt_catalog rt_catalog;

// rt_catalog_new makes an empty catalogue.
rt_catalog *rt_catalog_new(void) RT_MUST_USE;
// rt_catalog_free releases it and every type; NULL is fine.
void rt_catalog_free(rt_catalog *catalog);
// rt_catalog_load adds the types of one YAML text, all or none; a type declared twice is an error.
//   errors    RT_ECONFIG, findings in `diag` (codes B11xx; B20xx from the YAML layer) · RT_ENOMEM
rt_err rt_catalog_load(rt_catalog *catalog, const char *file, rt_str text,
                       rt_diag *diag) RT_MUST_USE;
// rt_catalog_find looks a type up by name, or NULL.
const rt_event_type *rt_catalog_find(const rt_catalog *catalog, rt_str name);
// rt_catalog_at returns the type with that index; index < rt_catalog_count.
const rt_event_type *rt_catalog_at(const rt_catalog *catalog, uint16_t index);
// rt_catalog_count is the number of types.
uint16_t rt_catalog_count(const rt_catalog *catalog);
// rt_catalog_suggest formats a did-you-mean for an unknown type name, or returns NULL.
const char *rt_catalog_suggest(const rt_catalog *catalog, rt_str name, char *buf, size_t cap);
// rt_event_type_slot finds a field by name; -1 when there is none.
int rt_event_type_slot(const rt_event_type *type, rt_str name);
// rt_catalog_hash is a hash over all types and fields, to compare two processes' catalogues.
uint64_t rt_catalog_hash(const rt_catalog *catalog);

#endif
