// brainctl playbooks trace: what a playbook said of the events it heard, part by part, also where
// it did not act.
#include <stdio.h>

#include "runtime/base/alloc.h"
#include "runtime/seam/file.h"
#include "tools/brainctl/commands.h"
#include "tools/brainctl/drafts.h"
#include "tools/brainctl/output.h"
#include "tools/brainctl/place.h"
#include "tools/brainctl/tail.h"
#include "tools/brainctl/trace.h"
#include "tools/brainctl/value.h"

#define SHOWN_DEFAULT 10
#define PERIOD_DEFAULT 1000
#define FILE_MAX ((size_t)16 * 1024 * 1024) // of events

typedef struct showing {
    ctl_run *run;
    const char *playbook;
    ctl_place place;
    ctl_sets sets;
    ctl_drafts drafts;
    ctl_set edited;
    bool is_played; // decided again, not out of the record
} showing;

// What is said of it: as it was decided, or what the condition alone comes to.
static rt_str
answer_of(const ctl_traced *traced)
{
    if (traced->decision != NULL) {
        return rt_str_of(ctl_answer_name(traced->verdict.answer));
    }
    return RT_STR("undecided");
}

static void
put_traced(const showing *s, const ctl_traced *traced)
{
    ctl_run *run = s->run;
    ctl_time(&run->out, traced->at_ms);
    if (traced->seq <= s->sets.last_seq) {
        ctl_say(run, "  record %llu  ", (unsigned long long)traced->seq);
    } else {
        ctl_say(run, "  ");
        ctl_put(run, CTL_PLAIN, traced->event->id);
        ctl_say(run, "  ");
    }
    ctl_put(run, CTL_CYAN, traced->event->type->name);
    ctl_say(run, " ");
    ctl_put(run, CTL_BOLD, traced->event->subject);
    ctl_say(run, "  ");
    ctl_put(run, ctl_answer_style(traced->verdict.answer), answer_of(traced));
    ctl_say(run, "  ");
    ctl_put(run, CTL_PLAIN, traced->verdict.why);
    ctl_end_line(run);
    if (!ctl_given(run, CTL_FLAG_BRIEF)) {
        ctl_trace_put(run, &traced->trace, 4);
    }
    if (!traced->agrees) {
        ctl_say(run, "    evaluated now: ");
        ctl_put(run, CTL_RED, traced->trace.verdict);
        ctl_say(run, "; the pack or the program was another then\n");
    }
}

static void
write_traced(const showing *s, const ctl_traced *traced)
{
    const ctl_verdict *v = &traced->verdict;
    ctl_map map = ctl_map_begin(CTL_TEXT_MAX);
    ctl_map_str(&map, "playbook", rt_str_of(s->playbook));
    if (traced->seq <= s->sets.last_seq) {
        ctl_map_u64(&map, "seq", traced->seq);
    }
    rt_mpw_i64(ctl_map_key(&map, "at_ms"), traced->at_ms);
    ctl_map_str(&map, "type", traced->event->type->name);
    ctl_map_str(&map, "subject", traced->event->subject);
    ctl_map_str(&map, "id", traced->event->id);
    ctl_map_u64(&map, "version", traced->version);
    ctl_map_str(&map, "answer", answer_of(traced));
    ctl_map_str(&map, "stage", traced->decision != NULL ? rt_str_of(ctl_answer_stage(v->answer))
                                                        : RT_STR("waiting"));
    ctl_map_str(&map, "why", v->why);
    ctl_map_bool(&map, "fired", v->fired);
    ctl_map_str(&map, "evaluated", traced->trace.verdict);
    ctl_map_bool(&map, "agrees", traced->agrees);
    if (!ctl_given(s->run, CTL_FLAG_BRIEF)) {
        ctl_trace_write(ctl_map_key(&map, "expressions"), &traced->trace);
    }
    ctl_list_item(s->run, ctl_map_end(&map));
    ctl_map_fini(&map);
}

// Newest first, as one looks for what just did not happen; a file in its own order.
static int
put_all(const showing *s, ctl_tracer *tracer)
{
    ctl_traced *traced = rt_new(ctl_traced);
    bool is_json = ctl_is_json(s->run);
    int code = CTL_OK;
    if (is_json) {
        ctl_list_begin(s->run);
    }
    size_t count = ctl_tracer_count(tracer);
    for (size_t i = 0; i < count && code == CTL_OK; i++) {
        bool forwards = ctl_given(s->run, CTL_FLAG_FILE);
        code = ctl_tracer_at(tracer, forwards ? i : count - 1 - i, traced);
        if (code == CTL_OK && is_json) {
            write_traced(s, traced);
        } else if (code == CTL_OK) {
            put_traced(s, traced);
            ctl_flush(s->run);
        }
    }
    if (is_json) {
        ctl_list_end(s->run);
    }
    rt_free(traced);
    return code;
}

// --last is a number of events, or with a unit a time.
static int
read_query(ctl_run *run, const ctl_sets *sets, ctl_trace_query *q)
{
    const char *last = run->opt.values[CTL_FLAG_LAST];
    const char *event = run->opt.values[CTL_FLAG_EVENT];
    int64_t number = 0;
    bool is_count = last != NULL && rt_parse_i64(rt_str_of(last), &number) == RT_OK && number > 0;
    *q = (ctl_trace_query){.playbook = run->args[0],
                           .type = rt_str_of(run->opt.values[CTL_FLAG_TYPE]),
                           .subject = rt_str_of(run->opt.values[CTL_FLAG_SUBJECT]),
                           .last = SHOWN_DEFAULT};
    if (event != NULL && strspn(event, "#0123456789") == strlen(event)) {
        return ctl_read_seq(run, event, &q->seq);
    }
    q->event_id = rt_str_of(event);
    if (is_count) {
        q->last = (uint64_t)number;
        return CTL_OK;
    }
    if (last != NULL || ctl_given(run, CTL_FLAG_SINCE)) {
        q->last = PERIOD_DEFAULT;
    }
    if (ctl_given(run, CTL_FLAG_LIMIT)) {
        q->last = run->opt.limit;
    }
    return ctl_period_since(run, sets->last_at_ms, &q->since_ms);
}

static bool
was_ever_live(const ctl_sets *sets, const char *playbook)
{
    for (size_t i = 0; i < sets->count; i++) {
        if (ctl_set_file(&sets->sets[i], rt_str_of(playbook)) != NULL) {
            return true;
        }
    }
    return false;
}

static int
refuse_nothing(const showing *s, const ctl_trace_query *q)
{
    ctl_run *run = s->run;
    if (!s->is_played && !was_ever_live(&s->sets, q->playbook)) {
        return ctl_refuse(run, RT_ENOTFOUND, "brainctl playbooks list", "no playbook '%s'",
                          q->playbook);
    }
    if (q->seq != 0 || q->event_id.len > 0) {
        return ctl_refuse(run, RT_ENOTFOUND, "brainctl events get shows what it is",
                          "%s is no event in the journal that %s hears",
                          run->opt.values[CTL_FLAG_EVENT], q->playbook);
    }
    ctl_note(run, "%s heard nothing of that kind; one that is off in its file hears nothing",
             q->playbook);
    if (ctl_is_json(run)) {
        ctl_list_begin(run);
        ctl_list_end(run);
    }
    return CTL_OK;
}

// The set that is asked: that of the drafts, or the live one.
static int
prepare_set(showing *s)
{
    const char *draft = s->run->opt.values[CTL_FLAG_DRAFT];
    const ctl_set *base = s->sets.count > 0 ? &s->sets.sets[s->sets.count - 1] : NULL;
    ctl_run named = *s->run;
    if (draft == NULL && base == NULL) {
        return ctl_refuse(s->run, RT_ENOTFOUND, NULL, "no playbooks were ever live");
    }
    if (draft == NULL) {
        s->edited = *base;
        return CTL_OK;
    }
    named.args[0] = draft;
    named.arg_count = 1;
    int code = ctl_drafts_read(&named, 0, &s->drafts);
    if (code == CTL_OK) {
        ctl_drafts_apply(s->run, &s->drafts, base, &s->edited);
        code = ctl_drafts_check(s->run, s->place.settings->pack, &s->drafts, &s->edited);
    }
    return code;
}

static int
play(showing *s, ctl_tracer *tracer, const ctl_trace_query *query)
{
    const settings *of = s->place.settings;
    br_backtest_config backtest = {.journal_dir = s->place.journal, .state = settings_state(of)};
    ctl_play what = {.backtest = &backtest,
                     .set = &s->edited,
                     .settings = of,
                     .file = s->run->opt.values[CTL_FLAG_FILE]};
    int code = prepare_set(s);
    if (code == CTL_OK && what.file != NULL) {
        rt_err err = rt_file_read_all(what.file, FILE_MAX, s->run->arena, &what.events);
        code = err == RT_OK ? CTL_OK : ctl_fail(s->run, err, "a file with events as JSON");
    }
    if (code != CTL_OK) {
        return code;
    }
    backtest.files = s->edited.files;
    backtest.file_count = s->edited.count;
    backtest.version = s->edited.version;
    backtest.since_ms = query->since_ms;
    backtest.until_seq = s->sets.last_seq; // a brain that runs writes on
    backtest.clock_from_events =
        strcmp(rt_config_str(of->config, "clock.source"), "events") == 0;
    return ctl_tracer_play(tracer, query, &what);
}

static int
trace(showing *s)
{
    ctl_trace_query query;
    int code = read_query(s->run, &s->sets, &query);
    if (code != CTL_OK) {
        return code;
    }
    ctl_tracer *tracer =
        ctl_tracer_new(s->run, s->place.settings->pack, s->place.journal, &s->sets);
    s->is_played = ctl_given(s->run, CTL_FLAG_DRAFT) || ctl_given(s->run, CTL_FLAG_FILE);
    code = s->is_played ? play(s, tracer, &query) : ctl_tracer_find(tracer, &query);
    if (code == CTL_OK) {
        code = ctl_tracer_count(tracer) > 0 ? put_all(s, tracer) : refuse_nothing(s, &query);
    }
    ctl_tracer_free(tracer);
    ctl_drafts_free(&s->drafts);
    return code;
}

int
ctl_cmd_playbooks_trace(ctl_run *run)
{
    showing s = {.run = run, .playbook = run->args[0]};
    int code = ctl_place_open(run, &s.place);
    if (code != CTL_OK) {
        return code;
    }
    code = ctl_sets_read(run, s.place.journal, &s.sets);
    if (code == CTL_OK) {
        code = trace(&s);
        ctl_sets_free(&s.sets);
    }
    ctl_place_close(&s.place);
    return code;
}
