#include "runtime/wire/catalog.h"

#include <float.h>
#include <stdio.h>

#include "runtime/base/alloc.h"
#include "runtime/base/check.h"
#include "runtime/base/hash.h"
#include "runtime/wire/mp_fast.h"

// Design notes.
// A load compiles into an arena of its own and appends behind `count`, where nobody looks; only a
// load without findings raises `count` and enters the names in the hash table. So a bad file
// leaves the catalogue as it was, and all its mistakes are reported in one run.
//
// Names are found by open addressing with at least half of each table empty. The names in the
// tables come from the operator, so nobody outside can make them collide.
//
// Invariant: types[i]->index == i; names[i] is the name of types[i]; a table entry is index + 1.
//
// A load's arena is bounded: RT_CATALOG_TYPES_MAX types of RT_EVENT_FIELDS_MAX fields of
// RT_FIELD_VALUES_MAX values, and texts that all stand in one file of RT_YAML_BYTES_MAX.

#define CATALOG_MAGIC 0xca7a1090u
#define TYPE_TABLE_BITS 11
#define SLOT_TABLE_BITS 6
#define TYPE_NAME_MAX 64
#define FIELD_NAME_MAX 48
#define TAGS_MAX 16
#define LOAD_ARENA_BYTES (64u * 1024 * 1024)
#define TREE_ARENA_BYTES (32u * 1024 * 1024)
#define HASH_BYTES_MAX (256u * 1024 * 1024)

#define CODE_KIND "B1101"
#define CODE_UNKNOWN_KEY "B1102"
#define CODE_NAME "B1103"
#define CODE_DUPLICATE "B1104"
#define CODE_TOO_MANY "B1105"
#define CODE_SHAPE "B1106"
#define CODE_TYPE "B1107"
#define CODE_BOUNDS "B1108"
#define CODE_CAP "B1109"
#define CODE_VALUES "B1110"
#define CODE_PRIORITY "B1111"

_Static_assert(RT_CATALOG_TYPES_MAX * 2 <= 1 << TYPE_TABLE_BITS, "half of the table stays empty");
_Static_assert(RT_EVENT_FIELDS_MAX * 2 <= 1 << SLOT_TABLE_BITS, "half of the table stays empty");
_Static_assert(RT_EVENT_FIELDS_MAX <= 32, "rt_event_type.required has 32 bits");

struct rt_catalog {
    uint32_t magic;
    uint16_t count;
    uint16_t arena_count;
    uint64_t hash;
    const rt_event_type *types[RT_CATALOG_TYPES_MAX];
    rt_str names[RT_CATALOG_TYPES_MAX];
    uint16_t table[1 << TYPE_TABLE_BITS];
    rt_arena *arenas[RT_CATALOG_TYPES_MAX]; // one for each load that added types
};

// One load in progress.
typedef struct loader {
    rt_catalog *catalog;
    rt_arena *arena;
    rt_diag *diag;
    const char *file;
    uint16_t count; // types compiled so far, behind those of the catalogue
} loader;

static const rt_str priority_names[] = {
    [RT_PRIORITY_LOW] = {"low", 3},
    [RT_PRIORITY_NORMAL] = {"normal", 6},
    [RT_PRIORITY_HIGH] = {"high", 4},
};

// Mixes a name to 64 bits, of which the upper ones are the good ones.
static uint64_t
name_hash(rt_str name)
{
    const uint64_t factor = UINT64_C(0x9e3779b97f4a7c15);
    uint64_t hash = name.len;

    if (name.len >= 8) {
        for (size_t i = 0; i < name.len - 8; i += 8) {
            hash = (hash ^ rt__load64(name.ptr + i)) * factor;
            hash ^= hash >> 32;
        }
        hash ^= rt__load64(name.ptr + name.len - 8);
    } else if (name.len >= 4) {
        hash ^= (uint64_t)rt__load32(name.ptr) << 32 | rt__load32(name.ptr + name.len - 4);
    } else {
        for (size_t i = 0; i < name.len; i++) {
            hash = hash << 8 ^ (uint8_t)name.ptr[i];
        }
    }
    hash *= factor;
    hash ^= hash >> 32;
    return hash * factor;
}

static uint64_t hash_types(const rt_catalog *catalog);

rt_catalog *
rt_catalog_new(void)
{
    rt_catalog *catalog = rt_new(rt_catalog);

    catalog->magic = CATALOG_MAGIC;
    catalog->hash = hash_types(catalog);
    return catalog;
}

void
rt_catalog_free(rt_catalog *catalog)
{
    if (catalog == NULL) {
        return;
    }
    RT_CHECK(catalog, CATALOG_MAGIC);
    for (uint16_t i = 0; i < catalog->arena_count; i++) {
        rt_arena_free(catalog->arenas[i]);
    }
    memset(catalog, 0, sizeof(*catalog));
    rt_free(catalog);
}

static size_t
type_place(rt_str name)
{
    return (size_t)(name_hash(name) >> (64 - TYPE_TABLE_BITS));
}

static size_t
slot_place(rt_str name)
{
    return (size_t)(name_hash(name) >> (64 - SLOT_TABLE_BITS));
}

const rt_event_type *
rt_catalog_find(const rt_catalog *catalog, rt_str name)
{
    size_t place = type_place(name);

    RT_CHECK(catalog, CATALOG_MAGIC);
    for (;;) {
        uint16_t entry = catalog->table[place];

        if (entry == 0) {
            return NULL;
        }
        if (catalog->names[entry - 1].len == name.len &&
            rt__same(catalog->names[entry - 1].ptr, name.ptr, name.len)) {
            return catalog->types[entry - 1];
        }
        place = (place + 1) & ((1u << TYPE_TABLE_BITS) - 1);
    }
}

const rt_event_type *
rt_catalog_at(const rt_catalog *catalog, uint16_t index)
{
    RT_CHECK(catalog, CATALOG_MAGIC);
    RT_ASSERT(index < catalog->count);
    return catalog->types[index];
}

uint16_t
rt_catalog_count(const rt_catalog *catalog)
{
    RT_CHECK(catalog, CATALOG_MAGIC);
    return catalog->count;
}

const char *
rt_catalog_suggest(const rt_catalog *catalog, rt_str name, char *buf, size_t cap)
{
    RT_CHECK(catalog, CATALOG_MAGIC);
    return rt_diag_did_you_mean(name, catalog->names, catalog->count, buf, cap);
}

int
rt_event_type_slot(const rt_event_type *type, rt_str name)
{
    size_t place = slot_place(name);

    for (;;) {
        uint8_t entry = type->lookup[place];

        if (entry == 0) {
            return -1;
        }
        if (type->fields[entry - 1].name.len == name.len &&
            rt__same(type->fields[entry - 1].name.ptr, name.ptr, name.len)) {
            return entry - 1;
        }
        place = (place + 1) & ((1u << SLOT_TABLE_BITS) - 1);
    }
}

static void
write_field(rt_mpw *w, const rt_field *field)
{
    rt_mpw_str(w, field->name);
    rt_mpw_u64(w, field->kind);
    rt_mpw_bool(w, field->required);
    rt_mpw_bool(w, field->has_min);
    rt_mpw_f64(w, field->min);
    rt_mpw_bool(w, field->has_max);
    rt_mpw_f64(w, field->max);
    rt_mpw_u64(w, field->cap);
    rt_mpw_str(w, field->unit);
    rt_mpw_array(w, field->value_count);
    for (uint32_t i = 0; i < field->value_count; i++) {
        rt_mpw_str(w, field->values[i]);
    }
}

static void
write_type(rt_mpw *w, const rt_event_type *type)
{
    rt_mpw_str(w, type->name);
    rt_mpw_str(w, type->entity);
    rt_mpw_u64(w, type->priority);
    rt_mpw_f64(w, type->importance);
    rt_mpw_array(w, type->tag_count);
    for (uint32_t i = 0; i < type->tag_count; i++) {
        rt_mpw_str(w, type->tags[i]);
    }
    rt_mpw_array(w, type->field_count);
    for (uint32_t i = 0; i < type->field_count; i++) {
        write_field(w, &type->fields[i]);
    }
}

// What is hashed is what changes behaviour; docs and places in files are left out. It is asked for
// whenever a host says hello, and must not need memory then.
static uint64_t
hash_types(const rt_catalog *catalog)
{
    rt_mpw w;
    uint64_t hash = 0;

    rt_mpw_init(&w, HASH_BYTES_MAX);
    rt_mpw_array(&w, catalog->count);
    for (uint16_t i = 0; i < catalog->count; i++) {
        write_type(&w, catalog->types[i]);
    }
    RT_MUST_HAVE(!w.failed);
    hash = rt_hash64(rt_mpw_view(&w), 0);
    rt_mpw_fini(&w);
    return hash;
}

uint64_t
rt_catalog_hash(const rt_catalog *catalog)
{
    RT_CHECK(catalog, CATALOG_MAGIC);
    return catalog->hash;
}

// The pieces of a load's result; the arena's limit is above what one file can ask for.
static void *
take(loader *load, size_t bytes)
{
    void *ptr = rt_arena_alloc(load->arena, bytes);

    RT_MUST_HAVE(ptr != NULL);
    return ptr;
}

static rt_str
keep(loader *load, rt_str text)
{
    rt_str copy = rt_arena_str(load->arena, text);

    RT_MUST_HAVE(copy.ptr != NULL);
    return copy;
}

// Whether `name` is lower-case letters, digits and _, each part (between dots) from a letter on.
static bool
is_name(rt_str name, size_t max, bool may_have_dots)
{
    bool is_start = true;

    if (name.len == 0 || name.len > max) {
        return false;
    }
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        bool is_letter = c >= 'a' && c <= 'z';
        bool is_later = (c >= '0' && c <= '9') || c == '_';

        if (c == '.' && may_have_dots && !is_start) {
            is_start = true;
        } else if (is_letter || (is_later && !is_start)) {
            is_start = false;
        } else {
            return false;
        }
    }
    return !is_start;
}

static void
report(loader *load, const char *code, const rt_node *node, const char *text)
{
    rt_diag_add(load->diag, RT_SEVERITY_ERROR, code, node->mark, NULL, "%s", text);
}

static void
report_key(loader *load, const char *code, const rt_node *node, const char *text)
{
    rt_diag_add(load->diag, RT_SEVERITY_ERROR, code, node->key_mark, NULL, "%s", text);
}

// Reads a list of short names or values into `*ret_items`; the count is 0 after a finding.
static uint32_t
compile_list(loader *load, const rt_node *node, size_t max, size_t text_max,
             const rt_str **ret_items)
{
    rt_str *items = NULL;
    uint32_t count = 0;

    if (node->kind != RT_NODE_LIST) {
        report(load, CODE_SHAPE, node, "must be a list");
        return 0;
    }
    if (node->child_count > max) {
        rt_diag_add(load->diag, RT_SEVERITY_ERROR, CODE_TOO_MANY, node->mark, NULL,
                    "a list of %u, at most %zu are allowed", node->child_count, max);
        return 0;
    }
    items = take(load, sizeof(rt_str) * node->child_count);
    for (const rt_node *item = node->child; item != NULL; item = item->next) {
        if (item->kind != RT_NODE_SCALAR || item->text.len == 0 || item->text.len > text_max) {
            rt_diag_add(load->diag, RT_SEVERITY_ERROR, CODE_VALUES, item->mark, NULL,
                        "must be a text of 1 to %zu bytes", text_max);
            return 0;
        }
        for (uint32_t i = 0; i < count; i++) {
            if (rt_str_equal(items[i], item->text)) {
                report(load, CODE_DUPLICATE, item, "stands twice in the list");
                return 0;
            }
        }
        items[count++] = keep(load, item->text);
    }
    *ret_items = items;
    return count;
}

static rt_kind
compile_kind(loader *load, const rt_node *node)
{
    static const rt_kind kinds[] = {RT_KIND_BOOL, RT_KIND_I64,  RT_KIND_F64,
                                    RT_KIND_STR,  RT_KIND_TIME, RT_KIND_DURATION};
    const rt_node *type = rt_node_get(node, "type");
    rt_str names[RT_COUNT(kinds)];
    rt_kind kind = RT_KIND_NONE;
    char help[96];

    if (type == NULL) {
        report_key(load, CODE_TYPE, node, "the field has no 'type'");
        return RT_KIND_NONE;
    }
    if (type->kind == RT_NODE_SCALAR && rt_kind_parse(type->text, &kind)) {
        return kind;
    }
    for (size_t i = 0; i < RT_COUNT(kinds); i++) {
        names[i] = rt_str_of(rt_kind_name(kinds[i]));
    }
    rt_diag_add(load->diag, RT_SEVERITY_ERROR, CODE_TYPE, type->mark,
                rt_diag_did_you_mean(type->text, names, RT_COUNT(kinds), help, sizeof(help)),
                "the type must be bool, i64, f64, str, time or duration");
    return RT_KIND_NONE;
}

// Reads `key` as a bound of the field's kind; true when there is one.
static bool
compile_bound(loader *load, const rt_node *node, const char *key, rt_kind kind, double *ret_bound)
{
    const rt_node *bound = rt_node_get(node, key);

    if (bound == NULL || kind == RT_KIND_NONE) {
        return false;
    }
    if (kind == RT_KIND_DURATION) {
        *ret_bound = (double)rt_node_duration_ms(node, key, 0, load->diag);
        return true;
    }
    if (kind != RT_KIND_I64 && kind != RT_KIND_F64) {
        rt_diag_add(load->diag, RT_SEVERITY_ERROR, CODE_BOUNDS, bound->key_mark, NULL,
                    "'%s' is for i64, f64 and duration, not for %s", key, rt_kind_name(kind));
        return false;
    }
    *ret_bound = rt_node_f64(node, key, 0, -DBL_MAX, DBL_MAX, load->diag);
    return true;
}

static void
compile_bounds(loader *load, const rt_node *node, rt_field *field)
{
    field->has_min = compile_bound(load, node, "min", field->kind, &field->min);
    field->has_max = compile_bound(load, node, "max", field->kind, &field->max);
    if (field->has_min && field->has_max && field->min > field->max) {
        report(load, CODE_BOUNDS, rt_node_get(node, "min"), "'min' is above 'max'");
    }
}

// What only strings have: a length limit and a closed list.
static void
compile_string(loader *load, const rt_node *node, rt_field *field)
{
    const rt_node *cap = rt_node_get(node, "cap");
    const rt_node *values = rt_node_get(node, "values");
    bool is_str = field->kind == RT_KIND_STR;

    if (!is_str) {
        if (cap != NULL && field->kind != RT_KIND_NONE) {
            report_key(load, CODE_CAP, cap, "'cap' is for str only");
        }
        if (values != NULL && field->kind != RT_KIND_NONE) {
            report_key(load, CODE_VALUES, values, "'values' is for str only");
        }
        return;
    }
    field->cap = (uint32_t)rt_node_i64(node, "cap", RT_FIELD_CAP_DEFAULT, 1, RT_FIELD_CAP_MAX,
                                       load->diag);
    if (values != NULL) {
        field->value_count = compile_list(load, values, RT_FIELD_VALUES_MAX,
                                          RT_MIN(field->cap, (uint32_t)RT_FIELD_CAP_DEFAULT),
                                          &field->values);
        if (values->kind == RT_NODE_LIST && values->child_count == 0) {
            report(load, CODE_VALUES, values, "a closed list without values allows nothing");
        }
    }
}

static void
compile_field(loader *load, const rt_node *node, rt_field *field)
{
    static const char *const keys[] = {"type", "required", "unit", "min",  "max",
                                       "cap",  "values",   "doc",  NULL};

    if (!is_name(node->key, FIELD_NAME_MAX, false)) {
        rt_diag_add(load->diag, RT_SEVERITY_ERROR, CODE_NAME, node->key_mark, NULL,
                    "a field name is up to %d of a-z, 0-9 and _, beginning with a letter",
                    FIELD_NAME_MAX);
    }
    field->name = keep(load, node->key);
    if (node->kind != RT_NODE_MAP) {
        report(load, CODE_SHAPE, node, "a field must be a map such as {type: i64}");
        return;
    }
    rt_node_only(node, keys, CODE_UNKNOWN_KEY, load->diag);
    field->kind = compile_kind(load, node);
    field->required = rt_node_bool(node, "required", false, load->diag);
    field->unit = keep(load, rt_node_str(node, "unit", RT_STR(""), load->diag));
    field->doc = keep(load, rt_node_str(node, "doc", RT_STR(""), load->diag));
    compile_bounds(load, node, field);
    compile_string(load, node, field);
}

static void
enter_slot(uint8_t *table, rt_str name, uint32_t slot)
{
    size_t place = slot_place(name);

    while (table[place] != 0) {
        place = (place + 1) & ((1u << SLOT_TABLE_BITS) - 1);
    }
    table[place] = (uint8_t)(slot + 1);
}

static void
compile_fields(loader *load, const rt_node *node, rt_event_type *type)
{
    const rt_node *list = rt_node_get(node, "fields");
    uint8_t *table = take(load, 1u << SLOT_TABLE_BITS);
    rt_field *fields = NULL;
    uint32_t count = 0;

    type->lookup = table;
    if (list == NULL) {
        return;
    }
    if (list->kind != RT_NODE_MAP) {
        report(load, CODE_SHAPE, list, "'fields' must be a map of name: {type: ...}");
        return;
    }
    if (list->child_count > RT_EVENT_FIELDS_MAX) {
        rt_diag_add(load->diag, RT_SEVERITY_ERROR, CODE_TOO_MANY, list->key_mark, NULL,
                    "%u fields, at most %d are allowed", list->child_count, RT_EVENT_FIELDS_MAX);
        return;
    }
    fields = take(load, sizeof(rt_field) * list->child_count);
    for (const rt_node *field = list->child; field != NULL; field = field->next) {
        compile_field(load, field, &fields[count]);
        enter_slot(table, fields[count].name, count);
        type->required |= fields[count].required ? UINT32_C(1) << count : 0;
        count++;
    }
    type->fields = fields;
    type->field_count = count;
}

static rt_priority
compile_priority(loader *load, const rt_node *node)
{
    rt_str given = rt_node_str(node, "priority", RT_STR("normal"), load->diag);
    const rt_node *place = rt_node_get(node, "priority");
    char help[96];

    for (size_t i = 0; i < RT_COUNT(priority_names); i++) {
        if (rt_str_equal(given, priority_names[i])) {
            return (rt_priority)i;
        }
    }
    rt_diag_add(load->diag, RT_SEVERITY_ERROR, CODE_PRIORITY, place->mark,
                rt_diag_did_you_mean(given, priority_names, RT_COUNT(priority_names), help,
                                     sizeof(help)),
                "the priority must be low, normal or high");
    return RT_PRIORITY_NORMAL;
}

static void
compile_type_body(loader *load, const rt_node *node, rt_event_type *type)
{
    static const char *const keys[] = {"doc",  "entity", "priority", "importance",
                                       "tags", "fields", NULL};
    const rt_node *entity = rt_node_get(node, "entity");
    const rt_node *tags = rt_node_get(node, "tags");

    rt_node_only(node, keys, CODE_UNKNOWN_KEY, load->diag);
    type->doc = keep(load, rt_node_str(node, "doc", RT_STR(""), load->diag));
    type->entity = keep(load, rt_node_str(node, "entity", RT_STR(""), load->diag));
    if (entity != NULL && entity->kind == RT_NODE_SCALAR &&
        !is_name(type->entity, FIELD_NAME_MAX, false)) {
        report(load, CODE_NAME, entity, "an entity name is of a-z, 0-9 and _");
    }
    type->priority = compile_priority(load, node);
    type->importance = rt_node_f64(node, "importance", 0.0, 0.0, 1.0, load->diag);
    if (tags != NULL) {
        type->tag_count = compile_list(load, tags, TAGS_MAX, FIELD_NAME_MAX, &type->tags);
    }
    compile_fields(load, node, type);
}

// Reports a type that exists already, with the place of the first one.
static void
check_new(loader *load, const rt_node *node)
{
    const rt_event_type *first = rt_catalog_find(load->catalog, node->key);
    char help[160];

    if (first != NULL) {
        (void)snprintf(help, sizeof(help), "first declared at %s:%u", first->file,
                       first->mark.line); // a cut file name is good enough here
        rt_diag_add(load->diag, RT_SEVERITY_ERROR, CODE_DUPLICATE, node->key_mark, help,
                    "event type '%.*s' is declared already", RT_STR_ARG(node->key));
    }
}

static void
compile_type(loader *load, const rt_node *node)
{
    rt_catalog *catalog = load->catalog;
    rt_event_type *type = NULL;
    size_t index = (size_t)catalog->count + load->count;

    if (index >= RT_CATALOG_TYPES_MAX) {
        rt_diag_add(load->diag, RT_SEVERITY_ERROR, CODE_TOO_MANY, node->key_mark, NULL,
                    "more than %d event types", RT_CATALOG_TYPES_MAX);
        return;
    }
    if (!is_name(node->key, TYPE_NAME_MAX, true)) {
        rt_diag_add(load->diag, RT_SEVERITY_ERROR, CODE_NAME, node->key_mark, NULL,
                    "an event type is named like order.created, up to %d bytes", TYPE_NAME_MAX);
    }
    check_new(load, node);
    if (node->kind != RT_NODE_MAP) {
        report(load, CODE_SHAPE, node, "an event type must be a map with doc and fields");
        return;
    }
    type = take(load, sizeof(*type));
    type->index = (uint16_t)index;
    type->name = keep(load, node->key);
    type->file = load->file;
    type->mark = node->key_mark;
    compile_type_body(load, node, type);
    catalog->types[index] = type;
    catalog->names[index] = type->name;
    load->count++;
}

static void
compile_file(loader *load, const rt_node *root)
{
    static const char *const keys[] = {"kind", "doc", "events", NULL};
    const rt_node *events = rt_node_get(root, "events");

    if (root->kind != RT_NODE_MAP) {
        report(load, CODE_SHAPE, root, "a catalogue must be a map with kind and events");
        return;
    }
    if (!rt_str_is(rt_node_str(root, "kind", RT_STR(""), load->diag), "catalog")) {
        const rt_node *kind = rt_node_get(root, "kind");

        report(load, CODE_KIND, kind != NULL ? kind : root, "a catalogue says 'kind: catalog'");
        return;
    }
    rt_node_only(root, keys, CODE_UNKNOWN_KEY, load->diag);
    if (events == NULL || events->kind != RT_NODE_MAP) {
        report(load, CODE_SHAPE, events != NULL ? events : root,
               "'events' must be a map of event types");
        return;
    }
    for (const rt_node *node = events->child; node != NULL; node = node->next) {
        compile_type(load, node);
    }
}

// Makes what was compiled part of the catalogue, with its arena.
static void
publish(loader *load)
{
    rt_catalog *catalog = load->catalog;

    for (uint16_t i = 0; i < load->count; i++) {
        uint16_t index = catalog->count;
        size_t place = type_place(catalog->names[index]);

        while (catalog->table[place] != 0) {
            place = (place + 1) & ((1u << TYPE_TABLE_BITS) - 1);
        }
        catalog->table[place] = (uint16_t)(index + 1);
        catalog->count++;
    }
    catalog->arenas[catalog->arena_count++] = load->arena;
    load->arena = NULL;
}

rt_err
rt_catalog_load(rt_catalog *catalog, const char *file, rt_str text, rt_diag *diag)
{
    rt_arena *tree = rt_arena_new(TREE_ARENA_BYTES);
    size_t errors_before = rt_diag_errors(diag);
    rt_node *root = NULL;
    loader load = {.catalog = catalog, .diag = diag};
    rt_err err = rt_yaml_parse(file, text, tree, diag, &root);

    RT_CHECK(catalog, CATALOG_MAGIC);
    if (err != RT_OK) {
        rt_arena_free(tree);
        return err;
    }
    load.arena = rt_arena_new(LOAD_ARENA_BYTES);
    load.file = keep(&load, rt_str_of(file)).ptr;
    compile_file(&load, root);
    rt_arena_free(tree);
    if (rt_diag_errors(diag) > errors_before) {
        err = rt_fail(RT_ECONFIG, "%s: %zu mistakes in the catalogue", file,
                      rt_diag_errors(diag) - errors_before);
    } else if (load.count > 0) {
        publish(&load);
        catalog->hash = hash_types(catalog);
    }
    rt_arena_free(load.arena);
    return err;
}
