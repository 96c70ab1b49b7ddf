// brainctl actions list and dlq.
#include <stdio.h>
#include <unistd.h>

#include "tools/brainctl/commands.h"
#include "tools/brainctl/door.h"
#include "tools/brainctl/output.h"
#include "tools/brainctl/query.h"

#define RECENT_LIMIT 20
#define REFS_MAX 1000

static const ctl_column action_columns[] = {
    {"ACTION ID", false, 0}, {"TIME (UTC)", false, 0}, {"STATUS", false, 0},
    {"ACTION", false, 32},   {"TARGET", false, 40},    {"DECISION", true, 0},
    {"DETAIL", false, 0},
};

static void
add_in_flight(ctl_grid *grid, rt_bytes intent)
{
    rt_text text;
    rt_text_init(&text, CTL_TEXT_MAX);
    ctl_show_pairs(&text, ctl_raw(intent, "args"));
    ctl_grid_str(grid, CTL_DIM, ctl_str(intent, "action_id"));
    ctl_grid_time(grid, ctl_i64(intent, "at_ms"));
    ctl_grid_cstr(grid, CTL_YELLOW, "in flight");
    ctl_grid_str(grid, CTL_CYAN, ctl_str(intent, "action"));
    ctl_grid_str(grid, CTL_PLAIN, ctl_str(intent, "target"));
    ctl_grid_printf(grid, CTL_PLAIN, "%llu", (unsigned long long)ctl_u64(intent, "decision_seq"));
    ctl_grid_str(grid, CTL_DIM, rt_text_view(&text));
    rt_text_fini(&text);
}

static void
add_ended(ctl_grid *grid, rt_bytes item)
{
    rt_bytes data = ctl_raw(item, "event.data");
    rt_str status = ctl_str(data, "status");
    ctl_grid_str(grid, CTL_DIM, ctl_str(data, "action_id"));
    ctl_grid_time(grid, ctl_i64(item, "at_ms"));
    ctl_grid_str(grid, rt_str_is(status, "executed") ? CTL_GREEN : CTL_RED, status);
    ctl_grid_str(grid, CTL_CYAN, ctl_str(data, "action"));
    ctl_grid_str(grid, CTL_PLAIN, ctl_str(item, "event.subject"));
    ctl_grid_printf(grid, CTL_PLAIN, "%llu", (unsigned long long)ctl_u64(data, "decision_seq"));
    ctl_grid_str(grid, CTL_DIM, ctl_str(data, "detail"));
}

static void
put_actions_json(ctl_run *run, rt_bytes answer, const ctl_found *ended)
{
    ctl_map map = ctl_map_begin(CTL_TEXT_MAX);
    rt_mpw_raw(ctl_map_key(&map, "in_flight"), ctl_raw(answer, "in_flight"));
    ctl_map_u64(&map, "in_flight_total", ctl_u64(answer, "total"));
    rt_mpw_array(ctl_map_key(&map, "recent"), (uint32_t)ended->count);
    for (size_t i = 0; i < ended->count; i++) {
        rt_mpw_raw(&map.w, ended->items[i]);
    }
    ctl_put_json(run, ctl_map_end(&map));
    ctl_map_fini(&map);
}

static void
put_actions(ctl_run *run, rt_bytes answer, const ctl_found *ended)
{
    ctl_list in_flight = ctl_items(ctl_raw(answer, "in_flight"));
    rt_bytes intent;
    ctl_grid grid;
    if (in_flight.left == 0 && ended->count == 0) {
        ctl_note(run, "no actions");
        return;
    }
    ctl_grid_init(&grid, action_columns, RT_COUNT(action_columns));
    for (size_t i = 0; i < ended->count; i++) {
        add_ended(&grid, ended->items[i]);
    }
    while (ctl_next_item(&in_flight, &intent)) {
        add_in_flight(&grid, intent);
    }
    ctl_put_grid(run, &grid, 0);
    ctl_grid_fini(&grid);
}

int
ctl_cmd_actions_list(ctl_run *run)
{
    ctl_query query = ctl_query_of(run, "event", RECENT_LIMIT);
    ctl_found ended;
    rt_bytes answer;
    ctl_map args = ctl_map_begin(4096);
    query.type = RT_STR("action.executed");
    ctl_map_str(&args, "tenant", query.tenant);
    ctl_map_u64(&args, "limit", query.limit);
    int code = ctl_call(run, "actions.list", &args, NULL, NULL, &answer);
    ctl_map_fini(&args);
    if (code == CTL_OK) {
        code = ctl_query_run(run, &query, &ended);
    }
    if (code != CTL_OK) {
        return code;
    }
    if (ctl_is_json(run)) {
        put_actions_json(run, answer, &ended);
    } else {
        put_actions(run, answer, &ended);
    }
    ctl_found_free(&ended);
    return CTL_OK;
}

static int
ask_letters(ctl_run *run, uint64_t limit, rt_bytes *ret_answer)
{
    ctl_map args = ctl_map_begin(4096);
    ctl_map_u64(&args, "limit", limit);
    int code = ctl_call(run, "dlq.list", &args, NULL, NULL, ret_answer);
    ctl_map_fini(&args);
    return code;
}

static void
put_letters(ctl_run *run, rt_bytes answer)
{
    static const ctl_column columns[] = {
        {"REF", false, 0},      {"TIME (UTC)", false, 0}, {"OWNER", false, 0},
        {"ATTEMPTS", true, 0},  {"RETRY", false, 0},      {"CAUSE", false, 0}};
    ctl_list letters = ctl_items(ctl_raw(answer, "letters"));
    rt_bytes letter;
    ctl_grid grid;
    ctl_grid_init(&grid, columns, RT_COUNT(columns));
    while (ctl_next_item(&letters, &letter)) {
        ctl_grid_str(&grid, CTL_BOLD, ctl_str(letter, "ref"));
        ctl_grid_time(&grid, ctl_i64(letter, "at_ms"));
        ctl_grid_str(&grid, CTL_PLAIN, ctl_str(letter, "owner"));
        ctl_grid_printf(&grid, CTL_PLAIN, "%llu",
                        (unsigned long long)ctl_u64(letter, "attempts"));
        ctl_grid_cstr(&grid, CTL_DIM, ctl_bool(letter, "retryable") ? "yes" : "no");
        ctl_grid_str(&grid, CTL_RED, ctl_str(letter, "cause"));
    }
    ctl_put_grid(run, &grid, 0);
    ctl_grid_fini(&grid);
}

int
ctl_cmd_dlq_list(ctl_run *run)
{
    rt_bytes answer;
    uint64_t limit = ctl_given(run, CTL_FLAG_LIMIT) ? run->opt.limit : REFS_MAX;
    int code = ask_letters(run, limit, &answer);
    if (code != CTL_OK) {
        return code;
    }
    if (ctl_is_json(run)) {
        ctl_put_json(run, answer);
    } else if (ctl_u64(answer, "total") == 0) {
        ctl_note(run, "no dead letters");
    } else {
        put_letters(run, answer);
        uint64_t shown = ctl_items(ctl_raw(answer, "letters")).left;
        if (shown < ctl_u64(answer, "total")) {
            ctl_note(run, "%llu of %llu shown", (unsigned long long)shown,
                     (unsigned long long)ctl_u64(answer, "total"));
        }
    }
    return CTL_OK;
}

int
ctl_cmd_dlq_show(ctl_run *run)
{
    rt_bytes answer;
    ctl_map args = ctl_map_begin(4096);
    ctl_map_str(&args, "ref", rt_str_of(run->args[0]));
    int code = ctl_call(run, "dlq.show", &args, NULL, NULL, &answer);
    ctl_map_fini(&args);
    if (code != CTL_OK) {
        return code;
    }
    rt_bytes letter = ctl_raw(answer, "letter");
    if (ctl_is_json(run)) {
        ctl_put_json(run, letter);
    } else {
        ctl_say(run, "dead letter of ");
        ctl_time(&run->out, ctl_i64(letter, "at_ms"));
        ctl_say(run, " UTC, record %llu\n", (unsigned long long)ctl_u64(letter, "seq"));
        ctl_put_pairs(run, letter, 2);
    }
    return CTL_OK;
}

// Asks on a terminal; elsewhere only --yes lets it pass.
static bool
confirmed(const ctl_run *run, const char *what, uint64_t count)
{
    char answer[8] = "";
    if (ctl_given(run, CTL_FLAG_YES)) {
        return true;
    }
    if (!isatty(STDIN_FILENO) || !isatty(STDERR_FILENO)) {
        return false;
    }
    (void)fprintf(stderr, "%s %llu dead letters? [y/N] ", what, (unsigned long long)count);
    return fgets(answer, sizeof(answer), stdin) != NULL && (answer[0] == 'y' || answer[0] == 'Y');
}

static int
resolve_one(ctl_run *run, const char *command, rt_str ref)
{
    rt_bytes answer;
    ctl_map args = ctl_map_begin(4096);
    ctl_map_str(&args, "ref", ref);
    int code = ctl_call(run, command, &args, NULL, NULL, &answer);
    ctl_map_fini(&args);
    return code;
}

// All letters that can be; for a retry only actions.
static size_t
gather_refs(ctl_run *run, rt_bytes answer, bool retry, rt_str refs[REFS_MAX])
{
    ctl_list letters = ctl_items(ctl_raw(answer, "letters"));
    rt_bytes letter;
    size_t count = 0;
    while (count < REFS_MAX && ctl_next_item(&letters, &letter)) {
        if (!retry || ctl_bool(letter, "retryable")) {
            refs[count++] = rt_arena_str(run->arena, ctl_str(letter, "ref"));
        }
    }
    return count;
}

static void
put_resolved(ctl_run *run, bool retry, size_t done, size_t count)
{
    if (ctl_is_json(run)) {
        ctl_map map = ctl_map_begin(1024);
        ctl_map_u64(&map, retry ? "retried" : "discarded", done);
        ctl_map_u64(&map, "failed", count - done);
        ctl_put_json(run, ctl_map_end(&map));
        ctl_map_fini(&map);
    } else {
        ctl_say(run, "%s %zu of %zu\n", retry ? "retried" : "discarded", done, count);
    }
}

static int
resolve(ctl_run *run, bool retry)
{
    rt_str refs[REFS_MAX];
    rt_bytes answer;
    size_t count = 0;
    size_t done = 0;
    int code = CTL_OK;
    bool all = ctl_given(run, CTL_FLAG_ALL);
    const char *command = retry ? "dlq.retry" : "dlq.discard";
    if (all == (run->arg_count > 0)) {
        return ctl_refuse(run, RT_EINVAL, "brainctl dlq list shows them",
                          "references or --all are wanted");
    }
    if (all) {
        code = ask_letters(run, REFS_MAX, &answer);
        count = code == CTL_OK ? gather_refs(run, answer, retry, refs) : 0;
    } else {
        for (; count < run->arg_count; count++) {
            refs[count] = rt_str_of(run->args[count]);
        }
    }
    bool ask = all || !retry; // a retry by name is asked for clearly enough
    if (code == CTL_OK && ask && count > 0 &&
        !confirmed(run, retry ? "retry" : "discard", count)) {
        return ctl_refuse(run, RT_EINVAL, "add --yes", "not confirmed");
    }
    for (size_t i = 0; i < count; i++) {
        int one = resolve_one(run, command, refs[i]);
        done += one == CTL_OK;
        code = one != CTL_OK ? one : code;
        if (one != CTL_OK && one != CTL_NOT_FOUND && one != CTL_FAILED) {
            break; // halted, denied or gone: it is the same for all
        }
    }
    if (code == CTL_OK || done > 0) {
        put_resolved(run, retry, done, count);
    }
    return code;
}

int
ctl_cmd_dlq_retry(ctl_run *run)
{
    return resolve(run, true);
}

int
ctl_cmd_dlq_discard(ctl_run *run)
{
    return resolve(run, false);
}
