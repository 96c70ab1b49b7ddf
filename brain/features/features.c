#include "brain/features/features.h"

#include "brain/math/stats.h"
#include "brain/memory/place.h"
#include "brain/memory/tables.h"
#include "runtime/base/alloc.h"
#include "runtime/base/check.h"
#include "runtime/store/key.h"

typedef struct cell {
    uint64_t tag; // hash of the feature's name; 0 = unused
    br_decayed value;
} cell;

_Static_assert(sizeof(cell) == 32, "stored layout");

struct br_features {
    rt_table *table;
};

rt_err
br_features_new(rt_store *store, br_features **ret)
{
    rt_table *table;
    rt_err err = rt_store_table(store, BR_TABLE_FEATURE, "feature", &table);
    if (err != RT_OK) {
        return err;
    }
    *ret = rt_new(br_features);
    (*ret)->table = table;
    return RT_OK;
}

void
br_features_free(br_features *features)
{
    rt_free(features);
}

static rt_str
group_key(const br_situation *situation, br_source source)
{
    if (source.slot >= 0) {
        rt_value value = situation->event->slots[source.slot];
        if (value.kind == RT_KIND_STR) {
            return value.s;
        }
        return RT_STR("");
    }
    if (source.attribute < 0) {
        return situation->keys[source.touch];
    }
    rt_value value = situation->attributes[source.touch][source.attribute];
    return value.kind == RT_KIND_STR ? value.s : RT_STR("");
}

static const cell *
find_cell(const cell *cells, size_t count, uint32_t guess, uint32_t tag)
{
    if (guess < count && cells[guess].tag == tag) {
        return &cells[guess];
    }
    for (size_t i = 0; i < count; i++) {
        if (cells[i].tag == tag) {
            return &cells[i];
        }
    }
    return NULL;
}

static double
stat_value(const br_stat *stat, const cell *found, int64_t now_ms)
{
    static const br_decayed empty;
    const br_decayed *value = found != NULL ? &found->value : &empty;
    switch (stat->kind) {
    case BR_STAT_COUNT:
        return br_decayed_weight(value, now_ms, stat->half_life_ms);
    case BR_STAT_SUM:
        return br_decayed_mean(value, now_ms, stat->half_life_ms, 0, 0) *
               br_decayed_weight(value, now_ms, stat->half_life_ms);
    case BR_STAT_MEAN:
        return br_decayed_mean(value, now_ms, stat->half_life_ms, stat->prior, stat->weight);
    case BR_STAT_LAST:
        return value->weight > 0 ? value->sum : stat->prior;
    }
    return 0;
}

static void
find_place(const br_features *features, const br_situation *situation, uint32_t g, br_place *place)
{
    place->key = rt_key_pair(situation->event->tenant, situation->plan->groups[g].group->name,
                             situation->group_keys[g]);
    place->at = rt_table_place(features->table, rt_key_bytes(&place->key));
}

static void
read_group(const br_features *features, br_situation *situation, uint32_t g)
{
    const br_group *group = situation->plan->groups[g].group;
    rt_str name = group_key(situation, situation->plan->groups[g].key);
    situation->group_keys[g] = name;
    situation->has_group[g] = name.len > 0;
    if (name.len == 0) {
        return;
    }
    br_place spare;
    br_place *place = situation->places != NULL ? &situation->places->groups[g] : &spare;
    rt_bytes row = {NULL, 0};
    find_place(features, situation, g, place);
    (void)rt_place_get(features->table, &place->at, &row); // absent: priors
    const cell *cells = (const cell *)(const void *)row.ptr;
    for (uint32_t s = 0; s < group->stat_count; s++) {
        const cell *found =
            find_cell(cells, row.len / sizeof(cell), s, group->stats[s].tag);
        situation->features[g][s] = stat_value(&group->stats[s], found, situation->now_ms);
    }
}

void
br_features_read(const br_features *features, br_situation *situation)
{
    for (uint32_t g = 0; g < situation->plan->group_count; g++) {
        read_group(features, situation, g);
    }
}

static bool
observed(const br_situation *situation, const br_expr *expr, rt_arena *arena, double *ret_value)
{
    *ret_value = 1;
    if (expr == NULL) {
        return true;
    }
    br_expr_result result;
    br_expr_eval(expr, br_situation_load, situation, arena, &result);
    if (result.fault != BR_FAULT_NONE) {
        return false;
    }
    *ret_value = rt_value_as_f64(result.value, 0);
    return result.value.kind != RT_KIND_NONE;
}

static bool
is_live(const br_group *group, uint64_t tag)
{
    for (uint32_t s = 0; s < group->stat_count; s++) {
        if (group->stats[s].tag == tag) {
            return true;
        }
    }
    return false;
}

// A new feature takes an unused cell, else one of a feature that the pack no longer has; a row has
// at least as many cells as its group has features, so there is one.
static cell *
cell_of(const br_group *group, cell *cells, size_t count, uint32_t stat)
{
    uint32_t tag = group->stats[stat].tag;
    cell *found = (cell *)(uintptr_t)find_cell(cells, count, stat, tag);
    for (size_t i = 0; i < count && found == NULL; i++) {
        found = cells[i].tag == 0 ? &cells[i] : NULL;
    }
    for (size_t i = 0; i < count && found == NULL; i++) {
        found = !is_live(group, cells[i].tag) ? &cells[i] : NULL;
    }
    RT_ASSERT(found != NULL);
    if (found->tag != tag) {
        *found = (cell){.tag = tag};
    }
    return found;
}

static void
update_group(br_features *features, const br_situation *situation, uint32_t g, rt_arena *arena)
{
    const br_plan_group *use = &situation->plan->groups[g];
    double values[BR_STATS_MAX];
    uint16_t known = 0;
    for (uint32_t s = 0; s < use->group->stat_count; s++) {
        bool updates = (use->updates & (1u << s)) != 0;
        if (updates && observed(situation, use->values[s], arena, &values[s])) {
            known |= (uint16_t)(1u << s);
        }
    }
    if (known == 0) {
        return;
    }
    br_place spare;
    br_place *place = &spare;
    if (situation->places != NULL) {
        RT_ASSERT(situation->places->event == situation->event);
        place = &situation->places->groups[g];
    } else {
        find_place(features, situation, g, place);
    }
    bool created;
    rt_bytes before = {NULL, 0};
    (void)rt_place_get(features->table, &place->at, &before); // absent: a new row
    size_t size = RT_MAX(before.len, use->group->stat_count * sizeof(cell));
    cell *cells = rt_place_edit(features->table, &place->at, size, &created);
    for (uint32_t s = 0; s < use->group->stat_count; s++) {
        if ((known & (1u << s)) == 0) {
            continue;
        }
        const br_stat *stat = &use->group->stats[s];
        cell *at = cell_of(use->group, cells, size / sizeof(cell), s);
        if (stat->kind == BR_STAT_LAST) {
            at->value = (br_decayed){values[s], 1, situation->now_ms};
        } else {
            // a value that is not finite is refused and leaves the feature as it was
            RT_IGNORE(
                br_decayed_add(&at->value, situation->now_ms, values[s], 1, stat->half_life_ms));
        }
    }
}

void
br_features_update(br_features *features, const br_situation *situation, rt_arena *arena)
{
    for (uint32_t g = 0; g < situation->plan->group_count; g++) {
        if (situation->has_group[g] && situation->plan->groups[g].updates != 0) {
            update_group(features, situation, g, arena);
        }
    }
}
