#include "brain/core/show.h"

br_map
br__map_begin(rt_mpw *w)
{
    return (br_map){.w = w, .header = rt_mpw_map32(w)};
}

void
br__map_end(br_map *map)
{
    rt_mpw_patch32(map->w, map->header, map->pairs);
}

rt_mpw *
br__map_key(br_map *map, const char *key)
{
    rt_mpw_cstr(map->w, key);
    map->pairs++;
    return map->w;
}

void
br__map_str(br_map *map, const char *key, rt_str value)
{
    rt_mpw_str(br__map_key(map, key), value);
}

void
br__map_cstr(br_map *map, const char *key, const char *value)
{
    rt_mpw_cstr(br__map_key(map, key), value);
}

void
br__map_u64(br_map *map, const char *key, uint64_t value)
{
    rt_mpw_u64(br__map_key(map, key), value);
}

void
br__map_i64(br_map *map, const char *key, int64_t value)
{
    rt_mpw_i64(br__map_key(map, key), value);
}

void
br__map_f64(br_map *map, const char *key, double value)
{
    rt_mpw_f64(br__map_key(map, key), value);
}

void
br__map_bool(br_map *map, const char *key, bool value)
{
    rt_mpw_bool(br__map_key(map, key), value);
}

void
br__map_raw(br_map *map, const char *key, rt_bytes value)
{
    (void)br__map_key(map, key); // the value follows
    if (value.len > 0) {
        rt_mpw_raw(map->w, value);
    } else {
        rt_mpw_nil(map->w);
    }
}

static const char *const kind_names[] = {
    [RT_RECORD_EVENT] = "event",   [RT_RECORD_DECISION] = "decision",
    [RT_RECORD_PLAYBOOKS] = "playbooks", [RT_RECORD_REJECT] = "reject",
    [RT_RECORD_START] = "start",
};

bool
br__kind_parse(rt_str list, uint32_t *ret_kinds)
{
    uint32_t kinds = 0;
    while (list.len > 0) {
        const char *comma = memchr(list.ptr, ',', list.len);
        size_t len = comma != NULL ? (size_t)(comma - list.ptr) : list.len;
        uint32_t before = kinds;
        for (uint32_t k = RT_RECORD_EVENT; k < RT_COUNT(kind_names); k++) {
            if (rt_str_is((rt_str){list.ptr, len}, kind_names[k])) {
                kinds |= 1u << k;
            }
        }
        if (kinds == before) {
            return false;
        }
        size_t used = comma != NULL ? len + 1 : len;
        list = (rt_str){list.ptr + used, list.len - used};
    }
    *ret_kinds = kinds;
    return true;
}

bool
br__type_matches(rt_str pattern, rt_str type)
{
    if (pattern.len > 0 && pattern.ptr[pattern.len - 1] == '*') {
        return rt_str_starts(type, (rt_str){pattern.ptr, pattern.len - 1});
    }
    return pattern.len == 0 || rt_str_equal(pattern, type);
}

static bool
wanted(const br_filter *filter, rt_tenant tenant, rt_str type, rt_str subject)
{
    return (!filter->has_tenant || filter->tenant.v == tenant.v) &&
           br__type_matches(filter->type, type) &&
           (filter->subject.len == 0 || rt_str_equal(filter->subject, subject));
}

static br_map
begin_item(const rt_record *record, rt_mpw *w)
{
    br_map item = br__map_begin(w);
    br__map_u64(&item, "seq", record->seq);
    br__map_i64(&item, "at_ms", record->at_ms);
    br__map_cstr(&item, "kind", kind_names[record->kind]);
    return item;
}

static bool
show_damaged(const rt_record *record, rt_mpw *w)
{
    br_map item = begin_item(record, w);
    br__map_cstr(&item, "error", rt_err_detail());
    br__map_end(&item);
    return true;
}

static bool
show_event(const br_brain *brain, const br_filter *filter, const rt_record *record, rt_mpw *w)
{
    rt_event event;
    rt_err err = rt_event_decode_record(br_pack_catalog(brain->config.pack), record->seq,
                                        record->at_ms, record->payload, &event);
    if (err != RT_OK) {
        // of a type that the pack no longer has: said when everything is asked for
        bool all = !filter->has_tenant && filter->type.len == 0 && filter->subject.len == 0;
        return all && show_damaged(record, w);
    }
    if (!wanted(filter, event.tenant, event.type->name, event.subject)) {
        return false;
    }
    br_map item = begin_item(record, w);
    br__map_bool(&item, "internal", event.internal);
    br__map_u64(&item, "depth", event.depth);
    br__map_bool(&item, "undecided", (record->flags & RT_RECORD_UNDECIDED) != 0);
    rt_event_to_cloudevent(&event, br__tenant_name(brain, event.tenant),
                           br__map_key(&item, "event"));
    if (filter->context) {
        br__map_raw(&item, "context", event.context);
    }
    br__map_end(&item);
    return true;
}

static bool
show_decision(const br_brain *brain, const br_filter *filter, const rt_record *record,
              rt_arena *arena, rt_mpw *w)
{
    bool said = (record->flags & RT_RECORD_SAID) != 0;
    if (filter->said && !said) {
        return false;
    }
    msg_decision decision;
    rt_mp mp = rt_mp_init(record->payload);
    rt_arena_reset(arena);
    if (rt_msg_decode(&msg_decision_def, &mp, arena, &decision) != RT_OK) {
        return show_damaged(record, w);
    }
    rt_tenant tenant = {(uint16_t)decision.tenant};
    if (!wanted(filter, tenant, decision.event_type, decision.subject)) {
        return false;
    }
    br_map item = begin_item(record, w);
    br__map_bool(&item, "said", said);
    br__map_str(&item, "tenant", br__tenant_name(brain, tenant));
    rt_msg_to_map(&msg_decision_def, &decision, br__map_key(&item, "decision"));
    br__map_end(&item);
    return true;
}

// A refused input: [door, error, path, text, head of the input].
static bool
show_reject(const rt_record *record, rt_mpw *w)
{
    static const char *const keys[] = {"door", "error", "path", "text"};
    rt_mp mp = rt_mp_init(record->payload);
    uint32_t count;
    rt_str text;
    rt_bytes input;
    br_map item = begin_item(record, w);
    bool ok = rt_mp_array(&mp, &count) == RT_OK;
    for (size_t i = 0; ok && i < RT_COUNT(keys); i++) {
        ok = rt_mp_str(&mp, &text) == RT_OK;
        if (ok) {
            br__map_str(&item, keys[i], text);
        }
    }
    if (ok && rt_mp_bin(&mp, &input) == RT_OK) {
        rt_mpw_bin(br__map_key(&item, "input"), input);
    }
    br__map_end(&item);
    return true;
}

static void
show_note(rt_mp *mp, uint32_t parts, br_map *item)
{
    uint32_t three;
    rt_str by;
    rt_str how;
    rt_str reason;
    if (parts >= 3 && rt_mp_array(mp, &three) == RT_OK && three >= 3 &&
        rt_mp_str(mp, &by) == RT_OK && rt_mp_str(mp, &how) == RT_OK &&
        rt_mp_str(mp, &reason) == RT_OK) {
        br__map_str(item, "by", by);
        br__map_str(item, "how", how);
        br__map_str(item, "reason", reason);
    }
}

// A playbook set that went live: [version, [[name, text], ...]], and who made it live.
static bool
show_playbooks(const rt_record *record, rt_mpw *w)
{
    rt_mp mp = rt_mp_init(record->payload);
    uint32_t parts;
    uint32_t count;
    uint64_t version;
    br_map item = begin_item(record, w);
    if (rt_mp_array(&mp, &parts) == RT_OK && rt_mp_u64(&mp, &version) == RT_OK &&
        rt_mp_array(&mp, &count) == RT_OK) {
        br__map_u64(&item, "version", version);
        size_t header = rt_mpw_array32(br__map_key(&item, "files"));
        uint32_t written = 0;
        uint32_t two;
        rt_str name;
        for (; written < count && rt_mp_array(&mp, &two) == RT_OK &&
               rt_mp_str(&mp, &name) == RT_OK && rt_mp_skip(&mp) == RT_OK;
             written++) {
            rt_mpw_str(w, name);
        }
        rt_mpw_patch32(w, header, written);
        show_note(&mp, parts, &item);
    }
    br__map_end(&item);
    return true;
}

// A start of the daemon: [instance, build, hash of the catalogue].
static bool
show_start(const rt_record *record, rt_mpw *w)
{
    rt_mp mp = rt_mp_init(record->payload);
    uint32_t count;
    rt_str instance;
    rt_str build;
    br_map item = begin_item(record, w);
    if (rt_mp_array(&mp, &count) == RT_OK && rt_mp_str(&mp, &instance) == RT_OK &&
        rt_mp_str(&mp, &build) == RT_OK) {
        br__map_str(&item, "instance", instance);
        br__map_str(&item, "build", build);
    }
    br__map_end(&item);
    return true;
}

bool
br__show_record(const br_brain *brain, const br_filter *filter, const rt_record *record,
                rt_arena *arena, rt_mpw *w)
{
    if ((filter->kinds >> record->kind & 1) == 0) {
        return false;
    }
    switch (record->kind) {
    case RT_RECORD_EVENT:
        return show_event(brain, filter, record, w);
    case RT_RECORD_DECISION:
        return show_decision(brain, filter, record, arena, w);
    case RT_RECORD_REJECT:
        return show_reject(record, w);
    case RT_RECORD_PLAYBOOKS:
        return show_playbooks(record, w);
    case RT_RECORD_START:
        return show_start(record, w);
    case RT_RECORD_COMMIT:
        break;
    }
    return false;
}
