// Design notes.
// Whatever lasts longer than one event is worked on when an event is decided, not when it is taken:
// events are taken in bulk and decided later, and a window that an undecided event has changed
// could be neither seen nor taken back. Decisions come one after another, in journal order.
#include <stdio.h>

#include "brain/playbook/course_internal.h"
#include "runtime/base/hash.h"

#define KEY_PLAIN_MAX 63 // bytes; a longer text is cut there and gets 16 digits of its hash

void *
br__course_append(br_course *course, rt_msg_list *list, size_t size)
{
    uint8_t *grown = rt_arena_alloc(course->arena, size * ((size_t)list->count + 1));
    if (grown == NULL) {
        course->failed = true;
        return NULL;
    }
    if (list->count > 0) {
        memcpy(grown, list->items, size * list->count);
    }
    list->items = grown;
    return grown + size * list->count++;
}

static const msg_write *
own_write(const br_course *course, rt_str what, rt_str playbook, rt_str key)
{
    const msg_write *writes = course->writes.items;
    for (uint32_t i = course->writes.count; i > 0; i--) {
        const msg_write *write = &writes[i - 1];
        if (rt_str_equal(write->what, what) && rt_str_equal(write->playbook, playbook) &&
            rt_str_equal(write->key, key)) {
            return write;
        }
    }
    return NULL;
}

bool
br__course_read(br_course *course, rt_str what, rt_str playbook, rt_str key,
                const rt_msg_def *def, void *ret_msg)
{
    const msg_write *own = own_write(course, what, playbook, key);
    rt_bytes value = {NULL, 0};
    if (own != NULL) {
        value = own->value;
    } else if (!br_progress_get(course->progress, course->tenant, what, playbook, key, &value)) {
        return false;
    }
    // the row may move before the record is written
    value = rt_arena_copy(course->arena, value);
    rt_mp mp = rt_mp_init(value);
    return value.len > 0 && rt_msg_decode(def, &mp, course->arena, ret_msg) == RT_OK;
}

static bool
add_write(br_course *course, const msg_write *write)
{
    if (course->writes.count >= BR_WRITES_MAX) {
        return false;
    }
    msg_write *kept = br__course_append(course, &course->writes, sizeof(msg_write));
    if (kept != NULL) {
        *kept = *write;
    }
    return kept != NULL;
}

bool
br__course_write(br_course *course, rt_str what, rt_str playbook, rt_str key,
                 const rt_msg_def *def, const void *msg)
{
    rt_mpw w;
    rt_mpw_init(&w, BR_PROGRESS_VALUE_MAX);
    rt_msg_encode(def, msg, &w);
    bool ok = !w.failed;
    rt_bytes value = {NULL, 0};
    if (ok) {
        value = rt_arena_copy(course->arena, rt_mpw_view(&w));
        course->failed = course->failed || value.ptr == NULL;
    }
    rt_mpw_fini(&w);
    return ok && value.ptr != NULL &&
           add_write(course, &(msg_write){what, playbook, key, value});
}

void
br__course_forget(br_course *course, rt_str what, rt_str playbook, rt_str key)
{
    // the bound of writes is above what can be forgotten in one decision
    (void)add_write(course, &(msg_write){what, playbook, key, {NULL, 0}});
}

void
br__course_timer(br_course *course, const br_playbook *playbook, const char *what, rt_str key,
                 int64_t due_ms)
{
    msg_timer *timer = br__course_append(course, &course->timers, sizeof(msg_timer));
    if (timer != NULL) {
        *timer = (msg_timer){.owner = playbook->agent,
                             .key = rt_arena_printf(course->arena, "%s:%.*s", what,
                                                    RT_STR_ARG(key)),
                             .due_ms = due_ms,
                             .subject = course->subject};
    }
}

rt_str
br__row_key(rt_str text, char buf[BR_PROGRESS_KEY_MAX + 1])
{
    if (text.len <= BR_PROGRESS_KEY_MAX - 1) {
        return text;
    }
    rt_str head = rt_utf8_whole((rt_str){text.ptr, KEY_PLAIN_MAX});
    uint64_t hash = rt_hash64(rt_bytes_of_str(text), 0);
    int len = snprintf(buf, BR_PROGRESS_KEY_MAX + 1, "%.*s~%016llx", RT_STR_ARG(head),
                       (unsigned long long)hash);
    return (rt_str){buf, (size_t)len};
}

rt_str
br__course_key(br_course *course, rt_str text)
{
    char buf[BR_PROGRESS_KEY_MAX + 1];
    rt_str key = br__row_key(text, buf);
    return key.ptr == buf ? rt_arena_str(course->arena, key) : key;
}

msg_consulted *
br__course_consulted(br_course *course, const br_playbook *playbook)
{
    msg_consulted *list = course->said->consulted.items;
    for (uint32_t i = 0; i < course->said->consulted.count; i++) {
        if (rt_str_equal(list[i].playbook, playbook->info.id)) {
            return &list[i];
        }
    }
    msg_consulted *consulted =
        br__course_append(course, &course->said->consulted, sizeof(msg_consulted));
    if (consulted != NULL) {
        consulted->playbook = playbook->info.id;
        consulted->version = br_playbooks_version(course->set);
        consulted->verdict = RT_STR("");
    }
    return consulted;
}

rt_event *
br__course_decode(br_course *course, uint64_t seq, int64_t at_ms, rt_bytes payload)
{
    rt_event *event = rt_arena_new_of(course->arena, rt_event);
    if (event == NULL) {
        course->failed = true;
        return NULL;
    }
    rt_err err = rt_event_decode_record(br_pack_catalog(course->set->pack), seq, at_ms, payload,
                                        event);
    return err == RT_OK ? event : NULL;
}

static const rt_event *
course_event(br_course *course)
{
    if (course->event == NULL && course->payload.len > 0) {
        course->event = br__course_decode(course, course->seq, course->at_ms, course->payload);
    }
    return course->event;
}

void
br__course_emit(br_course *course, const br_playbook *playbook, const char *type, rt_bytes data)
{
    msg_emission *emission =
        br__course_append(course, &course->said->emissions, sizeof(msg_emission));
    if (emission != NULL) {
        *emission = (msg_emission){.agent = playbook->agent,
                                   .event = rt_str_of(type),
                                   .subject = course->subject,
                                   .data = data};
    }
}

const br_situation *
br__course_situation(br_course *course)
{
    const rt_event *event = course_event(course);
    if (course->situation == NULL && event != NULL) {
        br_situation *situation = rt_arena_new_of(course->arena, br_situation);
        if (situation == NULL) {
            course->failed = true;
            return NULL;
        }
        situation->event = event;
        situation->plan = br_pack_plan_of(course->set->pack, event);
        situation->now_ms = course->at_ms;
        br_situation_decode(situation, event->context);
        course->situation = situation;
    }
    return course->situation;
}

bool
br__course_ask(br_course *course, const br_playbook *playbook, const br_chosen *chosen,
               rt_str *ret_why)
{
    const br_steps *steps = chosen->steps;
    msg_proposal *asked = rt_arena_array(course->arena, msg_proposal, BR_PLAYBOOK_STEPS_MAX);
    if (asked == NULL) {
        course->failed = true;
        return false;
    }
    if (!br__propose(playbook, steps, chosen->load, chosen->user, course->arena, asked, ret_why)) {
        return false;
    }
    br__choice_mark(chosen, asked, steps->count);
    for (uint32_t i = 0; i < steps->count; i++) {
        msg_proposal *place =
            br__course_append(course, &course->said->proposals, sizeof(msg_proposal));
        if (place == NULL) {
            return false;
        }
        *place = asked[i];
    }
    return true;
}

bool
br__course_act(br_course *course, const br_rule *rule, br_expr_load load, const void *user,
               br_chosen *ret, const char **ret_verdict, rt_str *ret_why)
{
    if (!br__choose(rule, load, user, course->arena, ret, ret_verdict)) {
        *ret_why = ret->how;
        return false;
    }
    *ret_verdict = "error";
    if (rule->playbook->policy != NULL && !br__policy_draw(course, rule, ret, ret_verdict)) {
        *ret_why = ret->how;
        return false;
    }
    return br__course_ask(course, rule->playbook, ret, ret_why);
}

rt_str
br__course_how(br_course *course, rt_str how, const br_chosen *chosen)
{
    if (chosen->how.len == 0) {
        return how;
    }
    return rt_arena_printf(course->arena, "%.*s; %.*s", RT_STR_ARG(how), RT_STR_ARG(chosen->how));
}

void
br__course_fired(br_course *course, const br_playbook *playbook)
{
    if (playbook->verify_ms > 0) {
        msg_timer *timer = br__course_append(course, &course->said->timers, sizeof(msg_timer));
        if (timer != NULL) {
            *timer = br__verification(playbook, course->seq, course->subject, course->now_ms,
                                      course->arena);
        }
    }
}

// The part of a timer's key behind "<what>:", when it is a timer of that kind.
static bool
timer_of(rt_str key, const char *what, rt_str *ret_rest)
{
    rt_str head = rt_str_of(what);
    if (!rt_str_starts(key, head) || key.len <= head.len || key.ptr[head.len] != ':') {
        return false;
    }
    *ret_rest = (rt_str){key.ptr + head.len + 1, key.len - head.len - 1};
    return true;
}

static bool
owned_by_playbook(const rt_event *event, rt_str *ret_id, rt_str *ret_key)
{
    const rt_str prefix = RT_STR("playbook:");
    rt_value owner = rt_event_field(event, "owner");
    rt_value key = rt_event_field(event, "key");
    if (owner.kind != RT_KIND_STR || key.kind != RT_KIND_STR || !rt_str_starts(owner.s, prefix)) {
        return false;
    }
    *ret_id = (rt_str){owner.s.ptr + prefix.len, owner.s.len - prefix.len};
    *ret_key = key.s;
    return true;
}

static void
follow_timer(br_course *course)
{
    const rt_event *event = course_event(course);
    rt_str id;
    rt_str key;
    rt_str rest;
    if (event == NULL || !owned_by_playbook(event, &id, &key)) {
        return;
    }
    if (timer_of(key, "window", &rest)) {
        br__pattern_timer(course, id, rest);
    } else if (timer_of(key, "held", &rest)) {
        br__waiting_timer(course, id, rest);
    } else if (timer_of(key, "approval", &rest)) {
        br__approval_timer(course, id, rest);
    } else if (timer_of(key, "run", &rest)) {
        br__run_timer(course, id, rest);
    } else if (timer_of(key, "budget", &rest)) {
        br__budget_timer(course, id, rest);
    } else if (timer_of(key, "schedule", &rest)) {
        br__schedule_timer(course, id);
    } else if (timer_of(key, "resolved", &rest)) {
        br__until_timer(course, id, rest);
    } else if (timer_of(key, "reward", &rest)) {
        br__reward_timer(course, id, rest);
    }
}

bool
br_playbooks_follow(const br_playbooks *set, const rt_event *event, const msg_consultation *said)
{
    rt_str id;
    rt_str key;
    if (said->matches.count > 0 || rt_str_is(event->type->name, "approval.decided") ||
        rt_str_is(event->type->name, "playbook.acknowledged") ||
        rt_str_is(event->type->name, BR_SCHEDULES_LIVE)) {
        return true;
    }
    const msg_consulted *consulted = said->consulted.items;
    for (uint32_t i = 0; (set->is_bounded || set->learns) && i < said->consulted.count; i++) {
        const br_playbook *playbook = rt_str_is(consulted[i].verdict, "fired")
                                          ? br__playbook_find(set, consulted[i].playbook)
                                          : NULL;
        if (playbook != NULL && (playbook->is_bounded || playbook->policy != NULL)) {
            return true;
        }
    }
    if (!rt_str_is(event->type->name, "timer.fired") || !owned_by_playbook(event, &id, &key)) {
        return false;
    }
    const br_playbook *owner = set->is_guarded ? br__playbook_find(set, id) : NULL;
    return memchr(key.ptr, ':', key.len) != NULL || (owner != NULL && owner->guardrails.on);
}

bool
br_course_awaits(const br_progress *progress, const rt_event *event)
{
    rt_bytes value;
    if (!event->internal || !rt_str_is(event->type->name, "action.executed")) {
        return false;
    }
    rt_value id = rt_event_field(event, "action_id");
    return id.kind == RT_KIND_STR &&
           (br_progress_get(progress, event->tenant, RT_STR("running"), RT_STR(""), id.s,
                            &value) ||
            br__guard_waits(progress, event->tenant, id.s));
}

rt_err
br_course_follow(br_course *course)
{
    const msg_match *matches = course->said->matches.items;
    for (uint32_t i = 0; i < course->said->matches.count; i++) {
        if (matches[i].element == BR_ELEMENT_UNTIL) {
            br__until_match(course, &matches[i]);
        } else if (matches[i].element == BR_MATCH_REWARD) {
            br__reward_match(course, &matches[i]);
        } else {
            br__pattern_match(course, &matches[i]);
        }
    }
    if (rt_str_is(course->type->name, "timer.fired")) {
        follow_timer(course);
    }
    if (rt_str_is(course->type->name, BR_SCHEDULES_LIVE)) {
        br__schedules_begin(course);
    }
    if (rt_str_is(course->type->name, "approval.decided") && course_event(course) != NULL) {
        br__approval_decided(course, course->event);
    }
    if (rt_str_is(course->type->name, "action.executed") && course_event(course) != NULL) {
        br__guard_outcome(course, course->event);
        br__run_outcome(course, course->event);
    }
    if (rt_str_is(course->type->name, "playbook.acknowledged") && course_event(course) != NULL) {
        br__run_acknowledged(course, course->event);
    }
    return course->failed ? RT_ENOMEM : RT_OK;
}
