// A domain pack from its YAML files: catalogue, entities, features, actions.
//
// The input is one file, or several with SEPARATOR between them. Either the pack loads and
// everything in it keeps its promises, or every finding has a place; loading again comes to the
// same.
#include "brain/pack/situation.h"
#include "tests/fuzz/fuzz.h"

#define SEPARATOR "%%%\n"
#define ARGS_MAX 4096

static rt_mpw writer;

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    fuzz_begin();
    rt_mpw_init(&writer, 1u << 20);
    return 0;
}

// Loads all files; NULL when the pack is refused.
static br_pack *
load(const uint8_t *data, size_t size)
{
    fuzz_in in = {data, size};
    rt_diag *diag = rt_diag_new();
    br_pack *pack = br_pack_new();
    rt_str text = {NULL, 0};
    rt_err err = RT_OK;
    size_t before = 0;

    while (fuzz_until(&in, RT_STR(SEPARATOR), &text)) {
        rt_err loaded = br_pack_load(pack, "pack.yaml", text, diag);

        RT_ASSERT((loaded == RT_OK) == (rt_diag_errors(diag) == before));
        before = rt_diag_errors(diag);
        err = err == RT_OK ? loaded : err;
    }
    if (err == RT_OK) {
        err = br_pack_finish(pack, diag);
        RT_ASSERT((err == RT_OK) == (rt_diag_errors(diag) == before));
    }
    fuzz_diag_sound(diag);
    rt_diag_free(diag);
    if (err != RT_OK) {
        br_pack_free(pack);
        return NULL;
    }
    return pack;
}

static void
check_type(const rt_catalog *catalog, const rt_event_type *type)
{
    RT_ASSERT(rt_catalog_find(catalog, type->name) == type);
    RT_ASSERT(type->importance >= 0 && type->importance <= 1);
    for (uint32_t i = 0; i < type->field_count; i++) {
        const rt_field *field = &type->fields[i];

        RT_ASSERT(rt_event_type_slot(type, field->name) == (int)i);
        RT_ASSERT(field->kind != RT_KIND_NONE && field->cap <= RT_FIELD_CAP_MAX);
        RT_ASSERT(!field->has_min || !field->has_max || field->min <= field->max);
        RT_ASSERT(field->required == ((type->required >> i & 1u) != 0));
    }
}

// An event of the type with every field set goes through its situation and back.
static void
check_situation(const br_pack *pack, const rt_event_type *type)
{
    static br_situation situation;
    static br_situation again;
    static rt_event event;

    memset(&event, 0, sizeof(event));
    event.type = type;
    event.id = RT_STR("1");
    event.source = RT_STR("/x");
    event.subject = RT_STR("order/1");
    for (uint32_t i = 0; i < type->field_count; i++) {
        event.slots[i] = type->fields[i].kind == RT_KIND_STR
                             ? RT_TEXT(RT_STR("k"))
                             : (rt_value){.kind = type->fields[i].kind};
    }
    memset(&situation, 0, sizeof(situation));
    situation.event = &event;
    situation.plan = br_pack_plan_of(pack, &event);
    if (situation.plan == NULL) {
        return;
    }
    RT_ASSERT(situation.plan->touch_count <= BR_TOUCHES_MAX);
    RT_ASSERT(situation.plan->group_count <= BR_PLAN_GROUPS_MAX);
    for (uint32_t i = 0; i < situation.plan->group_count; i++) {
        situation.has_group[i] = true;
    }
    rt_mpw_clear(&writer);
    br_situation_encode(&situation, &writer);
    RT_ASSERT(!writer.failed && rt_mp_check(rt_mpw_view(&writer)) == RT_OK);
    memset(&again, 0, sizeof(again));
    again.event = &event;
    again.plan = situation.plan;
    br_situation_decode(&again, rt_mpw_view(&writer));
}

static void
check_action(const br_pack *pack, const br_action *action)
{
    static const uint8_t empty[] = {0x80};

    RT_ASSERT(br_pack_action(pack, action->name) == action);
    RT_ASSERT(action->risk >= 0 && action->risk <= 3);
    RT_ASSERT(action->name.len <= BR_ACTION_NAME_MAX && action->arg_count <= BR_ACTION_ARGS_MAX);
    for (uint32_t i = 0; i < action->arg_count; i++) {
        if (action->args[i].required) {
            RT_ASSERT(br_pack_action_check(action, (rt_bytes){empty, sizeof(empty)}) ==
                      RT_EMISSING);
            return;
        }
    }
    RT_ASSERT(br_pack_action_check(action, (rt_bytes){empty, sizeof(empty)}) == RT_OK);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    br_pack *pack = load(data, size);
    const rt_catalog *catalog = NULL;

    if (pack == NULL) {
        return 0;
    }
    catalog = br_pack_catalog(pack);
    for (uint16_t i = 0; i < rt_catalog_count(catalog); i++) {
        check_type(catalog, rt_catalog_at(catalog, i));
        check_situation(pack, rt_catalog_at(catalog, i));
    }
    for (size_t i = 0; i < br_pack_action_count(pack); i++) {
        check_action(pack, br_pack_action_at(pack, i));
    }
    (void)rt_catalog_hash(catalog);
    br_pack_free(pack);
    return 0;
}
