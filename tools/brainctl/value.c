#include "tools/brainctl/value.h"

#include <stdio.h>

#include "runtime/wire/json.h"
#include "runtime/wire/value.h"
#include "tools/brainctl/render.h"

#define JSON_MAX 65536
#define DEPTH_MAX 8
#define PATH_MAX_BYTES 256

static bool
find(rt_bytes map, const char *path, rt_mp *ret_at)
{
    return map.len > 0 && rt_mp_find_path(map, rt_str_of(path), ret_at);
}

rt_str
ctl_str(rt_bytes map, const char *path)
{
    rt_mp at;
    rt_str text;
    return find(map, path, &at) && rt_mp_str(&at, &text) == RT_OK ? text : RT_STR("");
}

uint64_t
ctl_u64(rt_bytes map, const char *path)
{
    rt_mp at;
    uint64_t value;
    return find(map, path, &at) && rt_mp_u64(&at, &value) == RT_OK ? value : 0;
}

int64_t
ctl_i64(rt_bytes map, const char *path)
{
    rt_mp at;
    int64_t value;
    return find(map, path, &at) && rt_mp_i64(&at, &value) == RT_OK ? value : 0;
}

double
ctl_f64(rt_bytes map, const char *path)
{
    rt_mp at;
    double value;
    return find(map, path, &at) && rt_mp_f64(&at, &value) == RT_OK ? value : 0;
}

bool
ctl_bool(rt_bytes map, const char *path)
{
    rt_mp at;
    bool value;
    return find(map, path, &at) && rt_mp_bool(&at, &value) == RT_OK && value;
}

rt_bytes
ctl_raw(rt_bytes map, const char *path)
{
    rt_mp at;
    rt_bytes raw = {NULL, 0};
    rt_mp_token token;
    if (!find(map, path, &at) || rt_mp_raw(&at, &raw) != RT_OK) {
        return (rt_bytes){NULL, 0};
    }
    rt_mp probe = rt_mp_init(raw);
    bool nil = rt_mp_next(&probe, &token) != RT_OK || token.type == RT_MP_NIL;
    return nil ? (rt_bytes){NULL, 0} : raw;
}

bool
ctl_has(rt_bytes map, const char *path)
{
    return ctl_raw(map, path).len > 0;
}

ctl_list
ctl_items(rt_bytes array)
{
    ctl_list list = {.at = rt_mp_init(array)};
    if (array.len == 0 || rt_mp_array(&list.at, &list.left) != RT_OK) {
        list.left = 0;
    }
    return list;
}

ctl_list
ctl_pairs(rt_bytes map)
{
    ctl_list list = {.at = rt_mp_init(map)};
    if (map.len == 0 || rt_mp_map(&list.at, &list.left) != RT_OK) {
        list.left = 0;
    }
    return list;
}

bool
ctl_next_item(ctl_list *list, rt_bytes *ret_item)
{
    if (list->left == 0 || rt_mp_raw(&list->at, ret_item) != RT_OK) {
        return false;
    }
    list->left--;
    return true;
}

bool
ctl_next_pair(ctl_list *list, rt_str *ret_key, rt_bytes *ret_value)
{
    if (list->left == 0 || rt_mp_str(&list->at, ret_key) != RT_OK ||
        rt_mp_raw(&list->at, ret_value) != RT_OK) {
        return false;
    }
    list->left--;
    return true;
}

rt_str
ctl_text(rt_bytes value)
{
    rt_mp at = rt_mp_init(value);
    rt_str text;
    return value.len > 0 && rt_mp_str(&at, &text) == RT_OK ? text : RT_STR("");
}

void
ctl_show(rt_text *out, rt_bytes value)
{
    rt_mp at = rt_mp_init(value);
    rt_value scalar;
    rt_text json;
    if (value.len == 0) {
        rt_text_cstr(out, "-");
        return;
    }
    if (rt_value_read(&at, &scalar) == RT_OK) {
        if (scalar.kind == RT_KIND_STR) {
            ctl_clean(out, scalar.s);
        } else if (scalar.kind == RT_KIND_F64) {
            ctl_number(out, scalar.f);
        } else {
            rt_value_format(out, scalar);
        }
        return;
    }
    rt_text_init(&json, JSON_MAX);
    if (rt_json_from_mp(value, &json) == RT_OK) {
        ctl_clean(out, rt_text_view(&json));
    }
    rt_text_fini(&json);
}

void
ctl_show_pairs(rt_text *out, rt_bytes map)
{
    ctl_list list = ctl_pairs(map);
    rt_str key;
    rt_bytes value;
    for (bool first = true; ctl_next_pair(&list, &key, &value); first = false) {
        rt_text_cstr(out, first ? "" : " ");
        ctl_clean(out, key);
        rt_text_cstr(out, "=");
        ctl_show(out, value);
    }
}

typedef struct level {
    ctl_list list;
    size_t path_len;
} level;

static bool
is_map(rt_bytes value)
{
    rt_mp at = rt_mp_init(value);
    rt_mp_token token;
    return rt_mp_next(&at, &token) == RT_OK && token.type == RT_MP_MAP;
}

void
ctl_flatten(rt_bytes map, void (*on_value)(void *user, rt_str path, rt_bytes value), void *user)
{
    level levels[DEPTH_MAX];
    char path[PATH_MAX_BYTES];
    uint32_t depth = 1;
    levels[0] = (level){ctl_pairs(map), 0};
    while (depth > 0) {
        level *now = &levels[depth - 1];
        rt_str key;
        rt_bytes value;
        if (!ctl_next_pair(&now->list, &key, &value)) {
            depth--;
            continue;
        }
        int put = snprintf(path + now->path_len, sizeof(path) - now->path_len, "%s%.*s",
                           now->path_len > 0 ? "." : "", RT_STR_ARG(key));
        size_t len = RT_MIN(now->path_len + (size_t)RT_MAX(put, 0), sizeof(path) - 1);
        if (is_map(value) && depth < DEPTH_MAX) {
            levels[depth++] = (level){ctl_pairs(value), len};
        } else {
            on_value(user, (rt_str){path, len}, value);
        }
    }
}

ctl_map
ctl_map_begin(size_t max)
{
    ctl_map map = {.pairs = 0};
    rt_mpw_init(&map.w, max);
    map.header = rt_mpw_map32(&map.w);
    return map;
}

rt_bytes
ctl_map_end(ctl_map *map)
{
    rt_mpw_patch32(&map->w, map->header, map->pairs);
    return rt_mpw_view(&map->w);
}

void
ctl_map_fini(ctl_map *map)
{
    rt_mpw_fini(&map->w);
}

rt_mpw *
ctl_map_key(ctl_map *map, const char *key)
{
    rt_mpw_cstr(&map->w, key);
    map->pairs++;
    return &map->w;
}

void
ctl_map_str(ctl_map *map, const char *key, rt_str value)
{
    if (value.len > 0) {
        rt_mpw_str(ctl_map_key(map, key), value);
    }
}

void
ctl_map_u64(ctl_map *map, const char *key, uint64_t value)
{
    rt_mpw_u64(ctl_map_key(map, key), value);
}

void
ctl_map_bool(ctl_map *map, const char *key, bool value)
{
    rt_mpw_bool(ctl_map_key(map, key), value);
}
