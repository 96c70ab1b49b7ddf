// brain/pack/internal.h: shared by the files of brain/pack only.
#ifndef CEREBRO_BRAIN_PACK_INTERNAL_H
#define CEREBRO_BRAIN_PACK_INTERNAL_H

#include "brain/pack/pack.h"
#include "runtime/base/map.h"

#define BR_PACK_DOCUMENTS_MAX 64

// A YAML document kept until br_pack_finish, when all names are known.
typedef struct br_document {
    const char *file;
    rt_str text;
    const rt_node *root;
} br_document;

typedef struct br_named_hours {
    rt_str name;
    br_hours hours;
} br_named_hours;

struct br_pack {
    rt_arena *arena;
    rt_catalog *catalog;
    br_entity entities[BR_ENTITIES_MAX];
    uint32_t entity_count;
    br_group groups[BR_GROUPS_MAX];
    uint32_t group_count;
    br_action *actions;
    size_t action_count;
    rt_map *action_by_name;
    br_named_hours calendars[BR_CALENDARS_MAX];
    uint32_t calendar_count;
    br_plan *plans;         // by event type index
    br_plan *subject_plans; // by entity index
    br_document documents[BR_PACK_DOCUMENTS_MAX];
    size_t document_count;
    bool finished;
};

// br__pack_entity finds an entity by name, or NULL.
const br_entity *br__pack_entity(const br_pack *pack, rt_str name);
// br__entity_attribute finds an attribute by name; -1 when there is none.
int br__entity_attribute(const br_entity *entity, rt_str name);
// br__load_entities, br__load_features, br__load_actions and br__load_calendars declare what one
// document holds.
void br__load_entities(br_pack *pack, const br_document *document, rt_diag *diag);
void br__load_features(br_pack *pack, const br_document *document, rt_diag *diag);
void br__load_actions(br_pack *pack, const br_document *document, rt_diag *diag);
void br__load_calendars(br_pack *pack, const br_document *document, rt_diag *diag);
// br__plan_entities and br__plan_features build the plans of all event types.
void br__plan_entities(br_pack *pack, const br_document *document, rt_diag *diag);
// br__close_attributes finds the attributes that can only have certain texts.
void br__close_attributes(br_pack *pack);
// br__plan_subjects builds the plans of events that only name an entity as their subject.
void br__plan_subjects(br_pack *pack);
void br__plan_features(br_pack *pack, const br_document *document, rt_diag *diag);

#endif
