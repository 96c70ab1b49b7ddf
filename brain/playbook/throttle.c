// Design notes.
// A throttle that collects is a pattern of one part: a window for each key, whose captured values
// are made here instead of being read from the event. The last event's record stays in the window,
// because when its time is over the actions are built for that event, with what is known then.
// A throttle's period ends early by a row that says when what it waits for has come. The row is
// written where something is suppressed only, and goes when the playbook fires again or at the end
// of the period, so there are never more of them than there are periods running.
#include "brain/playbook/course_internal.h"

#define RESOLVED RT_STR("resolved")
#define SUBJECTS_MAX 16         // told by name
#define SUBJECTS_BYTES_MAX 1024 // in all
#define VALUES_BYTES_MAX 2048

// --- collect ---

static rt_value
collected_value(const msg_window *window, const char *name)
{
    const msg_captured *captured = window->captured.items;
    rt_value value = RT_NONE;
    rt_mp at;
    if (window->captured.count == 0 || !rt_mp_find(captured->values, rt_str_of(name), &at) ||
        rt_value_read(&at, &value) != RT_OK) {
        return RT_NONE;
    }
    return value;
}

// The different subjects, as "order/1, order/2"; those beyond the bounds are left out.
static rt_str
add_subject(br_course *course, rt_str before, rt_str subject)
{
    uint32_t count = before.len > 0 ? 1 : 0;
    size_t from = 0;
    for (size_t i = 0; i < before.len; i++) {
        bool is_end = before.ptr[i] == ',';
        if (is_end) {
            if (rt_str_equal((rt_str){before.ptr + from, i - from}, subject)) {
                return before;
            }
            count++;
            from = i + 2; // behind ", "
        }
    }
    if (before.len > 0 &&
        rt_str_equal((rt_str){before.ptr + from, before.len - from}, subject)) {
        return before;
    }
    if (count == SUBJECTS_MAX || before.len + subject.len + 2 > SUBJECTS_BYTES_MAX ||
        subject.len == 0) {
        return before;
    }
    return rt_arena_printf(course->arena, "%.*s%s%.*s", RT_STR_ARG(before),
                           before.len > 0 ? ", " : "", RT_STR_ARG(subject));
}

static bool
note_collected(br_advancing *a)
{
    br_course *course = a->course;
    msg_captured *kept = rt_arena_new_of(course->arena, msg_captured);
    rt_value subjects = collected_value(&a->window, "subjects");
    rt_str all = add_subject(course, subjects.kind == RT_KIND_STR ? subjects.s : RT_STR(""),
                             course->subject);
    rt_mpw w;
    rt_mpw_init(&w, VALUES_BYTES_MAX);
    rt_mpw_map(&w, 4);
    rt_mpw_cstr(&w, "count");
    rt_mpw_i64(&w, (int64_t)a->window.seen);
    rt_mpw_cstr(&w, "first_at");
    rt_mpw_i64(&w, a->window.since_ms);
    rt_mpw_cstr(&w, "last_at");
    rt_mpw_i64(&w, course->at_ms);
    rt_mpw_cstr(&w, "subjects");
    rt_mpw_str(&w, all);
    rt_bytes values = w.failed ? (rt_bytes){NULL, 0}
                               : rt_arena_copy(course->arena, rt_mpw_view(&w));
    rt_mpw_fini(&w);
    if (kept == NULL || values.ptr == NULL) {
        course->failed = true;
        return false;
    }
    *kept = (msg_captured){0, course->seq, values};
    a->window.captured = (rt_msg_list){kept, 1};
    return true;
}

static rt_str
collected_text(const br_advancing *a, int64_t until_ms)
{
    char text[32];
    return rt_arena_printf(a->course->arena, "%llu collected within %s",
                           (unsigned long long)a->window.seen,
                           rt_format_duration(until_ms - a->window.since_ms, text, sizeof(text)));
}

void
br__collect(br_advancing *a, const br_rule *rule)
{
    br_course *course = a->course;
    const br_pattern *pattern = a->pattern;
    if (course->payload.len > BR_HELD_PAYLOAD_MAX) {
        br__pattern_say(a, "error", RT_STR("the event is too large to be collected"));
        return;
    }
    a->window.seen++;
    a->window.last_seq = course->seq;
    a->window.at_ms = course->at_ms;
    a->window.payload = course->payload;
    if (!note_collected(a)) {
        return;
    }
    bool is_full = pattern->up_to > 0 && a->window.seen >= pattern->up_to;
    bool is_over = course->at_ms >= a->window.since_ms + pattern->within_ms;
    if ((is_full || is_over) && a->window.seen >= pattern->at_least) {
        br__pattern_complete(a, rule, collected_text(a, course->at_ms),
                             br__course_situation(course));
    } else if (br__pattern_keep(a)) {
        br__pattern_say(a, "matched",
                        rt_arena_printf(course->arena, "%llu collected",
                                        (unsigned long long)a->window.seen));
    }
}

void
br__collect_timer(br_advancing *a)
{
    br_course *course = a->course;
    const msg_window *window = &a->window;
    if (window->seen < a->pattern->at_least) {
        br__pattern_say(a, "expired",
                        rt_arena_printf(course->arena, "%llu collected, %u are wanted",
                                        (unsigned long long)window->seen, a->pattern->at_least));
        br__pattern_close(a);
        return;
    }
    rt_event *event =
        br__course_decode(course, window->last_seq, window->at_ms, window->payload);
    br_situation *situation = rt_arena_new_of(course->arena, br_situation);
    const br_rule *rule =
        event != NULL ? br__rule_for(course, a->playbook, event->type, 0) : NULL;
    if (situation == NULL || rule == NULL) {
        br__pattern_say(a, "error",
                        RT_STR("what was collected does not fit the playbook any more"));
        br__pattern_close(a);
        return;
    }
    course->situate(course->user, event, course->now_ms, situation);
    br__pattern_complete(a, rule, collected_text(a, course->now_ms), situation);
}

// --- until ---

bool
br_throttle_ended(const br_playbooks *set, const br_progress *progress, rt_tenant tenant, rt_str id,
                  rt_str key, int64_t fired_ms)
{
    const br_playbook *playbook = br__playbook_find(set, id);
    char buf[BR_PROGRESS_KEY_MAX + 1];
    rt_bytes value;
    if (playbook == NULL || !playbook->has_until ||
        !br_progress_get(progress, tenant, RESOLVED, id, br__row_key(key, buf), &value)) {
        return false;
    }
    // a message of numbers is read without an arena: its version, then its fields
    rt_mp mp = rt_mp_init(value);
    uint32_t count;
    uint64_t version;
    int64_t at_ms;
    return rt_mp_array(&mp, &count) == RT_OK && count > 1 && rt_mp_u64(&mp, &version) == RT_OK &&
           rt_mp_i64(&mp, &at_ms) == RT_OK && at_ms >= fired_ms;
}

void
br__until_match(br_course *course, const msg_match *match)
{
    const br_playbook *playbook = br__playbook_find(course->set, match->playbook);
    int64_t until_ms = course->now_ms + (playbook != NULL ? playbook->info.throttle_ms : 0);
    int64_t ago_ms;
    if (playbook == NULL || !playbook->has_until ||
        !course->silent(course->user, course->tenant, match->playbook, match->key,
                        course->now_ms, &ago_ms)) {
        return;
    }
    rt_str key = br__course_key(course, match->key);
    msg_consulted *consulted = br__course_consulted(course, playbook);
    msg_resolved resolved = {.at_ms = course->now_ms, .until_ms = until_ms};
    if (key.ptr == NULL || consulted == NULL ||
        !br__course_write(course, RESOLVED, playbook->info.id, key, &msg_resolved_def, &resolved)) {
        return;
    }
    br__course_timer(course, playbook, "resolved", key, until_ms);
    if (consulted->verdict.len == 0) {
        consulted->verdict = RT_STR("matched");
        consulted->detail = rt_arena_printf(course->arena, "its throttle ends for %.*s",
                                            RT_STR_ARG(key));
    }
}

void
br__until_timer(br_course *course, rt_str id, rt_str key)
{
    msg_resolved resolved;
    if (br__course_read(course, RESOLVED, id, key, &msg_resolved_def, &resolved) &&
        course->now_ms >= resolved.until_ms) {
        br__course_forget(course, RESOLVED, id, key);
    }
}

void
br_course_took(br_course *course, rt_str id, rt_str throttle_key)
{
    const br_playbook *playbook = br__playbook_find(course->set, id);
    msg_resolved resolved;
    if (playbook == NULL || !playbook->has_until) {
        return;
    }
    rt_str key = br__course_key(course, throttle_key);
    if (br__course_read(course, RESOLVED, id, key, &msg_resolved_def, &resolved)) {
        br__course_forget(course, RESOLVED, id, key);
        br__course_timer(course, playbook, "resolved", key, 0);
    }
}
