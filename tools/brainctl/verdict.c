// Design notes.
// A decision says of each playbook what its condition came to, and of each proposal what became of
// it. Of several proposals of one playbook the one that came furthest speaks for it: it acted when
// one was done, and waits when one waits, because then none is done.
#include "tools/brainctl/verdict.h"

static const struct {
    const char *name;
    const char *stage;
    ctl_style style;
} answers[] = {
    [CTL_SAID_NOTHING] = {"not consulted", "events", CTL_DIM},
    [CTL_SAID_YES] = {"yes", "done", CTL_GREEN},
    [CTL_SAID_NO] = {"no", "condition", CTL_DIM},
    [CTL_SAID_ERROR] = {"ERR", "condition", CTL_RED},
    [CTL_SAID_MATCHED] = {"matched", "pattern", CTL_YELLOW},
    [CTL_SAID_THROTTLED] = {"throttled", "throttle", CTL_YELLOW},
    [CTL_SAID_OFF] = {"off", "mode", CTL_YELLOW},
    [CTL_SAID_SHADOW] = {"shadow", "mode", CTL_YELLOW},
    [CTL_SAID_CANARY] = {"canary", "canary", CTL_YELLOW},
    [CTL_SAID_HELD] = {"held", "waiting", CTL_YELLOW},
    [CTL_SAID_ASKED] = {"asked", "approval", CTL_YELLOW},
    [CTL_SAID_BUDGET] = {"budget", "budget", CTL_YELLOW},
    [CTL_SAID_CALENDAR] = {"calendar", "calendar", CTL_YELLOW},
    [CTL_SAID_REFUSED] = {"refused", "gate", CTL_YELLOW},
    [CTL_SAID_LOST] = {"lost", "arbitration", CTL_YELLOW},
    [CTL_SAID_VETOED] = {"vetoed", "arbitration", CTL_YELLOW},
    [CTL_SAID_RUNNING] = {"running", "steps", CTL_YELLOW},
    [CTL_SAID_VERIFIED] = {"verified", "verification", CTL_GREEN},
    [CTL_SAID_NOT_VERIFIED] = {"not verified", "verification", CTL_RED},
    [CTL_SAID_EXPIRED] = {"expired", "approval", CTL_YELLOW},
    [CTL_SAID_DENIED] = {"denied", "approval", CTL_YELLOW},
};

const char *
ctl_answer_name(ctl_answer answer)
{
    return answers[answer].name;
}

const char *
ctl_answer_stage(ctl_answer answer)
{
    return answers[answer].stage;
}

ctl_style
ctl_answer_style(ctl_answer answer)
{
    return answers[answer].style;
}

bool
ctl_is_of(rt_str agent, rt_str playbook)
{
    const rt_str prefix = RT_STR("playbook:");
    return rt_str_starts(agent, prefix) &&
           rt_str_equal((rt_str){agent.ptr + prefix.len, agent.len - prefix.len}, playbook);
}

const msg_consulted *
ctl_consulted_of(const msg_decision *decision, rt_str playbook)
{
    const msg_consulted *list = decision->consulted.items;
    for (uint32_t i = 0; i < decision->consulted.count; i++) {
        if (rt_str_equal(list[i].playbook, playbook)) {
            return &list[i];
        }
    }
    return NULL;
}

// What waits for somebody is written down as such.
static bool
asks(const msg_decision *decision, rt_str playbook)
{
    const msg_write *list = decision->writes.items;
    for (uint32_t i = 0; i < decision->writes.count; i++) {
        if (rt_str_equal(list[i].playbook, playbook) && rt_str_is(list[i].what, "approval") &&
            list[i].value.len > 0) {
            return true;
        }
    }
    return false;
}

static ctl_answer
answer_of(const msg_decision *decision, const msg_candidate *candidate, rt_str playbook,
          const msg_consulted *consulted)
{
    if (rt_str_is(candidate->verdict, "won")) {
        return CTL_SAID_YES;
    }
    if (rt_str_is(candidate->verdict, "waiting")) {
        return asks(decision, playbook) ? CTL_SAID_ASKED : CTL_SAID_HELD;
    }
    if (rt_str_is(candidate->verdict, "shadow")) {
        bool outside = consulted != NULL && rt_str_starts(consulted->detail, RT_STR("canary:"));
        return outside ? CTL_SAID_CANARY : CTL_SAID_SHADOW;
    }
    if (rt_str_is(candidate->verdict, "refused")) {
        return rt_str_starts(candidate->why, RT_STR("budget "))     ? CTL_SAID_BUDGET
               : rt_str_starts(candidate->why, RT_STR("calendar:")) ? CTL_SAID_CALENDAR
                                                                    : CTL_SAID_REFUSED;
    }
    return rt_str_is(candidate->verdict, "vetoed") ? CTL_SAID_VETOED : CTL_SAID_LOST;
}

// How far a proposal came; of equal ones the first speaks.
static int
rank_of(ctl_answer answer)
{
    static const ctl_answer order[] = {CTL_SAID_YES,      CTL_SAID_ASKED,   CTL_SAID_HELD,
                                       CTL_SAID_CANARY,   CTL_SAID_SHADOW,  CTL_SAID_BUDGET,
                                       CTL_SAID_CALENDAR, CTL_SAID_REFUSED, CTL_SAID_LOST,
                                       CTL_SAID_VETOED};
    int rank = 0;
    while (rank < (int)RT_COUNT(order) && order[rank] != answer) {
        rank++;
    }
    return rank;
}

static rt_str
join_why(rt_arena *arena, rt_str before, const msg_candidate *candidate)
{
    const msg_proposal *p = &candidate->proposal;
    return rt_arena_printf(arena, "%.*s%s%.*s %.*s: %.*s%s%.*s", RT_STR_ARG(before),
                           before.len > 0 ? "; " : "", RT_STR_ARG(p->action),
                           RT_STR_ARG(p->target), RT_STR_ARG(candidate->verdict),
                           candidate->why.len > 0 ? ", " : "", RT_STR_ARG(candidate->why));
}

static ctl_verdict
judge_fired(const msg_decision *decision, rt_str playbook, const msg_consulted *consulted,
            rt_arena *arena, bool *ret_any)
{
    const msg_candidate *list = decision->candidates.items;
    ctl_verdict v = {.answer = CTL_SAID_LOST, .fired = true};
    bool any = false;
    v.why = consulted != NULL ? consulted->detail : RT_STR("");
    for (uint32_t i = 0; i < decision->candidates.count; i++) {
        if (!ctl_is_of(list[i].proposal.agent, playbook)) {
            continue;
        }
        ctl_answer answer = answer_of(decision, &list[i], playbook, consulted);
        v.answer = !any || rank_of(answer) < rank_of(v.answer) ? answer : v.answer;
        v.why = join_why(arena, v.why, &list[i]);
        any = true;
    }
    if (v.answer == CTL_SAID_CANARY && consulted != NULL) {
        v.why = consulted->detail;
    } else if (!any && v.why.len == 0) {
        v.why = RT_STR("it fired, but proposed nothing");
    }
    *ret_any = any;
    return v;
}

ctl_verdict
ctl_verdict_of(const msg_decision *decision, rt_str playbook, rt_arena *arena)
{
    static const struct {
        const char *verdict;
        ctl_answer answer;
    } words[] = {{"false", CTL_SAID_NO},
                 {"error", CTL_SAID_ERROR},
                 {"throttled", CTL_SAID_THROTTLED},
                 {"matched", CTL_SAID_MATCHED},
                 {"off", CTL_SAID_OFF},
                 {"running", CTL_SAID_RUNNING},
                 {"verified", CTL_SAID_VERIFIED},
                 {"not verified", CTL_SAID_NOT_VERIFIED},
                 {"expired", CTL_SAID_EXPIRED},
                 {"denied", CTL_SAID_DENIED}};
    const msg_consulted *consulted = ctl_consulted_of(decision, playbook);
    bool any;
    for (size_t i = 0; consulted != NULL && i < RT_COUNT(words); i++) {
        if (rt_str_is(consulted->verdict, words[i].verdict)) {
            return (ctl_verdict){.answer = words[i].answer,
                                 .why = consulted->detail,
                                 .fired = words[i].answer == CTL_SAID_THROTTLED ||
                                          words[i].answer == CTL_SAID_OFF};
        }
    }
    ctl_verdict v = judge_fired(decision, playbook, consulted, arena, &any);
    if (!any && consulted == NULL) {
        return (ctl_verdict){.answer = CTL_SAID_NOTHING, .why = RT_STR("")};
    }
    return v;
}
