// Design notes.
// Attributes are stored by name, so a pack may gain, lose or reorder attributes without touching
// stored rows. A row is rewritten only when an attribute changes; most events change none and only
// move the figures in place.
#include "brain/memory/subject.h"

#include "brain/memory/place.h"
#include "brain/memory/tables.h"
#include "runtime/base/alloc.h"
#include "runtime/base/check.h"
#include "runtime/base/hash.h"
#include "runtime/base/planted.h"
#include "runtime/store/key.h"

#define ATTRIBUTES_BYTES_MAX 8192

struct br_subjects {
    rt_table *table;
    uint64_t max;
    uint64_t refused;
    rt_mpw scratch;
};

_Static_assert(sizeof(br_recent) == 24, "stored layout");
_Static_assert(sizeof(br_subject_row) == 24 + 24 * BR_RECENT_MAX, "stored layout");

static rt_key
row_key(rt_tenant tenant, rt_str entity, rt_str key)
{
    return rt_key_pair(RT_PLANTED(memory_without_tenant) ? RT_TENANT_SYSTEM : tenant, entity, key);
}

static void
find_place(const br_subjects *subjects, const br_situation *situation, uint32_t t, br_place *place)
{
    place->key = row_key(situation->event->tenant, situation->plan->touches[t].entity->name,
                         situation->keys[t]);
    place->at = rt_table_place(subjects->table, rt_key_bytes(&place->key));
}

rt_err
br_subjects_new(rt_store *store, uint64_t subjects_max, br_subjects **ret)
{
    rt_table *table;
    rt_err err = rt_store_table(store, BR_TABLE_SUBJECT, "subject", &table);
    if (err != RT_OK) {
        return err;
    }
    br_subjects *subjects = rt_new(br_subjects);
    subjects->table = table;
    subjects->max = subjects_max;
    rt_mpw_init(&subjects->scratch, ATTRIBUTES_BYTES_MAX);
    *ret = subjects;
    return RT_OK;
}

void
br_subjects_free(br_subjects *subjects)
{
    if (subjects != NULL) {
        rt_mpw_fini(&subjects->scratch);
        rt_free(subjects);
    }
}

static rt_str
touch_key(const br_touch *touch, const rt_event *event)
{
    if (touch->slot >= 0) {
        rt_value value = event->slots[touch->slot];
        return value.kind == RT_KIND_STR ? value.s : RT_STR("");
    }
    rt_str kind;
    rt_str key;
    if (rt_subject_split(event->subject, &kind, &key) && rt_str_equal(kind, touch->entity->name)) {
        return key;
    }
    return RT_STR("");
}

static rt_bytes
row_attributes(rt_bytes row)
{
    return (rt_bytes){row.ptr + sizeof(br_subject_row), row.len - sizeof(br_subject_row)};
}

// Stored kinds follow the wire (times are integers); the entity's declaration gives them back.
static rt_value
typed(rt_value value, rt_kind kind)
{
    if (value.kind == RT_KIND_I64 && (kind == RT_KIND_TIME || kind == RT_KIND_DURATION)) {
        value.kind = kind;
    } else if (value.kind == RT_KIND_I64 && kind == RT_KIND_F64) {
        value = RT_F64((double)value.i);
    }
    return value.kind == kind ? value : RT_NONE;
}

static void
read_attributes(rt_bytes map, const br_entity *entity, rt_value *ret_values)
{
    rt_mp mp = rt_mp_init(map);
    uint32_t pairs;
    uint32_t expected = 0;
    if (map.len == 0 || rt_mp_map(&mp, &pairs) != RT_OK) {
        return;
    }
    for (uint32_t i = 0; i < pairs; i++) {
        rt_str name;
        rt_value value;
        if (rt_mp_str(&mp, &name) != RT_OK || rt_value_read(&mp, &value) != RT_OK) {
            return;
        }
        // rows keep the order of the declaration, so the next name is nearly always the next one
        for (uint32_t step = 0; step < entity->attribute_count; step++) {
            uint32_t a = expected + step;
            a = a >= entity->attribute_count ? a - entity->attribute_count : a;
            if (rt_str_equal(entity->attributes[a].name, name)) {
                ret_values[a] = typed(value, entity->attributes[a].kind);
                expected = a + 1;
                break;
            }
        }
    }
}

static void
recall_figures(const br_subject_row *row, br_situation *situation)
{
    situation->memory_events = (int64_t)row->events;
    situation->memory_age_ms = situation->now_ms - row->first_ms;
    situation->memory_idle_ms = situation->now_ms - row->last_ms;
    for (uint32_t i = 0; i < BR_RECENT_MAX; i++) {
        bool fresh = row->recent[i].seq != 0 &&
                     situation->now_ms - row->recent[i].at_ms <= BR_SHORT_TERM_MS;
        situation->memory_events_24h += fresh;
    }
}

void
br_subjects_recall(const br_subjects *subjects, br_situation *situation)
{
    const br_plan *plan = situation->plan;
    situation->memory_events = 0;
    situation->memory_events_24h = 0;
    situation->memory_age_ms = 0;
    situation->memory_idle_ms = -1;
    if (situation->places != NULL) {
        situation->places->event = situation->event;
    }
    for (uint32_t t = 0; t < plan->touch_count; t++) {
        const br_touch *touch = &plan->touches[t];
        for (uint32_t a = 0; a < touch->entity->attribute_count; a++) {
            situation->attributes[t][a].kind = RT_KIND_NONE;
        }
        situation->keys[t] = touch_key(touch, situation->event);
        if (situation->keys[t].len == 0) {
            continue;
        }
        br_place spare;
        br_place *place = situation->places != NULL ? &situation->places->touches[t] : &spare;
        rt_bytes row;
        find_place(subjects, situation, t, place);
        if (!rt_place_get(subjects->table, &place->at, &row)) {
            continue;
        }
        RT_ASSERT(row.len >= sizeof(br_subject_row));
        read_attributes(row_attributes(row), touch->entity, situation->attributes[t]);
        if (touch->slot < 0) {
            recall_figures((const br_subject_row *)(const void *)row.ptr, situation);
        }
    }
}

static bool
same_value(rt_value a, rt_value b)
{
    if (a.kind != b.kind) {
        return false;
    }
    switch (a.kind) {
    case RT_KIND_STR:
        return rt_str_equal(a.s, b.s);
    case RT_KIND_F64:
        return memcmp(&a.f, &b.f, sizeof(a.f)) == 0;
    case RT_KIND_BOOL:
        return a.b == b.b;
    case RT_KIND_NONE:
        return true;
    case RT_KIND_I64:
    case RT_KIND_TIME:
    case RT_KIND_DURATION:
        return a.i == b.i;
    }
    return false;
}

// Merges what the event says into `values`; true when something is new.
static bool
merge_attributes(const br_touch *touch, const rt_event *event, rt_value *values)
{
    bool changed = false;
    for (uint32_t a = 0; a < touch->entity->attribute_count; a++) {
        rt_value value = touch->set[a];
        if (touch->from_slot[a] >= 0) {
            value = event->slots[touch->from_slot[a]];
        }
        if (value.kind != RT_KIND_NONE && !same_value(value, values[a])) {
            values[a] = value;
            changed = true;
        }
    }
    return changed;
}

static void
write_attributes(const br_entity *entity, const rt_value *values, rt_mpw *w)
{
    size_t header = rt_mpw_map32(w);
    uint32_t pairs = 0;
    for (uint32_t a = 0; a < entity->attribute_count; a++) {
        if (values[a].kind != RT_KIND_NONE) {
            rt_mpw_word(w, &entity->attributes[a].word);
            rt_value_write(w, values[a]);
            pairs++;
        }
    }
    rt_mpw_patch32(w, header, pairs);
}

static void
move_figures(br_subject_row *row, const rt_event *event, int64_t now_ms)
{
    if (row->events == 0) {
        row->first_ms = now_ms;
    }
    row->last_ms = now_ms;
    row->events++;
    memmove(&row->recent[1], &row->recent[0], sizeof(br_recent) * (BR_RECENT_MAX - 1));
    row->recent[0] = (br_recent){event->seq, now_ms,
                                 (uint32_t)rt_hash64(rt_bytes_of_str(event->type->name), 0),
                                 (float)event->type->importance};
}

static void
remember_touch(br_subjects *subjects, const br_situation *situation, uint32_t t)
{
    const br_touch *touch = &situation->plan->touches[t];
    br_place spare;
    br_place *place = &spare;
    if (situation->places != NULL) {
        RT_ASSERT(situation->places->event == situation->event);
        place = &situation->places->touches[t];
    } else {
        find_place(subjects, situation, t, place);
    }
    rt_value values[BR_ATTRIBUTES_MAX];
    bool changed = false;
    if (touch->changes) {
        memcpy(values, situation->attributes[t], touch->entity->attribute_count * sizeof(rt_value));
        changed = merge_attributes(touch, situation->event, values);
    }
    rt_bytes before;
    bool known = rt_place_get(subjects->table, &place->at, &before);
    if (!known && rt_table_count(subjects->table) >= subjects->max) {
        subjects->refused++;
        return;
    }
    size_t size = known ? before.len : sizeof(br_subject_row);
    if (changed) {
        // the merged values still view the old row, so they are written out before it moves
        rt_mpw_clear(&subjects->scratch);
        write_attributes(touch->entity, values, &subjects->scratch);
        changed = !subjects->scratch.failed;
    }
    if (changed) {
        size = sizeof(br_subject_row) + subjects->scratch.len;
    }
    bool created;
    br_subject_row *row = rt_place_edit(subjects->table, &place->at, size, &created);
    move_figures(row, situation->event, situation->now_ms);
    if (changed) {
        memcpy((uint8_t *)row + sizeof(br_subject_row), subjects->scratch.ptr,
               subjects->scratch.len);
    }
}

void
br_subjects_remember(br_subjects *subjects, const br_situation *situation)
{
    for (uint32_t t = 0; t < situation->plan->touch_count; t++) {
        if (situation->keys[t].len > 0) {
            remember_touch(subjects, situation, t);
        }
    }
}

rt_bytes
br_subjects_row(const br_subjects *subjects, rt_tenant tenant, rt_str entity, rt_str key)
{
    rt_key at = row_key(tenant, entity, key);
    rt_bytes row = {NULL, 0};
    (void)rt_table_get(subjects->table, rt_key_bytes(&at), &row); // absent: stays empty
    return row;
}

uint64_t
br_subjects_count(const br_subjects *subjects)
{
    return rt_table_count(subjects->table);
}

uint64_t
br_subjects_refused(const br_subjects *subjects)
{
    return subjects->refused;
}
