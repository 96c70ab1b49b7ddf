// brainctl playbooks backtest: what edited playbooks would have decided over the recorded journal.
//
// Design notes.
// Reads the journal's files, beside a running brain or of a stopped one, and writes nothing. Drafts
// are put into the set that was live last; what they change is told against what was recorded, so
// where other sets were live during the period, their differences show as well (the note says so).
#include <stdio.h>

#include "brain/core/backtest.h"
#include "runtime/base/alloc.h"
#include "tools/brainctl/commands.h"
#include "tools/brainctl/contrast.h"
#include "tools/brainctl/drafts.h"
#include "tools/brainctl/meter.h"
#include "tools/brainctl/output.h"
#include "tools/brainctl/place.h"

#define SHOWN_DEFAULT 10
#define LISTED_DEFAULT 1000
#define ITEM_MAX ((size_t)4 * 1024 * 1024)

typedef struct backtesting {
    ctl_run *run;
    ctl_place place;
    ctl_sets sets;
    ctl_drafts drafts;
    ctl_set edited;
    int64_t since_ms;
    ctl_contrast *contrast;
    ctl_meter meter;
    rt_bytes *shown; // differing decisions, in run->arena
    uint64_t shown_count;
    uint64_t shown_max;
    br_backtest_result result;
    double seconds;
} backtesting;

// --- one difference ------------------------------------------------------------------------------

static void
write_consulted(const msg_decision *decision, rt_mpw *w)
{
    const msg_consulted *list = decision->consulted.items;
    rt_mpw_array(w, decision->consulted.count);
    for (uint32_t i = 0; i < decision->consulted.count; i++) {
        ctl_map map = ctl_map_begin(ITEM_MAX);
        ctl_map_str(&map, "playbook", list[i].playbook);
        ctl_map_str(&map, "verdict", list[i].verdict);
        ctl_map_str(&map, "detail", list[i].detail);
        rt_mpw_raw(w, ctl_map_end(&map));
        ctl_map_fini(&map);
    }
}

static void
write_candidates(const msg_decision *decision, rt_mpw *w)
{
    const msg_candidate *list = decision->candidates.items;
    rt_mpw_array(w, decision->candidates.count);
    for (uint32_t i = 0; i < decision->candidates.count; i++) {
        const msg_proposal *p = &list[i].proposal;
        ctl_map map = ctl_map_begin(ITEM_MAX);
        ctl_map_str(&map, "by", p->agent);
        ctl_map_str(&map, "action", p->action);
        ctl_map_str(&map, "target", p->target);
        rt_mpw_raw(ctl_map_key(&map, "args"), p->args);
        ctl_map_str(&map, "verdict", list[i].verdict);
        ctl_map_str(&map, "why", list[i].why);
        rt_mpw_raw(w, ctl_map_end(&map));
        ctl_map_fini(&map);
    }
}

static void
write_side(ctl_map *item, const char *key, const msg_decision *decision)
{
    if (decision == NULL) {
        rt_mpw_nil(ctl_map_key(item, key));
        return;
    }
    ctl_map map = ctl_map_begin(ITEM_MAX);
    write_consulted(decision, ctl_map_key(&map, "playbooks"));
    write_candidates(decision, ctl_map_key(&map, "candidates"));
    rt_mpw_raw(ctl_map_key(item, key), ctl_map_end(&map));
    ctl_map_fini(&map);
}

static ctl_map
difference_item(const br_backtest_pair *pair)
{
    const msg_decision *any = pair->recorded != NULL ? pair->recorded : pair->again;
    ctl_map item = ctl_map_begin(ITEM_MAX);
    if (pair->event_seq != 0) {
        ctl_map_u64(&item, "seq", pair->event_seq);
    }
    ctl_map_u64(&item, "after_seq", pair->after_seq);
    rt_mpw_i64(ctl_map_key(&item, "at_ms"), pair->at_ms);
    ctl_map_str(&item, "kind",
                pair->recorded == NULL ? RT_STR("new event")
                : pair->again == NULL  ? RT_STR("lost event")
                                       : RT_STR("changed"));
    ctl_map_str(&item, "type", any->event_type);
    ctl_map_str(&item, "subject", any->subject);
    write_side(&item, "before", pair->recorded);
    write_side(&item, "after", pair->again);
    return item;
}

static void
on_pair(void *user, const br_backtest_pair *pair)
{
    backtesting *b = user;
    ctl_contrast_add(b->contrast, pair->recorded, pair->again, pair->equal);
    if (pair->equal || b->shown_count == b->shown_max) {
        return;
    }
    ctl_map item = difference_item(pair);
    if (b->run->opt.format == CTL_JSONL) {
        ctl_put_json(b->run, ctl_map_end(&item));
        b->shown_count++;
    } else {
        rt_bytes copy = rt_arena_copy(b->run->arena, ctl_map_end(&item));
        if (copy.ptr != NULL) {
            b->shown[b->shown_count++] = copy;
        }
    }
    ctl_map_fini(&item);
}

static bool
on_progress(void *user, const br_backtest_progress *progress)
{
    backtesting *b = user;
    ctl_meter_move(&b->meter, progress->seq - b->sets.first_seq,
                   b->sets.last_seq - b->sets.first_seq + 1, progress->records, "records");
    return true;
}

// --- what comes out ------------------------------------------------------------------------------

static void
put_playbooks(backtesting *b)
{
    static const ctl_column columns[] = {{"PLAYBOOK", false, 0}, {"FIRED THEN", true, 0},
                                         {"NOW", true, 0},       {"NEW", true, 0},
                                         {"LOST", true, 0},      {"CHANGED", true, 0}};
    const ctl_contrast_playbook *list;
    size_t count = ctl_contrast_playbooks(b->contrast, &list);
    ctl_grid grid;
    ctl_grid_init(&grid, columns, RT_COUNT(columns));
    for (size_t i = 0; i < count; i++) {
        const ctl_contrast_playbook *p = &list[i];
        bool differs = p->fresh + p->lost + p->changed > 0;
        if (!differs && p->fired_then == 0) {
            continue; // it only looked
        }
        ctl_grid_str(&grid, differs ? CTL_BOLD : CTL_DIM, p->id);
        ctl_grid_printf(&grid, CTL_PLAIN, "%llu", (unsigned long long)p->fired_then);
        ctl_grid_printf(&grid, CTL_PLAIN, "%llu", (unsigned long long)p->fired_now);
        ctl_grid_printf(&grid, p->fresh > 0 ? CTL_GREEN : CTL_DIM, "%llu",
                        (unsigned long long)p->fresh);
        ctl_grid_printf(&grid, p->lost > 0 ? CTL_RED : CTL_DIM, "%llu",
                        (unsigned long long)p->lost);
        ctl_grid_printf(&grid, p->changed > 0 ? CTL_YELLOW : CTL_DIM, "%llu",
                        (unsigned long long)p->changed);
    }
    ctl_put_grid(b->run, &grid, 0);
    ctl_grid_fini(&grid);
}

static void
put_actions(backtesting *b)
{
    static const ctl_column columns[] = {{"ACTION", false, 0}, {"THEN", true, 0},
                                         {"NOW", true, 0},     {"NEW", true, 0},
                                         {"LOST", true, 0},    {"CHANGED", true, 0},
                                         {"", false, 0}};
    const ctl_contrast_action *list;
    size_t count = ctl_contrast_actions(b->contrast, &list);
    ctl_grid grid;
    if (count == 0) {
        return;
    }
    ctl_say(b->run, "\n");
    ctl_grid_init(&grid, columns, RT_COUNT(columns));
    for (size_t i = 0; i < count; i++) {
        const ctl_contrast_action *a = &list[i];
        ctl_grid_str(&grid, CTL_CYAN, a->name);
        ctl_grid_printf(&grid, CTL_PLAIN, "%llu", (unsigned long long)a->then);
        ctl_grid_printf(&grid, CTL_PLAIN, "%llu", (unsigned long long)a->now);
        ctl_grid_printf(&grid, a->fresh > 0 ? CTL_GREEN : CTL_DIM, "%llu",
                        (unsigned long long)a->fresh);
        ctl_grid_printf(&grid, a->lost > 0 ? CTL_RED : CTL_DIM, "%llu",
                        (unsigned long long)a->lost);
        ctl_grid_printf(&grid, a->changed > 0 ? CTL_YELLOW : CTL_DIM, "%llu",
                        (unsigned long long)a->changed);
        ctl_grid_cstr(&grid, CTL_DIM, a->contact ? "reaches a customer" : "");
    }
    ctl_put_grid(b->run, &grid, 0);
    ctl_grid_fini(&grid);
}

static bool
says_too(rt_bytes list, rt_bytes said)
{
    ctl_list against = ctl_items(list);
    rt_bytes twin;
    bool same = false;
    while (!same && ctl_next_item(&against, &twin)) {
        same = rt_bytes_equal(said, twin);
    }
    return same;
}

// What one side says that the other does not.
static void
put_side(ctl_run *run, const char *label, rt_bytes side, rt_bytes other)
{
    ctl_list list = ctl_items(ctl_raw(side, "playbooks"));
    rt_bytes said;
    while (ctl_next_item(&list, &said)) {
        if (!says_too(ctl_raw(other, "playbooks"), said)) {
            ctl_say(run, "    %s ", label);
            ctl_put(run, CTL_PLAIN, ctl_str(said, "playbook"));
            ctl_say(run, " ");
            ctl_put(run, CTL_YELLOW, ctl_str(said, "verdict"));
            ctl_say(run, " ");
            ctl_put(run, CTL_DIM, ctl_str(said, "detail"));
            ctl_end_line(run);
        }
    }
    list = ctl_items(ctl_raw(side, "candidates"));
    while (ctl_next_item(&list, &said)) {
        if (rt_str_is(ctl_str(said, "verdict"), "won") &&
            !says_too(ctl_raw(other, "candidates"), said)) {
            ctl_say(run, "    %s ", label);
            ctl_put(run, CTL_CYAN, ctl_str(said, "action"));
            ctl_say(run, " ");
            ctl_put(run, CTL_PLAIN, ctl_str(said, "target"));
            ctl_say(run, " ");
            ctl_show_pairs(&run->out, ctl_raw(said, "args"));
            ctl_end_line(run);
        }
    }
}

static void
put_differences(backtesting *b)
{
    ctl_run *run = b->run;
    for (uint64_t i = 0; i < b->shown_count; i++) {
        rt_bytes item = b->shown[i];
        ctl_say(run, i == 0 ? "\n" : "");
        ctl_time(&run->out, ctl_i64(item, "at_ms"));
        if (ctl_has(item, "seq")) {
            ctl_say(run, "  record %llu  ", (unsigned long long)ctl_u64(item, "seq"));
        } else {
            ctl_say(run, "  new, after record %llu  ",
                    (unsigned long long)ctl_u64(item, "after_seq"));
        }
        ctl_put(run, CTL_BOLD, ctl_str(item, "type"));
        ctl_say(run, " ");
        ctl_put(run, CTL_PLAIN, ctl_str(item, "subject"));
        ctl_say(run, rt_str_is(ctl_str(item, "kind"), "lost event") ? "  does not happen" : "");
        ctl_end_line(run);
        put_side(run, "then", ctl_raw(item, "before"), ctl_raw(item, "after"));
        put_side(run, "now ", ctl_raw(item, "after"), ctl_raw(item, "before"));
    }
    uint64_t different = ctl_contrast_totals_of(b->contrast).different;
    if (different > b->shown_count && b->shown_count > 0) {
        ctl_say(run, "... and %llu more: -n %llu, or -o jsonl for all\n",
                (unsigned long long)(different - b->shown_count), (unsigned long long)different);
    }
}

static void
put_head(backtesting *b)
{
    ctl_run *run = b->run;
    const br_backtest_result *r = &b->result;
    double days = (double)(r->last_at_ms - r->first_at_ms) / 86400000.0;
    ctl_say(run, "%u draft%s against records %llu to %llu: %.1f days, ", b->drafts.count,
            b->drafts.count == 1 ? "" : "s", (unsigned long long)r->first_seq,
            (unsigned long long)r->last_seq, days);
    ctl_count(&run->out, r->events);
    ctl_say(run, " events in %.1f s (", b->seconds);
    ctl_count(&run->out, (uint64_t)((double)r->events / RT_MAX(b->seconds, 1e-3)));
    ctl_say(run, " a second)\n\n");
}

static void
put_sums(backtesting *b)
{
    ctl_run *run = b->run;
    ctl_contrast_totals t = ctl_contrast_totals_of(b->contrast);
    ctl_say(run, "\nactions %llu, were %llu; of them contacts %llu, were %llu; cost ",
            (unsigned long long)t.actions_now, (unsigned long long)t.actions_then,
            (unsigned long long)t.contacts_now, (unsigned long long)t.contacts_then);
    ctl_count(&run->out, (uint64_t)RT_MAX(t.cost_now_cop, 0));
    ctl_say(run, " COP, was ");
    ctl_count(&run->out, (uint64_t)RT_MAX(t.cost_then_cop, 0));
    ctl_say(run, "\n");
    if (t.different == 0) {
        ctl_say(run, "no decision differs\n");
        return;
    }
    ctl_say(run, "%llu of %llu decisions differ; %llu outcomes of new actions are assumed\n",
            (unsigned long long)t.different, (unsigned long long)t.events,
            (unsigned long long)b->result.assumed);
}

static uint64_t
sets_within(const backtesting *b)
{
    uint64_t count = 0;
    for (size_t i = 0; i < b->sets.count; i++) {
        count += b->sets.sets[i].at_ms > b->result.first_at_ms;
    }
    return count;
}

static void
put_notes(const backtesting *b)
{
    if (sets_within(b) > 0) {
        ctl_note(b->run, "other sets were live in this period (brainctl playbooks history): what "
                         "they decided otherwise shows here as well; --since leaves them out");
    }
    if (b->result.is_partial) {
        ctl_note(b->run, "the journal begins with record %llu: throttles and limits begin empty "
                         "there", (unsigned long long)b->result.first_seq);
    }
}

static void
write_summary(backtesting *b, ctl_map *map)
{
    const br_backtest_result *r = &b->result;
    ctl_map_u64(map, "drafts", b->drafts.count);
    ctl_map_u64(map, "version", b->edited.version);
    ctl_map_u64(map, "first_seq", r->first_seq);
    ctl_map_u64(map, "last_seq", r->last_seq);
    rt_mpw_i64(ctl_map_key(map, "first_at_ms"), r->first_at_ms);
    rt_mpw_i64(ctl_map_key(map, "last_at_ms"), r->last_at_ms);
    ctl_map_u64(map, "records", r->records);
    ctl_map_u64(map, "events", r->events);
    ctl_map_u64(map, "events_new", r->events_new);
    ctl_map_u64(map, "events_lost", r->events_lost);
    ctl_map_u64(map, "outcomes_assumed", r->assumed);
    ctl_map_u64(map, "sets_in_period", sets_within(b) + 1);
    ctl_map_bool(map, "partial", r->is_partial);
    rt_mpw_f64(ctl_map_key(map, "seconds"), b->seconds);
    ctl_contrast_write(b->contrast, map);
}

static void
put_json(backtesting *b)
{
    ctl_map map = ctl_map_begin(CTL_TEXT_MAX);
    if (b->run->opt.format == CTL_JSONL) {
        ctl_map_bool(&map, "summary", true);
    }
    write_summary(b, &map);
    if (b->run->opt.format == CTL_JSON) {
        rt_mpw_array(ctl_map_key(&map, "differences"), (uint32_t)b->shown_count);
        for (uint64_t i = 0; i < b->shown_count; i++) {
            rt_mpw_raw(&map.w, b->shown[i]);
        }
    }
    ctl_put_json(b->run, ctl_map_end(&map));
    ctl_map_fini(&map);
}

static void
put_result(backtesting *b)
{
    if (ctl_is_json(b->run)) {
        put_json(b);
    } else {
        put_head(b);
        put_playbooks(b);
        put_actions(b);
        put_differences(b);
        put_sums(b);
    }
    put_notes(b);
}

// --- running -------------------------------------------------------------------------------------

static int
run_backtest(backtesting *b)
{
    const settings *s = b->place.settings;
    rt_diag *diag = rt_diag_new();
    br_backtest_config config = {
        .journal_dir = b->place.journal,
        .state = settings_state(s),
        .files = b->edited.files,
        .file_count = b->edited.count,
        .version = b->edited.version,
        .since_ms = b->since_ms,
        .until_seq = b->sets.last_seq, // a brain that runs writes on
        .verify = false, // --verify did so when the sets were read
        .clock_from_events = strcmp(rt_config_str(s->config, "clock.source"), "events") == 0,
        .on_pair = on_pair,
        .on_progress = on_progress,
        .user = b};
    b->meter = ctl_meter_begin(b->run);
    rt_err err = br_backtest(&config, diag, &b->result);
    b->seconds = ctl_meter_end(&b->meter);
    rt_diag_free(diag);
    return err == RT_OK ? CTL_OK : ctl_fail(b->run, err, "brain-verify checks the journal itself");
}

static int
prepare(backtesting *b)
{
    ctl_run *run = b->run;
    int code = ctl_drafts_read(run, 0, &b->drafts);
    if (code == CTL_OK) {
        code = ctl_sets_read(run, b->place.journal, &b->sets);
    }
    if (code == CTL_OK) {
        code = ctl_period_since(run, b->sets.last_at_ms, &b->since_ms);
    }
    if (code == CTL_OK) {
        const ctl_set *base = b->sets.count > 0 ? &b->sets.sets[b->sets.count - 1] : NULL;
        ctl_drafts_apply(run, &b->drafts, base, &b->edited);
        code = ctl_drafts_check(run, b->place.settings->pack, &b->drafts, &b->edited);
    }
    return code;
}

int
ctl_cmd_playbooks_backtest(ctl_run *run)
{
    backtesting b = {.run = run};
    int code = ctl_place_open(run, &b.place);
    if (code != CTL_OK) {
        return code;
    }
    uint64_t fallback = ctl_is_json(run) ? LISTED_DEFAULT : SHOWN_DEFAULT;
    b.shown_max = ctl_given(run, CTL_FLAG_LIMIT)   ? run->opt.limit
                  : run->opt.format == CTL_JSONL ? UINT64_MAX
                                                 : fallback;
    b.shown = rt_new_array(rt_bytes, run->opt.format == CTL_JSONL ? 1 : b.shown_max + 1);
    b.contrast = ctl_contrast_new(b.place.settings->pack);
    code = prepare(&b);
    if (code == CTL_OK) {
        code = run_backtest(&b);
    }
    if (code == CTL_OK) {
        put_result(&b);
        code = ctl_contrast_totals_of(b.contrast).different > 0 ? CTL_NO : CTL_OK;
    }
    ctl_contrast_free(b.contrast);
    ctl_drafts_free(&b.drafts);
    ctl_sets_free(&b.sets);
    rt_free(b.shown);
    ctl_place_close(&b.place);
    return code;
}
