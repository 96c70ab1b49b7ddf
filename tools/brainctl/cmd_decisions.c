// brainctl decisions list, tail and show. A decision is named by the number of its event.
#include "tools/brainctl/commands.h"
#include "tools/brainctl/decision.h"
#include "tools/brainctl/output.h"
#include "tools/brainctl/query.h"
#include "tools/brainctl/tail.h"

#define LIST_LIMIT 20

static const ctl_column columns[] = {
    {"SEQ", true, 0},      {"TIME (UTC)", false, 0}, {"EVENT", false, 28}, {"SUBJECT", false, 32},
    {"ACTION", false, 32}, {"TARGET", false, 32},    {"BY", false, 32},    {"SCORE", true, 0},
    {"ALSO", false, 0},
};

static ctl_query
query_of(const ctl_run *run, uint64_t limit)
{
    ctl_query query = ctl_query_of(run, "decision", limit);
    query.said = !ctl_given(run, CTL_FLAG_ALL);
    return query;
}

static void
put_others(rt_text *out, const ctl_verdicts *v)
{
    if (v->won > 1) {
        rt_text_printf(out, "+%u won ", v->won - 1);
    }
    if (v->lost > 0) {
        rt_text_printf(out, "+%u lost ", v->lost);
    }
    if (v->waiting > 0) {
        rt_text_printf(out, "+%u waiting ", v->waiting);
    }
    if (v->refused > 0) {
        rt_text_printf(out, "+%u refused ", v->refused);
    }
    if (v->shadow > 0) {
        rt_text_printf(out, "+%u shadow ", v->shadow);
    }
    while (out->len > 0 && out->ptr[out->len - 1] == ' ') {
        out->ptr[--out->len] = '\0';
    }
}

static void
add_row(ctl_grid *grid, rt_bytes item)
{
    ctl_verdicts v = ctl_verdicts_of(item);
    rt_str action = ctl_str(v.winner, "proposal.action");
    rt_text text;
    rt_text_init(&text, CTL_TEXT_MAX);
    ctl_grid_printf(grid, CTL_DIM, "%llu",
                    (unsigned long long)ctl_u64(item, "decision.event_seq"));
    ctl_time(&text, ctl_i64(item, "at_ms"));
    ctl_grid_str(grid, CTL_PLAIN, rt_text_view(&text));
    ctl_grid_str(grid, CTL_CYAN, ctl_str(item, "decision.event_type"));
    ctl_grid_str(grid, CTL_PLAIN, ctl_str(item, "decision.subject"));
    ctl_grid_str(grid, CTL_BOLD, action.len > 0 ? action : RT_STR("-"));
    ctl_grid_str(grid, CTL_PLAIN, ctl_str(v.winner, "proposal.target"));
    ctl_grid_str(grid, CTL_PLAIN, ctl_str(v.winner, "proposal.agent"));
    rt_text_clear(&text);
    if (v.winner.len > 0) {
        ctl_number(&text, ctl_f64(v.winner, "score"));
    }
    ctl_grid_str(grid, CTL_PLAIN, rt_text_view(&text));
    rt_text_clear(&text);
    put_others(&text, &v);
    ctl_grid_str(grid, CTL_DIM, rt_text_view(&text));
    rt_text_fini(&text);
}

int
ctl_cmd_decisions_list(ctl_run *run)
{
    ctl_query query = query_of(run, LIST_LIMIT);
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
        ctl_note(run, query.said ? "no decisions that anybody said something on; --all shows all"
                                 : "no decisions");
    } else {
        ctl_put_grid(run, &grid, 0);
    }
    ctl_grid_fini(&grid);
    ctl_found_free(&found);
    return CTL_OK;
}

static void
put_padded(ctl_run *run, ctl_style style, rt_str value, uint32_t width)
{
    rt_text text;
    rt_text_init(&text, CTL_TEXT_MAX);
    ctl_clean(&text, value);
    ctl_pad(&run->out, run->color, style, rt_text_view(&text), width, false);
    ctl_say(run, "  ");
    rt_text_fini(&text);
}

static void
put_line(ctl_run *run, rt_bytes item)
{
    ctl_verdicts v = ctl_verdicts_of(item);
    rt_text text;
    rt_text_init(&text, CTL_TEXT_MAX);
    ctl_clock(&text, ctl_i64(item, "at_ms"));
    rt_text_printf(&text, "  %llu  ", (unsigned long long)ctl_u64(item, "decision.event_seq"));
    ctl_put(run, CTL_DIM, rt_text_view(&text));
    put_padded(run, CTL_CYAN, ctl_str(item, "decision.event_type"), 20);
    put_padded(run, CTL_BOLD, ctl_str(item, "decision.subject"), 18);
    rt_text_clear(&text);
    if (v.winner.len > 0) {
        ctl_say(run, "\xe2\x86\x92 ");
        ctl_put(run, CTL_GREEN, ctl_str(v.winner, "proposal.action"));
        ctl_say(run, " ");
        ctl_put(run, CTL_PLAIN, ctl_str(v.winner, "proposal.target"));
        ctl_say(run, " ");
        ctl_show_pairs(&run->out, ctl_raw(v.winner, "proposal.args"));
        ctl_say(run, "  ");
        ctl_put(run, CTL_DIM, ctl_str(v.winner, "proposal.agent"));
        ctl_say(run, "  ");
        ctl_number(&run->out, ctl_f64(v.winner, "score"));
    } else {
        ctl_put(run, CTL_DIM, RT_STR("- no action"));
    }
    put_others(&text, &v);
    if (text.len > 0) {
        ctl_say(run, "  ");
        ctl_put(run, CTL_DIM, rt_text_view(&text));
    }
    ctl_say(run, "\n");
    rt_text_fini(&text);
}

int
ctl_cmd_decisions_tail(ctl_run *run)
{
    ctl_query query = query_of(run, 0);
    return ctl_tail(run, &query, put_line);
}

static void
put_decision(ctl_run *run, rt_bytes item)
{
    rt_bytes candidates = ctl_raw(item, "decision.candidates");
    ctl_list list = ctl_items(candidates);
    ctl_say(run, "decision %llu  ", (unsigned long long)ctl_u64(item, "decision.event_seq"));
    ctl_put(run, CTL_CYAN, ctl_str(item, "decision.event_type"));
    ctl_say(run, " ");
    ctl_put(run, CTL_BOLD, ctl_str(item, "decision.subject"));
    ctl_say(run, "  ");
    ctl_time(&run->out, ctl_i64(item, "at_ms"));
    ctl_say(run, " UTC  playbooks v%llu\n",
            (unsigned long long)ctl_u64(item, "decision.playbooks"));
    if (list.left == 0) {
        ctl_say(run, "  nobody proposed anything\n");
    } else {
        ctl_put_candidates(run, candidates, 2);
    }
}

int
ctl_cmd_decisions_show(ctl_run *run)
{
    uint64_t seq;
    rt_bytes answer;
    int code = ctl_read_seq(run, run->args[0], &seq);
    if (code == CTL_OK) {
        code = ctl_explain_run(run, seq, &answer);
    }
    if (code != CTL_OK) {
        return code;
    }
    rt_bytes item = ctl_raw(answer, "decision");
    if (item.len == 0) {
        return ctl_refuse(run, RT_ENOTFOUND, "brainctl decisions explain tells why",
                          "there is no decision on record %s", run->args[0]);
    }
    if (ctl_is_json(run)) {
        ctl_put_json(run, item);
    } else {
        put_decision(run, item);
    }
    return CTL_OK;
}
