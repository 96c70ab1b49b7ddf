// What operators say about playbooks: requests answered, budgets looked at, modes set.
#include <stdio.h>

#include "brain/core/control.h"
#include "runtime/base/log.h"

#define REASON_MAX 512
#define LIST_MAX 1000

static void
write_actions(const msg_waiting *waiting, rt_mpw *w)
{
    const msg_proposal *actions = waiting->actions.items;
    rt_mpw_array(w, waiting->actions.count);
    for (uint32_t i = 0; i < waiting->actions.count; i++) {
        br_map map = br__map_begin(w);
        br__map_str(&map, "action", actions[i].action);
        br__map_str(&map, "target", actions[i].target);
        br__map_i64(&map, "cost_cop", actions[i].cost_cop);
        br__map_raw(&map, "args", actions[i].args);
        br__map_end(&map);
    }
}

static void
write_votes(const msg_waiting *waiting, rt_mpw *w)
{
    const msg_vote *votes = waiting->votes.items;
    rt_mpw_array(w, waiting->votes.count);
    for (uint32_t i = 0; i < waiting->votes.count; i++) {
        br_map map = br__map_begin(w);
        br__map_str(&map, "by", votes[i].by);
        br__map_str(&map, "role", votes[i].role);
        br__map_i64(&map, "at_ms", votes[i].at_ms);
        br__map_end(&map);
    }
}

static void
write_request(const br_brain *brain, const br_progress_row *row, const msg_waiting *waiting,
              rt_mpw *w)
{
    rt_str roles[BR_ROLES_MAX];
    uint32_t quorum;
    uint32_t role_count =
        br_playbooks_approval(brain->state->playbooks, row->playbook, roles, &quorum);
    br_map map = br__map_begin(w);
    br__map_str(&map, "playbook", row->playbook);
    br__map_str(&map, "key", row->key);
    br__map_str(&map, "tenant", br__tenant_name(brain, row->tenant));
    br__map_str(&map, "subject", waiting->subject);
    br__map_u64(&map, "event_seq", waiting->event_seq);
    br__map_str(&map, "why", waiting->why);
    br__map_i64(&map, "since_ms", waiting->since_ms);
    br__map_i64(&map, "until_ms", waiting->until_ms);
    br__map_str(&map, "digest", waiting->digest);
    write_actions(waiting, br__map_key(&map, "actions"));
    br__map_u64(&map, "quorum", quorum);
    write_votes(waiting, br__map_key(&map, "votes"));
    rt_mpw_array(br__map_key(&map, "roles"), role_count);
    for (uint32_t i = 0; i < role_count; i++) {
        rt_mpw_str(w, roles[i]);
    }
    br__map_end(&map);
}

// The next request of the rows; of one kind: approvals, or what is held.
static bool
next_request(const br_ask *ask, size_t *cursor, rt_str what, br_progress_row *ret_row,
             msg_waiting *ret_waiting)
{
    while (br_progress_next(ask->brain->state->progress, cursor, ret_row)) {
        rt_mp mp = rt_mp_init(ret_row->value);
        if (rt_str_equal(ret_row->what, what) &&
            rt_msg_decode(&msg_waiting_def, &mp, ask->control->arena, ret_waiting) == RT_OK) {
            return true;
        }
    }
    return false;
}

void
br__ask_approvals(const br_ask *ask)
{
    br_progress_row row;
    msg_waiting waiting;
    rt_tenant tenant;
    bool given;
    uint32_t count = 0;
    uint64_t total = 0;
    uint64_t limit = RT_MIN(br__arg_u64(ask, "limit", LIST_MAX), LIST_MAX);
    rt_str what = br__arg_bool(ask, "held") ? RT_STR("held") : RT_STR("approval");
    rt_str playbook = br__arg_str(ask, "playbook");
    rt_str key = br__arg_str(ask, "key");
    if (!br__arg_tenant(ask, &tenant, &given)) {
        return;
    }
    rt_arena_reset(ask->control->arena);
    br_map answer = br__answer_begin(ask);
    size_t header = rt_mpw_array32(br__map_key(&answer, "requests"));
    for (size_t cursor = 0; next_request(ask, &cursor, what, &row, &waiting);) {
        if ((given && row.tenant.v != tenant.v) ||
            (playbook.len > 0 && !rt_str_equal(playbook, row.playbook)) ||
            (key.len > 0 && !rt_str_equal(key, row.key))) {
            continue;
        }
        total++;
        if (count < limit) {
            write_request(ask->brain, &row, &waiting, answer.w);
            count++;
        }
    }
    rt_mpw_patch32(answer.w, header, count);
    br__map_u64(&answer, "total", total);
    br__answer_end(ask, &answer);
}

// --- answering a request ---

// The one request of that name; false when refused.
static bool
find_request(const br_ask *ask, rt_str playbook, rt_str key, br_progress_row *ret_row,
             msg_waiting *ret_waiting)
{
    br_progress_row row;
    msg_waiting waiting;
    rt_tenant tenant;
    bool given;
    int found = 0;
    if (!br__arg_tenant(ask, &tenant, &given)) {
        return false;
    }
    rt_arena_reset(ask->control->arena);
    for (size_t cursor = 0; next_request(ask, &cursor, RT_STR("approval"), &row, &waiting);) {
        if (rt_str_equal(row.playbook, playbook) && rt_str_equal(row.key, key) &&
            (!given || row.tenant.v == tenant.v)) {
            *ret_row = row;
            *ret_waiting = waiting;
            found++;
        }
    }
    if (found == 0) {
        br__refuse(ask->control, ask->call, RT_ENOTFOUND, "brainctl approvals list",
                   "playbook %.*s asks for nothing named '%.*s'; it may be answered or too late",
                   RT_STR_ARG(playbook), RT_STR_ARG(key));
    } else if (found > 1) {
        br__refuse(ask->control, ask->call, RT_EINVAL, "add --tenant",
                   "several tenants have a request of that name");
    }
    return found == 1;
}

// The first role of the playbook that the caller has; NULL when there is none. Without roles every
// operator may, in no role.
static const char *
role_of(const br_ask *ask, rt_str playbook, bool *ret_may)
{
    const br_brain *brain = ask->brain;
    rt_str wanted[BR_ROLES_MAX];
    uint32_t quorum;
    uint32_t count = br_playbooks_approval(brain->state->playbooks, playbook, wanted, &quorum);
    *ret_may = count == 0 && ask->access == BR_ACCESS_OPERATE;
    for (uint32_t i = 0; i < count; i++) {
        for (size_t r = 0; r < brain->config.role_count; r++) {
            const br_role *role = &brain->config.roles[r];
            for (size_t u = 0; rt_str_is(wanted[i], role->name) && u < role->uid_count; u++) {
                if (role->uids[u] == ask->uid) {
                    *ret_may = true;
                    return role->name;
                }
            }
        }
    }
    return NULL;
}

static bool
may_decide(const br_ask *ask, rt_str playbook, const msg_waiting *waiting, const char *by,
           const char **ret_role)
{
    const msg_vote *votes = waiting->votes.items;
    bool may;
    *ret_role = role_of(ask, playbook, &may);
    if (!may) {
        br__refuse(ask->control, ask->call, RT_EDENIED,
                   "roles stand in brain.yaml; the playbook's approve.roles says which",
                   "uid %u has no role that may answer this", ask->uid);
        return false;
    }
    for (uint32_t i = 0; i < waiting->votes.count; i++) {
        if (rt_str_is(votes[i].by, by)) {
            br__refuse(ask->control, ask->call, RT_EDUP, "somebody else has to agree as well",
                       "%s agreed already", by);
            return false;
        }
    }
    return true;
}

static bool
take_decision(const br_ask *ask, const br_progress_row *row, rt_str subject, rt_str verdict,
              const char *by, const char *role)
{
    rt_str reason = br__arg_str(ask, "reason");
    rt_mpw data;
    rt_mpw_init(&data, 4096);
    br_map map = br__map_begin(&data);
    br__map_str(&map, "playbook", row->playbook);
    br__map_str(&map, "key", row->key);
    br__map_str(&map, "verdict", verdict);
    br__map_cstr(&map, "by", by);
    if (role != NULL) {
        br__map_cstr(&map, "role", role);
    }
    if (reason.len > 0) {
        br__map_str(&map, "reason", reason);
    }
    br__map_end(&map);
    // about what the request is about: verifications go by it
    bool taken = br__take_asked(ask, "approval.decided", row->tenant, subject, &data);
    rt_mpw_fini(&data);
    return taken;
}

void
br__ask_approval_decide(const br_ask *ask)
{
    br_progress_row row;
    msg_waiting waiting = {0};
    const char *role;
    char by[32];
    rt_str playbook = br__arg_str(ask, "playbook");
    rt_str key = br__arg_str(ask, "key");
    rt_str verdict = br__arg_str(ask, "verdict");
    if (!rt_str_is(verdict, "granted") && !rt_str_is(verdict, "denied")) {
        br__refuse(ask->control, ask->call, RT_EINVAL, NULL, "a verdict is granted or denied");
        return;
    }
    if (br__arg_str(ask, "reason").len > REASON_MAX) {
        br__refuse(ask->control, ask->call, RT_ELIMIT, NULL, "a reason has at most %d bytes",
                   REASON_MAX);
        return;
    }
    br__name_user(ask, by, sizeof(by));
    if (!find_request(ask, playbook, key, &row, &waiting) ||
        !may_decide(ask, playbook, &waiting, by, &role)) {
        return;
    }
    rt_str roles[BR_ROLES_MAX];
    uint32_t quorum;
    (void)br_playbooks_approval(ask->brain->state->playbooks, playbook, roles, &quorum);
    uint32_t agreed = waiting.votes.count + rt_str_is(verdict, "granted");
    if (!take_decision(ask, &row, waiting.subject, verdict, by, role)) {
        return;
    }
    br_map answer = br__answer_begin(ask);
    br__map_str(&answer, "playbook", playbook);
    br__map_str(&answer, "key", key);
    br__map_str(&answer, "verdict", verdict);
    br__map_u64(&answer, "agreed", agreed);
    br__map_u64(&answer, "quorum", quorum);
    br__map_u64(&answer, "seq", rt_journal_next_seq(ask->brain->journal) - 1);
    br__promise(ask, &answer);
}

// --- actions in order ---

static bool
next_run(const br_ask *ask, size_t *cursor, br_progress_row *ret_row, msg_run *ret_run)
{
    while (br_progress_next(ask->brain->state->progress, cursor, ret_row)) {
        rt_mp mp = rt_mp_init(ret_row->value);
        if (rt_str_is(ret_row->what, "run") &&
            rt_msg_decode(&msg_run_def, &mp, ask->control->arena, ret_run) == RT_OK) {
            return true;
        }
    }
    return false;
}

static void
write_run(const br_brain *brain, const br_progress_row *row, const msg_run *run, rt_mpw *w)
{
    const msg_run_step *steps = run->steps.items;
    br_map map = br__map_begin(w);
    br__map_str(&map, "playbook", row->playbook);
    br__map_str(&map, "key", row->key);
    br__map_str(&map, "tenant", br__tenant_name(brain, row->tenant));
    br__map_str(&map, "subject", run->subject);
    br__map_u64(&map, "event_seq", run->event_seq);
    br__map_u64(&map, "version", run->version);
    br__map_i64(&map, "since_ms", run->since_ms);
    br__map_u64(&map, "step", run->at + 1);
    br__map_u64(&map, "steps", run->steps.count);
    br__map_u64(&map, "tries", run->tries);
    br__map_bool(&map, "undoing", run->undoing);
    br__map_str(&map, "action", run->at < run->steps.count ? steps[run->at].asks.action
                                                           : RT_STR(""));
    br__map_str(&map, "target", run->at < run->steps.count ? steps[run->at].asks.target
                                                           : RT_STR(""));
    br__map_str(&map, "action_id", run->action_id);
    br__map_end(&map);
}

void
br__ask_runs(const br_ask *ask)
{
    br_progress_row row;
    msg_run run;
    uint32_t count = 0;
    uint64_t total = 0;
    uint64_t limit = RT_MIN(br__arg_u64(ask, "limit", LIST_MAX), LIST_MAX);
    rt_str playbook = br__arg_str(ask, "playbook");
    rt_arena_reset(ask->control->arena);
    br_map answer = br__answer_begin(ask);
    size_t header = rt_mpw_array32(br__map_key(&answer, "runs"));
    for (size_t cursor = 0; next_run(ask, &cursor, &row, &run);) {
        if (playbook.len > 0 && !rt_str_equal(playbook, row.playbook)) {
            continue;
        }
        total++;
        if (count < limit) {
            write_run(ask->brain, &row, &run, answer.w);
            count++;
        }
    }
    rt_mpw_patch32(answer.w, header, count);
    br__map_u64(&answer, "total", total);
    br__answer_end(ask, &answer);
}

static bool
find_run(const br_ask *ask, br_progress_row *ret_row, msg_run *ret_run)
{
    br_progress_row row;
    msg_run run;
    rt_tenant tenant;
    bool given;
    int found = 0;
    rt_str playbook = br__arg_str(ask, "playbook");
    rt_str key = br__arg_str(ask, "key");
    if (!br__arg_tenant(ask, &tenant, &given)) {
        return false;
    }
    rt_arena_reset(ask->control->arena);
    for (size_t cursor = 0; next_run(ask, &cursor, &row, &run);) {
        if (rt_str_equal(row.playbook, playbook) && rt_str_equal(row.key, key) &&
            (!given || row.tenant.v == tenant.v)) {
            *ret_row = row;
            *ret_run = run;
            found++;
        }
    }
    if (found != 1) {
        br__refuse(ask->control, ask->call, found == 0 ? RT_ENOTFOUND : RT_EINVAL,
                   found == 0 ? "brainctl runs list" : "add --tenant",
                   found == 0 ? "playbook %.*s runs nothing named '%.*s'; it may have ended"
                              : "playbook %.*s runs '%.*s' for several tenants",
                   RT_STR_ARG(playbook), RT_STR_ARG(key));
    }
    return found == 1;
}

void
br__ask_run_ack(const br_ask *ask)
{
    br_progress_row row;
    msg_run run;
    char by[32];
    rt_mpw data;
    rt_str reason = br__arg_str(ask, "reason");
    if (reason.len > REASON_MAX) {
        br__refuse(ask->control, ask->call, RT_ELIMIT, NULL, "a reason has at most %d bytes",
                   REASON_MAX);
        return;
    }
    if (!find_run(ask, &row, &run)) {
        return;
    }
    br__name_user(ask, by, sizeof(by));
    rt_mpw_init(&data, 4096);
    br_map map = br__map_begin(&data);
    br__map_str(&map, "playbook", row.playbook);
    br__map_str(&map, "key", row.key);
    br__map_by(&map, ask, by);
    if (reason.len > 0) {
        br__map_str(&map, "reason", reason);
    }
    br__map_end(&map);
    uint64_t left = run.steps.count - RT_MIN(run.at, run.steps.count);
    if (br__take_asked(ask, "playbook.acknowledged", row.tenant, run.subject, &data)) {
        br_map answer = br__answer_begin(ask);
        br__map_str(&answer, "playbook", br__arg_str(ask, "playbook"));
        br__map_str(&answer, "key", br__arg_str(ask, "key"));
        br__map_u64(&answer, "steps_left", left);
        br__map_u64(&answer, "seq", rt_journal_next_seq(ask->brain->journal) - 1);
        br__promise(ask, &answer);
    }
    rt_mpw_fini(&data);
}

// --- budgets and modes ---

void
br__ask_budgets(const br_ask *ask)
{
    const br_state *state = ask->brain->state;
    rt_str playbook = br__arg_str(ask, "playbook");
    uint64_t limit = RT_MIN(br__arg_u64(ask, "limit", LIST_MAX), LIST_MAX);
    br_progress_row row;
    br_budget_state budget;
    uint32_t count = 0;
    uint64_t total = 0;
    rt_arena_reset(ask->control->arena);
    br_map answer = br__answer_begin(ask);
    size_t header = rt_mpw_array32(br__map_key(&answer, "budgets"));
    for (size_t cursor = 0; br_progress_next(state->progress, &cursor, &row);) {
        if ((playbook.len > 0 && !rt_str_equal(playbook, row.playbook)) ||
            !br_course_budget(state->playbooks, &row, state->meta.clock_ms, ask->control->arena,
                              &budget)) {
            continue;
        }
        total++;
        if (count == limit) {
            continue;
        }
        br_map map = br__map_begin(answer.w);
        br__map_str(&map, "playbook", row.playbook);
        br__map_str(&map, "tenant", br__tenant_name(ask->brain, row.tenant));
        br__map_cstr(&map, "what", budget.what);
        br__map_str(&map, "per", budget.per);
        br__map_i64(&map, "used", budget.used);
        br__map_i64(&map, "limit", budget.limit);
        br__map_i64(&map, "window_ms", budget.window_ms);
        br__map_end(&map);
        count++;
    }
    rt_mpw_patch32(answer.w, header, count);
    br__map_u64(&answer, "total", total);
    br__answer_end(ask, &answer);
}

static bool
check_mode(const br_ask *ask, rt_str id, rt_str mode, br_playbook_info *ret_info)
{
    static const char *const modes[] = {"off", "shadow", "canary", "live"};
    const br_playbooks *set = ask->brain->state->playbooks;
    bool known = false;
    bool found = false;
    for (size_t i = 0; i < RT_COUNT(modes); i++) {
        known = known || rt_str_is(mode, modes[i]);
    }
    for (size_t i = 0; i < br_playbooks_count(set) && !found; i++) {
        *ret_info = br_playbooks_info(set, i);
        found = rt_str_equal(ret_info->id, id) && rt_str_is(ret_info->kind, "playbook");
    }
    if (!known) {
        br__refuse(ask->control, ask->call, RT_EINVAL, "modes are off, shadow, canary, live",
                   "unknown mode '%.*s'", RT_STR_ARG(mode));
    } else if (!found) {
        br__refuse(ask->control, ask->call, RT_ENOTFOUND, "brainctl playbooks list",
                   "no playbook '%.*s'", RT_STR_ARG(id));
    } else if (ret_info->mode == BR_MODE_OFF) {
        br__refuse(ask->control, ask->call, RT_EINVAL, "write mode: shadow, then reload",
                   "%.*s is off in its file, so that it is not looked at", RT_STR_ARG(id));
    }
    return known && found && ret_info->mode != BR_MODE_OFF;
}

void
br__ask_mode(const br_ask *ask)
{
    static const char *const names[] = {"off", "shadow", "canary", "live"};
    const br_state *state = ask->brain->state;
    rt_str id = br__arg_str(ask, "playbook");
    rt_str mode = br__arg_str(ask, "mode");
    rt_str reason = br__arg_str(ask, "reason");
    uint64_t percent = br__arg_u64(ask, "percent", 100);
    br_playbook_info info;
    char by[32];
    msg_mode was_set;
    if (!check_mode(ask, id, mode, &info)) {
        return;
    }
    if (percent > 100 || reason.len > REASON_MAX) {
        br__refuse(ask->control, ask->call, RT_ELIMIT, NULL,
                   "a share is at most 100 %%, a reason at most %d bytes", REASON_MAX);
        return;
    }
    br_playbook_mode was =
        br_course_mode(state->playbooks, state->progress, id, ask->control->arena, &was_set);
    br__name_user(ask, by, sizeof(by));
    rt_mpw data;
    rt_mpw_init(&data, 4096);
    br_map map = br__map_begin(&data);
    br__map_str(&map, "playbook", id);
    br__map_str(&map, "mode", mode);
    br__map_f64(&map, "percent", (double)percent);
    br__map_by(&map, ask, by);
    if (reason.len > 0) {
        br__map_str(&map, "reason", reason);
    }
    br__map_end(&map);
    bool taken = br__take_asked(ask, "playbook.mode_set", RT_TENANT_SYSTEM, RT_STR(""),
                                &data);
    rt_mpw_fini(&data);
    if (taken) {
        br_map answer = br__answer_begin(ask);
        br__map_str(&answer, "playbook", id);
        br__map_str(&answer, "mode", mode);
        br__map_u64(&answer, "percent", percent);
        br__map_cstr(&answer, "was", names[was]);
        if (was == BR_MODE_CANARY) {
            br__map_f64(&answer, "was_percent", was_set.percent);
        }
        br__map_cstr(&answer, "file_mode", names[info.mode]);
        br__map_u64(&answer, "seq", rt_journal_next_seq(ask->brain->journal) - 1);
        br__promise(ask, &answer);
    }
}
