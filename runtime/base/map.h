// base/map.h: hash map from byte keys to a 64-bit value; keys are copied; insertion order kept.
//
// Layer: runtime/base.   Threads: one owner.
// Iteration goes in insertion order, never by address, so runs repeat exactly.
#ifndef CEREBRO_RUNTIME_BASE_MAP_H
#define CEREBRO_RUNTIME_BASE_MAP_H

#include "runtime/base/attr.h"
#include "runtime/base/bytes.h"

typedef struct rt_map rt_map;

// rt_map_new makes an empty map.
rt_map *rt_map_new(void) RT_MUST_USE;
// rt_map_free releases it; NULL is fine.
void rt_map_free(rt_map *map);
// rt_map_put sets the value of a key, adding it when new. Returns true when it was new.
bool rt_map_put(rt_map *map, rt_bytes key, uint64_t value);
// rt_map_get finds a key; ret_value is set on success only.
bool rt_map_get(const rt_map *map, rt_bytes key, uint64_t *ret_value);
// rt_map_del removes a key; false when it was not there.
bool rt_map_del(rt_map *map, rt_bytes key);
// rt_map_count is the number of keys.
size_t rt_map_count(const rt_map *map);
// rt_map_next walks in insertion order: start with *cursor = 0; false at the end.
// Removing the key just returned is allowed during a walk; adding is not.
//   ret_key   stays valid until the next rt_map_put
bool rt_map_next(const rt_map *map, size_t *cursor, rt_bytes *ret_key, uint64_t *ret_value);

#endif
