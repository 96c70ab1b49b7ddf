// Design notes.
// What waits is a row with the event it fired on. When its time comes, or somebody agreed, the
// playbook is asked again from the beginning, with what is known then: what has come true meanwhile
// is no longer done, and an approval holds only for exactly the actions, targets, arguments and
// text of the playbook that were shown (their SHA-256). Its name is the throttle key where there is
// one, so that the same thing waits once.
#include <stdio.h>

#include "brain/playbook/course_internal.h"
#include "runtime/base/hash.h"

#define HELD "held"
#define APPROVAL "approval"
#define LATE (-2) // element of a part that did not come
#define ACTIONS_TEXT_MAX 1000
#define DETAIL_MAX 300
#define EMIT_BYTES_MAX 4096

// --- writing down ---

static rt_str
digest_of(br_course *course, const br_playbook *playbook, const msg_proposal *proposals,
          uint32_t count)
{
    uint8_t digest[RT_SHA256_LEN] = {0};
    char text[2 * RT_SHA256_LEN + 1];
    uint64_t version = playbook->text_hash;
    rt_sha256_chain(digest, (rt_bytes){(const uint8_t *)&version, sizeof(version)}, digest);
    for (uint32_t i = 0; i < count; i++) {
        rt_sha256_chain(digest, rt_bytes_of_str(proposals[i].action), digest);
        rt_sha256_chain(digest, rt_bytes_of_str(proposals[i].target), digest);
        rt_sha256_chain(digest, proposals[i].args, digest);
    }
    rt_hex((rt_bytes){digest, sizeof(digest)}, text, sizeof(text));
    return rt_arena_printf(course->arena, "%s", text);
}

// What a playbook asked for in this decision.
static rt_msg_list
asked_by(br_course *course, const br_playbook *playbook)
{
    const msg_proposal *proposals = course->said->proposals.items;
    rt_msg_list list = {NULL, 0};
    rt_msg_list steps;
    if (br__run_asks(course, playbook, &steps)) {
        for (uint32_t i = 0; i < steps.count; i++) {
            msg_proposal *place = br__course_append(course, &list, sizeof(msg_proposal));
            if (place != NULL) {
                *place = ((const msg_run_step *)steps.items)[i].asks;
            }
        }
        return list;
    }
    for (uint32_t i = 0; i < course->said->proposals.count; i++) {
        if (rt_str_equal(proposals[i].agent, playbook->agent)) {
            msg_proposal *place = br__course_append(course, &list, sizeof(msg_proposal));
            if (place != NULL) {
                *place = proposals[i];
            }
        }
    }
    return list;
}

static rt_str
actions_text(br_course *course, const rt_msg_list *actions)
{
    const msg_proposal *list = actions->items;
    rt_text text;
    rt_text_init(&text, ACTIONS_TEXT_MAX);
    for (uint32_t i = 0; i < actions->count; i++) {
        rt_text_printf(&text, "%s%.*s %.*s", i > 0 ? ", " : "", RT_STR_ARG(list[i].action),
                       RT_STR_ARG(list[i].target));
    }
    rt_str kept = rt_arena_str(course->arena, rt_utf8_whole(rt_text_view(&text)));
    rt_text_fini(&text);
    return kept;
}

static void
emit_request(br_course *course, const br_playbook *playbook, rt_str key, const msg_waiting *waiting)
{
    rt_mpw data;
    rt_mpw_init(&data, EMIT_BYTES_MAX);
    rt_mpw_map(&data, 5);
    rt_mpw_cstr(&data, "playbook");
    rt_mpw_str(&data, playbook->info.id);
    rt_mpw_cstr(&data, "key");
    rt_mpw_str(&data, key);
    rt_mpw_cstr(&data, "actions");
    rt_mpw_str(&data, actions_text(course, &waiting->actions));
    rt_mpw_cstr(&data, "why");
    rt_mpw_str(&data, waiting->why);
    rt_mpw_cstr(&data, "expires_at");
    rt_mpw_i64(&data, waiting->until_ms);
    if (!data.failed) {
        br__course_emit(course, playbook, "approval.requested",
                        rt_arena_copy(course->arena, rt_mpw_view(&data)));
    }
    rt_mpw_fini(&data);
}

static rt_str
name_of(br_course *course, const br_firing *firing, const msg_consulted *consulted)
{
    if (consulted->throttle_key.len > 0) {
        return br__course_key(course, consulted->throttle_key);
    }
    return rt_arena_printf(course->arena, "%llu", (unsigned long long)firing->event_seq);
}

void
br__waiting_add(br_course *course, const br_firing *firing)
{
    const br_playbook *playbook = firing->playbook;
    msg_consulted *consulted = br__course_consulted(course, playbook);
    bool asks = firing->wait == BR_WAIT_ASK;
    rt_str what = asks ? RT_STR(APPROVAL) : RT_STR(HELD);
    if (consulted == NULL) {
        return;
    }
    rt_str key = name_of(course, firing, consulted);
    msg_waiting before;
    if (br__course_read(course, what, playbook->info.id, key, &msg_waiting_def, &before)) {
        consulted->detail = rt_arena_printf(course->arena, "it waits already: %.*s",
                                            RT_STR_ARG(before.why));
        return;
    }
    int64_t element = firing->rule == playbook->pattern.late && firing->rule != NULL
                          ? LATE
                          : firing->rule->element;
    msg_waiting waiting = {
        .event_seq = firing->event_seq,
        .event_at_ms = firing->event_at_ms,
        .payload = firing->payload,
        .subject = course->subject,
        .element = element,
        .captured = firing->captured,
        .since_ms = firing->since_ms != 0 ? firing->since_ms : course->now_ms,
        .until_ms = asks ? course->now_ms + playbook->approve.ttl_ms : firing->until_ms,
        .why = firing->why};
    if (asks) {
        waiting.actions = asked_by(course, playbook);
        waiting.digest = digest_of(course, playbook, waiting.actions.items,
                                   waiting.actions.count);
    }
    if (!br__course_write(course, what, playbook->info.id, key, &msg_waiting_def, &waiting)) {
        consulted->detail = RT_STR("too large to wait");
        return;
    }
    br__course_timer(course, playbook, asks ? APPROVAL : HELD, key, waiting.until_ms);
    consulted->detail = rt_arena_printf(course->arena, "%s %.*s: %.*s",
                                        asks ? "asks as" : "waits as", RT_STR_ARG(key),
                                        RT_STR_ARG(firing->why));
    if (asks) {
        emit_request(course, playbook, key, &waiting);
    }
}

// --- taking up again ---

typedef struct resuming {
    br_course *course;
    const br_playbook *playbook;
    const msg_waiting *waiting;
    msg_consulted *consulted;
    const br_rule *rule;
    br_expr_load load;
    const void *user;
} resuming;

static void
say(resuming *r, const char *verdict, rt_str detail)
{
    r->consulted->verdict = rt_str_of(verdict);
    r->consulted->detail = detail;
}

// The event again, with what is known now.
static bool
situate(resuming *r)
{
    br_course *course = r->course;
    const msg_waiting *waiting = r->waiting;
    rt_event *event = br__course_decode(course, waiting->event_seq, waiting->event_at_ms,
                                        waiting->payload);
    br_situation *situation = rt_arena_new_of(course->arena, br_situation);
    if (event == NULL || situation == NULL) {
        return false;
    }
    r->rule = waiting->element == LATE
                  ? r->playbook->pattern.late
                  : br__rule_for(course, r->playbook, event->type, waiting->element);
    if (r->rule == NULL) {
        return false; // the playbook was changed and has no place for it
    }
    course->situate(course->user, event, course->now_ms, situation);
    r->load = br_situation_load;
    r->user = situation;
    if (r->playbook->pattern.kind != BR_PATTERN_NONE) {
        br_captured_view *view = rt_arena_new_of(course->arena, br_captured_view);
        if (view == NULL) {
            return false;
        }
        view->situation = situation;
        br__captured_view_of(&r->playbook->pattern, &waiting->captured, view);
        r->load = br__captured_load;
        r->user = view;
    }
    return true;
}

static bool
still_holds(resuming *r)
{
    bool patterned = r->playbook->pattern.kind != BR_PATTERN_NONE;
    const br_expr *condition = patterned ? r->rule->where : r->rule->when;
    br_expr_result result;
    rt_text text;
    if (condition == NULL) {
        return true;
    }
    br_expr_eval(condition, r->load, r->user, r->course->arena, &result);
    if (br_expr_is_true(&result)) {
        return true;
    }
    rt_text_init(&text, DETAIL_MAX);
    rt_text_cstr(&text, "no longer so: ");
    br_expr_explain_failure(condition, &result, r->load, r->user, &text);
    say(r, result.fault != BR_FAULT_NONE ? "error" : "false",
        rt_arena_str(r->course->arena, rt_utf8_whole(rt_text_view(&text))));
    rt_text_fini(&text);
    return false;
}

static bool
throttle_key(resuming *r)
{
    br_expr_result result;
    if (r->rule->throttle_key == NULL) {
        return true;
    }
    br_expr_eval(r->rule->throttle_key, r->load, r->user, r->course->arena, &result);
    if (result.fault != BR_FAULT_NONE || result.value.kind != RT_KIND_STR) {
        say(r, "error", RT_STR("throttle key: it cannot be told any more"));
        return false;
    }
    r->consulted->throttle_key = result.value.s;
    return true;
}

// Asks the playbook again; with `granted` for what was agreed to.
static void
resume(br_course *course, const br_playbook *playbook, const msg_waiting *waiting, bool granted,
       rt_str how)
{
    resuming r = {.course = course, .playbook = playbook, .waiting = waiting};
    rt_str why = RT_STR("");
    r.consulted = br__course_consulted(course, playbook);
    if (r.consulted == NULL) {
        return;
    }
    if (!situate(&r)) {
        say(&r, "error", RT_STR("what waited does not fit the playbook any more"));
        return;
    }
    if (!still_holds(&r) || !throttle_key(&r)) {
        return;
    }
    uint32_t before = course->said->proposals.count;
    br_chosen chosen;
    const char *verdict;
    if (!br__course_act(course, r.rule, r.load, r.user, &chosen, &verdict, &why)) {
        say(&r, verdict, why);
        r.consulted->throttle_key = RT_STR("");
        return;
    }
    if (granted) {
        const msg_proposal *asked = (const msg_proposal *)course->said->proposals.items + before;
        rt_str digest =
            digest_of(course, playbook, asked, course->said->proposals.count - before);
        granted = rt_str_equal(digest, waiting->digest);
        how = granted ? how : RT_STR("it is not what was agreed to any more");
    }
    say(&r, "fired", br__course_how(course, how, &chosen));
    br__course_fired(course, playbook);
    (void)br__firing_add(course, &(br_firing){.playbook = playbook,
                                              .rule = r.rule,
                                              .steps = chosen.steps,
                                              .load = chosen.load,
                                              .user = chosen.user,
                                              .event_seq = waiting->event_seq,
                                              .event_at_ms = waiting->event_at_ms,
                                              .payload = waiting->payload,
                                              .captured = waiting->captured,
                                              .since_ms = waiting->since_ms,
                                              .granted = granted});
}

void
br__waiting_timer(br_course *course, rt_str id, rt_str key)
{
    const br_playbook *playbook = br__playbook_find(course->set, id);
    msg_waiting waiting;
    char text[32];
    if (!br__course_read(course, RT_STR(HELD), id, key, &msg_waiting_def, &waiting) ||
        course->now_ms < waiting.until_ms) {
        return; // it waits anew since the timer came due: another comes
    }
    br__course_forget(course, RT_STR(HELD), id, key);
    if (playbook != NULL) {
        resume(course, playbook, &waiting, false,
               rt_arena_printf(course->arena, "after waiting for %s: %.*s",
                               rt_format_duration(course->now_ms - waiting.since_ms, text,
                                                  sizeof(text)),
                               RT_STR_ARG(waiting.why)));
    }
}

// --- approvals ---

static void
emit_expired(br_course *course, const br_playbook *playbook, rt_str key)
{
    rt_mpw data;
    rt_mpw_init(&data, EMIT_BYTES_MAX);
    rt_mpw_map(&data, 2);
    rt_mpw_cstr(&data, "playbook");
    rt_mpw_str(&data, playbook->info.id);
    rt_mpw_cstr(&data, "key");
    rt_mpw_str(&data, key);
    br__course_emit(course, playbook, "approval.expired",
                    rt_arena_copy(course->arena, rt_mpw_view(&data)));
    rt_mpw_fini(&data);
}

void
br__approval_timer(br_course *course, rt_str id, rt_str key)
{
    const br_playbook *playbook = br__playbook_find(course->set, id);
    msg_waiting waiting;
    if (!br__course_read(course, RT_STR(APPROVAL), id, key, &msg_waiting_def, &waiting) ||
        course->now_ms < waiting.until_ms) {
        return; // it was asked anew since the timer came due: another comes
    }
    br__course_forget(course, RT_STR(APPROVAL), id, key);
    msg_consulted *consulted = playbook != NULL ? br__course_consulted(course, playbook) : NULL;
    if (consulted == NULL) {
        return;
    }
    consulted->verdict = RT_STR("expired");
    consulted->detail = RT_STR("nobody answered in time");
    emit_expired(course, playbook, key);
    const br_situation *situation = br__course_situation(course);
    rt_str why = RT_STR("");
    br_chosen all = {.steps = &playbook->escalate,
                     .load = br_situation_load,
                     .user = situation};
    if (playbook->approve.escalate && situation != NULL &&
        !br__course_ask(course, playbook, &all, &why)) {
        consulted->detail = why;
    }
}

static bool
voted_before(const msg_waiting *waiting, rt_str by)
{
    const msg_vote *votes = waiting->votes.items;
    for (uint32_t i = 0; i < waiting->votes.count; i++) {
        if (rt_str_equal(votes[i].by, by)) {
            return true;
        }
    }
    return false;
}

static rt_str
text_field(const rt_event *event, const char *name)
{
    rt_value value = rt_event_field(event, name);
    return value.kind == RT_KIND_STR ? value.s : RT_STR("");
}

static void
grant(br_course *course, const br_playbook *playbook, rt_str key, msg_waiting *waiting,
      const rt_event *event)
{
    rt_str by = text_field(event, "by");
    if (!voted_before(waiting, by)) {
        msg_vote *vote = br__course_append(course, &waiting->votes, sizeof(msg_vote));
        if (vote == NULL) {
            return;
        }
        *vote = (msg_vote){by, text_field(event, "role"), course->at_ms};
    }
    if (waiting->votes.count >= playbook->approve.quorum) {
        br__course_forget(course, RT_STR(APPROVAL), playbook->info.id, key);
        br__course_timer(course, playbook, APPROVAL, key, 0);
        resume(course, playbook, waiting, true,
               rt_arena_printf(course->arena, "approved by %.*s", RT_STR_ARG(by)));
        return;
    }
    msg_consulted *consulted = br__course_consulted(course, playbook);
    if (consulted != NULL && br__course_write(course, RT_STR(APPROVAL), playbook->info.id, key,
                                              &msg_waiting_def, waiting)) {
        consulted->verdict = RT_STR("matched");
        consulted->detail = rt_arena_printf(course->arena, "%u of %u agreed",
                                            waiting->votes.count, playbook->approve.quorum);
    }
}

void
br__approval_decided(br_course *course, const rt_event *event)
{
    rt_str id = text_field(event, "playbook");
    rt_str key = text_field(event, "key");
    const br_playbook *playbook = br__playbook_find(course->set, id);
    msg_waiting waiting;
    // an agent can raise any event, but only operators agree to anything
    bool by_operator = event->internal && rt_str_is(event->source, BR_OPERATORS);
    if (!by_operator || playbook == NULL ||
        !br__course_read(course, RT_STR(APPROVAL), id, key, &msg_waiting_def, &waiting)) {
        return; // answered, expired or gone: an answer is only ever too late
    }
    if (rt_str_is(text_field(event, "verdict"), "granted")) {
        grant(course, playbook, key, &waiting, event);
        return;
    }
    msg_consulted *consulted = br__course_consulted(course, playbook);
    br__course_forget(course, RT_STR(APPROVAL), id, key);
    br__course_timer(course, playbook, APPROVAL, key, 0);
    if (consulted != NULL) {
        rt_str reason = text_field(event, "reason");
        consulted->verdict = RT_STR("denied");
        consulted->detail = rt_arena_printf(course->arena, "by %.*s%s%.*s",
                                            RT_STR_ARG(text_field(event, "by")),
                                            reason.len > 0 ? ": " : "", RT_STR_ARG(reason));
    }
}
