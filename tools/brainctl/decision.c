#include "tools/brainctl/decision.h"

#include <stdio.h>

#include "tools/brainctl/output.h"

#define FACTORS_SHOWN 6

ctl_verdicts
ctl_verdicts_of(rt_bytes item)
{
    ctl_verdicts v = {.won = 0};
    ctl_list list = ctl_items(ctl_raw(item, "decision.candidates"));
    rt_bytes candidate;
    while (ctl_next_item(&list, &candidate)) {
        rt_str verdict = ctl_str(candidate, "verdict");
        if (rt_str_is(verdict, "shadow")) {
            v.shadow++;
        } else if (ctl_str(candidate, "action_id").len > 0) {
            v.won++;
            if (v.winner.len == 0 || ctl_f64(candidate, "score") > ctl_f64(v.winner, "score")) {
                v.winner = candidate;
            }
        } else if (rt_str_is(verdict, "waiting")) {
            v.waiting++;
        } else if (rt_str_is(verdict, "refused")) {
            v.refused++;
        } else if (!rt_str_is(verdict, "won")) {
            v.lost++;
        }
    }
    return v;
}

void
ctl_put_factors(rt_text *out, rt_bytes factors)
{
    ctl_list list = ctl_items(factors);
    rt_bytes factor;
    for (int i = 0; i < FACTORS_SHOWN && ctl_next_item(&list, &factor); i++) {
        double contribution = ctl_f64(factor, "contribution");
        rt_text_cstr(out, i > 0 ? " \xc2\xb7 " : "");
        ctl_clean(out, ctl_str(factor, "name"));
        rt_text_cstr(out, " ");
        ctl_number(out, ctl_f64(factor, "value"));
        rt_text_cstr(out, contribution < 0 ? " (" : " (+");
        ctl_number(out, contribution);
        rt_text_cstr(out, ")");
    }
}

static ctl_style
verdict_style(rt_str verdict)
{
    if (rt_str_is(verdict, "won")) {
        return CTL_GREEN;
    }
    if (rt_str_is(verdict, "refused") || rt_str_is(verdict, "vetoed")) {
        return CTL_RED;
    }
    if (rt_str_is(verdict, "waiting")) {
        return CTL_YELLOW;
    }
    return CTL_DIM;
}

static void
add_candidate(ctl_grid *grid, rt_bytes candidate)
{
    rt_str verdict = ctl_str(candidate, "verdict");
    bool veto = ctl_bool(candidate, "proposal.veto");
    rt_text text;
    rt_text_init(&text, CTL_TEXT_MAX);
    ctl_grid_str(grid, verdict_style(verdict), veto ? RT_STR("veto") : verdict);
    ctl_grid_str(grid, CTL_CYAN, ctl_str(candidate, "proposal.action"));
    ctl_grid_str(grid, CTL_PLAIN, ctl_str(candidate, "proposal.target"));
    ctl_number(&text, ctl_f64(candidate, "score"));
    ctl_grid_str(grid, CTL_PLAIN, rt_text_view(&text));
    ctl_grid_str(grid, CTL_PLAIN, ctl_str(candidate, "proposal.agent"));
    ctl_grid_str(grid, CTL_DIM, ctl_str(candidate, "why"));
    rt_text_fini(&text);
}

void
ctl_put_candidates(ctl_run *run, rt_bytes candidates, uint32_t indent)
{
    static const ctl_column columns[] = {{"VERDICT", false, 0}, {"ACTION", false, 32},
                                         {"TARGET", false, 40}, {"SCORE", true, 0},
                                         {"BY", false, 40},     {"WHY", false, 0}};
    ctl_list list = ctl_items(candidates);
    rt_bytes candidate;
    ctl_grid grid;
    ctl_grid_init(&grid, columns, RT_COUNT(columns));
    while (ctl_next_item(&list, &candidate)) {
        add_candidate(&grid, candidate);
    }
    ctl_put_grid(run, &grid, indent);
    ctl_grid_fini(&grid);
}
