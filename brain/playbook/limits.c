// Design notes.
// What bounds a playbook is asked after the gate and only for its own actions: nothing here lets
// through what the gate refuses. A budget counts slots of a sixteenth of its window and forgets one
// when all of it is older than the window: never more than the limit in any time of that length,
// at worst a sixteenth of it too careful.
#include <stdio.h>

#include "brain/playbook/course_internal.h"
#include "brain/playbook/guard.h"
#include "runtime/base/hash.h"

#define BUDGET RT_STR("budget")
#define MODE RT_STR("mode")
#define SLOTS 16
#define SHARES 10000

const br_rule *
br__rule_for(const br_course *course, const br_playbook *playbook, const rt_event_type *type,
             int64_t element)
{
    const br_rule_list *list = &course->set->by_type[type->index];
    uint32_t low = 0;
    uint32_t high = list->count;
    while (low < high) { // rules stand in the order of the set's playbooks
        uint32_t middle = low + (high - low) / 2;
        if (list->rules[middle]->playbook < playbook) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    for (; low < list->count && list->rules[low]->playbook == playbook; low++) {
        if (list->rules[low]->element == element) {
            return list->rules[low];
        }
    }
    return NULL;
}

br_firing *
br__firing_add(br_course *course, const br_firing *firing)
{
    br_firing *kept = rt_arena_new_of(course->arena, br_firing);
    if (kept == NULL) {
        course->failed = true;
        return NULL;
    }
    if (course->firing_count == RT_COUNT(course->firings)) {
        return NULL;
    }
    *kept = *firing;
    course->firings[course->firing_count++] = kept;
    return kept;
}

static const br_playbook *
proposer(const br_course *course, rt_str agent)
{
    const rt_str prefix = RT_STR("playbook:");
    if (!rt_str_starts(agent, prefix)) {
        return NULL;
    }
    return br__playbook_find(course->set,
                             (rt_str){agent.ptr + prefix.len, agent.len - prefix.len});
}

br_firing *
br__firing_of(br_course *course, rt_str agent)
{
    const br_playbook *playbook = proposer(course, agent);
    if (playbook == NULL || !playbook->is_bounded) {
        return NULL;
    }
    for (uint32_t i = 0; i < course->firing_count; i++) {
        if (course->firings[i]->playbook == playbook) {
            return course->firings[i];
        }
    }
    const br_rule *rule = br__rule_for(course, playbook, course->type, -1);
    const br_situation *situation = rule != NULL ? br__course_situation(course) : NULL;
    if (situation == NULL) {
        return NULL; // an escalation, which nothing but the gate bounds
    }
    br_chosen chosen;
    const char *verdict; // it fired, so there is something to do
    (void)br__choose(rule, br_situation_load, situation, course->arena, &chosen, &verdict);
    return br__firing_add(course, &(br_firing){.playbook = playbook,
                                               .rule = rule,
                                               .steps = chosen.steps,
                                               .load = chosen.load,
                                               .user = chosen.user,
                                               .event_seq = course->seq,
                                               .event_at_ms = course->at_ms,
                                               .payload = course->payload});
}

// --- modes ---

br_playbook_mode
br__mode_of(const br_progress *progress, const br_playbook *playbook, rt_arena *arena,
            msg_mode *ret_set)
{
    rt_bytes value;
    memset(ret_set, 0, sizeof(*ret_set));
    ret_set->percent = playbook->canary_percent;
    if (br_progress_count(progress) == 0 ||
        !br_progress_get(progress, RT_TENANT_SYSTEM, MODE, playbook->info.id, RT_STR(""),
                         &value)) {
        return playbook->info.mode;
    }
    msg_mode set;
    rt_mp mp = rt_mp_init(value);
    if (rt_msg_decode(&msg_mode_def, &mp, arena, &set) != RT_OK ||
        set.file != playbook->text_hash || set.mode > BR_MODE_LIVE) {
        return playbook->info.mode;
    }
    *ret_set = set;
    return (br_playbook_mode)set.mode;
}

br_playbook_mode
br_course_mode(const br_playbooks *set, const br_progress *progress, rt_str id, rt_arena *arena,
               msg_mode *ret_set)
{
    const br_playbook *playbook = br__playbook_find(set, id);
    memset(ret_set, 0, sizeof(*ret_set));
    return playbook != NULL ? br__mode_of(progress, playbook, arena, ret_set) : BR_MODE_OFF;
}

// What a key falls to: the same side every time, and for every share that contains it.
static bool
is_inside(br_course *course, const br_playbook *playbook, double percent)
{
    const br_firing *firing = br__firing_of(course, playbook->agent);
    rt_str by = course->subject;
    if (firing != NULL && firing->rule->canary_by != NULL) {
        br_expr_result result;
        br_expr_eval(firing->rule->canary_by, firing->load, firing->user, course->arena, &result);
        if (result.fault != BR_FAULT_NONE || result.value.kind != RT_KIND_STR) {
            return false; // what cannot be told apart is left to the live version
        }
        by = result.value.s;
    }
    uint64_t seed = rt_hash64(rt_bytes_of_str(playbook->info.id), 0);
    return (double)(rt_hash64(rt_bytes_of_str(by), seed) % SHARES) < percent * (SHARES / 100.0);
}

static void
leave_shadow(br_course *course, rt_str agent)
{
    rt_str *shadow = course->said->shadow.items;
    uint32_t left = 0;
    for (uint32_t i = 0; i < course->said->shadow.count; i++) {
        if (!rt_str_equal(shadow[i], agent)) {
            shadow[left++] = shadow[i];
        }
    }
    course->said->shadow.count = left;
}

static void
drop_proposals(br_course *course, rt_str agent)
{
    msg_proposal *proposals = course->said->proposals.items;
    uint32_t left = 0;
    for (uint32_t i = 0; i < course->said->proposals.count; i++) {
        if (!rt_str_equal(proposals[i].agent, agent)) {
            proposals[left++] = proposals[i];
        }
    }
    course->said->proposals.count = left;
}

static void
apply_mode(br_course *course, const br_playbook *playbook, msg_consulted *consulted)
{
    msg_mode set;
    br_playbook_mode mode = br__mode_of(course->progress, playbook, course->arena, &set);
    bool shadow = mode == BR_MODE_SHADOW;
    if (mode == BR_MODE_CANARY && !is_inside(course, playbook, set.percent)) {
        shadow = true;
        if (consulted->detail.len == 0) {
            consulted->detail =
                rt_arena_printf(course->arena, "canary: outside of its %g %%", set.percent);
        }
    }
    if (rt_str_is(set.by, BR_GUARDIAN) && mode <= BR_MODE_SHADOW && consulted->detail.len == 0) {
        consulted->detail = rt_arena_printf(course->arena, "rolled back at record %llu: %.*s",
                                            (unsigned long long)set.seq, RT_STR_ARG(set.reason));
    }
    if (mode == BR_MODE_OFF) {
        drop_proposals(course, playbook->agent);
        consulted->verdict = RT_STR("off");
        consulted->throttle_key = RT_STR("");
        return;
    }
    if (!shadow) {
        leave_shadow(course, playbook->agent);
    } else if (!br__course_in_shadow(course, playbook->agent)) {
        rt_str *place = br__course_append(course, &course->said->shadow, sizeof(rt_str));
        if (place != NULL) {
            *place = playbook->agent;
        }
    }
}

// Of actions in order only the first is asked for. In shadow all are shown.
static void
begin_runs(br_course *course)
{
    for (uint32_t i = 0; course->set->runs && i < course->said->consulted.count; i++) {
        const msg_consulted *consulted =
            (const msg_consulted *)course->said->consulted.items + i;
        const br_playbook *playbook = br__playbook_find(course->set, consulted->playbook);
        if (playbook == NULL || br__course_in_shadow(course, playbook->agent)) {
            continue;
        }
        bool escalates = rt_str_is(consulted->verdict, "not verified") ||
                         rt_str_is(consulted->verdict, "expired");
        br_firing *firing = playbook->in_order && rt_str_is(consulted->verdict, "fired")
                                ? br__firing_of(course, playbook->agent)
                                : NULL;
        if (firing != NULL) {
            br__run_begin(course, playbook, firing->steps, firing);
        } else if (escalates && playbook->has_ladder) {
            br__run_begin(course, playbook, &playbook->escalate, NULL);
        }
    }
}

void
br_course_modes(br_course *course)
{
    br__policy_draw_all(course);
    msg_consulted *consulted = course->said->consulted.items;
    for (uint32_t i = 0; i < course->said->consulted.count; i++) {
        const br_playbook *playbook = rt_str_is(consulted[i].verdict, "fired")
                                          ? br__playbook_find(course->set, consulted[i].playbook)
                                          : NULL;
        if (playbook != NULL) {
            apply_mode(course, playbook, &consulted[i]);
        }
    }
    begin_runs(course);
}

// --- budgets ---

static int64_t
amount_of(const br_budget *budget, const msg_proposal *proposal, const br_action *action)
{
    if (budget->what == BR_COUNT_CONTACTS) {
        return action->contact ? 1 : 0;
    }
    return budget->what == BR_COUNT_COST ? proposal->cost_cop : 1;
}

// What an action uses of a budget; the first of several in order uses what all of them do.
static int64_t
total_of(const br_course *course, const br_firing *firing, const br_budget *budget,
         const msg_proposal *proposal, const br_action *action)
{
    rt_msg_list steps;
    int64_t sum = 0;
    if (!br__run_asks(course, firing->playbook, &steps)) {
        return amount_of(budget, proposal, action);
    }
    const msg_run_step *list = steps.items;
    for (uint32_t i = 0; i < steps.count; i++) {
        const br_action *of_step = br_pack_action(course->set->pack, list[i].asks.action);
        sum += of_step != NULL ? amount_of(budget, &list[i].asks, of_step) : 0;
    }
    return sum;
}

static int64_t
slot_ms(const br_budget *budget)
{
    return RT_MAX(budget->window_ms / SLOTS, 1);
}

// What was used, newest slot first, without slots that are too old by now.
static void
age_usage(const msg_usage *usage, const br_budget *budget, int64_t now_ms,
          int64_t ret_used[SLOTS + 1])
{
    const int64_t *used = usage->used.items;
    memset(ret_used, 0, sizeof(int64_t) * (SLOTS + 1));
    for (uint32_t i = 0; i < usage->used.count; i++) {
        int64_t age = now_ms / slot_ms(budget) - usage->newest + i;
        if (age >= 0 && age <= SLOTS) {
            ret_used[age] = used[i];
        }
    }
}

static void
read_usage(br_course *course, const br_firing *firing, const br_budget *budget, rt_str key,
           int64_t ret_used[SLOTS + 1])
{
    msg_usage usage = {0};
    if (!br__course_read(course, BUDGET, firing->playbook->info.id, key, &msg_usage_def,
                         &usage)) {
        usage.used.count = 0;
    }
    age_usage(&usage, budget, course->now_ms, ret_used);
}

static int64_t
sum_of(const int64_t used[SLOTS + 1])
{
    int64_t sum = 0;
    for (int i = 0; i <= SLOTS; i++) {
        sum += used[i];
    }
    return sum;
}

bool
br_course_budget(const br_playbooks *set, const br_progress_row *row, int64_t now_ms,
                 rt_arena *arena, br_budget_state *ret)
{
    static const char *const names[] = {"actions", "contacts", "cost_cop"};
    const br_playbook *playbook =
        rt_str_equal(row->what, BUDGET) ? br__playbook_find(set, row->playbook) : NULL;
    const char *colon = row->key.len > 0 ? memchr(row->key.ptr, ':', row->key.len) : NULL;
    int64_t used[SLOTS + 1];
    int64_t index = -1;
    msg_usage usage;
    rt_mp mp = rt_mp_init(row->value);
    if (playbook == NULL || colon == NULL ||
        rt_parse_i64((rt_str){row->key.ptr, (size_t)(colon - row->key.ptr)}, &index) != RT_OK ||
        index < 0 || index >= playbook->budget_count ||
        rt_msg_decode(&msg_usage_def, &mp, arena, &usage) != RT_OK) {
        return false;
    }
    const br_budget *budget = &playbook->budgets[index];
    size_t head = (size_t)(colon - row->key.ptr) + 1;
    age_usage(&usage, budget, now_ms, used);
    *ret = (br_budget_state){.what = names[budget->what],
                             .per = {row->key.ptr + head, row->key.len - head},
                             .used = sum_of(used),
                             .limit = budget->limit,
                             .window_ms = budget->window_ms};
    return true;
}

void
br__budget_timer(br_course *course, rt_str id, rt_str key)
{
    msg_usage usage;
    br_budget_state left;
    br_progress_row row = {.what = BUDGET, .playbook = id, .key = key};
    if (!br__course_read(course, BUDGET, id, key, &msg_usage_def, &usage)) {
        return;
    }
    // a decision made after the timer came due may have used more of it, and set the next timer
    if (!br_progress_get(course->progress, course->tenant, BUDGET, id, key, &row.value) ||
        !br_course_budget(course->set, &row, course->now_ms, course->arena, &left) ||
        left.used == 0) {
        br__course_forget(course, BUDGET, id, key);
    }
}

static bool
budget_key(br_course *course, const br_firing *firing, uint32_t index, rt_str *ret_key)
{
    rt_str per = RT_STR("");
    const br_expr *expr = firing->rule->budget_per[index];
    if (expr != NULL) {
        br_expr_result result;
        br_expr_eval(expr, firing->load, firing->user, course->arena, &result);
        if (result.fault != BR_FAULT_NONE || result.value.kind != RT_KIND_STR) {
            return false;
        }
        per = result.value.s;
    }
    *ret_key = br__course_key(
        course, rt_arena_printf(course->arena, "%u:%.*s", index, RT_STR_ARG(per)));
    return ret_key->ptr != NULL;
}

// When enough of what was used is forgotten.
static int64_t
free_again_ms(const br_course *course, const br_budget *budget, const int64_t used[SLOTS + 1],
              int64_t amount)
{
    int64_t now = course->now_ms / slot_ms(budget);
    int64_t left = sum_of(used);
    for (int age = SLOTS; age >= 0; age--) {
        left -= used[age];
        if (used[age] > 0 && left + amount <= budget->limit) {
            return (now - age + SLOTS + 1) * slot_ms(budget);
        }
    }
    return course->now_ms + budget->window_ms;
}

static void
consume(br_course *course, const br_firing *firing, uint32_t index, rt_str key, int64_t amount)
{
    const br_budget *budget = &firing->playbook->budgets[index];
    int64_t used[SLOTS + 1];
    read_usage(course, firing, budget, key, used);
    used[0] += amount;
    msg_usage usage = {.newest = course->now_ms / slot_ms(budget),
                       .used = {used, SLOTS + 1}};
    (void)br__course_write(course, BUDGET, firing->playbook->info.id, key, &msg_usage_def, &usage);
    br__course_timer(course, firing->playbook, "budget", key,
                     course->now_ms + budget->window_ms + 2 * slot_ms(budget));
}

// --- admission ---

static void
wait_for(br_firing *firing, br_wait wait, int64_t until_ms, rt_str why)
{
    // asking includes waiting: what is agreed to is held again if it has to be
    if (firing->wait == BR_WAIT_NONE || wait == BR_WAIT_ASK) {
        firing->wait = wait;
        firing->until_ms = until_ms;
        firing->why = why;
    }
}

static bool
may_hold(const br_course *course, const br_firing *firing, int64_t until_ms)
{
    const br_calendar *calendar = &firing->playbook->calendar;
    int64_t at_most_ms = calendar->at_most_ms > 0 ? calendar->at_most_ms : BR_HOLD_DEFAULT_MS;
    int64_t since_ms = firing->since_ms != 0 ? firing->since_ms : course->now_ms;
    return until_ms - since_ms <= at_most_ms && firing->payload.len <= BR_HELD_PAYLOAD_MAX;
}

static bool
refuse(br_course *course, br_firing *firing, br_wait wait, int64_t until_ms, char *why, size_t cap,
       bool *ret_waits)
{
    if (wait == BR_WAIT_HOLD && !may_hold(course, firing, until_ms)) {
        size_t len = strlen(why);
        (void)snprintf(why + len, cap - len, "; too long to wait");
        return false;
    }
    if (wait != BR_WAIT_NONE) {
        wait_for(firing, wait, until_ms, rt_arena_printf(course->arena, "%s", why));
        *ret_waits = true;
    }
    return false;
}

static bool
admit_calendar(br_course *course, br_firing *firing, char *why, size_t cap, bool *ret_waits)
{
    const br_calendar *calendar = &firing->playbook->calendar;
    if (!calendar->has_hours || br_hours_open(&calendar->hours, course->now_ms)) {
        return true;
    }
    int64_t next_ms = br_hours_next_ms(&calendar->hours, course->now_ms);
    char wait[32];
    (void)snprintf(why, cap, "calendar: it opens in %s",
                   next_ms == INT64_MAX
                       ? "more than a month"
                       : rt_format_duration(next_ms - course->now_ms, wait, sizeof(wait)));
    bool hold = calendar->hold_closed && next_ms != INT64_MAX;
    return refuse(course, firing, hold ? BR_WAIT_HOLD : BR_WAIT_NONE, next_ms, why, cap,
                  ret_waits);
}

static bool
admit_budget(br_course *course, br_firing *firing, uint32_t index, rt_str key, int64_t amount,
             char *why, size_t cap, bool *ret_waits)
{
    static const char *const names[] = {"actions", "contacts", "COP"};
    const br_budget *budget = &firing->playbook->budgets[index];
    int64_t used[SLOTS + 1];
    read_usage(course, firing, budget, key, used);
    int64_t sum = sum_of(used);
    if (amount == 0 || sum + amount <= budget->limit ||
        (firing->granted && budget->on_exceed == BR_EXCEED_ASK)) {
        return true;
    }
    char window[32];
    (void)snprintf(why, cap, "budget of the playbook: %lld of %lld %s in %s", (long long)sum,
                   (long long)budget->limit, names[budget->what],
                   rt_format_duration(budget->window_ms, window, sizeof(window)));
    if (budget->on_exceed == BR_EXCEED_ASK) {
        return refuse(course, firing, BR_WAIT_ASK, 0, why, cap, ret_waits);
    }
    bool hold = budget->on_exceed == BR_EXCEED_HOLD;
    return refuse(course, firing, hold ? BR_WAIT_HOLD : BR_WAIT_NONE,
                  free_again_ms(course, budget, used, amount), why, cap, ret_waits);
}

static bool
admit_approval(br_course *course, br_firing *firing, char *why, size_t cap, bool *ret_waits)
{
    if (!firing->playbook->approve.on || firing->granted) {
        return true;
    }
    if (firing->rule->approve_when != NULL) {
        br_expr_result result;
        br_expr_eval(firing->rule->approve_when, firing->load, firing->user, course->arena,
                     &result);
        // what cannot be told is asked
        if (result.fault == BR_FAULT_NONE && !br_expr_is_true(&result)) {
            return true;
        }
    }
    (void)snprintf(why, cap, "it has to be approved");
    return refuse(course, firing, BR_WAIT_ASK, 0, why, cap, ret_waits);
}

// Only for asking because of a budget: nothing else needs to be agreed to.
static bool
asks_always(const br_playbook *playbook)
{
    for (uint32_t i = 0; i < playbook->budget_count; i++) {
        if (playbook->budgets[i].on_exceed == BR_EXCEED_ASK) {
            return false;
        }
    }
    return true;
}

bool
br_course_admit(br_course *course, const msg_proposal *proposal, const br_action *action,
                char *why, size_t cap, bool *ret_waits)
{
    br_firing *firing = br__firing_of(course, proposal->agent);
    rt_str keys[BR_BUDGETS_MAX];
    if (firing == NULL) {
        return true;
    }
    if (firing->wait != BR_WAIT_NONE) { // all of a playbook is done, or waits
        (void)snprintf(why, cap, "%.*s", RT_STR_ARG(firing->why));
        *ret_waits = true;
        return false;
    }
    if (firing->payload.len > BR_HELD_PAYLOAD_MAX) {
        (void)snprintf(why, cap, "the event is too large for a playbook with limits");
        return false;
    }
    if (!admit_calendar(course, firing, why, cap, ret_waits)) {
        return false;
    }
    const br_playbook *playbook = firing->playbook;
    for (uint32_t i = 0; i < playbook->budget_count; i++) {
        if (!budget_key(course, firing, i, &keys[i])) {
            (void)snprintf(why, cap, "budget %u of the playbook: its key cannot be told", i + 1);
            return false;
        }
        int64_t amount = total_of(course, firing, &playbook->budgets[i], proposal, action);
        if (!admit_budget(course, firing, i, keys[i], amount, why, cap, ret_waits)) {
            return false;
        }
    }
    bool ask = firing->rule->approve_when != NULL || asks_always(playbook);
    if (ask && !admit_approval(course, firing, why, cap, ret_waits)) {
        return false;
    }
    for (uint32_t i = 0; i < playbook->budget_count; i++) {
        int64_t amount = total_of(course, firing, &playbook->budgets[i], proposal, action);
        if (amount > 0) {
            consume(course, firing, i, keys[i], amount);
        }
    }
    return true;
}

bool
br_course_quiet(br_course *course, const msg_proposal *proposal, int64_t until_ms)
{
    br_firing *firing = br__firing_of(course, proposal->agent);
    if (br__run_quiet(course, proposal->agent, until_ms)) {
        return true;
    }
    if (firing == NULL || !firing->playbook->calendar.hold_quiet ||
        !may_hold(course, firing, until_ms)) {
        return false;
    }
    wait_for(firing, BR_WAIT_HOLD, until_ms, RT_STR("quiet hours"));
    return true;
}

bool
br_course_waits(const br_course *course, rt_str agent)
{
    for (uint32_t i = 0; i < course->firing_count; i++) {
        if (course->firings[i]->wait != BR_WAIT_NONE &&
            rt_str_equal(course->firings[i]->playbook->agent, agent)) {
            return true;
        }
    }
    return false;
}

rt_err
br_course_settle(br_course *course)
{
    for (uint32_t i = 0; i < course->firing_count; i++) {
        if (course->firings[i]->wait != BR_WAIT_NONE) {
            br__waiting_add(course, course->firings[i]);
        }
    }
    return course->failed ? RT_ENOMEM : RT_OK;
}
