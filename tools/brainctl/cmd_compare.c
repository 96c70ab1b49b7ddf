// brainctl playbooks compare: a playbook in shadow or canary against what was done without it.
//
// Design notes.
// The journal is decided again with the playbook live (brain/core/backtest.h), so throttles,
// limits, conflicts and the gate count as they would have. Without a period it is that of the text
// which is live now: what an older text did says nothing of this one.
#include <stdio.h>

#include "brain/core/backtest.h"
#include "brain/playbook/guard.h"
#include "runtime/base/alloc.h"
#include "runtime/base/map.h"
#include "runtime/journal/journal.h"
#include "tools/brainctl/commands.h"
#include "tools/brainctl/compare.h"
#include "tools/brainctl/drafts.h"
#include "tools/brainctl/meter.h"
#include "tools/brainctl/output.h"
#include "tools/brainctl/place.h"
#include "tools/brainctl/value.h"
#include "tools/brainctl/verdict.h"

#define BUDGETS_SHOWN 8
#define DECISION_ARENA_MAX ((size_t)16 * 1024 * 1024)

// Where the file has no guardrails.
static const br_guard_limit default_limits = {{0.05, 0.1, 0.2}, 20, BR_Z_95};

typedef enum verdict_on { ADVICE_PROMOTE, ADVICE_WAIT, ADVICE_NO } verdict_on;

typedef struct used_budget {
    br_budget_state state;
    char per[128];
} used_budget;

typedef struct comparing {
    ctl_run *run;
    rt_str id;
    ctl_place place;
    ctl_sets sets;
    ctl_set edited; // with the playbook live
    int64_t since_ms;
    ctl_compare *compare;
    ctl_meter meter;
    br_backtest_result result;
    br_guard_limit limits;
    bool has_guardrails;
    ctl_compare_share shares[BR_GUARDS];
    used_budget budgets[BUDGETS_SHOWN];
    uint32_t budget_count;
    verdict_on advice;
    char why[256];
} comparing;

// --- what of the record the backtest does not tell ---------------------------------------------

static void
note_actions(comparing *c, const msg_decision *decision, rt_map *mine)
{
    const msg_candidate *list = decision->candidates.items;
    for (uint32_t i = 0; i < decision->candidates.count; i++) {
        if (list[i].action_id.len > 0 && ctl_is_of(list[i].proposal.agent, c->id)) {
            rt_map_put(mine, rt_bytes_of_str(list[i].action_id), 1);
        }
    }
}

static void
note_outcome(comparing *c, const rt_record *record, rt_map *mine)
{
    rt_event event;
    if (rt_event_decode_record(br_pack_catalog(c->place.settings->pack), record->seq,
                               record->at_ms, record->payload, &event) != RT_OK ||
        !rt_str_is(event.type->name, "action.executed")) {
        return;
    }
    rt_value id = rt_event_field(&event, "action_id");
    rt_value status = rt_event_field(&event, "status");
    if (id.kind == RT_KIND_STR && rt_map_del(mine, rt_bytes_of_str(id.s)) &&
        !rt_str_is(status.s, "cancelled")) {
        c->shares[BR_GUARD_ACTIONS].of++;
        c->shares[BR_GUARD_ACTIONS].bad += !rt_str_is(status.s, "executed");
    }
}

// What became of the actions that it did as a canary.
static rt_err
read_outcomes(comparing *c)
{
    rt_journal_reader *reader;
    rt_record record;
    rt_arena *arena = rt_arena_new(DECISION_ARENA_MAX);
    rt_map *mine = rt_map_new();
    rt_err err = rt_journal_reader_open(c->place.journal, 0, &reader);
    if (err == RT_OK) {
        rt_journal_reader_trust(reader); // it was read before
    }
    while (err == RT_OK && (err = rt_journal_reader_next(reader, &record)) == RT_OK &&
           record.seq <= c->sets.last_seq) {
        msg_decision decision;
        rt_mp mp = rt_mp_init(record.payload);
        if (record.at_ms < c->since_ms) {
            continue;
        }
        if (record.kind == RT_RECORD_DECISION && (record.flags & RT_RECORD_SAID) != 0) {
            rt_arena_reset(arena);
            err = rt_msg_decode(&msg_decision_def, &mp, arena, &decision);
            if (err == RT_OK) {
                note_actions(c, &decision, mine);
            }
        } else if (record.kind == RT_RECORD_EVENT && rt_map_count(mine) > 0) {
            note_outcome(c, &record, mine);
        }
    }
    rt_journal_reader_close(reader);
    rt_map_free(mine);
    rt_arena_free(arena);
    return err == RT_EEND ? RT_OK : err;
}

// --- the run -------------------------------------------------------------------------------------

static void
on_pair(void *user, const br_backtest_pair *pair)
{
    comparing *c = user;
    ctl_compare_add(c->compare, pair->recorded, pair->again);
}

static bool
on_progress(void *user, const br_backtest_progress *progress)
{
    comparing *c = user;
    ctl_meter_move(&c->meter, progress->seq - c->sets.first_seq,
                   c->sets.last_seq - c->sets.first_seq + 1, progress->records, "records");
    return true;
}

static void
on_end(void *user, const br_state *state)
{
    comparing *c = user;
    br_progress_row row;
    for (size_t cursor = 0; br_progress_next(state->progress, &cursor, &row);) {
        used_budget *b = &c->budgets[c->budget_count];
        if (c->budget_count == BUDGETS_SHOWN || !rt_str_equal(row.playbook, c->id) ||
            !br_course_budget(state->playbooks, &row, state->meta.clock_ms, c->run->arena,
                              &b->state)) {
            continue;
        }
        (void)snprintf(b->per, sizeof(b->per), "%.*s", RT_STR_ARG(b->state.per)); // cut
        c->budget_count++;
    }
}

static int
play(comparing *c)
{
    const settings *s = c->place.settings;
    rt_diag *diag = rt_diag_new();
    br_backtest_config config = {
        .journal_dir = c->place.journal,
        .state = settings_state(s),
        .files = c->edited.files,
        .file_count = c->edited.count,
        .version = c->edited.version,
        .since_ms = c->since_ms,
        .until_seq = c->sets.last_seq, // a brain that runs writes on
        .clock_from_events = strcmp(rt_config_str(s->config, "clock.source"), "events") == 0,
        .on_pair = on_pair,
        .on_end = on_end,
        .on_progress = on_progress,
        .user = c};
    c->meter = ctl_meter_begin(c->run);
    rt_err err = br_backtest(&config, diag, &c->result);
    (void)ctl_meter_end(&c->meter);
    rt_diag_free(diag);
    if (err == RT_OK) {
        err = read_outcomes(c);
    }
    return err == RT_OK ? CTL_OK : ctl_fail(c->run, err, "brain-verify checks the journal itself");
}

// The set of now, with this playbook live; and since when its text is.
static int
prepare(comparing *c)
{
    ctl_run *run = c->run;
    const ctl_set *base = c->sets.count > 0 ? &c->sets.sets[c->sets.count - 1] : NULL;
    const br_playbook_file *file = base != NULL ? ctl_set_file(base, c->id) : NULL;
    if (file == NULL) {
        return ctl_refuse(run, RT_ENOTFOUND, "brainctl playbooks list", "no playbook '%s'",
                          run->args[0]);
    }
    int code = ctl_period_since(run, c->sets.last_at_ms, &c->since_ms);
    if (code != CTL_OK) {
        return code;
    }
    int64_t live_ms = base->at_ms;
    for (size_t i = c->sets.count; i > 1; i--) {
        const br_playbook_file *before = ctl_set_file(&c->sets.sets[i - 2], c->id);
        if (before == NULL || !rt_str_equal(before->text, file->text)) {
            break;
        }
        live_ms = c->sets.sets[i - 2].at_ms;
    }
    c->since_ms = c->since_ms != 0 ? c->since_ms : live_ms;
    c->edited = *base;
    c->edited.files = rt_arena_array(run->arena, br_playbook_file, base->count);
    for (uint32_t i = 0; i < base->count; i++) {
        c->edited.files[i] = base->files[i];
        if (&base->files[i] == file) {
            c->edited.files[i].text = ctl_with_mode(run, file->text, "live");
        }
    }
    return CTL_OK;
}

static int
read_limits(comparing *c)
{
    rt_diag *diag = rt_diag_new();
    br_playbooks *set = NULL;
    rt_err err = br_playbooks_restore(c->place.settings->pack, c->edited.files, c->edited.count,
                                      c->edited.version, diag, &set);
    c->limits = default_limits;
    c->has_guardrails = err == RT_OK && br_guard_limits(set, c->id, &c->limits);
    br_playbooks_free(set);
    rt_diag_free(diag);
    return err == RT_OK ? CTL_OK
                        : ctl_fail(c->run, err, "the live set does not fit the pack of today");
}

// --- what follows from it ------------------------------------------------------------------------

static void
advise(comparing *c)
{
    static const char *const names[BR_GUARDS] = {"errors", "failed actions",
                                                 "failed verifications"};
    ctl_compare_counts n = ctl_compare_counts_of(c->compare);
    c->shares[BR_GUARD_ERRORS] = n.errors;
    c->shares[BR_GUARD_VERIFY] = n.verifications;
    for (int i = 0; i < BR_GUARDS; i++) {
        const ctl_compare_share *s = &c->shares[i];
        double low = br_wilson(s->bad, s->of, c->limits.z).low;
        if (c->limits.most[i] >= 0 && s->of >= c->limits.min_sample && low > c->limits.most[i]) {
            c->advice = ADVICE_NO;
            (void)snprintf(c->why, sizeof(c->why),
                           "%s: %llu of %llu, surely over %.3g %%; %.3g %% are allowed", names[i],
                           (unsigned long long)s->bad, (unsigned long long)s->of, low * 100,
                           c->limits.most[i] * 100);
            return;
        }
    }
    if (n.errors.of < c->limits.min_sample) {
        c->advice = ADVICE_WAIT;
        (void)snprintf(c->why, sizeof(c->why), "it was to act %llu times, %llu are wanted",
                       (unsigned long long)n.errors.of, (unsigned long long)c->limits.min_sample);
        return;
    }
    c->advice = ADVICE_PROMOTE;
    (void)snprintf(c->why, sizeof(c->why), "nothing speaks against it; %s promote %s %s",
                   "brainctl playbooks", c->run->args[0],
                   n.acted > 0 ? "with a larger share, or live" : "canary:10");
}

static const char *
advice_name(verdict_on advice)
{
    static const char *const names[] = {"promote", "wait", "no"};
    return names[advice];
}

static void
put_share(ctl_run *run, const char *what, uint64_t hits, uint64_t of)
{
    br_interval i = br_wilson(hits, of, BR_Z_95);
    ctl_say(run, "  %-40s", what);
    if (of == 0) {
        ctl_say(run, "-\n");
        return;
    }
    ctl_say(run, "%5.1f %%  (%.1f to %.1f %%)  %llu of %llu\n", 100.0 * (double)hits / (double)of,
            100 * i.low, 100 * i.high, (unsigned long long)hits, (unsigned long long)of);
}

static void
put_agreement(ctl_run *run, const ctl_compare_counts *n)
{
    uint64_t would = n->both + n->only_it;
    uint64_t live = n->both + n->only_live;
    uint64_t all = would + n->only_live + n->neither;
    ctl_say(run, "                     it would  it would not\n");
    ctl_say(run, "  the same was done %10llu    %10llu\n", (unsigned long long)n->both,
            (unsigned long long)n->only_live);
    ctl_say(run, "  it was not        %10llu    %10llu\n\n", (unsigned long long)n->only_it,
            (unsigned long long)n->neither);
    put_share(run, "agreement", n->both + n->neither, all);
    put_share(run, "it would act", would, all);
    put_share(run, "of that, done without it too", n->both, would);
    put_share(run, "of what was done, it would do too", n->both, live);
}

static void
put_as_live(comparing *c, const ctl_compare_counts *n)
{
    ctl_run *run = c->run;
    ctl_say(run, "\nas if it were live: acts on %llu events, %llu actions, %llu of them contacts, ",
            (unsigned long long)n->would_act, (unsigned long long)n->actions,
            (unsigned long long)n->contacts);
    ctl_count(&run->out, (uint64_t)RT_MAX(n->cost_cop, 0));
    ctl_say(run, " COP\n  conflicts: it wins %llu, it loses %llu, vetoed %llu\n",
            (unsigned long long)n->conflicts_won, (unsigned long long)n->conflicts_lost,
            (unsigned long long)n->vetoed);
    ctl_say(run,
            "  throttled %llu, held %llu, asked %llu, over its budget %llu, outside of its hours "
            "%llu, refused by the gate %llu\n",
            (unsigned long long)n->throttled, (unsigned long long)n->held,
            (unsigned long long)n->asked, (unsigned long long)n->budget,
            (unsigned long long)n->calendar, (unsigned long long)n->refused);
    for (uint32_t i = 0; i < c->budget_count; i++) {
        const used_budget *b = &c->budgets[i];
        char window[32];
        ctl_say(run, "  budget of %s%s%s: %lld of %lld in %s at the end\n", b->state.what,
                b->per[0] != '\0' ? " of " : "", b->per, (long long)b->state.used,
                (long long)b->state.limit,
                rt_format_duration(b->state.window_ms, window, sizeof(window)));
    }
}

static void
put_guardrails(comparing *c)
{
    static const char *const names[BR_GUARDS] = {"errors", "failed actions",
                                                 "failed verifications"};
    ctl_say(c->run, "\nguardrails%s\n", c->has_guardrails ? "" : " (those of nobody: the file has "
                                                                "none)");
    for (int i = 0; i < BR_GUARDS; i++) {
        char what[64];
        if (c->limits.most[i] >= 0) {
            (void)snprintf(what, sizeof(what), "%s, at most %.3g %%", names[i],
                           100 * c->limits.most[i]);
            put_share(c->run, what, c->shares[i].bad, c->shares[i].of);
        }
    }
}

static void
put_text(comparing *c)
{
    ctl_run *run = c->run;
    ctl_compare_counts n = ctl_compare_counts_of(c->compare);
    ctl_put(run, CTL_BOLD, c->id);
    ctl_say(run, ": ");
    ctl_count(&run->out, n.both + n.only_it + n.only_live + n.neither + n.acted);
    ctl_say(run, " events since ");
    ctl_time(&run->out, c->since_ms);
    ctl_say(run, "; on %llu of them it acted itself\n\n", (unsigned long long)n.acted);
    put_agreement(run, &n);
    put_as_live(c, &n);
    put_guardrails(c);
    ctl_say(run, "\nrecommendation: ");
    ctl_put(run, c->advice == ADVICE_PROMOTE ? CTL_GREEN : c->advice == ADVICE_NO ? CTL_RED
                                                                                  : CTL_YELLOW,
            rt_str_of(advice_name(c->advice)));
    ctl_say(run, ": %s\n", c->why);
}

// --- JSON ----------------------------------------------------------------------------------------

static void
write_share(ctl_map *map, const char *key, uint64_t hits, uint64_t of, double z)
{
    br_interval i = br_wilson(hits, of, z);
    ctl_map share = ctl_map_begin(1024);
    ctl_map_u64(&share, "hits", hits);
    ctl_map_u64(&share, "of", of);
    rt_mpw_f64(ctl_map_key(&share, "low"), i.low);
    rt_mpw_f64(ctl_map_key(&share, "high"), i.high);
    rt_mpw_raw(ctl_map_key(map, key), ctl_map_end(&share));
    ctl_map_fini(&share);
}

static void
write_as_live(const comparing *c, const ctl_compare_counts *n, rt_mpw *w)
{
    ctl_map map = ctl_map_begin(65536);
    ctl_map_u64(&map, "acts", n->would_act);
    ctl_map_u64(&map, "actions", n->actions);
    ctl_map_u64(&map, "contacts", n->contacts);
    rt_mpw_i64(ctl_map_key(&map, "cost_cop"), n->cost_cop);
    ctl_map_u64(&map, "conflicts_won", n->conflicts_won);
    ctl_map_u64(&map, "conflicts_lost", n->conflicts_lost);
    ctl_map_u64(&map, "vetoed", n->vetoed);
    ctl_map_u64(&map, "throttled", n->throttled);
    ctl_map_u64(&map, "held", n->held);
    ctl_map_u64(&map, "asked", n->asked);
    ctl_map_u64(&map, "over_budget", n->budget);
    ctl_map_u64(&map, "outside_hours", n->calendar);
    ctl_map_u64(&map, "refused", n->refused);
    rt_mpw_array(ctl_map_key(&map, "budgets"), c->budget_count);
    for (uint32_t i = 0; i < c->budget_count; i++) {
        ctl_map budget = ctl_map_begin(1024);
        ctl_map_str(&budget, "what", rt_str_of(c->budgets[i].state.what));
        ctl_map_str(&budget, "per", rt_str_of(c->budgets[i].per));
        rt_mpw_i64(ctl_map_key(&budget, "used"), c->budgets[i].state.used);
        rt_mpw_i64(ctl_map_key(&budget, "limit"), c->budgets[i].state.limit);
        rt_mpw_i64(ctl_map_key(&budget, "window_ms"), c->budgets[i].state.window_ms);
        rt_mpw_raw(&map.w, ctl_map_end(&budget));
        ctl_map_fini(&budget);
    }
    rt_mpw_raw(w, ctl_map_end(&map));
    ctl_map_fini(&map);
}

static void
put_json(const comparing *c)
{
    static const char *const names[BR_GUARDS] = {"errors", "failed_actions",
                                                 "failed_verifications"};
    ctl_compare_counts n = ctl_compare_counts_of(c->compare);
    uint64_t would = n.both + n.only_it;
    uint64_t all = would + n.only_live + n.neither;
    ctl_map map = ctl_map_begin(CTL_TEXT_MAX);
    ctl_map_str(&map, "playbook", c->id);
    rt_mpw_i64(ctl_map_key(&map, "since_ms"), c->since_ms);
    ctl_map_u64(&map, "acted", n.acted);
    ctl_map_u64(&map, "both", n.both);
    ctl_map_u64(&map, "only_it", n.only_it);
    ctl_map_u64(&map, "only_live", n.only_live);
    ctl_map_u64(&map, "neither", n.neither);
    write_share(&map, "agreement", n.both + n.neither, all, BR_Z_95);
    write_share(&map, "would_act", would, all, BR_Z_95);
    write_share(&map, "done_too", n.both, would, BR_Z_95);
    write_share(&map, "would_do_too", n.both, n.both + n.only_live, BR_Z_95);
    write_as_live(c, &n, ctl_map_key(&map, "as_live"));
    ctl_map guards = ctl_map_begin(8192);
    for (int i = 0; i < BR_GUARDS; i++) {
        if (c->limits.most[i] >= 0) {
            write_share(&guards, names[i], c->shares[i].bad, c->shares[i].of, c->limits.z);
        }
    }
    rt_mpw_raw(ctl_map_key(&map, "guardrails"), ctl_map_end(&guards));
    ctl_map_fini(&guards);
    ctl_map_bool(&map, "has_guardrails", c->has_guardrails);
    ctl_map_str(&map, "recommendation", rt_str_of(advice_name(c->advice)));
    ctl_map_str(&map, "why", rt_str_of(c->why));
    ctl_put_json(c->run, ctl_map_end(&map));
    ctl_map_fini(&map);
}

static int
compare(comparing *c)
{
    int code = prepare(c);
    if (code == CTL_OK) {
        code = read_limits(c);
    }
    if (code == CTL_OK) {
        code = play(c);
    }
    if (code != CTL_OK) {
        return code;
    }
    advise(c);
    if (ctl_is_json(c->run)) {
        put_json(c);
    } else {
        put_text(c);
    }
    if (c->result.is_partial) {
        ctl_note(c->run, "the journal begins with record %llu: throttles and limits begin empty "
                         "there", (unsigned long long)c->result.first_seq);
    }
    return c->advice == ADVICE_PROMOTE ? CTL_OK : CTL_NO;
}

int
ctl_cmd_playbooks_compare(ctl_run *run)
{
    comparing *c = rt_new(comparing);
    c->run = run;
    c->id = rt_str_of(run->args[0]);
    int code = ctl_place_open(run, &c->place);
    if (code == CTL_OK) {
        c->compare = ctl_compare_new(c->place.settings->pack, c->id);
        code = ctl_sets_read(run, c->place.journal, &c->sets);
        if (code == CTL_OK) {
            code = compare(c);
            ctl_sets_free(&c->sets);
        }
        ctl_compare_free(c->compare);
        ctl_place_close(&c->place);
    }
    rt_free(c);
    return code;
}
