#include "tools/brainctl/compare.h"

#include "runtime/base/alloc.h"
#include "runtime/base/map.h"
#include "tools/brainctl/verdict.h"

#define NAMES_MAX 64 // kinds of actions told apart; the bits of a mask
#define ARENA_MAX ((size_t)16 * 1024 * 1024)

struct ctl_compare {
    const br_pack *pack;
    rt_str playbook;
    rt_arena *arena; // of one decision
    rt_map *names;   // of actions -> bit
    uint64_t asks;   // bits of the actions that it ever asks for
    rt_map *others;  // bits of what was done where it would do nothing -> events
    ctl_compare_counts counts;
};

ctl_compare *
ctl_compare_new(const br_pack *pack, rt_str playbook)
{
    ctl_compare *c = rt_new(ctl_compare);
    c->pack = pack;
    c->playbook = playbook;
    c->arena = rt_arena_new(ARENA_MAX);
    c->names = rt_map_new();
    c->others = rt_map_new();
    return c;
}

void
ctl_compare_free(ctl_compare *c)
{
    if (c != NULL) {
        rt_map_free(c->names);
        rt_map_free(c->others);
        rt_arena_free(c->arena);
        rt_free(c);
    }
}

static uint64_t
bit_of(ctl_compare *c, rt_str action)
{
    uint64_t index = rt_map_count(c->names);
    if (!rt_map_get(c->names, rt_bytes_of_str(action), &index)) {
        index = RT_MIN(index, (uint64_t)NAMES_MAX - 1); // the rest is one kind
        rt_map_put(c->names, rt_bytes_of_str(action), index);
    }
    return UINT64_C(1) << index;
}

static bool
is_done(const msg_candidate *candidate)
{
    return candidate->action_id.len > 0;
}

// Whether somebody did one of the playbook's proposals: the same action on the same target.
static bool
was_done(const ctl_compare *c, const msg_decision *recorded, const msg_decision *again)
{
    const msg_candidate *mine = again->candidates.items;
    const msg_candidate *done = recorded != NULL ? recorded->candidates.items : NULL;
    for (uint32_t i = 0; i < again->candidates.count; i++) {
        for (uint32_t k = 0; done != NULL && k < recorded->candidates.count; k++) {
            if (ctl_is_of(mine[i].proposal.agent, c->playbook) && is_done(&done[k]) &&
                rt_str_equal(mine[i].proposal.action, done[k].proposal.action) &&
                rt_str_equal(mine[i].proposal.target, done[k].proposal.target)) {
                return true;
            }
        }
    }
    return false;
}

static bool
acted_itself(const ctl_compare *c, const msg_decision *recorded)
{
    const msg_candidate *list = recorded != NULL ? recorded->candidates.items : NULL;
    for (uint32_t i = 0; list != NULL && i < recorded->candidates.count; i++) {
        if (is_done(&list[i]) && ctl_is_of(list[i].proposal.agent, c->playbook)) {
            return true;
        }
    }
    return false;
}

// What was done by others on an event where it would do nothing. Which of it the playbook asks for
// elsewhere is known at the end.
static void
note_others(ctl_compare *c, const msg_decision *recorded)
{
    const msg_candidate *list = recorded != NULL ? recorded->candidates.items : NULL;
    uint64_t mask = 0;
    uint64_t events = 0;
    for (uint32_t i = 0; list != NULL && i < recorded->candidates.count; i++) {
        mask |= is_done(&list[i]) ? bit_of(c, list[i].proposal.action) : 0;
    }
    rt_bytes key = {(const uint8_t *)&mask, sizeof(mask)};
    (void)rt_map_get(c->others, key, &events);
    rt_map_put(c->others, key, events + 1);
}

static void
count_fate(ctl_compare_counts *n, ctl_answer answer)
{
    uint64_t *const fates[] = {
        [CTL_SAID_YES] = &n->would_act, [CTL_SAID_THROTTLED] = &n->throttled,
        [CTL_SAID_HELD] = &n->held,     [CTL_SAID_ASKED] = &n->asked,
        [CTL_SAID_BUDGET] = &n->budget, [CTL_SAID_CALENDAR] = &n->calendar,
        [CTL_SAID_REFUSED] = &n->refused, [CTL_SAID_VETOED] = &n->vetoed,
    };
    if ((size_t)answer < RT_COUNT(fates) && fates[answer] != NULL) {
        (*fates[answer])++;
    }
}

// "lost to open_case of playbook:<id>: 9.00 against 7.00"
static bool
lost_to(const ctl_compare *c, const msg_candidate *candidate)
{
    const rt_str word = RT_STR(" of playbook:");
    const char *at = candidate->why.len > 0
                         ? memmem(candidate->why.ptr, candidate->why.len, word.ptr, word.len)
                         : NULL;
    if (!rt_str_is(candidate->verdict, "lost") || at == NULL) {
        return false;
    }
    size_t left = (size_t)(candidate->why.ptr + candidate->why.len - at) - word.len;
    return left > c->playbook.len && at[word.len + c->playbook.len] == ':' &&
           memcmp(at + word.len, c->playbook.ptr, c->playbook.len) == 0;
}

static void
count_actions(ctl_compare *c, const msg_decision *again)
{
    const msg_candidate *list = again->candidates.items;
    ctl_compare_counts *n = &c->counts;
    for (uint32_t i = 0; i < again->candidates.count; i++) {
        const msg_proposal *p = &list[i].proposal;
        if (!ctl_is_of(p->agent, c->playbook)) {
            n->conflicts_won += lost_to(c, &list[i]);
            continue;
        }
        const br_action *action = br_pack_action(c->pack, p->action);
        c->asks |= bit_of(c, p->action);
        n->conflicts_lost += rt_str_is(list[i].verdict, "lost");
        if (is_done(&list[i])) {
            n->actions++;
            n->contacts += action != NULL && action->contact;
            n->cost_cop += p->cost_cop;
        }
    }
}

static void
count_agreement(ctl_compare *c, const msg_decision *recorded, const msg_decision *again,
                const ctl_verdict *v)
{
    ctl_compare_counts *n = &c->counts;
    bool would = v->fired && v->answer != CTL_SAID_THROTTLED && v->answer != CTL_SAID_OFF;
    if (acted_itself(c, recorded)) {
        n->acted++;
    } else if (!would) {
        note_others(c, recorded);
    } else if (was_done(c, recorded, again)) {
        n->both++;
    } else {
        n->only_it++;
    }
}

static void
count_quality(ctl_compare *c, const msg_decision *recorded)
{
    const msg_consulted *said =
        recorded != NULL ? ctl_consulted_of(recorded, c->playbook) : NULL;
    ctl_compare_counts *n = &c->counts;
    if (said == NULL) {
        return;
    }
    bool error = rt_str_is(said->verdict, "error");
    bool not_held = rt_str_is(said->verdict, "not verified");
    n->errors.bad += error;
    n->errors.of += error || rt_str_is(said->verdict, "fired") ||
                    rt_str_is(said->verdict, "throttled");
    n->verifications.bad += not_held;
    n->verifications.of += not_held || rt_str_is(said->verdict, "verified");
}

void
ctl_compare_add(ctl_compare *c, const msg_decision *recorded, const msg_decision *again)
{
    rt_arena_reset(c->arena);
    count_quality(c, recorded);
    const msg_consulted *said = again != NULL ? ctl_consulted_of(again, c->playbook) : NULL;
    if (said == NULL) {
        return;
    }
    ctl_verdict v = ctl_verdict_of(again, c->playbook, c->arena);
    count_fate(&c->counts, v.answer);
    count_actions(c, again);
    // a timer looks at what became of something, or takes up what was counted before
    if (!rt_str_is(again->event_type, "timer.fired") || (v.fired && recorded == NULL)) {
        count_agreement(c, recorded, again, &v);
    }
}

ctl_compare_counts
ctl_compare_counts_of(const ctl_compare *c)
{
    ctl_compare_counts n = c->counts;
    rt_bytes key;
    uint64_t events;
    for (size_t cursor = 0; rt_map_next(c->others, &cursor, &key, &events);) {
        uint64_t mask;
        memcpy(&mask, key.ptr, sizeof(mask));
        if ((mask & c->asks) != 0) {
            n.only_live += events;
        } else {
            n.neither += events;
        }
    }
    return n;
}
