// brain/core/show.h: journal records and figures as msgpack maps, for brainctl and other readers.
//
// Layer: brain/core.   Threads: any; reads constants of the brain only (pack, tenants' names), so
// it also runs on the threads that read the journal.
#ifndef CEREBRO_BRAIN_CORE_SHOW_H
#define CEREBRO_BRAIN_CORE_SHOW_H

#include "brain/core/internal.h"

// A map being written whose number of pairs is known only at its end.
typedef struct br_map {
    rt_mpw *w;
    size_t header;
    uint32_t pairs;
} br_map;

// br__map_begin starts a map; br__map_end sets its size.
br_map br__map_begin(rt_mpw *w);
void br__map_end(br_map *map);
// br__map_key writes a key; the caller writes its value next, whatever it is.
rt_mpw *br__map_key(br_map *map, const char *key);
// br__map_str, br__map_cstr, br__map_u64, br__map_i64, br__map_f64 and br__map_bool write one pair.
void br__map_str(br_map *map, const char *key, rt_str value);
void br__map_cstr(br_map *map, const char *key, const char *value);
void br__map_u64(br_map *map, const char *key, uint64_t value);
void br__map_i64(br_map *map, const char *key, int64_t value);
void br__map_f64(br_map *map, const char *key, double value);
void br__map_bool(br_map *map, const char *key, bool value);
// br__map_raw writes a pair whose value is encoded already; nil when empty.
void br__map_raw(br_map *map, const char *key, rt_bytes value);

// What records are wanted; an empty text asks for all.
typedef struct br_filter {
    uint32_t kinds; // bit 1 << rt_record_kind
    bool has_tenant;
    rt_tenant tenant;
    rt_str type; // event type (of a decision: of the event decided on); "order.*" is a prefix
    rt_str subject;
    bool said; // decisions on which somebody said something
    bool context; // events with what the brain knew before them
} br_filter;

// br__show_record appends the item of a record: {seq, at_ms, kind, ...}; false (nothing appended)
// when it does not match. `arena` is scratch.
bool br__show_record(const br_brain *brain, const br_filter *filter, const rt_record *record,
                     rt_arena *arena, rt_mpw *w);
// br__kind_parse reads a list of kinds such as "event,decision" into bits; false when one is
// unknown.
bool br__kind_parse(rt_str list, uint32_t *ret_kinds);
// br__type_matches tells whether an event type matches "", "order.created" or "order.*".
bool br__type_matches(rt_str pattern, rt_str type);

#endif
