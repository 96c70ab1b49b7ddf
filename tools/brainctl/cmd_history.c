// brainctl playbooks history, diff, apply and rollback; what was live at a time.
//
// Design notes.
// The journal holds every set that was ever live, whole. The directory stays the source of truth:
// it is changed here, by whoever may write there, never by the daemon.
#include <stdio.h>

#include "brain/core/rehearse.h"
#include "runtime/base/civil.h"
#include "runtime/seam/file.h"
#include "tools/brainctl/commands.h"
#include "tools/brainctl/drafts.h"
#include "tools/brainctl/install.h"
#include "tools/brainctl/output.h"
#include "tools/brainctl/text_diff.h"
#include "tools/brainctl/value.h"

#define MAP_MAX ((size_t)64 * 1024 * 1024)

typedef struct tally {
    uint32_t added;
    uint32_t removed;
    uint32_t changed;
} tally;

static tally
compare_sets(const ctl_set *a, const ctl_set *b)
{
    tally t = {.added = 0};
    for (uint32_t i = 0; a != NULL && i < a->count; i++) {
        const br_playbook_file *now = ctl_set_file(b, ctl_playbook_id(a->files[i].text));
        t.removed += now == NULL;
        t.changed += now != NULL && !rt_str_equal(now->text, a->files[i].text);
    }
    for (uint32_t i = 0; i < b->count; i++) {
        t.added += a == NULL || ctl_set_file(a, ctl_playbook_id(b->files[i].text)) == NULL;
    }
    return t;
}

static int
open_sets(ctl_run *run, ctl_place *place, ctl_sets *sets)
{
    int code = ctl_place_open(run, place);
    if (code != CTL_OK) {
        return code;
    }
    code = ctl_sets_read(run, place->journal, sets);
    if (code == CTL_OK && sets->count == 0) {
        ctl_sets_free(sets);
        code = ctl_refuse(run, RT_ENOTFOUND, NULL, "no playbooks were ever live");
    }
    if (code != CTL_OK) {
        ctl_place_close(place);
    }
    return code;
}

static void
write_set(ctl_run *run, const ctl_sets *sets, size_t i)
{
    const ctl_set *set = &sets->sets[i];
    tally t = compare_sets(i > 0 ? set - 1 : NULL, set);
    char hash[32];
    ctl_map map = ctl_map_begin(8192);
    (void)snprintf(hash, sizeof(hash), "%016llx", (unsigned long long)set->hash);
    ctl_map_str(&map, "kind", RT_STR("set"));
    ctl_map_u64(&map, "version", set->version);
    ctl_map_u64(&map, "seq", set->seq);
    rt_mpw_i64(ctl_map_key(&map, "at_ms"), set->at_ms);
    ctl_map_str(&map, "hash", rt_str_of(hash));
    ctl_map_u64(&map, "playbooks", set->count);
    ctl_map_u64(&map, "added", t.added);
    ctl_map_u64(&map, "removed", t.removed);
    ctl_map_u64(&map, "changed", t.changed);
    ctl_map_str(&map, "by", set->by);
    ctl_map_str(&map, "how", set->how);
    ctl_map_str(&map, "reason", set->reason);
    ctl_list_item(run, ctl_map_end(&map));
    ctl_map_fini(&map);
}

static void
write_mode(ctl_run *run, const ctl_mode_change *m)
{
    ctl_map map = ctl_map_begin(8192);
    ctl_map_str(&map, "kind", RT_STR("mode"));
    ctl_map_u64(&map, "seq", m->seq);
    rt_mpw_i64(ctl_map_key(&map, "at_ms"), m->at_ms);
    ctl_map_str(&map, "playbook", m->playbook);
    ctl_map_str(&map, "mode", m->mode);
    if (rt_str_is(m->mode, "canary")) {
        rt_mpw_f64(ctl_map_key(&map, "percent"), m->percent);
    }
    ctl_map_str(&map, "by", m->by);
    ctl_map_str(&map, "reason", m->reason);
    ctl_list_item(run, ctl_map_end(&map));
    ctl_map_fini(&map);
}

static void
put_set(ctl_grid *grid, const ctl_sets *sets, size_t i)
{
    const ctl_set *set = &sets->sets[i];
    tally t = compare_sets(i > 0 ? set - 1 : NULL, set);
    char at[RT_RFC3339_CAP];
    ctl_grid_printf(grid, i + 1 == sets->count ? CTL_BOLD : CTL_PLAIN, "v%llu",
                    (unsigned long long)set->version);
    ctl_grid_cstr(grid, CTL_PLAIN, rt_format_rfc3339(set->at_ms, at));
    ctl_grid_printf(grid, CTL_PLAIN, "%llu", (unsigned long long)set->seq);
    ctl_grid_printf(grid, CTL_PLAIN, "%u", set->count);
    ctl_grid_printf(grid, CTL_PLAIN, "+%u -%u ~%u", t.added, t.removed, t.changed);
    ctl_grid_printf(grid, CTL_DIM, "%016llx", (unsigned long long)set->hash);
    ctl_grid_str(grid, CTL_PLAIN, set->by);
    ctl_grid_printf(grid, CTL_DIM, "%.*s%s%.*s", RT_STR_ARG(set->how),
                    set->reason.len > 0 ? ": " : "", RT_STR_ARG(set->reason));
}

static void
put_mode(ctl_grid *grid, const ctl_mode_change *m)
{
    char at[RT_RFC3339_CAP];
    char share[32] = "";
    if (rt_str_is(m->mode, "canary")) {
        (void)snprintf(share, sizeof(share), ":%g", m->percent);
    }
    ctl_grid_cstr(grid, CTL_PLAIN, "");
    ctl_grid_cstr(grid, CTL_PLAIN, rt_format_rfc3339(m->at_ms, at));
    ctl_grid_printf(grid, CTL_PLAIN, "%llu", (unsigned long long)m->seq);
    ctl_grid_cstr(grid, CTL_PLAIN, "");
    ctl_grid_printf(grid, CTL_YELLOW, "%.*s is %.*s%s", RT_STR_ARG(m->playbook),
                    RT_STR_ARG(m->mode), share);
    ctl_grid_cstr(grid, CTL_PLAIN, "");
    ctl_grid_str(grid, CTL_PLAIN, m->by);
    ctl_grid_str(grid, CTL_DIM, m->reason);
}

// Sets and modes, newest first.
static void
put_history(ctl_run *run, const ctl_sets *sets)
{
    static const ctl_column columns[] = {{"VERSION", true, 0},   {"LIVE FROM", false, 0},
                                         {"RECORD", true, 0},    {"PLAYBOOKS", true, 0},
                                         {"CHANGES", false, 0}, {"HASH", false, 0},
                                         {"BY", false, 0},      {"HOW AND WHY", false, 0}};
    bool is_json = ctl_is_json(run);
    ctl_grid grid;
    ctl_grid_init(&grid, columns, RT_COUNT(columns));
    size_t mode = sets->mode_count;
    if (is_json) {
        ctl_list_begin(run);
    }
    for (size_t i = sets->count; i > 0 || mode > 0;) {
        bool is_mode = mode > 0 && (i == 0 || sets->modes[mode - 1].seq > sets->sets[i - 1].seq);
        if (is_mode && is_json) {
            write_mode(run, &sets->modes[--mode]);
        } else if (is_mode) {
            put_mode(&grid, &sets->modes[--mode]);
        } else if (is_json) {
            write_set(run, sets, --i);
        } else {
            put_set(&grid, sets, --i);
        }
    }
    if (is_json) {
        ctl_list_end(run);
    } else {
        ctl_put_grid(run, &grid, 0);
    }
    ctl_grid_fini(&grid);
}

int
ctl_cmd_playbooks_history(ctl_run *run)
{
    ctl_place place;
    ctl_sets sets;
    int code = open_sets(run, &place, &sets);
    if (code != CTL_OK) {
        return code;
    }
    put_history(run, &sets);
    if (sets.first_seq > 1) {
        ctl_note(run, "the journal begins with record %llu: older sets are not known",
                 (unsigned long long)sets.first_seq);
    }
    ctl_sets_free(&sets);
    ctl_place_close(&place);
    return CTL_OK;
}

// "12" or "v12".
static int
read_version(ctl_run *run, const ctl_sets *sets, const char *text, const ctl_set **ret_set)
{
    int64_t version;
    const char *digits = text[0] == 'v' ? text + 1 : text;
    if (rt_parse_i64(rt_str_of(digits), &version) != RT_OK || version < 0) {
        return ctl_refuse(run, RT_EINVAL, "brainctl playbooks history", "'%s' is no version", text);
    }
    *ret_set = ctl_sets_version(sets, (uint64_t)version);
    return *ret_set != NULL ? CTL_OK
                            : ctl_refuse(run, RT_ENOTFOUND, "brainctl playbooks history",
                                         "version %s was never live", text);
}

static void
put_one_diff(ctl_run *run, rt_str id, rt_str before, rt_str after)
{
    ctl_put(run, CTL_BOLD, id);
    ctl_say(run, before.len == 0 ? "  new\n" : after.len == 0 ? "  gone\n" : "\n");
    if (before.len > 0 && after.len > 0) {
        (void)ctl_text_diff(run, before, after);
    }
}

static void
put_diff(ctl_run *run, const ctl_set *a, const ctl_set *b)
{
    for (uint32_t i = 0; i < a->count; i++) {
        rt_str id = ctl_playbook_id(a->files[i].text);
        const br_playbook_file *now = ctl_set_file(b, id);
        if (now == NULL || !rt_str_equal(now->text, a->files[i].text)) {
            put_one_diff(run, id, a->files[i].text, now != NULL ? now->text : RT_STR(""));
        }
    }
    for (uint32_t i = 0; i < b->count; i++) {
        rt_str id = ctl_playbook_id(b->files[i].text);
        if (ctl_set_file(a, id) == NULL) {
            put_one_diff(run, id, RT_STR(""), b->files[i].text);
        }
    }
}

static void
put_diff_json(ctl_run *run, const ctl_set *a, const ctl_set *b)
{
    ctl_list_begin(run);
    for (uint32_t side = 0; side < 2; side++) {
        const ctl_set *of = side == 0 ? a : b;
        for (uint32_t i = 0; i < of->count; i++) {
            rt_str id = ctl_playbook_id(of->files[i].text);
            const br_playbook_file *other = ctl_set_file(side == 0 ? b : a, id);
            bool same = other != NULL && rt_str_equal(other->text, of->files[i].text);
            if (same || (side == 1 && other != NULL)) {
                continue; // told from the other side
            }
            rt_str missing = RT_STR("");
            ctl_map map = ctl_map_begin(MAP_MAX);
            ctl_map_str(&map, "playbook", id);
            ctl_map_str(&map, "change", other != NULL ? RT_STR("changed")
                                        : side == 0   ? RT_STR("removed")
                                                      : RT_STR("added"));
            ctl_map_str(&map, "before", side == 0 ? of->files[i].text : missing);
            ctl_map_str(&map, "after", side == 1     ? of->files[i].text
                                       : other != NULL ? other->text
                                                       : missing);
            ctl_list_item(run, ctl_map_end(&map));
            ctl_map_fini(&map);
        }
    }
    ctl_list_end(run);
}

int
ctl_cmd_playbooks_diff(ctl_run *run)
{
    ctl_place place;
    ctl_sets sets;
    int code = open_sets(run, &place, &sets);
    if (code != CTL_OK) {
        return code;
    }
    const ctl_set *b = &sets.sets[sets.count - 1];
    const ctl_set *a = sets.count > 1 ? b - 1 : b;
    if (run->arg_count > 0) {
        code = read_version(run, &sets, run->args[0], &a);
    }
    if (code == CTL_OK && run->arg_count > 1) {
        code = read_version(run, &sets, run->args[1], &b);
    }
    if (code == CTL_OK) {
        tally t = compare_sets(a, b);
        if (ctl_is_json(run)) {
            put_diff_json(run, a, b);
        } else {
            put_diff(run, a, b);
            ctl_say(run, "v%llu to v%llu: %u added, %u removed, %u changed\n",
                    (unsigned long long)a->version, (unsigned long long)b->version, t.added,
                    t.removed, t.changed);
        }
        code = t.added + t.removed + t.changed > 0 ? CTL_NO : CTL_OK;
    }
    ctl_sets_free(&sets);
    ctl_place_close(&place);
    return code;
}

// --- apply and rollback --------------------------------------------------------------------------

static int
put_applied(ctl_run *run, const ctl_changes *changes, rt_bytes answer)
{
    if (ctl_is_json(run)) {
        ctl_put_json(run, answer);
        return CTL_OK;
    }
    for (size_t i = 0; i < changes->count; i++) {
        const ctl_change *c = &changes->list[i];
        ctl_say(run, "%s %s\n", c->text.ptr == NULL ? "removed" : c->was.ptr == NULL ? "added"
                                                                                     : "changed",
                c->path);
    }
    if (!ctl_bool(answer, "changed")) {
        ctl_say(run, "nothing changed, v%llu stays live\n",
                (unsigned long long)ctl_u64(answer, "version"));
        return CTL_OK;
    }
    ctl_say(run,
            "playbooks v%llu go live (was v%llu). undo: brainctl playbooks rollback --to %llu\n",
            (unsigned long long)ctl_u64(answer, "version"),
            (unsigned long long)ctl_u64(answer, "was"), (unsigned long long)ctl_u64(answer, "was"));
    return CTL_OK;
}

static int
need_live(ctl_run *run, const ctl_place *place)
{
    if (!place->is_live) {
        return ctl_refuse(run, RT_EUNREACH, "start it; a brain that is not running reads its "
                                            "directory when it starts",
                          "no brain answers, so nothing can go live");
    }
    if (place->playbooks[0] == '\0') {
        return ctl_refuse(run, RT_ENOTFOUND, "playbooks.dir of its settings",
                          "this brain has no directory of playbooks");
    }
    return CTL_OK;
}

// Where a draft goes: the live file with its id, or a new one.
static const char *
place_of(ctl_run *run, const ctl_drafts *live, const ctl_place *place, rt_str id)
{
    for (uint32_t i = 0; i < live->count; i++) {
        if (rt_str_equal(ctl_playbook_id(live->files[i].text), id)) {
            return live->files[i].name.ptr;
        }
    }
    return rt_arena_printf(run->arena, "%s/%.*s.yaml", place->playbooks, RT_STR_ARG(id)).ptr;
}

static int
gather_changes(ctl_run *run, const ctl_place *place, const ctl_drafts *drafts,
               ctl_changes *changes)
{
    const char *mode = run->opt.values[CTL_FLAG_MODE];
    ctl_run dir = *run;
    ctl_drafts live;
    dir.args[0] = place->playbooks;
    dir.arg_count = 1;
    int code = ctl_drafts_read(&dir, 0, &live);
    if (code != CTL_OK) {
        return code;
    }
    for (uint32_t i = 0; i < drafts->count && code == CTL_OK; i++) {
        rt_str text = drafts->files[i].text;
        const char *path = place_of(run, &live, place, ctl_playbook_id(text));
        text = mode != NULL ? ctl_with_mode(run, text, mode) : text;
        code = ctl_changes_add(run, changes, path, text);
    }
    ctl_drafts_free(&live);
    return code;
}

int
ctl_cmd_playbooks_apply(ctl_run *run)
{
    const char *mode = run->opt.values[CTL_FLAG_MODE];
    ctl_place place;
    ctl_drafts drafts = {.count = 0};
    ctl_changes changes = {.count = 0};
    rt_bytes answer;
    char how[48];
    (void)snprintf(how, sizeof(how), "apply%s%s", mode != NULL ? " as " : "",
                   mode != NULL ? mode : "");
    if (mode != NULL && strcmp(mode, "shadow") != 0 && strcmp(mode, "live") != 0 &&
        strcmp(mode, "off") != 0 && strcmp(mode, "canary") != 0) {
        return ctl_refuse(run, RT_EINVAL, "off, shadow, canary or live", "no mode '%s'", mode);
    }
    int code = ctl_place_open(run, &place);
    if (code != CTL_OK) {
        return code;
    }
    code = need_live(run, &place);
    if (code == CTL_OK) {
        code = ctl_drafts_read(run, 0, &drafts);
    }
    if (code == CTL_OK) {
        code = gather_changes(run, &place, &drafts, &changes);
    }
    if (code == CTL_OK) { // the reload checks, plays the cases, and refuses the set as a whole
        code = ctl_install(run, &changes, how, &answer);
    }
    if (code == CTL_OK) {
        code = put_applied(run, &changes, answer);
    }
    ctl_drafts_free(&drafts);
    ctl_place_close(&place);
    return code;
}

// A recorded name begins with the directory as the daemon was told it.
static const char *
path_of(ctl_run *run, const ctl_place *place, rt_str name)
{
    size_t prefix = strlen(place->playbook_prefix);
    if (!rt_str_starts(name, rt_str_of(place->playbook_prefix))) {
        return NULL;
    }
    return rt_arena_printf(run->arena, "%s%.*s", place->playbooks, (int)(name.len - prefix),
                           name.ptr + prefix)
        .ptr;
}

static int
gather_rollback(ctl_run *run, const ctl_place *place, const ctl_set *target, ctl_changes *changes)
{
    ctl_run dir = *run;
    ctl_drafts live;
    dir.args[0] = place->playbooks;
    dir.arg_count = 1;
    int code = ctl_drafts_read(&dir, 0, &live);
    if (code != CTL_OK) {
        return code;
    }
    for (uint32_t i = 0; i < target->count && code == CTL_OK; i++) {
        const char *path = path_of(run, place, target->files[i].name);
        code = path == NULL ? ctl_refuse(run, RT_EINVAL, "brainctl playbooks diff shows the texts",
                                         "%.*s lay in another directory then",
                                         RT_STR_ARG(target->files[i].name))
                            : ctl_changes_add(run, changes, path, target->files[i].text);
    }
    for (uint32_t i = 0; i < live.count && code == CTL_OK; i++) {
        if (ctl_set_file(target, ctl_playbook_id(live.files[i].text)) == NULL) {
            // it stays in the journal
            code = ctl_changes_add(run, changes, live.files[i].name.ptr, (rt_str){NULL, 0});
        }
    }
    ctl_drafts_free(&live);
    return code;
}

int
ctl_cmd_playbooks_rollback(ctl_run *run)
{
    const char *to = run->opt.values[CTL_FLAG_TO];
    ctl_place place;
    ctl_sets sets;
    ctl_changes changes = {.count = 0};
    rt_bytes answer;
    char how[48];
    int code = open_sets(run, &place, &sets);
    if (code != CTL_OK) {
        return code;
    }
    const ctl_set *target = sets.count > 1 ? &sets.sets[sets.count - 2] : NULL;
    code = need_live(run, &place);
    if (code == CTL_OK && to != NULL) {
        code = read_version(run, &sets, to, &target);
    }
    if (code == CTL_OK && target == NULL) {
        code = ctl_refuse(run, RT_ENOTFOUND, "brainctl playbooks history",
                          "no other set was ever live");
    }
    if (code == CTL_OK) {
        (void)snprintf(how, sizeof(how), "rollback to v%llu", (unsigned long long)target->version);
        code = gather_rollback(run, &place, target, &changes);
    }
    if (code == CTL_OK) {
        code = ctl_install(run, &changes, how, &answer);
    }
    if (code == CTL_OK) {
        code = put_applied(run, &changes, answer);
    }
    ctl_sets_free(&sets);
    ctl_place_close(&place);
    return code;
}
