// Design notes.
// What is counted is counted by the decision that saw it, and the limit is looked at in the same
// decision: there is no time between a canary that does too badly and the write that ends it. A
// count belongs to one text and one beginning of the canary; a verification or an outcome of what
// was done before counts for nothing.
#include "brain/playbook/guard.h"

#include <stdio.h>

#include "brain/math/proportion.h"
#include "brain/playbook/course_internal.h"

#define GUARD RT_STR("guard")
#define ACTED RT_STR("acted") // whose action it is, by its id
#define MODE RT_STR("mode")
#define DATA_MAX 4096
#define REASON_MAX 256

static const char *const names[BR_GUARDS] = {"errors", "failed actions", "failed verifications"};
static const char *const keys[BR_GUARDS] = {"errors", "failed_actions", "failed_verifications"};

bool
br_playbooks_guarded(const br_playbooks *set)
{
    return set->is_guarded;
}

bool
br__guard_waits(const br_progress *progress, rt_tenant tenant, rt_str action_id)
{
    rt_bytes value;
    return br_progress_get(progress, tenant, ACTED, RT_STR(""), action_id, &value);
}

// Whether it is a canary with guardrails, and what was counted of it; a count of another beginning
// is none.
static bool
read_count(br_course *course, const br_playbook *playbook, msg_guard *ret_count)
{
    msg_mode set;
    if (playbook == NULL || !playbook->guardrails.on ||
        br__mode_of(course->progress, playbook, course->arena, &set) != BR_MODE_CANARY) {
        return false;
    }
    if (!br__course_read(course, GUARD, playbook->info.id, RT_STR(""), &msg_guard_def,
                         ret_count) ||
        ret_count->file != playbook->text_hash || ret_count->mode_seq != set.seq) {
        *ret_count = (msg_guard){.file = playbook->text_hash,
                                 .mode_seq = set.seq,
                                 .since_seq = course->seq,
                                 .since_ms = course->now_ms};
    }
    return true;
}

static void
fill_counts(const br_playbook *playbook, const msg_guard *count,
            br_guard_count ret_counts[BR_GUARDS])
{
    const uint64_t bad[BR_GUARDS] = {count->errors, count->failed, count->not_held};
    const uint64_t of[BR_GUARDS] = {count->judged, count->ended, count->verified};
    const br_guardrails *g = &playbook->guardrails;
    for (int i = 0; i < BR_GUARDS; i++) {
        double low = br_wilson(bad[i], of[i], g->z).low;
        ret_counts[i] = (br_guard_count){
            .name = keys[i],
            .bad = bad[i],
            .of = of[i],
            .most = g->most[i],
            .low = low,
            .is_over = g->most[i] >= 0 && of[i] >= g->min_sample && low > g->most[i]};
    }
}

bool
br_guard_limits(const br_playbooks *set, rt_str id, br_guard_limit *ret_limit)
{
    const br_playbook *playbook = br__playbook_find(set, id);
    if (playbook == NULL || !playbook->guardrails.on) {
        return false;
    }
    for (int i = 0; i < BR_GUARDS; i++) {
        ret_limit->most[i] = playbook->guardrails.most[i];
    }
    ret_limit->min_sample = playbook->guardrails.min_sample;
    ret_limit->z = playbook->guardrails.z;
    return true;
}

bool
br_guard_counts(const br_playbooks *set, const br_progress *progress, rt_str id, rt_arena *arena,
                br_guard_count ret_counts[BR_GUARDS])
{
    br_course course = {.set = set, .progress = progress, .arena = arena};
    const br_playbook *playbook = br__playbook_find(set, id);
    msg_guard count;
    if (!read_count(&course, playbook, &count)) {
        return false;
    }
    fill_counts(playbook, &count, ret_counts);
    return true;
}

// --- rolling back --------------------------------------------------------------------------------

static const char *
mode_name(br_playbook_mode mode)
{
    return mode == BR_MODE_OFF ? "off" : "shadow";
}

static void
raise(br_course *course, const br_playbook *playbook, const br_guard_count *over, rt_str reason)
{
    rt_mpw data;
    rt_mpw_init(&data, DATA_MAX);
    rt_mpw_map(&data, 8);
    rt_mpw_cstr(&data, "playbook");
    rt_mpw_str(&data, playbook->info.id);
    rt_mpw_cstr(&data, "mode");
    rt_mpw_cstr(&data, mode_name(playbook->guardrails.to));
    rt_mpw_cstr(&data, "guardrail");
    rt_mpw_cstr(&data, over->name);
    rt_mpw_cstr(&data, "bad");
    rt_mpw_u64(&data, over->bad);
    rt_mpw_cstr(&data, "of");
    rt_mpw_u64(&data, over->of);
    rt_mpw_cstr(&data, "low");
    rt_mpw_f64(&data, over->low);
    rt_mpw_cstr(&data, "most");
    rt_mpw_f64(&data, over->most);
    rt_mpw_cstr(&data, "reason");
    rt_mpw_str(&data, reason);
    rt_bytes kept = rt_arena_copy(course->arena, rt_mpw_view(&data));
    course->failed = course->failed || kept.ptr == NULL;
    if (!data.failed && kept.ptr != NULL) {
        br__course_emit(course, playbook, "playbook.rolled_back", kept);
    }
    rt_mpw_fini(&data);
}

// Whoever looks at this decision finds it said there as well.
static void
explain(br_course *course, const br_playbook *playbook, rt_str reason)
{
    msg_consulted *consulted = br__course_consulted(course, playbook);
    if (consulted == NULL) {
        return;
    }
    if (consulted->verdict.len == 0) {
        consulted->verdict = RT_STR("rolled back");
    }
    consulted->detail = rt_arena_printf(course->arena, "%.*s%srolled back: %.*s",
                                        RT_STR_ARG(consulted->detail),
                                        consulted->detail.len > 0 ? "; " : "", RT_STR_ARG(reason));
}

static void
roll_back(br_course *course, const br_playbook *playbook, const br_guard_count *over)
{
    char text[REASON_MAX];
    int kind = (int)(over->name == keys[BR_GUARD_ERRORS]    ? BR_GUARD_ERRORS
                     : over->name == keys[BR_GUARD_ACTIONS] ? BR_GUARD_ACTIONS
                                                            : BR_GUARD_VERIFY);
    (void)snprintf(text, sizeof(text), "%s: %llu of %llu, surely over %.4g %%; %.4g %% are allowed",
                   names[kind], (unsigned long long)over->bad, (unsigned long long)over->of,
                   over->low * 100, over->most * 100);
    msg_mode set = {.mode = playbook->guardrails.to,
                    .file = playbook->text_hash,
                    .by = RT_STR(BR_GUARDIAN),
                    .reason = rt_arena_str(course->arena, rt_str_of(text)),
                    .seq = course->seq,
                    .at_ms = course->now_ms};
    course->failed = course->failed || set.reason.ptr == NULL;
    if (course->failed ||
        !br__course_write(course, MODE, playbook->info.id, RT_STR(""), &msg_mode_def, &set)) {
        return; // no room among the writes of this decision: the next one that counts sees it too
    }
    br__course_forget(course, GUARD, playbook->info.id, RT_STR(""));
    raise(course, playbook, over, set.reason);
    explain(course, playbook, set.reason);
}

static void
keep_count(br_course *course, const br_playbook *playbook, const msg_guard *count)
{
    br_guard_count counts[BR_GUARDS];
    (void)br__course_write(course, GUARD, playbook->info.id, RT_STR(""), &msg_guard_def, count);
    fill_counts(playbook, count, counts);
    for (int i = 0; i < BR_GUARDS; i++) {
        if (counts[i].is_over) {
            roll_back(course, playbook, &counts[i]);
            return;
        }
    }
}

// --- counting ------------------------------------------------------------------------------------

// The event that was decided on when a verification was set: the key of its timer.
static bool
is_since(const br_course *course, const msg_guard *count)
{
    rt_value key = course->event != NULL ? rt_event_field(course->event, "key") : RT_NONE;
    int64_t seq;
    return key.kind == RT_KIND_STR && rt_parse_i64(key.s, &seq) == RT_OK &&
           (uint64_t)seq >= count->since_seq;
}

static bool
count_said(const br_course *course, const msg_consulted *said, msg_guard *count)
{
    bool error = rt_str_is(said->verdict, "error");
    bool acts = rt_str_is(said->verdict, "fired") || rt_str_is(said->verdict, "throttled");
    bool not_held = rt_str_is(said->verdict, "not verified");
    bool verified = not_held || rt_str_is(said->verdict, "verified");
    if (error || acts) {
        count->judged++;
        count->errors += error;
        return true;
    }
    if (verified && is_since(course, count)) {
        count->verified++;
        count->not_held += not_held;
        return true;
    }
    return false;
}

// Notes whose action it is, until it has ended.
static void
note_action(br_course *course, const msg_candidate *candidate)
{
    const rt_str prefix = RT_STR("playbook:");
    rt_str agent = candidate->proposal.agent;
    msg_guard count;
    if (candidate->action_id.len == 0 || !rt_str_starts(agent, prefix)) {
        return;
    }
    const br_playbook *playbook = br__playbook_find(
        course->set, (rt_str){agent.ptr + prefix.len, agent.len - prefix.len});
    if (read_count(course, playbook, &count) &&
        playbook->guardrails.most[BR_GUARD_ACTIONS] >= 0) {
        msg_running acted = {
            playbook->info.id,
            rt_arena_printf(course->arena, "%llu", (unsigned long long)course->seq)};
        (void)br__course_write(course, ACTED, RT_STR(""), candidate->action_id, &msg_running_def,
                               &acted);
    }
}

void
br__guard_outcome(br_course *course, const rt_event *event)
{
    rt_value id = rt_event_field(event, "action_id");
    rt_value status = rt_event_field(event, "status");
    msg_running acted;
    msg_guard count;
    int64_t seq;
    if (!event->internal || id.kind != RT_KIND_STR ||
        !br__course_read(course, ACTED, RT_STR(""), id.s, &msg_running_def, &acted)) {
        return;
    }
    br__course_forget(course, ACTED, RT_STR(""), id.s);
    const br_playbook *playbook = br__playbook_find(course->set, acted.playbook);
    if (!read_count(course, playbook, &count) || rt_parse_i64(acted.key, &seq) != RT_OK ||
        (uint64_t)seq < count.since_seq || rt_str_is(status.s, "cancelled")) {
        return; // a halt says nothing about the playbook
    }
    count.ended++;
    count.failed += !rt_str_is(status.s, "executed");
    keep_count(course, playbook, &count);
}

rt_err
br_course_guard(br_course *course, const msg_candidate *candidates, uint32_t count)
{
    uint32_t said = course->said->consulted.count; // more may be added here
    for (uint32_t i = 0; i < said; i++) {
        const msg_consulted *consulted = (msg_consulted *)course->said->consulted.items + i;
        const br_playbook *playbook = br__playbook_find(course->set, consulted->playbook);
        msg_guard of;
        if (read_count(course, playbook, &of) && count_said(course, consulted, &of)) {
            keep_count(course, playbook, &of);
        }
    }
    for (uint32_t i = 0; i < count; i++) {
        note_action(course, &candidates[i]);
    }
    return course->failed ? RT_ENOMEM : RT_OK;
}
