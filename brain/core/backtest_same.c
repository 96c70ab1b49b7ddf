#include "brain/core/backtest_internal.h"

static bool
is_playbook(rt_str agent)
{
    return rt_str_starts(agent, RT_STR("playbook:"));
}

static bool
same_proposal(const msg_proposal *a, const msg_proposal *b)
{
    // a playbook's model is the version of the set
    return rt_str_equal(a->agent, b->agent) &&
           (is_playbook(a->agent) || rt_str_equal(a->model, b->model)) &&
           rt_str_equal(a->action, b->action) && rt_str_equal(a->target, b->target) &&
           rt_bytes_equal(a->args, b->args) && a->priority == b->priority &&
           a->confidence == b->confidence && a->value == b->value && a->cost_cop == b->cost_cop &&
           a->veto == b->veto;
}

// "abcd1234-5-0 is in flight on order/1": numbers of records are others in a fork.
static rt_str
without_action_id(rt_str why)
{
    const rt_str words = RT_STR(" is in flight on ");
    const char *at = why.len > 0 ? memmem(why.ptr, why.len, words.ptr, words.len) : NULL;
    return at != NULL ? (rt_str){at, why.len - (size_t)(at - why.ptr)} : why;
}

static bool
same_candidates(const msg_decision *a, const msg_decision *b)
{
    const msg_candidate *of_a = a->candidates.items;
    const msg_candidate *of_b = b->candidates.items;
    bool same = a->candidates.count == b->candidates.count;
    for (uint32_t i = 0; same && i < a->candidates.count; i++) {
        same = same_proposal(&of_a[i].proposal, &of_b[i].proposal) &&
               rt_str_equal(of_a[i].verdict, of_b[i].verdict) &&
               rt_str_equal(without_action_id(of_a[i].why), without_action_id(of_b[i].why));
    }
    return same;
}

static bool
same_consulted(const msg_decision *a, const msg_decision *b)
{
    const msg_consulted *of_a = a->consulted.items;
    const msg_consulted *of_b = b->consulted.items;
    bool same = a->consulted.count == b->consulted.count;
    for (uint32_t i = 0; same && i < a->consulted.count; i++) {
        same = rt_str_equal(of_a[i].playbook, of_b[i].playbook) &&
               rt_str_equal(of_a[i].verdict, of_b[i].verdict) &&
               rt_str_equal(of_a[i].detail, of_b[i].detail) &&
               rt_str_equal(of_a[i].throttle_key, of_b[i].throttle_key);
    }
    return same;
}

static bool
same_timers(const msg_decision *a, const msg_decision *b)
{
    const msg_timer *of_a = a->timers.items;
    const msg_timer *of_b = b->timers.items;
    bool same = a->timers.count == b->timers.count;
    for (uint32_t i = 0; same && i < a->timers.count; i++) {
        same = rt_str_equal(of_a[i].owner, of_b[i].owner) &&
               rt_str_equal(of_a[i].key, of_b[i].key) && of_a[i].due_ms == of_b[i].due_ms;
    }
    return same;
}

bool
br__fork_same(const msg_decision *a, const msg_decision *b)
{
    return same_consulted(a, b) && same_candidates(a, b) && same_timers(a, b);
}

bool
br__fork_says(const msg_decision *decision)
{
    return decision->consulted.count > 0 || decision->candidates.count > 0;
}
