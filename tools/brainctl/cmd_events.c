// brainctl events list, get and tail.
#include "tools/brainctl/commands.h"
#include "tools/brainctl/output.h"
#include "tools/brainctl/query.h"
#include "tools/brainctl/tail.h"
#include "tools/brainctl/value.h"

#define LIST_LIMIT 20

static const ctl_column columns[] = {
    {"SEQ", true, 0},  {"TIME (UTC)", false, 0}, {"TYPE", false, 32}, {"SUBJECT", false, 40},
    {"SOURCE", false, 32}, {"DATA", false, 0},
};

static void
add_row(ctl_grid *grid, rt_bytes item)
{
    rt_text text;
    rt_text_init(&text, CTL_TEXT_MAX);
    ctl_grid_printf(grid, CTL_DIM, "%llu", (unsigned long long)ctl_u64(item, "seq"));
    ctl_time(&text, ctl_i64(item, "at_ms"));
    ctl_grid_str(grid, CTL_PLAIN, rt_text_view(&text));
    ctl_grid_str(grid, CTL_CYAN, ctl_str(item, "event.type"));
    ctl_grid_str(grid, CTL_PLAIN, ctl_str(item, "event.subject"));
    ctl_grid_str(grid, CTL_DIM, ctl_str(item, "event.source"));
    rt_text_clear(&text);
    if (ctl_has(item, "error")) {
        ctl_clean(&text, ctl_str(item, "error"));
    } else {
        ctl_show_pairs(&text, ctl_raw(item, "event.data"));
    }
    ctl_grid_str(grid, CTL_PLAIN, rt_text_view(&text));
    rt_text_fini(&text);
}

int
ctl_cmd_events_list(ctl_run *run)
{
    ctl_query query = ctl_query_of(run, "event", LIST_LIMIT);
    ctl_found found;
    ctl_grid grid;
    int code = ctl_query_run(run, &query, &found);
    if (code != CTL_OK) {
        return code;
    }
    ctl_grid_init(&grid, columns, RT_COUNT(columns));
    if (ctl_is_json(run)) {
        ctl_list_begin(run);
    }
    for (size_t i = 0; i < found.count; i++) {
        if (ctl_is_json(run)) {
            ctl_list_item(run, found.items[i]);
        } else {
            add_row(&grid, found.items[i]);
        }
    }
    if (ctl_is_json(run)) {
        ctl_list_end(run);
    } else if (found.count == 0) {
        ctl_note(run, "no events");
    } else {
        ctl_put_grid(run, &grid, 0);
    }
    ctl_grid_fini(&grid);
    ctl_found_free(&found);
    return CTL_OK;
}

static void
put_record(ctl_run *run, rt_bytes item)
{
    ctl_say(run, "record %llu  %.*s  ", (unsigned long long)ctl_u64(item, "seq"),
            RT_STR_ARG(ctl_str(item, "kind")));
    ctl_time(&run->out, ctl_i64(item, "at_ms"));
    ctl_say(run, " UTC\n");
    ctl_put_pairs(run, item, 2);
}

int
ctl_cmd_events_get(ctl_run *run)
{
    ctl_query query = {.kind = "event,decision,playbooks,reject,start",
                       .context = true,
                       .limit = 1};
    ctl_found found;
    int code = ctl_read_seq(run, run->args[0], &query.from);
    if (code == CTL_OK) {
        code = ctl_query_run(run, &query, &found);
    }
    if (code != CTL_OK) {
        return code;
    }
    if (found.count == 0 || ctl_u64(found.items[0], "seq") != query.from) {
        code = ctl_refuse(run, RT_ENOTFOUND, NULL, "the journal does not hold record %s",
                          run->args[0]);
    } else if (ctl_is_json(run)) {
        ctl_put_json(run, found.items[0]);
    } else {
        put_record(run, found.items[0]);
    }
    ctl_found_free(&found);
    return code;
}

static void
put_line(ctl_run *run, rt_bytes item)
{
    rt_text text;
    rt_text_init(&text, CTL_TEXT_MAX);
    ctl_clock(&text, ctl_i64(item, "at_ms"));
    rt_text_printf(&text, "  %llu  ", (unsigned long long)ctl_u64(item, "seq"));
    ctl_put(run, CTL_DIM, rt_text_view(&text));
    rt_text_clear(&text);
    ctl_clean(&text, ctl_str(item, "event.type"));
    ctl_pad(&run->out, run->color, CTL_CYAN, rt_text_view(&text), 22, false);
    ctl_say(run, "  ");
    rt_text_clear(&text);
    ctl_clean(&text, ctl_str(item, "event.subject"));
    ctl_pad(&run->out, run->color, CTL_BOLD, rt_text_view(&text), 20, false);
    ctl_say(run, "  ");
    ctl_show_pairs(&run->out, ctl_raw(item, "event.data"));
    ctl_say(run, "\n");
    rt_text_fini(&text);
}

int
ctl_cmd_events_tail(ctl_run *run)
{
    ctl_query query = ctl_query_of(run, "event", 0);
    return ctl_tail(run, &query, put_line);
}
