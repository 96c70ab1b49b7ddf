// The pack's compiler: the real packs, the plans it makes, and every finding with its place.
#include "brain/pack/pack.h"

#include "tests/harness/pack_kit.h"

#define CATALOG                                                                                    \
    "kind: catalog\nevents:\n"                                                                     \
    "  box.made:\n    entity: box\n    fields:\n"                                                  \
    "      shelf_id: {type: str}\n      weight: {type: f64}\n      colour: {type: str}\n"          \
    "  note.made:\n    fields:\n      text: {type: str}\n"
#define ENTITIES                                                                                   \
    "kind: entities\nentities:\n"                                                                  \
    "  box:\n    attributes: {colour: {type: str}, weight: {type: f64}}\n"                         \
    "    sets: {box.made: {colour: plain}}\n"                                                      \
    "  shelf:\n    keys: [shelf_id]\n    attributes: {weight: {type: f64}}\n"

typedef struct bad_text {
    const char *text;
    const char *place;
    const char *code;
} bad_text;

// Loads a text beside a sound catalogue and entities and wants one finding.
static void
check_bad(const char *text, const char *place, const char *code)
{
    br_pack *pack = br_pack_new();
    rt_diag *diag = rt_diag_new();

    CHECK_OK(br_pack_load(pack, "catalog", RT_STR(CATALOG), diag));
    CHECK_OK(br_pack_load(pack, "entities", RT_STR(ENTITIES), diag));
    rt_err err = br_pack_load(pack, "x.yaml", rt_str_of(text), diag);
    if (err == RT_OK) {
        err = br_pack_finish(pack, diag);
    }
    CHECK_ERR(err, RT_ECONFIG);
    pack_kit_finds(diag, place, code);
    br_pack_free(pack);
    rt_diag_free(diag);
}

static void
check_all_bad(const bad_text *list, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        check_bad(list[i].text, list[i].place, list[i].code);
    }
}

static void
test_pack_unknown_kind_is_named_with_its_place(void **state)
{
    static const bad_text list[] = {
        {"kind: catalogue\n", "1:7", "B1101"},
        {"entities: {}\n", "1:1", "B1101"},
    };

    (void)state;
    check_all_bad(list, RT_COUNT(list));
}

static void
test_pack_bad_entities_are_named_with_their_place(void **state)
{
    static const bad_text list[] = {
        {"kind: entities\nentity: {}\n", "2:1", "B1201"},
        {"kind: entities\nentities:\n  lid:\n    colour: red\n", "4:5", "B1201"},
        {"kind: entities\nentities:\n  lid:\n    attributes: {a: {typ: str}}\n", "4:22", "B1201"},
        {"kind: entities\nentities:\n  lid:\n    attributes: {a: {type: text}}\n", "4:21", "B1204"},
        {"kind: entities\nentities:\n  box: {}\n", "3:3", "B1208"},
    };

    (void)state;
    check_all_bad(list, RT_COUNT(list));
}

// Sets of an entity that a sound event type touches.
static void
check_bad_sets(const char *sets, const char *place, const char *code)
{
    br_pack *pack = br_pack_new();
    rt_diag *diag = rt_diag_new();
    char text[512];

    (void)snprintf(text, sizeof(text),
                   "kind: entities\nentities:\n  box:\n    attributes: {colour: {type: str}, "
                   "weight: {type: f64}}\n    sets:\n      %s\n",
                   sets);
    CHECK_OK(br_pack_load(pack, "catalog", RT_STR(CATALOG), diag));
    CHECK_OK(br_pack_load(pack, "x.yaml", rt_str_of(text), diag));
    CHECK_ERR(br_pack_finish(pack, diag), RT_ECONFIG);
    pack_kit_finds(diag, place, code);
    br_pack_free(pack);
    rt_diag_free(diag);
}

static void
test_pack_bad_sets_are_named_with_their_place(void **state)
{
    (void)state;
    check_bad_sets("box.made: {color: red}", "6:18", "B1205");
    check_bad_sets("box.made: {weight: 3}", "6:26", "B1206");
    check_bad_sets("box.made: {colour: [red]}", "6:26", "B1206");
    check_bad_sets("box.mode: {colour: red}", "6:7", "B1207");
}

static void
test_pack_bad_features_are_named_with_their_place(void **state)
{
#define FEATURES "kind: features\nfeatures:\n  shelf:\n    key: shelf_id\n    "
    static const bad_text list[] = {
        {"kind: features\nfeature: {}\n", "2:1", "B1301"},
        {FEATURES "n: {on: [box.made], half_life: 1d, every: 2}\n", "5:40", "B1301"},
        {FEATURES "n: {on: [box.made], half_life: 1d, kind: median}\n", "5:8", "B1304"},
        {FEATURES "n: {on: [box.made]}\n", "5:5", "B1305"},
        {FEATURES "n: {on: [box.mode], half_life: 1d}\n", "5:14", "B1306"},
        {FEATURES "n: {on: [note.made], half_life: 1d}\n", "5:14", "B1307"},
        {FEATURES "n: {half_life: 1d}\n", "5:5", "B1308"},
        {FEATURES "n: {on: box.made, half_life: 1d}\n", "5:5", "B1308"},
        {FEATURES "n: {on: [box.made], half_life: 1d, kind: sum}\n", "5:5", "B1309"},
        {FEATURES "n: {on: [box.made], half_life: 1d, kind: sum, value: data.wait}\n", "5:58",
         "B2107"},
    };

    (void)state;
    check_all_bad(list, RT_COUNT(list));
}

static void
test_pack_bad_actions_are_named_with_their_place(void **state)
{
#define ACTION "kind: actions\nactions:\n  move:\n    "
#define LONG65 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
    static const bad_text list[] = {
        {"kind: actions\naction: {}\n", "2:1", "B1401"},
        {ACTION "clas: 1\n", "4:5", "B1401"},
        {ACTION "budget: {per_day: 1}\n", "4:14", "B1401"},
        {ACTION "args: {a: {typ: str}}\n", "4:16", "B1401"},
        {ACTION "args: {a: {type: text}}\n", "4:15", "B1404"},
        {ACTION "resource: crate\n", "3:3", "B1405"},
        {ACTION "executor: emit\n    emits: box.mode\n", "3:3", "B1406"},
        {ACTION "executor: webhook\n", "3:3", "B1407"},
        {ACTION "executor: phone\n", "3:3", "B1408"},
        {ACTION "group: " LONG65 "\n", "3:3", "B1410"},
        {"kind: actions\nactions:\n  " LONG65 ": {}\n", "3:3", "B1410"},
        {ACTION "class: 4\n", "4:12", "B2004"},
        {ACTION "cooldown: soon\n", "4:15", "B2003"},
    };

    (void)state;
    check_all_bad(list, RT_COUNT(list));
}

static void
test_pack_bad_calendars_are_named_with_their_place(void **state)
{
#define CALENDAR "kind: calendars\ncalendars:\n  office:\n    "
    static const bad_text list[] = {
        {"kind: calendars\ncalendar: {}\n", "2:1", "B1501"},
        {CALENDAR "form: \"08:00\"\n", "4:5", "B1501"},
        {CALENDAR "from: \"8:00\"\n", "4:11", "B1504"},
        {CALENDAR "until: [18]\n", "4:12", "B1504"},
        {CALENDAR "until: \"24:01\"\n", "4:12", "B1504"},
        {CALENDAR "until: \"00:00\"\n", "3:3", "B1504"},
        {CALENDAR "days: [mon, tues]\n", "4:17", "B1505"},
        {CALENDAR "days: []\n", "4:11", "B1505"},
        {CALENDAR "zone: Bogota\n", "4:11", "B1506"},
        {"kind: calendars\ncalendars:\n  a: {}\n  a: {}\n", "4:3", "B2005"},
    };

    (void)state;
    check_all_bad(list, RT_COUNT(list));
}

static void
test_pack_calendar_is_found_by_its_name(void **state)
{
    br_pack *pack = pack_kit_real();
    const br_hours *office = br_pack_calendar(pack, RT_STR("oficina"));
    rt_str names[BR_CALENDARS_MAX];

    (void)state;
    CHECK_TRUE(office != NULL);
    CHECK_INT(office->from_min, 480);
    CHECK_INT(office->until_min, 1080);
    CHECK_INT(office->days, 0x3e);
    CHECK_FALSE(office->holidays);
    CHECK_TRUE(rt_str_is(office->zone, "America/Bogota"));
    CHECK_TRUE(br_pack_calendar(pack, RT_STR("office")) == NULL);
    CHECK_U64(br_pack_calendar_names(pack, names, BR_CALENDARS_MAX), 2);
    CHECK_U64(br_pack_calendar_names(pack, names, 1), 1);
    br_pack_free(pack);
}

// "<head>", then `count` numbered entries, each `entry` after its name.
static void
check_too_many(const char *head, const char *indent, int count, const char *entry,
               const char *place, const char *code)
{
    rt_text text;

    rt_text_init(&text, 1 << 16);
    rt_text_cstr(&text, head);
    for (int i = 0; i < count; i++) {
        rt_text_printf(&text, "%sn%d: %s\n", indent, i, entry);
    }
    check_bad(text.ptr, place, code);
    rt_text_fini(&text);
}

static void
test_pack_more_than_its_limits_is_refused(void **state)
{
    (void)state;
    check_too_many("kind: calendars\ncalendars:\n", "  ", BR_CALENDARS_MAX + 1, "{}", "35:3",
                   "B1502");
    check_too_many("kind: entities\nentities:\n", "  ", BR_ENTITIES_MAX - 1, "{}", "33:3", "B1202");
    check_too_many("kind: entities\nentities:\n  e:\n    attributes:\n", "      ",
                   BR_ATTRIBUTES_MAX + 1, "{}", "29:7", "B1203");
    check_too_many("kind: features\nfeatures:\n", "  ", BR_GROUPS_MAX + 1, "{key: shelf_id}",
                   "35:3", "B1302");
    check_too_many("kind: features\nfeatures:\n  g:\n    key: shelf_id\n", "    ", BR_STATS_MAX + 1,
                   "{on: [box.made], half_life: 1d}", "21:5", "B1303");
    check_too_many("kind: actions\nactions:\n", "  ", BR_ACTIONS_MAX + 1, "{}", "259:3", "B1402");
    check_too_many("kind: actions\nactions:\n  a:\n    args:\n", "      ", BR_ACTION_ARGS_MAX + 1,
                   "{}", "21:7", "B1403");
}

static void
test_pack_more_files_than_its_limit_is_refused(void **state)
{
    br_pack *pack = br_pack_new();
    rt_diag *diag = rt_diag_new();

    (void)state;
    for (int i = 0; i < 64; i++) {
        CHECK_OK(br_pack_load(pack, "x.yaml", RT_STR("kind: actions\n"), diag));
    }
    CHECK_ERR(br_pack_load(pack, "x.yaml", RT_STR("kind: actions\n"), diag), RT_ECONFIG);

    pack_kit_finds(diag, "1:1", "B1102");
    br_pack_free(pack);
    rt_diag_free(diag);
}

static void
test_pack_action_of_two_files_is_refused(void **state)
{
    br_pack *pack = br_pack_new();
    rt_diag *diag = rt_diag_new();

    (void)state;
    CHECK_OK(br_pack_load(pack, "y.yaml", RT_STR("kind: actions\nactions:\n  move: {}\n"), diag));
    CHECK_OK(br_pack_load(pack, "x.yaml", RT_STR("kind: actions\nactions:\n\n  move: {}\n"), diag));
    CHECK_ERR(br_pack_finish(pack, diag), RT_ECONFIG);

    pack_kit_finds(diag, "4:3", "B1409");
    br_pack_free(pack);
    rt_diag_free(diag);
}

static void
test_pack_order_of_files_does_not_matter(void **state)
{
    static const char *const one[] = {CATALOG, ENTITIES, FEATURES
                                      "n: {on: [box.made], half_life: 1d}\n"};
    const char *const other[] = {one[2], one[1], one[0]};
    br_pack *a = pack_kit_of(one, 3);
    br_pack *b = pack_kit_of(other, 3);

    (void)state;
    const rt_event_type *of_a = rt_catalog_find(br_pack_catalog(a), RT_STR("box.made"));
    const rt_event_type *of_b = rt_catalog_find(br_pack_catalog(b), RT_STR("box.made"));

    CHECK_INT(br_pack_plan(a, of_a)->touch_count, 2);
    CHECK_INT(br_pack_plan(b, of_b)->touch_count, 2);
    CHECK_INT(br_pack_plan(a, of_a)->groups[0].updates, 1);
    CHECK_INT(br_pack_plan(b, of_b)->groups[0].updates, 1);
    br_pack_free(a);
    br_pack_free(b);
}

static void
test_pack_directories_of_the_tree_load(void **state)
{
    br_pack *pack = br_pack_new();
    rt_diag *diag = rt_diag_new();

    (void)state;
    CHECK_OK(br_pack_load_dir(pack, "config/packs/core", diag));
    CHECK_OK(br_pack_load_dir(pack, "config/packs/logistics", diag));
    if (br_pack_finish(pack, diag) != RT_OK) {
        drive_report(diag);
    }

    CHECK_INT(rt_diag_warnings(diag), 0);
    CHECK_TRUE(br_pack_action_count(pack) > 10);
    br_pack_free(pack);
    rt_diag_free(diag);
}

static void
test_pack_plan_touches_the_subject_and_the_keys_it_names(void **state)
{
    br_pack *pack = pack_kit_real();
    const rt_event_type *type = rt_catalog_find(br_pack_catalog(pack), RT_STR("delivery.failed"));
    const br_plan *plan = br_pack_plan(pack, type);

    (void)state;
    CHECK_INT(plan->touch_count, 3);
    CHECK_STR(plan->touches[0].entity->name, "order");
    CHECK_INT(plan->touches[0].slot, -1);
    CHECK_STR(plan->touches[1].entity->name, "customer");
    CHECK_INT(plan->touches[1].slot, rt_event_type_slot(type, RT_STR("customer_id")));
    CHECK_STR(plan->touches[2].entity->name, "carrier");
    CHECK_TRUE(plan->touches[0].changes);
    CHECK_FALSE(plan->touches[2].changes);
    br_pack_free(pack);
}

static void
test_pack_plan_fills_attributes_from_fields_and_sets(void **state)
{
    br_pack *pack = pack_kit_real();
    const rt_event_type *type = rt_catalog_find(br_pack_catalog(pack), RT_STR("delivery.failed"));
    const br_touch *order = &br_pack_plan(pack, type)->touches[0];
    int matched = 0;

    (void)state;
    for (uint32_t a = 0; a < order->entity->attribute_count; a++) {
        rt_str name = order->entity->attributes[a].name;

        if (rt_str_is(name, "status")) {
            CHECK_STR(order->set[a].s, "attempt_failed");
            CHECK_INT(order->from_slot[a], -1);
        }
        if (rt_str_is(name, "city")) {
            CHECK_INT(order->from_slot[a], rt_event_type_slot(type, name));
            matched++;
        }
        matched += rt_str_is(name, "status");
    }
    CHECK_INT(matched, 2);
    br_pack_free(pack);
}

static void
test_pack_plan_of_an_event_without_entity_follows_its_subject(void **state)
{
    br_pack *pack = pack_kit_real();
    rt_event event = {.type = rt_catalog_find(br_pack_catalog(pack), RT_STR("timer.fired")),
                      .subject = RT_STR("order/1")};

    (void)state;
    CHECK_TRUE(br_pack_plan_of(pack, &event) == br_pack_subject_plan(pack, RT_STR("order")));
    CHECK_STR(br_pack_plan_of(pack, &event)->touches[0].entity->name, "order");
    event.subject = RT_STR("planet/1");
    CHECK_TRUE(br_pack_plan_of(pack, &event) == br_pack_plan(pack, event.type));
    event.subject = RT_STR("");
    CHECK_TRUE(br_pack_plan_of(pack, &event) == br_pack_plan(pack, event.type));
    CHECK_TRUE(br_pack_subject_plan(pack, RT_STR("planet")) == NULL);
    br_pack_free(pack);
}

static void
test_pack_plan_with_touches_stays_whatever_the_subject(void **state)
{
    static const char *const texts[] = {
        "kind: catalog\nevents:\n  shelf.seen:\n    fields: {shelf_id: {type: str}}\n", ENTITIES,
        CATALOG};
    br_pack *pack = pack_kit_of(texts, RT_COUNT(texts));
    rt_event event = {.type = rt_catalog_find(br_pack_catalog(pack), RT_STR("shelf.seen")),
                      .subject = RT_STR("box/1")};

    (void)state;
    CHECK_TRUE(br_pack_plan_of(pack, &event) == br_pack_plan(pack, event.type));
    CHECK_STR(br_pack_plan_of(pack, &event)->touches[0].entity->name, "shelf");
    br_pack_free(pack);
}

static void
test_pack_feature_key_comes_from_field_attribute_or_subject(void **state)
{
    br_pack *pack = pack_kit_real();
    const rt_catalog *catalog = br_pack_catalog(pack);
    const rt_event_type *shipped = rt_catalog_find(catalog, RT_STR("order.shipped"));
    const rt_event_type *approved = rt_catalog_find(catalog, RT_STR("order.approved"));
    const rt_event_type *status = rt_catalog_find(catalog, RT_STR("carrier.status"));

    (void)state;
    CHECK_STR(br_pack_plan(pack, shipped)->groups[0].group->name, "carrier");
    CHECK_INT(br_pack_plan(pack, shipped)->groups[0].key.slot,
              rt_event_type_slot(shipped, RT_STR("carrier")));
    CHECK_INT(br_pack_plan(pack, approved)->groups[0].key.slot, -1);
    CHECK_TRUE(br_pack_plan(pack, approved)->groups[0].key.attribute >= 0);
    CHECK_INT(br_pack_plan(pack, status)->groups[0].key.slot, -1);
    CHECK_INT(br_pack_plan(pack, status)->groups[0].key.attribute, -1);
    br_pack_free(pack);
}

static void
test_pack_action_is_found_by_name_and_suggested(void **state)
{
    br_pack *pack = pack_kit_real();
    char buf[96];

    (void)state;
    const br_action *action = br_pack_action(pack, RT_STR("notify_customer"));

    CHECK_TRUE(action != NULL && br_pack_action_at(pack, action->index) == action);
    CHECK_INT(action->risk, 3);
    CHECK_TRUE(action->contact);
    CHECK_INT(action->executor, BR_EXECUTE_PUBLISH);
    CHECK_INT(action->cooldown_ms, 2 * 3600 * 1000);
    CHECK_INT(action->per_target_day, 3);
    CHECK_TRUE(br_pack_action(pack, RT_STR("notify")) == NULL);
    CHECK_CSTR(br_pack_suggest_action(pack, RT_STR("notify_custome"), buf, sizeof(buf)),
               "did you mean 'notify_customer'?");
    br_pack_free(pack);
}

static void
test_pack_action_defaults_are_the_careful_ones(void **state)
{
    static const char *const texts[] = {"kind: actions\nactions:\n  move: {}\n"};
    br_pack *pack = pack_kit_of(texts, 1);
    const br_action *action = br_pack_action(pack, RT_STR("move"));

    (void)state;
    CHECK_INT(action->risk, 3);
    CHECK_INT(action->executor, BR_EXECUTE_LOG);
    CHECK_FALSE(action->contact);
    br_pack_free(pack);
}

static rt_err
check_args(const br_pack *pack, const char *action, const char *json)
{
    rt_mpw w;
    rt_err err;

    rt_mpw_init(&w, 4096);
    CHECK_OK(rt_json_to_mp(rt_str_of(json), &w));
    err = br_pack_action_check(br_pack_action(pack, rt_str_of(action)), rt_mpw_view(&w));
    rt_mpw_fini(&w);
    return err;
}

static void
test_pack_action_arguments_are_checked(void **state)
{
    br_pack *pack = pack_kit_real();
    const br_action *resume = br_pack_action(pack, RT_STR("resume_carrier"));
    const br_action *move = br_pack_action(pack, RT_STR("reassign_carrier"));

    (void)state;
    CHECK_OK(check_args(pack, "reassign_carrier", "{\"carrier\": \"tcc\"}"));
    CHECK_OK(check_args(pack, "pause_carrier", "{\"hours\": 6}"));
    CHECK_OK(check_args(pack, "pause_carrier", "{\"hours\": 6.5, \"city\": null}"));
    CHECK_ERR(check_args(pack, "pause_carrier", "{\"hours\": \"6\"}"), RT_ETYPE);
    CHECK_ERR(check_args(pack, "reassign_carrier", "{\"from\": \"tcc\"}"), RT_EMISSING);
    CHECK_ERR(check_args(pack, "reassign_carrier", "{\"carrier\": null}"), RT_EMISSING);
    CHECK_ERR(check_args(pack, "reassign_carrier", "{\"carrier\": \"a\", \"x\": 1}"), RT_EUNKNOWN);
    CHECK_ERR(check_args(pack, "reassign_carrier", "{\"carrier\": [1]}"), RT_ETYPE);
    CHECK_ERR(check_args(pack, "reassign_carrier", "[1]"), RT_ETYPE);
    CHECK_OK(br_pack_action_check(resume, (rt_bytes){NULL, 0}));
    CHECK_ERR(br_pack_action_check(move, (rt_bytes){NULL, 0}), RT_EMISSING);
    br_pack_free(pack);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pack_unknown_kind_is_named_with_its_place),
        cmocka_unit_test(test_pack_bad_entities_are_named_with_their_place),
        cmocka_unit_test(test_pack_bad_sets_are_named_with_their_place),
        cmocka_unit_test(test_pack_bad_features_are_named_with_their_place),
        cmocka_unit_test(test_pack_bad_actions_are_named_with_their_place),
        cmocka_unit_test(test_pack_bad_calendars_are_named_with_their_place),
        cmocka_unit_test(test_pack_calendar_is_found_by_its_name),
        cmocka_unit_test(test_pack_more_than_its_limits_is_refused),
        cmocka_unit_test(test_pack_more_files_than_its_limit_is_refused),
        cmocka_unit_test(test_pack_action_of_two_files_is_refused),
        cmocka_unit_test(test_pack_order_of_files_does_not_matter),
        cmocka_unit_test(test_pack_directories_of_the_tree_load),
        cmocka_unit_test(test_pack_plan_touches_the_subject_and_the_keys_it_names),
        cmocka_unit_test(test_pack_plan_fills_attributes_from_fields_and_sets),
        cmocka_unit_test(test_pack_plan_of_an_event_without_entity_follows_its_subject),
        cmocka_unit_test(test_pack_plan_with_touches_stays_whatever_the_subject),
        cmocka_unit_test(test_pack_feature_key_comes_from_field_attribute_or_subject),
        cmocka_unit_test(test_pack_action_is_found_by_name_and_suggested),
        cmocka_unit_test(test_pack_action_defaults_are_the_careful_ones),
        cmocka_unit_test(test_pack_action_arguments_are_checked),
    };

    return CHECK_RUN(tests);
}
