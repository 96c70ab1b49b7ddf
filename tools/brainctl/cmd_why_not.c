// brainctl decisions why-not: why a playbook did not act on an event.
#include <stdio.h>

#include "runtime/base/alloc.h"
#include "tools/brainctl/commands.h"
#include "tools/brainctl/door.h"
#include "tools/brainctl/output.h"
#include "tools/brainctl/place.h"
#include "tools/brainctl/query.h"
#include "tools/brainctl/tail.h"
#include "tools/brainctl/trace.h"

typedef struct finding {
    const char *playbook;
    uint64_t seq;
    char verdict[32];
    char text[768];
    ctl_traced *traced; // its parts, NULL where they cannot be told
} finding;

static rt_bytes
find_consulted(rt_bytes decision, const char *playbook)
{
    ctl_list list = ctl_items(ctl_raw(decision, "consulted"));
    rt_bytes consulted;
    while (ctl_next_item(&list, &consulted)) {
        if (rt_str_is(ctl_str(consulted, "playbook"), playbook)) {
            return consulted;
        }
    }
    return (rt_bytes){NULL, 0};
}

static void
say(finding *f, const char *verdict, const char *text)
{
    (void)snprintf(f->verdict, sizeof(f->verdict), "%s", verdict); // short words
    (void)snprintf(f->text, sizeof(f->text), "%s", text);          // cut at its size
}

// It fired: its proposals say what became of it.
static void
judge_fired(rt_bytes decision, finding *f)
{
    ctl_list list = ctl_items(ctl_raw(decision, "candidates"));
    rt_bytes candidate;
    char agent[128];
    bool any = false;
    (void)snprintf(agent, sizeof(agent), "playbook:%s", f->playbook); // ids are short
    say(f, "fired", "it fired, but proposed nothing");
    while (ctl_next_item(&list, &candidate)) {
        if (!rt_str_is(ctl_str(candidate, "proposal.agent"), agent)) {
            continue;
        }
        rt_str verdict = ctl_str(candidate, "verdict");
        size_t len = any ? strlen(f->text) : 0;
        (void)snprintf(f->text + len, sizeof(f->text) - len, "%s%.*s %.*s: %.*s%s%.*s",
                       any ? "; " : "", RT_STR_ARG(ctl_str(candidate, "proposal.action")),
                       RT_STR_ARG(ctl_str(candidate, "proposal.target")), RT_STR_ARG(verdict),
                       ctl_str(candidate, "why").len > 0 ? ", " : "",
                       RT_STR_ARG(ctl_str(candidate, "why")));
        (void)snprintf(f->verdict, sizeof(f->verdict), "%.*s", RT_STR_ARG(verdict));
        any = true;
    }
}

static void
judge_consulted(rt_bytes decision, rt_bytes consulted, finding *f)
{
    rt_str verdict = ctl_str(consulted, "verdict");
    rt_str detail = ctl_str(consulted, "detail");
    if (rt_str_is(verdict, "fired")) {
        judge_fired(decision, f);
        return;
    }
    (void)snprintf(f->verdict, sizeof(f->verdict), "%.*s", RT_STR_ARG(verdict));
    (void)snprintf(f->text, sizeof(f->text), "%.*s", RT_STR_ARG(detail));
}

// It was not even looked at: switched off, or it names other types of events.
static int
judge_absent(ctl_run *run, rt_bytes explanation, finding *f)
{
    rt_bytes answer;
    rt_bytes playbook;
    rt_str type = ctl_str(explanation, "event.event.type");
    bool known = false;
    bool off = false;
    char text[256];
    (void)snprintf(text, sizeof(text), "it does not name events of type %.*s",
                   RT_STR_ARG(type));
    say(f, "not consulted", text);
    if (run->opt.values[CTL_FLAG_DATA] != NULL) {
        return CTL_OK; // the live set cannot be asked
    }
    int code = ctl_call(run, "playbooks.list", NULL, NULL, NULL, &answer);
    ctl_list list = ctl_items(code == CTL_OK ? ctl_raw(answer, "playbooks") : (rt_bytes){NULL, 0});
    while (ctl_next_item(&list, &playbook)) {
        if (rt_str_is(ctl_str(playbook, "id"), f->playbook)) {
            known = true;
            off = rt_str_is(ctl_str(playbook, "mode"), "off");
        }
    }
    if (code == CTL_OK && !known) {
        return ctl_refuse(run, RT_ENOTFOUND, "brainctl playbooks list", "no playbook '%s'",
                          f->playbook);
    }
    if (off) {
        say(f, "off", "its mode is off");
    }
    return code;
}

static int
judge(ctl_run *run, rt_bytes explanation, finding *f)
{
    rt_bytes decision = ctl_raw(explanation, "decision.decision");
    rt_bytes consulted = find_consulted(decision, f->playbook);
    if (consulted.len > 0) {
        judge_consulted(decision, consulted, f);
        return CTL_OK;
    }
    if (decision.len == 0 && ctl_bool(explanation, "event.undecided")) {
        say(f, "undecided", "the event is not decided yet");
        return CTL_OK;
    }
    return judge_absent(run, explanation, f);
}

static void
put_finding(ctl_run *run, const finding *f)
{
    const ctl_traced *traced = f->traced;
    if (ctl_is_json(run)) {
        ctl_map map = ctl_map_begin(CTL_TEXT_MAX);
        ctl_map_str(&map, "playbook", rt_str_of(f->playbook));
        ctl_map_u64(&map, "seq", f->seq);
        ctl_map_str(&map, "verdict", rt_str_of(f->verdict));
        ctl_map_str(&map, "why", rt_str_of(f->text));
        if (traced != NULL && traced->decision != NULL) {
            ctl_map_str(&map, "answer", rt_str_of(ctl_answer_name(traced->verdict.answer)));
            ctl_map_str(&map, "stage", rt_str_of(ctl_answer_stage(traced->verdict.answer)));
        }
        if (traced != NULL) {
            ctl_map_u64(&map, "version", traced->version);
            ctl_trace_write(ctl_map_key(&map, "expressions"), &traced->trace);
        }
        ctl_put_json(run, ctl_map_end(&map));
        ctl_map_fini(&map);
        return;
    }
    ctl_put(run, CTL_BOLD, rt_str_of(f->playbook));
    ctl_say(run, " on record %llu: ", (unsigned long long)f->seq);
    ctl_put(run, CTL_YELLOW, rt_str_of(f->verdict));
    ctl_say(run, "\n");
    if (f->text[0] != '\0') {
        ctl_say(run, "  ");
        ctl_put(run, CTL_PLAIN, rt_str_of(f->text));
        ctl_say(run, "\n");
    }
    if (traced != NULL && traced->decision != NULL && traced->verdict.fired) {
        ctl_say(run, "  its condition held; settled by: %s\n",
                ctl_answer_stage(traced->verdict.answer));
    }
    if (traced != NULL && !ctl_given(run, CTL_FLAG_BRIEF)) {
        ctl_trace_put(run, &traced->trace, 2);
    }
}

// Finds the event in the journal and evaluates it; what cannot be told is left out.
static int
find_parts(ctl_run *run, const ctl_place *place, const ctl_sets *sets, finding *f)
{
    ctl_trace_query query = {.playbook = f->playbook, .seq = f->seq, .last = 1};
    ctl_traced *traced = rt_new(ctl_traced);
    ctl_tracer *tracer = ctl_tracer_new(run, place->settings->pack, place->journal, sets);
    int code = ctl_tracer_find(tracer, &query);
    if (code == CTL_OK && ctl_tracer_count(tracer) > 0) {
        code = ctl_tracer_at(tracer, 0, traced);
        f->traced = code == CTL_OK ? traced : NULL;
        if (code == CTL_OK && traced->verdict.fired) { // with what the condition's own entry says
            (void)snprintf(f->text, sizeof(f->text), "%.*s", RT_STR_ARG(traced->verdict.why));
        }
    }
    if (code == CTL_OK) {
        put_finding(run, f);
    }
    ctl_tracer_free(tracer);
    rt_free(traced);
    return code;
}

static int
put_with_parts(ctl_run *run, finding *f)
{
    ctl_place place;
    ctl_sets sets;
    if (!ctl_place_known(run)) { // the files of a stopped brain, without its settings
        put_finding(run, f);
        return CTL_OK;
    }
    int code = ctl_place_open(run, &place);
    if (code != CTL_OK) {
        return code;
    }
    code = ctl_sets_read(run, place.journal, &sets);
    if (code == CTL_OK) {
        code = find_parts(run, &place, &sets, f);
        ctl_sets_free(&sets);
    }
    ctl_place_close(&place);
    return code;
}

int
ctl_cmd_decisions_why_not(ctl_run *run)
{
    finding f = {.playbook = run->args[0]};
    rt_bytes explanation;
    int code = ctl_read_seq(run, run->args[1], &f.seq);
    if (code == CTL_OK) {
        code = ctl_explain_run(run, f.seq, &explanation);
    }
    if (code == CTL_OK) {
        f.seq = ctl_u64(explanation, "event.seq"); // also when its decision was named
        code = judge(run, explanation, &f);
    }
    return code == CTL_OK ? put_with_parts(run, &f) : code;
}
