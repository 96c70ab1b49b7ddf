#include "tools/brainctl/contrast.h"

#include <stdlib.h>

#include "runtime/base/alloc.h"
#include "runtime/base/map.h"

#define NAMES_ARENA_MAX ((size_t)16 * 1024 * 1024)
#define WINNERS_MAX 64 // of one decision

struct ctl_contrast {
    const br_pack *pack;
    rt_arena *arena; // of names
    rt_map *playbook_at;
    rt_map *action_at;
    ctl_contrast_playbook *playbooks;
    size_t playbook_count;
    size_t playbook_cap;
    ctl_contrast_action *actions;
    size_t action_count;
    size_t action_cap;
    ctl_contrast_totals totals;
};

ctl_contrast *
ctl_contrast_new(const br_pack *pack)
{
    ctl_contrast *c = rt_new(ctl_contrast);
    c->pack = pack;
    c->arena = rt_arena_new(NAMES_ARENA_MAX);
    c->playbook_at = rt_map_new();
    c->action_at = rt_map_new();
    return c;
}

void
ctl_contrast_free(ctl_contrast *c)
{
    if (c != NULL) {
        rt_map_free(c->playbook_at);
        rt_map_free(c->action_at);
        rt_free(c->playbooks);
        rt_free(c->actions);
        rt_arena_free(c->arena);
        rt_free(c);
    }
}

static ctl_contrast_playbook *
playbook_of(ctl_contrast *c, rt_str id)
{
    uint64_t at = c->playbook_count;
    if (rt_map_get(c->playbook_at, rt_bytes_of_str(id), &at)) {
        return &c->playbooks[at];
    }
    if (c->playbook_count == c->playbook_cap) {
        c->playbook_cap = RT_MAX(c->playbook_cap * 2, 32u);
        c->playbooks = rt_realloc(c->playbooks, sizeof(*c->playbooks) * c->playbook_cap);
    }
    rt_map_put(c->playbook_at, rt_bytes_of_str(id), at);
    ctl_contrast_playbook *playbook = &c->playbooks[c->playbook_count++];
    *playbook = (ctl_contrast_playbook){.id = rt_arena_str(c->arena, id)};
    return playbook;
}

static ctl_contrast_action *
action_of(ctl_contrast *c, rt_str name)
{
    uint64_t at = c->action_count;
    if (rt_map_get(c->action_at, rt_bytes_of_str(name), &at)) {
        return &c->actions[at];
    }
    if (c->action_count == c->action_cap) {
        c->action_cap = RT_MAX(c->action_cap * 2, 32u);
        c->actions = rt_realloc(c->actions, sizeof(*c->actions) * c->action_cap);
    }
    rt_map_put(c->action_at, rt_bytes_of_str(name), at);
    const br_action *def = br_pack_action(c->pack, name);
    ctl_contrast_action *action = &c->actions[c->action_count++];
    *action = (ctl_contrast_action){.name = rt_arena_str(c->arena, name),
                                    .contact = def != NULL && def->contact};
    return action;
}

// --- playbooks -----------------------------------------------------------------------------------

static bool
fired(const msg_decision *decision, rt_str id)
{
    const msg_consulted *list = decision != NULL ? decision->consulted.items : NULL;
    for (uint32_t i = 0; list != NULL && i < decision->consulted.count; i++) {
        if (rt_str_equal(list[i].playbook, id) && rt_str_is(list[i].verdict, "fired")) {
            return true;
        }
    }
    return false;
}

static bool
is_of(const msg_candidate *candidate, rt_str id)
{
    const rt_str prefix = RT_STR("playbook:");
    rt_str agent = candidate->proposal.agent;
    return rt_str_starts(agent, prefix) &&
           rt_str_equal((rt_str){agent.ptr + prefix.len, agent.len - prefix.len}, id);
}

static const msg_candidate *
next_of(const msg_decision *decision, rt_str id, uint32_t *at)
{
    const msg_candidate *list = decision->candidates.items;
    while (*at < decision->candidates.count) {
        const msg_candidate *candidate = &list[(*at)++];
        if (is_of(candidate, id)) {
            return candidate;
        }
    }
    return NULL;
}

// What a playbook asked for, in its order, with its fate.
static bool
asked_the_same(const msg_decision *a, const msg_decision *b, rt_str id)
{
    uint32_t at_a = 0;
    uint32_t at_b = 0;
    for (;;) {
        const msg_candidate *x = next_of(a, id, &at_a);
        const msg_candidate *y = next_of(b, id, &at_b);
        if (x == NULL || y == NULL) {
            return x == y;
        }
        if (!rt_str_equal(x->proposal.action, y->proposal.action) ||
            !rt_str_equal(x->proposal.target, y->proposal.target) ||
            !rt_bytes_equal(x->proposal.args, y->proposal.args) ||
            !rt_str_equal(x->verdict, y->verdict)) {
            return false;
        }
    }
}

static void
count_playbook(ctl_contrast *c, rt_str id, const msg_decision *then, const msg_decision *now)
{
    bool before = fired(then, id);
    bool after = fired(now, id);
    ctl_contrast_playbook *playbook = playbook_of(c, id);
    playbook->fired_then += before;
    playbook->fired_now += after;
    playbook->fresh += after && !before;
    playbook->lost += before && !after;
    playbook->changed += before && after && !asked_the_same(then, now, id);
}

static bool
was_consulted(const msg_decision *decision, rt_str id)
{
    const msg_consulted *list = decision != NULL ? decision->consulted.items : NULL;
    for (uint32_t i = 0; list != NULL && i < decision->consulted.count; i++) {
        if (rt_str_equal(list[i].playbook, id)) {
            return true;
        }
    }
    return false;
}

static void
count_playbooks(ctl_contrast *c, const msg_decision *then, const msg_decision *now)
{
    const msg_consulted *of_now = now != NULL ? now->consulted.items : NULL;
    const msg_consulted *of_then = then != NULL ? then->consulted.items : NULL;
    for (uint32_t i = 0; of_now != NULL && i < now->consulted.count; i++) {
        count_playbook(c, of_now[i].playbook, then, now);
    }
    for (uint32_t i = 0; of_then != NULL && i < then->consulted.count; i++) {
        if (!was_consulted(now, of_then[i].playbook)) {
            count_playbook(c, of_then[i].playbook, then, now);
        }
    }
}

// --- actions -------------------------------------------------------------------------------------

typedef struct winners {
    const msg_candidate *list[WINNERS_MAX];
    bool matched[WINNERS_MAX];
    uint32_t count;
} winners;

static void
find_winners(const msg_decision *decision, winners *w)
{
    const msg_candidate *list = decision != NULL ? decision->candidates.items : NULL;
    w->count = 0;
    for (uint32_t i = 0; list != NULL && i < decision->candidates.count; i++) {
        if (list[i].action_id.len > 0 && w->count < WINNERS_MAX) {
            w->matched[w->count] = false;
            w->list[w->count++] = &list[i];
        }
    }
}

static bool
match(winners *w, const msg_candidate *candidate, bool with_args)
{
    for (uint32_t i = 0; i < w->count; i++) {
        const msg_proposal *p = &w->list[i]->proposal;
        if (!w->matched[i] && rt_str_equal(p->action, candidate->proposal.action) &&
            rt_str_equal(p->target, candidate->proposal.target) &&
            (!with_args || rt_bytes_equal(p->args, candidate->proposal.args))) {
            w->matched[i] = true;
            return true;
        }
    }
    return false;
}

static void
count_sums(ctl_contrast *c, const winners *then, const winners *now)
{
    for (uint32_t i = 0; i < then->count; i++) {
        ctl_contrast_action *action = action_of(c, then->list[i]->proposal.action);
        action->then++;
        c->totals.actions_then++;
        c->totals.contacts_then += action->contact;
        c->totals.cost_then_cop += then->list[i]->proposal.cost_cop;
    }
    for (uint32_t i = 0; i < now->count; i++) {
        ctl_contrast_action *action = action_of(c, now->list[i]->proposal.action);
        action->now++;
        c->totals.actions_now++;
        c->totals.contacts_now += action->contact;
        c->totals.cost_now_cop += now->list[i]->proposal.cost_cop;
    }
}

static void
count_actions(ctl_contrast *c, const msg_decision *then, const msg_decision *now)
{
    winners before;
    winners after;
    find_winners(then, &before);
    find_winners(now, &after);
    count_sums(c, &before, &after);
    for (uint32_t i = 0; i < after.count; i++) {
        after.matched[i] = match(&before, after.list[i], true);
    }
    for (uint32_t i = 0; i < after.count; i++) {
        ctl_contrast_action *action = action_of(c, after.list[i]->proposal.action);
        if (!after.matched[i] && match(&before, after.list[i], false)) {
            action->changed++;
        } else {
            action->fresh += !after.matched[i];
        }
    }
    for (uint32_t i = 0; i < before.count; i++) {
        action_of(c, before.list[i]->proposal.action)->lost += !before.matched[i];
    }
}

void
ctl_contrast_add(ctl_contrast *c, const msg_decision *then, const msg_decision *now, bool equal)
{
    c->totals.events++;
    c->totals.different += !equal;
    count_playbooks(c, then, now);
    count_actions(c, then, now);
}

// --- what came out -------------------------------------------------------------------------------

static int
compare_names(rt_str a, rt_str b)
{
    int order = memcmp(a.ptr, b.ptr, RT_MIN(a.len, b.len));
    return order != 0 ? order : (a.len > b.len) - (a.len < b.len);
}

static int
by_id(const void *a, const void *b)
{
    return compare_names(((const ctl_contrast_playbook *)a)->id,
                         ((const ctl_contrast_playbook *)b)->id);
}

static int
by_name(const void *a, const void *b)
{
    return compare_names(((const ctl_contrast_action *)a)->name,
                         ((const ctl_contrast_action *)b)->name);
}

static void
index_names(ctl_contrast *c)
{
    for (size_t i = 0; i < c->playbook_count; i++) {
        rt_map_put(c->playbook_at, rt_bytes_of_str(c->playbooks[i].id), i);
    }
    for (size_t i = 0; i < c->action_count; i++) {
        rt_map_put(c->action_at, rt_bytes_of_str(c->actions[i].name), i);
    }
}

size_t
ctl_contrast_playbooks(ctl_contrast *c, const ctl_contrast_playbook **ret_list)
{
    if (c->playbook_count > 0) {
        qsort(c->playbooks, c->playbook_count, sizeof(*c->playbooks), by_id);
        index_names(c);
    }
    *ret_list = c->playbooks;
    return c->playbook_count;
}

size_t
ctl_contrast_actions(ctl_contrast *c, const ctl_contrast_action **ret_list)
{
    if (c->action_count > 0) {
        qsort(c->actions, c->action_count, sizeof(*c->actions), by_name);
        index_names(c);
    }
    *ret_list = c->actions;
    return c->action_count;
}

ctl_contrast_totals
ctl_contrast_totals_of(const ctl_contrast *c)
{
    return c->totals;
}

static void
write_playbook(const ctl_contrast_playbook *p, rt_mpw *w)
{
    ctl_map map = ctl_map_begin(4096);
    ctl_map_str(&map, "playbook", p->id);
    ctl_map_u64(&map, "fired_then", p->fired_then);
    ctl_map_u64(&map, "fired_now", p->fired_now);
    ctl_map_u64(&map, "new", p->fresh);
    ctl_map_u64(&map, "lost", p->lost);
    ctl_map_u64(&map, "changed", p->changed);
    rt_mpw_raw(w, ctl_map_end(&map));
    ctl_map_fini(&map);
}

static void
write_action(const ctl_contrast_action *a, rt_mpw *w)
{
    ctl_map map = ctl_map_begin(4096);
    ctl_map_str(&map, "action", a->name);
    ctl_map_bool(&map, "contact", a->contact);
    ctl_map_u64(&map, "then", a->then);
    ctl_map_u64(&map, "now", a->now);
    ctl_map_u64(&map, "new", a->fresh);
    ctl_map_u64(&map, "lost", a->lost);
    ctl_map_u64(&map, "changed", a->changed);
    rt_mpw_raw(w, ctl_map_end(&map));
    ctl_map_fini(&map);
}

void
ctl_contrast_write(ctl_contrast *c, ctl_map *map)
{
    const ctl_contrast_playbook *playbooks;
    const ctl_contrast_action *actions;
    const ctl_contrast_totals *t = &c->totals;
    size_t count = ctl_contrast_playbooks(c, &playbooks);
    rt_mpw_array(ctl_map_key(map, "playbooks"), (uint32_t)count);
    for (size_t i = 0; i < count; i++) {
        write_playbook(&playbooks[i], &map->w);
    }
    count = ctl_contrast_actions(c, &actions);
    rt_mpw_array(ctl_map_key(map, "actions"), (uint32_t)count);
    for (size_t i = 0; i < count; i++) {
        write_action(&actions[i], &map->w);
    }
    ctl_map_u64(map, "decided", t->events);
    ctl_map_u64(map, "different", t->different);
    ctl_map_u64(map, "actions_then", t->actions_then);
    ctl_map_u64(map, "actions_now", t->actions_now);
    ctl_map_u64(map, "contacts_then", t->contacts_then);
    ctl_map_u64(map, "contacts_now", t->contacts_now);
    rt_mpw_i64(ctl_map_key(map, "cost_then_cop"), t->cost_then_cop);
    rt_mpw_i64(ctl_map_key(map, "cost_now_cop"), t->cost_now_cop);
}
