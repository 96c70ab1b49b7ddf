// Design notes.
// A window is a row for each playbook and key. It opens with the first part that comes, and its
// time ends with a timer, so a row never outlives its window. One event is one part of a window,
// also where it would do for two. Times are the events' own (the brain's clock when they were
// recorded), because a decision may come later.
#include "brain/playbook/course_internal.h"

#define WHAT RT_STR("window")
#define TALLY RT_STR("windows")
#define DETAIL_MAX 200

static void
count_windows(br_course *course, rt_str playbook, int change)
{
    msg_tally tally = {0};
    if (!br__course_read(course, TALLY, playbook, RT_STR(""), &msg_tally_def, &tally)) {
        tally.count = 0;
    }
    tally.count = change < 0 && tally.count == 0 ? 0 : tally.count + (uint64_t)(int64_t)change;
    if (tally.count == 0) {
        br__course_forget(course, TALLY, playbook, RT_STR(""));
    } else {
        (void)br__course_write(course, TALLY, playbook, RT_STR(""), &msg_tally_def, &tally);
    }
}

// When the window's time is over.
static int64_t
end_ms(const br_pattern *pattern, const msg_window *window)
{
    const int64_t *times = window->times.items;
    int64_t from = pattern->kind == BR_PATTERN_COUNT && window->times.count > 0
                       ? times[window->times.count - 1]
                       : window->since_ms;
    return from + pattern->within_ms;
}

static void
look_up(br_advancing *a)
{
    a->has_row = br__course_read(a->course, WHAT, a->playbook->info.id, a->key, &msg_window_def,
                                 &a->window);
    a->is_open = a->has_row && a->window.shape == a->pattern->shape;
    if (!a->is_open) {
        memset(&a->window, 0, sizeof(a->window));
    }
}

void
br__pattern_say(br_advancing *a, const char *verdict, rt_str detail)
{
    a->consulted->verdict = rt_str_of(verdict);
    a->consulted->detail = detail;
}

void
br__pattern_close(br_advancing *a)
{
    if (a->has_row) {
        br__course_forget(a->course, WHAT, a->playbook->info.id, a->key);
        br__course_timer(a->course, a->playbook, "window", a->key, 0);
        count_windows(a->course, a->playbook->info.id, -1);
    }
}

// Keeps the window as it is now; one too many is not opened.
bool
br__pattern_keep(br_advancing *a)
{
    br_course *course = a->course;
    rt_str id = a->playbook->info.id;
    if (!a->has_row) {
        msg_tally tally = {0};
        bool some = br__course_read(course, TALLY, id, RT_STR(""), &msg_tally_def, &tally);
        if (some && tally.count >= a->pattern->max_keys) {
            br__pattern_say(a, "error",
                            rt_arena_printf(course->arena, "%u windows are open: max_keys",
                                            a->pattern->max_keys));
            return false;
        }
    }
    if (!br__course_write(course, WHAT, id, a->key, &msg_window_def, &a->window)) {
        br__pattern_say(a, "error", RT_STR("what is captured is too large"));
        return false;
    }
    if (!a->has_row) {
        count_windows(course, id, 1);
    }
    br__course_timer(course, a->playbook, "window", a->key, end_ms(a->pattern, &a->window));
    return true;
}

static void
capture(br_advancing *a, const msg_match *match)
{
    if (a->pattern->elements[match->element].capture_count == 0) {
        return;
    }
    msg_captured *kept =
        br__course_append(a->course, &a->window.captured, sizeof(msg_captured));
    if (kept != NULL) {
        *kept = (msg_captured){match->element, a->course->seq, match->captures};
    }
}

void
br__captured_view_of(const br_pattern *pattern, const rt_msg_list *list, br_captured_view *view)
{
    const msg_captured *captured = list->items;
    for (uint32_t i = 0; i < list->count; i++) {
        if (captured[i].element >= pattern->element_count) {
            continue;
        }
        const br_element *element = &pattern->elements[captured[i].element];
        for (uint32_t c = 0; c < element->capture_count; c++) {
            rt_mp at;
            rt_value value;
            if (rt_mp_find(captured[i].values, element->captures[c].name, &at) &&
                rt_value_read(&at, &value) == RT_OK) {
                rt_kind kind = element->captures[c].kind;
                bool time = kind == RT_KIND_TIME || kind == RT_KIND_DURATION;
                value.kind = value.kind == RT_KIND_I64 && time ? kind : value.kind;
                view->values[captured[i].element][c] = value;
            }
        }
    }
}

static bool
throttle_key(br_advancing *a, const br_rule *rule, const br_captured_view *view)
{
    br_expr_result result;
    if (rule->throttle_key == NULL) {
        return true;
    }
    br_expr_eval(rule->throttle_key, br__captured_load, view, a->course->arena, &result);
    if (result.fault != BR_FAULT_NONE || result.value.kind != RT_KIND_STR) {
        br__pattern_say(a, "error", rt_arena_printf(a->course->arena, "throttle key: %s",
                                        br_expr_fault_text(result.fault)));
        return false;
    }
    a->consulted->throttle_key = result.value.s;
    return true;
}

// Everything that was waited for has come (or, for `late`, has not).
void
br__pattern_complete(br_advancing *a, const br_rule *rule, rt_str how,
                     const br_situation *situation)
{
    br_course *course = a->course;
    br_captured_view *view = rt_arena_new_of(course->arena, br_captured_view);
    bool is_before = a->pattern->kind == BR_PATTERN_COLLECT && a->window.last_seq != course->seq;
    rt_str why = RT_STR("");
    br__pattern_close(a);
    if (view == NULL || situation == NULL) {
        br__pattern_say(a, "error", RT_STR("the event cannot be read again"));
        return;
    }
    view->situation = situation;
    br__captured_view_of(a->pattern, &a->window.captured, view);
    if (rule->where != NULL) {
        br_expr_result result;
        br_expr_eval(rule->where, br__captured_load, view, course->arena, &result);
        if (!br_expr_is_true(&result)) {
            rt_text text;
            rt_text_init(&text, DETAIL_MAX);
            rt_text_cstr(&text, a->pattern->kind == BR_PATTERN_SCHEDULE ? "" : "where: ");
            br_expr_explain_failure(rule->where, &result, br__captured_load, view, &text);
            br__pattern_say(a, result.fault != BR_FAULT_NONE ? "error" : "false",
                rt_arena_str(course->arena, rt_utf8_whole(rt_text_view(&text))));
            rt_text_fini(&text);
            return;
        }
    }
    if (!throttle_key(a, rule, view)) {
        return;
    }
    br_chosen chosen;
    const char *verdict;
    if (!br__course_act(course, rule, br__captured_load, view, &chosen, &verdict, &why)) {
        br__pattern_say(a, verdict, why);
        a->consulted->throttle_key = RT_STR("");
        return;
    }
    br__pattern_say(a, "fired", br__course_how(course, how, &chosen));
    br__course_fired(course, a->playbook);
    if (a->playbook->is_bounded) {
        (void)br__firing_add(course, &(br_firing){.playbook = a->playbook,
                                                  .rule = rule,
                                                  .steps = chosen.steps,
                                                  .load = chosen.load,
                                                  .user = chosen.user,
                                                  .event_seq = is_before ? a->window.last_seq
                                                                         : course->seq,
                                                  .event_at_ms = is_before ? a->window.at_ms
                                                                           : course->at_ms,
                                                  .payload = is_before ? a->window.payload
                                                                       : course->payload,
                                                  .captured = a->window.captured});
    }
}

static void
complete(br_advancing *a, const br_rule *rule, rt_str how)
{
    br__pattern_complete(a, rule, how, br__course_situation(a->course));
}

static rt_str
window_text(const br_advancing *a, const char *format_of)
{
    char text[32];
    return rt_arena_printf(a->course->arena, "%s within %s", format_of,
                           rt_format_duration(a->course->at_ms - a->window.since_ms, text,
                                              sizeof(text)));
}

static void
advance_sequence(br_advancing *a, const msg_match *match, const br_rule *rule)
{
    const br_pattern *pattern = a->pattern;
    if (match->element != a->window.seen) {
        const br_element *next = &pattern->elements[a->window.seen];
        br__pattern_say(a, "matched", rt_arena_printf(a->course->arena, "waits for %.*s first",
                                          RT_STR_ARG(next->name)));
        return;
    }
    if (pattern->elements[match->element].absent) {
        br__pattern_say(a, "matched", rt_arena_printf(a->course->arena, "%.*s came in time",
                                          RT_STR_ARG(pattern->elements[match->element].name)));
        br__pattern_close(a);
        return;
    }
    capture(a, match);
    a->window.seen++;
    a->window.last_seq = a->course->seq;
    if (a->window.seen == pattern->element_count) {
        complete(a, rule, window_text(a, "the whole sequence"));
    } else if (br__pattern_keep(a)) {
        const br_element *next = &pattern->elements[a->window.seen];
        br__pattern_say(a, "matched", rt_arena_printf(a->course->arena, "%.*s came; %s %.*s",
                                          RT_STR_ARG(pattern->elements[match->element].name),
                                          next->absent ? "acts without" : "waits for",
                                          RT_STR_ARG(next->name)));
    }
}

static void
advance_all(br_advancing *a, const msg_match *match, const br_rule *rule)
{
    uint64_t every = (1ull << a->pattern->element_count) - 1;
    uint64_t bit = 1ull << match->element;
    if ((a->window.seen & bit) != 0) {
        br__pattern_say(a, "matched", RT_STR("this part came before"));
        return;
    }
    capture(a, match);
    a->window.seen |= bit;
    a->window.last_seq = a->course->seq;
    if (a->window.seen == every) {
        complete(a, rule, window_text(a, "all parts"));
    } else if (br__pattern_keep(a)) {
        br__pattern_say(a, "matched", rt_arena_printf(a->course->arena, "%d of %u parts came",
                                          __builtin_popcountll(a->window.seen),
                                          a->pattern->element_count));
    }
}

static void
advance_count(br_advancing *a, const msg_match *match, const br_rule *rule)
{
    int64_t *times = rt_arena_array(a->course->arena, int64_t, a->window.times.count + 1);
    const int64_t *before = a->window.times.items;
    uint32_t count = 0;
    (void)match;
    if (times == NULL) {
        a->course->failed = true;
        return;
    }
    for (uint32_t i = 0; i < a->window.times.count; i++) {
        if (before[i] > a->course->at_ms - a->pattern->within_ms) {
            times[count++] = before[i];
        }
    }
    times[count++] = a->course->at_ms;
    a->window.times = (rt_msg_list){times, count};
    a->window.since_ms = times[0];
    a->window.last_seq = a->course->seq;
    rt_str how = rt_arena_printf(a->course->arena, "%u of %u", count, a->pattern->at_least);
    if (count >= a->pattern->at_least) {
        complete(a, rule, window_text(a, how.ptr != NULL ? how.ptr : ""));
    } else if (br__pattern_keep(a)) {
        br__pattern_say(a, "matched", how);
    }
}

void
br__pattern_match(br_course *course, const msg_match *match)
{
    const br_playbook *playbook = br__playbook_find(course->set, match->playbook);
    if (playbook == NULL || playbook->pattern.kind == BR_PATTERN_NONE ||
        match->element >= playbook->pattern.element_count) {
        return;
    }
    br_advancing a = {.course = course, .playbook = playbook, .pattern = &playbook->pattern};
    const br_rule *rule =
        br__rule_for(course, playbook, course->type, (int64_t)match->element);
    a.key = br__course_key(course, match->key);
    a.consulted = br__course_consulted(course, playbook);
    if (rule == NULL || a.consulted == NULL || (a.key.ptr == NULL && match->key.len > 0)) {
        return;
    }
    look_up(&a);
    if (a.is_open && a.window.last_seq == course->seq) {
        return; // it was another part already
    }
    if (a.is_open && a.pattern->kind != BR_PATTERN_COLLECT &&
        course->at_ms >= end_ms(a.pattern, &a.window)) {
        memset(&a.window, 0, sizeof(a.window)); // its timer is about to come
        a.is_open = false;
    }
    if (!a.is_open) {
        a.window.shape = a.pattern->shape;
        a.window.since_ms = course->at_ms;
    }
    if (a.pattern->kind == BR_PATTERN_SEQUENCE) {
        advance_sequence(&a, match, rule);
    } else if (a.pattern->kind == BR_PATTERN_ALL) {
        advance_all(&a, match, rule);
    } else if (a.pattern->kind == BR_PATTERN_COLLECT) {
        br__collect(&a, rule);
    } else {
        advance_count(&a, match, rule);
    }
}

void
br__pattern_timer(br_course *course, rt_str id, rt_str key)
{
    const br_playbook *playbook = br__playbook_find(course->set, id);
    msg_window window;
    if (playbook == NULL || playbook->pattern.kind == BR_PATTERN_NONE) {
        if (br__course_read(course, WHAT, id, key, &msg_window_def, &window)) {
            br__course_forget(course, WHAT, id, key); // its playbook is gone
            count_windows(course, id, -1);
        }
        return;
    }
    br_advancing a = {
        .course = course, .playbook = playbook, .pattern = &playbook->pattern, .key = key};
    look_up(&a);
    a.consulted = a.has_row ? br__course_consulted(course, playbook) : NULL;
    if (a.consulted == NULL || (a.is_open && course->now_ms < end_ms(a.pattern, &a.window))) {
        return; // moved meanwhile: another timer comes
    }
    if (a.is_open && a.pattern->kind == BR_PATTERN_COLLECT) {
        br__collect_timer(&a);
        return;
    }
    const br_element *next = a.window.seen < a.pattern->element_count
                                 ? &a.pattern->elements[a.window.seen]
                                 : NULL;
    if (a.is_open && a.pattern->late != NULL && next != NULL && next->absent &&
        a.pattern->kind == BR_PATTERN_SEQUENCE) {
        complete(&a, a.pattern->late,
                 rt_arena_printf(course->arena, "%.*s did not come", RT_STR_ARG(next->name)));
        return;
    }
    br__pattern_say(&a, "expired", a.is_open ? RT_STR("the rest did not come in time")
                                 : RT_STR("the pattern was changed"));
    br__pattern_close(&a);
}
