// Design notes.
// An outcome teaches every choice about its key that is still open, once: with that they are
// closed, and a second outcome finds none. When nothing comes in time, the timer teaches the
// default; the row then stays as long again, so that an outcome that is late is known to be late,
// and counted.
#include <math.h>
#include <stdio.h>

#include "brain/playbook/policy_internal.h"

#define SAID_MAX 500

// Rewards on their way into the rows of a policy.
typedef struct rewarding {
    br_course *course;
    const br_playbook *playbook;
    rt_str key;
    msg_choices choices;
    msg_policy head;
    msg_choice *left; // that stay open
    uint32_t left_count;
    rt_text said;
} rewarding;

int64_t
br__choices_due(const msg_choices *choices)
{
    const msg_choice *open = choices->open.items;
    int64_t due_ms = choices->late_ms;
    for (uint32_t i = 0; i < choices->open.count; i++) {
        due_ms = i == 0 ? open[i].until_ms : RT_MIN(due_ms, open[i].until_ms);
    }
    return due_ms;
}

static void
say(br_course *course, const br_playbook *playbook, const char *verdict, rt_str detail)
{
    msg_consulted *consulted = br__course_consulted(course, playbook);
    if (consulted == NULL) {
        return;
    }
    if (consulted->verdict.len == 0) {
        consulted->verdict = rt_str_of(verdict);
        consulted->detail = detail;
        return;
    }
    // it hears the event for another reason too, which stands there already
    consulted->detail = rt_arena_printf(course->arena, "%.*s%s%.*s",
                                        RT_STR_ARG(consulted->detail),
                                        consulted->detail.len > 0 ? "; " : "", RT_STR_ARG(detail));
}

static bool
begin(rewarding *r)
{
    const br_playbook *playbook = r->playbook;
    if (!br__course_read(r->course, BR__CHOICE, playbook->info.id, r->key, &msg_choices_def,
                         &r->choices)) {
        return false;
    }
    br__policy_head(r->course, playbook, &r->head);
    r->left = rt_arena_array(r->course->arena, msg_choice, r->choices.open.count + 1);
    if (r->left == NULL) {
        r->course->failed = true;
        return false;
    }
    rt_text_init(&r->said, SAID_MAX);
    return true;
}

// Keeps what is left open, or forgets the row.
static void
end(rewarding *r)
{
    rt_str id = r->playbook->info.id;
    r->choices.open = (rt_msg_list){r->left, r->left_count};
    if (r->left_count > 0 || r->choices.late_ms > 0) {
        (void)br__course_write(r->course, BR__CHOICE, id, r->key, &msg_choices_def, &r->choices);
        br__course_timer(r->course, r->playbook, BR__REWARD_TIMER, r->key,
                         br__choices_due(&r->choices));
    } else {
        br__course_forget(r->course, BR__CHOICE, id, r->key);
        br__course_timer(r->course, r->playbook, BR__REWARD_TIMER, r->key, 0);
    }
    br__policy_head_write(r->course, r->playbook, &r->head);
}

// Teaches what became of one choice.
static void
teach(rewarding *r, const msg_choice *choice, double reward, uint64_t *counter)
{
    const br_policy *policy = r->playbook->policy;
    br__learned learned;
    r->head.open -= r->head.open > 0;
    if (choice->shape != policy->shape || choice->features.count != policy->feature_count + 1 ||
        !br__policy_learned(r->course, r->playbook, choice->action, &learned) ||
        br_linucb_update(&learned.model, choice->features.items, reward) != RT_OK) {
        r->head.stale++;
        return;
    }
    learned.row.count++;
    learned.row.sum += reward;
    (*counter)++;
    (void)br__course_write(r->course, BR__POLICY, r->playbook->info.id, choice->action,
                           &msg_learned_def, &learned.row);
    char ago[32]; // numbers of records are others when a journal is decided again
    rt_text_printf(&r->said, "%s%.3g for %.*s %s ago", r->said.len > 0 ? ", " : "", reward,
                   RT_STR_ARG(choice->action),
                   rt_format_duration(r->course->at_ms - choice->at_ms, ago, sizeof(ago)));
}

static double
clip(const br_policy *policy, double reward)
{
    return fmin(fmax(reward, policy->least), policy->most);
}

static void
teach_all(rewarding *r, double reward)
{
    const msg_choice *open = r->choices.open.items;
    uint32_t late = 0;
    for (uint32_t i = 0; i < r->choices.open.count; i++) {
        if (r->course->at_ms >= open[i].until_ms) {
            r->left[r->left_count++] = open[i]; // its timer is about to come
            late++;
        } else {
            teach(r, &open[i], reward, &r->head.rewarded);
        }
    }
    r->choices.late_ms = 0; // a second outcome is no longer looked for
    if (r->choices.open.count == late) {
        r->head.late++;
        rt_text_cstr(&r->said, "the outcome came too late");
    }
}

void
br__reward_match(br_course *course, const msg_match *match)
{
    const br_playbook *playbook = br__playbook_find(course->set, match->playbook);
    const br_rule *rule = playbook != NULL && playbook->policy != NULL
                              ? br__rule_for(course, playbook, course->type, BR_RULE_REWARD)
                              : NULL;
    rewarding r = {.course = course, .playbook = playbook};
    double reward;
    if (rule == NULL) {
        return;
    }
    r.key = br__course_key(course, match->key);
    if ((r.key.ptr == NULL && match->key.len > 0) || !begin(&r)) {
        return; // nothing was chosen about it
    }
    const br_situation *situation = br__course_situation(course);
    br_expr_result when = {.fault = BR_FAULT_NONE, .value = RT_BOOL(true)};
    if (situation != NULL && rule->when != NULL) {
        br_expr_eval(rule->when, br_situation_load, situation, course->arena, &when);
    }
    if (situation == NULL || when.fault != BR_FAULT_NONE) {
        say(course, playbook, "error", RT_STR("reward.when cannot be told"));
    } else if (br_expr_is_true(&when) &&
               !br__policy_number(rule->choice->value, br_situation_load, situation,
                                  course->arena, &reward)) {
        say(course, playbook, "error", RT_STR("reward.value is no number"));
    } else if (br_expr_is_true(&when)) {
        teach_all(&r, clip(playbook->policy, reward));
        end(&r);
        say(course, playbook, "rewarded", rt_arena_str(course->arena, rt_text_view(&r.said)));
    }
    rt_text_fini(&r.said);
}

void
br__reward_timer(br_course *course, rt_str id, rt_str key)
{
    const br_playbook *playbook = br__playbook_find(course->set, id);
    rewarding r = {.course = course, .playbook = playbook, .key = key};
    if (playbook == NULL || playbook->policy == NULL) {
        br__course_forget(course, BR__CHOICE, id, key); // nobody learns from it any more
        return;
    }
    if (!begin(&r)) {
        return;
    }
    const msg_choice *open = r.choices.open.items;
    bool is_late_over = r.choices.open.count == 0 && course->now_ms >= r.choices.late_ms;
    uint32_t before = r.choices.open.count;
    for (uint32_t i = 0; i < before; i++) {
        if (course->now_ms >= open[i].until_ms) {
            teach(&r, &open[i], playbook->policy->otherwise, &r.head.defaulted);
        } else {
            r.left[r.left_count++] = open[i]; // chosen since the timer came due
        }
    }
    if (r.left_count < before) {
        r.choices.late_ms = course->now_ms + playbook->policy->within_ms;
        end(&r);
        rt_str said = rt_arena_str(course->arena, rt_text_view(&r.said));
        say(course, playbook, "rewarded",
            rt_arena_printf(course->arena, "no outcome in time: %.*s", RT_STR_ARG(said)));
    } else if (is_late_over) {
        br__course_forget(course, BR__CHOICE, id, key);
    }
    rt_text_fini(&r.said);
}
