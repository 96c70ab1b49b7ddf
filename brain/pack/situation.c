// Design notes.
// A path is resolved once, at compile time, to a slot number of three parts: where (4 bits), row
// (12 bits), column (16 bits); loading is then two array reads. Absent values are RT_KIND_NONE,
// which the language treats as a missing key.
#include "brain/pack/situation.h"

#include "brain/pack/internal.h"

enum { FROM_EVENT, FROM_DATA, FROM_ENTITY, FROM_FEATURE, FROM_MEMORY, FROM_NOW };
enum { EVENT_TYPE, EVENT_ID, EVENT_SOURCE, EVENT_SUBJECT, EVENT_TIME, EVENT_PRIORITY };

typedef struct named_slot {
    const char *name;
    rt_kind kind;
} named_slot;

static const named_slot event_slots[] = {
    [EVENT_TYPE] = {"type", RT_KIND_STR},       [EVENT_ID] = {"id", RT_KIND_STR},
    [EVENT_SOURCE] = {"source", RT_KIND_STR},   [EVENT_SUBJECT] = {"subject", RT_KIND_STR},
    [EVENT_TIME] = {"time", RT_KIND_TIME},      [EVENT_PRIORITY] = {"priority", RT_KIND_I64},
};
static const named_slot memory_slots[] = {
    {"events", RT_KIND_I64},
    {"events_24h", RT_KIND_I64},
    {"age_ms", RT_KIND_I64},
    {"idle_ms", RT_KIND_I64},
};

static const rt_field not_negative = {.kind = RT_KIND_I64, .has_min = true};

// What stands in every context, as it goes over the wire: a fixstr's header, then the text.
#define WORD(header, string)                                                                       \
    {                                                                                              \
        .text = RT_STR(string), .len = sizeof(string), .wire = header string                       \
    }
static const rt_mp_word feature_word = WORD("\xa7", "feature");
static const rt_mp_word memory_word = WORD("\xa6", "memory");
static const rt_mp_word memory_words[] = {WORD("\xa6", "events"), WORD("\xaa", "events_24h"),
                                          WORD("\xa6", "age_ms"), WORD("\xa7", "idle_ms")};

static uint32_t
slot_of(uint32_t from, uint32_t row, uint32_t column)
{
    return from << 28 | row << 16 | column;
}

static bool
resolve_named(const named_slot *slots, size_t count, uint32_t from, rt_str name,
              br_expr_var *ret_var)
{
    for (uint32_t i = 0; i < count; i++) {
        if (rt_str_is(name, slots[i].name)) {
            *ret_var = (br_expr_var){.slot = slot_of(from, 0, i),
                                     .kind = slots[i].kind,
                                     .field = from == FROM_MEMORY ? &not_negative : NULL};
            return true;
        }
    }
    return false;
}

static bool
resolve_entity(const br_plan *plan, rt_str head, rt_str tail, br_expr_var *ret_var)
{
    for (uint32_t t = 0; t < plan->touch_count; t++) {
        const br_entity *entity = plan->touches[t].entity;
        if (!rt_str_equal(entity->name, head)) {
            continue;
        }
        if (rt_str_is(tail, "id")) {
            *ret_var = (br_expr_var){.slot = slot_of(FROM_ENTITY, t, 0xffff), .kind = RT_KIND_STR};
            return true;
        }
        int attribute = br__entity_attribute(entity, tail);
        if (attribute >= 0) {
            *ret_var = (br_expr_var){.slot = slot_of(FROM_ENTITY, t, (uint32_t)attribute),
                                     .kind = entity->attributes[attribute].kind,
                                     .field = &entity->attributes[attribute].values};
            return true;
        }
    }
    return false;
}

static bool
split_head(rt_str path, rt_str *ret_head, rt_str *ret_tail)
{
    const char *dot = memchr(path.ptr, '.', path.len);
    if (dot == NULL) {
        *ret_head = path;
        *ret_tail = RT_STR("");
        return false;
    }
    size_t len = (size_t)(dot - path.ptr);
    *ret_head = (rt_str){path.ptr, len};
    *ret_tail = (rt_str){dot + 1, path.len - len - 1};
    return true;
}

static bool
resolve_feature(const br_plan *plan, rt_str tail, br_expr_var *ret_var)
{
    rt_str group;
    rt_str name;
    (void)split_head(tail, &group, &name); // without a dot `name` is empty and matches nothing
    for (uint32_t g = 0; g < plan->group_count; g++) {
        const br_group *def = plan->groups[g].group;
        for (uint32_t s = 0; rt_str_equal(def->name, group) && s < def->stat_count; s++) {
            if (rt_str_equal(def->stats[s].name, name)) {
                *ret_var =
                    (br_expr_var){.slot = slot_of(FROM_FEATURE, g, s), .kind = RT_KIND_F64};
                return true;
            }
        }
    }
    return false;
}

static bool
resolve(void *user, rt_str path, br_expr_var *ret_var)
{
    const br_env *env = user;
    const br_plan *plan = env->plan;
    rt_str head;
    rt_str tail;
    if (!split_head(path, &head, &tail)) {
        if (rt_str_is(head, "now")) {
            *ret_var = (br_expr_var){.slot = slot_of(FROM_NOW, 0, 0), .kind = RT_KIND_TIME};
            return true;
        }
        return false;
    }
    if (rt_str_is(head, "data")) {
        int slot = rt_event_type_slot(env->type, tail);
        if (slot >= 0) {
            *ret_var = (br_expr_var){.slot = slot_of(FROM_DATA, 0, (uint32_t)slot),
                                     .kind = env->type->fields[slot].kind,
                                     .is_there = env->type->fields[slot].required,
                                     .field = &env->type->fields[slot]};
        }
        return slot >= 0;
    }
    if (rt_str_is(head, "event")) {
        return resolve_named(event_slots, RT_COUNT(event_slots), FROM_EVENT, tail, ret_var);
    }
    if (rt_str_is(head, "memory")) {
        return resolve_named(memory_slots, RT_COUNT(memory_slots), FROM_MEMORY, tail, ret_var);
    }
    if (rt_str_is(head, "feature")) {
        return resolve_feature(plan, tail, ret_var);
    }
    return resolve_entity(plan, head, tail, ret_var);
}

static void
suggest_one(br_pack *pack, rt_str *ret_names, size_t max, size_t *count, rt_str head, rt_str tail)
{
    if (*count < max) {
        rt_str name = rt_arena_printf(pack->arena, "%.*s.%.*s", RT_STR_ARG(head), RT_STR_ARG(tail));
        if (name.ptr != NULL) {
            ret_names[(*count)++] = name;
        }
    }
}

static size_t
suggest(void *user, rt_str path, rt_str *ret_names, size_t max)
{
    const br_env *env = user;
    br_pack *pack = (br_pack *)(uintptr_t)env->pack; // names are made in the pack's arena
    const br_plan *plan = env->plan;
    size_t count = 0;
    (void)path;
    for (uint32_t i = 0; i < env->type->field_count; i++) {
        suggest_one(pack, ret_names, max, &count, RT_STR("data"), env->type->fields[i].name);
    }
    for (size_t i = 0; i < RT_COUNT(event_slots); i++) {
        suggest_one(pack, ret_names, max, &count, RT_STR("event"), rt_str_of(event_slots[i].name));
    }
    for (size_t i = 0; i < RT_COUNT(memory_slots); i++) {
        suggest_one(pack, ret_names, max, &count, RT_STR("memory"),
                    rt_str_of(memory_slots[i].name));
    }
    for (uint32_t t = 0; t < plan->touch_count; t++) {
        const br_entity *entity = plan->touches[t].entity;
        for (uint32_t a = 0; a < entity->attribute_count; a++) {
            suggest_one(pack, ret_names, max, &count, entity->name, entity->attributes[a].name);
        }
    }
    for (uint32_t g = 0; g < plan->group_count; g++) {
        const br_group *group = plan->groups[g].group;
        rt_str head = rt_arena_printf(pack->arena, "feature.%.*s", RT_STR_ARG(group->name));
        for (uint32_t s = 0; s < group->stat_count; s++) {
            suggest_one(pack, ret_names, max, &count, head, group->stats[s].name);
        }
    }
    return count;
}

static const br_hours *
calendar(void *user, rt_str name)
{
    const br_env *env = user;
    return br_pack_calendar(env->pack, name);
}

static size_t
calendars(void *user, rt_str *ret_names, size_t max)
{
    const br_env *env = user;
    return br_pack_calendar_names(env->pack, ret_names, max);
}

br_expr_env
br_env_expr(br_env *env)
{
    return (br_expr_env){.resolve = resolve,
                         .suggest = suggest,
                         .calendar = calendar,
                         .calendars = calendars,
                         .user = env};
}

static rt_value
load_event(const br_situation *situation, uint32_t column)
{
    const rt_event *event = situation->event;
    switch (column) {
    case EVENT_TYPE:
        return RT_TEXT(event->type->name);
    case EVENT_ID:
        return RT_TEXT(event->id);
    case EVENT_SOURCE:
        return RT_TEXT(event->source);
    case EVENT_SUBJECT:
        return RT_TEXT(event->subject);
    case EVENT_TIME:
        return RT_TIME(event->time_ms);
    default:
        return RT_I64((int64_t)event->priority);
    }
}

static rt_value
load_memory(const br_situation *situation, uint32_t column)
{
    const int64_t values[] = {situation->memory_events, situation->memory_events_24h,
                              situation->memory_age_ms, situation->memory_idle_ms};
    return RT_I64(values[column]);
}

rt_value
br_situation_load(const void *user, uint32_t slot)
{
    const br_situation *situation = user;
    uint32_t row = slot >> 16 & 0xfff;
    uint32_t column = slot & 0xffff;
    switch (slot >> 28) {
    case FROM_EVENT:
        return load_event(situation, column);
    case FROM_DATA:
        return situation->event->slots[column];
    case FROM_ENTITY:
        if (column == 0xffff) {
            return situation->keys[row].len > 0 ? RT_TEXT(situation->keys[row]) : RT_NONE;
        }
        return situation->attributes[row][column];
    case FROM_FEATURE:
        return situation->has_group[row] ? RT_F64(situation->features[row][column]) : RT_NONE;
    case FROM_MEMORY:
        return load_memory(situation, column);
    default:
        return RT_TIME(situation->now_ms);
    }
}

static uint32_t
encode_entity(const br_situation *situation, uint32_t touch, rt_mpw *w)
{
    const br_entity *entity = situation->plan->touches[touch].entity;
    uint32_t known = 0;
    for (uint32_t a = 0; a < entity->attribute_count; a++) {
        known += situation->attributes[touch][a].kind != RT_KIND_NONE;
    }
    if (known == 0) {
        return 0;
    }
    rt_mpw_word(w, &entity->word);
    rt_mpw_map(w, known);
    for (uint32_t a = 0; a < entity->attribute_count; a++) {
        if (situation->attributes[touch][a].kind != RT_KIND_NONE) {
            rt_mpw_word(w, &entity->attributes[a].word);
            rt_value_write(w, situation->attributes[touch][a]);
        }
    }
    return 1;
}

static uint32_t
encode_features(const br_situation *situation, rt_mpw *w)
{
    uint32_t known = 0;
    for (uint32_t g = 0; g < situation->plan->group_count; g++) {
        known += situation->has_group[g];
    }
    if (known == 0) {
        return 0;
    }
    rt_mpw_word(w, &feature_word);
    rt_mpw_map(w, known);
    for (uint32_t g = 0; g < situation->plan->group_count; g++) {
        const br_group *group = situation->plan->groups[g].group;
        if (situation->has_group[g]) {
            rt_mpw_word(w, &group->word);
            rt_mpw_map(w, group->stat_count);
            for (uint32_t s = 0; s < group->stat_count; s++) {
                rt_mpw_word(w, &group->stats[s].word);
                rt_mpw_f64(w, situation->features[g][s]);
            }
        }
    }
    return 1;
}

static uint32_t
encode_memory(const br_situation *situation, rt_mpw *w)
{
    if (situation->memory_events == 0) {
        return 0;
    }
    rt_mpw_word(w, &memory_word);
    rt_mpw_map(w, RT_COUNT(memory_slots));
    for (uint32_t i = 0; i < RT_COUNT(memory_slots); i++) {
        rt_mpw_word(w, &memory_words[i]);
        rt_value_write(w, load_memory(situation, i));
    }
    return 1;
}

void
br_situation_encode(const br_situation *situation, rt_mpw *w)
{
    size_t header = rt_mpw_map32(w);
    uint32_t pairs = 0;
    for (uint32_t t = 0; t < situation->plan->touch_count; t++) {
        pairs += encode_entity(situation, t, w);
    }
    pairs += encode_features(situation, w);
    pairs += encode_memory(situation, w);
    rt_mpw_patch32(w, header, pairs);
}

// The next key of a map whose value stands after it; false at its end, and where it is damaged.
static bool
next_key(rt_mp *mp, uint32_t *left, rt_str *ret_key)
{
    if (*left == 0) {
        return false;
    }
    (*left)--;
    return rt_mp_str(mp, ret_key) == RT_OK;
}

// Names come in the order in which they were written: the search goes on where the last one was.
static uint32_t
attribute_after(const br_entity *entity, uint32_t from, rt_str name)
{
    for (uint32_t i = 0; i < entity->attribute_count; i++) {
        uint32_t a = (from + i) % entity->attribute_count;
        if (rt_str_equal(entity->attributes[a].name, name)) {
            return a;
        }
    }
    return entity->attribute_count;
}

static uint32_t
stat_after(const br_group *group, uint32_t from, rt_str name)
{
    for (uint32_t i = 0; i < group->stat_count; i++) {
        uint32_t s = (from + i) % group->stat_count;
        if (rt_str_equal(group->stats[s].name, name)) {
            return s;
        }
    }
    return group->stat_count;
}

static void
decode_entity(br_situation *situation, uint32_t touch, rt_mp values)
{
    const br_entity *entity = situation->plan->touches[touch].entity;
    uint32_t left;
    uint32_t a = 0;
    rt_str name;
    rt_value value;
    if (rt_mp_map(&values, &left) != RT_OK) {
        return;
    }
    while (next_key(&values, &left, &name) && rt_value_read(&values, &value) == RT_OK) {
        a = attribute_after(entity, a, name);
        if (a < entity->attribute_count) {
            rt_kind kind = entity->attributes[a].kind;
            bool time = kind == RT_KIND_TIME || kind == RT_KIND_DURATION;
            value.kind = value.kind == RT_KIND_I64 && time ? kind : value.kind;
            situation->attributes[touch][a++] = value;
        }
    }
}

static void
decode_group(br_situation *situation, uint32_t g, rt_mp values)
{
    const br_group *group = situation->plan->groups[g].group;
    uint32_t left;
    uint32_t s = 0;
    rt_str name;
    double figure;
    if (rt_mp_map(&values, &left) != RT_OK) {
        return;
    }
    while (next_key(&values, &left, &name) && rt_mp_f64(&values, &figure) == RT_OK) {
        s = stat_after(group, s, name);
        if (s < group->stat_count) {
            situation->features[g][s++] = figure;
            situation->has_group[g] = true;
        }
    }
}

static void
decode_features(br_situation *situation, rt_mp groups)
{
    uint32_t left;
    rt_str name;
    rt_bytes raw;
    if (rt_mp_map(&groups, &left) != RT_OK) {
        return;
    }
    while (next_key(&groups, &left, &name) && rt_mp_raw(&groups, &raw) == RT_OK) {
        for (uint32_t g = 0; g < situation->plan->group_count; g++) {
            if (rt_str_equal(situation->plan->groups[g].group->name, name)) {
                decode_group(situation, g, rt_mp_init(raw));
                break;
            }
        }
    }
}

static void
decode_memory(br_situation *situation, rt_mp figures)
{
    int64_t *const places[] = {&situation->memory_events, &situation->memory_events_24h,
                               &situation->memory_age_ms, &situation->memory_idle_ms};
    uint32_t left;
    rt_str name;
    int64_t figure;
    if (rt_mp_map(&figures, &left) != RT_OK) {
        return;
    }
    while (next_key(&figures, &left, &name) && rt_mp_i64(&figures, &figure) == RT_OK) {
        for (size_t i = 0; i < RT_COUNT(memory_slots); i++) {
            if (rt_str_is(name, memory_slots[i].name)) {
                *places[i] = figure;
            }
        }
    }
}

// One part of a context: an entity that the event touches, its features, what is remembered.
static void
decode_part(br_situation *situation, rt_str name, rt_bytes raw)
{
    for (uint32_t t = 0; t < situation->plan->touch_count; t++) {
        if (rt_str_equal(situation->plan->touches[t].entity->name, name)) {
            decode_entity(situation, t, rt_mp_init(raw));
            return;
        }
    }
    if (rt_str_equal(name, feature_word.text)) {
        decode_features(situation, rt_mp_init(raw));
    } else if (rt_str_equal(name, memory_word.text)) {
        decode_memory(situation, rt_mp_init(raw));
    }
}

void
br_situation_decode(br_situation *situation, rt_bytes context)
{
    situation->places = NULL; // it was read from a record, not from rows
    situation->memory_events = 0;
    situation->memory_events_24h = 0;
    situation->memory_age_ms = 0;
    situation->memory_idle_ms = -1;
    for (uint32_t t = 0; t < situation->plan->touch_count; t++) {
        const br_touch *touch = &situation->plan->touches[t];
        rt_str kind;
        if (touch->slot >= 0) {
            rt_value key = situation->event->slots[touch->slot];
            situation->keys[t] = key.kind == RT_KIND_STR ? key.s : RT_STR("");
        } else if (!rt_subject_split(situation->event->subject, &kind, &situation->keys[t]) ||
                   !rt_str_equal(kind, touch->entity->name)) {
            situation->keys[t] = RT_STR("");
        }
    }
    rt_mp parts = rt_mp_init(context);
    uint32_t left;
    rt_str name;
    rt_bytes raw;
    if (rt_mp_map(&parts, &left) != RT_OK) {
        return;
    }
    while (next_key(&parts, &left, &name) && rt_mp_raw(&parts, &raw) == RT_OK) {
        decode_part(situation, name, raw);
    }
}
