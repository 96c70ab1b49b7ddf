// brainctl approvals, runs, budgets and playbooks promote: what playbooks do and may do.
#include <stdio.h>

#include "tools/brainctl/commands.h"
#include "tools/brainctl/door.h"
#include "tools/brainctl/output.h"

#define LIST_LIMIT 1000

// What would be done, in one cell.
static void
put_actions_cell(ctl_grid *grid, rt_bytes request)
{
    ctl_list actions = ctl_items(ctl_raw(request, "actions"));
    rt_bytes action;
    rt_text text;
    rt_text_init(&text, CTL_TEXT_MAX);
    while (ctl_next_item(&actions, &action)) {
        rt_text_printf(&text, "%s%.*s %.*s", text.len > 0 ? ", " : "",
                       RT_STR_ARG(ctl_str(action, "action")),
                       RT_STR_ARG(ctl_str(action, "target")));
    }
    ctl_grid_str(grid, CTL_CYAN, rt_text_view(&text));
    rt_text_fini(&text);
}

static void
put_requests(ctl_run *run, rt_bytes answer)
{
    static const ctl_column columns[] = {
        {"PLAYBOOK", false, 0}, {"KEY", false, 40},       {"ASKED (UTC)", false, 0},
        {"UNTIL", false, 0},    {"AGREED", true, 0},      {"WOULD DO", false, 60},
        {"WHY", false, 0}};
    ctl_list requests = ctl_items(ctl_raw(answer, "requests"));
    rt_bytes request;
    ctl_grid grid;
    ctl_grid_init(&grid, columns, RT_COUNT(columns));
    while (ctl_next_item(&requests, &request)) {
        ctl_grid_str(&grid, CTL_BOLD, ctl_str(request, "playbook"));
        ctl_grid_str(&grid, CTL_PLAIN, ctl_str(request, "key"));
        ctl_grid_time(&grid, ctl_i64(request, "since_ms"));
        ctl_grid_time(&grid, ctl_i64(request, "until_ms"));
        ctl_grid_printf(&grid, CTL_PLAIN, "%zu/%llu",
                        (size_t)ctl_items(ctl_raw(request, "votes")).left,
                        (unsigned long long)ctl_u64(request, "quorum"));
        put_actions_cell(&grid, request);
        ctl_grid_str(&grid, CTL_DIM, ctl_str(request, "why"));
    }
    ctl_put_grid(run, &grid, 0);
    ctl_grid_fini(&grid);
}

static int
ask_requests(ctl_run *run, const char *playbook, const char *key, rt_bytes *ret_answer)
{
    ctl_map args = ctl_map_begin(4096);
    ctl_map_u64(&args, "limit",
                ctl_given(run, CTL_FLAG_LIMIT) ? run->opt.limit : LIST_LIMIT);
    ctl_map_str(&args, "tenant", rt_str_of(run->opt.values[CTL_FLAG_TENANT]));
    ctl_map_str(&args, "playbook", rt_str_of(playbook));
    ctl_map_str(&args, "key", rt_str_of(key));
    ctl_map_bool(&args, "held", ctl_given(run, CTL_FLAG_HELD));
    int code = ctl_call(run, "approvals.list", &args, NULL, NULL, ret_answer);
    ctl_map_fini(&args);
    return code;
}

int
ctl_cmd_approvals_list(ctl_run *run)
{
    rt_bytes answer;
    int code = ask_requests(run, run->arg_count > 0 ? run->args[0] : "", "", &answer);
    if (code != CTL_OK) {
        return code;
    }
    if (ctl_is_json(run)) {
        ctl_put_json(run, answer);
    } else if (ctl_u64(answer, "total") == 0) {
        ctl_note(run, ctl_given(run, CTL_FLAG_HELD) ? "nothing is held" : "nobody is asked");
    } else {
        put_requests(run, answer);
        uint64_t shown = ctl_items(ctl_raw(answer, "requests")).left;
        if (shown < ctl_u64(answer, "total")) {
            ctl_note(run, "%llu of %llu shown", (unsigned long long)shown,
                     (unsigned long long)ctl_u64(answer, "total"));
        }
    }
    return CTL_OK;
}

static void
put_request(ctl_run *run, rt_bytes request)
{
    ctl_list actions = ctl_items(ctl_raw(request, "actions"));
    rt_bytes action;
    ctl_say(run, "  about    %.*s, event %llu of tenant %.*s\n",
            RT_STR_ARG(ctl_str(request, "subject")),
            (unsigned long long)ctl_u64(request, "event_seq"),
            RT_STR_ARG(ctl_str(request, "tenant")));
    ctl_say(run, "  why      %.*s\n", RT_STR_ARG(ctl_str(request, "why")));
    while (ctl_next_item(&actions, &action)) {
        ctl_say(run, "  would    %.*s %.*s\n", RT_STR_ARG(ctl_str(action, "action")),
                RT_STR_ARG(ctl_str(action, "target")));
        ctl_put_pairs(run, ctl_raw(action, "args"), 11);
    }
    ctl_say(run, "  agreed   %zu of %llu\n", (size_t)ctl_items(ctl_raw(request, "votes")).left,
            (unsigned long long)ctl_u64(request, "quorum"));
    ctl_say(run, "  digest   %.*s\n", RT_STR_ARG(ctl_str(request, "digest")));
}

int
ctl_cmd_approvals_show(ctl_run *run)
{
    rt_bytes answer;
    rt_bytes request;
    int code = ask_requests(run, run->args[0], run->args[1], &answer);
    if (code != CTL_OK) {
        return code;
    }
    ctl_list requests = ctl_items(ctl_raw(answer, "requests"));
    if (!ctl_next_item(&requests, &request)) {
        return ctl_refuse(run, RT_ENOTFOUND, "brainctl approvals list",
                          "playbook %s asks for nothing named '%s'", run->args[0], run->args[1]);
    }
    if (ctl_is_json(run)) {
        ctl_put_json(run, request);
        return CTL_OK;
    }
    ctl_say(run, "asked on ");
    ctl_time(&run->out, ctl_i64(request, "since_ms"));
    ctl_say(run, " UTC, until ");
    ctl_time(&run->out, ctl_i64(request, "until_ms"));
    ctl_say(run, " UTC\n");
    put_request(run, request);
    ctl_say(run, "next: brainctl approvals approve %s '%s'   |   brainctl approvals deny %s '%s' "
                 "--reason ...\n",
            run->args[0], run->args[1], run->args[0], run->args[1]);
    return CTL_OK;
}

static int
decide(ctl_run *run, const char *verdict)
{
    rt_bytes answer;
    ctl_map args = ctl_map_begin(4096);
    ctl_map_str(&args, "playbook", rt_str_of(run->args[0]));
    ctl_map_str(&args, "key", rt_str_of(run->args[1]));
    ctl_map_str(&args, "tenant", rt_str_of(run->opt.values[CTL_FLAG_TENANT]));
    ctl_map_str(&args, "reason", rt_str_of(run->opt.values[CTL_FLAG_REASON]));
    ctl_map_str(&args, "verdict", rt_str_of(verdict));
    int code = ctl_call(run, "approvals.decide", &args, NULL, NULL, &answer);
    ctl_map_fini(&args);
    if (code != CTL_OK) {
        return code;
    }
    uint64_t seq = ctl_u64(answer, "seq");
    if (ctl_is_json(run)) {
        ctl_put_json(run, answer);
    } else if (rt_str_is(ctl_str(answer, "verdict"), "denied")) {
        ctl_say(run, "denied, record %llu: nothing is done\n", (unsigned long long)seq);
    } else if (ctl_u64(answer, "agreed") < ctl_u64(answer, "quorum")) {
        ctl_say(run, "agreed, record %llu: %llu of %llu\n", (unsigned long long)seq,
                (unsigned long long)ctl_u64(answer, "agreed"),
                (unsigned long long)ctl_u64(answer, "quorum"));
    } else {
        ctl_say(run, "agreed, record %llu. what came of it: brainctl decisions explain %llu\n",
                (unsigned long long)seq, (unsigned long long)seq);
    }
    return CTL_OK;
}

int
ctl_cmd_approvals_approve(ctl_run *run)
{
    return decide(run, "granted");
}

int
ctl_cmd_approvals_deny(ctl_run *run)
{
    return decide(run, "denied");
}

static void
put_runs(ctl_run *run, rt_bytes answer)
{
    static const ctl_column columns[] = {{"PLAYBOOK", false, 0}, {"KEY", false, 0},
                                         {"SUBJECT", false, 40}, {"SINCE (UTC)", false, 0},
                                         {"STEP", true, 0},      {"TRIES", true, 0},
                                         {"ACTION", false, 0},   {"WAITS FOR", false, 0}};
    ctl_list runs = ctl_items(ctl_raw(answer, "runs"));
    rt_bytes item;
    ctl_grid grid;
    ctl_grid_init(&grid, columns, RT_COUNT(columns));
    while (ctl_next_item(&runs, &item)) {
        rt_str action_id = ctl_str(item, "action_id");
        bool undoing = ctl_bool(item, "undoing");
        ctl_grid_str(&grid, CTL_BOLD, ctl_str(item, "playbook"));
        ctl_grid_str(&grid, CTL_PLAIN, ctl_str(item, "key"));
        ctl_grid_str(&grid, CTL_PLAIN, ctl_str(item, "subject"));
        ctl_grid_time(&grid, ctl_i64(item, "since_ms"));
        ctl_grid_printf(&grid, CTL_PLAIN, "%llu/%llu", (unsigned long long)ctl_u64(item, "step"),
                        (unsigned long long)ctl_u64(item, "steps"));
        ctl_grid_printf(&grid, CTL_PLAIN, "%llu", (unsigned long long)ctl_u64(item, "tries"));
        ctl_grid_printf(&grid, undoing ? CTL_YELLOW : CTL_CYAN, "%s%.*s", undoing ? "undo of " : "",
                        RT_STR_ARG(ctl_str(item, "action")));
        ctl_grid_str(&grid, CTL_DIM, action_id.len > 0 ? action_id : RT_STR("its time"));
    }
    ctl_put_grid(run, &grid, 0);
    ctl_grid_fini(&grid);
}

int
ctl_cmd_runs_list(ctl_run *run)
{
    rt_bytes answer;
    ctl_map args = ctl_map_begin(4096);
    ctl_map_u64(&args, "limit",
                ctl_given(run, CTL_FLAG_LIMIT) ? run->opt.limit : LIST_LIMIT);
    ctl_map_str(&args, "playbook", rt_str_of(run->arg_count > 0 ? run->args[0] : ""));
    int code = ctl_call(run, "runs.list", &args, NULL, NULL, &answer);
    ctl_map_fini(&args);
    if (code != CTL_OK) {
        return code;
    }
    if (ctl_is_json(run)) {
        ctl_put_json(run, answer);
    } else if (ctl_u64(answer, "total") == 0) {
        ctl_note(run, "nothing is under way");
    } else {
        put_runs(run, answer);
    }
    return CTL_OK;
}

int
ctl_cmd_runs_ack(ctl_run *run)
{
    rt_bytes answer;
    ctl_map args = ctl_map_begin(4096);
    ctl_map_str(&args, "playbook", rt_str_of(run->args[0]));
    ctl_map_str(&args, "key", rt_str_of(run->args[1]));
    ctl_map_str(&args, "tenant", rt_str_of(run->opt.values[CTL_FLAG_TENANT]));
    ctl_map_str(&args, "reason", rt_str_of(run->opt.values[CTL_FLAG_REASON]));
    int code = ctl_call(run, "runs.acknowledge", &args, NULL, NULL, &answer);
    ctl_map_fini(&args);
    if (code != CTL_OK) {
        return code;
    }
    if (ctl_is_json(run)) {
        ctl_put_json(run, answer);
    } else {
        ctl_say(run, "taken over, record %llu: %llu steps are left out\n",
                (unsigned long long)ctl_u64(answer, "seq"),
                (unsigned long long)ctl_u64(answer, "steps_left"));
    }
    return CTL_OK;
}

int
ctl_cmd_budgets_show(ctl_run *run)
{
    static const ctl_column columns[] = {{"PLAYBOOK", false, 0}, {"WHAT", false, 0},
                                         {"PER", false, 40},     {"USED", true, 0},
                                         {"LIMIT", true, 0},     {"WINDOW", true, 0}};
    rt_bytes answer;
    rt_bytes budget;
    char text[32];
    ctl_grid grid;
    ctl_map args = ctl_map_begin(4096);
    ctl_map_u64(&args, "limit",
                ctl_given(run, CTL_FLAG_LIMIT) ? run->opt.limit : LIST_LIMIT);
    ctl_map_str(&args, "playbook", rt_str_of(run->arg_count > 0 ? run->args[0] : ""));
    int code = ctl_call(run, "budgets.show", &args, NULL, NULL, &answer);
    ctl_map_fini(&args);
    if (code != CTL_OK) {
        return code;
    }
    if (ctl_is_json(run)) {
        ctl_put_json(run, answer);
        return CTL_OK;
    }
    if (ctl_u64(answer, "total") == 0) {
        ctl_note(run, "nothing of any budget is used");
        return CTL_OK;
    }
    ctl_list budgets = ctl_items(ctl_raw(answer, "budgets"));
    ctl_grid_init(&grid, columns, RT_COUNT(columns));
    while (ctl_next_item(&budgets, &budget)) {
        int64_t used = ctl_i64(budget, "used");
        int64_t limit = ctl_i64(budget, "limit");
        rt_str per = ctl_str(budget, "per");
        ctl_grid_str(&grid, CTL_BOLD, ctl_str(budget, "playbook"));
        ctl_grid_str(&grid, CTL_PLAIN, ctl_str(budget, "what"));
        ctl_grid_str(&grid, CTL_PLAIN, per.len > 0 ? per : RT_STR("all"));
        ctl_grid_printf(&grid, used >= limit ? CTL_RED : CTL_PLAIN, "%lld", (long long)used);
        ctl_grid_printf(&grid, CTL_PLAIN, "%lld", (long long)limit);
        ctl_grid_cstr(&grid, CTL_PLAIN, rt_format_duration(ctl_i64(budget, "window_ms"), text,
                                                           sizeof(text)));
    }
    ctl_put_grid(run, &grid, 0);
    ctl_grid_fini(&grid);
    return CTL_OK;
}

// "canary:10" as mode and share; false for another form.
static bool
parse_mode(rt_str text, rt_str *ret_mode, uint64_t *ret_percent)
{
    const char *colon = memchr(text.ptr, ':', text.len);
    int64_t percent = 100;
    *ret_mode = text;
    *ret_percent = 100;
    if (colon == NULL) {
        return !rt_str_is(text, "canary");
    }
    *ret_mode = (rt_str){text.ptr, (size_t)(colon - text.ptr)};
    rt_str rest = {colon + 1, text.len - ret_mode->len - 1};
    if (rt_parse_i64(rest, &percent) != RT_OK || percent < 0 || percent > 100) {
        return false;
    }
    *ret_percent = (uint64_t)percent;
    return rt_str_is(*ret_mode, "canary");
}

static void
put_mode(ctl_run *run, const char *name, rt_str mode, bool has_percent, double percent)
{
    ctl_say(run, "%s%.*s", name, RT_STR_ARG(mode));
    if (has_percent) {
        ctl_say(run, ":%g", percent);
    }
}

int
ctl_cmd_playbooks_promote(ctl_run *run)
{
    rt_bytes answer;
    rt_str mode;
    uint64_t percent;
    if (!parse_mode(rt_str_of(run->args[1]), &mode, &percent)) {
        return ctl_refuse(run, RT_EINVAL, "off, shadow, canary:10 (percent) or live",
                          "no mode: '%s'", run->args[1]);
    }
    ctl_map args = ctl_map_begin(4096);
    ctl_map_str(&args, "playbook", rt_str_of(run->args[0]));
    ctl_map_str(&args, "mode", mode);
    ctl_map_u64(&args, "percent", percent);
    ctl_map_str(&args, "reason", rt_str_of(run->opt.values[CTL_FLAG_REASON]));
    int code = ctl_call(run, "playbooks.promote", &args, NULL, NULL, &answer);
    ctl_map_fini(&args);
    if (code != CTL_OK) {
        return code;
    }
    if (ctl_is_json(run)) {
        ctl_put_json(run, answer);
        return CTL_OK;
    }
    rt_str was = ctl_str(answer, "was");
    bool was_canary = rt_str_is(was, "canary");
    ctl_say(run, "%s is ", run->args[0]);
    put_mode(run, "", mode, rt_str_is(mode, "canary"), (double)percent);
    put_mode(run, " (was ", was, was_canary, ctl_f64(answer, "was_percent"));
    ctl_say(run, "), record %llu. it holds until its file says something else\nundo: ",
            (unsigned long long)ctl_u64(answer, "seq"));
    ctl_say(run, "brainctl playbooks promote %s ", run->args[0]);
    put_mode(run, "", was, was_canary, ctl_f64(answer, "was_percent"));
    ctl_say(run, "\n");
    return CTL_OK;
}
