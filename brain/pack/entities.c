// Entities of a pack and the plan of which event touches which entity and attribute.
#include "brain/pack/internal.h"
#include "runtime/base/alloc.h"

static void
load_attribute(br_entity *entity, const rt_node *node, rt_diag *diag)
{
    static const char *const allowed[] = {"type", "doc", "from", NULL};
    if (entity->attribute_count == BR_ATTRIBUTES_MAX) {
        rt_diag_add(diag, RT_SEVERITY_ERROR, "B1203", node->key_mark, NULL,
                    "an entity has at most %d attributes", BR_ATTRIBUTES_MAX);
        return;
    }
    (void)rt_node_only(node, allowed, "B1201", diag); // findings are in diag
    br_attribute *attribute = &entity->attributes[entity->attribute_count++];
    attribute->name = node->key;
    attribute->word = rt_mp_word_of(node->key);
    attribute->from = rt_node_get(node, "from");
    rt_str kind = rt_node_str(node, "type", RT_STR("str"), diag);
    if (!rt_kind_parse(kind, &attribute->kind)) {
        rt_diag_add(diag, RT_SEVERITY_ERROR, "B1204", node->mark,
                    "types are bool, i64, f64, str, time, duration", "unknown type '%.*s'",
                    RT_STR_ARG(kind));
    }
}

void
br__load_entities(br_pack *pack, const br_document *document, rt_diag *diag)
{
    static const char *const top[] = {"kind", "entities", NULL};
    static const char *const allowed[] = {"keys", "attributes", "sets", "doc", NULL};
    (void)rt_node_only(document->root, top, "B1201", diag); // findings are in diag
    const rt_node *list = rt_node_get(document->root, "entities");
    for (const rt_node *node = list != NULL ? list->child : NULL; node != NULL; node = node->next) {
        (void)rt_node_only(node, allowed, "B1201", diag); // findings are in diag
        if (pack->entity_count == BR_ENTITIES_MAX) {
            rt_diag_add(diag, RT_SEVERITY_ERROR, "B1202", node->key_mark, NULL,
                        "a pack has at most %d entities", BR_ENTITIES_MAX);
            return;
        }
        if (br__pack_entity(pack, node->key) != NULL) {
            rt_diag_add(diag, RT_SEVERITY_ERROR, "B1208", node->key_mark, NULL,
                        "entity '%.*s' is declared twice", RT_STR_ARG(node->key));
            continue;
        }
        br_entity *entity = &pack->entities[pack->entity_count];
        entity->index = (uint8_t)pack->entity_count++;
        entity->name = node->key;
        entity->word = rt_mp_word_of(node->key);
        const rt_node *attributes = rt_node_get(node, "attributes");
        for (const rt_node *a = attributes != NULL ? attributes->child : NULL; a != NULL;
             a = a->next) {
            load_attribute(entity, a, diag);
        }
    }
}

static br_touch *
add_touch(br_plan *plan, const br_entity *entity, int slot)
{
    if (plan->touch_count == BR_TOUCHES_MAX) {
        return NULL;
    }
    br_touch *touch = &plan->touches[plan->touch_count++];
    touch->entity = entity;
    touch->slot = (int8_t)slot;
    memset(touch->from_slot, -1, sizeof(touch->from_slot));
    return touch;
}

static bool
taken_from(const br_attribute *attribute, const rt_event_type *type)
{
    const rt_node *node = attribute->from != NULL ? attribute->from->child : NULL;
    while (node != NULL && !rt_str_equal(node->text, type->name)) {
        node = node->next;
    }
    return attribute->from == NULL || node != NULL;
}

// An attribute takes the event's field of the same name when the kinds agree; the field that is the
// entity's own key is no attribute of it.
static void
bind_attributes(br_touch *touch, const rt_event_type *type)
{
    for (uint32_t a = 0; a < touch->entity->attribute_count; a++) {
        int slot = rt_event_type_slot(type, touch->entity->attributes[a].name);
        if (slot >= 0 && slot != touch->slot &&
            taken_from(&touch->entity->attributes[a], type) &&
            type->fields[slot].kind == touch->entity->attributes[a].kind) {
            touch->from_slot[a] = (int8_t)slot;
            touch->changes = true;
        }
    }
}

static void
set_attribute(br_touch *touch, const rt_node *node, rt_diag *diag)
{
    int index = br__entity_attribute(touch->entity, node->key);
    if (index < 0) {
        rt_diag_add(diag, RT_SEVERITY_ERROR, "B1205", node->key_mark, NULL,
                    "entity '%.*s' has no attribute '%.*s'", RT_STR_ARG(touch->entity->name),
                    RT_STR_ARG(node->key));
        return;
    }
    if (touch->entity->attributes[index].kind != RT_KIND_STR || node->kind != RT_NODE_SCALAR) {
        rt_diag_add(diag, RT_SEVERITY_ERROR, "B1206", node->mark, NULL,
                    "an event type sets text attributes only, each to one text");
        return;
    }
    touch->set[index] = RT_TEXT(node->text);
    touch->changes = true;
}

static void
plan_sets(br_pack *pack, const br_entity *entity, const rt_node *sets, rt_diag *diag)
{
    for (const rt_node *node = sets->child; node != NULL; node = node->next) {
        const rt_event_type *type = rt_catalog_find(pack->catalog, node->key);
        char help[128];
        if (type == NULL) {
            rt_diag_add(diag, RT_SEVERITY_ERROR, "B1207", node->key_mark,
                        rt_catalog_suggest(pack->catalog, node->key, help, sizeof(help)),
                        "unknown event type '%.*s'", RT_STR_ARG(node->key));
            continue;
        }
        br_plan *plan = &pack->plans[type->index];
        for (uint32_t t = 0; t < plan->touch_count; t++) {
            if (plan->touches[t].entity == entity) {
                for (const rt_node *v = node->child; v != NULL; v = v->next) {
                    set_attribute(&plan->touches[t], v, diag);
                }
            }
        }
    }
}

static void
plan_type(br_pack *pack, const rt_event_type *type, const rt_node *entities)
{
    br_plan *plan = &pack->plans[type->index];
    const br_entity *subject = br__pack_entity(pack, type->entity);
    if (subject != NULL && plan->touch_count == 0) {
        bind_attributes(add_touch(plan, subject, -1), type);
    }
    for (const rt_node *node = entities->child; node != NULL; node = node->next) {
        const br_entity *entity = br__pack_entity(pack, node->key);
        const rt_node *keys = rt_node_get(node, "keys");
        if (entity == subject || keys == NULL) {
            continue;
        }
        for (const rt_node *key = keys->child; key != NULL; key = key->next) {
            int slot = rt_event_type_slot(type, key->text);
            br_touch *touch = slot >= 0 ? add_touch(plan, entity, slot) : NULL;
            if (touch != NULL) {
                bind_attributes(touch, type);
                break;
            }
        }
    }
}

void
br__plan_entities(br_pack *pack, const br_document *document, rt_diag *diag)
{
    const rt_node *entities = rt_node_get(document->root, "entities");
    if (entities == NULL) {
        return;
    }
    for (uint16_t t = 0; t < rt_catalog_count(pack->catalog); t++) {
        plan_type(pack, rt_catalog_at(pack->catalog, t), entities);
    }
    for (const rt_node *node = entities->child; node != NULL; node = node->next) {
        const rt_node *sets = rt_node_get(node, "sets");
        if (sets != NULL) {
            plan_sets(pack, br__pack_entity(pack, node->key), sets, diag);
        }
    }
}

static void
add_value(rt_field *field, rt_str *values, rt_str value)
{
    for (uint32_t i = 0; i < field->value_count; i++) {
        if (rt_str_equal(values[i], value)) {
            return;
        }
    }
    if (field->value_count < RT_FIELD_VALUES_MAX) {
        values[field->value_count] = value;
    }
    field->value_count++; // beyond the bound: counted, so that the list is known to be open
}

// The texts that one event type can give an attribute; false when it is any text.
static bool
add_values(const rt_event_type *type, const br_touch *touch, uint32_t a, rt_field *into,
           rt_str *values)
{
    const rt_field *from = touch->from_slot[a] >= 0 ? &type->fields[touch->from_slot[a]] : NULL;
    if (touch->set[a].kind == RT_KIND_STR) {
        add_value(into, values, touch->set[a].s);
    }
    if (from != NULL && from->values == NULL) {
        return false;
    }
    for (uint32_t i = 0; from != NULL && i < from->value_count; i++) {
        add_value(into, values, from->values[i]);
    }
    return true;
}

static void
close_attribute(br_pack *pack, const br_entity *entity, uint32_t a)
{
    rt_field *field = &pack->entities[entity->index].attributes[a].values;
    rt_str *values = rt_arena_array(pack->arena, rt_str, RT_FIELD_VALUES_MAX);
    bool closed = values != NULL && entity->attributes[a].kind == RT_KIND_STR;
    for (uint16_t t = 0; closed && t < rt_catalog_count(pack->catalog); t++) {
        const br_plan *plan = &pack->plans[t];
        for (uint32_t i = 0; closed && i < plan->touch_count; i++) {
            if (plan->touches[i].entity == entity) {
                closed = add_values(rt_catalog_at(pack->catalog, t), &plan->touches[i], a, field,
                                    values);
            }
        }
    }
    closed = closed && field->value_count > 0 && field->value_count <= RT_FIELD_VALUES_MAX;
    *field = closed ? (rt_field){.values = values, .value_count = field->value_count}
                    : (rt_field){0};
}

void
br__close_attributes(br_pack *pack)
{
    for (uint32_t e = 0; e < pack->entity_count; e++) {
        for (uint32_t a = 0; a < pack->entities[e].attribute_count; a++) {
            close_attribute(pack, &pack->entities[e], a);
        }
    }
}

void
br__plan_subjects(br_pack *pack)
{
    pack->subject_plans = rt_new_array(br_plan, BR_ENTITIES_MAX);
    for (uint32_t i = 0; i < pack->entity_count; i++) {
        (void)add_touch(&pack->subject_plans[i], &pack->entities[i], -1); // the first always fits
    }
}
