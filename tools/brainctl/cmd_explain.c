// brainctl decisions explain: one event from what was known to what came of it.
#include <stdio.h>

#include "tools/brainctl/commands.h"
#include "tools/brainctl/decision.h"
#include "tools/brainctl/output.h"
#include "tools/brainctl/query.h"
#include "tools/brainctl/tail.h"

static void
put_section(ctl_run *run, const char *heading, rt_bytes map)
{
    ctl_list list = ctl_pairs(map);
    if (list.left > 0) {
        ctl_heading(run, heading);
        ctl_put_pairs(run, map, 2);
    }
}

static void
put_title(ctl_run *run, rt_bytes answer)
{
    rt_bytes event = ctl_raw(answer, "event");
    rt_bytes decision = ctl_raw(answer, "decision");
    ctl_verdicts v = ctl_verdicts_of(decision);
    ctl_put(run, CTL_BOLD, RT_STR("decision "));
    ctl_say(run, "%llu  ", (unsigned long long)ctl_u64(event, "seq"));
    if (v.winner.len > 0) {
        ctl_put(run, CTL_GREEN, ctl_str(v.winner, "proposal.action"));
        ctl_say(run, " ");
        ctl_put(run, CTL_BOLD, ctl_str(v.winner, "proposal.target"));
        ctl_say(run, "   by ");
        ctl_put(run, CTL_PLAIN, ctl_str(v.winner, "proposal.agent"));
        ctl_say(run, "   confidence ");
        ctl_number(&run->out, ctl_f64(v.winner, "proposal.confidence"));
    } else if (decision.len > 0) {
        ctl_say(run, "no action");
    } else if (ctl_bool(event, "undecided")) {
        ctl_say(run, "not decided yet");
    } else {
        ctl_say(run, "not decided: neither agents nor playbooks hear this type of event");
    }
    ctl_say(run, "\n");
}

static void
put_event(ctl_run *run, rt_bytes item)
{
    rt_bytes event = ctl_raw(item, "event");
    ctl_heading(run, "EVENT");
    ctl_say(run, "  ");
    ctl_put(run, CTL_CYAN, ctl_str(event, "type"));
    ctl_say(run, "  ");
    ctl_put(run, CTL_BOLD, ctl_str(event, "subject"));
    ctl_say(run, "  ");
    ctl_time(&run->out, ctl_i64(item, "at_ms"));
    ctl_say(run, " UTC  from ");
    ctl_put(run, CTL_PLAIN, ctl_str(event, "source"));
    ctl_say(run, "  tenant ");
    ctl_put(run, CTL_PLAIN, ctl_str(event, "tenant"));
    if (ctl_str(event, "causationid").len > 0) {
        ctl_say(run, "  caused by ");
        ctl_put(run, CTL_PLAIN, ctl_str(event, "causationid"));
    }
    ctl_say(run, "\n");
    ctl_put_pairs(run, ctl_raw(event, "data"), 4);
}

static ctl_style
consulted_style(rt_str verdict)
{
    if (rt_str_is(verdict, "fired")) {
        return CTL_GREEN;
    }
    return rt_str_is(verdict, "error") ? CTL_RED : CTL_DIM;
}

static void
put_consulted(ctl_run *run, rt_bytes list_of)
{
    static const ctl_column columns[] = {
        {"", false, 0}, {"", false, 40}, {"", false, 0}, {"", false, 0}, {"", false, 0}};
    ctl_list list = ctl_items(list_of);
    rt_bytes consulted;
    ctl_grid grid;
    ctl_grid_init(&grid, columns, RT_COUNT(columns));
    while (ctl_next_item(&list, &consulted)) {
        rt_str verdict = ctl_str(consulted, "verdict");
        ctl_grid_cstr(&grid, CTL_DIM, "playbook");
        ctl_grid_str(&grid, CTL_PLAIN, ctl_str(consulted, "playbook"));
        ctl_grid_printf(&grid, CTL_DIM, "v%llu",
                        (unsigned long long)ctl_u64(consulted, "version"));
        ctl_grid_str(&grid, consulted_style(verdict), verdict);
        ctl_grid_str(&grid, CTL_PLAIN, ctl_str(consulted, "detail"));
    }
    ctl_grid_write(&grid, &run->out, false, run->color, 2, run->columns);
    ctl_grid_fini(&grid);
}

static void
put_factors(ctl_run *run, rt_bytes factors)
{
    ctl_list list = ctl_items(factors);
    rt_text text;
    if (list.left == 0) {
        return;
    }
    rt_text_init(&text, CTL_TEXT_MAX);
    ctl_put_factors(&text, factors);
    ctl_say(run, "            because  ");
    ctl_put(run, CTL_PLAIN, rt_text_view(&text));
    ctl_say(run, "\n");
    rt_text_fini(&text);
}

static void
put_proposal(ctl_run *run, rt_bytes proposal)
{
    bool veto = ctl_bool(proposal, "veto");
    int64_t cost = ctl_i64(proposal, "cost_cop");
    ctl_say(run, "  agent     ");
    ctl_put(run, CTL_PLAIN, ctl_str(proposal, "agent"));
    ctl_put(run, CTL_DIM, RT_STR(" ("));
    ctl_put(run, CTL_DIM, ctl_str(proposal, "model"));
    ctl_put(run, CTL_DIM, RT_STR(") "));
    ctl_put(run, veto ? CTL_RED : CTL_CYAN, veto ? RT_STR("forbids ") : RT_STR("proposes "));
    ctl_put(run, CTL_CYAN, ctl_str(proposal, "action"));
    ctl_say(run, " ");
    ctl_put(run, CTL_PLAIN, ctl_str(proposal, "target"));
    ctl_say(run, "   priority %lld  confidence ", (long long)ctl_i64(proposal, "priority"));
    ctl_number(&run->out, ctl_f64(proposal, "confidence"));
    ctl_say(run, "  value ");
    ctl_number(&run->out, ctl_f64(proposal, "value"));
    if (ctl_f64(proposal, "propensity") < 1) {
        ctl_say(run, "  propensity ");
        ctl_number(&run->out, ctl_f64(proposal, "propensity"));
    }
    if (cost != 0) {
        ctl_say(run, "  cost %lld", (long long)cost);
    }
    ctl_say(run, "\n");
    if (ctl_str(proposal, "reason").len > 0) {
        ctl_say(run, "            says     ");
        ctl_put(run, CTL_PLAIN, ctl_str(proposal, "reason"));
        ctl_say(run, "\n");
    }
    put_factors(run, ctl_raw(proposal, "factors"));
}

static void
put_prediction(ctl_run *run, rt_bytes prediction)
{
    ctl_say(run, "  model     ");
    ctl_put(run, CTL_PLAIN, ctl_str(prediction, "model"));
    ctl_say(run, " v%llu of ", (unsigned long long)ctl_u64(prediction, "version"));
    ctl_put(run, CTL_PLAIN, ctl_str(prediction, "agent"));
    ctl_say(run, "  = ");
    ctl_number(&run->out, ctl_f64(prediction, "value"));
    ctl_say(run, "\n");
    put_factors(run, ctl_raw(prediction, "factors"));
}

static void
put_missing(ctl_run *run, rt_bytes missing)
{
    ctl_list list = ctl_items(missing);
    rt_bytes name;
    while (ctl_next_item(&list, &name)) {
        ctl_say(run, "  missing   ");
        ctl_put(run, CTL_YELLOW, ctl_text(name));
        ctl_say(run, " did not answer before the deadline\n");
    }
}

static bool
is_shown(rt_bytes candidate)
{
    // playbooks stand among those consulted already, but for what their policies went by
    return !rt_str_starts(ctl_str(candidate, "proposal.agent"), RT_STR("playbook:")) ||
           ctl_f64(candidate, "proposal.propensity") < 1;
}

static void
put_why(ctl_run *run, rt_bytes decision)
{
    ctl_list candidates = ctl_items(ctl_raw(decision, "candidates"));
    ctl_list predictions = ctl_items(ctl_raw(decision, "predictions"));
    ctl_list consulted = ctl_items(ctl_raw(decision, "consulted"));
    rt_bytes item;
    if (candidates.left + predictions.left + consulted.left == 0) {
        return;
    }
    ctl_heading(run, "WHY");
    if (consulted.left > 0) {
        put_consulted(run, ctl_raw(decision, "consulted"));
    }
    while (ctl_next_item(&predictions, &item)) {
        put_prediction(run, item);
    }
    while (ctl_next_item(&candidates, &item)) {
        if (is_shown(item)) {
            put_proposal(run, ctl_raw(item, "proposal"));
        }
    }
    put_missing(run, ctl_raw(decision, "missing"));
}

static void
put_similar(ctl_run *run, rt_bytes decision)
{
    ctl_list similar = ctl_items(ctl_raw(decision, "similar"));
    ctl_list recalled = ctl_items(ctl_raw(decision, "recalled"));
    rt_bytes item;
    if (similar.left + recalled.left == 0) {
        return;
    }
    ctl_heading(run, "SIMILAR");
    while (ctl_next_item(&similar, &item)) {
        ctl_say(run, "  ");
        ctl_put(run, CTL_CYAN, ctl_str(item, "action"));
        uint64_t taken = ctl_u64(item, "count");
        ctl_say(run, "  taken %llu time%s on such events, mean reward ",
                (unsigned long long)taken, taken == 1 ? "" : "s");
        ctl_number(&run->out, ctl_f64(item, "reward"));
        ctl_say(run, "\n");
    }
    if (recalled.left > 0) {
        ctl_say(run, "  remembered of the subject: records");
    }
    while (ctl_next_item(&recalled, &item)) {
        ctl_say(run, " ");
        ctl_show(&run->out, item);
    }
    ctl_say(run, ctl_has(decision, "recalled") &&
                         ctl_items(ctl_raw(decision, "recalled")).left > 0
                     ? "\n"
                     : "");
}

static void
put_conflict(ctl_run *run, rt_bytes decision)
{
    ctl_list candidates = ctl_items(ctl_raw(decision, "candidates"));
    rt_bytes item;
    bool headed = false;
    while (ctl_next_item(&candidates, &item)) {
        rt_str verdict = ctl_str(item, "verdict");
        if (!rt_str_is(verdict, "lost") && !rt_str_is(verdict, "vetoed")) {
            continue;
        }
        if (!headed) {
            ctl_heading(run, "CONFLICT");
            headed = true;
        }
        ctl_say(run, "  ");
        ctl_put(run, CTL_PLAIN, ctl_str(item, "proposal.agent"));
        ctl_say(run, " asked for ");
        ctl_put(run, CTL_CYAN, ctl_str(item, "proposal.action"));
        ctl_say(run, " and was ");
        ctl_put(run, CTL_RED, rt_str_is(verdict, "lost") ? RT_STR("outweighed") : verdict);
        ctl_say(run, ": ");
        ctl_put(run, CTL_PLAIN, ctl_str(item, "why"));
        ctl_say(run, "\n");
    }
}

static void
put_outcome(ctl_run *run, rt_bytes item, int64_t decided_ms)
{
    rt_str type = ctl_str(item, "event.type");
    rt_bytes data = ctl_raw(item, "event.data");
    char after[64];
    int64_t after_ms = ctl_i64(item, "at_ms") - decided_ms;
    ctl_say(run, "  ");
    if (rt_str_is(type, "action.executed")) {
        rt_str status = ctl_str(data, "status");
        ctl_put(run, CTL_CYAN, ctl_str(data, "action"));
        ctl_say(run, " ");
        ctl_put(run, rt_str_is(status, "executed") ? CTL_GREEN : CTL_RED, status);
        uint64_t attempts = ctl_u64(data, "attempts");
        ctl_say(run, "  %llu attempt%s  ", (unsigned long long)attempts, attempts == 1 ? "" : "s");
        ctl_put(run, CTL_PLAIN, ctl_str(data, "detail"));
        ctl_say(run, "  ");
    } else if (rt_str_is(type, "playbook.verified")) {
        bool held = ctl_bool(data, "held");
        ctl_say(run, "playbook ");
        ctl_put(run, CTL_PLAIN, ctl_str(data, "playbook"));
        ctl_put(run, held ? CTL_GREEN : CTL_RED, held ? RT_STR(" verified  ")
                                                      : RT_STR(" not verified  "));
    } else {
        double reward = ctl_f64(data, "reward");
        ctl_say(run, rt_str_is(type, "feedback.received") ? "feedback " : "reward ");
        ctl_say(run, reward < 0 ? "" : "+");
        ctl_number(&run->out, reward);
        ctl_say(run, "  ");
        ctl_put(run, CTL_PLAIN, ctl_str(data, "cause"));
        ctl_put(run, CTL_PLAIN, ctl_str(data, "comment"));
        ctl_say(run, "  ");
    }
    rt_text text;
    rt_text_init(&text, 128);
    rt_text_printf(&text, "after %s", rt_format_duration(RT_MAX(after_ms, 0), after,
                                                         sizeof(after)));
    ctl_put(run, CTL_DIM, rt_text_view(&text));
    rt_text_fini(&text);
    ctl_say(run, "\n");
}

static void
put_outcomes(ctl_run *run, rt_bytes answer)
{
    ctl_list outcomes = ctl_items(ctl_raw(answer, "outcomes"));
    int64_t decided_ms = ctl_i64(answer, "decision.at_ms");
    rt_bytes item;
    if (outcomes.left == 0 && ctl_verdicts_of(ctl_raw(answer, "decision")).won == 0) {
        return;
    }
    ctl_heading(run, "OUTCOME");
    if (outcomes.left == 0) {
        ctl_say(run, "  none yet\n");
    }
    while (ctl_next_item(&outcomes, &item)) {
        put_outcome(run, item, decided_ms);
    }
    if (!ctl_bool(answer, "end")) {
        ctl_say(run, "  (searched up to record %llu)\n",
                (unsigned long long)ctl_u64(answer, "searched_to"));
    }
}

static void
put_explanation(ctl_run *run, rt_bytes answer)
{
    rt_bytes decision = ctl_raw(answer, "decision.decision");
    rt_bytes candidates = ctl_raw(decision, "candidates");
    put_title(run, answer);
    put_event(run, ctl_raw(answer, "event"));
    put_why(run, decision);
    put_section(run, "KNOWN BEFORE", ctl_raw(answer, "event.context"));
    put_similar(run, decision);
    if (ctl_items(candidates).left > 0) {
        ctl_heading(run, "CANDIDATES");
        ctl_put_candidates(run, candidates, 2);
    }
    put_conflict(run, decision);
    put_outcomes(run, answer);
}

int
ctl_cmd_decisions_explain(ctl_run *run)
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
    if (ctl_is_json(run)) {
        ctl_put_json(run, answer);
    } else {
        put_explanation(run, answer);
    }
    return CTL_OK;
}
