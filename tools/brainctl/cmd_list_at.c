// brainctl playbooks list --at: the playbooks that were live at a time, in the mode that held then.
//
// Design notes.
// Sets and modes come out of the journal. A mode that was set holds for the text that was live when
// it was set, whatever its layout; with another text the file's own holds, as in the brain itself.
#include <stdio.h>

#include "brain/playbook/playbook.h"
#include "runtime/base/alloc.h"
#include "runtime/base/civil.h"
#include "tools/brainctl/commands.h"
#include "tools/brainctl/output.h"
#include "tools/brainctl/place.h"
#include "tools/brainctl/sets.h"
#include "tools/brainctl/value.h"

typedef struct listing {
    ctl_run *run;
    ctl_place place;
    ctl_sets sets;
    const ctl_set *set;
    int64_t at_ms;
} listing;

static const char *
mode_name(br_playbook_mode mode)
{
    static const char *const names[] = {"off", "shadow", "canary", "live"};
    return names[mode];
}

// What a playbook says in a set, whatever its layout; 0 when it is not in it.
static uint64_t
text_hash(const listing *l, const ctl_set *set, rt_str id)
{
    const br_playbook_file *file = set != NULL ? ctl_set_file(set, id) : NULL;
    rt_diag *diag = rt_diag_new();
    br_playbooks *one = NULL;
    uint64_t hash = 0;
    if (file != NULL && br_playbooks_restore(l->place.settings->pack, file, 1, set->version, diag,
                                             &one) == RT_OK) {
        hash = br_playbooks_text_hash(one, id);
    }
    br_playbooks_free(one);
    rt_diag_free(diag);
    return hash;
}

// The mode that was set last before the time, when it held; NULL: that of the file.
static const ctl_mode_change *
mode_set(const listing *l, rt_str id)
{
    for (size_t i = l->sets.mode_count; i > 0; i--) {
        const ctl_mode_change *m = &l->sets.modes[i - 1];
        if (m->at_ms > l->at_ms || !rt_str_equal(m->playbook, id)) {
            continue;
        }
        const ctl_set *then = ctl_sets_at(&l->sets, m->seq);
        bool holds = then == l->set || text_hash(l, then, id) == text_hash(l, l->set, id);
        return holds ? m : NULL;
    }
    return NULL;
}

static void
write_playbook(rt_mpw *w, const br_playbook_info *info, const ctl_mode_change *m)
{
    ctl_map map = ctl_map_begin(8192);
    ctl_map_str(&map, "id", info->id);
    ctl_map_str(&map, "mode", m != NULL ? m->mode : rt_str_of(mode_name(info->mode)));
    ctl_map_str(&map, "file_mode", rt_str_of(mode_name(info->mode)));
    if (m != NULL && rt_str_is(m->mode, "canary")) {
        rt_mpw_f64(ctl_map_key(&map, "percent"), m->percent);
    }
    if (m != NULL) {
        ctl_map set = ctl_map_begin(4096);
        ctl_map_str(&set, "by", m->by);
        ctl_map_str(&set, "reason", m->reason);
        ctl_map_u64(&set, "seq", m->seq);
        rt_mpw_i64(ctl_map_key(&set, "at_ms"), m->at_ms);
        rt_mpw_raw(ctl_map_key(&map, "set"), ctl_map_end(&set));
        ctl_map_fini(&set);
    }
    ctl_map_str(&map, "kind", info->kind);
    ctl_map_u64(&map, "events", info->events);
    rt_mpw_i64(ctl_map_key(&map, "throttle_ms"), info->throttle_ms);
    ctl_map_str(&map, "owner", info->owner);
    ctl_map_str(&map, "file", info->file);
    ctl_map_str(&map, "doc", info->doc);
    rt_mpw_raw(w, ctl_map_end(&map));
    ctl_map_fini(&map);
}

static void
put_json(const listing *l, const br_playbooks *set)
{
    size_t count = br_playbooks_count(set);
    ctl_map map = ctl_map_begin(CTL_TEXT_MAX);
    ctl_map_u64(&map, "version", l->set->version);
    ctl_map_u64(&map, "seq", l->set->seq);
    rt_mpw_i64(ctl_map_key(&map, "live_from_ms"), l->set->at_ms);
    rt_mpw_i64(ctl_map_key(&map, "at_ms"), l->at_ms);
    rt_mpw_array(ctl_map_key(&map, "playbooks"), (uint32_t)count);
    for (size_t i = 0; i < count; i++) {
        br_playbook_info info = br_playbooks_info(set, i);
        write_playbook(&map.w, &info, mode_set(l, info.id));
    }
    ctl_put_json(l->run, ctl_map_end(&map));
    ctl_map_fini(&map);
}

static void
put_table(const listing *l, const br_playbooks *set)
{
    static const ctl_column columns[] = {{"PLAYBOOK", false, 0}, {"MODE", false, 0},
                                         {"KIND", false, 0},     {"SET BY", false, 0},
                                         {"OWNER", false, 0},    {"DOC", false, 0}};
    char at[RT_RFC3339_CAP];
    ctl_grid grid;
    ctl_note(l->run, "v%llu, live from %s", (unsigned long long)l->set->version,
             rt_format_rfc3339(l->set->at_ms, at));
    ctl_grid_init(&grid, columns, RT_COUNT(columns));
    for (size_t i = 0; i < br_playbooks_count(set); i++) {
        br_playbook_info info = br_playbooks_info(set, i);
        const ctl_mode_change *m = mode_set(l, info.id);
        rt_str mode = m != NULL ? m->mode : rt_str_of(mode_name(info.mode));
        ctl_grid_str(&grid, CTL_BOLD, info.id);
        ctl_grid_str(&grid, rt_str_is(mode, "live") ? CTL_GREEN : CTL_YELLOW, mode);
        ctl_grid_str(&grid, CTL_PLAIN, info.kind);
        ctl_grid_str(&grid, CTL_PLAIN, m != NULL ? m->by : RT_STR(""));
        ctl_grid_str(&grid, CTL_PLAIN, info.owner);
        ctl_grid_str(&grid, CTL_DIM, info.doc);
    }
    ctl_put_grid(l->run, &grid, 0);
    ctl_grid_fini(&grid);
}

// An instant, or a span before the end of the journal.
static int
read_time(listing *l)
{
    const char *text = l->run->opt.values[CTL_FLAG_AT];
    int64_t span_ms;
    if (text == NULL) {
        l->at_ms = l->sets.last_at_ms;
    } else if (rt_parse_duration_ms(rt_str_of(text), &span_ms) == RT_OK) {
        l->at_ms = l->sets.last_at_ms - span_ms;
    } else if (rt_parse_rfc3339(rt_str_of(text), &l->at_ms) != RT_OK) {
        return ctl_refuse(l->run, RT_EINVAL, "--at 2026-11-20T08:00:00-05:00 or --at 36h",
                          "'%s' is no time", text);
    }
    l->set = ctl_sets_on(&l->sets, l->at_ms);
    if (l->set == NULL) {
        return ctl_refuse(l->run, RT_ENOTFOUND, "brainctl playbooks history",
                          l->sets.first_seq > 1 ? "the journal does not reach back so far"
                                                : "no playbooks were live then");
    }
    return CTL_OK;
}

static int
list(listing *l)
{
    rt_diag *diag = rt_diag_new();
    br_playbooks *set = NULL;
    int code = read_time(l);
    if (code == CTL_OK) {
        rt_err err = br_playbooks_restore(l->place.settings->pack, l->set->files, l->set->count,
                                          l->set->version, diag, &set);
        code = err == RT_OK ? CTL_OK
                            : ctl_fail(l->run, err, "what was live then does not fit the pack of "
                                                    "today: brainctl playbooks diff shows texts");
    }
    if (code == CTL_OK && ctl_is_json(l->run)) {
        put_json(l, set);
    } else if (code == CTL_OK) {
        put_table(l, set);
    }
    br_playbooks_free(set);
    rt_diag_free(diag);
    return code;
}

int
ctl_list_at(ctl_run *run)
{
    listing l = {.run = run};
    int code = ctl_place_open(run, &l.place);
    if (code != CTL_OK) {
        return code;
    }
    code = ctl_sets_read(run, l.place.journal, &l.sets);
    if (code == CTL_OK) {
        code = list(&l);
        ctl_sets_free(&l.sets);
    }
    ctl_place_close(&l.place);
    return code;
}
