// brain/pack/pack.h: a domain pack, compiled: event catalogue, entities, features and actions.
//
// Layer: brain/pack (may use runtime/**, brain/expr/expr.h).   Threads: read-only after loading.
// Nothing in the brain knows a domain: all its words come from the YAML files of a pack
// (config/packs/<name>/{catalog,entities,features,actions,calendars}.yaml) and of the built-in pack
// `core`.
// For every event type the pack holds a plan: which entities it touches, which attributes it sets,
// which features it reads and updates, so that the hot path follows indices and compares no names.
#ifndef CEREBRO_BRAIN_PACK_PACK_H
#define CEREBRO_BRAIN_PACK_PACK_H

#include "brain/expr/expr.h"
#include "runtime/wire/event.h"

#define BR_ENTITIES_MAX 32
#define BR_ATTRIBUTES_MAX 24   // of one entity
#define BR_TOUCHES_MAX 4       // entities one event can touch
#define BR_GROUPS_MAX 32       // feature groups
#define BR_STATS_MAX 16        // features of one group
#define BR_PLAN_GROUPS_MAX 8   // feature groups one event type reads
#define BR_CALENDARS_MAX 32
#define BR_ACTIONS_MAX 256
#define BR_ACTION_ARGS_MAX 16
#define BR_ACTION_NAME_MAX 64 // bytes, of its group's name too

typedef struct br_attribute {
    rt_str name;
    rt_mp_word word; // its name
    rt_kind kind;
    const rt_node *from; // list of the only event types it is taken from, or NULL: any
    rt_field values;     // the texts that events can give it, when they are a closed list
} br_attribute;

typedef struct br_entity {
    uint8_t index;
    rt_str name;
    rt_mp_word word;
    br_attribute attributes[BR_ATTRIBUTES_MAX];
    uint32_t attribute_count;
} br_entity;

typedef enum br_stat_kind { BR_STAT_COUNT, BR_STAT_SUM, BR_STAT_MEAN, BR_STAT_LAST } br_stat_kind;

typedef struct br_stat {
    rt_str name;
    rt_mp_word word;
    uint32_t tag; // hash of the name; identifies the cell in a stored row
    br_stat_kind kind;
    int64_t half_life_ms; // 0 = never decays
    double prior;
    double weight; // of the prior, in observations
} br_stat;

typedef struct br_group {
    uint8_t index;
    rt_str name;
    rt_mp_word word;
    rt_str key; // name of the event field, or attribute of the subject, that holds the key
    br_stat stats[BR_STATS_MAX];
    uint32_t stat_count;
} br_group;

typedef enum br_executor {
    BR_EXECUTE_LOG,
    BR_EXECUTE_PUBLISH,
    BR_EXECUTE_EMIT,
    BR_EXECUTE_WEBHOOK,
} br_executor;

typedef struct br_action {
    uint16_t index;
    rt_str name;
    rt_str doc;
    rt_str resource; // entity type of its target; empty = any
    rt_str group;    // exclusive group; empty = never in conflict
    int32_t risk;    // class 0..3
    bool contact;    // reaches a customer: quiet hours apply
    br_executor executor;
    rt_str emits;   // event type of BR_EXECUTE_EMIT
    rt_str webhook; // name of the configured webhook of BR_EXECUTE_WEBHOOK
    int64_t cooldown_ms;
    int64_t per_target_day;  // 0 = unlimited
    int64_t per_tenant_hour; // 0 = unlimited
    rt_field args[BR_ACTION_ARGS_MAX];
    uint32_t arg_count;
} br_action;

// Where a value comes from: a slot of the event, or an attribute of a touched entity.
typedef struct br_source {
    int8_t slot;      // >= 0: field of the event
    int8_t touch;     // else: index into the plan's touches
    int8_t attribute; // of that entity
} br_source;

typedef struct br_touch {
    const br_entity *entity;
    int8_t slot; // event field holding the key; -1 = the event's subject
    // attribute a takes slot from_slot[a] (-1 = not) or the fixed value set[a]
    int8_t from_slot[BR_ATTRIBUTES_MAX];
    rt_value set[BR_ATTRIBUTES_MAX];
    bool changes; // whether any attribute can change
} br_touch;

typedef struct br_plan_group {
    const br_group *group;
    br_source key;
    uint16_t updates;                     // bit per stat that this event type updates
    const br_expr *values[BR_STATS_MAX];  // value expression of an updated stat, or NULL (count)
} br_plan_group;

typedef struct br_plan {
    br_touch touches[BR_TOUCHES_MAX]; // [0] is the subject when it is a declared entity
    uint32_t touch_count;
    br_plan_group groups[BR_PLAN_GROUPS_MAX];
    uint32_t group_count;
} br_plan;

typedef struct br_pack br_pack;

// br_pack_new makes an empty pack.
br_pack *br_pack_new(void) RT_MUST_USE;
// br_pack_free releases it with its catalogue; NULL is fine.
void br_pack_free(br_pack *pack);
// br_pack_load reads one file; its first key `kind` says what it is (catalog, entities, features,
// actions, calendars). Order of files does not matter: names are resolved by br_pack_finish.
//   errors    RT_ECONFIG findings in `diag` (codes B11xx..B15xx)
rt_err br_pack_load(br_pack *pack, const char *file, rt_str text, rt_diag *diag) RT_MUST_USE;
// br_pack_load_dir loads every *.yaml of a directory in name order.
rt_err br_pack_load_dir(br_pack *pack, const char *dir, rt_diag *diag) RT_MUST_USE;
// br_pack_finish resolves names and compiles the plans; call once, after all files.
rt_err br_pack_finish(br_pack *pack, rt_diag *diag) RT_MUST_USE;

// br_pack_catalog is the event catalogue.
const rt_catalog *br_pack_catalog(const br_pack *pack);
// br_pack_plan is the plan of an event type.
const br_plan *br_pack_plan(const br_pack *pack, const rt_event_type *type);
// br_pack_plan_of is the plan for one event: its type's, or, when that is empty and the type
// declares no entity but the subject names a declared one ("order/1" of a timer.fired), a plan that
// touches just that subject.
const br_plan *br_pack_plan_of(const br_pack *pack, const rt_event *event);
// br_pack_subject_plan is that plan by the entity's name, or NULL for an unknown entity.
const br_plan *br_pack_subject_plan(const br_pack *pack, rt_str entity);
// br_pack_action finds an action type, or NULL.
const br_action *br_pack_action(const br_pack *pack, rt_str name);
// br_pack_action_at lists actions; index < br_pack_action_count.
const br_action *br_pack_action_at(const br_pack *pack, size_t index);
size_t br_pack_action_count(const br_pack *pack);
// br_pack_calendar finds opening hours by their name, or NULL; they live as long as the pack.
const br_hours *br_pack_calendar(const br_pack *pack, rt_str name);
// br_pack_calendar_names lists at most `max` of their names; returns how many.
size_t br_pack_calendar_names(const br_pack *pack, rt_str *ret_names, size_t max);
// br_pack_action_check validates a msgpack argument map against the action's schema.
//   errors    RT_EMISSING RT_EUNKNOWN RT_ETYPE with the argument's name in the detail
rt_err br_pack_action_check(const br_action *action, rt_bytes args) RT_MUST_USE;
// br_pack_suggest_action formats a did-you-mean for an unknown action, or NULL.
const char *br_pack_suggest_action(const br_pack *pack, rt_str name, char *buf, size_t cap);

#endif
