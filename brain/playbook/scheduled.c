// Design notes.
// A schedule is a row with the time at which its playbook fires next, and a timer. Both are set by
// a decision: the first time on the event that says that a set with schedules is live (the brain
// raises it when one goes live, and at every start, so that a crash between does no harm), from
// then on each time the timer fires. A row of the same schedule is left alone, so that restarts and
// other changes of the set neither skip nor repeat a time.
#include "brain/playbook/course_internal.h"

#define SCHEDULE RT_STR("schedule")
#define KEY RT_STR("next")
#define VALUES_BYTES_MAX 64

static bool
is_scheduled(const br_playbook *playbook)
{
    return playbook != NULL && playbook->schedule != NULL && playbook->info.mode != BR_MODE_OFF;
}

// Writes down when it fires next; what never comes again is forgotten.
static void
plan_next(br_course *course, const br_playbook *playbook, int64_t due_ms)
{
    msg_schedule row = {.shape = playbook->schedule->shape, .due_ms = due_ms};
    if (due_ms == INT64_MAX) {
        br__course_forget(course, SCHEDULE, playbook->info.id, KEY);
        return;
    }
    msg_timer *timer = br__course_append(course, &course->timers, sizeof(msg_timer));
    if (timer != NULL &&
        br__course_write(course, SCHEDULE, playbook->info.id, KEY, &msg_schedule_def, &row)) {
        *timer = (msg_timer){.owner = playbook->agent,
                             .key = RT_STR("schedule:next"),
                             .due_ms = due_ms,
                             .subject = playbook->schedule->subject};
    }
}

void
br__schedules_begin(br_course *course)
{
    for (size_t i = 0; i < course->set->count; i++) {
        const br_playbook *playbook = &course->set->playbooks[i];
        msg_schedule row;
        if (!is_scheduled(playbook) ||
            (br__course_read(course, SCHEDULE, playbook->info.id, KEY, &msg_schedule_def, &row) &&
             row.shape == playbook->schedule->shape)) {
            continue;
        }
        int64_t due_ms = br_schedule_next(playbook->schedule, course->now_ms);
        if (due_ms != INT64_MAX) {
            plan_next(course, playbook, due_ms);
        }
    }
}

// How many times have passed after `due_ms`; *ret_from is where the last BR_CATCH_UP_MAX begin.
static uint32_t
count_missed(const br_schedule *schedule, int64_t due_ms, int64_t now_ms, int64_t *ret_from)
{
    int64_t recent[BR_CATCH_UP_MAX];
    uint32_t count = 0;
    int64_t at_ms = br_schedule_next(schedule, due_ms);
    if (schedule->kind == BR_SCHEDULE_EVERY && at_ms <= now_ms) {
        // of years without a brain not every minute is looked at
        int64_t skip = (now_ms - due_ms) / schedule->every_ms - BR_CATCH_UP_MAX;
        at_ms = skip > 0 ? br_schedule_next(schedule, due_ms + skip * schedule->every_ms - 1)
                         : at_ms;
        count = skip > 0 ? (uint32_t)RT_MIN(skip, INT32_MAX) : 0;
    }
    for (size_t i = 0; i < RT_COUNT(recent); i++) {
        recent[i] = at_ms;
    }
    for (int64_t looked_at = 0; at_ms <= now_ms && looked_at < BR_SCHEDULE_LOOK_MAX; looked_at++) {
        recent[count++ % BR_CATCH_UP_MAX] = at_ms;
        at_ms = br_schedule_next(schedule, at_ms);
    }
    *ret_from = count >= BR_CATCH_UP_MAX ? recent[count % BR_CATCH_UP_MAX] : due_ms;
    return count;
}

static rt_bytes
values_of(br_course *course, int64_t due_ms, uint32_t missed)
{
    rt_mpw w;
    rt_mpw_init(&w, VALUES_BYTES_MAX);
    rt_mpw_map(&w, 2);
    rt_mpw_cstr(&w, "at");
    rt_mpw_i64(&w, due_ms);
    rt_mpw_cstr(&w, "missed");
    rt_mpw_i64(&w, missed);
    rt_bytes values = rt_arena_copy(course->arena, rt_mpw_view(&w));
    rt_mpw_fini(&w);
    return values;
}

static void
act(br_course *course, const br_playbook *playbook, int64_t due_ms, uint32_t missed)
{
    br_advancing a = {.course = course,
                      .playbook = playbook,
                      .pattern = &playbook->pattern,
                      .consulted = br__course_consulted(course, playbook)};
    msg_captured *captured = rt_arena_new_of(course->arena, msg_captured);
    char late[32];
    if (a.consulted == NULL || captured == NULL) {
        course->failed = true;
        return;
    }
    *captured = (msg_captured){0, course->seq, values_of(course, due_ms, missed)};
    a.window.captured = (rt_msg_list){captured, 1};
    a.window.last_seq = course->seq;
    rt_str how = course->now_ms - due_ms < BR_SCHEDULE_GRACE_MS
                     ? RT_STR("by its schedule")
                     : rt_arena_printf(course->arena, "by its schedule, %s late, %u missed",
                                       rt_format_duration(course->now_ms - due_ms, late,
                                                          sizeof(late)),
                                       missed);
    br__pattern_complete(&a, playbook->pattern.late, how, br__course_situation(course));
}

void
br__schedule_timer(br_course *course, rt_str id)
{
    const br_playbook *playbook = br__playbook_find(course->set, id);
    msg_schedule row;
    if (!br__course_read(course, SCHEDULE, id, KEY, &msg_schedule_def, &row)) {
        return;
    }
    if (!is_scheduled(playbook)) {
        br__course_forget(course, SCHEDULE, id, KEY);
        return;
    }
    const br_schedule *schedule = playbook->schedule;
    int64_t from_ms;
    if (row.shape != schedule->shape || course->now_ms < row.due_ms) {
        return; // another timer was set since
    }
    uint32_t missed = count_missed(schedule, row.due_ms, course->now_ms, &from_ms);
    bool is_late = missed > 0 || course->now_ms - row.due_ms > BR_SCHEDULE_GRACE_MS;
    int64_t next_ms = br_schedule_next(schedule, course->now_ms);
    if (schedule->catch_up == BR_CATCH_UP_SKIP && is_late) {
        msg_consulted *consulted = br__course_consulted(course, playbook);
        if (consulted != NULL) {
            consulted->verdict = RT_STR("expired");
            consulted->detail = rt_arena_printf(course->arena, "%u times have passed", missed + 1);
        }
    } else if (schedule->catch_up == BR_CATCH_UP_ALL) {
        int64_t due_ms = missed >= BR_CATCH_UP_MAX ? from_ms : row.due_ms;
        next_ms = br_schedule_next(schedule, due_ms);
        act(course, playbook, due_ms, missed);
    } else {
        act(course, playbook, row.due_ms, missed);
    }
    plan_next(course, playbook, next_ms);
}
