// Design notes.
// Files are parsed when they are loaded but compiled only in br_pack_finish, so that their order
// does not matter: first all event types, then entities, then feature groups, then the plans, in
// which expressions are compiled against everything before. All memory lives in one arena.
#include "brain/pack/pack.h"

#include "brain/pack/internal.h"
#include "runtime/base/alloc.h"
#include "runtime/base/check.h"
#include "runtime/seam/file.h"

#define PACK_ARENA_MAX (64u * 1024 * 1024)
#define PACK_FILE_MAX (1024 * 1024)

br_pack *
br_pack_new(void)
{
    br_pack *pack = rt_new(br_pack);
    pack->arena = rt_arena_new(PACK_ARENA_MAX);
    pack->catalog = rt_catalog_new();
    pack->actions = rt_new_array(br_action, BR_ACTIONS_MAX);
    pack->action_by_name = rt_map_new();
    return pack;
}

static void
free_plan_expressions(br_pack *pack)
{
    if (pack->plans == NULL) {
        return;
    }
    for (uint16_t t = 0; t < rt_catalog_count(pack->catalog); t++) {
        br_plan *plan = &pack->plans[t];
        for (uint32_t g = 0; g < plan->group_count; g++) {
            for (uint32_t s = 0; s < BR_STATS_MAX; s++) {
                br_expr_free((br_expr *)(uintptr_t)plan->groups[g].values[s]);
            }
        }
    }
}

void
br_pack_free(br_pack *pack)
{
    if (pack == NULL) {
        return;
    }
    free_plan_expressions(pack);
    rt_free(pack->plans);
    rt_free(pack->subject_plans);
    rt_map_free(pack->action_by_name);
    rt_free(pack->actions);
    rt_catalog_free(pack->catalog);
    rt_arena_free(pack->arena);
    rt_free(pack);
}

static rt_err
keep_document(br_pack *pack, const char *file, rt_str text, const rt_node *root, rt_diag *diag)
{
    if (pack->document_count == BR_PACK_DOCUMENTS_MAX) {
        rt_diag_add(diag, RT_SEVERITY_ERROR, "B1102", root->mark, NULL,
                    "a pack has at most %d files", BR_PACK_DOCUMENTS_MAX);
        return RT_ECONFIG;
    }
    pack->documents[pack->document_count++] =
        (br_document){rt_arena_str(pack->arena, rt_str_of(file)).ptr,
                      rt_arena_str(pack->arena, text), root};
    return RT_OK;
}

rt_err
br_pack_load(br_pack *pack, const char *file, rt_str text, rt_diag *diag)
{
    RT_ASSERT(!pack->finished);
    rt_node *root = NULL;
    rt_err err = rt_yaml_parse(file, text, pack->arena, diag, &root);
    if (err != RT_OK) {
        return err;
    }
    static const rt_str kinds[] = {
        {"catalog", 7}, {"entities", 8}, {"features", 8}, {"actions", 7}, {"calendars", 9}};
    rt_str kind = rt_node_str(root, "kind", RT_STR(""), diag);
    if (rt_str_is(kind, "catalog")) {
        return rt_catalog_load(pack->catalog, file, text, diag);
    }
    for (size_t i = 1; i < RT_COUNT(kinds); i++) {
        if (rt_str_equal(kind, kinds[i])) {
            return keep_document(pack, file, text, root, diag);
        }
    }
    char help[96];
    const rt_node *node = rt_node_get(root, "kind");
    const char *suggestion =
        rt_diag_did_you_mean(kind, kinds, RT_COUNT(kinds), help, sizeof(help));
    rt_diag_add(diag, RT_SEVERITY_ERROR, "B1101", node != NULL ? node->mark : root->mark,
                suggestion != NULL ? suggestion
                                   : "the first key of a pack file is kind: catalog, entities, "
                                     "features, actions or calendars",
                "unknown kind of file '%.*s'", RT_STR_ARG(kind));
    return RT_ECONFIG;
}

typedef struct dir_walk {
    br_pack *pack;
    const char *dir;
    rt_diag *diag;
    rt_err err;
} dir_walk;

static void
on_dir_name(void *user, const char *name)
{
    dir_walk *walk = user;
    size_t len = strlen(name);
    if (len < 6 || strcmp(name + len - 5, ".yaml") != 0) {
        return;
    }
    rt_str path = rt_arena_printf(walk->pack->arena, "%s/%s", walk->dir, name);
    rt_str text;
    rt_err err = path.ptr == NULL ? RT_ENOMEM
                                  : rt_file_read_all(path.ptr, PACK_FILE_MAX, walk->pack->arena,
                                                     &text);
    if (err == RT_OK) {
        err = br_pack_load(walk->pack, path.ptr, text, walk->diag);
    }
    if (walk->err == RT_OK) {
        walk->err = err;
    }
}

rt_err
br_pack_load_dir(br_pack *pack, const char *dir, rt_diag *diag)
{
    dir_walk walk = {pack, dir, diag, RT_OK};
    rt_err err = rt_dir_list(dir, on_dir_name, &walk);
    return err != RT_OK ? err : walk.err;
}

static void
for_each_document(br_pack *pack, const char *kind, rt_diag *diag,
                  void (*load)(br_pack *pack, const br_document *document, rt_diag *diag))
{
    for (size_t i = 0; i < pack->document_count; i++) {
        const br_document *document = &pack->documents[i];
        if (rt_str_is(rt_node_get(document->root, "kind")->text, kind)) {
            rt_diag_source(diag, document->file, document->text);
            load(pack, document, diag);
        }
    }
}

rt_err
br_pack_finish(br_pack *pack, rt_diag *diag)
{
    RT_ASSERT(!pack->finished);
    size_t before = rt_diag_errors(diag);
    pack->plans = rt_new_array(br_plan, rt_catalog_count(pack->catalog) + 1);
    for_each_document(pack, "calendars", diag, br__load_calendars);
    for_each_document(pack, "entities", diag, br__load_entities);
    for_each_document(pack, "features", diag, br__load_features);
    for_each_document(pack, "entities", diag, br__plan_entities);
    br__close_attributes(pack);
    br__plan_subjects(pack);
    for_each_document(pack, "features", diag, br__plan_features);
    for_each_document(pack, "actions", diag, br__load_actions);
    pack->finished = true;
    return rt_diag_errors(diag) == before ? RT_OK : RT_ECONFIG;
}

const rt_catalog *
br_pack_catalog(const br_pack *pack)
{
    return pack->catalog;
}

const br_plan *
br_pack_plan(const br_pack *pack, const rt_event_type *type)
{
    return &pack->plans[type->index];
}

const br_plan *
br_pack_subject_plan(const br_pack *pack, rt_str entity)
{
    const br_entity *found = br__pack_entity(pack, entity);
    return found != NULL ? &pack->subject_plans[found->index] : NULL;
}

const br_plan *
br_pack_plan_of(const br_pack *pack, const rt_event *event)
{
    rt_str kind;
    rt_str key;
    const br_plan *plan = br_pack_plan(pack, event->type);
    // a plan with touches or groups stays: expressions were compiled for its slots
    bool empty = plan->touch_count == 0 && plan->group_count == 0;
    if (empty && event->type->entity.len == 0 && rt_subject_split(event->subject, &kind, &key)) {
        const br_plan *of_subject = br_pack_subject_plan(pack, kind);
        plan = of_subject != NULL ? of_subject : plan;
    }
    return plan;
}

const br_entity *
br__pack_entity(const br_pack *pack, rt_str name)
{
    for (uint32_t i = 0; i < pack->entity_count; i++) {
        if (rt_str_equal(pack->entities[i].name, name)) {
            return &pack->entities[i];
        }
    }
    return NULL;
}

int
br__entity_attribute(const br_entity *entity, rt_str name)
{
    for (uint32_t i = 0; i < entity->attribute_count; i++) {
        if (rt_str_equal(entity->attributes[i].name, name)) {
            return (int)i;
        }
    }
    return -1;
}
