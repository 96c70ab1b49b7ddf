// brainctl agents list and memory show.
#include "tools/brainctl/commands.h"
#include "tools/brainctl/door.h"
#include "tools/brainctl/output.h"

static ctl_style
state_style(rt_str state)
{
    return rt_str_is(state, "running") ? CTL_GREEN : CTL_RED;
}

static void
add_agent(ctl_grid *grid, rt_bytes agent)
{
    ctl_list hears = ctl_items(ctl_raw(agent, "hears"));
    rt_bytes type;
    rt_text text;
    rt_text_init(&text, CTL_TEXT_MAX);
    ctl_grid_str(grid, CTL_BOLD, ctl_str(agent, "name"));
    ctl_grid_str(grid, CTL_PLAIN, ctl_str(agent, "host"));
    ctl_grid_str(grid, state_style(ctl_str(agent, "state")), ctl_str(agent, "state"));
    ctl_grid_printf(grid, CTL_PLAIN, "%llu", (unsigned long long)ctl_u64(agent, "heard"));
    ctl_grid_printf(grid, CTL_PLAIN, "%llu", (unsigned long long)ctl_u64(agent, "proposals"));
    ctl_grid_printf(grid, CTL_PLAIN, "%llu", (unsigned long long)ctl_u64(agent, "restarts"));
    ctl_grid_printf(grid, CTL_PLAIN, "%llu", (unsigned long long)ctl_u64(agent, "rows"));
    for (bool first = true; ctl_next_item(&hears, &type); first = false) {
        rt_text_cstr(&text, first ? "" : " ");
        ctl_clean(&text, ctl_text(type));
    }
    ctl_grid_str(grid, CTL_DIM, rt_text_view(&text));
    rt_text_fini(&text);
}

static void
put_agents(ctl_run *run, rt_bytes answer)
{
    static const ctl_column columns[] = {
        {"AGENT", false, 0},    {"HOST", false, 0},     {"STATE", false, 0}, {"HEARD", true, 0},
        {"PROPOSED", true, 0},  {"RESTARTS", true, 0},  {"ROWS", true, 0},   {"HEARS", false, 0}};
    ctl_list agents = ctl_items(ctl_raw(answer, "agents"));
    ctl_list hosts = ctl_items(ctl_raw(answer, "hosts"));
    rt_bytes item;
    ctl_grid grid;
    ctl_grid_init(&grid, columns, RT_COUNT(columns));
    while (ctl_next_item(&agents, &item)) {
        add_agent(&grid, item);
    }
    ctl_put_grid(run, &grid, 0);
    ctl_grid_fini(&grid);
    while (ctl_next_item(&hosts, &item)) {
        if (!ctl_bool(item, "up")) {
            ctl_note(run, "host %.*s is down", RT_STR_ARG(ctl_str(item, "name")));
        } else if (!ctl_bool(item, "live")) {
            ctl_note(run, "host %.*s is %llu records behind", RT_STR_ARG(ctl_str(item, "name")),
                     (unsigned long long)ctl_u64(item, "behind"));
        }
    }
}

int
ctl_cmd_agents_list(ctl_run *run)
{
    rt_bytes answer;
    int code = ctl_call(run, "agents.list", NULL, NULL, NULL, &answer);
    if (code != CTL_OK) {
        return code;
    }
    if (ctl_is_json(run)) {
        ctl_put_json(run, answer);
    } else {
        put_agents(run, answer);
    }
    return CTL_OK;
}

static void
put_map(ctl_run *run, const char *heading, rt_bytes map)
{
    if (ctl_pairs(map).left > 0) {
        ctl_heading(run, heading);
        ctl_put_pairs(run, map, 2);
    }
}

static void
put_entries(ctl_run *run, const char *heading, rt_bytes entries)
{
    static const ctl_column columns[] = {
        {"SEQ", true, 0}, {"TIME (UTC)", false, 0}, {"TYPE", false, 0}, {"IMPORTANCE", true, 0}};
    ctl_list list = ctl_items(entries);
    rt_bytes entry;
    ctl_grid grid;
    rt_text text;
    ctl_heading(run, heading);
    if (list.left == 0) {
        ctl_say(run, "  nothing\n");
        return;
    }
    ctl_grid_init(&grid, columns, RT_COUNT(columns));
    rt_text_init(&text, CTL_TEXT_MAX);
    while (ctl_next_item(&list, &entry)) {
        ctl_grid_printf(&grid, CTL_DIM, "%llu", (unsigned long long)ctl_u64(entry, "seq"));
        rt_text_clear(&text);
        ctl_time(&text, ctl_i64(entry, "at_ms"));
        ctl_grid_str(&grid, CTL_PLAIN, rt_text_view(&text));
        ctl_grid_str(&grid, CTL_CYAN, ctl_str(entry, "type"));
        ctl_grid_printf(&grid, CTL_PLAIN, "%.2g", ctl_f64(entry, "importance"));
    }
    ctl_put_grid(run, &grid, 2);
    rt_text_fini(&text);
    ctl_grid_fini(&grid);
}

static void
put_subject(ctl_run *run, rt_bytes answer)
{
    ctl_put(run, CTL_BOLD, ctl_str(answer, "subject"));
    ctl_say(run, "  tenant ");
    ctl_put(run, CTL_PLAIN, ctl_str(answer, "tenant"));
    ctl_say(run, "  %llu events, first ", (unsigned long long)ctl_u64(answer, "events"));
    ctl_time(&run->out, ctl_i64(answer, "first_ms"));
    ctl_say(run, ", last ");
    ctl_time(&run->out, ctl_i64(answer, "last_ms"));
    ctl_say(run, "\n");
    put_map(run, "ATTRIBUTES", ctl_raw(answer, "attributes"));
    put_map(run, "FEATURES", ctl_raw(answer, "features"));
    put_entries(run, "SHORT TERM", ctl_raw(answer, "recent"));
    put_entries(run, "LONG TERM", ctl_raw(answer, "longterm"));
}

int
ctl_cmd_memory_show(ctl_run *run)
{
    rt_str subject = rt_str_of(run->arg_count > 0 ? run->args[0] : NULL);
    const char *type = run->opt.values[CTL_FLAG_TYPE];
    const char *tag = run->opt.values[CTL_FLAG_TAG];
    rt_bytes answer;
    if ((subject.len > 0) + (type != NULL) + (tag != NULL) != 1) {
        return ctl_refuse(run, RT_EINVAL, "brainctl memory show order/45871",
                          "one of a subject, --type or --tag is wanted");
    }
    ctl_map args = ctl_map_begin(4096);
    ctl_map_str(&args, "subject", subject);
    ctl_map_str(&args, "type", rt_str_of(type));
    ctl_map_str(&args, "tag", rt_str_of(tag));
    ctl_map_str(&args, "tenant", rt_str_of(run->opt.values[CTL_FLAG_TENANT]));
    int code = ctl_call(run, "memory.show", &args, NULL, NULL, &answer);
    ctl_map_fini(&args);
    if (code != CTL_OK) {
        return code;
    }
    if (ctl_is_json(run)) {
        ctl_put_json(run, answer);
    } else if (subject.len > 0) {
        put_subject(run, answer);
    } else {
        put_entries(run, "LONG TERM", ctl_raw(answer, "longterm"));
    }
    return CTL_OK;
}
