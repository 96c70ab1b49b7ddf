#include "brain/playbook/decide_internal.h"
#include "brain/playbook/keys.h"
#include "brain/playbook/remediation.h"
#include "runtime/base/alloc.h"
#include "runtime/base/check.h"
#include "runtime/base/hash.h"

#define SET_ARENA_MAX (256u * 1024 * 1024)

static void
free_undo(const br_step *undo)
{
    if (undo != NULL) {
        br_template_free(undo->target);
        for (uint32_t a = 0; a < undo->arg_count; a++) {
            br_template_free(undo->args[a].template);
        }
    }
}

void
br__steps_free(br_steps *steps)
{
    for (uint32_t i = 0; i < steps->count; i++) {
        br_step *step = &steps->steps[i];
        br_template_free(step->target);
        free_undo(step->undo);
        for (uint32_t a = 0; a < step->arg_count; a++) {
            br_template_free(step->args[a].template);
        }
    }
}

void
br__rule_free(br_rule *rule)
{
    br_expr_free(rule->when);
    br_expr_free(rule->throttle_key);
    br_expr_free(rule->key);
    br_expr_free(rule->where);
    br_expr_free(rule->canary_by);
    br_expr_free(rule->approve_when);
    for (size_t i = 0; i < RT_COUNT(rule->budget_per); i++) {
        br_expr_free(rule->budget_per[i]);
    }
    for (size_t i = 0; i < RT_COUNT(rule->captures); i++) {
        br_expr_free(rule->captures[i]);
    }
    br__steps_free(&rule->steps);
    br__choice_free(rule->choice);
}

static void
free_rules(br_playbooks *set)
{
    for (uint16_t t = 0; t < rt_catalog_count(br_pack_catalog(set->pack)); t++) {
        for (uint32_t i = 0; i < set->by_type[t].count; i++) {
            br__rule_free(set->by_type[t].rules[i]);
        }
        br__index_free(&set->by_type[t]);
    }
}

void
br_playbooks_free(br_playbooks *set)
{
    if (set == NULL) {
        return;
    }
    free_rules(set);
    for (size_t i = 0; i < set->count; i++) {
        br_expr_free(set->playbooks[i].expect);
        br__steps_free(&set->playbooks[i].escalate);
        if (set->playbooks[i].pattern.late != NULL) {
            br__rule_free(set->playbooks[i].pattern.late);
        }
    }
    rt_map_free(set->by_id);
    rt_free(set->by_type);
    rt_free(set->playbooks);
    rt_free(set->files);
    rt_arena_free(set->arena);
    rt_free(set);
}

// An argument of a remediation is the number or truth value that it looks like, or else a text; the
// action must want just that.
static void
check_argument(const br_action *action, const rt_node *node, rt_diag *diag)
{
    rt_value value = br_remediation_value(node);
    for (uint32_t i = 0; i < action->arg_count; i++) {
        rt_kind want = action->args[i].kind;
        bool fits = value.kind == want || (value.kind == RT_KIND_I64 && want == RT_KIND_F64);
        if (rt_str_equal(action->args[i].name, node->key) && !fits) {
            rt_diag_add(diag, RT_SEVERITY_ERROR, "B2015", node->mark,
                        want == RT_KIND_STR ? "put it in quotes" : "write a plain value",
                        "argument '%.*s' of '%.*s' must be %s, not %s", RT_STR_ARG(node->key),
                        RT_STR_ARG(action->name), rt_kind_name(want), rt_kind_name(value.kind));
        }
    }
}

// What of a remediation's step only the pack knows.
static void
check_step(const br_playbooks *set, const rt_node *step, rt_diag *diag)
{
    const rt_node *name = br_key_node(step, "action");
    const rt_node *target = br_key_node(step, "target");
    const br_action *action = name != NULL ? br_pack_action(set->pack, name->text) : NULL;
    char help[128];
    if (name != NULL && action == NULL) {
        rt_diag_add(diag, RT_SEVERITY_ERROR, "B2012", name->mark,
                    br_pack_suggest_action(set->pack, name->text, help, sizeof(help)),
                    "unknown action '%.*s'", RT_STR_ARG(name->text));
    }
    if (action == NULL || set->is_restored) {
        return;
    }
    br__check_args(action, step, diag);
    const rt_node *args = br_key_map(step, "args");
    for (const rt_node *a = args != NULL ? args->child : NULL; a != NULL; a = a->next) {
        if (a->kind == RT_NODE_SCALAR) { // else complained of already
            check_argument(action, a, diag);
        }
    }
    if (target != NULL) {
        br__check_target(action, target, diag);
    }
}

static void
check_only_one(const br_playbooks *set, const rt_node *root, rt_diag *diag)
{
    const rt_node *id = br_key_node(root, "id");
    for (size_t i = 0; id != NULL && !set->is_restored && i < set->count; i++) {
        const br_playbook_info *info = &set->playbooks[i].info;
        if (rt_str_is(info->kind, "remediation") && rt_str_equal(info->id, id->text)) {
            rt_diag_add(diag, RT_SEVERITY_ERROR, "B2020", id->mark, NULL,
                        "remediation '%.*s' stands in %.*s too", RT_STR_ARG(id->text),
                        RT_STR_ARG(info->file));
        }
    }
}

static rt_err
load_remediation(br_playbooks *set, const char *file, const rt_node *root, rt_diag *diag)
{
    br_remediation *remediation = NULL;
    rt_err err = br_remediation_of(file, root, diag, &remediation);
    br_remediation_free(remediation);
    if (err != RT_OK && err != RT_ECONFIG) { // else the findings are in diag
        return rt_fail(err, "no memory to read %s", file);
    }
    const rt_node *steps = br_key_list(root, "steps");
    for (const rt_node *s = steps != NULL ? steps->child : NULL; s != NULL; s = s->next) {
        check_step(set, s, diag);
    }
    check_only_one(set, root, diag);
    br_playbook *playbook = &set->playbooks[set->count++];
    playbook->info = (br_playbook_info){.id = br_key_str(&br_block_remediation, root, "id"),
                                        .doc = br_key_str(&br_block_remediation, root, "doc"),
                                        .owner = br_key_str(&br_block_remediation, root, "owner"),
                                        .file = rt_str_of(file),
                                        .kind = RT_STR("remediation"),
                                        .mode = BR_MODE_LIVE,
                                        .events = 1};
    return RT_OK;
}

// Files are taken in order of their names, whatever order they came in, so that a set restored from
// rows, from a record or from a directory is the same set.
static void
sort_files(br_playbook_file *files, size_t count)
{
    for (size_t i = 1; i < count; i++) {
        br_playbook_file file = files[i];
        size_t at = i;
        for (; at > 0; at--) {
            rt_str before = files[at - 1].name;
            int order = memcmp(before.ptr, file.name.ptr, RT_MIN(before.len, file.name.len));
            if (order < 0 || (order == 0 && before.len <= file.name.len)) {
                break;
            }
            files[at] = files[at - 1];
        }
        files[at] = file;
    }
}

// What is wrong with the file is in diag.   errors    RT_ENOMEM it could not be read at all
static rt_err
load_file(br_playbooks *set, const br_playbook_file *file, rt_diag *diag)
{
    rt_node *root = NULL;
    const char *name = file->name.ptr;
    rt_err err = rt_yaml_parse_max(name, file->text, BR_PLAYBOOK_VALUES_MAX, set->arena, diag,
                                   &root);
    if (err == RT_ECONFIG) {
        return RT_OK;
    }
    if (err != RT_OK) {
        return rt_fail(err, "no memory to read %s", name);
    }
    br__check_traps(root, diag);
    const rt_node *said = br_key_node(root, "kind");
    rt_str kind = said != NULL ? said->text : RT_STR("");
    if (rt_str_is(kind, "playbook")) {
        br__playbook_load(set, name, root, diag);
    } else if (rt_str_is(kind, "remediation")) {
        err = load_remediation(set, name, root, diag);
    } else {
        const rt_node *node = rt_node_get(root, "kind");
        rt_diag_add(diag, RT_SEVERITY_ERROR, "B2002", node != NULL ? node->mark : root->mark,
                    "the first key of a playbook file is kind: playbook or kind: remediation",
                    "unknown kind of file '%.*s'", RT_STR_ARG(kind));
    }
    return err;
}

static br_playbooks *
new_set(const br_pack *pack, size_t count, uint64_t version)
{
    br_playbooks *set = rt_new(br_playbooks);
    set->arena = rt_arena_new(SET_ARENA_MAX);
    set->pack = pack;
    set->version = version;
    set->playbooks = rt_new_array(br_playbook, count + 1);
    set->files = rt_new_array(br_playbook_file, count + 1);
    set->by_type = rt_new_array(br_rule_list, rt_catalog_count(br_pack_catalog(pack)) + 1);
    set->by_id = rt_map_new();
    return set;
}

static rt_err
take_files(br_playbooks *set, const br_playbook_file *files, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        set->files[i] = (br_playbook_file){rt_arena_str(set->arena, files[i].name),
                                           rt_arena_str(set->arena, files[i].text)};
        set->file_count++;
        if (files[i].text.len > BR_PLAYBOOK_BYTES_MAX) {
            return rt_fail(RT_ELIMIT, "%.*s is larger than %d bytes", RT_STR_ARG(files[i].name),
                           BR_PLAYBOOK_BYTES_MAX);
        }
        if (set->files[i].name.ptr == NULL || set->files[i].text.ptr == NULL) {
            return rt_fail(RT_ENOMEM, "the playbook set is larger than %u bytes", SET_ARENA_MAX);
        }
    }
    sort_files(set->files, count);
    return RT_OK;
}

static rt_err
compile(br_playbooks *set, const br_playbook_file *files, size_t count, rt_diag *diag)
{
    size_t before = rt_diag_errors(diag);
    uint64_t refused = rt_alloc_refused();
    rt_err err = take_files(set, files, count);
    for (size_t i = 0; i < count && err == RT_OK; i++) {
        err = load_file(set, &set->files[i], diag);
    }
    if (err == RT_OK) {
        br__index_build(set);
        br__check_sense(set, diag);
    }
    // Counted before findings that say the same are made one: a list may hold them from before.
    bool is_sound = rt_diag_errors(diag) == before;
    rt_diag_sort(diag);
    if (rt_alloc_refused() != refused) {
        // Whatever else was found: a part may be missing where nobody looked.
        err = rt_fail(RT_ENOMEM, "no memory for the playbook set");
    } else if (err == RT_OK && !is_sound) {
        err = RT_ECONFIG;
    } else if (err == RT_OK && set->full) {
        err = rt_fail(RT_ENOMEM, "the playbook set is larger than %u bytes", SET_ARENA_MAX);
    }
    return err;
}

static rt_err
make_set(const br_pack *pack, const br_playbook_file *files, size_t count, uint64_t version,
         bool is_restored, rt_diag *diag, br_playbooks **ret)
{
    if (count > BR_PLAYBOOKS_MAX) {
        return rt_fail(RT_ELIMIT, "a set has at most %d playbooks, not %zu", BR_PLAYBOOKS_MAX,
                       count);
    }
    br_playbooks *set = new_set(pack, count, version);
    set->is_restored = is_restored;
    rt_err err = compile(set, files, count, diag);
    if (err != RT_OK) {
        br_playbooks_free(set);
        return err;
    }
    *ret = set;
    return RT_OK;
}

rt_err
br_playbooks_compile(const br_pack *pack, const br_playbook_file *files, size_t count,
                     uint64_t version, rt_diag *diag, br_playbooks **ret)
{
    return make_set(pack, files, count, version, false, diag, ret);
}

rt_err
br_playbooks_restore(const br_pack *pack, const br_playbook_file *files, size_t count,
                     uint64_t version, rt_diag *diag, br_playbooks **ret)
{
    return make_set(pack, files, count, version, true, diag, ret);
}

void
br_playbooks_act(br_playbooks *set)
{
    set->looks_at_all = true;
    for (size_t i = 0; i < set->count; i++) {
        br_playbook_info *info = &set->playbooks[i].info;
        info->mode = info->mode == BR_MODE_OFF ? BR_MODE_OFF : BR_MODE_LIVE;
        if (set->playbooks[i].policy != NULL) {
            set->playbooks[i].policy->explore = 0; // a case knows what comes of it
        }
    }
}

uint64_t
br_playbooks_version(const br_playbooks *set)
{
    return set->version;
}

size_t
br_playbooks_scheduled(const br_playbooks *set)
{
    return set->schedule_count;
}

size_t
br_playbooks_count(const br_playbooks *set)
{
    return set->count;
}

br_playbook_info
br_playbooks_info(const br_playbooks *set, size_t index)
{
    RT_ASSERT(index < set->count);
    return set->playbooks[index].info;
}

size_t
br_playbooks_file_count(const br_playbooks *set)
{
    return set->file_count;
}

br_playbook_file
br_playbooks_file(const br_playbooks *set, size_t index)
{
    RT_ASSERT(index < set->file_count);
    return set->files[index];
}

uint64_t
br_playbooks_hash(const br_playbook_file *files, size_t count)
{
    uint64_t hash = count;
    for (size_t i = 0; i < count; i++) {
        hash = rt_hash64(rt_bytes_of_str(files[i].name), hash);
        hash = rt_hash64(rt_bytes_of_str(files[i].text), hash);
    }
    return hash;
}

bool
br_playbooks_hears(const br_playbooks *set, const rt_event_type *type)
{
    return set->by_type[type->index].count > 0 || rt_str_is(type->name, "timer.fired") ||
           rt_str_is(type->name, "approval.decided") ||
           rt_str_is(type->name, "playbook.acknowledged") ||
           (set->schedule_count > 0 && rt_str_is(type->name, BR_SCHEDULES_LIVE));
}

const br_playbook *
br__playbook_find(const br_playbooks *set, rt_str id)
{
    uint64_t index;
    if (!rt_map_get(set->by_id, rt_bytes_of_str(id), &index)) {
        return NULL;
    }
    return &set->playbooks[index];
}

uint32_t
br_playbooks_approval(const br_playbooks *set, rt_str id, rt_str ret_roles[BR_ROLES_MAX],
                      uint32_t *ret_quorum)
{
    const br_playbook *playbook = br__playbook_find(set, id);
    *ret_quorum = playbook != NULL ? playbook->approve.quorum : 0;
    for (uint32_t i = 0; playbook != NULL && i < playbook->approve.role_count; i++) {
        ret_roles[i] = playbook->approve.roles[i];
    }
    return playbook != NULL ? playbook->approve.role_count : 0;
}

uint64_t
br_playbooks_text_hash(const br_playbooks *set, rt_str id)
{
    const br_playbook *playbook = br__playbook_find(set, id);
    return playbook != NULL ? playbook->text_hash : 0;
}

int64_t
br_playbooks_throttle_ms(const br_playbooks *set, rt_str id)
{
    const br_playbook *playbook = br__playbook_find(set, id);
    return playbook != NULL ? playbook->info.throttle_ms : 0;
}
