// brainctl/value.h: reads answers: msgpack maps by dotted path, lists and pairs.
//
// Layer: tools/brainctl.   Threads: any. What is absent reads as empty or 0.
#ifndef CEREBRO_TOOLS_BRAINCTL_VALUE_H
#define CEREBRO_TOOLS_BRAINCTL_VALUE_H

#include "runtime/base/text.h"
#include "runtime/wire/mp.h"

// ctl_str, ctl_u64, ctl_i64, ctl_f64 and ctl_bool read the scalar at a dotted path.
rt_str ctl_str(rt_bytes map, const char *path);
uint64_t ctl_u64(rt_bytes map, const char *path);
int64_t ctl_i64(rt_bytes map, const char *path);
double ctl_f64(rt_bytes map, const char *path);
bool ctl_bool(rt_bytes map, const char *path);
// ctl_raw views the value at a path; {NULL, 0} without, and for nil.
rt_bytes ctl_raw(rt_bytes map, const char *path);
// ctl_has tells whether something stands at the path.
bool ctl_has(rt_bytes map, const char *path);

// What is left of a list or map.
typedef struct ctl_list {
    rt_mp at;
    uint32_t left;
} ctl_list;

// ctl_items begins an array, ctl_pairs a map; the value itself, not its path.
ctl_list ctl_items(rt_bytes array);
ctl_list ctl_pairs(rt_bytes map);
// ctl_next_item and ctl_next_pair view what comes next; false at the end.
bool ctl_next_item(ctl_list *list, rt_bytes *ret_item);
bool ctl_next_pair(ctl_list *list, rt_str *ret_key, rt_bytes *ret_value);
// ctl_text views a value that is a string; empty for others.
rt_str ctl_text(rt_bytes value);
// ctl_show appends any value as people read it, cleaned; containers as JSON.
void ctl_show(rt_text *out, rt_bytes value);
// ctl_show_pairs appends a map as "name=value name=value".
void ctl_show_pairs(rt_text *out, rt_bytes map);
// ctl_flatten calls back with each scalar below a map, by its dotted path.
void ctl_flatten(rt_bytes map, void (*on_value)(void *user, rt_str path, rt_bytes value),
                 void *user);

// A request or answer being built: a map whose size is known at the end.
typedef struct ctl_map {
    rt_mpw w;
    size_t header;
    uint32_t pairs;
} ctl_map;

// ctl_map_begin starts it; ctl_map_end views it, and ctl_map_fini frees it.
ctl_map ctl_map_begin(size_t max);
rt_bytes ctl_map_end(ctl_map *map);
void ctl_map_fini(ctl_map *map);
// ctl_map_key writes a key and gives the writer for its value.
rt_mpw *ctl_map_key(ctl_map *map, const char *key);
// ctl_map_str, ctl_map_u64 and ctl_map_bool write a pair; an empty text writes nothing.
void ctl_map_str(ctl_map *map, const char *key, rt_str value);
void ctl_map_u64(ctl_map *map, const char *key, uint64_t value);
void ctl_map_bool(ctl_map *map, const char *key, bool value);

#endif
