#include "brain/decide/arbitrate.h"

#include <stdio.h>

#include "runtime/base/check.h"
#include "runtime/base/text.h"

static void
settle(br_candidate *candidate, const char *verdict)
{
    candidate->msg.verdict = rt_str_of(verdict);
    // reasons are cut at BR_WHY_MAX; a record with half a character could never be read back
    candidate->msg.why = rt_utf8_whole(rt_str_of(candidate->why));
}

// True when `veto` is one that forbids `other`, which is none.
static bool
vetoes(const br_candidate *veto, const br_candidate *other)
{
    const msg_proposal *v = &veto->msg.proposal;
    return v->veto && rt_str_equal(v->target, other->msg.proposal.target) &&
           (rt_str_is(v->action, "*") || rt_str_equal(v->action, other->msg.proposal.action));
}

static int
compare_text(rt_str a, rt_str b)
{
    size_t len = RT_MIN(a.len, b.len);
    int order = len == 0 ? 0 : memcmp(a.ptr, b.ptr, len);
    if (order != 0) {
        return order;
    }
    return a.len < b.len ? -1 : a.len > b.len;
}

// True when `a` is to be looked at before `b`, which arrived earlier.
static bool
before(const br_candidate *a, const br_candidate *b)
{
    const msg_proposal *p = &a->msg.proposal;
    const msg_proposal *q = &b->msg.proposal;
    if (a->msg.score != b->msg.score) {
        return a->msg.score > b->msg.score;
    }
    if (p->value != q->value) {
        return p->value > q->value;
    }
    if (p->cost_cop != q->cost_cop) {
        return p->cost_cop < q->cost_cop;
    }
    return compare_text(p->agent, q->agent) < 0;
}

static bool
rivals(const br_candidate *a, const br_candidate *b)
{
    return a->action->group.len > 0 && rt_str_equal(a->action->group, b->action->group) &&
           rt_str_equal(a->msg.proposal.target, b->msg.proposal.target);
}

static bool
settle_early(br_candidate *candidates, uint32_t count, uint32_t i)
{
    br_candidate *candidate = &candidates[i];
    if (candidate->msg.proposal.veto) {
        settle(candidate, "won");
        return true;
    }
    for (uint32_t v = 0; v < count; v++) {
        if (vetoes(&candidates[v], candidate)) {
            snprintf(candidate->why, BR_WHY_MAX, "vetoed by %.*s: %.*s",
                     RT_STR_ARG(candidates[v].msg.proposal.agent),
                     RT_STR_ARG(candidates[v].msg.proposal.reason));
            settle(candidate, "vetoed");
            return true;
        }
    }
    if (candidate->action == NULL) {
        snprintf(candidate->why, BR_WHY_MAX, "action '%.*s' is not in the pack's list",
                 RT_STR_ARG(candidate->msg.proposal.action));
        settle(candidate, "refused");
        return true;
    }
    if (candidate->shadow) {
        settle(candidate, "shadow");
        return true;
    }
    return false;
}

static bool
lost_to_winner(br_candidate *candidate, br_candidate *const *winners, uint32_t winner_count)
{
    for (uint32_t w = 0; w < winner_count; w++) {
        if (rivals(candidate, winners[w])) {
            snprintf(candidate->why, BR_WHY_MAX, "lost to %.*s of %.*s: %.2f against %.2f",
                     RT_STR_ARG(winners[w]->msg.proposal.action),
                     RT_STR_ARG(winners[w]->msg.proposal.agent), candidate->msg.score,
                     winners[w]->msg.score);
            settle(candidate, "lost");
            return true;
        }
    }
    return false;
}

uint32_t
br_arbitrate(br_candidate *candidates, uint32_t count, br_admit admit, void *user)
{
    br_candidate *open[BR_CANDIDATES_MAX];
    br_candidate *winners[BR_CANDIDATES_MAX];
    uint32_t open_count = 0;
    uint32_t winner_count = 0;
    RT_ASSERT(count <= BR_CANDIDATES_MAX);
    for (uint32_t i = 0; i < count; i++) {
        const msg_proposal *p = &candidates[i].msg.proposal;
        candidates[i].msg.score = (double)p->priority * p->confidence;
        candidates[i].why[0] = '\0';
        if (settle_early(candidates, count, i)) {
            continue;
        }
        uint32_t at = open_count++;
        for (; at > 0 && before(&candidates[i], open[at - 1]); at--) {
            open[at] = open[at - 1];
        }
        open[at] = &candidates[i];
    }
    for (uint32_t i = 0; i < open_count; i++) {
        if (lost_to_winner(open[i], winners, winner_count)) {
            continue;
        }
        if (!admit(user, open[i])) {
            settle(open[i], open[i]->waits ? "waiting" : "refused");
            continue;
        }
        settle(open[i], "won");
        winners[winner_count++] = open[i];
    }
    return winner_count;
}
