#include "runtime/wire/catalog.h"

#include <stdio.h>

#include "tests/harness/check.h"

#define GOOD                                                                                       \
    "kind: catalog\n"                                                                              \
    "events:\n"                                                                                    \
    "  order.created:\n"                                                                           \
    "    doc: An order was placed.\n"                                                              \
    "    entity: order\n"                                                                          \
    "    priority: high\n"                                                                         \
    "    importance: 0.4\n"                                                                        \
    "    tags: [order, sale]\n"                                                                    \
    "    fields:\n"                                                                                \
    "      value_cop: {type: i64, required: true, unit: cop, min: 0, max: 1000, doc: Value.}\n"    \
    "      city: {type: str, cap: 64}\n"                                                           \
    "      channel: {type: str, values: [web, app]}\n"                                             \
    "      wait: {type: duration, max: 2h}\n"                                                      \
    "      promised_at: {type: time, required: true}\n"                                            \
    "      gift: {type: bool}\n"                                                                   \
    "      weight: {type: f64, min: -0.5}\n"                                                       \
    "  order.delivered:\n"                                                                         \
    "    doc: Done.\n"

typedef struct fixture {
    rt_catalog *catalog;
    rt_diag *diag;
    rt_text out;
} fixture;

static int
set_up(void **state)
{
    static fixture f;

    f.catalog = rt_catalog_new();
    f.diag = rt_diag_new();
    rt_text_init(&f.out, 1 << 20);
    *state = &f;
    return 0;
}

static int
tear_down(void **state)
{
    fixture *f = *state;

    rt_text_fini(&f->out);
    rt_diag_free(f->diag);
    rt_catalog_free(f->catalog);
    return 0;
}

static rt_err
load(fixture *f, const char *text)
{
    return rt_catalog_load(f->catalog, "c", rt_str_of(text), f->diag);
}

// Loads what must be refused, compares the findings, and that the catalogue did not change.
static void
check_refused(fixture *f, const char *text, const char *findings)
{
    uint16_t before = rt_catalog_count(f->catalog);

    rt_diag_free(f->diag);
    f->diag = rt_diag_new();
    CHECK_ERR(load(f, text), RT_ECONFIG);
    rt_text_clear(&f->out);
    rt_diag_render_gcc(f->diag, &f->out);
    CHECK_STR(rt_text_view(&f->out), findings);
    CHECK_INT(rt_catalog_count(f->catalog), before);
}

// The same for one field `x` with the given body.
static void
check_field_refused(fixture *f, const char *body, const char *findings)
{
    char text[512];

    (void)snprintf(text, sizeof(text), "kind: catalog\nevents:\n  a.b:\n    fields:\n      x: %s\n",
                   body);
    check_refused(f, text, findings);
}

static void
test_catalog_compiles_types_and_fields(void **state)
{
    fixture *f = *state;
    const rt_event_type *type = NULL;
    const rt_field *value = NULL;

    CHECK_OK(load(f, GOOD));
    CHECK_INT(rt_catalog_count(f->catalog), 2);
    type = rt_catalog_find(f->catalog, RT_STR("order.created"));
    CHECK_TRUE(type != NULL);
    CHECK_INT(type->index, 0);
    CHECK_STR(type->doc, "An order was placed.");
    CHECK_STR(type->entity, "order");
    CHECK_INT(type->priority, RT_PRIORITY_HIGH);
    CHECK_NEAR(type->importance, 0.4, 0);
    CHECK_INT(type->tag_count, 2);
    CHECK_STR(type->tags[1], "sale");
    CHECK_CSTR(type->file, "c");
    CHECK_INT(type->mark.line, 3);
    CHECK_INT(type->field_count, 7);
    CHECK_U64(type->required, 0x11);
    value = &type->fields[0];
    CHECK_STR(value->name, "value_cop");
    CHECK_INT(value->kind, RT_KIND_I64);
    CHECK_TRUE(value->required && value->has_min && value->has_max);
    CHECK_NEAR(value->max, 1000, 0);
    CHECK_STR(value->unit, "cop");
}

static void
test_catalog_gives_defaults(void **state)
{
    fixture *f = *state;
    const rt_event_type *type = NULL;

    CHECK_OK(load(f, GOOD));
    type = rt_catalog_at(f->catalog, 0);
    CHECK_INT(type->fields[1].cap, 64);
    CHECK_INT(type->fields[2].cap, RT_FIELD_CAP_DEFAULT);
    CHECK_INT(type->fields[2].value_count, 2);
    CHECK_STR(type->fields[2].values[1], "app");
    CHECK_FALSE(type->fields[3].has_min);
    CHECK_NEAR(type->fields[3].max, 7200000, 0);
    CHECK_NEAR(type->fields[6].min, -0.5, 0);
    type = rt_catalog_at(f->catalog, 1);
    CHECK_INT(type->field_count, 0);
    CHECK_INT(type->priority, RT_PRIORITY_NORMAL);
    CHECK_NEAR(type->importance, 0, 0);
    CHECK_INT(type->entity.len, 0);
    CHECK_INT(rt_event_type_slot(type, RT_STR("x")), -1);
}

static void
test_catalog_finds_every_slot_and_no_other(void **state)
{
    fixture *f = *state;
    const rt_event_type *type = NULL;

    CHECK_OK(load(f, GOOD));
    type = rt_catalog_at(f->catalog, 0);
    for (uint32_t i = 0; i < type->field_count; i++) {
        CHECK_INT(rt_event_type_slot(type, type->fields[i].name), i);
    }
    CHECK_INT(rt_event_type_slot(type, RT_STR("cit")), -1);
    CHECK_INT(rt_event_type_slot(type, RT_STR("value_cox")), -1);
    CHECK_INT(rt_event_type_slot(type, RT_STR("")), -1);
}

// Appends `count` types of `fields` fields each.
static void
write_many(rt_text *out, int first, int count, int fields)
{
    rt_text_cstr(out, "kind: catalog\nevents:\n");
    for (int i = first; i < first + count; i++) {
        rt_text_printf(out, "  t%d.made:\n    fields:\n", i);
        for (int k = 0; k < fields; k++) {
            rt_text_printf(out, "      field_%d: {type: i64}\n", k);
        }
    }
}

static void
test_catalog_full_of_types_finds_each(void **state)
{
    fixture *f = *state;

    write_many(&f->out, 0, RT_CATALOG_TYPES_MAX, 1);
    CHECK_OK(rt_catalog_load(f->catalog, "c", rt_text_view(&f->out), f->diag));
    CHECK_INT(rt_catalog_count(f->catalog), RT_CATALOG_TYPES_MAX);
    for (uint16_t i = 0; i < RT_CATALOG_TYPES_MAX; i++) {
        const rt_event_type *type = rt_catalog_at(f->catalog, i);

        CHECK_TRUE(rt_catalog_find(f->catalog, type->name) == type);
    }
    CHECK_TRUE(rt_catalog_find(f->catalog, RT_STR("t512.made")) == NULL);
    check_refused(f, "kind: catalog\nevents:\n  a.b: {doc: x}\n",
                  "c:3:3: error: more than 512 event types [B1105]\n");
}

static void
test_catalog_type_full_of_fields_finds_each(void **state)
{
    fixture *f = *state;
    const rt_event_type *type = NULL;

    write_many(&f->out, 0, 1, RT_EVENT_FIELDS_MAX);
    CHECK_OK(rt_catalog_load(f->catalog, "c", rt_text_view(&f->out), f->diag));
    type = rt_catalog_at(f->catalog, 0);
    for (uint32_t i = 0; i < RT_EVENT_FIELDS_MAX; i++) {
        CHECK_INT(rt_event_type_slot(type, type->fields[i].name), i);
    }
    rt_text_clear(&f->out);
    write_many(&f->out, 1, 1, RT_EVENT_FIELDS_MAX + 1);
    CHECK_ERR(rt_catalog_load(f->catalog, "c", rt_text_view(&f->out), f->diag), RT_ECONFIG);
}

static void
test_catalog_second_file_adds_types(void **state)
{
    fixture *f = *state;
    const rt_event_type *first = NULL;

    CHECK_OK(load(f, GOOD));
    first = rt_catalog_at(f->catalog, 0);
    CHECK_OK(load(f, "kind: catalog\ndoc: More.\nevents:\n  a.b: {}\n  c: {doc: One word.}\n"));
    CHECK_INT(rt_catalog_count(f->catalog), 4);
    CHECK_TRUE(rt_catalog_at(f->catalog, 0) == first);
    CHECK_INT(rt_catalog_find(f->catalog, RT_STR("c"))->index, 3);
}

static void
test_catalog_duplicate_type_names_the_first_place(void **state)
{
    fixture *f = *state;

    CHECK_OK(load(f, GOOD));
    CHECK_ERR(load(f, "kind: catalog\nevents:\n  order.created: {}\n"), RT_ECONFIG);
    rt_diag_render(f->diag, &f->out);
    CHECK_STR(rt_text_view(&f->out),
              "c:3:3: error[B1104]: event type 'order.created' is declared already\n"
              "     3 |   order.created: {}\n"
              "       |   ^^^^^^^^^^^^^\n"
              "       = help: first declared at c:3\n");
    check_refused(f, "kind: catalog\nevents:\n  a.b: {}\n  a.b: {}\n",
                  "c:4:3: error: key 'a.b' appears twice [B2005]\n");
}

static void
test_catalog_refuses_other_files(void **state)
{
    fixture *f = *state;

    check_refused(f, "events: {}\n", "c:1:1: error: a catalogue says 'kind: catalog' [B1101]\n");
    check_refused(f, "kind: playbook\nevents: {}\n",
                  "c:1:7: error: a catalogue says 'kind: catalog' [B1101]\n");
    check_refused(f, "kind: catalog\n",
                  "c:1:1: error: 'events' must be a map of event types [B1106]\n");
    check_refused(f, "kind: catalog\nevents: [a.b]\n",
                  "c:2:9: error: 'events' must be a map of event types [B1106]\n");
    check_refused(f, "- a\n",
                  "c:1:1: error: a catalogue must be a map with kind and events [B1106]\n");
}

static void
test_catalog_unknown_keys_are_errors_at_every_level(void **state)
{
    fixture *f = *state;

    CHECK_ERR(load(f, "kind: catalog\nevent: {}\nevents:\n  a.b:\n    importence: 1\n    fields:\n"
                      "      x: {type: i64, maxx: 1}\n"),
              RT_ECONFIG);
    rt_diag_render_gcc(f->diag, &f->out);
    CHECK_STR(rt_text_view(&f->out), "c:2:1: error: unknown key 'event' [B1102]\n"
                                     "c:5:5: error: unknown key 'importence' [B1102]\n"
                                     "c:7:22: error: unknown key 'maxx' [B1102]\n");
}

static void
test_catalog_bad_types_are_refused(void **state)
{
    fixture *f = *state;

    check_refused(f, "kind: catalog\nevents:\n  Order.Created: {}\n",
                  "c:3:3: error: an event type is named like order.created, up to 64 bytes "
                  "[B1103]\n");
    check_refused(f, "kind: catalog\nevents:\n  a..b: {}\n",
                  "c:3:3: error: an event type is named like order.created, up to 64 bytes "
                  "[B1103]\n");
    check_refused(f, "kind: catalog\nevents:\n  a.b: 3\n",
                  "c:3:8: error: an event type must be a map with doc and fields [B1106]\n");
    check_refused(f, "kind: catalog\nevents:\n  a.b: {priority: urgent}\n",
                  "c:3:19: error: the priority must be low, normal or high [B1111]\n");
    check_refused(f, "kind: catalog\nevents:\n  a.b: {importance: 1.5}\n",
                  "c:3:21: error: 'importance' must be from 0 to 1 [B2004]\n");
    check_refused(f, "kind: catalog\nevents:\n  a.b: {entity: Or-der}\n",
                  "c:3:17: error: an entity name is of a-z, 0-9 and _ [B1103]\n");
    check_refused(f, "kind: catalog\nevents:\n  a.b: {tags: order}\n",
                  "c:3:15: error: must be a list [B1106]\n");
    check_refused(f, "kind: catalog\nevents:\n  a.b: {tags: [x, y, x]}\n",
                  "c:3:22: error: stands twice in the list [B1104]\n");
    check_refused(f, "kind: catalog\nevents:\n  a.b: {fields: [x]}\n",
                  "c:3:17: error: 'fields' must be a map of name: {type: ...} [B1106]\n");
}

static void
test_catalog_bad_fields_are_refused(void **state)
{
    fixture *f = *state;

    check_field_refused(f, "i64", "c:5:10: error: a field must be a map such as {type: i64} "
                                  "[B1106]\n");
    check_field_refused(f, "{doc: x}", "c:5:7: error: the field has no 'type' [B1107]\n");
    check_field_refused(f, "{type: int}", "c:5:17: error: the type must be bool, i64, f64, str, "
                                          "time or duration [B1107]\n");
    check_field_refused(f, "{type: i64, required: yes}",
                        "c:5:32: error: 'required' wants true or false [B2003]\n");
    check_field_refused(f, "{type: i64, min: 5, max: 4}",
                        "c:5:27: error: 'min' is above 'max' [B1108]\n");
    check_field_refused(f, "{type: str, min: 5}", "c:5:22: error: 'min' is for i64, f64 and "
                                                  "duration, not for str [B1108]\n");
    check_field_refused(f, "{type: i64, cap: 5}", "c:5:22: error: 'cap' is for str only [B1109]\n");
    check_field_refused(f, "{type: str, cap: 65537}",
                        "c:5:27: error: 'cap' must be from 1 to 65536 [B2004]\n");
    check_field_refused(f, "{type: f64, values: [a]}",
                        "c:5:22: error: 'values' is for str only [B1110]\n");
    check_field_refused(f, "{type: str, values: []}", "c:5:30: error: a closed list without values "
                                                      "allows nothing [B1110]\n");
    check_field_refused(f, "{type: str, cap: 3, values: [abc, abcd]}",
                        "c:5:44: error: must be a text of 1 to 3 bytes [B1110]\n");
    check_refused(f, "kind: catalog\nevents:\n  a.b:\n    fields:\n      X: {type: i64}\n",
                  "c:5:7: error: a field name is up to 48 of a-z, 0-9 and _, beginning with a "
                  "letter [B1103]\n");
}

static void
test_catalog_reports_all_mistakes_of_a_file_and_adds_nothing(void **state)
{
    fixture *f = *state;

    check_refused(f,
                  "kind: catalog\nevents:\n  good.one: {}\n  a.b: {priority: x}\n"
                  "  c.d:\n    fields:\n      y: {type: strr}\n",
                  "c:4:19: error: the priority must be low, normal or high [B1111]\n"
                  "c:7:17: error: the type must be bool, i64, f64, str, time or duration "
                  "[B1107]\n");
    CHECK_TRUE(rt_catalog_find(f->catalog, RT_STR("good.one")) == NULL);
    rt_text_clear(&f->out);
    rt_diag_render(f->diag, &f->out);
    CHECK_TRUE(strstr(f->out.ptr, "did you mean 'str'?") != NULL);
    CHECK_OK(load(f, "kind: catalog\nevents:\n  good.one: {}\n"));
    CHECK_INT(rt_catalog_find(f->catalog, RT_STR("good.one"))->index, 0);
}

static void
test_catalog_suggests_near_names(void **state)
{
    fixture *f = *state;
    char buf[96];

    CHECK_OK(load(f, GOOD));
    CHECK_CSTR(rt_catalog_suggest(f->catalog, RT_STR("order.craeted"), buf, sizeof(buf)),
               "did you mean 'order.created'?");
    CHECK_TRUE(rt_catalog_suggest(f->catalog, RT_STR("guide.made"), buf, sizeof(buf)) == NULL);
}

static uint64_t
hash_of(const char *text)
{
    rt_catalog *catalog = rt_catalog_new();
    rt_diag *diag = rt_diag_new();
    uint64_t hash = 0;

    CHECK_OK(rt_catalog_load(catalog, "h", rt_str_of(text), diag));
    hash = rt_catalog_hash(catalog);
    rt_diag_free(diag);
    rt_catalog_free(catalog);
    return hash;
}

static void
test_catalog_hash_follows_behaviour_not_words(void **state)
{
#define ONE(body) "kind: catalog\nevents:\n  a.b:\n    fields:\n      x: {" body "}\n"
    uint64_t base = hash_of(ONE("type: i64, doc: One."));

    (void)state;
    CHECK_U64(hash_of(ONE("type: i64, doc: Two.")), base);
    CHECK_TRUE(hash_of(ONE("type: f64")) != base);
    CHECK_TRUE(hash_of(ONE("type: i64, min: 0")) != base);
    CHECK_TRUE(hash_of(ONE("type: i64, required: true")) != base);
    CHECK_TRUE(hash_of("kind: catalog\nevents:\n  a.b:\n    fields:\n      y: {type: i64}\n") !=
               base);
    CHECK_TRUE(hash_of("kind: catalog\nevents:\n  a.c:\n    fields:\n      x: {type: i64}\n") !=
               base);
#undef ONE
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_catalog_compiles_types_and_fields),
        TEST(test_catalog_gives_defaults),
        TEST(test_catalog_finds_every_slot_and_no_other),
        TEST(test_catalog_full_of_types_finds_each),
        TEST(test_catalog_type_full_of_fields_finds_each),
        TEST(test_catalog_second_file_adds_types),
        TEST(test_catalog_duplicate_type_names_the_first_place),
        TEST(test_catalog_refuses_other_files),
        TEST(test_catalog_unknown_keys_are_errors_at_every_level),
        TEST(test_catalog_bad_types_are_refused),
        TEST(test_catalog_bad_fields_are_refused),
        TEST(test_catalog_reports_all_mistakes_of_a_file_and_adds_nothing),
        TEST(test_catalog_suggests_near_names),
        TEST(test_catalog_hash_follows_behaviour_not_words),
    };

    return CHECK_RUN(tests);
}
