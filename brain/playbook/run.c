// Design notes.
// Actions in order: a run is a row with all its steps as they were built when the playbook fired,
// so that it ends as it was begun, whatever is edited meanwhile. It waits for the outcome of one
// action or for a time; each is found again by its name, and what comes late finds another step or
// none. A step is one candidate among others: when it loses or is refused it has failed like one
// whose outcome is bad. What a run asks for after arbitration has to wait for a timer that is due
// at once.
#include <stdio.h>

#include "brain/playbook/course_internal.h"

#define WHAT RT_STR("run")
#define RUNNING RT_STR("running")
#define DAY_MS (24LL * 60 * 60 * 1000)
#define EMIT_BYTES_MAX 2048
#define DETAIL_MAX 500
#define DOUBLINGS_MAX 16

// A run on its way through one decision.
struct br_run {
    const br_playbook *playbook;
    rt_str key;
    msg_run row;
    bool is_new;        // it begins when its first step wins
    bool asked;         // its step is a candidate of this decision
    bool has_timer;     // one was set in this decision
    int64_t resume_ms;  // quiet hours: asked again then, without having failed
    msg_consulted *consulted;
};

static msg_run_step *
step_at(const br_run *run, uint64_t index)
{
    return (msg_run_step *)run->row.steps.items + index;
}

static void
say(br_course *course, br_run *run, const char *what)
{
    run->consulted->verdict = RT_STR("running");
    run->consulted->detail = rt_arena_printf(
        course->arena, "%s%s, step %llu of %u", run->row.undoing ? "undoing, " : "", what,
        (unsigned long long)run->row.at + 1, run->row.steps.count);
}

static void
wake_at(br_course *course, br_run *run, int64_t due_ms)
{
    br__course_timer(course, run->playbook, "run", run->key, due_ms);
    run->has_timer = true;
}

static void
keep(br_course *course, br_run *run)
{
    if (!br__course_write(course, WHAT, run->playbook->info.id, run->key, &msg_run_def,
                          &run->row)) {
        run->consulted->detail = RT_STR("the run is too large to be kept; it ends here");
        br__course_forget(course, WHAT, run->playbook->info.id, run->key);
    }
}

static void
emit_end(br_course *course, const br_run *run, const char *outcome, rt_str detail)
{
    rt_mpw data;
    rt_mpw_init(&data, EMIT_BYTES_MAX);
    rt_mpw_map(&data, 5);
    rt_mpw_cstr(&data, "playbook");
    rt_mpw_str(&data, run->playbook->info.id);
    rt_mpw_cstr(&data, "decision_seq");
    rt_mpw_u64(&data, run->row.event_seq);
    rt_mpw_cstr(&data, "outcome");
    rt_mpw_cstr(&data, outcome);
    rt_mpw_cstr(&data, "steps");
    rt_mpw_i64(&data, __builtin_popcountll(run->row.done));
    rt_mpw_cstr(&data, "detail");
    rt_mpw_str(&data, rt_utf8_whole((rt_str){detail.ptr, RT_MIN(detail.len, DETAIL_MAX)}));
    br__course_emit(course, run->playbook, "playbook.run_ended",
                    rt_arena_copy(course->arena, rt_mpw_view(&data)));
    rt_mpw_fini(&data);
}

static void
end(br_course *course, br_run *run, const char *outcome, rt_str detail)
{
    br__course_forget(course, WHAT, run->playbook->info.id, run->key);
    if (!run->has_timer) {
        br__course_timer(course, run->playbook, "run", run->key, 0);
    }
    run->consulted->verdict = RT_STR("running");
    run->consulted->detail = rt_arena_printf(course->arena, "%s%s%.*s", outcome,
                                             detail.len > 0 ? ": " : "", RT_STR_ARG(detail));
    emit_end(course, run, outcome, detail);
}

// Asks for the step it is at: now, or by a timer when this decision's candidates are settled.
static void
ask(br_course *course, br_run *run)
{
    const msg_run_step *step = step_at(run, run->row.at);
    const msg_proposal *wanted = run->row.undoing ? step->undo.items : &step->asks;
    run->row.action_id = RT_STR("");
    if (course->is_settled) {
        wake_at(course, run, course->now_ms);
        keep(course, run);
        return;
    }
    msg_proposal *place =
        br__course_append(course, &course->said->proposals, sizeof(msg_proposal));
    if (place != NULL) {
        *place = *wanted;
        run->asked = true;
        run->row.tries++;
        say(course, run, "asks for it");
    }
}

static void
go_to(br_course *course, br_run *run, uint64_t at)
{
    run->row.at = at;
    run->row.tries = 0;
    const msg_run_step *step = step_at(run, at);
    if (!run->row.undoing && step->after_ms > 0) {
        run->row.action_id = RT_STR("");
        wake_at(course, run, course->now_ms + step->after_ms);
        keep(course, run);
        say(course, run, "waits for its time");
    } else {
        ask(course, run);
    }
}

// The last step below `below` that was done and can be taken back; -1 without.
static int
undoable(const br_run *run, uint64_t below)
{
    for (int i = (int)RT_MIN(below, run->row.steps.count) - 1; i >= 0; i--) {
        if ((run->row.done >> i & 1) != 0 && step_at(run, (uint64_t)i)->undo.count > 0) {
            return i;
        }
    }
    return -1;
}

static void
go_on(br_course *course, br_run *run, rt_str why)
{
    if (run->row.undoing) {
        int before = undoable(run, run->row.at);
        if (before < 0) {
            end(course, run, "undone", why);
        } else {
            go_to(course, run, (uint64_t)before);
        }
    } else if (run->row.at + 1 >= run->row.steps.count) {
        end(course, run, "done", RT_STR(""));
    } else {
        go_to(course, run, run->row.at + 1);
    }
}

static void
give_up(br_course *course, br_run *run, rt_str why)
{
    uint64_t on_error = step_at(run, run->row.at)->on_error;
    int undo = undoable(run, run->row.at);
    if (run->row.undoing || on_error == BR_ON_ERROR_CONTINUE) {
        go_on(course, run, why);
    } else if (on_error == BR_ON_ERROR_UNDO && undo >= 0) {
        run->row.undoing = true;
        go_to(course, run, (uint64_t)undo);
    } else {
        end(course, run, "stopped", why);
    }
}

static void
fail(br_course *course, br_run *run, rt_str why)
{
    const msg_run_step *step = step_at(run, run->row.at);
    if (run->row.tries > step->retries) {
        give_up(course, run, why);
        return;
    }
    uint64_t doublings = RT_MIN(run->row.tries > 0 ? run->row.tries - 1 : 0, DOUBLINGS_MAX);
    run->row.action_id = RT_STR("");
    wake_at(course, run, course->now_ms + RT_MIN(step->wait_ms << doublings, DAY_MS));
    keep(course, run);
    run->consulted->verdict = RT_STR("running");
    run->consulted->detail = rt_arena_printf(course->arena, "tries step %llu again: %.*s",
                                             (unsigned long long)run->row.at + 1,
                                             RT_STR_ARG(why));
}

static br_run *
new_run(br_course *course, const br_playbook *playbook, rt_str key)
{
    bool room = course->run_count < RT_COUNT(course->runs);
    br_run *run = room ? rt_arena_new_of(course->arena, br_run) : NULL;
    msg_consulted *consulted = br__course_consulted(course, playbook);
    if (run == NULL || consulted == NULL) {
        course->failed = course->failed || consulted == NULL;
        return NULL;
    }
    run->playbook = playbook;
    run->key = key;
    run->consulted = consulted;
    return run;
}

// --- beginning ---

// Takes what a playbook asked for out of the proposals.
static uint32_t
take_asked(br_course *course, const br_playbook *playbook,
           msg_proposal ret[BR_PLAYBOOK_STEPS_MAX])
{
    msg_proposal *proposals = course->said->proposals.items;
    uint32_t left = 0;
    uint32_t count = 0;
    for (uint32_t i = 0; i < course->said->proposals.count; i++) {
        if (rt_str_equal(proposals[i].agent, playbook->agent) && count < BR_PLAYBOOK_STEPS_MAX) {
            ret[count++] = proposals[i];
        } else {
            proposals[left++] = proposals[i];
        }
    }
    course->said->proposals.count = left;
    return count;
}

static bool
build_undo(br_course *course, const br_firing *firing, const br_step *step, msg_run_step *ret)
{
    br_steps one = {.count = 1};
    rt_str why;
    if (step->undo == NULL || firing == NULL) {
        return true;
    }
    one.steps[0] = *step->undo;
    msg_proposal *undo = rt_arena_new_of(course->arena, msg_proposal);
    if (undo == NULL || !br__propose(firing->playbook, &one, firing->load, firing->user,
                                     course->arena, undo, &why)) {
        return false;
    }
    ret->undo = (rt_msg_list){undo, 1};
    return true;
}

void
br__run_begin(br_course *course, const br_playbook *playbook, const br_steps *steps,
              const br_firing *firing)
{
    msg_proposal *asked = rt_arena_array(course->arena, msg_proposal, BR_PLAYBOOK_STEPS_MAX);
    msg_run_step *list = rt_arena_array(course->arena, msg_run_step, BR_PLAYBOOK_STEPS_MAX);
    if (asked == NULL || list == NULL) {
        course->failed = true;
        return;
    }
    uint32_t count = take_asked(course, playbook, asked);
    uint64_t seq = firing != NULL ? firing->event_seq : course->seq;
    br_run *run = new_run(course, playbook,
                          rt_arena_printf(course->arena, "%llu", (unsigned long long)seq));
    if (run == NULL || count != steps->count || count == 0) {
        return;
    }
    for (uint32_t i = 0; i < count; i++) {
        const br_step *step = &steps->steps[i];
        list[i] = (msg_run_step){.asks = asked[i],
                                 .after_ms = step->after_ms,
                                 .timeout_ms = step->timeout_ms,
                                 .retries = step->retries,
                                 .wait_ms = step->wait_ms,
                                 .on_error = step->on_error};
        if (!build_undo(course, firing, step, &list[i])) {
            run->consulted->verdict = RT_STR("error");
            run->consulted->detail =
                rt_arena_printf(course->arena, "what undoes step %u has no value", i + 1);
            return;
        }
    }
    run->row = (msg_run){.event_seq = seq,
                         .since_ms = course->now_ms,
                         .version = br_playbooks_version(course->set),
                         .steps = {list, count},
                         .subject = course->subject};
    run->is_new = true;
    rt_str verdict = run->consulted->verdict;
    rt_str detail = run->consulted->detail;
    course->runs[course->run_count++] = run;
    go_to(course, run, 0);
    run->consulted->verdict = verdict; // it fired
    run->consulted->detail = detail;
}

// --- going on ---

// The run of a playbook that stands in a row.
static br_run *
find_run(br_course *course, rt_str id, rt_str key)
{
    const br_playbook *playbook = br__playbook_find(course->set, id);
    msg_run row;
    if (!br__course_read(course, WHAT, id, key, &msg_run_def, &row)) {
        return NULL;
    }
    bool sound = row.steps.count > 0 && row.at < row.steps.count &&
                 (!row.undoing || ((msg_run_step *)row.steps.items)[row.at].undo.count > 0);
    br_run *run = playbook != NULL && sound ? new_run(course, playbook, key) : NULL;
    if (run == NULL) {
        br__course_forget(course, WHAT, id, key); // its playbook is gone
        return NULL;
    }
    run->row = row;
    course->runs[course->run_count++] = run;
    return run;
}

static void
forget_action(br_course *course, const br_run *run)
{
    if (run->row.action_id.len > 0) {
        br__course_forget(course, RUNNING, RT_STR(""), run->row.action_id);
    }
}

void
br__run_outcome(br_course *course, const rt_event *event)
{
    rt_value id = rt_event_field(event, "action_id");
    rt_value status = rt_event_field(event, "status");
    rt_value detail = rt_event_field(event, "detail");
    msg_running running;
    if (!event->internal || id.kind != RT_KIND_STR ||
        !br__course_read(course, RUNNING, RT_STR(""), id.s, &msg_running_def, &running)) {
        return;
    }
    br_run *run = find_run(course, running.playbook, running.key);
    br__course_forget(course, RUNNING, RT_STR(""), id.s);
    if (run == NULL || !rt_str_equal(run->row.action_id, id.s)) {
        return;
    }
    if (step_at(run, run->row.at)->timeout_ms > 0) {
        br__course_timer(course, run->playbook, "run", run->key, 0);
    }
    if (!rt_str_is(status.s, "executed")) {
        fail(course, run,
             rt_arena_printf(course->arena, "%.*s %.*s", RT_STR_ARG(status.s),
                             detail.kind == RT_KIND_STR ? (int)detail.s.len : 0,
                             detail.kind == RT_KIND_STR ? detail.s.ptr : ""));
        return;
    }
    if (!run->row.undoing) {
        run->row.done |= 1ull << run->row.at;
    }
    go_on(course, run, RT_STR(""));
}

void
br__run_timer(br_course *course, rt_str id, rt_str key)
{
    br_run *run = find_run(course, id, key);
    if (run == NULL) {
        return;
    }
    if (run->row.action_id.len == 0) {
        ask(course, run);
        return;
    }
    forget_action(course, run); // its outcome comes too late from here on
    run->row.action_id = RT_STR("");
    fail(course, run, RT_STR("no outcome in time"));
}

void
br__run_acknowledged(br_course *course, const rt_event *event)
{
    rt_value id = rt_event_field(event, "playbook");
    rt_value key = rt_event_field(event, "key");
    rt_value by = rt_event_field(event, "by");
    bool by_operator = event->internal && rt_str_is(event->source, BR_OPERATORS);
    br_run *run = by_operator && id.kind == RT_KIND_STR && key.kind == RT_KIND_STR
                      ? find_run(course, id.s, key.s)
                      : NULL;
    if (run != NULL) {
        forget_action(course, run);
        end(course, run, "acknowledged",
            rt_arena_printf(course->arena, "by %.*s", RT_STR_ARG(by.s)));
    }
}

// --- after arbitration ---

static br_run *
run_of(br_course *course, rt_str agent)
{
    for (uint32_t i = 0; i < course->run_count; i++) {
        if (course->runs[i]->asked && rt_str_equal(course->runs[i]->playbook->agent, agent)) {
            return course->runs[i];
        }
    }
    return NULL;
}

bool
br__run_asks(const br_course *course, const br_playbook *playbook, rt_msg_list *ret_steps)
{
    for (uint32_t i = 0; i < course->run_count; i++) {
        if (course->runs[i]->playbook == playbook && course->runs[i]->is_new) {
            *ret_steps = course->runs[i]->row.steps;
            return true;
        }
    }
    return false;
}

bool
br__run_quiet(br_course *course, rt_str agent, int64_t until_ms)
{
    br_run *run = run_of(course, agent);
    if (run == NULL || run->is_new) {
        return false; // one that has not begun is held or dropped as a whole
    }
    run->resume_ms = until_ms;
    return true;
}

void
br_course_ran(br_course *course, const msg_candidate *candidate)
{
    br_run *run = run_of(course, candidate->proposal.agent);
    course->is_settled = true;
    if (run == NULL || candidate->proposal.veto) {
        return;
    }
    run->asked = false;
    if (candidate->action_id.len > 0) {
        int64_t timeout_ms = step_at(run, run->row.at)->timeout_ms;
        msg_running running = {run->playbook->info.id, run->key};
        run->row.action_id = candidate->action_id;
        keep(course, run);
        (void)br__course_write(course, RUNNING, RT_STR(""), candidate->action_id,
                               &msg_running_def, &running);
        if (timeout_ms > 0) {
            wake_at(course, run, course->now_ms + timeout_ms);
        }
    } else if (run->resume_ms > 0) {
        run->row.tries--;
        wake_at(course, run, run->resume_ms);
        keep(course, run);
    } else if (!run->is_new) {
        fail(course, run, candidate->why);
    } // else nothing begins: calendar, budgets and approval hold for the first step only
}
