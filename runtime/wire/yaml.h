// wire/yaml.h: strict YAML documents as a tree with line and column of every node.
//
// Layer: runtime/wire.   Threads: any.   The only user of libyaml (and tools/msggen of PyYAML).
// libyaml 0.2.5 has no nesting limit, is quadratic in nesting, takes duplicate keys and expands
// alias bombs when walked: we read by events with our own limits and refuse anchors, aliases,
// tags, several documents, duplicate keys and non-UTF-8. All findings go to `diag`.
#ifndef CEREBRO_RUNTIME_WIRE_YAML_H
#define CEREBRO_RUNTIME_WIRE_YAML_H

#include "runtime/base/arena.h"
#include "runtime/wire/diag.h"

#define RT_YAML_BYTES_MAX (1024 * 1024)
#define RT_YAML_DEPTH_MAX 32
#define RT_YAML_NODES_MAX 50000

typedef enum rt_node_kind { RT_NODE_SCALAR, RT_NODE_LIST, RT_NODE_MAP } rt_node_kind;
typedef enum rt_scalar_style {
    RT_SCALAR_PLAIN,
    RT_SCALAR_QUOTED, // '...' or "..."
    RT_SCALAR_BLOCK,  // | or >
} rt_scalar_style;

typedef struct rt_node rt_node;
struct rt_node {
    rt_node_kind kind;
    rt_scalar_style style;
    rt_mark mark;
    rt_str text;        // scalar text
    rt_str raw;         // the scalar as it stands in the file, with quotes or block header
    rt_str key;         // key of this node in its parent map
    rt_mark key_mark;   // where that key stands
    rt_node *child;     // first child of a list or map
    rt_node *next;      // next sibling
    uint32_t child_count;
};

// rt_yaml_parse reads one document into `arena`. The file name and text are registered in `diag`.
//   ret_root  never NULL on success; an empty document is an error
//   owns      nothing of `text`: the arena holds a copy
//   errors    RT_ECONFIG with findings in `diag` · RT_ENOMEM arena limit
rt_err rt_yaml_parse(const char *file, rt_str text, rt_arena *arena, rt_diag *diag,
                     rt_node **ret_root) RT_MUST_USE;

// rt_yaml_parse_max does so with a bound of its own on the values of the file, at most
// RT_YAML_NODES_MAX: reading one costs some microseconds.
rt_err rt_yaml_parse_max(const char *file, rt_str text, uint32_t nodes_max, rt_arena *arena,
                         rt_diag *diag, rt_node **ret_root) RT_MUST_USE;

// rt_node_get finds a child of a map by key, or NULL (also when `map` is NULL or no map).
const rt_node *rt_node_get(const rt_node *map, const char *key);

// rt_node_only reports every key of `map` that is not in `allowed` (NULL-terminated) with a
// suggestion, as error `code`. Returns the number of unknown keys.
size_t rt_node_only(const rt_node *map, const char *const *allowed, const char *code,
                    rt_diag *diag);

// rt_node_mark_at maps `length` bytes at `offset` of a scalar's text to their place in the file,
// whatever its style: escapes, folded lines and the indentation of blocks are taken into account.
// What spans several lines is marked to the end of its first line.
rt_mark rt_node_mark_at(const rt_node *scalar, size_t offset, size_t length);

// rt_node_str, rt_node_i64, rt_node_f64, rt_node_bool, rt_node_duration_ms, rt_node_size_bytes
// read child `key` of `map` with a default for an absent one; a wrong type or a value outside
// [min, max] is reported to `diag` (code B2003/B2004) and gives the default.
rt_str rt_node_str(const rt_node *map, const char *key, rt_str fallback, rt_diag *diag);
int64_t rt_node_i64(const rt_node *map, const char *key, int64_t fallback, int64_t min,
                    int64_t max, rt_diag *diag);
double rt_node_f64(const rt_node *map, const char *key, double fallback, double min, double max,
                   rt_diag *diag);
bool rt_node_bool(const rt_node *map, const char *key, bool fallback, rt_diag *diag);
int64_t rt_node_duration_ms(const rt_node *map, const char *key, int64_t fallback, rt_diag *diag);
int64_t rt_node_size_bytes(const rt_node *map, const char *key, int64_t fallback, rt_diag *diag);

#endif
